/* The indexer: fills the index of searches every search_index_every (provider/search_index.h), on
   one node at a time. */
#ifndef PENNYPOST_AGENT_INDEXER_H
#define PENNYPOST_AGENT_INDEXER_H

#include "base/status.h"

/* A task body for task_start: ends when cancelled. */
status indexer_run(void *unused);

#endif
