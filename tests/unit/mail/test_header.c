/* Headers: walking over what comes, building what goes. */
#include "same.h"

#include "mail/header.h"

#define X10 "xxxxxxxxxx"
#define X100 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10

Test(header, walk_gives_fields_and_marks_broken_ones)
{
	slice block = S("From anna Fri Nov 21 02:43:00 2025\r\n"
			"A: one\r\n"
			"B : two\r\n\tmore\r\n \r\n"
			"no colon\n"
			"c:three\n"
			": empty name\r\n"
			"J\xc3\xbc: x\r\n"
			"D:\r\n"
			"\r\nbody: no field\r\n");
	static const struct {
		slice name, value;
		bool broken;
	} rows[] = {
		{S(""), S("From anna Fri Nov 21 02:43:00 2025"), true},
		{S("A"), S(" one"), false},
		{S("B"), S(" two\r\n\tmore\r\n "), false},
		{S(""), S("no colon"), true},
		{S("c"), S("three"), false},
		{S(""), S(": empty name"), true},
		{S(""), S("J\xc3\xbc: x"), true},
		{S("D"), S(""), false},
	};
	header_walk w = header_walk_of(block);
	header_field f;
	size_t raw = 0;

	for (size_t i = 0; i < ROWS(rows); i++) {
		cr_assert(header_next(&w, &f), "row %zu", i);
		SAME(f.name, rows[i].name);
		SAME(f.value, rows[i].value);
		cr_assert_eq(f.broken, rows[i].broken);
		raw += f.raw.size;
	}
	cr_assert_not(header_next(&w, &f));
	SAME(w.rest, S("body: no field\r\n"));
	cr_assert_eq(raw + 2 + w.rest.size, block.size);
	cr_assert_eq(header_size(block), raw + 2);
}

Test(header, size_ends_behind_the_empty_line)
{
	static const struct {
		slice message;
		size_t size;
	} rows[] = {
		{S(""), 0},
		{S("\r\nbody"), 2},
		{S("\nbody"), 1},
		{S("A: b"), 4},
		{S("A: b\r\n"), 6},
		{S("A: b\n\nc"), 6},
		{S("A: b\r\n\r\nc"), 8},
		{S("A: b\r\n \r\nc"), 10},
		{S("A: b\r\r\n\nc"), 8},
	};

	for (size_t i = 0; i < ROWS(rows); i++)
		cr_assert_eq(header_size(rows[i].message), rows[i].size, "row %zu", i);
}

Test(header, finds_counts_and_unfolds)
{
	slice block = S("Received: a\r\nSubject: one\r\n two\r\n\r\n\tthree\r\nreceived: b\r\n");
	arena a = ARENA_INIT;
	header_field f;

	cr_assert_eq(header_count(block, S("received")), 1);
	cr_assert(header_find(block, S("SUBJECT"), &f));
	SAME(header_unfold(f.value, &a), S("one two"));
	cr_assert_not(header_find(block, S("Sub"), &f));
	SAME(header_unfold(S(" x\ry\n z "), &a), S("xy z"));
	arena_release(&a);
}

Test(header, long_values_are_cut)
{
	arena a = ARENA_INIT;
	text value = TEXT_INIT;

	while (value.size < 2 * HEADER_VALUE_MOST)
		text_add(&value, S("0123456\r\n"));
	cr_assert_leq(header_unfold(text_slice(&value), &a).size, HEADER_VALUE_MOST);
	text_free(&value);
	arena_release(&a);
}

Test(header, survey_counts_what_matters)
{
	header_survey s;

	header_look(S("Received: a\r\nReceived: b\r\nFrom: x@y\r\nFROM: z@y\r\nDate: d\r\n"
		      "message-id: <m>\r\nnonsense\r\nX: " X100 "\r\n"),
		&s);
	cr_assert_eq(s.fields, 8);
	cr_assert_eq(s.broken, 1);
	cr_assert_eq(s.received, 2);
	cr_assert_eq(s.from, 2);
	cr_assert_eq(s.date, 1);
	cr_assert_eq(s.message_id, 1);
	cr_assert_eq(s.to, 0);
	cr_assert_eq(s.longest_line, 103);
	SAME(s.first_from, S(" x@y"));
	SAME(s.first_message_id, S(" <m>"));
}

/* --- Building
   ---------------------------------------------------------------------------------- */

static slice built(header_builder *b, arena *a)
{
	slice fields = S("");

	cr_assert_eq(header_build_end(b, a, &fields), ST_OK);
	return fields;
}

