/* Repetitions of a delivery (R6): keys of answers that were not read, doubts of this process, of
   another one and of another node. */
#include "provider/deliver.h"

#include "base/id.h"
#include "provider/housekeep.h"
#include "provider/repeat.h"
#include "provider/setting.h"
#include "task/task.h"
#include "tests/unit/provider/given.h"
#include "tests/unit/provider/store_fixture.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(deliver_repeat, .init = store_counted_begin, .fini = store_counted_end, .timeout = 300);

#define RAW S("Subject: hello\r\n\r\nhow are you?\r\n")

static void key_text(slice key, char hex[33])
{
	for (int i = 0; i < 16; i++)
		snprintf(hex + 2 * i, 3, "%02x", (unsigned char)key.at[i]);
}

static int keys_standing(slice key)
{
	char hex[33];

	key_text(key, hex);
	return (int)store_sql("select count(*) from repeat where key = '\\x%s'", hex);
}

/* One that stands since so many minutes; `fenced` 0: it is no fence. */
static void key_add(slice key, int64_t since, int64_t fenced)
{
	char hex[33];

	key_text(key, hex);
	store_sql(
		"insert into repeat (key, message, owner, at, fenced) values ('\\x%s', 1, 1, now() - interval '%lld minutes', "
		"nullif(now() - interval '%lld minutes', now())) returning 1",
		hex, (long long)since, (long long)fenced);
}

static status keyed(const struct route *to, slice key, int64_t *id)
{
	struct letter l;

	letter_write(&l, to, 1, RAW);
	l.d.repeat_key = key;
	status s = letter_send(&l);
	letter_close(&l);
	*id = l.d.id;
	return s;
}

static void key_make(char key[16])
{
	int64_t id[2] = {id_new(), id_new()};

	memcpy(key, id, 16);
}

static int own_number(void)
{
	return (int)((id_new() >> 12) & ID_NODE_MOST);
}

/* This process's node number is held by a living process of a role of its own, since a minute
   ago. */
static void owner_lives(void)
{
	store_sql(
		"update node set role = 'living ' || node, since = now() - interval '1 minute',"
		" seen = now() + interval '1 minute', until = now() + interval '1 minute' where node = %d",
		own_number());
}

static struct {
	struct route to;
	char key[16];
	status outcome;
	int64_t first, second;
	usec took;
	bool told, waited;
	int standing;
} repeat;

static slice repeat_key(void)
{
	return slice_of(repeat.key, 16);
}

static status repeat_confirmed(void *arg)
{
	(void)arg;
	repeat.outcome = keyed(&repeat.to, repeat_key(), &repeat.first);
	repeat.standing = keys_standing(repeat_key());
	deliver_confirm(repeat_key(), false);
	for (int tries = 0; tries < 1200 && keys_standing(repeat_key()); tries++)
		task_sleep(50 * USEC_MS); /* a minute at most */
	return ST_OK;
}

Test(deliver_repeat, forgets_the_key_of_an_answer_that_was_read)
{
	repeat.to = store_mailbox(store_postoffice(), "anna", 0);
	key_make(repeat.key);
	store_fibers(1, repeat_confirmed, NULL);
	cr_assert_eq(repeat.outcome, ST_OK);
	cr_assert_eq(repeat.standing, 1);
	cr_assert_eq(keys_standing(repeat_key()), 0);
}

/* Whose process ended before it forgot them. */
Test(deliver_repeat, keys_go_when_their_window_is_over)
{
	static const struct {
		int minutes, fenced; /* since then; 0: no fence */
		int left;
	} rows[] = {{0, 0, 1}, {60 * 48, 0, 0}, {60 * 48, 60 * 48, 0}, {60 * 48, 1, 1}};
	const int64_t window = setting_number(S_smtp_repeat_window, NULL) / (60 * USEC_S);
	struct housekeep_result done;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		key_make(repeat.key);
		key_add(repeat_key(), window + rows[i].minutes,
			rows[i].fenced ? window + rows[i].fenced : 0);
		cr_assert_eq(housekeep_run(&done), ST_OK);
		cr_expect_eq(keys_standing(repeat_key()), rows[i].left, "row %zu", i);
	}
	store_sql("delete from repeat where message = 1");
}

