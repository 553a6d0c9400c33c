/* The one store, its lock, and how things are found in it. Walks are linear: tests keep dozens of
   rows, not thousands. */
#include "provider/memory/store.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/id.h"
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
		&store.repeats, &store.failures, &store.traces, &store.queue, &store.dkim_keys,
		&store.greylist, &store.answered};
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
	uint64_t routing = s->routing_revision + 1;

	arena_clear(&all);
	*s = (struct store){.a = all, .routing_revision = routing};
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
	*address = (struct m_address){.key = arena_copy(&s->a, key), .mailbox = m};
	list_append(&m->postoffice->addresses, &address->link);
	s->routing_revision++;
}

struct m_folder *store_folder_add(struct store *s, struct m_mailbox *m, slice name)
{
	struct m_folder *f = arena_new(&s->a, sizeof *f);
	uint32_t now = (uint32_t)(clock_wall() / USEC_S);

	m->uidvalidity = m->uidvalidity < now ? now : m->uidvalidity + 1;
	f->f = (folder){.id = id_new(),
		.postoffice = m->postoffice->id,
		.mailbox = m->id,
		.name = arena_copy(&s->a, name),
		.uidvalidity = m->uidvalidity,
		.uidnext = 1,
		.modseq = m->modseq,
		.recent = 1};
	list_init(&f->entries);
	list_init(&f->rights);
	list_append(&m->folders, &f->link);
	return f;
}

struct m_folder *store_folder_named(const struct m_mailbox *m, slice name)
{
	EACH(struct m_folder, &m->folders, f)
		if (slice_same(f->f.name, name))
			return f;
	return NULL;
}

struct m_folder *store_folder(const struct m_mailbox *m, int64_t id)
{
	EACH(struct m_folder, &m->folders, f)
		if (f->f.id == id)
			return f;
	return NULL;
}

int64_t store_modseq(struct m_mailbox *m, struct m_folder *f)
{
	return f->f.modseq = ++m->modseq;
}

static void count(struct m_folder *f, int64_t flags, int64_t size, int sign)
{
	f->f.messages += sign;
	f->f.bytes += sign * size;
	f->f.unseen += flags & FLAG_SEEN ? 0 : sign;
	f->f.deleted += flags & FLAG_DELETED ? sign : 0;
}

struct m_entry *store_entry_add(struct store *s, struct m_mailbox *m, struct m_folder *f,
	struct m_message *message, int64_t modseq, int64_t flags, usec received, int zone)
{
	struct m_entry *e = arena_new(&s->a, sizeof *e);

	*e = (struct m_entry){.message = message,
		.zone = zone,
		.saved = clock_wall(),
		.e = {.uid = f->f.uidnext++,
			.modseq = modseq,
			.flags = flags,
			.message = message->m.id,
			.blob = message->blob->id,
			.size = message->m.size,
			.received = received}};
	m->used += message->m.size;
	count(f, flags, message->m.size, 1);
	list_append(&f->entries, &e->link);
	return e;
}

void store_entry_remove(struct store *s, struct m_mailbox *m, struct m_folder *f, struct m_entry *e,
	int64_t modseq, bool moved)
{
	struct m_gone *g = arena_new(&s->a, sizeof *g);

	*g = (struct m_gone){
		.folder = f->f.id, .modseq = modseq, .at = clock_wall(), .e = *e, .back = moved};
	list_append(&m->gone, &g->link);
	m->used -= e->e.size;
	count(f, e->e.flags, e->e.size, -1);
	list_remove(&e->link);
}

void store_flags(struct m_folder *f, struct m_entry *e, int64_t flags, int64_t modseq)
{
	count(f, e->e.flags, e->e.size, -1);
	e->e.flags = flags;
	e->e.modseq = modseq;
	count(f, flags, e->e.size, 1);
}

struct m_target store_target(struct store *s, struct m_postoffice *po, slice target)
{
	arena a = ARENA_INIT;
	slice folded = mail_local_key(target, &a);
	struct m_target found = {0};

	if (slice_find(folded, '@') < folded.size) {
		struct m_address *address = store_address(s, folded);
		if (address && address->mailbox && address->mailbox->postoffice == po)
			found.mailbox = address->mailbox;
		if (address && address->group && address->group->postoffice == po)
			found.group = address->group;
	} else {
		found.mailbox = store_mailbox_named(po, folded);
		found.group = found.mailbox ? NULL : store_group_named(po, folded);
	}
	arena_release(&a);
	return found;
}

struct m_domain *store_own_domain(struct m_domain *d)
{
	return d && d->stands_for ? d->stands_for : d;
}

struct m_group *store_group(struct m_postoffice *po, int64_t id)
{
	EACH(struct m_group, &po->groups, g)
		if (g->id == id)
			return g;
	return NULL;
}

struct m_group *store_group_named(struct m_postoffice *po, slice folded)
{
	EACH(struct m_group, &po->groups, g)
		if (slice_same(g->folded, folded))
			return g;
	return NULL;
}

bool store_is_special(slice folded)
{
	return slice_same(folded, S("postmaster")) || slice_same(folded, S("abuse"));
}
