/* One SMTP conversation from greeting to goodbye, and the commands that need no room of their own.
   Mail transactions are in transaction.c and incoming.c, logons in logon.c. */
#include "base/log.h"
#include "base/utf8.h"
#include "connector/smtp/session.h"
#include "mail/date.h"
#include "provider/message.h"
#include "provider/provider.h"
#include "provider/sasl.h"
#include "provider/trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

/* ---- facts */

bool smtp_submits(const conversation *c)
{
	return c->service == SERVICE_SUBMISSION;
}

slice smtp_local_domain(void)
{
	static char host[256];
	slice named = setting_text(S_local_domain, NULL);
	if (named.size)
		return named;
	if (!host[0] && (gethostname(host, sizeof host - 1) != 0 || !host[0]))
		snprintf(host, sizeof host, "localhost");
	return slice_z(host);
}

const net_address *smtp_client(const conversation *c)
{
	return &c->peer;
}

void smtp_reset(conversation *c)
{
	struct smtp *s = smtp_of(c);
	incoming_close(&s->incoming);
	arena_release(&s->mail);
	s->sender = (mail_address){0};
	s->parameters = (mail_parameters){0};
	s->recipients = NULL;
	s->n = s->room = s->surplus = s->remotes = s->members = 0;
	s->most = 0;
	s->counted = false;
	s->id = 0;
	transcript_message(c->rows, 0);
	policy_message_over(c);
	milter_message_over(c);
	if (s->state != AT_START)
		s->state = AT_READY;
}

/* ---- greeting and capabilities */

static slice greeting(conversation *c)
{
	slice form = setting_text(S_smtp_greeting, NULL);
	text out = TEXT_INIT;
	while (form.size) {
		if (slice_starts(form, S("%LOCALDOMAIN%"))) {
			text_add(&out, smtp_local_domain());
			form = slice_from(form, S("%LOCALDOMAIN%").size);
		} else if (slice_starts(form, S("%TIME%"))) {
			text_add(&out, date_format((date){clock_wall(), 0}, &c->command));
			form = slice_from(form, S("%TIME%").size);
		} else {
			text_add_char(&out, *form.at);
			form = slice_from(form, 1);
		}
	}
	slice words = arena_copy(&c->command, text_slice(&out));
	text_free(&out);
	return words;
}

static status tls_binding(void *stream_of, slice kind, arena *a, slice *data)
{
	return stream_tls_binding(stream_of, kind, a, data);
}

static slice mechanisms(conversation *c)
{
	bool secure = stream_is_tls(c->stream);
	struct sasl_peer peer = {.from = {.service = c->service, .secure = secure || c->trusted},
		.binding = secure ? tls_binding : NULL,
		.arg = c->stream};
	return sasl_offered(&peer, &c->command);
}

static bool is_off(const conversation *c, const struct command *row)
{
	(void)c;
	return setting_lists(S_smtp_commands_off, NULL, slice_z(row->name));
}

/* BDAT says so itself, since it has to read past its chunk. */
static bool is_refused(const conversation *c, const struct command *row)
{
	return row->run != smtp_bdat && is_off(c, row);
}

static bool word_is_off(slice name)
{
	return setting_lists(S_smtp_commands_off, NULL, name);
}

/* What capabilities.def asks of each line: whether it is said, and what behind its word. */

static bool always(conversation *c, slice *value)
{
	(void)c, (void)value;
	return true;
}

static bool with_size(conversation *c, slice *value)
{
	*value = arena_format(&c->command, " %" PRId64, message_size_most(NULL));
	return true;
}

static bool under_tls(conversation *c, slice *value)
{
	(void)value;
	return stream_is_tls(c->stream);
}

static bool where_tls_can_begin(conversation *c, slice *value)
{
	return c->tls && !under_tls(c, value);
}

static bool with_mechanisms(conversation *c, slice *value)
{
	slice all = mechanisms(c);

	*value = arena_format(&c->command, " %.*s", SLICE_ARGS(all));
	return all.size > 0;
}

