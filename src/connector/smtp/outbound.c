/* The runner of the queue in one worker. Its tasks:

       outbound      claims what is due when the bell rings or the poll says so, starts senders
       lease         renews the shards' leases
       send (many)   one job each: attempt, verdicts, reports
       results       writes what needs no report, a batch at a time

   Nothing is started when the lease could not be renewed in its time: by then another runner may have
   the shards. */
#include "connector/smtp/outbound.h"

#include "base/id.h"
#include "base/log.h"
#include "base/memory.h"
#include "connector/smtp/hook.h"
#include "connector/smtp/outbound_body.h"
#include "connector/smtp/plan.h"
#include "connector/smtp/report.h"
#include "provider/setting.h"
#include "provider/trace.h"
#include "task/task.h"

#include <stdio.h>

#define BATCH 100                /* results in one transaction */
#define CLAIM_MOST 1000          /* rows of one claim */
#define PAIR 2                   /* the least it brings of a shard: one new row, one deferred */
#define CLAIM_EACH 100           /* of one post office and shard in it */
#define APART (10 * USEC_MS)     /* claims that the bell asks for, and batches of results: what comes meanwhile
				    goes along */
#define TROUBLE_PAUSE (USEC_S)   /* after the database refused */
#define FIRST_LOOK (3 * USEC_S / 2) /* for what a dead predecessor left */
#define COUNT_EVERY (15 * USEC_S)
#define END_MOST (5 * USEC_S)

struct sending { /* a job under way, until its last result is written */
	plan_job *job;
	struct attempt *attempts;
	struct outbound_word *words;
	struct verdict *verdicts;
	int left; /* results to be written */
};

struct outcome { /* a result on its way to the database */
	link_t link;
	struct sending *of;
	struct queue_result result;
};

static struct {
	const struct outbound_transport *way;
	queue_runner *runner;
	plan *plan;
	struct plan_limits limits;
	notice *changed;   /* something ended: more may start */
	notice *written;   /* results wait */
	notice *over;      /* for the lease's task */
	link_t outcomes;
	int waiting; /* of them */
	uint64_t ask;      /* shards to be claimed from now */
	uint64_t fresh;    /* of them, those only the bell has told of */
	usec next_claim;   /* for what only the bell asks */
	uint64_t later;    /* and when half of what is in memory is done, if the poll does not come first */
	int resume;
	uint64_t again;    /* and at `again_at`: something was given back untried */
	usec again_at;
	int turn;          /* the shard the next claim begins at */
	usec lease_until;  /* by this process's clock, from before the asking */
	int64_t counted;   /* of the gauge */
	int senders;
	bool writing, running, leaving, ended;
} out;

/* ---- figures */

static void limits_read(void)
{
	out.limits = (struct plan_limits){
		.at_once = (unsigned)setting_number(S_outbound_at_once_most, NULL),
		.per_destination = (unsigned)setting_number(S_outbound_per_domain_most, NULL),
		.per_postoffice = (unsigned)setting_number(S_outbound_per_postoffice_most, NULL),
		.recipients = (unsigned)setting_number(S_outbound_recipients_most, NULL),
		.apart = setting_number(S_outbound_rate_delay, NULL)};
}

static int rows_most(void)
{
	return 10 * (int)out.limits.at_once;
}

static void gauge_set(int64_t rows)
{
	metric_add(M_queue_entries, SERVICE_NONE, rows - out.counted);
	out.counted = rows;
}

/* ---- results */

static void sending_end(struct sending *s)
{
	plan_job *job = s->job;

	memory_free(s->attempts);
	memory_free(s->words);
	memory_free(s->verdicts);
	memory_free(s);
	plan_end(out.plan, &job);
	notice_raise(out.changed);
}

static void result_written(struct sending *s)
{
	if (--s->left == 0)
		sending_end(s);
}

static void result_queue(struct sending *s, const struct queue_result *r)
{
	struct outcome *o = memory_new(sizeof *o);

	o->of = s;
	o->result = *r;
	list_append(&out.outcomes, &o->link);
	out.waiting++;
	notice_raise(out.written);
}

static int outcomes_take(struct outcome **batch)
{
	int n = 0;

	for (link_t *first; n < BATCH && (first = list_first(&out.outcomes)); n++) {
		batch[n] = LINK_OWNER(first, struct outcome, link);
		list_remove(first);
	}
	out.waiting -= n;
	return n;
}

