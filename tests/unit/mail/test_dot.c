/* Framing: every row is also fed in all pairs of pieces and byte by byte. */
#include "same.h"

#include "mail/dot.h"

struct scanned {
	dot_scan s;
	text out;
	size_t used;
};

static void feed(struct scanned *x, slice piece)
{
	if (!x->s.done)
		x->used += dot_scan_data(&x->s, piece, &x->out);
}

static struct scanned scan_split(slice input, size_t first, size_t step, bool repair)
{
	struct scanned x = {.s = {.repair = repair}};

	feed(&x, slice_until(input, first));
	for (size_t at = first; at < input.size; at += step)
		feed(&x, slice_until(slice_from(input, at), step));
	return x;
}

static void same_findings(const struct scanned *x, const struct scanned *y)
{
	SAME(text_slice(&x->out), text_slice(&y->out));
	cr_assert_eq(x->used, y->used);
	cr_assert_eq(x->s.done, y->s.done);
	cr_assert_eq(x->s.bare_cr, y->s.bare_cr);
	cr_assert_eq(x->s.bare_lf, y->s.bare_lf);
	cr_assert_eq(x->s.nul, y->s.nul);
	cr_assert_eq(x->s.eight_bit, y->s.eight_bit);
	cr_assert_eq(x->s.size, y->s.size);
	cr_assert_eq(x->s.header_size, y->s.header_size);
	cr_assert_eq(x->s.lines, y->s.lines);
	cr_assert_eq(x->s.line_longest, y->s.line_longest);
}

/* Reads the input in one piece, then cut at every place, then byte by byte. */
static struct scanned scan_all_ways(slice input, bool repair)
{
	struct scanned whole = scan_split(input, input.size, 1, repair);

	for (size_t cut = 0; cut <= input.size; cut++) {
		struct scanned two = scan_split(input, cut, input.size + 1, repair);
		struct scanned bytes = scan_split(input, cut, 1, repair);
		same_findings(&whole, &two);
		same_findings(&whole, &bytes);
		text_free(&two.out);
		text_free(&bytes.out);
	}
	return whole;
}

Test(dot, data_ends_at_crlf_dot_crlf_only)
{
	static const struct {
		slice input, text;
		size_t left; /* bytes behind the end */
		bool bare_cr, bare_lf;
	} rows[] = {
		{S(".\r\nQUIT\r\n"), S(""), 6, false, false},
		{S("a\r\n.\r\n"), S("a\r\n"), 0, false, false},
		{S("a\r\n..b\r\n.\r\nx"), S("a\r\n.b\r\n"), 1, false, false},
		{S("a\r\n.b\r\n.\r\n"), S("a\r\nb\r\n"), 0, false, false},
		{S("a\n.\n\r\n.\r\n"), S("a\n.\n\r\n"), 0, false, true},
		{S("a\n.\r\nb\r\n.\r\n"), S("a\n.\r\nb\r\n"), 0, false, true},
		{S("a\r\n.\nb\r\n.\r\n"), S("a\r\n\nb\r\n"), 0, false, true},
		{S("a\r\n.\rb\r\n.\r\n"), S("a\r\n\rb\r\n"), 0, true, false},
		{S("a\r.\r\nb\r\n.\r\n"), S("a\r.\r\nb\r\n"), 0, true, false},
		{S("a\r\r\n.\r\n"), S("a\r\r\n"), 0, true, false},
		{S("a\r\n.\r\r\n.\r\n"), S("a\r\n\r\r\n"), 0, true, false},
		{S("a\r\n\0.\r\n.\r\n"), S("a\r\n\0.\r\n"), 0, false, false},
		{S("a\r\n.\0\r\n.\r\n"), S("a\r\n\0\r\n"), 0, false, false},
		{S("\r\n.\r\n"), S("\r\n"), 0, false, false},
		{S("...\r\n.\r\n"), S("..\r\n"), 0, false, false},
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct scanned x = scan_all_ways(rows[i].input, false);
		cr_assert(x.s.done, "row %zu", i);
		SAME(text_slice(&x.out), rows[i].text);
		cr_assert_eq(rows[i].input.size - x.used, rows[i].left, "row %zu", i);
		cr_assert_eq(x.s.bare_cr, rows[i].bare_cr, "row %zu", i);
		cr_assert_eq(x.s.bare_lf, rows[i].bare_lf, "row %zu", i);
		cr_assert_eq(x.s.size, x.out.size);
		text_free(&x.out);
	}
}

