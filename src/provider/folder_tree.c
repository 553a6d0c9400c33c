/* The tree of a mailbox's folders: reading it, and changing it under the mailbox's lock. */
#include "provider/folder.h"

#include "base/id.h"
#include "provider/change.h"
#include "provider/folder_admin.h"
#include "provider/folder_order.h"
#include "provider/folder_row.h"
#include "provider/news.h"
#include "provider/setting.h"
#include "provider/settle.h"
#include "provider/view.h"

#define LEVELS_MOST 100 /* the setting's greatest */

status folder_tree(int64_t postoffice, int64_t mailbox, arena *a, struct folder_row **rows, int *n)
{
	struct rows r;
	struct folder_row *given;

	TRY(db_run(SQL_FOLDER_TREE, (struct param[]){p_int(postoffice), p_int(mailbox)}, 2, a, &r));
	given = arena_new_array(a, (size_t)r.count + 1, sizeof *given);
	for (int i = 0; i < r.count; i++) {
		folder_read(&r, i, &given[i].f);
		given[i].subscribed = row_bool(&r, i, 13);
	}
	folder_grow(postoffice, mailbox, given, r.count, a, rows, n);
	return ST_OK;
}

/* ---- a change on its way */

struct turn {
	int64_t postoffice, mailbox;
	int64_t id;       /* of the folder meant, 0 = none */
	int64_t only;     /* it must be this one; 0 = any */
	slice from, name; /* canonical */
	int64_t special;
	bool on;
	const struct audit_note *note; /* NULL: none */
	slice levels[LEVELS_MOST];     /* to be made: parents first */
	int64_t ids[LEVELS_MOST];
	int n;
	arena a; /* scratch of one run */
};

/* The name's levels with fresh ids, with itself or without. */
static void levels_of(struct turn *t, slice name, bool itself)
{
	int n = itself;

	for (slice up = folder_above(name); up.size > 0; up = folder_above(up))
		n++;
	t->n = n;
	for (slice level = itself ? name : folder_above(name); n > 0; level = folder_above(level)) {
		t->levels[--n] = level;
		t->ids[n] = id_new();
	}
}

static int64_t folders_most(const struct turn *t)
{
	struct setting_at at = {.postoffice = t->postoffice, .mailbox = t->mailbox};

	return setting_number(S_mailbox_folders_most, &at);
}

static void make_add(db_tx *tx, const struct turn *t, int optional)
{
	db_add(tx, SQL_FOLDER_MAKE,
		(struct param[]){p_int(t->postoffice), p_int(t->mailbox),
			p_text_array(t->levels, t->n), p_int_array(t->ids, t->n), p_int(optional),
			p_int(t->special), p_int(folders_most(t))},
		7, NULL);
}

static void special_add(db_tx *tx, const struct turn *t)
{
	db_add(tx, SQL_FOLDER_SPECIAL_FREE,
		(struct param[]){p_int(t->postoffice), p_int(t->mailbox), p_int(t->special),
			p_text(t->name), p_int(0)},
		5, NULL);
}

static void note_add(db_tx *tx, const struct turn *t)
{
	if (t->note)
		change_audit(tx, t->postoffice, t->note->by, t->note->action, t->note->object,
			t->note->detail);
}

/* Commits. An assertion that failed gives what stands at its place in `kinds`: of the statements
   behind the lock, in their order. */
static status turn_commit(db_tx **tx, const status *kinds)
{
	int failed;
	status s = db_commit(tx, &failed);

	return s == ST_INVALID && failed > 0 ? kinds[failed - 1] : s;
}

/* Whether the folder is called so, or, without a name, is there: ST_ABSENT when not; else nobody
   knows now. */
static status stands(const struct turn *t, int64_t folder, slice name)
{
	struct param p[] = {p_int(t->postoffice), p_int(t->mailbox), p_int(folder), p_text(name)};

	return db_one(SQL_FOLDER_STANDS, p, 4, NULL, NULL);
}

static status turn_settle(struct turn *t, status (*once)(void *arg, bool again))
{
	status s = settle(once, t);

	arena_release(&t->a);
	if (s == ST_OK || s == ST_UNSURE)
		news_tell(t->postoffice, t->mailbox, 0);
	return s;
}

/* ---- making */

static status make_once(void *arg, bool again)
{
	struct turn *t = arg;
	db_tx *tx = settle_begin(t->postoffice, &t->mailbox, &t->a);
	status s;

	special_add(tx, t);
	make_add(tx, t, t->n - 1);
	note_add(tx, t);
	s = turn_commit(&tx, (status[]){ST_DENIED, ST_LIMITED});
	if (!again || s != ST_EXISTS)
		return s;
	status ours = stands(t, t->ids[t->n - 1], t->name);
	return ours == ST_ABSENT ? s : ours;
}

