/* STORE and EXPUNGE over PostgreSQL. A change is one transaction of one round trip: the mailbox's lock, then
   one statement. It tells at which MODSEQ the folder was before. When the view was there too, what
   changed is known here and need not be read again; else somebody else changed it meanwhile and the
   view is refreshed.

   Changes of few messages try to do without the lock: what is to become of the newest state
   that this process knows is counted here, and one statement does it when the folder is still at
   that MODSEQ. When it is not, nothing is done, and the change goes the way above. */
#include "provider/view.h"

#include "provider/news.h"
#include "provider/settle.h"
#include "provider/together.h"
#include "provider/view_look.h"
#include "provider/view_own.h"

#include <inttypes.h>

/* What becomes of messages of an image. */
struct due {
	struct view_image *known;
	struct view_entry *fresh; /* as they will be, or as they were when they go */
	int64_t *uids;            /* theirs */
	int n;
	bool counted;                   /* it is all; else nothing is known, or it is too much */
	int64_t bytes, unseen, deleted; /* that come to the folder's counts */
	slice words;                    /* keywords of the mailbox, once it is done */
	uint32_t recent;                /* of the folder, likewise */
	int64_t modseq;                 /* given; 0: it is not done */
};

struct change {
	view *v;
	arena *a;
	struct view_ranges asked;
	const struct view_flags *flags; /* STORE */
	struct due due;
	bool only_known;      /* else nothing is done */
	struct together with; /* others */
	/* What statements told */
	struct rows r;     /* STORE */
	struct rows *gone; /* EXPUNGE: a row for each part */
	int gone_n;
	int64_t count;  /* entries that went */
	int64_t own;    /* the MODSEQ given; 0: nothing changed */
	int64_t before; /* the folder's */
	bool absent;    /* the folder is */
	bool again;     /* it ran more than once */
};

static struct change change_of(view *v, const uint32_t *uids, int n, arena *a)
{
	return (struct change){.v = v, .a = a, .asked = view_ranges_of(v, uids, n, a)};
}

/* What may stand, though nobody knows, is for whoever watches to look at. */
static status change_settle(struct change *c, status (*once)(void *arg, bool again))
{
	const view *v = c->v;
	status s = settle(once, c);

	if (s == ST_UNSURE)
		settle_hint(v->postoffice, v->mailbox, v->folder, S(""));
	return s;
}

/* ---- few messages, without the lock */

#define DUE_MOST 100

static const struct view_entry *entry_in(const struct view_image *i, uint32_t uid)
{
	int at = image_at(i, uid);

	return at < i->count && i->entries[at].uid == uid ? &i->entries[at] : NULL;
}

/* Takes over the hold. */
static struct due due_of(struct view_image *known, int n, arena *a)
{
	int room = n < DUE_MOST ? n : DUE_MOST;

