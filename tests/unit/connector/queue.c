/* The runner of the queue beside a PostgreSQL, with a transport that is no network: turns between
   post offices, hosts out of reach, reports and where they end, a graceful end. */
#include "tests/unit/connector/runner.h"

#include "base/id.h"
#include "base/metric.h"
#include "task/task.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(outbound_queue, .init = runner_begin, .fini = runner_end, .timeout = 600);

/* n more of the one row there is for that domain, each of a message of its own. */
static void multiply_at(const char *domain, int n)
{
	store_sql("insert into message (postoffice, msg, blob, size, hdrlen)"
		  " select postoffice, m.msg + g, m.blob, m.size, m.hdrlen"
		  " from message m join queue q using (postoffice, msg), generate_series(1, %d) g"
		  " where q.domain like '%s' returning 1",
		n, domain);
	store_sql(
		STORE_PUT(
			"insert into queue (shard, postoffice, qid, msg, sender, domain, rcpt, next_at, expires)"
			" select shard, postoffice, qid + g * 4096, msg + g, sender, domain, rcpt, next_at, expires"
			" from queue, generate_series(1, %d) g where domain like '%s'"),
		n, domain);
}

static void multiply(int n)
{
	multiply_at("%", n);
}

/* ---- stories */

#define CROWD 3000

static int64_t small;

static bool crowd_has_all_it_may_have(void)
{
	return net.tried >= setting_number(S_outbound_per_domain_most, NULL);
}

static bool small_arrived(void)
{
	return net.ok > 0;
}

static status a_small_one(void)
{
	cr_assert(wait_until(crowd_has_all_it_may_have));
	post(small, "ben@b.test", "x@ok.test", "ok.test");
	cr_expect(wait_until(small_arrived));
	cr_expect_eq(net.ok, 1);
	cr_expect_lt(
		net.tried, CROWD / 2, "a crowd of another post office went first: %d", net.tried);
	return ST_OK;
}

Test(outbound_queue, a_crowd_does_not_hold_up_another_post_office)
{
	net.pause = 200 * USEC_MS;
	post(store_postoffice(), "anna@acme.test", "x@slow.test", "slow.test");
	multiply(CROWD);
	small = store_postoffice();
	play(a_small_one);
}

/* More than a runner has room for, at hosts that never answer. */
static void given_crowd(const char *domain)
{
	char address[60];

	snprintf(address, sizeof address, "x@%s", domain);
	post(store_postoffice(), "anna@acme.test", address, domain);
	multiply_at(domain, CROWD);
}

static bool crowd_fills_the_list(void)
{
	return store_sql("select max(cardinality(trying)) from qrunner") >= 380;
}

/* A domain whose mail stands in the same shard as the crowd's, which is asked for no more for the
   crowd's sake. */
static void beside_the_crowd(const char *kind, char *domain, size_t size)
{
	for (int i = 0; i == 0 || queue_shard(slice_z(domain)) != queue_shard(S("stuck.test")); i++)
		snprintf(domain, size, "%s%d.test", kind, i);
}

static void post_beside_the_crowd(const char *kind)
{
	char domain[40], address[60];

	beside_the_crowd(kind, domain, sizeof domain);
	snprintf(address, sizeof address, "x@%s", domain);
	post(small, "ben@b.test", address, domain);
}

/* ---- a letter that comes while a crowd is being claimed */

#define PLACES 20 /* the crowd's domains, so that it stands in many shards */

static int before_it; /* rows of the crowd that were claimed by the time it was */

static slice letters_domain(void)
{
	static char domain[40];
	uint64_t crowded = 0;

	for (int i = 0; i < PLACES; i++) {
		snprintf(domain, sizeof domain, "stuck%d.test", i);
		crowded |= UINT64_C(1) << queue_shard(slice_z(domain));
	}
	for (int i = 0; i == 0 || crowded >> queue_shard(slice_z(domain)) & 1; i++)
		snprintf(domain, sizeof domain, "ok%d.test", i);
	return slice_z(domain);
}

/* The first of the crowd has been claimed: now it comes. */
static void comes_meanwhile(slice domain)
{
	slice its = letters_domain();
	char address[60];

	if (net.claimed == 1) {
		snprintf(address, sizeof address, "x@%s", its.at);
		post(small, "ben@b.test", address, its.at);
	} else if (slice_same(domain, its)) {
		before_it = net.claimed;
	}
}

static status a_letter_meanwhile(void)
{
	cr_expect(wait_until(small_arrived));
	cr_expect_leq(
		before_it, CROWD / 10, "%d of a crowd were claimed before a letter", before_it);
	cr_expect_leq(net.tasks, 40, "%d tasks began before one of them had the loop", net.tasks);
	net.go = true;
	return ST_OK;
}

