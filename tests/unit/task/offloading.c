/* Long work on helper threads; signals as notices. */
#include "room.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

static pthread_t loop_thread;
static atomic_int together, most_together, done;

static status works(void *arg)
{
	(void)arg;
	cr_assert(!pthread_equal(pthread_self(), loop_thread));
	int now = atomic_fetch_add(&together, 1) + 1;
	if (now > atomic_load(&most_together))
		atomic_store(&most_together, now);
	usleep(30000);
	atomic_fetch_sub(&together, 1);
	atomic_fetch_add(&done, 1);
	return ST_ABSENT;
}

static status has_it_done(void *arg)
{
	cr_assert_eq(task_offload(works, arg), ST_ABSENT, "the function's result comes back");
	return ST_OK;
}

static bool loop_went_on;

static status notices_time_passing(void *arg)
{
	(void)arg;
	cr_assert_eq(task_sleep(5 * USEC_MS), ST_OK);
	loop_went_on = atomic_load(&done) == 0;
	return ST_OK;
}

Test(offloading, runs_beside_the_loop_and_in_parallel, .timeout = 20)
{
	loop_thread = pthread_self();
	room_open();
	for (int i = 0; i < 6; i++)
		room_start("worker", has_it_done, NULL);
	room_start("other", notices_time_passing, NULL);
	room_run();
	cr_assert_eq(atomic_load(&done), 6);
	cr_assert_eq(atomic_load(&most_together), 2, "two helpers");
	cr_assert(loop_went_on);
}

static status says_where(void *thread)
{
	*(pthread_t *)thread = pthread_self();
	return ST_EXISTS;
}

Test(offloading, simply_runs_on_a_plain_thread)
{
	pthread_t where = 0;
	cr_assert_eq(task_offload(says_where, &where), ST_EXISTS);
	cr_assert(pthread_equal(where, pthread_self()));
}

static status runs_here(void *arg)
{
	pthread_t where = 0;
	(void)arg;
	cr_assert_eq(task_offload(says_where, &where), ST_EXISTS);
	cr_assert(pthread_equal(where, pthread_self()));
	return ST_OK;
}

Test(offloading, runs_in_place_without_helpers)
{
	struct task_limits l = TASK_LIMITS_INIT;
	l.helpers = 0;
	cr_assert_eq(task_loop_open(&l), ST_OK);
	room_start("test", runs_here, NULL);
	room_run();
}

/* Holds a helper until the deadline of its task is long over. */
static status outlives_its_deadline(void *arg)
{
	(void)arg;
	int before = atomic_load(&done);
	task_deadline(clock_now() + 5 * USEC_MS);
	cr_assert_eq(task_offload(works, NULL), ST_TIMED_OUT);
	cr_assert_gt(atomic_load(&done), before, "it comes back only after the function has ended");
	cr_assert_eq(task_offload(works, NULL), ST_TIMED_OUT, "and runs nothing after the deadline");
	return ST_OK;
}

Test(offloading, deadline_while_the_function_runs, .timeout = 20)
{
	loop_thread = pthread_self();
	room_run_one(outlives_its_deadline, NULL);
	cr_assert_eq(atomic_load(&done), 1);
}

static status is_cancelled_meanwhile(void *arg)
{
	(void)arg;
	cr_assert_eq(task_offload(works, NULL), ST_CANCELLED);
	cr_assert_eq(atomic_load(&done), 1);
	return ST_OK;
}

static status cancels(void *victim)
{
	cr_assert_eq(task_sleep(5 * USEC_MS), ST_OK);
	cr_assert_eq(atomic_load(&together), 1);
	task_cancel(victim);
	return ST_OK;
}

Test(offloading, cancel_while_the_function_runs, .timeout = 20)
{
	loop_thread = pthread_self();
	room_open();
	task *t = room_start("victim", is_cancelled_meanwhile, NULL);
	room_start("canceller", cancels, t);
	room_run();
}

static status gives_up_in_the_queue(void *arg)
{
	(void)arg;
	cr_assert_eq(task_sleep(0), ST_OK);
	task_deadline(clock_now() + 5 * USEC_MS);
	cr_assert_eq(task_offload(works, NULL), ST_TIMED_OUT);
	cr_assert_eq(atomic_load(&done), 0, "it did not wait for a helper");
	return ST_OK;
}

Test(offloading, deadline_before_a_helper_is_free, .timeout = 20)
{
	loop_thread = pthread_self();
	room_open();
	room_start("worker", has_it_done, NULL);
	room_start("worker", has_it_done, NULL);
	room_start("late", gives_up_in_the_queue, NULL);
	room_run();
	cr_assert_eq(atomic_load(&done), 2);
}

/* ---- signals */

static status receives_both(void *arg)
{
	notice *arrived = NULL;
	volatile int number = 0;
	int wanted[] = {SIGUSR1, SIGTERM};
	int seen_first, seen_second;
	(void)arg;
	cr_assert_eq(task_signals(wanted, 2, &arrived, &number), ST_OK);
	cr_assert_eq(task_signals(wanted, 2, &arrived, &number), ST_EXISTS);
	kill(getpid(), SIGUSR1);
	kill(getpid(), SIGTERM);
	cr_assert_eq(notice_wait(arrived), ST_OK);
	seen_first = number;
	cr_assert_eq(task_sleep(5 * USEC_MS), ST_OK);
	cr_assert_eq(notice_wait(arrived), ST_OK);
	seen_second = number;
	cr_assert_eq(seen_first + seen_second, SIGUSR1 + SIGTERM, "neither hides the other");
	cr_assert_neq(seen_first, seen_second);
	task_deadline(clock_now() + 10 * USEC_MS);
	cr_assert_eq(notice_wait(arrived), ST_TIMED_OUT);
	task_deadline(USEC_NEVER);
	kill(getpid(), SIGUSR1);
	cr_assert_eq(notice_wait(arrived), ST_OK);
	cr_assert_eq(number, SIGUSR1);
	return ST_OK;
}

Test(signals, arrive_one_after_the_other, .timeout = 20)
{
	room_run_one(receives_both, NULL);
}
