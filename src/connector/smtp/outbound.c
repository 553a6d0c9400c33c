/* The runner of the queue in one worker. Its tasks:

       outbound      claims what is due when the bell rings or the poll says so, starts senders
       lease         renews the shards' leases
       count         tells the gauge how long the queue is
       send (many)   one job each: attempt, verdicts, reports
       results       writes what needs no report, a batch at a time

   Nothing is started when the lease could not be renewed in its time: by then another runner may
   have the shards. */
#include "connector/smtp/outbound_inside.h"

#include "connector/smtp/hook.h"
#include "connector/smtp/outbound_body.h"
#include "provider/setting.h"

/* A claim is a few milliseconds' work, so that what the bell rings for meanwhile soon has its turn,
   however much is due: so many rows of so many shards. The bell's own brings what was never deferred alone. */
#define CLAIM_DUE 64
#define CLAIM_SHARDS 2
#define CLAIM_RUNG 512
#define PAIR 2                      /* the least it brings of a shard: one new row, one deferred */
#define CLAIM_EACH 100              /* of one post office and shard in it */
#define START_MOST 16               /* senders, before others have the loop */
#define FIRST_LOOK (3 * USEC_S / 2) /* for what a dead predecessor left */
#define COUNT_EVERY (15 * USEC_S)
#define END_MOST (5 * USEC_S)

static struct outbound out;

struct asked { /* shards, as bits */
	uint64_t shards;
	int turn; /* the next claim begins at */
};

static struct {
	struct asked rung; /* the bell told of something new: goes before all that is due */
	usec next;         /* but not before, */
	bool turn;         /* nor twice in a row while something is due */
	struct asked due;
	uint64_t later; /* due too, when half of what is in memory is done, if the poll does not
			   come first */
	int resume;
} ask;

static struct {
	struct plan_limits limits;
	notice *over;      /* for the lease's task */
	notice *uncounted; /* for the gauge's */
	int64_t counted;   /* of the gauge */
	bool running, leaving;
} loop;

/* ---- figures */

static void limits_read(void)
{
	loop.limits = (struct plan_limits){
		.at_once = (unsigned)setting_number(S_outbound_at_once_most, NULL),
		.per_destination = (unsigned)setting_number(S_outbound_per_domain_most, NULL),
		.per_postoffice = (unsigned)setting_number(S_outbound_per_postoffice_most, NULL),
		.recipients = (unsigned)setting_number(S_outbound_recipients_most, NULL),
		.apart = setting_number(S_outbound_rate_delay, NULL)};
}

static int rows_most(void)
{
	return 10 * (int)loop.limits.at_once;
}

/* ---- claims */

void outbound_give_back(struct outbound *o, const plan_job *j)
{
	queue_unclaim(o->runner, j->entries, j->n);
	if (!o->again)
		o->again_at = clock_now() + OUTBOUND_PAUSE;
	for (int i = 0; i < j->n; i++)
		o->again |= UINT64_C(1) << j->entries[i].shard;
}

static void job_give_back(plan_job *j)
{
	plan_sent(out.plan, j, clock_now());
	outbound_give_back(&out, j);
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
	int n = 0;
	link_t ready;
	plan_job *j;

	list_init(&ready);
	*wait = USEC_NEVER;
	while (n < START_MOST && !loop.leaving && clock_now() < out.lease_until &&
		(j = plan_next(out.plan, &loop.limits, clock_now(), wait))) {
		note |= job_begins(j);
		list_append(&ready, &j->link);
		n++;
	}
	bool good = !note || queue_begun(out.runner) == ST_OK;
	for (link_t *first; (first = list_first(&ready));) {
		list_remove(first);
		j = LINK_OWNER(first, plan_job, link);
		if (good)
			outbound_send(&out, j);
		else
			job_give_back(j);
	}
	if (!good)
		*wait = clock_now() + OUTBOUND_PAUSE;
	else if (n == START_MOST)
		*wait = 0;
}

/* What a program says of a message it says of one recipient: they go alone then. */
static unsigned recipients_most(int64_t postoffice)
{
	return hook_program(HOOK_DISPATCH, &(struct setting_at){.postoffice = postoffice}).size
		       ? 1
		       : loop.limits.recipients;
}