static bool outcomes_write(void)
{
	struct outcome *batch[BATCH];
	struct queue_result results[BATCH];
	int late, n = outcomes_take(batch);

	if (n == 0)
		return false;
	for (int i = 0; i < n; i++)
		results[i] = batch[i]->result;
	/* What another system has taken must be written: it goes on until the database takes it, or a
	   successor has the lease and this changes nothing any more. */
	while (queue_finish(out.runner, results, n, &late) != ST_OK && !out.ended)
		task_sleep(TROUBLE_PAUSE);
	for (int i = 0; i < n; i++) {
		result_written(batch[i]->of);
		memory_free(batch[i]);
	}
	return true;
}

static status results_run(void *arg)
{
	(void)arg;
	task_shield(true);
	while (!out.ended) {
		out.writing = true;
		for (usec began = clock_now(); outcomes_write(); began = clock_now())
			if (!out.ended && out.waiting < BATCH && clock_now() < began + APART)
				task_sleep(began + APART - clock_now());
		out.writing = false;
		notice_wait(out.written);
	}
	out.senders--;
	return ST_OK;
}

/* ---- what is told of an attempt */

static void trace_attempt(const struct verdict *v, slice fields)
{
	static const enum trace_kind kinds[] = {
		[QUEUE_DONE] = TRACE_FAILED, [QUEUE_DEFER] = TRACE_DEFERRED, [QUEUE_PARK] = TRACE_PARKED};
	const queue_entry *e = v->of->entry;
	bool delivered = v->of->result.outcome == CLIENT_DELIVERED;
	enum trace_kind kind = delivered ? TRACE_SENT : kinds[v->result.end];
	char id[ID_TEXT_SIZE + 1];

	id_text(e->id, id);
	if (fields.size)
		trace_note(e->postoffice, e->message, kind, "entry=%s recipient=%s attempt=%d %.*s", id,
			log_quote(e->address), e->attempts + 1, SLICE_ARGS(fields));
	else
		trace_note(e->postoffice, e->message, kind,
			"entry=%s recipient=%s attempt=%d outcome=%s enhanced=%.*s reply=%s", id,
			log_quote(e->address), e->attempts + 1,
			client_outcome_name(v->of->result.outcome), SLICE_ARGS(v->of->result.enhanced),
			log_quote(v->of->result.text));
	metric_add(delivered ? M_sent
		   : v->result.end == QUEUE_DEFER ? M_send_deferred
						  : M_send_failed,
		SERVICE_NONE, 1);
	if (v->result.end == QUEUE_PARK)
		metric_add(M_queue_parked, SERVICE_NONE, 1);
}

/* ---- attempts */

static void attempts_all(struct sending *s, const struct client_result *r, slice host)
{
	for (int i = 0; i < s->job->n; i++) {
		s->attempts[i].result = *r;
		s->attempts[i].host = host;
	}
}

static struct client_result own_word(enum client_outcome o, const char *enhanced, slice text)
{
	return (struct client_result){.outcome = o,
		.cause = CLIENT_BY_US,
		.phase = CLIENT_CONNECTING,
		.enhanced = slice_z(enhanced),
		.text = text};
}

static rcpt_parameters dsn_of(const queue_entry *e)
{
	size_t at = slice_find(e->orcpt, ';');

	return (rcpt_parameters){.notify = e->notify,
		.has_orcpt = at < e->orcpt.size,
		.orcpt_type = slice_until(e->orcpt, at),
		.orcpt = slice_from(e->orcpt, at + 1)};
}

static void attempt_network(struct sending *s, struct body *b)
{
	plan_job *j = s->job;
	const queue_entry *e = &j->entries[0];
	struct client_recipient *to = arena_new_array(&j->a, (size_t)j->n, sizeof *to);
	rcpt_parameters *dsn = arena_new_array(&j->a, (size_t)j->n, sizeof *dsn);
	struct client_message m = {.postoffice = e->postoffice,
		.id = e->message,
		.sender = e->sender,
		.size = b->size - b->skip + b->front.size,
		.eight_bit = e->eight_bit,
		.binary = e->binary,
		.utf8 = e->utf8,
		.require_tls = e->require_tls,
		.tls_waived = b->tls_waived && !e->require_tls,
		.ret = e->ret,
		.envid = e->envid,
		.to = to,
		.n = j->n,
		.source = body_source,
		.arg = b,
		.seven_bit = body_seven_bit,
		.plain_source = body_plain};

	for (int i = 0; i < j->n; i++) {
		dsn[i] = dsn_of(&j->entries[i]);
		to[i] = (struct client_recipient){.address = j->entries[i].address, .dsn = &dsn[i]};
	}
	out.way->send(out.way->arg, e->domain, &m, &j->a, s->words);
	for (int i = 0; i < j->n; i++) {
		s->attempts[i].result = to[i].result;
		s->attempts[i].dsn_passed = to[i].dsn_passed;
		s->attempts[i].host = s->words[i].host;
	}
}

