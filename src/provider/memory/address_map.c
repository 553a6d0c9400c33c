/* The address map in memory: exact addresses, details, postmaster and abuse, masks, catch-all. */
#include "provider/address_map.h"

#include "mail/address.h"
#include "provider/internal.h"
#include "provider/memory/store.h"

static slice key_of(slice local, slice domain, arena *a)
{
	slice folded = mail_local_key(local, a), lower = mail_local_key(domain, a);
	return arena_format(a, "%.*s@%.*s", SLICE_ARGS(folded), SLICE_ARGS(lower));
}

static status take(struct m_target t, arena *a, struct route *out)
{
	if (t.group) {
		out->group = t.group->id;
		return ST_OK;
	}
	if (!t.mailbox)
		return ST_ABSENT;
	out->mailbox = t.mailbox->id;
	out->inbox = t.mailbox->inbox->f.id;
	out->mailbox_name = arena_copy(a, t.mailbox->name);
	out->quota = t.mailbox->quota;
	out->used = t.mailbox->used;
	out->handling = store_handling(t.mailbox);
	return t.mailbox->state == MAILBOX_ENABLED ? ST_OK : ST_DENIED;
}

static bool is_somewhere(struct m_target t)
{
	return t.mailbox || t.group;
}

static struct m_target exact(struct store *s, slice local, const struct m_domain *d, arena *a)
{
	struct m_address *x = store_address(s, key_of(local, d->name, a));
	return x ? (struct m_target){x->mailbox, x->group} : (struct m_target){0};
}

static status target_lead(struct store *s, struct m_postoffice *po, slice target, slice local,
	slice domain, arena *a, struct route *out)
{
	struct internal to;
	slice why;
	status kind = internal_parse(target, a, &to, &why);

	if (kind == ST_OK && to.smtp.size > 0) {
		out->remote = internal_smtp(to.smtp, local, domain, a);
		return ST_OK;
	}
	if (kind == ST_INVALID || (kind == ST_OK && !slice_same(to.postoffice, po->name)))
		return ST_ABSENT;
	return take(store_target(s, po, kind == ST_OK ? to.name : target), a, out);
}

static slice without_detail(slice local, int64_t postoffice, slice domain)
{
	slice separators = setting_text(S_address_separators,
		&(struct setting_at){.postoffice = postoffice, .domain = domain});

	for (size_t i = 1; i < local.size; i++)
		if (slice_find(separators, local.at[i]) < separators.size)
			return slice_until(local, i);
	return S("");
}

static const struct m_mask *mask_for(const struct m_domain *d, slice local, bool plain)
{
	EACH(struct m_mask, &d->masks, m)
		if (internal_is_mask(m->mask) != plain && internal_matches(m->mask, local))
			return m;
	return NULL;
}

/* Nobody has the address exactly. */
static status missed(
	struct store *s, struct m_domain *d, slice local, slice domain, arena *a, struct route *out)
{
	bool abuse = slice_same(local, S("abuse"));
	slice base = without_detail(local, d->postoffice->id, d->name);
	struct m_target t = base.size > 0 ? exact(s, base, d, a) : (struct m_target){0};
	const struct m_mask *m = mask_for(d, local, true);
	status kind = ST_ABSENT;

	if (!m && is_somewhere(t))
		return take(t, a, out);
	if (!m && !out->postmaster)
		m = mask_for(d, local, false);
	if (m)
		return target_lead(s, d->postoffice, m->target, local, domain, a, out);
	slice target = abuse ? d->abuse : out->postmaster ? d->postmaster : d->catch_all;
	if (target.size > 0)
		kind = target_lead(s, d->postoffice, target, local, domain, a, out);
	if (kind == ST_ABSENT && out->postmaster)
		kind = target_lead(s, d->postoffice, S("postmaster"), local, domain, a, out);
	out->caught = !out->postmaster;
	return kind;
}

