/* RCPT for what is no mailbox: a group, or an address that leads to another system
   (provider/resolve.h). Whoever it leads to becomes a recipient of the message like one the client
   named, so one message is stored once and delivered and queued in one transaction. Who cannot have
   it is told of to the sender (RFC 3461 5.2.7); where no report may go, since the sender may have
   sent nothing (T15), the postmaster gets what found no room. */
#include "base/log.h"
#include "connector/smtp/passing.h"
#include "connector/smtp/reply.h"
#include "connector/smtp/session.h"
#include "provider/mailbox.h"
#include "provider/resolve.h"
#include "provider/trace.h"

/* ---- whether he may */

static status poster_of(conversation *c, const struct resolution *found, struct poster *who)
{
	struct smtp *s = smtp_of(c);

	who->address = mail_address_text(&s->sender, &s->mail);
	if (s->authenticated) {
		who->postoffice = s->who.postoffice;
		who->mailbox = s->who.mailbox;
		who->known = smtp_owns_sender(c) == ST_OK;
		return ST_OK;
	}
	if (found->posting == GROUP_MEMBERS)
		who->known = policy_knows_sender(c);
	return smtp_trusted_office(c, &who->postoffice);
}

bool members_may_post(conversation *c, const struct resolution *found)
{
	struct poster who = {0};

	/* What is written to postmaster and abuse is for whoever answers there (RFC 5321 4.5.1, RFC
	   2142). */
	return found->route.postmaster ||
	       ((!c || poster_of(c, found, &who) == ST_OK) && group_may_post(found, &who));
}

static const char *posting_refusal(conversation *c, const struct resolution *found)
{
	struct poster who = {0};

	if (found->route.postmaster)
		return NULL;
	if (poster_of(c, found, &who) != ST_OK)
		return "451 4.3.0 Recipient cannot be checked now; try again later";
	return group_may_post(found, &who) ? NULL : "550 5.7.1 You may not send to this group";
}

/* Whether who logged on may write to those at other systems. */
static status outside_within_limits(conversation *c, const struct resolution *found, int *fresh)
{
	slice *to = arena_new_array(&smtp_of(c)->mail, (size_t)found->n, sizeof *to);
	int n = 0;

	for (int i = 0; i < found->n; i++)
		if (found->to[i].remote)
			to[n++] = found->to[i].address;
	return smtp_within_limits(c, to, n, fresh);
}

/* NULL: he may. *fresh as in smtp_within_limits(). */
static const char *refusal_of(conversation *c, const struct resolution *found, int *fresh)
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
	switch (outside_within_limits(c, found, fresh)) {
	case ST_OK:
		return NULL;
	case ST_LIMITED:
		return smtp_limit_reply(c);
	default:
		return "451 4.3.0 Recipient cannot be checked now; try again later";
	}
}

/* Whether his postmaster takes what does not fit (H1). */
static bool overflows(const struct recipient *r)
{
	struct setting_at at = {r->route.postoffice, r->address.domain, r->route.mailbox};

	return !r->remote && !r->route.postmaster && r->full.mailbox == 0 &&
	       r->address.domain.size > 0 && !r->address.literal &&
	       slice_same(setting_text(S_mailbox_full, &at), S("postmaster"));
}

/* Who is full may pass his mail on and keep none, or have a postmaster who takes it. */
static bool is_taken(const struct destination *d, arena *a)
{
	struct recipient r = {.route = d->route};

	return d->kind == ST_FULL && d->route.mailbox != 0 &&
	       mail_address_parse(d->address, a, &r.address) == ST_OK &&
	       (passing_frees(&r) || overflows(&r));
}

static bool somebody_takes(const struct resolution *found, arena *a)
{
	for (int i = 0; i < found->n; i++)
		if (is_taken(&found->to[i], a))
			return true;
	return false;
}

status members_lead(conversation *c, struct recipient *r, slice domain)
{
	struct smtp *s = smtp_of(c);
	struct resolution *found = arena_new(&s->mail, sizeof *found);
	status kind =
		resolve(r->address.local, domain, s->parameters.size, &r->dsn, &s->mail, found);

	r->route = found->route;
	if (kind == ST_LIMITED)
		r->refusal = "550 5.2.4 This address leads to too many others, or in a circle";
	if (members_cannot_have(kind) && somebody_takes(found, &s->mail))
		kind = ST_OK;
	if (kind != ST_OK || found->n == 0)
		return kind;
	r->refusal = refusal_of(c, found, &r->fresh);
	r->leads_to = found;
	return r->refusal ? ST_DENIED : ST_OK;
}

/* ---- no room */

