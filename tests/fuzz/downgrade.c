/* Surrogates: however a message is cut the same comes out, and a second run changes nothing more;
   what was UTF-8 in its header is ASCII behind it. */
#include "mail/downgrade.h"

#include "base/utf8.h"
#include "mail/header.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int ok)
{
	if (!ok)
		abort();
}

static void run(slice input, size_t step, text *out)
{
	downgrade d = {0};

	for (size_t at = 0; at < input.size; at += step)
		downgrade_write(&d, slice_until(slice_from(input, at), step), out);
	downgrade_end(&d, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	slice input = slice_of(data, size);
	slice header = slice_until(input, header_size(input));
	text whole = TEXT_INIT, pieces = TEXT_INIT, again = TEXT_INIT, head = TEXT_INIT;

	run(input, size + 1, &whole);
	run(input, 1, &pieces);
	must(slice_same(text_slice(&whole), text_slice(&pieces)));
	downgrade_header(header, &head);
	must(!utf8_valid(header) || utf8_is_ascii(text_slice(&head)));
	downgrade_header(text_slice(&head), &again);
	must(slice_same(text_slice(&head), text_slice(&again)));
	text_free(&whole);
	text_free(&pieces);
	text_free(&again);
	text_free(&head);
	return 0;
}
