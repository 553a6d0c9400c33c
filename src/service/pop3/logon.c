/* Logons: USER and PASS, APOP (RFC 1939 7), AUTH (RFC 5034); and what follows them all: the rules
   of the mailbox, the lock, the list of messages. */
#include "provider/sasl.h"
#include "service/pop3/session.h"

/* One logon; a remembered one has opened the maildrop by itself when it turns out to be right. */
struct logon {
	conversation *c;
	struct auth_opener opener;
	bool opened; /* `kind` tells how that went */
	status kind;
};

static struct auth_from from_of(const struct logon *l)
{
	conversation *c = l->c;
	return (struct auth_from){.service = SERVICE_POP3,
		.address = net_address_text(&c->peer, &c->command),
		.secure = stream_is_tls(c->stream) || c->trusted,
		.opener = &l->opener};
}

/* RFC 2449 8, RFC 3206: the code tells the client's program what the words tell its user. */
static status say_logon_trouble(conversation *c, status kind)
{
	switch (kind) {
	case ST_DENIED:
		return pop3_refuse(c, "[AUTH] Wrong name or password");
	case ST_LIMITED:
		return pop3_refuse(c, "[AUTH] Too many failed logons; try again later");
	case ST_INVALID:
		return pop3_refuse(c, "Malformed response");
	case ST_TOO_BIG:
		return pop3_refuse(c, "Response is too long");
	case ST_CLOSED:
	case ST_TIMED_OUT:
	case ST_CANCELLED:
		return kind;
	default:
		return pop3_refuse(c, "[SYS/TEMP] Logons cannot be checked now; try again later");
	}
}

static const char *rule_broken(const conversation *c)
{
	struct setting_at at = pop3_at(c);
	if (!setting_on(S_pop3_enabled, &at))
		return "[SYS/PERM] POP3 is switched off for this mailbox";
	if (!pop3_admits(c))
		return "[SYS/PERM] POP3 is not open to your network";
	return NULL;
}

static const char *not_opened(status kind)
{
	switch (kind) {
	case ST_EXISTS:
		return "[LOGIN-DELAY] Too soon after the last logon; wait a little";
	case ST_LIMITED:
		return "[IN-USE] The mailbox is being read by another conversation";
	default:
		return "[SYS/TEMP] The mailbox cannot be opened now; try again later";
	}
}

static status open_drop(struct logon *l, const struct identity *who, int64_t revision)
{
	struct setting_at at = pop3_at(l->c);
	l->kind = maildrop_open(
		&pop3_of(l->c)->drop, who, setting_number(S_pop3_login_delay, &at), revision);
	l->opened = true;
	return l->kind == ST_CANCELLED ? l->kind : ST_OK;
}

/* What rules forbid is told when the logon has turned out to be right (enter). */
static status open_remembered(
	void *arg, const struct identity *who, int64_t as_of, int64_t *revision)
{
	struct logon *l = arg;
	struct pop3 *p = pop3_of(l->c);
	p->who = *who;
	bool may = rule_broken(l->c) == NULL;
	status kind = may ? open_drop(l, who, as_of) : ST_OK;
	*revision = may ? p->drop.logons : 0;
	p->who = (struct identity){0};
	return kind;
}

static void close_again(void *arg)
{
	struct logon *l = arg;
	maildrop_close(&pop3_of(l->c)->drop);
	l->opened = false;
}

static struct logon *logon_new(conversation *c)
{
	struct logon *l = arena_new(&c->talk, sizeof *l);
	*l = (struct logon){.c = c, .opener = {open_remembered, close_again, l}};
	return l;
}

static const char *one_too_many(conversation *c)
{
	struct setting_at at = pop3_at(c);

	return conversation_belongs(c, pop3_of(c)->who.postoffice,
		       (unsigned)setting_number(S_pop3_per_postoffice_most, &at)) == ST_OK
		       ? NULL
		       : "[SYS/TEMP] Too many connections of your post office; try again later";
}

/* Credentials were right: opens the maildrop. */
static status enter(struct logon *l, const struct identity *who)
{
	conversation *c = l->c;
	struct pop3 *p = pop3_of(c);
	p->who = *who;
	const char *why = rule_broken(c);
	if (!why) {
		if (!l->opened)
			TRY(open_drop(l, who, 0));
		why = l->kind == ST_OK ? one_too_many(c) : not_opened(l->kind);
	}
	if (why) {
		maildrop_close(&p->drop);
		p->who = (struct identity){0}; /* nobody is logged on */
		return pop3_refuse(c, why);
	}
	p->state = AT_TRANSACTION;
	p->session = session_open(who->postoffice, who->mailbox, SERVICE_POP3,
		net_address_text(&c->peer, &c->command), conversation_dismiss, c);
	transcript_user(c->rows, who->mailbox_name, who->postoffice_name);
	return conversation_say(c, "+OK %d messages", p->drop.n);
}

