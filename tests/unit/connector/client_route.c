/* Routes: the order of exchangers, null MX, ourselves among them, literals, and which TLSA records
   count; on a small zone of our own instead of DNS. */
#include "connector/smtp/client_route.h"

#include "base/text.h"

#include <criterion/criterion.h>

struct row {
	const char *name;  /* "domain MX", "host A", "_25._tcp.host TLSA" */
	const char *value; /* "10 mx.a.test", "192.0.2.1", "alias:other.test 192.0.2.1", "?" = no
			      answer, "?4", "?6" = none for that family */
	bool insecure;
};

static arena a;
static const struct row *zone;
static int asked; /* for addresses */

static const struct row *find(slice name, const char *type, int *at)
{
	slice key = arena_format(&a, "%.*s %s", SLICE_ARGS(name), type);

	for (; zone[*at].name; (*at)++)
		if (slice_same(slice_z(zone[*at].name), key))
			return &zone[(*at)++];
	return NULL;
}

static bool exists(slice name)
{
	for (const struct row *r = zone; r->name; r++)
		if (slice_starts(slice_z(r->name), name) && r->name[name.size] == ' ')
			return true;
	return false;
}

static status zone_mx(
	void *arg, slice domain, arena *to, struct route_mx **rows, int *n, bool *secure)
{
	const struct row *r;
	int at = 0;

	(void)arg;
	*rows = arena_new_array(to, 100, sizeof **rows);
	*secure = true;
	while ((r = find(domain, "MX", &at))) {
		slice value = slice_z(r->value), number;
		uint64_t preference;
		if (*r->value == '?')
			return ST_BUSY;
		cr_assert(slice_take(&value, ' ', &number) && slice_number(number, &preference));
		*secure = *secure && !r->insecure;
		(*rows)[(*n)++] = (struct route_mx){(unsigned)preference, value};
	}
	return exists(domain) ? ST_OK : ST_ABSENT;
}

static status zone_hosts(void *arg, slice host, arena *to, struct route_hosts *out)
{
	const struct row *r;
	int at = 0;

	(void)arg;
	asked++;
	*out = (struct route_hosts){
		.at = arena_new_array(to, 100, sizeof *out->at), .name = host, .secure = true};
	while ((r = find(host, "A", &at))) {
		slice value = slice_z(r->value);
		if (slice_same(value, S("?")))
			return ST_TIMED_OUT;
		out->unsure4 |= slice_same(value, S("?4"));
		out->unsure6 |= slice_same(value, S("?6"));
		if (*r->value == '?')
			continue;
		if (slice_starts(value, S("alias:"))) {
			value = slice_from(value, 6);
			slice_take(&value, ' ', &out->name);
		}
		out->secure = out->secure && !r->insecure;
		cr_assert_eq(net_address_parse(value, &out->at[out->n++]), ST_OK);
	}
	return exists(host) ? ST_OK : ST_ABSENT;
}

static status zone_tlsa(
	void *arg, slice name, arena *to, struct tls_tlsa **rows, int *n, bool *secure)
{
	int at = 0;
	const struct row *r = find(name, "TLSA", &at);

	(void)arg;
	if (!r)
		return ST_ABSENT;
	if (*r->value == '?')
		return ST_BUSY;
	*rows = arena_new(to, sizeof **rows);
	(*rows)[0] = (struct tls_tlsa){3, 1, 1, slice_z(r->value)};
	*n = 1;
	*secure = !r->insecure;
	return ST_OK;
}

static const struct route_dns dns_of_zone = {zone_mx, zone_hosts, zone_tlsa, NULL};
static struct route_ask ask;
static const slice own_names[] = {S("us.test"), S("Mail.us.test")};
/* We take mail at one address, at port 25. */
static bool is_own(const net_address *at)
{
	net_address own;

	return net_address_parse(S("192.0.2.99"), &own) == ST_OK && at->family == 4 &&
	       memcmp(at->ip, own.ip, 4) == 0 && at->port == 25;
}

static void setup(void)
{
	ask = (struct route_ask){.domain = S("a.test"),
		.dns = &dns_of_zone,
		.ipv4 = true,
		.ipv6 = true,
		.dane = true,
		.own_names = own_names,
		.own_name_count = 2,
		.is_own = is_own};
	asked = 0;
}

static void teardown(void)
{
	arena_release(&a);
}

TestSuite(client_route, .init = setup, .fini = teardown);

