/* The ledger beside a PostgreSQL: what counts where, and what the check finds when rows are changed
   behind its back. That no way into the queue or out of it is forgotten, the tests of queue, jobs
   and deliveries show, which end with the check. */
#include "provider/ledger.h"

#include "base/id.h"
#include "base/metric.h"
#include "provider/housekeep.h"
#include "provider/job.h"
#include "provider/mailbox.h"
#include "provider/postoffice.h"
#include "provider/queue.h"
#include "task/task.h"
#include "tests/unit/provider/given.h"
#include "tests/unit/provider/store_fixture.h"

#include <criterion/criterion.h>

#define RAW S("Subject: hello\r\n\r\nhow are you?\r\n")

static int64_t office;
static arena a;

static void begin(void)
{
	given_providers();
	store_queue_empty();
	given_sql("delete from lease where name like 'ledger%'");
	office = store_postoffice();
	a = ARENA_INIT;
}

static void end(void)
{
	arena_release(&a);
	provider_close();
}

TestSuite(ledger, .init = begin, .fini = end, .timeout = 300);

static struct ledger_row row_of(int64_t id)
{
	struct ledger_row *rows;
	int n;

	cr_assert_eq(ledger_list(id - 1, 1, true, &a, &rows, &n), ST_OK);
	cr_assert(n == 1 && rows[0].postoffice == id);
	return rows[0];
}

static int64_t known_of(int64_t id)
{
	return store_sql(
		"select count(*) from ledger_breach where postoffice = %lld", (long long)id);
}

/* How many breaches a check of this post office leaves; the first of them in *one. */
static int breaches(bool boxes, struct ledger_breach *one)
{
	struct ledger_look seen;
	struct ledger_breach *rows;
	int n, mine = 0;

	cr_assert_eq(ledger_check(office, boxes, &seen), ST_OK);
	cr_assert_eq(ledger_breaches(-1, 100, &a, &rows, &n), ST_OK);
	for (int i = 0; i < n; i++)
		if (rows[i].postoffice == office && mine++ == 0 && one)
			*one = rows[i];
	return mine;
}

static void queue_some(int n)
{
	struct queue_recipient to = {.address = S("ben@b.test"), .domain = S("b.test")};

	while (n-- > 0)
		cr_assert_eq(letter_queue(office, NULL, &to, 1, RAW), ST_OK);
}

static queue_entry *claim(queue_runner *r, int want)
{
	struct queue_claim c = {.shards = UINT64_MAX, .most = 12800, .each = 100};
	queue_entry *rows;
	int n;

	cr_assert_eq(queue_claim(r, &c, &a, &rows, &n), ST_OK);
	cr_assert_eq(n, want);
	return rows;
}

/* ---- what is counted */

Test(ledger, counts_messages_mailboxes_and_rows_of_the_queue)
{
	struct route to[] = {store_mailbox(office, "anna", 0), store_mailbox(office, "ben", 0)};
	struct queue_recipient far[] = {{.address = S("ben@b.test"), .domain = S("b.test")},
		{.address = S("eve@c.test"), .domain = S("c.test"), .parked = true}};

	cr_assert_eq(letter_deliver(to, 2, RAW), ST_OK);
	cr_assert_eq(letter_deliver(to, 1, RAW), ST_OK);
	cr_assert_eq(letter_queue(office, to, far, 2, RAW), ST_OK);
	cr_assert_eq(letter_queue(office, NULL, far, 1, RAW), ST_OK);
	to[0].mailbox++;
	cr_assert_eq(letter_deliver(to, 1, RAW), ST_ABSENT);

	struct ledger_row r = row_of(office);
	cr_expect_eq(r.figure[LEDGER_ACCEPTED], 4);
	cr_expect_eq(r.figure[LEDGER_ADDRESSED], 4);
	cr_expect_eq(r.delivered, 4);
	cr_expect_eq(r.figure[LEDGER_PUT], 3);
	cr_expect_eq(r.figure[LEDGER_PARKED], 1);
	cr_expect_eq(r.waiting, 3);
	cr_expect_eq(r.parked, 1);
	cr_expect_eq(breaches(true, NULL), 0);
}

