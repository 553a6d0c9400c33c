/* Tag lists, what a signature's tags say, and the canonical form of header fields. All of it is
   strict: what a signature covers must never be a matter of taste. */
#include "mail/signature_inside.h"

#include "base/encode.h"
#include "base/map.h"
#include "base/memory.h"
#include "mail/address.h"

/* --- Tag lists
   --------------------------------------------------------------------------------- */

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_tag_name(slice s)
{
	for (size_t i = 0; i < s.size; i++) {
		char c = s.at[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		if (!letter && (i == 0 || ((c < '0' || c > '9') && c != '_')))
			return false;
	}
	return s.size > 0;
}

static bool is_tag_value(slice s)
{
	for (size_t i = 0; i < s.size; i++)
		if (((uint8_t)s.at[i] < 0x20 && !is_space(s.at[i])) || s.at[i] == 0x7f)
			return false;
	return true;
}

status tag_list_parse(slice s, tag_list *out)
{
	slice rest = s, part, known;

	out->count = 0;
	while (slice_take(&rest, ';', &part)) {
		if (slice_trim(part).size == 0 && rest.at == NULL && out->count > 0)
			break; /* the one ';' that may stand at the end */
		size_t equals = slice_find(part, '=');
		slice name = slice_trim(slice_until(part, equals));
		slice value = slice_trim(slice_from(part, equals + 1));
		if (equals == part.size || !is_tag_name(name) || !is_tag_value(value) ||
			out->count == TAGS_MOST || tag_find(out, name, &known))
			return ST_INVALID;
		out->tag[out->count++] = (struct tag){.name = name, .value = value};
	}
	return out->count > 0 ? ST_OK : ST_INVALID;
}

bool tag_find(const tag_list *l, slice name, slice *value)
{
	for (size_t i = 0; i < l->count; i++) {
		if (slice_same(l->tag[i].name, name)) {
			*value = l->tag[i].value;
			return true;
		}
	}
	return false;
}

slice tag_tight(slice value, arena *a)
{
	char *to = arena_new(a, value.size + 1);
	size_t n = 0;

	for (size_t i = 0; i < value.size; i++)
		if (!is_space(value.at[i]))
			to[n++] = value.at[i];
	return slice_of(to, n);
}

bool tag_holds(slice value, slice word)
{
	slice part;

	while (slice_take(&value, ':', &part))
		if (slice_same_nocase(slice_trim(part), word))
			return true;
	return false;
}

/* --- What a signature says
   --------------------------------------------------------------------- */

static const char *read_algorithm(const tag_list *tags, signature_said *out)
{
	slice name;

	if (!tag_find(tags, S("a"), &name))
		return "no a= tag";
	for (int i = SIGNATURE_RSA_SHA256; i <= SIGNATURE_ED25519_SHA256; i++) {
		out->algorithm = (enum signature_algorithm)i;
		out->algorithm_name = signature_algorithm_name(out->algorithm);
		if (slice_same_nocase(name, out->algorithm_name))
			return NULL;
	}
	/* RFC 8301 3.1: verifiers must not take SHA-1 any more. */
	out->algorithm_name = slice_same_nocase(name, S("rsa-sha1")) ? S("rsa-sha1") : S("");
	return out->algorithm_name.size > 0 ? "rsa-sha1 is not secure" : "unknown algorithm";
}

static const char *read_signature(const tag_list *tags, arena *a, signature_said *out)
{
	slice value;

	if (!tag_find(tags, S("b"), &value))
		return "no b= tag";
	value = tag_tight(value, a);
	if (value.size == 0 || base64_decode(value, a, &out->signature) != ST_OK)
		return "b= is no base64";
	out->signature_text = value;
	return NULL;
}

static const char *read_signer(const tag_list *tags, arena *a, signature_said *out)
{
	slice domain, selector, shown;

	if (!tag_find(tags, S("d"), &domain))
		return "no d= tag";
	if (mail_domain_parse(domain, a, &out->domain, &shown) != ST_OK)
		return "d= is no domain";
	if (!tag_find(tags, S("s"), &selector))
		return "no s= tag";
	if (dkim_record_name(selector, out->domain, a, &out->key_name) != ST_OK)
		return "s= is no selector";
	out->selector = selector;
	return NULL;
}

/* A number of seconds; more digits than 12 are refused as RFC 6376 3.5 allows. */
static bool read_time(const tag_list *tags, slice name, int64_t *out)
{
	slice value;
	uint64_t number;

	if (!tag_find(tags, name, &value))
		return true;
	if (value.size > 12 || !slice_number(value, &number))
		return false;
	*out = (int64_t)number;
	return true;
}

const char *signature_read_seal(const tag_list *tags, arena *a, signature_said *out)
{
	const char *wrong;

	*out = (signature_said){.limit = SIGNATURE_ALL};
	if ((wrong = read_signer(tags, a, out)) || (wrong = read_algorithm(tags, out)) ||
		(wrong = read_signature(tags, a, out)))
		return wrong;
	return read_time(tags, S("t"), &out->signed_at) ? NULL : "t= is no time";
}

static bool read_canon(slice word, enum signature_canon *out)
{
	if (slice_same_nocase(word, S("relaxed")))
		*out = CANON_RELAXED;
	else if (slice_same_nocase(word, S("simple")))
		*out = CANON_SIMPLE;
	else
		return false;
	return true;
}

static const char *read_canons(const tag_list *tags, signature_said *out)
{
	slice value, header;

	out->header = out->body = CANON_SIMPLE;
	if (!tag_find(tags, S("c"), &value))
		return NULL;
	slice_take(&value, '/', &header);
	if (!read_canon(header, &out->header) || (value.at && !read_canon(value, &out->body)))
		return "unknown canonicalisation";
	return NULL;
}

static const char *read_limit(const tag_list *tags, signature_said *out)
{
	slice value;

	if (tag_find(tags, S("l"), &value) && !slice_number(value, &out->limit))
		return "l= is no length";
	return NULL;
}

static const char *read_names(const tag_list *tags, signature_said *out)
{
	if (!tag_find(tags, S("h"), &out->names))
		return "no h= tag";
	return tag_holds(out->names, S("From")) ? NULL : "From is not signed";
}

static const char *read_body_hash(const tag_list *tags, arena *a, signature_said *out)
{
	slice value;

	if (!tag_find(tags, S("bh"), &value))
		return "no bh= tag";
	if (base64_decode(tag_tight(value, a), a, &out->body_hash) != ST_OK ||
		out->body_hash.size != SIGNATURE_DIGEST)
		return "bh= is no hash";
	return NULL;
}

const char *signature_read(const tag_list *tags, arena *a, signature_said *out)
{
	const char *wrong;
	slice value;

	if ((wrong = signature_read_seal(tags, a, out)) || (wrong = read_canons(tags, out)) ||
		(wrong = read_names(tags, out)) || (wrong = read_body_hash(tags, a, out)) ||
		(wrong = read_limit(tags, out)))
		return wrong;
	if (!read_time(tags, S("x"), &out->expires_at))
		return "x= is no time";
	if (tag_find(tags, S("x"), &value) && out->expires_at <= out->signed_at)
		return "x= is not behind t=";
	if (tag_find(tags, S("q"), &value) && !tag_holds(value, S("dns/txt")))
		return "unknown way to the key";
	return NULL;
}

/* --- Canonical fields
   -------------------------------------------------------------------------- */

static slice without_end(slice raw)
{
	if (raw.size > 0 && raw.at[raw.size - 1] == '\n')
		raw.size -= raw.size > 1 && raw.at[raw.size - 2] == '\r' ? 2 : 1;
	return raw;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* RFC 6376 3.4.2: a small name, no blanks around the colon, one line, one blank for many. */
static void relaxed(slice raw, text *out)
{
	size_t colon = slice_find(raw, ':');
	slice name = slice_trim(slice_until(raw, colon));
	slice value = slice_trim(slice_from(raw, colon + 1));

	text_reserve(out, raw.size + 1);
	for (size_t i = 0; i < name.size; i++)
		out->at[out->size++] = lower(name.at[i]);
	out->at[out->size++] = ':';
	for (size_t i = 0; i < value.size; i++) {
		if (!is_space(value.at[i]))
			out->at[out->size++] = value.at[i];
		else if (!is_space(value.at[i + 1])) /* the value ends with no blank */
			out->at[out->size++] = ' ';
	}
	out->at[out->size] = '\0';
}

void signature_canon_field(enum signature_canon canon, slice raw, text *out)
{
	if (canon == CANON_RELAXED)
		relaxed(without_end(raw), out);
	else
		text_add(out, without_end(raw));
	text_add(out, S("\r\n"));
}

/* The field without the value of b= and the blanks around that. */
static slice without_signature(slice raw, arena *a)
{
	slice rest = slice_from(raw, slice_find(raw, ':') + 1), part;

	while (slice_take(&rest, ';', &part)) {
		size_t equals = slice_find(part, '=');
		if (!slice_same(slice_trim(slice_until(part, equals)), S("b")) ||
			equals == part.size)
			continue;
		size_t start = (size_t)(part.at - raw.at) + equals + 1;
		size_t end = (size_t)(part.at - raw.at) + part.size;
		text cut = TEXT_INIT;
		text_add(&cut, slice_until(raw, start));
		text_add(&cut, slice_from(raw, end));
		slice done = arena_copy(a, text_slice(&cut));
		text_free(&cut);
		return done;
	}
	return raw;
}

void signature_canon_own(enum signature_canon canon, slice raw, text *out)
{
	arena a = ARENA_INIT;
	slice unsigned_yet = without_signature(without_end(raw), &a);

	if (canon == CANON_RELAXED)
		relaxed(unsigned_yet, out);
	else
		text_add(out, unsigned_yet);
	arena_release(&a);
}

/* --- The digest of a header
   -------------------------------------------------------------------- */

/* Fields of one name that are wanted: the last `count` of them in the header, as a ring. */
struct group {
	slice name; /* lower case; empty: a free slot */
	size_t count;
	size_t seen;
	size_t given; /* handed out, from the bottom up */
	slice *field;
};

struct selection {
	size_t names;
	size_t slots; /* a power of two */
	struct group *group;
	size_t *order; /* for each name in h= its slot */
};

static struct group *group_of(const struct selection *s, slice lowered)
{
	size_t slot = map_hash(lowered) & (s->slots - 1);

	while (s->group[slot].name.size > 0 && !slice_same(s->group[slot].name, lowered))
		slot = (slot + 1) & (s->slots - 1);
	return &s->group[slot];
}

static status select_names(slice names, arena *a, struct selection *s)
{
	slice rest = names, part;

	*s = (struct selection){.slots = 16};
	while (slice_take(&rest, ':', &part)) {
		if (slice_trim(part).size == 0 || ++s->names > SIGNATURE_NAMES_MOST)
			return ST_INVALID;
	}
	while (s->slots < 2 * s->names)
		s->slots *= 2;
	s->group = arena_new_array(a, s->slots, sizeof *s->group);
	s->order = arena_new_array(a, s->names, sizeof *s->order);
	rest = names;
	for (size_t i = 0; slice_take(&rest, ':', &part); i++) {
		slice name = arena_lower(a, slice_trim(part));
		struct group *g = group_of(s, name);
		g->name = name;
		g->count++;
		s->order[i] = (size_t)(g - s->group);
	}
	for (size_t i = 0; i < s->slots; i++)
		if (s->group[i].count > 0)
			s->group[i].field = arena_new_array(a, s->group[i].count, sizeof(slice));
	return ST_OK;
}

#define NAME_MOST 998 /* a longer name stands on no line, so nobody signs it */

static void gather(slice header, slice own, struct selection *s)
{
	header_walk w = header_walk_of(header);
	header_field f;
	char room[NAME_MOST];

	while (header_next(&w, &f)) {
		if (f.broken || f.name.size > NAME_MOST || f.raw.at == own.at)
			continue;
		for (size_t i = 0; i < f.name.size; i++)
			room[i] = lower(f.name.at[i]);
		struct group *g = group_of(s, slice_of(room, f.name.size));
		if (g->count > 0)
			g->field[g->seen++ % g->count] = f.raw;
	}
}

#define GATHERED 8192

status signature_header_digest(const signature_crypto *crypto, slice header, slice own, slice names,
	enum signature_canon canon, uint8_t digest[SIGNATURE_DIGEST])
{
	arena a = ARENA_INIT;
	struct selection s;
	text gathered = TEXT_INIT;
	status kind = select_names(names, &a, &s);

	if (kind == ST_OK) {
		signature_hash *hash = crypto->hash_open();
		gather(header, own, &s);
		for (size_t i = 0; i < s.names; i++) {
			struct group *g = &s.group[s.order[i]];
			if (g->given == g->seen)
				continue; /* a field that is not there counts as nothing (5.4.2) */
			g->given++;
			signature_canon_field(
				canon, g->field[(g->seen - g->given) % g->count], &gathered);
			if (gathered.size > GATHERED) {
				crypto->hash_add(hash, text_slice(&gathered));
				text_clear(&gathered);
			}
		}
		signature_canon_own(canon, own, &gathered);
		crypto->hash_add(hash, text_slice(&gathered));
		crypto->hash_close(&hash, digest);
	}
	text_free(&gathered);
	arena_release(&a);
	return kind;
}