/* The whole walk as text: "host@address host@address kind"; "!kind" where the way did not open. */
static const char *walk(void)
{
	text out = TEXT_INIT;
	client_route *r;
	status kind = client_route_open(&ask, &a, &r);

	if (kind != ST_OK)
		return arena_format(&a, "!%s", status_name(kind)).at;
	do {
		struct client_target t = {0};
		kind = client_route_next(r, &t);
		if (kind == ST_OK) {
			slice ip = net_address_text(&t.at, &a);
			text_format(&out, "%.*s@%.*s", SLICE_ARGS(t.host), SLICE_ARGS(ip));
			if (t.at.port != 25)
				text_format(&out, ":%u", t.at.port);
			if (t.policy.tls == CLIENT_TLS_DANE)
				text_format(&out, "=%.*s", SLICE_ARGS(t.policy.tlsa[0].data));
			text_add_char(&out, ' ');
		} else if (kind != ST_ABSENT) {
			text_format(&out, "%s ", status_name(kind));
		}
	} while (kind != ST_ABSENT && kind != ST_FOREIGN);
	const char *told = arena_z(&a, slice_trim(text_slice(&out)));
	text_free(&out);
	return told;
}

static void expect_walk(const struct row *rows, const char *wanted)
{
	zone = rows;
	const char *told = walk();
	cr_expect_str_eq(told, wanted, "%s instead of %s", told, wanted);
}

#define ZONE(...) ((const struct row[]){__VA_ARGS__, {NULL, NULL, false}})

Test(client_route, exchangers_come_by_preference)
{
	expect_walk(ZONE({"a.test MX", "20 two.test", 0}, {"a.test MX", "5 one.test", 0},
			    {"one.test A", "192.0.2.1", 0}, {"two.test A", "192.0.2.2", 0}),
		"one.test@192.0.2.1 two.test@192.0.2.2");
}

Test(client_route, equal_ones_come_in_any_order)
{
	int first[2] = {0, 0};

	zone = ZONE({"a.test MX", "5 one.test", 0}, {"a.test MX", "5 two.test", 0},
		{"one.test A", "192.0.2.1", 0}, {"two.test A", "192.0.2.2", 0});
	for (int i = 0; i < 60; i++)
		first[strncmp(walk(), "one", 3) == 0]++;
	cr_expect(first[0] > 0 && first[1] > 0, "%d and %d", first[0], first[1]);
}

Test(client_route, families_take_turns)
{
	const struct row *rows = ZONE({"a.test A", "192.0.2.1", 0}, {"a.test A", "192.0.2.2", 0},
		{"a.test A", "192.0.2.3", 0}, {"a.test A", "2001:db8::1", 0},
		{"a.test A", "2001:db8::2", 0});
	expect_walk(rows, "a.test@2001:db8::1 a.test@192.0.2.1 a.test@2001:db8::2 a.test@192.0.2.2 "
			  "a.test@192.0.2.3");
	ask.ipv6 = false;
	expect_walk(rows, "a.test@192.0.2.1 a.test@192.0.2.2 a.test@192.0.2.3");
}

Test(client_route, without_exchangers_the_domain_is_its_own)
{
	expect_walk(ZONE({"a.test A", "192.0.2.1", 0}), "a.test@192.0.2.1");
	expect_walk(ZONE({"a.test TXT", "", 0}), "");
	expect_walk(ZONE({"b.test A", "192.0.2.1", 0}), "!absent");
}

Test(client_route, a_null_exchanger_takes_no_mail)
{
	expect_walk(ZONE({"a.test MX", "0 ", 0}, {"a.test A", "192.0.2.1", 0}), "!denied");
}

Test(client_route, what_dns_does_not_say_is_told_and_passed)
{
	expect_walk(ZONE({"a.test MX", "?", 0}), "!busy");
	expect_walk(ZONE({"a.test MX", "5 one.test", 0}, {"a.test MX", "6 two.test", 0},
			    {"one.test A", "?", 0}, {"two.test A", "192.0.2.2", 0}),
		"timed-out two.test@192.0.2.2");
	expect_walk(ZONE({"a.test MX", "5 nowhere.test", 0}, {"a.test MX", "6 two.test", 0},
			    {"two.test A", "192.0.2.2", 0}),
		"two.test@192.0.2.2");
}

