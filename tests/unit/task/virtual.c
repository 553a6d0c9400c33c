/* The virtual clock: hours pass in milliseconds, and nothing fires before its moment. */
#include "room.h"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#define HOUR (3600 * USEC_S)

static bool slept;

static status sleeps_an_hour(void *arg)
{
	(void)arg;
	cr_assert_eq(task_sleep(HOUR), ST_OK);
	slept = true;
	return ST_OK;
}

static status advances(void *arg)
{
	(void)arg;
	cr_assert_eq(task_sleep(0), ST_OK);
	clock_advance(HOUR - 1);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(task_sleep(0), ST_OK);
	cr_assert(!slept, "one microsecond is left");
	clock_advance(1);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(task_sleep(0), ST_OK);
	cr_assert(slept);
	return ST_OK;
}

Test(virtual, a_fiber_advances_the_clock, .timeout = 300)
{
	clock_virtual(0);
	room_open();
	room_start("sleeper", sleeps_an_hour, NULL);
	room_start("test", advances, NULL);
	room_run();
	clock_real();
}

static void *advances_from_outside(void *arg)
{
	usleep(10000);
	clock_advance(HOUR);
	return arg;
}

Test(virtual, another_thread_advances_the_clock, .timeout = 300)
{
	pthread_t other;
	clock_virtual(0);
	pthread_create(&other, NULL, advances_from_outside, NULL);
	room_run_one(sleeps_an_hour, NULL);
	pthread_join(other, NULL);
	cr_assert(slept);
	clock_real();
}

static status sleeps_a_day(void *arg)
{
	(void)arg;
	for (int i = 0; i < 24; i++)
		cr_assert_eq(task_sleep(HOUR), ST_OK);
	return ST_OK;
}

Test(virtual, runs_by_itself_when_nothing_else_does, .timeout = 300)
{
	usec began = room_machine_now();
	clock_virtual(0);
	task_virtual_run(true);
	room_run_one(sleeps_a_day, NULL);
	cr_assert_eq(clock_wall(), 24 * HOUR);
	cr_assert_eq(sleeps_a_day(NULL), ST_OK, "on a plain thread too");
	cr_assert_eq(clock_wall(), 48 * HOUR);
	cr_assert_lt(room_machine_now() - began, HOUR);
	clock_real();
}

static status sleeps_five_hundred_hours(void *arg)
{
	(void)arg;
	for (int i = 0; i < 500; i++)
		cr_assert_eq(task_sleep(HOUR), ST_OK);
	return ST_OK;
}

/* How often this thread gave its processor away to wait. */
static long waits(void)
{
	struct rusage used;
	cr_assert_eq(getrusage(RUSAGE_THREAD, &used), 0);
	return used.ru_nvcsw;
}

Test(virtual, waits_for_nobody_when_it_is_alone, .timeout = 300)
{
	clock_virtual(0);
	task_virtual_run(true);
	task_virtual_alone(true);
	long before = waits();
	room_run_one(sleeps_five_hundred_hours, NULL);
	cr_assert_lt(waits() - before, 250);
	cr_assert_eq(clock_wall(), 500 * HOUR);
	clock_real();
}

static status takes_real_time(void *arg)
{
	(void)arg;
	usleep(50000);
	return ST_OK;
}

static status works(void *arg)
{
	(void)arg;
	cr_assert_eq(task_offload(takes_real_time, NULL), ST_OK);
	cr_assert_eq(clock_wall(), 0, "time stands while a helper works");
	return ST_OK;
}

static void helpers_are_waited_for(void)
{
	clock_virtual(0);
	task_virtual_run(true);
	room_open();
	room_start("sleeper", sleeps_an_hour, NULL);
	room_start("worker", works, NULL);
	room_run();
	cr_assert(slept);
	clock_real();
}

Test(virtual, waits_for_helpers, .timeout = 300)
{
	helpers_are_waited_for();
}

Test(virtual, waits_for_helpers_when_it_is_alone, .timeout = 300)
{
	task_virtual_alone(true);
	helpers_are_waited_for();
}
