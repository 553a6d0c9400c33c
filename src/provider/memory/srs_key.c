/* Secrets behind rewritten senders in memory: as many as there were rotations. */
#include "provider/srs_key.h"

#include "provider/memory/store.h"
#include "provider/srs_scheme.h"

#define SECRETS_MOST 8

status srs_key_scheme(arena *a, struct srs *out)
{
	struct store *s = store_take();
	status kind = store_refuses(s) ? ST_BUSY : ST_OK;
	slice secrets[SECRETS_MOST];
	int n = 0;

	for (int number = s->srs_rotations; number >= 0 && n < SECRETS_MOST; number--)
		secrets[n++] = arena_format(a, "a secret of tests, number %d", number);
	if (kind == ST_OK)
		srs_scheme(secrets, n, a, out);
	store_give();
	return kind;
}

status srs_key_list(arena *a, srs_key **rows, int *n)
{
	struct store *s = store_take();

	*n = s->srs_rotations + 1;
	*rows = arena_new_array(a, (size_t)*n, sizeof **rows);
	for (int i = 0; i < *n; i++)
		(*rows)[i] = (srs_key){.id = *n - i, .replaced = i ? clock_wall() : 0};
	store_give();
	return ST_OK;
}

status srs_key_rotate(const struct audit_by *by)
{
	(void)by;
	store_take()->srs_rotations++;
	store_give();
	return ST_OK;
}
