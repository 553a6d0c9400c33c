/* What the house keeps for itself: settings, audit, traces, numbers of processes, locks,
   retention. */
#include "tests/unit/provider/given.h"
#include "tests/unit/provider/store_fixture.h"

#include "base/id.h"
#include "base/log.h"
#include "provider/audit.h"
#include "provider/housekeep.h"
#include "provider/mailbox.h"
#include "provider/maildrop.h"
#include "provider/node.h"
#include "provider/setting.h"
#include "provider/trace.h"
#include "provider/watch.h"
#include "task/task.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define ENOUGH (60 * USEC_S) /* for what comes, on a machine that has better things to do */

static bool within(usec span, bool (*holds)(void))
{
	for (usec until = clock_now() + span; clock_now() < until; task_sleep(20 * USEC_MS))
		if (holds())
			return true;
	return holds();
}

/* ---- settings */

Test(store_house, every_default_of_the_settings_table_lies_in_its_own_range)
{
	arena a = ARENA_INIT;
	for (int i = 0; i < S_COUNT; i++) {
		slice normal, why = S("");
		slice fallback = slice_z(setting_rows[i].fallback);
		cr_expect(setting_check((enum setting_id)i, fallback, &a, &normal, &why) == ST_OK,
			"%.*s", SLICE_ARGS(why));
		cr_expect(slice_same(normal, fallback), "%s: \"%.*s\" is written \"%.*s\"",
			setting_rows[i].name, SLICE_ARGS(fallback), SLICE_ARGS(normal));
	}
	arena_release(&a);
}

Test(store_house, the_narrowest_setting_wins)
{
	arena a = ARENA_INIT;
	slice why = S(""), shown;
	unsigned scope;
	given_providers();
	struct given_tenant t = given_tenant();
	struct setting_at office = {.postoffice = t.postoffice},
			  mailbox = {t.postoffice, S(""), t.mailbox},
			  domain = {t.postoffice, S("a.test"), 0},
			  other = {.postoffice = t.postoffice + 1};
	int64_t fallback = setting_number(S_smtp_message_most, &domain);
	slice value = S("10 mb"), smaller = S("1 MB");
	cr_expect(fallback > 10 << 20, "the default is none of those below");
	cr_assert(setting_set(S_smtp_message_most, &office, &value, given_by, &a, &why) == ST_OK);
	cr_expect(setting_number(S_smtp_message_most, &office) == 10 << 20);
	cr_expect(setting_number(S_smtp_message_most, &domain) == 10 << 20);
	cr_expect(setting_number(S_smtp_message_most, &mailbox) == 10 << 20,
		"no mailbox scope: the post office's");
	cr_expect(setting_number(S_smtp_message_most, &other) == fallback);
	cr_expect(setting_number(S_smtp_message_most, NULL) == fallback);
	cr_assert(setting_set(S_smtp_message_most, &domain, &smaller, given_by, &a, &why) == ST_OK);
	cr_expect(setting_number(S_smtp_message_most, &domain) == 1 << 20);
	cr_assert(setting_show(S_smtp_message_most, &domain, &a, &shown, &scope) == ST_OK);
	cr_expect(slice_same(shown, S("1 MB")) && scope == SCOPE_DOMAIN);
	cr_assert(setting_show(S_smtp_message_most, &office, &a, &shown, &scope) == ST_OK);
	cr_expect(slice_same(shown, S("10 MB")) && scope == SCOPE_POSTOFFICE);
	cr_assert(setting_set(S_smtp_message_most, &domain, NULL, given_by, &a, &why) == ST_OK);
	cr_expect(setting_number(S_smtp_message_most, &domain) == 10 << 20);
	cr_assert(setting_show(S_pop3_login_delay, NULL, &a, &shown, &scope) == ST_OK);
	cr_expect(scope == 0, "the default");
	provider_close();
	arena_release(&a);
}

Test(store_house, what_may_not_be_set_is_refused_with_the_reason)
{
	arena a = ARENA_INIT;
	slice why = S("");
	given_providers();
	struct setting_at office = {.postoffice = 5};
	slice value = S("3"), big = S("65");
	cr_expect(setting_set(S_db_connections, &office, &value, given_by, &a, &why) == ST_DENIED);
	cr_expect(slice_search(why, S("post office")) < why.size);
	cr_expect(setting_set(S_db_connections, NULL, &big, given_by, &a, &why) == ST_INVALID);
	cr_expect(slice_search(why, S("64")) < why.size, "%.*s", SLICE_ARGS(why));
	cr_expect(setting_number(S_db_connections, NULL) == 8);
	provider_close();
	arena_release(&a);
}

