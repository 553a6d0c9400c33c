/* Open addressing with linear probing. Removing leaves a mark (GONE) behind and moves nothing,
   which is why a walk may remove what it was just given; marks go when the table is laid out anew,
   or at once when nothing follows them. At most three quarters of the slots are taken or marked. */
#include "base/map.h"

#include "base/memory.h"
#include "base/random.h"

#include <pthread.h>

struct slot {
	char *key; /* NULL = never used; GONE = removed */
	size_t size;
	uint64_t hash;
	void *value;
};

struct map {
	struct slot *slots;
	size_t mask;  /* number of slots - 1; they are a power of two */
	size_t taken; /* entries */
	size_t gone;  /* marks */
};

enum { SLOTS_LEAST = 8 };

static char gone_mark;
#define GONE (&gone_mark)

static bool live(const struct slot *s)
{
	return s->key && s->key != GONE;
}

/* SipHash-1-3 (Aumasson, Bernstein): one round for each eight bytes, three at the end. */

static uint64_t hash_key[2];
static pthread_once_t hash_key_made = PTHREAD_ONCE_INIT;

static void make_hash_key(void)
{
	random_bytes(hash_key, sizeof hash_key);
}

static inline uint64_t rotated(uint64_t x, int by)
{
	return x << by | x >> (64 - by);
}

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotated(v[1], 13) ^ v[0];
	v[3] = rotated(v[3], 16) ^ v[2];
	v[0] = rotated(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotated(v[1], 17) ^ v[2];
	v[3] = rotated(v[3], 21) ^ v[0];
	v[2] = rotated(v[2], 32);
}

static uint64_t sip_13(const uint64_t key[2], slice s)
{
	uint64_t v[4] = {key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
		key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573};
	uint64_t word = 0;
	size_t whole = s.size & ~(size_t)7;

	for (size_t at = 0; at < whole; at += 8) {
		memcpy(&word, s.at + at, 8);
		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
	}
	word = (uint64_t)s.size << 56;
	for (size_t at = whole; at < s.size; at++)
		word |= (uint64_t)(unsigned char)s.at[at] << 8 * (at - whole);
	v[3] ^= word;
	sip_round(v);
	v[0] ^= word;
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t map_hash(slice key)
{
	pthread_once(&hash_key_made, make_hash_key);
	return sip_13(hash_key, key);
}

map *map_open(void)
{
	map *m = memory_new(sizeof *m);

	m->slots = memory_new_array(SLOTS_LEAST, sizeof *m->slots);
	m->mask = SLOTS_LEAST - 1;
	return m;
}

void map_close(map **m)
{
	if (!*m)
		return;
	for (size_t i = 0; i <= (*m)->mask; i++)
		if (live(&(*m)->slots[i]))
			memory_free((*m)->slots[i].key);
	memory_free((*m)->slots);
	memory_free(*m);
	*m = NULL;
}

/* The slot of `key`, or NULL. Ends because a quarter of the slots was never used. */
static struct slot *find(const map *m, slice key, uint64_t hash)
{
	for (size_t i = hash & m->mask;; i = (i + 1) & m->mask) {
		struct slot *s = &m->slots[i];
		if (!s->key)
			return NULL;
		if (s->key != GONE && s->hash == hash && slice_same(slice_of(s->key, s->size), key))
			return s;
	}
}

/* Lays the table out anew, without marks, at most three eighths full. */
static void lay_out(map *m)
{
	size_t n = SLOTS_LEAST;
	struct slot *old = m->slots;
	size_t old_mask = m->mask;

	while (n / 8 * 3 < m->taken + 1)
		n *= 2;
	m->slots = memory_new_array(n, sizeof *m->slots);
	m->mask = n - 1;
	m->gone = 0;
	for (size_t i = 0; i <= old_mask; i++) {
		if (!live(&old[i]))
			continue;
		size_t to = old[i].hash & m->mask;
		while (m->slots[to].key)
			to = (to + 1) & m->mask;
		m->slots[to] = old[i];
	}
	memory_free(old);
}

void *map_get(const map *m, slice key)
{
	const struct slot *s = find(m, key, map_hash(key));

	return s ? s->value : NULL;
}

void *map_put(map *m, slice key, void *value)
{
	uint64_t hash = map_hash(key);
	struct slot *s = find(m, key, hash);

	if (s) {
		void *before = s->value;
		s->value = value;
		return before;
	}
	if (m->taken + m->gone + 1 > (m->mask + 1) / 4 * 3)
		lay_out(m);
	size_t to = hash & m->mask;
	while (live(&m->slots[to]))
		to = (to + 1) & m->mask;
	if (m->slots[to].key == GONE)
		m->gone--;
	char *copy = memory_new(key.size + 1);
	if (key.size > 0)
		memcpy(copy, key.at, key.size);
	m->slots[to] = (struct slot){.key = copy, .size = key.size, .hash = hash, .value = value};
	m->taken++;
	return NULL;
}

void *map_remove(map *m, slice key)
{
	struct slot *s = find(m, key, map_hash(key));

	if (!s)
		return NULL;
	void *value = s->value;
	size_t at = (size_t)(s - m->slots);
	memory_free(s->key);
	*s = (struct slot){.key = GONE};
	m->taken--;
	m->gone++;
	if (!m->slots[(at + 1) & m->mask].key) {
		for (; m->slots[at].key == GONE; at = (at - 1) & m->mask) {
			m->slots[at].key = NULL;
			m->gone--;
		}
	}
	return value;
}

size_t map_size(const map *m)
{
	return m->taken;
}

bool map_next(const map *m, size_t *cursor, slice *key, void **value)
{
	while (*cursor <= m->mask) {
		const struct slot *s = &m->slots[(*cursor)++];
		if (!live(s))
			continue;
		*key = slice_of(s->key, s->size);
		*value = s->value;
		return true;
	}
	return false;
}
