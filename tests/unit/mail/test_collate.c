/* Collation: what is the same, and what stands before what. */
#include "mail/collate.h"

#include <criterion/criterion.h>

static int order_of(const char *one, const char *other)
{
	arena a = ARENA_INIT;
	int order = slice_order(collate_key(slice_z(one), &a), collate_key(slice_z(other), &a));

	arena_release(&a);
	return (order > 0) - (order < 0);
}

Test(collate, compares_without_case_and_by_decomposition)
{
	static const struct {
		const char *one, *other;
		int order;
	} rows[] = {
		{"", "", 0}, {"", "a", -1}, {"Apple", "aPPLE", 0}, {"a", "B", -1},
		{"_", "a", 1}, /* in title case letters stand before it */
		{"\xc3\xa4pfel", "\xc3\x84PFEL", 0},
		{"\xc3\xa4", "a\xcc\x88", 0}, /* composed or not */
		{"\xc3\xa4", "b", -1},        /* beside its letter, not behind z */
		{"\xd0\xb6", "\xd0\x96", 0},  /* Cyrillic */
		{"\xff"
		 "a",
			"\xff"
			"A",
			0}, /* broken: as octets */
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		cr_assert_eq(order_of(rows[i].one, rows[i].other), rows[i].order, "row %zu", i);
}
