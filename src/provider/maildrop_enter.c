/* Each conversation's lock, list and first body are statements of their own in one pipeline: what a
   batch saves is the transaction around them and the waking of a backend and of this process. The
   list follows the lock, so it sees what the holder before removed. A transaction whose answer was
   lost is run once more for all: with the same tokens, so that it meets its own locks. */
#include "provider/maildrop_enter.h"

#include "provider/blob_store.h"
#include "provider/db.h"
#include "provider/session.h"

#define RUN_MOST (10 * USEC_S)
#define UNSURE_PAUSE (100 * USEC_MS)
#define FEW 64 /* messages of a mailbox whose client likely fetches what is new, and all of it */
#define SMALL_MOST 8160 /* packed octets of a first body: those in its row */

/* ---- the transaction of a batch, all of one post office */

struct answers { /* to one conversation */
	struct rows locked, before, entries, first;
	bool notes; /* the logon, unless its revision has moved */
};

enum way {
	FIRST,
	AGAIN,    /* all of it may have been done already */
	UNLOCKED, /* only reads */
};

static void ask_for_lock(db_tx *tx, const struct maildrop_comer *c, struct answers *out)
{
	int64_t postoffice = c->guest.postoffice, mailbox = c->guest.mailbox;
	db_add(tx, SQL_MAILDROP_LOCK,
		(struct param[]){
			p_int(postoffice), p_int(mailbox), p_int(c->taken->token), p_int(c->lease)},
		4, &out->locked);
	out->notes = c->delay > 0 || !session_is_noted(mailbox, SERVICE_POP3);
	if (out->notes)
		db_add(tx, SQL_MAILDROP_LOGON,
			(struct param[]){p_int(postoffice), p_int(mailbox), p_int(SERVICE_POP3),
				p_int(c->taken->token), p_int(c->delay), p_int(c->logons)},
			6, &out->before);
}

static void ask_for(db_tx *tx, const struct maildrop_comer *c, enum way way, struct answers *out)
{
	int64_t postoffice = c->guest.postoffice, mailbox = c->guest.mailbox;
	if (way != UNLOCKED)
		ask_for_lock(tx, c, out);
	db_add(tx, SQL_MAILDROP_ENTRIES,
		(struct param[]){p_int(postoffice), p_int(mailbox), p_int(c->inbox), p_int(FEW)}, 4,
		&out->entries);
	db_add(tx, SQL_MAILDROP_FIRST, (struct param[]){p_int(postoffice), p_int(SMALL_MOST)}, 2,
		&out->first);
}

static void list(const struct answers *all, arena *a, struct maildrop_taken *out)
{
	const struct rows *r = &all->entries;
	int n;
	const int64_t *uids = row_int_array(r, 0, 1, a, &out->n);
	const int64_t *messages = row_int_array(r, 0, 2, a, &n);
	const int64_t *sizes = row_int_array(r, 0, 3, a, &n);
	out->uidvalidity = (uint32_t)row_int(r, 0, 0);
	out->entries = arena_new_array(a, (size_t)out->n, sizeof *out->entries);
	for (int i = 0; i < out->n; i++)
		out->entries[i] =
			(entry){.uid = (uint32_t)uids[i], .message = messages[i], .size = sizes[i]};
	if (out->n)
		out->entries[0].blob = row_int(r, 0, 4);
	out->first = blob_along_of(&all->first);
	out->first.packed = arena_copy(a, out->first.packed);
}

static status outcome_of(const struct maildrop_comer *c, const struct answers *all, enum way way)
{
	c->taken->logons = all->entries.count ? row_int(&all->entries, 0, 6) : 0;
	if (way != UNLOCKED && all->locked.changed == 0)
		return ST_LIMITED;
	if (all->entries.count == 0)
		return ST_ABSENT;
	if (all->notes && (c->logons == 0 || c->logons == c->taken->logons))
		session_noted(c->guest.mailbox, SERVICE_POP3);
	/* When it was done already the logon before may be this one. */
	bool known = way == FIRST && all->before.count > 0 && !row_null(&all->before, 0, 0);
	c->taken->since = known ? row_int(&all->before, 0, 0) : USEC_NEVER;
	list(all, c->arena, c->taken);
	return ST_OK;
}

/* *failed as of db_commit. Outcomes are written when it is ST_OK. The time is the batch's own, not
   that of the tasks that wait for it. */
static status transaction(struct maildrop_comer *const *all, int n, enum way way, int *failed)
{
	arena a = ARENA_INIT;
	struct answers *answers = arena_new_array(&a, (size_t)n, sizeof *answers);
	usec before = task_deadline(clock_now() + RUN_MOST);
	db_tx *tx = db_begin(DB_RUN, &a);
	db_relax(tx); /* Locks and logons need not survive a crash of PostgreSQL. */
	for (int i = 0; i < n; i++)
		ask_for(tx, all[i], way, &answers[i]);
	status kind = db_commit(&tx, failed);
	task_deadline(before);
	for (int i = 0; i < n && kind == ST_OK; i++)
		all[i]->guest.outcome = outcome_of(all[i], &answers[i], way);
	arena_release(&a);
	return kind == ST_TIMED_OUT || kind == ST_CANCELLED ? ST_BUSY : kind;
}

static status run(struct maildrop_guest *const *guests, int n, int *failed)
{
	struct maildrop_comer *all[MAILDROP_DOOR_MOST] = {0};
	for (int i = 0; i < n; i++)
		all[i] = LINK_OWNER(guests[i], struct maildrop_comer, guest);
	status kind = transaction(all, n, FIRST, failed);
	if (kind == ST_UNSURE && task_sleep(UNSURE_PAUSE) == ST_OK)
		kind = transaction(all, n, AGAIN, failed);
	/* Where there is no room for a lock mail can still be read (R9). Of several each is tried
	   alone first: who meets another's lock needs no room to hear of it. */
	if (kind == ST_BUSY && n == 1 && db_full())
		kind = transaction(all, n, UNLOCKED, failed);
	return kind;
}

status maildrop_enter(struct maildrop_comer *own)
{
	static struct maildrop_door door =
		MAILDROP_DOOR(door, .run = run, .lanes_most = 2, .weight_most = MAILDROP_DOOR_MOST);
	own->guest.weight = 1;
	return maildrop_door_enter(&door, &own->guest);
}
