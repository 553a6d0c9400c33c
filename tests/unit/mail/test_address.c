/* Addresses: strict paths and typed addresses, keys, and tolerant lists. */
#include "same.h"

#include "base/text.h"
#include "mail/address.h"

#define X10 "xxxxxxxxxx"
#define X63 X10 X10 X10 X10 X10 X10 "xxx"
#define X64 X63 "x"
#define LABELS_252 X63 "." X63 "." X63 "." X10 X10 X10 X10 X10 X10

Test(address, path_is_read_in_its_parts)
{
	static const struct {
		slice path, local, domain, shown, rest;
		bool empty, literal, utf8, routed;
	} rows[] = {
		{S("<anna@demo.test>"), S("anna"), S("demo.test"), S("demo.test"), S(""),
			.empty = false},
		{S("<>"), S(""), S(""), S(""), S(""), .empty = true},
		{S("<> SIZE=1"), S(""), S(""), S(""), S(" SIZE=1"), .empty = true},
		{S("<a@b> X=<y>"), S("a"), S("b"), S("b"), S(" X=<y>"), .empty = false},
		{S("<PostMaster>"), S("postmaster"), S(""), S(""), S(""), .empty = false},
		{S("<Anna@DEMO.Test>"), S("Anna"), S("demo.test"), S("demo.test"), S(""),
			.empty = false},
		{S("<a.b+c-d_e/f=g@x-1.y>"), S("a.b+c-d_e/f=g"), S("x-1.y"), S("x-1.y"), S(""),
			.empty = false},
		{S("<\"anna\"@b>"), S("anna"), S("b"), S("b"), S(""), .empty = false},
		{S("<\"a\\nna\"@b>"), S("anna"), S("b"), S("b"), S(""), .empty = false},
		{S("<\"a b\"@c>"), S("\"a b\""), S("c"), S("c"), S(""), .empty = false},
		{S("<\"a\\\"\\\\b\"@c>"), S("\"a\\\"\\\\b\""), S("c"), S("c"), S(""),
			.empty = false},
		{S("<\"a>b@c\"@d>x"), S("\"a>b@c\""), S("d"), S("d"), S("x"), .empty = false},
		{S("<\"\"@c>"), S("\"\""), S("c"), S("c"), S(""), .empty = false},
		{S("<\"a..b\"@c>"), S("\"a..b\""), S("c"), S("c"), S(""), .empty = false},
		{S("<a@[192.0.2.1]>"), S("a"), S("[192.0.2.1]"), S("[192.0.2.1]"), S(""),
			.literal = true},
		{S("<a@[IPV6:2001:DB8:0::1]>"), S("a"), S("[IPv6:2001:db8::1]"),
			S("[IPv6:2001:db8::1]"), S(""), .literal = true},
		{S("<@x.test,@y.test:anna@demo.test>"), S("anna"), S("demo.test"), S("demo.test"),
			S(""), .routed = true},
		{S("<j\xc3\xbcrgen@b\xc3\xbc"
		   "cher.test>"),
			S("j\xc3\xbcrgen"), S("xn--bcher-kva.test"),
			S("b\xc3\xbc"
			  "cher.test"),
			S(""), .utf8 = true},
		{S("<ju\xcc\x88rgen@a>"), S("j\xc3\xbcrgen"), S("a"), S("a"), S(""), .utf8 = true},
		{S("<a@B\xc3\x9c"
		   "CHER.test>"),
			S("a"), S("xn--bcher-kva.test"),
			S("b\xc3\xbc"
			  "cher.test"),
			S(""), .utf8 = true},
		{S("<a@XN--bcher-kva.test>"), S("a"), S("xn--bcher-kva.test"),
			S("b\xc3\xbc"
			  "cher.test"),
			S(""), .utf8 = false},
		{S("<" X64 "@a>"), S(X64), S("a"), S("a"), S(""), .empty = false},
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		arena a = ARENA_INIT;
		mail_address m;
		slice rest;
		cr_assert_eq(mail_address_path(rows[i].path, &a, &m, &rest), ST_OK, "row %zu", i);
		SAME(m.local, rows[i].local);
		SAME(m.domain, rows[i].domain);
		SAME(m.shown, rows[i].shown);
		SAME(rest, rows[i].rest);
		cr_assert_eq(m.empty, rows[i].empty, "row %zu", i);
		cr_assert_eq(m.literal, rows[i].literal, "row %zu", i);
		cr_assert_eq(m.utf8, rows[i].utf8, "row %zu", i);
		cr_assert_eq(m.routed, rows[i].routed, "row %zu", i);
		arena_release(&a);
	}
}

