/* Reading scripts; the contract stands in script.h. */
#include "script.h"

#include "base/encode.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- lines */

static bool read_file(const char *path, text *all)
{
	char piece[4096];
	size_t n;
	FILE *f = fopen(path, "rb");

	if (!f) {
		perror(path);
		return false;
	}
	while ((n = fread(piece, 1, sizeof piece, f)) > 0)
		text_add(all, slice_of(piece, n));
	fclose(f);
	return true;
}

static bool is_talk(slice s)
{
	return s.size >= 2 && s.at[0] >= 'A' && s.at[0] <= 'Z' &&
	       (s.at[1] == '>' || s.at[1] == '<');
}

/* Where the answer begins in a line that holds both: a blank, a capital, `<`, a blank. */
static size_t second_part(slice s)
{
	for (size_t i = 2; i + 2 < s.size; i++)
		if (s.at[i + 1] == '<' && s.at[i] >= 'A' && s.at[i] <= 'Z' && s.at[i + 2] == ' ' &&
			(s.at[i - 1] == ' ' || s.at[i - 1] == '\t'))
			return i;
	return s.size;
}

static void add_line(struct script *s, int number, slice part)
{
	struct line *l = &s->lines[s->n++];

	*l = (struct line){.number = number, .text = part};
	if (!is_talk(part))
		return;
	l->who = part.at[0];
	l->kind = part.at[1] == '<' ? LINE_HEAR : LINE_SAY;
	l->text = slice_from(part, 2);
	if (l->kind == LINE_SAY && slice_starts(l->text, S(">"))) {
		l->kind = LINE_SAY_RAW;
		l->text = slice_from(l->text, 1);
	}
	if (slice_starts(l->text, S(" ")))
		l->text = slice_from(l->text, 1);
}

bool script_read(const char *path, struct script *out)
{
	text all = TEXT_INIT;
	slice rest, one;
	int number = 0;

	*out = (struct script){.path = path};
	if (!read_file(path, &all))
		return false;
	rest = arena_copy(&out->a, text_slice(&all));
	text_free(&all);
	out->lines = arena_new_array(&out->a, 2 * rest.size + 2, sizeof *out->lines);
	while (slice_take(&rest, '\n', &one)) {
		number++;
		one = slice_trim(one);
		if (one.size == 0 || *one.at == '#')
			continue;
		size_t cut = is_talk(one) && one.at[1] == '>' ? second_part(one) : one.size;
		add_line(out, number, slice_trim(slice_until(one, cut)));
		if (cut < one.size)
			add_line(out, number, slice_from(one, cut));
	}
	return true;
}

void script_close(struct script *s)
{
	arena_release(&s->a);
}

/* ---- escapes */

