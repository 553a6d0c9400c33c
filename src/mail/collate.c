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
