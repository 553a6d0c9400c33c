/* Content-Type, Content-Disposition, RFC 2231. */
#include "same.h"

#include "base/text.h"
#include "mail/content.h"

/* "type/subtype|name=value|..." and "!" when broken. */
static slice told(slice value, arena *a)
{
	content_value c;
	text t = TEXT_INIT;

	content_parse(value, a, &c);
	text_format(&t, "%.*s/%.*s", SLICE_ARGS(c.type), SLICE_ARGS(c.subtype));
	for (size_t i = 0; i < c.count; i++)
		text_format(&t, "|%.*s=%.*s", SLICE_ARGS(c.parameter[i].name),
			SLICE_ARGS(c.parameter[i].value));
	if (c.broken)
		text_add(&t, S("!"));
	slice made = arena_copy(a, text_slice(&t));
	text_free(&t);
	return made;
}

Test(content, is_read_as_it_comes)
{
	static const struct {
		slice value, wanted;
	} rows[] = {
		{S("text/plain"), S("text/plain")},
		{S(" Text / Plain (c) ; Charset=UTF-8 "), S("text/plain|charset=UTF-8")},
		{S("text/plain; charset=\"utf-8\"; format=flowed"),
			S("text/plain|charset=utf-8|format=flowed")},
		{S("a/b; n=\"x\\\"y\\\\z; k=v\""), S("a/b|n=x\"y\\z; k=v")},
		{S("a/b;\r\n\tn=v"), S("a/b|n=v")},
		{S("a/b; n=two words.txt; m=1"), S("a/b|m=1|n=two words.txt")},
		{S("a/b; n=v (comment)"), S("a/b|n=v")},
		{S("a/b; n=(c)v"), S("a/b|n=v")},
		{S("a/b; n=first; N=second"), S("a/b|n=first")},
		{S("a/b;;; n=v;"), S("a/b|n=v!")},
		{S("a/b; n"), S("a/b!")},
		{S("a/b; n=\"open"), S("a/b|n=open!")},
		{S("a/b n=v"), S("a/b!")},
		{S("a/b; n=\"x\" junk; m=y"), S("a/b|m=y|n=x!")},
		{S(""), S("/!")},
		{S("attachment; filename=x"), S("attachment/|filename=x")},
		{S("a/b; n==?utf-8?q?=C3=BC?="), S("a/b|n=\xc3\xbc")},
		{S("a/b; n=\"=?utf-8?q?=C3=BC?=\""), S("a/b|n=\xc3\xbc")},
		{S("a/b; n="), S("a/b|n=")},
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		arena a = ARENA_INIT;
		SAME(told(rows[i].value, &a), rows[i].wanted);
		arena_release(&a);
	}
}

Test(content, continued_and_encoded_parameters_are_joined)
{
	static const struct {
		slice value, wanted;
	} rows[] = {
		{S("a/b; n*0=one; n*1=two"), S("a/b|n=onetwo")},
		{S("a/b; n*1=two; n*0=one"), S("a/b|n=onetwo")},
		{S("a/b; n*0=one; n*2=three"), S("a/b|n=one")},
		{S("a/b; n*1=two"), S("a/b")},
		{S("a/b; n*1=two; n=whole"), S("a/b|n=whole")},
		{S("a/b; n*=utf-8'de'%C3%BC"), S("a/b|n=\xc3\xbc")},
		{S("a/b; n=plain; n*=utf-8''%C3%BC"), S("a/b|n=\xc3\xbc")},
		{S("a/b; n*=iso-8859-1''%FC"), S("a/b|n=\xc3\xbc")},
		{S("a/b; n*0*=utf-8''%C3; n*1*=%BC; n*2=%41"), S("a/b|n=\xc3\xbc%41")},
		{S("a/b; n*=nope''%FCx"), S("a/b|n=\xef\xbf\xbdx")},
		{S("a/b; n*=''x"), S("a/b|n=x")},
		{S("a/b; n*=%C3%BC"), S("a/b|n=\xc3\xbc")},
		{S("a/b; n*=utf-8''%"), S("a/b|n=%")},
		{S("a/b; n*=utf-8''%0D%0Ax"), S("a/b|n=  x")},
		{S("a/b; n*99999999999=x"), S("a/b|n=x")},
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		arena a = ARENA_INIT;
		SAME(told(rows[i].value, &a), rows[i].wanted);
		arena_release(&a);
	}
}

Test(content, many_pieces_and_comments_are_capped)
{
	arena a = ARENA_INIT;
	content_value c;
	text t = TEXT_INIT;

	text_add(&t, S("a/b"));
	for (int i = 60000; i-- > 0;)
		text_format(&t, ";n*%d=x", i % 50000);
	content_parse(text_slice(&t), &a, &c);
	cr_assert(c.truncated);
	text_clear(&t);
	text_add(&t, S("a/b"));
	for (int i = 0; i < 200; i++)
		text_format(&t, ";p%d=x", i);
	content_parse(text_slice(&t), &a, &c);
	cr_assert_eq(c.count, CONTENT_PARAMETERS_MOST);
	cr_assert(c.truncated);
	text_clear(&t);
	text_add(&t, S("a/b"));
	for (int i = 0; i < 100000; i++)
		text_add(&t, S(";a=\"b\"(;a("));
	content_parse(text_slice(&t), &a, &c);
	cr_assert_eq(c.count, 1);
	text_free(&t);
	arena_release(&a);
}

Test(content, word_stands_alone)
{
	SAME(content_word(S(" (x) base64 (y)")), S("base64"));
	SAME(content_word(S("7bit(x)")), S("7bit"));
	SAME(content_word(S(" ")), S(""));
}
