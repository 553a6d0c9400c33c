/* The outbound client against scripted hosts: what is said to them, what becomes of each recipient,
   and that hosts which misbehave cost their own talk only (T5, T59). */
#include "hand_over.h"

#include <stdlib.h>
#include <unistd.h>

/* No step has an end of its own unless the test sets one: what hangs meets the limit of the
   suite. */
TestSuite(client, .init = hand_over_begin, .fini = hand_over_end, .timeout = 300);

/* ---- what is said */

Test(client, a_message_is_handed_over_step_by_step)
{
	cr_expect_eq(deliver(SCRIPT(HOST_GREETS, "> 250 there.test", TAKES_ONE)), ST_OK);
	expect_script_done();
	expect_delivered(0);
	cr_expect(slice_same(text_slice(&host.texts), S(HELLO_STUFFED)));
	cr_expect(slice_same(to[0].result.text, S("stored")));
}

Test(client, an_envelope_travels_in_one_flight)
{
	cr_expect_eq(deliver(SCRIPT(HOST_KNOWS("> 250 PIPELINING"), "< MAIL FROM:<me@us.test>",
			     "< RCPT TO:<anna@there.test>", "< DATA",
			     "> 250 2.1.0 ok\r\n250 2.1.5 ok\r\n354 go on", "text",
			     "> 250 2.6.0 stored", "< QUIT", "> 221 bye", "wait")),
		ST_OK);
	expect_script_done();
	expect_result(&to[0].result, CLIENT_DELIVERED, CLIENT_BY_REPLY, CLIENT_END, 250, "2.6.0");
}

Test(client, byte_by_byte_nothing_changes)
{
	stream_trickle(1);
	cr_expect_eq(deliver(SCRIPT(HOST_KNOWS("> 250-PIPELINING\r\n250 SIZE 10000"),
			     "< MAIL FROM:<me@us.test> SIZE=34", "< RCPT TO:<anna@there.test>",
			     "< DATA", "> 250 ok\r\n250 ok\r\n354 go on", "text", "> 250 stored",
			     "< QUIT", "> 221 bye", "wait")),
		ST_OK);
	expect_script_done();
	expect_delivered(0);
	cr_expect(slice_same(text_slice(&host.texts), S(HELLO_STUFFED)));
}

Test(client, everything_the_host_knows_is_said)
{
	rcpt_parameters dsn = {.notify = NOTIFY_SUCCESS | NOTIFY_DELAY,
		.has_orcpt = true,
		.orcpt_type = S("rfc822"),
		.orcpt = S("anna+x@else.test")};

	to[0].dsn = &dsn;
	message.ret = RET_HDRS;
	message.envid = S("id=1");
	message.eight_bit = true;
	message.utf8 = true;
	cr_expect_eq(
		deliver(SCRIPT(HOST_KNOWS("> 250-DSN\r\n250-8bitmime\r\n250-SMTPUTF8\r\n"
					  "250 SIZE"),
			"< MAIL FROM:<me@us.test> SIZE=34 BODY=8BITMIME SMTPUTF8 RET=HDRS "
			"ENVID=id+3D1",
			"> 250 ok",
			"< RCPT TO:<anna@there.test> NOTIFY=SUCCESS,DELAY "
			"ORCPT=rfc822;anna+2Bx@else.test",
			"> 250 ok", "< DATA", "> 354 go on", "text", "> 250 stored", "< QUIT")),
		ST_OK);
	expect_script_done();
	expect_delivered(0);
	cr_expect(to[0].dsn_passed);
}

Test(client, the_null_sender_and_never_are_said)
{
	rcpt_parameters dsn = {.notify = NOTIFY_NEVER};

	to[0].dsn = &dsn;
	message.sender = S("");
	cr_expect_eq(deliver(SCRIPT(HOST_KNOWS("> 250 DSN"), "< MAIL FROM:<>", "> 250 ok",
			     "< RCPT TO:<anna@there.test> NOTIFY=NEVER", "> 250 ok", "< DATA",
			     "> 354 go on", "text", "> 250 stored", "< QUIT")),
		ST_OK);
	expect_script_done();
}

