/* Hosts that refused the logon of a route, for as long as they are not to be asked with the same
   name and password: after some wrong ones they may shut us out. Each process knows those that it
   asked itself, in memory; one task at a time. */
#ifndef PENNYPOST_CONNECTOR_SMTP_OUTBOUND_LOGON_H
#define PENNYPOST_CONNECTOR_SMTP_OUTBOUND_LOGON_H

#include "connector/smtp/client.h"

struct logon_at { /* what is asked, and where; lent */
	slice host;
	uint16_t port;
	const struct client_logon *logon;
};

/* The host answered *why now, and is not to be asked before `until`. */
void outbound_logon_refused(
	const struct logon_at *at, const struct client_result *why, usec now, usec until);
/* Whether that is so now, and its answer (in `a`). Another password is another question; and so it
   is when somebody who may know better urges, but for each of his messages the host is not asked. */
bool outbound_logon_waits(
	const struct logon_at *at, usec now, bool urged, arena *a, struct client_result *why);
/* It may be asked again. */
void outbound_logon_forget(const struct logon_at *at);
/* Forgets those whose time is over; with USEC_NEVER all. */
void outbound_logon_sweep(usec now);

#endif
