/* Mailboxes in memory. Passwords stand in the clear: these are tests. */
#include "provider/mailbox.h"

#include "base/id.h"
#include "base/utf8.h"
#include "mail/address.h"
#include "provider/acl.h"
#include "provider/auth.h"
#include "provider/folder_first.h"
#include "provider/mailbox_duty.h"
#include "provider/memory/store.h"

#include <stdio.h>

static mailbox *copy(const struct m_mailbox *m, arena *a)
{
	mailbox *out = arena_new(a, sizeof *out);
	int64_t messages = 0;

	EACH(struct m_folder, &m->folders, f)
		messages += f->f.messages;
	*out = (mailbox){.id = m->id,
		.postoffice = m->postoffice->id,
		.name = arena_copy(a, m->name),
		.postoffice_name = arena_copy(a, m->postoffice->name),
		.kind = m->kind,
		.state = m->state,
		.quota = m->quota,
		.used = m->used,
		.messages = messages,
		.modseq = m->modseq,
		.inbox = m->inbox->f.id,
		.made = m->made,
		.last_logon = m->last_logon};
	return out;
}

static bool name_ok(slice s)
{
	uint32_t point;
	size_t characters = 0;

	if (!utf8_valid(s))
		return false;
	for (size_t n; (n = utf8_take(s, &point)) > 0; s = slice_from(s, n), characters++)
		if (point <= 0x20 || point == 0x7f ||
			(point < 0x80 && strchr("@/\"'`", (int)point)))
			return false;
	return characters >= 1 && characters <= 64;
}

static struct m_folder *folder_add(struct store *s, struct m_mailbox *m, slice name)
{
	struct m_subscription *subscription = arena_new(&s->a, sizeof *subscription);

	subscription->name = arena_copy(&s->a, name);
	list_append(&m->subscriptions, &subscription->link);
	return store_folder_add(s, m, name);
}

struct first {
	struct folder_first *rows;
	int n;
};

static struct m_mailbox *add(struct store *s, struct m_postoffice *po, const struct mailbox_new *n,
	slice folded, int64_t quota, const struct first *first)
{
	struct m_mailbox *m = arena_new(&s->a, sizeof *m);
	*m = (struct m_mailbox){.postoffice = po,
		.id = id_new(),
		.name = arena_copy(&s->a, n->name),
		.folded = arena_copy(&s->a, folded),
		.password = arena_copy(&s->a, n->password),
		.kind = n->kind,
		.quota = quota,
		.modseq = 1,
		.made = clock_wall()};
	list_init(&m->folders);
	list_init(&m->subscriptions);
	list_init(&m->gone);
	list_init(&m->annotations);
	m->inbox = folder_add(s, m, S("INBOX"));
	for (int i = 0; i < first->n; i++)
		folder_add(s, m, first->rows[i].name)->f.special = first->rows[i].special;
	list_append(&po->mailboxes, &m->link);
	s->routing_revision++;
	return m;
}

static status make(struct store *s, int64_t postoffice, const struct mailbox_new *n, slice folded,
	int64_t quota, const struct first *first, arena *a, mailbox **out, slice *why)
{
	struct m_postoffice *po = store_postoffice(s, postoffice);
	if (store_refuses(s))
		return ST_BUSY;
	if (!po)
		return ST_ABSENT;
	if (store_mailbox_named(po, folded)) {
		*why = S("the mailbox exists");
		return ST_EXISTS;
	}
	struct m_mailbox *m = add(s, po, n, folded, quota, first);
	if (!n->no_addresses && !store_is_special(folded))
		EACH(struct m_domain, &po->domains, d) {
			slice key = arena_format(
				a, "%.*s@%.*s", SLICE_ARGS(folded), SLICE_ARGS(d->name));
			if (!d->stands_for && !store_address(s, key))
				store_address_add(s, m, key);
		}
	*out = copy(m, a);
	return ST_OK;
}

status mailbox_make(int64_t postoffice, const struct mailbox_new *n, const struct audit_by *by,
	arena *a, mailbox **out, slice *why)
{
	const struct setting_at at = {.postoffice = postoffice};

	(void)by;
	if (!name_ok(n->name)) {
		*why = S("a mailbox's name has 1 to 64 characters, no blank, @, / or quote");
		return ST_INVALID;
	}
	TRY(acl_name_check(n->name, why));
	if (n->quota > MAILBOX_QUOTA_MOST) {
		*why = S("the quota is more than 1 PB");
		return ST_INVALID;
	}
	TRY(auth_password_check(postoffice, n->name, n->password, a, why));
	slice folded = mail_local_key(n->name, a);
	int64_t quota = n->quota >= 0 ? n->quota : setting_number(S_mailbox_quota, &at);
	struct first first;
	first.n = folder_first(postoffice, a, &first.rows);
	status kind = make(store_take(), postoffice, n, folded, quota, &first, a, out, why);
	store_give();
	return kind;
}

status mailbox_make_many(int64_t postoffice, slice prefix, unsigned first, unsigned last,
	slice password, bool same_hash, const struct audit_by *by, unsigned *made)
{
	(void)same_hash;
	*made = 0;
	for (unsigned i = first; i <= last; i++) {
		arena a = ARENA_INIT;
		mailbox *m;
		slice why;
		const struct mailbox_new n = {
			.name = arena_format(&a, "%.*s%04u", SLICE_ARGS(prefix), i),
			.password = password,
			.quota = -1};
		status kind = mailbox_make(postoffice, &n, by, &a, &m, &why);
		arena_release(&a);
		if (kind == ST_OK)
			(*made)++;
		else if (kind != ST_EXISTS)
			return kind;
	}
	return ST_OK;
}

