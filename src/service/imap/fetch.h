/* FETCH for those who tell of messages unasked (NOTIFY). */
#ifndef PENNYPOST_SERVICE_IMAP_FETCH_H
#define PENNYPOST_SERVICE_IMAP_FETCH_H

#include "service/imap/session.h"

/* Reads what FETCH may be asked for, "(UID FLAGS)", and forgets it. */
status arg_fetch_items(args *p);
/* Tells that, as it was written and was read once without fault, of these messages. Nothing becomes
   \Seen. */
status fetch_items_tell(conversation *c, slice written, const uint32_t *uids, int n);

#endif
