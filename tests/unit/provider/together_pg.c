/* Changes of many mailboxes at once, which go together. */
#include "base/fault.h"
#include "base/metric.h"
#include "provider/brief.h"
#include "provider/setting.h"
#include "provider/together.h"
#include "provider/view.h"
#include "provider/view_cache.h"
#include "tests/unit/provider/given.h"
#include "tests/unit/provider/reader.h"
#include "tests/unit/provider/store_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(together_pg, .init = reader_begin, .fini = reader_end, .timeout = 300);

#define BOXES 12
#define ROUNDS 5
#define READERS 48

static struct route boxes[BOXES]; /* of two post offices */
static int next, wrong, over;
static bool lossy; /* one answer gets lost: a change is found as somebody else's, a look fails */

static void boxes_make(void)
{
	int64_t offices[] = {store_postoffice(), store_postoffice()};

	for (int i = 0; i < BOXES; i++) {
		char name[20];

		snprintf(name, sizeof name, "u%d", i);
		boxes[i] = store_mailbox(offices[i % 2], name, 0);
	}
	next = wrong = over = 0;
}

static status put(const struct route *to, slice raw, uint32_t *uid)
{
	struct append_message m = {.header = raw, .header_size = (uint32_t)raw.size};
	struct append x = {.postoffice = to->postoffice,
		.mailbox = to->mailbox,
		.folder = S("INBOX"),
		.messages = &m,
		.n = 1,
		.seen_in = to->inbox};
	status s = append_text(&x, raw);

	*uid = m.uid;
	return s;
}

static void expect(bool so)
{
	wrong += !so;
}

/* Or it could not be looked at, which the answer says. */
static bool was_changed(const struct view_stored *s, uint32_t uid)
{
	if (lossy && s->hidden)
		return true;
	for (int i = 0; i < s->change.changed_n; i++)
		if (s->change.changed[i] == uid)
			return true;
	return false;
}

/* Appends two, flags both, removes the first: what it is told is what it did, whatever others do beside
   it. */
static void turn(view *v, const struct route *in, int round, arena *a)
{
	uint32_t uids[2];
	struct view_stored s;
	struct view_change c;
	struct view_flags flagged = {.add = FLAG_FLAGGED | FLAG_SEEN, .unchanged_since = -1},
			  deleted = {.add = FLAG_DELETED, .unchanged_since = -1};
	slice raw = arena_format(a, "Subject: %d of many\r\n\r\n", round);

	for (int i = 0; i < 2; i++)
		expect(put(in, raw, &uids[i]) == ST_OK);
	expect(uids[1] > uids[0]);
	expect(view_refresh(v, false, a, &c) == ST_OK ||
		(lossy && view_refresh(v, false, a, &c) == ST_OK));
	expect(view_find(v, uids[0]) && view_find(v, uids[1]));
	expect(view_store(v, uids, 2, &flagged, true, a, &s) == ST_OK);
	expect(s.failed_n == 0 && (lossy || s.change.own > 0) && was_changed(&s, uids[0]) &&
		was_changed(&s, uids[1]));
	bool hidden = s.hidden;
	const struct view_entry *e = view_find(v, uids[1]);
	expect((lossy && hidden) ||
		(e && e->flags == flagged.add && (lossy || e->modseq == s.change.own)));
	expect(view_store(v, uids, 1, &deleted, true, a, &s) == ST_OK);
	expect(was_changed(&s, uids[0]));
	expect(view_expunge(v, uids, 1, a, &c) == ST_OK);
	bool told = false;
	for (int i = 0; i < c.gone_n; i++)
		told |= c.gone_uids[i] == uids[0];
	expect((told && !view_find(v, uids[0])) ||
		(lossy && view_refresh(v, false, a, &c) == ST_OK));
	expect(!view_find(v, uids[0]) && view_find(v, uids[1]));
}

static status reads(void *unused)
{
	const struct route *in = &boxes[next++ % BOXES];
	arena a = ARENA_INIT;
	view *v = NULL;

	(void)unused;
	status s = view_open(in->postoffice, in->mailbox, S("INBOX"), 0, &v);
	if (s != ST_OK && lossy)
		s = view_open(in->postoffice, in->mailbox, S("INBOX"), 0, &v);
	expect(s == ST_OK);
	for (int i = 0; v && i < ROUNDS; i++)
		turn(v, in, i, &a);
	view_close(&v);
	arena_release(&a);
	return ST_OK;
}