static bool too_big(const queue_entry *e)
{
	int64_t most = setting_number(S_outbound_size_most, &(struct setting_at){.postoffice = e->postoffice});

	return most > 0 && e->size > most;
}

/* Nobody was reached: the others that wait for the same hosts need not try them too. */
static void avoid_when_unreachable(struct sending *s)
{
	usec span = setting_number(S_outbound_backoff, NULL);
	const struct attempt *t = &s->attempts[0];

	for (int i = 0; i < s->job->n; i++)
		if (s->attempts[i].result.cause != CLIENT_BY_HOST || s->attempts[i].result.code != 0 ||
			s->attempts[i].result.outcome != CLIENT_DEFERRED)
			return;
	if (span > 0)
		plan_avoid(out.plan, s->job, clock_now() + span, &t->result, t->host);
}

/* What must have another try, and is nobody's fault but ours. */
static bool passes(status kind)
{
	return kind == ST_BUSY || kind == ST_TIMED_OUT || kind == ST_CANCELLED;
}

/* What became of it was found out when it came. */
static struct client_result told_word(enum queue_told told)
{
	switch (told) {
	case TOLD_EXPANDED:
		return own_word(CLIENT_DELIVERED, "2.1.5", S("passed on to several recipients"));
	case TOLD_FULL:
		return own_word(CLIENT_FAILED, "5.2.2", S("the mailbox is full"));
	case TOLD_DISABLED:
		return own_word(CLIENT_FAILED, "5.2.1", S("the recipient is disabled"));
	case TOLD_ABSENT:
		return own_word(CLIENT_FAILED, "5.1.1", S("no such recipient here"));
	case TOLD_BIG:
		return own_word(CLIENT_FAILED, "5.2.3", S("the message is too big for this recipient"));
	default:
		return own_word(CLIENT_DELIVERED, "2.1.5", S("delivered to the mailbox"));
	}
}

/* A program's word on one row; not ST_OK: the store is not to be had now. */
static status attempt_program(struct sending *s, int i, enum hook h, slice program)
{
	struct attempt *t = &s->attempts[i];
	struct errand_result r;

	*t = (struct attempt){.entry = &s->job->entries[i]};
	if (program.size == 0) { /* there is none any more */
		t->result = own_word(CLIENT_DELIVERED, "2.0.0", S(""));
		return ST_OK;
	}
	TRY(hook_run_entry(h, t->entry, arena_copy(&s->job->a, program), &s->job->a, &r));
	slice said = r.said.size ? r.said : S("the postmaster's program had nothing to say");
	t->result = r.verdict == ERRAND_GO ? own_word(CLIENT_DELIVERED, "2.0.0", S(""))
		: r.verdict == ERRAND_REFUSE ? own_word(CLIENT_FAILED, "5.7.1", said)
					     : own_word(CLIENT_DEFERRED, "4.7.1", said);
	return ST_OK;
}

/* A mailbox's own program. Cut off or not, it was an attempt, and the next one is told so. */
static void attempt_delivery_program(struct sending *s, int i)
{
	const queue_entry *e = &s->job->entries[i];
	slice program = hook_program(HOOK_DELIVERY, &(struct setting_at){e->postoffice, e->domain, e->mailbox});

	if (attempt_program(s, i, HOOK_DELIVERY, program) != ST_OK)
		s->attempts[i].result = own_word(CLIENT_DEFERRED, "4.3.0", S("the program was cut off"));
	s->attempts[i].result.cause = CLIENT_BY_HOST;
}

/* People here: a report is due, or their own program. */
static void attempt_here(struct sending *s)
{
	for (int i = 0; i < s->job->n; i++) {
		const queue_entry *e = &s->job->entries[i];

		s->attempts[i] = (struct attempt){.entry = e, .result = told_word(e->told)};
		if (e->told == TOLD_PROGRAM)
			attempt_delivery_program(s, i);
	}
}

