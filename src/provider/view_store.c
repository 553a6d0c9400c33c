/* Views over PostgreSQL. A change is one transaction of one round trip: the mailbox's lock, then
   one statement. It tells at which MODSEQ the folder was before. When the view was there too, what
   changed is known here and need not be read again; else somebody else changed it meanwhile and the
   view is refreshed.

   STORE and EXPUNGE of few messages try to do without the lock: what is to become of the newest state
   that this process knows is counted here, and one statement does it when the folder is still at
   that MODSEQ. When it is not, nothing is done, and the change goes the way above. */
#include "provider/view.h"

#include "base/id.h"
#include "provider/folder_page_inside.h"
#include "provider/mailbox.h"
#include "provider/news.h"
#include "provider/settle.h"
#include "provider/together.h"
#include "provider/view_cache.h"
#include "provider/view_look.h"

#include <inttypes.h>

/* ---- changing */

/* What becomes of messages of an image. */
struct due {
	struct view_image *known;
	struct view_entry *fresh; /* as they will be, or as they were when they go */
	int64_t *uids;            /* theirs */
	int n;
	int64_t bytes, unseen, deleted; /* that come to the folder's counts */
	slice words;                    /* keywords of the mailbox, once it is done */
	uint32_t recent;                /* of the folder, likewise */
	int64_t modseq;                 /* given; 0: it is not done */
};

struct change {
	view *v;
	uint32_t *uids; /* rising */
	int n;
	struct due due;
	int64_t *first, *last; /* the same as ranges */
	int ranges;
	arena *a;
	const struct view_flags *flags;
	slice name;                /* of the other folder */
	int64_t target, locked[2]; /* its mailbox; both */
	int64_t only;              /* its id, 0 = any of that name */
	int least;                 /* so many are there, or none is copied */
	struct view_carried carried;
	int64_t outcome;      /* id of a copy's or move's note */
	bool only_known;      /* else nothing is done */
	struct together with; /* others */
	int64_t count, own,
		before; /* what a statement told: entries that went, the MODSEQ given (0: nothing
				       changed), the folder's before */
	bool absent;    /* the folder is */
	bool moves, leaves, again;
	struct rows r, left;
	struct rows *gone; /* of EXPUNGE, a row for so many */
	int gone_n;
};

#define EXPUNGED_AT_ONCE 20000 /* the database makes arrays of what one statement removes */

/* Messages with numbers in a row are one range of UIDs: what has a UID between them was told of and
   is gone, for UIDs show themselves in order. */
static void ranges_make(struct change *c)
{
	for (int i = 0, before = -1; i < c->n; i++) {
		int number = view_number(c->v, c->uids[i]);

		if (number != before + 1 || i % EXPUNGED_AT_ONCE == 0)
			c->first[c->ranges++] = c->uids[i];
		c->last[c->ranges - 1] = c->uids[i];
		before = number;
	}
}

static struct change change_of(view *v, const uint32_t *uids, int n, arena *a)
{
	struct change c = {.v = v, .n = n, .a = a};

	c.uids = view_asked(v, uids, &c.n, a);
	c.first = arena_new_array(a, (size_t)c.n * 2 + 1, sizeof *c.first);
	c.last = c.first + c.n;
	ranges_make(&c);
	return c;
}

/* An image with these changes, at the modseq they gave: shown, and kept for others. */
static void image_show(view *v, const struct view_image *base, int64_t modseq,
	const struct view_range *gone, int gone_n, const struct view_entry *fresh, int fresh_n,
	bool hold, arena *a, struct view_change *out)
{
	struct view_image facts = {.postoffice = v->postoffice,
		.mailbox = v->mailbox,
		.folder = v->folder,
		.uidvalidity = v->uidvalidity,
		.uidnext = base->uidnext,
		.modseq = modseq};
	struct view_image *i = image_with(&facts, base->name, base, gone, gone_n, fresh, fresh_n);

	view_cache_put(i);
	view_take(v, i, hold, a, out);
	out->own = modseq;
}

/* The view's own. */
static void change_show(view *v, int64_t modseq, const struct view_range *gone, int gone_n,
	const struct view_entry *fresh, int fresh_n, bool hold, arena *a, struct view_change *out)
{
	image_show(v, v->inside->image, modseq, gone, gone_n, fresh, fresh_n, hold, a, out);
}

