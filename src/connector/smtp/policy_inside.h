/* What the files of the receiving rules share. */
#ifndef PENNYPOST_CONNECTOR_SMTP_POLICY_INSIDE_H
#define PENNYPOST_CONNECTOR_SMTP_POLICY_INSIDE_H

#include "connector/smtp/session.h"

/* The worker's resolver, opened when it is first needed; NULL: it cannot be. */
dns *policy_resolver(void);
lookup policy_lookup(void);

/* Waits for the DNS stand between these two. */
struct policy_wait {
	usec began, deadline;
};
struct policy_wait policy_wait_begin(conversation *c);
void policy_wait_end(conversation *c, const struct policy_wait *w);

/* Logs which rule refused and gives the reply, formatted in the command's arena. */
const char *policy_refuse(conversation *c, const char *rule, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Where a setting of the recipient's domain is asked for. */
struct setting_at policy_at(const struct recipient *r);

/* SPF of the present message, judged once (policy_verify.c). */
const spf_report *policy_spf(conversation *c);

/* Blacklists and lists of good clients, asked once (policy_dnsbl.c). */
const char *policy_dnsbl(conversation *c, const struct recipient *r);
void policy_dnsbl_forget(void); /* resolvers of its own */

/* Greylisting (policy_greylist.c). */
const char *policy_greylist(conversation *c, const struct recipient *r);

/* Signing (policy_sign.c). */
void policy_sign_begin(conversation *c, struct policy_text *t, slice header, slice added);
slice policy_sign_end(conversation *c, struct policy_text *t);
/* Signing what is here already (policy_resign.c): a text that may be read again and again, with its
   header. */
struct policy_stored {
	slice header;
	uint64_t body_at; /* behind the empty line */
	status (*read)(void *from, status (*take)(slice piece, void *to), void *to); /* all of it */
	void *from;
};
/* Whether its DKIM signatures were made here, all of them: by its author's domain with keys of the
   post office, and they hold. ST_DENIED: not so; else the kinds of the store and of `read`. */
status policy_signed_here(int64_t postoffice, const struct policy_stored *t, arena *a);
/* DKIM fields by its author's domain. ST_ABSENT: it signs nothing, or not this; else as above. */
status policy_sign_stored(
	int64_t postoffice, const struct policy_stored *t, arena *a, slice *fields);
/* The same for a text of the house's own; empty where there are none. */
slice policy_sign_own(int64_t postoffice, slice raw, arena *a);
/* Signing keys of a domain, lent until policy_keys_drop; policy_signers: how many there are, at
   most DKIM_SIGNERS_MOST, as signers of it. */
status policy_keys_of(int64_t postoffice, slice domain, arena *a, struct sign_keys **out);
size_t policy_signers(
	const struct sign_keys *k, slice domain, dkim_signer signer[DKIM_SIGNERS_MOST]);
void policy_keys_drop(struct sign_keys **keys);
void policy_keys_forget(void); /* all that nobody uses */

#endif
