/* SMTP in over the in-memory provider: the rows that dialogs do not reach, and the replies each
   kind of trouble gets. What a client can see in a whole talk stands in tests/dialog/smtp. */
#include "connector/smtp/home.h"
#include "connector/smtp/hook.h"
#include "connector/smtp/session.h"
#include "net/listener.h"
#include "provider/memory/memory.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define HELLO "EHLO client.test\r\n"
#define ENVELOPE "MAIL FROM:<ben@far.test>\r\nRCPT TO:<anna@acme.test>\r\n"

static arena a;
static int64_t po, anna;

static void setup(void)
{
	memory_reset();
	memory_setting("local_domain", "mail.acme.test");
	po = memory_postoffice("acme", "acme.test");
	anna = memory_mailbox(po, "anna", "anna-secret");
}

static void teardown(void)
{
	arena_release(&a);
}

TestSuite(smtp, .init = setup, .fini = teardown);

/* All that a client reads that says EHLO, then `said`, and ends its half. */
static slice all_answers_to(enum service service, const char *said)
{
	int fd[2];
	text all = TEXT_INIT;
	char piece[4096];
	ssize_t n;
	slice hello = slice_z(HELLO);

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
	cr_assert_eq(send(fd[1], hello.at, hello.size, 0), (ssize_t)hello.size);
	cr_assert_eq(send(fd[1], said, strlen(said), 0), (ssize_t)strlen(said));
	shutdown(fd[1], SHUT_WR);
	conversation_run(service, fd[0], fd[0], NULL, smtp_conversation);
	while ((n = recv(fd[1], piece, sizeof piece, 0)) > 0)
		text_add(&all, slice_of(piece, (size_t)n));
	close(fd[1]);
	slice answers = arena_copy(&a, text_slice(&all));
	text_free(&all);
	return answers;
}

/* The same behind the answer to EHLO. */
static slice answers_to(enum service service, const char *said)
{
	slice answers = all_answers_to(service, said);
	const char *last = strstr(answers.at, "250 SMTPUTF8\r\n");
	cr_assert_not_null(last, "%s", answers.at);
	return slice_z(last + strlen("250 SMTPUTF8\r\n"));
}

/* ---- what EHLO offers */

static const struct {
	const char *word, *commands;
} offers[] = {
#define CAPABILITY(word, offered, commands) {word, commands},
#include "connector/smtp/capabilities.def"
#undef CAPABILITY
};

/* "250-WORD", and neither a letter more nor none. */
static bool is_offered(slice hello, const char *word)
{
	const char *blank = word[strlen(word) - 1] == '=' ? "" : " ", *end = "\r\n";

	return slice_search(hello, arena_format(&a, "\n250-%s%s", word, blank)) < hello.size ||
	       slice_search(hello, arena_format(&a, "\n250-%s%s", word, end)) < hello.size ||
	       slice_search(hello, arena_format(&a, "\n250 %s%s", word, end)) < hello.size;
}

static bool has_command(slice name)
{
	for (int i = 0; i < smtp_command_count; i++)
		if (slice_same(name, slice_z(smtp_commands[i].name)))
			return smtp_commands[i].flags & COMMAND_SWITCHABLE;
	return false;
}

Test(smtp, nothing_is_offered_whose_command_is_switched_off)
{
	memory_setting("smtp_auth_equals", "on");
	for (size_t i = 0; i < sizeof offers / sizeof *offers; i++) {
		/* There is no TLS here. */
		bool here = strcmp(offers[i].word, "STARTTLS") != 0 &&
			    strcmp(offers[i].word, "REQUIRETLS") != 0;
		slice rest = slice_z(offers[i].commands), one;
		memory_setting("smtp_commands_off", "");
		cr_expect_eq(is_offered(all_answers_to(SERVICE_SMTP, ""), offers[i].word), here,
			"%s", offers[i].word);
		while (slice_take(&rest, ' ', &one)) {
			if (one.size == 0)
				continue;
			cr_expect(has_command(one), "%s of %s", one.at, offers[i].word);
			memory_setting("smtp_commands_off", arena_z(&a, one));
			cr_expect_not(is_offered(all_answers_to(SERVICE_SMTP, ""), offers[i].word),
				"%s", offers[i].word);
		}
	}
}

/* The codes of the answers' last lines, "250 250 354". */
static slice codes_of(slice answers)
{
	text codes = TEXT_INIT;
	for (const char *at = answers.at; at && *at;
		at = strstr(at, "\r\n"), at = at ? at + 2 : at) {
		if (at[3] == '-')
			continue;
		if (codes.size)
			text_add_char(&codes, ' ');
		text_add(&codes, slice_of(at, 3));
	}
	slice out = arena_copy(&a, text_slice(&codes));
	text_free(&codes);
	return out;
}