/* Whether nobody changed the folder since the view's image. */
static bool is_at(const view *v, int64_t modseq)
{
	return v->inside->image && v->modseq == modseq;
}

/* The change is made, and stays made when the view cannot be refreshed now, or its folder was
   removed meanwhile: to say otherwise would have it made again. The view is as it was, and the next
   look tells all. */
static status refresh_own(view *v, bool hold, int64_t own, arena *a, struct view_change *out)
{
	status s = view_look(v, hold, own, a, out);

	if (s != ST_OK)
		*out = (struct view_change){0};
	out->own = own;
	return s;
}

/* What may stand, though nobody knows, is for whoever watches to look at: the folder, and that of
   copies. */
static status change_settle(struct change *c, status (*once)(void *arg, bool again))
{
	const view *v = c->v;
	status s = settle(once, c);

	if (s == ST_UNSURE)
		settle_hint(v->postoffice, v->mailbox, v->folder, S(""));
	if (s == ST_UNSURE && c->target)
		settle_hint(v->postoffice, c->target, c->only, c->name);
	return s;
}

/* ---- few messages, without the lock */

#define DUE_MOST 100

static const struct view_entry *entry_in(const struct view_image *i, uint32_t uid)
{
	int at = image_at(i, uid);

	return at < i->count && i->entries[at].uid == uid ? &i->entries[at] : NULL;
}

static struct due due_of(const view *v, int n, arena *a)
{
	int room = n < DUE_MOST ? n : DUE_MOST;

	return (struct due){.known = view_newest(v),
		.fresh = arena_new_array(a, (size_t)room + 1, sizeof(struct view_entry)),
		.uids = arena_new_array(a, (size_t)room + 1, sizeof(int64_t))};
}

static void due_end(struct due *d)
{
	image_let(&d->known);
}

/* False: there are too many. */
static bool due_add(struct due *d, const struct view_entry *e)
{
	if (d->n == DUE_MOST)
		return false;
	d->uids[d->n] = e->uid;
	d->fresh[d->n++] = *e;
	return true;
}

/* As PostgreSQL writes a multirange. */
static slice due_ranges(const struct due *d, arena *a)
{
	text list = TEXT_INIT;

	for (int i = 0, end; i < d->n; i = end) {
		for (end = i + 1; end < d->n && d->uids[end] == d->uids[end - 1] + 1;)
			end++;
		text_format(&list, "%s[%" PRId64 ",%" PRId64 ")", i ? "," : "{", d->uids[i],
			d->uids[end - 1] + 1);
	}
	text_add_char(&list, '}');
	slice kept = arena_copy(a, text_slice(&list));
	text_free(&list);
	return kept;
}

/* Those that are asked for, not those that would change: the folder may be at another MODSEQ. */
static slice ranges_text(const struct change *c)
{
	text list = TEXT_INIT;

	for (int i = 0; i < c->ranges; i++)
		text_format(&list, "%s[%" PRId64 ",%" PRId64 ")", i ? "," : "{", c->first[i],
			c->last[i] + 1);
	text_add_char(&list, '}');
	slice kept = arena_copy(c->a, text_slice(&list));
	text_free(&list);
	return kept;
}

static struct together together_of(const struct change *c, enum together_kind kind)
{
	return (struct together){.kind = kind,
		.postoffice = c->v->postoffice,
		.mailbox = c->v->mailbox,
		.folder = c->v->folder,
		.uids = ranges_text(c),
		.a = c->a};
}

/* It went together with others: where the newest state that is known is the one that was changed, what
   became of it is known too, and is told as if the change had gone by itself. */
static void due_together(struct change *c, void (*due)(struct change *c))
{
	const struct together *t = &c->with;
	struct due *d = &c->due;

	c->count = t->n;
	c->own = t->modseq;
	c->before = t->before;
	due_end(d);
	due(c);
	if (t->modseq == 0 || d->n != t->n || d->known->modseq != t->before)
		return;
	d->modseq = t->modseq;
	d->words = t->words;
	d->recent = t->recent;
}

/* ST_OK with modseq 0: nothing is done, since the folder is not as it is known; ST_INVALID of the statement
   is that others changed it while this one waited for them. */
