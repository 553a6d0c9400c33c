/* What became of TLS with other systems, counted for reports (RFC 8460): by day, domain, policy,
   host, result and the addresses of both ends. Counts gather in memory and are added to the table
   about once a minute; what a process that dies had gathered is lost, and what was added by a
   commit whose answer got lost counts twice. Kept as long as traces. */
#ifndef PENNYPOST_PROVIDER_TLS_RESULT_H
#define PENNYPOST_PROVIDER_TLS_RESULT_H

#include "base/arena.h"
#include "base/clock.h"
#include "base/status.h"

struct tls_result {
	usec day;               /* wall, its beginning in UTC; lists alone */
	slice domain;           /* of the recipient */
	slice policy;           /* "tlsa", "sts", "no-policy-found" (RFC 8460 4.4) */
	slice host;             /* the exchanger */
	slice result;           /* as RFC 8460 4.3 calls failures; "success" */
	slice sender, receiver; /* addresses of both ends; empty = not known */
	int64_t sessions;       /* lists alone */
};

/* Counts one session. Never waits; what is over 10,000 different ones at a time is counted under
   the domain
   "*" and the host "*". */
void tls_result_note(const struct tls_result *t);
/* Writes what was gathered when it is a minute old, or at once. */
status tls_result_flush(bool at_once);
/* The newest day first; domain empty = all. */
status tls_result_list(slice domain, unsigned most, arena *a, struct tls_result **rows, int *n);

#endif
