/* Reports of the queue: each is stored with its cause, or not at all. */
#include "tests/unit/provider/queue_fixture.h"

#include <criterion/criterion.h>

TestSuite(queue_report, .init = empty_queue_begin, .fini = store_counted_end, .timeout = 300);

Test(queue_report, a_report_goes_with_its_cause_or_not_at_all)
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

Test(queue_report, a_notice_defers_its_row)
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

Test(queue_report, a_report_nobody_can_be_given_is_parked)
{
	int64_t office = store_postoffice();
	struct queue_recipient to = {
		.address = S("gone@acme.test"), .domain = S("acme.test"), .parked = true};
	arena a = ARENA_INIT;
	int n;

	cr_assert_eq(letter_queue(office, NULL, &to, 1, RAW), ST_OK);
	queue_runner *r = runner();
	claim(r, 10, 10, &a, &n);
	cr_expect_eq(n, 0);
	cr_expect_eq(store_sql("select state from queue"), QUEUE_PARKED);
	queue_runner_close(&r);
	arena_release(&a);
}
