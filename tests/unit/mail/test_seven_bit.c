/* Messages for hosts that take 7 bits alone. Every row is also fed byte by byte. */
#include "same.h"

#include "mail/header.h"
#include "mail/seven_bit.h"

static bool unsigns;

static status convert(slice input, size_t step, arena *a, slice *out)
{
	seven_bit *s = seven_bit_open(a);
	text t = TEXT_INIT;

	for (size_t at = 0; at < input.size; at += step)
		seven_bit_look(s, slice_until(slice_from(input, at), step));
	seven_bit_looked(s);
	for (size_t at = 0; at < input.size; at += step)
		seven_bit_weigh(s, slice_until(slice_from(input, at), step));
	if (unsigns)
		seven_bit_unsign(s);
	status kind = seven_bit_judge(s);
	seven_bit_new_header(s, &t);
	slice header = arena_copy(a, text_slice(&t));
	for (int reading = 0; reading < 2; reading++) { /* as often as hosts are tried */
		text_clear(&t);
		seven_bit_begin(s);
		for (size_t at = 0; at < input.size; at += step)
			seven_bit_write(s, slice_until(slice_from(input, at), step), &t);
		seven_bit_end(s, &t);
	}
	*out = arena_copy(a, text_slice(&t));
	if (kind == ST_OK)
		SAME(slice_until(*out, header_size(*out)), header);
	text_free(&t);
	seven_bit_close(&s);
	return kind;
}

static void becomes(slice input, slice wanted)
{
	arena a = ARENA_INIT;
	slice out;

	for (size_t step = 1; step <= input.size + 1; step += step < 10 ? 1 : input.size) {
		cr_assert_eq(convert(input, step, &a, &out), ST_OK);
		SAME(out, wanted);
	}
	arena_release(&a);
}

static void is_refused(slice input, status wanted)
{
	arena a = ARENA_INIT;
	slice out;

	cr_assert_eq(convert(input, input.size, &a, &out), wanted);
	cr_assert_eq(convert(input, 1, &a, &out), wanted);
	arena_release(&a);
}

#define UE "\303\274"
#define TEXT_TYPE "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"

Test(seven_bit, leaves_what_is_fit_as_it_is)
{
	becomes(S(""), S(""));
	becomes(S("Subject: x"), S("Subject: x"));
	becomes(S("Subject: x\r\n\r\nText.\r\n"), S("Subject: x\r\n\r\nText.\r\n"));
	becomes(S("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n"),
		S("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n"));
}

Test(seven_bit, writes_text_as_quoted_printable)
{
	becomes(S("Subject: x\r\n" TEXT_TYPE
		  "Content-Transfer-Encoding: 8bit\r\nX: y\r\n\r\nOne gr" UE
		  "n frog, and = a sign.\r\n"),
		S("Subject: x\r\n" TEXT_TYPE
		  "X: y\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
		  "One gr=C3=BCn frog, and =3D a sign.\r\n"));
}

Test(seven_bit, writes_all_else_as_base64)
{
	becomes(S(TEXT_TYPE "\r\n" UE UE UE "\r\n"),
		S(TEXT_TYPE "Content-Transfer-Encoding: base64\r\n\r\nw7zDvMO8DQo=\r\n"));
	becomes(S("MIME-Version: 1.0\r\nContent-Type: image/x\r\nContent-Transfer-Encoding: binary\r\n\r\na\0b\n"),
		S("MIME-Version: 1.0\r\nContent-Type: image/x\r\nContent-Transfer-Encoding: base64\r\n\r\nYQBiCg==\r\n"));
}

Test(seven_bit, tells_that_the_charset_is_unknown)
{
	becomes(S("Subject: x\r\n\r\nA gr\374n frog.\r\n"),
		S("Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n"
		  "Content-Transfer-Encoding: quoted-printable\r\n\r\nA gr=FCn frog.\r\n"));
}

Test(seven_bit, breaks_lines_that_are_too_long)
{
	arena a = ARENA_INIT;
	text t = TEXT_INIT;
	slice out, line;

	text_add_z(&t, TEXT_TYPE "\r\n");
	for (int i = 0; i < 999; i++)
		text_add_char(&t, 'x');
	text_add_z(&t, "\r\n");
	cr_assert_eq(convert(text_slice(&t), 100, &a, &out), ST_OK);
	while (slice_take(&out, '\n', &line) && line.size > 0)
		cr_assert_leq(line.size, 77);
	text_free(&t);
	arena_release(&a);
}

