/* Keys of messages whose answer may not have been read. The table is not logged: PostgreSQL's own
   crash forgets it, and then a message may come twice, which is better than not at all. */
#include "provider/repeat.h"

#include "base/id.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "provider/db.h"
#include "provider/setting.h"
#include "task/task.h"

#include <pthread.h>

#define PAUSE (50 * USEC_MS)       /* forgetting waits for others to go together */
#define TROUBLE_PAUSE (1 * USEC_S) /* after the database refused */
#define LOOK_PAUSE (100 * USEC_MS)
/* A doubt is looked for after a pause that grows with its age. At its longest it is shorter than REPEAT_PATIENCE: a
   repetition that meets a key which stands since a moment ago is kept waiting until it is marked. */
#define DOUBT_PAUSE (500 * USEC_MS)
#define DOUBT_PAUSE_MOST (4 * USEC_S)
#define DOUBT_PAUSES 8
#define DOUBT_LEAST (60 * USEC_S) /* more than a backend goes on without its client: statement_timeout is 30 s */

struct doubt {
	char key[REPEAT_KEY];
	int64_t postoffice, message;
	usec since; /* first asked for; 0: the database was not asked yet */
	usec next;
};

/* Keys or doubts, one behind the other, the oldest first. */
struct notes {
	text words;
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

int64_t repeat_owner(int64_t delivery)
{
	return (delivery >> 12) & ID_NODE_MOST;
}

static slice *keys_apart(const text *keys, arena *a, int *n)
{
	*n = (int)(keys->size / REPEAT_KEY);
	slice *apart = arena_new_array(a, (size_t)*n, sizeof *apart);

	for (int i = 0; i < *n; i++)
		apart[i] = slice_of(keys->at + (size_t)i * REPEAT_KEY, REPEAT_KEY);
	return apart;
}

static text notes_take(struct notes *from)
{
	pthread_mutex_lock(&noted.lock);
	text taken = from->words;
	from->words = TEXT_INIT;
	pthread_mutex_unlock(&noted.lock);
	return taken;
}

/* With the lock held. */
static void notes_bound(struct notes *n)
{
	size_t most = (size_t)setting_number(S_smtp_repeat_most, NULL) * n->each;

	if (n->words.size <= most)
		return;
	n->dropped += (n->words.size - most) / n->each;
	text_remove(&n->words, n->words.size - most);
}

/* What was taken is older than what came meanwhile. */
static void notes_put_back(struct notes *to, text *words)
{
	pthread_mutex_lock(&noted.lock);
	text_add(words, text_slice(&to->words));
	text_free(&to->words);
	to->words = *words;
	notes_bound(to);
	pthread_mutex_unlock(&noted.lock);
	*words = TEXT_INIT;
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

/* False when the database refused: the keys stay noted. */
static bool keys_run(enum statement_id id, struct notes *list)
{
	text keys = notes_take(list);
	arena a = ARENA_INIT;
	status s = ST_OK;
	int n;

	if (keys.size > 0) {
		const slice *apart = keys_apart(&keys, &a, &n);

		s = db_run(id, (struct param[]){p_bytes_array(apart, n)}, 1, &a, NULL);
	}
	if (s == ST_OK)
		text_free(&keys);
	else
		notes_put_back(list, &keys);
	arena_release(&a);
	return s == ST_OK;
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

	return pause < DOUBT_PAUSE ? DOUBT_PAUSE : pause > DOUBT_PAUSE_MOST ? DOUBT_PAUSE_MOST : pause;
}

/* One round trip for all that are due at `now`; *found tells of each whether its message stood. */
static status doubts_ask(const struct doubt *all, int n, usec now, bool *found)
{
	arena a = ARENA_INIT;
	struct rows *r = arena_new_array(&a, (size_t)n, sizeof *r);
	db_tx *tx = db_begin(DB_RUN, &a);

	for (int i = 0; i < n; i++)
		if (now >= all[i].next)
			db_add(tx, SQL_REPEAT_DOUBT,
				(struct param[]){p_int(all[i].postoffice), p_int(all[i].message),
					p_bytes(slice_of(all[i].key, REPEAT_KEY)),
					p_int(repeat_owner(all[i].message))},
				4, &r[i]);
	status s = db_commit(&tx, NULL);
	for (int i = 0; i < n; i++)
		found[i] = s == ST_OK && now >= all[i].next && r[i].changed > 0;
	arena_release(&a);
	return s;
}

/* What is left of them after they were asked for at `asked` with the outcome s. */
static text doubts_left(struct doubt *all, int n, usec asked, status s, const bool *found)
{
	usec now = clock_now(), life = doubt_life();
	text left = TEXT_INIT;

	for (int i = 0; i < n; i++) {
		if (s == ST_OK && asked >= all[i].next) {
			if (all[i].since == 0)
				all[i].since = now;
			all[i].next = now + doubt_pause(&all[i], now);
		}
		if (!found[i] && (all[i].since == 0 || now - all[i].since < life))
			text_add(&left, slice_of((const char *)&all[i], sizeof all[i]));
	}
	return left;
}

/* Looks for those that are due at `at`. False when the database refused. Those that did not stand are looked for
   again. */
static bool doubts_run(usec at)
{
	text taken = notes_take(&noted.doubts);
	int n = (int)(taken.size / sizeof(struct doubt)), due = 0;
	status s = ST_OK;

	if (n == 0)
		return true;
	struct doubt *all = memory_new_array((size_t)n, sizeof *all);
	bool *found = memory_new_array((size_t)n, sizeof *found);
	memcpy(all, taken.at, (size_t)n * sizeof *all);
	for (int i = 0; i < n; i++)
		due += at >= all[i].next;
	if (due > 0) {
		s = doubts_ask(all, n, at, found);
		text_free(&taken);
		taken = doubts_left(all, n, at, s, found);
	}
	notes_put_back(&noted.doubts, &taken);
	memory_free(all);
	memory_free(found);
	return s == ST_OK;
}

/* With the doubts that are due at `at`. */
static bool noted_run(usec at)
{
	bool done = keys_run(SQL_REPEAT_BREAK, &noted.broken) && doubts_run(at);

	done = keys_run(SQL_REPEAT_FORGET, &noted.forget) && done;
	dropped_tell(&noted.forget, "read");
	dropped_tell(&noted.broken, "broken");
	dropped_tell(&noted.doubts, "doubts");
	return done;
}

/* Whether a task has nothing left to do; it is no longer at work then. */
static bool noted_rest(void)
{
	pthread_mutex_lock(&noted.lock);
	bool empty = noted.forget.words.size == 0 && noted.broken.words.size == 0 && noted.doubts.words.size == 0;
	if (empty)
		noted.tended = false;
	pthread_mutex_unlock(&noted.lock);
	return empty;
}

static bool noted_urgent(void)
{
	pthread_mutex_lock(&noted.lock);
	bool urgent = noted.broken.words.size > 0;
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
		pause = noted_run(clock_now()) ? PAUSE : TROUBLE_PAUSE;
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
	text_add(&list->words, words);
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
		noted_run(clock_now());
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
	key_note(&noted.doubts, slice_of((const char *)&d, sizeof d));
}

enum verdict { FREE, REPETITION, ALIVE };

static status key_look(slice key, enum verdict *v, int64_t *earlier)
{
	arena a = ARENA_INIT;
	struct rows r;
	struct param p[] = {p_bytes(key), p_int(setting_number(S_smtp_repeat_window, NULL))};
	status s = db_run(SQL_REPEAT_FIND, p, 2, &a, &r);

	*v = FREE;
	if (s == ST_OK && r.count > 0) {
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

status repeat_judge(slice key, usec until, int64_t *earlier)
{
	for (;;) {
		enum verdict v;

		TRY(key_look(key, &v, earlier));
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
	noted_run(USEC_NEVER); /* there is no later */
	text_free(&noted.forget.words);
	text_free(&noted.broken.words);
	text_free(&noted.doubts.words);
}
