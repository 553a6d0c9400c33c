/* Commits whose answer is lost (trust.md R5). A proxy stands between the provider and PostgreSQL
   and cuts the connection at any byte of the exchange, hands a transaction over to the server only
   after the client has given the connection up, leaves the server alone with it, or tells what a
   pooler does, whose server broke or that had none free. Whatever happens: a delivery that says
   ST_OK stored one entry, any other outcome none. */
#include "provider/deliver.h"

#include "base/id.h"
#include "base/log.h"
#include "base/text.h"
#include "provider/append.h"
#include "provider/ban_list.h"
#include "provider/db.h"
#include "provider/session.h"
#include "provider/tls_result.h"
#include "provider/trace.h"
#include "provider/view.h"
#include "provider/watch.h"
#include "task/task.h"
#include "tests/unit/provider/given.h"
#include "tests/unit/provider/store_fixture.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- the proxy: one connection at a time, in a thread of its own */

enum proxy_mode {
	FORWARD,
	CUT_REQUEST,
	CUT_ANSWER,
	HAND_OVER_LATE,
	LEAVE_ALONE,
	TELL_BROKEN,
	TELL_WAITED
};

static struct {
	char folder[80];
	struct sockaddr_un server;
	int listener;
	pthread_mutex_t lock;
	enum proxy_mode mode;
	const char *of; /* the statement whose request is not forwarded; NULL: the next one,
			   whatever it is */
	size_t left;    /* bytes until the cut */
	size_t seen[2]; /* bytes since proxy_arm: requests, answers */
	int named;      /* times that maildrop_unlock was prepared under this very name */
} proxy = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void proxy_arm(enum proxy_mode mode, size_t left)
{
	pthread_mutex_lock(&proxy.lock);
	proxy.mode = mode;
	proxy.left = left;
	proxy.seen[0] = proxy.seen[1] = 0;
	pthread_mutex_unlock(&proxy.lock);
}

static enum proxy_mode proxy_mode_now(void)
{
	pthread_mutex_lock(&proxy.lock);
	enum proxy_mode mode = proxy.mode;
	pthread_mutex_unlock(&proxy.lock);
	return mode;
}

static bool all_sent(int fd, const char *at, size_t size)
{
	for (ssize_t n; size > 0; at += n, size -= (size_t)n)
		if ((n = send(fd, at, size, MSG_NOSIGNAL)) <= 0)
			return false;
	return true;
}

/* PgBouncer's, whose connection to the server broke: an error, FATAL, 08P01. One who waited for
   query_wait_timeout is told the same with other words. */
static const char broken[] = "E\0\0\0\x29SFATAL\0C08P01\0Mserver conn crashed?\0";

/* The client is told nothing more, or how a pooler fares, in place of all answers; the server gets
   the whole request, half a second later or at once, or nothing. */
static void hand_over_alone(
	int client, int server, const char *at, size_t size, enum proxy_mode mode)
{
	text late = TEXT_INIT;
	bool tells = mode >= TELL_BROKEN, hands = mode != TELL_WAITED;
	char more[4096];
	struct pollfd p = {.fd = client, .events = POLLIN};

	text_add(&late, slice_of(at, size));
	while (poll(&p, 1, 50) > 0) {
		ssize_t n = read(client, more, sizeof more);
		if (n <= 0)
			break;
		text_add(&late, slice_of(more, (size_t)n));
	}
	if (!tells)
		shutdown(client, SHUT_RDWR);
	usleep(mode == HAND_OVER_LATE ? 500000 : 0);
	if (hands)
		all_sent(server, late.at, late.size);
	text_free(&late);
	p.fd = server;
	if (tells && (!hands || poll(&p, 1, 10000) > 0)) {
		all_sent(client, broken, sizeof broken);
		shutdown(client, SHUT_RDWR);
	}
	while (hands && poll(&p, 1, 10000) > 0 && read(server, more, sizeof more) > 0)
		;
}

