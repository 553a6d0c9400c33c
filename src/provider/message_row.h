/* The rows that a new message has for itself, whoever brings it: those of its body and of `message`. For
   append.c, deliver_rows.c and together.c. */
#ifndef PENNYPOST_PROVIDER_MESSAGE_ROW_H
#define PENNYPOST_PROVIDER_MESSAGE_ROW_H

#include "provider/blob_store.h"
#include "provider/header_facts.h"

struct message_row {
	int64_t id;
	struct blob_packed body;
	uint32_t header_size;
	struct header_facts header;
};

/* Of many, as statements take them; all are lent from `a`. */
struct message_columns {
	int64_t *id, *header_size, *blob, *size, *segments;
	usec *sent; /* USEC_NEVER: none, for an array has no room for NULL times */
	slice *data, *subject, *from, *message_id; /* data: the first segment */
};
struct message_columns message_columns_of(const struct message_row *rows, int n, arena *a);

/* Those of one post office go along with `tx`. Gives how many statements they are, at least one. */
int message_rows_add(
	db_tx *tx, arena *a, int64_t postoffice, const struct message_row *rows, int n);

#endif
