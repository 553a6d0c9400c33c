/* Who came to a maildrop a moment ago and is still there: whose leaving may be waited for, so that
   it goes into the same transaction. For the maildrop's files only. */
#ifndef PENNYPOST_PROVIDER_MAILDROP_STAY_H
#define PENNYPOST_PROVIDER_MAILDROP_STAY_H

#include <stdint.h>

void maildrop_stay_begin(int64_t token);
/* A token that is not known, or was forgotten for others, is nothing. */
void maildrop_stay_end(int64_t token);
/* How many of this process came within the last moments and have not left. */
int maildrop_stay_fresh(void);

#endif
