/* One word of dnsbl_services; see the header. */
#include "provider/dnsbl_service.h"

#define ZONE_MOST 180 /* the digits of an IPv6 address stand before it */

static bool is_zone(slice s)
{
	bool begins = true; /* a label */

	if (s.size == 0 || s.size > ZONE_MOST)
		return false;
	for (size_t i = 0; i < s.size; i++) {
		char c = s.at[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			      c == '_';
		if (!letter && (begins || (c != '-' && c != '.')))
			return false;
		begins = c == '.';
	}
	return !begins;
}

static bool take_type(slice *zone, enum dnsbl_type *type)
{
	static const char *const names[] = {"A", "TXT", "MX", "NS", "PTR"};
	size_t slash = slice_find(*zone, '/');
	slice name = slice_from(*zone, slash + 1);

	*type = DNSBL_A;
	if (slash == zone->size)
		return true;
	*zone = slice_until(*zone, slash);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (slice_same_nocase(name, slice_z(names[i]))) {
			*type = (enum dnsbl_type)i;
			return true;
		}
	return false;
}

static bool take_weight(slice *rest, unsigned *weight)
{
	size_t colon = slice_find_last(*rest, ':');
	uint64_t number = 1;

	if (colon < rest->size && (!slice_number(slice_from(*rest, colon + 1), &number) || number == 0 ||
					  number > DNSBL_WEIGHT_MOST))
		return false;
	*rest = slice_until(*rest, colon);
	*weight = (unsigned)number;
	return true;
}

status dnsbl_service_parse(slice word, struct dnsbl_service *out)
{
	struct dnsbl_service s;

	if (!take_weight(&word, &s.weight))
		return ST_INVALID;
	size_t equals = slice_find(word, '=');
	s.zone = slice_until(word, equals);
	s.values = slice_from(word, equals + 1);
	if (!take_type(&s.zone, &s.type) || !is_zone(s.zone))
		return ST_INVALID;
	if (equals < word.size && (s.values.size == 0 || s.type != DNSBL_A))
		return ST_INVALID;
	*out = s;
	return ST_OK;
}
