/* Verified logons a process remembers, so that a client's next one costs no hash and no query. What
   is remembered is an HMAC-SHA-256 over name, place and password under a random key of the process:
   the memory of a worker gives no password away, nor a quick way to test one. The place is part of
   it, or a guesser who is refused elsewhere could go on guessing what somebody else's logon left
   here.

   Every entry was true as of a generation. A change of any password or state anywhere starts a new
   one (at once on this process, within 2 s elsewhere); entries of an older generation are no proof
   any more, but hint that the password need not be hashed again if the stored hash is still the
   same. */
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
	AUTH_CACHED_OLD, /* of an older generation; *hash: of the stored hash it was proven against */
	AUTH_CACHED      /* *who (names in the arena) is let in */
};
enum auth_cached auth_cache_find(const uint8_t key[AUTH_CACHE_KEY], arena *a, struct identity *who,
	uint8_t hash[AUTH_CACHE_KEY]);
/* Remembers for auth_cache_span; the least recently used go beyond auth_cache_most. `generation` as
   it was before the facts were read, so that a change meanwhile voids it. */
void auth_cache_put(const uint8_t key[AUTH_CACHE_KEY], const struct identity *who,
	const uint8_t hash[AUTH_CACHE_KEY], uint64_t generation);
void auth_cache_clear(void);
size_t auth_cache_size(void);

#endif
