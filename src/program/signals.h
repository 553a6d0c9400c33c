/* Signals of master and workers, read from a descriptor so that they meet the rest of the house at
   task_wait and nowhere else. */
#ifndef PENNYPOST_PROGRAM_SIGNALS_H
#define PENNYPOST_PROGRAM_SIGNALS_H

#include "base/clock.h"
#include "base/status.h"

/* Blocks TERM, INT, HUP, USR2 and CHLD, ignores PIPE, and opens a descriptor that tells them. A
   child calls it again for a descriptor of its own. ST_BUSY: no descriptor left. */
status signals_open(int *fd);
/* The next signal, waiting at most until the moment: ST_OK, ST_TIMED_OUT, ST_CANCELLED. */
status signals_next(int fd, usec until, int *number);

#endif
