/* Key records: reading and writing (RFC 6376 3.6, RFC 8463 4). */
#include "mail/signature_inside.h"

#include "base/encode.h"
#include "mail/address.h"

/* --- Reading
   ----------------------------------------------------------------------------------- */

static status read_key_kind(const tag_list *tags, dkim_record *out)
{
	slice value = S("rsa");

	tag_find(tags, S("k"), &value);
	if (slice_same_nocase(value, S("rsa")))
		out->algorithm = SIGNATURE_RSA_SHA256;
	else if (slice_same_nocase(value, S("ed25519")))
		out->algorithm = SIGNATURE_ED25519_SHA256;
	else
		return ST_FOREIGN;
	return ST_OK;
}

static void read_flags(const tag_list *tags, dkim_record *out)
{
	slice value;

	out->sha256 = !tag_find(tags, S("h"), &value) || tag_holds(value, S("sha256"));
	out->email = !tag_find(tags, S("s"), &value) || tag_holds(value, S("email")) ||
		     tag_holds(value, S("*"));
	if (tag_find(tags, S("t"), &value)) {
		out->testing = tag_holds(value, S("y"));
		out->strict = tag_holds(value, S("s"));
	}
}

status dkim_record_parse(slice record, arena *a, dkim_record *out)
{
	tag_list tags;
	slice value;

	*out = (dkim_record){0};
	if (record.size > DKIM_RECORD_MOST)
		return ST_INVALID;
	TRY(tag_list_parse(record, &tags));
	/* v= is optional, but then stands first, and what says another version is none of ours. */
	if (tag_find(&tags, S("v"), &value) &&
		(!slice_same(value, S("DKIM1")) || !slice_same(tags.tag[0].name, S("v"))))
		return ST_INVALID;
	if (!tag_find(&tags, S("p"), &value))
		return ST_INVALID;
	TRY(read_key_kind(&tags, out));
	read_flags(&tags, out);
	return base64_decode(tag_tight(value, a), a, &out->public_key);
}

/* --- Writing
   ----------------------------------------------------------------------------------- */

/* Names under which keys lie: labels of letters, digits and '-'; '_' is used by many. */
static bool is_selector(slice s)
{
	slice label;

	while (slice_take(&s, '.', &label)) {
		if (label.size == 0 || label.size > 63)
			return false;
		for (size_t i = 0; i < label.size; i++) {
			char c = label.at[i];
			bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
				     (c >= '0' && c <= '9');
			if (!alnum && c != '_' && (c != '-' || i == 0 || i + 1 == label.size))
				return false;
		}
	}
	return true;
}

#define NAME_MOST 253

status dkim_record_name(slice selector, slice domain, arena *a, slice *name)
{
	slice canonical, shown;

	if (selector.size == 0 || !is_selector(selector))
		return ST_INVALID;
	TRY(mail_domain_parse(domain, a, &canonical, &shown));
	if (selector.size + sizeof "._domainkey." - 1 + canonical.size > NAME_MOST)
		return ST_INVALID;
	*name = arena_format(
		a, "%.*s._domainkey.%.*s", SLICE_ARGS(selector), SLICE_ARGS(canonical));
	return ST_OK;
}

slice dkim_record_text(enum signature_algorithm algorithm, slice public_key, bool testing, arena *a)
{
	slice coded = base64_encode(public_key, a);

	return arena_format(a, "v=DKIM1; k=%s;%s p=%.*s",
		algorithm == SIGNATURE_RSA_SHA256 ? "rsa" : "ed25519", testing ? " t=y;" : "",
		SLICE_ARGS(coded));
}

#define STRING_MOST 255

slice dkim_record_zone(slice selector, slice domain, slice record, arena *a)
{
	text out = TEXT_INIT;

	text_format(
		&out, "%.*s._domainkey.%.*s. IN TXT (", SLICE_ARGS(selector), SLICE_ARGS(domain));
	for (slice rest = record; rest.size > 0; rest = slice_from(rest, STRING_MOST))
		text_format(&out, " \"%.*s\"", SLICE_ARGS(slice_until(rest, STRING_MOST)));
	text_add(&out, S(" )"));
	slice zone = arena_copy(a, text_slice(&out));
	text_free(&out);
	return zone;
}
