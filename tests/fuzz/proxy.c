/* PROXY headers: whatever a balancer says, reading stays within it, and what is found are
   addresses. */
#include "net/proxy.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	net_address peer = {0}, local = {0};
	size_t rest;

	if (size < PROXY_HEAD || proxy_head(data, &rest) != ST_OK || size - PROXY_HEAD < rest)
		return 0;
	if (rest > PROXY_REST_MOST)
		abort();
	/* A copy of its own, so that a byte too many is noticed. */
	char *copy = malloc(rest ? rest : 1);
	memcpy(copy, data + PROXY_HEAD, rest);
	status kind = proxy_read(data, slice_of(copy, rest), &peer, &local);
	if ((kind == ST_OK) != (peer.family != 0) || (kind == ST_OK) != (local.family != 0))
		abort();
	free(copy);
	return 0;
}