Test(store_house, a_changed_setting_is_audited_in_the_same_transaction)
{
	arena a = ARENA_INIT;
	slice why = S(""), value = S("off");
	struct audit_row *rows;
	int n;
	given_providers();
	struct given_tenant t = given_tenant();
	struct setting_at office = {.postoffice = t.postoffice};
	cr_assert(setting_set(S_pop3_enabled, &office, &value, given_by, &a, &why) == ST_OK);
	cr_assert(audit_list(t.postoffice, 10, &a, &rows, &n) == ST_OK);
	cr_assert(n == 1);
	cr_expect(
		slice_same(rows[0].action, S("setting.set")) && slice_same(rows[0].who, S("test")));
	cr_expect(slice_same(rows[0].detail, S("{\"name\":\"pop3_enabled\",\"value\":\"off\"}")),
		"%.*s", SLICE_ARGS(rows[0].detail));
	cr_expect(!setting_on(S_pop3_enabled, &office));
	cr_assert(audit_list(0, 100, &a, &rows, &n) == ST_OK);
	cr_expect(n >= 1, "the operator sees all");
	provider_close();
	arena_release(&a);
}

static bool greeting_is_new(void)
{
	return slice_same(setting_text(S_smtp_greeting, NULL), S("hello from elsewhere"));
}

static bool is_healthy(void)
{
	const char *why;
	return provider_healthy(&why);
}

static int read_in_another_process(int ready)
{
	struct provider_conf c = {.boot = given_bootstrap(),
		.connections = 2,
		.system_connections = 1,
		.application = "watcher",
		.serve = true};
	if (provider_open(&c) != ST_OK || write(ready, "r", 1) != 1)
		return 1;
	bool seen = within(ENOUGH, greeting_is_new);
	bool healthy = within(ENOUGH, is_healthy);
	provider_close();
	return !seen ? 2 : !healthy ? 3 : 0;
}

Test(store_house, a_setting_reaches_other_processes_by_itself, .timeout = 300)
{
	arena a = ARENA_INIT;
	slice why = S(""), value = S("hello from elsewhere");
	int ready[2], result;
	char byte;
	given_schema();
	cr_assert(pipe(ready) == 0);
	fflush(NULL);
	pid_t child = fork();
	if (child == 0)
		_exit(read_in_another_process(ready[1]));
	cr_assert(read(ready[0], &byte, 1) == 1);
	given_providers();
	cr_assert(setting_set(S_smtp_greeting, NULL, &value, given_by, &a, &why) == ST_OK);
	cr_expect(greeting_is_new(), "here at once");
	cr_assert(waitpid(child, &result, 0) == child);
	cr_expect(WIFEXITED(result) && WEXITSTATUS(result) == 0, "%d", WEXITSTATUS(result));
	setting_set(S_smtp_greeting, NULL, NULL, given_by, &a, &why);
	provider_close();
	arena_release(&a);
}

/* ---- traces */

Test(store_house, traces_are_found_by_message_and_by_message_id)
{
	arena a = ARENA_INIT;
	struct trace_row *rows;
	int n;
	given_providers();
	int64_t message = id_new();
	slice wanted = arena_format(&a, "<%lld\"odd@x.test>", (long long)message);
	trace_note(7, message, TRACE_ACCEPTED, "peer=%s message_id=%s", "192.0.2.1",
		log_quote(wanted));
	trace_note(7, message, TRACE_DELIVERED, "mailbox=\"anna\"");
	trace_note(0, 0, TRACE_REFUSED, "why=\"\xff broken\"");
	cr_assert(trace_flush() == ST_OK);
	cr_assert(trace_by_message(message, &a, &rows, &n) == ST_OK);
	cr_assert(n == 2);
	cr_expect(rows[0].kind == TRACE_ACCEPTED && rows[1].kind == TRACE_DELIVERED &&
		  rows[0].postoffice == 7);
	cr_expect(slice_same(rows[1].fields, S("mailbox=\"anna\"")));
	cr_expect(slice_same(rows[0].node, S("test")));
	cr_assert(trace_by_message_id(wanted, &a, &rows, &n) == ST_OK);
	cr_expect(n == 2, "%d", n);
	cr_assert(trace_by_message_id(slice_of(wanted.at + 1, wanted.size - 2), &a, &rows, &n) ==
		  ST_OK);
	cr_expect(n == 2, "without its brackets");
	cr_assert(trace_by_message_id(S("<nobody@x.test>"), &a, &rows, &n) == ST_OK);
	cr_expect(n == 0);
	provider_close();
	arena_release(&a);
}

