/* The housekeeper's work on stored facts: partitions made ahead, expunged messages past the retention
   dropped with their bodies, old traces, changes and audits dropped, orphaned segments and
   forgotten repeat keys swept. Each step is restartable; one process in the house holds the lease. */
#ifndef PENNYPOST_PROVIDER_HOUSEKEEP_H
#define PENNYPOST_PROVIDER_HOUSEKEEP_H

#include "base/status.h"

#include <stdint.h>

struct housekeep_result {
	int64_t messages, blobs, segments, partitions_made, partitions_dropped, keys;
};
/* ST_LIMITED: another process holds the lease. */
status housekeep_run(struct housekeep_result *r);

#endif
