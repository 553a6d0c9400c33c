/* Authentication-Results: what was read can be written, and what was written is read again. */
#include "mail/authres.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	arena a = ARENA_INIT;
	authres_read said, again;
	authres r;

	if (authres_parse(slice_of(data, size), &a, &said) == ST_OK) {
		must(said.count <= AUTHRES_RESULTS_MOST);
		authres_begin(&r, said.id);
		for (size_t i = 0; i < said.count; i++) {
			authres_result(&r, arena_z(&a, said.said[i].method),
				arena_z(&a, said.said[i].result), said.said[i].reason);
			for (size_t p = 0; p < said.said[i].count; p++)
				authres_property(&r, arena_z(&a, said.said[i].value[p].type),
					arena_z(&a, said.said[i].value[p].property),
					said.said[i].value[p].value);
		}
		slice value = authres_end(&r, &a);
		must(authres_parse(value, &a, &again) == ST_OK);
		must(again.count == said.count);
		for (size_t i = 0; i < value.size; i++)
			must(value.at[i] >= ' ' && value.at[i] < 0x7f);
	}
	arena_release(&a);
	return 0;
}
