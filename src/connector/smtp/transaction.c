/* MAIL and RCPT: the envelope. Every answer is the true one at its moment: unknown, disabled, over
   quota and foreign recipients are refused here, so that no bounce is ever owed (T15). */
#include "base/id.h"
#include "base/log.h"
#include "base/map.h"
#include "connector/smtp/passing.h"
#include "connector/smtp/session.h"
#include "provider/mailbox.h"
#include "provider/message.h"
#include "provider/postoffice.h"
#include "provider/provider.h"
#include "provider/trace.h"

#include <inttypes.h>

#define NEEDS_EHLO "555 5.5.4 Parameters need EHLO" /* RFC 5321 4.1.1.11 */

/* ---- answers */

bool smtp_outgrows(uint64_t size, const struct route *route)
{
	int64_t most = route->quota +
		       (route->postmaster ? setting_number(S_mailbox_postmaster_room, NULL) : 0);
	return route->quota > 0 && size > (uint64_t)most;
}

static const char *recipient_reply(
	conversation *c, status kind, uint64_t size, const struct route *route)
{
	switch (kind) {
	case ST_ABSENT:
		return "550 5.1.1 No such recipient here";
	case ST_FOREIGN:
		return smtp_of(c)->authenticated
			       ? "554 5.7.1 Relaying denied: not a domain of this system"
			       : "554 5.7.1 Relaying denied: mail for other systems requires authentication";
	case ST_DENIED:
		return "550 5.2.1 Recipient is disabled";
	case ST_FULL:
		if (smtp_outgrows(size, route))
			return "552 5.2.2 Message is larger than the mailbox";
		return "452 4.2.2 Mailbox is full; try again later";
	case ST_TOO_BIG:
		return "552 5.3.4 Message is too big for this recipient";
	case ST_LIMITED:
		return smtp_limit_reply(c);
	case ST_CANCELLED:
		c->closing = true;
		return "421 4.3.2 The service restarts; try again at once";
	default:
		return "451 4.3.0 Recipient cannot be checked now; try again later";
	}
}

status smtp_say_recipient(conversation *c, status kind)
{
	return conversation_say(c, "%s", recipient_reply(c, kind, 0, &(struct route){0}));
}

static void count_refused(const conversation *c, bool later)
{
	metric_add(later ? M_messages_deferred : M_messages_refused, c->service, 1);
}

static void count_refused_of(const struct recipient *r)
{
	if (r->route.postoffice)
		metric_postoffice(r->route.postoffice, MPO_REFUSED, 1);
}

/* Once: rules and milters say more of what they refuse. `to` NULL: it is about the sender or the
   message. */
static void log_refused(conversation *c, const mail_address *to, const char *reply)
{
	const struct smtp *s = smtp_of(c);

	if (!s->told)
		log_event(EV_SMTP_REFUSED,
			"conversation=%s peer=%s user=%.*s%s%.*s from=%s recipient=%s reply=%s",
			c->name, net_address_text(smtp_client(c), &c->command).at,
			SLICE_ARGS(s->who.mailbox_name), s->authenticated ? "@" : "-",
			SLICE_ARGS(s->who.postoffice_name),
			log_quote(mail_address_text(&s->sender, &c->command)),
			to ? log_quote(mail_address_text(to, &c->command)) : "-",
			log_quote(slice_z(reply)));
}

/* Found by whom it is from and for, by the Message-ID where that is known, and by the id that log
   files tell. `to` NULL: as above. What is of no other post office is of that of who logged on. */
static void trace_why(conversation *c, int64_t postoffice, const mail_address *to, const char *why)
{
	const struct smtp *s = smtp_of(c);
	const struct incoming *in = s->incoming;
	slice message_id = in ? in->delivery.message_id : S("");

	if (postoffice == 0 && s->authenticated)
		postoffice = s->who.postoffice;
	trace_note(postoffice, in ? in->delivery.id : s->id, TRACE_REFUSED,
		"conversation=%s peer=%s%s%s from=%s%s%s%s%s %s", c->name,
		net_address_text(smtp_client(c), &c->command).at, s->authenticated ? " user=" : "",
		s->authenticated ? log_quote(s->who.mailbox_name) : "",
		log_quote(mail_address_text(&s->sender, &c->command)), to ? " recipient=" : "",
		to ? log_quote(mail_address_text(to, &c->command)) : "",
		message_id.size ? " message_id=" : "", message_id.size ? log_quote(message_id) : "",
		why);
}

