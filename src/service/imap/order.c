/* Merging from the bottom up: the same number of steps for every order. */
#include "service/imap/order.h"

#include "task/task.h"

#define BREATH 256 /* steps between two breaths: each may compare long texts by several keys */

struct merge {
	int (*compare)(int a, int b, const void *arg);
	const void *arg;
	int steps;
};

static status merge_two(struct merge *m, const int *from, int low, int middle, int high, int *to)
{
	int left = low, right = middle;

	for (int at = low; at < high; at++) {
		bool first = left < middle &&
			     (right == high || m->compare(from[left], from[right], m->arg) <= 0);

		to[at] = first ? from[left++] : from[right++];
		if (++m->steps % BREATH == 0)
			TRY(task_breathe());
	}
	return ST_OK;
}

status order_places(int *places, int n, int (*compare)(int a, int b, const void *arg),
	const void *arg, arena *a)
{
	struct merge m = {.compare = compare, .arg = arg};
	int *from = places, *to = arena_new_array(a, (size_t)n, sizeof *to);

	for (int64_t run = 1; run < n; run *= 2) {
		for (int64_t low = 0; low < n; low += 2 * run) {
			int64_t middle = low + run < n ? low + run : n;
			int64_t high = low + 2 * run < n ? low + 2 * run : n;

			TRY(merge_two(&m, from, (int)low, (int)middle, (int)high, to));
		}
		int *swap = from;

		from = to;
		to = swap;
	}
	if (from != places)
		memcpy(places, from, (size_t)n * sizeof *places);
	return ST_OK;
}