/* "AUTH=PLAIN LOGIN" */
static bool with_mechanisms_for_old_clients(conversation *c, slice *value)
{
	if (!setting_on(S_smtp_auth_equals, NULL))
		return false;
	*value = mechanisms(c);
	return value->size > 0;
}

static const struct {
	const char *word;
	bool (*offered)(conversation *c, slice *value);
	const char *commands;
} offers[] = {
#define CAPABILITY(word, offered, commands) {word, offered, commands},
#include "connector/smtp/capabilities.def"
#undef CAPABILITY
};

static status capabilities(conversation *c)
{
	slice last = smtp_local_domain();

	for (size_t i = 0; i < sizeof offers / sizeof *offers; i++) {
		slice value = S("");
		if (setting_lists_any(S_smtp_commands_off, NULL, slice_z(offers[i].commands)) ||
			!offers[i].offered(c, &value))
			continue;
		TRY(conversation_say(c, "250-%.*s", SLICE_ARGS(last)));
		last = arena_format(&c->command, "%s%.*s", offers[i].word, SLICE_ARGS(value));
	}
	return conversation_say(c, "250 %.*s", SLICE_ARGS(last));
}

static bool tires(unsigned *count)
{
	return ++*count > (unsigned)setting_number(S_smtp_idle_commands_most, NULL);
}

static status say_tired(conversation *c)
{
	c->closing = true;
	return conversation_say(c, "421 4.7.0 Too many commands without mail, closing");
}

static void keep_helo(struct smtp *s, slice host)
{
	host = slice_until(host, sizeof s->helo_room - 1);
	memcpy(s->helo_room, host.at, host.size);
	s->helo = slice_of(s->helo_room, host.size);
}

static status greet(conversation *c, slice rest, bool esmtp)
{
	struct smtp *s = smtp_of(c);
	slice host;
	bool literal;
	/* Many a client has a name that is no host name; what matters is that it is a single word
	   that can stand in a Received field. */
	if (tires(&s->greetings))
		return say_tired(c);
	if (mail_host_parse(rest, &c->command, &host, &literal) != ST_OK) {
		if (slice_find(rest, ' ') < rest.size || rest.size > MAIL_DOMAIN_MOST ||
			!utf8_is_ascii(rest)) {
			conversation_bad(c);
			return conversation_say(
				c, "501 5.5.4 Syntax: %s hostname", esmtp ? "EHLO" : "HELO");
		}
		host = rest;
	}
	smtp_reset(c);
	keep_helo(s, host);
	s->esmtp = esmtp;
	const char *refusal = milter_helo(c);
	if (refusal) {
		s->state = AT_START;
		conversation_bad(c);
		return smtp_refuse(c, refusal);
	}
	s->state = AT_READY;
	if (esmtp)
		return capabilities(c);
	return conversation_say(c, "250 %.*s", SLICE_ARGS(smtp_local_domain()));
}

static status smtp_ehlo(conversation *c, slice rest)
{
	return greet(c, rest, true);
}

static status smtp_helo(conversation *c, slice rest)
{
	return greet(c, rest, false);
}

/* ---- small commands */

status smtp_idle(conversation *c, const char *reply)
{
	return tires(&smtp_of(c)->idle_commands) ? say_tired(c) : conversation_say(c, "%s", reply);
}

static status smtp_noop(conversation *c, slice rest)
{
	(void)rest;
	return smtp_idle(c, "250 2.0.0 Ok");
}

static status smtp_rset(conversation *c, slice rest)
{
	(void)rest;
	smtp_reset(c);
	return smtp_idle(c, "250 2.0.0 Ok");
}

static status smtp_quit(conversation *c, slice rest)
{
	(void)rest;
	c->closing = true;
	return conversation_say(c, "221 2.0.0 Bye");
}

