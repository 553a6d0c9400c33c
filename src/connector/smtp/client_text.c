/* The text of a message on its way out. Behind DATA it passes the one serialiser (mail/dot.h), in a
   chunk (BDAT) it goes as it is; in both a bare CR or LF stops everything before the end could be
   told, so that no other system can take a part of a message for commands (T2). */
#include "connector/smtp/client_inside.h"
#include "mail/dot.h"

#include <inttypes.h>

#define PIECE ((size_t)65536) /* of the source at a time, so that dots need little room */
#define RATE 128              /* octets a second that a host must at least take, on the whole */

struct sending {
	client *c;
	struct client_text *t;
	bool binary;
	uint64_t left; /* of a chunk */
	dot_writer writer;
	dot_scan scan;
	text out;
};

static status note(struct sending *s, status kind)
{
	if (kind != ST_OK)
		s->t->stream = kind;
	return kind;
}

/* ---- DATA */

static status take_dotted(slice piece, void *to)
{
	struct sending *s = to;

	for (; piece.size > 0; piece = slice_from(piece, PIECE)) {
		text_clear(&s->out);
		dot_write(&s->writer, slice_until(piece, PIECE), &s->out);
		if (s->writer.bare_cr || s->writer.bare_lf) {
			s->t->bare = true;
			return ST_INVALID;
		}
		TRY(note(s, stream_write(s->c->stream, text_slice(&s->out))));
	}
	return ST_OK;
}

static status end_dotted(struct sending *s)
{
	text_clear(&s->out);
	dot_write_end(&s->writer, &s->out);
	if (s->writer.bare_cr) {
		s->t->bare = true;
		return ST_INVALID;
	}
	s->t->ended = true;
	TRY(note(s, stream_write(s->c->stream, text_slice(&s->out))));
	return note(s, stream_flush(s->c->stream));
}

status client_text_data(client *c, const struct client_message *m, struct client_text *t)
{
	struct sending s = {.c = c, .t = t};

	*t = (struct client_text){0};
	stream_pace(c->stream, c->patience.text, RATE);
	status kind = m->source(m->arg, take_dotted, &s);
	if (kind == ST_OK)
		kind = end_dotted(&s);
	text_free(&s.out);
	return kind;
}

/* ---- BDAT */

static bool is_proper(struct sending *s, slice part)
{
	dot_scan_chunk(&s->scan, part, NULL);
	if (s->left == 0)
		dot_scan_chunk_end(&s->scan, NULL);
	s->t->bare = s->scan.bare_cr || s->scan.bare_lf;
	return !s->t->bare;
}

static status take_counted(slice piece, void *to)
{
	struct sending *s = to;

	if (piece.size > s->left)
		return ST_BROKEN; /* the source gives more than it was said to hold */
	for (; piece.size > 0; piece = slice_from(piece, PIECE)) {
		slice part = slice_until(piece, PIECE);
		s->left -= part.size;
		if (!s->binary && !is_proper(s, part))
			return ST_INVALID;
		s->t->ended = s->left == 0;
		TRY(note(s, stream_write(s->c->stream, part)));
	}
	return ST_OK;
}

status client_text_chunk(client *c, const struct client_message *m, struct client_text *t)
{
	struct sending s = {.c = c, .t = t, .binary = m->binary, .left = m->size};

	*t = (struct client_text){0};
	stream_pace(c->stream, c->patience.text, RATE);
	TRY(note(&s, stream_format(c->stream, "BDAT %" PRIu64 " LAST\r\n", m->size)));
	status kind = m->source(m->arg, take_counted, &s);
	if (kind == ST_OK && s.left > 0)
		return ST_BROKEN;
	if (kind == ST_OK)
		kind = note(&s, stream_flush(c->stream));
	return kind;
}
