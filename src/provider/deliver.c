/* Delivery in batches.

       conversations            batch of a lane                        PostgreSQL
   deliver_run --+--> waiting --> begin .. entries .. commit  ------>  one transaction
   deliver_run --+       |        (in the fiber or thread of           one round trip
   deliver_run --+       |         the first that waits)
                         +-- whoever comes meanwhile waits for the next batch

   Nobody waits for company: a batch starts at once when no other is under way, so at low load a
   message goes alone, and during a commit the next batch gathers by itself. When many wait, a
   second lane starts beside the first: a slow disk, a big body or a mailbox somebody else holds
   locked then stops only half of the mail. Two lanes from the start would halve the batches and
   cost a fifth more of PostgreSQL's time.

   In a batch, post office by post office in rising order: bodies, messages, rows of the queue for
   recipients elsewhere, the mailboxes locked in rising order, then one statement that counts (mailbox, folder), gives the UIDs and writes the
   entries and the change log. Answers that a message causes are messages of the same transaction. It asserts that every entry was made; one missing (mailbox gone,
   disabled or full) stops the whole transaction. A batch that failed is halved until the bad one
   stands alone. A small message to one mailbox that waits for nobody, the batch of quiet hours, does all of this in
   one statement.

   When the answer to COMMIT is lost, the same transaction is run again with the same ids (R5): the
   key of `message` lets only one of the two commit, in whatever order the server meets them. So
   either the second run commits, or it is told that the message stands already. Nothing has to be
   asked of a backend that may still be at work. While the database cannot be asked at all, nobody waits for
   longer than db_silence_most (R4): the client is told to come again, and its key is left behind. */
#include "provider/deliver_inside.h"

#include "base/fault.h"
#include "base/id.h"
#include "base/list.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/metric.h"
#include "mail/header.h"
#include "provider/blob_store.h"
#include "provider/db.h"
#include "provider/folder_page_inside.h"
#include "provider/header_facts.h"
#include "provider/news.h"
#include "provider/queue_row.h"
#include "provider/repeat.h"
#include "provider/setting.h"
#include "task/task.h"

#include <pthread.h>
#include <stdlib.h>

#define LANES 2  /* transactions under way at once in one process */
#define CROWD 16 /* waiting jobs that open another lane beside a busy one */
#define BATCH_BYTES ((size_t)4 * 1024 * 1024) /* packed bodies in one batch */
#define UNSURE_PAUSE (200 * USEC_MS)

enum job_state { JOB_WAITS, JOB_LEADS, JOB_TAKEN, JOB_DONE };

struct job {
	struct delivery *d;
	bool keyed; /* its repeat key goes along */
	size_t bytes;
	enum job_state state;
	status outcome;
	notice *changed;
	link_t link;
};

static struct {
	pthread_mutex_t lock; /* never held across a wait */
	link_t waiting;
	int crowd; /* how many wait */
	int lanes; /* busy ones */
} batcher = {PTHREAD_MUTEX_INITIALIZER, {&batcher.waiting, &batcher.waiting}, 0, 0};

/* ---- the transaction of a batch */

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

static void segments_add(db_tx *tx, const struct share *shares, int n)
{
	for (int i = 0; i < n; i++)
		for (int s = 1; s < shares[i].body.held; s++)
			db_add(tx, SQL_BLOB_SEGMENT_STORE,
				(struct param[]){p_int(shares[i].part->postoffice),
					p_int(shares[i].body.id), p_int(s),
					p_bytes(shares[i].body.data[s])},
				4, NULL);
}

