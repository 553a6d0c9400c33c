/* One IMAP conversation from greeting to goodbye: the loop over commands, and those of any
   state. */
#include "base/log.h"
#include "net/listener.h"
#include "provider/auth.h"
#include "provider/message.h"
#include "provider/provider.h"
#include "service/imap/notify.h"
#include "service/imap/selected.h"
#include "service/imap/session.h"

#include <inttypes.h>
#include <stdio.h>

#define ID_PAIRS_MOST 30
#define BEFORE_LOGON_MOST 8192 /* octets of one command (T22) */

void imap_pace(conversation *c)
{
	stream_pace(c->stream, setting_number(S_imap_literal_patience, NULL), 100);
}

struct setting_at imap_at(const conversation *c)
{
	const struct imap *i = imap_of(c);

	return (struct setting_at){.postoffice = i->who.postoffice, .mailbox = i->who.mailbox};
}

struct audit_by imap_audit_by(conversation *c)
{
	const struct identity *who = &imap_of(c)->who;

	return (struct audit_by){
		.who = arena_format(&c->command, "%.*s@%.*s", SLICE_ARGS(who->mailbox_name),
			SLICE_ARGS(who->postoffice_name)),
		.from = net_address_text(&c->peer, &c->command)};
}

int64_t imap_append_most(const conversation *c)
{
	struct setting_at at = imap_at(c);

	return message_size_most(&at);
}

int64_t imap_messages_most(const conversation *c)
{
	struct setting_at at = imap_at(c);

	return setting_number(S_imap_messages_most, &at);
}

/* ---- answers */

static status say_tagged(conversation *c, const char *word, const char *format, va_list args)
{
	const struct imap *i = imap_of(c);

	transcript_answers(c->rows);
	TRY(stream_write(c->stream, i->tag.size ? i->tag : S("*")));
	TRY(stream_format(c->stream, " %s ", word));
	TRY(stream_format_v(c->stream, format, args));
	return stream_write(c->stream, S("\r\n"));
}

/* What changed in the folder is told before the tagged answer, as far as the command lets it. */
static status tell_changes(conversation *c)
{
	const struct imap *i = imap_of(c);

	if (!i->selected || !i->row || (i->row->flags & IMAP_QUIET))
		return ST_OK;
	if (selected_renew_late(c) == ST_ABSENT)
		return selected_lost(c);
	bool expunge = !(i->row->flags & IMAP_NO_EXPUNGE) && !i->by_numbers;
	return i->selected->unknown ? ST_OK : selected_tell(c, expunge);
}

status imap_progress(conversation *c, int64_t done, int64_t all)
{
	struct imap *i = imap_of(c);

	if (clock_now() < i->progress_at)
		return ST_OK;
	i->progress_at = clock_now() + setting_number(S_imap_progress_gap, NULL);
	TRY(stream_format(c->stream, "* OK [INPROGRESS (\"%.*s\" ", SLICE_ARGS(i->tag)));
	TRY(i->progress_bare ? stream_format(c->stream, "NIL NIL")
			     : stream_format(c->stream, "%" PRId64 " %" PRId64, done, all));
	TRY(stream_write(c->stream, S(")] Still at it\r\n")));
	return stream_flush(c->stream);
}

/* "OK", with what a command did not come to (RFC 9738); where the answer has a code of its own,
   that goes before it. */
static status ok_word(conversation *c, const char *format, const char **word)
{
	const struct imap *i = imap_of(c);

	*word = "OK";
	if (i->limited_at == 0)
		return ST_OK;
	*word = arena_format(&c->command, "OK [MESSAGELIMIT %" PRId64 " %u]", imap_messages_most(c),
		i->limited_at)
			.at;
	if (format[0] != '[')
		return ST_OK;
	TRY(stream_format(c->stream, "* %s There are more\r\n", *word));
	*word = "OK";
	return ST_OK;
}

status imap_ok(conversation *c, const char *format, ...)
{
	const char *word;
	va_list args;

	TRY(tell_changes(c));
	TRY(selected_tell_highest(c));
	TRY(ok_word(c, format, &word));
	va_start(args, format);
	status s = say_tagged(c, word, format, args);
	va_end(args);
	return s;
}

static status tagged(conversation *c, const char *word, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	status s = say_tagged(c, word, format, args);
	va_end(args);
	return s;
}

