/* What becomes of queue rows after an attempt, and who is told: the retry schedule, delay notices
   and delivery status notifications (RFC 3461, 3464), made in the transaction that ends or defers
   their rows, so that one cause never gives two. */
#ifndef PENNYPOST_CONNECTOR_SMTP_REPORT_H
#define PENNYPOST_CONNECTOR_SMTP_REPORT_H

#include "connector/smtp/client.h"
#include "provider/queue.h"

struct attempt { /* what one gave one recipient */
	const queue_entry *entry;
	struct client_result result;
	bool dsn_passed;
	bool untried; /* what is known of its destination was enough, or trouble of ours came
			 first: it counts as no attempt */
	usec soon;    /* such trouble may be over by then: its sender hears nothing yet; 0 = as all
			 wait */
	slice host;   /* that spoke last; empty = none */
};

enum report_kind {
	REPORT_NONE,
	REPORT_FAILED,
	REPORT_DELAYED,
	REPORT_RELAYED,
	REPORT_DELIVERED,
	REPORT_EXPANDED
};
struct verdict {
	struct queue_result result; /* its slices are the attempt's */
	enum report_kind report;
	const struct attempt *of;
};

/* Failed for good when the host said so, the time is over or the attempts are used up; the latter
   two are its route's matter, and as long as that cannot be read it waits. Reports of
   the null sender's mail are never made: what fails of it is parked (T15, R23). */
void report_judge(const struct attempt *t, struct verdict *out);

/* One report about recipients of one message, all of one kind, and the ends of their rows with it.
   ST_OK; ST_FOREIGN: a row's lease is lost, nothing was written; else nothing was written for
   now. */
status report_send(const struct verdict *v, int n);

#endif
