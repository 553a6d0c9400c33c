/* Failed logons for operators: which are counted, whom they shut out, and how that is lifted. The
   table is what every attempt on every node is judged by, so a change counts from the next one. */
#ifndef PENNYPOST_PROVIDER_AUTH_FAILURE_H
#define PENNYPOST_PROVIDER_AUTH_FAILURE_H

#include "provider/audit.h"
#include "provider/auth.h"

enum auth_failure_of {
	AUTH_OF_ADDRESS,
	AUTH_OF_ACCOUNT,
	AUTH_OF_PAIR, /* an account at an address where it logged on before */
	AUTH_OF_ALL
};
struct auth_failure {
	enum auth_failure_of of;
	slice address; /* as auth_throttle_place; empty for AUTH_OF_ACCOUNT and _ALL */
	slice account; /* the mailbox, or the name that nobody has; empty for _ADDRESS and _ALL */
	int64_t failures;
	usec since, last, until; /* wall; none of them counts from `until` on */
	bool acts;               /* shut out; of AUTH_OF_ALL: strangers wait */
};
/* Those that act first, then by number; `acting`: these alone. Of pairs they are the only ones. */
status auth_failure_list(bool acting, unsigned most, arena *a, struct auth_failure **rows, int *n);
/* Forgets the failures of an address ("192.0.2.1", an IPv6 one for its /64) or of whom a logon name
   means; empty = of all. *lifted: counts that still counted, 0 = there was nothing. Audited. */
status auth_failure_lift(slice who, const struct audit_by *by, arena *a, int64_t *lifted);

#endif
