/* A folder at one MODSEQ: all its entries, never changed once others see it, shared by views and
   kept for later ones. For the files of this folder. */
#ifndef PENNYPOST_PROVIDER_VIEW_IMAGE_H
#define PENNYPOST_PROVIDER_VIEW_IMAGE_H

#include "base/list.h"
#include "provider/view.h"

#include <stdatomic.h>

struct view_image {
	atomic_uint holders;
	link_t link; /* of the cache */
	int64_t postoffice, mailbox, folder;
	slice name; /* behind the entries */
	uint32_t uidvalidity, uidnext;
	int64_t modseq;
	int count;
	struct view_entry entries[];
};

/* An image with one holder and room for `count` entries, all of which are to be filled in. */
struct view_image *image_new(const struct view_image *facts, slice name, int count);
struct view_image *image_hold(struct view_image *i);
void image_let(struct view_image **i); /* NULL is nothing */
size_t image_bytes(const struct view_image *i);
/* Index of the first entry whose UID is not below. */
int image_at(const struct view_image *i, uint32_t uid);

/* `facts` as they are now, with the entries of `base`, without the vanished ranges, with the fresh
   ones instead of or beside their namesakes. Both are rising. */
struct view_image *image_with(const struct view_image *facts, slice name,
	const struct view_image *base, const struct view_range *vanished, int vanished_n,
	const struct view_entry *fresh, int fresh_n);

/* ---- the view's side */
struct view_inside {
	struct view_image *image;
	uint32_t *uids; /* [room] */
	int room;
	int found, numbered; /* places last asked for: most who ask go on from there */
	bool claims;         /* VIEW_RECENT, and may */
	arena words;         /* of the keywords */
	slice known;         /* the words parsed last */
};

view *view_begin(struct view_image *image, unsigned flags); /* takes over the hold */
/* Makes the image, whose hold it takes over, what the view shows, and tells the difference. */
void view_take(view *v, struct view_image *image, bool hold, arena *a, struct view_change *out);
void view_words(view *v, slice words);
/* What two steps told becomes one: `before` was of the first, with its gone ones held. */
void view_change_join(
	const view *v, const struct view_change *before, arena *a, struct view_change *out);
/* All UIDs below uidnext that are not there, as ranges. */
struct view_range *view_absent(const view *v, arena *a, int *n);
/* The UIDs in rising order, each once, without those the reader was never told of. */
uint32_t *view_asked(const view *v, const uint32_t *uids, int *n, arena *a);

/* How flags are carried from the view's mailbox to another one: `keep` stay, here[i] become
   there[i]. */
struct view_carried {
	int64_t keep, *here, *there;
	int n;
};
/* Of these messages. Names in the other mailbox what it has no names for yet. */
status view_carry(const view *v, const uint32_t *uids, int n, const struct view_target *to,
	arena *a, struct view_carried *out);

#endif
