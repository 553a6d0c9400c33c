/* Flags as clients write them. */
#ifndef PENNYPOST_SERVICE_IMAP_FLAGS_H
#define PENNYPOST_SERVICE_IMAP_FLAGS_H

#include "service/imap/session.h"

#define FLAGS_MOST 100 /* in one list */

struct flag_words {
	slice word[FLAGS_MOST];
	int n;
};

/* "(\\Seen work)", "()", or flags without brackets. */
status arg_flag_list(args *p, struct flag_words *f);
/* Bits the words have in a mailbox; `make`: keywords that have none get one, else they are nothing.
   ST_INVALID with p->trouble: no such flag; ST_LIMITED: no more keywords can be made. */
status flags_bits(conversation *c, args *p, const struct flag_words *f, int64_t mailbox, bool make,
	int64_t *bits);
/* The answer where no more can be made. */
status flags_too_many(conversation *c);

#endif