status imap_ok_highest(conversation *c, const char *words)
{
	const struct imap *i = imap_of(c);
	const char *word;

	TRY(tell_changes(c));
	TRY(selected_tell_highest(c));
	TRY(ok_word(c, words, &word));
	if (!i->condstore || !i->selected || i->selected->unknown)
		return tagged(c, word, "%s", words);
	int64_t highest = i->selected->safe;
	if (i->limited_at == 0)
		return tagged(c, word, "[HIGHESTMODSEQ %" PRId64 "] %s", highest, words);
	TRY(conversation_say(c, "* OK [HIGHESTMODSEQ %" PRId64 "] The last change", highest));
	return tagged(c, word, "%s", words);
}

status imap_no(conversation *c, const char *format, ...)
{
	va_list args;

	TRY(tell_changes(c));
	TRY(selected_tell_highest(c));
	va_start(args, format);
	status s = say_tagged(c, "NO", format, args);
	va_end(args);
	return s;
}

status imap_bad(conversation *c, const char *format, ...)
{
	va_list args;

	conversation_bad(c);
	va_start(args, format);
	status s = say_tagged(c, "BAD", format, args);
	va_end(args);
	return s;
}

/* The last words of a conversation; ends its loop with `why`. */
static status goodbye(conversation *c, const char *words, status why)
{
	task_shield(true);
	transcript_answers(c->rows);
	if (conversation_say(c, "* BYE %s", words) == ST_OK)
		(void)conversation_last_words(c);
	task_shield(false);
	c->closing = true;
	return why;
}

/* RFC 5530 and RFC 9051 7.1: one row from kind to words. */
status imap_trouble(conversation *c, status kind)
{
	switch (kind) {
	case ST_ABSENT:
		return imap_no(c, "[NONEXISTENT] There is no such folder");
	case ST_EXISTS:
		return imap_no(c, "[ALREADYEXISTS] There is one of that name already");
	case ST_DENIED:
		return imap_no(c, "[NOPERM] That is not allowed here");
	case ST_INVALID:
		return imap_no(c, "[CANNOT] That cannot be done here; try it in another way");
	case ST_FULL:
		return imap_no(c, "[OVERQUOTA] The mailbox has no room for it");
	case ST_LIMITED:
		return imap_no(c, "[LIMIT] That is more than is allowed here; try it with less");
	case ST_TOO_BIG:
		return imap_no(c, "[TOOBIG] That is larger than is taken here");
	case ST_CLOSED:
	case ST_TIMED_OUT:
	case ST_CANCELLED:
		return kind;
	case ST_UNSURE: /* neither OK nor NO would be true */
		return goodbye(c,
			"[UNAVAILABLE] Nobody knows now whether that was done; come again and look",
			kind);
	case ST_BROKEN:
		return imap_no(c, "[SERVERBUG] Something is broken here; the operator was told");
	default:
		return imap_no(
			c, "[UNAVAILABLE] The message store is not to be had now; try again later");
	}
}

/* ---- capabilities: one row each, with when it is on offer */

static bool always(const conversation *c)
{
	(void)c;
	return true;
}

static bool word_is_off(slice command)
{
	return setting_lists(S_imap_commands_off, NULL, command);
}

static bool before_logon(const conversation *c)
{
	return imap_of(c)->state == AT_GREETING;
}

static bool logged_on(const conversation *c)
{
	return imap_of(c)->state != AT_GREETING;
}

static bool quotas_are_set(const conversation *c)
{
	struct setting_at at = imap_at(c);

	return logged_on(c) && setting_on(S_imap_setquota, &at);
}

static bool not_packed(const conversation *c)
{
	return logged_on(c) && !stream_is_deflated(c->stream);
}

static bool tls_to_be_had(const conversation *c)
{
	return before_logon(c) && c->tls && !stream_is_tls(c->stream);
}

static bool logon_refused(const conversation *c)
{
	return before_logon(c) &&
	       (!imap_may_log_on(c) || word_is_off(S("LOGIN")) || !auth_password_taken(0));
}

static const struct capability {
	slice word;
	bool (*on_offer)(const conversation *c);
	slice commands;
} capabilities[] = {
#define CAPABILITY(word, when, commands) {S(word), when, S(commands)},
#include "service/imap/capabilities.def"
#undef CAPABILITY
};

