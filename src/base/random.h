/* Randomness from the kernel (getrandom), safe across fork; and passwords people can type. */
#ifndef PENNYPOST_BASE_RANDOM_H
#define PENNYPOST_BASE_RANDOM_H

#include "base/arena.h"

#include <stdint.h>

void random_bytes(void *to, size_t size);
uint64_t random_below(uint64_t limit); /* 0 .. limit-1, no bias; limit > 0 */
/* A password of `length` characters (0 means 8, requirement A23; at least 3) without look-alikes
   (0 O o 1 l I), at least one lower, one upper, one digit. */
slice random_password(size_t length, arena *a);

#endif
