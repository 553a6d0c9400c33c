/* See job.h. The fence is a lock on the job's row under the epoch of the claim, taken first in the
   step's transaction and kept until its commit: a cancel, or the next claim, waits for that. */
#include "provider/job.h"

#include "base/fault.h"
#include "base/id.h"
#include "base/log.h"
#include "base/metric.h"
#include "provider/blob.h"
#include "provider/change.h"
#include "provider/deliver_inside.h"
#include "provider/header_facts.h"
#include "provider/mailbox.h"
#include "provider/setting.h"
#include "provider/settle.h"
#include "provider/watch.h"
#include "task/task.h"

#define LEASE (30 * USEC_S)
#define STEP_MOST                                                                                  \
	(15 * USEC_S) /* within the lease: not needed, but who comes late works in vain            \
\ */
#define TRIES_MOST                                                                                 \
	6 /* of one mailbox alone; each try before was of a quarter of the one before              \
\ */

static slice id_shown(int64_t id, arena *a)
{
	char written[ID_TEXT_SIZE + 1];

	id_text(id, written);
	return arena_copy(a, slice_z(written));
}

/* ---- making */

struct making {
	const struct job_new *n;
	const struct audit_by *by;
	struct delivery d;
	struct delivery_part part;
	int64_t total, after, until;
	arena a;
};

/* Which mailboxes; their numbers rise with the time they were made. */
static status scope_find(struct making *m)
{
	struct rows r;
	struct param p = p_int(m->n->postoffice);
	status kind = db_one(SQL_POSTOFFICE_JOB_SCOPE, &p, 1, &m->a, &r);

	if (kind != ST_OK)
		return kind == ST_ABSENT ? ST_DENIED : kind;
	m->total = m->n->mailbox ? 1 : row_int(&r, 0, 0);
	m->until = m->n->mailbox ? m->n->mailbox : row_int(&r, 0, 1);
	m->after = m->n->mailbox ? m->n->mailbox - 1 : 0;
	return ST_OK;
}

static status make_once(void *arg, bool again)
{
	struct making *m = arg;
	db_tx *tx = db_begin(DB_RUN, &m->a);
	slice subject = header_shown(m->d.subject, HEADER_SHOWN_MOST, &m->a);
	const struct change_fact facts[] = {{"subject", subject},
		{"mailboxes", arena_format(&m->a, "%lld", (long long)m->total)}};

	deliver_message_add(tx, &m->a, &m->d);
	db_add(tx, SQL_JOB_ADD,
		(struct param[]){p_int(m->n->postoffice), p_int(m->n->id), p_int(m->n->mailbox),
			p_text(m->by->who), p_text(subject), p_int((int64_t)m->n->raw.size),
			p_int(m->total), p_int(m->after), p_int(m->until)},
		9, NULL);
	change_audit(tx, m->n->postoffice, m->by, "job.make", id_shown(m->n->id, &m->a),
		change_detail(&m->a, facts, 2));
	status kind = db_commit(&tx, NULL);
	return kind == ST_EXISTS && again ? ST_OK : kind;
}

status job_make(const struct job_new *n, const struct audit_by *by, int64_t *total)
{
	struct making m = {.n = n, .by = by, .part.postoffice = n->postoffice};

	m.d = (struct delivery){.id = n->id, .parts = &m.part, .n = 1};
	status kind = scope_find(&m);
	if (kind == ST_OK)
		kind = deliver_text_read(n->raw, &m.a, &m.d);
	if (kind == ST_OK)
		kind = settle(make_once, &m);
	if (kind == ST_OK)
		*total = m.total;
	blob_writer_close(&m.part.body);
	arena_release(&m.a);
	return kind;
}

/* ---- looking */

int64_t job_gone(const struct job_row *j)
{
	int64_t known = j->delivered + j->full + j->disabled + j->failed;

	return j->ended && !j->cancelled && known < j->total ? j->total - known : 0;
}

int64_t job_done(const struct job_row *j)
{
	return j->delivered + j->full + j->disabled + j->failed + job_gone(j);
}

static struct job_row job_of(const struct rows *r, int i)
{
	return (struct job_row){.postoffice = row_int(r, i, 0),
		.postoffice_name = row_slice(r, i, 1),
		.id = row_int(r, i, 2),
		.mailbox_name = row_slice(r, i, 3),
		.mailbox = row_int(r, i, 4),
		.who = row_slice(r, i, 5),
		.subject = row_slice(r, i, 6),
		.size = row_int(r, i, 7),
		.total = row_int(r, i, 8),
		.delivered = row_int(r, i, 9),
		.full = row_int(r, i, 10),
		.disabled = row_int(r, i, 11),
		.failed = row_int(r, i, 12),
		.made = row_time(r, i, 13),
		.started = row_time(r, i, 14),
		.ended = row_time(r, i, 15),
		.cancelled = row_bool(r, i, 16),
		.took = row_int(r, i, 17)};
}