/* Into the mailbox of the post office's postmaster instead. */
static status to_administrator(struct smtp *s, struct recipient *r)
{
	mailbox *m;

	TRY(mailbox_find(r->route.postoffice, S("postmaster"), &s->mail, &m));
	r->route = (struct route){.postoffice = m->postoffice,
		.mailbox = m->id,
		.inbox = m->inbox,
		.postoffice_name = m->postoffice_name,
		.mailbox_name = m->name,
		.postmaster = true,
		.quota = m->quota,
		.used = m->used};
	return ST_OK;
}

/* To the postmaster of its domain, who may be a group. ST_FULL: he cannot have it; ST_BUSY. */
static status to_postmaster(conversation *c, struct recipient *r)
{
	struct smtp *s = smtp_of(c);
	struct resolution *found = arena_new(&s->mail, sizeof *found);
	status kind = resolve(
		S("postmaster"), r->address.domain, s->parameters.size, &r->dsn, &s->mail, found);

	if (kind != ST_OK || found->route.postoffice != r->route.postoffice)
		return kind == ST_BUSY ? kind : ST_FULL;
	r->full = r->route;
	r->route = found->route;
	r->leads_to = found->n > 0 ? found : NULL;
	return ST_OK;
}

status members_overflow(conversation *c, struct recipient *r)
{
	if (r->route.postmaster || r->route.mailbox == 0)
		return ST_FULL;
	reply_full_notice(&r->route, &smtp_of(c)->sender, &smtp_of(c)->mail);
	return overflows(r) ? to_postmaster(c, r) : ST_FULL;
}

/* ---- those it leads to */

bool members_cannot_have(status kind)
{
	return kind == ST_FULL || kind == ST_DENIED || kind == ST_ABSENT;
}

enum queue_told members_told(status kind)
{
	return kind == ST_FULL      ? TOLD_FULL
	       : kind == ST_DENIED  ? TOLD_DISABLED
	       : kind == ST_TOO_BIG ? TOLD_BIG
				    : TOLD_ABSENT;
}

static bool can_be_told(conversation *c)
{
	return !smtp_of(c)->sender.empty && policy_knows_sender(c);
}

/* He gets nothing for this reason: his sender is told, or the postmaster has it. False: neither can
   be. */
static bool set_aside(conversation *c, struct recipient *r, status kind)
{
	struct smtp *s = smtp_of(c);

	if (can_be_told(c)) {
		r->told = members_told(kind);
		return true;
	}
	return kind == ST_FULL && !r->route.postmaster && r->full.mailbox == 0 &&
	       (to_postmaster(c, r) == ST_OK || to_administrator(s, r) == ST_OK);
}

static void dsn_take(const struct destination *d, rcpt_parameters *dsn)
{
	size_t at = slice_find(d->orcpt, ';');

	*dsn = (rcpt_parameters){.notify = d->notify,
		.has_orcpt = d->orcpt.size > 0,
		.orcpt_type = slice_until(d->orcpt, at),
		.orcpt = slice_from(d->orcpt, at + 1)};
}

/* Mail for others leaves under a return path of ours, and shows who passed it on (T16); what an
   address leads to under its own name is for a route to say. */
static status send_on(struct smtp *s, struct recipient *r, const mail_address *group)
{
	mail_address via = *group;

	if (via.domain.size == 0)
		via.domain = smtp_local_domain();
	r->via_key = mail_address_key(&via, &s->mail);
	if (slice_same(r->via_key, mail_address_key(&r->address, &s->mail))) {
		r->via_key = (slice){0};
		return ST_OK;
	}
	r->via = mail_address_text(&via, &s->mail);
	return passing_leaves(r, &via, &s->sender, &s->mail);
}

/* With those he passes it on to; where he cannot now, it stays with him. */
static void take(conversation *c, const struct recipient *r)
{
	if (passing_on(c, r) != ST_OK)
		smtp_add_recipient(smtp_of(c), r);
	smtp_of(c)->remotes += r->remote;
}

/* Those who have it in the place of a full mailbox. ST_BUSY: nobody can. */
static status instead_add(conversation *c, const struct recipient *of)
{
	struct smtp *s = smtp_of(c);
	const struct resolution *found = of->leads_to;
	int before = s->n;

	for (int i = 0; found && i < found->n; i++) {
		const struct destination *d = &found->to[i];
		struct recipient r = *of;

		r.leads_to = NULL;
		r.route = d->route;
		r.remote = d->remote;
		if (d->kind != ST_OK)
			continue;
		if (d->address.size > 0)
			TRY(mail_address_parse(d->address, &s->mail, &r.address));
		if (r.remote)
			TRY(send_on(s, &r, &of->address));
		take(c, &r);
	}
	if (!found)
		take(c, of);
	return s->n > before ? ST_OK : ST_BUSY;
}

