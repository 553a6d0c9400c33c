/* Reading command lines and running their rows; the contract stands in conversation.h. */
#include "base/log.h"
#include "net/conversation.h"
#include "net/listener.h"

#define TLS_HANDSHAKE 0x16       /* RFC 8446 5.1 */
#define FREE_SPAN USEC_S         /* one row that does no work may run in each .. */
#define FREE_AHEAD (50 * USEC_S) /* .. and so much may be used up at once */

const struct command *command_find(const struct dialogue *d, slice name)
{
	for (int i = 0; i < d->count; i++)
		if (slice_same_nocase(slice_z(d->rows[i].name), name))
			return &d->rows[i];
	return NULL;
}

/* The last words of a conversation; ends its loop with `why`. */
static status goodbye(conversation *c, status (*say)(conversation *c), status why)
{
	task_shield(true);
	if (say(c) == ST_OK)
		(void)conversation_last_words(c);
	task_shield(false);
	c->closing = true;
	return why;
}

/* T10; bytes above 0x7f are each protocol's own matter. */
static bool is_clean(slice line)
{
	for (size_t i = 0; i < line.size; i++) {
		unsigned char byte = (unsigned char)line.at[i];
		if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
			return false;
	}
	return true;
}

/* The next command line, in the command arena. Malformed: ST_INVALID or ST_TOO_BIG. */
static status take_line(conversation *c, const struct dialogue *d, slice *line)
{
	enum line_end end = LINE_CRLF;
	slice lent;

	/* Nothing here yet means waiting, and who waits holds no memory. */
	if (stream_pending(c->stream) == 0)
		arena_release(&c->command);
	else
		arena_clear(&c->command);
	stream_patience(c->stream, d->patience(c), 0, 0);
	conversation_idle(c, true);
	status kind = conversation_await(c);
	if (kind == ST_OK)
		kind = stream_line(c->stream, d->line_most(c), &lent, &end);
	conversation_idle(c, false);
	if (c->told)
		return ST_CANCELLED;
	TRY(kind);
	c->commands++;
	if (d->heard)
		d->heard(c);
	if (end != LINE_CRLF || !is_clean(lent))
		return ST_INVALID;
	*line = arena_copy(&c->command, lent);
	return ST_OK;
}

static slice trim_end(slice s)
{
	while (s.size > 0 && (s.at[s.size - 1] == ' ' || s.at[s.size - 1] == '\t'))
		s.size--;
	return s;
}

/* A browser that was led to a mail port says its verb first and then what its leader wants. */
bool conversation_is_http(slice line)
{
	static const char *const verb[] = {"GET", "POST", "PUT", "HEAD", "OPTIONS", "CONNECT",
		"DELETE", "TRACE", "PATCH", "PRI"};
	slice name = slice_until(line, slice_find(line, ' '));

	for (size_t i = 0; i < sizeof verb / sizeof verb[0]; i++)
		if (slice_same_nocase(name, slice_z(verb[i])))
			return true;
	return slice_search_nocase(line, S(" HTTP/")) < line.size;
}

bool conversation_ran_ahead(conversation *c)
{
	if (stream_discard(c->stream) == 0)
		return false;
	c->closing = true;
	return true;
}

/* Its first octet is that of a record of TLS, and of no command. */
status conversation_await(conversation *c)
{
	slice seen;

	TRY(stream_peek(c->stream, &seen));
	return *seen.at == TLS_HANDSHAKE ? ST_FOREIGN : ST_OK;
}

void conversation_foreign(conversation *c, const char *speaks)
{
	transcript_begin_stray(c->rows, "unknown");
	conversation_bad(c);
	log_event(EV_CONVERSATION_FOREIGN, "conversation=%s service=%s speaks=%s", c->name,
		service_name(c->service), speaks);
}

static status send_away(conversation *c, const struct dialogue *d, const char *speaks)
{
	conversation_foreign(c, speaks);
	return goodbye(c, d->too_many, ST_LIMITED);
}

/* Rows that do no work are free as long as they are few: now and then, or some in a row (T20). */
void conversation_workless(conversation *c)
{
	usec now = clock_now();

	if (c->free_until < now)
		c->free_until = now;
	c->free_until += FREE_SPAN;
	if (c->free_until - now > FREE_AHEAD) {
		c->free_until = now + FREE_AHEAD;
		conversation_bad(c);
	}
}

static status run_line(conversation *c, const struct dialogue *d, slice line)
{
	slice name = slice_until(line, slice_find(line, ' '));
	slice rest = slice_from(line, name.size + 1);
	const struct command *row = command_find(d, trim_end(name));

	if (!row && conversation_is_http(line))
		return send_away(c, d, "http");
	if (!row) {
		transcript_begin_stray(c->rows, "unknown");
		conversation_bad(c);
		metric_command(c->service, NULL);
		return d->unknown(c, trim_end(name));
	}
	transcript_begin(c->rows, slice_z(row->name),
		row->flags & COMMAND_SECRET ? TRANSCRIPT_SECRET : rest);
	if (row->flags & COMMAND_SECRET) {
		stream_forget(c->stream);
		arena_secret(&c->command);
	} else {
		rest = trim_end(rest);
	}
	if ((row->flags & COMMAND_SWITCHABLE) && d->switched_off && d->switched_off(c, row)) {
		conversation_bad(c);
		return d->off(c, row);
	}
	if (!(row->states & d->state(c))) {
		conversation_bad(c);
		return d->out_of_order(c, row);
	}
	if (((row->flags & COMMAND_NO_ARGUMENT) && rest.size > 0) ||
		((row->flags & COMMAND_ARGUMENT) && rest.size == 0)) {
		conversation_bad(c);
		return d->syntax(c, row);
	}
	if (row->flags & COMMAND_FREE)
		conversation_workless(c);
	metric_add(M_commands, c->service, 1);
	metric_command(c->service, row->name);
	return row->run(c, rest);
}

static status refuse_malformed(conversation *c, const struct dialogue *d, status why)
{
	transcript_begin_stray(c->rows, "malformed");
	conversation_bad(c);
	return d->malformed(c, why);
}

/* One command from its line to its answer. */
static status next_command(conversation *c, const struct dialogue *d)
{
	slice line;
	status kind = take_line(c, d, &line);

	switch (kind) {
	case ST_OK:
		return run_line(c, d, line);
	case ST_INVALID:
	case ST_TOO_BIG:
		return refuse_malformed(c, d, kind);
	case ST_TIMED_OUT:
		return goodbye(c, d->timed_out, kind);
	case ST_FOREIGN:
		return send_away(c, d, "tls");
	default:
		return kind;
	}
}

status command_loop(conversation *c, const struct dialogue *d)
{
	transcript_end(c->rows); /* of the greeting */
	while (!c->closing) {
		status kind =
			listener_stopping() || c->dismissed ? ST_CANCELLED : next_command(c, d);
		if (kind == ST_CANCELLED)
			return goodbye(c, d->stopping, kind);
		TRY(kind);
		if (c->bad_commands > d->bad_most(c))
			return goodbye(c, d->too_many, ST_LIMITED);
		transcript_end(c->rows);
		TRY(task_breathe());
	}
	return conversation_last_words(c);
}
