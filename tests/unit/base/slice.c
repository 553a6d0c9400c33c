/* Comparing, searching and cutting lent bytes. */
#include "base/slice.h"

#include <criterion/criterion.h>

#define EMPTY ((slice){0})

Test(slice, compares_with_and_without_case)
{
	static const struct {
		slice a, b;
		bool same, same_nocase;
	} rows[] = {
		{S(""), S(""), true, true},
		{S(""), {0}, true, true},
		{S("abc"), S("abc"), true, true},
		{S("abc"), S("aBC"), false, true},
		{S("abc"), S("abcd"), false, false},
		{S("[a]"), S("{a}"), false, false}, /* differ in the case bit, are no letters */
		{S("\xc3\xa4"), S("\xc3\x84"), false, false},
		{S("a\0b"), S("a\0c"), false, false},
		{S("a\0b"), S("A\0B"), false, true},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		cr_expect_eq(slice_same(rows[i].a, rows[i].b), rows[i].same, "row %zu", i);
		cr_expect_eq(
			slice_same_nocase(rows[i].a, rows[i].b), rows[i].same_nocase, "row %zu", i);
	}
}

Test(slice, orders_by_bytes_and_then_by_length)
{
	static const slice rising[] = {S(""), S("A"), S("a"), S("a\0"), S("ab"), S("b"), S("\xff")};
	int n = sizeof rising / sizeof *rising;

	for (int a = 0; a < n; a++) {
		for (int b = 0; b < n; b++) {
			int order = slice_order(rising[a], rising[b]);
			cr_expect_eq((order > 0) - (order < 0), (a > b) - (a < b), "%d, %d", a, b);
		}
	}
}

Test(slice, knows_starts_and_ends)
{
	cr_expect(slice_starts(S("MAIL FROM:"), S("MAIL")));
	cr_expect(slice_starts(S("MAIL"), S("")));
	cr_expect_not(slice_starts(S("MA"), S("MAIL")));
	cr_expect_not(slice_starts(S("mail"), S("MAIL")));
	cr_expect(slice_starts_nocase(S("mail from:"), S("MAIL FROM")));
	cr_expect_not(slice_starts_nocase(EMPTY, S("M")));
	cr_expect(slice_ends_nocase(S("anna@Demo.Test"), S(".test")));
	cr_expect(slice_ends_nocase(S("x"), EMPTY));
	cr_expect_not(slice_ends_nocase(S("test"), S("a.test")));
}

Test(slice, finds_characters_and_parts)
{
	cr_expect_eq(slice_find(S("a@b@c"), '@'), 1);
	cr_expect_eq(slice_find_last(S("a@b@c"), '@'), 3);
	cr_expect_eq(slice_find(S("abc"), '@'), 3);
	cr_expect_eq(slice_find_last(S("abc"), '@'), 3);
	cr_expect_eq(slice_find(EMPTY, '@'), 0);
	cr_expect_eq(slice_find_last(EMPTY, '@'), 0);
	cr_expect_eq(slice_search(S("one two two"), S("two")), 4);
	cr_expect_eq(slice_search(S("one"), S("two")), 3);
	cr_expect_eq(slice_search(S("on"), S("one")), 2);
	cr_expect_eq(slice_search(S("one"), S("")), 0);
	cr_expect_eq(slice_search(EMPTY, S("one")), 0);
	cr_expect_eq(slice_search(S("a==?b"), S("=?")), 2);
	cr_expect_eq(slice_search(S("a=b="), S("=?")), 4);
	cr_expect_eq(slice_search(slice_until(S("a=?"), 2), S("=?")), 2, "looks behind the end");
	cr_expect_eq(slice_search(S("=?"), S("=?")), 0);
	cr_expect_eq(slice_search_nocase(S("one tWo"), S("Two")), 4);
	cr_expect_eq(slice_search_nocase(S("one tw"), S("two")), 6);
	cr_expect_eq(slice_search_nocase(EMPTY, EMPTY), 0);
	cr_expect_eq(slice_search_nocase(S("a@b"), S("A`B")), 3);
}

Test(slice, finds_a_part_in_any_case_at_every_place)
{
	char room[200];

	for (size_t size = 3; size < sizeof room; size++)
		for (size_t at = 0; at + 3 <= size; at++) {
			memset(room, 'k', size);
			memcpy(room + at, at % 2 ? "kEy" : "KeY", 3);
			cr_assert_eq(slice_search_nocase(slice_of(room, size), S("Key")), at);
			room[at + 1] = 'f';
			cr_assert_eq(slice_search_nocase(slice_of(room, size), S("Key")), size);
		}
}

static size_t place_nocase(slice s, slice part)
{
	for (size_t at = 0; at + part.size <= s.size; at++)
		if (slice_same_nocase(slice_until(slice_from(s, at), part.size), part))
			return at;
	return s.size;
}

