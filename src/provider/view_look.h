/* How views look at their folders again: for view_look.c and view_store.c. */
#ifndef PENNYPOST_PROVIDER_VIEW_LOOK_H
#define PENNYPOST_PROVIDER_VIEW_LOOK_H

#include "provider/view.h"
#include "provider/view_image.h"

/* The newest image this process has of the folder, with a hold for the caller; NULL: none. */
struct view_image *view_newest(const view *v);
/* As view_refresh(); the folder is known to have come as far as the MODSEQ `least`, so that what is
   older need not be looked at first. */
status view_look(view *v, bool hold, int64_t least, arena *a, struct view_change *out);
/* Of what arrived by `ch`, that it was shown as \Recent, where the view claims that; `recent`: the
   first that nobody was shown. */
void view_recent_take(const view *v, const struct view_change *ch, uint32_t recent, arena *a);

#endif
