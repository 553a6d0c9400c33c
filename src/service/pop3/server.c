/* One POP3 conversation from greeting to goodbye, and the commands that touch no message. */
#include "base/fault.h"
#include "base/random.h"
#include "provider/provider.h"
#include "provider/sasl.h"
#include "service/pop3/session.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

/* ---- facts */

status pop3_refuse(conversation *c, const char *why)
{
	conversation_bad(c);
	return conversation_say(c, "-ERR %s", why);
}

bool pop3_may_log_on(const conversation *c)
{
	return stream_is_tls(c->stream) || c->trusted || setting_on(S_auth_allow_cleartext, NULL);
}

struct setting_at pop3_at(const conversation *c)
{
	const struct pop3 *p = pop3_of(c);
	return (struct setting_at){.postoffice = p->who.postoffice, .mailbox = p->who.mailbox};
}

static status binding_of(void *stream_of, slice kind, arena *a, slice *data)
{
	return stream_tls_binding(stream_of, kind, a, data);
}

bool pop3_apop_forced(void)
{
	return slice_same(setting_text(S_pop3_apop, NULL), S("forced"));
}

slice pop3_mechanisms(conversation *c)
{
	bool tls = stream_is_tls(c->stream);
	struct sasl_peer peer = {.from = {.service = SERVICE_POP3, .secure = tls || c->trusted},
		.binding = tls ? binding_of : NULL,
		.arg = c->stream,
		.password_unseen = pop3_apop_forced()};
	return sasl_offered(&peer, &c->command);
}

static slice host_name(void)
{
	static char host[256];
	slice named = setting_text(S_local_domain, NULL);
	if (named.size)
		return named;
	if (!host[0] && (gethostname(host, sizeof host - 1) != 0 || !host[0]))
		snprintf(host, sizeof host, "localhost");
	return slice_z(host);
}

/* ---- capabilities (RFC 2449) */

static bool is_off(const conversation *c, const struct command *row)
{
	(void)c;
	return setting_lists(S_pop3_commands_off, NULL, slice_z(row->name));
}

static bool word_is_off(slice name)
{
	return setting_lists(S_pop3_commands_off, NULL, name);
}

/* The stamp in the greeting offers it (RFC 1939 7). */
static bool apop_offered(void)
{
	return !slice_same(setting_text(S_pop3_apop, NULL), S("off")) && !word_is_off(S("APOP"));
}

/* What capabilities.def asks of each line: whether it is said, and what behind its word. */

static bool always(conversation *c, slice *value)
{
	(void)c, (void)value;
	return true;
}

static bool where_passwords_are_taken(conversation *c, slice *value)
{
	(void)value;
	return pop3_may_log_on(c) && !pop3_apop_forced() && auth_password_taken(0);
}

static bool with_mechanisms(conversation *c, slice *value)
{
	*value = pop3_mechanisms(c);
	return value->size > 0;
}

static bool where_tls_can_begin(conversation *c, slice *value)
{
	(void)value;
	return c->tls && !stream_is_tls(c->stream) && pop3_of(c)->state == AT_AUTHORIZATION;
}

/* Names and passwords may be UTF-8, too (RFC 6856 2.2). */
static bool with_names(conversation *c, slice *value)
{
	(void)c;
	*value = S("USER");
	return true;
}

/* Before the logon a time is the server's, and a mailbox may have another (RFC 2449 6.5, 6.7). */
static slice time_told(conversation *c, int64_t n)
{
	return arena_format(&c->command, "%" PRId64 "%s", n,
		pop3_of(c)->state == AT_TRANSACTION ? "" : " USER");
}

static bool with_age(conversation *c, slice *value)
{
	struct setting_at at = pop3_at(c);
	usec day = 24 * 3600 * USEC_S, expire = setting_number(S_pop3_expire, &at);

	*value = expire == 0 ? S("NEVER") : time_told(c, (expire + day - 1) / day);
	return true;
}

