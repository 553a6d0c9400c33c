/* What a delivery's transaction consists of, and what deliveries in steps (job.h) share with it.
   For the files of this folder. */
#ifndef PENNYPOST_PROVIDER_DELIVER_INSIDE_H
#define PENNYPOST_PROVIDER_DELIVER_INSIDE_H

#include "provider/db.h"
#include "provider/deliver.h"

struct delivery_keyed {
	const struct delivery *d;
	bool keyed; /* its repeat key goes along */
	usec fence; /* in the place of this fence (repeat.h); 0 = none stands */
};

/* All rows of these deliveries go along with `tx`; *pauses is told after its commit. */
struct queue_pauses;
void deliver_rows_add(
	db_tx *tx, arena *a, const struct delivery_keyed *all, int n, struct queue_pauses *pauses);
/* Whether one statement does for it, when it has a transaction of its own; and that one. */
bool deliver_goes_alone(const struct delivery *d);
void deliver_alone_add(db_tx *tx, arena *a, const struct delivery_keyed *one);
/* The next message it causes that is not left out; NULL when there is none. */
const struct delivery *deliver_next(const struct delivery *d);
/* How many bytes over its quota a delivery may bring the mailbox. */
int64_t deliver_over(const struct route *to);

/* Fills `d`, whose parts name their post offices, of a raw message: what its header tells, and a
   body for each part. Bodies are the caller's to close, whatever it returns. */
status deliver_text_read(slice raw, arena *a, struct delivery *d);
/* The body and message of the one part of `d` go along with `tx`; nobody has it yet. */
void deliver_message_add(db_tx *tx, arena *a, const struct delivery *d);
/* Entries of a message that stands go along with `tx`, which has the mailboxes locked; each is
   named once. */
void deliver_entries_add(
	db_tx *tx, arena *a, int64_t message, int64_t size, const struct delivery_part *to);
/* They were committed: figures, and news for readers. */
void deliver_counted(const struct delivery_part *to, int64_t size);

#endif
