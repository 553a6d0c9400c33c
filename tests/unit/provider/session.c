/* Who is logged on: written in turns, seen by everybody, gone with its process. The turns are the
   watch's; here they are taken by hand. */
#include "provider/session.h"

#include "base/clock.h"
#include "provider/db.h"
#include "provider/mailbox.h"
#include "provider/statement.h"
#include "provider/watch.h"
#include "task/task.h"
#include "tests/unit/provider/given.h"
#include "tests/unit/provider/store_fixture.h"

#include <criterion/criterion.h>

static arena a;
static struct route anna;

static void begin(void)
{
	given_providers();
	anna = store_mailbox(store_postoffice(), "anna", 0);
}

TestSuite(session, .init = begin, .fini = provider_close, .timeout = 120);

static void ended(void *arg)
{
	++*(int *)arg;
}

static session *come(enum service s, int *ends)
{
	return session_open(anna.postoffice, anna.mailbox, s, S("192.0.2.7"), ended, ends);
}

static int listed(int64_t mailbox, struct session_row **rows)
{
	int n;
	cr_assert_eq(session_list(anna.postoffice, mailbox, 100, &a, rows, &n), ST_OK);
	return n;
}

/* Turns are taken until so many are seen. */
static struct session_row *seen(int wanted)
{
	struct session_row *rows;
	usec since = clock_now();
	do {
		session_turn();
		task_sleep(20 * USEC_MS);
	} while (listed(anna.mailbox, &rows) != wanted && clock_now() - since < 60 * USEC_S);
	cr_assert_eq(listed(anna.mailbox, &rows), wanted);
	return rows;
}

Test(session, is_seen_while_it_lasts)
{
	int ends = 0;
	session *one = come(SERVICE_IMAP, &ends), *two = come(SERVICE_SUBMISSION, &ends);
	struct session_row *rows = seen(2);
	cr_expect_eq(rows[0].service, SERVICE_IMAP);
	cr_expect_eq(rows[1].service, SERVICE_SUBMISSION);
	cr_expect(slice_same(rows[0].mailbox, S("anna")));
	cr_expect(slice_same(rows[0].address, S("192.0.2.7")));
	cr_expect(slice_same(rows[0].node, S("test")));
	cr_expect_leq(rows[0].since, clock_wall());
	cr_expect_eq(listed(anna.mailbox + 1, &rows), 0);
	session_close(&one);
	cr_expect_null(one);
	rows = seen(1);
	cr_expect_eq(rows[0].service, SERVICE_SUBMISSION);
	session_close(&two);
	seen(0);
	cr_expect_eq(store_sql("select count(*) from session where postoffice = %lld",
			     (long long)anna.postoffice),
		0);
	cr_expect_eq(ends, 0);
}

Test(session, that_is_over_at_once_is_never_written)
{
	int ends = 0;
	for (int i = 0; i < 100; i++) {
		session *s = come(SERVICE_POP3, &ends);
		session_close(&s);
	}
	session *last = come(SERVICE_POP3, &ends);
	seen(1);
	cr_expect_eq(store_sql("select count(*) from session where postoffice = %lld",
			     (long long)anna.postoffice),
		1);
	session_close(&last);
}

/* Its plan reads sessions by their key, however many there are. */
static void expect_by_key(enum statement_id id, const char *values)
{
	store_sql("prepare looked as %s", statement_table[id].text);
	store_sql(
		"do $do$ declare l text; plan text := ''; by_key bool := false; begin"
		" for l in execute 'explain (costs off) execute looked%s' loop"
		"  plan := plan || l || E'\\n'; by_key := by_key or l ~ 'Index Cond: [(]+(session[.])?postoffice = '; end loop;"
		" if plan ~ 'Seq Scan on session' or not by_key then raise '%%', plan; end if; end $do$",
		values);
	store_sql("deallocate looked");
}

Test(session, of_others_are_not_read)
{
	given_sql(
		"insert into session (postoffice, session, mailbox, service, since, address, node, token)"
		" select n % 500, n, 0, 1, now(), '192.0.2.7', 0, 0 from generate_series(1, 20000) n");
	given_sql("analyze session");
	given_sql("set plan_cache_mode = force_generic_plan");
	expect_by_key(SQL_SESSION_LIST, "(1, 0, 100)");
	expect_by_key(SQL_SESSION_OFFICE, "(1)");
	expect_by_key(SQL_SESSION_END, "(1, 1, 0)");
	given_sql("reset plan_cache_mode");
	given_sql("delete from session where postoffice < 500");
	given_sql("analyze session");
}

