/* The ledger (R24): how much each post office was given, and what became of it. Figures are counted
   in the transactions that do the deed, by the statements that do it, and never set back. What they
   say must be what is stored:

       queue    put + settled = sent + returned + told + dropped + deleted + what waits now
       mail     addressed + settled = what stands as delivered at mailboxes + carried, from those that are gone
       octets, messages, folders    a mailbox, and each of its folders, says what stands in it

   Each is looked at in one statement, which sees one moment: it is exact while mail comes and goes.
   What is not so is a breach. It is logged, stands in the table ledger_breach until a later look
   finds it well, and is told by the gauge ledger_breaches. */
#ifndef PENNYPOST_PROVIDER_LEDGER_H
#define PENNYPOST_PROVIDER_LEDGER_H

#include "base/arena.h"
#include "base/clock.h"
#include "provider/audit.h"

enum ledger_figure {
	LEDGER_ACCEPTED,  /* messages stored by deliveries */
	LEDGER_ADDRESSED, /* to so many mailboxes */
	LEDGER_PUT,       /* rows of the queue that were made */
	LEDGER_SENT,      /* and how they went: enum queue_gone, or deleted by an operator */
	LEDGER_RETURNED,
	LEDGER_TOLD,
	LEDGER_DROPPED,
	LEDGER_DELETED,
	LEDGER_PARKED,        /* rows that became bad mail */
	LEDGER_REPEATED,      /* messages that were known and not stored again */
	LEDGER_CARRIED,       /* deliveries to mailboxes that are gone */
	LEDGER_SETTLED_QUEUE, /* differences that an operator acknowledged */
	LEDGER_SETTLED_MAIL,
	LEDGER_FIGURES
};
struct ledger_row {
	int64_t postoffice; /* 0: the house, which relays for others */
	slice name;         /* empty: the house */
	int64_t figure[LEDGER_FIGURES];
	int64_t waiting;   /* rows of the queue now, parked ones too */
	int64_t parked;    /* of them; 0 where it was not asked for */
	int64_t delivered; /* to mailboxes, those that are gone too */
	int64_t apart;     /* rows of the table */
	int64_t mailboxes;
};
/* By post office, behind `after` (-1 = from the start), at most `most`. */
status ledger_list(
	int64_t after, unsigned most, bool parked, arena *a, struct ledger_row **rows, int *n);

enum ledger_what {
	LEDGER_QUEUE,
	LEDGER_MAIL,
	LEDGER_OCTETS,
	LEDGER_MESSAGES,
	LEDGER_FOLDERS,
	LEDGER_WHATS
};
const char *ledger_what_name(enum ledger_what w);
struct ledger_breach {
	int64_t postoffice, mailbox; /* mailbox 0: of the post office */
	slice name, mailbox_name;
	enum ledger_what what;
	int64_t counted, found; /* LEDGER_FOLDERS: there are, and say what stands in them */
	usec since;
};
/* What is known to be wrong with a post office and its mailboxes (-1 = with all), at most `most`.
 */
status ledger_breaches(
	int64_t postoffice, unsigned most, arena *a, struct ledger_breach **rows, int *n);

/* What a look saw. */
struct ledger_look {
	int64_t postoffices, mailboxes;
};
/* One turn of the house's check, about so many rows: post offices in turn, and a few mailboxes. The
   one process that holds the lease for it does it, all tell the gauge. `every`: when the next one
   comes. */
status ledger_turn(usec every, struct ledger_look *seen);
/* What processes counted apart comes together, where it is much: for a house that takes no turns.
 */
status ledger_gather(void);
/* Another process may take the next turn at once. */
void ledger_stop(void);
/* All post offices now, or one (-1 = all); `boxes`: all their mailboxes too, which reads every
   entry. */
status ledger_check(int64_t postoffice, bool boxes, struct ledger_look *seen);

/* Writes down the differences of a post office's figures as known, so that the next look finds them
   well, and has its mailboxes that are known to be wrong count anew: they are known for that no
   longer. Audited. ST_LIMITED: somebody else does. */
status ledger_settle(int64_t postoffice, const struct audit_by *by);

#endif
