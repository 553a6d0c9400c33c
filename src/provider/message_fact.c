/* Facts of messages: from this process's memory, and from the store for those it does not know. */
#include "provider/message_fact_cache.h"

#include "base/list.h"
#include "base/map.h"
#include "base/memory.h"
#include "provider/db.h"
#include "provider/setting.h"

#include <pthread.h>

struct kept {
	link_t link; /* lately used last */
	int64_t postoffice;
	bool whole;            /* else its structure may be packed in the store */
	struct message_fact f; /* its slices stand behind it */
};

static struct {
	pthread_mutex_t lock; /* never held across a wait */
	map *messages;
	link_t kept;
	size_t bytes;
} cache = {.lock = PTHREAD_MUTEX_INITIALIZER, .kept = {&cache.kept, &cache.kept}};

struct key {
	int64_t postoffice, message;
};

static size_t bytes_of(const struct message_fact *f)
{
	return sizeof(struct kept) + f->envelope.size + f->structure.size;
}

/* With the lock held. */
static void leave(struct kept *k)
{
	struct key key = {k->postoffice, k->f.message};

	map_remove(cache.messages, slice_of(&key, sizeof key));
	list_remove(&k->link);
	cache.bytes -= bytes_of(&k->f);
	memory_free(k);
}

static void enter(int64_t postoffice, const struct message_fact *f, bool whole)
{
	struct key key = {postoffice, f->message};
	struct kept *old = map_get(cache.messages, slice_of(&key, sizeof key));

	if (old && (old->f.version > f->version || (old->whole && !whole)))
		return;
	if (old)
		leave(old);
	struct kept *k = memory_new(bytes_of(f));
	char *at = (char *)(k + 1);

	k->postoffice = postoffice;
	k->whole = whole;
	k->f = *f;
	if (f->envelope.size > 0)
		k->f.envelope.at = memcpy(at, f->envelope.at, f->envelope.size);
	if (f->structure.size > 0)
		k->f.structure.at =
			memcpy(at + f->envelope.size, f->structure.at, f->structure.size);
	map_put(cache.messages, slice_of(&key, sizeof key), k);
	list_append(&cache.kept, &k->link);
	cache.bytes += bytes_of(f);
}

static void keep(int64_t postoffice, const struct message_fact *facts, int n, bool whole)
{
	size_t most = (size_t)setting_number(S_fact_cache_most, NULL);

	pthread_mutex_lock(&cache.lock);
	if (!cache.messages)
		cache.messages = map_open();
	for (int i = 0; i < n; i++)
		if (facts[i].blob && facts[i].version > 0)
			enter(postoffice, &facts[i], whole);
	while (cache.bytes > most)
		leave(LINK_OWNER(cache.kept.next, struct kept, link));
	pthread_mutex_unlock(&cache.lock);
}

/* Gives those that are known, with `whole` what is known of them; the places of the others, and of
   those of which not all is, go to `open`. */
static int find(int64_t postoffice, const int64_t *messages, int n, bool whole, arena *a,
	struct message_fact *facts, int *open)
{
	int missing = 0;

	pthread_mutex_lock(&cache.lock);
	for (int i = 0; i < n; i++) {
		struct key key = {postoffice, messages[i]};
		struct kept *k =
			cache.messages ? map_get(cache.messages, slice_of(&key, sizeof key)) : NULL;

		if (!k || (whole && !k->whole))
			open[missing++] = i;
		if (!k)
			continue;
		list_remove(&k->link);
		list_append(&cache.kept, &k->link);
		facts[i] = k->f;
		facts[i].envelope = arena_copy(a, k->f.envelope);
		facts[i].structure = arena_copy(a, k->f.structure);
	}
	pthread_mutex_unlock(&cache.lock);
	return missing;
}

static status ask(int64_t postoffice, const int64_t *messages, const int *open, int n, arena *a,
	struct message_fact *facts)
{
	int64_t *ids = arena_new_array(a, (size_t)n, sizeof *ids);
	struct rows r;

	for (int i = 0; i < n; i++)
		ids[i] = messages[open[i]];
	TRY(db_run(SQL_MESSAGE_FACTS, (struct param[]){p_int(postoffice), p_int_array(ids, n)}, 2,
		a, &r));
	struct message_fact *found = arena_new_array(a, (size_t)n, sizeof *found);
	for (int i = 0; i < n && i < r.count; i++) {
		struct message_fact here = facts[open[i]]; /* without its structure */

		found[i] = (struct message_fact){.message = ids[i],
			.blob = row_int(&r, i, 0),
			.size = (uint32_t)row_int(&r, i, 1),
			.header_size = (uint32_t)row_int(&r, i, 2),
			.version = (int)row_int(&r, i, 3),
			.envelope = row_slice(&r, i, 4),
			.structure = row_slice(&r, i, 5)};
		if (found[i].blob && found[i].version == 0 && here.version > 0) {
			found[i].version = here.version;
			found[i].envelope = here.envelope;
		}
		facts[open[i]] = found[i];
	}
	keep(postoffice, found, n, true);
	return ST_OK;
}

