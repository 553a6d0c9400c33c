/* The plan: whose mail goes next. */
#include "connector/smtp/plan.h"

#include <criterion/criterion.h>
#include <stdio.h>

static const struct plan_limits wide = {
	.at_once = 100, .per_destination = 10, .per_postoffice = 50, .recipients = 50};

static plan *p;
static arena a;
static int64_t last;

static void begin(void)
{
	p = plan_open();
}

static void end(void)
{
	plan_close(&p);
	arena_release(&a);
}

TestSuite(plan, .init = begin, .fini = end);

static queue_entry row(int64_t postoffice, int64_t message, const char *domain)
{
	return (queue_entry){.id = ++last,
		.postoffice = postoffice,
		.message = message,
		.domain = slice_z(domain),
		.address = S("x@y.test"),
		.shard = (int)(message % 64)};
}

static void add(
	const struct plan_limits *l, int64_t postoffice, int64_t message, const char *domain)
{
	queue_entry e = row(postoffice, message, domain);

	plan_add(p, l, &e, e.domain);
}

static plan_job *next(const struct plan_limits *l, usec now)
{
	usec wait;

	return plan_next(p, l, now, &wait);
}

static void done(plan_job *j, usec now)
{
	plan_sent(p, j, now);
	plan_end(p, &j);
}

Test(plan, recipients_of_one_message_and_domain_go_together)
{
	struct plan_limits l = wide;

	l.recipients = 2;
	for (int i = 0; i < 3; i++)
		add(&l, 1, 7, "b.test");
	add(&l, 1, 7, "c.test");
	add(&l, 1, 8, "b.test");
	int sizes[4] = {0};
	for (int i = 0; i < 4; i++) {
		plan_job *j = next(&l, 0);
		cr_assert_not_null(j);
		sizes[i] = j->n;
		done(j, 0);
	}
	cr_expect_null(next(&l, 0));
	cr_expect_eq(sizes[0] + sizes[1] + sizes[2] + sizes[3], 5);
	cr_expect(sizes[0] == 2 || sizes[1] == 2, "nothing was joined");
	cr_expect_eq(plan_rows(p), 0);
}

Test(plan, post_offices_take_turns)
{
	for (int i = 0; i < 30; i++)
		add(&wide, 1, 100 + i, "crowd.test");
	add(&wide, 2, 500, "b.test");
	add(&wide, 3, 501, "crowd.test");
	int64_t seen[3];
	for (int i = 0; i < 3; i++)
		seen[i] = next(&wide, 0)->postoffice;
	cr_expect(seen[0] == 1 && seen[1] == 2 && seen[2] == 3, "a crowd goes before others");
}

Test(plan, a_destination_has_its_limit_for_all)
{
	struct plan_limits l = wide;

	l.per_destination = 2;
	for (int i = 0; i < 3; i++)
		add(&l, i + 1, 100 + i, "b.test");
	add(&l, 1, 200, "c.test");
	plan_job *first = next(&l, 0);
	cr_assert_not_null(first);
	cr_assert_not_null(next(&l, 0));
	plan_job *other = next(&l, 0);
	cr_assert_not_null(other);
	cr_expect(
		slice_same(other->destination, S("c.test")), "a full destination holds up others");
	cr_expect_null(next(&l, 0));
	done(first, 0);
	cr_expect_not_null(next(&l, 0));
}

Test(plan, a_post_office_has_its_limit)
{
	struct plan_limits l = wide;

	l.per_postoffice = 1;
	add(&l, 1, 100, "b.test");
	add(&l, 1, 101, "c.test");
	add(&l, 2, 102, "c.test");
	cr_expect_eq(next(&l, 0)->postoffice, 1);
	cr_expect_eq(next(&l, 0)->postoffice, 2);
	cr_expect_null(next(&l, 0));
}

