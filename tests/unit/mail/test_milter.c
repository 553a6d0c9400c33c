/* Packets of the milter protocol, and headers that milters edit. */
#include "same.h"

#include "base/utf8.h"
#include "mail/milter.h"
#include "mail/milter_header.h"

static milter_terms agreed = {.version = 6, .actions = MILTER_ACTIONS, .steps = MILTER_CAN_SKIP};

static status read_as(
	slice packet, enum milter_command asked, const milter_terms *t, milter_answer *out)
{
	static arena a;

	return milter_answer_read(packet, asked, t, &a, out);
}

/* ---- terms */

Test(milter, offers_what_a_version_knows)
{
	milter_terms two = milter_terms_offered(2), four = milter_terms_offered(4),
		     six = milter_terms_offered(6);

	cr_expect_eq(two.actions, 0x3f);
	cr_expect_eq(two.steps, 0x7f);
	cr_expect(four.steps & MILTER_NO_DATA);
	cr_expect_not(four.steps & MILTER_CAN_SKIP);
	cr_expect_eq(six.actions, MILTER_ACTIONS);
	cr_expect_eq(six.steps, MILTER_STEPS);
}

#define TERMS(version, actions, steps) "\0\0\0" version "\0\0" actions steps

Test(milter, takes_terms_that_were_offered)
{
	milter_terms six = milter_terms_offered(6), two = milter_terms_offered(2), t;

	cr_assert_eq(
		milter_terms_read(S(TERMS("\6", "\1\xff", "\0\x1f\xff\xff")), &six, &t), ST_OK);
	cr_expect_eq(t.version, 6);
	cr_expect_eq(t.steps, MILTER_STEPS);
	cr_expect_null(t.macros[MILTER_AT_CONNECT].at);
	cr_assert_eq(milter_terms_read(S(TERMS("\2", "\0\1", "\0\0\0\0")), &six, &t), ST_OK);
	cr_expect_eq(t.version, 2);
	cr_expect_eq(milter_terms_read(S(TERMS("\6", "\0\1", "\0\0\0\0")), &two, &t), ST_INVALID);
	cr_expect_eq(milter_terms_read(S(TERMS("\1", "\0\1", "\0\0\0\0")), &six, &t), ST_INVALID);
	cr_expect_eq(milter_terms_read(S(TERMS("\7", "\0\1", "\0\0\0\0")), &six, &t), ST_INVALID);
	cr_expect_eq(milter_terms_read(S(TERMS("\6", "\2\0", "\0\0\0\0")), &six, &t), ST_INVALID);
	cr_expect_eq(milter_terms_read(S(TERMS("\6", "\0\1", "\1\0\0\0")), &six, &t), ST_INVALID);
	cr_expect_eq(milter_terms_read(S(TERMS("\6", "\0\1", "\0\0\0")), &six, &t), ST_INVALID);
}

Test(milter, takes_lists_of_macros)
{
	milter_terms six = milter_terms_offered(6), t;

	cr_assert_eq(
		milter_terms_read(
			S(TERMS("\6", "\1\0", "\0\0\0\0") "\0\0\0\2i {x}\0\0\0\0\5\0"), &six, &t),
		ST_OK);
	SAME(t.macros[MILTER_AT_MAIL], S("i {x}"));
	SAME(t.macros[MILTER_AT_END], S(""));
	cr_expect_not_null(t.macros[MILTER_AT_END].at);
	cr_expect_null(t.macros[MILTER_AT_RCPT].at);
	cr_expect_eq(milter_terms_read(S(TERMS("\6", "\1\0", "\0\0\0\0") "\0\0\0\7i\0"), &six, &t),
		ST_INVALID);
	cr_expect_eq(milter_terms_read(S(TERMS("\6", "\1\0", "\0\0\0\0") "\0\0\0\2i"), &six, &t),
		ST_INVALID);
	cr_expect_eq(milter_terms_read(S(TERMS("\6", "\0\1", "\0\0\0\0") "\0\0\0\2i\0"), &six, &t),
		ST_INVALID);
}

