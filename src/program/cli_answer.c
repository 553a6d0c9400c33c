/* Printing answers: as JSON, or made of the same JSON for people. */
#include "program/cli_answer.h"

#include "base/id.h"
#include "base/utf8.h"
#include "mail/date.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

json_t *json_slice(slice s)
{
	if (utf8_valid(s))
		return json_stringn(s.at ? s.at : "", s.size);
	text repaired = TEXT_INIT;
	utf8_add_repaired(&repaired, s);
	json_t *value = json_stringn(repaired.at, repaired.size);
	text_free(&repaired);
	return value;
}

slice cli_time(usec wall, arena *a)
{
	return date_stamp(wall, a);
}

json_t *json_time(usec wall)
{
	if (wall == 0)
		return json_null();
	arena a = ARENA_INIT;
	json_t *value = json_slice(cli_time(wall, &a));
	arena_release(&a);
	return value;
}

json_t *json_id(int64_t id)
{
	char written[ID_TEXT_SIZE + 1];
	if (id == 0)
		return json_null();
	id_text(id, written);
	return json_string(written);
}

/* Characters that would draw outside their place: controls, line separators, changes of
   direction. */
static bool moves_cursor(uint32_t point)
{
	return point < 0x20 || (point >= 0x7f && point < 0xa0) ||
	       (point >= 0x2028 && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069);
}

slice cli_one_line(slice s, arena *a)
{
	text t = TEXT_INIT;
	for (slice rest = slice_trim(s), line; slice_take(&rest, '\n', &line);)
		text_format(&t, "%s%.*s", t.size ? " " : "", SLICE_ARGS(slice_trim(line)));
	slice all = arena_copy(a, text_slice(&t));
	text_free(&t);
	return all;
}

void cli_shown(slice s, text *t)
{
	uint32_t point;
	for (size_t taken; s.size > 0; s = slice_from(s, taken)) {
		taken = utf8_take(s, &point);
		if (taken == 0) {
			taken = 1;
			point = 0xfffd;
		}
		utf8_add(t, moves_cursor(point) ? '?' : point);
	}
}

/* Three digits are enough for people. */
static void add_size(int64_t bytes, text *t)
{
	static const char *const units[] = {"B", "KB", "MB", "GB", "TB", "PB"};
	double n = (double)bytes;
	int unit = 0;
	while (fabs(n) >= 1023.5 && unit < 5) {
		n /= 1024;
		unit++;
	}
	/* Not by floor(), which without optimisation is a call into a library that nothing else needs. */
	bool fraction = fabs(n) < 9.95 && n != (double)(int)n;
	text_format(t, "%.*f %s", fraction ? 1 : 0, n, units[unit]);
}

