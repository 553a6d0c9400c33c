/* Views in memory: every look makes an image of the folder as it is. */
#include "provider/view_image.h"

#include "provider/memory/store.h"
#include "provider/news.h"

#include <stdlib.h>

static struct view_image *image_of(const struct m_folder *f)
{
	struct view_image facts = {.postoffice = f->f.postoffice,
		.mailbox = f->f.mailbox,
		.folder = f->f.id,
		.uidvalidity = f->f.uidvalidity,
		.uidnext = f->f.uidnext,
		.modseq = f->f.modseq};
	struct view_image *i = image_new(&facts, f->f.name, (int)f->f.messages);
	int n = 0;

	EACH(struct m_entry, &f->entries, e)
		i->entries[n++] = (struct view_entry){.modseq = e->e.modseq,
			.flags = e->e.flags,
			.message = e->e.message,
			.received = e->e.received,
			.uid = e->e.uid,
			.size = (uint32_t)e->e.size,
			.saved = (uint32_t)(e->saved / USEC_S),
			.zone = (int16_t)e->zone};
	return i;
}

static void words_take(view *v, const struct m_mailbox *m)
{
	text words = TEXT_INIT;

	for (int i = 0; i < m->keywords.n; i++)
		text_format(&words, "%s%.*s", i ? " " : "", SLICE_ARGS(m->keywords.names[i]));
	view_words(v, text_slice(&words));
	text_free(&words);
}

static void recent_claim(const view *v, struct m_folder *f)
{
	if (v->inside->claims && f->f.recent < v->uidnext)
		f->f.recent = v->uidnext;
}

status view_open(int64_t postoffice, int64_t mailbox, slice given, unsigned flags, view **v)
{
	arena a = ARENA_INIT;
	slice name;
	status kind = folder_name(given, &a, &name) == ST_OK ? ST_OK : ST_ABSENT;
	struct store *s = store_take();
	struct m_mailbox *m = store_mailbox(s, postoffice, mailbox);
	struct m_folder *f = m && kind == ST_OK ? store_folder_named(m, name) : NULL;

	kind = store_refuses(s) ? ST_BUSY : f ? ST_OK : ST_ABSENT;
	if (kind == ST_OK) {
		*v = view_begin(image_of(f), flags);
		words_take(*v, m);
		if (flags & VIEW_RECENT)
			(*v)->recent = f->f.recent;
		recent_claim(*v, f);
	}
	store_give();
	arena_release(&a);
	return kind;
}

/* The store with the view's folder: taken, to be given back whatever comes. */
struct here {
	struct store *s;
	struct m_mailbox *m;
	struct m_folder *f;
};

static status here_take(const view *v, struct here *h)
{
	h->s = store_take();
	h->m = store_mailbox(h->s, v->postoffice, v->mailbox);
	h->f = h->m ? store_folder(h->m, v->folder) : NULL;
	return store_refuses(h->s) ? ST_BUSY : h->f ? ST_OK : ST_ABSENT;
}

static void show(
	view *v, const struct here *h, bool hold, int64_t own, arena *a, struct view_change *out)
{
	words_take(v, h->m);
	view_take(v, image_of(h->f), hold, a, out);
	recent_claim(v, h->f);
	out->own = own;
}

status view_refresh(view *v, bool hold, arena *a, struct view_change *out)
{
	struct here h;
	status kind = here_take(v, &h);

	if (kind == ST_OK)
		show(v, &h, hold, 0, a, out);
	store_give();
	return kind;
}