/* Stored as one where one row is found by all that they are found by; told as they were noted. */
Test(store_house, what_is_noted_of_a_message_at_once_is_one_row)
{
	static const struct {
		enum trace_kind kind;
		const char *fields;
	} noted[] = {
		{TRACE_ACCEPTED, "from=\"eve@x.test\" size=9"},
		{TRACE_JUDGED, ""},
		{TRACE_EXPANDED, "12 why=a\nb"},
		{TRACE_DELIVERED, "recipient=\"anna@demo.test\" mailbox=\"anna\""},
		{TRACE_DELIVERED, "recipient=\"ben@demo.test\" mailbox=\"ben\""},
	};
	enum { N = sizeof noted / sizeof *noted };
	arena a = ARENA_INIT;
	struct trace_row *rows;
	struct trace_span in = {
		.from = clock_wall() - USEC_S, .until = USEC_NEVER, .postoffice = 74, .most = 2};
	int n;
	given_providers();
	int64_t message = id_new(), slow = id_new();

	clock_virtual(clock_wall());
	for (int i = 0; i < N; i++)
		trace_note(74, message, noted[i].kind, "%s", noted[i].fields);
	trace_note(75, message, TRACE_REFUSED, "recipient=\"ben@demo.test\" why=absent");
	trace_note(75, 0, TRACE_REFUSED, "why=a");
	trace_note(75, 0, TRACE_REFUSED, "why=b");
	trace_note(76, slow, TRACE_ACCEPTED, "size=9");
	clock_advance(11 * USEC_MS);
	trace_note(76, slow, TRACE_SENT, "host=x.test");
	clock_real();
	cr_assert(trace_flush() == ST_OK);
	cr_expect_eq(
		store_sql("select count(*) from trace where message = %lld", (long long)message), 3,
		"another's recipient and another tenant's row stand by themselves");
	cr_expect_eq(store_sql("select count(*) from trace where message = %lld", (long long)slow),
		2, "and what came later");
	cr_assert(trace_by_message(message, &a, &rows, &n) == ST_OK);
	cr_assert_eq(n, N + 1, "%d", n);
	for (int i = 0; i < N; i++) {
		const char *wanted = i == 2 ? "12 why=a b" : noted[i].fields;
		cr_expect(rows[i].kind == noted[i].kind && rows[i].postoffice == 74, "%d", i);
		cr_expect(slice_same(rows[i].fields, slice_z(wanted)), "%.*s",
			SLICE_ARGS(rows[i].fields));
	}
	cr_assert(trace_by_address(S("anna@demo.test"), &in, &a, &rows, &n) == ST_OK);
	cr_expect_eq(n, N, "%d", n);
	cr_assert(trace_by_time(&in, &a, &rows, &n) == ST_OK);
	cr_assert_eq(n, 2, "%d", n);
	cr_expect(rows[0].kind == TRACE_DELIVERED && rows[1].kind == TRACE_DELIVERED,
		"the newest two, however they are stored");
	in.postoffice = 75;
	cr_assert(trace_by_time(&in, &a, &rows, &n) == ST_OK);
	cr_expect(n == 2 && slice_same(rows[1].fields, S("why=b")), "%d", n);
	provider_close();
	arena_release(&a);
}

Test(store_house, traces_are_found_by_address_and_by_time)
{
	arena a = ARENA_INIT;
	struct trace_row *rows;
	struct trace_span in = {
		.from = clock_wall() - USEC_S, .until = USEC_NEVER, .postoffice = -1, .most = 50};
	int n;
	given_providers();
	int64_t message = id_new(), other = id_new();
	slice eve = arena_format(&a, "Eve.%lld@else.test", (long long)message);
	slice ben = arena_format(&a, "ben.%lld@demo.test", (long long)message);

	trace_note(71, message, TRACE_ACCEPTED, "helo=\"x from=%.*s\" from=%s", SLICE_ARGS(ben),
		log_quote(eve));
	trace_note(71, message, TRACE_QUEUED, "recipient=%s", log_quote(ben));
	trace_note(72, message, TRACE_SENT,
		"recipient=\"another@demo.test\" reply=\" recipient=%.*s\"", SLICE_ARGS(eve));
	trace_note(0, message, TRACE_JUDGED, "milter=all");
	trace_note(73, 0, TRACE_REFUSED, "from=%s recipient=%s", log_quote(ben), log_quote(eve));
	trace_note(73, other, TRACE_REPORTED, "to=%s", log_quote(eve));
	cr_assert(trace_flush() == ST_OK);
	cr_assert(trace_by_address(arena_lower(&a, eve), &in, &a, &rows, &n) == ST_OK);
	cr_assert(n == 6, "%d", n);
	cr_expect(rows[0].message == message && rows[0].kind == TRACE_ACCEPTED);
	cr_expect(rows[2].message == message && rows[2].kind == TRACE_SENT,
		"all of a message that names it once");
	cr_expect(rows[4].message == 0 && rows[5].message == other);
	cr_assert(trace_by_address(ben, &in, &a, &rows, &n) == ST_OK);
	cr_expect(n == 5, "what is quoted is no field: %d", n);
	in.postoffice = 71;
	cr_assert(trace_by_address(ben, &in, &a, &rows, &n) == ST_OK);
	cr_assert(n == 3, "no row of another post office: %d", n);
	cr_expect(rows[1].postoffice == 71 && rows[2].postoffice == 0,
		"but nobody's of that message");
	cr_assert(trace_by_time(&in, &a, &rows, &n) == ST_OK);
	cr_expect(n == 2 && rows[1].kind == TRACE_QUEUED, "of a time its own alone: %d", n);
	in.postoffice = 73;
	cr_assert(trace_by_address(eve, &in, &a, &rows, &n) == ST_OK);
	cr_expect(n == 2, "%d", n);
	cr_assert(trace_by_time(&in, &a, &rows, &n) == ST_OK);
	cr_expect(n == 2 && rows[0].kind == TRACE_REFUSED, "%d", n);
	in.most = 1;
	cr_assert(trace_by_time(&in, &a, &rows, &n) == ST_OK);
	cr_expect(n == 1 && rows[0].kind == TRACE_REPORTED, "the newest");
	in = (struct trace_span){.until = in.from, .postoffice = -1, .most = 50};
	cr_assert(trace_by_address(eve, &in, &a, &rows, &n) == ST_OK);
	cr_expect(n == 0);
	provider_close();
	arena_release(&a);
}

