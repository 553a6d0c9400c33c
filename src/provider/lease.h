/* Work that one process of the whole house does at a time: a lease by name, compared by the
   database's clock alone. Its holder renews it by taking it again; one that dies lets it run
   out. */
#ifndef PENNYPOST_PROVIDER_LEASE_H
#define PENNYPOST_PROVIDER_LEASE_H

#include "base/clock.h"
#include "base/slice.h"
#include "base/status.h"

typedef struct lease {
	slice name;
	usec span;
	int64_t token; /* 0: taken for the first time by the next call */
} lease;

/* ST_OK: held for `span` from now. ST_LIMITED: somebody else has it. ST_BUSY. */
status lease_take(lease *l);
void lease_give_back(const lease *l);

#endif
