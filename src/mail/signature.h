/* What DKIM (mail/dkim.h) and ARC (mail/arc.h) share: hashes, keys and signatures through the
   caller, and the hash of a body that goes by in pieces (RFC 6376 3.4, 3.7; RFC 8301; RFC 8463).
   This floor knows no library of cryptography: the house's table is signature_openssl of
   net/signature.h, tests may record what is hashed. */
#ifndef PENNYPOST_MAIL_SIGNATURE_H
#define PENNYPOST_MAIL_SIGNATURE_H

#include "base/arena.h"
#include "base/status.h"

#include <stdio.h>

enum signature_algorithm { SIGNATURE_RSA_SHA256, SIGNATURE_ED25519_SHA256 };

/* RSA keys outside of these are refused (RFC 8301 3.2, trust.md T58). */
#define SIGNATURE_RSA_LEAST 1024
#define SIGNATURE_RSA_MOST 4096

#define SIGNATURE_DIGEST 32 /* bytes of SHA-256 */

typedef struct signature_hash signature_hash; /* a SHA-256 under way */
typedef struct signature_key signature_key;   /* a private key; who made it owns it */

/* One table of functions, lent for as long as anything here is in use. */
typedef struct signature_crypto {
	signature_hash *(*hash_open)(void); /* never NULL */
	signature_hash *(*hash_copy)(const signature_hash *h);
	void (*hash_add)(signature_hash *h, slice bytes);
	void (*hash_close)(
		signature_hash **h, uint8_t digest[SIGNATURE_DIGEST]); /* digest may be NULL */
	/* Judges a signature over a digest. `public_key` is what stands in a key record: DER for
	   RSA (SubjectPublicKeyInfo, or RSAPublicKey alone), 32 bytes for Ed25519. ST_DENIED: not
	   the signature of that key; ST_INVALID: no key of that algorithm; ST_LIMITED: an RSA key
	   outside the bounds above, nothing was computed with it. *bits is 0 where no key could be
	   read. */
	status (*verify)(enum signature_algorithm algorithm, slice public_key,
		const uint8_t digest[SIGNATURE_DIGEST], slice signature, unsigned *bits);
	/* ST_INVALID when the key is not one of that algorithm. */
	status (*sign)(enum signature_algorithm algorithm, const signature_key *key,
		const uint8_t digest[SIGNATURE_DIGEST], arena *a, slice *signature);
} signature_crypto;

/* "rsa-sha256", "ed25519-sha256". */
slice signature_algorithm_name(enum signature_algorithm algorithm);

enum signature_canon { CANON_SIMPLE, CANON_RELAXED };

/* --- Bodies
   ------------------------------------------------------------------------------------ */

/* The hashes of one body, made while it goes by: each canonicalisation runs once, however many
   signatures want it. The order is open, want.., add.., end, digest.., close. Nothing of the body
   is kept but a buffer of a few KB. */
typedef struct signature_body signature_body;

signature_body *signature_body_open(const signature_crypto *crypto);
const signature_crypto *signature_body_crypto(const signature_body *b);
/* Asks for a hash, before the first piece; *which names it afterwards. `limit` octets of the
   canonical body are hashed (l=); SIGNATURE_ALL: all of them. Equal wishes share one hash.
   ST_LIMITED beyond SIGNATURE_WANTED_MOST different ones. */
#define SIGNATURE_ALL UINT64_MAX
#define SIGNATURE_WANTED_MOST 16
status signature_body_want(
	signature_body *b, enum signature_canon canon, uint64_t limit, size_t *which);
/* The next piece of the body, cut anywhere. Lines end with CRLF; a CR or LF alone is a byte like
   others. Costs nothing when no hash is wanted. */
void signature_body_add(signature_body *b, slice piece);
void signature_body_end(signature_body *b); /* there is no more; may be called again */
/* After the end: the digest, and the octets of the canonical body, hashed or not. */
const uint8_t *signature_body_digest(const signature_body *b, size_t which);
uint64_t signature_body_size(const signature_body *b, size_t which);
void signature_body_close(signature_body **b);

/* --- Whole messages
   ---------------------------------------------------------------------------- */

/* For the command line and tests: messages whose lines end with CRLF or LF, both read as CRLF. */
#define SIGNATURE_HEADER_MOST (4 * 1024 * 1024)

/* Splits a message; both parts lie in `a`. */
void signature_message_split(slice message, arena *a, slice *header, slice *body);
/* Reads the header with its empty line from a file. ST_TOO_BIG over SIGNATURE_HEADER_MOST,
   ST_BROKEN when the file cannot be read. */
status signature_file_header(FILE *in, arena *a, slice *header);
/* Reads the rest of the file into the hashes and ends them. ST_BROKEN as above. */
status signature_file_body(FILE *in, signature_body *b);

#endif
