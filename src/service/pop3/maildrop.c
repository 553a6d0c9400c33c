/* The maildrop: INBOX as it was when the lock was taken (RFC 1939 4), the lock that holds across
   nodes, and the update at QUIT. One task per process renews the locks of all its conversations, so
   that a silent client costs nothing more. */
#include "provider/maildrop.h"
#include "base/memory.h"
#include "provider/trace.h"
#include "service/pop3/session.h"
#include "task/task.h"

/* ---- keeping locks: the one table of this service that a process has. Only the loop's thread
   touches it; conversations on plain threads (--stdio) end before their lease does. */
static struct {
	link_t drops;
	bool ready, running;
} keeper;

static status keep(void *unused)
{
	(void)unused;
	while (!list_empty(&keeper.drops) &&
		task_sleep(setting_number(S_pop3_lock_lease, NULL) / 3) == ST_OK) {
		/* A round over as many as there are now; renewing may wait while others come and
		   go. */
		int n = 0;
		for (const link_t *l = keeper.drops.next; l != &keeper.drops; l = l->next)
			n++;
		while (n-- > 0 && !list_empty(&keeper.drops)) {
			struct maildrop *d =
				LINK_OWNER(keeper.drops.next, struct maildrop, keeping);
			struct maildrop now = *d; /* it may be gone after the wait */
			list_remove(&d->keeping);
			list_append(&keeper.drops, &d->keeping);
			/* What is lost shows at QUIT, which asks again before it removes
			   anything. */
			maildrop_renew(now.postoffice, now.mailbox, now.token,
				setting_number(S_pop3_lock_lease, NULL));
		}
	}
	keeper.running = false;
	return ST_OK;
}

static void keep_lock(struct maildrop *d)
{
	if (!task_self())
		return;
	if (!keeper.ready)
		list_init(&keeper.drops);
	keeper.ready = true;
	list_append(&keeper.drops, &d->keeping);
	if (!keeper.running)
		keeper.running = task_start("pop3 locks", keep, NULL) != NULL;
}

/* ---- opening */

static void take_entries(struct maildrop *d, const struct maildrop_taken *taken)
{
	d->n = d->kept = taken->n;
	d->items = d->n ? memory_new_array((size_t)d->n, sizeof *d->items) : NULL;
	for (int i = 0; i < d->n; i++) {
		const entry *e = &taken->entries[i];
		d->items[i] = (struct drop_item){e->message, e->size, e->blob, e->uid, false};
		d->kept_size += e->size;
	}
	d->first = (struct blob_along){0};
	if (taken->first.packed.size) { /* what is lent ends with the arena, empty or not */
		char *own = memory_new(taken->first.packed.size);
		memcpy(own, taken->first.packed.at, taken->first.packed.size);
		d->first = taken->first;
		d->first.packed.at = own;
	}
}

void maildrop_forget_first(struct maildrop *d)
{
	memory_free((char *)d->first.packed.at);
	d->first = (struct blob_along){0};
}

status maildrop_open(struct maildrop *d, const struct identity *who, usec delay, int64_t logons)
{
	arena a = ARENA_INIT;
	struct maildrop_taken taken;
	d->postoffice = who->postoffice;
	d->mailbox = who->mailbox;
	d->inbox = who->inbox;
	status kind = maildrop_take_remembered(d->postoffice, d->mailbox, d->inbox,
		setting_number(S_pop3_lock_lease, NULL), delay, logons, &a, &taken);
	d->logons = taken.logons;
	if (kind == ST_OK) {
		d->token = taken.token;
		d->locked = true;
		d->uidvalidity = taken.uidvalidity;
		take_entries(d, &taken);
		if (taken.since < delay)
			kind = ST_EXISTS;
	}
	arena_release(&a);
	if (kind == ST_OK)
		keep_lock(d);
	else
		maildrop_close(d);
	return kind;
}

/* With nothing removed, or what is marked: gives the lock back. */
static status give_back(struct maildrop *d, const uint32_t *uids, int n)
{
	list_remove(&d->keeping);
	if (!d->locked)
		return ST_ABSENT;
	d->locked = false;
	return maildrop_give(d->postoffice, d->mailbox, d->inbox, d->token, uids, n);
}

void maildrop_close(struct maildrop *d)
{
	give_back(d, NULL, 0);
	maildrop_forget_first(d);
	memory_free(d->items);
	d->items = NULL;
	d->n = d->kept = 0;
	d->kept_size = 0;
}

/* ---- marks and the update */

void maildrop_mark(struct maildrop *d, struct drop_item *item)
{
	item->deleted = true;
	d->kept--;
	d->kept_size -= item->size;
}

void maildrop_unmark_all(struct maildrop *d)
{
	for (int i = 0; i < d->n; i++) {
		if (!d->items[i].deleted)
			continue;
		d->items[i].deleted = false;
		d->kept++;
		d->kept_size += d->items[i].size;
	}
}

status maildrop_update(struct maildrop *d)
{
	uint32_t *uids = memory_new_array((size_t)(d->n - d->kept) + 1, sizeof *uids);
	int n = 0;
	for (int i = 0; i < d->n; i++)
		if (d->items[i].deleted)
			uids[n++] = d->items[i].uid;
	status kind = give_back(d, uids, n);
	memory_free(uids);
	for (int i = 0; i < d->n && kind == ST_OK && n > 0; i++)
		if (d->items[i].deleted)
			trace_note(
				d->postoffice, d->items[i].message, TRACE_REMOVED, "service=pop3");
	return kind;
}
