/* A map from keyed hashes to entries, and a list of them, the most recently used first. */
#include "provider/auth_cache.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/map.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/secret.h"
#include "provider/setting.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <pthread.h>
#include <stdatomic.h>

struct remembered {
	link_t link;
	uint8_t key[AUTH_CACHE_KEY];
	usec since;
	struct auth_memory m; /* its names follow the struct */
	char names[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_uint_fast64_t generation = 1;
static map *entries;
static link_t used = {&used, &used}; /* most recently first */

/* An HMAC that has the process's key; each use begins with a copy, which spares it looking the
   algorithm up and hashing the key. */
static EVP_MAC_CTX *keyed;
static pthread_once_t keyed_made = PTHREAD_ONCE_INIT;

/* Fails only for want of memory or of the algorithm itself: a wrong key must not look right. */
static void must(bool ok)
{
	if (!ok)
		memory_short(AUTH_CACHE_KEY);
}

static void make_keyed(void)
{
	uint8_t key[AUTH_CACHE_KEY];
	char digest[] = "SHA256";
	OSSL_PARAM of[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end()};
	EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);

	must(hmac && (keyed = EVP_MAC_CTX_new(hmac)) != NULL);
	EVP_MAC_free(hmac);
	random_bytes(key, sizeof key);
	must(EVP_MAC_init(keyed, key, sizeof key, of) == 1);
	secret_forget(key, sizeof key);
}

/* With its size before it, so that "ab"+"c" is not "a"+"bc". */
static void add(EVP_MAC_CTX *to, slice part)
{
	uint64_t size = part.size;

	must(EVP_MAC_update(to, (const unsigned char *)&size, sizeof size) == 1 &&
		EVP_MAC_update(to, (const unsigned char *)part.at, part.size) == 1);
}

void auth_cache_key(slice name, slice place, slice password, uint8_t key[AUTH_CACHE_KEY])
{
	size_t size;

	pthread_once(&keyed_made, make_keyed);
	EVP_MAC_CTX *one = EVP_MAC_CTX_dup(keyed);
	must(one != NULL);
	add(one, name);
	add(one, place);
	add(one, password);
	must(EVP_MAC_final(one, key, &size, AUTH_CACHE_KEY) == 1);
	EVP_MAC_CTX_free(one);
}

uint64_t auth_cache_generation(void)
{
	return atomic_load(&generation);
}

void auth_cache_void(void)
{
	atomic_fetch_add(&generation, 1);
}

static slice key_slice(const uint8_t key[AUTH_CACHE_KEY])
{
	return slice_of(key, AUTH_CACHE_KEY);
}

static void drop(struct remembered *r)
{
	map_remove(entries, key_slice(r->key));
	list_remove(&r->link);
	memory_free(r);
}

static bool too_old(const struct remembered *r)
{
	return clock_now() - r->since >= setting_number(S_auth_cache_span, NULL);
}

enum auth_cached auth_cache_find(
	const uint8_t key[AUTH_CACHE_KEY], arena *a, struct auth_memory *out)
{
	enum auth_cached found = AUTH_CACHED_NOT;

	pthread_mutex_lock(&lock);
	struct remembered *r = entries ? map_get(entries, key_slice(key)) : NULL;
	if (r && too_old(r)) {
		drop(r);
		r = NULL;
	}
	if (r) {
		list_remove(&r->link);
		list_prepend(&used, &r->link);
		*out = r->m;
		out->who.postoffice_name = arena_copy(a, r->m.who.postoffice_name);
		out->who.mailbox_name = arena_copy(a, r->m.who.mailbox_name);
		found = r->m.generation == auth_cache_generation() ? AUTH_CACHED : AUTH_CACHED_OLD;
	}
	pthread_mutex_unlock(&lock);
	return found;
}

static struct remembered *new_entry(const struct auth_memory *m)
{
	slice po = m->who.postoffice_name, mb = m->who.mailbox_name;
	struct remembered *r = memory_new(sizeof *r + po.size + mb.size);

	memcpy(r->names, po.at, po.size);
	memcpy(r->names + po.size, mb.at, mb.size);
	r->m = *m;
	r->m.who.postoffice_name = slice_of(r->names, po.size);
	r->m.who.mailbox_name = slice_of(r->names + po.size, mb.size);
	return r;
}

void auth_cache_put(const uint8_t key[AUTH_CACHE_KEY], const struct auth_memory *m)
{
	int64_t most = setting_number(S_auth_cache_most, NULL);

	if (most == 0 || setting_number(S_auth_cache_span, NULL) == 0)
		return;
	struct remembered *r = new_entry(m);
	memcpy(r->key, key, AUTH_CACHE_KEY);
	r->since = clock_now();

	pthread_mutex_lock(&lock);
	if (!entries)
		entries = map_open();
	struct remembered *before = map_get(entries, key_slice(key));
	if (before)
		drop(before);
	while ((int64_t)map_size(entries) >= most)
		drop(LINK_OWNER(used.prev, struct remembered, link));
	map_put(entries, key_slice(key), r);
	list_prepend(&used, &r->link);
	pthread_mutex_unlock(&lock);
}

void auth_cache_clear(void)
{
	pthread_mutex_lock(&lock);
	while (!list_empty(&used))
		drop(LINK_OWNER(used.next, struct remembered, link));
	map_close(&entries);
	pthread_mutex_unlock(&lock);
}

size_t auth_cache_size(void)
{
	pthread_mutex_lock(&lock);
	size_t size = entries ? map_size(entries) : 0;
	pthread_mutex_unlock(&lock);
	return size;
}
