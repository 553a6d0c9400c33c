/* Names of addresses, and the resolver as the pure functions of mail want it (mail/lookup.h). */
#include "net/dns.h"

slice dns_reverse(const net_address *of, slice zone, arena *a)
{
	static const char digits[] = "0123456789abcdef";
	char z[64];
	size_t size = 0;

	if (of->family == 4)
		return arena_format(a, "%u.%u.%u.%u.%.*s", of->ip[3], of->ip[2], of->ip[1],
			of->ip[0], zone.size > 0 ? (int)zone.size : 12,
			zone.size > 0 ? zone.at : "in-addr.arpa");
	for (int i = 15; i >= 0; i--) {
		z[size++] = digits[of->ip[i] & 0xf];
		z[size++] = '.';
		z[size++] = digits[of->ip[i] >> 4];
		z[size++] = '.';
	}
	return arena_format(a, "%.*s%.*s", (int)size, z, zone.size > 0 ? (int)zone.size : 8,
		zone.size > 0 ? zone.at : "ip6.arpa");
}

static slice lookup_row(enum lookup_type type, const dns_record *r)
{
	switch (type) {
	case LOOKUP_A:
		return slice_of(r->address.ip, 4);
	case LOOKUP_AAAA:
		return slice_of(r->address.ip, 16);
	case LOOKUP_TXT:
		return r->data;
	default:
		return r->name;
	}
}

static lookup_kind lookup_of(
	void *with, enum lookup_type type, slice name, arena *a, lookup_answer *out)
{
	static const enum dns_type types[] = {
		[LOOKUP_A] = DNS_A,
		[LOOKUP_AAAA] = DNS_AAAA,
		[LOOKUP_MX] = DNS_MX,
		[LOOKUP_PTR] = DNS_PTR,
		[LOOKUP_TXT] = DNS_TXT,
	};
	static const lookup_kind kinds[] = {
		[DNS_FOUND] = LOOKUP_FOUND,
		[DNS_NO_NAME] = LOOKUP_ABSENT,
		[DNS_NO_DATA] = LOOKUP_ABSENT,
		[DNS_TEMPORARY] = LOOKUP_TEMPORARY,
		[DNS_BOGUS] = LOOKUP_PERMANENT,
	};
	dns_answer found;

	dns_find(with, types[type], name, a, &found); /* what ended the wait is in its kind */
	*out = (lookup_answer){.kind = kinds[found.kind],
		.secure = found.secure,
		.ttl = found.ttl,
		.count = found.count};
	out->row = arena_new_array(a, found.count + 1, sizeof *out->row);
	for (size_t i = 0; i < found.count; i++)
		out->row[i] = lookup_row(type, &found.record[i]);
	return out->kind;
}

lookup dns_lookup(dns *d)
{
	return (lookup){.with = d, .ask = lookup_of};
}
