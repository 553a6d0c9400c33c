/* What the statement view_load tells becomes an image: changes upon one that is known, changes upon
   a packed state, or everything. Big folders that had to be read get a packed state. Most looks find
   what is known already, which folder_look tells for a third of the price. */
#include "provider/view_load.h"

#include "base/log.h"
#include "provider/brief.h"
#include "provider/db.h"
#include "provider/folder_look.h"
#include "provider/view_cache.h"
#include "provider/view_pack.h"

#include <limits.h>
#include <stdlib.h>

#define PACKED_FROM 2000   /* messages */
#define BRIEF_ENTRIES 1000 /* folders whose answer is short, whatever changed, and its octets */
#define BRIEF_OCTETS ((size_t)64 * 1024)
#define PACK_AGAIN 20 /* when more than one in so many changed since */

enum column {
	FOLDER,
	NAME,
	UIDVALIDITY,
	UIDNEXT,
	MODSEQ,
	RECENT,
	LOG_FLOOR,
	WORDS,
	BASE,
	STATE,
	GONE_FIRST,
	GONE_PAST,
	UIDS,
	MODSEQS,
	FLAGS,
	MESSAGES,
	SIZES,
	RECEIVED,
	ODD,
	ZONES,
	SAVED
};

/* ---- what changed */

static int entry_order(const void *a, const void *b)
{
	const struct view_entry *x = a, *y = b;

	return x->uid < y->uid ? -1 : x->uid > y->uid;
}

/* Few entries have a zone or were saved at another time than they were received. */
static void odd_ones(const struct rows *r, arena *a, struct view_entry *entries, int n)
{
	int odd, count;
	const int64_t *uids = row_int_array(r, 0, ODD, a, &odd);
	const int64_t *zones = row_int_array(r, 0, ZONES, a, &count);
	int saved_n;
	const usec *saved = row_time_array(r, 0, SAVED, a, &saved_n);

	for (int i = 0; i < odd && i < count && i < saved_n; i++) {
		struct view_entry key = {.uid = (uint32_t)uids[i]};
		struct view_entry *e =
			bsearch(&key, entries, (size_t)n, sizeof *entries, entry_order);

		if (!e)
			continue;
		e->zone = (int16_t)zones[i];
		if (saved[i] > 0)
			e->saved = (uint32_t)(saved[i] / USEC_S);
	}
}

static void entries_fill(const struct rows *r, arena *a, struct view_entry *to, int n)
{
	int count;
	const int64_t *uids = row_int_array(r, 0, UIDS, a, &count);
	const int64_t *modseqs = row_int_array(r, 0, MODSEQS, a, &count);
	const int64_t *flags = row_int_array(r, 0, FLAGS, a, &count);
	const int64_t *messages = row_int_array(r, 0, MESSAGES, a, &count);
	const int64_t *sizes = row_int_array(r, 0, SIZES, a, &count);
	const usec *received = row_time_array(r, 0, RECEIVED, a, &count);
	bool rising = true;

	for (int i = 0; i < n; i++) {
		to[i] = (struct view_entry){.modseq = modseqs[i],
			.flags = flags[i],
			.message = messages[i],
			.received = received[i],
			.uid = (uint32_t)uids[i],
			.size = (uint32_t)sizes[i],
			.saved = (uint32_t)(received[i] / USEC_S)};
		rising &= i == 0 || to[i - 1].uid < to[i].uid;
	}
	if (!rising)
		qsort(to, (size_t)n, sizeof *to, entry_order);
	odd_ones(r, a, to, n);
}

static struct view_range *ranges_of(const struct rows *r, arena *a, int *n)
{
	int count;
	const int64_t *first = row_int_array(r, 0, GONE_FIRST, a, n);
	const int64_t *past = row_int_array(r, 0, GONE_PAST, a, &count);
	struct view_range *ranges = arena_new_array(a, (size_t)*n + 1, sizeof *ranges);

	for (int i = 0; i < *n; i++)
		ranges[i] = (struct view_range){(uint32_t)first[i], (uint32_t)(past[i] - 1)};
	return ranges;
}

static int entries_told(const struct rows *r, arena *a)
{
	int n;

	row_int_array(r, 0, UIDS, a, &n);
	return n;
}

/* ---- the image */

static struct view_image *from_base(
	const struct rows *r, const struct view_image *facts, struct view_image *base, arena *a)
{
	int gone_n, n = entries_told(r, a);
	struct view_range *gone = ranges_of(r, a, &gone_n);
	struct view_entry *fresh = arena_new_array(a, (size_t)n + 1, sizeof *fresh);

	entries_fill(r, a, fresh, n);
	return image_with(facts, row_slice(r, 0, NAME), base, gone, gone_n, fresh, n);
}

static struct view_image *from_all(const struct rows *r, const struct view_image *facts, arena *a)
{
	int n = entries_told(r, a);
	struct view_image *i = image_new(facts, row_slice(r, 0, NAME), n);

	entries_fill(r, a, i->entries, n);
	return i;
}

