/* Keys that sign: told once in dkim_key.c, for both stores. */
#ifndef TESTS_UNIT_PROVIDER_DKIM_KEY_H
#define TESTS_UNIT_PROVIDER_DKIM_KEY_H

#include <stdbool.h>

/* The store is ready, without a secret file; and gone. */
void keys_begin(void);
void keys_end(void);
/* The secret file is there, or it is not; it is always the same one. */
void keys_secret(bool there);
/* Private keys that lie in the store as they were given. */
int keys_in_the_clear(void);

#endif
