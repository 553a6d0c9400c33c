/* Automatic answers: who gets none (RFC 3834 2), and what one looks like (3). */
#include "same.h"

#include "mail/autoreply.h"
#include "mail/header.h"

static const char *forbidden(const char *header, const char *sender, arena *a)
{
	mail_address m = {.empty = true};

	if (*sender)
		cr_assert_eq(mail_address_parse(slice_z(sender), a, &m), ST_OK, "%s", sender);
	return autoreply_forbidden(slice_z(header), &m, a);
}

Test(autoreply, leaves_programs_alone)
{
	static const struct {
		const char *header, *why;
	} rows[] = {
		{"Subject: hello\r\n", NULL},
		{"Auto-Submitted: no\r\n", NULL},
		{"Auto-Submitted: (a person) No ; x=y\r\n", NULL},
		{"Auto-Submitted: auto-replied\r\n", "automatic"},
		{"auto-submitted: Auto-Generated; type=x\r\n", "automatic"},
		{"Auto-Submitted:\r\n auto-notified\r\n", "automatic"},
		{"Auto-Submitted: \r\n", "automatic"},
		{"Precedence: bulk\r\n", "bulk"},
		{"Precedence: LIST\r\n", "bulk"},
		{"PRECEDENCE: junk\r\n", "bulk"},
		{"Precedence: first-class\r\n", NULL},
		{"List-Id: <l.example>\r\n", "list"},
		{"List-Unsubscribe: <mailto:x@y.example>\r\n", "list"},
		{"list-post: NO\r\n", "list"},
		{"Mailing-List: contact x\r\n", "list"},
		{"X-Mailing-List: x\r\n", "list"},
		{"X-Loop: anna@a.example\r\n", "loop"},
		{"X-Auto-Response-Suppress: All\r\n", "suppressed"},
		{"X-Auto-Response-Suppress: DR, OOF, AutoReply\r\n", "suppressed"},
		{"X-Auto-Response-Suppress: DR, NDR\r\n", NULL},
		{"X-Autoreply: yes\r\n", "automatic"},
		{"Return-Path: <>\r\n", "null-sender"},
		{"Content-Type: multipart/report; report-type=delivery-status; boundary=x\r\n",
			"report"},
		{"Content-Type: multipart/mixed; boundary=x\r\n", NULL},
		{"X-Spam-Flag: YES\r\n", "spam"},
		{"X-Spam-Flag: NO\r\n", NULL},
		{"Lists: none\r\n", NULL},
	};
	arena a = ARENA_INIT;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const char *why = forbidden(rows[i].header, "ben@b.example", &a);

		cr_assert_eq(!why, !rows[i].why, "%s", rows[i].header);
		if (why)
			cr_assert_str_eq(why, rows[i].why);
	}
	arena_release(&a);
}

Test(autoreply, knows_senders_that_are_nobody)
{
	static const char *const robots[] = {"", "MAILER-DAEMON@b.example", "postmaster@b.example",
		"owner-l@b.example", "l-owner@b.example", "l-request@b.example",
		"l-bounces@b.example", "bounces+12-x=y@b.example", "noreply@b.example",
		"No-Reply@b.example", "majordomo@b.example", "LISTSERV@b.example",
		"do-not-reply@b.example"};
	static const char *const people[] = {"ben@b.example", "owner@b.example",
		"requester@b.example", "listservice@b.example", "reply@b.example",
		"bouncer@b.example"};
	arena a = ARENA_INIT;

	for (size_t i = 0; i < sizeof robots / sizeof *robots; i++)
		cr_assert_not_null(forbidden("", robots[i], &a), "%s", robots[i]);
	for (size_t i = 0; i < sizeof people / sizeof *people; i++)
		cr_assert_null(forbidden("", people[i], &a), "%s", people[i]);
	arena_release(&a);
}

