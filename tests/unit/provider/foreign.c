/* T50: every tenant statement of the program, run as one tenant over the rows of another. */
#include "tests/unit/provider/given.h"

#include "base/text.h"

#include <criterion/criterion.h>

/* One number for every id of the victim, so that any parameter hits; small, so that it fits smallint. */
static const int64_t victim = 20001, own = 20002;

static void fill(int64_t n)
{
	static const char *const rows[] = {
		"insert into postoffice (postoffice, name) values (N, 'nN')",
		"insert into domain (postoffice, name) values (N, 'nN.test')",
		"insert into mailbox (postoffice, mailbox, name, folded, inbox, used) values (N, N, 'nN', 'nN', N, 5)",
		"insert into dkim_key (postoffice, domain, selector, algorithm, public, secret) values (N, 'nN.test', 'nN', 0, 'x', 'x')",
		"insert into credential (postoffice, mailbox, hash) values (N, N, 'secret')",
		"insert into address (postoffice, addr, domain, mailbox) values (N, 'nN@nN.test', 'nN.test', N)",
		"insert into folder (postoffice, folder, mailbox, name, uidvalidity, nmsg, nbytes) values (N, N, N, 'nN', 1, 1, 5)",
		"insert into message (postoffice, msg, blob, size, hdrlen) values (N, N, N, 5, 1)",
		"insert into blob (postoffice, blob, codec, rawlen, data) values (N, N, 0, 5, 'nN')",
		"insert into blob_seg values (N, N, 1, 'nN'), (N, N, N, 'nN')",
		"insert into entry (postoffice, folder, uid, modseq, msg, idate, size) values (N, N, N, 1, N, now(), 5)",
		"insert into change (postoffice, folder, modseq, kind, uids) values (N, N, 1, '+', '{[1,2)}')",
		"insert into expunged (postoffice, mailbox, folder, uid, msg, flags, idate) values (N, N, N, N, N, 0, now())",
		"insert into queue (shard, postoffice, qid, msg, sender, domain, rcpt, next_at, expires) values (1, N, N, N, '', '', '', now(), now())",
		"insert into queue_deferred (shard, postoffice, qid, msg, sender, domain, rcpt, next_at, expires) values (1, N, N + 1, N, '', '', '', now(), now())",
		"insert into greylist values (N, 'x', now(), now())",
		"insert into sent values (N, N, now(), 1)",
		"insert into subscription values (N, N, 'nN')",
		"insert into annotation values (N, N, N, '/private/nN', 'nN', 1)",
		"insert into folder_right (postoffice, folder, kind, who, negative, rights) values (N, N, 1, N, false, 3)",
		"insert into folder_snap values (N, N, 1, 1, 'nN')",
		"insert into message_view values (N, N, 1, N, 5, 1, 'nN', 'nN')",
		"insert into message_sketch values (N, N, 1, 'nN')",
		"insert into search_index values (N, 1, N, N)",
		"insert into folder_page values (N, N, 0, 1, 'nN')",
		"insert into outcome (postoffice, id, uidvalidity, first, modseq, uids) values (N, N, 1, 1, 1, array[N])",
		"insert into logon values (N, N, 1, now())",
		"insert into logon_place values (N, N, 'nN', now())",
		"insert into maildrop values (N, N, N, now() + interval '1 hour')",
		"insert into audit (postoffice, id, who, place, action, object, detail) values (N, N, 'nN', '', '', '', '')",
		"insert into trace (postoffice, at, id, message, kind, node, fields) values (N, now(), N, N, 1, '', 'nN')",
		"insert into setting values (N, 2, '', 'nN', 'nN', 0)",
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		text sql = TEXT_INIT;
		for (const char *c = rows[i]; *c; c++)
			if (*c == 'N' && !(c[1] >= 'A' && c[1] <= 'Z') &&
				!(c > rows[i] && c[-1] >= 'A' && c[-1] <= 'Z'))
				text_format(&sql, "%lld", (long long)n);
			else
				text_add_char(&sql, *c);
		given_sql(sql.at);
		text_free(&sql);
	}
}