static status lead(struct store *s, slice local, slice domain, arena *a, struct route *out)
{
	if (store_refuses(s))
		return ST_BUSY;
	struct m_domain *asked = store_domain(s, domain), *d = store_own_domain(asked);
	if (!d)
		return ST_FOREIGN;
	slice folded = mail_local_key(local, a);
	bool special = slice_same(folded, S("abuse")) || slice_same(folded, S("postmaster"));
	*out = (struct route){.postoffice = d->postoffice->id,
		.postoffice_name = arena_copy(a, d->postoffice->name),
		.postmaster = special};
	if (asked->state != DOMAIN_ENABLED || d->state != DOMAIN_ENABLED ||
		d->postoffice->state != POSTOFFICE_ENABLED)
		return ST_DENIED;
	struct m_target t = exact(s, folded, d, a);
	return is_somewhere(t) ? take(t, a, out) : missed(s, d, folded, domain, a, out);
}

status address_room(const struct route *r, uint64_t size)
{
	int64_t room = setting_number(S_mailbox_postmaster_room, NULL);
	/* Any message has one octet at least. */
	int64_t wanted = size > INT64_MAX / 2 ? INT64_MAX / 2 : size ? (int64_t)size : 1;
	int64_t limit = r->quota + (r->postmaster ? room : 0);
	return r->quota > 0 && r->used > limit - wanted ? ST_FULL : ST_OK;
}

/* *now: as it is at this moment. ST_ABSENT, ST_DENIED, ST_BUSY. */
static status route_now(const struct route *r, struct route *now)
{
	struct store *s = store_take();
	const struct m_mailbox *m = store_mailbox(s, r->postoffice, r->mailbox);
	status kind = store_refuses(s)              ? ST_BUSY
		      : !m                          ? ST_ABSENT
		      : m->state == MAILBOX_ENABLED ? ST_OK
						    : ST_DENIED;

	*now = *r;
	if (kind == ST_OK) {
		now->quota = m->quota;
		now->used = m->used;
	}
	store_give();
	return kind;
}

status address_rooms(const struct route *const *r, int n, uint64_t size, arena *a, status *kinds)
{
	struct route now;

	(void)a;
	for (int i = 0; i < n; i++) {
		kinds[i] = route_now(r[i], &now);
		if (kinds[i] == ST_BUSY)
			return ST_BUSY;
		if (kinds[i] == ST_OK)
			kinds[i] = address_room(&now, size);
	}
	return ST_OK;
}

status address_lead(slice local, slice domain, uint64_t size, arena *a, struct route *out)
{
	*out = (struct route){0};
	status kind = lead(store_take(), local, domain, a, out);
	store_give();
	TRY(kind);
	return address_room(out, size);
}

status address_domain_is_ours(slice domain)
{
	struct store *s = store_take();
	status kind = store_refuses(s) ? ST_BUSY : store_domain(s, domain) ? ST_OK : ST_FOREIGN;
	store_give();
	return kind;
}

status address_domains_ours(const slice *domains, int n, arena *a, bool *ours)
{
	(void)a;
	for (int i = 0; i < n; i++) {
		status kind = address_domain_is_ours(domains[i]);

		if (kind == ST_BUSY)
			return kind;
		ours[i] = kind == ST_OK;
	}
	return ST_OK;
}

status address_owned(int64_t postoffice, int64_t mailbox, slice local, slice domain)
{
	arena a = ARENA_INIT;
	struct route r = {0};
	status kind = lead(store_take(), local, domain, &a, &r);
	store_give();
	arena_release(&a);
	if (kind == ST_OK && r.postoffice == postoffice && r.mailbox == mailbox && !r.caught)
		return ST_OK;
	return kind == ST_BUSY ? ST_BUSY : ST_DENIED;
}

/* What a new address must be. */
static status new_address(
	struct store *s, int64_t postoffice, const mail_address *m, slice key, slice *why)
{
	struct m_domain *d = store_domain(s, m->domain);
	if (!d || d->postoffice->id != postoffice || d->stands_for) {
		*why = S("the domain is none of the post office that has addresses of its own");
		return ST_INVALID;
	}
	if (store_address(s, key)) {
		*why = S("the address is taken");
		return ST_EXISTS;
	}
	return ST_OK;
}

