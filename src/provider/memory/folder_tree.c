/* The tree of folders in memory. */
#include "provider/folder_order.h"

#include "provider/memory/store.h"
#include "provider/news.h"
#include "provider/view.h"

static int length(const link_t *head)
{
	int n = 0;
	for (const link_t *l = head->next; l != head; l = l->next)
		n++;
	return n;
}

static struct m_subscription *subscribed(const struct m_mailbox *m, slice name)
{
	EACH(struct m_subscription, &m->subscriptions, sub)
		if (slice_same(sub->name, name))
			return sub;
	return NULL;
}

status folder_tree(int64_t postoffice, int64_t mailbox, arena *a, struct folder_row **rows, int *n)
{
	struct store *s = store_take();
	struct m_mailbox *m = store_mailbox(s, postoffice, mailbox);
	status kind = store_refuses(s) ? ST_BUSY : ST_OK;
	struct folder_row *given = arena_new_array(a,
		m ? (size_t)(length(&m->folders) + length(&m->subscriptions)) : 1, sizeof *given);
	int count = 0;

	if (m && kind == ST_OK) {
		EACH(struct m_folder, &m->folders, f) {
			given[count].f = f->f;
			given[count].f.name = arena_copy(a, f->f.name);
			given[count++].subscribed = subscribed(m, f->f.name);
		}
		EACH(struct m_subscription, &m->subscriptions, sub)
			if (!store_folder_named(m, sub->name))
				given[count++] =
					(struct folder_row){.f = {.name = arena_copy(a, sub->name)},
						.subscribed = true};
	}
	store_give();
	folder_grow(postoffice, mailbox, given, count, a, rows, n);
	return kind;
}

/* ---- changing it. Every call holds the store from its first look to its end. */

static int64_t folders_most(const struct m_mailbox *m)
{
	struct setting_at at = {.postoffice = m->postoffice->id, .mailbox = m->id};

	return setting_number(S_mailbox_folders_most, &at);
}

static bool special_taken(const struct m_mailbox *m, unsigned special, slice name)
{
	EACH(struct m_folder, &m->folders, f)
		if ((f->f.special & special) && !slice_same(f->f.name, name))
			return true;
	return false;
}

/* The levels above the name that are missing, and itself when it is to be there. */
static status grow(struct store *s, struct m_mailbox *m, slice name, bool itself)
{
	struct m_folder *above = NULL;
	int missing = itself;

	for (slice up = folder_above(name); up.size > 0; up = folder_above(up))
		missing += !store_folder_named(m, up);
	if (length(&m->folders) + missing > folders_most(m))
		return ST_LIMITED;
	for (size_t at = 0; at <= name.size; at++) {
		slice level = slice_until(name, at);

		if (at < name.size ? name.at[at] != '/' : !itself)
			continue;
		struct m_folder *f = store_folder_named(m, level);
		if (!f) {
			f = store_folder_add(s, m, level);
			if (above)
				store_rights_inherit(s, f, above);
		}
		above = f;
	}
	m->modseq++;
	return ST_OK;
}

static status make(struct store *s, struct m_mailbox *m, slice name, unsigned special)
{
	if (store_refuses(s))
		return ST_BUSY;
	if (!m)
		return ST_ABSENT;
	if (special_taken(m, special, name))
		return ST_DENIED;
	if (store_folder_named(m, name))
		return ST_EXISTS;
	TRY(grow(s, m, name, true));
	store_folder_named(m, name)->f.special = special;
	return ST_OK;
}

status folder_make(
	int64_t postoffice, int64_t mailbox, slice given, unsigned special, arena *a, folder **out)
{
	slice name;

	TRY(folder_name_new(given, a, &name));
	if (folder_name_is_others(name))
		return ST_INVALID;
	struct store *s = store_take();
	status kind = make(s, store_mailbox(s, postoffice, mailbox), name, special);
	store_give();
	TRY(kind);
	news_tell(postoffice, mailbox, 0);
	return folder_find(postoffice, mailbox, name, a, out);
}