Test(milter, knows_who_hears_and_answers_what)
{
	milter_terms two = {.version = 2},
		     six = {.version = 6, .steps = MILTER_NO_HELO | MILTER_SILENT_FIELD};

	cr_expect(milter_hears(&two, MILTER_MAIL) && milter_answers(&two, MILTER_FIELD));
	cr_expect_not(milter_hears(&two, MILTER_DATA));
	cr_expect_not(milter_hears(&two, MILTER_UNKNOWN));
	cr_expect(milter_hears(&six, MILTER_DATA) && milter_hears(&six, MILTER_FIELD));
	cr_expect_not(milter_hears(&six, MILTER_HELO));
	cr_expect_not(milter_answers(&six, MILTER_FIELD));
	cr_expect_not(milter_answers(&six, MILTER_ABORT));
	cr_expect(milter_answers(&six, MILTER_END));
}

/* ---- writing */

Test(milter, writes_packets)
{
	milter_terms t = {.version = 6, .actions = 0x1ff, .steps = 0x1fffff};
	text out = TEXT_INIT;

	milter_write_terms(&out, &t);
	SAME(text_slice(&out), S("\0\0\0\015O\0\0\0\6\0\0\1\xff\0\x1f\xff\xff"));
	text_clear(&out);
	size_t begun = milter_begin(&out, MILTER_CONNECT);
	milter_add_string(&out, S("a\0b"));
	milter_add_number(&out, 0x1234, 2);
	milter_end(&out, begun);
	milter_write(&out, MILTER_BODY, S("x"));
	SAME(text_slice(&out), S("\0\0\0\5Ca\0\x12\x34\0\0\0\2Bx"));
	text_free(&out);
}

Test(milter, writes_fields_with_bare_line_feeds)
{
	static const struct {
		slice value;
		bool leading;
		slice wanted;
	} rows[] = {
		{S(" v"), false, S("v")},
		{S(" v"), true, S(" v")},
		{S("  v"), false, S(" v")},
		{S(" a\r\n\tb"), false, S("a\n\tb")},
		{S(" a\rb"), false, S("a\rb")},
		{S(" a\r"), false, S("a")},
		{S(" a\0b"), false, S("a")},
		{S(""), false, S("")},
	};
	for (size_t i = 0; i < ROWS(rows); i++) {
		text out = TEXT_INIT;

		milter_write_field(&out, S("N"), rows[i].value, rows[i].leading);
		SAME(slice_from(text_slice(&out), 7),
			((slice){rows[i].wanted.at, rows[i].wanted.size + 1}));
		text_free(&out);
	}
}

/* ---- reading */

Test(milter, bounds_packets)
{
	size_t size;

	cr_expect_eq(milter_packet_size((const uint8_t *)"\0\0\0\1", &size), ST_OK);
	cr_expect_eq(size, 1);
	cr_expect_eq(milter_packet_size((const uint8_t *)"\0\x10\0\0", &size), ST_OK);
	cr_expect_eq(milter_packet_size((const uint8_t *)"\0\x10\0\1", &size), ST_INVALID);
	cr_expect_eq(milter_packet_size((const uint8_t *)"\xff\xff\xff\xff", &size), ST_INVALID);
	cr_expect_eq(milter_packet_size((const uint8_t *)"\0\0\0\0", &size), ST_INVALID);
}

Test(milter, reads_edits)
{
	milter_answer one;

	cr_assert_eq(read_as(S("hX-A\0v\0"), MILTER_END, &agreed, &one), ST_OK);
	cr_expect_eq(one.word, MILTER_WANTS_FIELD);
	SAME(one.name, S("X-A"));
	SAME(one.value, S("v"));
	cr_assert_eq(read_as(S("m\0\0\1\2X\0\0"), MILTER_END, &agreed, &one), ST_OK);
	cr_expect_eq(one.word, MILTER_WANTS_CHANGED);
	cr_expect_eq(one.index, 258);
	SAME(one.value, S(""));
	cr_assert_eq(read_as(S("2<a@b>\0NOTIFY=NEVER\0"), MILTER_END, &agreed, &one), ST_OK);
	SAME(one.value, S("NOTIFY=NEVER"));
	cr_assert_eq(read_as(S("e<a@b>\0"), MILTER_END, &agreed, &one), ST_OK);
	cr_expect_eq(one.word, MILTER_WANTS_SENDER);
	cr_assert_eq(read_as(S("bnew\0body"), MILTER_END, &agreed, &one), ST_OK);
	SAME(one.value, S("new\0body"));
	cr_assert_eq(read_as(S("qwhy\0"), MILTER_END, &agreed, &one), ST_OK);
	SAME(one.value, S("why"));
}

