/* See together.h. A batch is one transaction of one round trip: for each post office the mailboxes
   are locked that nobody else changes, then there is a statement for each kind of change. It waits for no mailbox, so
   nobody has to wait for those who hold one, and no two batches can wait for each other. */
#include "provider/together.h"

#include "base/fault.h"
#include "base/metric.h"
#include "provider/db.h"

#include <stdlib.h>

#define RUN_MOST (10 * USEC_S)

/* Those of one kind and post office. */
struct kin {
	struct together **all;
	int n;
	struct rows r;
};

/* ---- the statements */

static int64_t *numbers_of(
	const struct kin *k, arena *a, int64_t (*number)(const struct together *))
{
	int64_t *all = arena_new_array(a, (size_t)k->n, sizeof *all);

	for (int i = 0; i < k->n; i++)
		all[i] = number(k->all[i]);
	return all;
}

static struct param numbers(
	const struct kin *k, arena *a, int64_t (*number)(const struct together *))
{
	return p_int_array(numbers_of(k, a, number), k->n);
}

static int64_t mailbox_of(const struct together *t)
{
	return t->mailbox;
}

static int64_t folder_of(const struct together *t)
{
	return t->folder;
}

static int64_t remove_of(const struct together *t)
{
	return t->remove;
}

static int64_t add_of(const struct together *t)
{
	return t->add;
}

static int64_t known_of(const struct together *t)
{
	return t->known;
}

static int64_t must_of(const struct together *t)
{
	return t->append->folder_id;
}

static int64_t seen_of(const struct together *t)
{
	return t->append->seen_in;
}

static int64_t flags_of(const struct together *t)
{
	return t->append->messages->flags;
}

static usec received_of(const struct together *t)
{
	usec at = t->append->messages->received;

	return at ? at : USEC_NEVER;
}

static int64_t zone_of(const struct together *t)
{
	return t->append->messages->zone;
}

static slice *uids_of(const struct kin *k, arena *a)
{
	slice *all = arena_new_array(a, (size_t)k->n, sizeof *all);

	for (int i = 0; i < k->n; i++)
		all[i] = k->all[i]->uids;
	return all;
}

static void store_add(db_tx *tx, arena *a, int64_t postoffice, struct kin *k)
{
	db_add(tx, SQL_TOGETHER_STORE,
		(struct param[]){p_int(postoffice), numbers(k, a, mailbox_of),
			numbers(k, a, folder_of), p_text_array(uids_of(k, a), k->n),
			numbers(k, a, remove_of), numbers(k, a, add_of)},
		6, &k->r);
}

static void expunge_add(db_tx *tx, arena *a, int64_t postoffice, struct kin *k)
{
	db_add(tx, SQL_TOGETHER_EXPUNGE,
		(struct param[]){p_int(postoffice), numbers(k, a, mailbox_of),
			numbers(k, a, folder_of), p_text_array(uids_of(k, a), k->n),
			numbers(k, a, known_of)},
		5, &k->r);
}

static void append_add(db_tx *tx, arena *a, int64_t postoffice, struct kin *k)
{
	const int n = k->n;
	struct message_row *rows = arena_new_array(a, (size_t)n, sizeof *rows);
	slice *name = arena_new_array(a, (size_t)n, sizeof *name);

	for (int i = 0; i < n; i++) {
		rows[i] = *k->all[i]->row;
		name[i] = k->all[i]->name;
	}
	struct message_columns m = message_columns_of(rows, n, a);
	db_add(tx, SQL_TOGETHER_APPEND,
		(struct param[]){p_int(postoffice), numbers(k, a, mailbox_of),
			p_text_array(name, n), numbers(k, a, must_of), numbers(k, a, seen_of),
			p_int_array(m.blob, n), p_int_array(m.size, n), p_bytes_array(m.data, n),
			p_int_array(m.id, n), p_int_array(m.header_size, n),
			p_time_array(m.sent, n), p_text_array(m.subject, n),
			p_text_array(m.from, n), p_text_array(m.message_id, n),
			numbers(k, a, flags_of), p_time_array(numbers_of(k, a, received_of), n),
			numbers(k, a, zone_of)},
		17, &k->r);
}

static void hold_add(db_tx *tx, arena *a, struct together **all, int n)
{
	const struct kin everybody = {.all = all, .n = n};

	db_add(tx, SQL_TOGETHER_HOLD,
		(struct param[]){p_int(all[0]->postoffice), numbers(&everybody, a, mailbox_of)}, 2,
		NULL);
}

/* ---- what is told */

static struct together *asked(const struct kin *k, int row)
{
	return k->all[row_int(&k->r, row, 0) - 1];
}

static void changes_take(const struct kin *k)
{
	for (int i = 0; i < k->r.count; i++) {
		struct together *t = asked(k, i);

		t->done = true;
		if (!row_null(&k->r, i, 1)) {
			t->before = row_int(&k->r, i, 1);
			continue;
		}
		t->modseq = row_int(&k->r, i, 2);
		t->words = arena_copy(t->a, row_slice(&k->r, i, 3));
		t->recent = (uint32_t)row_int(&k->r, i, 4);
		t->n = row_int(&k->r, i, 5);
	}
}

