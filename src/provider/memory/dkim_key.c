/* Keys that sign, in memory; private ones lie as they were given. */
#include "provider/dkim_key.h"

#include "base/clock.h"
#include "mail/dkim.h"
#include "provider/memory/store.h"

static struct m_dkim_key *find(struct store *s, int64_t postoffice, slice domain, slice selector)
{
	EACH(struct m_dkim_key, &s->dkim_keys, k)
		if (k->k.postoffice == postoffice && slice_same(k->k.domain, domain) &&
			slice_same_nocase(k->k.selector, selector))
			return k;
	return NULL;
}

status dkim_key_add(const dkim_key *k, const struct audit_by *by, arena *a, slice *why)
{
	struct store *s = store_take();
	struct m_domain *d = store_domain(s, k->domain);
	slice name;
	status kind = ST_OK;

	(void)by;
	if (dkim_record_name(k->selector, k->domain, a, &name) != ST_OK) {
		*why = S("a selector has letters, digits, - and dots");
		kind = ST_INVALID;
	} else if (!d || d->postoffice->id != k->postoffice) {
		kind = ST_ABSENT;
	} else if (find(s, k->postoffice, k->domain, k->selector)) {
		kind = ST_EXISTS;
	} else {
		struct m_dkim_key *made = arena_new(&s->a, sizeof *made);
		made->k = *k;
		made->k.domain = arena_copy(&s->a, k->domain);
		made->k.selector = arena_copy(&s->a, k->selector);
		made->k.public_key = arena_copy(&s->a, k->public_key);
		made->k.private_key = arena_copy(&s->a, k->private_key);
		made->k.state = DKIM_KEY_WAITING;
		made->k.made = made->k.changed = clock_wall();
		list_append(&s->dkim_keys, &made->link);
	}
	store_give();
	return kind;
}

static status list(int64_t postoffice, slice domain, bool signing, arena *a, dkim_key **rows, int *n)
{
	struct store *s = store_take();
	status kind = store_refuses(s) ? ST_BUSY : ST_OK;
	int most = 0;

	EACH(struct m_dkim_key, &s->dkim_keys, one)
		most += one->k.postoffice == postoffice;
	*rows = arena_new_array(a, (size_t)most, sizeof **rows);
	*n = 0;
	EACH(struct m_dkim_key, &s->dkim_keys, k) {
		if (k->k.postoffice != postoffice || (domain.size && !slice_same(k->k.domain, domain)) ||
			(signing && k->k.state != DKIM_KEY_SIGNING))
			continue;
		(*rows)[*n] = k->k;
		if (!signing)
			(*rows)[*n].private_key = (slice){0};
		++*n;
	}
	store_give();
	return kind;
}

status dkim_key_list(int64_t postoffice, slice domain, arena *a, dkim_key **rows, int *n)
{
	return list(postoffice, domain, false, a, rows, n);
}

status dkim_key_signing(int64_t postoffice, slice domain, arena *a, dkim_key **rows, int *n)
{
	return list(postoffice, domain, true, a, rows, n);
}

static void retire(struct store *s, const struct m_dkim_key *by)
{
	EACH(struct m_dkim_key, &s->dkim_keys, k)
		if (k->k.postoffice == by->k.postoffice && slice_same(k->k.domain, by->k.domain) &&
			k->k.algorithm == by->k.algorithm && k->k.state == DKIM_KEY_SIGNING)
			k->k.state = DKIM_KEY_RETIRED;
}

status dkim_key_rotate(int64_t postoffice, slice domain, const struct audit_by *by)
{
	struct store *s = store_take();
	bool some = false;

	(void)by;
	EACH(struct m_dkim_key, &s->dkim_keys, fresh)
		if (fresh->k.postoffice == postoffice && slice_same(fresh->k.domain, domain) &&
			fresh->k.state == DKIM_KEY_WAITING) {
			retire(s, fresh);
			some = true;
		}
	EACH(struct m_dkim_key, &s->dkim_keys, k)
		if (k->k.postoffice == postoffice && slice_same(k->k.domain, domain) &&
			k->k.state == DKIM_KEY_WAITING)
			k->k.state = DKIM_KEY_SIGNING;
	store_give();
	return some ? ST_OK : ST_ABSENT;
}

status dkim_key_remove(int64_t postoffice, slice domain, slice selector, const struct audit_by *by)
{
	struct store *s = store_take();
	struct m_dkim_key *k = find(s, postoffice, domain, selector);

	(void)by;
	if (k)
		list_remove(&k->link);
	store_give();
	return k ? ST_OK : ST_ABSENT;
}
