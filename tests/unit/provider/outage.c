/* What becomes of a process when its PostgreSQL dies, is badly configured, or comes back. Works on
   a cluster of its own, because it kills it. */
#include "tests/unit/provider/given.h"

#include "base/log.h"
#include "base/random.h"
#include "provider/acl.h"
#include "provider/db.h"
#include "provider/maildrop.h"
#include "provider/node.h"
#include "provider/repeat.h"
#include "task/task.h"
#include "tests/unit/provider/store_fixture.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* contrib/private-pg VERB */
static void postgres(const char *verb)
{
	char command[1000];
	const char *top = getenv("PENNYPOST_TOP_SRCDIR"), *dir = getenv("PENNYPOST_TEST_PGDIR");
	cr_assert(top && dir, "run this test by make check");
	snprintf(command, sizeof command, "'%s/contrib/private-pg' %s '%s' fast >/dev/null 2>&1",
		top, verb, dir);
	cr_assert(system(command) == 0, "%s", command);
}

static void configure(const char *line)
{
	char name[1000];
	snprintf(name, sizeof name, "%s/extra.conf", getenv("PENNYPOST_TEST_PGDIR"));
	FILE *f = fopen(name, "w");
	cr_assert(f);
	fprintf(f, "%s\n", line);
	fclose(f);
	postgres("restart");
}

static status open_with(const struct bootstrap *b, bool serve)
{
	struct provider_conf c = {.boot = b,
		.connections = 2,
		.system_connections = 1,
		.application = "test",
		.serve = serve};
	return provider_open(&c);
}

#define PATIENT (60 * USEC_S) /* R4 asks for 5; a busy machine under a sanitizer may need more */

static void until_healthy(bool wanted)
{
	const char *why = "";
	usec start = clock_now();
	while (provider_healthy(&why) != wanted && clock_now() - start < PATIENT)
		task_sleep(20 * USEC_MS);
	cr_expect(provider_healthy(&why) == wanted, "%s", why ? why : "healthy");
}

Test(outage, a_database_killed_is_busy_at_once_and_served_again_soon, .timeout = 300)
{
	given_schema();
	cr_assert(open_with(given_bootstrap(), true) == ST_OK);
	cr_expect(provider_ping() == ST_OK);
	postgres("kill");
	for (int i = 0; i < 5; i++) {
		usec start = clock_now();
		cr_expect(provider_ping() == ST_BUSY);
		cr_expect(clock_now() - start < PATIENT, "R4: an answer soon");
	}
	until_healthy(false);
	/* A machine may hold up one of them, not all. */
	usec quickest = PATIENT;
	for (int i = 0; i < 5; i++) {
		usec start = clock_now();
		cr_expect(provider_ping() == ST_BUSY);
		quickest = quickest < clock_now() - start ? quickest : clock_now() - start;
	}
	cr_expect(quickest < USEC_S, "who comes late does not hope along");
	postgres("start");
	usec start = clock_now();
	while (provider_ping() != ST_OK && clock_now() - start < PATIENT)
		task_sleep(20 * USEC_MS);
	cr_expect(clock_now() - start < PATIENT, "R4: served again soon");
	until_healthy(true);
	provider_close();
}

static status ping_for_a_while(void *arg)
{
	int *worst = arg;
	for (usec until = clock_now() + 4 * USEC_S; clock_now() < until;) {
		usec start = clock_now();
		status kind = provider_ping();
		if (clock_now() - start > PATIENT || (kind != ST_OK && kind != ST_BUSY))
			*worst = (int)kind + 100;
		task_sleep(5 * USEC_MS);
	}
	return ST_OK;
}

static void *kill_and_start(void *arg)
{
	task_sleep(USEC_S);
	postgres("kill");
	task_sleep(500 * USEC_MS);
	postgres("start");
	return arg;
}

Test(outage, fibers_go_on_over_a_killed_database, .timeout = 300)
{
	int worst[8] = {0};
	pthread_t killer;
	struct task_limits limits = TASK_LIMITS_INIT;
	given_schema();
	cr_assert(open_with(given_bootstrap(), false) == ST_OK);
	cr_assert(task_loop_open(&limits) == ST_OK);
	pthread_create(&killer, NULL, kill_and_start, NULL);
	for (int i = 0; i < 8; i++)
		cr_assert(task_start("ping", ping_for_a_while, &worst[i]));
	task_loop_run();
	pthread_join(killer, NULL);
	task_loop_close();
	for (int i = 0; i < 8; i++)
		cr_expect(worst[i] == 0, "%d", worst[i]);
	cr_expect(provider_ping() == ST_OK);
	provider_close();
}