static void messages_add(db_tx *tx, arena *a, int64_t postoffice, const struct share *shares, int n)
{
	int64_t *numbers = arena_new_array(a, (size_t)n * 6, sizeof *numbers);
	int64_t *blob = numbers, *size = blob + n, *segments = size + n, *id = segments + n,
		*header = id + n, *sent = header + n;
	slice *bytes = arena_new_array(a, (size_t)n * 4, sizeof *bytes);
	slice *data = bytes, *subject = data + n, *from = subject + n, *message_id = from + n;

	for (int i = 0; i < n; i++) {
		const struct blob_packed *b = &shares[i].body;
		const struct delivery *d = shares[i].of;

		blob[i] = b->id;
		size[i] = (int64_t)b->size;
		segments[i] = b->segments;
		data[i] = b->data[0];
		id[i] = d->id;
		header[i] = shares[i].part->header_size;
		sent[i] = d->sent ? d->sent : USEC_NEVER; /* an array has no room for NULL times */
		subject[i] = header_shown(d->subject, HEADER_SHOWN_MOST, a);
		from[i] = header_shown(d->from, HEADER_SHOWN_MOST, a);
		message_id[i] = header_shown(d->message_id, HEADER_ID_MOST, a);
	}
	db_add(tx, SQL_DELIVER_MESSAGES,
		(struct param[]){p_int(postoffice), p_int_array(blob, n), p_int_array(size, n),
			p_int_array(segments, n), p_bytes_array(data, n),
			p_int_array(id, n), p_int_array(header, n), p_time_array(sent, n),
			p_text_array(subject, n), p_text_array(from, n),
			p_text_array(message_id, n)},
		11, NULL);
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

/* One statement counts a mailbox once, so of its folders each goes with a round of its own; nearly always
   there is one. Gives how many; *boxes mailboxes are in all of them. */
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

/* How far over its quota a delivery may bring the mailbox. */
static int64_t over_of(const struct route *to)
{
	return to->postmaster ? setting_number(S_mailbox_postmaster_room, NULL) : 0;
}

/* Per mailbox: how many messages, how many bytes, how far over its quota. Per entry: which of those
   mailboxes, its rank among this round's entries there, which message. */
static void round_add(
	db_tx *tx, arena *a, int64_t postoffice, const struct recipient *all, int count, int round)
{
	size_t n = (size_t)count;
	int64_t *numbers = arena_new_array(a, n * 9, sizeof *numbers);
	int64_t *mailbox = numbers, *inbox = mailbox + n, *messages = inbox + n, *bytes = messages + n,
		*over = bytes + n, *place = over + n, *rank = place + n, *message = rank + n,
		*size = message + n;
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
			over[box] = over_of(to);
	}
	db_add(tx, SQL_DELIVER_ENTRIES,
		(struct param[]){p_int(postoffice), p_int_array(mailbox, boxes),
			p_int_array(inbox, boxes), p_int_array(messages, boxes),
			p_int_array(bytes, boxes), p_int_array(over, boxes),
			p_int_array(place, entries), p_int_array(rank, entries),
			p_int_array(message, entries), p_int_array(size, entries), p_int(entries)},
		11, NULL);
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
		round_add(tx, a, postoffice, all, count, round);
}

void deliver_entries_add(db_tx *tx, arena *a, int64_t message, int64_t size, const struct delivery_part *to)
{
	const struct delivery of = {.id = message};
	const struct share share = {.of = &of, .part = to, .body = {.size = (uint64_t)size}};
	int count;
	struct recipient *all = recipients_of(a, &share, 1, &count);

	round_add(tx, a, to->postoffice, all, count, 0);
}

void deliver_message_add(db_tx *tx, arena *a, const struct delivery *d)
{
	struct share share = {.of = d, .part = d->parts};

	blob_packed(share.part->body, &share.body);
	segments_add(tx, &share, 1);
	messages_add(tx, a, share.part->postoffice, &share, 1);
}

