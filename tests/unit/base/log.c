/* The log: one record is one line whatever is in it, and nobody ever waits for its reader. */
#include "base/log.h"

#include "base/clock.h"
#include "base/text.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static int ends[2]; /* of the pipe the log goes into */

static void open_log(log_level least, bool journal)
{
	cr_assert_eq(pipe(ends), 0);
	log_open(&(struct log_target){
		.fd = ends[1], .least = least, .journal = journal, .role = "test/0"});
}

/* Closes the log and gives all that was written and not yet read. */
static slice written(void)
{
	static text all;
	char piece[4096];
	ssize_t got;

	log_close();
	close(ends[1]);
	while ((got = read(ends[0], piece, sizeof piece)) > 0)
		text_add(&all, slice_of(piece, (size_t)got));
	return text_slice(&all);
}

static bool holds(slice s, slice part)
{
	return slice_search(s, part) < s.size;
}

static size_t lines_of(slice s)
{
	size_t n = 0;

	for (slice line; s.size > 0 && slice_take(&s, '\n', &line);)
		n++;
	return n;
}

Test(log, writes_time_level_role_event_fields_and_sentence)
{
	char wanted[256];

	clock_virtual((usec)1709210096 * USEC_S + 123456); /* a leap day */
	open_log(LOG_INFO_LEVEL, false);
	log_event(EV_LOOP_HELD, "task=%s ms=%d", "smtp", 70);
	snprintf(wanted, sizeof wanted,
		"time=2024-02-29T12:34:56.123456Z level=warn role=test/0 pid=%d event=LOOP_HELD "
		"task=smtp ms=70 note=\"a task held the loop too long\"\n",
		(int)getpid());
	slice all = written();
	cr_expect(slice_same(all, slice_z(wanted)), "%.*s", SLICE_ARGS(all));
}

Test(log, tells_dates_right)
{
	static const struct {
		usec at;
		const char *wanted;
	} rows[] = {
		{0, "time=1970-01-01T00:00:00."}, {951782399, "time=2000-02-28T23:59:59."},
		{951782400, "time=2000-02-29T00:00:00."}, {1735689599, "time=2024-12-31T23:59:59."},
		{1735689600, "time=2025-01-01T00:00:00."},
		{4107542400, "time=2100-03-01T00:00:00."}, /* no leap year */
	};
	open_log(LOG_INFO_LEVEL, false);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		clock_virtual(rows[i].at * USEC_S);
		log_event(EV_LOOP_HELD, NULL);
	}
	slice all = written(), line;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		cr_assert(slice_take(&all, '\n', &line));
		cr_expect(slice_starts(line, slice_z(rows[i].wanted)), "%.*s", SLICE_ARGS(line));
	}
}

Test(log, escapes_what_values_bring_along)
{
	static const struct {
		slice value;
		const char *quoted;
	} rows[] = {
		{S("plain"), "\"plain\""},
		{S(""), "\"\""},
		{S("a\r\nb"), "\"a\\x0d\\x0ab\""},
		{S("\x1b[31mred\a"), "\"\\x1b[31mred\\x07\""},
		{S("say \"hi\""), "\"say \\\"hi\\\"\""},
		{S("back\\slash"), "\"back\\\\slash\""},
		{S("\\\""), "\"\\\\\\\"\""},
		{S("nul\0tab\t\x7f"), "\"nul\\x00tab\\x09\\x7f\""},
		{S("Gr\xc3\xbc\xc3\x9f"
		   "e"),
			"\"Gr\xc3\xbc\xc3\x9f"
			"e\""},
		{S("\xff\xc0\xaf"), "\"\\xff\\xc0\\xaf\""},
		{S("\xc2\x9b"
		   "31m"),
			"\"\\xc2\\x9b31m\""}, /* CSI in one character */
		{S("\xe2\x80\xa8\xe2\x80\xae"),
			"\"\\xe2\\x80\\xa8\\xe2\\x80\\xae\""}, /* new line, right to left */
		{S("x\" event=FORGED y=\""), "\"x\\\" event=FORGED y=\\\"\""},
	};
	size_t n = sizeof rows / sizeof *rows;
	char wanted[256];

	open_log(LOG_INFO_LEVEL, false);
	for (size_t i = 0; i < n; i++)
		log_event(EV_LOOP_HELD, "value=%s end=1", log_quote(rows[i].value));
	slice all = written(), line;
	cr_expect_eq(lines_of(all), n);
	for (size_t i = 0; i < n; i++) {
		cr_assert(slice_take(&all, '\n', &line));
		snprintf(wanted, sizeof wanted, " value=%s end=1 ", rows[i].quoted);
		cr_expect(holds(line, slice_z(wanted)), "row %zu: %.*s", i, SLICE_ARGS(line));
	}
}