static status gather(int64_t postoffice, const int64_t *messages, int n, bool whole, arena *a,
	struct message_fact **facts)
{
	int *open = arena_new_array(a, (size_t)n + 1, sizeof *open);

	*facts = arena_new_array(a, (size_t)n + 1, sizeof **facts);
	int missing = find(postoffice, messages, n, whole, a, *facts, open);
	return missing == 0 ? ST_OK : ask(postoffice, messages, open, missing, a, *facts);
}

status message_facts(
	int64_t postoffice, const int64_t *messages, int n, arena *a, struct message_fact **facts)
{
	return gather(postoffice, messages, n, true, a, facts);
}

status message_envelopes(
	int64_t postoffice, const int64_t *messages, int n, arena *a, struct message_fact **facts)
{
	return gather(postoffice, messages, n, false, a, facts);
}

/* With the lock held. */
static struct kept *known(int64_t postoffice, int64_t message, bool whole)
{
	struct key key = {postoffice, message};
	struct kept *k =
		cache.messages ? map_get(cache.messages, slice_of(&key, sizeof key)) : NULL;

	return k && (!whole || (k->whole && k->f.structure.size > 0 &&
				       k->f.version == MESSAGE_FACT_VERSION))
		       ? k
		       : NULL;
}

bool message_bodies_known(int64_t postoffice, const int64_t *messages, int n, int64_t *blobs)
{
	bool all = true;

	pthread_mutex_lock(&cache.lock);
	for (int i = 0; i < n && all; i++) {
		const struct kept *k = known(postoffice, messages[i], false);

		all = k != NULL;
		blobs[i] = k ? k->f.blob : 0;
	}
	pthread_mutex_unlock(&cache.lock);
	return all;
}

int message_facts_unknown(int64_t postoffice, const int64_t *messages, int n, bool whole)
{
	int unknown = 0;

	pthread_mutex_lock(&cache.lock);
	for (int i = 0; i < n; i++)
		unknown += !known(postoffice, messages[i], whole);
	pthread_mutex_unlock(&cache.lock);
	return unknown;
}

bool message_facts_whole(
	int64_t postoffice, const int64_t *messages, int n, arena *a, struct message_fact **facts)
{
	bool all = true;

	*facts = arena_new_array(a, (size_t)n + 1, sizeof **facts);
	pthread_mutex_lock(&cache.lock);
	for (int i = 0; i < n && all; i++) {
		const struct kept *k = known(postoffice, messages[i], true);

		all = k != NULL;
		if (!all)
			break;
		(*facts)[i] = k->f;
		(*facts)[i].envelope = arena_copy(a, k->f.envelope);
		(*facts)[i].structure = arena_copy(a, k->f.structure);
	}
	pthread_mutex_unlock(&cache.lock);
	return all;
}

void message_facts_enter(int64_t postoffice, const struct message_fact *facts, int n)
{
	keep(postoffice, facts, n, false);
}

void message_facts_learn(int64_t postoffice, const struct message_fact *facts, int n)
{
	keep(postoffice, facts, n, true);
}

static status store(int64_t postoffice, const struct message_fact *facts, int n, arena *a)
{
	int64_t *ids = arena_new_array(a, (size_t)n, sizeof *ids);
	slice *envelopes = arena_new_array(a, (size_t)n * 2, sizeof *envelopes);
	slice *structures = envelopes + n;

	for (int i = 0; i < n; i++) {
		ids[i] = facts[i].message;
		envelopes[i] = facts[i].envelope.at ? facts[i].envelope : S("");
		structures[i] = facts[i].structure.at ? facts[i].structure : S("");
	}
	db_tx *tx = db_begin(DB_RUN, a);
	db_relax(tx);
	db_add(tx, SQL_MESSAGE_FACTS_KEEP,
		(struct param[]){p_int(postoffice), p_int_array(ids, n), p_int(facts[0].version),
			p_bytes_array(envelopes, n), p_bytes_array(structures, n)},
		5, NULL);
	return db_commit(&tx, NULL);
}

status message_facts_keep(int64_t postoffice, const struct message_fact *facts, int n)
{
	arena a = ARENA_INIT;
	status s;

	if (n == 0)
		return ST_OK;
	keep(postoffice, facts, n, true);
	s = store(postoffice, facts, n, &a);
	arena_release(&a);
	return s;
}

void message_facts_forget(void)
{
	pthread_mutex_lock(&cache.lock);
	while (!list_empty(&cache.kept))
		leave(LINK_OWNER(cache.kept.next, struct kept, link));
	map_close(&cache.messages);
	pthread_mutex_unlock(&cache.lock);
}