/* A message Parse: P, its length in four octets, the name. */
static int prepared_in(const char *bytes, size_t size)
{
	static const char name[] = "maildrop_unlock";
	const char *at = bytes, *found;
	int n = 0;

	while ((found = memmem(at, size - (size_t)(at - bytes), name, sizeof name))) {
		n += found - bytes >= 5 && found[-5] == 'P';
		at = found + sizeof name;
	}
	return n;
}

/* False when the connection is to end. */
static bool pass(int client, int server, bool request)
{
	char bytes[16384];
	ssize_t n = read(request ? client : server, bytes, sizeof bytes);
	if (n <= 0)
		return false;

	pthread_mutex_lock(&proxy.lock);
	enum proxy_mode mode = proxy.mode;
	proxy.seen[!request] += (size_t)n;
	proxy.named += request ? prepared_in(bytes, (size_t)n) : 0;
	bool counted = mode == (request ? CUT_REQUEST : CUT_ANSWER);
	size_t most = counted && proxy.left < (size_t)n ? proxy.left : (size_t)n;
	bool cut = counted && proxy.left <= (size_t)n;
	if (counted)
		proxy.left -= most;
	bool alone = request && mode >= HAND_OVER_LATE &&
		     (!proxy.of || memmem(bytes, (size_t)n, proxy.of, strlen(proxy.of)));
	if (cut || alone)
		proxy.mode = FORWARD;
	pthread_mutex_unlock(&proxy.lock);

	if (alone) {
		hand_over_alone(client, server, bytes, (size_t)n, mode);
		return false;
	}
	return all_sent(request ? server : client, bytes, most) && !cut;
}

static void *connection_carry(void *arg)
{
	int client = (int)(intptr_t)arg;
	int server = socket(AF_UNIX, SOCK_STREAM, 0);
	bool alive = connect(server, (struct sockaddr *)&proxy.server, sizeof proxy.server) == 0;

	while (alive) {
		struct pollfd p[2] = {
			{.fd = client, .events = POLLIN}, {.fd = server, .events = POLLIN}};

		poll(p, 2, -1);
		if (p[0].revents)
			alive = pass(client, server, true);
		if (alive && p[1].revents)
			alive = pass(client, server, false);
	}
	close(client);
	close(server);
	return NULL;
}

static void *proxy_run(void *arg)
{
	for (int client; (client = accept(proxy.listener, NULL, NULL)) >= 0;) {
		pthread_t t;

		pthread_create(&t, NULL, connection_carry, (void *)(intptr_t)client);
		pthread_detach(t);
	}
	return arg;
}

/* In the folder of the test's PostgreSQL, which goes with all that is in it, however a test
   ends. */
static void proxy_open(const char *pg)
{
	struct sockaddr_un own = {.sun_family = AF_UNIX};
	pthread_t t;

	proxy.server.sun_family = AF_UNIX;
	snprintf(
		proxy.server.sun_path, sizeof proxy.server.sun_path, "%s/socket/.s.PGSQL.5432", pg);
	snprintf(proxy.folder, sizeof proxy.folder, "%s/proxy.XXXXXX", pg);
	cr_assert(mkdtemp(proxy.folder));
	snprintf(own.sun_path, sizeof own.sun_path, "%s/.s.PGSQL.5432", proxy.folder);
	proxy.listener = socket(AF_UNIX, SOCK_STREAM, 0);
	cr_assert(bind(proxy.listener, (struct sockaddr *)&own, sizeof own) == 0);
	cr_assert(listen(proxy.listener, 8) == 0);
	pthread_create(&t, NULL, proxy_run, NULL);
	pthread_detach(t);
}

static slice proxied(slice uri, arena *a)
{
	slice why, words;

	cr_assert_eq(db_uri_as(uri, S(""), S(""), a, &words, &why), ST_OK);
	return arena_format(a, "%.*s host='%s' port='5432'", SLICE_ARGS(words), proxy.folder);
}

