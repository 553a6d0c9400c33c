#include "provider/migrate.h"

#include "base/log.h"
#include "base/text.h"
#include "provider/db.h"

static status run(
	db_link *l, enum statement_id id, const struct param *p, int n, arena *a, struct rows *out)
{
	return db_link_run(l, statement_table[id].text, p, n, a, out);
}

int migrate_known(void)
{
	return (int)migration_count;
}

static status version_of(db_link *l, arena *a, int *version)
{
	struct rows r;
	*version = 0;
	TRY(run(l, SQL_SCHEMA_PRESENT, NULL, 0, a, &r));
	if (r.count == 0 || !row_bool(&r, 0, 0))
		return ST_OK;
	TRY(run(l, SQL_SCHEMA_VERSION_KNOWN, NULL, 0, a, &r));
	*version = r.count ? (int)row_int(&r, 0, 0) : 0;
	return ST_OK;
}

status migrate_version(slice owner_uri, arena *a, int *version, slice *why)
{
	db_link *l = NULL;
	TRY(db_link_open(owner_uri, "pennypost schema", a, &l, why));
	status kind = version_of(l, a, version);
	if (kind != ST_OK)
		*why = S("the database did not answer");
	db_link_close(&l);
	return kind;
}

status migrate_older(slice owner_uri, arena *a, slice **names, int *n, slice *why)
{
	enum { NODE, NAME, ROLE, SEEN, SCHEMA };
	db_link *l = NULL;
	struct rows r = {0};

	*n = 0;
	TRY(db_link_open(owner_uri, "pennypost schema", a, &l, why));
	status kind = run(l, SQL_NODE_ALL, NULL, 0, a, &r);
	if (kind != ST_OK)
		*why = S("the database did not answer");
	*names = arena_new_array(a, (size_t)r.count, sizeof **names);
	for (int i = 0; i < r.count; i++)
		if (row_int(&r, i, SCHEMA) < migrate_known())
			(*names)[(*n)++] =
				arena_format(a, "%.*s %.*s", SLICE_ARGS(row_slice(&r, i, NAME)),
					SLICE_ARGS(row_slice(&r, i, ROLE)));
	db_link_close(&l);
	return kind;
}

/* Within the transaction, with the table of versions locked: somebody else may have been here. */
static status still_due(db_link *l, const struct migration *m, arena *a, bool *due)
{
	int version;
	struct rows r;
	if (m->number > 1)
		TRY(run(l, SQL_SCHEMA_LOCK, NULL, 0, a, &r));
	TRY(version_of(l, a, &version));
	*due = version < m->number;
	return ST_OK;
}

static status apply_inside(db_link *l, const struct migration *m, arena *a, slice *why)
{
	bool due;
	TRY(still_due(l, m, a, &due));
	if (!due)
		return ST_OK;
	TRY(db_link_script(l, m->text, a, why));
	struct param p[] = {p_int(m->number), p_text(slice_z(m->name))};
	return run(l, SQL_SCHEMA_NOTE, p, 2, a, NULL);
}

static status apply(db_link *l, const struct migration *m, arena *a, slice *why)
{
	slice words = {0};
	status kind = db_link_script(l,
		"begin; set local lock_timeout = '2s'; set local statement_timeout = 0", a, &words);
	if (kind == ST_OK)
		kind = apply_inside(l, m, a, &words);
	if (kind == ST_OK)
		kind = db_link_script(l, "commit", a, &words);
	if (kind == ST_OK) {
		log_event(EV_MIGRATED, "version=%d name=%s", m->number, m->name);
		return ST_OK;
	}
	db_link_script(l, "rollback", a, NULL);
	int version; /* two may begin with the first one at once: whoever lost finds it done */
	if (version_of(l, a, &version) == ST_OK && version >= m->number)
		return ST_OK;
	*why = arena_format(a, "migration %04d-%s: %.*s", m->number, m->name,
		SLICE_ARGS(words.size ? words : S("the database did not answer")));
	return kind == ST_BUSY ? ST_BUSY : ST_BROKEN;
}

