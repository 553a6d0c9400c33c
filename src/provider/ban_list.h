/* Addresses that are turned away for a while, for all nodes. The table is the truth that is listed
   and lifted; each process hears of changes within about two seconds and keeps what it needs
   itself, so nobody asks the database at the door. Addresses are written as net/address.h has them;
   of IPv6 the first of its /64. */
#ifndef PENNYPOST_PROVIDER_BAN_LIST_H
#define PENNYPOST_PROVIDER_BAN_LIST_H

#include "provider/audit.h"

/* `heard` runs in the watch task for each change: an address and the time that is left, 0 = it is
   lifted. At first for all that stand. Before provider_open. */
void ban_list_follow(void (*heard)(slice address, usec left));

/* Earned just now by a client of this process. Never waits: it is written within about a second;
   where the database is away later, and of more than 1,000 at a time some are lost. */
void ban_list_note(slice address, usec span);

struct ban_row {
	slice address;
	usec until, made; /* wall */
	slice who, why;
};
/* Those that end last first. */
status ban_list(unsigned most, arena *a, struct ban_row **rows, int *n);
/* An operator's word. One that stands longer stays. Audited. */
status ban_list_add(slice address, usec span, slice why, const struct audit_by *by);
/* `address` empty = all. Audited. */
status ban_list_lift(slice address, const struct audit_by *by, int64_t *lifted);

#endif