Test(store_house, a_row_that_names_an_address_twice_is_found_once)
{
	arena a = ARENA_INIT;
	struct trace_row *rows;
	struct trace_span in = {
		.from = clock_wall() - USEC_S, .until = USEC_NEVER, .postoffice = -1, .most = 2};
	int n;
	given_providers();
	slice anna = arena_format(&a, "anna.%lld@demo.test", (long long)id_new());

	for (int i = 1; i <= 3; i++)
		trace_note(7, 0, TRACE_REFUSED, "from=%s recipient=%s n=%d", log_quote(anna),
			log_quote(anna), i);
	cr_assert(trace_flush() == ST_OK);
	cr_assert(trace_by_address(anna, &in, &a, &rows, &n) == ST_OK);
	cr_assert(n == 2, "%d", n);
	cr_expect(slice_same(trace_value(rows[0].fields, "n"), S("2")) &&
			  slice_same(trace_value(rows[1].fields, "n"), S("3")),
		"the newest");
	provider_close();
	arena_release(&a);
}

static void expect_newest(const struct trace_row *rows, int n)
{
	cr_assert(n == 10000, "%d", n);
	cr_expect(rows[n - 1].kind == TRACE_SENT, "the newest word is there");
	cr_expect(rows[0].at < rows[n - 1].at && rows[0].kind == TRACE_DEFERRED,
		"the oldest first, as far as there is room");
}

Test(store_house, of_too_many_traces_the_newest_are_told)
{
	arena a = ARENA_INIT;
	struct trace_row *rows;
	struct trace_span in = {
		.from = clock_wall() - USEC_S, .until = USEC_NEVER, .postoffice = -1, .most = 50};
	int n;
	given_providers();
	int64_t message = id_new();
	slice name = arena_format(&a, "<long.%lld@demo.test>", (long long)message);
	slice eve = arena_format(&a, "eve.%lld@else.test", (long long)message);

	trace_note(7, message, TRACE_ACCEPTED, "message_id=%s from=%s", log_quote(name),
		log_quote(eve));
	cr_assert(trace_flush() == ST_OK);
	store_sql(
		"insert into trace (postoffice, at, id, message, kind, node, fields) select 7, now() + n * interval '1 microsecond',"
		" n, %lld, case when n = 10000 then %d else %d end, 'test', '' from generate_series(1, 10000) n",
		(long long)message, TRACE_SENT, TRACE_DEFERRED);
	cr_assert(trace_by_message(message, &a, &rows, &n) == ST_OK);
	expect_newest(rows, n);
	cr_assert(trace_by_message_id(name, &a, &rows, &n) == ST_OK);
	expect_newest(rows, n);
	cr_assert(trace_by_address(eve, &in, &a, &rows, &n) == ST_OK);
	expect_newest(rows, n);
	store_sql("delete from trace where message = %lld", (long long)message);
	provider_close();
	arena_release(&a);
}

/* Whatever it is asked for, and however few the rows: there is an index for it. */
static void expect_never(enum statement_id id, const char *values, const char *never)
{
	store_sql("prepare looked as %s", statement_table[id].text);
	store_sql(
		"do $do$ declare l text; plan text := ''; begin"
		" for l in execute 'explain (costs off) execute looked%s' loop plan := plan || l || E'\n'; end loop;"
		" if plan ~ '%s' then raise '%%', plan; end if; end $do$",
		values, never);
	store_sql("deallocate looked");
}