status migrate_run(slice owner_uri, arena *a, int *from, int *to, slice *why)
{
	db_link *l = NULL;
	*from = *to = 0;
	TRY(db_link_open(owner_uri, "pennypost schema", a, &l, why));
	status kind = version_of(l, a, from);
	*to = *from;
	if (kind != ST_OK) {
		*why = S("the database did not answer");
	} else if (*from > migrate_known()) {
		*why = arena_format(a,
			"the schema has version %d, this program knows %d: install the newer program",
			*from, migrate_known());
		kind = ST_INVALID;
	}
	for (const struct migration *m = migration_table; m->text && kind == ST_OK; m++) {
		if (m->number <= *from)
			continue;
		kind = apply(l, m, a, why);
		if (kind == ST_OK)
			*to = m->number;
	}
	db_link_close(&l);
	return kind;
}

/* ---- roles */

/* Identifiers and passwords cannot be parameters of such commands: PostgreSQL's own format() writes
   them. */
static status written(
	db_link *l, enum statement_id id, const struct param *p, int n, arena *a, slice *why)
{
	struct rows r;
	status kind = run(l, id, p, n, a, &r);
	for (int i = 0; kind == ST_OK && i < r.count; i++)
		kind = db_link_script(l, row_slice(&r, i, 0).at, a, why);
	return kind;
}

static status make_role(db_link *l, const char *name, slice password, arena *a, slice *why)
{
	slice kept = {0};
	if (password.size)
		TRY(db_link_password(l, name, password, a, &kept));
	struct param p[] = {p_text(slice_z(name)), kept.size ? p_text(kept) : p_null(P_TEXT)};
	return written(l, SQL_ROLE_COMMANDS, p, 2, a, why);
}

status migrate_roles(const struct migrate_roles *r, arena *a, slice *why)
{
	db_link *l = NULL;
	slice words = {0};
	TRY(db_link_open(r->superuser_uri, "pennypost schema", a, &l, why));
	status kind = make_role(l, "pennypost_owner", r->owner_password, a, &words);
	if (kind == ST_OK)
		kind = make_role(l, "pennypost_run", r->run_password, a, &words);
	if (kind == ST_OK)
		kind = make_role(l, "pennypost_system", r->system_password, a, &words);
	struct param name = p_text(r->database);
	if (kind == ST_OK)
		kind = written(l, SQL_DATABASE_COMMANDS, &name, 1, a, &words);
	bool superuser = db_link_is_superuser(l);
	db_link_close(&l);
	if (kind == ST_OK)
		return ST_OK;
	*why = words.size ? words : S("the database refused");
	if (superuser || kind == ST_BUSY)
		return kind == ST_BUSY ? ST_BUSY : ST_BROKEN;
	*why = arena_format(
		a, "the user of the connection string is no superuser: %.*s", SLICE_ARGS(*why));
	return ST_DENIED;
}

status migrate_beside(slice superuser_uri, slice database, arena *a, slice *names, slice *why)
{
	db_link *l = NULL;
	struct rows r = {0};
	struct param p = p_text(database);
	TRY(db_link_open(superuser_uri, "pennypost schema", a, &l, why));
	status kind = run(l, SQL_DATABASES_BESIDE, &p, 1, a, &r);
	db_link_close(&l);
	if (kind == ST_OK)
		*names = row_null(&r, 0, 0) ? S("") : row_slice(&r, 0, 0);
	else
		*why = S("the database did not answer");
	return kind;
}

/* Of two words of one key the later counts. */
status migrate_role_uri(slice superuser_uri, slice database, slice role, slice password, arena *a,
	slice *out, slice *why)
{
	return db_uri_to(superuser_uri, role, password, database, a, out, why);
}
