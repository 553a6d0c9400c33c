/* DNS messages (RFC 1035, 6891): one question written, one answer read. Pure: bytes in, values out;
   who sends them is net/dns.c. What an answer says is believed only for the name that was asked and
   the aliases that lead on from it within the same answer. */
#ifndef PENNYPOST_NET_DNS_MESSAGE_H
#define PENNYPOST_NET_DNS_MESSAGE_H

#include "net/dns.h"

/* A name as it stands in messages: lengths and labels, letters lowered, the root's 0 at the end. */
typedef struct dns_name {
	uint8_t size;
	uint8_t at[255];
} dns_name;

/* "example.org", with or without the last dot; "" and "." are the root. No escapes: every byte but
   the dot stands for itself. ST_INVALID for an empty label or one over 63 bytes, and for a name
   over 255. */
status dns_name_parse(slice s, dns_name *out);

enum dns_ask {
	DNS_ASK_AD = 1, /* tell whether the answer was validated (RFC 6840 5.7) */
	DNS_ASK_CD = 2, /* answer even what does not validate */
};
#define DNS_QUERY_MOST 300
#define DNS_UDP_MOST 1232 /* what no path fragments */
/* Writes a query with recursion wanted and an OPT record; its size. */
size_t dns_query_write(uint8_t to[DNS_QUERY_MOST], uint16_t id, const dns_name *name,
	enum dns_type type, unsigned ask);

/* Reads an answer to this question. ST_INVALID: malformed, or an answer to something else. Names,
   texts and the rest live in `a`. out->ttl is what the message says (for nothing found, RFC 2308:
   the SOA's; 0 without one). Other codes than NOERROR and NXDOMAIN give DNS_TEMPORARY. out->secure
   is the AD bit as it stands. */
status dns_answer_read(
	slice message, const dns_name *name, enum dns_type type, arena *a, dns_answer *out);

#endif
