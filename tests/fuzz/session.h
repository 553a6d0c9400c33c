/* What the fuzz targets of whole sessions share: the input's bytes come from a file, the answers go
   to one, and the conversation runs alone on this thread, as with --stdio. */
#ifndef PENNYPOST_TESTS_FUZZ_SESSION_H
#define PENNYPOST_TESTS_FUZZ_SESSION_H

#include "net/conversation.h"

#include <stdlib.h>

static inline void must(bool holds)
{
	if (!holds)
		abort();
}

/* Plays the bytes to the service; what it said is added to `said`. `trickle`: byte by byte. */
void session_play(enum service service, status (*run)(conversation *c), slice bytes, bool trickle,
	text *said);

#endif
