/* Bodies: raw messages packed with zstd.

   raw      |<-- 128 KB -->|<-- 128 KB -->|<- rest ->|      pieces, as they were written
   packed   | frame | frame   | frame |                     one zstd frame with checksum each
   segment  |<- segment 0 --->|<- 1 ->|                     whole frames, closed at 128 KB or more

   What is put in front when the rest is packed already is a frame of its own, the first.

   Every frame tells its raw size and stands alone, so packing and unpacking need no state that
   lives across a wait: a slow client costs its buffers, never a compressor. Segment 0 is stored in
   the blob's row (inline up to 8 KB, TOAST above), the others in blob_seg. */
#include "provider/blob.h"

#include "base/fault.h"
#include "base/id.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "provider/blob_store.h"
#include "provider/brief.h"
#include "provider/db.h"
#include "task/task.h"

#include <stdatomic.h>
#include <zstd.h>

#define PIECE ((size_t)128 * 1024)          /* raw bytes of one frame, at most */
#define SEGMENT_CLOSES ((size_t)128 * 1024) /* packed bytes; one frame more stays below 256 KB */
#define HELD_MOST ((size_t)4 * 1024 * 1024) /* packed bytes kept until the delivery */
#define LEVEL 1
#define CODEC_ZSTD 1

struct blob_writer {
	int64_t postoffice, id;
	uint64_t size;
	text raw;         /* the piece that is filling */
	text filling;     /* the segment that is filling */
	text *held;       /* closed segments 0 .. */
	slice *held_data; /* the same, for delivery */
	int held_count, held_room;
	size_t held_bytes, front;
	int segments; /* closed ones, held and stored */
	bool finished;
};

/* One spare (de)compressor per process is enough for the fibers of a worker, since none waits while
   it has one; threads that come at the same time make their own for the moment. */
static _Atomic(ZSTD_CCtx *) spare_packer;
static _Atomic(ZSTD_DCtx *) spare_unpacker;

static ZSTD_CCtx *packer_take(void)
{
	ZSTD_CCtx *c = atomic_exchange(&spare_packer, NULL);

	if (c)
		return c;
	c = ZSTD_createCCtx();
	if (!c)
		memory_short(0);
	ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, LEVEL);
	ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
	return c;
}

static void packer_give(ZSTD_CCtx *c)
{
	ZSTD_freeCCtx(atomic_exchange(&spare_packer, c));
}

static ZSTD_DCtx *unpacker_take(void)
{
	ZSTD_DCtx *d = atomic_exchange(&spare_unpacker, NULL);

	if (!d && !(d = ZSTD_createDCtx()))
		memory_short(0);
	return d;
}

static void unpacker_give(ZSTD_DCtx *d)
{
	ZSTD_freeDCtx(atomic_exchange(&spare_unpacker, d));
}

/* ---- writing */

status blob_writer_open(int64_t postoffice, blob_writer **w)
{
	blob_writer *n = memory_new(sizeof *n);

	n->postoffice = postoffice;
	n->id = id_new();
	*w = n;
	return ST_OK;
}

static status segment_store(const blob_writer *w, int number, slice data)
{
	struct param p[] = {p_int(w->postoffice), p_int(w->id), p_int(number), p_bytes(data)};
	arena a = ARENA_INIT;
	status s = FAULT("blob_segment") ? ST_BUSY : db_run(SQL_BLOB_SEGMENT_STORE, p, 4, &a, NULL);

	arena_release(&a);
	if (s == ST_UNSURE ||
		s == ST_EXISTS) /* the segment may stand or not: this blob is given up */
		s = ST_BUSY;
	return s;
}

static void segment_hold(blob_writer *w)
{
	if (w->held_count == w->held_room) {
		w->held_room = w->held_room ? w->held_room * 2 : 1;
		w->held = memory_grow(w->held, (size_t)w->held_room * sizeof *w->held);
		w->held_data =
			memory_grow(w->held_data, (size_t)w->held_room * sizeof *w->held_data);
	}
	w->held[w->held_count] = w->filling;
	w->held_data[w->held_count] = text_slice(&w->filling);
	w->held_count++;
	w->held_bytes += w->filling.size;
	w->filling = TEXT_INIT;
}

