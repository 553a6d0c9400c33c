/* The machine's clocks, or two numbers in their place. */
#include "base/clock.h"

#include <assert.h>
#include <stdatomic.h>
#include <time.h>

static atomic_bool standing;
static _Atomic usec virtual_now, virtual_wall;

static usec machine(clockid_t which)
{
	struct timespec t;

	clock_gettime(which, &t);
	return (usec)t.tv_sec * USEC_S + t.tv_nsec / 1000;
}

usec clock_now(void)
{
	return atomic_load(&standing) ? atomic_load(&virtual_now) : machine(CLOCK_MONOTONIC);
}

usec clock_wall(void)
{
	return atomic_load(&standing) ? atomic_load(&virtual_wall) : machine(CLOCK_REALTIME);
}

void clock_virtual(usec wall)
{
	/* The monotonic clock stops where it is, so that deadlines set before stay sensible. */
	atomic_store(&virtual_now, clock_now());
	atomic_store(&virtual_wall, wall);
	atomic_store(&standing, true);
}

void clock_advance(usec by)
{
	assert(atomic_load(&standing));
	atomic_fetch_add(&virtual_wall, by);
	atomic_fetch_add(&virtual_now, by);
}

bool clock_is_virtual(void)
{
	return atomic_load(&standing);
}

void clock_real(void)
{
	atomic_store(&standing, false);
}

void clock_civil(usec wall, struct civil *out)
{
	int64_t seconds = wall / USEC_S, days = seconds / 86400, rest = seconds % 86400;
	/* Years begin in March here, so that the leap day is the last (days from 0000-03-01). */
	int64_t day = days + 719468, era = day / 146097, of_era = day % 146097;
	int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
	int64_t month = (5 * of_year + 2) / 153; /* 0 = March */

	*out = (struct civil){
		.year = (int)(year + era * 400 + (month >= 10)),
		.month = (int)(month < 10 ? month + 3 : month - 9),
		.day = (int)(of_year - (153 * month + 2) / 5 + 1),
		.hour = (int)(rest / 3600),
		.minute = (int)(rest / 60 % 60),
		.second = (int)(rest % 60),
		.weekday = (int)((days + 3) % 7), /* 1970-01-01 was a Thursday */
	};
}
