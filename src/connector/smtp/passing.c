/* See passing.h. What is forged is refused at RCPT, so that nobody sends through us by guessing
   (T14). */
#include "connector/smtp/passing.h"

#include "base/log.h"
#include "base/map.h"
#include "base/utf8.h"
#include "provider/redirection.h"
#include "provider/resolve.h"
#include "provider/srs_key.h"
#include "provider/trace.h"

#include <inttypes.h>
#include <stdlib.h>

static bool is_trouble(status kind)
{
	return kind == ST_BUSY || kind == ST_TIMED_OUT || kind == ST_CANCELLED || kind == ST_BROKEN;
}

/* ---- there */

/* The post office of a domain; 0 when it is not ours. Whether anybody has the address does not
   matter. */
static status office_of(const mail_address *m, arena *a, int64_t *postoffice)
{
	struct route r = {0};
	status kind = address_lead(S("postmaster"), m->domain, 0, a, &r);

	*postoffice = r.postoffice;
	return is_trouble(kind) ? kind : ST_OK;
}

static slice domain_for(int64_t postoffice, const mail_address *via, arena *a)
{
	slice set = setting_text(S_srs_domain, &(struct setting_at){.postoffice = postoffice}),
	      domain, shown;

	return set.size && mail_domain_parse(set, a, &domain, &shown) == ST_OK ? domain
									       : via->domain;
}

status passing_sender(int64_t postoffice, const mail_address *sender, const mail_address *via,
	arena *a, slice *out)
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

status passing_leaves(
	struct recipient *r, const mail_address *via, const mail_address *sender, arena *a)
{
	mail_address *passer = arena_new(a, sizeof *passer);

	*passer = *via;
	r->passer = passer;
	if (!sender->empty && r->via.size == 0)
		r->via = mail_address_text(via, a);
	return passing_sender(r->route.postoffice, sender, via, a, &r->sender);
}

/* ---- and back */

/* A domain of a post office, or the server's own for this purpose. */
static status made_here(const mail_address *m, arena *a, int64_t *postoffice)
{
	slice set = setting_text(S_srs_domain, NULL), domain, shown;

	TRY(office_of(m, a, postoffice));
	if (*postoffice != 0)
		return ST_OK;
	return set.size && mail_domain_parse(set, a, &domain, &shown) == ST_OK &&
			       slice_same(domain, m->domain)
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
	kind = srs_reverse(&scheme, m->local, m->domain, a, home);
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
	kind = members_lead(c, r, home.domain);
	if (kind != ST_FOREIGN)
		return kind;
	r->remote = true;
	r->route = (struct route){.postoffice = postoffice};
	/* Reports have no sender; whoever has one must not be passed on in our name (SPF). */
	return passing_leaves(r, &via, &s->sender, &s->mail);
}

/* ---- on */

struct passing {         /* one recipient, being worked off */
	conversation *c; /* NULL: a message of the house's own */
	arena *a;
	const mail_address *sender;
	uint64_t size;
	struct recipient *all; /* the first one is the recipient itself */
	int n, room, most;
	map *met;
};

struct target { /* of a mailbox that passes its mail on */
	const struct recipient *of;
	bool alone;            /* it leads to a single one, and no copy stays */
	int copies;            /* that the mailbox sends to other systems with this message */
	struct route full;     /* the mailbox whose postmaster is written to */
	bool closed;           /* the group it leads to takes no mail from this sender */
	struct missed *missed; /* MISSES_MOST have room */
	int misses;
};

static const char *const told_words[] = {[TOLD_FULL] = "full",
	[TOLD_DISABLED] = "disabled",
	[TOLD_ABSENT] = "absent",
	[TOLD_BIG] = "too-big"};

/* For the trace: who passes it on hears of it in no other way. What was told last is not told again,
   and of many the first. */
#define MISSES_MOST 20
static void miss(const struct passing *p, struct target *t, const mail_address *who, status kind)
{
	const mail_address *last = t->misses ? &t->missed[t->misses - 1].address : NULL;

	if (t->misses == MISSES_MOST || (last && slice_same(last->local, who->local) &&
						slice_same(last->domain, who->domain)))
		return;
	if (!t->missed)
		t->missed = arena_new_array(p->a, MISSES_MOST, sizeof *t->missed);
	t->missed[t->misses++] = (struct missed){.address = *who,
		.why = t->closed            ? "denied"
		       : kind == ST_LIMITED ? "limited"
					    : told_words[members_told(kind)]};
}

