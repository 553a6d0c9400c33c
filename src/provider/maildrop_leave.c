/* Conversations that end with removals share transactions, as deliveries do (deliver.c): nobody waits
   for company, but who comes while one is under way goes with the next one, all that wait for the
   same post office together. One more removal in a transaction costs PostgreSQL a quarter of one in a
   transaction of its own.

   Each conversation's removal hangs on its own token: whose lock was lost drops out without harm to
   the others. A transaction that was refused is run again for each of its conversations alone.

   When the answer to COMMIT is lost, the removal is run again (R5). It waits for the one that may still
   be under way, since both lock the mailbox first; a lock that is gone then, with every message of
   this conversation, was given back by the first run. */
#include "provider/maildrop_leave.h"

#include "base/memory.h"
#include "provider/db.h"
#include "provider/news.h"

#include <pthread.h>

#define LANES 2           /* transactions under way at once in one process */
#define CROWD 16          /* waiting ones that open another lane beside a busy one */
#define BATCH_MOST 50     /* conversations in one transaction */
#define REMOVED_MOST 1000 /* messages that another conversation may still be put beside */
#define RUN_MOST (10 * USEC_S)
#define UNSURE_MOST (10 * USEC_S) /* finding out what became of one */
#define UNSURE_PAUSE (100 * USEC_MS)

static struct {
	pthread_mutex_t lock; /* never held across a wait */
	link_t waiting;
	int crowd; /* how many wait */
	int lanes; /* busy ones */
} door = {.lock = PTHREAD_MUTEX_INITIALIZER, .waiting = {&door.waiting, &door.waiting}};

/* ---- the transaction of a batch, all of one post office */

static int removed_by(struct maildrop_leaver *const *all, int n)
{
	int sum = 0;
	for (int i = 0; i < n; i++)
		sum += all[i]->n;
	return sum;
}

static void ask_for(db_tx *tx, struct maildrop_leaver *const *all, int n, arena *a, struct rows *out)
{
	int removed = removed_by(all, n), at = 0;
	int64_t *columns = arena_new_array(a, (size_t)n * 3 + (size_t)removed * 2, sizeof *columns);
	int64_t *mailboxes = columns, *tokens = mailboxes + n, *inboxes = tokens + n;
	int64_t *places = inboxes + n, *uids = places + removed;
	for (int i = 0; i < n; i++) {
		mailboxes[i] = all[i]->mailbox;
		tokens[i] = all[i]->token;
		inboxes[i] = all[i]->inbox;
		for (int u = 0; u < all[i]->n; u++, at++) {
			places[at] = i + 1;
			uids[at] = all[i]->uids[u];
		}
	}
	db_add(tx, SQL_MAILDROP_EXPUNGE,
	       (struct param[]){p_int(all[0]->postoffice), p_int_array(mailboxes, n),
				p_int_array(tokens, n), p_int_array(inboxes, n),
				p_int_array(places, removed), p_int_array(uids, removed)},
	       6, out);
}

/* *failed as of db_commit. Outcomes are written when it is ST_OK. The time is the batch's own, not that of
   the tasks that wait for it. */
