/* RSA and Ed25519 for signatures on messages, by OpenSSL: the table that DKIM and ARC need
   (mail/signature.h), and private keys. */
#ifndef PENNYPOST_NET_SIGNATURE_H
#define PENNYPOST_NET_SIGNATURE_H

#include "mail/signature.h"

extern const signature_crypto signature_openssl;

/* Reads a private key, PEM or DER, PKCS#8 or RSA's own form. ST_INVALID: no private key, none of an
   algorithm of ours, or RSA outside the bounds; *out is then untouched. */
status signature_key_open(slice coded, signature_key **out);
void signature_key_close(signature_key **key); /* NULL is nothing */

enum signature_algorithm signature_key_algorithm(const signature_key *key);
/* What p= of its key record holds, before base64. */
slice signature_key_public(const signature_key *key, arena *a);
/* The private key as PEM (PKCS#8); the caller forgets it (base/secret.h). */
slice signature_key_text(const signature_key *key, arena *a);

/* Makes a new pair; RSA has `bits` (0: 2048), which takes some 100 ms: task_offload. ST_INVALID as
   above. */
status signature_key_make(enum signature_algorithm algorithm, unsigned bits, signature_key **out);

#endif
