/* The queue beside a PostgreSQL: what deliveries put there, leases and their fence, claims in turn,
   results, what kills its runner, reports with their cause, operators' orders. One test after the
   other: shards belong to the whole database. */
#include "provider/queue.h"
#include "provider/trace.h"

#include "base/id.h"
#include "base/metric.h"
#include "provider/blob.h"
#include "provider/housekeep.h"
#include "provider/route.h"
#include "provider/setting.h"
#include "provider/watch.h"
#include "tests/unit/provider/given.h"
#include "tests/unit/provider/store_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <unistd.h>

#define RAW S("Subject: hello\r\n\r\nhow are you?\r\n")

static void begin(void)
{
	given_providers();
	store_queue_empty();
}

/* No way into the queue or out of it goes uncounted. */
static void end(void)
{
	cr_expect(store_ledger_holds(), "what the ledger counted is not what is there");
	provider_close();
}

TestSuite(queue, .init = begin, .fini = end, .timeout = 300);

static const struct queue_envelope plain = {
	.sender = {"anna@acme.test", 14}, .lifetime = 3600 * USEC_S};

static status send_to(
	int64_t office, const struct route *local, const struct queue_recipient *to, int m)
{
	struct letter l;
	struct route nobody = {.postoffice = office};

	letter_write(&l, local ? local : &nobody, 1, RAW);
	l.parts[0].n = local ? 1 : 0;
	l.parts[0].remote = to;
	l.parts[0].m = m;
	l.d.envelope = &plain;
	status s = letter_send(&l);
	letter_close(&l);
	return s;
}

static void queue_one(int64_t office, const char *domain)
{
	arena a = ARENA_INIT;
	struct queue_recipient to = {.domain = slice_z(domain),
		.address = arena_format(&a, "ben@%s", domain),
		.orcpt = S("rfc822;ben@b.test"),
		.notify = NOTIFY_FAILURE};

	cr_assert_eq(send_to(office, NULL, &to, 1), ST_OK);
	arena_release(&a);
}

static queue_runner *runner(void)
{
	queue_runner *r;

	cr_assert_eq(queue_runner_open(&r), ST_OK);
	cr_assert_eq(queue_runner_lease(r, NULL), ST_OK);
	return r;
}

static queue_entry *claim(queue_runner *r, unsigned most, unsigned each, arena *a, int *n)
{
	struct queue_claim c = {.shards = UINT64_MAX, .most = most, .each = each};
	queue_entry *rows;

	cr_assert_eq(queue_claim(r, &c, a, &rows, n), ST_OK);
	return rows;
}

/* As if all runners had been silent for a minute. */
static void give_up_leases(void)
{
	given_sql("update qshard set lease = now() - interval '1 second'");
	given_sql("update qrunner set seen = now() - interval '1 minute'");
}

static int64_t rows_in(const char *table)
{
	return store_sql("select count(*) from %s", table);
}

/* ---- entering */

Test(queue, takes_local_and_foreign_recipients_in_one_transaction)
{
	struct route to = store_mailbox(store_postoffice(), "anna", 0);
	struct queue_recipient far[] = {
		{.address = S("ben@b.test"), .domain = S("b.test")},
		{.address = S("eve@c.test"), .domain = S("c.test")},
	};
	long long po = to.postoffice;

	cr_assert_eq(send_to(po, &to, far, 2), ST_OK);
	cr_expect_eq(store_sql("select count(*) from queue where postoffice = %lld", po), 2);
	cr_expect_eq(store_sql("select count(*) from entry where postoffice = %lld", po), 1);
	cr_expect_eq(store_sql("select count(*) from message where postoffice = %lld", po), 1);
	cr_expect_eq(
		store_sql(
			"select count(*) from expunged where postoffice = %lld and folder = 0", po),
		1);
	to.mailbox++;
	cr_expect_eq(send_to(po, &to, far, 2), ST_ABSENT);
	cr_expect_eq(store_sql("select count(*) from queue where postoffice = %lld", po), 2,
		"a refused message was queued");
}

