#include "provider/session.h"

#include "base/clock.h"
#include "base/random.h"
#include "provider/db.h"
#include "task/task.h"

/* Locks and logons need not survive a crash of the server: waiting for the disk would buy nothing. */
static status run_relaxed(enum statement_id id, const struct param *p, int n, arena *a, struct rows *out)
{
	db_tx *tx = db_begin(DB_RUN, a);
	db_relax(tx);
	db_add(tx, id, p, n, out);
	return db_commit(&tx, NULL);
}

static status changed_one(enum statement_id id, const struct param *p, int n, status otherwise)
{
	arena a = ARENA_INIT;
	struct rows r = {0};
	status kind = run_relaxed(id, p, n, &a, &r);
	if (kind == ST_OK && r.changed == 0)
		kind = otherwise;
	arena_release(&a);
	return kind;
}

status session_lock(int64_t postoffice, int64_t mailbox, usec lease, int64_t *token)
{
	*token = (int64_t)random_below(INT64_MAX) + 1;
	struct param p[] = {p_int(postoffice), p_int(mailbox), p_int(*token), p_int(lease)};
	return changed_one(SQL_MAILDROP_LOCK, p, 4, ST_LIMITED);
}

status session_lock_renew(int64_t postoffice, int64_t mailbox, int64_t token, usec lease)
{
	struct param p[] = {p_int(postoffice), p_int(mailbox), p_int(token), p_int(lease)};
	return changed_one(SQL_MAILDROP_RENEW, p, 4, ST_ABSENT);
}

/* Also for a conversation that was cancelled: the next client should not wait for the lease. */
void session_unlock(int64_t postoffice, int64_t mailbox, int64_t token)
{
	struct param p[] = {p_int(postoffice), p_int(mailbox), p_int(token)};
	usec before = task_deadline(clock_now() + 5 * USEC_S);
	task_shield(true);
	changed_one(SQL_MAILDROP_UNLOCK, p, 3, ST_ABSENT);
	task_shield(false);
	task_deadline(before);
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
