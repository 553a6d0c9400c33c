/* Images of folders a process may be asked for again, the least lately used leave first. What is
   here is a folder at some MODSEQ and may be old: it only spares asking for what has not changed
   since. */
#ifndef PENNYPOST_PROVIDER_VIEW_CACHE_H
#define PENNYPOST_PROVIDER_VIEW_CACHE_H

#include "provider/view_image.h"

/* With a hold for the caller; NULL when there is none. By name it may be another folder's by
   now. */
struct view_image *view_cache_folder(int64_t folder);
struct view_image *view_cache_name(int64_t mailbox, slice name);
/* Keeps it (with a hold of its own) unless a newer one is there. */
void view_cache_put(struct view_image *i);
void view_cache_drop(int64_t folder);
void view_cache_clear(void);

#endif
