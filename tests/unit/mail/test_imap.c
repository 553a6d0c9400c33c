/* What IMAP is told of a message: strings, mailbox names, envelopes, structures and their
   sections. */
#include "same.h"

#include "base/text.h"
#include "mail/envelope.h"
#include "mail/imap_string.h"
#include "mail/structure.h"

static slice taken(text *t, arena *a)
{
	slice s = arena_copy(a, text_slice(t));

	text_free(t);
	return s;
}

Test(imap_string, quotes_what_it_can)
{
	static const struct {
		slice s, wanted;
	} rows[] = {
		{{0}, S("NIL")},
		{S(""), S("\"\"")},
		{S("a b"), S("\"a b\"")},
		{S("a\"b\\c"), S("\"a\\\"b\\\\c\"")},
		{S("b\xc3\xa4r"), S("{4}\r\nb\xc3\xa4r")},
		{S("a\r\nb"), S("{4}\r\na\r\nb")},
		{S("a\0b\0"), S("{4}\r\na?b?")},
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		arena a = ARENA_INIT;
		text out = TEXT_INIT;

		imap_nstring_add(&out, rows[i].s);
		SAME(taken(&out, &a), rows[i].wanted);
		arena_release(&a);
	}
}

Test(imap_string, sends_long_ones_as_literals)
{
	arena a = ARENA_INIT;
	char many[IMAP_QUOTED_MOST + 1];
	text out = TEXT_INIT;

	memset(many, 'x', sizeof many);
	imap_string_add(&out, slice_of(many, sizeof many));
	cr_assert(slice_starts(text_slice(&out), S("{1001}\r\nxx")));
	text_free(&out);
	arena_release(&a);
}

Test(mutf7, goes_both_ways)
{
	static const struct {
		slice utf8, coded;
	} rows[] = {
		{S(""), S("")},
		{S("INBOX"), S("INBOX")},
		{S("a&b"), S("a&-b")},
		{S("Entw\xc3\xbcrfe"), S("Entw&APw-rfe")},
		{S("~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e"),
			S("~peter/mail/&U,BTFw-/&ZeVnLIqe-")},
		{S("\xf0\x9f\x98\x80"), S("&2D3eAA-")},
		{S("\t"), S("&AAk-")},
		{S("\xc3\xbc&\xc3\xbc"), S("&APw-&-&APw-")},
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		arena a = ARENA_INIT;
		slice back = {0};

		SAME(mutf7_encode(rows[i].utf8, &a), rows[i].coded);
		cr_assert_eq(mutf7_decode(rows[i].coded, &a, &back), ST_OK, "row %zu", i);
		SAME(back, rows[i].utf8);
		arena_release(&a);
	}
}

Test(mutf7, refuses_what_is_not_the_one_form)
{
	static const slice rows[] = {
		S("&"),
		S("&APw"),
		S("b\xc3\xa4r"),
		S("a\tb"),
		S("&AGE-"),
		S("&APx-"),
		S("&2D0-"),
		S("&3gA-"),
		S("&APw-&APw-"),
		S("&AP=-"),
		S("&A-"),
		S("&AAA-"),
		S("&AP/8-"),
		S("&APwA-"),
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		arena a = ARENA_INIT;
		slice back = S("untouched");

		cr_assert_eq(mutf7_decode(rows[i], &a, &back), ST_INVALID, "row %zu", i);
		SAME(back, S("untouched"));
		arena_release(&a);
	}
}