static bool with_delay(conversation *c, slice *value)
{
	struct setting_at at = pop3_at(c);
	usec delay = setting_number(S_pop3_login_delay, &at);

	*value = time_told(c, delay / USEC_S);
	return delay > 0;
}

static bool with_name(conversation *c, slice *value)
{
	(void)c;
	*value = S("Pennypost");
	return true;
}

static const struct {
	const char *word;
	bool (*offered)(conversation *c, slice *value);
	const char *commands;
} offers[] = {
#define CAPABILITY(word, offered, commands) {word, offered, commands},
#include "service/pop3/capabilities.def"
#undef CAPABILITY
};

static status pop3_capa(conversation *c, slice rest)
{
	(void)rest;
	TRY(conversation_say(c, "+OK Capabilities follow"));
	for (size_t i = 0; i < sizeof offers / sizeof *offers; i++) {
		slice value = S("");
		if (!setting_lists_any(S_pop3_commands_off, NULL, slice_z(offers[i].commands)) &&
			offers[i].offered(c, &value))
			TRY(conversation_say(c, "%s%s%.*s", offers[i].word, value.size ? " " : "",
				SLICE_ARGS(value)));
	}
	return conversation_say(c, ".");
}

/* ---- small commands */

static status pop3_noop(conversation *c, slice rest)
{
	(void)rest;
	return conversation_say(c, "+OK");
}

static status pop3_stls(conversation *c, slice rest)
{
	(void)rest;
	struct pop3 *p = pop3_of(c);
	if (stream_is_tls(c->stream))
		return pop3_refuse(c, "TLS is on already");
	if (!c->tls)
		return pop3_refuse(c, "[SYS/PERM] TLS is not to be had here");
	/* Bytes behind STLS in the same packet are an injection. */
	if (conversation_ran_ahead(c))
		return pop3_refuse(c, "Nothing may follow STLS before the handshake");
	TRY(conversation_say(c, "+OK Ready to start TLS"));
	TRY(stream_flush(c->stream));
	TRY(stream_tls_accept(c->stream, c->tls));
	/* What was said in the clear counts no more (RFC 2595 4). */
	p->user = (slice){0};
	p->utf8 = false;
	arena_clear(&c->talk);
	return ST_OK;
}

static status pop3_utf8(conversation *c, slice rest)
{
	(void)rest;
	pop3_of(c)->utf8 = true;
	return conversation_say(c, "+OK UTF-8 it is");
}

/* RFC 6856 3: one language so far, whose texts are the default ones. */
static status pop3_lang(conversation *c, slice rest)
{
	if (rest.size == 0) {
		TRY(conversation_say(c, "+OK Languages follow"));
		TRY(conversation_say(c, "en English"));
		TRY(conversation_say(c, "i-default English"));
		return conversation_say(c, ".");
	}
	if (slice_same_nocase(rest, S("*")) || slice_same_nocase(rest, S("i-default")))
		return conversation_say(c, "+OK i-default");
	if (slice_same_nocase(rest, S("en")) || slice_starts_nocase(rest, S("en-")))
		return conversation_say(c, "+OK en");
	return pop3_refuse(c, "That language is not spoken here; LANG alone lists those that are");
}

static status pop3_quit(conversation *c, slice rest)
{
	(void)rest;
	struct pop3 *p = pop3_of(c);
	c->closing = true;
	if (p->state == AT_AUTHORIZATION)
		return conversation_say(c, "+OK Bye");
	int removed = p->drop.n - p->drop.kept;
	if (FAULT("pop3_before_update"))
		return ST_CLOSED;
	status kind = maildrop_update(&p->drop);
	if (FAULT("pop3_after_update"))
		return ST_CLOSED;
	if (kind == ST_OK) {
		metric_add(M_messages_expunged, c->service, removed);
		return conversation_say(c, "+OK Bye, %d removed", removed);
	}
	if (removed == 0)
		return conversation_say(c, "+OK Bye");
	if (kind == ST_ABSENT)
		return conversation_say(
			c, "-ERR [SYS/TEMP] The lock was lost, nothing was removed");
	return conversation_say(c, "-ERR [SYS/TEMP] Messages could not be removed now");
}

