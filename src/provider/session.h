/* Sessions: when a mailbox was last logged on to, by service. */
#ifndef PENNYPOST_PROVIDER_SESSION_H
#define PENNYPOST_PROVIDER_SESSION_H

#include "base/metric.h"
#include "base/status.h"
#include "base/slice.h"

/* Notes a logon; *since = time since the one before (USEC_NEVER: none). */
status session_logon(int64_t postoffice, int64_t mailbox, enum service s, usec *since);

#endif