Test(plan, messages_to_a_destination_keep_their_distance)
{
	struct plan_limits l = wide;
	usec wait;

	l.apart = USEC_S;
	add(&l, 1, 100, "b.test");
	add(&l, 1, 101, "b.test");
	cr_assert_not_null(plan_next(p, &l, 5, &wait));
	cr_expect_null(plan_next(p, &l, 6, &wait));
	cr_expect_eq(wait, USEC_S + 5);
	cr_expect_not_null(plan_next(p, &l, wait, &wait));
}

Test(plan, higher_priority_goes_first)
{
	queue_entry e = row(1, 100, "b.test"), urgent = row(1, 101, "b.test");

	urgent.priority = 1;
	plan_add(p, &wide, &e, e.domain);
	plan_add(p, &wide, &urgent, urgent.domain);
	cr_expect_eq(next(&wide, 0)->message, 101);
	cr_expect_eq(next(&wide, 0)->message, 100);
}

Test(plan, suspects_go_one_at_a_time_and_alone)
{
	for (int i = 0; i < 2; i++) {
		queue_entry e = row(1, 100, "b.test");
		e.kills = 1;
		plan_add(p, &wide, &e, e.domain);
	}
	add(&wide, 1, 200, "b.test");
	plan_job *first = next(&wide, 0), *other = next(&wide, 0);
	cr_expect(first->suspect && first->n == 1);
	cr_expect(!other->suspect, "two suspects at once");
	cr_expect_null(next(&wide, 0));
	done(first, 0);
	plan_job *second = next(&wide, 0);
	cr_expect(second && second->suspect);
}

Test(plan, a_destination_out_of_reach_costs_nobody_a_slot)
{
	struct plan_limits l = wide;
	struct client_result why = {.outcome = CLIENT_DEFERRED, .text = S("nobody there")}, told;
	slice host;

	l.per_destination = 1;
	add(&l, 1, 100, "b.test");
	add(&l, 1, 101, "b.test");
	plan_job *first = next(&l, 0);
	cr_expect_not(plan_avoids(p, first, 0, &told, &host));
	plan_avoid(p, first, USEC_S, &why, S("mx.b.test"));
	plan_job *second = next(&l, 1);
	cr_assert_not_null(second, "it waits for a slot it does not need");
	cr_assert(plan_avoids(p, second, 1, &told, &host));
	cr_expect(slice_same(told.text, S("nobody there")) && slice_same(host, S("mx.b.test")));
	cr_expect_not(plan_avoids(p, second, USEC_S, &told, &host));
}

Test(plan, an_operator_has_it_tried_where_nobody_was_reached)
{
	struct client_result why = {.outcome = CLIENT_DEFERRED, .text = S("nobody there")}, told;
	queue_entry e = row(1, 101, "b.test");
	slice host;

	e.urged = true;
	add(&wide, 1, 100, "b.test");
	plan_avoid(p, next(&wide, 0), USEC_S, &why, S("mx.b.test"));
	plan_add(p, &wide, &e, e.domain);
	plan_job *wanted = next(&wide, 1);
	cr_assert_not_null(wanted);
	cr_expect_not(plan_avoids(p, wanted, 1, &told, &host));
	plan_avoid(p, wanted, USEC_S, &why, S("mx.b.test"));
	add(&wide, 1, 102, "b.test");
	cr_expect(plan_avoids(p, next(&wide, 2), 2, &told, &host), "once is enough");
}

Test(plan, destinations_have_limits_of_their_own)
{
	struct plan_limits narrow = wide;
	usec wait;

	narrow.per_destination = 1;
	narrow.apart = USEC_S;
	for (int i = 0; i < 2; i++) {
		add(&narrow, 1, 100 + i, "b.test");
		add(&wide, 1, 200 + i, "c.test");
	}
	int sent = 0;
	for (plan_job *j; (j = plan_next(p, &wide, 0, &wait)); sent++)
		if (slice_same(j->destination, S("b.test")))
			done(j, 0);
	cr_expect_eq(sent, 3, "%d", sent);
	cr_expect_eq(wait, USEC_S);
	cr_expect_not_null(plan_next(p, &wide, wait, &wait));
}

