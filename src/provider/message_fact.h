/* What FETCH tells of messages, in batches. A reader packs a message's envelope and part tree once,
   in whatever form it likes, and hands them over; they stand in a side table under a version of the
   reader's. Facts never change, so a process keeps those it saw last (setting fact_cache_most).
   Bodies: blob_each() and blob_head() with `blob`. */
#ifndef PENNYPOST_PROVIDER_MESSAGE_FACT_H
#define PENNYPOST_PROVIDER_MESSAGE_FACT_H

#include "base/arena.h"
#include "base/status.h"

#define MESSAGE_FACT_VERSION                                                                       \
	2 /* of what mail/envelope.h and mail/structure.h pack; to be raised with them */

struct message_fact {
	int64_t message, blob;
	uint32_t size, header_size; /* octets */
	int version;                /* of what follows; 0 = nobody packed it yet */
	slice envelope, structure;  /* as packed; either may be empty */
};

/* Octets of envelopes and structures that are given at a time, and those of one message. What
   strangers write makes some of megabytes. */
#define MESSAGE_FACTS_MOST ((size_t)2 * 1024 * 1024)

/* facts[i] is of messages[i] and lives in `a`; one that is gone has blob 0. One round trip at
   most. *whole: of so many, at least one, all that is known is given; of those behind them, which
   would be more than MESSAGE_FACTS_MOST, there may be no envelope and no structure, and version 0.
   NULL: of all, whatever that takes. */
status message_facts(int64_t postoffice, const int64_t *messages, int n, arena *a,
	struct message_fact **facts, int *whole);
/* The same for who does not want the structure, which may be empty though it was packed. */
status message_envelopes(int64_t postoffice, const int64_t *messages, int n, arena *a,
	struct message_fact **facts, int *whole);
/* Their bodies, when this process knows all of them; else false, and *blobs is anything. Never
   waits. */
bool message_bodies_known(int64_t postoffice, const int64_t *messages, int n, int64_t *blobs);
/* Keeps version (one for all of them), envelope and structure; of two versions the greater one
   stays, and of one version what was packed first, an empty one giving way. Facts of messages that
   are gone are nothing. A hint that may get lost: the answer to a client need not wait for its
   kind. */
status message_facts_keep(int64_t postoffice, const struct message_fact *facts, int n);
/* Keeps all of them in this process alone. Never waits. */
void message_facts_learn(int64_t postoffice, const struct message_fact *facts, int n);
/* Gives back what this process keeps. */
void message_facts_forget(void);

#endif
