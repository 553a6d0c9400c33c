/* Asking a host that the DNS of others names over HTTPS: at one of its addresses, none of them
   private (T53). */
#ifndef PENNYPOST_CONNECTOR_SMTP_WEB_HOST_H
#define PENNYPOST_CONNECTOR_SMTP_WEB_HOST_H

#include "net/dns.h"
#include "net/https.h"

struct web_host_ask {
	struct https_ask *q; /* its address is found out */
	uint16_t port;
	usec patience;          /* for all of it */
	slice private_networks; /* that the host may be in all the same */
	status (*how)(const struct https_ask *q, arena *a,
		struct https_answer *out); /* https_get, https_post */
};

/* The next address is tried as long as the trouble is the network's. Kinds of https_get, and
   ST_ABSENT: the host has no address; ST_FOREIGN: none that is public. */
status web_host_ask(dns *d, const struct web_host_ask *w, arena *a, struct https_answer *got);

#endif
