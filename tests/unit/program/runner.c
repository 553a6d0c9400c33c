/* The runner, without a server around it: what a program's end is told to be, which programs may be
   run, and that those of one kind hold up no other. */
#include "program/runner.h"

#include "net/errand.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define STATE "/tmp/unit-runner.XXXXXX"

static struct {
	char state[sizeof STATE], programs[sizeof STATE "/tools"];
	pid_t pid;
	int orders;
} runner;

static bool small_disk; /* mounts may be made */

struct path {
	char z[192];
};

/* Of what stands in the folder of programs. */
static struct path path_of(const char *name)
{
	struct path p;

	cr_assert_lt(snprintf(p.z, sizeof p.z, "%s/%s", runner.programs, name), (int)sizeof p.z);
	return p;
}

static void program(const char *name, const char *words, ...)
{
	struct path path = path_of(name);
	va_list args;

	FILE *f = fopen(path.z, "w");
	cr_assert_not_null(f);
	fputs("#!/bin/sh\n", f);
	va_start(args, words);
	vfprintf(f, words, args);
	va_end(args);
	fputc('\n', f);
	fclose(f);
	cr_assert_eq(chmod(path.z, 0700), 0);
}

static bool state_removed(void)
{
	char command[sizeof "rm -r ''" + sizeof STATE];

	snprintf(command, sizeof command, "rm -r '%s'", runner.state);
	return system(command) == 0;
}

/* It takes its folder along, for whoever asks it may die before his end. */
static void runner_start(void)
{
	char folder[sizeof STATE "/programs"];
	int ends[2];

	snprintf(runner.state, sizeof runner.state, "%s", STATE);
	cr_assert_not_null(mkdtemp(runner.state));
	snprintf(runner.programs, sizeof runner.programs, "%s/tools", runner.state);
	snprintf(folder, sizeof folder, "%s/programs", runner.state);
	cr_assert(mkdir(runner.programs, 0700) == 0 && mkdir(folder, 0700) == 0);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	runner.pid = fork();
	if (runner.pid == 0) {
		struct bootstrap boot = {
			.state = slice_z(runner.state), .programs = slice_z(runner.programs)};

		close(ends[1]);
		int code = runner_run(ends[0], &boot);
		_exit(state_removed() ? code : EXIT_FAILURE);
	}
	close(ends[0]);
	runner.orders = ends[1];
	errand_open(runner.orders);
}

static void runner_end(void)
{
	int how;

	errand_open(-1);
	close(runner.orders);
	cr_expect_eq(waitpid(runner.pid, &how, 0), runner.pid);
	cr_expect(WIFEXITED(how) && WEXITSTATUS(how) == 0, "the runner ends when its orders do");
	cr_expect_neq(access(runner.state, F_OK), 0);
}

TestSuite(runner, .init = runner_start, .fini = runner_end, .timeout = 300);

static struct errand_result run(
	const char *name, unsigned kind, unsigned at_once, usec patience, arena *a)
{
	struct path path = path_of(name);
	struct errand_result r;
	int text = errand_text();
	struct errand e = {.program = slice_z(path.z),
		.connector = S("SMTP"),
		.event = S("pickup"),
		.message = S("0SA2"),
		.kind = kind,
		.attempt = 1,
		.patience = patience,
		.at_once = at_once,
		.processes = 10000,
		.memory = UINT64_C(1) << 40};
	cr_assert_eq(errand_text_add(text, S("hello\n"), 1000), ST_OK);
	cr_assert_eq(errand_run(&e, text, a, &r), ST_OK);
	return r;
}

Test(runner, tells_how_a_program_ended_and_what_it_said)
{
	static const struct {
		const char *name, *words;
		enum errand_end end;
		int code;
		const char *said;
	} rows[] = {
		{"go", "exit 0", ERRAND_RAN, 0, ""},
		{"refuse", "echo; echo '  no jokes  '; echo more; exit 77", ERRAND_RAN, 77,
			"no jokes"},
		{"read", "cat \"$1\"; echo \"$2\"", ERRAND_RAN, 0, "hello"},
		{"shown", "echo \"$PENNYPOST_EVENT $PENNYPOST_MESSAGE $PENNYPOST_ATTEMPT\"",
			ERRAND_RAN, 0, "pickup 0SA2 1"},
		{"die", "kill -9 $$", ERRAND_KILLED, 9, ""},
		{"hang", "echo waiting; sleep 100000", ERRAND_TIMED_OUT, 0, "waiting"},
	};
	arena a = ARENA_INIT;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		program(rows[i].name, "%s", rows[i].words);
		struct errand_result r = run(rows[i].name, 0, 4,
			rows[i].end == ERRAND_TIMED_OUT ? 3 * USEC_S : 240 * USEC_S, &a);

		cr_expect_eq(r.end, rows[i].end, "%s: %d", rows[i].name, r.end);
		cr_expect_eq(r.code, rows[i].code, "%s: %d", rows[i].name, r.code);
		if (r.end != ERRAND_TIMED_OUT ||
			r.said.size) /* a slow machine may not have begun it */
			cr_expect(slice_same(r.said, slice_z(rows[i].said)), "%s: %.*s",
				rows[i].name, SLICE_ARGS(r.said));
	}
	arena_release(&a);
}