/* What programs that do not know of NOTIFY_NOBODY find beside it stays with us. */
Test(client, nobody_is_never_on_the_wire)
{
	static const unsigned rows[] = {NOTIFY_NOBODY | NOTIFY_FAILURE, NOTIFY_NOBODY};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		rcpt_parameters dsn = {.notify = rows[i]};

		to[0].dsn = &dsn;
		cr_expect_eq(
			deliver(SCRIPT(HOST_KNOWS("> 250 DSN"), "< MAIL FROM:<me@us.test>",
				"> 250 ok", "< RCPT TO:<anna@there.test> NOTIFY=NEVER", "> 250 ok",
				"< DATA", "> 354 go on", "text", "> 250 stored", "< QUIT")),
			ST_OK);
		expect_script_done();
	}
}

Test(client, a_text_goes_as_one_chunk_where_chunks_are_known)
{
	cr_expect_eq(deliver(SCRIPT(HOST_KNOWS("> 250-PIPELINING\r\n250 CHUNKING"),
			     "< MAIL FROM:<me@us.test>", "< RCPT TO:<anna@there.test>",
			     "> 250 ok\r\n250 ok", "chunk", "> 250 stored", "< QUIT", "> 221 bye")),
		ST_OK);
	expect_script_done();
	cr_expect_str_eq(host.line, "QUIT");
	cr_expect(slice_same(text_slice(&host.texts), S(HELLO_TEXT)));
	expect_delivered(0);
}

Test(client, a_host_that_knows_helo_only_is_served)
{
	cr_expect_eq(deliver(SCRIPT(HOST_GREETS, "> 502 what?", "< HELO us.test",
			     "> 250 there.test", TAKES_ONE)),
		ST_OK);
	expect_script_done();
	expect_delivered(0);
}

Test(client, several_messages_share_a_connection)
{
	cr_assert_eq(
		meet(SCRIPT(HOST_KNOWS("> 250 PIPELINING"), "< MAIL*", "< RCPT*", "< DATA",
			"> 250 ok\r\n550 no such user\r\n503 no recipients", "< RSET", "< MAIL*",
			"< RCPT*", "< DATA", "> 250 ok\r\n250 ok\r\n250 ok\r\n354 go", "text",
			"> 250 stored", "< MAIL*", "< RCPT*", "< DATA",
			"> 250 ok\r\n250 ok\r\n354 go", "text", "> 451 later", "< QUIT")),
		ST_OK);
	cr_expect_eq(client_send(talk, &message, &a), ST_OK);
	expect_result(&to[0].result, CLIENT_FAILED, CLIENT_BY_REPLY, CLIENT_RCPT, 550, "5.0.0");
	cr_expect_eq(client_send(talk, &message, &a), ST_OK);
	expect_delivered(0);
	cr_expect_eq(client_send(talk, &message, &a), ST_OK);
	expect_result(&to[0].result, CLIENT_DEFERRED, CLIENT_BY_REPLY, CLIENT_END, 451, "4.0.0");
	cr_expect_eq(client_facts(talk)->messages, 2);
	client_close(&talk);
	fake_host_end(&host);
	expect_script_done();
}

Test(client, each_recipient_has_its_own_result)
{
	recipients_are(4);
	cr_expect_eq(deliver(SCRIPT(HOST_KNOWS("> 250 PIPELINING"), "< MAIL*", "< RCPT*", "< RCPT*",
			     "< RCPT*", "< RCPT*", "< DATA",
			     "> 250 ok\r\n250 ok\r\n450 4.2.1 busy\r\n550-5.1.1 no\r\n550 5.1.1 "
			     "such user\r\n251 will forward\r\n354 go",
			     "text", "> 250 stored", "< QUIT")),
		ST_OK);
	expect_script_done();
	expect_delivered(0);
	expect_result(&to[1].result, CLIENT_DEFERRED, CLIENT_BY_REPLY, CLIENT_RCPT, 450, "4.2.1");
	expect_result(&to[2].result, CLIENT_FAILED, CLIENT_BY_REPLY, CLIENT_RCPT, 550, "5.1.1");
	cr_expect(slice_same(to[2].result.text, S("no such user")));
	expect_delivered(3);
}

