/* Base64 (RFC 4648, 4 and 5) and hexadecimal. Decoders are strict: no white space, right padding,
   zero spare bits; ST_INVALID otherwise. Results live in the arena. */
#ifndef PENNYPOST_BASE_ENCODE_H
#define PENNYPOST_BASE_ENCODE_H

#include "base/arena.h"
#include "base/status.h"

slice base64_encode(slice raw, arena *a);
status base64_decode(slice coded, arena *a, slice *raw);

/* The value of a letter (RFC 4648, 4); -1 = none. Here, since decoders of bodies ask it of every
   octet. */
static inline int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

slice hex_encode(slice raw, arena *a); /* lower case */
int hex_value(char c);                 /* of a digit of any case; -1 = none */

#endif