Test(envelope, tells_what_the_header_says)
{
	static const struct {
		slice header, wanted;
	} rows[] = {
		{S("\r\n"), S("(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)")},
		{S("Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\n"
		   "From: Terry Gray <gray@cac.washington.edu>\r\n"
		   "Subject: IMAP4rev2 WG mtg summary and minutes\r\n"
		   "To: imap@cac.washington.edu\r\n"
		   "cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r\n"
		   "Message-Id: <B27397-0100000@cac.washington.edu>\r\n\r\n"),
			S("(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" "
			  "\"IMAP4rev2 WG mtg summary and minutes\" "
			  "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
			  "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
			  "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
			  "((NIL NIL \"imap\" \"cac.washington.edu\")) "
			  "((NIL NIL \"minutes\" \"CNRI.Reston.VA.US\")"
			  "(\"John Klensin\" NIL \"KLENSIN\" \"MIT.EDU\")) NIL NIL "
			  "\"<B27397-0100000@cac.washington.edu>\")")},
		/* groups, folded subject, several To fields, an empty sender */
		{S("Subject: a\r\n b\r\nTo: G: x@y, \"z\" <z@y>;\r\nTo: last\r\nSender:\r\nFrom: q@r\r\n"
		   "In-Reply-To: <1@2>\r\n"),
			S("(NIL \"a b\" ((NIL NIL \"q\" \"r\")) ((NIL NIL \"q\" \"r\")) "
			  "((NIL NIL \"q\" \"r\")) ((NIL NIL \"G\" NIL)(NIL NIL \"x\" \"y\")"
			  "(\"z\" NIL \"z\" \"y\")(NIL NIL NIL NIL)(NIL NIL \"last\" \"MISSING_DOMAIN\")) "
			  "NIL NIL \"<1@2>\" NIL)")},
		{S("Subject:\r\nMessage-ID: \r\n"),
			S("(NIL \"\" NIL NIL NIL NIL NIL NIL NIL \"\")")},
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		arena a = ARENA_INIT;
		slice shown = {0};

		cr_assert_eq(
			envelope_unpack_text(envelope_pack(rows[i].header, &a), &shown), ST_OK);
		SAME(shown, rows[i].wanted);
		arena_release(&a);
	}
}

Test(envelope, keeps_the_keys_of_sort_and_thread)
{
	arena a = ARENA_INIT;
	envelope e;

	cr_assert_eq(
		envelope_unpack(envelope_pack(S("From: =?utf-8?q?B=C3=A4r?= <Baer@x.y>\r\n"
						"To: someone@x.y\r\nCc: G:c@d;\r\n"
						"Date: Thu, 1 Jan 1970 01:00:01 +0100\r\n"
						"Subject: Re: [l] Fwd: =?utf-8?q?=C3=84b?=\r\n"
						"Message-ID: <a b@c>\r\n"
						"References: <1@x>\r\n <2@x> nonsense <> <3@x\r\n"
						"In-Reply-To: <9@x>\r\n\r\n"),
					&a),
			&a, &e),
		ST_OK);
	cr_assert(e.dated && e.reply);
	cr_assert_eq(e.sent.at, USEC_S);
	cr_assert_eq(e.sent.offset, 60);
	SAME(e.subject, S("\xc3\xa4"
			  "b"));
	SAME(e.from, S("Baer"));
	SAME(e.to, S("someone"));
	SAME(e.cc, S("c"));
	SAME(e.from_shown, S("B\xc3\xa4r"));
	SAME(e.to_shown, S("someone@x.y"));
	SAME(e.message_id, S("ab@c"));
	cr_assert_eq(e.references_count, 2);
	SAME(e.references[0], S("1@x"));
	SAME(e.references[1], S("2@x"));
	arena_release(&a);
}

Test(envelope, keeps_the_newest_references)
{
	arena a = ARENA_INIT;
	text header = TEXT_INIT;
	envelope e;

	text_add(&header, S("References:"));
	for (int i = 0; i < 1000; i++)
		text_format(&header, " <%d@x>", i);
	cr_assert_eq(envelope_unpack(envelope_pack(text_slice(&header), &a), &a, &e), ST_OK);
	cr_assert_eq(e.references_count, ENVELOPE_REFERENCES_MOST);
	SAME(e.references[0], S("800@x"));
	SAME(e.references[ENVELOPE_REFERENCES_MOST - 1], S("999@x"));
	text_free(&header);
	arena_release(&a);
}

