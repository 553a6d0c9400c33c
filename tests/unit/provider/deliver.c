/* Deliveries: what is stored, what is counted, and what happens when something fails or the answer
   to the commit is lost. */
#include "provider/deliver.h"

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

static void begin(void)
{
	given_providers();
	store_ledger_begin();
}

static void end(void)
{
	cr_expect(store_ledger_holds(), "what the ledger counted is not what is there");
	provider_close();
}

TestSuite(deliver, .init = begin, .fini = end, .timeout = 300);

#define RAW S("Subject: hello\r\n\r\nhow are you?\r\n")

static int64_t entries_in(const struct route *r)
{
	return store_sql("select count(*) from entry where postoffice = %lld and folder = %lld",
		(long long)r->postoffice, (long long)r->inbox);
}

/* UIDs rise without gaps, and every counter says what the entries say. */
static void assert_counts(const struct route *r)
{
	long long po = r->postoffice, box = r->mailbox, inbox = r->inbox;

	cr_assert(
		store_sql(
			"select (count(*) = coalesce(max(uid), 0))::int from entry where postoffice = %lld and folder = %lld",
			po, inbox),
		"UIDs have gaps");
	cr_assert(
		store_sql(
			"select (m.used = e.bytes and m.nmsg = e.n and f.nbytes = e.bytes and f.nmsg = e.n and f.nunseen = e.unseen and f.uidnext > e.last)::int"
			" from mailbox m, folder f, (select coalesce(sum(size), 0) as bytes, count(*) as n, count(*) filter (where flags & 1 = 0) as unseen, coalesce(max(uid), 0) as last"
			" from entry where postoffice = %lld and folder = %lld) e"
			" where m.postoffice = %lld and m.mailbox = %lld and f.postoffice = %lld and f.folder = %lld",
			po, inbox, po, box, po, inbox),
		"the counters are wrong");
	cr_assert(
		store_sql(
			"select (coalesce(sum(upper(r) - lower(r)), 0) = (select uidnext - 1 from folder where postoffice = %lld and folder = %lld))::int"
			" from change c, unnest(c.uids) r where c.kind = '+' and postoffice = %lld and folder = %lld",
			po, inbox, po, inbox),
		"the change log does not tell all arrivals");
}

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
	cr_expect_eq(entries_in(&anna), 2);
	cr_expect_eq(entries_in(&junk), 3);
	assert_counts(&ben);
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
	assert_counts(&to);
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
		cr_assert_eq(entries_in(&to[i]), 1);
		assert_counts(&to[i]);
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
		assert_counts(&to[i]);
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
	cr_assert_eq(entries_in(&crowd.small), 3);
	for (int i = 0; i < 5; i++) {
		sum += entries_in(&crowd.boxes[i]);
		assert_counts(&crowd.boxes[i]);
	}
	assert_counts(&crowd.small);
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
	assert_counts(&crowd.boxes[0]);
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
	cr_assert_eq(entries_in(&to), 40);
	assert_counts(&to);
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
	cr_assert_eq(entries_in(&to[0]), 0);
	cr_assert_eq(
		store_sql("select count(*) from blob where postoffice = %lld", (long long)po), 0);
	assert_counts(&to[0]);
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
	int64_t po = store_postoffice(), id;
	struct route anna = store_mailbox(po, "anna", 0), ben = store_mailbox(po, "ben", 0);
	struct route to[] = {ben, anna, ben};
	arena a = ARENA_INIT;
	message *m;

	cr_assert_eq(deliver_text(to, 3,
			     S("Subject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\nMessage-ID: <7@x>\r\n"
			       "Date: Thu, 01 Jan 1970 00:00:07 +0000\r\n\r\nx\r\n"),
			     &id),
		ST_OK);
	cr_assert_eq(entries_in(&anna), 1);
	cr_assert_eq(entries_in(&ben), 1);
	cr_assert_eq(message_anywhere(id, &a, &m), ST_OK);
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
	cr_assert_eq(entries_in(&to), 1);
	assert_counts(&to);
}

#ifdef PENNYPOST_FAULT_POINTS
static void lost_answer(const char *fault)
{
	struct route to = store_mailbox(store_postoffice(), "anna", 0);

	cr_assert(fault_arm(fault));
	cr_assert_eq(letter_deliver(&to, 1, RAW), ST_OK);
	cr_assert_eq(entries_in(&to), 1, "%s", fault);
	assert_counts(&to);
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
		cr_expect_eq(entries_in(&to), 1, "%s", faults[i]);
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
	cr_assert_eq(entries_in(&to), 0);
}
#endif

