/* The index of searches: a sketch of every message (mail/sketch.h) of the post offices where
   search_index is on, made behind deliveries, of new mail first and of old mail at the pace of
   search_index_old. It may always be incomplete: what has no sketch is read. Where the setting was
   switched off the index goes. One of an older form is made anew; one of a newer form belongs to
   the newer program, and is neither changed nor used. */
#ifndef PENNYPOST_PROVIDER_SEARCH_INDEX_H
#define PENNYPOST_PROVIDER_SEARCH_INDEX_H

#include "base/arena.h"
#include "base/status.h"
#include "provider/audit.h"

struct search_index_turn {
	int64_t sketched, dropped; /* messages */
	bool more;                 /* new mail waits: no pause is due */
};
/* One turn over all post offices. ST_LIMITED: another process of the house is at it. */
status search_index_run(struct search_index_turn *done);
/* The process that ran it leaves the work to others. */
void search_index_stop(void);

struct search_index_row {
	int64_t postoffice;
	slice name;
	bool wanted;         /* the setting */
	bool current, newer; /* it is of this program's form; of a newer one's, which this one
				leaves alone */
	bool complete;       /* old mail is done */
	int64_t messages, sketched;
};
/* Post offices that have an index or want one, by number. */
status search_index_list(arena *a, struct search_index_row **rows, int *n);
/* Drops it; where it is wanted it is made anew from the next turn on. */
status search_index_rebuild(int64_t postoffice, const struct audit_by *by);

#endif
