/* Groups in memory. */
#include "provider/group.h"

#include "base/id.h"
#include "provider/acl.h"
#include "provider/group_row.h"
#include "provider/memory/store.h"

static group copy(const struct m_group *g, arena *a)
{
	group out = {.id = g->id,
		.postoffice = g->postoffice->id,
		.name = arena_copy(a, g->name),
		.title = arena_copy(a, g->title),
		.posting = g->posting};

	EACH(struct m_member, &g->members, m)
		out.members++;
	return out;
}

static status make(struct store *s, int64_t postoffice, slice name, slice title,
	enum group_posting posting, arena *a, slice *why)
{
	struct m_postoffice *po = store_postoffice(s, postoffice);
	slice folded = mail_local_key(name, a);

	if (store_refuses(s))
		return ST_BUSY;
	if (!po)
		return ST_ABSENT;
	if (store_group_named(po, folded) || store_mailbox_named(po, folded)) {
		*why = S("a group or a mailbox has this name");
		return ST_EXISTS;
	}
	struct m_group *g = arena_new(&s->a, sizeof *g);
	*g = (struct m_group){.postoffice = po,
		.id = id_new(),
		.name = arena_copy(&s->a, name),
		.folded = arena_copy(&s->a, folded),
		.title = arena_copy(&s->a, title),
		.posting = posting};
	list_init(&g->members);
	list_append(&po->groups, &g->link);
	s->routing_revision++;
	return ST_OK;
}

status group_make(int64_t postoffice, slice name, slice title, enum group_posting posting,
	const struct audit_by *by, arena *a, group **out, slice *why)
{
	(void)by;
	TRY(group_name_check(name, title, why));
	TRY(acl_name_check(name, why));
	status kind = make(store_take(), postoffice, name, title, posting, a, why);
	store_give();
	TRY(kind);
	return group_find(postoffice, name, a, out);
}

status group_find(int64_t postoffice, slice name, arena *a, group **out)
{
	slice folded = mail_local_key(name, a);
	struct store *s = store_take();
	struct m_postoffice *po = store_postoffice(s, postoffice);
	struct m_group *g = po ? store_group_named(po, folded) : NULL;
	status kind = store_refuses(s) ? ST_BUSY : g ? ST_OK : ST_ABSENT;

	if (kind == ST_OK) {
		int n = 0;
		*out = arena_new(a, sizeof **out);
		**out = copy(g, a);
		EACH(struct m_address, &po->addresses, x)
			n += x->group == g;
		(*out)->addresses = arena_new_array(a, (size_t)n, sizeof *(*out)->addresses);
		EACH(struct m_address, &po->addresses, y)
			if (y->group == g)
				(*out)->addresses[(*out)->address_count++] = arena_copy(a, y->key);
	}
	store_give();
	return kind;
}

static const struct m_group *next_by_name(const struct m_postoffice *po, slice after)
{
	const struct m_group *best = NULL;
	EACH(struct m_group, &po->groups, g)
		if (slice_order(g->folded, after) > 0 &&
			(!best || slice_order(g->folded, best->folded) < 0))
			best = g;
	return best;
}

status group_list(int64_t postoffice, slice after, unsigned most, arena *a, group **rows, int *n)
{
	slice folded = mail_local_key(after, a);
	const struct m_postoffice *po = store_postoffice(store_take(), postoffice);
	const struct m_group *g;

	*rows = arena_new_array(a, (size_t)most + 1, sizeof **rows);
	*n = 0;
	while (po && (unsigned)*n < most && (g = next_by_name(po, folded))) {
		(*rows)[(*n)++] = copy(g, a);
		folded = g->folded;
	}
	store_give();
	return ST_OK;
}

/* The group, with the store taken; NULL: it is gone. */
static struct m_group *to_change(int64_t postoffice, int64_t id)
{
	struct store *s = store_take();
	struct m_postoffice *po = store_postoffice(s, postoffice);