static const char *why_of(conversation *c, const char *reply)
{
	return arena_format(&c->command, "reply=%s", log_quote(slice_z(reply))).at;
}

static void trace_refused(
	conversation *c, int64_t postoffice, const mail_address *to, const char *reply)
{
	trace_why(c, postoffice, to, why_of(c, reply));
}

/* Any of those that the client named may be asked for. Their order is another by now. */
void smtp_trace_refused(conversation *c, const char *why)
{
	const struct smtp *s = smtp_of(c);
	map *told = map_open();

	if (s->n == 0)
		trace_why(c, 0, NULL, why);
	for (int i = 0; i < s->n; i++) {
		const struct recipient *r = &s->recipients[i];
		const mail_address *named = r->named ? r->named : &r->address;

		if (!map_put(told, mail_address_key(named, &c->command), told))
			trace_why(c, r->named ? r->named_in : r->route.postoffice, named, why);
	}
	map_close(&told);
}

void smtp_note_refused(conversation *c, const char *reply)
{
	const struct smtp *s = smtp_of(c);
	log_refused(c, NULL, reply);
	count_refused(c, reply[0] == '4');
	for (int i = 0; i < s->n; i++)
		count_refused_of(&s->recipients[i]);
	smtp_trace_refused(c, why_of(c, reply));
}

status smtp_refuse(conversation *c, const char *reply)
{
	smtp_note_refused(c, reply);
	return conversation_say(c, "%s", reply);
}

static status bad(conversation *c, const char *reply)
{
	conversation_bad(c);
	return conversation_say(c, "%s", reply);
}

/* Takes "FROM:" or "TO:" in any case and what blanks follow it: many clients put one there, which
   RFC 5321 forbids and every server forgives. */
static bool take_word(slice *rest, slice word)
{
	if (!slice_starts_nocase(*rest, word))
		return false;
	*rest = slice_from(*rest, word.size);
	while (rest->size && *rest->at == ' ')
		*rest = slice_from(*rest, 1);
	return true;
}

/* ---- MAIL */

static const char *may_begin(const conversation *c)
{
	const struct smtp *s = smtp_of(c);
	const char *why;
	if (!provider_healthy(&why))
		return "451 4.3.0 The message store is not to be had now; try again later";
	if (smtp_submits(c) && !s->authenticated && setting_on(S_smtp_auth_required, NULL)) {
		if (!stream_is_tls(c->stream) && c->tls &&
			!setting_on(S_auth_allow_cleartext, NULL))
			return "530 5.7.0 Say STARTTLS first, then log on";
		return "530 5.7.0 Log on first (AUTH)";
	}
	return NULL;
}

static const char *parameter_trouble(conversation *c, const mail_address *sender)
{
	struct smtp *s = smtp_of(c);
	if (s->parameters.size > (uint64_t)message_size_most(NULL))
		return "552 5.3.4 Message is too big";
	if (sender->utf8 && !s->parameters.smtputf8)
		return "553 5.6.7 The address needs the SMTPUTF8 parameter";
	if (s->parameters.require_tls && !stream_is_tls(c->stream))
		return "555 5.5.4 REQUIRETLS needs TLS here too";
	if (s->parameters.body == BODY_BINARYMIME &&
		setting_lists(S_smtp_commands_off, NULL, S("BDAT")))
		return "555 5.5.4 BINARYMIME needs CHUNKING, which is switched off";
	return NULL;
}

/* Nothing is begun then. */
static status refuse_sender(conversation *c, const char *reply)
{
	status kind = smtp_refuse(c, reply);

	smtp_reset(c);
	return kind;
}

