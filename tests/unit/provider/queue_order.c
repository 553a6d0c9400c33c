/* Operators at the queue: what their filters fit, what their orders do. */
#include "provider/trace.h"
#include "provider/watch.h"
#include "tests/unit/provider/queue_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <unistd.h>

TestSuite(queue_order, .init = empty_queue_begin, .fini = store_counted_end, .timeout = 300);

static int64_t order(struct queue_filter f, enum queue_order o)
{
	int64_t changed = -1;

	cr_assert_eq(queue_order(&f, o, &store_by, &changed), ST_OK);
	return changed;
}

static int listed(struct queue_filter f)
{
	arena a = ARENA_INIT;
	queue_entry *rows;
	int n;

	cr_assert_eq(queue_list(&f, 0, 100, &a, &rows, &n), ST_OK);
	arena_release(&a);
	return n;
}

/* Whatever a filter names, what it fits is the same as all of it looked through. */
Test(queue_order, lists_read_what_their_filter_leads_to)
{
	int64_t office = store_postoffice();
	struct queue_filter all = QUEUE_FILTER_ANY, f = all;
	int64_t id, message;

	for (int i = 0; i < 40; i++) {
		char domain[20];
		snprintf(domain, sizeof domain, "d%d.test", i);
		queue_one(i % 2 ? office : store_postoffice(), domain);
	}
	queue_one(office, "d7.test");
	given_sql("update queue set state = 1, next_at = 'infinity' where domain = 'd3.test'");
	given_sql("update queue set state = 2, next_at = 'infinity' where domain = 'd7.test'");
	given_sql(
		"with moved as (delete from queue where domain in ('d7.test', 'd9.test') returning *)"
		" insert into queue_deferred select * from moved");
	cr_expect_eq(listed(all), 41);
	f = all, f.recipient = S("Ben@D7.TEST");
	cr_expect_eq(listed(f), 2);
	f.state = QUEUE_PARKED;
	cr_expect_eq(listed(f), 2);
	f.state = QUEUE_HELD;
	cr_expect_eq(listed(f), 0);
	f.recipient = S("");
	cr_expect_eq(listed(f), 1);
	f = all, f.recipient = S("ben@d11.test"), f.domain = S("d12.test");
	cr_expect_eq(listed(f), 0);
	f = all, f.domain = S("D9.test"), f.postoffice = office;
	cr_expect_eq(listed(f), 1);
	f = all, f.state = QUEUE_READY;
	cr_expect_eq(listed(f), 38);
	for (int i = 0; i < 2; i++) {
		const char *table = i ? "queue_deferred" : "queue";
		id = store_sql("select max(qid) from %s", table);
		message = store_sql("select msg from %s where qid = %lld", table, (long long)id);
		f = all, f.id = id;
		cr_expect_eq(listed(f), 1);
		f.id = message;
		cr_expect_eq(listed(f), 1);
		f.sender = S("nobody@*");
		cr_expect_eq(listed(f), 0);
	}
	f = all, f.id = 4711;
	cr_expect_eq(listed(f), 0);
	f = all, f.sender = S("<>");
	cr_expect_eq(listed(f), 0);
	given_sql("update queue set sender = '' where domain in ('d11.test', 'd12.test')");
	cr_expect_eq(listed(f), 2);
	f.sender = S("*@*");
	cr_expect_eq(listed(f), 39);
}

