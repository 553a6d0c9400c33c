/* Messages made fit for 7 bits: however they are cut the same comes out, every part holds what it
   held before, and nothing is left that needs more than 7 bits. */
#include "mail/seven_bit.h"

#include "base/utf8.h"
#include "mail/mime.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int ok)
{
	if (!ok)
		abort();
}

static status run(slice input, size_t step, arena *a, text *out)
{
	seven_bit *s = seven_bit_open(a);

	for (size_t at = 0; at < input.size; at += step)
		seven_bit_look(s, slice_until(slice_from(input, at), step));
	seven_bit_looked(s);
	for (size_t at = 0; at < input.size; at += step)
		seven_bit_weigh(s, slice_until(slice_from(input, at), step));
	status kind = seven_bit_judge(s);
	seven_bit_begin(s);
	for (size_t at = 0; kind == ST_OK && at < input.size; at += step)
		seven_bit_write(s, slice_until(slice_from(input, at), step), out);
	seven_bit_end(s, out);
	seven_bit_close(&s);
	return kind;
}

static slice content(slice message, const mime_part *p, arena *a)
{
	transfer_decoder d = {
		.kind = p->transfer == TRANSFER_UNKNOWN ? TRANSFER_PLAIN : p->transfer};
	text out = TEXT_INIT;

	transfer_decode(&d, slice_until(slice_from(message, p->body_at), p->body_size), &out);
	transfer_decode_end(&d, &out);
	slice kept = arena_copy(a, text_slice(&out));
	text_free(&out);
	return kept;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	slice input = slice_of(data, size);
	text whole = TEXT_INIT, pieces = TEXT_INIT;
	arena a = ARENA_INIT;
	mime_table before, after;
	status kind = run(input, size + 1, &a, &whole);

	must(run(input, 3, &a, &pieces) == kind);
	must(slice_same(text_slice(&whole), text_slice(&pieces)));
	if (kind == ST_OK) {
		must(utf8_is_ascii(text_slice(&whole)));
		mime_parse(input, &a, &before);
		mime_parse(text_slice(&whole), &a, &after);
		must(before.count == after.count);
		for (size_t i = 0; i < before.count; i++)
			if (before.part[i].children == 0)
				must(slice_same(content(input, &before.part[i], &a),
					content(text_slice(&whole), &after.part[i], &a)));
	}
	text_free(&whole);
	text_free(&pieces);
	arena_release(&a);
	return 0;
}