static status due_run(db_tx *tx, struct due *d, const struct rows *r)
{
	status s = db_commit(&tx, NULL);

	if (s == ST_INVALID)
		return ST_OK;
	TRY(s);
	if (r->count == 0)
		return ST_OK;
	d->modseq = row_int(r, 0, 0);
	d->words = row_slice(r, 0, 1);
	d->recent = (uint32_t)row_int(r, 0, 2);
	return ST_OK;
}

/* The state that was known, with these changes. */
static void due_show(view *v, const struct due *d, const struct view_range *gone, int gone_n,
	const struct view_entry *fresh, int fresh_n, bool hold, arena *a, struct view_change *out)
{
	view_words(v, d->words);
	image_show(v, d->known, d->modseq, gone, gone_n, fresh, fresh_n, hold, a, out);
	view_recent_take(v, out, d->recent, a);
}

/* ---- STORE */

/* What this process knows to change by it; none when that is too much. */
static void store_due(struct change *c)
{
	const struct view_flags *f = c->flags;
	struct due *d = &c->due;

	*d = due_of(c->v, c->n, c->a);
	for (int i = 0; d->known && i < c->n; i++) {
		const struct view_entry *e = entry_in(d->known, c->uids[i]);

		if (!e || (f->unchanged_since >= 0 && e->modseq > f->unchanged_since))
			continue;
		struct view_entry due = *e;
		due.flags = (e->flags & ~f->remove) | f->add;
		if (due.flags == e->flags)
			continue;
		if (!due_add(d, &due)) {
			d->n = 0;
			return;
		}
		d->unseen += !(due.flags & FLAG_SEEN) - !(e->flags & FLAG_SEEN);
		d->deleted += !!(due.flags & FLAG_DELETED) - !!(e->flags & FLAG_DELETED);
	}
}

static status store_alone(void *arg)
{
	struct change *c = arg;
	const view *v = c->v;
	struct due *d = &c->due;
	db_tx *tx = db_begin(DB_RUN, c->a);
	struct rows r;

	db_add(tx, SQL_VIEW_STORE_ALONE,
		(struct param[]){p_int(v->postoffice), p_int(v->mailbox), p_int(v->folder),
			p_int(d->known->modseq), p_int_array(d->uids, d->n),
			p_int(c->flags->remove), p_int(c->flags->add), p_int(d->unseen),
			p_int(d->deleted), p_text(due_ranges(d, c->a))},
		10, &r);
	return due_run(tx, d, &r);
}

static void store_alone_show(struct change *c, bool hold, struct view_stored *out)
{
	struct due *d = &c->due;
	const int64_t since = c->flags->unchanged_since;
	uint32_t *failed = arena_new_array(c->a, (size_t)c->n + 1, sizeof *failed);

	for (int i = 0; since >= 0 && i < c->n; i++) {
		const struct view_entry *e = entry_in(d->known, c->uids[i]);

		if (e && e->modseq > since)
			failed[out->failed_n++] = e->uid;
	}
	out->failed = failed;
	for (int i = 0; i < d->n; i++)
		d->fresh[i].modseq = d->modseq;
	due_show(c->v, d, NULL, 0, d->fresh, d->n, hold, c->a, &out->change);
}

static status store_few(struct change *c)
{
	if (c->flags->unchanged_since >= 0 || c->n > DUE_MOST)
		return store_alone(c);
	c->with = together_of(c, TOGETHER_STORE);
	c->with.remove = c->flags->remove;
	c->with.add = c->flags->add;
	TRY(together_run(&c->with, store_alone, c));
	if (c->with.done)
		due_together(c, store_due);
	return ST_OK;
}

static status store_once(void *arg, bool again)
{
	struct change *c = arg;
	const view *v = c->v;
	const struct view_flags *f = c->flags;

	c->again |= again;
	if (!again && c->due.n > 0) {
		TRY(store_few(c));
		if (c->due.modseq > 0 || c->with.done)
			return ST_OK;
	}
	db_tx *tx = settle_begin(v->postoffice, &v->mailbox, c->a);
	db_add(tx, SQL_VIEW_STORE,
		(struct param[]){p_int(v->postoffice), p_int(v->mailbox), p_int(v->folder),
			p_int_array(c->first, c->ranges), p_int_array(c->last, c->ranges),
			p_int(f->remove), p_int(f->add),
			p_int(f->unchanged_since < 0 ? INT64_MAX : f->unchanged_since)},
		8, &c->r);
	TRY(db_commit(&tx, NULL));
	c->own = row_int(&c->r, 0, 0);
	c->absent = row_null(&c->r, 0, 1);
	c->before = row_int(&c->r, 0, 1);
	return ST_OK;
}

