/* Readiness and watchdog under systemd; nothing elsewhere. */
#ifndef PENNYPOST_PROGRAM_READY_H
#define PENNYPOST_PROGRAM_READY_H

#include "base/clock.h"

void ready_tell(const char *status_line); /* READY=1, once serving */
void ready_stopping(void);                /* STOPPING=1 */
void ready_alive(void);                   /* WATCHDOG=1 */
usec ready_watchdog(void);                /* how often systemd wants ready_alive; 0 = never */

#endif
