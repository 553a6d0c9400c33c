/* What groups are like, whatever keeps them: names, members as they are written. */
#include "base/utf8.h"
#include "mail/address.h"
#include "provider/group_row.h"

#define NAME_MOST 64
#define TITLE_MOST 200

static const char *const words[GROUP_POSTINGS] = {[GROUP_USUAL] = "usual",
	[GROUP_OPEN] = "anyone",
	[GROUP_MEMBERS] = "members",
	[GROUP_POSTOFFICE] = "postoffice"};

const char *group_posting_word(enum group_posting p)
{
	return (unsigned)p < GROUP_POSTINGS ? words[p]
					    : "postoffice"; /* an unknown one is the strictest */
}

static bool text_ok(slice s, size_t most, const char *forbidden)
{
	size_t count = 0;

	while (s.size > 0) {
		uint32_t point;
		size_t taken = utf8_take(s, &point);

		if (taken == 0 || point < ' ' || (point >= 0x7f && point < 0xa0) ||
			++count > most || (point < 0x80 && strchr(forbidden, (int)point)))
			return false;
		s = slice_from(s, taken);
	}
	return true;
}

status group_name_check(slice name, slice title, slice *why)
{
	if (name.size == 0 || !text_ok(name, NAME_MOST, " @/\"'[]")) {
		*why = S(
			"a group's name has 1 to 64 characters and none of: blank, control, @ / [ ] ' \"");
		return ST_INVALID;
	}
	if (!text_ok(title, TITLE_MOST, "")) {
		*why = S("a group's title has at most 200 characters and no control characters");
		return ST_INVALID;
	}
	return ST_OK;
}

status group_members_parse(const slice *written, int n, arena *a, group_member **out, slice *why)
{
	*out = arena_new_array(a, (size_t)n, sizeof **out);
	for (int i = 0; i < n; i++) {
		mail_address m;

		if (mail_address_parse(written[i], a, &m) != ST_OK || m.literal) {
			*why = arena_format(a, "\"%.*s\" is no address",
				SLICE_ARGS(slice_until(written[i], 320)));
			return ST_INVALID;
		}
		(*out)[i] =
			(group_member){mail_address_key(&m, a), mail_address_text(&m, a), m.domain};
	}
	return ST_OK;
}