Test(session, ends_when_an_operator_wants_it_to)
{
	int one_ends = 0, two_ends = 0;
	int64_t asked;
	session *one = come(SERVICE_IMAP, &one_ends), *two = come(SERVICE_IMAP, &two_ends);
	struct session_row *rows = seen(2);
	cr_assert_eq(session_end(rows[1].id, 0, 0, S(""), given_by, &asked), ST_OK);
	cr_expect_eq(asked, 1);
	cr_assert_eq(session_end(rows[1].id + 1, 0, 0, S(""), given_by, &asked), ST_OK);
	cr_expect_eq(asked, 0);
	cr_expect_eq(
		store_sql(
			"select count(*) from audit where postoffice = %lld and action = 'session.end' and object = 'anna'"
			" and detail like '{\"session\":\"%%\"}'",
			(long long)anna.postoffice),
		1);
	for (usec since = clock_now(); !two_ends && clock_now() - since < 60 * USEC_S;) {
		session_turn();
		task_sleep(20 * USEC_MS);
	}
	cr_expect_geq(two_ends, 1);
	cr_expect_eq(one_ends, 0);
	cr_assert_eq(
		session_end(0, anna.postoffice, anna.mailbox, S("anna"), given_by, &asked), ST_OK);
	cr_expect_eq(asked, 2);
	cr_assert_eq(session_end(0, anna.postoffice, anna.mailbox + 1, S("gone"), given_by, &asked),
		ST_OK);
	cr_expect_eq(asked, 0);
	cr_assert_eq(session_end(0, anna.postoffice, 0, S("*"), given_by, &asked), ST_OK);
	cr_expect_eq(
		store_sql(
			"select count(distinct object) from audit where postoffice = %lld and action = 'session.end-mailbox'"
			" and object in ('anna', 'gone', '*')",
			(long long)anna.postoffice),
		3);
	session_close(&one);
	session_close(&two);
}

static int64_t noted_lately(void)
{
	return store_sql(
		"select count(*) from logon where postoffice = %lld and at > now() - interval '1 hour'",
		(long long)anna.postoffice);
}

Test(session, a_logon_whose_row_somebody_holds_keeps_nobody_waiting)
{
	int ends = 0;
	store_sql("insert into logon values (%lld, %lld, %d, now() - interval '1 day')",
		(long long)anna.postoffice, (long long)anna.mailbox, SERVICE_IMAP);
	given_sql("begin");
	store_sql("select 1 from logon where postoffice = %lld for update",
		(long long)anna.postoffice);
	session *one = come(SERVICE_IMAP, &ends), *two = come(SERVICE_SUBMISSION, &ends);
	seen(2);
	for (usec since = clock_now(); noted_lately() != 1 && clock_now() - since < 60 * USEC_S;)
		session_turn();
	cr_expect_eq(noted_lately(), 1); /* the other one's */
	given_sql("commit");
	for (usec since = clock_now(); noted_lately() != 2 && clock_now() - since < 60 * USEC_S;) {
		session_turn();
		task_sleep(20 * USEC_MS);
	}
	cr_expect_eq(noted_lately(), 2);
	session_close(&one);
	session_close(&two);
}

Test(session, vanishes_with_the_lease_of_its_process)
{
	int ends = 0;
	struct session_row *rows;
	session *s = come(SERVICE_IMAP, &ends);
	seen(1);
	store_sql(
		"update node set until = now() where token = (select token from session where postoffice = %lld)",
		(long long)anna.postoffice);
	cr_expect_eq(listed(0, &rows), 0);
	cr_assert_eq(db_run(SQL_SESSION_SWEEP, NULL, 0, NULL, NULL), ST_OK);
	cr_expect_eq(store_sql("select count(*) from session where postoffice = %lld",
			     (long long)anna.postoffice),
		0);
	session_close(&s);
}

Test(session, a_process_with_a_new_number_tells_all_again)
{
	int ends = 0;
	session *s = come(SERVICE_IMAP, &ends);
	seen(1);
	store_sql(
		"update node set token = token + 1 where token = (select token from session where postoffice = %lld)",
		(long long)anna.postoffice);
	struct session_row *rows;
	cr_expect_eq(listed(0, &rows), 0);
	cr_assert_eq(node_renew(), ST_ABSENT, "lost, and another one taken");
	seen(1);
	session_close(&s);
	seen(0);
}

Test(session, logons_are_noted_in_passing)
{
	int ends = 0;
	mailbox *m;
	cr_assert_eq(mailbox_by_id(anna.postoffice, anna.mailbox, &a, &m), ST_OK);
	cr_assert_eq(m->last_logon, 0);
	session *s = come(SERVICE_IMAP, &ends);
	seen(1);
	cr_assert_eq(mailbox_by_id(anna.postoffice, anna.mailbox, &a, &m), ST_OK);
	cr_expect_gt(m->last_logon, 0);
	session_close(&s);
}
