#include "provider/audit.h"

#include "provider/change.h"

static void read_rows(const struct rows *r, arena *a, struct audit_row **rows, int *n)
{
	*n = r->count;
	*rows = arena_new_array(a, (size_t)r->count, sizeof **rows);
	for (int i = 0; i < r->count; i++)
		(*rows)[i] = (struct audit_row){.postoffice = row_int(r, i, 0),
			.at = row_time(r, i, 1),
			.who = row_slice(r, i, 2),
			.from = row_slice(r, i, 3),
			.action = row_slice(r, i, 4),
			.object = row_slice(r, i, 5),
			.detail = row_slice(r, i, 6),
			.postoffice_name = row_slice(r, i, 7)};
}

status audit_list(int64_t postoffice, unsigned most, arena *a, struct audit_row **rows, int *n)
{
	struct rows r;
	struct param p[] = {p_int(postoffice), p_int(most)};
	if (postoffice)
		TRY(db_run(SQL_AUDIT_OF_POSTOFFICE, p, 2, a, &r));
	else
		TRY(db_run(SQL_AUDIT_OF_ALL, p + 1, 1, a, &r));
	read_rows(&r, a, rows, n);
	return ST_OK;
}

status audit_list_removed(slice name, unsigned most, arena *a, struct audit_row **rows, int *n)
{
	struct rows r;
	const struct param p[] = {p_text(name), p_int(most)};

	TRY(db_run(SQL_AUDIT_OF_REMOVED, p, 2, a, &r));
	read_rows(&r, a, rows, n);
	return ST_OK;
}

status audit_order(int64_t postoffice, const struct audit_note *note)
{
	arena a = ARENA_INIT;
	db_tx *tx = db_begin(postoffice ? DB_RUN : DB_SYSTEM, &a);

	change_audit(tx, postoffice, note->by, note->action, note->object, note->detail);
	status kind = db_commit(&tx, NULL);
	arena_release(&a);
	return kind;
}
