/* Statements, transactions and pools of db.h. */
#include "tests/unit/provider/given.h"

#include "base/fault.h"
#include "provider/audit.h"
#include "task/task.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void open_pool_as(unsigned run, unsigned system, const char *application)
{
	given_schema();
	struct db_conf c = {
		.uri = {given_bootstrap()->pguri.at, given_bootstrap()->pguri_system.at},
		.connections = {run, system},
		.application = application};
	cr_assert(db_open(&c) == ST_OK);
}

static void open_pool(unsigned run, unsigned system)
{
	open_pool_as(run, system, "test");
}

static status folders(int64_t postoffice, int64_t mailbox, arena *a, struct rows *out)
{
	struct param p[] = {p_int(postoffice), p_int(mailbox)};
	return db_run(SQL_FOLDER_LIST, p, 2, a, out);
}

/* A statement that always fails: 1 / 0 when fewer mailboxes are locked than entries are
   announced. */
static void add_failing(db_tx *tx, int64_t postoffice)
{
	static const int64_t none[1] = {1};
	struct param q[12] = {p_int(postoffice)};
	for (int i = 1; i < 10; i++)
		q[i] = p_int_array(none, 1);
	q[10] = q[11] = p_int(7);
	db_add(tx, SQL_DELIVER_ENTRIES, q, 12, NULL);
}

Test(store_db, runs_a_statement_and_gives_its_rows)
{
	arena a = ARENA_INIT;
	struct rows r;
	open_pool(1, 1);
	struct given_tenant t = given_tenant();
	cr_assert(folders(t.postoffice, t.mailbox, &a, &r) == ST_OK);
	cr_expect(r.count == 1);
	cr_assert(folders(t.postoffice, t.mailbox + 1, &a, &r) == ST_OK);
	cr_expect(r.count == 0);
	db_close();
	arena_release(&a);
}

Test(store_db, carries_every_kind_of_value_there_and_back)
{
	arena a = ARENA_INIT;
	struct rows r;
	db_link *l = NULL;
	slice why;
	given_schema();
	cr_assert(db_link_open(given_bootstrap()->pguri, "test", &a, &l, &why) == ST_OK);
	int64_t numbers[] = {-1, 0, INT64_MAX};
	usec moments[] = {0, 1700000000123456, USEC_NEVER};
	slice words[] = {S(""), S("\xc3\xa4 \\ {}\","), {0}};
	slice bytes[] = {slice_of("\0\xff", 2), S("x"), {0}};
	struct param p[] = {p_int(-5), p_bool(true), p_text(S("it's")),
		p_bytes(slice_of("a\0b", 3)), p_time(1700000000123456), p_time(USEC_NEVER),
		p_null(P_TEXT), p_int_array(numbers, 3), p_text_array(words, 3),
		p_bytes_array(bytes, 3), p_time_array(moments, 3), p_int_array(numbers, 0)};
	cr_assert(
		db_link_run(l,
			"select $1, $2, $3, $4, $5, $6, $7, $8, ($8)[3], ($9)[2], ($9)[3] is null,"
			" ($10)[1], ($11)[2], ($11)[3], cardinality($12), $12, 7::int2, -7::int4, ($11)[1],"
			" array[3, null, 4]::int[]",
			p, 12, &a, &r) == ST_OK);
	cr_assert(r.count == 1 && r.columns == 20);
	cr_expect(row_int(&r, 0, 0) == -5);
	cr_expect(row_bool(&r, 0, 1));
	cr_expect(slice_same(row_slice(&r, 0, 2), S("it's")));
	cr_expect(slice_same(row_slice(&r, 0, 3), slice_of("a\0b", 3)));
	cr_expect(row_time(&r, 0, 4) == 1700000000123456);
	cr_expect(row_time(&r, 0, 5) == USEC_NEVER);
	cr_expect(row_null(&r, 0, 6) && row_slice(&r, 0, 6).size == 0);
	int n;
	const int64_t *back = row_int_array(&r, 0, 7, &a, &n);
	cr_assert(n == 3);
	cr_expect(back[0] == -1 && back[1] == 0 && back[2] == INT64_MAX);
	cr_expect(row_int(&r, 0, 8) == INT64_MAX);
	cr_expect(slice_same(row_slice(&r, 0, 9), words[1]));
	cr_expect(row_bool(&r, 0, 10));
	cr_expect(slice_same(row_slice(&r, 0, 11), bytes[0]));
	cr_expect(row_time(&r, 0, 12) == moments[1]);
	cr_expect(row_time(&r, 0, 13) == USEC_NEVER);
	cr_expect(row_int(&r, 0, 14) == 0);
	row_int_array(&r, 0, 15, &a, &n);
	cr_expect(n == 0);
	cr_expect(row_int(&r, 0, 16) == 7 && row_int(&r, 0, 17) == -7);
	cr_expect(row_time(&r, 0, 18) == 0);
	back = row_int_array(&r, 0, 19, &a, &n);
	cr_expect(n == 3 && back[0] == 3 && back[1] == 0 && back[2] == 4);
	db_link_close(&l);
	arena_release(&a);
}

