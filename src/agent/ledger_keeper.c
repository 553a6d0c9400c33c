/* The ledger's clock. Whether this node or another takes a turn is decided by the lease in
   provider/ledger.c. */
#include "agent/ledger_keeper.h"

#include "base/log.h"
#include "provider/ledger.h"
#include "provider/setting.h"
#include "task/task.h"

#include <inttypes.h>

#define TURN_MOST (10 * 60 * USEC_S) /* nobody waits for it */
#define LOOK (USEC_S)                /* whether the setting says something else by now */

static void run_once(usec every)
{
	struct ledger_look seen;
	usec before = task_deadline(clock_now() + TURN_MOST);
	status kind = ledger_turn(every, &seen);

	task_deadline(before);
	if (kind == ST_OK)
		log_event(EV_LEDGER_CHECKED, "postoffices=%" PRId64 " mailboxes=%" PRId64,
			seen.postoffices, seen.mailboxes);
	else if (kind != ST_LIMITED && kind != ST_CANCELLED)
		log_event(EV_LEDGER_UNCHECKED, "why=%s", status_name(kind));
}

static status turns(void)
{
	usec last = clock_now();

	for (;;) {
		TRY(task_sleep(LOOK));
		usec every = setting_number(S_ledger_check_every, NULL);

		if (every == 0 || clock_now() - last < every)
			continue;
		last = clock_now();
		run_once(every);
	}
}

status ledger_keeper_run(void *unused)
{
	status s = turns();

	(void)unused;
	task_shield(true);
	ledger_stop();
	task_shield(false);
	return s;
}