static status repeat_broken(void *arg)
{
	(void)arg;
	repeat.outcome = keyed(&repeat.to, repeat_key(), &repeat.first);
	deliver_confirm(repeat_key(), true);
	repeat.outcome = keyed(&repeat.to, repeat_key(), &repeat.second);
	return ST_OK;
}

static void expect_known_again(int64_t quota)
{
	repeat.to = store_mailbox(store_postoffice(), "anna", quota);
	key_make(repeat.key);
	owner_lives();
	store_fibers(1, repeat_broken, NULL);
	cr_assert_eq(repeat.outcome, ST_EXISTS);
	cr_assert_eq(repeat.second, repeat.first);
	cr_assert_eq(store_entries_in(&repeat.to), 1);
}

Test(deliver_repeat, recognises_what_a_broken_conversation_stored)
{
	expect_known_again(0);
}

/* Its first copy filled the mailbox: it is known all the same. */
Test(deliver_repeat, recognises_what_filled_the_mailbox)
{
	expect_known_again((int64_t)RAW.size);
	store_assert_counts(&repeat.to);
	key_make(repeat.key);
	cr_assert_eq(keyed(&repeat.to, repeat_key(), &repeat.first), ST_FULL);
	cr_assert_eq(keys_standing(repeat_key()), 0);
}

/* The transaction was given up on doubt and stands all the same; a crash of PostgreSQL has taken
   its key. */
static status repeat_lost_its_key(void *arg)
{
	(void)arg;
	repeat.outcome = keyed(&repeat.to, repeat_key(), &repeat.first);
	store_sql("delete from repeat where message = %lld returning 1", (long long)repeat.first);
	repeat_doubt(repeat_key(), repeat.to.postoffice, repeat.first);
	cr_expect_eq(deliver_hold(), ST_OK);
	repeat.outcome = keyed(&repeat.to, repeat_key(), &repeat.second);
	return ST_OK;
}

Test(deliver_repeat, waits_until_doubts_are_asked_for)
{
	repeat.to = store_mailbox(store_postoffice(), "anna", 0);
	key_make(repeat.key);
	owner_lives();
	store_fibers(1, repeat_lost_its_key, NULL);
	cr_assert_eq(repeat.outcome, ST_EXISTS);
	cr_assert_eq(repeat.second, repeat.first);
	cr_assert_eq(store_entries_in(&repeat.to), 1);
}

/* ---- doubts of another process of this node, which stands still */

enum { OWN_SLOT = 1, OTHER_SLOT };

static struct {
	pid_t process;
	int doubts[2], go[2]; /* it is in doubt; it may ask */
	atomic_bool may_ask;
	usec since; /* no doubt of it is older */
} other;

static status other_doubted(void *arg)
{
	char byte;

	(void)arg;
	repeat_doubt(repeat_key(), repeat.to.postoffice, repeat.first);
	return write(other.doubts[1], "d", 1) == 1 && read(other.go[0], &byte, 1) == 1 ? ST_OK
										       : ST_CLOSED;
}

/* It has no connection to the database before it forks; lives until it is killed, or its parent
   ends. */
static void other_run(void)
{
	char byte;

	close(other.doubts[0]);
	close(other.go[1]);
	repeat_slot(OTHER_SLOT);
	given_providers();
	store_fibers(1, other_doubted, NULL);
	while (read(other.go[0], &byte, 1) == 1)
		;
	_exit(0);
}

static void other_kill(void)
{
	kill(other.process, SIGKILL);
	waitpid(other.process, NULL, 0);
}

