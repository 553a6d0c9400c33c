/* Routes that cannot be read now: mail waits for them, and is not given up. */
#include "tests/unit/connector/runner.h"

#include "base/fault.h"
#include "connector/smtp/report.h"
#include "provider/route.h"

#include <criterion/criterion.h>

TestSuite(outbound_route, .init = runner_begin, .fini = runner_end, .timeout = 600);

static int64_t small;

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

Test(outbound_route, mail_whose_route_cannot_be_read_waits)
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

Test(outbound_route, mail_whose_route_cannot_be_read_is_not_too_old)
{
	small = store_postoffice();
	play_alone(the_long_life);
}
