/* POP3 conversations that come and end: many in one transaction, each with its own outcome. */
#include "provider/maildrop.h"
#include "provider/maildrop_stay.h"

#include "base/fault.h"
#include "base/random.h"
#include "base/text.h"
#include "task/task.h"
#include "tests/unit/provider/given.h"
#include "tests/unit/provider/store_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define OFFICES 2
#define LEAVERS 24
static const slice RAW = {"Subject: x\r\n\r\nbody\r\n", 20};

static struct leaver {
	struct route box;
	usec lease;
	struct maildrop_taken taken;
	status outcome;
} leavers[LEAVERS];
static int next;
static arena a;

static int64_t column_of(const struct leaver *l, const char *what)
{
	return store_sql(
		"select %s from mailbox where mailbox = %lld", what, (long long)l->box.mailbox);
}

static int64_t entries_of(const struct leaver *l)
{
	return store_sql("select count(*) from entry where postoffice = %lld and folder = %lld",
		(long long)l->box.postoffice, (long long)l->box.inbox);
}

static int64_t locks_of(const struct leaver *l)
{
	return store_sql(
		"select count(*) from maildrop where mailbox = %lld", (long long)l->box.mailbox);
}

/* Three messages in each of n mailboxes. */
static void given_mailboxes(int n)
{
	int64_t office[OFFICES];
	char name[20];
	given_providers();
	next = 0;
	for (int i = 0; i < OFFICES; i++)
		office[i] = store_postoffice();
	for (int i = 0; i < n; i++) {
		struct leaver *l = &leavers[i];
		snprintf(name, sizeof name, "m%d", i);
		l->box = store_mailbox(office[i % OFFICES], name, 0);
		l->lease = 60 * USEC_S;
		for (int m = 0; m < 3; m++)
			cr_assert_eq(letter_deliver(&l->box, 1, RAW), ST_OK);
	}
}

static status come(void *unused)
{
	(void)unused;
	struct leaver *l = &leavers[next++];
	l->outcome = maildrop_take(
		l->box.postoffice, l->box.mailbox, l->box.inbox, l->lease, 0, &a, &l->taken);
	return ST_OK;
}

/* All of which are being read. */
static void given_readers(int n)
{
	given_mailboxes(n);
	for (int i = 0; i < n; i++) {
		come(NULL);
		cr_assert_eq(leavers[i].outcome, ST_OK);
		cr_assert_eq(leavers[i].taken.n, 3);
	}
	next = 0;
}

/* The first and the third message. */
static status leave(void *unused)
{
	(void)unused;
	struct leaver *l = &leavers[next++];
	l->outcome = maildrop_give(l->box.postoffice, l->box.mailbox, l->box.inbox, l->taken.token,
		(uint32_t[]){1, 3}, 2);
	return ST_OK;
}

static void expect_removed(const struct leaver *l)
{
	cr_expect_eq(l->outcome, ST_OK, "%s", status_name(l->outcome));
	cr_expect_eq(entries_of(l), 1);
	cr_expect_eq(locks_of(l), 0);
	cr_expect_eq(column_of(l, "nmsg"), 1);
	cr_expect_eq(column_of(l, "used"), (int64_t)RAW.size);
	cr_expect_eq(
		store_sql(
			"select nmsg * 1000 + nunseen * 100 + nbytes from folder where folder = %lld",
			(long long)l->box.inbox),
		1100 + (int64_t)RAW.size);
	cr_expect_eq(
		store_sql("select count(*) from expunged where folder = %lld and mailbox = %lld",
			(long long)l->box.inbox, (long long)l->box.mailbox),
		2);
	cr_expect_eq(
		store_sql(
			"select count(*) from change c join folder f using (folder) where folder = %lld"
			" and kind = 'v' and c.modseq = f.modseq and uids = '{[1,2),[3,4)}'",
			(long long)l->box.inbox),
		1);
}

