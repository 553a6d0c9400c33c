/* Annotations (RFC 5464): small values a reader keeps beside a folder, or beside the mailbox as a
   whole (folder 0), under names like "/private/comment". Names are lower case here. They go with
   their folder, stay with it when it is renamed, and do not count for the quota. Each is a
   mailbox's: what stands under /private its reader's, who may be another one than the folder's
   owner, all else the owner's. */
#ifndef PENNYPOST_PROVIDER_ANNOTATION_H
#define PENNYPOST_PROVIDER_ANNOTATION_H

#include "base/arena.h"
#include "base/status.h"

struct annotation {
	int64_t folder; /* 0: the mailbox */
	slice name;
	slice value; /* any octets; a NULL pointer: none */
};

struct annotation_mark {
	int64_t folder;
	slice name;
	int64_t modseq; /* of the mailbox, when it was set last */
};

static inline bool annotation_is_private(slice name)
{
	return slice_starts(name, S("/private/"));
}

enum annotation_depth { ANNOTATION_EXACT, ANNOTATION_CHILDREN, ANNOTATION_ALL_BELOW };

/* A mailbox's, of these folders, whoever has them, that have one of the names, or stand below one
   of them as far as `depth` says; by folder, then by name. One round trip. */
status annotation_list(int64_t postoffice, int64_t mailbox, const int64_t *folders, int folders_n,
	const slice *names, int names_n, enum annotation_depth depth, arena *a,
	struct annotation **rows, int *n);

struct annotation_places {            /* folders of other mailboxes */
	int64_t *mailboxes, *folders; /* [n] */
	int n;
};
/* All of a mailbox, and of these folders of others what stands under /shared, without their values;
   by folder, then by name. */
status annotation_marks(int64_t postoffice, int64_t mailbox, const struct annotation_places *others,
	arena *a, struct annotation_mark **rows, int *n);

struct annotation_change {
	int64_t postoffice;
	int64_t owner, reader; /* the folder's mailbox, and that of who changes it, which may be the
				  same */
	int64_t folder;
	const struct annotation *rows; /* set, or removed (value NULL); each name once */
	int n;
	bool uses; /* the folder's special use becomes `special`, too (RFC 6154 4); its owner's to
		      say */
	unsigned special; /* FOLDER_ bits */
};
/* All or none. What the reader may do with the folder is looked at before. ST_ABSENT: no such
   folder of the owner's; ST_LIMITED: a mailbox would have more than the setting annotations_most;
   ST_DENIED: another folder has that special use. Sizes are the caller's to limit. */
status annotation_set(const struct annotation_change *c);

#endif
