/* Envelopes and structures of messages (mail/envelope.h, mail/structure.h): packed when they are
   first asked for, kept beside the message (provider/message_fact.h). FETCH, SORT and THREAD read
   them. */
#ifndef PENNYPOST_SERVICE_IMAP_PACKED_H
#define PENNYPOST_SERVICE_IMAP_PACKED_H

#include "mail/envelope.h"
#include "provider/message_fact.h"
#include "provider/view.h"

#define PACKED_ENVELOPE 1u
#define PACKED_STRUCTURE 2u

/* Octets that are packed at a time of small messages, and of others; besides, those of one more. */
#define PACKED_MOST ((size_t)2 * 1024 * 1024)

/* Facts of messages, in `a`, with what is `wanted` of them packed; one whose body is gone has blob
   0. One round trip when all were packed before. *n becomes of how many from the first on it is so,
   at least one: the others would be more octets than are given (MESSAGE_FACTS_MOST) or packed
   (PACKED_MOST) at a time. */
status packed_facts(int64_t postoffice, const int64_t *messages, int *n, unsigned wanted, arena *a,
	struct message_fact **facts);

/* The same in two steps, so that the caller can go on while what was packed now is kept. `fresh`
   lies in `a`, too. */
struct packed_fresh {
	struct message_fact *facts;
	int n;
};
status packed_facts_fresh(int64_t postoffice, const int64_t *messages, int *n, unsigned wanted,
	arena *a, struct message_fact **facts, struct packed_fresh *fresh);
/* What can't be kept is packed again when it is asked for next. */
void packed_keep(int64_t postoffice, const struct packed_fresh *fresh);

/* Calls `each` for the messages of a view with these UIDs, in their order, with their envelopes
   unpacked (lent until it returns); of what is gone meanwhile both are empty. Without `envelopes`
   nothing is asked of the store, and all envelopes are empty. What `each` gives ends the walk
   unless it is ST_OK. */
status packed_each(const view *v, const uint32_t *uids, int n, bool envelopes,
	status (*each)(int which, const struct view_entry *e, const envelope *facts, void *arg),
	void *arg);

#endif
