/* Gates: never more inside than allowed, order of arrival, fibers and threads alike. */
#include "room.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#define FIBERS 50
#define THREADS 4
#define ROUNDS 100
#define MOST 3

static gate *door;
static atomic_int inside, most_seen, passed;

static void pass(void)
{
	int now = atomic_fetch_add(&inside, 1) + 1;
	int seen = atomic_load(&most_seen);
	while (now > seen && !atomic_compare_exchange_weak(&most_seen, &seen, now))
		;
	atomic_fetch_add(&passed, 1);
}

static status passes_often(void *arg)
{
	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		cr_assert_eq(gate_enter(door), ST_OK);
		pass();
		if (task_self())
			cr_assert_eq(task_sleep(0), ST_OK);
		else
			sched_yield();
		atomic_fetch_sub(&inside, 1);
		gate_leave(door);
	}
	return ST_OK;
}

static void *passes_on_a_thread(void *arg)
{
	passes_often(arg);
	return NULL;
}

Test(gates, fibers_and_threads_share_a_gate, .timeout = 300)
{
	pthread_t threads[THREADS];
	door = gate_open(MOST);
	room_open();
	for (int i = 0; i < FIBERS; i++)
		room_start("passer", passes_often, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, passes_on_a_thread, NULL);
	room_run();
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	cr_assert_eq(atomic_load(&passed), (FIBERS + THREADS) * ROUNDS);
	cr_assert_eq(atomic_load(&most_seen), MOST);
	cr_assert_eq(gate_waiting(door), 0);
	for (int i = 0; i < MOST; i++)
		cr_assert(gate_try(door), "every place is free again");
	cr_assert(!gate_try(door));
	gate_close(&door);
	cr_assert_null(door);
}

static int order[10], arrived;

static status enters_in_turn(void *number)
{
	cr_assert_eq(gate_enter(door), ST_OK);
	order[arrived++] = (int)(size_t)number;
	gate_leave(door);
	return ST_OK;
}

static status opens_late(void *arg)
{
	(void)arg;
	cr_assert_eq(task_sleep(0), ST_OK);
	cr_assert_eq(gate_waiting(door), 10);
	gate_leave(door);
	cr_assert(!gate_try(door), "the place went to the first who waits");
	return ST_OK;
}

Test(gates, let_in_by_order_of_arrival, .timeout = 300)
{
	door = gate_open(1);
	cr_assert(gate_try(door));
	room_open();
	for (size_t i = 0; i < 10; i++)
		room_start("passer", enters_in_turn, (void *)i);
	room_start("opener", opens_late, NULL);
	room_run();
	for (int i = 0; i < 10; i++)
		cr_assert_eq(order[i], i);
	gate_close(&door);
}

static status gives_up(void *arg)
{
	(void)arg;
	usec before = task_deadline(clock_now() + 5 * USEC_MS);
	cr_assert_eq(gate_enter(door), ST_TIMED_OUT);
	cr_assert_eq(gate_waiting(door), 0);
	task_deadline(before);
	return ST_OK;
}

Test(gates, who_gives_up_is_not_inside, .timeout = 300)
{
	door = gate_open(1);
	cr_assert(gate_try(door));
	cr_assert_eq(gives_up(NULL), ST_OK);
	room_run_one(gives_up, NULL);
	gate_leave(door);
	cr_assert(gate_try(door));
	gate_leave(door);
	gate_close(&door);
}

static status gives_up_at_random(void *seed)
{
	unsigned x = (unsigned)(size_t)seed;
	for (int i = 0; i < 200; i++) {
		x = x * 1103515245u + 12345u;
		task_deadline(clock_now() + (x >> 16) % 3 * USEC_MS);
		status s = gate_enter(door);
		task_deadline(USEC_NEVER);
		cr_assert(s == ST_OK || s == ST_TIMED_OUT);
		if (s != ST_OK)
			continue;
		pass();
		if (x & 0x100000)
			cr_assert_eq(task_sleep(USEC_MS), ST_OK);
		atomic_fetch_sub(&inside, 1);
		gate_leave(door);
	}
	return ST_OK;
}

static void *gives_up_on_a_thread(void *seed)
{
	gives_up_at_random(seed);
	return NULL;
}

Test(gates, no_place_is_lost_when_patience_ends_at_the_door, .timeout = 300)
{
	pthread_t threads[THREADS];
	door = gate_open(2);
	room_open();
	for (size_t i = 0; i < 20; i++)
		room_start("passer", gives_up_at_random, (void *)i);
	for (size_t i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, gives_up_on_a_thread, (void *)(i + 77));
	room_run();
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	cr_assert_leq(atomic_load(&most_seen), 2);
	cr_assert(gate_try(door) && gate_try(door) && !gate_try(door));
	gate_close(&door);
}

static int let_in;

static status enters_and_stays(void *leave)
{
	cr_assert_eq(gate_enter(door), ST_OK);
	let_in++;
	cr_assert_eq(notice_wait(leave), ST_OK);
	gate_leave(door);
	return ST_OK;
}

static status widens_and_narrows(void *arg)
{
	notice **leave = arg;
	task_sleep(0);
	cr_assert_eq(let_in, 1);
	gate_width(door, 3);
	task_sleep(0);
	cr_assert_eq(let_in, 3, "who waits comes in at once");
	cr_assert_eq(gate_waiting(door), 1);
	gate_width(door, 1);
	notice_raise(leave[0]);
	notice_raise(leave[1]);
	task_sleep(0);
	task_sleep(0);
	cr_assert_eq(let_in, 3, "nobody follows while too many are inside");
	notice_raise(leave[2]);
	notice_raise(leave[3]);
	return ST_OK;
}

Test(gates, the_width_may_change, .timeout = 300)
{
	notice *leave[4];
	let_in = 0;
	door = gate_open(1);
	room_open();
	for (int i = 0; i < 4; i++)
		room_start("guest", enters_and_stays, leave[i] = notice_open());
	room_start("keeper", widens_and_narrows, leave);
	room_run();
	cr_assert_eq(let_in, 4);
	cr_assert(gate_try(door) && !gate_try(door));
	for (int i = 0; i < 4; i++)
		notice_close(&leave[i]);
	gate_close(&door);
}
