/* IMAP: IMAP4rev2 (RFC 9051) and IMAP4rev1 (RFC 3501) on one server, with the extensions that
   doc/imap.md lists. Any worker serves any mailbox; what a client sees of a folder is a view of
   what the store says, told only when the protocol allows. */
#ifndef PENNYPOST_SERVICE_IMAP_IMAP_H
#define PENNYPOST_SERVICE_IMAP_IMAP_H

#include "net/conversation.h"

/* The whole talk, from greeting to goodbye. */
status imap_conversation(conversation *c);
/* The name of its n-th command; NULL behind the last. */
const char *imap_command_name(int n);

#endif