Test(log, escapes_values_that_nobody_quoted)
{
	open_log(LOG_INFO_LEVEL, false);
	log_event(EV_LOOP_HELD, "value=%s", "a\r\nevent=FORGED \"x\" \x1b \\ \xff");
	log_event(EV_LOOP_HELD, "open=\"%s", "never closed");
	slice all = written();
	cr_expect_eq(lines_of(all), 2);
	cr_expect(holds(all, S("value=a\\x0d\\x0aevent=FORGED \\\"x\\\" \\x1b \\\\ \\xff note=")));
	cr_expect(holds(all, S("open=\"never closed\" note=")));
}

Test(log, cuts_what_is_too_long)
{
	static char value[3 * LOG_LINE_MOST];

	memset(value, '\n', sizeof value - 1);
	open_log(LOG_INFO_LEVEL, false);
	log_event(EV_LOOP_HELD, "value=%s", value);
	log_event(EV_LOOP_HELD, "value=%s", log_quote(slice_z(value)));
	log_event(EV_LOOP_HELD, "value=\"%s", value);
	slice all = written(), line;
	cr_expect_eq(lines_of(all), 3);
	while (all.size > 0 && slice_take(&all, '\n', &line)) {
		cr_expect_lt(line.size, LOG_LINE_MOST);
		cr_expect(holds(line, S("...")));
		cr_expect(slice_ends_nocase(line, S("\" note=\"a task held the loop too long\"")) ||
			  slice_ends_nocase(line, S("... note=\"a task held the loop too long\"")));
	}
}

Test(log, keeps_eight_quoted_values_at_once)
{
	open_log(LOG_INFO_LEVEL, false);
	log_event(EV_LOOP_HELD, "a=%s b=%s c=%s d=%s e=%s f=%s g=%s h=%s", log_quote(S("1")),
		log_quote(S("2")), log_quote(S("3")), log_quote(S("4")), log_quote(S("5")),
		log_quote(S("6")), log_quote(S("7")), log_quote(S("8")));
	cr_expect(holds(
		written(), S("a=\"1\" b=\"2\" c=\"3\" d=\"4\" e=\"5\" f=\"6\" g=\"7\" h=\"8\"")));
}

Test(log, leaves_out_what_is_below_the_least_level)
{
	open_log(LOG_ERROR_LEVEL, false);
	log_event(EV_LOOP_HELD, "n=%d", 1);
	log_event(EV_TASK_STACK, "n=%d", 2);
	log_level_set(LOG_WARN_LEVEL);
	log_event(EV_LOOP_HELD, "n=%d", 3);
	slice all = written();
	cr_expect_not(holds(all, S("n=1")));
	cr_expect(holds(all, S("n=2")));
	cr_expect(holds(all, S("n=3")));
}

Test(log, speaks_to_journald_with_priorities)
{
	open_log(LOG_INFO_LEVEL, true);
	log_event(EV_LOOP_HELD, NULL);
	log_event(EV_TASK_STACK, NULL);
	slice all = written();
	cr_expect(slice_starts(all, S("<4>level=warn role=test/0 ")));
	cr_expect(holds(all, S("\n<3>level=error ")));
}

Test(log, trouble_returns_its_kind_and_errno_stays)
{
	open_log(LOG_INFO_LEVEL, false);
	errno = EDOM;
	cr_expect_eq(log_trouble(ST_BUSY, EV_LOOP_HELD, "n=%d", 1), ST_BUSY);
	cr_expect_eq(errno, EDOM);
	cr_expect(holds(written(), S("n=1")));
}