/* Recipients at other systems. */
static void queue_rows_add(db_tx *tx, arena *a, int64_t postoffice, const struct share *shares, int n)
{
	struct queue_addition *all = arena_new_array(a, (size_t)n, sizeof *all);
	int count = 0;

	for (int i = 0; i < n; i++) {
		const struct share *s = &shares[i];

		if (s->part->m > 0)
			all[count++] = (struct queue_addition){
				s->of->id, s->of->envelope, s->part->remote, s->part->m};
	}
	if (count > 0) {
		queue_add(tx, a, postoffice, all, count);
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

/* The next message it causes that is not left out. */
static const struct delivery *stored_next(const struct delivery *d)
{
	do
		d = d->also;
	while (d && d->left_out);
	return d;
}

static struct share *shares_of(arena *a, struct job **jobs, int n, int *count)
{
	struct share *all;
	int at = 0, total = 0;

	for (int i = 0; i < n; i++)
		for (const struct delivery *d = jobs[i]->d; d; d = stored_next(d))
			total += d->n;
	all = arena_new_array(a, (size_t)total, sizeof *all);
	for (int i = 0; i < n; i++)
		for (const struct delivery *d = jobs[i]->d; d; d = stored_next(d))
			for (int j = 0; j < d->n; j++, at++) {
				all[at].of = d;
				all[at].part = &d->parts[j];
				blob_packed(all[at].part->body, &all[at].body);
			}
	qsort(all, (size_t)total, sizeof *all, share_order);
	*count = total;
	return all;
}

static void keys_add(db_tx *tx, arena *a, struct job **jobs, int n)
{
	slice *key = arena_new_array(a, (size_t)n, sizeof *key);
	int64_t *message = arena_new_array(a, (size_t)n, sizeof *message);
	int64_t *owner = arena_new_array(a, (size_t)n, sizeof *owner);
	int count = 0;

	for (int i = 0; i < n; i++) {
		if (!jobs[i]->keyed)
			continue;
		key[count] = jobs[i]->d->repeat_key;
		message[count] = jobs[i]->d->id;
		owner[count++] = repeat_owner(jobs[i]->d->id);
	}
	if (count > 0)
		db_add(tx, SQL_REPEAT_ADD,
			(struct param[]){p_bytes_array(key, count), p_int_array(message, count),
				p_int_array(owner, count)},
			3, NULL);
}

/* The rights of answers that go along; one statement for those of each post office. */
static int right_order(const void *a, const void *b)
{
	const struct answer_right *x = *(const struct answer_right *const *)a,
				  *y = *(const struct answer_right *const *)b;

	return x->postoffice < y->postoffice ? -1 : x->postoffice > y->postoffice;
}

static void rights_add(db_tx *tx, arena *a, struct job **jobs, int n)
{
	int count = 0;

	for (int i = 0; i < n; i++)
		for (const struct delivery *d = jobs[i]->d; d; d = stored_next(d))
			count += d->right != NULL;
	if (count == 0)
		return;
	const struct answer_right **all = arena_new_array(a, (size_t)count, sizeof *all);
	int64_t *mailbox = arena_new_array(a, (size_t)count * 3, sizeof *mailbox), *kind = mailbox + count,
		*period = kind + count;
	slice *sender = arena_new_array(a, (size_t)count, sizeof *sender);
	count = 0;
	for (int i = 0; i < n; i++)
		for (const struct delivery *d = jobs[i]->d; d; d = stored_next(d))
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
			(struct param[]){p_int(all[from]->postoffice), p_int_array(mailbox + from, to - from),
				p_int_array(kind + from, to - from), p_text_array(sender + from, to - from),
				p_int_array(period + from, to - from)},
			5, NULL);
	}
}

static void batch_add(db_tx *tx, arena *a, struct job **jobs, int n)
{
	int count;
	struct share *shares = shares_of(a, jobs, n, &count);

	keys_add(tx, a, jobs, n);
	for (int i = 0; i < n; i++)
		if (jobs[i]->d->end_count > 0)
			queue_end(tx, a, jobs[i]->d->ends, jobs[i]->d->end_count);
	rights_add(tx, a, jobs, n);
	for (int from = 0, to; from < count; from = to) {
		int64_t postoffice = shares[from].part->postoffice;

		for (to = from + 1; to < count && shares[to].part->postoffice == postoffice; to++)
			;
		segments_add(tx, shares + from, to - from);
		messages_add(tx, a, postoffice, shares + from, to - from);
		queue_rows_add(tx, a, postoffice, shares + from, to - from);
		entries_add(tx, a, postoffice, shares + from, to - from);
	}
}

/* ---- the transaction of one small message to one mailbox, which is one statement */

static bool goes_alone(const struct job *job)
{
	const struct delivery *d = job->d;
	struct blob_packed b;

	if (d->also || d->right || d->end_count > 0 || d->n != 1 || d->parts->n != 1 || d->parts->m > 0)
		return false;
	blob_packed(d->parts->body, &b);
	return b.segments == 1;
}

static void alone_add(db_tx *tx, arena *a, const struct job *job)
{
	const struct delivery *d = job->d;
	const struct route *to = d->parts->recipients;
	struct blob_packed b;

	blob_packed(d->parts->body, &b);
	db_add(tx, SQL_DELIVER_ALONE,
		(struct param[]){p_int(d->parts->postoffice), p_int(b.id), p_int((int64_t)b.size), p_bytes(b.data[0]),
			p_int(d->id), p_int(d->parts->header_size), p_time(d->sent ? d->sent : USEC_NEVER),
			p_text(header_shown(d->subject, HEADER_SHOWN_MOST, a)),
			p_text(header_shown(d->from, HEADER_SHOWN_MOST, a)),
			p_text(header_shown(d->message_id, HEADER_ID_MOST, a)), p_int(to->mailbox), p_int(to->inbox),
			p_int(over_of(to)), p_bytes(job->keyed ? d->repeat_key : S("")), p_int(repeat_owner(d->id))},
		15, NULL);
}

