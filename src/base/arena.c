/* Arenas: a chain of blocks, the newest in front. Pieces are cut from the newest block; a piece too
   big for any regular block gets one of its own, hung behind the newest so that the room left there
   stays in use.

       arena.block -> [ newest: used | free ] -> [ big piece ] -> [ older, full ] -> NULL

   Under AddressSanitizer the kept block is poisoned by arena_clear(), so that a piece used after
   its request is found as any use after free is. */
#include "base/arena.h"

#include "base/memory.h"
#include "base/secret.h"

#include <stdio.h>

#ifdef __has_feature /* clang's way to say it */
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#endif

struct arena_block {
	struct arena_block *next;
	size_t room;
	_Alignas(16) char bytes[];
};

/* Together with malloc's own two words a block fills whole pages. */
#define OVERHEAD (sizeof(struct arena_block) + 16)
enum { BLOCK_LEAST = 4096, BLOCK_MOST = 65536, KEEP_MOST = 16384, ALIGN = 16 };

static struct arena_block *block_new(size_t room)
{
	struct arena_block *b = memory_grow(NULL, sizeof *b + room);

	b->room = room;
	return b;
}

static void block_push(arena *a, size_t room)
{
	struct arena_block *b = block_new(room);

	b->next = a->block;
	a->block = b;
	a->used = 0;
}

/* The room of the next regular block: twice the newest, within bounds. */
static size_t next_room(const arena *a)
{
	size_t whole = a->block ? (a->block->room + OVERHEAD) * 2 : BLOCK_LEAST;

	return (whole < BLOCK_MOST ? whole : BLOCK_MOST) - OVERHEAD;
}

static void *big_piece(arena *a, size_t size)
{
	struct arena_block *b = block_new(size);

	if (!a->block)
		block_push(a, next_room(a));
	b->next = a->block->next;
	a->block->next = b;
	return b->bytes;
}

/* A piece of `size` bytes, not zeroed. */
static void *take(arena *a, size_t size)
{
	size_t rounded;

	if (__builtin_add_overflow(size > 0 ? size : 1, ALIGN - 1, &rounded) ||
		rounded > SIZE_MAX / 2)
		memory_short(size);
	rounded &= ~(size_t)(ALIGN - 1);
	a->total += size;
	if (!a->block || rounded > a->block->room - a->used) {
		if (rounded > next_room(a))
			return big_piece(a, rounded);
		block_push(a, next_room(a));
	}
	void *piece = a->block->bytes + a->used;
	a->used += rounded;
	ASAN_UNPOISON_MEMORY_REGION(piece, rounded);
	return piece;
}

void *arena_new(arena *a, size_t size)
{
	return memset(take(a, size), 0, size);
}

void *arena_new_array(arena *a, size_t n, size_t size)
{
	size_t whole;

	if (__builtin_mul_overflow(n, size, &whole))
		memory_short(SIZE_MAX);
	return arena_new(a, whole);
}

char *arena_z(arena *a, slice s)
{
	char *copy = take(a, s.size + 1);

	if (s.size > 0)
		memcpy(copy, s.at, s.size);
	copy[s.size] = '\0';
	return copy;
}

slice arena_copy(arena *a, slice s)
{
	return slice_of(arena_z(a, s), s.size);
}

slice arena_lower(arena *a, slice s)
{
	char *to = arena_z(a, s);

	for (size_t i = 0; i < s.size; i++)
		if (to[i] >= 'A' && to[i] <= 'Z')
			to[i] |= 0x20;
	return slice_of(to, s.size);
}

slice arena_format(arena *a, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	slice s = arena_format_v(a, format, args);
	va_end(args);
	return s;
}

slice arena_format_v(arena *a, const char *format, va_list args)
{
	va_list again;

	va_copy(again, args);
	int size = vsnprintf(NULL, 0, format, args);
	if (size < 0)
		memory_short(0);
	char *at = take(a, (size_t)size + 1);
	vsnprintf(at, (size_t)size + 1, format, again);
	va_end(again);
	return slice_of(at, (size_t)size);
}

void arena_secret(arena *a)
{
	a->secret = true;
}

static void wipe(const arena *a)
{
	for (struct arena_block *b = a->block; b; b = b->next) {
		ASAN_UNPOISON_MEMORY_REGION(b->bytes, b->room);
		secret_forget(b->bytes, b->room);
	}
}

/* Frees all blocks but `kept`, which may be NULL. */
static void free_blocks(arena *a, struct arena_block *kept)
{
	struct arena_block *b = a->block;

	if (a->secret)
		wipe(a);
	while (b) {
		struct arena_block *next = b->next;
		if (b != kept)
			memory_free(b);
		b = next;
	}
	*a = (arena){.block = kept};
}

void arena_clear(arena *a)
{
	struct arena_block *kept = a->block;

	while (kept && kept->room > KEEP_MOST)
		kept = kept->next;
	free_blocks(a, kept);
	if (kept) {
		kept->next = NULL;
		ASAN_POISON_MEMORY_REGION(kept->bytes, kept->room);
	}
}

void arena_release(arena *a)
{
	free_blocks(a, NULL);
}
