/* Command rows: what is checked before a row runs, and how a conversation ends. */
#include "net/conversation.h"

#include "help.h"
#include "net/listener.h"
#include "talk.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static unsigned bad_seen;
static uint64_t commands_seen;

static status run_dialogue(conversation *c)
{
	cr_expect_eq(strlen(c->name), 13);
	cr_expect(c->trusted);
	cr_expect_eq(c->service, SERVICE_POP3);
	status kind = command_loop(c, &talk_dialogue);
	bad_seen = c->bad_commands;
	commands_seen = c->commands;
	return kind;
}

static status run_dismissed(conversation *c)
{
	conversation_dismiss(c);
	cr_expect(c->dismissed);
	return run_dialogue(c);
}

static status (*run_as)(conversation *c) = run_dialogue;

/* What the client reads after saying all of `said` and ending its half. */
static const char *answers_to(slice said, status wanted)
{
	int fd[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
	cr_assert_eq(send(fd[1], said.at, said.size, 0), (ssize_t)said.size);
	shutdown(fd[1], SHUT_WR);
	talk_state = IN_START;
	cr_expect_kind(conversation_run(SERVICE_POP3, fd[0], fd[0], NULL, run_as), wanted);
	const char *answers = help_receive_all(fd[1]);
	close(fd[1]);
	return answers;
}

static void check_rows(void)
{
	static const struct {
		slice said;
		const char *answer;
	} row[] = {
		{S("HELLO\r\n"), "hello |\r\n"},
		{S("hello World  of  words \t \r\n"), "hello World  of  words|\r\n"},
		{S("HELLO  two\r\n"), "hello  two|\r\n"},
		{S("HELLO a\tb\r\n"), "hello a\tb|\r\n"},
		{S("HELLO \xc3\xa4\r\n"), "hello \xc3\xa4|\r\n"},
		{S("PASS a b  \r\n"), "hello a b  |\r\n"},
		{S("PASS\r\n"), "syntax: PASS word\r\n"},
		{S("PASS \r\n"), "syntax: PASS word\r\n"},
		{S("WORK\r\n"), "order WORK\r\n"},
		{S("HELLO\r\nWORK\r\n"), "hello |\r\nworked\r\n"},
		{S("HELLO\r\nWORK  \r\n"), "hello |\r\nworked\r\n"},
		{S("HELLO\r\nWORK hard\r\n"), "hello |\r\nsyntax: WORK\r\n"},
		{S("OFF\r\n"), "off OFF\r\n"},
		{S("MORE one\r\ntwo\r\nNOOP\r\n"), "more?\r\none and two\r\nworked\r\n"},
		{S("HELL\r\n"), "unknown HELL\r\n"},
		{S("HELLOO\r\n"), "unknown HELLOO\r\n"},
		{S("\r\n"), "unknown \r\n"},
		{S(" HELLO\r\n"), "unknown \r\n"},
		{S("\xff\xfe\r\n"), "unknown ??\r\n"},
		{S("GETS rich\r\n"), "unknown GETS\r\n"},
		{S("HELLO\nNOOP\r\n"), "malformed invalid\r\nworked\r\n"},
		{S("HELLO a\rb\r\nNOOP\r\n"), "malformed invalid\r\nworked\r\n"},
		{S("HELLO a\0b\r\nNOOP\r\n"), "malformed invalid\r\nworked\r\n"},
		{S("HELLO \033[m\r\nNOOP\r\n"), "malformed invalid\r\nworked\r\n"},
		{S("HELLO \177\r\nNOOP\r\n"), "malformed invalid\r\nworked\r\n"},
		{S("HELLO 7890123456789012345678901234567890\r\n"),
			"hello 7890123456789012345678901234567890|\r\n"},
		{S("HELLO 78901234567890123456789012345678901\r\nNOOP\r\n"),
			"malformed too-big\r\nworked\r\n"},
	};

	for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
		cr_expect_str_eq(answers_to(row[i].said, ST_CLOSED), row[i].answer);
}

Test(command, rows_run_when_everything_is_in_order)
{
	check_rows();
}

Test(command, rows_run_the_same_byte_by_byte)
{
	stream_trickle(1);
	check_rows();
}

Test(command, refusals_are_counted)
{
	answers_to(S("A\r\nWORK\r\nOFF\r\nPASS\r\nHELLO\nHELLO\r\nNOOP\r\n"), ST_CLOSED);
	cr_expect_eq(bad_seen, 5);
	cr_expect_eq(commands_seen, 7);
	cr_expect_eq(metric_value(M_commands_bad, SERVICE_POP3), 5);
	cr_expect_eq(metric_value(M_commands, SERVICE_POP3), 2);
	cr_expect_eq(metric_value(M_conversations, SERVICE_POP3), 1);
	cr_expect_eq(metric_value(M_conversations_open, SERVICE_POP3), 0);
}

Test(command, what_is_run_is_counted_by_its_name)
{
	for (int i = 0; i < talk_dialogue.count; i++)
		metric_command_name(SERVICE_POP3, talk_dialogue.rows[i].name);
	answers_to(S("A\r\nWORK\r\nOFF\r\nPASS\r\nHELLO\nhello\r\nNOOP\r\nNOOP\r\n"), ST_CLOSED);
	for (int i = 0; i < talk_dialogue.count; i++) {
		const char *name = talk_dialogue.rows[i].name;
		cr_expect_eq(metric_command_value(SERVICE_POP3, name),
			!strcmp(name, "NOOP") ? 2 : !strcmp(name, "HELLO"), "%s", name);
	}
	cr_expect_eq(
		metric_command_value(SERVICE_POP3, NULL), 1, "the line that begins with no name");
}

Test(command, too_many_bad_ones_end_the_talk)
{
	talk_bad_most = 2;
	cr_expect_str_eq(answers_to(S("A\r\nNOOP\r\nB\r\nC\r\nD\r\n"), ST_LIMITED),
		"unknown A\r\nworked\r\nunknown B\r\nunknown C\r\ntoo many\r\n");
}

Test(command, a_closing_row_ends_the_talk)
{
	cr_expect_str_eq(answers_to(S("NOOP\r\nEND\r\nNOOP\r\n"), ST_OK), "worked\r\nbye\r\n");
}

Test(command, who_is_dismissed_hears_a_goodbye)
{
	run_as = run_dismissed;
	cr_expect_str_eq(answers_to(S("HELLO\r\n"), ST_CANCELLED), "stopping\r\n");
	cr_expect_eq(commands_seen, 0);
}

Test(command, a_row_that_fails_ends_the_talk_with_its_kind)
{
	talk_row_gives = ST_BROKEN;
	cr_expect_str_eq(answers_to(S("NOOP\r\nFAIL\r\nNOOP\r\n"), ST_BROKEN), "worked\r\n");
}

Test(command, http_is_turned_away)
{
	static const char *const verbs[] = {"GET", "post", "PUT", "HEAD", "OPTIONS", "CONNECT",
		"DELETE", "TRACE", "PATCH", "PRI"};
	char said[100];

	for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
		snprintf(said, sizeof said, "%s /mail HTTP/1.1\r\nHELLO evil\r\n", verbs[i]);
		cr_expect_str_eq(answers_to(slice_z(said), ST_LIMITED), "too many\r\n");
		snprintf(said, sizeof said, "%s\r\nHELLO evil\r\n", verbs[i]);
		cr_expect_str_eq(answers_to(slice_z(said), ST_LIMITED), "too many\r\n");
	}
}

