/* What is to be sent, in the order it is sent: claimed rows become jobs (one message, one
   destination, some recipients), and jobs wait in lanes.

       plan --> post offices, in turn --> lanes, in turn --> jobs, by priority
                (so many at once)         (a destination: so many at once, so far apart)

   A destination is the host of a route or a domain; it has its limits for all post offices
   together. Of what may be sent at once several post offices leave something for the next one,
   whatever hosts theirs waits for: a tenth, and one that sends nothing gets one of it. One alone
   leaves one. One whose hosts cannot be reached is left alone for a while. Memory alone; one task
   at a time. */
#ifndef PENNYPOST_CONNECTOR_SMTP_PLAN_H
#define PENNYPOST_CONNECTOR_SMTP_PLAN_H

#include "base/list.h"
#include "connector/smtp/client.h"
#include "provider/queue.h"

struct plan_limits {
	unsigned at_once, per_destination, per_postoffice, recipients;
	usec apart; /* between two messages to one destination */
};

typedef struct plan plan;
struct plan_office;
struct plan_destination;
struct plan_lane;

typedef struct plan_job { /* owned by the plan until plan_next gave it, then by its sender */
	link_t link;
	arena a;
	int64_t postoffice, message;
	slice destination;
	queue_entry *entries;
	int n, room;
	slice body;   /* in `a`, when its small text was read with others'; else NULL */
	bool suspect; /* alone, and no other suspect beside it (R8) */
	struct plan_lane *lane;
	struct plan_office *office;
	struct plan_destination *to;
} plan_job;

plan *plan_open(void);
void plan_close(plan **p); /* jobs that wait go too */
/* Copies the row, and gives the job it went into. Its destination is the key of its limits, and `l`
   holds what is its own of them from now on. One that an operator wants tried now ends its
   destination's being left alone. */
plan_job *plan_add(plan *p, const struct plan_limits *l, const queue_entry *e, slice destination);
/* The next job that may start now, or NULL; *wait = the moment when another may by time alone
   (USEC_NEVER: none). It counts as active until plan_sent. */
plan_job *plan_next(plan *p, const struct plan_limits *l, usec now, usec *wait);
/* The host has answered or not: its slot is free. */
void plan_sent(plan *p, plan_job *j, usec now);
/* Its results are written: forgets it. */
void plan_end(plan *p, plan_job **j);

/* The destination cannot be reached until then, for this reason. */
void plan_avoid(plan *p, plan_job *j, usec until, const struct client_result *why, slice host);
/* Whether that is so now; *why and *host are lent until the next call. */
bool plan_avoids(plan *p, const plan_job *j, usec now, struct client_result *why, slice *host);
/* Forgets destinations nobody sends to any more, and rows of shards that are lost. */
void plan_sweep(plan *p, usec now);
void plan_drop(
	plan *p, uint64_t shards, void (*dropped)(void *arg, const queue_entry *e), void *arg);

int plan_rows(const plan *p); /* claimed and not ended */
int plan_reserve(int most);   /* of so many rows: for post offices that have none */
/* Post offices that have enough of the `most` rows there is room for: those with three times as
   many as are left (alone one has three quarters), and all when what is left is no more than the
   reserve. */
const int64_t *plan_full(const plan *p, int most, arena *a, int *n);

#endif
