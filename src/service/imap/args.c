/* Reading commands; the contract stands in args.h. */
#include "service/imap/args.h"

#include <stdlib.h>

#define SKIP_MOST ((uint64_t)1024 * 1024)
#define DAY ((usec)24 * 3600 * USEC_S)

static status trouble(args *p, const char *what)
{
	p->trouble = what;
	return ST_INVALID;
}

/* ---- lines and literals */

static status line_read(args *p)
{
	enum line_end end = LINE_CRLF;
	size_t room = p->most - p->taken;
	slice lent;
	status s = stream_line(p->c->stream, room, &lent, &end);

	p->rest = (slice){0};
	if (s == ST_TOO_BIG)
		p->trouble = "The command is too long";
	TRY(s);
	p->taken += lent.size;
	p->rest = arena_copy(&p->c->command, lent);
	if (end != LINE_CRLF)
		return trouble(p, "Lines end with CRLF");
	if (slice_find(p->rest, '\0') < p->rest.size || slice_find(p->rest, '\r') < p->rest.size)
		return trouble(p, "Commands hold no NUL and no bare CR");
	return ST_OK;
}

status args_begin(args *p, conversation *c, size_t most)
{
	*p = (args){.c = c, .most = most, .skip_most = SKIP_MOST};
	return line_read(p);
}

status args_continue(args *p)
{
	return line_read(p);
}

/* The announcement of a literal at the end of a line: "{n}", "{n+}", with a tilde for literal8. */
static bool announcement(slice line, literal *out)
{
	size_t open = slice_find_last(line, '{');
	slice inside = slice_from(line, open + 1);
	bool plus;

	if (inside.size < 2 || inside.at[inside.size - 1] != '}')
		return false;
	inside.size--;
	plus = inside.at[inside.size - 1] == '+';
	inside.size -= plus;
	*out = (literal){
		.waits = !plus, .binary = slice_ends_nocase(slice_until(line, open), S("~"))};
	return slice_number(inside, &out->size);
}

static status octets_skip(args *p, uint64_t n)
{
	slice some;

	for (; n > 0; n -= some.size)
		TRY(stream_some(
			p->c->stream, n < SKIP_MOST ? (size_t)n : (size_t)SKIP_MOST, &some));
	return ST_OK;
}

status args_skip(args *p)
{
	uint64_t left = p->skip_most;
	literal l;

	while (announcement(p->rest, &l) && !l.waits) {
		enum line_end end;
		slice lent;

		if (l.size > left) {
			p->out_of_step = true;
			return ST_OK;
		}
		left -= l.size;
		TRY(octets_skip(p, l.size));
		status s = stream_line(p->c->stream, p->most, &lent, &end);
		if (s != ST_TOO_BIG)
			TRY(s);
		p->rest = s == ST_OK ? lent : (slice){0};
	}
	p->rest = (slice){0};
	return ST_OK;
}

status arg_literal(args *p, uint64_t most, literal *out)
{
	bool tilde = arg_is(p, '~');
	literal l;

	if (!announcement(p->rest, &l) || p->rest.at[tilde] != '{' || l.binary != tilde ||
		slice_find(slice_from(p->rest, (size_t)tilde + 1), '{') + tilde + 1 < p->rest.size)
		return trouble(p, "A literal is expected: {count} at the end of the line");
	if (l.size > most) {
		p->trouble = "The literal is larger than is taken here";
		return ST_TOO_BIG;
	}
	p->rest = (slice){0};
	*out = l;
	if (!l.waits)
		return ST_OK;
	TRY(stream_write(p->c->stream, S("+ Go ahead\r\n")));
	return stream_flush(p->c->stream);
}

/* A literal that is taken into memory. */
static status literal_take(args *p, slice *out)
{
	literal l;
	char *to;
	slice some;

	TRY(arg_literal(p, p->most - p->taken, &l));
	to = arena_new(&p->c->command, (size_t)l.size + 1);
	for (size_t at = 0; at < l.size; at += some.size) {
		TRY(stream_some(p->c->stream, (size_t)l.size - at, &some));
		memcpy(to + at, some.at, some.size);
		stream_hurry(p->c->stream);
	}
	p->taken += (size_t)l.size;
	TRY(args_continue(p));
	if (memchr(to, 0, (size_t)l.size) && !l.binary)
		return trouble(p, "Literals hold no NUL");
	*out = slice_of(to, (size_t)l.size);
	return ST_OK;
}

/* ---- one thing each */

bool arg_is(const args *p, char c)
{
	return p->rest.size > 0 && p->rest.at[0] == c;
}

bool arg_take(args *p, char c)
{
	if (!arg_is(p, c))
		return false;
	p->rest = slice_from(p->rest, 1);
	return true;
}

