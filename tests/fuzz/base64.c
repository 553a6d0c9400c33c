/* Base64: what decodes has one spelling only, and what is encoded decodes to itself. */
#include "base/encode.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	slice input = slice_of(data, size), raw, back;
	arena a = ARENA_INIT;

	if (base64_decode(input, &a, &raw) == ST_OK && !slice_same(base64_encode(raw, &a), input))
		abort();
	slice coded = base64_encode(input, &a);
	if (base64_decode(coded, &a, &back) != ST_OK || !slice_same(back, input))
		abort();
	arena_release(&a);
	return 0;
}
