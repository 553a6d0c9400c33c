/* Folders live in a mailbox. UIDs and MODSEQ come from rows locked over commit (store.md, reason
   3), so readers see both rise in order. What a reader does inside one is in view.h, putting
   messages into one in append.h. */
#ifndef PENNYPOST_PROVIDER_FOLDER_H
#define PENNYPOST_PROVIDER_FOLDER_H

#include "base/arena.h"
#include "base/clock.h"
#include "base/status.h"
#include "base/text.h"

typedef struct folder {
	int64_t id, postoffice, mailbox;
	slice name; /* canonical: UTF-8, '/' between levels, INBOX in capitals */
	uint32_t uidvalidity, uidnext;
	int64_t modseq; /* HIGHESTMODSEQ; rises mailbox-wide, so no two folders share one but by a
			   move */
	int64_t messages, unseen, bytes;
	int64_t deleted;  /* messages with FLAG_DELETED */
	unsigned special; /* FOLDER_ bits */
	uint32_t recent;  /* UIDs from here on were shown as \Recent to nobody yet */
} folder;

/* Special use (RFC 6154, RFC 8457). One folder of a mailbox has each. */
#define FOLDER_ALL (1u << 0)
#define FOLDER_ARCHIVE (1u << 1)
#define FOLDER_DRAFTS (1u << 2)
#define FOLDER_FLAGGED (1u << 3)
#define FOLDER_JUNK (1u << 4)
#define FOLDER_SENT (1u << 5)
#define FOLDER_TRASH (1u << 6)
#define FOLDER_IMPORTANT (1u << 7)
/* "\\Drafts \\Sent" of such bits, and the bit of one word in any case; 0: there is no such use. */
void folder_special_text(unsigned special, text *out);
unsigned folder_special_bit(slice word);

#define FLAG_SEEN (1 << 0)
#define FLAG_ANSWERED (1 << 1)
#define FLAG_FLAGGED (1 << 2)
#define FLAG_DELETED (1 << 3)
#define FLAG_DRAFT (1 << 4)
/* Keywords that have a bit of their own everywhere; those of a mailbox are in keyword.h. */
#define FLAG_FORWARDED (1 << 5)
#define FLAG_MDN_SENT (1 << 6)
#define FLAG_JUNK (1 << 7)
#define FLAG_NOT_JUNK (1 << 8)
#define FLAG_PHISHING (1 << 9)
#define FLAG_IMPORTANT (1 << 10)
#define FLAG_SUBMIT_PENDING (1 << 11)
#define FLAG_SUBMITTED (1 << 12)

typedef struct entry { /* a message's place in a folder */
	uint32_t uid;
	int64_t modseq, flags, message, blob;
	int64_t size;  /* octets of the raw message */
	usec received; /* INTERNALDATE */
} entry;

/* Finds the folder called `name` (any case for INBOX). ST_ABSENT when there is none; *out is then
   untouched. */
status folder_find(int64_t postoffice, int64_t mailbox, slice name, arena *a, folder **out);
status folder_list(int64_t postoffice, int64_t mailbox, arena *a, folder **rows, int *n);
/* Removes these UIDs in one transaction: entries move to `expunged`, counts and quota fall, the
   change log tells. UIDs that are gone already are nothing. *removed may be NULL. */
status folder_expunge(int64_t postoffice, int64_t mailbox, int64_t folder, const uint32_t *uids,
	int n, int64_t *removed);
/* Removes what was received before the moment, in all folders of a mailbox (mailbox 0 = all of the
   post office, post office 0 = everywhere), in batches of 1,000 (A12, A27). */
status folder_remove_before(int64_t postoffice, int64_t mailbox, usec before, int64_t *removed);

/* ---- names. A name is valid when it is UTF-8 without control characters, `*` and `%`, and each of
   its levels is neither empty nor "." nor "..". A first level of INBOX in any case becomes INBOX; the
   rest is NFC. ST_INVALID. Every call below takes names as clients write them and does this itself.
   Waits for nobody. */
