/* Works off jobs (provider/job.h), step by step, on every node that has an agent; tells what became
   of each mailbox in the trace. */
#ifndef PENNYPOST_AGENT_JOB_WORKER_H
#define PENNYPOST_AGENT_JOB_WORKER_H

#include "base/status.h"

/* A task body for task_start: ends when cancelled. */
status job_worker_run(void *unused);

#endif
