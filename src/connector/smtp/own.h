/* A message the house writes itself, to one recipient here or at another system: its text becomes a
   delivery. */
#ifndef PENNYPOST_CONNECTOR_SMTP_OWN_H
#define PENNYPOST_CONNECTOR_SMTP_OWN_H

#include "mail/address.h"
#include "provider/deliver.h"

struct own_mail {
	int64_t postoffice; /* that speaks, and carries what leaves; 0 = the system */
	slice sender;       /* its return path; empty = the null path */
	slice to;           /* as own_mail_place found it */
	struct delivery d;  /* `id` is the caller's */
	struct delivery_part part;
	struct route route; /* of a recipient here */
	struct queue_recipient
		far; /* or at another system: nobody is told when it cannot be delivered */
	struct queue_envelope envelope;
};

/* ST_OK: there is a place to go to; else it is nobody, or nobody knows now. */
status own_mail_place(struct own_mail *m, const mail_address *to, arena *a);
/* Completes the delivery. Signed where it goes to others, by the keys of its author's domain.
   part.body is to be closed in any case. */
status own_mail_fill(struct own_mail *m, slice raw, arena *a);

#endif
