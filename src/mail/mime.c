/* The MIME walk. Open parts form a stack, one per depth:

       part 0  multipart/mixed     boundary "x"
         part 2  message/rfc822
           part 3  multipart/alternative   boundary "y"
             part 4  text/plain    <- the current line belongs to it

   A line that begins with "--" is held against the boundaries of the stack, innermost first; a
   match ends all parts above it. The line end before a boundary belongs to the boundary. */
#include "mail/mime.h"

#include "base/memory.h"
#include "base/text.h"
#include "mail/content.h"
#include "mail/header.h"

#define BOUNDARY_MOST 200 /* RFC 2046 5.1.1 says 70 */
#define LINE_KEPT 512     /* of a body line: a boundary and its padding */
#define PARTS_AT_FIRST 8

/* An open part. */
struct open_part {
	uint32_t index;
	slice boundary;        /* of a multipart; empty otherwise */
	bool closed;           /* its last boundary was seen: what follows is epilogue */
	uint64_t lines_before; /* line ends in the message before its body */
};

struct mime_walk {
	arena *a;
	arena scratch; /* of one header */
	mime_part *part;
	size_t count, room;
	bool truncated;

	struct open_part stack[MIME_DEPTH_MOST + 1];
	size_t depth;   /* of the innermost open part */
	bool in_header; /* its header is being read */
	bool keep_headers;
	size_t boundaries; /* multiparts in the stack that are not closed */

	text header;         /* of the part at hand */
	size_t headers_size; /* of all so far */
	text line;           /* the start of the current line */
	uint64_t line_at;    /* where it began */
	uint64_t at;         /* bytes fed */
	uint64_t lines;      /* line ends fed */
	char last;           /* the last byte fed */
	uint8_t end_size;    /* of the line end before the current line: 0, 1 or 2 */
	uint64_t inner_end;  /* where the part that was closed last ended */
};

/* --- Parts
   ------------------------------------------------------------------------------------- */

static mime_part *top_part(mime_walk *w)
{
	return &w->part[w->stack[w->depth].index];
}

/* Opens a part at depth `depth`, its header beginning at `at`. There must be room in the table. */
static void part_open(mime_walk *w, size_t depth, uint64_t at)
{
	uint32_t parent = depth == 0 ? MIME_NO_PARENT : w->stack[depth - 1].index;

	if (w->count == w->room) {
		w->room = w->room ? w->room * 2 : PARTS_AT_FIRST;
		mime_part *grown = arena_new_array(w->a, w->room, sizeof *grown);
		if (w->count > 0)
			memcpy(grown, w->part, w->count * sizeof *grown);
		w->part = grown;
	}
	if (parent != MIME_NO_PARENT)
		w->part[parent].children++;
	w->part[w->count] = (mime_part){
		.parent = parent,
		.depth = (uint16_t)depth,
		.header_at = at,
	};
	w->stack[depth] = (struct open_part){.index = (uint32_t)w->count++};
	w->depth = depth;
	w->in_header = true;
	text_clear(&w->header);
}

/* A copy, cut between two characters where it is too long. */
static slice keep(mime_walk *w, slice s)
{
	size_t size = s.size < MIME_WORD_MOST ? s.size : MIME_WORD_MOST;

	while (size < s.size && size > 0 && ((uint8_t)s.at[size] & 0xc0) == 0x80)
		size--;
	return arena_copy(w->a, slice_until(s, size));
}

static slice keep_lower(mime_walk *w, slice s)
{
	char *to = arena_z(w->a, slice_until(s, MIME_WORD_MOST));
	size_t n = 0;

	for (; n < MIME_WORD_MOST && n < s.size; n++)
		if (to[n] >= 'A' && to[n] <= 'Z')
			to[n] |= 0x20;
	return slice_of(to, n);
}

/* --- Headers
   ----------------------------------------------------------------------------------- */

static void read_type(mime_walk *w, mime_part *p, slice value)
{
	content_value c;

	p->type_value = w->keep_headers ? value : (slice){0};
	content_parse(value, &w->scratch, &c);
	p->broken = c.broken || c.subtype.size == 0;
	if (c.type.size == 0 || c.subtype.size == 0)
		return; /* RFC 2045 5.2: as if there were none */
	p->type = keep(w, c.type);
	p->subtype = keep(w, c.subtype);
	p->charset = keep(w, content_parameter_of(&c, S("charset")));
	p->boundary = keep(w, slice_trim(content_parameter_of(&c, S("boundary"))));
	if (p->name.size == 0)
		p->name = keep(w, content_parameter_of(&c, S("name")));
}

static void read_disposition(mime_walk *w, mime_part *p, slice value)
{
	content_value c;
	slice name;

	p->disposition_value = w->keep_headers ? value : (slice){0};
	content_parse(value, &w->scratch, &c);
	p->disposition = keep(w, c.type);
	name = content_parameter_of(&c, S("filename"));
	if (name.size > 0)
		p->name = keep(w, name);
}

