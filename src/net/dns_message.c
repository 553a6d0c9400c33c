/* DNS messages; see dns_message.h. Reading trusts nothing: every length is checked against what is
   there, pointers of compressed names lead backwards only, and the number of records and aliases
   looked at is bounded. */
#include "net/dns_message.h"

#define HEADER_SIZE 12
#define CLASS_IN 1
#define TYPE_SOA 6
#define TYPE_OPT 41
#define ALIASES_MOST 16
#define LABEL_MOST 63

enum { RCODE_OK = 0, RCODE_NO_NAME = 3 };

/* ---- names */

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

static bool name_label(dns_name *n, const uint8_t *label, size_t size)
{
	if (size > LABEL_MOST || (size_t)n->size + 1 + size + 1 > sizeof n->at)
		return false;
	n->at[n->size++] = (uint8_t)size;
	for (size_t i = 0; i < size; i++)
		n->at[n->size++] = lower(label[i]);
	return true;
}

status dns_name_parse(slice s, dns_name *out)
{
	dns_name n = {0};
	slice label;

	if (s.size > 0 && s.at[s.size - 1] == '.')
		s.size--;
	while (s.size > 0 && slice_take(&s, '.', &label)) {
		if (label.size == 0 || !name_label(&n, (const uint8_t *)label.at, label.size))
			return ST_INVALID;
		if (s.at && s.size == 0)
			return ST_INVALID; /* "a.." */
	}
	n.at[n.size++] = 0;
	*out = n;
	return ST_OK;
}

static bool name_same(const dns_name *a, const dns_name *b)
{
	return a->size == b->size && memcmp(a->at, b->at, a->size) == 0;
}

static slice name_text(const dns_name *n, arena *a)
{
	char z[sizeof n->at * 4];
	size_t size = 0;

	for (size_t at = 0; n->at[at] != 0;) {
		size_t end = at + 1 + n->at[at];
		if (at > 0)
			z[size++] = '.';
		for (at++; at < end; at++) {
			uint8_t c = n->at[at];
			if (c > ' ' && c < 0x7f && c != '.' && c != '\\') {
				z[size++] = (char)c;
				continue;
			}
			z[size++] = '\\';
			z[size++] = (char)('0' + c / 100);
			z[size++] = (char)('0' + c / 10 % 10);
			z[size++] = (char)('0' + c % 10);
		}
	}
	return arena_copy(a, slice_of(z, size));
}

/* ---- writing */

static void put16(uint8_t *to, size_t *at, unsigned value)
{
	to[(*at)++] = (uint8_t)(value >> 8);
	to[(*at)++] = (uint8_t)value;
}

size_t dns_query_write(uint8_t to[DNS_QUERY_MOST], uint16_t id, const dns_name *name,
	enum dns_type type, unsigned ask)
{
	size_t at = 0;

	put16(to, &at, id);
	put16(to, &at, 0x0100u | (ask & DNS_ASK_AD ? 0x20u : 0) | (ask & DNS_ASK_CD ? 0x10u : 0));
	put16(to, &at, 1); /* questions */
	put16(to, &at, 0);
	put16(to, &at, 0);
	put16(to, &at, 1); /* the OPT record */
	memcpy(to + at, name->at, name->size);
	at += name->size;
	put16(to, &at, type);
	put16(to, &at, CLASS_IN);
	to[at++] = 0;
	put16(to, &at, TYPE_OPT);
	put16(to, &at, DNS_UDP_MOST);
	put16(to, &at, 0);
	put16(to, &at, 0);
	put16(to, &at, 0);
	return at;
}

/* ---- reading */

struct reader {
	const uint8_t *message;
	size_t size;
	size_t at;
	bool broken;
};

static unsigned get8(struct reader *r)
{
	if (r->broken || r->at >= r->size) {
		r->broken = true;
		return 0;
	}
	return r->message[r->at++];
}

static unsigned get16(struct reader *r)
{
	unsigned high = get8(r);
	return high << 8 | get8(r);
}

static uint32_t get32(struct reader *r)
{
	uint32_t high = get16(r);
	return high << 16 | get16(r);
}

