/* Settings in memory. Values of the server stand in an array that readers look into without a lock;
   values of narrower scopes in a map under a read-write lock. A value once shown is never changed:
   it is replaced, and freed a minute later. */
#include "provider/setting.h"

#include "base/log.h"
#include "base/map.h"
#include "base/memory.h"
#include "provider/auth_secret.h"
#include "provider/change.h"
#include "provider/mailbox.h"
#include "provider/setting_parse.h"
#include "provider/watch.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define KEEP_REPLACED (60 * USEC_S)

struct value {
	int64_t number;
	usec replaced_at;
	struct value *next; /* among the replaced */
	size_t size;
	char words[];
};

static struct {
	/* Never NULL once open: the default, or what is set. */
	_Atomic(struct value *) server[S_COUNT];
	struct value *fallback[S_COUNT];
	pthread_rwlock_t lock;          /* guards `narrow` */
	map *narrow;                    /* "scope postoffice object id" to value */
	_Atomic int narrow_of[S_COUNT]; /* how many of its values are of each setting */
	pthread_mutex_t load; /* guards what follows; one load at a time changes anything */
	struct value *replaced;
	int64_t seen;
} memory = {.lock = PTHREAD_RWLOCK_INITIALIZER, .load = PTHREAD_MUTEX_INITIALIZER};

/* ---- values */

static struct value *value_new(enum setting_id id, slice words)
{
	struct value *v = memory_new(sizeof *v + words.size + 1);
	v->size = words.size;
	if (words.size)
		memcpy(v->words, words.at, words.size);
	if (setting_is_number(setting_rows[id].kind) &&
		setting_parse(setting_rows[id].kind, words, &v->number) != ST_OK)
		v->number = 0;
	return v;
}

static void bury(struct value *v)
{
	if (v == NULL)
		return;
	v->replaced_at = clock_now();
	v->next = memory.replaced;
	memory.replaced = v;
}

static void free_buried(usec before)
{
	for (struct value **at = &memory.replaced; *at;) {
		struct value *v = *at;
		if (v->replaced_at < before) {
			*at = v->next;
			memory_free(v);
		} else {
			at = &v->next;
		}
	}
}

static const struct value *server_value(enum setting_id id)
{
	const struct value *v = atomic_load_explicit(&memory.server[id], memory_order_acquire);
	assert(v); /* provider_open comes first */
	return v;
}

/* ---- keys of narrower scopes */

#define KEY_MOST 320

static slice key_of(
	char room[KEY_MOST], unsigned scope, int64_t postoffice, slice object, enum setting_id id)
{
	int size = snprintf(room, KEY_MOST, "%u %" PRId64 " %d %.*s", scope, postoffice, (int)id,
		SLICE_ARGS(slice_until(object, 255)));
	return slice_of(room, (size_t)size);
}

static const struct value *narrow_value(
	unsigned scope, int64_t postoffice, slice object, enum setting_id id)
{
	char room[KEY_MOST];
	slice key = key_of(room, scope, postoffice, object, id);
	pthread_rwlock_rdlock(&memory.lock);
	const struct value *v = memory.narrow ? map_get(memory.narrow, key) : NULL;
	pthread_rwlock_unlock(&memory.lock);
	return v;
}

static slice mailbox_object(char room[24], int64_t mailbox)
{
	int size = snprintf(room, 24, "%" PRId64, mailbox);
	return slice_of(room, (size_t)size);
}

/* The narrowest value set; *scope tells where it stands, 0 = nowhere: the default. */
static const struct value *value_at(
	enum setting_id id, const struct setting_at *at, unsigned *scope)
{
	unsigned allowed = setting_rows[id].scopes;
	const struct value *v = NULL;
	if (at && atomic_load_explicit(&memory.narrow_of[id], memory_order_relaxed) > 0) {
		char room[24];
		*scope = SCOPE_MAILBOX;
		if ((allowed & SCOPE_MAILBOX) && at->mailbox)
			v = narrow_value(SCOPE_MAILBOX, at->postoffice,
				mailbox_object(room, at->mailbox), id);
		if (v)
			return v;
		*scope = SCOPE_DOMAIN;
		if ((allowed & SCOPE_DOMAIN) && at->domain.size)
			v = narrow_value(SCOPE_DOMAIN, at->postoffice, at->domain, id);
		if (v)
			return v;
		*scope = SCOPE_POSTOFFICE;
		if ((allowed & SCOPE_POSTOFFICE) && at->postoffice)
			v = narrow_value(SCOPE_POSTOFFICE, at->postoffice, S(""), id);
		if (v)
			return v;
	}
	v = server_value(id);
	*scope = v == memory.fallback[id] ? 0 : SCOPE_SERVER;
	return v;
}