static status jobs_read(int64_t postoffice, int64_t id, unsigned most, arena *a, struct rows *r)
{
	struct param p[] = {p_int(postoffice), p_int(most), p_int(id)};

	return postoffice ? db_run(SQL_JOB_LIST, p, 3, a, r)
			  : db_run(SQL_JOB_LIST_ALL, p + 1, 2, a, r);
}

status job_list(int64_t postoffice, unsigned most, arena *a, struct job_row **rows, int *n)
{
	struct rows r;

	TRY(jobs_read(postoffice, 0, most, a, &r));
	*n = r.count;
	*rows = arena_new_array(a, (size_t)r.count, sizeof **rows);
	for (int i = 0; i < r.count; i++)
		(*rows)[i] = job_of(&r, i);
	return ST_OK;
}

status job_find(int64_t postoffice, int64_t id, arena *a, struct job_row *out)
{
	struct rows r;

	TRY(jobs_read(postoffice, id, 1, a, &r));
	if (r.count == 0)
		return ST_ABSENT;
	*out = job_of(&r, 0);
	return ST_OK;
}

status job_missed(
	int64_t postoffice, int64_t id, unsigned most, arena *a, struct job_mailbox **rows, int *n)
{
	struct rows r;

	TRY(db_run(SQL_JOB_MISSED, (struct param[]){p_int(postoffice), p_int(id), p_int(most)}, 3,
		a, &r));
	*n = r.count;
	*rows = arena_new_array(a, (size_t)r.count, sizeof **rows);
	for (int i = 0; i < r.count; i++)
		(*rows)[i] = (struct job_mailbox){row_int(&r, i, 0), row_slice(&r, i, 1),
			(enum job_outcome)row_int(&r, i, 2)};
	return ST_OK;
}

const char *job_outcome_name(enum job_outcome o)
{
	static const char *const names[JOB_OUTCOMES] = {"delivered", "full", "disabled", "failed"};

	return o < JOB_OUTCOMES ? names[o] : "other";
}

status job_cancel(int64_t postoffice, int64_t id, const struct audit_by *by)
{
	arena a = ARENA_INIT;
	db_tx *tx = db_begin(DB_RUN, &a);
	struct rows r;

	db_add(tx, SQL_JOB_CANCEL, (struct param[]){p_int(postoffice), p_int(id)}, 2, &r);
	status kind = db_flush(tx);
	if (kind == ST_OK && r.changed > 0) {
		change_audit(tx, postoffice, by, "job.cancel", id_shown(id, &a), S(""));
		kind = db_commit(&tx, NULL);
	} else {
		kind = kind == ST_OK ? ST_ABSENT : kind;
		db_rollback(&tx);
	}
	arena_release(&a);
	return kind;
}

/* ---- claiming */

status job_claim(struct job_claim *out)
{
	arena a = ARENA_INIT;
	struct rows r;
	int64_t number, token;

	node_number(&number, &token);
	slice owner =
		arena_format(&a, "%.*s %.*s", SLICE_ARGS(node_name()), SLICE_ARGS(node_process()));
	status kind = db_one(SQL_JOB_CLAIM,
		(struct param[]){p_text(owner), p_int(token), p_int(LEASE)}, 3, &a, &r);
	if (kind == ST_OK)
		*out = (struct job_claim){.postoffice = row_int(&r, 0, 0),
			.id = row_int(&r, 0, 1),
			.size = row_int(&r, 0, 2),
			.at = row_int(&r, 0, 3),
			.until = row_int(&r, 0, 4),
			.epoch = row_int(&r, 0, 5),
			.tries = (int)row_int(&r, 0, 6)};
	arena_release(&a);
	return kind;
}

/* A quarter of the try before, so that who cannot be served is found and passed over. */
static int64_t mailboxes_most(const struct job_claim *c)
{
	int64_t most = setting_number(S_job_step, NULL);

	for (int i = 1; i < c->tries && most > 1; i++)
		most /= 4;
	return most > 1 ? most : 1;
}

/* Whether it is the step's own fault that it failed. One that took too long is smaller the next
   time, until it is about one mailbox alone; that one is not passed over for being slow. */
static bool counts(const struct job_claim *c, status why)
{
	return why == ST_INVALID || why == ST_BROKEN || why == ST_EXISTS ||
	       (why == ST_TIMED_OUT && mailboxes_most(c) > 1);
}

status job_unclaim(const struct job_claim *c, status why)
{
	struct param p[] = {
		p_int(c->postoffice), p_int(c->id), p_int(c->epoch), p_int(counts(c, why) ? 0 : 1)};

	return db_run(SQL_JOB_UNCLAIM, p, 4, NULL, NULL);
}

/* ---- a step */

struct step {
	const struct job_claim *c;
	arena *a;
	struct job_step *out;
	int64_t most;
	struct route *to; /* those that get it */
	struct delivery_part part;
	int64_t count[JOB_OUTCOMES];
};

static enum job_outcome judge(const struct step *s, const struct rows *r, int i)
{
	const mailbox m = {.quota = row_int(r, i, 4), .used = row_int(r, i, 5)};

