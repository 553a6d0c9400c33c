/* Transfer encodings: every row cut at every place. */
#include "same.h"

#include "mail/transfer.h"

static void decode_all_cuts(enum transfer_kind kind, slice coded, slice wanted, bool broken)
{
	for (size_t cut = 0; cut <= coded.size; cut++) {
		transfer_decoder d = {.kind = kind};
		text out = TEXT_INIT;
		transfer_decode(&d, slice_until(coded, cut), &out);
		for (size_t i = cut; i < coded.size; i++)
			transfer_decode(&d, slice_of(coded.at + i, 1), &out);
		transfer_decode_end(&d, &out);
		SAME(text_slice(&out), wanted);
		cr_assert_eq(d.broken, broken, "%.*s", SLICE_ARGS(coded));
		text_free(&out);
	}
}

Test(transfer, base64_is_read_as_it_comes)
{
	static const struct {
		slice coded, wanted;
		bool broken;
	} rows[] = {
		{S(""), S(""), false},
		{S("YQ=="), S("a"), false},
		{S("YWI="), S("ab"), false},
		{S("YWJj"), S("abc"), false},
		{S("YW\r\nJj\r\nZA=="), S("abcd"), false},
		{S("YQ==YWI="), S("aab"), false},
		{S("YQ"), S("a"), true},
		{S("YWJjZ"), S("abc"), true},
		{S("Y*W-J_j"), S("abc"), true},
		{S("////"), S("\xff\xff\xff"), false},
		{S("===="), S(""), false},
	};

	for (size_t i = 0; i < ROWS(rows); i++)
		decode_all_cuts(TRANSFER_BASE64, rows[i].coded, rows[i].wanted, rows[i].broken);
}

Test(transfer, quoted_printable_is_read_as_it_comes)
{
	static const struct {
		slice coded, wanted;
		bool broken;
	} rows[] = {
		{S(""), S(""), false},
		{S("a=3Db"), S("a=b"), false},
		{S("J=c3=BC"), S("J\xc3\xbc"), false},
		{S("a=\r\nb"), S("ab"), false},
		{S("a=\nb"), S("ab"), false},
		{S("a= \t\r\nb"), S("ab"), false},
		{S("a  \r\nb \t c"), S("a\r\nb \t c"), false},
		{S("a="), S("a"), false},
		{S("a=4"), S("a=4"), true},
		{S("a=XY"), S("a=XY"), true},
		{S("a=4G"), S("a=4G"), true},
		{S("a= b"), S("a= b"), true},
		{S("a=\rb"), S("ab"), true},
		{S("=="), S("="), true},
		{S("a\nb"), S("a\nb"), false},
	};

	for (size_t i = 0; i < ROWS(rows); i++)
		decode_all_cuts(
			TRANSFER_QUOTED_PRINTABLE, rows[i].coded, rows[i].wanted, rows[i].broken);
}

static void encode_all_cuts(enum transfer_kind kind, slice raw, slice wanted)
{
	for (size_t cut = 0; cut <= raw.size; cut++) {
		transfer_encoder e = {.kind = kind};
		text out = TEXT_INIT;
		transfer_encode(&e, slice_until(raw, cut), &out);
		transfer_encode(&e, slice_from(raw, cut), &out);
		transfer_encode_end(&e, &out);
		SAME(text_slice(&out), wanted);
		text_free(&out);
	}
}

#define X10 "xxxxxxxxxx"
#define X70 X10 X10 X10 X10 X10 X10 X10

Test(transfer, encoders_write_short_lines)
{
	encode_all_cuts(TRANSFER_BASE64, S(""), S(""));
	encode_all_cuts(TRANSFER_BASE64, S("abcd"), S("YWJjZA==\r\n"));
	encode_all_cuts(TRANSFER_BASE64,
		S("0123456789012345678901234567890123456789012345678901234567"),
		S("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2\r\n"
		  "Nw==\r\n"));
	encode_all_cuts(TRANSFER_QUOTED_PRINTABLE, S("a=b\r\n.c \r\nd\t\ne  f "),
		S("a=3Db\r\n=2Ec=20\r\nd=09\r\ne  f=20"));
	encode_all_cuts(TRANSFER_QUOTED_PRINTABLE, S("a\rb\0\xff"), S("a=0Db=00=FF"));
	encode_all_cuts(TRANSFER_QUOTED_PRINTABLE, S(X70 "1234567"), S(X70 "12345=\r\n67"));
	encode_all_cuts(TRANSFER_QUOTED_PRINTABLE, S(X70 "1234\xff"), S(X70 "1234=\r\n=FF"));
}

Test(transfer, what_is_encoded_is_decoded)
{
	text raw = TEXT_INIT;

	for (int i = 0; i < 3000; i++)
		text_add_char(&raw, (char)((i * 7919 >> 3) & 0xff));
	for (int kind = TRANSFER_BASE64; kind <= TRANSFER_QUOTED_PRINTABLE; kind++) {
		transfer_encoder e = {.kind = (enum transfer_kind)kind};
		transfer_decoder d = {.kind = (enum transfer_kind)kind};
		text coded = TEXT_INIT, back = TEXT_INIT;
		for (size_t i = 0; i < raw.size; i++)
			if (raw.at[i] == '\n')
				raw.at[i] = 'n'; /* a bare LF would come back as CRLF */
		transfer_encode(&e, text_slice(&raw), &coded);
		transfer_encode_end(&e, &coded);
		transfer_decode(&d, text_slice(&coded), &back);
		transfer_decode_end(&d, &back);
		SAME(text_slice(&back), text_slice(&raw));
		cr_assert_not(d.broken);
		text_free(&coded);
		text_free(&back);
	}
	text_free(&raw);
}

Test(transfer, kinds_are_known_by_name)
{
	cr_assert_eq(transfer_kind_of(S("")), TRANSFER_PLAIN);
	cr_assert_eq(transfer_kind_of(S(" 8BIT ")), TRANSFER_PLAIN);
	cr_assert_eq(transfer_kind_of(S(" (c) Base64 (x)")), TRANSFER_BASE64);
	cr_assert_eq(transfer_kind_of(S("quoted-printable;")), TRANSFER_QUOTED_PRINTABLE);
	cr_assert_eq(transfer_kind_of(S("x-uuencode")), TRANSFER_UNKNOWN);
}
