#include "tests/unit/provider/queue_fixture.h"

#include <criterion/criterion.h>

void empty_queue_begin(void)
{
	given_providers();
	store_queue_empty();
}

void queue_one(int64_t office, const char *domain)
{
	arena a = ARENA_INIT;
	struct queue_recipient to = {.domain = slice_z(domain),
		.address = arena_format(&a, "ben@%s", domain),
		.orcpt = S("rfc822;ben@b.test"),
		.notify = NOTIFY_FAILURE};

	cr_assert_eq(letter_queue(office, NULL, &to, 1, RAW), ST_OK);
	arena_release(&a);
}

queue_runner *runner(void)
{
	queue_runner *r;

	cr_assert_eq(queue_runner_open(&r), ST_OK);
	cr_assert_eq(queue_runner_lease(r, NULL), ST_OK);
	return r;
}

queue_entry *claim(queue_runner *r, unsigned most, unsigned each, arena *a, int *n)
{
	struct queue_claim c = {.shards = UINT64_MAX, .most = most, .each = each};
	queue_entry *rows;

	cr_assert_eq(queue_claim(r, &c, a, &rows, n), ST_OK);
	return rows;
}

void give_up_leases(void)
{
	given_sql("update qshard set lease = now() - interval '1 second'");
	given_sql("update qrunner set seen = now() - interval '1 minute'");
}

int64_t rows_in(const char *table)
{
	return store_sql("select count(*) from %s", table);
}
