/* Annotations (RFC 5464): small values a reader keeps beside a folder, or beside the mailbox as a whole (folder 0),
   under names like "/private/comment". Names are lower case here. They go with their folder, stay with it when it is
   renamed, and do not count for the quota. */
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

enum annotation_depth { ANNOTATION_EXACT, ANNOTATION_CHILDREN, ANNOTATION_ALL_BELOW };

/* Those of these folders that have one of the names, or stand below one of them as far as `depth` says; by folder,
   then by name. One round trip. */
status annotation_list(int64_t postoffice, int64_t mailbox, const int64_t *folders, int folders_n,
	const slice *names, int names_n, enum annotation_depth depth, arena *a,
	struct annotation **rows, int *n);

/* All of a mailbox, without their values; by folder, then by name. */
status annotation_marks(int64_t postoffice, int64_t mailbox, arena *a, struct annotation_mark **rows, int *n);

/* Sets or removes (value NULL) those of one folder, all or none; each name once. ST_ABSENT: no such folder; ST_LIMITED:
   the mailbox would have more than the setting annotations_most. Sizes are the caller's to limit. */
status annotation_set(int64_t postoffice, int64_t mailbox, int64_t folder,
	const struct annotation *rows, int n);

#endif