/* One try. *failed as db_commit has it: -1 when the trouble is no statement's. */
static status transaction_run(struct job **jobs, int n, bool alone, int *failed)
{
	arena a = ARENA_INIT;
	db_tx *tx = db_begin(DB_RUN, &a);
	status s;

	if (alone)
		alone_add(tx, &a, jobs[0]);
	else
		batch_add(tx, &a, jobs, n);
	*failed = -1;
	if (FAULT("deliver_flush")) {
		db_rollback(&tx);
		s = ST_UNSURE;
	} else {
		s = db_commit(&tx, failed);
		if (s == ST_OK && FAULT("deliver_committed"))
			s = ST_UNSURE;
	}
	usec now = clock_now();
	for (int i = 0; i < n && s == ST_OK; i++)
		jobs[i]->d->committed = now;
	arena_release(&a);
	return s;
}

static status transaction_try(struct job **jobs, int n, bool alone, usec until, int *failed)
{
	usec before = task_deadline(until);
	status s = transaction_run(jobs, n, alone, failed);

	task_deadline(before);
	/* The time was this batch's, not that of the tasks that wait for it. */
	return s == ST_TIMED_OUT || s == ST_CANCELLED ? ST_BUSY : s;
}

/* Runs it until its outcome is known, or the database has not been heard of for too long. The lane is free meanwhile: a lost connection of one batch
   must not hold up the others. A run that is refused for now settles nothing, even by one statement:
   it may have waited in vain for the lost one, which is still under way. */
static status transaction_settle(struct job **jobs, int n, usec began, usec until, int *failed)
{
	usec silence = setting_number(S_db_silence_most, NULL);
	status s;

	log_event(EV_DELIVER_UNSURE, "messages=%d", n);
	for (;;) {
		s = transaction_try(jobs, n, false, until, failed);
		if (s != ST_UNSURE && s != ST_BUSY)
			break;
		if (clock_now() >= until || db_lost(began, silence) || task_sleep(UNSURE_PAUSE) != ST_OK)
			return ST_UNSURE;
	}
	log_event(EV_DELIVER_SETTLED, "messages=%d outcome=%s", n, status_name(s));
	return s;
}

/* ---- a batch and its outcome */

void deliver_counted(const struct delivery_part *to, int64_t size)
{
	metric_add(M_deliveries, SERVICE_NONE, to->n);
	if (to->n == 0)
		return;
	metric_postoffice(to->postoffice, MPO_DELIVERED, to->n);
	metric_postoffice(to->postoffice, MPO_BYTES, size * to->n);
	for (int i = 0; i < to->n; i++) {
		const struct route *r = &to->recipients[i];

		news_tell(to->postoffice, r->mailbox, r->inbox);
		folder_page_grown(to->postoffice, r->mailbox, r->inbox, 1);
	}
}

static void delivery_counted(const struct delivery *d)
{
	for (int i = 0; i < d->n; i++) {
		const struct delivery_part *p = &d->parts[i];

		metric_add(M_queued, SERVICE_NONE, p->m);
		deliver_counted(p, (int64_t)blob_writer_size(p->body));
	}
}

/* Wakes those who send it on. */
static void delivery_ring(const struct delivery *d)
{
	uint64_t shards = 0;

	for (int i = 0; i < d->n; i++)
		for (int k = 0; k < d->parts[i].m; k++)
			shards |= UINT64_C(1) << queue_shard(d->parts[i].remote[k].domain);
	if (shards)
		queue_ring(shards);
}

static void jobs_end(struct job **jobs, int n, status outcome)
{
	for (int i = 0; i < n; i++) {
		jobs[i]->outcome = outcome;
		for (const struct delivery *d = jobs[i]->d; outcome == ST_OK && d; d = stored_next(d)) {
			delivery_counted(d);
			delivery_ring(d);
		}
		/* Stored or not, nobody knows: should it be stored, its repetition is to be known. */
		if (outcome == ST_UNSURE && jobs[i]->keyed)
			repeat_doubt(jobs[i]->d->repeat_key, jobs[i]->d->parts[0].postoffice, jobs[i]->d->id);
	}
	if (outcome == ST_OK)
		metric_add(M_delivery_batches, SERVICE_NONE, 1);
}