/* A message that stands, without its key, or not, and another process that does not know it. */
static void given_doubt_elsewhere(bool stands)
{
	char byte;

	repeat.to = store_mailbox(store_postoffice(), "anna", 0);
	key_make(repeat.key);
	repeat.first = id_new();
	if (stands)
		cr_assert_eq(keyed(&repeat.to, repeat_key(), &repeat.first), ST_OK);
	store_sql("delete from repeat where message = %lld", (long long)repeat.first);
	provider_close();
	repeat_share();
	cr_assert(pipe(other.doubts) == 0 && pipe(other.go) == 0);
	other.since = clock_now();
	other.process = fork();
	if (other.process == 0)
		other_run();
	close(other.doubts[1]);
	close(other.go[0]);
	repeat_slot(OWN_SLOT);
	given_providers();
	cr_assert_eq(read(other.doubts[0], &byte, 1), 1);
}

static usec hold_took(void)
{
	usec start = clock_now();

	cr_expect_eq(deliver_hold(), ST_OK);
	return clock_now() - start;
}

static void *other_may_ask(void *arg)
{
	usleep(100000);
	atomic_store(&other.may_ask, true);
	cr_expect_eq(write(other.go[1], "g", 1), 1);
	return arg;
}

Test(deliver_repeat, waits_until_other_processes_have_asked)
{
	pthread_t t;

	given_doubt_elsewhere(true);
	cr_expect_geq(hold_took(), 500 * USEC_MS);
	cr_expect_eq(keys_standing(repeat_key()), 0);
	pthread_create(&t, NULL, other_may_ask, NULL);
	cr_expect_eq(deliver_hold(), ST_OK);
	/* It waits for a second; the other one may need more on a machine that is busy. */
	for (int tries = 0; tries < 60 && keys_standing(repeat_key()) == 0; tries++)
		cr_expect_eq(deliver_hold(), ST_OK);
	cr_expect(atomic_load(&other.may_ask), "it did not wait");
	cr_expect_eq(keyed(&repeat.to, repeat_key(), &repeat.second), ST_EXISTS);
	cr_expect_eq(repeat.second, repeat.first);
	cr_expect_eq(store_entries_in(&repeat.to), 1);
	pthread_join(t, NULL);
	other_kill();
}

Test(deliver_repeat, waits_for_no_process_that_is_buried)
{
	given_doubt_elsewhere(true);
	other_kill();
	cr_expect_geq(hold_took(), 500 * USEC_MS, "the master has not seen it yet");
	repeat_slot_clear(OTHER_SLOT);
	usec quickest = USEC_S; /* a machine may hold up one of them, not all */
	for (int i = 0; i < 20; i++) {
		usec took = hold_took();
		quickest = quickest < took ? quickest : took;
	}
	cr_expect_lt(quickest, 400 * USEC_MS);
}

/* ---- doubts of another node, whose backend is still at it */

Test(deliver_repeat, stores_nothing_beside_a_commit_that_is_under_way_elsewhere)
{
	struct route to = store_mailbox(store_postoffice(), "anna", 0);
	db_link *elsewhere = given_link();
	char key[16], hex[33], sql[200];
	int64_t id;

	key_make(key);
	for (int i = 0; i < 16; i++)
		snprintf(hex + 2 * i, 3, "%02x", (unsigned char)key[i]);
	snprintf(sql, sizeof sql,
		"begin; insert into repeat (key, message, owner, broken) values ('\\x%s', 42, 1, true)",
		hex);
	given_script(elsewhere, sql);
	cr_expect_eq(keyed(&to, slice_of(key, 16), &id), ST_BUSY,
		"it may be stored there at any moment");
	given_script(elsewhere, "commit");
	cr_expect_eq(keyed(&to, slice_of(key, 16), &id), ST_EXISTS);
	cr_expect_eq(id, 42);
	db_link_close(&elsewhere);
	cr_expect_eq(store_entries_in(&to), 0);
}

static bool is_marked(slice key)
{
	char hex[33];

	for (int i = 0; i < 16; i++)
		snprintf(hex + 2 * i, 3, "%02x", (unsigned char)key.at[i]);
	return store_sql("select count(*) from repeat where broken and key = '\\x%s'", hex) > 0;
}

