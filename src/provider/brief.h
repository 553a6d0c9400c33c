/* Questions with short answers: those of many fibers go together, in one transaction of one round
   trip, as changes do (batch.h), each with its own statement. For statements of tenants or of nobody that
   only read, and little: who asks with others waits for their answers, too. For the files of this folder. */
#ifndef PENNYPOST_PROVIDER_BRIEF_H
#define PENNYPOST_PROVIDER_BRIEF_H

#include "provider/db.h"

#define BRIEF_MESSAGES_MOST 100 /* that a question should be about */

/* As db_run() and db_one(); `a` and `out` are needed. */
status brief_run(enum statement_id id, const struct param *p, int n, arena *a, struct rows *out);
status brief_one(enum statement_id id, const struct param *p, int n, arena *a, struct rows *out);

#endif
