/* What runs beside its caller, in a fiber. It is never left alone: its caller waits for its end,
   cancelled or not. */
#include "task/inside.h"

#include "base/memory.h"

struct beside {
	status (*run)(void *);
	void *arg;
	task *task; /* NULL: it has returned */
	notice *returned;
	usec deadline;
	int label;
	status kind;
};

static status beside_run(void *arg)
{
	beside *b = arg;

	task_deadline(b->deadline);
	task_label(b->label);
	b->kind = b->run(b->arg);
	b->task = NULL;
	notice_raise(b->returned);
	return ST_OK;
}

beside *beside_start(const char *name, status (*run)(void *), void *arg)
{
	beside *b = memory_new(sizeof *b);

	*b = (beside){
		.run = run, .arg = arg, .deadline = task_deadline_now(), .label = task_label_now()};
	if (!task_self()) {
		b->kind = run(arg);
		return b;
	}
	b->returned = notice_open();
	b->task = task_start(name, beside_run, b);
	if (b->task)
		loop_yield(task_self()); /* what it waits for is under way from now on */
	else
		b->kind = run(arg);
	return b;
}

/* Until it has returned, whatever became of the caller. */
static void cancelled_end(beside *b)
{
	usec before = task_deadline(USEC_NEVER);

	task_shield(true);
	task_cancel(b->task);
	while (b->task)
		(void)notice_wait(b->returned);
	task_shield(false);
	task_deadline(before);
}

static void beside_close(beside **b)
{
	notice_close(&(*b)->returned);
	memory_free(*b);
	*b = NULL;
}

status beside_end(beside **b)
{
	status waited = ST_OK;

	while ((*b)->task && waited == ST_OK)
		waited = notice_wait((*b)->returned);
	if ((*b)->task)
		cancelled_end(*b);
	status kind = waited == ST_OK ? (*b)->kind : waited;
	beside_close(b);
	return kind;
}

void beside_drop(beside **b)
{
	if (!*b)
		return;
	if ((*b)->task)
		cancelled_end(*b);
	beside_close(b);
}
