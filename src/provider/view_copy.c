/* COPY and MOVE over PostgreSQL: one transaction of one round trip, the locks of both mailboxes and then one
   statement. It leaves a note (`outcome`), by which a run whose answer to COMMIT was lost is known again. */
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
	slice name;                /* of the other folder */
	int64_t only;              /* its id, 0 = any of that name */
	int64_t target, locked[2]; /* its mailbox; both */
	struct view_carried carried;
	int least;       /* so many are there, or none is copied */
	bool moves;      /* within one mailbox, by one statement */
	bool leaves;     /* else it moves: what was copied is expunged behind */
	int64_t outcome; /* id of the note */
	bool again;      /* it ran more than once */
	struct rows r, left;
};

enum copied { TARGET, TARGET_UIDVALIDITY, FIRST, COPY_MODSEQ, COPIED_UIDS, SOURCE_MODSEQ };

/* What was copied is expunged; nothing of it all when nothing was. */
static void leave_add(db_tx *tx, struct copying *c)
{
	const view *v = c->v;

	db_add(tx, SQL_VIEW_COPIED, (struct param[]){p_int(v->postoffice), p_int(c->outcome)}, 2,
		NULL);
	db_add(tx, SQL_FOLDER_EXPUNGE,
		(struct param[]){p_int(v->postoffice), p_int(v->mailbox), p_int(v->folder),
			p_int_array(c->asked.first, c->asked.count),
			p_int_array(c->asked.last, c->asked.count), p_int(0)},
		6, &c->left);
}

static status copy_once(void *arg, bool again)
{
	struct copying *c = arg;
	const view *v = c->v;

	c->locked[0] = v->mailbox;
	c->locked[1] = c->target;
	db_tx *tx = settle_begin_both(v->postoffice, c->locked, c->a);

	c->again |= again;
	db_add(tx, c->moves ? SQL_VIEW_MOVE : SQL_VIEW_COPY,
		(struct param[]){p_int(v->postoffice), p_int(v->mailbox), p_int(v->folder),
			p_int_array(c->asked.first, c->asked.count),
			p_int_array(c->asked.last, c->asked.count), p_text(c->name),
			p_int(c->outcome), p_int(c->target), p_int(c->carried.keep),
			p_int_array(c->carried.here, c->carried.n),
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
static status outcome_take(struct copying *c, struct view_copied *out)
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

static status copied_take(struct copying *c, struct view_copied *out)
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
	c->outcome = id_new();
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
		news_tell(c->v->postoffice, c->target, row_int(&c->r, 0, TARGET));
		folder_page_grown(c->v->postoffice, c->target, row_int(&c->r, 0, TARGET), out->n);
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
	c.least = hold ? c.asked.n : 0;
	TRY(copy_run(&c, out, &fresh));
	bool elsewhere = fresh && row_int(&c.r, 0, TARGET) != v->folder;
	if (!elsewhere || !view_is_at(v, row_int(&c.r, 0, SOURCE_MODSEQ)))
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
	view_look_own(v, false, fresh ? row_int(&c->left, 0, 1) : 0, a, &out->change);
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
	if (!fresh || !view_is_at(v, row_int(&c.r, 0, SOURCE_MODSEQ)) || gone_n != out->n)
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
