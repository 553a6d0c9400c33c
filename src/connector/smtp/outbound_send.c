/* The senders of the queue's runner: one task a job, from the attempt to the words about it.
   Results that need no report go to one task, which writes them a batch at a time; those that need
   one are written with it. */
#include "connector/smtp/outbound_inside.h"

#include "base/id.h"
#include "base/log.h"
#include "base/memory.h"
#include "mail/date.h"
#include "provider/trace.h"

#define BATCH 100 /* results in one transaction */

struct outcome { /* a result on its way to the database */
	link_t link;
	struct sending *of;
	struct queue_result result;
};

/* ---- results */

static void sending_end(struct sending *s)
{
	struct outbound *o = s->of;
	plan_job *job = s->job;

	memory_free(s->attempts);
	memory_free(s->words);
	memory_free(s->verdicts);
	memory_free(s);
	plan_end(o->plan, &job);
	notice_raise(o->changed);
}

static void result_written(struct sending *s)
{
	if (--s->left == 0)
		sending_end(s);
}

static void result_queue(struct sending *s, const struct queue_result *r)
{
	struct outbound *o = s->of;
	struct outcome *c = memory_new(sizeof *c);

	c->of = s;
	c->result = *r;
	list_append(&o->outcomes, &c->link);
	o->waiting++;
	notice_raise(o->written);
}

static int outcomes_take(struct outbound *o, struct outcome **batch)
{
	int n = 0;

	for (link_t *first; n < BATCH && (first = list_first(&o->outcomes)); n++) {
		batch[n] = LINK_OWNER(first, struct outcome, link);
		list_remove(first);
	}
	o->waiting -= n;
	return n;
}

static bool outcomes_write(struct outbound *o)
{
	struct outcome *batch[BATCH];
	struct queue_result results[BATCH];
	int late, n = outcomes_take(o, batch);

	if (n == 0)
		return false;
	for (int i = 0; i < n; i++)
		results[i] = batch[i]->result;
	/* What another system has taken must be written: it goes on until the database takes it, or
	   a successor has the lease and this changes nothing any more. */
	while (queue_finish(o->runner, results, n, &late) != ST_OK && !o->ended)
		task_sleep(OUTBOUND_PAUSE);
	for (int i = 0; i < n; i++) {
		result_written(batch[i]->of);
		memory_free(batch[i]);
	}
	return true;
}

status outbound_results(void *arg)
{
	struct outbound *o = arg;

	task_shield(true);
	while (!o->ended) {
		o->writing = true;
		for (usec began = clock_now(); outcomes_write(o); began = clock_now())
			if (!o->ended && o->waiting < BATCH && clock_now() < began + OUTBOUND_APART)
				task_sleep(began + OUTBOUND_APART - clock_now());
		o->writing = false;
		notice_wait(o->written);
	}
	o->tasks--;
	return ST_OK;
}

/* ---- what is told of an attempt */

static void trace_attempt(const struct verdict *v, slice fields)
{
	static const enum trace_kind kinds[] = {[QUEUE_DONE] = TRACE_FAILED,
		[QUEUE_DEFER] = TRACE_DEFERRED,
		[QUEUE_PARK] = TRACE_PARKED};
	const queue_entry *e = v->of->entry;
	bool delivered = v->of->result.outcome == CLIENT_DELIVERED;
	enum trace_kind kind = delivered ? TRACE_SENT : kinds[v->result.end];
	char id[ID_TEXT_SIZE + 1];
	arena a = ARENA_INIT;
	slice next = S("");

	id_text(e->id, id);
	if (v->result.end == QUEUE_DEFER)
		next = arena_format(&a, " next=%.*s",
			SLICE_ARGS(date_stamp(clock_wall() + v->result.wait, &a)));
	if (fields.size)
		trace_note(e->postoffice, e->message, kind,
			"entry=%s recipient=%s attempt=%d%.*s %.*s", id, log_quote(e->address),
			e->attempts + !v->of->untried, SLICE_ARGS(next), SLICE_ARGS(fields));
	else
		trace_note(e->postoffice, e->message, kind,
			"entry=%s recipient=%s attempt=%d%.*s outcome=%s enhanced=%.*s reply=%s",
			id, log_quote(e->address), e->attempts + !v->of->untried, SLICE_ARGS(next),
			client_outcome_name(v->of->result.outcome),
			SLICE_ARGS(v->of->result.enhanced), log_quote(v->of->result.text));
	arena_release(&a);
	metric_add(delivered                      ? M_sent
		   : v->result.end == QUEUE_DEFER ? M_send_deferred
						  : M_send_failed,
		SERVICE_NONE, 1);
	if (v->result.end == QUEUE_PARK)
		metric_add(M_queue_parked, SERVICE_NONE, 1);
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
	while ((kind = report_send(v, n)) == ST_BUSY && !s->of->ended)
		task_sleep(OUTBOUND_PAUSE);
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
		queue_settled(s->of->runner, &v[i].result, 1);
		result_written(s);
	}
}

static void verdicts_pass(struct sending *s)
{
	int n = s->job->n;

	s->left = n + 1; /* one for us: it must not end under our hands */
	for (int i = 0; i < n; i++) {
		report_judge(&s->attempts[i], &s->verdicts[i]);
		if (s->job->entries[0].state != QUEUE_TELL ||
			s->verdicts[i].result.end == QUEUE_PARK)
			trace_attempt(&s->verdicts[i], s->words[i].fields);
		if (s->verdicts[i].report == REPORT_NONE)
			result_queue(s, &s->verdicts[i].result);
	}
	for (enum report_kind k = REPORT_FAILED; k <= REPORT_EXPANDED; k++)
		report_all(s, k);
	result_written(s);
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
	struct outbound *o = s->of;
	status begun = s->job->suspect ? queue_begin(o->runner, &s->job->entries[0]) : ST_OK;

	if (begun == ST_OK)
		begun = outbound_attempt(s);
	bool off = begun != ST_OK || broken_off(s);
	task_shield(true);
	plan_sent(o->plan, s->job, clock_now());
	notice_raise(o->changed);
	if (off) {
		outbound_give_back(o, s->job);
		sending_end(s);
	} else {
		verdicts_pass(s);
	}
	o->tasks--;
	notice_raise(o->changed);
	return ST_OK;
}

void outbound_send(struct outbound *o, plan_job *j)
{
	struct sending *s = memory_new(sizeof *s);

	*s = (struct sending){.of = o, .job = j};
	s->attempts = memory_new_array((size_t)j->n, sizeof *s->attempts);
	s->words = memory_new_array((size_t)j->n, sizeof *s->words);
	s->verdicts = memory_new_array((size_t)j->n, sizeof *s->verdicts);
	for (int i = 0; i < j->n; i++)
		s->attempts[i].entry = &j->entries[i];
	o->tasks++;
	if (task_start("send", send_run, s))
		return;
	o->tasks--;
	plan_sent(o->plan, j, clock_now());
	outbound_give_back(o, j);
	sending_end(s);
}