/* ---- repetitions (R6) */

static int keys_standing(slice key)
{
	char hex[33];

	for (int i = 0; i < 16; i++)
		snprintf(hex + 2 * i, 3, "%02x", (unsigned char)key.at[i]);
	return (int)store_sql("select count(*) from repeat where key = '\\x%s'", hex);
}

static status keyed(const struct route *to, slice key, int64_t *id)
{
	struct letter l;

	letter_write(&l, to, 1, RAW);
	l.d.repeat_key = key;
	status s = letter_send(&l);
	letter_close(&l);
	*id = l.d.id;
	return s;
}

static void key_make(char key[16])
{
	int64_t id[2] = {id_new(), id_new()};

	memcpy(key, id, 16);
}

static int own_number(void)
{
	return (int)((id_new() >> 12) & ID_NODE_MOST);
}

/* This process's node number is held by a living process of a role of its own, since a minute
   ago. */
static void owner_lives(void)
{
	store_sql(
		"update node set role = 'living ' || node, since = now() - interval '1 minute',"
		" seen = now() + interval '1 minute', until = now() + interval '1 minute' where node = %d",
		own_number());
}

static struct {
	struct route to;
	char key[16];
	status outcome;
	int64_t first, second;
	usec took;
	bool told, waited;
	int standing;
} repeat;

static slice repeat_key(void)
{
	return slice_of(repeat.key, 16);
}

static status repeat_confirmed(void *arg)
{
	(void)arg;
	repeat.outcome = keyed(&repeat.to, repeat_key(), &repeat.first);
	repeat.standing = keys_standing(repeat_key());
	deliver_confirm(repeat_key(), false);
	for (int tries = 0; tries < 1200 && keys_standing(repeat_key()); tries++)
		task_sleep(50 * USEC_MS); /* a minute at most */
	return ST_OK;
}

Test(deliver, forgets_the_key_of_an_answer_that_was_read)
{
	repeat.to = store_mailbox(store_postoffice(), "anna", 0);
	key_make(repeat.key);
	store_fibers(1, repeat_confirmed, NULL);
	cr_assert_eq(repeat.outcome, ST_OK);
	cr_assert_eq(repeat.standing, 1);
	cr_assert_eq(keys_standing(repeat_key()), 0);
}

static status repeat_broken(void *arg)
{
	(void)arg;
	repeat.outcome = keyed(&repeat.to, repeat_key(), &repeat.first);
	deliver_confirm(repeat_key(), true);
	repeat.outcome = keyed(&repeat.to, repeat_key(), &repeat.second);
	return ST_OK;
}

static void expect_known_again(int64_t quota)
{
	repeat.to = store_mailbox(store_postoffice(), "anna", quota);
	key_make(repeat.key);
	owner_lives();
	store_fibers(1, repeat_broken, NULL);
	cr_assert_eq(repeat.outcome, ST_EXISTS);
	cr_assert_eq(repeat.second, repeat.first);
	cr_assert_eq(entries_in(&repeat.to), 1);
}

Test(deliver, recognises_what_a_broken_conversation_stored)
{
	expect_known_again(0);
}

/* Its first copy filled the mailbox: it is known all the same. */
Test(deliver, recognises_what_filled_the_mailbox)
{
	expect_known_again((int64_t)RAW.size);
	assert_counts(&repeat.to);
	key_make(repeat.key);
	cr_assert_eq(keyed(&repeat.to, repeat_key(), &repeat.first), ST_FULL);
	cr_assert_eq(keys_standing(repeat_key()), 0);
}

/* The transaction was given up on doubt and stands all the same; a crash of PostgreSQL has taken
   its key. */
static status repeat_lost_its_key(void *arg)
{
	(void)arg;
	repeat.outcome = keyed(&repeat.to, repeat_key(), &repeat.first);
	store_sql("delete from repeat where message = %lld returning 1", (long long)repeat.first);
	repeat_doubt(repeat_key(), repeat.to.postoffice, repeat.first);
	cr_expect_eq(deliver_hold(), ST_OK);
	repeat.outcome = keyed(&repeat.to, repeat_key(), &repeat.second);
	return ST_OK;
}

