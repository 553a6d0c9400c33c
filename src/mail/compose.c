/* Composing: header fields, then the text, then files, each with its own small header. No line of
   quoted-printable or base64 can begin with "--=_", so that boundaries need no search. */
#include "mail/compose.h"

#include "base/utf8.h"
#include "mail/transfer.h"

#define LINE_GOOD 78
#define BOUNDARY_ID_MOST 50

/* True when the text may go out as it is: ASCII, short lines, no controls, nothing that looks like
   one of our boundaries. */
static bool is_plain(slice s)
{
	slice line;

	if (!utf8_is_ascii(s) || slice_search(s, S("--=_")) < s.size)
		return false;
	while (slice_take(&s, '\n', &line)) {
		if (line.size > 0 && line.at[line.size - 1] == '\r')
			line.size--;
		if (line.size > LINE_GOOD)
			return false;
		for (size_t i = 0; i < line.size; i++)
			if (((uint8_t)line.at[i] < 0x20 && line.at[i] != '\t') ||
				line.at[i] == 0x7f)
				return false;
	}
	return true;
}

/* Appends the text with CRLF line ends, the last one included. */
static void add_plain(slice s, text *out)
{
	slice line;

	if (s.size > 0 && s.at[s.size - 1] == '\n')
		s.size--;
	while (slice_take(&s, '\n', &line)) {
		if (line.size > 0 && line.at[line.size - 1] == '\r')
			line.size--;
		text_add(out, line);
		text_add(out, S("\r\n"));
	}
}

static void add_encoded(enum transfer_kind kind, slice s, text *out)
{
	transfer_encoder e = {.kind = kind};

	transfer_encode(&e, s, out);
	transfer_encode_end(&e, out);
	if (out->size > 0 && out->at[out->size - 1] != '\n')
		text_add(out, S("\r\n"));
}

slice compose_boundary(slice message_id, arena *a)
{
	text made = TEXT_INIT;

	text_add(&made, S("=_"));
	for (size_t i = 0; i < message_id.size && made.size < BOUNDARY_ID_MOST; i++) {
		char c = message_id.at[i];
		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
			text_add_char(&made, c);
	}
	slice boundary = arena_copy(a, text_slice(&made));
	text_free(&made);
	return boundary;
}

static void build_optional(header_builder *b, slice name, const header_mailbox *m, size_t n)
{
	if (n > 0)
		header_build_mailboxes(b, name, m, n);
}

static void build_envelope(header_builder *b, const compose *c)
{
	header_build_date(b, S("Date"), c->at);
	header_build_mailboxes(b, S("From"), &c->from, 1);
	build_optional(b, S("Reply-To"), &c->reply_to, c->reply_to.address.size > 0);
	build_optional(b, S("To"), c->to, c->to_count);
	build_optional(b, S("Cc"), c->cc, c->cc_count);
	header_build_text(b, S("Subject"), c->subject);
	header_build_raw(b, S("Message-ID"), c->message_id);
	for (size_t i = 0; i < c->field_count; i++)
		header_build_text(b, c->field[i].name, c->field[i].value);
	header_build_raw(b, S("MIME-Version"), S("1.0"));
}

static void build_text_type(header_builder *b, bool plain)
{
	header_build_parameter(b, S("Content-Type"), S("text/plain"), S("charset"),
		plain ? S("us-ascii") : S("utf-8"));
	header_build_raw(
		b, S("Content-Transfer-Encoding"), plain ? S("7bit") : S("quoted-printable"));
}

static void build_file_type(header_builder *b, const compose_file *f)
{
	slice type = f->type.size > 0 ? f->type : S("application/octet-stream");

	header_build_parameter(b, S("Content-Type"), type, S("name"), f->name);
	header_build_raw(b, S("Content-Transfer-Encoding"), S("base64"));
	header_build_parameter(
		b, S("Content-Disposition"), S("attachment"), S("filename"), f->name);
}

/* Ends the fields of `b` and appends them with the empty line. */
static status add_fields(header_builder *b, arena *a, text *out)
{
	slice fields;

	TRY(header_build_end(b, a, &fields));
	text_add(out, fields);
	text_add(out, S("\r\n"));
	return ST_OK;
}

static void add_boundary(slice boundary, const char *end, text *out)
{
	text_format(out, "--%.*s%s\r\n", SLICE_ARGS(boundary), end);
}

static void add_text(const compose *c, bool plain, text *out)
{
	if (plain)
		add_plain(c->text, out);
	else
		add_encoded(TRANSFER_QUOTED_PRINTABLE, c->text, out);
}

static status add_files(const compose *c, slice boundary, arena *a, text *out)
{
	header_builder b = {.utf8 = c->utf8};

	for (size_t i = 0; i < c->file_count; i++) {
		text_add(out, S("\r\n"));
		add_boundary(boundary, "", out);
		build_file_type(&b, &c->file[i]);
		TRY(add_fields(&b, a, out));
		add_encoded(TRANSFER_BASE64, c->file[i].content, out);
	}
	return ST_OK;
}

static status add_all(const compose *c, arena *a, text *out)
{
	header_builder b = {.utf8 = c->utf8};
	slice boundary = compose_boundary(c->message_id, a);
	bool plain = is_plain(c->text);

	build_envelope(&b, c);
	if (c->file_count == 0) {
		build_text_type(&b, plain);
		TRY(add_fields(&b, a, out));
		add_text(c, plain, out);
		return ST_OK;
	}
	header_build_parameter(
		&b, S("Content-Type"), S("multipart/mixed"), S("boundary"), boundary);
	TRY(add_fields(&b, a, out));
	add_boundary(boundary, "", out);
	build_text_type(&b, plain);
	TRY(add_fields(&b, a, out));
	add_text(c, plain, out);
	TRY(add_files(c, boundary, a, out));
	text_add(out, S("\r\n"));
	add_boundary(boundary, "--", out);
	return ST_OK;
}

status compose_message(const compose *c, arena *a, slice *message)
{
	text out = TEXT_INIT;
	status kind = utf8_valid(c->text) ? add_all(c, a, &out) : ST_INVALID;

	if (kind == ST_OK)
		*message = arena_copy(a, text_slice(&out));
	text_free(&out);
	return kind;
}