status arg_expect(args *p, char c)
{
	return arg_take(p, c) ? ST_OK : trouble(p, NULL);
}

status arg_space(args *p)
{
	return arg_take(p, ' ') ? ST_OK : trouble(p, "An argument is missing");
}

status arg_end(args *p)
{
	return p->rest.size == 0 ? ST_OK : trouble(p, "There is more than the command takes");
}

/* Bits for the characters of each kind of word. */
enum { ATOM = 1, ASTRING = 2, TAG = 4, PATTERN = 8 };

static unsigned kinds_of(char c)
{
	if ((uint8_t)c <= 0x20 || (uint8_t)c >= 0x7f || strchr("(){\"\\", c))
		return 0;
	switch (c) {
	case ']':
		return ASTRING | TAG | PATTERN;
	case '%':
	case '*':
		return PATTERN;
	case '+':
		return ATOM | ASTRING | PATTERN;
	default:
		return ATOM | ASTRING | TAG | PATTERN;
	}
}

static status word_take(args *p, unsigned kind, slice *out)
{
	size_t n = 0;

	while (n < p->rest.size && (kinds_of(p->rest.at[n]) & kind))
		n++;
	if (n == 0)
		return trouble(p, NULL);
	*out = slice_until(p->rest, n);
	p->rest = slice_from(p->rest, n);
	return ST_OK;
}

status arg_tag(args *p, slice *out)
{
	return word_take(p, TAG, out);
}

status arg_atom(args *p, slice *out)
{
	return word_take(p, ATOM, out);
}

status arg_word(args *p, slice word)
{
	args before = *p;
	slice got;

	if (arg_atom(p, &got) == ST_OK && slice_same_nocase(got, word))
		return ST_OK;
	*p = before;
	return trouble(p, NULL);
}

status arg_number(args *p, uint64_t *out)
{
	size_t n = 0;

	while (n < p->rest.size && p->rest.at[n] >= '0' && p->rest.at[n] <= '9')
		n++;
	if (!slice_number(slice_until(p->rest, n), out))
		return trouble(p, "A number is expected");
	p->rest = slice_from(p->rest, n);
	return ST_OK;
}

status arg_nz_number(args *p, uint32_t *out)
{
	uint64_t n;

	TRY(arg_number(p, &n));
	if (n == 0 || n > UINT32_MAX)
		return trouble(p, "A number from 1 to 4294967295 is expected");
	*out = n < IMAP_LAST ? (uint32_t)n : IMAP_LAST - 1;
	return ST_OK;
}

status arg_modseq(args *p, uint64_t *out)
{
	uint64_t n;

	TRY(arg_number(p, &n));
	if (n == 0 || n > INT64_MAX)
		return trouble(p, "A MODSEQ is a number from 1 to 9223372036854775807");
	*out = n;
	return ST_OK;
}

static status quoted_take(args *p, slice *out)
{
	slice s = slice_from(p->rest, 1);
	size_t i = 0, n = 0;
	char *to;

	while (i < s.size && s.at[i] != '"')
		i += s.at[i] == '\\' ? 2 : 1;
	if (i >= s.size)
		return trouble(p, "A quoted string does not end");
	to = arena_new(&p->c->command, i + 1);
	for (size_t at = 0; at < i; at++) {
		at += s.at[at] == '\\';
		to[n++] = s.at[at];
	}
	p->rest = slice_from(s, i + 1);
	*out = slice_of(to, n);
	return ST_OK;
}

status arg_string(args *p, slice *out)
{
	if (arg_is(p, '"'))
		return quoted_take(p, out);
	if (arg_is(p, '{') || arg_is(p, '~'))
		return literal_take(p, out);
	return trouble(p, "A string is expected");
}

static bool string_begins(const args *p)
{
	return arg_is(p, '"') || arg_is(p, '{');
}

status arg_astring(args *p, slice *out)
{
	return string_begins(p) ? arg_string(p, out) : word_take(p, ASTRING, out);
}

status arg_nstring(args *p, slice *out)
{
	if (string_begins(p) || arg_is(p, '~'))
		return arg_string(p, out);
	TRY(arg_word(p, S("NIL")));
	*out = (slice){0};
	return ST_OK;
}

status arg_pattern(args *p, slice *out)
{
	return string_begins(p) ? arg_string(p, out) : word_take(p, PATTERN, out);
}

status arg_flag(args *p, slice *out)
{
	const char *at = p->rest.at;
	bool system = arg_take(p, '\\');
	slice name;

	TRY(arg_atom(p, &name));
	*out = slice_of(at, name.size + system);
	return ST_OK;
}

