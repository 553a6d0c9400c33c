/* What worker and runner say to each other: one packet each way. Only net/errand.c and
   program/runner.c see it; both are of one build. The order brings two descriptors: the text, and
   the socket that the answer goes into; that socket's other end is closed when nobody waits any
   more. */
#ifndef PENNYPOST_NET_ERRAND_ORDER_H
#define PENNYPOST_NET_ERRAND_ORDER_H

#include "net/errand.h"

#include <sys/types.h>

struct errand_order {
	int64_t patience;
	uint64_t memory;
	uint32_t kind, at_once, processes, attempt;
	char program[512], connector[16], event[16], message[32], sender[512], recipient[512];
};

/* Waits for the next one, of which nothing is believed yet: its octets; 0 at the end of all orders,
   -1 with errno. The descriptors are the caller's to close, and -1 when none came. */
ssize_t errand_order_take(int orders, struct errand_order *o, int fds[2]);

struct errand_answer {
	int32_t end, code;
	int64_t took;
	char said[512]; /* as it came, up to a NUL */
};

#endif
