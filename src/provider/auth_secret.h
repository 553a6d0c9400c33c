/* What is kept of a password, how it is made and checked: an argon2id hash, a SCRAM-SHA-256
   verifier and, where a post office asks for it, a secret that can be recovered for APOP. Hashing
   runs on helper threads behind a gate, so that all logons of a process together stay within
   auth_hash_memory (trust.md T34). Storing and finding is the matter of mailbox.c and auth.c. */
#ifndef PENNYPOST_PROVIDER_AUTH_SECRET_H
#define PENNYPOST_PROVIDER_AUTH_SECRET_H

#include "base/arena.h"
#include "base/status.h"
#include "provider/bootstrap.h"

#include <stdint.h>

#define AUTH_PASSWORD_MOST 1024 /* octets of a password; longer ones are never hashed */

struct auth_secrets {      /* three columns of a credential */
	slice hash;        /* "$argon2id$v=19$m=19456,t=2,p=1$salt$hash" */
	slice scram;       /* "SCRAM-SHA-256$4096:salt$stored key:server key" (RFC 5803) */
	slice recoverable; /* AES-256-GCM: 12 bytes nonce, text, 16 bytes tag; empty = not kept */
};

/* Makes all three with the present settings. Waits for its turn to hash (auth_hash_patience).
   ST_TOO_BIG over AUTH_PASSWORD_MOST; ST_BUSY no turn in time; ST_BROKEN the post office wants
   recoverable secrets, but there is no key. */
status auth_hash_new(int64_t postoffice, slice password, arena *a, struct auth_secrets *out);

/* Whether the password belongs to the hash: ST_OK, ST_DENIED, ST_BUSY. Hashes whose parameters are
   beyond what the settings allow are never computed (ST_BROKEN). An empty `hash` costs the work of
   one with the present parameters and gives ST_DENIED (T40). */
status auth_hash_check(slice hash, slice password);
/* The hash was made with less memory, fewer passes or other lanes than the present settings ask
   for. */
bool auth_hash_outdated(slice hash);
/* Hashes computed by this node so far: the metric password_hashes. */
uint64_t auth_hash_count(void);

/* The recoverable secret in the clear, in the arena; ST_ABSENT none kept, ST_BROKEN no key or not
   made with it. The caller forgets it. */
status auth_secret_recover(int64_t postoffice, slice recoverable, arena *a, slice *password);
/* The recoverable form of a secret; ST_ABSENT: no key. For logons at other systems (route.h) post
   office 0. */
status auth_secret_keep(int64_t postoffice, slice password, arena *a, slice *recoverable);
/* Whether this process has the key that auth_recoverable needs. */
bool auth_secret_has_key(void);

/* Reads the key from b->secret_file; no file leaves the process without a key, a file of another
   size or that others may read gives ST_INVALID (logged). Called by provider_open. */
status auth_secret_open(const struct bootstrap *b);
void auth_secret_close(void);
/* 32 bytes by which this secret is known from others; ST_ABSENT: no key. */
status auth_secret_mark(arena *a, slice *mark);
/* Makes the file with a random key, mode 0600, owned by b->user when the caller is root; one that
   is there is left. For `pennypost schema init` and `pennypost schema secret`. ST_DENIED: it cannot
   be written (logged). */
status auth_secret_file_make(const struct bootstrap *b);

#endif