/* A line of four megabytes, folded or not: cut for the ENVELOPE (trust.md T28). */
Test(envelope, of_a_line_of_megabytes_is_small)
{
	static const char *const fields[] = {
		"Subject: ", "From: ", "In-Reply-To: <", "Message-ID: <", "Date: "};
	static const char *const pieces[] = {"xxxxxxx ", "xxxxxx\r\n ", "=?utf-8?q?=C3=BC?= "};

	for (size_t i = 0; i < ROWS(fields); i++)
		for (size_t k = 0; k < ROWS(pieces); k++) {
			arena a = ARENA_INIT;
			text header = TEXT_INIT;
			slice packed;
			envelope e;

			text_add_z(&header, fields[i]);
			while (header.size < 4 << 20)
				text_add_z(&header, pieces[k]);
			text_add_z(&header, "\r\nTo: a@b\r\n\r\n");
			packed = envelope_pack(text_slice(&header), &a);
			cr_expect(packed.size < 2 << 20, "%s%s: %zu", fields[i], pieces[k],
				packed.size);
			cr_assert_eq(envelope_unpack(packed, &a, &e), ST_OK);
			SAME(e.to, S("a"));
			text_free(&header);
			arena_release(&a);
		}
}

Test(envelope, refuses_what_it_did_not_pack)
{
	arena a = ARENA_INIT;
	slice whole = envelope_pack(
		S("Subject: x\r\nReferences: <a@b>\r\nDate: 1 Jan 2020 00:00\r\n"), &a);
	envelope e;

	for (size_t n = 0; n < whole.size; n++)
		cr_assert_eq(envelope_unpack(slice_until(whole, n), &a, &e), ST_INVALID, "%zu", n);
	cr_assert_eq(envelope_unpack(whole, &a, &e), ST_OK);
	arena_release(&a);
}

Test(subject_base, follows_the_rfc)
{
	static const struct {
		slice given, wanted;
		bool reply;
	} rows[] = {
		{S(""), S(""), false},
		{S("hello  world"), S("hello world"), false},
		{S("Re: hello"), S("hello"), true},
		{S("RE : fW[5]: hello"), S("hello"), true},
		{S("[list] Re: [list] hello (fwd)"), S("hello"), true},
		{S("[only]"), S("[only]"), false},
		{S("[a] [b]"), S("[b]"), false},
		{S("[Fwd: Re: hello] (FWD)"), S("hello"), true},
		{S("Re: "), S(""), true},
		{S("Regarding"), S("Regarding"), false},
		{S("[fwd: "), S("[fwd:"), false},
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		arena a = ARENA_INIT;
		bool reply;

		SAME(subject_base(rows[i].given, &a, &reply), rows[i].wanted);
		cr_assert_eq(reply, rows[i].reply, "row %zu", i);
		arena_release(&a);
	}
}

static slice packed(slice message, arena *a)
{
	mime_walk *w = mime_walk_open(a);
	mime_table t;

	mime_walk_keep_headers(w);
	mime_walk_feed(w, message);
	mime_walk_finish(w, &t);
	mime_walk_close(&w);
	return structure_pack(&t, a);
}

