/* Names of folders: one form for all ways a client may write one; and those of their special uses.
   Both implementations share it. */
#include "provider/folder.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "provider/acl.h"
#include "provider/setting.h"

#include <stdlib.h>
#include <uninorm.h>

static bool level_valid(slice level)
{
	if (level.size == 0 || slice_same(level, S(".")) || slice_same(level, S("..")))
		return false;
	while (level.size > 0) {
		uint32_t point;
		size_t taken = utf8_take(level, &point);

		/* Line and paragraph separators are not in Net-Unicode either (RFC 9051, 5.1). */
		if (taken == 0 || point < 0x20 || (point >= 0x7f && point < 0xa0) || point == '*' ||
			point == '%' || point == 0x2028 || point == 0x2029)
			return false;
		level = slice_from(level, taken);
	}
	return true;
}

static slice normal(slice s, arena *a)
{
	size_t size = 0;
	uint8_t *made;
	slice kept;

	if (utf8_is_ascii(s))
		return arena_copy(a, s);
	made = u8_normalize(UNINORM_NFC, (const uint8_t *)s.at, s.size, NULL, &size);
	if (!made)
		memory_short(s.size);
	kept = arena_copy(a, slice_of(made, size));
	free(made);
	return kept;
}

status folder_name(slice given, arena *a, slice *canonical)
{
	slice rest = given, level;

	if (given.size == 0)
		return ST_INVALID;
	while (slice_take(&rest, '/', &level))
		if (!level_valid(level))
			return ST_INVALID;
	slice name = normal(given, a);
	if (slice_same_nocase(slice_until(name, slice_find(name, '/')), S("INBOX")))
		memcpy((char *)name.at, "INBOX", 5); /* the arena's copy is ours */
	*canonical = name;
	return ST_OK;
}

static int64_t levels_in(slice name)
{
	int64_t levels = 1;

	for (size_t i = 0; i < name.size; i++)
		levels += name.at[i] == '/';
	return levels;
}

bool folder_name_fits(slice name)
{
	return (int64_t)name.size <= setting_number(S_folder_name_most, NULL) &&
	       levels_in(name) <= setting_number(S_folder_depth_most, NULL);
}

bool folder_name_grows(slice was, slice name)
{
	return (name.size > was.size &&
		       (int64_t)name.size > setting_number(S_folder_name_most, NULL)) ||
	       (levels_in(name) > levels_in(was) &&
		       levels_in(name) > setting_number(S_folder_depth_most, NULL));
}

status folder_name_new(slice given, arena *a, slice *canonical)
{
	return folder_name_fits(given) ? folder_name(given, a, canonical) : ST_LIMITED;
}

bool folder_name_is_others(slice name)
{
	return acl_name_split(name, &(slice){0}, &(slice){0});
}

static const char *const special_names[] = {"\\All", "\\Archive", "\\Drafts", "\\Flagged", "\\Junk",
	"\\Sent", "\\Trash", "\\Important"};
#define SPECIAL_NAMES (sizeof special_names / sizeof *special_names)

void folder_special_text(unsigned special, text *out)
{
	const char *gap = "";

	for (size_t k = 0; k < SPECIAL_NAMES; k++)
		if (special >> k & 1) {
			text_format(out, "%s%s", gap, special_names[k]);
			gap = " ";
		}
}

unsigned folder_special_bit(slice word)
{
	for (size_t k = 0; k < SPECIAL_NAMES; k++)
		if (slice_same_nocase(word, slice_z(special_names[k])))
			return 1u << k;
	return 0;
}
