/* Annotations in PostgreSQL: changed under the mailbox's lock, so that their number is known. */
#include "provider/annotation.h"

#include "provider/news.h"
#include "provider/setting.h"
#include "provider/settle.h"

status annotation_list(int64_t postoffice, int64_t mailbox, const int64_t *folders, int folders_n,
	const slice *names, int names_n, enum annotation_depth depth, arena *a,
	struct annotation **rows, int *n)
{
	struct param p[] = {p_int(postoffice), p_int(mailbox), p_int_array(folders, folders_n),
		p_text_array(names, names_n), p_int(depth)};
	struct rows r;

	TRY(db_run(SQL_ANNOTATION_LIST, p, 5, a, &r));
	*rows = arena_new_array(a, (size_t)r.count, sizeof **rows);
	for (int i = 0; i < r.count; i++)
		(*rows)[i] = (struct annotation){
			.folder = row_int(&r, i, 0),
			.name = row_slice(&r, i, 1),
			.value = row_slice(&r, i, 2),
		};
	*n = r.count;
	return ST_OK;
}

status annotation_marks(int64_t postoffice, int64_t mailbox, const struct annotation_places *others,
	arena *a, struct annotation_mark **rows, int *n)
{
	struct param p[] = {p_int(postoffice), p_int(mailbox),
		p_int_array(others->mailboxes, others->n), p_int_array(others->folders, others->n)};
	struct rows r;

	TRY(db_run(SQL_ANNOTATION_MARKS, p, 4, a, &r));
	*rows = arena_new_array(a, (size_t)r.count, sizeof **rows);
	for (int i = 0; i < r.count; i++)
		(*rows)[i] = (struct annotation_mark){
			.folder = row_int(&r, i, 0),
			.name = row_slice(&r, i, 1),
			.modseq = row_int(&r, i, 2),
		};
	*n = r.count;
	return ST_OK;
}

struct side { /* what changes in one mailbox */
	int64_t mailbox, most;
	slice *put, *values, *removed;
	int put_n, removed_n;
};

struct turn {
	const struct annotation_change *c;
	struct side side[2]; /* the reader's, and its owner's of a folder of others */
	int64_t locked[2];
	arena a; /* scratch of one run */
};

static void side_add(db_tx *tx, const struct turn *t, const struct side *x)
{
	struct param place[] = {p_int(t->c->postoffice), p_int(x->mailbox), p_int(t->c->folder)};

	db_add(tx, SQL_ANNOTATION_TURN, place, 3, NULL);
	db_add(tx, SQL_ANNOTATION_REMOVE,
		(struct param[]){
			place[0], place[1], place[2], p_text_array(x->removed, x->removed_n)},
		4, NULL);
	if (x->put_n == 0)
		return;
	db_add(tx, SQL_ANNOTATION_PUT,
		(struct param[]){place[0], place[1], place[2], p_text_array(x->put, x->put_n),
			p_bytes_array(x->values, x->put_n)},
		5, NULL);
	db_add(tx, SQL_ANNOTATION_FITS, (struct param[]){place[0], place[1], p_int(x->most)}, 3,
		NULL);
}

static void special_add(db_tx *tx, const struct annotation_change *c)
{
	struct param p[] = {p_int(c->postoffice), p_int(c->owner), p_int(c->special), p_text(S("")),
		p_int(c->folder)};

	db_add(tx, SQL_FOLDER_SPECIAL_FREE, p, 5, NULL);
	db_add(tx, SQL_FOLDER_SET_SPECIAL, (struct param[]){p[0], p[1], p[4], p[2]}, 4, NULL);
}

static status set_once(void *arg, bool again)
{
	enum { PLACE = 1, FREE = 2 }; /* numbers of statements, where there is a folder */
	struct turn *t = arg;
	const struct annotation_change *c = t->c;
	int failed;

	(void)again;
	t->locked[0] = c->reader;
	t->locked[1] = c->owner;
	db_tx *tx = settle_begin_both(c->postoffice, t->locked, &t->a);
	if (c->folder)
		db_add(tx, SQL_ANNOTATION_PLACE,
			(struct param[]){p_int(c->postoffice), p_int(c->owner), p_int(c->folder)},
			3, NULL);
	if (c->uses)
		special_add(tx, c);
	for (int k = 0; k < 2; k++)
		if (t->side[k].put_n + t->side[k].removed_n > 0 ||
			(c->uses && t->side[k].mailbox == c->owner))
			side_add(tx, t, &t->side[k]);
	status s = db_commit(&tx, &failed);
	if (s != ST_INVALID)
		return s;
	return c->folder && failed == PLACE ? ST_ABSENT
	       : c->uses && failed == FREE  ? ST_DENIED
					    : ST_LIMITED;
}

static void side_begin(
	const struct annotation_change *c, int64_t mailbox, arena *a, struct side *out)
{
	struct setting_at at = {.postoffice = c->postoffice, .mailbox = mailbox};
	slice *room = arena_new_array(a, (size_t)c->n * 3 + 1, sizeof *room);

	*out = (struct side){.mailbox = mailbox,
		.most = setting_number(S_annotations_most, &at),
		.put = room,
		.values = room + c->n,
		.removed = room + c->n * 2};
}

static void side_take(struct side *x, const struct annotation *row)
{
	if (row->value.at) {
		x->values[x->put_n] = row->value;
		x->put[x->put_n++] = row->name;
	} else {
		x->removed[x->removed_n++] = row->name;
	}
}

status annotation_set(const struct annotation_change *c)
{
	struct turn t = {.c = c};
	arena a = ARENA_INIT;

	side_begin(c, c->reader, &a, &t.side[0]);
	if (c->owner != c->reader)
		side_begin(c, c->owner, &a, &t.side[1]);
	for (int i = 0; i < c->n; i++)
		side_take(&t.side[c->owner != c->reader && !annotation_is_private(c->rows[i].name)],
			&c->rows[i]);
	status s = settle(set_once, &t);
	arena_release(&t.a);
	arena_release(&a);
	if (s != ST_OK && s != ST_UNSURE)
		return s;
	news_tell(c->postoffice, c->reader, 0);
	if (c->owner != c->reader)
		news_tell(c->postoffice, c->owner, 0);
	return s;
}
