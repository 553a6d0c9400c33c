/* How mailboxes' own mail ends at other systems, and the pause when too much of it is refused
   (T19). Each test has a post office of its own. */
#include "tests/unit/provider/queue_fixture.h"

#include "base/metric.h"
#include "provider/mailbox.h"
#include "provider/postoffice.h"

#include <criterion/criterion.h>
#include <pthread.h>

static void begin(void)
{
	empty_queue_begin();
	given_setting(S_sent_refused_percent, "50");
	given_setting(S_sent_refused_least, "4");
	given_setting(S_sent_refused_pause, "1 h");
}

static void end(void)
{
	given_setting(S_sent_refused_percent, NULL);
	given_setting(S_sent_refused_least, NULL);
	given_setting(S_sent_refused_pause, NULL);
	store_counted_end();
}

TestSuite(queue_refused, .init = begin, .fini = end, .timeout = 300);

/* What becomes of each letter of a row of words: Sent, Refused, Expired behind a 4xx, Deferred,
   Parked and refused, Own judgement (no such domain). */
static struct queue_result outcome_of(char word, const queue_entry *e)
{
	struct queue_result r = {.entry = e,
		.end = word == 'D'   ? QUEUE_DEFER
		       : word == 'P' ? QUEUE_PARK
				     : QUEUE_DONE,
		.wait = USEC_S,
		.gone = word == 'S' ? GONE_SENT : GONE_DROPPED,
		.refused = word == 'R' || word == 'P',
		.code = word == 'S'                  ? 250
			: word == 'R' || word == 'P' ? 550
			: word == 'O'                ? 0
						     : 451};
	return r;
}

/* Letters of a mailbox that end so. */
static void letters_end(const struct route *who, slice via, const char *words)
{
	arena a = ARENA_INIT;
	struct queue_recipient to = {.address = S("zoe@b.test"),
		.domain = S("b.test"),
		.mailbox = who->mailbox,
		.via = via};
	int count = (int)strlen(words), late, n;

	for (int i = 0; i < count; i++)
		cr_assert_eq(letter_queue(who->postoffice, NULL, &to, 1, RAW), ST_OK);
	queue_runner *r = runner();
	queue_entry *rows = claim(r, 1000, 1000, &a, &n);
	struct queue_result *results = arena_new_array(&a, (size_t)n, sizeof *results);
	cr_assert_eq(n, count);
	for (int i = 0; i < n; i++)
		results[i] = outcome_of(words[i], &rows[i]);
	cr_assert_eq(queue_finish(r, results, n, &late), ST_OK);
	queue_runner_close(&r);
	store_queue_empty();
	store_ledger_begin();
	arena_release(&a);
}

static bool is_paused(const struct route *who)
{
	struct queue_sent sent;

	cr_assert_eq(queue_sent(who->postoffice, who->mailbox, NULL, 0, &sent), ST_OK);
	return sent.paused > clock_wall();
}

static struct queue_refused counted(const struct route *who)
{
	struct queue_refused q = {0};
	status kind = queue_refused(who->postoffice, who->mailbox, &q);

	cr_assert(kind == ST_OK || kind == ST_ABSENT);
	return q;
}

static int64_t rows_of(const struct route *who)
{
	return store_sql("select count(*) from sent_refused where postoffice = %lld",
		(long long)who->postoffice);
}

static struct route anna(void)
{
	return store_mailbox(store_postoffice(), "anna", 0);
}

Test(queue_refused, more_than_the_share_and_no_fewer_than_the_least_pause_a_mailbox)
{
	struct route who = anna(), other = store_mailbox(who.postoffice, "ben", 0);
	int64_t before = metric_value(M_mailboxes_paused, SERVICE_NONE);

	letters_end(&who, S(""), "RRR");
	cr_expect_not(is_paused(&who), "three are few");
	letters_end(&who, S(""), "SSS");
	cr_expect_not(is_paused(&who), "half is not more than half");
	letters_end(&who, S(""), "R");
	cr_expect(is_paused(&who));
	cr_expect_not(is_paused(&other));
	cr_expect_eq(metric_value(M_mailboxes_paused, SERVICE_NONE) - before, 1);
	struct queue_refused q = counted(&who);
	cr_expect_eq(q.ended, 7);
	cr_expect_eq(q.refused, 4);
	cr_expect(q.paused > clock_wall());
	cr_expect_eq(store_sql("select count(*) from audit where postoffice = %lld and action = "
			       "'mailbox.pause' and who = 'house' and object = 'anna'",
			     (long long)who.postoffice),
		1);
}

Test(queue_refused, only_its_own_mail_and_only_what_a_host_refused_counts)
{
	struct route who = anna();

	letters_end(&who, S("anna@acme.test"), "RRRRRR");
	cr_expect_eq(counted(&who).ended, 0, "others' mail that it passed on");
	letters_end(&who, S(""), "DDDDDD");
	cr_expect_eq(counted(&who).ended, 0, "4xx: it goes on");
	letters_end(&who, S(""), "EEEOP");
	struct queue_refused q = counted(&who);
	cr_expect_eq(q.ended, 5);
	cr_expect_eq(q.refused, 1, "what is returned for its age, or has no host, nobody refused");
	struct route nobody = {.postoffice = who.postoffice};
	letters_end(&nobody, S(""), "RRRRRR");
	cr_expect_eq(rows_of(&who), 1, "who did not log on has no row");
}

Test(queue_refused, nothing_is_counted_where_the_share_is_0)
{
	struct route who = anna();

	given_setting(S_sent_refused_percent, "0");
	letters_end(&who, S(""), "RRRRRR");
	cr_expect_eq(rows_of(&who), 0);
}