static void store_show(struct change *c, int64_t own, bool hold, struct view_change *out)
{
	const struct view_flags *f = c->flags;
	struct view_entry *fresh = arena_new_array(c->a, (size_t)c->n + 1, sizeof *fresh);
	int n = 0;

	for (int i = 0; i < c->n; i++) {
		const struct view_entry *e = view_find(c->v, c->uids[i]);

		if (!e || (f->unchanged_since >= 0 && e->modseq > f->unchanged_since))
			continue;
		int64_t due = (e->flags & ~f->remove) | f->add;
		if (due == e->flags)
			continue;
		fresh[n] = *e;
		fresh[n].flags = due;
		fresh[n++].modseq = own;
	}
	change_show(c->v, own, NULL, 0, fresh, n, hold, c->a, out);
}

/* A second run meets what the first one stored and takes it for somebody else's. */
static bool is_own(const struct change *c, uint32_t uid)
{
	const struct view_entry *e = c->again ? view_find(c->v, uid) : NULL;

	return e && e->flags == ((e->flags & ~c->flags->remove) | c->flags->add);
}

static void failed_take(struct change *c, struct view_stored *out)
{
	int n = 0;
	const int64_t *uids = c->with.done ? NULL : row_int_array(&c->r, 0, 2, c->a, &n);
	uint32_t *failed = arena_new_array(c->a, (size_t)n + 1, sizeof *failed);

	out->failed_n = 0;
	for (int i = 0; i < n; i++)
		if (!is_own(c, (uint32_t)uids[i]))
			failed[out->failed_n++] = (uint32_t)uids[i];
	out->failed = failed;
}

static void stored_look(view *v, bool hold, int64_t own, arena *a, struct view_stored *out)
{
	status s = refresh_own(v, hold, own, a, &out->change);

	out->removed = s == ST_ABSENT;
	out->hidden = s != ST_OK;
}

static status store_take(struct change *c, bool hold, struct view_stored *out)
{
	view *v = c->v;

	if (c->absent)
		return ST_ABSENT;
	if (c->own > 0)
		news_tell(v->postoffice, v->mailbox, v->folder);
	if (is_at(v, c->before) && c->own > 0)
		store_show(c, c->own, hold, &out->change);
	else if (is_at(v, c->before))
		view_take(v, image_hold(v->inside->image), hold, c->a, &out->change);
	else
		stored_look(v, hold, c->own, c->a, out);
	failed_take(c, out);
	return c->again && out->hidden && out->failed_n > 0 ? ST_UNSURE : ST_OK;
}

status view_store(view *v, const uint32_t *uids, int n, const struct view_flags *f, bool hold,
	arena *a, struct view_stored *out)
{
	struct change c = change_of(v, uids, n, a);

	*out = (struct view_stored){0};
	if (v->read_only)
		return ST_DENIED;
	c.flags = f;
	store_due(&c);
	status s = change_settle(&c, store_once);
	if (s == ST_OK && c.due.modseq > 0) {
		news_tell(v->postoffice, v->mailbox, v->folder);
		store_alone_show(&c, hold, out);
	} else if (s == ST_OK) {
		s = store_take(&c, hold, out);
	}
	due_end(&c.due);
	return s;
}

/* ---- EXPUNGE */

static void expunge_due(struct change *c)
{
	struct due *d = &c->due;

	*d = due_of(c->v, c->n, c->a);
	for (int i = 0; d->known && i < c->n; i++) {
		const struct view_entry *e = entry_in(d->known, c->uids[i]);

		if (!e || !(e->flags & FLAG_DELETED))
			continue;
		if (!due_add(d, e)) {
			d->n = 0;
			return;
		}
		d->bytes -= e->size;
		d->unseen -= !(e->flags & FLAG_SEEN);
		d->deleted--;
	}
}