Test(outbound_queue, a_letter_does_not_wait_until_a_crowd_is_claimed)
{
	given_crowd("stuck.test");
	for (int i = 0; i < PLACES; i++) {
		char domain[40];

		snprintf(domain, sizeof domain, "stuck%d.test", i);
		store_sql("update queue set domain = '%s', shard = %d where qid / 4096 %% %d = %d"
			  " returning 1",
			domain, queue_shard(slice_z(domain)), PLACES, i);
	}
	small = store_postoffice();
	net.planned = comes_meanwhile;
	play(a_letter_meanwhile);
	net.planned = NULL;
}

static bool late_tried_twice(void)
{
	return net.late >= 2;
}

static status a_deferred_one(void)
{
	cr_assert(wait_until(crowd_fills_the_list));
	post_beside_the_crowd("late");
	cr_expect(wait_until(late_tried_twice));
	cr_expect_eq(net.late, 2, "deferred mail is due and nobody looks for it");
	net.go = true;
	return ST_OK;
}

Test(outbound_queue, deferred_mail_is_found_beside_a_crowd_that_is_stuck)
{
	given_setting(S_queue_retry, "1s");
	given_crowd("stuck.test");
	small = store_postoffice();
	play(a_deferred_one);
}

static int64_t first_note;

/* Since when somebody waits to note what is tried; 0 = nobody does. */
static int64_t note_waits_since(void)
{
	store_sql(
		"select length(pg_stat_clear_snapshot()::text)"); /* for we are in a transaction */
	return store_sql(
		"select coalesce(max(extract(epoch from query_start) * 1000000), 0)::bigint from pg_stat_activity"
		" where wait_event_type = 'Lock' and query like '%%trying%%'");
}

static bool note_waits(void)
{
	return (first_note = note_waits_since()) != 0;
}

static bool note_gave_up(void)
{
	return note_waits_since() != first_note;
}

/* The database cannot note what is about to be tried (its disk is slow, say): it is given back. */
static status an_untried_one(void)
{
	cr_assert(wait_until(crowd_fills_the_list));
	store_sql("begin");
	store_sql("select owner from qrunner for update");
	post_beside_the_crowd("ok");
	cr_assert(wait_until(note_waits));
	cr_assert(wait_until(note_gave_up));
	cr_expect_eq(net.ok, 0);
	store_sql("commit");
	cr_expect(wait_until(small_arrived));
	cr_expect_eq(net.ok, 1, "what was given back untried is forgotten");
	net.go = true;
	return ST_OK;
}

Test(outbound_queue, what_was_given_back_is_found_beside_a_crowd_that_is_stuck)
{
	given_crowd("stuck.test");
	small = store_postoffice();
	play(an_untried_one);
}

static int before;

static bool another_arrived(void)
{
	return net.ok > before;
}

static bool crowds_have_all_they_may_have(void)
{
	return net.tried >= 2 * setting_number(S_outbound_per_domain_most, NULL);
}

/* Some arrive before the crowds have all the room they get. */
static status between_two(void)
{
	cr_assert(wait_until(crowds_have_all_they_may_have));
	for (int i = 1; i <= 30 && net.ok == i - 1; i++) {
		before = net.ok;
		post(small, "ben@b.test", "x@ok.test", "ok.test");
		cr_expect(wait_until(another_arrived));
	}
	cr_expect_eq(net.ok, 30, "two crowds leave no room: %d", net.ok);
	net.go = true;
	return ST_OK;
}

Test(outbound_queue, two_crowds_that_are_stuck_leave_room)
{
	given_crowd("stuck.test");
	given_crowd("stuck2.test");
	small = store_postoffice();
	play(between_two);
}

static bool all_deferred(void)
{
	return store_sql("select count(*) from queue_deferred") == 301;
}

static status the_dead(void)
{
	cr_expect(wait_until(all_deferred));
	cr_expect_leq(net.tried, setting_number(S_outbound_per_domain_most, NULL), "%d attempts",
		net.tried);
	cr_expect_eq(
		store_sql(
			"select count(*) from queue_deferred where next_at > now() + interval '14 minutes'"),
		301);
	cr_expect_eq(store_sql("select sum(attempts)::bigint from queue_deferred"), net.tried,
		"what was left alone counts as tried");
	return ST_OK;
}

Test(outbound_queue, hosts_out_of_reach_are_left_alone)
{
	post(store_postoffice(), "anna@acme.test", "x@dead.test", "dead.test");
	multiply(300);
	play(the_dead);
}

static bool dead_settled(void)
{
	return store_sql("select count(*) from queue where domain = 'dead.test'") == 0;
}