static bool needs_tls(conversation *c, status *said)
{
	if (pop3_may_log_on(c))
		return false;
	*said = pop3_refuse(c, "Logons need encryption: STLS first");
	return true;
}

/* ---- USER and PASS */

status pop3_user(conversation *c, slice rest)
{
	status said;
	if (needs_tls(c, &said))
		return said;
	if (pop3_apop_forced())
		return pop3_refuse(c, "Use APOP");
	if (!auth_password_taken(0))
		return pop3_refuse(c, "Use AUTH with a mechanism on offer here");
	arena_clear(&c->talk); /* of failed logons, and of the name given before */
	pop3_of(c)->user = arena_copy(&c->talk, rest);
	return conversation_say(c, "+OK Now the password");
}

status pop3_pass(conversation *c, slice rest)
{
	struct pop3 *p = pop3_of(c);
	status said;
	if (needs_tls(c, &said))
		return said;
	if (p->user.size == 0)
		return pop3_refuse(c, "USER first");
	struct logon *l = logon_new(c);
	struct auth_from from = from_of(l);
	struct identity who;
	status kind = auth_password(p->user, rest, &from, &c->talk, &who);
	p->user = (slice){0};
	return kind == ST_OK ? enter(l, &who) : say_logon_trouble(c, kind);
}

/* ---- APOP */

status pop3_apop(conversation *c, slice rest)
{
	struct pop3 *p = pop3_of(c);
	if (!p->stamp[0])
		return pop3_refuse(c, "APOP is not on offer here");
	size_t cut = slice_find_last(rest, ' ');
	slice name = slice_until(rest, cut), digest = slice_from(rest, cut + 1);
	if (cut == rest.size || name.size == 0 || digest.size != 32)
		return pop3_refuse(c, "Syntax: APOP <name> <digest>");
	struct logon *l = logon_new(c);
	struct auth_from from = from_of(l);
	struct identity who;
	status kind = auth_apop(name, slice_z(p->stamp), digest, &from, &c->talk, &who);
	return kind == ST_OK ? enter(l, &who) : say_logon_trouble(c, kind);
}

/* ---- AUTH */

static status binding_of(void *stream_of, slice kind, arena *a, slice *data)
{
	return stream_tls_binding(stream_of, kind, a, data);
}

static status ask(void *c, slice challenge, slice *answer)
{
	return conversation_challenge(c, "+", challenge, answer);
}

static status list_mechanisms(conversation *c)
{
	slice all = pop3_mechanisms(c), one;
	TRY(conversation_say(c, "+OK Mechanisms follow"));
	while (slice_take(&all, ' ', &one))
		if (one.size)
			TRY(conversation_say(c, "%.*s", SLICE_ARGS(one)));
	return conversation_say(c, ".");
}

status pop3_auth(conversation *c, slice rest)
{
	status said;
	rest = slice_trim(rest);
	if (rest.size == 0)
		return list_mechanisms(c);
	if (needs_tls(c, &said))
		return said;
	slice word, raw = {0};
	slice_take(&rest, ' ', &word);
	bool has_initial = rest.size > 0;
	struct logon *l = logon_new(c);
	struct sasl_peer peer = {.from = from_of(l),
		.binding = stream_is_tls(c->stream) ? binding_of : NULL,
		.arg = c->stream,
		.password_unseen = pop3_apop_forced()};
	peer.from.address = arena_copy(&c->talk, peer.from.address);
	struct sasl_talk talk = {ask, c};
	struct identity who = {0};
	sasl *mechanism;
	if (sasl_start(word, &peer, &c->talk, &mechanism) != ST_OK)
		return pop3_refuse(c, peer.password_unseen
					      ? "Use APOP, or a mechanism on offer here"
					      : "Mechanism is not on offer here");
	if (has_initial && sasl_initial(rest, &c->command, &raw) != ST_OK) {
		sasl_abort(mechanism);
		return say_logon_trouble(c, ST_INVALID);
	}
	status kind = sasl_exchange(mechanism, has_initial ? &raw : NULL, &talk, &c->talk, &who);
	if (kind == ST_ABSENT)
		return pop3_refuse(c, "Logon given up");
	return kind == ST_OK ? enter(l, &who) : say_logon_trouble(c, kind);
}
