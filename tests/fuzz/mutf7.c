/* Modified UTF-7: what is read is written back as it was; what is written can be read. */
#include "base/utf8.h"
#include "mail/imap_string.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	slice input = slice_of(data, size), utf8, back;
	arena a = ARENA_INIT;

	if (mutf7_decode(input, &a, &utf8) == ST_OK) {
		must(utf8_valid(utf8));
		must(slice_same(mutf7_encode(utf8, &a), input));
	}
	if (utf8_valid(input) && slice_find(input, 0) == input.size) {
		must(mutf7_decode(mutf7_encode(input, &a), &a, &back) == ST_OK);
		must(slice_same(back, input));
	}
	arena_release(&a);
	return 0;
}
