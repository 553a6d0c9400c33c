/* Sections. All but header fields and decoded ones are one run of octets of the message, so they
   are found by place and size, and the rest of the message passes by. */
#include "service/imap/section.h"

#include "mail/header.h"
#include "mail/imap_string.h"
#include "provider/blob.h"
#include "service/imap/selected.h"

#include <inttypes.h>

/* Octets of a header that fields are chosen from. */
#define HEADER_LOOKED_MOST ((uint64_t)4 * 1024 * 1024)
#define FIELDS_AT_ONCE 256 /* before others have a turn */
#define NUL_SHOWN                                                                                  \
	'\x80' /* as Dovecot has it: in UTF-8 it is no character, so nobody takes it for text */
#define CLEANED_AT_ONCE 1024

/* ---- reading */

static status fields_read(args *p, struct section *s)
{
	s->fields = arena_new_array(&p->c->command, SECTION_FIELDS_MOST, sizeof *s->fields);
	TRY(arg_space(p));
	TRY(arg_expect(p, '('));
	do {
		if (s->fields_n == SECTION_FIELDS_MOST) {
			p->trouble = "Too many header fields";
			return ST_INVALID;
		}
		TRY(arg_astring(p, &s->fields[s->fields_n]));
		s->fields_n++;
	} while (arg_take(p, ' '));
	return arg_expect(p, ')');
}

static bool word_take(args *p, slice word)
{
	if (!slice_starts_nocase(p->rest, word))
		return false;
	p->rest = slice_from(p->rest, word.size);
	return true;
}

static status kind_read(args *p, struct section *s)
{
	if (word_take(p, S("HEADER.FIELDS.NOT"))) {
		s->kind = SECTION_FIELDS_NOT;
		return fields_read(p, s);
	}
	if (word_take(p, S("HEADER.FIELDS"))) {
		s->kind = SECTION_FIELDS;
		return fields_read(p, s);
	}
	if (word_take(p, S("HEADER")))
		s->kind = SECTION_HEADER;
	else if (word_take(p, S("TEXT")))
		s->kind = SECTION_TEXT;
	else if (s->depth > 0 && word_take(p, S("MIME")))
		s->kind = SECTION_MIME;
	else
		return ST_INVALID;
	return ST_OK;
}

static bool digit_is_next(const args *p)
{
	return p->rest.size > 0 && p->rest.at[0] >= '1' && p->rest.at[0] <= '9';
}

static status inside_read(args *p, struct section *s)
{
	if (arg_is(p, ']'))
		return ST_OK;
	while (digit_is_next(p)) {
		if (s->depth == SECTION_DEPTH_MOST) {
			p->trouble = "Parts are not that deep";
			return ST_INVALID;
		}
		TRY(arg_nz_number(p, &s->number[s->depth]));
		s->depth++;
		if (arg_is(p, ']'))
			return ST_OK;
		TRY(arg_expect(p, '.'));
	}
	return s->binary ? ST_INVALID : kind_read(p, s);
}

static void label_make(args *p, slice word, struct section *s)
{
	static const char *const names[] = {
		"", "HEADER", "HEADER.FIELDS", "HEADER.FIELDS.NOT", "TEXT", "MIME"};
	text out = TEXT_INIT;

	text_add(&out, word);
	text_add_char(&out, '[');
	for (size_t i = 0; i < s->depth; i++)
		text_format(&out, "%s%u", i ? "." : "", s->number[i]);
	text_format(&out, "%s%s", s->depth && s->kind != SECTION_ALL ? "." : "", names[s->kind]);
	for (size_t i = 0; i < s->fields_n; i++) {
		text_add(&out, i ? S(" ") : S(" ("));
		imap_string_add(&out, s->fields[i]);
	}
	text_add(&out, s->fields_n ? S(")]") : S("]"));
	if (s->partial)
		text_format(&out, "<%" PRIu64 ">", s->from);
	s->label = arena_copy(&p->c->command, text_slice(&out));
	text_free(&out);
}

