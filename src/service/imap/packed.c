/* Packing what is asked again and again, once. */
#include "service/imap/packed.h"

#include "mail/structure.h"
#include "provider/blob.h"
#include "task/task.h"

#define FACTS_VERSION 1 /* of what is packed here; to be raised with the packers' */
#define HEADER_LOOKED_MOST ((size_t)1024 * 1024) /* octets of a header an envelope is made of */
#define BATCH 256

static status walk_piece(slice octets, void *walk)
{
	mime_walk_feed(walk, octets);
	return ST_OK;
}

/* One pass over the message makes both. */
static status pack_both(int64_t postoffice, struct message_fact *fact, arena *scratch, arena *a)
{
	mime_walk *w = mime_walk_open(scratch);
	mime_table t;

	mime_walk_keep_headers(w);
	status s = blob_each(postoffice, fact->blob, walk_piece, w);
	mime_walk_finish(w, &t);
	mime_walk_close(&w);
	if (s != ST_OK)
		return s;
	fact->structure = structure_pack(&t, a);
	if (fact->envelope.size == 0)
		fact->envelope = envelope_pack(t.part[0].header, a);
	return ST_OK;
}

static status pack_envelope(int64_t postoffice, struct message_fact *fact, arena *scratch, arena *a)
{
	size_t most =
		fact->header_size < HEADER_LOOKED_MOST ? fact->header_size : HEADER_LOOKED_MOST;
	slice header;

	TRY(blob_head(postoffice, fact->blob, most, scratch, &header));
	fact->envelope = envelope_pack(header, a);
	return ST_OK;
}

static bool is_packed(unsigned wanted, const struct message_fact *fact)
{
	return fact->version == FACTS_VERSION &&
	       (!(wanted & PACKED_ENVELOPE) || fact->envelope.size > 0) &&
	       (!(wanted & PACKED_STRUCTURE) || fact->structure.size > 0);
}

static status pack(int64_t postoffice, unsigned wanted, struct message_fact *fact, arena *a)
{
	arena scratch = ARENA_INIT;
	status s;

	if (fact->version != FACTS_VERSION)
		fact->envelope = fact->structure = (slice){0};
	fact->version = FACTS_VERSION;
	s = (wanted & PACKED_STRUCTURE) && fact->structure.size == 0
		    ? pack_both(postoffice, fact, &scratch, a)
		    : pack_envelope(postoffice, fact, &scratch, a);
	arena_release(&scratch);
	return s;
}

status packed_facts(int64_t postoffice, const int64_t *messages, int n, unsigned wanted, arena *a,
	struct message_fact **facts)
{
	struct message_fact *fresh = arena_new_array(a, (size_t)n, sizeof *fresh);
	int fresh_n = 0;

	TRY(message_facts(postoffice, messages, n, a, facts));
	for (int k = 0; k < n && wanted; k++) {
		struct message_fact *fact = &(*facts)[k];

		if (fact->blob == 0 || is_packed(wanted, fact))
			continue;
		status s = pack(postoffice, wanted, fact, a);
		if (s == ST_ABSENT)
			fact->blob = 0;
		else if (s != ST_OK)
			return s;
		else
			fresh[fresh_n++] = *fact;
		TRY(task_breathe());
	}
	if (fresh_n > 0)
		(void)message_facts_keep(
			postoffice, fresh, fresh_n); /* next time will do as well */
	return ST_OK;
}

/* ---- walking over envelopes */

struct walk {
	const view *v;
	bool envelopes;
	status (*each)(int which, const struct view_entry *e, const envelope *facts, void *arg);
	void *arg;
};

static status walk_batch(const struct walk *w, const uint32_t *uids, int first, int n, arena *a)
{
	static const struct view_entry gone;
	const struct view_entry *entries[BATCH];
	int64_t messages[BATCH] = {0};
	struct message_fact *facts = NULL;

	for (int k = 0; k < n; k++) {
		entries[k] = view_find(w->v, uids[first + k]);
		messages[k] = entries[k] ? entries[k]->message : 0;
	}
	if (w->envelopes)
		TRY(packed_facts(w->v->postoffice, messages, n, PACKED_ENVELOPE, a, &facts));
	for (int k = 0; k < n; k++) {
		envelope e = {0};

		if (facts && facts[k].blob)
			(void)envelope_unpack(facts[k].envelope, a, &e);
		TRY(w->each(first + k, entries[k] ? entries[k] : &gone, &e, w->arg));
	}
	return task_breathe();
}

status packed_each(const view *v, const uint32_t *uids, int n, bool envelopes,
	status (*each)(int which, const struct view_entry *e, const envelope *facts, void *arg),
	void *arg)
{
	struct walk w = {.v = v, .envelopes = envelopes, .each = each, .arg = arg};
	arena a = ARENA_INIT;
	status s = ST_OK;

	for (int first = 0; s == ST_OK && first < n; first += BATCH) {
		s = walk_batch(&w, uids, first, n - first < BATCH ? n - first : BATCH, &a);
		arena_clear(&a);
	}
	arena_release(&a);
	return s;
}
