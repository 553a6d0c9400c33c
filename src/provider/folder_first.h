/* The folders that a mailbox begins with beside INBOX, as the setting mailbox_folders has them:
   "Drafts=\\Drafts, Sent Items=\\Sent, Projects". Special uses are those of RFC 6154. */
#ifndef PENNYPOST_PROVIDER_FOLDER_FIRST_H
#define PENNYPOST_PROVIDER_FOLDER_FIRST_H

#include "base/arena.h"

#include <stdbool.h>

struct folder_first {
	slice name; /* canonical */
	unsigned special;
};

/* Whether `one` may stand in the list behind those in `before`: neither INBOX nor a name or a use
   that is there already. Its normal form. */
bool folder_first_fits(slice one, slice before, arena *a, slice *normal);
/* Why one that does not fit does not. */
const char *folder_first_refusal(slice one, arena *a);
/* Why no folder may have one of the names of the list, which has the form; empty: all may. */
slice folder_first_trouble(slice list, arena *a);
/* Those of new mailboxes of the post office, with the levels above them, parents first. No limit
   stops them here, so that none stops a mailbox from being made. */
int folder_first(int64_t postoffice, arena *a, struct folder_first **rows);

#endif