Test(queue_order, operators_list_hold_release_and_delete)
{
	int64_t office = store_postoffice();
	struct queue_filter all = QUEUE_FILTER_ANY, f = all;
	arena a = ARENA_INIT;
	int n;

	queue_one(office, "b.test");
	queue_one(office, "a_b.test");
	queue_one(store_postoffice(), "c.test");
	cr_expect_eq(listed(all), 3);
	f.postoffice = office;
	cr_expect_eq(listed(f), 2);
	f = all, f.domain = S("*.TEST");
	cr_expect_eq(listed(f), 3);
	f = all, f.recipient = S("ben@a_*");
	cr_expect_eq(listed(f), 1);
	f = all, f.sender = S("eve@*");
	cr_expect_eq(listed(f), 0);
	f = all, f.older = 3600 * USEC_S;
	cr_expect_eq(listed(f), 0);
	given_sql("update queue set made = now() - interval '61 minutes' where domain = 'c.test'");
	given_sql("update queue set made = now() - interval '59 minutes' where domain = 'b.test'");
	cr_expect_eq(listed(f), 1);
	f.postoffice = office;
	cr_expect_eq(listed(f), 0);

	f = all, f.domain = S("b.test");
	cr_expect_eq(order(f, QUEUE_HOLD), 1);
	queue_runner *r = runner();
	claim(r, 10, 10, &a, &n);
	cr_expect_eq(n, 2);
	f = all, f.state = QUEUE_HELD;
	cr_expect_eq(listed(f), 1);
	cr_expect_eq(order(all, QUEUE_RELEASE), 1);
	queue_entry *e = claim(r, 10, 10, &a, &n);
	cr_assert_eq(n, 1);
	cr_expect(slice_same(e->domain, S("b.test")));
	cr_expect_not(e->urged);
	cr_expect_eq(order(all, QUEUE_RETURN), 3);
	cr_expect_eq(store_sql("select count(*) from queue where expires < now()"), 3);
	struct queue_counts counts;
	cr_assert_eq(queue_counts(&counts), ST_OK);
	cr_expect(
		counts.ready == 3 && counts.deferred == 0 && counts.held == 0 && counts.oldest > 0);
	f = all, f.id = e->id;
	cr_expect_eq(order(f, QUEUE_DELETE), 1);
	cr_expect_eq(listed(all), 2);
	queue_runner_close(&r);
	arena_release(&a);
}

/* Who has the row of that domain; empty: nobody. */
static struct queue_holder holder_of(const char *domain, arena *a)
{
	struct queue_filter f = QUEUE_FILTER_ANY;
	struct queue_holder *by;
	queue_entry *rows;
	int n;

	f.domain = slice_z(domain);
	cr_assert_eq(queue_list(&f, 0, 10, a, &rows, &n), ST_OK);
	cr_assert_eq(n, 1);
	cr_assert_eq(queue_taken(rows, n, a, &by), ST_OK);
	return by[0];
}

static slice taken_by(const char *domain, arena *a)
{
	return holder_of(domain, a).name;
}

Test(queue_order, lists_tell_since_when_a_row_is_in_hand)
{
	int64_t office = store_postoffice();
	arena a = ARENA_INIT;
	int n;

	queue_one(office, "b.test");
	queue_runner *r = runner();
	usec before = clock_wall();
	claim(r, 10, 10, &a, &n);
	cr_assert_eq(n, 1);
	usec since = holder_of("b.test", &a).since;
	cr_expect(since >= before - 2 * USEC_S && since <= clock_wall() + USEC_S);
	usleep(2 * USEC_S);
	queue_one(office, "c.test");
	claim(r, 10, 10, &a, &n);
	cr_assert_eq(n, 1);
	cr_expect_geq(holder_of("c.test", &a).since - holder_of("b.test", &a).since, 2 * USEC_S,
		"a note says that the row before it was taken then too");
	store_sql("update qrunner set ages = '{}' returning 1");
	cr_expect_eq(holder_of("b.test", &a).since, 0);
	cr_expect_gt(taken_by("b.test", &a).size, 0, "of a program that notes no ages");
	queue_runner_close(&r);
	arena_release(&a);
}

Test(queue_order, lists_tell_what_is_in_hand)
{
	int64_t office = store_postoffice();
	arena a = ARENA_INIT;
	int n, late;

	queue_one(office, "b.test");
	queue_runner *r = runner();
	queue_entry *e = claim(r, 10, 10, &a, &n);
	cr_assert_eq(n, 1);
	queue_one(office, "c.test");
	cr_expect_eq(taken_by("c.test", &a).size, 0);
	slice by = taken_by("b.test", &a);
	cr_expect(slice_starts(by, node_name()) && by.size > node_name().size, "%.*s",
		SLICE_ARGS(by));
	/* It was tried, and the runner has not written anew what it tries. */
	struct queue_result later = {.entry = e, .end = QUEUE_DEFER, .wait = 3600 * USEC_S};
	cr_assert_eq(queue_finish(r, &later, 1, &late), ST_OK);
	cr_expect_eq(taken_by("b.test", &a).size, 0);
	claim(r, 10, 10, &a, &n);
	cr_assert_eq(n, 1);
	cr_expect_gt(taken_by("c.test", &a).size, 0);
	give_up_leases();
	cr_expect_eq(taken_by("c.test", &a).size, 0, "its runner is silent");
	queue_runner_close(&r);
	arena_release(&a);
}

