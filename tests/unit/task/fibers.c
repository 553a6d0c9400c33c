/* Fibers and the loop: turns, deadlines, cancel, limits. */
#include "room.h"

#include "base/metric.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- turns */

static char said[64];
static size_t said_size;

static status says(void *letter)
{
	for (int i = 0; i < 3; i++) {
		said[said_size++] = *(const char *)letter;
		cr_assert_eq(task_sleep(0), ST_OK);
	}
	return ST_OK;
}

Test(fibers, interleave_in_order_of_arrival)
{
	room_open();
	room_start("a", says, (void *)"a");
	room_start("b", says, (void *)"b");
	room_start("c", says, (void *)"c");
	cr_assert_eq(task_count(), 3);
	room_run();
	cr_assert_str_eq(said, "abcabcabc");
}

static status knows_itself(void *arg)
{
	(void)arg;
	cr_assert_not_null(task_self());
	return ST_OK;
}

Test(fibers, know_themselves)
{
	cr_assert_null(task_self());
	room_run_one(knows_itself, NULL);
	cr_assert_null(task_self());
}

static status counts(void *number)
{
	++*(int *)number;
	return ST_OK;
}

static status starts_others(void *number)
{
	for (int i = 0; i < 300; i++)
		room_start("other", counts, number);
	return ST_OK;
}

Test(fibers, start_fibers_whose_stacks_serve_again)
{
	int number = 0;
	for (int i = 0; i < 3; i++)
		room_run_one(starts_others, &number);
	cr_assert_eq(number, 900);
}

static status waits_for_ever(void *arg)
{
	(void)arg;
	return task_sleep(USEC_NEVER);
}

Test(fibers, are_limited_in_number)
{
	struct task_limits few = TASK_LIMITS_INIT;
	few.most = 2;
	cr_assert_eq(task_loop_open(&few), ST_OK);
	cr_assert_not_null(task_start("one", waits_for_ever, NULL));
	cr_assert_not_null(task_start("two", waits_for_ever, NULL));
	cr_assert_null(task_start("three", waits_for_ever, NULL));
	task_loop_close();
}

static status stops_the_loop(void *arg)
{
	(void)arg;
	task_loop_stop();
	return ST_OK;
}

Test(fibers, survive_a_stop_of_the_loop)
{
	room_open();
	room_start("sleeper", waits_for_ever, NULL);
	room_start("stopper", stops_the_loop, NULL);
	task_loop_run();
	cr_assert_eq(task_count(), 1);
	cr_assert_eq(metric_value(M_tasks, SERVICE_NONE), 1);
	task_loop_close();
	cr_assert_eq(task_count(), 0);
	cr_assert_eq(metric_value(M_tasks, SERVICE_NONE), 0);
}

static void *stops_from_outside(void *arg)
{
	usleep(20000);
	task_loop_stop();
	return arg;
}

Test(fibers, loop_stops_from_another_thread, .timeout = 300)
{
	pthread_t other;
	room_open();
	room_start("sleeper", waits_for_ever, NULL);
	pthread_create(&other, NULL, stops_from_outside, NULL);
	task_loop_run();
	pthread_join(other, NULL);
	cr_assert_eq(task_count(), 1);
	task_loop_close();
}

/* ---- deadlines */

static status has_a_deadline(void *arg)
{
	(void)arg;
	usec began = room_machine_now();
	cr_assert_eq(task_deadline(clock_now() + 30 * USEC_MS), USEC_NEVER);
	cr_assert_eq(task_sleep(3600 * USEC_S), ST_TIMED_OUT);
	usec took = room_machine_now() - began;
	cr_assert(took >= 29 * USEC_MS, "took %lld us", (long long)took);
	cr_assert_eq(task_sleep(3600 * USEC_S), ST_TIMED_OUT,
		"a passed deadline bounds later waits too");
	cr_assert_neq(task_deadline(USEC_NEVER), USEC_NEVER);
	cr_assert_eq(task_deadline_now(), USEC_NEVER);
	cr_assert_eq(task_sleep(USEC_MS), ST_OK);
	return ST_OK;
}

Test(fibers, deadline_bounds_every_wait, .timeout = 300)
{
	room_run_one(has_a_deadline, NULL);
}

static status waits_with_many_deadlines(void *seed)
{
	unsigned x = (unsigned)(size_t)seed;
	for (unsigned rounds = x % 40; rounds > 0; rounds--) {
		x = x * 1103515245u + 12345u;
		usec until = clock_now() + (usec)(x >> 16) % 100 * USEC_S;
		task_deadline(until);
		cr_assert_eq(task_sleep(USEC_NEVER), ST_TIMED_OUT);
		cr_assert_eq(clock_now(), until, "woken at another moment");
		task_deadline(until + 1000 * USEC_S); /* a row that will be found stale */
		cr_assert_eq(task_sleep((usec)(x >> 20) % 10 * USEC_S), ST_OK);
		task_deadline(USEC_NEVER);
	}
	return ST_OK;
}

