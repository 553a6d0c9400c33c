/* How fast deliveries become durable, without any protocol around them: fibers that deliver one
   message after another to many mailboxes. Prints messages/s, processor time per message of this
   process and of PostgreSQL, and WAL per message.

	deliver-bench [FIBERS [SECONDS [SIZE [MAILBOXES]]]]

   Runs beside a PostgreSQL as tests/with-pg.sh starts it. */
#include "base/id.h"
#include "base/random.h"
#include "base/text.h"
#include "provider/deliver.h"
#include "provider/mailbox.h"
#include "provider/postoffice.h"
#include "task/task.h"
#include "tests/unit/provider/given.h"
#include "tests/unit/provider/store_fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static struct {
	struct route *routes;
	int count;
	text body;
	usec until;
	int64_t delivered, failed;
	unsigned fibers, running;
	usec slowest;
	usec took;
} bench;

/* English-like words, so that the body shrinks as mail does. */
static void body_make(text *t, size_t size)
{
	static const char *const words[] = {"the ", "letter ", "arrives ", "of ", "mailbox ",
		"and ", "delivered ", "in ", "evening ", "without ", "a ", "stamp "};

	text_add(t,
		S("From: Anna <anna@demo.test>\r\nTo: ben@demo.test\r\nSubject: a letter\r\n\r\n"));
	while (t->size < size) {
		text_add_z(t, words[random_below(sizeof words / sizeof *words)]);
		if (random_below(3) == 0)
			text_format(t, "%llx ", (unsigned long long)random_below(1000000000));
		if (random_below(12) == 0)
			text_add(t, S("\r\n"));
	}
}

static status deliver_one(void)
{
	slice body = text_slice(&bench.body);
	uint8_t key[16];
	struct delivery_part part = {.postoffice = bench.routes[0].postoffice, .n = 1};
	struct delivery d = {.id = id_new(),
		.parts = &part,
		.n = 1,
		.subject = S("a letter"),
		.from = S("Anna <anna@demo.test>"),
		.message_id = S("<1234567890@demo.test>")};
	status s;

	random_bytes(key, sizeof key);
	part.recipients = &bench.routes[random_below((uint64_t)bench.count)];
	part.header_size = 80;
	d.repeat_key = slice_of(key, sizeof key);
	s = blob_writer_open(part.postoffice, &part.body);
	if (s == ST_OK)
		s = blob_write(part.body, body);
	if (s == ST_OK)
		s = blob_writer_finish(part.body);
	if (s == ST_OK)
		s = deliver_run(&d);
	blob_writer_close(&part.body);
	deliver_confirm(d.repeat_key, false);
	return s;
}

static status sender(void *arg)
{
	(void)arg;
	while (clock_now() < bench.until) {
		usec start = clock_now();

		if (deliver_one() == ST_OK)
			bench.delivered++;
		else
			bench.failed++;
		usec took = clock_now() - start;
		bench.took += took;
		if (took > bench.slowest)
			bench.slowest = took;
	}
	bench.running--;
	return ST_OK;
}

/* Ticks of a process, with those of its ended children, and its parent; false when it is gone. */
static bool process_look(const char *pid, unsigned long long *ticks, int *parent)
{
	unsigned long long user, sys, ended_user, ended_sys;
	char path[300];

	snprintf(path, sizeof path, "/proc/%s/stat", pid);
	FILE *f = fopen(path, "r");
	if (!f)
		return false;
	bool known =
		fscanf(f,
			"%*d (%*[^)]) %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %llu %llu",
			parent, &user, &sys, &ended_user, &ended_sys) == 5;
	fclose(f);
	*ticks = user + sys + ended_user + ended_sys;
	return known;
}

/* Processor time of our PostgreSQL: the postmaster and its children. */
static usec postgres_time(void)
{
	static int postmaster;
	unsigned long long ticks, total = 0;
	char backend[20];
	int parent;

	snprintf(backend, sizeof backend, "%d", (int)given_sql("select pg_backend_pid()"));
	if (!postmaster)
		process_look(backend, &ticks, &postmaster);
	DIR *proc = opendir("/proc");
	for (struct dirent *e; proc && (e = readdir(proc));)
		if (atoi(e->d_name) > 0 && process_look(e->d_name, &ticks, &parent) &&
			(parent == postmaster || atoi(e->d_name) == postmaster))
			total += ticks;
	if (proc)
		closedir(proc);
	return (usec)(total * 1000000 / (unsigned long long)sysconf(_SC_CLK_TCK));
}

static usec own_time(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * USEC_S + u.ru_utime.tv_usec +
	       u.ru_stime.tv_usec;
}

static int64_t wal_written(void)
{
	return given_sql("select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint");
}

static void routes_make(int count)
{
	arena a = ARENA_INIT;
	unsigned made;
	int n;
	mailbox *boxes;
	int64_t office = store_postoffice();

	bench.count = count;
	bench.routes = calloc((size_t)count, sizeof *bench.routes);
	if (mailbox_make_many(
		    office, S("u"), 1, (unsigned)count, S("secret-word"), true, &store_by, &made) ||
		mailbox_list(office, S("u"), (unsigned)count, &a, &boxes, &n) || n != count) {
		fprintf(stderr, "deliver-bench: no mailboxes\n");
		exit(1);
	}
	for (int i = 0; i < count; i++)
		bench.routes[i] = (struct route){
			.postoffice = office, .mailbox = boxes[i].id, .inbox = boxes[i].inbox};
	arena_release(&a);
}

static status run(void *arg)
{
	double seconds = *(double *)arg;
	int64_t wal = wal_written();
	usec own = own_time(), theirs = postgres_time(), start = clock_now();

	bench.until = start + (usec)(seconds * USEC_S);
	for (bench.running = 0; bench.running < bench.fibers; bench.running++)
		task_start("sender", sender, NULL);
	while (bench.running > 0)
		task_sleep(20 * USEC_MS);
	usec took = clock_now() - start;
	double n = bench.delivered ? (double)bench.delivered : 1;
	printf("fibers %3u  size %6zu  %7.0f msg/s  failed %lld  own %5.1f us  postgres %5.1f us  WAL %6.0f B"
	       "  mean %5.2f ms  slowest %5.1f ms\n",
		bench.fibers, bench.body.size, n * 1e6 / (double)took, (long long)bench.failed,
		(double)(own_time() - own) / n, (double)(postgres_time() - theirs) / n,
		(double)(wal_written() - wal) / n, (double)bench.took / n / 1e3,
		(double)bench.slowest / 1e3);
	return ST_OK;
}

int main(int argc, char **argv)
{
	double seconds = argc > 2 ? atof(argv[2]) : 5;
	size_t size = argc > 3 ? strtoul(argv[3], NULL, 10) : 4096;

	bench.fibers = argc > 1 ? (unsigned)atoi(argv[1]) : 32;
	given_providers();
	body_make(&bench.body, size);
	routes_make(argc > 4 ? atoi(argv[4]) : 1000);
	task_loop_open(&TASK_LIMITS_INIT);
	task_start("bench", run, &seconds);
	task_loop_run();
	task_loop_close();
	provider_close();
	return 0;
}