static status the_hasty(void)
{
	cr_expect(wait_until(dead_settled));
	cr_expect_eq(
		store_sql(
			"select count(*) from queue_deferred where domain = 'dead.test' and attempts = 0"),
		301 - net.tried + net.sent, "what was never tried is given up");
	return ST_OK;
}

/* One attempt is all they get: who was left alone has had none. Their reports are sent, too. */
Test(outbound_queue, what_is_left_alone_has_not_been_tried)
{
	given_setting(S_queue_tries_most, "1");
	post(store_postoffice(), "anna@acme.test", "x@dead.test", "dead.test");
	multiply(300);
	play(the_hasty);
}

/* Nor does it wait for less than others of its age do. */
static status the_old(void)
{
	cr_expect(wait_until(all_deferred));
	cr_expect_eq(
		store_sql(
			"select count(*) from queue_deferred where attempts = 0 and next_at < now() + interval '59 minutes'"),
		0);
	return ST_OK;
}

Test(outbound_queue, what_is_left_alone_waits_by_its_age)
{
	post(store_postoffice(), "anna@acme.test", "x@dead.test", "dead.test");
	multiply(300);
	store_sql("update queue set made = made - interval '50 minutes' returning 1");
	play(the_old);
}

static bool all_sent(void)
{
	return net.sent == 3001;
}

static bool queue_empty(void)
{
	return store_sql(
		       "select (select count(*) from queue) + (select count(*) from queue_deferred)") ==
	       0;
}

static status the_many(void)
{
	cr_expect(wait_until(all_sent));
	cr_expect(wait_until(queue_empty));
	cr_expect_eq(net.sent, 3001);
	return ST_OK;
}

Test(outbound_queue, more_than_fits_in_memory_comes_through_once)
{
	post(store_postoffice(), "anna@acme.test", "x@ok.test", "ok.test");
	multiply(3000);
	play(the_many);
}

#define EVERYWHERE 200 /* domains: some in each shard, most likely */

static bool everywhere_sent(void)
{
	return net.sent == EVERYWHERE;
}

static status the_small_memory(void)
{
	cr_expect(wait_until(everywhere_sent));
	cr_expect(wait_until(queue_empty));
	cr_expect_leq(net.most, 10, "%d rows in the memory of a runner that may have 10", net.most);
	return ST_OK;
}

/* With less room than shards a claim asks as many as there is room for, and the others in their
   turn. */
Test(outbound_queue, shards_take_turns_where_there_is_little_room)
{
	int64_t office = store_postoffice();
	char domain[40], address[60];

	given_setting(S_outbound_at_once_most, "1");
	for (int i = 0; i < EVERYWHERE; i++) {
		snprintf(domain, sizeof domain, "fine%d.test", i);
		snprintf(address, sizeof address, "x@%s", domain);
		post(office, "anna@acme.test", address, domain);
	}
	play(the_small_memory);
}

static bool something_tried(void)
{
	return net.tried > 0;
}

static status the_end(void)
{
	cr_assert(wait_until(something_tried));
	return ST_OK;
}

Test(outbound_queue, what_is_being_sent_is_finished)
{
	net.pause = 300 * USEC_MS;
	post(store_postoffice(), "anna@acme.test", "x@slow.test", "slow.test");
	multiply(100);
	play(the_end);
	cr_expect_gt(net.sent, 0);
	cr_expect_eq(
		store_sql("select count(*) from queue"), 101 - net.sent, "%d were sent", net.sent);
	cr_expect_eq(store_sql("select count(*) from queue where kills > 0"), 0);
}

/* ---- orders */

static void order(enum queue_order o)
{
	struct queue_filter all = QUEUE_FILTER_ANY;
	int64_t changed = 0;

	cr_expect_eq(queue_order(&all, o, &store_by, &changed), ST_OK);
	cr_expect_gt(changed, 0);
}

static bool crowd_is_sent(void)
{
	return net.sent == 101;
}

static bool some_are_sent(void)
{
	return net.sent > 0;
}

/* Some are on their way; the others were claimed with them and wait for their turn. */
static status an_order_to_hold(void)
{
	cr_assert(wait_until(crowd_has_all_it_may_have));
	order(QUEUE_HOLD);
	task_sleep(2 * USEC_S); /* the runner hears of it before any of them is over */
	int tried = net.tried;
	net.go = true;
	cr_assert(wait_until(some_are_sent));
	task_sleep(USEC_S);
	cr_expect_leq(net.tried, tried + 20, "what is held is sent: %d, %d when it was ordered",
		net.tried, tried);
	cr_expect_lt(net.sent, 101);
	order(QUEUE_RELEASE);
	cr_expect(wait_until(crowd_is_sent));
	return ST_OK;
}

