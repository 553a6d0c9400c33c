/* Memory that a process shares with the children it forks afterwards: anonymous, zeroed, gone with
   the last of them. What lives there is touched with atomics only, since its users may be killed
   at any moment. */
#ifndef PENNYPOST_BASE_SHARED_H
#define PENNYPOST_BASE_SHARED_H

#include <stddef.h>

void *shared_new(size_t size); /* zeroed, page aligned; shortage ends the process */

#endif