static status segment_close(blob_writer *w)
{
	/* Once one is stored all later ones are: those held are 0 .. held_count-1. */
	if (w->segments > w->held_count || w->held_bytes + w->filling.size > HELD_MOST) {
		TRY(segment_store(w, w->segments, text_slice(&w->filling)));
		text_clear(&w->filling);
	} else {
		segment_hold(w);
	}
	w->segments++;
	return ST_OK;
}

static void frame_pack(text *to, slice raw)
{
	ZSTD_CCtx *c = packer_take();
	size_t size;

	text_reserve(to, ZSTD_compressBound(raw.size));
	size = ZSTD_compress2(c, to->at + to->size, to->room - to->size, raw.at, raw.size);
	packer_give(c);
	if (ZSTD_isError(
		    size)) /* the bound is kept and the parameters are ours: memory alone is left */
		memory_short(raw.size);
	to->size += size;
}

static status piece_pack(blob_writer *w, slice raw)
{
	frame_pack(&w->filling, raw);
	if (w->filling.size >= SEGMENT_CLOSES)
		TRY(segment_close(w));
	/* A message for many post offices is packed once for each of them. */
	return task_breathe();
}

status blob_write(blob_writer *w, slice bytes)
{
	while (bytes.size > 0) {
		slice part = slice_until(bytes, PIECE - w->raw.size);

		bytes = slice_from(bytes, part.size);
		w->size += part.size;
		if (w->raw.size == 0 && part.size == PIECE) { /* a whole piece at once: no copy */
			TRY(piece_pack(w, part));
			continue;
		}
		text_add(&w->raw, part);
		if (w->raw.size == PIECE) {
			status s = piece_pack(w, text_slice(&w->raw));

			text_clear(&w->raw);
			TRY(s);
		}
	}
	return ST_OK;
}

static void text_put_front(text *t, slice bytes)
{
	text_reserve(t, bytes.size);
	memmove(t->at + bytes.size, t->at, t->size);
	memcpy(t->at, bytes.at, bytes.size);
	t->size += bytes.size;
	t->at[t->size] = '\0';
}

/* Where nothing was packed yet they join the first piece; else they are a frame of their own at the
   head of segment 0, which is never stored before the delivery. */
status blob_write_front(blob_writer *w, slice bytes)
{
	text frame = TEXT_INIT;

	if (w->front + bytes.size > BLOB_FRONT_MOST)
		return ST_TOO_BIG;
	if (bytes.size == 0)
		return ST_OK;
	w->front += bytes.size;
	w->size += bytes.size;
	if (w->held_count == 0 && w->filling.size == 0 && w->raw.size + bytes.size <= PIECE) {
		text_put_front(&w->raw, bytes);
		return ST_OK;
	}
	frame_pack(&frame, bytes);
	if (w->held_count > 0) {
		text_put_front(&w->held[0], text_slice(&frame));
		w->held_data[0] = text_slice(&w->held[0]);
		w->held_bytes += frame.size;
	} else {
		text_put_front(&w->filling, text_slice(&frame));
	}
	text_free(&frame);
	return ST_OK;
}

status blob_writer_finish(blob_writer *w)
{
	if (w->finished)
		return ST_OK;
	/* An empty body is one empty frame. */
	if (w->raw.size > 0 || w->size == 0)
		TRY(piece_pack(w, text_slice(&w->raw)));
	text_free(&w->raw);
	if (w->filling.size > 0)
		TRY(segment_close(w));
	w->finished = true;
	return ST_OK;
}

int64_t blob_writer_id(const blob_writer *w)
{
	return w->id;
}

uint64_t blob_writer_size(const blob_writer *w)
{
	return w->size;
}

void blob_packed(const blob_writer *w, struct blob_packed *out)
{
	*out = (struct blob_packed){
		.id = w->id,
		.size = w->size,
		.segments = w->segments,
		.held = w->held_count,
		.data = w->held_data,
		.bytes = w->held_bytes,
	};
}

void blob_writer_close(blob_writer **w)
{
	if (!*w)
		return;
	text_free(&(*w)->raw);
	text_free(&(*w)->filling);
	for (int i = 0; i < (*w)->held_count; i++)
		text_free(&(*w)->held[i]);
	memory_free((*w)->held);
	memory_free((*w)->held_data);
	memory_free(*w);
	*w = NULL;
}