Test(outbound_queue, an_order_reaches_what_was_claimed)
{
	post(store_postoffice(), "anna@acme.test", "x@held.test", "held.test");
	multiply(100);
	play(an_order_to_hold);
}

static bool one_deferred(void)
{
	return store_sql("select count(*) from queue_deferred where next_at > now()") == 1;
}

static bool one_sent(void)
{
	return net.sent == 1;
}

static status an_order_to_try_again(void)
{
	cr_assert(wait_until(one_deferred));
	net.go = true; /* the host is back, and its operator knows */
	order(QUEUE_RETRY);
	cr_expect(wait_until(one_sent));
	cr_expect_eq(net.tried, 2);
	return ST_OK;
}

Test(outbound_queue, an_order_to_try_again_tries_hosts_that_were_away)
{
	post(store_postoffice(), "anna@acme.test", "x@dead.test", "dead.test");
	play(an_order_to_try_again);
}

static status the_body(void)
{
	cr_expect(wait_until(queue_empty));
	cr_expect(slice_same(text_slice(&net.body), S("Subject: hello\r\n\r\nhow are you?\r\n")),
		"%.*s", SLICE_ARGS(text_slice(&net.body)));
	cr_expect_eq(net.size, net.body.size, "%zu octets were announced", (size_t)net.size);
	text_free(&net.body);
	return ST_OK;
}

#define BIG 400000 /* octets behind RAW: more than a piece of a body */

static status the_big_body(void)
{
	cr_expect(wait_until(queue_empty));
	cr_expect(slice_starts(text_slice(&net.body), S("Subject: hello\r\n\r\n")));
	cr_expect_eq(net.body.size, RAW.size - S("Return-Path: <anna@acme.test>\r\n").size + BIG);
	cr_expect_eq(net.size, net.body.size, "%zu octets were announced", (size_t)net.size);
	text_free(&net.body);
	return ST_OK;
}

Test(outbound_queue, the_return_path_stays_here)
{
	post(store_postoffice(), "anna@acme.test", "x@body.test", "body.test");
	play(the_body);
}

Test(outbound_queue, the_return_path_of_a_big_message_stays_too)
{
	text raw = TEXT_INIT;

	text_add(&raw, RAW);
	for (int i = 0; i < BIG / 10; i++)
		text_format(&raw, "%08x\r\n", (unsigned)i * 2654435761u);
	post_text(
		store_postoffice(), "anna@acme.test", "x@body.test", "body.test", text_slice(&raw));
	text_free(&raw);
	play(the_big_body);
}

/* ---- reports */

static struct route anna;

static int64_t reports(void)
{
	return store_sql("select count(*) from entry where postoffice = %lld and folder = %lld",
		(long long)anna.postoffice, (long long)anna.inbox);
}

static bool one_parked(void)
{
	return store_sql("select count(*) from queue where state = 2 and sender = ''") == 1;
}

static void given_anna(int64_t quota)
{
	char domain[40];

	snprintf(domain, sizeof domain, "d%lld.test", (long long)id_new());
	anna = store_mailbox(store_postoffice(), "anna", quota);
	store_domain(anna.postoffice, domain);
	char sender[60];
	snprintf(sender, sizeof sender, "anna@%s", domain);
	post(anna.postoffice, sender, "x@never.test", "never.test");
}

static status the_report(void)
{
	cr_expect(wait_until(queue_empty));
	cr_expect_eq(reports(), 1);
	return ST_OK;
}

Test(outbound_queue, who_sent_it_is_told)
{
	given_anna(0);
	play(the_report);
}

static status the_parked(void)
{
	cr_expect(wait_until(one_parked));
	cr_expect_eq(store_sql("select count(*) from queue where state = 0"), 0);
	cr_expect_eq(reports(), 0);
	return ST_OK;
}

Test(outbound_queue, a_report_without_room_is_parked)
{
	int64_t parked = metric_value(M_queue_parked, SERVICE_NONE),
		reported = metric_value(M_reports, SERVICE_NONE);
	given_anna(10);
	play(the_parked);
	cr_expect_eq(metric_value(M_queue_parked, SERVICE_NONE) - parked, 1);
	cr_expect_eq(metric_value(M_reports, SERVICE_NONE) - reported, 1);
}

static bool sent_on(void)
{
	return net.sent == 1;
}

static status the_foreign(void)
{
	cr_expect(wait_until(sent_on));
	cr_expect(wait_until(queue_empty));
	cr_expect_eq(net.sent, 1, "the report itself");
	return ST_OK;
}

Test(outbound_queue, a_sender_elsewhere_gets_it_through_the_queue)
{
	post(0, "eve@elsewhere.test", "x@never.test", "never.test");
	play(the_foreign);
}
