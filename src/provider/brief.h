/* Questions with short answers: those of many fibers go together, in one transaction of one round
   trip, as changes do (batch.h), each with its own statement. For statements of tenants or of nobody that
   only read, and little: who asks with others waits for their answers, too, so those that may be longer go with their
   like. For the files of this folder. */
#ifndef PENNYPOST_PROVIDER_BRIEF_H
#define PENNYPOST_PROVIDER_BRIEF_H

#include "provider/db.h"

#define BRIEF_MESSAGES_MOST 100 /* that a question should be about */

/* As db_run() and db_one(); `a` and `out` are needed. `octets`: what the answer may have, about; BRIEF_SHORT
   for some numbers and names. */
#define BRIEF_SHORT ((size_t)4 * 1024)
status brief_run(enum statement_id id, const struct param *p, int n, size_t octets, arena *a,
	struct rows *out);
status brief_one(enum statement_id id, const struct param *p, int n, size_t octets, arena *a,
	struct rows *out);

#endif
