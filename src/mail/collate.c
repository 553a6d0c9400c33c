/* Every character in title case, then taken apart (compatibility decomposition). */
#include "mail/collate.h"

#include "base/text.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <unicase.h>
#include <uninorm.h>

static slice upper(slice s, arena *a)
{
	char *to = arena_z(a, s);

	for (size_t i = 0; i < s.size; i++)
		if (to[i] >= 'a' && to[i] <= 'z')
			to[i] = (char)(to[i] - 'a' + 'A');
	return slice_of(to, s.size);
}

slice collate_key(slice utf8, arena *a)
{
	text title = TEXT_INIT;
	uint32_t point;
	size_t size = 0;

	if (utf8_is_ascii(utf8) || !utf8_valid(utf8))
		return upper(utf8, a);
	for (size_t at = 0; at < utf8.size;) {
		at += utf8_take(slice_from(utf8, at), &point);
		utf8_add(&title, uc_totitle(point));
	}
	uint8_t *made =
		u8_normalize(UNINORM_NFKD, (const uint8_t *)title.at, title.size, NULL, &size);
	slice key = made ? arena_copy(a, slice_of((char *)made, size))
			 : arena_copy(a, text_slice(&title));

	free(made);
	text_free(&title);
	return key;
}

#define SHARP_S 0xdf
#define CAPITAL_SHARP_S 0x1e9e
#define TAKEN_APART_MOST 10 /* steps; the longest there is has three */

static void point_fold(uint32_t point, int steps, text *out)
{
	ucs4_t parts[UC_DECOMPOSITION_MAX_LENGTH];
	int tag, n;

	if (point == SHARP_S || point == CAPITAL_SHARP_S) {
		text_add(out, S("SS"));
		return;
	}
	point = uc_totitle(point);
	n = point < 0x80 || steps == 0 ? -1 : uc_decomposition(point, &tag, parts);
	if (n <= 0)
		utf8_add(out, point);
	for (int k = 0; k < n; k++)
		point_fold(parts[k], steps - 1, out);
}

static size_t ascii_run(slice s)
{
	size_t n = 0;

	while (n < s.size && (unsigned char)s.at[n] < 0x80)
		n++;
	return n;
}

static void upper_add(slice s, text *out)
{
	size_t from = out->size;

	text_add(out, s);
	for (char *c = out->at + from; c < out->at + out->size; c++)
		*c = (char)(*c - ((*c >= 'a') & (*c <= 'z')) * ('a' - 'A'));
}

void collate_fold(slice utf8, text *out)
{
	while (utf8.size > 0) {
		size_t run = ascii_run(utf8), taken;
		uint32_t point;

		if (run > 0)
			upper_add(slice_until(utf8, run), out);
		utf8 = slice_from(utf8, run);
		if (utf8.size == 0)
			return;
		taken = utf8_take(utf8, &point);
		if (taken > 0)
			point_fold(point, TAKEN_APART_MOST, out);
		else
			text_add_char(out, utf8.at[0]); /* broken */
		utf8 = slice_from(utf8, taken > 0 ? taken : 1);
	}
}

void collate_fold_bare(slice utf8, text *out)
{
	size_t kept = out->size, i = kept;

	collate_fold(utf8, out);
	for (; i < out->size; i++) {
		unsigned char c = (unsigned char)out->at[i],
			      next = i + 1 < out->size ? (unsigned char)out->at[i + 1] : 0;

		if ((c == 0xcc && next >= 0x80) || (c == 0xcd && next >= 0x80 && next <= 0xaf))
			i++;
		else
			out->at[kept++] = out->at[i];
	}
	out->size = kept;
}
