/* The runner of the queue beside a PostgreSQL, with a transport that is no network: turns between
   post offices, hosts out of reach, reports and where they end, a graceful end. */
#include "connector/smtp/outbound.h"

#include "base/fault.h"
#include "base/id.h"
#include "base/log.h"
#include "base/metric.h"
#include "connector/smtp/report.h"
#include "net/errand_order.h"
#include "provider/route.h"
#include "provider/setting.h"
#include "provider/trace.h"
#include "task/task.h"
#include "tests/unit/provider/given.h"
#include "tests/unit/provider/store_fixture.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define RAW S("Return-Path: <anna@acme.test>\r\nSubject: hello\r\n\r\nhow are you?\r\n")

static void set(enum setting_id id, const char *value)
{
	arena a = ARENA_INIT;
	slice v = slice_z(value), why = S("");

	cr_assert_eq(
		setting_set(id, NULL, &v, &store_by, &a, &why), ST_OK, "%.*s", SLICE_ARGS(why));
	arena_release(&a);
}

static void begin(void)
{
	given_providers();
	store_queue_empty();
	set(S_queue_poll, "100 ms");
	set(S_queue_retry, "15min 30min 60min 240min");
	set(S_queue_tries_most, "0");
	set(S_outbound_at_once_most,
		"200"); /* and ten times as many rows in memory: fewer than a crowd has */
	set(S_outbound_per_postoffice_most, "100");
	set(S_outbound_per_domain_most, "20");
}

/* No way into the queue or out of it goes uncounted. */
static void end(void)
{
	cr_expect(store_ledger_holds(), "what the ledger counted is not what is there");
	provider_close();
}

TestSuite(outbound_queue, .init = begin, .fini = end, .timeout = 600);

/* ---- a transport */

static struct {
	int sent, tried, ok,
		late; /* recipients, attempts, recipients at ok.test, attempts at late.test */
	int claimed,
		most; /* rows that were planned, and how many more than were sent at one moment */
	usec pause;
	bool go; /* hosts that are stuck, or hold a message, answer */
	text body;
	uint64_t size; /* as it was announced */
} net;

static slice destination(void *arg, slice domain, arena *a)
{
	(void)arg;
	(void)a;
	net.claimed++;
	net.most = net.claimed - net.sent > net.most ? net.claimed - net.sent : net.most;
	return domain;
}

static status body_take(slice piece, void *to)
{
	(void)to;
	text_add(&net.body, piece);
	return ST_OK;
}

static struct client_result reply(
	enum client_outcome o, enum client_cause c, int code, const char *enhanced)
{
	return (struct client_result){.outcome = o,
		.cause = c,
		.code = code,
		.enhanced = slice_z(enhanced),
		.text = S("so it is")};
}

static void until_go(void)
{
	while (!net.go && task_sleep(10 * USEC_MS) == ST_OK)
		;
}

static void send_fake(
	void *arg, slice domain, struct client_message *m, arena *a, struct outbound_word *words)
{
	struct client_result r = reply(CLIENT_DELIVERED, CLIENT_BY_REPLY, 250, "2.0.0");

	(void)arg;
	(void)a;
	net.tried++;
	if (slice_starts(domain, S("slow")) && task_sleep(net.pause) != ST_OK)
		r = reply(CLIENT_DEFERRED, CLIENT_BY_US, 0, "4.3.2");
	else if (slice_starts(domain, S("stuck")))
		until_go();
	else if (slice_starts(domain, S("late")) && ++net.late == 1)
		r = reply(CLIENT_DEFERRED, CLIENT_BY_REPLY, 451, "4.7.1");
	else if (slice_starts(domain, S("dead")) && !net.go)
		r = reply(CLIENT_DEFERRED, CLIENT_BY_HOST, 0, "4.4.1");
	else if (slice_starts(domain, S("never")))
		r = reply(CLIENT_FAILED, CLIENT_BY_REPLY, 550, "5.1.1");
	else {
		if (slice_starts(domain, S("held")))
			until_go();
		net.sent += m->n;
	}
	net.ok += slice_starts(domain, S("ok"));
	if (slice_starts(domain, S("body"))) {
		m->source(m->arg, body_take, NULL);
		net.size = m->size;
	}
	for (int i = 0; i < m->n; i++) {
		m->to[i].result = r;
		words[i].host = S("mx.test");
	}
}

