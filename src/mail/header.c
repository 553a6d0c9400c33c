/* Walking over header blocks. Each byte is looked at by memchr once per walk; nothing is copied
   but values that were folded. */
#include "mail/header.h"

/* Takes one line, its end included. */
static slice take_line(slice *rest)
{
	size_t lf = slice_find(*rest, '\n');
	slice line = slice_until(*rest, lf + 1);

	*rest = slice_from(*rest, line.size);
	return line;
}

static slice without_end(slice line)
{
	if (line.size > 0 && line.at[line.size - 1] == '\n') {
		line.size--;
		if (line.size > 0 && line.at[line.size - 1] == '\r')
			line.size--;
	}
	return line;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Sets name and value of a field whose raw text is known. */
static void field_split(header_field *f)
{
	size_t colon = slice_find(f->raw, ':');
	slice name = slice_until(f->raw, colon);

	while (name.size > 0 && is_blank(name.at[name.size - 1]))
		name.size--;
	f->broken = colon == f->raw.size || name.size == 0;
	for (size_t i = 0; i < name.size && !f->broken; i++)
		f->broken = name.at[i] < 33 || name.at[i] > 126;
	if (!f->broken)
		f->name = name;
	f->value = without_end(f->broken ? f->raw : slice_from(f->raw, colon + 1));
}

bool header_next(header_walk *w, header_field *out)
{
	slice start = w->rest;
	slice line = take_line(&w->rest);

	if (without_end(line).size == 0)
		return false;
	while (w->rest.size > 0 && is_blank(w->rest.at[0]))
		take_line(&w->rest);
	*out = (header_field){.raw = slice_until(start, start.size - w->rest.size)};
	field_split(out);
	return true;
}

bool header_next_named(header_walk *w, slice name, header_field *out)
{
	header_field f;

	while (header_next(w, &f)) {
		if (!f.broken && slice_same_nocase(f.name, name)) {
			*out = f;
			return true;
		}
	}
	return false;
}

bool header_find(slice block, slice name, header_field *out)
{
	header_walk w = header_walk_of(block);

	return header_next_named(&w, name, out);
}

size_t header_count(slice block, slice name)
{
	header_walk w = header_walk_of(block);
	header_field f;
	size_t n = 0;

	while (header_next_named(&w, name, &f))
		n++;
	return n;
}

size_t header_size(slice message)
{
	slice rest = message;

	while (rest.size > 0)
		if (without_end(take_line(&rest)).size == 0)
			break;
	return message.size - rest.size;
}

slice header_behind_comments(slice value)
{
	size_t depth = 0, i = 0;

	for (; i < value.size; i++) {
		char c = value.at[i];
		if (c == '(')
			depth++;
		else if (depth > 0 && c == '\\' && i + 1 < value.size)
			i++;
		else if (depth > 0 && c == ')')
			depth--;
		else if (depth == 0 && !is_blank(c) && c != '\r' && c != '\n')
			break;
	}
	return slice_from(value, i);
}

slice header_unfold(slice value, arena *a)
{
	value = slice_trim(slice_until(value, HEADER_VALUE_MOST));
	if (slice_find(value, '\n') == value.size && slice_find(value, '\r') == value.size)
		return value;
	char *to = arena_new(a, value.size + 1);
	size_t n = 0;
	for (size_t i = 0; i < value.size; i++)
		if (value.at[i] != '\r' && value.at[i] != '\n')
			to[n++] = value.at[i];
	return slice_of(to, n);
}

/* --- Survey
   ------------------------------------------------------------------------------------ */

/* One row: where the count of a field is kept, and where its first value, if at all. */
#define NOWHERE SIZE_MAX
#define COUNT(name, member)                                                                        \
	{                                                                                          \
		S(name), offsetof(header_survey, member), NOWHERE                                  \
	}
#define FIRST(name, member)                                                                        \
	{                                                                                          \
		S(name), offsetof(header_survey, member), offsetof(header_survey, first_##member)  \
	}

static const struct survey_row {
	slice name;
	size_t count;
	size_t first;
} survey_rows[] = {
	COUNT("Received", received),
	FIRST("Date", date),
	FIRST("Message-ID", message_id),
	FIRST("From", from),
	FIRST("Sender", sender),
	FIRST("Subject", subject),
	COUNT("Reply-To", reply_to),
	COUNT("To", to),
	COUNT("Cc", cc),
	COUNT("Bcc", bcc),
	COUNT("Return-Path", return_path),
	COUNT("Delivered-To", delivered_to),
	COUNT("MIME-Version", mime_version),
	COUNT("Content-Type", content_type),
};

static void survey_field(header_survey *out, const header_field *f)
{
	for (size_t i = 0; i < sizeof survey_rows / sizeof *survey_rows; i++) {
		const struct survey_row *row = &survey_rows[i];
		if (!slice_same_nocase(f->name, row->name))
			continue;
		size_t *count = (size_t *)(void *)((char *)out + row->count);
		if ((*count)++ == 0 && row->first != NOWHERE)
			*(slice *)(void *)((char *)out + row->first) = f->value;
		return;
	}
}

void header_look(slice block, header_survey *out)
{
	header_walk w = header_walk_of(block);
	header_field f;

	*out = (header_survey){0};
	while (header_next(&w, &f)) {
		out->fields++;
		out->broken += f.broken;
		for (slice lines = f.raw; lines.size > 0;) {
			size_t size = without_end(take_line(&lines)).size;
			if (size > out->longest_line)
				out->longest_line = size;
		}
		survey_field(out, &f);
	}
}
