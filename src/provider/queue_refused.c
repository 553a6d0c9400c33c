/* How mailboxes' own mail ends at other systems (T19): counted with the results, in the order of
   the table's key, so that two runners never wait for each other in a circle, and last in their
   transactions, since nobody who has one of these rows waits for anything else. The rule stands in
   the statement (queue_ends_noted in queue.sql). */
#include "provider/queue_row.h"

#include "base/id.h"
#include "base/log.h"
#include "base/metric.h"
#include "provider/change.h"
#include "provider/setting.h"

#include <inttypes.h>
#include <stdlib.h>

/* Whether it ended for good, at another system, and was the mailbox's own: what it passes on is
   others' mail, and what an operator gave back nobody refused. */
static bool is_own_end(const struct queue_result *r)
{
	const queue_entry *e = r->entry;

	return r->end != QUEUE_DEFER && e->mailbox != 0 && e->via.size == 0 &&
	       e->state != QUEUE_TELL && !e->returned;
}

static bool has_limit(const queue_entry *e)
{
	struct setting_at at = {.postoffice = e->postoffice, .mailbox = e->mailbox};

	return setting_number(S_sent_refused_percent, &at) > 0;
}

static int by_key(const void *a, const void *b)
{
	const queue_entry *x = (*(const struct queue_result *const *)a)->entry,
			  *y = (*(const struct queue_result *const *)b)->entry;

	if (x->postoffice != y->postoffice)
		return x->postoffice < y->postoffice ? -1 : 1;
	return (x->mailbox > y->mailbox) - (x->mailbox < y->mailbox);
}

/* A row for each mailbox that has the limit. */
enum { POSTOFFICE, MAILBOX, ENDED, REFUSED, PERCENT, LEAST, PAUSE, AUDIT, COLUMNS };
struct ends {
	int64_t *column[COLUMNS];
	int n;
};

static void row_begin(struct ends *e, const queue_entry *of)
{
	struct setting_at at = {.postoffice = of->postoffice, .mailbox = of->mailbox};
	const int64_t row[COLUMNS] = {[POSTOFFICE] = of->postoffice,
		[MAILBOX] = of->mailbox,
		[PERCENT] = setting_number(S_sent_refused_percent, &at),
		[LEAST] = setting_number(S_sent_refused_least, &at),
		[PAUSE] = setting_number(S_sent_refused_pause, &at),
		[AUDIT] = id_new()};

	for (int c = 0; c < COLUMNS; c++)
		e->column[c][e->n] = row[c];
	e->n++;
}

static struct ends ends_of(arena *a, const struct queue_result *const *all, int n)
{
	const struct queue_result **own = arena_new_array(a, (size_t)n, sizeof *own);
	struct ends e = {0};
	int count = 0;

	for (int i = 0; i < n; i++)
		if (is_own_end(all[i]) && has_limit(all[i]->entry))
			own[count++] = all[i];
	if (count == 0)
		return e;
	qsort(own, (size_t)count, sizeof *own, by_key);
	for (int c = 0; c < COLUMNS; c++)
		e.column[c] = arena_new_array(a, (size_t)count, sizeof **e.column);
	for (int i = 0; i < count; i++) {
		if (i == 0 || by_key(&own[i - 1], &own[i]) != 0)
			row_begin(&e, own[i]->entry);
		e.column[ENDED][e.n - 1]++;
		e.column[REFUSED][e.n - 1] += own[i]->refused;
	}
	return e;
}

static struct param rows_from(const struct ends *e, int column, int from, int to)
{
	return p_int_array(e->column[column] + from, to - from);
}

static void ends_add(
	db_tx *tx, enum statement_id id, const struct ends *e, int from, int to, struct rows *out)
{
	struct param p[COLUMNS];

	for (int c = 0; c < COLUMNS; c++)
		p[c] = rows_from(e, c, from, to);
	if (id == SQL_QUEUE_ENDS)
		p[POSTOFFICE] = p_int(e->column[POSTOFFICE][from]);
	db_add(tx, id, p, COLUMNS, out);
}

void queue_ends(
	db_tx *tx, arena *a, const struct queue_result *const *all, int n, struct queue_pauses *out)
{
	struct ends e = ends_of(a, all, n);
	const int64_t *postoffice = e.column[POSTOFFICE];

	*out = (struct queue_pauses){.rows = arena_new_array(a, (size_t)e.n, sizeof *out->rows)};
	for (int from = 0, to; from < e.n; from = to) {
		for (to = from + 1; to < e.n && postoffice[to] == postoffice[from]; to++)
			;
		ends_add(tx, SQL_QUEUE_ENDS, &e, from, to, &out->rows[out->n++]);
	}
}

void queue_ends_any(
	db_tx *tx, arena *a, const struct queue_result *const *all, int n, struct queue_pauses *out)
{
	struct ends e = ends_of(a, all, n);

	*out = (struct queue_pauses){0};
	if (e.n == 0)
		return;
	out->rows = arena_new(a, sizeof *out->rows);
	ends_add(tx, SQL_QUEUE_ENDS_ANY, &e, 0, e.n, &out->rows[out->n++]);
}

void queue_ends_tell(const struct queue_pauses *p)
{
	for (int i = 0; i < p->n; i++)
		for (int k = 0; k < p->rows[i].count; k++) {
			const struct rows *r = &p->rows[i];

			log_event(EV_QUEUE_REFUSED,
				"postoffice=%s mailbox=%s ended=%" PRId64 " refused=%" PRId64,
				log_quote(row_slice(r, k, 3)), log_quote(row_slice(r, k, 2)),
				row_int(r, k, 0), row_int(r, k, 1));
			metric_add(M_mailboxes_paused, SERVICE_NONE, 1);
		}
}

/* ---- for operators */

status queue_refused(int64_t postoffice, int64_t mailbox, struct queue_refused *out)
{
	arena a = ARENA_INIT;
	struct rows r;
	status kind = db_one(
		SQL_QUEUE_REFUSED, (struct param[]){p_int(postoffice), p_int(mailbox)}, 2, &a, &r);

	if (kind == ST_OK)
		*out = (struct queue_refused){row_time(&r, 0, 0), row_int(&r, 0, 1),
			row_int(&r, 0, 2), row_time(&r, 0, 3)};
	arena_release(&a);
	return kind;
}

status queue_refused_release(int64_t postoffice, int64_t mailbox, const struct audit_by *by)
{
	arena a = ARENA_INIT;
	db_tx *tx = db_begin(DB_RUN, &a);
	struct rows r;

	db_add(tx, SQL_QUEUE_REFUSED_RELEASE, (struct param[]){p_int(postoffice), p_int(mailbox)},
		2, &r);
	status kind = db_flush(tx);
	if (kind == ST_OK && r.count > 0) {
		kind = change_commit_raising(
			&tx, postoffice, by, "mailbox.release", row_slice(&r, 0, 0), S(""), 0);
	} else {
		db_rollback(&tx);
		kind = kind == ST_OK ? ST_ABSENT : kind;
	}
	arena_release(&a);
	return kind;
}