/* A key stood already. ST_OK when it is the messages' own: an earlier run whose answer was lost
   stored them, all or none. */
static status jobs_stand(struct job **jobs, int n)
{
	status s = ST_OK;

	for (int i = 0; i < n && s == ST_OK; i++) {
		arena a = ARENA_INIT;
		struct param p[] = {p_int(jobs[i]->d->parts[0].postoffice), p_int(jobs[i]->d->id)};

		s = db_one(SQL_DELIVER_STANDS, p, 2, &a, NULL);
		arena_release(&a);
	}
	if (s != ST_OK && s != ST_ABSENT)
		return ST_UNSURE;
	return s == ST_OK ? ST_OK : ST_EXISTS;
}

static void lane_leave(void);

static void jobs_run(struct job **jobs, int n, bool *lane)
{
	int failed;
	usec began = clock_now(), until = began + setting_number(S_delivery_patience, NULL);
	bool alone = n == 1 && goes_alone(jobs[0]);
	status s = transaction_try(jobs, n, alone, until, &failed);

	/* Statements that follow each other tell which of its rows it was: a key that stands counts more than want of room. */
	if (alone && (s == ST_EXISTS || s == ST_INVALID))
		s = transaction_try(jobs, n, false, until, &failed);
	if (s == ST_UNSURE) {
		if (*lane)
			lane_leave();
		*lane = false;
		s = transaction_settle(jobs, n, began, until, &failed);
	}
	if (s == ST_EXISTS)
		s = jobs_stand(jobs, n);
	if (s == ST_OK || s == ST_UNSURE || failed < 0 || n == 1) {
		jobs_end(jobs, n, s);
		return;
	}
	jobs_run(jobs, n / 2, lane);
	jobs_run(jobs + n / 2, n - n / 2, lane);
}

/* ---- the batcher */

static bool job_fits(const struct job *job, int n, size_t bytes)
{
	return n < setting_number(S_delivery_batch_most, NULL) && bytes + job->bytes <= BATCH_BYTES;
}

/* With the lock held. */
static void job_push(struct job *job)
{
	list_append(&batcher.waiting, &job->link);
	batcher.crowd++;
}

static void job_pull(struct job *job)
{
	list_remove(&job->link);
	batcher.crowd--;
}

/* With the lock held: the jobs of the next batch in order of arrival, `own` first. */
static struct job **batch_take(struct job *own, int *n)
{
	int room = 16;
	struct job **jobs = memory_new_array((size_t)room, sizeof *jobs);
	size_t bytes = own->bytes;
	link_t *first;

	jobs[0] = own;
	*n = 1;
	while ((first = list_first(&batcher.waiting))) {
		struct job *job = LINK_OWNER(first, struct job, link);

		if (!job_fits(job, *n, bytes))
			break;
		if (*n == room) {
			room *= 2;
			jobs = memory_grow(jobs, (size_t)room * sizeof *jobs);
		}
		job_pull(job);
		job->state = JOB_TAKEN;
		bytes += job->bytes;
		jobs[(*n)++] = job;
	}
	return jobs;
}

/* With the lock held: gives a lane to the first that waits, when one is to be had. It is taken off the
   list at once, so that the next lane goes to the next one. */
static void lane_pass(void)
{
	link_t *first = list_first(&batcher.waiting);
	struct job *leader;

	if (!first || batcher.lanes >= (batcher.crowd < CROWD ? 1 : LANES))
		return;
	leader = LINK_OWNER(first, struct job, link);
	job_pull(leader);
	leader->state = JOB_LEADS;
	batcher.lanes++;
	notice_raise(leader->changed);
}

static void lane_leave(void)
{
	pthread_mutex_lock(&batcher.lock);
	batcher.lanes--;
	lane_pass();
	pthread_mutex_unlock(&batcher.lock);
}

/* In the fiber or thread of one of its jobs: everybody else's outcome hangs on it, so it goes through
   even when its own task is asked to end. */
