/* Clocks that run and clocks that stand. */
#include "base/clock.h"

#include <criterion/criterion.h>
#include <time.h>

Test(clock, runs_by_itself)
{
	usec now = clock_now(), wall = clock_wall();
	time_t machine = time(NULL);

	cr_expect_not(clock_is_virtual());
	cr_expect_leq(wall / USEC_S, machine + 1); /* time() may lag by a tick */
	cr_expect_geq(wall / USEC_S, machine - 2);
	while (clock_now() == now)
		;
	cr_expect_gt(clock_now(), now);
}

Test(clock, stands_until_it_is_moved)
{
	usec before = clock_now();

	clock_virtual(1000 * USEC_S);
	usec now = clock_now();
	cr_expect(clock_is_virtual());
	cr_expect_geq(now, before);
	cr_expect_eq(clock_wall(), 1000 * USEC_S);
	clock_advance(90 * USEC_S);
	cr_expect_eq(clock_now(), now + 90 * USEC_S);
	cr_expect_eq(clock_wall(), 1090 * USEC_S);
	clock_virtual(5);
	cr_expect_eq(clock_wall(), 5);
	cr_expect_eq(clock_now(), now + 90 * USEC_S, "the monotonic clock never steps");
	clock_real();
	cr_expect_gt(clock_wall(), 1000000 * USEC_S);
}
