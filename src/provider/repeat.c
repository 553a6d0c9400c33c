/* Keys of messages whose answer may not have been read. The table is not logged: PostgreSQL's own
   crash forgets it, and then a message may come twice, which is better than not at all. */
#include "provider/repeat.h"

#include "base/id.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/metric.h"
#include "base/shared.h"
#include "base/text.h"
#include "provider/db.h"
#include "provider/node.h"
#include "provider/setting.h"
#include "task/task.h"

#include <pthread.h>
#include <stdatomic.h>

#define PAUSE (50 * USEC_MS) /* forgetting waits for others to go together */
#define TROUBLE_PAUSE                                                                              \
	(100 * USEC_MS) /* after the database refused; when it is back nobody shall be earlier */
#define LOOK_PAUSE (100 * USEC_MS)
#define HOLD_LOOK (5 * USEC_MS)
/* A doubt is looked for after a pause that grows with its age. At its longest it is shorter than
   REPEAT_PATIENCE: a repetition that meets a key which stands since a moment ago is kept waiting
   until it is marked. */
#define DOUBT_PAUSE (500 * USEC_MS)
#define DOUBT_PAUSE_MOST (4 * USEC_S)
#define DOUBT_PAUSES 8
#define HOLD_MOST (500 * USEC_MS)
#define HOLD_LEASE (5 * USEC_S) /* more than asking takes; each turn renews it */
/* Who still holds a key that is to be a fence is waited for so long, and by so many of a turn. A
   backend that stands still with it needs no fence: it comes late for nobody. */
#define FENCE_LOCK_MS 50
#define FENCE_VAIN 10
#define OTHERS_ASK (5 * USEC_S) /* more than other nodes need to make fences when it is back */
#define DOUBT_LEAST                                                                                \
	(60 * USEC_S) /* more than a backend goes on without its client: statement_timeout is 30 s \
	\ */

struct doubt {
	char key[REPEAT_KEY];
	int64_t postoffice, message;
	usec since; /* first asked for; 0: the database was not asked yet */
	usec next;
};

/* Keys or doubts, the oldest first, in blocks of at most BLOCK: what is taken, put back or dropped
   is linked and unlinked, never copied. */
#define BLOCK 1000

struct block {
	struct block *next;
	text words;
	usec due; /* of doubts: no doubt in it is to be looked for earlier */
};

struct chain {
	struct block *first, *last;
	size_t count; /* of keys or doubts */
};

struct notes {
	struct chain chain;
	size_t each;
	size_t dropped; /* nobody was told of yet */
};

static struct {
	pthread_mutex_t lock; /* never held across a wait */
	struct notes forget, broken, doubts;
	bool tended; /* a task is at work on them */
} noted = {.lock = PTHREAD_MUTEX_INITIALIZER,
	.forget.each = REPEAT_KEY,
	.broken.each = REPEAT_KEY,
	.doubts.each = sizeof(struct doubt)};

/* Until when each process of the node has doubts the database was not asked about, and such as are
   not fenced, by its slot. */
static struct lease_of_doubt {
	_Atomic usec unasked, unfenced;
} alone, *leases = &alone, *own = &alone;
static unsigned slots = 1;

void repeat_share(void)
{
	leases = own = shared_new(METRIC_SLOTS * sizeof *leases);
	slots = METRIC_SLOTS;
}

void repeat_slot(unsigned slot)
{
	own = &leases[slot % slots];
}

void repeat_slot_clear(unsigned slot)
{
	atomic_store(&leases[slot % slots].unasked, 0);
	atomic_store(&leases[slot % slots].unfenced, 0);
}

static void lease_renew(_Atomic usec *lease)
{
	atomic_store(lease, clock_now() + HOLD_LEASE);
}

static bool anything_unasked(void)
{
	usec now = clock_now();

	for (unsigned i = 0; i < slots; i++)
		if (atomic_load_explicit(&leases[i].unasked, memory_order_relaxed) > now)
			return true;
	return false;
}

static bool anything_unfenced(void)
{
	usec now = clock_now();

	for (unsigned i = 0; i < slots; i++)
		if (atomic_load_explicit(&leases[i].unfenced, memory_order_relaxed) > now)
			return true;
	return false;
}

int64_t repeat_owner(int64_t delivery)
{
	return (delivery >> 12) & ID_NODE_MOST;
}

/* ---- blocks; those of `noted` with the lock held */

