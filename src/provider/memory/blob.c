/* Bodies in memory: gathered by a writer, kept by the store when delivered. */
#include "provider/blob.h"

#include "base/fault.h"
#include "base/id.h"
#include "base/memory.h"
#include "base/text.h"
#include "provider/memory/store.h"

struct blob_writer {
	int64_t id;
	text body;
	size_t front;
};

status blob_writer_open(int64_t postoffice, blob_writer **w)
{
	(void)postoffice;
	*w = memory_new(sizeof **w);
	**w = (blob_writer){.id = id_new()};
	return ST_OK;
}

status blob_write(blob_writer *w, slice bytes)
{
	bool fails = store_take()->faults && FAULT("memory_write");
	store_give();
	if (fails)
		return ST_BUSY;
	text_add(&w->body, bytes);
	return ST_OK;
}

status blob_write_front(blob_writer *w, slice bytes)
{
	text all = TEXT_INIT;

	if (w->front + bytes.size > BLOB_FRONT_MOST)
		return ST_TOO_BIG;
	w->front += bytes.size;
	text_add(&all, bytes);
	text_add(&all, text_slice(&w->body));
	text_free(&w->body);
	w->body = all;
	return ST_OK;
}

status blob_writer_finish(blob_writer *w)
{
	(void)w;
	return ST_OK;
}

int64_t blob_writer_id(const blob_writer *w)
{
	return w->id;
}

uint64_t blob_writer_size(const blob_writer *w)
{
	return w->body.size;
}

slice blob_writer_body(const blob_writer *w)
{
	return text_slice(&w->body);
}

void blob_writer_close(blob_writer **w)
{
	if (!*w)
		return;
	text_free(&(*w)->body);
	memory_free(*w);
	*w = NULL;
}

status blob_head(int64_t postoffice, int64_t blob, size_t most, arena *a, slice *bytes)
{
	struct store *s = store_take();
	struct m_blob *b = store_blob(s, postoffice, blob);
	status kind = store_refuses(s) ? ST_BUSY : b ? ST_OK : ST_ABSENT;
	if (kind == ST_OK)
		*bytes = arena_copy(a, slice_until(b->body, most));
	store_give();
	return kind;
}

/* Pieces are small and of odd size, so that who reads them meets every way a line can be cut. */
#define PIECE 997

static status each_piece(slice body, status (*each)(slice bytes, void *arg), void *arg)
{
	status kind = ST_OK;
	bool faults = store_take()->faults;
	store_give();
	for (; kind == ST_OK && body.size > 0; body = slice_from(body, PIECE))
		kind = faults && FAULT("memory_read") ? ST_BUSY
						      : each(slice_until(body, PIECE), arg);
	return kind;
}

status blob_each(
	int64_t postoffice, int64_t blob, status (*each)(slice bytes, void *arg), void *arg)
{
	arena a = ARENA_INIT;
	slice body = {0};
	status kind = blob_head(postoffice, blob, SIZE_MAX, &a, &body);

	if (kind == ST_OK)
		kind = each_piece(body, each, arg);
	arena_release(&a);
	return kind;
}

status blob_writer_each(const blob_writer *w, status (*each)(slice bytes, void *arg), void *arg)
{
	return each_piece(text_slice(&w->body), each, arg);
}

status blob_along_each(
	const struct blob_along *b, status (*each)(slice bytes, void *arg), void *arg)
{
	return each_piece(b->packed, each, arg);
}

status blob_each_of(
	int64_t postoffice, int64_t message, status (*each)(slice bytes, void *arg), void *arg)
{
	struct store *s = store_take();
	int64_t blob = 0;
	struct m_message *m = store_message(s, postoffice, message);

	if (m)
		blob = m->m.blob;
	store_give();
	return blob_each(postoffice, blob, each, arg);
}

status blob_each_small(int64_t postoffice, const int64_t *blobs, int n, size_t most,
	status (*each)(int which, slice raw, void *arg), void *arg)
{
	status kind = ST_OK;

	for (int i = 0; kind == ST_OK && i < n; i++) {
		arena a = ARENA_INIT;
		slice body = {0};

		kind = blob_head(postoffice, blobs[i], SIZE_MAX, &a, &body);
		if (kind == ST_OK && body.size <= most)
			kind = each(i, body, arg);
		else if (kind == ST_ABSENT)
			kind = ST_OK;
		arena_release(&a);
	}
	return kind;
}

/* Here they need not be fetched. */
struct blob_small {
	int64_t postoffice;
	const int64_t *blobs;
	int n;
	size_t most;
	int64_t *own; /* they, when they were asked for by their messages */
};

status blob_small_fetch(
	int64_t postoffice, const int64_t *blobs, int n, size_t most, blob_small **b)
{
	*b = memory_new(sizeof **b);
	**b = (blob_small){postoffice, blobs, n, most, NULL};
	return ST_OK;
}

status blob_small_fetch_of(
	int64_t postoffice, const int64_t *messages, int n, size_t most, blob_small **b)
{
	int64_t *blobs = memory_new_array((size_t)n + 1, sizeof *blobs);
	struct store *s = store_take();

	for (int i = 0; i < n; i++) {
		const struct m_message *m = store_message(s, postoffice, messages[i]);

		blobs[i] = m ? m->m.blob : 0;
	}
	store_give();
	*b = memory_new(sizeof **b);
	**b = (blob_small){postoffice, blobs, n, most, blobs};
	return ST_OK;
}

status blob_small_each(
	const blob_small *b, status (*each)(int which, slice raw, void *arg), void *arg)
{
	return blob_each_small(b->postoffice, b->blobs, b->n, b->most, each, arg);
}

struct one_of {
	text *raw;
	bool came;
};

static status one_take(int which, slice raw, void *arg)
{
	struct one_of *one = arg;

	(void)which;
	text_add(one->raw, raw);
	one->came = true;
	return ST_OK;
}

status blob_small_one(const blob_small *b, int which, text *room, slice *raw)
{
	struct one_of one = {room, false};

	text_clear(room);
	TRY(blob_each_small(b->postoffice, b->blobs + which, 1, b->most, one_take, &one));
	if (!one.came)
		return ST_ABSENT;
	*raw = text_slice(room);
	return ST_OK;
}

void blob_small_close(blob_small **b)
{
	if (*b)
		memory_free((*b)->own);
	memory_free(*b);
	*b = NULL;
}