/* The providers, one of whose roles is connected through the proxy. */
static void given_proxy_of(enum db_role role, bool serve)
{
	static struct bootstrap b;
	static arena a;

	given_schema();
	b = *given_bootstrap();
	proxy_open(getenv("PENNYPOST_TEST_PGDIR"));
	slice *uri = role == DB_RUN ? &b.pguri : &b.pguri_system;
	*uri = proxied(*uri, &a);
	struct provider_conf c = {.boot = &b,
		.connections = 1,
		.system_connections = 1,
		.application = "test",
		.serve = serve};
	cr_assert_eq(provider_open(&c), ST_OK);
}

static void given_proxy(void)
{
	given_proxy_of(DB_RUN, false);
	store_ledger_begin();
}

static void given_proxied_watch(void)
{
	given_proxy_of(DB_RUN, true);
}

static void given_proxied_house(void)
{
	given_proxy_of(DB_SYSTEM, false);
	store_ledger_begin();
}

/* However often a transaction was run, and whatever became of it, it was counted as it was
   stored. */
static void end_counted(void)
{
	proxy_arm(FORWARD, 0);
	store_counted_end();
}

TestSuite(unsure, .init = given_proxy, .fini = end_counted, .timeout = 300);
TestSuite(unsure_watch, .init = given_proxied_watch, .fini = provider_close, .timeout = 300);
TestSuite(unsure_house, .init = given_proxied_house, .fini = end_counted, .timeout = 300);
TestSuite(unsure_end, .init = given_proxied_house,
	.timeout = 300); /* its tests close the providers */

/* ---- tests */

#define RAW S("Subject: hello\r\n\r\nhow are you?\r\n")

static struct route warm_mailbox(void)
{
	struct route to = store_mailbox(store_postoffice(), "anna", 0);

	for (int i = 0; i < 3; i++) /* everything is prepared then */
		cr_assert_eq(letter_deliver(&to, 1, RAW), ST_OK);
	return to;
}

static void cut_at(struct route *to, enum proxy_mode mode, size_t at, int64_t *stored)
{
	cr_assert_eq(letter_deliver(to, 1, RAW), ST_OK); /* a living, prepared connection */
	++*stored;
	proxy_arm(mode, at);
	status s = letter_deliver(to, 1, RAW);
	proxy_arm(FORWARD, 0);
	*stored += s == ST_OK;
	cr_assert(s == ST_OK || s == ST_BUSY, "cut at %zu: %s", at, status_name(s));
	cr_assert_eq(store_entries_in(to), *stored,
		"cut at %zu: %s, but %lld entries instead of %lld", at, status_name(s),
		(long long)store_entries_in(to), (long long)*stored);
}

/* A delivery's octets of one side, at every `step`-th and at each of the last ones. */
static void cut_all(enum proxy_mode mode, int side, size_t step, size_t last)
{
	struct route to = warm_mailbox();
	int64_t stored = 3;

	proxy_arm(FORWARD, 0);
	cr_assert_eq(letter_deliver(&to, 1, RAW), ST_OK);
	stored++;
	size_t all = proxy.seen[side];
	cr_assert_gt(all, 20);
	for (size_t at = 1; at <= all; at += at + last < all ? step : 1)
		cut_at(&to, mode, at, &stored);
}

Test(unsure, every_byte_of_the_answer_can_be_lost)
{
	cut_all(CUT_ANSWER, 1, 5, 40);
}

Test(unsure, any_part_of_the_request_can_be_lost)
{
	cut_all(CUT_REQUEST, 0, 37, 20);
}

