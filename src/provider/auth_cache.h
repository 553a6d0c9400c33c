/* Verified logons a process remembers, so that a client's next one costs no hash and no query. What
   is remembered is an HMAC-SHA-256 over name, place and password under a random key of the process:
   the memory of a worker gives no password away, nor a quick way to test one. The place is part of
   it, or a guesser who is refused elsewhere could go on guessing what somebody else's logon left
   here.

   Every entry was true as of a revision of logons, which every change of a password, a state or of
   what a name stands for raises: it is a proof only for who has found that the revision still
   stands. So that nobody need find that in vain, entries are also of a generation of this process,
   and each change it hears of starts a new one. What is no proof any more still hints that the
   password need not be hashed again if the stored hash is the same. */
#ifndef PENNYPOST_PROVIDER_AUTH_CACHE_H
#define PENNYPOST_PROVIDER_AUTH_CACHE_H

#include "provider/auth.h"

#define AUTH_CACHE_KEY 32

/* The entry's key; the only way in. */
void auth_cache_key(slice name, slice place, slice password, uint8_t key[AUTH_CACHE_KEY]);

uint64_t auth_cache_generation(void);
/* A new generation begins. */
void auth_cache_void(void);

enum auth_cached {
	AUTH_CACHED_NOT,
	AUTH_CACHED_OLD, /* of an older generation; ->hash: of the stored hash it was proven
	against */
	AUTH_CACHED      /* ->who is let in where ->revision still stands */
};
struct auth_memory {
	struct identity who; /* its names lent, or in the arena */
	uint8_t hash[AUTH_CACHE_KEY];
	int64_t revision;    /* as it stood when the facts were read */
	uint64_t generation; /* as it was before, so that a change meanwhile voids it */
};
enum auth_cached auth_cache_find(
	const uint8_t key[AUTH_CACHE_KEY], arena *a, struct auth_memory *out);
/* Remembers for auth_cache_span; the least recently used go beyond auth_cache_most. */
void auth_cache_put(const uint8_t key[AUTH_CACHE_KEY], const struct auth_memory *m);
void auth_cache_clear(void);
size_t auth_cache_size(void);

#endif