Test(dot, data_without_its_end_goes_on)
{
	static const slice rows[] = {
		S("a\n.\n"),
		S("a\r\n.\n"),
		S("a\n.\r\n"),
		S("a\r\r\n.\r"),
		S("a\r.\r"),
		S("a\r\n.\r\r\n"),
		S("a\r\n."),
		S("a\r\n.\r"),
		S("a\r\n\0.\r\n"),
		S(".\n"),
		S("\n.\r\n"),
		S("\r.\r\n"),
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct scanned x = scan_all_ways(rows[i], false);
		cr_assert_not(x.s.done, "row %zu", i);
		cr_assert_eq(x.used, rows[i].size);
		text_free(&x.out);
	}
}

Test(dot, repair_makes_every_line_end_crlf_and_still_ends_at_the_same_place)
{
	static const struct {
		slice input, text;
	} rows[] = {
		{S("a\nb\rc\r\n.\r\n"), S("a\r\nb\r\nc\r\n")},
		{S("a\n.\r\nb\r\n.\r\n"), S("a\r\n.\r\nb\r\n")},
		{S("a\r\r\n.\r\n"), S("a\r\n\r\n")},
		{S("a\n\nb\r\n.\r\n"), S("a\r\n\r\nb\r\n")},
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct scanned x = scan_all_ways(rows[i].input, true);
		cr_assert(x.s.done);
		cr_assert(x.s.bare_lf || x.s.bare_cr);
		SAME(text_slice(&x.out), rows[i].text);
		text_free(&x.out);
	}
}

Test(dot, finds_where_the_body_starts)
{
	static const struct {
		slice input;
		uint64_t header, lines, longest;
	} rows[] = {
		{S("A: b\r\n\r\nbody\r\n.\r\n"), 8, 3, 4}, {S("\r\nbody\r\n\r\n.\r\n"), 2, 3, 4},
		{S("A: b\r\n.\r\n"), 0, 1, 4}, {S("A: b\r\n..\r\n\r\nx\r\n.\r\n"), 11, 4, 4},
		{S("A: b\r\n.\r\r\n\r\n.\r\n"), 11, 3,
			4}, /* a stuffed dot before a bare CR is no end */
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct scanned x = scan_all_ways(rows[i].input, false);
		cr_assert_eq(
			x.s.header_size, rows[i].header, "row %zu: %d", i, (int)x.s.header_size);
		cr_assert_eq(x.s.lines, rows[i].lines, "row %zu: %d", i, (int)x.s.lines);
		cr_assert_eq(x.s.line_longest, rows[i].longest, "row %zu", i);
		text_free(&x.out);
	}
}

Test(dot, notes_nul_and_eight_bit_before_the_end_only)
{
	struct scanned x = scan_all_ways(S("abc\r\n.\r\n\0\xff"), false);
	cr_assert_not(x.s.nul);
	cr_assert_not(x.s.eight_bit);
	text_free(&x.out);

	x = scan_all_ways(S("0123456789012345678901234567890123456789\xc3\xa4\r\n.\r\n"), false);
	cr_assert(x.s.eight_bit);
	cr_assert_not(x.s.nul);
	text_free(&x.out);

	x = scan_all_ways(S("a\0b\r\n.\r\n"), false);
	cr_assert(x.s.nul);
	text_free(&x.out);
}

Test(dot, measures_without_keeping)
{
	dot_scan s = {0};
	slice input = S("A: b\r\n\r\n..body\r\n.\r\nNOOP\r\n");

	cr_assert_eq(dot_scan_data(&s, input, NULL), input.size - 6);
	cr_assert(s.done);
	cr_assert_eq(s.size, 8 + 7);
	cr_assert_eq(s.header_size, 8);
}

Test(dot, counted_text_keeps_its_dots)
{
	slice input = S("A: b\r\n\r\n.\r\n..\r\nlast\r");

	for (size_t cut = 0; cut <= input.size; cut++) {
		dot_scan s = {0};
		text out = TEXT_INIT;
		dot_scan_chunk(&s, slice_until(input, cut), &out);
		dot_scan_chunk(&s, slice_from(input, cut), &out);
		dot_scan_chunk_end(&s, &out);
		SAME(text_slice(&out), input);
		cr_assert(s.bare_cr);
		cr_assert_not(s.bare_lf);
		cr_assert_eq(s.header_size, 8);
		text_free(&out);
	}
}

