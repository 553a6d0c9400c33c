/* Views over PostgreSQL. A change is one transaction of one round trip: the mailbox's lock, then
   one statement. It tells at which MODSEQ the folder was before. When the view was there too, what
   changed is known here and need not be read again; else somebody else changed it meanwhile and the
   view is refreshed. */
#include "provider/view.h"

#include "base/id.h"
#include "provider/folder_page_inside.h"
#include "provider/mailbox.h"
#include "provider/news.h"
#include "provider/settle.h"
#include "provider/view_cache.h"
#include "provider/view_load.h"

/* ---- opening and looking again */

/* What was shown as \Recent here is so to nobody else. A hint: should it fail, two readers see
   it. */
static void recent_claim(const view *v, arena *a)
{
	db_tx *tx = settle_begin(v->postoffice, &v->mailbox, a);

	db_relax(tx);
	db_add(tx, SQL_VIEW_RECENT,
		(struct param[]){p_int(v->postoffice), p_int(v->mailbox), p_int(v->folder),
			p_int(v->uidnext)},
		4, NULL);
	db_commit(&tx, NULL);
}

static status open_in(
	int64_t postoffice, int64_t mailbox, slice given, unsigned flags, arena *a, view **v)
{
	struct view_loaded l;
	slice name;

	if (folder_name(given, a, &name) != ST_OK)
		return ST_ABSENT;
	struct view_image *known = view_cache_name(mailbox, name);
	status s = view_load(postoffice, mailbox, name, 0, known, a, &l);
	image_let(&known);
	TRY(s);
	*v = view_begin(l.image, flags);
	view_words(*v, l.words);
	if (flags & VIEW_RECENT)
		(*v)->recent = l.recent;
	if ((*v)->inside->claims && l.recent < (*v)->uidnext)
		recent_claim(*v, a);
	return ST_OK;
}

status view_open(int64_t postoffice, int64_t mailbox, slice name, unsigned flags, view **v)
{
	arena a = ARENA_INIT;
	status s = open_in(postoffice, mailbox, name, flags, &a, v);

	arena_release(&a);
	return s;
}

/* The newest image this process has of the folder. */
static struct view_image *newest(const view *v)
{
	struct view_image *own = v->inside->image, *kept = view_cache_folder(v->folder);

	if (kept && kept->uidvalidity == v->uidvalidity && (!own || kept->modseq > own->modseq))
		return kept;
	image_let(&kept);
	return own ? image_hold(own) : NULL;
}

status view_refresh(view *v, bool hold, arena *a, struct view_change *out)
{
	struct view_image *known = newest(v);
	struct view_loaded l;
	status s = view_load(v->postoffice, v->mailbox, S(""), v->folder, known, a, &l);

	image_let(&known);
	if (s == ST_ABSENT)
		view_cache_drop(v->folder);
	TRY(s);
	view_words(v, l.words);
	view_take(v, l.image, hold, a, out);
	if (v->inside->claims && out->arrived > 0)
		recent_claim(v, a);
	return ST_OK;
}

status view_vanished(
	view *v, int64_t since, arena *a, struct view_range **ranges, int *n, bool *complete)
{
	struct rows r;
	status s = db_one(SQL_VIEW_VANISHED,
		(struct param[]){
			p_int(v->postoffice), p_int(v->folder), p_int(since), p_int(v->modseq)},
		4, a, &r);

	if (s != ST_OK && s != ST_ABSENT)
		return s;
	/* A folder that was removed since it was opened tells nothing; the view still does. */
	*complete = s == ST_OK && since >= row_int(&r, 0, 0);
	if (!*complete) {
		*ranges = view_absent(v, a, n);
		return ST_OK;
	}
	int count;
	const int64_t *first = row_int_array(&r, 0, 1, a, n);
	const int64_t *past = row_int_array(&r, 0, 2, a, &count);
	*ranges = arena_new_array(a, (size_t)*n + 1, sizeof **ranges);
	for (int i = 0; i < *n; i++)
		(*ranges)[i] = (struct view_range){(uint32_t)first[i], (uint32_t)(past[i] - 1)};
	return ST_OK;
}

/* ---- changing */

struct change {
	view *v;
	uint32_t *uids; /* rising */
	int n;
	int64_t *first, *last; /* the same as ranges */
	int ranges;
	arena *a;
	const struct view_flags *flags;
	slice name;                /* of the other folder */
	int64_t target, locked[2]; /* its mailbox; both */
	int64_t only;              /* its id, 0 = any of that name */
	int least;                 /* so many are there, or none is copied */
	struct view_carried carried;
	int64_t outcome; /* id of a copy's or move's note */
	bool moves, leaves, again;
	struct rows r, left;
};

/* Messages with numbers in a row are one range of UIDs: what has a UID between them was told of and
   is gone, for UIDs show themselves in order. */
