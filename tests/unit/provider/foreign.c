/* T50: every statement of the program over the rows of another post office. What it says and does
   must be the same whether those rows are there or not. That this means something is shown
   statement by statement: with the same parameters the owner of the rows, or the system role, does
   reach them (foreign.def). */
#include "tests/unit/provider/given.h"

#include "base/log.h"
#include "base/text.h"

#include <criterion/criterion.h>

/* One number for the post office and all it has, so that any parameter hits. */
static const int64_t victim = 20001, own = 20002;

/* ---- rows */

/* What all post offices share. Node 1000 and the owner of its shard of the queue are alive. */
static const char *const shared[] = {
	"update qshard set owner = N, epoch = N, lease = 'infinity' where shard = 1",
	"insert into qrunner (owner, name, trying) values (N, 'nN', array[N, N + 1])",
	"insert into node (node, name, role, token, schema, seen, until) values (1000, 'nN', 'nN', N, 1, now(), 'infinity')",
};

/* Of the house itself: mail that belongs to no post office. */
static const char *const house[] = {
	"insert into message (postoffice, msg, blob, size, hdrlen) values (0, N + 5, N, 5, 1)",
	"insert into blob (postoffice, blob, codec, rawlen, data) values (0, N, 0, 5, 'house')",
	"insert into blob_seg values (0, N, 1, 'house')",
	"insert into queue (shard, postoffice, qid, msg, sender, domain, rcpt, next_at, expires)"
	" values (4, 0, N + 5, N + 5, 'nN', 'nN', 'nN', now(), 'infinity')",
	"insert into queue_deferred (shard, postoffice, qid, msg, sender, domain, rcpt, next_at, expires)"
	" values (4, 0, N + 6, N + 5, 'nN', 'nN', 'nN', now(), 'infinity')",
	"insert into expunged (postoffice, mailbox, folder, uid, msg, flags, idate) values (0, 0, 0, 0, N, 0, now())",
	"insert into audit (postoffice, id, who, place, action, object, detail) values (0, N, 'nN', '', '', '', 'house')",
	"insert into trace (postoffice, at, id, message, message_id_hash, kind, node, fields) values (0, now(), N, N, N, 1, '', 'house')",
	"insert into setting values (0, 1, '', 'nN', 'house', 1)",
};

