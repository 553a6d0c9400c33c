/* Buffers for streams; the contract stands in buffer.h. */
#include "net/buffer.h"

#include "base/memory.h"

#include <pthread.h>
#include <stdbool.h>

/* Address sanitizer: a slice that is read after its buffer went back is a bug we want to see. */
#ifdef PENNYPOST_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#endif

struct spare {
	struct spare *next;
};

static struct shelf {
	const size_t size;
	const unsigned most; /* kept for the next who asks; the rest goes back to the allocator */
	unsigned count;
	struct spare *first;
} shelves[] = {
	{.size = BUFFER_SMALL, .most = 256},
	{.size = BUFFER_MIDDLE, .most = 64},
	{.size = BUFFER_LARGE, .most = 32},
};
static pthread_mutex_t shelves_lock = PTHREAD_MUTEX_INITIALIZER;

static struct shelf *shelf_for(size_t size)
{
	for (unsigned i = 0; i < sizeof shelves / sizeof shelves[0]; i++)
		if (size <= shelves[i].size)
			return &shelves[i];
	return NULL;
}

char *buffer_take(size_t *size)
{
	struct shelf *from = shelf_for(*size);
	struct spare *taken;

	if (!from)
		return memory_grow(NULL, *size);
	*size = from->size;
	pthread_mutex_lock(&shelves_lock);
	taken = from->first;
	if (taken) {
		ASAN_UNPOISON_MEMORY_REGION(taken, from->size);
		from->first = taken->next;
		from->count--;
	}
	pthread_mutex_unlock(&shelves_lock);
	return taken ? (char *)taken : memory_grow(NULL, from->size);
}

void buffer_give(char *at, size_t size)
{
	struct shelf *to = shelf_for(size);
	bool kept = false;

	if (!at)
		return;
	if (to) {
		pthread_mutex_lock(&shelves_lock);
		if (to->count < to->most) {
			struct spare *spare = (struct spare *)(void *)at;
			spare->next = to->first;
			to->first = spare;
			to->count++;
			ASAN_POISON_MEMORY_REGION(spare + 1, size - sizeof *spare);
			kept = true;
		}
		pthread_mutex_unlock(&shelves_lock);
	}
	if (!kept)
		memory_free(at);
}
