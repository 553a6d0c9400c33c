/* See view_own.h. */
#include "provider/view_own.h"

#include "provider/view_cache.h"
#include "provider/view_look.h"

/* Messages with numbers in a row are one range of UIDs: what has a UID between them was told of and
   is gone, for UIDs show themselves in order. */
static void ranges_make(const view *v, struct view_ranges *r)
{
	for (int i = 0, before = -1; i < r->n; i++) {
		int number = view_number(v, r->uids[i]);

		if (number != before + 1 || i % VIEW_PART == 0)
			r->first[r->count++] = r->uids[i];
		r->last[r->count - 1] = r->uids[i];
		before = number;
	}
}

struct view_ranges view_ranges_of(const view *v, const uint32_t *uids, int n, arena *a)
{
	struct view_ranges r = {.n = n};

	r.uids = view_asked(v, uids, &r.n, a);
	r.first = arena_new_array(a, (size_t)r.n * 2 + 1, sizeof *r.first);
	r.last = r.first + r.n;
	ranges_make(v, &r);
	return r;
}

int view_parts(const struct view_ranges *of)
{
	return of->n > 0 ? (of->n - 1) / VIEW_PART + 1 : 1;
}

/* The range that begins with the first message of a part; behind all when there is none. */
static int part_at(const struct view_ranges *of, int part)
{
	int low = 0, high = of->count;

	if (part * VIEW_PART >= of->n)
		return high;
	while (low < high) {
		int middle = low + (high - low) / 2;

		if (of->first[middle] < of->uids[part * VIEW_PART])
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct view_part view_part(const struct view_ranges *of, int part)
{
	int from = part_at(of, part), left = of->n - part * VIEW_PART;

	return (struct view_part){.first = of->first + from,
		.last = of->last + from,
		.count = part_at(of, part + 1) - from,
		.n = left < VIEW_PART ? left : VIEW_PART};
}

struct view_range *view_ranges_here(
	const view *v, const struct view_ranges *of, int64_t flags, arena *a, int *n)
{
	struct view_range *here = arena_new_array(a, (size_t)of->n + 1, sizeof *here);

	*n = 0;
	for (int i = 0; i < of->n; i++) {
		const struct view_entry *e = view_find(v, of->uids[i]);

		if (e && (e->flags & flags) == flags)
			here[(*n)++] = (struct view_range){e->uid, e->uid};
	}
	return here;
}

bool view_is_at(const view *v, int64_t modseq)
{
	return v->inside->image && v->modseq == modseq;
}

void view_show_own(
	view *v, const struct view_made *made, bool hold, arena *a, struct view_change *out)
{
	struct view_image facts = {.postoffice = v->postoffice,
		.mailbox = v->mailbox,
		.folder = v->folder,
		.uidvalidity = v->uidvalidity,
		.uidnext = made->base->uidnext,
		.modseq = made->modseq};
	struct view_image *i = image_with(&facts, made->base->name, made->base, made->gone,
		made->gone_n, made->fresh, made->fresh_n);

	view_cache_put(i);
	view_take(v, i, hold, a, out);
	out->own = made->modseq;
}

void view_show_same(view *v, bool hold, arena *a, struct view_change *out)
{
	view_take(v, image_hold(v->inside->image), hold, a, out);
}

status view_look_own(view *v, bool hold, int64_t own, arena *a, struct view_change *out)
{
	status s = view_look(v, hold, own, a, out);

	if (s != ST_OK)
		*out = (struct view_change){0};
	out->own = own;
	return s;
}
