/* T50: the law under which tables, functions and roles stand, read from PostgreSQL's catalogue; and
   what each role may run. */
#include "tests/unit/provider/given.h"

#include "base/text.h"

#include <criterion/criterion.h>

#define TABLES                                                                                     \
	" from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')"
#define OF_TENANTS                                                                                 \
	" exists (select from pg_attribute t where t.attrelid = c.oid and t.attname = 'postoffice')"

Test(law, holds_every_table_of_post_offices)
{
	given_schema();
	slice out = given_text(
		"select coalesce(string_agg(c.relname, ', '), '')" TABLES " and" OF_TENANTS
		" and not ("
		" c.relrowsecurity and c.relforcerowsecurity and c.relowner = 'pennypost_owner'::regrole"
		" and exists (select from pg_attribute t where t.attrelid = c.oid and t.attname = 'postoffice'"
		"  and t.attnotnull and t.atttypid = 'bigint'::regtype)"
		" and (select count(*) = 2 and count(*) filter (where p.polname = 'run'"
		"   and p.polroles = array['pennypost_run'::regrole::oid]"
		"   and pg_get_expr(p.polqual, p.polrelid) = case when c.relname in ('queue', 'queue_deferred')"
		"    then '((postoffice + 0) = tenant())' else '(postoffice = tenant())' end"
		/* No index follows from a sum. */
		"   and pg_get_expr(p.polwithcheck, p.polrelid) = '(postoffice = tenant())') = 1"
		"  and count(*) filter (where p.polname = 'system' and p.polroles = array['pennypost_system'::regrole::oid]) = 1"
		"  and bool_and(p.polcmd = '*' and p.polpermissive) from pg_policy p where p.polrelid = c.oid))");
	cr_expect(out.size == 0, "%.*s: call tenant_table() for it in its migration",
		SLICE_ARGS(out));
	cr_expect(given_sql("select count(*)" TABLES " and c.relforcerowsecurity") > 60,
		"there are such tables");
	cr_expect(
		given_sql(
			"select count(*) from pg_class where relnamespace = 'public'::regnamespace"
			" and relkind not in ('r', 'p', 'i', 'I', 't')") == 0,
		"a view, a sequence or a foreign table has no policy");
}

/* Tables that both or one of the serving roles may read whole. */
static const struct known {
	const char *name, *reason;
} of_the_house[] = {
	{"ban", "addresses of clients that are turned away"},
	{"house_key", "random keys all nodes share"},
	{"lease", "the housekeeper's"},
	{"node", "processes"},
	{"qrunner", "who runs the queue, and the numbers of rows it tries"},
	{"qshard", "who holds which part of the queue"},
	{"repeat", "digests of messages: only who has the message knows its key"},
	{"revision", "numbers"},
	{"route", "ways to other systems, which operators set"},
	{"schema_version", "numbers"},
	{"srs_secret", "secrets of the house"},
	{"sts_policy", "policies of other systems"},
	{"throttle", "failures under keyed digests"},
	{"tls_report", "who of other systems was told what"},
	{"tls_result", "sessions with other systems"},
};

/* Names that only one of the two has: a select from the catalogue, or our list. */
static slice apart(const char *catalogue, const struct known *rows, size_t n)
{
	text sql = TEXT_INIT;

	text_format(&sql,
		"select coalesce(string_agg(coalesce(c.name, n), ', '), '') from (%s) c (name) full join unnest(array[",
		catalogue);
	for (size_t i = 0; i < n; i++)
		text_format(&sql, "%s'%s'", i ? ", " : "", rows[i].name);
	text_add_z(&sql, "]) n on n = c.name where n is null or c.name is null");
	slice out = given_text(sql.at);
	text_free(&sql);
	return out;
}

Test(law, knows_every_table_that_is_of_no_post_office)
{
	given_schema();
	slice out = apart("select c.relname" TABLES " and not" OF_TENANTS, of_the_house,
		sizeof of_the_house / sizeof *of_the_house);
	cr_expect(out.size == 0,
		"%.*s: a table without a column `postoffice` stands in law.c with its reason, and no other one",
		SLICE_ARGS(out));
}

/* Functions that run with the rights of the schema's owner, for whom row-level security may be
   lifted. */