Test(seven_bit, treats_each_part_by_itself)
{
	becomes(S("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
		  "--b\r\n\r\nA gr" UE "n frog, and others.\r\n"
		  "--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" TEXT_TYPE
		  "Content-Transfer-Encoding: 8bit\r\n\r\nAnother gr" UE "n frog.\r\n"
		  "--b\r\nContent-Transfer-Encoding: base64\r\n\r\nw7w=\r\n"
		  "--b--\r\n"),
		S("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
		  "--b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nA gr=C3=BCn frog, and others.\r\n"
		  "--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\n" TEXT_TYPE
		  "Content-Transfer-Encoding: quoted-printable\r\n\r\nAnother gr=C3=BCn frog.\r\n"
		  "--b\r\nContent-Transfer-Encoding: base64\r\n\r\nw7w=\r\n"
		  "--b--\r\n"));
}

/* A line of the text that is cut may not look like a boundary. */
Test(seven_bit, makes_no_boundary)
{
	arena a = ARENA_INIT;
	text t = TEXT_INIT;
	slice out;

	text_add_z(&t, "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n");
	for (int i = 0; i < 75; i++)
		text_add_char(&t, 'x');
	text_add_z(&t, "--b " UE "\r\n--b--\r\n");
	cr_assert_eq(convert(text_slice(&t), 1000, &a, &out), ST_OK);
	cr_assert_lt(slice_search(out, S("=\r\n=2D-b =C3")), out.size, "%.*s", SLICE_ARGS(out));
	text_free(&t);
	arena_release(&a);
}

Test(seven_bit, touches_nothing_signed)
{
	is_refused(S("DKIM-Signature: v=1\r\nSubject: x\r\n\r\n" UE "\r\n"), ST_DENIED);
	is_refused(S("ARC-Seal: i=1\r\nSubject: x\r\n\r\n" UE "\r\n"), ST_DENIED);
	is_refused(S("Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\n" UE
		     "\r\n--b\r\n\r\nx\r\n--b--\r\n"),
		ST_DENIED);
}

/* Of the message alone: what it encloses keeps its own. */
Test(seven_bit, leaves_out_signatures_of_its_caller)
{
	unsigns = true;
	becomes(S("DKIM-Signature: v=1;\r\n b=x\r\nSubject: x\r\ndkim-signature: v=1\r\n" TEXT_TYPE
		  "\r\n" UE UE UE "\r\n"),
		S("Subject: x\r\n" TEXT_TYPE
		  "Content-Transfer-Encoding: base64\r\n\r\nw7zDvMO8DQo=\r\n"));
	becomes(S("DKIM-Signature: v=1\r\nSubject: x\r\n\r\nText.\r\n"),
		S("Subject: x\r\n\r\nText.\r\n"));
	becomes(S("DKIM-Signature: v=1\r\nContent-Type: message/rfc822\r\n\r\nDKIM-Signature: v=1\r\n\r\n" UE
				UE "\r\n"),
		S("Content-Type: message/rfc822\r\n\r\nDKIM-Signature: v=1\r\nContent-Transfer-Encoding: base64\r\n\r\nw7zDvA0K\r\n"));
	is_refused(S("DKIM-Signature: v=1\r\nARC-Seal: i=1\r\n\r\n" UE "\r\n"), ST_DENIED);
	unsigns = false;
}

Test(seven_bit, refuses_what_has_no_place_for_an_encoding)
{
	is_refused(S("Subject: " UE "\r\n\r\nText\r\n"), ST_INVALID);
	is_refused(S("Content-Type: multipart/mixed; boundary=b\r\n\r\n" UE
		     "\r\n--b\r\n\r\nx\r\n--b--\r\n"),
		ST_INVALID);
	is_refused(S("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nX: " UE
		     "\r\n\r\nx\r\n--b--\r\n"),
		ST_INVALID);
	is_refused(S("Content-Type: multipart/mixed\r\n\r\n" UE "\r\n"), ST_INVALID);
	is_refused(S("Content-Type: message/delivery-status\r\n\r\n" UE "\r\n"), ST_INVALID);
	is_refused(S("Content-Transfer-Encoding: base64\r\n\r\n" UE "\r\n"), ST_INVALID);
	is_refused(S("Content-Transfer-Encoding: x-own\r\n\r\n" UE "\r\n"), ST_INVALID);
}