static void batch_lead(struct job *own)
{
	struct job **jobs;
	bool lane = true;
	int n;

	pthread_mutex_lock(&batcher.lock);
	jobs = batch_take(own, &n);
	pthread_mutex_unlock(&batcher.lock);

	jobs_run(jobs, n, &lane);

	pthread_mutex_lock(&batcher.lock);
	for (int i = 0; i < n; i++) {
		jobs[i]->state = JOB_DONE;
		if (jobs[i] != own)
			notice_raise(jobs[i]->changed);
	}
	pthread_mutex_unlock(&batcher.lock);
	if (lane)
		lane_leave();
	memory_free(jobs);
}

static enum job_state job_state(struct job *job)
{
	enum job_state s;

	pthread_mutex_lock(&batcher.lock);
	s = job->state;
	pthread_mutex_unlock(&batcher.lock);
	return s;
}

/* Takes a job back that no batch took yet. */
static bool job_withdraw(struct job *job)
{
	bool waits;

	pthread_mutex_lock(&batcher.lock);
	waits = job->state == JOB_WAITS;
	if (waits)
		job_pull(job);
	pthread_mutex_unlock(&batcher.lock);
	return waits;
}

static status job_wait(struct job *job)
{
	status s = ST_OK;

	while (job_state(job) == JOB_WAITS) {
		s = notice_wait(job->changed);
		if (s != ST_OK && job_withdraw(job))
			return s;
	}
	/* From here on others hold it: it ends with them. */
	usec before = task_deadline(USEC_NEVER);
	task_shield(true);
	if (job_state(job) == JOB_LEADS)
		batch_lead(job);
	while (job_state(job) != JOB_DONE)
		notice_wait(job->changed);
	task_shield(false);
	task_deadline(before);
	return job->outcome;
}

static size_t delivery_bytes(const struct delivery *d)
{
	size_t bytes = 0;

	for (; d; d = stored_next(d))
		for (int i = 0; i < d->n; i++) {
			struct blob_packed b;

			blob_packed(d->parts[i].body, &b);
			bytes += b.bytes;
		}
	return bytes;
}

static status job_submit(struct delivery *d, bool keyed)
{
	struct job job = {.d = d, .keyed = keyed, .bytes = delivery_bytes(d), .state = JOB_WAITS};
	status s;

	job.changed = notice_open();
	list_init(&job.link);
	pthread_mutex_lock(&batcher.lock);
	job_push(&job);
	lane_pass();
	pthread_mutex_unlock(&batcher.lock);
	s = job_wait(&job);
	notice_close(&job.changed);
	return s;
}

/* ---- one delivery */

/* Why an entry could not be made. ST_OK: there is no reason any more. */
static status reason_find(const struct delivery *d)
{
	status reason = ST_OK;

	for (int i = 0; i < d->n && reason != ST_ABSENT; i++) {
		const struct delivery_part *part = &d->parts[i];
		if (part->n == 0)
			continue;
		arena a = ARENA_INIT;
		struct rows r;
		int64_t size = (int64_t)blob_writer_size(part->body);
		int64_t *mailbox = arena_new_array(&a, (size_t)part->n, sizeof *mailbox);
		int64_t *folder = arena_new_array(&a, (size_t)part->n, sizeof *folder);
		int64_t *over = arena_new_array(&a, (size_t)part->n, sizeof *over);
		status s;

		for (int j = 0; j < part->n; j++) {
			mailbox[j] = part->recipients[j].mailbox;
			folder[j] = part->recipients[j].inbox;
			over[j] = over_of(&part->recipients[j]);
		}
		s = db_one(SQL_DELIVER_REASON,
			(struct param[]){p_int(part->postoffice), p_int_array(mailbox, part->n),
				p_int_array(folder, part->n), p_int_array(over, part->n),
				p_int(size)},
			5, &a, &r);
		if (s == ST_OK && row_int(&r, 0, 0) < part->n)
			reason = ST_ABSENT;
		else if (s == ST_OK && row_int(&r, 0, 1) < part->n)
			reason = ST_FULL;
		else if (s != ST_OK)
			reason = s;
		arena_release(&a);
		if (s != ST_OK)
			break;
	}
	return reason;
}

/* Its key stands. ST_OK: try again, with the key or, *keyed being false then, without. */
static status repetition_judge(struct delivery *d, bool *keyed, usec patience)
{
	int64_t earlier;
	status s = repeat_judge(d->repeat_key, patience, &earlier);

	if (s == ST_EXISTS)
		d->id = earlier;
	if (s != ST_TIMED_OUT)
		return s;
	*keyed = false; /* better twice than not at all */
	return ST_OK;
}

