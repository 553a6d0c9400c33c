/* Network addresses as values: from and to sockets, from and to text. Names are never resolved
   here. IPv4 inside IPv6 (::ffff:0:0/96) is IPv4 everywhere, so that no rule is passed by writing
   an address differently. */
#include "net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <unistd.h>

#define V4_INSIDE_BITS 96

static bool is_v4_inside(const uint8_t ip[16])
{
	static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

	return memcmp(ip, prefix, sizeof prefix) == 0;
}

static void take_v6(const uint8_t ip[16], net_address *to)
{
	*to = (net_address){.family = 6};
	if (is_v4_inside(ip)) {
		to->family = 4;
		memcpy(to->ip, ip + 12, 4);
		return;
	}
	memcpy(to->ip, ip, 16);
}

void net_address_of(const struct sockaddr_storage *from, net_address *to)
{
	*to = (net_address){0};
	if (from->ss_family == AF_INET) {
		struct sockaddr_in in;
		memcpy(&in, from, sizeof in);
		to->family = 4;
		memcpy(to->ip, &in.sin_addr, 4);
		to->port = ntohs(in.sin_port);
	} else if (from->ss_family == AF_INET6) {
		struct sockaddr_in6 in6;
		memcpy(&in6, from, sizeof in6);
		take_v6(in6.sin6_addr.s6_addr, to);
		to->port = ntohs(in6.sin6_port);
	}
}

socklen_t net_address_to(const net_address *from, struct sockaddr_storage *to)
{
	memset(to, 0, sizeof *to);
	if (from->family == 4) {
		struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(from->port)};
		memcpy(&in.sin_addr, from->ip, 4);
		memcpy(to, &in, sizeof in);
		return sizeof in;
	}
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(from->port)};
	memcpy(&in6.sin6_addr, from->ip, 16);
	memcpy(to, &in6, sizeof in6);
	return sizeof in6;
}

status net_address_parse(slice s, net_address *out)
{
	char z[INET6_ADDRSTRLEN];
	uint8_t ip[16];

	if (s.size >= 2 && s.at[0] == '[' && s.at[s.size - 1] == ']')
		s = slice_of(s.at + 1, s.size - 2);
	if (s.size == 0 || s.size >= sizeof z || memchr(s.at, '\0', s.size))
		return ST_INVALID;
	memcpy(z, s.at, s.size);
	z[s.size] = '\0';
	if (inet_pton(AF_INET, z, ip) == 1) {
		*out = (net_address){.family = 4};
		memcpy(out->ip, ip, 4);
		return ST_OK;
	}
	if (inet_pton(AF_INET6, z, ip) != 1)
		return ST_INVALID;
	take_v6(ip, out);
	return ST_OK;
}

static bool port_take(slice s, uint16_t *port)
{
	uint64_t n;

	if (!slice_number(s, &n) || n > UINT16_MAX)
		return false;
	*port = (uint16_t)n;
	return true;
}

status net_endpoint_parse(slice s, net_address *out)
{
	net_address a = {0};
	size_t colon = slice_find_last(s, ':');

	if (colon == s.size) {
		if (!port_take(s, &a.port))
			return ST_INVALID;
		*out = a;
		return ST_OK;
	}
	slice host = slice_until(s, colon);
	if (!slice_same(host, S("*"))) {
		/* "2001:db8::1" must not read as port 1 of "2001:db8:". */
		bool bracketed = slice_starts(host, S("["));
		if (!bracketed && slice_find(host, ':') != host.size)
			return ST_INVALID;
		TRY(net_address_parse(host, &a));
	}
	if (!port_take(slice_from(s, colon + 1), &a.port))
		return ST_INVALID;
	*out = a;
	return ST_OK;
}

static void clear_host_bits(net_network *n)
{
	unsigned size = n->base.family == 4 ? 4 : 16;

	for (unsigned i = 0; i < size; i++) {
		unsigned first = i * 8;
		if (first >= n->bits)
			n->base.ip[i] = 0;
		else if (n->bits - first < 8)
			n->base.ip[i] &= (uint8_t)(0xff << (8 - (n->bits - first)));
	}
}

/* "192.0.2.*", "10.*": whole octets, then stars. */
static status parse_stars(slice s, net_network *out)
{
	net_network n = {.base = {.family = 4}};
	slice octet;
	unsigned count = 0, known = 0;

	while (slice_take(&s, '.', &octet)) {
		uint64_t value;
		if (count == 4)
			return ST_INVALID;
		if (!slice_same(octet, S("*"))) {
			if (known != count || octet.size > 3 || !slice_number(octet, &value) ||
				value > 255)
				return ST_INVALID;
			n.base.ip[known++] = (uint8_t)value;
		}
		count++;
	}
	if (known == 0 || known == count)
		return ST_INVALID;
	n.bits = (uint8_t)(known * 8);
	*out = n;
	return ST_OK;
}

