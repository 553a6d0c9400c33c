/* Parameters of Content-Type: names in order, no more than are kept, values valid UTF-8 without
   controls; what the builder writes is read back. */
#include "mail/content.h"

#include "base/utf8.h"
#include "mail/header.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int ok)
{
	if (!ok)
		abort();
}

static void read_back(slice value, arena *a)
{
	header_builder b = {0};
	content_value c;
	slice made;

	header_build_parameter(&b, S("C"), S("a/b"), S("name"), value);
	if (header_build_end(&b, a, &made) != ST_OK)
		return;
	content_parse(slice_from(made, 2), a, &c);
	must(!c.broken && c.count == 1);
	/* encoded words are decoded, blanks at the ends trimmed, tabs are blanks now */
	bool changes = slice_search(value, S("=?")) < value.size ||
		       slice_find(value, '\t') < value.size || slice_trim(value).size < value.size;
	must(changes || slice_same(c.parameter[0].value, value));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	slice input = slice_of(data, size);
	arena a = ARENA_INIT;
	content_value c;

	content_parse(input, &a, &c);
	must(c.count <= CONTENT_PARAMETERS_MOST);
	for (size_t i = 0; i < c.count; i++) {
		slice value = c.parameter[i].value;
		must(i == 0 || slice_order(c.parameter[i - 1].name, c.parameter[i].name) < 0);
		must(utf8_valid(value));
		for (size_t k = 0; k < value.size; k++)
			must((uint8_t)value.at[k] >= 0x20 && value.at[k] != 0x7f);
	}
	content_word(input);
	read_back(input, &a);
	arena_release(&a);
	return 0;
}