static bool has_below(const struct m_mailbox *m, slice name)
{
	EACH(struct m_folder, &m->folders, f)
		if (folder_is_below(f->f.name, name))
			return true;
	return false;
}

static slice renamed(slice name, slice from, slice to, arena *a)
{
	return arena_format(
		a, "%.*s%.*s", SLICE_ARGS(to), (int)(name.size - from.size), name.at + from.size);
}

static bool moves(const struct m_folder *f, slice from)
{
	return slice_same(f->f.name, from) || folder_is_below(f->f.name, from);
}

/* It is called so now, or any may be. */
static bool is_this(const struct m_mailbox *m, slice name, int64_t only)
{
	const struct m_folder *f = m && only ? store_folder_named(m, name) : NULL;

	return !only || (f && f->f.id == only);
}

static status rename_in(struct store *s, struct m_mailbox *m, slice from, slice to)
{
	if (store_refuses(s))
		return ST_BUSY;
	if (!m || (!store_folder_named(m, from) && !has_below(m, from)))
		return ST_ABSENT;
	EACH(struct m_folder, &m->folders, f) {
		slice fresh = moves(f, from) ? renamed(f->f.name, from, to, &s->a) : (slice){0};

		if (!fresh.at)
			continue;
		if (folder_name_grows(f->f.name, fresh))
			return ST_LIMITED;
		if (store_folder_named(m, fresh))
			return ST_EXISTS;
	}
	TRY(grow(s, m, to, false));
	EACH(struct m_folder, &m->folders, f)
		if (moves(f, from))
			f->f.name = renamed(f->f.name, from, to, &s->a);
	return ST_OK;
}

static status inbox_rename(int64_t postoffice, int64_t mailbox, slice to, arena *a)
{
	folder *made;
	view *v;
	struct view_copied moved;

	TRY(folder_make(postoffice, mailbox, to, 0, a, &made));
	TRY(view_open(postoffice, mailbox, S("INBOX"), 0, &v));
	status kind = view_move(v, v->uids, v->n, to, a, &moved);
	view_close(&v);
	return kind;
}

static status rename_named(
	int64_t postoffice, int64_t mailbox, slice given, slice wanted, int64_t only, arena *a)
{
	slice from, to;

	TRY(folder_name_new(wanted, a, &to));
	if (folder_name(given, a, &from) != ST_OK)
		return ST_ABSENT;
	bool inbox = slice_same(from, S("INBOX"));
	if (slice_same(to, S("INBOX")) || folder_name_is_others(to) ||
		(!inbox && folder_is_below(to, from)))
		return ST_INVALID;
	if (inbox)
		return only ? ST_DENIED : inbox_rename(postoffice, mailbox, to, a);
	struct store *s = store_take();
	struct m_mailbox *m = store_mailbox(s, postoffice, mailbox);
	status kind = is_this(m, from, only) ? rename_in(s, m, from, to) : ST_ABSENT;
	store_give();
	if (kind == ST_OK)
		news_tell(postoffice, mailbox, 0);
	return kind;
}

static status rename_by(int64_t postoffice, int64_t mailbox, slice from, slice to, int64_t only)
{
	arena a = ARENA_INIT;
	status kind = rename_named(postoffice, mailbox, from, to, only, &a);

	arena_release(&a);
	return kind;
}

status folder_rename(int64_t postoffice, int64_t mailbox, slice from, slice to)
{
	return rename_by(postoffice, mailbox, from, to, 0);
}

status folder_rename_this(const folder *f, slice to)
{
	return rename_by(f->postoffice, f->mailbox, f->name, to, f->id);
}

static status remove_in(struct store *s, struct m_mailbox *m, slice name, int64_t *id)
{
	struct m_folder *f = m ? store_folder_named(m, name) : NULL;

	if (store_refuses(s))
		return ST_BUSY;
	if (!f)
		return m && has_below(m, name) ? ST_DENIED : ST_ABSENT;
	*id = f->f.id;
	EACH(struct m_entry, &f->entries, e)
		store_entry_remove(s, m, f, e, m->modseq + 1, false);
	EACH(struct m_mailbox, &m->postoffice->mailboxes, reader)
		store_annotations_drop(reader, f->f.id);
	m->modseq++;
	list_remove(&f->link);
	return ST_OK;
}

