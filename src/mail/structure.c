/* The structure. Layout when packed:

       version | BODY | BODYSTRUCTURE | count | parts: parent+1 flags header_at header_size body_size
       lines transfer type subtype charset

   A body begins where its header ends, so its place is not stored. */
#include "mail/structure.h"

#include "base/text.h"
#include "mail/content.h"
#include "mail/envelope.h"
#include "mail/imap_string.h"
#include "mail/pack.h"

#define VERSION 1
/* Octets of a text, from which on envelopes of messages within are left out: addresses of two octets
   become some of seventeen, three times when they are authors. */
#define ENVELOPES_MOST ((size_t)1024 * 1024)

/* RFC 9051 wants at least one body in a multipart, and an envelope and a body in a message, also
   where there is nothing to tell. */
#define NO_ENVELOPE S("(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)")

/* --- The texts
   --------------------------------------------------------------------------------- */

struct teller {
	const mime_table *table;
	uint32_t *first,
		*next; /* children of each part in order; 0 = none (part 0 is nobody's child) */
	arena *a;
	text *out;
	bool extended;
};

static void number_tell(struct teller *t, uint64_t n)
{
	text_add_char(t->out, ' ');
	text_add_number(t->out, (int64_t)n);
}

/* Where a body must be told and there is none: plain text of that size. */
static void body_invent(struct teller *t, uint64_t size, uint64_t lines)
{
	text_add(t->out, S("(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\""));
	number_tell(t, size);
	number_tell(t, lines);
	text_add(t->out, t->extended ? S(" NIL NIL NIL NIL)") : S(")"));
}

static bool is_multipart(const mime_part *p)
{
	return slice_same(p->type, S("multipart"));
}

static bool is_message(const mime_part *p)
{
	return slice_same(p->type, S("message")) &&
	       (slice_same(p->subtype, S("rfc822")) || slice_same(p->subtype, S("global")));
}

static void word_tell(struct teller *t, slice s)
{
	imap_nstring_add(t->out, s.size ? s : (slice){0});
}

/* " (name value ..)" or " NIL", as the field has them. */
static void parameters_tell(struct teller *t, const content_value *c)
{
	text_add_char(t->out, ' ');
	if (c->count == 0) {
		text_add(t->out, S("NIL"));
		return;
	}
	for (size_t i = 0; i < c->count; i++) {
		text_add_char(t->out, i ? ' ' : '(');
		imap_string_add(t->out, c->parameter[i].name);
		text_add_char(t->out, ' ');
		imap_string_add(t->out, c->parameter[i].value);
	}
	text_add_char(t->out, ')');
}

static void type_parameters_tell(struct teller *t, const mime_part *p)
{
	content_value c;

	content_parse_joined(p->type_value, t->a, &c);
	if (c.type.size == 0 && slice_same(p->type, S("text"))) /* the default (RFC 2045 5.2) */
		text_add(t->out, S(" (\"charset\" \"us-ascii\")"));
	else
		parameters_tell(t, &c);
}

static void disposition_tell(struct teller *t, const mime_part *p)
{
	content_value c;

	content_parse_joined(p->disposition_value, t->a, &c);
	text_add_char(t->out, ' ');
	if (c.type.size == 0) {
		text_add(t->out, S("NIL"));
		return;
	}
	text_add_char(t->out, '(');
	imap_string_add(t->out, c.type);
	parameters_tell(t, &c);
	text_add_char(t->out, ')');
}

/* One tag as a string, several as a list. */
static void language_tell(struct teller *t, slice value)
{
	bool several = slice_find(value, ',') < value.size;
	slice tag;
	int n = 0;

	text_add_char(t->out, ' ');
	if (several)
		text_add_char(t->out, '(');
	if (!several)
		word_tell(t, value);
	for (slice rest = several ? value : (slice){0}; slice_take(&rest, ',', &tag);) {
		if (slice_trim(tag).size == 0)
			continue;
		if (n++ > 0)
			text_add_char(t->out, ' ');
		imap_string_add(t->out, slice_trim(tag));
	}
	if (several)
		text_add(t->out, n ? S(")") : S("\"\")"));
}

static void extension_tell(struct teller *t, const mime_part *p)
{
	disposition_tell(t, p);
	language_tell(t, p->language);
	text_add_char(t->out, ' ');
	word_tell(t, p->location);
}

static void part_tell(struct teller *t, uint32_t index);

static void multipart_tell(struct teller *t, uint32_t index)
{
	const mime_part *p = &t->table->part[index];

	for (uint32_t child = t->first[index]; child; child = t->next[child])
		part_tell(t, child);
	if (!t->first[index]) /* what came is still read, by who asks for part 1 of it */
		body_invent(t, p->body_size, p->lines);
	text_add_char(t->out, ' ');
	imap_string_add(t->out, p->subtype);
	if (t->extended) {
		content_value c;

		content_parse_joined(p->type_value, t->a, &c);
		parameters_tell(t, &c);
		extension_tell(t, p);
	}
}