static const struct outbound_transport fake = {destination, send_fake, NULL, NULL};
static struct outbound_conf conf = {.seat = 0, .transport = &fake};

/* ---- a loop with the runner and one that tests it */

static status (*story)(void);

static status tester(void *arg)
{
	status kind = story();

	(void)arg;
	outbound_leave();
	return kind;
}

static void play(status (*run)(void))
{
	story = run;
	net.sent = net.tried = net.ok = net.late = net.claimed = net.most = 0;
	net.go = false;
	cr_assert_eq(task_loop_open(&TASK_LIMITS_INIT), ST_OK);
	cr_assert_not_null(task_start("outbound", outbound_run, &conf));
	cr_assert_not_null(task_start("test", tester, NULL));
	task_loop_run();
	task_loop_close();
	cr_expect(outbound_over());
	cr_expect_eq(store_sql("select count(*) from qshard where owner <> 0"), 0,
		"shards are not given back");
	cr_expect_eq(store_sql("select count(*) from qrunner"), 0);
}

/* Without the runner, whose own statements would meet a fault that is meant for the story. */
static void play_alone(status (*run)(void))
{
	story = run;
	cr_assert_eq(task_loop_open(&TASK_LIMITS_INIT), ST_OK);
	cr_assert_not_null(task_start("test", tester, NULL));
	task_loop_run();
	task_loop_close();
}

/* Whether it came to be so within four minutes, which is longer than any machine takes. */
static bool wait_until(bool (*good)(void))
{
	for (usec until = clock_now() + 240 * USEC_S; clock_now() < until;) {
		if (good())
			return true;
		task_sleep(10 * USEC_MS);
	}
	return good();
}

static void post_text(
	int64_t office, const char *sender, const char *address, const char *domain, slice raw)
{
	struct queue_envelope e = {.sender = slice_z(sender), .lifetime = 3600 * USEC_S};
	struct queue_recipient to = {.address = slice_z(address), .domain = slice_z(domain)};
	struct route nobody = {.postoffice = office};
	struct letter l;

	letter_write(&l, &nobody, 1, raw);
	l.parts[0].n = 0;
	l.parts[0].header_size = 49;
	l.parts[0].remote = &to;
	l.parts[0].m = 1;
	l.d.envelope = &e;
	cr_assert_eq(letter_send(&l), ST_OK);
	letter_close(&l);
}

static void post(int64_t office, const char *sender, const char *address, const char *domain)
{
	post_text(office, sender, address, domain, RAW);
}

/* n more of the one row there is for that domain, each of a message of its own. */
static void multiply_at(const char *domain, int n)
{
	store_sql("insert into message (postoffice, msg, blob, size, hdrlen)"
		  " select postoffice, m.msg + g, m.blob, m.size, m.hdrlen"
		  " from message m join queue q using (postoffice, msg), generate_series(1, %d) g"
		  " where q.domain like '%s' returning 1",
		n, domain);
	store_sql(
		STORE_PUT(
			"insert into queue (shard, postoffice, qid, msg, sender, domain, rcpt, next_at, expires)"
			" select shard, postoffice, qid + g * 4096, msg + g, sender, domain, rcpt, next_at, expires"
			" from queue, generate_series(1, %d) g where domain like '%s'"),
		n, domain);
}

static void multiply(int n)
{
	multiply_at("%", n);
}

/* ---- stories */

#define CROWD 3000

static int64_t small;

static bool crowd_has_all_it_may_have(void)
{
	return net.tried >= setting_number(S_outbound_per_domain_most, NULL);
}

static bool small_arrived(void)
{
	return net.ok > 0;
}