/* The first transaction reaches the server when the second run has stored the message already. */
Test(unsure, a_transaction_that_comes_late_stores_nothing)
{
	struct route to = warm_mailbox();

	proxy_arm(HAND_OVER_LATE, 0);
	cr_assert_eq(letter_deliver(&to, 1, RAW), ST_OK);
	cr_assert_eq(store_entries_in(&to), 4);
	usleep(1200000);
	cr_assert_eq(store_entries_in(&to), 4);
	cr_assert_eq(letter_deliver(&to, 1, RAW), ST_OK);
	cr_assert_eq(store_entries_in(&to), 5);
	cr_assert_eq(store_sql("select max(uid) from entry where postoffice = %lld",
			     (long long)to.postoffice),
		5);
}

/* It was committed, and the pooler between could not tell any more. */
Test(unsure, a_pooler_that_lost_its_server_settles_nothing)
{
	struct route to = warm_mailbox();

	proxy_arm(TELL_BROKEN, 0);
	status s = letter_deliver(&to, 1, RAW);
	cr_assert_eq(s, ST_OK, "%s", status_name(s));
	cr_assert_eq(store_entries_in(&to), 4);
}

/* The error stands where the answer of a statement before the commit would. */
Test(unsure, nor_does_it_in_a_transaction_of_two_rounds)
{
	arena a = ARENA_INIT;
	struct param kind = p_text(S("ban"));
	int64_t before = store_sql("select rev from revision where kind = 'ban'");
	db_tx *tx = db_begin(DB_RUN, &a);

	db_add(tx, SQL_TX_RUN_PING, NULL, 0, NULL);
	cr_assert_eq(db_flush(tx), ST_OK);
	db_add(tx, SQL_REVISION_RISE, &kind, 1, NULL);
	proxy_arm(TELL_BROKEN, 0);
	cr_assert_eq(db_commit(&tx, NULL), ST_UNSURE);
	cr_assert_eq(store_sql("select rev from revision where kind = 'ban'"), before + 1);
	arena_release(&a);
}

/* PgBouncer 1.21 takes a name for prepared that the server skipped, and refuses the connection that
   says it again. */
Test(unsure, what_was_not_prepared_behind_a_failure_has_another_name_then)
{
	arena a = ARENA_INIT;
	struct route to = store_mailbox(store_postoffice(), "anna", 0);
	struct param lock[] = {p_int(to.postoffice), p_int(to.mailbox), p_int(1), p_int(1000000)};

	cr_assert_eq(db_run(SQL_MAILDROP_LOCK, lock, 4, &a, NULL), ST_OK);
	db_tx *tx = db_begin(DB_RUN, &a);
	lock[3] = p_int(INT64_MAX); /* beyond all time */
	db_add(tx, SQL_MAILDROP_RENEW, lock, 4, NULL);
	db_add(tx, SQL_MAILDROP_UNLOCK, lock, 3, NULL);
	cr_assert_eq(db_commit(&tx, NULL), ST_BROKEN);
	cr_assert_eq(proxy.named, 1);
	for (int i = 0; i < 2; i++)
		cr_assert_eq(db_run(SQL_MAILDROP_UNLOCK, lock, 3, &a, NULL), ST_OK);
	cr_assert_eq(proxy.named, 1);
	arena_release(&a);
}

/* ---- the same for what readers put into folders */

enum act { APPEND, COPY, MOVE, ACTS };

static struct route reader;

static status append_one(void)
{
	struct append_message m = {.header = RAW, .header_size = 18};
	struct append x = {.postoffice = reader.postoffice,
		.mailbox = reader.mailbox,
		.folder = S("a"),
		.messages = &m,
		.n = 1};

	cr_assert_eq(blob_writer_open(reader.postoffice, &m.body), ST_OK);
	cr_assert_eq(blob_write(m.body, RAW), ST_OK);
	cr_assert_eq(blob_writer_finish(m.body), ST_OK);
	status s = append_run(&x);
	blob_writer_close(&m.body);
	return s;
}

