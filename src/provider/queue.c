/* Running the queue: leases, claims, results.

       qshard    owner, epoch, lease     whoever takes a shard raises its epoch
       qrunner   name, seen, trying      what this process has in its hands

   A claim reads; it writes only the list of what is being tried, without waiting for the disk. A
   result names the epoch of its lease: where that is not the shard's any more, it changes nothing
   (R7). The list tells a successor what its predecessor died with (R8). */
#include "provider/queue.h"

#include "base/id.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/metric.h"
#include "provider/change.h"
#include "provider/queue_row.h"
#include "provider/setting.h"
#include "provider/trace.h"
#include "provider/watch.h"

#include <inttypes.h>
#include <stdlib.h>

#define KILLS_MOST 3
#define FIRST_OFFICE (-1)
#define NOTED                                                                                      \
	380 /* rows in qrunner.trying, as long as no more are being sent: with their ages two      \
	       versions of the list share a page */
#define AGE_MOST INT16_MAX /* seconds */

struct claimed {
	int64_t id;
	int shard;
	bool suspect;
	bool trying; /* stands in qrunner.trying */
	bool ending; /* its result is on its way */
	usec since;  /* in hand, by this process's clock */
};

struct queue_runner {
	int64_t owner;
	arena facts;
	slice name;
	int64_t epoch[QUEUE_SHARDS];   /* 0: not leased */
	int64_t cursor[QUEUE_SHARDS];  /* post office served last, of queue */
	int64_t cursor2[QUEUE_SHARDS]; /* and of queue_deferred */
	int64_t cursor_fresh
		[QUEUE_SHARDS]; /* of queue, for claims of what is fresh: others may be amid a round */
	bool leaving;
	uint64_t surplus; /* to be given back when nothing of it is claimed */
	struct claimed *claimed;
	int n, room;
};

static db_tx *begin(arena *a)
{
	db_tx *tx = db_begin(DB_SYSTEM, a);

	db_add(tx, SQL_QUEUE_BY_INDEX, NULL, 0, NULL);
	return tx;
}

/* One statement in a transaction of its own. */
static status run(enum statement_id id, const struct param *p, int n, arena *a, struct rows *out)
{
	db_tx *tx = begin(a);

	db_add(tx, id, p, n, out);
	return db_commit(&tx, NULL);
}

/* ---- what is in hand */

static void claimed_add(queue_runner *r, const queue_entry *e)
{
	if (r->n == r->room) {
		r->room = r->room ? 2 * r->room : 64;
		r->claimed = memory_grow(r->claimed, (size_t)r->room * sizeof *r->claimed);
	}
	r->claimed[r->n++] = (struct claimed){
		.id = e->id, .shard = e->shard, .suspect = e->kills > 0, .since = clock_now()};
}

static void claimed_remove(queue_runner *r, int64_t id)
{
	for (int i = 0; i < r->n; i++)
		if (r->claimed[i].id == id) {
			r->n--;
			memmove(&r->claimed[i], &r->claimed[i + 1],
				(size_t)(r->n - i) * sizeof *r->claimed);
			return;
		}
}

static uint64_t claimed_shards(const queue_runner *r)
{
	uint64_t shards = 0;

	for (int i = 0; i < r->n; i++)
		shards |= UINT64_C(1) << r->claimed[i].shard;
	return shards;
}

static const int64_t *claimed_ids(const queue_runner *r, int shard, arena *a, int *n)
{
	int64_t *ids = arena_new_array(a, (size_t)r->n, sizeof *ids);

	*n = 0;
	for (int i = 0; i < r->n; i++)
		if (r->claimed[i].shard == shard)
			ids[(*n)++] = r->claimed[i].id;
	return ids;
}

static void trying_add(queue_runner *r, db_tx *tx, arena *a)
{
	int64_t *ids = arena_new_array(a, (size_t)r->n * 2, sizeof *ids), *ages = ids + r->n;
	usec now = clock_now();
	int n = 0;

	for (int i = 0; i < r->n; i++)
		if (r->claimed[i].trying && !r->claimed[i].ending) {
			int64_t age = (now - r->claimed[i].since) / USEC_S;

			ages[n] = age < AGE_MOST ? age : AGE_MOST;
			ids[n++] = r->claimed[i].id;
		}
	db_add(tx, SQL_QRUNNER_TRYING,
		(struct param[]){p_int(r->owner), p_int_array(ids, n), p_int_array(ages, n)}, 3,
		NULL);
}

/* What may be tried before the list is written again: those claimed first. What waits for a host
   that does not answer must not make the list longer, for it is written every time. False: it is as
   it was. */