Test(queue, keeps_what_the_envelope_said)
{
	int64_t office = store_postoffice();
	arena a = ARENA_INIT;
	int n;

	queue_one(office, "b.test");
	queue_runner *r = runner();
	queue_entry *e = claim(r, 10, 10, &a, &n);
	cr_assert_eq(n, 1);
	cr_expect(slice_same(e->sender, S("anna@acme.test")) &&
		  slice_same(e->address, S("ben@b.test")));
	cr_expect(
		slice_same(e->domain, S("b.test")) && slice_same(e->orcpt, S("rfc822;ben@b.test")));
	cr_expect_eq(e->notify, NOTIFY_FAILURE);
	cr_expect_eq(e->postoffice, office);
	cr_expect_eq(e->size, (int64_t)RAW.size);
	cr_expect_eq(e->expires - e->made, 3600 * USEC_S);
	cr_expect_eq(e->shard, queue_shard(S("b.test")));
	queue_runner_close(&r);
	arena_release(&a);
}

/* ---- leases */

Test(queue, a_late_result_changes_nothing)
{
	arena a = ARENA_INIT;
	int n, late;
	int64_t told = metric_value(M_queue_late, SERVICE_NONE);

	queue_one(store_postoffice(), "b.test");
	queue_runner *stopped = runner();
	queue_entry *mine = claim(stopped, 10, 10, &a, &n);
	cr_assert_eq(n, 1);

	give_up_leases(); /* it was stopped for so long */
	queue_runner *other = runner();
	queue_entry *theirs = claim(other, 10, 10, &a, &n);
	cr_assert_eq(n, 1);
	cr_expect_eq(theirs->kills, 1, "what its runner died with is a suspect");
	cr_expect_gt(theirs->epoch, mine->epoch);

	struct queue_result done = {.entry = mine, .end = QUEUE_DONE};
	cr_assert_eq(queue_finish(stopped, &done, 1, &late), ST_OK);
	cr_expect_eq(late, 1);
	cr_expect_eq(rows_in("queue"), 1, "a late result removed the row");
	struct queue_result defer = {.entry = mine, .end = QUEUE_DEFER, .wait = USEC_S};
	cr_assert_eq(queue_finish(stopped, &defer, 1, &late), ST_OK);
	cr_expect_eq(late, 1);
	cr_expect_eq(rows_in("queue_deferred"), 0);
	cr_expect_eq(metric_value(M_queue_late, SERVICE_NONE) - told, 2);

	uint64_t lost;
	cr_assert_eq(queue_runner_lease(stopped, &lost), ST_OK);
	cr_expect_eq(lost, UINT64_MAX);
	queue_runner_close(&stopped);
	queue_runner_close(&other);
	arena_release(&a);
}

Test(queue, runners_share_the_shards)
{
	queue_runner *a = runner(), *b;

	cr_expect_eq(queue_runner_shards(a), UINT64_MAX);
	node_role("another");
	b = runner();
	cr_expect_eq(queue_runner_shards(b), 0, "nothing is free yet");
	cr_assert_eq(queue_runner_lease(a, NULL), ST_OK);
	cr_assert_eq(queue_runner_lease(b, NULL), ST_OK);
	cr_expect_eq(__builtin_popcountll(queue_runner_shards(a)), QUEUE_SHARDS / 2);
	cr_expect_eq(queue_runner_shards(b), ~queue_runner_shards(a));
	queue_runner_close(&a);
	cr_assert_eq(queue_runner_lease(b, NULL), ST_OK);
	cr_expect_eq(queue_runner_shards(b), UINT64_MAX, "what was given back is free at once");
	queue_runner_close(&b);
	node_role("");
}

