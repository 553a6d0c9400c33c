/* The statements of a delivery's transaction. Post office by post office in rising order: bodies,
   messages, rows of the queue for recipients elsewhere, the mailboxes locked in rising order, then
   one statement that counts (mailbox, folder), gives the UIDs and writes the entries and the change
   log. It asserts that every entry was made; one missing (mailbox gone, disabled or full) stops the
   whole transaction. A small message to one mailbox that goes alone, the batch of quiet hours, does
   all of this in one statement. */
#include "provider/deliver_inside.h"

#include "mail/header.h"
#include "provider/message_row.h"
#include "provider/queue_row.h"
#include "provider/repeat.h"
#include "provider/setting.h"

#include <stdlib.h>

struct share { /* one part of one delivery, or of one that it causes */
	const struct delivery *of;
	const struct delivery_part *part;
	struct blob_packed body;
};

struct recipient {
	int round; /* of the statements deliver_entries the one it goes with */
	const struct route *route;
	const struct share *share;
};

static struct message_row row_of(const struct share *s, arena *a)
{
	const struct delivery *d = s->of;

	return (struct message_row){.id = d->id,
		.body = s->body,
		.header_size = s->part->header_size,
		.header = {.sent = d->sent,
			.subject = header_shown(d->subject, HEADER_SHOWN_MOST, a),
			.from = header_shown(d->from, HEADER_SHOWN_MOST, a),
			.message_id = header_shown(d->message_id, HEADER_ID_MOST, a)}};
}

static void messages_add(db_tx *tx, arena *a, int64_t postoffice, const struct share *shares, int n)
{
	struct message_row *rows = arena_new_array(a, (size_t)n, sizeof *rows);

	for (int i = 0; i < n; i++)
		rows[i] = row_of(&shares[i], a);
	message_rows_add(tx, a, postoffice, rows, n);
}

static int recipient_order(const void *a, const void *b)
{
	const struct recipient *x = a, *y = b;

	if (x->route->mailbox != y->route->mailbox)
		return x->route->mailbox < y->route->mailbox ? -1 : 1;
	if (x->route->inbox != y->route->inbox)
		return x->route->inbox < y->route->inbox ? -1 : 1;
	if (x->share->of->id != y->share->of->id)
		return x->share->of->id < y->share->of->id ? -1 : 1;
	return 0;
}

static struct recipient *recipients_of(arena *a, const struct share *shares, int n, int *count)
{
	struct recipient *all;
	int at = 0, total = 0;

	for (int i = 0; i < n; i++)
		total += shares[i].part->n;
	all = arena_new_array(a, (size_t)total, sizeof *all);
	for (int i = 0; i < n; i++)
		for (int j = 0; j < shares[i].part->n; j++)
			all[at++] = (struct recipient){
				.route = &shares[i].part->recipients[j], .share = &shares[i]};
	qsort(all, (size_t)total, sizeof *all, recipient_order);
	*count = total;
	return all;
}

/* One statement counts a mailbox once, so of its folders each goes with a round of its own; nearly
   always there is one. Gives how many; *boxes mailboxes are in all of them. */
static int rounds_of(struct recipient *all, int count, int64_t *mailbox, int *boxes)
{
	int rounds = 0;

	*boxes = 0;
	for (int i = 0; i < count; i++) {
		const struct route *to = all[i].route, *before = i > 0 ? all[i - 1].route : NULL;

		if (!before || to->mailbox != before->mailbox)
			mailbox[(*boxes)++] = to->mailbox;
		else
			all[i].round = all[i - 1].round + (to->inbox != before->inbox);
		rounds = all[i].round + 1 > rounds ? all[i].round + 1 : rounds;
	}
	return rounds;
}

int64_t deliver_over(const struct route *to)
{
	return to->postmaster ? setting_number(S_mailbox_postmaster_room, NULL) : 0;
}

