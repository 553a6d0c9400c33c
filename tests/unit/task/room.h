/* What the tests of this room share: a loop around a few fibers, pairs of descriptors. */
#ifndef PENNYPOST_TESTS_TASK_ROOM_H
#define PENNYPOST_TESTS_TASK_ROOM_H

#include "task/task.h"

#include <criterion/criterion.h>
#include <sys/types.h>

/* Opens a loop; fails the test when it cannot. */
void room_open(void);
/* Starts a fiber; fails the test when it cannot. */
task *room_start(const char *name, status (*run)(void *), void *arg);
/* Runs all fibers to their end and closes the loop. */
void room_run(void);
/* One fiber from open to close. */
void room_run_one(status (*run)(void *), void *arg);
/* Two connected, non-blocking sockets. */
void room_pair(int at[2]);
/* One byte, waiting for it; fails the test when it does not come. */
char room_take(int fd);
void room_give(int fd, char c);
/* This process: resident bytes. */
size_t room_resident(void);
/* The machine's clock. */
usec room_machine_now(void);
/* The signal that ended run() in a child of its own; 0 when it came to its end. */
int room_dies_by(void (*run)(void));

/* Whether the build runs under a sanitizer: memory figures are its own then. */
#if defined PENNYPOST_ASAN || defined PENNYPOST_TSAN
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

#endif
