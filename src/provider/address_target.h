/* Targets: where a domain's postmaster, abuse and catch-all lead. For address_map.c and
   domain.c. */
#ifndef PENNYPOST_PROVIDER_ADDRESS_TARGET_H
#define PENNYPOST_PROVIDER_ADDRESS_TARGET_H

#include "provider/db.h"

/* What `target` (a mailbox's or group's name, or an address of the post office) stands for: one row
   of mailbox id, name, state, INBOX id, quota, used, handling (NULL: none), and group id.
   ST_ABSENT. */
status address_target(int64_t postoffice, slice target, arena *a, struct rows *out);

/* Adds the statements that give all mailboxes of the post office an address in a domain that is
   just being made. Waits for lists of mailboxes, so the transaction must not have a connection
   yet. */
status address_add_mailboxes(db_tx *tx, int64_t postoffice, slice domain, arena *a);

#endif
