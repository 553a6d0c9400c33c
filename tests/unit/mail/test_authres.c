/* Authentication-Results: written, read, and read again as written. */
#include "mail/authres.h"

#include "mail/header.h"
#include "same.h"

static const spf_query from_anna = {.helo = S("h.test"), .mail_from = S("anna@t.test")};

Test(authres, writes_what_was_found)
{
	arena a = ARENA_INIT;
	authres r;
	spf_report spf = {.result = SPF_PASS, .reason = "a mechanism matches"};
	dkim_report dkim = {.count = 2,
		.verdict = {{.result = DKIM_PASS,
				    .domain = S("t.test"),
				    .selector = S("s1"),
				    .algorithm = S("rsa-sha256"),
				    .signature = S("abcdefghijkl")},
			{.result = DKIM_FAIL,
				.reason = "the body was changed",
				.domain = S("l.test"),
				.signature = S("a+/b=")}}};
	dmarc_report dmarc = {.result = DMARC_FAIL,
		.published = DMARC_REJECT,
		.domain = S("t.test"),
		.reason = "nothing \"fits\""};
	arc_report arc = {.result = DKIM_NONE};

	authres_begin(&r, S("mx.test"));
	authres_spf(&r, &from_anna, &spf);
	authres_dkim(&r, &dkim);
	authres_dmarc(&r, S("t.test"), &dmarc);
	authres_arc(&r, &arc);
	slice value = authres_end(&r, &a);
	SAME(value,
		S("mx.test; spf=pass smtp.mailfrom=anna@t.test; dkim=pass header.d=t.test header.s=s1 "
		  "header.a=rsa-sha256 header.b=abcdefgh; dkim=fail reason=\"the body was changed\" "
		  "header.d=l.test header.b=\"a+/b=\"; dmarc=fail reason=\"nothing \\\"fits\\\"\" "
		  "policy.published-domain-policy=reject header.from=t.test; arc=none"));
	slice field = authres_field(value, &a);
	header_walk w = header_walk_of(field);
	header_field f;
	cr_assert(header_next(&w, &f));
	SAME(f.name, S("Authentication-Results"));
	SAME(header_unfold(f.value, &a), value);
	arena_release(&a);
}

Test(authres, quotes_what_needs_it)
{
	static const char *const rows[][2] = {{"t.test", "t.test"}, {"anna@t.test", "anna@t.test"},
		{"a=b+c@t.test", "a=b+c@t.test"}, {"@t.test", "@t.test"},
		{"a b@t.test", "\"a b@t.test\""}, {"\"a b\"@t.test", "\"\\\"a b\\\"@t.test\""},
		{"a;b", "\"a;b\""}, {"a\r\nb", "\"a??b\""}, {"[192.0.2.1]", "\"[192.0.2.1]\""},
		{"2001:db8::1", "\"2001:db8::1\""}, {"\xc3\xbc", "\"??\""}};
	arena a = ARENA_INIT;

	for (size_t i = 0; i < ROWS(rows); i++) {
		authres r;
		authres_begin(&r, S("mx.test"));
		authres_result(&r, "x", "none", S(""));
		authres_property(&r, "smtp", "helo", slice_z(rows[i][0]));
		authres_property(&r, "smtp", "empty", S(""));
		SAME(authres_end(&r, &a),
			arena_format(&a, "mx.test; x=none smtp.helo=%s", rows[i][1]));
	}
	arena_release(&a);
}

Test(authres, says_none_when_nothing_was_done)
{
	arena a = ARENA_INIT;
	authres r;

	authres_begin(&r, S("mx.test"));
	SAME(authres_end(&r, &a), S("mx.test; none"));
	arena_release(&a);
}

Test(authres, the_null_path_shows_the_name_of_the_client)
{
	arena a = ARENA_INIT;
	authres r;
	spf_query q = {.helo = S("h.test")};
	spf_report spf = {.result = SPF_SOFTFAIL, .helo = true, .reason = "a mechanism matches"};

	authres_begin(&r, S("mx.test"));
	authres_spf(&r, &q, &spf);
	SAME(authres_end(&r, &a),
		S("mx.test; spf=softfail reason=\"a mechanism matches\" smtp.helo=h.test"));
	arena_release(&a);
}

/* What was read, in one normal form: id|method=result(reason)[type.property=value]... */
static slice shown(const authres_read *r, arena *a)
{
	text t = TEXT_INIT;

	text_add(&t, r->id);
	for (size_t i = 0; i < r->count; i++) {
		const authres_said *s = &r->said[i];
		text_format(&t, "|%.*s=%.*s", SLICE_ARGS(s->method), SLICE_ARGS(s->result));
		if (s->reason.size)
			text_format(&t, "(%.*s)", SLICE_ARGS(s->reason));
		for (size_t p = 0; p < s->count; p++)
			text_format(&t, "[%.*s.%.*s=%.*s]", SLICE_ARGS(s->value[p].type),
				SLICE_ARGS(s->value[p].property), SLICE_ARGS(s->value[p].value));
	}
	slice all = arena_copy(a, text_slice(&t));
	text_free(&t);
	return all;
}

static void reads(const char *const row[2], arena *a)
{
	authres_read r;
	status kind = authres_parse(slice_z(row[0]), a, &r);

	cr_expect_eq(kind, ST_OK, "%s gives %s", row[0], status_name(kind));
	if (kind == ST_OK)
		SAME(shown(&r, a), slice_z(row[1]));
}

