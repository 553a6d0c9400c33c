/* The PROXY protocol, version 2: what a balancer tells about the client it speaks for, before that
   client's first byte. Pure; who may say it is the listener's matter. */
#ifndef PENNYPOST_NET_PROXY_H
#define PENNYPOST_NET_PROXY_H

#include "net/address.h"

#define PROXY_HEAD 16        /* bytes of the fixed part */
#define PROXY_REST_MOST 2048 /* addresses and what else is told: certificates' names, zones */

/* How many bytes follow the fixed part. ST_INVALID: it is none of version 2, or too long. */
status proxy_head(const uint8_t head[PROXY_HEAD], size_t *rest);
/* The two ends of the client's connection. ST_ABSENT: the balancer speaks for itself (a check), or
   for no TCP client; both are then untouched. ST_INVALID: addresses are missing. */
status proxy_read(
	const uint8_t head[PROXY_HEAD], slice rest, net_address *peer, net_address *local);

#endif
