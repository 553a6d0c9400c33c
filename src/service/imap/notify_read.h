/* The arguments of NOTIFY, for notify.c, which tells what is asked for here. */
#ifndef PENNYPOST_SERVICE_IMAP_NOTIFY_READ_H
#define PENNYPOST_SERVICE_IMAP_NOTIFY_READ_H

#include "base/text.h"
#include "service/imap/args.h"
#include "service/imap/filter.h"

#define GROUPS_MOST 20

enum { /* events, as bits */
	WANTS_NEW = 1,
	WANTS_GONE = 2,
	WANTS_FLAGS = 4,
	WANTS_NAME = 8,
	WANTS_SUBSCRIPTION = 16,
	WANTS_METADATA = 32,
	WANTS_SERVER_METADATA = 64,
	WANTS_MESSAGES = WANTS_NEW | WANTS_GONE | WANTS_FLAGS
};

struct notify_group {
	struct filter folders;
	unsigned events; /* 0: NONE */
};
static inline bool notify_is_of_selected(const struct notify_group *g)
{
	return g->folders.kind == FILTER_SELECTED || g->folders.kind == FILTER_SELECTED_DELAYED;
}

struct notify_asked {
	struct notify_group group[GROUPS_MOST];
	int n;        /* 0: nothing is wanted any more */
	slice fetch;  /* "(UID FLAGS)" of what is new in the selected folder; empty: nothing */
	bool status;  /* STATUS of all that is watched comes first */
	bool unknown; /* one of the events is none of ours: the rest means nothing then */
	args *p;
};
/* Reads what is behind NOTIFY from x->p into the rest of `x`, which is zeroed; what it holds is the
   command's. Kinds as those of args.h. */
status notify_read(struct notify_asked *x);
/* The words of all events, for who asked for another one. */
void notify_known(text *out);

#endif
