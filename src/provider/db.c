/* Statements and transactions: parameters out, rows in, one pipeline and one sync per round trip.
   The whole round stands in a list until its answers came, so that a connection found dead can be
   replaced and the round sent again when that is harmless. */
#include "provider/connection.h"
#include "provider/wire.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/metric.h"
#include "task/task.h"

#include <assert.h>
#include <stdatomic.h>

/* How long a round trip may take whose caller has no deadline. PostgreSQL ends a statement after 30
   s by itself; one that is stopped, or whose machine hangs, says nothing at all. */
#define ROUND_MOST (10 * USEC_S)       /* in a fiber: mostly a client waits for it */
#define ROUND_MOST_ALONE (35 * USEC_S) /* on a thread of its own */

struct step {
	enum statement_id id;
	const struct param *params;
	int n;
	int number; /* of db_add since the last flush; -1: the house's own */
	struct rows *out;
	arena *arena; /* of its rows */
	bool prepares;
	struct step *next;
};

struct db_tx {
	enum db_role role;
	arena *arena;
	struct connection *connection;
	struct step *first, **last;
	struct step *newest;
	int added;
	int failed;
	usec connect_by;
	int64_t tenant;
	bool tenant_set;
	bool begun;  /* a BEGIN was answered */
	bool spoilt; /* only a rollback can follow */
};

static bool prepares = true; /* set before anybody is inside */

/* A prepared statement keeps the types of its first call: all others must match. */
static bool types_fit(enum statement_id id, const struct param *p, int n)
{
	static _Atomic uint64_t known[STATEMENT_COUNT + 1];
	uint64_t types = 1469598103934665603u + (uint64_t)n;
	for (int i = 0; i < n; i++)
		types = (types ^ (unsigned)(p[i].kind + 1)) * 1099511628211u;
	uint64_t first = 0;
	return atomic_compare_exchange_strong(&known[id], &first, types) || first == types;
}

/* ---- steps */

static const char *name_of(const struct step *s)
{
	return statement_table[s->id].name;
}

static bool only_reads(const struct step *s)
{
	return statement_table[s->id].reads;
}

static void step_add(
	db_tx *tx, enum statement_id id, const struct param *p, int n, int number, struct rows *out)
{
	struct step *s = arena_new(tx->arena, sizeof *s);
	struct param *copy = arena_new_array(tx->arena, (size_t)n, sizeof *copy);
	if (n)
		memcpy(copy, p, (size_t)n * sizeof *p);
	*s = (struct step){
		.id = id, .params = copy, .n = n, .number = number, .out = out, .arena = tx->arena};
	if (out)
		*out = (struct rows){0};
	*tx->last = s;
	tx->last = &s->next;
	tx->newest = s;
}

static void steps_forget(db_tx *tx)
{
	tx->first = NULL;
	tx->last = &tx->first;
	tx->newest = NULL;
	tx->added = 0;
}

static bool fits(const db_tx *tx, const struct step *s)
{
	enum statement_kind kind = statement_table[s->id].kind;
	bool role = kind == STATEMENT_GLOBAL ||
		    kind == (tx->role == DB_RUN ? STATEMENT_TENANT : STATEMENT_SYSTEM);
	return role && (unsigned)s->n == statement_table[s->id].params &&
	       types_fit(s->id, s->params, s->n);
}

/* The server skips what follows a failed statement, but a pooler takes a name it saw once for
   known, or taken: the next try has another. */
static const char *name_on(const struct connection *c, const struct step *s, text *room)
{
	if (c->skipped[s->id] == 0)
		return name_of(s);
	text_format(room, "%s.%u", name_of(s), c->skipped[s->id]);
	return room->at;
}

static bool send_prepared(struct connection *c, struct step *s, const struct wire *w)
{
	text room = TEXT_INIT;
	const char *name = name_on(c, s, &room);
	unsigned char bit = (unsigned char)(1u << (s->id % 8));
	bool ok = true;
	s->prepares = !(c->prepared[s->id / 8] & bit);
	if (s->prepares) {
		ok = PQsendPrepare(c->pg, name, statement_table[s->id].text, w->n, w->types);
		c->prepared[s->id / 8] |= bit;
	}
	ok = ok && PQsendQueryPrepared(c->pg, name, w->n, w->values, w->lengths, w->formats, 1);
	text_free(&room);
	return ok;
}