/* *may: nothing was said against it. Else its recipient has his word. */
static status ask_before_sending(struct sending *s, bool *may)
{
	const queue_entry *e = &s->job->entries[0];
	slice program = hook_program(HOOK_DISPATCH, &(struct setting_at){.postoffice = e->postoffice});

	*may = true;
	if (program.size == 0)
		return ST_OK;
	if (s->job->n > 1)
		return ST_BUSY; /* the program was named since they were claimed: each will be asked about alone */
	TRY(attempt_program(s, 0, HOOK_DISPATCH, program));
	*may = s->attempts[0].result.outcome == CLIENT_DELIVERED;
	return ST_OK;
}

/* Not ST_OK: the store is not to be had now, and nobody was asked. */
static status attempt_made(struct sending *s)
{
	plan_job *j = s->job;
	const queue_entry *e = &j->entries[0];
	struct client_result why;
	struct body body;
	slice host;
	bool may;
	status kind;

	if (e->state == QUEUE_TELL) {
		attempt_here(s);
		return ST_OK;
	}
	if (e->returned) {
		why = own_word(CLIENT_FAILED, "5.3.0", e->text.size
			? arena_format(&j->a, "returned by the postmaster; at last%s%.*s: %.*s",
				e->host.size ? " from " : "", SLICE_ARGS(e->host), SLICE_ARGS(e->text))
			: S("returned by the postmaster"));
		attempts_all(s, &why, S("")); /* no host said so */
	} else if (too_big(e)) {
		why = own_word(CLIENT_FAILED, "5.3.4", S("the message is too big to be sent"));
		attempts_all(s, &why, S(""));
	} else if (plan_avoids(out.plan, j, clock_now(), &why, &host)) {
		why.text = arena_copy(&j->a, why.text);
		why.enhanced = arena_copy(&j->a, why.enhanced);
		attempts_all(s, &why, arena_copy(&j->a, host));
	} else {
		kind = ask_before_sending(s, &may);
		if (kind == ST_OK && !may)
			return ST_OK;
		if (kind == ST_OK && clock_now() >= out.lease_until)
			return ST_BUSY; /* while it was asked another process may have begun to send */
		usec began = clock_now();
		if (kind == ST_OK)
			kind = body_open(j, &body);
		if (passes(kind))
			return kind;
		if (kind != ST_OK) {
			why = own_word(CLIENT_DEFERRED, "4.3.0", S("the text could not be read"));
			attempts_all(s, &why, S(""));
			return ST_OK;
		}
		attempt_network(s, &body);
		body_close(&body);
		metric_time(M_send_seconds, SERVICE_NONE, clock_now() - began);
		avoid_when_unreachable(s);
	}
	return ST_OK;
}

/* ---- verdicts and reports */

static int of_kind(const struct sending *s, enum report_kind k, struct verdict *to)
{
	int n = 0;

	for (int i = 0; i < s->job->n; i++)
		if (s->verdicts[i].report == k)
			to[n++] = s->verdicts[i];
	return n;
}

/* Until it is stored with its cause, or somebody else has the lease. */
static void report_all(struct sending *s, enum report_kind k)
{
	struct verdict *v = arena_new_array(&s->job->a, (size_t)s->job->n, sizeof *v);
	int n = of_kind(s, k, v);
	status kind;

	if (n == 0)
		return;
	while ((kind = report_send(v, n)) == ST_BUSY && !out.ended)
		task_sleep(TROUBLE_PAUSE);
	for (int i = 0; i < n; i++) {
		char id[ID_TEXT_SIZE + 1];

		id_text(v[i].of->entry->id, id);
		if (kind == ST_INVALID || kind == ST_BROKEN) { /* it cannot even be written */
			log_event(EV_QUEUE_UNREPORTED, "entry=%s", id);
			v[i].result.end = QUEUE_PARK;
			result_queue(s, &v[i].result);
			continue;
		}
		if (kind == ST_FOREIGN)
			log_event(EV_QUEUE_LATE, "entry=%s shard=%d", id, v[i].of->entry->shard);
		queue_settled(out.runner, &v[i].result, 1);
		result_written(s);
	}
}