status smtp_mail(conversation *c, slice rest)
{
	struct smtp *s = smtp_of(c);
	s->data_refused = false;
	const char *reply = may_begin(c);
	if (reply) {
		log_refused(c, NULL, reply);
		if (reply[0] == '5') /* the trace is in the store that is not to be had */
			trace_refused(c, 0, NULL, reply);
		return bad(c, reply);
	}
	if (s->messages >= (unsigned)setting_number(S_smtp_transactions_most, NULL)) {
		c->closing = true;
		return conversation_say(
			c, "421 4.7.0 Enough messages for one conversation; connect again");
	}
	mail_address sender;
	if (!take_word(&rest, S("FROM:")))
		return bad(c, "501 5.5.4 Syntax: MAIL FROM:<sender>");
	status kind = mail_address_path(rest, &s->mail, &sender, &rest);
	if (kind != ST_OK || (!sender.empty && sender.domain.size == 0))
		return bad(c, kind == ST_TOO_BIG ? "501 5.1.7 Sender address is too long"
						 : "501 5.1.7 Bad sender address syntax");
	if (!s->esmtp && slice_trim(rest).size > 0)
		return bad(c, NEEDS_EHLO);
	kind = mail_parameters_parse(rest, &s->mail, &s->parameters);
	if (kind != ST_OK)
		return bad(c, kind == ST_FOREIGN
				      ? "555 5.5.4 Unknown parameter of MAIL"
				      : "501 5.5.4 Malformed or doubled parameter of MAIL");
	s->sender = sender;
	reply = parameter_trouble(c, &sender);
	if (reply)
		return refuse_sender(c, reply);
	s->parameters.envid = arena_copy(&s->mail, s->parameters.envid);
	kind = smtp_owns_sender(c);
	if (kind != ST_OK)
		return refuse_sender(
			c, kind == ST_DENIED
				   ? "553 5.7.1 The sender address is not one of yours"
				   : "451 4.3.0 The sender cannot be checked now; try again later");
	reply = policy_sender(c);
	if (reply) {
		conversation_bad(c);
		return refuse_sender(c, reply);
	}
	reply = milter_mail(c, rest);
	s->id = milter_message(c);
	if (s->id == 0 && c->rows)
		s->id = id_new();
	transcript_message(c->rows, s->id);
	if (reply)
		return refuse_sender(c, reply);
	s->state = AT_SENDER;
	s->messages++;
	s->idle_commands = 0;
	return conversation_say(c, "250 2.1.0 Ok");
}

/* ---- RCPT */

/* <postmaster> without a domain must always work (RFC 5321 4.5.1): our own domain's, or the default
   post office's. */
static status lead_bare_postmaster(conversation *c, struct recipient *r)
{
	struct smtp *s = smtp_of(c);
	status kind = members_lead(c, r, smtp_local_domain());
	if (kind != ST_FOREIGN)
		return kind;
	slice name = setting_text(S_auth_default_postoffice, NULL);
	postoffice *po;
	mailbox *mb;
	if (name.size == 0)
		return ST_ABSENT;
	TRY(postoffice_find(name, &s->mail, &po));
	TRY(mailbox_find(po->id, S("postmaster"), &s->mail, &mb));
	r->route = (struct route){.postoffice = po->id,
		.mailbox = mb->id,
		.inbox = mb->inbox,
		.postoffice_name = po->name,
		.mailbox_name = mb->name,
		.postmaster = true,
		.quota = mb->quota,
		.used = mb->used};
	return ST_OK;
}

/* "[192.0.2.1]", "[IPv6:2001:db8::1]": the address the client came to, or another that is ours
   (C17). */
static bool is_our_literal(const conversation *c, slice literal)
{
	net_address at;
	slice inside = slice_until(slice_from(literal, 1), literal.size - 2);

	if (!setting_on(S_smtp_literals, NULL))
		return false;
	if (slice_starts_nocase(inside, S("IPv6:")))
		inside = slice_from(inside, 5);
	if (net_address_parse(inside, &at) != ST_OK)
		return false;
	return (at.family == c->local.family && memcmp(at.ip, c->local.ip, sizeof at.ip) == 0) ||
	       smtp_in_networks(S_smtp_literal_addresses, &at);
}

uint64_t smtp_most_for(const struct recipient *r)
{
	struct setting_at at = {r->route.postoffice, r->remote ? S("") : r->address.domain, 0};
	return (uint64_t)message_size_most(&at);
}

static status lead(conversation *c, struct recipient *r)
{
	if (srs_is(r->address.local)) {
		status kind = passing_recipient(c, r);
		if (kind != ST_FOREIGN)
			return kind;
	}
	if (r->address.domain.size == 0)
		return lead_bare_postmaster(c, r);
	if (r->address.literal && is_our_literal(c, r->address.domain))
		return members_lead(c, r, smtp_local_domain());
	return members_lead(c, r, r->address.domain);
}

status smtp_lead(conversation *c, struct recipient *r)
{
	uint64_t size = smtp_of(c)->parameters.size;
	status kind = lead(c, r);
	if (kind == ST_FOREIGN)
		kind = smtp_relay(c, r);
	if (kind == ST_FULL && passing_frees(r))
		kind = ST_OK;
	if (kind == ST_FULL && !r->leads_to)
		kind = members_overflow(c, r);
	TRY(kind);
	return size > smtp_most_for(r) ? ST_TOO_BIG : ST_OK;
}