/* ---- the table of commands */

const struct command pop3_commands[] = {
	{"CAPA", pop3_capa, AT_ANY, COMMAND_NO_ARGUMENT | COMMAND_FREE,
		"CAPA: list what is on offer"},
	{"STLS", pop3_stls, AT_AUTHORIZATION, COMMAND_NO_ARGUMENT | COMMAND_SWITCHABLE,
		"STLS: encrypt this conversation"},
	{"USER", pop3_user, AT_AUTHORIZATION, COMMAND_ARGUMENT | COMMAND_SWITCHABLE | COMMAND_FREE,
		"USER <name>: name of the mailbox"},
	{"PASS", pop3_pass, AT_AUTHORIZATION, COMMAND_ARGUMENT | COMMAND_SECRET,
		"PASS <password>: log on"},
	{"APOP", pop3_apop, AT_AUTHORIZATION,
		COMMAND_ARGUMENT | COMMAND_SWITCHABLE | COMMAND_SECRET,
		"APOP <name> <digest>: log on"},
	{"AUTH", pop3_auth, AT_AUTHORIZATION, COMMAND_SWITCHABLE | COMMAND_SECRET,
		"AUTH [mechanism [initial response]]: log on, or list mechanisms"},
	{"UTF8", pop3_utf8, AT_AUTHORIZATION,
		COMMAND_NO_ARGUMENT | COMMAND_SWITCHABLE | COMMAND_FREE,
		"UTF8: UTF-8 in headers, names and passwords"},
	{"LANG", pop3_lang, AT_ANY, COMMAND_SWITCHABLE | COMMAND_FREE,
		"LANG [language]: language of the answers"},
	{"STAT", pop3_stat, AT_TRANSACTION, COMMAND_NO_ARGUMENT | COMMAND_FREE,
		"STAT: count and size"},
	{"LIST", pop3_list, AT_TRANSACTION, 0, "LIST [message]: sizes"},
	{"UIDL", pop3_uidl, AT_TRANSACTION, 0, "UIDL [message]: lasting names"},
	{"RETR", pop3_retr, AT_TRANSACTION, COMMAND_ARGUMENT, "RETR <message>: the whole message"},
	{"TOP", pop3_top, AT_TRANSACTION, COMMAND_ARGUMENT | COMMAND_SWITCHABLE,
		"TOP <message> <lines>: header and first lines"},
	{"DELE", pop3_dele, AT_TRANSACTION, COMMAND_ARGUMENT, "DELE <message>: remove at QUIT"},
	{"RSET", pop3_rset, AT_TRANSACTION, COMMAND_NO_ARGUMENT, "RSET: keep all after all"},
	{"NOOP", pop3_noop, AT_TRANSACTION, COMMAND_FREE, "NOOP: do nothing"},
	{"QUIT", pop3_quit, AT_ANY, COMMAND_NO_ARGUMENT,
		"QUIT: remove what is marked, say goodbye"},
};
const int pop3_command_count = sizeof pop3_commands / sizeof *pop3_commands;

const char *pop3_command_name(int n)
{
	return n < pop3_command_count ? pop3_commands[n].name : NULL;
}

/* ---- what is said around the rows */

static size_t line_most(const conversation *c)
{
	(void)c;
	return 1024; /* RFC 2449 4 allows 255; names and passwords may be longer */
}

static unsigned state_of(const conversation *c)
{
	return pop3_of(c)->state;
}

static status say_unknown(conversation *c, slice name)
{
	(void)name;
	return conversation_say(c, "-ERR Unknown command");
}

