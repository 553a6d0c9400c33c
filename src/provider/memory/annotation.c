/* Annotations in memory. */
#include "provider/annotation.h"

#include "provider/memory/store.h"
#include "provider/news.h"

#include <stdlib.h>

struct m_annotation {
	link_t link;
	struct annotation row;
	int64_t modseq;
};

static bool is_meant(slice name, const slice *names, int n, enum annotation_depth depth)
{
	for (int i = 0; i < n; i++) {
		slice rest = slice_from(name, names[i].size);

		if (slice_same(name, names[i]))
			return true;
		if (depth == ANNOTATION_EXACT || !slice_starts(name, names[i]) || rest.at[0] != '/')
			continue;
		rest = slice_from(rest, 1);
		if (depth == ANNOTATION_ALL_BELOW || slice_find(rest, '/') == rest.size)
			return true;
	}
	return false;
}

static bool is_one_of(int64_t id, const int64_t *ids, int n)
{
	for (int i = 0; i < n; i++)
		if (ids[i] == id)
			return true;
	return false;
}

status annotation_list(int64_t postoffice, int64_t mailbox, const int64_t *folders, int folders_n,
	const slice *names, int names_n, enum annotation_depth depth, arena *a,
	struct annotation **rows, int *n)
{
	struct store *s = store_take();
	struct m_mailbox *m = store_mailbox(s, postoffice, mailbox);
	status kind = store_refuses(s) ? ST_BUSY : ST_OK;

	*n = 0;
	if (m && kind == ST_OK) {
		*rows = arena_new_array(a, (size_t)m->annotations_n, sizeof **rows);
		EACH(struct m_annotation, &m->annotations, x)
			if (is_one_of(x->row.folder, folders, folders_n) &&
				is_meant(x->row.name, names, names_n, depth))
				(*rows)[(*n)++] = (struct annotation){x->row.folder,
					arena_copy(a, x->row.name), arena_copy(a, x->row.value)};
	}
	store_give();
	return kind;
}

static int mark_order(const void *a, const void *b)
{
	const struct annotation_mark *x = a, *y = b;

	return x->folder != y->folder ? (x->folder < y->folder ? -1 : 1)
				      : slice_order(x->name, y->name);
}

/* `folder` < 0: all of the mailbox; else what all readers of it see. */
static void marks_add(
	const struct m_mailbox *m, int64_t folder, arena *a, struct annotation_mark *rows, int *n)
{
	EACH(struct m_annotation, &m->annotations, x)
		if (folder < 0 ||
			(x->row.folder == folder && slice_starts(x->row.name, S("/shared/"))))
			rows[(*n)++] = (struct annotation_mark){
				x->row.folder, arena_copy(a, x->row.name), x->modseq};
}

/* Room for all of them. */
static size_t marks_most(struct store *s, int64_t postoffice, const struct m_mailbox *own,
	const struct annotation_places *others)
{
	size_t most = own ? (size_t)own->annotations_n : 0;

	for (int k = 0; k < others->n; k++) {
		const struct m_mailbox *m = store_mailbox(s, postoffice, others->mailboxes[k]);

		most += m ? (size_t)m->annotations_n : 0;
	}
	return most;
}

status annotation_marks(int64_t postoffice, int64_t mailbox, const struct annotation_places *others,
	arena *a, struct annotation_mark **rows, int *n)
{
	struct store *s = store_take();
	const struct m_mailbox *m = store_mailbox(s, postoffice, mailbox);
	status kind = store_refuses(s) ? ST_BUSY : ST_OK;

	*n = 0;
	if (m && kind == ST_OK) {
		*rows = arena_new_array(a, marks_most(s, postoffice, m, others) + 1, sizeof **rows);
		marks_add(m, -1, a, *rows, n);
		for (int k = 0; k < others->n; k++) {
			const struct m_mailbox *other =
				store_mailbox(s, postoffice, others->mailboxes[k]);

			if (other)
				marks_add(other, others->folders[k], a, *rows, n);
		}
		qsort(*rows, (size_t)*n, sizeof **rows, mark_order);
	}
	store_give();
	return kind;
}

