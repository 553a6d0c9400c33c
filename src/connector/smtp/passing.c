/* See passing.h. What is forged is refused at RCPT, so that nobody sends through us by guessing (T14). */
#include "connector/smtp/passing.h"

#include "provider/redirection.h"
#include "provider/srs_key.h"

static bool is_trouble(status kind)
{
	return kind == ST_BUSY || kind == ST_TIMED_OUT || kind == ST_CANCELLED || kind == ST_BROKEN;
}

/* ---- there */

/* The post office of a domain; 0 when it is not ours. Whether anybody has the address does not matter. */
static status office_of(const mail_address *m, arena *a, int64_t *postoffice)
{
	struct route r = {0};
	status kind = address_lead(S("postmaster"), m->domain, 0, a, &r);

	*postoffice = r.postoffice;
	return is_trouble(kind) ? kind : ST_OK;
}

static slice domain_for(int64_t postoffice, const mail_address *via, arena *a)
{
	slice set = setting_text(S_srs_domain, &(struct setting_at){.postoffice = postoffice}), domain, shown;

	return set.size && mail_domain_parse(set, a, &domain, &shown) == ST_OK ? domain : via->domain;
}

status passing_sender(int64_t postoffice, const mail_address *sender, const mail_address *via, arena *a,
	slice *out)
{
	struct srs scheme;
	mail_address made;
	int64_t owner;

	*out = S("");
	if (sender->empty || !setting_on(S_srs, &(struct setting_at){.postoffice = postoffice}))
		return ST_OK;
	TRY(office_of(sender, a, &owner));
	if (owner == postoffice && postoffice != 0)
		return ST_OK; /* its own hosts may send for it */
	TRY(srs_key_scheme(a, &scheme));
	/* Where no path is long enough for both, who passes it on hears of trouble himself. */
	*out = srs_forward(&scheme, sender, domain_for(postoffice, via, a), a, &made) == ST_OK
		? mail_address_text(&made, a)
		: mail_address_text(via, a);
	return ST_OK;
}

/* ---- and back */

/* A domain of a post office, or the server's own for this purpose. */
static status made_here(const mail_address *m, arena *a, int64_t *postoffice)
{
	slice set = setting_text(S_srs_domain, NULL), domain, shown;

	TRY(office_of(m, a, postoffice));
	if (*postoffice != 0)
		return ST_OK;
	return set.size && mail_domain_parse(set, a, &domain, &shown) == ST_OK && slice_same(domain, m->domain)
		? ST_OK
		: ST_FOREIGN;
}

status passing_home(const mail_address *m, arena *a, mail_address *home, int64_t *postoffice)
{
	struct srs scheme;

	if (m->literal || m->domain.size == 0 || !srs_is(m->local))
		return ST_FOREIGN;
	status kind = made_here(m, a, postoffice);
	if (kind == ST_OK)
		kind = srs_key_scheme(a, &scheme);
	if (kind != ST_OK)
		return kind == ST_TIMED_OUT ? ST_BUSY : kind;
	kind = srs_reverse(&scheme, m->local, a, home);
	return kind == ST_INVALID ? ST_FOREIGN : kind;
}

static const char *refusal_of(status kind)
{
	return kind == ST_DENIED      ? "550 5.7.1 This return path was not made here"
	       : kind == ST_TIMED_OUT ? "550 5.7.1 This return path is too old"
				      : NULL;
}

status passing_recipient(conversation *c, struct recipient *r)
{
	struct smtp *s = smtp_of(c);
	int64_t postoffice;
	mail_address home;
	status kind = passing_home(&r->address, &s->mail, &home, &postoffice);

	if (kind != ST_OK) {
		r->refusal = refusal_of(kind);
		return r->refusal ? ST_ABSENT : kind;
	}
	mail_address via = r->address;
	r->address = home;
	kind = address_resolve(home.local, home.domain, s->parameters.size, &s->mail, &r->route);
	if (kind != ST_FOREIGN)
		return kind;
	r->remote = true;
	r->route = (struct route){.postoffice = postoffice};
	/* Reports have no sender; whoever has one must not be passed on in our name (SPF). */
	return passing_sender(postoffice, &s->sender, &via, &s->mail, &r->sender);
}

