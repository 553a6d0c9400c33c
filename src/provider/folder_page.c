/* A page: zstd over  version, count, then per message  id, body, size, size of the header section
   (differences, varint.h), size of the envelope, the envelope. What a fiber makes in the background
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

#define VERSION (1 * 1000 + MESSAGE_FACT_VERSION)
#define PAGE 256           /* UIDs */
#define PAGED_FROM 1000    /* messages in a folder */
#define PAGE_LEAST 32      /* messages in a page */
#define AHEAD 8            /* pages read at once */
#define UNKNOWN_FROM 64    /* messages for which a look is worth it */
#define ENVELOPE_MOST 4096 /* a longer one is left out */
#define UNPACKED_MOST ((size_t)2 * 1024 * 1024)
#define LEVEL 1
#define STATE_SHARE 40 /* one in so many arrived: its packed state is made anew */
#define ASK_AGAIN (60 * USEC_S)
#define REST (200 * USEC_MS) /* before a round */

/* ---- reading */

static status page_learn(int64_t postoffice, slice packed, arena *a)
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
		uint64_t envelope = varint_take(&u);
		if (envelope > (uint64_t)(u.end - u.at))
			return ST_INVALID;
		f->envelope = slice_of(u.at, (size_t)envelope);
		u.at += envelope;
		last = *f;
	}
	if (u.broken)
		return ST_INVALID;
	message_facts_enter(postoffice, facts, (int)n);
	return ST_OK;
}

static void want(int64_t postoffice, int64_t mailbox, int64_t folder, bool reader, int grown);

void folder_page_bring(const view *v, const uint32_t *uids, int n)
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
	if (message_facts_unknown(v->postoffice, ids, n) >= UNKNOWN_FROM &&
		db_run(SQL_FOLDER_PAGE_READ,
			(struct param[]){p_int(v->postoffice), p_int(v->folder), p_int(VERSION),
				p_int(first), p_int(first + AHEAD - 1)},
			5, &a, &r) == ST_OK) {
		for (int i = 0; i < r.count; i++)
			if (page_learn(v->postoffice, row_slice(&r, i, 0), &a) != ST_OK)
				(void)log_trouble(ST_INVALID, EV_VIEW_STATE_BROKEN, NULL);
		if (r.count == 0)
			want(v->postoffice, v->mailbox, v->folder, true, 0);
	}
	arena_release(&a);
}

/* ---- making */

static slice page_pack(const struct message_fact *facts, int n, arena *a)
{
	size_t most = 16 + (size_t)n * 5 * VARINT_MOST;
	struct message_fact last = {0};
	int kept = 0;

	for (int i = 0; i < n; i++)
		most += facts[i].envelope.size;
	unsigned char *raw = arena_new_array(a, most, 1);
	unsigned char *body = raw + VARINT_MOST;
	struct packer p = {body};
	for (int i = 0; i < n; i++) {
		const struct message_fact *f = &facts[i];

		if (!f->blob || f->envelope.size == 0 || f->envelope.size > ENVELOPE_MOST)
			continue;
		varint_put_signed(&p, varint_difference(f->message, last.message));
		varint_put_signed(&p, varint_difference(f->blob, last.blob));
		varint_put(&p, f->size);
		varint_put(&p, f->header_size);
		varint_put(&p, f->envelope.size);
		memcpy(p.at, f->envelope.at, f->envelope.size);
		p.at += f->envelope.size;
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

	f->envelope = envelope_pack(head, m->a);
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

static status page_make(const struct view_image *image, int64_t page, int at, int n, arena *a)
{
	int64_t *ids = arena_new_array(a, (size_t)n, sizeof *ids);
	struct message_fact *facts;

	for (int i = 0; i < n; i++)
		ids[i] = image->entries[at + i].message;
	TRY(message_envelopes(image->postoffice, ids, n, a, &facts));
	TRY(envelopes_make(image->postoffice, facts, n, a));
	slice packed = page_pack(facts, n, a);
	if (packed.size == 0)
		return ST_BROKEN;
	db_tx *tx = db_begin(DB_RUN, a);
	db_relax(tx); /* a cache: it may get lost */
	db_add(tx, SQL_FOLDER_PAGE_KEEP,
		(struct param[]){p_int(image->postoffice), p_int(image->folder), p_int(page),
			p_int(VERSION), p_bytes(packed), p_int(image->modseq)},
		6, NULL);
	TRY(db_commit(&tx, NULL));
	return task_breathe();
}

/* All pages that are full and not there yet. */
static status pages_make(const struct view_image *image)
{
	arena a = ARENA_INIT, scratch = ARENA_INIT;
	struct rows r;
	int stand_n = 0, k = 0;
	status s = db_one(SQL_FOLDER_PAGE_LIST,
		(struct param[]){p_int(image->postoffice), p_int(image->folder), p_int(VERSION)}, 3,
		&a, &r);
	const int64_t *stand = s == ST_OK ? row_int_array(&r, 0, 0, &a, &stand_n) : NULL;

	for (int at = 0, end; s == ST_OK && at < image->count; at = end) {
		int64_t page = image->entries[at].uid / PAGE;

		if ((page + 1) * PAGE > image->uidnext)
			break;
		end = image_at(image, (uint32_t)((page + 1) * PAGE));
		while (k < stand_n && stand[k] < page)
			k++;
		if (end - at >= PAGE_LEAST && !(k < stand_n && stand[k] == page))
			s = page_make(image, page, at, end - at, &scratch);
		arena_clear(&scratch);
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
struct wanted {
	int64_t postoffice, mailbox, folder;
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

status folder_page_make(int64_t postoffice, int64_t mailbox, int64_t folder)
{
	struct view_image *known = view_cache_folder(folder);
	arena a = ARENA_INIT;
	struct view_loaded l;
	status s = view_load(postoffice, mailbox, S(""), folder, known, &a, &l);

	image_let(&known);
	if (s == ST_OK) {
		if (l.image->count >= PAGED_FROM) {
			if (state_due(l.image))
				view_state_keep(l.image);
			s = pages_make(l.image);
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
			(void)folder_page_make(w.postoffice, w.mailbox, w.folder);
	return s;
}

/* With the lock held. */
static void pending_add(int64_t postoffice, int64_t mailbox, int64_t folder)
{
	for (int i = 0; i < pages.pending_n; i++)
		if (pages.pending[i].folder == folder)
			return;
	if (pages.pending_n < PENDING_MOST)
		pages.pending[pages.pending_n++] = (struct wanted){postoffice, mailbox, folder};
}

static void want(int64_t postoffice, int64_t mailbox, int64_t folder, bool reader, int grown)
{
	bool start;

	if (!task_self()) /* no fiber can be started from here; others will do it */
		return;
	pthread_mutex_lock(&pages.lock);
	struct slot *s = slot_of(folder);
	s->grown += grown;
	s->since_state += grown;
	bool due = s->grown >= PAGE || (reader && clock_now() > s->asked_at + ASK_AGAIN);
	if (due) {
		s->grown = 0;
		s->asked_at = clock_now();
		pending_add(postoffice, mailbox, folder);
	}
	start = due && !pages.running;
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
	want(postoffice, mailbox, folder, false, n);
}
