/* The milters of a conversation, and what its client says to them; see milter.h. */
#include "base/id.h"
#include "base/log.h"
#include "base/memory.h"
#include "connector/smtp/milter_at.h"
#include "connector/smtp/milter_inside.h"
#include "provider/trace.h"

#define RENEWALS_MOST 10 /* of a message's patience */

/* ---- what becomes of an answer */

static const struct {
	enum milter_command command;
	const char *name;
} names[] = {
	{MILTER_CONNECT, "connect"},
	{MILTER_HELO, "helo"},
	{MILTER_MAIL, "mail"},
	{MILTER_RCPT, "rcpt"},
	{MILTER_DATA, "data"},
	{MILTER_FIELD, "header"},
	{MILTER_HEADER_END, "end-of-header"},
	{MILTER_BODY, "body"},
	{MILTER_END, "end-of-message"},
	{MILTER_UNKNOWN, "unknown"},
};

static const char *command_name(enum milter_command c)
{
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (names[i].command == c)
			return names[i].name;
	return "terms";
}

static enum milter_default default_of(const struct milter *m)
{
	return m->service.otherwise != MILTER_DEFAULT_NONE
		       ? m->service.otherwise
		       : milter_default_of(setting_text(S_milter_default, NULL));
}

const char *milter_absent(const struct milter *m)
{
	switch (default_of(m)) {
	case MILTER_ACCEPTS:
		return NULL;
	case MILTER_REJECTS:
		return "554 5.7.1 A filter is not to be had, and nothing is taken without it";
	default:
		return "451 4.7.1 A filter is not to be had now; try again later";
	}
}

const char *milter_trouble(conversation *c, struct milter *m, enum milter_command at, status why)
{
	static const char *const words[] = {"none", "accept", "tempfail", "reject"};

	stream_close(&m->stream);
	m->failed = true;
	m->in_message = false;
	if (why == ST_CANCELLED) {
		c->closing = true;
		return "421 4.3.2 The service restarts; try again at once";
	}
	if (at == MILTER_CONNECT || at == MILTER_HELO)
		milter_pause(m); /* MAIL would wait for it once more */
	metric_add(M_milter_failures, c->service, 1);
	log_event(EV_MILTER_TROUBLE, "conversation=%s milter=%.*s stage=%s why=%s default=%s",
		c->name, SLICE_ARGS(m->service.name), command_name(at), status_name(why),
		words[default_of(m)]);
	return milter_absent(m);
}

static const char *refuse(
	conversation *c, struct milter *m, enum milter_command command, const char *reply)
{
	if (slice_starts(slice_z(reply), S("421")))
		c->closing = true;
	log_event(EV_MILTER_REFUSED,
		"conversation=%s milter=%.*s stage=%s peer=%s from=%s reply=%s", c->name,
		SLICE_ARGS(m->service.name), command_name(command),
		net_address_text(smtp_client(c), &c->command).at,
		log_quote(mail_address_text(&smtp_of(c)->sender, &c->command)),
		log_quote(slice_z(reply)));
	trace_note(0, milter_message(c), TRACE_JUDGED,
		"conversation=%s milter=%.*s stage=%s reply=%s", c->name,
		SLICE_ARGS(m->service.name), command_name(command), log_quote(slice_z(reply)));
	smtp_of(c)->told = true;
	return reply;
}

static void drop(conversation *c, struct milter *m, enum milter_command command)
{
	smtp_of(c)->milters->dropped = true;
	log_event(EV_MILTER_DISCARDED, "conversation=%s milter=%.*s stage=%s peer=%s from=%s",
		c->name, SLICE_ARGS(m->service.name), command_name(command),
		net_address_text(smtp_client(c), &c->command).at,
		log_quote(mail_address_text(&smtp_of(c)->sender, &c->command)));
	trace_note(0, milter_message(c), TRACE_JUDGED,
		"conversation=%s milter=%.*s stage=%s verdict=discard", c->name,
		SLICE_ARGS(m->service.name), command_name(command));
}