/* ---- a database that is stopped, not killed: nobody answers, nothing is refused. On a virtual
   clock, so that what is measured is what the code waits for, however slow the machine is. */

#define ANSWER_MOST (5 * USEC_S) /* R4 */
#define RAW S("Subject: hello\r\n\r\nhow are you?\r\n")
enum { SENDERS = 24 };

static struct route to;

struct caller {
	status (*act)(struct caller *c);
	status said;
	usec took;
	int answered;
	bool done;
	char key[REPEAT_KEY];
};

static status delivers(struct caller *c)
{
	struct letter l;
	letter_write(&l, &to, 1, RAW);
	l.d.repeat_key = slice_of(c->key, sizeof c->key);
	status s = letter_send(&l);
	letter_close(&l);
	return s;
}

static status looks(struct caller *c)
{
	(void)c;
	return provider_ping();
}

/* As a command does that asks for several things before it answers. */
static status looks_often(struct caller *c)
{
	status s = looks(c);
	for (int i = 0; i < 5; i++)
		cr_expect(looks(c) == s);
	return s;
}

static status takes_maildrop(struct caller *c)
{
	struct maildrop_taken t;
	arena a = ARENA_INIT;
	(void)c;
	status s = maildrop_take(to.postoffice, to.mailbox, to.inbox, 60 * USEC_S, 0, &a, &t);
	arena_release(&a);
	return s == ST_UNSURE ? ST_BUSY : s;
}

static status call(void *arg)
{
	struct caller *c = arg;
	usec start = clock_now();
	c->said = c->act(c);
	c->took = clock_now() - start;
	c->done = true;
	return ST_OK;
}

static void expect_ended_busy(const struct caller *all, int n)
{
	for (int i = 0; i < n; i++) {
		while (!all[i].done)
			task_sleep(10 * USEC_MS);
		cr_expect(all[i].said == ST_BUSY, "%d: %s", i, status_name(all[i].said));
		cr_expect(all[i].took <= ANSWER_MOST, "%d: R4: %lld ms", i,
			(long long)(all[i].took / USEC_MS));
	}
}

/* Callers that come one after the other, while a commit is under way or not, some to both roles'
   tables. */
static void expect_soon_busy(struct caller *all, int n, usec between)
{
	for (int i = 0; i < n; i++) {
		cr_assert(task_start("call", call, &all[i]));
		task_sleep(between);
	}
	expect_ended_busy(all, n);
}

static status delivers_in_the_end(struct caller *c)
{
	status s;
	while ((s = delivers(c)) == ST_BUSY && task_sleep(200 * USEC_MS) == ST_OK)
		;
	return s;
}

/* Time goes as fast as it does: what is stored late has to be waited for. */
static void expect_taken_again(struct caller *all, int n)
{
	for (int i = 0; i < n; i++) {
		all[i].act = delivers_in_the_end;
		all[i].done = false;
		cr_assert(task_start("again", call, &all[i]));
	}
	for (int i = 0; i < n; i++) {
		while (!all[i].done) {
			usleep(2000);
			clock_advance(2 * USEC_MS);
			task_sleep(0);
		}
		cr_expect(all[i].said == ST_OK || all[i].said == ST_EXISTS, "%d: %s", i,
			status_name(all[i].said));
	}
}

