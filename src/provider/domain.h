/* Domains of a post office. Names are lower-case A-labels; a name belongs to one post office
   only. */
#ifndef PENNYPOST_PROVIDER_DOMAIN_H
#define PENNYPOST_PROVIDER_DOMAIN_H

#include "provider/audit.h"

enum domain_state { DOMAIN_ENABLED = 0, DOMAIN_DISABLED = 1 };

typedef struct domain {
	slice name;
	int64_t postoffice;
	enum domain_state state;
	/* Targets: empty, or "mailbox" name of the same post office, or an address of it (A15-A17),
	   which may be a group's. catch_all may be [SMTP:..] as well (internal.h). abuse and
	   postmaster, when empty, go to the post office's ADMIN mailbox `postmaster`. */
	slice abuse, postmaster, catch_all;
	slice stands_for; /* the domain whose addresses, targets and masks count; empty = its own */
} domain;

/* Mailboxes made later get an address in it (A28); `with_mailboxes` gives one to all present
   mailboxes too. ST_EXISTS (taken, here or elsewhere; *why), ST_INVALID (*why). */
status domain_make(int64_t postoffice, slice name, bool with_mailboxes, const struct audit_by *by,
	arena *a, slice *why);
/* The same to all present mailboxes later: those that have an address of theirs there keep it. ST_ABSENT;
   ST_INVALID: it stands for another one (*why). */
status domain_fill(int64_t postoffice, slice name, const struct audit_by *by, arena *a, slice *why);
/* Makes a domain that stands for `real`, a domain of the post office that stands for none itself.
   ST_EXISTS (taken, here or elsewhere; *why), ST_INVALID (*why). */
status domain_alias(int64_t postoffice, slice name, slice real, const struct audit_by *by, arena *a,
	slice *why);
status domain_find(slice name, arena *a, domain **out); /* system-wide; ST_ABSENT */
status domain_list(int64_t postoffice, arena *a, domain **rows, int *n);
/* Enabled domains of all post offices behind `after` by name, at most `most`, of which resolution alone
   (resolve.h) tells where postmaster@ leads: of all others an enabled mailbox has it. */
status domain_unsure_postmasters(slice after, unsigned most, arena *a, slice **names, int *n);
/* Stores state and targets. ST_ABSENT; ST_INVALID when a target does not exist (*why). */
status domain_change(const domain *d, const struct audit_by *by, arena *a, slice *why);
/* ST_ABSENT. Removes its addresses, its masks and the domains that stand for it too. */
status domain_remove(int64_t postoffice, slice name, const struct audit_by *by);

#endif
