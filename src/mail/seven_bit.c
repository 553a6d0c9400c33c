/* See seven_bit.h. The table of parts becomes a list of spans in the order of the message: headers
   that change, and bodies of parts that have no parts. What lies between them is copied. */
#include "mail/seven_bit.h"

#include "mail/header.h"
#include "mail/mime.h"
#include "mail/transfer.h"

#define LINE_MOST 998

struct span {
	uint64_t from, to;
	size_t part;
	bool header;
};

struct inside {         /* of a part without parts */
	uint64_t eight; /* octets from 0x80 on */
	bool odd;       /* NUL, bare CR, bare LF */
	bool long_lines;
	enum transfer_kind becomes;
};

struct seven_bit {
	arena *a;
	mime_walk *walk;
	mime_table table;
	struct inside *inside; /* by part */
	struct span *span;
	size_t spans;
	bool outside; /* octets from 0x80 on where nothing can be encoded */
	bool unsigns; /* without the DKIM signatures it has */

	/* Of a reading. */
	uint64_t at;
	size_t next; /* span */
	uint64_t line;
	char last;
	text held;
	transfer_encoder encoder;
};

seven_bit *seven_bit_open(arena *a)
{
	seven_bit *s = arena_new(a, sizeof *s);

	*s = (seven_bit){.a = a, .walk = mime_walk_open(a)};
	mime_walk_keep_headers(s->walk);
	return s;
}

void seven_bit_close(seven_bit **s)
{
	if (!*s)
		return;
	mime_walk_close(&(*s)->walk);
	text_free(&(*s)->held);
	*s = NULL;
}

/* ---- structure */

static bool is_multipart(const mime_part *p)
{
	return slice_same(p->type, S("multipart"));
}

static void span_add(seven_bit *s, uint64_t from, uint64_t size, size_t part, bool header)
{
	if (size > 0)
		s->span[s->spans++] = (struct span){from, from + size, part, header};
}

void seven_bit_look(seven_bit *s, slice piece)
{
	mime_walk_feed(s->walk, piece);
}

void seven_bit_looked(seven_bit *s)
{
	mime_walk_finish(s->walk, &s->table);
	s->inside = arena_new_array(s->a, s->table.count, sizeof *s->inside);
	s->span = arena_new_array(s->a, 2 * s->table.count, sizeof *s->span);
	for (size_t i = 0; i < s->table.count; i++) {
		const mime_part *p = &s->table.part[i];

		span_add(s, p->header_at, p->header_size, i, true);
		if (p->children == 0)
			span_add(s, p->body_at, p->body_size, i, false);
	}
}

/* ---- what is in it */

/* The next stretch of the piece, and where it lies; NULL: between spans. */
static const struct span *stretch(seven_bit *s, slice *piece, slice *out)
{
	while (s->next < s->spans && s->at >= s->span[s->next].to)
		s->next++;
	const struct span *span = s->next < s->spans ? &s->span[s->next] : NULL;
	uint64_t until = !span ? UINT64_MAX : s->at < span->from ? span->from : span->to;

	*out = slice_until(
		*piece, until - s->at < piece->size ? (size_t)(until - s->at) : piece->size);
	*piece = slice_from(*piece, out->size);
	s->at += out->size;
	return span && s->at > span->from ? span : NULL;
}

static void weigh_octet(seven_bit *s, struct inside *in, char c)
{
	in->eight += (unsigned char)c >= 0x80;
	in->odd |= c == 0 || (s->last == '\r') != (c == '\n');
	s->line = c == '\n' ? 0 : s->line + (c != '\r');
	in->long_lines |= s->line > LINE_MOST;
	s->last = c;
}

void seven_bit_weigh(seven_bit *s, slice piece)
{
	slice some;

	while (piece.size > 0) {
		const struct span *span = stretch(s, &piece, &some);
		struct inside *in = span && !span->header ? &s->inside[span->part] : NULL;

		if (in && s->at - some.size == span->from) {
			s->line = 0;
			s->last = 0;
		}
		for (size_t i = 0; i < some.size; i++)
			if (in)
				weigh_octet(s, in, some.at[i]);
			else
				s->outside |= (unsigned char)some.at[i] >= 0x80;
		if (in && s->at == span->to)
			in->odd |= s->last == '\r';
	}
}

/* ---- whether it can be, and how */

static bool changes(const struct inside *in)
{
	return in->eight > 0 || in->odd || in->long_lines;
}

static bool is_signed(const seven_bit *s, size_t part)
{
	for (uint32_t i = (uint32_t)part; i != MIME_NO_PARENT; i = s->table.part[i].parent)
		if (is_multipart(&s->table.part[i]) &&
			slice_same(s->table.part[i].subtype, S("signed")))
			return true;
	return false;
}

/* RFC 2046 5: parts of these types have no encoding of their own. */
static bool takes_encoding(const mime_part *p)
{
	return !is_multipart(p) && !slice_same(p->type, S("message")) &&
	       p->transfer == TRANSFER_PLAIN && !p->truncated;
}

/* Quoted-printable adds two octets to each that it encodes, base64 a third to all. */
static enum transfer_kind shorter(const mime_part *p, const struct inside *in)
{
	return slice_same(p->type, S("text")) && !in->odd && in->eight * 6 <= p->body_size
		       ? TRANSFER_QUOTED_PRINTABLE
		       : TRANSFER_BASE64;
}