static void chain_add(struct chain *to, slice words, size_t each)
{
	if (!to->last || to->last->words.size >= BLOCK * each) {
		struct block *fresh = memory_new(sizeof *fresh);

		if (to->last)
			to->last->next = fresh;
		else
			to->first = fresh;
		to->last = fresh;
	}
	text_add(&to->last->words, words);
	to->last->due = 0;
	to->count++;
}

/* Takes over `before`. */
static void chain_prepend(struct chain *to, struct chain *before)
{
	if (!before->first)
		return;
	before->last->next = to->first;
	to->first = before->first;
	to->last = to->last ? to->last : before->last;
	to->count += before->count;
	*before = (struct chain){0};
}

/* The first block alone. */
static struct chain chain_pop(struct chain *from, size_t each)
{
	struct block *b = from->first;
	struct chain one = {0};

	if (!b)
		return one;
	one = (struct chain){b, b, b->words.size / each};
	from->first = b->next;
	from->last = from->first ? from->last : NULL;
	from->count -= one.count;
	b->next = NULL;
	return one;
}

static void chain_free(struct chain *c)
{
	for (struct block *b = c->first, *next; b; b = next) {
		next = b->next;
		text_free(&b->words);
		memory_free(b);
	}
	*c = (struct chain){0};
}

/* With the lock held. When there are too many, a tenth goes at once: not one for each that
   comes. */
static void notes_bound(struct notes *n)
{
	size_t most = (size_t)setting_number(S_smtp_repeat_most, NULL), excess, here;

	if (n->chain.count <= most)
		return;
	excess = n->chain.count - most;
	excess = excess > most / 10 ? excess : most / 10;
	n->dropped += excess;
	while (excess >= (here = n->chain.first->words.size / n->each) && excess > 0) {
		struct chain oldest = chain_pop(&n->chain, n->each);

		chain_free(&oldest);
		excess -= here;
	}
	if (excess > 0) {
		text_remove(&n->chain.first->words, excess * n->each);
		n->chain.count -= excess;
	}
}

/* What was taken is older than what came meanwhile. */
static void notes_put_back(struct notes *to, struct chain *taken)
{
	pthread_mutex_lock(&noted.lock);
	chain_prepend(&to->chain, taken);
	notes_bound(to);
	pthread_mutex_unlock(&noted.lock);
}

static void dropped_tell(struct notes *n, const char *what)
{
	pthread_mutex_lock(&noted.lock);
	size_t dropped = n->dropped;
	n->dropped = 0;
	pthread_mutex_unlock(&noted.lock);
	if (dropped > 0)
		log_event(EV_REPEAT_DROPPED, "what=%s n=%zu", what, dropped);
}

/* What a turn came to, the worst last. */
enum round { ALL_DONE, MORE_DUE, REFUSED };

static slice *keys_apart(const text *keys, arena *a, int *n)
{
	*n = (int)(keys->size / REPEAT_KEY);
	slice *apart = arena_new_array(a, (size_t)*n, sizeof *apart);

	for (int i = 0; i < *n; i++)
		apart[i] = slice_of(keys->at + (size_t)i * REPEAT_KEY, REPEAT_KEY);
	return apart;
}

/* What was read goes; of a fence, that a message stands with it. */
static status keys_forget(const slice *apart, int n, arena *a)
{
	const struct param keys = p_bytes_array(apart, n);
	struct rows r;

	TRY(db_run(SQL_REPEAT_FORGET, &keys, 1, a, &r));
	return r.changed < n ? db_run(SQL_REPEAT_SPEND, &keys, 1, a, NULL) : ST_OK;
}

static status keys_break(const slice *apart, int n, arena *a)
{
	const struct param keys = p_bytes_array(apart, n);

	return db_run(SQL_REPEAT_BREAK, &keys, 1, a, NULL);
}

/* With a block of them. When the database refused they stay noted. */
static enum round keys_run(status (*run)(const slice *apart, int n, arena *a), struct notes *list)
{
	arena a = ARENA_INIT;
	status s = ST_OK;
	int n;

	pthread_mutex_lock(&noted.lock);
	struct chain keys = chain_pop(&list->chain, list->each);
	bool more = list->chain.count > 0;
	pthread_mutex_unlock(&noted.lock);
	if (keys.count > 0) {
		const slice *apart = keys_apart(&keys.first->words, &a, &n);

		s = run(apart, n, &a);
	}
	if (s == ST_OK)
		chain_free(&keys);
	else
		notes_put_back(list, &keys);
	arena_release(&a);
	return s != ST_OK ? REFUSED : more ? MORE_DUE : ALL_DONE;
}