Test(autoreply, reads_who_was_written_to)
{
	arena a = ARENA_INIT;
	slice *keys;
	int n;

	autoreply_named(
		S("To: Anna <Anna@A.example>, friends: ben@b.example;\r\nFrom: x@x.example\r\n"
		  "Cc: \"O'Hara, Carol\" <carol@c.example>,\r\n <broken@\r\nResent-To: dora@d.example\r\n"),
		10, &a, &keys, &n);
	cr_assert_eq(n, 4);
	SAME(keys[0], S("anna@a.example"));
	SAME(keys[1], S("ben@b.example"));
	SAME(keys[2], S("carol@c.example"));
	SAME(keys[3], S("dora@d.example"));
	autoreply_named(S("To: a@x.example, b@x.example, c@x.example\r\n"), 2, &a, &keys, &n);
	cr_assert_eq(n, 2);
	arena_release(&a);
}

static slice field(slice message, const char *name, arena *a)
{
	header_field f;

	return header_find(message, slice_z(name), &f) ? header_unfold(f.value, a) : S("(none)");
}

Test(autoreply, is_composed_as_rfc_3834_has_it)
{
	arena a = ARENA_INIT;
	struct autoreply r = {.from = S("anna@a.example"),
		.to = S("ben@b.example"),
		.text = S("I am away.\nAnna\n"),
		.header = S("Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMessage-ID: <3@b.example>\r\n"
			    "References: <1@b.example>\r\n <2@b.example> nonsense\r\n"),
		.at = {60 * USEC_S, 0},
		.message_id = S("<9.8@a.example>")};
	slice m;

	cr_assert_eq(autoreply_compose(&r, &a, &m), ST_OK);
	SAME(field(m, "Auto-Submitted", &a), S("auto-replied"));
	SAME(field(m, "In-Reply-To", &a), S("<3@b.example>"));
	SAME(field(m, "References", &a), S("<1@b.example> <2@b.example> <3@b.example>"));
	SAME(field(m, "Subject", &a), S("Auto: =?UTF-8?B?R3LDvMOfZQ==?="));
	SAME(field(m, "From", &a), S("anna@a.example"));
	SAME(field(m, "To", &a), S("ben@b.example"));
	SAME(field(m, "Reply-To", &a), S("(none)"));
	cr_assert_not_null(autoreply_forbidden(
		m, &(mail_address){.local = S("anna"), .domain = S("a.example")}, &a));

	r.subject = S("Away");
	r.reply_to = S("office@a.example");
	r.header = S("Subject: x\r\nMessage-ID: not one\r\nReferences: <1@b.example>\r\n");
	cr_assert_eq(autoreply_compose(&r, &a, &m), ST_OK);
	SAME(field(m, "Subject", &a), S("Away"));
	SAME(field(m, "Reply-To", &a), S("office@a.example"));
	SAME(field(m, "In-Reply-To", &a), S("(none)"));
	SAME(field(m, "References", &a), S("(none)"));
	r.subject = S("A\r\nBcc: x@y.example");
	cr_assert_eq(autoreply_compose(&r, &a, &m), ST_INVALID);
	arena_release(&a);
}

Test(autoreply, keeps_the_ends_of_a_long_thread)
{
	arena a = ARENA_INIT;
	text header = TEXT_INIT;
	struct autoreply r = {.from = S("anna@a.example"),
		.to = S("ben@b.example"),
		.text = S("x"),
		.message_id = S("<9.8@a.example>")};
	slice m;

	text_add_z(&header, "Message-ID: <me@b.example>\r\nReferences:");
	for (int i = 0; i < 500; i++)
		text_format(&header, " <%d@b.example>\r\n", i);
	r.header = text_slice(&header);
	cr_assert_eq(autoreply_compose(&r, &a, &m), ST_OK);
	slice references = field(m, "References", &a);
	cr_assert(slice_starts(references, S("<0@b.example> <482@b.example>")), "%s",
		arena_z(&a, references));
	cr_assert(slice_ends_nocase(references, S("<499@b.example> <me@b.example>")));
	text_free(&header);
	arena_release(&a);
}