status arg_section(args *p, slice word, struct section *s)
{
	TRY(arg_expect(p, '['));
	TRY(inside_read(p, s));
	TRY(arg_expect(p, ']'));
	if (!s->only_size && arg_take(p, '<')) {
		TRY(arg_number(p, &s->from));
		TRY(arg_expect(p, '.'));
		TRY(arg_number(p, &s->most));
		TRY(arg_expect(p, '>'));
		if (s->most == 0) {
			p->trouble = "A part of no octets was asked for";
			return ST_INVALID;
		}
		s->partial = true;
	}
	label_make(p, word, s);
	return ST_OK;
}

/* ---- octets of a message */

struct run { /* a part of a message that passes by */
	uint64_t skip, left;
	status (*each)(slice octets, void *arg);
	void *arg;
};

static status run_piece(slice piece, void *arg)
{
	struct run *r = arg;
	uint64_t skipped = r->skip < piece.size ? r->skip : piece.size;

	r->skip -= skipped;
	piece = slice_until(slice_from(piece, (size_t)skipped),
		r->left < SIZE_MAX ? (size_t)r->left : SIZE_MAX);
	if (piece.size > 0)
		TRY(r->each(piece, r->arg));
	r->left -= piece.size;
	return r->left > 0 ? ST_OK : ST_LIMITED; /* ST_LIMITED: enough has been read */
}

/* ST_ABSENT: the body is gone, or shorter than was promised. */
static status octets_each(const struct source *from, uint64_t at, uint64_t size,
	status (*each)(slice octets, void *arg), void *arg)
{
	struct run r = {at, size, each, arg};
	status s;

	if (size == 0)
		return ST_OK;
	s = from->raw.at ? run_piece(from->raw, &r)
			 : blob_each(from->postoffice, from->fact->blob, run_piece, &r);
	if (s == ST_LIMITED && r.left == 0)
		return ST_OK;
	return s == ST_OK ? ST_ABSENT : s;
}

static status octets_add(slice octets, void *arg)
{
	text_add(arg, octets);
	return ST_OK;
}

/* ---- sending */

struct sending {
	conversation *c;
	const struct section *s;
	uint64_t size; /* of the literal */
	bool begun;
};

static status literal_begin(struct sending *x)
{
	if (x->begun)
		return ST_OK;
	x->begun = true;
	return stream_format(x->c->stream, " %.*s %s{%" PRIu64 "}\r\n", SLICE_ARGS(x->s->label),
		x->s->binary ? "~" : "", x->size);
}

/* A literal holds no NUL; that of BINARY is another kind, which holds all octets (RFC 9051 9:
   literal, literal8). */
static status cleaned_write(stream *to, slice octets)
{
	char cleaned[CLEANED_AT_ONCE];

	while (octets.size > 0) {
		slice some = slice_until(octets, sizeof cleaned);

		for (size_t k = 0; k < some.size; k++)
			cleaned[k] = some.at[k] ? some.at[k] : NUL_SHOWN;
		TRY(stream_write(to, slice_of(cleaned, some.size)));
		octets = slice_from(octets, some.size);
	}
	return ST_OK;
}

static status literal_piece(slice octets, void *arg)
{
	struct sending *x = arg;

	if (x->begun)
		TRY(selected_stays(x->c));
	TRY(literal_begin(x));
	if (!x->s->binary && slice_find(octets, '\0') < octets.size)
		return cleaned_write(x->c->stream, octets);
	return stream_write(x->c->stream, octets);
}

/* What has begun can only be ended by closing: there is no honest way to go on. */
static status sending_end(const struct sending *x, status s)
{
	if (s == ST_OK || !x->begun || s == ST_CLOSED || s == ST_TIMED_OUT || s == ST_CANCELLED)
		return s;
	return ST_BROKEN;
}

static status nil_send(conversation *c, const struct section *s)
{
	return stream_format(c->stream, " %.*s NIL", SLICE_ARGS(s->label));
}