/* Takes a name, compressed or not. Every pointer must lead before the place where the run of labels
   that held it began, so that following them ends. */
static void get_name(struct reader *r, dns_name *out)
{
	struct reader walk = *r;
	size_t start = r->at;
	bool jumped = false;

	*out = (dns_name){0};
	for (;;) {
		unsigned length = get8(&walk);
		if (walk.broken)
			break;
		if ((length & 0xc0) == 0xc0) {
			size_t to = (length & 0x3f) << 8 | get8(&walk);
			if (walk.broken || to >= start)
				break;
			if (!jumped)
				r->at = walk.at;
			jumped = true;
			start = walk.at = to;
			continue;
		}
		if (length == 0) {
			out->at[out->size++] = 0;
			if (!jumped)
				r->at = walk.at;
			return;
		}
		if (length > LABEL_MOST || walk.size - walk.at < length ||
			!name_label(out, walk.message + walk.at, length))
			break;
		walk.at += length;
	}
	r->broken = true;
}

struct head { /* of a record */
	dns_name owner;
	unsigned type, class;
	uint32_t ttl;
	size_t data, end;
};

static bool get_head(struct reader *r, struct head *h)
{
	get_name(r, &h->owner);
	h->type = get16(r);
	h->class = get16(r);
	h->ttl = get32(r);
	if (h->ttl > INT32_MAX) /* RFC 2181 8 */
		h->ttl = 0;
	unsigned size = get16(r);
	if (r->broken || r->size - r->at < size)
		return false;
	h->data = r->at;
	h->end = r->at += size;
	return true;
}

/* A reader of one record's data; names in it may point out of it, backwards. */
static struct reader data_of(const struct reader *r, const struct head *h)
{
	return (struct reader){.message = r->message, .size = h->end, .at = h->data};
}

static slice get_rest(struct reader *d)
{
	slice rest = slice_of(d->message + d->at, d->size - d->at);
	d->at = d->size;
	return rest;
}

static slice get_name_text(struct reader *d, arena *a)
{
	dns_name n;

	get_name(d, &n);
	return d->broken ? (slice){0} : name_text(&n, a);
}

static slice get_strings(struct reader *d, arena *a)
{
	char *joined = arena_new(a, d->size - d->at + 1);
	size_t size = 0;

	while (d->at < d->size) {
		unsigned length = get8(d);
		if (d->size - d->at < length) {
			d->broken = true;
			break;
		}
		memcpy(joined + size, d->message + d->at, length);
		d->at += length;
		size += length;
	}
	return slice_of(joined, size);
}

static bool get_record(struct reader d, unsigned type, arena *a, dns_record *out)
{
	size_t size = d.size - d.at;

	switch (type) {
	case DNS_A:
	case DNS_AAAA:
		if (size != (type == DNS_A ? 4 : 16))
			return false;
		out->address.family = type == DNS_A ? 4 : 6;
		memcpy(out->address.ip, get_rest(&d).at, size);
		break;
	case DNS_MX:
		out->preference = (uint16_t)get16(&d);
		out->name = get_name_text(&d, a);
		break;
	case DNS_SRV:
		out->preference = (uint16_t)get16(&d);
		out->weight = (uint16_t)get16(&d);
		out->port = (uint16_t)get16(&d);
		out->name = get_name_text(&d, a);
		break;
	case DNS_TXT:
		out->data = get_strings(&d, a);
		break;
	case DNS_TLSA:
		out->usage = (uint8_t)get8(&d);
		out->selector = (uint8_t)get8(&d);
		out->matching = (uint8_t)get8(&d);
		out->data = arena_copy(a, get_rest(&d));
		break;
	default: /* NS, CNAME, PTR */
		out->name = get_name_text(&d, a);
	}
	return !d.broken && d.at == d.size;
}

static void least(uint32_t *ttl, uint32_t other)
{
	if (other < *ttl)
		*ttl = other;
}

