/* Waiting for a transaction, and leading one; see maildrop_door.h. All static functions run with
   the lock held but where they say so. */
#include "provider/maildrop_door.h"

#include <stdlib.h>

#define CROWD 16 /* waiting ones that open another lane beside a busy one */
/* Turns of the loop a leader lets pass: in the first those run whose last word has been read, in
   the second those whose word lies with the kernel. It costs less than one more transaction. */
#define TURNS 2
/* How long a leader waits for those who are expected, where a transaction waits for the disk at its
   end: hardly longer than that. */
#define COMPANY_MOST USEC_MS

static void push(struct maildrop_door *d, struct maildrop_guest *g)
{
	list_append(&d->waiting, &g->link);
	d->crowd++;
}

static void pull(struct maildrop_door *d, struct maildrop_guest *g, enum maildrop_guest_state state)
{
	list_remove(&g->link);
	d->crowd--;
	g->state = state;
}

static bool has_mailbox(struct maildrop_guest *const *all, int n, int64_t mailbox)
{
	for (int i = 0; i < n; i++)
		if (all[i]->mailbox == mailbox)
			return true;
	return false;
}

static int compare(const void *a, const void *b)
{
	const struct maildrop_guest *const *x = a, *const *y = b;
	return ((*x)->mailbox > (*y)->mailbox) - ((*x)->mailbox < (*y)->mailbox);
}

/* Those who may go with the leader, of them the first that came. */
static int gather(
	struct maildrop_door *d, struct maildrop_guest *leader, struct maildrop_guest **all)
{
	int n = 1, weight = leader->weight;
	all[0] = leader;
	for (link_t *at = d->waiting.next, *next; at != &d->waiting && n < MAILDROP_DOOR_MOST;
		at = next) {
		struct maildrop_guest *g = LINK_OWNER(at, struct maildrop_guest, link);
		next = at->next;
		if (g->postoffice != leader->postoffice || weight + g->weight > d->weight_most ||
			has_mailbox(all, n, g->mailbox))
			continue;
		pull(d, g, GUEST_TAKEN);
		weight += g->weight;
		all[n++] = g;
	}
	qsort(all, (size_t)n, sizeof *all, compare);
	return n;
}

/* Gives a lane to the first that waits, when one is to be had. */
static void lane_pass(struct maildrop_door *d)
{
	link_t *first = list_first(&d->waiting);
	if (!first || d->lanes >= (d->crowd < CROWD ? 1 : d->lanes_most))
		return;
	struct maildrop_guest *leader = LINK_OWNER(first, struct maildrop_guest, link);
	pull(d, leader, GUEST_LEADS);
	d->lanes++;
	notice_raise(leader->changed);
}

/* Whether all who may be expected are there. */
static bool is_complete(const struct maildrop_door *d)
{
	return d->crowd + 1 >= MAILDROP_DOOR_MOST || d->crowd + 1 >= d->expected();
}

/* Without the lock: until the company is complete, a moment at most. */
static void await_company(struct maildrop_door *d, struct maildrop_guest *own)
{
	usec before = task_deadline(clock_now() + COMPANY_MOST);
	pthread_mutex_lock(&d->lock);
	while (!d->host && !is_complete(d)) {
		d->host = own;
		pthread_mutex_unlock(&d->lock);
		status kind = notice_wait(own->changed);
		pthread_mutex_lock(&d->lock);
		d->host = NULL;
		if (kind != ST_OK)
			break;
	}
	pthread_mutex_unlock(&d->lock);
	task_deadline(before);
}

/* Without the lock. */
static void let_pass(void)
{
	for (int i = 0; i < TURNS; i++)
		task_sleep(0);
}

/* Without the lock. What one guest's rows refuse is none of the others' trouble: each is asked for
   alone then. */
static void serve(const struct maildrop_door *d, struct maildrop_guest *const *all, int n)
{
	int failed = -1;
	status kind = d->run(all, n, &failed);
	if (kind == ST_OK)
		return;
	for (int i = 0; i < n; i++) {
		all[i]->outcome = kind;
		if (kind != ST_UNSURE && failed >= 0 && n > 1)
			serve(d, &all[i], 1);
	}
}

/* Without the lock. */
static void lead(struct maildrop_door *d, struct maildrop_guest *own)
{
	struct maildrop_guest *all[MAILDROP_DOOR_MOST];
	if (d->expected)
		await_company(d, own);
	else
		let_pass();
	pthread_mutex_lock(&d->lock);
	int n = gather(d, own, all);
	pthread_mutex_unlock(&d->lock);
	serve(d, all, n);
	pthread_mutex_lock(&d->lock);
	for (int i = 0; i < n; i++) {
		all[i]->state = GUEST_DONE;
		if (all[i] != own)
			notice_raise(all[i]->changed);
	}
	d->lanes--;
	lane_pass(d);
	pthread_mutex_unlock(&d->lock);
}

/* Without the lock. */
static enum maildrop_guest_state state_of(struct maildrop_door *d, const struct maildrop_guest *g)
{
	pthread_mutex_lock(&d->lock);
	enum maildrop_guest_state state = g->state;
	pthread_mutex_unlock(&d->lock);
	return state;
}

/* Without the lock: takes back what no transaction took yet. */
static bool withdraw(struct maildrop_door *d, struct maildrop_guest *g)
{
	pthread_mutex_lock(&d->lock);
	bool waits = g->state == GUEST_WAITS;
	if (waits)
		pull(d, g, GUEST_DONE);
	pthread_mutex_unlock(&d->lock);
	return waits;
}

/* Without the lock. */
static status wait_for(struct maildrop_door *d, struct maildrop_guest *own)
{
	while (state_of(d, own) == GUEST_WAITS) {
		status kind = notice_wait(own->changed);
		if (kind != ST_OK && withdraw(d, own))
			return kind;
	}
	/* From here on others hold it: it ends with them. */
	usec before = task_deadline(USEC_NEVER);
	task_shield(true);
	if (state_of(d, own) == GUEST_LEADS)
		lead(d, own);
	while (state_of(d, own) != GUEST_DONE)
		notice_wait(own->changed);
	task_shield(false);
	task_deadline(before);
	return own->outcome;
}

status maildrop_door_enter(struct maildrop_door *d, struct maildrop_guest *own)
{
	own->state = GUEST_WAITS;
	own->changed = notice_open();
	list_init(&own->link);
	pthread_mutex_lock(&d->lock);
	push(d, own);
	if (d->host && is_complete(d))
		notice_raise(d->host->changed);
	lane_pass(d);
	pthread_mutex_unlock(&d->lock);
	status kind = wait_for(d, own);
	notice_close(&own->changed);
	return kind;
}
