/* DMARC (RFC 7489): does the domain that readers see in From stand behind this message, and what
   does it wish for those where it does not? Works on what SPF and DKIM found; asks the DNS for the
   policy through mail/lookup.h. Obeying the wish is the connector's matter. */
#ifndef PENNYPOST_MAIL_DMARC_H
#define PENNYPOST_MAIL_DMARC_H

#include "base/status.h"
#include "mail/dkim.h"
#include "mail/lookup.h"
#include "mail/spf.h"

/* Words of RFC 7489 11.2. */
enum dmarc_result {
	DMARC_NONE, /* no policy is published */
	DMARC_PASS,
	DMARC_FAIL,
	DMARC_TEMPERROR, /* the policy could not be had, or an identifier that may align */
	DMARC_PERMERROR, /* a malformed record, or a message without one author's domain */
};
/* "none", "pass", "fail", "temperror", "permerror". */
const char *dmarc_result_name(enum dmarc_result result);

enum dmarc_policy { DMARC_DO_NOTHING, DMARC_QUARANTINE, DMARC_REJECT };
/* "none", "quarantine", "reject". */
const char *dmarc_policy_name(enum dmarc_policy policy);

typedef struct dmarc_record {
	enum dmarc_policy policy;     /* p= */
	enum dmarc_policy subdomains; /* sp=, else p= */
	bool strict_dkim, strict_spf; /* adkim=s, aspf=s */
	unsigned percent;             /* pct=, 0 .. 100 */
	slice aggregate, failure;     /* rua=, ruf=: lists of URIs as they stand */
	slice options;                /* fo= */
	unsigned interval;            /* ri= in seconds */
} dmarc_record;

/* "v=DMARC1" with what belongs behind it. ST_FOREIGN: no DMARC record at all. ST_INVALID: no valid
   p=, or an invalid sp=, and no rua= either, which would make it a p=none (6.6.3). Other tags that
   make no sense count as not given. Slices lie in `txt`. */
status dmarc_record_parse(slice txt, dmarc_record *out);

/* The organisational domain (3.2) by the public suffix list; the domain itself where it is a public
   suffix or has none. `domain`: lower case, A-labels; the result lies in it. */
slice dmarc_organisation(slice domain);

/* The domain of a header's From, in canonical form. ST_INVALID: no From or several, no address in
   it, or addresses of several domains (6.6.1). */
status dmarc_author(slice header, arena *a, slice *domain);

typedef struct dmarc_query {
	slice author;            /* canonical, from dmarc_author() */
	const spf_report *spf;   /* NULL: not checked */
	const dkim_report *dkim; /* NULL: not checked */
	unsigned draw;           /* 0 .. 99 by chance, for pct= */
} dmarc_query;

typedef struct dmarc_report {
	enum dmarc_result result;
	bool spf_aligned,
		dkim_aligned; /* passed and aligned, relaxed where no record says otherwise */
	bool unknown;         /* one that aligns could not be judged now */
	enum dmarc_policy published; /* for this author */
	enum dmarc_policy wish;      /* what is asked for this message: none unless it failed; one
					step milder where pct= leaves it out */
	slice domain;                /* of the record that counts; empty: there is none */
	dmarc_record record;
	const char *reason; /* a few words */
} dmarc_report;

/* One or two questions to the DNS. A passing DKIM signature in testing mode does not count, one
   with uncovered octets (DKIM_POLICY) neither. */
void dmarc_check(const dmarc_query *q, const lookup *dns, arena *a, dmarc_report *out);

#endif