static status hang_story(void *arg)
{
	status (*const acts[])(struct caller *) = {delivers, looks, looks_often, takes_maildrop};
	static struct caller first[SENDERS], later[SENDERS], others[4];
	(void)arg;
	cr_assert(open_with(given_bootstrap(), true) == ST_OK);
	to = store_mailbox(store_postoffice(), "anna", 0);
	for (int i = 0; i < SENDERS; i++) {
		first[i] = (struct caller){.act = i % 2 ? acts[i / 2 % 4] : delivers};
		later[i] = (struct caller){.act = acts[i % 4]};
		memset(first[i].key, 'A' + i, REPEAT_KEY);
		memset(later[i].key, 'a' + i, REPEAT_KEY);
	}
	for (int i = 0; i < 4; i++) { /* living connections that know their statements */
		others[i].act = acts[i];
		memset(others[i].key, '0', REPEAT_KEY);
		cr_assert(acts[i](&others[i]) == ST_OK);
	}
	clock_virtual(clock_wall());
	postgres("hang");
	task_virtual_run(true);
	expect_soon_busy(first, SENDERS, 137 * USEC_MS);
	expect_soon_busy(later, SENDERS, 411 * USEC_MS);
	task_virtual_run(false);
	postgres("resume");
	expect_taken_again(first, SENDERS);
	cr_expect_eq(store_sql("select count(*) from entry where postoffice = %lld",
			     (long long)to.postoffice),
		SENDERS + 1, "every message once");
	clock_real();
	task_loop_stop();
	return ST_OK;
}

/* Every place is taken by a transaction that goes on for long: who asks then would wait for a
   place. */
static status crowded_story(void *arg)
{
	arena a = ARENA_INIT;
	struct rows r;
	db_tx *held[2], *lost_one;
	(void)arg;
	cr_assert(open_with(given_bootstrap(), true) == ST_OK);
	lost_one = db_begin(DB_SYSTEM, &a);
	db_add(lost_one, SQL_SCHEMA_VERSION_KNOWN, NULL, 0, &r);
	cr_assert(db_flush(lost_one) == ST_OK);
	for (int i = 0; i < 2; i++) {
		held[i] = db_begin(DB_RUN, &a);
		db_add(held[i], SQL_DURABILITY, NULL, 0, &r);
		cr_assert(db_flush(held[i]) == ST_OK);
	}
	postgres("hang");
	db_add(lost_one, SQL_SCHEMA_VERSION_KNOWN, NULL, 0, &r);
	cr_expect(db_flush(lost_one) != ST_OK);
	cr_expect(db_lost(clock_now(), USEC_NEVER), "it is silent");
	postgres("resume");
	for (int tries = 0; tries < 3000 && db_lost(clock_now(), USEC_NEVER); tries++)
		task_sleep(20 * USEC_MS);
	cr_expect_not(db_lost(clock_now(), USEC_NEVER), "the watch hears it speak again");
	for (int i = 0; i < 2; i++)
		db_rollback(&held[i]);
	db_rollback(&lost_one);
	arena_release(&a);
	task_loop_stop();
	return ST_OK;
}

Test(outage, a_database_that_hangs_is_given_up_within_five_seconds, .timeout = 300)
{
	store_story(hang_story);
}

/* Asks on and on, so that its connection is never anybody else's. */
static status looks_on(struct caller *c)
{
	status s;
	while ((s = looks(c)) == ST_OK)
		c->answered++;
	return s;
}

/* Some stand at a door that nobody opens when those inside fall silent. Who waits for their places
   gets one 3 s later and finds a door of his own: no whole wait is left for it. */
static status door_story(void *arg)
{
	enum { PLACES = 4, AFTER = 8, ASKED = 20 };
	static struct caller before[PLACES], after[AFTER];
	(void)arg;
	cr_assert(
		open_with(given_bootstrap(), false) == ST_OK); /* leaves two connections at most */
	db_width(DB_RUN, PLACES);
	db_silence(4 * USEC_S);
	cr_assert(provider_ping() == ST_OK);
	clock_virtual(clock_wall());
	postgres("deafen");
	for (int i = 0; i < PLACES; i++) {
		before[i].act = looks_on;
		cr_assert(task_start("call", call, &before[i]));
	}
	for (int answered = 0; answered < ASKED;) {
		usleep(2000);
		task_sleep(0);
		answered = 0;
		for (int i = 0; i < PLACES; i++)
			answered += before[i].answered;
	}
	cr_expect(before[PLACES - 1].answered == 0, "it stands at the door");
	postgres("hang");
	task_virtual_run(true);
	for (int i = 0; i < AFTER; i++)
		after[i].act = looks;
	expect_soon_busy(after, AFTER, 100 * USEC_MS);
	expect_ended_busy(before, PLACES);
	task_virtual_run(false);
	postgres("resume");
	clock_real();
	for (usec start = clock_now(); provider_ping() != ST_OK && clock_now() - start < PATIENT;) {
		db_probe(); /* as the watch does in a process that serves */
		task_sleep(20 * USEC_MS);
	}
	cr_expect(provider_ping() == ST_OK, "served again");
	return ST_OK;
}

