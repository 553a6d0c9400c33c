/* What delivery takes from a finished blob writer, and bodies read along; for the files of this
   folder only. */
#ifndef PENNYPOST_PROVIDER_BLOB_STORE_H
#define PENNYPOST_PROVIDER_BLOB_STORE_H

#include "provider/blob.h"
#include "provider/db.h"

/* The packed body, lent from the writer. Segment 0 goes into the blob's row, the others into
   blob_seg; those from `held` on are stored already (number of segments kept in memory: held). */
struct blob_packed {
	int64_t id;
	uint64_t size;     /* raw octets */
	int segments;      /* in all, at least 1 */
	int held;          /* 1 .. segments */
	const slice *data; /* [held] */
	size_t bytes;      /* of all held ones together */
};
void blob_packed(const blob_writer *w, struct blob_packed *out);

/* The body of one segment in a row as blob_find gives it; none when there is no row, or one that
   blob_each should complain of. */
struct blob_along blob_along_of(const struct rows *r);

#endif