static slice met_key(const struct passing *p, const struct recipient *r)
{
	bool here = !r->remote && r->route.mailbox != 0;
	slice address = here ? S("") : mail_address_key(&r->address, p->a);

	return here ? arena_format(p->a, "m%" PRId64, r->route.mailbox)
		    : arena_format(p->a, "r%.*s", SLICE_ARGS(address));
}

/* ST_EXISTS: it has it already. ST_TOO_BIG: it would be one too many. */
static status add(struct passing *p, const struct recipient *r)
{
	slice key = met_key(p, r);

	if (map_get(p->met, key))
		return ST_EXISTS;
	if (p->n > 0 && p->n >= p->most)
		return ST_TOO_BIG;
	if (p->n == p->room) {
		int room = p->room ? 2 * p->room : 8;
		struct recipient *grown = arena_new_array(p->a, (size_t)room, sizeof *grown);

		if (p->n)
			memcpy(grown, p->all, (size_t)p->n * sizeof *grown);
		p->all = grown;
		p->room = room;
	}
	p->all[p->n++] = *r;
	if (!r->told) /* who cannot have it that way may have it another way, as a postmaster */
		map_put(p->met, key, p);
	return ST_OK;
}

/* RFC 3461 5.2.7: all that was asked for goes along to a single successor; of several, or beside a
   copy that stays, none is asked for success. */
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

static struct recipient passed_by(const struct target *t, const mail_address *to)
{
	return (struct recipient){.address = *to,
		.by = t->of->route.mailbox,
		.via = t->of->via,
		.via_key = t->of->via_key,
		.dsn = dsn_for(t->of, t->alone),
		.full = t->full};
}

static status outside_add(struct passing *p, struct target *t, const mail_address *to)
{
	struct recipient r = passed_by(t, to);
	mail_address via;

	r.remote = true;
	r.route = (struct route){.postoffice = t->of->route.postoffice};
	if (map_get(p->met, met_key(p, &r)))
		return ST_OK;
	TRY(smtp_mailbox_within_limits(t->of->route.postoffice, t->of->route.mailbox, t->copies,
		mail_address_text(to, p->a)));
	if (mail_address_parse(t->of->via, p->a, &via) == ST_OK)
		TRY(passing_leaves(&r, &via, p->sender, p->a));
	status kind = add(p, &r);
	t->copies += kind == ST_OK;
	return kind;
}

static status all_add(struct passing *p, struct target *t, const mail_address *to,
	const struct resolution *found);

/* A mailbox here. One that is full may have a postmaster who takes its mail (H1). */
static status here_add(struct passing *p, struct target *t, const mail_address *to,
	const struct route *route, status kind)
{
	struct recipient r = passed_by(t, to);

	r.route = *route;
	if (kind == ST_FULL && passing_frees(&r))
		kind = ST_OK;
	if (kind == ST_FULL && p->c) {
		kind = members_overflow(p->c, &r);
		if (kind == ST_OK && r.leads_to) {
			struct target instead = *t;

			instead.full = r.full;
			kind = all_add(p, &instead, to, r.leads_to);
			instead.full = t->full;
			*t = instead;
			return kind;
		}
	}
	TRY(kind);
	kind = add(p, &r);
	return kind == ST_EXISTS ? ST_OK : kind;
}

/* ST_OK: all of them have it. Of another post office's group no member is named to whom it missed:
   what fails there is told by the address that led there. */
static status all_add(
	struct passing *p, struct target *t, const mail_address *to, const struct resolution *found)
{
	const int64_t own = t->of->route.postoffice;
	status worst = ST_OK;

	for (int i = 0; i < found->n; i++) {
		const struct destination *d = &found->to[i];
		mail_address m = *to;
		status kind = d->kind;

		if (d->address.size > 0 && mail_address_parse(d->address, p->a, &m) != ST_OK)
			kind = ST_ABSENT;
		else if (!d->remote)
			kind = here_add(p, t, &m, &d->route, kind);
		else if (kind == ST_OK)
			kind = outside_add(p, t, &m);
		if (is_trouble(kind))
			return kind;
		if (kind == ST_OK || kind == ST_EXISTS)
			continue;
		worst = kind;
		miss(p, t, found->route.postoffice == own && d->route.postoffice == own ? &m : to,
			kind);
	}
	return worst;
}

