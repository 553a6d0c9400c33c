/* Content-Type and its kin. First the pieces are gathered as they stand, then sorted once by name
   and number, then joined in one walk. */
#include "mail/content.h"

#include "base/encode.h"
#include "base/text.h"
#include "base/utf8.h"
#include "mail/charset.h"
#include "mail/header.h"
#include "mail/word.h"

#include <stdlib.h>

#define SECTION_MOST 100000
#define CHARSET_NAME_MOST 64

/* One parameter as written. */
struct piece {
	slice name;   /* lower-case, without marks */
	slice marked; /* with them */
	slice value;  /* without quotes and escapes */
	int section;  /* of a continuation, -1 for a whole value */
	bool encoded; /* there was a '*' at the end of the name */
	size_t order;
};

/* --- Words
   ------------------------------------------------------------------------------------- */

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_token_char(char c)
{
	return (uint8_t)c > 0x20 && c != 0x7f && !strchr("()<>@,;:\\\"/[]?=", c);
}

static slice take_token(slice *rest, arena *a)
{
	size_t n = 0;

	*rest = header_behind_comments(*rest);
	while (n < rest->size && is_token_char(rest->at[n]))
		n++;
	slice token = arena_lower(a, slice_until(*rest, n));
	*rest = slice_from(*rest, n);
	return token;
}

/* Comments before the mark are gone even when it is not there, so that none is walked twice. */
static bool take_mark(slice *rest, char mark)
{
	*rest = header_behind_comments(*rest);
	if (rest->size == 0 || rest->at[0] != mark)
		return false;
	*rest = slice_from(*rest, 1);
	return true;
}

slice content_word(slice value)
{
	size_t n = 0;

	value = header_behind_comments(value);
	while (n < value.size && !is_space(value.at[n]) && value.at[n] != '(')
		n++;
	return slice_until(value, n);
}

/* --- Pieces
   ------------------------------------------------------------------------------------ */

/* A quoted string at the start of *rest, without escapes and line ends. */
static slice take_quoted(slice *rest, arena *a, bool *broken)
{
	slice s = slice_from(*rest, 1);
	size_t end = 0, n = 0;

	while (end < s.size && s.at[end] != '"')
		end += s.at[end] == '\\' && end + 1 < s.size ? 2 : 1;
	*broken = *broken || end >= s.size;
	*rest = slice_from(s, end + 1);
	s = slice_until(s, end);
	char *to = arena_new(a, s.size + 1);
	for (size_t i = 0; i < s.size; i++) {
		if (s.at[i] == '\\' && i + 1 < s.size)
			i++;
		if (s.at[i] != '\r' && s.at[i] != '\n')
			to[n++] = s.at[i];
	}
	return slice_of(to, n);
}

/* A value without quotes reaches to ';', blanks inside included, since file names with blanks come
   unquoted too; a comment behind it is not part of it. */
static slice take_bare(slice *rest)
{
	slice s = slice_until(*rest, slice_find(*rest, ';'));

	*rest = slice_from(*rest, s.size);
	for (size_t i = 1; i < s.size; i++)
		if (s.at[i] == '(' && is_space(s.at[i - 1]))
			s = slice_until(s, i);
	return slice_trim(s);
}

/* Takes apart "name", "name*", "name*2" and "name*2*". */
static void read_marks(struct piece *p)
{
	size_t star = slice_find(p->name, '*');
	slice marks = slice_from(p->name, star + 1);
	uint64_t number;

	p->marked = p->name;
	p->section = -1;
	if (star == p->name.size)
		return;
	p->name = slice_until(p->name, star);
	if (marks.size == 0 || marks.at[marks.size - 1] == '*') {
		p->encoded = true;
		marks = slice_until(marks, marks.size ? marks.size - 1 : 0);
	}
	if (slice_number(marks, &number) && number < SECTION_MOST)
		p->section = (int)number;
}

/* Reads one "; name=value"; false when there is none, *rest is then behind the next ';'. */
static bool take_piece(slice *rest, arena *a, struct piece *p, bool *broken)
{
	p->name = take_token(rest, a);
	if (p->name.size == 0 || !take_mark(rest, '=')) {
		*broken = *broken || p->name.size > 0 || rest->size > 0;
		*rest = slice_from(*rest, slice_find(*rest, ';'));
		return false;
	}
	*rest = header_behind_comments(*rest);
	bool quoted = rest->size > 0 && rest->at[0] == '"';
	p->value = quoted ? take_quoted(rest, a, broken) : take_bare(rest);
	read_marks(p);
	return true;
}

struct pieces {
	struct piece *at;
	size_t count, room;
};

