/* See folder_look.h. */
#include "provider/folder_look.h"

#include "provider/db.h"

#include <stdlib.h>

enum { PLACE, NAME, UIDVALIDITY, MODSEQ, RECENT, WORDS };

static void look_take(struct folder_look *l, const struct rows *r, int row)
{
	l->there = true;
	l->name = arena_copy(l->a, row_slice(r, row, NAME));
	l->uidvalidity = (uint32_t)row_int(r, row, UIDVALIDITY);
	l->modseq = row_int(r, row, MODSEQ);
	l->recent = (uint32_t)row_int(r, row, RECENT);
	l->words = arena_copy(l->a, row_slice(r, row, WORDS));
}

/* ---- for many */

/* Those of one post office. */
struct kin {
	struct folder_look **all;
	int n;
	struct rows r;
};

static void kin_add(db_tx *tx, arena *a, struct kin *k)
{
	int64_t *mailbox = arena_new_array(a, (size_t)k->n * 2, sizeof *mailbox);
	int64_t *folder = mailbox + k->n;

	for (int i = 0; i < k->n; i++) {
		mailbox[i] = k->all[i]->mailbox;
		folder[i] = k->all[i]->folder;
	}
	db_add(tx, SQL_VIEW_LOOKS,
		(struct param[]){p_int(k->all[0]->postoffice), p_int_array(mailbox, k->n),
			p_int_array(folder, k->n)},
		3, &k->r);
}

static int order(const void *a, const void *b)
{
	const struct folder_look *x = *(struct folder_look *const *)a,
				 *y = *(struct folder_look *const *)b;

	return x->postoffice < y->postoffice ? -1 : x->postoffice > y->postoffice;
}

static status looks_run(struct folder_look **all, int n)
{
	arena a = ARENA_INIT;
	struct kin *kin = arena_new_array(&a, (size_t)n, sizeof *kin);
	db_tx *tx = db_begin(DB_RUN, &a);
	int count = 0;

	qsort(all, (size_t)n, sizeof *all, order);
	for (int from = 0, to; from < n; from = to) {
		for (to = from + 1; to < n && all[to]->postoffice == all[from]->postoffice;)
			to++;
		kin[count] = (struct kin){.all = all + from, .n = to - from};
		kin_add(tx, &a, &kin[count++]);
	}
	status s = db_commit(&tx, NULL);
	for (int k = 0; s == ST_OK && k < count; k++)
		for (int row = 0; row < kin[k].r.count; row++)
			look_take(kin[k].all[row_int(&kin[k].r, row, PLACE) - 1], &kin[k].r, row);
	arena_release(&a);
	return s;
}

static void batch_look(struct batch *b)
{
	arena a = ARENA_INIT;
	struct folder_look **all = arena_new_array(&a, (size_t)b->n, sizeof *all);

	for (int i = 0; i < b->n; i++)
		all[i] = LINK_OWNER(b->jobs[i], struct folder_look, job);
	status s = looks_run(all, b->n);
	for (int i = 0; i < b->n; i++)
		all[i]->outcome = s == ST_OK && !all[i]->there ? ST_ABSENT : s;
	arena_release(&a);
}

/* ---- for one */

static status look_alone(struct folder_look *l)
{
	const int64_t *mailbox = &l->mailbox, *folder = &l->folder;
	struct rows r;

	TRY(db_one(SQL_VIEW_LOOKS,
		(struct param[]){
			p_int(l->postoffice), p_int_array(mailbox, 1), p_int_array(folder, 1)},
		3, l->a, &r));
	look_take(l, &r, 0);
	return ST_OK;
}

static void job_alone(struct batch_job *job)
{
	struct folder_look *l = LINK_OWNER(job, struct folder_look, job);

	l->outcome = look_alone(l);
}

static const struct batch_rules rules = {
	BATCH_OF_READERS, .fits = batch_has_room, .run = batch_look, .alone = job_alone};
static struct batcher batcher = BATCHER_INIT(batcher, &rules);

status folder_look(struct folder_look *l)
{
	TRY(batch_join(&batcher, &l->job));
	if (l->outcome == ST_OK || l->outcome == ST_ABSENT)
		return l->outcome;
	return look_alone(l); /* what was asked for many says little of this one */
}