Test(client, too_many_at_once_go_in_another_transaction)
{
	recipients_are(3);
	cr_expect_eq(
		deliver(SCRIPT(HOST_KNOWS("> 250 PIPELINING"), "< MAIL*", "< RCPT TO:<anna*",
			"< RCPT TO:<ben*", "< RCPT TO:<cleo*", "< DATA",
			"> 250 ok\r\n250 ok\r\n452 4.5.3 too many\r\n452 too many\r\n354 go",
			"text", "> 250 stored", "< MAIL*", "< RCPT TO:<ben*", "< RCPT TO:<cleo*",
			"< DATA", "> 250 ok\r\n250 ok\r\n452 4.2.2 full\r\n354 go", "text",
			"> 250 stored", "< QUIT")),
		ST_OK);
	expect_script_done();
	expect_delivered(0);
	expect_delivered(1);
	expect_result(&to[2].result, CLIENT_DEFERRED, CLIENT_BY_REPLY, CLIENT_RCPT, 452, "4.2.2");
	cr_expect_eq(host.whole, 2);
}

Test(client, a_text_nobody_is_to_get_is_empty)
{
	cr_assert_eq(meet(SCRIPT(HOST_KNOWS("> 250 PIPELINING"), "< MAIL*", "< RCPT*", "< DATA",
			     "> 250 ok\r\n550 no\r\n354 go on all the same", "< .", "> 554 nobody",
			     "< MAIL*", "< RCPT*", "< DATA", "> 250 ok\r\n250 ok\r\n354 go", "text",
			     "> 250 stored", "< QUIT")),
		ST_OK);
	cr_expect_eq(client_send(talk, &message, &a), ST_OK);
	expect_result(&to[0].result, CLIENT_FAILED, CLIENT_BY_REPLY, CLIENT_RCPT, 550, "5.0.0");
	cr_expect_eq(client_send(talk, &message, &a), ST_OK);
	expect_delivered(0);
	client_close(&talk);
	fake_host_end(&host);
	expect_script_done();
}

Test(client, a_text_without_a_last_line_end_gets_one)
{
	text_is("Subject: x\r\n\r\nno end");
	cr_expect_eq(deliver(SCRIPT(HOST_GREETS, "> 250 there.test", TAKES_ONE)), ST_OK);
	cr_expect(slice_same(text_slice(&host.texts), S("Subject: x\r\n\r\nno end\r\n.\r\n")));
}

/* ---- what must not be sent (T2) */

static void bare(const char *words, const char *offers)
{
	text_is(words);
	cr_expect_neq(deliver(SCRIPT(HOST_GREETS, offers, "< MAIL*", "> 250 ok", "< RCPT*",
			      "> 250 ok", "< *", "> 354 go on", "text", "> 250 stored")),
		ST_OK);
	expect_result(&to[0].result, CLIENT_FAILED, CLIENT_BY_MESSAGE, CLIENT_TEXT, 0, "5.6.0");
	cr_expect_eq(host.whole, 0, "%s", words);
}

Test(client, bare_line_ends_never_leave)
{
	static const char *const rows[] = {"A: b\r\n\r\nx\n.\nMAIL FROM:<e@v.il>\r\n",
		"A: b\r\n\r\nx\r\n.\nMAIL\r\n", "A: b\r\n\r\nx\r.\r\r\n", "A: b\r\n\r\nx\n.\r\n",
		"A: b\r\n\r\nx\r"};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		bare(rows[i], "> 250 there.test");
		text_clear(&host.texts);
	}
}

Test(client, bare_line_ends_never_leave_in_chunks)
{
	static const char *const rows[] = {
		"A: b\r\n\r\nx\n.\r\n", "A: b\r\n\r\nx\r.\r\n", "A: b\r\n\r\nx\r"};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		text_is(rows[i]);
		cr_expect_neq(deliver(SCRIPT(HOST_KNOWS("> 250 CHUNKING"), "< MAIL*", "> 250 ok",
				      "< RCPT*", "> 250 ok", "chunk", "> 250 stored")),
			ST_OK);
		expect_result(
			&to[0].result, CLIENT_FAILED, CLIENT_BY_MESSAGE, CLIENT_TEXT, 0, "5.6.0");
		cr_expect_eq(host.whole, 0);
		text_clear(&host.texts);
	}
}