void imap_capabilities(conversation *c, text *out)
{
	bool by_sasl = before_logon(c) && !word_is_off(S("AUTHENTICATE"));
	slice mechanisms = by_sasl ? imap_mechanisms(c) : (slice){0}, one;
	bool all_on = setting_text(S_imap_commands_off, NULL).size == 0;

	for (size_t i = 0; i < sizeof capabilities / sizeof *capabilities; i++) {
		const struct capability *k = &capabilities[i];

		if (!k->on_offer(c) ||
			(!all_on && setting_lists_any(S_imap_commands_off, NULL, k->commands)))
			continue;
		if (out->size)
			text_add_char(out, ' ');
		text_add(out, k->word);
	}
	if (logged_on(c) && !word_is_off(S("APPEND")))
		text_format(out, " APPENDLIMIT=%" PRId64, imap_append_most(c)); /* RFC 7889 */
	if (logged_on(c) && imap_messages_most(c) > 0)
		text_format(out, " MESSAGELIMIT=%" PRId64, imap_messages_most(c)); /* RFC 9738 */
	while (slice_take(&mechanisms, ' ', &one))
		if (one.size)
			text_format(out, " AUTH=%.*s", SLICE_ARGS(one));
}

static status imap_capability(conversation *c, args *p)
{
	text list = TEXT_INIT;

	TRY(arg_end(p));
	imap_capabilities(c, &list);
	status s = conversation_say(c, "* CAPABILITY %s", list.at);
	text_free(&list);
	TRY(s);
	return imap_ok(c, "That is all");
}

/* ---- small commands */

static status imap_noop(conversation *c, args *p)
{
	TRY(arg_end(p));
	return imap_ok(c, "Done");
}

static status imap_logout(conversation *c, args *p)
{
	TRY(arg_end(p));
	c->closing = true;
	TRY(conversation_say(c, "* BYE Good-bye"));
	return imap_ok(c, "Logged out");
}

/* The pairs of ID, between their brackets, as "key=value key=value". */
static status id_pairs(conversation *c, args *p, text *told)
{
	slice key, value;

	for (int n = 0; !arg_take(p, ')'); n++) {
		if (n > 0)
			TRY(arg_space(p));
		TRY(arg_string(p, &key));
		TRY(arg_space(p));
		TRY(arg_nstring(p, &value));
		if (n < ID_PAIRS_MOST)
			text_format(told, "%s%s=%s", n ? " " : "", conversation_safe(c, key),
				conversation_safe(c, value));
	}
	return ST_OK;
}

/* RFC 2971: who the client says it is goes into the log; we say no more than our name. */
static status imap_id(conversation *c, args *p)
{
	text told = TEXT_INIT;
	status s = arg_space(p);

	if (s == ST_OK)
		s = arg_take(p, '(') ? id_pairs(c, p, &told) : arg_word(p, S("NIL"));
	if (s == ST_OK)
		s = arg_end(p);
	if (s == ST_OK && told.size)
		log_event(EV_IMAP_CLIENT, "conversation=%s says=%s", c->name,
			log_quote(text_slice(&told)));
	text_free(&told);
	TRY(s);
	TRY(conversation_say(c, "* ID (\"name\" \"Pennypost\")"));
	return imap_ok(c, "Pleased to meet you");
}

/* "en", "EN-gb", and what every server has (RFC 5255 3.2). */
static bool is_spoken(slice language)
{
	return slice_same_nocase(language, S("en")) || slice_starts_nocase(language, S("en-")) ||
	       slice_same_nocase(language, S("default")) ||
	       slice_same_nocase(language, S("i-default"));
}

/* RFC 5255 3: our words are English. Without arguments: which languages there are. */
static status imap_language(conversation *c, args *p)
{
	bool asked = p->rest.size > 0, spoken = false;
	slice language;

	while (p->rest.size > 0) {
		TRY(arg_space(p));
		TRY(arg_astring(p, &language));
		spoken = spoken || is_spoken(language);
	}
	if (asked && !spoken)
		return imap_no(c, "Nobody here speaks that");
	TRY(conversation_say(c, "* LANGUAGE (%s)", asked ? "en" : "en i-default"));
	return imap_ok(c, "That is all");
}

static status imap_starttls(conversation *c, args *p)
{
	TRY(arg_end(p));
	if (stream_is_tls(c->stream))
		return imap_bad(c, "TLS is on already");
	if (!c->tls)
		return imap_no(c, "[CANNOT] TLS is not set up here; ask the operator for it");
	/* Bytes behind STARTTLS in the same packet are an injection. */
	if (conversation_ran_ahead(c))
		return imap_bad(c, "Nothing may follow STARTTLS before the handshake");
	TRY(imap_ok(c, "Ready to start TLS"));
	TRY(stream_flush(c->stream));
	TRY(stream_tls_accept(c->stream, c->tls));
	arena_clear(&c->talk);
	return ST_OK;
}

