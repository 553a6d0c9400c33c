/* The digest of APOP (RFC 1939 7): MD5 over banner and secret, in lower-case hex. */
#ifndef PENNYPOST_PROVIDER_AUTH_APOP_H
#define PENNYPOST_PROVIDER_AUTH_APOP_H

#include "base/arena.h"

slice auth_apop_digest(slice banner, slice secret, arena *a);

#endif
