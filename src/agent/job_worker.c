/* The clock of jobs: a step, the pause that job_pause wants, the next step; when there is nothing
   to do, a look every second. What a step leaves undone is for the next claim to see, whoever makes
   it. */
#include "agent/job_worker.h"

#include "base/id.h"
#include "base/log.h"
#include "provider/job.h"
#include "provider/setting.h"
#include "provider/trace.h"
#include "task/task.h"

#include <inttypes.h>

#define LOOK_EVERY USEC_S
#define AGAIN_AFTER USEC_S

static void note(const struct job_claim *c, const struct job_step *s)
{
	char id[ID_TEXT_SIZE + 1];

	for (int i = 0; i < s->n; i++) {
		const struct job_mailbox *m = &s->rows[i];

		if (m->outcome == JOB_DELIVERED)
			trace_note(c->postoffice, c->id, TRACE_DELIVERED, "mailbox=%s",
				log_quote(m->name));
		else
			trace_note(c->postoffice, c->id, TRACE_REFUSED, "mailbox=%s why=%s",
				log_quote(m->name), job_outcome_name(m->outcome));
	}
	trace_flush(); /* a big job would fill the room for traces faster than the watch empties
	it */
	id_text(c->id, id);
	if (s->ended)
		log_event(EV_JOB_ENDED,
			"job=%s postoffice=%" PRId64 " delivered=%" PRId64 " full=%" PRId64
			" disabled=%" PRId64 " failed=%" PRId64,
			id, c->postoffice, s->so_far[JOB_DELIVERED], s->so_far[JOB_FULL],
			s->so_far[JOB_DISABLED], s->so_far[JOB_FAILED]);
}

/* Without a database there is nothing else to do than to wait for it. */
static status give_up(const struct job_claim *c, status why)
{
	char id[ID_TEXT_SIZE + 1];

	id_text(c->id, id);
	if (why == ST_FOREIGN) {
		log_event(EV_JOB_LATE, "job=%s", id);
		return why;
	}
	if (why != ST_CANCELLED)
		log_event(EV_JOB_STEP_FAILED, "job=%s tries=%d why=%s", id, c->tries,
			status_name(why));
	status kind;
	while ((kind = job_unclaim(c, why)) == ST_BUSY || kind == ST_TIMED_OUT || kind == ST_UNSURE)
		TRY(task_sleep(AGAIN_AFTER));
	return why;
}

static status take_step(void)
{
	struct job_claim c;
	struct job_step s;
	arena a = ARENA_INIT;

	TRY(job_claim(&c));
	status kind = job_step(&c, &a, &s);
	if (kind == ST_OK)
		note(&c, &s);
	else
		kind = give_up(&c, kind);
	arena_release(&a);
	return kind;
}

status job_worker_run(void *unused)
{
	(void)unused;
	for (;;) {
		status kind = take_step();
		TRY(task_sleep(kind == ST_OK       ? setting_number(S_job_pause, NULL)
			       : kind == ST_ABSENT ? LOOK_EVERY
						   : AGAIN_AFTER));
	}
}
