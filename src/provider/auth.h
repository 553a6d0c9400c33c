/* Logons. Passwords are kept as argon2id hashes and SCRAM-SHA-256 verifiers (and, only where a post
   office turns auth_recoverable on, an encrypted recoverable secret for APOP).

   Names: `mailbox@postoffice`, `mailbox@domain`, any address of the mailbox, a bare mailbox name of
   the default post office (A6); characters of auth_at_signs stand for @ (E8). Unknown names cost
   the same work and give the same answer as wrong passwords (T40). Failures are counted in
   PostgreSQL per address, per account, per pair and for all, shared by all protocols and workers
   (T41); an account's owner coming from an address that logged on before passes. */
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

/* Verified logons are remembered (auth_password), but let nobody in before the database has told
   that no logon changed since. Who opens the mailbox anyway learns that by the way: */
struct auth_opener {
	/* Opens the mailbox of a logon that is remembered as true of the revision `as_of`.
	   *revision: of logons, read after the call began (maildrop_taken.logons); 0, as it is
	   given, when it did not learn it, and nothing is open then. How the opening itself went is
	   its own matter: only what ends the conversation is another kind than ST_OK. */
	status (*open)(void *arg, const struct identity *who, int64_t as_of, int64_t *revision);
	/* It was in vain: the logon is no longer true as it was. What was opened closes. */
	void (*close)(void *arg);
	void *arg;
};

struct auth_from { /* where the logon comes from */
	enum service service;
	slice address;                    /* "192.0.2.1" */
	bool secure;                      /* TLS */
	const struct auth_opener *opener; /* NULL: auth_password asks the database itself */
};

/* ST_OK; ST_DENIED (wrong name or password, disabled mailbox or post office: one answer for all);
   ST_LIMITED (throttled: say [AUTH] later); ST_BUSY (hash budget or database). Verified logons are
   remembered by keyed hash for the place they came from (auth_cache_span): the next one costs no
   hash, and one small question or what the opener asks. Whoever logs on after a change of a
   password, a state or an address was stored, anywhere, is judged by it. The delay of failed logons
   is slept here. */
status auth_password(
	slice name, slice password, const struct auth_from *from, arena *a, struct identity *out);
/* The same by a mechanism of the setting auth_mechanisms. Where the mailbox's post office does not
   take it, the right password is a wrong one in all it costs and leaves behind. */
status auth_password_by(slice mechanism, slice name, slice password, const struct auth_from *from,
	arena *a, struct identity *out);
bool auth_mechanism_taken(slice mechanism, int64_t postoffice);
/* A password as it is, which LOGIN of IMAP and USER of POP3 send too, as PLAIN and LOGIN do: where neither is taken
   none is. */
static inline bool auth_password_taken(int64_t postoffice)
{
	return auth_mechanism_taken(S("PLAIN"), postoffice) ||
	       auth_mechanism_taken(S("LOGIN"), postoffice);
}

/* What stands against a logon under this name from there, and the key that the account's failures
   are counted under. ST_BUSY. */
status auth_against(slice name, const struct auth_from *from, arena *a, struct auth_counts *counts,
	slice *account);

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
	int64_t revision; /* of logons */
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

/* Remembered logons are forgotten when something they rest on changed: called by provider_open and
   _close. */
void auth_open(void);
void auth_close(void);

/* Rules a new password must meet; ST_INVALID with the sentence. */
status auth_password_check(int64_t postoffice, slice name, slice password, arena *a, slice *why);

#endif