	s->routing_revision++;
	return po ? store_group(po, id) : NULL;
}

status group_change(const group *changed, const struct audit_by *by, arena *a, slice *why)
{
	(void)by;
	(void)a;
	TRY(group_name_check(changed->name, changed->title, why));
	struct m_group *g = to_change(changed->postoffice, changed->id);
	if (g) {
		g->posting = changed->posting;
		g->title = arena_copy(&store_take()->a, changed->title);
		store_give();
	}
	store_give();
	return g ? ST_OK : ST_ABSENT;
}

status group_remove(int64_t postoffice, int64_t id, const struct audit_by *by)
{
	struct m_group *g = to_change(postoffice, id);

	(void)by;
	if (g) {
		EACH(struct m_address, &g->postoffice->addresses, x)
			if (x->group == g)
				list_remove(&x->link);
		list_remove(&g->link);
	}
	store_give();
	return g ? ST_OK : ST_ABSENT;
}

/* ---- members */

status group_members(int64_t postoffice, int64_t id, slice after, unsigned most, arena *a,
	group_member **rows, int *n)
{
	struct m_postoffice *po = store_postoffice(store_take(), postoffice);
	struct m_group *g = po ? store_group(po, id) : NULL;

	*rows = arena_new_array(a, (size_t)most, sizeof **rows);
	*n = 0;
	if (g)
		EACH(struct m_member, &g->members, m)
			if ((unsigned)*n < most && slice_order(m->m.key, after) > 0)
				(*rows)[(*n)++] = (group_member){arena_copy(a, m->m.key),
					arena_copy(a, m->m.address), arena_copy(a, m->m.domain)};
	store_give();
	return ST_OK;
}

/* Into its place by key; false: it is there. */
static bool member_add(struct store *s, struct m_group *g, const group_member *row)
{
	link_t *before = g->members.prev;

	while (before != &g->members &&
		slice_order(LINK_OWNER(before, struct m_member, link)->m.key, row->key) > 0)
		before = before->prev;
	if (before != &g->members &&
		slice_same(LINK_OWNER(before, struct m_member, link)->m.key, row->key))
		return false;
	struct m_member *m = arena_new(&s->a, sizeof *m);
	m->m = (group_member){arena_copy(&s->a, row->key), arena_copy(&s->a, row->address),
		arena_copy(&s->a, row->domain)};
	list_prepend(before, &m->link);
	return true;
}

static status members_add(
	struct store *s, struct m_group *g, const group_member *all, int n, int *added, slice *why)
{
	int64_t most = setting_number(
		S_group_members_most, &(struct setting_at){.postoffice = g->postoffice->id});
	int64_t members = 0, fresh = 0;

	EACH(struct m_member, &g->members, m)
		members++;
	for (int i = 0; i < n; i++) {
		bool there = false;
		EACH(struct m_member, &g->members, m)
			there = there || slice_same(m->m.key, all[i].key);
		for (int j = 0; j < i; j++)
			there = there || slice_same(all[j].key, all[i].key);
		fresh += !there;
	}
	if (members + fresh > most) {
		*why = S("the group would have more members than it may");
		return ST_LIMITED;
	}
	for (int i = 0; i < n; i++)
		*added += member_add(s, g, &all[i]);
	return ST_OK;
}

status group_members_add(int64_t postoffice, int64_t id, const slice *written, int n,
	const struct audit_by *by, arena *a, int *added, slice *why)
{
	group_member *all;

	(void)by;
	*added = 0;
	TRY(group_members_parse(written, n, a, &all, why));
	struct m_group *g = to_change(postoffice, id);
	status kind = g ? members_add(store_take(), g, all, n, added, why) : ST_ABSENT;
	if (g)
		store_give();
	store_give();
	return kind;
}

