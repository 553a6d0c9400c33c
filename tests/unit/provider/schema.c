/* The schema as a whole: migrations, the law of tenant tables, and every statement prepared. */
#include "tests/unit/provider/given.h"

#include "base/text.h"
#include "provider/migrate.h"

#include <criterion/criterion.h>
#include <stdlib.h>

Test(schema, is_made_from_nothing_and_again_is_nothing)
{
	arena a = ARENA_INIT;
	int from, to, version;
	slice why = S("");
	given_schema();
	cr_assert(migrate_run(given_bootstrap()->pguri_owner, &a, &from, &to, &why) == ST_OK);
	cr_expect(from == migrate_known() && to == migrate_known());
	cr_assert(migrate_version(given_bootstrap()->pguri_owner, &a, &version, &why) == ST_OK);
	cr_expect(version == migrate_known());
	cr_expect(given_sql("select count(*) from schema_version") == migrate_known());
	arena_release(&a);
}

Test(schema, of_a_newer_program_is_refused)
{
	arena a = ARENA_INIT;
	int from, to;
	slice why = S(""), uri;
	given_schema();
	/* In a database of its own: the others are read by tests beside this one. */
	given_sql("create database newer owner pennypost_owner");
	cr_assert(db_uri_as(given_bootstrap()->pguri_owner, S(""), S(""), &a, &uri, &why) == ST_OK);
	uri = arena_format(&a, "%.*s dbname='newer'", SLICE_ARGS(uri));
	cr_assert(migrate_run(uri, &a, &from, &to, &why) == ST_OK, "%.*s", SLICE_ARGS(why));
	cr_expect(from == 0 && to == migrate_known());

	db_link *owner = NULL;
	cr_assert(db_link_open(uri, "test", &a, &owner, &why) == ST_OK);
	cr_assert(db_link_script(owner, "insert into schema_version values (9999, 'later')", &a,
			  &why) == ST_OK);
	cr_expect(migrate_run(uri, &a, &from, &to, &why) == ST_INVALID);
	cr_expect(slice_search(why, S("9999")) < why.size, "%.*s", SLICE_ARGS(why));
	db_link_close(&owner);

	struct bootstrap b = *given_bootstrap();
	cr_assert(db_uri_as(b.pguri, S(""), S(""), &a, &b.pguri, &why) == ST_OK);
	cr_assert(db_uri_as(b.pguri_system, S(""), S(""), &a, &b.pguri_system, &why) == ST_OK);
	b.pguri = arena_format(&a, "%.*s dbname='newer'", SLICE_ARGS(b.pguri));
	b.pguri_system = arena_format(&a, "%.*s dbname='newer'", SLICE_ARGS(b.pguri_system));
	given_sql("grant connect on database newer to pennypost_run, pennypost_system");
	struct provider_conf c = {
		.boot = &b, .connections = 1, .system_connections = 1, .application = "test"};
	cr_expect(provider_open(&c) == ST_INVALID);
	given_sql("drop database newer with (force)");
	arena_release(&a);
}

Test(schema, roles_and_database_are_made_by_a_superuser)
{
	arena a = ARENA_INIT;
	slice why = S("");
	struct migrate_roles r = {.superuser_uri = slice_z(getenv("PENNYPOST_TEST_SUPERURI")),
		.database = S("with \"quotes'")};
	cr_assert(migrate_roles(&r, &a, &why) == ST_OK, "%.*s", SLICE_ARGS(why));
	cr_expect(migrate_roles(&r, &a, &why) == ST_OK, "again it is nothing");
	cr_expect(given_sql("select count(*) from pg_database where datname = 'with \"quotes'''"
			    " and datdba = 'pennypost_owner'::regrole") == 1);
	cr_expect(given_sql("select count(*) from pg_roles where rolname like 'pennypost_%'"
			    " and not rolsuper and not rolbypassrls and rolcanlogin") == 3);
	given_sql("drop database \"with \"\"quotes'\"");
	arena_release(&a);
}

