/* Memory that is there or the process is not; shared memory. */
#include "base/memory.h"
#include "base/shared.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

Test(memory, is_zeroed_and_may_be_of_no_size)
{
	static const char zero[64];
	char *a = memory_new(64), *b = memory_new_array(8, 8), *none = memory_new(0);

	cr_expect_eq(memcmp(a, zero, 64), 0);
	cr_expect_eq(memcmp(b, zero, 64), 0);
	cr_expect_not_null(none);
	memory_free(a);
	memory_free(b);
	memory_free(none);
	memory_free(NULL);
}

Test(memory, keeps_what_was_there_when_it_grows)
{
	char *p = memory_grow(NULL, 4);

	memcpy(p, "abc", 4);
	p = memory_grow(p, 100000);
	cr_expect_str_eq(p, "abc");
	memory_free(p);
}

Test(memory, ends_the_process_when_an_array_overflows, .exit_code = 70)
{
	memory_new_array(SIZE_MAX / 2, 3);
}

/* The sanitizers' allocators report such a wish themselves instead of refusing it. */
#if !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__
Test(memory, ends_the_process_when_there_is_none, .exit_code = 70)
{
	memory_grow(NULL, SIZE_MAX / 4);
}
#endif

Test(memory, shared_with_children_is_zeroed_and_seen_by_both)
{
	volatile int *n = shared_new(sizeof *n);

	cr_assert_eq(*n, 0);
	pid_t child = fork();
	if (child == 0) {
		*n = 7;
		_exit(0);
	}
	waitpid(child, NULL, 0);
	cr_expect_eq(*n, 7);
}