/* One walk over the answer section from r: takes the records of `owner`, or the alias it has. */
static status walk_records(struct reader r, unsigned count, dns_name *owner, unsigned type,
	arena *a, dns_answer *out, bool *alias)
{
	struct head h;
	dns_name target = *owner;

	*alias = false;
	for (unsigned i = 0; i < count; i++) {
		if (!get_head(&r, &h))
			return ST_INVALID;
		if (h.class != CLASS_IN || !name_same(&h.owner, owner))
			continue;
		if (h.type == DNS_CNAME && type != DNS_CNAME && !*alias) {
			struct reader d = data_of(&r, &h);
			get_name(&d, &target);
			if (d.broken)
				return ST_INVALID;
			*alias = true;
			least(&out->ttl, h.ttl);
		} else if (h.type == type && out->count == DNS_RECORDS_MOST) {
			out->cut = true;
		} else if (h.type == type) {
			dns_record record = {.ttl = h.ttl};
			if (!get_record(data_of(&r, &h), type, a, &record))
				return ST_INVALID;
			out->record[out->count++] = record;
			least(&out->ttl, h.ttl);
		}
	}
	*owner = target;
	return ST_OK;
}

/* How long "nothing" may be kept: RFC 2308 5. */
static uint32_t negative_ttl(struct reader r, unsigned answers, unsigned authorities)
{
	struct head h;
	dns_name ignored;

	for (unsigned i = 0; i < answers + authorities; i++) {
		if (!get_head(&r, &h))
			return 0;
		if (i < answers || h.type != TYPE_SOA || h.class != CLASS_IN)
			continue;
		struct reader d = data_of(&r, &h);
		get_name(&d, &ignored);
		get_name(&d, &ignored);
		for (int field = 0; field < 4; field++)
			get32(&d);
		uint32_t minimum = get32(&d);
		return d.broken ? 0 : minimum < h.ttl ? minimum : h.ttl;
	}
	return 0;
}

/* Keeps the order of equals, which qsort need not; the records are few. */
static void sort_records(dns_answer *out)
{
	dns_record *row = out->record;

	for (size_t i = 1; i < out->count; i++)
		for (size_t j = i; j > 0 && row[j - 1].preference > row[j].preference; j--) {
			dns_record moved = row[j];
			row[j] = row[j - 1];
			row[j - 1] = moved;
		}
}

status dns_answer_read(
	slice message, const dns_name *name, enum dns_type type, arena *a, dns_answer *out)
{
	struct reader r = {.message = (const uint8_t *)message.at, .size = message.size, .at = 2};
	unsigned flags = get16(&r), questions = get16(&r), answers = get16(&r),
		 authorities = get16(&r), rcode = flags & 0xf;
	dns_name owner;
	bool alias = true;

	/* The header and the question. */
	get16(&r);
	if (r.broken || (flags & 0x8000) == 0 || (flags & 0x7800) != 0 || questions != 1)
		return ST_INVALID;
	get_name(&r, &owner);
	unsigned asked_type = get16(&r), asked_class = get16(&r);
	if (r.broken || !name_same(&owner, name) || asked_type != type || asked_class != CLASS_IN)
		return ST_INVALID;

	/* From the name over its aliases to the records. */
	*out = (dns_answer){.kind = DNS_TEMPORARY, .secure = flags & 0x20, .ttl = INT32_MAX};
	if (rcode != RCODE_OK && rcode != RCODE_NO_NAME)
		return ST_OK;
	unsigned room = answers < DNS_RECORDS_MOST ? answers : DNS_RECORDS_MOST;
	out->record = arena_new_array(a, room + 1, sizeof *out->record);
	for (unsigned hops = 0; alias && out->count == 0; hops++) {
		if (hops > ALIASES_MOST)
			return ST_INVALID;
		TRY(walk_records(r, answers, &owner, type, a, out, &alias));
	}

	/* What it amounts to. */
	out->name = name_text(&owner, a);
	if (out->count > 0) {
		out->kind = DNS_FOUND;
		if (type == DNS_MX || type == DNS_SRV)
			sort_records(out);
		return ST_OK;
	}
	out->kind = rcode == RCODE_NO_NAME ? DNS_NO_NAME : DNS_NO_DATA;
	least(&out->ttl, negative_ttl(r, answers, authorities));
	return ST_OK;
}