static status a_small_one(void)
{
	cr_assert(wait_until(crowd_has_all_it_may_have));
	post(small, "ben@b.test", "x@ok.test", "ok.test");
	cr_expect(wait_until(small_arrived));
	cr_expect_eq(net.ok, 1);
	cr_expect_lt(
		net.tried, CROWD / 2, "a crowd of another post office went first: %d", net.tried);
	return ST_OK;
}

Test(outbound_queue, a_crowd_does_not_hold_up_another_post_office)
{
	net.pause = 200 * USEC_MS;
	post(store_postoffice(), "anna@acme.test", "x@slow.test", "slow.test");
	multiply(CROWD);
	small = store_postoffice();
	play(a_small_one);
}

/* More than a runner has room for, at hosts that never answer. */
static void given_crowd(const char *domain)
{
	char address[60];

	snprintf(address, sizeof address, "x@%s", domain);
	post(store_postoffice(), "anna@acme.test", address, domain);
	multiply_at(domain, CROWD);
}

static bool crowd_fills_the_list(void)
{
	return store_sql("select max(cardinality(trying)) from qrunner") >= 380;
}

/* A domain whose mail stands in the same shard as the crowd's, which is asked for no more for the
   crowd's sake. */
static void beside_the_crowd(const char *kind, char *domain, size_t size)
{
	for (int i = 0; i == 0 || queue_shard(slice_z(domain)) != queue_shard(S("stuck.test")); i++)
		snprintf(domain, size, "%s%d.test", kind, i);
}

static void post_beside_the_crowd(const char *kind)
{
	char domain[40], address[60];

	beside_the_crowd(kind, domain, sizeof domain);
	snprintf(address, sizeof address, "x@%s", domain);
	post(small, "ben@b.test", address, domain);
}

static bool late_tried_twice(void)
{
	return net.late >= 2;
}

static status a_deferred_one(void)
{
	cr_assert(wait_until(crowd_fills_the_list));
	post_beside_the_crowd("late");
	cr_expect(wait_until(late_tried_twice));
	cr_expect_eq(net.late, 2, "deferred mail is due and nobody looks for it");
	net.go = true;
	return ST_OK;
}

Test(outbound_queue, deferred_mail_is_found_beside_a_crowd_that_is_stuck)
{
	set(S_queue_retry, "1s");
	given_crowd("stuck.test");
	small = store_postoffice();
	play(a_deferred_one);
}

static int64_t first_note;

/* Since when somebody waits to note what is tried; 0 = nobody does. */
static int64_t note_waits_since(void)
{
	store_sql(
		"select length(pg_stat_clear_snapshot()::text)"); /* for we are in a transaction */
	return store_sql(
		"select coalesce(max(extract(epoch from query_start) * 1000000), 0)::bigint from pg_stat_activity"
		" where wait_event_type = 'Lock' and query like '%%trying%%'");
}

static bool note_waits(void)
{
	return (first_note = note_waits_since()) != 0;
}

static bool note_gave_up(void)
{
	return note_waits_since() != first_note;
}

/* The database cannot note what is about to be tried (its disk is slow, say): it is given back. */
static status an_untried_one(void)
{
	cr_assert(wait_until(crowd_fills_the_list));
	store_sql("begin");
	store_sql("select owner from qrunner for update");
	post_beside_the_crowd("ok");
	cr_assert(wait_until(note_waits));
	cr_assert(wait_until(note_gave_up));
	cr_expect_eq(net.ok, 0);
	store_sql("commit");
	cr_expect(wait_until(small_arrived));
	cr_expect_eq(net.ok, 1, "what was given back untried is forgotten");
	net.go = true;
	return ST_OK;
}

Test(outbound_queue, what_was_given_back_is_found_beside_a_crowd_that_is_stuck)
{
	given_crowd("stuck.test");
	small = store_postoffice();
	play(an_untried_one);
}

static int before;

static bool another_arrived(void)
{
	return net.ok > before;
}

static bool crowds_have_all_they_may_have(void)
{
	return net.tried >= 2 * setting_number(S_outbound_per_domain_most, NULL);
}

