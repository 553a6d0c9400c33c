/* Header sections of messages, in batches: what searches and fetches of header fields read. They
   never change, so a process keeps those it saw last (setting head_cache_most). */
#ifndef PENNYPOST_PROVIDER_MESSAGE_HEAD_H
#define PENNYPOST_PROVIDER_MESSAGE_HEAD_H

#include "base/slice.h"
#include "base/status.h"

#include <stdint.h>

/* Of a longer header section only so much is given. */
#define MESSAGE_HEAD_MOST ((size_t)1024 * 1024)

/* `each` gets the place of its message in `messages` and the header section with its empty line,
   lent, in any order and without a wait in between; messages that are gone are passed over. Two
   round trips at most, and one for every big message. What `each` gives ends it unless it is
   ST_OK. */
status message_heads(int64_t postoffice, const int64_t *messages, int n,
	status (*each)(int which, slice head, void *arg), void *arg);
/* Keeps the whole header section of a message that was stored, for who has it at hand. */
void message_head_enter(int64_t postoffice, int64_t message, slice head);

#endif
