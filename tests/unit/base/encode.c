/* Base64 and hexadecimal: known rows, strictness, round trips. */
#include "base/encode.h"
#include "base/random.h"

#include <criterion/criterion.h>

Test(encode, base64_of_known_rows)
{
	static const struct {
		slice raw, coded;
	} rows[] = {
		{S(""), S("")}, /* RFC 4648, 10 */
		{S("f"), S("Zg==")},
		{S("fo"), S("Zm8=")},
		{S("foo"), S("Zm9v")},
		{S("foob"), S("Zm9vYg==")},
		{S("fooba"), S("Zm9vYmE=")},
		{S("foobar"), S("Zm9vYmFy")},
		{S("\xff\xfe\xfd\xfc\xfb\xfa"), S("//79/Pv6")},
		{S("\0anna\0secret"), S("AGFubmEAc2VjcmV0")},
	};
	arena a = ARENA_INIT;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		slice raw;
		cr_expect(slice_same(base64_encode(rows[i].raw, &a), rows[i].coded), "row %zu", i);
		cr_assert_eq(base64_decode(rows[i].coded, &a, &raw), ST_OK, "row %zu", i);
		cr_expect(slice_same(raw, rows[i].raw), "row %zu", i);
	}
	arena_release(&a);
}

Test(encode, base64_refuses_every_second_spelling)
{
	static const slice rows[] = {
		S("Z"), S("Zg"), S("Zg="), S("Zm8"),   /* padding missing */
		S("===="), S("Z==="), S("="), S("=="), /* nothing but padding */
		S("Zg==Zg=="), S("Z=g="), S("=Zg="),   /* padding within */
		S("Zm9v===="), S("Zm9vYg==="),         /* too much of it */
		S("Zh=="), S("Zm9="),                  /* spare bits */
		S("Zg==\n"), S("Zm 9"), S("\rZm8"), S(" Zm8=   "), S("Zm9v\r\n\r\n"), /* space */
		S("__79"), S("Zm9-"), S("Zm9\0"), S("Zm9\xc3"), S("Zm9*"), /* other letters */
	};
	arena a = ARENA_INIT;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		slice raw = S("untouched");
		cr_expect_eq(base64_decode(rows[i], &a, &raw), ST_INVALID, "row %zu: \"%.*s\"", i,
			SLICE_ARGS(rows[i]));
		cr_expect(slice_same(raw, S("untouched")), "row %zu", i);
	}
	arena_release(&a);
}

Test(encode, hexadecimal_is_lower_and_its_digits_are_read_in_any_case)
{
	arena a = ARENA_INIT;

	cr_expect(slice_same(hex_encode(S("\0\x7f\xab\xff"), &a), S("007fabff")));
	cr_expect(slice_same(hex_encode(S(""), &a), S("")));
	for (int c = 0; c < 256; c++) {
		const char *at = c ? strchr("0123456789abcdefABCDEF", c) : NULL;
		int place = at ? (int)(at - "0123456789abcdefABCDEF") : -1;
		cr_expect_eq(hex_value((char)c), place > 15 ? place - 6 : place, "%d", c);
	}
	arena_release(&a);
}

Test(encode, gives_back_what_it_was_given)
{
	char bytes[300];
	arena a = ARENA_INIT;

	random_bytes(bytes, sizeof bytes);
	for (size_t size = 0; size <= sizeof bytes; size++) {
		slice raw = slice_of(bytes, size), back;
		cr_assert_eq(base64_decode(base64_encode(raw, &a), &a, &back), ST_OK);
		cr_assert(slice_same(back, raw));
		arena_clear(&a);
	}
	arena_release(&a);
}
