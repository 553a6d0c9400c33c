/* Arenas: pieces, reuse, and what cannot be had. */
#include "base/arena.h"

#include <criterion/criterion.h>

Test(arena, gives_zeroed_and_aligned_pieces)
{
	arena a = ARENA_INIT;

	for (int round = 0; round < 3; round++) {
		for (size_t size = 0; size < 3000; size += 7) {
			unsigned char *p = arena_new(&a, size);
			cr_assert_eq((uintptr_t)p % 16, 0);
			for (size_t i = 0; i < size; i++)
				cr_assert_eq(p[i], 0, "byte %zu of %zu", i, size);
			memset(p, 0xff, size);
		}
		arena_clear(&a);
	}
	arena_release(&a);
}

Test(arena, pieces_do_not_overlap)
{
	enum { N = 2000 };
	static unsigned char *piece[N];
	arena a = ARENA_INIT;

	for (size_t i = 0; i < N; i++) {
		piece[i] = arena_new(&a, i % 97 * (i % 50 == 0 ? 1000 : 1));
		memset(piece[i], (int)(i & 0xff), i % 97 * (i % 50 == 0 ? 1000 : 1));
	}
	for (size_t i = 0; i < N; i++)
		for (size_t b = 0; b < i % 97 * (i % 50 == 0 ? 1000 : 1); b++)
			cr_assert_eq(piece[i][b], i & 0xff, "piece %zu byte %zu", i, b);
	arena_release(&a);
}

Test(arena, keeps_one_block_for_the_next_turn)
{
	arena a = ARENA_INIT;
	void *first = arena_new(&a, 100);

	arena_clear(&a);
	cr_expect_eq(a.total, 0);
	cr_expect_eq(arena_new(&a, 100), first);
	arena_release(&a);
	cr_expect_null(a.block);
	cr_expect_not_null(arena_new(&a, 1));
	arena_release(&a);
}

Test(arena, holds_no_memory_when_never_used)
{
	arena a = ARENA_INIT;

	arena_clear(&a);
	arena_release(&a);
	cr_expect_null(a.block);
}

Test(arena, keeps_using_its_block_beside_big_pieces)
{
	arena a = ARENA_INIT;
	char *before = arena_new(&a, 16);

	memset(arena_new(&a, 1000000), 1, 1000000);
	char *after = arena_new(&a, 16);
	cr_expect_eq(after, before + 16);
	cr_expect_eq(a.total, 1000032);
	arena_release(&a);
}

/* A small piece in the same place shows what the clear left behind it. */
static slice left_behind(arena *a)
{
	arena_clear(a);
	return slice_of(arena_z(a, S("")), 16);
}

Test(arena, wipes_what_is_secret_when_cleared)
{
	arena a = ARENA_INIT;

	arena_copy(&a, S("Secret-Word-1.."));
	cr_expect(slice_ends_nocase(left_behind(&a), S("ecret-Word-1..\0")), "not asked to");
	arena_copy(&a, S("Secret-Word-1.."));
	arena_secret(&a);
	slice left = left_behind(&a);
	for (size_t i = 0; i < left.size; i++)
		cr_expect_eq(left.at[i], 0, "byte %zu", i);
	arena_clear(&a);
	arena_copy(&a, S("Hello to you all"));
	cr_expect(slice_ends_nocase(left_behind(&a), S("ello to you all")), "asked for once");
	arena_release(&a);
}

Test(arena, copies_terminate_and_may_be_empty)
{
	arena a = ARENA_INIT;
	slice copy = arena_copy(&a, S("a\0b"));

	cr_expect(slice_same(copy, S("a\0b")));
	cr_expect_eq(copy.at[copy.size], '\0');
	cr_expect_str_eq(arena_z(&a, (slice){0}), "");
	cr_expect_eq(arena_copy(&a, (slice){0}).size, 0);
	arena_release(&a);
}

Test(arena, formats_of_any_length)
{
	arena a = ARENA_INIT;
	slice s = arena_format(&a, "%s %d", "x", 7);

	cr_expect(slice_same(s, S("x 7")));
	cr_expect_eq(s.at[s.size], '\0');
	cr_expect_eq(arena_format(&a, "%0100000d", 1).size, 100000);
	arena_release(&a);
}

Test(arena, ends_the_process_when_an_array_overflows, .exit_code = 70)
{
	arena a = ARENA_INIT;

	arena_new_array(&a, SIZE_MAX / 8, 9);
}

Test(arena, ends_the_process_when_rounding_overflows, .exit_code = 70)
{
	arena a = ARENA_INIT;

	arena_new(&a, SIZE_MAX - 3);
}
