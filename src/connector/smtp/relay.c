/* Relaying: who may have mail for other systems taken, and as whom he may send. There is one road,
   smtp_relay(), and no other (T12, T14); every rule of it is a named setting. */
#include "base/log.h"
#include "connector/smtp/session.h"
#include "mail/header.h"
#include "provider/queue.h"

#include <stdatomic.h>

#define AUTHORS_MOST 20 /* addresses looked at in one From field */

/* ---- who */

bool smtp_in_networks(enum setting_id id, const net_address *who)
{
	return net_networks_have(setting_text(id, NULL), who);
}

bool smtp_is_privileged(const conversation *c)
{
	return net_networks_admit(setting_text(S_relay_networks, NULL),
		setting_text(S_relay_networks_denied, NULL), smtp_client(c));
}

/* Where settings about who logged on are asked for. */
static struct setting_at at_of(const struct smtp *s)
{
	return (struct setting_at){.postoffice = s->who.postoffice, .mailbox = s->who.mailbox};
}

/* The post office of the sender's domain; 0 when that is not ours. */
static status sender_office(struct smtp *s, int64_t *postoffice, bool *exists)
{
	struct route route = {0};
	status kind = s->sender.empty ? ST_FOREIGN
				      : address_lead(s->sender.local, s->sender.domain, 0, &s->mail,
						&route);

	*postoffice = kind == ST_OK || kind == ST_FULL ? route.postoffice : 0;
	*exists = *postoffice != 0;
	return kind == ST_OK || kind == ST_FULL || kind == ST_FOREIGN || kind == ST_ABSENT ||
			       kind == ST_DENIED
		       ? ST_OK
		       : kind;
}

/* Each setting that lets anybody relay is named once by each worker. */
static void warn_once(enum setting_id id)
{
	static atomic_flag by_sender = ATOMIC_FLAG_INIT, by_networks = ATOMIC_FLAG_INIT;

	if (!atomic_flag_test_and_set(id == S_relay_networks ? &by_networks : &by_sender))
		log_event(EV_RELAY_OPEN, "setting=%s", setting_rows[id].name);
}

/* ST_OK: one of the rules lets him (D5); *postoffice carries the mail. ST_FOREIGN: none does. */
static status relays_for(conversation *c, int64_t *postoffice)
{
	struct smtp *s = smtp_of(c);
	bool exists;

	if (!setting_on(S_relay, NULL))
		return ST_FOREIGN;
	struct setting_at at = at_of(s);
	if (s->authenticated && setting_on(S_relay_authenticated, &at)) {
		*postoffice = s->who.postoffice;
		return ST_OK;
	}
	bool privileged = smtp_is_privileged(c);
	if (!privileged && !setting_on(S_relay_local_sender, NULL))
		return ST_FOREIGN;
	TRY(sender_office(s, postoffice, &exists));
	if (privileged) {
		if (net_networks_have_all(setting_text(S_relay_networks, NULL)))
			warn_once(S_relay_networks);
		return ST_OK;
	}
	if (!exists)
		return ST_FOREIGN;
	warn_once(S_relay_local_sender);
	return ST_OK;
}

status smtp_trusted_office(conversation *c, int64_t *postoffice)
{
	bool exists;

	*postoffice = 0;
	return smtp_is_privileged(c) ? sender_office(smtp_of(c), postoffice, &exists) : ST_OK;
}

/* ---- how many (T19) */

static bool has_limits(const struct setting_at *at)
{
	return setting_number(S_sent_per_mailbox_most, at) > 0 ||
	       setting_number(S_sent_targets_per_mailbox_most, at) > 0 ||
	       setting_number(S_sent_per_postoffice_most, at) > 0;
}

static bool exceeds(enum setting_id id, const struct setting_at *at, int64_t n)
{
	int64_t most = setting_number(id, at);

	return most > 0 && n > most;
}

/* Whether a mailbox that has limits may write to these too: besides `before` recipients of the
   present message, `before_fresh` of them targets that it had not. Who is a target already may
   always be. *sent: what was asked about. */
