#include "provider/session.h"

#include "provider/db.h"

/* Notes of logons need not survive a crash of the server: waiting for the disk would buy nothing. */
static status run_relaxed(
	enum statement_id id, const struct param *p, int n, arena *a, struct rows *out)
{
	db_tx *tx = db_begin(DB_RUN, a);
	db_relax(tx);
	db_add(tx, id, p, n, out);
	return db_commit(&tx, NULL);
}

status session_logon(int64_t postoffice, int64_t mailbox, enum service s, usec *since)
{
	arena a = ARENA_INIT;
	struct rows r = {0};
	struct param p[] = {p_int(postoffice), p_int(mailbox), p_int(s)};
	status kind = run_relaxed(SQL_LOGON_NOTE, p, 3, &a, &r);
	if (kind == ST_OK)
		*since = r.count == 0 || row_null(&r, 0, 0) ? USEC_NEVER : row_int(&r, 0, 0);
	arena_release(&a);
	return kind;
}
