/* Removing at the end of POP3 conversations, many in one transaction: for maildrop.c only. */
#ifndef PENNYPOST_PROVIDER_MAILDROP_LEAVE_H
#define PENNYPOST_PROVIDER_MAILDROP_LEAVE_H

#include "base/list.h"
#include "base/status.h"
#include "task/task.h"

#include <stdint.h>

enum leave_state { LEAVE_WAITS, LEAVE_LEADS, LEAVE_TAKEN, LEAVE_DONE };

struct maildrop_leaver { /* one conversation that goes */
	int64_t postoffice, mailbox, inbox, token;
	const uint32_t *uids;
	int n; /* at least 1 */
	enum leave_state state; /* from here on maildrop_leave's own */
	status outcome;
	notice *changed;
	link_t link;
};

/* As maildrop_give with n > 0. In the caller's shield: it is not to be cancelled. */
status maildrop_leave(struct maildrop_leaver *own);

#endif