Test(queue, a_successor_need_not_wait_for_the_lease)
{
	queue_runner *dead = runner(), *leaving, *next;

	queue_one(store_postoffice(), "b.test");
	given_sql("update qrunner set since = since - interval '1 minute'");
	next = runner();
	given_sql("update qrunner set since = since - interval '2 seconds'");
	cr_assert_eq(queue_runner_lease(next, NULL), ST_OK);
	cr_expect_eq(queue_runner_shards(next), UINT64_MAX, "nor share with the dead");
	queue_runner_close(&next);
	queue_runner_close(&dead);

	leaving = runner();
	cr_assert_eq(queue_runner_leave(leaving), ST_OK);
	given_sql("update qrunner set since = since - interval '1 minute'");
	next = runner();
	given_sql("update qrunner set since = since - interval '2 seconds'");
	cr_assert_eq(queue_runner_lease(next, NULL), ST_OK);
	cr_expect_eq(queue_runner_shards(next), 0, "who is leaving still finishes what it tries");
	queue_runner_close(&next);
	queue_runner_close(&leaving);
}

Test(queue, what_kills_its_runner_three_times_is_parked)
{
	arena a = ARENA_INIT;
	int64_t office = store_postoffice();
	int n, late;
	queue_runner *r[4];

	queue_one(office, "poison.test");
	queue_one(office, "good.test");
	for (int i = 0; i < 3; i++) {
		queue_entry *e;
		struct queue_result done[1];

		give_up_leases();
		r[i] = runner();
		e = claim(r[i], 1000, 10, &a, &n);
		for (int k = 0; k < n; k++)
			if (slice_same(e[k].domain, S("poison.test"))) {
				if (e[k].kills > 0)
					cr_assert_eq(queue_begin(r[i], &e[k]), ST_OK);
			} else if (i ==
				   1) { /* the innocent one comes through when it is its turn */
				done[0] = (struct queue_result){.entry = &e[k], .end = QUEUE_DONE};
				cr_assert_eq(queue_finish(r[i], done, 1, &late), ST_OK);
				cr_expect_eq(late, 0);
			}
	}
	give_up_leases();
	r[3] = runner();
	claim(r[3], 10, 10, &a, &n);
	cr_expect_eq(n, 0);
	cr_expect_eq(
		store_sql(
			"select count(*) from queue where domain = 'poison.test' and state = 2 and kills = 3"),
		1);
	cr_expect_eq(rows_in("queue"), 1);
	for (int i = 0; i < 4; i++)
		queue_runner_close(&r[i]);
	arena_release(&a);
}

/* ---- claims and results */

Test(queue, post_offices_take_turns)
{
	arena a = ARENA_INIT;
	int64_t crowd = store_postoffice(), small = store_postoffice();
	int n, other = 0;

	queue_one(crowd, "b.test");
	store_sql(
		STORE_PUT(
			"insert into queue (shard, postoffice, qid, msg, sender, domain, rcpt, next_at, expires)"
			" select shard, postoffice, qid + g, msg, sender, domain, rcpt, next_at - interval '1 hour', expires"
			" from queue, generate_series(1, 500) g where postoffice = %lld"),
		(long long)crowd);
	queue_one(small, "b.test");
	queue_runner *r = runner();
	struct queue_claim c = {
		.shards = UINT64_C(1) << queue_shard(S("b.test")), .most = 40, .each = 10};
	queue_entry *e;
	cr_assert_eq(queue_claim(r, &c, &a, &e, &n), ST_OK);
	for (int i = 0; i < n; i++)
		other += e[i].postoffice == small;
	cr_expect_eq(n, 11);
	cr_expect_eq(other, 1, "a crowd holds up another post office");
	c.full = &crowd;
	c.full_count = 1;
	cr_assert_eq(queue_claim(r, &c, &a, &e, &n), ST_OK);
	cr_expect_eq(n, 0);
	c.full_count = 0;
	cr_assert_eq(queue_claim(r, &c, &a, &e, &n), ST_OK);
	cr_expect_eq(n, 10, "claimed rows come no second time");
	queue_runner_close(&r);
	arena_release(&a);
}

