/* Where mail for a domain goes: its mail exchangers in the order of RFC 5321 5.1, hosts of equal
   preference in random order, the domain's own address when it has none, nowhere at all for a null
   MX (RFC 7505), address literals as they are. A host that is we ourselves ends the list: it and
   everything behind it is dropped, so that mail for which we are a lower exchanger does not come
   back to us. TLSA records come along where DNSSEC proves all of it (RFC 7672). Names are looked up
   as the walk gets there, one preference at a time. */
#ifndef PENNYPOST_CONNECTOR_SMTP_CLIENT_ROUTE_H
#define PENNYPOST_CONNECTOR_SMTP_CLIENT_ROUTE_H

#include "connector/smtp/client.h"
#include "net/dns.h"

#define ROUTE_HOSTS_MOST 20    /* exchangers looked at, the most preferred ones */
#define ROUTE_ADDRESSES_MOST 6 /* addresses of one exchanger */
#define ROUTE_TRIES_MOST 12    /* addresses handed out in all: what a dead destination may cost */

/* The questions a route asks; each waits by task. ST_OK: what there is, perhaps nothing (*n = 0).
   ST_ABSENT: the name does not exist. Other kinds: not to be known now. `secure` = proved by DNSSEC
   through a trusted resolver, the absence of records too. */
struct route_mx {
	unsigned preference;
	slice host; /* without trailing dot; empty for the root */
};
struct route_hosts {
	net_address *at; /* IPv4 and IPv6; the resolver's order within a family */
	int n;
	slice name; /* where aliases led */
	bool secure;
	bool unsure4, unsure6; /* DNS does not say now whether there are any of that family */
};
struct route_dns {
	status (*mx)(
		void *arg, slice domain, arena *a, struct route_mx **rows, int *n, bool *secure);
	status (*hosts)(void *arg, slice host, arena *a, struct route_hosts *out);
	status (*tlsa)(
		void *arg, slice name, arena *a, struct tls_tlsa **rows, int *n, bool *secure);
	void *arg;
};
/* Asks the house's resolver; valid while `d` is open. */
struct route_dns route_dns_of(dns *d);

struct route_ask {
	slice domain;  /* ASCII; or a literal "[192.0.2.1]" */
	uint16_t port; /* of all hosts; 0 = 25 */
	const struct route_dns *dns;
	bool ipv4, ipv6;        /* families to use */
	bool exact;             /* the domain is a host: no MX, its addresses alone (smart hosts) */
	bool dane;              /* look for TLSA records */
	const slice *own_names; /* names this system answers to */
	int own_name_count;
	bool (*is_own)(const net_address
			*at); /* whether it takes mail at this address and port; NULL = nowhere */
};

typedef struct client_route client_route;

/* ST_OK: there are exchangers to try (their addresses may still be missing). ST_ABSENT: no such
   domain. ST_DENIED: null MX. ST_FOREIGN: the most preferred exchanger is we ourselves, by name,
   yet the domain is not ours: a loop. ST_INVALID: a literal that is none. Else DNS has no answer
   now. The route lies in the arena; *ask and what it points to are lent for the route's life. */
status client_route_open(const struct route_ask *ask, arena *a, client_route **out);

/* The next address to try: host and at, and for DANE policy.tls, .tlsa and .names are set in *t,
   all else is left alone; policy.tls only where TLSA records were found. ST_ABSENT: no further one,
   or what is left leads back to us. ST_FOREIGN: the most preferred exchanger is we ourselves, by
   its address. Other kinds: the addresses or TLSA records of a host cannot be known now, so that it
   must not be tried (RFC 7672 2.2); the walk goes on with the next call. */
status client_route_next(client_route *r, struct client_target *t);

/* Whether the walk ends before us, so that we hold the mail for those it led to. Known for sure at
   its end. */
bool client_route_ends_at_us(const client_route *r);

/* Whether DNS did not tell all addresses of the hosts the walk came to: there may be one that takes
   the mail. Known for sure at its end. */
bool client_route_in_doubt(const client_route *r);

/* The outcome a kind of client_route_open and client_route_next stands for when nothing else is
   left: ST_ABSENT 5.1.2, ST_DENIED 5.1.10, ST_FOREIGN 5.4.6, ST_INVALID 5.1.3, else deferred
   with 4.4.3. */
void client_route_result(status kind, struct client_result *out);

#endif