Test(milter, refuses_what_does_not_belong)
{
	milter_terms none = {.version = 6};
	milter_answer one;
	static const struct {
		slice packet;
		enum milter_command asked;
	} rows[] = {
		{S(""), MILTER_END},
		{S("Z"), MILTER_END},
		{S("hX\0v\0"), MILTER_BODY},
		{S("hX\0v"), MILTER_END},
		{S("hX"), MILTER_END},
		{S("i\0\0\0"), MILTER_END},
		{S("+a@b"), MILTER_END},
		{S("s"), MILTER_FIELD},
		{S("O"), MILTER_MAIL},
		{S("c"), MILTER_TERMS},
		{S("d"), MILTER_CONNECT},
		{S("d"), MILTER_HELO},
		{S("d"), MILTER_UNKNOWN},
	};
	for (size_t i = 0; i < ROWS(rows); i++)
		cr_expect_eq(read_as(rows[i].packet, rows[i].asked, &agreed, &one), ST_INVALID,
			"row %zu", i);
	for (const char *letter = "himb+2-eq"; *letter; letter++) {
		char packet[] = {*letter, 0, 0, 0, 1, 'X', 0, 'v', 0};
		cr_expect_eq(read_as(slice_of(packet, sizeof packet), MILTER_END, &none, &one),
			ST_INVALID);
	}
	cr_expect_eq(read_as(S("s"), MILTER_BODY, &none, &one), ST_INVALID);
}

Test(milter, replies_are_made_safe)
{
	static const struct {
		slice said;
		const char *wanted; /* NULL: none */
	} rows[] = {
		{S("y550 5.7.1 No\0"), "550 5.7.1 No"},
		{S("y550 No\0"), "550 5.7.1 No"},
		{S("y451\0"), "451 4.7.1 "},
		{S("y450-4.1.2 a\r\n450 4.1.3 b\0"), "450-4.1.2 a\r\n450 4.1.3 b"},
		{S("y450-a\n450-b\r\n\0"), "450-4.7.1 a\r\n450 4.7.1 b"},
		{S("y550 5.7.1 100%% %d\0"), "550 5.7.1 100% %d"},
		{S("y550 5.7.1 a\rb\x1b\xff\0"), "550 5.7.1 a?b??"},
		{S("y550 5.7.1234 x\0"), "550 5.7.1 5.7.1234 x"},
		{S("y250 2.0.0 x\0"), NULL},
		{S("y550 4.7.1 x\0"), NULL},
		{S("y55\0"), NULL},
		{S("y5x0 a\0"), NULL},
		{S("y550_a\0"), NULL},
		{S("y550-a\r\n551 b\0"), NULL},
		{S("y550-a\r\nQUIT\0"), NULL},
		{S("y550 5.7.1 No"), NULL},
	};
	for (size_t i = 0; i < ROWS(rows); i++) {
		milter_answer one = {0};
		status kind = read_as(rows[i].said, MILTER_RCPT, &agreed, &one);

		cr_assert_eq(kind, rows[i].wanted ? ST_OK : ST_INVALID, "row %zu", i);
		if (rows[i].wanted)
			cr_expect_str_eq(one.text, rows[i].wanted);
	}
}

