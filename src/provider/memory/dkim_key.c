/* Keys that sign, in memory; private ones lie as they were given, with the number of the secret
   file. */
#include "provider/dkim_key.h"

#include "base/clock.h"
#include "mail/dkim.h"
#include "provider/memory/memory.h"
#include "provider/memory/store.h"

#include <stdlib.h>

void memory_secret(int file)
{
	store_take()->secret = file;
	store_give();
}

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
	} else if (s->secret < 0) {
		*why = S("there is no secret file to encrypt the key with");
		kind = ST_INVALID;
	} else if (!d || d->postoffice->id != k->postoffice) {
		kind = ST_ABSENT;
	} else if (find(s, k->postoffice, k->domain, k->selector)) {
		kind = ST_EXISTS;
	} else {
		struct m_dkim_key *made = arena_new(&s->a, sizeof *made);
		made->k = *k;
		made->k.domain = arena_copy(&s->a, k->domain);
		made->k.selector = arena_lower(&s->a, k->selector);
		made->k.public_key = arena_copy(&s->a, k->public_key);
		made->k.private_key = arena_copy(&s->a, k->private_key);
		made->k.state = DKIM_KEY_WAITING;
		made->secret = s->secret;
		made->k.made = made->k.changed = clock_wall();
		list_append(&s->dkim_keys, &made->link);
	}
	store_give();
	return kind;
}

static int signing_order(const void *a, const void *b)
{
	const dkim_key *x = a, *y = b;

	return x->algorithm != y->algorithm ? (x->algorithm < y->algorithm ? -1 : 1)
					    : slice_order(x->selector, y->selector);
}

static status list(
	int64_t postoffice, slice domain, bool signing, arena *a, dkim_key **rows, int *n)
{
	struct store *s = store_take();
	status kind = store_refuses(s) ? ST_BUSY : ST_OK;
	int most = 0;

	EACH(struct m_dkim_key, &s->dkim_keys, one)
		most += one->k.postoffice == postoffice;
	*rows = arena_new_array(a, (size_t)most, sizeof **rows);
	*n = 0;
	EACH(struct m_dkim_key, &s->dkim_keys, k) {
		if (k->k.postoffice != postoffice ||
			(domain.size && !slice_same(k->k.domain, domain)) ||
			(signing && k->k.state != DKIM_KEY_SIGNING))
			continue;
		(*rows)[*n] = k->k;
		if (!signing)
			(*rows)[*n].private_key = (slice){0};
		else if (k->secret != s->secret)
			kind = ST_BROKEN;
		++*n;
	}
	if (signing)
		qsort(*rows, (size_t)*n, sizeof **rows, signing_order);
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

static struct m_dkim_key *waiting(struct store *s, int64_t postoffice, slice domain)
{
	EACH(struct m_dkim_key, &s->dkim_keys, k)
		if (k->k.postoffice == postoffice && slice_same(k->k.domain, domain) &&
			k->k.state == DKIM_KEY_WAITING)
			return k;
	return NULL;
}

static bool gives_way(struct store *s, const struct m_dkim_key *signs)
{
	EACH(struct m_dkim_key, &s->dkim_keys, k)
		if (k->k.postoffice == signs->k.postoffice &&
			slice_same(k->k.domain, signs->k.domain) &&
			k->k.state == DKIM_KEY_WAITING && k->k.algorithm == signs->k.algorithm)
			return true;
	return false;
}

/* Of what would sign, all can be opened. */
static bool all_open(struct store *s, int64_t postoffice, slice domain)
{
	EACH(struct m_dkim_key, &s->dkim_keys, k)
		if (k->k.postoffice == postoffice && slice_same(k->k.domain, domain) &&
			k->secret != s->secret &&
			(k->k.state == DKIM_KEY_WAITING ||
				(k->k.state == DKIM_KEY_SIGNING && !gives_way(s, k))))
			return false;
	return true;
}

static void rotate(struct store *s, int64_t postoffice, slice domain)
{
	EACH(struct m_dkim_key, &s->dkim_keys, old)
		if (old->k.postoffice == postoffice && slice_same(old->k.domain, domain) &&
			old->k.state == DKIM_KEY_SIGNING && gives_way(s, old))
			old->k.state = DKIM_KEY_RETIRED;
	for (struct m_dkim_key *k; (k = waiting(s, postoffice, domain));)
		k->k.state = DKIM_KEY_SIGNING;
}

status dkim_key_rotate(int64_t postoffice, slice domain, const struct audit_by *by)
{
	struct store *s = store_take();
	status kind = !waiting(s, postoffice, domain)    ? ST_ABSENT
		      : !all_open(s, postoffice, domain) ? ST_INVALID
							 : ST_OK;

	(void)by;
	if (kind == ST_OK)
		rotate(s, postoffice, domain);
	store_give();
	return kind;
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