static int claimed(queue_runner *r, struct queue_claim *c, arena *a)
{
	queue_entry *e;
	int n;

	cr_assert_eq(queue_claim(r, c, a, &e, &n), ST_OK);
	return n;
}

Test(queue, a_claim_tells_where_more_is_due_and_leaves_deferred_rows_to_the_poll)
{
	uint64_t b = UINT64_C(1) << queue_shard(S("b.test")), more = 42;
	struct queue_claim c = {.shards = b, .most = 3, .each = 3, .more = &more};
	int64_t office = store_postoffice();
	arena a = ARENA_INIT;

	for (int i = 0; i < 4; i++)
		queue_one(office, "b.test");
	given_sql("insert into queue_deferred select * from queue order by qid limit 1");
	given_sql("delete from queue where qid in (select qid from queue_deferred)");
	queue_runner *r = runner();
	c.fresh = b;
	cr_expect_eq(claimed(r, &c, &a), 3);
	cr_expect_eq(more, b, "three were all there was room for");
	cr_expect_eq(claimed(r, &c, &a), 0, "only what was never deferred is wanted");
	cr_expect_eq(more, 0);
	c.fresh = 0;
	c.most = 6;
	cr_expect_eq(claimed(r, &c, &a), 1);
	cr_expect_eq(more, 0, "a claim with room to spare took all");
	queue_runner_close(&r);
	arena_release(&a);
}

static void given_crowd(int64_t office, const char *domain, int n)
{
	queue_one(office, domain);
	store_sql(
		STORE_PUT(
			"insert into queue (shard, postoffice, qid, msg, sender, domain, rcpt, next_at, expires)"
			" select shard, postoffice, qid + g * 4096, msg, sender, domain, rcpt, next_at, expires"
			" from queue, generate_series(1, %d) g where domain = '%s'"),
		n - 1, domain);
}

Test(queue, new_and_deferred_rows_share_what_a_claim_may_bring)
{
	uint64_t b = UINT64_C(1) << queue_shard(S("b.test")), c = UINT64_C(1)
								  << queue_shard(S("c.test"));
	struct queue_claim ask = {.shards = b | c, .most = 20, .each = 100};
	int64_t office = store_postoffice();
	arena a = ARENA_INIT;

	given_crowd(office, "b.test", 60);
	given_crowd(office, "c.test", 60);
	given_sql(
		"insert into queue_deferred select * from queue where qid in"
		" (select qid from (select qid, row_number() over (partition by domain order by qid) n from queue) q where n > 30)");
	given_sql("delete from queue where qid in (select qid from queue_deferred)");
	cr_assert_eq(rows_in("queue"), 60);
	cr_assert_eq(rows_in("queue_deferred"), 60);
	queue_runner *r = runner();
	cr_expect_eq(claimed(r, &ask, &a), 20);
	ask.fresh = b;
	cr_expect_eq(claimed(r, &ask, &a), 18, "three asks");
	ask.fresh = b | c;
	cr_expect_eq(claimed(r, &ask, &a), 20);
	queue_runner_close(&r);
	arena_release(&a);
}

static status body_count(int which, slice raw, void *arg)
{
	int *seen = arg;

	cr_expect(slice_same(raw, RAW), "%d: %.*s", which, SLICE_ARGS(raw));
	seen[which]++;
	return ST_OK;
}

Test(queue, small_texts_of_many_messages_come_together)
{
	int64_t office = store_postoffice(), ids[3] = {0, 1, 0};
	int n, seen[3] = {0};
	arena a = ARENA_INIT;

	queue_one(office, "b.test");
	queue_one(office, "c.test");
	queue_runner *r = runner();
	queue_entry *e = claim(r, 10, 10, &a, &n);
	cr_assert_eq(n, 2);
	ids[0] = e[0].message;
	ids[2] = e[1].message;
	cr_expect_eq(blob_each_small_of(office, ids, 3, 1000, body_count, seen), ST_OK);
	cr_expect(seen[0] == 1 && seen[1] == 0 && seen[2] == 1, "one of them is no message");
	cr_expect_eq(blob_each_small_of(office, ids, 3, RAW.size - 1, body_count, seen), ST_OK);
	cr_expect_eq(blob_each_small_of(office + 1, ids, 3, 1000, body_count, seen), ST_OK);
	cr_expect_eq(seen[0] + seen[2], 2, "too big, and another post office's");
	queue_runner_close(&r);
	arena_release(&a);
}