static bool step_send(struct connection *c, struct step *s)
{
	struct wire w;
	wire_params(&w, s->params, s->n);
	bool ok = prepares ? send_prepared(c, s, &w)
			   : PQsendQueryParams(c->pg, statement_table[s->id].text, w.n, w.types,
				     w.values, w.lengths, w.formats, 1);
	text_free(&w.room);
	return ok;
}

static void unprepared(struct connection *c, const struct step *s)
{
	c->prepared[s->id / 8] &= (unsigned char)~(1u << (s->id % 8));
	c->skipped[s->id]++;
}

/* ---- one round trip */

struct round {
	status kind;     /* of the first failure */
	int failed;      /* its number */
	bool commits;    /* this round ends the transaction */
	bool sent;       /* the sync, or a COMMIT, may have reached the server */
	bool silent;     /* the server did not answer within ROUND_MOST, or anybody else in this
	    process */
	bool committing; /* what is awaited now is the commit's own answer */
};

/* It ends a transaction that may have changed something. */
static bool stores(const db_tx *tx, const struct round *r)
{
	bool writes = tx->begun;

	for (const struct step *s = tx->first; s; s = s->next)
		writes |= !only_reads(s);
	return r->commits && writes;
}

/* COMMIT waits for no sync: it may run once it is queued, for a connection that is closed sends what
   is queued. Without BEGIN the sync commits. */
static status steps_send(db_tx *tx, struct round *r)
{
	for (struct step *s = tx->first; s; s = s->next) {
		bool commit = s->id == SQL_TX_COMMIT;

		if (commit && FAULT("db_commit_send"))
			return ST_CLOSED;
		r->sent |= commit;
		if (!step_send(tx->connection, s))
			return ST_CLOSED;
	}
	return !tx->begun && stores(tx, r) && FAULT("db_commit_send") ? ST_CLOSED : ST_OK;
}

static status round_send(db_tx *tx, struct round *r)
{
	if (FAULT("db_send"))
		return ST_CLOSED;
	TRY(steps_send(tx, r));
	r->sent = true;
	if (!PQpipelineSync(tx->connection->pg))
		return ST_CLOSED;
	TRY(connection_flush(tx->connection->pg));
	if (FAULT("db_sent") || (stores(tx, r) && FAULT("db_commit_sent")))
		return ST_CLOSED;
	return ST_OK;
}

static void fail(struct round *r, status kind, int number)
{
	if (r->kind == ST_OK) {
		r->kind = kind;
		r->failed = number;
	}
}

/* One answer of a step (its preparing, or its rows) with the NULL behind it. */
static status answer(db_tx *tx, struct step *s, bool preparing, struct round *r)
{
	PGconn *pg = tx->connection->pg;
	PGresult *got;
	status s1 = connection_result(pg, &got);
	ExecStatusType what = PQresultStatus(got);
	if (what == PGRES_FATAL_ERROR && got)
		fail(r, wire_failure(got, name_of(s)), s->number);
	else if (what == PGRES_TUPLES_OK && s->out && !preparing)
		wire_rows(got, s->arena, s->out);
	if (preparing && what != PGRES_COMMAND_OK)
		unprepared(tx->connection, s);
	if (!preparing && s->out && (what == PGRES_COMMAND_OK || what == PGRES_TUPLES_OK)) {
		uint64_t changed;
		if (slice_number(slice_z(PQcmdTuples(got)), &changed))
			s->out->changed = (int64_t)changed;
	}
	/* COMMIT of a transaction that had failed is answered by ROLLBACK. */
	if (s->id == SQL_TX_COMMIT && what == PGRES_COMMAND_OK && !preparing &&
		strcmp(PQcmdStatus(got), "COMMIT") != 0)
		fail(r, ST_BROKEN, -1);
	PQclear(got);
	TRY(s1);
	if (got == NULL)
		return ST_CLOSED;
	s1 = connection_result(pg, &got);
	PQclear(got);
	return s1;
}

