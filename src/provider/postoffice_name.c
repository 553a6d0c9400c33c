/* How post offices may be called: the same in both stores, and in settings that name one. */
#include "provider/postoffice.h"

#define NAME_MOST 64

static bool name_has(char c, bool first)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       (!first && (c == '.' || c == '_' || c == '-'));
}

status postoffice_name(slice name, arena *a, slice *folded)
{
	char *at = arena_z(a, name);

	if (name.size < 1 || name.size > NAME_MOST)
		return ST_INVALID;
	for (size_t i = 0; i < name.size; i++) {
		if (at[i] >= 'A' && at[i] <= 'Z')
			at[i] = (char)(at[i] - 'A' + 'a');
		if (!name_has(at[i], i == 0))
			return ST_INVALID;
	}
	*folded = slice_of(at, name.size);
	return ST_OK;
}
