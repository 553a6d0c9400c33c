/* Delivery in batches (batch.h), each of which is one transaction of one round trip. When many wait,
   a second lane starts beside the first: a slow disk, a big body or a mailbox somebody else holds
   locked then stops only half of the mail. Two lanes from the start would halve the batches and
   cost a fifth more of PostgreSQL's time.

   What a batch consists of is in deliver_rows.c. Answers that a message causes are messages of the
   same transaction. When an entry could not be made the whole transaction stops; a batch that
   failed is halved until the bad one stands alone.

   When the answer to COMMIT is lost, the same transaction is run again with the same ids (R5): the
   key of `message` lets only one of the two commit, in whatever order the server meets them. So
   either the second run commits, or it is told that the message stands already. Nothing has to be
   asked of a backend that may still be at work. While the database cannot be asked at all, nobody
   waits for longer than db_silence_most (R4): the client is told to come again, and its key is left
   behind, or made a fence (repeat.h): a run that lies before a backend which goes on late stores
   nothing beside the repetition. */
#include "provider/deliver_inside.h"

#include "base/fault.h"
#include "base/id.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/metric.h"
#include "provider/batch.h"
#include "provider/blob_store.h"
#include "provider/folder_page_inside.h"
#include "provider/news.h"
#include "provider/queue_row.h"
#include "provider/repeat.h"
#include "provider/setting.h"
#include "task/task.h"

#define UNSURE_PAUSE (200 * USEC_MS)

struct job {
	struct delivery *d;
	bool keyed; /* its repeat key goes along */
	usec fence; /* in whose place; 0 = none */
	usec since; /* its client waits */
	status outcome;
	struct batch_job batch;
};

/* ---- the transaction */

