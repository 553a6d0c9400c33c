/* The database, for the files of this folder only: the one place that speaks libpq.

   Statements stand in sql/statement/<provider>.sql, each under a heading
       -- statement NAME [system|tenant|global|owner]
   and become SQL_NAME. The word says on which connection and under which law it runs:
     tenant  (default) the run-time role with the post office set: $1 is the post office, and
             row-level security shows rows of no other one,
     global  the run-time role with no post office set: tables without a tenant (revision, node,
             repeat, throttle); tenant tables look empty,
     system  the system role: routing, housekeeping, operators' lists; it sees every post office,
             but only what sql/schema grants to it,
     owner   only `pennypost schema`.

   Everything waits by task_wait, so the same call works from fibers and plain threads. Parameters
   and results travel in binary. One call is one round trip: what is queued goes out in one
   pipeline with one sync.

   Kinds, from SQLSTATE, besides ST_TIMED_OUT and ST_CANCELLED of the task:
     ST_EXISTS   23505 a unique key stands already
     ST_ABSENT   23503 the referenced row is not there
     ST_INVALID  22012 an assertion of the statement failed. Statements assert by division: an
                 expression like `1 / (used + $3 <= quota)::int` stops the whole transaction;
                 22021 a text is not UTF-8 or has a NUL
     ST_BUSY     40001 40P01 55P03 57014 (serialisation, deadlock, lock or statement timeout),
                 53xxx (disk full, memory, too many connections), 57P01-05 (the server ends), a
                 connection refused or lost before anything could be committed, no connection to be had, no
                 answer within 10 s (35 s on a plain thread) to a caller without a deadline, no answer
                 to anybody in the process within db_silence (then at once, until it speaks again)
     ST_UNSURE   the connection was lost, the database fell silent, or the task ended, after the commit was sent and before its
                 answer came: it may or may not be stored. So it is with 08xxx, by which a pooler tells that
                 its own connection broke, whatever came of what was sent. Never given for statements that only
                 read (statement.h): those are tried once more, then ST_BUSY
     ST_BROKEN   everything else; logged with the statement's name and SQLSTATE, never with values */
#ifndef PENNYPOST_PROVIDER_DB_H
#define PENNYPOST_PROVIDER_DB_H

#include "base/arena.h"
#include "base/clock.h"
#include "base/status.h"
#include "provider/statement.h"

/* ---- parameters: by value, the bytes behind them are lent until the call that sends them returns
   (db_run, db_flush, db_commit). The SQL types are fixed: bigint, boolean, text, bytea, timestamptz
   and arrays of them, whatever the column is (PostgreSQL casts on assignment); a statement must be
   called with the same types every time, so a NULL says of which type it is. */
enum param_kind {
	P_INT, /* bigint; also for smallint and int columns */
	P_BOOL,
	P_TEXT,
	P_BYTES,       /* bytea */
	P_TIME,        /* timestamptz */
	P_INT_ARRAY,   /* bigint[] */
	P_TEXT_ARRAY,  /* text[] */
	P_BYTES_ARRAY, /* bytea[] */
	P_TIME_ARRAY   /* timestamptz[] */
};
struct param {
	enum param_kind kind;
	bool null;
	int count; /* arrays */
	int64_t number;
	slice bytes;
	const int64_t *numbers; /* P_INT_ARRAY, P_TIME_ARRAY */
	const slice
		*slices; /* P_TEXT_ARRAY, P_BYTES_ARRAY; an element with a NULL pointer is NULL */
};
static inline struct param p_null(enum param_kind kind)
{
	return (struct param){.kind = kind, .null = true};
}
static inline struct param p_int(int64_t v)
{
	return (struct param){.kind = P_INT, .number = v};
}
static inline struct param p_bool(bool v)
{
	return (struct param){.kind = P_BOOL, .number = v};
}
static inline struct param p_text(slice v) /* an empty slice is the empty text, never NULL */
{
	return (struct param){.kind = P_TEXT, .bytes = v};
}
static inline struct param p_bytes(slice v)
{
	return (struct param){.kind = P_BYTES, .bytes = v};
}
static inline struct param p_time(usec wall) /* since 1970; USEC_NEVER = infinity */
{
	return (struct param){.kind = P_TIME, .number = wall};
}
static inline struct param p_int_array(const int64_t *v, int n)
{
	return (struct param){.kind = P_INT_ARRAY, .numbers = v, .count = n};
}
static inline struct param p_time_array(const usec *v, int n)
{
	return (struct param){.kind = P_TIME_ARRAY, .numbers = v, .count = n};
}
static inline struct param p_text_array(const slice *v, int n)
{
	return (struct param){.kind = P_TEXT_ARRAY, .slices = v, .count = n};
}
static inline struct param p_bytes_array(const slice *v, int n)
{
	return (struct param){.kind = P_BYTES_ARRAY, .slices = v, .count = n};
}