Test(ledger, counts_how_rows_left_the_queue)
{
	queue_runner *r;
	int late;

	queue_some(7);
	cr_assert_eq(queue_runner_open(&r), ST_OK);
	cr_assert_eq(queue_runner_lease(r, NULL), ST_OK);
	queue_entry *e = claim(r, 7);
	struct queue_result results[] = {{.entry = &e[0], .end = QUEUE_DONE, .gone = GONE_SENT},
		{.entry = &e[1], .end = QUEUE_DONE, .gone = GONE_SENT},
		{.entry = &e[2], .end = QUEUE_DONE, .gone = GONE_TOLD},
		{.entry = &e[3], .end = QUEUE_DONE, .gone = GONE_DROPPED},
		{.entry = &e[4], .end = QUEUE_PARK},
		{.entry = &e[5], .end = QUEUE_DEFER, .wait = USEC_S}};
	cr_assert_eq(queue_finish(r, results, 6, &late), ST_OK);
	struct queue_result failed = {.entry = &e[6], .end = QUEUE_DONE, .gone = GONE_RETURNED};
	struct route to = store_mailbox(office, "anna", 0);
	struct letter l;
	letter_write(&l, &to, 1, RAW);
	l.d.ends = &failed;
	l.d.end_count = 1;
	cr_assert_eq(letter_send(&l), ST_OK);
	letter_close(&l);
	cr_assert_eq(queue_finish(r, results, 6, &late), ST_OK); /* said twice */

	struct ledger_row row = row_of(office);
	cr_expect_eq(row.figure[LEDGER_PUT], 7);
	cr_expect_eq(row.figure[LEDGER_SENT], 2);
	cr_expect_eq(row.figure[LEDGER_TOLD], 1);
	cr_expect_eq(row.figure[LEDGER_DROPPED], 1);
	cr_expect_eq(row.figure[LEDGER_RETURNED], 1);
	cr_expect_eq(row.waiting, 2);
	cr_expect_eq(breaches(false, NULL), 0);

	struct queue_filter all = QUEUE_FILTER_ANY;
	int64_t changed;
	all.postoffice = office;
	cr_assert_eq(queue_order(&all, QUEUE_DELETE, &store_by, &changed), ST_OK);
	cr_expect_eq(row_of(office).figure[LEDGER_DELETED], 2);
	cr_expect_eq(breaches(false, NULL), 0);
	queue_runner_close(&r);
}

static struct {
	struct route to;
	status first, second;
} twice;

static status deliver_twice(void *unused)
{
	char key[16] = "ledger";
	struct letter l;

	(void)unused;
	memcpy(key + 8, &office, 8);
	for (int i = 0; i < 2; i++) {
		letter_write(&l, &twice.to, 1, RAW);
		l.d.repeat_key = slice_of(key, 16);
		*(i ? &twice.second : &twice.first) = letter_send(&l);
		letter_close(&l);
		deliver_confirm(slice_of(key, 16), true);
	}
	return ST_OK;
}

Test(ledger, counts_messages_that_were_known)
{
	twice.to = store_mailbox(office, "anna", 0);
	store_fibers(1, deliver_twice, NULL);
	cr_assert(twice.first == ST_OK && twice.second == ST_EXISTS);
	cr_expect_eq(row_of(office).figure[LEDGER_REPEATED], 1);
	cr_expect_eq(row_of(office).figure[LEDGER_ACCEPTED], 1);
}

Test(ledger, keeps_what_was_delivered_to_mailboxes_that_are_gone)
{
	struct route to = store_mailbox(office, "anna", 0);

	cr_assert_eq(letter_deliver(&to, 1, RAW), ST_OK);
	cr_assert_eq(mailbox_remove(office, to.mailbox, &store_by), ST_OK);
	cr_expect_eq(row_of(office).delivered, 1);
	cr_expect_eq(row_of(office).figure[LEDGER_CARRIED], 1);
	cr_expect_eq(breaches(true, NULL), 0);
}

