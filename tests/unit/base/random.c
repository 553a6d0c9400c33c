/* Randomness, passwords, secrets. */
#include "base/random.h"
#include "base/secret.h"

#include <criterion/criterion.h>
#include <ctype.h>

Test(random, fills_all_and_differs)
{
	char a[32] = {0}, b[32] = {0};

	random_bytes(a, sizeof a);
	random_bytes(b, sizeof b);
	cr_expect_neq(memcmp(a, b, sizeof a), 0);
	random_bytes(NULL, 0);
}

Test(random, stays_below_its_limit_and_reaches_all)
{
	unsigned seen[6] = {0};

	for (int i = 0; i < 6000; i++)
		seen[random_below(6)]++;
	for (int i = 0; i < 6; i++)
		cr_expect(seen[i] > 800 && seen[i] < 1200, "%d came %u times", i, seen[i]);
	cr_expect_eq(random_below(1), 0);
	cr_expect_lt(random_below(UINT64_MAX), UINT64_MAX);
}

Test(random, passwords_have_all_sorts_and_no_look_alikes)
{
	static const struct {
		size_t asked, given;
	} rows[] = {{0, 8}, {8, 8}, {1, 3}, {3, 3}, {24, 24}};
	arena a = ARENA_INIT;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		for (int turn = 0; turn < 500; turn++) {
			slice p = random_password(rows[i].asked, &a);
			int low = 0, up = 0, digit = 0;
			cr_assert_eq(p.size, rows[i].given);
			for (size_t c = 0; c < p.size; c++) {
				cr_assert_null(memchr("0Oo1lI", p.at[c], 6), "%c", p.at[c]);
				low += islower((unsigned char)p.at[c]) != 0;
				up += isupper((unsigned char)p.at[c]) != 0;
				digit += isdigit((unsigned char)p.at[c]) != 0;
			}
			cr_assert(low > 0 && up > 0 && digit > 0, "%.*s", SLICE_ARGS(p));
			cr_assert_eq((size_t)(low + up + digit), p.size);
			arena_clear(&a);
		}
	}
	arena_release(&a);
}

Test(secret, compares_all_bytes)
{
	static const struct {
		slice a, b;
		bool same;
	} rows[] = {
		{S(""), S(""), true},
		{S("secret"), S("secret"), true},
		{S("secret"), S("Secret"), false},
		{S("secret"), S("secreT"), false},
		{S("secret"), S("secre"), false},
		{S(""), S("\0"), false},
		{S("\0a"), S("\0b"), false},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		cr_expect_eq(secret_same(rows[i].a, rows[i].b), rows[i].same, "row %zu", i);
}

Test(secret, forgets)
{
	char s[] = "secret";
	static const char zero[sizeof s];

	secret_forget(s, sizeof s);
	cr_expect_eq(memcmp(s, zero, sizeof s), 0);
}
