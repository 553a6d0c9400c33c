/* Headers: the fields of a walk and what stands behind them are the input again; what the builder
   makes of any text is one header field, which nothing could break out of (trust.md T54). */
#include "mail/header.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int ok)
{
	if (!ok)
		abort();
}

static size_t named(slice input, slice name)
{
	header_walk w = header_walk_of(input);
	header_field f;
	size_t n = 0;

	while (header_next_named(&w, name, &f))
		n++;
	return n;
}

static void walk(slice input, arena *a)
{
	header_walk w = header_walk_of(input);
	header_field f;
	header_survey s;
	size_t fields = 0, raw = 0;

	while (header_next(&w, &f)) {
		must(f.raw.at == input.at + raw);
		must(f.broken == (f.name.size == 0));
		must(slice_find(header_unfold(f.value, a), '\n') == header_unfold(f.value, a).size);
		raw += f.raw.size;
		fields++;
	}
	must(header_size(input) + w.rest.size == input.size);
	header_look(input, &s);
	must(s.fields == fields);
	/* Loops end by it (T16): however a chain is written, each of its fields counts. */
	must(s.received == named(input, S("Received")));
}

/* One field, no bare line ends, no line over 998. */
static void is_one_field(slice made)
{
	header_walk w = header_walk_of(made);
	header_field f;
	header_survey s;

	must(header_next(&w, &f) && !f.broken && w.rest.size == 0 && f.raw.size == made.size);
	header_look(made, &s);
	must(s.longest_line <= 998);
	for (size_t i = 0; i < made.size; i++) {
		must(made.at[i] != '\n' || (i > 0 && made.at[i - 1] == '\r'));
		must(made.at[i] != '\r' || (i + 1 < made.size && made.at[i + 1] == '\n'));
		must(made.at[i] != 0);
	}
}

static void build(slice input, bool utf8, arena *a)
{
	header_builder b = {.utf8 = utf8};
	header_mailbox name = {input, S("a@b")}, address = {S("A"), input};
	slice made;

	header_build_text(&b, S("Subject"), input);
	if (header_build_end(&b, a, &made) == ST_OK)
		is_one_field(made);
	header_build_raw(&b, S("X"), input);
	if (header_build_end(&b, a, &made) == ST_OK)
		is_one_field(made);
	header_build_mailboxes(&b, S("To"), &name, 1);
	if (header_build_end(&b, a, &made) == ST_OK)
		is_one_field(made);
	header_build_mailboxes(&b, S("To"), &address, 1);
	if (header_build_end(&b, a, &made) == ST_OK)
		is_one_field(made);
	header_build_parameter(&b, S("C"), S("a/b"), S("name"), input);
	if (header_build_end(&b, a, &made) == ST_OK)
		is_one_field(made);
	header_build_text(&b, input, S("value"));
	if (header_build_end(&b, a, &made) == ST_OK)
		is_one_field(made);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	slice input = slice_of(data, size);
	arena a = ARENA_INIT;

	walk(input, &a);
	build(input, false, &a);
	build(input, true, &a);
	received r = {.helo = input,
		.peer_name = input,
		.peer = input,
		.by = input,
		.cipher = input,
		.id = input,
		.recipient = input,
		.note = input,
		.utf8 = size & 1};
	is_one_field(received_compose(&r, &a));
	arena_release(&a);
	return 0;
}