static const struct known as_owner[] = {
	{"partition_make(text,date)",
		"the housekeeper owns no table: it can name four of them and a day"},
	{"partition_drop(text,timestamp with time zone)",
		"the same: only partitions whose time is over go"},
};

Test(law, knows_every_function_that_runs_as_its_owner)
{
	given_schema();
	slice out = apart("select oid::regprocedure::text from pg_proc"
			  " where prosecdef and pronamespace <> 'pg_catalog'::regnamespace",
		as_owner, sizeof as_owner / sizeof *as_owner);
	cr_expect(out.size == 0,
		"%.*s: what is SECURITY DEFINER stands in law.c with its reason, and no other one",
		SLICE_ARGS(out));

	out = given_text(
		"select coalesce(string_agg(oid::regprocedure::text, ', '), '') from pg_proc"
		" where prosecdef and pronamespace <> 'pg_catalog'::regnamespace"
		" and not (proowner = 'pennypost_owner'::regrole and 'search_path=public, pg_temp' = any (proconfig)"
		"  and has_function_privilege('pennypost_system', oid, 'execute')"
		"  and not has_function_privilege('pennypost_run', oid, 'execute') and proacl is not null"
		"  and not exists (select from aclexplode(proacl) where grantee = 0))");
	cr_expect(out.size == 0,
		"%.*s: is the schema owner's, has a search_path of its own, and the system role alone calls it",
		SLICE_ARGS(out));
}

Test(law, gives_no_role_another_ones_rights)
{
	given_schema();
	cr_expect(
		given_sql(
			"select count(*) from pg_auth_members where member in"
			" ('pennypost_run'::regrole, 'pennypost_system'::regrole)"
			" or roleid in ('pennypost_run'::regrole, 'pennypost_system'::regrole, 'pennypost_owner'::regrole)") ==
		0);
	cr_expect(
		given_sql(
			"select count(*) from unnest(array['pennypost_run', 'pennypost_system']) r"
			" where has_schema_privilege(r, 'public', 'create')"
			" or has_database_privilege(r, current_database(), 'create')"
			" or has_database_privilege(r, current_database(), 'temporary')") == 0,
		"neither makes anything of its own");
	cr_expect(
		given_sql(
			"select count(*)" TABLES
			" and exists (select from aclexplode(c.relacl) a where a.grantee = 0"
			"  or a.privilege_type not in ('SELECT', 'INSERT', 'UPDATE', 'DELETE') and a.grantee <> c.relowner)") ==
			0,
		"nothing is everybody's, and rows are all that anybody has");
}

/* ---- the statements of each role are all it can do */

static bool runs_as(const struct statement *s, enum db_role role)
{
	return s->kind == STATEMENT_GLOBAL ||
	       s->kind == (role == DB_RUN ? STATEMENT_TENANT : STATEMENT_SYSTEM);
}

/* Prepares the statements of a role, and notes their calls in the table `calls`. */
static void prepare_all(enum db_role role)
{
	arena a = ARENA_INIT;
	given_script(given_super(),
		"create temp table calls (call text, body text); create temp table idle (what text)");
	for (int id = 0; id < STATEMENT_COUNT; id++) {
		const struct statement *s = &statement_table[id];
		if (!runs_as(s, role) || slice_starts(slice_z(s->name), S("tx_")))
			continue;
		text call = TEXT_INIT;
		text_format(&call, "explain execute %s", s->name);
		for (unsigned i = 0; i < s->params; i++)
			text_add_z(&call, i ? ", NULL" : "(NULL");
		if (s->params)
			text_add_char(&call, ')');
		given_script(
			given_super(), arena_format(&a, "prepare %s as %s", s->name, s->text).at);
		struct param p[] = {p_text(text_slice(&call)), p_text(slice_z(s->text))};
		cr_assert(db_link_run(given_super(), "insert into calls values ($1, $2)", p, 2, &a,
				  NULL) == ST_OK);
		text_free(&call);
	}
	arena_release(&a);
}

