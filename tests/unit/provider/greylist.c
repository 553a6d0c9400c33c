/* Who is new comes again: on the database's clock, each post office for itself. */
#include "provider/greylist.h"

#include "provider/setting.h"
#include "tests/unit/provider/given.h"
#include "tests/unit/provider/store_fixture.h"

#include <criterion/criterion.h>

TestSuite(greylist, .init = given_providers, .fini = provider_close, .timeout = 300);

static usec met(int64_t postoffice, const char *key)
{
	usec wait = -1;

	cr_assert_eq(greylist_meet(postoffice, slice_z(key), &wait), ST_OK);
	return wait;
}

Test(greylist, lets_pass_who_comes_again)
{
	const struct audit_by tester = {.who = S("test")};
	int64_t po = store_postoffice(), other = store_postoffice();
	arena a = ARENA_INIT;
	slice value = S("1 h"), why;

	cr_assert_eq(setting_set(S_greylist_delay, NULL, &value, &tester, &a, &why), ST_OK);
	usec wait = met(po, "key-of-one-sender");
	cr_expect(wait > 0 && wait <= 3600 * USEC_S, "%lld", (long long)wait);
	cr_expect_gt(met(po, "key-of-one-sender"), 0);
	store_sql(
		"update greylist set first = first - interval '1 hour', last = last - interval '1 hour'"
		" where postoffice = %lld",
		(long long)po);
	cr_expect_eq(met(po, "key-of-one-sender"), 0);
	cr_expect_eq(met(po, "key-of-one-sender"), 0);
	cr_expect_gt(met(po, "key-of-another-on"), 0);
	cr_expect_gt(met(other, "key-of-one-sender"), 0);
	/* Too late, and known for too long without a word: both begin anew. */
	given_sql(
		"update greylist set first = first - interval '2 days', last = last - interval '2 days'");
	cr_expect_eq(met(po, "key-of-one-sender"), 0);
	cr_expect_gt(met(po, "key-of-another-on"), 0);
	given_sql(
		"update greylist set first = first - interval '36 days', last = last - interval '36 days'");
	cr_expect_gt(met(po, "key-of-one-sender"), 0);
	cr_assert_eq(setting_set(S_greylist_delay, NULL, NULL, &tester, &a, &why), ST_OK);
	arena_release(&a);
}