static status round_gather(db_tx *tx, struct round *r)
{
	for (struct step *s = tx->first; s; s = s->next) {
		if (s->prepares)
			TRY(answer(tx, s, true, r));
		r->committing = s->id == SQL_TX_COMMIT;
		TRY(answer(tx, s, false, r));
	}
	/* The sync; before it stands an error when the implicit commit failed. */
	r->committing = !tx->begun;
	for (int silences = 0; silences < 2;) {
		PGresult *got;
		status kind = connection_result(tx->connection->pg, &got);
		ExecStatusType what = PQresultStatus(got);
		if (what == PGRES_FATAL_ERROR && got)
			fail(r, wire_failure(got, "commit"), -1);
		PQclear(got);
		TRY(kind);
		if (what == PGRES_PIPELINE_SYNC)
			return r->kind == ST_OK && stores(tx, r) && FAULT("db_commit_done")
				       ? ST_CLOSED
				       : ST_OK;
		silences += got == NULL;
	}
	return ST_CLOSED;
}

/* What is true after a round that ended in the middle. */
static status lost(const db_tx *tx, const struct round *r, status how)
{
	/* Refused before: the commit was never reached. A server that shuts down may say so in
	   place of the commit's answer, though. */
	if (r->kind != ST_OK && r->kind != ST_CLOSED && !r->committing)
		return r->kind;
	if (r->sent && stores(tx, r))
		return ST_UNSURE;
	return how == ST_CLOSED ? ST_BUSY : how;
}

static bool may_send_again(const db_tx *tx, const struct round *r, status how)
{
	return how == ST_CLOSED && !r->silent && !tx->begun &&
	       (r->kind == ST_OK || r->kind == ST_CLOSED) && lost(tx, r, how) == ST_BUSY;
}

static status take_connection(db_tx *tx)
{
	usec callers = task_deadline_now();
	task_deadline(tx->connect_by < callers ? tx->connect_by : callers);
	status s = pool_take(tx->role, &tx->connection);
	task_deadline(callers);
	return s == ST_TIMED_OUT && clock_now() < callers ? ST_BUSY : s;
}

static status round_once(db_tx *tx, struct round *r)
{
	*r = (struct round){.commits = r->commits, .failed = -1};
	if (tx->connection == NULL)
		TRY(take_connection(tx));
	usec callers = task_deadline_now();
	if (callers == USEC_NEVER)
		task_deadline(clock_now() + (task_self() ? ROUND_MOST : ROUND_MOST_ALONE));
	status how = round_send(tx, r);
	if (how == ST_OK)
		how = round_gather(tx, r);
	task_deadline(callers);
	if (how == ST_OK && r->kind != ST_CLOSED)
		return ST_OK;
	r->silent = how == ST_TIMED_OUT && clock_now() < callers;
	pool_drop(&tx->connection);
	return how == ST_OK || r->silent ? ST_CLOSED : how;
}

/* Sends the steps and gathers what they gave. The connection stays with the transaction. */
static status round_trip(db_tx *tx, bool commits)
{
	struct round r = {.commits = commits};
	usec start = clock_now();
	status how = round_once(tx, &r);
	if (how == ST_CLOSED && may_send_again(tx, &r, how))
		how = round_once(tx, &r);
	metric_time(M_db_seconds, SERVICE_NONE, clock_now() - start);
	tx->failed = r.failed;
	if (how == ST_OK)
		return r.kind;
	how = lost(tx, &r, how);
	tx->begun = false; /* with the connection the transaction is gone */
	return how;
}

bool db_passes(status kind)
{
	return kind == ST_BUSY || kind == ST_TIMED_OUT || kind == ST_CANCELLED || kind == ST_UNSURE;
}

/* ---- transactions */

db_tx *db_begin(enum db_role role, arena *a)
{
	db_tx *tx = arena_new(a, sizeof *tx);
	tx->role = role;
	tx->arena = a;
	tx->failed = -1;
	tx->connect_by = USEC_NEVER;
	steps_forget(tx);
	return tx;
}

enum db_role db_role_of(const db_tx *tx)
{
	return tx->role;
}

/* From the next statement on, rows of this post office are meant. */
static void tenant_set(db_tx *tx, int64_t postoffice)
{
	struct param *p = arena_new(tx->arena, sizeof *p);
	*p = p_int(postoffice);
	if (tx->newest && tx->newest->id == SQL_TX_RELAX)
		*tx->newest =
			(struct step){.id = SQL_TX_TENANT_RELAX, .params = p, .n = 1, .number = -1};
	else
		step_add(tx, SQL_TX_TENANT, p, 1, -1, NULL);
	tx->tenant = postoffice;
	tx->tenant_set = true;
}

void db_connect_by(db_tx *tx, usec moment)
{
	tx->connect_by = moment;
}

void db_relax(db_tx *tx)
{
	step_add(tx, SQL_TX_RELAX, NULL, 0, -1, NULL);
}

