/* Opening, and the watch: one task per process that asks what changed elsewhere, every second and
   when it is told to, writes out traces, renews the node's number and looks now and then
   (db_check_every) whether the database is still durable. */
#include "provider/provider.h"

#include "base/log.h"
#include "provider/auth.h"
#include "provider/auth_secret.h"
#include "provider/change.h"
#include "provider/message_fact.h"
#include "provider/message_sketch.h"
#include "provider/migrate.h"
#include "provider/news_bell.h"
#include "provider/node.h"
#include "provider/queue.h"
#include "provider/repeat.h"
#include "provider/setting.h"
#include "provider/trace.h"
#include "provider/view_cache.h"
#include "provider/watch.h"
#include "task/task.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>

#define TURN USEC_S
#define LOOK_GAP (20 * USEC_MS)          /* however often something changes */
#define WATCHED_MOST (TURN + USEC_S / 2) /* since the last look, for what is kept in its place */
#define SILENCE_MOST (3 * USEC_S)        /* of the database, before it counts as away */
#define HOOKS 8
#define LAST_PAUSE USEC_S      /* at the end: until what was refused is tried once more, */
#define LAST_MOST (3 * USEC_S) /* and for each try: the master waits for all of an end */
#define NO_TENANT INT64_C(1)   /* no post office has this id: base/id.h starts in 2020 */

static struct {
	_Atomic(const char *) trouble; /* of the last check; NULL = none */
	_Atomic usec answered_at;
	_Atomic usec looked_at; /* the last look that was answered began; 0: none */
	atomic_bool serves;
	_Atomic uint64_t routing;
	int64_t seen[REVISIONS]; /* by the watch alone */
	void (*hooks[REVISIONS][HOOKS])(void);
	pthread_t thread;
	bool has_thread;
	notice *rung; /* there is something to see, or the thread is to stop */
	atomic_bool stopping;
} house;

/* ---- revisions */

void change_watch(enum revision r, void (*seen)(void))
{
	for (int i = 0; i < HOOKS; i++)
		if (house.hooks[r][i] == NULL || house.hooks[r][i] == seen) {
			house.hooks[r][i] = seen;
			return;
		}
	assert(!"room for another hook");
}

void change_tell(enum revision r)
{
	if (r == REVISION_ROUTING)
		atomic_fetch_add(&house.routing, 1);
	for (int i = 0; i < HOOKS && house.hooks[r][i]; i++)
		house.hooks[r][i]();
}

uint64_t provider_routing_revision(void)
{
	return atomic_load(&house.routing);
}

bool provider_routing_watched(void)
{
	return atomic_load(&house.serves) &&
	       clock_now() - atomic_load(&house.looked_at) <= WATCHED_MOST;
}

static status look_for_changes(void)
{
	arena a = ARENA_INIT;
	struct rows r;
	status kind = db_run(SQL_REVISIONS_NOW, NULL, 0, &a, &r);
	for (int i = 0; kind == ST_OK && i < r.count; i++)
		for (int k = 0; k < REVISIONS; k++) {
			int64_t rev = row_int(&r, i, 1);
			if (!slice_same(row_slice(&r, i, 0),
				    slice_z(revision_name((enum revision)k))) ||
				rev == house.seen[k])
				continue;
			if (k == REVISION_SETTING && setting_load() != ST_OK)
				continue; /* again in a second */
			house.seen[k] = rev;
			change_tell((enum revision)k);
			log_event(EV_CHANGE_SEEN, "kind=%s revision=%" PRId64,
				revision_name((enum revision)k), rev);
		}
	arena_release(&a);
	return kind;
}

/* ---- checks (T50, R1) */

static status judge_role(const struct rows *r)
{
	if (!row_bool(r, 0, 1) && !row_bool(r, 0, 2) && !row_bool(r, 0, 3))
		return ST_OK;
	return log_trouble(ST_DENIED, EV_DB_ROLE, "role=%s superuser=%d bypassrls=%d owner=%d",
		row_slice(r, 0, 0).at, row_bool(r, 0, 1), row_bool(r, 0, 2), row_bool(r, 0, 3));
}

static status check_role(enum statement_id id, const char **why)
{
	arena a = ARENA_INIT;
	struct rows r;
	status kind = db_one(id, NULL, 0, &a, &r);
	if (kind == ST_OK && (kind = judge_role(&r)) != ST_OK)
		*why = "the database role bypasses row-level security";
	arena_release(&a);
	return kind;
}

/* News are hints: where their connection cannot be had, nothing is refused. */
static status check_news_role(const struct provider_conf *c)
{
	arena a = ARENA_INIT;
	struct rows r;
	status kind = ST_OK;
	if (c->boot->pguri_news.size > 0 &&
		bell_role(c->boot->pguri_news, c->application, &a, &r) == ST_OK)
		kind = judge_role(&r);
	arena_release(&a);
	return kind;
}

