/* Jobs beside a PostgreSQL: who gets the message, whose step counts, what stands in the way of one
   mailbox, and who may see what. */
#include "provider/job.h"

#include "base/fault.h"
#include "base/id.h"
#include "base/metric.h"
#include "provider/housekeep.h"
#include "provider/mailbox.h"
#include "provider/postoffice.h"
#include "provider/setting.h"
#include "tests/unit/provider/given.h"
#include "tests/unit/provider/store_fixture.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#define RAW S("Subject: To all\r\n\r\nThe house is closed on Monday.\r\n")

static int64_t office;
static arena a;

static void begin(void)
{
	given_providers();
	given_sql("delete from job");
	given_setting(S_job_step, "4");
	store_ledger_begin();
	office = store_postoffice(); /* with its postmaster */
}

static void end(void)
{
	given_setting(S_job_step, NULL);
	cr_expect(store_ledger_holds(), "what the ledger counted is not what is there");
	provider_close();
	arena_release(&a);
}

TestSuite(job, .init = begin, .fini = end, .timeout = 300);

static struct route box(const char *name, int64_t quota)
{
	return store_mailbox(office, name, quota);
}

static void boxes(int n)
{
	for (int i = 0; i < n; i++) {
		char name[20];

		snprintf(name, sizeof name, "u%d", i);
		box(name, 0);
	}
}

static int64_t make(int64_t mailbox, int64_t total)
{
	struct job_new n = {.postoffice = office, .mailbox = mailbox, .id = id_new(), .raw = RAW};
	int64_t found;

	cr_assert_eq(job_make(&n, given_by, &found), ST_OK);
	cr_expect_eq(found, total);
	return n.id;
}

static struct job_claim claim(void)
{
	struct job_claim c;

	cr_assert_eq(job_claim(&c), ST_OK);
	return c;
}

static status step(const struct job_claim *c)
{
	struct job_step done;

	return job_step(c, &a, &done);
}

/* Until nothing is to be done any more; how many steps. */
static int work(void)
{
	struct job_claim c;
	int steps = 0;

	while (job_claim(&c) == ST_OK) {
		status kind = step(&c);

		if (kind != ST_OK)
			job_unclaim(&c, kind);
		cr_assert_leq(++steps, 1000);
	}
	return steps;
}

static struct job_row found(int64_t id)
{
	struct job_row j;

	cr_assert_eq(job_find(office, id, &a, &j), ST_OK);
	return j;
}

/* Mailboxes by how many times they have the message. */
static int64_t having(int64_t id, int times)
{
	return store_sql(
		"select count(*) from mailbox m where m.postoffice = %lld and %d = (select count(*) from entry e "
		"where e.postoffice = m.postoffice and e.folder = m.inbox and e.msg = %lld)",
		(long long)office, times, (long long)id);
}

static void lease_lasts(void)
{
	given_sql("update job set lease = now() + interval '1 hour'");
}

static void lease_is_over(void)
{
	given_sql("update job set lease = now() - interval '1 second'");
}

/* ---- who gets it */

Test(job, serves_every_mailbox_once_with_one_body)
{
	boxes(10);
	int64_t id = make(0, 11), before = metric_value(M_deliveries, SERVICE_NONE);

	cr_expect_eq(found(id).started, 0);
	cr_expect_eq(work(), 3);
	cr_expect_eq(having(id, 1), 11);
	cr_expect_eq(metric_value(M_deliveries, SERVICE_NONE) - before, 11);
	cr_expect_eq(
		store_sql("select count(*) from blob where postoffice = %lld", (long long)office),
		1);
	cr_expect_eq(
		store_sql(
			"select count(*) from message where postoffice = %lld and subject = 'To all'",
			(long long)office),
		1);
	struct job_row j = found(id);
	cr_expect(j.ended > 0 && !j.cancelled);
	cr_expect_eq(j.delivered, 11);
	cr_expect_eq(job_done(&j), 11);
	cr_expect(slice_same(j.who, S("test")) && slice_same(j.subject, S("To all")));
	cr_expect_eq(
		store_sql(
			"select count(*) from audit where postoffice = %lld and action in ('job.make', 'job.end')",
			(long long)office),
		2);
	cr_expect_eq(
		store_sql(
			"select count(*) from mailbox m join folder f using (postoffice, mailbox) where postoffice = %lld "
			"and (m.nmsg <> 1 or m.used <> %zu or f.uidnext <> 2 or f.nunseen <> 1)",
			(long long)office, RAW.size),
		0);
}

