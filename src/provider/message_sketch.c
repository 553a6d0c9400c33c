/* Sketches: from this process's memory, and from the store for those it does not know. */
#include "provider/message_sketch.h"

#include "mail/sketch.h"
#include "provider/db.h"
#include "provider/message_kept.h"

static struct message_kept known = MESSAGE_KEPT_INIT(known, S_sketch_cache_most);

static status ask(int64_t postoffice, const int64_t *messages, const int *open, int n, arena *a,
	slice *sketches)
{
	int64_t *ids = arena_new_array(a, (size_t)n, sizeof *ids);
	struct rows r;

	for (int i = 0; i < n; i++)
		ids[i] = messages[open[i]];
	TRY(db_run(SQL_MESSAGE_SKETCHES,
		(struct param[]){p_int(postoffice), p_int_array(ids, n), p_int(SKETCH_VERSION)}, 3,
		a, &r));
	for (int row = 0; row < r.count; row++) {
		int which = (int)row_int(&r, row, 0) - 1;

		sketches[open[which]] = row_slice(&r, row, 1);
		message_kept_put(&known, postoffice, ids[which], sketches[open[which]]);
	}
	return ST_OK;
}

status message_sketches(
	int64_t postoffice, const int64_t *messages, int n, arena *a, slice **sketches)
{
	int *open = arena_new_array(a, (size_t)n + 1, sizeof *open), open_n = 0;

	*sketches = arena_new_array(a, (size_t)n + 1, sizeof **sketches);
	for (int i = 0; i < n; i++) {
		(*sketches)[i] = message_kept_find(&known, postoffice, messages[i], a);
		if ((*sketches)[i].size == 0)
			open[open_n++] = i;
	}
	return open_n ? ask(postoffice, messages, open, open_n, a, *sketches) : ST_OK;
}

status messages_standing(
	int64_t postoffice, const int64_t *messages, int n, arena *a, bool **standing)
{
	struct rows r;

	*standing = arena_new_array(a, (size_t)n + 1, sizeof **standing);
	TRY(db_run(SQL_MESSAGES_STANDING,
		(struct param[]){p_int(postoffice), p_int_array(messages, n)}, 2, a, &r));
	for (int row = 0; row < r.count; row++)
		(*standing)[row_int(&r, row, 0) - 1] = true;
	return ST_OK;
}

void message_sketches_forget(void)
{
	message_kept_forget(&known);
}
