/* Reading IMAP commands: words, strings, literals, sets. The input lies in a file, what is asked
   for goes to another; whole talks stand in tests/dialog/imap. */
#include "service/imap/args.h"

#include <criterion/criterion.h>
#include <sys/mman.h>
#include <unistd.h>

static conversation talk;
static args reader;
static int answers;

static int file_of(const char *octets, size_t n)
{
	int fd = memfd_create("imap", MFD_CLOEXEC);

	cr_assert(fd >= 0 && write(fd, octets, n) == (ssize_t)n && lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

static void teardown(void)
{
	if (talk.stream)
		stream_close(&talk.stream);
	arena_release(&talk.command);
	close(answers);
	answers = -1;
}

/* A command begins with these octets; gives what reading its first line came to. */
static status given_octets(slice octets, size_t most)
{
	answers = file_of("", 0);
	cr_assert_eq(
		stream_open(file_of(octets.at, octets.size), dup(answers), &talk.stream), ST_OK);
	return args_begin(&reader, &talk, most);
}

static void given(const char *octets)
{
	cr_assert_eq(given_octets(slice_z(octets), 1000), ST_OK);
}

static slice asked(void)
{
	static char said[1000];
	ssize_t n;

	cr_assert_eq(lseek(answers, 0, SEEK_SET), 0);
	n = read(answers, said, sizeof said);
	cr_assert(n >= 0);
	return slice_of(said, (size_t)n);
}

static void expect_same(slice got, const char *wanted)
{
	cr_expect(slice_same(got, slice_z(wanted)), "%.*s instead of %s", SLICE_ARGS(got), wanted);
}

/* What a reader of one string makes of a line: the string and what follows, "-" where it is
   none. */
static void expect_string(
	status (*take)(args *, slice *), const char *line, const char *wanted, const char *rest)
{
	text whole = TEXT_INIT;
	slice got = S("-");

	text_format(&whole, "%s\r\n", line);
	given(whole.at);
	cr_expect_eq(take(&reader, &got), wanted[0] == '-' ? ST_INVALID : ST_OK, "%s", line);
	expect_same(got, wanted);
	if (wanted[0] != '-')
		expect_same(reader.rest, rest);
	teardown();
	text_free(&whole);
}

TestSuite(imap_args, .fini = teardown);

Test(imap_args, takes_words_by_their_kind)
{
	expect_string(arg_atom, "INBOX rest", "INBOX", " rest");
	expect_string(arg_atom, "a]b", "a", "]b");
	expect_string(arg_atom, "(x)", "-", "");
	expect_string(arg_atom, "", "-", "");
	expect_string(arg_atom, "\303\274", "-", "");
	expect_string(arg_tag, "a.1 x", "a.1", " x");
	expect_string(arg_tag, "+1", "-", "");
	expect_string(arg_astring, "a]b c", "a]b", " c");
	expect_string(arg_astring, "a%", "a", "%");
	expect_string(arg_pattern, "a%/* x", "a%/*", " x");
	expect_string(arg_flag, "\\Seen)", "\\Seen", ")");
	expect_string(arg_flag, "$Forwarded x", "$Forwarded", " x");
	expect_string(arg_flag, "\\", "-", "");
	expect_string(arg_flag, "\\*", "-", "");
}

Test(imap_args, takes_quoted_strings)
{
	expect_string(arg_string, "\"\" x", "", " x");
	expect_string(arg_string, "\"two words\"", "two words", "");
	expect_string(arg_string, "\"a\\\"b\\\\c\"d", "a\"b\\c", "d");
	expect_string(arg_string, "\"gr\303\274n\"", "gr\303\274n", "");
	expect_string(arg_string, "\"open", "-", "");
	expect_string(arg_string, "\"open\\\"", "-", "");
	expect_string(arg_string, "\"open\\", "-", "");
	expect_string(arg_string, "bare", "-", "");
}

Test(imap_args, takes_nil_for_a_string_only_where_it_may_stand)
{
	slice got = S("before");

	given("nil x\r\n");
	cr_expect_eq(arg_nstring(&reader, &got), ST_OK);
	cr_expect_null(got.at);
	expect_same(reader.rest, " x");
	teardown();
	expect_string(arg_nstring, "\"NIL\"", "NIL", "");
	expect_string(arg_nstring, "NILS", "-", "");
	expect_string(arg_string, "NIL", "-", "");
}

Test(imap_args, asks_for_a_literal_once)
{
	slice name, secret;

	given("{4}\r\nanna {6}\r\nsecret\r\n");
	cr_expect_eq(arg_astring(&reader, &name), ST_OK);
	cr_expect_eq(arg_space(&reader), ST_OK);
	cr_expect_eq(arg_astring(&reader, &secret), ST_OK);
	cr_expect_eq(arg_end(&reader), ST_OK);
	expect_same(name, "anna");
	expect_same(secret, "secret");
	expect_same(asked(), "+ Go ahead\r\n+ Go ahead\r\n");
}

Test(imap_args, asks_for_nothing_that_comes_unasked)
{
	slice got;

	given("{0+}\r\n {9+}\r\na\r\n\"b\" {x\r\n");
	cr_expect_eq(arg_string(&reader, &got), ST_OK);
	expect_same(got, "");
	cr_expect_eq(arg_space(&reader), ST_OK);
	cr_expect_eq(arg_string(&reader, &got), ST_OK);
	expect_same(got, "a\r\n\"b\" {x");
	cr_expect_eq(arg_end(&reader), ST_OK);
	expect_same(asked(), "");
}

Test(imap_args, asks_for_no_literal_beyond_the_limit)
{
	slice got;

	given("{996}\r\n");
	cr_expect_eq(arg_string(&reader, &got), ST_TOO_BIG);
	expect_same(asked(), "");
	teardown();
	given("{4294967296}\r\n");
	cr_expect_eq(arg_string(&reader, &got), ST_TOO_BIG);
	teardown();
	given("{18446744073709551616}\r\n");
	cr_expect_eq(arg_string(&reader, &got), ST_INVALID);
	expect_same(asked(), "");
}

Test(imap_args, knows_an_announcement_from_what_looks_like_one)
{
	static const char *const rows[] = {"{}", "{+}", "{-1}", "{4", "4}", "{4++}", "{4} ", "{4}x",
		"{0x4}", "{ 4}", "{2}{4}", "~4}"};
	slice got;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		text line = TEXT_INIT;

		text_format(&line, "%s\r\nabcdefgh\r\n", rows[i]);
		given(line.at);
		cr_expect_eq(arg_string(&reader, &got), ST_INVALID, "%s", rows[i]);
		expect_same(asked(), "");
		text_free(&line);
		teardown();
	}
}

Test(imap_args, lets_only_a_binary_literal_hold_a_nul)
{
	slice got;

	cr_assert_eq(given_octets(S("{3+}\r\na\0b\r\n"), 1000), ST_OK);
	cr_expect_eq(arg_string(&reader, &got), ST_INVALID);
	teardown();
	cr_assert_eq(given_octets(S("~{3+}\r\na\0b\r\n"), 1000), ST_OK);
	cr_expect_eq(arg_string(&reader, &got), ST_OK);
	cr_expect_eq(got.size, 3);
}

Test(imap_args, begins_with_whole_lines_only)
{
	cr_expect_eq(given_octets(S("a1 NOOP\n"), 1000), ST_INVALID);
	teardown();
	cr_expect_eq(given_octets(S("a1 \0NOOP\r\n"), 1000), ST_INVALID);
	teardown();
	cr_expect_eq(given_octets(S("a1 NO\rOP\r\n"), 1000), ST_INVALID);
	teardown();
	cr_expect_eq(given_octets(S("a1 0123456789\r\n"), 10), ST_TOO_BIG);
	teardown();
	cr_expect_eq(given_octets(S("a1 NOOP"), 1000), ST_CLOSED);
}

Test(imap_args, counts_lines_and_literals_together)
{
	slice got;

	cr_assert_eq(given_octets(S("{20+}\r\n01234567890123456789 x\r\n"), 30), ST_OK);
	cr_expect_eq(arg_string(&reader, &got), ST_OK);
	teardown();
	cr_assert_eq(given_octets(S("{20+}\r\n01234567890123456789 0123456789\r\n"), 30), ST_OK);
	cr_expect_eq(arg_string(&reader, &got), ST_TOO_BIG);
}

/* Throws away what belongs to a command that was wrong, so that the next line is the next
   command. */
Test(imap_args, skips_what_was_announced_and_comes_unasked)
{
	given("x {3+}\r\nabc {2+}\r\nde f\r\na2 NOOP\r\n");
	cr_expect_eq(args_skip(&reader), ST_OK);
	cr_expect_not(reader.out_of_step);
	cr_expect_eq(args_begin(&reader, &talk, 1000), ST_OK);
	expect_same(reader.rest, "a2 NOOP");
	teardown();
	given("x {3}\r\na2 NOOP\r\n"); /* who waits is told no, and sends nothing */
	cr_expect_eq(args_skip(&reader), ST_OK);
	cr_expect_eq(args_begin(&reader, &talk, 1000), ST_OK);
	expect_same(reader.rest, "a2 NOOP");
	teardown();
	given("x {99999999+}\r\n");
	cr_expect_eq(args_skip(&reader), ST_OK);
	cr_expect(reader.out_of_step);
}

Test(imap_args, reads_numbers)
{
	uint64_t n;
	uint32_t nz;

	given("0 9223372036854775807 9223372036854775808\r\n");
	cr_expect_eq(arg_number(&reader, &n), ST_OK);
	cr_expect_eq(n, 0);
	cr_expect_eq(arg_space(&reader), ST_OK);
	cr_expect_eq(arg_number(&reader, &n), ST_OK);
	cr_expect_eq(n, INT64_MAX);
	cr_expect_eq(arg_space(&reader), ST_OK);
	cr_expect_eq(arg_number(&reader, &n), ST_INVALID);
	teardown();
	given("4294967294 4294967295 4294967296\r\n");
	cr_expect_eq(arg_nz_number(&reader, &nz), ST_OK);
	cr_expect_eq(nz, 4294967294u);
	cr_expect_eq(arg_space(&reader), ST_OK);
	cr_expect_eq(arg_nz_number(&reader, &nz), ST_OK);
	cr_expect_eq(nz, 4294967294u, "it is not taken for `*`");
	cr_expect_eq(arg_space(&reader), ST_OK);
	cr_expect_eq(arg_nz_number(&reader, &nz), ST_INVALID);
	teardown();
	given("0\r\n");
	cr_expect_eq(arg_nz_number(&reader, &nz), ST_INVALID);
}

Test(imap_args, reads_dates)
{
	static const struct {
		const char *line;
		int64_t days;
	} rows[] = {{"1-Jan-1970", 0}, {"\"01-Jan-1970\"", 0}, {"2-jan-1970", 1},
		{"31-Dec-1969", -1}, {"30-Dec-1969", -2}, {"29-Feb-2024", 19782}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		text line = TEXT_INIT;
		int64_t days = INT64_MAX;

		text_format(&line, "%s\r\n", rows[i].line);
		given(line.at);
		cr_expect_eq(arg_date(&reader, &days), ST_OK, "%s", rows[i].line);
		cr_expect_eq(days, rows[i].days, "%s is day %lld", rows[i].line, (long long)days);
		teardown();
		text_free(&line);
	}
	given("30-Feb-2024\r\n");
	cr_expect_eq(arg_date(&reader, &(int64_t){0}), ST_INVALID);
}

/* ---- sets */

static void set_text(const imap_set *s, text *out)
{
	for (size_t i = 0; i < s->count; i++)
		text_format(out, s->range[i].low == s->range[i].high ? "%s%u" : "%s%u:%u",
			i ? "," : "", s->range[i].low, s->range[i].high);
}

Test(imap_args, resolves_sets_to_rising_ranges)
{
	static const struct {
		const char *line;
		uint32_t last;
		const char *wanted;
	} rows[] = {
		{"1", 9, "1"},
		{"3,1,2", 9, "1:3"},
		{"5:2", 9, "2:5"},
		{"1:*", 9, "1:9"},
		{"*:1", 9, "1:9"},
		{"*", 9, "9"},
		{"20:*", 9, "9:20"},
		{"*:*,1", 9, "1,9"},
		{"1:3,2:5,7", 9, "1:5,7"},
		{"1:3,4:5", 9, "1:5"},
		{"4294967294,1:4294967293", 9, "1:4294967294"},
		{"4294967295", 9, "4294967294"},
		{"4294967295:*", 9, "9:4294967294"},
		{"*", 0, "0"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		text line = TEXT_INIT, got = TEXT_INIT;
		imap_set set;

		text_format(&line, "%s x\r\n", rows[i].line);
		given(line.at);
		cr_expect_eq(arg_set(&reader, &set), ST_OK, "%s", rows[i].line);
		expect_same(reader.rest, " x");
		imap_set_resolve(&set, rows[i].last);
		set_text(&set, &got);
		expect_same(text_slice(&got), rows[i].wanted);
		teardown();
		text_free(&line);
		text_free(&got);
	}
}

Test(imap_args, refuses_what_is_no_set)
{
	static const char *const rows[] = {
		"", "0", "1:0", "1,", ",1", "1::2", "1:", "a", "1:a", "4294967296", "-1", "**"};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		text line = TEXT_INIT;
		imap_set set;

		text_format(&line, "%s\r\n", rows[i]);
		given(line.at);
		cr_expect(arg_set(&reader, &set) == ST_INVALID || arg_end(&reader) == ST_INVALID,
			"%s", rows[i]);
		teardown();
		text_free(&line);
	}
}

Test(imap_args, bounds_the_ranges_of_a_set)
{
	text line = TEXT_INIT;
	imap_set set;

	for (int i = 0; i < IMAP_RANGES_MOST; i++)
		text_format(&line, "%d,", 2 * i + 1);
	line.at[line.size - 1] = '\r';
	text_add_char(&line, '\n');
	cr_assert_eq(given_octets(text_slice(&line), 1024 * 1024), ST_OK);
	cr_expect_eq(arg_set(&reader, &set), ST_OK);
	cr_expect_eq(set.count, IMAP_RANGES_MOST);
	teardown();
	line.size -= 2;
	text_add(&line, S(",7\r\n"));
	cr_assert_eq(given_octets(text_slice(&line), 1024 * 1024), ST_OK);
	cr_expect_eq(arg_set(&reader, &set), ST_INVALID);
	text_free(&line);
}

Test(imap_args, knows_who_is_in_a_set)
{
	imap_set set;

	given("2,4:6,9:*\r\n");
	cr_assert_eq(arg_set(&reader, &set), ST_OK);
	imap_set_resolve(&set, 11);
	for (uint32_t n = 0; n < 14; n++)
		cr_expect_eq(imap_set_has(&set, n),
			n == 2 || (n >= 4 && n <= 6) || (n >= 9 && n <= 11), "%u", n);
}

Test(imap_args, takes_the_saved_result_for_a_set)
{
	imap_set set;

	given("$\r\n");
	cr_expect_eq(arg_set(&reader, &set), ST_OK);
	cr_expect(set.saved && set.count == 0);
	cr_expect_eq(arg_end(&reader), ST_OK);
}

Test(imap_args, writes_rising_numbers_in_ranges)
{
	text out = TEXT_INIT;

	imap_numbers_text((uint32_t[]){1, 2, 3, 5, 7, 8}, 6, &out);
	expect_same(text_slice(&out), "1:3,5,7:8");
	text_clear(&out);
	imap_numbers_text(NULL, 0, &out);
	expect_same(text_slice(&out), "");
	text_free(&out);
}