static void boxes_counted(int each)
{
	for (int i = 0; i < BOXES; i++) {
		me.postoffice = boxes[i].postoffice;
		me.mailbox = boxes[i].mailbox;
		me.inbox = boxes[i].inbox;
		cr_assert_eq(store_entries_in(&boxes[i]), each);
		view_cache_clear();
		assert_counted();
		cr_assert_eq(
			store_sql(
				"select count(*) from entry where postoffice = %lld and folder = %lld "
				"and flags = %d",
				(long long)me.postoffice, (long long)me.inbox,
				FLAG_FLAGGED | FLAG_SEEN),
			each);
	}
}

static void all_read(void)
{
	boxes_make();
	store_fibers(READERS, reads, NULL);
	cr_assert_eq(wrong, 0);
	boxes_counted(READERS / BOXES * ROUNDS);
}

Test(together_pg, changes_of_many_mailboxes_share_transactions)
{
	int64_t batches = metric_value(M_change_batches, SERVICE_NONE),
		changes = metric_value(M_changes_together, SERVICE_NONE);

	all_read();
	batches = metric_value(M_change_batches, SERVICE_NONE) - batches;
	changes = metric_value(M_changes_together, SERVICE_NONE) - changes;
	cr_assert_gt(batches, 0);
	cr_assert_gt(changes, batches, "%lld in %lld", (long long)changes, (long long)batches);
}

Test(together_pg, none_is_shared_where_one_is_the_most)
{
	int64_t batches = metric_value(M_change_batches, SERVICE_NONE);

	given_setting(S_reader_batch_most, "1");
	all_read();
	given_setting(S_reader_batch_most, NULL);
	cr_assert_eq(metric_value(M_change_batches, SERVICE_NONE), batches);
}

Test(together_pg, a_batch_whose_answer_is_lost_doubles_and_loses_nothing)
{
	for (int i = 1; i < 40; i += 12) {
		int64_t batches = metric_value(M_change_batches, SERVICE_NONE);
		char point[40];

		snprintf(point, sizeof point, "together_committed:%d:fail", i);
		cr_assert(fault_arm(point));
		lossy = true;
		all_read();
		lossy = false;
		cr_assert(fault_arm(""));
		cr_assert_geq(metric_value(M_change_batches, SERVICE_NONE) - batches, i,
			"so many batches that one of them was lost");
	}
}

Test(together_pg, answers_that_get_lost_double_and_lose_nothing)
{
	for (int i = 0; i < 6; i++) {
		const char *passage = i % 2 ? "db_commit_done" : "db_commit_sent";
		char point[40];

		snprintf(point, sizeof point, "%s:%d:fail", passage, 40 + i * 23);
		cr_assert(fault_arm(point));
		lossy = true;
		all_read();
		lossy = false;
		cr_assert(fault_arm(""));
	}
}

/* ---- somebody else holds a mailbox */

static void hold(const struct route *r)
{
	given_sql("begin");
	store_sql("select 1 from mailbox where postoffice = %lld and mailbox = %lld for update",
		(long long)r->postoffice, (long long)r->mailbox);
}

/* The last of those that need not wait lets go. */
static status puts_beside(void *held)
{
	const struct route *to = &boxes[next++ % BOXES];
	uint32_t uid;

	status s = put(to, S("Subject: beside\r\n\r\n"), &uid);
	while (s == ST_BUSY && to == held) /* he waits for the lock, but not for ever */
		s = put(to, S("Subject: beside\r\n\r\n"), &uid);
	expect(s == ST_OK);
	over++;
	if (to == held)
		expect(over == BOXES);
	else if (over == BOXES - 1)
		given_sql("commit");
	return ST_OK;
}

Test(together_pg, a_mailbox_that_is_held_holds_up_nobody_else)
{
	for (int i = 0; i < 4; i += 3) { /* by itself, the others behind it; and one of several */
		boxes_make();
		hold(&boxes[i]);
		store_fibers(BOXES, puts_beside, &boxes[i]);
		cr_assert_eq(over, BOXES);
		cr_assert_eq(wrong, 0);
	}
}

/* ---- somebody changes a folder who did not lock its mailbox */

static status flags_one(void *unused)
{
	const struct route *in = &boxes[next++ % BOXES];
	const struct view_flags flagged = {.add = FLAG_FLAGGED, .unchanged_since = -1};
	const uint32_t uid = 1;
	arena a = ARENA_INIT;
	struct view_stored s;
	view *v;

	(void)unused;
	expect(view_open(in->postoffice, in->mailbox, S("INBOX"), 0, &v) == ST_OK);
	expect(view_store(v, &uid, 1, &flagged, true, &a, &s) == ST_OK && s.change.own > 0);
	view_close(&v);
	arena_release(&a);
	return ST_OK;
}

