/* Who watches what, in this process. Both implementations share it. */
#include "provider/news.h"

#include "base/list.h"
#include "base/map.h"
#include "base/memory.h"
#include "provider/news_bell.h"

#include <pthread.h>

struct place { /* all that watch one folder or one mailbox */
	struct news_place at;
	link_t watchers;
};

struct news {
	link_t link;
	struct place *place;
	notice *raised;
};

static struct {
	pthread_mutex_t lock; /* never held across a wait */
	map *places;          /* by id: those of folders and mailboxes never meet */
} watched = {.lock = PTHREAD_MUTEX_INITIALIZER};

static slice key_of(const int64_t *id)
{
	return slice_of(id, sizeof *id);
}

static struct place *place_of(int64_t postoffice, int64_t mailbox, int64_t folder)
{
	int64_t id = folder ? folder : mailbox;
	struct place *p;

	if (!watched.places)
		watched.places = map_open();
	p = map_get(watched.places, key_of(&id));
	if (p)
		return p;
	p = memory_new(sizeof *p);
	p->at = (struct news_place){.postoffice = postoffice, .mailbox = mailbox, .folder = folder};
	list_init(&p->watchers);
	map_put(watched.places, key_of(&id), p);
	return p;
}

news *news_open(int64_t postoffice, int64_t mailbox, int64_t folder, notice *raised)
{
	news *n = memory_new(sizeof *n);

	n->raised = raised;
	pthread_mutex_lock(&watched.lock);
	n->place = place_of(postoffice, mailbox, folder);
	list_append(&n->place->watchers, &n->link);
	pthread_mutex_unlock(&watched.lock);
	bell_watch();
	return n;
}

void news_close(news **n)
{
	if (!*n)
		return;
	pthread_mutex_lock(&watched.lock);
	struct place *p = (*n)->place;
	list_remove(&(*n)->link);
	if (list_empty(&p->watchers)) {
		int64_t id = p->at.folder ? p->at.folder : p->at.mailbox;

		map_remove(watched.places, key_of(&id));
		memory_free(p);
	}
	if (map_size(watched.places) == 0)
		map_close(&watched.places);
	pthread_mutex_unlock(&watched.lock);
	memory_free(*n);
	*n = NULL;
}

static void id_raise(int64_t id)
{
	struct place *p = id && watched.places ? map_get(watched.places, key_of(&id)) : NULL;

	for (link_t *l = p ? p->watchers.next : NULL; p && l != &p->watchers; l = l->next)
		notice_raise(LINK_OWNER(l, news, link)->raised);
}

void news_raise(int64_t mailbox, int64_t folder)
{
	pthread_mutex_lock(&watched.lock);
	id_raise(mailbox);
	id_raise(folder);
	pthread_mutex_unlock(&watched.lock);
}

struct news_place *news_places(int *n)
{
	size_t cursor = 0;
	void *p;

	pthread_mutex_lock(&watched.lock);
	struct news_place *all =
		memory_new_array((watched.places ? map_size(watched.places) : 0) + 1, sizeof *all);
	*n = 0;
	while (watched.places && map_next(watched.places, &cursor, &(slice){0}, &p))
		all[(*n)++] = ((struct place *)p)->at;
	pthread_mutex_unlock(&watched.lock);
	return all;
}

void news_tell(int64_t postoffice, int64_t mailbox, int64_t folder)
{
	(void)postoffice;
	news_raise(mailbox, folder);
	bell_ring(mailbox, folder);
}