static void read_encoding(mime_walk *w, mime_part *p, slice value)
{
	p->encoding = keep_lower(w, content_word(value));
	p->transfer = transfer_kind_of(p->encoding);
}

static void read_id(mime_walk *w, mime_part *p, slice value)
{
	p->id = keep(w, header_unfold(value, &w->scratch));
}

static void read_description(mime_walk *w, mime_part *p, slice value)
{
	p->description = keep(w, header_unfold(value, &w->scratch));
}

static void read_md5(mime_walk *w, mime_part *p, slice value)
{
	p->md5 = keep(w, header_unfold(value, &w->scratch));
}

static void read_language(mime_walk *w, mime_part *p, slice value)
{
	p->language = keep(w, header_unfold(value, &w->scratch));
}

static void read_location(mime_walk *w, mime_part *p, slice value)
{
	p->location = keep(w, header_unfold(value, &w->scratch));
}

/* The fields that matter; the first of each name counts. */
static const struct field_row {
	slice name;
	void (*read)(mime_walk *w, mime_part *p, slice value);
} field_rows[] = {
	{S("Content-Type"), read_type},
	{S("Content-Disposition"), read_disposition},
	{S("Content-Transfer-Encoding"), read_encoding},
	{S("Content-ID"), read_id},
	{S("Content-Description"), read_description},
	{S("Content-MD5"), read_md5},
	{S("Content-Language"), read_language},
	{S("Content-Location"), read_location},
};

static void read_fields(mime_walk *w, mime_part *p)
{
	header_walk walk = header_walk_of(w->keep_headers ? p->header : text_slice(&w->header));
	header_field f;
	unsigned seen = 0;

	while (header_next(&walk, &f)) {
		for (size_t i = 0; i < sizeof field_rows / sizeof *field_rows; i++) {
			if ((seen & 1u << i) || !slice_same_nocase(f.name, field_rows[i].name))
				continue;
			seen |= 1u << i;
			field_rows[i].read(w, p, f.value);
		}
	}
	arena_clear(&w->scratch);
}

static bool is_type(const mime_part *p, slice type, slice subtype)
{
	return slice_same(p->type, type) && slice_same(p->subtype, subtype);
}

/* RFC 2045 5.2, RFC 2046 5.1.5 */
static void fill_defaults(mime_walk *w, mime_part *p)
{
	if (p->type.size > 0)
		return;
	bool digest = p->parent != MIME_NO_PARENT &&
		      is_type(&w->part[p->parent], S("multipart"), S("digest"));
	p->type = digest ? S("message") : S("text");
	p->subtype = digest ? S("rfc822") : S("plain");
}

static bool is_message(const mime_part *p)
{
	return is_type(p, S("message"), S("rfc822")) || is_type(p, S("message"), S("global"));
}

static bool may_go_deeper(mime_walk *w)
{
	w->truncated = w->truncated || w->count == MIME_PARTS_MOST;
	return w->depth < MIME_DEPTH_MOST && w->count < MIME_PARTS_MOST;
}

/* The header of the innermost part ends before `at`, where its body begins: decides what the body
   is. */
static void header_end(mime_walk *w, uint64_t at)
{
	struct open_part *o = &w->stack[w->depth];
	mime_part *p = top_part(w);

	p->body_at = at;
	p->header_size = at - p->header_at;
	o->lines_before = w->lines;
	w->in_header = false;
	if (w->keep_headers)
		p->header = arena_copy(w->a, text_slice(&w->header));
	read_fields(w, p);
	fill_defaults(w, p);
	if (slice_same(p->type, S("multipart"))) {
		p->opaque = p->boundary.size == 0 || p->boundary.size > BOUNDARY_MOST ||
			    !may_go_deeper(w);
		if (!p->opaque) {
			o->boundary = p->boundary;
			w->boundaries++;
		}
	} else if (is_message(p)) {
		p->opaque = p->transfer != TRANSFER_PLAIN || !may_go_deeper(w);
		if (!p->opaque)
			part_open(w, w->depth + 1, at);
	}
}

/* --- Ends
   -------------------------------------------------------------------------------------- */

/* Ends a header that has no empty line behind it, before the line that begins at `at`; the line end
   before that line, of `end_size` bytes, is not part of it. A message that begins here as its body
   gets a header of no bytes. */
static void header_cut(mime_walk *w, uint64_t at, uint8_t end_size)
{
	uint64_t end = w->in_header && at > top_part(w)->header_at ? at - end_size : at;

	while (w->in_header)
		header_end(w, end);
}

/* Ends the innermost part likewise, but not before the part within it that ended last: that one may
   have an empty body right before the boundary. */
static void part_close(mime_walk *w, uint64_t at, uint8_t end_size)
{
	struct open_part *o = &w->stack[w->depth];
	mime_part *p = top_part(w);
	uint64_t end = at > p->body_at ? at - end_size : at;

	if (end < w->inner_end)
		end = w->inner_end;
	w->inner_end = end;
	p->body_size = end - p->body_at;
	p->lines = w->lines - o->lines_before;
	if (end < at && p->lines > 0)
		p->lines--;
	if (o->boundary.size > 0 && !o->closed) {
		p->broken = true;
		w->boundaries--;
	}
}

