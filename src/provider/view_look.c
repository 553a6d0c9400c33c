/* Views over PostgreSQL: opening them and looking again. */
#include "provider/view_look.h"

#include "provider/settle.h"
#include "provider/view_cache.h"

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

void view_recent_take(const view *v, const struct view_change *ch, uint32_t recent, arena *a)
{
	if (v->inside->claims && ch->arrived > 0 && recent < v->uidnext)
		recent_claim(v, a);
}

static status open_in(
	int64_t postoffice, int64_t mailbox, slice given, unsigned flags, arena *a, view **v)
{
	struct view_loaded l;
	slice name;

	if (folder_name(given, a, &name) != ST_OK)
		return ST_ABSENT;
	struct view_image *known = view_cache_name(mailbox, name);
	status s = view_load(postoffice, mailbox, name, 0, known, false, a, &l);
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

struct view_image *view_newest(const view *v)
{
	struct view_image *own = v->inside->image, *kept = view_cache_folder(v->folder);

	if (kept && kept->uidvalidity == v->uidvalidity && (!own || kept->modseq > own->modseq))
		return kept;
	image_let(&kept);
	return own ? image_hold(own) : NULL;
}

status view_see(const view *v, int64_t least, arena *a, struct view_loaded *now)
{
	struct view_image *known = view_newest(v);
	bool old = known && known->modseq < least;
	status s = view_load(v->postoffice, v->mailbox, S(""), v->folder, known, old, a, now);

	image_let(&known);
	if (s == ST_ABSENT)
		view_cache_drop(v->folder);
	return s;
}

void view_show(view *v, struct view_loaded *now, bool hold, arena *a, struct view_change *out)
{
	view_words(v, now->words);
	view_take(v, now->image, hold, a, out);
	view_recent_take(v, out, now->recent, a);
}

status view_look(view *v, bool hold, int64_t least, arena *a, struct view_change *out)
{
	struct view_loaded now;

	TRY(view_see(v, least, a, &now));
	view_show(v, &now, hold, a, out);
	return ST_OK;
}

status view_refresh(view *v, bool hold, arena *a, struct view_change *out)
{
	return view_look(v, hold, 0, a, out);
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