Test(job, counts_a_full_mailbox_and_a_disabled_one)
{
	struct route away = box("away", 0), small = box("small", 10);
	struct job_mailbox *rows;
	int n;

	boxes(3);
	cr_assert_eq(mailbox_set_state(office, away.mailbox, MAILBOX_DISABLED, given_by), ST_OK);
	int64_t id = make(0, 6);
	work();
	struct job_row j = found(id);
	cr_expect_eq(j.delivered, 4);
	cr_expect_eq(j.full, 1);
	cr_expect_eq(j.disabled, 1);
	cr_expect_eq(having(id, 1), 4);
	cr_assert_eq(job_missed(office, id, 10, &a, &rows, &n), ST_OK);
	cr_assert_eq(n, 2);
	cr_expect(rows[0].mailbox == away.mailbox && rows[0].outcome == JOB_DISABLED);
	cr_expect(rows[1].mailbox == small.mailbox && rows[1].outcome == JOB_FULL);
	cr_expect(slice_same(rows[1].name, S("small")));
}

Test(job, is_for_the_mailboxes_that_were_there_and_still_are)
{
	struct route gone = box("gone", 0);

	boxes(3);
	int64_t id = make(0, 5);
	box("later", 0);
	cr_assert_eq(mailbox_remove(office, gone.mailbox, given_by), ST_OK);
	work();
	struct job_row j = found(id);
	cr_expect_eq(j.delivered, 4);
	cr_expect_eq(job_gone(&j), 1);
	cr_expect_eq(job_done(&j), 5);
	cr_expect_eq(having(id, 1), 4);
	cr_expect_eq(having(id, 0), 1);
}

Test(job, for_one_owner_is_for_nobody_else)
{
	boxes(2);
	struct route anna = box("anna", 0);

	box("ben", 0);
	int64_t id = make(anna.mailbox, 1);
	cr_expect_eq(work(), 1);
	cr_expect_eq(having(id, 1), 1);
	cr_expect_eq(
		store_sql("select count(*) from entry where postoffice = %lld and folder = %lld",
			(long long)office, (long long)anna.inbox),
		1);
	cr_expect(found(id).ended);
}

Test(job, of_a_disabled_post_office_is_not_made_and_waits)
{
	struct job_new n = {.postoffice = office, .id = id_new(), .raw = RAW};
	struct job_claim c;
	int64_t total, id = make(0, 1);

	cr_assert_eq(postoffice_set_state(office, POSTOFFICE_DISABLED, given_by), ST_OK);
	cr_expect_eq(job_make(&n, given_by, &total), ST_DENIED);
	cr_expect_eq(job_claim(&c), ST_ABSENT);
	cr_assert_eq(postoffice_set_state(office, POSTOFFICE_ENABLED, given_by), ST_OK);
	work();
	cr_expect_eq(found(id).delivered, 1);
}

/* ---- steps */

Test(job, a_step_that_lost_its_lease_changes_nothing)
{
	boxes(9);
	int64_t id = make(0, 10);
	struct job_claim first = claim(), second;

	lease_lasts();
	cr_expect_eq(job_claim(&second), ST_ABSENT, "it is leased");
	lease_is_over();
	second = claim();
	cr_expect_eq(second.epoch, first.epoch + 1);
	cr_expect_eq(step(&first), ST_FOREIGN);
	cr_expect_eq(having(id, 1), 0);
	cr_expect_eq(step(&second), ST_OK);
	cr_expect_eq(step(&first), ST_FOREIGN);
	job_unclaim(&first, ST_INVALID);
	work();
	cr_expect_eq(having(id, 1), 10);
	cr_expect_eq(
		store_sql("select count(*) from job_mailbox where job = %lld", (long long)id), 10);
}

Test(job, a_successor_of_the_same_name_need_not_wait)
{
	int64_t id = make(0, 1);
	struct job_claim c = claim();

	lease_lasts();
	cr_expect_eq(job_claim(&c), ST_ABSENT);
	given_sql("update job set token = token + 1");
	work();
	cr_expect_eq(found(id).delivered, 1);
}