Test(address, path_refuses_what_is_none)
{
	static const slice rows[] = {
		S(""),
		S("a@b"),
		S("<"),
		S("<a@b"),
		S("<a>"),
		S("<@>"),
		S("<a@>"),
		S("<@b>"),
		S("<a@b.>"),
		S("<a@.b>"),
		S("<a@b..c>"),
		S("<.a@b>"),
		S("<a.@b>"),
		S("<a..b@c>"),
		S("< a@b>"),
		S("<a@b >"),
		S("<a @b>"),
		S("<a b@c>"),
		S("<a@b@c>"),
		S("<a@-b>"),
		S("<a@b->"),
		S("<a@b_c>"),
		S("<a@b/c>"),
		S("<a@192.0.2.1>"),
		S("<a@[192.0.2.256]>"),
		S("<a@[192.0.2.1>"),
		S("<a@192.0.2.1]>"),
		S("<a@[2001:db8::1]>"),
		S("<a@[IPv6:zz]>"),
		S("<a@[IPv6:]>"),
		S("<a@[]>"),
		S("<a@[x.y]>"),
		S("<\"a@b>"),
		S("<a\"b\"@c>"),
		S("<\"a\"b@c>"),
		S("<\"a\"@>"),
		S("<\"a\\>@b>"),
		S("<a\x01@b>"),
		S("<a\r\n@b>"),
		S("<a\0@b>"),
		S("<a@b\0>"),
		S("<\"a\0\"@b>"),
		S("<\"a\r\"@b>"),
		S("<\"a\\\n\"@b>"),
		S("<\"a\x7f\"@b>"),
		S("<a\xff@b>"),
		S("<a@b\xff>"),
		S("<a\xe2\x80\x8b@b>"), /* zero width */
		S("<a@b\xe2\x80\x8b.c>"),
		S("<a@b\xc2\xad"
		  "c>"),
		S("<a\xe2\x80\xae@b>"), /* shy, RLO */
		S("<a\xc2\xa0@b>"),
		S("<\"a\xc2\xa0\"@b>"),
		S("<a\xc2\x85@b>"),
		S("<a\xef\xbb\xbf@b>"),
		S("<a@b\xef\xbc\xa0"
		  "c>"),
		S("<a@b\xf0\x9f\x92\xa9.c>"),
		S("<@a:@b>"),
		S("<@a,b:c@d>"),
		S("<@a c@d>"),
		S("<@:c@d>"),
		S("<,@a:c@d>"),
		S("<a;b@c>"),
		S("<a,b@c>"),
		S("<(x)a@b>"),
		S("<a@b(x)>"),
		S("<a:b@c>"),
		S("<<a@b>>"),
		S("<a<@b>"),
		S("<postmaster@>"),
		S("<a@" X64 ">"),
		S("<a@" X63 "x.y>"),
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		arena a = ARENA_INIT;
		mail_address m = {.local = S("untouched")};
		slice rest = S("untouched");
		cr_assert_eq(mail_address_path(rows[i], &a, &m, &rest), ST_INVALID, "row %zu: %.*s",
			i, SLICE_ARGS(rows[i]));
		SAME(m.local, S("untouched"));
		SAME(rest, S("untouched"));
		arena_release(&a);
	}
}