static bool trying_choose(queue_runner *r)
{
	bool changed = false;
	int n = 0;

	for (int i = 0; i < r->n; i++)
		n += r->claimed[i].trying;
	for (int i = 0; i < r->n && n < NOTED; i++)
		if (!r->claimed[i].trying && !r->claimed[i].suspect) {
			r->claimed[i].trying = changed = true;
			n++;
		}
	return changed;
}

/* Lost with a crash of PostgreSQL, which is no runner's death. */
static status trying_note(queue_runner *r, arena *a)
{
	db_tx *tx = db_begin(DB_SYSTEM, a);

	db_relax(tx);
	trying_add(r, tx, a);
	return db_commit(&tx, NULL);
}

/* ---- opening and closing */

status queue_runner_open(queue_runner **out)
{
	queue_runner *r = memory_new(sizeof *r);

	*r = (queue_runner){.owner = id_new(), .facts = ARENA_INIT};
	r->name = arena_format(
		&r->facts, "%.*s %.*s", SLICE_ARGS(node_name()), SLICE_ARGS(node_process()));
	for (int s = 0; s < QUEUE_SHARDS; s++)
		r->cursor[s] = r->cursor2[s] = r->cursor_fresh[s] = FIRST_OFFICE;
	status kind = db_run(SQL_QRUNNER_SEEN, (struct param[]){p_int(r->owner), p_text(r->name)},
		2, NULL, NULL);
	if (kind != ST_OK) {
		arena_release(&r->facts);
		memory_free(r);
		return kind;
	}
	*out = r;
	return ST_OK;
}

status queue_runner_leave(queue_runner *r)
{
	r->leaving = true;
	return db_run(SQL_QRUNNER_LEAVE, (struct param[]){p_int(r->owner)}, 1, NULL, NULL);
}

static int64_t *shard_numbers(uint64_t shards, arena *a, int *n)
{
	int64_t *numbers = arena_new_array(a, QUEUE_SHARDS, sizeof *numbers);

	*n = 0;
	for (int s = 0; s < QUEUE_SHARDS; s++)
		if (shards >> s & 1)
			numbers[(*n)++] = s;
	return numbers;
}

static void give_back_add(const queue_runner *r, db_tx *tx, uint64_t shards, arena *a)
{
	int n;
	const int64_t *numbers = shard_numbers(shards, a, &n);

	db_add(tx, SQL_QSHARD_GIVE_BACK, (struct param[]){p_int(r->owner), p_int_array(numbers, n)},
		2, NULL);
}

void queue_runner_close(queue_runner **out)
{
	queue_runner *r = *out;
	arena a = ARENA_INIT;

	if (!r)
		return;
	db_tx *tx = db_begin(DB_SYSTEM, &a);
	give_back_add(r, tx, UINT64_MAX, &a);
	db_add(tx, SQL_QRUNNER_GONE, (struct param[]){p_int(r->owner)}, 1, NULL);
	db_commit(&tx, NULL);
	arena_release(&a);
	arena_release(&r->facts);
	memory_free(r->claimed);
	memory_free(r);
	*out = NULL;
}

uint64_t queue_runner_shards(const queue_runner *r)
{
	uint64_t shards = 0;

	for (int s = 0; s < QUEUE_SHARDS; s++)
		if (r->epoch[s])
			shards |= UINT64_C(1) << s;
	return shards & ~r->surplus;
}

/* ---- leases */

static int count_of(uint64_t shards)
{
	return __builtin_popcountll(shards);
}

/* What is still ours, by the database's word; *alive = runners there are. */
static status renew(queue_runner *r, usec lease, int64_t *alive, uint64_t *lost)
{
	arena a = ARENA_INIT;
	struct rows renewed, living;
	uint64_t before = queue_runner_shards(r) | r->surplus, now = 0;
	db_tx *tx = db_begin(DB_SYSTEM, &a);

	db_relax(tx);
	db_add(tx, SQL_QRUNNER_SEEN, (struct param[]){p_int(r->owner), p_text(r->name)}, 2, NULL);
	db_add(tx, SQL_QSHARD_RENEW, (struct param[]){p_int(r->owner), p_int(lease)}, 2, &renewed);
	db_add(tx, SQL_QRUNNER_ALIVE, (struct param[]){p_int(lease)}, 1, &living);
	status kind = db_commit(&tx, NULL);
	if (kind == ST_OK) {
		for (int s = 0; s < QUEUE_SHARDS; s++)
			r->epoch[s] = 0;
		for (int i = 0; i < renewed.count; i++) {
			int64_t shard = row_int(&renewed, i, 0);

			r->epoch[shard] = row_int(&renewed, i, 1);
			now |= UINT64_C(1) << shard;
		}
		r->surplus &= now;
		*alive = living.count && row_int(&living, 0, 0) > 0 ? row_int(&living, 0, 0) : 1;
		*lost = before & ~now;
	}
	arena_release(&a);
	return kind;
}

