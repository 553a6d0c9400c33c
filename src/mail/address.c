/* Strict addresses: paths of SMTP and addresses typed by people. Everything is checked before it
   is handed to libidn2 or libunistring, which see at most MAIL_PATH_MOST bytes of valid UTF-8. */
#include "mail/address.h"

#include "base/text.h"
#include "base/utf8.h"
#include "mail/srs.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <idn2.h>
#include <stdlib.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>

#define LABEL_MOST 63

static bool is_letter_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* atext of RFC 5322 3.2.3, ASCII only. */
static bool is_atext(char c)
{
	return is_letter_or_digit(c) || (c != 0 && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

/* True when every character can be seen and told apart from nothing: valid UTF-8, no controls, no
   format or zero-width characters, no separators but the ASCII blank, nothing unassigned. */
static bool is_visible(slice s)
{
	while (s.size > 0) {
		uint32_t point;
		size_t n = utf8_take(s, &point);

		if (n == 0 || point < 0x20 || point == 0x7f)
			return false;
		if (point >= 0x80 && (uc_is_general_category_withtable(
					      point, UC_CATEGORY_MASK_C | UC_CATEGORY_MASK_Z) ||
					     uc_is_property_default_ignorable_code_point(point)))
			return false;
		s = slice_from(s, n);
	}
	return true;
}

/* Takes over what libunistring or libidn2 returned. */
static slice adopt(void *from, size_t size, arena *a)
{
	slice copy = arena_copy(a, slice_of(from, size));

	free(from);
	return copy;
}

/* --- Domains
   ----------------------------------------------------------------------------------- */

static bool is_label(slice label)
{
	if (label.size == 0 || label.size > LABEL_MOST)
		return false;
	for (size_t i = 0; i < label.size; i++)
		if (!is_letter_or_digit(label.at[i]) && label.at[i] != '-')
			return false;
	return label.at[0] != '-' && label.at[label.size - 1] != '-';
}

static bool is_host_name(slice name)
{
	slice label = {0};
	bool digits = true;

	while (slice_take(&name, '.', &label)) {
		if (!is_label(label))
			return false;
		digits = true;
		for (size_t i = 0; i < label.size; i++)
			digits = digits && label.at[i] >= '0' && label.at[i] <= '9';
	}
	return !digits; /* RFC 3696 2: a name that ends in digits would read as an address */
}

/* The A-label form of a name with non-ASCII letters. */
static status domain_to_ascii(slice name, arena *a, slice *out)
{
	uint8_t *made = NULL;

	if (idn2_lookup_u8((const uint8_t *)arena_z(a, name), &made,
		    IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
		return ST_INVALID;
	*out = adopt(made, strlen((char *)made), a);
	return ST_OK;
}

/* What people may see of a name: its U-labels if they are what would be looked up again under the
   same name, else the name as it is. */
static slice domain_shown(slice name, arena *a)
{
	char *made = NULL;
	slice shown, again;

	if (slice_search(name, S("xn--")) == name.size ||
		idn2_to_unicode_8z8z(arena_z(a, name), &made, 0) != IDN2_OK)
		return name;
	shown = adopt(made, strlen(made), a);
	if (is_visible(shown) && domain_to_ascii(shown, a, &again) == ST_OK &&
		slice_same(again, name))
		return shown;
	return name;
}

status mail_domain_parse(slice s, arena *a, slice *domain, slice *shown)
{
	slice name = s;

	if (s.size == 0)
		return ST_INVALID;
	if (s.size > MAIL_DOMAIN_MOST)
		return ST_TOO_BIG;
	if (!utf8_is_ascii(s)) {
		if (!is_visible(s))
			return ST_INVALID;
		TRY(domain_to_ascii(s, a, &name));
	}
	if (!is_host_name(name))
		return ST_INVALID;
	if (name.size > MAIL_DOMAIN_MOST)
		return ST_TOO_BIG;
	*domain = arena_lower(a, name);
	*shown = domain_shown(*domain, a);
	return ST_OK;
}

/* "[192.0.2.1]" or "[IPv6:2001:db8::1]", brackets included (RFC 5321 4.1.3). */
static status literal_parse(slice s, arena *a, slice *out)
{
	char number[INET6_ADDRSTRLEN];
	uint8_t ip[16];
	slice inner = slice_until(slice_from(s, 1), s.size - 2);
	int family = AF_INET;

	if (s.size < 2 || s.at[0] != '[' || s.at[s.size - 1] != ']')
		return ST_INVALID;
	if (slice_starts_nocase(inner, S("IPv6:"))) {
		family = AF_INET6;
		inner = slice_from(inner, 5);
	}
	if (inner.size >= sizeof number || slice_find(inner, 0) < inner.size ||
		inet_pton(family, arena_z(a, inner), ip) != 1)
		return ST_INVALID;
	inet_ntop(family, ip, number, sizeof number);
	*out = arena_format(a, "[%s%s]", family == AF_INET6 ? "IPv6:" : "", number);
	return ST_OK;
}

status mail_host_parse(slice s, arena *a, slice *host, bool *literal)
{
	slice shown;
	bool bracket = s.size > 0 && s.at[0] == '[';

	TRY(bracket ? literal_parse(s, a, host) : mail_domain_parse(s, a, host, &shown));
	*literal = bracket;
	return ST_OK;
}

/* --- Local parts
   ------------------------------------------------------------------------------- */

/* Dot-string of RFC 5321 4.1.2; the characters above ASCII were judged before. */
static bool is_dot_string(slice s)
{
	slice atom;

	if (s.size == 0)
		return false;
	while (slice_take(&s, '.', &atom)) {
		if (atom.size == 0)
			return false;
		for (size_t i = 0; i < atom.size; i++)
			if (!is_atext(atom.at[i]) && (uint8_t)atom.at[i] < 0x80)
				return false;
	}
	return true;
}

/* The canonical form of a local part whose quotes and escapes are gone. */
static status local_canonical(slice raw, arena *a, slice *out)
{
	text quoted = TEXT_INIT;

	if (!is_visible(raw))
		return ST_INVALID;
	if (!utf8_is_ascii(raw)) {
		size_t size;
		uint8_t *made =
			u8_normalize(UNINORM_NFC, (const uint8_t *)raw.at, raw.size, NULL, &size);
		if (!made)
			return ST_INVALID;
		raw = adopt(made, size, a);
	}
	if (is_dot_string(raw)) {
		*out = arena_copy(a, raw);
	} else {
		text_add_char(&quoted, '"');
		for (size_t i = 0; i < raw.size; i++) {
			if (raw.at[i] == '"' || raw.at[i] == '\\')
				text_add_char(&quoted, '\\');
			text_add_char(&quoted, raw.at[i]);
		}
		text_add_char(&quoted, '"');
		*out = arena_copy(a, text_slice(&quoted));
		text_free(&quoted);
	}
	/* A rewritten sender holds a whole address; whoever passes mail on makes such names. */
	return out->size > (srs_is(*out) ? MAIL_PATH_MOST : MAIL_LOCAL_MOST) ? ST_TOO_BIG : ST_OK;
}

/* Takes the Quoted-string at the start of *rest; *raw has no quotes and escapes any more. */
static status take_quoted(slice *rest, arena *a, slice *raw)
{
	char *to = arena_new(a, rest->size);
	size_t n = 0;

	for (size_t i = 1; i < rest->size; i++) {
		char c = rest->at[i];

		if (c == '"') {
			*rest = slice_from(*rest, i + 1);
			*raw = slice_of(to, n);
			return ST_OK;
		}
		if (c == '\\') {
			/* quoted-pairSMTP is for printable ASCII only */
			if (++i == rest->size || rest->at[i] < 0x20 || rest->at[i] > 0x7e)
				return ST_INVALID;
			c = rest->at[i];
		}
		to[n++] = c;
	}
	return ST_INVALID;
}

/* Takes the local part of "local@domain". */
static status take_local(slice *rest, arena *a, slice *raw)
{
	if (rest->size > 0 && rest->at[0] == '"')
		return take_quoted(rest, a, raw);
	*raw = slice_until(*rest, slice_find(*rest, '@'));
	*rest = slice_from(*rest, raw->size);
	return is_dot_string(*raw) ? ST_OK : ST_INVALID;
}

/* --- Addresses
   --------------------------------------------------------------------------------- */

static status address_make(slice raw_local, slice domain, arena *a, mail_address *out)
{
	mail_address made = {0};

	TRY(local_canonical(raw_local, a, &made.local));
	if (domain.size > 0 && domain.at[0] == '[') {
		made.literal = true;
		TRY(literal_parse(domain, a, &made.domain));
		made.shown = made.domain;
	} else {
		TRY(mail_domain_parse(domain, a, &made.domain, &made.shown));
	}
	made.utf8 = !utf8_is_ascii(raw_local) || !utf8_is_ascii(domain);
	*out = made;
	return ST_OK;
}

static status mailbox_parse(slice s, arena *a, mail_address *out)
{
	slice raw;

	TRY(take_local(&s, a, &raw));
	if (s.size < 2 || s.at[0] != '@')
		return ST_INVALID;
	return address_make(raw, slice_from(s, 1), a, out);
}

/* Drops "@a,@b:" from the start of the inside of a path. */
static status drop_route(slice *inner, arena *a, bool *routed)
{
	slice route, hop, domain, shown;

	*routed = inner->size > 0 && inner->at[0] == '@';
	if (!*routed)
		return ST_OK;
	route = slice_until(*inner, slice_find(*inner, ':'));
	if (route.size == inner->size)
		return ST_INVALID;
	*inner = slice_from(*inner, route.size + 1);
	while (slice_take(&route, ',', &hop)) {
		if (hop.size == 0 || hop.at[0] != '@')
			return ST_INVALID;
		TRY(mail_domain_parse(slice_from(hop, 1), a, &domain, &shown));
	}
	return ST_OK;
}

/* The length of the path at the start of `s`, both brackets included; 0 when it is not closed. */
static size_t path_size(slice s)
{
	bool quoted = false;

	for (size_t i = 1; i < s.size; i++) {
		if (s.at[i] == '"')
			quoted = !quoted;
		else if (quoted && s.at[i] == '\\')
			i++;
		else if (!quoted && s.at[i] == '>')
			return i + 1;
	}
	return 0;
}

status mail_address_path(slice s, arena *a, mail_address *out, slice *rest)
{
	mail_address made = {0};
	size_t size = path_size(slice_until(s, MAIL_PATH_MOST));
	slice inner;
	bool routed = false;

	if (s.size == 0 || s.at[0] != '<')
		return ST_INVALID;
	if (size == 0)
		return s.size > MAIL_PATH_MOST ? ST_TOO_BIG : ST_INVALID;
	inner = slice_of(s.at + 1, size - 2);
	if (inner.size == 0) {
		made.empty = true;
	} else if (slice_same_nocase(inner, S("postmaster"))) {
		made.local = S("postmaster");
	} else {
		TRY(drop_route(&inner, a, &routed));
		TRY(mailbox_parse(inner, a, &made));
		made.routed = routed;
	}
	*out = made;
	*rest = slice_from(s, size);
	return ST_OK;
}

status mail_address_parse(slice s, arena *a, mail_address *out)
{
	s = slice_trim(s);
	if (s.size >= 2 && s.at[0] == '<' && s.at[s.size - 1] == '>')
		s = slice_of(s.at + 1, s.size - 2);
	if (s.size > MAIL_PATH_MOST - 2)
		return ST_TOO_BIG;
	return mailbox_parse(s, a, out);
}

status mail_address_of(slice local, slice domain, arena *a, mail_address *out)
{
	if (local.size == 0)
		return ST_INVALID;
	if (local.size > MAIL_PATH_MOST)
		return ST_TOO_BIG;
	return address_make(local, domain, a, out);
}

static slice joined(slice local, slice domain, arena *a)
{
	char *to = arena_new(a, local.size + domain.size + 2);

	if (domain.size == 0)
		return arena_copy(a, local);
	memcpy(to, local.at, local.size);
	to[local.size] = '@';
	memcpy(to + local.size + 1, domain.at, domain.size);
	return slice_of(to, local.size + 1 + domain.size);
}

slice mail_address_text(const mail_address *m, arena *a)
{
	return joined(m->local, m->domain, a);
}

slice mail_address_key(const mail_address *m, arena *a)
{
	return joined(mail_local_key(m->local, a), m->domain, a);
}

slice mail_local_key(slice local, arena *a)
{
	size_t size;
	uint8_t *made;

	if (utf8_is_ascii(local) || !utf8_valid(local))
		return arena_lower(a, local);
	made = u8_casefold((const uint8_t *)local.at, local.size, NULL, UNINORM_NFC, NULL, &size);
	return made ? adopt(made, size, a) : arena_lower(a, local);
}