/* Per mailbox: how many messages, how many bytes, how far over its quota. Per entry: which of those
   mailboxes, its rank among this round's entries there, which message. The ledger counts `accepted`
   messages with them. */
static void round_add(db_tx *tx, arena *a, int64_t postoffice, const struct recipient *all,
	int count, int round, int accepted)
{
	size_t n = (size_t)count;
	int64_t *numbers = arena_new_array(a, n * 9, sizeof *numbers);
	int64_t *mailbox = numbers, *inbox = mailbox + n, *messages = inbox + n,
		*bytes = messages + n, *over = bytes + n, *place = over + n, *rank = place + n,
		*message = rank + n, *size = message + n;
	int boxes = 0, entries = 0;

	for (int i = 0; i < count; i++) {
		const struct route *to = all[i].route;

		if (all[i].round != round)
			continue;
		if (boxes == 0 || mailbox[boxes - 1] != to->mailbox) {
			mailbox[boxes] = to->mailbox;
			inbox[boxes++] = to->inbox;
		}
		int box = boxes - 1;

		place[entries] = boxes;
		rank[entries] = messages[box]++;
		message[entries] = all[i].share->of->id;
		size[entries] = (int64_t)all[i].share->body.size;
		bytes[box] += size[entries++];
		if (to->postmaster)
			over[box] = deliver_over(to);
	}
	db_add(tx, SQL_DELIVER_ENTRIES,
		(struct param[]){p_int(postoffice), p_int_array(mailbox, boxes),
			p_int_array(inbox, boxes), p_int_array(messages, boxes),
			p_int_array(bytes, boxes), p_int_array(over, boxes),
			p_int_array(place, entries), p_int_array(rank, entries),
			p_int_array(message, entries), p_int_array(size, entries), p_int(entries),
			p_int(accepted)},
		12, NULL);
}

static void entries_add(db_tx *tx, arena *a, int64_t postoffice, const struct share *shares, int n)
{
	int count, boxes;
	struct recipient *all = recipients_of(a, shares, n, &count);
	int64_t *mailbox = arena_new_array(a, (size_t)count, sizeof *mailbox);
	int rounds = rounds_of(all, count, mailbox, &boxes);

	if (boxes > 1) /* one alone is locked by its update */
		db_add(tx, SQL_DELIVER_LOCK,
			(struct param[]){p_int(postoffice), p_int_array(mailbox, boxes)}, 2, NULL);
	for (int round = 0; round < rounds; round++)
		round_add(tx, a, postoffice, all, count, round, round == 0 ? n : 0);
}

void deliver_entries_add(
	db_tx *tx, arena *a, int64_t message, int64_t size, const struct delivery_part *to)
{
	const struct delivery of = {.id = message};
	const struct share share = {.of = &of, .part = to, .body = {.size = (uint64_t)size}};
	int count;
	struct recipient *all = recipients_of(a, &share, 1, &count);

	round_add(tx, a, to->postoffice, all, count, 0, 0);
}

void deliver_message_add(db_tx *tx, arena *a, const struct delivery *d)
{
	struct share share = {.of = d, .part = d->parts};

	blob_packed(share.part->body, &share.body);
	messages_add(tx, a, share.part->postoffice, &share, 1);
}

/* Recipients at other systems. Where none of the messages has one here, the ledger counts them with
   these. */
static void queue_rows_add(
	db_tx *tx, arena *a, int64_t postoffice, const struct share *shares, int n)
{
	struct queue_addition *all = arena_new_array(a, (size_t)n, sizeof *all);
	int count = 0;
	bool entries = false;

	for (int i = 0; i < n; i++) {
		const struct share *s = &shares[i];

		entries |= s->part->n > 0;
		if (s->part->m > 0)
			all[count++] = (struct queue_addition){
				s->of->id, s->of->envelope, s->part->remote, s->part->m};
	}
	if (count > 0) {
		queue_add(tx, a, postoffice, all, count, entries ? 0 : n);
		queue_count(tx, a, postoffice, all, count);
	}
}