static status smtp_help(conversation *c, slice rest)
{
	if (rest.size) {
		for (int i = 0; i < smtp_command_count; i++)
			if (slice_same_nocase(rest, slice_z(smtp_commands[i].name)))
				return smtp_idle(c, arena_format(&c->command, "214 2.0.0 %s",
							    smtp_commands[i].help)
							    .at);
		return smtp_idle(c, "504 5.5.4 No help on that; HELP alone lists the commands");
	}
	for (int i = 0; i < smtp_command_count; i++)
		if (!is_off(c, &smtp_commands[i]))
			TRY(conversation_say(c, "214-2.0.0 %s", smtp_commands[i].help));
	return smtp_idle(c, "214 2.0.0 End of help");
}

static status smtp_starttls(conversation *c, slice rest)
{
	(void)rest;
	struct smtp *s = smtp_of(c);
	if (stream_is_tls(c->stream)) {
		conversation_bad(c);
		return conversation_say(c, "503 5.5.1 TLS is on already");
	}
	if (!c->tls)
		return conversation_say(c, "454 4.7.0 TLS is not to be had here");
	/* Bytes behind STARTTLS in the same packet are an injection. */
	if (conversation_ran_ahead(c))
		return conversation_say(
			c, "501 5.5.1 Nothing may follow STARTTLS before the handshake");
	TRY(conversation_say(c, "220 2.0.0 Ready to start TLS"));
	TRY(stream_flush(c->stream));
	TRY(stream_tls_accept(c->stream, c->tls));
	/* All that was said before counts no more (RFC 3207 4.2). */
	smtp_reset(c);
	s->state = AT_START;
	s->helo = (slice){0};
	s->authenticated = false;
	session_close(&s->session);
	conversation_belongs(c, 0, 0);
	s->who = (struct identity){0};
	s->mechanism = (slice){0};
	arena_clear(&c->talk);
	return ST_OK;
}

/* ---- the table of commands */

const struct command smtp_commands[] = {
	{"EHLO", smtp_ehlo, AT_ANY, COMMAND_ARGUMENT | COMMAND_SWITCHABLE,
		"EHLO <host>: greet, list what is on offer"},
	{"HELO", smtp_helo, AT_ANY, COMMAND_ARGUMENT | COMMAND_SWITCHABLE, "HELO <host>: greet"},
	{"MAIL", smtp_mail, AT_READY, COMMAND_ARGUMENT | COMMAND_SWITCHABLE,
		"MAIL FROM:<sender> [SIZE= BODY= SMTPUTF8 REQUIRETLS RET= ENVID= AUTH=]: begin a message"},
	{"RCPT", smtp_rcpt, AT_SENDER | AT_RCPT, COMMAND_ARGUMENT | COMMAND_SWITCHABLE,
		"RCPT TO:<recipient> [NOTIFY= ORCPT=]: add a recipient"},
	{"DATA", smtp_data, AT_RCPT, COMMAND_NO_ARGUMENT | COMMAND_SWITCHABLE,
		"DATA: send the message, end with a dot line"},
	{"BDAT", smtp_bdat, AT_ANY, COMMAND_ARGUMENT | COMMAND_SWITCHABLE,
		"BDAT <octets> [LAST]: send a chunk of the message"},
	{"RSET", smtp_rset, AT_ANY, COMMAND_NO_ARGUMENT | COMMAND_SWITCHABLE,
		"RSET: forget the message begun"},
	{"NOOP", smtp_noop, AT_ANY, COMMAND_FREE | COMMAND_SWITCHABLE, "NOOP: do nothing"},
	{"VRFY", smtp_vrfy, AT_READY | AT_SENDER | AT_RCPT, COMMAND_ARGUMENT | COMMAND_SWITCHABLE,
		"VRFY <address>: ask whether an address exists"},
	{"EXPN", smtp_expn, AT_READY | AT_SENDER | AT_RCPT, COMMAND_ARGUMENT | COMMAND_SWITCHABLE,
		"EXPN <list>: ask who is on a list"},
	{"HELP", smtp_help, AT_ANY, COMMAND_SWITCHABLE, "HELP [command]: this list"},
	{"STARTTLS", smtp_starttls, AT_READY, COMMAND_NO_ARGUMENT | COMMAND_SWITCHABLE,
		"STARTTLS: encrypt this conversation"},
	{"AUTH", smtp_auth, AT_READY, COMMAND_ARGUMENT | COMMAND_SWITCHABLE | COMMAND_SECRET,
		"AUTH <mechanism> [initial response]: log on"},
	{"QUIT", smtp_quit, AT_ANY, COMMAND_NO_ARGUMENT | COMMAND_SWITCHABLE, "QUIT: say goodbye"},
};
const int smtp_command_count = sizeof smtp_commands / sizeof *smtp_commands;