/* The part at depth `depth` goes on in the line that begins at w->line_at: what is deeper ends. */
static void close_deeper(mime_walk *w, size_t depth)
{
	header_cut(w, w->line_at, w->end_size);
	for (; w->depth > depth; w->depth--)
		part_close(w, w->line_at, w->end_size);
}

/* --- Lines
   ------------------------------------------------------------------------------------- */

static bool is_boundary(slice line, slice boundary, bool *last)
{
	slice rest = slice_from(line, 2 + boundary.size);

	*last = slice_same(rest, S("--"));
	return line.size >= 2 + boundary.size &&
	       memcmp(line.at + 2, boundary.at, boundary.size) == 0 && (rest.size == 0 || *last);
}

/* The current line is a boundary of the multipart at depth `depth`. */
static void boundary_line(mime_walk *w, size_t depth, bool last)
{
	close_deeper(w, depth);
	if (last) {
		w->stack[depth].closed = true;
		w->boundaries--;
	} else if (may_go_deeper(w)) {
		part_open(w, depth + 1, w->at);
	}
}

/* Looks for the boundary that the current line is. */
static bool take_boundary(mime_walk *w)
{
	slice line = text_slice(&w->line);
	bool last;

	if (w->boundaries == 0 || !slice_starts(line, S("--")) || line.size < w->at - w->line_at)
		return false;
	while (line.size > 0 && strchr(" \t\r\n", line.at[line.size - 1]) && line.at[line.size - 1])
		line.size--;
	for (size_t depth = w->depth + 1; depth-- > 0;) {
		const struct open_part *o = &w->stack[depth];
		if (o->boundary.size > 0 && !o->closed && is_boundary(line, o->boundary, &last)) {
			boundary_line(w, depth, last);
			return true;
		}
	}
	return false;
}

static void header_line(mime_walk *w)
{
	slice line = text_slice(&w->line);
	size_t room = MIME_HEADER_MOST - w->header.size;

	if (slice_same(line, S("\r\n")) || slice_same(line, S("\n"))) {
		header_end(w, w->at);
		return;
	}
	if (room > MIME_HEADERS_MOST - w->headers_size)
		room = MIME_HEADERS_MOST - w->headers_size;
	if (w->at - w->line_at > room)
		top_part(w)->truncated = true;
	line = slice_until(line, room);
	text_add(&w->header, line);
	w->headers_size += line.size;
}

/* The current line is complete: `ends` bytes of line end stand at its end, 0 at the end of all. */
static void line_end(mime_walk *w, uint8_t ends)
{
	bool boundary = take_boundary(w);

	w->lines += ends > 0;
	if (!boundary && w->in_header)
		header_line(w);
	w->line_at = w->at;
	w->end_size = ends;
	text_clear(&w->line);
}

/* Keeps as much of the current line as a header or a boundary can need. */
static void line_add(mime_walk *w, slice s)
{
	size_t most = w->in_header ? MIME_HEADER_MOST : LINE_KEPT;
	bool begins = w->at == w->line_at;

	if (!w->in_header && (w->boundaries == 0 || (begins ? s.at[0] != '-' : w->line.size == 0)))
		return;
	text_add(&w->line, slice_until(s, most - w->line.size));
}

/* --- Outside
   ----------------------------------------------------------------------------------- */

mime_walk *mime_walk_open(arena *a)
{
	mime_walk *w = memory_new(sizeof *w);

	w->a = a;
	part_open(w, 0, 0);
	return w;
}

void mime_walk_keep_headers(mime_walk *w)
{
	w->keep_headers = true;
}

void mime_walk_feed(mime_walk *w, slice piece)
{
	while (piece.size > 0) {
		size_t lf = slice_find(piece, '\n');
		slice line = slice_until(piece, lf + 1);

		line_add(w, line);
		char before = line.size > 1 ? line.at[line.size - 2] : w->last;
		w->at += line.size;
		w->last = line.at[line.size - 1];
		if (lf < piece.size)
			line_end(w, before == '\r' ? 2 : 1);
		piece = slice_from(piece, line.size);
	}
}

void mime_walk_finish(mime_walk *w, mime_table *out)
{
	if (w->at > w->line_at)
		line_end(w, 0);
	w->end_size = 0;
	close_deeper(w, 0);
	part_close(w, w->at, 0);
	*out = (mime_table){
		.part = w->part,
		.count = w->count,
		.truncated = w->truncated,
		.size = w->at,
	};
}

void mime_walk_close(mime_walk **w)
{
	if (!*w)
		return;
	text_free(&(*w)->header);
	text_free(&(*w)->line);
	arena_release(&(*w)->scratch);
	memory_free(*w);
	*w = NULL;
}

void mime_parse(slice message, arena *a, mime_table *out)
{
	mime_walk *w = mime_walk_open(a);

	mime_walk_feed(w, message);
	mime_walk_finish(w, out);
	mime_walk_close(&w);
}