Test(command, a_handshake_of_tls_in_place_of_a_command_ends_the_talk)
{
	cr_expect_str_eq(
		answers_to(S("\x16\x03\x01\x02\0\r\nHELLO evil\r\n"), ST_LIMITED), "too many\r\n");
	cr_expect_str_eq(answers_to(S("HELLO\r\n\x16"), ST_LIMITED), "hello |\r\ntoo many\r\n");
}

Test(command, a_flood_of_rows_without_work_counts_as_bad)
{
	char said[6 * 80 + 1] = "";

	for (int i = 0; i < 80; i++)
		strcat(said, "NOOP\r\n");
	answers_to(slice_z(said), ST_CLOSED);
	cr_expect_geq(bad_seen, 25);
	cr_expect_leq(bad_seen, 30);
}

static char left_in_buffer[64];

/* Says a secret, and after it looks at what the memory it stood in still holds. */
static status run_secret(conversation *c, slice rest)
{
	enum line_end end;
	slice line;

	(void)rest;
	TRY(stream_line(c->stream, 40, &line, &end));
	memcpy(left_in_buffer, line.at, line.size);
	cr_expect_str_eq(left_in_buffer, "second");
	stream_forget(c->stream);
	memcpy(left_in_buffer, line.at, line.size);
	return conversation_say(c, "taken");
}