static status within(const struct setting_at *at, int before, int before_fresh, const slice *to,
	int n, struct queue_sent *sent)
{
	bool targets = setting_number(S_sent_targets_per_mailbox_most, at) > 0;

	TRY(queue_sent(at->postoffice, at->mailbox, to, targets ? n : 0, sent));
	int64_t more = before + n;
	return exceeds(S_sent_per_mailbox_most, at, sent->by_mailbox + more) ||
			       exceeds(S_sent_per_postoffice_most, at,
				       sent->by_postoffice + more) ||
			       (sent->fresh > 0 &&
				       exceeds(S_sent_targets_per_mailbox_most, at,
					       sent->targets + before_fresh + sent->fresh))
		       ? ST_LIMITED
		       : ST_OK;
}

/* Copies of the message that went before are few, and its owner's targets. */
status smtp_mailbox_within_limits(int64_t postoffice, int64_t mailbox, int copies, slice to)
{
	struct setting_at at = {.postoffice = postoffice, .mailbox = mailbox};
	struct queue_sent sent;

	return has_limits(&at) ? within(&at, copies, 0, &to, 1, &sent) : ST_OK;
}

status smtp_within_limits(conversation *c, const slice *to, int n, int *fresh)
{
	struct smtp *s = smtp_of(c);
	struct setting_at at = at_of(s);
	bool counted = s->authenticated && has_limits(&at),
	     may_pause = s->authenticated && setting_number(S_sent_refused_percent, &at) > 0;
	struct queue_sent sent = {0};
	int before = 0;

	*fresh = 0;
	s->paused = false;
	if (!counted && !may_pause)
		return ST_OK;
	s->counted |= counted;
	for (int i = 0; i < s->n; i++)
		before += s->recipients[i].fresh;
	status kind = within(&at, s->remotes, before, to, n, &sent);
	*fresh = (int)sent.fresh;
	s->paused = may_pause && sent.paused > 0;
	return kind == ST_OK && s->paused ? ST_LIMITED : kind;
}

const char *smtp_limit_reply(conversation *c)
{
	return smtp_of(c)->paused
		       ? "450 4.7.1 Too many of your recipients were refused; if you did not write to "
			 "them change your password, else mend your list, and ask the postmaster"
		       : "450 4.7.1 Enough recipients at other systems for one hour";
}

status smtp_relay(conversation *c, struct recipient *r)
{
	struct smtp *s = smtp_of(c);
	int64_t postoffice = 0;

	TRY(relays_for(c, &postoffice));
	/* An address may be anybody's inside; mail for a host's number is not sent there (T53). */
	if (r->address.literal && !setting_on(S_relay_literals, NULL))
		return ST_FOREIGN;
	slice to = mail_address_text(&r->address, &s->mail);
	TRY(smtp_within_limits(c, &to, 1, &r->fresh));
	r->remote = true;
	r->route = (struct route){.postoffice = postoffice};
	int64_t most = setting_number(
		S_outbound_size_most, &(struct setting_at){.postoffice = postoffice});
	return most > 0 && s->parameters.size > (uint64_t)most ? ST_TOO_BIG : ST_OK;
}

/* ---- as whom (T13) */

static bool owning(const struct smtp *s)
{
	struct setting_at at = at_of(s);

	return s->authenticated && setting_on(S_smtp_sender_owned, &at);
}

status smtp_owns_sender(conversation *c)
{
	struct smtp *s = smtp_of(c);

	if (!owning(s) || s->sender.empty)
		return ST_OK;
	return address_owned(s->who.postoffice, s->who.mailbox, s->sender.local, s->sender.domain);
}

/* The envelope's address was asked about at MAIL. */
static status owns(struct smtp *s, const mail_list_entry *author, slice envelope)
{
	mail_address m;

	if (mail_address_of(author->local, author->domain, &s->mail, &m) != ST_OK)
		return ST_DENIED;
	if (!s->sender.empty && slice_same(mail_address_key(&m, &s->mail), envelope))
		return ST_OK;
	return address_owned(s->who.postoffice, s->who.mailbox, m.local, m.domain);
}

status smtp_owns_authors(conversation *c, slice from)
{
	struct smtp *s = smtp_of(c);
	mail_list authors;

	if (!owning(s) || from.size == 0)
		return ST_OK;
	slice envelope = mail_address_key(&s->sender, &s->mail);
	mail_list_parse(from, AUTHORS_MOST + 1, &s->mail, &authors);
	if (authors.broken || authors.count == 0 || authors.count > AUTHORS_MOST)
		return ST_DENIED;
	for (size_t i = 0; i < authors.count; i++)
		if (authors.entry[i].kind == MAIL_LIST_ADDRESS)
			TRY(owns(s, &authors.entry[i], envelope));
	return ST_OK;
}
