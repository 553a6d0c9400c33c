/* A page: zstd over  count, then per message  id, body (differences, varint.h), size, size of the
   header section, size of the envelope, the envelope, and in a whole page size of the part tree, the
   part tree. What a fiber makes in the background
   is asked for by folder_page_grown() after every so many arrivals, and by readers who found no
   page. One fiber per process, one folder after the other. */
#include "provider/folder_page.h"

#include "base/log.h"
#include "mail/envelope.h"
#include "provider/db.h"
#include "provider/folder_page_inside.h"
#include "provider/message_fact_cache.h"
#include "provider/message_head.h"
#include "provider/varint.h"
#include "provider/view_cache.h"
#include "provider/view_load.h"
#include "task/task.h"

#include <pthread.h>
#include <zstd.h>

/* A page makes way only for one of no lower version: newer facts count first, then more of them. Earlier
   programs wrote 1001, 1002, 2001 and 2002, so these begin behind. */
#define VERSION ((MESSAGE_FACT_VERSION + 1) * 1000 + 1) /* envelopes */
#define VERSION_WHOLE (VERSION + 1)                     /* and part trees */
#define PAGE 256                                        /* UIDs */
#define PAGED_FROM 1000                                 /* messages in a folder */
#define PAGE_LEAST 32                                   /* messages in a page */
#define AHEAD 8                                         /* pages read at once */
#define UNKNOWN_FROM 64                                 /* messages for which a look is worth it */
#define ENVELOPE_MOST 4096                              /* a longer one is left out */
#define STRUCTURE_MOST 3072                             /* of a whole page */
#define MANY (4 * PAGE) /* messages, for whose part trees pages are worth it */
#define UNPACKED_MOST ((size_t)2 * 1024 * 1024)
#define LEVEL 1
#define STATE_SHARE 40 /* one in so many arrived: its packed state is made anew */
#define ASK_AGAIN (60 * USEC_S)
#define REST (200 * USEC_MS) /* before a round */

/* ---- reading */

struct wanted {
	int64_t postoffice, mailbox, folder;
	bool whole;
};

/* Those that tell of part trees stand first; all of them tell of envelopes. */
static const int64_t versions[] = {VERSION_WHOLE, VERSION};

static int versions_n(bool whole)
{
	return whole ? 1 : 2;
}

static slice piece_take(struct unpacker *u)
{
	uint64_t size = varint_take(u);

	if (size > (uint64_t)(u->end - u->at)) {
		u->broken = true;
		return (slice){0};
	}
	slice piece = slice_of(u->at, (size_t)size);
	u->at += size;
	return piece;
}

static status page_learn(int64_t postoffice, bool whole, slice packed, arena *a)
{
	unsigned long long size = ZSTD_getFrameContentSize(packed.at, packed.size);

	if (size > UNPACKED_MOST) /* that unknown and broken are, too */
		return ST_INVALID;
	unsigned char *raw = arena_new_array(a, (size_t)size + 1, 1);
	if (ZSTD_decompress(raw, (size_t)size, packed.at, packed.size) != size)
		return ST_INVALID;
	struct unpacker u = {.at = raw, .end = raw + size};
	uint64_t n = varint_take(&u);
	struct message_fact facts[PAGE], last = {0};
	if (n > PAGE)
		return ST_INVALID;
	for (uint64_t i = 0; i < n && !u.broken; i++) {
		struct message_fact *f = &facts[i];

		*f = (struct message_fact){.version = MESSAGE_FACT_VERSION};
		f->message = varint_sum(last.message, varint_take_signed(&u));
		f->blob = varint_sum(last.blob, varint_take_signed(&u));
		f->size = (uint32_t)varint_take(&u);
		f->header_size = (uint32_t)varint_take(&u);
		f->envelope = piece_take(&u);
		if (whole)
			f->structure = piece_take(&u);
		last = *f;
	}
	if (u.broken)
		return ST_INVALID;
	if (whole)
		message_facts_learn(postoffice, facts, (int)n);
	else
		message_facts_enter(postoffice, facts, (int)n);
	return ST_OK;
}

