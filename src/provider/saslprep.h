/* SASLprep (RFC 4013): one form of a password or name, however the client's keyboard composed
   it. */
#ifndef PENNYPOST_PROVIDER_SASLPREP_H
#define PENNYPOST_PROVIDER_SASLPREP_H

#include "base/arena.h"
#include "base/status.h"

/* The prepared form, in the arena. ST_INVALID: broken UTF-8, control or otherwise forbidden
   characters, a mix of directions RFC 3454 6 forbids, or nothing left. Code points Unicode did not
   know in 2002 are let through, as in a query. */
status saslprep(slice raw, arena *a, slice *prepared);

#endif
