/* Post offices: the tenants. Names: 1..64 of a-z 0-9 . _ - (folded to lower case), first a letter
   or digit; used in logons (mailbox@postoffice). */
#ifndef PENNYPOST_PROVIDER_POSTOFFICE_H
#define PENNYPOST_PROVIDER_POSTOFFICE_H

#include "provider/audit.h"

enum postoffice_state { POSTOFFICE_ENABLED = 0, POSTOFFICE_DISABLED = 1 };

typedef struct postoffice {
	int64_t id;
	slice name;
	enum postoffice_state state;
	usec made;
	int64_t mailboxes, domains, bytes; /* filled by postoffice_list and _find_counted only */
} postoffice;

/* The name in lower case. ST_INVALID: it is none. */
status postoffice_name(slice name, arena *a, slice *folded);
/* Makes the post office with its administrator mailbox `postmaster` (ADMIN) and its password (A7).
   ST_EXISTS, ST_INVALID (name or password; *why). */
status postoffice_make(slice name, slice admin_password, const struct audit_by *by, arena *a,
	postoffice **out, slice *why);
status postoffice_find(slice name, arena *a, postoffice **out);  /* ST_ABSENT */
status postoffice_by_id(int64_t id, arena *a, postoffice **out); /* ST_ABSENT */
status postoffice_list(
	slice after, unsigned most, arena *a, postoffice **rows, int *n); /* by name */
status postoffice_set_state(int64_t id, enum postoffice_state s, const struct audit_by *by);
/* Removes it with everything in it. Bodies go with the housekeeper. ST_ABSENT. */
status postoffice_remove(int64_t id, const struct audit_by *by);

#endif
