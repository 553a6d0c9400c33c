/* Fault points: which passage fails, and how. */
#include "base/fault.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

Test(fault, fails_the_nth_passage_only)
{
	cr_assert(fault_arm("commit:3:fail"));
	for (int passage = 1; passage <= 6; passage++) {
		cr_expect_eq(fault_at("commit"), passage == 3, "passage %d", passage);
		cr_expect_not(fault_at("other"));
	}
}

Test(fault, fails_every_passage_when_the_number_is_0)
{
	cr_assert(fault_arm("a:0:fail,b:2:fail"));
	cr_expect(fault_at("a"));
	cr_expect(fault_at("a"));
	cr_expect_not(fault_at("b"));
	cr_expect(fault_at("b"));
}

Test(fault, may_fail_several_passages_of_one_point)
{
	cr_assert(fault_arm("a:1:fail,a:3:fail"));
	cr_expect(fault_at("a"));
	cr_expect_not(fault_at("a"));
	cr_expect(fault_at("a"));
}

Test(fault, counts_anew_when_armed_anew)
{
	cr_assert(fault_arm("a:2:fail"));
	cr_expect_not(fault_at("a"));
	cr_assert(fault_arm("a:2:fail"));
	cr_expect_not(fault_at("a"));
	cr_expect(fault_at("a"));
	cr_assert(fault_arm(""));
	cr_expect_not(fault_at("a"));
	cr_expect_not(fault_at("a"));
}

Test(fault, refuses_malformed_rows_and_keeps_the_old)
{
	static const char *const rows[] = {"a", "a:", "a:1", "a:1:", "a:x:fail", ":1:fail",
		"a:1:explode", "a:-1:fail", "a:1:fail:", "a:1:fail,,b:1:fail", "a:1:fail,b",
		"a-name-of-more-than-forty-seven-characters-is-too-long:1:fail"};

	cr_assert(fault_arm("kept:1:fail"));
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		cr_expect_not(fault_arm(rows[i]), "%s", rows[i]);
	cr_expect(fault_at("kept"));
}

Test(fault, reads_the_environment_at_the_first_passage)
{
	setenv("PENNYPOST_FAULTS", "from-outside:1:fail", 1);
	cr_expect(fault_at("from-outside"));
}

static int status_after(const char *rows)
{
	int how;
	pid_t child = fork();

	if (child == 0) {
		fault_arm(rows);
		fault_at("step");
		fault_at("step");
		_exit(0);
	}
	waitpid(child, &how, WUNTRACED);
	if (WIFSTOPPED(how)) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	return how;
}

Test(fault, kills_and_stops_the_process)
{
	int killed = status_after("step:2:kill"), stopped = status_after("step:1:stop");
	int spared = status_after("step:3:kill");

	cr_expect(WIFSIGNALED(killed) && WTERMSIG(killed) == SIGKILL);
	cr_expect(WIFSTOPPED(stopped));
	cr_expect(WIFEXITED(spared) && WEXITSTATUS(spared) == 0);
}

Test(fault, reports_every_point_passed)
{
	char report[64] = "";
	int ends[2];

	cr_assert_eq(pipe(ends), 0);
	fault_arm("");
	fault_at("one");
	fault_at("two");
	fault_at("one");
	fault_report(ends[1]);
	cr_assert_gt(read(ends[0], report, sizeof report - 1), 0);
	cr_expect_str_eq(report, "one 2\ntwo 1\n");
}
