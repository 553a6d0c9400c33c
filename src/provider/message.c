/* Messages: reading their immutable rows. */
#include "provider/message.h"

#include "provider/db.h"
#include "provider/folder_admin.h"

static void message_read(const struct rows *r, int row, message *m)
{
	*m = (message){
		.id = row_int(r, row, 0),
		.postoffice = row_int(r, row, 1),
		.blob = row_int(r, row, 2),
		.size = row_int(r, row, 3),
		.header_size = (uint32_t)row_int(r, row, 4),
		.sent = row_time(r, row, 5),
		.subject = row_slice(r, row, 6),
		.from = row_slice(r, row, 7),
		.message_id = row_slice(r, row, 8),
	};
}

static status message_one(
	enum statement_id id, const struct param *p, int n, arena *a, message **out)
{
	struct rows r;

	TRY(db_one(id, p, n, a, &r));
	*out = arena_new(a, sizeof **out);
	message_read(&r, 0, *out);
	return ST_OK;
}

status message_by_id(int64_t postoffice, int64_t id, arena *a, message **out)
{
	return message_one(
		SQL_MESSAGE_BY_ID, (struct param[]){p_int(postoffice), p_int(id)}, 2, a, out);
}

status message_anywhere(int64_t id, arena *a, message **out)
{
	return message_one(SQL_MESSAGE_ANYWHERE, (struct param[]){p_int(id)}, 1, a, out);
}

static void read_entries(const struct rows *r, arena *a, struct message_entry **rows, int *n)
{
	*rows = arena_new_array(a, (size_t)r->count, sizeof **rows);
	for (int i = 0; i < r->count; i++) {
		struct message_entry *e = &(*rows)[i];

		message_read(r, i, &e->m);
		e->folder = row_slice(r, i, 9);
		e->uid = (uint32_t)row_int(r, i, 10);
		e->flags = row_int(r, i, 11);
		e->received = row_time(r, i, 12);
		e->removed = r->columns > 13 ? row_time(r, i, 13) : 0;
	}
	*n = r->count;
}

status message_list(int64_t postoffice, int64_t mailbox, unsigned most, arena *a,
	struct message_entry **rows, int *n)
{
	struct param p[] = {p_int(postoffice), p_int(mailbox), p_int(most)};
	struct rows r;

	TRY(db_run(SQL_MESSAGE_LIST, p, 3, a, &r));
	read_entries(&r, a, rows, n);
	return ST_OK;
}

status message_removed_list(int64_t postoffice, int64_t mailbox, unsigned most, arena *a,
	struct message_entry **rows, int *n)
{
	struct param p[] = {
		p_int(postoffice), p_int(mailbox), p_int(folder_lost_span()), p_int(most)};
	struct rows r;

	TRY(db_run(SQL_MESSAGE_REMOVED_LIST, p, 4, a, &r));
	read_entries(&r, a, rows, n);
	return ST_OK;
}