static status act_on(view *v, enum act what, arena *a)
{
	struct view_copied c = {.n = 1};
	status s = what == APPEND ? append_one()
		   : what == COPY ? view_copy(v, v->uids, 1, S("a"), true, a, &c)
				  : view_move(v, v->uids, 1, S("a"), a, &c);

	cr_assert(s != ST_OK || c.n == 1, "it was done, and nobody tells so");
	return s;
}

static int64_t entries_named(const char *name)
{
	return store_sql(
		"select nmsg from folder where postoffice = %lld and mailbox = %lld and name = '%s' and nmsg = (select count(*) from entry e where e.postoffice = folder.postoffice and e.folder = folder.folder)",
		(long long)reader.postoffice, (long long)reader.mailbox, name);
}

static view *given_reader(void)
{
	struct folder *f;
	arena a = ARENA_INIT;
	view *v;

	reader = warm_mailbox();
	for (int i = 0; i < 100; i++)
		cr_assert_eq(letter_deliver(&reader, 1, RAW), ST_OK);
	cr_assert_eq(folder_make(reader.postoffice, reader.mailbox, S("a"), 0, &a, &f), ST_OK);
	cr_assert_eq(view_open(reader.postoffice, reader.mailbox, S("INBOX"), 0, &v), ST_OK);
	for (int i = 0; i < 3 * ACTS; i++)
		cr_assert_eq(act_on(v, i % ACTS, &a), ST_OK);
	arena_release(&a);
	return v;
}

/* One act with the connection treated so: done when it says so, else not. */
static void act_lost(view *v, enum act what, enum proxy_mode mode, size_t at)
{
	arena a = ARENA_INIT;
	struct view_change c;
	int64_t there = entries_named("a"), here = entries_named("INBOX");

	cr_assert_eq(view_refresh(v, false, &a, &c), ST_OK); /* a living connection */
	proxy_arm(mode, at);
	status s = act_on(v, what, &a);
	proxy_arm(FORWARD, 0);
	cr_assert(s == ST_OK || s == ST_BUSY, "act %d, %zu: %s", what, at, status_name(s));
	cr_assert_eq(entries_named("a"), there + (s == ST_OK), "act %d, %zu: %s", what, at,
		status_name(s));
	cr_assert_eq(entries_named("INBOX"), here - (s == ST_OK && what == MOVE),
		"act %d, %d %zu: %s, INBOX %lld before %lld", what, mode, at, status_name(s),
		(long long)entries_named("INBOX"), (long long)here);
	arena_release(&a);
}

Test(unsure, what_readers_put_into_folders_is_there_once)
{
	view *v = given_reader();

	for (enum act what = APPEND; what < ACTS; what++) {
		arena a = ARENA_INIT;
		proxy_arm(FORWARD, 0);
		cr_assert_eq(act_on(v, what, &a), ST_OK);
		size_t answer = proxy.seen[1], request = proxy.seen[0];

		arena_release(&a);
		for (size_t at = 1; at <= answer; at += at < answer - 24 ? 61 : 3)
			act_lost(v, what, CUT_ANSWER, at);
		for (size_t at = request / 2; at <= request; at += request / 8)
			act_lost(v, what, CUT_REQUEST, at);
		act_lost(v, what, HAND_OVER_LATE, 0);
		int64_t there = entries_named("a");
		usleep(1200000);
		cr_assert_eq(
			entries_named("a"), there, "act %d came late and was done again", what);
	}
	view_close(&v);
}

/* ---- a commit that hangs: a synchronous standby nobody has */

static void standby_wanted(const char *name)
{
	arena a = ARENA_INIT;
	db_link *l;
	slice why;

	cr_assert_eq(db_link_open(slice_z(getenv("PENNYPOST_TEST_SUPERURI")), "test", &a, &l, &why),
		ST_OK);
	slice set = arena_format(&a, "alter system set synchronous_standby_names = '%s'", name);
	cr_assert_eq(db_link_script(l, set.at, &a, &why), ST_OK);
	cr_assert_eq(db_link_script(l, "select pg_reload_conf()", &a, &why), ST_OK);
	db_link_close(&l);
	arena_release(&a);
}