/* ---- asking */

int64_t setting_number(enum setting_id id, const struct setting_at *at)
{
	unsigned scope;
	assert(setting_is_number(setting_rows[id].kind));
	return value_at(id, at, &scope)->number;
}

bool setting_on(enum setting_id id, const struct setting_at *at)
{
	return setting_number(id, at) != 0;
}

slice setting_text(enum setting_id id, const struct setting_at *at)
{
	unsigned scope;
	assert(!setting_is_number(setting_rows[id].kind));
	const struct value *v = value_at(id, at, &scope);
	return slice_of(v->words, v->size);
}

bool setting_lists(enum setting_id id, const struct setting_at *at, slice word)
{
	return setting_list_has(setting_text(id, at), word);
}

bool setting_lists_any(enum setting_id id, const struct setting_at *at, slice words)
{
	return setting_list_has_any(setting_text(id, at), words);
}

status setting_show(
	enum setting_id id, const struct setting_at *at, arena *a, slice *value, unsigned *scope)
{
	const struct value *v = value_at(id, at, scope);
	*value = arena_copy(a, slice_of(v->words, v->size));
	return ST_OK;
}

/* ---- loading */

/* Load lock held. words.at NULL: unset. */
static void put_server(enum setting_id id, slice words)
{
	struct value *v = words.at ? value_new(id, words) : memory.fallback[id];
	struct value *before =
		atomic_exchange_explicit(&memory.server[id], v, memory_order_acq_rel);
	if (before != memory.fallback[id])
		bury(before);
}

static void put_narrow(
	unsigned scope, int64_t postoffice, slice object, enum setting_id id, slice words)
{
	char room[KEY_MOST];
	slice key = key_of(room, scope, postoffice, object, id);
	struct value *v = words.at ? value_new(id, words) : NULL;
	pthread_rwlock_wrlock(&memory.lock);
	struct value *before = v ? map_put(memory.narrow, key, v) : map_remove(memory.narrow, key);
	atomic_fetch_add(&memory.narrow_of[id], (v != NULL) - (before != NULL));
	pthread_rwlock_unlock(&memory.lock);
	bury(before);
}

static void put_row(const struct rows *r, int row, arena *a)
{
	enum setting_id id;
	unsigned scope = (unsigned)row_int(r, row, 1);
	slice name = row_slice(r, row, 3), words = row_slice(r, row, 4), normal, why;
	if (setting_find(name, &id) != ST_OK)
		return; /* of another version of the program */
	if (words.at && setting_check(id, words, a, &normal, &why) != ST_OK) {
		log_event(EV_SETTING_IGNORED, "name=%s value=%s why=%s", setting_rows[id].name,
			log_quote(words), log_quote(why));
		words = (slice){0};
	}
	if (scope == SCOPE_SERVER)
		put_server(id, words);
	else
		put_narrow(scope, row_int(r, row, 0), row_slice(r, row, 2), id, words);
}

status setting_load(void)
{
	arena a = ARENA_INIT;
	struct rows r;
	pthread_mutex_lock(&memory.load);
	struct param since = p_int(memory.seen);
	pthread_mutex_unlock(&memory.load);
	status kind = db_run(SQL_SETTING_SINCE, &since, 1, &a, &r);
	pthread_mutex_lock(&memory.load);
	for (int i = 0; kind == ST_OK && i < r.count; i++) {
		int64_t rev = row_int(&r, i, 5);
		if (rev <= memory.seen)
			continue; /* another load was faster */
		put_row(&r, i, &a);
	}
	if (kind == ST_OK && r.count) {
		int64_t last = row_int(&r, r.count - 1, 5);
		memory.seen = last > memory.seen ? last : memory.seen;
	}
	free_buried(clock_now() - KEEP_REPLACED);
	pthread_mutex_unlock(&memory.load);
	arena_release(&a);
	return kind;
}

/* The defaults, made once. */
static void make_fallbacks(void)
{
	arena a = ARENA_INIT;
	for (int i = 0; i < S_COUNT; i++) {
		slice words = slice_z(setting_rows[i].fallback), why;
		setting_check((enum setting_id)i, words, &a, &words, &why);
		memory.fallback[i] = value_new((enum setting_id)i, words);
		atomic_store(&memory.server[i], memory.fallback[i]);
	}
	arena_release(&a);
	memory.narrow = map_open();
}

