/* SHA-256 over bytes that come in pieces: the content of a message, by which a repetition is
   recognised on any worker (R6). */
#ifndef PENNYPOST_PROVIDER_DIGEST_H
#define PENNYPOST_PROVIDER_DIGEST_H

#include "base/slice.h"

typedef struct digest digest;

digest *digest_open(void);
void digest_add(digest *d, slice bytes);
void digest_end(digest *d, uint8_t to[32]); /* no more bytes */
void digest_close(digest **d);              /* NULL is nothing */

#endif