static status target_lead(struct passing *p, struct target *t, const mail_address *to)
{
	struct resolution found;
	status kind = resolve(to->local, to->domain, p->size, NULL, p->a, &found);

	if (is_trouble(kind))
		return kind;
	if (kind == ST_FOREIGN)
		return outside_add(p, t, to);
	if (kind == ST_LIMITED)
		return ST_TOO_BIG;
	if (found.n == 0)
		return here_add(p, t, to, &found.route, kind);
	t->closed = !members_may_post(p->c, &found);
	if (t->closed)
		return ST_DENIED;
	t->alone = t->alone && found.n == 1;
	return all_add(p, t, to, &found);
}

/* One address a mailbox passes its mail on to. ST_LIMITED: it sent enough for one hour; what else
   is no trouble: it leads nowhere now, or somebody there cannot have it. */
static status target_add(struct passing *p, struct target *t, slice target)
{
	mail_address to;
	int before = t->misses;

	if (mail_address_parse(target, p->a, &to) != ST_OK)
		return ST_ABSENT;
	t->closed = false;
	status kind = target_lead(p, t, &to);
	if (kind != ST_OK && kind != ST_EXISTS && !is_trouble(kind) && t->misses == before)
		miss(p, t, &to, kind);
	return kind;
}

/* The name under which it is known as one that passed a message on. */
static void name_via(struct recipient *r, arena *a)
{
	r->via = mail_address_text(&r->address, a);
	r->via_key = mail_address_key(&r->address, a);
}

static int copies_of(const struct passing *p, int64_t mailbox)
{
	const struct smtp *s = p->c ? smtp_of(p->c) : NULL;
	int n = 0;

	for (int i = 0; i < p->n; i++)
		n += p->all[i].remote && p->all[i].by == mailbox;
	for (int i = 0; s && i < s->n; i++)
		n += s->recipients[i].remote && s->recipients[i].by == mailbox;
	return n;
}

static status mailbox_leads(struct passing *p, int at)
{
	struct recipient of = p->all[at];
	redirection to;
	bool reached = false;
	status trouble = ST_OK;
	status kind = redirection_of(of.route.postoffice, of.route.mailbox, p->a, &to);

	if (kind != ST_OK)
		return kind == ST_ABSENT ? ST_OK : kind;
	if (of.address.domain.size == 0)
		return ST_OK;
	name_via(&of, p->a);
	struct target t = {.of = &of,
		.alone = to.n == 1 && !to.keep,
		.copies = copies_of(p, of.route.mailbox)};
	for (int i = 0; i < to.n; i++) {
		kind = target_add(p, &t, to.targets[i]);
		if (is_trouble(kind))
			return kind;
		reached |= kind == ST_OK || kind == ST_EXISTS;
		trouble = kind == ST_OK || kind == ST_EXISTS ? trouble : kind;
	}
	if (p->c && !reached && trouble == ST_LIMITED && !to.keep)
		return ST_LIMITED; /* of what the house itself writes it stays with the owner */
	p->all[at].dropped = reached && trouble == ST_OK &&
			     !to.keep; /* what misses somebody stays with the owner too */
	p->all[at].missed = t.missed;
	p->all[at].misses = t.misses;
	p->all[at].expands = !t.alone && (of.dsn.notify & NOTIFY_SUCCESS);
	return ST_OK;
}

static bool gets_it(const struct recipient *r)
{
	return !r->told && !r->dropped;
}

bool passing_reaches(const struct recipient *all, int n)
{
	for (int i = 0; i < n; i++)
		if (gets_it(&all[i]))
			return true;
	return false;
}

/* Mailboxes that pass their mail to each other in a circle: it stays with the first. */
static void keep_one(struct passing *p)
{
	struct recipient *first = NULL;

	for (int i = p->n - 1; i >= 0; i--) {
		if (gets_it(&p->all[i]))
			return;
		first = p->all[i].told ? first : &p->all[i];
	}
	if (first)
		first->dropped = false;
}

static status work_off(struct passing *p)
{
	for (int level = 0, at = 0; level < PASSING_DEPTH && at < p->n; level++)
		for (int end = p->n; at < end; at++)
			if (!p->all[at].remote && !p->all[at].told &&
				(p->all[at].route.handling & HANDLING_REDIRECT))
				TRY(mailbox_leads(p, at));
	keep_one(p);
	return ST_OK;
}