Test(client, addresses_cannot_carry_commands)
{
	recipients_are(2);
	to[1].address = S("x@y.test>\r\nRCPT TO:<z@y.test");
	cr_expect_eq(deliver(SCRIPT(HOST_GREETS, "> 250 there.test", TAKES_ONE)), ST_OK);
	expect_script_done();
	expect_delivered(0);
	expect_result(&to[1].result, CLIENT_FAILED, CLIENT_BY_MESSAGE, CLIENT_RCPT, 0, "5.1.3");
}

Test(client, a_text_that_cannot_be_read_is_not_ended)
{
	source_gives = ST_BUSY;
	cr_expect_neq(deliver(SCRIPT(HOST_GREETS, "> 250 there.test", TAKES_ONE)), ST_OK);
	expect_result(&to[0].result, CLIENT_DEFERRED, CLIENT_BY_US, CLIENT_TEXT, 0, "4.3.0");
	cr_expect_eq(host.whole, 0);
}

Test(client, a_chunk_of_another_size_than_told_is_not_ended)
{
	for (int more = -1; more <= 1; more += 2) {
		message.size = source_text.size + (size_t)more;
		cr_expect_neq(deliver(SCRIPT(HOST_KNOWS("> 250 CHUNKING"), "< MAIL*", "> 250 ok",
				      "< RCPT*", "> 250 ok", "chunk", "> 250 stored")),
			ST_OK);
		expect_result(
			&to[0].result, CLIENT_DEFERRED, CLIENT_BY_US, CLIENT_TEXT, 0, "4.3.0");
		cr_expect_eq(host.whole, 0);
	}
}

/* ---- what a host lacks */

static void lacks(const char *enhanced)
{
	cr_expect_eq(deliver(SCRIPT(HOST_KNOWS("> 250 SIZE 1000"), "< QUIT", "> 221 bye")), ST_OK);
	expect_script_done();
	expect_result(&to[0].result, CLIENT_FAILED, CLIENT_BY_MESSAGE, CLIENT_MAIL, 0, enhanced);
}

Test(client, a_message_is_not_given_to_a_host_that_cannot_carry_it)
{
	message.utf8 = true;
	lacks("5.6.7");
	message.utf8 = false;
	message.sender = S("j\xc3\xb8rn@us.test");
	lacks("5.6.7");
	message.sender = S("me@us.test");
	message.eight_bit = true;
	lacks("5.6.3");
	message.eight_bit = false;
	message.binary = true;
	lacks("5.6.1");
	message.binary = false;
	message.require_tls = true;
	lacks("5.7.30");
	message.require_tls = false;
	message.size = 1001;
	lacks("5.3.4");
}

Test(client, eight_bits_are_sent_all_the_same_where_that_is_wanted)
{
	memory_setting("outbound_eight_bit", "send");
	message.eight_bit = true;
	cr_expect_eq(deliver(SCRIPT(HOST_GREETS, "> 250 there.test", TAKES_ONE)), ST_OK);
	expect_delivered(0);
}

/* ---- in 7 bits */

static status seven_bit_kind;

static status seven_bit_made(void *arg)
{
	(void)arg;
	return seven_bit_kind;
}

static status plain_text(void *arg, status (*take)(slice piece, void *to), void *to)
{
	(void)arg;
	return take(S("plain\r\n"), to);
}

static void made(status kind)
{
	seven_bit_kind = kind;
	message.seven_bit = seven_bit_made;
	message.plain_source = plain_text;
}

Test(client, octets_a_host_does_not_take_are_encoded)
{
	message.eight_bit = message.binary = true;
	made(ST_OK);
	cr_expect_eq(deliver(SCRIPT(HOST_KNOWS("> 250-CHUNKING\r\n250 SIZE 1000"),
			     "< MAIL FROM:<me@us.test>", "> 250 ok", "< RCPT TO:<anna@there.test>",
			     "> 250 ok", "< DATA", "> 354 go on", "text", "> 250 stored", "< QUIT",
			     "> 221 bye", "wait")),
		ST_OK);
	expect_script_done();
	expect_delivered(0);
	cr_expect(slice_same(text_slice(&host.texts), S("plain\r\n.\r\n")));
}