status folder_name(slice given, arena *a, slice *canonical);
/* The same of a name that is to be: the settings folder_name_most (bytes) and folder_depth_most
   (levels) bind it, ST_LIMITED. What stands already is found, whatever they are now. */
status folder_name_new(slice given, arena *a, slice *canonical);
/* Whether those settings let it be. */
bool folder_name_fits(slice name);
/* Whether they refuse it to one that is called otherwise now: beyond them, and by more than it was. */
bool folder_name_grows(slice was, slice name);
/* Whether readers know folders of others by such names (acl_name): one's own that is called so would
   be hidden behind them, so folder_make and folder_rename refuse it, ST_INVALID. */
bool folder_name_is_others(slice name);

/* ---- the tree, as LIST and STATUS need it: one round trip */
struct folder_row {
	folder f; /* f.id = 0: no such folder, only a name: a level above others that no folder
		     has (\NonExistent or \Noselect), or a subscription that outlived its folder */
	bool subscribed;
	bool children;   /* folders stand below it */
	unsigned rights; /* acl_tree alone: what the reader may do */
};
/* INBOX first, then by name so that children follow their parent. */
status folder_tree(int64_t postoffice, int64_t mailbox, arena *a, struct folder_row **rows, int *n);

/* ---- changing the tree. Every call is one transaction and bumps the mailbox's modseq. An outcome
   that was lost with its connection is found out before they return; ST_UNSURE means: nobody
   knows, and who watches is told to look. */

/* Makes the folder and the levels above that are missing, with a UIDVALIDITY no folder of this
   mailbox had before. What others do with it at once takes nothing from ST_OK: then *out has its id
   and name as it was made, and no UIDVALIDITY. ST_EXISTS, ST_INVALID, ST_LIMITED (setting mailbox_folders_most, or the
   name), ST_DENIED (another folder has this special use), ST_ABSENT (no such mailbox). */
status folder_make(
	int64_t postoffice, int64_t mailbox, slice name, unsigned special, arena *a, folder **out);
/* Children move along, levels above the new name that are missing are made, subscriptions stay as
   they are (RFC 9051, 6.3.6). Renaming INBOX moves its messages into a new folder of the other
   name; INBOX and what is below it stay (RFC 9051). ST_ABSENT, ST_EXISTS (the new name, or that of
   a child), ST_INVALID (a folder below itself, or INBOX or one of others as the new name), ST_LIMITED (also when the
   name of a child would become longer or deeper, and too much so). */
status folder_rename(int64_t postoffice, int64_t mailbox, slice from, slice to);
/* The same of this very folder, which is not INBOX: ST_ABSENT when its name is another one's
   now. */
status folder_rename_this(const folder *f, slice to);
/* Its messages become expunged ones; children stay, and the name with them (folder_row). ST_ABSENT,
   also when others give it another name at once; ST_DENIED: INBOX, or a name that has children and no folder. */
status folder_remove(int64_t postoffice, int64_t mailbox, slice name);
/* The same of this very folder: ST_ABSENT when its name is another one's now. */
status folder_remove_this(const folder *f);
/* Names need no folder. Twice the same is ST_OK. ST_LIMITED, of `on` alone: more than twice
   mailbox_folders_most, or the name. */
status folder_subscribe(int64_t postoffice, int64_t mailbox, slice name, bool on);

/* ---- undelete: what was expunged within expunged_retention comes back with a new UID, without
   FLAG_DELETED, in transactions of 1,000. ST_FULL: no room for all; *restored tells how many
   came. */
struct folder_lost {
	int64_t folder;  /* only what was in this one; 0 = all */
	usec since;      /* only what was removed at or after this wall time; 0 = all */
	int64_t message; /* only this one; 0 = all */
	int64_t into;    /* where to; 0 = where it was, or INBOX when that folder is gone */
};
status folder_undelete(
	int64_t postoffice, int64_t mailbox, const struct folder_lost *which, int64_t *restored);

#endif
