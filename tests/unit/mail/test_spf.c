/* SPF: the vectors of spf.vectors, and what they cannot say. */
#include "mail/spf.h"

#include "same.h"
#include "table.h"

#define NOW (1767225600 * USEC_S) /* 2026-01-01 */

struct vectors {
	struct table zone;
	slice section;
	unsigned run, wrong;
	arena a;
};

static slice field(slice *rest, char c)
{
	slice part = {0};

	slice_take(rest, c, &part);
	return slice_trim(part);
}

/* "... | RESULT | EXPLANATION" */
static void judge(struct vectors *v, spf_query *q, struct table *zone, slice line, slice rest)
{
	spf_report r;
	slice result = field(&rest, '|'), explanation = field(&rest, '|');
	lookup dns = table_lookup(zone);

	q->receiver = S("mx.receiver.test");
	q->now = NOW;
	spf_check(q, &dns, &v->a, &r);
	v->run++;
	bool right = slice_same(slice_z(spf_result_name(r.result)), result) &&
		     slice_same(r.explanation, explanation);
	v->wrong += !right;
	cr_expect(right, "%.*s:\n  %.*s\n  gives %s (%s) \"%.*s\"", SLICE_ARGS(v->section),
		SLICE_ARGS(line), spf_result_name(r.result), r.reason, SLICE_ARGS(r.explanation));
}

static slice without_note(slice line)
{
	return slice_trim(slice_until(line, slice_search(line, S(" #differs"))));
}

static void run_record(struct vectors *v, slice line)
{
	struct table zone = v->zone;
	spf_query q = {.helo = S("h.test"), .mail_from = S("anna@t.test")};
	slice rest = slice_from(line, 7);
	size_t bar = slice_search(rest, S(" | ")); /* macros hold bars, too */

	table_add(
		&zone, arena_format(&v->a, "t.test TXT %.*s", SLICE_ARGS(slice_until(rest, bar))));
	rest = slice_from(rest, bar + 3);
	cr_assert_eq(
		spf_client_parse(field(&rest, '|'), &q.client), ST_OK, "%.*s", SLICE_ARGS(line));
	judge(v, &q, &zone, line, rest);
}

static void run_query(struct vectors *v, slice line)
{
	spf_query q = {0};
	slice rest = slice_from(line, 6), ip;

	slice_take(&rest, ' ', &ip);
	cr_assert_eq(spf_client_parse(ip, &q.client), ST_OK, "%.*s", SLICE_ARGS(line));
	slice_take(&rest, ' ', &q.helo);
	slice_take(&rest, ' ', &q.mail_from);
	q.mail_from = slice_same(q.mail_from, S("<>")) ? S("") : table_bytes(q.mail_from, &v->a);
	slice_take(&rest, '|', &ip);
	judge(v, &q, &v->zone, line, rest);
}

Test(spf, gives_what_the_rfc_says)
{
	struct vectors v = {0};
	slice rest = table_file("spf.vectors", &v.a), line;

	while (slice_take(&rest, '\n', &line)) {
		slice text = without_note(line);
		if (slice_starts(text, S("section "))) {
			v.section = text;
			v.zone.count = 0;
		} else if (slice_starts(text, S("zone "))) {
			table_add(&v.zone, slice_from(text, 5));
		} else if (slice_starts(text, S("record "))) {
			run_record(&v, text);
		} else if (slice_starts(text, S("query "))) {
			run_query(&v, text);
		} else {
			cr_expect(text.size == 0 || text.at[0] == '#', "%.*s", SLICE_ARGS(text));
		}
	}
	cr_expect_gt(v.run, 200);
	arena_release(&v.a);
}

Test(spf, reads_addresses)
{
	spf_client c;

	cr_expect_eq(spf_client_parse(S("::ffff:192.0.2.1"), &c), ST_OK);
	cr_expect_eq(c.family, 4);
	cr_expect_eq(c.ip[3], 1);
	cr_expect_eq(spf_client_parse(S("192.0.2"), &c), ST_INVALID);
	cr_expect_eq(spf_client_parse(S(""), &c), ST_INVALID);
}

Test(spf, tells_what_it_found)
{
	struct table zone = {0};
	lookup dns = table_lookup(&zone);
	arena a = ARENA_INIT;
	spf_query q = {.helo = S("H.test"), .mail_from = S("anna@T.test")};
	spf_report r;

	table_add(&zone, S("t.test TXT v=spf1 ip4:192.0.2.1/24 -all"));
	table_add(&zone, S("h.test TXT v=spf1 ~all"));
	cr_assert_eq(spf_client_parse(S("192.0.2.9"), &q.client), ST_OK);
	spf_check(&q, &dns, &a, &r);
	cr_expect_eq(r.result, SPF_PASS);
	SAME(r.domain, S("t.test"));
	SAME(r.mechanism, S("ip4:192.0.2.1/24"));
	cr_expect_not(r.helo);
	spf_check_helo(&q, &dns, &a, &r);
	cr_expect_eq(r.result, SPF_SOFTFAIL);
	SAME(r.domain, S("h.test"));
	cr_expect(r.helo);
	arena_release(&a);
}

/* However a record is written, what it costs is bounded (trust.md T58). */
Test(spf, costs_no_more_than_its_limits)
{
	struct table zone = {0};
	lookup dns = table_lookup(&zone);
	arena a = ARENA_INIT;
	spf_query q = {.helo = S("h.test"), .mail_from = S("anna@t.test")};
	spf_report r;

	cr_assert_eq(spf_client_parse(S("192.0.2.9"), &q.client), ST_OK);
	table_add(&zone,
		S("t.test TXT v=spf1 mx:m.test mx:m.test mx:m.test mx:m.test mx:m.test mx:m.test "
		  "mx:m.test mx:m.test mx:m.test ptr mx:m.test exp=%{p}.x.test -all"));
	for (int i = 0; i < 10; i++) {
		table_add(&zone, arena_format(&a, "m.test MX %d h%d.m.test", i, i));
		table_add(&zone, arena_format(&a, "h%d.m.test A 192.0.2.200", i));
	}
	for (int i = 0; i < 100; i++)
		table_add(&zone, arena_format(&a, "9.2.0.192.in-addr.arpa PTR p%d.t.test", i));
	spf_check(&q, &dns, &a, &r);
	cr_expect_eq(r.result, SPF_PERMERROR);
	cr_expect_leq(zone.asked, 1 + 10 * 11u);
	arena_release(&a);
}