static void *standby_given_up(void *arg)
{
	usleep(3500000);
	standby_wanted("");
	return arg;
}

/* The second run only learns that somebody holds the message's key; that settles nothing. */
Test(unsure, a_transaction_still_under_way_is_waited_for)
{
	struct route to = warm_mailbox();
	pthread_t t;

	standby_wanted("nobody");
	usleep(300000);
	pthread_create(&t, NULL, standby_given_up, NULL);
	proxy_arm(LEAVE_ALONE, 0);
	status s = letter_deliver(&to, 1, RAW);
	pthread_join(t, NULL);
	usleep(500000);
	cr_assert_eq(s, ST_OK, "%s", status_name(s));
	cr_assert_eq(store_entries_in(&to), 4);
}

/* ---- what is gathered and written in turns comes again: a pooler whose connections are all busy
   refuses it unwritten */

/* How often its row stands after a turn that was told so and one that was not. */
static int traced(enum proxy_mode mode)
{
	arena a = ARENA_INIT;
	struct trace_row *rows;
	int64_t message = id_new();
	int n;

	trace_note(0, message, TRACE_DELIVERED, "mailbox=anna");
	proxy_arm(mode, 0);
	cr_assert_eq(trace_flush(), ST_UNSURE);
	cr_assert_eq(trace_flush(), ST_OK);
	cr_assert_eq(trace_by_message(message, &a, &rows, &n), ST_OK);
	arena_release(&a);
	return n;
}

Test(unsure_house, traces_come_again)
{
	cr_expect_eq(traced(TELL_WAITED), 1, "a row was lost");
	cr_expect_eq(traced(TELL_BROKEN), 2, "nobody knows that it stands");
}

Test(unsure_house, bans_come_again)
{
	ban_list_note(S("192.0.2.99"), 3600 * USEC_S);
	proxy_arm(TELL_WAITED, 0);
	ban_list_tend();
	cr_assert_eq(store_sql("select count(*) from ban where address = '192.0.2.99'"), 0);
	ban_list_tend();
	cr_expect_eq(store_sql("select count(*) from ban where address = '192.0.2.99'"), 1);
}

static status tls_flushed_within(usec span)
{
	usec before = task_deadline(clock_now() + span);
	status s = tls_result_flush(true);

	task_deadline(before);
	return s;
}

Test(unsure_house, counts_of_tls_come_again)
{
	tls_result_note(&(struct tls_result){.domain = S("unsure.test"),
		.policy = S("sts"),
		.host = S("mx.unsure.test"),
		.result = S("success")});
	proxy_arm(TELL_WAITED, 0);
	cr_expect_eq(tls_result_flush(true), ST_UNSURE);
	cr_expect_eq(tls_flushed_within(-1), ST_TIMED_OUT);
	cr_assert_eq(store_sql("select count(*) from tls_result where domain = 'unsure.test'"), 0);
	cr_expect_eq(tls_result_flush(true), ST_OK);
	cr_expect_eq(
		store_sql(
			"select sum(sessions)::bigint from tls_result where domain = 'unsure.test'"),
		1);
}

static struct route anna;

static int64_t sessions_after(enum proxy_mode mode)
{
	task_sleep(USEC_S); /* the next turn is due */
	proxy_arm(mode, 0);
	session_turn();
	proxy_arm(FORWARD, 0);
	return store_sql(
		"select count(*) from session where postoffice = %lld", (long long)anna.postoffice);
}