	if (row_int(r, i, 3) != MAILBOX_ENABLED)
		return JOB_DISABLED;
	if (!mailbox_has_room(&m, (uint64_t)s->c->size))
		return JOB_FULL;
	return s->most == 1 && s->c->tries > TRIES_MOST ? JOB_FAILED : JOB_DELIVERED;
}

/* The mailboxes, which are locked now, and what is to become of each. */
static void judge_all(struct step *s, const struct rows *r)
{
	s->out->n = r->count;
	s->out->rows = arena_new_array(s->a, (size_t)r->count, sizeof *s->out->rows);
	s->to = arena_new_array(s->a, (size_t)r->count, sizeof *s->to);
	s->part = (struct delivery_part){.postoffice = s->c->postoffice, .recipients = s->to};
	for (int i = 0; i < r->count; i++) {
		struct job_mailbox *m = &s->out->rows[i];

		*m = (struct job_mailbox){row_int(r, i, 0), row_slice(r, i, 2), judge(s, r, i)};
		s->count[m->outcome]++;
		if (m->outcome == JOB_DELIVERED)
			s->to[s->part.n++] = (struct route){.postoffice = s->c->postoffice,
				.mailbox = m->mailbox,
				.inbox = row_int(r, i, 1)};
	}
	int64_t last = r->count ? s->out->rows[r->count - 1].mailbox : s->c->until;
	s->out->ended = r->count < s->most || last == s->c->until;
}

static void outcomes_add(db_tx *tx, const struct step *s)
{
	int n = s->out->n;
	int64_t *mailbox = arena_new_array(s->a, (size_t)n * 2, sizeof *mailbox),
		*outcome = mailbox + n;

	for (int i = 0; i < n; i++) {
		mailbox[i] = s->out->rows[i].mailbox;
		outcome[i] = s->out->rows[i].outcome;
	}
	db_add(tx, SQL_JOB_MAILBOXES_ADD,
		(struct param[]){p_int(s->c->postoffice), p_int(s->c->id), p_int_array(mailbox, n),
			p_int_array(outcome, n)},
		4, NULL);
}

static void step_add(db_tx *tx, const struct step *s, struct rows *so_far)
{
	const struct job_claim *c = s->c;
	int n = s->out->n;

	if (s->part.n > 0)
		deliver_entries_add(tx, s->a, c->id, c->size, &s->part);
	if (n > 0)
		outcomes_add(tx, s);
	db_add(tx, SQL_JOB_STEP,
		(struct param[]){p_int(c->postoffice), p_int(c->id),
			p_int(n ? s->out->rows[n - 1].mailbox : c->until),
			p_int_array(s->count, JOB_OUTCOMES), p_bool(s->out->ended)},
		5, so_far);
	if (s->out->ended)
		change_audit(tx, c->postoffice, NULL, "job.end", id_shown(c->id, s->a), S(""));
}

static void step_counted(const struct step *s)
{
	deliver_counted(&s->part, s->c->size);
	metric_add(M_job_delivered, SERVICE_NONE, s->part.n);
	metric_add(M_job_missed, SERVICE_NONE, s->out->n - s->part.n);
	metric_add(M_jobs, SERVICE_NONE, s->out->ended);
}

static status step_run(struct step *s)
{
	const struct job_claim *c = s->c;
	db_tx *tx = db_begin(DB_RUN, s->a);
	struct rows r, so_far = {0};

	db_add(tx, SQL_JOB_HELD,
		(struct param[]){p_int(c->postoffice), p_int(c->id), p_int(c->epoch)}, 3, NULL);
	db_add(tx, SQL_JOB_MAILBOXES,
		(struct param[]){
			p_int(c->postoffice), p_int(c->at), p_int(c->until), p_int(s->most)},
		4, &r);
	status kind = db_flush(tx);
	if (kind != ST_OK) {
		db_rollback(&tx);
		return kind == ST_INVALID ? ST_FOREIGN : kind;
	}
	judge_all(s, &r);
	step_add(tx, s, &so_far);
	if (FAULT("job_step")) {
		db_rollback(&tx);
		return ST_BUSY;
	}
	TRY(db_commit(&tx, NULL));
	for (int i = 0; i < JOB_OUTCOMES; i++)
		s->out->so_far[i] = row_int(&so_far, 0, i);
	return FAULT("job_committed") ? ST_UNSURE : ST_OK;
}

status job_step(const struct job_claim *c, arena *a, struct job_step *out)
{
	struct step s = {.c = c, .a = a, .out = out, .most = mailboxes_most(c)};
	usec until = clock_now() + STEP_MOST, before = task_deadline(until);

	*out = (struct job_step){0};
	status kind = step_run(&s);
	task_deadline(before);
	if (kind == ST_UNSURE && clock_now() >= until)
		kind = ST_TIMED_OUT;
	if (kind == ST_OK)
		step_counted(&s);
	return kind;
}