static void expect_untouched(const struct leaver *l, status outcome)
{
	cr_expect_eq(l->outcome, outcome, "%s", status_name(l->outcome));
	cr_expect_eq(entries_of(l), 3);
	cr_expect_eq(column_of(l, "nmsg"), 3);
}

/* That wrote the table's rows. */
static void expect_few_transactions(const char *table)
{
	int64_t transactions = store_sql(
		"select count(distinct xmin::text) from %s where postoffice in (%lld, %lld)", table,
		(long long)leavers[0].box.postoffice, (long long)leavers[1].box.postoffice);

	cr_expect_leq(transactions, 8, "%lld", (long long)transactions);
}

/* ---- coming */

static status gather(slice bytes, void *into)
{
	text_add(into, bytes);
	return ST_OK;
}

static void expect_first(const struct leaver *l, slice wanted)
{
	text body = TEXT_INIT;
	cr_assert(l->taken.first.packed.size > 0);
	cr_expect_eq(l->taken.first.blob, l->taken.entries[0].blob);
	cr_expect_eq(blob_along_each(&l->taken.first, gather, &body), ST_OK);
	cr_expect(slice_ends_nocase(text_slice(&body), wanted), "%.*s", (int)body.size, body.at);
	text_free(&body);
}

static void expect_let_in(const struct leaver *l)
{
	cr_expect_eq(l->outcome, ST_OK, "%s", status_name(l->outcome));
	cr_expect_eq(l->taken.n, 3);
	cr_expect_eq(l->taken.entries[2].uid, 3);
	cr_expect_eq(
		store_sql("select count(*) from maildrop where mailbox = %lld and token = %lld",
			(long long)l->box.mailbox, (long long)l->taken.token),
		1);
	expect_first(l, RAW);
}

Test(maildrop, those_who_come_together_share_a_transaction)
{
	given_mailboxes(LEAVERS);
	store_fibers(LEAVERS, come, NULL);
	for (int i = 0; i < LEAVERS; i++)
		expect_let_in(&leavers[i]);
	expect_few_transactions("maildrop");
	provider_close();
}

Test(maildrop, of_two_who_come_together_to_one_mailbox_one_is_let_in)
{
	given_mailboxes(LEAVERS);
	leavers[7].box = leavers[9].box;
	store_fibers(LEAVERS, come, NULL);
	for (int i = 0; i < LEAVERS; i++)
		if (i != 7 && i != 9)
			expect_let_in(&leavers[i]);
	bool seventh = leavers[7].outcome == ST_OK;
	expect_let_in(&leavers[seventh ? 7 : 9]);
	cr_expect_eq(leavers[seventh ? 9 : 7].outcome, ST_LIMITED);
	provider_close();
}

/* A lease no moment can hold stops its statement; a folder that is not there stops none. */
Test(maildrop, who_cannot_be_let_in_harms_nobody_else)
{
	given_mailboxes(LEAVERS);
	leavers[9].lease = INT64_MAX;
	leavers[12].box.inbox++;
	store_fibers(LEAVERS, come, NULL);
	for (int i = 0; i < LEAVERS; i++)
		if (i != 9 && i != 12)
			expect_let_in(&leavers[i]);
	cr_expect_eq(leavers[9].outcome, ST_BROKEN, "%s", status_name(leavers[9].outcome));
	cr_expect_eq(leavers[12].outcome, ST_ABSENT, "%s", status_name(leavers[12].outcome));
	cr_expect_eq(locks_of(&leavers[9]) + locks_of(&leavers[12]), 0);
	provider_close();
}

static int64_t logons_of(const struct leaver *l)
{
	return store_sql(
		"select count(*) from logon where mailbox = %lld", (long long)l->box.mailbox);
}

Test(maildrop, logons_of_a_batch_that_was_refused_are_noted)
{
	given_mailboxes(LEAVERS);
	leavers[9].lease = INT64_MAX;
	store_fibers(LEAVERS, come, NULL);
	for (int i = 0; i < LEAVERS; i++)
		cr_expect_eq(logons_of(&leavers[i]), i != 9, "%d", i);
	provider_close();
}

