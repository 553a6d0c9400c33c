/* Packing what is asked again and again, once. */
#include "service/imap/packed.h"

#include "mail/structure.h"
#include "provider/blob.h"
#include "provider/folder_page.h"
#include "provider/message_head.h"
#include "task/task.h"

#define BODY_SMALL ((size_t)32 * 1024) /* so big a body comes with those of its batch */
#define BATCH 256

/* Facts of a batch that are to be packed. */
struct packing {
	int64_t postoffice;
	struct message_fact **fact;
	int64_t *ids; /* of what is read: messages, or bodies */
	bool *read;
	int n;
	int left;    /* from here on there was no room */
	size_t size; /* octets that were packed */
	arena *a;
};

/* Each of a kind is packed while there is room, the first one always. False: no room for this. */
static bool has_room(struct packing *p, int which)
{
	if (p->size >= PACKED_MOST && which < p->left)
		p->left = which;
	return p->size < PACKED_MOST;
}

static void packed_count(struct packing *p, int which)
{
	p->read[which] = true;
	p->size += p->fact[which]->envelope.size + p->fact[which]->structure.size;
}

static void pack_both(mime_walk *w, struct message_fact *fact, arena *a)
{
	mime_table t;

	mime_walk_finish(w, &t);
	fact->structure = structure_pack(&t, a);
	if (fact->envelope.size == 0)
		fact->envelope = envelope_pack(t.part[0].header, a);
}

static mime_walk *walk_begin(arena *scratch)
{
	mime_walk *w = mime_walk_open(scratch);

	mime_walk_keep_headers(w);
	return w;
}

/* One pass over the message makes both. */
static void small_pack(struct packing *p, int which, slice raw)
{
	arena scratch = ARENA_INIT;
	mime_walk *w = walk_begin(&scratch);

	mime_walk_feed(w, raw);
	pack_both(w, p->fact[which], p->a);
	mime_walk_close(&w);
	arena_release(&scratch);
	packed_count(p, which);
}

static status small_ones_pack(struct packing *p, const blob_small *small, status (*breathe)(void))
{
	text room = TEXT_INIT;
	status s = ST_OK;

	for (int k = 0; s == ST_OK && k < p->n && has_room(p, k); k++) {
		slice raw;

		s = blob_small_one(small, k, &room, &raw);
		if (s == ST_OK)
			small_pack(p, k, raw);
		if (s == ST_ABSENT) /* it is big, or gone */
			s = ST_OK;
		if (s == ST_OK && breathe)
			s = breathe();
	}
	text_free(&room);
	return s;
}

struct packing_aside {
	struct packing *p;
	const blob_small *small;
};

static status pack_aside(void *arg)
{
	const struct packing_aside *x = arg;

	return small_ones_pack(x->p, x->small, NULL);
}

/* On a helper thread where there is a free one: the loop goes on with what others want. */
static status smalls_pack(struct packing *p)
{
	blob_small *small;

	TRY(blob_small_fetch(p->postoffice, p->ids, p->n, BODY_SMALL, &small));
	struct packing_aside x = {p, small};
	status s = task_helper_free() ? task_offload(pack_aside, &x)
				      : small_ones_pack(p, small, task_breathe);
	blob_small_close(&small);
	return s;
}

static status walk_piece(slice octets, void *walk)
{
	mime_walk_feed(walk, octets);
	return ST_OK;
}

static status big_pack(const struct packing *p, struct message_fact *fact)
{
	arena scratch = ARENA_INIT;
	mime_walk *w = walk_begin(&scratch);
	status s = blob_each(p->postoffice, fact->blob, walk_piece, w);

	if (s == ST_OK)
		pack_both(w, fact, p->a);
	mime_walk_close(&w);
	arena_release(&scratch);
	return s;
}

static status structures_pack(struct packing *p)
{
	for (int k = 0; k < p->n; k++)
		p->ids[k] = p->fact[k]->blob;
	TRY(smalls_pack(p));
	p->size = 0;
	for (int k = 0; k < p->left; k++) {
		if (p->read[k] || !has_room(p, k))
			continue;
		status s = big_pack(p, p->fact[k]);
		if (s == ST_OK)
			packed_count(p, k);
		else if (s != ST_ABSENT)
			return s;
		TRY(task_breathe());
	}
	return ST_OK;
}

static status head_pack(int which, slice head, void *arg)
{
	struct packing *p = arg;

	if (which > 0 && !has_room(p, which))
		return ST_OK;
	p->fact[which]->envelope = envelope_pack(head, p->a);
	packed_count(p, which);
	return ST_OK;
}