/* One try. *failed as db_commit has it: -1 when the trouble is no statement's. */
static status transaction_run(struct job **jobs, int n, bool alone, int *failed)
{
	arena a = ARENA_INIT;
	usec since = jobs[0]->since; /* the first one has waited longest */
	db_tx *tx = db_begin(DB_RUN, &a);
	struct delivery_keyed *all = arena_new_array(&a, (size_t)n, sizeof *all);
	struct queue_pauses pauses = {0};
	status s;

	for (int i = 0; i < n; i++)
		all[i] = (struct delivery_keyed){jobs[i]->d, jobs[i]->keyed, jobs[i]->fence};
	if (alone)
		deliver_alone_add(tx, &a, all);
	else
		deliver_rows_add(tx, &a, all, n, &pauses);
	db_connect_by(tx, db_lost_by(since, setting_number(S_db_silence_most, NULL), USEC_NEVER));
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
	if (s == ST_OK)
		queue_ends_tell(&pauses);
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

/* Runs it until its outcome is known, or the database has not been heard of for too long. The lane
   is free meanwhile: a lost connection of one batch must not hold up the others. A run that is
   refused for now settles nothing, even by one statement: it may have waited in vain for the lost
   one, which is still under way. */
static status transaction_settle(struct job **jobs, int n, usec began, usec until, int *failed)
{
	usec silence = setting_number(S_db_silence_most, NULL);
	status s;

	log_event(EV_DELIVER_UNSURE, "messages=%d", n);
	for (;;) {
		s = transaction_try(jobs, n, false, db_lost_by(began, silence, until), failed);
		if (s != ST_UNSURE && s != ST_BUSY)
			break;
		if (clock_now() >= until || db_lost(began, silence) ||
			task_sleep(UNSURE_PAUSE) != ST_OK)
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

/* It may be stored, and its readers look (news.h). */
static void delivery_hinted(const struct delivery *d)
{
	for (int i = 0; i < d->n; i++)
		for (int k = 0; k < d->parts[i].n; k++)
			news_tell(d->parts[i].postoffice, d->parts[i].recipients[k].mailbox,
				d->parts[i].recipients[k].inbox);
}

static void delivery_counted(const struct delivery *d)
{
	for (int i = 0; i < d->n; i++) {
		const struct delivery_part *p = &d->parts[i];

		metric_add(M_queued, SERVICE_NONE, p->m);
		if (p->m > 0)
			metric_postoffice(p->postoffice, MPO_QUEUED, p->m);
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
		for (const struct delivery *d = jobs[i]->d; outcome == ST_OK && d;
			d = deliver_next(d)) {
			delivery_counted(d);
			delivery_ring(d);
		}
		for (const struct delivery *d = jobs[i]->d; outcome == ST_UNSURE && d;
			d = deliver_next(d))
			delivery_hinted(d);
		/* Stored or not, nobody knows: should it be stored, its repetition is to be
		   known. */
		if (outcome == ST_UNSURE && jobs[i]->keyed)
			repeat_doubt(jobs[i]->d->repeat_key, jobs[i]->d->parts[0].postoffice,
				jobs[i]->d->id);
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

static void jobs_run(struct job **jobs, int n, struct batch *lane)
{
	int failed;
	usec began = clock_now(), until = began + setting_number(S_delivery_patience, NULL);
	bool alone = n == 1 && !jobs[0]->fence && deliver_goes_alone(jobs[0]->d);
	status s = transaction_try(jobs, n, alone, until, &failed);

	/* Statements that follow each other tell which of its rows it was: a key that stands counts
	   more than want of room. */
	if (alone && (s == ST_EXISTS || s == ST_INVALID))
		s = transaction_try(jobs, n, false, until, &failed);
	if (s == ST_UNSURE) {
		batch_free_lane(lane);
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

static bool job_fits(const struct batch *b, const struct batch_job *next)
{
	return b->n < setting_number(S_delivery_batch_most, NULL) &&
	       b->weight + next->weight <= BATCH_OCTETS;
}

static void batch_deliver(struct batch *b)
{
	struct job **jobs = memory_new_array((size_t)b->n, sizeof *jobs);

	for (int i = 0; i < b->n; i++)
		jobs[i] = LINK_OWNER(b->jobs[i], struct job, batch);
	jobs_run(jobs, b->n, b);
	memory_free(jobs);
}

static const struct batch_rules rules = {.lanes = BATCH_LANES,
	.crowd = BATCH_CROWD,
	.patience = USEC_NEVER,
	.fits = job_fits,
	.run = batch_deliver};
static struct batcher batcher = BATCHER_INIT(batcher, &rules);

static size_t delivery_bytes(const struct delivery *d)
{
	size_t bytes = 0;

	for (; d; d = deliver_next(d))
		for (int i = 0; i < d->n; i++) {
			struct blob_packed b;

			blob_packed(d->parts[i].body, &b);
			bytes += b.bytes;
		}
	return bytes;
}

static status job_submit(struct delivery *d, bool keyed, usec fence)
{
	struct job job = {.d = d,
		.keyed = keyed,
		.fence = fence,
		.since = clock_now(),
		.batch = {.weight = delivery_bytes(d)}};

	TRY(batch_join(&batcher, &job.batch));
	return job.outcome;
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
			over[j] = deliver_over(&part->recipients[j]);
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

/* For the ledger, in each post office that would have it twice. That it is known counts more: its
   client waits no longer than a moment for the count, nor for a disk, and is told all the same when
   the database is gone by now. */
static void repetition_note(const struct delivery *d)
{
	arena a = ARENA_INIT;
	usec before = task_deadline_now(), patience = clock_now() + USEC_S;
	db_tx *tx = db_begin(DB_RUN, &a);

	task_deadline(patience < before ? patience : before);
	db_relax(tx);
	for (int i = 0; i < d->n; i++) {
		db_add(tx, SQL_REPEAT_NOTED, (struct param[]){p_int(d->parts[i].postoffice)}, 1,
			NULL);
		metric_postoffice(d->parts[i].postoffice, MPO_REPEATED, 1);
	}
	db_commit(&tx, NULL);
	task_deadline(before);
	arena_release(&a);
}

/* Its key stands. ST_OK: try again, with the key, in the place of *fence perhaps, or, *keyed being
   false then, without. */
static status repetition_judge(struct delivery *d, bool *keyed, usec *fence, usec patience)
{
	int64_t earlier;
	status s = repeat_judge(d->repeat_key, patience, &earlier, fence);

	if (s == ST_EXISTS) {
		d->id = earlier;
		repetition_note(d);
	}
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
		d->left_out =
			(d->right && answer_may(d->right) != ST_OK) || reason_find(d) != ST_OK;
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
	usec fence = 0;

	if (FAULT("deliver_begin"))
		return ST_BUSY;
	for (;;) {
		status s = job_submit(d, keyed, fence);

		if (s == ST_EXISTS && keyed) {
			TRY(repetition_judge(d, &keyed, &fence, patience));
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

status deliver_hold(void)
{
	return setting_number(S_smtp_repeat_window, NULL) > 0 ? repeat_hold() : ST_OK;
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