static void take_remembered(const struct leaver *l, int64_t logons, struct maildrop_taken *taken)
{
	cr_assert_eq(maildrop_take_remembered(l->box.postoffice, l->box.mailbox, l->box.inbox,
			     USEC_S, 0, logons, &a, taken),
		ST_OK);
	cr_expect_eq(taken->since, USEC_NEVER);
	maildrop_give(l->box.postoffice, l->box.mailbox, l->box.inbox, taken->token, NULL, 0);
}

Test(maildrop, a_remembered_logon_that_has_to_be_asked_for_anew_is_not_noted)
{
	const struct leaver *l = &leavers[0];
	struct maildrop_taken taken;
	given_mailboxes(1);
	take_remembered(l, INT64_MAX, &taken);
	cr_expect_eq(logons_of(l), 0);
	/* Tests beside this one raise the revision. */
	for (int i = 0; i < 1000 && logons_of(l) == 0; i++)
		take_remembered(l, taken.logons, &taken);
	cr_expect_eq(logons_of(l), 1);
	provider_close();
}

Test(maildrop, the_first_body_comes_along_when_few_are_there_and_it_is_small)
{
	char many[20000];
	given_mailboxes(4);
	int64_t office = leavers[0].box.postoffice;
	for (int i = 1; i < 4; i++)
		leavers[i].box =
			store_mailbox(office, (const char *[]){"", "empty", "big", "full"}[i], 0);
	for (size_t i = 0; i < sizeof many; i++)
		many[i] = (char)('0' + random_below(75));
	cr_assert_eq(letter_deliver(&leavers[2].box, 1, slice_of(many, sizeof many)), ST_OK);
	for (int i = 0; i < 65; i++)
		cr_assert_eq(letter_deliver(&leavers[3].box, 1, RAW), ST_OK);
	store_fibers(4, come, NULL);
	expect_let_in(&leavers[0]);
	for (int i = 1; i < 4; i++) {
		cr_expect_eq(leavers[i].outcome, ST_OK);
		cr_expect_eq(leavers[i].taken.first.packed.size, 0, "%d", i);
	}
	cr_expect_eq(leavers[1].taken.n, 0);
	cr_expect_neq(leavers[2].taken.entries[0].blob, 0);
	cr_expect_eq(leavers[3].taken.n, 65);
	provider_close();
}

/* ---- going */

Test(maildrop, those_who_leave_together_share_a_transaction)
{
	given_readers(LEAVERS);
	store_fibers(LEAVERS, leave, NULL);
	for (int i = 0; i < LEAVERS; i++)
		expect_removed(&leavers[i]);
	/* One goes alone, the others while its commit is under way. */
	expect_few_transactions("expunged");
	provider_close();
}

/* Turns after the one before, who leads a transaction by then. */
static status leave_later(void *unused)
{
	(void)unused;
	int own = next++;
	for (int i = 0; i < 2 * own; i++)
		task_sleep(0);
	struct leaver *l = &leavers[own];
	l->outcome = maildrop_give(l->box.postoffice, l->box.mailbox, l->box.inbox, l->taken.token,
		(uint32_t[]){1, 3}, 2);
	return ST_OK;
}

static int64_t transactions_of_three(void)
{
	given_readers(2 * 3);
	for (int i = 1; i < 3; i++) /* every second one is of this post office */
		leavers[i] = leavers[2 * i];
	store_fibers(3, leave_later, NULL);
	for (int i = 0; i < 3; i++)
		expect_removed(&leavers[i]);
	int64_t n =
		store_sql("select count(distinct xmin::text) from expunged where postoffice = %lld",
			(long long)leavers[0].box.postoffice);
	provider_close();
	return n;
}