/* ---- doubts */

static usec doubt_life(void)
{
	usec window = setting_number(S_smtp_repeat_window, NULL);

	return window > DOUBT_LEAST ? window : DOUBT_LEAST;
}

static usec doubt_pause(const struct doubt *d, usec now)
{
	usec pause = (now - d->since) / DOUBT_PAUSES;

	return pause < DOUBT_PAUSE        ? DOUBT_PAUSE
	       : pause > DOUBT_PAUSE_MOST ? DOUBT_PAUSE_MOST
					  : pause;
}

enum fate { STANDS, FENCED, OPEN, UNTRIED };

/* The doubts of a turn, where they stand in their blocks. */
struct asked {
	struct doubt *each[BLOCK];
	struct rows found[BLOCK];
	enum fate fate[BLOCK];
	int n;
	bool fresh; /* one is among them that was never asked for */
	bool young; /* one is open that was not asked for long */
	bool more;  /* are due, which have to wait for the next turn */
};

static struct doubt *doubts_of(const struct block *b, size_t *n)
{
	*n = b->words.size / sizeof(struct doubt);
	return (struct doubt *)(void *)b->words.at;
}

/* Those that are due at `at`, the oldest first. */
static void doubts_gather(const struct chain *c, usec at, struct asked *q)
{
	for (struct block *b = c->first; b && !q->more; b = b->next) {
		size_t n = 0;
		struct doubt *all = doubts_of(b, &n);

		for (size_t i = 0; at >= b->due && i < n && !q->more; i++)
			if (at < all[i].next)
				continue;
			else if (q->n == BLOCK)
				q->more = true;
			else {
				q->fresh |= all[i].since == 0;
				q->each[q->n++] = &all[i];
			}
	}
}

/* One round trip. */
static status doubts_ask(struct asked *q)
{
	arena a = ARENA_INIT;
	db_tx *tx = db_begin(DB_RUN, &a);
	usec longer = setting_number(S_smtp_doubt_window, NULL) -
		      setting_number(S_smtp_repeat_window, NULL);

	for (int i = 0; i < q->n; i++) {
		const struct doubt *d = q->each[i];

		db_add(tx, SQL_REPEAT_DOUBT,
			(struct param[]){p_int(d->postoffice), p_int(d->message),
				p_bytes(slice_of(d->key, REPEAT_KEY)),
				p_int(repeat_owner(d->message)), p_int(longer > 0 ? longer : 0)},
			5, &q->found[i]);
	}
	status s = db_commit(&tx, NULL);
	arena_release(&a);
	return s;
}

/* A transaction for each: one that finds its key held must not hold up the others. */
static enum fate doubt_fence(const struct doubt *d)
{
	arena a = ARENA_INIT;
	struct param most = p_int(FENCE_LOCK_MS), key = p_bytes(slice_of(d->key, REPEAT_KEY));
	db_tx *tx = db_begin(DB_RUN, &a);
	struct rows r = {0};

	db_add(tx, SQL_TX_LOCK_MOST, &most, 1, NULL);
	db_add(tx, SQL_REPEAT_FENCE, &key, 1, &r);
	status s = db_commit(&tx, NULL);
	/* The doubtful one's own: it was stored a moment ago, and is to be found so. */
	enum fate f = s == ST_OK && r.count > 0 && row_int(&r, 0, 0) != d->message ? FENCED : OPEN;
	arena_release(&a);
	return f;
}

/* Those that do not stand. */
static void doubts_fence(struct asked *q)
{
	int vain = 0;

	for (int i = 0; i < q->n; i++) {
		q->fate[i] = q->found[i].changed > 0 ? STANDS
			     : vain < FENCE_VAIN     ? doubt_fence(q->each[i])
						     : UNTRIED;
		vain += q->fate[i] == OPEN;
		lease_renew(&own->unfenced); /* a thousand of them take their time */
		q->more |= q->fate[i] == UNTRIED;
	}
}

