/* RCPT for what is no mailbox: a group, or an address that leads to another system (provider/resolve.h).
   Whoever it leads to becomes a recipient of the message like one the client named, so one message is
   stored once and delivered and queued in one transaction. Who cannot have it is told of to the sender
   (RFC 3461 5.2.7); where no report may go, since the sender may have sent nothing (T15), the
   postmaster gets what found no room. */
#include "base/log.h"
#include "connector/smtp/passing.h"
#include "connector/smtp/session.h"
#include "provider/mailbox.h"
#include "provider/resolve.h"
#include "provider/trace.h"

/* ---- whether he may */

static const char *posting_refusal(conversation *c, const struct resolution *found)
{
	struct smtp *s = smtp_of(c);
	struct poster who = {.address = mail_address_text(&s->sender, &s->mail)};

	if (s->authenticated) {
		who.postoffice = s->who.postoffice;
		who.mailbox = s->who.mailbox;
		who.known = smtp_owns_sender(c) == ST_OK;
	} else if (found->posting == GROUP_MEMBERS) {
		who.known = policy_knows_sender(c);
	}
	if (!s->authenticated && smtp_trusted_office(c, &who.postoffice) != ST_OK)
		return "451 4.3.0 Recipient cannot be checked now; try again later";
	return group_may_post(found, &who) ? NULL : "550 5.7.1 You may not send to this group";
}

static int remotes_of(const struct resolution *found)
{
	int n = 0;

	for (int i = 0; i < found->n; i++)
		n += found->to[i].remote;
	return n;
}

/* NULL: he may. */
static const char *refusal_of(conversation *c, const struct resolution *found)
{
	struct smtp *s = smtp_of(c);
	struct setting_at at = {.postoffice = found->route.postoffice};
	const char *refusal = posting_refusal(c, found);

	if (refusal)
		return refusal;
	if (s->members + found->n > (int)setting_number(S_group_recipients_most, &at))
		return "452 4.5.3 Too many recipients; send the rest in another message";
	if (!found->outside)
		return NULL;
	if (!setting_on(S_relay, NULL))
		return "554 5.7.1 Relaying denied: no mail goes to other systems";
	switch (smtp_within_limits(c, remotes_of(found))) {
	case ST_OK:
		return NULL;
	case ST_LIMITED:
		return "450 4.7.1 Enough recipients at other systems for one hour";
	default:
		return "451 4.3.0 Recipient cannot be checked now; try again later";
	}
}

status members_lead(conversation *c, struct recipient *r, slice domain)
{
	struct smtp *s = smtp_of(c);
	struct resolution *found = arena_new(&s->mail, sizeof *found);
	status kind = resolve(r->address.local, domain, s->parameters.size, &r->dsn, &s->mail, found);

	r->route = found->route;
	if (kind == ST_LIMITED)
		r->refusal = "550 5.2.4 The group leads to too many recipients";
	if (kind != ST_OK || found->n == 0)
		return kind;
	r->refusal = refusal_of(c, found);
	r->leads_to = found;
	return r->refusal ? ST_DENIED : ST_OK;
}

/* ---- those it leads to */

static enum queue_told told_of(status kind)
{
	return kind == ST_FULL ? TOLD_FULL : kind == ST_DENIED ? TOLD_DISABLED : TOLD_ABSENT;
}

static bool can_be_told(conversation *c)
{
	return !smtp_of(c)->sender.empty && policy_knows_sender(c);
}

/* Into the postmaster's mailbox instead. */
static status to_postmaster(struct smtp *s, struct recipient *r)
{
	mailbox *m;

	TRY(mailbox_find(r->route.postoffice, S("postmaster"), &s->mail, &m));
	r->route = (struct route){.postoffice = m->postoffice, .mailbox = m->id, .inbox = m->inbox,
		.postoffice_name = m->postoffice_name, .mailbox_name = m->name, .postmaster = true,
		.quota = m->quota, .used = m->used};
	return ST_OK;
}

bool members_set_aside(conversation *c, struct recipient *r, status kind)
{
	if (can_be_told(c)) {
		r->told = told_of(kind);
		return true;
	}
	return kind == ST_FULL && !r->route.postmaster && to_postmaster(smtp_of(c), r) == ST_OK;
}

