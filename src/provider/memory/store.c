/* The one store, its lock, and how things are found in it. Walks are linear: tests keep dozens of
   rows, not thousands. */
#include "provider/memory/store.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/memory.h"
#include "provider/memory/memory.h"
#include "provider/sasl.h"

#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static struct store store;
static bool made;

static void start(void)
{
	link_t *heads[] = {&store.postoffices, &store.blobs, &store.messages, &store.values,
		&store.repeats, &store.failures, &store.traces,
		&store.queue};
	for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
		list_init(heads[i]);
	made = true;
}

struct store *store_take(void)
{
	pthread_mutex_lock(&lock);
	if (!made)
		start();
	return &store;
}

void store_give(void)
{
	pthread_mutex_unlock(&lock);
}

bool store_refuses(const struct store *s)
{
	return s->busy || (s->faults && FAULT("memory_call"));
}

void memory_reset(void)
{
	struct store *s = store_take();
	arena all = s->a;
	/* Caches of others compare revisions: they must not see an old number again. */
	uint64_t settings = s->settings_revision + 1, routing = s->routing_revision + 1;

	arena_clear(&all);
	*s = (struct store){.a = all, .settings_revision = settings, .routing_revision = routing};
	start();
	store_give();
	sasl_nonce_fix((slice){0});
	sasl_tokens(NULL);
}

struct m_postoffice *store_postoffice(struct store *s, int64_t id)
{
	EACH(struct m_postoffice, &s->postoffices, po)
		if (po->id == id)
			return po;
	return NULL;
}

struct m_postoffice *store_postoffice_named(struct store *s, slice folded)
{
	EACH(struct m_postoffice, &s->postoffices, po)
		if (slice_same(po->name, folded))
			return po;
	return NULL;
}

struct m_domain *store_domain(struct store *s, slice name)
{
	EACH(struct m_postoffice, &s->postoffices, po)
		EACH(struct m_domain, &po->domains, d)
			if (slice_same_nocase(d->name, name))
				return d;
	return NULL;
}

struct m_mailbox *store_mailbox(struct store *s, int64_t postoffice, int64_t id)
{
	struct m_postoffice *po = store_postoffice(s, postoffice);
	if (!po)
		return NULL;
	EACH(struct m_mailbox, &po->mailboxes, m)
		if (m->id == id)
			return m;
	return NULL;
}

struct m_mailbox *store_mailbox_named(const struct m_postoffice *po, slice folded)
{
	EACH(struct m_mailbox, &po->mailboxes, m)
		if (slice_same(m->folded, folded))
			return m;
	return NULL;
}

struct m_address *store_address(struct store *s, slice key)
{
	EACH(struct m_postoffice, &s->postoffices, po)
		EACH(struct m_address, &po->addresses, address)
			if (slice_same(address->key, key))
				return address;
	return NULL;
}

struct m_message *store_message(struct store *s, int64_t postoffice, int64_t id)
{
	EACH(struct m_message, &s->messages, m)
		if (m->m.id == id && (postoffice == 0 || m->m.postoffice == postoffice))
			return m;
	return NULL;
}

struct m_blob *store_blob(struct store *s, int64_t postoffice, int64_t id)
{
	EACH(struct m_blob, &s->blobs, b)
		if (b->id == id && b->postoffice == postoffice)
			return b;
	return NULL;
}

void store_address_add(struct store *s, struct m_mailbox *m, slice key)
{
	struct m_address *address = arena_new(&s->a, sizeof *address);
	address->key = arena_copy(&s->a, key);
	address->mailbox = m;
	list_append(&m->postoffice->addresses, &address->link);
	s->routing_revision++;
}

void store_entry_remove(struct m_mailbox *m, struct m_entry *e)
{
	m->used -= e->e.size;
	m->inbox.messages--;
	m->inbox.bytes -= e->e.size;
	if (!(e->e.flags & FLAG_SEEN))
		m->inbox.unseen--;
	list_remove(&e->link);
}

struct m_mailbox *store_target(struct store *s, const struct m_domain *d, slice target)
{
	arena a = ARENA_INIT;
	slice folded = mail_local_key(target, &a);
	struct m_mailbox *found = NULL;

	if (slice_find(folded, '@') < folded.size) {
		struct m_address *address = store_address(s, folded);
		if (address && address->mailbox->postoffice == d->postoffice)
			found = address->mailbox;
	} else {
		found = store_mailbox_named(d->postoffice, folded);
	}
	arena_release(&a);
	return found;
}

bool store_is_special(slice folded)
{
	return slice_same(folded, S("postmaster")) || slice_same(folded, S("abuse"));
}