/* ---- reading */

struct blob_row {
	int64_t id;
	uint64_t size;
	int segments;
	slice first;
};

static status broken(int64_t blob, const char *what)
{
	char id[ID_TEXT_SIZE + 1];

	id_text(blob, id);
	return log_trouble(ST_BROKEN, EV_BLOB_BROKEN, "blob=%s reason=%s", id, what);
}

/* `find` is SQL_BLOB_FIND with the blob's id, or SQL_BLOB_OF_MESSAGE with the message's. */
static status row_find(
	enum statement_id find, int64_t postoffice, int64_t id, arena *a, struct blob_row *out)
{
	struct param p[] = {p_int(postoffice), p_int(id)};
	struct rows r;

	TRY(brief_one(find, p, 2, 2 * SEGMENT_CLOSES, a, &r));
	out->id = row_int(&r, 0, 4);
	if (row_int(&r, 0, 0) != CODEC_ZSTD)
		return broken(out->id, "codec");
	out->size = (uint64_t)row_int(&r, 0, 1);
	out->segments = (int)row_int(&r, 0, 2);
	out->first = row_slice(&r, 0, 3);
	return ST_OK;
}

static status segment_find(int64_t postoffice, int64_t blob, int number, arena *a, slice *data)
{
	struct param p[] = {p_int(postoffice), p_int(blob), p_int(number)};
	struct rows r;
	status s = db_one(SQL_BLOB_SEGMENT_FIND, p, 3, a, &r);

	if (s == ST_ABSENT)
		return broken(blob, "segment-missing");
	TRY(s);
	*data = row_slice(&r, 0, 0);
	return ST_OK;
}

/* Takes the first frame of *packed apart: its raw size, and its bytes moved off. False when it is
   no frame of ours or says to be bigger than a piece: the size is checked before memory is asked
   for. */
static bool frame_take(slice *packed, slice *frame, size_t *raw_size)
{
	size_t size = ZSTD_findFrameCompressedSize(packed->at, packed->size);
	unsigned long long raw;

	if (ZSTD_isError(size))
		return false;
	raw = ZSTD_getFrameContentSize(packed->at, packed->size);
	if (raw > PIECE) /* the two error values are huge */
		return false;
	*frame = slice_until(*packed, size);
	*packed = slice_from(*packed, size);
	*raw_size = (size_t)raw;
	return true;
}

static bool frame_unpack(slice frame, char *to, size_t raw_size)
{
	ZSTD_DCtx *d = unpacker_take();
	size_t size = ZSTD_decompressDCtx(d, to, raw_size, frame.at, frame.size);

	unpacker_give(d);
	return !ZSTD_isError(size) && size == raw_size;
}

struct reading {
	int64_t blob;
	uint64_t size, seen;
	char *piece; /* one unpacked frame; grows to the biggest seen */
	size_t room;
	status (*each)(slice bytes, void *arg);
	void *arg;
};

static status segment_read(struct reading *r, slice packed)
{
	while (packed.size > 0) {
		slice frame;
		size_t size;

		if (!frame_take(&packed, &frame, &size))
			return broken(r->blob, "frame");
		if (r->seen + size > r->size)
			return broken(r->blob, "too-long");
		if (size > r->room) {
			r->piece = memory_grow(r->piece, size);
			r->room = size;
		}
		if (!frame_unpack(frame, r->piece, size))
			return broken(r->blob, "checksum");
		r->seen += size;
		if (size > 0)
			TRY(r->each(slice_of(r->piece, size), r->arg));
	}
	return ST_OK;
}

static status segments_read(
	struct reading *r, enum statement_id find, int64_t postoffice, int64_t id, arena *a)
{
	struct blob_row row = {0};

	TRY(row_find(find, postoffice, id, a, &row));
	r->blob = row.id;
	r->size = row.size;
	TRY(segment_read(r, row.first));
	for (int i = 1; i < row.segments; i++) {
		slice data = {0};

		arena_clear(a);
		TRY(segment_find(postoffice, r->blob, i, a, &data));
		TRY(segment_read(r, data));
	}
	return r->seen == r->size ? ST_OK : broken(r->blob, "too-short");
}