static void verdicts_pass(struct sending *s)
{
	int n = s->job->n;

	s->left = n + 1; /* one for us: it must not end under our hands */
	for (int i = 0; i < n; i++) {
		report_judge(&s->attempts[i], &s->verdicts[i]);
		if (s->job->entries[0].state != QUEUE_TELL)
			trace_attempt(&s->verdicts[i], s->words[i].fields);
		if (s->verdicts[i].report == REPORT_NONE)
			result_queue(s, &s->verdicts[i].result);
	}
	for (enum report_kind k = REPORT_FAILED; k <= REPORT_EXPANDED; k++)
		report_all(s, k);
	result_written(s);
}

/* They are due as before, and nobody rings for them. */
static void give_back(const plan_job *j)
{
	queue_unclaim(out.runner, j->entries, j->n);
	if (!out.again)
		out.again_at = clock_now() + TROUBLE_PAUSE;
	for (int i = 0; i < j->n; i++)
		out.again |= UINT64_C(1) << j->entries[i].shard;
}

/* The worker ends before anybody answered: the rows stay as they are, due at once. */
static bool broken_off(const struct sending *s)
{
	for (int i = 0; i < s->job->n; i++) {
		const struct client_result *r = &s->attempts[i].result;

		if (r->outcome == CLIENT_DELIVERED || r->cause != CLIENT_BY_US || !task_cancelled())
			return false;
	}
	return true;
}

static status send_run(void *arg)
{
	struct sending *s = arg;
	status begun = s->job->suspect ? queue_begin(out.runner, &s->job->entries[0]) : ST_OK;

	if (begun == ST_OK)
		begun = attempt_made(s);
	bool off = begun != ST_OK || broken_off(s);
	task_shield(true);
	plan_sent(out.plan, s->job, clock_now());
	notice_raise(out.changed);
	if (off) {
		give_back(s->job);
		sending_end(s);
	} else {
		verdicts_pass(s);
	}
	out.senders--;
	notice_raise(out.changed);
	return ST_OK;
}

static void sender_start(plan_job *j)
{
	struct sending *s = memory_new(sizeof *s);

	*s = (struct sending){.job = j};
	s->attempts = memory_new_array((size_t)j->n, sizeof *s->attempts);
	s->words = memory_new_array((size_t)j->n, sizeof *s->words);
	s->verdicts = memory_new_array((size_t)j->n, sizeof *s->verdicts);
	for (int i = 0; i < j->n; i++)
		s->attempts[i].entry = &j->entries[i];
	out.senders++;
	if (task_start("send", send_run, s))
		return;
	out.senders--;
	plan_sent(out.plan, j, clock_now());
	give_back(j);
	sending_end(s);
}

/* ---- claims */

static void job_give_back(plan_job *j)
{
	plan_sent(out.plan, j, clock_now());
	give_back(j);
	plan_end(out.plan, &j);
}

/* True: some of its rows are not noted as being tried yet. A suspect's sender does it. */
static bool job_begins(const plan_job *j)
{
	bool new = false;

	for (int i = 0; i < j->n && !j->suspect; i++)
		new |= queue_begins(out.runner, &j->entries[i]);
	return new;
}

static void start_senders(usec *wait)
{
	bool note = false;
	link_t ready;
	plan_job *j;

	list_init(&ready);
	*wait = USEC_NEVER;
	while (!out.leaving && clock_now() < out.lease_until &&
		(j = plan_next(out.plan, &out.limits, clock_now(), wait))) {
		note |= job_begins(j);
		list_append(&ready, &j->link);
	}
	bool good = !note || queue_begun(out.runner) == ST_OK;
	for (link_t *first; (first = list_first(&ready));) {
		list_remove(first);
		j = LINK_OWNER(first, plan_job, link);
		if (good)
			sender_start(j);
		else
			job_give_back(j);
	}
	if (!good)
		*wait = clock_now() + TROUBLE_PAUSE;
}

/* What a program says of a message it says of one recipient: they go alone then. */
static unsigned recipients_most(int64_t postoffice)
{
	return hook_program(HOOK_DISPATCH, &(struct setting_at){.postoffice = postoffice}).size
		? 1
		: out.limits.recipients;
}

static void rows_plan(const queue_entry *rows, int n, arena *a)
{
	const slice *bodies = bodies_read(rows, n, a);

	for (int i = 0; i < n; i++) {
		struct plan_limits l = out.limits;

		l.recipients = recipients_most(rows[i].postoffice);
		if (out.way->limits)
			out.way->limits(out.way->arg, rows[i].domain, &l.per_destination, &l.apart);
		plan_job *j = plan_add(out.plan, &l, &rows[i],
			out.way->destination(out.way->arg, rows[i].domain, a));

		if (!j->body.at && bodies[i].at)
			j->body = arena_copy(&j->a, bodies[i]);
	}
}

