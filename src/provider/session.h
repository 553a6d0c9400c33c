/* Sessions: who is logged on, here and on other nodes; and when a mailbox was last logged on to, by
   service.

       conversation --- session_open, session_close ---> a list in memory        (no question, no wait)
                                                              |
       the watch, once a second: what came, what went; in another transaction who was last logged on when
                                                              |
       operators --- session_list, session_end --------> table `session`

   A session that is over before the watch comes by is never written: mail programs that poll cost
   nothing. Rows count as long as their process has its number (node.h): those of one that died
   vanish with its lease. */
#ifndef PENNYPOST_PROVIDER_SESSION_H
#define PENNYPOST_PROVIDER_SESSION_H

#include "base/arena.h"
#include "base/clock.h"
#include "base/metric.h"
#include "base/slice.h"
#include "base/status.h"
#include "provider/audit.h"

typedef struct session session;

/* A mailbox was logged on to from this address. `end` is called with `arg`, in the watch task, when
   an operator wants the session to end; it must not wait. Never waits, never fails. */
session *session_open(int64_t postoffice, int64_t mailbox, enum service s, slice address,
	void (*end)(void *arg), void *arg);
/* Afterwards `end` is not called any more. NULL is nothing. On the loop's thread, as
   session_open. */
void session_close(session **s);

struct session_row {
	int64_t id;
	slice postoffice, mailbox; /* names */
	enum service service;
	slice address, node, process;
	usec since; /* wall */
};
/* Those of a post office, of a mailbox, or of all (0), the longest first. About a second behind. */
status session_list(int64_t postoffice, int64_t mailbox, unsigned most, arena *a,
	struct session_row **rows, int *n);
/* Asks the processes to end the session `id`, or those of a mailbox (0: of all in the post office,
   which must be given then); they do within two seconds, each after the command that runs. `whose`:
   what the audit calls those of a mailbox, which may be gone by now, or of all; a session's own mailbox is known.
   *asked: how many there are. */
status session_end(int64_t id, int64_t postoffice, int64_t mailbox, slice whose,
	const struct audit_by *by, int64_t *asked);

/* Whether this process has noted a logon to the mailbox by this service within the last minute. */
bool session_is_noted(int64_t mailbox, enum service s);
/* It has now. */
void session_noted(int64_t mailbox, enum service s);

#endif
