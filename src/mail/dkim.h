/* DomainKeys Identified Mail (RFC 6376, with RFC 8301's algorithms and RFC 8463's Ed25519): judging
   the signatures of a message, signing one, key records. Hashing and keys come from
   mail/signature.h, the DNS from mail/lookup.h; what a verdict means for a message is decided by
   its connector. */
#ifndef PENNYPOST_MAIL_DKIM_H
#define PENNYPOST_MAIL_DKIM_H

#include "base/clock.h"
#include "mail/lookup.h"
#include "mail/signature.h"

/* Words of RFC 8601 2.7.1. */
enum dkim_result {
	DKIM_NONE, /* no signature */
	DKIM_PASS,
	DKIM_FAIL, /* a hash or the signature does not fit, or its time is over */
	DKIM_POLICY, /* it fits, but l= leaves a part of the body to anybody, or the key is too small */
	DKIM_TEMPERROR, /* the key could not be had now */
	DKIM_PERMERROR, /* malformed, no key, a revoked or unfit key, rsa-sha1 */
};
/* "none", "pass", "fail", "policy", "temperror", "permerror". */
const char *dkim_result_name(enum dkim_result result);

/* --- Judging
   ----------------------------------------------------------------------------------- */

#define DKIM_SIGNATURES_MOST 5 /* the topmost are looked at (trust.md T58) */

/* What became of one signature. Slices lie in the arena or in the header and are empty where the
   signature did not say, or not in a form that could be read; domain, selector and identity are
   safe to be shown. */
typedef struct dkim_verdict {
	enum dkim_result result;
	const char *reason; /* a few words for people and for reason= of Authentication-Results */
	slice domain;       /* d=, lower case, A-labels: what DMARC compares */
	slice selector;     /* s= */
	slice identity;     /* i=, or "@" with the domain */
	slice algorithm;    /* a= */
	slice signature;    /* b= without blanks; header.b= shows its start (RFC 6008) */
	unsigned bits;      /* of the key; 0: unknown */
	bool testing;       /* t=y in the key: to be treated like an unsigned message */
	uint64_t uncovered; /* octets of the canonical body behind l= */
	int64_t signed_at;  /* t= in seconds; 0: not said */
	int64_t expires_at; /* x= */
} dkim_verdict;

typedef struct dkim_report {
	size_t count;   /* signatures that were looked at, in their order from the top */
	size_t ignored; /* further ones */
	dkim_verdict verdict[DKIM_SIGNATURES_MOST];
} dkim_report;

/* One message being judged. Lives in the arena; nothing is to be closed. */
typedef struct dkim_check dkim_check;

/* Reads the signatures of a header and asks `body` for the hashes they need, so it must come before
   the first piece of the body. `header` (its empty line may follow) and `body` are lent until the
   end. Lines end with CRLF. */
dkim_check *dkim_check_begin(slice header, signature_body *body, arena *a);
/* Names of the key records that dkim_check_end() will ask for, to fetch them ahead: the n-th, from
   0; empty when the n-th signature needs none or there is none. */
size_t dkim_check_count(const dkim_check *c);
slice dkim_check_key_name(const dkim_check *c, size_t n);
/* After signature_body_end(): fetches the keys, which may wait, and judges. `now` is wall time. */
void dkim_check_end(dkim_check *c, const lookup *dns, usec now, dkim_report *out);

/* A policy about the size of keys (RFC 8301 3.2): signatures that pass by an RSA key of fewer bits
   become DKIM_POLICY. */
void dkim_demand(dkim_report *r, unsigned rsa_bits);

/* The whole message in one word: pass when one signature passes, else temperror, fail, permerror
   whichever comes first in this order among the verdicts (policy counts as fail), none when there
   is no signature. */
enum dkim_result dkim_overall(const dkim_report *r);

/* A whole message at once; lines may also end with LF. ST_TOO_BIG, ST_BROKEN as in
   mail/signature.h. The body of a file is never in memory as a whole. */
void dkim_check_message(slice message, const signature_crypto *crypto, const lookup *dns, usec now,
	arena *a, dkim_report *out);
status dkim_check_file(FILE *in, const signature_crypto *crypto, const lookup *dns, usec now,
	arena *a, dkim_report *out);

/* --- Key records (RFC 6376 3.6.1)
   -------------------------------------------------------------- */

#define DKIM_RECORD_MOST 4096 /* octets; longer ones are malformed */

typedef struct dkim_record {
	enum signature_algorithm algorithm; /* k= */
	slice public_key;                   /* p= decoded; empty: revoked */
	bool testing;                       /* t=y */
	bool strict;                        /* t=s: the domain of i= must be d= itself */
	bool sha256;                        /* h= allows it */
	bool email;                         /* s= allows it */
} dkim_record;

/* ST_INVALID: no key record; ST_FOREIGN: one for an algorithm that is not known. */
status dkim_record_parse(slice record, arena *a, dkim_record *out);
/* The record to publish: "v=DKIM1; k=rsa; p=...", without `h=`, which old verifiers misread. */
slice dkim_record_text(
	enum signature_algorithm algorithm, slice public_key, bool testing, arena *a);
/* The same for a zone file: the name with its last dot, and strings of at most 255 octets. */
slice dkim_record_zone(slice selector, slice domain, slice record, arena *a);
/* "selector._domainkey.domain". ST_INVALID when one of them is no DNS name. */
status dkim_record_name(slice selector, slice domain, arena *a, slice *name);

/* --- Signing
   ----------------------------------------------------------------------------------- */

/* Who signs. Several may sign one message, in the order given; RSA and Ed25519 side by side need
   two selectors (RFC 8463 3). */
typedef struct dkim_signer {
	slice domain; /* canonical (mail_domain_parse) */
	slice selector;
	enum signature_algorithm algorithm;
	const signature_key *key;
	slice identity; /* i=, "user@domain" in ASCII; empty: none */
	enum signature_canon header, body;
	usec at;         /* t=, wall time; 0: none */
	usec expires_at; /* x=; 0: none */
} dkim_signer;

#define DKIM_SIGNERS_MOST 8

typedef struct dkim_sign dkim_sign;

/* Begins to sign the message with that header, which is lent until the end and must not change
   afterwards but for fields put before it. Signed are all fields that readers see or MIME readers
   obey, as often as they are there, and the important ones once more, so that none can be added.
   ST_INVALID: no From field, more than one, a header that begins with a blank, or a signer that
   cannot be written into a field. */
status dkim_sign_begin(slice header, const dkim_signer *signer, size_t count, signature_body *body,
	arena *a, dkim_sign **out);
/* After signature_body_end(): the DKIM-Signature fields, folded, each with its CRLF, to be put
   before the header. ST_INVALID as the table's sign(). */
status dkim_sign_end(dkim_sign *s, slice *fields);

#endif
