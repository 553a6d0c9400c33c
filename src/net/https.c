#include "net/https.h"

#include "base/encode.h"

#define LINE_MOST ((size_t)8 * 1024)
#define LINES_MOST 100 /* of a header, and of the fields behind the last chunk */
#define INTERIM_MOST 5 /* answers 1xx that may come first */

struct head {
	int code;
	slice type;
	bool chunked, has_length, encoded;
	uint64_t length;
};

static status line_read(stream *s, slice *line)
{
	enum line_end end;

	return stream_line(s, LINE_MOST, line, &end);
}

/* ---- the head */

/* "HTTP/1.1 200 OK" */
static status take_status(slice line, struct head *h)
{
	uint64_t code;

	if (!slice_starts(line, S("HTTP/1.")) || line.size < 12 || line.at[8] != ' ' ||
		(line.size > 12 && line.at[12] != ' ') ||
		!slice_number(slice_of(line.at + 9, 3), &code) || code < 100 || code > 599)
		return ST_INVALID;
	*h = (struct head){.code = (int)code};
	return ST_OK;
}

static status take_length(slice value, struct head *h)
{
	uint64_t length;

	if (!slice_number(value, &length) || (h->has_length && h->length != length))
		return ST_INVALID;
	h->has_length = true;
	h->length = length;
	return ST_OK;
}

static status take_field(slice line, arena *a, struct head *h)
{
	size_t colon = slice_find(line, ':');
	slice name = slice_until(line, colon), value = slice_trim(slice_from(line, colon + 1));

	if (colon == 0 || colon == line.size || line.at[0] == ' ' || line.at[0] == '\t')
		return ST_INVALID;
	if (slice_same_nocase(name, S("Content-Length")))
		return take_length(value, h);
	if (slice_same_nocase(name, S("Transfer-Encoding"))) {
		bool known = slice_same_nocase(value, S("chunked")) && !h->chunked;

		h->chunked = true;
		return known ? ST_OK : ST_INVALID;
	}
	if (slice_same_nocase(name, S("Content-Encoding")))
		h->encoded = !slice_same_nocase(value, S("identity"));
	else if (slice_same_nocase(name, S("Content-Type")))
		h->type = arena_lower(a, slice_trim(slice_until(value, slice_find(value, ';'))));
	return ST_OK;
}

static status fields_read(stream *s, arena *a, struct head *h)
{
	slice line;

	for (int i = 0; i < LINES_MOST; i++) {
		TRY(line_read(s, &line));
		if (line.size == 0)
			return ST_OK;
		TRY(take_field(line, a, h));
	}
	return ST_TOO_BIG;
}

static status head_read(stream *s, arena *a, struct head *h)
{
	slice line;

	for (int i = 0; i <= INTERIM_MOST; i++) {
		TRY(line_read(s, &line));
		TRY(take_status(line, h));
		TRY(fields_read(s, a, h));
		if (h->code >= 200)
			return ST_OK;
	}
	return ST_INVALID;
}

/* ---- the body */

static status octets_read(stream *s, uint64_t n, text *t)
{
	slice some;

	while (n > 0) {
		TRY(stream_some(s, n < LINE_MOST ? (size_t)n : LINE_MOST, &some));
		text_add(t, some);
		n -= some.size;
	}
	return ST_OK;
}

static status chunk_size(slice line, uint64_t *size)
{
	slice digits = slice_trim(slice_until(line, slice_find(line, ';')));

	*size = 0;
	if (digits.size == 0 || digits.size > 8)
		return ST_INVALID;
	for (size_t i = 0; i < digits.size; i++) {
		int value = hex_value(digits.at[i]);

		if (value < 0)
			return ST_INVALID;
		*size = *size * 16 + (uint64_t)value;
	}
	return ST_OK;
}

static status chunks_read(stream *s, size_t most, arena *a, text *t)
{
	struct head behind = {0};
	uint64_t size;
	slice line;

	for (;;) {
		TRY(line_read(s, &line));
		TRY(chunk_size(line, &size));
		if (size == 0)
			return fields_read(s, a, &behind);
		if (size > most - t->size)
			return ST_TOO_BIG;
		TRY(octets_read(s, size, t));
		TRY(line_read(s, &line));
		if (line.size > 0)
			return ST_INVALID;
	}
}

static status body_read(stream *s, const struct head *h, size_t most, arena *a, text *t)
{
	if (h->encoded)
		return ST_INVALID;
	if (h->chunked)
		return chunks_read(s, most, a, t);
	if (!h->has_length)
		return ST_INVALID;
	return h->length > most ? ST_TOO_BIG : octets_read(s, h->length, t);
}

status https_answer_read(stream *s, size_t most, arena *a, struct https_answer *out)
{
	struct head h = {0};
	text t = TEXT_INIT;

	TRY(head_read(s, a, &h));
	status kind = h.code == 200 ? body_read(s, &h, most, a, &t) : ST_OK;
	if (kind == ST_OK)
		*out = (struct https_answer){h.code, h.type, arena_copy(a, text_slice(&t))};
	text_free(&t);
	return kind;
}

/* ---- the whole */

static bool is_unproved(const stream *s)
{
	enum tls_trouble t = stream_tls_trouble(s);

	return t == TLS_TROUBLE_NAME || t == TLS_TROUBLE_EXPIRED || t == TLS_TROUBLE_UNTRUSTED;
}

static status secure(stream *s, const struct https_ask *q, arena *a)
{
	const tls_client *with = q->authorities ? q->authorities : tls_client_system();

	if (!with)
		return ST_BUSY;
	status kind = stream_tls_connect(s, with, arena_z(a, q->host), TLS_VERIFY_NAME);
	return kind != ST_OK && kind != ST_CANCELLED && kind != ST_TIMED_OUT && is_unproved(s)
		       ? ST_DENIED
		       : kind;
}

static status get(stream *s, const struct https_ask *q, arena *a, struct https_answer *out)
{
	TRY(stream_format(s,
		"GET %.*s HTTP/1.1\r\nHost: %.*s\r\nUser-Agent: pennypost\r\nAccept: text/plain\r\n"
		"Accept-Encoding: identity\r\nConnection: close\r\n\r\n",
		SLICE_ARGS(q->path), SLICE_ARGS(q->host)));
	return https_answer_read(s, q->most, a, out);
}

static status post(stream *s, const struct https_ask *q, arena *a, struct https_answer *out)
{
	struct head h = {0};

	TRY(stream_format(s,
		"POST %.*s HTTP/1.1\r\nHost: %.*s\r\nUser-Agent: pennypost\r\nContent-Type: %.*s\r\n"
		"Content-Length: %zu\r\nConnection: close\r\n\r\n",
		SLICE_ARGS(q->path), SLICE_ARGS(q->host), SLICE_ARGS(q->type), q->content.size));
	TRY(stream_write(s, q->content));
	TRY(head_read(s, a, &h));
	*out = (struct https_answer){.code = h.code, .type = h.type};
	return ST_OK;
}

static status ask(const struct https_ask *q, arena *a, struct https_answer *out,
	status (*talk)(stream *s, const struct https_ask *q, arena *a, struct https_answer *out))
{
	stream *s;

	TRY(stream_connect(&q->at, NULL, &s));
	status kind = secure(s, q, a);
	if (kind == ST_OK)
		kind = talk(s, q, a, out);
	stream_close(&s);
	return kind;
}

status https_get(const struct https_ask *q, arena *a, struct https_answer *out)
{
	return ask(q, a, out, get);
}

status https_post(const struct https_ask *q, arena *a, struct https_answer *out)
{
	return ask(q, a, out, post);
}
