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

Test(collate, folds_texts_to_be_searched)
{
	static const struct {
		const char *given, *folded;
	} rows[] = {
		{"", ""}, {"aBc 1", "ABC 1"}, {"\xc3\xa9t\xc3\xa9", "E\xcc\x81TE\xcc\x81"},
		{"\xef\xac\x81n", "FIN"},              /* a ligature */
		{"\xe1\xbb\x87", "E\xcc\xa3\xcc\x82"}, /* two marks */
		{"Stra\xc3\x9f"
		 "e",
			"STRASSE"},
		{"\xef\xbd\x81", "A"},                                    /* full width */
		{"\xd0\xb6", "\xd0\x96"},                                 /* Cyrillic */
		{"\xed\x95\x9c", "\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab"}, /* Hangul */
		{"a\xff"
		 "b",
			"A\xff"
			"B"}, /* broken */
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		text out = TEXT_INIT;

		collate_fold(slice_z(rows[i].given), &out);
		cr_assert(slice_same(text_slice(&out), slice_z(rows[i].folded)), "row %zu: %s", i,
			out.at);
		text_free(&out);
	}
}
