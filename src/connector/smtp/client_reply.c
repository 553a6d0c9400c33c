/* Replies: reading them whole and within bounds, and what they mean for a message. A reply has at
   most REPLY_LINES_MOST lines and REPLY_OCTETS_MOST octets, whatever a host has to say (T5); longer
   ones, and what is no reply at all, end the talk. */
#include "base/secret.h"
#include "connector/smtp/client_inside.h"

#include <ctype.h>
#include <stdio.h>

#define REPLY_LINES_MOST 128
#define REPLY_OCTETS_MOST ((size_t)64 * 1024)
#define REPLY_LINE_KEPT ((size_t)2048) /* of one line; RFC 5321 4.5.3.1.5 asks for 512 */

/* ---- lines */

/* The next line in c->line, without its end; how many octets it took is added to *octets. */
static status next_line(client *c, size_t *octets)
{
	slice bytes;
	size_t end;

	text_clear(&c->line);
	do {
		TRY(stream_peek(c->stream, &bytes));
		end = slice_find(bytes, '\n');
		size_t used = end < bytes.size ? end + 1 : end;
		*octets += used;
		if (*octets > REPLY_OCTETS_MOST)
			return ST_INVALID;
		text_add(&c->line,
			slice_until(slice_until(bytes, end), REPLY_LINE_KEPT - c->line.size));
		stream_consume(c->stream, used);
	} while (end == bytes.size);
	if (c->line.size > 0 && c->line.at[c->line.size - 1] == '\r')
		c->line.size--;
	return ST_OK;
}

static bool digits(slice s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (i >= s.size || !isdigit((unsigned char)s.at[i]))
			return false;
	return true;
}

/* "250 words", "250-words", "250". */
static status parse_line(slice line, int *code, bool *last, slice *words)
{
	if (!digits(line, 3) || line.at[0] < '2' || line.at[0] > '5')
		return ST_INVALID;
	if (line.size > 3 && line.at[3] != ' ' && line.at[3] != '-')
		return ST_INVALID;
	*code = (line.at[0] - '0') * 100 + (line.at[1] - '0') * 10 + line.at[2] - '0';
	*last = line.size == 3 || line.at[3] == ' ';
	*words = slice_from(line, 4);
	return ST_OK;
}

/* ---- words */

/* How long the enhanced code at the start of the words is ("5.1.1 "), 0 when there is none of the
   code's class (RFC 2034). */
static size_t enhanced_size(slice words, int code)
{
	size_t at = 2;

	if (words.size < 5 || words.at[0] != '0' + code / 100 || words.at[1] != '.')
		return 0;
	for (int part = 0; part < 2; part++) {
		size_t from = at;
		while (at < words.size && at - from < 4 && isdigit((unsigned char)words.at[at]))
			at++;
		if (at == from || at - from > 3)
			return 0;
		if (part == 0 && (at == words.size || words.at[at++] != '.'))
			return 0;
	}
	return at == words.size || words.at[at] == ' ' ? at : 0;
}

/* Adds the words of one line; a host may say anything, what is not printable becomes '?'. */
static void add_words(text *all, slice words)
{
	words = slice_trim(words);
	if (words.size > 0 && all->size > 0 && all->size < CLIENT_TEXT_MOST)
		text_add_char(all, ' ');
	for (size_t i = 0; i < words.size && all->size < CLIENT_TEXT_MOST; i++) {
		char c = words.at[i];
		text_add_char(all, c == '\t' ? ' ' : c < ' ' || c > '~' ? '?' : c);
	}
}

static void take_words(struct reply *out, slice words, text *all, arena *a)
{
	size_t size = enhanced_size(words, out->code);

	if (size > 0 && out->enhanced.size == 0)
		out->enhanced = arena_copy(a, slice_until(words, size));
	add_words(all, slice_from(words, size));
}

static status read_lines(client *c, void (*each)(client *c, unsigned index, slice words),
	struct reply *out, text *all, arena *a)
{
	size_t octets = 0;
	bool last = false;

	for (unsigned i = 0; !last; i++) {
		int code;
		slice words;
		if (i == REPLY_LINES_MOST)
			return ST_INVALID;
		TRY(next_line(c, &octets));
		TRY(parse_line(text_slice(&c->line), &code, &last, &words));
		if (i > 0 && code != out->code)
			return ST_INVALID;
		out->code = code;
		take_words(out, words, all, a);
		if (each)
			each(c, i, words);
	}
	return ST_OK;
}