/* Held segments, stored ones, and what is not closed yet; no blob's row is needed. */
static status written_read(struct reading *r, const blob_writer *w, arena *a)
{
	for (int i = 0; i < w->segments; i++) {
		slice data = {0};

		arena_clear(a);
		if (i < w->held_count)
			data = text_slice(&w->held[i]);
		else
			TRY(segment_find(w->postoffice, w->id, i, a, &data));
		TRY(segment_read(r, data));
	}
	TRY(segment_read(r, text_slice(&w->filling)));
	r->seen += w->raw.size;
	if (w->raw.size > 0)
		TRY(r->each(text_slice(&w->raw), r->arg));
	return r->seen == r->size ? ST_OK : broken(r->blob, "too-short");
}

status blob_writer_each(const blob_writer *w, status (*each)(slice bytes, void *arg), void *arg)
{
	struct reading r = {.blob = w->id, .size = w->size, .each = each, .arg = arg};
	arena a = ARENA_INIT;
	status s = written_read(&r, w, &a);

	memory_free(r.piece);
	arena_release(&a);
	return s;
}

static status read_each(enum statement_id find, int64_t postoffice, int64_t id,
	status (*each)(slice bytes, void *arg), void *arg)
{
	struct reading r = {.each = each, .arg = arg};
	arena a = ARENA_INIT;
	status s = segments_read(&r, find, postoffice, id, &a);

	/* Whoever asks has its id from a message, or the message's from an entry: it should be
	   there. */
	if (s == ST_ABSENT && r.blob == 0)
		broken(id, find == SQL_BLOB_FIND ? "missing" : "missing-of-message");
	memory_free(r.piece);
	arena_release(&a);
	return s;
}

status blob_each(
	int64_t postoffice, int64_t blob, status (*each)(slice bytes, void *arg), void *arg)
{
	return read_each(SQL_BLOB_FIND, postoffice, blob, each, arg);
}

status blob_each_of(
	int64_t postoffice, int64_t message, status (*each)(slice bytes, void *arg), void *arg)
{
	return read_each(SQL_BLOB_OF_MESSAGE, postoffice, message, each, arg);
}

struct blob_along blob_along_of(const struct rows *r)
{
	if (r->count != 1 || row_int(r, 0, 0) != CODEC_ZSTD || row_int(r, 0, 2) != 1)
		return (struct blob_along){0};
	return (struct blob_along){row_int(r, 0, 4), row_int(r, 0, 1), row_slice(r, 0, 3)};
}

status blob_along_each(
	const struct blob_along *b, status (*each)(slice bytes, void *arg), void *arg)
{
	struct reading r = {.blob = b->blob, .size = (uint64_t)b->size, .each = each, .arg = arg};
	status s = segment_read(&r, b->packed);

	memory_free(r.piece);
	TRY(s);
	return r.seen == r.size ? ST_OK : broken(b->blob, "too-short");
}

struct head {
	text bytes;
	size_t most;
};

static status head_take(slice bytes, void *arg)
{
	struct head *h = arg;

	text_add(&h->bytes, slice_until(bytes, h->most - h->bytes.size));
	return h->bytes.size < h->most ? ST_OK : ST_LIMITED; /* enough: stops the reading */
}

status blob_head(int64_t postoffice, int64_t blob, size_t most, arena *a, slice *bytes)
{
	struct head h = {.most = most};
	status s = blob_each(postoffice, blob, head_take, &h);

	if (s == ST_OK || (s == ST_LIMITED && h.bytes.size == most)) {
		*bytes = arena_copy(a, text_slice(&h.bytes));
		s = ST_OK;
	}
	text_free(&h.bytes);
	return s;
}

/* ---- small ones, many at once */

/* Each frame is unpacked where it is to stand. NULL, or what is wrong with it. */
static const char *small_unpack(slice packed, char *to, size_t whole)
{
	size_t done = 0;

	while (packed.size > 0) {
		slice frame;
		size_t size;

		if (!frame_take(&packed, &frame, &size))
			return "frame";
		if (done + size > whole)
			return "too-long";
		if (!frame_unpack(frame, to + done, size))
			return "checksum";
		done += size;
	}
	return done == whole ? NULL : "too-short";
}