/* ST_BUSY: he has no room, and nobody could be told or have it in his place. */
static status member_add(
	conversation *c, const mail_address *group, int64_t postoffice, const struct destination *d)
{
	struct smtp *s = smtp_of(c);
	struct recipient r = {.route = d->route,
		.remote = d->remote && d->kind == ST_OK,
		.member = true,
		.named = group,
		.named_in = postoffice};
	status kind = d->kind;

	/* A single address that leads elsewhere has no other name. */
	if (d->address.size == 0 || mail_address_parse(d->address, &s->mail, &r.address) != ST_OK)
		r.address = *group;
	dsn_take(d, &r.dsn);
	if (kind == ST_FULL && passing_frees(&r))
		kind = ST_OK;
	if (kind == ST_FULL)
		kind = members_overflow(c, &r);
	if (kind == ST_BUSY)
		return kind;
	if (kind != ST_OK && !set_aside(c, &r, kind)) {
		trace_note(r.route.postoffice, 0, TRACE_REFUSED,
			"conversation=%s recipient=%s why=%s", c->name,
			log_quote(mail_address_text(&r.address, &c->command)),
			status_name(d->kind));
		return d->kind == ST_FULL ? ST_BUSY : ST_OK;
	}
	if (r.leads_to)
		return instead_add(c, &r);
	if (r.remote)
		TRY(send_on(s, &r, group));
	take(c, &r);
	return ST_OK;
}

static status leads_add(conversation *c, const struct recipient *r)
{
	const struct resolution *found = r->leads_to;
	mail_address *group = arena_new(&smtp_of(c)->mail, sizeof *group);

	*group = r->address;
	for (int i = 0; i < found->n; i++)
		TRY(member_add(c, group, r->route.postoffice, &found->to[i]));
	return ST_OK;
}

status members_add(conversation *c, const struct recipient *r)
{
	struct smtp *s = smtp_of(c);
	int before = s->n, members = s->members, remotes = s->remotes;
	status kind = r->full.mailbox != 0 ? instead_add(c, r) : leads_add(c, r);

	if (kind != ST_OK) { /* all or none */
		s->n = before;
		s->members = members;
		s->remotes = remotes;
		return kind;
	}
	if (r->leads_to->expanded && !s->sender.empty) {
		struct recipient whole = *r;

		whole.told = TOLD_EXPANDED;
		smtp_add_recipient(s, &whole);
	}
	for (int i = before, left = r->fresh; i < s->n; i++) { /* counted once for them all */
		s->recipients[i].fresh = s->recipients[i].remote ? left : 0;
		left -= s->recipients[i].fresh;
	}
	s->members = members + s->n - before - 1; /* with those they pass it on to */
	return ST_OK;
}

/* ---- one of them changed since RCPT */

struct rooms { /* who has room for the message; of later ones what RCPT found tells */
	const status *kinds;
	int n;
	uint64_t size;
};

/* In one look at all of them: ST_OK, why not, or that nobody knows now. */
static struct rooms rooms_now(const struct recipient *all, int n, uint64_t size, arena *a)
{
	const struct route **routes = arena_new_array(a, (size_t)n, sizeof *routes);
	status *kinds = arena_new_array(a, (size_t)n, sizeof *kinds);
	status *found = arena_new_array(a, (size_t)n, sizeof *found);
	int asked = 0;

	for (int i = 0; i < n; i++)
		if (!all[i].remote && !all[i].told)
			routes[asked++] = &all[i].route;
	status kind = address_rooms(routes, asked, size, a, found);
	for (int i = 0, next = 0; i < n; i++) {
		bool was_asked = next < asked && routes[next] == &all[i].route;

		kinds[i] = !was_asked ? ST_OK : kind != ST_OK ? kind : found[next];
		next += was_asked;
	}
	return (struct rooms){kinds, n, size};
}

static bool has_room(const struct rooms *w, const struct recipient *all, int at)
{
	return (at < w->n ? w->kinds[at] : address_room(&all[at].route, w->size)) == ST_OK;
}

/* Others take it in its place. */
static bool overflows_now(conversation *c, int at)
{
	struct smtp *s = smtp_of(c);
	struct recipient r = s->recipients[at];

	if (members_overflow(c, &r) != ST_OK || instead_add(c, &r) != ST_OK)
		return false;
	s->recipients[at].dropped = true;
	return true;
}

/* The mailbox that passes it on to him; -1: none does. */
static int passer_of(const struct recipient *all, int n, const struct recipient *r)
{
	for (int i = 0; i < n && r->by != 0; i++)
		if (!all[i].remote && !all[i].told && all[i].route.mailbox == r->by)
			return i;
	return -1;
}

/* What one of its targets cannot have stays with who passes it on; where he keeps none and has no
   room either, with who passes it on to him. */
