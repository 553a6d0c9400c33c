/* Secrets: comparing without telling, forgetting for good. */
#ifndef PENNYPOST_BASE_SECRET_H
#define PENNYPOST_BASE_SECRET_H

#include "base/slice.h"

bool secret_same(slice a, slice b);        /* time depends on the lengths alone */
void secret_forget(void *at, size_t size); /* not optimised away */

#endif