/* Some arrive before the crowds have all the room they get. */
static status between_two(void)
{
	cr_assert(wait_until(crowds_have_all_they_may_have));
	for (int i = 1; i <= 30 && net.ok == i - 1; i++) {
		before = net.ok;
		post(small, "ben@b.test", "x@ok.test", "ok.test");
		cr_expect(wait_until(another_arrived));
	}
	cr_expect_eq(net.ok, 30, "two crowds leave no room: %d", net.ok);
	net.go = true;
	return ST_OK;
}

Test(outbound_queue, two_crowds_that_are_stuck_leave_room)
{
	given_crowd("stuck.test");
	given_crowd("stuck2.test");
	small = store_postoffice();
	play(between_two);
}

static bool all_deferred(void)
{
	return store_sql("select count(*) from queue_deferred") == 301;
}

static status the_dead(void)
{
	cr_expect(wait_until(all_deferred));
	cr_expect_leq(net.tried, setting_number(S_outbound_per_domain_most, NULL), "%d attempts",
		net.tried);
	cr_expect_eq(
		store_sql(
			"select count(*) from queue_deferred where next_at > now() + interval '14 minutes'"),
		301);
	cr_expect_eq(store_sql("select sum(attempts)::bigint from queue_deferred"), net.tried,
		"what was left alone counts as tried");
	return ST_OK;
}

Test(outbound_queue, hosts_out_of_reach_are_left_alone)
{
	post(store_postoffice(), "anna@acme.test", "x@dead.test", "dead.test");
	multiply(300);
	play(the_dead);
}

static bool dead_settled(void)
{
	return store_sql("select count(*) from queue where domain = 'dead.test'") == 0;
}

static status the_hasty(void)
{
	cr_expect(wait_until(dead_settled));
	cr_expect_eq(
		store_sql(
			"select count(*) from queue_deferred where domain = 'dead.test' and attempts = 0"),
		301 - net.tried + net.sent, "what was never tried is given up");
	return ST_OK;
}

/* One attempt is all they get: who was left alone has had none. Their reports are sent, too. */
Test(outbound_queue, what_is_left_alone_has_not_been_tried)
{
	set(S_queue_tries_most, "1");
	post(store_postoffice(), "anna@acme.test", "x@dead.test", "dead.test");
	multiply(300);
	play(the_hasty);
}

/* Nor does it wait for less than others of its age do. */
static status the_old(void)
{
	cr_expect(wait_until(all_deferred));
	cr_expect_eq(
		store_sql(
			"select count(*) from queue_deferred where attempts = 0 and next_at < now() + interval '59 minutes'"),
		0);
	return ST_OK;
}

Test(outbound_queue, what_is_left_alone_waits_by_its_age)
{
	post(store_postoffice(), "anna@acme.test", "x@dead.test", "dead.test");
	multiply(300);
	store_sql("update queue set made = made - interval '50 minutes' returning 1");
	play(the_old);
}

static bool all_sent(void)
{
	return net.sent == 3001;
}

static bool queue_empty(void)
{
	return store_sql(
		       "select (select count(*) from queue) + (select count(*) from queue_deferred)") ==
	       0;
}

static status the_many(void)
{
	cr_expect(wait_until(all_sent));
	cr_expect(wait_until(queue_empty));
	cr_expect_eq(net.sent, 3001);
	return ST_OK;
}

Test(outbound_queue, more_than_fits_in_memory_comes_through_once)
{
	post(store_postoffice(), "anna@acme.test", "x@ok.test", "ok.test");
	multiply(3000);
	play(the_many);
}

/* ---- a program that is to be run for a message */

#define OTHERS (1 << 20) /* octets of texts that wait, as many as may */

static void post_for_program(int64_t office)
{
	struct queue_envelope e = {.sender = S("anna@acme.test"), .lifetime = 3600 * USEC_S};
	struct queue_recipient to = {.address = S("ben@here.test"),
		.domain = S("here.test"),
		.delivered = true,
		.told = TOLD_PROGRAM,
		.mailbox = 1};
	struct route nobody = {.postoffice = office};
	struct letter l;

	letter_write(&l, &nobody, 1, RAW);
	l.parts[0].n = 0;
	l.parts[0].remote = &to;
	l.parts[0].m = 1;
	l.d.envelope = &e;
	cr_assert_eq(letter_send(&l), ST_OK);
	letter_close(&l);
}

