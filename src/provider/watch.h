/* What provider.c tells its neighbours: facts of this process that no table holds. */
#ifndef PENNYPOST_PROVIDER_WATCH_H
#define PENNYPOST_PROVIDER_WATCH_H

#include "provider/provider.h"

/* news_bell.c heard of a raised revision: looks at once instead of within the second. From any
   thread. */
void provider_look(void);
/* Whether the revisions of this process were those of the database a moment ago (1.5 s at most):
   what was told since is on its way. False where nobody watches (the command line), and while the
   database does not answer. */
bool provider_routing_watched(void);

/* setting.c: a memory of defaults; then everything set, and again what changed since. What was
   loaded stays readable after provider_close. */
void setting_open(void);
status setting_load(void);

/* node.c */
status node_renew(void);          /* ST_ABSENT: the number was lost; another one has been leased */
void node_role(const char *role); /* before node_lease */
bool node_is_valid(void);
slice node_name(void);
void node_number(int64_t *number, int64_t *token); /* the lease of this process */
slice node_process(void);                          /* what node_role was given */

/* ban_list.c */
void ban_list_tend(void);
/* session.c: writes what came and went since the last turn. At the end: writes the logons that are
   still to be noted, and not ST_OK when some remain; forgets all, and tells how many logons were
   not noted. */
void session_turn(void);
status session_flush(void);
void session_forget(void);

/* trace.c: forgets what is gathered, and tells how many rows that were */
void trace_close(void);

#endif
