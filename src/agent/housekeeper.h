/* The housekeeper: runs provider/housekeep every housekeeper_every, on one node at a time. */
#ifndef PENNYPOST_AGENT_HOUSEKEEPER_H
#define PENNYPOST_AGENT_HOUSEKEEPER_H

#include "base/status.h"

/* A task body for task_start: ends when cancelled. */
status housekeeper_run(void *unused);

#endif