	return (struct due){.known = known,
		.counted = known != NULL,
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
	if (d->n == DUE_MOST) {
		d->n = 0;
		d->counted = false;
		return false;
	}
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

	for (int i = 0; i < c->asked.count; i++)
		text_format(&list, "%s[%" PRId64 ",%" PRId64 ")", i ? "," : "{", c->asked.first[i],
			c->asked.last[i] + 1);
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

/* The state that was known, with what became of it: those are fresh, or gone. */
static void due_show(view *v, const struct due *d, struct view_made made, bool hold, arena *a,
	struct view_change *out)
{
	made.base = d->known;
	made.modseq = d->modseq;
	view_words(v, d->words);
	view_show_own(v, &made, hold, a, out);
	view_recent_take(v, out, d->recent, a);
}

/* ---- STORE */

/* What is to change of what is known; none when that is too much. Takes over the hold. */
static void store_count(struct change *c, struct view_image *known)
{
	const struct view_flags *f = c->flags;
	struct due *d = &c->due;

	*d = due_of(known, c->asked.n, c->a);
	for (int i = 0; d->known && i < c->asked.n; i++) {
		const struct view_entry *e = entry_in(d->known, c->asked.uids[i]);

		if (!e || (f->unchanged_since >= 0 && e->modseq > f->unchanged_since))
			continue;
		struct view_entry due = *e;
		due.flags = (e->flags & ~f->remove) | f->add;
		if (due.flags == e->flags)
			continue;
		if (!due_add(d, &due))
			return;
		d->unseen += !(due.flags & FLAG_SEEN) - !(e->flags & FLAG_SEEN);
		d->deleted += !!(due.flags & FLAG_DELETED) - !!(e->flags & FLAG_DELETED);
	}
}

static void store_due(struct change *c)
{
	store_count(c, view_newest(c->v));
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

/* What unchanged_since holds back of what is known. */
static void failed_known(const struct change *c, struct view_stored *out)
{
	const int64_t since = c->flags->unchanged_since;
	uint32_t *failed = arena_new_array(c->a, (size_t)c->asked.n + 1, sizeof *failed);

	for (int i = 0; since >= 0 && i < c->asked.n; i++) {
		const struct view_entry *e = entry_in(c->due.known, c->asked.uids[i]);

		if (e && e->modseq > since)
			failed[out->failed_n++] = e->uid;
	}
	out->failed = failed;
}

static void store_alone_show(struct change *c, bool hold, struct view_stored *out)
{
	struct due *d = &c->due;

	failed_known(c, out);
	for (int i = 0; i < d->n; i++)
		d->fresh[i].modseq = d->modseq;
	due_show(c->v, d, (struct view_made){.fresh = d->fresh, .fresh_n = d->n}, hold, c->a,
		&out->change);
}

static status store_few(struct change *c)
{
	if (c->flags->unchanged_since >= 0 || c->asked.n > DUE_MOST)
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
			p_int_array(c->asked.first, c->asked.count),
			p_int_array(c->asked.last, c->asked.count), p_int(f->remove), p_int(f->add),
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
	struct view_entry *fresh = arena_new_array(c->a, (size_t)c->asked.n + 1, sizeof *fresh);
	int n = 0;

	for (int i = 0; i < c->asked.n; i++) {
		const struct view_entry *e = view_find(c->v, c->asked.uids[i]);

		if (!e || (f->unchanged_since >= 0 && e->modseq > f->unchanged_since))
			continue;
		int64_t due = (e->flags & ~f->remove) | f->add;
		if (due == e->flags)
			continue;
		fresh[n] = *e;
		fresh[n].flags = due;
		fresh[n++].modseq = own;
	}
	view_show_own(c->v,
		&(struct view_made){
			.base = c->v->inside->image, .modseq = own, .fresh = fresh, .fresh_n = n},
		hold, c->a, out);
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
	status s = view_look_own(v, hold, own, a, &out->change);

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
	if (view_is_at(v, c->before) && c->own > 0)
		store_show(c, c->own, hold, &out->change);
	else if (view_is_at(v, c->before))
		view_show_same(v, hold, c->a, &out->change);
	else
		stored_look(v, hold, c->own, c->a, out);
	failed_take(c, out);
	return c->again && out->hidden && out->failed_n > 0 ? ST_UNSURE : ST_OK;
}

static status store_run(struct change *c, bool hold, struct view_stored *out)
{
	TRY(change_settle(c, store_once));
	if (c->due.modseq == 0)
		return store_take(c, hold, out);
	news_tell(c->v->postoffice, c->v->mailbox, c->v->folder);
	store_alone_show(c, hold, out);
	return ST_OK;
}

static bool is_nothing(const struct due *d)
{
	return d->counted && d->n == 0;
}

/* Nothing would change of what is known here: whether it is so is looked at, without a lock and with nothing
   written. */
static status store_nothing(struct change *c, bool hold, struct view_stored *out)
{
	struct view_loaded now;

	TRY(view_see(c->v, 0, c->a, &now));
	due_end(&c->due);
	store_count(c, image_hold(now.image));
	if (!is_nothing(&c->due)) {
		image_let(&now.image);
		return store_run(c, hold, out);
	}
	failed_known(c, out);
	view_show(c->v, &now, hold, c->a, &out->change);
	return ST_OK;
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
	status s = is_nothing(&c.due) ? store_nothing(&c, hold, out) : store_run(&c, hold, out);
	due_end(&c.due);
	return s;
}

/* ---- EXPUNGE */

/* Takes over the hold. */
static void expunge_count(struct change *c, struct view_image *known)
{
	struct due *d = &c->due;

	*d = due_of(known, c->asked.n, c->a);
	for (int i = 0; d->known && i < c->asked.n; i++) {
		const struct view_entry *e = entry_in(d->known, c->asked.uids[i]);

		if (!e || !(e->flags & FLAG_DELETED))
			continue;
		if (!due_add(d, e))
			return;
		d->bytes -= e->size;
		d->unseen -= !(e->flags & FLAG_SEEN);
		d->deleted--;
	}
}

static void expunge_due(struct change *c)
{
	expunge_count(c, view_newest(c->v));
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
	due_show(c->v, d, (struct view_made){.gone = gone, .gone_n = d->n}, false, c->a, out);
}

/* All in one transaction, which gives a MODSEQ to each part. */
static void expunge_add(struct change *c, db_tx *tx)
{
	const view *v = c->v;

	c->gone_n = view_parts(&c->asked);
	c->gone = arena_new_array(c->a, (size_t)c->gone_n, sizeof *c->gone);
	for (int i = 0; i < c->gone_n; i++) {
		struct view_part part = view_part(&c->asked, i);

		db_add(tx, SQL_FOLDER_EXPUNGE,
			(struct param[]){p_int(v->postoffice), p_int(v->mailbox), p_int(v->folder),
				p_int_array(part.first, part.count),
				p_int_array(part.last, part.count), p_int(FLAG_DELETED)},
			6, &c->gone[i]);
	}
}

static status expunge_few(struct change *c)
{
	if (c->asked.n > DUE_MOST)
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
	struct view_range *gone = view_ranges_here(v, &c->asked, FLAG_DELETED, c->a, &gone_n);

	if (c->own > 0)
		news_tell(v->postoffice, v->mailbox, v->folder);
	if (!view_is_at(v, c->before) || c->count != gone_n)
		view_look_own(v, false, c->own, c->a, out);
	else if (c->own > 0)
		view_show_own(v,
			&(struct view_made){.base = v->inside->image,
				.modseq = c->own,
				.gone = gone,
				.gone_n = gone_n},
			false, c->a, out);
	else
		view_show_same(v, false, c->a, out);
}

static status expunge_end(struct change *c, struct view_change *out)
{
	if (c->due.modseq > 0)
		expunge_alone_show(c, out);
	else if (c->absent)
		return ST_ABSENT;
	else
		expunge_take(c, out);
	out->expunged = c->due.modseq > 0 ? c->due.n : (int)c->count;
	return ST_OK;
}

static status expunge_run(struct change *c, struct view_change *out)
{
	TRY(change_settle(c, expunge_once));
	return expunge_end(c, out);
}

/* As store_nothing(): what others marked before this was asked for goes. */
static status expunge_nothing(struct change *c, struct view_change *out)
{
	struct view_loaded now;

	TRY(view_see(c->v, 0, c->a, &now));
	due_end(&c->due);
	expunge_count(c, image_hold(now.image));
	if (!is_nothing(&c->due)) {
		image_let(&now.image);
		return expunge_run(c, out);
	}
	view_show(c->v, &now, false, c->a, out);
	return ST_OK;
}

static status expunge_in(view *v, const uint32_t *uids, int n, arena *a, struct view_change *out)
{
	struct change c = change_of(v, uids, n, a);

	expunge_due(&c);
	status s = is_nothing(&c.due) ? expunge_nothing(&c, out) : expunge_run(&c, out);
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
   known here it is looked at first, which the view shows with what becomes of it: when that fails the reader
   was told of nothing. */
static status expunge_all(view *v, arena *a, struct view_change *out)
{
	struct view_loaded now;
	struct view_image *known = view_newest(v);
	int64_t modseq = known ? known->modseq : 0;
	int n;
	bool done = false;
	uint32_t *deleted = uids_deleted(known, v->uidnext, a, &n);

	image_let(&known);
	bool tried = n > 0 && n <= DUE_MOST;
	if (tried)
		TRY(expunge_known(v, deleted, n, a, out, &done));
	if (done)
		return ST_OK;
	TRY(view_see(v, tried ? modseq + 1 : 0, a, &now));
	deleted = uids_deleted(now.image, v->uidnext, a, &n);
	if (n == 0) {
		view_show(v, &now, false, a, out);
		return ST_OK;
	}
	image_let(&now.image);
	return expunge_in(v, deleted, n, a, out);
}

status view_expunge(view *v, const uint32_t *uids, int n, arena *a, struct view_change *out)
{
	if (v->read_only)
		return ST_DENIED;
	if (!uids)
		return expunge_all(v, a, out);
	return n > 0 ? expunge_in(v, uids, n, a, out) : view_refresh(v, false, a, out);
}
