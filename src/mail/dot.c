/* Framing of message text: the outgoing serialiser and the incoming scanner. Both walk from line
   end to line end with memchr and copy whole runs; only the few bytes around a cut, a dot or a bare
   CR or LF are looked at one by one. */
#include "mail/dot.h"

/* --- Out ------------------------------------------------------------------------------------- */

/* WRITE_BARE_END: at the start of a line for whoever takes a bare CR or LF for a line's end, which
   went out as is. */
enum write_state { WRITE_LINE_START, WRITE_TEXT, WRITE_CR, WRITE_BARE_END };

static void write_line_end(dot_writer *w, text *out)
{
	text_add(out, S("\r\n"));
	w->state = WRITE_LINE_START;
}

static void write_bare(dot_writer *w, char c, text *out)
{
	*(c == '\r' ? &w->bare_cr : &w->bare_lf) = true;
	if (!w->as_is) {
		write_line_end(w, out);
		return;
	}
	text_add_char(out, c);
	w->state = WRITE_BARE_END;
}

/* One step for the byte after a CR that was kept back; true when the byte was used. */
static bool write_after_cr(dot_writer *w, char c, text *out)
{
	if (c == '\n')
		write_line_end(w, out);
	else
		write_bare(w, '\r', out);
	return c == '\n';
}

void dot_write(dot_writer *w, slice piece, text *out)
{
	const char *p = piece.at, *end = piece.size ? p + piece.size : p;
	const char *lf = NULL; /* the next LF at or behind p; `end` when there is none */

	while (p < end) {
		if (w->state == WRITE_CR) {
			p += write_after_cr(w, *p, out);
			continue;
		}
		if (w->state != WRITE_TEXT && *p == '.')
			text_add_char(out, '.');
		w->state = WRITE_TEXT;
		if (!lf || lf < p) {
			lf = memchr(p, '\n', (size_t)(end - p));
			if (!lf)
				lf = end;
		}
		const char *cr = memchr(p, '\r', (size_t)(lf - p));
		if (!cr)
			cr = lf;
		text_add(out, slice_of(p, (size_t)(cr - p)));
		if (cr < lf) {
			w->state = WRITE_CR;
			p = cr + 1;
		} else if (lf < end) {
			write_bare(w, '\n', out);
			p = lf + 1;
		} else {
			p = end;
		}
	}
}

void dot_write_end(dot_writer *w, text *out)
{
	if (w->state == WRITE_CR)
		write_bare(w, '\r', out);
	if (w->state != WRITE_LINE_START)
		write_line_end(w, out);
	text_add(out, S(".\r\n"));
}

size_t dot_top_take(dot_top *t, slice piece)
{
	size_t at = 0;

	while (at < piece.size && !t->full) {
		slice rest = slice_from(piece, at);
		size_t lf = slice_find(rest, '\n');

		if (lf > 1 || (lf == 1 && rest.at[0] != '\r'))
			t->line_begun = true;
		if (lf == rest.size)
			return piece.size;
		at += lf + 1;
		if (t->in_body)
			t->lines--;
		else if (!t->line_begun)
			t->in_body = true;
		t->line_begun = false;
		t->full = t->in_body && t->lines == 0;
	}
	return at;
}

/* --- In -------------------------------------------------------------------------------------- */

enum scan_state {
	SCAN_LINE_START,
	SCAN_TEXT,
	SCAN_CR,     /* a CR is kept back */
	SCAN_DOT,    /* a dot at the start of a line is kept back */
	SCAN_DOT_CR, /* that dot and a CR are kept back */
};

static void hand_out(dot_scan *s, slice piece, text *out)
{
	s->size += piece.size;
	s->line_size += piece.size;
	if (out)
		text_add(out, piece);
}

/* A line end of `end_size` bytes has been handed out as part of the line. */
static void count_line(dot_scan *s, size_t end_size)
{
	s->line_size -= end_size;
	if (s->line_size == 0 && s->header_size == 0)
		s->header_size = s->size;
	if (s->line_size > s->line_longest)
		s->line_longest = s->line_size;
	s->line_size = 0;
	s->lines++;
}

static void hand_out_bare(dot_scan *s, char c, text *out)
{
	*(c == '\r' ? &s->bare_cr : &s->bare_lf) = true;
	if (s->repair) {
		hand_out(s, S("\r\n"), out);
		count_line(s, 2);
	} else {
		hand_out(s, slice_of(&c, 1), out);
	}
}

