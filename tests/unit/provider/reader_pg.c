/* The reader's mailbox in PostgreSQL. */
#include "tests/unit/provider/reader.h"

#include "provider/mailbox.h"
#include "provider/view_cache.h"
#include "tests/unit/provider/given.h"
#include "tests/unit/provider/store_fixture.h"

#include <criterion/criterion.h>
#include <pthread.h>

static struct route inbox;

void reader_begin(void)
{
	given_providers();
	inbox = store_mailbox(store_postoffice(), "anna", 0);
	me = (struct reader){
		.postoffice = inbox.postoffice, .mailbox = inbox.mailbox, .inbox = inbox.inbox};
}

void reader_end(void)
{
	arena_release(&me.a);
	provider_close();
}

struct reader reader_stranger(void)
{
	struct route r = store_mailbox(store_postoffice(), "otto", 0);

	return (struct reader){.postoffice = r.postoffice, .mailbox = r.mailbox, .inbox = r.inbox};
}

void reader_quota(int64_t bytes)
{
	cr_assert_eq(mailbox_set_quota(me.postoffice, me.mailbox, bytes, &store_by), ST_OK);
}

void reader_deliver(slice raw)
{
	cr_assert_eq(letter_deliver(&inbox, 1, raw), ST_OK);
}

void reader_heard(notice *n)
{
	usec before = task_deadline(clock_now() + 10 * USEC_S);

	cr_assert_eq(notice_wait(n), ST_OK);
	task_deadline(before);
}

Test(reader_pg, a_folder_that_others_rename_at_once_was_made_all_the_same, .init = reader_begin,
	.fini = reader_end)
{
	folder *f, *found;

	given_sql(
		"create or replace function whisk() returns trigger language plpgsql as "
		"$$begin update folder set name = 'whisked away' where folder = new.folder; return null; end$$");
	given_sql(
		"create constraint trigger whisk after insert on folder deferrable initially deferred "
		"for each row when (new.name = 'whisk') execute function whisk()");
	status kind = folder_make(me.postoffice, me.mailbox, S("whisk"), 0, &me.a, &f);
	given_sql("drop trigger whisk on folder");
	cr_assert_eq(kind, ST_OK);
	cr_assert_eq(
		folder_find(me.postoffice, me.mailbox, S("whisked away"), &me.a, &found), ST_OK);
	cr_expect_eq(f->id, found->id);
	cr_expect(slice_same(f->name, S("whisk")));
}

/* What it tells of messages that are gone is not to depend on what the view can still learn. */
Test(reader_pg, a_change_whose_folder_is_removed_at_once_says_so, .init = reader_begin,
	.fini = reader_end)
{
	struct view_stored s;
	struct view_change gone;
	const uint32_t uids[] = {1, 2};

	filled(S("INBOX"), 2);
	view *v = opened(S("INBOX")), *other = opened(S("INBOX"));
	const struct view_flags deleted = {.add = FLAG_DELETED, .unchanged_since = -1};
	cr_assert_eq(view_store(other, uids, 1, &deleted, false, &me.a, &s), ST_OK);
	cr_expect_not(s.removed);
	cr_assert_eq(view_expunge(other, uids, 1, &me.a, &gone), ST_OK);
	given_sql("create or replace function fell() returns trigger language plpgsql as "
		  "$$begin delete from folder where folder = new.folder; return null; end$$");
	given_sql(arena_format(&me.a,
		"create constraint trigger fell after update on folder deferrable initially deferred "
		"for each row when (new.folder = %lld) execute function fell()",
		(long long)me.inbox)
			  .at);
	view_cache_clear(); /* as if another process had changed it: the view must look */
	status kind = view_store(v, uids, 2, &deleted, true, &me.a, &s);
	given_sql("drop trigger fell on folder");
	cr_assert_eq(kind, ST_OK);
	cr_expect(s.removed);
	cr_expect_eq(s.change.changed_n, 0);
	view_close(&v);
	view_close(&other);
}

static void *removes(void *arg)
{
	*(status *)arg = folder_remove(me.postoffice, me.mailbox, S("early"));
	return NULL;
}

Test(reader_pg, a_folder_that_others_rename_at_once_is_not_removed_by_its_name_of_before,
	.init = reader_begin, .fini = reader_end)
{
	pthread_t t;
	status done;
	folder *f;

	cr_assert_eq(folder_make(me.postoffice, me.mailbox, S("early"), 0, &me.a, &f), ST_OK);
	given_sql("begin");
	store_sql("select 1 from mailbox where postoffice = %lld and mailbox = %lld for update",
		(long long)me.postoffice, (long long)me.mailbox);
	cr_assert_eq(pthread_create(&t, NULL, removes, &done), 0);
	cr_assert(given_somebody_waits());
	store_sql("update folder set name = 'late' where folder = %lld", (long long)f->id);
	given_sql("commit");
	pthread_join(t, NULL);
	cr_expect_eq(done, ST_ABSENT);
	cr_expect_eq(folder_find(me.postoffice, me.mailbox, S("late"), &me.a, &f), ST_OK);
}
