/* Signals as notices: a signalfd watched by the loop. One signal is handed out at a time, and the
   next only after the notice was taken and its taker has had a turn: the number cannot be
   overwritten before it was read. */
#include "task/inside.h"

#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

static struct {
	bool open;
	int fd;
	bool more; /* unread ones may be there */
	notice *arrived;
	volatile int *number;
} signals;

status task_signals(const int *numbers, int n, notice **arrived, volatile int *number)
{
	assert(loop_here());
	if (signals.open)
		return ST_EXISTS;
	sigset_t set;
	sigemptyset(&set);
	for (int i = 0; i < n; i++)
		sigaddset(&set, numbers[i]);
	int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		return log_trouble(ST_BUSY, EV_LOOP_REFUSED, "signals=%d errno=%d", n, errno);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signals.open = signals.more = true;
	signals.fd = fd;
	signals.arrived = *arrived = notice_open();
	signals.number = number;
	return ST_OK;
}

bool signals_turn(void)
{
	if (!signals.open || notice_is_raised(signals.arrived))
		return false;
	struct wait edge = {.fd = signals.fd, .ready = WAIT_READ | WAIT_TRIED};
	struct signalfd_siginfo info;
	signals.more |= loop_take_ready(&edge);
	signals.more = signals.more && read(signals.fd, &info, sizeof info) == sizeof info;
	if (!signals.more)
		return false;
	*signals.number = (int)info.ssi_signo;
	notice_raise(signals.arrived);
	return true;
}

void signals_close(void)
{
	if (!signals.open)
		return;
	close(signals.fd);
	notice_close(&signals.arrived);
	signals.open = signals.more = false;
}