/* What is asked for at connecting does not come through every pooler; roles made by `pennypost
   schema init` have it. */
static void look_for_limits(enum db_role role)
{
	arena a = ARENA_INIT;
	struct rows r;
	struct param keyed = p_bool(role == DB_RUN);
	db_tx *tx = db_begin(role, &a);
	db_add(tx, SQL_LIMITS_MISSING, &keyed, 1, &r);
	if (db_commit(&tx, NULL) == ST_OK && r.count == 1 && !row_null(&r, 0, 0))
		log_event(EV_DB_UNBOUND, "role=%s without=%s", role == DB_RUN ? "run" : "system",
			log_quote(row_slice(&r, 0, 0)));
	arena_release(&a);
}

/* Settings of a role count for that role alone: each is asked as itself. */
static status check_durable(enum db_role role, const char **why)
{
	arena a = ARENA_INIT;
	struct rows r;
	db_tx *tx = db_begin(role, &a);
	db_add(tx, SQL_DURABILITY, NULL, 0, &r);
	status kind = db_commit(&tx, NULL);
	if (kind == ST_OK && !(row_bool(&r, 0, 0) && row_bool(&r, 0, 1) && row_bool(&r, 0, 2))) {
		log_event(EV_DB_NOT_DURABLE,
			"role=%s fsync=%s full_page_writes=%s synchronous_commit=%s",
			role == DB_RUN ? "run" : "system", row_bool(&r, 0, 0) ? "on" : "off",
			row_bool(&r, 0, 1) ? "on" : "off", row_bool(&r, 0, 2) ? "on" : "off");
		*why = !row_bool(&r, 0, 0) ? "the database is not durable: fsync is off"
		       : !row_bool(&r, 0, 1)
			       ? "the database is not durable: full_page_writes is off"
			       : "the database is not durable: synchronous_commit is off";
		kind = ST_DENIED;
	}
	arena_release(&a);
	return kind;
}

static status check_all(void)
{
	const char *why = NULL;
	status kind = check_durable(DB_RUN, &why);
	if (kind == ST_OK)
		kind = check_durable(DB_SYSTEM, &why);
	if (kind == ST_OK)
		kind = check_role(SQL_RUN_ROLE_FACTS, &why);
	if (kind == ST_OK)
		kind = check_role(SQL_SYSTEM_ROLE_FACTS, &why);
	if (kind == ST_OK || kind == ST_DENIED)
		atomic_store(&house.trouble, why);
	return kind;
}

static status check_ways(const struct provider_conf *c)
{
	look_for_limits(DB_RUN);
	look_for_limits(DB_SYSTEM);
	return check_news_role(c);
}

static status check_schema(void)
{
	arena a = ARENA_INIT;
	struct rows r;
	int64_t version = 0;
	status kind = db_one(SQL_SCHEMA_PRESENT, NULL, 0, &a, &r);
	if (kind == ST_OK && row_bool(&r, 0, 0)) {
		kind = db_one(SQL_SCHEMA_VERSION_KNOWN, NULL, 0, &a, &r);
		version = kind == ST_OK ? row_int(&r, 0, 0) : 0;
	}
	arena_release(&a);
	TRY(kind);
	if (version == 0)
		return log_trouble(ST_ABSENT, EV_SCHEMA_ABSENT, NULL);
	if (version != migrate_known())
		return log_trouble(ST_INVALID, EV_SCHEMA_OTHER, "schema=%lld program=%d",
			(long long)version, migrate_known());
	return ST_OK;
}

bool provider_healthy(const char **why)
{
	*why = atomic_load(&house.trouble);
	if (*why == NULL && atomic_load(&house.serves)) {
		if (clock_now() - atomic_load(&house.answered_at) > SILENCE_MOST)
			*why = "the database does not answer";
		else if (!node_is_valid())
			*why = "this process has lost its node number";
	}
	return *why == NULL;
}

bool provider_full(void)
{
	return db_full();
}

status provider_ping(void)
{
	return db_run(SQL_TX_RUN_PING, NULL, 0, NULL, NULL);
}

status provider_isolation_probe(void)
{
	arena a = ARENA_INIT;
	struct rows under = {0}, unset = {0};
	struct param nobody = p_int(NO_TENANT);
	status kind = db_one(SQL_ISOLATION_PROBE, &nobody, 1, &a, &under);
	if (kind == ST_OK)
		kind = db_one(SQL_ISOLATION_PROBE_UNSET, NULL, 0, &a, &unset);
	if (kind == ST_OK && (row_int(&under, 0, 0) || row_int(&unset, 0, 0)))
		kind = log_trouble(ST_BROKEN, EV_DB_NOT_ISOLATED, NULL);
	arena_release(&a);
	return kind;
}

/* ---- the watch */

