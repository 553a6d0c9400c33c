/* See message_row.h. */
#include "provider/message_row.h"

struct message_columns message_columns_of(const struct message_row *rows, int n, arena *a)
{
	int64_t *numbers = arena_new_array(a, (size_t)n * 6, sizeof *numbers);
	slice *bytes = arena_new_array(a, (size_t)n * 4, sizeof *bytes);
	struct message_columns c = {.id = numbers,
		.header_size = numbers + n,
		.blob = numbers + 2 * n,
		.size = numbers + 3 * n,
		.segments = numbers + 4 * n,
		.sent = numbers + 5 * n,
		.data = bytes,
		.subject = bytes + n,
		.from = bytes + 2 * n,
		.message_id = bytes + 3 * n};

	for (int i = 0; i < n; i++) {
		const struct message_row *m = &rows[i];

		c.id[i] = m->id;
		c.header_size[i] = m->header_size;
		c.blob[i] = m->body.id;
		c.size[i] = (int64_t)m->body.size;
		c.segments[i] = m->body.segments;
		c.sent[i] = m->header.sent ? m->header.sent : USEC_NEVER;
		c.data[i] = m->body.data[0];
		c.subject[i] = m->header.subject;
		c.from[i] = m->header.from;
		c.message_id[i] = m->header.message_id;
	}
	return c;
}

/* Those behind the first, which goes with the blob's row. */
static int segments_add(db_tx *tx, int64_t postoffice, const struct blob_packed *b)
{
	for (int s = 1; s < b->held; s++)
		db_add(tx, SQL_BLOB_SEGMENT_STORE,
			(struct param[]){
				p_int(postoffice), p_int(b->id), p_int(s), p_bytes(b->data[s])},
			4, NULL);
	return b->held - 1;
}

int message_rows_add(db_tx *tx, arena *a, int64_t postoffice, const struct message_row *rows, int n)
{
	struct message_columns c = message_columns_of(rows, n, a);
	int statements = 1;

	for (int i = 0; i < n; i++)
		statements += segments_add(tx, postoffice, &rows[i].body);
	db_add(tx, SQL_DELIVER_MESSAGES,
		(struct param[]){p_int(postoffice), p_int_array(c.blob, n), p_int_array(c.size, n),
			p_int_array(c.segments, n), p_bytes_array(c.data, n), p_int_array(c.id, n),
			p_int_array(c.header_size, n), p_time_array(c.sent, n),
			p_text_array(c.subject, n), p_text_array(c.from, n),
			p_text_array(c.message_id, n)},
		11, NULL);
	return statements;
}
