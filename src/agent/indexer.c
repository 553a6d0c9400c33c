/* Turns, one after the other while new mail waits. Whether this node or another does the work is
   decided by the lease in provider/search_index.c. */
#include "agent/indexer.h"

#include "base/log.h"
#include "provider/search_index.h"
#include "provider/setting.h"
#include "task/task.h"

#include <inttypes.h>

#define TURN_MOST (10 * 60 * USEC_S) /* nobody waits for it */

static bool run_once(void)
{
	struct search_index_turn done = {0};
	usec before = task_deadline(clock_now() + TURN_MOST);
	status kind = search_index_run(&done);

	task_deadline(before);
	if (kind == ST_OK && done.sketched + done.dropped > 0)
		log_event(EV_SEARCH_INDEXED, "messages=%" PRId64 " dropped=%" PRId64, done.sketched,
			done.dropped);
	else if (kind != ST_OK && kind != ST_LIMITED && kind != ST_CANCELLED)
		log_event(EV_SEARCH_INDEX_FAILED, "why=%s", status_name(kind));
	return kind == ST_OK && done.more;
}

static status turns(void)
{
	for (;;) {
		bool more = run_once();

		TRY(task_sleep(more ? 0 : setting_number(S_search_index_every, NULL)));
	}
}

status indexer_run(void *unused)
{
	status s = turns();

	(void)unused;
	task_shield(true);
	search_index_stop();
	task_shield(false);
	return s;
}