slice seven_bit_header(const seven_bit *s)
{
	return s->table.part[0].header;
}

uint64_t seven_bit_body_at(const seven_bit *s)
{
	return s->table.part[0].body_at;
}

void seven_bit_unsign(seven_bit *s)
{
	s->unsigns = true;
}

status seven_bit_judge(seven_bit *s)
{
	slice header = seven_bit_header(s);

	if ((!s->unsigns && header_count(header, S("DKIM-Signature")) > 0) ||
		header_count(header, S("ARC-Seal")) > 0)
		return ST_DENIED;
	if (s->outside || s->table.truncated || s->table.part[0].truncated)
		return ST_INVALID;
	for (size_t i = 0; i < s->table.count; i++) {
		const mime_part *p = &s->table.part[i];

		if (p->children > 0 || !changes(&s->inside[i]))
			continue;
		if (is_signed(s, i))
			return ST_DENIED;
		if (!takes_encoding(p))
			return ST_INVALID;
		s->inside[i].becomes = shorter(p, &s->inside[i]);
	}
	return ST_OK;
}

/* ---- writing */

static const char *encoding_for(const seven_bit *s, size_t part)
{
	const mime_part *p = &s->table.part[part];

	switch (s->inside[part].becomes) {
	case TRANSFER_QUOTED_PRINTABLE:
		return "quoted-printable";
	case TRANSFER_BASE64:
		return "base64";
	default:
		return !is_signed(s, part) && (slice_same(p->encoding, S("8bit")) ||
						      slice_same(p->encoding, S("binary")))
			       ? "7bit"
			       : NULL;
	}
}

/* What a header without MIME lacks for its encoding to mean something (RFC 1428 for the
   charset). */
static void add_missing(slice header, text *out)
{
	if (header_count(header, S("MIME-Version")) == 0)
		text_add_z(out, "MIME-Version: 1.0\r\n");
	if (header_count(header, S("Content-Type")) == 0)
		text_add_z(out, "Content-Type: text/plain; charset=unknown-8bit\r\n");
}

static bool is_left_out(slice name, bool encoding, bool unsigns)
{
	return (encoding && slice_same_nocase(name, S("Content-Transfer-Encoding"))) ||
	       (unsigns && slice_same_nocase(name, S("DKIM-Signature")));
}

static void write_header(seven_bit *s, size_t part, text *out)
{
	const char *encoding = encoding_for(s, part);
	bool unsigns = part == 0 && s->unsigns;
	slice header = text_slice(&s->held);
	header_walk w = header_walk_of(header);
	header_field f;
	size_t seen = 0, before = out->size;

	if (!encoding && !unsigns) {
		text_add(out, header);
		return;
	}
	while (header_next(&w, &f)) {
		seen += f.raw.size;
		if (!is_left_out(f.name, encoding, unsigns))
			text_add(out, f.raw);
	}
	if (!encoding) {
		text_add(out, slice_from(header, seen));
		return;
	}
	/* The line end before a boundary is the boundary's: a header without an empty line may lack
	   it. */
	bool ended = header.at[header.size - 1] == '\n';
	if (out->size > before && out->at[out->size - 1] != '\n')
		text_add_z(out, "\r\n");
	if (part == 0)
		add_missing(header, out);
	text_format(out, "Content-Transfer-Encoding: %s%s", encoding, ended ? "\r\n" : "");
	text_add(out, slice_from(header, seen)); /* the empty line */
}

static void end_span(seven_bit *s, const struct span *span, text *out)
{
	if (s->at < span->to)
		return;
	if (span->header) {
		write_header(s, span->part, out);
		text_clear(&s->held);
	} else {
		transfer_encode_end(&s->encoder, out);
	}
}

void seven_bit_new_header(seven_bit *s, text *out)
{
	const mime_part *p = &s->table.part[0];
	slice end = S("\r\n");

	text_clear(&s->held);
	text_add(&s->held, slice_until(p->header, p->header_size));
	if (p->header_size > s->held.size) /* an LF alone may be the empty line */
		text_add(&s->held, slice_from(end, p->header_size - s->held.size < end.size));
	if (s->held.size > 0)
		write_header(s, 0, out);
	text_clear(&s->held);
}

void seven_bit_begin(seven_bit *s)
{
	s->at = 0;
	s->next = 0;
	text_clear(&s->held);
}

void seven_bit_write(seven_bit *s, slice piece, text *out)
{
	slice some;

	while (piece.size > 0) {
		const struct span *span = stretch(s, &piece, &some);

		if (!span) {
			text_add(out, some);
			continue;
		}
		if (span->header) {
			text_add(&s->held, some);
		} else {
			if (s->at - some.size == span->from)
				s->encoder =
					(transfer_encoder){.kind = s->inside[span->part].becomes};
			transfer_encode(&s->encoder, some, out);
		}
		end_span(s, span, out);
	}
}

/* A message that got shorter since it was looked at. */
void seven_bit_end(seven_bit *s, text *out)
{
	const struct span *span = s->next < s->spans ? &s->span[s->next] : NULL;

	if (span && span->header && s->held.size > 0)
		write_header(s, span->part, out);
	else if (span && !span->header && s->at > span->from && s->at < span->to)
		transfer_encode_end(&s->encoder, out);
	text_clear(&s->held);
}