static void want(const struct wanted *w, bool reader, int grown);

void folder_page_bring(const view *v, const uint32_t *uids, int n, bool whole)
{
	arena a = ARENA_INIT;
	struct rows r;

	if (v->count < PAGED_FROM || n < UNKNOWN_FROM)
		return;
	int64_t *ids = arena_new_array(&a, (size_t)n, sizeof *ids);
	for (int i = 0; i < n; i++) {
		const struct view_entry *e = view_find(v, uids[i]);

		ids[i] = e ? e->message : 0;
	}
	int64_t first = uids[0] / PAGE;
	if (message_facts_unknown(v->postoffice, ids, n, whole) >= UNKNOWN_FROM &&
		db_run(SQL_FOLDER_PAGE_READ,
			(struct param[]){p_int(v->postoffice), p_int(v->folder),
				p_int_array(versions, versions_n(whole)), p_int(first),
				p_int(first + AHEAD - 1)},
			5, &a, &r) == ST_OK) {
		for (int i = 0; i < r.count; i++)
			if (page_learn(v->postoffice, row_int(&r, i, 0) == VERSION_WHOLE,
				    row_slice(&r, i, 1), &a) != ST_OK)
				(void)log_trouble(ST_INVALID, EV_VIEW_STATE_BROKEN, NULL);
		if (r.count == 0 && !whole)
			want(&(struct wanted){v->postoffice, v->mailbox, v->folder, false}, true,
				0);
	}
	arena_release(&a);
}

/* ---- making */

static bool fits(const struct message_fact *f, bool whole)
{
	return f->blob && f->envelope.size > 0 && f->envelope.size <= ENVELOPE_MOST &&
	       (!whole || (f->structure.size > 0 && f->structure.size <= STRUCTURE_MOST));
}

static void piece_put(struct packer *p, slice piece)
{
	varint_put(p, piece.size);
	memcpy(p->at, piece.at, piece.size);
	p->at += piece.size;
}

static slice page_pack(const struct message_fact *facts, int n, bool whole, arena *a)
{
	size_t most = 16 + (size_t)n * 6 * VARINT_MOST;
	struct message_fact last = {0};
	int kept = 0;

	for (int i = 0; i < n; i++)
		most += facts[i].envelope.size + facts[i].structure.size;
	unsigned char *raw = arena_new_array(a, most, 1);
	unsigned char *body = raw + VARINT_MOST;
	struct packer p = {body};
	for (int i = 0; i < n; i++) {
		const struct message_fact *f = &facts[i];

		if (!fits(f, whole))
			continue;
		varint_put_signed(&p, varint_difference(f->message, last.message));
		varint_put_signed(&p, varint_difference(f->blob, last.blob));
		varint_put(&p, f->size);
		varint_put(&p, f->header_size);
		piece_put(&p, f->envelope);
		if (whole)
			piece_put(&p, f->structure);
		last = *f;
		kept++;
	}
	size_t size = (size_t)(p.at - body);
	struct packer head = {raw};
	varint_put(&head, (uint64_t)kept);
	memmove(head.at, body, size);
	size += (size_t)(head.at - raw);
	size_t room = ZSTD_compressBound(size);
	char *packed = arena_new_array(a, room, 1);
	size_t got = ZSTD_compress(packed, room, raw, size, LEVEL);
	return ZSTD_isError(got) ? (slice){0} : slice_of(packed, got);
}

struct making {
	struct message_fact *facts;
	const int *open; /* places of those without an envelope */
	arena *a;
};

static status head_take(int which, slice head, void *arg)
{
	struct making *m = arg;
	struct message_fact *f = &m->facts[m->open[which]];

	arena scratch = ARENA_INIT;
	slice packed = envelope_pack(head, &scratch);

	if (packed.size <= ENVELOPE_MOST)
		f->envelope = arena_copy(m->a, packed);
	arena_release(&scratch);
	return ST_OK;
}