static status give(struct store *s, struct m_mailbox *m, arena *a, mailbox **out)
{
	status kind = store_refuses(s) ? ST_BUSY : m ? ST_OK : ST_ABSENT;
	if (kind == ST_OK)
		*out = copy(m, a);
	store_give();
	return kind;
}

status mailbox_find(int64_t postoffice, slice name, arena *a, mailbox **out)
{
	slice folded = mail_local_key(name, a);
	struct store *s = store_take();
	struct m_postoffice *po = store_postoffice(s, postoffice);
	return give(s, po ? store_mailbox_named(po, folded) : NULL, a, out);
}

status mailbox_by_id(int64_t postoffice, int64_t id, arena *a, mailbox **out)
{
	struct store *s = store_take();
	return give(s, store_mailbox(s, postoffice, id), a, out);
}

static const struct m_mailbox *next_by_name(const struct m_postoffice *po, slice after)
{
	const struct m_mailbox *best = NULL;
	EACH(struct m_mailbox, &po->mailboxes, m)
		if (slice_order(m->folded, after) > 0 &&
			(!best || slice_order(m->folded, best->folded) < 0))
			best = m;
	return best;
}

status mailbox_list(
	int64_t postoffice, slice after, unsigned most, arena *a, mailbox **rows, int *n)
{
	slice folded = mail_local_key(after, a);
	struct m_postoffice *po = store_postoffice(store_take(), postoffice);
	const struct m_mailbox *m;

	*rows = arena_new_array(a, (size_t)most + 1, sizeof **rows);
	*n = 0;
	while (po && (unsigned)*n < most && (m = next_by_name(po, folded))) {
		(*rows)[(*n)++] = *copy(m, a);
		folded = m->folded;
	}
	store_give();
	return ST_OK;
}

/* Takes the store; the caller gives it back. */
static struct m_mailbox *to_change(int64_t postoffice, int64_t id)
{
	struct store *s = store_take();
	s->routing_revision++;
	return store_mailbox(s, postoffice, id);
}

status mailbox_set_state(
	int64_t postoffice, int64_t id, enum mailbox_state state, const struct audit_by *by)
{
	if (state == MAILBOX_DISABLED)
		TRY(mailbox_spared(postoffice, id, LOSS_DISABLED));
	struct m_mailbox *m = to_change(postoffice, id);
	(void)by;
	if (m)
		m->state = state;
	store_give();
	return m ? ST_OK : ST_ABSENT;
}

status mailbox_set_kind(
	int64_t postoffice, int64_t id, enum mailbox_kind kind, const struct audit_by *by)
{
	if (kind == MAILBOX_USER)
		TRY(mailbox_spared(postoffice, id, LOSS_OF_RIGHT));
	struct m_mailbox *m = to_change(postoffice, id);
	(void)by;
	if (m)
		m->kind = kind;
	store_give();
	return m ? ST_OK : ST_ABSENT;
}

static status set_quota(struct store *s, struct m_mailbox *m, int64_t quota)
{
	if (store_refuses(s))
		return ST_BUSY;
	if (!m)
		return ST_ABSENT;
	m->quota = quota;
	s->routing_revision++;
	return s->unsure ? ST_UNSURE : ST_OK;
}

status mailbox_set_quota(int64_t postoffice, int64_t id, int64_t quota, const struct audit_by *by)
{
	(void)by;
	if (quota < 0 || quota > MAILBOX_QUOTA_MOST)
		return ST_INVALID;
	struct store *s = store_take();
	status kind = set_quota(s, store_mailbox(s, postoffice, id), quota);
	store_give();
	return kind;
}

status mailbox_let_quota(int64_t postoffice, int64_t id, int64_t quota, const struct audit_by *by)
{
	return mailbox_set_quota(postoffice, id, quota, by);
}

status mailbox_set_password(int64_t postoffice, int64_t id, slice password,
	const struct audit_by *by, arena *a, slice *why)
{
	mailbox *kept;

	(void)by;
	TRY(mailbox_by_id(postoffice, id, a, &kept));
	TRY(auth_password_check(postoffice, kept->name, password, a, why));
	struct store *s = store_take();
	struct m_mailbox *m = store_mailbox(s, postoffice, id);
	if (m) {
		m->password = arena_copy(&s->a, password);
		m->has_scram = false;
	}
	store_give();
	return m ? ST_OK : ST_ABSENT;
}

status mailbox_remove(int64_t postoffice, int64_t id, const struct audit_by *by)
{
	TRY(mailbox_spared(postoffice, id, LOSS_REMOVED));
	struct m_mailbox *m = to_change(postoffice, id);

	(void)by;
	if (m) {
		EACH(struct m_address, &m->postoffice->addresses, address)
			if (address->mailbox == m)
				list_remove(&address->link);
		list_remove(&m->link);
	}
	store_give();
	return m ? ST_OK : ST_ABSENT;
}

bool mailbox_has_room(const mailbox *m, uint64_t size)
{
	return m->quota == 0 || (size <= (uint64_t)INT64_MAX && m->used <= m->quota &&
					(int64_t)size <= m->quota - m->used);
}
