/* The surrogate of an internationalized message; see downgrade.h. A header is held until its empty
   line came, of a body only the start of a line that may be a boundary. */
#include "mail/downgrade.h"

#include "base/utf8.h"
#include "mail/address.h"
#include "mail/content.h"
#include "mail/header.h"
#include "mail/word.h"

#define HEADERS_MOST 10000 /* of one message */
#define LINE_START 128     /* a boundary with its dashes and some blanks */

/* ---- fields */

static bool is_one_of(slice name, const slice *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (slice_same_nocase(name, names[i]))
			return true;
	return false;
}

/* RFC 6858 3.1 */
static bool holds_addresses(slice name)
{
	static const slice names[] = {S("From"), S("To"), S("Cc"), S("Bcc"), S("Sender"),
		S("Reply-To"), S("Resent-From"), S("Resent-To"), S("Resent-Cc"), S("Resent-Bcc"),
		S("Resent-Sender")};
	return is_one_of(name, names, sizeof names / sizeof *names);
}

static bool holds_parameters(slice name)
{
	static const slice names[] = {S("Content-Type"), S("Content-Disposition")};
	return is_one_of(name, names, sizeof names / sizeof *names);
}

#define NOBODY S("invalid@internationalized-address.invalid")

/* An address nobody has, whose name shows the one that was meant. */
static header_mailbox stand_in(slice name, slice local, slice domain, arena *a)
{
	slice shown = domain.size
			      ? arena_format(a, "%.*s@%.*s", SLICE_ARGS(local), SLICE_ARGS(domain))
			      : local;
	if (name.size)
		shown = arena_format(a, "%.*s <%.*s>", SLICE_ARGS(name), SLICE_ARGS(shown));
	return (header_mailbox){shown, NOBODY};
}

static header_mailbox mailbox_of(const mail_list_entry *e, arena *a)
{
	slice name = word_decode(e->name, a);
	mail_address real;
	if (mail_address_of(e->local, e->domain, a, &real) == ST_OK && utf8_is_ascii(real.local))
		return (header_mailbox){name, mail_address_text(&real, a)};
	return stand_in(name, word_decode(e->local, a), word_decode(e->domain, a), a);
}

static void add_addresses(header_builder *b, const header_field *f, arena *a)
{
	mail_list list;
	size_t n = 0;
	mail_list_parse(f->value, MAIL_LIST_MOST, a, &list);
	header_mailbox *m = arena_new_array(a, list.count + 1, sizeof *m);
	for (size_t i = 0; i < list.count; i++)
		if (list.entry[i].kind == MAIL_LIST_ADDRESS)
			m[n++] = mailbox_of(&list.entry[i], a);
	if (n == 0)
		m[n++] = stand_in((slice){0}, word_decode(f->value, a), (slice){0}, a);
	header_build_mailboxes(b, f->name, m, n);
}

static void add_quoted(text *t, slice value)
{
	text_add_char(t, '"');
	for (size_t i = 0; i < value.size; i++) {
		if (value.at[i] == '"' || value.at[i] == '\\')
			text_add_char(t, '\\');
		text_add_char(t, value.at[i]);
	}
	text_add_char(t, '"');
}

/* RFC 6858 3.2: parameters that cannot be shown go without a word. */
static void add_content(header_builder *b, const header_field *f, arena *a)
{
	content_value c;
	text value = TEXT_INIT;
	content_parse_written(f->value, a, &c);
	text_add(&value, c.type);
	if (c.subtype.size) {
		text_add_char(&value, '/');
		text_add(&value, c.subtype);
	}
	for (size_t i = 0; i < c.count; i++) {
		const content_parameter *p = &c.parameter[i];
		if (!utf8_is_ascii(p->name) || !utf8_is_ascii(p->value))
			continue;
		text_add(&value, S("; "));
		text_add(&value, p->name);
		text_add_char(&value, '=');
		add_quoted(&value, p->value);
	}
	if (c.type.size && utf8_is_ascii(text_slice(&value)))
		header_build_raw(b, f->name, arena_copy(a, text_slice(&value)));
	else
		b->kind = ST_INVALID;
	text_free(&value);
}

static void add_field(const header_field *f, text *out)
{
	arena a = ARENA_INIT;
	header_builder b = {.utf8 = false};
	slice built;
	if (f->broken)
		b.kind = ST_INVALID;
	else if (holds_addresses(f->name))
		add_addresses(&b, f, &a);
	else if (slice_same_nocase(f->name, S("Return-Path")))
		header_build_raw(&b, f->name, S("<invalid@internationalized-address.invalid>"));
	else if (holds_parameters(f->name))
		add_content(&b, f, &a);
	else if (slice_same_nocase(f->name, S("Subject")))
		header_build_text(&b, f->name, word_decode(f->value, &a));
	else
		b.kind = ST_INVALID;
	if (header_build_end(&b, &a, &built) == ST_OK)
		text_add(out, built);
	arena_release(&a);
}

void downgrade_header(slice block, text *out)
{
	header_walk w = header_walk_of(block);
	header_field f;
	size_t seen = 0;
	if (utf8_is_ascii(block) || !utf8_valid(block)) {
		text_add(out, block);
		return;
	}
	while (header_next(&w, &f)) {
		if (utf8_is_ascii(f.raw))
			text_add(out, f.raw);
		else
			add_field(&f, out);
		seen += f.raw.size;
	}
	text_add(out, slice_from(block, seen)); /* the empty line */
}

/* ---- the way through a message */