/* A post office with at least one row in every table there is. */
static const char *const office[] = {
	"insert into postoffice (postoffice, name) values (N, 'nN')",
	"insert into domain (postoffice, name) values (N, 'nN.test')",
	"insert into domain (postoffice, name, stands_for) values (N, 'also.nN.test', 'nN.test')",
	"insert into mailbox (postoffice, mailbox, name, folded, inbox, used, nmsg, modseq, kwnames, handling)"
	" values (N, N, 'nN', 'nN', N, 5, 1, 2, '{nN}', 3), (N, N + 1, 'mN', 'mN', N + 1, 0, 0, 1, '{}', 0)",
	"insert into credential (postoffice, mailbox, hash) values (N, N, 'secret')",
	"insert into mailgroup (postoffice, mailgroup, name, folded) values (N, N, 'gN', 'gN')",
	"insert into mailgroup_member values (N, N, 'mN@nN.test', 'mN@nN.test', 'nN.test')",
	"insert into address (postoffice, addr, domain, mailbox) values (N, 'nN@nN.test', 'nN.test', N),"
	" (N, 'mN@nN.test', 'nN.test', N + 1)",
	"insert into address (postoffice, addr, domain, mailgroup) values (N, 'gN@nN.test', 'nN.test', N)",
	"insert into address_mask values (N, 'nN.test', 'x*', 'x%', 10, '[SMTP:x@y.test]')",
	"insert into dkim_key (postoffice, domain, selector, algorithm, state, public, secret)"
	" values (N, 'nN.test', 'nN', 0, 1, 'x', 'nN'), (N, 'nN.test', 'next', 0, 0, 'x', 'nN')",
	"insert into redirection (postoffice, mailbox, keep, targets) values (N, N, true, '{nN@y.test}')",
	"insert into autoreply values (N, N, 'nN', 'nN', 'nN', '1970-01-01', 'infinity')",
	"insert into answered values (N, N, 0, 'nN', 'infinity'), (N, N, 0, 'old', '2001-01-01')",
	"insert into folder (postoffice, folder, mailbox, name, uidvalidity, uidnext, modseq, nmsg, nunseen, nbytes, special)"
	" values (N, N, N, 'nN', 1, N + 1, 2, 1, 2, 5, 0), (N, N + 1, N + 1, 'nN', 1, 1, 1, 0, 0, 0, 0),"
	" (N, N + 2, N, 'sN', 2, 1, 1, 0, 0, 0, 4), (N, N + 3, N, 'nN/low', 3, 1, 1, 0, 0, 0, 0)",
	"insert into folder_right (postoffice, folder, kind, who, negative, rights)"
	" values (N, N, 1, N + 1, false, 3), (N, N, 2, N, false, 1), (N, N, 0, 0, true, 0)",
	"insert into subscription values (N, N, 'nN')",
	"insert into annotation values (N, N, N, '/private/nN', 'nN', 1)",
	"insert into message (postoffice, msg, blob, size, hdrlen) values (N, N, N, 5, 1), (N, N + 1, N + 1, 5, 1)",
	"insert into message_view values (N, N, 1, N, 5, 1, 'nN', 'nN')",
	"insert into blob (postoffice, blob, codec, rawlen, data) values (N, N, 0, 5, 'nN'), (N, N + 1, 0, 5, 'nN')",
	"insert into blob_seg values (N, N, 1, 'nN'), (N, N + 3, 1, 'nN')",
	"insert into entry (postoffice, folder, uid, modseq, msg, idate, size) values (N, N, N, 1, N, now(), 5)",
	"insert into change (postoffice, folder, modseq, kind, uids, at)"
	" values (N, N, 1, '+', int8multirange(int8range(N, N + 1)), now()),"
	" (N, N, 2, 'v', int8multirange(int8range(1, 2)), '2001-01-01')",
	"insert into expunged (postoffice, mailbox, folder, uid, msg, flags, idate, at) values (N, N, N, 1, N + 1, 0, now(), '2001-01-01')",
	"insert into expunged_pack (postoffice, mailbox, modseq, folder, uids, messages, flags, idates, zones)"
	" values (N, N, 3, N, array[7], array[N + 7], array[0], array[now()], array[NULL::smallint])",
	"insert into folder_removed (postoffice, mailbox, folder, name) values (N, N, N, 'nN')",
	"insert into folder_snap values (N, N, 1, 2, 'nN')",
	"insert into message_sketch values (N, N, 1, 'nN')",
	"insert into search_index values (N, 1, N, N)",
	"insert into folder_page values (N, N, N / 256, 1, 'nN')",
	"insert into outcome (postoffice, id, uidvalidity, first, modseq, uids) values (N, N, 1, 1, 1, array[N])",
	"insert into queue (shard, postoffice, qid, msg, mailbox, sender, domain, rcpt, next_at, expires)"
	" values (N - 20000, N, N, N, N, 'nN', 'nN', 'nN', now(), 'infinity')",
	"insert into queue_deferred (shard, postoffice, qid, msg, mailbox, sender, domain, rcpt, next_at, expires)"
	" values (N - 20000, N, N + 1, N, N, 'nN', 'nN', 'nN', now(), 'infinity')",
	"insert into ledger (postoffice, slot, addressed, put) values (N, 0, 1, 1), (N, 7, 0, 1)",
	"insert into ledger_breach values (N, 0, 0, 1, 2), (N, 2, N, 1, 2), (N, 2, N + 9, 1, 2)",
	/* None of the other one's, whose share of the hour would change while it is looked at. */
	"insert into sent values (N, N, now(), (20002 - N) * 1000000000000), (N, N, '2001-01-01', 1)",
	"insert into sent_target values (N, N, hashtextextended('nN', 0), date_trunc('hour', now())), (N, N, N, '2001-01-01')",
	"insert into sent_refused values (N, N, now(), 2, 2, 'infinity'), (N, N + 9, '2001-01-01', 1, 1, null)",
	"insert into greylist values (N, 'nN', now(), now(), true)",
	"insert into logon values (N, N, 1, '2001-01-01')",
	"insert into logon_place values (N, N, 'nN', now())",
	"insert into maildrop values (N, N, N, now() + interval '1 hour')",
	"insert into session (postoffice, session, mailbox, service, address, since, node, token, ends)"
	" values (N, N, N, 1, 'nN', now(), 1000, 20001, false), (N, N + 1, N, 1, 'nN', now(), 999, N, false),"
	" (N, N + 2, N, 1, 'nN', now(), 1000, 20001, true)",
	"insert into audit (postoffice, id, who, place, action, object, detail) values (N, N, 'nN', '', 'postoffice.remove', 'nN', 'nN')",
	"insert into trace (postoffice, at, id, message, message_id_hash, sender_hash, recipient_hash, kind, node, fields)"
	" values (N, now(), N, N, N, N, N, 1, '', 'nN'), (N, '2001-01-01'::timestamptz + (N - 20000) * interval '1 day', N + 1, N, NULL, NULL, NULL, 1, '', 'nN')",
	"insert into setting values (N, 2, '', 'nN', 'nN', 1)",
	"insert into job (postoffice, job, mailbox, who, subject, size, total, at, until, epoch, lease, ended)"
	" values (N, N, N, 'nN', 'nN', 5, 1, 0, N, N, '2001-01-01', NULL),"
	" (N, N + 1, 0, 'nN', 'nN', 5, 1, 0, N, 1, '2001-01-01', '2001-01-01'::timestamptz + (N - 20000) * interval '1 day')",
	"insert into job_mailbox values (N, N, N, 1)",
};