void smtp_add_recipient(struct smtp *s, const struct recipient *r)
{
	if (s->n == s->room) {
		int room = s->room ? 2 * s->room : 4;
		struct recipient *grown = arena_new_array(&s->mail, (size_t)room, sizeof *grown);
		if (s->n)
			memcpy(grown, s->recipients, (size_t)s->n * sizeof *grown);
		s->recipients = grown;
		s->room = room;
	}
	struct recipient *kept = &s->recipients[s->n++];
	*kept = *r;
	/* They may lie in the command's line. */
	kept->dsn.orcpt_type = arena_copy(&s->mail, r->dsn.orcpt_type);
	kept->dsn.orcpt = arena_copy(&s->mail, r->dsn.orcpt);
	kept->sender = arena_copy(&s->mail, r->sender);
}

status smtp_take_recipient(conversation *c, const struct recipient *r)
{
	if (r->leads_to)
		return members_add(c, r);
	TRY(passing_on(c, r));
	smtp_of(c)->remotes += r->remote;
	return ST_OK;
}

/* Looked at before anything else, so that they cost no memory. As many again are forgiven, since a
   list may be sent in one go; then they count as bad (T20). */
static status too_many_recipients(conversation *c)
{
	struct smtp *s = smtp_of(c);
	static const char reply[] =
		"452 4.5.3 Too many recipients; send the rest in another message";
	if (++s->surplus > s->n - s->members)
		conversation_bad(c);
	if (s->surplus == 1) { /* the first one tells of them all */
		log_refused(c, NULL, reply);
		trace_refused(c, 0, NULL, reply);
	}
	return conversation_say(c, "%s", reply);
}

static status refuse_recipient(conversation *c, const struct recipient *r, const char *reply)
{
	bool later = reply[0] == '4'; /* who comes again does no harm */
	if (!later)
		conversation_bad(c); /* harvesting ends like any other nonsense (T20) */
	log_refused(c, &r->address, reply);
	count_refused(c, later);
	count_refused_of(r);
	trace_refused(c, r->route.postoffice, &r->address, reply);
	return conversation_say(c, "%s", reply);
}

status smtp_rcpt(conversation *c, slice rest)
{
	struct smtp *s = smtp_of(c);
	struct recipient r = {0};
	if (s->n - s->members >= (int)setting_number(S_smtp_recipients_most, NULL))
		return too_many_recipients(c);
	if (!take_word(&rest, S("TO:")))
		return bad(c, "501 5.5.4 Syntax: RCPT TO:<recipient>");
	status kind = mail_address_path(rest, &s->mail, &r.address, &rest);
	if (kind != ST_OK || r.address.empty)
		return bad(c, kind == ST_TOO_BIG ? "501 5.1.3 Recipient address is too long"
						 : "501 5.1.3 Bad recipient address syntax");
	if (!s->esmtp && slice_trim(rest).size > 0)
		return bad(c, NEEDS_EHLO);
	kind = rcpt_parameters_parse(rest, &s->mail, &r.dsn);
	if (kind != ST_OK)
		return bad(c, kind == ST_FOREIGN
				      ? "555 5.5.4 Unknown parameter of RCPT"
				      : "501 5.5.4 Malformed or doubled parameter of RCPT");
	if (r.address.utf8 && !s->parameters.smtputf8)
		return refuse_recipient(
			c, &r, "553 5.6.7 The address needs the SMTPUTF8 parameter of MAIL");
	kind = smtp_lead(c, &r);
	if (kind != ST_OK) {
		const char *reply =
			r.refusal ? r.refusal
				  : recipient_reply(c, kind, s->parameters.size, &r.route);
		milter_rcpt_refused(c, &r, rest);
		return refuse_recipient(c, &r, reply);
	}
	const char *refusal = policy_recipient(c, &r);
	if (refusal)
		milter_rcpt_refused(c, &r, rest);
	else
		refusal = milter_rcpt(c, &r, rest);
	if (refusal)
		return refuse_recipient(c, &r, refusal);
	kind = smtp_take_recipient(c, &r);
	if (kind != ST_OK)
		return refuse_recipient(c, &r,
			kind == ST_LIMITED
				? "450 4.7.1 The recipient passed on enough mail for one hour"
				: "451 4.3.0 Recipient cannot be checked now; try again later");
	uint64_t most = smtp_most_for(&r);
	s->most = s->most == 0 || most < s->most ? most : s->most;
	s->state = AT_RCPT;
	return conversation_say(c, "250 2.1.5 Ok");
}
