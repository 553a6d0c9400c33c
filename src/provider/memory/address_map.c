/* The address map in memory: exact addresses, postmaster and abuse, catch-all. */
#include "provider/address_map.h"

#include "mail/address.h"
#include "provider/memory/store.h"

static slice key_of(slice local, slice domain, arena *a)
{
	slice folded = mail_local_key(local, a), lower = mail_local_key(domain, a);
	return arena_format(a, "%.*s@%.*s", SLICE_ARGS(folded), SLICE_ARGS(lower));
}

/* Which mailbox, by which of the three ways. */
static struct m_mailbox *find_target(
	struct store *s, struct m_domain *d, slice key, bool special, bool abuse, bool *caught)
{
	struct m_address *address = store_address(s, key);
	struct m_mailbox *m = address ? address->mailbox : NULL;

	*caught = false;
	if (!m && special) {
		slice target = abuse ? d->abuse : d->postmaster;
		m = store_target(s, d, target.size ? target : S("postmaster"));
	}
	if (!m && d->catch_all.size > 0) {
		m = store_target(s, d, d->catch_all);
		*caught = m != NULL;
	}
	return m;
}

static status resolve(struct store *s, slice local, slice domain, arena *a, struct route *out)
{
	if (store_refuses(s))
		return ST_BUSY;
	struct m_domain *d = store_domain(s, domain);
	if (!d)
		return ST_FOREIGN;
	if (d->state != DOMAIN_ENABLED || d->postoffice->state != POSTOFFICE_ENABLED)
		return ST_DENIED;

	bool abuse = slice_same_nocase(local, S("abuse"));
	bool special = abuse || slice_same_nocase(local, S("postmaster")), caught;
	struct m_mailbox *m = find_target(s, d, key_of(local, d->name, a), special, abuse, &caught);
	if (!m)
		return ST_ABSENT;
	if (m->state != MAILBOX_ENABLED)
		return ST_DENIED;
	*out = (struct route){.postoffice = d->postoffice->id,
		.mailbox = m->id,
		.inbox = m->inbox->f.id,
		.postoffice_name = arena_copy(a, d->postoffice->name),
		.mailbox_name = arena_copy(a, m->name),
		.caught = caught,
		.postmaster = special,
		.quota = m->quota,
		.used = m->used,
		.handling = store_handling(m)};
	return ST_OK;
}

status address_resolve(slice local, slice domain, uint64_t size, arena *a, struct route *out)
{
	int64_t room = setting_number(S_mailbox_postmaster_room, NULL);
	status kind = resolve(store_take(), local, domain, a, out);
	store_give();
	TRY(kind);
	/* Any message has one octet at least. */
	int64_t wanted = size > INT64_MAX / 2 ? INT64_MAX / 2 : size ? (int64_t)size : 1;
	int64_t limit = out->quota + (out->postmaster ? room : 0);
	return out->quota > 0 && out->used > limit - wanted ? ST_FULL : ST_OK;
}

status address_domain_is_ours(slice domain)
{
	struct store *s = store_take();
	status kind = store_refuses(s) ? ST_BUSY : store_domain(s, domain) ? ST_OK : ST_FOREIGN;
	store_give();
	return kind;
}

status address_owned(int64_t postoffice, int64_t mailbox, slice local, slice domain)
{
	arena a = ARENA_INIT;
	slice key = key_of(local, domain, &a);
	struct store *s = store_take();
	struct m_address *address = store_address(s, key);
	bool owned = address && address->mailbox->id == mailbox &&
		     address->mailbox->postoffice->id == postoffice;
	status kind = store_refuses(s) ? ST_BUSY : owned ? ST_OK : ST_DENIED;
	store_give();
	arena_release(&a);
	return kind;
}

static status make(struct store *s, int64_t postoffice, const mail_address *m, slice key,
	int64_t mailbox, slice *why)
{
	struct m_domain *d = store_domain(s, m->domain);
	if (!d || d->postoffice->id != postoffice) {
		*why = S("the domain is none of the post office");
		return ST_INVALID;
	}
	struct m_mailbox *target = store_mailbox(s, postoffice, mailbox);
	if (!target)
		return ST_ABSENT;
	if (store_address(s, key)) {
		*why = S("the address is taken");
		return ST_EXISTS;
	}
	store_address_add(s, target, key);
	return ST_OK;
}

status address_make(int64_t postoffice, slice written, int64_t mailbox, const struct audit_by *by,
	arena *a, slice *why)
{
	mail_address m;

	(void)by;
	if (mail_address_parse(written, a, &m) != ST_OK) {
		*why = S("that is no address");
		return ST_INVALID;
	}
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
		if (address && address->mailbox->postoffice->id == postoffice) {
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
		if ((mailbox == 0 || x->mailbox->id == mailbox) && slice_order(x->key, after) > 0 &&
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
			.mailbox = x->mailbox->id,
			.mailbox_name = arena_copy(a, x->mailbox->name)};
		after = x->key;
	}
	store_give();
	return ST_OK;
}