Test(client, a_host_that_takes_them_gets_them)
{
	message.eight_bit = true;
	made(ST_OK);
	cr_expect_eq(deliver(SCRIPT(HOST_KNOWS("> 250 8BITMIME"),
			     "< MAIL FROM:<me@us.test> BODY=8BITMIME", "> 250 ok",
			     "< RCPT TO:<anna@there.test>", "> 250 ok", "< DATA", "> 354 go on",
			     "text", "> 250 stored", "< QUIT", "> 221 bye", "wait")),
		ST_OK);
	expect_script_done();
	cr_expect(slice_same(text_slice(&host.texts), S(HELLO_STUFFED)));
}

Test(client, what_cannot_be_encoded_is_returned_or_sent_as_it_is)
{
	message.eight_bit = true;
	const struct {
		status kind;
		slice words;
	} rows[] = {{ST_DENIED, S("signed as it is")}, {ST_INVALID, S("the body of the message")},
		{ST_FOREIGN, S("the header of the message")}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		made(rows[i].kind);
		lacks("5.6.3");
		cr_expect(slice_search(to[0].result.text, rows[i].words) < to[0].result.text.size);
	}
	made(ST_INVALID);
	memory_setting("outbound_eight_bit_else", "send");
	cr_expect_eq(deliver(SCRIPT(HOST_GREETS, "> 250 there.test", TAKES_ONE)), ST_OK);
	expect_delivered(0);
	message.binary = true;
	lacks("5.6.1");
	message.binary = false;
	made(ST_BUSY);
	cr_expect_eq(deliver(SCRIPT(HOST_KNOWS("> 250 HELP"), "< QUIT", "> 221 bye")), ST_OK);
	expect_result(&to[0].result, CLIENT_DEFERRED, CLIENT_BY_US, CLIENT_MAIL, 0, "4.3.0");
	memory_setting("outbound_eight_bit", "refuse");
	made(ST_OK);
	lacks("5.6.3");
}

Test(client, an_address_beyond_ascii_fails_alone)
{
	recipients_are(2);
	to[1].address = S("j\xc3\xb8rn@there.test");
	cr_expect_eq(deliver(SCRIPT(HOST_GREETS, "> 250 there.test", TAKES_ONE)), ST_OK);
	expect_delivered(0);
	expect_result(&to[1].result, CLIENT_FAILED, CLIENT_BY_MESSAGE, CLIENT_RCPT, 0, "5.6.7");
}

/* ---- refusals at each step */

struct refusal {
	const char *const *script;
	enum client_outcome outcome;
	enum client_cause cause;
	enum client_phase phase;
	int code;
	const char *enhanced;
};

static void expect_refusals(const struct refusal *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct refusal *r = &rows[i];
		deliver(r->script);
		const struct client_result *got = r->phase <= CLIENT_LOGON ? &why : &to[0].result;
		expect_result(got, r->outcome, r->cause, r->phase, r->code, r->enhanced);
		cr_expect(got->text.size > 0, "row %zu has no words", i);
		text_clear(&host.texts);
	}
}

#define SAID_HELLO HOST_GREETS, "> 250 there.test"
#define SAID_MAIL SAID_HELLO, "< MAIL*", "> 250 ok"
#define SAID_RCPT SAID_MAIL, "< RCPT*", "> 250 ok"
#define SAID_DATA SAID_RCPT, "< DATA", "> 354 go on"