/* Waits for a moment of the doubts' task: until the key stands and is marked. */
static bool marked(slice key)
{
	for (int tries = 0; tries < 1200; tries++) {
		if (is_marked(key))
			return true;
		task_sleep(50 * USEC_MS); /* a minute at most */
	}
	return false;
}

static void doubted_stored(int64_t id, slice key)
{
	struct letter l;

	letter_write(&l, &repeat.to, 1, RAW);
	l.d.id = id;
	l.d.repeat_key = key;
	cr_expect_eq(letter_send(&l), ST_OK);
	letter_close(&l);
}

/* A backend that has the message and its key before it, and ends with "commit". */
static db_link *given_backend_with(int64_t id, slice key)
{
	db_link *backend = given_link();
	char hex[33], sql[400];

	for (int i = 0; i < 16; i++)
		snprintf(hex + 2 * i, 3, "%02x", (unsigned char)key.at[i]);
	snprintf(sql, sizeof sql,
		"begin; insert into repeat (key, message, owner) values ('\\x%s', %lld, %d);"
		" insert into message (postoffice, msg, blob, size, hdrlen) values (%lld, %lld, 1, 2, 2)",
		hex, (long long)id, own_number(), (long long)repeat.to.postoffice, (long long)id);
	given_script(backend, sql);
	return backend;
}

static status repeat_doubted(void *arg)
{
	int64_t office = repeat.to.postoffice, later = id_new(), id;
	char absent[16], late[16];

	(void)arg;
	key_make(absent);
	key_make(late);
	db_link *backend = given_backend_with(later, slice_of(late, 16));
	/* Stored, but a crash of PostgreSQL took its key. */
	cr_expect_eq(keyed(&repeat.to, repeat_key(), &repeat.first), ST_OK);
	store_sql("delete from repeat where message = %lld", (long long)repeat.first);
	repeat_doubt(repeat_key(), office, repeat.first);
	/* Not stored, and never to be. */
	repeat_doubt(slice_of(absent, 16), office, id_new());
	/* Stored by its backend after it was given up and looked for. */
	repeat_doubt(slice_of(late, 16), office, later);
	cr_expect(marked(repeat_key()));
	given_script(backend, "commit");
	cr_expect(marked(slice_of(late, 16)));
	db_link_close(&backend);

	cr_expect_eq(keyed(&repeat.to, repeat_key(), &repeat.second), ST_EXISTS);
	cr_expect_eq(repeat.second, repeat.first);
	cr_expect_eq(keyed(&repeat.to, slice_of(late, 16), &id), ST_EXISTS);
	cr_expect_eq(id, later);
	cr_expect_eq(keyed(&repeat.to, slice_of(absent, 16), &id), ST_OK);
	return ST_OK;
}

Test(deliver_repeat, recognises_what_was_given_up_on_doubt)
{
	repeat.to = store_mailbox(store_postoffice(), "anna", 0);
	key_make(repeat.key);
	owner_lives();
	store_fibers(1, repeat_doubted, NULL);
	cr_assert_eq(store_entries_in(&repeat.to), 2);
}

/* Until the key stands and is marked, on the virtual clock, which goes as fast as time does. */
static bool marked_virtually(slice key)
{
	for (int tries = 0; tries < 30000; tries++) {
		if (tries % 50 == 0 && is_marked(key))
			return true;
		usleep(2000); /* a minute at most */
		clock_advance(2 * USEC_MS);
		task_sleep(0);
	}
	return false;
}

static status repeat_doubted_long(void *arg)
{
	int64_t later = id_new(), other = id_new();
	char early[16];

	(void)arg;
	key_make(early);
	doubted_stored(other, slice_of(early, 16));
	db_link *backend = given_backend_with(later, repeat_key());
	clock_virtual(clock_wall());
	repeat_doubt(repeat_key(), repeat.to.postoffice, later);
	repeat_doubt(slice_of(early, 16), repeat.to.postoffice, other);
	cr_expect(marked_virtually(slice_of(early, 16))); /* both were looked for */
	clock_advance(120 * USEC_S);
	store_sql("update repeat set broken = false where message = %lld", (long long)other);
	repeat_doubt(slice_of(early, 16), repeat.to.postoffice, other);
	cr_expect(marked_virtually(slice_of(early, 16))); /* both again */
	given_script(backend, "commit");
	cr_expect(marked_virtually(repeat_key()));
	clock_real();
	db_link_close(&backend);
	return ST_OK;
}

