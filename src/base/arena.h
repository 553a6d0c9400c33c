/* Arenas: everything of one request, freed at once. A new command gets a clean arena.
   Blocks come in 4 KB, growing to 64 KB; bigger pieces get a block of their own. An arena that was
   never used holds no memory, and arena_clear() of a small one keeps one block for the next turn;
   arena_release() gives all back, for conversations that fall idle. Not shared between threads. */
#ifndef PENNYPOST_BASE_ARENA_H
#define PENNYPOST_BASE_ARENA_H

#include "base/slice.h"

#include <stdarg.h>
#include <stdbool.h>

struct arena_block;
typedef struct arena {
	struct arena_block *block; /* newest first */
	size_t used;               /* in the newest block */
	size_t total;              /* bytes asked for since the last clear */
	bool secret;               /* see arena_secret */
} arena;

#define ARENA_INIT ((arena){0})

void *arena_new(arena *a, size_t size);                 /* zeroed, aligned to 16 */
void *arena_new_array(arena *a, size_t n, size_t size); /* overflow ends the worker */
slice arena_copy(arena *a, slice s);                    /* a terminator follows, not counted */
slice arena_lower(arena *a, slice s);                   /* as arena_copy, its ASCII letters lower */
char *arena_z(arena *a, slice s);                       /* terminated copy */
slice arena_format(arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
slice arena_format_v(arena *a, const char *format, va_list args);
void arena_clear(arena *a);   /* everything taken from it is gone; one block is kept */
void arena_release(arena *a); /* the same, no block is kept; the arena may be used again */
/* A secret is in it: the next clear or release wipes what is given back or kept. */
void arena_secret(arena *a);

#endif
