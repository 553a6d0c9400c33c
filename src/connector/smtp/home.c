/* See home.h. */
#include "connector/smtp/home.h"

#include "connector/smtp/session.h"

#include <string.h>

static bool is_same(const net_address *a, const net_address *b)
{
	return a->family == b->family && memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

/* Only whole addresses: a network of literals may hold hosts of others, to which mail has to go. */
static bool is_named_literal(const net_address *at)
{
	slice all = setting_text(S_smtp_literal_addresses, NULL), one;
	net_network network;

	while (slice_take(&all, ' ', &one))
		if (one.size && net_network_parse(one, &network) == ST_OK &&
			network.bits == (network.base.family == 4 ? 32 : 128) &&
			net_network_has(&network, at))
			return true;
	return false;
}

static bool is_of_this_machine(const net_address *at)
{
	return net_address_is_loopback(at) || is_named_literal(at) || net_address_is_here(at);
}

/* `at` NULL: at any address. */
static bool listens(uint16_t port, const net_address *at)
{
	slice all = setting_text(S_smtp_listen, NULL), one;
	net_address endpoint;

	while (slice_take(&all, ' ', &one))
		if (one.size && net_endpoint_parse(one, &endpoint) == ST_OK &&
			endpoint.port == port &&
			(!at || (endpoint.family == 0 ? is_of_this_machine(at)
						      : is_same(&endpoint, at))))
			return true;
	return false;
}

bool home_is(const net_address *at)
{
	return listens(at->port, at);
}

static bool is_own_name(slice host)
{
	return slice_same_nocase(host, smtp_local_domain()) ||
	       slice_same_nocase(host, S("localhost"));
}

bool home_is_host(slice host, uint16_t port)
{
	net_address at;

	if (host.size < 2 || host.at[0] != '[')
		return is_own_name(host) && listens(port, NULL);
	host = slice_of(host.at + 1, host.size - 2);
	if (slice_starts_nocase(host, S("IPv6:")))
		host = slice_from(host, S("IPv6:").size);
	if (net_address_parse(host, &at) != ST_OK)
		return false;
	at.port = port;
	return home_is(&at);
}
