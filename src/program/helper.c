/* Keepers and their helpers; see helper.h. */
#include "program/helper.h"

#include "base/log.h"
#include "program/privilege.h"
#include "task/task.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAUSE USEC_S /* between two starts */

static void log_as(const char *name)
{
	log_open(&(struct log_target){.fd = -1,
		.least = LOG_INFO_LEVEL,
		.role = name,
		.journal = getenv("JOURNAL_STREAM") != NULL});
}

/* What a stop tells the whole group or a terminal is the master's matter. */
static void ignore_signals(void)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR2, SIGPIPE};

	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		signal(numbers[i], SIG_IGN);
}

static void close_others(int fd)
{
	if (fd > STDERR_FILENO + 1)
		syscall(SYS_close_range, (unsigned)STDERR_FILENO + 1, (unsigned)fd - 1, 0);
	syscall(SYS_close_range, (unsigned)fd + 1, ~0u, 0);
}

static int wait_for(pid_t pid)
{
	int how = 0;

	while (waitpid(pid, &how, 0) < 0 && errno == EINTR)
		;
	return how;
}

/* Its rights are those of what it keeps, since a child has its parent's filter and nobody can
   loosen one. */
static bool give_up(const struct helper *h)
{
	return (!h->user || privilege_drop(h->user) == ST_OK) && h->confine() == ST_OK;
}

static int keep(const struct helper *h, int fd, const struct bootstrap *boot, pid_t master)
{
	while (getppid() == master) {
		pid_t keeper = getpid(), pid = fork();
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
			prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
			log_as(h->name);
			int code = getppid() == keeper ? h->run(fd, boot) : EXIT_SUCCESS;
			log_close();
			_exit(code);
		}
		int how = pid > 0 ? wait_for(pid) : 0;
		if (pid > 0 && WIFEXITED(how) && WEXITSTATUS(how) == 0)
			return EXIT_SUCCESS;
		log_event(EV_HELPER_ENDED, "helper=%s %s=%d", h->name,
			WIFSIGNALED(how) ? "signal" : "code",
			WIFSIGNALED(how) ? WTERMSIG(how) : WEXITSTATUS(how));
		task_sleep(PAUSE);
	}
	return EXIT_FAILURE; /* nobody is left whom it could help */
}

status helper_start(const struct helper *h, int fd, const struct bootstrap *boot, pid_t *keeper)
{
	pid_t master = getpid(), pid = fork();

	if (pid < 0)
		return log_trouble(ST_BUSY, EV_WORKER_FORK, "helper=%s", h->name);
	if (pid == 0) {
		ignore_signals();
		close_others(fd);
		log_as(h->name);
		int code = give_up(h) ? keep(h, fd, boot, master) : EXIT_FAILURE;
		log_close();
		_exit(code);
	}
	*keeper = pid;
	return ST_OK;
}