/* RFC 4978. What stands behind the command in the same packet was not packed and must not be read
   so. */
static status imap_compress(conversation *c, args *p)
{
	TRY(arg_space(p));
	TRY(arg_word(p, S("DEFLATE")));
	TRY(arg_end(p));
	if (stream_is_deflated(c->stream))
		return imap_no(c, "[COMPRESSIONACTIVE] It is on already");
	if (conversation_ran_ahead(c))
		return imap_bad(c, "Nothing may follow COMPRESS before its answer");
	TRY(imap_ok(c, "Packed from here on"));
	return stream_deflate(c->stream);
}

/* RFC 5161: words that change what is said from now on. Unknown ones are passed over. Clients may say
   it before they select a folder, servers need not look to that (3.1): what changes words alone, and
   not what numbers mean, is taken then too. */
static status imap_enable(conversation *c, args *p)
{
	struct imap *i = imap_of(c);
	struct {
		slice word;
		bool *on, asked;
	} rows[] = {{S("IMAP4rev2"), &i->rev2, false}, {S("CONDSTORE"), &i->condstore, false},
		{S("QRESYNC"), &i->qresync, false}, {S("UTF8=ACCEPT"), &i->utf8, false},
		{S("UIDONLY"), &i->uidonly, false}};
	const size_t count = sizeof rows / sizeof *rows;
	text told = TEXT_INIT;
	slice word;

	do {
		TRY(arg_space(p));
		TRY(arg_atom(p, &word));
		for (size_t r = 0; r < count; r++)
			if (slice_same_nocase(word, rows[r].word))
				rows[r].asked = true;
		/* Searches that are kept up to date by number could be told no more. */
		if (i->selected && !i->uidonly && slice_same_nocase(word, S("UIDONLY"))) {
			p->trouble = "Leave the folder before ENABLE UIDONLY";
			return ST_INVALID;
		}
	} while (p->rest.size > 0);
	for (size_t r = 0; r < count; r++)
		if (rows[r].asked && !*rows[r].on) {
			*rows[r].on = true;
			text_format(&told, " %.*s", SLICE_ARGS(rows[r].word));
		}
	i->condstore = i->condstore || i->qresync; /* RFC 7162 3.2.3 */
	if (i->selected && i->rev2)
		i->selected->recent = UINT32_MAX;
	status s = conversation_say(c, "* ENABLED%s", told.size ? told.at : "");
	text_free(&told);
	TRY(s);
	return imap_ok(c, "Enabled");
}

/* ---- the loop */

static status say_stopping(conversation *c)
{
	return goodbye(c,
		c->dismissed ? "The administrator ended this session"
			     : "The service restarts; connect again at once",
		ST_CANCELLED);
}

/* T7 */
static status send_away(conversation *c, const char *speaks, const char *words)
{
	conversation_foreign(c, speaks);
	return goodbye(c, words, ST_LIMITED);
}

const struct imap_row imap_server_rows[] = {
	{"CAPABILITY", imap_capability, AT_ANY, IMAP_FREE, "CAPABILITY: what is on offer"},
	{"NOOP", imap_noop, AT_ANY, IMAP_FREE, "NOOP: tells what changed"},
	{"CHECK", imap_noop, AT_SELECTED, IMAP_FREE, "CHECK: as NOOP (RFC 3501 6.4.1)"},
	{"LOGOUT", imap_logout, AT_ANY, IMAP_QUIET | IMAP_LEAVES, "LOGOUT: good-bye"},
	{"ID", imap_id, AT_ANY, IMAP_FREE | IMAP_QUIET,
		"ID NIL | (\"name\" \"value\" ...): who speaks"},
	{"LANGUAGE", imap_language, AT_ANY, IMAP_FREE,
		"LANGUAGE [language ...]: in which we speak"},
	{"STARTTLS", imap_starttls, AT_GREETING, 0, "STARTTLS: encrypt this conversation"},
	{"COMPRESS", imap_compress, AT_LOGGED_ON, 0, "COMPRESS DEFLATE: pack what is said"},
	{"ENABLE", imap_enable, AT_LOGGED_ON, IMAP_QUIET, "ENABLE word ...: change what is said"},
	{0},
};

static const struct imap_row *const families[] = {
#define FAMILY(rows) rows,
#include "service/imap/families.def"
#undef FAMILY
};

