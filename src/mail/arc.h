/* The Authenticated Received Chain (RFC 8617): judging the chain of a message and adding a set to
   it. Shares hashes and keys with DKIM (mail/signature.h, mail/dkim.h). Whom to believe of those
   who sealed is decided by the connector. */
#ifndef PENNYPOST_MAIL_ARC_H
#define PENNYPOST_MAIL_ARC_H

#include "mail/dkim.h"

#define ARC_SETS_MOST 50 /* RFC 8617 4.2.1 */

/* One set of a chain whose form is right, by its instance. */
typedef struct arc_set {
	slice domain;   /* d= of the seal, as dkim_verdict's */
	slice selector; /* s= of the seal */
	slice results;  /* ARC-Authentication-Results behind "i=N;", unfolded: what that hop saw */
} arc_set;

typedef struct arc_report {
	enum dkim_result result; /* none, pass, fail, temperror (a key could not be had now) */
	const char *reason;      /* a few words */
	unsigned sets;   /* length of the chain; where its form is broken, the highest instance */
	unsigned failed; /* instance that failed; 0: none, or the chain as a whole */
	bool closed;     /* the newest seal says cv=fail: the chain stays failed, nobody seals */
	const arc_set *set; /* set[0] is i=1; NULL where the form is broken */
} arc_report;

typedef struct arc_check arc_check;

/* As dkim_check_begin() and dkim_check_end(). All seals and the newest ARC-Message-Signature are
   checked, so up to ARC_SETS_MOST + 1 keys are asked for; the first failure ends it. */
arc_check *arc_check_begin(slice header, signature_body *body, arena *a);
size_t arc_check_count(const arc_check *c);
slice arc_check_key_name(const arc_check *c, size_t n);
void arc_check_end(arc_check *c, const lookup *dns, usec now, arc_report *out);

/* As dkim_check_message() and dkim_check_file(). */
void arc_check_message(slice message, const signature_crypto *crypto, const lookup *dns, usec now,
	arena *a, arc_report *out);
status arc_check_file(FILE *in, const signature_crypto *crypto, const lookup *dns, usec now,
	arena *a, arc_report *out);

/* --- Sealing
   ----------------------------------------------------------------------------------- */

typedef struct arc_seal arc_seal;

/* Begins to seal the message as it goes out (fields added by this house included). `signer` as in
   mail/dkim.h, its identity and expires_at are not used, canonicalisation is relaxed. Rules of
   lending and ST_INVALID as dkim_sign_begin(). */
status arc_seal_begin(
	slice header, const dkim_signer *signer, signature_body *body, arena *a, arc_seal **out);
/* After signature_body_end(): the set's three fields, to be put before the header. `results` is the
   value of Authentication-Results as this house found it, "mx.example.org; spf=pass ..."; `chain`
   is what arc_check_end() found when the message came in (none: the chain begins here; anything but
   none and pass is sealed as cv=fail). ST_DENIED: the chain was closed before; ST_LIMITED: it has
   ARC_SETS_MOST sets; ST_BUSY: the verdict was temperror, so nothing can be vouched for; *fields is
   then untouched and the message goes without. */
status arc_seal_end(arc_seal *s, const arc_report *chain, slice results, slice *fields);

#endif