status passing_on(conversation *c, const struct recipient *r)
{
	struct smtp *s = smtp_of(c);
	struct setting_at at = {.postoffice = r->route.postoffice};

	if (r->remote || r->told || !(r->route.handling & HANDLING_REDIRECT)) {
		smtp_add_recipient(s, r);
		return ST_OK;
	}
	struct passing p = {.c = c,
		.a = &s->mail,
		.sender = &s->sender,
		.size = s->parameters.size,
		.met = map_open(),
		.most = (int)setting_number(S_group_recipients_most, &at) - s->members};
	mail_address *named = arena_new(&s->mail, sizeof *named);
	*named = r->named ? *r->named : r->address;
	add(&p, r);
	status kind = work_off(&p);
	map_close(&p.met);
	TRY(kind);
	for (int i = 0; i < p.n; i++) {
		p.all[i].named = named;
		p.all[i].named_in = r->named ? r->named_in : r->route.postoffice;
		smtp_add_recipient(s, &p.all[i]);
	}
	s->members += p.n - 1;
	return ST_OK;
}

/* Of a group, or of an address that leads elsewhere: a member, or none that can have it. */
static void own_member_add(struct passing *p, const mail_address *to, const struct destination *d)
{
	struct recipient r = {.address = *to, .route = d->route, .remote = d->remote};

	if (d->address.size > 0 && mail_address_parse(d->address, p->a, &r.address) != ST_OK)
		return;
	if (d->kind != ST_OK && (d->kind != ST_FULL || !passing_frees(&r)))
		r.told = members_told(d->kind);
	if (r.remote &&
		!slice_same(mail_address_key(&r.address, p->a), mail_address_key(to, p->a))) {
		r.via = mail_address_text(to, p->a);
		r.via_key = mail_address_key(to, p->a);
	}
	add(p, &r);
}

bool passing_leave_out(struct recipient *all, int n, uint64_t size, arena *a)
{
	for (int i = 0; i < n; i++)
		if (!all[i].remote && gets_it(&all[i]) &&
			address_room(&all[i].route, size) != ST_OK)
			return members_leave_out(all, n, size, a);
	return false;
}

/* Whether a group or an address that leads elsewhere is told. */
static bool may_be_told(const struct resolution *found, const struct poster *asker)
{
	return members_may_post(NULL, found) ||
	       (asker && (asker->mailbox == 0 || group_may_post(found, asker)));
}

/* Of an address that leads to nobody else. */
static void own_alone_add(struct passing *p, struct recipient *alone, status *kind)
{
	if (*kind == ST_FULL && passing_frees(alone))
		*kind = ST_OK;
	if (*kind != ST_OK)
		alone->told = members_told(*kind);
	add(p, alone);
}

static status own_work_off(struct passing *p, status first)
{
	TRY(work_off(p));
	passing_leave_out(p->all, p->n, p->size, p->a);
	return passing_reaches(p->all, p->n) ? ST_OK : first != ST_OK ? first : ST_ABSENT;
}

status passing_own(const mail_address *to, const struct poster *asker, uint64_t size, arena *a,
	struct recipient **all, int *n)
{
	static const mail_address nobody = {.empty = true};
	struct resolution found;
	status kind = resolve(to->local, to->domain, size, NULL, a, &found), first = kind;
	struct recipient alone = {.address = *to, .route = found.route};
	struct setting_at at = {.postoffice = found.route.postoffice};

	if (kind != ST_OK && !members_cannot_have(kind))
		return kind;
	if (found.n > 0 && !may_be_told(&found, asker))
		return ST_DENIED;
	struct passing p = {.a = a,
		.sender = &nobody,
		.size = size,
		.met = map_open(),
		.most = (int)setting_number(S_group_recipients_most, &at)};
	if (found.n == 0)
		own_alone_add(&p, &alone, &kind);
	else
		kind = ST_OK; /* a member that is full may keep no copy */
	for (int i = 0; i < found.n; i++)
		own_member_add(&p, to, &found.to[i]);
	if (kind == ST_OK)
		kind = own_work_off(&p, first);
	map_close(&p.met);
	*all = p.all;
	*n = p.n;
	return kind;
}

static int by_office(const void *x, const void *y)
{
	const struct recipient *a = x, *b = y;

	return (a->route.postoffice > b->route.postoffice) -
	       (a->route.postoffice < b->route.postoffice);
}

