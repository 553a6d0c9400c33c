/* Long work on helper threads. */
#include "room.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#define HELPERS 2

static pthread_t loop_thread;
static atomic_int running, most_running, done;
static atomic_bool released;

/* Goes on until it is released. */
static status works(void *arg)
{
	(void)arg;
	cr_assert(!pthread_equal(pthread_self(), loop_thread));
	int now = atomic_fetch_add(&running, 1) + 1;
	if (now > atomic_load(&most_running))
		atomic_store(&most_running, now);
	while (!atomic_load(&released))
		usleep(500);
	atomic_fetch_sub(&running, 1);
	atomic_fetch_add(&done, 1);
	return ST_ABSENT;
}

static void wait_until_running(int wanted)
{
	while (atomic_load(&running) < wanted)
		cr_assert_eq(task_sleep(USEC_MS), ST_OK);
}

static status has_it_done(void *arg)
{
	cr_assert_eq(task_offload(works, arg), ST_ABSENT, "the function's result comes back");
	return ST_OK;
}

static status releases_all(void *arg)
{
	(void)arg;
	wait_until_running(HELPERS);
	cr_assert_eq(atomic_load(&done), 0, "the loop goes on meanwhile");
	atomic_store(&released, true);
	return ST_OK;
}

Test(offloading, runs_beside_the_loop_and_in_parallel, .timeout = 300)
{
	loop_thread = pthread_self();
	room_open();
	for (int i = 0; i < 6; i++)
		room_start("worker", has_it_done, NULL);
	room_start("other", releases_all, NULL);
	room_run();
	cr_assert_eq(atomic_load(&done), 6);
	cr_assert_eq(atomic_load(&most_running), HELPERS);
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

static usec too_late; /* far enough for a busy machine to begin the function before */

static status outlives_its_deadline(void *arg)
{
	(void)arg;
	task_deadline(too_late);
	cr_assert_eq(task_offload(works, NULL), ST_TIMED_OUT);
	cr_assert_eq(atomic_load(&done), 1, "it comes back only after the function has ended");
	cr_assert_eq(task_offload(works, NULL), ST_TIMED_OUT);
	cr_assert_eq(atomic_load(&done), 1, "and runs nothing after the deadline");
	return ST_OK;
}

static status releases_late(void *arg)
{
	(void)arg;
	wait_until_running(1);
	cr_assert_eq(task_sleep(too_late + 60 * USEC_MS - clock_now()), ST_OK);
	atomic_store(&released, true);
	return ST_OK;
}

Test(offloading, deadline_while_the_function_runs, .timeout = 300)
{
	loop_thread = pthread_self();
	too_late = clock_now() + USEC_S;
	room_open();
	room_start("worker", outlives_its_deadline, NULL);
	room_start("releaser", releases_late, NULL);
	room_run();
}

static status is_cancelled_meanwhile(void *arg)
{
	(void)arg;
	cr_assert_eq(task_offload(works, NULL), ST_CANCELLED);
	cr_assert_eq(atomic_load(&done), 1);
	return ST_OK;
}

static status cancels_twice(void *victim)
{
	wait_until_running(1);
	task_cancel(victim);
	cr_assert_eq(task_sleep(0), ST_OK);
	task_cancel(victim);
	cr_assert_eq(task_sleep(10 * USEC_MS), ST_OK);
	atomic_store(&released, true);
	return ST_OK;
}

Test(offloading, cancel_while_the_function_runs, .timeout = 300)
{
	loop_thread = pthread_self();
	room_open();
	task *t = room_start("victim", is_cancelled_meanwhile, NULL);
	room_start("canceller", cancels_twice, t);
	room_run();
}

static status gives_up_in_the_queue(void *arg)
{
	(void)arg;
	wait_until_running(HELPERS);
	task_deadline(clock_now() + 5 * USEC_MS);
	cr_assert_eq(task_offload(works, NULL), ST_TIMED_OUT);
	atomic_store(&released, true);
	return ST_OK;
}

Test(offloading, deadline_before_a_helper_is_free, .timeout = 300)
{
	loop_thread = pthread_self();
	room_open();
	for (int i = 0; i < HELPERS; i++)
		room_start("worker", has_it_done, NULL);
	room_start("late", gives_up_in_the_queue, NULL);
	room_run();
	cr_assert_eq(atomic_load(&done), HELPERS, "what was withdrawn never ran");
}
