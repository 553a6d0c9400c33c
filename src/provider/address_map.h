/* The address map: where an address leads: a mailbox, a group, an address at another system. Keys
   are folded (mail/address.h): "local@domain". Of what is there, the first counts (G7):

       1. the exact address                          3. postmaster@ and abuse@: the domain's targets
       2. the exact one without its detail           4. masks of the domain, in their order
          (anna+lists: anna; address_separators)     5. the domain's catch-all

   A domain that stands for another one of its post office has all of that one's. An ordinary
   address costs one statement, one that nobody has at most three. */
#ifndef PENNYPOST_PROVIDER_ADDRESS_MAP_H
#define PENNYPOST_PROVIDER_ADDRESS_MAP_H

#include "provider/audit.h"

struct route { /* where an address leads: a mailbox, unless `group` or `remote` is set */
	int64_t postoffice, mailbox,
		inbox; /* ids; a delivery may name another folder of the mailbox */
	int64_t group; /* address_lead() alone */
	slice remote;  /* address_lead() alone: local@domain at another system */
	slice postoffice_name, mailbox_name;
	bool caught;         /* fell to the domain's catch-all */
	bool postmaster;     /* postmaster or abuse target: may exceed quota a little */
	int64_t quota, used; /* bytes; quota 0 = none. `used` may be a second old, 10 s where there
				is much room */
	unsigned handling;   /* set of handling_bit (redirection.h): what its owner wants done with
				mail */
};

/* `local` and `domain` as parsed by mail/address.h. Answers are kept for a second; those that lead to a
   mailbox of this very address with much room for 10 s, while the revision of routing stands. deliver.h checks
   again in its transaction, so a stale answer cannot lose or misdeliver.
   ST_ABSENT   our domain, no such recipient          (550 5.1.1)
   ST_FOREIGN  not a domain of ours                   (554 5.7.1 relaying denied)
   ST_DENIED   domain, post office or mailbox is disabled (550 5.2.1)
   ST_FULL     over quota for `size` more bytes (0 = unknown) (452 4.2.2)
   A group is ST_ABSENT here, as it is no mailbox, and an address that leads elsewhere ST_FOREIGN. */
status address_resolve(slice local, slice domain, uint64_t size, arena *a, struct route *out);
/* The same, and groups and what leads elsewhere are ST_OK; resolve.h goes on from there. Of an
   address that is refused *out tells the post office, 0 when none has its domain. */
status address_lead(slice local, slice domain, uint64_t size, arena *a, struct route *out);
/* Whether the mailbox `r` leads to has room for `size` more bytes: ST_OK, ST_FULL. */
status address_room(const struct route *r, uint64_t size);
/* The same of many, asked anew: kinds[i] is ST_OK, ST_FULL, ST_DENIED (disabled) or ST_ABSENT. One
   statement for all of a post office that stand together. Not ST_OK: nobody knows now. */
status address_rooms(const struct route *const *r, int n, uint64_t size, arena *a, status *kinds);
/* Whether the domain is one of ours (any state): for relay questions. ST_OK, ST_FOREIGN. */
status address_domain_is_ours(slice domain);
/* The same of many, in one statement. */
status address_domains_ours(const slice *domains, int n, arena *a, bool *ours);
/* Whether `mailbox` owns the address (T13). ST_OK, ST_DENIED. */
status address_owned(int64_t postoffice, int64_t mailbox, slice local, slice domain);

typedef struct address {
	slice key;                          /* folded local@domain */
	int64_t postoffice, mailbox, group; /* the one it leads to; the other is 0 */
	slice mailbox_name;                 /* or the group's */
} address;
/* ST_EXISTS, ST_INVALID (not a domain of the post office, or no address; *why), ST_ABSENT
   (mailbox). */
status address_make(int64_t postoffice, slice written, int64_t mailbox, const struct audit_by *by,
	arena *a, slice *why);
/* The same for a group (by id). */
status address_make_group(int64_t postoffice, slice written, int64_t group,
	const struct audit_by *by, arena *a, slice *why);
status address_remove(int64_t postoffice, slice written, const struct audit_by *by); /* ST_ABSENT */
/* Of one mailbox (0 = all), by key, after `after`. */
status address_list(int64_t postoffice, int64_t mailbox, slice after, unsigned most, arena *a,
	address **rows, int *n);

/* ---- masks: for addresses nobody has exactly. "sales-*@demo.test", "team?@demo.test"; one without
     and ? is a single address that leads to another system. */
typedef struct address_mask {
	slice mask;    /* folded, with its domain */
	int64_t place; /* smaller ones are asked first */
	slice target;  /* internal.h */
} address_mask;
/* Makes or changes it. `target`: internal.h, of this post office. place -1: behind the others, or
   where it stands. ST_INVALID (*why); ST_EXISTS: somebody has that address (*why); ST_LIMITED: more
   than address_masks_most (*why). */
status address_mask_set(int64_t postoffice, slice mask, slice target, int64_t place,
	const struct audit_by *by, arena *a, slice *why);
status address_mask_remove(
	int64_t postoffice, slice mask, const struct audit_by *by); /* ST_ABSENT */
/* By domain and place; `domain` empty = all. */
status address_mask_list(int64_t postoffice, slice domain, arena *a, address_mask **rows, int *n);

#endif