Test(job, takes_turns_with_other_jobs)
{
	boxes(7);
	int64_t first = make(0, 8), second = make(0, 8);
	struct job_claim c = claim();

	cr_expect_eq(c.id, first);
	cr_expect_eq(step(&c), ST_OK);
	c = claim();
	cr_expect_eq(c.id, second);
	cr_expect_eq(step(&c), ST_OK);
	c = claim();
	cr_expect_eq(c.id, first);
	cr_expect_eq(step(&c), ST_OK);
	cr_expect(found(first).ended && !found(second).ended);
}

Test(job, that_is_cancelled_takes_no_further_step)
{
	boxes(9);
	int64_t id = make(0, 10);
	struct job_claim c = claim();

	cr_assert_eq(step(&c), ST_OK);
	c = claim();
	cr_assert_eq(job_cancel(office, id, given_by), ST_OK);
	cr_expect_eq(step(&c), ST_FOREIGN);
	cr_expect_eq(work(), 0);
	struct job_row j = found(id);
	cr_expect(j.cancelled && j.ended);
	cr_expect_eq(having(id, 1), 4);
	cr_expect_eq(job_done(&j), 4);
	cr_expect_eq(job_cancel(office, id, given_by), ST_ABSENT, "it has ended");
}

/* Its INBOX is not there, so no entry can be made; nobody else is to suffer. */
Test(job, passes_over_a_mailbox_that_cannot_be_served)
{
	boxes(5);
	struct route bad = box("bad", 0);

	box("last", 0);
	store_sql("delete from folder where postoffice = %lld and folder = %lld", (long long)office,
		(long long)bad.inbox);
	int64_t id = make(0, 8);
	work();
	struct job_row j = found(id);
	cr_expect_eq(j.delivered, 7);
	cr_expect_eq(j.failed, 1);
	cr_expect_eq(having(id, 1), 7);
	cr_expect(j.ended);
}

static int tries_noted(void)
{
	return (int)store_sql("select tries from job");
}

#define SLEEPERS "from pg_stat_activity where wait_event = 'PgSleep'"

/* Once the server is at work on the step, its time is over; the clock stands still until then. */
static void *time_passes(void *arg)
{
	while (given_sql("select count(*) " SLEEPERS) == 0)
		usleep(10000);
	clock_advance(20 * USEC_S);
	return arg;
}

/* A claim whose step is slow behind its commit; it is not stored in the end. */
static void timed_out(void)
{
	struct job_claim c = claim();
	pthread_t passing;

	given_sql(
		"create trigger slow before insert on entry for each statement execute function slow()");
	clock_virtual(clock_wall());
	pthread_create(&passing, NULL, time_passes, NULL);
	cr_expect_eq(step(&c), ST_TIMED_OUT);
	pthread_join(passing, NULL);
	clock_real();
	do
		given_sql("select count(pg_terminate_backend(pid)) " SLEEPERS);
	while (given_sql("select count(*) " SLEEPERS) > 0);
	given_sql("drop trigger slow on entry");
	cr_assert_eq(job_unclaim(&c, ST_TIMED_OUT), ST_OK);
}

Test(job, a_step_that_takes_too_long_is_smaller_the_next_time_and_passes_nobody_over)
{
	boxes(9);
	int64_t id = make(0, 10);

	given_sql("create or replace function slow() returns trigger language plpgsql as "
		  "$$begin perform pg_sleep(25); return null; end$$");
	timed_out();
	struct job_claim c = claim();
	cr_expect_eq(step(&c), ST_OK);
	cr_expect_eq(found(id).delivered, 1, "a quarter of four");
	for (int i = 0; i < 10; i++)
		timed_out();
	c = claim();
	cr_expect_eq(step(&c), ST_OK);
	cr_expect_eq(found(id).delivered, 2);
	cr_expect_eq(found(id).failed, 0);
	work();
	cr_expect_eq(found(id).delivered, 10);
}

