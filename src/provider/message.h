/* Messages: the immutable row of one accepted message in one post office (store.md, reason 9). */
#ifndef PENNYPOST_PROVIDER_MESSAGE_H
#define PENNYPOST_PROVIDER_MESSAGE_H

#include "base/arena.h"
#include "base/clock.h"
#include "base/status.h"
#include "provider/setting.h"

typedef struct message {
	int64_t id, postoffice, blob;
	int64_t size;
	uint32_t header_size;
	usec sent; /* Date field; 0 = none */
	slice subject, from, message_id;
} message;

struct message_entry { /* a row of a mailbox's message list (A33) */
	message m;
	slice folder;
	uint32_t uid;
	int64_t flags;
	usec received;
	usec removed; /* 0: it is there */
};

/* The largest message that is taken there: smtp_message_most, or what the store is made for where
   that is 0. */
static inline int64_t message_size_most(const struct setting_at *at)
{
	int64_t most = setting_number(S_smtp_message_most, at);

	return most ? most : INT64_C(2) << 30;
}

status message_by_id(int64_t postoffice, int64_t id, arena *a, message **out); /* ST_ABSENT */
/* In whichever post office (system role): for the operator's trace and show. */
status message_anywhere(int64_t id, arena *a, message **out);
/* Newest first, at most `most` (200 by default on the command line). */
status message_list(int64_t postoffice, int64_t mailbox, unsigned most, arena *a,
	struct message_entry **rows, int *n);

#endif
