/* The scheme made of secrets, for both stores. */
#ifndef PENNYPOST_PROVIDER_SRS_SCHEME_H
#define PENNYPOST_PROVIDER_SRS_SCHEME_H

#include "provider/srs_key.h"

/* Copies the secrets into the arena. */
void srs_scheme(const slice *secrets, int n, arena *a, struct srs *out);

#endif