static bool upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

/* `pattern` with n for each N that is no part of a word in capitals. */
static void add_named(text *t, const char *pattern, int64_t n)
{
	for (const char *c = pattern; *c; c++)
		if (*c == 'N' && !upper(c[1]) && !(c > pattern && upper(c[-1])))
			text_add_number(t, n);
		else
			text_add_char(t, *c);
}

static void fill(const char *const *rows, size_t count, int64_t n)
{
	text sql = TEXT_INIT;
	for (size_t i = 0; i < count; i++) {
		text_clear(&sql);
		add_named(&sql, rows[i], n);
		given_sql(sql.at);
	}
	text_free(&sql);
}
#define FILL(rows, n) fill(rows, sizeof(rows) / sizeof *(rows), n)

/* ---- ways to run a statement */

enum kind { UNSAID, OF_TENANT, OF_SYSTEM, OF_HOUSE, OF_PROBE };
static const struct line {
	enum kind kind;
	const char *params, *first;
} lines[STATEMENT_COUNT] = {
#define TENANT(name, params) [SQL_##name] = {OF_TENANT, params, NULL},
#define AFTER(name, first, params) [SQL_##name] = {OF_TENANT, params, first},
#define SYSTEM(name, reason, params) [SQL_##name] = {OF_SYSTEM, params, NULL},
#define PROBE(name, params) [SQL_##name] = {OF_PROBE, params, NULL},
#define HOUSE(name, reason) [SQL_##name] = {OF_HOUSE, NULL, NULL},
#include "tests/unit/provider/foreign.def"
};

enum voice { RUN, SYSTEM_ROLE, ANYBODY, VOICES }; /* ANYBODY: below no row-level security */
static const char *const role_of[VOICES] = {"pennypost_run", "pennypost_system", "current_user"};