/* They were asked for; `last`: they are not to be asked for again. What is over has no `next`. */
static void doubts_judge(struct asked *q, bool last)
{
	usec now = clock_now(), life = doubt_life();

	for (int i = 0; i < q->n; i++) {
		struct doubt *d = q->each[i];

		if (q->fate[i] == UNTRIED && !last)
			continue;
		if (d->since == 0)
			d->since = now;
		bool over = last || q->fate[i] != OPEN || now - d->since >= life;
		d->next = over ? USEC_NEVER : now + doubt_pause(d, now);
		q->young |= !over && now - d->since < HOLD_LEASE;
	}
}

/* Without those that are over. Of the block, whether any is left. */
static bool block_sweep(struct block *b)
{
	size_t n = 0, kept = 0;
	struct doubt *all = doubts_of(b, &n);

	b->due = USEC_NEVER;
	for (size_t i = 0; i < n; i++) {
		if (all[i].next == USEC_NEVER)
			continue;
		b->due = all[i].next < b->due ? all[i].next : b->due;
		all[kept++] = all[i];
	}
	b->words.size = kept * sizeof *all;
	b->words.at[b->words.size] = '\0';
	return kept > 0;
}

static void doubts_sweep(struct chain *c, usec asked)
{
	struct chain left = {0};

	while (c->first) {
		struct chain one = chain_pop(c, sizeof(struct doubt));

		if (one.first->due <= asked && !block_sweep(one.first)) {
			chain_free(&one);
			continue;
		}
		one.count = one.first->words.size / sizeof(struct doubt);
		chain_prepend(&one, &left);
		left = one;
	}
	*c = left;
}

/* Nobody is held up any more, unless a doubt came meanwhile: it is in the last block. */
static void all_asked(void)
{
	size_t n = 0;

	pthread_mutex_lock(&noted.lock);
	const struct doubt *all =
		noted.doubts.chain.last ? doubts_of(noted.doubts.chain.last, &n) : NULL;
	if (n == 0 || all[n - 1].since != 0)
		atomic_store(&own->unasked, 0);
	if (n == 0)
		atomic_store(&own->unfenced, 0);
	pthread_mutex_unlock(&noted.lock);
}

/* Of a backend that goes on with a key for longer than its lease, others need not be told. */
static void leases_renew(const struct asked *q, bool refused)
{
	if (q->fresh)
		lease_renew(&own->unasked);
	if (q->fresh || q->young || refused)
		lease_renew(&own->unfenced);
}

/* Looks for those that are due at `at`, a block of them at most. Those that did not stand are
   looked for again, unless there is no later. */
static enum round doubts_run(usec at)
{
	status s = ST_OK;

	pthread_mutex_lock(&noted.lock);
	struct chain taken = noted.doubts.chain;
	noted.doubts.chain = (struct chain){0};
	pthread_mutex_unlock(&noted.lock);
	if (!taken.first)
		return ALL_DONE;
	struct asked *q = memory_new(sizeof *q);
	doubts_gather(&taken, at, q);
	leases_renew(q, false);
	if (q->n > 0 && (s = doubts_ask(q)) == ST_OK) {
		doubts_fence(q);
		doubts_judge(q, at == USEC_NEVER);
		doubts_sweep(&taken, at);
	}
	leases_renew(q, s != ST_OK);
	notes_put_back(&noted.doubts, &taken);
	bool more = q->more;
	if (q->n > 0 && s == ST_OK && !more)
		all_asked();
	memory_free(q);
	return s != ST_OK ? REFUSED : more ? MORE_DUE : ALL_DONE;
}

/* With the doubts that are due at `at`. */
static enum round noted_run(usec at)
{
	enum round broken = keys_run(keys_break, &noted.broken);
	enum round doubts = doubts_run(at);
	/* Who ends meanwhile leaves them to the housekeeper: at worst a repetition is known as one. */
	bool wait = anything_unfenced() || db_lost_within(OTHERS_ASK);
	enum round forgotten = wait ? ALL_DONE : keys_run(keys_forget, &noted.forget);
	enum round worst = broken > doubts ? broken : doubts;

	dropped_tell(&noted.forget, "read");
	dropped_tell(&noted.broken, "broken");
	dropped_tell(&noted.doubts, "doubts");
	return worst > forgotten ? worst : forgotten;
}

/* Whether a task has nothing left to do; it is no longer at work then. */
static bool noted_rest(void)
{
	pthread_mutex_lock(&noted.lock);
	bool empty = noted.forget.chain.count == 0 && noted.broken.chain.count == 0 &&
		     noted.doubts.chain.count == 0;
	if (empty)
		noted.tended = false;
	pthread_mutex_unlock(&noted.lock);
	return empty;
}