/* --- Out
   --------------------------------------------------------------------------------------- */

static text write_split(slice input, size_t cut, dot_writer *w)
{
	text out = TEXT_INIT;

	dot_write(w, slice_until(input, cut), &out);
	dot_write(w, slice_from(input, cut), &out);
	dot_write_end(w, &out);
	return out;
}

Test(dot, writes_only_crlf_and_doubles_dots)
{
	static const struct {
		slice input, wanted;
		bool bare_cr, bare_lf;
	} rows[] = {
		{S(""), S(".\r\n"), false, false},
		{S("a"), S("a\r\n.\r\n"), false, false},
		{S("a\r\n"), S("a\r\n.\r\n"), false, false},
		{S("."), S("..\r\n.\r\n"), false, false},
		{S(".\r\n.\r\n"), S("..\r\n..\r\n.\r\n"), false, false},
		{S("a.b\r\n..c"), S("a.b\r\n...c\r\n.\r\n"), false, false},
		{S("a\n.\n"), S("a\r\n..\r\n.\r\n"), false, true},
		{S("a\r.\r"), S("a\r\n..\r\n.\r\n"), true, false},
		{S("a\r\r\n.b"), S("a\r\n\r\n..b\r\n.\r\n"), true, false},
		{S("\r\n\r\n"), S("\r\n\r\n.\r\n"), false, false},
		{S("a\r"), S("a\r\n.\r\n"), true, false},
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		for (size_t cut = 0; cut <= rows[i].input.size; cut++) {
			dot_writer w = {0};
			text out = write_split(rows[i].input, cut, &w);
			SAME(text_slice(&out), rows[i].wanted);
			cr_assert_eq(w.bare_cr, rows[i].bare_cr, "row %zu", i);
			cr_assert_eq(w.bare_lf, rows[i].bare_lf, "row %zu", i);
			text_free(&out);
		}
	}
}

/* Taken as one reads who ends lines with CRLF alone, and as one who takes any of CR, LF and CRLF:
   neither finds the end too early, and the octets are those that were told. */
Test(dot, writes_bare_ends_as_they_are)
{
	static const struct {
		slice input, wanted;
	} rows[] = {
		{S("a\n.\nb\r\n"), S("a\n..\nb\r\n.\r\n")},
		{S("a\n.\r\n"), S("a\n..\r\n.\r\n")},
		{S("a\r.\rb\r\n"), S("a\r..\rb\r\n.\r\n")},
		{S("a\r\r\n.b\r\n"), S("a\r\r\n..b\r\n.\r\n")},
		{S("\n\r\n"), S("\n\r\n.\r\n")},
		{S("a\n"), S("a\n\r\n.\r\n")},
		{S("a\r"), S("a\r\r\n.\r\n")},
		{S("a\r\n"), S("a\r\n.\r\n")},
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		for (size_t cut = 0; cut <= rows[i].input.size; cut++) {
			dot_writer w = {.as_is = true};
			text out = write_split(rows[i].input, cut, &w);
			SAME(text_slice(&out), rows[i].wanted);
			text_free(&out);
		}
	}
}

Test(dot, what_is_written_is_read_back)
{
	slice input = S("A: b\r\n\r\n.\r\n..\r\n.x\r\nlong line . here\r\n");
	dot_writer w = {0};
	text out = write_split(input, 9, &w);
	struct scanned x = scan_all_ways(text_slice(&out), false);

	cr_assert(x.s.done);
	SAME(text_slice(&x.out), input);
	text_free(&x.out);
	text_free(&out);
}

Test(dot, top_takes_header_and_some_lines)
{
	slice input = S("A: b\r\n c\r\n\r\none\r\n\r\nthree\r\nrest");
	static const struct {
		uint64_t lines;
		size_t wanted;
	} rows[] = {{0, 12}, {1, 17}, {2, 19}, {3, 26}, {4, 30}, {9, 30}};

	for (size_t i = 0; i < ROWS(rows); i++) {
		for (size_t cut = 0; cut <= input.size; cut++) {
			dot_top t = {.lines = rows[i].lines};
			size_t taken = dot_top_take(&t, slice_until(input, cut));
			if (taken == cut)
				taken += dot_top_take(&t, slice_from(input, cut));
			cr_assert_eq(taken, rows[i].wanted, "lines %d cut %zu: %zu",
				(int)rows[i].lines, cut, taken);
		}
	}
}
