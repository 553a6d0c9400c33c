/* Lines for log files: columns and fields as documented, one line whatever is in it, and nobody
   waits. */
#include "base/record.h"

#include "base/text.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <unistd.h>

static int ends[2];

static void open_pipe(unsigned kinds, const char *fields)
{
	cr_assert_eq(pipe2(ends, O_NONBLOCK), 0);
	clock_virtual((usec)1709210096 * USEC_S); /* 2024-02-29 12:34:56 */
	record_open(ends[1]);
	record_rule_set(SERVICE_SMTP, &(struct record_rule){kinds, slice_z(fields), "day", 1000});
}

static slice lines(void)
{
	static char all[65536];
	ssize_t n = read(ends[0], all, sizeof all);

	return slice_of(all, n > 0 ? (size_t)n : 0);
}

static struct exchange exchange(void)
{
	return (struct exchange){
		.service = SERVICE_SUBMISSION,
		.conversation = S("abc"),
		.message = S("m1"),
		.peer = S("192.0.2.1"),
		.local = S("192.0.2.2"),
		.peer_port = 5000,
		.local_port = 587,
		.user = S("anna@acme"),
		.command = S("MAIL"),
		.details = S("FROM:<anna@acme.test> SIZE=10"),
		.response = S("250 2.1.0 Ok"),
		.verdict = S("250"),
		.sent = 14,
		.received = 37,
		.took = 12 * USEC_MS,
	};
}

static void same(slice got, const char *wanted)
{
	cr_expect(slice_same(got, slice_z(wanted)), "%.*s", SLICE_ARGS(got));
}

Test(record, writes_the_ten_columns_of_an_activity_log)
{
	struct exchange x = exchange();

	open_pipe(RECORD_ACTIVITY, "date");
	record_exchange(&x);
	same(lines(), "SMTP-Activity day 1000 1709210096000000 \x1f"
		      "2024-02-29 12:34:56\tSMTP-IN\tm1\tabc\t192.0.2.1\tMAIL\t"
		      "FROM:<anna@acme.test> SIZE=10\t250 2.1.0 Ok\t14\t37\n");
	x.outward = true;
	x.message = (slice){0};
	record_exchange(&x);
	same(lines(), "SMTP-Activity day 1000 1709210096000000 \x1f"
		      "2024-02-29 12:34:56\tSMTP-OU\t\tabc\t192.0.2.1\tMAIL\t"
		      "FROM:<anna@acme.test> SIZE=10\t250 2.1.0 Ok\t14\t37\n");
}

Test(record, writes_the_fields_that_are_chosen_in_their_order)
{
	struct exchange x = exchange();

	open_pipe(RECORD_W3C,
		"time date c-ip c-port s-ip s-port s-sitename cs-username cs-method cs-uri-query "
		"sc-status sc-comment sc-bytes cs-bytes time-taken x-conversation x-message");
	record_exchange(&x);
	same(lines(),
		"SMTP-W3C day 1000 1709210096000000 time date c-ip c-port s-ip s-port s-sitename "
		"cs-username cs-method cs-uri-query sc-status sc-comment sc-bytes cs-bytes time-taken "
		"x-conversation x-message\x1f"
		"12:34:56 2024-02-29 192.0.2.1 5000 192.0.2.2 587 submission anna@acme MAIL "
		"FROM:<anna@acme.test>+SIZE=10 250 250+2.1.0+Ok 14 37 12 abc m1\n");
}

Test(record, turns_client_and_server_around_for_what_goes_out)
{
	struct exchange x = exchange();

	open_pipe(RECORD_W3C, "c-ip c-port s-ip s-port s-sitename sc-bytes cs-bytes cs-username");
	x.outward = true;
	x.user = (slice){0};
	record_exchange(&x);
	same(lines(),
		"SMTP-W3C day 1000 1709210096000000 c-ip c-port s-ip s-port s-sitename sc-bytes cs-bytes "
		"cs-username\x1f"
		"192.0.2.2 587 192.0.2.1 5000 outbound 37 14 -\n");
}

Test(record, keeps_a_row_one_line_whatever_is_in_it)
{
	struct exchange x = exchange();

	open_pipe(RECORD_ACTIVITY | RECORD_W3C, "cs-uri-query sc-comment");
	x.details = S("a\tb\r\nc\x1f\xc3\xa4\\ \"+%");
	x.response = S("");
	record_exchange(&x);
	slice got = lines(), row;
	slice_take(&got, '\n', &row);
	same(slice_from(row, slice_find(row, '\x1f') + 1), "a%09b%0D%0Ac%1F%C3%A4%5C+%22%2B%25 -");
	slice_take(&got, '\n', &row);
	cr_expect(slice_search(row, S("\ta\\x09b\\x0d\\x0ac\\x1f\\xc3\\xa4\\x5c \"+%\t\t14\t37")) <
			  row.size,
		"%.*s", SLICE_ARGS(row));
	cr_expect_eq(got.size, 0);
}

Test(record, cuts_long_values_so_that_all_columns_fit)
{
	struct exchange x = exchange();
	char longest[2000];

	open_pipe(RECORD_ACTIVITY, "date");
	memset(longest, '\x01', sizeof longest);
	x.command = x.details = x.response = slice_of(longest, sizeof longest);
	record_exchange(&x);
	slice got = lines();
	cr_expect(slice_ends_nocase(got, S("...\t14\t37\n")), "%.*s", SLICE_ARGS(got));
	cr_expect_leq(got.size, (size_t)RECORD_MOST);
}

Test(record, records_nothing_that_is_off)
{
	struct exchange x = exchange();

	open_pipe(0, "date");
	record_exchange(&x);
	x.service = SERVICE_IMAP;
	record_exchange(&x);
	cr_expect_eq(lines().size, 0);
	record_rule_set(SERVICE_SMTP, &(struct record_rule){RECORD_W3C, S("date"), "day", 0});
	cr_expect_eq(record_kinds(SERVICE_SUBMISSION), RECORD_W3C);
	record_open(-1);
	cr_expect_eq(record_kinds(SERVICE_SMTP), 0);
}

Test(record, drops_and_counts_what_nobody_reads)
{
	struct exchange x = exchange();
	uint64_t n = 0;

	open_pipe(RECORD_ACTIVITY, "date");
	while (record_dropped() == 0 && ++n < 100000)
		record_exchange(&x);
	cr_expect_eq(record_dropped(), 1);
	cr_expect_gt(n, 100);
	record_exchange(&x);
	cr_expect_eq(record_dropped(), 2);
	cr_expect_eq(metric_value(M_log_lines_dropped, SERVICE_NONE), 2);
}

Test(record, words_and_events_go_to_their_own_files)
{
	open_pipe(RECORD_DEBUG, "");
	record_words(SERVICE_SMTP, S("event=X note=\"y\"\n"));
	same(lines(), "SMTP-Debug day 1000 1709210096000000 \x1f"
		      "event=X note=\"y\"\n");
	record_rule_set(SERVICE_NONE, &(struct record_rule){0, S(""), "hour", 0});
	record_server(S("event=X\n"));
	same(lines(), "Server hour 0 1709210096000000 \x1f"
		      "event=X\n");
	record_syslog(LOG_ERROR_LEVEL, S("event=X\n"));
	same(lines(), "syslog 19 0 1709210096000000 \x1f"
		      "event=X\n");
}
