/* One more removal in a transaction costs PostgreSQL a quarter of one in a transaction of its own.

   Each conversation's removal hangs on its own token: whose lock was lost drops out without harm to
   the others.

   When the answer to COMMIT is lost, the removal is run again (R5). It waits for the one that may
   still be under way, since both lock the mailbox first; a lock that is gone then, with every
   message of this conversation, was given back by the first run. */
#include "provider/maildrop_leave.h"

#include "base/memory.h"
#include "provider/db.h"
#include "provider/maildrop_stay.h"
#include "provider/news.h"
#include "provider/setting.h"

#include <assert.h>

#define REMOVED_MOST                                                                               \
	1000 /* messages in a transaction that another conversation may still be put beside */
#define RUN_MOST (10 * USEC_S)
#define UNSURE_MOST (10 * USEC_S) /* finding out what became of one */
#define UNSURE_PAUSE (100 * USEC_MS)

/* ---- the transaction of a batch, all of one post office */

static int removed_by(struct maildrop_leaver *const *all, int n)
{
	int sum = 0;
	for (int i = 0; i < n; i++)
		sum += all[i]->n;
	return sum;
}

static void ask_for(
	db_tx *tx, struct maildrop_leaver *const *all, int n, arena *a, struct rows *out)
{
	int removed = removed_by(all, n), at = 0;
	int64_t *columns = arena_new_array(a, (size_t)n * 3 + (size_t)removed * 2, sizeof *columns);
	int64_t *mailboxes = columns, *tokens = mailboxes + n, *inboxes = tokens + n;
	int64_t *places = inboxes + n, *uids = places + removed;
	for (int i = 0; i < n; i++) {
		mailboxes[i] = all[i]->guest.mailbox;
		tokens[i] = all[i]->token;
		inboxes[i] = all[i]->inbox;
		for (int u = 0; u < all[i]->n; u++, at++) {
			places[at] = i + 1;
			uids[at] = all[i]->uids[u];
		}
	}
	db_add(tx, SQL_MAILDROP_EXPUNGE,
		(struct param[]){p_int(all[0]->guest.postoffice), p_int_array(mailboxes, n),
			p_int_array(tokens, n), p_int_array(inboxes, n),
			p_int_array(places, removed), p_int_array(uids, removed)},
		6, out);
}

static void tell(const struct maildrop_leaver *l)
{
	news_tell(l->guest.postoffice, l->guest.mailbox, l->inbox);
}

/* *failed as of db_commit. Outcomes are written when it is ST_OK. The time is the batch's own, not
   that of the tasks that wait for it. */
static status transaction(struct maildrop_leaver *const *all, int n, usec until, int *failed)
{
	arena a = ARENA_INIT;
	struct rows r = {0};
	usec before = task_deadline(until);
	db_tx *tx = db_begin(DB_RUN, &a);
	ask_for(tx, all, n, &a, &r);
	status kind = db_commit(&tx, failed);
	task_deadline(before);
	if (kind == ST_OK) {
		for (int i = 0; i < n; i++)
			all[i]->guest.outcome = ST_ABSENT;
		for (int i = 0; i < r.count; i++) {
			struct maildrop_leaver *l = all[row_int(&r, i, 0) - 1];
			l->guest.outcome = ST_OK;
			tell(l);
		}
	}
	arena_release(&a);
	return kind == ST_TIMED_OUT || kind == ST_CANCELLED ? ST_BUSY : kind;
}

/* ---- what became of it */

/* Whether nothing is left of what it wanted to remove. */
static status is_removed(const struct maildrop_leaver *l, bool *removed)
{
	arena a = ARENA_INIT;
	struct rows r;
	int64_t *uids = arena_new_array(&a, (size_t)l->n, sizeof *uids);
	for (int i = 0; i < l->n; i++)
		uids[i] = l->uids[i];
	status kind = db_one(SQL_MAILDROP_LEFT,
		(struct param[]){
			p_int(l->guest.postoffice), p_int(l->inbox), p_int_array(uids, l->n)},
		3, &a, &r);
	if (kind == ST_OK)
		*removed = row_int(&r, 0, 0) == 0;
	arena_release(&a);
	return kind;
}

/* The same again until its outcome is known; those that find their lock gone look for their
   messages. */
static status settle(struct maildrop_leaver *const *all, int n, usec began, int *failed)
{
	usec silence = setting_number(S_db_silence_most, NULL);
	usec until = clock_now() + UNSURE_MOST, most;
	status kind;
	do {
		if (task_sleep(UNSURE_PAUSE) != ST_OK)
			return ST_UNSURE;
		most = db_lost_by(began, silence, clock_now() + RUN_MOST);
		kind = transaction(all, n, most, failed);
	} while ((kind == ST_UNSURE || kind == ST_BUSY) && clock_now() < until &&
		 !db_lost(began, silence));
	if (kind == ST_UNSURE || kind == ST_BUSY)
		return ST_UNSURE;
	for (int i = 0; i < n && kind == ST_OK; i++) {
		bool removed = false;
		if (all[i]->guest.outcome == ST_ABSENT && is_removed(all[i], &removed) == ST_OK &&
			removed) {
			all[i]->guest.outcome = ST_OK;
			tell(all[i]);
		}
	}
	return kind;
}

static status run(struct maildrop_guest *const *guests, int n, int *failed)
{
	struct maildrop_leaver *all[MAILDROP_DOOR_MOST] = {0};
	usec began = clock_now();
	assert(n > 0); /* the leader is one of them */
	for (int i = 0; i < n; i++)
		all[i] = LINK_OWNER(guests[i], struct maildrop_leaver, guest);
	status kind = transaction(all, n, began + RUN_MOST, failed);
	if (kind == ST_UNSURE)
		kind = settle(all, n, began, failed);
	for (int i = 0; i < n && kind == ST_UNSURE; i++) /* a hint to look costs nothing */
		tell(all[i]);
	return kind;
}

status maildrop_leave(struct maildrop_leaver *own)
{
	static struct maildrop_door door = MAILDROP_DOOR(door, .run = run, .lanes_most = 2,
		.weight_most = REMOVED_MOST, .expected = maildrop_stay_fresh);
	own->guest.weight = own->n;
	return maildrop_door_enter(&door, &own->guest);
}
