/* The reader's side of a view: its message numbers, and what changed between two images. Where
   images come from is told in view_store.c and memory/view_store.c. */
#include "provider/view_image.h"

#include "base/memory.h"
#include "base/text.h"
#include "provider/keyword_words.h"

#include <stdlib.h>

static void facts_take(view *v, struct view_image *image)
{
	struct view_image *before = v->inside->image;

	v->inside->image = image;
	v->uidnext = image->uidnext;
	v->modseq = image->modseq;
	v->entries = image->entries;
	v->count = image->count;
	image_let(&before);
}

static void room_for(struct view_inside *in, int n)
{
	if (n <= in->room)
		return;
	in->room = n + n / 8 + 8;
	in->uids = memory_grow(in->uids, (size_t)in->room * sizeof *in->uids);
}

static void number_from(view *v, const struct view_image *image, int at)
{
	room_for(v->inside, v->n + image->count - at);
	for (; at < image->count; at++)
		v->inside->uids[v->n++] = image->entries[at].uid;
	v->uids = v->inside->uids;
}

view *view_begin(struct view_image *image, unsigned flags)
{
	view *v = memory_new(sizeof *v);

	v->inside = memory_new(sizeof *v->inside);
	v->inside->claims = (flags & VIEW_RECENT) && !(flags & VIEW_READ_ONLY);
	v->postoffice = image->postoffice;
	v->mailbox = image->mailbox;
	v->folder = image->folder;
	v->name = arena_copy(&v->inside->words, image->name);
	v->read_only = flags & VIEW_READ_ONLY;
	v->uidvalidity = image->uidvalidity;
	v->recent = UINT32_MAX;
	number_from(v, image, 0);
	facts_take(v, image);
	return v;
}

void view_close(view **v)
{
	if (!*v)
		return;
	image_let(&(*v)->inside->image);
	memory_free((*v)->inside->uids);
	arena_release(&(*v)->inside->words);
	memory_free((*v)->inside);
	memory_free(*v);
	*v = NULL;
}

void view_rest(view *v)
{
	struct view_inside *in = v->inside;

	image_let(&in->image);
	v->entries = NULL;
	v->count = 0;
	if (in->room > v->n && v->n > 0) {
		in->room = v->n;
		v->uids = in->uids = memory_grow(in->uids, (size_t)v->n * sizeof *in->uids);
	}
}

/* Names are only ever added, so the old ones may stay where they are. */
void view_words(view *v, slice words)
{
	if (slice_same(words, v->inside->known))
		return;
	v->inside->known = arena_copy(&v->inside->words, words);
	keyword_words(v->inside->known, &v->keywords);
}

void view_learn(view *v, const struct keywords *k)
{
	text words = TEXT_INIT;

	for (int i = 0; i < k->n; i++) {
		if (i > 0)
			text_add_char(&words, ' ');
		text_add(&words, k->names[i]);
	}
	if (k->n > v->keywords.n)
		view_words(v, text_slice(&words));
	text_free(&words);
}

const struct view_entry *view_find(const view *v, uint32_t uid)
{
	struct view_inside *in = v->inside;
	int at = in->found;

	if (!in->image)
		return NULL;
	at += at < v->count && v->entries[at].uid < uid;
	if (at >= v->count || v->entries[at].uid != uid)
		at = image_at(in->image, uid);
	in->found = at;
	return at < v->count && v->entries[at].uid == uid ? &v->entries[at] : NULL;
}

