/* Asking a domain for its MTA-STS policy (RFC 8461 3): the TXT record tells whether there is one
   and which, the policy comes over HTTPS from the host mta-sts.DOMAIN. What is kept and obeyed
   stands in sts.h. */
#ifndef PENNYPOST_CONNECTOR_SMTP_STS_FETCH_H
#define PENNYPOST_CONNECTOR_SMTP_STS_FETCH_H

#include "mail/mta_sts.h"
#include "net/dns.h"
#include "net/tls.h"

/* The id of the domain's record. ST_ABSENT: none that counts. Else DNS has no answer now. */
status sts_record(dns *d, slice domain, arena *a, slice *id);

struct sts_fetch_conf {
	uint16_t port;
	usec patience; /* for all of it */
	size_t most;
	slice private_networks;        /* that policy hosts may be in (T53) */
	const tls_client *authorities; /* NULL = the system's */
};
#define STS_FETCH_INIT ((struct sts_fetch_conf){443, 20 * USEC_S, MTA_STS_TEXT_MOST, {0}, NULL})
void sts_fetch_conf_set(struct sts_fetch_conf *c); /* as the settings say now */

struct sts_fetched {
	slice text;
	mta_sts_policy policy;
	/* Of a failure: its result as RFC 8460 4.3 calls it, and in words. */
	slice trouble;
	const char *why;
};
/* ST_OK, or *out tells the trouble. ST_CANCELLED. */
status sts_fetch(
	dns *d, slice domain, const struct sts_fetch_conf *c, arena *a, struct sts_fetched *out);

#endif
