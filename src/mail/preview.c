/* Previews: a part is found, decoded as far as it is wanted, and read like a person would glance at
   it. */
#include "mail/preview.h"

#include "base/text.h"
#include "base/utf8.h"
#include "mail/charset.h"
#include "mail/mime.h"

#define READ_MOST ((size_t)16 * 1024) /* octets of the part that are looked at */
#define ENTITY_MOST 10                /* octets of "&entity;" */

/* ---- characters, one after the other */

struct reader {
	slice rest;
	text out;
	int count;
	bool gap; /* white space came since the last character */
};

static bool is_blank(uint32_t point)
{
	return point <= 0x20 || (point >= 0x7f && point <= 0xa0) || point == 0xad ||
	       (point >= 0x2000 && point <= 0x200f) || (point >= 0x2028 && point <= 0x202f) ||
	       (point >= 0x2060 && point <= 0x206f) || point == 0x3000 || point == 0x34f ||
	       point == 0xfeff;
}

static void take(struct reader *r, uint32_t point)
{
	if (is_blank(point)) {
		r->gap = true;
		return;
	}
	if (r->gap && r->count > 0 && r->count < PREVIEW_MOST - 1) {
		text_add_char(&r->out, ' ');
		r->count++;
	}
	r->gap = false;
	utf8_add(&r->out, point);
	r->count++;
}

static void take_next(struct reader *r)
{
	uint32_t point = 0;
	size_t n = utf8_take(r->rest, &point);

	take(r, point);
	r->rest = slice_from(r->rest, n ? n : 1);
}

/* ---- HTML */

static const struct {
	const char *name;
	uint32_t point;
} entities[] = {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''},
	{"nbsp", 0xa0}, {"auml", 0xe4}, {"ouml", 0xf6}, {"uuml", 0xfc}, {"Auml", 0xc4},
	{"Ouml", 0xd6}, {"Uuml", 0xdc}, {"szlig", 0xdf}, {"ndash", 0x2013}, {"mdash", 0x2014},
	{"hellip", 0x2026}, {"rsquo", 0x2019}, {"lsquo", 0x2018}, {"ldquo", 0x201c},
	{"rdquo", 0x201d}, {"euro", 0x20ac}, {"copy", 0xa9}, {"zwnj", 0x200c}, {"zwj", 0x200d},
	{"shy", 0xad}};

static uint32_t hex_number(slice s)
{
	uint32_t n = 0;

	for (size_t i = 0; i < s.size; i++) {
		char low = (char)(s.at[i] | 0x20);

		if (s.at[i] >= '0' && s.at[i] <= '9')
			n = n * 16 + (uint32_t)(s.at[i] - '0');
		else if (low >= 'a' && low <= 'f')
			n = n * 16 + (uint32_t)(low - 'a') + 10;
		else
			return 0;
	}
	return n;
}

/* 0: none that is known. */
static uint32_t entity_point(slice name)
{
	uint64_t number;

	if (name.size > 2 && name.at[0] == '#' && (name.at[1] | 0x20) == 'x')
		return hex_number(slice_from(name, 2));
	if (name.size > 1 && name.at[0] == '#')
		return slice_number(slice_from(name, 1), &number) && number < 0x110000
			       ? (uint32_t)number
			       : 0;
	for (size_t i = 0; i < sizeof entities / sizeof *entities; i++)
		if (slice_same(name, slice_z(entities[i].name)))
			return entities[i].point;
	return 0;
}

static void take_entity(struct reader *r)
{
	slice near = slice_until(slice_from(r->rest, 1), ENTITY_MOST);
	size_t end = slice_find(near, ';');
	uint32_t point = end < near.size ? entity_point(slice_until(near, end)) : 0;

	if (point == 0) {
		take_next(r);
		return;
	}
	take(r, point);
	r->rest = slice_from(r->rest, end + 2);
}

/* Behind `mark`, or at the end. */
static void skip_past(struct reader *r, slice mark)
{
	size_t at = slice_search_nocase(r->rest, mark);

	r->rest = at < r->rest.size ? slice_from(r->rest, at + mark.size) : (slice){0};
}

/* A tag parts words but where it only dresses them; what stands in some is not to be read. */
static void skip_tag(struct reader *r)
{
	static const slice unread[][2] = {{S("<style"), S("</style")},
		{S("<script"), S("</script")}, {S("<title"), S("</title")}};
	static const slice dress[] = {S("<b>"), S("</b>"), S("<i>"), S("</i>"), S("<span"),
		S("</span"), S("<font"), S("</font"), S("<a "), S("</a>"), S("<em>"), S("</em>"),
		S("<strong>"), S("</strong>"), S("<u>"), S("</u>")};
	bool parts = true;

	if (slice_starts(r->rest, S("<!--"))) {
		skip_past(r, S("-->"));
		return;
	}
	for (size_t i = 0; i < sizeof dress / sizeof *dress; i++)
		parts = parts && !slice_starts_nocase(r->rest, dress[i]);
	r->gap = r->gap || parts;
	for (size_t i = 0; i < sizeof unread / sizeof *unread; i++)
		if (slice_starts_nocase(r->rest, unread[i][0])) {
			skip_past(r, unread[i][1]);
			break;
		}
	skip_past(r, S(">"));
}

static void read_html(struct reader *r)
{
	while (r->rest.size > 0 && r->count < PREVIEW_MOST)
		if (r->rest.at[0] == '<')
			skip_tag(r);
		else if (r->rest.at[0] == '&')
			take_entity(r);
		else
			take_next(r);
}

/* ---- plain text: lines that quote another message are passed over */

static void read_plain(struct reader *r)
{
	bool line_begins = true;

	while (r->rest.size > 0 && r->count < PREVIEW_MOST) {
		if (line_begins && r->rest.at[0] == '>') {
			skip_past(r, S("\n"));
			r->gap = true;
			continue;
		}
		line_begins = r->rest.at[0] == '\n';
		take_next(r);
	}
}

/* ---- the part */

static const mime_part *part_find(const mime_table *t)
{
	const mime_part *html = NULL;

	for (size_t i = 0; i < t->count; i++) {
		const mime_part *p = &t->part[i];

		if (!slice_same(p->type, S("text")) || slice_same(p->disposition, S("attachment")))
			continue;
		if (slice_same(p->subtype, S("plain")))
			return p;
		if (!html && slice_same(p->subtype, S("html")))
			html = p;
	}
	return html;
}

static slice part_text(slice message, const mime_part *p, arena *a)
{
	slice body = slice_until(slice_from(message, (size_t)p->body_at), (size_t)p->body_size),
	      utf8;
	transfer_decoder d = {.kind = p->transfer};
	text plain = TEXT_INIT;

	transfer_decode(&d, slice_until(body, READ_MOST), &plain);
	transfer_decode_end(&d, &plain);
	if (charset_to_utf8(p->charset, text_slice(&plain), a, &utf8) != ST_OK)
		(void)charset_to_utf8(S("us-ascii"), text_slice(&plain), a, &utf8);
	text_free(&plain);
	return utf8;
}

slice preview_make(slice message, arena *a)
{
	arena scratch = ARENA_INIT;
	struct reader r = {.out = TEXT_INIT};
	mime_table t;

	mime_parse(message, &scratch, &t);
	const mime_part *p = part_find(&t);
	if (p) {
		r.rest = part_text(message, p, &scratch);
		if (slice_same(p->subtype, S("html")))
			read_html(&r);
		else
			read_plain(&r);
	}
	slice made = arena_copy(a, text_slice(&r.out));
	text_free(&r.out);
	arena_release(&scratch);
	return made;
}
