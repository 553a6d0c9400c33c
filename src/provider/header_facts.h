/* What the row of a message tells of its header, for lists and traces. */
#ifndef PENNYPOST_PROVIDER_HEADER_FACTS_H
#define PENNYPOST_PROVIDER_HEADER_FACTS_H

#include "base/arena.h"
#include "base/clock.h"
#include "mail/header.h"

#define HEADER_SHOWN_MOST 200 /* bytes of subject and sender kept for lists */
#define HEADER_ID_MOST 998

struct header_facts {
	slice subject, from, message_id;
	usec sent; /* 0 = none */
};
/* Of a header that has been looked at; may lie in it. */
void header_facts_of(const header_survey *h, arena *a, struct header_facts *out);
void header_facts_read(slice header, arena *a, struct header_facts *out);

/* What goes into text columns must be text, and there; what mail says may be anything. */
slice header_shown(slice s, size_t most, arena *a);

#endif
