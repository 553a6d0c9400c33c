/* Growing runs of bytes. */
#include "base/text.h"

#include <criterion/criterion.h>

Test(text, grows_and_stays_terminated)
{
	text t = TEXT_INIT;

	for (int i = 0; i < 10000; i++) {
		text_add_char(&t, (char)('a' + i % 26));
		cr_assert_eq(t.at[t.size], '\0');
	}
	cr_expect_eq(t.size, 10000);
	cr_expect_eq(t.at[9999], 'a' + 9999 % 26);
	cr_expect_leq(t.room, 2 * 10001);
	text_free(&t);
	cr_expect_null(t.at);
}

Test(text, adds_slices_strings_and_nothing)
{
	text t = TEXT_INIT;

	text_add(&t, (slice){0});
	text_add_z(&t, "");
	cr_expect_str_eq(t.at, "");
	text_add(&t, S("a\0b"));
	text_add_z(&t, "c");
	cr_expect(slice_same(text_slice(&t), S("a\0bc")));
	text_free(&t);
}

Test(text, formats_what_fits_and_what_does_not)
{
	text t = TEXT_INIT;

	text_format(&t, "%d-%s", 7, "x");
	cr_expect_str_eq(t.at, "7-x");
	for (int size = 1; size < 500; size++) {
		text_clear(&t);
		text_format(&t, "%0*d", size, 1);
		cr_assert_eq(t.size, (size_t)size);
		cr_assert_eq(strlen(t.at), (size_t)size);
		cr_assert_eq(t.at[size - 1], '1');
	}
	text_free(&t);
}

Test(text, removes_from_the_front)
{
	text t = TEXT_INIT;

	text_remove(&t, 5);
	text_add_z(&t, "hello");
	text_remove(&t, 2);
	cr_expect_str_eq(t.at, "llo");
	text_remove(&t, 99);
	cr_expect_str_eq(t.at, "");
	cr_expect_eq(t.size, 0);
	text_free(&t);
}

Test(text, keeps_its_memory_when_cleared)
{
	text t = TEXT_INIT;

	text_reserve(&t, 1000);
	const char *before = t.at;
	text_add_z(&t, "x");
	text_clear(&t);
	text_reserve(&t, 1000);
	cr_expect_eq(t.at, before);
	cr_expect_str_eq(t.at, "");
	text_free(&t);
}

Test(text, writes_numbers_in_decimal)
{
	text t = TEXT_INIT;
	const int64_t numbers[] = {0, 7, 10, -1, INT64_MAX, INT64_MIN};

	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		text_add_number(&t, numbers[i]);
		text_add_char(&t, ' ');
	}
	cr_expect_str_eq(t.at, "0 7 10 -1 9223372036854775807 -9223372036854775808 ");
	text_free(&t);
}

Test(text, ends_the_process_when_asked_for_too_much, .exit_code = 70)
{
	text t = TEXT_INIT;

	text_add_char(&t, 'a');
	text_reserve(&t, SIZE_MAX);
}
