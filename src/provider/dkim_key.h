/* Keys by which domains sign their mail (DKIM, ARC). A key is made and waits while its record is
   being published; rotation lets it sign and retires those of its algorithm that signed before; a
   retired one is removed when no mail signed by it is under way any more. Private keys are kept
   encrypted with the house's secret (auth_secret_keep). Making key pairs is net/signature.h's
   matter. */
#ifndef PENNYPOST_PROVIDER_DKIM_KEY_H
#define PENNYPOST_PROVIDER_DKIM_KEY_H

#include "mail/signature.h"
#include "provider/audit.h"

enum dkim_key_state { DKIM_KEY_WAITING, DKIM_KEY_SIGNING, DKIM_KEY_RETIRED };

typedef struct dkim_key {
	int64_t postoffice;
	slice domain;   /* canonical */
	slice selector; /* lower case */
	enum signature_algorithm algorithm;
	enum dkim_key_state state;
	slice public_key;  /* as dkim_record_text() takes it */
	slice private_key; /* dkim_key_signing() only: what signature_key_open() reads; forget it */
	usec made, changed;
} dkim_key;

/* Adds a key that waits; state and times of *k are not used. ST_EXISTS: the domain has that
   selector; ST_ABSENT: no such domain; ST_INVALID: a selector that is no DNS name, or there is no
   secret file
   (*why). */
status dkim_key_add(const dkim_key *k, const struct audit_by *by, arena *a, slice *why);
/* All keys of a domain, or of the post office when `domain` is empty; oldest first. */
status dkim_key_list(int64_t postoffice, slice domain, arena *a, dkim_key **rows, int *n);
/* Those that sign, with their private keys. ST_BROKEN: one cannot be opened. */
status dkim_key_signing(int64_t postoffice, slice domain, arena *a, dkim_key **rows, int *n);
/* Waiting keys sign, those of the same algorithms that signed retire. ST_ABSENT: none waits;
   ST_INVALID: one that would sign cannot be opened with the secret file, and all stays as it
   was. */
status dkim_key_rotate(int64_t postoffice, slice domain, const struct audit_by *by);
/* ST_ABSENT. */
status dkim_key_remove(int64_t postoffice, slice domain, slice selector, const struct audit_by *by);

#endif