const char *smtp_command_name(int n)
{
	return n < smtp_command_count ? smtp_commands[n].name : NULL;
}

/* ---- what is said around the rows */

static size_t line_most(const conversation *c)
{
	(void)c;
	return (size_t)setting_number(S_smtp_line_most, NULL);
}

static unsigned state_of(const conversation *c)
{
	return smtp_of(c)->state;
}

/* A body that nobody waits for must not be taken for commands (T8). */
static status after_refused_data(conversation *c)
{
	c->closing = true;
	return conversation_say(c, "421 4.7.0 Message text where a command belongs, closing");
}

static status say_unknown(conversation *c, slice name)
{
	if (smtp_of(c)->data_refused)
		return after_refused_data(c);
	const char *refusal = milter_unknown(c, name);
	return conversation_say(c, "%s",
		refusal                  ? refusal
		: word_is_off(S("HELP")) ? "500 5.5.2 Command not recognised"
					 : "500 5.5.2 Command not recognised; try HELP");
}

/* Clients that pipeline DATA wait for its answer (RFC 2920 3.1): what is here already is a body
   (T8). */
static void refuse_body(conversation *c)
{
	smtp_of(c)->data_refused = true;
	(void)conversation_ran_ahead(c);
}

static status say_off(conversation *c, const struct command *row)
{
	if (row->run == smtp_data)
		refuse_body(c);
	return conversation_say(c, "502 5.5.1 %s is switched off here", row->name);
}

static status say_out_of_order(conversation *c, const struct command *row)
{
	struct smtp *s = smtp_of(c);
	if (row->run == smtp_data && s->state != AT_CHUNK) {
		refuse_body(c);
		if (s->state == AT_SENDER)
			return conversation_say(c, "554 5.5.1 No valid recipients");
	}
	if (s->state == AT_START)
		return conversation_say(
			c, "503 5.5.1 Say %s first", word_is_off(S("EHLO")) ? "HELO" : "EHLO");
	if (s->state == AT_CHUNK)
		return conversation_say(c, "503 5.5.1 BDAT LAST or RSET first");
	if (row->run == smtp_mail)
		return conversation_say(
			c, "503 5.5.1 A message is begun already; RSET to forget it");
	if (row->run == smtp_rcpt || row->run == smtp_data)
		return conversation_say(c, "503 5.5.1 MAIL first");
	return conversation_say(c, "503 5.5.1 Not while a message is begun");
}

static status say_syntax(conversation *c, const struct command *row)
{
	if (row->run == smtp_bdat) /* without its size the chunk's octets cannot be told from
				      commands (T8) */
		c->closing = true;
	return conversation_say(c, "501 5.5.4 Syntax: %s", row->help);
}

static status say_malformed(conversation *c, status why)
{
	if (smtp_of(c)->data_refused)
		return after_refused_data(c);
	if (why == ST_TOO_BIG)
		return conversation_say(c, "500 5.5.6 Line too long");
	return conversation_say(c, "500 5.5.2 Lines end with CRLF and hold no control characters");
}

static status say_too_many(conversation *c)
{
	policy_too_many(c);
	return conversation_say(c, "421 4.7.0 Too many errors, closing");
}

