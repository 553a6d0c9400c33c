/* What a mailbox answers by itself (A29, A34): the owner's text between two moments, and who has
   been told already. One sender hears it once in a period, whichever worker takes his mail: the
   right to answer is used up in the transaction that stores the answer (deliver.h).

   Locks, in this order in every transaction: rows of `answered` by mailbox, kind and sender; the
   mailbox; its answer. A delivery uses up rights before it counts what mailboxes hold, so whoever
   sets an answer forgets who was told before he touches the mailbox. Housekeeping waits for
   nobody. */
#ifndef PENNYPOST_PROVIDER_ANSWER_H
#define PENNYPOST_PROVIDER_ANSWER_H

#include "base/clock.h"
#include "provider/audit.h"

typedef struct answer {
	slice subject;  /* empty = "Auto: " and that of the message */
	slice text;     /* UTF-8 */
	slice reply_to; /* canonical address; empty = none */
	usec starts;    /* wall; 0 = at once */
	usec ends;      /* wall; USEC_NEVER = until it is taken away */
} answer;

/* Sets it, in the place of the former one; who was told of that may be told again. ST_INVALID
   (*why), ST_DENIED: the postmaster does not answer by himself; ST_ABSENT (the mailbox).
   Audited. */
status answer_set(int64_t postoffice, int64_t mailbox, const answer *w, const struct audit_by *by,
	arena *a, slice *why);
status answer_of(int64_t postoffice, int64_t mailbox, arena *a, answer *out); /* ST_ABSENT: none */
status answer_remove(
	int64_t postoffice, int64_t mailbox, const struct audit_by *by); /* ST_ABSENT */

enum answer_kind {
	ANSWER_OWNER = 0,       /* the owner's text */
	ANSWER_FULL = 1,        /* to the sender: the mailbox is full (H2) */
	ANSWER_FULL_NOTICE = 2, /* to the mailbox: it is full; `sender` is empty */
};

/* Whether the owner's text is due to this sender now. `named` are the keys the message names as its
   recipients (autoreply_named). ST_OK; ST_ABSENT: no text at this time; ST_FOREIGN: no address of
   the mailbox is named; ST_DENIED: the sender is the mailbox; ST_EXISTS: he was told already. */
status answer_due(int64_t postoffice, int64_t mailbox, slice sender, const slice *named, int n,
	arena *a, answer *out);

/* The right to tell one sender something once in a period: of a delivery. */
struct answer_right {
	int64_t postoffice, mailbox;
	enum answer_kind kind;
	slice sender; /* key */
	usec period;
};
/* ST_OK: it can be had now. ST_EXISTS. */
status answer_may(const struct answer_right *r);

#endif
