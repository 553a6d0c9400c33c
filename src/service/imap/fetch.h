/* FETCH for those who tell of messages unasked (NOTIFY, and searches kept up to date). */
#ifndef PENNYPOST_SERVICE_IMAP_FETCH_H
#define PENNYPOST_SERVICE_IMAP_FETCH_H

#include "service/imap/session.h"

/* What FETCH may be asked for, "(UID FLAGS)", as it is written; ST_INVALID with a literal in it. */
status arg_fetch_items(args *p, slice *written);
/* Tells that, as it was written and was read once without fault, of these messages. Nothing becomes
   \Seen. */
status fetch_items_tell(conversation *c, slice written, const uint32_t *uids, int n);

#endif
