/* The last @ divides, since local parts may hold one and realms may not. Where there is none, the
   last character of auth_at_signs does (E8). */
#include "provider/auth_name.h"

#include "base/utf8.h"
#include "mail/address.h"
#include "provider/setting.h"

static bool has_control(slice s)
{
	for (size_t i = 0; i < s.size; i++)
		if ((unsigned char)s.at[i] < 0x20 || s.at[i] == 0x7f)
			return true;
	return false;
}

/* Where the realm's sign stands, or s.size. */
static size_t find_sign(slice s, size_t *width)
{
	size_t at = slice_find_last(s, '@');
	*width = 1;
	if (at < s.size)
		return at;

	slice signs = setting_text(S_auth_at_signs, NULL);
	uint32_t point, sign;
	for (size_t i = 0, n; (n = utf8_take(slice_from(s, i), &point)) > 0; i += n) {
		slice rest = signs;
		for (size_t m; (m = utf8_take(rest, &sign)) > 0; rest = slice_from(rest, m)) {
			if (sign == point) {
				at = i;
				*width = n;
			}
		}
	}
	return at;
}

status auth_name_parse(slice written, arena *a, struct auth_name *out)
{
	if (written.size == 0 || written.size > AUTH_NAME_MOST || !utf8_valid(written) ||
		has_control(written))
		return ST_INVALID;

	size_t width, at = find_sign(written, &width);
	slice realm = at < written.size ? slice_from(written, at + width)
					: setting_text(S_auth_default_postoffice, NULL);
	struct auth_name n = {.mailbox = mail_local_key(slice_until(written, at), a),
		.realm = mail_local_key(realm, a)};
	slice shown;
	if (at < written.size && mail_domain_parse(realm, a, &n.domain, &shown) != ST_OK)
		n.domain = (slice){0};
	n.key = arena_format(a, "%.*s@%.*s", SLICE_ARGS(n.mailbox), SLICE_ARGS(n.realm));
	*out = n;
	return ST_OK;
}