static status envelopes_make(int64_t postoffice, struct message_fact *facts, int n, arena *a)
{
	int64_t ids[PAGE];
	int open[PAGE], missing = 0;

	for (int i = 0; i < n; i++) {
		if (facts[i].version == MESSAGE_FACT_VERSION && facts[i].envelope.size > 0)
			continue;
		facts[i].envelope = (slice){0};
		if (!facts[i].blob)
			continue;
		ids[missing] = facts[i].message;
		open[missing++] = i;
	}
	struct making m = {.facts = facts, .open = open, .a = a};
	return missing ? message_heads(postoffice, ids, missing, head_take, &m) : ST_OK;
}

static status page_keep(
	const struct view_image *image, int64_t page, bool whole, slice packed, arena *a)
{
	if (packed.size == 0)
		return ST_BROKEN;
	db_tx *tx = db_begin(DB_RUN, a);
	db_relax(tx); /* a cache: it may get lost */
	db_add(tx, SQL_FOLDER_PAGE_KEEP,
		(struct param[]){p_int(image->postoffice), p_int(image->folder), p_int(page),
			p_int(whole ? VERSION_WHOLE : VERSION), p_bytes(packed),
			p_int(image->modseq)},
		6, NULL);
	TRY(db_commit(&tx, NULL));
	return task_breathe();
}

static status page_make(
	const struct view_image *image, int64_t page, int at, int n, bool whole, arena *a)
{
	int64_t *ids = arena_new_array(a, (size_t)n, sizeof *ids);
	struct message_fact *facts;

	for (int i = 0; i < n; i++)
		ids[i] = image->entries[at + i].message;
	if (whole && !message_facts_whole(image->postoffice, ids, n, a, &facts))
		return ST_OK;
	if (!whole) {
		TRY(message_envelopes(image->postoffice, ids, n, a, &facts, &(int){0}));
		TRY(envelopes_make(image->postoffice, facts, n, a));
	}
	return page_keep(image, page, whole, page_pack(facts, n, whole, a), a);
}

/* All pages that are full and not there yet. */
static status pages_make(const struct view_image *image, bool whole)
{
	arena a = ARENA_INIT, scratch = ARENA_INIT;
	struct rows r;
	int stand_n = 0, k = 0;
	status s = db_one(SQL_FOLDER_PAGE_LIST,
		(struct param[]){p_int(image->postoffice), p_int(image->folder),
			p_int_array(versions, versions_n(whole))},
		3, &a, &r);
	const int64_t *stand = s == ST_OK ? row_int_array(&r, 0, 0, &a, &stand_n) : NULL;

	for (int at = 0, end; s == ST_OK && at < image->count; at = end) {
		int64_t page = image->entries[at].uid / PAGE;

		if ((page + 1) * PAGE > image->uidnext)
			break;
		end = image_at(image, (uint32_t)((page + 1) * PAGE));
		while (k < stand_n && stand[k] < page)
			k++;
		if (end - at >= PAGE_LEAST && !(k < stand_n && stand[k] == page))
			s = page_make(image, page, at, end - at, whole, &scratch);
		arena_clear(&scratch);
		task_breathe();
	}
	arena_release(&scratch);
	arena_release(&a);
	return s;
}

/* ---- when */

#define SLOTS 1024
#define PENDING_MOST 32

struct slot { /* of the last folder with this hash */
	int64_t folder;
	int grown, since_state;
	usec asked_at; /* by a reader */
};
static struct {
	pthread_mutex_t lock; /* never held across a wait */
	struct slot slots[SLOTS];
	struct wanted pending[PENDING_MOST]; /* the next one first */
	int pending_n;
	bool running;
} pages = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* With the lock held. */
static struct slot *slot_of(int64_t folder)
{
	struct slot *s = &pages.slots[(uint64_t)folder * 0x9e3779b97f4a7c15u >> 54];

	if (s->folder != folder)
		*s = (struct slot){.folder = folder};
	return s;
}

