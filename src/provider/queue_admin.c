/* The queue as operators see and change it, and the count of what was sent. */
#include "provider/change.h"
#include "provider/queue_row.h"

#include "base/id.h"
#include "base/log.h"
#include "base/text.h"
#include "provider/trace.h"

#define ORDER_MOST                                                                                 \
	10000 /* rows of one transaction: a longer one would be in the way of results              \
\ */

/* A filter with * as a pattern of LIKE, in lower case. */
static slice pattern_of(slice written, arena *a)
{
	text t = TEXT_INIT;

	for (size_t i = 0; i < written.size; i++) {
		char c = written.at[i];

		if (c == '%' || c == '_' || c == '\\')
			text_add_char(&t, '\\');
		text_add_char(&t, c == '*' ? '%' : c >= 'A' && c <= 'Z' ? (char)(c + 32) : c);
	}
	slice pattern = t.size ? arena_copy(a, text_slice(&t)) : S("");
	text_free(&t);
	return pattern;
}

/* Those of queue_wanted (sql/statement/queue.sql), behind two of the statement's own. */
#define FILTER_PARAMS 8
static void filter_params(const struct queue_filter *f, arena *a, struct param *p)
{
	p[2] = p_text(pattern_of(f->sender, a));
	p[3] = p_text(pattern_of(f->recipient, a));
	p[4] = p_text(pattern_of(f->domain, a));
	p[5] = p_int(f->postoffice);
	p[6] = p_int(f->older);
	p[7] = p_int(f->state);
}

/* Those a recipient may be in, where the filter names his domain: the domain's, and that of
   addresses nobody could find one for; else all. A domain alone is found soon enough in order: its
   shard may be most of the queue. */
static bool shards_of(slice recipient, arena *a, struct param *shards)
{
	size_t at = slice_find_last(recipient, '@');
	int64_t *numbers = arena_new_array(a, QUEUE_SHARDS, sizeof *numbers);
	bool literal = at + 1 < recipient.size &&
		       recipient.at[at + 1] == '['; /* its letters count as they are */
	bool named = at < recipient.size && !literal &&
		     slice_find(slice_from(recipient, at), '*') + at == recipient.size;
	int n = QUEUE_SHARDS;

	for (int i = 0; i < n; i++)
		numbers[i] = i;
	if (named) {
		numbers[0] = queue_shard(arena_lower(a, slice_from(recipient, at + 1)));
		numbers[1] = queue_shard(S(""));
		n = numbers[0] == numbers[1] ? 1 : 2;
	}
	*shards = p_int_array(numbers, n);
	return named;
}

/* As few rows as the filter lets are read: a row or a message by its id, a recipient's shard, what
   waits for a word. */
status queue_list(const struct queue_filter *f, int64_t after, unsigned most, arena *a,
	queue_entry **rows, int *n)
{
	struct param p[FILTER_PARAMS + 2] = {p_int(after), p_int(most)};
	enum statement_id id = SQL_QUEUE_LIST;
	bool waits = f->state == QUEUE_HELD || f->state == QUEUE_PARKED;
	int count = FILTER_PARAMS;
	struct param shards;
	struct rows r;

	filter_params(f, a, p);
	bool named = shards_of(f->recipient, a, &shards);
	if (f->id) {
		id = SQL_QUEUE_LIST_OF;
		p[count++] = p_int(f->id);
	} else if (named || waits) {
		id = SQL_QUEUE_LIST_IN;
		p[count++] = shards;
		p[count++] = p_int(waits);
	}
	db_tx *tx = db_begin(DB_SYSTEM, a);
	if (id != SQL_QUEUE_LIST)
		db_add(tx, SQL_QUEUE_BY_INDEX, NULL, 0, NULL);
	db_add(tx, id, p, count, &r);
	TRY(db_commit(&tx, NULL));
	*rows = arena_new_array(a, (size_t)r.count, sizeof **rows);
	*n = r.count;
	for (int i = 0; i < r.count; i++)
		queue_row(&r, i, &(*rows)[i]);
	return ST_OK;
}

status queue_taken(const queue_entry *rows, int n, arena *a, struct queue_holder **by)
{
	int64_t *ids = arena_new_array(a, (size_t)n, sizeof *ids);
	struct rows r;

	for (int i = 0; i < n; i++)
		ids[i] = rows[i].id;
	TRY(db_run(SQL_QUEUE_TAKEN, (struct param[]){p_int_array(ids, n)}, 1, a, &r));
	*by = arena_new_array(a, (size_t)n, sizeof **by);
	for (int k = 0; k < r.count; k++)
		for (int i = 0; i < n; i++)
			if (ids[i] == row_int(&r, k, 0))
				(*by)[i] = (struct queue_holder){
					row_slice(&r, k, 1), row_time(&r, k, 2)};
	return ST_OK;
}

