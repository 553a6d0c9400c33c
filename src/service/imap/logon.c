/* Logons: LOGIN, AUTHENTICATE (RFC 9051 6.2; SASL-IR of RFC 4959 is part of it), and UNAUTHENTICATE
   (RFC 8437). */
#include "provider/sasl.h"
#include "service/imap/notify.h"
#include "service/imap/selected.h"
#include "service/imap/session.h"

#include <inttypes.h>

static struct auth_from from_of(conversation *c)
{
	return (struct auth_from){.service = SERVICE_IMAP,
		.address = net_address_text(&c->peer, &c->talk),
		.secure = stream_is_tls(c->stream) || c->trusted};
}

static status binding_of(void *stream_of, slice kind, arena *a, slice *data)
{
	return stream_tls_binding(stream_of, kind, a, data);
}

slice imap_mechanisms(conversation *c)
{
	bool tls = stream_is_tls(c->stream);
	struct sasl_peer peer = {.from = {.service = SERVICE_IMAP, .secure = tls || c->trusted},
		.binding = tls ? binding_of : NULL,
		.arg = c->stream};
	return sasl_offered(&peer, &c->command);
}

bool imap_may_log_on(const conversation *c)
{
	return stream_is_tls(c->stream) || c->trusted || setting_on(S_auth_allow_cleartext, NULL);
}

static status say_too_many(conversation *c, usec span)
{
	usec unit = span < 120 * USEC_S ? USEC_S : 60 * USEC_S;

	return imap_no(c,
		"[LIMIT] Too many logons failed in the last %" PRId64
		" %s; come again when they have passed",
		(span + unit - 1) / unit, unit == USEC_S ? "seconds" : "minutes");
}

/* The codes of RFC 5530 tell the client's program what the words tell its user. */
static status say_logon_trouble(conversation *c, status kind)
{
	switch (kind) {
	case ST_DENIED:
		return imap_no(c, "[AUTHENTICATIONFAILED] Wrong name or password");
	case ST_LIMITED:
		return say_too_many(c, setting_number(S_auth_failure_span, NULL));
	case ST_INVALID:
		return imap_bad(c, "Malformed response");
	case ST_TOO_BIG:
		return imap_bad(c, "Response is too long");
	case ST_ABSENT:
		return imap_bad(c, "Logon given up");
	case ST_CLOSED:
	case ST_TIMED_OUT:
	case ST_CANCELLED:
		return kind;
	default:
		return imap_no(c, "[UNAVAILABLE] Logons cannot be checked now; try again later");
	}
}

static const char *rule_broken(conversation *c)
{
	struct setting_at at = imap_at(c);

	if (!setting_on(S_imap_enabled, &at))
		return "[AUTHORIZATIONFAILED] IMAP is switched off for this mailbox";
	if (!imap_admits(c))
		return "[AUTHORIZATIONFAILED] IMAP is not open to your network";
	int64_t most = setting_number(S_imap_per_postoffice_most, &at);
	if (conversation_belongs(c, imap_of(c)->who.postoffice, (unsigned)most) != ST_OK)
		return arena_format(&c->command,
			"[LIMIT] Connections of your post office are limited to %" PRId64
			" at a time here; close some, or try again later",
			most)
			.at;
	return NULL;
}

/* Credentials were right. */
static status enter(conversation *c, const struct identity *who)
{
	struct imap *i = imap_of(c);
	text list = TEXT_INIT;
	const char *why;

	i->who = *who;
	why = rule_broken(c);
	if (why) {
		i->who = (struct identity){0};
		return imap_no(c, "%s", why);
	}
	i->state = AT_AUTHENTICATED;
	i->session = session_open(who->postoffice, who->mailbox, SERVICE_IMAP,
		net_address_text(&c->peer, &c->command), conversation_dismiss, c);
	transcript_user(c->rows, who->mailbox_name, who->postoffice_name);
	imap_capabilities(c, &list);
	status s = imap_ok(c, "[CAPABILITY %s] Logged on", list.at);
	text_free(&list);
	return s;
}

