/* task_wait, task_wait_any and notices, from fibers and from plain threads: the same bodies run
   both ways. */
#include "room.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

/* Runs the body on this plain thread, then in a fiber. */
static void both_ways(status (*body)(void *), void *arg)
{
	cr_assert_eq(body(arg), ST_OK);
	room_run_one(body, arg);
}

/* ---- descriptors */

static status waits_for_a_byte(void *arg)
{
	int at[2];
	(void)arg;
	room_pair(at);
	usec before = task_deadline(clock_now() + 10 * USEC_MS);
	cr_assert_eq(task_wait(at[0], WAIT_READ), ST_TIMED_OUT);
	task_deadline(before);
	cr_assert_eq(task_wait(at[0], WAIT_WRITE), ST_OK);
	room_give(at[1], 'x');
	cr_assert_eq(task_wait(at[0], WAIT_READ), ST_OK);
	cr_assert_eq(room_take(at[0]), 'x');
	task_forget(at[1]);
	close(at[1]);
	cr_assert_eq(task_wait(at[0], WAIT_READ), ST_OK, "the peer's end counts as ready");
	task_forget(at[0]);
	close(at[0]);
	return ST_OK;
}

Test(waiting, for_a_descriptor, .timeout = 300)
{
	both_ways(waits_for_a_byte, NULL);
}

/* One that is closed is forgotten: what takes its number is waited for anew. */
static status closes_and_opens(void *arg)
{
	int at[2], again[2];
	(void)arg;
	room_pair(at);
	room_give(at[1], 'x');
	cr_assert_eq(task_wait(at[0], WAIT_READ), ST_OK);
	task_close(at[0]);
	cr_assert_eq(fcntl(at[0], F_GETFD), -1, "it is closed");
	task_close(at[1]);
	room_pair(again);
	cr_assert(again[0] == at[0] || again[1] == at[0], "the number is used again");
	task_deadline(clock_now() + 20 * USEC_MS);
	cr_assert_eq(task_wait(again[0], WAIT_READ), ST_TIMED_OUT, "nothing has come for this one");
	task_deadline(clock_now() + 5 * USEC_S);
	room_give(again[1], 'y');
	cr_assert_eq(task_wait(again[0], WAIT_READ | WAIT_TRIED), ST_OK);
	cr_assert_eq(room_take(again[0]), 'y');
	task_deadline(USEC_NEVER);
	task_close(again[0]);
	task_close(again[1]);
	return ST_OK;
}

Test(waiting, for_one_that_has_the_number_of_a_closed_one, .timeout = 300)
{
	both_ways(closes_and_opens, NULL);
}

/* Reads less than there is and waits again, as libpq does. */
static status leaves_bytes_unread(void *arg)
{
	int at[2];
	char c;
	(void)arg;
	room_pair(at);
	task_deadline(clock_now() + 5 * USEC_S);
	cr_assert_eq(write(at[1], "abc", 3), 3);
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(task_wait(at[0], WAIT_READ), ST_OK);
		cr_assert_eq(read(at[0], &c, 1), 1);
	}
	task_deadline(USEC_NEVER);
	task_forget(at[0]);
	close(at[0]);
	close(at[1]);
	return ST_OK;
}

Test(waiting, sees_what_was_left_unread, .timeout = 300)
{
	both_ways(leaves_bytes_unread, NULL);
}

static status waits_for_a_file(void *arg)
{
	char path[] = "/tmp/pennypost-task-XXXXXX";
	(void)arg;
	int fd = mkstemp(path);
	cr_assert_geq(fd, 0);
	cr_assert_eq(task_wait(fd, WAIT_READ), ST_OK);
	cr_assert_eq(task_wait(fd, WAIT_WRITE), ST_OK);
	task_forget(fd);
	close(fd);
	unlink(path);
	cr_assert_eq(task_wait(fd, WAIT_READ), ST_OK, "a closed one says so when it is read");
	return ST_OK;
}

Test(waiting, for_a_plain_file_is_over_at_once, .timeout = 300)
{
	both_ways(waits_for_a_file, NULL);
}

/* The kernel lets nobody watch an epoll descriptor that would close a ring; that stands for every
   refusal but the one of plain files. */
