/* POP3 conversations that end: many in one transaction, each with its own outcome. */
#include "provider/maildrop.h"

#include "base/fault.h"
#include "tests/unit/provider/given.h"
#include "tests/unit/provider/store_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define OFFICES 2
#define LEAVERS 24
static const slice RAW = {"Subject: x\r\n\r\nbody\r\n", 20};

static struct leaver {
	struct route box;
	struct maildrop_taken taken;
	status outcome;
} leavers[LEAVERS];
static int next;
static arena a;

static int64_t column_of(const struct leaver *l, const char *what)
{
	return store_sql("select %s from mailbox where mailbox = %lld", what, (long long)l->box.mailbox);
}

static int64_t entries_of(const struct leaver *l)
{
	return store_sql("select count(*) from entry where postoffice = %lld and folder = %lld",
			 (long long)l->box.postoffice, (long long)l->box.inbox);
}

static int64_t locks_of(const struct leaver *l)
{
	return store_sql("select count(*) from maildrop where mailbox = %lld", (long long)l->box.mailbox);
}

/* Three messages in each of n mailboxes, all of which are being read. */
static void given_readers(int n)
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
		for (int m = 0; m < 3; m++)
			cr_assert_eq(letter_deliver(&l->box, 1, RAW), ST_OK);
		cr_assert_eq(maildrop_take(l->box.postoffice, l->box.mailbox, l->box.inbox, 60 * USEC_S, 0,
					   &a, &l->taken), ST_OK);
		cr_assert_eq(l->taken.n, 3);
	}
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
	cr_expect_eq(store_sql("select nmsg * 1000 + nunseen * 100 + nbytes from folder where folder = %lld",
			       (long long)l->box.inbox), 1100 + (int64_t)RAW.size);
	cr_expect_eq(store_sql("select count(*) from expunged where folder = %lld and mailbox = %lld",
			       (long long)l->box.inbox, (long long)l->box.mailbox), 2);
	cr_expect_eq(store_sql("select count(*) from change c join folder f using (folder) where folder = %lld"
			       " and kind = 'v' and c.modseq = f.modseq and uids = '{[1,2),[3,4)}'",
			       (long long)l->box.inbox), 1);
}

static void expect_untouched(const struct leaver *l, status outcome)
{
	cr_expect_eq(l->outcome, outcome, "%s", status_name(l->outcome));
	cr_expect_eq(entries_of(l), 3);
	cr_expect_eq(column_of(l, "nmsg"), 3);
}

Test(maildrop, those_who_leave_together_share_a_transaction)
{
	given_readers(LEAVERS);
	store_fibers(LEAVERS, leave, NULL);
	for (int i = 0; i < LEAVERS; i++)
		expect_removed(&leavers[i]);
	/* One goes alone, the others while its commit is under way. */
	int64_t transactions = store_sql(
		"select count(distinct xmin::text) from expunged where postoffice in (%lld, %lld)",
		(long long)leavers[0].box.postoffice, (long long)leavers[1].box.postoffice);
	cr_expect_leq(transactions, 8, "%lld", (long long)transactions);
	provider_close();
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
	store_sql("update mailbox set modseq = 9223372036854775807 where mailbox = %lld returning 1",
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
/* R5: whether the lost answer was to a commit that took place or not. */
Test(maildrop, a_lost_answer_is_asked_for)
{
	static const char *const lost[] = {"db_sent:1:fail", "db_commit_sent:1:fail", "db_commit_done:1:fail",
					   "db_send:1:fail"};
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
#endif
