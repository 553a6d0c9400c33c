/* The maildrop's coming and staying; see maildrop.h. Going with removals is maildrop_leave.c. */
#include "provider/maildrop.h"

#include "base/map.h"
#include "base/random.h"
#include "provider/db.h"
#include "provider/maildrop_leave.h"
#include "task/task.h"

#include <pthread.h>

#define NOTE_EVERY (60 * USEC_S)
#define NOTED_MOST 20000

/* ---- which logons this process noted lately */

static struct {
	pthread_mutex_t lock; /* never held across a wait */
	map *mailboxes;
	usec born;
} noted = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool is_noted(int64_t mailbox)
{
	static char here;
	slice key = slice_of(&mailbox, sizeof mailbox);
	usec now = clock_now();
	pthread_mutex_lock(&noted.lock);
	if (!noted.mailboxes || now - noted.born > NOTE_EVERY || map_size(noted.mailboxes) > NOTED_MOST) {
		map_close(&noted.mailboxes);
		noted.mailboxes = map_open();
		noted.born = now;
	}
	bool found = map_put(noted.mailboxes, key, &here) != NULL;
	pthread_mutex_unlock(&noted.lock);
	return found;
}

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

static void list(const struct rows *r, arena *a, struct maildrop_taken *out)
{
	int n;
	const int64_t *uids = row_int_array(r, 0, 1, a, &out->n);
	const int64_t *messages = row_int_array(r, 0, 2, a, &n);
	const int64_t *sizes = row_int_array(r, 0, 3, a, &n);
	out->uidvalidity = (uint32_t)row_int(r, 0, 0);
	out->entries = arena_new_array(a, (size_t)out->n, sizeof *out->entries);
	for (int i = 0; i < out->n; i++)
		out->entries[i] = (entry){.uid = (uint32_t)uids[i], .message = messages[i], .size = sizes[i]};
	if (out->n)
		out->entries[0].blob = row_int(r, 0, 4);
}

status maildrop_take(int64_t postoffice, int64_t mailbox, int64_t inbox, usec lease, usec delay,
		     arena *a, struct maildrop_taken *out)
{
	struct rows locked, before = {0}, entries;
	out->token = (int64_t)random_below(INT64_MAX) + 1;
	out->since = USEC_NEVER;
	/* Locks and logons need not survive a crash of PostgreSQL. */
	db_tx *tx = db_begin(DB_RUN, a);
	db_relax(tx);
	db_add(tx, SQL_MAILDROP_LOCK,
	       (struct param[]){p_int(postoffice), p_int(mailbox), p_int(out->token), p_int(lease)}, 4,
	       &locked);
	if (delay > 0 || !is_noted(mailbox))
		db_add(tx, SQL_MAILDROP_LOGON,
		       (struct param[]){p_int(postoffice), p_int(mailbox), p_int(SERVICE_POP3),
					p_int(out->token), p_int(delay)},
		       5, &before);
	db_add(tx, SQL_MAILDROP_ENTRIES,
	       (struct param[]){p_int(postoffice), p_int(mailbox), p_int(inbox)}, 3, &entries);
	status kind = db_commit(&tx, NULL);
	if (kind == ST_UNSURE) /* a lock nobody knows of would stand until its lease ends */
		maildrop_give(postoffice, mailbox, inbox, out->token, NULL, 0);
	TRY(kind);
	if (locked.changed == 0)
		return ST_LIMITED;
	if (entries.count == 0) {
		unlock(postoffice, mailbox, out->token, a);
		return ST_ABSENT;
	}
	if (before.count > 0 && !row_null(&before, 0, 0))
		out->since = row_int(&before, 0, 0);
	list(&entries, a, out);
	return ST_OK;
}

/* ---- staying */

status maildrop_renew(int64_t postoffice, int64_t mailbox, int64_t token, usec lease)
{
	arena a = ARENA_INIT;
	struct rows r = {0};
	db_tx *tx = db_begin(DB_RUN, &a);
	db_relax(tx);
	db_add(tx, SQL_MAILDROP_RENEW,
	       (struct param[]){p_int(postoffice), p_int(mailbox), p_int(token), p_int(lease)}, 4, &r);
	status kind = db_commit(&tx, NULL);
	arena_release(&a);
	return kind == ST_OK && r.changed == 0 ? ST_ABSENT : kind;
}

/* ---- going */

/* Also for a conversation that was cancelled or ran out of time: the next client should not wait for the
   lease. */
status maildrop_give(int64_t postoffice, int64_t mailbox, int64_t inbox, int64_t token,
		     const uint32_t *uids, int n)
{
	arena a = ARENA_INIT;
	struct maildrop_leaver own = {.postoffice = postoffice, .mailbox = mailbox, .inbox = inbox,
				      .token = token, .uids = uids, .n = n};
	usec before = task_deadline(clock_now() + 10 * USEC_S);
	task_shield(true);
	status kind = n == 0 ? unlock(postoffice, mailbox, token, &a) : maildrop_leave(&own);
	task_shield(false);
	task_deadline(before);
	arena_release(&a);
	return kind;
}
