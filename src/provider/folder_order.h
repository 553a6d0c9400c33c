/* From folders and subscriptions to the tree that LIST shows; both implementations share it. */
#ifndef PENNYPOST_PROVIDER_FOLDER_ORDER_H
#define PENNYPOST_PROVIDER_FOLDER_ORDER_H

#include "provider/folder.h"

/* Sorts the rows (INBOX and what is below it first; children behind their parent), adds the levels
   that only have children, and tells who has some. */
void folder_grow(int64_t postoffice, int64_t mailbox, struct folder_row *given, int n, arena *a,
	struct folder_row **rows, int *count);
/* The part of a name above its last level; empty when it has one level. */
slice folder_above(slice name);
bool folder_is_below(slice name, slice above);

#endif
