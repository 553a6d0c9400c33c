/* Fibers: a stack with a guard page below it and the switch between it and the loop. Only the loop
   resumes a fiber, only a fiber suspends itself; both on one thread. Everything a sanitizer must
   know about the switch is in fiber.c. */
#ifndef PENNYPOST_TASK_FIBER_H
#define PENNYPOST_TASK_FIBER_H

#include <stddef.h>

typedef struct fiber fiber;

/* A fiber that will run body(arg) when first resumed; the body never returns. NULL when no stack
   can be mapped. */
fiber *fiber_open(size_t stack, void (*body)(void *arg), void *arg);
/* Not the one that runs. What its stack held is gone. */
void fiber_close(fiber **f);
/* From the loop into the fiber; back when it suspends itself. */
void fiber_resume(fiber *f);
/* From the fiber back to the loop; back when it is resumed. */
void fiber_suspend(fiber *f);
/* Gives the pages below what a suspended fiber uses back to the machine. */
void fiber_give_back(const fiber *f);

#endif
