/* A mixed load of IMAP: what one client says from its logon to its LOGOUT, chosen by chance. */
#ifndef PENNYPOST_TESTS_LOAD_MIXED_H
#define PENNYPOST_TESTS_LOAD_MIXED_H

#include "tests/load/load.h"

void mixed_seed(unsigned seed);     /* what chance begins with; 1 */
void mixed_keep(unsigned messages); /* how many messages INBOX shall have; 30 */

/* From the greeting to the answer to LOGOUT, with what load.h lends. ST_DENIED when an answer was
   not one that a client would want. */
status mixed_session(stream *s, const struct load_turn *t);
/* A line for each kind of command: how often, how long, how often its message was gone. */
void mixed_report(void);

#endif
