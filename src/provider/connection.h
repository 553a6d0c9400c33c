/* Connections to PostgreSQL: opening them without blocking, sending and receiving with task_wait,
   and the pools. For db.c and db_link.c only; nothing else in the house includes libpq.

   There is one pool per role and per kind of user: a descriptor that fibers have waited for stays
   registered with their loop, so it must also be closed there; plain threads keep connections of
   their own. */
#ifndef PENNYPOST_PROVIDER_CONNECTION_H
#define PENNYPOST_PROVIDER_CONNECTION_H

#include "provider/db.h"

#include <libpq-fe.h>

struct pool;
struct connection {
	PGconn *pg;
	int fd;                  /* its socket, even after libpq closed it */
	struct pool *pool;       /* NULL: of its own (db_link) */
	struct connection *next; /* idle in its pool */
	unsigned silences; /* of the database, when it was used last: it stands for nothing after
			      another */
	unsigned char prepared[STATEMENT_COUNT / 8 + 1];
	unsigned short skipped[STATEMENT_COUNT]; /* how often its preparing was: its name has that
						    number then */
};

/* Settings of a connection for statements that look at all of a table. */
extern const char connection_wide[];

/* Connects within 3 s. ST_BUSY; *why (may be NULL) then tells the reason, in the arena. */
status connection_open(const char *uri, const char *application, const char *options, PGconn **pg,
	arena *a, slice *why);
/* Whatever state it is in; the server ends what was running. */
void connection_close(PGconn **pg);

/* Until everything queued in libpq has left. ST_CLOSED: the connection is lost. ST_TIMED_OUT, also
   of the next one: the task's deadline passed, or the database has been silent to this process for
   as long as db_silence says. */
status connection_flush(PGconn *pg);
/* The next result, NULL between statements. ST_CLOSED: the connection is lost; *r may still
   be its last words. */
status connection_result(PGconn *pg, PGresult **r);

status pools_open(const struct db_conf *c);
void pools_close(void);
/* Waits for a place and gives a connection in pipeline mode, found alive or just opened.
   ST_BUSY. */
status pool_take(enum db_role role, struct connection **c);
/* Gives it back for the next one; or closes it, when its state is not known. */
void pool_return(struct connection **c);
void pool_drop(struct connection **c);

#endif
