/* The address map: which mailbox (later: group, list, route) an address leads to. Keys are folded
   (mail/address.h): "local@domain". Exact match first; then, in a domain of ours, postmaster@ and
   abuse@ by the domain's targets; then the catch-all. */
#ifndef PENNYPOST_PROVIDER_ADDRESS_MAP_H
#define PENNYPOST_PROVIDER_ADDRESS_MAP_H

#include "provider/audit.h"

struct route { /* one local recipient, resolved */
	int64_t postoffice, mailbox, inbox; /* ids; a delivery may name another folder of the mailbox */
	slice postoffice_name, mailbox_name;
	bool caught;       /* fell to the domain's catch-all */
	bool postmaster;   /* postmaster or abuse target: may exceed quota a little */
	int64_t quota, used; /* bytes; quota 0 = none. `used` may be a second old */
	unsigned handling; /* set of handling_bit (redirection.h): what its owner wants done with mail */
};

/* `local` and `domain` as parsed by mail/address.h. Cached for a second at most; deliver.h checks
   again in its transaction, so a stale answer cannot lose or misdeliver.
   ST_ABSENT   our domain, no such recipient          (550 5.1.1)
   ST_FOREIGN  not a domain of ours                   (554 5.7.1 relaying denied)
   ST_DENIED   domain, post office or mailbox is disabled (550 5.2.1)
   ST_FULL     over quota for `size` more bytes (0 = unknown) (452 4.2.2) */
status address_resolve(slice local, slice domain, uint64_t size, arena *a, struct route *out);
/* Whether the domain is one of ours (any state): for relay questions. ST_OK, ST_FOREIGN. */
status address_domain_is_ours(slice domain);
/* Whether `mailbox` owns the address (T13). ST_OK, ST_DENIED. */
status address_owned(int64_t postoffice, int64_t mailbox, slice local, slice domain);

typedef struct address {
	slice key;             /* folded local@domain */
	int64_t postoffice, mailbox;
	slice mailbox_name;
} address;
/* ST_EXISTS, ST_INVALID (not a domain of the post office, or no address; *why), ST_ABSENT (mailbox). */
status address_make(int64_t postoffice, slice written, int64_t mailbox, const struct audit_by *by,
		    arena *a, slice *why);
status address_remove(int64_t postoffice, slice written, const struct audit_by *by); /* ST_ABSENT */
/* Of one mailbox (0 = all), by key, after `after`. */
status address_list(int64_t postoffice, int64_t mailbox, slice after, unsigned most, arena *a,
		    address **rows, int *n);

#endif