static bool has_eight_bit(slice piece)
{
	const char *p = piece.at;
	size_t left = piece.size;
	uint64_t all = 0;

	for (; left >= 32; p += 32, left -= 32) {
		uint64_t four[4];
		memcpy(four, p, 32);
		all |= four[0] | four[1] | four[2] | four[3];
	}
	for (; left > 0; p++, left--)
		all |= (uint8_t)*p;
	return (all & 0x8080808080808080u) != 0;
}

static void note_bytes(dot_scan *s, slice used)
{
	s->nul = s->nul || slice_find(used, 0) < used.size;
	s->eight_bit = s->eight_bit || has_eight_bit(used);
}

/* Appends what was walked over since *run and moves *run on to `to`. */
static void copy_run(const char **run, const char *to, text *out)
{
	if (out && to > *run)
		text_add(out, slice_of(*run, (size_t)(to - *run)));
	*run = to;
}

/* Walks through text, from p in state SCAN_TEXT until the state changes or the piece ends. Proper
   lines are only counted, and copied in one run when something else comes. `dots` tells that a dot
   at the start of a line has a meaning. Returns where it stopped. */
static const char *scan_text(dot_scan *s, const char *p, const char *end, bool dots, text *out)
{
	const char *run = p;   /* first byte not copied yet */
	const char *lf = NULL; /* the next LF at or behind p; `end` when there is none */

	while (p < end) {
		if (!lf || lf < p) {
			lf = memchr(p, '\n', (size_t)(end - p));
			if (!lf)
				lf = end;
		}
		const char *cr = memchr(p, '\r', (size_t)(lf - p));
		if (cr && cr + 1 == lf && lf < end) {
			hand_out(s, slice_of(p, (size_t)(lf + 1 - p)), NULL);
			count_line(s, 2);
			p = lf + 1;
			s->state = p == end || (dots && *p == '.') ? SCAN_LINE_START : SCAN_TEXT;
			if (s->state == SCAN_LINE_START)
				break;
			continue;
		}
		const char *odd =
			cr ? cr : lf; /* bare, or the last byte of the piece, or its end */
		hand_out(s, slice_of(p, (size_t)(odd - p)), NULL);
		copy_run(&run, odd, out);
		if (odd == end)
			return end;
		if (*odd == '\r' && odd + 1 == end) {
			s->state = SCAN_CR;
			return end;
		}
		hand_out_bare(s, *odd, out);
		run = p = odd + 1;
	}
	copy_run(&run, p, out);
	return p;
}

static size_t scan(dot_scan *s, slice piece, bool dots, text *out)
{
	const char *p = piece.at, *end = piece.size ? p + piece.size : p;

	while (p < end && !s->done) {
		switch ((enum scan_state)s->state) {
		case SCAN_LINE_START:
			s->state = SCAN_TEXT;
			if (dots && *p == '.') {
				s->state = SCAN_DOT;
				p++;
			}
			break;
		case SCAN_TEXT:
			p = scan_text(s, p, end, dots, out);
			break;
		case SCAN_CR:
			if (*p == '\n') {
				hand_out(s, S("\r\n"), out);
				count_line(s, 2);
				s->state = SCAN_LINE_START;
				p++;
			} else {
				hand_out_bare(s, '\r', out);
				s->state = SCAN_TEXT;
			}
			break;
		case SCAN_DOT:
			s->state = SCAN_TEXT; /* the dot was stuffed and is gone */
			if (*p == '\r') {
				s->state = SCAN_DOT_CR;
				p++;
			}
			break;
		case SCAN_DOT_CR:
			if (*p == '\n') {
				s->done = true;
				p++;
			} else {
				hand_out_bare(s, '\r', out);
				s->state = SCAN_TEXT;
			}
			break;
		}
	}
	size_t used = (size_t)(p - piece.at);
	note_bytes(s, slice_until(piece, used));
	return used;
}

size_t dot_scan_data(dot_scan *s, slice piece, text *out)
{
	return scan(s, piece, true, out);
}

void dot_scan_chunk(dot_scan *s, slice piece, text *out)
{
	scan(s, piece, false, out);
}

void dot_scan_chunk_end(dot_scan *s, text *out)
{
	if (s->state == SCAN_CR)
		hand_out_bare(s, '\r', out);
	if (s->line_size > s->line_longest)
		s->line_longest = s->line_size;
	s->done = true;
}
