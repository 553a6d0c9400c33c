/* Claims of the queue's rows in turn, and what their results make of them. */
#include "provider/blob.h"
#include "tests/unit/provider/queue_fixture.h"

#include <criterion/criterion.h>

TestSuite(queue_claim, .init = empty_queue_begin, .fini = store_counted_end, .timeout = 300);

Test(queue_claim, post_offices_take_turns)
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

Test(queue_claim, a_claim_tells_where_more_is_due_and_leaves_deferred_rows_to_the_poll)
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

Test(queue_claim, new_and_deferred_rows_share_what_a_claim_may_bring)
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

Test(queue_claim, small_texts_of_many_messages_come_together)
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

Test(queue_claim, results_move_rows_on)
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
Test(queue_claim, an_attempt_that_is_written_twice_counts_once)
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
Test(queue_claim, a_result_may_change_how_long_a_row_is_tried)
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
