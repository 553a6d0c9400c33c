/* DATA framing (trust.md T1, T2): text cut at places the input chooses gives what it gives in one
   piece; only CRLF "." CRLF ends it; what goes out holds no bare CR or LF and is read back whole.
   The first byte says how the rest is cut. */
#include "mail/dot.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int ok)
{
	if (!ok)
		abort();
}

struct scanned {
	dot_scan s;
	text out;
	size_t used;
};

static struct scanned scan(slice input, size_t step, bool repair)
{
	struct scanned x = {.s = {.repair = repair}};

	for (size_t at = 0; at < input.size && !x.s.done; at += step)
		x.used += dot_scan_data(&x.s, slice_until(slice_from(input, at), step), &x.out);
	return x;
}

static void same(const struct scanned *x, const struct scanned *y)
{
	must(slice_same(text_slice(&x->out), text_slice(&y->out)));
	must(x->used == y->used && x->s.done == y->s.done && x->s.size == y->s.size);
	must(x->s.bare_cr == y->s.bare_cr && x->s.bare_lf == y->s.bare_lf && x->s.nul == y->s.nul);
	must(x->s.eight_bit == y->s.eight_bit && x->s.header_size == y->s.header_size);
	must(x->s.lines == y->s.lines && x->s.line_longest == y->s.line_longest);
}

/* Where the end mark is, found the slow way: the size up to it, or 0. */
static size_t end_of(slice input)
{
	if (slice_starts(input, S(".\r\n")))
		return 3;
	size_t at = slice_search(input, S("\r\n.\r\n"));
	return at < input.size ? at + 5 : 0;
}

static void in_pieces(slice input, size_t step, bool repair)
{
	struct scanned whole = scan(input, input.size + 1, repair), cut = scan(input, step, repair);
	size_t end = end_of(input);

	same(&whole, &cut);
	must(whole.s.done == (end > 0));
	must(whole.used == (end > 0 ? end : input.size));
	if (repair && whole.s.done) {
		for (size_t i = 0; i < whole.out.size; i++) {
			must(whole.out.at[i] != '\n' || (i > 0 && whole.out.at[i - 1] == '\r'));
			must(whole.out.at[i] != '\r' || whole.out.at[i + 1] == '\n');
		}
	}
	text_free(&whole.out);
	text_free(&cut.out);
}

static void out_and_in(slice input, size_t step)
{
	dot_writer w = {0};
	text out = TEXT_INIT;

	for (size_t at = 0; at < input.size; at += step)
		dot_write(&w, slice_until(slice_from(input, at), step), &out);
	dot_write_end(&w, &out);
	struct scanned back = scan(text_slice(&out), step, false);
	must(back.s.done && back.used == out.size && !back.s.bare_cr && !back.s.bare_lf);
	bool clean = !w.bare_cr && !w.bare_lf;
	bool ended = input.size == 0 || input.at[input.size - 1] == '\n';
	must(!clean || !ended || slice_same(text_slice(&back.out), input));
	text_free(&back.out);
	text_free(&out);
}

static void counted(slice input, size_t step)
{
	dot_scan s = {0};
	text out = TEXT_INIT;

	for (size_t at = 0; at < input.size; at += step)
		dot_scan_chunk(&s, slice_until(slice_from(input, at), step), &out);
	dot_scan_chunk_end(&s, &out);
	must(slice_same(text_slice(&out), input) && s.size == input.size);
	text_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	slice input = slice_of(data, size);
	size_t step = size > 0 ? 1 + (data[0] & 15) : 1;

	input = slice_from(input, 1);
	in_pieces(input, step, false);
	in_pieces(input, step, true);
	out_and_in(input, step);
	counted(input, step);
	return 0;
}
