/* Sender Policy Framework (RFC 7208): may this address send for that domain? Asks the DNS through
   mail/lookup.h only. What follows from the result is the connector's matter. */
#ifndef PENNYPOST_MAIL_SPF_H
#define PENNYPOST_MAIL_SPF_H

#include "mail/lookup.h"

#include "base/clock.h"
#include "base/status.h"

/* Words of RFC 8601 2.7.2, which are those of RFC 7208 2.6. */
enum spf_result {
	SPF_NONE,    /* nobody said anything about that domain, or it is none */
	SPF_NEUTRAL, /* the domain says that it says nothing */
	SPF_PASS,
	SPF_FAIL,
	SPF_SOFTFAIL,
	SPF_TEMPERROR, /* the DNS gave no answer */
	SPF_PERMERROR, /* the domain's records cannot be understood or cost too much */
};
/* "none", "neutral", "pass", "fail", "softfail", "temperror", "permerror". */
const char *spf_result_name(enum spf_result result);

/* 4.6.4: what one check may cost. */
#define SPF_TERMS_MOST 10 /* mechanisms and redirects that ask the DNS, includes' too */
#define SPF_VOIDS_MOST 2  /* of them, such that find nothing */
#define SPF_HOSTS_MOST 10 /* hosts looked at for one "mx"; names for "ptr" */

typedef struct spf_client {
	uint8_t family; /* 4 or 6; IPv4 inside IPv6 is IPv4 */
	uint8_t ip[16]; /* the first 4 bytes for family 4 */
} spf_client;
/* "192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1". ST_INVALID. */
status spf_client_parse(slice s, spf_client *out);

typedef struct spf_query {
	spf_client client;
	slice helo;      /* what the client called itself */
	slice mail_from; /* "local@domain"; empty: the null path, for which postmaster@helo
	stands */
	slice receiver;  /* our name, for the macro r; empty = "unknown" */
	usec now;        /* wall time, for the macro t */
} spf_query;

typedef struct spf_report {
	enum spf_result result;
	bool helo;          /* the domain is the client's name, since the path was null */
	slice domain;       /* the domain that was judged, lower case; empty when there is none */
	slice mechanism;    /* the term that matched, as it stands in the record; empty: none did */
	slice explanation;  /* of a fail: the domain's own words, printable ASCII; mostly empty */
	const char *reason; /* a few words for people and logs */
} spf_report;

/* The identity MAIL FROM (2.4), or HELO where that is null. Everything lives in `a` or is lent. */
void spf_check(const spf_query *q, const lookup *dns, arena *a, spf_report *out);
/* The identity HELO (2.3) alone, whatever mail_from says. */
void spf_check_helo(const spf_query *q, const lookup *dns, arena *a, spf_report *out);

#endif