static void dsn_take(const struct destination *d, rcpt_parameters *dsn)
{
	size_t at = slice_find(d->orcpt, ';');

	*dsn = (rcpt_parameters){.notify = d->notify, .has_orcpt = d->orcpt.size > 0,
		.orcpt_type = slice_until(d->orcpt, at), .orcpt = slice_from(d->orcpt, at + 1)};
}

/* ST_BUSY: he has no room, and nobody could be told or have it in his place. */
static status member_add(conversation *c, const mail_address *group, const struct destination *d)
{
	struct smtp *s = smtp_of(c);
	struct recipient r = {.route = d->route, .remote = d->remote, .member = true, .named = group};

	/* A single address that leads elsewhere has no other name. */
	if (d->address.size == 0 || mail_address_parse(d->address, &s->mail, &r.address) != ST_OK)
		r.address = *group;
	dsn_take(d, &r.dsn);
	r.remote = d->remote && d->kind == ST_OK;
	if (d->kind != ST_OK && !(d->kind == ST_FULL && passing_frees(&r)) &&
		!members_set_aside(c, &r, d->kind)) {
		trace_note(r.route.postoffice, 0, TRACE_REFUSED, "conversation=%s recipient=%s why=%s", c->name,
			log_quote(mail_address_text(&r.address, &c->command)), status_name(d->kind));
		return d->kind == ST_FULL ? ST_BUSY : ST_OK;
	}
	if (passing_on(c, &r) != ST_OK) /* it stays with him */
		smtp_add_recipient(s, &r);
	s->remotes += r.remote;
	return ST_OK;
}

status members_add(conversation *c, const struct recipient *r)
{
	struct smtp *s = smtp_of(c);
	const struct resolution *found = r->leads_to;
	mail_address *group = arena_new(&s->mail, sizeof *group);
	int before = s->n, members = s->members, remotes = s->remotes;
	status kind = ST_OK;

	*group = r->address;
	for (int i = 0; i < found->n && kind == ST_OK; i++)
		kind = member_add(c, group, &found->to[i]);
	if (kind != ST_OK) { /* all or none */
		s->n = before;
		s->members = members;
		s->remotes = remotes;
		return kind;
	}
	if (found->expanded && !s->sender.empty) {
		struct recipient whole = *r;

		whole.told = TOLD_EXPANDED;
		smtp_add_recipient(s, &whole);
	}
	s->members = members + s->n - before - 1; /* with those they pass it on to */
	return ST_OK;
}

/* ---- one of them changed since RCPT */

static status room_of(const struct recipient *r, uint64_t size, arena *a)
{
	mailbox *m;
	status kind = mailbox_by_id(r->route.postoffice, r->route.mailbox, a, &m);

	if (kind != ST_OK)
		return kind;
	if (m->state != MAILBOX_ENABLED)
		return ST_DENIED;
	return r->route.postmaster || mailbox_has_room(m, size) ? ST_OK : ST_FULL;
}

/* Whether its postmaster takes what does not fit (H1). */
static bool to_overflow(const struct recipient *r)
{
	struct setting_at at = {r->route.postoffice, r->address.domain, r->route.mailbox};

	return !r->remote && !r->route.postmaster &&
	       slice_same(setting_text(S_mailbox_full, &at), S("postmaster"));
}

bool members_look_again(conversation *c, uint64_t size)
{
	struct smtp *s = smtp_of(c);
	bool changed = false;

	for (int i = 0; i < s->n; i++) {
		struct recipient *r = &s->recipients[i];
		bool overflows = !r->member && to_overflow(r);
		status kind = (!r->member && !overflows) || r->remote || r->told || r->dropped
			? ST_OK : room_of(r, size, &c->command);

		if (overflows && kind == ST_FULL)
			changed |= to_postmaster(s, r) == ST_OK;
		else if ((kind == ST_FULL || kind == ST_DENIED || kind == ST_ABSENT) && !overflows &&
			members_set_aside(c, r, kind))
			changed = true;
	}
	return changed;
}