status group_member_remove(int64_t postoffice, int64_t id, slice written, const struct audit_by *by)
{
	arena a = ARENA_INIT;
	mail_address m;
	status kind = ST_ABSENT;

	(void)by;
	if (mail_address_parse(written, &a, &m) == ST_OK) {
		slice key = mail_address_key(&m, &a);
		struct m_group *g = to_change(postoffice, id);
		if (g)
			EACH(struct m_member, &g->members, x)
				if (slice_same(x->m.key, key)) {
					list_remove(&x->link);
					kind = ST_OK;
				}
		store_give();
	}
	arena_release(&a);
	return kind;
}

/* ---- a message comes */

static void lead_of(struct store *s, struct m_group *g, const struct m_member *m, arena *a,
	struct group_lead *out)
{
	struct m_domain *d = store_domain(s, m->m.domain), *own = store_own_domain(d);

	*out = (struct group_lead){.name = arena_copy(a, g->name),
		.posting = g->posting,
		.written = arena_copy(a, m->m.address),
		.here = d && d->postoffice == g->postoffice,
		.route = {.postoffice = g->postoffice->id}};
	if (!out->here)
		return;
	slice local = slice_until(m->m.key, m->m.key.size - m->m.domain.size - 1);
	struct m_address *x = store_address(
		s, arena_format(a, "%.*s@%.*s", SLICE_ARGS(local), SLICE_ARGS(own->name)));
	out->known = x != NULL;
	if (x && x->group)
		out->route.group = x->group->id;
	if (!x || !x->mailbox)
		return;
	out->route.mailbox = x->mailbox->id;
	out->route.inbox = x->mailbox->inbox->f.id;
	out->route.mailbox_name = arena_copy(a, x->mailbox->name);
	out->route.quota = x->mailbox->quota;
	out->route.used = x->mailbox->used;
	out->route.handling = store_handling(x->mailbox);
	out->kind = x->mailbox->state == MAILBOX_ENABLED ? ST_OK : ST_DENIED;
}

static void memberships_in(struct store *s, struct m_group *g, int64_t mailbox, arena *a,
	struct group_membership *rows, int *n)
{
	EACH(struct m_member, &g->members, m) {
		struct group_lead lead;

		lead_of(s, g, m, a, &lead);
		if (lead.route.mailbox == mailbox)
			rows[(*n)++] = (struct group_membership){lead.name, lead.written};
	}
}

status group_memberships(
	int64_t postoffice, int64_t mailbox, arena *a, struct group_membership **rows, int *n)
{
	struct store *s = store_take();
	struct m_postoffice *po = store_postoffice(s, postoffice);
	status kind = store_refuses(s) ? ST_BUSY : ST_OK;
	size_t room = 0;

	*n = 0;
	if (po && kind == ST_OK)
		EACH(struct m_group, &po->groups, g)
			EACH(struct m_member, &g->members, m)
				room++;
	*rows = arena_new_array(a, room, sizeof **rows);
	if (po && kind == ST_OK)
		EACH(struct m_group, &po->groups, x)
			memberships_in(s, x, mailbox, a, *rows, n);
	store_give();
	return kind;
}

status group_expand(int64_t postoffice, const int64_t *groups, int n, int most, arena *a,
	struct group_lead **rows, int *count)
{
	struct store *s = store_take();
	struct m_postoffice *po = store_postoffice(s, postoffice);
	status kind = store_refuses(s) ? ST_BUSY : ST_OK;

	*rows = arena_new_array(a, (size_t)most, sizeof **rows);
	*count = 0;
	for (int i = 0; i < n && po && kind == ST_OK; i++) {
		struct m_group *g = store_group(po, groups[i]);
		if (!g)
			continue;
		if (list_empty(&g->members) && *count < most)
			(*rows)[(*count)++] = (struct group_lead){.posting = g->posting};
		EACH(struct m_member, &g->members, m)
			if (*count < most)
				lead_of(s, g, m, a, &(*rows)[(*count)++]);
	}
	store_give();
	return kind;
}
