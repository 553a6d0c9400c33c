/* When mail that waits is tried again, and how often its sender hears of it: verdicts, one after the
   other, as settings have them. */
#include "tests/unit/connector/runner.h"

#include "connector/smtp/report.h"

#include <criterion/criterion.h>

static queue_entry entry;
static struct attempt attempt;

static void begin(void)
{
	runner_begin();
	entry = (queue_entry){.postoffice = store_postoffice(),
		.sender = S("anna@acme.test"),
		.address = S("zoe@step.test"),
		.domain = S("step.test"),
		.made = clock_wall()};
	attempt = (struct attempt){
		.entry = &entry, .result = reply(CLIENT_DEFERRED, CLIENT_BY_HOST, 451, "4.7.1")};
}

TestSuite(outbound_judge, .init = begin, .fini = runner_end, .timeout = 600);

/* Nobody set anything. */
static status the_steps(void)
{
	static const int minutes[] = {15, 30, 60, 240, 240, 240};
	struct verdict v;

	given_setting(S_queue_retry, NULL);
	for (size_t i = 0; i < sizeof minutes / sizeof *minutes; i++, entry.attempts++) {
		report_judge(&attempt, &v);
		cr_expect_eq(v.result.end, QUEUE_DEFER);
		cr_expect_eq(v.result.wait, minutes[i] * 60 * USEC_S, "%lld s behind attempt %zu",
			(long long)(v.result.wait / USEC_S), i + 1);
	}
	return ST_OK;
}

Test(outbound_judge, the_time_between_attempts_grows_and_then_stays)
{
	play_alone(the_steps);
}

/* Only what the host said of this recipient or message. */
static status the_refusals(void)
{
	static const struct {
		enum client_outcome outcome;
		enum client_cause cause;
		int code;
		const char *enhanced;
		bool expired, refused;
		enum client_phase phase;
	} rows[] = {{CLIENT_FAILED, CLIENT_BY_REPLY, 550, "5.0.0", false, true},
		{CLIENT_FAILED, CLIENT_BY_REPLY, 550, "5.1.1", true, true},
		{CLIENT_FAILED, CLIENT_BY_REPLY, 552, "5.2.2", false, true},
		{CLIENT_FAILED, CLIENT_BY_REPLY, 554, "5.6.0", false, true},
		{CLIENT_FAILED, CLIENT_BY_REPLY, 554, "5.7.1", false, false, CLIENT_RCPT},
		{CLIENT_FAILED, CLIENT_BY_REPLY, 554, "5.7.1", false, true, CLIENT_END},
		{CLIENT_FAILED, CLIENT_BY_REPLY, 550, "5.1.8", false, false, CLIENT_MAIL},
		{CLIENT_FAILED, CLIENT_BY_REPLY, 554, "5.3.2", false, false},
		{CLIENT_FAILED, CLIENT_BY_REPLY, 554, "5.4.6", false, false},
		{CLIENT_FAILED, CLIENT_BY_HOST, 554, "5.0.0", false, false},
		{CLIENT_FAILED, CLIENT_BY_MESSAGE, 0, "5.0.0", false, false},
		{CLIENT_FAILED, CLIENT_BY_US, 0, "5.0.0", false, false},
		{CLIENT_DEFERRED, CLIENT_BY_REPLY, 451, "4.0.0", true, false},
		{CLIENT_DELIVERED, CLIENT_BY_REPLY, 250, "2.0.0", false, false}};
	struct verdict v;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		attempt.result =
			reply(rows[i].outcome, rows[i].cause, rows[i].code, rows[i].enhanced);
		attempt.result.phase = rows[i].phase;
		entry.expired = rows[i].expired;
		report_judge(&attempt, &v);
		cr_expect_eq(v.result.refused, rows[i].refused, "row %zu", i);
		cr_expect_eq(v.result.end, QUEUE_DONE, "row %zu", i);
	}
	return ST_OK;
}

Test(outbound_judge, refused_is_what_a_host_said_for_good)
{
	play_alone(the_refusals);
}

static status the_notices(void)
{
	static const struct {
		const char *when;
		int before; /* that were sent */
		bool told;
	} rows[] = {{"off", 0, false}, {"first", 0, true}, {"first", 1, false}, {"each", 0, true},
		{"each", 1, true}, {"each", 7, true}};
	struct verdict v;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		given_setting(S_queue_delay_notice, rows[i].when);
		entry.notices = rows[i].before;
		report_judge(&attempt, &v);
		cr_expect_eq(
			v.result.noticed, rows[i].told, "%s, %d", rows[i].when, rows[i].before);
		cr_expect_eq(v.report, rows[i].told ? REPORT_DELAYED : REPORT_NONE);
	}
	given_setting(S_queue_delay_notice, NULL);
	return ST_OK;
}

Test(outbound_judge, who_waits_is_told_as_often_as_the_setting_says)
{
	play_alone(the_notices);
}
