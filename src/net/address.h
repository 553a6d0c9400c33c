/* Network addresses: IPv4 and IPv6 peers, networks (CIDR), as values. v4-mapped IPv6 addresses are
   turned into IPv4 when taken from a socket. */
#ifndef PENNYPOST_NET_ADDRESS_H
#define PENNYPOST_NET_ADDRESS_H

#include "base/arena.h"
#include "base/status.h"

#include <stdint.h>
#include <sys/socket.h>

typedef struct net_address {
	uint8_t family; /* 4, 6, or 0 for none (unix socket, standard input) */
	uint16_t port;
	uint8_t ip[16]; /* the first 4 bytes for family 4 */
} net_address;

typedef struct net_network {
	net_address base;
	uint8_t bits;
} net_network;

void net_address_of(const struct sockaddr_storage *from, net_address *to);
socklen_t net_address_to(const net_address *from, struct sockaddr_storage *to);
/* "192.0.2.1", "2001:db8::1", with or without brackets; no port. ST_INVALID. */
status net_address_parse(slice s, net_address *out);
/* "*:25", "192.0.2.1:25", "[2001:db8::1]:25", "25". `*` gives family 0: both families. */
status net_endpoint_parse(slice s, net_address *out);
/* "192.0.2.0/24", "2001:db8::/32", "192.0.2.*", a single address, or "*". */
status net_network_parse(slice s, net_network *out);
bool net_network_has(const net_network *n, const net_address *a);
/* Whether one of the networks in a list with blanks between them has it. */
bool net_networks_have(slice list, const net_address *a);
/* Whether such a list has all there are, of one family at least: *, 0.0.0.0/0, ::/0. */
bool net_networks_have_all(slice list);
/* Whether it may come in: it stands in the first of two such lists and not in the second. */
bool net_networks_admit(slice allowed, slice denied, const net_address *a);
bool net_address_is_loopback(const net_address *a);
/* Whether an interface of this machine has it: the system is asked which address it would talk to
   it from. Sends nothing. */
bool net_address_is_here(const net_address *a);
/* Whether it leads nowhere on the Internet: this machine, private networks, links, what is reserved
   or for many; IPv4 within IPv6 (mapped, NAT64, 6to4) counts as what it holds. */
bool net_address_is_private(const net_address *a);
/* Without port: "192.0.2.1", "2001:db8::1"; RFC 5321 4.1.3 literal: "[192.0.2.1]", "[IPv6:...]". */
slice net_address_text(const net_address *a, arena *to);
slice net_address_literal(const net_address *a, arena *to);

#endif
