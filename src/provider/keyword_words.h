/* Keywords as the store keeps them: names with a blank between. For the files of this folder. */
#ifndef PENNYPOST_PROVIDER_KEYWORD_WORDS_H
#define PENNYPOST_PROVIDER_KEYWORD_WORDS_H

#include "provider/keyword.h"

/* The names point into `words`, which is lent. */
void keyword_words(slice words, struct keywords *out);
/* Those of the names that are valid and have no bit yet, each once, in `fresh` with room for n.
   ST_INVALID. */
status keyword_fresh(const struct keywords *k, const slice *names, int n, slice *fresh, int *count);

#endif
