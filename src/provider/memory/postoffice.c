/* Post offices and their domains in memory. */
#include "base/id.h"
#include "mail/address.h"
#include "provider/auth.h"
#include "provider/memory/store.h"

static postoffice *copy_postoffice(const struct m_postoffice *po, arena *a)
{
	postoffice *out = arena_new(a, sizeof *out);
	*out = (postoffice){.id = po->id,
		.name = arena_copy(a, po->name),
		.state = po->state,
		.made = po->made};
	EACH(struct m_domain, &po->domains, d)
		out->domains++;
	EACH(struct m_mailbox, &po->mailboxes, m) {
		out->mailboxes++;
		out->bytes += m->used;
	}
	return out;
}

status postoffice_make(slice name, slice admin_password, const struct audit_by *by, arena *a,
	postoffice **out, slice *why)
{
	slice folded;
	struct mailbox_new admin = {.name = S("postmaster"),
		.password = admin_password,
		.kind = MAILBOX_ADMIN,
		.quota = -1};
	mailbox *made;

	if (postoffice_name(name, a, &folded) != ST_OK) {
		*why = S(
			"a post office's name has 1 to 64 of a-z 0-9 . _ -, first a letter or digit");
		return ST_INVALID;
	}
	TRY(auth_password_check(0, admin.name, admin_password, a, why));

	struct store *s = store_take();
	bool busy = store_refuses(s);
	if (busy || store_postoffice_named(s, folded)) {
		status kind = busy ? ST_BUSY : ST_EXISTS;
		store_give();
		return kind;
	}
	struct m_postoffice *po = arena_new(&s->a, sizeof *po);
	*po = (struct m_postoffice){
		.id = id_new(), .name = arena_copy(&s->a, folded), .made = clock_wall()};
	list_init(&po->domains);
	list_init(&po->mailboxes);
	list_init(&po->addresses);
	list_init(&po->groups);
	list_append(&s->postoffices, &po->link);
	int64_t id = po->id;
	store_give();

	TRY(mailbox_make(id, &admin, by, a, &made, why));
	return postoffice_by_id(id, a, out);
}

static status give_postoffice(struct store *s, struct m_postoffice *po, arena *a, postoffice **out)
{
	status kind = store_refuses(s) ? ST_BUSY : po ? ST_OK : ST_ABSENT;
	if (kind == ST_OK)
		*out = copy_postoffice(po, a);
	store_give();
	return kind;
}

status postoffice_find(slice name, arena *a, postoffice **out)
{
	slice folded = mail_local_key(name, a);
	struct store *s = store_take();
	return give_postoffice(s, store_postoffice_named(s, folded), a, out);
}

status postoffice_by_id(int64_t id, arena *a, postoffice **out)
{
	struct store *s = store_take();
	return give_postoffice(s, store_postoffice(s, id), a, out);
}

static const struct m_postoffice *next_by_name(struct store *s, slice after)
{
	const struct m_postoffice *best = NULL;
	EACH(struct m_postoffice, &s->postoffices, po)
		if (slice_order(po->name, after) > 0 &&
			(!best || slice_order(po->name, best->name) < 0))
			best = po;
	return best;
}

status postoffice_list(slice after, unsigned most, arena *a, postoffice **rows, int *n)
{
	struct store *s = store_take();
	const struct m_postoffice *po;
	postoffice *all = arena_new_array(a, (size_t)most + 1, sizeof *all);

	*n = 0;
	while ((unsigned)*n < most && (po = next_by_name(s, after))) {
		all[(*n)++] = *copy_postoffice(po, a);
		after = po->name;
	}
	*rows = all;
	store_give();
	return ST_OK;
}

status postoffice_set_state(int64_t id, enum postoffice_state state, const struct audit_by *by)
{
	struct store *s = store_take();
	struct m_postoffice *po = store_postoffice(s, id);

	(void)by;
	if (po)
		po->state = state;
	s->routing_revision++;
	store_give();
	return po ? ST_OK : ST_ABSENT;
}

status postoffice_remove(int64_t id, const struct audit_by *by)
{
	struct store *s = store_take();
	struct m_postoffice *po = store_postoffice(s, id);

	(void)by;
	if (po)
		list_remove(&po->link);
	s->routing_revision++;
	store_give();
	return po ? ST_OK : ST_ABSENT;
}

/* ---- domains */

static domain *copy_domain(const struct m_domain *d, arena *a)
{
	domain *out = arena_new(a, sizeof *out);
	*out = (domain){.name = arena_copy(a, d->name),
		.postoffice = d->postoffice->id,
		.state = d->state,
		.abuse = arena_copy(a, d->abuse),
		.postmaster = arena_copy(a, d->postmaster),
		.catch_all = arena_copy(a, d->catch_all),
		.stands_for = d->stands_for ? arena_copy(a, d->stands_for->name) : S("")};
	return out;
}

/* To those that have none of their name there. */
static void add_addresses(struct store *s, struct m_postoffice *po, slice name, arena *a)
{
	EACH(struct m_mailbox, &po->mailboxes, m) {
		slice key = arena_format(a, "%.*s@%.*s", SLICE_ARGS(m->folded), SLICE_ARGS(name));

		if (!store_is_special(m->folded) && !store_address(s, key))
			store_address_add(s, m, key);
	}
}

