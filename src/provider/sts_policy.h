/* MTA-STS policies of other domains (RFC 8461), as they were fetched: kept for the whole house, so
   that a domain that cannot be asked for a while is still treated as it asked to be. One row per
   domain, also when a policy was looked for in vain, so that not every worker asks again. */
#ifndef PENNYPOST_PROVIDER_STS_POLICY_H
#define PENNYPOST_PROVIDER_STS_POLICY_H

#include "provider/audit.h"

struct sts_policy {
	slice domain;
	slice id,
		text; /* of the policy: its TXT record's id, its lines; both empty = none is kept */
	usec fetched, expires; /* wall; 0 = none is kept */
	bool expired;          /* by the database's clock, when it was read */
	usec age;              /* since it was fetched; 0 = none is kept */
	slice tried_id;        /* the last attempt that failed; empty when a later one did not */
	slice trouble;         /* its result, as RFC 8460 4.3 calls it */
	usec tried;            /* wall; 0 = none failed */
	usec tried_ago;
};

/* ST_ABSENT: nothing is known of the domain. */
status sts_policy_find(slice domain, arena *a, struct sts_policy *out);
/* Was fetched just now and counts for max_age seconds. */
status sts_policy_keep(slice domain, slice id, slice text, uint64_t max_age);
/* Could not be fetched just now; what was kept before stays. */
status sts_policy_missed(slice domain, slice id, slice trouble);
/* By domain; `domain` empty = all. */
status sts_policy_list(slice domain, unsigned most, arena *a, struct sts_policy **rows, int *n);
/* Forgets a domain, or all of them when it is empty. Audited. Workers follow when mta_sts_look is
   over. */
status sts_policy_forget(slice domain, const struct audit_by *by, int64_t *forgotten);

#endif
