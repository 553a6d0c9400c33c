/* A report on its way (report.h): whom it reaches, and its text, as one delivery. It goes where any
   mail for its addressee goes: into his mailbox or to those he passes his mail on to, to the
   members of a group, to where an address leads, to another system. Who has no room for it keeps it
   from no other; what can be given to nobody is parked. */
#ifndef PENNYPOST_CONNECTOR_SMTP_PARCEL_H
#define PENNYPOST_CONNECTOR_SMTP_PARCEL_H

#include "connector/smtp/session.h"

struct poster;

struct parcel {
	int64_t postoffice;         /* that reports */
	const struct poster *asker; /* who sent what it is about, where known: passing_own() */
	slice addressee;            /* as the queue has him */
	struct delivery d;          /* id, ends and what lists show of the text are the caller's */
	struct recipient *reached;  /* in the order of d.parts */
	int n;
	struct queue_recipient one; /* who is at another system, or nowhere */
	struct queue_envelope envelope;
	bool parked;
};

/* Finds out who gets a text of `size` octets; `to` without a domain: nobody. Not ST_OK: nobody
   knows now. */
status parcel_address(struct parcel *p, const mail_address *to, uint64_t size, arena *a);
/* Stores it; `from` is the address in its From field, whose domain signs what leaves. Kinds as
   deliver_run(). */
status parcel_send(struct parcel *p, slice from, slice raw, arena *a);
/* Opens and writes the body of one part of what the house sends: `path`, a whole field, in front where
   somebody here gets it, signatures, the text. The caller closes it, however this ends. Kinds as
   blob_write(). */
status parcel_write_part(struct delivery_part *part, slice path, slice signatures, slice raw);
/* Where it went; `cause` is the message it is about. */
void parcel_trace(const struct parcel *p, slice cause);

#endif