Test(client, every_refusal_is_told_with_its_step)
{
	const struct refusal rows[] = {
		{SCRIPT("> 421 busy"), CLIENT_DEFERRED, CLIENT_BY_HOST, CLIENT_GREETING, 421,
			"4.0.0"},
		{SCRIPT("> 450 4.7.1 not now", "< QUIT"), CLIENT_DEFERRED, CLIENT_BY_HOST,
			CLIENT_GREETING, 450, "4.7.1"},
		{SCRIPT("> 554 5.7.1 not you", "< QUIT"), CLIENT_FAILED, CLIENT_BY_HOST,
			CLIENT_GREETING, 554, "5.7.1"},
		{SCRIPT(HOST_GREETS, "> 450 slow down", "< QUIT"), CLIENT_DEFERRED, CLIENT_BY_HOST,
			CLIENT_HELLO, 450, "4.0.0"},
		{SCRIPT(HOST_GREETS, "> 550 no", "< HELO*", "> 550 no", "< QUIT"), CLIENT_FAILED,
			CLIENT_BY_HOST, CLIENT_HELLO, 550, "5.0.0"},
		{SCRIPT(SAID_HELLO, "< MAIL*", "> 451 4.7.1 greylisted", "< QUIT"), CLIENT_DEFERRED,
			CLIENT_BY_REPLY, CLIENT_MAIL, 451, "4.7.1"},
		{SCRIPT(SAID_HELLO, "< MAIL*", "> 550 5.7.1 no", "< QUIT"), CLIENT_FAILED,
			CLIENT_BY_REPLY, CLIENT_MAIL, 550, "5.7.1"},
		{SCRIPT(SAID_HELLO, "< MAIL*", "> 421 4.3.2 going down"), CLIENT_DEFERRED,
			CLIENT_BY_HOST, CLIENT_MAIL, 421, "4.3.2"},
		{SCRIPT(SAID_MAIL, "< RCPT*", "> 450 4.2.0 later", "< QUIT"), CLIENT_DEFERRED,
			CLIENT_BY_REPLY, CLIENT_RCPT, 450, "4.2.0"},
		{SCRIPT(SAID_MAIL, "< RCPT*", "> 550 5.1.1 unknown", "< QUIT"), CLIENT_FAILED,
			CLIENT_BY_REPLY, CLIENT_RCPT, 550, "5.1.1"},
		{SCRIPT(SAID_MAIL, "< RCPT*", "> 421 bye"), CLIENT_DEFERRED, CLIENT_BY_HOST,
			CLIENT_RCPT, 421, "4.0.0"},
		{SCRIPT(SAID_RCPT, "< DATA", "> 451 disk", "< QUIT"), CLIENT_DEFERRED,
			CLIENT_BY_REPLY, CLIENT_DATA, 451, "4.0.0"},
		{SCRIPT(SAID_RCPT, "< DATA", "> 554 no", "< QUIT"), CLIENT_FAILED, CLIENT_BY_REPLY,
			CLIENT_DATA, 554, "5.0.0"},
		{SCRIPT(SAID_DATA, "text", "> 451 4.3.0 disk", "< QUIT"), CLIENT_DEFERRED,
			CLIENT_BY_REPLY, CLIENT_END, 451, "4.3.0"},
		{SCRIPT(SAID_DATA, "text", "> 550 5.7.1 spam", "< QUIT"), CLIENT_FAILED,
			CLIENT_BY_REPLY, CLIENT_END, 550, "5.7.1"},
		{SCRIPT(SAID_DATA, "text", "> 421 4.3.0 sorry"), CLIENT_DEFERRED, CLIENT_BY_HOST,
			CLIENT_END, 421, "4.3.0"},
		/* An enhanced code of another class than its code is none. */
		{SCRIPT(SAID_MAIL, "< RCPT*", "> 450 5.1.1 unknown", "< QUIT"), CLIENT_DEFERRED,
			CLIENT_BY_REPLY, CLIENT_RCPT, 450, "4.0.0"},
	};
	expect_refusals(rows, sizeof rows / sizeof rows[0]);
}