static bool program_deferred(void)
{
	return store_sql("select count(*) from queue_deferred") == 1;
}

static bool program_told(void)
{
	return trace_flush() == ST_OK &&
	       store_sql("select count(*) from trace where postoffice = %lld and fields like"
			 " '%%event=delivery%%attempt=1 end=failed%%'",
		       (long long)small) == 1;
}

static status the_program(void)
{
	static char text[OTHERS];
	int others = errand_text();

	cr_assert_eq(errand_text_add(others, slice_of(text, sizeof text), OTHERS), ST_OK);
	post_for_program(small);
	task_sleep(3 * USEC_S);
	cr_expect(!program_deferred(), "a program that was not begun was counted");
	errand_text_drop(&others);
	cr_expect(wait_until(program_deferred));
	cr_expect_eq(store_sql("select attempts from queue_deferred"), 1);
	cr_expect(wait_until(program_told), "an attempt without a run is not told");
	return ST_OK;
}

/* Here there is no runner, so it cannot be run in any case; but that is an attempt, which everybody
   can read of. */
Test(outbound_queue, a_program_waits_for_room_for_its_text_and_that_is_no_attempt)
{
	small = store_postoffice();
	set(S_program_texts_most, "1 MB");
	set(S_smtp_message_most, "1 MB");
	set(S_delivery_program, "/bin/true");
	play(the_program);
	set(S_delivery_program, "");
}

/* Others that have the room for long: it stands where an operator sees it, and is looked at again. */
static bool waits_behind_others(void)
{
	return store_sql(
		       "select count(*) from queue_deferred where attempts = 0 and next_at between"
		       " now() + interval '1 second' and now() + interval '1 minute'"
		       " and last_text like 'other texts have the room%%'") == 1;
}

static status the_patient_program(void)
{
	static char text[OTHERS];
	int others = errand_text();

	cr_assert_eq(errand_text_add(others, slice_of(text, sizeof text), OTHERS), ST_OK);
	post_for_program(small);
	cr_expect(wait_until(waits_behind_others), "nobody is told why it waits");
	errand_text_drop(&others);
	return ST_OK;
}

Test(outbound_queue, a_program_that_waits_for_room_for_long_is_shown)
{
	small = store_postoffice();
	set(S_program_texts_most, "1 MB");
	set(S_smtp_message_most, "1 MB");
	set(S_program_room_patience, "2 s");
	set(S_delivery_program, "/bin/true");
	play(the_patient_program);
	set(S_delivery_program, "");
	set(S_program_room_patience, "10 min");
}

/* A runner whose disk is full. */
static struct {
	int ends[2];
	pthread_t thread;
} full_disk;

static void *answer_that_it_is_full(void *unused)
{
	const struct errand_answer no_room = {.end = ERRAND_NO_ROOM};
	struct errand_order order;
	int fds[2];

	(void)unused;
	while (errand_order_take(full_disk.ends[0], &order, fds) > 0) {
		send(fds[1], &no_room, sizeof no_room, MSG_NOSIGNAL);
		close(fds[0]);
		close(fds[1]);
	}
	return NULL;
}

static void given_full_disk(void)
{
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, full_disk.ends), 0);
	errand_open(full_disk.ends[1]);
	cr_assert_eq(pthread_create(&full_disk.thread, NULL, answer_that_it_is_full, NULL), 0);
}

static void forget_full_disk(void)
{
	errand_open(-1);
	close(full_disk.ends[1]);
	pthread_join(full_disk.thread, NULL);
	close(full_disk.ends[0]);
}

static bool both_wait_a_minute(void)
{
	return store_sql(
		       "select count(*) from queue_deferred where attempts = 0 and next_at between"
		       " now() + interval '1 second' and now() + interval '1 minute'"
		       " and last_text like 'there is no room%%'") == 2;
}

