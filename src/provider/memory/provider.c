/* Opening, health and nodes where there is no database; and the hooks of memory.h. */
#include "provider/provider.h"

#include "base/clock.h"
#include "base/id.h"
#include "provider/memory/memory.h"
#include "provider/memory/store.h"
#include "provider/node.h"

#include <stdio.h>
#include <stdlib.h>

status provider_open(const struct provider_conf *c)
{
	(void)c;
	return ST_OK;
}

void provider_close(void)
{
}

bool provider_healthy(const char **why)
{
	struct store *s = store_take();
	*why = s->unhealthy;
	store_give();
	return *why == NULL;
}

bool provider_full(void)
{
	struct store *s = store_take();
	bool full = s->full;
	store_give();
	return full;
}

status provider_ping(void)
{
	struct store *s = store_take();
	status kind = s->unhealthy || store_refuses(s) ? ST_BUSY : ST_OK;
	store_give();
	return kind;
}

status provider_isolation_probe(void)
{
	return provider_ping();
}

uint64_t provider_routing_revision(void)
{
	struct store *s = store_take();
	uint64_t revision = s->routing_revision;
	store_give();
	return revision;
}

status node_lease(slice name)
{
	(void)name;
	id_node(1);
	return ST_OK;
}

void node_release(void)
{
}

status node_list(arena *a, struct node_row **rows, int *n)
{
	*rows = arena_new(a, sizeof **rows);
	**rows = (struct node_row){
		.number = 1, .name = S("memory"), .role = S("test"), .seen = clock_wall()};
	*n = 1;
	return ST_OK;
}

/* ---- hooks */

void memory_deliver_fail_next(status kind)
{
	store_take()->deliver_fail = kind;
	store_give();
}

void memory_deliver_lose_next(status kind)
{
	store_take()->deliver_lose = kind;
	store_give();
}

void memory_unhealthy(const char *why)
{
	store_take()->unhealthy = why;
	store_give();
}

void memory_scram_salt(slice salt)
{
	store_take()->scram_salt = salt;
	store_give();
}

void memory_busy(bool on)
{
	store_take()->busy = on;
	store_give();
}

void memory_full(bool on)
{
	store_take()->full = on;
	store_give();
}

void memory_unsure(bool on)
{
	store_take()->unsure = on;
	store_give();
}

void memory_faults(bool on)
{
	store_take()->faults = on;
	store_give();
}

void memory_body_vanish(int64_t postoffice, int64_t message)
{
	struct m_message *m = store_message(store_take(), postoffice, message);
	if (m)
		m->blob->id = 0; /* not to be found; who looks in sees it all the same */
	store_give();
}

/* ---- shorthand */

static void must(status kind, const char *what, const char *object, slice why)
{
	if (kind == ST_OK)
		return;
	fprintf(stderr, "memory provider: cannot make %s %s: %s %.*s\n", what, object,
		status_name(kind), SLICE_ARGS(why));
	abort();
}

static const struct audit_by tester = {.who = {"test", 4}};

int64_t memory_postoffice(const char *name, const char *domain)
{
	arena a = ARENA_INIT;
	postoffice *po;
	slice why = {0};

	must(postoffice_make(slice_z(name), S("secret-1"), &tester, &a, &po, &why), "post office",
		name, why);
	int64_t id = po->id;
	if (domain)
		must(domain_make(id, slice_z(domain), true, &tester, &a, &why), "domain", domain,
			why);
	arena_release(&a);
	return id;
}

int64_t memory_mailbox(int64_t postoffice, const char *name, const char *password)
{
	arena a = ARENA_INIT;
	const struct mailbox_new n = {
		.name = slice_z(name), .password = slice_z(password), .quota = -1};
	mailbox *m;
	slice why = {0};

	must(mailbox_make(postoffice, &n, &tester, &a, &m, &why), "mailbox", name, why);
	int64_t id = m->id;
	arena_release(&a);
	return id;
}

void memory_setting(const char *name, const char *value)
{
	arena a = ARENA_INIT;
	enum setting_id id;
	slice v = slice_z(value), why = {0};

	must(setting_find(slice_z(name), &id), "setting", name, why);
	must(setting_set(id, NULL, &v, &tester, &a, &why), "setting", name, why);
	arena_release(&a);
}

/* ---- looking in */

static int length(const link_t *head)
{
	int n = 0;
	for (const link_t *l = head->next; l != head; l = l->next)
		n++;
	return n;
}

void memory_entries(
	int64_t postoffice, int64_t mailbox, arena *a, struct memory_entry **rows, int *n)
{
	struct store *s = store_take();
	struct m_mailbox *m = store_mailbox(s, postoffice, mailbox);

	*n = 0;
	*rows = arena_new_array(a, m ? (size_t)length(&m->inbox->entries) + 1 : 1, sizeof **rows);
	if (m)
		EACH(struct m_entry, &m->inbox->entries, e)
			(*rows)[(*n)++] = (struct memory_entry){.e = e->e,
				.blob = e->e.blob,
				.body = arena_copy(a, e->message->blob->body)};
	store_give();
}

int memory_messages(void)
{
	int n = length(&store_take()->messages);
	store_give();
	return n;
}

int memory_blobs(void)
{
	int n = length(&store_take()->blobs);
	store_give();
	return n;
}

int memory_repeat_keys(void)
{
	int n = length(&store_take()->repeats);
	store_give();
	return n;
}

bool memory_locked(int64_t postoffice, int64_t mailbox)
{
	struct m_mailbox *m = store_mailbox(store_take(), postoffice, mailbox);
	bool locked = m && m->lock_token && m->lock_until > clock_now();
	store_give();
	return locked;
}

int64_t memory_used(int64_t postoffice, int64_t mailbox)
{
	struct m_mailbox *m = store_mailbox(store_take(), postoffice, mailbox);
	int64_t used = m ? m->used : 0;
	store_give();
	return used;
}

int64_t memory_sum(int64_t postoffice, int64_t mailbox)
{
	struct m_mailbox *m = store_mailbox(store_take(), postoffice, mailbox);
	int64_t sum = 0;
	if (m)
		EACH(struct m_folder, &m->folders, f)
			EACH(struct m_entry, &f->entries, e)
				sum += (int64_t)e->message->blob->body.size;
	store_give();
	return sum;
}
