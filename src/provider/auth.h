/* Logons. Passwords are kept as argon2id hashes and SCRAM-SHA-256 verifiers (and, only where a post
   office turns auth_recoverable on, an encrypted recoverable secret for APOP).

   Names: `mailbox@postoffice`, `mailbox@domain`, any address of the mailbox, a bare mailbox name of
   the default post office (A6); characters of auth_at_signs stand for @ (E8). Unknown names cost
   the same work and give the same answer as wrong passwords (T40). Failures are counted in
   PostgreSQL per address, per account and per pair, shared by all protocols and workers (T41); an
   account's owner coming from an address that logged on before passes. */
#ifndef PENNYPOST_PROVIDER_AUTH_H
#define PENNYPOST_PROVIDER_AUTH_H

#include "base/metric.h"
#include "provider/auth_throttle.h"
#include "provider/mailbox.h"

struct identity {
	int64_t postoffice, mailbox, inbox;
	slice postoffice_name, mailbox_name; /* canonical */
	enum mailbox_kind kind;
};

struct auth_from { /* where the logon comes from */
	enum service service;
	slice address; /* "192.0.2.1" */
	bool secure;   /* TLS */
};

/* ST_OK; ST_DENIED (wrong name or password, disabled mailbox or post office: one answer for all);
   ST_LIMITED (throttled: say [AUTH] later); ST_BUSY (hash budget or database). Verified logons are
   remembered by keyed hash for the place they came from (auth_cache_span), void at once on this
   node and within 2 s everywhere when password or state changes. The delay of failed logons is
   slept here. */
status auth_password(
	slice name, slice password, const struct auth_from *from, arena *a, struct identity *out);
/* The same by a mechanism of the setting auth_mechanisms. Where the mailbox's post office does not
   take it, the right password is a wrong one in all it costs and leaves behind. */
status auth_password_by(slice mechanism, slice name, slice password, const struct auth_from *from,
	arena *a, struct identity *out);
bool auth_mechanism_taken(slice mechanism, int64_t postoffice);

/* SCRAM: what the server side needs. Unknown names get a steady fake salt, so that they look alike.
   auth_scram_done tells the outcome (throttle, last logon). ST_LIMITED, ST_BUSY. */
struct auth_scram {
	slice salt;
	unsigned iterations;
	uint8_t stored_key[32], server_key[32];
	bool real; /* false: never let in */
	struct identity identity;
	struct auth_counts counts; /* for auth_scram_done */
	slice account;
	uint64_t generation;
	bool place_fresh;
	usec took; /* by auth_scram_find */
};
status auth_scram_find(slice name, const struct auth_from *from, arena *a, struct auth_scram *out);
status auth_scram_done(
	const struct auth_scram *s, slice name, const struct auth_from *from, bool proven);

/* APOP (RFC 1939 7): digest = MD5(banner + secret) in hex. ST_DENIED also where no recoverable
   secret is kept. */
status auth_apop(slice name, slice banner, slice digest, const struct auth_from *from, arena *a,
	struct identity *out);

/* Remembered logons are void when a password or state changed: called by provider_open and _close.
   */
void auth_open(void);
void auth_close(void);

/* Rules a new password must meet; ST_INVALID with the sentence. */
status auth_password_check(int64_t postoffice, slice name, slice password, arena *a, slice *why);

#endif
