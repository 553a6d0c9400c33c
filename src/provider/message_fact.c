/* Facts of messages: from this process's memory, and from the store for those it does not know. */
#include "provider/message_fact_cache.h"

#include "base/list.h"
#include "base/map.h"
#include "base/memory.h"
#include "provider/brief.h"
#include "provider/db.h"
#include "provider/setting.h"

#include <pthread.h>

#define FACT_OCTETS ((size_t)2 * 1024) /* of a message, about, in an answer */

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

/* What is asked for of messages, and how much of it is given. */
struct gathering {
	int64_t postoffice;
	const int64_t *messages;
	int n;
	bool trees; /* structures are wanted, too */
	arena *a;
	struct message_fact *facts;
	int *open; /* places of those that are to be asked for */
	int missing;
	size_t most; /* octets, so many of which are given already: */
	size_t given;
	int whole; /* of those before this place all that is known is given */
};

static struct message_fact bare(const struct message_fact *f)
{
	struct message_fact b = *f;

	b.version = 0;
	b.envelope = b.structure = (slice){0};
	return b;
}

/* Gives what is known here, as long as there is room; the others, and those of which not all is
   known, are open. */
static void find(struct gathering *g)
{
	pthread_mutex_lock(&cache.lock);
	for (int i = 0; i < g->n; i++) {
		struct key key = {g->postoffice, g->messages[i]};
		struct kept *k =
			cache.messages ? map_get(cache.messages, slice_of(&key, sizeof key)) : NULL;

		if (g->given >= g->most && i < g->whole)
			g->whole = i;
		if (!k || (g->trees && !k->whole))
			g->open[g->missing++] = i;
		if (!k)
			continue;
		list_remove(&k->link);
		list_append(&cache.kept, &k->link);
		g->facts[i] = i < g->whole ? k->f : bare(&k->f);
		g->facts[i].envelope = arena_copy(g->a, g->facts[i].envelope);
		g->facts[i].structure = arena_copy(g->a, g->facts[i].structure);
		g->given += g->facts[i].envelope.size + g->facts[i].structure.size;
	}
	pthread_mutex_unlock(&cache.lock);
}

/* The first one of all is given, however large. */
static size_t room_left(const struct gathering *g)
{
	return g->given < g->most ? g->most - g->given : g->open[0] == 0;
}

/* Those that come without what is known of them are not kept. */
static status ask(struct gathering *g)
{
	int64_t *ids = arena_new_array(g->a, (size_t)g->missing, sizeof *ids);
	struct rows r;
	int kept = 0;

	for (int i = 0; i < g->missing; i++)
		ids[i] = g->messages[g->open[i]];
	const struct param p[] = {
		p_int(g->postoffice), p_int_array(ids, g->missing), p_int((int64_t)room_left(g))};
	TRY(g->missing > BRIEF_MESSAGES_MOST ? db_run(SQL_MESSAGE_FACTS, p, 3, g->a, &r)
					     : brief_run(SQL_MESSAGE_FACTS, p, 3,
						       (size_t)g->missing * FACT_OCTETS, g->a, &r));
	struct message_fact *found = arena_new_array(g->a, (size_t)g->missing, sizeof *found);
	for (int i = 0; i < g->missing && i < r.count; i++) {
		struct message_fact *f = &g->facts[g->open[i]],
				    here = *f; /* without its structure */

		*f = (struct message_fact){.message = ids[i],
			.blob = row_int(&r, i, 0),
			.size = (uint32_t)row_int(&r, i, 1),
			.header_size = (uint32_t)row_int(&r, i, 2),
			.version = (int)row_int(&r, i, 3),
			.envelope = row_slice(&r, i, 4),
			.structure = row_slice(&r, i, 5)};
		if (!row_bool(&r, i, 6)) {
			g->whole = g->open[i] < g->whole ? g->open[i] : g->whole;
			continue;
		}
		if (f->blob && f->version == 0 && here.version > 0) {
			f->version = here.version;
			f->envelope = here.envelope;
		}
		found[kept++] = *f;
	}
	keep(g->postoffice, found, kept, true);
	return ST_OK;
}

static status gather(int64_t postoffice, const int64_t *messages, int n, bool trees, arena *a,
	struct message_fact **facts, int *whole)
{
	struct gathering g = {.postoffice = postoffice,
		.messages = messages,
		.n = n,
		.trees = trees,
		.a = a,
		.open = arena_new_array(a, (size_t)n + 1, sizeof *g.open),
		.most = whole ? MESSAGE_FACTS_MOST : INT64_MAX,
		.whole = n};

	*facts = g.facts = arena_new_array(a, (size_t)n + 1, sizeof **facts);
	find(&g);
	if (g.missing > 0)
		TRY(ask(&g));
	if (whole)
		*whole = g.whole;
	return ST_OK;
}

status message_facts(int64_t postoffice, const int64_t *messages, int n, arena *a,
	struct message_fact **facts, int *whole)
{
	return gather(postoffice, messages, n, true, a, facts, whole);
}

status message_envelopes(int64_t postoffice, const int64_t *messages, int n, arena *a,
	struct message_fact **facts, int *whole)
{
	return gather(postoffice, messages, n, false, a, facts, whole);
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