static void expect_codes(const char *said, const char *wanted)
{
	slice answers = answers_to(SERVICE_SMTP, said);
	cr_expect_str_eq(codes_of(answers).at, wanted, "%s -> %s", said, answers.at);
}

Test(smtp, every_trouble_of_a_delivery_has_its_reply)
{
	const struct {
		status kind;
		const char *code;
	} rows[] = {
		{ST_FULL, "452 4.2.2"},
		{ST_ABSENT, "451 4.2.1"},
		{ST_TOO_BIG, "552 5.3.4"},
		{ST_CANCELLED, "421 4.3.2"},
		{ST_BUSY, "451 4.3.0"},
		{ST_UNSURE, "451 4.3.0"},
		{ST_TIMED_OUT, "451 4.3.0"},
		{ST_BROKEN, "451 4.3.0"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const char *reply = smtp_delivery_reply(rows[i].kind);
		cr_expect(slice_starts(slice_z(reply), slice_z(rows[i].code)), "%s: %s",
			status_name(rows[i].kind), reply);
	}
}

Test(smtp, what_a_delivery_meets_is_told_and_stores_nothing)
{
	const struct {
		status kind;
		const char *codes;
	} rows[] = {
		{ST_BUSY, "250 250 354 451 250"},
		{ST_FULL, "250 250 354 452 250"},
		{ST_UNSURE, "250 250 354 451 250"},
		{ST_CANCELLED, "250 250 354 421"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		memory_deliver_fail_next(rows[i].kind);
		expect_codes(ENVELOPE "DATA\r\nA: b\r\n\r\nx\r\n.\r\nRSET\r\n", rows[i].codes);
		cr_expect_eq(memory_messages(), 0);
	}
}

Test(smtp, sizes_of_chunks_are_numbers)
{
	static const struct {
		const char *chunk, *codes;
	} rows[] = {
		{"BDAT 0 LAST\r\nQUIT\r\n", "250 250 250 221"},
		{"BDAT 2 LAST\r\n\r\nQUIT\r\n", "250 250 250 221"},
		{"BDAT 2 last\r\n\r\nQUIT\r\n", "250 250 250 221"},
		{"BDAT 2\r\n\r\nBDAT 0 LAST\r\nQUIT\r\n", "250 250 250 250 221"},
		{"BDAT\r\nNOOP\r\n", "250 250 501"},
		{"BDAT x\r\nNOOP\r\n", "250 250 501"},
		{"BDAT -1\r\nNOOP\r\n", "250 250 501"},
		{"BDAT +2 LAST\r\nNOOP\r\n", "250 250 501"},
		{"BDAT 2 FIRST\r\nNOOP\r\n", "250 250 501"},
		{"BDAT 0x2 LAST\r\nNOOP\r\n", "250 250 501"},
		{"BDAT 18446744073709551616 LAST\r\nNOOP\r\n", "250 250 501"},
		{"BDAT 18446744073709551615 LAST\r\nNOOP\r\n", "250 250 501"},
		{"BDAT 999999999999 LAST\r\nNOOP\r\n", "250 250 552"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char said[200];
		snprintf(said, sizeof said, ENVELOPE "%s", rows[i].chunk);
		expect_codes(said, rows[i].codes);
	}
}

Test(smtp, a_chunk_is_no_command_even_where_it_has_no_place)
{
	expect_codes("BDAT 6\r\nQUIT\r\nNOOP\r\n", "503 250");
	expect_codes("MAIL FROM:<ben@far.test>\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n", "250 554 250");
	cr_expect_eq(memory_messages(), 0);
}

Test(smtp, chunks_keep_octets_as_they_are)
{
	struct memory_entry *rows;
	int n;

	expect_codes("MAIL FROM:<ben@far.test> BODY=BINARYMIME\r\nRCPT TO:<anna@acme.test>\r\n"
		     "BDAT 7\r\nA: b\r\n\rBDAT 6 LAST\r\n\n.\r\n.\nQUIT\r\n",
		"250 250 250 250 221");
	memory_entries(po, anna, &a, &rows, &n);
	cr_assert_eq(n, 1);
	slice end = slice_z("A: b\r\n\r\n.\r\n.\n");
	cr_assert_geq(rows[0].body.size, end.size);
	cr_expect(slice_same(slice_from(rows[0].body, rows[0].body.size - end.size), end));
}

/* He comes again, perhaps already did (R6). One that says QUIT too waits for his answer. */
Test(smtp, nothing_is_stored_for_who_is_gone_behind_his_text)
{
	struct memory_entry *rows;
	int n;

	expect_codes(ENVELOPE "BDAT 5 LAST\r\n\r\nx\r\n", "250 250 451");
	expect_codes(ENVELOPE "DATA\r\nSubject: gone\r\n\r\nx\r\n.\r\n", "250 250 354 451");
	memory_entries(po, anna, &a, &rows, &n);
	cr_expect_eq(n, 0);
}

Test(smtp, submission_wants_a_logon_first)
{
	slice answers = answers_to(SERVICE_SUBMISSION, "MAIL FROM:<anna@acme.test>\r\n");
	cr_expect(slice_starts(answers, S("530 5.7.0 ")), "%s", answers.at);
	memory_setting("smtp_auth_required", "off");
	answers = answers_to(SERVICE_SUBMISSION, "MAIL FROM:<anna@acme.test>\r\n");
	cr_expect(slice_starts(answers, S("250 ")), "%s", answers.at);
}

Test(smtp, the_help_names_what_is_on)
{
	slice answers = answers_to(SERVICE_SMTP, "HELP\r\n");
	for (int i = 0; i < smtp_command_count; i++)
		cr_expect_eq(strstr(answers.at, smtp_commands[i].help) != NULL,
			!setting_lists(S_smtp_commands_off, NULL, slice_z(smtp_commands[i].name)),
			"%s", smtp_commands[i].name);
}

Test(smtp, switched_off_commands_run_no_more)
{
	char said[100];
	for (int i = 0; i < smtp_command_count; i++) {
		/* Without EHLO nobody gets as far as the row. */
		if (!strcmp(smtp_commands[i].name, "EHLO"))
			continue;
		memory_setting("smtp_commands_off", smtp_commands[i].name);
		snprintf(said, sizeof said, "%s x\r\n", smtp_commands[i].name);
		slice answers = answers_to(SERVICE_SMTP, said);
		cr_expect(slice_starts(answers, S("502 5.5.1 ")), "%s: %s", smtp_commands[i].name,
			answers.at);
	}
}

Test(smtp, an_unwell_store_takes_no_mail)
{
	memory_unhealthy("fsync is off");
	int fd[2];
	char said[100] = "";
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
	shutdown(fd[1], SHUT_WR);
	conversation_run(SERVICE_SMTP, fd[0], fd[0], NULL, smtp_conversation);
	cr_expect_gt(recv(fd[1], said, sizeof said - 1, 0), 0);
	cr_expect(slice_starts(slice_z(said), S("4")), "%s", said);
	close(fd[1]);
}

Test(smtp, texts_for_programs_are_bounded_without_a_size_too)
{
	memory_setting("program_texts_most", "1 MB");
	memory_setting("smtp_message_most", "8 MB");
	cr_expect_eq(hook_texts_most(), 8 << 20);
	memory_setting("smtp_message_most", "0");
	cr_expect_eq(hook_texts_most(), 1 << 20);
}

/* A18, T16: where mail would come back from. */
Test(smtp, knows_its_own_door)
{
	static const struct {
		const char *host;
		uint16_t port;
		bool is_ours;
	} rows[] = {{"[127.0.0.1]", 25, true}, {"[127.0.0.1]", 26, false},
		{"[127.8.0.1]", 25, true}, {"[IPv6:::1]", 25, true}, {"[192.0.2.7]", 25, true},
		{"[192.0.2.8]", 25, false}, {"[IPv6:2001:db8::7]", 25, true},
		{"[IPv6:2001:db8::8]", 25, false}, {"[198.51.100.1]", 25, false},
		{"[198.51.100.1]", 2525, true}, {"[127.0.0.1]", 2525, false},
		{"MAIL.acme.test", 25, true}, {"mail.acme.test", 26, false},
		{"localhost", 2525, true}, {"mail.other.test", 25, false},
		{"[nonsense]", 25, false}, {"", 25, false}};

	/* Networks of literals hold other hosts too: every row is the same with them. */
	static const char *const literals[] = {"192.0.2.7 2001:db8::7",
		"192.0.2.7/32 2001:db8::7/128", "192.0.2.7 192.0.2.0/24 2001:db8::7 2001:db8::/64",
		"* 192.0.2.7 2001:db8::7"};
	memory_setting("smtp_listen", "*:25 198.51.100.1:2525");
	for (size_t l = 0; l < sizeof literals / sizeof *literals; l++) {
		memory_setting("smtp_literal_addresses", literals[l]);
		for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
			cr_expect(home_is_host(slice_z(rows[i].host), rows[i].port) ==
					  rows[i].is_ours,
				"%s:%u with %s", rows[i].host, rows[i].port, literals[l]);
	}
}