Test(header, text_is_folded_and_encoded)
{
	static const struct {
		slice value, wanted;
		bool utf8;
	} rows[] = {
		{S("Hello"), S("Subject: Hello\r\n"), false},
		{S(""), S("Subject:\r\n"), false},
		{S("  a  b\tc "), S("Subject: a  b c\r\n"), false},
		{S("J\xc3\xbcrgen"), S("Subject: =?UTF-8?Q?J=C3=BCrgen?=\r\n"), false},
		{S("J\xc3\xbcrgen"), S("Subject: J\xc3\xbcrgen\r\n"), true},
		{S("a =?b"), S("Subject: a =?UTF-8?B?PT9i?=\r\n"), true},
		{S("an  J\xc3\xbc M\xc3\xbc x"), S("Subject: an =?UTF-8?B?IErDvCBNw7w=?= x\r\n"),
			false},
		{S("0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789"),
			S("Subject: 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789\r\n"
			  " 0123456789\r\n"),
			false},
		{S(X100 " " X100), S("Subject: " X100 "\r\n " X100 "\r\n"), false},
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		arena a = ARENA_INIT;
		header_builder b = {.utf8 = rows[i].utf8};
		header_build_text(&b, S("Subject"), rows[i].value);
		SAME(built(&b, &a), rows[i].wanted);
		arena_release(&a);
	}
}

Test(header, no_line_gets_longer_than_998)
{
	arena a = ARENA_INIT;
	text word = TEXT_INIT;
	header_survey s;

	for (size_t n = 700; n < 1100; n += 7) {
		header_builder b = {0};
		text_clear(&word);
		while (word.size < n)
			text_add_char(&word, 'x');
		header_build_text(&b, S("Subject"), text_slice(&word));
		header_look(built(&b, &a), &s);
		cr_assert_leq(s.longest_line, 998);
	}
	text_free(&word);
	arena_release(&a);
}

Test(header, injection_is_refused_everywhere)
{
	static const slice evil[] = {
		S("a\r\nBcc: x@y"), S("a\nb"), S("a\rb"), S("a\0b"), S("a\x1b"), S("a\xff")};
	arena a = ARENA_INIT;
	slice fields = S("untouched");

	for (size_t i = 0; i < ROWS(evil); i++) {
		header_mailbox by_name = {evil[i], S("a@b")}, by_address = {S("A"), evil[i]};
		for (int kind = 0; kind < 7; kind++) {
			header_builder b = {.utf8 = true};
			switch (kind) {
			case 0:
				header_build_text(&b, S("Subject"), evil[i]);
				break;
			case 1:
				header_build_raw(&b, S("X"), evil[i]);
				break;
			case 2:
				header_build_mailboxes(&b, S("To"), &by_name, 1);
				break;
			case 3:
				header_build_mailboxes(&b, S("To"), &by_address, 1);
				break;
			case 4:
				header_build_parameter(&b, S("C"), S("a/b"), S("name"), evil[i]);
				break;
			case 5:
				header_build_parameter(&b, S("C"), evil[i], S("name"), S("x"));
				break;
			case 6:
				header_build_text(&b, evil[i], S("x"));
				break;
			}
			header_build_text(&b, S("Later"), S("call"));
			cr_assert_eq(header_build_end(&b, &a, &fields), ST_INVALID,
				"row %zu kind %d", i, kind);
		}
	}
	SAME(fields, S("untouched"));
	arena_release(&a);
}

Test(header, mailboxes_are_quoted_where_needed)
{
	static const struct {
		header_mailbox m[2];
		size_t n;
		bool utf8;
		slice wanted;
	} rows[] = {
		{{{S(""), S("a@b")}}, 1, false, S("To: a@b\r\n")},
		{{{S("Anna"), S("a@b")}, {S("Doe, J."), S("j@d")}}, 2, false,
			S("To: Anna <a@b>, \"Doe, J.\" <j@d>\r\n")},
		{{{S("J\xc3\xbcrgen"), S("j@d")}}, 1, false,
			S("To: =?UTF-8?Q?J=C3=BCrgen?= <j@d>\r\n")},
		{{{S("J\xc3\xbcrgen"), S("j\xc3\xbc@d")}}, 1, true,
			S("To: \"J\xc3\xbcrgen\" <j\xc3\xbc@d>\r\n")},
		{{{S("a\"b\\c"), S("a@b")}}, 1, false, S("To: \"a\\\"b\\\\c\" <a@b>\r\n")},
		{{{S(""), S("\"a b\"@c")}}, 1, false, S("To: \"a b\"@c\r\n")},
	};
	arena a = ARENA_INIT;
	header_builder b = {0};
	slice fields;

	for (size_t i = 0; i < ROWS(rows); i++) {
		b.utf8 = rows[i].utf8;
		header_build_mailboxes(&b, S("To"), rows[i].m, rows[i].n);
		SAME(built(&b, &a), rows[i].wanted);
	}
	b.utf8 = false;
	header_build_mailboxes(&b, S("To"), &(header_mailbox){S(""), S("j\xc3\xbc@d")}, 1);
	cr_assert_eq(header_build_end(&b, &a, &fields), ST_INVALID);
	header_build_mailboxes(&b, S("To"), &(header_mailbox){S(""), S("a@b, c@d")}, 1);
	cr_assert_eq(header_build_end(&b, &a, &fields), ST_INVALID);
	arena_release(&a);
}

