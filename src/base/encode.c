/* Base64 and hexadecimal. */
#include "base/encode.h"

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

slice base64_encode(slice raw, arena *a)
{
	/* Six more than 4/3: the started group, and the terminator. */
	char *start = arena_new(a, raw.size / 3 * 4 + 6), *to = start;
	const unsigned char *from = (const unsigned char *)raw.at;
	size_t left = raw.size;

	for (; left >= 3; left -= 3, from += 3) {
		uint32_t group = (uint32_t)from[0] << 16 | (uint32_t)from[1] << 8 | from[2];
		*to++ = letters[group >> 18];
		*to++ = letters[group >> 12 & 63];
		*to++ = letters[group >> 6 & 63];
		*to++ = letters[group & 63];
	}
	if (left > 0) {
		uint32_t group = (uint32_t)from[0] << 16 | (left > 1 ? (uint32_t)from[1] << 8 : 0);
		*to++ = letters[group >> 18];
		*to++ = letters[group >> 12 & 63];
		if (left > 1)
			*to++ = letters[group >> 6 & 63];
		for (size_t pad = left; pad < 3; pad++)
			*to++ = '=';
	}
	return slice_of(start, (size_t)(to - start));
}

status base64_decode(slice coded, arena *a, slice *raw)
{
	if (coded.size % 4 != 0)
		return ST_INVALID;
	size_t letters = coded.size;
	while (letters > 0 && coded.size - letters < 2 && coded.at[letters - 1] == '=')
		letters--;
	char *start = arena_new(a, coded.size / 4 * 3 + 1), *to = start;
	uint32_t bits = 0;
	unsigned count = 0;
	for (size_t i = 0; i < letters; i++) {
		int value = base64_value(coded.at[i]);
		if (value < 0)
			return ST_INVALID;
		bits = bits << 6 | (uint32_t)value;
		count += 6;
		if (count >= 8) {
			count -= 8;
			*to++ = (char)(bits >> count & 0xff);
		}
	}
	/* Spare bits that are set would give one value two spellings. */
	if ((bits & ((1u << count) - 1)) != 0)
		return ST_INVALID;
	*raw = slice_of(start, (size_t)(to - start));
	return ST_OK;
}

slice hex_encode(slice raw, arena *a)
{
	char *to = arena_new_array(a, raw.size + 1, 2);

	for (size_t i = 0; i < raw.size; i++) {
		to[2 * i] = "0123456789abcdef"[(unsigned char)raw.at[i] >> 4];
		to[2 * i + 1] = "0123456789abcdef"[raw.at[i] & 15];
	}
	return slice_of(to, raw.size * 2);
}

int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}
