/* UTF-8: what is valid, what only looks so. */
#include "base/utf8.h"

#include <criterion/criterion.h>

Test(utf8, tells_valid_from_broken)
{
	static const struct {
		slice s;
		bool valid;
	} rows[] = {
		{S(""), true},
		{S("plain ascii, longer than eight"), true},
		{S("Gr\xc3\xbc\xc3\x9f"
		   "e an alle, \xe2\x82\xac 5, \xf0\x9f\x93\xac"),
			true},
		{S("\xc2\x80"), true},         /* U+0080, the least of two bytes */
		{S("\xdf\xbf"), true},         /* U+07FF */
		{S("\xe0\xa0\x80"), true},     /* U+0800 */
		{S("\xed\x9f\xbf"), true},     /* U+D7FF, before the surrogates */
		{S("\xee\x80\x80"), true},     /* U+E000, behind them */
		{S("\xef\xbf\xbf"), true},     /* U+FFFF */
		{S("\xf0\x90\x80\x80"), true}, /* U+10000 */
		{S("\xf4\x8f\xbf\xbf"), true}, /* U+10FFFF */
		{S("\xc0\x80"), false},        /* overlong NUL */
		{S("\xc0\xaf"), false},        /* overlong / */
		{S("\xc1\xbf"), false},        /* overlong U+007F */
		{S("\xe0\x80\xaf"), false},    /* overlong / in three */
		{S("\xe0\x9f\xbf"), false},    /* overlong U+07FF */
		{S("\xf0\x80\x80\xaf"), false},
		{S("\xf0\x8f\xbf\xbf"), false}, /* overlong U+FFFF */
		{S("\xed\xa0\x80"), false},     /* first surrogate */
		{S("\xed\xbf\xbf"), false},     /* last surrogate */
		{S("\xf4\x90\x80\x80"), false}, /* U+110000 */
		{S("\xf5\x80\x80\x80"), false},
		{S("\xf8\x88\x80\x80\x80"), false},
		{S("\xff"), false},
		{S("\xfe"), false},
		{S("\x80"), false}, /* continuation alone */
		{S("\xbf"), false},
		{S("\xc3"), false}, /* cut off */
		{S("\xe2\x82"), false},
		{S("\xf0\x9f\x93"), false},
		{S("\xc3\x41"), false}, /* no continuation */
		{S("\xe2\x41\xac"), false},
		{S("12345678\xff"), false},
		{S("12345678"
		   "12345678\xc3"),
			false},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		cr_expect_eq(utf8_valid(rows[i].s), rows[i].valid, "row %zu", i);
}

Test(utf8, knows_ascii)
{
	cr_expect(utf8_is_ascii(S("")));
	cr_expect(utf8_is_ascii(S("\0\x7f")));
	for (int i = 0; i < 20; i++) {
		char s[20] = "aaaaaaaaaaaaaaaaaaa";
		s[i] = (char)0x80;
		cr_expect_not(utf8_is_ascii(slice_of(s, sizeof s)), "at %d", i);
	}
}

Test(utf8, cuts_no_character)
{
	static const struct {
		slice s;
		size_t most, size;
	} rows[] = {
		{S(""), 0, 0},
		{S("abc"), 5, 3},
		{S("abc"), 3, 3},
		{S("abc"), 2, 2},
		{S("a\xc3\xbc"), 3, 3},
		{S("a\xc3\xbc"), 2, 1},
		{S("\xc3\xbc"), 1, 0},
		{S("a\xf0\x9f\x93\xac!"), 5, 5},
		{S("a\xf0\x9f\x93\xac!"), 4, 1},
		{S("a\xf0\x9f\x93\xac!"), 2, 1},
		{S("\x80\x80\x80\x80\x80\x80"), 4, 4},
		{S("\x80\x80"), 1, 1},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		cr_expect_eq(utf8_until(rows[i].s, rows[i].most).size, rows[i].size, "row %zu", i);
}

Test(utf8, every_scalar_value_comes_back)
{
	text t = TEXT_INIT;

	for (uint32_t point = 0; point <= 0x10ffff; point++) {
		uint32_t back = 0;
		if (point == 0xd800)
			point = 0xe000;
		text_clear(&t);
		utf8_add(&t, point);
		cr_assert_eq(utf8_take(text_slice(&t), &back), t.size, "U+%04X", point);
		cr_assert_eq(back, point);
	}
	text_free(&t);
}

Test(utf8, takes_nothing_from_nothing)
{
	uint32_t point;

	cr_expect_eq(utf8_take((slice){0}, &point), 0);
}

Test(utf8, repairs_byte_by_byte)
{
	static const struct {
		slice broken, wanted;
	} rows[] = {
		{S("fine \xc3\xa4"), S("fine \xc3\xa4")},
		{S("a\xff"
		   "b"),
			S("a\xef\xbf\xbd"
			  "b")},
		{S("\xe2\x82"), S("\xef\xbf\xbd\xef\xbf\xbd")},
		{S("\xc0\xaf"), S("\xef\xbf\xbd\xef\xbf\xbd")},
		{S("\xe2\x41"), S("\xef\xbf\xbd\x41")},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		text t = TEXT_INIT;
		utf8_add_repaired(&t, rows[i].broken);
		cr_expect(slice_same(text_slice(&t), rows[i].wanted), "row %zu", i);
		text_free(&t);
	}
}

Test(utf8, writes_the_replacement_for_what_is_no_scalar)
{
	static const uint32_t rows[] = {0xd800, 0xdfff, 0x110000, UINT32_MAX};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		text t = TEXT_INIT;
		utf8_add(&t, rows[i]);
		cr_expect_str_eq(t.at, "\xef\xbf\xbd");
		text_free(&t);
	}
}