static status say_timed_out(conversation *c)
{
	return conversation_say(c, "421 4.4.2 Idle for too long, closing");
}

static status say_stopping(conversation *c)
{
	return conversation_say(c, "421 4.3.2 %s",
		c->dismissed ? "The administrator ended this session"
			     : "The service restarts; try again at once");
}

static unsigned bad_most(const conversation *c)
{
	(void)c;
	return (unsigned)setting_number(S_smtp_bad_commands_most, NULL);
}

/* More than half of the conversations that this worker may hold of the service are there. */
static bool is_busy(const conversation *c)
{
	return conversation_count(c->service) >
	       (unsigned)setting_number(S_smtp_conversations_most, NULL) / 2;
}

/* While the worker is busy, who neither sends nor logs on has to go (T21). */
static usec patience(const conversation *c)
{
	const struct smtp *s = smtp_of(c);
	usec patience = setting_number(S_smtp_command_patience, NULL);
	if (s->messages > 0 || s->authenticated || !is_busy(c))
		return patience;
	usec left = c->started + setting_number(S_smtp_greeting_patience, NULL) - clock_now();
	return left < 0 ? 0 : left < patience ? left : patience;
}

/* The client speaks again, so it has read the answer to its last message (R6). */
static void heard(conversation *c)
{
	struct smtp *s = smtp_of(c);
	s->told = false;
	if (!s->has_unconfirmed)
		return;
	s->has_unconfirmed = false;
	deliver_confirm(slice_of(s->unconfirmed, sizeof s->unconfirmed), false);
}

static const struct dialogue smtp_dialogue = {
	.rows = smtp_commands,
	.count = sizeof smtp_commands / sizeof *smtp_commands,
	.line_most = line_most,
	.state = state_of,
	.switched_off = is_refused,
	.unknown = say_unknown,
	.off = say_off,
	.out_of_order = say_out_of_order,
	.syntax = say_syntax,
	.malformed = say_malformed,
	.too_many = say_too_many,
	.timed_out = say_timed_out,
	.stopping = say_stopping,
	.bad_most = bad_most,
	.patience = patience,
	.heard = heard,
};

/* A message or a logon that took too long, or was cut off by the worker's end: command_loop says
   its goodbyes between commands only. */
static void say_broken_off(conversation *c, status kind)
{
	if (c->closing)
		return;
	if (kind == ST_TIMED_OUT)
		say_timed_out(c);
	else if (kind == ST_CANCELLED)
		say_stopping(c);
}

status smtp_conversation(conversation *c)
{
	struct smtp s = {.state = AT_START, .mail = ARENA_INIT};
	c->state = &s;
	const char *why, *refusal = policy_door(c);
	status kind;
	if (!refusal)
		refusal = milter_connect(c);
	if (refusal) {
		metric_add(M_conversations_refused, c->service, 1);
		trace_note(0, 0, TRACE_REFUSED, "conversation=%s peer=%s reply=%s", c->name,
			net_address_text(smtp_client(c), &c->command).at,
			log_quote(slice_z(refusal)));
		kind = conversation_say(c, "%s", refusal);
	} else if (!provider_healthy(&why)) {
		kind = conversation_say(
			c, "421 4.3.0 The message store is not to be had now; try again later");
	} else {
		kind = conversation_say(c, "220 %.*s", SLICE_ARGS(greeting(c)));
		if (kind == ST_OK)
			kind = command_loop(c, &smtp_dialogue);
	}
	say_broken_off(c, kind);
	(void)conversation_last_words(c);
	/* Many a client hangs up on 250 without QUIT: that is an end like any other. */
	if (s.has_unconfirmed)
		deliver_confirm(slice_of(s.unconfirmed, sizeof s.unconfirmed),
			!stream_was_heard(c->stream));
	smtp_reset(c);
	session_close(&s.session);
	milter_conversation_over(c);
	policy_conversation_over(c);
	arena_release(&s.mail);
	c->state = NULL;
	return kind;
}