Test(address, limits_are_told_apart_from_nonsense)
{
	static const slice rows[] = {
		S("<" X64 "x@a>"),
		S("<a@" LABELS_252 ">"),
		S("<@" LABELS_252 ":a@b>"),
		S("<\"" X63 "@\"@a>"),
	};
	arena a = ARENA_INIT;
	mail_address m;
	slice rest;

	for (size_t i = 0; i < ROWS(rows); i++)
		cr_assert_eq(mail_address_path(rows[i], &a, &m, &rest), i == 1 ? ST_OK : ST_TOO_BIG,
			"row %zu", i);
	arena_release(&a);
}

Test(address, typed_address_may_have_blanks_and_brackets_around)
{
	static const slice good[] = {
		S("anna@demo.test"), S("  anna@demo.test\t"), S("<anna@demo.test>")};
	static const slice bad[] = {S(""), S("anna"), S("<>"), S("<postmaster>"), S("<<a@b>>"),
		S("Anna <anna@demo.test>"), S("a@b, c@d"), S("@x:a@b"), S("anna@demo.test>"),
		S("a@b\r\nX: y")};
	arena a = ARENA_INIT;
	mail_address m;

	for (size_t i = 0; i < ROWS(good); i++) {
		cr_assert_eq(mail_address_parse(good[i], &a, &m), ST_OK);
		SAME(mail_address_text(&m, &a), S("anna@demo.test"));
	}
	for (size_t i = 0; i < ROWS(bad); i++)
		cr_assert_eq(mail_address_parse(bad[i], &a, &m), ST_INVALID, "row %zu", i);
	cr_assert_eq(mail_address_parse(S("ab@" LABELS_252), &a, &m), ST_TOO_BIG);
	arena_release(&a);
}

Test(address, key_folds_case_in_every_script)
{
	static const struct {
		slice address, key;
	} rows[] = {
		{S("Anna.Meier@Demo.TEST"), S("anna.meier@demo.test")},
		{S("J\xc3\x9cRGEN@x"), S("j\xc3\xbcrgen@x")},
		{S("STRA\xe1\xba\x9e"
		   "E@x"),
			S("strasse@x")},
		{S("\xce\xa3@x"), S("\xcf\x83@x")},
		{S("\"A B\"@x"), S("\"a b\"@x")},
		{S("\"A\"@x"), S("a@x")},
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		arena a = ARENA_INIT;
		mail_address m;
		cr_assert_eq(mail_address_parse(rows[i].address, &a, &m), ST_OK, "row %zu", i);
		SAME(mail_address_key(&m, &a), rows[i].key);
		arena_release(&a);
	}
}

Test(address, parts_known_apart_make_the_same_address)
{
	arena a = ARENA_INIT;
	mail_address m;

	cr_assert_eq(mail_address_of(S("a b"), S("X.test"), &a, &m), ST_OK);
	SAME(mail_address_text(&m, &a), S("\"a b\"@x.test"));
	cr_assert_eq(mail_address_of(S("a@b"), S("x"), &a, &m), ST_OK);
	SAME(mail_address_text(&m, &a), S("\"a@b\"@x"));
	cr_assert_eq(mail_address_of(S(""), S("x"), &a, &m), ST_INVALID);
	cr_assert_eq(mail_address_of(S("a"), S(""), &a, &m), ST_INVALID);
	cr_assert_eq(mail_address_of(S("a"), S("b@c"), &a, &m), ST_INVALID);
	cr_assert_eq(mail_address_of(S(X64 "x"), S("c"), &a, &m), ST_TOO_BIG);
	cr_assert_eq(mail_address_of(S(X64 X64 X64 X64 X64), S("c"), &a, &m), ST_TOO_BIG);
	cr_assert_eq(mail_address_of(S("a"), S(X64 "." X64 "." X64 "." X64 "." X64), &a, &m),
		ST_TOO_BIG);
	cr_assert_eq(mail_address_of(S("a\r\nb"), S("c"), &a, &m), ST_INVALID);
	arena_release(&a);
}