status arg_date_time(args *p, date *out)
{
	slice s;

	if (!arg_is(p, '"'))
		return trouble(p, "A date and time in quotes is expected");
	TRY(quoted_take(p, &s));
	if (date_internal_parse(s, out) != ST_OK)
		return trouble(p, "A date is written \"dd-Mon-yyyy hh:mm:ss +zzzz\"");
	return ST_OK;
}

status arg_date(args *p, int64_t *days)
{
	date d;
	slice s;

	TRY(arg_is(p, '"') ? quoted_take(p, &s) : arg_atom(p, &s));
	s = arena_format(&p->c->command, "%.*s 00:00:00 +0000", SLICE_ARGS(s));
	if (date_internal_parse(s, &d) != ST_OK)
		return trouble(p, "A date is written dd-Mon-yyyy");
	*days = d.at / DAY - (d.at % DAY < 0);
	return ST_OK;
}

/* ---- sets */

static status set_number(args *p, uint32_t *out)
{
	if (arg_take(p, '*')) {
		*out = IMAP_LAST;
		return ST_OK;
	}
	return arg_nz_number(p, out);
}

status arg_set(args *p, imap_set *out)
{
	imap_set s = {0};
	size_t room = 0;

	if (arg_take(p, '$')) {
		*out = (imap_set){.saved = true};
		return ST_OK;
	}
	do {
		imap_range r;

		if (s.count == IMAP_RANGES_MOST)
			return trouble(p, "The set has too many ranges");
		TRY(set_number(p, &r.low));
		r.high = r.low;
		if (arg_take(p, ':'))
			TRY(set_number(p, &r.high));
		if (s.count == room) {
			imap_range *grown;

			room = room ? room * 2 : 8;
			grown = arena_new_array(&p->c->command, room, sizeof *grown);
			if (s.count > 0)
				memcpy(grown, s.range, s.count * sizeof *grown);
			s.range = grown;
		}
		s.range[s.count++] = r;
	} while (arg_take(p, ','));
	*out = s;
	return ST_OK;
}

static int range_order(const void *a, const void *b)
{
	const imap_range *x = a, *y = b;

	return x->low < y->low ? -1 : x->low > y->low;
}

void imap_set_resolve(imap_set *s, uint32_t last)
{
	size_t n = 0;

	for (size_t i = 0; i < s->count; i++) {
		uint32_t low = s->range[i].low == IMAP_LAST ? last : s->range[i].low;
		uint32_t high = s->range[i].high == IMAP_LAST ? last : s->range[i].high;

		s->range[i] = low <= high ? (imap_range){low, high} : (imap_range){high, low};
	}
	if (s->count > 1)
		qsort(s->range, s->count, sizeof *s->range, range_order);
	for (size_t i = 0; i < s->count; i++) {
		imap_range r = s->range[i];

		if (n > 0 && r.low <= (uint64_t)s->range[n - 1].high + 1) {
			if (r.high > s->range[n - 1].high)
				s->range[n - 1].high = r.high;
		} else {
			s->range[n++] = r;
		}
	}
	s->count = n;
}

bool imap_set_has(const imap_set *s, uint32_t n)
{
	size_t low = 0, high = s->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (n > s->range[middle].high)
			low = middle + 1;
		else if (n < s->range[middle].low)
			high = middle;
		else
			return true;
	}
	return false;
}

status arg_window(args *p, struct imap_window *out)
{
	const char *begins = p->rest.at;
	bool from_end = arg_take(p, '-');
	uint32_t from, to;

	TRY(arg_nz_number(p, &from));
	TRY(arg_expect(p, ':'));
	if (from_end)
		TRY(arg_expect(p, '-'));
	TRY(arg_nz_number(p, &to));
	out->written = slice_of(begins, (size_t)(p->rest.at - begins));
	out->from = from < to ? from : to;
	out->to = from < to ? to : from;
	if (from_end) {
		out->from = -out->from;
		out->to = -out->to;
	}
	return ST_OK;
}

int imap_window_of(const struct imap_window *w, int n, int *first)
{
	int64_t low = w->from > 0 ? w->from : n + w->to + 1;
	int64_t high = w->from > 0 ? w->to : n + w->from + 1;

	low = low > 1 ? low : 1;
	high = high < n ? high : n;
	*first = low <= n ? (int)low - 1 : 0;
	return high >= low ? (int)(high - low + 1) : 0;
}

void imap_numbers_text(const uint32_t *numbers, size_t n, text *out)
{
	for (size_t from = 0, to; from < n; from = to) {
		for (to = from + 1; to < n && numbers[to] == numbers[to - 1] + 1; to++)
			;
		text_format(out, from ? ",%u" : "%u", numbers[from]);
		if (to - from > 1)
			text_format(out, ":%u", numbers[to - 1]);
	}
}