Test(maildrop, who_leaves_waits_a_moment_for_those_who_came_just_now)
{
	int64_t n = transactions_of_three();
	for (int i = 0; i < 4 && n > 1; i++) /* a moment may pass before a busy machine goes on */
		n = transactions_of_three();
	cr_expect_eq(n, 1, "%lld", (long long)n);
}

Test(maildrop, who_stays_for_long_is_not_waited_for)
{
	clock_virtual(USEC_S);
	maildrop_stay_begin(3);
	clock_advance(40 * USEC_MS);
	maildrop_stay_begin(4);
	maildrop_stay_begin(5);
	cr_expect_eq(maildrop_stay_fresh(), 3);
	maildrop_stay_end(4);
	maildrop_stay_end(4);
	cr_expect_eq(maildrop_stay_fresh(), 2);
	clock_advance(20 * USEC_MS);
	cr_expect_eq(maildrop_stay_fresh(), 1);
	for (int i = 0; i < 100; i++)
		maildrop_stay_begin(100 + i);
	maildrop_stay_end(5);
	cr_expect_eq(maildrop_stay_fresh(), 64, "the last ones are remembered");
	clock_real();
}

Test(maildrop, who_lost_the_lock_removes_nothing_and_harms_nobody)
{
	given_readers(LEAVERS);
	store_sql("update maildrop set token = 7 where mailbox = %lld returning 1",
		(long long)leavers[5].box.mailbox);
	store_sql("delete from maildrop where mailbox = %lld returning 1",
		(long long)leavers[8].box.mailbox);
	store_fibers(LEAVERS, leave, NULL);
	for (int i = 0; i < LEAVERS; i++)
		if (i != 5 && i != 8)
			expect_removed(&leavers[i]);
	expect_untouched(&leavers[5], ST_ABSENT);
	cr_expect_eq(locks_of(&leavers[5]), 1, "it is another one's now");
	expect_untouched(&leavers[8], ST_ABSENT);
	provider_close();
}

/* A number that cannot rise any more stops the statement for all that share it. */
Test(maildrop, a_refused_removal_harms_nobody_else)
{
	given_readers(LEAVERS);
	store_sql(
		"update mailbox set modseq = 9223372036854775807 where mailbox = %lld returning 1",
		(long long)leavers[9].box.mailbox);
	store_fibers(LEAVERS, leave, NULL);
	for (int i = 0; i < LEAVERS; i++)
		if (i != 9)
			expect_removed(&leavers[i]);
	expect_untouched(&leavers[9], ST_BROKEN);
	provider_close();
}

Test(maildrop, works_on_a_plain_thread_too)
{
	given_readers(2);
	leave(NULL);
	leave(NULL);
	expect_removed(&leavers[0]);
	expect_removed(&leavers[1]);
	provider_close();
}

#ifdef PENNYPOST_FAULT_POINTS
static const char *const lost[] = {
	"db_sent:1:fail", "db_commit_sent:1:fail", "db_commit_done:1:fail", "db_send:1:fail"};

/* R5: whether the lost answer was to a commit that took place or not. */
Test(maildrop, a_lost_answer_is_asked_for)
{
	for (size_t i = 0; i < sizeof lost / sizeof *lost; i++) {
		given_readers(LEAVERS);
		cr_assert(fault_arm(lost[i]));
		store_fibers(LEAVERS, leave, NULL);
		fault_arm("");
		for (int k = 0; k < LEAVERS; k++)
			expect_removed(&leavers[k]);
		provider_close();
	}
}

Test(maildrop, a_lost_answer_keeps_nobody_out)
{
	for (size_t i = 0; i < sizeof lost / sizeof *lost; i++) {
		given_mailboxes(LEAVERS);
		cr_assert(fault_arm(lost[i]));
		store_fibers(LEAVERS, come, NULL);
		fault_arm("");
		for (int k = 0; k < LEAVERS; k++)
			expect_let_in(&leavers[k]);
		provider_close();
	}
}
#endif