static bool goes_back(struct recipient *all, int n, const struct rooms *w, int at)
{
	int keeper = passer_of(all, n, &all[at]);

	for (int i = 0; i < PASSING_DEPTH && keeper >= 0; i++) {
		if (!all[keeper].dropped || has_room(w, all, keeper)) {
			all[keeper].dropped = false;
			all[at].dropped = true;
			return true;
		}
		keeper = passer_of(all, n, &all[keeper]);
	}
	return false;
}

/* A target is told of under the name that was written to, by the post office that has it. */
static void name_again(struct smtp *s, struct recipient *r)
{
	for (int i = 0; i < s->n; i++)
		if (!s->recipients[i].remote && s->recipients[i].route.mailbox == r->by)
			r->route = s->recipients[i].route;
	mail_address_parse(r->via, &s->mail, &r->address);
	r->by = 0;
}

static bool set_aside_now(conversation *c, int at, status kind)
{
	struct smtp *s = smtp_of(c);
	struct recipient r = s->recipients[at];

	if (r.by != 0)
		name_again(s, &r);
	if (!set_aside(c, &r, kind) || (!r.told && instead_add(c, &r) != ST_OK))
		return false;
	s->recipients[at].dropped = true;
	if (r.told)
		s->recipients[at] = r;
	return true;
}

static bool is_unnamed(const struct recipient *r)
{
	return r->member || r->by != 0;
}

/* Whether it matters that he cannot have it. */
static bool is_in_question(const struct recipient *r)
{
	return !r->remote && !r->told && !r->dropped && (is_unnamed(r) || overflows(r));
}

/* True: something changed. */
static bool look_at(conversation *c, const struct rooms *w, int at)
{
	struct smtp *s = smtp_of(c);
	struct recipient *r = &s->recipients[at];
	status kind = w->kinds[at];

	if (!is_in_question(r) || !members_cannot_have(kind))
		return false;
	if (kind == ST_FULL && overflows_now(c, at))
		return true;
	if (goes_back(s->recipients, s->n, w, at))
		return true;
	return is_unnamed(&s->recipients[at]) && set_aside_now(c, at, kind);
}

bool members_look_again(conversation *c, uint64_t size)
{
	struct smtp *s = smtp_of(c);
	bool asked = false, changed = false;

	for (int i = 0; i < s->n; i++)
		asked |= is_in_question(&s->recipients[i]);
	if (!asked)
		return false;
	struct rooms w = rooms_now(s->recipients, s->n, size, &c->command);
	for (int i = 0; i < w.n; i++)
		changed |= look_at(c, &w, i);
	return changed;
}

static bool is_too_big(const struct recipient *r, uint64_t size)
{
	return is_unnamed(r) && !r->remote && !r->told && !r->dropped && size > smtp_most_for(r);
}

bool members_fit(conversation *c, uint64_t size)
{
	struct smtp *s = smtp_of(c);
	struct rooms w = {0};
	bool changed = false;

	for (int i = 0, n = s->n; i < n; i++) {
		if (!is_too_big(&s->recipients[i], size))
			continue;
		if (!w.kinds)
			w = rooms_now(s->recipients, n, size, &c->command);
		changed |= goes_back(s->recipients, s->n, &w, i) || set_aside_now(c, i, ST_TOO_BIG);
	}
	return changed;
}

/* ---- what the house itself writes */

/* Of those who pass it to each other in a circle the one that was to keep it may be full. */
static void another_keeps(struct recipient *all, int n, const struct rooms *w)
{
	for (int i = 0; i < n; i++)
		if (!all[i].told && has_room(w, all, i)) {
			all[i].dropped = false;
			return;
		}
}

bool members_leave_out(struct recipient *all, int n, uint64_t size, arena *a)
{
	struct rooms w = rooms_now(all, n, size, a);
	bool changed = false;

	for (int i = 0; i < n; i++) {
		struct recipient *r = &all[i];

		if (r->told || r->dropped || !members_cannot_have(w.kinds[i]))
			continue;
		if (!goes_back(all, n, &w, i))
			r->told = members_told(w.kinds[i]);
		changed = true;
	}
	if (changed && !passing_reaches(all, n))
		another_keeps(all, n, &w);
	return changed;
}

/* ---- another sender */

status members_new_sender(conversation *c)
{
	struct smtp *s = smtp_of(c);
	bool hears = can_be_told(c);

	for (int i = 0, n = s->n; i < n; i++) {
		struct recipient *r = &s->recipients[i];

		if (r->passer)
			TRY(passing_leaves(r, r->passer, &s->sender, &s->mail));
		if (r->told != TOLD_FULL || hears)
			continue;
		r->told = TOLD_DELIVERED;
		if (!set_aside_now(c, i, ST_FULL))
			return ST_BUSY;
	}
	return ST_OK;
}