void setting_open(void)
{
	size_t cursor = 0;
	slice key;
	void *v;
	pthread_mutex_lock(&memory.load);
	if (memory.narrow == NULL)
		make_fallbacks();
	for (int i = 0; i < S_COUNT; i++)
		put_server((enum setting_id)i, (slice){0});
	pthread_rwlock_wrlock(&memory.lock);
	while (map_next(memory.narrow, &cursor, &key, &v)) {
		map_remove(memory.narrow, key);
		bury(v);
	}
	for (int i = 0; i < S_COUNT; i++)
		atomic_store(&memory.narrow_of[i], 0);
	pthread_rwlock_unlock(&memory.lock);
	memory.seen = 0;
	pthread_mutex_unlock(&memory.load);
}

/* ---- setting */

struct place {
	unsigned scope;
	int64_t postoffice;
	slice object;
	const char *name;
	int64_t mailbox;
};

static struct place place_of(const struct setting_at *at, char room[24])
{
	if (at && at->mailbox)
		return (struct place){SCOPE_MAILBOX, at->postoffice,
			mailbox_object(room, at->mailbox), "mailbox", at->mailbox};
	if (at && at->domain.size)
		return (struct place){SCOPE_DOMAIN, at->postoffice, at->domain, "domain", 0};
	if (at && at->postoffice)
		return (struct place){SCOPE_POSTOFFICE, at->postoffice, S(""), "post office", 0};
	return (struct place){SCOPE_SERVER, 0, S(""), "server", 0};
}

static slice detail_of(
	const struct setting_row *row, const slice *value, const struct rows *was, arena *a)
{
	struct change_fact facts[3] = {{"name", slice_z(row->name)}};
	int n = 1;

	if (value)
		facts[n++] = (struct change_fact){"value", *value};
	if (was->count)
		facts[n++] = (struct change_fact){"was", row_slice(was, 0, 0)};
	return change_detail(a, facts, n);
}

static status store(enum setting_id id, const struct place *where, const slice *value,
	const struct audit_by *by, arena *a)
{
	const struct setting_row *row = &setting_rows[id];
	struct param p[] = {p_int(where->postoffice), p_int(where->scope), p_text(where->object),
		p_text(slice_z(row->name)), value ? p_text(*value) : p_null(P_TEXT)};
	slice object = where->object.size ? where->object : slice_z(where->name);
	struct rows was;
	if (where->mailbox)
		TRY(mailbox_shown(where->postoffice, where->mailbox, a, &object));
	db_tx *tx = db_begin(DB_SYSTEM, a);
	change_rise(tx, REVISION_SETTING); /* whoever changes one meanwhile waits */
	db_add(tx, SQL_SETTING_WAS, p, 4, &was);
	status s = db_flush(tx);
	if (s != ST_OK) {
		db_rollback(&tx);
		return s;
	}
	change_audit(tx, where->postoffice, by, value ? "setting.set" : "setting.unset", object,
		detail_of(row, value, &was, a));
	db_add(tx, SQL_SETTING_STORE, p, 5, NULL);
	return db_commit(&tx, NULL);
}

status setting_set(enum setting_id id, const struct setting_at *at, const slice *value,
	const struct audit_by *by, arena *a, slice *why)
{
	char room[24];
	slice normal;
	struct place where = place_of(at, room);
	if (!(setting_rows[id].scopes & where.scope)) {
		*why = arena_format(
			a, "%s cannot be set for a %s", setting_rows[id].name, where.name);
		return ST_DENIED;
	}
	if (value) {
		TRY(setting_check(id, *value, a, &normal, why));
		TRY(setting_sense(id, normal, a, why));
	}
	if (id == S_auth_recoverable && value && slice_same(normal, S("on")) &&
		!auth_secret_has_key()) {
		*why = S(
			"auth_recoverable needs the secret file: make it with `pennypost schema secret`");
		return ST_INVALID;
	}
	TRY(store(id, &where, value ? &normal : NULL, by, a));
	return setting_load();
}

status setting_exceptions(
	slice part, unsigned most, arena *a, struct setting_exception **rows, int *n)
{
	enum { POSTOFFICE, SCOPE, OBJECT, NAME, VALUE };
	struct rows r;

	TRY(db_run(SQL_SETTING_EXCEPTIONS, (struct param[]){p_text(part), p_int(most)}, 2, a, &r));
	*rows = arena_new_array(a, (size_t)r.count, sizeof **rows);
	*n = r.count;
	for (int i = 0; i < r.count; i++) {
		unsigned scope = (unsigned)row_int(&r, i, SCOPE);
		slice object = row_slice(&r, i, OBJECT);
		uint64_t box = 0;

		if (scope == SCOPE_MAILBOX)
			slice_number(object, &box);
		(*rows)[i] = (struct setting_exception){.name = row_slice(&r, i, NAME),
			.value = row_slice(&r, i, VALUE),
			.scope = scope,
			.at = {row_int(&r, i, POSTOFFICE), scope == SCOPE_DOMAIN ? object : S(""),
				(int64_t)box}};
	}
	return ST_OK;
}