static const struct imap_row *row_find(slice name)
{
	for (size_t i = 0; i < sizeof families / sizeof *families; i++)
		for (const struct imap_row *row = families[i]; row->name; row++)
			if (slice_same_nocase(name, slice_z(row->name)))
				return row;
	return NULL;
}

const char *imap_command_name(int n)
{
	for (size_t i = 0; i < sizeof families / sizeof *families; i++)
		for (const struct imap_row *row = families[i]; row->name; row++)
			if (n-- == 0)
				return row->name;
	return NULL;
}

static size_t command_most(const conversation *c)
{
	return before_logon(c) ? BEFORE_LOGON_MOST
			       : (size_t)setting_number(S_imap_command_most, NULL);
}

/* Until the logon the time runs from the beginning, whatever the client says meanwhile (T21). */
static usec patience(const conversation *c)
{
	if (!before_logon(c))
		return setting_number(S_imap_idle_patience, NULL);
	usec left = c->started + setting_number(S_imap_logon_patience, NULL) - clock_now();
	return left > 0 ? left : 0;
}

/* "tag name" and, behind UID, one word more; finds the row. */
static status command_name(conversation *c, args *p)
{
	struct imap *i = imap_of(c);
	slice name, second;

	TRY(arg_tag(p, &i->tag));
	TRY(arg_space(p));
	TRY(arg_atom(p, &name));
	if (slice_same_nocase(name, S("UID"))) {
		TRY(arg_space(p));
		TRY(arg_atom(p, &second));
		name = arena_format(&c->command, "UID %.*s", SLICE_ARGS(second));
	}
	i->row = row_find(name);
	if (i->row)
		return ST_OK;
	p->trouble = "Unknown command";
	return ST_INVALID;
}

/* A command that is switched off is so with its UID form too. */
static bool is_off(const struct imap_row *row)
{
	slice name = slice_z(row->name);

	return word_is_off(slice_from(name, slice_starts(name, S("UID ")) ? 4 : 0));
}

/* The row may run now; else the answer was given. */
static bool may_run(conversation *c, status *said)
{
	const struct imap *i = imap_of(c);

	if (is_off(i->row)) {
		conversation_bad(c);
		*said = imap_no(c, "[CANNOT] %s is switched off here; ask the operator for it",
			i->row->name);
		return false;
	}
	if (!(i->row->states & i->state)) {
		*said = imap_bad(c, i->state == AT_GREETING        ? "Log on first"
				    : i->row->states & AT_SELECTED ? "Select a folder first"
								   : "Logged on already");
		return false;
	}
	if (i->uidonly && (i->row->flags & IMAP_BY_NUMBER)) {
		*said = imap_bad(
			c, "[UIDREQUIRED] There are no message numbers after ENABLE UIDONLY");
		return false;
	}
	return true;
}

/* A folder of others may have been removed, or be shared no more: to the reader that is the
   same. */
static bool folder_lost(conversation *c, status *said)
{
	status s = imap_of(c)->row->flags & IMAP_LEAVES ? ST_OK : selected_renew(c);

	if (s == ST_ABSENT) {
		s = selected_lost(c);
		*said = s == ST_OK ? imap_no(c, "[UNAVAILABLE] " SELECTED_LOST) : s;
		return true;
	}
	*said = s == ST_OK ? ST_OK : imap_trouble(c, s);
	return s != ST_OK;
}

/* ST_OK also when it may not run. */
static status row_run(conversation *c, args *p)
{
	const struct imap_row *row = imap_of(c)->row;
	status said;

	if (folder_lost(c, &said) || !may_run(c, &said)) {
		TRY(said);
		return args_skip(p);
	}
	if (row->flags & IMAP_FREE)
		conversation_workless(c);
	if (row->flags & IMAP_SECRET) {
		stream_forget(c->stream);
		arena_secret(&c->command);
	}
	metric_add(M_commands, c->service, 1);
	metric_command(c->service, row->name);
	imap_of(c)->progress_at = clock_now() + setting_number(S_imap_progress_gap, NULL);
	if (!before_logon(c))
		imap_pace(c);
	return row->run(c, p);
}

/* What was announced and is not read would be taken for commands. */
static status say_out_of_step(conversation *c)
{
	return goodbye(c, "More was announced than is taken here", ST_LIMITED);
}

