/* Packed facts: numbers as varints and counted strings, for what is stored beside a message so that
   it need not be parsed again. Reading never trusts what is there: after the first trouble
   everything is 0 and empty, and `broken` stays set. */
#ifndef PENNYPOST_MAIL_PACK_H
#define PENNYPOST_MAIL_PACK_H

#include "base/slice.h"
#include "base/text.h"

static inline void pack_number(text *out, uint64_t n)
{
	for (; n > 127; n >>= 7)
		text_add_char(out, (char)(0x80 | (n & 0x7f)));
	text_add_char(out, (char)n);
}

static inline void pack_string(text *out, slice s)
{
	pack_number(out, s.size);
	text_add(out, s);
}

typedef struct unpack {
	slice rest;
	bool broken;
} unpack;

static inline uint64_t unpack_number(unpack *u)
{
	uint64_t n = 0;

	for (int shift = 0; u->rest.size > 0 && shift < 63; shift += 7) {
		uint8_t byte = (uint8_t)u->rest.at[0];

		u->rest = slice_from(u->rest, 1);
		n |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return n;
	}
	u->broken = true;
	u->rest = (slice){0};
	return 0;
}

/* Lent: it lies in what is unpacked. */
static inline slice unpack_string(unpack *u)
{
	uint64_t size = unpack_number(u);
	slice s = slice_until(u->rest, size);

	if (size > u->rest.size) {
		u->broken = true;
		u->rest = (slice){0};
		return (slice){0};
	}
	u->rest = slice_from(u->rest, size);
	return s;
}

#endif
