/* MTA-STS for mail that goes out (RFC 8461): which policy of a domain counts now. A worker
   remembers it for mta_sts_look; behind that stands what the house has kept
   (provider/sts_policy.h), and behind that the domain.

     worker --> TXT record --> kept for the house --> fetched where the id is new, or a day has passed

   A policy that was fetched once counts until its max_age is over, whatever becomes of the record
   or the policy host; so who can only keep us from asking gains nothing. One worker's tasks share
   what is remembered. */
#ifndef PENNYPOST_CONNECTOR_SMTP_STS_H
#define PENNYPOST_CONNECTOR_SMTP_STS_H

#include "mail/mta_sts.h"
#include "net/dns.h"

struct sts {
	mta_sts_policy policy; /* mode none: nothing is asked for */
	slice id;              /* of the policy; empty = there is none */
	slice trouble; /* there should be one and it cannot be had: as RFC 8460 4.3 calls it; else
			  empty */
};

/* What counts for a canonical domain. Waits for DNS, the database and the policy host, within the
   task's deadline and mta_sts_patience. ST_OK; other kinds (ST_BUSY, ST_CANCELLED) only where
   nothing is known: a policy might be kept. */
status sts_find(dns *d, slice domain, arena *a, struct sts *out);
/* Forgets what this worker remembers, when none of its tasks is in sts_find. */
void sts_close(void);

#endif
