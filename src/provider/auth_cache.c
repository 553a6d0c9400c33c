/* A map from keyed hashes to entries, and a list of them, the most recently used first. */
#include "provider/auth_cache.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/map.h"
#include "base/memory.h"
#include "base/random.h"
#include "provider/scram.h"
#include "provider/setting.h"

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

static uint8_t process_key[AUTH_CACHE_KEY];
static pthread_once_t process_key_made = PTHREAD_ONCE_INIT;

static void make_process_key(void)
{
	random_bytes(process_key, sizeof process_key);
}

void auth_cache_key(slice name, slice place, slice password, uint8_t key[AUTH_CACHE_KEY])
{
	uint8_t parts[3 * SCRAM_KEY];
	slice secret = slice_of(process_key, sizeof process_key);

	/* Hashed apart first, so that "ab"+"c" is not "a"+"bc". */
	pthread_once(&process_key_made, make_process_key);
	scram_hmac(secret, name, parts);
	scram_hmac(secret, place, parts + SCRAM_KEY);
	scram_hmac(secret, password, parts + 2 * SCRAM_KEY);
	scram_hmac(secret, slice_of(parts, sizeof parts), key);
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