/* ---- on */

struct passing { /* one recipient, being worked off */
	conversation *c;
	struct recipient *all; /* the first one is the recipient itself */
	int n, room;
};

static bool is_met(const struct passing *p, const struct recipient *r)
{
	for (int i = 0; i < p->n; i++) {
		const struct recipient *x = &p->all[i];

		if (x->remote != r->remote)
			continue;
		if (!r->remote && x->route.postoffice == r->route.postoffice && x->route.mailbox == r->route.mailbox)
			return true;
		if (r->remote && slice_same(x->address.domain, r->address.domain) &&
			slice_same(x->address.local, r->address.local))
			return true;
	}
	return false;
}

static void add(struct passing *p, const struct recipient *r)
{
	if (p->n == p->room) {
		int room = p->room ? 2 * p->room : 8;
		struct recipient *grown =
			arena_new_array(&smtp_of(p->c)->mail, (size_t)room, sizeof *grown);

		if (p->n)
			memcpy(grown, p->all, (size_t)p->n * sizeof *grown);
		p->all = grown;
		p->room = room;
	}
	p->all[p->n++] = *r;
}

/* RFC 3461 5.2.7: all that was asked for goes along to a single successor; of several, or beside a copy that stays,
   none is asked for success. */
static rcpt_parameters dsn_for(const struct recipient *of, bool alone)
{
	rcpt_parameters dsn = of->dsn;

	if (!dsn.has_orcpt) {
		dsn.has_orcpt = true;
		dsn.orcpt_type = of->address.utf8 ? S("utf-8") : S("rfc822");
		dsn.orcpt = of->via;
	}
	if (!alone && (dsn.notify & NOTIFY_SUCCESS)) {
		dsn.notify &= ~(unsigned)NOTIFY_SUCCESS;
		dsn.notify = dsn.notify ? dsn.notify : NOTIFY_NEVER;
	}
	return dsn;
}

/* One address a mailbox passes its mail on to. ST_ABSENT: it leads nowhere now; ST_LIMITED. */
static status target_add(struct passing *p, const struct recipient *of, slice target, bool alone)
{
	struct smtp *s = smtp_of(p->c);
	struct recipient r = {.by = of->route.mailbox, .via = of->via, .via_key = of->via_key};

	if (mail_address_parse(target, &s->mail, &r.address) != ST_OK)
		return ST_ABSENT;
	status kind = address_resolve(
		r.address.local, r.address.domain, s->parameters.size, &s->mail, &r.route);
	if (is_trouble(kind))
		return kind;
	if (kind == ST_FULL && passing_frees(&r))
		kind = ST_OK;
	if (kind == ST_FOREIGN) {
		/* An address here may lead to another system itself. */
		if (r.route.remote.size > 0 && mail_address_parse(r.route.remote, &s->mail, &r.address) != ST_OK)
			return ST_ABSENT;
		r.remote = true;
		r.route = (struct route){.postoffice = of->route.postoffice};
		r.dsn = dsn_for(of, alone);
	} else if (kind != ST_OK) {
		return ST_ABSENT;
	}
	if (is_met(p, &r))
		return ST_OK;
	if (r.remote) {
		mail_address via;

		int copies = 1;

		for (int i = 0; i < p->n; i++)
			copies += p->all[i].remote && p->all[i].by == of->route.mailbox;
		for (int i = 0; i < s->n; i++)
			copies += s->recipients[i].remote && s->recipients[i].by == of->route.mailbox;
		TRY(smtp_mailbox_within_limits(of->route.postoffice, of->route.mailbox, copies));
		if (mail_address_parse(of->via, &s->mail, &via) == ST_OK)
			TRY(passing_sender(of->route.postoffice, &s->sender, &via, &s->mail, &r.sender));
	}
	add(p, &r);
	return ST_OK;
}

