/* COPY and MOVE over PostgreSQL: one transaction, the locks of both mailboxes and then one statement, in one
   round trip. Of very many messages each part has a statement and a round trip, which has its own time to be
   done in, and what it said is looked at before the next one, for all are copied or none. Each leaves a note
   (`outcome`), by which a run whose answer to COMMIT was lost is known again. */
#include "provider/view.h"

#include "base/id.h"
#include "provider/folder_page_inside.h"
#include "provider/mailbox.h"
#include "provider/news.h"
#include "provider/settle.h"
#include "provider/view_own.h"

struct copying {
	view *v;
	arena *a;
	struct view_ranges asked;
	int parts;                 /* of them */
	slice name;                /* of the other folder */
	int64_t only;              /* its id, 0 = any of that name */
	int64_t target, locked[2]; /* its mailbox; both */
	struct view_carried carried;
	bool every;            /* all are there, or none is copied */
	bool moves;            /* within one mailbox, by the same statement */
	bool leaves;           /* else it moves: what was copied is expunged behind */
	int64_t *outcome;      /* [parts] ids of the notes */
	struct rows *r, *left; /* [parts] */
	bool again;            /* it ran more than once */
	bool refused;          /* one of several parts was: the others behind it did not run */
};

/* Both statements tell four things in this order, and so does the note. */
enum { UIDVALIDITY, FIRST, MODSEQ, UIDS };
enum copied { TARGET, COPIED, SOURCE_MODSEQ = COPIED + UIDS + 1 };

static void copy_add(db_tx *tx, struct copying *c, int number)
{
	const view *v = c->v;
	struct view_part part = view_part(&c->asked, number);

	db_add(tx, c->moves ? SQL_VIEW_MOVE : SQL_VIEW_COPY,
		(struct param[]){p_int(v->postoffice), p_int(v->mailbox), p_int(v->folder),
			p_int_array(part.first, part.count), p_int_array(part.last, part.count),
			p_text(c->name), p_int(c->outcome[number]), p_int(c->target),
			p_int(c->carried.keep), p_int_array(c->carried.here, c->carried.n),
			p_int_array(c->carried.there, c->carried.n), p_int(c->only),
			p_bool(c->leaves && c->target == v->mailbox), p_int(c->every ? part.n : 0)},
		c->moves ? 7 : 14, &c->r[number]);
}

/* Of several parts each has a round trip. */
static status part_end(db_tx *tx, const struct copying *c)
{
	return c->parts > 1 ? db_flush(tx) : ST_OK;
}

/* What was copied is expunged; nothing of it all when nothing was. */
static status parts_leave(db_tx *tx, struct copying *c)
{
	const view *v = c->v;

	db_add(tx, SQL_VIEW_COPIED,
		(struct param[]){p_int(v->postoffice), p_int_array(c->outcome, c->parts)}, 2, NULL);
	for (int i = 0; i < c->parts; i++) {
		struct view_part part = view_part(&c->asked, i);

		db_add(tx, SQL_FOLDER_EXPUNGE,
			(struct param[]){p_int(v->postoffice), p_int(v->mailbox), p_int(v->folder),
				p_int_array(part.first, part.count),
				p_int_array(part.last, part.count), p_int(0)},
			6, &c->left[i]);
		TRY(part_end(tx, c));
	}
	return ST_OK;
}

/* A part of which nothing was copied though there was something, or must have been. */
static bool is_refused(const struct copying *c, int part)
{
	const struct rows *r = &c->r[part];

	return row_null(r, 0, COPIED + FIRST) && (c->every || !row_null(r, 0, COPIED + UIDS));
}

static status parts_copy(db_tx *tx, struct copying *c)
{
	c->refused = false;
	for (int i = 0; i < c->parts && !c->refused; i++) {
		copy_add(tx, c, i);
		TRY(part_end(tx, c));
		c->refused = c->parts > 1 && is_refused(c, i);
	}
	return c->refused && c->leaves ? ST_INVALID : ST_OK;
}

static status copy_once(void *arg, bool again)
{
	struct copying *c = arg;

	c->locked[0] = c->v->mailbox;
	c->locked[1] = c->target;
	c->again |= again;
	db_tx *tx = settle_begin_both(c->v->postoffice, c->locked, c->a);
	status s = parts_copy(tx, c);
	if (s == ST_OK && c->leaves)
		s = parts_leave(tx, c);
	if (s == ST_OK && !c->refused)
		return db_commit(&tx, NULL);
	db_rollback(&tx);
	return s;
}

