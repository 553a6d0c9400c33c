/* Reports, read back by our own readers. */
#include "same.h"

#include "base/utf8.h"
#include "mail/dsn.h"
#include "mail/header.h"
#include "mail/mime.h"
#include "mail/word.h"

static const struct dsn_recipient ben = {
	.address = S("ben@b.test"),
	.orcpt = S("rfc822;Ben@B.test"),
	.status = S("5.1.1"),
	.host = S("mx.b.test"),
	.code = 550,
	.text = S("no such person"),
	.tried = 60 * USEC_S,
};

static struct dsn report(void)
{
	return (struct dsn){
		.action = DSN_FAILED,
		.reporter = S("mail.demo.test"),
		.from = S("mailer-daemon@demo.test"),
		.to = S("anna@demo.test"),
		.envid = S("QQ+1"),
		.arrived = USEC_S,
		.at = 120 * USEC_S,
		.message_id = S("<1.2@demo.test>"),
		.to_whom = &ben,
		.n = 1,
		.original = S("Subject: hello\r\nX: y\r\n\r\n"),
	};
}

static slice composed(const struct dsn *d, arena *a)
{
	slice m = S("");

	cr_assert_eq(dsn_compose(d, a, &m), ST_OK);
	return m;
}

static slice part(slice m, size_t which, arena *a)
{
	mime_table t;

	mime_parse(m, a, &t);
	cr_assert_eq(t.count, 4, "%zu parts in\n%.*s", t.count, SLICE_ARGS(m));
	cr_assert(!t.part[0].broken);
	return slice_of(m.at + t.part[which].body_at, t.part[which].body_size);
}

static void has(slice s, const char *what)
{
	cr_expect(slice_search(s, slice_z(what)) < s.size, "no %s in\n%.*s", what, SLICE_ARGS(s));
}

static void lacks(slice s, const char *what)
{
	cr_expect(slice_search(s, slice_z(what)) == s.size, "%s in\n%.*s", what, SLICE_ARGS(s));
}

Test(dsn, tells_people_and_programs)
{
	arena a = ARENA_INIT;
	struct dsn d = report();
	slice m = composed(&d, &a), fields = part(m, 2, &a);
	header_field f;

	cr_assert(header_find(m, S("Content-Type"), &f));
	has(f.value, "multipart/report; report-type=delivery-status");
	cr_assert(header_find(m, S("Auto-Submitted"), &f));
	has(part(m, 1, &a), "<ben@b.test>\r\n    mx.b.test said: 550 5.1.1 no such person\r\n");
	has(fields, "Reporting-MTA: dns; mail.demo.test\r\n");
	has(fields, "Original-Envelope-Id: QQ+1\r\n");
	has(fields, "Arrival-Date: Thu, 1 Jan 1970 00:00:01 +0000\r\n");
	has(fields,
		"\r\n\r\nOriginal-Recipient: rfc822; Ben@B.test\r\n"
		"Final-Recipient: rfc822; ben@b.test\r\nAction: failed\r\nStatus: 5.1.1\r\n"
		"Remote-MTA: dns; mx.b.test\r\nDiagnostic-Code: smtp; 550 5.1.1 no such person\r\n"
		"Last-Attempt-Date: Thu, 1 Jan 1970 00:01:00 +0000\r\n");
	SAME(part(m, 3, &a), S("Subject: hello\r\nX: y\r\n\r\n"));
	has(m, "Content-Type: text/rfc822-headers\r\n");
	arena_release(&a);
}

Test(dsn, a_host_is_not_said_to_have_said_what_we_found)
{
	arena a = ARENA_INIT;
	struct dsn_recipient found = ben;
	struct dsn d = report();

	found.code = 0;
	found.text = S("the header has 8-bit text");
	d.to_whom = &found;
	slice m = composed(&d, &a), words = part(m, 1, &a);
	has(words, "<ben@b.test>\r\n    mx.b.test: 5.1.1 the header has 8-bit text\r\n");
	lacks(words, "said");
	has(part(m, 2, &a), "Diagnostic-Code: x-pennypost; 5.1.1 the header has 8-bit text\r\n");
	arena_release(&a);
}

Test(dsn, delays_say_until_when)
{
	arena a = ARENA_INIT;
	struct dsn_recipient late = ben;
	struct dsn d = report();

	late.code = 0;
	late.host = S("");
	late.text = S("nobody answers");
	late.until = 86400 * USEC_S;
	d.action = DSN_DELAYED;
	d.to_whom = &late;
	slice m = composed(&d, &a), fields = part(m, 2, &a);
	has(fields, "Action: delayed\r\n");
	has(fields, "Will-Retry-Until: Fri, 2 Jan 1970 00:00:00 +0000\r\n");
	has(fields, "Diagnostic-Code: x-pennypost; 5.1.1 nobody answers\r\n");
	lacks(fields, "Remote-MTA");
	arena_release(&a);
}

