/* Numbers of seven bits a byte, for what is packed into one value: view_pack.c, folder_page.c. */
#ifndef PENNYPOST_PROVIDER_VARINT_H
#define PENNYPOST_PROVIDER_VARINT_H

#include <stdbool.h>
#include <stdint.h>

#define VARINT_MOST 10 /* bytes of one */

struct packer {
	unsigned char *at; /* where there is room enough */
};
struct unpacker {
	const unsigned char *at, *end;
	bool broken;
};

static inline void varint_put(struct packer *p, uint64_t v)
{
	while (v > 0x7f) {
		*p->at++ = (unsigned char)(v | 0x80);
		v >>= 7;
	}
	*p->at++ = (unsigned char)v;
}

/* Small numbers of either sign become small ones without. */
static inline void varint_put_signed(struct packer *p, int64_t v)
{
	varint_put(p, (uint64_t)v << 1 ^ (v < 0 ? UINT64_MAX : 0));
}

static inline uint64_t varint_take(struct unpacker *u)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64 && u->at < u->end; shift += 7) {
		unsigned char byte = *u->at++;

		v |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return v;
	}
	u->broken = true;
	return 0;
}

static inline int64_t varint_take_signed(struct unpacker *u)
{
	uint64_t v = varint_take(u);

	return (int64_t)(v >> 1 ^ (0 - (v & 1)));
}

/* Differences that wrap round instead of overflowing. */
static inline int64_t varint_difference(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a - (uint64_t)b);
}

static inline int64_t varint_sum(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a + (uint64_t)b);
}

#endif