/* NULL when the state is broken. */
static struct view_image *from_state(const struct rows *r, const struct view_image *facts, arena *a)
{
	slice state = row_slice(r, 0, STATE);
	int n = view_packed(state);

	if (n < 0)
		return NULL;
	struct view_image *base = image_new(facts, S(""), n), *made = NULL;
	if (view_unpack(state, base->entries, n))
		made = from_base(r, facts, base, a);
	image_let(&base);
	return made;
}

void view_state_keep(const struct view_image *i)
{
	text state = TEXT_INIT;
	arena a = ARENA_INIT;

	if (i->count <= PACKED_FROM)
		return;
	view_pack(i->entries, i->count, &state);
	db_tx *tx = db_begin(DB_RUN, &a);
	db_relax(tx); /* a cache: it may get lost */
	db_add(tx, SQL_VIEW_STATE_KEEP,
		(struct param[]){p_int(i->postoffice), p_int(i->folder), p_int(i->uidvalidity),
			p_int(i->modseq), p_bytes(text_slice(&state))},
		5, NULL);
	db_commit(&tx, NULL);
	text_free(&state);
	arena_release(&a);
}

static struct view_image *image_of(
	const struct rows *r, const struct view_image *facts, struct view_image *known, arena *a)
{
	int64_t base = row_int(r, 0, BASE);
	bool is_known = known && base > 0 && row_null(r, 0, STATE);
	struct view_image *i;

	if (is_known && base == facts->modseq && slice_same(known->name, row_slice(r, 0, NAME)))
		return image_hold(known);
	if (is_known)
		return from_base(r, facts, known, a);
	if (base == 0)
		i = from_all(r, facts, a);
	else
		i = from_state(r, facts, a);
	if (i && (base == 0 || entries_told(r, a) > i->count / PACK_AGAIN))
		view_state_keep(i);
	return i;
}

static status load(int64_t postoffice, int64_t mailbox, slice name, int64_t folder,
	struct view_image *known, int64_t packed_from, arena *a, struct view_loaded *out)
{
	struct rows r;

	const struct param p[] = {p_int(postoffice), p_int(mailbox),
		name.size > 0 ? p_text(name) : p_null(P_TEXT),
		p_int(known ? known->folder : folder), p_int(known ? known->uidvalidity : 0),
		p_int(known ? known->modseq : 0), p_int(packed_from)};
	/* Of what is known little has changed, mostly; all of it is no short answer. */
	TRY(known && known->count <= BRIEF_ENTRIES
			? brief_one(SQL_VIEW_LOAD, p, 7, BRIEF_OCTETS, a, &r)
			: db_one(SQL_VIEW_LOAD, p, 7, a, &r));
	struct view_image facts = {.postoffice = postoffice,
		.mailbox = mailbox,
		.folder = row_int(&r, 0, FOLDER),
		.uidvalidity = (uint32_t)row_int(&r, 0, UIDVALIDITY),
		.uidnext = (uint32_t)row_int(&r, 0, UIDNEXT),
		.modseq = row_int(&r, 0, MODSEQ)};
	out->words = row_slice(&r, 0, WORDS);
	out->recent = (uint32_t)row_int(&r, 0, RECENT);
	out->image = image_of(&r, &facts, known, a);
	if (!out->image)
		return log_trouble(ST_INVALID, EV_VIEW_STATE_BROKEN, NULL);
	view_cache_put(out->image);
	return ST_OK;
}

/* ST_ABSENT: the folder is not as it is known, or is no more. Asked for the caller's post office and
   mailbox, not for those of what is known: row-level security is to see who asks. */
static status look(int64_t postoffice, int64_t mailbox, slice name, struct view_image *known,
	arena *a, struct view_loaded *out)
{
	struct folder_look now = {
		.postoffice = postoffice, .mailbox = mailbox, .folder = known->folder, .a = a};

	TRY(folder_look(&now));
	if (now.uidvalidity != known->uidvalidity || now.modseq != known->modseq ||
		!slice_same(now.name, known->name) ||
		(name.size > 0 && !slice_same(now.name, name)))
		return ST_ABSENT;
	out->image = image_hold(known);
	out->words = now.words;
	out->recent = now.recent;
	return ST_OK;
}

status view_load(int64_t postoffice, int64_t mailbox, slice name, int64_t folder,
	struct view_image *known, bool old, arena *a, struct view_loaded *out)
{
	arena scratch = ARENA_INIT;
	status s =
		known && !old ? look(postoffice, mailbox, name, known, &scratch, out) : ST_ABSENT;

	if (s == ST_ABSENT)
		s = load(postoffice, mailbox, name, folder, known, PACKED_FROM, &scratch, out);
	if (s == ST_INVALID) /* the packed state is no good: without it */
		s = load(postoffice, mailbox, name, folder, NULL, INT64_MAX, &scratch, out);
	if (s == ST_OK)
		out->words = arena_copy(a, out->words);
	arena_release(&scratch);
	return s;
}
