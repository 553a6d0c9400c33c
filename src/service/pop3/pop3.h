/* POP3: RFC 1939 with CAPA (2449), STLS (2595), AUTH (5034), UTF8 and LANG (6856), RESP-CODES and
   AUTH-RESP-CODE (3206). A maildrop is the INBOX of a mailbox, locked across nodes while read. */
#ifndef PENNYPOST_SERVICE_POP3_POP3_H
#define PENNYPOST_SERVICE_POP3_POP3_H

#include "net/conversation.h"

/* The whole talk, from greeting to goodbye. */
status pop3_conversation(conversation *c);
/* The name of its n-th command; NULL behind the last. */
const char *pop3_command_name(int n);

extern const struct command pop3_commands[];
extern const int pop3_command_count;

#endif