static int share_order(const void *a, const void *b)
{
	const struct share *x = a, *y = b;

	if (x->part->postoffice != y->part->postoffice)
		return x->part->postoffice < y->part->postoffice ? -1 : 1;
	return x->of->id < y->of->id ? -1 : x->of->id > y->of->id;
}

const struct delivery *deliver_next(const struct delivery *d)
{
	do
		d = d->also;
	while (d && d->left_out);
	return d;
}

static struct share *shares_of(arena *a, const struct delivery_keyed *jobs, int n, int *count)
{
	struct share *all;
	int at = 0, total = 0;

	for (int i = 0; i < n; i++)
		for (const struct delivery *d = jobs[i].d; d; d = deliver_next(d))
			total += d->n;
	all = arena_new_array(a, (size_t)total, sizeof *all);
	for (int i = 0; i < n; i++)
		for (const struct delivery *d = jobs[i].d; d; d = deliver_next(d))
			for (int j = 0; j < d->n; j++, at++) {
				all[at].of = d;
				all[at].part = &d->parts[j];
				blob_packed(all[at].part->body, &all[at].body);
			}
	qsort(all, (size_t)total, sizeof *all, share_order);
	*count = total;
	return all;
}

static void keys_add(db_tx *tx, arena *a, const struct delivery_keyed *jobs, int n)
{
	slice *key = arena_new_array(a, (size_t)n, sizeof *key);
	int64_t *message = arena_new_array(a, (size_t)n, sizeof *message);
	int64_t *owner = arena_new_array(a, (size_t)n, sizeof *owner);
	int count = 0;

	for (int i = 0; i < n; i++) {
		if (!jobs[i].keyed || jobs[i].fence)
			continue;
		key[count] = jobs[i].d->repeat_key;
		message[count] = jobs[i].d->id;
		owner[count++] = repeat_owner(jobs[i].d->id);
	}
	if (count > 0)
		db_add(tx, SQL_REPEAT_ADD,
			(struct param[]){p_bytes_array(key, count), p_int_array(message, count),
				p_int_array(owner, count)},
			3, NULL);
}

static void keys_take(db_tx *tx, const struct delivery_keyed *jobs, int n)
{
	for (int i = 0; i < n; i++) {
		const struct delivery *d = jobs[i].d;

		if (!jobs[i].keyed || !jobs[i].fence)
			continue;
		db_add(tx, SQL_REPEAT_YIELD,
			(struct param[]){p_bytes(d->repeat_key), p_time(jobs[i].fence)}, 2, NULL);
		db_add(tx, SQL_REPEAT_TAKE,
			(struct param[]){
				p_bytes(d->repeat_key), p_int(d->id), p_int(repeat_owner(d->id))},
			3, NULL);
	}
}

/* The rights of answers that go along; one statement for those of each post office. */
static int right_order(const void *a, const void *b)
{
	const struct answer_right *x = *(const struct answer_right *const *)a,
				  *y = *(const struct answer_right *const *)b;

	return x->postoffice < y->postoffice ? -1 : x->postoffice > y->postoffice;
}

