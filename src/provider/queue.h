/* The queue of mail for other systems: one row per recipient, in shards by the hash of its domain
   (store.md, reason 13). Rows are made by deliver_run, in the transaction of the message itself.
   A runner leases whole shards; what it finds out is written in batches, fenced by the lease's
   epoch, so that a runner that lost a shard changes nothing in it any more (R7).

       queue ----- first 4xx -----> queue_deferred         held: an operator's word
         |                            |                    parked: poison, or a report that
         +--- delivered, failed ------+--> gone                    cannot be delivered

   Moments and leases are those of the database's clock alone. */
#ifndef PENNYPOST_PROVIDER_QUEUE_H
#define PENNYPOST_PROVIDER_QUEUE_H

#include "mail/parameter.h"
#include "provider/audit.h"

#define QUEUE_SHARDS 64
#define QUEUE_TEXT_MOST 1000 /* octets of a reply that are kept */

/* ---- entering: members of struct delivery and delivery_part (deliver.h) */

enum queue_told { /* what the sender of a recipient here is told */
	TOLD_DELIVERED,
	TOLD_EXPANDED, /* it is a group: its members have it, or are told of by themselves */
	TOLD_FULL,
	TOLD_DISABLED,
	TOLD_ABSENT,
	TOLD_BIG,
	TOLD_PROGRAM /* nobody is told: a program of the operator is to be run for it */
};
struct queue_recipient {
	slice address;   /* as mail_address_text() gives it: for RCPT */
	slice domain;    /* canonical; "[192.0.2.1]" for a literal */
	unsigned notify; /* set of parameter_notify; 0 = not given */
	slice orcpt;     /* "rfc822;anna@example.org", decoded; empty = none */
	bool parked;     /* never tried: a report nobody can be given (T15, R23) */
	bool delivered;  /* into a mailbox here, by this very transaction: his sender asked to be
			    told  (NOTIFY=SUCCESS), which the runner does */
	enum queue_told told; /* then; or why it was not delivered */
	/* Of mail that a mailbox here passes on: */
	slice sender;    /* of this copy, in the place of the envelope's (mail/srs.h); empty = that
	   one */
	slice via;       /* the address that was written to: Delivered-To of this copy (T16) */
	int64_t mailbox; /* that passes it on: its recipients are counted (T14); 0 = the envelope's;
			    TOLD_PROGRAM: where it is */
};
struct queue_envelope {  /* what the recipients of one message share */
	slice sender;    /* as mail_address_text() gives it; empty = the null path */
	int64_t mailbox; /* of the sender who logged on; 0 = none */
	bool counted;    /* for queue_sent: his recipients have a limit */
	enum parameter_ret ret;
	slice envid; /* decoded; empty = none */
	bool eight_bit, binary, utf8, require_tls;
	int priority;  /* higher goes first among the due; 0 = usual */
	usec lifetime; /* until undelivered mail is returned */
};

/* The shard of a domain: the same on every node. */
int queue_shard(slice domain);

/* ---- the doorbell: rows were committed. Wakes the runners of this node at once; those of other
   nodes see them at their next poll. */
void queue_share(void); /* master, before the first fork; else the bell is one process's */
void queue_ring(uint64_t shards); /* bit n = shard n; never waits */
/* The descriptor becomes readable when a shard was rung for since the last queue_rung, which tells
   them. `seat` = index of the outbound worker, below QUEUE_SEATS. */
#define QUEUE_SEATS 16
int queue_bell(unsigned seat);
uint64_t queue_rung(unsigned seat);
/* An operator's order was heard of, from wherever it came: the bells of this process become
   readable, and each of its seats is told once. From any thread. */
void queue_ordered(void);
bool queue_was_ordered(unsigned seat);

/* ---- running */

enum queue_state {
	QUEUE_READY = 0,
	QUEUE_HELD = 1,   /* by an operator, until released */
	QUEUE_PARKED = 2, /* bad mail: poison (R8), or a report that cannot be delivered (R23) */
	QUEUE_TELL = 3 /* delivered here, or found not to be deliverable: a report of it is due */
};

