/* DNS through the caller. The pure functions of this floor that need facts from the DNS (SPF, DKIM,
   DMARC, ARC) ask for them through a function their caller gives. In the house that is dns_lookup()
   of net/dns.h, which may wait; in unit tests a table. */
#ifndef PENNYPOST_MAIL_LOOKUP_H
#define PENNYPOST_MAIL_LOOKUP_H

#include "base/arena.h"

#include <stdint.h>

enum lookup_type {
	LOOKUP_A,
	LOOKUP_AAAA,
	LOOKUP_MX,
	LOOKUP_PTR,
	LOOKUP_TXT,
};

typedef enum lookup_kind {
	LOOKUP_FOUND,  /* at least one row */
	LOOKUP_ABSENT, /* no such name, or none of that type under it, or a name DNS cannot hold */
	LOOKUP_TEMPORARY, /* no answer in time, or a server's failure: asking later may help; also
			     what is said after a cancel */
	LOOKUP_PERMANENT, /* an answer that cannot be used: malformed, or refuted by DNSSEC */
} lookup_kind;

/* Rows in the order of the answer, MX in order of preference. A row is
     A, AAAA   4 or 16 bytes of address in network order
     MX, PTR   a name in lower case without its last dot; "" for the root (null MX, RFC 7505)
     TXT       one record, its strings joined without anything between them */
typedef struct lookup_answer {
	lookup_kind kind;
	bool secure;  /* validated by DNSSEC, as far as the caller's resolver may be trusted to say
			 so */
	uint32_t ttl; /* seconds, the least of all rows; 0 when unknown */
	size_t count; /* 0 unless found */
	slice *row;
} lookup_answer;

typedef struct lookup {
	void *with;
	/* Asks for `name` (any case, with or without its last dot; always a whole name, nothing is
	   appended). The answer lives in `a`; out->kind is what is returned. */
	lookup_kind (*ask)(
		void *with, enum lookup_type type, slice name, arena *a, lookup_answer *out);
} lookup;

/* For callers: one line instead of three. */
static inline lookup_kind lookup_ask(
	const lookup *l, enum lookup_type type, slice name, arena *a, lookup_answer *out)
{
	*out = (lookup_answer){.kind = LOOKUP_TEMPORARY};
	return l->ask(l->with, type, name, a, out);
}

#endif
