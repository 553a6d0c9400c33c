/* Many fibers: what an idle one costs, and a thousand that talk at once. */
#include "room.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define IDLE 10000
#define IDLE_MOST_BYTES (12 * 1024)
#define TALKERS 500
#define TALK (SANITIZED ? 2000 : 20000)

/* ---- idle */

/* As deep as a TLS handshake goes. */
static size_t goes_deep(void)
{
	volatile char deep[20 * 1024];
	memset((void *)deep, 1, sizeof deep);
	return (size_t)deep[99];
}

static status idles(void *fd)
{
	goes_deep();
	return task_wait((int)(size_t)fd, WAIT_READ);
}

static unsigned alive;

static status measures(void *before)
{
	cr_assert_eq(task_sleep(0), ST_OK); /* until all wait */
	size_t each = SIZE_MAX;
	for (int tries = 0; tries < 120 && each >= IDLE_MOST_BYTES;
		tries++) { /* at most a minute */
		cr_assert_eq(task_sleep(500 * USEC_MS), ST_OK);
		each = (room_resident() - *(size_t *)before) / IDLE;
		if (SANITIZED)
			break;
	}
	alive = task_count() - 1;
	cr_log_info("%u idle fibers: %zu bytes resident each\n", alive, each);
	cr_assert(SANITIZED || each < IDLE_MOST_BYTES, "%zu bytes each", each);
	task_cancel_all();
	return ST_OK;
}

Test(many, ten_thousand_idle_fibers_are_cheap, .timeout = 300)
{
	struct rlimit files = {0};
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	int count = SANITIZED ? 500 : IDLE;
	if (files.rlim_max < (rlim_t)count + 100)
		cr_skip_test("needs %d descriptors", count + 100);

	struct task_limits l = TASK_LIMITS_INIT;
	l.most = IDLE + 1;
	l.idle_after = 100 * USEC_MS;
	int *at = calloc((size_t)count, sizeof *at);
	cr_assert_eq(task_loop_open(&l), ST_OK);
	for (int i = 0; i < count; i += 2)
		room_pair(&at[i]);
	size_t before = room_resident();
	room_start("measures", measures, &before);
	for (int i = 0; i < count; i++)
		cr_assert_not_null(task_start("idle", idles, (void *)(size_t)at[i]));
	room_run();
	cr_assert_eq(alive, (unsigned)count);
	free(at);
}

/* A fiber whose stack was given back finds what it had kept. */
static status remembers(void *arg)
{
	unsigned char kept[3000];
	(void)arg;
	for (size_t i = 0; i < sizeof kept; i++)
		kept[i] = (unsigned char)(i * 7);
	goes_deep();
	cr_assert_eq(task_sleep(60 * USEC_MS), ST_OK);
	goes_deep();
	cr_assert_eq(task_sleep(60 * USEC_MS), ST_OK);
	for (size_t i = 0; i < sizeof kept; i++)
		cr_assert_eq(kept[i], (unsigned char)(i * 7));
	return ST_OK;
}

Test(many, a_stack_given_back_keeps_what_is_in_use, .timeout = 300)
{
	struct task_limits l = TASK_LIMITS_INIT;
	l.idle_after = 10 * USEC_MS;
	cr_assert_eq(task_loop_open(&l), ST_OK);
	for (int i = 0; i < 20; i++)
		room_start("remembers", remembers, NULL);
	room_run();
}

/* ---- talking */

struct talker {
	int fd;
	unsigned seed;
	unsigned sent, received;
	unsigned sum_sent, sum_received;
};

static unsigned chance(struct talker *t, unsigned below)
{
	t->seed = t->seed * 1103515245u + 12345u;
	return (t->seed >> 16) % below;
}

static status talks(void *arg)
{
	struct talker *t = arg;
	unsigned char block[700];
	while (t->sent < TALK) {
		unsigned size = 1 + chance(t, sizeof block);
		for (unsigned i = 0; i < size; i++)
			block[i] = (unsigned char)chance(t, 256);
		ssize_t n = write(t->fd, block, size);
		if (n < 0) {
			cr_assert_eq(errno, EAGAIN);
			cr_assert_eq(task_wait(t->fd, WAIT_WRITE | WAIT_TRIED), ST_OK);
			continue;
		}
		t->sent += (unsigned)n;
		for (ssize_t i = 0; i < n; i++)
			t->sum_sent = t->sum_sent * 31 + block[i];
		if (chance(t, 8) == 0)
			cr_assert_eq(task_sleep(chance(t, 2) * USEC_MS), ST_OK);
	}
	cr_assert_eq(shutdown(t->fd, SHUT_WR), 0);
	return ST_OK;
}

static status listens(void *arg)
{
	struct talker *t = arg;
	unsigned char block[500];
	for (;;) {
		ssize_t n = read(t->fd, block, 1 + chance(t, sizeof block));
		if (n == 0)
			return ST_OK;
		if (n < 0) {
			cr_assert_eq(errno, EAGAIN);
			cr_assert_eq(
				task_wait(t->fd, chance(t, 2) ? WAIT_READ : WAIT_READ | WAIT_TRIED),
				ST_OK);
			continue;
		}
		t->received += (unsigned)n;
		for (ssize_t i = 0; i < n; i++)
			t->sum_received = t->sum_received * 31 + block[i];
	}
}

Test(many, a_thousand_fibers_talk_at_random, .timeout = 300)
{
	static struct talker a[TALKERS], b[TALKERS];
	struct rlimit files = {0};
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	if (files.rlim_max < 2 * TALKERS + 100)
		cr_skip_test("needs %d descriptors", 2 * TALKERS + 100);
	room_open();
	for (unsigned i = 0; i < TALKERS; i++) {
		int at[2];
		room_pair(at);
		a[i] = (struct talker){.fd = at[0], .seed = i};
		b[i] = (struct talker){.fd = at[1], .seed = i + 1000};
		room_start("talks", talks, &a[i]);
		room_start("listens", listens, &b[i]);
	}
	room_run();
	for (unsigned i = 0; i < TALKERS; i++) {
		cr_assert_eq(a[i].sent, b[i].received);
		cr_assert_eq(a[i].sum_sent, b[i].sum_received);
		close(a[i].fd);
		close(b[i].fd);
	}
}
