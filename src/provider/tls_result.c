#include "provider/tls_result.h"

#include "base/map.h"
#include "base/memory.h"
#include "provider/tls_result_row.h"

#include <pthread.h>

#define MOST 10000
#define FLUSH_EVERY (60 * USEC_S)

static struct {
	pthread_mutex_t lock; /* never held across a wait */
	map *counts;          /* key_of to int64_t */
	arena memory;
	usec since;
} gathered = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void add(slice key, int64_t sessions)
{
	int64_t *count = gathered.counts ? map_get(gathered.counts, key) : NULL;

	if (!gathered.counts) {
		gathered.counts = map_open();
		gathered.since = clock_now();
	}
	if (!count) {
		count = arena_new(&gathered.memory, sizeof *count);
		map_put(gathered.counts, arena_copy(&gathered.memory, key), count);
	}
	*count += sessions;
}

#define PARTS 6 /* of a key: domain, policy, host, result, sender, receiver */

static slice key_of(const slice part[PARTS], arena *a)
{
	return arena_format(a, "%.*s\n%.*s\n%.*s\n%.*s\n%.*s\n%.*s", SLICE_ARGS(part[0]),
		SLICE_ARGS(part[1]), SLICE_ARGS(part[2]), SLICE_ARGS(part[3]), SLICE_ARGS(part[4]),
		SLICE_ARGS(part[5]));
}

void tls_result_note(const struct tls_result *t)
{
	arena a = ARENA_INIT;
	slice key = key_of(
		(const slice[]){t->domain, t->policy, t->host, t->result, t->sender, t->receiver},
		&a);

	pthread_mutex_lock(&gathered.lock);
	if (gathered.counts && map_size(gathered.counts) >= MOST && !map_get(gathered.counts, key))
		key = key_of(
			(const slice[]){S("*"), t->policy, S("*"), t->result, S(""), S("")}, &a);
	add(key, 1);
	pthread_mutex_unlock(&gathered.lock);
	arena_release(&a);
}

/* ---- writing */

struct columns {
	slice *part[PARTS];
	int64_t *sessions;
	int n;
};

/* Takes all that was gathered. */
static struct columns take(arena *a)
{
	struct columns c = {0};
	size_t cursor = 0;
	slice key;
	void *value;

	pthread_mutex_lock(&gathered.lock);
	size_t size = gathered.counts ? map_size(gathered.counts) : 0;
	for (int i = 0; i < PARTS; i++)
		c.part[i] = arena_new_array(a, size, sizeof **c.part);
	c.sessions = arena_new_array(a, size, sizeof *c.sessions);
	while (gathered.counts && map_next(gathered.counts, &cursor, &key, &value)) {
		slice rest = arena_copy(a, key);

		for (int i = 0; i < PARTS; i++)
			slice_take(&rest, '\n', &c.part[i][c.n]);
		c.sessions[c.n++] = *(int64_t *)value;
	}
	map_close(&gathered.counts);
	arena_release(&gathered.memory);
	pthread_mutex_unlock(&gathered.lock);
	return c;
}

static void give_back(const struct columns *c, arena *a)
{
	pthread_mutex_lock(&gathered.lock);
	for (int i = 0; i < c->n; i++) {
		slice part[PARTS];

		for (int k = 0; k < PARTS; k++)
			part[k] = c->part[k][i];
		add(key_of(part, a), c->sessions[i]);
	}
	pthread_mutex_unlock(&gathered.lock);
}

status tls_result_flush(bool at_once)
{
	pthread_mutex_lock(&gathered.lock);
	bool due = gathered.counts && (at_once || clock_now() >= gathered.since + FLUSH_EVERY);
	pthread_mutex_unlock(&gathered.lock);
	if (!due)
		return ST_OK;
	arena a = ARENA_INIT;
	struct columns c = take(&a);
	struct param p[PARTS + 1];
	for (int i = 0; i < PARTS; i++)
		p[i] = p_text_array(c.part[i], c.n);
	p[PARTS] = p_int_array(c.sessions, c.n);
	status kind = db_run(SQL_TLS_RESULT_ADD, p, PARTS + 1, NULL, NULL);
	/* What may be stored too: a minute that counts twice tells more of trouble than one left
	   out. */
	if (db_passes(kind))
		give_back(&c, &a);
	arena_release(&a);
	return kind;
}

status tls_result_rows(enum statement_id id, const struct param *p, int params, arena *a,
	struct tls_result **rows, int *n)
{
	struct rows r;

	TRY(db_run(id, p, params, a, &r));
	*n = r.count;
	*rows = arena_new_array(a, (size_t)r.count, sizeof **rows);
	for (int i = 0; i < r.count; i++)
		(*rows)[i] = (struct tls_result){row_time(&r, i, 0), row_slice(&r, i, 1),
			row_slice(&r, i, 2), row_slice(&r, i, 3), row_slice(&r, i, 4),
			row_slice(&r, i, 5), row_slice(&r, i, 6), row_int(&r, i, 7)};
	return ST_OK;
}

status tls_result_list(slice domain, unsigned most, arena *a, struct tls_result **rows, int *n)
{
	return tls_result_rows(
		SQL_TLS_RESULT_LIST, (struct param[]){p_text(domain), p_int(most)}, 2, a, rows, n);
}