static status all_flag(void *unused)
{
	if (next == BOXES) { /* who comes last lets go, as soon as somebody waits for him */
		expect(task_sleep(200 * USEC_MS) == ST_OK);
		expect(given_somebody_waits());
		given_sql("commit");
		return ST_OK;
	}
	return flags_one(unused);
}

Test(together_pg, a_folder_that_is_changed_beside_its_mailbox_loses_no_flag)
{
	uint32_t uid;

	boxes_make();
	for (int i = 0; i < BOXES; i++)
		cr_assert_eq(put(&boxes[i], S("Subject: one\r\n\r\n"), &uid), ST_OK);
	given_sql("begin");
	store_sql("update folder set special = special where folder = %lld",
		(long long)boxes[5].inbox);
	store_fibers(BOXES + 1, all_flag, NULL);
	cr_assert_eq(wrong, 0);
	for (int i = 0; i < BOXES; i++)
		cr_assert_eq(store_sql("select flags from entry where folder = %lld",
				     (long long)boxes[i].inbox),
			FLAG_FLAGGED);
}

/* ---- no room */

static status puts_much(void *unused)
{
	const struct route *to = &boxes[next++ % BOXES];
	uint32_t uid;
	status s = put(to, S("Subject: rather long for so small a mailbox\r\n\r\n"), &uid);

	(void)unused;
	expect(s == (to == &boxes[5] ? ST_FULL : ST_OK));
	return ST_OK;
}

Test(together_pg, a_mailbox_without_room_is_refused_alone)
{
	boxes_make();
	boxes[5] = store_mailbox(boxes[5].postoffice, "small", 20);
	int64_t changes = metric_value(M_changes_together, SERVICE_NONE);
	store_fibers(BOXES * 3, puts_much, NULL);
	cr_assert_eq(wrong, 0);
	cr_assert_eq(store_entries_in(&boxes[5]), 0);
	cr_assert_eq(store_entries_in(&boxes[4]), 3);
	cr_assert_gt(metric_value(M_changes_together, SERVICE_NONE), changes);
	cr_assert_eq(
		store_sql(
			"select count(*) from message m where postoffice = %lld and not exists "
			"(select from entry e where e.postoffice = m.postoffice and e.msg = m.msg)",
			(long long)boxes[5].postoffice),
		0, "what was refused left nothing behind");
}

/* ---- questions */

#define ASKED 3 /* by each */

static int64_t round_trips(void)
{
	return metric_value(M_db_seconds, SERVICE_NONE);
}

static status asks(void *unused)
{
	const int i = next++ % BOXES;
	const struct route *mine = &boxes[i], *foreign = &boxes[(i + 1) % BOXES];
	arena a = ARENA_INIT;
	folder *f;

	(void)unused;
	expect(folder_find(mine->postoffice, mine->mailbox, S("inbox"), &a, &f) == ST_OK &&
		f->id == mine->inbox && f->mailbox == mine->mailbox);
	expect(folder_find(mine->postoffice, mine->mailbox, S("away"), &a, &f) == ST_ABSENT);
	expect(folder_find(mine->postoffice, foreign->mailbox, S("inbox"), &a, &f) == ST_ABSENT);
	arena_release(&a);
	return ST_OK;
}

Test(together_pg, questions_of_many_share_round_trips_and_each_hears_his_own_answer)
{
	boxes_make();
	int64_t before = round_trips();
	store_fibers(READERS, asks, NULL);
	cr_assert_eq(wrong, 0);
	cr_assert_lt(round_trips() - before, READERS * ASKED / 2);
}

/* A name that PostgreSQL takes for no text: it stops the transaction of all. */
static status asks_nonsense(void *unused)
{
	arena a = ARENA_INIT;
	struct rows r;
	const struct param p[] = {
		p_int(boxes[0].postoffice), p_int(boxes[0].mailbox), p_text(S("a\0b"))};

	if (next % 5 != 4)
		return asks(unused);
	next++;
	expect(brief_one(SQL_FOLDER_FIND, p, 3, BRIEF_SHORT, &a, &r) == ST_INVALID);
	arena_release(&a);
	return ST_OK;
}

Test(together_pg, a_question_that_fails_for_all_is_asked_again_by_each)
{
	boxes_make();
	store_fibers(READERS, asks_nonsense, NULL);
	cr_assert_eq(wrong, 0);
}
