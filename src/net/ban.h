/* Addresses that are turned away for a while, for all workers of the node: a table in shared memory
   that forgets by itself. What nodes tell each other is provider/ban_list.h. A ban of an IPv6
   address is one of its /64. */
#ifndef PENNYPOST_NET_BAN_H
#define PENNYPOST_NET_BAN_H

#include "base/clock.h"
#include "net/address.h"

/* The master calls this before it forks. Without it the table is the process's own. */
void ban_share(void);
/* Until a monotonic moment; a ban that stands longer stays. When too many stand, the one that ends
   first makes room. Family 0 is never banned. */
void ban_set(const net_address *who, usec until);
bool ban_stands(const net_address *who);
void ban_lift(const net_address *who);
/* What a ban of it is a ban of: itself, or the first address of its /64. No port. */
net_address ban_address(const net_address *who);

#endif