typedef struct queue_entry {
	int64_t id; /* of the row; shown by id_text */
	int shard;
	int64_t epoch; /* of the lease it was claimed under; 0 in lists */
	int64_t postoffice, message, mailbox;
	slice sender, domain, address, orcpt, envid;
	slice via; /* the address here that passed it on; empty = none */
	unsigned notify;
	enum queue_told told; /* QUEUE_TELL */
	enum parameter_ret ret;
	bool eight_bit, binary, utf8, require_tls;
	int priority, attempts;
	int notices; /* delay notices sent */
	int kills;   /* workers that died while it was tried */
	enum queue_state state;
	usec made, next, expires; /* wall; next USEC_NEVER = not by itself */
	int code;                 /* of the last reply; 0 = none */
	slice host, text;         /* of the last attempt */
	int64_t size;             /* of the message */
	bool expired;             /* its lifetime was over when it was asked for */
	bool returned;            /* an operator wants it back with its sender, untried */
	bool urged;               /* an operator wants it tried now */
} queue_entry;

typedef struct queue_runner queue_runner;
/* Announces a runner. Nothing is leased yet. */
status queue_runner_open(queue_runner **out);
/* Gives the shards back and forgets the runner; what was being tried is due again at once. */
void queue_runner_close(queue_runner **r);
/* Told to end: it takes no shards any more, and its successor waits for those it has. */
status queue_runner_leave(queue_runner *r);
/* Renews its leases (queue_lease long), takes free shards up to its share of all runners that are
   alive, gives back what is over it as soon as nothing of it is being tried. The owner calls it at
   a third of the lease. Rows whose runner died are noted as having killed it; at the third time
   they are parked (R8). A process of the same name that came before is dead, unless it was leaving.
   ST_BUSY: not now; *lost (may be NULL) = shards that went to others. */
status queue_runner_lease(queue_runner *r, uint64_t *lost);
uint64_t queue_runner_shards(const queue_runner *r);

/* Which of its shards have something due. */
status queue_due(queue_runner *r, uint64_t *shards);
/* Due rows of the shards in `shards`, at most `most` and `each` of one post office and shard; post
   offices take turns from where the last call stopped (R22). Rows claimed and not yet finished are
   left out, as are those of post offices in `full`. Of the shards in `fresh` only what was never
   deferred is looked at: what the bell rings for. New and deferred rows share `most` evenly, and
   one of each is asked for at least: `most` counts only from one row for each shard, two where it
   is not in `fresh`. */
struct queue_claim {
	uint64_t shards, fresh;
	unsigned most, each;
	const int64_t *full;
	int full_count;
	uint64_t *more; /* may be NULL: shards that may have more of it */
};
status queue_claim(
	queue_runner *r, const struct queue_claim *c, arena *a, queue_entry **rows, int *n);
/* Before rows are tried the runner's successor must be able to know of it (R8): queue_begins for
   each, and queue_begun when one of them said true: most are noted with their claim. queue_begin is
   both, for a suspect (kills > 0): one at a time, so that the innocent are not blamed. */
bool queue_begins(queue_runner *r, const queue_entry *e);
status queue_begun(queue_runner *r);
status queue_begin(queue_runner *r, const queue_entry *e);

enum queue_end {
	QUEUE_DONE,  /* delivered, failed, or given up: the row goes */
	QUEUE_DEFER, /* again after `wait` */
	QUEUE_PARK
};
enum queue_gone {      /* how a row goes that is done, for the ledger (ledger.h) */
	GONE_SENT,     /* another system has the mail */
	GONE_RETURNED, /* its sender is told that it failed */
	GONE_TOLD,     /* it was there for a report or a program alone */
	GONE_DROPPED   /* it failed, and its sender wished no word of it */
};
struct queue_result {
	const queue_entry *entry;
	enum queue_end end;
	bool untried; /* QUEUE_DEFER: nobody was asked, so no attempt is counted */
	bool refused; /* else: by a 5xx of its host, about this recipient or message (T19) */
	enum queue_gone gone; /* QUEUE_DONE */
	usec wait;
	usec until;   /* QUEUE_DEFER: tried until then, whatever was promised at first; wall, 0 = as
			 it was */
	bool noticed; /* a delay notice goes in the same transaction */
	int code;
	slice enhanced; /* "4.3.0": kept before the text where a host said the code */
	slice host, text;
};
/* Writes results in one transaction. Those whose lease was lost or whose row is gone change
   nothing; they are logged and counted in *late. The rows may be claimed again. ST_OK also then.
   With a report in the same transaction: delivery.ends (deliver.h), then queue_settled. */