/* A COMMIT may wait for a synchronous standby for longer than a backend may go on without its
   client. */
Test(deliver_repeat, a_doubt_lives_as_long_as_repetitions_are_recognised)
{
	repeat.to = store_mailbox(store_postoffice(), "anna", 0);
	key_make(repeat.key);
	store_fibers(1, repeat_doubted_long, NULL);
}

/* A client that was told to come again takes its time. */
static status repeat_comes_when_it_likes(void *arg)
{
	static const struct {
		const char *window; /* NULL: five days */
		int hours;          /* since it was marked */
		status again;
	} rows[] = {{NULL, 4 * 24, ST_EXISTS}, {NULL, 6 * 24, ST_OK}, {"2 h", 1, ST_EXISTS},
		{"2 h", 3, ST_OK}, {"0 s", 0, ST_EXISTS}, {"0 s", 1, ST_OK}};

	(void)arg;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		given_setting(S_smtp_doubt_window, rows[i].window);
		key_make(repeat.key);
		cr_expect_eq(keyed(&repeat.to, repeat_key(), &repeat.first), ST_OK);
		repeat_doubt(repeat_key(), repeat.to.postoffice, repeat.first);
		cr_expect(marked(repeat_key()));
		store_sql("update repeat set at = at - interval '%d hours' where message = %lld",
			rows[i].hours, (long long)repeat.first);
		cr_expect_eq(keyed(&repeat.to, repeat_key(), &repeat.second), rows[i].again,
			"row %zu", i);
	}
	given_setting(S_smtp_doubt_window, NULL);
	return ST_OK;
}

Test(deliver_repeat, recognises_what_was_given_up_on_doubt_for_days)
{
	repeat.to = store_mailbox(store_postoffice(), "anna", 0);
	owner_lives();
	store_fibers(1, repeat_comes_when_it_likes, NULL);
}

/* ---- fences: what was given up may come late */

/* When the key was made a fence that stands for no message, as now, waited for; 0: it was not. */
static usec fenced(slice key)
{
	struct param p[] = {p_bytes(key), p_int(600 * USEC_S), p_int(10 * USEC_S)};

	for (int tries = 0; tries < 1200; tries++) {
		arena a = ARENA_INIT;
		struct rows r;
		status s = db_run(SQL_REPEAT_FIND, p, 3, &a, &r);
		usec since = s == ST_OK && r.count > 0 ? row_time(&r, 0, 3) : 0;

		arena_release(&a);
		if (since)
			return since;
		task_sleep(50 * USEC_MS); /* a minute at most */
	}
	return 0;
}

/* What a backend begins its transaction with, for a message that found nothing of its key, or a
   fence. */
static status comes_late(slice key, usec fence)
{
	arena a = ARENA_INIT;
	int64_t id = id_new(), owner = repeat_owner(id);
	db_tx *tx = db_begin(DB_RUN, &a);

	if (fence) {
		db_add(tx, SQL_REPEAT_YIELD, (struct param[]){p_bytes(key), p_time(fence)}, 2,
			NULL);
		db_add(tx, SQL_REPEAT_TAKE, (struct param[]){p_bytes(key), p_int(id), p_int(owner)},
			3, NULL);
	} else {
		db_add(tx, SQL_REPEAT_ADD,
			(struct param[]){p_bytes_array(&key, 1), p_int_array(&id, 1),
				p_int_array(&owner, 1)},
			3, NULL);
	}
	status s = db_commit(&tx, NULL);
	arena_release(&a);
	return s;
}

