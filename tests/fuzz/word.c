/* Encoded words: decoded text is valid UTF-8 on one line; valid text encodes to words that decode
   to it again. */
#include "mail/word.h"

#include "base/utf8.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	slice input = slice_of(data, size);
	arena a = ARENA_INIT;
	text coded = TEXT_INIT;
	size_t column = size > 0 ? data[0] % 80 : 0;
	bool controls = false;

	slice decoded = word_decode(input, &a);
	must(utf8_valid(decoded));
	for (size_t i = 0; i < decoded.size; i++)
		must((uint8_t)decoded.at[i] >= 0x20 && decoded.at[i] != 0x7f);
	for (size_t i = 0; i < size; i++)
		controls = controls || data[i] < 0x20 || data[i] == 0x7f;
	if (utf8_valid(input)) {
		word_encode(input, &column, &coded);
		must(utf8_is_ascii(text_slice(&coded)));
		if (!controls)
			must(slice_same(word_decode(text_slice(&coded), &a), input));
	}
	text_free(&coded);
	arena_release(&a);
	return 0;
}