/* The place where it stands, or would stand. */
static link_t *place_of(struct m_mailbox *m, const struct annotation *row, bool *stands)
{
	*stands = false;
	EACH(struct m_annotation, &m->annotations, x) {
		int order = x->row.folder < row->folder   ? -1
			    : x->row.folder > row->folder ? 1
							  : slice_order(x->row.name, row->name);

		*stands = order == 0;
		if (order >= 0)
			return &x->link;
	}
	return &m->annotations;
}

static void set_one(struct store *s, struct m_mailbox *m, const struct annotation *row)
{
	bool stands;
	link_t *at = place_of(m, row, &stands);
	struct m_annotation *x;

	if (stands && row->value.at) {
		x = LINK_OWNER(at, struct m_annotation, link);
		x->row.value = arena_copy(&s->a, row->value);
		x->modseq = m->modseq;
	} else if (stands) {
		list_remove(at);
		m->annotations_n--;
	} else if (row->value.at) {
		x = arena_new(&s->a, sizeof *x);
		x->row = (struct annotation){
			row->folder, arena_copy(&s->a, row->name), arena_copy(&s->a, row->value)};
		x->modseq = m->modseq;
		list_append(at, &x->link);
		m->annotations_n++;
	}
}

/* What of it is this mailbox's. */
static bool is_of(const struct annotation_change *c, int64_t mailbox, const struct annotation *row)
{
	return mailbox == (annotation_is_private(row->name) ? c->reader : c->owner);
}

static bool has_room(struct m_mailbox *m, const struct annotation_change *c)
{
	struct setting_at at = {.postoffice = c->postoffice, .mailbox = m->id};
	int more = 0;

	for (int i = 0; i < c->n; i++) {
		struct annotation row = {c->folder, c->rows[i].name, c->rows[i].value};
		bool stands;

		if (!is_of(c, m->id, &row))
			continue;
		place_of(m, &row, &stands);
		more += (row.value.at != NULL) - stands;
	}
	return more <= 0 || m->annotations_n + more <= setting_number(S_annotations_most, &at);
}

static bool special_taken(const struct m_mailbox *m, const struct annotation_change *c)
{
	EACH(struct m_folder, &m->folders, f)
		if (c->uses && (f->f.special & c->special) && f->f.id != c->folder)
			return true;
	return false;
}

/* Some of it is this mailbox's. */
static bool concerns(const struct annotation_change *c, int64_t mailbox)
{
	for (int i = 0; i < c->n; i++)
		if (is_of(c, mailbox, &c->rows[i]))
			return true;
	return c->uses && mailbox == c->owner;
}

static void set_all(struct store *s, struct m_mailbox *m, const struct annotation_change *c)
{
	struct m_folder *f = store_folder(m, c->folder);

	if (!concerns(c, m->id))
		return;
	m->modseq++;
	if (f)
		f->f.modseq = m->modseq;
	for (int i = 0; i < c->n; i++)
		if (is_of(c, m->id, &c->rows[i]))
			set_one(s, m,
				&(struct annotation){c->folder, c->rows[i].name, c->rows[i].value});
}

static status set(struct store *s, const struct annotation_change *c)
{
	struct m_mailbox *reader = store_mailbox(s, c->postoffice, c->reader);
	struct m_mailbox *owner = store_mailbox(s, c->postoffice, c->owner);
	struct m_folder *f = owner ? store_folder(owner, c->folder) : NULL;

	if (store_refuses(s))
		return ST_BUSY;
	if (!reader || !owner || (c->folder && !f))
		return ST_ABSENT;
	if (special_taken(owner, c))
		return ST_DENIED;
	if (!has_room(reader, c) || !has_room(owner, c))
		return ST_LIMITED;
	if (c->uses && f)
		f->f.special = c->special;
	set_all(s, reader, c);
	if (owner != reader)
		set_all(s, owner, c);
	return ST_OK;
}

status annotation_set(const struct annotation_change *c)
{
	status kind = set(store_take(), c);

	store_give();
	TRY(kind);
	news_tell(c->postoffice, c->reader, 0);
	if (c->owner != c->reader)
		news_tell(c->postoffice, c->owner, 0);
	return ST_OK;
}

void store_annotations_drop(struct m_mailbox *m, int64_t folder)
{
	EACH(struct m_annotation, &m->annotations, x)
		if (x->row.folder == folder) {
			list_remove(&x->link);
			m->annotations_n--;
		}
}