/* What was just made. Others may have given it another name by now, or removed it, or it cannot be
   looked at now: then as it was. */
static status made_find(const struct turn *t, arena *a, folder **out)
{
	int64_t id = t->ids[t->n - 1];
	status s = folder_find(t->postoffice, t->mailbox, t->name, a, out);

	if (s == ST_OK ? (*out)->id == id : s != ST_ABSENT && !db_passes(s))
		return s;
	*out = arena_new(a, sizeof **out);
	**out = (folder){.id = id,
		.postoffice = t->postoffice,
		.mailbox = t->mailbox,
		.name = t->name,
		.uidnext = 1,
		.special = (unsigned)t->special};
	return ST_OK;
}

status folder_make_noted(int64_t postoffice, int64_t mailbox, slice name, unsigned special,
	const struct audit_note *note, arena *a, folder **out)
{
	struct turn t = {
		.postoffice = postoffice, .mailbox = mailbox, .special = special, .note = note};

	TRY(folder_name_new(name, a, &t.name));
	if (folder_name_is_others(t.name))
		return ST_INVALID;
	if (slice_same(t.name, S("INBOX")))
		return ST_EXISTS;
	levels_of(&t, t.name, true);
	status s = turn_settle(&t, make_once);
	if (s == ST_LIMITED) /* of no mailbox there is no folder more either */
		TRY(keyword_list(postoffice, mailbox, a, &(struct keywords){0}));
	TRY(s);
	return made_find(&t, a, out);
}

status folder_make(
	int64_t postoffice, int64_t mailbox, slice name, unsigned special, arena *a, folder **out)
{
	return folder_make_noted(postoffice, mailbox, name, special, NULL, a, out);
}

/* ---- renaming */

static status rename_once(void *arg, bool again)
{
	struct turn *t = arg;
	db_tx *tx = settle_begin(t->postoffice, &t->mailbox, &t->a);
	status s;

	db_add(tx, SQL_FOLDER_RENAME_FITS,
		(struct param[]){p_int(t->postoffice), p_int(t->mailbox), p_text(t->from),
			p_text(t->name), p_int(setting_number(S_folder_name_most, NULL)),
			p_int(setting_number(S_folder_depth_most, NULL))},
		6, NULL);
	if (t->n > 0)
		make_add(tx, t, t->n);
	db_add(tx, SQL_FOLDER_RENAME,
		(struct param[]){p_int(t->postoffice), p_int(t->mailbox), p_int(t->id),
			p_text(t->from), p_text(t->name)},
		5, NULL);
	note_add(tx, t);
	s = turn_commit(&tx, t->n > 0 ? (status[]){ST_LIMITED, ST_LIMITED, ST_ABSENT}
				      : (status[]){ST_LIMITED, ST_ABSENT});
	if (!again || s != ST_ABSENT)
		return s;
	return t->id == 0 ? ST_OK : stands(t, t->id, t->name);
}

static status inbox_empty_into(const struct turn *t, arena *a)
{
	view *v;
	struct view_copied moved;
	status s;

	TRY(view_open(t->postoffice, t->mailbox, S("INBOX"), 0, &v));
	s = view_move(v, v->uids, v->n, t->name, a, &moved);
	view_close(&v);
	return s;
}

/* Two transactions: cut off between them, the messages stand in INBOX and the new folder is empty,
   and the client may move them. */
static status inbox_rename(struct turn *t, arena *a)
{
	levels_of(t, t->name, true);
	TRY(turn_settle(t, make_once));
	return inbox_empty_into(t, a);
}

static status rename_in(struct turn *t, slice from, slice to, arena *a)
{
	folder *f = NULL;

	TRY(folder_name_new(to, a, &t->name));
	if (folder_name(from, a, &t->from) != ST_OK)
		return ST_ABSENT;
	if (folder_name_is_others(t->name))
		return ST_INVALID;
	if (slice_same(t->name, S("INBOX")) || folder_is_below(t->name, t->from)) {
		if (!slice_same(t->from, S("INBOX")) || slice_same(t->name, S("INBOX")))
			return ST_INVALID;
	}
	if (slice_same(t->from, S("INBOX")))
		return t->only ? ST_DENIED : inbox_rename(t, a);
	status s = folder_find(t->postoffice, t->mailbox, t->from, a, &f);
	if (s != ST_OK && s != ST_ABSENT)
		return s;
	if (t->only && (!f || f->id != t->only))
		return ST_ABSENT;
	if (slice_same(t->name, t->from))
		return f ? ST_EXISTS : ST_ABSENT;
	t->id = f ? f->id : 0;
	levels_of(t, t->name, false);
	return turn_settle(t, rename_once);
}

static status rename_by(struct turn *t, slice from, slice to)
{
	arena a = ARENA_INIT;
	status s = rename_in(t, from, to, &a);

	arena_release(&a);
	return s;
}