const char *milter_verdict(
	conversation *c, struct milter *m, enum milter_command command, const milter_answer *answer)
{
	switch (answer->word) {
	case MILTER_SAYS_ACCEPT:
		if (command == MILTER_CONNECT || command == MILTER_HELO)
			m->left = true;
		else
			m->done = true;
		return NULL;
	case MILTER_SAYS_DISCARD:
		drop(c, m, command);
		return NULL;
	case MILTER_SAYS_REJECT:
		return refuse(c, m, command, "550 5.7.1 Refused by a filter");
	case MILTER_SAYS_TEMPFAIL:
		return refuse(c, m, command, "451 4.7.1 Not now, says a filter; try again later");
	case MILTER_SAYS_CLOSE:
		return refuse(c, m, command, "421 4.7.0 A filter wants this conversation ended");
	case MILTER_SAYS_REPLY:
		return refuse(c, m, command, answer->text);
	default:
		return NULL;
	}
}

status milter_renews(struct milter *m, usec patience)
{
	if (++m->waits > RENEWALS_MOST)
		return ST_TIMED_OUT;
	milter_patience(m, patience);
	return ST_OK;
}

/* ---- asking */

static usec command_patience(const struct milter *m)
{
	return m->service.command ? m->service.command
				  : setting_number(S_milter_command_patience, NULL);
}

static bool is_text(enum milter_command c)
{
	return c == MILTER_FIELD || c == MILTER_HEADER_END || c == MILTER_BODY;
}

static status exchange(
	conversation *c, struct milter *m, enum milter_command command, milter_answer *answer)
{
	/* What is shown of a text has one patience, which its begin has set. */
	usec patience = is_text(command) ? milter_end_patience(m) : command_patience(m);

	if (!is_text(command))
		milter_patience(m, patience);
	TRY(milter_send(m));
	answer->word = MILTER_SAYS_CONTINUE;
	if (!milter_answers(&m->terms, command))
		return ST_OK;
	TRY(milter_hear(m, command, &c->command, answer));
	while (answer->word == MILTER_SAYS_PROGRESS) {
		TRY(milter_renews(m, patience));
		TRY(milter_hear(m, command, &c->command, answer));
	}
	return milter_word_ends(answer->word) ? ST_OK : ST_INVALID;
}

const char *milter_ask(
	conversation *c, struct milter *m, enum milter_command command, enum milter_word *word)
{
	milter_answer answer = {.word = MILTER_SAYS_CONTINUE};

	*word = MILTER_SAYS_CONTINUE;
	if (!milter_hears(&m->terms, command)) {
		text_clear(&m->out);
		return NULL;
	}
	usec began = clock_now();
	status kind = exchange(c, m, command, &answer);
	metric_time(M_milter_seconds, c->service, clock_now() - began);
	if (kind != ST_OK)
		return milter_trouble(c, m, command, kind);
	*word = answer.word;
	return milter_verdict(c, m, command, &answer);
}

/* ---- packets */

static void write_connect(conversation *c, struct milter *m)
{
	const net_address *who = smtp_client(c);
	slice name = who->family ? policy_host(c)->verified : S("localhost");
	size_t begun = milter_begin(&m->out, MILTER_CONNECT);

	if (name.size == 0)
		name = arena_format(
			&c->command, "[%.*s]", SLICE_ARGS(net_address_text(who, &c->command)));
	milter_add_string(&m->out, name);
	text_add_char(&m->out, who->family == 4 ? '4' : who->family == 6 ? '6' : 'U');
	if (who->family) {
		milter_add_number(&m->out, who->port, 2);
		milter_add_string(&m->out, net_address_text(who, &c->command));
	}
	milter_end(&m->out, begun);
}

static void write_helo(conversation *c, struct milter *m)
{
	size_t begun = milter_begin(&m->out, MILTER_HELO);

	milter_add_string(&m->out, smtp_of(c)->helo);
	milter_end(&m->out, begun);
}

/* The path and each parameter are strings of their own. */
static void write_path(conversation *c, struct milter *m, enum milter_command command,
	const mail_address *address, slice parameters)
{
	size_t begun = milter_begin(&m->out, command);
	slice one;

	milter_add_string(&m->out, arena_format(&c->command, "<%.*s>",
					   SLICE_ARGS(mail_address_text(address, &c->command))));
	while (slice_take(&parameters, ' ', &one))
		if (one.size > 0)
			milter_add_string(&m->out, one);
	milter_end(&m->out, begun);
}

static const char *tell_connect(conversation *c, struct milter *m)
{
	enum milter_word word;

	milter_macros(c, m, MILTER_CONNECT, &(struct macro_at){0});
	write_connect(c, m);
	return milter_ask(c, m, MILTER_CONNECT, &word);
}