Test(address, host_of_ehlo_is_a_name_or_a_literal)
{
	static const struct {
		slice input, host;
		status kind;
		bool literal;
	} rows[] = {
		{S("Client.Test"), S("client.test"), ST_OK, false},
		{S("[192.0.2.7]"), S("[192.0.2.7]"), ST_OK, true},
		{S("[IPv6:::1]"), S("[IPv6:::1]"), ST_OK, true},
		{S("192.0.2.7"), S(""), ST_INVALID, false},
		{S("a b"), S(""), ST_INVALID, false},
		{S(""), S(""), ST_INVALID, false},
		{S("["), S(""), ST_INVALID, false},
		{S("a.test."), S(""), ST_INVALID, false},
	};
	arena a = ARENA_INIT;

	for (size_t i = 0; i < ROWS(rows); i++) {
		slice host = S("");
		bool literal = false;
		cr_assert_eq(mail_host_parse(rows[i].input, &a, &host, &literal), rows[i].kind,
			"row %zu", i);
		SAME(host, rows[i].host);
		cr_assert_eq(literal, rows[i].literal);
	}
	arena_release(&a);
}

/* --- Lists
   ------------------------------------------------------------------------------------- */

/* "name|route|local|domain;" for each entry, "{name;" and "};" for groups, "!" when broken. */
static slice told(const mail_list *l, arena *a)
{
	text t = TEXT_INIT;

	for (size_t i = 0; i < l->count; i++) {
		const mail_list_entry *e = &l->entry[i];
		if (e->kind == MAIL_LIST_GROUP)
			text_format(&t, "{%.*s;", SLICE_ARGS(e->name));
		else if (e->kind == MAIL_LIST_GROUP_END)
			text_add(&t, S("};"));
		else
			text_format(&t, "%.*s|%.*s|%.*s|%.*s;", SLICE_ARGS(e->name),
				SLICE_ARGS(e->route), SLICE_ARGS(e->local), SLICE_ARGS(e->domain));
	}
	if (l->broken)
		text_add(&t, S("!"));
	slice made = arena_copy(a, text_slice(&t));
	text_free(&t);
	return made;
}

