/* The runner: the one process of a node that starts programs of the operator (net/errand.h). It has
   no rights but those of `program_user`, no database and no secrets, and runs only what stands in
   the folder `programs` of the bootstrap file and nobody but root and that folder's owner may
   change. So a worker that was taken over can run nothing else.

       runner --+-- nurse, one per errand --+-- program, in a folder of its own, killed with all it
                |                           |   started when its time is over or nobody waits
                +-- ... as many as may run at once; the others wait in the socket */
#ifndef PENNYPOST_PROGRAM_RUNNER_H
#define PENNYPOST_PROGRAM_RUNNER_H

#include "provider/bootstrap.h"

/* Whether programs can run as `program_user`. ST_ABSENT: no user is named, so there is no runner;
   ST_INVALID, ST_DENIED: told in the log. */
status runner_check(const struct bootstrap *boot);
/* The same before root is given up, and makes the folder for texts, STATE/programs, which belongs
   to that user. */
status runner_prepare(const struct bootstrap *boot);

/* The process: reads orders to the end of `orders`. Its exit code. */
int runner_run(int orders, const struct bootstrap *boot);

#endif
