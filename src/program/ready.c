/* sd_notify where libsystemd is there; see ready.h. */
#include "program/ready.h"

#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>

void ready_tell(const char *status_line)
{
	sd_notifyf(0, "READY=1\nSTATUS=%s", status_line);
}

void ready_stopping(void)
{
	sd_notify(0, "STOPPING=1");
}

void ready_alive(void)
{
	sd_notify(0, "WATCHDOG=1");
}

usec ready_watchdog(void)
{
	uint64_t every = 0;
	return sd_watchdog_enabled(0, &every) > 0 ? (usec)every / 3 : 0;
}
#else
void ready_tell(const char *status_line)
{
	(void)status_line;
}

void ready_stopping(void)
{
}

void ready_alive(void)
{
}

usec ready_watchdog(void)
{
	return 0;
}
#endif