Test(deliver, waits_until_doubts_are_asked_for)
{
	repeat.to = store_mailbox(store_postoffice(), "anna", 0);
	key_make(repeat.key);
	owner_lives();
	store_fibers(1, repeat_lost_its_key, NULL);
	cr_assert_eq(repeat.outcome, ST_EXISTS);
	cr_assert_eq(repeat.second, repeat.first);
	cr_assert_eq(entries_in(&repeat.to), 1);
}

/* ---- doubts of another process of this node, which stands still */

enum { OWN_SLOT = 1, OTHER_SLOT };

static struct {
	pid_t process;
	int doubts[2], go[2]; /* it is in doubt; it may ask */
	atomic_bool may_ask;
} other;

static status other_doubted(void *arg)
{
	char byte;

	(void)arg;
	repeat_doubt(repeat_key(), repeat.to.postoffice, repeat.first);
	return write(other.doubts[1], "d", 1) == 1 && read(other.go[0], &byte, 1) == 1 ? ST_OK
										       : ST_CLOSED;
}

/* It has no connection to the database before it forks; lives until it is killed, or its parent
   ends. */
static void other_run(void)
{
	char byte;

	close(other.doubts[0]);
	close(other.go[1]);
	repeat_slot(OTHER_SLOT);
	given_providers();
	store_fibers(1, other_doubted, NULL);
	while (read(other.go[0], &byte, 1) == 1)
		;
	_exit(0);
}

static void other_kill(void)
{
	kill(other.process, SIGKILL);
	waitpid(other.process, NULL, 0);
}

/* A message that stands, without its key, and another process that does not know it. */
static void given_doubt_elsewhere(void)
{
	char byte;

	repeat.to = store_mailbox(store_postoffice(), "anna", 0);
	key_make(repeat.key);
	cr_assert_eq(keyed(&repeat.to, repeat_key(), &repeat.first), ST_OK);
	store_sql("delete from repeat where message = %lld returning 1", (long long)repeat.first);
	provider_close();
	repeat_share();
	cr_assert(pipe(other.doubts) == 0 && pipe(other.go) == 0);
	other.process = fork();
	if (other.process == 0)
		other_run();
	close(other.doubts[1]);
	close(other.go[0]);
	repeat_slot(OWN_SLOT);
	given_providers();
	cr_assert_eq(read(other.doubts[0], &byte, 1), 1);
}

static usec hold_took(void)
{
	usec start = clock_now();

	cr_expect_eq(deliver_hold(), ST_OK);
	return clock_now() - start;
}

static void *other_may_ask(void *arg)
{
	usleep(100000);
	atomic_store(&other.may_ask, true);
	cr_expect_eq(write(other.go[1], "g", 1), 1);
	return arg;
}

Test(deliver, waits_until_other_processes_have_asked)
{
	pthread_t t;

	given_doubt_elsewhere();
	cr_expect_geq(hold_took(), 500 * USEC_MS);
	cr_expect_eq(keys_standing(repeat_key()), 0);
	pthread_create(&t, NULL, other_may_ask, NULL);
	cr_expect_eq(deliver_hold(), ST_OK);
	cr_expect(atomic_load(&other.may_ask), "it did not wait");
	cr_expect_eq(keyed(&repeat.to, repeat_key(), &repeat.second), ST_EXISTS);
	cr_expect_eq(repeat.second, repeat.first);
	cr_expect_eq(entries_in(&repeat.to), 1);
	pthread_join(t, NULL);
	other_kill();
}

Test(deliver, waits_for_no_process_that_is_buried)
{
	given_doubt_elsewhere();
	other_kill();
	cr_expect_geq(hold_took(), 500 * USEC_MS, "the master has not seen it yet");
	repeat_slot_clear(OTHER_SLOT);
	usec quickest = USEC_S; /* a machine may hold up one of them, not all */
	for (int i = 0; i < 20; i++) {
		usec took = hold_took();
		quickest = quickest < took ? quickest : took;
	}
	cr_expect_lt(quickest, 400 * USEC_MS);
}

/* ---- doubts of another node, whose backend is still at it */

Test(deliver, stores_nothing_beside_a_commit_that_is_under_way_elsewhere)
{
	struct route to = store_mailbox(store_postoffice(), "anna", 0);
	db_link *elsewhere = given_link();
	char key[16], hex[33], sql[200];
	int64_t id;

	key_make(key);
	for (int i = 0; i < 16; i++)
		snprintf(hex + 2 * i, 3, "%02x", (unsigned char)key[i]);
	snprintf(sql, sizeof sql,
		"begin; insert into repeat (key, message, owner, broken) values ('\\x%s', 42, 1, true)",
		hex);
	given_script(elsewhere, sql);
	cr_expect_eq(keyed(&to, slice_of(key, 16), &id), ST_BUSY,
		"it may be stored there at any moment");
	given_script(elsewhere, "commit");
	cr_expect_eq(keyed(&to, slice_of(key, 16), &id), ST_EXISTS);
	cr_expect_eq(id, 42);
	db_link_close(&elsewhere);
	cr_expect_eq(entries_in(&to), 0);
}