/* ---- results: copied into the arena of the call; rows and columns count from 0. Asking a column
   that is not there is a programming error. */
struct cell {
	const char *at;
	int32_t size;  /* -1 = NULL */
	uint32_t type; /* OID */
};
struct rows {
	int count, columns;
	int64_t changed; /* rows an INSERT, UPDATE or DELETE touched */
	const struct cell *cells;
};
int64_t row_int(
	const struct rows *r, int row, int column); /* smallint, int, bigint, "char"; 0 for NULL */
bool row_bool(const struct rows *r, int row, int column); /* false for NULL */
slice row_slice(const struct rows *r, int row,
	int column); /* text, bytea, ..; terminated; empty for NULL */
usec row_time(
	const struct rows *r, int row, int column); /* wall; 0 for NULL, USEC_NEVER for infinity */
bool row_null(const struct rows *r, int row, int column);
/* bigint[] or int[]: *n values in the arena; NULL and empty give 0. Elements that are NULL become
   0. */
const int64_t *row_int_array(const struct rows *r, int row, int column, arena *a, int *n);
/* timestamptz[], likewise, as row_time. */
const usec *row_time_array(const struct rows *r, int row, int column, arena *a, int *n);

/* ---- one statement: a transaction of its own in one round trip, on the connection its heading
   names. Tenant statements: p[0] is the post office, set for this transaction before it. `out` may
   be NULL; ST_OK with no row found is an empty `out`. */
status db_run(enum statement_id id, const struct param *p, int n, arena *a, struct rows *out);
/* The same and exactly one row: ST_ABSENT when there is none. For statements that change rows and
   give none back it is ST_ABSENT when none was changed. */
status db_one(enum statement_id id, const struct param *p, int n, arena *a, struct rows *out);

/* Whether what was not written, or may not have been (ST_UNSURE), is worth another try: it was not
   refused for what it is. */
bool db_passes(status kind);

/* ---- several statements in one transaction. db_begin and db_add only note what is to
   come: they never wait and cannot fail. A connection is taken at the first db_flush or at
   db_commit. A transaction without db_flush is ONE round trip from begin to commit. Between a
   db_flush and the end it holds a connection: ask for no second one meanwhile, and wait for nobody
   (R15). */
typedef struct db_tx db_tx;
enum db_role { DB_RUN, DB_SYSTEM };
#define DB_ROLES 2

/* Results of the transaction live in `a`, as does the transaction itself. */
db_tx *db_begin(enum db_role role, arena *a);
enum db_role db_role_of(const db_tx *tx);
/* The commit need not be on disk when it is answered: for traces, statistics, last logon. */
void db_relax(db_tx *tx);
/* It waits for its connection no longer than until then: ST_BUSY. */
void db_connect_by(db_tx *tx, usec moment);
/* `p` is copied, what it points to is lent until the next db_flush or db_commit; *out (may be NULL)
   is filled there. The statement's heading must fit the role: tenant and global run under DB_RUN,
   system and global under DB_SYSTEM. A tenant statement whose p[0] is not the post office set last
   sets it by itself. */
void db_add(db_tx *tx, enum statement_id id, const struct param *p, int n, struct rows *out);
/* The same; what it tells lives in `a`. */
void db_add_into(
	db_tx *tx, enum statement_id id, const struct param *p, int n, arena *a, struct rows *out);
/* Sends what is queued and gathers every answer: one round trip. The first failure's kind is
   returned, the transaction can then only be rolled back. Statements queued behind the
   failed one did not run. */