/* What a claim could not give for want of room is asked for again when half of it is done. */
static void put_off(uint64_t shards)
{
	out.later |= shards;
	out.ask &= ~shards;
	out.fresh &= ~shards;
	out.resume = plan_rows(out.plan) / 2;
}

/* Half of what is left at most: what a claim brings of one post office leaves room for another's. The reserve goes out
   in pairs. */
static int claim_most(int room)
{
	int spare = room - plan_reserve(rows_most()), most = room / 2 < spare ? room / 2 : spare;

	return most < PAIR ? PAIR : most < CLAIM_MOST ? most : CLAIM_MOST;
}

/* Of those to be asked, in turn, as many as may bring so many rows: one, or one new and one deferred. */
static uint64_t shards_next(int most)
{
	uint64_t some = 0;

	for (int i = 0; i < QUEUE_SHARDS; i++) {
		int shard = (out.turn + i) % QUEUE_SHARDS;
		uint64_t bit = UINT64_C(1) << shard;

		if (!(out.ask & bit))
			continue;
		most -= out.fresh & bit ? 1 : PAIR;
		if (most < 0) {
			out.turn = shard;
			break;
		}
		some |= bit;
	}
	return some;
}

static status claim(void)
{
	arena a = ARENA_INIT;
	int room = rows_most() - plan_rows(out.plan), most = claim_most(room), n = 0;
	uint64_t more = 0;
	struct queue_claim c = {.shards = shards_next(most), .fresh = out.fresh, .each = CLAIM_EACH, .more = &more,
		.most = (unsigned)most};
	queue_entry *rows = NULL;
	status kind = ST_OK;

	c.full = plan_full(out.plan, rows_most(), &a, &c.full_count);
	if (room < PAIR) {
		put_off(out.ask);
	} else {
		out.ask &= ~c.shards;
		out.fresh &= ~c.shards;
		out.next_claim = clock_now() + APART;
		kind = queue_claim(out.runner, &c, &a, &rows, &n);
		if (kind != ST_OK)
			more = c.shards;
	}
	if (n > 0)
		rows_plan(rows, n, &a);
	out.ask |= more;
	if (kind == ST_OK && c.full_count > 0)
		put_off(c.shards & ~more);
	arena_release(&a);
	return kind;
}

/* What was given back, in a moment: the trouble may last. */
static void ask_again(void)
{
	if (!out.again || clock_now() < out.again_at)
		return;
	out.ask |= out.again;
	out.fresh &= ~out.again;
	out.again = 0;
}

static void claims_make(usec *wait)
{
	while (out.ask && !out.leaving && clock_now() < out.lease_until) {
		if (out.ask == out.fresh && clock_now() < out.next_claim) {
			if (out.next_claim < *wait)
				*wait = out.next_claim;
			return;
		}
		if (claim() != ST_OK || task_cancelled()) {
			*wait = clock_now() + TROUBLE_PAUSE;
			return;
		}
		start_senders(wait);
	}
}

static void claim_and_start(usec *wait)
{
	if (out.later && plan_rows(out.plan) <= out.resume) {
		out.ask |= out.later;
		out.later = 0;
	}
	ask_again();
	start_senders(wait);
	claims_make(wait);
	if (out.again && out.again_at < *wait)
		*wait = out.again_at;
}

/* Also where a post office has enough already: mail of another that was deferred is announced by nothing else. */
static void poll_due(void)
{
	uint64_t due;

	limits_read();
	if (queue_due(out.runner, &due) != ST_OK)
		return;
	out.ask |= due;
	out.fresh &= ~due;
}

/* Deliveries ring for a shard or two, operators for all: then old mail may be due as well. */
static void bell_heard(uint64_t shards)
{
	if (shards == UINT64_MAX)
		out.fresh = 0;
	else
		out.fresh |= shards & ~out.ask;
	out.ask |= shards;
}

/* ---- leases */

static void row_dropped(void *arg, const queue_entry *e)
{
	(void)arg;
	queue_unclaim(out.runner, e, 1);
}

static void lease_once(void)
{
	usec asked = clock_now();
	uint64_t lost = 0;

	if (queue_runner_lease(out.runner, &lost) != ST_OK)
		return;
	out.lease_until = asked + setting_number(S_queue_lease, NULL);
	if (lost)
		plan_drop(out.plan, lost, row_dropped, NULL);
}

