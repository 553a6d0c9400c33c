/* A view: a folder as one reader sees it. It numbers the messages, stays as it is until refreshed,
   and every call that changes something through it also refreshes it, in the same round trip.

       folder in PostgreSQL ---> entries[]  newest state, rising UIDs, shared by all views of a process
                                 uids[]     this reader's message numbers; may hold messages that
                                            are gone, as long as their numbers must stay (RFC 9051, 7.5.1)

   What is known about a folder at a MODSEQ is kept per process (setting view_cache_most) and asked
   of PostgreSQL only for what changed since, so opening again and looking again are one small query
   each; nothing is ever taken from there unasked, so no view shows old state.

   An unknown outcome of COMMIT is settled before a call returns: changes are made once, ST_BUSY means
   that they were not made, and ST_UNSURE that nobody could find out (settle.h). */
#ifndef PENNYPOST_PROVIDER_VIEW_H
#define PENNYPOST_PROVIDER_VIEW_H

#include "provider/folder.h"
#include "provider/keyword.h"

struct view_entry {
	int64_t modseq, flags; /* FLAG_ bits and keywords */
	int64_t message;       /* its id (OBJECTID EMAILID); facts and bodies by it */
	usec received;         /* INTERNALDATE */
	uint32_t uid, size;
	uint32_t saved; /* SAVEDATE, seconds since 1970 */
	int16_t zone;   /* of received: minutes east of UTC, as it was appended */
};

typedef struct view {
	int64_t postoffice, mailbox, folder;
	slice name; /* when it was opened */
	bool read_only;
	uint32_t uidvalidity, uidnext;
	int64_t modseq;       /* everything up to here is in the view */
	uint32_t recent;      /* UIDs from here on are \Recent here; UINT32_MAX = none */
	int n;                /* message numbers 1 .. n */
	const uint32_t *uids; /* [n], rising: uids[0] is message 1 */
	const struct view_entry *entries; /* [count], rising UIDs: those that exist; with n == count
					     entries[i] is message i + 1 */
	int count;
	struct keywords keywords; /* of the mailbox */
	struct view_inside *inside;
} view;

#define VIEW_READ_ONLY 1u /* EXAMINE: changing calls are ST_DENIED */
#define VIEW_RECENT                                                                                \
	2u /* knows the \Recent ones and takes them, so that later ones do not; with               \
	      VIEW_READ_ONLY they stay so to others */
/* ST_ABSENT: no such folder. */
status view_open(int64_t postoffice, int64_t mailbox, slice name, unsigned flags, view **v);
void view_close(view **v); /* never waits; NULL is nothing */
/* For a reader that falls idle: keeps its message numbers, four bytes each, and gives the entries
   back. The next call that waits brings them again, and tells what changed as ever; until then
   there are none. Never waits. */
void view_rest(view *v);

/* Names that keyword_add() has just given, so that the view need not be asked for them first. */
void view_learn(view *v, const struct keywords *k);

/* The entry with this UID; NULL when there is none any more. */
const struct view_entry *view_find(const view *v, uint32_t uid);
/* The first place in `uids`, which rise, whose UID is at least `uid`; `n` when there is none. */
int view_place(const uint32_t *uids, int n, uint32_t uid);
/* Its message number; 0 when it has none. */
int view_number(const view *v, uint32_t uid);

/* ---- what changed, in the order a client may be told: gone, arrived, changed */
struct view_change {
	const uint32_t *gone; /* [gone_n] message numbers as they were before, falling: after each
				 EXPUNGE the next number is still right */
	const uint32_t *gone_uids; /* their UIDs, falling too */
	int gone_n;
	int held_n;  /* gone ones that keep their number for now (view_find gives NULL) */
	int arrived; /* the last so many of 1 .. v->n are new; EXISTS is v->n */
	const uint32_t *changed; /* UIDs whose flags or modseq changed, rising; without new ones */
	int changed_n;
	int64_t own;  /* modseq this call gave; entries with another one were changed by
			others. 0 = it changed nothing */
	int expunged; /* by this call: others may have done so to more of `gone`. Less than it was
			 where the answer to COMMIT was lost */
};
/* `hold`: messages that are gone keep their numbers, until a call without it tells them. *out lives
   in `a`. ST_ABSENT: the folder was removed; the view stays as it was. */