/* Something that fits a parameter of this type and hits the victim's rows. */
static void add_value(text *t, slice type, bool first, int64_t postoffice)
{
	if (first)
		text_format(t, "%lld", (long long)postoffice);
	else if (slice_same(type, S("bigint")))
		text_format(t, "%lld", (long long)victim);
	else if (slice_same(type, S("bigint[]")))
		text_format(t, "array[%lld]::bigint[]", (long long)victim);
	else if (slice_same(type, S("text")))
		text_format(t, "'n%lld'", (long long)victim);
	else if (slice_same(type, S("text[]")))
		text_format(t, "array['n%lld']", (long long)victim);
	else if (slice_same(type, S("boolean")))
		text_add_z(t, "true");
	else if (slice_same(type, S("timestamp with time zone")))
		text_add_z(t, "'2100-01-01'");
	else if (slice_same(type, S("timestamp with time zone[]")))
		text_add_z(t, "array['2100-01-01']::timestamptz[]");
	else if (slice_same(type, S("bytea[]")))
		text_add_z(t, "array['x']::bytea[]");
	else if (slice_same(type, S("bytea")))
		text_add_z(t, "'x'");
	else
		text_add_z(t, "1");
}

static slice call_of(db_link *l, const struct statement *s, int64_t postoffice, arena *a)
{
	struct rows r;
	slice why = S("");
	cr_assert(db_link_script(l, arena_format(a, "prepare one as %s", s->text).at, a, &why) ==
			  ST_OK,
		"%s: %.*s", s->name, SLICE_ARGS(why));
	cr_assert(db_link_run(l,
			  "select t::text from pg_prepared_statements p, unnest(p.parameter_types)"
			  " with ordinality as u (t, n) where p.name = 'one' order by n",
			  NULL, 0, a, &r) == ST_OK);
	text t = TEXT_INIT;
	text_add_z(&t, "execute one");
	for (int i = 0; i < r.count; i++) {
		text_add_z(&t, i ? ", " : "(");
		add_value(&t, row_slice(&r, i, 0), i == 0, postoffice);
	}
	if (r.count)
		text_add_char(&t, ')');
	slice call = arena_copy(a, text_slice(&t));
	text_free(&t);
	return call;
}

/* Whether a row says anything: a count of 0 or a missing value is nothing. A failure is nothing too. */
static int telling_rows(db_link *l, slice call, arena *a)
{
	struct rows r = {0};
	int telling = 0;
	if (db_link_run(l, call.at, NULL, 0, a, &r) != ST_OK)
		return 0;
	for (int i = 0; i < r.count; i++) {
		bool says = false;
		for (int j = 0; j < r.columns; j++) {
			slice cell = row_slice(&r, i, j);
			for (size_t k = 0; k < cell.size; k++)
				says |= cell.at[k] != 0;
		}
		telling += says;
	}
	return telling + (int)(r.columns == 0 ? r.changed : 0);
}

static int run_all(int64_t tenant, int64_t postoffice, arena *a)
{
	db_link *l = NULL;
	slice why = S("");
	int told = 0;
	cr_assert(db_link_open(given_bootstrap()->pguri, "test", a, &l, &why) == ST_OK);
	for (int id = 0; id < STATEMENT_COUNT; id++) {
		const struct statement *s = &statement_table[id];
		if (s->kind != STATEMENT_TENANT)
			continue;
		slice call = call_of(l, s, postoffice, a);
		db_link_script(l,
			arena_format(a,
				"begin; select set_config('pennypost.postoffice', '%lld', true)",
				(long long)tenant)
				.at,
			a, NULL);
		int rows = telling_rows(l, call, a);
		if (tenant == own)
			cr_expect(rows == 0, "%s gives %d rows of another post office", s->name,
				rows);
		told += rows > 0;
		db_link_script(l, "rollback; deallocate one", a, NULL);
	}
	db_link_close(&l);
	return told;
}

Test(foreign, rows_are_out_of_reach_of_every_tenant_statement, .timeout = 300)
{
	arena a = ARENA_INIT;
	given_schema();
	fill(victim);
	cr_expect(run_all(victim, victim, &a) > 15, "the owner does reach them, so the values hit");
	run_all(own, victim, &a);
	arena_release(&a);
}