static bool needs_tls(conversation *c, status *said)
{
	if (imap_may_log_on(c))
		return false;
	*said = imap_no(c, "[PRIVACYREQUIRED] Logons need encryption: STARTTLS first");
	return true;
}

static status imap_login(conversation *c, args *p)
{
	slice name, password;
	struct identity who;
	status said;

	TRY(arg_space(p));
	TRY(arg_astring(p, &name));
	TRY(arg_space(p));
	TRY(arg_astring(p, &password));
	stream_forget(c->stream); /* it may have come as a literal */
	TRY(arg_end(p));
	if (needs_tls(c, &said))
		return said;
	if (!auth_password_taken(0))
		return imap_no(c,
			"[CANNOT] LOGIN is not taken here; AUTHENTICATE by a mechanism on offer");
	struct auth_from from = from_of(c);
	status kind = auth_password(name, password, &from, &c->talk, &who);
	return kind == ST_OK ? enter(c, &who) : say_logon_trouble(c, kind);
}

/* ---- AUTHENTICATE */

static status ask(void *c, slice challenge, slice *answer)
{
	return conversation_challenge(c, "+", challenge, answer);
}

static status imap_authenticate(conversation *c, args *p)
{
	slice mechanism, initial = {0}, raw = {0};
	struct identity who = {0};
	status said;
	sasl *talk_of;

	TRY(arg_space(p));
	TRY(arg_atom(p, &mechanism));
	if (arg_take(p, ' '))
		TRY(arg_atom(p, &initial));
	TRY(arg_end(p));
	if (needs_tls(c, &said))
		return said;
	struct sasl_peer peer = {.from = from_of(c),
		.binding = stream_is_tls(c->stream) ? binding_of : NULL,
		.arg = c->stream};
	struct sasl_talk talk = {ask, c};

	if (sasl_start(mechanism, &peer, &c->talk, &talk_of) != ST_OK)
		return imap_no(c,
			"[CANNOT] The mechanism is not on offer here; take one that CAPABILITY tells");
	if (initial.at && sasl_initial(initial, &c->command, &raw) != ST_OK) {
		sasl_abort(talk_of);
		return say_logon_trouble(c, ST_INVALID);
	}
	status kind = sasl_exchange(talk_of, initial.at ? &raw : NULL, &talk, &c->talk, &who);
	return kind == ST_OK ? enter(c, &who) : say_logon_trouble(c, kind);
}

/* RFC 8437: as if the connection were new, but for TLS. Packing would have to end at an octet that
   both sides take for the same one, and where a flush of the client's ends nobody says: it is not
   on offer then. */
static status imap_unauthenticate(conversation *c, args *p)
{
	struct imap *i = imap_of(c);

	TRY(arg_end(p));
	if (stream_is_deflated(c->stream))
		return imap_bad(c, "Not while this conversation is packed; connect anew");
	notify_close(c);
	selected_close(c);
	session_close(&i->session);
	conversation_belongs(c, 0, 0);
	status s = imap_ok(c, "Nobody is logged on now");
	*i = (struct imap){.state = AT_GREETING, .tag = i->tag, .row = i->row};
	arena_clear(&c->talk);
	c->started = clock_now();
	return s;
}

const struct imap_row imap_logon_rows[] = {
	{"LOGIN", imap_login, AT_GREETING, IMAP_SECRET | IMAP_QUIET, "LOGIN name password: log on"},
	{"AUTHENTICATE", imap_authenticate, AT_GREETING, IMAP_SECRET | IMAP_QUIET,
		"AUTHENTICATE mechanism [initial response]: log on"},
	{"UNAUTHENTICATE", imap_unauthenticate, AT_LOGGED_ON, IMAP_QUIET | IMAP_LEAVES,
		"UNAUTHENTICATE: log off, but stay connected"},
	{0},
};