/* A shorter command takes the place of the one before. */
static status run_look(conversation *c, slice rest)
{
	char *z = arena_z(&c->command, S(""));

	for (int i = 1; i < 16; i++)
		cr_expect_eq(z[i], 0, "byte %d: %c", i, z[i]);
	(void)rest;
	return conversation_say(c, "looked");
}

static status run_secrets(conversation *c)
{
	static const struct command rows[] = {
		{"AUTH", run_secret, IN_START, COMMAND_SECRET, "AUTH word"},
		{"LOOK", run_look, IN_START, 0, "LOOK"},
	};
	struct dialogue d = talk_dialogue;
	d.rows = rows;
	d.count = 2;
	return command_loop(c, &d);
}

Test(command, what_was_secret_is_wiped)
{
	slice said = S("AUTH first-0123456789012345678901234\r\nsecond\r\nLOOK\r\n");
	int fd[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
	cr_assert_eq(send(fd[1], said.at, said.size, 0), (ssize_t)said.size);
	shutdown(fd[1], SHUT_WR);
	talk_state = IN_START;
	cr_expect_kind(conversation_run(SERVICE_POP3, fd[0], fd[0], NULL, run_secrets), ST_CLOSED);
	cr_expect_str_eq(help_receive_all(fd[1]), "taken\r\nlooked\r\n");
	for (size_t i = 0; i < sizeof left_in_buffer; i++)
		cr_expect_eq(left_in_buffer[i], 0);
	close(fd[1]);
}

Test(command, silence_ends_the_talk)
{
	int fd[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
	talk_patience = 30 * USEC_MS;
	help_send(fd[1], "NOOP\r\nHALF");
	cr_expect_kind(
		conversation_run(SERVICE_POP3, fd[0], fd[0], NULL, run_dialogue), ST_TIMED_OUT);
	cr_expect_str_eq(help_receive_all(fd[1]), "worked\r\ntimed out\r\n");
	close(fd[1]);
}

Test(command, is_found_in_any_case_by_its_whole_name)
{
	cr_expect_eq(command_find(&talk_dialogue, S("noOp")), &talk_dialogue.rows[4]);
	cr_expect_null(command_find(&talk_dialogue, S("NOO")));
	cr_expect_null(command_find(&talk_dialogue, S("NOOPS")));
	cr_expect_null(command_find(&talk_dialogue, S("")));
}

Test(conversation, shows_client_bytes_only_when_they_are_harmless)
{
	conversation c = {0};
	char longer[70];

	cr_expect_str_eq(conversation_safe(&c, S("a b~\r\n\033\0\177\xc3\xa4")), "a b~???????");
	memset(longer, 'x', sizeof longer);
	cr_expect_eq(strlen(conversation_safe(&c, slice_of(longer, 64))), 64);
	cr_expect_eq(strlen(conversation_safe(&c, slice_of(longer, 65))), 67);
	arena_release(&c.command);
}
