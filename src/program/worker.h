/* Worker processes: what a child of the master does from its first line to its exit code. */
#ifndef PENNYPOST_PROGRAM_WORKER_H
#define PENNYPOST_PROGRAM_WORKER_H

#include "net/listener.h"
#include "provider/bootstrap.h"

#include <stdatomic.h>

enum worker_role { WORKER_MAIL, WORKER_WEB, WORKER_AGENT, WORKER_OUTBOUND };

struct worker_pulse {                 /* in memory shared with the master */
	_Atomic int64_t beat;         /* monotonic time of the last sign of life */
	_Atomic int ready;            /* serves */
	_Atomic int64_t patience;     /* how long it may take to stop, once asked to */
	_Atomic int64_t silence_most; /* without a sign of life it is taken for hanging after it */
};

struct worker {
	enum worker_role role;
	unsigned index; /* among its role */
	unsigned slot;  /* of the shared tables: metrics, peers, pulse */
	const struct bootstrap *boot;
	const struct listener_spec *specs; /* its own sockets */
	int n;
	struct worker_pulse *pulse;
	bool debug;  /* every event, whatever log_level says */
	int records; /* the pipe to the scribe */
	int errands; /* the socket to the runner; -1: none */
	int master;  /* process id */
};

#define WORKER_EXIT_OK 0
#define WORKER_EXIT_START 75 /* could not start (database, certificate): try again later */

/* Runs until told to stop; the return value is the exit code. Never returns to the master's code
   with anything open. */
int worker_run(const struct worker *w);

const char *worker_role_name(enum worker_role r);

#endif
