/* How a folder is now. Looks of many readers go together as their changes do (batch.h): each command
   ends with one, and a question for many costs little more than one for one. For the files of this
   folder. */
#ifndef PENNYPOST_PROVIDER_FOLDER_LOOK_H
#define PENNYPOST_PROVIDER_FOLDER_LOOK_H

#include "base/arena.h"
#include "provider/batch.h"

struct folder_look {
	int64_t postoffice, mailbox, folder;
	arena *a; /* what is told lives there */

	slice name, words; /* keywords of the mailbox */
	int64_t modseq;
	uint32_t uidvalidity, recent; /* from where on messages are \Recent */

	/* Inside */
	bool there;
	status outcome;
	struct batch_job job;
};

/* As it is behind everything that was answered before the call. ST_ABSENT: the mailbox of that post office has no
   such folder. */
status folder_look(struct folder_look *l);

#endif
