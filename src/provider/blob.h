/* Blobs: raw messages, byte for byte, compressed with zstd in segments of 256 KB of compressed data
   (store.md, reason 8). Immutable. Up to 8 KB of compressed data stands in the row itself. */
#ifndef PENNYPOST_PROVIDER_BLOB_H
#define PENNYPOST_PROVIDER_BLOB_H

#include "base/arena.h"
#include "base/status.h"
#include "base/text.h"

/* ---- writing: outside any transaction. Segments beyond 4 MB are stored as they fill, under the
   blob's id, so memory stays bounded; the blob exists for readers only when deliver_run committed
   it. What is given up is swept by the housekeeper a day later, or at its next turn after that. */
typedef struct blob_writer blob_writer;
status blob_writer_open(int64_t postoffice, blob_writer **w);
status blob_write(
	blob_writer *w, slice bytes); /* may wait when a segment must be stored; breathes */
/* Puts bytes before all that was written, up to BLOB_FRONT_MOST in all: fields that are known only
   when the body has gone by. ST_TOO_BIG. Before blob_writer_finish. */
#define BLOB_FRONT_MOST ((size_t)64 * 1024)
status blob_write_front(blob_writer *w, slice bytes);
/* Reads back what has been written so far; as blob_each. Nothing may be written meanwhile. */
status blob_writer_each(const blob_writer *w, status (*each)(slice bytes, void *arg), void *arg);
status blob_writer_finish(blob_writer *w); /* no more bytes; cheap to call before delivering */
int64_t blob_writer_id(const blob_writer *w);
uint64_t blob_writer_size(const blob_writer *w); /* raw octets so far */
void blob_writer_close(blob_writer **w);         /* drops what was not delivered */

/* ---- reading: streamed, one segment at a time; no connection is held while `each` runs (it may
   wait for a slow client). Stops with each's kind when that is not ST_OK. ST_ABSENT. */
status blob_each(
	int64_t postoffice, int64_t blob, status (*each)(slice bytes, void *arg), void *arg);
/* The same for the body of a message, in no more round trips. */
status blob_each_of(
	int64_t postoffice, int64_t message, status (*each)(slice bytes, void *arg), void *arg);
/* Whole small bodies, all of them in one round trip: `each` gets the place of its blob in `blobs`
   and the raw octets, lent, for every one of at most `most` raw octets, in any order; it may wait.
   The others, and those that are gone, are passed over. `n` times `most` must be an amount that may
   be in memory. */
status blob_each_small(int64_t postoffice, const int64_t *blobs, int n, size_t most,
	status (*each)(int which, slice raw, void *arg), void *arg);
/* The same in two steps, so that the next ones can be fetched while these are looked into: they lie
   packed in memory until they are closed. `blobs` is lent until then; closing NULL is nothing. */
typedef struct blob_small blob_small;
status blob_small_fetch(
	int64_t postoffice, const int64_t *blobs, int n, size_t most, blob_small **b);
/* By their messages, for `blobs`. */
status blob_small_fetch_of(
	int64_t postoffice, const int64_t *messages, int n, size_t most, blob_small **b);
status blob_small_each(
	const blob_small *b, status (*each)(int which, slice raw, void *arg), void *arg);
/* One of them, by its place in `blobs`: its octets, lent until the next one, in `room`.
   Never waits, and may be called on a helper thread. ST_ABSENT: it is not among those that came. */
status blob_small_one(const blob_small *b, int which, text *room, slice *raw);
void blob_small_close(blob_small **b);
/* blob_each_small by their messages, for `messages`. */
status blob_each_small_of(int64_t postoffice, const int64_t *messages, int n, size_t most,
	status (*each)(int which, slice raw, void *arg), void *arg);
/* A small body that came along with other facts, lent. */
struct blob_along {
	int64_t blob, size; /* raw octets */
	slice packed;       /* NULL: it did not come */
};
/* As blob_each, of what is at hand. */
status blob_along_each(
	const struct blob_along *b, status (*each)(slice bytes, void *arg), void *arg);
/* The first `most` raw octets, or all: header fetches, TOP. */
status blob_head(int64_t postoffice, int64_t blob, size_t most, arena *a, slice *bytes);

#endif
