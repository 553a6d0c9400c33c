/* UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef PENNYPOST_BASE_UTF8_H
#define PENNYPOST_BASE_UTF8_H

#include "base/slice.h"
#include "base/text.h"

bool utf8_valid(slice s);
bool utf8_is_ascii(slice s); /* all bytes below 0x80 */
/* The first `most` bytes, fewer where a character would be cut; of broken text as many. */
slice utf8_until(slice s, size_t most);
/* Decodes one character at s.at: bytes taken (1..4) or 0 when broken or empty. */
size_t utf8_take(slice s, uint32_t *point);
void utf8_add(text *t, uint32_t point);   /* U+FFFD for what is no scalar value */
void utf8_add_repaired(text *t, slice s); /* every broken byte becomes U+FFFD */

#endif
