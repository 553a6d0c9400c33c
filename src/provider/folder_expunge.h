/* Expunging with UIDs as they come from the store: for folder.c and folder_clear.c. */
#ifndef PENNYPOST_PROVIDER_FOLDER_EXPUNGE_H
#define PENNYPOST_PROVIDER_FOLDER_EXPUNGE_H

#include "base/arena.h"
#include "base/status.h"

/* One transaction, mailbox before folder. Scratch memory from `a`; *removed only when ST_OK. */
status folder_expunge_wide(int64_t postoffice, int64_t mailbox, int64_t folder, const int64_t *uids,
	int n, arena *a, int64_t *removed);

#endif