Test(structure, tells_bodies)
{
	static const struct {
		slice message, body, extended;
	} rows[] = {
		{S("\r\nhello\r\n"),
			S("(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 7 1)"),
			S("(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 7 1 NIL NIL NIL NIL)")},
		{S("Content-Type: Image/PNG; name*0=\"a b\"; name*1*=%20c\r\nContent-ID: <i@d>\r\n"
		   "Content-Transfer-Encoding: BASE64\r\nContent-MD5: q==\r\nContent-Language: de, en\r\n"
		   "Content-Location: http://x/\r\n"
		   "Content-Disposition: attachment; filename=\"x\\\"y\"\r\n\r\nAAAA"),
			S("(\"image\" \"png\" (\"name*\" \"''a%20b%20c\") \"<i@d>\" NIL "
			  "\"base64\" 4)"),
			S("(\"image\" \"png\" (\"name*\" \"''a%20b%20c\") \"<i@d>\" NIL "
			  "\"base64\" 4 \"q==\" (\"attachment\" (\"filename\" \"x\\\"y\")) (\"de\" \"en\") "
			  "\"http://x/\")")},
		{S("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b\r\n"
		   "Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nx\r\n--b--\r\n"),
			S("((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 3 0)"
			  "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 16 "
			  "(NIL \"in\" NIL NIL NIL NIL NIL NIL NIL NIL) "
			  "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 1 0) 2) \"mixed\")"),
			S("((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 3 0 NIL NIL NIL NIL)"
			  "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 16 "
			  "(NIL \"in\" NIL NIL NIL NIL NIL NIL NIL NIL) "
			  "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 1 0 NIL NIL NIL NIL) "
			  "2 NIL NIL NIL NIL) \"mixed\" (\"boundary\" \"b\") NIL NIL NIL)")},
		/* sections of a value are joined, wherever they stand, up to a gap */
		{S("Content-Type: a/b; n*1=two; x=y; n*0*=u'd'%C3; n*3=z; *0=m; m*2=q; k*0=\"1 \"; k*1=2\r\n\r\nx"),
			S("(\"a\" \"b\" (\"n*\" \"u'd'%C3two\" \"x\" \"y\" \"n*3\" \"z\" \"*0\" \"m\" \"m*2\" \"q\" "
			  "\"k\" \"1 2\") NIL NIL \"7bit\" 1)"),
			S("(\"a\" \"b\" (\"n*\" \"u'd'%C3two\" \"x\" \"y\" \"n*3\" \"z\" \"*0\" \"m\" \"m*2\" \"q\" "
			  "\"k\" \"1 2\") NIL NIL \"7bit\" 1 NIL NIL NIL NIL)")},
		/* nothing inside, and a message that cannot be looked into */
		{S("Content-Type: multipart/mixed\r\n\r\nx\r\n"),
			S("((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 3 1) \"mixed\")"),
			S("((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 3 1 "
			  "NIL NIL NIL NIL) \"mixed\" NIL NIL NIL NIL)")},
		{S("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nx"),
			S("(\"message\" \"rfc822\" NIL NIL NIL \"base64\" 1 "
			  "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) "
			  "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0) 0)"),
			S("(\"message\" \"rfc822\" NIL NIL NIL \"base64\" 1 "
			  "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) "
			  "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0 "
			  "NIL NIL NIL NIL) 0 NIL NIL NIL NIL)")},
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		arena a = ARENA_INIT;
		slice body, extended;

		cr_assert_eq(structure_unpack_texts(packed(rows[i].message, &a), &body, &extended),
			ST_OK);
		SAME(body, rows[i].body);
		SAME(extended, rows[i].extended);
		arena_release(&a);
	}
}

/* RFC 3501 has no envelope but in message/rfc822; RFC 9051 and RFC 9755 have one in message/global too. */
Test(structure, tells_clients_of_old_of_no_message_but_rfc822)
{
	static const struct {
		slice message, wanted;
	} rows[] = {
		{S("Content-Type: message/Global; x=\"(\\\"\"\r\nContent-ID: <(\"i>\r\n"
		   "Content-Disposition: inline\r\n\r\nSubject: in\r\n\r\nx\r\n"),
			S("(\"message\" \"global\" (\"x\" \"(\\\"\") \"<(\\\"i>\" NIL \"7bit\" 18 "
			  "NIL (\"inline\" NIL) NIL NIL)")},
		/* within others, one in the other, and literals that hold anything */
		{S("Content-Type: multipart/mixed; boundary=b\r\n\r\n"
		   "--b\r\nContent-Type: message/rfc822\r\n\r\n"
		   "Content-Type: message/global; n=\xe4\r\n\r\n"
		   "Content-Type: message/global\r\n\r\nSubject: \xe4)\r\n\r\nx\r\n"
		   "--b\r\nContent-Type: a/b; message=global; \xe4=\"(message\"\r\n\r\nx\r\n--b--\r\n"),
			S("((\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 85 "
			  "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) "
			  "(\"message\" \"global\" (\"n\" {1}\r\n\xe4) NIL NIL \"7bit\" 48 "
			  "NIL NIL NIL NIL) 6 NIL NIL NIL NIL)"
			  "(\"a\" \"b\" (\"message\" \"global\" {1}\r\n\xe4 \"(message\") NIL NIL \"7bit\" 1 "
			  "NIL NIL NIL NIL) \"mixed\" (\"boundary\" \"b\") NIL NIL NIL)")},
		/* what only looks like one */
		{S("Content-Type: a/b; message=global\r\nContent-Language: message, global\r\n"
		   "Content-Description: (\"message\" \"global\" NIL\r\n\r\nx"),
			S("(\"a\" \"b\" (\"message\" \"global\") NIL "
			  "\"(\\\"message\\\" \\\"global\\\" NIL\" \"7bit\" 1 "
			  "NIL NIL (\"message\" \"global\") NIL)")},
		/* nor envelopes, with senders and without, here and in one that is cut */
		{S("Content-Type: multipart/mixed; boundary=b\r\n\r\n"
		   "--b\r\nContent-Type: message/rfc822\r\n\r\n"
		   "Date: message\r\nSubject: global\r\nFrom: a@b.c\r\n\r\nx\r\n"
		   "--b\r\nContent-Type: message/rfc822\r\n\r\n"
		   "Date: message\r\nSubject: global\r\n\r\nx\r\n"
		   "--b\r\nContent-Type: message/global\r\n\r\n"
		   "Date: message\r\nSubject: global\r\nFrom: a@b.c\r\n\r\nx\r\n--b--\r\n"),
			S("((\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 48 "
			  "(\"message\" \"global\" ((NIL NIL \"a\" \"b.c\")) ((NIL NIL \"a\" \"b.c\")) "
			  "((NIL NIL \"a\" \"b.c\")) NIL NIL NIL NIL NIL) "
			  "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 1 0 "
			  "NIL NIL NIL NIL) 4 NIL NIL NIL NIL)"
			  "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 35 "
			  "(\"message\" \"global\" NIL NIL NIL NIL NIL NIL NIL NIL) "
			  "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 1 0 "
			  "NIL NIL NIL NIL) 3 NIL NIL NIL NIL)"
			  "(\"message\" \"global\" NIL NIL NIL \"7bit\" 48 NIL NIL NIL NIL) "
			  "\"mixed\" (\"boundary\" \"b\") NIL NIL NIL)")},
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		arena a = ARENA_INIT;
		text told = TEXT_INIT;
		slice body, extended;

		cr_assert_eq(structure_unpack_texts(packed(rows[i].message, &a), &body, &extended),
			ST_OK);
		structure_add_rev1(&told, extended);
		SAME(text_slice(&told), rows[i].wanted);
		/* whatever a row of the database says */
		for (size_t n = 0; n <= extended.size; n++)
			structure_add_rev1(&told, slice_until(extended, n));
		text_free(&told);
		arena_release(&a);
	}
}

