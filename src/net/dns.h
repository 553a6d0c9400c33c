/* The resolver: questions to DNS servers over c-ares, from fibers and plain threads alike, waiting
   only through task. A `dns` belongs to one thread: a worker has one, whatever is a thread of its
   own opens one for itself. Equal questions asked at the same time travel once; answers, refusals
   and failures are kept for a while in a bounded cache.

       dns_ask --> cache? --> under way already? --> sent
       dns_wait <--------- answer, or the task's deadline

   Several questions are asked first and waited for afterwards: they travel at the same time, and
   one deadline (task_deadline) is the budget of them all. */
#ifndef PENNYPOST_NET_DNS_H
#define PENNYPOST_NET_DNS_H

#include "mail/lookup.h"
#include "net/address.h"

#include "base/clock.h"

enum dns_type {
	DNS_A = 1,
	DNS_NS = 2,
	DNS_CNAME = 5,
	DNS_PTR = 12,
	DNS_MX = 15,
	DNS_TXT = 16,
	DNS_AAAA = 28,
	DNS_SRV = 33,
	DNS_TLSA = 52,
};

typedef enum dns_kind {
	DNS_FOUND,     /* at least one record of that type */
	DNS_NO_NAME,   /* NXDOMAIN, or a name that no message can hold */
	DNS_NO_DATA,   /* the name exists, without such records */
	DNS_TEMPORARY, /* no usable answer of any server, or none in time */
	DNS_BOGUS,     /* the trusted resolver found that DNSSEC refutes the answer */
} dns_kind;

typedef struct dns_record {
	uint32_t ttl;
	uint16_t preference;               /* MX; SRV: priority */
	uint16_t weight, port;             /* SRV */
	uint8_t usage, selector, matching; /* TLSA */
	net_address address;               /* A, AAAA; port 0 */
	slice name; /* MX, NS, PTR, CNAME, SRV: lower case, no last dot, "" for the root; bytes that
		       no host name has are written \DDD */
	slice data; /* TXT: the strings joined; TLSA: the association data */
} dns_record;

#define DNS_RECORDS_MOST 256 /* kept of one answer */

typedef struct dns_answer {
	dns_kind kind;
	bool secure;        /* validated by DNSSEC: only said when the resolver is a trusted one */
	bool cut;           /* there were more than DNS_RECORDS_MOST */
	uint32_t ttl;       /* seconds it may be kept from now on */
	slice name;         /* where aliases led: the owner of the records */
	size_t count;       /* 0 unless found */
	dns_record *record; /* MX and SRV by preference, the rest as they came */
} dns_answer;

typedef struct dns dns;
typedef struct dns_question dns_question;

#define DNS_SERVERS_MOST 6
struct dns_conf {
	slice servers;  /* "192.0.2.1 192.0.2.2:5353 [2001:db8::1]:53", asked in that order; empty =
			   the  system's (/etc/resolv.conf) */
	usec patience;  /* for one server's answer; doubled in the second round */
	unsigned tries; /* rounds over all servers */
	bool trusted; /* the servers validate, and nobody can come between them and us: their AD bit
			 counts, and failures are looked into for DNS_BOGUS */
	size_t cache_most; /* bytes; 0 = nothing is kept */
};
#define DNS_CONF_INIT ((struct dns_conf){{0}, 1500 * USEC_MS, 2, false, 4 * 1024 * 1024})

/* ST_INVALID: the list of servers has a word that is none, or too many. ST_BUSY: c-ares refused. */
status dns_open(const struct dns_conf *c, dns **out);
/* All its questions must have been waited for or dropped. */
void dns_close(dns **d);

/* Starts a question; what went wrong at once is told by dns_wait. The name is copied. */
dns_question *dns_ask(dns *d, enum dns_type type, slice name);
/* Waits for the answer, which lives in `a`, and ends the question (*q = NULL), whatever comes.
   ST_OK: out->kind tells. ST_TIMED_OUT, ST_CANCELLED: as every wait; out->kind is then
   DNS_TEMPORARY, and the question travels on for the cache while others keep the resolver going. */
status dns_wait(dns_question **q, arena *a, dns_answer *out);
/* Ends a question whose answer is not wanted any more. NULL is nothing. */
void dns_drop(dns_question **q);
/* Ask and wait. */
status dns_find(dns *d, enum dns_type type, slice name, arena *a, dns_answer *out);

/* "4.3.2.1.in-addr.arpa" for 1.2.3.4; nibbles and "ip6.arpa" for IPv6. With another `zone` than ""
   that stands behind the digits instead (DNS blacklists). */
slice dns_reverse(const net_address *of, slice zone, arena *a);

/* The resolver as mail/lookup.h wants it. Valid while `d` is open. Waits are bounded by the task's
   deadline. */
lookup dns_lookup(dns *d);

#endif
