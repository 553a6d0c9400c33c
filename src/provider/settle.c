/* See settle.h. */
#include "provider/settle.h"

#include "base/log.h"
#include "provider/folder.h"
#include "provider/news.h"
#include "provider/setting.h"
#include "task/task.h"

#define RUN_MOST (10 * USEC_S)
#define UNSURE_MOST (20 * USEC_S)
#define UNSURE_PAUSE (200 * USEC_MS)

/* A run that is refused for now settles nothing: it may have waited in vain for the lost one. */
static status until_known(status (*once)(void *arg, bool again), void *arg, usec began)
{
	usec silence = setting_number(S_db_silence_most, NULL);
	usec until = clock_now() + UNSURE_MOST;
	status s;

	do {
		usec before = task_deadline(db_lost_by(began, silence, clock_now() + RUN_MOST));

		s = once(arg, true);
		task_deadline(before);
		if (s != ST_UNSURE && s != ST_BUSY && s != ST_TIMED_OUT)
			return s;
	} while (clock_now() < until && !db_lost(began, silence) &&
		 task_sleep(UNSURE_PAUSE) == ST_OK);
	return ST_UNSURE;
}

status settle(status (*once)(void *arg, bool again), void *arg)
{
	usec began = clock_now();
	status s = once(arg, false);

	if (s != ST_UNSURE)
		return s;
	/* The client hangs on the answer, not on this task's time: also one that is to end finds
	   out. */
	usec before = task_deadline(USEC_NEVER);
	task_shield(true);
	s = until_known(once, arg, began);
	task_shield(false);
	task_deadline(before);
	log_event(EV_CHANGE_SETTLED, "outcome=%s", status_name(s));
	return s;
}

void settle_hint(int64_t postoffice, int64_t mailbox, int64_t folder, slice name)
{
	arena a = ARENA_INIT;
	struct folder *f;

	if (!folder && name.size > 0 && folder_find(postoffice, mailbox, name, &a, &f) == ST_OK)
		folder = f->id;
	arena_release(&a);
	news_tell(postoffice, mailbox, folder);
}

static db_tx *begin(int64_t postoffice, const int64_t *mailboxes, int n, arena *a)
{
	db_tx *tx = db_begin(DB_RUN, a);

	db_add(tx, SQL_DELIVER_LOCK, (struct param[]){p_int(postoffice), p_int_array(mailboxes, n)},
		2, NULL);
	return tx;
}

db_tx *settle_begin(int64_t postoffice, const int64_t *mailbox, arena *a)
{
	return begin(postoffice, mailbox, 1, a);
}

db_tx *settle_begin_both(int64_t postoffice, int64_t mailboxes[2], arena *a)
{
	int64_t first = mailboxes[0];

	if (first > mailboxes[1]) {
		mailboxes[0] = mailboxes[1];
		mailboxes[1] = first;
	}
	return begin(postoffice, mailboxes, 1 + (mailboxes[0] != mailboxes[1]), a);
}