static void piece_add(struct pieces *all, struct piece p, arena *a)
{
	if (all->count == all->room) {
		size_t room = all->room ? all->room * 2 : 8;
		struct piece *grown = arena_new_array(a, room, sizeof *grown);
		if (all->count > 0)
			memcpy(grown, all->at, all->count * sizeof *grown);
		all->at = grown;
		all->room = room;
	}
	p.order = all->count;
	all->at[all->count++] = p;
}

static void gather(slice rest, arena *a, struct pieces *all, content_value *out)
{
	while (rest.size > 0) {
		struct piece p = {0};

		if (!take_mark(&rest, ';')) { /* something behind a value: on to the next one */
			out->broken = out->broken || rest.size > 0;
			rest = slice_from(rest, slice_find(rest, ';'));
			continue;
		}
		if (!take_piece(&rest, a, &p, &out->broken))
			continue;
		if (all->count == CONTENT_PIECES_MOST) {
			out->truncated = true;
			return;
		}
		piece_add(all, p, a);
	}
}

/* --- Joining
   ----------------------------------------------------------------------------------- */

/* By name; then whole encoded values, then sections by number, then plain ones; then as written. */
static int rank(const struct piece *p)
{
	if (p->section < 0)
		return p->encoded ? 0 : 2;
	return 1;
}

static int piece_order(const void *x, const void *y)
{
	const struct piece *p = x, *q = y;
	int names = slice_order(p->name, q->name);

	if (names != 0)
		return names;
	if (rank(p) != rank(q))
		return rank(p) - rank(q);
	if (p->section != q->section)
		return p->section < q->section ? -1 : 1;
	return p->order < q->order ? -1 : 1;
}

static void add_percent_decoded(text *out, slice s)
{
	for (size_t i = 0; i < s.size; i++) {
		char c = s.at[i];

		if (c == '%' && s.size - i > 2 && hex_value(s.at[i + 1]) >= 0 &&
			hex_value(s.at[i + 2]) >= 0) {
			c = (char)(hex_value(s.at[i + 1]) << 4 | hex_value(s.at[i + 2]));
			i += 2;
		}
		text_add_char(out, c);
	}
}

/* Takes "charset'language'" from the start of an encoded value. */
static slice take_charset(slice *value)
{
	size_t first = slice_find(*value, '\'');
	slice behind = slice_from(*value, first + 1);
	size_t second = slice_find(behind, '\'');

	if (first == value->size || second == behind.size || first > CHARSET_NAME_MOST)
		return (slice){0};
	slice charset = slice_until(*value, first);
	*value = slice_from(behind, second + 1);
	return charset;
}

/* Text of a parameter as people may see it: no controls. */
static slice without_controls(slice s, arena *a)
{
	char *to = arena_z(a, s);

	for (size_t i = 0; i < s.size; i++)
		if ((uint8_t)to[i] < 0x20 || to[i] == 0x7f)
			to[i] = ' ';
	return slice_of(to, s.size);
}

/* Joins the n pieces of one name that belong together. */
static slice join(const struct piece *p, size_t n, arena *a)
{
	text bytes = TEXT_INIT;
	slice charset = {0}, made;
	bool encoded = false;

	for (size_t i = 0; i < n; i++) {
		slice value = p[i].value;
		encoded = encoded || p[i].encoded;
		if (i == 0 && p[i].encoded)
			charset = take_charset(&value);
		if (p[i].encoded)
			add_percent_decoded(&bytes, value);
		else
			text_add(&bytes, value);
	}
	if (!encoded)
		made = word_decode(text_slice(&bytes), a);
	else if (charset_to_utf8(charset, text_slice(&bytes), a, &made) != ST_OK)
		/* unknown: what is ASCII in it can still be read */
		charset_to_utf8(S("utf-8"), text_slice(&bytes), a, &made);
	text_free(&bytes);
	return encoded ? without_controls(made, a) : made;
}

/* How many of the n pieces of one name make its value: one whole one, or *0, *1, ... */
static size_t run_of(const struct piece *p, size_t n)
{
	size_t run = 0;

	if (p[0].section < 0)
		return 1;
	while (run < n && p[run].section == (int)run)
		run++;
	return run;
}

/* The value of one name. Sections that do not start with *0 are worth nothing; a plain value then
   stands behind them in the order. */
static bool resolve(const struct piece *p, size_t n, arena *a, content_parameter *out)
{
	while (n > 0 && run_of(p, n) == 0) {
		p++;
		n--;
	}
	if (n == 0)
		return false;
	*out = (content_parameter){.name = p->name, .value = join(p, run_of(p, n), a)};
	return true;
}

