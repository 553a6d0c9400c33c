/* The maildrop: INBOX as POP3 reads it, under a lock that holds across nodes by a lease. A client
   that polls comes and goes all day, so coming and going are one round trip each. */
#ifndef PENNYPOST_PROVIDER_MAILDROP_H
#define PENNYPOST_PROVIDER_MAILDROP_H

#include "base/metric.h"
#include "provider/blob.h"
#include "provider/folder.h"

struct maildrop_taken {
	int64_t token; /* names this holder of the lock */
	uint32_t uidvalidity;
	entry *entries; /* rising UIDs; only uid, message, size and, of the first, blob */
	int n;
	struct blob_along
		first;  /* of entries[0], when there are few and it is small; else its size is 0 */
	usec since;     /* time since the last POP3 logon; USEC_NEVER when it is not known */
	int64_t logons; /* revision of logons (auth.h); told too when somebody else holds the lock;
			   0: not known */
};

/* Locks the mailbox for `lease`, notes the logon and lists its INBOX. ST_LIMITED: somebody else
   holds the lock. ST_ABSENT: no such folder; nothing is locked then. When a full disk of the
   database has no place for the lock either the INBOX is listed without it: as with a lock that is
   lost, maildrop_give removes nothing then. `delay` > 0 asks for `since` to be true to the second;
   else logons are noted once a minute at most. */
status maildrop_take(int64_t postoffice, int64_t mailbox, int64_t inbox, usec lease, usec delay,
	arena *a, struct maildrop_taken *out);
/* The same for a logon that is only remembered, true as of that revision: it is noted while the
   revision still stands, so that one that has to be asked for anew has not begun its delay. */
status maildrop_take_remembered(int64_t postoffice, int64_t mailbox, int64_t inbox, usec lease,
	usec delay, int64_t logons, arena *a, struct maildrop_taken *out);
/* Once per third of the lease, by the holder: ST_ABSENT when the lock was lost. A lease that ran
   out is still the holder's if nobody took it. */
status maildrop_renew(int64_t postoffice, int64_t mailbox, int64_t token, usec lease);
/* Removes the UIDs (as folder_expunge does) and gives the lock back, in one transaction, which
   conversations that end at the same time share. ST_ABSENT: the lock was lost, nothing was removed.
   ST_UNSURE: the answer to COMMIT was lost and the database stayed away for db_silence_most; all or
   none were removed. After any other trouble nothing was removed and the lock stands until its
   lease ends. */
status maildrop_give(int64_t postoffice, int64_t mailbox, int64_t inbox, int64_t token,
	const uint32_t *uids, int n);

#endif
