/* The arithmetic of SCRAM-SHA-256 (RFC 5802 3, RFC 7677): keys from a password, the stored verifier
   (RFC 5803), signatures. Pure: the talk is sasl.c, the store auth.c. */
#ifndef PENNYPOST_PROVIDER_SCRAM_H
#define PENNYPOST_PROVIDER_SCRAM_H

#include "base/arena.h"
#include "base/status.h"

#include <stdint.h>

#define SCRAM_KEY 32
#define SCRAM_ITERATIONS_MOST 10000000 /* of a stored verifier; more is not believed */

struct scram_verifier {
	unsigned iterations;
	slice salt;
	uint8_t stored_key[SCRAM_KEY], server_key[SCRAM_KEY];
};

/* From a prepared password (saslprep.h); the salt is lent. Takes some ms: offload it. */
void scram_verifier_make(
	slice password, slice salt, unsigned iterations, struct scram_verifier *out);
/* "SCRAM-SHA-256$4096:base64 salt$base64 stored key:base64 server key" and back; ST_INVALID. */
slice scram_verifier_text(const struct scram_verifier *v, arena *a);
status scram_verifier_parse(slice text, arena *a, struct scram_verifier *out);

/* Whether `proof` was made by someone who knows the password, over this AuthMessage. */
bool scram_proof_right(const uint8_t stored_key[SCRAM_KEY], slice auth_message, slice proof);
/* ServerSignature over the AuthMessage. */
void scram_server_signature(
	const uint8_t server_key[SCRAM_KEY], slice auth_message, uint8_t out[SCRAM_KEY]);
/* The client's side: its proof over this AuthMessage, and the ServerSignature a server that knows
   the verifier will answer with. The password is prepared (saslprep.h). Takes some ms: offload
   it. */
void scram_client_proof(slice password, slice salt, unsigned iterations, slice auth_message,
	uint8_t proof[SCRAM_KEY], uint8_t server_signature[SCRAM_KEY]);
/* HMAC-SHA-256. */
void scram_hmac(slice key, slice bytes, uint8_t out[SCRAM_KEY]);

#endif
