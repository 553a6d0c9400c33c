/* What operators do with folders, beside folder.h: its orders with an audit row in their own
   transaction, and what folders were called that are gone. */
#ifndef PENNYPOST_PROVIDER_FOLDER_ADMIN_H
#define PENNYPOST_PROVIDER_FOLDER_ADMIN_H

#include "provider/audit.h"
#include "provider/folder.h"
#include "provider/message.h"

/* As folder_make, folder_rename, folder_remove. An order that is refused leaves no row. */
status folder_make_noted(int64_t postoffice, int64_t mailbox, slice name, unsigned special,
	const struct audit_note *note, arena *a, folder **out);
status folder_rename_noted(
	int64_t postoffice, int64_t mailbox, slice from, slice to, const struct audit_note *note);
status folder_remove_noted(
	int64_t postoffice, int64_t mailbox, slice name, const struct audit_note *note);

struct folder_removed {
	int64_t id; /* for struct folder_lost */
	slice name; /* when it was removed; several may have had it */
	usec at;
	int64_t messages; /* that can be restored */
};
/* What folder_undelete can restore, the newest removals first; folders under the names they have or
   had at last. */
status message_removed_list(int64_t postoffice, int64_t mailbox, unsigned most, arena *a,
	struct message_entry **rows, int *n);
/* What was removed longer ago cannot be restored. */
usec folder_lost_span(void);
/* Within expunged_retention, the newest first. */
status folder_removed_list(
	int64_t postoffice, int64_t mailbox, arena *a, struct folder_removed **rows, int *n);

#endif
