/* Who is here: open conversations per client address and network, for all workers of the node.
   See listener.h for sharing and slots. */
#ifndef PENNYPOST_NET_PEER_H
#define PENNYPOST_NET_PEER_H

#include "base/metric.h"
#include "net/address.h"

#include <stdatomic.h>

/* Where one conversation is counted; NULL where it is not. */
struct peer_stay {
	_Atomic uint64_t *address, *network, *postoffice;
};
/* Counts the client. ST_LIMITED: one cap is reached (0 = no cap), and nothing is counted. Clients
   without an address are neither counted nor limited. */
status peer_enter(enum service s, const net_address *a, unsigned per_address, unsigned per_network,
	struct peer_stay *stay);
/* The same of one that logged on, by its post office. */
status peer_enter_postoffice(
	enum service s, int64_t postoffice, unsigned most, struct peer_stay *stay);
void peer_leave(struct peer_stay *stay);

#endif
