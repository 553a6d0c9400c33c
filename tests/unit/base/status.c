/* Every kind has a name of its own. */
#include "base/status.h"

#include <criterion/criterion.h>
#include <string.h>

Test(status, names_every_kind_once)
{
	for (int a = 0; a < ST_KINDS; a++) {
		cr_assert_not_null(status_name((status)a), "kind %d has no name", a);
		for (int b = 0; b < a; b++)
			cr_assert_str_neq(status_name((status)a), status_name((status)b));
	}
	cr_assert_str_eq(status_name(ST_TIMED_OUT), "timed-out");
	cr_assert_str_eq(status_name(ST_KINDS), "unknown");
}

static int calls;
static status count(status kind)
{
	calls++;
	return kind;
}
static status both(status first, status second)
{
	TRY(count(first));
	TRY(count(second));
	return ST_OK;
}

Test(status, try_returns_the_first_trouble_and_asks_once)
{
	cr_assert_eq(both(ST_OK, ST_OK), ST_OK);
	cr_assert_eq(calls, 2);
	cr_assert_eq(both(ST_FULL, ST_BUSY), ST_FULL);
	cr_assert_eq(calls, 3);
	cr_assert_eq(both(ST_OK, ST_BUSY), ST_BUSY);
}
