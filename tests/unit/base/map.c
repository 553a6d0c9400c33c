/* Maps: many keys, odd keys, removing while walking. */
#include "base/map.h"

#include <criterion/criterion.h>
#include <stdio.h>

enum { MANY = 100000 };
static int values[MANY];

static slice key_of(int i)
{
	static char name[32];

	return slice_of(name, (size_t)snprintf(name, sizeof name, "key-%d", i));
}

static map *filled(void)
{
	map *m = map_open();

	for (int i = 0; i < MANY; i++)
		cr_assert_null(map_put(m, key_of(i), &values[i]));
	return m;
}

Test(map, finds_each_of_many_keys)
{
	map *m = filled();

	cr_expect_eq(map_size(m), MANY);
	for (int i = 0; i < MANY; i++)
		cr_assert_eq(map_get(m, key_of(i)), &values[i]);
	cr_expect_null(map_get(m, S("key-")));
	cr_expect_null(map_get(m, key_of(MANY)));
	map_close(&m);
	cr_expect_null(m);
	map_close(&m);
}

Test(map, tells_the_value_that_stood_there)
{
	map *m = map_open();

	cr_expect_null(map_put(m, S("a"), &values[0]));
	cr_expect_eq(map_put(m, S("a"), &values[1]), &values[0]);
	cr_expect_eq(map_size(m), 1);
	cr_expect_eq(map_remove(m, S("a")), &values[1]);
	cr_expect_null(map_remove(m, S("a")));
	cr_expect_eq(map_size(m), 0);
	map_close(&m);
}

Test(map, keys_are_copied_bytes_of_any_kind)
{
	map *m = map_open();
	char key[] = "abc";

	map_put(m, slice_z(key), &values[0]);
	key[0] = 'x';
	map_put(m, (slice){0}, &values[1]);
	map_put(m, S("\0"), &values[2]);
	map_put(m, S("\0\0"), &values[3]);
	cr_expect_eq(map_get(m, S("abc")), &values[0]);
	cr_expect_eq(map_get(m, S("")), &values[1]);
	cr_expect_eq(map_get(m, S("\0")), &values[2]);
	cr_expect_eq(map_get(m, S("\0\0")), &values[3]);
	map_close(&m);
}

Test(map, may_remove_what_a_walk_returned)
{
	static bool seen[MANY];
	map *m = filled();
	size_t cursor = 0;
	slice key;
	void *value;
	int walked = 0;

	while (map_next(m, &cursor, &key, &value)) {
		int i = (int)((int *)value - values);
		cr_assert_not(seen[i], "%d came twice", i);
		seen[i] = true;
		walked++;
		if (i % 3 != 0)
			cr_assert_eq(map_remove(m, key_of(i)), value);
	}
	cr_expect_eq(walked, MANY);
	cr_expect_eq(map_size(m), (MANY + 2) / 3);
	for (int i = 0; i < MANY; i++)
		cr_assert_eq(map_get(m, key_of(i)), i % 3 == 0 ? &values[i] : NULL);
	map_close(&m);
}

Test(map, stays_right_through_endless_coming_and_going)
{
	map *m = map_open();

	for (int i = 0; i < 5 * MANY; i++) {
		cr_assert_null(map_put(m, key_of(i), &values[i % MANY]));
		if (i >= 10)
			cr_assert_eq(map_remove(m, key_of(i - 10)), &values[(i - 10) % MANY]);
	}
	cr_expect_eq(map_size(m), 10);
	map_close(&m);
}

Test(map, hashes_by_all_bytes_and_the_length)
{
	cr_expect_eq(map_hash(S("abcdefgh")), map_hash(S("abcdefgh")));
	cr_expect_neq(map_hash(S("abcdefgh")), map_hash(S("abcdefgi")));
	cr_expect_neq(map_hash(S("abcdefghi")), map_hash(S("abcdefghj")));
	cr_expect_neq(map_hash(S("")), map_hash(S("\0")));
	cr_expect_neq(map_hash(S("\0")), map_hash(S("\0\0")));
}
