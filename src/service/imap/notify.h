/* NOTIFY (RFC 5465): what a client wants to be told without asking, of the selected folder and of
   others, between commands and while it idles. */
#ifndef PENNYPOST_SERVICE_IMAP_NOTIFY_H
#define PENNYPOST_SERVICE_IMAP_NOTIFY_H

#include "service/imap/session.h"

/* Forgets what was wanted. Nothing when nothing is. */
void notify_close(conversation *c);
/* Between two commands: tells what happens until the client says something; ST_TIMED_OUT when it
   has not for so long. At once ST_OK when nothing is wanted. */
status notify_wait(conversation *c, usec patience);
/* For IDLE: raised when there may be something to tell; NULL when nothing is wanted. */
notice *notify_raised(const conversation *c);
/* Looks, and tells what is wanted; in IDLE what is gone from the selected folder too, whatever was
   delayed. */
status notify_tell(conversation *c, bool idling);
/* The last so many messages of the view are new and EXISTS was told: tells what of them is
   wanted. */
status notify_arrived(conversation *c, int n);

#endif
