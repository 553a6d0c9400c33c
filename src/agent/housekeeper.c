/* The housekeeper's clock: runs the steps of provider/housekeep, sleeps, runs again. Whether this
   node or another does the work is decided by the lease there. */
#include "agent/housekeeper.h"

#include "base/log.h"
#include "provider/housekeep.h"
#include "provider/setting.h"
#include "task/task.h"

#include <inttypes.h>

#define FIRST_AFTER (10 * USEC_S) /* a start under load is not the moment to clean */
#define RUN_MOST                                                                                   \
	(3600 * USEC_S) /* nobody waits for it: statements may take what PostgreSQL allows */

static void run_once(void)
{
	struct housekeep_result done = {0};
	usec before = task_deadline(clock_now() + RUN_MOST);
	status kind = housekeep_run(&done);
	task_deadline(before);
	if (kind == ST_OK)
		log_event(EV_HOUSEKEPT,
			"messages=%" PRId64 " blobs=%" PRId64 " segments=%" PRId64 " keys=%" PRId64
			" partitions_made=%" PRId64 " partitions_dropped=%" PRId64,
			done.messages, done.blobs, done.segments, done.keys, done.partitions_made,
			done.partitions_dropped);
	else if (kind != ST_LIMITED && kind != ST_CANCELLED)
		log_event(EV_HOUSEKEEPING_FAILED, "why=%s", status_name(kind));
}

status housekeeper_run(void *unused)
{
	(void)unused;
	TRY(task_sleep(FIRST_AFTER));
	for (;;) {
		run_once();
		TRY(task_sleep(setting_number(S_housekeeper_every, NULL)));
	}
}