static void join_all(const struct pieces *all, arena *a, content_value *out)
{
	size_t most = all->count < CONTENT_PARAMETERS_MOST ? all->count : CONTENT_PARAMETERS_MOST;

	out->parameter = arena_new_array(a, most, sizeof *out->parameter);
	for (size_t start = 0, end; start < all->count; start = end) {
		for (end = start;
			end < all->count && slice_same(all->at[start].name, all->at[end].name);)
			end++;
		if (out->count == most) {
			out->truncated = true;
			return;
		}
		if (resolve(&all->at[start], end - start, a, &out->parameter[out->count]))
			out->count++;
	}
}

static void parse_pieces(slice value, arena *a, struct pieces *all, content_value *out)
{
	*out = (content_value){0};
	out->type = take_token(&value, a);
	if (take_mark(&value, '/'))
		out->subtype = take_token(&value, a);
	out->broken = out->type.size == 0;
	gather(value, a, all, out);
}

void content_parse(slice value, arena *a, content_value *out)
{
	struct pieces all = {0};

	parse_pieces(value, a, &all, out);
	if (all.count == 0)
		return;
	qsort(all.at, all.count, sizeof *all.at, piece_order);
	join_all(&all, a, out);
}

/* As it may stand in an encoded value (RFC 2231 7: attribute-char). */
static void add_percent_encoded(text *out, slice s)
{
	for (size_t i = 0; i < s.size; i++) {
		char c = s.at[i];

		if (is_token_char(c) && (uint8_t)c < 0x80 && !strchr("*'%", c))
			text_add_char(out, c);
		else
			text_format(out, "%%%02X", (uint8_t)c);
	}
}

/* The n sections of one value as one piece; where any is encoded all of it is. */
static struct piece section_join(const struct piece *p, size_t n, arena *a)
{
	struct piece joined = p[0];
	text value = TEXT_INIT;
	bool encoded = false;

	for (size_t i = 0; i < n; i++)
		encoded = encoded || p[i].encoded;
	if (encoded && !p[0].encoded) /* in no charset that is told */
		text_add(&value, S("''"));
	for (size_t i = 0; i < n; i++) {
		if (encoded && !p[i].encoded)
			add_percent_encoded(&value, p[i].value);
		else
			text_add(&value, p[i].value);
		if (p[i].order < joined.order)
			joined.order = p[i].order;
	}
	joined.value = arena_copy(a, text_slice(&value));
	text_clear(&value);
	text_add(&value, joined.name);
	if (encoded)
		text_add_char(&value, '*');
	joined.marked = arena_copy(a, text_slice(&value));
	text_free(&value);
	return joined;
}

/* All of them, sorted: each run of sections from *0 on becomes one. */
static void sections_join(struct pieces *all, arena *a)
{
	size_t kept = 0;

	for (size_t i = 0, run; i < all->count; i += run) {
		const struct piece *p = &all->at[i];

		run = 1;
		if (p->section == 0 && p->name.size > 0) {
			while (i + run < all->count && p[run].section == (int)run &&
				slice_same(p[run].name, p->name))
				run++;
			all->at[kept++] = section_join(p, run, a);
		} else {
			all->at[kept++] = *p;
		}
	}
	all->count = kept;
}

static int written_order(const void *x, const void *y)
{
	const struct piece *p = x, *q = y;

	return p->order < q->order ? -1 : 1;
}

static void take_as_marked(const struct pieces *all, arena *a, content_value *out)
{
	out->truncated = out->truncated || all->count > CONTENT_PARAMETERS_MOST;
	out->count = all->count < CONTENT_PARAMETERS_MOST ? all->count : CONTENT_PARAMETERS_MOST;
	out->parameter = arena_new_array(a, out->count, sizeof *out->parameter);
	for (size_t i = 0; i < out->count; i++)
		out->parameter[i] = (content_parameter){all->at[i].marked, all->at[i].value};
}

void content_parse_joined(slice value, arena *a, content_value *out)
{
	struct pieces all = {0};

	parse_pieces(value, a, &all, out);
	if (all.count == 0)
		return;
	qsort(all.at, all.count, sizeof *all.at, piece_order);
	sections_join(&all, a);
	qsort(all.at, all.count, sizeof *all.at, written_order);
	take_as_marked(&all, a, out);
}

void content_parse_written(slice value, arena *a, content_value *out)
{
	struct pieces all = {0};

	parse_pieces(value, a, &all, out);
	take_as_marked(&all, a, out);
}

slice content_parameter_of(const content_value *c, slice name)
{
	for (size_t i = 0; i < c->count; i++)
		if (slice_same(c->parameter[i].name, name))
			return c->parameter[i].value;
	return (slice){0};
}