static status expunge_alone(void *arg)
{
	struct change *c = arg;
	const view *v = c->v;
	struct due *d = &c->due;
	db_tx *tx = db_begin(DB_RUN, c->a);
	struct rows r;

	db_add(tx, SQL_FOLDER_EXPUNGE_ALONE,
		(struct param[]){p_int(v->postoffice), p_int(v->mailbox), p_int(v->folder),
			p_int(d->known->modseq), p_int_array(d->uids, d->n), p_int(d->bytes),
			p_int(d->unseen), p_int(d->deleted), p_text(due_ranges(d, c->a))},
		9, &r);
	return due_run(tx, d, &r);
}

static void expunge_alone_show(struct change *c, struct view_change *out)
{
	struct due *d = &c->due;
	struct view_range *gone = arena_new_array(c->a, (size_t)d->n, sizeof *gone);

	for (int i = 0; i < d->n; i++)
		gone[i] = (struct view_range){d->fresh[i].uid, d->fresh[i].uid};
	news_tell(c->v->postoffice, c->v->mailbox, c->v->folder);
	due_show(c->v, d, gone, d->n, NULL, 0, false, c->a, out);
}

/* All in one transaction, which gives a MODSEQ to each so many. */
static void expunge_add(struct change *c, db_tx *tx)
{
	const view *v = c->v;
	int n = c->n > 0 ? (c->n - 1) / EXPUNGED_AT_ONCE + 1 : 1, from = 0;

	c->gone = arena_new_array(c->a, (size_t)n, sizeof *c->gone);
	for (c->gone_n = 0; c->gone_n < n; c->gone_n++) {
		int next = (c->gone_n + 1) * EXPUNGED_AT_ONCE, to = from;

		while (to < c->ranges && (next >= c->n || c->first[to] < c->uids[next]))
			to++;
		db_add(tx, SQL_FOLDER_EXPUNGE,
			(struct param[]){p_int(v->postoffice), p_int(v->mailbox), p_int(v->folder),
				p_int_array(c->first + from, to - from),
				p_int_array(c->last + from, to - from), p_int(FLAG_DELETED)},
			6, &c->gone[c->gone_n]);
		from = to;
	}
}

static status expunge_few(struct change *c)
{
	if (c->n > DUE_MOST)
		return expunge_alone(c);
	c->with = together_of(c, TOGETHER_EXPUNGE);
	c->with.known = c->only_known ? c->due.known->modseq : 0;
	TRY(together_run(&c->with, expunge_alone, c));
	if (c->with.done)
		due_together(c, expunge_due);
	return ST_OK;
}

static status expunge_once(void *arg, bool again)
{
	struct change *c = arg;
	const view *v = c->v;

	/* Again: what is gone already is nothing. */
	if (!again && c->due.n > 0) {
		TRY(expunge_few(c));
		if (c->due.modseq > 0 || c->with.done || c->only_known)
			return ST_OK;
	}
	db_tx *tx = settle_begin(v->postoffice, &v->mailbox, c->a);
	expunge_add(c, tx);
	c->count = c->own = 0;
	TRY(db_commit(&tx, NULL));
	c->absent = row_null(c->gone, 0, 2);
	c->before = row_int(c->gone, 0, 2);
	for (int i = 0; i < c->gone_n; i++) {
		c->count += row_int(&c->gone[i], 0, 0);
		if (!row_null(&c->gone[i], 0, 1))
			c->own = row_int(&c->gone[i], 0, 1);
	}
	return ST_OK;
}

/* Those of the change's UIDs that are in the view, with the flag or any. */
static struct view_range *ranges_here(const struct change *c, int64_t flags, int *n)
{
	struct view_range *ranges = arena_new_array(c->a, (size_t)c->n + 1, sizeof *ranges);

	*n = 0;
	for (int i = 0; i < c->n; i++) {
		const struct view_entry *e = view_find(c->v, c->uids[i]);

		if (e && (e->flags & flags) == flags)
			ranges[(*n)++] = (struct view_range){e->uid, e->uid};
	}
	return ranges;
}

static uint32_t *uids_deleted(const struct view_image *in, uint32_t below, arena *a, int *n)
{
	int count = in ? in->count : 0;
	uint32_t *uids = arena_new_array(a, (size_t)count + 1, sizeof *uids);

	*n = 0;
	for (int i = 0; i < count && in->entries[i].uid < below; i++)
		if (in->entries[i].flags & FLAG_DELETED)
			uids[(*n)++] = in->entries[i].uid;
	return uids;
}

