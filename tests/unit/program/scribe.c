/* The scribe: which file a line goes into, and what a disk in trouble costs. */
#include "program/scribe.h"

#include "base/clock.h"
#include "base/log.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define NOW INT64_C(1764720000) /* 2025-12-03 00:00:00, a Wednesday */

static char folder[] = "/tmp/pennypost-scribe.XXXXXX";
static char sub[64];
static scribe *s;

static void begin(void)
{
	cr_assert_not_null(mkdtemp(folder));
	snprintf(sub, sizeof sub, "%s/logs", folder);
	s = scribe_open(slice_z(sub), "/nowhere/log");
}

static void end(void)
{
	char command[128];

	scribe_close(&s);
	snprintf(command, sizeof command, "rm -rf %s", folder);
	cr_expect_eq(system(command), 0);
}

TestSuite(scribe, .init = begin, .fini = end);

static void take(const char *stem, const char *period, int size, int64_t at, const char *fields,
	const char *line)
{
	char all[600];
	int n = snprintf(all, sizeof all, "%s %s %d %lld000000 %s\x1f%s\n", stem, period, size,
		(long long)at, fields, line);

	scribe_take(s, slice_of(all, (size_t)n));
}

static void holds(const char *name, const char *wanted)
{
	static char got[8192];
	char path[128];

	snprintf(path, sizeof path, "%s/%s", sub, name);
	FILE *f = fopen(path, "r");
	cr_assert_not_null(f, "%s", path);
	got[fread(got, 1, sizeof got - 1, f)] = '\0';
	fclose(f);
	cr_expect_str_eq(got, wanted);
}

static int files(void)
{
	DIR *d = opendir(sub);
	int n = 0;

	for (struct dirent *e; d && (e = readdir(d));)
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

Test(scribe, begins_a_file_with_each_day)
{
	take("SMTP-Activity", "day", 0, NOW - 1, "", "one");
	take("SMTP-Activity", "day", 0, NOW, "", "two");
	take("SMTP-Activity", "day", 0, NOW - 1, "", "late");
	take("POP-Activity", "day", 0, NOW, "", "other");
	holds("SMTP-Activity-251202.log", "one\n");
	holds("SMTP-Activity-251203.log", "two\nlate\n");
	holds("POP-Activity-251203.log", "other\n");
	cr_expect_eq(files(), 3);
}

Test(scribe, names_files_by_their_period)
{
	take("A", "hour", 0, NOW + 3600, "", "x");
	take("B", "week", 0, NOW, "", "x");
	take("C", "month", 0, NOW, "", "x");
	take("D", "never", 0, NOW, "", "x");
	holds("A-25120301.log", "x\n");
	holds("B-251201.log", "x\n");
	holds("C-2512.log", "x\n");
	holds("D.log", "x\n");
}

Test(scribe, begins_a_file_when_one_is_full)
{
	for (int i = 0; i < 5; i++)
		take("A", "day", 10, NOW, "", "1234");
	holds("A-251203.log", "1234\n1234\n");
	holds("A-251203-2.log", "1234\n1234\n");
	holds("A-251203-3.log", "1234\n");
	/* A successor goes on where there is room. */
	scribe_close(&s);
	s = scribe_open(slice_z(sub), "/nowhere/log");
	take("A", "day", 10, NOW, "", "5678");
	holds("A-251203-3.log", "1234\n5678\n");
	/* A line that fits no file has one of its own. */
	take("A", "day", 10, NOW, "", "longer than ten");
	holds("A-251203-4.log", "longer than ten\n");
}

Test(scribe, tells_the_fields_of_a_w3c_file_whenever_they_change)
{
	take("A", "day", 0, NOW, "date time", "x");
	take("A", "day", 0, NOW, "date time", "y");
	take("A", "day", 0, NOW, "date", "z");
	holds("A-251203.log",
		"#Version: 1.0\n#Software: Pennypost\n#Date: 2025-12-03 00:00:00\n#Fields: date time\nx\ny\n"
		"#Version: 1.0\n#Software: Pennypost\n#Date: 2025-12-03 00:00:00\n#Fields: date\nz\n");
}

/* As a full disk does; what was in force before. */
static rlim_t files_end_at(rlim_t most)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
	rlim_t before = limit.rlim_cur;
	limit.rlim_cur = most;
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	return before;
}

Test(scribe, a_full_disk_costs_whole_lines_and_no_more)
{
	take("A", "day", 0, NOW, "", "123456789");
	rlim_t before = files_end_at(20);
	take("A", "day", 0, NOW, "", "123456789");
	take("A", "day", 0, NOW, "", "too much");
	take("A", "day", 0, NOW, "", "too much again");
	files_end_at(before);
	cr_expect_eq(scribe_lost(s), 2);
	holds("A-251203.log", "123456789\n123456789\n");
	take("A", "day", 0, NOW, "", "room again");
	holds("A-251203.log", "123456789\n123456789\nroom again\n");
}

