/* Envelope and structure: what was packed is unpacked whole, its texts are balanced and hold no
   bare line end, its parts lie within the message; what was not packed is refused or read without
   harm. */
#include "mail/structure.h"
#include "mail/envelope.h"
#include "mail/header.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int ok)
{
	if (!ok)
		abort();
}

/* One parenthesised list as IMAP has it: strings are stepped over, literals by their count. */
static void is_a_list(slice s)
{
	size_t depth = 0;

	must(s.size > 1 && s.at[0] == '(' && s.at[s.size - 1] == ')');
	for (size_t i = 0; i < s.size; i++) {
		uint64_t count;

		if (s.at[i] == '"') {
			for (i++; s.at[i] != '"'; i++) {
				i += s.at[i] == '\\';
				must(i < s.size - 1 && (uint8_t)s.at[i] >= 0x20 &&
					(uint8_t)s.at[i] < 0x7f);
			}
		} else if (s.at[i] == '{') {
			slice rest = slice_from(s, i + 1);
			size_t end = slice_find(rest, '}');

			must(slice_number(slice_until(rest, end), &count));
			must(slice_starts(slice_from(rest, end + 1), S("\r\n")));
			must(count <= rest.size - end - 3);
			i += end + 3 + count;
		} else {
			must((uint8_t)s.at[i] >= 0x20 && (uint8_t)s.at[i] < 0x7f);
			depth += s.at[i] == '(';
			must(s.at[i] != ')' || depth-- > 0);
			must(depth > 0 || i == s.size - 1);
		}
	}
}

static void is_whole(slice message, slice packed, arena *a)
{
	slice body, extended;
	structure s;

	must(structure_unpack_texts(packed, &body, &extended) == ST_OK);
	is_a_list(body);
	is_a_list(extended);
	must(structure_unpack(packed, a, &s) == ST_OK);
	for (size_t i = 0; i < s.count; i++)
		must(s.part[i].body_at + s.part[i].body_size <= message.size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	slice input = slice_of(data, size), shown;
	arena a = ARENA_INIT;
	mime_walk *w = mime_walk_open(&a);
	mime_table t;
	envelope e;
	structure s;
	size_t index;

	mime_walk_keep_headers(w);
	mime_walk_feed(w, input);
	mime_walk_finish(w, &t);
	mime_walk_close(&w);
	is_whole(input, structure_pack(&t, &a), &a);

	slice packed = envelope_pack(slice_until(input, header_size(input)), &a);
	must(envelope_unpack(packed, &a, &e) == ST_OK);
	must(envelope_unpack_text(packed, &shown) == ST_OK && slice_same(shown, e.text));
	is_a_list(shown);

	envelope_unpack(input, &a, &e);
	if (structure_unpack(input, &a, &s) == ST_OK)
		structure_find(&s, (const uint32_t[]){1, 2, 1, 1}, 4, &index);
	arena_release(&a);
	return 0;
}
