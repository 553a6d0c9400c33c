/* The timer heap against a plain table: whatever is set, unset and dropped in between, the moments
   come in order and none is lost. */
#include "task/inside.h"

#include <criterion/criterion.h>

#define TASKS 300
#define STEPS 200000

static task tasks[TASKS];

static usec earliest(void)
{
	usec first = USEC_NEVER;
	for (int i = 0; i < TASKS; i++)
		if (tasks[i].until < first)
			first = tasks[i].until;
	return first;
}

Test(timers, come_in_order_whatever_happens_in_between)
{
	unsigned x = 1;
	usec now = 0;
	for (int i = 0; i < TASKS; i++)
		tasks[i].until = USEC_NEVER;
	for (int step = 0; step < STEPS; step++) {
		x = x * 1103515245u + 12345u;
		task *t = &tasks[(x >> 8) % TASKS];
		switch (x >> 29) {
		case 0:
			timer_drop(t);
			timer_unset(t);
			break;
		case 1:
			timer_unset(t);
			break;
		case 2:
			now += 3;
			break;
		default:
			timer_set(t, now + (x >> 16) % 1000);
		}
		if (step % 16 != 0)
			continue;
		cr_assert_eq(timer_next(), earliest());
		for (task *due; (due = timer_due(now)) != NULL; timer_unset(due))
			cr_assert_eq(due->until, earliest());
	}
	timer_close();
}