/* Cuts a run of `size` octets down to what a partial fetch wants. */
static void partial_cut(const struct section *s, uint64_t *at, uint64_t *size)
{
	uint64_t from = s->from < *size ? s->from : *size;

	if (!s->partial)
		return;
	*at += from;
	*size = s->most < *size - from ? s->most : *size - from;
}

static status run_send(conversation *c, const struct source *from, const struct section *s,
	uint64_t at, uint64_t size)
{
	struct sending x = {.c = c, .s = s};

	partial_cut(s, &at, &size);
	x.size = size;
	status done = octets_each(from, at, size, literal_piece, &x);
	if (done == ST_OK)
		done = literal_begin(&x); /* of no octets */
	return sending_end(&x, done);
}

static status text_send(conversation *c, const struct section *s, slice octets)
{
	struct sending x = {.c = c, .s = s};
	uint64_t at = 0, size = octets.size;

	partial_cut(s, &at, &size);
	x.size = size;
	return literal_piece(slice_until(slice_from(octets, (size_t)at), (size_t)size), &x);
}

/* ---- header fields */

static bool is_named(const struct section *s, slice name)
{
	for (size_t i = 0; i < s->fields_n; i++)
		if (slice_same_nocase(s->fields[i], name))
			return true;
	return false;
}

static status fields_choose(const struct section *s, slice header, text *out)
{
	header_walk walk = header_walk_of(header);
	header_field f;

	for (unsigned n = 1; header_next(&walk, &f); n++) {
		if (is_named(s, f.name) == (s->kind == SECTION_FIELDS))
			text_add(out, f.raw);
		if (n % FIELDS_AT_ONCE == 0)
			TRY(task_breathe());
	}
	text_add(out, S("\r\n"));
	return ST_OK;
}

static status fields_send(conversation *c, const struct source *from, const struct section *s,
	uint64_t at, uint64_t size)
{
	text header = TEXT_INIT, chosen = TEXT_INIT;
	status done = octets_each(from, at, size < HEADER_LOOKED_MOST ? size : HEADER_LOOKED_MOST,
		octets_add, &header);

	if (done == ST_OK)
		done = fields_choose(s, text_slice(&header), &chosen);
	if (done == ST_OK)
		done = text_send(c, s, text_slice(&chosen));
	text_free(&header);
	text_free(&chosen);
	return done;
}

/* ---- decoded parts (RFC 3516) */

struct decoding {
	transfer_decoder decoder;
	text out;
	uint64_t skip, left, size; /* size: of all that was decoded */
	struct sending *x;         /* NULL: only measured */
};

static status decoded_pass(struct decoding *d)
{
	slice got = text_slice(&d->out);
	uint64_t skipped = d->skip < got.size ? d->skip : got.size;

	d->size += got.size;
	d->skip -= skipped;
	got = slice_until(
		slice_from(got, (size_t)skipped), d->left < SIZE_MAX ? (size_t)d->left : SIZE_MAX);
	d->left -= got.size;
	status s = d->x && got.size ? literal_piece(got, d->x) : ST_OK;
	text_clear(&d->out);
	return s;
}

static status decode_piece(slice octets, void *arg)
{
	struct decoding *d = arg;

	transfer_decode(&d->decoder, octets, &d->out);
	return decoded_pass(d);
}

static status decode_run(const struct source *from, const structure_part *part, struct decoding *d)
{
	d->decoder.kind = part->transfer;
	status s = octets_each(from, part->body_at, part->body_size, decode_piece, d);
	transfer_decode_end(&d->decoder, &d->out);
	if (s == ST_OK)
		s = decoded_pass(d);
	text_free(&d->out);
	return s;
}