Test(store_house, a_trace_is_found_by_indexes_however_busy_the_address)
{
	given_providers();
	given_sql(
		"insert into trace (postoffice, at, id, message, message_id_hash, sender_hash, recipient_hash, kind, node, fields)"
		" select 7, now() - n * interval '1 s', n, n, n, n % 2, n % 3, 0, 'test', 'x' from generate_series(1, 20000) n");
	given_sql("analyze trace");
	given_sql("set plan_cache_mode = force_generic_plan");
	given_sql("set enable_seqscan = off");
	expect_never(SQL_TRACE_OF_ADDRESS, "(1, now() - interval ''3 d'', ''infinity'', -1, 200)",
		"BitmapOr|Seq Scan on trace");
	expect_never(SQL_TRACE_OF_MESSAGE_ID, "(77)", "Seq Scan on trace");
	expect_never(SQL_TRACE_OF_MESSAGE, "(77)", "Seq Scan on trace");
	given_sql("reset enable_seqscan");
	given_sql("reset plan_cache_mode");
	given_sql("delete from trace where node = 'test' and fields = 'x'");
	given_sql("analyze trace");
	provider_close();
}

Test(store_house, a_full_trace_buffer_drops_the_oldest_and_never_waits)
{
	arena a = ARENA_INIT;
	struct trace_row *rows;
	int n;
	given_providers();
	int64_t first = id_new(), last = 0;
	for (int i = 0; i < 20001; i++)
		trace_note(0, last = i ? id_new() : first, TRACE_REFUSED, "n=%d", i);
	cr_assert(trace_flush() == ST_OK);
	cr_assert(trace_by_message(first, &a, &rows, &n) == ST_OK);
	cr_expect(n == 0);
	cr_assert(trace_by_message(last, &a, &rows, &n) == ST_OK);
	cr_expect(n == 1);
	provider_close();
	arena_release(&a);
}

/* ---- nodes */

Test(store_house, processes_alive_have_different_numbers)
{
	enum { PROCESSES = 6 };
	int numbers[2], go[2];
	given_schema();
	cr_assert(pipe(numbers) == 0 && pipe(go) == 0);
	fflush(NULL);
	for (int i = 0; i < PROCESSES; i++)
		if (fork() == 0) {
			struct provider_conf c = {.boot = given_bootstrap(),
				.connections = 1,
				.system_connections = 1,
				.application = "many"};
			char byte;
			close(go[1]);
			status kind = provider_open(&c);
			int64_t id = kind == ST_OK ? id_new() : 0;
			int node = (int)(id >> 12 & ID_NODE_MOST);
			if (write(numbers[1], &node, sizeof node) != sizeof node ||
				read(go[0], &byte, 1) < 0)
				_exit(1);
			provider_close();
			_exit(0);
		}
	int seen[PROCESSES];
	for (int i = 0; i < PROCESSES; i++) {
		cr_assert(read(numbers[0], &seen[i], sizeof seen[i]) == sizeof seen[i]);
		cr_expect(seen[i] > 0);
		for (int k = 0; k < i; k++)
			cr_expect(seen[k] != seen[i], "%d twice", seen[i]);
	}
	given_providers();
	arena a = ARENA_INIT;
	struct node_row *rows;
	int n, many = 0;
	cr_assert(node_list(&a, &rows, &n) == ST_OK);
	for (int i = 0; i < n; i++)
		many += slice_same(rows[i].role, S("many"));
	cr_expect(many == PROCESSES, "%d", many);
	close(go[1]);
	for (int i = 0; i < PROCESSES; i++)
		wait(NULL);
	cr_assert(node_list(&a, &rows, &n) == ST_OK);
	for (int i = 0; i < n; i++)
		cr_expect(!slice_same(rows[i].role, S("many")), "given back at the end");
	provider_close();
	arena_release(&a);
}

Test(store_house, a_process_that_lost_its_number_takes_another)
{
	const char *why;
	given_providers();
	given_sql(
		"update node set token = 0, until = now() + interval '1 hour' where role = 'test'");
	cr_expect(node_renew() == ST_ABSENT);
	cr_expect(node_renew() == ST_OK);
	cr_expect(provider_healthy(&why));
	given_sql("update node set until = now() where token = 0");
	provider_close();
}

/* ---- sessions */

#define MINUTE (60 * USEC_S)
#define LEASE (60 * MINUTE) /* longer than any test takes */

/* All that was noted of a mailbox's logons is so much older now. */
static void logons_age(int64_t mailbox, int minutes)
{
	store_sql("update logon set at = at - interval '%d minutes' where mailbox = %lld", minutes,
		(long long)mailbox);
}

