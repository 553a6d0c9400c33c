#include "tests/unit/connector/runner.h"

#include "task/task.h"

#include <criterion/criterion.h>

void runner_begin(void)
{
	given_providers();
	store_queue_empty();
	given_setting(S_queue_poll, "100 ms");
	given_setting(S_queue_retry, "15min 30min 60min 240min");
	given_setting(S_queue_tries_most, "0");
	given_setting(S_outbound_at_once_most,
		"200"); /* and ten times as many rows in memory: fewer than a crowd has */
	given_setting(S_outbound_per_postoffice_most, "100");
	given_setting(S_outbound_per_domain_most, "20");
}

void runner_end(void)
{
	cr_expect(store_ledger_holds(), "what the ledger counted is not what is there");
	provider_close();
}

/* ---- a transport */

struct runner_net net;

static slice destination(void *arg, slice domain, arena *a)
{
	(void)arg;
	(void)a;
	net.claimed++;
	net.most = net.claimed - net.sent > net.most ? net.claimed - net.sent : net.most;
	if (net.planned)
		net.planned(domain);
	return domain;
}

static status body_take(slice piece, void *to)
{
	(void)to;
	text_add(&net.body, piece);
	return ST_OK;
}

struct client_result reply(
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
	if (net.tried++ == 0)
		net.tasks = (int)task_count();
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

void play(status (*run)(void))
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

void play_alone(status (*run)(void))
{
	story = run;
	cr_assert_eq(task_loop_open(&TASK_LIMITS_INIT), ST_OK);
	cr_assert_not_null(task_start("test", tester, NULL));
	task_loop_run();
	task_loop_close();
}

bool wait_until(bool (*good)(void))
{
	for (usec until = clock_now() + 240 * USEC_S; clock_now() < until;) {
		if (good())
			return true;
		task_sleep(10 * USEC_MS);
	}
	return good();
}

void post_text(
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

void post(int64_t office, const char *sender, const char *address, const char *domain)
{
	post_text(office, sender, address, domain, RAW);
}
