/* Hash map from byte keys to pointers, keyed SipHash-1-3 with a random key per process, so that no
   client chooses its collisions. Keys are copied; values belong to the caller. Not shared between
   threads without the caller's lock. */
#ifndef PENNYPOST_BASE_MAP_H
#define PENNYPOST_BASE_MAP_H

#include "base/slice.h"

typedef struct map map;

map *map_open(void);
void map_close(map **m);                       /* the values are not touched; NULL is nothing */
void *map_get(const map *m, slice key);        /* NULL when absent */
void *map_put(map *m, slice key, void *value); /* the value that stood there before, or NULL */
void *map_remove(map *m, slice key);           /* the value that stood there, or NULL */
size_t map_size(const map *m);
/* Walks all entries in no order: start with *cursor = 0; false at the end. Removing the entry
   just returned is allowed while walking; adding is not. */
bool map_next(const map *m, size_t *cursor, slice *key, void **value);
/* The hash the map uses, for other tables that outsiders fill. */
uint64_t map_hash(slice key);

#endif