/* Whether enough came in for a new packed state. */
static bool state_due(const struct view_image *image)
{
	pthread_mutex_lock(&pages.lock);
	struct slot *s = slot_of(image->folder);
	bool due = s->since_state > image->count / STATE_SHARE;
	if (due)
		s->since_state = 0;
	pthread_mutex_unlock(&pages.lock);
	return due;
}

status folder_page_make(int64_t postoffice, int64_t mailbox, int64_t folder, bool whole)
{
	struct view_image *known = view_cache_folder(folder);
	arena a = ARENA_INIT;
	struct view_loaded l;
	status s = view_load(postoffice, mailbox, S(""), folder, known, false, &a, &l);

	image_let(&known);
	if (s == ST_OK) {
		if (l.image->count >= PAGED_FROM) {
			if (state_due(l.image))
				view_state_keep(l.image);
			if (whole)
				s = pages_make(l.image, true);
			if (s == ST_OK)
				s = pages_make(l.image, false);
		}
		image_let(&l.image);
	}
	arena_release(&a);
	return s;
}

static bool next_take(struct wanted *w)
{
	pthread_mutex_lock(&pages.lock);
	bool some = pages.running = pages.pending_n > 0;
	if (some) {
		*w = pages.pending[0];
		memmove(pages.pending, pages.pending + 1,
			(size_t)--pages.pending_n * sizeof *pages.pending);
	}
	pthread_mutex_unlock(&pages.lock);
	return some;
}

/* Of a burst of appends or copies all is made at once, and behind their answers. Trouble is told where
   it is first seen, and readers do without. */
static status make_all(void *unused)
{
	struct wanted w;
	status s = task_sleep(REST);

	(void)unused;
	while (next_take(&w))
		if (s == ST_OK) /* else the worker ends */
			(void)folder_page_make(w.postoffice, w.mailbox, w.folder, w.whole);
	return s;
}

/* With the lock held. */
static void pending_add(const struct wanted *w)
{
	for (int i = 0; i < pages.pending_n; i++)
		if (pages.pending[i].folder == w->folder) {
			pages.pending[i].whole |= w->whole;
			return;
		}
	if (pages.pending_n < PENDING_MOST)
		pages.pending[pages.pending_n++] = *w;
}

/* With the lock held. */
static bool is_due(const struct wanted *w, bool reader, int grown)
{
	struct slot *s = slot_of(w->folder);

	s->grown += grown;
	s->since_state += grown;
	if (w->whole)
		return true;
	if (s->grown < PAGE && !(reader && clock_now() > s->asked_at + ASK_AGAIN))
		return false;
	s->grown = 0;
	s->asked_at = clock_now();
	return true;
}

static void want(const struct wanted *w, bool reader, int grown)
{
	if (!task_self()) /* no fiber can be started from here; others will do it */
		return;
	pthread_mutex_lock(&pages.lock);
	bool due = is_due(w, reader, grown);
	if (due)
		pending_add(w);
	bool start = due && !pages.running;
	pages.running |= start;
	pthread_mutex_unlock(&pages.lock);
	if (start && !task_start("pages", make_all, NULL)) {
		pthread_mutex_lock(&pages.lock);
		pages.running = false; /* the next one tries again */
		pthread_mutex_unlock(&pages.lock);
	}
}

void folder_page_grown(int64_t postoffice, int64_t mailbox, int64_t folder, int n)
{
	want(&(struct wanted){postoffice, mailbox, folder, false}, false, n);
}

/* ---- of readers that pack part trees */

bool folder_page_takes(const view *v, uint32_t uid, const struct message_fact *f)
{
	uint32_t first = uid / PAGE * PAGE;

	return task_self() && v->count >= MANY && first + PAGE <= v->uidnext && fits(f, true) &&
	       view_place(v->uids, v->n, first + PAGE) - view_place(v->uids, v->n, first) >=
		       PAGE_LEAST;
}

void folder_page_keep(const view *v)
{
	want(&(struct wanted){v->postoffice, v->mailbox, v->folder, true}, false, 0);
}
