/* Surrogates of internationalized messages: every row is also fed in all pairs of pieces and byte
   by byte. */
#include "same.h"

#include "mail/downgrade.h"

static bool travelled_only;

static text feed(slice input, size_t first, size_t step)
{
	downgrade d = {.travelled_only = travelled_only};
	text out = TEXT_INIT;

	downgrade_write(&d, slice_until(input, first), &out);
	for (size_t at = first; at < input.size; at += step)
		downgrade_write(&d, slice_until(slice_from(input, at), step), &out);
	downgrade_end(&d, &out);
	return out;
}

static void becomes(slice input, slice wanted)
{
	text out = feed(input, input.size, 1);
	SAME(text_slice(&out), wanted);
	text_free(&out);
	for (size_t first = 0; first <= input.size; first++) {
		out = feed(input, first, input.size);
		SAME(text_slice(&out), wanted);
		text_free(&out);
	}
	out = feed(input, 0, 1);
	SAME(text_slice(&out), wanted);
	text_free(&out);
}

static void stays(slice input)
{
	becomes(input, input);
}

Test(downgrade, leaves_ascii_headers_as_they_are)
{
	stays(S(""));
	stays(S("Subject: x"));
	stays(S("Subject: x\r\nBroken line\r\n\r\nBody \303\274\r\n"));
	stays(S("Subject: x\n\n--b\nX: \303\274\n\n"));
}

Test(downgrade, leaves_headers_that_are_not_utf8_as_they_are)
{
	stays(S("Subject: gr\374n \303\274\r\nX: \200\r\n\r\nBody\r\n"));
}

Test(downgrade, leaves_what_did_not_travel_as_internationalized_mail)
{
	travelled_only = true;
	stays(S("Subject: gr\303\274n"));
	stays(S("Received: from a by b with ESMTPS id 1; now\r\nReceived: from a by b with UTF8SMTP id 1; now\r\n"
		"Subject: gr\303\274n\r\nContent-Type: message/global\r\n\r\nSubject: gr\303\274n\r\n\r\nx\r\n"));
	becomes(S("X: y\r\nReceived: from a by b\r\n with UTF8SMTPSA id 1; now\r\nSubject: gr\303\274n \303\244\r\n"),
		S("X: y\r\nReceived: from a by b\r\n with UTF8SMTPSA id 1; now\r\nSubject: =?UTF-8?B?Z3LDvG4gw6Q=?=\r\n"));
}

Test(downgrade, encodes_the_subject)
{
	becomes(S("Date: now\r\nSubject: gr\303\274n =?utf-8?q?=C3=A4?=\r\nTo: a@b.test\r\n\r\n\303\274\r\n"),
		S("Date: now\r\nSubject: =?UTF-8?B?Z3LDvG4gw6Q=?=\r\nTo: a@b.test\r\n\r\n\303\274\r\n"));
}

Test(downgrade, shows_addresses_in_the_name_of_one_nobody_has)
{
	becomes(S("From: Gr\303\274n <gr\303\274n@x.test>\r\nTo: ben@y.test, \303\274@x.test\r\n\r\n"),
		S("From: =?UTF-8?B?R3LDvG4gPGdyw7xuQHgudGVzdD4=?=\r\n"
		  " <invalid@internationalized-address.invalid>\r\n"
		  "To: ben@y.test, =?UTF-8?B?w7xAeC50ZXN0?=\r\n"
		  " <invalid@internationalized-address.invalid>\r\n\r\n"));
}

Test(downgrade, keeps_addresses_whose_name_or_domain_alone_is_beyond_ascii)
{
	becomes(S("From: Gr\303\274n <a@b\303\274cher.test>\r\n\r\n"),
		S("From: =?UTF-8?B?R3LDvG4=?= <a@xn--bcher-kva.test>\r\n\r\n"));
}

Test(downgrade, gives_the_return_path_away)
{
	becomes(S("Return-Path: <\303\274@x.test>\r\nX: y\r\n\r\n"),
		S("Return-Path: <invalid@internationalized-address.invalid>\r\nX: y\r\n\r\n"));
}

Test(downgrade, leaves_out_what_cannot_be_shown)
{
	becomes(S("X-Place: K\303\266ln\r\nReceived: from x for <\303\274@x.test>;\r\n now\r\nX: y\r\n"
		  "Broken \303\274\r\n\r\n"),
		S("X: y\r\n\r\n"));
}

Test(downgrade, leaves_out_parameters)
{
	becomes(S("Content-Type: text/plain; charset=utf-8; name=\"\303\274.txt\"\r\n"
		  "Content-Disposition: attachment; filename=\303\274; size=3\r\n\r\n"),
		S("Content-Type: text/plain; charset=\"utf-8\"\r\n"
		  "Content-Disposition: attachment; size=\"3\"\r\n\r\n"));
}

Test(downgrade, treats_the_headers_of_parts)
{
	becomes(S("Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\nX: \303\274\r\n--bb\r\nX: \303\274\r\n"
		  "--b\r\nX: \303\274\r\nY: z\r\n\r\nX: \303\274\r\n-\r\n"
		  "--b\r\nContent-Type: multipart/mixed; boundary=c; x=\303\274\r\n\r\n"
		  "--c \r\nX: \303\274\r\n--c--\r\nX: \303\274\r\n"
		  "--b\r\nContent-Type: message/rfc822\r\n\r\nX: \303\274\r\nZ: z\r\n\r\nX: \303\274\r\n"
		  "--b--\r\nX: \303\274\r\n--b\r\nX: \303\274\r\n\r\n"),
		S("Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\nX: \303\274\r\n--bb\r\nX: \303\274\r\n"
		  "--b\r\nY: z\r\n\r\nX: \303\274\r\n-\r\n"
		  "--b\r\nContent-Type: multipart/mixed; boundary=\"c\"\r\n\r\n"
		  "--c \r\n--c--\r\nX: \303\274\r\n"
		  "--b\r\nContent-Type: message/rfc822\r\n\r\nZ: z\r\n\r\nX: \303\274\r\n"
		  "--b--\r\nX: \303\274\r\n--b\r\nX: \303\274\r\n\r\n"));
}

Test(downgrade, does_not_look_into_an_encoded_message)
{
	stays(S("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nX: \303\274\r\n\r\n"));
}

Test(downgrade, gives_up_on_a_header_that_does_not_end)
{
	text in = TEXT_INIT;
	text_add(&in, S("X-Place: \303\274\r\n"));
	while (in.size <= DOWNGRADE_MOST + 100)
		text_add(&in, S("X: a line of some length for a long header\r\n"));
	text out = feed(text_slice(&in), 100, 1000);
	SAME(text_slice(&out), text_slice(&in));
	text_free(&out);
	text_free(&in);
}