/* The four things, from this column on. */
struct copied_part {
	uint32_t uidvalidity;
	int64_t first, modseq;
	const int64_t *uids;
	int n;
};

static struct copied_part part_of(const struct rows *r, int row, int at, arena *a)
{
	struct copied_part p = {.uidvalidity = (uint32_t)row_int(r, row, at + UIDVALIDITY),
		.first = row_int(r, row, at + FIRST),
		.modseq = row_int(r, row, at + MODSEQ)};

	p.uids = row_int_array(r, row, at + UIDS, a, &p.n);
	return p;
}

static void parts_tell(const struct copied_part *parts, int n, arena *a, struct view_copied *out)
{
	size_t room = 1;

	for (int i = 0; i < n; i++)
		room += (size_t)parts[i].n;
	uint32_t *from = arena_new_array(a, room * 2, sizeof *from), *to = from + room;
	for (int i = 0; i < n; i++) {
		const struct copied_part *p = &parts[i];

		out->uidvalidity = p->uidvalidity;
		out->modseq = p->modseq ? p->modseq : out->modseq;
		for (int k = 0; k < p->n; k++, out->n++) {
			from[out->n] = (uint32_t)p->uids[k];
			to[out->n] = (uint32_t)(p->first + k);
		}
	}
	out->from = from;
	out->to = to;
}

/* The notes of a first run whose answer was lost. */
static status outcome_take(struct copying *c, struct view_copied *out)
{
	struct param p[] = {p_int(c->v->postoffice), p_int_array(c->outcome, c->parts)};
	struct rows r;

	TRY(db_run(SQL_VIEW_OUTCOME, p, 2, c->a, &r));
	struct copied_part *parts = arena_new_array(c->a, (size_t)r.count + 1, sizeof *parts);
	for (int i = 0; i < r.count; i++)
		parts[i] = part_of(&r, i, 0, c->a);
	parts_tell(parts, r.count, c->a, out);
	return r.count > 0 ? ST_OK : ST_ABSENT;
}

/* Folders and mailboxes are the same to all parts, which run under their locks. */
static status copied_take(struct copying *c, struct view_copied *out)
{
	struct copied_part *parts = arena_new_array(c->a, (size_t)c->parts, sizeof *parts);

	if (row_null(c->r, 0, TARGET) || row_null(c->r, 0, SOURCE_MODSEQ))
		return ST_ABSENT;
	for (int i = 0; i < c->parts; i++) {
		parts[i] = part_of(&c->r[i], 0, COPIED, c->a);
		if (c->every && parts[i].n < view_part(&c->asked, i).n)
			return ST_OK;
		if (is_refused(c, i))
			return ST_FULL;
	}
	parts_tell(parts, c->parts, c->a, out);
	return ST_OK;
}

/* What may stand, though nobody knows, is for whoever watches either folder to look at. */
static status copy_settle(struct copying *c)
{
	const view *v = c->v;
	status s = settle(copy_once, c);

	if (s == ST_UNSURE) {
		settle_hint(v->postoffice, v->mailbox, v->folder, S(""));
		settle_hint(v->postoffice, c->target, c->only, c->name);
	}
	return s;
}

static status copy_run(struct copying *c, struct view_copied *out, bool *fresh)
{
	status s;

	*out = (struct view_copied){0};
	for (int i = 0; i < c->parts; i++)
		c->outcome[i] = id_new();
	s = copy_settle(c);
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
		news_tell(c->v->postoffice, c->target, row_int(c->r, 0, TARGET));
		folder_page_grown(c->v->postoffice, c->target, row_int(c->r, 0, TARGET), out->n);
	}
	return ST_OK;
}

static status copy_of(view *v, const uint32_t *uids, int n, const struct view_target *to, arena *a,
	struct copying *c)
{
	*c = (struct copying){.v = v,
		.a = a,
		.asked = view_ranges_of(v, uids, n, a),
		.target = to->mailbox,
		.only = to->folder};
	c->parts = view_parts(&c->asked);
	c->outcome = arena_new_array(a, (size_t)c->parts, sizeof *c->outcome);
	c->r = arena_new_array(a, (size_t)c->parts * 2, sizeof *c->r);
	c->left = c->r + c->parts;
	if (folder_name(to->name, a, &c->name) != ST_OK)
		return ST_ABSENT;
	return view_carry(v, c->asked.uids, c->asked.n, to, a, &c->carried);
}

