/* Jobs: a message of the house's for every mailbox of a post office, or for one owner, delivered in
   steps by whichever agent comes first.

       job_make --- message, body, row of `job`, in one transaction
                        |
       agents:  job_claim --> job_step --> job_claim --> job_step ...   a step: some mailboxes in rising order
                        |
       job_find, job_list, job_cancel --- operators

   A claim leases the next step of a job and raises its epoch; the step's transaction locks the job
   under that epoch, makes the entries, notes what became of each mailbox and moves the job's place
   on. So a worker that dies leaves no mailbox without and none with two, and one that comes late
   changes nothing (R7). Jobs take turns by steps.

   The message stands in its post office once, under the job's number; entries refer to it. It goes
   into mailboxes as it is: no redirection, no answer, no program. A mailbox that is full or
   disabled is passed over and counted, and nobody gets a report. Mailboxes made after the job are
   none of it. Leases are those of the database's clock. */
#ifndef PENNYPOST_PROVIDER_JOB_H
#define PENNYPOST_PROVIDER_JOB_H

#include "base/clock.h"
#include "provider/audit.h"

/* ---- operators */

struct job_new {
	int64_t postoffice;
	int64_t mailbox; /* whose owner it is for; 0 = every mailbox of the post office */
	int64_t id;      /* id_new(): of the job and its message */
	slice raw;       /* the message */
};
/* ST_OK: it is stored and will be worked off; *total mailboxes are to get it. ST_DENIED: the post
   office is disabled, or gone. ST_EXISTS. Audited. */
status job_make(const struct job_new *n, const struct audit_by *by, int64_t *total);

struct job_row {
	int64_t id, postoffice, mailbox; /* 0 = every one */
	slice postoffice_name, mailbox_name, who, subject;
	int64_t size;                                     /* of the message */
	int64_t total, delivered, full, disabled, failed; /* mailboxes */
	usec made, started, ended;                        /* wall; 0 = not yet */
	usec took; /* since it was started, or until it ended */
	bool cancelled;
};
/* Mailboxes that are behind: served, passed over, or gone since when the job has ended. */
int64_t job_done(const struct job_row *j);
/* Mailboxes that were gone when their turn came; known when a job has ended that was not cancelled,
   0 before. */
int64_t job_gone(const struct job_row *j);

/* The newest first; postoffice 0 = those of all. */
status job_list(int64_t postoffice, unsigned most, arena *a, struct job_row **rows, int *n);
/* ST_ABSENT: there is none of that number in the post office (0: in any). */
status job_find(int64_t postoffice, int64_t id, arena *a, struct job_row *out);
/* No step begins any more when it returns; what has been delivered stays. ST_ABSENT: it is not
   there, or has ended. Audited. */
status job_cancel(int64_t postoffice, int64_t id, const struct audit_by *by);

enum job_outcome { JOB_DELIVERED, JOB_FULL, JOB_DISABLED, JOB_FAILED, JOB_OUTCOMES };
const char *job_outcome_name(enum job_outcome o);
struct job_mailbox {
	int64_t mailbox;
	slice name; /* empty: it is gone since */
	enum job_outcome outcome;
};
/* Those that did not get it, in their order. */
status job_missed(
	int64_t postoffice, int64_t id, unsigned most, arena *a, struct job_mailbox **rows, int *n);

/* ---- workers */

struct job_claim {
	int64_t postoffice, id, size;
	int64_t at, until; /* the mailboxes behind `at`, up to `until` */
	int64_t epoch;
	int tries;
};
/* The next step of the job whose turn it is. ST_ABSENT: there is nothing to do. */
status job_claim(struct job_claim *out);

struct job_step {
	struct job_mailbox *rows; /* all that the step was about */
	int n;
	bool ended;                   /* with this step */
	int64_t so_far[JOB_OUTCOMES]; /* mailboxes, this step's too */
};
/* At most job_step mailboxes. What fails again and again, or takes too long (15 s), is tried for
   fewer and fewer mailboxes and at last for one alone, and one that fails then is passed over
   (JOB_FAILED). ST_FOREIGN: the job was cancelled, or somebody else has the step. Any other kind
   than ST_OK: it is not stored, or, with ST_UNSURE and ST_TIMED_OUT, nobody knows: whoever claims
   next sees. */
status job_step(const struct job_claim *c, arena *a, struct job_step *out);
/* The step was not taken, for this reason: it may be claimed at once. What the database or this
   process could not do just now is no try of it. ST_BUSY: not written; to be called again, however
   late. */
status job_unclaim(const struct job_claim *c, status why);

#endif