static status add_domain(
	struct store *s, int64_t postoffice, slice name, bool with_mailboxes, arena *a, slice *why)
{
	struct m_postoffice *po = store_postoffice(s, postoffice);
	if (!po)
		return ST_ABSENT;
	if (store_domain(s, name)) {
		*why = S("the domain is taken");
		return ST_EXISTS;
	}
	struct m_domain *d = arena_new(&s->a, sizeof *d);
	*d = (struct m_domain){.postoffice = po, .name = arena_copy(&s->a, name)};
	list_init(&d->masks);
	list_append(&po->domains, &d->link);
	if (with_mailboxes)
		add_addresses(s, po, name, a);
	s->routing_revision++;
	return ST_OK;
}

status domain_make(int64_t postoffice, slice name, bool with_mailboxes, const struct audit_by *by,
	arena *a, slice *why)
{
	slice canonical, shown;

	(void)by;
	if (mail_domain_parse(name, a, &canonical, &shown) != ST_OK) {
		*why = S("that is no domain name");
		return ST_INVALID;
	}
	status kind = add_domain(store_take(), postoffice, canonical, with_mailboxes, a, why);
	store_give();
	return kind;
}

status domain_fill(int64_t postoffice, slice name, const struct audit_by *by, arena *a, slice *why)
{
	struct store *s = store_take();
	slice canonical, shown;
	status kind = mail_domain_parse(name, a, &canonical, &shown);
	struct m_domain *d = kind == ST_OK ? store_domain(s, canonical) : NULL;

	(void)by;
	if (store_refuses(s)) {
		kind = ST_BUSY;
	} else if (!d || d->postoffice->id != postoffice) {
		kind = ST_ABSENT;
	} else if (d->stands_for) {
		*why = S("it stands for another one");
		kind = ST_INVALID;
	} else {
		s->routing_revision++;
		add_addresses(s, d->postoffice, canonical, a);
	}
	store_give();
	return kind;
}

static status add_alias(struct store *s, int64_t postoffice, slice name, slice real, slice *why)
{
	struct m_domain *target = store_domain(s, real);
	if (!target || target->postoffice->id != postoffice || target->stands_for) {
		*why = S(
			"what it is to stand for is no domain of the post office that has addresses of its own");
		return ST_INVALID;
	}
	TRY(add_domain(s, postoffice, name, false, &s->a, why));
	store_domain(s, name)->stands_for = target;
	return ST_OK;
}

status domain_alias(
	int64_t postoffice, slice name, slice real, const struct audit_by *by, arena *a, slice *why)
{
	slice canonical, shown, canonical_real;

	(void)by;
	if (mail_domain_parse(name, a, &canonical, &shown) != ST_OK ||
		mail_domain_parse(real, a, &canonical_real, &shown) != ST_OK) {
		*why = S("that is no domain name");
		return ST_INVALID;
	}
	status kind = add_alias(store_take(), postoffice, canonical, canonical_real, why);
	store_give();
	return kind;
}

status domain_find(slice name, arena *a, domain **out)
{
	struct store *s = store_take();
	struct m_domain *d = store_domain(s, name);
	status kind = store_refuses(s) ? ST_BUSY : d ? ST_OK : ST_ABSENT;
	if (kind == ST_OK)
		*out = copy_domain(d, a);
	store_give();
	return kind;
}

status domain_list(int64_t postoffice, arena *a, domain **rows, int *n)
{
	struct m_postoffice *po = store_postoffice(store_take(), postoffice);
	int count = 0, i = 0;

	if (po)
		EACH(struct m_domain, &po->domains, d)
			count++;
	*rows = arena_new_array(a, (size_t)count + 1, sizeof **rows);
	if (po)
		EACH(struct m_domain, &po->domains, d)
			(*rows)[i++] = *copy_domain(d, a);
	*n = count;
	store_give();
	return ST_OK;
}

static status change_domain(struct store *s, const domain *d, slice *why)
{
	struct m_domain *kept = store_domain(s, d->name);
	if (!kept || kept->postoffice->id != d->postoffice)
		return ST_ABSENT;
	const slice targets[] = {d->abuse, d->postmaster, d->catch_all};
	for (int i = 0; i < 3; i++) {
		struct m_target t = store_target(s, kept->postoffice, targets[i]);
		bool elsewhere = i == 2 && slice_starts_nocase(targets[i], S("[SMTP:"));
		if (targets[i].size > 0 && !t.mailbox && !t.group && !elsewhere) {
			*why = S("the target is no mailbox and no address of the post office");
			return ST_INVALID;
		}
	}
	kept->state = d->state;
	kept->abuse = arena_copy(&s->a, d->abuse);
	kept->postmaster = arena_copy(&s->a, d->postmaster);
	kept->catch_all = arena_copy(&s->a, d->catch_all);
	s->routing_revision++;
	return ST_OK;
}

status domain_change(const domain *d, const struct audit_by *by, arena *a, slice *why)
{
	(void)by;
	(void)a;
	status kind = change_domain(store_take(), d, why);
	store_give();
	return kind;
}

status domain_remove(int64_t postoffice, slice name, const struct audit_by *by)
{
	struct store *s = store_take();
	struct m_domain *d = store_domain(s, name);
	bool ours = d && d->postoffice->id == postoffice;

	(void)by;
	if (ours) {
		EACH(struct m_address, &d->postoffice->addresses, address)
			if (address->key.size > name.size &&
				address->key.at[address->key.size - name.size - 1] == '@' &&
				slice_ends_nocase(address->key, name))
				list_remove(&address->link);
		EACH(struct m_domain, &d->postoffice->domains, other)
			if (other->stands_for == d)
				list_remove(&other->link);
		list_remove(&d->link);
		s->routing_revision++;
	}
	store_give();
	return ours ? ST_OK : ST_ABSENT;
}