/* The rows their dead runners had in hand. */
static status blame(db_tx *tx, const struct rows *taken, arena *a, struct rows *parked)
{
	int64_t *dead = arena_new_array(a, (size_t)taken->count * 2, sizeof *dead),
		*shards = dead + taken->count;
	int n = 0;

	*parked = (struct rows){0};
	for (int i = 0; i < taken->count; i++)
		if (row_int(taken, i, 2) != 0) {
			shards[n] = row_int(taken, i, 0);
			dead[n++] = row_int(taken, i, 2);
		}
	if (n > 0)
		db_add(tx, SQL_QUEUE_KILLED,
			(struct param[]){
				p_int_array(dead, n), p_int_array(shards, n), p_int(KILLS_MOST)},
			3, parked);
	return ST_OK;
}

static void tell_parked(const struct rows *blamed)
{
	for (int i = 0; i < blamed->count; i++) {
		char id[ID_TEXT_SIZE + 1];

		id_text(row_int(blamed, i, 2), id);
		if (row_int(blamed, i, 3) < KILLS_MOST)
			continue;
		log_event(EV_QUEUE_PARKED, "entry=%s", id);
		trace_note(row_int(blamed, i, 0), row_int(blamed, i, 1), TRACE_PARKED,
			"entry=%s why=\"its worker ended %d times\"", id, KILLS_MOST);
	}
}

static status take(queue_runner *r, int most, usec lease)
{
	arena a = ARENA_INIT;
	struct rows taken, blamed = {0};
	db_tx *tx = begin(&a);

	db_add(tx, SQL_QSHARD_TAKE,
		(struct param[]){p_int(r->owner), p_int(most), p_int(lease), p_text(r->name)}, 4,
		&taken);
	status kind = db_flush(tx);
	if (kind == ST_OK && taken.count > 0)
		kind = blame(tx, &taken, &a, &blamed);
	if (kind == ST_OK && taken.count > 0)
		kind = db_commit(&tx, NULL);
	else
		db_rollback(&tx);
	for (int i = 0; kind == ST_OK && i < taken.count; i++)
		r->epoch[row_int(&taken, i, 0)] = row_int(&taken, i, 1);
	if (kind == ST_OK && taken.count > 0)
		log_event(EV_QUEUE_TAKEN, "shards=%d", taken.count);
	if (kind == ST_OK)
		tell_parked(&blamed);
	arena_release(&a);
	return kind;
}

/* Marks what is over the share and gives back what of it nothing is claimed of. */
static status give_back(queue_runner *r, int share)
{
	uint64_t own = queue_runner_shards(r), idle;
	arena a = ARENA_INIT;
	status kind = ST_OK;

	for (int s = 0; s < QUEUE_SHARDS && count_of(own) > share; s++)
		if (own >> s & 1) {
			r->surplus |= UINT64_C(1) << s;
			own &= ~(UINT64_C(1) << s);
		}
	idle = r->surplus & ~claimed_shards(r);
	if (idle) {
		db_tx *tx = db_begin(DB_SYSTEM, &a);
		give_back_add(r, tx, idle, &a);
		kind = db_commit(&tx, NULL);
	}
	for (int s = 0; kind == ST_OK && s < QUEUE_SHARDS; s++)
		if (idle >> s & 1)
			r->epoch[s] = 0;
	if (kind == ST_OK)
		r->surplus &= ~idle;
	arena_release(&a);
	return kind;
}

status queue_runner_lease(queue_runner *r, uint64_t *lost)
{
	usec lease = setting_number(S_queue_lease, NULL);
	int64_t alive = 1;
	uint64_t gone = 0;

	TRY(renew(r, lease, &alive, &gone));
	if (gone)
		log_event(EV_QUEUE_LOST, "shards=%d", count_of(gone));
	if (lost)
		*lost = gone;
	if (r->leaving)
		return ST_OK;
	int share = (int)((QUEUE_SHARDS + alive - 1) / alive),
	    own = count_of(queue_runner_shards(r));
	if (own < share) /* those to be given back may stay instead */
		for (int s = 0; s < QUEUE_SHARDS && own < share && r->surplus; s++)
			if (r->surplus >> s & 1) {
				r->surplus &= ~(UINT64_C(1) << s);
				own++;
			}
	TRY(give_back(r, share));
	return own < share ? take(r, share - own, lease) : ST_OK;
}