/* Takes one right after the other away, to see whether a statement misses it. */
#define TAKE_AWAY                                                                                                               \
	"do $do$ declare r record; c text; calls text[]; needed boolean;"                                                       \
	" begin for r in"                                                                                                       \
	"  select c.relname, x.privilege_type, '' as part from pg_class c, aclexplode(c.relacl) x"                              \
	"  where c.relnamespace = 'public'::regnamespace and x.grantee = '%1$s'::regrole"                                       \
	"  union all select c.relname, x.privilege_type, format('(%%I)', t.attname)"                                            \
	"  from pg_class c join pg_attribute t on t.attrelid = c.oid, aclexplode(t.attacl) x"                                   \
	"  where c.relnamespace = 'public'::regnamespace and x.grantee = '%1$s'::regrole"                                       \
	" loop"                                                                                                                 \
	"  needed := false;"                                                                                                    \
	"  calls := array(select calls.call from calls where calls.body ~ ('\\m' || r.relname || '\\M'));"                      \
	"  begin"                                                                                                               \
	"   execute format('revoke %%s %%s on %%I from %1$s', r.privilege_type, r.part, r.relname);"                            \
	"   set local session authorization %1$s;"                                                                              \
	"   foreach c in array calls loop"                                                                                      \
	"    begin execute c; exception when insufficient_privilege then needed := true; exit; end;"                            \
	"   end loop;"                                                                                                          \
	"   raise 'undo' using errcode = 'P0099';"                                                                              \
	"  exception when sqlstate 'P0099' then null; end;"                                                                     \
	"  if not needed then insert into idle values (format('%%s %%s on %%I', r.privilege_type, r.part, r.relname)); end if;" \
	" end loop; end $do$"

static void expect_no_idle_rights(enum db_role role, const char *name)
{
	arena a = ARENA_INIT;
	given_schema();
	prepare_all(role);
	given_script(given_super(), "set plan_cache_mode = force_generic_plan");
	text sql = TEXT_INIT;
	text_format(&sql, TAKE_AWAY, name);
	given_script(given_super(), sql.at);
	text_free(&sql);
	slice idle =
		given_text("select coalesce(string_agg(what, ', ' order by what), '') from idle");
	cr_expect(idle.size == 0, "%s has rights that no statement needs: %.*s", name,
		SLICE_ARGS(idle));
	arena_release(&a);
}

Test(law, gives_the_system_role_what_its_statements_need_and_no_more, .timeout = 1800)
{
	expect_no_idle_rights(DB_SYSTEM, "pennypost_system");
}

Test(law, gives_the_run_time_role_what_its_statements_need_and_no_more, .timeout = 1800)
{
	expect_no_idle_rights(DB_RUN, "pennypost_run");
}

/* Refused before anything is sent: nobody listens at this address. */
Test(law, runs_no_statement_as_the_role_of_another_kind)
{
	given_silence();
	slice nowhere = S("host=/nonexistent dbname=none");
	struct db_conf c = {
		.uri = {nowhere.at, nowhere.at}, .connections = {1, 1}, .application = "test"};
	cr_assert(db_open(&c) == ST_OK);
	for (int role = 0; role < DB_ROLES; role++) {
		int refused = 0;
		for (int id = 0; id < STATEMENT_COUNT; id++) {
			arena a = ARENA_INIT;
			const struct statement *s = &statement_table[id];
			struct param *nulls = arena_new_array(&a, s->params, sizeof *nulls);
			for (unsigned i = 0; i < s->params; i++)
				nulls[i] = p_null(P_INT);
			db_tx *tx = db_begin((enum db_role)role, &a);
			db_add(tx, (enum statement_id)id, nulls, (int)s->params, NULL);
			if (runs_as(s, (enum db_role)role)) {
				db_rollback(&tx);
			} else {
				cr_expect(db_commit(&tx, NULL) == ST_BROKEN, "%s", s->name);
				refused++;
			}
			arena_release(&a);
		}
		cr_expect(refused > 90, "%d", refused);
		arena a = ARENA_INIT;
		db_tx *tx = db_begin((enum db_role)role, &a);
		db_add(tx, SQL_TX_RUN_PING, NULL, 0, NULL);
		cr_expect(db_commit(&tx, NULL) == ST_BUSY, "what may be run is tried");
		arena_release(&a);
	}
	db_close();
}
