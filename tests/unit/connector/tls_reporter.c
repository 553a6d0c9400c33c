/* Reports about TLS made of what the table holds: every policy has its own failures, and a domain
   with many hosts costs what its rows cost. */
#include "connector/smtp/tls_reporter.h"

#include "tests/unit/provider/given.h"
#include "tests/unit/provider/store_fixture.h"

#include <criterion/criterion.h>

#define DAY "timestamptz '2026-01-31 00:00:00+00'"
#define HOSTS 999

TestSuite(tls_reporter, .init = given_providers, .fini = provider_close, .timeout = 300);

static slice report(slice domain, arena *a)
{
	usec day = store_sql("select extract(epoch from " DAY ")::bigint * 1000000");
	slice json = {0};

	cr_assert_eq(tls_reporter_show(day, domain, a, &json), ST_OK);
	return json;
}

static bool tells(slice json, const char *what)
{
	return slice_search(json, slice_z(what)) < json.size;
}

Test(tls_reporter, every_policy_has_its_own_failures)
{
	arena a = ARENA_INIT;

	given_sql("delete from tls_result where domain = 'own.test'");
	given_sql(
		"insert into tls_result (day, domain, policy, host, result, sender, receiver, sessions) values"
		" ('2026-01-31', 'own.test', 'tlsa', 'mx1.own.test', 'starttls-not-supported', '', '', 3),"
		" ('2026-01-31', 'own.test', 'tlsa', 'mx1.own.test', 'validation-failure', '', '', 4),"
		" ('2026-01-31', 'own.test', 'tlsa', 'mx2.own.test', 'success', '', '', 5),"
		" ('2026-01-31', 'own.test', 'tlsa', 'mx3.own.test', 'certificate-expired', '', '', 6)");
	slice json = report(S("own.test"), &a);
	cr_expect(tells(json, "\"total-failure-session-count\": 7") ||
			  tells(json, "\"total-failure-session-count\":7"),
		"%.*s", SLICE_ARGS(json));
	const char *const order[] = {"mx1.own.test", "starttls-not-supported", "validation-failure",
		"mx2.own.test", "mx3.own.test", "certificate-expired"};
	for (size_t i = 0, at = 0; i < sizeof order / sizeof *order; i++) {
		size_t found = slice_search(slice_from(json, at), slice_z(order[i]));

		cr_assert_lt(found, json.size - at, "%s is not where it should be: %.*s", order[i],
			SLICE_ARGS(json));
		at += found;
	}
	arena_release(&a);
}

/* Each host of DANE is a policy. Once, each of them made room for the failures of all that came
   behind it. */
Test(tls_reporter, many_hosts_cost_what_their_rows_cost)
{
	arena a = ARENA_INIT;

	given_sql("delete from tls_result where domain = 'many.test'");
	store_sql(
		"with made as (insert into tls_result (day, domain, policy, host, result, sender, receiver, sessions)"
		" select '2026-01-31', 'many.test', 'tlsa', 'mx' || g || '.many.test', 'validation-failure', '', '', g"
		" from generate_series(1, %d) g returning 1) select count(*) from made",
		HOSTS);
	slice json = report(S("many.test"), &a);
	cr_expect(tells(json, "mx1.many.test") && tells(json, "mx999.many.test"));
	cr_expect_lt(a.total, HOSTS * 4096, "%zu octets for %d rows", a.total, HOSTS);
	arena_release(&a);
}
