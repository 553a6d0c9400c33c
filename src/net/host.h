/* What the DNS knows of those who talk to us: the name behind an address, and whether a domain can
   get mail. Both ask what they need at the same time; the task's deadline is their budget. */
#ifndef PENNYPOST_NET_HOST_H
#define PENNYPOST_NET_HOST_H

#include "net/dns.h"

typedef struct host_name {
	dns_kind kind;  /* whether the address has a name at all: found says no more than that */
	slice claimed;  /* the first name it gives itself, true or not; empty: none */
	slice verified; /* the first of its names that leads back to it; empty: none does */
} host_name;

#define HOST_NAMES_MOST 5 /* of an address, looked at for one that leads back */

/* The names of an address. ST_TIMED_OUT, ST_CANCELLED: what was found until then is in *out, kind
   is temporary if even that was not known. */
status host_name_of(dns *d, const net_address *address, arena *a, host_name *out);

enum host_mail {
	HOST_TAKES_MAIL, /* MX records, or an address without them (RFC 5321 5.1) */
	HOST_TAKES_NONE, /* no such name, no MX and no address, or a null MX (RFC 7505) */
	HOST_UNKNOWN,    /* the DNS gives no answer now */
};

/* Whether mail to somebody in `domain` would have a place to go. ST_TIMED_OUT, ST_CANCELLED: *out
   is HOST_UNKNOWN. */
status host_takes_mail(dns *d, slice domain, arena *a, enum host_mail *out);

#endif