Test(store_db, tells_kinds_from_sqlstates)
{
	arena a = ARENA_INIT;
	open_pool(1, 1);
	struct given_tenant t = given_tenant();
	struct audit_by by = *given_by;
	struct param twice[] = {p_int(t.postoffice), p_int(1), p_text(by.who), p_text(by.from),
		p_text(S("x")), p_text(S("\xff")), p_text(S(""))};
	cr_expect(db_run(SQL_AUDIT_ADD, twice, 7, &a, NULL) == ST_INVALID, "not UTF-8");
	struct param foreign[] = {p_int(t.postoffice), p_int(1), p_text(by.who)};
	cr_expect(db_run(SQL_MAILDROP_LOCK, foreign, 3, &a, NULL) == ST_BROKEN,
		"a parameter is missing");
	struct param types[] = {p_int(t.postoffice), p_int(1), p_int(1), p_text(S("1"))};
	struct param right[] = {p_int(t.postoffice), p_int(1), p_int(1), p_int(1)};
	cr_expect(db_run(SQL_MAILDROP_LOCK, right, 4, &a, NULL) == ST_OK);
	cr_expect(db_run(SQL_MAILDROP_LOCK, types, 4, &a, NULL) == ST_BROKEN,
		"other types than before");
	int failed;
	db_tx *tx = db_begin(DB_RUN, &a);
	add_failing(tx, t.postoffice);
	cr_expect(db_commit(&tx, &failed) == ST_INVALID, "an assertion by division");
	cr_expect(failed == 0 && tx == NULL);
	tx = db_begin(DB_RUN, &a);
	db_add(tx, SQL_RETENTION_ENDS, NULL, 0, NULL);
	cr_expect(db_commit(&tx, NULL) == ST_BROKEN, "a system statement as the run-time role");
	db_close();
	arena_release(&a);
}

Test(store_db, one_changed_row_or_absent)
{
	open_pool(1, 1);
	struct given_tenant t = given_tenant();
	struct param p[] = {p_int(t.postoffice), p_int(t.mailbox), p_int(9), p_int(USEC_S)};
	cr_expect(db_one(SQL_MAILDROP_RENEW, p, 4, NULL, NULL) == ST_ABSENT);
	cr_expect(db_one(SQL_MAILDROP_LOCK, p, 4, NULL, NULL) == ST_OK);
	cr_expect(db_one(SQL_MAILDROP_RENEW, p, 4, NULL, NULL) == ST_OK);
	db_close();
}