void db_add(db_tx *tx, enum statement_id id, const struct param *p, int n, struct rows *out)
{
	if (statement_table[id].kind == STATEMENT_TENANT && n > 0 &&
		(!tx->tenant_set || tx->tenant != p[0].number))
		tenant_set(tx, p[0].number);
	step_add(tx, id, p, n, tx->added, out);
	tx->added++;
}

void db_add_into(
	db_tx *tx, enum statement_id id, const struct param *p, int n, arena *a, struct rows *out)
{
	db_add(tx, id, p, n, out);
	tx->newest->arena = a;
}

static status steps_check(db_tx *tx)
{
	for (struct step *s = tx->first; s; s = s->next)
		if (!fits(tx, s)) {
			tx->failed = s->number;
			return log_trouble(ST_BROKEN, EV_DB_MISUSED, "statement=%s params=%d",
				name_of(s), s->n);
		}
	return ST_OK;
}

static void step_first(db_tx *tx, enum statement_id id)
{
	struct step *s = arena_new(tx->arena, sizeof *s);
	*s = (struct step){.id = id, .number = -1, .next = tx->first};
	tx->first = s;
	if (s->next == NULL)
		tx->last = &s->next;
}

status db_flush(db_tx *tx)
{
	if (tx->spoilt)
		return ST_BROKEN;
	status kind = steps_check(tx);
	if (kind == ST_OK) {
		bool begins = !tx->begun;
		if (begins)
			step_first(tx, SQL_TX_BEGIN);
		kind = round_trip(tx, false);
		tx->begun = tx->connection != NULL;
	}
	steps_forget(tx);
	tx->spoilt = kind != ST_OK;
	return kind;
}

status db_commit(db_tx **at, int *failed)
{
	db_tx *tx = *at;
	status kind = tx->spoilt ? ST_BROKEN : steps_check(tx);
	if (kind == ST_OK && (tx->first || tx->begun)) {
		if (tx->begun)
			step_add(tx, SQL_TX_COMMIT, NULL, 0, -1, NULL);
		kind = round_trip(tx, true);
		/* Without BEGIN the sync itself commits or undoes; with it a failure left it
		   open. */
		if (kind == ST_OK || !tx->begun) {
			tx->begun = false;
			pool_return(&tx->connection);
		}
	}
	if (failed)
		*failed = tx->failed;
	db_rollback(at);
	return kind;
}

void db_rollback(db_tx **at)
{
	db_tx *tx = *at;
	*at = NULL;
	if (tx == NULL || tx->connection == NULL)
		return;
	if (!tx->begun) {
		pool_return(&tx->connection);
		return;
	}
	usec before = task_deadline(clock_now() + 2 * USEC_S);
	task_shield(true);
	steps_forget(tx);
	step_add(tx, SQL_TX_ROLLBACK, NULL, 0, -1, NULL);
	if (round_trip(tx, false) == ST_OK)
		pool_return(&tx->connection);
	else
		pool_drop(&tx->connection);
	task_shield(false);
	task_deadline(before);
}

/* ---- one statement */

status db_run(enum statement_id id, const struct param *p, int n, arena *a, struct rows *out)
{
	arena own = ARENA_INIT;
	db_tx *tx = db_begin(
		statement_table[id].kind == STATEMENT_SYSTEM ? DB_SYSTEM : DB_RUN, a ? a : &own);
	db_add(tx, id, p, n, out);
	status kind = db_commit(&tx, NULL);
	arena_release(&own);
	return kind;
}

status db_one(enum statement_id id, const struct param *p, int n, arena *a, struct rows *out)
{
	arena own = ARENA_INIT;
	struct rows rows;
	status kind = db_run(id, p, n, a ? a : &own, &rows);
	if (kind == ST_OK && rows.count == 0 && (rows.columns > 0 || rows.changed == 0))
		kind = ST_ABSENT;
	if (kind == ST_OK && rows.count > 1)
		kind = log_trouble(ST_BROKEN, EV_DB_MISUSED, "statement=%s rows=%d",
			statement_table[id].name, rows.count);
	if (out)
		*out = kind == ST_OK ? rows : (struct rows){0};
	arena_release(&own);
	return kind;
}

/* ---- opening */

status db_open(const struct db_conf *c)
{
	prepares = !c->unprepared;
	return pools_open(c);
}

void db_close(void)
{
	pools_close();
}
