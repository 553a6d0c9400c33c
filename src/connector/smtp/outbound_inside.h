/* What the files of the queue's runner share: it leases, claims and starts senders (outbound.c);
   each makes an attempt for one job (outbound_attempt.c), judges what came of it, reports, and
   hands the results to the one task that writes them (outbound_send.c). */
#ifndef PENNYPOST_CONNECTOR_SMTP_OUTBOUND_INSIDE_H
#define PENNYPOST_CONNECTOR_SMTP_OUTBOUND_INSIDE_H

#include "connector/smtp/outbound.h"
#include "connector/smtp/plan.h"
#include "connector/smtp/report.h"
#include "task/task.h"

/* Between claims that the bell asks for, and between batches of results: what comes meanwhile goes
   along. */
#define OUTBOUND_APART (10 * USEC_MS)
#define OUTBOUND_PAUSE USEC_S /* after the database refused */

struct outbound { /* the runner of one worker */
	const struct outbound_transport *way;
	queue_runner *runner;
	plan *plan;
	usec lease_until; /* by this process's clock, from before the asking: nothing begins after
			     it */
	notice *changed;  /* something ended: more may start */
	int tasks;        /* senders and helpers that have not returned */
	bool ended;       /* what is not written by now is a successor's */
	uint64_t again;   /* shards of which something was given back untried: claimed from anew at
			     `again_at` */
	usec again_at;
	/* Results on their way to the database (outbound_send.c). */
	link_t outcomes;
	int waiting;     /* of them */
	notice *written; /* some wait */
	bool writing;
};

struct sending { /* a job under way, until its last result is written */
	struct outbound *of;
	plan_job *job;
	struct attempt *attempts; /* one per entry of the job, as are these: */
	struct outbound_word *words;
	struct verdict *verdicts;
	int left; /* results to be written */
};

/* ---- outbound_attempt.c */
/* One attempt for all recipients of the job: by the transport, by a program, or by what is known of
   them already. Fills s->attempts, and s->words where hosts were asked. Not ST_OK: the store is not
   to be had now, and nobody was asked. */
status outbound_attempt(struct sending *s);

/* ---- outbound_send.c */
/* Starts the sender of a job that plan_next gave; from now on the job is its. Without memory for a
   task the job is given back. */
void outbound_send(struct outbound *o, plan_job *j);
/* A task body: writes results, a batch at a time, until o->ended and `written` is raised. Its
   argument is the struct outbound. */
status outbound_results(void *arg);

/* ---- outbound.c */
/* Rows that nobody was asked about are unclaimed, and looked for again in a moment: they are due as
   before, and nobody rings for them. */
void outbound_give_back(struct outbound *o, const plan_job *j);

#endif
