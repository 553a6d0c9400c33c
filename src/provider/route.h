/* Routes: where mail for other systems' domains goes instead of their mail exchangers. A pattern is a
   domain ("remote.test"), a mask ("*.example.org") or "*"; a target is a transport and a host:

     smtp:[127.0.0.1]:2999     this address and port
     smtp:relay.example.org    this host (no MX lookup), port 25
     smtp:relay.example.org:587
     smtp:a.example.org,b.example.org:2525    the second where the first cannot be reached
     mx                        the domain's own exchangers: an exception from a wider route

   With a name and a password the talk logs on there. Exact patterns first, then the longest mask.
   Routes say where relayed mail goes, never whether it is relayed. */
#ifndef PENNYPOST_PROVIDER_ROUTE_H
#define PENNYPOST_PROVIDER_ROUTE_H

#include "provider/audit.h"

#define ROUTE_TARGETS_MOST 10 /* hosts of one route */

struct route_host {
	slice host;    /* "[127.0.0.1]" or a canonical name */
	uint16_t port; /* 25 when the target names none */
};
struct mail_route {
	slice pattern, target; /* normal forms */
	struct route_host *hosts; /* in the order they are tried */
	int n;                    /* 0: "mx" */
	slice user, password;  /* empty = no logon; lists never tell the password */
	usec made;
};

/* Checks both and gives their normal forms. ST_INVALID with *why. */
status route_parse(slice pattern, slice target, arena *a, struct mail_route *out, slice *why);
/* Makes or replaces. ST_INVALID (*why). */
status route_set(slice pattern, slice target, slice user, slice password, const struct audit_by *by,
		 arena *a, slice *why);
status route_remove(slice pattern, const struct audit_by *by); /* ST_ABSENT */
status route_list(arena *a, struct mail_route **rows, int *n); /* by pattern */
/* For a canonical domain. ST_ABSENT: none; its exchangers are meant. Kept in memory between changes. */
status route_find(slice domain, arena *a, struct mail_route *out);

#endif