Test(outage, who_waits_before_the_door_of_a_database_that_hangs_gives_up_as_soon, .timeout = 300)
{
	store_story(door_story);
}

Test(outage, the_watch_hears_a_database_whose_connections_are_all_taken, .timeout = 300)
{
	store_story(crowded_story);
}

/* ---- how long: settings */

static struct {
	struct caller c;
	bool serve; /* and so look whether the database speaks */
	usec wanted;
} hanging;

static status hanging_story(void *arg)
{
	struct caller *c = &hanging.c;
	(void)arg;
	cr_assert(open_with(given_bootstrap(), hanging.serve) == ST_OK);
	to = store_mailbox(store_postoffice(), "anna", 0);
	random_bytes(c->key, REPEAT_KEY);
	cr_assert(c->act(c) == ST_OK); /* a living connection that knows its statements */
	random_bytes(c->key, REPEAT_KEY);
	clock_virtual(clock_wall());
	postgres("hang");
	task_virtual_run(true);
	call(c);
	task_virtual_run(false);
	postgres("resume");
	clock_real();
	cr_expect(c->said == ST_BUSY, "%s", status_name(c->said));
	cr_expect(c->took >= hanging.wanted - USEC_S && c->took <= hanging.wanted + USEC_S,
		"%lld ms", (long long)(c->took / USEC_MS));
	task_loop_stop();
	return ST_OK;
}

/* Who calls a database that hangs is waited for as long as the setting says, not as long as by
   default. */
static void expect_waited(status (*act)(struct caller *), bool serve, usec wanted)
{
	provider_close();
	hanging.c.act = act;
	hanging.serve = serve;
	hanging.wanted = wanted;
	store_story(hanging_story);
	given_providers();
}

Test(outage, a_database_that_says_nothing_is_waited_for_db_silence_most, .timeout = 300)
{
	given_providers();
	given_setting(S_db_silence_most, "8 s");
	expect_waited(looks, true, 8 * USEC_S);
	given_setting(S_db_silence_most, NULL);
	provider_close();
}

Test(outage, a_delivery_that_hangs_is_waited_for_delivery_patience, .timeout = 300)
{
	given_providers();
	given_setting(S_delivery_patience, "45 s");
	expect_waited(delivers, false, 45 * USEC_S);
	given_setting(S_delivery_patience, "3 s");
	expect_waited(delivers, false, 3 * USEC_S);
	given_setting(S_delivery_patience, NULL);
	provider_close();
}

/* Deliveries are under way when the database falls silent; later it is gone altogether. What they
   were told by its end gives them no further time. */
static status end_story(void *arg)
{
	enum { WAITING = 4 };
	static struct caller all[WAITING];
	(void)arg;
	cr_assert(open_with(given_bootstrap(), true) == ST_OK);
	to = store_mailbox(store_postoffice(), "anna", 0);
	for (int i = 0; i < WAITING; i++) {
		all[i].act = delivers;
		memset(all[i].key, '1' + i, REPEAT_KEY);
	}
	clock_virtual(clock_wall());
	postgres("hang");
	task_virtual_run(true);
	for (int i = 0; i < WAITING; i++)
		cr_assert(task_start("call", call, &all[i]));
	task_sleep(3900 * USEC_MS);
	postgres("kill");
	expect_ended_busy(all, WAITING);
	task_virtual_run(false);
	postgres("start");
	expect_taken_again(all, WAITING);
	cr_expect_eq(store_sql("select count(*) from entry where postoffice = %lld",
			     (long long)to.postoffice),
		WAITING, "every message once");
	clock_real();
	task_loop_stop();
	return ST_OK;
}

Test(outage, a_database_that_hangs_and_then_is_gone_is_given_up_as_soon, .timeout = 300)
{
	store_story(end_story);
}

/* ---- a database that is killed, and whose successor opens no door yet: on a busy machine, or while
   it looks after its files. Who is to find out what became of his commit may be the one that waits
   there. */