Test(log, does_not_wait_for_a_reader_that_stopped, .timeout = 300)
{
	enum { RECORDS = 50000 };

	open_log(LOG_INFO_LEVEL, false);
	for (int i = 0; i < RECORDS; i++)
		log_event(EV_LOOP_HELD, "n=%d", i);
	cr_expect_gt(log_dropped(), 0);

	/* The reader comes back: what was kept is whole, and the loss is told. */
	uint64_t lost = log_dropped(), kept = 0;
	text all = TEXT_INIT;
	char piece[4096], wanted[64];
	snprintf(wanted, sizeof wanted, " total=%d note=", (int)lost);
	for (bool told = false; !told || kept + lost < RECORDS;) {
		ssize_t got = read(ends[0], piece, sizeof piece);
		cr_assert_gt(got, 0);
		text_add(&all, slice_of(piece, (size_t)got));
		slice rest = text_slice(&all), line;
		while (slice_find(rest, '\n') < rest.size && slice_take(&rest, '\n', &line)) {
			cr_assert(
				slice_starts(line, S("time=")) && slice_ends_nocase(line, S("\"")),
				"%.*s", SLICE_ARGS(line));
			kept += holds(line, S("event=LOOP_HELD"));
			told |= holds(line, slice_z(wanted));
		}
		text_remove(&all, all.size - rest.size);
	}
	cr_expect_eq(kept + lost, RECORDS);
	cr_expect_eq(written().size, 0);
	text_free(&all);
}

Test(log, closes_in_time_though_the_reader_stopped, .timeout = 300)
{
	open_log(LOG_INFO_LEVEL, false);
	for (int i = 0; i < 5000; i++)
		log_event(EV_LOOP_HELD, "n=%d", i);
	log_close();
	cr_expect_eq(log_dropped() + lines_of(written()), 5000);
}

static void *speak(void *who)
{
	for (int i = 0; i < 2000; i++)
		log_event(EV_LOOP_HELD, "who=%s n=%d", (const char *)who, i);
	return NULL;
}

static void *read_all(void *to)
{
	char piece[4096];

	for (ssize_t got; (got = read(ends[0], piece, sizeof piece)) > 0;)
		text_add(to, slice_of(piece, (size_t)got));
	return NULL;
}

Test(log, keeps_the_lines_of_threads_apart_and_in_order)
{
	pthread_t reader, speaker[3];
	static char names[3][2] = {"a", "b", "c"};
	text all = TEXT_INIT;
	char wanted[64];
	int next[3] = {0};

	open_log(LOG_INFO_LEVEL, false);
	pthread_create(&reader, NULL, read_all, &all);
	for (int i = 0; i < 3; i++)
		pthread_create(&speaker[i], NULL, speak, names[i]);
	for (int i = 0; i < 3; i++)
		pthread_join(speaker[i], NULL);
	log_close();
	close(ends[1]);
	pthread_join(reader, NULL);
	for (slice rest = text_slice(&all), line;
		rest.size > 0 && slice_take(&rest, '\n', &line);) {
		size_t who = slice_search(line, S("who="));
		cr_assert_lt(who, line.size);
		int i = line.at[who + 4] - 'a';
		snprintf(wanted, sizeof wanted, "who=%s n=%d note=", names[i], next[i]++);
		cr_assert(holds(line, slice_z(wanted)), "%.*s", SLICE_ARGS(line));
	}
	cr_expect_eq(log_dropped(), 0);
	cr_expect_eq(next[0] + next[1] + next[2], 6000);
	text_free(&all);
}

Test(log, a_child_has_a_ring_of_its_own)
{
	open_log(LOG_INFO_LEVEL, false);
	log_event(EV_LOOP_HELD, "before=1");
	pid_t child = fork();
	if (child == 0) {
		log_open(&(struct log_target){
			.fd = ends[1], .least = LOG_INFO_LEVEL, .role = "child"});
		log_event(EV_LOOP_HELD, "inside=1");
		log_close();
		_exit(0);
	}
	waitpid(child, NULL, 0);
	log_event(EV_LOOP_HELD, "after=1");
	slice all = written();
	cr_expect_eq(lines_of(all), 3, "%.*s", SLICE_ARGS(all));
	cr_expect(holds(all, S("role=child")) && holds(all, S("inside=1")));
	cr_expect(holds(all, S("before=1")) && holds(all, S("after=1")));
}

Test(log, goes_to_standard_error_before_it_is_opened)
{
	cr_assert_eq(pipe(ends), 0);
	dup2(ends[1], STDERR_FILENO);
	log_event(EV_LOOP_HELD, "early=1");
	close(STDERR_FILENO);
	cr_expect(holds(written(), S("role=- ")));
}