Test(ledger, goes_with_its_post_office)
{
	struct route to = store_mailbox(office, "anna", 0);
	long long id = office;

	cr_assert_eq(letter_deliver(&to, 1, RAW), ST_OK);
	queue_some(1);
	cr_assert_eq(postoffice_remove(office, &store_by), ST_OK);
	cr_expect_eq(store_sql("select count(*) from ledger where postoffice = %lld", id), 0);
}

Test(ledger, knows_nothing_of_post_offices_that_are_gone)
{
	long long gone = id_new();

	store_sql("insert into ledger (postoffice, slot, put) values (%lld, 0, 1)", gone);
	store_sql(
		"insert into ledger_breach (postoffice, what, mailbox, counted, found) values (%lld, 0, 0, 1, 0)",
		gone);
	cr_expect_eq(breaches(false, NULL), 0);
	cr_expect_eq(known_of(gone), 0, "its breach stays");
	struct ledger_look seen;
	cr_assert_eq(ledger_check(-1, false, &seen), ST_OK);
	cr_expect_eq(known_of(gone), 0, "it is found anew");
	store_sql("delete from ledger where postoffice = %lld", gone);
}

Test(ledger, gathers_what_processes_counted_apart)
{
	struct route to = store_mailbox(office, "anna", 0);
	long long id = office;

	cr_assert_eq(letter_deliver(&to, 1, RAW), ST_OK);
	store_sql(
		"insert into ledger (postoffice, slot, repeated) select %lld, -g, 1 from generate_series(1, 40) g",
		id);
	cr_expect_eq(breaches(false, NULL), 0);
	cr_expect_eq(store_sql("select count(*) from ledger where postoffice = %lld", id), 1);
	cr_expect_eq(row_of(office).figure[LEDGER_REPEATED], 40);
	cr_expect_eq(row_of(office).delivered, 1);
}

/* ---- what the check finds */

Test(ledger, finds_a_row_that_left_the_queue_behind_its_back)
{
	struct ledger_breach b = {0};
	struct ledger_look seen;
	int64_t gauge = metric_value(M_ledger_breaches, SERVICE_NONE);

	queue_some(3);
	store_sql(
		"delete from queue where qid = (select max(qid) from queue where postoffice = %lld)",
		(long long)office);
	cr_assert_eq(breaches(false, &b), 1);
	cr_expect(b.what == LEDGER_QUEUE && b.counted == 3 && b.found == 2);
	cr_assert_eq(ledger_turn(60 * USEC_S, &seen), ST_OK);
	cr_expect_gt(metric_value(M_ledger_breaches, SERVICE_NONE), gauge, "nobody is alarmed");
	queue_some(2);
	cr_expect_eq(breaches(false, &b), 1, "it stays until somebody says so");
	cr_assert_eq(ledger_settle(office, &store_by), ST_OK);
	cr_expect_eq(breaches(false, NULL), 0);
	cr_expect_eq(row_of(office).figure[LEDGER_SETTLED_QUEUE], -1);
	cr_expect_eq(row_of(office).figure[LEDGER_PUT], 5, "figures stay");
	cr_assert_eq(ledger_turn(60 * USEC_S, &seen), ST_OK);
	cr_expect_eq(metric_value(M_ledger_breaches, SERVICE_NONE), gauge);
	ledger_stop();
}

Test(ledger, finds_a_row_that_came_into_the_queue_uncounted)
{
	struct ledger_breach b = {0};

	queue_some(1);
	store_sql(
		"insert into queue_deferred (shard, postoffice, qid, msg, sender, domain, rcpt, next_at, expires)"
		" select shard, postoffice, qid + 1, msg, sender, domain, rcpt, next_at, expires from queue where postoffice = %lld",
		(long long)office);
	cr_assert_eq(breaches(false, &b), 1);
	cr_expect(b.what == LEDGER_QUEUE && b.counted == 1 && b.found == 2);
}

Test(ledger, finds_a_mailbox_that_was_set_back)
{
	struct route to = store_mailbox(office, "anna", 0);
	struct ledger_breach b = {0};

	cr_assert_eq(letter_deliver(&to, 1, RAW), ST_OK);
	store_sql("update mailbox set delivered = 0 where mailbox = %lld", (long long)to.mailbox);
	cr_assert_eq(breaches(false, &b), 1);
	cr_expect(b.what == LEDGER_MAIL && b.mailbox == 0 && b.counted == 1 && b.found == 0);
	cr_assert_eq(ledger_settle(office, &store_by), ST_OK);
	cr_expect_eq(breaches(false, NULL), 0);
}