Test(queue_order, what_an_operator_wants_tried_says_so_until_it_was)
{
	int64_t office = store_postoffice();
	struct queue_filter f = QUEUE_FILTER_ANY;
	arena a = ARENA_INIT;
	int n;

	queue_one(office, "b.test");
	queue_one(office, "c.test");
	given_sql(
		"with moved as (delete from queue returning *) insert into queue_deferred select * from moved");
	given_sql("update queue_deferred set next_at = now() + interval '1 hour'");
	queue_runner *r = runner();
	claim(r, 10, 10, &a, &n);
	cr_expect_eq(n, 0);
	f.domain = S("b.test");
	cr_expect_eq(order(f, QUEUE_RETRY), 1);
	queue_entry *e = claim(r, 10, 10, &a, &n);
	cr_assert_eq(n, 1);
	cr_expect(e->urged && slice_same(e->domain, S("b.test")));
	cr_expect_geq(e->next, e->made, "a moment that can be shown");
	struct queue_result later = {
		.entry = e, .end = QUEUE_DEFER, .wait = 0, .text = S("come again")};
	int late;
	cr_assert_eq(queue_finish(r, &later, 1, &late), ST_OK);
	e = claim(r, 10, 10, &a, &n);
	cr_assert_eq(n, 1);
	cr_expect_not(e->urged);
	queue_runner_close(&r);
	arena_release(&a);
}

/* Who puts mail aside means it: trying again is for what waits for its time. */
Test(queue_order, held_mail_is_left_alone_until_it_is_released)
{
	int64_t office = store_postoffice();
	struct queue_filter all = QUEUE_FILTER_ANY, f = all;

	queue_one(office, "b.test");
	queue_one(office, "c.test");
	queue_one(office, "d.test");
	f.domain = S("b.test");
	cr_expect_eq(order(f, QUEUE_HOLD), 1);
	given_sql("update queue set state = 2, next_at = 'infinity' where domain = 'c.test'");
	cr_expect_eq(order(all, QUEUE_RETRY), 1);
	cr_expect_eq(
		store_sql(
			"select count(*) from queue where state in (1, 2) and next_at = 'infinity'"),
		2);
	cr_expect_eq(order(all, QUEUE_RELEASE), 2);
	cr_expect_eq(
		store_sql("select count(*) from queue where state = 0 and next_at <= now()"), 3);
}

Test(queue_order, what_was_to_be_returned_has_a_last_attempt_when_it_is_released)
{
	int64_t office = store_postoffice();
	struct queue_filter all = QUEUE_FILTER_ANY;
	arena a = ARENA_INIT;
	int n;

	queue_one(office, "b.test");
	cr_expect_eq(order(all, QUEUE_RETURN), 1);
	given_sql("update queue set state = 2, next_at = 'infinity'"); /* nobody can be told */
	cr_expect_eq(order(all, QUEUE_RELEASE), 1);
	queue_runner *r = runner();
	queue_entry *e = claim(r, 10, 10, &a, &n);
	cr_assert_eq(n, 1);
	cr_expect(!e->returned, "it would never be sent");
	cr_expect(e->expired, "its time is over all the same");
	queue_runner_close(&r);
	arena_release(&a);
}