int view_place(const uint32_t *uids, int n, uint32_t uid)
{
	int low = 0, high = n;

	while (low < high) {
		int middle = low + (high - low) / 2;

		if (uids[middle] < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int view_number(const view *v, uint32_t uid)
{
	int at = v->inside->numbered;

	at += at < v->n && v->uids[at] < uid;
	if (at >= v->n || v->uids[at] != uid)
		at = view_place(v->uids, v->n, uid);
	v->inside->numbered = at;
	return at < v->n && v->uids[at] == uid ? at + 1 : 0;
}

static int uid_order(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static uint32_t *in_order(const uint32_t *uids, int *n, arena *a)
{
	uint32_t *sorted = arena_new_array(a, (size_t)*n + 1, sizeof *sorted);
	int kept = 0;
	bool rising = true;

	for (int i = 0; i < *n; i++) {
		rising &= i == 0 || uids[i - 1] < uids[i];
		sorted[i] = uids[i];
	}
	if (rising)
		return sorted;
	qsort(sorted, (size_t)*n, sizeof *sorted, uid_order);
	for (int i = 0; i < *n; i++)
		if (kept == 0 || sorted[kept - 1] != sorted[i])
			sorted[kept++] = sorted[i];
	*n = kept;
	return sorted;
}

uint32_t *view_asked(const view *v, const uint32_t *uids, int *n, arena *a)
{
	uint32_t *asked = in_order(uids, n, a);
	int kept = 0;

	for (int i = 0; i < *n; i++)
		if (view_number(v, asked[i]) > 0)
			asked[kept++] = asked[i];
	*n = kept;
	return asked;
}

/* ---- the difference */

struct difference {
	uint32_t *gone, *gone_uids, *changed; /* rising while they are gathered */
	int gone_room, changed_room;
};

static void list_add(uint32_t **list, int n, int *room, uint32_t value, arena *a)
{
	if (!*list || n == *room) {
		uint32_t *wider = arena_new_array(a, (size_t)*room * 2 + 16, sizeof *wider);

		if (*list)
			memcpy(wider, *list, (size_t)n * sizeof *wider);
		*list = wider;
		*room = *room * 2 + 16;
	}
	(*list)[n] = value;
}

static void turn_round(uint32_t *list, int n)
{
	for (int i = 0; list && i < n / 2; i++) {
		uint32_t kept = list[i];

		list[i] = list[n - 1 - i];
		list[n - 1 - i] = kept;
	}
}

static void gone_add(
	struct difference *d, int number, uint32_t uid, arena *a, struct view_change *out)
{
	int room = d->gone_room;

	list_add(&d->gone, out->gone_n, &room, (uint32_t)number, a);
	list_add(&d->gone_uids, out->gone_n++, &d->gone_room, uid, a);
}

/* Walks over the numbers and the new image together. Gives the place in the image behind the last
   number. */
static int compare(view *v, const struct view_image *image, bool hold, arena *a,
	struct difference *d, struct view_change *out)
{
	uint32_t *uids = v->inside->uids;
	int kept = 0, at = 0;

	for (int i = 0; i < v->n; i++) {
		while (at < image->count && image->entries[at].uid < uids[i])
			at++; /* none, since UIDs rise */
		const struct view_entry *e = at < image->count ? &image->entries[at] : NULL;

		if (e && e->uid == uids[i]) {
			if (e->modseq > v->modseq)
				list_add(
					&d->changed, out->changed_n++, &d->changed_room, e->uid, a);
			at++;
		} else if (hold) {
			out->held_n++;
		} else {
			gone_add(d, i + 1, uids[i], a, out);
			continue;
		}
		uids[kept++] = uids[i];
	}
	v->n = kept;
	return at;
}

void view_take(view *v, struct view_image *image, bool hold, arena *a, struct view_change *out)
{
	struct difference d = {0};

	*out = (struct view_change){0};
	if (image == v->inside->image && (hold || v->n == v->count)) {
		out->held_n = v->n - v->count;
		image_let(&image);
		return;
	}
	int at = compare(v, image, hold, a, &d, out);
	int before = v->n;

	number_from(v, image, at);
	facts_take(v, image);
	out->arrived = v->n - before;
	turn_round(d.gone, out->gone_n);
	turn_round(d.gone_uids, out->gone_n);
	out->gone = d.gone;
	out->gone_uids = d.gone_uids;
	out->changed = d.changed;
}

void view_change_join(
	const view *v, const struct view_change *before, arena *a, struct view_change *out)
{
	int n = before->changed_n + out->changed_n, kept = 0;
	uint32_t *all = arena_new_array(a, (size_t)n + 1, sizeof *all);
	int told = v->n - out->arrived + out->gone_n - before->arrived, unseen = 0;

	/* What came with the first change and went with the second was never there. */
	while (unseen < out->gone_n && out->gone[unseen] > (uint32_t)told)
		unseen++;
	out->gone = unseen ? out->gone + unseen : out->gone;
	out->gone_uids = unseen ? out->gone_uids + unseen : out->gone_uids;
	out->gone_n -= unseen;
	out->arrived += before->arrived - unseen;
	for (int i = 0; i < before->changed_n; i++)
		if (view_find(v, before->changed[i]))
			all[kept++] = before->changed[i];
	for (int i = 0; i < out->changed_n; i++)
		if (view_number(v, out->changed[i]) <= v->n - out->arrived)
			all[kept++] = out->changed[i];
	out->changed = in_order(all, &kept, a);
	out->changed_n = kept;
}

struct view_range *view_absent(const view *v, arena *a, int *n)
{
	struct view_range *ranges = arena_new_array(a, (size_t)v->count + 1, sizeof *ranges);
	uint32_t next = 1;

	*n = 0;
	for (int i = 0; i <= v->count; i++) {
		uint32_t uid = i < v->count ? v->entries[i].uid : v->uidnext;

		if (uid > next)
			ranges[(*n)++] = (struct view_range){next, uid - 1};
		next = uid + 1;
	}
	return ranges;
}

/* ---- flags of a copy */

static int64_t flags_of(const view *v, const uint32_t *uids, int n)
{
	int64_t any = 0;

	for (int i = 0; i < n; i++) {
		const struct view_entry *e = view_find(v, uids[i]);

		any |= e ? e->flags : 0;
	}
	return any;
}

/* Names for these keywords in the other mailbox; those it has no room for get none. */
static status names_give(const view *v, const struct view_target *to, const slice *names, int n,
	arena *a, struct keywords *all)
{
	status s = keyword_add(v->postoffice, to->mailbox, names, n, a, all);

	return s == ST_LIMITED ? keyword_list(v->postoffice, to->mailbox, a, all) : s;
}

status view_carry(const view *v, const uint32_t *uids, int n, const struct view_target *to,
	arena *a, struct view_carried *out)
{
	const int64_t named = VIEW_ALL_FLAGS & ~(((int64_t)1 << KEYWORD_FIRST) - 1);
	int64_t used = to->mailbox == v->mailbox ? 0 : flags_of(v, uids, n) & to->flags & named;
	slice names[KEYWORDS_MOST];
	struct keywords all;
	int count = 0;

	*out = (struct view_carried){
		.keep = to->mailbox == v->mailbox ? to->flags : to->flags & ~named};
	if (!used)
		return ST_OK;
	out->here = arena_new_array(a, KEYWORDS_MOST, sizeof *out->here);
	out->there = arena_new_array(a, KEYWORDS_MOST, sizeof *out->there);
	for (int i = 0; i < v->keywords.n; i++)
		if (used >> (KEYWORD_FIRST + i) & 1)
			names[count++] = v->keywords.names[i];
	TRY(names_give(v, to, names, count, a, &all));
	for (int i = 0; i < count; i++) {
		int bit = keyword_bit(&all, names[i]);

		if (bit < 0)
			continue;
		out->here[out->n] = (int64_t)1 << keyword_bit(&v->keywords, names[i]);
		out->there[out->n++] = (int64_t)1 << bit;
	}
	return ST_OK;
}

/* ---- within the mailbox, with all flags */

static struct view_target near(const view *v, slice name)
{
	return (struct view_target){.mailbox = v->mailbox, .name = name, .flags = VIEW_ALL_FLAGS};
}

status view_copy(view *v, const uint32_t *uids, int n, slice name, bool hold, arena *a,
	struct view_copied *out)
{
	struct view_target to = near(v, name);

	return view_copy_to(v, uids, n, &to, hold, a, out);
}

status view_move(
	view *v, const uint32_t *uids, int n, slice name, arena *a, struct view_copied *out)
{
	struct view_target to = near(v, name);

	return view_move_to(v, uids, n, &to, a, out);
}
