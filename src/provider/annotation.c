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

status annotation_marks(int64_t postoffice, int64_t mailbox, arena *a, struct annotation_mark **rows, int *n)
{
	struct rows r;

	TRY(db_run(SQL_ANNOTATION_MARKS, (struct param[]){p_int(postoffice), p_int(mailbox)}, 2, a, &r));
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

struct turn {
	int64_t postoffice, mailbox, folder, most;
	const slice *put, *values, *removed;
	int put_n, removed_n;
	arena a; /* scratch of one run */
};

static status set_once(void *arg, bool again)
{
	struct turn *t = arg;
	db_tx *tx = settle_begin(t->postoffice, &t->mailbox, &t->a);
	struct param place[] = {p_int(t->postoffice), p_int(t->mailbox), p_int(t->folder)};
	int failed;

	(void)again;
	if (t->folder)
		db_add(tx, SQL_ANNOTATION_PLACE, place, 3, NULL);
	db_add(tx, SQL_ANNOTATION_TURN, place, 2, NULL);
	db_add(tx, SQL_ANNOTATION_REMOVE,
		(struct param[]){place[0], place[1], place[2],
			p_text_array(t->removed, t->removed_n)},
		4, NULL);
	db_add(tx, SQL_ANNOTATION_PUT,
		(struct param[]){place[0], place[1], place[2], p_text_array(t->put, t->put_n),
			p_bytes_array(t->values, t->put_n)},
		5, NULL);
	if (t->put_n > 0)
		db_add(tx, SQL_ANNOTATION_FITS,
			(struct param[]){place[0], place[1], p_int(t->most)}, 3, NULL);
	status s = db_commit(&tx, &failed);
	if (s == ST_INVALID)
		s = t->folder && failed == 1 ? ST_ABSENT : ST_LIMITED;
	return s;
}

status annotation_set(int64_t postoffice, int64_t mailbox, int64_t folder,
	const struct annotation *rows, int n)
{
	struct setting_at at = {.postoffice = postoffice, .mailbox = mailbox};
	arena a = ARENA_INIT;
	slice *put = arena_new_array(&a, (size_t)n, sizeof *put);
	slice *values = arena_new_array(&a, (size_t)n, sizeof *values);
	slice *removed = arena_new_array(&a, (size_t)n, sizeof *removed);
	struct turn t = {.postoffice = postoffice,
		.mailbox = mailbox,
		.folder = folder,
		.most = setting_number(S_annotations_most, &at),
		.put = put,
		.values = values,
		.removed = removed};

	for (int i = 0; i < n; i++) {
		if (rows[i].value.at) {
			values[t.put_n] = rows[i].value;
			put[t.put_n++] = rows[i].name;
		} else {
			removed[t.removed_n++] = rows[i].name;
		}
	}
	status s = settle(set_once, &t);
	arena_release(&t.a);
	arena_release(&a);
	if (s == ST_OK)
		news_tell(postoffice, mailbox, 0);
	return s;
}
