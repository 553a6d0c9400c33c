/* What runs beside its caller: its result comes back, and it never outlives whoever started it. */
#include "room.h"

#include <pthread.h>

static bool entered, stepped, released;
static status ended_with;
static notice *never, *begun;

static status steps(void *arg)
{
	entered = true;
	cr_assert_eq(task_label_now(), 7);
	cr_assert_eq(task_deadline_now(), *(usec *)arg);
	cr_assert_eq(task_sleep(0), ST_OK);
	stepped = true;
	return ST_ABSENT;
}

static status starts_one(void *arg)
{
	usec until = clock_now() + 300 * USEC_S;

	(void)arg;
	task_label(7);
	task_deadline(until);
	beside *b = beside_start("beside", steps, &until);
	cr_assert(entered, "what it waits for is under way");
	cr_assert_not(stepped, "it waits for its turn");
	cr_assert_eq(beside_end(&b), ST_ABSENT, "its result");
	cr_assert(stepped);
	cr_assert_null(b);
	b = beside_start("beside", steps, &until);
	stepped = false;
	while (!stepped)
		cr_assert_eq(task_sleep(0), ST_OK);
	cr_assert_eq(beside_end(&b), ST_ABSENT, "also when it came first");
	return ST_OK;
}

Test(beside, gives_its_result_to_its_caller, .timeout = 300)
{
	room_run_one(starts_one, NULL);
}

/* It does not end at once, whatever becomes of it. */
static status lingers(void *arg)
{
	(void)arg;
	notice_raise(begun);
	ended_with = notice_wait(never);
	task_shield(true);
	task_deadline(USEC_NEVER);
	for (int i = 0; i < 5; i++)
		cr_assert_eq(task_sleep(USEC_MS), ST_OK);
	task_shield(false);
	released = true;
	return ST_OK;
}

static status waits_for_it(void *arg)
{
	beside *b = beside_start("beside", lingers, NULL);

	*(status *)arg = beside_end(&b);
	cr_assert(released, "nobody comes back before it has ended");
	return ST_OK;
}

static status cancels(void *arg)
{
	cr_assert_eq(notice_wait(begun), ST_OK);
	task_cancel(arg);
	return ST_OK;
}

static void notices_open(void)
{
	never = notice_open();
	begun = notice_open();
	room_open();
}

static void notices_close(void)
{
	room_run();
	notice_close(&never);
	notice_close(&begun);
}

Test(beside, ends_with_its_cancelled_caller, .timeout = 300)
{
	status kind = ST_OK;

	notices_open();
	room_start("canceller", cancels, room_start("caller", waits_for_it, &kind));
	notices_close();
	cr_assert_eq(kind, ST_CANCELLED);
	cr_assert_eq(ended_with, ST_CANCELLED);
}

static status is_late(void *arg)
{
	task_deadline(clock_now() + 10 * USEC_MS);
	return waits_for_it(arg);
}

Test(beside, ends_at_the_deadline_of_its_caller, .timeout = 300)
{
	status kind = ST_OK;

	notices_open();
	room_start("caller", is_late, &kind);
	notices_close();
	cr_assert_eq(kind, ST_TIMED_OUT);
	cr_assert(ended_with == ST_TIMED_OUT || ended_with == ST_CANCELLED);
}

static status drops_it(void *arg)
{
	beside *b = beside_start("beside", lingers, arg);

	cr_assert_eq(notice_wait(begun), ST_OK);
	beside_drop(&b);
	cr_assert(released);
	beside_drop(&b);
	return ST_OK;
}

Test(beside, is_cancelled_when_nobody_wants_it, .timeout = 300)
{
	notices_open();
	room_start("caller", drops_it, NULL);
	notices_close();
	cr_assert_eq(ended_with, ST_CANCELLED);
}

static status says_where(void *thread)
{
	*(pthread_t *)thread = pthread_self();
	return ST_EXISTS;
}

Test(beside, runs_at_once_on_a_plain_thread)
{
	pthread_t where = 0;
	beside *b = beside_start("beside", says_where, &where);

	cr_assert(pthread_equal(where, pthread_self()));
	cr_assert_eq(beside_end(&b), ST_EXISTS);
}
