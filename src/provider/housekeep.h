/* The housekeeper's work on stored facts: partitions made ahead, expunged messages past the
   retention dropped with their bodies, old traces, changes and audits dropped, orphaned segments
   and forgotten repeat keys swept. Each step is restartable; one process in the house holds the
   lease. */
#ifndef PENNYPOST_PROVIDER_HOUSEKEEP_H
#define PENNYPOST_PROVIDER_HOUSEKEEP_H

#include "provider/audit.h"

#include <stdint.h>

struct housekeep_result {
	int64_t messages, blobs, segments, partitions_made, partitions_dropped, keys;
};
/* ST_LIMITED: another process holds the lease. ST_BUSY also when all was done but what big removals
   left packed, which waits for the next turn. */
status housekeep_run(struct housekeep_result *r);
/* The same for an operator, with a row in the audit once the lease is had: it is many transactions,
   and one that is cut off has done something, too. */
status housekeep_ordered(const struct audit_by *by, struct housekeep_result *r);

#endif
