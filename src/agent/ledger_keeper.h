/* The ledger's keeper: has it checked every ledger_check_every (provider/ledger.h), on one node at
   a time. */
#ifndef PENNYPOST_AGENT_LEDGER_KEEPER_H
#define PENNYPOST_AGENT_LEDGER_KEEPER_H

#include "base/status.h"

/* A task body for task_start: ends when cancelled. */
status ledger_keeper_run(void *unused);

#endif