static bool both_wait_long(void)
{
	return store_sql("select count(*) from queue_deferred where attempts = 0"
			 " and next_at > now() + interval '10 minutes'") == 2;
}

static status the_full_disk(void)
{
	post_for_program(small);
	post_for_program(small);
	cr_expect(wait_until(both_wait_a_minute), "they are tried again and again");
	store_sql(
		"update queue_deferred set made = made - interval '11 minutes', next_at = now() returning 1");
	cr_expect(wait_until(both_wait_long), "there is no end of minutes");
	return ST_OK;
}

static int count_in(slice said, slice word)
{
	int n = 0;

	for (size_t at; (at = slice_search(said, word)) < said.size; n++)
		said = slice_from(said, at + word.size);
	return n;
}

Test(outbound_queue, programs_wait_while_the_disk_for_their_texts_is_full)
{
	static char said[65536];
	int ends[2];

	small = store_postoffice();
	set(S_delivery_program, "/bin/true");
	given_full_disk();
	cr_assert_eq(pipe(ends), 0);
	log_open(&(struct log_target){.fd = ends[1], .least = LOG_WARN_LEVEL, .role = "test"});
	play(the_full_disk);
	log_close();
	cr_assert_eq(write(ends[1], "\n", 1), 1);
	ssize_t n = read(ends[0], said, sizeof said);
	close(ends[0]);
	close(ends[1]);
	cr_expect_eq(count_in(slice_of(said, (size_t)n), S("event=PROGRAM_NO_ROOM")), 1, "%.*s",
		(int)n, said);
	forget_full_disk();
	set(S_delivery_program, "");
}

#define EVERYWHERE 200 /* domains: some in each shard, most likely */

static bool everywhere_sent(void)
{
	return net.sent == EVERYWHERE;
}

static status the_small_memory(void)
{
	cr_expect(wait_until(everywhere_sent));
	cr_expect(wait_until(queue_empty));
	cr_expect_leq(net.most, 10, "%d rows in the memory of a runner that may have 10", net.most);
	return ST_OK;
}

/* With less room than shards a claim asks as many as there is room for, and the others in their
   turn. */
Test(outbound_queue, shards_take_turns_where_there_is_little_room)
{
	int64_t office = store_postoffice();
	char domain[40], address[60];

	set(S_outbound_at_once_most, "1");
	for (int i = 0; i < EVERYWHERE; i++) {
		snprintf(domain, sizeof domain, "fine%d.test", i);
		snprintf(address, sizeof address, "x@%s", domain);
		post(office, "anna@acme.test", address, domain);
	}
	play(the_small_memory);
}

static bool something_tried(void)
{
	return net.tried > 0;
}

static status the_end(void)
{
	cr_assert(wait_until(something_tried));
	return ST_OK;
}

Test(outbound_queue, what_is_being_sent_is_finished)
{
	net.pause = 300 * USEC_MS;
	post(store_postoffice(), "anna@acme.test", "x@slow.test", "slow.test");
	multiply(100);
	play(the_end);
	cr_expect_gt(net.sent, 0);
	cr_expect_eq(
		store_sql("select count(*) from queue"), 101 - net.sent, "%d were sent", net.sent);
	cr_expect_eq(store_sql("select count(*) from queue where kills > 0"), 0);
}

/* ---- orders */

static void order(enum queue_order o)
{
	struct queue_filter all = QUEUE_FILTER_ANY;
	int64_t changed = 0;

	cr_expect_eq(queue_order(&all, o, &store_by, &changed), ST_OK);
	cr_expect_gt(changed, 0);
}

static bool crowd_is_sent(void)
{
	return net.sent == 101;
}

static bool some_are_sent(void)
{
	return net.sent > 0;
}

/* Some are on their way; the others were claimed with them and wait for their turn. */
static status an_order_to_hold(void)
{
	cr_assert(wait_until(crowd_has_all_it_may_have));
	order(QUEUE_HOLD);
	int tried = net.tried;
	net.go = true;
	cr_assert(wait_until(some_are_sent));
	task_sleep(USEC_S);
	cr_expect_leq(net.tried, tried + 20, "what is held is sent: %d, %d when it was ordered",
		net.tried, tried);
	cr_expect_lt(net.sent, 101);
	order(QUEUE_RELEASE);
	cr_expect(wait_until(crowd_is_sent));
	return ST_OK;
}

