/* Transfer encodings: cut anywhere they give the same; what is encoded decodes to itself and has
   short lines. The first byte says how the rest is cut. */
#include "mail/transfer.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int ok)
{
	if (!ok)
		abort();
}

static text decoded(enum transfer_kind kind, slice input, size_t step, bool *broken)
{
	transfer_decoder d = {.kind = kind};
	text out = TEXT_INIT;

	for (size_t at = 0; at < input.size; at += step)
		transfer_decode(&d, slice_until(slice_from(input, at), step), &out);
	transfer_decode_end(&d, &out);
	*broken = d.broken;
	return out;
}

static text encoded(enum transfer_kind kind, slice input, size_t step)
{
	transfer_encoder e = {.kind = kind};
	text out = TEXT_INIT;

	for (size_t at = 0; at < input.size; at += step)
		transfer_encode(&e, slice_until(slice_from(input, at), step), &out);
	transfer_encode_end(&e, &out);
	return out;
}

static bool has_bare_lf(slice s)
{
	for (size_t i = 0; i < s.size; i++)
		if (s.at[i] == '\n' && (i == 0 || s.at[i - 1] != '\r'))
			return true;
	return false;
}

static void both_ways(enum transfer_kind kind, slice input, size_t step)
{
	bool broken, broken_cut;
	text whole = decoded(kind, input, input.size + 1, &broken);
	text cut = decoded(kind, input, step, &broken_cut);
	must(slice_same(text_slice(&whole), text_slice(&cut)) && broken == broken_cut);
	text_free(&whole);
	text_free(&cut);

	whole = encoded(kind, input, input.size + 1);
	cut = encoded(kind, input, step);
	must(slice_same(text_slice(&whole), text_slice(&cut)));
	text back = decoded(kind, text_slice(&whole), step, &broken);
	must(!broken);
	if (kind != TRANSFER_QUOTED_PRINTABLE || !has_bare_lf(input))
		must(slice_same(text_slice(&back), input));
	slice lines = text_slice(&whole), line;
	while (kind != TRANSFER_PLAIN && slice_take(&lines, '\n', &line))
		must(line.size <= 77);
	text_free(&back);
	text_free(&whole);
	text_free(&cut);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	slice input = slice_from(slice_of(data, size), 1);
	size_t step = size > 0 ? 1 + (data[0] & 31) : 1;

	both_ways(TRANSFER_PLAIN, input, step);
	both_ways(TRANSFER_BASE64, input, step);
	both_ways(TRANSFER_QUOTED_PRINTABLE, input, step);
	transfer_kind_of(input);
	return 0;
}
