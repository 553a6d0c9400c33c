/* The texts of messages on their way out, as the client asks for them: small ones of many rows in
   one round trip, big ones in pieces when they are sent. */
#ifndef PENNYPOST_CONNECTOR_SMTP_OUTBOUND_BODY_H
#define PENNYPOST_CONNECTOR_SMTP_OUTBOUND_BODY_H

#include "connector/smtp/plan.h"
#include "mail/seven_bit.h"

/* The body as it was taken, without the Return-Path that mailboxes of the same message have, and
   behind a Delivered-To where it is passed on. A host is told its size before the text (SIZE,
   BDAT), so the beginning is looked at before anybody is connected to. */
struct body {
	plan_job *job;
	uint64_t size; /* of the stored one */
	uint64_t skip; /* octets of that field */
	slice front;   /* fields of this copy alone */
	slice whole;   /* a small one is here since then; in the job's arena */
	bool begun, inside;
	bool tls_waived; /* by its header, as far as it lies in the first piece */
	status (*take)(slice piece, void *to);
	void *to;
	uint64_t left;    /* of `skip`, while it is handed out */
	seven_bit *plain; /* NULL: nobody needed it in 7 bits so far */
	status fits;      /* whether it can be had so */
	slice signatures; /* DKIM fields for it, where the stored text was signed here */
	text out;         /* of it, what comes next */
};

/* Looks at the beginning. Kinds as blob_each_of has them. */
status body_open(plan_job *j, struct body *b);
/* A client_source (client.h); its argument is the struct body. */
status body_source(void *arg, status (*take)(slice piece, void *to), void *to);

/* The same in 7 bits (client.h), signed anew where it was signed here: ST_OK, ST_DENIED when others
   signed it, ST_INVALID; kinds as blob_each_of has them. Afterwards body_plain is a
   client_source. */
status body_seven_bit(void *arg);
status body_plain(void *arg, status (*take)(slice piece, void *to), void *to);
void body_close(struct body *b);

/* The small texts of rows that were never tried and share a post office with others, by row; a NULL
   slice for all else, also when the store is not to be had: their senders read for themselves. */
const slice *bodies_read(const queue_entry *rows, int n, arena *a);

#endif
