/* Encoded words. */
#include "same.h"

#include "base/utf8.h"
#include "mail/word.h"

Test(word, decodes)
{
	static const struct {
		slice value, wanted;
	} rows[] = {
		{S(""), S("")},
		{S(" plain text "), S("plain text")},
		{S("=?utf-8?Q?J=C3=BCrgen_M?="), S("J\xc3\xbcrgen M")},
		{S("=?ISO-8859-1?q?J=FCrgen?= x"), S("J\xc3\xbcrgen x")},
		{S("=?utf-8?B?SsO8cmdlbg==?="), S("J\xc3\xbcrgen")},
		{S("a =?utf-8?q?b?= =?utf-8?q?c?= d"), S("a bc d")},
		{S("=?utf-8?q?b?=\r\n =?iso-8859-1?q?=FC?="), S("b\xc3\xbc")},
		{S("=?utf-8?b?w7w=?= =?utf-8?b?w7w=?="), S("\xc3\xbc\xc3\xbc")},
		{S("=?utf-8?q?=C3?= =?utf-8?q?=BC?="), S("\xc3\xbc")},
		{S("=?utf-8?q?=C3?= x =?utf-8?q?=BC?="), S("\xef\xbf\xbd x \xef\xbf\xbd")},
		{S("=?utf-8*de?q?=C3=BC?="), S("\xc3\xbc")},
		{S("=?iso-2022-jp?B?GyRCJUYlOSVIGyhC?="),
			S("\xe3\x83\x86\xe3\x82\xb9\xe3\x83\x88")},
		{S("=?no-such-charset?q?abc?="), S("=?no-such-charset?q?abc?=")},
		{S("=?utf-7?q?+AGE-?="), S("=?utf-7?q?+AGE-?=")},
		{S("=?utf-8?x?abc?="), S("=?utf-8?x?abc?=")},
		{S("=?utf-8?q?a b?="), S("=?utf-8?q?a b?=")},
		{S("=?utf-8?q?abc"), S("=?utf-8?q?abc")},
		{S("=?utf-8?q?a?b"), S("=?utf-8?q?a?b")},
		{S("=?=?utf-8?q?a?="), S("=?a")},
		{S("=?utf-8?q?"
		   "?="),
			S("")},
		{S("=?utf-8?q?a=0D=0ABcc:_x?="), S("a  Bcc: x")},
		{S("=?utf-8?q?=00=1B?="), S("  ")},
		{S("=?us-ascii?q?=E4?="), S("\xc3\xa4")},
		{S("raw \xc3\xbc \xff"), S("raw \xc3\xbc \xef\xbf\xbd")},
		{S("one\r\n two"), S("one two")},
		{S("=?utf-8?Q?=3D=3Futf-8=3Fq=3Fx=3F=3D?="), S("=?utf-8?q?x?=")},
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		arena a = ARENA_INIT;
		SAME(word_decode(rows[i].value, &a), rows[i].wanted);
		arena_release(&a);
	}
}

Test(word, encodes_in_short_words_that_decode_to_the_same)
{
	arena a = ARENA_INIT;
	text raw = TEXT_INIT, coded = TEXT_INIT;

	for (int n = 0; n < 120; n++) {
		size_t column = (size_t)n % 90, start = column;
		text_clear(&coded);
		word_encode(text_slice(&raw), &column, &coded);
		SAME(word_decode(text_slice(&coded), &a), text_slice(&raw));
		slice rest = text_slice(&coded), line;
		for (size_t before = start; slice_take(&rest, '\n', &line); before = 0)
			cr_assert(line.size == 0 || line.at[0] == '\r' || before + line.size <= 77);
		slice words = text_slice(&coded), word;
		while (slice_take(&words, ' ', &word))
			cr_assert_leq(slice_trim(word).size, 75);
		utf8_add(&raw, n % 5 == 0 ? 0x1f600 : n % 3 == 0 ? 0xfc : 'a');
	}
	text_free(&raw);
	text_free(&coded);
	arena_release(&a);
}

Test(word, many_words_and_charsets_stay_linear_and_capped)
{
	arena a = ARENA_INIT;
	text bomb = TEXT_INIT;

	for (int i = 0; i < 20000; i++)
		text_add(&bomb, i & 1 ? S("=?utf-8?q?a?= ") : S("=?koi8-r?q?b?= "));
	slice decoded = word_decode(text_slice(&bomb), &a);
	cr_assert(slice_starts(decoded, S("baba")));
	text_clear(&bomb);
	for (int i = 0; i < 300000; i++)
		text_add(&bomb, S("=?"));
	SAME(word_decode(text_slice(&bomb), &a), text_slice(&bomb));
	text_free(&bomb);
	arena_release(&a);
}