status view_refresh(view *v, bool hold, arena *a, struct view_change *out);

/* What became of the folder since a MODSEQ that a client knows (CHANGEDSINCE, QRESYNC): the
   changed ones are the entries with a greater modseq. Gives the vanished as ranges, rising; when
   the change log does not reach so far back, or the folder was removed since it was opened,
   *complete is false and they are all UIDs below uidnext that are not in the view. */
struct view_range {
	uint32_t first, last;
};
status view_vanished(
	view *v, int64_t since, arena *a, struct view_range **ranges, int *n, bool *complete);

/* ---- changing. UIDs in any order; those that are gone, or not in the view yet, are nothing. */

struct view_flags {
	int64_t remove, add;     /* new = old & ~remove | add; replace: remove = VIEW_ALL_FLAGS */
	int64_t unchanged_since; /* UNCHANGEDSINCE: entries with a greater modseq stay; -1 = no
				    condition */
};
#define VIEW_ALL_FLAGS INT64_MAX
struct view_stored {
	struct view_change change;
	const uint32_t *failed; /* UIDs that unchanged_since held back, rising (MODIFIED) */
	int failed_n;
	bool removed; /* the folder was, right behind this change, which the view does not show */
	bool hidden;  /* the view does not show the change: it could not be refreshed */
};
/* STORE. What changed is in change.changed with modseq == change.own; entries that had these flags
   already keep their modseq. ST_UNSURE also when the answer to the change was lost and it cannot be
   seen now which of the messages were held back. */
status view_store(view *v, const uint32_t *uids, int n, const struct view_flags *f, bool hold,
	arena *a, struct view_stored *out);

/* EXPUNGE, UID EXPUNGE: of these UIDs (NULL: of all) those with FLAG_DELETED. */
status view_expunge(view *v, const uint32_t *uids, int n, arena *a, struct view_change *out);

struct view_copied { /* COPYUID */
	uint32_t uidvalidity;
	const uint32_t *from, *to; /* [n] pairs, both rising */
	int n;
	int64_t modseq; /* the last of theirs in the other folder; 0 when n is 0 */
	struct view_change
		change; /* of this view; after a copy into the folder itself it has arrivals */
};
/* To another folder of the mailbox, all or none. Flags, dates and the message go along. A copy with
   `hold` is one by number: when one of them is gone nothing is copied, and out->n is 0 (RFC
   2180 4.4). ST_ABSENT: there is no such folder (TRYCREATE), or what would be given the messages is
   a disabled mailbox; ST_FULL: no room (copy); ST_DENIED: move from a read-only view. */
status view_copy(view *v, const uint32_t *uids, int n, slice name, bool hold, arena *a,
	struct view_copied *out);
status view_move(
	view *v, const uint32_t *uids, int n, slice name, arena *a, struct view_copied *out);

struct view_target {
	int64_t mailbox; /* of the same post office */
	slice name;
	int64_t folder; /* its id: ST_ABSENT when the name is another one's now */
	int64_t flags;  /* those that may go along */
};
/* The same to this very folder of any mailbox of the post office. Keywords go along by their names,
   as far as the other mailbox has room for names; its quota counts, ST_FULL also for a move. A move
   is one transaction of both mailboxes; what leaves can be had back by folder_undelete. */
status view_copy_to(view *v, const uint32_t *uids, int n, const struct view_target *to, bool hold,
	arena *a, struct view_copied *out);
status view_move_to(view *v, const uint32_t *uids, int n, const struct view_target *to, arena *a,
	struct view_copied *out);

#endif