static void count(void *arg, const queue_entry *e)
{
	(void)e;
	++*(int *)arg;
}

Test(plan, rows_of_lost_shards_are_dropped)
{
	int dropped = 0;

	for (int i = 0; i < 64; i++)
		add(&wide, 1 + i % 3, 640 + i, i % 2 ? "b.test" : "c.test");
	queue_entry e = row(9, 3, "b.test");
	e.kills = 1;
	plan_add(p, &wide, &e, e.domain);
	plan_drop(p, 0xFF, count, &dropped);
	cr_expect_eq(dropped, 9);
	cr_expect_eq(plan_rows(p), 56);
	plan_drop(p, UINT64_MAX, count, &dropped);
	cr_expect_eq(plan_rows(p), 0);
	cr_expect_null(next(&wide, 0));
	plan_sweep(p, 1);
}

Test(plan, tells_who_has_enough)
{
	int n;

	for (int i = 0; i < 5; i++)
		add(&wide, 1, 100 + i, "b.test");
	add(&wide, 2, 200, "b.test");
	const int64_t *full = plan_full(p, 7, &a, &n);
	cr_assert_eq(n, 1);
	cr_expect_eq(full[0], 1);
}

/* Rows of one post office until it has enough. */
static int fill(int64_t postoffice, int most)
{
	int n, added = 0;

	for (;; added++) {
		const int64_t *full = plan_full(p, most, &a, &n);
		for (int i = 0; i < n; i++)
			if (full[i] == postoffice)
				return added;
		add(&wide, postoffice, 1000 * postoffice + added, "b.test");
	}
}

Test(plan, there_is_room_for_the_next_post_office_however_many_have_enough)
{
	cr_expect_eq(fill(1, 1000), 750);
	for (int64_t postoffice = 2; postoffice <= 20; postoffice++)
		cr_expect_gt(fill(postoffice, 1000), 0, "post office %lld gets nothing",
			(long long)postoffice);
	cr_expect_lt(plan_rows(p), 1000);
}

static int start_all(const struct plan_limits *l)
{
	int n = 0;

	while (next(l, 0))
		n++;
	return n;
}

/* Mail for ten hosts each, which do not answer: what the last of them may still send. */
static void each_gets_a_slot(const struct plan_limits *l, int offices)
{
	for (int office = 1; office <= offices; office++) {
		for (int domain = 0; domain < 10; domain++)
			for (int i = 0; i < 20; i++) {
				char name[32];
				snprintf(name, sizeof name, "d%d-%d.test", office, domain);
				add(l, office, 1000 * office + 20 * domain + i, name);
			}
		int started = start_all(l);
		cr_expect_gt(started, 0, "post office %d waits for those before it", office);
		if (office == 1)
			cr_expect_eq(
				started, (int)l->per_postoffice, "one alone may have its limit");
	}
}

Test(plan, post_offices_that_wait_for_their_hosts_leave_slots_for_the_next)
{
	static const struct plan_limits usual = {
		.at_once = 200, .per_destination = 20, .per_postoffice = 100, .recipients = 50};

	each_gets_a_slot(&wide, 4);
	end();
	begin();
	each_gets_a_slot(&usual, 20);
}

Test(plan, one_alone_leaves_a_slot_unless_there_is_but_one)
{
	struct plan_limits l = wide;

	for (unsigned most = 1; most <= 2; most++) {
		l.at_once = most;
		add(&l, most, 100, "b.test");
		add(&l, most, 101, "c.test");
		plan_job *only = next(&l, 0);
		cr_assert_not_null(only);
		cr_expect_null(next(&l, 0));
		if (most == 1) {
			done(only, 0);
			done(next(&l, 0), 0);
		}
	}
	add(&l, 9, 200, "d.test");
	cr_expect_not_null(next(&l, 0));
}