Test(store_house, a_maildrop_has_one_holder_until_the_lease_ends)
{
	arena a = ARENA_INIT;
	struct maildrop_taken mine, other;
	given_providers();
	struct given_tenant t = given_tenant();
	mailbox *m;
	cr_assert(mailbox_by_id(t.postoffice, t.mailbox, &a, &m) == ST_OK);
	cr_assert(maildrop_take(t.postoffice, t.mailbox, m->inbox, LEASE, 0, &a, &mine) == ST_OK);
	cr_expect(mine.n == 0 && mine.uidvalidity > 0, "an empty INBOX is one all the same");
	cr_expect(maildrop_take(t.postoffice, t.mailbox, m->inbox, LEASE, 0, &a, &other) ==
		  ST_LIMITED);
	cr_expect(maildrop_renew(t.postoffice, t.mailbox, mine.token, LEASE) == ST_OK);
	store_sql("update maildrop set until = now() where mailbox = %lld", (long long)t.mailbox);
	cr_expect(maildrop_take(t.postoffice, t.mailbox, m->inbox, LEASE, 0, &a, &other) == ST_OK,
		"the lease ended");
	cr_expect(maildrop_renew(t.postoffice, t.mailbox, mine.token, LEASE) == ST_ABSENT);
	cr_expect(maildrop_give(t.postoffice, t.mailbox, m->inbox, mine.token, (uint32_t[]){1},
			  1) == ST_ABSENT,
		"nothing is removed by who lost the lock");
	cr_expect(maildrop_renew(t.postoffice, t.mailbox, other.token, LEASE) == ST_OK,
		"nor given back");
	cr_expect(maildrop_give(t.postoffice, t.mailbox, m->inbox, other.token, NULL, 0) == ST_OK);
	cr_expect(maildrop_take(t.postoffice, t.mailbox, m->inbox, LEASE, USEC_S, &a, &mine) ==
		  ST_OK);
	cr_expect(mine.since < LEASE, "the logon before was noted");
	cr_expect(maildrop_give(t.postoffice, t.mailbox, m->inbox, mine.token, NULL, 0) == ST_OK);
	cr_expect(maildrop_take(t.postoffice, t.mailbox, m->inbox + 1, LEASE, 0, &a, &mine) ==
		  ST_ABSENT);
	provider_close();
	arena_release(&a);
}

