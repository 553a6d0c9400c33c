/* See brief.h. */
#include "provider/brief.h"

#include "base/log.h"
#include "provider/batch.h"

#include <stdlib.h>

struct question {
	enum statement_id id;
	const struct param *p;
	int n;
	arena *a;
	struct rows *out;
	bool alone; /* it was */
	status outcome;
	struct batch_job job;
};

static struct question *question_of(struct batch_job *job)
{
	return LINK_OWNER(job, struct question, job);
}

/* 0: nobody's, which are asked before a post office is named. */
static int64_t whose(const struct question *q)
{
	return statement_table[q->id].kind == STATEMENT_TENANT ? q->p[0].number : 0;
}

static int order(const void *a, const void *b)
{
	int64_t x = whose(*(struct question *const *)a), y = whose(*(struct question *const *)b);

	return x < y ? -1 : x > y;
}

static void batch_ask(struct batch *b)
{
	arena a = ARENA_INIT;
	struct question **all = arena_new_array(&a, (size_t)b->n, sizeof *all);
	db_tx *tx = db_begin(DB_RUN, &a);

	for (int i = 0; i < b->n; i++)
		all[i] = question_of(b->jobs[i]);
	qsort(all, (size_t)b->n, sizeof *all, order);
	for (int i = 0; i < b->n; i++)
		db_add_into(tx, all[i]->id, all[i]->p, all[i]->n, all[i]->a, all[i]->out);
	status s = db_commit(&tx, NULL);
	for (int i = 0; i < b->n; i++)
		all[i]->outcome = s;
	arena_release(&a);
}

static status ask(struct question *q)
{
	return db_run(q->id, q->p, q->n, q->a, q->out);
}

static void ask_alone(struct batch_job *job)
{
	struct question *q = question_of(job);

	q->outcome = ask(q);
	q->alone = true;
}

static const struct batch_rules rules = {
	BATCH_OF_READERS, .fits = batch_has_room, .run = batch_ask, .alone = ask_alone};
static struct batcher short_ones = BATCHER_INIT(short_ones, &rules),
		      long_ones = BATCHER_INIT(long_ones, &rules);

status brief_run(enum statement_id id, const struct param *p, int n, size_t octets, arena *a,
	struct rows *out)
{
	struct question q = {
		.id = id, .p = p, .n = n, .a = a, .out = out, .job = {.weight = octets}};

	if (!task_self())
		return ask(&q);
	TRY(batch_join(octets <= BRIEF_SHORT ? &short_ones : &long_ones, &q.job));
	/* What became of all says little of one. */
	return q.outcome == ST_OK || q.alone ? q.outcome : ask(&q);
}

status brief_one(enum statement_id id, const struct param *p, int n, size_t octets, arena *a,
	struct rows *out)
{
	TRY(brief_run(id, p, n, octets, a, out));
	if (out->count == 0)
		return ST_ABSENT;
	return out->count == 1 ? ST_OK
			       : log_trouble(ST_BROKEN, EV_DB_MISUSED, "statement=%s rows=%d",
					 statement_table[id].name, out->count);
}