static status lease_run(void *arg)
{
	usec pause = FIRST_LOOK;

	(void)arg;
	task_shield(true);
	for (;;) {
		struct wait on = {.fd = -1, .notice = out.over};
		int which;

		task_wait_any(&on, 1, clock_now() + pause, &which);
		if (out.ended)
			break;
		lease_once();
		notice_raise(out.changed);
		pause = setting_number(S_queue_lease, NULL) / 3;
		if (pause > 10 * USEC_S)
			pause = 10 * USEC_S;
	}
	out.senders--;
	return ST_OK;
}

/* ---- the loop */

static void tend(usec *count_at)
{
	int64_t rows;
	usec now = clock_now();

	plan_sweep(out.plan, clock_now());
	if (out.way->tend)
		out.way->tend(out.way->arg);
	if (now < *count_at)
		return;
	if (queue_runner_count(out.runner, &rows) == ST_OK)
		gauge_set(rows);
	/* A long queue takes long to count: a hundredth of the time is enough for it. */
	usec took = clock_now() - now;
	*count_at = clock_now() + (100 * took > COUNT_EVERY ? 100 * took : COUNT_EVERY);
}

static void serve(unsigned seat)
{
	int bell = queue_bell(seat), which;
	usec next_poll = 0, next_tend = 0, count_at = 0, wait;

	queue_rung(seat);
	while (!out.leaving && !task_cancelled()) {
		usec now = clock_now();

		if (now >= next_poll) {
			poll_due();
			next_poll = now + setting_number(S_queue_poll, NULL);
		}
		if (now >= next_tend) {
			tend(&count_at);
			next_tend = now + USEC_S;
		}
		claim_and_start(&wait);
		struct wait on[] = {{bell, WAIT_READ, NULL}, {-1, 0, out.changed}};
		usec until = next_poll < next_tend ? next_poll : next_tend;
		if (task_wait_any(on, 2, wait < until ? wait : until, &which) == ST_OK && which == 0)
			bell_heard(queue_rung(seat));
	}
	task_forget(bell);
}

static bool helpers_start(void)
{
	out.senders += 2;
	if (task_start("queue results", results_run, NULL)) {
		if (task_start("queue lease", lease_run, NULL))
			return true;
		out.senders--;
	} else {
		out.senders -= 2;
	}
	return false;
}

/* What is being sent has its time, then it is told to end; results are written in any case. */
static void finish(void)
{
	usec until = clock_now() + setting_number(S_stop_patience, NULL) + END_MOST;

	task_shield(true);
	plan_drop(out.plan, UINT64_MAX, row_dropped, NULL);
	while ((plan_rows(out.plan) > 0 || out.writing) && clock_now() < until)
		task_sleep(10 * USEC_MS);
	out.ended = true;
	notice_raise(out.written);
	notice_raise(out.over);
	while (out.senders > 0)
		task_sleep(10 * USEC_MS);
	queue_runner_close(&out.runner);
	gauge_set(0);
}

static status open_runner(void)
{
	status kind;

	while ((kind = queue_runner_open(&out.runner)) != ST_OK)
		TRY(task_sleep(TROUBLE_PAUSE));
	return kind;
}

status outbound_run(void *arg)
{
	const struct outbound_conf *c = arg;

	out.way = c->transport;
	out.running = true;
	out.leaving = out.ended = out.writing = false;
	out.ask = out.fresh = out.later = out.again = 0;
	out.next_claim = 0;
	out.senders = out.waiting = 0;
	list_init(&out.outcomes);
	out.changed = notice_open();
	out.written = notice_open();
	out.over = notice_open();
	out.plan = plan_open();
	limits_read();
	status kind = open_runner();
	if (kind == ST_OK && helpers_start()) {
		lease_once();
		serve(c->seat);
	}
	if (kind == ST_OK)
		finish();
	plan_close(&out.plan);
	notice_close(&out.changed);
	notice_close(&out.written);
	notice_close(&out.over);
	out.running = false;
	return kind;
}

void outbound_leave(void)
{
	if (!out.running || out.leaving)
		return;
	out.leaving = true;
	if (out.runner)
		queue_runner_leave(out.runner);
	if (out.changed)
		notice_raise(out.changed);
}

bool outbound_over(void)
{
	return !out.running;
}