status net_network_parse(slice s, net_network *out)
{
	net_network n = {0};

	if (slice_same(s, S("*"))) {
		*out = n;
		return ST_OK;
	}
	if (s.size > 0 && s.at[s.size - 1] == '*')
		return parse_stars(s, out);
	size_t slash = slice_find(s, '/');
	slice host = slice_until(s, slash);
	TRY(net_address_parse(host, &n.base));
	unsigned most = n.base.family == 4 ? 32 : 128;
	n.bits = (uint8_t)most;
	if (slash < s.size) {
		bool v4_written_as_v6 = n.base.family == 4 && slice_find(host, ':') != host.size;
		unsigned hidden = v4_written_as_v6 ? V4_INSIDE_BITS : 0;
		uint64_t bits;
		if (!slice_number(slice_from(s, slash + 1), &bits) || bits < hidden ||
			bits > most + hidden)
			return ST_INVALID;
		n.bits = (uint8_t)(bits - hidden);
		clear_host_bits(&n);
	}
	*out = n;
	return ST_OK;
}

bool net_network_has(const net_network *n, const net_address *a)
{
	if (n->base.family == 0)
		return true;
	if (n->base.family != a->family)
		return false;
	unsigned whole = n->bits / 8, rest = n->bits % 8;
	if (memcmp(n->base.ip, a->ip, whole) != 0)
		return false;
	return rest == 0 || ((n->base.ip[whole] ^ a->ip[whole]) >> (8 - rest)) == 0;
}

bool net_networks_have(slice list, const net_address *a)
{
	net_network network;
	slice one;

	while (slice_take(&list, ' ', &one))
		if (net_network_parse(one, &network) == ST_OK && net_network_has(&network, a))
			return true;
	return false;
}

bool net_networks_have_all(slice list)
{
	net_network network;
	slice one;

	while (slice_take(&list, ' ', &one))
		if (net_network_parse(one, &network) == ST_OK && network.bits == 0)
			return true;
	return false;
}

bool net_networks_admit(slice allowed, slice denied, const net_address *a)
{
	return !net_networks_have(denied, a) && net_networks_have(allowed, a);
}

bool net_address_is_loopback(const net_address *a)
{
	static const uint8_t one[16] = {[15] = 1};

	if (a->family == 4)
		return a->ip[0] == 127;
	return a->family == 6 && memcmp(a->ip, one, 16) == 0;
}

bool net_address_is_here(const net_address *a)
{
	struct sockaddr_storage to, from = {0};
	socklen_t size = net_address_to(a, &to), got = sizeof from;
	net_address own = {0};
	int fd = a->family ? socket(to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;

	if (fd < 0)
		return false;
	if (connect(fd, (struct sockaddr *)&to, size) == 0 &&
		getsockname(fd, (struct sockaddr *)&from, &got) == 0)
		net_address_of(&from, &own);
	close(fd);
	return own.family == a->family && memcmp(own.ip, a->ip, sizeof own.ip) == 0;
}

struct reserved {
	uint8_t bits, ip[16];
};

static bool stands_in(const struct reserved *rows, size_t n, const uint8_t *ip)
{
	for (size_t i = 0; i < n; i++) {
		unsigned whole = rows[i].bits / 8, rest = rows[i].bits % 8;

		if (memcmp(rows[i].ip, ip, whole) == 0 &&
			(rest == 0 || (rows[i].ip[whole] ^ ip[whole]) >> (8 - rest) == 0))
			return true;
	}
	return false;
}

/* RFC 6890 and its registry. */
static bool four_is_private(const uint8_t *ip)
{
	static const struct reserved rows[] = {{8, {0}}, {8, {10}}, {10, {100, 64}}, {8, {127}},
		{16, {169, 254}}, {12, {172, 16}}, {24, {192, 0, 0}}, {16, {192, 168}},
		{15, {198, 18}}, {3, {224}}};

	return stands_in(rows, sizeof rows / sizeof *rows, ip);
}

bool net_address_is_private(const net_address *a)
{
	static const struct reserved mapped = {96, {[10] = 0xff, 0xff}},
				     nat64 = {96, {0, 0x64, 0xff, 0x9b}},
				     six_to_four = {16, {0x20, 0x02}};
	static const struct reserved rows[] = {{96, {0}}, {48, {0, 0x64, 0xff, 0x9b, 0, 1}},
		{64, {1}}, {7, {0xfc}}, {10, {0xfe, 0x80}}, {10, {0xfe, 0xc0}}, {8, {0xff}}};

	if (a->family == 4)
		return four_is_private(a->ip);
	if (a->family != 6)
		return true;
	if (stands_in(&mapped, 1, a->ip) || stands_in(&nat64, 1, a->ip))
		return four_is_private(a->ip + 12);
	if (stands_in(&six_to_four, 1, a->ip))
		return four_is_private(a->ip + 2);
	return stands_in(rows, sizeof rows / sizeof *rows, a->ip);
}

slice net_address_text(const net_address *a, arena *to)
{
	char z[INET6_ADDRSTRLEN] = "";

	if (a->family == 0)
		return S("local");
	inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->ip, z, sizeof z);
	return arena_copy(to, slice_z(z));
}

slice net_address_literal(const net_address *a, arena *to)
{
	slice plain = net_address_text(a, to);

	return arena_format(to, a->family == 6 ? "[IPv6:%.*s]" : "[%.*s]", SLICE_ARGS(plain));
}
