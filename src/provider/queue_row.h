/* What the files of the queue share. */
#ifndef PENNYPOST_PROVIDER_QUEUE_ROW_H
#define PENNYPOST_PROVIDER_QUEUE_ROW_H

#include "provider/db.h"
#include "provider/deliver.h"

/* One row of queue_due, queue_deferred_due or queue_list. Its slices lie where the rows do. */
void queue_row(const struct rows *r, int row, queue_entry *out);
/* Adds the statements of the part's queue rows; one part per message, all of one post office. The
   ledger counts `messages` as accepted with them. */
struct queue_addition {
	int64_t message;
	const struct queue_envelope *envelope;
	const struct queue_recipient *to;
	int n;
};
void queue_add(db_tx *tx, arena *a, int64_t postoffice, const struct queue_addition *all, int n,
	int messages);
/* Counts the recipients of senders that have a limit (T19). */
void queue_count(db_tx *tx, arena *a, int64_t postoffice, const struct queue_addition *all, int n);
/* Adds what ends a report's cause. */
void queue_end(db_tx *tx, arena *a, const struct queue_result *ends, int n);
/* Adds, last in the transaction of a delivery, how mailboxes' own mail ended (T19); after its
   commit queue_ends_tell() says whose pause began. */
struct queue_pauses {
	struct rows *rows; /* of each statement */
	int n;
};
void queue_ends(db_tx *tx, arena *a, const struct queue_result *const *ends, int n,
	struct queue_pauses *out);
/* The same of any post office, under DB_SYSTEM. */
void queue_ends_any(db_tx *tx, arena *a, const struct queue_result *const *ends, int n,
	struct queue_pauses *out);
void queue_ends_tell(const struct queue_pauses *p);
/* Adds what writes results of any post office; the rows that were changed come back by their
   ids. */
void queue_results(db_tx *tx, arena *a, const struct queue_result *results, int n,
	struct rows *done, struct rows *later);

#endif