Test(fibers, timers_fire_in_order, .timeout = 300)
{
	clock_virtual(0);
	task_virtual_run(true);
	room_open();
	for (size_t i = 1; i <= 400; i++)
		room_start("sleeper", waits_with_many_deadlines, (void *)i);
	room_run();
	clock_real();
}

/* ---- cancel */

static status is_cancelled(void *arg)
{
	(void)arg;
	cr_assert_eq(task_sleep(USEC_NEVER), ST_CANCELLED);
	cr_assert(task_cancelled());
	cr_assert_eq(task_sleep(USEC_NEVER), ST_CANCELLED, "later waits know it too");
	cr_assert_eq(task_breathe(), ST_CANCELLED);
	gate *g = gate_open(1);
	cr_assert_eq(gate_enter(g), ST_CANCELLED, "even where there is room");
	gate_close(&g);
	task_shield(true);
	task_shield(true);
	task_shield(false);
	cr_assert_eq(task_sleep(USEC_MS), ST_OK, "clean-up may wait, and have clean-up in it");
	task_deadline(clock_now() + USEC_MS);
	cr_assert_eq(task_sleep(3600 * USEC_S), ST_TIMED_OUT, "within its deadline");
	task_deadline(USEC_NEVER);
	task_shield(false);
	cr_assert_eq(task_sleep(0), ST_CANCELLED);
	return ST_OK;
}

static status cancels(void *victim)
{
	cr_assert_eq(task_sleep(5 * USEC_MS), ST_OK);
	task_cancel(victim);
	return ST_OK;
}

Test(fibers, cancel_ends_the_present_and_every_later_wait, .timeout = 300)
{
	room_open();
	task *t = room_start("victim", is_cancelled, NULL);
	room_start("canceller", cancels, t);
	room_run();
}

static status shielded_sleeps(void *arg)
{
	(void)arg;
	task_shield(true);
	cr_assert_eq(task_sleep(30 * USEC_MS), ST_OK);
	task_shield(false);
	cr_assert_eq(task_sleep(3600 * USEC_S), ST_CANCELLED);
	return ST_OK;
}

Test(fibers, shield_keeps_a_cancel_out_of_the_present_wait, .timeout = 300)
{
	room_open();
	task *t = room_start("victim", shielded_sleeps, NULL);
	room_start("canceller", cancels, t);
	room_run();
}

Test(fibers, closing_the_loop_cancels_what_is_left, .timeout = 300)
{
	room_open();
	for (int i = 0; i < 100; i++)
		room_start("sleeper", i % 2 ? waits_for_ever : is_cancelled, NULL);
	task_loop_close();
	cr_assert_eq(task_count(), 0);
}

/* ---- who holds the loop */

static status holds(void *span)
{
	usec until = room_machine_now() + *(usec *)span;
	while (room_machine_now() < until)
		;
	return ST_OK;
}

Test(fibers, holding_the_loop_is_reported)
{
	usec long_time = 80 * USEC_MS;
	room_run_one(holds, &long_time);
	cr_assert_geq(metric_value(M_loop_held, SERVICE_NONE),
		1); /* a machine that stops may hold it too */
}

static bool finished;

static status breathes(void *arg)
{
	(void)arg;
	usec until = room_machine_now() + 60 * USEC_S;
	while (!finished && room_machine_now() < until)
		cr_assert_eq(task_breathe(), ST_OK);
	cr_assert(finished, "nobody else ran");
	return ST_OK;
}

static status finishes(void *arg)
{
	(void)arg;
	finished = true;
	return ST_OK;
}

Test(fibers, breathing_lets_others_run, .timeout = 300)
{
	room_open();
	room_start("long", breathes, NULL);
	room_start("short", finishes, NULL);
	room_run();
}

/* ---- stacks */

static int deeper(int depth)
{
	volatile char frame[1024];
	memset((void *)frame, depth, sizeof frame);
	return depth == 0 ? 0 : deeper(depth - 1) + frame[17] - frame[16] + 1;
}

/* Half a stack too deep: without the guard page that ends within the next stack. */
#ifdef PENNYPOST_ASAN
#define TOO_DEEP 650 /* stacks are four times as big then */
#else
#define TOO_DEEP 180
#endif

static status overflows(void *arg)
{
	(void)arg;
	return (status)deeper(TOO_DEEP);
}

static status uses_its_stack(void *arg)
{
	(void)arg;
	cr_assert_eq(deeper(64), 64);
	return ST_OK;
}

static void overflow_alone(void)
{
	signal(SIGSEGV, SIG_DFL);
	room_open();
	for (int i = 0; i < 4; i++)
		room_start("neighbour", i == 2 ? overflows : waits_for_ever, NULL);
	room_run();
}

Test(fibers, stack_overflow_meets_the_guard_page)
{
	cr_assert_eq(room_dies_by(overflow_alone), SIGSEGV);
}

Test(fibers, stack_holds_deep_calls)
{
	room_run_one(uses_its_stack, NULL);
}
