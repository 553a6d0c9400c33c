/* AUTH (RFC 4954): moves base64 lines between the client and the SASL mechanisms. */
#include "connector/smtp/session.h"
#include "provider/sasl.h"

static const char *reply_to(status kind)
{
	switch (kind) {
	case ST_DENIED:
		return "535 5.7.8 Wrong name or password";
	case ST_LIMITED:
		return "454 4.7.0 Too many failed logons; try again later";
	case ST_INVALID:
		return "501 5.5.2 Malformed response";
	case ST_TOO_BIG:
		return "500 5.5.6 Response is too long";
	case ST_ABSENT:
		return "504 5.5.4 Mechanism is not on offer here";
	default:
		return "454 4.7.0 Logons cannot be checked now; try again later";
	}
}

static status binding_of(void *stream_of, slice kind, arena *a, slice *data)
{
	return stream_tls_binding(stream_of, kind, a, data);
}

static status ask(void *c, slice challenge, slice *answer)
{
	return conversation_challenge(c, "334", challenge, answer);
}

static const char *may_log_on(const conversation *c)
{
	const struct smtp *s = smtp_of(c);
	if (s->authenticated)
		return "503 5.5.1 Logged on already";
	if (!stream_is_tls(c->stream) && !c->trusted && !setting_on(S_auth_allow_cleartext, NULL))
		return "538 5.7.11 Logons need encryption: STARTTLS first";
	return NULL;
}

static bool is_fatal(status kind)
{
	return kind == ST_CLOSED || kind == ST_TIMED_OUT || kind == ST_CANCELLED;
}

/* His post office has as many conversations as it may. */
static bool has_no_room(conversation *c, const struct identity *who)
{
	struct setting_at at = {.postoffice = who->postoffice};

	return conversation_belongs(c, who->postoffice,
		       (unsigned)setting_number(S_smtp_per_postoffice_most, &at)) != ST_OK;
}

status smtp_auth(conversation *c, slice rest)
{
	struct smtp *s = smtp_of(c);
	const char *reply = may_log_on(c);
	if (reply) {
		conversation_bad(c);
		return conversation_say(c, "%s", reply);
	}
	slice word, raw = {0};
	slice_take(&rest, ' ', &word);
	bool has_initial = rest.size > 0;
	bool secure = stream_is_tls(c->stream) || c->trusted;
	struct sasl_peer peer = {
		.from = {.service = c->service,
			.address = net_address_text(smtp_client(c), &c->talk),
			.secure = secure},
		.binding = stream_is_tls(c->stream) ? binding_of : NULL,
		.arg = c->stream,
	};
	sasl *mechanism;
	struct identity who = {0};
	/* A refused logon costs a slow answer; the patience covers the whole exchange. */
	stream_patience(c->stream, setting_number(S_smtp_greeting_patience, NULL), 0, 0);
	status kind = sasl_start(word, &peer, &c->command, &mechanism);
	if (kind == ST_OK) {
		struct sasl_talk talk = {ask, c};
		if (has_initial)
			kind = sasl_initial(rest, &c->command, &raw);
		if (kind == ST_OK)
			kind = sasl_exchange(
				mechanism, has_initial ? &raw : NULL, &talk, &c->command, &who);
		if (kind == ST_ABSENT) {
			conversation_bad(c);
			return conversation_say(c, "501 5.7.0 Logon given up");
		}
	}
	if (is_fatal(kind))
		return kind;
	if (kind != ST_OK) {
		conversation_bad(c);
		return conversation_say(c, "%s", reply_to(kind));
	}
	if (has_no_room(c, &who)) {
		c->closing = true;
		return conversation_say(
			c, "421 4.7.0 Too many connections of your post office; try again later");
	}
	s->who = who;
	s->who.postoffice_name = arena_copy(&c->talk, who.postoffice_name);
	s->who.mailbox_name = arena_copy(&c->talk, who.mailbox_name);
	s->mechanism = arena_copy(&c->talk, word);
	s->authenticated = true;
	s->session = session_open(who.postoffice, who.mailbox, c->service,
		net_address_text(smtp_client(c), &c->command), conversation_dismiss, c);
	transcript_user(c->rows, who.mailbox_name, who.postoffice_name);
	return conversation_say(c, "235 2.7.0 Logged on");
}