status folder_rename_noted(
	int64_t postoffice, int64_t mailbox, slice from, slice to, const struct audit_note *note)
{
	struct turn t = {.postoffice = postoffice, .mailbox = mailbox, .note = note};

	return rename_by(&t, from, to);
}

status folder_rename(int64_t postoffice, int64_t mailbox, slice from, slice to)
{
	return folder_rename_noted(postoffice, mailbox, from, to, NULL);
}

status folder_rename_this(const folder *f, slice to)
{
	struct turn t = {.postoffice = f->postoffice, .mailbox = f->mailbox, .only = f->id};

	return rename_by(&t, f->name, to);
}

/* ---- removing */

/* No folder of this id and name, when an earlier run may have removed it: so it has, unless others
   gave it another name first. */
static status gone_before(const struct turn *t)
{
	status there = stands(t, t->id, S(""));

	return there == ST_ABSENT ? ST_OK : there == ST_OK ? ST_ABSENT : there;
}

static status remove_once(void *arg, bool again)
{
	struct turn *t = arg;
	struct rows r;
	db_tx *tx = settle_begin(t->postoffice, &t->mailbox, &t->a);

	db_add(tx, SQL_FOLDER_REMOVE,
		(struct param[]){
			p_int(t->postoffice), p_int(t->mailbox), p_int(t->id), p_text(t->name)},
		4, &r);
	/* Whether there is anything to be noted is known only then. */
	status kind = t->note ? db_flush(tx) : ST_OK;
	if (kind != ST_OK) {
		db_rollback(&tx);
		return kind;
	}
	if (t->note && row_int(&r, 0, 0) > 0)
		note_add(tx, t);
	TRY(db_commit(&tx, NULL));
	if (row_int(&r, 0, 0) > 0)
		return ST_OK;
	return again ? gone_before(t) : ST_ABSENT;
}

static status why_absent(const struct turn *t, arena *a)
{
	struct rows r;

	TRY(db_one(SQL_FOLDER_BELOW,
		(struct param[]){p_int(t->postoffice), p_int(t->mailbox), p_text(t->name)}, 3, a,
		&r));
	return row_int(&r, 0, 0) > 0 ? ST_DENIED : ST_ABSENT;
}

static status remove_in(struct turn *t, slice name, arena *a)
{
	folder *f;
	status s;

	if (folder_name(name, a, &t->name) != ST_OK)
		return ST_ABSENT;
	if (slice_same(t->name, S("INBOX")))
		return ST_DENIED;
	s = folder_find(t->postoffice, t->mailbox, t->name, a, &f);
	if (t->only && (s == ST_ABSENT || (s == ST_OK && f->id != t->only)))
		return ST_ABSENT;
	if (s == ST_ABSENT)
		return why_absent(t, a);
	TRY(s);
	t->id = f->id;
	s = turn_settle(t, remove_once);
	if (s == ST_OK || s == ST_UNSURE)
		news_tell(t->postoffice, t->mailbox, t->id);
	return s;
}

static status remove_by(struct turn *t, slice name)
{
	arena a = ARENA_INIT;
	status s = remove_in(t, name, &a);

	arena_release(&a);
	return s;
}

status folder_remove_noted(
	int64_t postoffice, int64_t mailbox, slice name, const struct audit_note *note)
{
	struct turn t = {.postoffice = postoffice, .mailbox = mailbox, .note = note};

	return remove_by(&t, name);
}

status folder_remove(int64_t postoffice, int64_t mailbox, slice name)
{
	return folder_remove_noted(postoffice, mailbox, name, NULL);
}

status folder_remove_this(const folder *f)
{
	struct turn t = {.postoffice = f->postoffice, .mailbox = f->mailbox, .only = f->id};

	return remove_by(&t, f->name);
}

/* ---- subscriptions: what is set twice is the same */

static status subscribe_once(void *arg, bool again)
{
	struct turn *t = arg;
	struct param p[] = {p_int(t->postoffice), p_int(t->mailbox), p_text(t->name),
		p_int(2 * folders_most(t))};
	status s;

	(void)again;
	if (!t->on)
		return db_run(SQL_FOLDER_UNSUBSCRIBE, p, 3, &t->a, NULL);
	s = db_run(SQL_FOLDER_SUBSCRIBE, p, 4, &t->a, NULL);
	return s == ST_INVALID ? ST_LIMITED : s;
}

status folder_subscribe(int64_t postoffice, int64_t mailbox, slice name, bool on)
{
	struct turn t = {.postoffice = postoffice, .mailbox = mailbox, .on = on};
	arena a = ARENA_INIT;
	status s = on ? folder_name_new(name, &a, &t.name) : folder_name(name, &a, &t.name);

	if (s == ST_OK)
		s = turn_settle(&t, subscribe_once);
	arena_release(&a);
	return s;
}
