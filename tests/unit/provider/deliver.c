/* Deliveries: what is stored, what is counted, and what happens when something fails or the answer
   to the commit is lost. */
#include "provider/deliver.h"
#include "provider/deliver_inside.h"

#include "base/fault.h"
#include "base/id.h"
#include "base/log.h"
#include "provider/folder.h"
#include "provider/mailbox.h"
#include "provider/maildrop.h"
#include "provider/message.h"
#include "provider/repeat.h"
#include "task/task.h"
#include "tests/unit/provider/given.h"
#include "tests/unit/provider/store_fixture.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(deliver, .init = store_counted_begin, .fini = store_counted_end, .timeout = 300);

#define RAW S("Subject: hello\r\n\r\nhow are you?\r\n")

/* Folders of one mailbox in one transaction, as batches have them: each message in the one it is
   for. */
Test(deliver, into_several_folders_of_a_mailbox)
{
	int64_t office = store_postoffice();
	struct route anna = store_mailbox(office, "anna", 0), ben = store_mailbox(office, "ben", 0),
		     junk = anna;
	arena a = ARENA_INIT;
	folder *f;

	cr_assert_eq(folder_make(office, anna.mailbox, S("Junk"), 0, &a, &f), ST_OK);
	junk.inbox = f->id;
	cr_assert_eq(letter_deliver((struct route[]){junk, ben, anna}, 3, RAW), ST_OK);
	cr_assert_eq(letter_deliver((struct route[]){anna, junk}, 2, RAW), ST_OK);
	cr_assert_eq(letter_deliver(&junk, 1, RAW), ST_OK);
	cr_expect_eq(store_entries_in(&anna), 2);
	cr_expect_eq(store_entries_in(&junk), 3);
	store_assert_counts(&ben);
	cr_expect_eq(
		store_sql("select nmsg from mailbox where postoffice = %lld and mailbox = %lld",
			(long long)office, (long long)anna.mailbox),
		5);
	cr_expect_eq(
		store_sql(
			"select (m.used = sum(f.nbytes) and sum(f.nmsg) = 5 and sum(f.uidnext) = 7)::int"
			" from mailbox m join folder f using (postoffice, mailbox)"
			" where postoffice = %lld and mailbox = %lld group by m.used",
			(long long)office, (long long)anna.mailbox),
		1);
	arena_release(&a);
}

Test(deliver, makes_one_message_visible)
{
	struct route to = store_mailbox(store_postoffice(), "anna", 0);
	struct letter l;
	arena a = ARENA_INIT;
	struct message_entry *e;
	message *m;
	int n;
	slice raw;

	letter_write(&l, &to, 1, RAW);
	l.d.sent = 86400 * USEC_S;
	l.parts[0].header_size = 18;
	cr_assert_eq(letter_send(&l), ST_OK);
	letter_close(&l);
	cr_assert_eq(message_list(to.postoffice, to.mailbox, 9, &a, &e, &n), ST_OK);
	cr_assert_eq(n, 1);
	cr_assert_eq(e->uid, 1);
	cr_assert_eq(e->m.size, (int64_t)RAW.size);
	cr_assert_eq(e->m.id, l.d.id);
	cr_assert_eq(message_by_id(to.postoffice, l.d.id, &a, &m), ST_OK);
	cr_assert_eq(m->sent, 86400 * USEC_S);
	cr_assert_eq(m->header_size, 18);
	cr_assert(slice_same(m->subject, S("hello")));
	cr_assert_eq(blob_head(to.postoffice, e->m.blob, 1000, &a, &raw), ST_OK);
	cr_assert(slice_same(raw, RAW));
	store_assert_counts(&to);
	arena_release(&a);
}

Test(deliver, stores_one_body_for_ten_recipients)
{
	int64_t po = store_postoffice();
	struct route to[10];

	for (int i = 0; i < 10; i++) {
		char name[20];

		snprintf(name, sizeof name, "u%d", i);
		to[i] = store_mailbox(po, name, 0);
	}
	cr_assert_eq(letter_deliver(to, 10, RAW), ST_OK);
	for (int i = 0; i < 10; i++) {
		cr_assert_eq(store_entries_in(&to[i]), 1);
		store_assert_counts(&to[i]);
	}
	cr_assert_eq(
		store_sql("select count(*) from blob where postoffice = %lld", (long long)po), 1);
	cr_assert_eq(
		store_sql("select count(*) from message where postoffice = %lld", (long long)po),
		1);
}

Test(deliver, keeps_post_offices_apart)
{
	struct route to[] = {store_mailbox(store_postoffice(), "anna", 0),
		store_mailbox(store_postoffice(), "anna", 0)};
	arena a = ARENA_INIT;
	struct letter l;
	struct message_entry *e;
	message *m;
	slice raw;
	int n;

	letter_write(&l, to, 2, RAW);
	cr_assert_eq(letter_send(&l), ST_OK);
	letter_close(&l);
	for (int i = 0; i < 2; i++) {
		store_assert_counts(&to[i]);
		cr_assert_eq(message_by_id(to[i].postoffice, l.d.id, &a, &m), ST_OK);
		cr_assert_eq(message_list(to[i].postoffice, to[i].mailbox, 9, &a, &e, &n), ST_OK);
		cr_assert_eq(n, 1);
		cr_assert_eq(blob_head(to[i].postoffice, e->m.blob, 9, &a, &raw), ST_OK);
		cr_assert_eq(blob_head(to[1 - i].postoffice, e->m.blob, 9, &a, &raw), ST_ABSENT,
			"a body of another post office was read");
		cr_assert_eq(
			message_list(to[1 - i].postoffice, to[i].mailbox, 9, &a, &e, &n), ST_OK);
		cr_assert_eq(n, 0);
	}
	arena_release(&a);
}