Test(client_route, a_family_that_dns_does_not_tell_may_have_addresses)
{
	const struct row *six = ZONE({"a.test A", "?4", 0}, {"a.test A", "2001:db8::1", 0}),
			 *four = ZONE({"a.test A", "?6", 0}, {"a.test A", "192.0.2.1", 0});

	expect_walk(six, "a.test@2001:db8::1");
	expect_walk(four, "a.test@192.0.2.1");
	ask.ipv6 = false;
	expect_walk(six, "busy");
	expect_walk(four, "a.test@192.0.2.1");
	/* What will not be used may stay unknown. */
	expect_walk(ZONE({"a.test A", "?6", 0}), "");
}

static bool in_doubt(const struct row *rows)
{
	struct client_target t = {0};
	client_route *r;

	zone = rows;
	cr_assert_eq(client_route_open(&ask, &a, &r), ST_OK);
	while (client_route_next(r, &t) != ST_ABSENT)
		;
	return client_route_in_doubt(r);
}

Test(client_route, what_dns_does_not_tell_is_in_doubt_whatever_was_tried)
{
	const struct row *six = ZONE({"a.test A", "?6", 0}, {"a.test A", "192.0.2.1", 0});

	cr_expect(in_doubt(six));
	cr_expect(in_doubt(ZONE({"a.test MX", "5 one.test", 0}, {"a.test MX", "6 two.test", 0},
		{"one.test A", "?", 0}, {"two.test A", "192.0.2.2", 0})));
	cr_expect_not(in_doubt(ZONE({"a.test A", "192.0.2.1", 0})));
	ask.ipv6 = false;
	cr_expect_not(in_doubt(six), "what is not used");
}

Test(client_route, names_are_looked_up_as_the_walk_gets_there)
{
	struct client_target t = {0};
	client_route *r;

	zone = ZONE({"a.test MX", "5 one.test", 0}, {"a.test MX", "6 two.test", 0},
		{"one.test A", "192.0.2.1", 0}, {"two.test A", "192.0.2.2", 0});
	cr_assert_eq(client_route_open(&ask, &a, &r), ST_OK);
	cr_expect_eq(client_route_next(r, &t), ST_OK);
	cr_expect_eq(asked, 1);
}

Test(client_route, we_and_those_behind_us_are_left_out)
{
	const struct row two = {"two.test A", "192.0.2.2", 0},
			 us = {"mail.us.test A", "192.0.2.3", 0};

	expect_walk(ZONE({"a.test MX", "5 two.test", 0}, {"a.test MX", "10 mail.us.test", 0},
			    {"a.test MX", "20 two.test", 0}, two, us),
		"two.test@192.0.2.2");
	expect_walk(
		ZONE({"a.test MX", "10 mail.us.test", 0}, {"a.test MX", "10 two.test", 0}, two, us),
		"!foreign");
	/* The same by address. */
	expect_walk(ZONE({"a.test MX", "5 two.test", 0}, {"a.test MX", "10 alias.test", 0},
			    {"a.test MX", "10 three.test", 0}, two,
			    {"alias.test A", "192.0.2.99", 0}, {"three.test A", "192.0.2.3", 0}),
		"two.test@192.0.2.2");
	expect_walk(ZONE({"a.test MX", "10 alias.test", 0}, {"alias.test A", "192.0.2.99", 0}),
		"foreign");
	expect_walk(ZONE({"a.test A", "192.0.2.99", 0}), "foreign");
}

static bool ends_at_us(const struct row *rows)
{
	struct client_target t = {0};
	client_route *r;

	zone = rows;
	cr_assert_eq(client_route_open(&ask, &a, &r), ST_OK);
	while (client_route_next(r, &t) == ST_OK)
		;
	return client_route_ends_at_us(r);
}

Test(client_route, who_ends_at_us_says_so)
{
	const struct row gone = {"a.test MX", "5 gone.test", 0},
			 us = {"alias.test A", "192.0.2.99", 0};

	cr_expect(ends_at_us(ZONE(gone, {"a.test MX", "10 mail.us.test", 0})));
	cr_expect(ends_at_us(ZONE(gone, {"a.test MX", "10 alias.test", 0}, us)));
	cr_expect_not(ends_at_us(ZONE(gone)));
	cr_expect_not(ends_at_us(ZONE({"a.test MX", "10 alias.test", 0}, us)), "a loop");
}

Test(client_route, a_named_host_may_be_anybody)
{
	ask.exact = true;
	ask.port = 2525;
	expect_walk(ZONE({"a.test MX", "0 other.test", 0}, {"a.test A", "192.0.2.99", 0}),
		"a.test@192.0.2.99:2525");
	ask.domain = S("[192.0.2.99]");
	expect_walk(ZONE({"a.test A", "192.0.2.1", 0}), "[192.0.2.99]@192.0.2.99:2525");
}