static status make(struct store *s, int64_t postoffice, const mail_address *m, slice key,
	int64_t mailbox, slice *why)
{
	struct m_mailbox *target = store_mailbox(s, postoffice, mailbox);
	if (!target)
		return ST_ABSENT;
	TRY(new_address(s, postoffice, m, key, why));
	store_address_add(s, target, key);
	return ST_OK;
}

static status make_group(struct store *s, int64_t postoffice, const mail_address *m, slice key,
	int64_t group, slice *why)
{
	struct m_postoffice *po = store_postoffice(s, postoffice);
	struct m_group *g = po ? store_group(po, group) : NULL;
	if (!g)
		return ST_ABSENT;
	TRY(new_address(s, postoffice, m, key, why));
	struct m_address *x = arena_new(&s->a, sizeof *x);
	*x = (struct m_address){.key = arena_copy(&s->a, key), .group = g};
	list_append(&po->addresses, &x->link);
	s->routing_revision++;
	return ST_OK;
}

static status written_address(slice written, arena *a, mail_address *m, slice *why)
{
	status kind = mail_address_parse(written, a, m);

	if (kind == ST_OK)
		return ST_OK;
	*why = S("that is no address");
	return ST_INVALID;
}

status address_make_group(int64_t postoffice, slice written, int64_t group,
	const struct audit_by *by, arena *a, slice *why)
{
	mail_address m;

	(void)by;
	TRY(written_address(written, a, &m, why));
	status kind = make_group(store_take(), postoffice, &m, mail_address_key(&m, a), group, why);
	store_give();
	return kind;
}

status address_make(int64_t postoffice, slice written, int64_t mailbox, const struct audit_by *by,
	arena *a, slice *why)
{
	mail_address m;

	(void)by;
	TRY(written_address(written, a, &m, why));
	status kind = make(store_take(), postoffice, &m, mail_address_key(&m, a), mailbox, why);
	store_give();
	return kind;
}

status address_remove(int64_t postoffice, slice written, const struct audit_by *by)
{
	arena a = ARENA_INIT;
	mail_address m;
	status kind = ST_ABSENT;

	(void)by;
	if (mail_address_parse(written, &a, &m) == ST_OK) {
		struct store *s = store_take();
		struct m_address *address = store_address(s, mail_address_key(&m, &a));
		struct m_postoffice *po = store_postoffice(s, postoffice);
		if (address && (address->mailbox ? address->mailbox->postoffice
						 : address->group->postoffice) == po) {
			list_remove(&address->link);
			s->routing_revision++;
			kind = ST_OK;
		}
		store_give();
	}
	arena_release(&a);
	return kind;
}

static const struct m_address *next_by_key(
	const struct m_postoffice *po, int64_t mailbox, slice after)
{
	const struct m_address *best = NULL;
	EACH(struct m_address, &po->addresses, x)
		if ((mailbox == 0 || (x->mailbox && x->mailbox->id == mailbox)) &&
			slice_order(x->key, after) > 0 &&
			(!best || slice_order(x->key, best->key) < 0))
			best = x;
	return best;
}

status address_list(int64_t postoffice, int64_t mailbox, slice after, unsigned most, arena *a,
	address **rows, int *n)
{
	struct m_postoffice *po = store_postoffice(store_take(), postoffice);
	const struct m_address *x;

	*rows = arena_new_array(a, (size_t)most + 1, sizeof **rows);
	*n = 0;
	while (po && (unsigned)*n < most && (x = next_by_key(po, mailbox, after))) {
		(*rows)[(*n)++] = (address){.key = arena_copy(a, x->key),
			.postoffice = postoffice,
			.mailbox = x->mailbox ? x->mailbox->id : 0,
			.group = x->group ? x->group->id : 0,
			.mailbox_name = arena_copy(a, x->mailbox ? x->mailbox->name
						      : x->group ? x->group->name
								 : S(""))};
		after = x->key;
	}
	store_give();
	return ST_OK;
}

/* ---- masks */

static status mask_parse(slice written, arena *a, mail_address *m, slice *mask, slice *why)
{
	slice pattern;

	if (mail_address_parse(written, a, m) != ST_OK || m->literal) {
		*why = S("that is no address");
		return ST_INVALID;
	}
	return internal_mask(m->local, a, mask, &pattern, why);
}

