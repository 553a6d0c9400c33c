/* Identifiers: rising, unique, and readable. */
#include "base/id.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>

#define MOMENT ((usec)1800000000 * USEC_S)
enum { THREADS = 4, EACH = 50000 };

static int64_t made[THREADS * EACH];

static void *make(void *from)
{
	int64_t *to = from;

	for (int i = 0; i < EACH; i++) {
		to[i] = id_new();
		if (i > 0 && to[i] <= to[i - 1])
			return from;
	}
	return NULL;
}

static int rising(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

Test(id, is_unique_across_threads_and_rising_in_each)
{
	pthread_t thread[THREADS];

	for (int t = 0; t < THREADS; t++)
		pthread_create(&thread[t], NULL, make, made + t * EACH);
	for (int t = 0; t < THREADS; t++) {
		void *trouble;
		pthread_join(thread[t], &trouble);
		cr_expect_null(trouble, "ids of thread %d do not rise", t);
	}
	qsort(made, THREADS * EACH, sizeof *made, rising);
	for (int i = 1; i < THREADS * EACH; i++)
		cr_assert_neq(made[i], made[i - 1]);
}

Test(id, carries_time_node_and_counter)
{
	id_node(ID_NODE_MOST);
	clock_virtual(MOMENT + 1234);
	int64_t id = id_new();
	cr_expect_gt(id, 0);
	cr_expect_eq(id >> 22 << 22, id_at(MOMENT + 1000), "to the millisecond");
	cr_expect_eq(id >> 12 & 1023, ID_NODE_MOST);
	cr_expect_eq(id & 4095, 0);
	cr_expect_eq(id_new(), id + 1);
}

Test(id, goes_on_when_the_clock_steps_back)
{
	clock_virtual(MOMENT);
	int64_t before = id_new();
	clock_virtual(MOMENT - 3600 * USEC_S);
	for (int i = 0; i < 10000; i++) {
		int64_t next = id_new();
		cr_assert_gt(next, before);
		before = next;
	}
	cr_expect_eq(before >> 22 << 22, id_at(MOMENT + 2 * USEC_MS),
		"10,000 fill two milliseconds more");
}

Test(id, stays_positive_before_its_first_year)
{
	clock_virtual(0);
	cr_expect_gt(id_new(), 0);
}

Test(id, knows_the_smallest_of_a_moment)
{
	clock_virtual(MOMENT);
	id_node(5);
	int64_t id = id_new();
	cr_expect_leq(id_at(MOMENT), id);
	cr_expect_gt(id_at(MOMENT + USEC_MS), id);
	cr_expect_eq(id_at(MOMENT), id_at(MOMENT + USEC_MS - 1));
	cr_expect_eq(id_at(0), 0);
	cr_expect_gt(id_at(USEC_NEVER), id);
}

Test(id, text_comes_back_and_sorts_as_the_number)
{
	static const int64_t rows[] = {1, 31, 32, 4711, INT64_MAX / 2, INT64_MAX - 1, INT64_MAX};
	char text[ID_TEXT_SIZE + 1], before[ID_TEXT_SIZE + 1] = "";

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		int64_t back = 0;
		id_text(rows[i], text);
		cr_expect_eq(strlen(text), ID_TEXT_SIZE);
		cr_expect(id_parse(slice_z(text), &back));
		cr_expect_eq(back, rows[i]);
		cr_expect_gt(strcmp(text, before), 0);
		memcpy(before, text, sizeof text);
	}
}

Test(id, reads_any_case_and_refuses_what_is_none)
{
	static const struct {
		slice s;
		int64_t id; /* 0 = none */
	} rows[] = {
		{S("00000000000Z1"), 31 * 32 + 1},
		{S("00000000000z1"), 31 * 32 + 1},
		{S("oOoOoOoOoOoil"), 32 + 1}, /* as Crockford reads look-alikes */
		{S("7ZZZZZZZZZZZZ"), INT64_MAX},
		{S("8000000000000"), 0}, /* the 64th bit */
		{S("0000000000000"), 0},
		{S("000000000001"), 0},
		{S("00000000000001"), 0},
		{S("000000000000U"), 0},
		{S("000000000000-"), 0},
		{S("000000000000\0"), 0},
		{S(""), 0},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		int64_t id = 0;
		cr_expect_eq(id_parse(rows[i].s, &id), rows[i].id != 0, "row %zu", i);
		cr_expect_eq(id, rows[i].id, "row %zu", i);
	}
}
