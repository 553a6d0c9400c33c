/* When a host that refused the logon of its route may be asked again. */
#include "connector/smtp/outbound_logon.h"

#include <criterion/criterion.h>

#define PAUSE (15 * 60 * USEC_S)
#define URGED_APART (10 * USEC_S)

static arena a;
static const struct client_logon demo = {.name = S("demo"), .secret = S("secret-1")};
static const struct logon_at here = {S("relay.test"), 587, &demo};

static void begin(void)
{
	clock_virtual(1000 * USEC_S);
}

static void end(void)
{
	outbound_logon_sweep(USEC_NEVER);
	clock_real();
	arena_release(&a);
}

TestSuite(outbound_logon, .init = begin, .fini = end);

static void refuse(const struct logon_at *at)
{
	const struct client_result why = {.outcome = CLIENT_DEFERRED,
		.cause = CLIENT_BY_LOGON,
		.code = 535,
		.enhanced = S("5.7.8"),
		.text = S("no such user")};

	outbound_logon_refused(at, &why, clock_now(), clock_now() + PAUSE);
}

static bool waits_if(const struct logon_at *at, bool urged)
{
	struct client_result why = {0};

	return outbound_logon_waits(at, clock_now(), urged, &a, &why);
}

static bool waits(const struct logon_at *at)
{
	return waits_if(at, false);
}

Test(outbound_logon, a_pause_ends_when_its_time_is_over)
{
	cr_expect(!waits(&here), "nobody was asked yet");
	refuse(&here);
	cr_expect(waits(&here));
	clock_advance(PAUSE - 1);
	cr_expect(waits(&here), "it ends too soon");
	clock_advance(1);
	cr_expect(!waits(&here), "it does not end");
}

Test(outbound_logon, a_second_refusal_begins_it_anew)
{
	refuse(&here);
	clock_advance(PAUSE - 1);
	refuse(&here);
	clock_advance(PAUSE - 1);
	cr_expect(waits(&here));
	clock_advance(1);
	cr_expect(!waits(&here));
}

Test(outbound_logon, the_host_is_asked_again_once_it_took_one)
{
	refuse(&here);
	outbound_logon_forget(&here);
	cr_expect(!waits(&here));
}

Test(outbound_logon, an_order_ends_it_but_not_for_each_message)
{
	refuse(&here);
	cr_expect(waits_if(&here, true), "it was asked this moment");
	clock_advance(URGED_APART - 1);
	cr_expect(waits_if(&here, true));
	clock_advance(1);
	cr_expect(!waits_if(&here, true), "an order is not heard");
	cr_expect(waits(&here), "what nobody urges waits on");
	refuse(&here);
	cr_expect(waits_if(&here, true), "each of his messages asks");
}

Test(outbound_logon, another_password_name_host_or_port_is_another_question)
{
	const struct client_logon other = {.name = S("demo"), .secret = S("secret-2")},
				  somebody = {.name = S("eve"), .secret = S("secret-1")};
	const struct logon_at others[] = {{S("relay.test"), 587, &other},
		{S("relay.test"), 587, &somebody}, {S("mx.test"), 587, &demo},
		{S("relay.test"), 465, &demo}};

	refuse(&here);
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		cr_expect(!waits(&others[i]), "question %zu waits", i);
	cr_expect(waits(&here));
}

Test(outbound_logon, who_waits_hears_what_the_host_said)
{
	struct client_result why = {0};

	refuse(&here);
	cr_assert(outbound_logon_waits(&here, clock_now(), false, &a, &why));
	cr_expect_eq(why.code, 535);
	cr_expect(slice_same(why.enhanced, S("5.7.8")));
	cr_expect(slice_same(why.text, S("no such user")));
}

Test(outbound_logon, only_what_is_over_is_swept)
{
	const struct logon_at later = {S("mx.test"), 587, &demo};

	refuse(&here);
	clock_advance(USEC_S);
	refuse(&later);
	clock_advance(PAUSE - USEC_S);
	outbound_logon_sweep(clock_now());
	cr_expect(!waits(&here));
	cr_expect(waits(&later), "its time is not over");
	outbound_logon_sweep(USEC_NEVER);
	cr_expect(!waits(&later));
}
