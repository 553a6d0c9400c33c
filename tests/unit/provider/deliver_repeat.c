/* Repetitions of a delivery (R6): keys of answers that were not read, doubts of this process, of
   another one and of another node. */
#include "provider/deliver.h"

#include "base/id.h"
#include "provider/repeat.h"
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

static int keys_standing(slice key)
{
	char hex[33];

	for (int i = 0; i < 16; i++)
		snprintf(hex + 2 * i, 3, "%02x", (unsigned char)key.at[i]);
	return (int)store_sql("select count(*) from repeat where key = '\\x%s'", hex);
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

/* A message that stands, without its key, and another process that does not know it. */
static void given_doubt_elsewhere(void)
{
	char byte;

	repeat.to = store_mailbox(store_postoffice(), "anna", 0);
	key_make(repeat.key);
	cr_assert_eq(keyed(&repeat.to, repeat_key(), &repeat.first), ST_OK);
	store_sql("delete from repeat where message = %lld returning 1", (long long)repeat.first);
	provider_close();
	repeat_share();
	cr_assert(pipe(other.doubts) == 0 && pipe(other.go) == 0);
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

	given_doubt_elsewhere();
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
	given_doubt_elsewhere();
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

static status repeat_doubted(void *arg)
{
	int64_t office = repeat.to.postoffice, later = id_new(), id;
	char absent[16], late[16];

	(void)arg;
	key_make(absent);
	key_make(late);
	/* Stored, but a crash of PostgreSQL took its key. */
	cr_expect_eq(keyed(&repeat.to, repeat_key(), &repeat.first), ST_OK);
	store_sql("delete from repeat where message = %lld", (long long)repeat.first);
	repeat_doubt(repeat_key(), office, repeat.first);
	/* Not stored, and never to be. */
	repeat_doubt(slice_of(absent, 16), office, id_new());
	/* Stored by its backend after it was given up and looked for. */
	repeat_doubt(slice_of(late, 16), office, later);
	cr_expect(marked(repeat_key()));
	doubted_stored(later, slice_of(late, 16));
	cr_expect(marked(slice_of(late, 16)));

	cr_expect_eq(keyed(&repeat.to, repeat_key(), &repeat.second), ST_EXISTS);
	cr_expect_eq(repeat.second, repeat.first);
	cr_expect_eq(keyed(&repeat.to, slice_of(late, 16), &id), ST_EXISTS);
	cr_expect_eq(id, later);
	cr_expect_eq(keyed(&repeat.to, slice_of(absent, 16), &id), ST_OK);
	task_loop_stop(); /* the doubt that nothing answers goes on for minutes */
	return ST_OK;
}

Test(deliver_repeat, recognises_what_was_given_up_on_doubt)
{
	repeat.to = store_mailbox(store_postoffice(), "anna", 0);
	key_make(repeat.key);
	owner_lives();
	store_fibers(1, repeat_doubted, NULL);
	cr_assert_eq(store_entries_in(&repeat.to), 3);
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
	clock_virtual(clock_wall());
	repeat_doubt(repeat_key(), repeat.to.postoffice, later);
	repeat_doubt(slice_of(early, 16), repeat.to.postoffice, other);
	cr_expect(marked_virtually(slice_of(early, 16))); /* both were looked for */
	clock_advance(120 * USEC_S);
	store_sql("update repeat set broken = false where message = %lld", (long long)other);
	repeat_doubt(slice_of(early, 16), repeat.to.postoffice, other);
	cr_expect(marked_virtually(slice_of(early, 16))); /* both again */
	doubted_stored(later, repeat_key());
	cr_expect(marked_virtually(repeat_key()));
	clock_real();
	task_loop_stop();
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
