/* Fault points: which passage fails, and how. */
#include "base/fault.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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

static struct fault_board *board_made(char *path)
{
	int fd = mkstemp(path);

	cr_assert_eq(ftruncate(fd, FAULT_BOARD_SIZE), 0);
	struct fault_board *b =
		mmap(NULL, FAULT_BOARD_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	cr_assert_neq(b, MAP_FAILED);
	close(fd);
	setenv("PENNYPOST_FAULT_BOARD", path, 1);
	return b;
}

Test(fault, a_board_fires_once_for_all_processes)
{
	char path[] = "/tmp/pennypost-board-XXXXXX";
	struct fault_board *b = board_made(path);

	cr_expect_not(fault_at("step"));
	unlink(path);
	strcpy(b->name, "step");
	atomic_store(&b->left, 3);
	for (int child = 0; child < 5; child++)
		if (fork() == 0)
			_exit(fault_at("other") + fault_at("step"));
	int how, failures = 0;
	while (wait(&how) > 0)
		failures += WEXITSTATUS(how);
	cr_expect_eq(failures, 1);
	cr_expect_eq(atomic_load(&b->fired), 1);
	cr_expect_eq(atomic_load(&b->left), 0);
	cr_expect_str_eq(b->points[0].name, "step");
	cr_expect_eq(atomic_load(&b->points[0].passed), 6);
	cr_expect_eq(atomic_load(&b->points[1].passed), 5);
}

Test(fault, a_board_kills)
{
	char path[] = "/tmp/pennypost-board-XXXXXX";
	struct fault_board *b = board_made(path);
	int how;

	strcpy(b->name, "step");
	b->action = 1;
	atomic_store(&b->left, 1);
	pid_t child = fork();
	if (child == 0)
		_exit(fault_at("step"));
	waitpid(child, &how, 0);
	cr_expect(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
	unlink(path);
}