Test(address, list_is_read_as_it_comes)
{
	static const struct {
		slice value, wanted;
	} rows[] = {
		{S(""), S("")},
		{S(" , ,"), S("")},
		{S("a@b"), S("||a|b;")},
		{S("Anna Meier <anna@demo.test>"), S("Anna Meier||anna|demo.test;")},
		{S("\"Meier, Anna\" <a@b>, c@d"), S("Meier, Anna||a|b;||c|d;")},
		{S("\"a \\\"q\\\" b\"\r\n <a@b>"), S("a \"q\" b||a|b;")},
		{S("J. R. Doe <j@d>"), S("J. R. Doe||j|d;")},
		{S("a@b (Anna)"), S("Anna||a|b;")},
		{S("a(x(y)z)@(c)b(d)"), S("x(y)z||a|b;")},
		{S("\"a b\"@c"), S("||a b|c;")},
		{S("\"a\".b@c"), S("||a.b|c;")},
		{S("a . b @ c . d"), S("||a.b|c.d;")},
		{S("Anna Meier a@b"), S("Anna Meier||a|b;!")},
		{S("<@x,@y:a@b>"), S("|@x,@y|a|b;")},
		{S("a@[192.0.2.1]"), S("||a|[192.0.2.1];")},
		{S("a@[192.0.2.1"), S("||a|[192.0.2.1;!")},
		{S("a@b <c@d>"), S("a@b||c|d;")},
		{S("a@b@c"), S("||a|b@c;!")},
		{S("Friends: a@b, C <c@d>;, e@f"), S("{Friends;||a|b;C||c|d;};||e|f;")},
		{S("undisclosed-recipients:;"), S("{undisclosed-recipients;};")},
		{S("A: b@c"), S("{A;||b|c;};")},
		{S("A: B: c@d;"), S("{A;B||c|d;};!")},
		{S("a@b; c@d"), S("||a|b;||c|d;")},
		{S("<a@b"), S("||a|b;!")},
		{S("<a@b, c@d"), S("||a|b;||c|d;!")},
		{S("Anna <>"), S("Anna|||;")},
		{S("anna"), S("||anna|;")},
		{S("Anna Meier"), S("Anna Meier|||;!")},
		{S("(only a comment)"), S("")},
		{S("\"unclosed, a@b"), S("unclosed, a@b|||;!")},
		{S("\"Anna Meier\""), S("Anna Meier|||;!")},
		{S("\"anna\""), S("||anna|;")},
		/* a colon out of place is kept: without it others would be meant */
		{S("A <mailto:a@b>"), S("A||mailto:a|b;!")},
		{S("x: mailto:a@b;"), S("{x;||mailto:a|b;};!")},
		{S("<a@b:c>, d@e:f, @g:h@i"), S("||a|b:c;||d|e:f;|||g:h@i;!")},
		{S("a@b c@d"), S("||a|b;!")},
		{S("J\xc3\xbcrgen <j@x>"), S("J\xc3\xbcrgen||j|x;")},
		{S("=?utf-8?q?J=C3=BC?= <j@x>"), S("=?utf-8?q?J=C3=BC?=||j|x;")},
		{S("[SPAM] Bob <b@c>"), S("[SPAM] Bob||b|c;")},
		{S("a@b)"), S("||a|b;!")},
		{S("<a b@c>"), S("||a b|c;!")},
		{S("a@\"b\""), S("||a|b;!")},
		{S("A <<b@c>>"), S("A||b|c;!")},
		{S("\"a\tb\" <c@d>"), S("a b||c|d;")},
		{S("a@b (x\\)y)"), S("x)y||a|b;")},
		{S("@"), S("|||;!")},
		{S("A\0B\x1b <a@b>"), S("A B||a|b;")},
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		arena a = ARENA_INIT;
		mail_list l;
		mail_list_parse(rows[i].value, MAIL_LIST_MOST, &a, &l);
		SAME(told(&l, &a), rows[i].wanted);
		cr_assert_not(l.truncated);
		arena_release(&a);
	}
}

Test(address, list_stops_at_its_cap)
{
	arena a = ARENA_INIT;
	mail_list l;

	mail_list_parse(S("a@b, c@d, e@f"), 2, &a, &l);
	SAME(told(&l, &a), S("||a|b;||c|d;"));
	cr_assert(l.truncated);
	mail_list_parse(S("a@b, c@d"), 2, &a, &l);
	cr_assert_not(l.truncated);
	mail_list_parse(S("G: a@b, c@d, e@f;"), 2, &a, &l);
	SAME(told(&l, &a), S("{G;||a|b;};"));
	cr_assert(l.truncated);
	arena_release(&a);
}

Test(address, list_of_half_a_million_is_capped_and_nested_comments_are_counted)
{
	arena a = ARENA_INIT;
	mail_list l;
	text many = TEXT_INIT;

	for (int i = 0; i < 500000; i++)
		text_add(&many, S("a@b,"));
	mail_list_parse(text_slice(&many), MAIL_LIST_MOST, &a, &l);
	cr_assert_eq(l.count, MAIL_LIST_MOST);
	cr_assert(l.truncated);
	text_clear(&many);
	for (int i = 0; i < 500000; i++)
		text_add(&many, S("("));
	mail_list_parse(text_slice(&many), MAIL_LIST_MOST, &a, &l);
	cr_assert_eq(l.count, 0);
	cr_assert(l.broken);
	text_free(&many);
	arena_release(&a);
}