/* RFC 9051 6.4.5.1, the example of section numbers; each body says its own number. */
static const slice sections =
	S("Content-Type: multipart/mixed; boundary=a\r\n\r\n"
	  "--a\r\n\r\n1\r\n"
	  "--a\r\nContent-Type: application/octet-stream\r\n\r\n2\r\n"
	  "--a\r\nContent-Type: message/rfc822\r\n\r\n"
	  "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
	  "--b\r\n\r\n3.1\r\n--b\r\nContent-Type: application/x\r\n\r\n3.2\r\n--b--\r\n"
	  "--a\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n"
	  "--c\r\nContent-Type: image/gif\r\n\r\n4.1\r\n"
	  "--c\r\nContent-Type: message/rfc822\r\n\r\n"
	  "Content-Type: multipart/mixed; boundary=d\r\n\r\n"
	  "--d\r\n\r\n4.2.1\r\n"
	  "--d\r\nContent-Type: multipart/alternative; boundary=e\r\n\r\n"
	  "--e\r\n\r\n4.2.2.1\r\n--e\r\nContent-Type: text/richtext\r\n\r\n4.2.2.2\r\n--e--\r\n"
	  "--d--\r\n--c--\r\n"
	  "--a\r\nContent-Type: message/rfc822\r\n\r\nSubject: s\r\n\r\n5.1\r\n--a--\r\n");

/* Of a message of a megabyte, hundreds within each other and beside each other, all by four thousand
   authors. */
Test(structure, is_bounded_whatever_addresses_stand_in_messages_within)
{
	text raw = TEXT_INIT;
	arena a = ARENA_INIT;
	structure s;

	text_add(&raw, S("Content-Type: multipart/digest; boundary=b\r\n\r\n"));
	for (int i = 0; i < 120; i++) {
		text_add(&raw, S("--b\r\n\r\nFrom: a"));
		for (int k = 1; k < 4000; k++)
			text_add(&raw, S(",a"));
		text_add(&raw, S("\r\n\r\n.\r\n"));
	}
	text_add(&raw, S("--b--\r\n"));
	slice made = packed(text_slice(&raw), &a);
	cr_assert(made.size < 3 * 1024 * 1024, "%zu", made.size);
	cr_assert_eq(structure_unpack(made, &a, &s), ST_OK);
	cr_assert_eq(s.count, 241);
	text_free(&raw);
	arena_release(&a);
}

