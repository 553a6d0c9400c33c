/* A message the house writes itself, to an address here or at another system: its text becomes a
   delivery. It goes where anybody's mail for that address goes: passing_own(). */
#ifndef PENNYPOST_CONNECTOR_SMTP_OWN_H
#define PENNYPOST_CONNECTOR_SMTP_OWN_H

#include "connector/smtp/session.h"

struct own_mail {
	int64_t postoffice;        /* that speaks, and carries what leaves; 0 = the system */
	slice sender;              /* its return path; empty = the null path */
	bool sender_is_told;       /* what others than mailboxes here refuse */
	slice to;                  /* as own_mail_place found it */
	struct delivery d;         /* `id` is the caller's */
	struct recipient *reached; /* in the order of d.parts */
	int n;
	struct delivery_part part; /* where it is one: a known mailbox, or another system */
	struct route route;        /* that mailbox */
	slice signatures;
	/* Or who is there; nobody is told when it cannot be delivered. */
	struct queue_recipient far;
	struct queue_envelope envelope;
};

/* ST_OK: there is a place to go to for this text, signed by the keys of its author's domain where it
   goes to others; else it is nobody, or nobody knows now. */
status own_mail_place(struct own_mail *m, const mail_address *to, slice raw, arena *a);
/* The same where whom it reaches was found before (passing_own()): `reached` and `n` stand. */
void own_mail_settle(struct own_mail *m, slice raw, arena *a);
/* How many octets stand before the text in a mailbox: for passing_own(). */
size_t own_mail_front(const struct own_mail *m, arena *a);
/* Completes the delivery: d.parts, or `part` where it has none. To be closed in any case. */
status own_mail_fill(struct own_mail *m, slice raw, arena *a);
void own_mail_close(struct own_mail *m);
/* Where it went: a row for each whom it reached, or who had no room. `told` are further fields. */
void own_mail_trace(const struct own_mail *m, slice told);

#endif
