/* Folders live in a mailbox. UIDs and MODSEQ come from rows locked over commit (store.md, reason 3), so
   readers see both rise in order. */
#ifndef PENNYPOST_PROVIDER_FOLDER_H
#define PENNYPOST_PROVIDER_FOLDER_H

#include "base/arena.h"
#include "base/clock.h"
#include "base/status.h"

typedef struct folder {
	int64_t id, postoffice, mailbox;
	slice name;
	uint32_t uidvalidity, uidnext;
	int64_t modseq;
	int64_t messages, unseen, bytes;
} folder;

#define FLAG_SEEN (1 << 0)
#define FLAG_ANSWERED (1 << 1)
#define FLAG_FLAGGED (1 << 2)
#define FLAG_DELETED (1 << 3)
#define FLAG_DRAFT (1 << 4)

typedef struct entry { /* a message's place in a folder */
	uint32_t uid;
	int64_t modseq, flags, message, blob;
	int64_t size;      /* octets of the raw message */
	usec received;     /* INTERNALDATE */
} entry;

/* Finds the folder called `name` (any case for INBOX). ST_ABSENT when there is none; *out is then
   untouched. */
status folder_find(int64_t postoffice, int64_t mailbox, slice name, arena *a, folder **out);
status folder_list(int64_t postoffice, int64_t mailbox, arena *a, folder **rows, int *n);
/* Entries with uid > after, rising, at most `most` (0 = all). */
status folder_entries(int64_t postoffice, int64_t folder, uint32_t after, unsigned most, arena *a,
		      entry **rows, int *n);
/* Removes these UIDs in one transaction: entries move to `expunged`, counts and quota fall, the change
   log tells. UIDs that are gone already are nothing. *removed may be NULL. */
status folder_expunge(int64_t postoffice, int64_t mailbox, int64_t folder, const uint32_t *uids,
		      int n, int64_t *removed);
/* Removes what was received before the moment, in all folders of a mailbox (mailbox 0 = all of the
   post office, post office 0 = everywhere), in batches of 1,000 (A12, A27). */
status folder_remove_before(int64_t postoffice, int64_t mailbox, usec before, int64_t *removed);

#endif
