/* Backends that come late: each PostgreSQL process stands still by itself (SIGSTOP) with a request in its
   socket whose worker has given it up, and goes on when the client has come again, was told 250 and has
   read it. Every message once. Works on a cluster of its own. */
#include "provider/deliver.h"

#include "base/random.h"
#include "provider/repeat.h"
#include "task/task.h"
#include "tests/unit/provider/given.h"
#include "tests/unit/provider/store_fixture.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define RAW S("Subject: hello\r\n\r\nhow are you?\r\n")
#define ANSWER_MOST (5 * USEC_S) /* R4 */
enum { BACKENDS = 64 };

/* Processes of the private PostgreSQL. */
struct backends {
	int n;
	pid_t pid[BACKENDS];
};

static struct {
	struct route to;
	char key[REPEAT_KEY];
	struct backends holding; /* what was given up */
	int tries;
} late;

static slice late_key(void)
{
	return slice_of(late.key, sizeof late.key);
}

static void signal_each(const struct backends *b, int number)
{
	for (int i = 0; i < b->n; i++)
		cr_assert(kill(b->pid[i], number) == 0, "process %d", (int)b->pid[i]);
}

static bool stands_still(pid_t pid)
{
	char name[40], state = '?';

	snprintf(name, sizeof name, "/proc/%d/stat", (int)pid);
	FILE *f = fopen(name, "r");
	cr_assert(f && fscanf(f, "%*d (%*[^)]) %c", &state) == 1);
	fclose(f);
	return state == 'T';
}

static void stop_each(const struct backends *b)
{
	signal_each(b, SIGSTOP);
	for (int i = 0; i < b->n; i++)
		while (!stands_still(b->pid[i]))
			usleep(1000);
}

static struct backends backends_of(const char *role)
{
	struct backends b = {0};
	int64_t n = store_sql("select count(*) from pg_stat_activity where usename = '%s'", role);

	for (; b.n < n && b.n < BACKENDS; b.n++)
		b.pid[b.n] = (pid_t)store_sql("select pid from pg_stat_activity"
					      " where usename = '%s' order by pid offset %d",
			role, b.n);
	return b;
}

/* Who lets new connections in. */
static struct backends postmaster(void)
{
	char name[1000];
	int pid = 0;

	snprintf(name, sizeof name, "%s/data/postmaster.pid", getenv("PENNYPOST_TEST_PGDIR"));
	FILE *f = fopen(name, "r");
	cr_assert(f && fscanf(f, "%d", &pid) == 1);
	fclose(f);
	return (struct backends){1, {pid}};
}

/* As a conversation does: once the dot has come. */
static status offer(int64_t *id)
{
	struct letter l;

	letter_write(&l, &late.to, 1, RAW);
	l.d.repeat_key = late_key();
	status s = deliver_hold();
	s = s == ST_OK ? letter_send(&l) : s;
	letter_close(&l);
	*id = l.d.id;
	return s;
}

static status offer_until_taken(int64_t *id)
{
	usec end = clock_now() + 120 * USEC_S;
	status s;

	while ((s = offer(id)) == ST_BUSY && clock_now() < end)
		task_sleep(200 * USEC_MS);
	return s;
}

/* The server's connections are stopped with PostgreSQL's door; afterwards new ones are let in, while
   those that have what was given up stand still. */
static void given_up_backends(int offers)
{
	struct backends house = backends_of("pennypost_system"), door = postmaster();
	int64_t id;

	late.holding = backends_of("pennypost_run");
	cr_assert_gt(late.holding.n, 0);
	stop_each(&door);
	stop_each(&house);
	stop_each(&late.holding);
	clock_virtual(clock_wall());
	task_virtual_run(true);
	for (int i = 0; i < offers; i++) {
		usec start = clock_now();

		cr_expect_eq(offer(&id), ST_BUSY);
		cr_expect_leq(clock_now() - start, ANSWER_MOST);
	}
	task_virtual_run(false);
	clock_real();
	signal_each(&house, SIGCONT);
	signal_each(&door, SIGCONT);
}

/* When the providers are closed, all of their clients are gone: they do what they were told, and
   end. */
static void late_backends_go_on(void)
{
	signal_each(&late.holding, SIGCONT);
	for (int i = 0; i < late.holding.n; i++)
		for (int tries = 0;
			tries < 3000 &&
			store_sql("select count(*) from pg_stat_activity where pid = %d",
				(int)late.holding.pid[i]) > 0;
			tries++)
			task_sleep(20 * USEC_MS); /* a minute at most */
}

static int64_t keys_of(int64_t id)
{
	return store_sql("select count(*) from repeat where message = %lld", (long long)id);
}

/* The client has read its 250; whatever is done about its key has been done. */
static void confirmed(int64_t id)
{
	deliver_confirm(late_key(), false);
	for (int tries = 0; tries < 3000 && keys_of(id) > 0; tries++)
		task_sleep(20 * USEC_MS);
}

static void late_open(void)
{
	struct provider_conf c = {.boot = given_bootstrap(),
		.connections = 3,
		.system_connections = 1,
		.application = "late",
		.serve = true};
	int64_t id;

	cr_assert_eq(provider_open(&c), ST_OK);
	late.to = store_mailbox(store_postoffice(), "anna", 0);
	random_bytes(late.key, sizeof late.key);
	cr_assert_eq(offer(&id), ST_OK); /* a living connection that knows its statements */
	random_bytes(late.key, sizeof late.key);
}

static status told_and_read(void *arg)
{
	int64_t id;

	(void)arg;
	late_open();
	given_up_backends(1);
	cr_expect_eq(offer_until_taken(&id), ST_OK, "nothing of it is stored yet");
	confirmed(id);
	task_loop_stop();
	return ST_OK;
}

/* A node that was in no doubt: another one may be, and needs a moment to ask. */
static status told_elsewhere(void *arg)
{
	struct backends run, house, door = postmaster();
	int64_t id;

	(void)arg;
	late_open();
	run = backends_of("pennypost_run");
	house = backends_of("pennypost_system");
	stop_each(&door);
	stop_each(&house);
	stop_each(&run);
	clock_virtual(clock_wall());
	task_virtual_run(true);
	cr_expect_eq(provider_ping(), ST_BUSY);
	task_virtual_run(false);
	clock_real();
	usec since = clock_now();
	signal_each(&run, SIGCONT);
	signal_each(&house, SIGCONT);
	signal_each(&door, SIGCONT);

	cr_expect_eq(offer_until_taken(&id), ST_OK);
	deliver_confirm(late_key(), false);
	task_sleep(300 * USEC_MS);
	cr_expect(keys_of(id) == 1 || clock_now() - since > 4 * USEC_S, "it is forgotten");
	confirmed(id);
	cr_expect_eq(keys_of(id), 0);
	task_loop_stop();
	return ST_OK;
}

Test(late, what_was_given_up_stores_nothing_once_its_repetition_was_told_and_read, .timeout = 300)
{
	store_story(told_and_read);
	late_backends_go_on();
	cr_expect_eq(store_entries_in(&late.to), 2);
}

Test(late, no_key_is_forgotten_until_other_nodes_had_time_to_ask, .timeout = 300)
{
	store_story(told_elsewhere);
}
