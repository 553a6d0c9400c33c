/* Small changes of mailboxes, by their readers, that go together: while a transaction of one of them is
   under way others gather, and go as one when it is done (batch.h); a statement that serves many
   mailboxes costs a part of what one for each does, and they share its flush. A change that is
   alone, as in quiet hours, goes its own way. For the files of this folder. */
#ifndef PENNYPOST_PROVIDER_TOGETHER_H
#define PENNYPOST_PROVIDER_TOGETHER_H

#include "provider/append.h"
#include "provider/batch.h"
#include "provider/message_row.h"

enum together_kind { TOGETHER_STORE, TOGETHER_EXPUNGE, TOGETHER_APPEND, TOGETHER_KINDS };

struct together {
	enum together_kind kind;
	int64_t postoffice, mailbox;
	/* STORE, EXPUNGE */
	int64_t folder;
	slice uids;          /* as PostgreSQL writes a multirange */
	int64_t remove, add; /* flags: STORE */
	int64_t known;       /* EXPUNGE: the MODSEQ at which the folder must be; 0 = any */
	/* APPEND, of one message whose body is one segment */
	const struct append *append;
	const struct message_row *row;
	slice name; /* of its folder, as it is stored */

	arena *a; /* what is told lives there */

	/* What is told */
	bool done;      /* stored, as told below; else it was not asked for or left out */
	int64_t before; /* the folder's MODSEQ */
	int64_t modseq; /* given; 0: nothing changed */
	slice words;    /* keywords of the mailbox */
	uint32_t recent;
	int64_t n;                 /* entries that changed */
	uint32_t uidvalidity, uid; /* APPEND; `folder` too */
	usec stored_at;

	/* Inside */
	status (*by_itself)(void *arg);
	void *arg;
	status outcome;
	struct batch_job job;
};

/* Does it, with others or `by_itself`, whose status is given then. ST_OK with t->done: stored together with
   others. ST_UNSURE: likewise, and nobody knows: by_itself has not run. Where a mailbox is held by somebody else,
   or what was tried together failed, by_itself runs after all. */
status together_run(struct together *t, status (*by_itself)(void *arg), void *arg);

#endif
