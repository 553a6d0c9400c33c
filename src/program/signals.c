/* Signals as a descriptor; see signals.h. */
#include "program/signals.h"

#include "base/log.h"
#include "task/task.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

status signals_open(int *fd)
{
	sigset_t set;
	sigemptyset(&set);
	for (const int *n = (const int[]){SIGTERM, SIGINT, SIGHUP, SIGUSR2, SIGCHLD, 0}; *n; n++)
		sigaddset(&set, *n);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	*fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return *fd >= 0 ? ST_OK : log_trouble(ST_BUSY, EV_DESCRIPTORS, "for=signals");
}

status signals_next(int fd, usec until, int *number)
{
	for (;;) {
		struct signalfd_siginfo info;
		if (read(fd, &info, sizeof info) == (ssize_t)sizeof info) {
			*number = (int)info.ssi_signo;
			return ST_OK;
		}
		if (errno != EAGAIN && errno != EINTR)
			return log_trouble(ST_BROKEN, EV_DESCRIPTORS, "for=signals");
		struct wait w = {.fd = fd, .ready = WAIT_READ};
		int which;
		TRY(task_wait_any(&w, 1, until, &which));
	}
}