Test(client, a_connection_that_ends_anywhere_is_told)
{
	const struct refusal rows[] = {
		{SCRIPT(NULL), CLIENT_DEFERRED, CLIENT_BY_HOST, CLIENT_GREETING, 0, "4.4.2"},
		{SCRIPT(">> 220 half"), CLIENT_DEFERRED, CLIENT_BY_HOST, CLIENT_GREETING, 0,
			"4.4.2"},
		{SCRIPT(HOST_GREETS), CLIENT_DEFERRED, CLIENT_BY_HOST, CLIENT_HELLO, 0, "4.4.2"},
		{SCRIPT(HOST_GREETS, "> 250-there.test"), CLIENT_DEFERRED, CLIENT_BY_HOST,
			CLIENT_HELLO, 0, "4.4.2"},
		{SCRIPT(SAID_HELLO, "< MAIL*"), CLIENT_DEFERRED, CLIENT_BY_HOST, CLIENT_MAIL, 0,
			"4.4.2"},
		{SCRIPT(SAID_MAIL, "< RCPT*"), CLIENT_DEFERRED, CLIENT_BY_HOST, CLIENT_RCPT, 0,
			"4.4.2"},
		{SCRIPT(SAID_RCPT, "< DATA"), CLIENT_DEFERRED, CLIENT_BY_HOST, CLIENT_DATA, 0,
			"4.4.2"},
		{SCRIPT(SAID_DATA, "text"), CLIENT_UNSURE, CLIENT_BY_HOST, CLIENT_END, 0, "4.4.2"},
		{SCRIPT(SAID_DATA, "text", ">> 250 half a"), CLIENT_UNSURE, CLIENT_BY_HOST,
			CLIENT_END, 0, "4.4.2"},
	};
	expect_refusals(rows, sizeof rows / sizeof rows[0]);
}

Test(client, a_host_that_breaks_off_within_a_text_has_nothing)
{
	size_t size = 4 << 20;
	char *big = malloc(size + 1);

	memset(big, 'x', size);
	for (size_t i = 70; i < size; i += 72)
		memcpy(big + i, "\r\n", 2);
	big[size] = '\0';
	text_is(big);
	deliver(SCRIPT(SAID_DATA, "< *"));
	expect_result(&to[0].result, CLIENT_DEFERRED, CLIENT_BY_HOST, CLIENT_TEXT, 0, "4.4.2");
	free(big);
}

/* ---- hosts that mean harm or know no better (T5) */

Test(client, replies_that_are_none_end_the_talk)
{
	static const char *const rows[] = {"> 199 low", "> 600 high", "> 999 higher", "> 100 wait",
		"> hello", "> 25 short", "> 2500 long", "> 250_odd", "> ", "> -50 minus",
		"> 250-one\r\n251 two", "> \x01\x02", "> 334 what", "> HTTP/1.1 400 Bad Request"};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		deliver(SCRIPT(SAID_MAIL, "< RCPT*", rows[i], "wait"));
		expect_result(
			&to[0].result, CLIENT_DEFERRED, CLIENT_BY_HOST, CLIENT_RCPT, 0, "4.5.0");
	}
}

Test(client, nonsense_instead_of_the_last_answer_leaves_it_unsure)
{
	static const char *const rows[] = {
		"> 199 low", "> hello", "> 354 more", "> 250-one\r\n550 two"};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		deliver(SCRIPT(SAID_DATA, "text", rows[i], "wait"));
		expect_result(&to[0].result, CLIENT_UNSURE, CLIENT_BY_HOST, CLIENT_END, 0, "4.5.0");
	}
}

Test(client, endless_replies_end_soon)
{
	const struct refusal rows[] = {
		{SCRIPT("flood"), CLIENT_DEFERRED, CLIENT_BY_HOST, CLIENT_GREETING, 0, "4.5.0"},
		{SCRIPT("garbage"), CLIENT_DEFERRED, CLIENT_BY_HOST, CLIENT_GREETING, 0, "4.5.0"},
		{SCRIPT(HOST_GREETS, "flood"), CLIENT_DEFERRED, CLIENT_BY_HOST, CLIENT_HELLO, 0,
			"4.5.0"},
		{SCRIPT(SAID_MAIL, "< RCPT*", "garbage"), CLIENT_DEFERRED, CLIENT_BY_HOST,
			CLIENT_RCPT, 0, "4.5.0"},
		{SCRIPT(SAID_DATA, "text", "flood"), CLIENT_UNSURE, CLIENT_BY_HOST, CLIENT_END, 0,
			"4.5.0"},
	};
	expect_refusals(rows, sizeof rows / sizeof rows[0]);
}