static const char *tell_helo(conversation *c, struct milter *m)
{
	enum milter_word word;

	milter_macros(c, m, MILTER_HELO, &(struct macro_at){0});
	write_helo(c, m);
	return milter_ask(c, m, MILTER_HELO, &word);
}

/* ---- who there is */

static struct milters *milters_of(const conversation *c)
{
	return smtp_of(c)->milters;
}

static bool is_on(const struct milter *m)
{
	return m->stream && !m->left && !m->done;
}

/* By the address that was connected to: what a balancer tells is of its own doors. */
static struct milters *read_list(const conversation *c, slice list)
{
	struct milters *all = memory_new(sizeof *all);
	struct milter_service service;
	slice own = arena_copy(&all->a, list), word;
	size_t most = 0;

	while (slice_take(&list, ' ', &word))
		most++;
	all->one = arena_new_array(&all->a, most, sizeof *all->one);
	while (slice_take(&own, ' ', &word))
		if (word.size > 0 && milter_service_parse(word, &service) == ST_OK &&
			milter_at_has(&service, stream_local(c->stream)))
			all->one[all->n++].service = service;
	return all;
}

/* 220, 421 and 554 are what a client may be greeted with (RFC 5321 4.3.2). */
static const char *as_greeting(conversation *c, const char *reply)
{
	if (!reply)
		return NULL;
	char *copy = arena_z(&c->command, slice_z(reply));
	for (char *line = copy; line; line = strstr(line, "\r\n")) {
		line += *line == '\r' ? 2 : 0;
		memcpy(line, *line == '4' ? "421" : "554", 3);
	}
	return copy;
}

/* Reaches it and tells what the client has said so far. */
static const char *begin(conversation *c, struct milter *m)
{
	status kind = milter_open(m);

	if (kind != ST_OK)
		return milter_trouble(c, m, MILTER_TERMS, kind);
	m->failed = false;
	const char *refusal = tell_connect(c, m);
	if (!refusal && is_on(m) && smtp_of(c)->state != AT_START)
		refusal = tell_helo(c, m);
	return refusal;
}

const char *milter_connect(conversation *c)
{
	slice list = setting_text(smtp_submits(c) ? S_submission_milters : S_smtp_milters, NULL);
	const char *refusal = NULL;

	if (list.size == 0)
		return NULL;
	struct milters *all = smtp_of(c)->milters = read_list(c, list);
	for (int i = 0; i < all->n && !refusal; i++) {
		refusal = begin(c, &all->one[i]);
		/* It may be back when there is mail: only then its default action matters. */
		if (all->one[i].failed && !c->closing)
			refusal = NULL;
	}
	return as_greeting(c, refusal);
}

const char *milter_helo(conversation *c)
{
	struct milters *all = milters_of(c);
	const char *refusal = NULL;

	for (int i = 0; all && i < all->n && !refusal; i++)
		if (is_on(&all->one[i])) {
			refusal = tell_helo(c, &all->one[i]);
			if (all->one[i].failed && !c->closing)
				refusal = NULL;
		}
	return refusal;
}

const char *milter_unknown(conversation *c, slice command)
{
	struct milters *all = milters_of(c);
	const char *refusal = NULL;
	enum milter_word word;

	for (int i = 0; all && i < all->n && !refusal; i++) {
		struct milter *m = &all->one[i];

		if (!is_on(m))
			continue;
		size_t begun = milter_begin(&m->out, MILTER_UNKNOWN);
		milter_add_string(&m->out, command);
		milter_end(&m->out, begun);
		refusal = milter_ask(c, m, MILTER_UNKNOWN, &word);
		m->done = false; /* accepting nonsense accepts no message */
	}
	return refusal;
}

/* ---- a message */

int64_t milter_message(const conversation *c)
{
	return milters_of(c) ? milters_of(c)->id : 0;
}

static const char *tell_mail(conversation *c, struct milter *m, slice parameters)
{
	enum milter_word word;
	const char *refusal = NULL;

	m->failed = m->done = false;
	m->waits = 0;
	/* One that was started anew since the last message has hung up. */
	if (m->stream && !m->left && !stream_is_quiet(m->stream))
		stream_close(&m->stream);
	if (!m->stream && !m->left)
		refusal = begin(c, m);
	if (refusal || !is_on(m))
		return refusal;
	m->in_message = true;
	milter_macros(c, m, MILTER_MAIL, &(struct macro_at){0});
	write_path(c, m, MILTER_MAIL, &smtp_of(c)->sender, parameters);
	return milter_ask(c, m, MILTER_MAIL, &word);
}