static status waits_for_what_cannot_be_watched(void *arg)
{
	(void)arg;
	int chain[8], pipe_at[2];
	cr_assert_eq(pipe2(pipe_at, O_NONBLOCK), 0);
	chain[0] = epoll_create1(0);
	struct epoll_event e = {.events = EPOLLIN};
	cr_assert_eq(epoll_ctl(chain[0], EPOLL_CTL_ADD, pipe_at[0], &e), 0);
	int n = 1;
	for (; n < 8; n++) {
		chain[n] = epoll_create1(0);
		if (epoll_ctl(chain[n], EPOLL_CTL_ADD, chain[n - 1], &e) != 0)
			break;
	}
	cr_assert_lt(n, 8, "the kernel limits such chains");
	task_deadline(clock_now() + 5 * USEC_S);
	cr_assert_eq(task_wait(chain[n - 1], WAIT_READ), ST_OK);
	task_deadline(clock_now() + USEC_MS);
	cr_assert_eq(task_wait(chain[n - 1], WAIT_READ), ST_TIMED_OUT);
	task_deadline(USEC_NEVER);
	for (int i = 0; i <= n; i++) {
		task_forget(chain[i]);
		close(chain[i]);
	}
	close(pipe_at[0]);
	close(pipe_at[1]);
	return ST_OK;
}

Test(waiting, looks_from_time_to_time_at_what_epoll_refuses, .timeout = 300)
{
	room_run_one(waits_for_what_cannot_be_watched, NULL);
}

struct two_ways {
	int fd;
	bool read, wrote;
};

static status reads_one(void *arg)
{
	struct two_ways *t = arg;
	cr_assert_eq(room_take(t->fd), 'r');
	t->read = true;
	return ST_OK;
}

static status fills_and_writes(void *arg)
{
	struct two_ways *t = arg;
	char block[4096] = "";
	while (write(t->fd, block, sizeof block) > 0)
		;
	cr_assert_eq(task_wait(t->fd, WAIT_WRITE | WAIT_TRIED), ST_OK);
	t->wrote = true;
	return ST_OK;
}

static status answers_both(void *arg)
{
	struct two_ways *t = arg;
	int fd = t[1].fd;
	char block[4096];
	cr_assert_eq(task_sleep(USEC_MS), ST_OK);
	cr_assert(!t->read && !t->wrote);
	cr_assert_eq(write(fd, "r", 1), 1);
	cr_assert_eq(task_sleep(USEC_MS), ST_OK);
	cr_assert(t->read && !t->wrote, "a byte to read wakes the reader alone");
	while (read(fd, block, sizeof block) > 0)
		;
	return ST_OK;
}

Test(waiting, one_fiber_reads_while_another_writes, .timeout = 300)
{
	int at[2];
	room_pair(at);
	struct two_ways t[2] = {{.fd = at[0]}, {.fd = at[1]}};
	room_open();
	room_start("reader", reads_one, t);
	room_start("writer", fills_and_writes, t);
	room_start("peer", answers_both, t);
	room_run();
	cr_assert(t->read && t->wrote);
	close(at[0]);
	close(at[1]);
}

static status waits_to_read(void *fd)
{
	return task_wait(*(int *)fd, WAIT_READ);
}

static status forgets(void *fd)
{
	task_forget(*(int *)fd);
	return ST_OK;
}

Test(waiting, forgetting_wakes_who_still_waits, .timeout = 300)
{
	int at[2];
	room_pair(at);
	room_open();
	room_start("reader", waits_to_read, &at[0]);
	room_start("closer", forgets, &at[0]);
	room_run();
	close(at[0]);
	close(at[1]);
}

static status gives(void *fd)
{
	cr_assert_eq(task_sleep(USEC_MS), ST_OK);
	room_give(*(int *)fd, 'y');
	return ST_OK;
}

static status uses_the_same_number_again(void *arg)
{
	(void)arg;
	for (int i = 0; i < 20; i++) {
		int at[2];
		room_pair(at);
		room_start("giver", gives, &at[1]);
		cr_assert_eq(room_take(at[0]), 'y');
		task_forget(at[0]);
		task_forget(at[1]);
		close(at[0]);
		close(at[1]);
	}
	return ST_OK;
}

Test(waiting, a_descriptor_number_may_come_again, .timeout = 300)
{
	room_run_one(uses_the_same_number_again, NULL);
}

/* ---- notices */

static status finds_an_early_notice(void *arg)
{
	(void)arg;
	notice *n = notice_open();
	notice_raise(n);
	notice_raise(n);
	cr_assert_eq(notice_wait(n), ST_OK, "raised before the wait is kept");
	task_deadline(clock_now() + 5 * USEC_MS);
	cr_assert_eq(notice_wait(n), ST_TIMED_OUT, "two raises before a wait count once");
	task_deadline(USEC_NEVER);
	notice_close(&n);
	cr_assert_null(n);
	notice_close(&n);
	return ST_OK;
}

Test(waiting, a_notice_raised_before_the_wait_is_kept, .timeout = 300)
{
	both_ways(finds_an_early_notice, NULL);
}

struct ringing {
	notice *there, *back;
	int rounds;
};

static status answers_notices(void *arg)
{
	struct ringing *r = arg;
	for (int i = 0; i < r->rounds; i++) {
		cr_assert_eq(notice_wait(r->there), ST_OK);
		notice_raise(r->back);
	}
	return ST_OK;
}