Test(queue, results_move_rows_on)
{
	arena a = ARENA_INIT;
	int64_t office = store_postoffice(), count;
	int n, late;

	queue_one(office, "b.test");
	queue_runner *r = runner();
	uint64_t due;
	cr_assert_eq(queue_due(r, &due), ST_OK);
	cr_expect_eq(due, UINT64_C(1) << queue_shard(S("b.test")));
	queue_entry *e = claim(r, 10, 10, &a, &n);
	struct queue_result later = {.entry = e,
		.end = QUEUE_DEFER,
		.wait = 0,
		.code = 451,
		.host = S("mx.b.test"),
		.text = S("not now \xff")};
	cr_assert_eq(queue_finish(r, &later, 1, &late), ST_OK);
	cr_expect_eq(late, 0);
	cr_expect_eq(rows_in("queue"), 0);
	e = claim(r, 10, 10, &a, &n);
	cr_assert_eq(n, 1);
	cr_expect_eq(e->attempts, 1);
	cr_expect_eq(e->code, 451);
	cr_expect(slice_same(e->host, S("mx.b.test")));
	later = (struct queue_result){
		.entry = e, .end = QUEUE_DEFER, .wait = 3600 * USEC_S, .code = 450};
	cr_assert_eq(queue_finish(r, &later, 1, &late), ST_OK);
	cr_expect_eq(
		store_sql(
			"select attempts from queue_deferred where last_code = 450 and next_at > now()"),
		2);
	claim(r, 10, 10, &a, &n);
	cr_expect_eq(n, 0, "before its time");
	cr_assert_eq(queue_runner_count(r, &count), ST_OK);
	cr_expect_eq(count, 1);

	given_sql("update queue_deferred set next_at = now()");
	e = claim(r, 10, 10, &a, &n);
	cr_assert_eq(n, 1);
	struct queue_result park = {.entry = e, .end = QUEUE_PARK, .text = S("enough")};
	cr_assert_eq(queue_finish(r, &park, 1, &late), ST_OK);
	cr_expect_eq(store_sql("select state from queue_deferred"), QUEUE_PARKED);
	queue_runner_close(&r);
	arena_release(&a);
}

/* Nobody knew whether it was written, so it was written once more; or it came when the next one was
   written. */
Test(queue, an_attempt_that_is_written_twice_counts_once)
{
	arena a = ARENA_INIT;
	int n, late;

	queue_one(store_postoffice(), "b.test");
	queue_runner *r = runner();
	queue_entry *first = claim(r, 10, 10, &a, &n);
	cr_assert_eq(n, 1);
	struct queue_result later = {.entry = first, .end = QUEUE_DEFER, .code = 451};
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(queue_finish(r, &later, 1, &late), ST_OK);
		cr_expect_eq(late, 0);
		cr_expect_eq(store_sql("select attempts from queue_deferred"), 1);
	}
	struct queue_result second = {
		.entry = claim(r, 10, 10, &a, &n), .end = QUEUE_DEFER, .code = 452};
	cr_assert_eq(n, 1);
	cr_assert_eq(queue_finish(r, &second, 1, &late), ST_OK);
	cr_assert_eq(queue_finish(r, &later, 1, &late), ST_OK);
	cr_expect_eq(late, 1);
	cr_expect_eq(store_sql("select attempts from queue_deferred where last_code = 452"), 2);
	queue_runner_close(&r);
	arena_release(&a);
}

/* What a domain's route says of its time counts in the place of what was promised, for as long as
   it says so; what an operator wants back stays so. */
