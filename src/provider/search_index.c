/* Filling the index.

   messages by id  |<--- old, newest first ---|reached    settled|--- may come late ---|now
                      search_index_old               done         looked through anew

   An id is made when a message begins to come and seen when it is committed, so what is younger
   than LATE is looked through again and again: now and then all of it, else only what the last
   turns can have missed. */
#include "provider/search_index.h"

#include "base/id.h"
#include "base/memory.h"
#include "mail/sketch.h"
#include "provider/blob.h"
#include "provider/change.h"
#include "provider/db.h"
#include "provider/lease.h"
#include "provider/message_sketch.h"
#include "provider/setting.h"
#include "task/task.h"

#define LEASE (2 * 60 * USEC_S)
#define LATE (15 * 60 * USEC_S)          /* what takes longer to come may stay without a sketch */
#define THOROUGH_EVERY (5 * 60 * USEC_S) /* all that is younger than LATE */
#define GLANCE (60 * USEC_S) /* before the last turn: where most of what is new stands */
#define OFFICES 1000         /* asked for at once */
#define PAGE 256             /* messages looked at at once */
#define PAGES_MOST 8 /* with new mail in them, of one post office before the next one's turn */
#define SMALL ((size_t)32 * 1024)    /* bodies that come together */
#define AT_ONCE ((size_t)128 * 1024) /* octets that are sketched in the loop */
#define DROP_BATCH 1000
#define DROPS_MOST 50
#define DROPPED 0 /* the version of an index that is to go */

/* What the one process that is at it knows of its last turn. */
static struct {
	lease held;
	usec looked_at, thorough_at; /* 0: nothing is known */
} my = {.held = {.name = S("search index"), .span = LEASE}};

struct office {
	int64_t id, version, settled, reached;
};

static bool wanted(int64_t postoffice)
{
	return setting_on(S_search_index, &(struct setting_at){.postoffice = postoffice});
}

/* ---- one page of messages */

struct page {
	const struct office *o;
	arena a;
	int count, n; /* rows; those without a sketch */
	int64_t last; /* id of the last row */
	int64_t ids[PAGE], blobs[PAGE], sizes[PAGE];
	slice sketches[PAGE]; /* a NULL pointer: not made */
};

static status page_read(struct page *p, enum statement_id list, int64_t from, int64_t most)
{
	struct rows r;

	p->n = 0;
	TRY(db_run(list,
		(struct param[]){p_int(p->o->id), p_int(from), p_int(most), p_int(SKETCH_VERSION)},
		4, &p->a, &r));
	p->count = r.count;
	for (int i = 0; i < r.count && i < PAGE; i++) {
		p->last = row_int(&r, i, 0);
		if (row_bool(&r, i, 3))
			continue;
		p->ids[p->n] = p->last;
		p->blobs[p->n] = row_int(&r, i, 1);
		p->sizes[p->n] = row_int(&r, i, 2);
		p->sketches[p->n++] = (slice){0};
	}
	return ST_OK;
}

struct sketching {
	slice raw, sketch;
	arena *a;
};

static status sketch_run(void *arg)
{
	struct sketching *s = arg;

	s->sketch = sketch_make(s->raw, s->a);
	return ST_OK;
}

static status body_take(int which, slice raw, void *arg)
{
	struct page *p = arg;
	struct sketching s = {.raw = raw, .a = &p->a};

	TRY(raw.size > AT_ONCE ? task_offload(sketch_run, &s) : sketch_run(&s));
	p->sketches[which] = s.sketch;
	return ST_OK;
}

static status big_take(struct page *p, int which)
{
	arena a = ARENA_INIT;
	slice raw = {0};
	status s = blob_head(p->o->id, p->blobs[which], SEEK_MOST, &a, &raw);

	if (s == ST_OK)
		s = body_take(which, raw, p);
	else if (s == ST_ABSENT || s == ST_BROKEN)
		s = ST_OK; /* gone meanwhile, or told already: it stays without */
	arena_release(&a);
	return s;
}

static status page_sketch(struct page *p)
{
	status s = blob_each_small(p->o->id, p->blobs, p->n, SMALL, body_take, p);

	if (s == ST_BROKEN) /* one of them; the others come one by one */
		s = ST_OK;
	for (int i = 0; s == ST_OK && i < p->n; i++)
		if (!p->sketches[i].at)
			s = big_take(p, i);
	return s;
}

