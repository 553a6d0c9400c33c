/* The queue beside a PostgreSQL: what deliveries put there, leases and their fence, what kills its
   runner, how long bodies stay, the bell. */
#include "provider/queue.h"

#include "base/metric.h"
#include "provider/housekeep.h"
#include "provider/watch.h"
#include "tests/unit/provider/queue_fixture.h"

#include <criterion/criterion.h>
#include <unistd.h>

TestSuite(queue, .init = empty_queue_begin, .fini = store_counted_end, .timeout = 300);

/* ---- entering */

Test(queue, takes_local_and_foreign_recipients_in_one_transaction)
{
	struct route to = store_mailbox(store_postoffice(), "anna", 0);
	struct queue_recipient far[] = {
		{.address = S("ben@b.test"), .domain = S("b.test")},
		{.address = S("eve@c.test"), .domain = S("c.test")},
	};
	long long po = to.postoffice;

	cr_assert_eq(letter_queue(po, &to, far, 2, RAW), ST_OK);
	cr_expect_eq(store_sql("select count(*) from queue where postoffice = %lld", po), 2);
	cr_expect_eq(store_sql("select count(*) from entry where postoffice = %lld", po), 1);
	cr_expect_eq(store_sql("select count(*) from message where postoffice = %lld", po), 1);
	cr_expect_eq(
		store_sql(
			"select count(*) from expunged where postoffice = %lld and folder = 0", po),
		1);
	to.mailbox++;
	cr_expect_eq(letter_queue(po, &to, far, 2, RAW), ST_ABSENT);
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

/* ---- how many (T19) */

static void write_to(const struct route *who, const char *const *addresses, int n)
{
	struct queue_recipient far[4];

	for (int i = 0; i < n; i++)
		far[i] = (struct queue_recipient){.address = slice_z(addresses[i]),
			.domain = S("b.test"),
			.mailbox = who->mailbox};
	cr_assert_eq(letter_queue(who->postoffice, NULL, far, n, RAW), ST_OK);
}
#define WRITE_TO(who, ...)                                                                         \
	write_to(&(who), (const char *const[]){__VA_ARGS__},                                       \
		sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

/* All that was counted, as if it were of the hour before. */
static void hour_passes(const struct route *who)
{
	long long po = who->postoffice;

	/* One hour at a time, its row would meet that of the hour before. */
	store_sql(
		"update sent set hour = hour - interval '1000 hours' where postoffice = %lld", po);
	store_sql("update sent set hour = hour + interval '999 hours' where postoffice = %lld", po);
	store_sql("update sent_target set hour = hour - interval '1 hour' where postoffice = %lld",
		po);
}

static struct queue_sent sent_by(const struct route *who, const char *to)
{
	struct queue_sent sent;
	slice address = slice_z(to);

	cr_assert_eq(queue_sent(who->postoffice, who->mailbox, &address, 1, &sent), ST_OK);
	return sent;
}

/* The share that is left of the hour before changes while it is looked at: rows tell. */
static int64_t targets_before(const struct route *who, int hours)
{
	return store_sql(
		"select coalesce(sum(targets), 0)::bigint from sent where postoffice = %lld and "
		"hour = date_trunc('hour', now()) - %d * interval '1 hour'",
		(long long)who->postoffice, hours);
}

/* Where an hour ends within a test, what it counts stands in two of them. */
static void begin_within_the_hour(void)
{
	if (store_sql("select (now() + interval '1 minute' > date_trunc('hour', now()) + interval "
		      "'1 hour')::int"))
		sleep((unsigned)store_sql("select 61 - extract(second from now())::int"));
}

Test(queue, counts_each_target_once_where_they_have_a_limit)
{
	struct route anna = store_mailbox(store_postoffice(), "anna", 0);

	begin_within_the_hour();
	WRITE_TO(anna, "1@b.test");
	cr_expect_eq(store_sql("select count(*) from sent_target where postoffice = %lld",
			     (long long)anna.postoffice),
		0, "there is no limit yet");
	given_setting(S_sent_targets_per_mailbox_most, "10");
	WRITE_TO(anna, "1@b.test", "2@b.test", "1@b.test");
	WRITE_TO(anna, "2@B.test", "3@b.test");
	struct queue_sent sent = sent_by(&anna, "3@b.test");
	cr_expect_eq(sent.by_mailbox, 6);
	cr_expect_eq(sent.by_postoffice, 6);
	cr_expect_eq(sent.targets, 3);
	cr_expect_eq(sent.fresh, 0);
	cr_expect_eq(sent_by(&anna, "4@b.test").fresh, 1);
	struct route ben = {.postoffice = anna.postoffice, .mailbox = anna.mailbox + 1};
	cr_expect_eq(sent_by(&ben, "3@b.test").fresh, 1, "they are another one's");
	given_setting(S_sent_targets_per_mailbox_most, NULL);
}

Test(queue, a_target_counts_in_the_last_hour_it_was_written_to)
{
	struct route anna = store_mailbox(store_postoffice(), "anna", 0);

	begin_within_the_hour();
	given_setting(S_sent_targets_per_mailbox_most, "10");
	WRITE_TO(anna, "1@b.test", "2@b.test", "3@b.test");
	hour_passes(&anna);
	WRITE_TO(anna, "2@b.test", "4@b.test");
	WRITE_TO(anna, "2@b.test");
	cr_expect_eq(targets_before(&anna, 1), 2);
	cr_expect_eq(targets_before(&anna, 0), 2);
	cr_expect_eq(sent_by(&anna, "1@b.test").fresh, 0);
	hour_passes(&anna);
	cr_expect_eq(sent_by(&anna, "1@b.test").fresh, 1, "it is two hours ago");
	WRITE_TO(anna, "1@b.test", "2@b.test");
	cr_expect_eq(targets_before(&anna, 2), 2, "nobody asks for it any more");
	cr_expect_eq(targets_before(&anna, 1), 1);
	cr_expect_eq(targets_before(&anna, 0), 2);
	given_setting(S_sent_targets_per_mailbox_most, NULL);
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

/* ---- bodies */

static int64_t bodies(int64_t office)
{
	return store_sql("select count(*) from blob where postoffice = %lld", (long long)office);
}

/* Others write the list of what is being tried all the time; a result needs no turn at it. */
Test(queue, results_do_not_wait_for_the_list)
{
	arena a = ARENA_INIT;
	int64_t office = store_postoffice();
	int n, late;

	queue_one(office, "b.test");
	queue_one(office, "c.test");
	give_up_leases();
	queue_runner *r = runner();
	queue_entry *e = claim(r, 10, 10, &a, &n);
	cr_assert_eq(n, 2);
	struct queue_result ended[] = {{.entry = &e[0], .end = QUEUE_DONE},
		{.entry = &e[1], .end = QUEUE_DEFER, .wait = 60 * USEC_S}};
	store_sql("begin");
	store_sql("select owner from qrunner for update");
	cr_expect_eq(queue_finish(r, ended, 2, &late), ST_OK);
	store_sql("rollback");
	cr_expect_eq(late, 0);
	cr_expect_eq(rows_in("queue"), 0);
	cr_expect_eq(rows_in("queue_deferred"), 1);

	give_up_leases(); /* it dies before the list is written again */
	queue_runner *next = runner();
	cr_expect_eq(store_sql("select kills from queue_deferred"), 0,
		"what was deferred is blamed for its runner's death");
	queue_runner_close(&next);
	queue_runner_close(&r);
	arena_release(&a);
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

/* ---- the bell */

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
