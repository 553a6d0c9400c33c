/* Changes whose outcome must be known (trust.md R5): one transaction, run again when the answer to
   its commit was lost, until it is known which of the two was stored. For the files of this
   folder. */
#ifndef PENNYPOST_PROVIDER_SETTLE_H
#define PENNYPOST_PROVIDER_SETTLE_H

#include "provider/db.h"

/* `again`: an earlier run may have been stored; a run that finds so gives what the first would have
   given. `once` must not do harm when both are stored. ST_BUSY: not stored. ST_UNSURE: not known: after
   20 s, or when the database has not been heard of for db_silence_most (db_lost). */
status settle(status (*once)(void *arg, bool again), void *arg);

/* After ST_UNSURE: who watches the folder, and the mailbox, is told to look, for it may be stored,
   and a hint costs nothing (news.h). `folder` 0: the one called so, where it can be found out now;
   without a name the mailbox alone. */
void settle_hint(int64_t postoffice, int64_t mailbox, int64_t folder, slice name);

/* A transaction that begins with the lock of a mailbox: what its later statements read is what they
   change. `mailbox` is lent until the flush or commit. */
db_tx *settle_begin(int64_t postoffice, const int64_t *mailbox, arena *a);
/* The same of two, which may be one; they are put in order. */
db_tx *settle_begin_both(int64_t postoffice, int64_t mailboxes[2], arena *a);

#endif