Test(store_db, a_failing_transaction_leaves_nothing_and_says_which_statement)
{
	arena a = ARENA_INIT;
	struct rows r;
	open_pool(1, 1);
	struct given_tenant t = given_tenant();
	struct param lock[] = {p_int(t.postoffice), p_int(t.mailbox), p_int(9), p_int(60 * USEC_S)};
	for (int flushes = 0; flushes < 2; flushes++) {
		int failed = 99;
		db_tx *tx = db_begin(DB_RUN, &a);
		db_add(tx, SQL_MAILDROP_LOCK, lock, 4, &r);
		if (flushes) {
			cr_assert(db_flush(tx) == ST_OK);
			cr_expect(r.changed == 1);
		}
		add_failing(tx, t.postoffice);
		db_add(tx, SQL_MAILDROP_LOCK, lock, 4, NULL);
		cr_expect(db_commit(&tx, &failed) == ST_INVALID);
		cr_expect(failed == 1 - flushes);
		cr_expect(db_one(SQL_MAILDROP_RENEW, lock, 4, &a, NULL) == ST_ABSENT,
			"it was undone");
	}
	db_tx *tx = db_begin(DB_RUN, &a);
	db_add(tx, SQL_MAILDROP_LOCK, lock, 4, NULL);
	cr_expect(db_flush(tx) == ST_OK);
	db_rollback(&tx);
	cr_expect(db_one(SQL_MAILDROP_RENEW, lock, 4, &a, NULL) == ST_ABSENT, "rolled back");

	tx = db_begin(DB_RUN, &a);
	db_add(tx, SQL_MAILDROP_LOCK, lock, 4, NULL);
	cr_expect(db_flush(tx) == ST_OK);
	add_failing(tx, t.postoffice);
	cr_expect(db_flush(tx) == ST_INVALID);
	int failed = 99;
	cr_expect(db_commit(&tx, &failed) == ST_BROKEN, "what failed cannot be committed");
	cr_expect(failed == 0);
	cr_expect(db_one(SQL_MAILDROP_RENEW, lock, 4, &a, NULL) == ST_ABSENT);

	tx = db_begin(DB_RUN, &a);
	db_add(tx, SQL_MAILDROP_LOCK, lock, 4, NULL);
	cr_expect(db_flush(tx) == ST_OK);
	cr_expect(db_commit(&tx, NULL) == ST_OK);
	cr_expect(db_one(SQL_MAILDROP_RENEW, lock, 4, &a, NULL) == ST_OK, "committed");
	db_close();
	arena_release(&a);
}

/* ---- T50: two tenants who take turns on one connection, as they come, with failures in their
   middle */

#define GUEST_ROUNDS 5000
struct guest {
	struct given_tenant me, other;
	int own, foreign, failures, wrong;
};

/* In one of three ways, each within a statement that the database has begun. */
static status add_failure(db_tx *tx, int64_t postoffice, int way)
{
	struct param stands[] = {p_int(postoffice), p_text(S("again"))};
	struct param no_text[] = {p_int(postoffice), p_int(1), p_text(S("x")), p_text(S("x")),
		p_text(S("x")), p_text(S("\xff")), p_text(S("x"))};
	switch (way % 3) {
	case 0:
		add_failing(tx, postoffice);
		return ST_INVALID;
	case 1:
		db_add(tx, SQL_POSTOFFICE_INSERT, stands, 2, NULL);
		return ST_EXISTS;
	default:
		db_add(tx, SQL_AUDIT_ADD, no_text, 7, NULL);
		return ST_INVALID;
	}
}

static void add_folders(db_tx *tx, int64_t postoffice, int64_t mailbox, struct rows *out)
{
	struct param p[] = {p_int(postoffice), p_int(mailbox)};
	db_add(tx, SQL_FOLDER_LIST, p, 2, out);
}

/* Writes and reads what is its own, asks for what is the other's; every third transaction fails
   between the two, every fourth serves the other one too, as a batch of deliveries does, some take
   two round trips, some are undone. Afterwards no post office is set. */