static void rows_plan(const queue_entry *rows, int n, arena *a)
{
	const slice *bodies = bodies_read(rows, n, a);

	for (int i = 0; i < n; i++) {
		struct plan_limits l = loop.limits;

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
	ask.later |= shards;
	ask.resume = plan_rows(out.plan) / 2;
}

/* Half of what is left at most: what a claim brings of one post office leaves room for another's.
   The reserve goes out in pairs. */
static unsigned claim_most(int room, bool rung)
{
	int spare = room - plan_reserve(rows_most()), most = room / 2 < spare ? room / 2 : spare,
	    limit = rung ? CLAIM_RUNG : CLAIM_DUE;

	return (unsigned)(most < PAIR ? PAIR : most < limit ? most : limit);
}

/* Takes as many of them as are their turn, `most` at most. */
static uint64_t shards_take(struct asked *from, int most)
{
	uint64_t some = 0;

	for (int i = 0; i < QUEUE_SHARDS; i++) {
		int shard = (from->turn + i) % QUEUE_SHARDS;
		uint64_t bit = UINT64_C(1) << shard;

		if (!(from->shards & bit))
			continue;
		if (most-- == 0) {
			from->turn = shard;
			break;
		}
		some |= bit;
	}
	from->shards &= ~some;
	return some;
}

/* Of those that rang what is new alone, as many as may bring one row each; else all that is due of
   a few. */
static void claim_choose(struct queue_claim *c, bool rung)
{
	int most = (int)c->most;

	if (rung) {
		c->shards = c->fresh = shards_take(&ask.rung, most);
		return;
	}
	most /= PAIR;
	c->shards = shards_take(&ask.due, most < CLAIM_SHARDS ? most : CLAIM_SHARDS);
}

static status claim(bool rung)
{
	arena a = ARENA_INIT;
	int room = rows_most() - plan_rows(out.plan), n = 0;
	uint64_t more = 0;
	struct queue_claim c = {.each = CLAIM_EACH, .more = &more, .most = claim_most(room, rung)};
	queue_entry *rows = NULL;
	status kind = ST_OK;

	c.full = plan_full(out.plan, rows_most(), &a, &c.full_count);
	if (room < PAIR) {
		struct asked *none = rung ? &ask.rung : &ask.due;

		put_off(none->shards);
		none->shards = 0;
	} else {
		claim_choose(&c, rung);
		kind = queue_claim(out.runner, &c, &a, &rows, &n);
		if (rung)
			ask.next = clock_now() + OUTBOUND_APART;
		if (kind != ST_OK)
			more = c.shards;
	}
	if (n > 0)
		rows_plan(rows, n, &a);
	ask.due.shards |= more;
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
	ask.due.shards |= out.again;
	out.again = 0;
}

/* One claim at most, behind which the bell is heard again. */
static void claim_next(usec *wait)
{
	bool rung = ask.rung.shards && clock_now() >= ask.next && !(ask.turn && ask.due.shards);

	if (loop.leaving || clock_now() >= out.lease_until)
		return;
	if (rung || ask.due.shards) {
		ask.turn = rung;
		if (claim(rung) != ST_OK || task_cancelled()) {
			*wait = clock_now() + OUTBOUND_PAUSE;
			return;
		}
		start_senders(wait);
	}
	if (ask.due.shards)
		*wait = 0;
	else if (ask.rung.shards && ask.next < *wait)
		*wait = ask.next;
}

static void claim_and_start(usec *wait)
{
	if (ask.later && plan_rows(out.plan) <= ask.resume) {
		ask.due.shards |= ask.later;
		ask.later = 0;
	}
	ask_again();
	start_senders(wait);
	claim_next(wait);
	if (out.again && out.again_at < *wait)
		*wait = out.again_at;
}

/* Also where a post office has enough already: mail of another that was deferred is announced by
   nothing else. */
static void poll_due(void)
{
	uint64_t due;

	limits_read();
	if (queue_due(out.runner, &due) != ST_OK)
		return;
	ask.due.shards |= due;
}

static void bell_heard(uint64_t shards)
{
	ask.rung.shards |= shards;
}

/* ---- leases */

static void row_dropped(void *arg, const queue_entry *e)
{
	(void)arg;
	queue_unclaim(out.runner, e, 1);
}

/* What an operator has held, returned or removed may stand here: all that nobody tries yet is
   claimed anew, what was deferred too. */
static void orders_heed(void)
{
	plan_drop(out.plan, UINT64_MAX, row_dropped, NULL);
	ask.due.shards = UINT64_MAX;
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
		struct wait on = {.fd = -1, .notice = loop.over};
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
	out.tasks--;
	return ST_OK;
}

/* ---- the gauge */

static void gauge_set(int64_t rows)
{
	metric_add(M_queue_entries, SERVICE_NONE, rows - loop.counted);
	loop.counted = rows;
}

/* A long queue takes long to count: a hundredth of the time is enough for it, and no claim waits
   for it. */
static status count_run(void *arg)
{
	struct wait on = {.fd = -1, .notice = loop.uncounted};
	usec pause = FIRST_LOOK;
	int64_t rows;
	int which;

	(void)arg;
	task_shield(true);
	for (;;) {
		task_wait_any(&on, 1, clock_now() + pause, &which);
		if (out.ended)
			break;
		usec began = clock_now();
		if (queue_runner_count(out.runner, &rows) == ST_OK)
			gauge_set(rows);
		usec took = clock_now() - began;
		pause = 100 * took > COUNT_EVERY ? 100 * took : COUNT_EVERY;
	}
	out.tasks--;
	return ST_OK;
}

/* ---- the loop */

static void tend(void)
{
	plan_sweep(out.plan, clock_now());
	if (out.way->tend)
		out.way->tend(out.way->arg);
}

static void serve(unsigned seat)
{
	int bell = queue_bell(seat), which;
	usec next_poll = 0, next_tend = 0, wait;

	queue_rung(seat);
	while (!loop.leaving && !task_cancelled()) {
		usec now = clock_now();

		if (now >= next_poll) {
			poll_due();
			next_poll = now + setting_number(S_queue_poll, NULL);
		}
		if (now >= next_tend) {
			tend();
			next_tend = now + USEC_S;
		}
		claim_and_start(&wait);
		if (wait == 0)
			task_sleep(0); /* whoever is ready goes first */
		struct wait on[] = {{bell, WAIT_READ, NULL}, {-1, 0, out.changed}};
		usec until = next_poll < next_tend ? next_poll : next_tend;
		if (task_wait_any(on, 2, wait < until ? wait : until, &which) == ST_OK &&
			which == 0)
			bell_heard(queue_rung(seat));
		if (queue_was_ordered(seat))
			orders_heed();
	}
	task_forget(bell);
}

static bool helper_start(const char *name, status (*run)(void *))
{
	out.tasks++;
	if (task_start(name, run, &out))
		return true;
	out.tasks--;
	return false;
}

static bool helpers_start(void)
{
	return helper_start("queue results", outbound_results) &&
	       helper_start("queue lease", lease_run) && helper_start("queue count", count_run);
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
	notice_raise(loop.over);
	notice_raise(loop.uncounted);
	while (out.tasks > 0)
		task_sleep(10 * USEC_MS);
	queue_runner_close(&out.runner);
	gauge_set(0);
}

static status open_runner(void)
{
	status kind;

	while ((kind = queue_runner_open(&out.runner)) != ST_OK)
		TRY(task_sleep(OUTBOUND_PAUSE));
	return kind;
}

status outbound_run(void *arg)
{
	const struct outbound_conf *c = arg;

	out.way = c->transport;
	loop.running = true;
	loop.leaving = out.ended = out.writing = false;
	ask.rung.shards = ask.due.shards = ask.later = out.again = 0;
	ask.next = 0;
	out.tasks = out.waiting = 0;
	list_init(&out.outcomes);
	out.changed = notice_open();
	out.written = notice_open();
	loop.over = notice_open();
	loop.uncounted = notice_open();
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
	notice_close(&loop.over);
	notice_close(&loop.uncounted);
	loop.running = false;
	return kind;
}

void outbound_leave(void)
{
	if (!loop.running || loop.leaving)
		return;
	loop.leaving = true;
	if (out.runner)
		queue_runner_leave(out.runner);
	if (out.changed)
		notice_raise(out.changed);
}

bool outbound_over(void)
{
	return !loop.running;
}
