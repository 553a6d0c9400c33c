#include "room.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void room_open(void)
{
	cr_assert_eq(task_loop_open(&TASK_LIMITS_INIT), ST_OK);
}

task *room_start(const char *name, status (*run)(void *), void *arg)
{
	task *t = task_start(name, run, arg);
	cr_assert_not_null(t);
	return t;
}

void room_run(void)
{
	task_loop_run();
	cr_assert_eq(task_count(), 0);
	task_loop_close();
}

void room_run_one(status (*run)(void *), void *arg)
{
	room_open();
	room_start("test", run, arg);
	room_run();
}

void room_pair(int at[2])
{
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, at), 0);
}

char room_take(int fd)
{
	char c = 0;
	ssize_t n;
	while ((n = read(fd, &c, 1)) < 0 && errno == EAGAIN)
		cr_assert_eq(task_wait(fd, WAIT_READ | WAIT_TRIED), ST_OK);
	cr_assert_eq(n, 1);
	return c;
}

void room_give(int fd, char c)
{
	ssize_t n;
	while ((n = write(fd, &c, 1)) < 0 && errno == EAGAIN)
		cr_assert_eq(task_wait(fd, WAIT_WRITE | WAIT_TRIED), ST_OK);
	cr_assert_eq(n, 1);
}

size_t room_resident(void)
{
	size_t pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");
	cr_assert_not_null(f);
	cr_assert_eq(fscanf(f, "%*s %zu", &pages), 1);
	fclose(f);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

usec room_machine_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * USEC_S + t.tv_nsec / 1000;
}

int room_dies_by(void (*run)(void))
{
	pid_t child = fork();
	cr_assert_geq(child, 0);
	if (child == 0) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
		alarm(300); /* what should die and does not */
		run();
		_exit(0);
	}
	int end = 0;
	cr_assert_eq(waitpid(child, &end, 0), child);
	return WIFSIGNALED(end) ? WTERMSIG(end) : 0;
}