static void ranges_make(struct change *c)
{
	for (int i = 0, before = -1; i < c->n; i++) {
		int number = view_number(c->v, c->uids[i]);

		if (number != before + 1)
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

/* The view's image with these changes, at the modseq they gave: shown, and kept for others. */
static void change_show(view *v, int64_t modseq, const struct view_range *gone, int gone_n,
	const struct view_entry *fresh, int fresh_n, bool hold, arena *a, struct view_change *out)
{
	struct view_image facts = {.postoffice = v->postoffice,
		.mailbox = v->mailbox,
		.folder = v->folder,
		.uidvalidity = v->uidvalidity,
		.uidnext = v->uidnext,
		.modseq = modseq};
	struct view_image *base = v->inside->image;
	struct view_image *i = image_with(&facts, base->name, base, gone, gone_n, fresh, fresh_n);

	view_cache_put(i);
	view_take(v, i, hold, a, out);
	out->own = modseq;
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
	status s = view_refresh(v, hold, a, out);

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

/* ---- STORE */

static status store_once(void *arg, bool again)
{
	struct change *c = arg;
	const view *v = c->v;
	const struct view_flags *f = c->flags;
	db_tx *tx = settle_begin(v->postoffice, &v->mailbox, c->a);

	c->again |= again;
	db_add(tx, SQL_VIEW_STORE,
		(struct param[]){p_int(v->postoffice), p_int(v->mailbox), p_int(v->folder),
			p_int_array(c->first, c->ranges), p_int_array(c->last, c->ranges),
			p_int(f->remove), p_int(f->add),
			p_int(f->unchanged_since < 0 ? INT64_MAX : f->unchanged_since)},
		8, &c->r);
	return db_commit(&tx, NULL);
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
	int n;
	const int64_t *uids = row_int_array(&c->r, 0, 2, c->a, &n);
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

status view_store(view *v, const uint32_t *uids, int n, const struct view_flags *f, bool hold,
	arena *a, struct view_stored *out)
{
	struct change c = change_of(v, uids, n, a);

	*out = (struct view_stored){0};
	if (v->read_only)
		return ST_DENIED;
	c.flags = f;
	TRY(change_settle(&c, store_once));
	if (row_null(&c.r, 0, 1))
		return ST_ABSENT;
	int64_t own = row_int(&c.r, 0, 0), before = row_int(&c.r, 0, 1);
	if (own > 0)
		news_tell(v->postoffice, v->mailbox, v->folder);
	if (is_at(v, before) && own > 0)
		store_show(&c, own, hold, &out->change);
	else if (is_at(v, before))
		view_take(v, image_hold(v->inside->image), hold, a, &out->change);
	else
		stored_look(v, hold, own, a, out);
	failed_take(&c, out);
	return c.again && out->hidden && out->failed_n > 0 ? ST_UNSURE : ST_OK;
}

/* ---- EXPUNGE */

static status expunge_once(void *arg, bool again)
{
	struct change *c = arg;
	const view *v = c->v;
	db_tx *tx = settle_begin(v->postoffice, &v->mailbox, c->a);

	(void)again; /* what is gone already is nothing */
	db_add(tx, SQL_FOLDER_EXPUNGE,
		(struct param[]){p_int(v->postoffice), p_int(v->mailbox), p_int(v->folder),
			p_int_array(c->first, c->ranges), p_int_array(c->last, c->ranges),
			p_int(FLAG_DELETED)},
		6, &c->r);
	return db_commit(&tx, NULL);
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

static uint32_t *uids_deleted(const view *v, uint32_t below, arena *a, int *n)
{
	uint32_t *uids = arena_new_array(a, (size_t)v->count + 1, sizeof *uids);

	*n = 0;
	for (int i = 0; i < v->count && v->entries[i].uid < below; i++)
		if (v->entries[i].flags & FLAG_DELETED)
			uids[(*n)++] = v->entries[i].uid;
	return uids;
}

static status expunge_in(view *v, const uint32_t *uids, int n, arena *a, struct view_change *out)
{
	struct change c = change_of(v, uids, n, a);

	TRY(change_settle(&c, expunge_once));
	if (row_null(&c.r, 0, 2))
		return ST_ABSENT;
	int64_t own = row_int(&c.r, 0, 1);
	int gone_n;
	struct view_range *gone = ranges_here(&c, FLAG_DELETED, &gone_n);
	if (own > 0)
		news_tell(v->postoffice, v->mailbox, v->folder);
	if (!is_at(v, row_int(&c.r, 0, 2)) || row_int(&c.r, 0, 0) != gone_n)
		refresh_own(v, false, own, a, out);
	else if (own > 0)
		change_show(v, own, gone, gone_n, NULL, 0, false, a, out);
	else
		view_take(v, image_hold(v->inside->image), false, a, out);
	return ST_OK;
}

status view_expunge(view *v, const uint32_t *uids, int n, arena *a, struct view_change *out)
{
	struct view_change before;

	if (v->read_only)
		return ST_DENIED;
	if (uids && n > 0)
		return expunge_in(v, uids, n, a, out);
	if (uids)
		return view_refresh(v, false, a, out);
	/* All that the reader was told of; what others removed is held, and told together with
	   these. */
	uint32_t below = v->uidnext;
	TRY(view_refresh(v, true, a, &before));
	uint32_t *deleted = uids_deleted(v, below, a, &n);
	TRY(expunge_in(v, deleted, n, a, out));
	view_change_join(v, &before, a, out);
	return ST_OK;
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