static bool noted_urgent(void)
{
	pthread_mutex_lock(&noted.lock);
	bool urgent = noted.broken.chain.count > 0;
	pthread_mutex_unlock(&noted.lock);
	return urgent;
}

static status noted_tend(void *arg)
{
	usec pause = noted_urgent() ? 0 : PAUSE;

	(void)arg;
	while (!noted_rest()) {
		bool ended = pause > 0 && task_sleep(pause) != ST_OK;

		task_shield(true);
		enum round came = noted_run(clock_now());
		pause = came == REFUSED ? TROUBLE_PAUSE : came == MORE_DUE ? 0 : PAUSE;
		task_shield(false);
		if (ended) { /* what is left, repeat_close does */
			pthread_mutex_lock(&noted.lock);
			noted.tended = false;
			pthread_mutex_unlock(&noted.lock);
			return ST_CANCELLED;
		}
	}
	return ST_OK;
}

/* The words are a key, or a doubt. */
static void key_note(struct notes *list, slice words)
{
	bool start;

	pthread_mutex_lock(&noted.lock);
	chain_add(&list->chain, words, list->each);
	notes_bound(list);
	start = !noted.tended && task_self();
	if (start)
		noted.tended = true;
	pthread_mutex_unlock(&noted.lock);
	if (start && !task_start("repeat keys", noted_tend, NULL)) {
		pthread_mutex_lock(&noted.lock);
		noted.tended = false; /* the next key tries again */
		pthread_mutex_unlock(&noted.lock);
	}
	if (!task_self()) /* one conversation alone on its thread: nobody else would do it */
		while (noted_run(clock_now()) == MORE_DUE)
			;
}

void repeat_forget(slice key)
{
	key_note(&noted.forget, key);
}

void repeat_break(slice key)
{
	key_note(&noted.broken, key);
}

void repeat_doubt(slice key, int64_t postoffice, int64_t delivery)
{
	struct doubt d = {.postoffice = postoffice, .message = delivery};

	memcpy(d.key, key.at, sizeof d.key);
	lease_renew(&own->unasked);
	lease_renew(&own->unfenced);
	key_note(&noted.doubts, slice_of((const char *)&d, sizeof d));
}

status repeat_hold(void)
{
	usec until = clock_now() + HOLD_MOST;

	/* One that is silent refuses at once. */
	while (anything_unasked() && clock_now() < until && !db_lost(clock_now(), USEC_NEVER))
		TRY(task_sleep(HOLD_LOOK));
	return ST_OK;
}

enum verdict { FREE, REPETITION, ALIVE };

/* *fence: when it was made one that stands for no message; else 0. */
static status key_look(slice key, enum verdict *v, int64_t *earlier, usec *fence)
{
	arena a = ARENA_INIT;
	struct rows r;
	struct param p[] = {p_bytes(key), p_int(setting_number(S_smtp_repeat_window, NULL)),
		p_int(NODE_SILENCE_MOST)};
	status s = db_run(SQL_REPEAT_FIND, p, 3, &a, &r);

	*v = FREE;
	*fence = s == ST_OK && r.count > 0 ? row_time(&r, 0, 3) : 0;
	if (s == ST_OK && r.count > 0 && !*fence) {
		*earlier = row_int(&r, 0, 0);
		*v = row_bool(&r, 0, 1) ? REPETITION : ALIVE;
		if (row_bool(&r, 0, 2)) { /* too old to mean anything */
			*v = FREE;
			s = db_run(SQL_REPEAT_DROP, (struct param[]){p_bytes(key), p_int(*earlier)},
				2, &a, NULL);
		}
	}
	arena_release(&a);
	return s;
}

status repeat_judge(slice key, usec until, int64_t *earlier, usec *fence)
{
	for (;;) {
		enum verdict v;

		TRY(key_look(key, &v, earlier, fence));
		if (v == REPETITION)
			return ST_EXISTS;
		if (clock_now() >= until)
			return ST_TIMED_OUT;
		if (v == FREE)
			return ST_OK;
		TRY(task_sleep(LOOK_PAUSE));
	}
}

void repeat_close(void)
{
	while (noted_run(USEC_NEVER) == MORE_DUE) /* there is no later */
		;
	chain_free(&noted.forget.chain);
	chain_free(&noted.broken.chain);
	chain_free(&noted.doubts.chain);
}
