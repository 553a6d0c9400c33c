/* Buffers for streams, from a free list of the process: small ones for commands and replies, large
   ones while bulk data flows. A stream that waits with nothing pending holds none, so what is in
   use follows the work at hand and not the number of clients. Safe from several threads. */
#ifndef PENNYPOST_NET_BUFFER_H
#define PENNYPOST_NET_BUFFER_H

#include <stddef.h>

#define BUFFER_SMALL ((size_t)4096)
#define BUFFER_MIDDLE ((size_t)16384)
#define BUFFER_LARGE ((size_t)65536)

/* At least *size bytes, not zeroed; *size becomes what there is: the next of the three sizes above,
   or exactly what was asked when that is more. */
char *buffer_take(size_t *size);
void buffer_give(char *at, size_t size); /* size as buffer_take told; NULL is nothing */

#endif