static void guest_round(struct guest *g, int round)
{
	arena a = ARENA_INIT;
	struct rows mine = {0}, theirs = {0}, cross[2] = {{0}, {0}}, all = {0}, seen = {0};
	struct param lock[] = {p_int(g->me.postoffice), p_int(g->me.mailbox), p_int(g->me.mailbox),
		p_int(60 * USEC_S)};
	struct param list[] = {p_int(g->me.postoffice), p_text(S("")), p_int(10)};
	bool fails = round % 3 == 0, batch = round % 4 == 1, undone = round % 7 == 0;
	status want = ST_OK, got;

	db_tx *tx = db_begin(DB_RUN, &a);
	db_add(tx, SQL_MAILDROP_LOCK, lock, 4, NULL);
	add_folders(tx, g->me.postoffice, g->me.mailbox, &mine);
	if (round % 5 == 1 && db_flush(tx) != ST_OK)
		g->wrong++;
	if (batch) {
		add_folders(tx, g->other.postoffice, g->other.mailbox, &theirs);
		add_folders(tx, g->other.postoffice, g->me.mailbox, &cross[0]);
	}
	if (fails)
		want = add_failure(tx, g->me.postoffice, round / 3);
	add_folders(tx, g->me.postoffice, g->other.mailbox, &cross[1]);
	db_add(tx, SQL_MAILBOX_LIST, list, 3, &all);
	if (undone) {
		got = db_flush(tx);
		db_rollback(&tx);
	} else {
		got = db_commit(&tx, NULL);
	}
	g->wrong += got != want || mine.count != 1 || theirs.count != batch || all.count != !fails;
	g->failures += fails;
	g->own += mine.count;
	g->foreign += cross[0].count + cross[1].count;
	for (int i = 0; i < all.count; i++)
		g->foreign += row_int(&all, i, 1) != g->me.postoffice;
	if (db_one(SQL_ISOLATION_PROBE_UNSET, NULL, 0, &a, &seen) == ST_OK)
		g->foreign += (int)row_int(&seen, 0, 0);
	else
		g->wrong++;
	arena_release(&a);
}

static int turns; /* how often the connection passed from one to the other */

static status be_guest(void *arg)
{
	static const void *last;
	for (int round = 0; round < GUEST_ROUNDS; round++) {
		turns += last != arg;
		last = arg;
		guest_round(arg, round);
	}
	return ST_OK;
}

Test(store_db, two_tenants_on_one_connection_never_see_each_other, .timeout = 1800)
{
	open_pool(1, 1);
	db_patience(3600 * USEC_S);
	struct given_tenant t[2] = {given_tenant(), given_tenant()};
	struct guest guests[2] = {{.me = t[0], .other = t[1]}, {.me = t[1], .other = t[0]}};
	struct task_limits limits = TASK_LIMITS_INIT;
	char sql[400];
	cr_assert(task_loop_open(&limits) == ST_OK);
	for (int i = 0; i < 2; i++)
		cr_assert(task_start("guest", be_guest, &guests[i]));
	task_loop_run();
	task_loop_close();
	for (int i = 0; i < 2; i++) {
		cr_expect(guests[i].foreign == 0, "%d foreign rows", guests[i].foreign);
		cr_expect(guests[i].wrong == 0, "%d rounds went wrong", guests[i].wrong);
		cr_expect(guests[i].own == GUEST_ROUNDS, "%d", guests[i].own);
		cr_expect(guests[i].failures > GUEST_ROUNDS / 4);
	}
	snprintf(sql, sizeof sql,
		"select count(*) from maildrop where postoffice in (%1$lld, %3$lld)"
		" and (postoffice, mailbox, token) not in ((%1$lld, %2$lld, %2$lld), (%3$lld, %4$lld, %4$lld))",
		(long long)t[0].postoffice, (long long)t[0].mailbox, (long long)t[1].postoffice,
		(long long)t[1].mailbox);
	cr_expect(turns > GUEST_ROUNDS, "%d turns", turns);
	cr_expect(given_sql(sql) == 0, "nor was anything written for the other one");
	db_close();
}

static status count_folders(void *arg)
{
	struct given_tenant *t = arg;
	arena a = ARENA_INIT;
	struct rows r;
	status kind = folders(t->postoffice, t->mailbox, &a, &r);
	t->inbox = kind == ST_OK ? r.count : -1;
	arena_release(&a);
	return kind;
}

static void *count_folders_thread(void *arg)
{
	count_folders(arg);
	return NULL;
}