const char *milter_mail(conversation *c, slice parameters)
{
	struct milters *all = milters_of(c);
	const char *refusal = NULL;

	if (!all)
		return NULL;
	all->id = id_new();
	all->dropped = false;
	for (int i = 0; i < all->n && !refusal; i++)
		refusal = tell_mail(c, &all->one[i], parameters);
	return refusal;
}

/* Whether the milter is to be asked about the message; *refusal when it failed and nothing goes
   without. */
static bool is_asked(struct milters *all, struct milter *m, const char **refusal)
{
	if (m->failed)
		*refusal = milter_absent(m);
	return !m->failed && !all->dropped && is_on(m);
}

const char *milter_rcpt(conversation *c, const struct recipient *r, slice parameters)
{
	struct milters *all = milters_of(c);
	const char *refusal = NULL;
	enum milter_word word;

	for (int i = 0; all && i < all->n && !refusal; i++) {
		struct milter *m = &all->one[i];

		if (!is_asked(all, m, &refusal))
			continue;
		milter_macros(c, m, MILTER_RCPT, &(struct macro_at){.recipient = r});
		write_path(c, m, MILTER_RCPT, &r->address, parameters);
		refusal = milter_ask(c, m, MILTER_RCPT, &word);
	}
	return refusal;
}

/* What they say to it changes nothing. */
void milter_rcpt_refused(conversation *c, const struct recipient *r, slice parameters)
{
	struct milters *all = milters_of(c);
	milter_answer answer;

	for (int i = 0; all && i < all->n; i++) {
		struct milter *m = &all->one[i];

		if (m->failed || all->dropped || !is_on(m) ||
			!(m->terms.steps & MILTER_REFUSED_RCPT) ||
			!milter_hears(&m->terms, MILTER_RCPT))
			continue;
		milter_macros(
			c, m, MILTER_RCPT, &(struct macro_at){.recipient = r, .refused = true});
		write_path(c, m, MILTER_RCPT, &r->address, parameters);
		status kind = exchange(c, m, MILTER_RCPT, &answer);
		if (kind != ST_OK)
			milter_trouble(c, m, MILTER_RCPT, kind);
	}
}

const char *milter_data(conversation *c)
{
	struct milters *all = milters_of(c);
	const char *refusal = NULL;
	enum milter_word word;

	for (int i = 0; all && i < all->n && !refusal; i++) {
		struct milter *m = &all->one[i];

		if (!is_asked(all, m, &refusal))
			continue;
		milter_macros(c, m, MILTER_DATA, &(struct macro_at){0});
		milter_write(&m->out, MILTER_DATA, (slice){0});
		refusal = milter_ask(c, m, MILTER_DATA, &word);
	}
	return refusal;
}

bool milter_waits(const conversation *c)
{
	const struct milters *all = milters_of(c);

	if (!all)
		return false;
	bool waits = all->dropped;
	for (int i = 0; i < all->n; i++)
		waits |= is_on(&all->one[i]) || all->one[i].failed;
	return waits;
}

/* ---- ends */

static void abort_message(struct milter *m)
{
	if (m->in_message && m->stream) {
		text_clear(&m->out);
		milter_write(&m->out, MILTER_ABORT, (slice){0});
		milter_patience(m, command_patience(m));
		if (milter_send(m) != ST_OK || stream_flush(m->stream) != ST_OK)
			stream_close(&m->stream);
	}
	m->in_message = m->done = m->failed = false;
	text_free(&m->in);
}

void milter_message_over(conversation *c)
{
	struct milters *all = milters_of(c);

	if (!all || all->id == 0)
		return;
	for (int i = 0; i < all->n; i++)
		abort_message(&all->one[i]);
	all->id = 0;
	all->dropped = false;
}

void milter_conversation_over(conversation *c)
{
	struct milters *all = milters_of(c);

	if (!all)
		return;
	for (int i = 0; i < all->n; i++)
		milter_close(&all->one[i]);
	arena_release(&all->a);
	memory_free(all);
	smtp_of(c)->milters = NULL;
}
