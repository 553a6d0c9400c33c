/* Providers are the only road to stored facts, and the only users of libpq. This header opens and
   closes them as a whole; each kind of fact has a header of its own. The same headers have a second
   implementation in memory (provider/memory), chosen at link time, for tests and fuzzers.

   Calls may wait (task/task.h), from fibers and from plain threads alike. All give, besides what
   their contract names: ST_BUSY (database unreachable, pool exhausted, lock not had; try later),
   ST_TIMED_OUT and ST_CANCELLED of the task, ST_BROKEN (logged; an operator must look), and calls
   that change facts ST_UNSURE (the connection was lost while committing: look what is true). None
   holds a database connection after it returned. Results live in the arena passed. */
#ifndef PENNYPOST_PROVIDER_PROVIDER_H
#define PENNYPOST_PROVIDER_PROVIDER_H

#include "provider/bootstrap.h"

struct provider_conf {
	const struct bootstrap *boot;
	unsigned connections; /* run-time role; 0 = as many as the setting db_connections says */
	unsigned system_connections; /* system role */
	const char *application;     /* application_name: "pennypost mail/0" */
	bool first; /* of a server's processes: looks also at what is the same for all of them */
	bool serve; /* a server process: starts the watch task (settings reload,
		       durable check, node lease); false for the command line */
};

/* Connects, checks and loads settings. Logs one sentence with the remedy and gives
   ST_BUSY     PostgreSQL cannot be reached,
   ST_ABSENT   the schema is missing (run `pennypost schema migrate`),
   ST_INVALID  the schema's version is not one this program knows,
   ST_DENIED   the role bypasses row-level security, is superuser or owner, or fsync,
               full_page_writes or synchronous_commit is off (T50, R1). */
status provider_open(const struct provider_conf *c);
/* Nobody may be inside any more. Settings stay readable as they were. */
void provider_close(void);

/* The database answers and is durable (checked at start and each db_check_every, R1); for SMTP's
   421 and for /readyz. Does not wait. `why` (static) tells what is wrong. */
bool provider_healthy(const char **why);
/* The database has refused something within the last 5 s since its disk is full. For the words of
   who was just given ST_BUSY by what stores. Does not wait. */
bool provider_full(void);
/* A real round trip: for /readyz. */
status provider_ping(void);
/* Tries to read another tenant's rows as the run-time role; ST_BROKEN when it can (T50). */
status provider_isolation_probe(void);
/* Rises when routing facts (domains, addresses, mailboxes' states, post offices) changed anywhere;
   polled every second and passed on; caches compare it. */
uint64_t provider_routing_revision(void);

#endif