static int door_without_a_keeper(struct sockaddr_un *at)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	*at = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(at->sun_path, sizeof at->sun_path, "%s/socket/.s.PGSQL.5432",
		getenv("PENNYPOST_TEST_PGDIR"));
	unlink(at->sun_path);
	cr_assert(bind(fd, (struct sockaddr *)at, sizeof *at) == 0);
	cr_assert(chmod(at->sun_path, 0777) == 0 && listen(fd, 100) == 0);
	return fd;
}

static int unknown; /* outcomes */

static status shares(struct caller *c)
{
	const folder inbox = {.postoffice = to.postoffice,
		.id = to.inbox,
		.mailbox = to.mailbox,
		.name = S("INBOX")};
	const struct acl_entry anybody = {.kind = ACL_ANYONE, .name = S("anyone")};
	const struct acl_change reading = {.add = ACL_READ};
	(void)c;
	status s = acl_set(&inbox, &anybody, &reading, &store_by);
	unknown += s == ST_UNSURE;
	return s == ST_UNSURE ? ST_BUSY : s;
}

static struct {
	status (*act)(struct caller *c);
	usec killed, opened; /* when, since the question */
} late;

/* Nobody else tries to connect: there is no watch. */
static status late_story(void *arg)
{
	enum { WAITING = 2 };
	static struct caller all[WAITING];
	struct sockaddr_un at;
	(void)arg;
	cr_assert(open_with(given_bootstrap(), false) == ST_OK);
	db_silence(4 * USEC_S);
	to = store_mailbox(store_postoffice(), "anna", 0);
	for (int i = 0; i < WAITING; i++) {
		all[i] = (struct caller){.act = late.act};
		random_bytes(all[i].key, REPEAT_KEY);
	}
	clock_virtual(clock_wall());
	postgres("hang");
	task_virtual_run(true);
	for (int i = 0; i < WAITING; i++)
		cr_assert(task_start("call", call, &all[i]));
	task_sleep(late.killed);
	postgres("kill");
	if (late.opened > late.killed)
		task_sleep(late.opened - late.killed);
	int door = door_without_a_keeper(&at);
	expect_ended_busy(all, WAITING);
	task_virtual_run(false);
	close(door);
	unlink(at.sun_path);
	postgres("start");
	db_probe(); /* should it have been found silent: nobody else looks */
	expect_taken_again(all, WAITING);
	clock_real();
	task_loop_stop();
	return ST_OK;
}

static void tell_late(status (*act)(struct caller *c), usec killed, usec opened)
{
	late.act = act;
	late.killed = killed;
	late.opened = opened;
	store_story(late_story);
	given_providers();
	cr_expect_eq(store_entries_in(&to), 2);
	provider_close();
}

/* Attempts are a second apart at most: one of these doors is met late. */
Test(outage, who_asks_what_became_of_a_commit_waits_at_no_door_for_long, .timeout = 300)
{
	tell_late(delivers, 100 * USEC_MS, 2900 * USEC_MS);
}

Test(outage, nor_does_who_heard_late_that_its_database_is_gone, .timeout = 300)
{
	tell_late(delivers, 3900 * USEC_MS, 3900 * USEC_MS);
}

Test(outage, nor_does_who_changes_what_readers_see, .timeout = 300)
{
	tell_late(shares, 3900 * USEC_MS, 3900 * USEC_MS);
	cr_expect_eq(unknown, 1);
}

/* ---- descriptors that libpq closes by itself */

enum { CLIENTS = 8 };
static int clients[CLIENTS][2];

static status ping_once(void *arg)
{
	*(status *)arg = provider_ping();
	return ST_OK;
}

static status speak_later(void *arg)
{
	(void)arg;
	task_sleep(100 * USEC_MS);
	for (int i = 0; i < CLIENTS; i++)
		cr_expect(write(clients[i][1], "x", 1) == 1);
	return ST_OK;
}

