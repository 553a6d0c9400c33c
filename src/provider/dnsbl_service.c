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
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			      (c >= '0' && c <= '9') || c == '_';
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

/* "bl@[192.0.2.1]#5353/TXT" becomes the zone "bl" and the server; what stands behind them, "/TXT",
   is in *rest. */
static bool take_server(slice *zone, slice *rest, struct dnsbl_service *s)
{
	size_t at = slice_find(*zone, '@');
	uint64_t port = 53;

	*rest = *zone;
	s->server = S("");
	s->port = (unsigned)port;
	if (at == zone->size)
		return true;
	slice server = slice_from(*zone, at + 1);
	size_t end = slice_find(server, ']');
	if (server.size == 0 || server.at[0] != '[' || end == server.size || end == 1)
		return false;
	*rest = slice_from(server, end + 1);
	s->server = slice_until(slice_from(server, 1), end - 1);
	if (rest->size > 0 && rest->at[0] == '#') {
		size_t digits = 1;

		while (digits < rest->size && rest->at[digits] >= '0' && rest->at[digits] <= '9')
			digits++;
		if (!slice_number(slice_until(slice_from(*rest, 1), digits - 1), &port) ||
			port == 0 || port > 65535)
			return false;
		*rest = slice_from(*rest, digits);
	}
	s->port = (unsigned)port;
	*zone = slice_until(*zone, at);
	return true;
}

static bool take_weight(slice *rest, unsigned *weight)
{
	size_t colon = slice_find_last(*rest, ':'), bracket = slice_find_last(*rest, ']');
	uint64_t number = 1;

	if (colon < rest->size && bracket < rest->size && colon < bracket)
		colon = rest->size; /* it belongs to the server's address */
	if (colon < rest->size && (!slice_number(slice_from(*rest, colon + 1), &number) ||
					  number == 0 || number > DNSBL_WEIGHT_MOST))
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
	slice type;
	if (!take_server(&s.zone, &type, &s) ||
		!take_type(s.server.size ? &type : &s.zone, &s.type) || !is_zone(s.zone) ||
		(s.server.size > 0 && type.size > 0))
		return ST_INVALID;
	if (equals < word.size && (s.values.size == 0 || s.type != DNSBL_A))
		return ST_INVALID;
	*out = s;
	return ST_OK;
}