static int hex_digit(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

/* By doubling what is there: texts of a megabyte are written as one octet and a number. */
static void add_times(text *out, slice bytes, uint64_t times)
{
	size_t start = out->size;

	if (times > 0)
		text_add(out, bytes);
	for (uint64_t n = 1, more; n < times; n += more) {
		more = n < times - n ? n : times - n;
		text_reserve(out, more * bytes.size);
		text_add(out, slice_of(out->at + start, more * bytes.size));
	}
}

/* \{998:text} repeats, \{base64:text} encodes; the text's own escapes come first. */
static slice take_braces(slice rest, const struct variables *v, arena *a, text *out)
{
	size_t end = slice_find(rest, '}'), colon = slice_find(rest, ':');
	uint64_t times;

	if (colon >= end)
		return rest;
	slice what = slice_until(rest, colon);
	slice bytes = script_bytes(slice_from(slice_until(rest, end), colon + 1), v, a);
	if (slice_same(what, S("base64")))
		text_add(out, base64_encode(bytes, a));
	else if (slice_number(what, &times))
		add_times(out, bytes, times);
	return slice_from(rest, end + 1);
}

/* One escape behind its backslash; gives what follows it. */
static slice take_escape(slice rest, const struct variables *v, arena *a, text *out)
{
	static const char names[] = "rnt0", bytes[] = "\r\n\t\0";
	char c = rest.size ? *rest.at : '\\';
	const char *known = c ? strchr(names, c) : NULL;

	rest = slice_from(rest, 1);
	if (c == '{')
		return take_braces(rest, v, a, out);
	if (c == 'x' && rest.size >= 2) {
		text_add_char(out, (char)(hex_digit(rest.at[0]) * 16 + hex_digit(rest.at[1])));
		return slice_from(rest, 2);
	}
	text_add_char(out, known ? bytes[known - names] : c);
	return rest;
}

static slice name_at(slice rest)
{
	size_t n = 0;
	while (n < rest.size && islower((unsigned char)rest.at[n]))
		n++;
	return slice_until(rest, n);
}

static const struct variable *find(const struct variables *v, slice name)
{
	for (int i = 0; i < v->n; i++)
		if (slice_same(v->rows[i].name, name))
			return &v->rows[i];
	return NULL;
}

slice script_bytes(slice written, const struct variables *v, arena *a)
{
	text out = TEXT_INIT;

	while (written.size) {
		char c = *written.at;
		slice name = c == '$' ? name_at(slice_from(written, 1)) : (slice){0};
		const struct variable *bound = name.size ? find(v, name) : NULL;
		written = slice_from(written, 1);
		if (c == '\\') {
			written = take_escape(written, v, a, &out);
		} else if (bound) {
			text_add(&out, bound->value);
			written = slice_from(written, name.size);
		} else {
			text_add_char(&out, c);
		}
	}
	slice bytes = arena_copy(a, text_slice(&out));
	text_free(&out);
	return bytes;
}

/* ---- patterns */

static bool is_word(char c)
{
	return c && (isalnum((unsigned char)c) || strchr("+/=_-.@", c));
}

static bool match_variable(slice name, slice rest, slice got, struct variables *v)
{
	const struct variable *bound = find(v, name);
	size_t n = 0;

	if (bound)
		return slice_starts(got, bound->value) &&
		       script_match(rest, slice_from(got, bound->value.size), v);
	while (n < got.size && is_word(got.at[n]))
		n++;
	if (n == 0 || v->n == (int)(sizeof v->rows / sizeof *v->rows))
		return false;
	v->rows[v->n++] = (struct variable){name, arena_copy(v->a, slice_until(got, n))};
	return script_match(rest, slice_from(got, n), v);
}

static bool match_escape(slice rest, slice got, struct variables *v)
{
	text bytes = TEXT_INIT;
	arena a = ARENA_INIT;

	rest = take_escape(rest, v, &a, &bytes);
	slice meant = text_slice(&bytes);
	bool same = slice_starts(got, meant) && script_match(rest, slice_from(got, meant.size), v);
	text_free(&bytes);
	arena_release(&a);
	return same;
}

bool script_match(slice pattern, slice got, struct variables *v)
{
	while (pattern.size) {
		char c = *pattern.at;
		slice rest = slice_from(pattern, 1), name = c == '$' ? name_at(rest) : (slice){0};
		if (name.size)
			return match_variable(name, slice_from(rest, name.size), got, v);
		if (c == '\\')
			return match_escape(rest, got, v);
		if (c == '*') {
			if (rest.size == 0)
				return true;
			for (size_t i = 0; i <= got.size; i++)
				if (script_match(rest, slice_from(got, i), v))
					return true;
			return false;
		}
		if (got.size == 0 || *got.at != c)
			return false;
		got = slice_from(got, 1);
		pattern = rest;
	}
	return got.size == 0;
}

/* ---- sentences */

bool script_word(slice *rest, arena *a, slice *word, bool *comma)
{
	static const struct variables none;
	slice s = slice_trim(*rest);
	size_t end = 1;

	*comma = false;
	if (s.size == 0)
		return false;
	if (*s.at == '"') {
		while (end < s.size && s.at[end] != '"')
			end += s.at[end] == '\\' && end + 1 < s.size ? 2 : 1;
		*word = script_bytes(slice_from(slice_until(s, end), 1), &none, a);
		end++;
	} else {
		while (end < s.size && s.at[end] != ' ' && s.at[end] != ',')
			end++;
		*word = slice_until(s, end);
	}
	s = slice_from(s, end);
	if (slice_starts(s, S(","))) {
		*comma = true;
		s = slice_from(s, 1);
	}
	*rest = slice_trim(s);
	return true;
}
