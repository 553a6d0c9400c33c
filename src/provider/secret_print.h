/* Whether this node has the secret file that the database is used with. Keys that sign and secrets
   that can be recovered open with no other one, and who notices that is the sender of the first
   mail. */
#ifndef PENNYPOST_PROVIDER_SECRET_PRINT_H
#define PENNYPOST_PROVIDER_SECRET_PRINT_H

#include "base/status.h"

/* Compares with the mark of the secret that was first looked at beside this database, which is kept
   there. ST_OK: it is that one, or there is no secret file; ST_DENIED: another one (logged);
   ST_BUSY. */
status secret_print_check(void);

#endif