/* ---- claims */

struct ask { /* of one shard and table */
	int shard;
	enum statement_id id;
	int64_t epoch; /* it may be lost while the answer is awaited */
	int64_t *cursor;
	struct rows rows;
};

static void ask_add(const queue_runner *r, db_tx *tx, const struct queue_claim *c, struct ask *k,
	int64_t most, arena *a)
{
	int n;
	const int64_t *claimed = claimed_ids(r, k->shard, a, &n);

	db_add(tx, k->id,
		(struct param[]){p_int(k->shard), p_int(k->epoch), p_int(*k->cursor),
			p_int_array(claimed, n), p_int_array(c->full, c->full_count),
			p_int(c->each), p_int(most)},
		7, &k->rows);
}

/* Nothing was left out for want of room, and no post office before the cursor. */
static bool took_all(const struct ask *k, const struct queue_claim *c, int64_t most)
{
	return *k->cursor == FIRST_OFFICE && k->rows.count < most && k->rows.count < (int)c->each;
}

/* The next turn goes on behind the last post office, or begins again. */
static void cursor_move(const struct ask *k, const struct queue_claim *c, int64_t most)
{
	int n = k->rows.count;

	if (c->more && !took_all(k, c, most))
		*c->more |= UINT64_C(1) << k->shard;
	*k->cursor = n == most ? row_int(&k->rows, n - 1, 2) : FIRST_OFFICE;
}

static status asks_run(queue_runner *r, const struct queue_claim *c, struct ask *asks, int n,
	int64_t most, arena *a)
{
	db_tx *tx = begin(a);

	for (int i = 0; i < n; i++)
		ask_add(r, tx, c, &asks[i], most, a);
	return db_commit(&tx, NULL);
}

/* Those that began amid a round and gave nothing stand last, at its beginning again: the end of a round
   is no end. Gives how many stand before them. */
static int asks_turn(struct ask *asks, int n)
{
	int before = 0;

	for (int i = 0; i < n; i++) {
		struct ask k = asks[i];

		if (*k.cursor != FIRST_OFFICE && k.rows.count == 0)
			continue;
		asks[i] = asks[before];
		asks[before++] = k;
	}
	for (int i = before; i < n; i++)
		*asks[i].cursor = FIRST_OFFICE;
	return before;
}

static int asks_count(const struct ask *asks, int n)
{
	int count = 0;

	for (int i = 0; i < n; i++)
		count += asks[i].rows.count;
	return count;
}

status queue_due(queue_runner *r, uint64_t *shards)
{
	arena a = ARENA_INIT;
	struct rows due;
	int n;
	const int64_t *numbers = shard_numbers(queue_runner_shards(r), &a, &n);
	status kind =
		run(SQL_QUEUE_SHARDS_DUE, (struct param[]){p_int_array(numbers, n)}, 1, &a, &due);

	*shards = 0;
	for (int i = 0; kind == ST_OK && i < due.count; i++)
		*shards |= UINT64_C(1) << row_int(&due, i, 0);
	arena_release(&a);
	return kind;
}

status queue_claim(
	queue_runner *r, const struct queue_claim *c, arena *a, queue_entry **rows, int *n)
{
	uint64_t shards = c->shards & queue_runner_shards(r);
	struct ask *asks = arena_new_array(a, 2 * QUEUE_SHARDS, sizeof *asks);
	int64_t most;
	int count = 0;

	*n = 0;
	*rows = NULL;
	if (c->more)
		*c->more = 0;
	if (!shards || c->most == 0)
		return ST_OK;
	for (int s = 0; s < QUEUE_SHARDS; s++)
		if (shards >> s & 1) {
			bool fresh = c->fresh >> s & 1;
			asks[count++] = (struct ask){s, SQL_QUEUE_DUE, r->epoch[s],
				fresh ? &r->cursor_fresh[s] : &r->cursor[s], {0}};
			if (!fresh)
				asks[count++] = (struct ask){s, SQL_QUEUE_DEFERRED_DUE, r->epoch[s],
					&r->cursor2[s], {0}};
		}
	most = c->most > (unsigned)count ? c->most / (unsigned)count : 1;
	TRY(asks_run(r, c, asks, count, most, a));
	int before = asks_turn(asks, count);
	if (before < count)
		TRY(asks_run(r, c, asks + before, count - before, most, a));
	for (int i = 0; i < count; i++)
		cursor_move(&asks[i], c, most);
	*rows = arena_new_array(a, (size_t)asks_count(asks, count), sizeof **rows);
	for (int i = 0; i < count; i++)
		for (int k = 0; k < asks[i].rows.count; k++) {
			queue_entry *e = &(*rows)[(*n)++];

			queue_row(&asks[i].rows, k, e);
			e->epoch = asks[i].epoch;
			claimed_add(r, e);
		}
	if (*n == 0 || !trying_choose(r))
		return ST_OK;
	status kind = trying_note(r, a);
	if (kind != ST_OK)
		queue_unclaim(r, *rows, *n);
	return kind;
}

