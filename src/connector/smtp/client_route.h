/* Where mail for a domain goes: its mail exchangers in the order of RFC 5321 5.1, hosts of equal
   preference in random order, the domain's own address when it has none, nowhere at all for a null
   MX (RFC 7505), address literals as they are. A host that is we ourselves ends the list: it and
   everything behind it is dropped, so that mail for which we are a lower exchanger does not come
   back to us. TLSA records come along where DNSSEC proves all of it (RFC 7672). Names are looked up
   as the walk gets there, one preference at a time. */
#ifndef PENNYPOST_CONNECTOR_SMTP_CLIENT_ROUTE_H
#define PENNYPOST_CONNECTOR_SMTP_CLIENT_ROUTE_H

#include "connector/smtp/client.h"

#define ROUTE_HOSTS_MOST 20     /* exchangers looked at, the most preferred ones */
#define ROUTE_ADDRESSES_MOST 12 /* addresses of one exchanger */

/* The questions a route asks; each waits by task. ST_ABSENT: the name or the type does not exist
   (proved by the answer); other kinds: not to be known now. `secure` = proved by DNSSEC (AD from a
   trusted resolver). */
struct route_mx {
	unsigned preference;
	slice host; /* without trailing dot; empty for the root */
};
struct route_dns {
	status (*mx)(
		void *arg, slice domain, arena *a, struct route_mx **rows, int *n, bool *secure);
	/* IPv4 and IPv6; the resolver's order within a family. */
	status (*addresses)(
		void *arg, slice host, arena *a, net_address **rows, int *n, bool *secure);
	status (*tlsa)(
		void *arg, slice name, arena *a, struct tls_tlsa **rows, int *n, bool *secure);
	void *arg;
};
/* The house's resolver (net/dns.h). */
extern const struct route_dns route_dns_house;

struct route_ask {
	slice domain;  /* ASCII; or a literal "[192.0.2.1]" */
	uint16_t port; /* of all hosts; 0 = 25 */
	const struct route_dns *dns;
	bool ipv4, ipv6;        /* families to use */
	bool exact;             /* the domain is a host: no MX, its addresses alone (smart hosts) */
	bool dane;              /* look for TLSA records */
	const slice *own_names; /* names this system answers to */
	int own_name_count;
	const net_address *own; /* addresses it receives mail at; port 0 */
	int own_count;
};

typedef struct client_route client_route;

/* ST_OK: there are exchangers to try (their addresses may still be missing).
   ST_ABSENT: no such domain (5.1.2). ST_DENIED: null MX (5.1.10). ST_FOREIGN: the most preferred
   exchanger is we ourselves, yet the domain is not ours: 5.4.6, a loop. ST_BUSY, ST_TIMED_OUT: DNS
   has no answer now (4.4.3). The route lies in the arena; *ask is lent for its life. */
status client_route_open(const struct route_ask *ask, arena *a, client_route **out);

/* The next address to try: host, at, and for DANE policy.tls, .tlsa and .names are set in *t, all
   else is left alone. ST_ABSENT: no further one. ST_BUSY, ST_TIMED_OUT: the addresses or TLSA
   records of a host cannot be known now; the walk goes on with the next call (the host must not be
   tried without its TLSA records: 4.7.0, RFC 7672 2.2). ST_FOREIGN: what is left leads back to us;
   the walk is over. */
status client_route_next(client_route *r, struct client_target *t);

/* The reply a kind of the two calls above stands for, as if a host had said it. */
void client_route_result(status kind, arena *a, struct client_result *out);

#endif