static status envelopes_pack(struct packing *p)
{
	for (int k = 0; k < p->n; k++)
		p->ids[k] = p->fact[k]->message;
	return message_heads(p->postoffice, p->ids, p->n, head_pack, p);
}

static bool is_packed(unsigned wanted, const struct message_fact *fact)
{
	return fact->version == MESSAGE_FACT_VERSION &&
	       (!(wanted & PACKED_ENVELOPE) || fact->envelope.size > 0) &&
	       (!(wanted & PACKED_STRUCTURE) || fact->structure.size > 0);
}

/* Another version's are void. */
static void fact_renew(struct message_fact *fact)
{
	if (fact->version != MESSAGE_FACT_VERSION)
		fact->envelope = fact->structure = (slice){0};
	fact->version = MESSAGE_FACT_VERSION;
}

static status pack(struct packing *p, unsigned wanted, struct packed_fresh *fresh)
{
	fresh->facts = arena_new_array(p->a, (size_t)p->n, sizeof *fresh->facts);
	for (int k = 0; k < p->n; k++)
		fact_renew(p->fact[k]);
	TRY(wanted & PACKED_STRUCTURE ? structures_pack(p) : envelopes_pack(p));
	for (int k = 0; k < p->n; k++) {
		if (p->read[k])
			fresh->facts[fresh->n++] = *p->fact[k];
		else if (k < p->left)
			p->fact[k]->blob = 0;
	}
	return ST_OK;
}

void packed_keep(int64_t postoffice, const struct packed_fresh *fresh)
{
	if (fresh->n > 0)
		(void)message_facts_keep(
			postoffice, fresh->facts, fresh->n); /* next time will do as well */
}

status packed_facts(int64_t postoffice, const int64_t *messages, int *n, unsigned wanted, arena *a,
	struct message_fact **facts)
{
	struct packed_fresh fresh;

	TRY(packed_facts_fresh(postoffice, messages, n, wanted, a, facts, &fresh));
	packed_keep(postoffice, &fresh);
	return ST_OK;
}

status packed_facts_fresh(int64_t postoffice, const int64_t *messages, int *n, unsigned wanted,
	arena *a, struct message_fact **facts, struct packed_fresh *fresh)
{
	*fresh = (struct packed_fresh){0};
	struct packing p = {.postoffice = postoffice, .a = a};

	TRY(wanted & PACKED_STRUCTURE ? message_facts(postoffice, messages, *n, a, facts, n)
				      : message_envelopes(postoffice, messages, *n, a, facts, n));
	p.fact = arena_new_array(a, (size_t)*n, sizeof(struct message_fact *));
	for (int k = 0; k < *n && wanted; k++)
		if ((*facts)[k].blob != 0 && !is_packed(wanted, &(*facts)[k]))
			p.fact[p.n++] = &(*facts)[k];
	if (p.n == 0)
		return ST_OK;
	p.ids = arena_new_array(a, (size_t)p.n, sizeof *p.ids);
	p.read = arena_new_array(a, (size_t)p.n, sizeof *p.read);
	p.left = p.n;
	TRY(pack(&p, wanted, fresh));
	if (p.left < p.n)
		*n = (int)(p.fact[p.left] - *facts);
	return ST_OK;
}

/* ---- walking over envelopes */

struct walk {
	const view *v;
	bool envelopes;
	status (*each)(int which, const struct view_entry *e, const envelope *facts, void *arg);
	void *arg;
};

/* *n becomes how many of them were told of. */
static status walk_batch(const struct walk *w, const uint32_t *uids, int first, int *n, arena *a)
{
	static const struct view_entry gone;
	const struct view_entry *entries[BATCH] = {0};
	int64_t messages[BATCH] = {0};
	struct message_fact *facts = NULL;

	for (int k = 0; k < *n; k++) {
		entries[k] = view_find(w->v, uids[first + k]);
		messages[k] = entries[k] ? entries[k]->message : 0;
	}
	if (w->envelopes) {
		folder_page_bring(w->v, uids + first, *n, false);
		TRY(packed_facts(w->v->postoffice, messages, n, PACKED_ENVELOPE, a, &facts));
	}
	for (int k = 0; k < *n; k++) {
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

	for (int first = 0, size; s == ST_OK && first < n; first += size) {
		size = n - first < BATCH ? n - first : BATCH;
		s = walk_batch(&w, uids, first, &size, &a);
		arena_clear(&a);
	}
	arena_release(&a);
	return s;
}
