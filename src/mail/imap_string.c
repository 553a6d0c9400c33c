/* Strings and mailbox names of IMAP. */
#include "mail/imap_string.h"

#include "base/utf8.h"

static bool is_quotable(slice s)
{
	if (s.size > IMAP_QUOTED_MOST)
		return false;
	for (size_t i = 0; i < s.size; i++)
		if ((uint8_t)s.at[i] < 0x20 || (uint8_t)s.at[i] > 0x7e)
			return false;
	return true;
}

static void quoted_add(text *out, slice s)
{
	size_t added = 0;

	text_add_char(out, '"');
	for (size_t i = 0; i < s.size; i++) {
		if (s.at[i] != '"' && s.at[i] != '\\')
			continue;
		text_add(out, slice_of(s.at + added, i - added));
		text_add_char(out, '\\');
		added = i;
	}
	text_add(out, slice_from(s, added));
	text_add_char(out, '"');
}

void imap_string_add(text *out, slice s)
{
	if (is_quotable(s)) {
		quoted_add(out, s);
		return;
	}
	text_format(out, "{%zu}\r\n", s.size);
	for (slice rest = s, run; slice_take(&rest, '\0', &run);) {
		text_add(out, run);
		if (rest.at)
			text_add_char(out, '?');
	}
}

void imap_nstring_add(text *out, slice s)
{
	if (s.at)
		imap_string_add(out, s);
	else
		text_add(out, S("NIL"));
}

/* ---- modified UTF-7: base64 of UTF-16 between '&' and '-', with ',' for '/' and no padding */

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static bool stands_for_itself(uint32_t point)
{
	return point >= 0x20 && point <= 0x7e;
}

struct shift { /* what is inside of one '&'..'-' */
	text *out;
	uint32_t bits;
	int count; /* of bits not yet written */
	bool open;
};

static void shift_put(struct shift *s, uint32_t unit)
{
	if (!s->open)
		text_add_char(s->out, '&');
	s->open = true;
	s->bits = s->bits << 16 | unit;
	s->count += 16;
	while (s->count >= 6) {
		s->count -= 6;
		text_add_char(s->out, digits[s->bits >> s->count & 63]);
	}
}

static void shift_end(struct shift *s)
{
	if (!s->open)
		return;
	if (s->count > 0)
		text_add_char(s->out, digits[s->bits << (6 - s->count) & 63]);
	text_add_char(s->out, '-');
	*s = (struct shift){.out = s->out};
}

slice mutf7_encode(slice utf8, arena *a)
{
	text out = TEXT_INIT;
	struct shift shift = {.out = &out};
	slice made;

	while (utf8.size > 0) {
		uint32_t point = 0xfffd;
		size_t n = utf8_take(utf8, &point);

		utf8 = slice_from(utf8, n ? n : 1);
		if (n == 0)
			point = 0xfffd;
		if (stands_for_itself(point)) {
			shift_end(&shift);
			text_add_char(&out, (char)point);
			if (point == '&')
				text_add_char(&out, '-');
		} else if (point >= 0x10000) {
			shift_put(&shift, 0xd800 | (point - 0x10000) >> 10);
			shift_put(&shift, 0xdc00 | ((point - 0x10000) & 0x3ff));
		} else {
			shift_put(&shift, point);
		}
	}
	shift_end(&shift);
	made = arena_copy(a, text_slice(&out));
	text_free(&out);
	return made;
}

/* One run between '&' and '-', not empty. */
static status run_decode(slice run, text *out)
{
	uint32_t bits = 0, high = 0;
	int count = 0;

	for (size_t i = 0; i < run.size; i++) {
		const char *digit = run.at[i] ? strchr(digits, run.at[i]) : NULL;

		if (!digit)
			return ST_INVALID;
		bits = bits << 6 | (uint32_t)(digit - digits);
		count += 6;
		if (count < 16)
			continue;
		count -= 16;
		uint32_t unit = bits >> count & 0xffff;
		bool low = unit >= 0xdc00 && unit <= 0xdfff;

		if (low != (high != 0) || (!low && stands_for_itself(unit)) || unit == 0)
			return ST_INVALID;
		if (low) {
			utf8_add(out, 0x10000 + ((high & 0x3ff) << 10 | (unit & 0x3ff)));
			high = 0;
		} else if (unit >= 0xd800 && unit <= 0xdbff) {
			high = unit;
		} else {
			utf8_add(out, unit);
		}
	}
	return high || count >= 6 || (bits & ((1u << count) - 1)) ? ST_INVALID : ST_OK;
}

static status parts_decode(slice coded, text *out)
{
	bool shifted = false; /* the last thing was a run: another right behind it is needless */

	while (coded.size > 0) {
		char c = coded.at[0];

		if (!stands_for_itself((uint8_t)c))
			return ST_INVALID;
		if (c != '&') {
			text_add_char(out, c);
			coded = slice_from(coded, 1);
			shifted = false;
			continue;
		}
		coded = slice_from(coded, 1);
		size_t end = slice_find(coded, '-');

		if (end == coded.size || (shifted && end > 0))
			return ST_INVALID;
		if (end == 0)
			text_add_char(out, '&');
		else
			TRY(run_decode(slice_until(coded, end), out));
		shifted = end > 0;
		coded = slice_from(coded, end + 1);
	}
	return ST_OK;
}

status mutf7_decode(slice coded, arena *a, slice *utf8)
{
	text out = TEXT_INIT;
	status s = parts_decode(coded, &out);

	if (s == ST_OK)
		*utf8 = arena_copy(a, text_slice(&out));
	text_free(&out);
	return s;
}