static void expunge_take(struct change *c, struct view_change *out)
{
	view *v = c->v;
	int gone_n;
	struct view_range *gone = ranges_here(c, FLAG_DELETED, &gone_n);

	if (c->own > 0)
		news_tell(v->postoffice, v->mailbox, v->folder);
	if (!is_at(v, c->before) || c->count != gone_n)
		refresh_own(v, false, c->own, c->a, out);
	else if (c->own > 0)
		change_show(v, c->own, gone, gone_n, NULL, 0, false, c->a, out);
	else
		view_take(v, image_hold(v->inside->image), false, c->a, out);
}

static status expunge_end(struct change *c, struct view_change *out)
{
	if (c->due.modseq > 0)
		expunge_alone_show(c, out);
	else if (c->absent)
		return ST_ABSENT;
	else
		expunge_take(c, out);
	return ST_OK;
}

static status expunge_in(view *v, const uint32_t *uids, int n, arena *a, struct view_change *out)
{
	struct change c = change_of(v, uids, n, a);

	expunge_due(&c);
	status s = change_settle(&c, expunge_once);
	if (s == ST_OK)
		s = expunge_end(&c, out);
	due_end(&c.due);
	return s;
}

/* All these or, when others changed the folder since it was known, none: *done is false then. */
static status expunge_known(
	view *v, const uint32_t *uids, int n, arena *a, struct view_change *out, bool *done)
{
	struct change c = change_of(v, uids, n, a);
	status s = ST_OK;

	c.only_known = true;
	expunge_due(&c);
	if (c.due.n > 0)
		s = change_settle(&c, expunge_once);
	*done = s == ST_OK && (c.due.modseq > 0 || c.with.done || c.gone_n > 0);
	if (*done)
		s = expunge_end(&c, out);
	due_end(&c.due);
	return s;
}

/* What is \Deleted of all that the reader was told of. When others changed the folder since it was
   known here it is looked at again first; what they removed is held then, and told together with
   these. */
static status expunge_all(view *v, arena *a, struct view_change *out)
{
	struct view_change before;
	uint32_t below = v->uidnext;
	struct view_image *known = view_newest(v);
	int64_t modseq = known ? known->modseq : 0;
	int n;
	bool done = false;
	uint32_t *deleted = uids_deleted(known, below, a, &n);

	image_let(&known);
	bool tried = n > 0 && n <= DUE_MOST;
	if (tried)
		TRY(expunge_known(v, deleted, n, a, out, &done));
	if (done)
		return ST_OK;
	TRY(view_look(v, true, tried ? modseq + 1 : 0, a, &before));
	deleted = uids_deleted(v->inside->image, below, a, &n);
	if (n > 0)
		TRY(expunge_in(v, deleted, n, a, out));
	else
		view_take(v, image_hold(v->inside->image), false, a, out);
	view_change_join(v, &before, a, out);
	return ST_OK;
}

status view_expunge(view *v, const uint32_t *uids, int n, arena *a, struct view_change *out)
{
	if (v->read_only)
		return ST_DENIED;
	if (!uids)
		return expunge_all(v, a, out);
	return n > 0 ? expunge_in(v, uids, n, a, out) : view_refresh(v, false, a, out);
}

/* ---- COPY and MOVE */

enum copied { TARGET, TARGET_UIDVALIDITY, FIRST, COPY_MODSEQ, COPIED_UIDS, SOURCE_MODSEQ };

/* What was copied is expunged; nothing of it all when nothing was. */
static void leave_add(db_tx *tx, struct change *c)
{
	const view *v = c->v;

	db_add(tx, SQL_VIEW_COPIED, (struct param[]){p_int(v->postoffice), p_int(c->outcome)}, 2,
		NULL);
	db_add(tx, SQL_FOLDER_EXPUNGE,
		(struct param[]){p_int(v->postoffice), p_int(v->mailbox), p_int(v->folder),
			p_int_array(c->first, c->ranges), p_int_array(c->last, c->ranges),
			p_int(0)},
		6, &c->left);
}