static void message_tell(struct teller *t, uint32_t index)
{
	uint32_t inner = t->first[index];
	slice envelope = NO_ENVELOPE;

	if (inner && t->out->size < ENVELOPES_MOST)
		envelope_unpack_text(envelope_pack(t->table->part[inner].header, t->a), &envelope);
	text_add_char(t->out, ' ');
	text_add(t->out, envelope);
	text_add_char(t->out, ' ');
	if (inner)
		part_tell(t, inner);
	else
		body_invent(t, 0, 0);
}

static void single_tell(struct teller *t, uint32_t index)
{
	const mime_part *p = &t->table->part[index];

	imap_string_add(t->out, p->type);
	text_add_char(t->out, ' ');
	imap_string_add(t->out, p->subtype);
	type_parameters_tell(t, p);
	text_add_char(t->out, ' ');
	word_tell(t, p->id);
	text_add_char(t->out, ' ');
	word_tell(t, p->description);
	text_add_char(t->out, ' ');
	imap_string_add(t->out, p->encoding.size ? p->encoding : S("7bit"));
	number_tell(t, p->body_size);
	if (is_message(p))
		message_tell(t, index);
	if (is_message(p) || slice_same(p->type, S("text")))
		number_tell(t, p->lines);
	if (t->extended) {
		text_add_char(t->out, ' ');
		word_tell(t, p->md5);
		extension_tell(t, p);
	}
}

static void part_tell(struct teller *t, uint32_t index)
{
	text_add_char(t->out, '(');
	if (is_multipart(&t->table->part[index]))
		multipart_tell(t, index);
	else
		single_tell(t, index);
	text_add_char(t->out, ')');
}

/* Children in order, walking from the last part to the first. */
static void children_link(struct teller *t)
{
	t->first = arena_new_array(t->a, t->table->count, sizeof *t->first);
	t->next = arena_new_array(t->a, t->table->count, sizeof *t->next);
	for (uint32_t i = (uint32_t)t->table->count; i-- > 1;) {
		uint32_t parent = t->table->part[i].parent;

		t->next[i] = t->first[parent];
		t->first[parent] = i;
	}
}

/* --- The texts for IMAP4rev1
   --------------------------------------------------------------------- */

static size_t quoted_end(slice told, size_t at)
{
	for (at++; at < told.size && told.at[at] != '"'; at++)
		at += told.at[at] == '\\';
	return at + 1;
}

static size_t literal_end(slice told, size_t at)
{
	slice line = slice_from(told, at);
	size_t end = slice_find(line, '\n');
	uint64_t size;

	if (!slice_number(slice_until(slice_from(line, 1), slice_find(line, '}') - 1), &size) ||
		size > line.size - end)
		return told.size;
	return at + end + 1 + (size_t)size;
}

/* Behind a string, a number or NIL. */
static size_t word_end(slice told, size_t at)
{
	if (told.at[at] == '"')
		return quoted_end(told, at);
	if (told.at[at] == '{')
		return literal_end(told, at);
	while (at < told.size && told.at[at] != ' ' && told.at[at] != ')')
		at++;
	return at;
}

/* Behind a word or a list. */
static size_t value_end(slice told, size_t at)
{
	int depth = 0;

	while (at < told.size) {
		char c = told.at[at];

		depth += c == '(' ? 1 : c == ')' ? -1 : 0;
		at = c == '(' || c == ')' || c == ' ' ? at + 1 : word_end(told, at);
		if (depth <= 0)
			break;
	}
	return at;
}

static size_t values_end(slice told, size_t at, int n)
{
	while (n-- > 0)
		at = value_end(told, at + 1);
	return at;
}

/* Of a part: parameters follow the type, and the seventh value is a number. Lists of strings and envelopes that begin with
   the same words have others there. */
static bool is_global(slice told, size_t at)
{
	const slice begin = S("(\"message\" \"global\" ");

	if (!slice_starts(slice_from(told, at), begin) || at + begin.size >= told.size ||
		told.at[at + begin.size] == '"' || told.at[at + begin.size] == '{')
		return false;
	size_t seventh = values_end(told, at, 6) + 1;
	return seventh < told.size && told.at[seventh] >= '0' && told.at[seventh] <= '9';
}

void structure_add_rev1(text *out, slice told)
{
	size_t added = 0, at = slice_search(told, S("\"message\" \"global\""));

	if (at < told.size)
		at = 0;
	while (at < told.size) {
		char c = told.at[at];

		if (c == '(' && is_global(told, at)) {
			at = values_end(told, at, 7); /* up to the size; then: */
			text_add(out, slice_until(slice_from(told, added), at - added));
			added = at = values_end(told, at, 3); /* envelope, body, lines */
		} else {
			at = c == '(' || c == ')' || c == ' ' ? at + 1 : word_end(told, at);
		}
	}
	text_add(out, slice_from(told, added));
}

/* --- Packing
   ----------------------------------------------------------------------------------- */

#define PART_MULTIPART 1u
#define PART_MESSAGE 2u
#define PART_TEXT 4u

