/* Automatic answers by RFC 3834: which messages must not have one, whom a message names as its
   recipients, and the answer itself. What an owner wants said, and how often a sender hears it, is
   the connectors' and providers' matter. */
#ifndef PENNYPOST_MAIL_AUTOREPLY_H
#define PENNYPOST_MAIL_AUTOREPLY_H

#include "mail/address.h"
#include "mail/date.h"

/* Why the message gets no answer, in a word for the trace: it comes from nobody, from a program,
   from a list, or is an answer itself (trust.md T17). NULL: it may have one. */
const char *autoreply_forbidden(slice header, const mail_address *sender, arena *a);

/* The keys (mail_address_key) of the addresses in To, Cc, Bcc and their Resent- forms, at most
   `most`: a mailbox answers what was written to it, not what reached it otherwise. */
void autoreply_named(slice header, int most, arena *a, slice **keys, int *n);

struct autoreply {
	slice from;     /* the address that was written to, "local@domain" */
	slice to;       /* the return path */
	slice reply_to; /* empty = none */
	slice subject;  /* empty = "Auto: " and that of the message */
	slice text;     /* UTF-8 */
	slice header;   /* of the message that is answered */
	date at;
	slice message_id;
};
/* With Auto-Submitted, In-Reply-To and References. ST_INVALID: something cannot stand in a header,
   or the text is no UTF-8. */
status autoreply_compose(const struct autoreply *r, arena *a, slice *message);

#endif