static status copy_once(void *arg, bool again)
{
	struct change *c = arg;
	const view *v = c->v;

	c->locked[0] = v->mailbox;
	c->locked[1] = c->target;
	db_tx *tx = settle_begin_both(v->postoffice, c->locked, c->a);

	c->again |= again;
	db_add(tx, c->moves ? SQL_VIEW_MOVE : SQL_VIEW_COPY,
		(struct param[]){p_int(v->postoffice), p_int(v->mailbox), p_int(v->folder),
			p_int_array(c->first, c->ranges), p_int_array(c->last, c->ranges),
			p_text(c->name), p_int(c->outcome), p_int(c->target),
			p_int(c->carried.keep), p_int_array(c->carried.here, c->carried.n),
			p_int_array(c->carried.there, c->carried.n), p_int(c->only),
			p_bool(c->leaves && c->target == v->mailbox), p_int(c->least)},
		c->moves ? 7 : 14, &c->r);
	if (c->leaves)
		leave_add(tx, c);
	return db_commit(&tx, NULL);
}

static void pairs_take(const int64_t *from, int n, int64_t first, arena *a, struct view_copied *out)
{
	uint32_t *pairs = arena_new_array(a, (size_t)n * 2 + 1, sizeof *pairs);

	for (int i = 0; i < n; i++) {
		pairs[i] = (uint32_t)from[i];
		pairs[n + i] = (uint32_t)(first + i);
	}
	out->from = pairs;
	out->to = pairs + n;
	out->n = n;
}

/* The note of a first run whose answer was lost. */
static status outcome_take(struct change *c, struct view_copied *out)
{
	struct param p[] = {p_int(c->v->postoffice), p_int(c->outcome)};
	struct rows r;
	int n;

	TRY(db_one(SQL_VIEW_OUTCOME, p, 2, c->a, &r));
	out->uidvalidity = (uint32_t)row_int(&r, 0, 0);
	out->modseq = row_int(&r, 0, 2);
	const int64_t *uids = row_int_array(&r, 0, 3, c->a, &n);
	pairs_take(uids, n, row_int(&r, 0, 1), c->a, out);
	return ST_OK;
}

static status copied_take(struct change *c, struct view_copied *out)
{
	int n;
	const int64_t *uids = row_int_array(&c->r, 0, COPIED_UIDS, c->a, &n);

	if (row_null(&c->r, 0, TARGET) || row_null(&c->r, 0, SOURCE_MODSEQ))
		return ST_ABSENT;
	if (n < c->least)
		return ST_OK;
	if (n > 0 && row_null(&c->r, 0, FIRST))
		return ST_FULL;
	out->uidvalidity = (uint32_t)row_int(&c->r, 0, TARGET_UIDVALIDITY);
	out->modseq = row_int(&c->r, 0, COPY_MODSEQ);
	pairs_take(uids, n, row_int(&c->r, 0, FIRST), c->a, out);
	return ST_OK;
}

static status copy_run(struct change *c, struct view_copied *out, bool *fresh)
{
	status s;

	*out = (struct view_copied){0};
	c->outcome = id_new();
	s = change_settle(c, copy_once);
	*fresh = s == ST_OK && !c->again;
	if (c->again && (s == ST_OK || s == ST_EXISTS)) {
		status told = outcome_take(c, out);
		if (told == ST_OK)
			return ST_OK;
		if (told != ST_ABSENT)
			return ST_UNSURE; /* a refusal would have the client copy again */
	}
	TRY(s);
	TRY(copied_take(c, out));
	if (out->n > 0) {
		news_tell(c->v->postoffice, c->target, row_int(&c->r, 0, TARGET));
		folder_page_grown(c->v->postoffice, c->target, row_int(&c->r, 0, TARGET), out->n);
	}
	return ST_OK;
}

static status copy_of(view *v, const uint32_t *uids, int n, const struct view_target *to, arena *a,
	struct change *c)
{
	*c = change_of(v, uids, n, a);
	c->target = to->mailbox;
	c->only = to->folder;
	if (folder_name(to->name, a, &c->name) != ST_OK)
		return ST_ABSENT;
	return view_carry(v, c->uids, c->n, to, a, &c->carried);
}

