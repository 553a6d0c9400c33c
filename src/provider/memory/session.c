/* Logons in memory. */
#include "provider/session.h"

#include "provider/memory/store.h"

status session_logon(int64_t postoffice, int64_t mailbox, enum service service, usec *since)
{
	struct store *s = store_take();
	struct m_mailbox *m = store_mailbox(s, postoffice, mailbox);
	status kind = store_refuses(s) ? ST_BUSY : m ? ST_OK : ST_ABSENT;

	if (kind == ST_OK) {
		usec now = clock_wall(), before = m->logons[service];
		*since = before ? now - before : USEC_NEVER;
		m->logons[service] = m->last_logon = now;
	}
	store_give();
	return kind;
}
