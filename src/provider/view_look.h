/* How views look at their folders again: for view_store.c and view_own.c. */
#ifndef PENNYPOST_PROVIDER_VIEW_LOOK_H
#define PENNYPOST_PROVIDER_VIEW_LOOK_H

#include "provider/view.h"
#include "provider/view_load.h"

/* The newest image this process has of the folder, with a hold for the caller; NULL: none. */
struct view_image *view_newest(const view *v);
/* As view_refresh(); the folder is known to have come as far as the MODSEQ `least`, so that what is
   older need not be looked at first. */
status view_look(view *v, bool hold, int64_t least, arena *a, struct view_change *out);
/* The same in two steps: how the folder is now, of which the view knows nothing yet, and that the view shows it.
   The first gives a hold of the image, which the second takes over. */
status view_see(const view *v, int64_t least, arena *a, struct view_loaded *now);
void view_show(view *v, struct view_loaded *now, bool hold, arena *a, struct view_change *out);
/* Of what arrived by `ch`, that it was shown as \Recent, where the view claims that; `recent`: the
   first that nobody was shown. */
void view_recent_take(const view *v, const struct view_change *ch, uint32_t recent, arena *a);

#endif
