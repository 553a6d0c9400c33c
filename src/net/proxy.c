/* The header of the PROXY protocol v2:

     | signature, 12 bytes | 2, command | family, kind | length, 2 | addresses, then TLVs |
*/
#include "net/proxy.h"

#include <netinet/in.h>

#define COMMAND_LOCAL 0x20
#define COMMAND_PROXY 0x21
#define OVER_TCP4 0x11
#define OVER_TCP6 0x21

static const uint8_t signature[12] = {
	'\r', '\n', '\r', '\n', 0, '\r', '\n', 'Q', 'U', 'I', 'T', '\n'};

status proxy_head(const uint8_t head[PROXY_HEAD], size_t *rest)
{
	size_t size = (size_t)head[14] << 8 | head[15];

	if (memcmp(head, signature, sizeof signature) != 0 || size > PROXY_REST_MOST ||
		(head[12] != COMMAND_LOCAL && head[12] != COMMAND_PROXY))
		return ST_INVALID;
	*rest = size;
	return ST_OK;
}

/* An IPv4 address inside an IPv6 one becomes one. */
static void address_of(int family, const char *ip, const char *port, net_address *out)
{
	struct sockaddr_storage at = {.ss_family = (sa_family_t)family};

	if (family == AF_INET) {
		memcpy(&((struct sockaddr_in *)&at)->sin_addr, ip, 4);
		memcpy(&((struct sockaddr_in *)&at)->sin_port, port, 2);
	} else {
		memcpy(&((struct sockaddr_in6 *)&at)->sin6_addr, ip, 16);
		memcpy(&((struct sockaddr_in6 *)&at)->sin6_port, port, 2);
	}
	net_address_of(&at, out);
}

status proxy_read(const uint8_t head[PROXY_HEAD], slice rest, net_address *peer, net_address *local)
{
	int family = head[13] == OVER_TCP4 ? AF_INET : AF_INET6;
	size_t size = family == AF_INET ? 4 : 16;

	if (head[12] == COMMAND_LOCAL || (head[13] != OVER_TCP4 && head[13] != OVER_TCP6))
		return ST_ABSENT;
	if (rest.size < 2 * size + 4)
		return ST_INVALID;
	address_of(family, rest.at, rest.at + 2 * size, peer);
	address_of(family, rest.at + size, rest.at + 2 * size + 2, local);
	return ST_OK;
}
