/* Sketches of messages (mail/sketch.h), in batches: which of many need not be read to know that
   something does not stand in them. Where search_index is on they are made behind the delivery
   (provider/search_index.h). They never change, so a process keeps those it saw last (setting
   sketch_cache_most). */
#ifndef PENNYPOST_PROVIDER_MESSAGE_SKETCH_H
#define PENNYPOST_PROVIDER_MESSAGE_SKETCH_H

#include "base/arena.h"
#include "base/status.h"

/* sketches[i] is of messages[i] and lives in `a`; empty when there is none. One round trip at
   most. */
status message_sketches(
	int64_t postoffice, const int64_t *messages, int n, arena *a, slice **sketches);
/* Whether each is still there: a sketch may be known of a message that is gone. */
status messages_standing(
	int64_t postoffice, const int64_t *messages, int n, arena *a, bool **standing);
/* Gives back what this process keeps. */
void message_sketches_forget(void);

#endif