static status say_off(conversation *c, const struct command *row)
{
	return conversation_say(c, "-ERR [SYS/PERM] %s is switched off here", row->name);
}

static status say_out_of_order(conversation *c, const struct command *row)
{
	(void)row;
	return conversation_say(c, pop3_of(c)->state == AT_AUTHORIZATION
					   ? "-ERR Log on first"
					   : "-ERR Logged on already");
}

static status say_syntax(conversation *c, const struct command *row)
{
	return conversation_say(c, "-ERR Syntax: %s", row->help);
}

static status say_malformed(conversation *c, status why)
{
	return conversation_say(
		c, why == ST_TOO_BIG ? "-ERR Line too long"
				     : "-ERR Lines end with CRLF and hold no control characters");
}

static status say_too_many(conversation *c)
{
	return conversation_say(c, "-ERR Too many errors, closing");
}

/* RFC 1939 3: the server closes without a word and without removing anything. */
static status say_nothing(conversation *c)
{
	(void)c;
	return ST_OK;
}

static status say_stopping(conversation *c)
{
	return conversation_say(c, "-ERR [SYS/TEMP] %s",
		c->dismissed ? "The administrator ended this session"
			     : "The service restarts; try again at once");
}

static unsigned bad_most(const conversation *c)
{
	(void)c;
	return (unsigned)setting_number(S_pop3_bad_commands_most, NULL);
}

/* Until the logon the time runs from the beginning, whatever the client says meanwhile (T21). */
static usec patience(const conversation *c)
{
	if (pop3_of(c)->state == AT_TRANSACTION)
		return setting_number(S_pop3_idle_patience, NULL);
	usec left = c->started + setting_number(S_pop3_logon_patience, NULL) - clock_now();
	return left > 0 ? left : 0;
}

static const struct dialogue pop3_dialogue = {
	.rows = pop3_commands,
	.count = sizeof pop3_commands / sizeof *pop3_commands,
	.line_most = line_most,
	.state = state_of,
	.switched_off = is_off,
	.unknown = say_unknown,
	.off = say_off,
	.out_of_order = say_out_of_order,
	.syntax = say_syntax,
	.malformed = say_malformed,
	.too_many = say_too_many,
	.timed_out = say_nothing,
	.stopping = say_stopping,
	.bad_most = bad_most,
	.patience = patience,
};

bool pop3_admits(const conversation *c)
{
	struct setting_at at = pop3_at(c);

	return c->trusted || net_networks_admit(setting_text(S_pop3_access, &at),
				     setting_text(S_pop3_access_denied, &at), &c->peer);
}

static status greet(conversation *c)
{
	struct pop3 *p = pop3_of(c);
	const char *why;
	if (!pop3_admits(c)) {
		c->closing = true;
		return conversation_say(c, "-ERR [SYS/PERM] POP3 is not open to your network");
	}
	if (!provider_healthy(&why)) {
		c->closing = true;
		return conversation_say(c,
			"-ERR [SYS/TEMP] The message store is not to be had now; try again later");
	}
	if (!apop_offered())
		return conversation_say(c, "+OK %.*s POP3 ready", SLICE_ARGS(host_name()));
	snprintf(p->stamp, sizeof p->stamp, "<%s.%016" PRIx64 "@%.40s>", c->name,
		random_below(UINT64_MAX), host_name().at);
	return conversation_say(c, "+OK POP3 ready %s", p->stamp);
}

status pop3_conversation(conversation *c)
{
	struct pop3 p = {.state = AT_AUTHORIZATION};
	c->state = &p;
	list_init(&p.drop.keeping);
	status kind = greet(c);
	if (kind == ST_OK)
		kind = command_loop(c, &pop3_dialogue);
	(void)conversation_last_words(c);
	maildrop_close(&p.drop);
	session_close(&p.session);
	c->state = NULL;
	return kind;
}