Test(queue, a_result_may_change_how_long_a_row_is_tried)
{
	static const int hours[] = {2, 1, 3};
	struct queue_filter all = QUEUE_FILTER_ANY;
	arena a = ARENA_INIT;
	int64_t changed;
	int n, late;

	queue_one(store_postoffice(), "b.test");
	queue_runner *r = runner();
	int64_t promised =
		store_sql("select extract(epoch from expires - made)::bigint from queue");
	for (int i = 0; i < 3; i++) {
		queue_entry *e = claim(r, 10, 10, &a, &n);
		cr_assert_eq(n, 1);
		struct queue_result later = {.entry = e,
			.end = QUEUE_DEFER,
			.code = 451,
			.wait = 1000 * 3600 * USEC_S,
			.until = e->made + hours[i] * 3600 * USEC_S};
		cr_assert_eq(queue_finish(r, &later, 1, &late), ST_OK);
		cr_expect_eq(
			store_sql(
				"select extract(epoch from next_at - made)::bigint / 3600 from queue_deferred"),
			hours[i]);
		cr_expect_eq(
			store_sql(
				"select extract(epoch from expires - made)::bigint from queue_deferred"),
			promised);
		given_script(given_super(), "update queue_deferred set next_at = now()");
	}
	queue_entry *e = claim(r, 10, 10, &a, &n);
	cr_assert_eq(n, 1);
	cr_assert_eq(queue_order(&all, QUEUE_RETURN, &store_by, &changed), ST_OK);
	struct queue_result later = {
		.entry = e, .end = QUEUE_DEFER, .code = 451, .until = e->made + 3600 * USEC_S};
	cr_assert_eq(queue_finish(r, &later, 1, &late), ST_OK);
	cr_expect_eq(store_sql("select count(*) from queue_deferred where expires < made"), 1,
		"an order is forgotten");
	queue_runner_close(&r);
	arena_release(&a);
}

