/* Errands: programs of the operator that are run for a message. A worker may run none, so it hands
   the message to the runner (program/runner.h), a process of its own under a user of its own, and
   waits for the answer like for a peer. Whoever waits pays; nobody else does.

       worker  -- order, text, a socket for the answer -->  runner  -- PROGRAM FILE CONNECTOR -->
               <------- how it ended, what it said -------          <-- exit code, output --

   A program says by its exit code what shall become of the message:
       0           go on
       65, 69, 77  refuse it (EX_DATAERR, EX_UNAVAILABLE, EX_NOPERM)
       the rest    later: another code, a signal, its time is over, or it could not be run */
#ifndef PENNYPOST_NET_ERRAND_H
#define PENNYPOST_NET_ERRAND_H

#include "base/arena.h"
#include "base/clock.h"
#include "base/status.h"

struct errand {
	slice program;   /* absolute path */
	slice connector; /* what the program is told: "SMTP", "SF" */
	slice event;     /* and, in its environment, what this is about: "pickup" .. */
	slice message;   /* the message's id */
	slice sender, recipient;
	unsigned kind; /* below ERRAND_KINDS: those of one kind wait for each other, and for nobody
			  else */
	unsigned attempt;   /* 1 = the first; a later one may come after one that was cut off */
	usec patience;      /* for the program, from its start */
	unsigned at_once;   /* programs of its kind that run, ERRAND_AT_ONCE_MOST at most */
	unsigned processes; /* of their user */
	uint64_t memory;    /* of each process */
};

#define ERRAND_KINDS 3
#define ERRAND_AT_ONCE_MOST 100

enum errand_end {
	ERRAND_RAN,    /* `code`: its exit code */
	ERRAND_KILLED, /* `code`: the signal */
	ERRAND_TIMED_OUT,
	ERRAND_BARRED,  /* it is not there, or not one of those that may be run */
	ERRAND_NO_ROOM, /* its text could not be put into the runner's folder: the disk is full */
	ERRAND_FAILED   /* the runner is not there, has no room for orders, or `said` tells why its
			   folder takes no text */
};
enum errand_verdict { ERRAND_GO, ERRAND_REFUSE, ERRAND_LATER };

struct errand_result {
	enum errand_end end;
	int code;
	enum errand_verdict verdict;
	slice said; /* the first line of its output: printable ASCII, at most ERRAND_SAID octets */
	usec took;
};
#define ERRAND_SAID 200

/* This process's end of the way to the runner; -1: there is none, and errands end with
   ERRAND_FAILED. */
void errand_open(int fd);

/* A text that is being gathered for an errand: a descriptor of memory, or -1. A process has `most`
   octets of them at a time, those that wait for a runner included: ST_LIMITED beyond that, unless
   it is the only one. ST_FULL: without a descriptor, or the machine has no memory. Workers may
   write no files, so this is where texts wait. */
int errand_text(void);
status errand_text_add(int fd, slice piece, uint64_t most);
void errand_text_drop(int *fd); /* becomes -1 */

/* Runs the program and waits for its end. Takes over `text`. ST_OK with *out, whatever became of
   it; ST_CANCELLED: this task was cancelled, and the program with it. */
status errand_run(const struct errand *e, int text, arena *a, struct errand_result *out);

#endif