status view_copy_to(view *v, const uint32_t *uids, int n, const struct view_target *to, bool hold,
	arena *a, struct view_copied *out)
{
	struct change c;
	bool fresh;

	TRY(copy_of(v, uids, n, to, a, &c));
	c.least = hold ? c.n : 0;
	TRY(copy_run(&c, out, &fresh));
	bool elsewhere = fresh && row_int(&c.r, 0, TARGET) != v->folder;
	if (!elsewhere || !is_at(v, row_int(&c.r, 0, SOURCE_MODSEQ)))
		refresh_own(v, hold, 0, a, &out->change);
	else
		view_take(v, image_hold(v->inside->image), hold, a, &out->change);
	return ST_OK;
}

/* What follows a copy that stands is not refused as if nothing had been done. */
static status half_done(status s)
{
	return s == ST_BUSY ? ST_UNSURE : s;
}

/* Within one folder: copied, and what was copied is expunged. Cut off between, the messages are
   there twice, as with a client that copies and expunges by itself. */
static status move_within(view *v, struct change *c, arena *a, struct view_copied *out)
{
	struct view_stored marked;
	struct view_flags deleted = {.add = FLAG_DELETED, .unchanged_since = -1};
	bool fresh;

	c->moves = false;
	TRY(copy_run(c, out, &fresh));
	TRY(half_done(view_store(v, out->from, out->n, &deleted, true, a, &marked)));
	TRY(half_done(expunge_in(v, out->from, out->n, a, &out->change)));
	view_change_join(v, &marked.change, a, &out->change);
	return ST_OK;
}

/* The folder is called so now; somebody may have renamed it. */
static bool is_own_name(const view *v, slice name, arena *a)
{
	folder *f;

	return folder_find(v->postoffice, v->mailbox, name, a, &f) == ST_OK && f->id == v->folder;
}

/* Why nothing was copied: no such folder, no room there, or nothing was left to move. */
static status nothing_moved(struct change *c, arena *a, struct view_copied *out)
{
	folder *f;
	mailbox *m;
	int64_t bytes = 0;

	TRY(folder_find(c->v->postoffice, c->target, c->name, a, &f));
	TRY(mailbox_by_id(c->v->postoffice, c->target, a, &m));
	for (int i = 0; i < c->n; i++) {
		const struct view_entry *e = view_find(c->v, c->uids[i]);

		bytes += e ? e->size : 0;
	}
	if ((c->only && f->id != c->only) || m->state != MAILBOX_ENABLED)
		return ST_ABSENT;
	if (c->target != c->v->mailbox && m->quota > 0 && m->used + bytes > m->quota)
		return ST_FULL;
	refresh_own(c->v, false, 0, a, &out->change);
	return ST_OK;
}

/* To a folder that must be that very one: copied and expunged in one transaction. */
static status move_away(struct change *c, arena *a, struct view_copied *out)
{
	view *v = c->v;
	bool fresh;

	c->leaves = true;
	status s = copy_run(c, out, &fresh);
	if (s == ST_INVALID)
		return nothing_moved(c, a, out);
	TRY(s);
	news_tell(v->postoffice, v->mailbox, v->folder);
	refresh_own(v, false, fresh ? row_int(&c->left, 0, 1) : 0, a, &out->change);
	return ST_OK;
}

status view_move_to(view *v, const uint32_t *uids, int n, const struct view_target *to, arena *a,
	struct view_copied *out)
{
	struct change c;
	bool fresh;
	int gone_n;

	if (v->read_only)
		return ST_DENIED;
	TRY(copy_of(v, uids, n, to, a, &c));
	if (to->folder)
		return move_away(&c, a, out);
	c.moves = true;
	status s = copy_run(&c, out, &fresh);
	if (s == ST_ABSENT && is_own_name(v, to->name, a))
		return move_within(v, &c, a, out);
	TRY(s);
	struct view_range *gone = ranges_here(&c, 0, &gone_n);
	if (out->n > 0)
		news_tell(v->postoffice, v->mailbox, v->folder);
	if (!fresh || !is_at(v, row_int(&c.r, 0, SOURCE_MODSEQ)) || gone_n != out->n)
		refresh_own(v, false, out->modseq, a, &out->change);
	else if (out->n > 0)
		change_show(v, out->modseq, gone, gone_n, NULL, 0, false, a, &out->change);
	else
		view_take(v, image_hold(v->inside->image), false, a, &out->change);
	return ST_OK;
}