static struct m_mask *mask_named(const struct m_domain *d, slice mask)
{
	EACH(struct m_mask, &d->masks, m)
		if (slice_same(m->mask, mask))
			return m;
	return NULL;
}

static status set_mask(struct store *s, int64_t postoffice, slice domain, slice mask, slice target,
	int64_t place, arena *a, slice *why)
{
	struct m_domain *d = store_domain(s, domain);
	struct internal to;
	int64_t masks = 0, last = 0;

	if (!d || d->postoffice->id != postoffice || d->stands_for) {
		*why = S("the domain is none of the post office that has addresses of its own");
		return ST_INVALID;
	}
	if (internal_parse(target, a, &to, why) != ST_OK) {
		*why = S("a target is [SF:POSTOFFICE/NAME] or [SMTP:ADDRESS]");
		return ST_INVALID;
	}
	if (to.smtp.size == 0 && (!slice_same(to.postoffice, d->postoffice->name) ||
					 !is_somewhere(store_target(s, d->postoffice, to.name)))) {
		*why = S("the target is no mailbox and no group of the post office");
		return ST_INVALID;
	}
	if (!internal_is_mask(mask) && is_somewhere(exact(s, mask, d, a))) {
		*why = S("the address is taken");
		return ST_EXISTS;
	}
	EACH(struct m_mask, &d->masks, other) {
		masks++;
		last = other->place;
	}
	struct m_mask *m = mask_named(d, mask);
	if (!m && masks >= setting_number(S_address_masks_most,
				   &(struct setting_at){.postoffice = postoffice})) {
		*why = S("the domain has as many masks as it may");
		return ST_LIMITED;
	}
	int64_t at = place >= 0 ? place : m ? m->place : last + 10;
	if (m)
		list_remove(&m->link);
	else
		m = arena_new(&s->a, sizeof *m);
	*m = (struct m_mask){.mask = arena_copy(&s->a, mask),
		.target = arena_copy(&s->a, internal_text(&to, a)),
		.place = at};
	link_t *before = d->masks.prev;
	while (before != &d->masks && LINK_OWNER(before, struct m_mask, link)->place > at)
		before = before->prev;
	list_prepend(before, &m->link);
	s->routing_revision++;
	return ST_OK;
}

status address_mask_set(int64_t postoffice, slice written, slice target, int64_t place,
	const struct audit_by *by, arena *a, slice *why)
{
	mail_address m;
	slice mask;

	(void)by;
	TRY(mask_parse(written, a, &m, &mask, why));
	status kind = set_mask(store_take(), postoffice, m.domain, mask, target, place, a, why);
	store_give();
	return kind;
}

status address_mask_remove(int64_t postoffice, slice written, const struct audit_by *by)
{
	arena a = ARENA_INIT;
	mail_address m;
	slice mask, why;
	status kind = ST_ABSENT;

	(void)by;
	if (mask_parse(written, &a, &m, &mask, &why) == ST_OK) {
		struct store *s = store_take();
		struct m_domain *d = store_domain(s, m.domain);
		struct m_mask *found =
			d && d->postoffice->id == postoffice ? mask_named(d, mask) : NULL;
		if (found) {
			list_remove(&found->link);
			s->routing_revision++;
			kind = ST_OK;
		}
		store_give();
	}
	arena_release(&a);
	return kind;
}

status address_mask_list(int64_t postoffice, slice domain, arena *a, address_mask **rows, int *n)
{
	struct m_postoffice *po = store_postoffice(store_take(), postoffice);
	int count = 0, at = 0;

	if (po)
		EACH(struct m_domain, &po->domains, d)
			EACH(struct m_mask, &d->masks, m)
				count++;
	*rows = arena_new_array(a, (size_t)count, sizeof **rows);
	if (po)
		EACH(struct m_domain, &po->domains, d)
			EACH(struct m_mask, &d->masks, m)
				if (domain.size == 0 || slice_same(domain, d->name))
					(*rows)[at++] =
						(address_mask){.mask = key_of(m->mask, d->name, a),
							.place = m->place,
							.target = arena_copy(a, m->target)};
	*n = at;
	store_give();
	return ST_OK;
}