static status repeat_over_a_fence(void *arg)
{
	int64_t id;

	(void)arg;
	repeat_doubt(repeat_key(), repeat.to.postoffice, id_new());
	usec first = fenced(repeat_key());
	cr_expect_neq(first, 0);
	cr_expect_eq(comes_late(repeat_key(), 0), ST_EXISTS, "before its repetition");

	cr_expect_eq(keyed(&repeat.to, repeat_key(), &repeat.first), ST_OK);
	cr_expect_eq(comes_late(repeat_key(), 0), ST_EXISTS, "beside it");
	cr_expect_eq(comes_late(repeat_key(), first), ST_EXISTS, "another repetition");
	deliver_confirm(repeat_key(), true);
	cr_expect_eq(keyed(&repeat.to, repeat_key(), &repeat.second), ST_EXISTS);
	cr_expect_eq(repeat.second, repeat.first, "its answer may be lost as any other");

	deliver_confirm(repeat_key(), false);
	usec second = fenced(repeat_key());
	cr_expect_gt(second, first);
	cr_expect_eq(comes_late(repeat_key(), 0), ST_EXISTS, "after its answer was read");
	cr_expect_eq(comes_late(repeat_key(), first), ST_EXISTS, "another repetition then");
	cr_expect_eq(keyed(&repeat.to, repeat_key(), &id), ST_OK, "the same once more");
	return ST_OK;
}

Test(deliver_repeat, nothing_comes_late_where_a_key_became_a_fence)
{
	repeat.to = store_mailbox(store_postoffice(), "anna", 0);
	key_make(repeat.key);
	owner_lives();
	store_fibers(1, repeat_over_a_fence, NULL);
	cr_assert_eq(store_entries_in(&repeat.to), 2);
}

/* A doubt whose backend stands still with its key keeps no other from being fenced. */
static status repeat_beside_a_held_key(void *arg)
{
	enum { HELD = 12 };
	db_link *backend[HELD];
	char key[16];

	(void)arg;
	for (int i = 0; i < HELD; i++) {
		int64_t id = id_new();

		key_make(key);
		backend[i] = given_backend_with(id, slice_of(key, 16));
		repeat_doubt(slice_of(key, 16), repeat.to.postoffice, id);
	}
	repeat_doubt(repeat_key(), repeat.to.postoffice, id_new());
	cr_expect_neq(fenced(repeat_key()), 0);
	for (int i = 0; i < HELD; i++) {
		given_script(backend[i], "rollback");
		db_link_close(&backend[i]);
	}
	cr_expect_neq(fenced(slice_of(key, 16)), 0, "it is free");
	return ST_OK;
}

Test(deliver_repeat, keys_that_are_held_keep_no_other_from_becoming_a_fence)
{
	repeat.to = store_mailbox(store_postoffice(), "anna", 0);
	key_make(repeat.key);
	store_fibers(1, repeat_beside_a_held_key, NULL);
}

/* Another process gave the message up and stands still; this one stores it. */
static status repeat_beside_a_doubt(void *arg)
{
	(void)arg;
	repeat.outcome = keyed(&repeat.to, repeat_key(), &repeat.second);
	deliver_confirm(repeat_key(), false);
	task_sleep(300 * USEC_MS);
	status late = comes_late(repeat_key(), 0);
	/* Who says nothing for longer is not waited for: that a machine is so slow proves nothing. */
	cr_expect(late == ST_EXISTS || clock_now() - other.since > 4 * USEC_S, "%s",
		status_name(late));
	cr_expect_eq(write(other.go[1], "g", 1), 1);
	cr_expect_neq(fenced(repeat_key()), 0);
	cr_expect_eq(comes_late(repeat_key(), 0), ST_EXISTS);
	return ST_OK;
}

Test(deliver_repeat, forgets_nothing_while_another_process_is_in_doubt)
{
	given_doubt_elsewhere(false);
	store_fibers(1, repeat_beside_a_doubt, NULL);
	cr_expect_eq(repeat.outcome, ST_OK);
	cr_expect_eq(store_entries_in(&repeat.to), 1);
	other_kill();
}