static status asks_notices(void *arg)
{
	struct ringing *r = arg;
	for (int i = 0; i < r->rounds; i++) {
		notice_raise(r->there);
		cr_assert_eq(notice_wait(r->back), ST_OK);
	}
	return ST_OK;
}

static void *asks_on_a_thread(void *arg)
{
	asks_notices(arg);
	return NULL;
}

Test(waiting, notices_between_fibers, .timeout = 300)
{
	struct ringing r = {notice_open(), notice_open(), 1000};
	room_open();
	room_start("answers", answers_notices, &r);
	room_start("asks", asks_notices, &r);
	room_run();
	notice_close(&r.there);
	notice_close(&r.back);
}

Test(waiting, notices_between_threads_and_fibers, .timeout = 300)
{
	pthread_t threads[4];
	struct ringing r[4];
	room_open();
	for (int i = 0; i < 4; i++) {
		r[i] = (struct ringing){notice_open(), notice_open(), 500};
		room_start("answers", answers_notices, &r[i]);
		pthread_create(&threads[i], NULL, asks_on_a_thread, &r[i]);
	}
	room_run();
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		notice_close(&r[i].there);
		notice_close(&r[i].back);
	}
}

/* ---- the first of several */

static status waits_for_the_first(void *arg)
{
	int at[2], which = -1;
	(void)arg;
	room_pair(at);
	notice *n = notice_open(), *other = notice_open();
	struct wait w[] = {{.fd = at[0], .ready = WAIT_READ}, {.fd = -1, .notice = n},
		{.fd = -1, .notice = other}};
	cr_assert_eq(task_wait_any(w, 3, clock_now() + 5 * USEC_MS, &which), ST_TIMED_OUT);
	cr_assert_eq(which, -1);
	notice_raise(other);
	cr_assert_eq(task_wait_any(w, 3, USEC_NEVER, &which), ST_OK);
	cr_assert_eq(which, 2);
	room_give(at[1], 'x');
	cr_assert_eq(task_wait_any(w, 3, USEC_NEVER, &which), ST_OK);
	cr_assert_eq(which, 0);
	cr_assert_eq(room_take(at[0]), 'x');
	notice_raise(n);
	cr_assert_eq(
		task_wait_any(w, 3, 0, &which), ST_OK, "what is there comes before a past moment");
	cr_assert_eq(which, 1);
	cr_assert_eq(task_wait_any(w, 3, 0, &which), ST_TIMED_OUT);
	notice_close(&n);
	notice_close(&other);
	task_forget(at[0]);
	task_forget(at[1]);
	close(at[0]);
	close(at[1]);
	return ST_OK;
}

Test(waiting, for_the_first_of_several, .timeout = 300)
{
	both_ways(waits_for_the_first, NULL);
}

struct meeting {
	notice *n, *m;
	int taken;
};

static status takes_one(void *arg)
{
	struct meeting *at = arg;
	struct wait w[] = {{.fd = -1, .notice = at->n}, {.fd = -1, .notice = at->m}};
	int which;
	status s = task_wait_any(w, 2, clock_now() + 200 * USEC_MS, &which);
	at->taken += s == ST_OK;
	return s;
}

static status raises_both(void *arg)
{
	struct meeting *at = arg;
	notice_raise(at->n);
	notice_raise(at->m);
	return ST_OK;
}

Test(waiting, each_raise_wakes_a_waiter_of_its_own, .timeout = 300)
{
	struct meeting at = {notice_open(), notice_open(), 0};
	room_open();
	for (int i = 0; i < 3; i++)
		room_start("taker", takes_one, &at);
	room_start("raiser", raises_both, &at);
	room_run();
	cr_assert_eq(at.taken, 2);
	notice_close(&at.n);
	notice_close(&at.m);
}

/* ---- moments on a plain thread */

static status sleeps_shortly(void *arg)
{
	(void)arg;
	usec began = room_machine_now();
	cr_assert_eq(task_sleep(20 * USEC_MS), ST_OK);
	cr_assert_geq(room_machine_now() - began, 20 * USEC_MS);
	cr_assert_eq(task_deadline(clock_now() + USEC_MS), USEC_NEVER);
	cr_assert_eq(task_sleep(USEC_S), ST_TIMED_OUT);
	cr_assert_eq(task_breathe(), ST_TIMED_OUT);
	task_deadline(USEC_NEVER);
	cr_assert_eq(task_breathe(), ST_OK);
	cr_assert_eq(task_sleep(0), ST_OK);
	cr_assert(!task_cancelled());
	return ST_OK;
}

Test(waiting, sleeps_and_deadlines_everywhere, .timeout = 300)
{
	both_ways(sleeps_shortly, NULL);
}
