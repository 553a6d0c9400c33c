/* Memory that is there or the worker is not: shortage of memory below every announced limit ends
   the process (exit code 70) after one log line, and the master starts its successor. Sizes that a
   client announces are checked against their limits before these are called. */
#ifndef PENNYPOST_BASE_MEMORY_H
#define PENNYPOST_BASE_MEMORY_H

#include <stddef.h>

void *memory_new(size_t size);                 /* zeroed; free with memory_free */
void *memory_new_array(size_t n, size_t size); /* zeroed, overflow checked */
void *memory_grow(void *old, size_t size);     /* realloc; the new part is not zeroed */
void memory_free(void *p);                     /* NULL is nothing */
_Noreturn void memory_short(size_t wanted);    /* how the process ends, for other allocators */

#endif