Test(job, tries_that_the_database_refused_do_not_count_however_late_it_hears)
{
	boxes(9);
	int64_t id = make(0, 10);

	for (int i = 0; i < 20; i++) {
		struct job_claim first = claim(), second;

		lease_is_over();
		second = claim();
		lease_lasts();
		cr_expect_eq(job_unclaim(&first, ST_UNSURE), ST_OK);
		cr_expect_eq(tries_noted(), 1);
		cr_expect_eq(job_claim(&first), ST_ABSENT, "the second one's lease stands");
		cr_expect_eq(job_unclaim(&second, ST_BUSY), ST_OK);
		cr_expect_eq(tries_noted(), 0);
	}
	cr_expect_eq(work(), 3, "whole steps");
	cr_expect_eq(found(id).delivered, 10);
}

#ifdef PENNYPOST_FAULT_POINTS
Test(job, serves_everybody_once_whatever_answer_is_lost)
{
	static const char *const faults[] = {"job_step:2:fail", "job_committed:1:fail",
		"job_committed:2:fail", "db_sent:3:fail", "db_commit_sent:2:fail",
		"db_commit_done:1:fail", "db_commit_done:2:fail"};

	boxes(9);
	for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
		int64_t id = make(0, 10);

		cr_assert(fault_arm(faults[i]));
		struct job_claim c;
		for (int tries = 0; !found(id).ended && tries < 50; tries++) {
			if (job_claim(&c) == ST_OK)
				step(&c);
			lease_is_over();
		}
		fault_arm("");
		cr_expect_eq(having(id, 1), 10, "%s", faults[i]);
		cr_expect_eq(found(id).delivered, 10, "%s", faults[i]);
	}
}

Test(job, is_made_once_when_the_answer_to_its_commit_is_lost)
{
	cr_assert(fault_arm("db_commit_done:1:fail"));
	int64_t id = make(0, 1);
	fault_arm("");
	cr_expect_eq(
		store_sql("select count(*) from job where postoffice = %lld", (long long)office),
		1);
	work();
	cr_expect_eq(having(id, 1), 1);
}
#endif

/* ---- tenants and time */

Test(job, of_another_post_office_is_not_there)
{
	int64_t id = make(0, 1), other = store_postoffice();
	struct job_row j, *rows;
	struct job_mailbox *missed;
	int n;

	cr_expect_eq(job_find(other, id, &a, &j), ST_ABSENT);
	cr_expect_eq(job_cancel(other, id, given_by), ST_ABSENT);
	cr_assert_eq(job_list(other, 10, &a, &rows, &n), ST_OK);
	cr_expect_eq(n, 0);
	cr_assert_eq(job_missed(other, id, 10, &a, &missed, &n), ST_OK);
	cr_expect_eq(n, 0);
	cr_expect_eq(found(id).ended, 0);
	cr_assert_eq(job_list(office, 10, &a, &rows, &n), ST_OK);
	cr_assert_eq(n, 1);
	cr_expect_eq(rows[0].id, id);
	cr_assert_eq(job_find(0, id, &a, &j), ST_OK);
	cr_expect_eq(j.postoffice, office);
}

Test(job, keeps_its_message_while_it_is_open_and_is_forgotten_later)
{
	struct housekeep_result done;
	int64_t id = make(0, 1), aborted = make(0, 1);

	store_sql("update expunged set at = now() - interval '60 days' where postoffice = %lld",
		(long long)office);
	cr_assert_eq(job_cancel(office, aborted, given_by), ST_OK);
	cr_assert_eq(housekeep_run(&done), ST_OK);
	cr_expect_eq(store_sql("select count(*) from message where msg = %lld", (long long)id), 1);
	cr_expect_eq(
		store_sql("select count(*) from message where msg = %lld", (long long)aborted), 0);
	work();
	cr_expect_eq(having(id, 1), 1);
	store_sql("update job set ended = ended - interval '29 days' where job = %lld",
		(long long)id);
	cr_assert_eq(housekeep_run(&done), ST_OK);
	cr_expect_eq(
		store_sql("select count(*) from job_mailbox where job = %lld", (long long)id), 1);
	store_sql(
		"update job set ended = ended - interval '2 days' where job = %lld", (long long)id);
	cr_assert_eq(housekeep_run(&done), ST_OK);
	cr_expect_eq(store_sql("select count(*) from job where job = %lld", (long long)id), 0);
	cr_expect_eq(
		store_sql("select count(*) from job_mailbox where job = %lld", (long long)id), 0);
	cr_expect_eq(having(id, 1), 1);
}
