/* See batch.h. */
#include "provider/batch.h"

#include "base/memory.h"
#include "provider/setting.h"

enum { JOB_WAITS, JOB_LEADS, JOB_TAKEN, JOB_DONE };

#define FIRST_ROOM 16

/* With the lock held. */
static void job_push(struct batcher *b, struct batch_job *job)
{
	list_append(&b->waiting, &job->link);
	b->crowd++;
}

static void job_pull(struct batcher *b, struct batch_job *job)
{
	list_remove(&job->link);
	b->crowd--;
}

static void job_add(struct batch *to, struct batch_job *job, int *room)
{
	if (to->n == *room) {
		*room *= 2;
		to->jobs = memory_grow(to->jobs, (size_t)*room * sizeof(struct batch_job *));
	}
	to->jobs[to->n++] = job;
	to->weight += job->weight;
}

/* With the lock held: the jobs of the next batch, `own` first. Who does not fit leads a later one. */
static struct batch batch_take(struct batcher *b, struct batch_job *own)
{
	int room = FIRST_ROOM;
	struct batch batch = {.of = b,
		.jobs = memory_new_array((size_t)room, sizeof(struct batch_job *)),
		.lane = true};

	job_add(&batch, own, &room);
	for (link_t *at = b->waiting.next, *next; at != &b->waiting; at = next) {
		struct batch_job *job = LINK_OWNER(at, struct batch_job, link);

		next = at->next;
		if (!b->rules->fits(&batch, job))
			continue;
		job_pull(b, job);
		job->state = JOB_TAKEN;
		job_add(&batch, job, &room);
	}
	return batch;
}

/* With the lock held. It is taken off the list at once, so that the next lane goes to the next one. */
static void lane_give(struct batcher *b, struct batch_job *leader)
{
	job_pull(b, leader);
	leader->state = JOB_LEADS;
	b->lanes++;
}

/* With the lock held: gives a lane to the first that waits, when one is to be had. */
static void lane_pass(struct batcher *b)
{
	link_t *first = list_first(&b->waiting);

	if (!first || b->lanes >= (b->crowd < b->rules->crowd ? 1 : b->rules->lanes))
		return;
	struct batch_job *leader = LINK_OWNER(first, struct batch_job, link);
	lane_give(b, leader);
	notice_raise(leader->changed);
}

void batch_free_lane(struct batch *batch)
{
	struct batcher *b = batch->of;

	if (!batch->lane)
		return;
	batch->lane = false;
	pthread_mutex_lock(&b->lock);
	b->lanes--;
	lane_pass(b);
	pthread_mutex_unlock(&b->lock);
}

bool batch_has_room(const struct batch *b, const struct batch_job *next)
{
	return b->n < setting_number(S_reader_batch_most, NULL) &&
	       b->weight + next->weight <= BATCH_OCTETS;
}

static void batch_run(struct batch *batch)
{
	usec before = task_deadline(USEC_NEVER);

	task_shield(true);
	batch->of->rules->run(batch);
	task_shield(false);
	task_deadline(before);
}

static void batch_lead(struct batcher *b, struct batch_job *own)
{
	pthread_mutex_lock(&b->lock);
	struct batch batch = batch_take(b, own);
	pthread_mutex_unlock(&b->lock);

	if (batch.n == 1 && b->rules->alone)
		b->rules->alone(own);
	else
		batch_run(&batch);

	pthread_mutex_lock(&b->lock);
	for (int i = 0; i < batch.n; i++) {
		batch.jobs[i]->state = JOB_DONE;
		if (batch.jobs[i] != own)
			notice_raise(batch.jobs[i]->changed);
	}
	pthread_mutex_unlock(&b->lock);
	batch_free_lane(&batch);
	memory_free(batch.jobs);
}

static int job_state(struct batcher *b, const struct batch_job *job)
{
	pthread_mutex_lock(&b->lock);
	int state = job->state;
	pthread_mutex_unlock(&b->lock);
	return state;
}

/* Takes a job back that no batch took yet; as its leader, where it is to go at once. */
static bool job_take_back(struct batcher *b, struct batch_job *job, bool leads)
{
	pthread_mutex_lock(&b->lock);
	bool waits = job->state == JOB_WAITS;
	if (waits && leads)
		lane_give(b, job);
	else if (waits)
		job_pull(b, job);
	pthread_mutex_unlock(&b->lock);
	return waits;
}

/* Until a batch has it. */
static status job_wait(struct batcher *b, struct batch_job *job)
{
	const usec own = task_deadline_now(), span = b->rules->patience;
	usec patience = span == USEC_NEVER ? USEC_NEVER : clock_now() + span;

	while (job_state(b, job) == JOB_WAITS) {
		task_deadline(patience < own ? patience : own);
		status s = notice_wait(job->changed);
		task_deadline(own);
		if (s == ST_TIMED_OUT && patience < own)
			(void)job_take_back(b, job, true);
		else if (s != ST_OK && job_take_back(b, job, false))
			return s;
	}
	return ST_OK;
}

/* From here on others hold it: it ends with them. */
static void job_end(struct batcher *b, struct batch_job *job)
{
	usec before = task_deadline(USEC_NEVER);

	task_shield(true);
	while (job_state(b, job) != JOB_DONE)
		notice_wait(job->changed);
	task_shield(false);
	task_deadline(before);
}

status batch_join(struct batcher *b, struct batch_job *job)
{
	job->state = JOB_WAITS;
	job->changed = notice_open();
	list_init(&job->link);
	pthread_mutex_lock(&b->lock);
	job_push(b, job);
	lane_pass(b);
	pthread_mutex_unlock(&b->lock);
	status s = job_wait(b, job);
	if (s == ST_OK && job_state(b, job) == JOB_LEADS)
		batch_lead(b, job);
	else if (s == ST_OK)
		job_end(b, job);
	notice_close(&job->changed);
	return s;
}