Test(store_house, a_catch_all_field_is_one_of_its_own)
{
	arena a = ARENA_INIT;
	slice normal, why;
	static const char *const bad[] = {"X Evil", "X-A: b", "from", "Received", "content-type",
		"delivered-to", "Authentication-Results", "\xc3\xa4"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		cr_expect(setting_check(S_smtp_catch_all_header, slice_z(bad[i]), &a, &normal,
				  &why) == ST_INVALID,
			"%s", bad[i]);
	cr_expect(setting_check(S_smtp_catch_all_header, S("X-Original-To"), &a, &normal, &why) ==
		  ST_OK);
	cr_expect(setting_check(S_smtp_catch_all_header, S(""), &a, &normal, &why) == ST_OK);
	arena_release(&a);
}

Test(store_house, dns_servers_are_addresses)
{
	arena a = ARENA_INIT;
	slice normal, why;
	static const char *const bad[] = {"localhost", "53", "*:53", "192.0.2.1:", "192.0.2.1:0",
		"192.0.2.1:65536", "[192.0.2.1]:53", "[2001:db8::1", "2001:db8::1]", "[]:53", "]",
		":53", "1.1.1.1 1.1.1.2 1.1.1.3 1.1.1.4 1.1.1.5 1.1.1.6 1.1.1.7"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		cr_expect(setting_check(S_dns_servers, slice_z(bad[i]), &a, &normal, &why) ==
				  ST_INVALID,
			"%s", bad[i]);
	cr_expect(setting_check(S_dns_servers,
			  S(" 192.0.2.1  192.0.2.1:53 2001:db8::1 [2001:db8::1] [2001:db8::1]:53 "),
			  &a, &normal, &why) == ST_OK);
	cr_expect(slice_same(
		normal, S("192.0.2.1 192.0.2.1:53 2001:db8::1 [2001:db8::1] [2001:db8::1]:53")));
	cr_expect(setting_check(S_dns_servers, S(""), &a, &normal, &why) == ST_OK);
	arena_release(&a);
}

static status take(const mailbox *m, usec delay, arena *a, struct maildrop_taken *out)
{
	return maildrop_take(m->postoffice, m->id, m->inbox, LEASE, delay, a, out);
}

static status give_back(const mailbox *m, const struct maildrop_taken *taken)
{
	return maildrop_give(m->postoffice, m->id, m->inbox, taken->token, NULL, 0);
}

/* Else a client that asks every minute would never be let in where two are wanted. */
Test(store_house, logons_that_were_refused_do_not_begin_the_delay_anew)
{
	arena a = ARENA_INIT;
	struct maildrop_taken mine, other;
	given_providers();
	struct given_tenant t = given_tenant();
	mailbox *m;
	usec delay = 60 * MINUTE;

	cr_assert(mailbox_by_id(t.postoffice, t.mailbox, &a, &m) == ST_OK);
	cr_assert(take(m, delay, &a, &mine) == ST_OK);
	logons_age(m->id, 35);
	cr_assert(take(m, delay, &a, &other) == ST_LIMITED);
	cr_assert(give_back(m, &mine) == ST_OK);
	cr_assert(take(m, delay, &a, &other) == ST_OK);
	cr_expect(other.since < delay, "too early");
	cr_assert(give_back(m, &other) == ST_OK);
	logons_age(m->id, 25);
	cr_assert(take(m, delay, &a, &mine) == ST_OK);
	cr_expect(mine.since >= delay, "both refused ones left no trace: %lld",
		(long long)mine.since);
	cr_assert(give_back(m, &mine) == ST_OK);
	provider_close();
	arena_release(&a);
}

/* ---- retention */

static int64_t count(const char *table, int64_t postoffice)
{
	char sql[200];
	snprintf(sql, sizeof sql, "select count(*) from %s where postoffice = %lld", table,
		(long long)postoffice);
	return given_sql(sql);
}

static void add_message(const struct given_tenant *t, int64_t id)
{
	char sql[700];
	snprintf(sql, sizeof sql,
		"with m as (insert into message (postoffice, msg, blob, size, hdrlen) values (%lld, %lld, %lld, 9, 3)),"
		" k as (insert into message_sketch values (%lld, %lld, 1, 'z')),"
		" s as (insert into blob_seg values (%lld, %lld, 1, 'x'))"
		" insert into blob (postoffice, blob, codec, rawlen, nseg, data) values (%lld, %lld, 0, 9, 2, 'y')",
		(long long)t->postoffice, (long long)id, (long long)id, (long long)t->postoffice,
		(long long)id, (long long)t->postoffice, (long long)id, (long long)t->postoffice,
		(long long)id);
	given_sql(sql);
}

static void add_expunged(const struct given_tenant *t, int64_t id, const char *age)
{
	char sql[400];
	snprintf(sql, sizeof sql,
		"insert into expunged (postoffice, mailbox, folder, uid, msg, flags, idate, at)"
		" values (%lld, %lld, %lld, 1, %lld, 0, now(), now() - interval '%s')",
		(long long)t->postoffice, (long long)t->mailbox, (long long)t->inbox, (long long)id,
		age);
	given_sql(sql);
}

static void keep_house(struct housekeep_result *r)
{
	status kind;

	while ((kind = housekeep_run(r)) == ST_LIMITED) /* another test keeps house */
		task_sleep(50 * USEC_MS);
	cr_assert(kind == ST_OK, "%s", status_name(kind));
}

Test(store_house, the_housekeeper_drops_what_nothing_refers_to_any_more, .timeout = 300)
{
	struct housekeep_result r;
	char sql[400];
	given_providers();
	struct given_tenant t = given_tenant();
	int64_t gone = id_new(), younger = id_new(), in_folder = id_new(), queued = id_new(),
		living = id_new();
	const int64_t all[] = {gone, younger, in_folder, queued, living};
	for (int i = 0; i < 5; i++)
		add_message(&t, all[i]);
	for (int i = 0; i < 4; i++)
		add_expunged(&t, all[i], "20 days");
	add_expunged(&t, younger, "1 day");
	snprintf(sql, sizeof sql,
		"insert into entry (postoffice, folder, uid, modseq, msg, idate, size) values"
		" (%lld, %lld, 1, 1, %lld, now(), 9)",
		(long long)t.postoffice, (long long)t.inbox, (long long)in_folder);
	given_sql(sql);
	snprintf(sql, sizeof sql,
		"insert into queue (shard, postoffice, qid, msg, sender, domain, rcpt, next_at, expires)"
		" values (3, %lld, %lld, %lld, '', 'x', 'x', now(), now())",
		(long long)t.postoffice, (long long)id_new(), (long long)queued);
	given_sql(sql);
	keep_house(&r);
	cr_expect(count("message", t.postoffice) == 4);
	snprintf(sql, sizeof sql, "select count(*) from message where msg = %lld", (long long)gone);
	cr_expect(given_sql(sql) == 0);
	cr_expect(count("message_sketch", t.postoffice) == 4);
	cr_expect(count("blob", t.postoffice) == 4);
	cr_expect(count("blob_seg", t.postoffice) == 4);
	cr_expect(count("expunged", t.postoffice) == 2,
		"the old partition is gone, the younger stands, what is queued was carried there");
	keep_house(&r);
	cr_expect(r.messages == 0 && r.blobs == 0);
	cr_expect(count("message", t.postoffice) == 4, "again it is nothing");
	provider_close();
}

/* Deliveries wait for the rows of their folders: one transaction holds a hundred of them at
   most. */
Test(store_house, floors_of_the_change_log_rise_a_few_folders_at_a_time, .timeout = 300)
{
	struct housekeep_result r;
	char sql[700];

	given_providers();
	struct given_tenant t = given_tenant();
	long long po = t.postoffice, first = id_new();
	snprintf(sql, sizeof sql,
		"with n as (select generate_series(0, 249) as i),"
		" f as (insert into folder (postoffice, folder, mailbox, name, uidvalidity)"
		"  select %lld, %lld + i, %lld, 'f' || i, 1 from n)"
		" insert into change (postoffice, folder, modseq, kind, uids, at) select %lld, %lld + i, 7, '+', '{[1,2)}',"
		" now() - interval '2000 days' from n",
		po, first, (long long)t.mailbox, po, first);
	given_sql(sql);
	keep_house(&r);
	snprintf(sql, sizeof sql,
		"select count(*) from folder where postoffice = %lld and log_floor = 7", po);
	cr_expect_eq(given_sql(sql), 250);
	snprintf(sql, sizeof sql,
		"select max(n) from (select count(*) as n from folder where postoffice = %lld and log_floor = 7 group by xmin) step",
		po);
	cr_expect_eq(given_sql(sql), 100);
	provider_close();
}

Test(store_house, one_process_keeps_house_at_a_time)
{
	struct housekeep_result r;
	given_providers();
	given_sql("insert into lease values ('housekeeper', 1, now() + interval '1 hour')"
		  " on conflict (name) do update set token = 1, until = excluded.until");
	cr_expect(housekeep_run(&r) == ST_LIMITED);
	given_sql("update lease set until = '-infinity' where token = 1");
	status kind = housekeep_run(&r);
	cr_expect(kind == ST_OK || kind == ST_LIMITED, "%s", status_name(kind));
	provider_close();
}

Test(store_house, pieces_of_deliveries_that_never_came_are_swept, .timeout = 300)
{
	struct housekeep_result r;
	char sql[300];
	given_providers();
	struct given_tenant t = given_tenant();
	const int days[] = {0, 2, 20, 400};
	for (int i = 0; i < 4; i++) {
		int64_t id = id_at(clock_wall() - days[i] * 86400 * USEC_S) + 77;
		snprintf(sql, sizeof sql, "insert into blob_seg values (%lld, %lld, 1, 'x')",
			(long long)t.postoffice, (long long)id);
		given_sql(sql);
	}
	/* Nobody has swept for so long; other tests keep house meanwhile. */
	for (int tries = 0; tries < 20 && count("blob_seg", t.postoffice) > 1; tries++) {
		given_sql("delete from lease where name = 'segments-swept'");
		while (housekeep_run(&r) == ST_LIMITED)
			task_sleep(50 * USEC_MS);
	}
	cr_expect(count("blob_seg", t.postoffice) == 1, "the one of today stays");
	cr_expect(given_sql("select count(*) from lease where name = 'segments-swept'"
			    " and until between now() - interval '25 hours' and now()") == 1);
	provider_close();
}

Test(store_house, pieces_are_looked_through_from_where_the_last_turn_ended, .timeout = 300)
{
	struct housekeep_result r;
	char sql[300];
	given_providers();
	struct given_tenant t = given_tenant();
	given_sql("insert into lease values ('segments-swept', 0, now() - interval '12 days')"
		  " on conflict (name) do update set until = excluded.until");
	snprintf(sql, sizeof sql, "insert into blob_seg values (%lld, %lld, 1, 'x')",
		(long long)t.postoffice,
		(long long)(id_at(clock_wall() - 10 * 86400 * USEC_S) + 77));
	for (int tries = 0; tries < 20; tries++) {
		if (tries == 0)
			given_sql(sql);
		while (housekeep_run(&r) == ST_LIMITED)
			task_sleep(50 * USEC_MS);
		if (count("blob_seg", t.postoffice) == 0)
			break;
		given_sql(
			"update lease set until = now() - interval '12 days' where name = 'segments-swept'");
	}
	cr_expect(count("blob_seg", t.postoffice) == 0);
	provider_close();
}

Test(store_house, isolation_holds)
{
	given_providers();
	given_tenant();
	cr_expect(provider_isolation_probe() == ST_OK);
	cr_expect(provider_ping() == ST_OK);
	const char *why;
	cr_expect(provider_healthy(&why) && why == NULL);
	provider_close();
}
