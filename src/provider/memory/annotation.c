/* Annotations in memory. */
#include "provider/annotation.h"

#include "provider/memory/store.h"
#include "provider/news.h"

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

status annotation_marks(int64_t postoffice, int64_t mailbox, arena *a, struct annotation_mark **rows, int *n)
{
	struct store *s = store_take();
	struct m_mailbox *m = store_mailbox(s, postoffice, mailbox);
	status kind = store_refuses(s) ? ST_BUSY : ST_OK;

	*n = 0;
	if (m && kind == ST_OK) {
		*rows = arena_new_array(a, (size_t)m->annotations_n, sizeof **rows);
		EACH(struct m_annotation, &m->annotations, x)
			(*rows)[(*n)++] = (struct annotation_mark){
				x->row.folder, arena_copy(a, x->row.name), x->modseq};
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
		x->row = (struct annotation){row->folder, arena_copy(&s->a, row->name),
			arena_copy(&s->a, row->value)};
		x->modseq = m->modseq;
		list_append(at, &x->link);
		m->annotations_n++;
	}
}

static status set(struct store *s, struct m_mailbox *m, int64_t folder,
	const struct annotation *rows, int n)
{
	struct setting_at at;
	int more = 0;

	if (store_refuses(s))
		return ST_BUSY;
	if (!m || (folder && !store_folder(m, folder)))
		return ST_ABSENT;
	at = (struct setting_at){.postoffice = m->postoffice->id, .mailbox = m->id};
	for (int i = 0; i < n; i++) {
		struct annotation row = {folder, rows[i].name, rows[i].value};
		bool stands;

		place_of(m, &row, &stands);
		more += (row.value.at != NULL) - stands;
	}
	if (more > 0 && m->annotations_n + more > setting_number(S_annotations_most, &at))
		return ST_LIMITED;
	m->modseq++;
	for (int i = 0; i < n; i++)
		set_one(s, m, &(struct annotation){folder, rows[i].name, rows[i].value});
	return ST_OK;
}

status annotation_set(int64_t postoffice, int64_t mailbox, int64_t folder,
	const struct annotation *rows, int n)
{
	struct store *s = store_take();
	status kind = set(s, store_mailbox(s, postoffice, mailbox), folder, rows, n);

	store_give();
	if (kind == ST_OK)
		news_tell(postoffice, mailbox, 0);
	return kind;
}

void store_annotations_drop(struct m_mailbox *m, int64_t folder)
{
	EACH(struct m_annotation, &m->annotations, x)
		if (x->row.folder == folder) {
			list_remove(&x->link);
			m->annotations_n--;
		}
}