/* ---- many at once */

static struct {
	struct route boxes[5];
	struct route small; /* has room for three */
	int next, full, stored;
} crowd;

static status crowd_member(void *arg)
{
	int i = crowd.next++;
	const struct route *to = i % 10 == 3 ? &crowd.small : &crowd.boxes[i % 5];
	status s = letter_deliver(to, 1, RAW);

	(void)arg;
	crowd.full += s == ST_FULL;
	crowd.stored += s == ST_OK;
	return ST_OK;
}

Test(deliver, shares_transactions_and_refuses_only_the_full)
{
	int64_t po = store_postoffice();
	int64_t batches = metric_value(M_delivery_batches, SERVICE_NONE);
	int64_t sum = 0;

	for (int i = 0; i < 5; i++) {
		char name[20];

		snprintf(name, sizeof name, "u%d", i);
		crowd.boxes[i] = store_mailbox(po, name, 0);
	}
	crowd.small = store_mailbox(po, "small", 3 * (int64_t)RAW.size + 5);
	store_fibers(200, crowd_member, NULL);
	cr_assert_eq(crowd.full, 17);
	cr_assert_eq(crowd.stored, 183);
	cr_assert_eq(store_entries_in(&crowd.small), 3);
	for (int i = 0; i < 5; i++) {
		sum += store_entries_in(&crowd.boxes[i]);
		store_assert_counts(&crowd.boxes[i]);
	}
	store_assert_counts(&crowd.small);
	cr_assert_eq(sum, 180);
	batches = metric_value(M_delivery_batches, SERVICE_NONE) - batches;
	cr_assert_lt(batches, 120, "%lld transactions", (long long)batches);
}

Test(deliver, shares_no_transaction_where_one_message_is_the_most)
{
	int64_t batches = metric_value(M_delivery_batches, SERVICE_NONE);

	given_setting(S_delivery_batch_most, "1");
	memset(&crowd, 0, sizeof crowd);
	crowd.small = crowd.boxes[0] = store_mailbox(store_postoffice(), "anna", 0);
	for (int i = 1; i < 5; i++)
		crowd.boxes[i] = crowd.boxes[0];
	store_fibers(50, crowd_member, NULL);
	given_setting(S_delivery_batch_most, NULL);
	cr_assert_eq(crowd.stored, 50);
	store_assert_counts(&crowd.boxes[0]);
	cr_assert_eq(metric_value(M_delivery_batches, SERVICE_NONE) - batches, 50);
}

static void *sender_thread(void *to)
{
	size_t stored = 0;

	for (int i = 0; i < 10; i++)
		stored += letter_deliver(to, 1, RAW) == ST_OK;
	return (void *)stored;
}

Test(deliver, works_from_plain_threads)
{
	pthread_t t[4];
	struct route to = store_mailbox(store_postoffice(), "anna", 0);

	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, sender_thread, &to);
	for (int i = 0; i < 4; i++) {
		void *stored;

		pthread_join(t[i], &stored);
		cr_assert_eq((size_t)stored, 10);
	}
	cr_assert_eq(store_entries_in(&to), 40);
	store_assert_counts(&to);
}

/* ---- refusals */

Test(deliver, stores_nothing_when_one_recipient_is_gone)
{
	int64_t po = store_postoffice();
	struct route to[] = {store_mailbox(po, "anna", 0), store_mailbox(po, "ben", 0)};

	mailbox_set_state(po, to[1].mailbox, MAILBOX_DISABLED, &store_by);
	cr_assert_eq(letter_deliver(to, 2, RAW), ST_ABSENT);
	cr_assert_eq(mailbox_remove(po, to[1].mailbox, &store_by), ST_OK);
	cr_assert_eq(letter_deliver(to, 2, RAW), ST_ABSENT);
	cr_assert_eq(store_entries_in(&to[0]), 0);
	cr_assert_eq(
		store_sql("select count(*) from blob where postoffice = %lld", (long long)po), 0);
	store_assert_counts(&to[0]);
	cr_assert_eq(letter_deliver(to, 1, RAW), ST_OK);
}

Test(deliver, lets_postmasters_exceed_their_quota)
{
	struct route to = store_mailbox(store_postoffice(), "anna", 10);

	cr_assert_eq(letter_deliver(&to, 1, RAW), ST_FULL);
	to.postmaster = true;
	cr_assert_eq(letter_deliver(&to, 1, RAW), ST_OK);
}