Test(milter, replies_have_so_many_lines)
{
	milter_answer one;
	text said = TEXT_INIT;

	text_add_char(&said, 'y');
	for (int i = 0; i < MILTER_REPLY_LINES_MOST; i++)
		text_add_z(&said, "550-x\r\n");
	text_add_char(&said, '\0');
	cr_expect_eq(read_as(text_slice(&said), MILTER_RCPT, &agreed, &one), ST_OK);
	said.size--;
	text_add_z(&said, "550 x");
	text_add_char(&said, '\0');
	cr_expect_eq(read_as(text_slice(&said), MILTER_RCPT, &agreed, &one), ST_INVALID);
	text_free(&said);
}

/* ---- headers */

#define BLOCK "From: a\r\nbroken\r\nX: 1\r\nx: 2\r\n folded\r\nTo: b\r\n\r\n"

static milter_header opened(slice block, arena *a)
{
	milter_header h;

	cr_assert_eq(milter_header_open(&h, block, a), ST_OK);
	return h;
}

Test(milter_header, keeps_what_nobody_touched)
{
	static const slice blocks[] = {
		S(BLOCK), S(""), S("\r\n"), S("A: b"), S("A: b\r\n"), S("A:\n b\n\n")};

	for (size_t i = 0; i < ROWS(blocks); i++) {
		arena a = ARENA_INIT;
		milter_header h = opened(blocks[i], &a);

		if (slice_ends_nocase(blocks[i], S("\n\n")))
			SAME(milter_header_text(&h, false), S("A:\n b\n\r\n"));
		else
			SAME(milter_header_text(&h, false), blocks[i]);
		arena_release(&a);
	}
}

Test(milter_header, is_edited)
{
	arena a = ARENA_INIT;
	milter_header h = opened(S(BLOCK), &a);

	cr_assert_eq(milter_header_add(&h, S("Last"), S("z"), false), ST_OK);
	cr_assert_eq(milter_header_insert(&h, 0, S("First"), S("a"), false), ST_OK);
	cr_assert_eq(milter_header_insert(&h, 3, S("Third"), S("c"), false), ST_OK);
	cr_assert_eq(milter_header_insert(&h, 1000, S("End"), S("e"), true), ST_OK);
	cr_assert_eq(milter_header_change(&h, 2, S("X"), S("two"), false), ST_OK);
	cr_assert_eq(milter_header_change(&h, 1, S("to"), S(""), false), ST_OK);
	cr_assert_eq(milter_header_change(&h, 3, S("X"), S(""), false), ST_OK);
	cr_assert_eq(milter_header_change(&h, 3, S("X"), S("three"), false), ST_OK);
	SAME(milter_header_text(&h, false),
		S("First: a\r\nFrom: a\r\nThird: c\r\nbroken\r\nX: 1\r\nX: two\r\nLast: z\r\nEnd:e\r\n"
		  "X: three\r\n\r\n"));
	cr_expect_not(h.eight_bit);
	cr_assert_eq(milter_header_add(&h, S("Eight"), S("\xe4"), false), ST_OK);
	cr_expect(h.eight_bit);
	arena_release(&a);
}

Test(milter_header, ends_lines_that_have_no_end)
{
	arena a = ARENA_INIT;
	milter_header h = opened(S("A: b"), &a);

	cr_assert_eq(milter_header_add(&h, S("C"), S("d"), false), ST_OK);
	SAME(milter_header_text(&h, false), S("A: b\r\nC: d\r\n"));
	SAME(milter_header_text(&h, true), S("A: b\r\nC: d\r\n\r\n"));
	arena_release(&a);
}

Test(milter_header, values_stay_in_their_field)
{
	static const struct {
		slice value, wanted;
	} rows[] = {
		{S("a\nBcc: b"), S("N: a\r\n Bcc: b\r\n")},
		{S("a\r\n\r\nbody"), S("N: a\r\n body\r\n")},
		{S("a\n \t\r\n\tb \n"), S("N: a\r\n\tb\r\n")},
		{S("a\x01\x7f"
		   "b\rc\0d"),
			S("N: abcd\r\n")},
		{S("\n b"), S("N: \r\n b\r\n")},
		{S(""), S("N: \r\n")},
	};
	for (size_t i = 0; i < ROWS(rows); i++) {
		arena a = ARENA_INIT;
		milter_header h = opened(S(""), &a);

		cr_assert_eq(milter_header_add(&h, S("N"), rows[i].value, false), ST_OK);
		SAME(milter_header_text(&h, false), rows[i].wanted);
		arena_release(&a);
	}
}

