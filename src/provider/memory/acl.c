/* Rights to folders in memory. */
#include "provider/acl_row.h"

#include "provider/memory/store.h"
#include "provider/news.h"

#define GROUPS_MOST 1000

struct m_right {
	link_t link;
	struct acl_entry e; /* without its name */
};

struct somebody { /* one of the two, or none */
	struct m_mailbox *mailbox;
	struct m_group *group;
};

static struct somebody called(const struct m_postoffice *po, slice folded)
{
	struct somebody who = {.mailbox = store_mailbox_named(po, folded)};

	if (!who.mailbox)
		who.group = store_group_named((struct m_postoffice *)po, folded);
	return who;
}

/* By an address, or a mailbox's name in one of the post office's domains. */
static struct somebody written_to(
	struct store *s, const struct m_postoffice *po, const struct auth_name *n, arena *a)
{
	struct m_domain *d = n->domain.size > 0 ? store_domain(s, n->domain) : NULL;

	if (!d || d->postoffice != po || d->state != DOMAIN_ENABLED ||
		store_own_domain(d)->state != DOMAIN_ENABLED)
		return (struct somebody){0};
	struct m_address *x = store_address(s, arena_format(a, "%.*s@%.*s", SLICE_ARGS(n->mailbox),
						       SLICE_ARGS(store_own_domain(d)->name)));
	return x ? (struct somebody){x->mailbox, x->group}
		 : (struct somebody){.mailbox = store_mailbox_named(po, n->mailbox)};
}

static struct somebody meant(struct store *s, struct m_postoffice *po, slice written, arena *a)
{
	struct auth_name n;
	struct somebody who = called(po, mail_local_key(written, a));

	acl_name_apart(written, a, &n);
	if (!who.mailbox && !who.group && n.mailbox.size > 0 &&
		store_postoffice_named(s, n.realm) == po)
		who = called(po, n.mailbox);
	return who.mailbox || who.group ? who : written_to(s, po, &n, a);
}

status acl_who(int64_t postoffice, slice written, arena *a, struct acl_entry *out)
{
	if (acl_is_anyone(&written, out))
		return ST_OK;
	struct store *s = store_take();
	struct m_postoffice *po = store_postoffice(s, postoffice);
	struct somebody who = po ? meant(s, po, written, a) : (struct somebody){0};
	struct m_mailbox *m = who.mailbox;
	struct m_group *g = who.group;
	status kind = store_refuses(s) ? ST_BUSY : m || g ? ST_OK : ST_ABSENT;

	if (kind == ST_OK) {
		out->kind = m ? ACL_MAILBOX : ACL_GROUP;
		out->who = m ? m->id : g->id;
		out->name = arena_copy(a, m ? m->name : g->name);
	}
	store_give();
	return kind;
}

static struct m_folder *by_id(
	struct store *s, int64_t postoffice, int64_t id, struct m_mailbox **owner)
{
	struct m_postoffice *po = store_postoffice(s, postoffice);
	struct m_folder *f;

	if (!po)
		return NULL;
	EACH(struct m_mailbox, &po->mailboxes, m)
		if ((f = store_folder(m, id))) {
			*owner = m;
			return f;
		}
	return NULL;
}

/* False: it is gone. */
static bool name_of(struct store *s, int64_t postoffice, struct acl_entry *e, arena *a)
{
	struct m_mailbox *m = e->kind == ACL_MAILBOX ? store_mailbox(s, postoffice, e->who) : NULL;
	struct m_group *g =
		e->kind == ACL_GROUP ? store_group(store_postoffice(s, postoffice), e->who) : NULL;

	e->name = e->kind == ACL_ANYONE ? S("anyone")
					: arena_copy(a, m   ? m->name
							: g ? g->name
							    : S(""));
	return e->kind == ACL_ANYONE || m || g;
}

static int entry_order(const struct acl_entry *a, const struct acl_entry *b)
{
	if (a->negative != b->negative)
		return a->negative ? 1 : -1;
	return a->kind != b->kind ? (int)a->kind - (int)b->kind : slice_order(a->name, b->name);
}

static int rights_count(const struct m_folder *f)
{
	int n = 0;

	EACH(struct m_right, &f->rights, r)
		n++;
	return n;
}