Test(deliver, takes_any_bytes_for_lists)
{
	struct route to = store_mailbox(store_postoffice(), "anna", 0);
	struct letter l;

	letter_write(&l, &to, 1, RAW);
	l.d.subject = slice_of("a\xff\0b", 4);
	l.d.from = S("\xc3");
	cr_assert_eq(letter_send(&l), ST_OK);
	letter_close(&l);
}

Test(deliver, delivers_texts_of_the_house)
{
	int64_t po = store_postoffice();
	struct route anna = store_mailbox(po, "anna", 0), ben = store_mailbox(po, "ben", 0);
	struct route to[] = {ben, anna};
	struct delivery_part part = {.postoffice = po, .recipients = to, .n = 2};
	struct delivery d = {.id = id_new(), .parts = &part, .n = 1};
	arena a = ARENA_INIT;
	message *m;

	cr_assert_eq(
		deliver_text_read(S("Subject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\nMessage-ID: <7@x>\r\n"
				    "Date: Thu, 01 Jan 1970 00:00:07 +0000\r\n\r\nx\r\n"),
			&a, &d),
		ST_OK);
	cr_assert_eq(deliver_run(&d), ST_OK);
	blob_writer_close(&part.body);
	cr_assert_eq(store_entries_in(&anna), 1);
	cr_assert_eq(store_entries_in(&ben), 1);
	cr_assert_eq(message_anywhere(d.id, &a, &m), ST_OK);
	cr_assert(slice_same(m->subject, S("grüße")));
	cr_assert(slice_same(m->message_id, S("<7@x>")));
	cr_assert_eq(m->sent, 7 * USEC_S);
	arena_release(&a);
}

/* ---- the same twice */

static struct {
	struct letter letters[2];
	int next, stored;
} twins;

static status twin(void *arg)
{
	(void)arg;
	twins.stored += letter_send(&twins.letters[twins.next++]) == ST_OK;
	return ST_OK;
}

/* What happens when a commit's answer is lost and the transaction runs again while the first one
   may still be at work: one of them stores it, both know that it is stored. */
Test(deliver, stores_once_when_the_same_id_comes_twice)
{
	struct route to = store_mailbox(store_postoffice(), "anna", 0);

	letter_write(&twins.letters[0], &to, 1, RAW);
	letter_write(&twins.letters[1], &to, 1, RAW);
	twins.letters[1].d.id = twins.letters[0].d.id;
	store_fibers(2, twin, NULL);
	cr_assert_eq(twins.stored, 2);
	cr_assert_eq(store_entries_in(&to), 1);
	store_assert_counts(&to);
}

#ifdef PENNYPOST_FAULT_POINTS
static void lost_answer(const char *fault)
{
	struct route to = store_mailbox(store_postoffice(), "anna", 0);

	cr_assert(fault_arm(fault));
	cr_assert_eq(letter_deliver(&to, 1, RAW), ST_OK);
	cr_assert_eq(store_entries_in(&to), 1, "%s", fault);
	store_assert_counts(&to);
}

Test(deliver, settles_a_commit_that_was_lost_on_its_way)
{
	lost_answer("deliver_flush:1:fail");
	lost_answer("db_commit_send:1:fail");
}

Test(deliver, settles_a_commit_whose_answer_was_lost)
{
	lost_answer("deliver_committed:1:fail");
	lost_answer("db_commit_sent:1:fail");
	lost_answer("db_commit_done:1:fail");
}

/* What a reader marked goes once, and he is told so, whatever became of the answer. */
Test(deliver, settles_a_readers_update_whose_answer_was_lost)
{
	static const char *const faults[] = {"db_commit_send:1:fail", "db_commit_sent:1:fail",
		"db_commit_done:1:fail", "db_commit_sent:1:fail,db_commit_sent:2:fail"};

	for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
		struct route to = store_mailbox(store_postoffice(), "anna", 0);
		struct maildrop_taken taken;
		arena a = ARENA_INIT;

		for (int k = 0; k < 3; k++)
			cr_assert_eq(letter_deliver(&to, 1, RAW), ST_OK);
		cr_assert_eq(
			maildrop_take(to.postoffice, to.mailbox, to.inbox, USEC_S, 0, &a, &taken),
			ST_OK);
		cr_assert(fault_arm(faults[i]));
		cr_expect_eq(maildrop_give(to.postoffice, to.mailbox, to.inbox, taken.token,
				     (uint32_t[]){1, 2}, 2),
			ST_OK, "%s", faults[i]);
		cr_assert(fault_arm(""));
		cr_expect_eq(store_entries_in(&to), 1, "%s", faults[i]);
		cr_expect_eq(
			maildrop_take(to.postoffice, to.mailbox, to.inbox, USEC_S, 0, &a, &taken),
			ST_OK, "%s: the lock went too", faults[i]);
		arena_release(&a);
	}
}

Test(deliver, fails_before_anything_is_stored)
{
	struct route to = store_mailbox(store_postoffice(), "anna", 0);

	cr_assert(fault_arm("deliver_begin:1:fail"));
	cr_assert_eq(letter_deliver(&to, 1, RAW), ST_BUSY);
	cr_assert_eq(store_entries_in(&to), 0);
}
#endif