#define WAYS 5
static const struct way {
	enum voice voice;
	int64_t tenant;   /* set for the transaction; 0 none */
	int64_t first;    /* $1 of a tenant statement */
	const char *says; /* NULL: there is no such way */
	bool reaches;     /* the rows, and must: else it must not */
} ways[][WAYS] = {
	[OF_TENANT] = {{RUN, 20002, 20002, "another post office", false},
		{RUN, 20002, 20001, "another post office that gives its number", false},
		{RUN, 0, 20001, "no post office", false},
		{ANYBODY, 20002, 20002, "another post office without row-level security", false},
		{RUN, 20001, 20001, "their owner", true}},
	[OF_SYSTEM] = {{RUN, 20002, 0, "another post office", false},
		{RUN, 0, 0, "no post office", false}, {SYSTEM_ROLE, 0, 0, "the system role", true}},
	[OF_PROBE] = {{RUN, 20002, 20002, "another post office", false},
		{RUN, 0, 1, "no post office", false}, {ANYBODY, 0, 1, "the superuser", true}},
	[OF_HOUSE] = {{0}},
};

static db_link *links[VOICES]; /* each has the statements prepared as its role, and `digests` */

/* Not BEGIN, LOCK .. */
static bool can_be_prepared(const struct statement *s)
{
	slice t = slice_z(s->text);
	return slice_starts(t, S("select")) || slice_starts(t, S("insert")) ||
	       slice_starts(t, S("update")) || slice_starts(t, S("delete")) ||
	       slice_starts(t, S("with"));
}

/* One row for each table of post offices: its name, and a digest of all rows but our own; and
   `repeat`, to which repeat_doubt carries one of their messages. */
static const char digests_maker[] =
	"select 'prepare digests as ' || string_agg(format("
	"'select %L, md5(coalesce(string_agg(t::text, E''\\n'' order by t::text), '''')) from %I t where postoffice <> 20002',"
	" c.relname, c.relname), ' union all ') || ' union all select ''repeat'', md5(coalesce(string_agg(t::text, '''' order by key), '''')) from repeat t order by 1'"
	" from pg_class c join pg_attribute p on p.attrelid = c.oid and p.attname = 'postoffice'"
	" where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition";

static db_link *link_as(enum voice v, arena *a)
{
	db_link *l = given_link();
	given_script(l,
		"set plan_cache_mode = force_generic_plan; set jit = off; set max_parallel_workers_per_gather = 0");
	given_script(l, given_text(digests_maker).at);
	if (v != ANYBODY)
		given_script(l, arena_format(a, "set session authorization %s", role_of[v]).at);
	for (int id = 0; id < STATEMENT_COUNT; id++) {
		const struct statement *s = &statement_table[id];
		if (can_be_prepared(s))
			given_script(l, arena_format(a, "prepare %s as %s", s->name, s->text).at);
	}
	given_script(l, "reset session authorization");
	return l;
}

static slice call_of(const struct statement *s, const struct line *line, int64_t first, arena *a)
{
	text t = TEXT_INIT;
	bool tenant = s->kind == STATEMENT_TENANT;
	text_format(&t, "execute %s", s->name);
	if (s->params)
		text_add_char(&t, '(');
	if (tenant)
		text_add_number(&t, first);
	if (tenant && *line->params)
		text_add_z(&t, ", ");
	add_named(&t, line->params, victim);
	if (s->params)
		text_add_char(&t, ')');
	slice call = arena_copy(a, text_slice(&t));
	text_free(&t);
	return call;
}

static slice all_cells(const struct rows *r, const char *word, arena *a)
{
	text t = TEXT_INIT;
	text_format(&t, "%s %d", word, r->count);
	for (int i = 0; i < r->count; i++)
		for (int j = 0; j < r->columns; j++) {
			slice cell = row_slice(r, i, j);
			text_format(&t, " %d:", row_null(r, i, j) ? -1 : (int)cell.size);
			text_add(&t, cell);
		}
	slice all = arena_copy(a, text_slice(&t));
	text_free(&t);
	return all;
}