struct blob_small {
	const int64_t *ids;
	size_t largest; /* raw octets of one */
	arena a;
	struct rows rows;
};

/* 0 also where it is none: then it is found broken. */
static size_t small_size(const blob_small *b, int row)
{
	uint64_t size = (uint64_t)row_int(&b->rows, row, 2);

	return size <= b->largest ? (size_t)size : 0;
}

static status small_read(const blob_small *b, int row, text *room, slice *raw)
{
	const struct rows *r = &b->rows;
	int64_t blob = b->ids[row_int(r, row, 0) - 1];

	if (row_int(r, row, 1) != CODEC_ZSTD)
		return broken(blob, "codec");
	size_t size = small_size(b, row);
	text_clear(room);
	text_reserve(room, size);
	const char *wrong = small_unpack(row_slice(r, row, 3), room->at, size);
	if (wrong)
		return broken(blob, wrong);
	room->size = size;
	room->at[size] = '\0';
	*raw = text_slice(room);
	return ST_OK;
}

static status small_fetch(enum statement_id find, int64_t postoffice, const int64_t *ids, int n,
	size_t most, blob_small **out)
{
	struct param p[] = {p_int(postoffice), p_int_array(ids, n), p_int((int64_t)most)};
	blob_small *b = memory_new(sizeof *b);

	b->ids = ids;
	b->largest = most;
	status s = n > BRIEF_MESSAGES_MOST
			   ? db_run(find, p, 3, &b->a, &b->rows)
			   : brief_run(find, p, 3, (size_t)n * most, &b->a, &b->rows);
	if (s == ST_OK)
		*out = b;
	else
		blob_small_close(&b);
	return s;
}

status blob_small_fetch(
	int64_t postoffice, const int64_t *blobs, int n, size_t most, blob_small **b)
{
	return small_fetch(SQL_BLOB_SMALL, postoffice, blobs, n, most, b);
}

status blob_small_fetch_of(
	int64_t postoffice, const int64_t *messages, int n, size_t most, blob_small **b)
{
	return small_fetch(SQL_BLOB_SMALL_OF, postoffice, messages, n, most, b);
}

status blob_small_each(
	const blob_small *b, status (*each)(int which, slice raw, void *arg), void *arg)
{
	text room = TEXT_INIT;
	status s = ST_OK;

	for (int row = 0; s == ST_OK && row < b->rows.count; row++) {
		slice raw = {0};

		s = small_read(b, row, &room, &raw);
		if (s == ST_OK)
			s = each((int)row_int(&b->rows, row, 0) - 1, raw, arg);
		if (s == ST_OK)
			s = task_breathe();
	}
	text_free(&room);
	return s;
}

/* They mostly come in their order, without gaps: the row is sought downwards from where it then
   is. */
status blob_small_one(const blob_small *b, int which, text *room, slice *raw)
{
	int count = b->rows.count, from = which < count ? which : count - 1;

	for (int i = 0; i < count; i++) {
		int row = from >= i ? from - i : from - i + count;

		if (row_int(&b->rows, row, 0) == which + 1)
			return small_read(b, row, room, raw);
	}
	return ST_ABSENT;
}

void blob_small_close(blob_small **b)
{
	if (!*b)
		return;
	arena_release(&(*b)->a);
	memory_free(*b);
	*b = NULL;
}

static status small_each(enum statement_id find, int64_t postoffice, const int64_t *ids, int n,
	size_t most, status (*each)(int which, slice raw, void *arg), void *arg)
{
	blob_small *b;

	TRY(small_fetch(find, postoffice, ids, n, most, &b));
	status s = blob_small_each(b, each, arg);
	blob_small_close(&b);
	return s;
}

status blob_each_small(int64_t postoffice, const int64_t *blobs, int n, size_t most,
	status (*each)(int which, slice raw, void *arg), void *arg)
{
	return small_each(SQL_BLOB_SMALL, postoffice, blobs, n, most, each, arg);
}

status blob_each_small_of(int64_t postoffice, const int64_t *messages, int n, size_t most,
	status (*each)(int which, slice raw, void *arg), void *arg)
{
	return small_each(SQL_BLOB_SMALL_OF, postoffice, messages, n, most, each, arg);
}