#define HEAD "#Version: 1.0\n#Software: Pennypost\n#Date: 2025-12-03 00:00:00\n#Fields: date\n"

/* Directives that found no room come again with the first line that does. */
Test(scribe, a_w3c_file_that_was_begun_on_a_full_disk_has_its_directives)
{
	rlim_t before = files_end_at(0);
	take("A", "day", 0, NOW, "date", "too much");
	take("A", "day", 0, NOW, "date", "too much again");
	files_end_at(before);
	cr_expect_eq(scribe_lost(s), 2, "directives are no lines");
	take("A", "day", 0, NOW, "date", "room again");
	take("A", "day", 0, NOW, "date", "and more");
	holds("A-251203.log", HEAD "room again\nand more\n");
}

static struct {
	unsigned long lost, again, all;
} told;

static bool hears(log_level level, bool written)
{
	(void)written;
	return level >= LOG_WARN_LEVEL;
}

static unsigned long number_in(slice line, const char *name)
{
	const char *at = memmem(line.at, line.size, name, strlen(name));

	return at ? strtoul(at + strlen(name), NULL, 10) : 0;
}

static void hear(log_level level, bool written, slice line)
{
	bool again = memmem(line.at, line.size, "event=LOG_FILE_AGAIN", 20) != NULL;

	(void)level;
	(void)written;
	*(again ? &told.again : &told.lost) += number_in(line, " lines=");
	told.all = again ? number_in(line, " all=") : told.all;
}

Test(scribe, tells_of_all_that_was_lost_when_there_is_room_again)
{
	static const struct log_tap tap = {hears, hear};

	log_tap_set(&tap);
	clock_virtual(NOW * USEC_S);
	rlim_t before = files_end_at(0);
	for (int i = 0; i < 7; i++)
		take("A", "day", 0, NOW, "", "too much");
	files_end_at(before);
	cr_expect_eq(told.lost, 1, "at once, and then once a minute");
	take("A", "day", 0, NOW, "", "room again");
	cr_expect_eq(told.again, 0, "it may be full again in a moment");
	clock_advance(5 * USEC_S);
	take("A", "day", 0, NOW, "", "more");
	take("A", "day", 0, NOW, "", "more");
	log_tap_set(NULL);
	cr_expect_eq(told.lost + told.again, 7);
	cr_expect_eq(told.all, 7);
}

Test(scribe, a_write_cut_off_leaves_no_half_line)
{
	take("A", "day", 0, NOW, "", "123456789");
	rlim_t before = files_end_at(15);
	take("A", "day", 0, NOW, "", "123456789");
	files_end_at(before);
	holds("A-251203.log", "123456789\n");
	cr_expect_eq(scribe_lost(s), 1);
}

Test(scribe, a_folder_that_is_not_to_be_had_is_tried_again)
{
	FILE *f = fopen(sub, "w"); /* in its place */
	cr_assert_not_null(f);
	fclose(f);
	clock_virtual(NOW * USEC_S);
	take("A", "day", 0, NOW, "", "lost");
	cr_expect_eq(scribe_lost(s), 1);
	cr_assert_eq(unlink(sub), 0);
	take("A", "day", 0, NOW, "", "too soon");
	cr_expect_eq(scribe_lost(s), 2);
	clock_advance(USEC_S);
	take("A", "day", 0, NOW, "", "there");
	holds("A-251203.log", "there\n");
}

Test(scribe, follows_no_link)
{
	char path[128];

	cr_assert_eq(mkdir(sub, 0700), 0);
	snprintf(path, sizeof path, "%s/A-251203.log", sub);
	cr_assert_eq(symlink("/tmp/pennypost-scribe-victim", path), 0);
	take("A", "day", 0, NOW, "", "x");
	cr_expect_eq(scribe_lost(s), 1);
	cr_expect_eq(access("/tmp/pennypost-scribe-victim", F_OK), -1);
}

Test(scribe, speaks_to_syslog)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	static char path[96];
	char got[100];

	snprintf(path, sizeof path, "%s/log", folder);
	snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	cr_assert_eq(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
	scribe_close(&s);
	s = scribe_open(slice_z(sub), path);
	take("syslog", "19", 0, NOW, "", "event=X");
	ssize_t n = recv(fd, got, sizeof got, MSG_DONTWAIT);
	close(fd);
	cr_assert_gt(n, 0);
	cr_expect(slice_same(slice_of(got, (size_t)n), S("<19>pennypost: event=X")));
	take("syslog", "19", 0, NOW, "", "to nobody");
	take("syslog", "0", 0, NOW, "", "as the kernel");
	cr_expect_eq(scribe_lost(s), 2);
}

Test(scribe, passes_over_what_is_no_line)
{
	cr_assert_eq(mkdir(sub, 0700), 0);
	scribe_take(s, S("nonsense\nA day\x1fx\nA day x 1 \x1fx\n../x day 0 1 \x1f"
			 "x\n"));
	cr_expect_eq(files(), 0);
	cr_expect_eq(scribe_lost(s), 0);
}