Test(ledger, finds_counts_that_are_not_those_of_the_entries)
{
	static const struct {
		const char *what, *harm;
		int breaches;
	} rows[] = {{"octets", "update mailbox set used = used + 1 where inbox", 1},
		{"messages", "update mailbox set nmsg = nmsg - 1 where inbox", 1},
		{"folders", "update folder set nbytes = nbytes - 1 where folder", 1},
		{"folders", "update folder set nmsg = nmsg + 1 where folder", 1},
		{"octets", "delete from entry where folder", 3}};
	struct route to = store_mailbox(office, "anna", 0);
	struct ledger_look seen;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct ledger_breach b = {0};

		cr_assert_eq(letter_deliver(&to, 1, RAW), ST_OK);
		cr_assert_eq(breaches(true, NULL), 0, "%s", rows[i].harm);
		store_sql("%s = %lld", rows[i].harm, (long long)to.inbox);
		cr_expect_eq(breaches(true, &b), rows[i].breaches, "%s", rows[i].harm);
		cr_expect_str_eq(ledger_what_name(b.what), rows[i].what, "%s", rows[i].harm);
		cr_expect_eq(b.mailbox, to.mailbox);
		cr_assert_eq(ledger_settle(office, &store_by), ST_OK);
		cr_assert_eq(ledger_check(-1, false, &seen), ST_OK);
		cr_expect_eq(
			known_of(office), 0, "%s: what was settled is alarmed about", rows[i].harm);
	}
	cr_expect_eq(breaches(true, NULL), 0);
	cr_assert_eq(mailbox_remove(office, to.mailbox, &store_by), ST_OK);
	cr_expect_eq(breaches(true, NULL), 0);
}

Test(ledger, is_checked_in_turns_until_all_was_seen)
{
	struct ledger_look seen;
	int64_t boxes = given_sql("select count(*) from mailbox"), sampled = 0;

	for (int i = 0; i < 3; i++)
		cr_assert_eq(letter_deliver(
				     (struct route[]){store_mailbox(store_postoffice(), "anna", 0)},
				     1, RAW),
			ST_OK);
	for (int64_t turns = 0; turns <= boxes / 100 + 1; turns++) {
		cr_assert_eq(ledger_turn(60 * USEC_S, &seen), ST_OK);
		cr_expect(seen.postoffices > 3 && seen.mailboxes <= 100);
		sampled += seen.mailboxes;
	}
	cr_expect_geq(sampled, boxes);
	given_sql("update lease set token = token + 1 where name = 'ledger'");
	cr_expect_eq(ledger_turn(60 * USEC_S, &seen), ST_LIMITED, "another process has its turn");
	given_sql("delete from lease where name = 'ledger'");
}

Test(ledger, looks_at_post_offices_though_mailboxes_cannot_be_read)
{
	struct ledger_look seen;
	int64_t gauge;

	cr_assert_eq(ledger_turn(60 * USEC_S, &seen), ST_OK);
	gauge = metric_value(M_ledger_breaches, SERVICE_NONE);
	queue_some(1);
	store_sql("delete from queue where postoffice = %lld", (long long)office);
	given_sql("revoke select on entry from pennypost_system");
	status kind = ledger_turn(60 * USEC_S, &seen);
	given_sql("grant select on entry to pennypost_system");
	cr_expect(kind != ST_OK && seen.mailboxes == 0, "mailboxes were read without a right to");
	cr_expect_eq(known_of(office), 1, "nobody looked at the queue");
	cr_expect_eq(metric_value(M_ledger_breaches, SERVICE_NONE), gauge + 1, "nobody is alarmed");
	ledger_stop();
}

/* Two that have as many entries as a turn reads, by what they say, behind more than a turn takes in
   its order. */