Test(queue_refused, what_is_reported_counts_with_its_report)
{
	arena a = ARENA_INIT;
	struct route who = anna();
	struct queue_recipient far[4];
	struct queue_result failed[4];
	struct letter l;
	int n;

	for (int i = 0; i < 4; i++)
		far[i] = (struct queue_recipient){
			.address = S("zoe@b.test"), .domain = S("b.test"), .mailbox = who.mailbox};
	cr_assert_eq(letter_queue(who.postoffice, NULL, far, 4, RAW), ST_OK);
	queue_runner *r = runner();
	queue_entry *rows = claim(r, 1000, 1000, &a, &n);
	cr_assert_eq(n, 4);
	for (int i = 0; i < 4; i++)
		failed[i] = outcome_of('R', &rows[i]);
	letter_write(&l, &who, 1, RAW);
	l.d.ends = failed;
	l.d.end_count = 4;
	cr_expect_eq(letter_send(&l), ST_OK);
	letter_close(&l);
	queue_settled(r, failed, 4);
	cr_expect_eq(counted(&who).refused, 4);
	cr_expect(is_paused(&who));
	queue_runner_close(&r);
	arena_release(&a);
}

Test(queue_refused, an_hour_and_a_pause_end_and_it_is_counted_anew)
{
	struct route who = anna();
	long long po = who.postoffice;

	letters_end(&who, S(""), "RRR");
	store_sql("update sent_refused set since = since - interval '61 minutes' where "
		  "postoffice = %lld",
		po);
	cr_expect_eq(counted(&who).ended, 0, "that was in another hour");
	letters_end(&who, S(""), "RRR");
	cr_expect_eq(counted(&who).ended, 3);
	cr_expect_not(is_paused(&who));
	letters_end(&who, S(""), "R");
	cr_expect(is_paused(&who));
	letters_end(&who, S(""), "RRRR");
	cr_expect_eq(
		counted(&who).ended, 4, "what was taken before does not make the pause longer");
	store_sql(
		"update sent_refused set until = now() - interval '1 second' where postoffice = %lld",
		po);
	cr_expect_not(is_paused(&who));
	letters_end(&who, S(""), "SRR");
	cr_expect_eq(counted(&who).ended, 3);
	cr_expect_not(is_paused(&who));
}

Test(queue_refused, an_operator_ends_a_pause)
{
	struct route who = anna();

	cr_expect_eq(queue_refused_release(who.postoffice, who.mailbox, &store_by), ST_ABSENT);
	letters_end(&who, S(""), "RRRR");
	cr_expect(is_paused(&who));
	cr_expect_eq(queue_refused_release(who.postoffice, who.mailbox + 1, &store_by), ST_ABSENT);
	cr_expect_eq(queue_refused_release(who.postoffice, who.mailbox, &store_by), ST_OK);
	cr_expect_not(is_paused(&who));
	cr_expect_eq(queue_refused_release(who.postoffice, who.mailbox, &store_by), ST_ABSENT);
	cr_expect_eq(store_sql("select count(*) from audit where postoffice = %lld and action = "
			       "'mailbox.release' and object = 'anna'",
			     (long long)who.postoffice),
		1);
	letters_end(&who, S(""), "RRR");
	cr_expect_not(is_paused(&who), "it is counted anew");
}

Test(queue_refused, a_mailbox_and_a_post_office_take_their_rows_along)
{
	struct route who = anna(), other = store_mailbox(who.postoffice, "ben", 0);

	letters_end(&who, S(""), "R");
	letters_end(&other, S(""), "R");
	cr_assert_eq(rows_of(&who), 2);
	cr_assert_eq(mailbox_remove(who.postoffice, who.mailbox, &store_by), ST_OK);
	cr_expect_eq(rows_of(&who), 1);
	cr_assert_eq(postoffice_remove(other.postoffice, &store_by), ST_OK);
	cr_expect_eq(rows_of(&who), 0);
}

/* ---- two runners at once: each has results of the same mailboxes, in another order */

enum { BOXES = 8, ROUNDS = 40 };
struct batch {
	struct route box[BOXES];
	bool backwards;
	status worst;
};

static void *batches_run(void *arg)
{
	struct batch *b = arg;
	queue_entry e[BOXES];
	struct queue_result results[BOXES];
	queue_runner *r;
	int late;

	cr_assert_eq(queue_runner_open(&r), ST_OK);
	for (int i = 0; i < BOXES; i++) {
		const struct route *of = &b->box[b->backwards ? BOXES - 1 - i : i];

		e[i] = (queue_entry){.id = 1, .postoffice = of->postoffice, .mailbox = of->mailbox};
		results[i] = outcome_of('S', &e[i]);
	}
	for (int k = 0; k < ROUNDS && b->worst == ST_OK; k++)
		b->worst = queue_finish(r, results, BOXES, &late);
	queue_runner_close(&r);
	return NULL;
}

Test(queue_refused, two_runners_wait_for_each_other_in_no_circle)
{
	struct batch b[2] = {{.backwards = false}, {.backwards = true}};
	pthread_t t[2];

	for (int i = 0; i < BOXES; i++)
		b[0].box[i] = b[1].box[i] = anna();
	given_silence(); /* none of these entries is there: each result is late */
	for (int i = 0; i < 2; i++)
		cr_assert_eq(pthread_create(&t[i], NULL, batches_run, &b[i]), 0);
	for (int i = 0; i < 2; i++) {
		pthread_join(t[i], NULL);
		cr_expect_eq(b[i].worst, ST_OK);
	}
	for (int i = 0; i < BOXES; i++)
		cr_expect_eq(counted(&b[0].box[i]).ended, 2 * ROUNDS);
}
