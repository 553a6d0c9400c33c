/* Octets by message, the least lately used of which leave. */
#include "provider/message_kept.h"

#include "base/memory.h"

#include <string.h>

struct key {
	int64_t postoffice, message;
};

struct kept {
	link_t link;
	struct key key;
	slice octets; /* stand behind it */
};

static size_t bytes_of(const struct kept *k)
{
	return sizeof *k + k->octets.size;
}

/* With the lock held, as the next one. */
static void leave(struct message_kept *m, struct kept *k)
{
	map_remove(m->messages, slice_of(&k->key, sizeof k->key));
	list_remove(&k->link);
	m->bytes -= bytes_of(k);
	memory_free(k);
}

static void enter(struct message_kept *m, struct key key, slice octets)
{
	struct kept *k = memory_new(sizeof *k + octets.size);

	k->key = key;
	k->octets = slice_of(k + 1, octets.size);
	if (octets.size > 0)
		memcpy(k + 1, octets.at, octets.size);
	map_put(m->messages, slice_of(&key, sizeof key), k);
	list_append(&m->list, &k->link);
	m->bytes += bytes_of(k);
}

void message_kept_put(struct message_kept *m, int64_t postoffice, int64_t message, slice octets)
{
	size_t most = (size_t)setting_number(m->most, NULL);
	struct key key = {postoffice, message};

	pthread_mutex_lock(&m->lock);
	if (!m->messages)
		m->messages = map_open();
	if (!map_get(m->messages, slice_of(&key, sizeof key)))
		enter(m, key, octets);
	while (m->bytes > most)
		leave(m, LINK_OWNER(m->list.next, struct kept, link));
	pthread_mutex_unlock(&m->lock);
}

slice message_kept_find(struct message_kept *m, int64_t postoffice, int64_t message, arena *a)
{
	struct key key = {postoffice, message};
	slice octets = {0};

	pthread_mutex_lock(&m->lock);
	struct kept *k = m->messages ? map_get(m->messages, slice_of(&key, sizeof key)) : NULL;
	if (k) {
		list_remove(&k->link);
		list_append(&m->list, &k->link);
		octets = arena_copy(a, k->octets);
	}
	pthread_mutex_unlock(&m->lock);
	return octets;
}

void message_kept_forget(struct message_kept *m)
{
	pthread_mutex_lock(&m->lock);
	while (!list_empty(&m->list))
		leave(m, LINK_OWNER(m->list.next, struct kept, link));
	map_close(&m->messages);
	pthread_mutex_unlock(&m->lock);
}