bool queue_begins(queue_runner *r, const queue_entry *e)
{
	for (int i = 0; i < r->n; i++)
		if (r->claimed[i].id == e->id) {
			bool before = r->claimed[i].trying;

			r->claimed[i].trying = true;
			return !before;
		}
	return false;
}

status queue_begun(queue_runner *r)
{
	arena a = ARENA_INIT;

	trying_choose(r);
	status kind = trying_note(r, &a);
	arena_release(&a);
	return kind;
}

status queue_begin(queue_runner *r, const queue_entry *e)
{
	queue_begins(r, e);
	return queue_begun(r);
}

/* ---- results */

static bool changed(const struct rows *r, int64_t id)
{
	for (int i = 0; i < r->count; i++)
		if (row_int(r, i, 0) == id)
			return true;
	return false;
}

static void tell_late(const struct queue_result *results, int n, const struct rows *done,
	const struct rows *later, int *late)
{
	*late = 0;
	for (int i = 0; i < n; i++) {
		const queue_entry *e = results[i].entry;
		char id[ID_TEXT_SIZE + 1];

		if (changed(results[i].end == QUEUE_DONE ? done : later, e->id))
			continue;
		id_text(e->id, id);
		log_event(
			EV_QUEUE_LATE, "entry=%s shard=%d epoch=%" PRId64, id, e->shard, e->epoch);
		metric_add(M_queue_late, SERVICE_NONE, 1);
		++*late;
	}
}

void queue_settled(queue_runner *r, const struct queue_result *results, int n)
{
	for (int i = 0; i < n; i++)
		claimed_remove(r, results[i].entry->id);
}

void queue_unclaim(queue_runner *r, const queue_entry *rows, int n)
{
	for (int i = 0; i < n; i++)
		claimed_remove(r, rows[i].id);
}

static void ending_set(queue_runner *r, const struct queue_result *results, int n, bool ending)
{
	for (int i = 0; i < n; i++)
		for (int k = 0; k < r->n; k++)
			if (r->claimed[k].id == results[i].entry->id)
				r->claimed[k].ending = ending;
}

/* The list of what is being tried is not written with them: whoever begins something would wait for
   its row until they are on the disk. What is gone may stand in it; what is deferred leaves it at
   once, and is nobody's death before it is due again, whether that could be written or not. */
status queue_finish(queue_runner *r, const struct queue_result *results, int n, int *late)
{
	arena a = ARENA_INIT;
	struct rows done, later;
	struct queue_pauses pauses;
	const struct queue_result **all = arena_new_array(&a, (size_t)n, sizeof *all);
	db_tx *tx = begin(&a);

	for (int i = 0; i < n; i++)
		all[i] = &results[i];
	/* Claimed until the commit: a claim meanwhile must not see them as free. */
	ending_set(r, results, n, true);
	queue_results(tx, &a, results, n, &done, &later);
	queue_ends_any(tx, &a, all, n, &pauses);
	status kind = db_commit(&tx, NULL);
	if (kind == ST_OK) {
		queue_ends_tell(&pauses);
		queue_settled(r, results, n);
		tell_late(results, n, &done, &later, late);
		if (later.count > 0)
			trying_note(r, &a);
	} else {
		ending_set(r, results, n, false); /* still in hand: the owner tries again */
	}
	arena_release(&a);
	return kind;
}

status queue_runner_count(queue_runner *r, int64_t *rows)
{
	arena a = ARENA_INIT;
	struct rows counted;
	int n;
	const int64_t *numbers = shard_numbers(queue_runner_shards(r), &a, &n);
	status kind = run(
		SQL_QUEUE_IN_SHARDS, (struct param[]){p_int_array(numbers, n)}, 1, &a, &counted);

	if (kind == ST_OK)
		*rows = row_int(&counted, 0, 0);
	arena_release(&a);
	return kind;
}
