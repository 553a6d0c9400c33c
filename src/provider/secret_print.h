/* Whether this node has the secret file that the database is used with. Keys that sign and secrets
   that can be recovered open with no other one, and who notices that is the sender of the first
   mail. */
#ifndef PENNYPOST_PROVIDER_SECRET_PRINT_H
#define PENNYPOST_PROVIDER_SECRET_PRINT_H

#include "base/status.h"

/* Compares the secret file with the mark that is kept in the database or, where none is, with what
   is encrypted there; changes nothing. ST_OK: it is the one, or nothing is encrypted yet; ST_ABSENT:
   there is no file, and no need of one; ST_DENIED: it is another one, or missing here
   (auth_secret_has_key tells, and it is logged); ST_BUSY. */
status secret_print_check(void);
/* The same, and keeps the mark of a file that is found right: for starts of the server and for
   `pennypost schema init`. */
status secret_print_keep(void);

#endif
