/* Taking locks and lists at the beginning of POP3 conversations, many in one round trip: for
   maildrop.c only. */
#ifndef PENNYPOST_PROVIDER_MAILDROP_ENTER_H
#define PENNYPOST_PROVIDER_MAILDROP_ENTER_H

#include "provider/maildrop.h"
#include "provider/maildrop_door.h"

struct maildrop_comer { /* one conversation that comes */
	struct maildrop_guest guest;
	int64_t inbox;
	usec lease, delay;
	int64_t logons; /* as of maildrop_take_remembered; 0: it is no remembered one */
	arena *arena;   /* for *taken */
	struct maildrop_taken *taken; /* its token is given */
};

/* As maildrop_take, but for: ST_ABSENT leaves the lock taken, ST_UNSURE may have taken it. */
status maildrop_enter(struct maildrop_comer *own);

#endif