Test(outbound_queue, an_order_reaches_what_was_claimed)
{
	post(store_postoffice(), "anna@acme.test", "x@held.test", "held.test");
	multiply(100);
	play(an_order_to_hold);
}

static bool one_deferred(void)
{
	return store_sql("select count(*) from queue_deferred where next_at > now()") == 1;
}

static bool one_sent(void)
{
	return net.sent == 1;
}

static status an_order_to_try_again(void)
{
	cr_assert(wait_until(one_deferred));
	net.go = true; /* the host is back, and its operator knows */
	order(QUEUE_RETRY);
	cr_expect(wait_until(one_sent));
	cr_expect_eq(net.tried, 2);
	return ST_OK;
}

Test(outbound_queue, an_order_to_try_again_tries_hosts_that_were_away)
{
	post(store_postoffice(), "anna@acme.test", "x@dead.test", "dead.test");
	play(an_order_to_try_again);
}

static status the_body(void)
{
	cr_expect(wait_until(queue_empty));
	cr_expect(slice_same(text_slice(&net.body), S("Subject: hello\r\n\r\nhow are you?\r\n")),
		"%.*s", SLICE_ARGS(text_slice(&net.body)));
	cr_expect_eq(net.size, net.body.size, "%zu octets were announced", (size_t)net.size);
	text_free(&net.body);
	return ST_OK;
}

#define BIG 400000 /* octets behind RAW: more than a piece of a body */

static status the_big_body(void)
{
	cr_expect(wait_until(queue_empty));
	cr_expect(slice_starts(text_slice(&net.body), S("Subject: hello\r\n\r\n")));
	cr_expect_eq(net.body.size, RAW.size - S("Return-Path: <anna@acme.test>\r\n").size + BIG);
	cr_expect_eq(net.size, net.body.size, "%zu octets were announced", (size_t)net.size);
	text_free(&net.body);
	return ST_OK;
}

Test(outbound_queue, the_return_path_stays_here)
{
	post(store_postoffice(), "anna@acme.test", "x@body.test", "body.test");
	play(the_body);
}

Test(outbound_queue, the_return_path_of_a_big_message_stays_too)
{
	text raw = TEXT_INIT;

	text_add(&raw, RAW);
	for (int i = 0; i < BIG / 10; i++)
		text_format(&raw, "%08x\r\n", (unsigned)i * 2654435761u);
	post_text(
		store_postoffice(), "anna@acme.test", "x@body.test", "body.test", text_slice(&raw));
	text_free(&raw);
	play(the_big_body);
}

/* ---- reports */

static struct route anna;

static int64_t reports(void)
{
	return store_sql("select count(*) from entry where postoffice = %lld and folder = %lld",
		(long long)anna.postoffice, (long long)anna.inbox);
}

static bool one_parked(void)
{
	return store_sql("select count(*) from queue where state = 2 and sender = ''") == 1;
}

static void given_anna(int64_t quota)
{
	char domain[40];

	snprintf(domain, sizeof domain, "d%lld.test", (long long)id_new());
	anna = store_mailbox(store_postoffice(), "anna", quota);
	store_domain(anna.postoffice, domain);
	char sender[60];
	snprintf(sender, sizeof sender, "anna@%s", domain);
	post(anna.postoffice, sender, "x@never.test", "never.test");
}

static status the_report(void)
{
	cr_expect(wait_until(queue_empty));
	cr_expect_eq(reports(), 1);
	return ST_OK;
}

Test(outbound_queue, who_sent_it_is_told)
{
	given_anna(0);
	play(the_report);
}

static status the_parked(void)
{
	cr_expect(wait_until(one_parked));
	cr_expect_eq(store_sql("select count(*) from queue where state = 0"), 0);
	cr_expect_eq(reports(), 0);
	return ST_OK;
}

