/* Header sections: from this process's memory, and from the bodies in the store for those it does
   not know. */
#include "provider/message_head.h"

#include "provider/blob.h"
#include "provider/message_fact.h"
#include "provider/message_kept.h"
#include "task/task.h"

#define KEPT_MOST ((size_t)16 * 1024)  /* longer ones are not kept */
#define SMALL_MOST ((size_t)64 * 1024) /* bodies that come with others */
#define BATCH 256                      /* of them at once */

static struct message_kept heads = MESSAGE_KEPT_INIT(heads, S_head_cache_most);

struct reading {
	int64_t postoffice;
	const int64_t *messages;
	int open[BATCH]; /* places of those that are not known here */
	int64_t blobs[BATCH];
	bool read[BATCH];
	int n;
	struct message_fact *facts; /* [n] */
	status (*each)(int which, slice head, void *arg);
	void *arg;
};

void message_head_enter(int64_t postoffice, int64_t message, slice head)
{
	if (head.size > 0 && head.size <= KEPT_MOST)
		message_kept_put(&heads, postoffice, message, head);
}

static status head_tell(struct reading *r, int which, slice head)
{
	r->read[which] = true;
	message_head_enter(r->postoffice, r->messages[r->open[which]], head);
	return r->each(r->open[which], head, r->arg);
}

static size_t head_size(const struct message_fact *f)
{
	return f->header_size < MESSAGE_HEAD_MOST ? f->header_size : MESSAGE_HEAD_MOST;
}

static status small_take(int which, slice raw, void *arg)
{
	struct reading *r = arg;

	return head_tell(r, which, slice_until(raw, head_size(&r->facts[which])));
}

static status big_read(struct reading *r, int which)
{
	arena a = ARENA_INIT;
	slice head;
	status s =
		blob_head(r->postoffice, r->blobs[which], head_size(&r->facts[which]), &a, &head);

	if (s == ST_OK)
		s = head_tell(r, which, head);
	arena_release(&a);
	return s == ST_ABSENT ? ST_OK : s; /* gone meanwhile */
}

/* Those that are open. */
static status read_open(struct reading *r, arena *a)
{
	int64_t *ids = arena_new_array(a, (size_t)r->n, sizeof *ids);

	for (int i = 0; i < r->n; i++)
		ids[i] = r->messages[r->open[i]];
	TRY(message_envelopes(r->postoffice, ids, r->n, a, &r->facts, &(int){0}));
	for (int i = 0; i < r->n; i++) {
		r->blobs[i] = r->facts[i].blob;
		r->read[i] = r->blobs[i] == 0;
	}
	TRY(blob_each_small(r->postoffice, r->blobs, r->n, SMALL_MOST, small_take, r));
	for (int i = 0; i < r->n; i++)
		if (!r->read[i])
			TRY(big_read(r, i));
	return ST_OK;
}

/* Those that are known are told at once; the others of BATCH places wait for each other. */
static status batch(struct reading *r, int from, int to, arena *a)
{
	r->n = 0;
	for (int i = from; i < to; i++) {
		slice head = message_kept_find(&heads, r->postoffice, r->messages[i], a);

		if (head.at)
			TRY(r->each(i, head, r->arg));
		else
			r->open[r->n++] = i;
	}
	return r->n ? read_open(r, a) : ST_OK;
}

status message_heads(int64_t postoffice, const int64_t *messages, int n,
	status (*each)(int which, slice head, void *arg), void *arg)
{
	struct reading r = {
		.postoffice = postoffice, .messages = messages, .each = each, .arg = arg};
	arena a = ARENA_INIT;
	status s = ST_OK;

	for (int at = 0; s == ST_OK && at < n; at += BATCH) {
		s = batch(&r, at, n - at < BATCH ? n : at + BATCH, &a);
		arena_clear(&a);
		if (s == ST_OK)
			s = task_breathe();
	}
	arena_release(&a);
	return s;
}
