/* ESMTP parameters: whatever comes, values that were taken have no line ends, and xtext decodes to
   what it encodes. */
#include "mail/parameter.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int ok)
{
	if (!ok)
		abort();
}

static void has_no_line_end(slice s)
{
	must(slice_find(s, '\r') == s.size && slice_find(s, '\n') == s.size &&
		slice_find(s, 0) == s.size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	slice input = slice_of(data, size), raw;
	arena a = ARENA_INIT;
	mail_parameters m;
	rcpt_parameters r;

	if (mail_parameters_parse(input, &a, &m) == ST_OK) {
		has_no_line_end(m.auth);
		has_no_line_end(m.envid);
	}
	if (rcpt_parameters_parse(input, &a, &r) == ST_OK) {
		has_no_line_end(r.orcpt);
		has_no_line_end(r.orcpt_type);
		must(r.notify < 16);
	}
	if (xtext_decode(input, &a, &raw) == ST_OK)
		has_no_line_end(raw);
	slice coded = xtext_encode(input, &a);
	has_no_line_end(coded);
	if (xtext_decode(coded, &a, &raw) == ST_OK)
		must(slice_same(raw, input));
	arena_release(&a);
	return 0;
}