static struct rows digests(db_link *l, arena *a)
{
	struct rows r;
	cr_assert(db_link_run(l, "execute digests", NULL, 0, a, &r) == ST_OK);
	return r;
}

struct outcome {
	status kind;
	slice says;        /* kind, rows and all that stands in them */
	const char *table; /* one in which rows that are not our own are others now; NULL none */
};

/* The first table that is not as it stood; NULL when all are. What wrote nothing has no number. */
static const char *touched(db_link *l, const struct rows *standing, arena *a)
{
	struct rows r;
	cr_assert(db_link_run(l, "select pg_current_xact_id_if_assigned() is not null", NULL, 0, a,
			  &r) == ST_OK);
	if (!row_bool(&r, 0, 0))
		return NULL;
	given_script(l, "reset session authorization");
	r = digests(l, a);
	for (int i = 0; i < r.count; i++)
		if (!slice_same(row_slice(standing, i, 1), row_slice(&r, i, 1)))
			return row_slice(&r, i, 0).at;
	return NULL;
}

/* In a transaction that is rolled back. */
static struct outcome outcome_of(
	enum statement_id id, const struct way *w, const struct rows *standing, arena *a)
{
	struct outcome o = {0};
	struct rows r = {0};
	const struct line *line = &lines[id];
	db_link *l = links[w->voice];
	text t = TEXT_INIT;
	text_add_z(&t, "begin; ");
	if (w->voice != ANYBODY)
		text_format(&t, "set local session authorization %s; ", role_of[w->voice]);
	if (w->tenant)
		text_format(&t, "select set_config('pennypost.postoffice', '%lld', true); ",
			(long long)w->tenant);
	if (line->first)
		add_named(&t, line->first, victim);
	given_script(l, t.at);
	text_free(&t);
	o.kind =
		db_link_run(l, call_of(&statement_table[id], line, w->first, a).at, NULL, 0, a, &r);
	o.says = all_cells(&r, status_name(o.kind), a);
	if (o.kind == ST_OK)
		o.table = touched(l, standing, a);
	given_script(l, "rollback");
	return o;
}

/* ---- the turns: the other post office alone; with the house's own rows; with the victim's too */

enum turn { ALONE, WITH_HOUSE, WITH_VICTIM };
static slice said[STATEMENT_COUNT][WAYS];

static void expect_reached(
	enum statement_id id, const struct way *w, const struct outcome *o, slice before)
{
	const char *name = statement_table[id].name;
	cr_expect(o->kind == ST_OK || o->kind == ST_INVALID || o->kind == ST_EXISTS,
		"%s fails as %s (%s): its parameters in foreign.def are wrong", name, w->says,
		status_name(o->kind));
	cr_expect(o->table || !slice_same(o->says, before),
		"%s gives and changes nothing of post office %lld as %s: give it parameters in foreign.def that reach a row of it",
		name, (long long)victim, w->says);
}

static void expect_unreached(
	enum statement_id id, const struct way *w, const struct outcome *o, slice before)
{
	const char *name = statement_table[id].name;
	cr_expect(o->table == NULL, "%s as %s changes rows in %s that are not its own", name,
		w->says, o->table);
	cr_expect(slice_same(o->says, before),
		"%s as %s tells of foreign rows: %s, without them %s", name, w->says,
		log_quote(o->says), log_quote(before));
}

static void run_way(
	enum turn turn, enum statement_id id, int i, const struct rows *standing, arena *kept)
{
	arena a = ARENA_INIT;
	const struct way *w = &ways[lines[id].kind][i];
	struct outcome o = outcome_of(id, w, standing, &a);
	if (turn == ALONE ||
		(turn == WITH_HOUSE && w->reaches)) /* what the house adds is not reached yet */
		said[id][i] = arena_copy(kept, o.says);
	else if (w->reaches)
		expect_reached(id, w, &o, said[id][i]);
	else
		expect_unreached(id, w, &o, said[id][i]);
	if (turn == WITH_HOUSE && w->reaches)
		cr_expect(slice_same(outcome_of(id, w, standing, &a).says, o.says),
			"%s never says the same twice, so that a difference means nothing",
			statement_table[id].name);
	arena_release(&a);
}