/* What is not named stands there empty. */
static slice shown_filter(const struct queue_filter *f, arena *a)
{
	static const char *const states[] = {"ready", "held", "parked", "tell"};
	char id[ID_TEXT_SIZE + 1];

	id_text(f->id, id);
	return change_detail(a,
		(struct change_fact[]){{"sender", f->sender}, {"recipient", f->recipient},
			{"domain", f->domain},
			{"postoffice", f->postoffice >= 0
					       ? arena_format(a, "%lld", (long long)f->postoffice)
					       : S("")},
			{"age", f->older ? arena_format(a, "%lld s", (long long)(f->older / USEC_S))
					 : S("")},
			{"state", f->state >= 0 ? slice_z(states[f->state]) : S("")},
			{"id", f->id ? slice_z(id) : S("")}},
		7);
}

/* Where a message or a row is meant, its rows, behind `after`. */
static status ids_of(const struct queue_filter *f, int64_t after, arena *a, int64_t **ids, int *n)
{
	queue_entry *rows = NULL;

	*n = 0;
	if (f->id)
		TRY(queue_list(f, after, ORDER_MOST, a, &rows, n));
	*ids = arena_new_array(a, (size_t)*n + 1, sizeof **ids);
	for (int i = 0; i < *n; i++)
		(*ids)[i] = rows[i].id;
	return ST_OK;
}

/* Who looks for that mail later finds out. */
static void trace_removed(const struct rows *r, const struct audit_by *by)
{
	for (int i = 0; i < r->count && !row_null(r, i, 3); i++) {
		char id[ID_TEXT_SIZE + 1];

		id_text(row_int(r, i, 5), id);
		trace_note(row_int(r, i, 3), row_int(r, i, 4), TRACE_REMOVED,
			"service=queue entry=%s recipient=%s who=%s", id,
			log_quote(row_slice(r, i, 6)), log_quote(by->who));
	}
	if (r->count > 1) /* before more of them than are gathered */
		trace_flush();
}

/* Some of them, behind *after; *more: there may be more. The first of an order tells the audit of
   all. */
static status order_some(const struct queue_filter *f, enum queue_order o,
	const struct audit_by *by, arena *a, int64_t *after, bool *more, int64_t *changed)
{
	static const char *const actions[] = {
		"queue.retry", "queue.hold", "queue.release", "queue.return", "queue.delete"};
	int64_t *ids;
	struct rows r;
	int n;

	TRY(ids_of(f, *after, a, &ids, &n));
	*more = false;
	if (f->id && n == 0)
		return ST_OK;
	struct param p[FILTER_PARAMS + 2] = {p_int(o), p_int_array(ids, n)};
	filter_params(f, a, p);
	p[FILTER_PARAMS] = p_int(*after);
	p[FILTER_PARAMS + 1] = p_int(ORDER_MOST);
	db_tx *tx = db_begin(DB_SYSTEM, a);
	db_add(tx, SQL_QUEUE_BY_INDEX, NULL, 0, NULL);
	db_add(tx, SQL_QUEUE_ORDER, p, FILTER_PARAMS + 2, &r);
	if (*after == 0)
		change_audit(tx, 0, by, actions[o], S("queue"), shown_filter(f, a));
	change_rise(tx, REVISION_QUEUE);
	TRY(db_commit(&tx, NULL));
	*changed += row_int(&r, 0, 0);
	*more = (f->id ? n : row_int(&r, 0, 1)) == ORDER_MOST;
	*after = f->id ? ids[n - 1] : *more ? row_int(&r, 0, 2) : *after;
	trace_removed(&r, by);
	change_tell(REVISION_QUEUE);
	return ST_OK;
}

status queue_order(const struct queue_filter *f, enum queue_order o, const struct audit_by *by,
	int64_t *changed)
{
	int64_t after = 0;
	bool more = true;
	status kind = ST_OK;

	*changed = 0;
	while (more && kind == ST_OK) {
		arena a = ARENA_INIT;

		kind = order_some(f, o, by, &a, &after, &more, changed);
		arena_release(&a);
	}
	return kind;
}

status queue_counts(struct queue_counts *out)
{
	arena a = ARENA_INIT;
	struct rows r;
	status kind = db_one(SQL_QUEUE_COUNTS, NULL, 0, &a, &r);

	if (kind == ST_OK)
		*out = (struct queue_counts){row_int(&r, 0, 0), row_int(&r, 0, 1),
			row_int(&r, 0, 2), row_int(&r, 0, 3), row_time(&r, 0, 4)};
	arena_release(&a);
	return kind;
}

status queue_sent(
	int64_t postoffice, int64_t mailbox, const slice *to, int n, struct queue_sent *out)
{
	arena a = ARENA_INIT;
	struct rows r;
	status kind = db_one(SQL_QUEUE_SENT,
		(struct param[]){p_int(postoffice), p_int(mailbox), p_text_array(to, n)}, 3, &a,
		&r);

	if (kind == ST_OK)
		*out = (struct queue_sent){row_int(&r, 0, 0), row_int(&r, 0, 1), row_int(&r, 0, 2),
			row_int(&r, 0, 3), row_time(&r, 0, 4)};
	arena_release(&a);
	return kind;
}
