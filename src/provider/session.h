/* Sessions: who is reading which mailbox, on which node; and the maildrop lock of POP3, which holds
   across nodes by a lease. */
#ifndef PENNYPOST_PROVIDER_SESSION_H
#define PENNYPOST_PROVIDER_SESSION_H

#include "base/metric.h"
#include "base/status.h"
#include "base/slice.h"

/* Takes the lock of a mailbox for `lease`; ST_LIMITED when somebody else holds it. *token names
   this holder. A holder whose lease ran out loses it to the next one. */
status session_lock(int64_t postoffice, int64_t mailbox, usec lease, int64_t *token);
/* Once per third of the lease, by the holder: ST_ABSENT when the lock was lost. */
status session_lock_renew(int64_t postoffice, int64_t mailbox, int64_t token, usec lease);
void session_unlock(int64_t postoffice, int64_t mailbox, int64_t token);
/* LOGIN-DELAY and last logon: notes a logon; *since = time since the one before (USEC_NEVER: none). */
status session_logon(int64_t postoffice, int64_t mailbox, enum service s, usec *since);

#endif