static status remove_by(int64_t postoffice, int64_t mailbox, slice given, int64_t only)
{
	arena a = ARENA_INIT;
	slice name;
	int64_t id = 0;
	status kind = folder_name(given, &a, &name) == ST_OK ? ST_OK : ST_ABSENT;

	if (kind == ST_OK && slice_same(name, S("INBOX")))
		kind = ST_DENIED;
	if (kind == ST_OK) {
		struct store *s = store_take();
		struct m_mailbox *m = store_mailbox(s, postoffice, mailbox);
		kind = is_this(m, name, only) ? remove_in(s, m, name, &id) : ST_ABSENT;
		store_give();
	}
	if (kind == ST_OK)
		news_tell(postoffice, mailbox, id);
	arena_release(&a);
	return kind;
}

status folder_remove(int64_t postoffice, int64_t mailbox, slice name)
{
	return remove_by(postoffice, mailbox, name, 0);
}

status folder_remove_this(const folder *f)
{
	return remove_by(f->postoffice, f->mailbox, f->name, f->id);
}

static status subscribe(struct store *s, struct m_mailbox *m, slice name, bool on)
{
	struct m_subscription *sub = m ? subscribed(m, name) : NULL;

	if (store_refuses(s))
		return ST_BUSY;
	if (!m)
		return ST_ABSENT;
	if (sub && !on)
		list_remove(&sub->link);
	if (sub || !on)
		return ST_OK;
	if (length(&m->subscriptions) >= 2 * folders_most(m))
		return ST_LIMITED;
	sub = arena_new(&s->a, sizeof *sub);
	sub->name = arena_copy(&s->a, name);
	list_append(&m->subscriptions, &sub->link);
	return ST_OK;
}

status folder_subscribe(int64_t postoffice, int64_t mailbox, slice given, bool on)
{
	arena a = ARENA_INIT;
	slice name;
	status kind = on ? folder_name_new(given, &a, &name) : folder_name(given, &a, &name);

	if (kind == ST_OK) {
		struct store *s = store_take();
		kind = subscribe(s, store_mailbox(s, postoffice, mailbox), name, on);
		store_give();
	}
	if (kind == ST_OK)
		news_tell(postoffice, mailbox, 0);
	arena_release(&a);
	return kind;
}

/* ---- undelete */

static bool is_meant(const struct m_gone *g, const struct folder_lost *w, usec retention)
{
	return !g->back && g->at >= w->since && g->at > clock_wall() - retention &&
	       (!w->folder || g->folder == w->folder) &&
	       (!w->message || g->e.e.message == w->message);
}

static status bring_back(struct store *s, struct m_mailbox *m, const struct folder_lost *w,
	usec retention, int64_t *restored)
{
	if (store_refuses(s))
		return ST_BUSY;
	if (!m)
		return ST_ABSENT;
	EACH(struct m_gone, &m->gone, g) {
		struct m_folder *f = store_folder(m, w->into ? w->into : g->folder);

		if (!is_meant(g, w, retention))
			continue;
		if (m->quota > 0 && m->used + g->e.e.size > m->quota)
			return ST_FULL;
		f = f ? f : m->inbox;
		store_entry_add(s, m, f, g->e.message, store_modseq(m, f),
			g->e.e.flags & ~(int64_t)FLAG_DELETED, g->e.e.received, g->e.zone);
		g->back = true;
		++*restored;
	}
	return ST_OK;
}

status folder_undelete(
	int64_t postoffice, int64_t mailbox, const struct folder_lost *which, int64_t *restored)
{
	usec retention = setting_number(S_expunged_retention, NULL);
	struct store *s = store_take();

	*restored = 0;
	status kind =
		bring_back(s, store_mailbox(s, postoffice, mailbox), which, retention, restored);
	store_give();
	if (*restored > 0)
		news_tell(postoffice, mailbox, which->folder);
	return kind;
}