Test(runner, runs_nothing_that_others_could_have_written)
{
	arena a = ARENA_INIT;

	program("open", "exit 0");
	cr_assert_eq(chmod(path_of("open").z, 0777), 0);
	cr_expect_eq(run("open", 0, 4, 240 * USEC_S, &a).end, ERRAND_BARRED);
	cr_expect_eq(run("../../../bin/true", 0, 4, 240 * USEC_S, &a).end, ERRAND_BARRED);
	cr_expect_eq(run("nothing", 0, 4, 240 * USEC_S, &a).end, ERRAND_BARRED);
	arena_release(&a);
}

Test(runner, tells_why_its_folder_takes_no_text)
{
	char folder[sizeof STATE "/programs"];
	arena a = ARENA_INIT;

	program("go", "exit 0");
	snprintf(folder, sizeof folder, "%s/programs", runner.state);
	cr_assert_eq(run("go", 0, 4, 240 * USEC_S, &a).end, ERRAND_RAN);
	cr_assert_eq(rmdir(folder), 0);
	struct errand_result r = run("go", 0, 4, 240 * USEC_S, &a);
	cr_expect_eq(r.end, ERRAND_FAILED, "%d", r.end);
	cr_expect_eq(r.verdict, ERRAND_LATER);
	cr_expect(slice_same(r.said, S("no folder for the text: No such file or directory")),
		"%.*s", SLICE_ARGS(r.said));
	arena_release(&a);
}

/* In mounts of its own, which end with it. */
static void small_runner_start(void)
{
	small_disk = unshare(geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS) == 0 &&
		     mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
	runner_start();
}

static void small_runner_end(void)
{
	char folder[sizeof STATE "/programs"];

	snprintf(folder, sizeof folder, "%s/programs", runner.state);
	umount2(folder, MNT_DETACH);
	runner_end();
}

TestSuite(small_runner, .init = small_runner_start, .fini = small_runner_end, .timeout = 300);

static void fill(const char *folder)
{
	char path[sizeof STATE "/programs/filler"];

	snprintf(path, sizeof path, "%s/filler", folder);
	FILE *f = fopen(path, "w");
	cr_assert_not_null(f);
	setbuf(f, NULL);
	while (fputc('x', f) != EOF)
		;
	cr_assert_eq(errno, ENOSPC);
	fclose(f);
}

Test(small_runner, tells_that_there_is_no_room_for_the_text)
{
	char folder[sizeof STATE "/programs"];
	arena a = ARENA_INIT;

	snprintf(folder, sizeof folder, "%s/programs", runner.state);
	if (!small_disk || mount("none", folder, "tmpfs", 0, "size=64k") != 0)
		cr_skip_test("no small disk can be had here");
	program("go", "exit 0");
	cr_assert_eq(run("go", 0, 4, 240 * USEC_S, &a).end, ERRAND_RAN);
	fill(folder);
	cr_expect_eq(run("go", 0, 4, 240 * USEC_S, &a).end, ERRAND_NO_ROOM);
	arena_release(&a);
}

/* ---- kinds */

static atomic_int slow_ones; /* that have ended */

static void *slow(void *arg)
{
	arena a = ARENA_INIT;

	(void)arg;
	cr_expect_eq(run("slow", 2, 1, 240 * USEC_S, &a).verdict, ERRAND_GO);
	slow_ones++;
	arena_release(&a);
	return NULL;
}

static int lines_of(const char *name)
{
	int n = 0;

	FILE *f = fopen(path_of(name).z, "r");
	for (int c; f && (c = fgetc(f)) != EOF;)
		n += c == '\n';
	if (f)
		fclose(f);
	return n;
}

Test(runner, slow_programs_of_one_kind_hold_up_no_other)
{
	pthread_t thread[3];
	arena a = ARENA_INIT;

	program("slow", "echo >>%s/begun; while [ ! -e %s/gate ]; do sleep 0.05; done",
		runner.programs, runner.programs);
	program("quick", "exit 0");
	for (int i = 0; i < 3; i++)
		cr_assert_eq(pthread_create(&thread[i], NULL, slow, NULL), 0);
	while (lines_of("begun") == 0)
		usleep(10000);
	for (int i = 0; i < 5; i++)
		cr_expect_eq(run("quick", 0, 1, 240 * USEC_S, &a).verdict, ERRAND_GO);
	cr_expect_eq(slow_ones, 0);
	cr_expect_eq(lines_of("begun"), 1, "more of a kind run than may");
	program("gate", "");
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	cr_expect_eq(lines_of("begun"), 3, "those that wait are run in the end");
	arena_release(&a);
}
