/* The maildrop: INBOX as it was when the lock was taken (RFC 1939 4), the lock that holds across
   nodes, and the update at QUIT. One task per process renews the locks of all its conversations, so
   that a silent client costs nothing more. */
#include "base/memory.h"
#include "provider/folder.h"
#include "provider/session.h"
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
		/* A round over as many as there are now; renewing may wait while others come and go. */
		int n = 0;
		for (const link_t *l = keeper.drops.next; l != &keeper.drops; l = l->next)
			n++;
		while (n-- > 0 && !list_empty(&keeper.drops)) {
			struct maildrop *d = LINK_OWNER(keeper.drops.next, struct maildrop, keeping);
			struct maildrop now = *d; /* it may be gone after the wait */
			list_remove(&d->keeping);
			list_append(&keeper.drops, &d->keeping);
			/* What is lost shows at QUIT, which asks again before it removes anything. */
			session_lock_renew(now.postoffice, now.mailbox, now.token,
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

static void take_entries(struct maildrop *d, const entry *rows, int n)
{
	d->items = n ? memory_new_array((size_t)n, sizeof *d->items) : NULL;
	d->n = d->kept = n;
	for (int i = 0; i < n; i++) {
		d->items[i] = (struct drop_item){rows[i].message, rows[i].blob, rows[i].size,
						 rows[i].uid, false};
		d->kept_size += rows[i].size;
	}
}

static status load(struct maildrop *d)
{
	arena a = ARENA_INIT;
	folder *inbox;
	entry *rows;
	int n;
	status kind = folder_find(d->postoffice, d->mailbox, S("INBOX"), &a, &inbox);
	if (kind == ST_OK)
		kind = folder_entries(d->postoffice, inbox->id, 0, 0, &a, &rows, &n);
	if (kind == ST_OK) {
		d->inbox = inbox->id;
		d->uidvalidity = inbox->uidvalidity;
		take_entries(d, rows, n);
	}
	arena_release(&a);
	return kind;
}

status maildrop_open(struct maildrop *d, const struct identity *who)
{
	d->postoffice = who->postoffice;
	d->mailbox = who->mailbox;
	TRY(session_lock(d->postoffice, d->mailbox, setting_number(S_pop3_lock_lease, NULL), &d->token));
	d->locked = true;
	status kind = load(d);
	if (kind == ST_OK)
		keep_lock(d);
	else
		maildrop_close(d);
	return kind;
}

void maildrop_close(struct maildrop *d)
{
	list_remove(&d->keeping);
	if (d->locked) {
		bool cancelled = task_cancelled();
		if (cancelled)
			task_shield(true);
		session_unlock(d->postoffice, d->mailbox, d->token);
		if (cancelled)
			task_shield(false);
	}
	d->locked = false;
	memory_free(d->items);
	d->items = NULL;
	d->n = d->kept = 0;
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
	if (d->kept == d->n)
		return ST_OK;
	TRY(session_lock_renew(d->postoffice, d->mailbox, d->token, setting_number(S_pop3_lock_lease, NULL)));
	uint32_t *uids = memory_new_array((size_t)(d->n - d->kept), sizeof *uids);
	int n = 0;
	for (int i = 0; i < d->n; i++)
		if (d->items[i].deleted)
			uids[n++] = d->items[i].uid;
	status kind = folder_expunge(d->postoffice, d->mailbox, d->inbox, uids, n, NULL);
	memory_free(uids);
	for (int i = 0; i < d->n && kind == ST_OK; i++)
		if (d->items[i].deleted)
			trace_note(d->postoffice, d->items[i].message, TRACE_REMOVED, "service=pop3");
	return kind;
}
