/* Routes: where mail for other systems' domains goes instead of their mail exchangers. A pattern is
   a domain ("remote.test"), a mask ("*.example.org") or "*"; a target is a transport and a host:

     smtp:[127.0.0.1]:2999     this address and port
     smtp:relay.example.org    this host (no MX lookup), port 25
     smtp:relay.example.org:587
     smtp:a.example.org,b.example.org:2525    the second where the first cannot be reached
     smtps:relay.example.org   TLS from the first byte (RFC 8314 3.3), port 465
     mx                        the domain's own exchangers: an exception from a wider route

   A route may say more of its destination than where it is: the TLS it must have, how many messages
   at once and how far apart, when they are tried again and for how long. "mx" with such a word is
   how another system is treated without being led elsewhere.

   With a name and a password the talk logs on there. Exact patterns first, then the longest mask.
   Routes say where relayed mail goes, never whether it is relayed. */
#ifndef PENNYPOST_PROVIDER_ROUTE_H
#define PENNYPOST_PROVIDER_ROUTE_H

#include "provider/audit.h"

#define ROUTE_TARGETS_MOST 10 /* hosts of one route */

struct route_host {
	slice host;    /* "[127.0.0.1]" or a canonical name */
	uint16_t port; /* 25 when the target names none, 465 for smtps */
};
struct mail_route {
	slice pattern, target;    /* normal forms */
	struct route_host *hosts; /* in the order they are tried */
	int n;                    /* 0: "mx" */
	bool tls_first;           /* smtps */
	slice user, password;     /* empty = no logon; lists never tell the password */
	slice tls;        /* "off", "may", "must", "verify", "dane"; empty = as outbound_tls says */
	unsigned at_once; /* 0 = outbound_per_domain_most */
	usec apart;       /* -1 = outbound_rate_delay */
	slice retry;      /* as queue_retry; empty = as that */
	usec lifetime;    /* 0 = queue_lifetime */
	unsigned tries;   /* 0 = queue_tries_most */
	usec made;
};

/* Checks both and gives their normal forms. ST_INVALID with *why. */
status route_parse(slice pattern, slice target, arena *a, struct mail_route *out, slice *why);
/* Makes or replaces: its texts as written, `hosts` and `made` do not count. ST_INVALID (*why). */
status route_put(const struct mail_route *r, const struct audit_by *by, arena *a, slice *why);
status route_remove(slice pattern, const struct audit_by *by); /* ST_ABSENT */
status route_list(arena *a, struct mail_route **rows, int *n); /* by pattern */
/* For a canonical domain. ST_ABSENT: none; its exchangers are meant. Kept in memory between
   changes. */
status route_find(slice domain, arena *a, struct mail_route *out);

#endif
