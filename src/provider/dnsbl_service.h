/* How settings write DNS blacklists and allow lists (D7-D10):

     ZONE[@[ADDRESS]][/TYPE][=VALUE[,VALUE]...][:WEIGHT]

   An address in brackets is the DNS server that is asked (D8), at port 53 unless
   `@[192.0.2.1]#5353` names another; else those of dns_servers are. TYPE is A (the usual one), TXT,
   MX, NS or PTR: there, any record means that the client is listed. Values are networks; with them
   only an A record in one of them counts. */
#ifndef PENNYPOST_PROVIDER_DNSBL_SERVICE_H
#define PENNYPOST_PROVIDER_DNSBL_SERVICE_H

#include "base/slice.h"
#include "base/status.h"

#define DNSBL_WEIGHT_MOST 1000

enum dnsbl_type { DNSBL_A, DNSBL_TXT, DNSBL_MX, DNSBL_NS, DNSBL_PTR };

struct dnsbl_service {
	slice zone;
	slice server; /* "192.0.2.1" or "2001:db8::1", which the caller reads; empty =
	dns_servers */
	unsigned port;
	enum dnsbl_type type;
	slice values; /* "127.0.0.2,127.0.0.8/29", networks that the caller reads; empty = any */
	unsigned weight;
};

/* Slices lie in `word`. ST_INVALID. */
status dnsbl_service_parse(slice word, struct dnsbl_service *out);

#endif