/* PostgreSQL may log the commands that set them, and shows them to others while they run. */
Test(schema, passwords_of_roles_travel_as_verifiers)
{
	arena a = ARENA_INIT;
	db_link *l;
	slice why, kept, other;
	cr_assert(db_link_open(slice_z(getenv("PENNYPOST_TEST_SUPERURI")), "test", &a, &l, &why) ==
		  ST_OK);
	cr_assert(db_link_password(l, "pennypost_run", S("secret words"), &a, &kept) == ST_OK);
	cr_expect(slice_starts(kept, S("SCRAM-SHA-256$")), "%.*s", SLICE_ARGS(kept));
	cr_expect(slice_search(kept, S("secret")) == kept.size);
	cr_assert(db_link_password(l, "pennypost_run", S("secret words"), &a, &other) == ST_OK);
	cr_expect(!slice_same(kept, other), "salted");
	db_link_close(&l);
	arena_release(&a);
}

Test(schema, leads_every_tenant_key_by_the_post_office)
{
	given_schema();
	/* The queue is led by its shard (sql/schema). */
	cr_expect(
		given_sql("select count(*) from pg_index i join pg_class c on c.oid = i.indrelid"
			  " join pg_attribute t on t.attrelid = c.oid and t.attname = 'postoffice'"
			  " where i.indisprimary and c.relnamespace = 'public'::regnamespace"
			  " and i.indkey[0] <> t.attnum and c.relname !~ '^queue'") == 0);
}

Test(schema, gives_the_serving_roles_nothing_they_could_turn_the_law_off_with)
{
	given_schema();
	cr_expect(
		given_sql(
			"select count(*) from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')"
			" and c.relowner <> 'pennypost_owner'::regrole") == 0);
	cr_expect(
		given_sql(
			"select has_function_privilege('pennypost_run', 'partition_drop(text, timestamptz)', 'execute')::int") ==
		0);
	cr_expect(
		given_sql(
			"select has_table_privilege('pennypost_run', 'setting', 'select')::int") ==
		0);
	cr_expect(
		given_sql(
			"select has_column_privilege('pennypost_system', 'blob', 'data', 'select')::int") ==
		0);
	cr_expect(
		given_sql(
			"select has_schema_privilege('pennypost_run', 'public', 'create')::int") ==
		0);
	cr_expect(
		given_sql(
			"select count(*) from unnest(array['audit', 'trace', 'change', 'expunged']) t"
			" where has_table_privilege('pennypost_system', t, 'update')"
			" or has_table_privilege('pennypost_system', t, 'delete')") == 0,
		"what was noted stays, until its partition goes");
}

/* Statements that mean all rows of a post office, or all its domains. */
static bool meant_for_all(const char *name)
{
	slice n = slice_z(name);
	return strcmp(name, "audit_of_postoffice") == 0 || strcmp(name, "mailbox_insert") == 0 ||
	       strcmp(name, "ledger_settle") == 0 || strcmp(name, "auth_sealed") == 0 ||
	       slice_starts(n, S("postoffice_")) || slice_ends_nocase(n, S("_list"));
}

/* Those that find rows of the queue by their ids. */
static bool finds_by_ids(const struct statement *s)
{
	static const enum statement_id by_ids[] = {SQL_QUEUE_KILLED, SQL_QUEUE_DONE,
		SQL_QUEUE_DEFER, SQL_QUEUE_END, SQL_QUEUE_NOTICE, SQL_QUEUE_ORDER};

	for (size_t i = 0; i < sizeof by_ids / sizeof *by_ids; i++)
		if (s == &statement_table[by_ids[i]])
			return true;
	return false;
}

/* The way their transactions begin; those of tenants have the same from their connection. */
static const char *first_of(const struct statement *s)
{
	return finds_by_ids(s) ? statement_table[SQL_QUEUE_BY_INDEX].text : "select";
}

/* Preparing alone asks for no rights; EXPLAIN does, without running the statement. The tables are
   empty here, which is when the planner likes best to read a whole post office: joins must start at
   what was asked for by themselves, and of a folder read what was asked for. Which of two indexes
   finds one row is a tie then, which counting the table decides; those pairs are named. What a role is set to,
   by other tests too, is left aside. The plan tells whether rows are changed, too, which must be known
   of each statement when its connection breaks; a volatile function of the schema may change anything. */
