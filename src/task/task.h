/* Waiting. Code above this floor is written top to bottom and waits by calling. In a mail worker
   every conversation is a fiber on one epoll loop; on a plain thread (web handlers, command line,
   --stdio) the same calls fall back to poll(). Between two waits no other fiber of the process
   runs.

   Every wait returns ST_OK, ST_TIMED_OUT (the task's deadline or the given moment passed) or
   ST_CANCELLED (task_cancel was called; every later wait returns it at once too). Nothing else
   waits: no sleep, no getaddrinfo, no blocking connect, no PQexec.

   Fibers: ucontext, 128 KB mmap stack with a guard page below, free list, at most
   task_limits.most; unused stack pages of a fiber that waits longer than idle_after are given
   back. No thread-local or errno may be carried across a wait. */
#ifndef PENNYPOST_TASK_TASK_H
#define PENNYPOST_TASK_TASK_H

#include "base/clock.h"
#include "base/list.h"
#include "base/metric.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct task task;

struct task_limits {
	unsigned most;    /* fibers alive at once (10,000) */
	size_t stack;     /* bytes of stack each (128 KB) */
	usec idle_after;  /* give stack pages back after waiting this long (1 s) */
	usec held_most;   /* report a task that held the loop longer than this (50 ms) */
	unsigned helpers; /* offload threads (2) */
};
#define TASK_LIMITS_INIT ((struct task_limits){10000, 128 * 1024, USEC_S, 50 * USEC_MS, 2})

/* ---- the loop: one per process, run by the thread that called task_loop_open */
status task_loop_open(const struct task_limits *l);
void task_loop_run(void);   /* until task_loop_stop, or no task is left */
void task_loop_stop(void);  /* from any thread or signal handler; running tasks are not cancelled */
void task_loop_close(void); /* cancels what is left, runs it to its end, frees everything */
/* Cancels every task alive (graceful stop when the patience is over). */
void task_cancel_all(void);
unsigned task_count(void); /* fibers alive */

/* ---- tasks */
/* Starts a fiber (runs at the next turn of the loop). From outside fibers too, before and while
   the loop runs on this thread. NULL when task_limits.most are alive or no stack can be mapped.
   `name` is lent for the task's life (a literal). The result of run is dropped. */
task *task_start(const char *name, status (*run)(void *), void *arg);
task *task_self(void); /* NULL on a plain thread */
/* Its present and every later wait gives ST_CANCELLED. `t` is valid until its run returns; called
   on the loop's thread only. */
void task_cancel(task *t);
bool task_cancelled(void);
/* For clean-up after a cancel: until task_shield(false) waits work again (deadlines still count).
   Shields nest: as many must go as came. */
void task_shield(bool on);

/* Bounds every wait that follows in this task (monotonic moment; USEC_NEVER = none). Gives back
   the bound that stood before. On a plain thread the bound belongs to the thread. */
usec task_deadline(usec at);
usec task_deadline_now(void); /* the present bound */

/* ---- waiting */
#define WAIT_READ 1u
#define WAIT_WRITE 2u
/* Beside one of them: the caller's read or write has just said EAGAIN, so the wait need not look
   whether the descriptor is ready already (saves a system call; libpq and the like cannot tell). */
#define WAIT_TRIED 4u
/* Until the descriptor is ready (or has an error or hang-up, which counts as ready); it may also
   return ST_OK without need, so try and wait again. The descriptor must be non-blocking. Registered
   in epoll edge-triggered on first use: call task_forget(fd) before closing it, on the same thread.
   One task may read and another write, but not two the same way. */
status task_wait(int fd, unsigned ready);
void task_forget(int fd);
/* Forgets and closes it. */
void task_close(int fd);
/* A span of 0 lets every other ready task run once. */
status task_sleep(usec span);
/* Lets others run if this task has held the loop for more than 2 ms. Does not wait, but tells a
   cancel or a passed deadline like a wait. */
status task_breathe(void);

/* Notices: something happened. Raised from any thread or fiber of the process; remembered until a
   waiter takes it, so that a raise between check and wait is not lost. One waiter takes one raise,
   several raises before a wait count once. */
typedef struct notice notice;
notice *notice_open(void);
void notice_close(notice **n);
void notice_raise(notice *n);
status notice_wait(notice *n);

/* Waiting for the first of several. */
struct wait {
	int fd; /* -1 when a notice is meant */
	unsigned ready;
	notice *notice;
};
#define TASK_WAITS_MOST 16
/* *which = index of the one that came first. `until` bounds this wait besides the deadline. n is
   at most TASK_WAITS_MOST. What is ready already comes before a moment that has passed. */
status task_wait_any(struct wait *w, int n, usec until, int *which);

/* ---- gates: at most `most` at once inside, the others wait in order of arrival. Works between
   fibers and plain threads alike. */
typedef struct gate gate;
gate *gate_open(unsigned most);
void gate_close(gate **g);
status gate_enter(gate *g); /* ST_OK: inside; else not inside */
bool gate_try(gate *g);
void gate_leave(gate *g);
/* From now on `most` may be inside; who is inside already stays. */
void gate_width(gate *g, unsigned most);
unsigned gate_waiting(const gate *g);

/* ---- offload: runs the function on a helper thread while this task waits, and gives its result.
   The function must not use this floor's waits, providers or streams. When the task is cancelled or
   timed out before a helper was free, the function does not run; when it is meanwhile, the call
   still returns only after the function has ended (its arguments live on this stack). Both give
   ST_CANCELLED or ST_TIMED_OUT. On a plain thread it simply runs the function. */
status task_offload(status (*run)(void *), void *arg);
/* A helper would begin at once: for work that may as well be done here, and had better not stand
   behind what is long. False on a plain thread. */
bool task_helper_free(void);

/* ---- beside: something that is wanted soon, while its caller goes on. */
typedef struct beside beside;
/* Runs the function in a fiber of its own, with the caller's deadline and label: first up to where
   it waits, as others that are ready may do too, then beside the caller. On a plain thread, and
   where no fiber can be had, it runs to its end at once. To be ended by the same caller; what `arg`
   points to is the function's until then. */
beside *beside_start(const char *name, status (*run)(void *), void *arg);
/* Waits until the function has returned, and gives its result. When the caller is cancelled
   meanwhile, or its deadline passes, the function is cancelled, and the kind of that wait is given.
   *b is NULL then. */
status beside_end(beside **b);
/* The same for a result nobody wants any more: the function is cancelled. NULL is nothing. */
void beside_drop(beside **b);

/* What a task is for, in its owner's numbers; 0 until it is told. A plain thread has one too. */
void task_label(int label);
int task_label_now(void);

/* ---- tests on a virtual clock (base/clock.h). Moments are then those of clock_now(): a wait ends
   when the test calls clock_advance(), from a fiber followed by task_sleep(0), or from another
   thread. After task_virtual_run(true) nobody has to: when no task is ready, no offload runs and
   no descriptor or notice wakes anybody within 1 ms, the loop (or, when none is open, the waiting
   plain thread) advances the clock to the next moment itself. Meant for tests whose peers are
   fibers of the same loop. After task_virtual_alone(true) that millisecond is not waited for in a
   loop: nobody but fibers and helpers wakes anybody there, and what they wrote is there at once. */
void task_virtual_run(bool on);
void task_virtual_alone(bool on);

#endif