/* Its mail was never to be sent: a report of it is all there is. */
Test(queue, what_is_there_for_a_report_alone_is_released_as_such)
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
Test(queue, a_parked_report_of_a_delivery_does_not_become_mail)
{
	struct queue_recipient here = {.address = S("ben@b.test"),
		.domain = S("b.test"),
		.notify = NOTIFY_SUCCESS,
		.delivered = true};
	struct queue_filter all = QUEUE_FILTER_ANY;
	arena a = ARENA_INIT;
	int64_t changed;
	int n, late;

	cr_assert_eq(send_to(store_postoffice(), NULL, &here, 1), ST_OK);
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

Test(queue, what_an_operator_removes_stands_in_the_trace)
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

/* ---- reports */

Test(queue, a_report_goes_with_its_cause_or_not_at_all)
{
	arena a = ARENA_INIT;
	struct route to = store_mailbox(store_postoffice(), "anna", 0);
	struct letter l;
	int n;

	queue_one(to.postoffice, "b.test");
	queue_runner *r = runner();
	queue_entry *e = claim(r, 10, 10, &a, &n);
	struct queue_result failed = {.entry = e, .end = QUEUE_DONE, .code = 550};
	for (int i = 0; i < 2; i++) {
		letter_write(&l, &to, 1, RAW);
		l.d.ends = &failed;
		l.d.end_count = 1;
		cr_expect_eq(letter_send(&l), i ? ST_FOREIGN : ST_OK);
		letter_close(&l);
	}
	queue_settled(r, &failed, 1);
	cr_expect_eq(rows_in("queue"), 0);
	cr_expect_eq(store_sql("select count(*) from entry where postoffice = %lld",
			     (long long)to.postoffice),
		1, "one cause, two reports");
	queue_runner_close(&r);
	arena_release(&a);
}

Test(queue, a_notice_defers_its_row)
{
	arena a = ARENA_INIT;
	struct route to = store_mailbox(store_postoffice(), "anna", 0);
	struct letter l;
	int n;

	queue_one(to.postoffice, "b.test");
	queue_runner *r = runner();
	for (int i = 1; i <= 2; i++) {
		queue_entry *e = claim(r, 10, 10, &a, &n);
		cr_assert_eq(n, 1);
		struct queue_result later = {
			.entry = e, .end = QUEUE_DEFER, .noticed = true, .code = 451};
		letter_write(&l, &to, 1, RAW);
		l.d.ends = &later;
		l.d.end_count = 1;
		cr_expect_eq(letter_send(&l), ST_OK);
		letter_close(&l);
		queue_settled(r, &later, 1);
		cr_expect_eq(
			store_sql("select notices from queue_deferred where attempts = notices"),
			i);
	}
	queue_runner_close(&r);
	arena_release(&a);
}

Test(queue, a_report_nobody_can_be_given_is_parked)
{
	int64_t office = store_postoffice();
	struct queue_recipient to = {
		.address = S("gone@acme.test"), .domain = S("acme.test"), .parked = true};
	arena a = ARENA_INIT;
	int n;

	cr_assert_eq(send_to(office, NULL, &to, 1), ST_OK);
	queue_runner *r = runner();
	claim(r, 10, 10, &a, &n);
	cr_expect_eq(n, 0);
	cr_expect_eq(store_sql("select state from queue"), QUEUE_PARKED);
	queue_runner_close(&r);
	arena_release(&a);
}

/* ---- bodies */

static int64_t bodies(int64_t office)
{
	return store_sql("select count(*) from blob where postoffice = %lld", (long long)office);
}

Test(queue, bodies_stay_while_somebody_waits_for_them)
{
	int64_t office = store_postoffice();
	struct housekeep_result done;

	queue_one(office, "b.test");
	given_sql("update expunged set at = at - interval '60 days' where folder = 0");
	cr_assert_eq(housekeep_run(&done), ST_OK);
	cr_expect_eq(bodies(office), 1);
	cr_expect_eq(
		store_sql(
			"select count(*) from expunged where postoffice = %lld and at > now() - interval '1 day'",
			(long long)office),
		1, "it is carried on");
	store_queue_empty();
	cr_assert_eq(housekeep_run(&done), ST_OK);
	cr_expect_eq(bodies(office), 1, "the retention begins");
	given_sql("update expunged set at = at - interval '60 days' where folder = 0");
	cr_assert_eq(housekeep_run(&done), ST_OK);
	cr_expect_eq(bodies(office), 0);
}

/* ---- operators */

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
Test(queue, lists_read_what_their_filter_leads_to)
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
}

Test(queue, operators_list_hold_release_and_delete)
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
static slice taken_by(const char *domain, arena *a)
{
	struct queue_filter f = QUEUE_FILTER_ANY;
	slice *by;
	queue_entry *rows;
	int n;

	f.domain = slice_z(domain);
	cr_assert_eq(queue_list(&f, 0, 10, a, &rows, &n), ST_OK);
	cr_assert_eq(n, 1);
	cr_assert_eq(queue_taken(rows, n, a, &by), ST_OK);
	return by[0];
}

Test(queue, lists_tell_what_is_in_hand)
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

Test(queue, what_an_operator_wants_tried_says_so_until_it_was)
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
Test(queue, held_mail_is_left_alone_until_it_is_released)
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

Test(queue, what_was_to_be_returned_has_a_last_attempt_when_it_is_released)
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

Test(queue, an_order_reaches_all_however_many)
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

Test(queue, an_order_says_whom_it_meant)
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

/* ---- the bell, routes */

Test(queue, the_bell_tells_which_shards)
{
	int fd = queue_bell(3);
	uint64_t count;

	queue_rung(3);
	queue_one(store_postoffice(), "b.test");
	queue_ring(1);
	cr_expect_gt(read(fd, &count, sizeof count), 0, "it can be heard");
	cr_expect_eq(queue_rung(3), UINT64_C(1) | UINT64_C(1) << queue_shard(S("b.test")));
	cr_expect_eq(queue_rung(3), 0);
}