status acl_list(int64_t postoffice, int64_t folder, arena *a, struct acl_entry **rows, int *n)
{
	struct store *s = store_take();
	struct m_mailbox *owner;
	struct m_folder *f = by_id(s, postoffice, folder, &owner);
	status kind = store_refuses(s) ? ST_BUSY : ST_OK;

	*n = 0;
	*rows = arena_new_array(a, f ? (size_t)rights_count(f) + 1 : 1, sizeof **rows);
	if (f && kind == ST_OK)
		EACH(struct m_right, &f->rights, r) {
			struct acl_entry e = r->e;
			int at = *n;

			if (!name_of(s, postoffice, &e, a))
				continue;
			for (; at > 0 && entry_order(&(*rows)[at - 1], &e) > 0; at--)
				(*rows)[at] = (*rows)[at - 1];
			(*rows)[at] = e;
			++*n;
		}
	store_give();
	return kind;
}

/* ---- changing */

static struct m_right *right_of(const struct m_folder *f, const struct acl_entry *who)
{
	EACH(struct m_right, &f->rights, r)
		if (r->e.kind == who->kind && r->e.who == who->who &&
			r->e.negative == who->negative)
			return r;
	return NULL;
}

static void right_put(
	struct store *s, struct m_folder *f, const struct acl_entry *who, unsigned rights)
{
	struct m_right *r = right_of(f, who);

	if (!r) {
		r = arena_new(&s->a, sizeof *r);
		r->e = *who;
		list_append(&f->rights, &r->link);
	}
	r->e.rights = rights;
	if (!rights)
		list_remove(&r->link);
}

static status set(struct store *s, const folder *given, const struct acl_entry *who,
	const struct acl_change *change)
{
	struct m_mailbox *m = store_mailbox(s, given->postoffice, given->mailbox);
	struct m_folder *f = m ? store_folder(m, given->id) : NULL;
	struct setting_at at = {.postoffice = given->postoffice, .mailbox = given->mailbox};
	struct acl_entry e = *who;
	arena a = ARENA_INIT;

	if (store_refuses(s))
		return ST_BUSY;
	bool known = f && name_of(s, given->postoffice, &e, &a);
	arena_release(&a);
	if (!known)
		return ST_ABSENT;
	struct m_right *r = right_of(f, &e);
	if (!r && change->add && rights_count(f) >= setting_number(S_folder_rights_most, &at))
		return ST_LIMITED;
	right_put(s, f, &e, ((r ? r->e.rights : 0) & ~change->remove) | change->add);
	return ST_OK;
}

status acl_set(const folder *f, const struct acl_entry *who, const struct acl_change *change,
	const struct audit_by *by)
{
	(void)by;
	if (who->kind == ACL_MAILBOX && who->who == f->mailbox)
		return ST_DENIED;
	status kind = set(store_take(), f, who, change);
	store_give();
	TRY(kind);
	news_tell(f->postoffice, f->mailbox, f->id);
	if (who->kind == ACL_MAILBOX)
		news_tell(f->postoffice, who->who, 0);
	return ST_OK;
}

void store_rights_inherit(struct store *s, struct m_folder *f, const struct m_folder *above)
{
	EACH(struct m_right, &above->rights, r)
		right_put(s, f, &r->e, r->e.rights);
}

/* ---- what a reader may do */

static bool group_has(struct store *s, const struct m_group *g, slice key)
{
	EACH(struct m_member, &g->members, m) {
		struct m_domain *d = store_own_domain(store_domain(s, m->m.domain));
		size_t local = m->m.key.size - m->m.domain.size;

		if (d && d->postoffice == g->postoffice &&
			slice_starts(key, slice_until(m->m.key, local)) &&
			slice_same(slice_from(key, local), d->name))
			return true;
	}
	return false;
}

/* An address of the mailbox, or of one of these groups, is among its members. */
static bool is_in(struct store *s, const struct m_group *g, const struct m_mailbox *m,
	const struct m_group *const *in, int n)
{
	EACH(struct m_address, &g->postoffice->addresses, x) {
		bool counts = x->mailbox == m;

		for (int i = 0; i < n && x->group; i++)
			counts = counts || x->group == in[i];
		if (counts && group_has(s, g, x->key))
			return true;
	}
	return false;
}

