/* The house's secrets behind rewritten senders (mail/srs.h): the youngest one signs; those it
   replaced are recognised until what they signed has ended (srs_validity). The same on every
   node. */
#ifndef PENNYPOST_PROVIDER_SRS_KEY_H
#define PENNYPOST_PROVIDER_SRS_KEY_H

#include "mail/srs.h"
#include "provider/audit.h"

/* The scheme as of now; lives as long as `a`, which should be secret (arena_secret). ST_BUSY. */
status srs_key_scheme(arena *a, struct srs *out);

typedef struct srs_key {
	int64_t id;
	usec made, replaced; /* wall; replaced 0 = it signs */
} srs_key;
/* The one that signs first. */
status srs_key_list(arena *a, srs_key **rows, int *n);
/* From now on a new secret signs. Other nodes follow within two seconds. Audited. */
status srs_key_rotate(const struct audit_by *by);

#endif
