/* Dates: what is read is written and read again as the same moment. */
#include "mail/date.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int ok)
{
	if (!ok)
		abort();
}

static void stays_the_same(date d, arena *a)
{
	date again;

	must(d.offset > -1440 && d.offset < 1440);
	/* the first and last days of the calendar have no room for every zone */
	if (d.at < date_days(1900, 1, 3) * 86400 * USEC_S ||
		d.at > date_days(9999, 12, 29) * 86400 * USEC_S)
		return;
	must(date_parse(date_format(d, a), &again) == ST_OK);
	must(again.at == d.at && again.offset == d.offset);
	must(date_internal_parse(date_internal_format(d, a), &again) == ST_OK);
	must(again.at == d.at && again.offset == d.offset);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	slice input = slice_of(data, size);
	arena a = ARENA_INIT;
	date d;

	if (date_parse(input, &d) == ST_OK)
		stays_the_same(d, &a);
	if (date_internal_parse(input, &d) == ST_OK)
		stays_the_same(d, &a);
	if (size >= sizeof d.at) { /* any moment at all can be written */
		memcpy(&d.at, data, sizeof d.at);
		d.offset = data[0] * 10 - 1000;
		date_format(d, &a);
		date_internal_format(d, &a);
	}
	arena_release(&a);
	return 0;
}