Test(unsure_house, sessions_come_again_and_none_stays_behind)
{
	anna = store_mailbox(store_postoffice(), "anna", 0);
	session *s = session_open(
		anna.postoffice, anna.mailbox, SERVICE_IMAP, S("192.0.2.7"), NULL, NULL);
	cr_expect_eq(sessions_after(TELL_WAITED), 0);
	cr_expect_eq(sessions_after(FORWARD), 1, "it is taken for told");
	session *other = session_open(
		anna.postoffice, anna.mailbox, SERVICE_IMAP, S("192.0.2.8"), NULL, NULL);
	cr_expect_eq(sessions_after(TELL_BROKEN), 2);
	session_close(&other);
	cr_expect_eq(sessions_after(FORWARD), 1, "its row stayed behind");
	session_close(&s);
	cr_expect_eq(sessions_after(FORWARD), 0);
}

/* ---- what is left when a process ends */

static struct {
	unsigned long rows, logons;
} told;

static bool warns(log_level level, bool written)
{
	(void)written;
	return level == LOG_WARN_LEVEL;
}

static unsigned long number_in(slice line, const char *said)
{
	const char *at = memmem(line.at, line.size, said, strlen(said));

	return at ? strtoul(at + strlen(said), NULL, 10) : 0;
}

static void hear_dropped(log_level level, bool written, slice line)
{
	(void)level;
	(void)written;
	told.rows += number_in(line, "event=TRACE_DROPPED rows=");
	told.logons += number_in(line, "event=LOGONS_DROPPED logons=");
}

/* One row of a trace and one logon are left to be written. */
static int64_t leave_something(void)
{
	static const struct log_tap tap = {warns, hear_dropped};
	int64_t message = id_new();

	log_tap_set(&tap);
	anna = store_mailbox(store_postoffice(), "anna", 0);
	session *s = session_open(
		anna.postoffice, anna.mailbox, SERVICE_IMAP, S("192.0.2.7"), NULL, NULL);
	session_close(&s);
	trace_note(anna.postoffice, message, TRACE_READ, "mailbox=anna");
	return message;
}

static void end(int64_t message, int64_t stored, unsigned long lost)
{
	provider_close();
	log_tap_set(NULL);
	proxy.of = NULL;
	cr_expect_eq(
		store_sql("select count(*) from trace where message = %lld", (long long)message),
		stored);
	cr_expect_eq(store_sql("select count(*) from logon where postoffice = %lld",
			     (long long)anna.postoffice),
		stored);
	cr_expect_eq(told.rows, lost);
	cr_expect_eq(told.logons, lost);
}

Test(unsure_end, what_is_refused_for_a_moment_is_written_at_the_second_try)
{
	int64_t message = leave_something();

	proxy.of = "trace_add";
	proxy_arm(TELL_WAITED, 0);
	end(message, 1, 0);
}

Test(unsure_end, what_nobody_takes_is_told)
{
	int64_t message = leave_something();

	shutdown(proxy.listener, SHUT_RDWR);
	proxy_arm(CUT_REQUEST, 0);
	end(message, 0, 1);
}

static int64_t seen_last(void)
{
	return store_sql(
		"select (extract(epoch from max(seen)) * 1000000)::bigint from node where name = 'test'");
}

/* How long until it is renewed after a renewal that may not have been. */
static usec renewed_after(void)
{
	int64_t before = seen_last();

	proxy.of = "node_renew";
	proxy_arm(TELL_WAITED, 0);
	while (proxy_mode_now() != FORWARD)
		task_sleep(20 * USEC_MS);
	usec refused = clock_now();
	while (seen_last() == before)
		task_sleep(20 * USEC_MS);
	return clock_now() - refused;
}

/* Who waits with it for the next time is taken for dead meanwhile. A machine may hold up one turn,
   not all. */
Test(unsure_watch, a_number_that_may_not_be_renewed_is_renewed_in_the_next_turn)
{
	usec quickest = USEC_NEVER;

	for (int i = 0; i < 5 && quickest >= 4 * USEC_S; i++) {
		usec took = renewed_after();
		quickest = quickest < took ? quickest : took;
	}
	proxy.of = NULL;
	cr_expect_lt(quickest, 4 * USEC_S);
}
