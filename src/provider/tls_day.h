/* Days of TLS with other systems, by domain, and who was told of them (RFC 8460). A day begins and
   ends in UTC, by the database's clock. */
#ifndef PENNYPOST_PROVIDER_TLS_DAY_H
#define PENNYPOST_PROVIDER_TLS_DAY_H

#include "provider/tls_result.h"

enum tls_day_state {
	TLS_DAY_OPEN, /* nobody was told yet, or not everybody */
	TLS_DAY_SENT,
	TLS_DAY_UNWANTED /* the domain names nobody who wants to know */
};
const char *tls_day_state_name(enum tls_day_state s); /* "open", "sent", "unwanted" */

struct tls_day {
	usec day; /* wall, its beginning */
	slice domain;
	slice told; /* targets that have the report, divided by blanks */
	/* Lists alone: */
	int64_t successes, failures; /* sessions */
	slice state, trouble;        /* of the last attempt */
	usec tried;                  /* wall; 0 = never */
};

/* Days that ended at least `after` ago, two at most, of domains that have not been told, and were
   not tried within `again`; the oldest first. */
status tls_day_due(usec after, usec again, unsigned most, arena *a, struct tls_day **rows, int *n);
/* What was counted of one. */
status tls_day_results(
	usec day, slice domain, unsigned most, arena *a, struct tls_result **rows, int *n);
/* What became of it just now. */
status tls_day_note(const struct tls_day *d, enum tls_day_state state, slice trouble);
/* The newest day first; domain empty = all. */
status tls_day_list(slice domain, unsigned most, arena *a, struct tls_day **rows, int *n);

#endif
