/* Maildrop locks and logons in memory; leases end by this process's clock. */
#include "provider/session.h"

#include "base/id.h"
#include "provider/memory/store.h"

static status lock(struct store *s, int64_t postoffice, int64_t mailbox, usec lease, int64_t *token)
{
	struct m_mailbox *m = store_mailbox(s, postoffice, mailbox);
	if (s->busy)
		return ST_BUSY;
	if (!m)
		return ST_ABSENT;
	if (m->lock_token && m->lock_until > clock_now())
		return ST_LIMITED;
	m->lock_token = *token = id_new();
	m->lock_until = clock_now() + lease;
	return ST_OK;
}

status session_lock(int64_t postoffice, int64_t mailbox, usec lease, int64_t *token)
{
	status kind = lock(store_take(), postoffice, mailbox, lease, token);
	store_give();
	return kind;
}

status session_lock_renew(int64_t postoffice, int64_t mailbox, int64_t token, usec lease)
{
	struct store *s = store_take();
	struct m_mailbox *m = store_mailbox(s, postoffice, mailbox);
	bool ours = m && m->lock_token == token && m->lock_until > clock_now();
	status kind = s->busy ? ST_BUSY : ours ? ST_OK : ST_ABSENT;
	if (kind == ST_OK)
		m->lock_until = clock_now() + lease;
	store_give();
	return kind;
}

void session_unlock(int64_t postoffice, int64_t mailbox, int64_t token)
{
	struct m_mailbox *m = store_mailbox(store_take(), postoffice, mailbox);
	if (m && m->lock_token == token)
		m->lock_token = 0;
	store_give();
}

status session_logon(int64_t postoffice, int64_t mailbox, enum service service, usec *since)
{
	struct store *s = store_take();
	struct m_mailbox *m = store_mailbox(s, postoffice, mailbox);
	status kind = s->busy ? ST_BUSY : m ? ST_OK : ST_ABSENT;

	if (kind == ST_OK) {
		usec now = clock_wall(), before = m->logons[service];
		*since = before ? now - before : USEC_NEVER;
		m->logons[service] = m->last_logon = now;
	}
	store_give();
	return kind;
}
