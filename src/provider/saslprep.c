/* RFC 4013 over libunistring: the tables of RFC 3454 that are short stand here, the rest is asked
   of the general and bidirectional categories. */
#include "provider/saslprep.h"

#include "base/secret.h"
#include "base/text.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <unictype.h>
#include <uninorm.h>

struct range {
	uint32_t first, last;
};

static const struct range to_space[] = {/* C.1.2 */
	{0xa0, 0xa0}, {0x1680, 0x1680}, {0x2000, 0x200b}, {0x202f, 0x202f}, {0x205f, 0x205f},
	{0x3000, 0x3000}};
static const struct range to_nothing[] = {/* B.1 without what C.1.2 takes */
	{0xad, 0xad}, {0x34f, 0x34f}, {0x1806, 0x1806}, {0x180b, 0x180d}, {0x200c, 0x200d},
	{0x2060, 0x2060}, {0xfe00, 0xfe0f}, {0xfeff, 0xfeff}};
static const struct range forbidden[] = {/* C.2 to C.9 beyond the categories Cc, Co, Cs, Zl, Zp */
	{0x6dd, 0x6dd}, {0x70f, 0x70f}, {0x180e, 0x180e}, {0x2061, 0x2063}, {0x206a, 0x206f},
	{0xfff9, 0xfffd}, {0x1d173, 0x1d17a}, {0x2ff0, 0x2ffb}, {0x340, 0x341}, {0x200e, 0x200f},
	{0x202a, 0x202e}, {0xe0001, 0xe0001}, {0xe0020, 0xe007f}, {0xfdd0, 0xfdef}};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static bool within(const struct range *r, size_t n, uint32_t point)
{
	for (size_t i = 0; i < n; i++)
		if (point >= r[i].first && point <= r[i].last)
			return true;
	return false;
}

static bool is_forbidden(uint32_t point)
{
	if ((point & 0xfffe) == 0xfffe || within(forbidden, COUNT(forbidden), point))
		return true;
	return uc_is_general_category_withtable(
		(ucs4_t)point, UC_CATEGORY_MASK_Cc | UC_CATEGORY_MASK_Co | UC_CATEGORY_MASK_Cs |
				       UC_CATEGORY_MASK_Zl | UC_CATEGORY_MASK_Zp);
}

static status check(slice s)
{
	bool right = false, left = false, first_right = false, last_right = false, first = true;
	uint32_t point;

	for (size_t n; (n = utf8_take(s, &point)) > 0; s = slice_from(s, n)) {
		if (is_forbidden(point))
			return ST_INVALID;
		int direction = uc_bidi_category((ucs4_t)point);
		last_right = direction == UC_BIDI_R || direction == UC_BIDI_AL;
		right |= last_right;
		left |= direction == UC_BIDI_L;
		if (first)
			first_right = last_right;
		first = false;
	}
	/* RFC 3454 6: what has a right-to-left letter has no left-to-right one, and such at both
	   ends. */
	if (right && (left || !first_right || !last_right))
		return ST_INVALID;
	return ST_OK;
}

static bool is_plain(slice s)
{
	for (size_t i = 0; i < s.size; i++)
		if (s.at[i] < 0x20 || s.at[i] > 0x7e)
			return false;
	return true;
}

status saslprep(slice raw, arena *a, slice *prepared)
{
	if (raw.size == 0 || !utf8_valid(raw))
		return ST_INVALID;
	if (is_plain(raw)) { /* nearly all of them */
		*prepared = arena_copy(a, raw);
		return ST_OK;
	}

	text mapped = TEXT_INIT;
	uint32_t point;
	text_reserve(
		&mapped, raw.size); /* the mapping never makes longer: no copy is left behind */
	for (slice s = raw; s.size > 0; s = slice_from(s, utf8_take(s, &point))) {
		utf8_take(s, &point);
		if (within(to_space, COUNT(to_space), point))
			text_add_char(&mapped, ' ');
		else if (!within(to_nothing, COUNT(to_nothing), point))
			utf8_add(&mapped, point);
	}

	size_t size = 0;
	uint8_t *normal =
		u8_normalize(UNINORM_NFKC, (const uint8_t *)mapped.at, mapped.size, NULL, &size);
	slice out = normal ? arena_copy(a, slice_of(normal, size)) : (slice){0};
	if (normal)
		secret_forget(normal, size);
	free(normal);
	if (mapped.at)
		secret_forget(mapped.at, mapped.size);
	text_free(&mapped);
	if (out.size == 0)
		return ST_INVALID;
	TRY(check(out));
	*prepared = out;
	return ST_OK;
}