/* The name under which it is known as one that passed a message on. */
static void name_via(struct recipient *r, arena *a)
{
	r->via = mail_address_text(&r->address, a);
	r->via_key = mail_address_key(&r->address, a);
}

static status mailbox_leads(struct passing *p, int at)
{
	struct smtp *s = smtp_of(p->c);
	struct recipient of = p->all[at];
	redirection to;
	bool reached = false;
	status trouble = ST_OK;
	status kind = redirection_of(of.route.postoffice, of.route.mailbox, &s->mail, &to);

	if (kind != ST_OK)
		return kind == ST_ABSENT ? ST_OK : kind;
	if (of.address.domain.size == 0)
		return ST_OK;
	name_via(&of, &s->mail);
	for (int i = 0; i < to.n; i++) {
		kind = target_add(p, &of, to.targets[i], to.n == 1 && !to.keep);
		if (is_trouble(kind))
			return kind;
		reached |= kind == ST_OK;
		trouble = kind == ST_OK ? trouble : kind;
	}
	if (!reached && trouble == ST_LIMITED && !to.keep)
		return ST_LIMITED;
	p->all[at].dropped = reached && trouble == ST_OK && !to.keep; /* what misses somebody stays with the owner too */
	return ST_OK;
}

/* Mailboxes that pass their mail to each other in a circle: it stays with the first. */
static void keep_one(struct passing *p)
{
	for (int i = 0; i < p->n; i++)
		if (!p->all[i].dropped)
			return;
	p->all[0].dropped = false;
}

status passing_on(conversation *c, const struct recipient *r)
{
	struct smtp *s = smtp_of(c);
	struct passing p = {.c = c};
	int level = 0;

	if (r->remote || r->told || !(r->route.handling & HANDLING_REDIRECT)) {
		smtp_add_recipient(s, r);
		return ST_OK;
	}
	add(&p, r);
	mail_address *named = arena_new(&s->mail, sizeof *named);
	*named = r->named ? *r->named : r->address;
	for (int at = 0, end = 1; at < p.n && level < PASSING_DEPTH; at++) {
		if (at == end) {
			end = p.n;
			level++;
		}
		if (!p.all[at].remote && (p.all[at].route.handling & HANDLING_REDIRECT))
			TRY(mailbox_leads(&p, at));
	}
	keep_one(&p);
	for (int i = 0; i < p.n; i++) {
		p.all[i].named = named;
		smtp_add_recipient(s, &p.all[i]);
	}
	s->members += p.n - 1;
	return ST_OK;
}

bool passing_frees(const struct recipient *r)
{
	arena a = ARENA_INIT;
	redirection to;
	bool frees = (r->route.handling & HANDLING_REDIRECT) &&
		     redirection_of(r->route.postoffice, r->route.mailbox, &a, &to) == ST_OK && !to.keep;

	arena_release(&a);
	return frees;
}

/* ---- round and round */

static bool passed_before(slice header, slice key, arena *a)
{
	header_walk w = header_walk_of(header);
	header_field f;
	mail_address m;

	while (header_next_named(&w, S("Delivered-To"), &f))
		if (mail_address_parse(header_unfold(f.value, a), a, &m) == ST_OK &&
			slice_same(mail_address_key(&m, a), key))
			return true;
	return false;
}

void passing_stop_loops(struct smtp *s, slice header)
{
	int left = 0;

	for (int i = 0; i < s->n; i++) {
		const struct recipient *r = &s->recipients[i];

		if (r->via_key.size == 0 || !passed_before(header, r->via_key, &s->mail)) {
			s->recipients[left++] = *r;
			continue;
		}
		for (int k = 0; k < s->n; k++)
			if (!s->recipients[k].remote && s->recipients[k].route.mailbox == r->by)
				s->recipients[k].dropped = false;
	}
	s->n = left;
}
