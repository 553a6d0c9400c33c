/* Routes: how patterns and targets are read, and which one a domain has. */
#include "provider/route.h"

#include "tests/unit/provider/queue_fixture.h"

#include <criterion/criterion.h>

TestSuite(route, .init = empty_queue_begin, .fini = store_counted_end, .timeout = 300);

static void assert_route(const char *domain, const char *target)
{
	arena a = ARENA_INIT;
	struct mail_route r;
	status s = route_find(slice_z(domain), &a, &r);

	if (!target)
		cr_expect_eq(s, ST_ABSENT, "%s leads to %.*s", domain, SLICE_ARGS(r.target));
	else
		cr_expect(s == ST_OK && slice_same(r.target, slice_z(target)), "%s", domain);
	arena_release(&a);
}

Test(route, routes_are_found_exact_first_then_by_the_longest_mask)
{
	static const struct {
		const char *pattern, *target;
	} rows[] = {{"Remote.Test", "smtp:[127.0.0.1]:2999"},
		{"*.remote.test", "smtp:relay.test:587"},
		{"*.b.remote.test", "SMTP:[::1], Two.Test:2525"}, {"x.b.remote.test", "MX"},
		{"first.test", "SMTPS:[127.0.0.1]:465,one.test:2465"}};
	arena a = ARENA_INIT;
	struct mail_route *all;
	slice why = S("");
	int n;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct mail_route r = {.pattern = slice_z(rows[i].pattern),
			.target = slice_z(rows[i].target),
			.apart = -1};
		cr_assert_eq(route_put(&r, &store_by, &a, &why), ST_OK, "%.*s", SLICE_ARGS(why));
	}
	assert_route("remote.test", "smtp:[127.0.0.1]:2999");
	assert_route("a.remote.test", "smtp:relay.test:587");
	assert_route("a.b.remote.test", "smtp:[IPv6:::1],two.test:2525");
	assert_route("x.b.remote.test", "mx");
	assert_route("first.test", "smtps:[127.0.0.1],one.test:2465");
	assert_route("test", NULL);
	assert_route("xremote.test", NULL);
	cr_assert_eq(route_list(&a, &all, &n), ST_OK);
	cr_expect_eq(n, 5);
	struct mail_route first = {0};
	cr_assert_eq(route_find(S("first.test"), &a, &first), ST_OK);
	cr_expect(first.tls_first && first.n == 2 && first.hosts[0].port == 465 &&
		  first.hosts[1].port == 2465);
	cr_assert_eq(route_find(S("remote.test"), &a, &first), ST_OK);
	cr_expect(!first.tls_first);
	struct mail_route off = {
		.pattern = S("x.test"), .target = S("smtps:a.test"), .tls = S("off"), .apart = -1};
	cr_expect_eq(route_put(&off, &store_by, &a, &why), ST_INVALID, "TLS first, and none");
	cr_assert_eq(route_remove(S("REMOTE.test"), &store_by), ST_OK);
	cr_expect_eq(route_remove(S("remote.test"), &store_by), ST_ABSENT);
	assert_route("remote.test", NULL);
	arena_release(&a);
}

Test(route, routes_that_are_none_are_refused)
{
	static const char *const patterns[] = {
		"", "a b", "**", "*b.test", "a.*.test", "[1.2.3]", "a..b"};
	static const char *const targets[] = {"", "mx:", "lmtp:a", "smtp:", "smtp:a:0",
		"smtp:a:65536", "smtp:[1.2.3.4", "smtp:[1.2.3.4]x", "smtp:a:25:25", "smtp:a b",
		"smtp:a,", "smtp:,a", "smtps:", "smtps:a:0", "smtpss:a",
		"smtp:a,b,c,d,e,f,g,h,i,j,k"};
	arena a = ARENA_INIT;
	struct mail_route r;

	for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
		slice why = S("");
		cr_expect_eq(route_parse(slice_z(patterns[i]), S("mx"), &a, &r, &why), ST_INVALID,
			"%s", patterns[i]);
		cr_expect_gt(why.size, 0);
	}
	for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
		slice why = S("");
		cr_expect_eq(route_parse(S("a.test"), slice_z(targets[i]), &a, &r, &why),
			ST_INVALID, "%s", targets[i]);
		cr_expect_gt(why.size, 0);
	}
	arena_release(&a);
}
