/* What a reader's own changes of a folder have in common: for view_store.c and view_copy.c. */
#ifndef PENNYPOST_PROVIDER_VIEW_OWN_H
#define PENNYPOST_PROVIDER_VIEW_OWN_H

#include "provider/view.h"
#include "provider/view_image.h"

/* Messages of a view, as they were asked for and as statements take them. */
struct view_ranges {
	uint32_t *uids; /* [n] rising, each once, all of which the reader was told of */
	int n;
	int64_t *first,
		*last; /* [count] the same as ranges; none goes on from one part to the next */
	int count;
};
struct view_ranges view_ranges_of(const view *v, const uint32_t *uids, int n, arena *a);

/* Statements are given so many of them at a time, all in one transaction: the database makes arrays of what
   one statement copies or removes. At least one part; the last may be smaller, or empty. */
#define VIEW_PART 20000
struct view_part {
	const int64_t *first, *last; /* [count] */
	int count;
	int n; /* messages */
};
int view_parts(const struct view_ranges *of);
struct view_part view_part(const struct view_ranges *of, int part);

/* Those that are in the view and have these flags. */
struct view_range *view_ranges_here(
	const view *v, const struct view_ranges *of, int64_t flags, arena *a, int *n);

/* Whether nobody changed the folder since the view's image, where it was at this MODSEQ before a change. */
bool view_is_at(const view *v, int64_t modseq);

/* What became of a folder by one's own change, and by nobody else's. */
struct view_made {
	const struct view_image *base; /* as it was */
	int64_t modseq;                /* given */
	const struct view_range *gone;
	int gone_n;
	const struct view_entry *fresh; /* that changed, as they are now */
	int fresh_n;
};
/* Shown without asking for it, and kept for others. */
void view_show_own(
	view *v, const struct view_made *made, bool hold, arena *a, struct view_change *out);
/* Nothing became of it, and the view's image is the newest: what was held is told. */
void view_show_same(view *v, bool hold, arena *a, struct view_change *out);

/* Looks again behind a change that gave `own` (0: none). The change is made, and stays made when the
   view cannot be refreshed now, or its folder was removed meanwhile: to say otherwise would have it
   made again. Then *out tells of nothing but `own`, the view is as it was, and the next look tells all. */
status view_look_own(view *v, bool hold, int64_t own, arena *a, struct view_change *out);

#endif