/* RFC 8601 B.2 to B.7, folded as they stand there; B.1 has no field. */
Test(authres, reads_the_examples_of_rfc_8601)
{
	static const char *const rows[][2] = {
		{" example.org 1; none", "example.org"},
		{" example.com;\r\n          spf=pass smtp.mailfrom=example.net",
			"example.com|spf=pass[smtp.mailfrom=example.net]"},
		{" example.com;\r\n          auth=pass (cram-md5) smtp.auth=sender@example.net;\r\n"
		 "          spf=pass smtp.mailfrom=example.net",
			"example.com|auth=pass[smtp.auth=sender@example.net]|spf=pass[smtp.mailfrom=example.net]"},
		{" example.com; iprev=pass\r\n          policy.iprev=192.0.2.200",
			"example.com|iprev=pass[policy.iprev=192.0.2.200]"},
		{" example.com;\r\n          dkim=pass (good signature) header.d=example.com",
			"example.com|dkim=pass[header.d=example.com]"},
		{" example.com;\r\n          auth=pass (cram-md5) smtp.auth=sender@example.com;\r\n"
		 "          spf=fail smtp.mailfrom=example.com",
			"example.com|auth=pass[smtp.auth=sender@example.com]|spf=fail[smtp.mailfrom=example.com]"},
		{" example.com;\r\n          dkim=pass reason=\"good signature\"\r\n"
		 "            header.i=@mail-router.example.net;\r\n"
		 "          dkim=fail reason=\"bad signature\"\r\n"
		 "            header.i=@newyork.example.com",
			"example.com|dkim=pass(good signature)[header.i=@mail-router.example.net]"
			"|dkim=fail(bad signature)[header.i=@newyork.example.com]"},
		{" example.net;\r\n          dkim=pass (good signature) header.i=@newyork.example.com",
			"example.net|dkim=pass[header.i=@newyork.example.com]"},
		{" foo.example.net (foobar) 1 (baz);\r\n"
		 "           dkim (Because I like it) / 1 (One yay) = (wait for it) fail\r\n"
		 "             policy (A dot can go here) . (like that) expired\r\n"
		 "             (this surprised me) = (as I wasn't expecting it) 1362471462",
			"foo.example.net|dkim=fail[policy.expired=1362471462]"},
	};
	arena a = ARENA_INIT;

	for (size_t i = 0; i < ROWS(rows); i++)
		reads(rows[i], &a);
	arena_release(&a);
}

Test(authres, reads_what_others_write)
{
	static const char *const rows[][2] = {
		{"a.test; dkim=fail reason=\"bad; signature\" header.i=@mail.t.test header.b=\"a;b\"",
			"a.test|dkim=fail(bad; signature)[header.i=@mail.t.test][header.b=a;b]"},
		{"a.test;; spf=none ; ", "a.test|spf=none"},
		{"a.test; iprev=pass policy.iprev=2001:db8::1 (mx.t.test)",
			"a.test|iprev=pass[policy.iprev=2001:db8::1]"},
		{"\"a b\"; x=y", "a b|x=y"},
		{"a.test; spf=pass smtp.mailfrom=\"a b\"@t.test",
			"a.test|spf=pass[smtp.mailfrom=a b@t.test]"},
		{"a.test; dmarc=pass (p=none dis=none) header.from=t.test",
			"a.test|dmarc=pass[header.from=t.test]"},
		{"a.test; spf=pass (a (nested) \\) comment) smtp.helo=h",
			"a.test|spf=pass[smtp.helo=h]"},
	};
	arena a = ARENA_INIT;

	for (size_t i = 0; i < ROWS(rows); i++)
		reads(rows[i], &a);
	arena_release(&a);
}

Test(authres, refuses_what_is_none)
{
	static const char *const rows[][2] = {{"", ""}, {";", ""}, {"a.test", "a.test"},
		{"a.test;", "a.test"}, {"a.test 2; none", "a.test"}, {"a.test x; none", "a.test"},
		{"a.test; spf", "a.test"}, {"a.test; spf=", "a.test"}, {"a.test; =pass", "a.test"},
		{"a.test; spf/2=pass", "a.test"}, {"a.test; spf=pass smtp.helo", "a.test"},
		{"a.test; spf=pass smtp=h", "a.test"}, {"a.test; spf=pass (open", "a.test"},
		{"a.test; spf=pass reason=\"open", "a.test"}, {"a.test; spf=pass; none", "a.test"},
		{"\"a.test; none", ""}, {"(a.test; none", ""}};
	arena a = ARENA_INIT;

	for (size_t i = 0; i < ROWS(rows); i++) {
		authres_read r;
		cr_expect_eq(
			authres_parse(slice_z(rows[i][0]), &a, &r), ST_INVALID, "%s", rows[i][0]);
		SAME(r.id, slice_z(rows[i][1]));
	}
	arena_release(&a);
}

Test(authres, has_bounds)
{
	arena a = ARENA_INIT;
	text t = TEXT_INIT;
	authres_read r;

	text_add_z(&t, "a.test");
	for (int i = 0; i < 1000; i++)
		text_add_z(&t, "; x=pass");
	for (int i = 0; i < 1000; i++)
		text_add_z(&t, " a.b=c");
	cr_assert_eq(authres_parse(text_slice(&t), &a, &r), ST_OK);
	cr_expect_eq(r.count, AUTHRES_RESULTS_MOST);
	cr_expect(r.cut);
	text_free(&t);
	arena_release(&a);
}