Test(structure, finds_sections)
{
	static const slice there[] = {S("1"), S("2"), S("3.1"), S("3.2"), S("4.1"), S("4.2.1"),
		S("4.2.2.1"), S("4.2.2.2"), S("5.1")};
	static const slice absent[] = {S("6"), S("0"), S("1.1"), S("3.3"), S("3.1.1"), S("4.3"),
		S("5.2"), S("5.1.1"), S("4294967295")};
	arena a = ARENA_INIT;
	structure s;
	size_t at;

	cr_assert_eq(structure_unpack(packed(sections, &a), &a, &s), ST_OK);
	for (size_t i = 0; i < ROWS(there) + ROWS(absent); i++) {
		bool wanted = i < ROWS(there);
		slice name = wanted ? there[i] : absent[i - ROWS(there)], rest = name, digits;
		uint32_t number[8];
		size_t n = 0;
		uint64_t value;

		while (slice_take(&rest, '.', &digits) && slice_number(digits, &value))
			number[n++] = (uint32_t)value;
		cr_assert_eq(structure_find(&s, number, n, &at), wanted, "%.*s", SLICE_ARGS(name));
		if (wanted)
			SAME(slice_until(slice_from(sections, s.part[at].body_at),
				     s.part[at].body_size),
				name);
	}
	cr_assert(structure_find(&s, NULL, 0, &at) && at == 0);
	arena_release(&a);
}

Test(structure, finds_the_one_part_of_a_plain_message)
{
	arena a = ARENA_INIT;
	structure s;
	size_t at;

	cr_assert_eq(structure_unpack(packed(S("\r\nx"), &a), &a, &s), ST_OK);
	cr_assert(structure_find(&s, (uint32_t[]){1}, 1, &at) && at == 0);
	cr_assert_not(structure_find(&s, (uint32_t[]){2}, 1, &at));
	cr_assert_not(structure_find(&s, (uint32_t[]){1, 1}, 2, &at));
	arena_release(&a);
}

/* What BODYSTRUCTURE tells of it is there. */
Test(structure, finds_the_invented_part_of_a_multipart_without_parts)
{
	const slice rows[] = {
		S("Content-Type: multipart/mixed\r\n\r\n--\r\nx"),
		S("Content-Type: multipart/mixed; boundary=b\r\n\r\nnothing but this\r\n"),
		S("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b--\r\n"),
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		arena a = ARENA_INIT;
		structure s;
		size_t at;

		cr_assert_eq(structure_unpack(packed(rows[i], &a), &a, &s), ST_OK);
		cr_assert(structure_find(&s, (uint32_t[]){1}, 1, &at) && at == 0);
		cr_assert_not(structure_find(&s, (uint32_t[]){2}, 1, &at));
		cr_assert_not(structure_find(&s, (uint32_t[]){1, 1}, 2, &at));
		arena_release(&a);
	}
}

Test(structure, finds_the_invented_part_of_one_within)
{
	arena a = ARENA_INIT;
	structure s;
	size_t at;

	cr_assert_eq(
		structure_unpack(
			packed(S("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n"
				 "one\r\n--b\r\nContent-Type: multipart/mixed\r\n\r\ntwo\r\n--b--\r\n"),
				&a),
			&a, &s),
		ST_OK);
	cr_assert(structure_find(&s, (uint32_t[]){2, 1}, 2, &at) && at == 2);
	cr_assert_not(structure_find(&s, (uint32_t[]){2, 2}, 2, &at));
	cr_assert_not(structure_find(&s, (uint32_t[]){2, 1, 1}, 3, &at));
	arena_release(&a);
}

Test(structure, refuses_what_it_did_not_pack)
{
	arena a = ARENA_INIT;
	slice whole = packed(sections, &a);
	structure s;

	for (size_t n = 0; n < whole.size; n++)
		cr_assert_eq(structure_unpack(slice_until(whole, n), &a, &s), ST_INVALID, "%zu", n);
	arena_release(&a);
}