static bool is_marked(slice key)
{
	char hex[33];

	for (int i = 0; i < 16; i++)
		snprintf(hex + 2 * i, 3, "%02x", (unsigned char)key.at[i]);
	return store_sql("select count(*) from repeat where broken and key = '\\x%s'", hex) > 0;
}

/* Waits for a moment of the doubts' task: until the key stands and is marked. */
static bool marked(slice key)
{
	for (int tries = 0; tries < 1200; tries++) {
		if (is_marked(key))
			return true;
		task_sleep(50 * USEC_MS); /* a minute at most */
	}
	return false;
}

static void doubted_stored(int64_t id, slice key)
{
	struct letter l;

	letter_write(&l, &repeat.to, 1, RAW);
	l.d.id = id;
	l.d.repeat_key = key;
	cr_expect_eq(letter_send(&l), ST_OK);
	letter_close(&l);
}

static status repeat_doubted(void *arg)
{
	int64_t office = repeat.to.postoffice, later = id_new(), id;
	char absent[16], late[16];

	(void)arg;
	key_make(absent);
	key_make(late);
	/* Stored, but a crash of PostgreSQL took its key. */
	cr_expect_eq(keyed(&repeat.to, repeat_key(), &repeat.first), ST_OK);
	store_sql("delete from repeat where message = %lld", (long long)repeat.first);
	repeat_doubt(repeat_key(), office, repeat.first);
	/* Not stored, and never to be. */
	repeat_doubt(slice_of(absent, 16), office, id_new());
	/* Stored by its backend after it was given up and looked for. */
	repeat_doubt(slice_of(late, 16), office, later);
	cr_expect(marked(repeat_key()));
	doubted_stored(later, slice_of(late, 16));
	cr_expect(marked(slice_of(late, 16)));

	cr_expect_eq(keyed(&repeat.to, repeat_key(), &repeat.second), ST_EXISTS);
	cr_expect_eq(repeat.second, repeat.first);
	cr_expect_eq(keyed(&repeat.to, slice_of(late, 16), &id), ST_EXISTS);
	cr_expect_eq(id, later);
	cr_expect_eq(keyed(&repeat.to, slice_of(absent, 16), &id), ST_OK);
	task_loop_stop(); /* the doubt that nothing answers goes on for minutes */
	return ST_OK;
}

Test(deliver, recognises_what_was_given_up_on_doubt)
{
	repeat.to = store_mailbox(store_postoffice(), "anna", 0);
	key_make(repeat.key);
	owner_lives();
	store_fibers(1, repeat_doubted, NULL);
	cr_assert_eq(entries_in(&repeat.to), 3);
}

/* Until the key stands and is marked, on the virtual clock, which goes as fast as time does. */
static bool marked_virtually(slice key)
{
	for (int tries = 0; tries < 30000; tries++) {
		if (tries % 50 == 0 && is_marked(key))
			return true;
		usleep(2000); /* a minute at most */
		clock_advance(2 * USEC_MS);
		task_sleep(0);
	}
	return false;
}

static status repeat_doubted_long(void *arg)
{
	int64_t later = id_new(), other = id_new();
	char early[16];

	(void)arg;
	key_make(early);
	doubted_stored(other, slice_of(early, 16));
	clock_virtual(clock_wall());
	repeat_doubt(repeat_key(), repeat.to.postoffice, later);
	repeat_doubt(slice_of(early, 16), repeat.to.postoffice, other);
	cr_expect(marked_virtually(slice_of(early, 16))); /* both were looked for */
	clock_advance(120 * USEC_S);
	store_sql("update repeat set broken = false where message = %lld", (long long)other);
	repeat_doubt(slice_of(early, 16), repeat.to.postoffice, other);
	cr_expect(marked_virtually(slice_of(early, 16))); /* both again */
	doubted_stored(later, repeat_key());
	cr_expect(marked_virtually(repeat_key()));
	clock_real();
	task_loop_stop();
	return ST_OK;
}