status view_copy_to(view *v, const uint32_t *uids, int n, const struct view_target *to, bool hold,
	arena *a, struct view_copied *out)
{
	struct copying c;
	bool fresh;

	TRY(copy_of(v, uids, n, to, a, &c));
	c.every = hold && c.asked.n > 0;
	TRY(copy_run(&c, out, &fresh));
	bool elsewhere = fresh && row_int(c.r, 0, TARGET) != v->folder;
	if (!elsewhere || !view_is_at(v, row_int(c.r, 0, SOURCE_MODSEQ)))
		view_look_own(v, hold, 0, a, &out->change);
	else
		view_show_same(v, hold, a, &out->change);
	return ST_OK;
}

/* What follows a copy that stands is not refused as if nothing had been done. */
static status half_done(status s)
{
	return s == ST_BUSY ? ST_UNSURE : s;
}

/* Within one folder: copied, and what was copied is expunged. Cut off between, the messages are
   there twice, as with a client that copies and expunges by itself. */
static status move_within(view *v, struct copying *c, arena *a, struct view_copied *out)
{
	struct view_stored marked;
	struct view_flags deleted = {.add = FLAG_DELETED, .unchanged_since = -1};
	bool fresh;

	c->moves = false;
	TRY(copy_run(c, out, &fresh));
	if (out->n == 0) {
		view_look_own(v, false, 0, a, &out->change);
		return ST_OK;
	}
	TRY(half_done(view_store(v, out->from, out->n, &deleted, true, a, &marked)));
	TRY(half_done(view_expunge(v, out->from, out->n, a, &out->change)));
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
static status nothing_moved(struct copying *c, arena *a, struct view_copied *out)
{
	folder *f;
	mailbox *m;
	int64_t bytes = 0;

	TRY(folder_find(c->v->postoffice, c->target, c->name, a, &f));
	TRY(mailbox_by_id(c->v->postoffice, c->target, a, &m));
	for (int i = 0; i < c->asked.n; i++) {
		const struct view_entry *e = view_find(c->v, c->asked.uids[i]);

		bytes += e ? e->size : 0;
	}
	if ((c->only && f->id != c->only) || m->state != MAILBOX_ENABLED)
		return ST_ABSENT;
	if (c->target != c->v->mailbox && m->quota > 0 && m->used + bytes > m->quota)
		return ST_FULL;
	view_look_own(c->v, false, 0, a, &out->change);
	return ST_OK;
}

/* To a folder that must be that very one: copied and expunged in one transaction. */
static status move_away(struct copying *c, arena *a, struct view_copied *out)
{
	view *v = c->v;
	bool fresh;

	c->leaves = true;
	status s = copy_run(c, out, &fresh);
	if (s == ST_INVALID)
		return nothing_moved(c, a, out);
	TRY(s);
	news_tell(v->postoffice, v->mailbox, v->folder);
	int64_t own = 0;
	for (int i = 0; fresh && i < c->parts; i++)
		own = row_null(&c->left[i], 0, 1) ? own : row_int(&c->left[i], 0, 1);
	view_look_own(v, false, own, a, &out->change);
	return ST_OK;
}

status view_move_to(view *v, const uint32_t *uids, int n, const struct view_target *to, arena *a,
	struct view_copied *out)
{
	struct copying c;
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
	struct view_range *gone = view_ranges_here(v, &c.asked, 0, a, &gone_n);
	if (out->n > 0)
		news_tell(v->postoffice, v->mailbox, v->folder);
	if (!fresh || !view_is_at(v, row_int(c.r, 0, SOURCE_MODSEQ)) || gone_n != out->n)
		view_look_own(v, false, out->modseq, a, &out->change);
	else if (out->n > 0)
		view_show_own(v,
			&(struct view_made){.base = v->inside->image,
				.modseq = out->modseq,
				.gone = gone,
				.gone_n = gone_n},
			false, a, &out->change);
	else
		view_show_same(v, false, a, &out->change);
	return ST_OK;
}
