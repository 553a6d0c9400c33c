/* Editing a header; see milter_header.h. */
#include "mail/milter_header.h"

#include "base/utf8.h"

#define LINE_MOST 998
#define NAME_MOST 900

static void place(milter_header *h, size_t at, const header_field *f)
{
	if (h->count == h->room) {
		size_t room = h->room ? 2 * h->room : 64;
		header_field *grown = arena_new_array(h->a, room, sizeof *grown);

		if (h->count)
			memcpy(grown, h->field, h->count * sizeof *grown);
		h->field = grown;
		h->room = room;
	}
	memmove(h->field + at + 1, h->field + at, (h->count - at) * sizeof *f);
	h->field[at] = *f;
	h->count++;
}

status milter_header_open(milter_header *h, slice block, arena *a)
{
	header_walk w = header_walk_of(block);
	header_field f;
	size_t seen = 0;

	*h = (milter_header){.a = a};
	while (header_next(&w, &f)) {
		if (h->count == MILTER_FIELDS_MOST)
			return ST_LIMITED;
		place(h, h->count, &f);
		seen += f.raw.size;
	}
	h->empty_line = seen < block.size;
	return ST_OK;
}

/* ---- new fields */

static bool is_name(slice name)
{
	for (size_t i = 0; i < name.size; i++)
		if (name.at[i] < 33 || name.at[i] > 126 || name.at[i] == ':')
			return false;
	return name.size > 0 && name.size <= NAME_MOST;
}

static bool is_blank(slice line)
{
	for (size_t i = 0; i < line.size; i++)
		if (line.at[i] != ' ' && line.at[i] != '\t')
			return false;
	return true;
}

/* A line longer than allowed goes on in the next, at a blank where there is one. *size: of the
   present line. */
static void add_line(text *to, slice line, size_t *size)
{
	while (*size + line.size > LINE_MOST) {
		size_t most = LINE_MOST - *size;
		slice head = slice_until(line, most);
		size_t cut = slice_find_last(head, ' ');

		if (cut == head.size || is_blank(slice_until(head, cut)))
			cut = utf8_until(line, most).size; /* RFC 6532 */
		text_add(to, slice_until(line, cut));
		text_add_z(to, "\r\n ");
		line = slice_from(line, cut < line.size && line.at[cut] == ' ' ? cut + 1 : cut);
		*size = 1;
	}
	text_add(to, line);
	*size += line.size;
}

/* Without what no header may hold, and without blanks at its end. */
static slice clean(slice line, arena *a)
{
	char *to = arena_new(a, line.size + 1);
	size_t n = 0;

	for (size_t i = 0; i < line.size; i++)
		if ((uint8_t)line.at[i] >= ' ' ? line.at[i] != 0x7f : line.at[i] == '\t')
			to[n++] = line.at[i];
	while (n > 0 && (to[n - 1] == ' ' || to[n - 1] == '\t'))
		n--;
	return slice_of(to, n);
}

/* Every line of the value but the first begins with a blank, and none is of blanks alone: a second
   field, or the end of the header, is not to be had this way. */
static slice written(milter_header *h, slice name, slice value, bool leading)
{
	text all = TEXT_INIT;
	slice line;
	bool first = true;
	size_t size = name.size + 1;

	text_add(&all, name);
	text_add_char(&all, ':');
	if (!leading) {
		text_add_char(&all, ' ');
		size++;
	}
	while (slice_take(&value, '\n', &line)) {
		line = clean(line, h->a);
		if (!first && line.size == 0)
			continue;
		if (!first) {
			text_add_z(&all, "\r\n");
			size = 0;
			if (*line.at != ' ' && *line.at != '\t') {
				text_add_char(&all, ' ');
				size = 1;
			}
		}
		add_line(&all, line, &size);
		first = false;
	}
	text_add_z(&all, "\r\n");
	slice raw = arena_copy(h->a, text_slice(&all));
	text_free(&all);
	return raw;
}

static status make(milter_header *h, slice name, slice value, bool leading, header_field *out)
{
	if (!is_name(name))
		return ST_INVALID;
	if (name.size + value.size > MILTER_ADDED_MOST - h->added)
		return ST_TOO_BIG;
	slice raw = written(h, name, value, leading);
	header_walk w = header_walk_of(raw);
	header_next(&w, out);
	h->added += name.size + value.size;
	for (size_t i = 0; i < raw.size; i++)
		h->eight_bit |= (raw.at[i] & 0x80) != 0;
	return ST_OK;
}

static status put(milter_header *h, size_t at, slice name, slice value, bool leading)
{
	header_field f;

	if (h->count == MILTER_FIELDS_MOST)
		return ST_LIMITED;
	TRY(make(h, name, value, leading, &f));
	place(h, at, &f);
	return ST_OK;
}

/* ---- edits */

status milter_header_add(milter_header *h, slice name, slice value, bool leading)
{
	return put(h, h->count, name, value, leading);
}

status milter_header_insert(milter_header *h, uint32_t index, slice name, slice value, bool leading)
{
	size_t at = index > 0 ? index - 1 : 0;

	return put(h, at < h->count ? at : h->count, name, value, leading);
}

static size_t find(const milter_header *h, uint32_t index, slice name)
{
	for (size_t i = 0; i < h->count; i++)
		if (!h->field[i].broken && slice_same_nocase(h->field[i].name, name) &&
			(index <= 1 || --index == 0))
			return i;
	return h->count;
}

status milter_header_change(milter_header *h, uint32_t index, slice name, slice value, bool leading)
{
	size_t at = find(h, index, name);

	if (value.size == 0) {
		if (at < h->count) {
			memmove(h->field + at, h->field + at + 1,
				(h->count - at - 1) * sizeof *h->field);
			h->count--;
		}
		return ST_OK;
	}
	return at == h->count ? put(h, at, name, value, leading)
			      : make(h, name, value, leading, &h->field[at]);
}

/* ---- the whole */

/* The last line of a message without a body may have no end. */
static bool is_open(slice raw)
{
	return raw.at[raw.size - 1] != '\n';
}

slice milter_header_text(milter_header *h, bool body)
{
	bool ends = h->empty_line || body;
	size_t size = 2, at = 0;

	for (size_t i = 0; i < h->count; i++)
		size += h->field[i].raw.size + 2;
	char *to = arena_new(h->a, size);
	for (size_t i = 0; i < h->count; i++) {
		slice raw = h->field[i].raw;

		memcpy(to + at, raw.at, raw.size);
		at += raw.size;
		if (is_open(raw) && (ends || i + 1 < h->count)) {
			memcpy(to + at, "\r\n", 2);
			at += 2;
		}
	}
	if (ends) {
		memcpy(to + at, "\r\n", 2);
		at += 2;
	}
	return slice_of(to, at);
}