static void rights_add(db_tx *tx, arena *a, const struct delivery_keyed *jobs, int n)
{
	int count = 0;

	for (int i = 0; i < n; i++)
		for (const struct delivery *d = jobs[i].d; d; d = deliver_next(d))
			count += d->right != NULL;
	if (count == 0)
		return;
	const struct answer_right **all = arena_new_array(a, (size_t)count, sizeof *all);
	int64_t *mailbox = arena_new_array(a, (size_t)count * 3, sizeof *mailbox),
		*kind = mailbox + count, *period = kind + count;
	slice *sender = arena_new_array(a, (size_t)count, sizeof *sender);
	count = 0;
	for (int i = 0; i < n; i++)
		for (const struct delivery *d = jobs[i].d; d; d = deliver_next(d))
			if (d->right)
				all[count++] = d->right;
	qsort(all, (size_t)count, sizeof *all, right_order);
	for (int from = 0, to; from < count; from = to) {
		for (to = from; to < count && all[to]->postoffice == all[from]->postoffice; to++) {
			mailbox[to] = all[to]->mailbox;
			kind[to] = all[to]->kind;
			sender[to] = all[to]->sender;
			period[to] = all[to]->period;
		}
		db_add(tx, SQL_ANSWER_TAKE,
			(struct param[]){p_int(all[from]->postoffice),
				p_int_array(mailbox + from, to - from),
				p_int_array(kind + from, to - from),
				p_text_array(sender + from, to - from),
				p_int_array(period + from, to - from)},
			5, NULL);
	}
}

/* How the mail ended that these deliveries report of. */
static void ends_add(
	db_tx *tx, arena *a, const struct delivery_keyed *jobs, int n, struct queue_pauses *pauses)
{
	const struct queue_result **all;
	int count = 0;

	for (int i = 0; i < n; i++)
		count += jobs[i].d->end_count;
	all = arena_new_array(a, (size_t)count, sizeof *all);
	count = 0;
	for (int i = 0; i < n; i++)
		for (int k = 0; k < jobs[i].d->end_count; k++)
			all[count++] = &jobs[i].d->ends[k];
	queue_ends(tx, a, all, count, pauses);
}

void deliver_rows_add(
	db_tx *tx, arena *a, const struct delivery_keyed *jobs, int n, struct queue_pauses *pauses)
{
	int count;
	struct share *shares = shares_of(a, jobs, n, &count);

	keys_add(tx, a, jobs, n);
	keys_take(tx, jobs, n);
	for (int i = 0; i < n; i++)
		if (jobs[i].d->end_count > 0)
			queue_end(tx, a, jobs[i].d->ends, jobs[i].d->end_count);
	rights_add(tx, a, jobs, n);
	for (int from = 0, to; from < count; from = to) {
		int64_t postoffice = shares[from].part->postoffice;

		for (to = from + 1; to < count && shares[to].part->postoffice == postoffice; to++)
			;
		messages_add(tx, a, postoffice, shares + from, to - from);
		queue_rows_add(tx, a, postoffice, shares + from, to - from);
		entries_add(tx, a, postoffice, shares + from, to - from);
	}
	ends_add(tx, a, jobs, n, pauses);
}

/* ---- the transaction of one small message to one mailbox, which is one statement */

bool deliver_goes_alone(const struct delivery *d)
{
	struct blob_packed b;

	if (d->also || d->right || d->end_count > 0 || d->n != 1 || d->parts->n != 1 ||
		d->parts->m > 0)
		return false;
	blob_packed(d->parts->body, &b);
	return b.segments == 1;
}

void deliver_alone_add(db_tx *tx, arena *a, const struct delivery_keyed *job)
{
	const struct delivery *d = job->d;
	const struct route *to = d->parts->recipients;
	struct share share = {.of = d, .part = d->parts};

	blob_packed(share.part->body, &share.body);
	struct message_row m = row_of(&share, a);
	db_add(tx, SQL_DELIVER_ALONE,
		(struct param[]){p_int(d->parts->postoffice), p_int(m.body.id),
			p_int((int64_t)m.body.size), p_bytes(m.body.data[0]), p_int(m.id),
			p_int(m.header_size), p_time(m.header.sent ? m.header.sent : USEC_NEVER),
			p_text(m.header.subject), p_text(m.header.from),
			p_text(m.header.message_id), p_int(to->mailbox), p_int(to->inbox),
			p_int(deliver_over(to)), p_bytes(job->keyed ? d->repeat_key : S("")),
			p_int(repeat_owner(d->id))},
		15, NULL);
}
