/* UTF-8 after RFC 3629. */
#include "base/utf8.h"

size_t utf8_take(slice s, uint32_t *point)
{
	const unsigned char *at = (const unsigned char *)s.at;

	if (s.size == 0)
		return 0;
	if (at[0] < 0x80) {
		*point = at[0];
		return 1;
	}
	/* By the first byte: how many follow, and the least value they must spell. */
	size_t size = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
	static const uint32_t least[] = {[2] = 0x80, [3] = 0x800, [4] = 0x10000};
	if (at[0] < 0xc2 || at[0] > 0xf4 || s.size < size)
		return 0;
	uint32_t value = at[0] & (0x7fu >> size);
	for (size_t i = 1; i < size; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (at[i] & 0x3f);
	}
	if (value < least[size] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
		return 0;
	*point = value;
	return size;
}

/* How many bytes at the start are ASCII for sure; looks at eight at a time. */
static size_t ascii_run(slice s)
{
	size_t at = 0;

	for (uint64_t word; at + 8 <= s.size; at += 8) {
		memcpy(&word, s.at + at, 8);
		if (word & 0x8080808080808080)
			break;
	}
	while (at < s.size && (unsigned char)s.at[at] < 0x80)
		at++;
	return at;
}

bool utf8_is_ascii(slice s)
{
	return ascii_run(s) == s.size;
}

bool utf8_valid(slice s)
{
	uint32_t point;

	for (size_t at = ascii_run(s); at < s.size; at += ascii_run(slice_from(s, at))) {
		size_t taken = utf8_take(slice_from(s, at), &point);
		if (taken == 0)
			return false;
		at += taken;
	}
	return true;
}

void utf8_add(text *t, uint32_t point)
{
	if (point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
		point = 0xfffd;
	if (point < 0x80) {
		text_add_char(t, (char)point);
	} else if (point < 0x800) {
		text_add_char(t, (char)(0xc0 | point >> 6));
		text_add_char(t, (char)(0x80 | (point & 0x3f)));
	} else if (point < 0x10000) {
		text_add_char(t, (char)(0xe0 | point >> 12));
		text_add_char(t, (char)(0x80 | (point >> 6 & 0x3f)));
		text_add_char(t, (char)(0x80 | (point & 0x3f)));
	} else {
		text_add_char(t, (char)(0xf0 | point >> 18));
		text_add_char(t, (char)(0x80 | (point >> 12 & 0x3f)));
		text_add_char(t, (char)(0x80 | (point >> 6 & 0x3f)));
		text_add_char(t, (char)(0x80 | (point & 0x3f)));
	}
}

static bool goes_on(char c)
{
	return ((uint8_t)c & 0xc0) == 0x80;
}

slice utf8_until(slice s, size_t most)
{
	size_t size = most;

	if (s.size <= most)
		return s;
	while (size > 0 && most - size < 3 && goes_on(s.at[size]))
		size--;
	return slice_until(s, goes_on(s.at[size]) ? most : size);
}

void utf8_add_repaired(text *t, slice s)
{
	uint32_t point;

	for (size_t at = 0; at < s.size;) {
		size_t taken = utf8_take(slice_from(s, at), &point);
		if (taken > 0)
			text_add(t, slice_of(s.at + at, taken));
		else
			utf8_add(t, 0xfffd);
		at += taken > 0 ? taken : 1;
	}
}