static status hear_clients(void *arg)
{
	status pinged[2] = {ST_BROKEN, ST_BROKEN};
	(void)arg;
	task_start("ping", ping_once, &pinged[0]);
	task_start("ping", ping_once, &pinged[1]);
	while (pinged[0] == ST_BROKEN || pinged[1] == ST_BROKEN)
		task_sleep(10 * USEC_MS);
	cr_expect(pinged[0] == ST_OK && pinged[1] == ST_OK);
	postgres("kill");
	cr_expect(provider_ping() == ST_BUSY);
	for (int i = 0; i < CLIENTS; i++)
		cr_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, clients[i]) == 0);
	task_start("speak", speak_later, NULL);
	task_deadline(clock_now() + PATIENT);
	for (int i = 0; i < CLIENTS; i++) {
		cr_expect(task_wait(clients[i][0], WAIT_READ) == ST_OK, "descriptor %d",
			clients[i][0]);
		task_forget(clients[i][0]);
	}
	task_deadline(USEC_NEVER);
	for (int i = 0; i < CLIENTS; i++) {
		close(clients[i][0]);
		close(clients[i][1]);
	}
	return ST_OK;
}

Test(outage, clients_with_the_numbers_of_lost_connections_are_heard, .timeout = 300)
{
	struct task_limits limits = TASK_LIMITS_INIT;
	given_schema();
	cr_assert(open_with(given_bootstrap(), false) == ST_OK);
	cr_assert(task_loop_open(&limits) == ST_OK);
	cr_assert(task_start("hear", hear_clients, NULL));
	task_loop_run();
	task_loop_close();
	postgres("start");
	provider_close();
}

Test(outage, a_database_that_is_not_there_is_told_at_once)
{
	struct bootstrap b = *given_bootstrap();
	b.pguri = S("postgresql://pennypost_run@127.0.0.1:1/none");
	/* A machine may hold up one of them, not all. */
	usec quickest = PATIENT;
	for (int i = 0; i < 5; i++) {
		usec start = clock_now();
		cr_expect(open_with(&b, false) == ST_BUSY);
		quickest = quickest < clock_now() - start ? quickest : clock_now() - start;
	}
	cr_expect(quickest < 2 * USEC_S);
}

Test(outage, a_database_without_schema_is_told)
{
	arena a = ARENA_INIT;
	struct bootstrap b = *given_bootstrap();
	slice why;
	given_sql("create database bare");
	cr_assert(db_uri_as(b.pguri, S(""), S(""), &a, &b.pguri, &why) == ST_OK);
	b.pguri = arena_format(&a, "%.*s dbname='bare'", SLICE_ARGS(b.pguri));
	cr_expect(open_with(&b, false) == ST_ABSENT);
	given_sql("drop database bare with (force)");
	arena_release(&a);
}

Test(outage, a_role_above_row_level_security_is_refused)
{
	arena a = ARENA_INIT;
	slice super, why;
	given_schema();
	cr_assert(db_uri_as(slice_z(getenv("PENNYPOST_TEST_SUPERURI")), S(""), S(""), &a, &super,
			  &why) == ST_OK);
	super = arena_format(&a, "%.*s dbname='pennypost'", SLICE_ARGS(super));
	const struct bootstrap good = *given_bootstrap();
	struct bootstrap b = good;
	b.pguri = super;
	cr_expect(open_with(&b, false) == ST_DENIED, "a superuser");
	b = good;
	b.pguri_system = super;
	cr_expect(open_with(&b, false) == ST_DENIED, "a superuser as the system role");
	b = good;
	b.pguri = good.pguri_owner;
	cr_expect(open_with(&b, false) == ST_DENIED, "the owner");
	given_sql("alter role pennypost_run bypassrls");
	cr_expect(open_with(&good, false) == ST_DENIED, "BYPASSRLS");
	given_sql("alter role pennypost_run nobypassrls");
	given_sql("grant pennypost_owner to pennypost_run");
	cr_expect(open_with(&good, false) == ST_DENIED, "a member of the owner");
	given_sql("revoke pennypost_owner from pennypost_run");
	cr_expect(open_with(&good, false) == ST_OK);
	provider_close();
	arena_release(&a);
}

Test(outage, a_database_that_may_lose_mail_is_refused, .timeout = 300)
{
	static const char *const lines[] = {
		"fsync = off", "full_page_writes = off", "synchronous_commit = off"};
	given_schema();
	for (int i = 0; i < 3; i++) {
		configure(lines[i]);
		cr_expect(open_with(given_bootstrap(), false) == ST_DENIED, "%s", lines[i]);
	}
	configure("");
	cr_expect(open_with(given_bootstrap(), false) == ST_OK);
	provider_close();
}
