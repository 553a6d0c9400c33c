/* See srs.h. The payload is hashed in lower case, since a host on the way may have folded it, and
   with the domain of the address: what was made for one domain of the house is nothing at
   another. */
#include "mail/srs.h"

#define HASH 8 /* letters of base32: 40 bits; an attacker has one guess per recipient */
#define DAYS 1024
#define DAY (24 * 3600 * USEC_S)

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

static int letter_value(char c)
{
	if (c >= 'a' && c <= 'z')
		c -= 'a' - 'A';
	const char *at = c ? strchr(letters, c) : NULL;

	return at ? (int)(at - letters) : -1;
}

/* ---- local parts without their quotes */

static slice unquoted(slice local, arena *a)
{
	if (local.size < 2 || local.at[0] != '"')
		return local;
	char *to = arena_new(a, local.size);
	size_t n = 0;

	for (size_t i = 1; i + 1 < local.size; i++) {
		if (local.at[i] == '\\' && i + 2 < local.size)
			i++;
		to[n++] = local.at[i];
	}
	return slice_of(to, n);
}

static bool has_form(slice raw)
{
	return (slice_starts_nocase(raw, S("SRS0")) || slice_starts_nocase(raw, S("SRS1"))) &&
	       raw.size > 5 && (raw.at[4] == '=' || raw.at[4] == '+' || raw.at[4] == '-');
}

bool srs_is(slice local)
{
	return has_form(local.size && local.at[0] == '"' ? slice_from(local, 1) : local);
}

/* ---- the hash */

static void put_low(char *to, slice text)
{
	for (size_t i = 0; i < text.size; i++) {
		char c = text.at[i];
		to[i] = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
	}
}

struct signing { /* what a hash covers */
	char kind;
	slice payload, domain;
};

static void hash_of(
	const struct srs *s, int secret, const struct signing *of, arena *a, char to[HASH])
{
	size_t size = of->payload.size + of->domain.size + 2;
	char *text = arena_new(a, size), *to_domain = text + 1 + of->payload.size;
	uint8_t mac[32];
	uint64_t bits = 0;

	text[0] = of->kind;
	put_low(text + 1, of->payload);
	*to_domain = '@';
	put_low(to_domain + 1, of->domain);
	s->mac(s->arg, secret, slice_of(text, size), mac);
	for (int i = 0; i < HASH * 5 / 8; i++)
		bits = bits << 8 | mac[i];
	for (int i = 0; i < HASH; i++)
		to[i] = letters[bits >> 5 * (HASH - 1 - i) & 31];
}

static bool hash_holds(const struct srs *s, const struct signing *of, slice hash, arena *a)
{
	bool found = false;

	if (hash.size != HASH)
		return false;
	for (int secret = 0; secret < s->secrets; secret++) {
		char wanted[HASH];
		int differing = 0;

		hash_of(s, secret, of, a, wanted);
		for (int i = 0; i < HASH; i++)
			differing |= letter_value(hash.at[i]) ^ letter_value(wanted[i]);
		found |= differing == 0;
	}
	return found;
}

/* ---- the day */

static int64_t today(const struct srs *s)
{
	return s->now / DAY % DAYS;
}

/* One made by a clock that is a little ahead is from today. */
static bool day_holds(const struct srs *s, slice day)
{
	int high = letter_value(day.at[0]), low = letter_value(day.at[1]);

	if (high < 0 || low < 0)
		return false;
	int64_t age = (today(s) - (high * 32 + low) + DAYS) % DAYS;
	return age == DAYS - 1 || age <= s->validity / DAY;
}

/* ---- parts */

static status address_of(slice raw, slice domain, arena *a, mail_address *out)
{
	return raw.size + domain.size + 3 > MAIL_PATH_MOST ? ST_TOO_BIG
							   : mail_address_of(raw, domain, a, out);
}

/* Who passed the mail on first, by what a later hop keeps of him. */
static status first_hop(slice payload, arena *a, mail_address *out)
{
	slice domain, raw;

	if (!slice_take(&payload, '=', &domain) || !payload.at)
		return ST_DENIED;
	raw = arena_format(a, "SRS0%.*s", SLICE_ARGS(payload));
	return has_form(raw) && address_of(raw, domain, a, out) == ST_OK ? ST_OK : ST_DENIED;
}

/* ---- there */

static status signed_address(
	const struct srs *s, char kind, slice payload, slice domain, arena *a, mail_address *out)
{
	char hash[HASH];

	hash_of(s, 0, &(struct signing){kind, payload, domain}, a, hash);
	return address_of(arena_format(a, "SRS%c=%.*s=%.*s", kind, HASH, hash, SLICE_ARGS(payload)),
		domain, a, out);
}

status srs_forward(
	const struct srs *s, const mail_address *sender, slice domain, arena *a, mail_address *out)
{
	slice raw = unquoted(sender->local, a), hash;

	if (sender->empty || raw.size == 0)
		return ST_INVALID;
	if (has_form(raw) && raw.at[3] == '0')
		return signed_address(s, '1',
			arena_format(a, "%.*s=%.*s", SLICE_ARGS(sender->domain),
				SLICE_ARGS(slice_from(raw, 4))),
			domain, a, out);
	if (has_form(raw)) {
		slice payload = slice_from(raw, 5);

		/* Its hash was the last forwarder's; ours takes the place. What leads nowhere is a
		   name like any other. */
		if (slice_take(&payload, '=', &hash) && payload.at &&
			first_hop(payload, a, out) == ST_OK)
			return signed_address(s, '1', payload, domain, a, out);
	}
	int64_t day = today(s);
	return signed_address(s, '0',
		arena_format(a, "%c%c=%.*s=%.*s", letters[day / 32], letters[day % 32],
			SLICE_ARGS(sender->domain), SLICE_ARGS(raw)),
		domain, a, out);
}

/* ---- and back */

static status reverse_first(const struct srs *s, slice payload, arena *a, mail_address *out)
{
	slice day, domain;

	if (!slice_take(&payload, '=', &day) || day.size != 2 || !payload.at ||
		!slice_take(&payload, '=', &domain) || !payload.at)
		return ST_DENIED; /* our hash never covered that */
	if (!day_holds(s, day))
		return ST_TIMED_OUT;
	return address_of(payload, domain, a, out) == ST_OK ? ST_OK : ST_DENIED;
}

status srs_reverse(const struct srs *s, slice local, slice domain, arena *a, mail_address *out)
{
	slice raw = unquoted(local, a), payload, hash;

	if (!has_form(raw))
		return ST_INVALID;
	payload = slice_from(raw, 5);
	if (!slice_take(&payload, '=', &hash) || !payload.at)
		return ST_INVALID;
	if (!hash_holds(s, &(struct signing){raw.at[3], payload, domain}, hash, a))
		return ST_DENIED;
	return raw.at[3] == '0' ? reverse_first(s, payload, a, out) : first_hop(payload, a, out);
}