static int uid_order(const void *a, const void *b)
{
	const struct view_range *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

status view_vanished(
	view *v, int64_t since, arena *a, struct view_range **ranges, int *n, bool *complete)
{
	struct here h;
	status kind = here_take(v, &h);

	*n = 0;
	*complete = kind == ST_OK;
	if (kind == ST_ABSENT) {
		*ranges = view_absent(v, a, n);
		kind = ST_OK;
	} else if (kind == ST_OK) {
		int most = 1;

		EACH(struct m_gone, &h.m->gone, count)
			most += count->folder == v->folder;
		*ranges = arena_new_array(a, (size_t)most, sizeof **ranges);
		EACH(struct m_gone, &h.m->gone, g)
			if (g->folder == v->folder && g->modseq > since)
				(*ranges)[(*n)++] = (struct view_range){g->e.e.uid, g->e.e.uid};
		qsort(*ranges, (size_t)*n, sizeof **ranges, uid_order);
	}
	store_give();
	return kind;
}

static bool has(const uint32_t *uids, int n, uint32_t uid)
{
	int at = view_place(uids, n, uid);

	return at < n && uids[at] == uid;
}

status view_store(view *v, const uint32_t *uids, int n, const struct view_flags *f, bool hold,
	arena *a, struct view_stored *out)
{
	struct here h;
	uint32_t *asked = view_asked(v, uids, &n, a);
	uint32_t *failed = arena_new_array(a, (size_t)n + 1, sizeof *failed);
	int64_t own = 0;

	if (v->read_only)
		return ST_DENIED;
	status kind = here_take(v, &h);
	*out = (struct view_stored){.failed = failed};
	if (kind == ST_OK) {
		EACH(struct m_entry, &h.f->entries, e) {
			int64_t due = (e->e.flags & ~f->remove) | f->add;

			if (!has(asked, n, e->e.uid))
				continue;
			if (f->unchanged_since >= 0 && e->e.modseq > f->unchanged_since) {
				failed[out->failed_n++] = e->e.uid;
			} else if (due != e->e.flags) {
				own = own ? own : store_modseq(h.m, h.f);
				store_flags(h.f, e, due, own);
			}
		}
		show(v, &h, hold, own, a, &out->change);
	}
	store_give();
	if (own)
		news_tell(v->postoffice, v->mailbox, v->folder);
	return kind;
}

status view_expunge(view *v, const uint32_t *uids, int n, arena *a, struct view_change *out)
{
	struct here h;
	uint32_t below = uids ? UINT32_MAX : v->uidnext;
	uint32_t *asked = uids ? view_asked(v, uids, &n, a) : NULL;
	int64_t own = 0;
	int removed = 0;

	if (v->read_only)
		return ST_DENIED;
	status kind = here_take(v, &h);
	if (kind == ST_OK) {
		EACH(struct m_entry, &h.f->entries, e) {
			if (!(e->e.flags & FLAG_DELETED) || e->e.uid >= below ||
				(asked && !has(asked, n, e->e.uid)))
				continue;
			own = own ? own : store_modseq(h.m, h.f);
			store_entry_remove(h.s, h.m, h.f, e, own, false);
			removed++;
		}
		show(v, &h, false, own, a, out);
		out->expunged = removed;
	}
	store_give();
	if (own)
		news_tell(v->postoffice, v->mailbox, v->folder);
	return kind;
}

/* ---- COPY and MOVE */

static int64_t asked_bytes(const struct m_folder *f, const uint32_t *uids, int n, int *there)
{
	int64_t bytes = 0;

	*there = 0;
	EACH(struct m_entry, &f->entries, e) {
		bytes += has(uids, n, e->e.uid) ? e->e.size : 0;
		*there += has(uids, n, e->e.uid);
	}
	return bytes;
}

struct bringing {
	struct m_mailbox *m; /* where to */
	struct m_folder *f;
	struct view_carried carried;
	bool moves, within; /* as one's own mailbox moves: nothing of it is expunged */
	int least;          /* so many are there, or none is copied */
};

static int64_t flags_carried(const struct view_carried *x, int64_t flags)
{
	int64_t out = flags & x->keep;

	for (int i = 0; i < x->n; i++)
		out |= flags & x->here[i] ? x->there[i] : 0;
	return out;
}

/* *own: the modseq of those that left. */
static status bring(struct here *h, const uint32_t *uids, int n, struct bringing *b, arena *a,
	struct view_copied *out, int64_t *own)
{
	uint32_t *pairs = arena_new_array(a, (size_t)n * 2 + 1, sizeof *pairs);
	uint32_t past = h->f->f.uidnext;
	int there;
	int64_t bytes = asked_bytes(h->f, uids, n, &there);
	bool grows = !b->moves || b->m != h->m;

	*out = (struct view_copied){
		.uidvalidity = b->f->f.uidvalidity, .from = pairs, .to = pairs + n};
	if (there < b->least)
		return ST_OK;
	if (grows && b->m->quota > 0 && bytes > 0 && b->m->used + bytes > b->m->quota)
		return ST_FULL;
	EACH(struct m_entry, &h->f->entries, e) {
		if (e->e.uid >= past) /* the copy of one before, in the folder itself */
			break;
		if (!has(uids, n, e->e.uid))
			continue;
		out->modseq = out->modseq ? out->modseq : store_modseq(b->m, b->f);
		pairs[out->n] = e->e.uid;
		pairs[n + out->n++] = store_entry_add(h->s, b->m, b->f, e->message, out->modseq,
			flags_carried(&b->carried, e->e.flags), e->e.received, e->zone)
					      ->e.uid;
		if (!b->moves)
			continue;
		*own = *own ? *own : b->within ? out->modseq : store_modseq(h->m, h->f);
		store_entry_remove(h->s, h->m, h->f, e, *own, b->within);
	}
	if (*own)
		h->f->f.modseq = *own;
	return ST_OK;
}

/* A disabled mailbox is given nothing, but moves what it has. */
static bool is_target(const struct bringing *b, const struct view_target *to)
{
	return b->f && (!to->folder || b->f->f.id == to->folder) &&
	       (b->m->state == MAILBOX_ENABLED || (b->moves && b->within));
}

static status copy(view *v, const uint32_t *uids, int n, const struct view_target *to, bool hold,
	bool moves, arena *a, struct view_copied *out)
{
	struct here h;
	uint32_t *asked = view_asked(v, uids, &n, a);
	struct bringing b = {
		.moves = moves, .within = !to->folder, .least = !moves && hold ? n : 0};
	int64_t own = 0;
	slice name;

	if (folder_name(to->name, a, &name) != ST_OK)
		return ST_ABSENT;
	TRY(view_carry(v, asked, n, to, a, &b.carried));
	status kind = here_take(v, &h);
	b.m = kind == ST_OK ? store_mailbox(h.s, v->postoffice, to->mailbox) : NULL;
	b.f = b.m ? store_folder_named(b.m, name) : NULL;
	if (kind == ST_OK)
		kind = is_target(&b, to) ? bring(&h, asked, n, &b, a, out, &own) : ST_ABSENT;
	if (kind == ST_OK)
		show(v, &h, hold, own, a, &out->change);
	store_give();
	if (kind == ST_OK && out->n > 0) {
		news_tell(v->postoffice, to->mailbox, b.f->f.id);
		if (moves)
			news_tell(v->postoffice, v->mailbox, v->folder);
	}
	return kind;
}

status view_copy_to(view *v, const uint32_t *uids, int n, const struct view_target *to, bool hold,
	arena *a, struct view_copied *out)
{
	return copy(v, uids, n, to, hold, false, a, out);
}

status view_move_to(view *v, const uint32_t *uids, int n, const struct view_target *to, arena *a,
	struct view_copied *out)
{
	return v->read_only ? ST_DENIED : copy(v, uids, n, to, false, true, a, out);
}