static int groups_of(struct store *s, struct m_mailbox *m, const struct m_group **in)
{
	int n = 0, before;

	do {
		before = n;
		EACH(struct m_group, &m->postoffice->groups, g) {
			bool had = false;

			for (int i = 0; i < n; i++)
				had = had || in[i] == g;
			if (!had && n < GROUPS_MOST && is_in(s, g, m, in, n))
				in[n++] = g;
		}
	} while (n > before);
	return n;
}

unsigned store_rights(struct store *s, const struct m_folder *f, struct m_mailbox *reader)
{
	const struct m_group *in[GROUPS_MOST];
	unsigned given = 0, denied = 0;
	int n = list_empty(&f->rights) ? 0 : groups_of(s, reader, in);

	EACH(struct m_right, &f->rights, r) {
		bool counts = r->e.kind == ACL_ANYONE ||
			      (r->e.kind == ACL_MAILBOX && r->e.who == reader->id);

		for (int i = 0; i < n; i++)
			counts = counts || (r->e.kind == ACL_GROUP && r->e.who == in[i]->id);
		if (counts && r->e.negative)
			denied |= r->e.rights;
		else if (counts)
			given |= r->e.rights;
	}
	return given & ~denied;
}

static status place_give(struct store *s, struct m_mailbox *reader, const struct m_mailbox *owner,
	const struct m_folder *f, arena *a, struct acl_place *out)
{
	if (store_refuses(s))
		return ST_BUSY;
	if (!reader || !f || owner == reader)
		return ST_ABSENT;
	*out = (struct acl_place){.f = f->f,
		.owner = arena_copy(a, owner->name),
		.rights = store_rights(s, f, reader)};
	out->f.name = arena_copy(a, f->f.name);
	return ST_OK;
}

status acl_find(int64_t postoffice, int64_t reader, slice owner, slice given, arena *a,
	struct acl_place *out)
{
	slice name, folded = mail_local_key(owner, a);

	if (folder_name(given, a, &name) != ST_OK)
		return ST_ABSENT;
	struct store *s = store_take();
	struct m_postoffice *po = store_postoffice(s, postoffice);
	struct m_mailbox *m = po ? store_mailbox_named(po, folded) : NULL;
	status kind = place_give(s, store_mailbox(s, postoffice, reader), m,
		m ? store_folder_named(m, name) : NULL, a, out);
	store_give();
	return kind;
}

status acl_again(
	int64_t postoffice, int64_t reader, int64_t folder, arena *a, struct acl_place *out)
{
	struct store *s = store_take();
	struct m_mailbox *owner = NULL;
	struct m_folder *f = by_id(s, postoffice, folder, &owner);
	status kind = place_give(s, store_mailbox(s, postoffice, reader), owner, f, a, out);

	store_give();
	return kind;
}

static int folders_count(const struct m_postoffice *po)
{
	int n = 0;

	EACH(struct m_mailbox, &po->mailboxes, m)
		EACH(struct m_folder, &m->folders, f)
			n++;
	return n;
}

/* What others share with him, behind the rows there are. */
static void shared_add(
	struct store *s, struct m_mailbox *reader, arena *a, struct folder_row *rows, int *n)
{
	EACH(struct m_mailbox, &reader->postoffice->mailboxes, m)
		EACH(struct m_folder, &m->folders, f) {
			unsigned rights = m == reader ? 0 : store_rights(s, f, reader);

			if (!(rights & ACL_LOOKUP))
				continue;
			rows[*n] = (struct folder_row){.f = f->f, .rights = rights};
			rows[*n].f.special = 0;
			rows[(*n)++].f.name = acl_name(m->name, f->f.name, a);
		}
}

status acl_tree(int64_t postoffice, int64_t reader, arena *a, struct folder_row **rows, int *n)
{
	struct folder_row *own, *given;
	struct store *s = store_take();
	struct m_mailbox *m = store_mailbox(s, postoffice, reader);
	status kind = folder_tree(postoffice, reader, a, &own, n);
	int count = 0;

	given = arena_new_array(
		a, (size_t)*n + (m ? (size_t)folders_count(m->postoffice) : 0) + 1, sizeof *given);
	for (int i = 0; i < *n && kind == ST_OK; i++)
		if (own[i].f.id || own[i].subscribed) {
			given[count] = own[i];
			given[count].children = false;
			given[count++].rights = ACL_ALL;
		}
	if (m && kind == ST_OK)
		shared_add(s, m, a, given, &count);
	store_give();
	acl_grow(postoffice, reader, given, count, a, rows, n);
	return kind;
}