/* A literal tells its size first, so the part passes by twice. */
static status binary_send(conversation *c, const struct source *from, const struct section *s,
	const structure_part *part)
{
	struct decoding measure = {.left = UINT64_MAX};
	struct sending x = {.c = c, .s = s};
	struct decoding d = {.x = &x};
	uint64_t at = 0;

	if (part->transfer == TRANSFER_UNKNOWN)
		return ST_INVALID;
	TRY(decode_run(from, part, &measure));
	if (s->only_size)
		return stream_format(
			c->stream, " %.*s %" PRIu64, SLICE_ARGS(s->label), measure.size);
	x.size = measure.size;
	partial_cut(s, &at, &x.size);
	d.skip = at;
	d.left = x.size;
	status done = decode_run(from, part, &d);
	if (done == ST_OK)
		done = literal_begin(&x);
	return sending_end(&x, done);
}

/* ---- which octets */

/* Of the message itself, without its parts. */
static void whole_find(
	const struct section *s, const struct message_fact *f, uint64_t *at, uint64_t *size)
{
	*at = s->kind == SECTION_TEXT ? f->header_size : 0;
	*size = s->kind == SECTION_ALL    ? f->size
		: s->kind == SECTION_TEXT ? f->size - f->header_size
					  : f->header_size;
}

static bool part_find(const struct section *s, const structure *parts, uint64_t *at, uint64_t *size,
	size_t *index)
{
	const structure_part *p;

	if (!structure_find(parts, s->number, s->depth, index))
		return false;
	p = &parts->part[*index];
	if (s->kind != SECTION_ALL && s->kind != SECTION_MIME) {
		if (!p->message)
			return false;
		p = &parts->part[structure_inner(parts, *index)];
	}
	*at = s->kind == SECTION_ALL || s->kind == SECTION_TEXT ? p->body_at : p->header_at;
	*size = s->kind == SECTION_ALL || s->kind == SECTION_TEXT ? p->body_size : p->header_size;
	return true;
}

static bool is_fields(const struct section *s)
{
	return s->kind == SECTION_FIELDS || s->kind == SECTION_FIELDS_NOT;
}

static status fields_each(const struct source *from, const struct section *s, uint64_t at,
	uint64_t size, status (*each)(slice octets, void *arg), void *arg)
{
	text header = TEXT_INIT, chosen = TEXT_INIT;
	status done = octets_each(from, at, size < HEADER_LOOKED_MOST ? size : HEADER_LOOKED_MOST,
		octets_add, &header);

	if (done == ST_OK)
		done = fields_choose(s, text_slice(&header), &chosen);
	at = 0;
	size = chosen.size;
	partial_cut(s, &at, &size);
	if (done == ST_OK && size > 0)
		done = each(slice_until(slice_from(text_slice(&chosen), (size_t)at), (size_t)size),
			arg);
	text_free(&header);
	text_free(&chosen);
	return done;
}

status section_each(const struct source *from, const struct section *s,
	status (*each)(slice octets, void *arg), void *arg)
{
	uint64_t at, size;
	size_t index = 0;

	if (s->depth == 0)
		whole_find(s, from->fact, &at, &size);
	else if (!part_find(s, from->parts, &at, &size, &index))
		return ST_ABSENT;
	if (is_fields(s))
		return fields_each(from, s, at, size, each, arg);
	partial_cut(s, &at, &size);
	return octets_each(from, at, size, each, arg);
}

status section_send(conversation *c, const struct source *from, const struct section *s)
{
	uint64_t at, size;
	size_t index = 0;

	if (s->depth == 0) /* the message as it is, also as BINARY[] */
		whole_find(s, from->fact, &at, &size);
	else if (!part_find(s, from->parts, &at, &size, &index))
		return s->only_size ? stream_format(c->stream, " %.*s 0", SLICE_ARGS(s->label))
				    : nil_send(c, s);
	if (s->binary && s->depth > 0)
		return binary_send(c, from, s, &from->parts->part[index]);
	if (s->only_size)
		return stream_format(
			c->stream, " %.*s %" PRIu32, SLICE_ARGS(s->label), from->fact->size);
	return is_fields(s) ? fields_send(c, from, s, at, size) : run_send(c, from, s, at, size);
}