Test(milter_header, lines_stay_below_998)
{
	arena a = ARENA_INIT;
	char value[5000];

	for (int blanks = 0; blanks < 2; blanks++) {
		milter_header h = opened(S(""), &a);
		slice rest, line;
		size_t seen = 0;

		for (size_t i = 0; i < sizeof value; i++)
			value[i] = blanks && i % 7 == 6 ? ' ' : 'x';
		cr_assert_eq(
			milter_header_add(&h, S("N"), slice_of(value, sizeof value), false), ST_OK);
		rest = milter_header_text(&h, false);
		while (slice_take(&rest, '\n', &line)) {
			cr_expect(line.size <= 999, "%zu", line.size);
			for (size_t i = 0; i < line.size; i++)
				seen += line.at[i] == 'x';
		}
		cr_expect_eq(seen, blanks ? sizeof value - sizeof value / 7 : sizeof value);
	}
	arena_release(&a);
}

/* Characters of two, three and four octets, each way they may meet the end of a line. */
Test(milter_header, lines_break_between_characters)
{
	static const char *const letters[] = {"\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x93\xae"};
	arena a = ARENA_INIT;

	for (int i = 0; i < 12; i++) {
		milter_header h = opened(S(""), &a);
		text value = TEXT_INIT;
		slice rest, line;

		for (int k = 0; k < i % 4; k++)
			text_add_char(&value, 'x');
		while (value.size < 3000)
			text_add_z(&value, letters[i / 4]);
		cr_assert_eq(milter_header_add(&h, S("N"), text_slice(&value), false), ST_OK);
		rest = milter_header_text(&h, false);
		while (slice_take(&rest, '\n', &line) && line.size > 0) {
			cr_assert_leq(line.size, 999, "%d", i);
			cr_assert(utf8_valid(line), "%d", i);
		}
		text_free(&value);
	}
	arena_release(&a);
}

Test(milter_header, has_bounds)
{
	arena a = ARENA_INIT;
	milter_header h = opened(S(""), &a);
	char big[MILTER_ADDED_MOST / 2];

	memset(big, 'x', sizeof big);
	cr_expect_eq(milter_header_add(&h, S(""), S("v"), false), ST_INVALID);
	cr_expect_eq(milter_header_add(&h, S("a b"), S("v"), false), ST_INVALID);
	cr_expect_eq(milter_header_add(&h, S("a:"), S("v"), false), ST_INVALID);
	cr_expect_eq(milter_header_add(&h, slice_of(big, 901), S("v"), false), ST_INVALID);
	cr_expect_eq(milter_header_add(&h, S("N"), slice_of(big, sizeof big - 1), false), ST_OK);
	cr_expect_eq(milter_header_add(&h, S("N"), slice_of(big, sizeof big), false), ST_TOO_BIG);
	cr_expect_eq(
		milter_header_change(&h, 1, S("N"), slice_of(big, sizeof big - 1), false), ST_OK);
	cr_expect_eq(milter_header_add(&h, S("N"), S(""), false), ST_TOO_BIG);
	cr_expect_eq(h.count, 1);
	text many = TEXT_INIT;
	for (int i = 0; i < MILTER_FIELDS_MOST; i++)
		text_add_z(&many, "A:\r\n");
	cr_expect_eq(milter_header_open(&h, text_slice(&many), &a), ST_OK);
	cr_expect_eq(milter_header_insert(&h, 1, S("N"), S("v"), false), ST_LIMITED);
	text_add_z(&many, "A:\r\n");
	cr_expect_eq(milter_header_open(&h, text_slice(&many), &a), ST_LIMITED);
	text_free(&many);
	arena_release(&a);
}
