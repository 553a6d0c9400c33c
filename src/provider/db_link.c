/* A connection of one's own, without pool and pipeline: migrations, roles, checks. */
#include "provider/connection.h"
#include "provider/wire.h"

#include "base/log.h"
#include "base/memory.h"
#include "task/task.h"

#include <string.h>

struct db_link {
	PGconn *pg;
};

status db_link_open(slice uri, const char *application, arena *a, db_link **l, slice *why)
{
	PGconn *pg;
	slice reason = {0};
	status kind =
		connection_open(arena_z(a, uri), application, connection_wide, &pg, a, &reason);
	if (why)
		*why = reason;
	if (kind != ST_OK && why)
		return kind; /* the caller tells */
	if (kind != ST_OK)
		return log_trouble(kind, EV_DB_AWAY, "role=own why=%s", log_quote(reason));
	*l = memory_new(sizeof **l);
	(*l)->pg = pg;
	return ST_OK;
}

void db_link_close(db_link **l)
{
	if (*l == NULL)
		return;
	connection_close(&(*l)->pg);
	memory_free(*l);
	*l = NULL;
}

bool db_link_is_superuser(const db_link *l)
{
	const char *told = PQparameterStatus(l->pg, "is_superuser");

	return told && strcmp(told, "on") == 0;
}

static slice words_of(PGconn *pg, const PGresult *r, arena *a)
{
	const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
	const char *words = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
	if (words == NULL)
		return slice_trim(arena_copy(a, slice_z(PQerrorMessage(pg))));
	return arena_format(a, "%s (SQLSTATE %s)", words, state ? state : "unknown");
}

/* Every result of what was sent; the first failure counts. */
static status gather(db_link *l, const char *what, arena *a, struct rows *out, slice *why)
{
	status kind = ST_OK;
	PGresult *r;
	TRY(connection_flush(l->pg));
	for (;;) {
		status got = connection_result(l->pg, &r);
		if (PQresultStatus(r) == PGRES_FATAL_ERROR && r && kind == ST_OK) {
			kind = wire_failure(r, what);
			if (why)
				*why = words_of(l->pg, r, a);
		} else if (PQresultStatus(r) == PGRES_TUPLES_OK && out) {
			wire_rows(r, a, out);
		}
		PQclear(r);
		TRY(got);
		if (r == NULL)
			return kind;
	}
}

status db_link_script(db_link *l, const char *sql, arena *a, slice *why)
{
	if (!PQsendQuery(l->pg, sql))
		return ST_BUSY;
	status kind = gather(l, "script", a, NULL, why);
	return kind == ST_CLOSED ? ST_BUSY : kind;
}

status db_link_password(db_link *l, const char *role, slice password, arena *a, slice *kept)
{
	char *made = PQencryptPasswordConn(l->pg, arena_z(a, password), role, "scram-sha-256");
	if (made == NULL)
		return ST_BROKEN;
	*kept = arena_copy(a, slice_z(made));
	PQfreemem(made);
	return ST_OK;
}

int db_link_fd(const db_link *l)
{
	return PQsocket(l->pg);
}

status db_link_own(db_link *l, arena *a, bool *own)
{
	struct rows r;

	TRY(db_link_run(l, statement_table[SQL_NEWS_BACKEND].text, NULL, 0, a, &r));
	*own = r.count == 1 && row_int(&r, 0, 0) == PQbackendPID(l->pg);
	return ST_OK;
}

status db_link_hear(db_link *l, arena *a, bool *heard, slice *payload, bool *own)
{
	PGnotify *n;

	*heard = false;
	if (!PQconsumeInput(l->pg) || PQstatus(l->pg) != CONNECTION_OK)
		return ST_CLOSED;
	n = PQnotifies(l->pg);
	if (n == NULL)
		return ST_OK;
	*heard = true;
	*own = n->be_pid == PQbackendPID(l->pg);
	*payload = arena_copy(a, slice_z(n->extra));
	PQfreemem(n);
	return ST_OK;
}

status db_link_run(
	db_link *l, const char *sql, const struct param *p, int n, arena *a, struct rows *out)
{
	struct wire w;
	if (out)
		*out = (struct rows){0};
	wire_params(&w, p, n);
	int sent = PQsendQueryParams(l->pg, sql, w.n, w.types, w.values, w.lengths, w.formats, 1);
	text_free(&w.room);
	status kind = sent ? gather(l, "own", a, out, NULL) : ST_CLOSED;
	return kind == ST_CLOSED ? ST_BUSY : kind;
}

/* key='value', with backslashes before quotes and backslashes. */
static void add_pair(text *t, const char *key, slice value)
{
	text_format(t, "%s%s='", t->size ? " " : "", key);
	for (size_t i = 0; i < value.size; i++) {
		if (value.at[i] == '\'' || value.at[i] == '\\')
			text_add_char(t, '\\');
		text_add_char(t, value.at[i]);
	}
	text_add_char(t, '\'');
}

status db_uri_to(
	slice uri, slice user, slice password, slice database, arena *a, slice *out, slice *why)
{
	const struct {
		const char *keyword;
		slice value;
	} given[] = {{"user", user}, {"password", password}, {"dbname", database}};
	char *words = NULL;
	PQconninfoOption *options = PQconninfoParse(arena_z(a, uri), &words);
	if (options == NULL) {
		*why = slice_trim(arena_copy(a, slice_z(words)));
		PQfreemem(words);
		return ST_INVALID;
	}
	text t = TEXT_INIT;
	for (size_t i = 0; i < sizeof given / sizeof *given; i++)
		if (given[i].value.size)
			add_pair(&t, given[i].keyword, given[i].value);
	for (PQconninfoOption *o = options; o->keyword; o++) {
		bool replaced = o->val == NULL;
		for (size_t i = 0; i < sizeof given / sizeof *given; i++)
			replaced |=
				given[i].value.size && strcmp(o->keyword, given[i].keyword) == 0;
		if (!replaced)
			add_pair(&t, o->keyword, slice_z(o->val));
	}
	*out = arena_copy(a, text_slice(&t));
	text_free(&t);
	PQconninfoFree(options);
	return ST_OK;
}

status db_uri_as(slice uri, slice user, slice password, arena *a, slice *out, slice *why)
{
	return db_uri_to(uri, user, password, S(""), a, out, why);
}