/* Few letters, so that much is nearly there; with the octets that a bit makes of them. */
Test(slice, finds_a_part_in_any_case_as_a_plain_walk_does)
{
	static const char letters[] = "eEZzq hH\x05\x1a@`\xe5";
	uint32_t dice = 7;
	char room[300], part[8];
	unsigned found = 0;

	for (int round = 0; round < 20000; round++) {
		size_t size, part_size;

		for (size_t i = 0; i < sizeof room; i++)
			room[i] = letters[(dice = dice * 1664525 + 1013904223) >> 16 & 0x7];
		for (size_t i = 0; i < sizeof part; i++)
			part[i] = letters[((dice = dice * 1664525 + 1013904223) >> 16) %
					  (sizeof letters - 1)];
		size = (dice >> 8) % sizeof room;
		part_size = 1 + (dice >> 20) % sizeof part;
		size_t at = place_nocase(slice_of(room, size), slice_of(part, part_size));
		cr_assert_eq(slice_search_nocase(slice_of(room, size), slice_of(part, part_size)),
			at, "round %d", round);
		found += at < size;
	}
	cr_assert(found > 2000 && found < 18000, "%u", found);
}

/* Long ones, of which much is there at many places: every second one is there, with one octet changed. */
Test(slice, finds_long_parts_as_a_plain_walk_does)
{
	static const char *const letters[] = {"zzzzzzzz", "zZzzzzze", "zezEzezy", "abaababa"};
	uint32_t dice = 11;
	char room[6000], part[160];
	unsigned found = 0, lost = 0;

	for (int round = 0; round < 400; round++) {
		size_t period = 1 + (dice >> 9) % 7;

		for (size_t i = 0; i < sizeof room; i++) {
			dice = dice * 1664525 + 1013904223;
			bool odd = (dice >> 8) % 97 == 0;
			room[i] = i < period || odd ? letters[round % 4][dice >> 20 & 7]
						    : room[i - period];
		}
		size_t size = 2 + (dice >> 7) % (sizeof part - 2);
		size_t from = (dice >> 11) % (sizeof room - size);
		memcpy(part, room + from, size);
		if (round % 2)
			part[(dice >> 5) % size] = "zeyab"[(dice >> 13) % 5];
		slice text = slice_of(room, sizeof room), wanted = slice_of(part, size);
		size_t at = place_nocase(text, wanted);
		cr_assert_eq(slice_search_nocase(text, wanted), at, "round %d", round);
		*(at < sizeof room ? &found : &lost) += 1;
	}
	cr_assert(found > 200 && lost > 20, "%u, %u", found, lost);
}

Test(slice, cuts_within_its_bounds)
{
	cr_expect(slice_same(slice_from(S("abc"), 1), S("bc")));
	cr_expect(slice_same(slice_from(S("abc"), 3), EMPTY));
	cr_expect(slice_same(slice_from(S("abc"), 99), EMPTY));
	cr_expect(slice_same(slice_until(S("abc"), 2), S("ab")));
	cr_expect(slice_same(slice_until(S("abc"), 99), S("abc")));
	cr_expect(slice_same(slice_trim(S(" \t a b\r\n")), S("a b")));
	cr_expect(slice_same(slice_trim(S(" \r\n")), EMPTY));
	cr_expect(slice_same(slice_trim(EMPTY), EMPTY));
}

Test(slice, takes_part_after_part)
{
	static const struct {
		slice whole;
		slice parts[4];
		int n;
	} rows[] = {
		{S("a,b"), {S("a"), S("b")}, 2},
		{S("a,b,"), {S("a"), S("b"), S("")}, 3},
		{S(",a"), {S(""), S("a")}, 2},
		{S(","), {S(""), S("")}, 2},
		{S(""), {S("")}, 1},
		{{0}, {{0}}, 0},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		slice rest = rows[i].whole, part;
		int n = 0;
		for (; slice_take(&rest, ',', &part); n++) {
			cr_assert_lt(n, rows[i].n, "row %zu gives too many", i);
			cr_expect(slice_same(part, rows[i].parts[n]), "row %zu part %d", i, n);
		}
		cr_expect_eq(n, rows[i].n, "row %zu", i);
	}
}

Test(slice, reads_numbers_strictly)
{
	static const struct {
		slice s;
		bool valid;
		uint64_t value;
	} rows[] = {
		{S("0"), true, 0},
		{S("007"), true, 7},
		{S("9223372036854775807"), true, INT64_MAX},
		{S("9223372036854775808"), false, 0},
		{S("18446744073709551616"), false, 0},
		{S("99999999999999999999999"), false, 0},
		{S(""), false, 0},
		{S("-1"), false, 0},
		{S("+1"), false, 0},
		{S(" 1"), false, 0},
		{S("1 "), false, 0},
		{S("0x1"), false, 0},
		{S("1\0"), false, 0},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		uint64_t value = 4711;
		cr_expect_eq(slice_number(rows[i].s, &value), rows[i].valid, "row %zu", i);
		cr_expect_eq(value, rows[i].valid ? rows[i].value : 4711, "row %zu", i);
	}
}

static const char *candidate(int i)
{
	static const char *const all[] = {"pguri", "prepare", "node", NULL};

	return all[i];
}

Test(slice, finds_the_word_that_was_meant)
{
	cr_expect_str_eq(slice_nearest(S("pgurl"), candidate), "pguri");
	cr_expect_str_eq(slice_nearest(S("nod"), candidate), "node");
	cr_expect_null(slice_nearest(S("certificates"), candidate));
	cr_expect_null(slice_nearest(EMPTY, candidate));
}