/* Whether something it causes cannot be stored by now: it is left out then. */
static bool leave_out(struct delivery *d)
{
	bool found = false;

	for (d = d->also; d; d = d->also) {
		if (d->left_out)
			continue;
		d->left_out = (d->right && answer_may(d->right) != ST_OK) || reason_find(d) != ST_OK;
		found |= d->left_out;
	}
	return found;
}

status deliver_run(struct delivery *d)
{
	bool keyed =
		d->repeat_key.size == REPEAT_KEY && setting_number(S_smtp_repeat_window, NULL) > 0;
	usec patience = clock_now() + REPEAT_PATIENCE;
	bool looked = false;

	if (FAULT("deliver_begin"))
		return ST_BUSY;
	for (;;) {
		status s = job_submit(d, keyed);

		if (s == ST_EXISTS && keyed) {
			TRY(repetition_judge(d, &keyed, patience));
		} else if (s == ST_EXISTS) {
			return log_trouble(ST_BROKEN, EV_DELIVER_TWICE, NULL);
		} else if (s == ST_INVALID && d->also && leave_out(d)) {
			continue;
		} else if (s == ST_INVALID) {
			TRY(reason_find(d));
			if (looked) /* not for want of room, so for want of the lease */
				return d->end_count > 0 ? ST_FOREIGN : ST_BUSY;
			looked = true; /* there is room again: once more */
		} else {
			return s == ST_UNSURE ? ST_BUSY : s;
		}
	}
}

void deliver_confirm(slice repeat_key, bool broken)
{
	if (repeat_key.size != REPEAT_KEY)
		return;
	if (broken)
		repeat_break(repeat_key);
	else
		repeat_forget(repeat_key);
}

/* ---- the house's own messages */

static int route_order(const void *a, const void *b)
{
	const struct route *x = a, *y = b;

	if (x->postoffice != y->postoffice)
		return x->postoffice < y->postoffice ? -1 : 1;
	return x->mailbox < y->mailbox ? -1 : x->mailbox > y->mailbox;
}

/* The recipients in order, each mailbox once, as parts without bodies. */
static void parts_make(const struct route *to, int n, arena *a, struct delivery *d)
{
	struct route *all = arena_new_array(a, (size_t)n, sizeof *all);
	int count = 0;

	d->parts = arena_new_array(a, (size_t)n, sizeof *d->parts);
	memcpy(all, to, (size_t)n * sizeof *all);
	qsort(all, (size_t)n, sizeof *all, route_order);
	for (int i = 0; i < n; i++) {
		if (count > 0 && route_order(&all[i], &all[count - 1]) == 0)
			continue;
		all[count] = all[i];
		if (count == 0 || all[count].postoffice != all[count - 1].postoffice)
			d->parts[d->n++] = (struct delivery_part){
				.postoffice = all[count].postoffice, .recipients = &all[count]};
		d->parts[d->n - 1].n++;
		count++;
	}
}

static void header_read(slice raw, arena *a, struct delivery *d)
{
	struct header_facts h;
	size_t size = header_size(raw);

	for (int i = 0; i < d->n; i++)
		d->parts[i].header_size = (uint32_t)size;
	header_facts_read(slice_until(raw, size), a, &h);
	d->subject = h.subject;
	d->from = h.from;
	d->message_id = h.message_id;
	d->sent = h.sent;
}

status deliver_text_read(slice raw, arena *a, struct delivery *d)
{
	header_read(raw, a, d);
	for (int i = 0; i < d->n; i++) {
		TRY(blob_writer_open(d->parts[i].postoffice, &d->parts[i].body));
		TRY(blob_write(d->parts[i].body, raw));
		TRY(blob_writer_finish(d->parts[i].body));
	}
	return ST_OK;
}

status deliver_text(const struct route *to, int n, slice raw, int64_t *id)
{
	struct delivery d = {.id = id_new()};
	arena a = ARENA_INIT;
	status s;

	parts_make(to, n, &a, &d);
	s = deliver_text_read(raw, &a, &d);
	if (s == ST_OK)
		s = deliver_run(&d);
	for (int i = 0; i < d.n; i++)
		blob_writer_close(&d.parts[i].body);
	arena_release(&a);
	if (s == ST_OK)
		*id = d.id;
	return s;
}
