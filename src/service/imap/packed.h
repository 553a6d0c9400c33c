/* Envelopes and structures of messages (mail/envelope.h, mail/structure.h): packed when they are first
   asked for, kept beside the message (provider/message_fact.h). FETCH, SORT and THREAD read them. */
#ifndef PENNYPOST_SERVICE_IMAP_PACKED_H
#define PENNYPOST_SERVICE_IMAP_PACKED_H

#include "provider/message_fact.h"

#define PACKED_ENVELOPE 1u
#define PACKED_STRUCTURE 2u

/* Facts of messages, in `a`, with what is `wanted` of them packed; one whose body is gone has blob 0. One
   round trip when all were packed before. */
status packed_facts(int64_t postoffice, const int64_t *messages, int n, unsigned wanted, arena *a,
	struct message_fact **facts);

#endif