Test(outbound_queue, a_report_without_room_is_parked)
{
	int64_t parked = metric_value(M_queue_parked, SERVICE_NONE),
		reported = metric_value(M_reports, SERVICE_NONE);
	given_anna(10);
	play(the_parked);
	cr_expect_eq(metric_value(M_queue_parked, SERVICE_NONE) - parked, 1);
	cr_expect_eq(metric_value(M_reports, SERVICE_NONE) - reported, 1);
}

static bool sent_on(void)
{
	return net.sent == 1;
}

static status the_foreign(void)
{
	cr_expect(wait_until(sent_on));
	cr_expect(wait_until(queue_empty));
	cr_expect_eq(net.sent, 1, "the report itself");
	return ST_OK;
}

Test(outbound_queue, a_sender_elsewhere_gets_it_through_the_queue)
{
	post(0, "eve@elsewhere.test", "x@never.test", "never.test");
	play(the_foreign);
}

/* ---- routes that cannot be read now */

static void given_route(const char *target, usec lifetime, unsigned tries)
{
	arena a = ARENA_INIT;
	struct mail_route r = {.pattern = S("far.test"),
		.target = slice_z(target),
		.apart = -1,
		.lifetime = lifetime,
		.tries = tries};
	slice why = S("");

	cr_assert_eq(route_put(&r, &store_by, &a, &why), ST_OK, "%.*s", SLICE_ARGS(why));
	arena_release(&a);
}

static void database_refuses(void)
{
	cr_assert(fault_arm("db_send:1:fail,db_send:2:fail,db_send:3:fail,db_send:4:fail"));
}

static const struct outbound_transport *wire;

static void send_afar(struct client_message *m, arena *a)
{
	struct outbound_word word = {0};

	wire->send(wire->arg, S("far.test"), m, a, &word);
}

static status the_way_afar(void)
{
	arena a = ARENA_INIT;
	struct client_recipient to = {.address = S("zoe@far.test")};
	struct client_message m = {.sender = S("anna@acme.test"), .to = &to, .n = 1};

	cr_assert_eq(outbound_wire_open(&wire), ST_OK);
	given_route("smtp:[127.0.0.1]:9", 0, 0);
	database_refuses();
	send_afar(&m, &a);
	fault_arm("");
	cr_expect(m.unasked, "a host was asked that its route does not name");
	cr_expect_eq(to.result.outcome, CLIENT_DEFERRED);
	cr_expect(
		slice_same(to.result.enhanced, S("4.3.0")), "%.*s", SLICE_ARGS(to.result.enhanced));
	outbound_wire_close();
	arena_release(&a);
	return ST_OK;
}

Test(outbound_queue, mail_whose_route_cannot_be_read_waits)
{
	play_alone(the_way_afar);
}

static void expect_end(const struct attempt *t, enum queue_end end, const char *why)
{
	struct verdict v;

	report_judge(t, &v);
	cr_expect_eq(v.result.end, end, "%s", why);
}

static status the_long_life(void)
{
	queue_entry e = {.postoffice = small,
		.sender = S("anna@acme.test"),
		.address = S("zoe@far.test"),
		.domain = S("far.test"),
		.made = clock_wall() - 86400 * USEC_S,
		.expired = true};
	struct attempt t = {
		.entry = &e, .result = reply(CLIENT_DEFERRED, CLIENT_BY_HOST, 451, "4.7.1")};

	given_route("mx", 30 * 86400 * USEC_S, 0);
	database_refuses();
	expect_end(&t, QUEUE_DEFER, "it came back while its route could not be read");
	e.returned = true;
	expect_end(&t, QUEUE_DONE, "it waits against the operator's word");
	e.returned = false;
	fault_arm("");
	expect_end(&t, QUEUE_DEFER, "its route's lifetime is not over");
	given_route("mx", 3600 * USEC_S, 0);
	expect_end(&t, QUEUE_DONE, "its route's lifetime is over");
	return ST_OK;
}

Test(outbound_queue, mail_whose_route_cannot_be_read_is_not_too_old)
{
	small = store_postoffice();
	play_alone(the_long_life);
}