static void run_all(enum turn turn, arena *kept)
{
	struct rows standing = digests(links[ANYBODY], kept);
	for (int id = 0; id < STATEMENT_COUNT; id++)
		for (int i = 0; i < WAYS && lines[id].kind != UNSAID; i++)
			if (ways[lines[id].kind][i].says)
				run_way(turn, (enum statement_id)id, i, &standing, kept);
}

Test(foreign, rows_are_out_of_reach_of_every_statement, .timeout = 1800)
{
	arena a = ARENA_INIT;
	given_schema();
	given_silence();
	FILL(shared, victim);
	FILL(office, own);
	for (int v = 0; v < VOICES; v++)
		links[v] = link_as((enum voice)v, &a);
	run_all(ALONE, &a);
	FILL(house, victim);
	run_all(WITH_HOUSE, &a);
	FILL(office, victim);
	run_all(WITH_VICTIM, &a);
	for (int v = 0; v < VOICES; v++)
		db_link_close(&links[v]);
	arena_release(&a);
}

/* ---- that nothing is left out */

/* Parsing locks what a statement names, whatever a plan would make of it. */
static slice tables_of(db_link *l, const struct statement *s, arena *a)
{
	struct rows r;
	given_script(l, arena_format(a, "begin; prepare touching as %s", s->text).at);
	cr_assert(
		db_link_run(l,
			"select coalesce(string_agg(distinct c.relname, ', '), '') from pg_locks l join pg_class c on c.oid = l.relation"
			" join pg_attribute p on p.attrelid = c.oid and p.attname = 'postoffice'"
			" where l.pid = pg_backend_pid() and c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')",
			NULL, 0, a, &r) == ST_OK);
	given_script(l, "rollback; deallocate touching");
	return row_slice(&r, 0, 0);
}

Test(foreign, has_a_line_for_every_statement)
{
	arena a = ARENA_INIT;
	given_schema();
	for (int id = 0; id < STATEMENT_COUNT; id++) {
		const struct statement *s = &statement_table[id];
		enum kind kind = lines[id].kind;
		cr_expect(kind != UNSAID,
			"statement %s has no line in tests/unit/provider/foreign.def: add TENANT or SYSTEM with parameters that"
			" reach a row of `office` in foreign.c, or HOUSE with the reason why it touches no row of a post office",
			s->name);
		cr_expect(kind != OF_TENANT || s->kind == STATEMENT_TENANT,
			"%s is no tenant statement", s->name);
		cr_expect(kind != OF_SYSTEM || s->kind == STATEMENT_SYSTEM,
			"%s is no system statement", s->name);
		if (!can_be_prepared(s))
			continue;
		slice tables = tables_of(given_super(), s, &a);
		cr_expect(kind != OF_HOUSE || tables.size == 0,
			"%s touches %.*s: HOUSE is not its line", s->name, SLICE_ARGS(tables));
		cr_expect(kind == OF_HOUSE || tables.size,
			"%s touches no table of post offices: its line is HOUSE", s->name);
	}
	arena_release(&a);
}

Test(foreign, fills_every_table_of_post_offices)
{
	given_schema();
	if (given_sql("select count(*) from postoffice where postoffice = 20003") == 0)
		FILL(office, 20003);
	slice sql = given_text(
		"select 'select coalesce(string_agg(name, '', ''), '''') from (' || string_agg(format("
		"'select %L as name where not exists (select from %I where postoffice = 20003)', c.relname, c.relname), ' union all ')"
		" || ') as bare' from pg_class c join pg_attribute p on p.attrelid = c.oid and p.attname = 'postoffice'"
		" where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition");
	slice bare = given_text(sql.at);
	cr_expect(bare.size == 0,
		"no row of `office` in foreign.c stands in %.*s: add one, and statements that reach it",
		SLICE_ARGS(bare));
}