static void add_cell(const json_t *value, enum cli_show show, text *t)
{
	if (json_is_integer(value) && show == SHOW_SIZE)
		add_size(json_integer_value(value), t);
	else if (json_is_integer(value))
		text_format(t, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else if (json_is_boolean(value))
		text_add_z(t, json_is_true(value) ? "yes" : "no");
	else if (json_is_string(value))
		cli_shown(slice_of(json_string_value(value), json_string_length(value)), t);
	else if (json_is_array(value)) {
		for (size_t i = 0; i < json_array_size(value); i++) {
			if (i > 0)
				text_add_z(t, ", ");
			add_cell(json_array_get(value, i), show, t);
		}
	} else if (json_is_object(value)) {
		char *written = json_dumps(value, JSON_COMPACT);
		cli_shown(slice_z(written), t);
		free(written);
	}
}

static size_t width_of(slice s)
{
	size_t n = 0;
	for (size_t i = 0; i < s.size; i++)
		n += ((unsigned char)s.at[i] & 0xc0) != 0x80;
	return n;
}

static size_t columns_shown(const struct cli_column *columns)
{
	size_t n = 0;
	for (; columns[n].key; n++)
		;
	return n;
}

static void pad(text *t, size_t n)
{
	while (n-- > 0)
		text_add_char(t, ' ');
}

/* Rows of text under their titles; the last column is not filled up. */
static void print_columns(FILE *out, const json_t *rows, const struct cli_column *columns)
{
	size_t n = columns_shown(columns), count = json_array_size(rows), last = 0;
	arena a = ARENA_INIT;
	slice *cell = arena_new_array(&a, (count + 1) * n, sizeof *cell);
	size_t *width = arena_new_array(&a, n, sizeof *width);
	text t = TEXT_INIT;
	for (size_t c = 0; c < n; c++) {
		if (!columns[c].title)
			continue;
		last = c;
		cell[c] = slice_z(columns[c].title);
		width[c] = width_of(cell[c]);
		for (size_t r = 1; r <= count; r++) {
			text_clear(&t);
			add_cell(json_object_get(json_array_get(rows, r - 1), columns[c].key),
				columns[c].show, &t);
			cell[r * n + c] = t.size ? arena_copy(&a, text_slice(&t)) : S("-");
			size_t w = width_of(cell[r * n + c]);
			width[c] = w > width[c] ? w : width[c];
		}
	}
	for (size_t r = 0; r <= count; r++) {
		text_clear(&t);
		for (size_t c = 0; c < n; c++) {
			if (!columns[c].title)
				continue;
			size_t blanks = width[c] - width_of(cell[r * n + c]);
			if (columns[c].show != SHOW_PLAIN)
				pad(&t, blanks);
			text_add(&t, cell[r * n + c]);
			if (c != last)
				pad(&t, columns[c].show == SHOW_PLAIN ? blanks + 2 : 2);
		}
		fprintf(out, "%.*s\n", (int)t.size, t.at);
	}
	text_free(&t);
	arena_release(&a);
}

static void print_json(struct cli *c, json_t *value)
{
	json_dumpf(value, c->out, JSON_INDENT(2) | JSON_ENCODE_ANY);
	fputc('\n', c->out);
}

bool cli_have(const json_t *rows, const char *key)
{
	for (size_t i = 0; i < json_array_size(rows); i++)
		if (json_object_get(json_array_get(rows, i), key))
			return true;
	return false;
}

status cli_rows(struct cli *c, json_t *rows, const struct cli_column *columns, const char *none)
{
	if (c->json)
		print_json(c, rows);
	else if (json_array_size(rows) == 0)
		fprintf(c->out, "%s.\n", none);
	else
		print_columns(c->out, rows, columns);
	json_decref(rows);
	return ST_OK;
}

static bool below(const json_t *value)
{
	return json_is_array(value) && json_is_object(json_array_get(value, 0));
}

status cli_facts(struct cli *c, json_t *facts, const struct cli_column *columns)
{
	if (c->json) {
		print_json(c, facts);
		json_decref(facts);
		return ST_OK;
	}
	size_t width = 0;
	for (const struct cli_column *k = columns; k->key; k++)
		if (k->title && strlen(k->title) > width)
			width = strlen(k->title);
	text t = TEXT_INIT;
	for (const struct cli_column *k = columns; k->key; k++) {
		const json_t *value = json_object_get(facts, k->key);
		if (!k->title || !value || below(value))
			continue;
		text_clear(&t);
		add_cell(value, k->show, &t);
		fprintf(c->out, "%-*s  %s\n", (int)width, k->title, t.size ? t.at : "-");
	}
	text_free(&t);
	json_decref(facts);
	return ST_OK;
}

void cli_below(
	struct cli *c, const char *heading, const json_t *rows, const struct cli_column *columns)
{
	if (c->json || json_array_size(rows) == 0)
		return;
	fprintf(c->out, "\n%s\n", heading);
	print_columns(c->out, rows, columns);
}

status cli_did(struct cli *c, json_t *facts, const char *format, ...)
{
	if (c->json) {
		print_json(c, facts);
	} else {
		va_list args;
		text t = TEXT_INIT, shown = TEXT_INIT;
		va_start(args, format);
		text_format_v(&t, format, args);
		va_end(args);
		cli_shown(text_slice(&t), &shown);
		fprintf(c->out, "%s.\n", shown.at);
		text_free(&t);
		text_free(&shown);
	}
	json_decref(facts);
	return ST_OK;
}

status cli_says(struct cli *c, slice s)
{
	if (c->json) {
		json_t *value = json_pack("{s:o}", "text", json_slice(s));
		print_json(c, value);
		json_decref(value);
	} else {
		fwrite(s.at, 1, s.size, c->out);
	}
	return ST_OK;
}
