/* Batches: what many tasks want done at once, one of them does for all, in one transaction.

   batch_join --+--> waiting --> run(jobs)      in the fiber or thread of the first that waits
   batch_join --+       |
                        +-- whoever comes meanwhile waits for the next batch

   Nobody waits for company: a batch starts at once when no other is under way, so at low load each
   job goes alone, and while one is under way the next gathers by itself. When many wait, further lanes start
   beside the first: a slow disk, or a row that somebody else holds locked, then stops only some of
   them. For the files of this folder. */
#ifndef PENNYPOST_PROVIDER_BATCH_H
#define PENNYPOST_PROVIDER_BATCH_H

#include "base/list.h"
#include "task/task.h"

#include <pthread.h>

/* What somebody wants done; stands in a struct of his, which is LINK_OWNER's. */
struct batch_job {
	size_t weight; /* in whatever the rules count */
	int state;
	notice *changed;
	link_t link;
};

struct batch {
	struct batcher *of;
	struct batch_job **jobs; /* in order of arrival; the first is who runs it */
	int n;
	size_t weight; /* of all */
	bool lane;     /* it holds one still */
};

struct batch_rules {
	int lanes; /* batches under way at once in one process, */
	int crowd; /* each beyond the first when so many jobs wait */
	usec patience; /* who has waited so long begins a batch whatever is under way; USEC_NEVER: nobody
			  does */
	/* Whether it goes along with these n >= 1; who does not waits for the next one. */
	bool (*fits)(const struct batch *b, const struct batch_job *next);
	/* Does them all; tells nobody's outcome but in what is theirs. The task is shielded and has
	   no deadline: everybody's outcome hangs on it. */
	void (*run)(struct batch *b);
	/* Does the only one, which waits for nobody else's: with the deadline of its task, and it may be
	   cancelled. NULL: run does. */
	void (*alone)(struct batch_job *job);
};

struct batcher {
	const struct batch_rules *rules;
	pthread_mutex_t lock; /* never held across a wait */
	link_t waiting;
	int crowd; /* how many wait */
	int lanes; /* busy ones */
};
#define BATCHER_INIT(name, how)                                                                    \
	{                                                                                          \
		.rules = (how), .lock = PTHREAD_MUTEX_INITIALIZER, .waiting = {                    \
			&(name).waiting,                                                           \
			&(name).waiting                                                            \
		}                                                                                  \
	}

/* What is good for transactions of a few milliseconds. */
#define BATCH_LANES 2
#define BATCH_CROWD 16
#define BATCH_PATIENCE (100 * USEC_MS)         /* the one before may wait for a lock */
#define BATCH_OCTETS ((size_t)4 * 1024 * 1024) /* of what is sent or told */

/* Rules for what readers want, at most reader_batch_most in one batch. */
#define BATCH_OF_READERS .lanes = BATCH_LANES, .crowd = BATCH_CROWD, .patience = BATCH_PATIENCE
bool batch_has_room(const struct batch *b, const struct batch_job *next);

/* ST_OK: run or alone has done with it. ST_TIMED_OUT, ST_CANCELLED: the task ended before any batch
   took it. */
status batch_join(struct batcher *b, struct batch_job *job);

/* By run: what it still has to do holds up nobody else. */
void batch_free_lane(struct batch *b);

#endif