/* Whether what is within this part has headers of its own. */
static bool is_open(slice block)
{
	header_field f;
	if (!header_find(block, S("Content-Transfer-Encoding"), &f))
		return true;
	slice word = content_word(f.value);
	return slice_same_nocase(word, S("7bit")) || slice_same_nocase(word, S("8bit")) ||
	       slice_same_nocase(word, S("binary"));
}

static void push(downgrade *d, slice boundary)
{
	if (d->depth == DOWNGRADE_DEPTH || boundary.size == 0 || boundary.size > DOWNGRADE_BOUNDARY)
		return;
	memcpy(d->boundary[d->depth].at, boundary.at, boundary.size);
	d->boundary[d->depth++].size = boundary.size;
}

/* What follows this header. */
static void step_in(downgrade *d, slice block)
{
	arena a = ARENA_INIT;
	header_field f;
	content_value c = {0};
	if (header_find(block, S("Content-Type"), &f))
		content_parse(f.value, &a, &c);
	bool message = slice_same(c.type, S("message")) &&
		       (slice_same(c.subtype, S("rfc822")) || slice_same(c.subtype, S("global")));
	if (slice_same(c.type, S("multipart")))
		push(d, content_parameter_of(&c, S("boundary")));
	d->state = message && is_open(block) ? DOWNGRADE_HEAD
		   : d->depth > 0            ? DOWNGRADE_BODY
					     : DOWNGRADE_REST;
	if (++d->headers > HEADERS_MOST)
		d->state = DOWNGRADE_REST;
	arena_release(&a);
}

/* Whether it was handed over as internationalized mail. The newest field is the house's own, with
   blanks around the word. */
static bool travelled(slice block)
{
	header_field f;
	return header_find(block, S("Received"), &f) &&
	       slice_search(f.value, S(" with UTF8")) < f.value.size;
}

/* Whether the header of the message itself, `block`, is one to leave alone, and all below it. */
static bool stays(const downgrade *d, slice block)
{
	return d->travelled_only && d->headers == 0 && !travelled(block);
}

static void header_ends(downgrade *d, slice block, text *out)
{
	if (stays(d, block)) {
		text_add(out, block);
		d->state = DOWNGRADE_REST;
		return;
	}
	downgrade_header(block, out);
	step_in(d, block);
}

/* Whether the line is a boundary of a multipart that is open; then its part begins or it ends. */
static bool takes_boundary(downgrade *d, slice line)
{
	line = slice_trim(line);
	if (!slice_starts(line, S("--")))
		return false;
	line = slice_from(line, 2);
	for (int i = d->depth - 1; i >= 0; i--) {
		slice boundary = slice_of(d->boundary[i].at, d->boundary[i].size);
		if (!slice_starts(line, boundary))
			continue;
		slice behind = slice_from(line, boundary.size);
		if (behind.size && !slice_same(behind, S("--")))
			continue;
		d->depth = behind.size ? i : i + 1;
		d->state = behind.size == 0 ? DOWNGRADE_HEAD
			   : i > 0          ? DOWNGRADE_BODY
					    : DOWNGRADE_REST;
		return true;
	}
	return false;
}

/* The line that ended in `held` is the header's last, or a boundary came before that. */
static void head_line(downgrade *d, text *out)
{
	slice all = text_slice(&d->held), line = slice_from(all, d->line);
	if (slice_trim(line).size == 0 && line.size <= 2) {
		header_ends(d, all, out);
	} else if (takes_boundary(d, line)) {
		downgrade_header(slice_until(all, d->line), out);
		text_add(out, line);
	} else {
		d->line = d->held.size;
		return;
	}
	d->line = 0;
	text_clear(&d->held);
}

/* Up to the end of the line, that included; all when it does not end here. */
static slice take_line(slice *rest, bool *ends)
{
	size_t at = slice_find(*rest, '\n');
	*ends = at < rest->size;
	slice line = slice_until(*rest, at + *ends);
	*rest = slice_from(*rest, line.size);
	return line;
}

static void write_head(downgrade *d, slice *rest, text *out)
{
	bool ends;
	text_add(&d->held, take_line(rest, &ends));
	if (ends)
		head_line(d, out);
	if (d->held.size > DOWNGRADE_MOST) {
		text_add(out, text_slice(&d->held));
		text_clear(&d->held);
		d->state = DOWNGRADE_REST;
	}
}

static void write_body(downgrade *d, slice *rest, text *out)
{
	bool ends, at_start = !d->in_line && d->held.size == 0;
	slice line = take_line(rest, &ends);
	if (d->in_line || (at_start && line.at[0] != '-')) {
		text_add(out, line);
		d->in_line = !ends;
		return;
	}
	text_add(&d->held, line);
	if (!ends && d->held.size <= LINE_START)
		return;
	line = text_slice(&d->held);
	text_add(out, line);
	d->in_line = !ends;
	if (ends)
		takes_boundary(d, line);
	text_clear(&d->held);
}

void downgrade_write(downgrade *d, slice piece, text *out)
{
	while (piece.size > 0) {
		if (d->state == DOWNGRADE_HEAD) {
			write_head(d, &piece, out);
		} else if (d->state == DOWNGRADE_BODY) {
			write_body(d, &piece, out);
		} else {
			text_add(out, piece);
			return;
		}
	}
}

void downgrade_end(downgrade *d, text *out)
{
	if (d->state == DOWNGRADE_HEAD && !stays(d, text_slice(&d->held)))
		downgrade_header(text_slice(&d->held), out);
	else
		text_add(out, text_slice(&d->held));
	text_free(&d->held);
}