Test(header, parameters_are_quoted_or_split)
{
	static const struct {
		slice value, wanted;
	} rows[] = {
		{S("a.txt"), S("C: x/y; name=a.txt\r\n")},
		{S("a b.txt"), S("C: x/y; name=\"a b.txt\"\r\n")},
		{S("a\"b"), S("C: x/y; name=\"a\\\"b\"\r\n")},
		{S(""), S("C: x/y; name=\"\"\r\n")},
		{S("b\xc3\xa4r.txt"), S("C: x/y; name*=UTF-8''b%C3%A4r.txt\r\n")},
		{S("b\xc3\xa4r=============="), /* grows over the length of a line when encoded */
			S("C: x/y; name*0*=UTF-8''b%C3%A4r%3D%3D%3D%3D%3D%3D%3D%3D%3D%3D%3D%3D%3D;\r\n"
			  " name*1*=%3D\r\n")},
		{S(X100),
			S("C: x/y; name*0*=UTF-8''xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx;\r\n"
			  " name*1*=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; name*2*=xxx\r\n")},
	};
	arena a = ARENA_INIT;

	for (size_t i = 0; i < ROWS(rows); i++) {
		header_builder b = {0};
		header_build_parameter(&b, S("C"), S("x/y"), S("name"), rows[i].value);
		SAME(built(&b, &a), rows[i].wanted);
	}
	arena_release(&a);
}

Test(header, dates_and_message_ids)
{
	arena a = ARENA_INIT;
	header_builder b = {0};

	header_build_date(&b, S("Date"), (date){0});
	SAME(built(&b, &a), S("Date: Thu, 1 Jan 1970 00:00:00 +0000\r\n"));
	slice id = header_message_id(1, 255, S("demo.test"), &a);
	cr_assert(slice_starts(id, S("<")));
	cr_assert_eq(slice_search(id, S(".00000000000000ff@demo.test>")), id.size - 28);
	arena_release(&a);
}

Test(header, received_tells_how_it_came)
{
	received r = {
		.helo = S("Client.Test"),
		.peer_name = S("host.test"),
		.peer = S("192.0.2.1"),
		.by = S("mx.demo.test"),
		.extended = true,
		.tls = true,
		.authenticated = true,
		.cipher = S("TLSv1.3 TLS_AES_256_GCM_SHA384"),
		.id = S("0123456789ABC"),
		.recipient = S("anna@demo.test"),
		.at = {.at = 1763692980 * USEC_S},
	};
	arena a = ARENA_INIT;

	SAME(received_compose(&r, &a),
		S("Received: from client.test (host.test [192.0.2.1]) by mx.demo.test with\r\n"
		  " ESMTPSA (TLSv1.3 TLS_AES_256_GCM_SHA384) id 0123456789ABC for\r\n"
		  " <anna@demo.test>; Fri, 21 Nov 2025 02:43:00 +0000\r\n"));
	r = (received){.helo = S("a\r\nX: (b)"),
		.peer = S("2001:db8::1"),
		.by = S("mx"),
		.recipient = S("j\xc3\xbc@x")};
	SAME(received_compose(&r, &a),
		S("Received: from a??X:??b? ([IPv6:2001:db8::1]) by mx with SMTP for <j??@x>;\r\n"
		  " Thu, 1 Jan 1970 00:00:00 +0000\r\n"));
	arena_release(&a);
}

Test(header, protocol_words_follow_rfc_3848)
{
	static const struct {
		received r;
		slice word;
	} rows[] = {
		{{.extended = false}, S("SMTP")},
		{{.extended = true}, S("ESMTP")},
		{{.extended = true, .tls = true}, S("ESMTPS")},
		{{.extended = true, .authenticated = true}, S("ESMTPA")},
		{{.extended = true, .tls = true, .authenticated = true}, S("ESMTPSA")},
		{{.extended = true, .utf8 = true}, S("UTF8SMTP")},
		{{.extended = true, .utf8 = true, .tls = true}, S("UTF8SMTPS")},
		{{.lmtp = true}, S("LMTP")},
		{{.lmtp = true, .utf8 = true, .tls = true, .authenticated = true}, S("UTF8LMTPSA")},
		{{.protocol = S("HTTP"), .tls = true}, S("HTTP")},
	};

	for (size_t i = 0; i < ROWS(rows); i++)
		SAME(received_protocol(&rows[i].r), rows[i].word);
}