bool passing_parts(struct recipient *all, int n, unsigned notify, arena *a, struct delivery *d)
{
	struct route *routes = arena_new_array(a, (size_t)n, sizeof *routes);
	struct queue_recipient *far = arena_new_array(a, (size_t)n, sizeof *far);
	struct delivery_part *part = NULL;
	bool utf8 = false;

	d->parts = arena_new_array(a, (size_t)n, sizeof *d->parts);
	d->n = 0;
	qsort(all, (size_t)n, sizeof *all, by_office);
	for (int i = 0; i < n; i++) {
		const struct recipient *r = &all[i];

		if (!gets_it(r))
			continue;
		if (!part || part->postoffice != r->route.postoffice) {
			part = &d->parts[d->n++];
			*part = (struct delivery_part){.postoffice = r->route.postoffice,
				.recipients = routes,
				.remote = far};
		}
		if (!r->remote) {
			*routes++ = r->route;
			part->n++;
			continue;
		}
		*far = (struct queue_recipient){.address = mail_address_text(&r->address, a),
			.domain = r->address.domain,
			.notify = notify,
			.via = r->via,
			.mailbox = r->by};
		utf8 |= !utf8_is_ascii(far->address);
		far++;
		part->m++;
	}
	return utf8;
}

void passing_trace(const struct recipient *r, int64_t message, slice to, slice told, arena *a)
{
	slice address = mail_address_text(&r->address, a);
	bool led = to.size && !slice_same_nocase(to, address);
	slice rest = arena_format(a, "%s%s%s%.*s", led ? " via=" : "", led ? log_quote(to) : "",
		told.size ? " " : "", SLICE_ARGS(told));

	if (r->told)
		trace_note(r->route.postoffice, message, TRACE_REFUSED, "recipient=%s why=%s%.*s",
			log_quote(address), told_words[r->told], SLICE_ARGS(rest));
	else if (r->remote)
		trace_note(r->route.postoffice, message, TRACE_QUEUED, "recipient=%s domain=%s%.*s",
			log_quote(address), log_quote(r->address.domain), SLICE_ARGS(rest));
	else if (!r->dropped)
		trace_note(r->route.postoffice, message, TRACE_DELIVERED,
			"recipient=%s mailbox=%s%s%.*s", log_quote(address),
			log_quote(r->route.mailbox_name), r->route.caught ? " catch_all=yes" : "",
			SLICE_ARGS(rest));
	for (int i = 0; i < r->misses; i++)
		trace_note(r->route.postoffice, message, TRACE_REFUSED,
			"recipient=%s why=%s via=%s%s%.*s",
			log_quote(mail_address_text(&r->missed[i].address, a)), r->missed[i].why,
			log_quote(address), told.size ? " " : "", SLICE_ARGS(told));
}

bool passing_frees(const struct recipient *r)
{
	arena a = ARENA_INIT;
	redirection to;
	bool frees = (r->route.handling & HANDLING_REDIRECT) &&
		     redirection_of(r->route.postoffice, r->route.mailbox, &a, &to) == ST_OK &&
		     !to.keep;

	arena_release(&a);
	return frees;
}

/* ---- round and round */

/* All who passed the message on; NULL: nobody. */
static map *passed_before(slice header, arena *a)
{
	header_walk w = header_walk_of(header);
	map *all = NULL;
	header_field f;
	mail_address m;

	while (header_next_named(&w, S("Delivered-To"), &f))
		if (mail_address_parse(header_unfold(f.value, a), a, &m) == ST_OK) {
			all = all ? all : map_open();
			map_put(all, mail_address_key(&m, a), all);
		}
	return all;
}

static bool anybody_passes(const struct smtp *s)
{
	for (int i = 0; i < s->n; i++)
		if (s->recipients[i].via_key.size > 0)
			return true;
	return false;
}

static void stays_with(struct smtp *s, int64_t mailbox)
{
	for (int i = 0; i < s->n && mailbox != 0; i++)
		if (!s->recipients[i].remote && s->recipients[i].route.mailbox == mailbox)
			s->recipients[i].dropped = false;
}

const char *passing_stop_loops(struct smtp *s, slice header)
{
	map *met = anybody_passes(s) ? passed_before(header, &s->mail) : NULL;
	int n = s->n, left = 0;

	if (!met)
		return NULL;
	for (int i = 0; i < n; i++)
		if (s->recipients[i].via_key.size > 0 && map_get(met, s->recipients[i].via_key))
			stays_with(s, s->recipients[i].by);
	for (int i = 0; i < n; i++)
		if (s->recipients[i].via_key.size == 0 || !map_get(met, s->recipients[i].via_key)) {
			struct recipient kept = s->recipients[i];

			s->recipients[i] = s->recipients[left];
			s->recipients[left++] = kept;
		}
	map_close(&met);
	s->n = left;
	if (passing_reaches(s->recipients, s->n))
		return NULL;
	s->n = n; /* who is refused is told of by name */
	return "554 5.4.6 The message is looping: it was passed on from here before";
}
