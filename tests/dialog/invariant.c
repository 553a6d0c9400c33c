/* What is true of every house when all clients have left, whatever failed meanwhile: what a 250
   promised is stored, nothing is stored twice or in part, UIDs rise, quota equals the sum, no lock
   and no repeat key is left over. */
#include "play.h"

#include "base/memory.h"
#include "provider/memory/memory.h"
#include "provider/message.h"

#include <inttypes.h>

/* ---- copies */

/* Behind what the house puts in front: those fields hold ids and moments. */
static slice content_of(slice body)
{
	static const char *const added[] = {"Return-Path:", "Received:", "Message-ID:", "Date:",
		"Authentication-Results:", "DKIM-Signature:"};

	for (bool one = true; one;) {
		one = false;
		for (size_t i = 0; i < sizeof added / sizeof *added && !one; i++)
			one = slice_starts_nocase(body, slice_z(added[i]));
		if (one)
			do {
				body = slice_from(body, slice_find(body, '\n') + 1);
			} while (body.size && (*body.at == ' ' || *body.at == '\t'));
	}
	return body;
}

void copies_keep(struct copies *c, int64_t mailbox, slice body)
{
	if (c->n == c->room) {
		c->room = c->room ? 2 * c->room : 16;
		c->rows = memory_grow(c->rows, (size_t)c->room * sizeof *c->rows);
	}
	c->rows[c->n++] = (struct copy){mailbox, arena_copy(&c->a, content_of(body))};
}

void copies_free(struct copies *c)
{
	arena_release(&c->a);
	memory_free(c->rows);
	*c = (struct copies){0};
}

static int count_copies(const struct copies *c, const struct copy *like)
{
	int n = 0;

	for (int i = 0; i < c->n; i++)
		n += c->rows[i].mailbox == like->mailbox &&
		     slice_same(c->rows[i].content, like->content);
	return n;
}

/* ---- one mailbox */

static void check_mailbox(struct play *p, int place, int64_t postoffice, int64_t mailbox)
{
	struct memory_entry *rows;
	int n;

	memory_entries(postoffice, mailbox, &p->a, &rows, &n);
	for (int i = 0; i < n; i++) {
		copies_keep(&p->copies, place, rows[i].body);
		if (i > 0 && rows[i].e.uid <= rows[i - 1].e.uid)
			play_fails(p, "UID %u follows %u", rows[i].e.uid, rows[i - 1].e.uid);
		for (int k = 0; k < i; k++)
			if (rows[k].e.message == rows[i].e.message && !p->copying)
				play_fails(p, "one message stands twice in a mailbox");
	}
	if (memory_used(postoffice, mailbox) != memory_sum(postoffice, mailbox))
		play_fails(p, "the quota counts %" PRId64 " octets, stored are %" PRId64,
			memory_used(postoffice, mailbox), memory_sum(postoffice, mailbox));
	if (memory_locked(postoffice, mailbox))
		play_fails(p, "a maildrop is still locked");
}

/* ---- all of them */

static void check_promises(struct play *p)
{
	message *m;

	for (int i = 0; i < p->acknowledged_count; i++)
		if (message_anywhere(p->acknowledged[i], &p->a, &m) != ST_OK)
			play_fails(p, "a 250 named a message that is not stored");
}

/* Who waits in the queue waits once, and his message is stored. */
static void check_queue(struct play *p)
{
	queue_entry *rows;
	message *m;
	int n;

	memory_queue(&p->a, &rows, &n);
	for (int i = 0; i < n; i++) {
		if (message_by_id(rows[i].postoffice, rows[i].message, &p->a, &m) != ST_OK &&
			rows[i].postoffice != 0)
			play_fails(p, "a queued message is not stored");
		for (int k = 0; k < i; k++)
			if (rows[k].message == rows[i].message &&
				slice_same(rows[k].address, rows[i].address))
				play_fails(p, "a recipient is queued twice");
	}
}

static void check_against_plain(struct play *p)
{
	for (int i = 0; i < p->copies.n; i++) {
		const struct copy *one = &p->copies.rows[i];
		int before = count_copies(&p->plain->copies, one),
		    now = count_copies(&p->copies, one);
		if (before == 0 && count_copies(&p->plain->given, one) == 0 && !p->others)
			play_fails(p, "stored under the fault, not without it:\n%.*s",
				SLICE_ARGS(slice_until(one->content, 500)));
		if (now > (before ? before : 1))
			play_fails(p, "%d copies under the fault, %d without it:\n%.*s", now,
				before, SLICE_ARGS(slice_until(one->content, 500)));
	}
}

void invariants_check(struct play *p)
{
	memory_busy(false);
	memory_full(false);
	memory_unsure(false);
	memory_faults(false);
	house_each(check_mailbox, p);
	check_promises(p);
	check_queue(p);
	if (p->plain)
		check_against_plain(p);
	if (!p->unsure && !p->forgiving && memory_repeat_keys() > 0)
		play_fails(p, "%d repeat keys are left though every client heard its goodbye",
			memory_repeat_keys());
}
