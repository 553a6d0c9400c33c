/* The maildrop in memory; leases end by this process's clock. */
#include "provider/maildrop.h"

#include "base/id.h"
#include "provider/memory/store.h"

static status lock(struct store *s, struct m_mailbox *m, int64_t inbox, usec lease, int64_t *token)
{
	if (store_refuses(s))
		return ST_BUSY;
	if (!m || m->inbox->f.id != inbox)
		return ST_ABSENT;
	if (m->lock_token && m->lock_until > clock_now())
		return ST_LIMITED;
	m->lock_token = *token = id_new();
	m->lock_until = clock_now() + lease;
	return ST_OK;
}

#define SMALL_MOST 8192

static struct blob_along first_of(
	struct store *s, int64_t postoffice, const struct m_mailbox *m, arena *a)
{
	struct blob_along none = {
		.packed =
			arena_copy(a, (slice){0})}; /* empty, but somewhere: only its size counts */
	if (list_empty(&m->inbox->entries))
		return none;
	const struct m_entry *e = LINK_OWNER(m->inbox->entries.next, struct m_entry, link);
	const struct m_blob *b = store_blob(s, postoffice, e->e.blob);
	if (!b || b->body.size > SMALL_MOST)
		return none;
	return (struct blob_along){b->id, (int64_t)b->body.size, arena_copy(a, b->body)};
}

static void list(struct store *s, int64_t postoffice, struct m_mailbox *m, usec delay, arena *a,
	struct maildrop_taken *out)
{
	usec now = clock_wall(), before = m->pop3_logon;
	out->since = before ? now - before : USEC_NEVER;
	if (out->since >= delay) /* who comes too early does not begin the delay anew */
		m->pop3_logon = now;
	out->uidvalidity = m->inbox->f.uidvalidity;
	out->first = first_of(s, postoffice, m, a);
	out->n = 0;
	out->entries = arena_new_array(a, (size_t)m->inbox->f.messages + 1, sizeof *out->entries);
	EACH(struct m_entry, &m->inbox->entries, e)
		out->entries[out->n++] = e->e;
}

status maildrop_take(int64_t postoffice, int64_t mailbox, int64_t inbox, usec lease, usec delay,
	arena *a, struct maildrop_taken *out)
{
	struct store *s = store_take();
	struct m_mailbox *m = store_mailbox(s, postoffice, mailbox);
	status kind = lock(s, m, inbox, lease, &out->token);
	if (kind == ST_OK)
		list(s, postoffice, m, delay, a, out);
	store_give();
	return kind;
}

/* Logons are not remembered here. */
status maildrop_take_remembered(int64_t postoffice, int64_t mailbox, int64_t inbox, usec lease,
	usec delay, int64_t logons, arena *a, struct maildrop_taken *out)
{
	(void)logons;
	*out = (struct maildrop_taken){0};
	return maildrop_take(postoffice, mailbox, inbox, lease, delay, a, out);
}

status maildrop_renew(int64_t postoffice, int64_t mailbox, int64_t token, usec lease)
{
	struct store *s = store_take();
	struct m_mailbox *m = store_mailbox(s, postoffice, mailbox);
	status kind = store_refuses(s) ? ST_BUSY : m && m->lock_token == token ? ST_OK : ST_ABSENT;
	if (kind == ST_OK)
		m->lock_until = clock_now() + lease;
	store_give();
	return kind;
}

status maildrop_give(int64_t postoffice, int64_t mailbox, int64_t inbox, int64_t token,
	const uint32_t *uids, int n)
{
	struct store *s = store_take();
	struct m_mailbox *m = store_mailbox(s, postoffice, mailbox);
	status kind = store_refuses(s) ? ST_BUSY : m && m->lock_token == token ? ST_OK : ST_ABSENT;
	if (kind == ST_OK)
		m->lock_token = 0;
	store_give();
	return kind == ST_OK && n > 0 ? folder_expunge(postoffice, mailbox, inbox, uids, n, NULL)
				      : kind;
}