Test(store_db, the_same_call_serves_fibers_and_threads)
{
	open_pool(2, 1);
	struct given_tenant t = given_tenant();
	struct given_tenant fibers[20], threads[4];
	pthread_t running[4];
	struct task_limits limits = TASK_LIMITS_INIT;
	cr_assert(task_loop_open(&limits) == ST_OK);
	for (int i = 0; i < 4; i++) {
		threads[i] = t;
		pthread_create(&running[i], NULL, count_folders_thread, &threads[i]);
	}
	for (int i = 0; i < 20; i++) {
		fibers[i] = t;
		cr_assert(task_start("count", count_folders, &fibers[i]));
	}
	task_loop_run();
	for (int i = 0; i < 20; i++)
		cr_expect(fibers[i].inbox == 1, "fiber %d", i);
	for (int i = 0; i < 4; i++) {
		pthread_join(running[i], NULL);
		cr_expect(threads[i].inbox == 1, "thread %d", i);
	}
	task_loop_close();
	db_close();
}

Test(store_db, who_finds_no_free_connection_in_time_is_told_busy)
{
	arena a = ARENA_INIT;
	open_pool(1, 1);
	db_patience(200 * USEC_MS);
	db_tx *tx = db_begin(DB_RUN, &a);
	cr_assert(db_flush(tx) == ST_OK);
	usec start = clock_now();
	cr_expect(db_run(SQL_TX_RUN_PING, NULL, 0, NULL, NULL) == ST_BUSY);
	cr_expect(clock_now() - start > 150 * USEC_MS);
	db_patience(3600 * USEC_S);
	usec before = task_deadline(clock_now() + 50 * USEC_MS);
	cr_expect(db_run(SQL_TX_RUN_PING, NULL, 0, NULL, NULL) == ST_TIMED_OUT,
		"the task's own deadline");
	task_deadline(before);
	db_rollback(&tx);
	cr_expect(db_run(SQL_TX_RUN_PING, NULL, 0, NULL, NULL) == ST_OK);
	db_close();
	arena_release(&a);
}

Test(store_db, a_lock_not_had_in_time_is_busy, .timeout = 300)
{
	arena a = ARENA_INIT;
	open_pool(2, 1);
	struct given_tenant t = given_tenant();
	struct param lock[] = {p_int(t.postoffice), p_int(t.mailbox), p_int(9), p_int(60 * USEC_S)};
	db_tx *tx = db_begin(DB_RUN, &a);
	db_add(tx, SQL_MAILDROP_LOCK, lock, 4, NULL);
	cr_assert(db_flush(tx) == ST_OK);
	cr_expect(db_run(SQL_MAILDROP_LOCK, lock, 4, NULL, NULL) == ST_BUSY);
	db_rollback(&tx);
	db_close();
	arena_release(&a);
}

Test(store_db, a_deadline_within_a_statement_leaves_the_pool_whole)
{
	arena a = ARENA_INIT;
	struct rows r;
	open_pool(1, 1);
	struct given_tenant t = given_tenant();
	struct param lock[] = {p_int(t.postoffice), p_int(t.mailbox), p_int(9), p_int(60 * USEC_S)};
	db_link *other = NULL;
	slice why;
	cr_assert(db_link_open(given_bootstrap()->pguri, "test", &a, &other, &why) == ST_OK);
	char script[400];
	snprintf(script, sizeof script,
		"begin; select set_config('pennypost.postoffice', '%lld', true);"
		"insert into maildrop values (%lld, %lld, 1, now())",
		(long long)t.postoffice, (long long)t.postoffice, (long long)t.mailbox);
	cr_assert(db_link_script(other, script, &a, &why) == ST_OK, "%.*s", SLICE_ARGS(why));
	cr_assert(db_run(SQL_TX_RUN_PING, NULL, 0, NULL, NULL) == ST_OK,
		"connected before the clock runs");
	usec before = task_deadline(clock_now() + USEC_S); /* lock_timeout is two */
	cr_expect(db_run(SQL_MAILDROP_LOCK, lock, 4, NULL, NULL) == ST_UNSURE,
		"a change was on its way");
	task_deadline(before);
	db_link_script(other, "rollback", &a, &why);
	db_link_close(&other);
	cr_expect(folders(t.postoffice, t.mailbox, &a, &r) == ST_OK);
	cr_expect(r.count == 1, "the next caller gets its own answer");
	db_close();
	arena_release(&a);
}