static status transaction(struct maildrop_leaver *const *all, int n, int *failed)
{
	arena a = ARENA_INIT;
	struct rows r = {0};
	usec before = task_deadline(clock_now() + RUN_MOST);
	db_tx *tx = db_begin(DB_RUN, &a);
	ask_for(tx, all, n, &a, &r);
	status kind = db_commit(&tx, failed);
	task_deadline(before);
	if (kind == ST_OK) {
		for (int i = 0; i < n; i++)
			all[i]->outcome = ST_ABSENT;
		for (int i = 0; i < r.count; i++) {
			const struct maildrop_leaver *l = all[row_int(&r, i, 0) - 1];

			all[row_int(&r, i, 0) - 1]->outcome = ST_OK;
			news_tell(l->postoffice, l->mailbox, l->inbox);
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
			     (struct param[]){p_int(l->postoffice), p_int(l->inbox), p_int_array(uids, l->n)},
			     3, &a, &r);
	if (kind == ST_OK)
		*removed = row_int(&r, 0, 0) == 0;
	arena_release(&a);
	return kind;
}

/* The same again until its outcome is known; those that find their lock gone look for their messages. */
static status settle(struct maildrop_leaver *const *all, int n, int *failed)
{
	usec until = clock_now() + UNSURE_MOST;
	status kind;
	do {
		if (task_sleep(UNSURE_PAUSE) != ST_OK)
			return ST_UNSURE;
		kind = transaction(all, n, failed);
	} while ((kind == ST_UNSURE || kind == ST_BUSY) && clock_now() < until);
	if (kind == ST_UNSURE || kind == ST_BUSY)
		return ST_UNSURE;
	for (int i = 0; i < n && kind == ST_OK; i++) {
		bool removed = false;
		if (all[i]->outcome == ST_ABSENT && is_removed(all[i], &removed) == ST_OK && removed)
			all[i]->outcome = ST_OK;
	}
	return kind;
}

static void run_all(struct maildrop_leaver **all, int n)
{
	int failed;
	status kind = transaction(all, n, &failed);
	if (kind == ST_UNSURE)
		kind = settle(all, n, &failed);
	if (kind == ST_OK)
		return;
	for (int i = 0; i < n; i++) {
		all[i]->outcome = kind;
		if (kind != ST_UNSURE && failed >= 0 && n > 1)
			run_all(&all[i], 1);
	}
}

/* ---- waiting for a transaction, and leading one; all with the lock held but where it says so */

static void push(struct maildrop_leaver *l)
{
	list_append(&door.waiting, &l->link);
	door.crowd++;
}

static void pull(struct maildrop_leaver *l, enum leave_state state)
{
	list_remove(&l->link);
	door.crowd--;
	l->state = state;
}

/* Those of the leader's post office, in the order in which they came, the leader first. */
static int gather(struct maildrop_leaver *leader, struct maildrop_leaver **all)
{
	int n = 1, removed = leader->n;
	all[0] = leader;
	for (link_t *at = door.waiting.next, *next; at != &door.waiting && n < BATCH_MOST; at = next) {
		struct maildrop_leaver *l = LINK_OWNER(at, struct maildrop_leaver, link);
		next = at->next;
		if (l->postoffice != leader->postoffice || removed + l->n > REMOVED_MOST)
			continue;
		pull(l, LEAVE_TAKEN);
		removed += l->n;
		all[n++] = l;
	}
	return n;
}

/* Gives a lane to the first that waits, when one is to be had. */
static void lane_pass(void)
{
	link_t *first = list_first(&door.waiting);
	if (!first || door.lanes >= (door.crowd < CROWD ? 1 : LANES))
		return;
	struct maildrop_leaver *leader = LINK_OWNER(first, struct maildrop_leaver, link);
	pull(leader, LEAVE_LEADS);
	door.lanes++;
	notice_raise(leader->changed);
}

/* Without the lock. */
static void lead(struct maildrop_leaver *own)
{
	struct maildrop_leaver *all[BATCH_MOST];
	pthread_mutex_lock(&door.lock);
	int n = gather(own, all);
	pthread_mutex_unlock(&door.lock);
	run_all(all, n);
	pthread_mutex_lock(&door.lock);
	for (int i = 0; i < n; i++) {
		all[i]->state = LEAVE_DONE;
		if (all[i] != own)
			notice_raise(all[i]->changed);
	}
	door.lanes--;
	lane_pass();
	pthread_mutex_unlock(&door.lock);
}

/* Without the lock. */
static enum leave_state state_of(const struct maildrop_leaver *l)
{
	pthread_mutex_lock(&door.lock);
	enum leave_state state = l->state;
	pthread_mutex_unlock(&door.lock);
	return state;
}

/* Without the lock: takes back what no transaction took yet. */
static bool withdraw(struct maildrop_leaver *l)
{
	pthread_mutex_lock(&door.lock);
	bool waits = l->state == LEAVE_WAITS;
	if (waits)
		pull(l, LEAVE_DONE);
	pthread_mutex_unlock(&door.lock);
	return waits;
}

static status wait_for(struct maildrop_leaver *own)
{
	while (state_of(own) == LEAVE_WAITS) {
		status kind = notice_wait(own->changed);
		if (kind != ST_OK && withdraw(own))
			return kind;
	}
	/* From here on others hold it: it ends with them. */
	usec before = task_deadline(USEC_NEVER);
	if (state_of(own) == LEAVE_LEADS)
		lead(own);
	while (state_of(own) != LEAVE_DONE)
		notice_wait(own->changed);
	task_deadline(before);
	return own->outcome;
}

status maildrop_leave(struct maildrop_leaver *own)
{
	own->state = LEAVE_WAITS;
	own->changed = notice_open();
	list_init(&own->link);
	pthread_mutex_lock(&door.lock);
	push(own);
	lane_pass();
	pthread_mutex_unlock(&door.lock);
	status kind = wait_for(own);
	notice_close(&own->changed);
	return kind;
}
