/* See the header. */
#include "provider/internal.h"

#include "base/text.h"
#include "base/utf8.h"
#include "mail/address.h"

static status no(slice *why, const char *sentence)
{
	*why = slice_z(sentence);
	return ST_INVALID;
}

static status smtp_parse(slice rest, arena *a, struct internal *out, slice *why)
{
	mail_address m;
	slice domain, shown;

	if (slice_same(rest, S("*"))) {
		out->smtp = rest;
		return ST_OK;
	}
	if (slice_starts(rest, S("*@"))) {
		if (mail_domain_parse(slice_from(rest, 2), a, &domain, &shown) != ST_OK)
			return no(why, "behind [SMTP:*@ stands a domain");
		out->smtp = arena_format(a, "*@%.*s", SLICE_ARGS(domain));
		return ST_OK;
	}
	if (mail_address_parse(rest, a, &m) != ST_OK || m.literal)
		return no(why, "behind [SMTP: stands an address, * or *@DOMAIN");
	out->smtp = mail_address_text(&m, a);
	return ST_OK;
}

static status mailbox_parse(slice rest, arena *a, struct internal *out, slice *why)
{
	slice postoffice;

	if (!slice_take(&rest, '/', &postoffice) || postoffice.size == 0 || rest.size == 0)
		return no(why, "behind [SF: stands POSTOFFICE/NAME");
	out->postoffice = mail_local_key(postoffice, a);
	out->name = rest;
	return ST_OK;
}

status internal_parse(slice written, arena *a, struct internal *out, slice *why)
{
	slice inner = slice_trim(written);

	if (inner.size > 2 && inner.at[0] == '[' && inner.at[inner.size - 1] == ']')
		inner = slice_of(inner.at + 1, inner.size - 2);
	*out = (struct internal){0};
	if (slice_starts_nocase(inner, S("SMTP:")))
		return smtp_parse(slice_from(inner, 5), a, out, why);
	if (slice_starts_nocase(inner, S("SF:")))
		return mailbox_parse(slice_from(inner, 3), a, out, why);
	return ST_FOREIGN;
}

slice internal_text(const struct internal *i, arena *a)
{
	if (i->smtp.size)
		return arena_format(a, "[SMTP:%.*s]", SLICE_ARGS(i->smtp));
	return arena_format(a, "[SF:%.*s/%.*s]", SLICE_ARGS(i->postoffice), SLICE_ARGS(i->name));
}

slice internal_smtp(slice smtp, slice local, slice domain, arena *a)
{
	if (slice_same(smtp, S("*")))
		return arena_format(a, "%.*s@%.*s", SLICE_ARGS(local), SLICE_ARGS(domain));
	if (slice_starts(smtp, S("*@")))
		return arena_format(
			a, "%.*s%.*s", SLICE_ARGS(local), SLICE_ARGS(slice_from(smtp, 1)));
	return arena_copy(a, smtp);
}

/* ---- masks */

bool internal_is_mask(slice local)
{
	return slice_find(local, '*') < local.size || slice_find(local, '?') < local.size;
}

status internal_mask(slice local, arena *a, slice *mask, slice *pattern, slice *why)
{
	slice folded = mail_local_key(local, a);
	text plain = TEXT_INIT, like = TEXT_INIT;
	int stars = 0;

	for (size_t i = 0; i < folded.size; i++) {
		char c = folded.at[i];

		if (c == '*' && i > 0 && folded.at[i - 1] == '*')
			continue;
		stars += c == '*';
		text_add(&plain, slice_of(&c, 1));
		if (c == '%' || c == '_' || c == '\\')
			text_add(&like, S("\\"));
		text_add(&like, c == '*' ? S("%") : c == '?' ? S("_") : slice_of(&c, 1));
	}
	*mask = arena_copy(a, text_slice(&plain));
	*pattern = arena_copy(a, text_slice(&like));
	text_free(&plain);
	text_free(&like);
	return stars > INTERNAL_STARS_MOST ? no(why, "a mask has at most 8 stars") : ST_OK;
}

/* Goes back to the last star alone: what an earlier one could take more of, the last can too. */
bool internal_matches(slice mask, slice local)
{
	slice after_star = {0}, left = {0};
	bool star = false;
	uint32_t point;

	while (local.size > 0) {
		if (mask.size > 0 && mask.at[0] == '*') {
			star = true;
			after_star = mask = slice_from(mask, 1);
			left = local;
			continue;
		}
		if (mask.size > 0 && mask.at[0] == '?') {
			size_t taken = utf8_take(local, &point);

			local = slice_from(local, taken ? taken : 1);
			mask = slice_from(mask, 1);
			continue;
		}
		if (mask.size > 0 && mask.at[0] == local.at[0]) {
			mask = slice_from(mask, 1);
			local = slice_from(local, 1);
			continue;
		}
		if (!star)
			return false;
		size_t taken = utf8_take(left, &point);
		local = left = slice_from(left, taken ? taken : 1);
		mask = after_star;
	}
	while (mask.size > 0 && mask.at[0] == '*')
		mask = slice_from(mask, 1);
	return mask.size == 0;
}