static void explain_all(slice uri, unsigned kinds)
{
	arena a = ARENA_INIT;
	db_link *l = NULL;
	slice why = S("");
	cr_assert(db_link_open(uri, "test", &a, &l, &why) == ST_OK);
	for (int id = 0; id < STATEMENT_COUNT; id++) {
		const struct statement *s = &statement_table[id];
		if (!(kinds & 1u << s->kind) || strncmp(s->name, "tx_", 3) == 0)
			continue;
		text nulls = TEXT_INIT;
		for (unsigned i = 0; i < s->params; i++)
			text_add_z(&nulls, i ? ", NULL" : "(NULL");
		if (s->params)
			text_add_char(&nulls, ')');
		slice sql = arena_format(&a,
			"begin; set local plan_cache_mode = force_generic_plan; set local enable_seqscan = on;"
			" set local enable_bitmapscan = on; set local enable_hashjoin = on; set local enable_mergejoin = on;"
			" %s; prepare one as %s;"
			"do $do$ declare l text; above text := ''; changes boolean := false;"
			" begin for l in execute 'explain (costs off) execute one%s' loop"
			" if %s and l ~ 'Index Cond: [(]postoffice = [$]1[)]$'"
			" and above !~ 'using (postoffice_pkey|search_index_pkey|mailbox_postoffice_folded_key|queue_message|queue_deferred_postoffice_msg_idx)'"
			" then raise 'reads a whole post office: %%', above; end if;"
			" if l ~ 'Index Cond: [(]shard = [a-z]+[.]shard[)]$' and above ~ ' queue'"
			" then raise 'reads a whole shard: %%', above; end if;"
			" if %s and above ~ 'Scan .*on queue(_deferred)?( |$)' and (above !~ 'using queue_(deferred_)?pkey'"
			"  or l !~ 'Index Cond: [(]qid (= ANY |> [$])')"
			" then raise 'reads the whole queue: %%', above; end if;"
			" if l ~ 'Filter: .*uid [<>=]'"
			" and above ~ 'Index Cond: [(][(]postoffice = [$]1[)] AND [(]folder = [^)]*[)][)]$'"
			" then raise 'reads a whole folder: %%', l; end if;"
			" if %s and l ~ '->  Memoize' then raise 'keeps bodies that are read once: %%', above; end if;"
			" changes := changes or l ~ '(^|-> ) *(Insert|Update|Delete|Merge) on '; above := l; end loop;"
			" changes := changes or exists (select from pg_proc p, pg_prepared_statements s where s.name = 'one'"
			"  and p.oid >= 16384 and p.provolatile = 'v' and s.statement ~ ('\\m' || p.proname || '[(]'));"
			" if changes = %s then raise 'taken for what changes rows, or for what does not: %%', changes; end if; end $do$",
			first_of(s), s->text, s->params ? nulls.at : "",
			s->kind == STATEMENT_TENANT && !meant_for_all(s->name) ? "true" : "false",
			finds_by_ids(s) ? "true" : "false",
			slice_starts(slice_z(s->name), S("blob_")) ? "true" : "false",
			s->reads ? "true" : "false");
		cr_expect(db_link_script(l, sql.at, &a, &why) == ST_OK, "%s: %.*s", s->name,
			SLICE_ARGS(why));
		db_link_script(l, "rollback; deallocate all", &a, NULL);
		text_free(&nulls);
	}
	db_link_close(&l);
	arena_release(&a);
}

Test(schema, fits_every_statement_and_grants_what_it_needs)
{
	given_schema();
	/* What is known to be empty looks even cheaper than what nobody counted. Rows of earlier tests that a
	   backend on its way out may still see would keep their pages. */
	given_script(given_super(), "truncate queue, queue_deferred, entry cascade");
	given_script(given_super(), "vacuum queue, queue_deferred, entry");
	explain_all(given_bootstrap()->pguri, 1u << STATEMENT_TENANT | 1u << STATEMENT_GLOBAL);
	explain_all(
		given_bootstrap()->pguri_system, 1u << STATEMENT_SYSTEM | 1u << STATEMENT_GLOBAL);
}