Test(store_db, connections_ended_while_idle_are_noticed)
{
	arena a = ARENA_INIT;
	struct rows r;
	open_pool_as(1, 1, "idle");
	struct given_tenant t = given_tenant();
	struct param lock[] = {p_int(t.postoffice), p_int(t.mailbox), p_int(1), p_int(USEC_S)};
	cr_assert(db_run(SQL_MAILDROP_LOCK, lock, 4, &a, &r) == ST_OK);
	pid_t idle = (pid_t)given_sql("select pid::bigint from pg_stat_activity where"
				      " application_name = 'idle' and usename = 'pennypost_run'");
	cr_assert(idle > 0);
	cr_assert(given_sql("select count(pg_terminate_backend(pid)) from pg_stat_activity where"
			    " application_name = 'idle' and usename = 'pennypost_run'") == 1);
	for (int tries = 0; tries < 1200 && (kill(idle, 0) == 0 || errno != ESRCH); tries++)
		usleep(50000); /* a minute at most: its end of the socket is closed when it is
		gone */
	cr_expect(db_run(SQL_MAILDROP_LOCK, lock, 4, &a, &r) == ST_OK);
	cr_expect(r.changed == 1);
	db_close();
	arena_release(&a);
}

#ifdef PENNYPOST_FAULT_POINTS
static int64_t keys_of(const struct given_tenant *t)
{
	char sql[160];
	snprintf(sql, sizeof sql, "select count(*) from maildrop where postoffice = %lld",
		(long long)t->postoffice);
	return given_sql(sql);
}

static status folder_load(
	int64_t postoffice, int64_t mailbox, int64_t inbox, arena *a, struct rows *out)
{
	struct param p[] = {p_int(postoffice), p_int(mailbox), p_null(P_TEXT), p_int(inbox),
		p_int(0), p_int(0), p_int(0)};
	return db_run(SQL_VIEW_LOAD, p, 7, a, out);
}

Test(store_db, what_is_known_of_a_commit_when_the_connection_breaks)
{
	static const struct {
		const char *fault;
		status kind;
		bool maybe; /* the row may stand */
	} rows[] = {
		{"db_send:1:fail", ST_OK, true}, /* nothing was sent: tried again */
		{"db_send:0:fail", ST_BUSY, false},
		{"db_commit_send:0:fail", ST_BUSY, false},
		{"db_sent:0:fail", ST_UNSURE, true},
		{"db_commit_sent:1:fail", ST_UNSURE, true},
		{"db_commit_done:1:fail", ST_UNSURE, true},
	};
	open_pool(1, 1);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct given_tenant t = given_tenant();
		struct param lock[] = {
			p_int(t.postoffice), p_int(t.mailbox), p_int(9), p_int(60 * USEC_S)};
		cr_assert(fault_arm(rows[i].fault));
		status kind = db_run(SQL_MAILDROP_LOCK, lock, 4, NULL, NULL);
		cr_expect(kind == rows[i].kind, "%s: %s", rows[i].fault, status_name(kind));
		fault_arm("");
		usleep(50000);
		cr_expect(rows[i].maybe || keys_of(&t) == 0, "%s", rows[i].fault);
		cr_expect(kind != ST_OK || keys_of(&t) == 1, "%s", rows[i].fault);
	}
	struct given_tenant t = given_tenant();
	arena a = ARENA_INIT;
	struct rows r;
	cr_assert(fault_arm("db_sent:1:fail"));
	cr_expect(folders(t.postoffice, t.mailbox, &a, &r) == ST_OK,
		"what only reads is tried again");
	cr_expect(r.count == 1);
	cr_assert(fault_arm("db_sent:1:fail"));
	cr_expect(folder_load(t.postoffice, t.mailbox, t.inbox, &a, &r) == ST_OK,
		"whatever word it begins with");
	cr_expect(r.count == 1);
	cr_assert(fault_arm("db_sent:0:fail"));
	cr_expect(folders(t.postoffice, t.mailbox, &a, &r) == ST_BUSY);
	cr_expect(folder_load(t.postoffice, t.mailbox, t.inbox, &a, &r) == ST_BUSY);
	fault_arm("");
	db_close();
	arena_release(&a);
}
#endif
