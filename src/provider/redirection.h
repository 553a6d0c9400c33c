/* Mail of a mailbox that goes on to other addresses (A30-A32), with a copy kept or without. Whether
   a mailbox has something of the kind is told with its route; only then is this asked. */
#ifndef PENNYPOST_PROVIDER_REDIRECTION_H
#define PENNYPOST_PROVIDER_REDIRECTION_H

#include "provider/audit.h"

enum handling_bit {            /* of struct route */
	HANDLING_REDIRECT = 1, /* it has a redirection */
	HANDLING_ANSWER = 2,   /* it has an answer (answer.h), whose time may be over or to come */
};

typedef struct redirection {
	bool keep;      /* a copy stays in the mailbox */
	slice *targets; /* canonical addresses, each once */
	int n;
} redirection;

/* Sets it, in the place of the former one. ST_INVALID (*why names what is no address, or the
   mailbox's own), ST_LIMITED (more than redirection_targets_most; *why), ST_ABSENT (the mailbox).
   Audited. */
status redirection_set(int64_t postoffice, int64_t mailbox, const slice *written, int n, bool keep,
	const struct audit_by *by, arena *a, slice *why);
status redirection_of(
	int64_t postoffice, int64_t mailbox, arena *a, redirection *out); /* ST_ABSENT: none */
status redirection_remove(
	int64_t postoffice, int64_t mailbox, const struct audit_by *by); /* ST_ABSENT */

#endif