static status run_command(conversation *c, args *p)
{
	struct imap *i = imap_of(c);
	slice line = p->rest;
	status s = command_name(c, p);

	/* Its verb could be a tag, but no command follows it. */
	if (!i->row && before_logon(c) && conversation_is_http(line))
		return send_away(c, "http", "This is no web server");
	if (i->row)
		transcript_begin(c->rows, slice_z(i->row->name),
			i->row->flags & IMAP_SECRET ? TRANSCRIPT_SECRET : slice_trim(p->rest));
	else
		transcript_begin_stray(c->rows, "unknown");
	if (!i->row)
		metric_command(c->service, NULL);
	if (s == ST_OK)
		s = row_run(c, p);
	if (s == ST_INVALID || s == ST_TOO_BIG)
		TRY(args_skip(p));
	else
		TRY(s);
	if (p->out_of_step)
		return say_out_of_step(c);
	if (s == ST_OK)
		return ST_OK;
	if (s == ST_TOO_BIG) {
		conversation_bad(c);
		return imap_no(c, "[TOOBIG] %s", p->trouble ? p->trouble : "That is too much");
	}
	if (p->trouble || !i->row)
		return imap_bad(
			c, "%s", p->trouble ? p->trouble : "A command is: tag, name, arguments");
	return imap_bad(c, "Syntax: %s", i->row->help);
}

static status next_command(conversation *c)
{
	struct imap *i = imap_of(c);
	args p = {.trouble = "That is no command"};

	/* Nothing here yet means waiting, and who waits holds no memory. */
	if (stream_pending(c->stream) == 0)
		arena_release(&c->command);
	else
		arena_clear(&c->command);
	i->tag = (slice){0};
	i->row = NULL;
	i->progress_bare = false;
	i->by_numbers = false;
	i->limited_at = 0;
	i->search_spent = 0;
	stream_patience(c->stream, patience(c), 0, 0);
	conversation_idle(c, true);
	status s = notify_wait(c, patience(c));
	if (s == ST_OK)
		s = conversation_await(c);
	if (s == ST_OK)
		s = args_begin(&p, c, command_most(c));
	conversation_idle(c, false);
	if (c->told)
		return ST_CANCELLED;
	switch (s) {
	case ST_OK:
		break;
	case ST_TOO_BIG: /* what its end announced is not known */
		transcript_begin_stray(c->rows, "malformed");
		TRY(imap_bad(c, "%s", p.trouble));
		return goodbye(c, "So long a command is not read to its end", ST_LIMITED);
	case ST_INVALID:
		transcript_begin_stray(c->rows, "malformed");
		TRY(imap_bad(c, "%s", p.trouble));
		TRY(args_skip(&p));
		return p.out_of_step ? say_out_of_step(c) : ST_OK;
	case ST_ABSENT:
		return goodbye(c, SELECTED_LOST, s);
	case ST_FOREIGN:
		return send_away(c, "tls", "TLS begins with STARTTLS here");
	case ST_TIMED_OUT:
		return goodbye(
			c, before_logon(c) ? "No logon came in time" : "Silent for too long", s);
	default:
		return s;
	}
	c->commands++;
	return run_command(c, &p);
}

bool imap_admits(const conversation *c)
{
	struct setting_at at = imap_at(c);

	return c->trusted || net_networks_admit(setting_text(S_imap_access, &at),
				     setting_text(S_imap_access_denied, &at), &c->peer);
}

static status greet(conversation *c)
{
	const char *why;
	text list = TEXT_INIT;

	if (!imap_admits(c))
		return goodbye(c, "IMAP is not open to your network", ST_DENIED);
	if (!provider_healthy(&why))
		return goodbye(c,
			"[UNAVAILABLE] The message store is not to be had now; try again later",
			ST_BUSY);
	imap_capabilities(c, &list);
	transcript_answers(c->rows);
	status s = conversation_say(c, "* OK [CAPABILITY %s] Pennypost IMAP ready", list.at);
	text_free(&list);
	return s;
}

static status talk(conversation *c)
{
	TRY(greet(c));
	transcript_end(c->rows);
	while (!c->closing) {
		status s = listener_stopping() || c->dismissed ? ST_CANCELLED : next_command(c);

		if (s == ST_CANCELLED)
			return say_stopping(c);
		TRY(s);
		if (c->bad_commands > setting_number(S_imap_bad_commands_most, NULL))
			return goodbye(c, "Too many errors", ST_LIMITED);
		transcript_end(c->rows);
		TRY(task_breathe());
	}
	return conversation_last_words(c);
}

status imap_conversation(conversation *c)
{
	struct imap i = {.state = AT_GREETING};

	c->state = &i;
	status s = talk(c);
	notify_close(c);
	selected_close(c);
	session_close(&i.session);
	c->state = NULL;
	return s;
}
