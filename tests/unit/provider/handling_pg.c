/* Rights to answer, and the order of locks (answer.h), in PostgreSQL. */
#include "base/clock.h"
#include "provider/answer.h"
#include "provider/redirection.h"
#include "tests/unit/provider/given.h"
#include "tests/unit/provider/store_fixture.h"

#include <criterion/criterion.h>
#include <pthread.h>

static arena a;
static struct route anna;

static void setup(void)
{
	given_providers();
	anna = store_mailbox(store_postoffice(), "anna", 0);
}

static void teardown(void)
{
	provider_close();
	arena_release(&a);
}

TestSuite(handling_pg, .init = setup, .fini = teardown, .timeout = 300);

static status say(const char *sender, enum answer_kind kind, bool *left_out)
{
	struct letter message, reply;
	const struct answer_right right = {
		anna.postoffice, anna.mailbox, kind, slice_z(sender), 3600 * USEC_S};

	letter_write(&message, &anna, 1, S("Subject: hello\r\n\r\n"));
	letter_write(&reply, &anna, 1, S("Subject: away\r\n\r\n"));
	reply.d.right = &right;
	message.d.also = &reply.d;
	status s = letter_send(&message);
	*left_out = reply.d.left_out;
	letter_close(&reply);
	letter_close(&message);
	return s;
}

Test(handling_pg, a_right_is_used_up_with_its_answer)
{
	bool left_out;
	answer w = {.text = S("I am away."), .ends = USEC_NEVER};
	slice why;
	const struct answer_right right = {anna.postoffice, anna.mailbox, ANSWER_OWNER,
					  S("eve@x.test"), 0},
				  full = {anna.postoffice, anna.mailbox, ANSWER_FULL,
					  S("eve@x.test"), 0};

	cr_assert_eq(answer_may(&right), ST_OK);
	cr_assert_eq(say("eve@x.test", ANSWER_OWNER, &left_out), ST_OK);
	cr_assert_not(left_out);
	cr_assert_eq(answer_may(&right), ST_EXISTS);
	cr_assert_eq(answer_may(&full), ST_OK);
	cr_assert_eq(say("eve@x.test", ANSWER_OWNER, &left_out), ST_OK);
	cr_assert(left_out);
	cr_assert_eq(say("eve@x.test", ANSWER_FULL, &left_out), ST_OK);
	cr_assert_not(left_out);
	/* Who was told of another text may be told again; of the full mailbox he is not. */
	cr_assert_eq(answer_set(anna.postoffice, anna.mailbox, &w, &store_by, &a, &why), ST_OK);
	cr_assert_eq(answer_may(&right), ST_OK);
	cr_assert_eq(answer_may(&full), ST_EXISTS);
	cr_assert_eq(
		store_sql(
			"select count(*) from entry e join folder f using (postoffice, folder) where f.mailbox = %lld",
			(long long)anna.mailbox),
		5);
}

/* ---- one order: rows of `answered`, the mailbox, what is set for it */

static void *sets(void *arg)
{
	answer w = {.text = S("another"), .ends = USEC_NEVER};
	arena own = ARENA_INIT;
	slice why;

	*(status *)arg = answer_set(anna.postoffice, anna.mailbox, &w, &store_by, &own, &why);
	arena_release(&own);
	return NULL;
}

static void *removes(void *arg)
{
	*(status *)arg = answer_remove(anna.postoffice, anna.mailbox, &store_by);
	return NULL;
}

static void *removes_redirection(void *arg)
{
	*(status *)arg = redirection_remove(anna.postoffice, anna.mailbox, &store_by);
	return NULL;
}

/* Whoever waits for the mailbox holds the rows before it already, and none of those behind it: how
   many rows of the table are free. */
static int64_t free_meanwhile(const char *table, void *(*changes)(void *))
{
	pthread_t t;
	status done;

	given_sql("begin");
	store_sql("select 1 from mailbox where postoffice = %lld and mailbox = %lld for update",
		(long long)anna.postoffice, (long long)anna.mailbox);
	cr_assert_eq(pthread_create(&t, NULL, changes, &done), 0);
	cr_assert(given_somebody_waits());
	int64_t n = store_sql(
		"select count(*) from (select 1 from %s where postoffice = %lld and mailbox = %lld "
		"for update skip locked) r",
		table, (long long)anna.postoffice, (long long)anna.mailbox);
	given_sql("commit");
	pthread_join(t, NULL);
	cr_assert_eq(done, ST_OK);
	return n;
}

Test(handling_pg, locks_have_one_order)
{
	slice target = S("x@example.org"), why;
	bool left_out;

	cr_assert_eq(redirection_set(
			     anna.postoffice, anna.mailbox, &target, 1, false, &store_by, &a, &why),
		ST_OK);
	cr_assert_eq(free_meanwhile("redirection", removes_redirection), 1);
	cr_assert_eq(say("eve@x.test", ANSWER_OWNER, &left_out), ST_OK);
	cr_assert_eq(free_meanwhile("answered", sets), 0);
	cr_assert_eq(say("eve@x.test", ANSWER_OWNER, &left_out), ST_OK);
	cr_assert_eq(free_meanwhile("answered", removes), 0);
	sets(&(status){ST_OK});
	cr_assert_eq(free_meanwhile("autoreply", removes), 1);
}

/* As the notice that a mailbox is full: nothing but itself is stored with its right. */
Test(handling_pg, a_right_is_used_up_by_an_answer_that_goes_alone)
{
	struct letter reply;
	const struct answer_right right = {
		anna.postoffice, anna.mailbox, ANSWER_FULL, S("eve@x.test"), 3600 * USEC_S};

	letter_write(&reply, &anna, 1, S("Subject: full\r\n\r\n"));
	reply.d.right = &right;
	cr_expect_eq(answer_may(&right), ST_OK);
	cr_expect_eq(letter_send(&reply), ST_OK);
	cr_expect_eq(answer_may(&right), ST_EXISTS);
	letter_close(&reply);
}
