#include "provider/view_cache.h"

#include "base/map.h"
#include "base/memory.h"
#include "base/text.h"
#include "provider/setting.h"

#include <pthread.h>

static struct {
	pthread_mutex_t lock; /* never held across a wait */
	map *by_folder, *by_name;
	link_t images; /* lately used last */
	size_t bytes;
} cache = {.lock = PTHREAD_MUTEX_INITIALIZER, .images = {&cache.images, &cache.images}};

static slice folder_key(const int64_t *folder)
{
	return slice_of(folder, sizeof *folder);
}

static void name_key(text *t, int64_t mailbox, slice name)
{
	text_add(t, slice_of(&mailbox, sizeof mailbox));
	text_add(t, name);
}

/* With the lock held. */
static void leave(struct view_image *i)
{
	text key = TEXT_INIT;

	map_remove(cache.by_folder, folder_key(&i->folder));
	name_key(&key, i->mailbox, i->name);
	if (map_get(cache.by_name, text_slice(&key)) == i)
		map_remove(cache.by_name, text_slice(&key));
	text_free(&key);
	list_remove(&i->link);
	cache.bytes -= image_bytes(i);
	image_let(&i);
}

static void enter(struct view_image *i)
{
	text key = TEXT_INIT;

	map_put(cache.by_folder, folder_key(&i->folder), i);
	name_key(&key, i->mailbox, i->name);
	map_put(cache.by_name, text_slice(&key), i);
	text_free(&key);
	list_append(&cache.images, &i->link);
	cache.bytes += image_bytes(i);
	image_hold(i);
}

static struct view_image *used(struct view_image *i)
{
	if (!i)
		return NULL;
	list_remove(&i->link);
	list_append(&cache.images, &i->link);
	return image_hold(i);
}

struct view_image *view_cache_folder(int64_t folder)
{
	pthread_mutex_lock(&cache.lock);
	struct view_image *i =
		cache.by_folder ? used(map_get(cache.by_folder, folder_key(&folder))) : NULL;
	pthread_mutex_unlock(&cache.lock);
	return i;
}

struct view_image *view_cache_name(int64_t mailbox, slice name)
{
	text key = TEXT_INIT;

	name_key(&key, mailbox, name);
	pthread_mutex_lock(&cache.lock);
	struct view_image *i =
		cache.by_name ? used(map_get(cache.by_name, text_slice(&key))) : NULL;
	pthread_mutex_unlock(&cache.lock);
	text_free(&key);
	return i;
}

static bool is_newer(const struct view_image *i, const struct view_image *than)
{
	return !than || i->uidvalidity != than->uidvalidity || i->modseq > than->modseq ||
	       !slice_same(i->name, than->name);
}

void view_cache_put(struct view_image *i)
{
	size_t most = (size_t)setting_number(S_view_cache_most, NULL);

	if (image_bytes(i) > most)
		return;
	pthread_mutex_lock(&cache.lock);
	if (!cache.by_folder) {
		cache.by_folder = map_open();
		cache.by_name = map_open();
	}
	struct view_image *old = map_get(cache.by_folder, folder_key(&i->folder));
	if (is_newer(i, old)) {
		if (old)
			leave(old);
		enter(i);
		while (cache.bytes > most)
			leave(LINK_OWNER(cache.images.next, struct view_image, link));
	}
	pthread_mutex_unlock(&cache.lock);
}

void view_cache_drop(int64_t folder)
{
	pthread_mutex_lock(&cache.lock);
	struct view_image *i =
		cache.by_folder ? map_get(cache.by_folder, folder_key(&folder)) : NULL;
	if (i)
		leave(i);
	pthread_mutex_unlock(&cache.lock);
}

void view_cache_clear(void)
{
	pthread_mutex_lock(&cache.lock);
	while (!list_empty(&cache.images))
		leave(LINK_OWNER(cache.images.next, struct view_image, link));
	map_close(&cache.by_folder);
	map_close(&cache.by_name);
	pthread_mutex_unlock(&cache.lock);
}