Test(ledger, reads_wrong_mailboxes_in_turns)
{
	struct ledger_look seen;
	int looks[2] = {0};

	for (int i = 0; i < 100; i++)
		store_mailbox(office, arena_format(&a, "filler%d", i).at, 0);
	office = store_postoffice();
	struct route to[] = {store_mailbox(office, "anna", 0), store_mailbox(office, "ben", 0)};
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(letter_deliver(&to[i], 1, RAW), ST_OK);
		store_sql("update mailbox set nmsg = 30000 where mailbox = %lld",
			(long long)to[i].mailbox);
	}
	cr_assert_eq(ledger_check(office, true, &seen), ST_OK);
	cr_assert_eq(known_of(office), 2);
	/* Both are well again, which a turn knows when it has read them. */
	store_sql("update ledger_breach set found = 30000 where postoffice = %lld",
		(long long)office);
	for (int i = 0; i < 2; i++)
		store_sql("update mailbox set nmsg = 1 where mailbox = %lld",
			(long long)to[i].mailbox);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(ledger_turn(60 * USEC_S, &seen), ST_OK);
		looks[i] = (int)known_of(office);
	}
	cr_expect(looks[0] == 1 && looks[1] == 0, "%d and %d are left", looks[0], looks[1]);
	ledger_stop();
}

Test(ledger, rows_are_gathered_where_no_turn_is_taken)
{
	struct housekeep_result done;
	long long id = office;

	store_sql(
		"insert into ledger (postoffice, slot, repeated) select %lld, -g, 1 from generate_series(1, 40) g",
		id);
	cr_assert_eq(housekeep_run(&done), ST_OK);
	cr_expect_eq(store_sql("select count(*) from ledger where postoffice = %lld", id), 40,
		"it is the check's matter");
	given_setting(S_ledger_check_every, "0 s");
	cr_assert_eq(housekeep_run(&done), ST_OK);
	given_setting(S_ledger_check_every, "1 min");
	cr_expect_eq(store_sql("select count(*) from ledger where postoffice = %lld", id), 1);
	cr_expect_eq(row_of(office).figure[LEDGER_REPEATED], 40);
}

/* ---- exact while mail comes and goes */

static struct {
	struct route to[4];
	int left;
	int wrong, checks;
} load;

static status load_run(void *unused)
{
	struct queue_recipient far = {.address = S("ben@b.test"), .domain = S("b.test")};

	(void)unused;
	for (int i = 0; i < 40; i++)
		cr_assert_eq(letter_queue(office, &load.to[i % 4], &far, i % 2, RAW), ST_OK);
	load.left--;
	return ST_OK;
}

static status check_run(void *unused)
{
	struct ledger_look seen;
	struct ledger_breach *rows;
	struct queue_filter all = QUEUE_FILTER_ANY;
	int64_t changed;
	int n;

	(void)unused;
	all.postoffice = office;
	while (load.left > 0) {
		if (load.checks % 4 == 3)
			cr_assert_eq(queue_order(&all, QUEUE_DELETE, &store_by, &changed), ST_OK);
		cr_assert_eq(ledger_check(office, true, &seen), ST_OK);
		cr_assert_eq(ledger_breaches(-1, 100, &a, &rows, &n), ST_OK);
		load.wrong += n;
		load.checks++;
	}
	return ST_OK;
}

static status load_begin(void *unused)
{
	(void)unused;
	load.left = 8;
	for (int i = 0; i < 8; i++)
		task_start("load", load_run, NULL);
	return check_run(NULL);
}

Test(ledger, is_exact_while_mail_comes_and_goes)
{
	for (int i = 0; i < 4; i++)
		load.to[i] = store_mailbox(office, (const char *[]){"a", "b", "c", "d"}[i], 0);
	store_fibers(1, load_begin, NULL);
	cr_expect_gt(load.checks, 0);
	cr_expect_eq(
		load.wrong, 0, "an alarm about mail under way, in one of %d checks", load.checks);
	cr_expect_eq(row_of(office).figure[LEDGER_ACCEPTED], 320);
	cr_expect_eq(row_of(office).figure[LEDGER_PUT], 160);
	cr_expect_eq(row_of(office).delivered, 320);
}