static void assert_route(const char *domain, const char *target)
{
	arena a = ARENA_INIT;
	struct mail_route r;
	status s = route_find(slice_z(domain), &a, &r);

	if (!target)
		cr_expect_eq(s, ST_ABSENT, "%s leads to %.*s", domain, SLICE_ARGS(r.target));
	else
		cr_expect(s == ST_OK && slice_same(r.target, slice_z(target)), "%s", domain);
	arena_release(&a);
}

Test(queue, routes_are_found_exact_first_then_by_the_longest_mask)
{
	static const struct {
		const char *pattern, *target;
	} rows[] = {{"Remote.Test", "smtp:[127.0.0.1]:2999"},
		{"*.remote.test", "smtp:relay.test:587"},
		{"*.b.remote.test", "SMTP:[::1], Two.Test:2525"}, {"x.b.remote.test", "MX"},
		{"first.test", "SMTPS:[127.0.0.1]:465,one.test:2465"}};
	arena a = ARENA_INIT;
	struct mail_route *all;
	slice why = S("");
	int n;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct mail_route r = {.pattern = slice_z(rows[i].pattern),
			.target = slice_z(rows[i].target),
			.apart = -1};
		cr_assert_eq(route_put(&r, &store_by, &a, &why), ST_OK, "%.*s", SLICE_ARGS(why));
	}
	assert_route("remote.test", "smtp:[127.0.0.1]:2999");
	assert_route("a.remote.test", "smtp:relay.test:587");
	assert_route("a.b.remote.test", "smtp:[IPv6:::1],two.test:2525");
	assert_route("x.b.remote.test", "mx");
	assert_route("first.test", "smtps:[127.0.0.1],one.test:2465");
	assert_route("test", NULL);
	assert_route("xremote.test", NULL);
	cr_assert_eq(route_list(&a, &all, &n), ST_OK);
	cr_expect_eq(n, 5);
	struct mail_route first = {0};
	cr_assert_eq(route_find(S("first.test"), &a, &first), ST_OK);
	cr_expect(first.tls_first && first.n == 2 && first.hosts[0].port == 465 &&
		  first.hosts[1].port == 2465);
	cr_assert_eq(route_find(S("remote.test"), &a, &first), ST_OK);
	cr_expect(!first.tls_first);
	struct mail_route off = {
		.pattern = S("x.test"), .target = S("smtps:a.test"), .tls = S("off"), .apart = -1};
	cr_expect_eq(route_put(&off, &store_by, &a, &why), ST_INVALID, "TLS first, and none");
	cr_assert_eq(route_remove(S("REMOTE.test"), &store_by), ST_OK);
	cr_expect_eq(route_remove(S("remote.test"), &store_by), ST_ABSENT);
	assert_route("remote.test", NULL);
	arena_release(&a);
}

Test(queue, routes_that_are_none_are_refused)
{
	static const char *const patterns[] = {
		"", "a b", "**", "*b.test", "a.*.test", "[1.2.3]", "a..b"};
	static const char *const targets[] = {"", "mx:", "lmtp:a", "smtp:", "smtp:a:0",
		"smtp:a:65536", "smtp:[1.2.3.4", "smtp:[1.2.3.4]x", "smtp:a:25:25", "smtp:a b",
		"smtp:a,", "smtp:,a", "smtps:", "smtps:a:0", "smtpss:a",
		"smtp:a,b,c,d,e,f,g,h,i,j,k"};
	arena a = ARENA_INIT;
	struct mail_route r;

	for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
		slice why = S("");
		cr_expect_eq(route_parse(slice_z(patterns[i]), S("mx"), &a, &r, &why), ST_INVALID,
			"%s", patterns[i]);
		cr_expect_gt(why.size, 0);
	}
	for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
		slice why = S("");
		cr_expect_eq(route_parse(S("a.test"), slice_z(targets[i]), &a, &r, &why),
			ST_INVALID, "%s", targets[i]);
		cr_expect_gt(why.size, 0);
	}
	arena_release(&a);
}