Test(client_route, literals_are_addresses)
{
	const struct row *none = ZONE({"x A", "192.0.2.1", 0});

	ask.domain = S("[192.0.2.7]");
	expect_walk(none, "[192.0.2.7]@192.0.2.7");
	ask.domain = S("[IPv6:2001:db8::7]");
	expect_walk(none, "[IPv6:2001:db8::7]@2001:db8::7");
	ask.domain = S("[192.0.2.99]");
	expect_walk(none, "!foreign");
	ask.domain = S("[nonsense]");
	expect_walk(none, "!invalid");
	cr_expect_eq(asked, 0);
}

Test(client_route, there_is_an_end_of_exchangers_and_addresses)
{
	struct row rows[200] = {{0}};
	int n = 0, seen = 0;

	for (int i = 0; i < 60; i++)
		rows[n++] = (struct row){"a.test MX", arena_format(&a, "%d h%d.test", i, i).at, 0};
	for (int i = 0; i < 60; i++)
		rows[n++] = (struct row){arena_format(&a, "h%d.test A", i).at, "192.0.2.1", 0};
	for (int i = 0; i < 30; i++)
		rows[n++] = (struct row){"h0.test A", arena_format(&a, "192.0.2.%d", i + 2).at, 0};
	zone = rows;
	for (const char *at = walk(); (at = strchr(at, '@')); at++)
		seen++;
	cr_expect_eq(seen, ROUTE_TRIES_MOST);
	/* The first of them has taken no more than its share. */
	const char *second = strstr(walk(), "h1.test@");
	cr_expect_not_null(second);
	cr_expect_eq(asked, 2 * (1 + ROUTE_TRIES_MOST - ROUTE_ADDRESSES_MOST));
}

Test(client_route, proved_records_come_along)
{
	const struct row mx = {"a.test MX", "5 one.test", 0}, host = {"one.test A", "192.0.2.1", 0},
			 tlsa = {"_25._tcp.one.test TLSA", "key", 0};

	expect_walk(ZONE(mx, host, tlsa), "one.test@192.0.2.1=key");
	expect_walk(ZONE(mx, host), "one.test@192.0.2.1");
	/* No link of the chain may be missing. */
	expect_walk(ZONE({"a.test MX", "5 one.test", true}, host, tlsa), "one.test@192.0.2.1");
	expect_walk(ZONE(mx, {"one.test A", "192.0.2.1", true}, tlsa), "one.test@192.0.2.1");
	expect_walk(ZONE(mx, host, {"_25._tcp.one.test TLSA", "key", true}), "one.test@192.0.2.1");
	/* Records that cannot be had might be there: the host is not tried without them. */
	expect_walk(ZONE(mx, host, {"_25._tcp.one.test TLSA", "?", 0}), "busy");
	ask.dane = false;
	expect_walk(ZONE(mx, host, tlsa), "one.test@192.0.2.1");
}

Test(client_route, records_stand_where_the_alias_leads_or_at_the_alias)
{
	const struct row mx = {"a.test MX", "5 one.test", 0},
			 host = {"one.test A", "alias:real.test 192.0.2.1", 0};

	expect_walk(ZONE(mx, host, {"_25._tcp.real.test TLSA", "real", 0},
			    {"_25._tcp.one.test TLSA", "alias", 0}),
		"real.test@192.0.2.1=real");
	expect_walk(
		ZONE(mx, host, {"_25._tcp.one.test TLSA", "alias", 0}), "one.test@192.0.2.1=alias");
}

Test(client_route, every_end_has_its_result)
{
	const struct {
		status kind;
		enum client_outcome outcome;
		const char *enhanced;
	} rows[] = {{ST_ABSENT, CLIENT_FAILED, "5.1.2"}, {ST_DENIED, CLIENT_FAILED, "5.1.10"},
		{ST_FOREIGN, CLIENT_FAILED, "5.4.6"}, {ST_INVALID, CLIENT_FAILED, "5.1.3"},
		{ST_BUSY, CLIENT_DEFERRED, "4.4.3"}, {ST_TIMED_OUT, CLIENT_DEFERRED, "4.4.3"},
		{ST_CANCELLED, CLIENT_DEFERRED, "4.3.2"}};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct client_result r;
		client_route_result(rows[i].kind, &r);
		cr_expect_eq(r.outcome, rows[i].outcome);
		cr_expect(slice_same(r.enhanced, slice_z(rows[i].enhanced)));
		cr_expect(r.text.size > 0);
	}
}