static void appends_take(const struct kin *k)
{
	for (int i = 0; i < k->r.count; i++) {
		struct together *t = asked(k, i);

		t->done = true;
		t->folder = row_int(&k->r, i, 1);
		t->uidvalidity = (uint32_t)row_int(&k->r, i, 2);
		t->uid = (uint32_t)row_int(&k->r, i, 3);
		t->modseq = row_int(&k->r, i, 4);
		t->stored_at = row_time(&k->r, i, 5);
	}
}

static const struct {
	void (*add)(db_tx *tx, arena *a, int64_t postoffice, struct kin *k);
	void (*take)(const struct kin *k);
} kinds[TOGETHER_KINDS] = {
	[TOGETHER_STORE] = {store_add, changes_take},
	[TOGETHER_EXPUNGE] = {expunge_add, changes_take},
	[TOGETHER_APPEND] = {append_add, appends_take},
};

/* ---- a batch */

static int order(const void *a, const void *b)
{
	const struct together *x = *(struct together *const *)a, *y = *(struct together *const *)b;

	if (x->postoffice != y->postoffice)
		return x->postoffice < y->postoffice ? -1 : 1;
	return x->kind < y->kind ? -1 : x->kind > y->kind;
}

static bool is_kin(const struct together *x, const struct together *y)
{
	return x->postoffice == y->postoffice && x->kind == y->kind;
}

/* Puts what is to be done into the transaction; gives how many kin there are. */
static int kin_add(db_tx *tx, arena *a, struct together **all, int n, struct kin *kin)
{
	int count = 0;

	for (int from = 0, to; from < n; from = to) {
		if (from == 0 || all[from]->postoffice != all[from - 1]->postoffice) {
			for (to = from + 1; to < n && all[to]->postoffice == all[from]->postoffice;)
				to++;
			hold_add(tx, a, all + from, to - from);
		}
		for (to = from + 1; to < n && is_kin(all[to], all[from]);)
			to++;
		struct kin *k = &kin[count++];
		*k = (struct kin){.all = all + from, .n = to - from};
		kinds[all[from]->kind].add(tx, a, all[from]->postoffice, k);
	}
	return count;
}

static status batch_try(struct together **all, int n)
{
	arena a = ARENA_INIT;
	struct kin *kin = arena_new_array(&a, (size_t)n, sizeof *kin);
	db_tx *tx = db_begin(DB_RUN, &a);
	int count = kin_add(tx, &a, all, n, kin);
	usec before = task_deadline(clock_now() + RUN_MOST);
	status s = db_commit(&tx, NULL);

	task_deadline(before);
	if (s == ST_OK && FAULT("together_committed"))
		s = ST_UNSURE;
	for (int i = 0; s == ST_OK && i < count; i++)
		kinds[kin[i].all[0]->kind].take(&kin[i]);
	arena_release(&a);
	return s;
}

static void batch_change(struct batch *b)
{
	arena a = ARENA_INIT;
	struct together **all = arena_new_array(&a, (size_t)b->n, sizeof *all);

	for (int i = 0; i < b->n; i++)
		all[i] = LINK_OWNER(b->jobs[i], struct together, job);
	qsort(all, (size_t)b->n, sizeof *all, order);
	status s = batch_try(all, b->n);
	for (int i = 0; i < b->n; i++) {
		all[i]->outcome = s;
		metric_add(M_changes_together, SERVICE_NONE, all[i]->done);
	}
	metric_add(M_change_batches, SERVICE_NONE, s == ST_OK);
	arena_release(&a);
}

/* One change of a mailbox: the next one may depend on it. */
static bool batch_fits(const struct batch *b, const struct batch_job *next)
{
	const struct together *t = LINK_OWNER(next, struct together, job);

	if (!batch_has_room(b, next))
		return false;
	for (int i = 0; i < b->n; i++)
		if (LINK_OWNER(b->jobs[i], struct together, job)->mailbox == t->mailbox)
			return false;
	return true;
}

static void change_alone(struct batch_job *job)
{
	struct together *t = LINK_OWNER(job, struct together, job);

	t->outcome = t->by_itself(t->arg);
	t->by_itself = NULL;
}

static const struct batch_rules rules = {
	BATCH_OF_READERS, .fits = batch_fits, .run = batch_change, .alone = change_alone};
static struct batcher batcher = BATCHER_INIT(batcher, &rules);

status together_run(struct together *t, status (*by_itself)(void *arg), void *arg)
{
	t->by_itself = by_itself;
	t->arg = arg;
	if (t->kind == TOGETHER_APPEND)
		t->job.weight = t->row->body.bytes;
	TRY(batch_join(&batcher, &t->job));
	if (!t->by_itself || t->done || t->outcome == ST_UNSURE)
		return t->outcome;
	return by_itself(arg);
}