Test(client, silence_ends_with_the_patience_of_its_step)
{
	const struct refusal rows[] = {
		{SCRIPT("wait"), CLIENT_DEFERRED, CLIENT_BY_HOST, CLIENT_GREETING, 0, "4.4.2"},
		{SCRIPT(HOST_GREETS, "wait"), CLIENT_DEFERRED, CLIENT_BY_HOST, CLIENT_HELLO, 0,
			"4.4.2"},
		{SCRIPT(SAID_HELLO, "wait"), CLIENT_DEFERRED, CLIENT_BY_HOST, CLIENT_MAIL, 0,
			"4.4.2"},
		{SCRIPT(SAID_MAIL, "wait"), CLIENT_DEFERRED, CLIENT_BY_HOST, CLIENT_RCPT, 0,
			"4.4.2"},
		{SCRIPT(SAID_RCPT, "wait"), CLIENT_DEFERRED, CLIENT_BY_HOST, CLIENT_DATA, 0,
			"4.4.2"},
		{SCRIPT(SAID_DATA, "wait"), CLIENT_UNSURE, CLIENT_BY_HOST, CLIENT_END, 0, "4.4.2"},
	};
	usec *const steps[] = {&target.patience.greeting, &target.patience.hello,
		&target.patience.mail, &target.patience.rcpt, &target.patience.data,
		&target.patience.end};

	/* The step that is silent alone has little of it, so that the others may be slow. */
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		*steps[i] = 100 * USEC_MS;
		expect_refusals(&rows[i], 1);
		*steps[i] = USEC_NEVER;
	}
}

Test(client, bytes_that_trickle_in_do_not_extend_the_patience)
{
	target.patience.rcpt = 100 * USEC_MS;
	deliver(SCRIPT(SAID_MAIL, "< RCPT*", "trickle"));
	expect_result(&to[0].result, CLIENT_DEFERRED, CLIENT_BY_HOST, CLIENT_RCPT, 0, "4.4.2");
}

Test(client, a_slow_host_within_its_patience_is_served)
{
	cr_expect_eq(deliver(SCRIPT("drip 220 there.test", "< EHLO*", "drip 250 there.test",
			     "< MAIL*", "drip 250 ok", "< RCPT*", "drip 250 ok", "< DATA",
			     "drip 354 go on", "text", "drip 250 stored", "< QUIT")),
		ST_OK);
	expect_delivered(0);
}

Test(client, one_message_has_one_time_for_all)
{
	target.patience.transaction = 150 * USEC_MS;
	recipients_are(8);
	deliver(SCRIPT(SAID_MAIL, "< RCPT*", "drip 250 ok", "< RCPT*", "drip 250 ok", "< RCPT*",
		"drip 250 ok", "< RCPT*", "drip 250 ok", "< RCPT*", "wait"));
	for (int i = 0; i < 8; i++)
		cr_expect_eq(to[i].result.outcome, CLIENT_DEFERRED);
}

Test(client, a_hosts_words_are_short_and_printable)
{
	char line[1900];

	memset(line, 'x', sizeof line);
	memcpy(line, "> 550 5.1.1 \x1b[2J\x07\tno\xff\x80 ", 23);
	line[sizeof line - 1] = '\0';
	deliver(SCRIPT(SAID_MAIL, "< RCPT*", line, "< QUIT"));
	expect_result(&to[0].result, CLIENT_FAILED, CLIENT_BY_REPLY, CLIENT_RCPT, 550, "5.1.1");
	cr_expect_eq(to[0].result.text.size, CLIENT_TEXT_MOST);
	cr_expect(slice_starts(to[0].result.text, S("?[2J? no?? xxx")), "%.*s",
		SLICE_ARGS(to[0].result.text));
}

Test(client, a_host_that_is_not_there_is_told)
{
	int held = fake_host_reserve(&target.at);

	cr_expect_eq(client_open(&target, &a, &talk, &why), ST_CLOSED);
	expect_result(&why, CLIENT_DEFERRED, CLIENT_BY_HOST, CLIENT_CONNECTING, 0, "4.4.1");
	close(held);
}

Test(client, an_outbound_address_of_somebody_else_is_our_fault)
{
	net_address other;

	cr_assert_eq(net_address_parse(S("192.0.2.77"), &other), ST_OK);
	target.from = &other;
	cr_expect_eq(meet(SCRIPT("wait")), ST_INVALID);
	expect_result(&why, CLIENT_DEFERRED, CLIENT_BY_US, CLIENT_CONNECTING, 0, "4.3.5");
	fake_host_end(&host);
}
