/* What the files of this room share among themselves; nobody else includes it.

   Everything that waits is a sleeper: a fiber's task or a plain thread. It marks itself SLEEPING,
   puts waiters into the queues of what it waits for, and sleeps; the first who changes the mark
   (a compare-and-swap) wakes it, and everybody who comes later keeps what he brought:

       sleeper_begin -> queued -> sleeper_sleep ... sleeper_wake(index | WOKE_*) -> queues left

   Notices, gates and offload jobs are guarded by one mutex, the meeting lock; it is held for a few
   instructions and never across a wait. The fd table, timers and ready queue belong to the loop's
   thread. */
#ifndef PENNYPOST_TASK_INSIDE_H
#define PENNYPOST_TASK_INSIDE_H

#include "task/fiber.h"
#include "task/task.h"

#include <pthread.h>
#include <stdatomic.h>

#define SLEEPING (-1)
#define WOKE_TIMED_OUT (-2)
#define WOKE_CANCELLED (-3)
#define AWAKE (-4)

typedef struct sleeper {
	atomic_int came; /* SLEEPING, AWAKE, WOKE_*, or the index of what came first */
	task *task;      /* NULL: a plain thread */
	int bell;        /* a thread's eventfd, -1 = none yet (or none to be had) */
} sleeper;

/* A sleeper's place in the queue of one thing it waits for. */
struct waiter {
	link_t in;
	sleeper *who;
	int index;
};

struct task {
	link_t alive;
	link_t turn;    /* in the ready queue, or in the inbox of the loop */
	link_t resting; /* asleep, in order of falling asleep */
	const char *name;
	status (*run)(void *);
	void *arg;
	fiber *fiber;
	sleeper sleep;
	usec deadline;
	usec since;   /* when it fell asleep */
	usec until;   /* when its present sleep ends; USEC_NEVER */
	size_t timer; /* place in the timer heap, from 1; 0 = none */
	const struct wait *waits;
	int wait_count;
	int label;
	bool cancelled;
	unsigned shielded; /* shields up */
	bool firm;         /* sleeps through a cancel */
	bool ended;
};

/* ---- wait.c: sleepers */
sleeper *sleeper_self(void);
/* Cancelled, or the deadline passed: what a wait that starts now has to return. */
status sleeper_may_wait(const sleeper *me);
usec sleeper_deadline(const sleeper *me);
void sleeper_begin(sleeper *me);
/* Sleeps until woken, one of the descriptors in w is ready, or `until`. Gives what came. */
int sleeper_sleep(sleeper *me, const struct wait *w, int n, usec until);
/* False when somebody else woke it before. With the meeting lock held, unless the sleeper is a
   task and this is the loop's thread. */
bool sleeper_wake(sleeper *s, int came);
/* Wakes the first of a queue that still sleeps; false when there is none. Meeting lock held. */
bool sleeper_wake_first(link_t *queue);
status sleeper_outcome(int came);
void meeting_begin(void);
void meeting_end(void);
void meeting_wait(pthread_cond_t *until); /* lets go of the lock meanwhile */
usec usec_add(usec a, usec b);            /* never beyond USEC_NEVER */
bool virtual_runs(void);  /* task_virtual_run(true) was called and the clock is virtual */
bool virtual_alone(void); /* that, and task_virtual_alone(true) */
/* For poll and epoll_wait: milliseconds until then, rounded up; -1 for never. While the clock is
   virtual a short real time, because somebody may advance it. */
int patience_until(usec moment);

/* ---- loop.c */
bool loop_here(void); /* this thread runs the loop */
bool loop_is_open(void);
const struct task_limits *loop_limits(void);
void loop_ready(task *t);
void loop_inbox(task *t); /* from other threads, meeting lock held */
int loop_park(task *t, const struct wait *w, int n, usec until);
void loop_yield(task *t);
usec loop_held(void); /* how long the running task has had the loop */
/* Whether the descriptor is known to be ready, which this call takes. */
bool loop_take_ready(const struct wait *w);

/* ---- timer.c: the moment each sleeping task wakes by itself */
void timer_set(task *t, usec until);
void timer_unset(task *t);
void timer_drop(task *t);
usec timer_next(void);     /* USEC_NEVER when there is none */
task *timer_due(usec now); /* takes one whose moment has come; NULL when there is none */
void timer_close(void);

/* ---- offload.c */
bool offload_busy(void);
void offload_close(void);

#endif