static void record_reply(client *c, const struct reply *r)
{
	char verdict[16], words[320];
	int n = snprintf(verdict, sizeof verdict, "%d", r->code);
	int m = snprintf(words, sizeof words, "%d%s%.*s %.*s", r->code, r->enhanced.size ? " " : "",
		SLICE_ARGS(r->enhanced), SLICE_ARGS(slice_until(r->text, 280)));

	transcript_answered(c->rows, slice_of(verdict, (size_t)n), slice_of(words, (size_t)m));
}

status client_reply(client *c, usec patience, void (*each)(client *c, unsigned index, slice words),
	arena *a, struct reply *out)
{
	text all = TEXT_INIT;

	*out = (struct reply){0};
	stream_patience(c->stream, patience, 0, 0);
	status kind = read_lines(c, each, out, &all, a);
	if (kind == ST_OK)
		out->text = arena_copy(a, text_slice(&all));
	if (kind == ST_OK && c->rows)
		record_reply(c, out);
	/* 421 is the end of the talk, whatever it answers (RFC 5321 3.8). */
	if (kind != ST_OK || out->code == 421)
		c->over = true;
	text_free(&all);
	return kind;
}

static status say(client *c, const char *format, va_list args)
{
	text line = TEXT_INIT;

	text_format_v(&line, format, args);
	transcript_asked(c->rows, text_slice(&line), c->secret);
	text_add(&line, S("\r\n"));
	status kind = stream_write(c->stream, text_slice(&line));
	if (kind != ST_OK)
		c->over = true;
	if (c->secret)
		secret_forget(line.at, line.size);
	text_free(&line);
	return kind;
}

status client_say(client *c, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	status kind = say(c, format, args);
	va_end(args);
	return kind;
}

status client_ask(client *c, usec patience, arena *a, struct reply *out, const char *format, ...)
{
	va_list args;

	*out = (struct reply){0};
	stream_patience(c->stream, patience, 0, 0);
	va_start(args, format);
	status kind = say(c, format, args);
	va_end(args);
	return kind == ST_OK ? client_reply(c, patience, NULL, a, out) : kind;
}

/* ---- results */

void client_result_of(const struct reply *r, enum client_phase p, enum client_cause cause,
	struct client_result *out)
{
	*out = (struct client_result){
		.outcome = CLIENT_DEFERRED,
		.cause = r->code == 421 ? CLIENT_BY_HOST : cause,
		.phase = p,
		.code = r->code,
		.enhanced = r->enhanced,
		.text = r->text,
	};
	if (reply_is(r, 2))
		out->outcome = CLIENT_DELIVERED;
	else if (reply_is(r, 5))
		out->outcome = CLIENT_FAILED;
	if (out->enhanced.size == 0)
		out->enhanced = reply_is(r, 2)   ? S("2.0.0")
				: reply_is(r, 3) ? S("4.5.0")
				: reply_is(r, 4) ? S("4.0.0")
						 : S("5.0.0");
}

void client_result_own(enum client_outcome o, enum client_cause cause, enum client_phase p,
	const char *enhanced, const char *sentence, struct client_result *out)
{
	*out = (struct client_result){.outcome = o,
		.cause = cause,
		.phase = p,
		.enhanced = slice_z(enhanced),
		.text = slice_z(sentence)};
}

void client_result_lost(status kind, enum client_phase p, struct client_result *out)
{
	static const struct {
		status kind;
		enum client_cause cause;
		const char *enhanced, *sentence;
	} rows[] = {
		{ST_TIMED_OUT, CLIENT_BY_HOST, "4.4.2", "the host did not answer in time"},
		{ST_INVALID, CLIENT_BY_HOST, "4.5.0", "the host's answer is no SMTP reply"},
		{ST_CANCELLED, CLIENT_BY_US, "4.3.2", "this system stops"},
		{ST_CLOSED, CLIENT_BY_HOST, "4.4.2", "the host closed the connection"},
	};
	size_t i = 0;

	while (i + 1 < sizeof rows / sizeof rows[0] && rows[i].kind != kind)
		i++;
	client_result_own(p == CLIENT_END ? CLIENT_UNSURE : CLIENT_DEFERRED, rows[i].cause, p,
		rows[i].enhanced, rows[i].sentence, out);
}