/* Before all that may take the turn's time: who was not seen for NODE_SILENCE_MOST is taken for
   dead. */
static void renew(usec *renewed, usec now)
{
	status kind = node_renew();
	if (kind == ST_OK || kind == ST_ABSENT)
		*renewed = now;
}

static void turn(usec *renewed, usec *checked)
{
	usec now = clock_now();
	usec before = task_deadline(now + 5 * USEC_S);
	db_probe();
	if (now - *renewed >= NODE_RENEW_EVERY)
		renew(renewed, now);
	usec began = clock_now();
	if (look_for_changes() == ST_OK) {
		atomic_store(&house.looked_at, began);
		atomic_store(&house.answered_at, clock_now());
	}
	db_patience(setting_number(S_db_patience, NULL));
	db_silence(setting_number(S_db_silence_most, NULL));
	trace_flush();
	ban_list_tend();
	session_turn();
	if (now - *checked >= setting_number(S_db_check_every, NULL) && !db_passes(check_all()))
		*checked = now;
	task_deadline(before);
}

/* Until the next turn is due, or something is to be seen. */
static status rest(void)
{
	struct wait w = {.fd = -1, .notice = house.rung};
	int which;
	TRY(task_sleep(LOOK_GAP));
	status kind = task_wait_any(&w, 1, clock_now() + TURN - LOOK_GAP, &which);
	return kind == ST_TIMED_OUT ? ST_OK : kind;
}

static status watch(void *arg)
{
	(void)arg;
	usec renewed = clock_now(), checked = renewed;
	while (rest() == ST_OK && !atomic_load(&house.stopping))
		turn(&renewed, &checked);
	return ST_OK;
}

static void *watch_thread(void *arg)
{
	watch(NULL);
	return arg;
}

void provider_look(void)
{
	if (house.rung)
		notice_raise(house.rung);
}

static status watch_start(void)
{
	atomic_store(&house.answered_at, clock_now());
	atomic_store(&house.serves, true);
	db_silence(setting_number(S_db_silence_most, NULL));
	house.rung = notice_open();
	if (task_self())
		return task_start("watch", watch, NULL) ? ST_OK : ST_BUSY;
	house.has_thread = pthread_create(&house.thread, NULL, watch_thread, NULL) == 0;
	return house.has_thread ? ST_OK : ST_BUSY;
}

static void watch_stop(void)
{
	atomic_store(&house.stopping, true);
	if (house.has_thread) {
		notice_raise(house.rung);
		pthread_join(house.thread, NULL);
	}
	notice_close(&house.rung);
	house.has_thread = false;
	atomic_store(&house.stopping, false);
	atomic_store(&house.serves, false);
}

/* ---- opening and closing */

static status remember_revisions(void)
{
	for (int k = 0; k < REVISIONS; k++)
		house.seen[k] = -1;
	return look_for_changes(); /* loads all settings */
}

static status open_facts(const struct provider_conf *c)
{
	TRY(check_schema());
	TRY(check_all());
	if (c->first)
		TRY(check_ways(c));
	setting_open();
	TRY(remember_revisions());
	if (c->connections == 0)
		db_width(DB_RUN, (unsigned)setting_number(S_db_connections, NULL));
	db_patience(setting_number(S_db_patience, NULL));
	node_role(c->application);
	TRY(node_lease(c->boot->node));
	return c->serve ? watch_start() : ST_OK;
}

status provider_open(const struct provider_conf *c)
{
	struct db_conf db = {.uri = {c->boot->pguri.at, c->boot->pguri_system.at},
		/* The first one reads the settings. */
		.connections = {c->connections ? c->connections : 1, c->system_connections},
		.application = c->application,
		.unprepared = slice_same(c->boot->prepare, S("no"))};
	TRY(auth_secret_open(c->boot));
	auth_open();
	change_watch(REVISION_QUEUE, queue_ordered);
	TRY(db_open(&db));
	status kind = open_facts(c);
	if (kind == ST_OK)
		bell_open(c->boot, c->application, c->serve);
	else
		provider_close();
	return kind;
}

/* What is still to be written is, when a silent database speaks again; what it refused for a
   moment, or a pooler did, has one more chance. */
static void write_out(void)
{
	usec before = task_deadline_now();

	for (int tries = 0; tries < 2; tries++) {
		if (tries > 0)
			task_sleep(LAST_PAUSE);
		task_deadline(clock_now() + LAST_MOST);
		db_probe();
		status traces = trace_flush(), logons = session_flush();
		task_deadline(before);
		if (!db_passes(traces) && !db_passes(logons))
			return;
	}
}

void provider_close(void)
{
	bell_close();
	watch_stop();
	write_out();
	trace_close();
	session_forget();
	repeat_close();
	view_cache_clear();
	message_facts_forget();
	message_sketches_forget();
	node_release();
	db_close();
	auth_close();
	auth_secret_close();
}
