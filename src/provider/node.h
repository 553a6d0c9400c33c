/* Nodes: machines and their processes. Leases the number that makes ids unique (base/id.h). */
#ifndef PENNYPOST_PROVIDER_NODE_H
#define PENNYPOST_PROVIDER_NODE_H

#include "base/arena.h"
#include "base/clock.h"
#include "base/status.h"

/* Leases a free number for this process and sets id_node(). Renewed by the watch task; a process
   that could not renew for the lease's length stops making ids (provider_healthy turns false). */
status node_lease(slice name);
/* How often a lease is renewed; whoever has not done so for the longer span is cut off from the
   database, or stands still. */
#define NODE_RENEW_EVERY (5 * USEC_S)
#define NODE_SILENCE_MOST (10 * USEC_S)
void node_release(void);

struct node_row {
	int number;
	slice name, role;
	usec seen;
	int64_t schema;
};
status node_list(arena *a, struct node_row **rows, int *n);

#endif
