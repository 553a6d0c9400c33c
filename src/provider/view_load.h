/* Bringing a folder's present state: for looks (view_look.h), and for the pages of its facts (folder_page.c). */
#ifndef PENNYPOST_PROVIDER_VIEW_LOAD_H
#define PENNYPOST_PROVIDER_VIEW_LOAD_H

#include "provider/view_image.h"

struct view_loaded {
	struct view_image *image; /* with a hold for the caller */
	slice words;              /* keywords of the mailbox */
	uint32_t recent;
};
/* By name when that is not empty, else by id; `known` (may be NULL) is what need not be asked
   again, and `old` says that there is more to tell for certain. One round trip where what is known is
   all there is, is old or is nothing; else two. ST_ABSENT. */
status view_load(int64_t postoffice, int64_t mailbox, slice name, int64_t folder,
	struct view_image *known, bool old, arena *a, struct view_loaded *out);
/* Keeps a big folder's entries as one packed value, for who opens it next. A hint. */
void view_state_keep(const struct view_image *i);

#endif
