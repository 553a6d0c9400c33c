/* SMTP in: the server side of RFC 5321 with PIPELINING, SIZE, 8BITMIME, BINARYMIME, CHUNKING,
   SMTPUTF8, ENHANCEDSTATUSCODES, DSN, STARTTLS and AUTH; the MX service (port 25) and submission
   (587, 465). Recipients are resolved at RCPT, the message is stored at the end of DATA or BDAT
   LAST in one transaction, and 250 follows its commit. Nothing here outlives the conversation. */
#ifndef PENNYPOST_CONNECTOR_SMTP_SMTP_H
#define PENNYPOST_CONNECTOR_SMTP_SMTP_H

#include "net/conversation.h"

/* The whole talk, from greeting to goodbye; c->service tells MX (SERVICE_SMTP) from submission. */
status smtp_conversation(conversation *c);
/* The name of its n-th command; NULL behind the last. */
const char *smtp_command_name(int n);

/* Bans of other nodes count here too. Before the providers are opened. */
void smtp_open(void);
/* Forgets what a worker's conversations share: its resolver and the keys that sign. When none is
   open. */
void smtp_close(void);

/* The command rows, for help, manual and settings checks. */
extern const struct command smtp_commands[];
extern const int smtp_command_count;

#endif