Test(deliver_repeat, recognises_what_a_dead_worker_stored)
{
	static const char *const deaths[] = {
		"update node set until = now() - interval '1 second' where node",  /* lease over */
		"update node set since = now() + interval '1 second' where node",  /* taken anew */
		"update node set seen = now() - interval '11 seconds' where node", /* cut off */
		/* A successor. */
		"insert into node (node, name, role, token, schema, since, seen, until)"
		" select 2000 + node, name, role, 7, schema, now(), now(), until from node where node",
	};
	struct route to = store_mailbox(store_postoffice(), "anna", 0);
	int64_t first, second;
	char key[16];

	for (size_t i = 0; i < sizeof deaths / sizeof *deaths; i++) {
		key_make(key);
		owner_lives();
		cr_assert_eq(keyed(&to, slice_of(key, 16), &first), ST_OK);
		store_sql("%s = %d", deaths[i], own_number());
		cr_assert_eq(keyed(&to, slice_of(key, 16), &second), ST_EXISTS, "%zu", i);
		cr_assert_eq(second, first);
		cr_assert_eq(store_entries_in(&to), (int64_t)i + 1);
	}
	store_sql("delete from node where node > 2000");
}

static status repeat_waits(void *arg)
{
	usec start = clock_now();

	(void)arg;
	repeat.outcome = keyed(&repeat.to, repeat_key(), &repeat.second);
	repeat.took = clock_now() - start;
	repeat.waited = repeat.told;
	return ST_OK;
}

static status repeat_forgets_soon(void *arg)
{
	(void)arg;
	task_sleep(300 * USEC_MS);
	repeat.told = true;
	deliver_confirm(repeat_key(), false);
	return ST_OK;
}

static status repeat_both(void *arg)
{
	task_start("forget", repeat_forgets_soon, NULL);
	return repeat_waits(arg);
}

Test(deliver_repeat, waits_for_a_living_conversation)
{
	repeat.to = store_mailbox(store_postoffice(), "anna", 0);
	key_make(repeat.key);
	owner_lives();
	cr_assert_eq(keyed(&repeat.to, repeat_key(), &repeat.first), ST_OK);
	store_fibers(1, repeat_both, NULL);
	cr_assert_eq(repeat.outcome, ST_OK);
	cr_assert(repeat.waited, "it did not wait for what the other one would tell");
	cr_assert_eq(store_entries_in(&repeat.to), 2);
	cr_assert_eq(keys_standing(repeat_key()), 1);
}

Test(deliver_repeat, never_loses_mail_to_a_key)
{
	repeat.to = store_mailbox(store_postoffice(), "anna", 0);
	key_make(repeat.key);
	owner_lives();
	cr_assert_eq(keyed(&repeat.to, repeat_key(), &repeat.first), ST_OK);
	store_fibers(1, repeat_waits, NULL);
	cr_assert_eq(repeat.outcome, ST_OK);
	cr_assert_gt(repeat.took, 2500 * USEC_MS);
	cr_assert_eq(store_entries_in(&repeat.to), 2);
}

Test(deliver_repeat, ignores_keys_past_their_window)
{
	static const struct {
		const char *window; /* NULL: ten minutes */
		int minutes;        /* the key's age */
		status again;
	} rows[] = {{NULL, 120, ST_OK}, {NULL, 5, ST_EXISTS}, {"1 min", 5, ST_OK},
		{"1 h", 20, ST_EXISTS}, {"0 s", 0, ST_OK}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct route to = store_mailbox(store_postoffice(), "anna", 0);
		char key[16];
		int64_t first, second;
		given_setting(S_smtp_repeat_window, rows[i].window);
		key_make(key);
		cr_assert_eq(keyed(&to, slice_of(key, 16), &first), ST_OK);
		store_sql(
			"update repeat set broken = true, at = now() - interval '%d minutes' where message = %lld",
			rows[i].minutes, (long long)first);
		cr_expect_eq(keyed(&to, slice_of(key, 16), &second), rows[i].again, "row %zu", i);
		cr_expect_eq(store_entries_in(&to), rows[i].again == ST_OK ? 2 : 1, "row %zu", i);
	}
	given_setting(S_smtp_repeat_window, NULL);
}
