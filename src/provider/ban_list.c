#include "provider/ban_list.h"

#include "base/map.h"
#include "provider/change.h"
#include "provider/watch.h"

#include <pthread.h>

#define MOST 1000

static struct {
	pthread_mutex_t lock; /* never held across a wait */
	map *spans;           /* address to usec */
	arena memory;
	void (*heard)(slice address, usec left);
	int64_t known; /* revision; this and the next by the watch alone */
	bool behind;   /* the database could not tell */
} bans = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- hearing */

static void look(void)
{
	arena a = ARENA_INIT;
	struct rows r = {0};

	bans.behind =
		db_run(SQL_BAN_SINCE, (struct param[]){p_int(bans.known)}, 1, &a, &r) != ST_OK;
	for (int i = 0; i < r.count && !bans.behind; i++) {
		bans.heard(row_slice(&r, i, 0), row_int(&r, i, 1));
		bans.known = row_int(&r, i, 2);
	}
	arena_release(&a);
}

void ban_list_follow(void (*heard)(slice address, usec left))
{
	bans.heard = heard;
	bans.known = 0;
	change_watch(REVISION_BAN, look);
}

/* ---- noting */

static void keep(slice address, usec span)
{
	if (!bans.spans)
		bans.spans = map_open();
	usec *known = map_get(bans.spans, address);
	if (!known && map_size(bans.spans) >= MOST)
		return;
	if (!known) {
		known = arena_new(&bans.memory, sizeof *known);
		map_put(bans.spans, arena_copy(&bans.memory, address), known);
	}
	*known = span > *known ? span : *known;
}

void ban_list_note(slice address, usec span)
{
	pthread_mutex_lock(&bans.lock);
	keep(address, span);
	pthread_mutex_unlock(&bans.lock);
}

struct gathered {
	slice *address;
	int64_t *span;
	int n;
};

static struct gathered take(arena *a)
{
	struct gathered g = {0};
	size_t cursor = 0;
	slice address;
	void *span;

	pthread_mutex_lock(&bans.lock);
	size_t size = bans.spans ? map_size(bans.spans) : 0;
	g.address = arena_new_array(a, size, sizeof *g.address);
	g.span = arena_new_array(a, size, sizeof *g.span);
	while (bans.spans && map_next(bans.spans, &cursor, &address, &span)) {
		g.address[g.n] = arena_copy(a, address);
		g.span[g.n++] = *(usec *)span;
	}
	map_close(&bans.spans);
	arena_release(&bans.memory);
	pthread_mutex_unlock(&bans.lock);
	return g;
}

void ban_list_tend(void)
{
	arena a = ARENA_INIT;
	struct gathered g = take(&a);
	struct param p[] = {p_text_array(g.address, g.n), p_int_array(g.span, g.n),
		p_text(node_name()), p_text(S("too many errors"))};

	if (bans.behind)
		look();
	if (g.n > 0 && db_run(SQL_BAN_ADD, p, 4, NULL, NULL) != ST_OK) {
		pthread_mutex_lock(&bans.lock);
		for (int i = 0; i < g.n; i++)
			keep(g.address[i], g.span[i]);
		pthread_mutex_unlock(&bans.lock);
	}
	arena_release(&a);
}

/* ---- operators */

status ban_list(unsigned most, arena *a, struct ban_row **rows, int *n)
{
	struct rows r;

	TRY(db_run(SQL_BAN_LIST, (struct param[]){p_int(most)}, 1, a, &r));
	*n = r.count;
	*rows = arena_new_array(a, (size_t)r.count, sizeof **rows);
	for (int i = 0; i < r.count; i++)
		(*rows)[i] = (struct ban_row){row_slice(&r, i, 0), row_time(&r, i, 1),
			row_time(&r, i, 2), row_slice(&r, i, 3), row_slice(&r, i, 4)};
	return ST_OK;
}

static status audited(enum statement_id id, const struct param *p, int n, const struct audit_by *by,
	const char *action, slice address, int64_t *changed)
{
	arena a = ARENA_INIT;
	struct rows r = {0};
	db_tx *tx = db_begin(DB_SYSTEM, &a);

	change_audit(tx, 0, by, action, address.size ? address : S("*"), S(""));
	db_add(tx, id, p, n, &r);
	status kind = db_commit(&tx, NULL);
	*changed = kind == ST_OK ? r.changed : 0;
	arena_release(&a);
	return kind;
}

status ban_list_add(slice address, usec span, slice why, const struct audit_by *by)
{
	int64_t changed;
	struct param p[] = {
		p_text_array(&address, 1), p_int_array(&span, 1), p_text(by->who), p_text(why)};

	return audited(SQL_BAN_ADD, p, 4, by, "ban.add", address, &changed);
}

status ban_list_lift(slice address, const struct audit_by *by, int64_t *lifted)
{
	return audited(SQL_BAN_LIFT, (struct param[]){p_text(address)}, 1, by, "ban.lift", address,
		lifted);
}