Test(dsn, every_action_has_its_word)
{
	static const struct {
		enum dsn_action action;
		const char *word;
	} rows[] = {{DSN_FAILED, "failed"}, {DSN_DELAYED, "delayed"}, {DSN_DELIVERED, "delivered"},
		{DSN_RELAYED, "relayed"}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		arena a = ARENA_INIT;
		struct dsn d = report();

		d.action = rows[i].action;
		has(part(composed(&d, &a), 2, &a),
			arena_format(&a, "Action: %s\r\n", rows[i].word).at);
		arena_release(&a);
	}
}

Test(dsn, people_are_told_in_their_language)
{
	static const struct {
		const char *tag, *subject, *sentence, *shown;
	} rows[] = {
		{"de", "=?utf-8?Q?Verz=C3=B6gerte_Nachricht_(es_wird_weiter_versucht)?=",
			"Empf\303\244ngern noch nicht", "de"},
		{"es", "Correo retrasado (se sigue intentando)",
			"Se intentar\303\241 hasta Thu, 1 Jan 1970", "es"},
		{"fr", "=?utf-8?Q?Message_retard=C3=A9_(les_essais_continuent)?=",
			"mx.b.test a r\303\251pondu : 450", "fr"},
		{"en", "Delayed mail (still being tried)", "mx.b.test said: 450", "en"},
		{"xx", "Delayed mail (still being tried)", "mx.b.test said: 450", "en"},
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		arena a = ARENA_INIT;
		struct dsn d = report();
		struct dsn_recipient to = ben;
		mime_table parts;
		header_field f;

		to.code = 450;
		to.until = 3600 * USEC_S;
		d.to_whom = &to;
		d.action = DSN_DELAYED;
		d.language = language_of(slice_z(rows[i].tag));
		slice m = composed(&d, &a);
		cr_assert(header_find(m, S("Subject"), &f));
		SAME(word_decode(header_unfold(f.value, &a), &a),
			word_decode(slice_z(rows[i].subject), &a));
		mime_parse(m, &a, &parts);
		cr_assert_eq(parts.count, 4, "row %zu: %zu", i, parts.count);
		const mime_part *said = &parts.part[1];
		slice text = slice_until(slice_from(m, said->body_at), said->body_size);
		cr_assert_lt(slice_search(text, slice_z(rows[i].sentence)), text.size,
			"row %zu: %.*s", i, SLICE_ARGS(text));
		SAME(said->language, slice_z(rows[i].shown));
		SAME(said->encoding, utf8_is_ascii(text) ? S("") : S("8bit"));
		SAME(parts.part[2].subtype, S("delivery-status"));
		cr_assert(slice_search(m, S("Action: delayed\r\n")) < m.size);
		arena_release(&a);
	}
}

Test(dsn, what_others_said_ends_no_field_and_no_part)
{
	arena a = ARENA_INIT;
	struct dsn_recipient evil = ben;
	struct dsn d = report();

	evil.text = S("no\r\n\r\nFinal-Recipient: rfc822; x@y\x1b[2J");
	evil.orcpt = S("rfc822;a\r\nAction: delivered");
	evil.host = S("mx\r\nBcc: x@y");
	d.envid = S("1\r\nEvil: yes");
	d.to_whom = &evil;
	slice fields = part(composed(&d, &a), 2, &a);
	lacks(fields, "\nFinal-Recipient: rfc822; x@y");
	lacks(fields, "\nAction: delivered");
	lacks(fields, "\nBcc");
	lacks(fields, "\nEvil");
	lacks(fields, "\x1b");
	d = report();
	d.to = S("anna@demo.test\r\nBcc: x@y");
	slice m = S("");
	cr_expect_eq(dsn_compose(&d, &a, &m), ST_INVALID);
	arena_release(&a);
}

Test(dsn, addresses_and_text_beyond_ascii)
{
	arena a = ARENA_INIT;
	struct dsn_recipient far = ben;
	struct dsn d = report();

	far.address = S("j\xc3\xb6rg@b.test");
	far.text = S("n\xc3\xa3o \xff");
	d.to_whom = &far;
	d.original = S("Subject: caf\xc3\xa9\r\n\r\nbody\rwith\nodd ends");
	d.full = true;
	slice m = composed(&d, &a);
	has(m, "Content-Type: message/global-delivery-status\r\n");
	has(m, "Final-Recipient: utf-8; j\xc3\xb6rg@b.test\r\n");
	has(m, "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n");
	has(m, "body\r\nwith\r\nodd ends\r\n");
	arena_release(&a);
}