Test(queue_order, an_order_reaches_all_however_many)
{
	int64_t office = store_postoffice();
	struct queue_filter f = QUEUE_FILTER_ANY;

	queue_one(office, "b.test");
	store_sql(STORE_PUT(
		"insert into queue (shard, postoffice, qid, msg, sender, domain, rcpt, next_at, expires)"
		" select shard, postoffice, qid + g * 4096, msg, sender, domain, rcpt, next_at, expires"
		" from queue, generate_series(1, 20999) g"));
	given_sql("with moved as (delete from queue where qid % 8192 < 4096 returning *)"
		  " insert into queue_deferred select * from moved");
	f.domain = S("b.test");
	cr_expect_eq(order(f, QUEUE_HOLD), 21000);
	cr_expect_eq(store_sql("select (select count(*) from queue where state = 1)"
			       " + (select count(*) from queue_deferred where state = 1)"),
		21000);
	cr_expect_eq(order(f, QUEUE_DELETE), 21000);
	cr_expect_eq(rows_in("queue") + rows_in("queue_deferred"), 0);
}

Test(queue_order, an_order_says_whom_it_meant)
{
	struct queue_filter f = QUEUE_FILTER_ANY;

	f.postoffice = 4711;
	f.older = 3600 * USEC_S;
	f.state = QUEUE_HELD;
	cr_expect_eq(order(f, QUEUE_DELETE), 0);
	cr_expect_eq(
		store_sql(
			"select count(*) from audit where action = 'queue.delete' and detail::text like '%%\"4711\"%%'"
			" and detail::text like '%%3600 s%%' and detail::text like '%%held%%'"),
		1);
}

/* Its mail was never to be sent: a report of it is all there is. */
Test(queue_order, what_is_there_for_a_report_alone_is_released_as_such)
{
	struct queue_filter all = QUEUE_FILTER_ANY;
	int64_t changed;

	queue_one(store_postoffice(), "b.test");
	given_script(given_super(), "update queue set state = 2, notify = 2 << 8");
	cr_assert_eq(queue_order(&all, QUEUE_RELEASE, &store_by, &changed), ST_OK);
	cr_expect_eq(changed, 1);
	cr_expect_eq(store_sql("select state from queue"), QUEUE_TELL);
}

/* The same of a report that says "delivered": released as mail it would go to the recipient's
   domain once more. */
Test(queue_order, a_parked_report_of_a_delivery_does_not_become_mail)
{
	struct queue_recipient here = {.address = S("ben@b.test"),
		.domain = S("b.test"),
		.notify = NOTIFY_SUCCESS,
		.delivered = true};
	struct queue_filter all = QUEUE_FILTER_ANY;
	arena a = ARENA_INIT;
	int64_t changed;
	int n, late;

	cr_assert_eq(letter_queue(store_postoffice(), NULL, &here, 1, RAW), ST_OK);
	queue_runner *r = runner();
	queue_entry *e = claim(r, 10, 10, &a, &n);
	cr_assert_eq(n, 1);
	cr_expect_eq(e->state, QUEUE_TELL);
	cr_expect_eq(e->told, TOLD_DELIVERED);
	cr_expect_eq(e->notify, NOTIFY_SUCCESS);
	struct queue_result park = {.entry = e, .end = QUEUE_PARK};
	cr_assert_eq(queue_finish(r, &park, 1, &late), ST_OK);
	cr_assert_eq(queue_order(&all, QUEUE_RELEASE, &store_by, &changed), ST_OK);
	cr_expect_eq(changed, 1);
	e = claim(r, 10, 10, &a, &n);
	cr_assert_eq(n, 1);
	cr_expect_eq(e->state, QUEUE_TELL, "what was delivered is sent");
	cr_expect_eq(e->told, TOLD_DELIVERED);
	queue_runner_close(&r);
	arena_release(&a);
}

Test(queue_order, what_an_operator_removes_stands_in_the_trace)
{
	struct queue_filter all = QUEUE_FILTER_ANY;
	int64_t changed;

	queue_one(store_postoffice(), "b.test");
	all.id = store_sql("select qid from queue");
	int64_t message = store_sql("select msg from queue");
	queue_one(store_postoffice(), "c.test");
	cr_assert_eq(queue_order(&all, QUEUE_DELETE, &store_by, &changed), ST_OK);
	cr_expect_eq(changed, 1);
	trace_flush();
	cr_expect_eq(rows_in("queue"), 1);
	cr_expect_eq(store_sql("select count(*) from trace where message = %lld and kind = %d",
			     (long long)message, TRACE_REMOVED),
		1);
}
