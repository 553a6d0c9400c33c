/* Offload: long work on helper threads, so that the loop goes on. Helpers are started when there is
   work and none is free, up to the limit; they take jobs in order of arrival and end with the
   loop. A job lives on the stack of the fiber that waits for it. */
#include "task/inside.h"

#include "base/memory.h"

#include <signal.h>

struct job {
	link_t in;
	status (*run)(void *);
	void *arg;
	sleeper *who;
	status result;
	enum { JOB_QUEUED, JOB_RUNS, JOB_DONE } stage;
};

/* Guarded by the meeting lock; the threads are the loop's own. */
static struct {
	link_t queue;
	unsigned queued, running;
	unsigned helpers, free;
	bool closing;
	pthread_t *threads;
} offload;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER;

/* ---- the helpers' side */

static struct job *job_take(void)
{
	meeting_begin();
	offload.free++;
	while (offload.queued == 0 && !offload.closing)
		meeting_wait(&work);
	offload.free--;
	struct job *j = NULL;
	link_t *first = list_first(&offload.queue);
	if (first) {
		list_remove(first);
		j = LINK_OWNER(first, struct job, in);
		j->stage = JOB_RUNS;
		offload.queued--;
		offload.running++;
	}
	meeting_end();
	return j;
}

/* Afterwards the job belongs to its fiber again. */
static void job_done(struct job *j)
{
	meeting_begin();
	offload.running--;
	j->stage = JOB_DONE;
	sleeper_wake(j->who, 0);
	meeting_end();
}

static void *help(void *unused)
{
	for (struct job *j; (j = job_take()) != NULL;) {
		j->result = j->run(j->arg);
		job_done(j);
	}
	return unused;
}

/* ---- the loop's side; meeting lock held */

/* Signals are the business of the thread that asked for them. */
static bool helper_start(void)
{
	sigset_t all, before;
	if (offload.threads == NULL)
		offload.threads = memory_new_array(loop_limits()->helpers, sizeof(pthread_t));
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	bool started = pthread_create(&offload.threads[offload.helpers], NULL, help, NULL) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	offload.helpers += started;
	return started;
}

/* False when there is no helper and none can be had. */
static bool helpers_at_hand(void)
{
	if (offload.queue.next == NULL)
		list_init(&offload.queue);
	if (offload.free <= offload.queued && offload.helpers < loop_limits()->helpers)
		helper_start();
	return offload.helpers > 0;
}

static void job_queue(struct job *j)
{
	sleeper_begin(j->who);
	list_append(&offload.queue, &j->in);
	offload.queued++;
	pthread_cond_signal(&work);
}

/* The deadline passed or a cancel came. True when no helper had begun the job, which is withdrawn
   then; else the fiber has to sleep on. */
static bool job_withdraw(struct job *j)
{
	if (j->stage == JOB_RUNS) {
		sleeper_begin(j->who);
		j->who->task->firm = true;
	} else if (j->stage == JOB_QUEUED) {
		list_remove(&j->in);
		offload.queued--;
	}
	return j->stage != JOB_RUNS;
}

status task_offload(status (*run)(void *), void *arg)
{
	sleeper *me = sleeper_self();
	if (me->task == NULL)
		return run(arg);
	TRY(sleeper_may_wait(me));
	struct job j = {.run = run, .arg = arg, .who = me};
	meeting_begin();
	bool helped = helpers_at_hand();
	if (helped)
		job_queue(&j);
	meeting_end();
	if (!helped)
		return run(arg);

	int came = sleeper_sleep(me, NULL, 0, sleeper_deadline(me));
	meeting_begin();
	bool over = came == 0 || job_withdraw(&j);
	meeting_end();
	if (!over) {
		sleeper_sleep(me, NULL, 0, USEC_NEVER);
		me->task->firm = false;
	}
	return came == 0 ? j.result : sleeper_outcome(came);
}

bool task_helper_free(void)
{
	if (task_self() == NULL)
		return false;
	meeting_begin();
	bool is_free = offload.queued < offload.free + loop_limits()->helpers - offload.helpers;
	meeting_end();
	return is_free;
}

bool offload_busy(void)
{
	meeting_begin();
	bool busy = offload.queued + offload.running > 0;
	meeting_end();
	return busy;
}

static void offload_reset(void)
{
	memory_free(offload.threads);
	offload.threads = NULL;
	list_init(&offload.queue);
	offload.helpers = offload.free = offload.queued = offload.running = 0;
	offload.closing = false;
}

void offload_close(void)
{
	meeting_begin();
	offload.closing = true;
	pthread_cond_broadcast(&work);
	meeting_end();
	for (unsigned i = 0; i < offload.helpers; i++)
		pthread_join(offload.threads[i], NULL);
	offload_reset();
}
