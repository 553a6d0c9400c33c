/* A plain runner for Criterion's tests, for builds under the thread sanitizer: Criterion maps its
   messages at addresses that this sanitizer keeps for itself. Offers what the test macros call and
   a main that runs each test in a child process. The child's end, its signal and its time are
   judged as Criterion does; the closing line is "N passed, N failed". */
#include <criterion/criterion.h>

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define FAILED 97
#define SKIPPED 77

/* Criterion's macros put a pointer to each test and suite into these sections. */
extern struct criterion_test *__start_cr_tst[] __attribute__((weak));
extern struct criterion_test *__stop_cr_tst[] __attribute__((weak));
extern struct criterion_suite *__start_cr_sts[] __attribute__((weak));
extern struct criterion_suite *__stop_cr_sts[] __attribute__((weak));

struct criterion_options criterion_options;

static const struct criterion_test *running;
static bool failed;

/* ---- what the macros call */

void cri_asserts_passed_incr(void)
{
}

void criterion_send_assert(struct criterion_assert_stats *s)
{
	if (!s->passed)
		fprintf(stderr, "%s:%u: %s\n", s->file, s->line,
			s->message ? s->message : "failed");
}

void criterion_abort_test(void)
{
	_exit(FAILED);
}

void criterion_continue_test(void)
{
	failed = true;
}

void criterion_skip_test(const char *format, ...)
{
	(void)format;
	_exit(SKIPPED);
}

void cr_log(enum criterion_severity severity, const char *format, ...)
{
	va_list args;

	(void)severity;
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
}

int cr_asprintf(char **out, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int size = vasprintf(out, format, args);
	va_end(args);
	return size;
}

void cr_asprintf_free(char *s)
{
	free(s);
}

/* Criterion's own words about the asserted expression; file and line say where to look. */
char *cr_translate_assert_msg(int which, ...)
{
	char *words = NULL;

	cr_asprintf(&words, "assertion of kind %d failed", which);
	return words;
}

static const struct criterion_test_extra_data *suite_data(const char *name)
{
	for (struct criterion_suite **s = __start_cr_sts; s < __stop_cr_sts; s++)
		if (*s && strcmp((*s)->name, name) == 0)
			return (*s)->data;
	return NULL;
}

void criterion_internal_test_setup(void)
{
	const struct criterion_test_extra_data *suite = suite_data(running->category);

	if (suite && suite->init)
		suite->init();
	if (running->data->init)
		running->data->init();
}

void criterion_internal_test_main(void (*test)(void))
{
	test();
}

void criterion_internal_test_teardown(void)
{
	const struct criterion_test_extra_data *suite = suite_data(running->category);

	if (running->data->fini)
		running->data->fini();
	if (suite && suite->fini)
		suite->fini();
}

/* ---- the run */

/* The sanitizer is slow: limits of seconds are stretched. */
static void limit(const struct criterion_test *t)
{
	const struct criterion_test_extra_data *suite = suite_data(t->category);
	double seconds = t->data->timeout;

	if (seconds <= 0 && suite)
		seconds = suite->timeout;
	alarm(seconds > 0 ? 5 * (unsigned)(seconds + 1) : 300);
}

static bool judge(const struct criterion_test *t, int end)
{
	if (WIFSIGNALED(end) && WTERMSIG(end) == t->data->signal)
		return true;
	if (WIFEXITED(end) && t->data->signal == 0 && WEXITSTATUS(end) == t->data->exit_code)
		return true;
	if (WIFSIGNALED(end))
		fprintf(stderr, "FAILED %s/%s: signal %d\n", t->category, t->name, WTERMSIG(end));
	else
		fprintf(stderr, "FAILED %s/%s: exit %d\n", t->category, t->name, WEXITSTATUS(end));
	return false;
}

int main(void)
{
	unsigned good = 0, bad = 0, skipped = 0;

	for (struct criterion_test **row = __start_cr_tst; row < __stop_cr_tst; row++) {
		running = *row;
		if (!running || running->data->disabled)
			continue;
		fflush(NULL);
		pid_t child = fork();
		if (child < 0) {
			perror("fork");
			return 99;
		}
		if (child == 0) {
			limit(running);
			running->test();
			exit(failed ? FAILED : 0);
		}
		int end;
		while (waitpid(child, &end, 0) < 0)
			;
		if (WIFEXITED(end) && WEXITSTATUS(end) == SKIPPED)
			skipped++;
		else if (judge(running, end))
			good++;
		else
			bad++;
	}
	printf("%u passed, %u failed, %u skipped\n", good, bad, skipped);
	return bad > 0;
}