status db_flush(db_tx *tx);
/* Sends what is queued with the commit behind it and waits for the answer. Always ends the
   transaction, sets *tx to NULL and gives the connection back. ST_OK: durable. ST_UNSURE: see
   above. Anything else: nothing of it is stored. *failed (may be NULL) = index (from 0, counting
   db_add since the last flush) of the statement that failed; -1 when the failure was not one
   statement's (connection, commit). */
status db_commit(db_tx **tx, int *failed);
/* Nothing of it is stored. NULL is nothing. Does not fail; works for a cancelled task too. */
void db_rollback(db_tx **tx);

/* ---- opening, by provider.c. connections[role]: most connections of that pool. */
struct db_conf {
	const char *uri[DB_ROLES];
	unsigned connections[DB_ROLES];
	const char *application;
	bool unprepared; /* statements are parsed each time: a pooler gives each transaction another
			    connection */
};
status db_open(const struct db_conf *c); /* does not connect yet */
void db_close(void);                     /* nobody may be inside any more */
/* Most connections of a role from now on. */
void db_width(enum db_role role, unsigned connections);
void db_patience(usec span); /* longest wait for a free connection (setting db_patience) */
/* How long the database may say nothing to the whole process until those who wait for it give up
   (setting db_silence_most); USEC_NEVER, as after db_open: not at all. A slow statement is no
   silence while others are answered, for which somebody must ask now and then: only for processes
   with a watch. */
void db_silence(usec span);
/* By the watch, each turn: tries whether a database that is silent speaks again; until it does
   everybody else is refused at once. Waits for 3 s at most, not for a place among the connections:
   it may open one more. */
void db_probe(void);
/* Whether somebody has waited for `span` since `since` and nothing was heard of the database
   meanwhile or it cannot be connected to, or it is known to be silent: to ask on what became of
   something is no use to him. Never in a process without db_silence: no client hangs on its
   answer. */
bool db_lost(usec since, usec span);
/* Whether it was silent to this process or could not be connected to within the last `span`. */
bool db_lost_within(usec span);
/* When a run is to end behind which its caller asks db_lost: 0.9 s after the span is over, so that who
   waits at the door of a database that starts hears before 5 s are over (R4). `until` where that is
   sooner, in a process without db_silence, and when that time is over: it was not lost then. */
usec db_lost_by(usec since, usec span, usec until);
/* Whether PostgreSQL has refused a statement within the last 5 s because a disk of its own is full
   (53100): what is ST_BUSY now is so by that, as far as one can tell. */
bool db_full(void);

/* Checks a connection URI (or key=value string) and gives it with another user and password. Empty
   `user`: as it is. An empty `password` keeps the one that stands there. ST_INVALID with *why. */
status db_uri_as(slice uri, slice user, slice password, arena *a, slice *out, slice *why);
/* The same with another database, too; empty: as it is. Nothing stands twice in what it gives. */
status db_uri_to(
	slice uri, slice user, slice password, slice database, arena *a, slice *out, slice *why);

/* ---- a connection of one's own beside the pools: migrations, roles, checks. Waits like the
   rest. */
typedef struct db_link db_link;
/* ST_BUSY when it cannot be had; the reason is in *why (arena), or logged where that is NULL. */
status db_link_open(slice uri, const char *application, arena *a, db_link **l, slice *why);
void db_link_close(db_link **l);
bool db_link_is_superuser(const db_link *l);
/* Any number of statements separated by semicolons, no results. One transaction unless the text
   says otherwise. On failure *why (may be NULL) is PostgreSQL's message with its SQLSTATE. */
status db_link_script(db_link *l, const char *sql, arena *a, slice *why);
/* A password as the server keeps it (SCRAM), for statements: whatever PostgreSQL logs and shows of
   them, the password is not among it. */
status db_link_password(db_link *l, const char *role, slice password, arena *a, slice *kept);
/* For LISTEN: the socket to wait for, and what has come; *heard is false when nothing more is
   there. *own: said by this connection. ST_CLOSED: the connection is lost. The payload lives in
   `a`. */
int db_link_fd(const db_link *l);
status db_link_hear(db_link *l, arena *a, bool *heard, slice *payload, bool *own);
/* Whether its backend is the connection's own. A pooler's is another's in the next transaction:
   nobody listens there. */
status db_link_own(db_link *l, arena *a, bool *own);
/* One statement with parameters and results. */
status db_link_run(
	db_link *l, const char *sql, const struct param *p, int n, arena *a, struct rows *out);

#endif
