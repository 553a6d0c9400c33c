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
