/* Time. Timers, deadlines and leases within a process use the monotonic clock; what people and
   protocols read uses the wall clock. Both can be virtual in tests: clock_virtual() stops them and
   clock_advance() moves both on. */
#ifndef PENNYPOST_BASE_CLOCK_H
#define PENNYPOST_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

typedef int64_t usec; /* microseconds */
#define USEC_MS ((usec)1000)
#define USEC_S ((usec)1000000)
#define USEC_NEVER INT64_MAX

usec clock_now(void);          /* monotonic */
usec clock_wall(void);         /* since 1970-01-01 UTC */
void clock_virtual(usec wall); /* from now on time stands still at this wall time */
void clock_advance(usec by);   /* virtual only */
bool clock_is_virtual(void);
void clock_real(void); /* back to the machine's clocks */

/* A wall time as people write it, in UTC. No lock is taken, so that a fork finds none held. */
struct civil {
	int year, month, day; /* 2026, 11, 21 */
	int hour, minute, second;
	int weekday; /* 0 = Monday */
};
void clock_civil(usec wall, struct civil *out);

#endif