status queue_finish(queue_runner *r, const struct queue_result *results, int n, int *late);
/* The results were written by deliver_run: their rows are no longer being tried. */
void queue_settled(queue_runner *r, const struct queue_result *results, int n);
/* Rows that were claimed and will not be tried now. */
void queue_unclaim(queue_runner *r, const queue_entry *rows, int n);
/* Rows in the runner's shards: for the gauge. */
status queue_runner_count(queue_runner *r, int64_t *rows);

/* ---- operators */

struct queue_filter { /* all that are set must fit; empty or 0 = any */
	int64_t id;   /* of the row, or of the message */
	slice sender; /* address, or part of it with *; <> the null sender */
	slice recipient;
	slice domain;       /* with * as well */
	int64_t postoffice; /* -1 = any */
	usec older;         /* made longer ago than this */
	int state;          /* -1 = any, else enum queue_state */
};
#define QUEUE_FILTER_ANY ((struct queue_filter){.postoffice = -1, .state = -1})

/* Oldest first, those behind `after` (0 = from the start). */
status queue_list(const struct queue_filter *f, int64_t after, unsigned most, arena *a,
	queue_entry **rows, int *n);

/* Who has a row in hand, to try it at once or when it is its turn, and since when. */
struct queue_holder {
	slice name; /* node and process; empty = nobody */
	usec since; /* wall; 0 = it does not say */
};
/* Of each of these rows. Up to 380 of a worker can be told. */
status queue_taken(const queue_entry *rows, int n, arena *a, struct queue_holder **by);

enum queue_order {
	QUEUE_RETRY,   /* due now: those that wait for their time, no held or parked ones */
	QUEUE_HOLD,    /* not until released */
	QUEUE_RELEASE, /* held and parked ones: due now */
	QUEUE_RETURN,  /* back to its sender, with a report, at the next turn of the runner */
	QUEUE_DELETE   /* without a word */
};
/* For all that fit, ten thousand in a transaction; *changed tells how many, also where it broke off
   (then the same order again does the rest). Audited. Every runner hears of it and claims anew what
   it is not trying yet. */
status queue_order(const struct queue_filter *f, enum queue_order o, const struct audit_by *by,
	int64_t *changed);

struct queue_counts {
	int64_t ready, deferred, held, parked;
	usec oldest; /* wall; 0 = the queue is empty */
};
status queue_counts(struct queue_counts *out);

/* ---- T19 */

struct queue_sent {            /* what went to other systems in the last hour */
	int64_t by_mailbox;    /* recipients */
	int64_t by_postoffice; /* of all its mailboxes that have a limit */
	int64_t targets,
		fresh; /* different addresses of the mailbox; those of `to` that are none of
	                           them. Counted where it has a limit of them */
	usec paused;   /* wall: until then it writes to nobody there; 0 = it may */
};
/* `to` as mail_address_text() gives them. ST_BUSY. */
status queue_sent(
	int64_t postoffice, int64_t mailbox, const slice *to, int n, struct queue_sent *out);

/* What other systems said to a mailbox's own mail: what was submitted after its logon, not what it
   passed on or answered. Counted with the results where sent_refused_percent is set; when too much
   of it was refused, it is paused, which is logged and audited, and counted anew after it. A result
   that is written twice, since nobody knew whether it was, counts twice. */
struct queue_refused {
	usec since;             /* counted from then on, for an hour */
	int64_t ended, refused; /* recipients; of them by a 5xx of their host */
	usec paused;            /* as above */
};
/* ST_ABSENT: nothing counts now. */
status queue_refused(int64_t postoffice, int64_t mailbox, struct queue_refused *out);
/* Ends the pause. Audited. ST_ABSENT: there is none. */
status queue_refused_release(int64_t postoffice, int64_t mailbox, const struct audit_by *by);

#endif
