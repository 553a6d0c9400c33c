/* The maildrop's coming and staying; see maildrop.h. Coming in company is maildrop_enter.c, going
   with removals maildrop_leave.c. */
#include "provider/maildrop.h"

#include "base/random.h"
#include "provider/db.h"
#include "provider/maildrop_enter.h"
#include "provider/maildrop_leave.h"
#include "provider/maildrop_stay.h"
#include "task/task.h"

/* ---- coming */

static status unlock(int64_t postoffice, int64_t mailbox, int64_t token, arena *a)
{
	struct rows r = {0};
	db_tx *tx = db_begin(DB_RUN, a);
	db_relax(tx);
	db_add(tx, SQL_MAILDROP_UNLOCK,
		(struct param[]){p_int(postoffice), p_int(mailbox), p_int(token)}, 3, &r);
	status kind = db_commit(&tx, NULL);
	return kind == ST_OK && r.changed == 0 ? ST_ABSENT : kind;
}

status maildrop_take(int64_t postoffice, int64_t mailbox, int64_t inbox, usec lease, usec delay,
	arena *a, struct maildrop_taken *out)
{
	return maildrop_take_remembered(postoffice, mailbox, inbox, lease, delay, 0, a, out);
}

status maildrop_take_remembered(int64_t postoffice, int64_t mailbox, int64_t inbox, usec lease,
	usec delay, int64_t logons, arena *a, struct maildrop_taken *out)
{
	*out = (struct maildrop_taken){.token = (int64_t)random_below(INT64_MAX) + 1};
	struct maildrop_comer own = {.guest = {.postoffice = postoffice, .mailbox = mailbox},
		.inbox = inbox,
		.lease = lease,
		.delay = delay,
		.logons = logons,
		.arena = a,
		.taken = out};
	status kind = maildrop_enter(&own);
	if (kind == ST_UNSURE) /* a lock nobody knows of would stand until its lease ends */
		maildrop_give(postoffice, mailbox, inbox, out->token, NULL, 0);
	if (kind == ST_ABSENT)
		unlock(postoffice, mailbox, out->token, a);
	if (kind == ST_OK)
		maildrop_stay_begin(out->token);
	return kind;
}

/* ---- staying */

status maildrop_renew(int64_t postoffice, int64_t mailbox, int64_t token, usec lease)
{
	arena a = ARENA_INIT;
	struct rows r = {0};
	db_tx *tx = db_begin(DB_RUN, &a);
	db_relax(tx);
	db_add(tx, SQL_MAILDROP_RENEW,
		(struct param[]){p_int(postoffice), p_int(mailbox), p_int(token), p_int(lease)}, 4,
		&r);
	status kind = db_commit(&tx, NULL);
	arena_release(&a);
	return kind == ST_OK && r.changed == 0 ? ST_ABSENT : kind;
}

/* ---- going */

/* Also for a conversation that was cancelled or ran out of time: the next client should not wait
   for the lease. */
status maildrop_give(int64_t postoffice, int64_t mailbox, int64_t inbox, int64_t token,
	const uint32_t *uids, int n)
{
	arena a = ARENA_INIT;
	struct maildrop_leaver own = {.guest = {.postoffice = postoffice, .mailbox = mailbox},
		.inbox = inbox,
		.token = token,
		.uids = uids,
		.n = n};
	usec before = task_deadline(clock_now() + 10 * USEC_S);
	task_shield(true);
	status kind = n == 0 ? unlock(postoffice, mailbox, token, &a) : maildrop_leave(&own);
	maildrop_stay_end(token);
	task_shield(false);
	task_deadline(before);
	arena_release(&a);
	return kind;
}
