/* Charsets to UTF-8. */
#include "same.h"

#include "base/utf8.h"
#include "mail/charset.h"

Test(charset, converts)
{
	static const struct {
		slice charset, raw, utf8;
	} rows[] = {
		{S("UTF-8"), S("\xc3\xbc"), S("\xc3\xbc")},
		{S("utf-8"),
			S("a\xff"
			  "b"),
			S("a\xef\xbf\xbd"
			  "b")},
		{S(""), S("plain"), S("plain")},
		{S("us-ascii"), S("\xc3\xbc"), S("\xc3\xbc")},
		{S("us-ascii"), S("\xfc"), S("\xc3\xbc")},
		{S("ISO-8859-1"), S("\xfc \x80"), S("\xc3\xbc \xe2\x82\xac")},
		{S("windows-1252"),
			S("a\x81"
			  "b"),
			S("a\xef\xbf\xbd"
			  "b")},
		{S("koi8-r"), S("\xcd\xc9\xd2"), S("\xd0\xbc\xd0\xb8\xd1\x80")},
		{S("windows-1258"), S("e\xec e"), S("\xc3\xa9 e")}, /* an accent joins its letter */
		{S("windows-1258"), S("e"), S("e")}, /* nothing is kept back at the end */
		{S("shift_jis"), S("\x83\x65\x83"),
			S("\xe3\x83\x86\xef\xbf\xbd")}, /* cut in a letter */
		{S("utf-16be"), S("\0a\xd8"), S("a\xef\xbf\xbd")},
		{S("koi8-r"), S(""), S("")},
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		arena a = ARENA_INIT;
		slice utf8 = S("untouched");
		cr_assert_eq(charset_to_utf8(rows[i].charset, rows[i].raw, &a, &utf8), ST_OK);
		SAME(utf8, rows[i].utf8);
		arena_release(&a);
	}
}

Test(charset, long_texts_are_converted_whole)
{
	arena a = ARENA_INIT;
	text raw = TEXT_INIT;
	slice utf8;

	for (int i = 0; i < 5000; i++)
		text_add(&raw, S("\xfc"));
	cr_assert_eq(charset_to_utf8(S("latin1"), text_slice(&raw), &a, &utf8), ST_OK);
	cr_assert_eq(utf8.size, 10000);
	cr_assert(utf8_valid(utf8));
	text_free(&raw);
	arena_release(&a);
}

Test(charset, mail_does_not_choose_converters)
{
	static const slice unknown[] = {S("utf-7"), S("iso-2022-cn-ext"), S("utf-8//TRANSLIT"),
		S("../../x"), S("x-unknown"), S("utf-8\0")};
	arena a = ARENA_INIT;
	slice utf8 = S("untouched");

	for (size_t i = 0; i < ROWS(unknown); i++) {
		cr_assert_not(charset_known(unknown[i]));
		cr_assert_eq(charset_to_utf8(unknown[i], S("x"), &a, &utf8), ST_ABSENT);
	}
	SAME(utf8, S("untouched"));
	arena_release(&a);
}
