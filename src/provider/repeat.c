/* Keys of messages whose answer may not have been read. The table is not logged: PostgreSQL's own
   crash forgets it, and then a message may come twice, which is better than not at all. */
#include "provider/repeat.h"

#include "base/id.h"
#include "base/memory.h"
#include "base/text.h"
#include "provider/db.h"
#include "provider/setting.h"
#include "task/task.h"

#include <pthread.h>

#define PAUSE (50 * USEC_MS)       /* forgetting waits for others to go together */
#define TROUBLE_PAUSE (1 * USEC_S) /* after the database refused */
#define LOOK_PAUSE (100 * USEC_MS)
#define DOUBT_PAUSE (500 * USEC_MS)
#define DOUBT_MOST (60 * USEC_S) /* more than a backend goes on without its client: statement_timeout is 30 s */
#define NOTED_MOST ((size_t)10000 * REPEAT_KEY) /* beyond, keys age away (smtp_repeat_window) */

struct doubt {
	char key[REPEAT_KEY];
	int64_t postoffice, message;
	usec until; /* 0: the database was not asked yet */
};

static struct {
	pthread_mutex_t lock; /* never held across a wait */
	text forget, broken;  /* keys, one behind the other */
	text doubts;          /* struct doubt, likewise */
	usec doubts_at;       /* not looked at before */
	bool tended;          /* a task is at work on them */
} noted = {.lock = PTHREAD_MUTEX_INITIALIZER};

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

static text keys_take(text *from)
{
	pthread_mutex_lock(&noted.lock);
	text taken = *from;
	*from = TEXT_INIT;
	pthread_mutex_unlock(&noted.lock);
	return taken;
}

static void keys_put_back(text *to, text *keys)
{
	pthread_mutex_lock(&noted.lock);
	if (to->size + keys->size <= NOTED_MOST)
		text_add(to, text_slice(keys));
	pthread_mutex_unlock(&noted.lock);
	text_free(keys);
}

/* False when the database refused: the keys stay noted. */
static bool keys_run(enum statement_id id, text *list)
{
	text keys = keys_take(list);
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
		keys_put_back(list, &keys);
	arena_release(&a);
	return s == ST_OK;
}

/* ---- doubts */

static bool doubts_due(void)
{
	pthread_mutex_lock(&noted.lock);
	bool due = noted.doubts.size > 0 && clock_now() >= noted.doubts_at;
	pthread_mutex_unlock(&noted.lock);
	return due;
}

/* One round trip for all of them; *found tells of each whether its message stood. */
static status doubts_ask(const struct doubt *all, int n, bool *found)
{
	arena a = ARENA_INIT;
	struct rows *r = arena_new_array(&a, (size_t)n, sizeof *r);
	db_tx *tx = db_begin(DB_RUN, &a);

	for (int i = 0; i < n; i++)
		db_add(tx, SQL_REPEAT_DOUBT,
			(struct param[]){p_int(all[i].postoffice), p_int(all[i].message),
				p_bytes(slice_of(all[i].key, REPEAT_KEY)), p_int(repeat_owner(all[i].message))},
			4, &r[i]);
	status s = db_commit(&tx, NULL);
	for (int i = 0; i < n; i++)
		found[i] = s == ST_OK && r[i].changed > 0;
	arena_release(&a);
	return s;
}

/* False when the database refused. Those that did not stand are looked for again. */
static bool doubts_run(void)
{
	if (!doubts_due())
		return true;
	text taken = keys_take(&noted.doubts), left = TEXT_INIT;
	int n = (int)(taken.size / sizeof(struct doubt));
	struct doubt *all = memory_new_array((size_t)n, sizeof *all);
	bool *found = memory_new_array((size_t)n, sizeof *found);

	memcpy(all, taken.at, (size_t)n * sizeof *all);
	status s = doubts_ask(all, n, found);
	usec now = clock_now();
	for (int i = 0; i < n; i++) {
		if (s == ST_OK && all[i].until == 0)
			all[i].until = now + DOUBT_MOST;
		if (!found[i] && (all[i].until == 0 || now < all[i].until))
			text_add(&left, slice_of((const char *)&all[i], sizeof all[i]));
	}
	pthread_mutex_lock(&noted.lock);
	noted.doubts_at = now + DOUBT_PAUSE;
	pthread_mutex_unlock(&noted.lock);
	keys_put_back(&noted.doubts, &left);
	text_free(&taken);
	memory_free(all);
	memory_free(found);
	return s == ST_OK;
}

static bool noted_run(void)
{
	bool done = keys_run(SQL_REPEAT_BREAK, &noted.broken) && doubts_run();

	return keys_run(SQL_REPEAT_FORGET, &noted.forget) && done;
}

/* Whether a task has nothing left to do; it is no longer at work then. */
static bool noted_rest(void)
{
	pthread_mutex_lock(&noted.lock);
	bool empty = noted.forget.size == 0 && noted.broken.size == 0 && noted.doubts.size == 0;
	if (empty)
		noted.tended = false;
	pthread_mutex_unlock(&noted.lock);
	return empty;
}

static bool noted_urgent(void)
{
	pthread_mutex_lock(&noted.lock);
	bool urgent = noted.broken.size > 0;
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
		pause = noted_run() ? PAUSE : TROUBLE_PAUSE;
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
static void key_note(text *list, slice words)
{
	bool start;

	pthread_mutex_lock(&noted.lock);
	if (list->size < NOTED_MOST)
		text_add(list, words);
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
		noted_run();
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
	pthread_mutex_lock(&noted.lock);
	noted.doubts_at = 0; /* there is no later */
	pthread_mutex_unlock(&noted.lock);
	noted_run();
	text_free(&noted.forget);
	text_free(&noted.broken);
	text_free(&noted.doubts);
}