/* A COMMIT may wait for a synchronous standby for longer than a backend may go on without its
   client. */
Test(deliver, a_doubt_lives_as_long_as_repetitions_are_recognised)
{
	repeat.to = store_mailbox(store_postoffice(), "anna", 0);
	key_make(repeat.key);
	store_fibers(1, repeat_doubted_long, NULL);
}

Test(deliver, recognises_what_a_dead_worker_stored)
{
	static const char *const deaths[] = {
		"update node set until = now() - interval '1 second' where node",  /* lease over */
		"update node set since = now() + interval '1 second' where node",  /* taken anew */
		"update node set seen = now() - interval '11 seconds' where node", /* cut off */
		/* A successor. */
		"insert into node (node, name, role, token, schema, since, seen, until)"
		" select 2000 + node, name, role, 7, schema, now(), now(), until from node where node",
	};
	struct route to = store_mailbox(store_postoffice(), "anna", 0);
	int64_t first, second;
	char key[16];

	for (size_t i = 0; i < sizeof deaths / sizeof *deaths; i++) {
		key_make(key);
		owner_lives();
		cr_assert_eq(keyed(&to, slice_of(key, 16), &first), ST_OK);
		store_sql("%s = %d", deaths[i], own_number());
		cr_assert_eq(keyed(&to, slice_of(key, 16), &second), ST_EXISTS, "%zu", i);
		cr_assert_eq(second, first);
		cr_assert_eq(entries_in(&to), (int64_t)i + 1);
	}
	store_sql("delete from node where node > 2000");
}

static status repeat_waits(void *arg)
{
	usec start = clock_now();

	(void)arg;
	repeat.outcome = keyed(&repeat.to, repeat_key(), &repeat.second);
	repeat.took = clock_now() - start;
	repeat.waited = repeat.told;
	return ST_OK;
}

static status repeat_forgets_soon(void *arg)
{
	(void)arg;
	task_sleep(300 * USEC_MS);
	repeat.told = true;
	deliver_confirm(repeat_key(), false);
	return ST_OK;
}

static status repeat_both(void *arg)
{
	task_start("forget", repeat_forgets_soon, NULL);
	return repeat_waits(arg);
}

Test(deliver, waits_for_a_living_conversation)
{
	repeat.to = store_mailbox(store_postoffice(), "anna", 0);
	key_make(repeat.key);
	owner_lives();
	cr_assert_eq(keyed(&repeat.to, repeat_key(), &repeat.first), ST_OK);
	store_fibers(1, repeat_both, NULL);
	cr_assert_eq(repeat.outcome, ST_OK);
	cr_assert(repeat.waited, "it did not wait for what the other one would tell");
	cr_assert_eq(entries_in(&repeat.to), 2);
	cr_assert_eq(keys_standing(repeat_key()), 1);
}

Test(deliver, never_loses_mail_to_a_key)
{
	repeat.to = store_mailbox(store_postoffice(), "anna", 0);
	key_make(repeat.key);
	owner_lives();
	cr_assert_eq(keyed(&repeat.to, repeat_key(), &repeat.first), ST_OK);
	store_fibers(1, repeat_waits, NULL);
	cr_assert_eq(repeat.outcome, ST_OK);
	cr_assert_gt(repeat.took, 2500 * USEC_MS);
	cr_assert_eq(entries_in(&repeat.to), 2);
}

Test(deliver, ignores_keys_past_their_window)
{
	static const struct {
		const char *window; /* NULL: ten minutes */
		int minutes;        /* the key's age */
		status again;
	} rows[] = {{NULL, 120, ST_OK}, {NULL, 5, ST_EXISTS}, {"1 min", 5, ST_OK},
		{"1 h", 20, ST_EXISTS}, {"0 s", 0, ST_OK}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct route to = store_mailbox(store_postoffice(), "anna", 0);
		char key[16];
		int64_t first, second;
		given_setting(S_smtp_repeat_window, rows[i].window);
		key_make(key);
		cr_assert_eq(keyed(&to, slice_of(key, 16), &first), ST_OK);
		store_sql(
			"update repeat set broken = true, at = now() - interval '%d minutes' where message = %lld",
			rows[i].minutes, (long long)first);
		cr_expect_eq(keyed(&to, slice_of(key, 16), &second), rows[i].again, "row %zu", i);
		cr_expect_eq(entries_in(&to), rows[i].again == ST_OK ? 2 : 1, "row %zu", i);
	}
	given_setting(S_smtp_repeat_window, NULL);
}
