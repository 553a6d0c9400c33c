/* Folders and the entries in them. */
#include "provider/folder.h"

#include "provider/brief.h"
#include "provider/db.h"
#include "provider/folder_expunge.h"
#include "provider/folder_row.h"
#include "provider/news.h"

void folder_read(const struct rows *r, int row, folder *f)
{
	*f = (folder){
		.id = row_int(r, row, 0),
		.postoffice = row_int(r, row, 1),
		.mailbox = row_int(r, row, 2),
		.name = row_slice(r, row, 3),
		.uidvalidity = (uint32_t)row_int(r, row, 4),
		.uidnext = (uint32_t)row_int(r, row, 5),
		.modseq = row_int(r, row, 6),
		.messages = row_int(r, row, 7),
		.unseen = row_int(r, row, 8),
		.bytes = row_int(r, row, 9),
		.deleted = row_int(r, row, 10),
		.special = (unsigned)row_int(r, row, 11),
		.recent = (uint32_t)row_int(r, row, 12),
	};
}

status folder_find(int64_t postoffice, int64_t mailbox, slice name, arena *a, folder **out)
{
	slice stored = S("INBOX");
	struct rows r;

	if (!slice_same_nocase(name, stored) && folder_name(name, a, &stored) != ST_OK)
		return ST_ABSENT;
	struct param p[] = {p_int(postoffice), p_int(mailbox), p_text(stored)};
	TRY(brief_one(SQL_FOLDER_FIND, p, 3, BRIEF_SHORT, a, &r));
	*out = arena_new(a, sizeof **out);
	folder_read(&r, 0, *out);
	return ST_OK;
}

status folder_list(int64_t postoffice, int64_t mailbox, arena *a, folder **rows, int *n)
{
	struct rows r;

	TRY(db_run(SQL_FOLDER_LIST, (struct param[]){p_int(postoffice), p_int(mailbox)}, 2, a, &r));
	*rows = arena_new_array(a, (size_t)r.count, sizeof **rows);
	for (int i = 0; i < r.count; i++)
		folder_read(&r, i, &(*rows)[i]);
	*n = r.count;
	return ST_OK;
}

/* ---- removing */

status folder_expunge_wide(int64_t postoffice, int64_t mailbox, int64_t id, const int64_t *uids,
	int n, arena *a, int64_t *removed)
{
	db_tx *tx = db_begin(DB_RUN, a);
	struct rows r;

	db_add(tx, SQL_DELIVER_LOCK, (struct param[]){p_int(postoffice), p_int_array(&mailbox, 1)},
		2, NULL);
	db_add(tx, SQL_FOLDER_EXPUNGE,
		(struct param[]){p_int(postoffice), p_int(mailbox), p_int(id), p_int_array(uids, n),
			p_int_array(uids, n), p_int(0)},
		6, &r);
	status s = db_commit(&tx, NULL);
	if (s == ST_OK)
		*removed = row_int(&r, 0, 0);
	if (s == ST_UNSURE || (s == ST_OK && *removed > 0))
		news_tell(postoffice, mailbox, id);
	return s;
}

status folder_expunge(int64_t postoffice, int64_t mailbox, int64_t id, const uint32_t *uids, int n,
	int64_t *removed)
{
	arena a = ARENA_INIT;
	int64_t *wide = arena_new_array(&a, (size_t)n, sizeof *wide);
	int64_t count = 0;
	status s = ST_OK;

	for (int i = 0; i < n; i++)
		wide[i] = uids[i];
	if (n > 0)
		s = folder_expunge_wide(postoffice, mailbox, id, wide, n, &a, &count);
	if (removed)
		*removed = count;
	arena_release(&a);
	return s;
}