/* What was made, and how far the index is now. */
static status page_keep(struct page *p, struct search_index_turn *done)
{
	int made = 0;

	for (int i = 0; i < p->n; i++) {
		if (!p->sketches[i].at)
			continue;
		p->ids[made] = p->ids[i];
		p->sketches[made++] = p->sketches[i];
	}
	db_tx *tx = db_begin(DB_RUN, &p->a);
	db_relax(tx);
	if (made > 0)
		db_add(tx, SQL_MESSAGE_SKETCHES_KEEP,
			(struct param[]){p_int(p->o->id), p_int_array(p->ids, made),
				p_int(SKETCH_VERSION), p_bytes_array(p->sketches, made)},
			4, NULL);
	db_add(tx, SQL_SEARCH_INDEX_NOTE,
		(struct param[]){p_int(p->o->id), p_int(p->o->settled), p_int(p->o->reached),
			p_int(p->o->version)},
		4, NULL);
	done->sketched += made;
	return db_commit(&tx, NULL);
}

/* ---- new mail */

static int64_t lesser(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* From `from` on, which is o->settled when it is to rise. */
static status fill_new(
	struct office *o, struct page *p, int64_t from, struct search_index_turn *done)
{
	bool thorough = from <= o->settled;
	int64_t late = id_at(clock_wall() - LATE);

	for (int full = 0; full < PAGES_MOST;) {
		int64_t settled = o->settled;

		TRY(page_read(p, SQL_SEARCH_INDEX_NEWER, from, PAGE));
		bool end = p->count < PAGE;
		from = p->count > 0 ? p->last + 1 : from;
		if (thorough && late > settled)
			o->settled = end ? late : lesser(from, late);
		if (p->n > 0) {
			TRY(page_sketch(p));
			full++;
		}
		if (p->n > 0 || o->settled > settled)
			TRY(page_keep(p, done));
		arena_clear(&p->a);
		if (end)
			return ST_OK;
		TRY(task_breathe());
	}
	done->more = true;
	return ST_OK;
}

/* ---- old mail */

static status fill_old(
	struct office *o, struct page *p, int64_t *allowed, struct search_index_turn *done)
{
	while (o->reached > 0 && *allowed > 0) {
		int64_t most = lesser(*allowed, PAGE);

		TRY(page_read(p, SQL_SEARCH_INDEX_OLDER, o->reached, most));
		o->reached = p->count < most ? 0 : p->last;
		*allowed -= p->n + 1;
		if (p->n > 0)
			TRY(page_sketch(p));
		TRY(page_keep(p, done));
		arena_clear(&p->a);
		TRY(task_breathe());
	}
	return ST_OK;
}

/* ---- the end of an index */

static status drop(struct office *o, struct search_index_turn *done)
{
	struct param p[] = {p_int(o->id), p_int(DROP_BATCH)};
	arena a = ARENA_INIT;
	struct rows r = {.changed = DROP_BATCH};
	status s = ST_OK;

	for (int i = 0; i < DROPS_MOST && s == ST_OK && r.changed == DROP_BATCH; i++) {
		s = db_run(SQL_POSTOFFICE_EMPTY_SKETCHES, p, 2, &a, &r);
		done->dropped += s == ST_OK ? r.changed : 0;
		if (s == ST_OK)
			s = task_breathe();
	}
	if (s == ST_OK && r.changed < DROP_BATCH)
		s = db_run(SQL_SEARCH_INDEX_FORGET, p, 1, &a, NULL);
	arena_release(&a);
	return s;
}

/* ---- turns */

static status begin(struct office *o)
{
	arena a = ARENA_INIT;

	o->version = SKETCH_VERSION;
	o->settled = o->reached = id_at(clock_wall() - LATE);
	status s = db_run(SQL_SEARCH_INDEX_BEGIN,
		(struct param[]){p_int(o->id), p_int(o->version), p_int(o->settled)}, 3, &a, NULL);
	arena_release(&a);
	return s;
}

static status fill(
	struct office *o, int64_t glance, int64_t *allowed, struct search_index_turn *done)
{
	struct page *p = memory_new(sizeof *p);
	status s = ST_OK;

	p->o = o;
	if (o->version < SKETCH_VERSION) {
		s = begin(o);
		glance = 0;
	}
	if (s == ST_OK)
		s = fill_new(o, p, glance > o->settled ? glance : o->settled, done);
	if (s == ST_OK)
		s = fill_old(o, p, allowed, done);
	arena_release(&p->a);
	memory_free(p);
	return s;
}

static status offices_after(int64_t after, arena *a, struct rows *r)
{
	return db_run(
		SQL_SEARCH_INDEX_OFFICES, (struct param[]){p_int(after), p_int(OFFICES)}, 2, a, r);
}

static status office_tend(const struct rows *r, int i, int64_t glance, int64_t *allowed,
	struct search_index_turn *done)
{
	struct office o = {row_int(r, i, 0), row_int(r, i, 2), row_int(r, i, 3), row_int(r, i, 4)};
	bool stands = !row_null(r, i, 2), on = wanted(o.id);

	if (stands && (!on || o.version == DROPPED))
		return drop(&o, done);
	if (!on || o.version > SKETCH_VERSION) /* a newer program's: during an upgrade both run */
		return ST_OK;
	TRY(lease_take(&my.held));
	return fill(&o, glance, allowed, done);
}

static status offices_tend(int64_t glance, struct search_index_turn *done)
{
	int64_t after = 0;
	int64_t allowed = setting_number(S_search_index_old, NULL) *
			  setting_number(S_search_index_every, NULL) / USEC_S;
	arena a = ARENA_INIT;
	struct rows r = {.count = OFFICES};
	status s = ST_OK;

	while (s == ST_OK && r.count == OFFICES) {
		arena_clear(&a);
		s = offices_after(after, &a, &r);
		for (int i = 0; s == ST_OK && i < r.count; i++) {
			after = row_int(&r, i, 0);
			s = office_tend(&r, i, glance, &allowed, done);
		}
	}
	arena_release(&a);
	return s;
}

status search_index_run(struct search_index_turn *done)
{
	usec now = clock_wall();
	bool thorough = my.looked_at == 0 || now - my.thorough_at > THOROUGH_EVERY;

	*done = (struct search_index_turn){0};
	TRY(lease_take(&my.held));
	status s = offices_tend(thorough ? 0 : id_at(my.looked_at - GLANCE), done);
	my.looked_at = s == ST_OK && !done->more ? now : 0;
	if (s == ST_OK && thorough)
		my.thorough_at = now;
	return s;
}

void search_index_stop(void)
{
	lease_give_back(&my.held);
	my.looked_at = 0;
}

/* ---- for operators */

static status row_count(struct search_index_row *row)
{
	arena a = ARENA_INIT;
	struct rows r;
	status s = db_one(SQL_POSTOFFICE_SKETCHED,
		(struct param[]){p_int(row->postoffice), p_int(SKETCH_VERSION)}, 2, &a, &r);

	if (s == ST_OK) {
		row->messages = row_int(&r, 0, 0);
		row->sketched = row_int(&r, 0, 1);
	}
	arena_release(&a);
	return s;
}

static status rows_add(const struct rows *r, arena *a, struct search_index_row *rows, int *n)
{
	for (int i = 0; i < r->count; i++) {
		struct search_index_row row = {
			.postoffice = row_int(r, i, 0), .wanted = wanted(row_int(r, i, 0))};

		if (row_null(r, i, 2) && !row.wanted)
			continue;
		row.name = arena_copy(a, row_slice(r, i, 1));
		row.current = row_int(r, i, 2) == SKETCH_VERSION;
		row.newer = row_int(r, i, 2) > SKETCH_VERSION;
		row.complete = row.current && row_int(r, i, 4) == 0;
		TRY(row_count(&row));
		rows[(*n)++] = row;
	}
	return ST_OK;
}

status search_index_list(arena *a, struct search_index_row **rows, int *n)
{
	struct rows r = {.count = OFFICES};
	int64_t after = 0;

	*rows = NULL;
	*n = 0;
	while (r.count == OFFICES) {
		struct search_index_row *before = *rows;

		TRY(offices_after(after, a, &r));
		*rows = arena_new_array(a, (size_t)*n + (size_t)r.count + 1, sizeof **rows);
		if (*n > 0)
			memcpy(*rows, before, (size_t)*n * sizeof **rows);
		TRY(rows_add(&r, a, *rows, n));
		after = r.count > 0 ? row_int(&r, r.count - 1, 0) : after;
	}
	return ST_OK;
}

status search_index_rebuild(int64_t postoffice, const struct audit_by *by)
{
	arena a = ARENA_INIT;
	status s = change_named(postoffice, SQL_SEARCH_INDEX_DROP,
		(struct param[]){p_int(postoffice), p_int(DROPPED)}, 2, by, "index.rebuild", S(""),
		&a);

	arena_release(&a);
	return s;
}
