/* Removing at the end of POP3 conversations, many in one transaction: for maildrop.c only. */
#ifndef PENNYPOST_PROVIDER_MAILDROP_LEAVE_H
#define PENNYPOST_PROVIDER_MAILDROP_LEAVE_H

#include "provider/maildrop_door.h"

struct maildrop_leaver { /* one conversation that goes */
	struct maildrop_guest guest;
	int64_t inbox, token;
	const uint32_t *uids;
	int n; /* at least 1 */
};

/* As maildrop_give with n > 0. In the caller's shield: it is not to be cancelled. */
status maildrop_leave(struct maildrop_leaver *own);

#endif
