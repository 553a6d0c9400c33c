/* The contract stands in cost.h. */
#include "cost.h"

#include "base/text.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define TIME_RATIO_MOST 3.0
#define STEPS_RATIO_MOST 1.5
#define STEPS_LEAST 0.1              /* what costs less per byte is a few large copies */
#define WORK_LEAST (4 * 1024 * 1024) /* bytes per measurement of time */

static void fill(text *t, const struct cost_input *in, size_t size)
{
	text_clear(t);
	text_add_z(t, in->head);
	for (int i = 0; t->size < size; i++) {
		slice unit = slice_z(in->unit), part;
		bool first = true;
		while (slice_take(&unit, '%', &part)) {
			if (!first) {
				text_format(t, "%d", i);
				part = slice_from(part, 1);
			}
			text_add(t, part);
			first = false;
		}
	}
	text_add_z(t, in->tail ? in->tail : "");
}

/* ---- time */

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double run_once(const struct cost_input *in, slice s, arena *a)
{
	if (in->ready)
		in->ready(s);
	double start = seconds();
	in->run(s, a);
	arena_release(a);
	return seconds() - start;
}

/* Nanoseconds per byte, the best of three. */
static double time_of(const struct cost_input *in, size_t size, text *t)
{
	arena a = ARENA_INIT;
	double best = 0;

	fill(t, in, size);
	for (int turn = 0; turn < 3; turn++) {
		double took = 0;
		size_t done = 0;
		for (; done < WORK_LEAST; done += t->size)
			took += run_once(in, text_slice(t), &a);
		double each = took * 1e9 / (double)done;
		if (turn == 0 || each < best)
			best = each;
	}
	return best;
}

static int cost_by_time(const struct cost_input *inputs, size_t n)
{
	text t = TEXT_INIT;
	int over = 0;

	printf("%-28s %10s %10s %10s %8s\n", "ns per byte", "10 KB", "100 KB", "1 MB", "ratio");
	for (size_t i = 0; i < n; i++) {
		double small = time_of(&inputs[i], 10 * 1024, &t);
		double middle = time_of(&inputs[i], 100 * 1024, &t);
		double big = time_of(&inputs[i], 1024 * 1024, &t);
		printf("%-28s %10.3f %10.3f %10.3f %8.2f\n", inputs[i].name, small, middle, big,
			big / small);
		over += big / small > TIME_RATIO_MOST;
	}
	printf("%zu inputs, %d over a ratio of %.1f\n", n, over, TIME_RATIO_MOST);
	text_free(&t);
	return over;
}

/* ---- steps */

static uint64_t steps;

void __sanitizer_cov_trace_pc(void);

/* Called at each branch of what was compiled to be counted (local.mk). */
void __sanitizer_cov_trace_pc(void)
{
	steps++;
}

/* The linker leads here what looks at many octets in one call: so many of them are a step. */
#define OCTETS 16

void *__real_memchr(const void *s, int c, size_t n);
void *__wrap_memchr(const void *s, int c, size_t n);
void *__real_memcpy(void *to, const void *from, size_t n);
void *__wrap_memcpy(void *to, const void *from, size_t n);
void *__real_memmove(void *to, const void *from, size_t n);
void *__wrap_memmove(void *to, const void *from, size_t n);
int __real_memcmp(const void *a, const void *b, size_t n);
int __wrap_memcmp(const void *a, const void *b, size_t n);

void *__wrap_memchr(const void *s, int c, size_t n)
{
	const char *found = __real_memchr(s, c, n);

	steps += (found ? (size_t)(found - (const char *)s) : n) / OCTETS;
	return (void *)(uintptr_t)found;
}

void *__wrap_memcpy(void *to, const void *from, size_t n)
{
	steps += n / OCTETS;
	return __real_memcpy(to, from, n);
}

void *__wrap_memmove(void *to, const void *from, size_t n)
{
	steps += n / OCTETS;
	return __real_memmove(to, from, n);
}

int __wrap_memcmp(const void *a, const void *b, size_t n)
{
	steps += n / OCTETS;
	return __real_memcmp(a, b, n);
}

static double steps_of(const struct cost_input *in, size_t size, size_t *filled)
{
	arena a = ARENA_INIT;
	text t = TEXT_INIT;

	fill(&t, in, size);
	*filled = t.size;
	if (in->ready)
		in->ready(text_slice(&t));
	steps = 0;
	in->run(text_slice(&t), &a);
	arena_release(&a);
	text_free(&t);
	return (double)steps;
}

/* For each byte by which twice the size is larger, so that what every run costs does not hide the rest; at least what a
   byte costs of the smaller one where `all` is wanted: behind a limit further ones may cost nothing. */
static double steps_each(const struct cost_input *in, size_t size, bool all)
{
	size_t small_size, big_size;
	double small = steps_of(in, size, &small_size), big = steps_of(in, 2 * size, &big_size);
	double further = (big - small) / (double)(big_size - small_size);

	return all && further < small / (double)small_size ? small / (double)small_size : further;
}

static int cost_by_steps(const struct cost_input *inputs, size_t n)
{
	int over = 0;

	printf("%-28s %12s %12s %8s\n", "steps per byte", "4 to 8 KB", "64 to 128 KB", "ratio");
	for (size_t i = 0; i < n; i++) {
		double small = steps_each(&inputs[i], 4096, true);
		double big = steps_each(&inputs[i], 65536, false);

		printf("%-28s %12.3f %12.3f %8.2f\n", inputs[i].name, small, big,
			small > 0 ? big / small : 0);
		over += big > STEPS_RATIO_MOST * small && big > STEPS_LEAST;
	}
	printf("%zu passed, %d failed\n", n - (size_t)over, over);
	return over;
}

int cost_main(const struct cost_input *inputs, size_t n, int argc, char **argv)
{
	bool by_time = argc > 1 && strcmp(argv[1], "time") == 0;

	return (by_time ? cost_by_time(inputs, n) : cost_by_steps(inputs, n)) > 0;
}