static unsigned flags_of(const mime_part *p)
{
	return (is_multipart(p) ? PART_MULTIPART : 0) |
	       (is_message(p) && !p->opaque ? PART_MESSAGE : 0) |
	       (slice_same(p->type, S("text")) ? PART_TEXT : 0);
}

static void part_pack(text *out, const mime_part *p)
{
	pack_number(out, p->parent == MIME_NO_PARENT ? 0 : (uint64_t)p->parent + 1);
	pack_number(out, flags_of(p));
	pack_number(out, p->header_at);
	pack_number(out, p->header_size);
	pack_number(out, p->body_size);
	pack_number(out, p->lines);
	pack_number(out, p->transfer);
	pack_string(out, p->type);
	pack_string(out, p->subtype);
	pack_string(out, p->charset);
}

slice structure_pack(const mime_table *table, arena *a)
{
	arena scratch = ARENA_INIT;
	text told = TEXT_INIT, out = TEXT_INIT;
	struct teller t = {.table = table, .a = &scratch, .out = &told};
	slice packed;

	children_link(&t);
	pack_number(&out, VERSION);
	for (int extended = 0; extended < 2; extended++) {
		t.extended = extended;
		text_clear(&told);
		part_tell(&t, 0);
		pack_string(&out, text_slice(&told));
	}
	pack_number(&out, table->count);
	for (size_t i = 0; i < table->count; i++)
		part_pack(&out, &table->part[i]);
	packed = arena_copy(a, text_slice(&out));
	text_free(&told);
	text_free(&out);
	arena_release(&scratch);
	return packed;
}

static status texts_unpack(unpack *u, slice *body, slice *bodystructure)
{
	bool same = unpack_number(u) == VERSION;
	slice first = unpack_string(u), second = unpack_string(u);

	if (!same || u->broken)
		return ST_INVALID;
	*body = first;
	*bodystructure = second;
	return ST_OK;
}

status structure_unpack_texts(slice packed, slice *body, slice *bodystructure)
{
	unpack u = {.rest = packed};

	return texts_unpack(&u, body, bodystructure);
}

static status part_unpack(unpack *u, structure_part *all, size_t index)
{
	uint64_t parent = unpack_number(u), flags = unpack_number(u);
	structure_part p = {
		.parent = parent ? (uint32_t)(parent - 1) : MIME_NO_PARENT,
		.multipart = flags & PART_MULTIPART,
		.message = flags & PART_MESSAGE,
		.text = flags & PART_TEXT,
	};
	uint64_t transfer;

	p.header_at = unpack_number(u);
	p.header_size = unpack_number(u);
	p.body_at = p.header_at + p.header_size;
	p.body_size = unpack_number(u);
	p.lines = unpack_number(u);
	transfer = unpack_number(u);
	p.transfer = (enum transfer_kind)transfer;
	p.type = unpack_string(u);
	p.subtype = unpack_string(u);
	p.charset = unpack_string(u);
	/* A tree by construction: whoever walks it may rely on that. */
	if (u->broken || transfer > TRANSFER_UNKNOWN || (index == 0) != (parent == 0) ||
		parent > index)
		return ST_INVALID;
	all[index] = p;
	if (parent)
		all[parent - 1].children++;
	return ST_OK;
}

status structure_unpack(slice packed, arena *a, structure *out)
{
	unpack u = {.rest = packed};
	slice body, bodystructure;
	structure s = {0};
	uint64_t count;

	TRY(texts_unpack(&u, &body, &bodystructure));
	count = unpack_number(&u);
	if (u.broken || count == 0 || count > MIME_PARTS_MOST)
		return ST_INVALID;
	s.part = arena_new_array(a, count, sizeof *s.part);
	for (; s.count < count; s.count++)
		TRY(part_unpack(&u, s.part, s.count));
	if (u.rest.size > 0)
		return ST_INVALID;
	*out = s;
	return ST_OK;
}

/* --- Sections
   ---------------------------------------------------------------------------------- */

/* The k-th child from 1; s->count when there is none. */
static size_t child_of(const structure *s, size_t parent, uint32_t k)
{
	for (size_t i = parent + 1; k > 0 && i < s->count; i++)
		if (s->part[i].parent == parent && --k == 0)
			return i;
	return s->count;
}

size_t structure_inner(const structure *s, size_t index)
{
	return child_of(s, index, 1);
}

bool structure_find(const structure *s, const uint32_t *number, size_t n, size_t *index)
{
	size_t at = 0;
	bool numbered =
		false; /* `at` was reached by a number; else it is a message seen as a whole */

	for (size_t i = 0; i < n; i++) {
		const structure_part *p = &s->part[at];

		if (numbered && p->message) {
			at = structure_inner(s, at);
			if (at == s->count)
				return false;
			p = &s->part[at];
		} else if (numbered && !p->multipart) {
			return false;
		}
		if (p->multipart && p->children)
			at = child_of(s, at, number[i]);
		else if (number[i] != 1) /* a body without parts is part 1 */
			return false;
		else if (p->multipart && i + 1 < n)
			return false;
		if (at == s->count)
			return false;
		numbered = true;
	}
	*index = at;
	return true;
}
