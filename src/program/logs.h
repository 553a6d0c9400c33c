/* Log files as the settings want them: brought to base/record.h and to the log's tap. */
#ifndef PENNYPOST_PROGRAM_LOGS_H
#define PENNYPOST_PROGRAM_LOGS_H

#include "base/metric.h"

/* From now on this process records into the pipe, -1 = nowhere. `of`: what its tasks are for that
   do not say so themselves (task_label). */
void logs_open(int pipe, enum service of);
/* Takes over what the settings say; every beat. */
void logs_tend(void);

#endif
