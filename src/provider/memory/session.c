/* Logons and sessions in memory: of this process alone, and ended at once. */
#include "provider/session.h"

#include "base/id.h"
#include "base/memory.h"
#include "provider/memory/store.h"

struct session {
	link_t link;
	struct session_row row;
	int64_t postoffice, mailbox;
	void (*end)(void *arg);
	void *arg;
	arena a;
};

static link_t sessions = {&sessions, &sessions};

session *session_open(int64_t postoffice, int64_t mailbox, enum service service, slice address,
	void (*end)(void *arg), void *arg)
{
	session *x = memory_new(sizeof *x);
	struct store *s = store_take();
	struct m_mailbox *m = store_mailbox(s, postoffice, mailbox);

	*x = (session){.postoffice = postoffice, .mailbox = mailbox, .end = end, .arg = arg};
	x->row = (struct session_row){.id = id_new(),
		.service = service,
		.address = arena_copy(&x->a, address),
		.node = S("memory"),
		.process = S("memory"),
		.since = clock_wall()};
	if (m) {
		x->row.mailbox = arena_copy(&x->a, m->name);
		x->row.postoffice = arena_copy(&x->a, m->postoffice->name);
	}
	if (m && service != SERVICE_POP3) /* which notes its logons as it takes the maildrop */
		m->last_logon = clock_wall();
	list_append(&sessions, &x->link);
	store_give();
	return x;
}

void session_close(session **x)
{
	if (!*x)
		return;
	store_take();
	list_remove(&(*x)->link);
	store_give();
	arena_release(&(*x)->a);
	memory_free(*x);
	*x = NULL;
}

static bool is_meant(const session *x, int64_t postoffice, int64_t mailbox)
{
	return (postoffice == 0 || x->postoffice == postoffice) &&
	       (mailbox == 0 || x->mailbox == mailbox);
}

status session_list(int64_t postoffice, int64_t mailbox, unsigned most, arena *a,
	struct session_row **rows, int *n)
{
	struct store *s = store_take();
	status kind = store_refuses(s) ? ST_BUSY : ST_OK;

	*n = 0;
	*rows = arena_new_array(a, (size_t)most + 1, sizeof **rows);
	for (link_t *at = sessions.next; kind == ST_OK && at != &sessions && *n < (int)most;
		at = at->next) {
		const session *x = LINK_OWNER(at, session, link);
		if (!is_meant(x, postoffice, mailbox))
			continue;
		struct session_row *row = &(*rows)[(*n)++];
		*row = x->row;
		row->address = arena_copy(a, row->address);
		row->mailbox = arena_copy(a, row->mailbox);
		row->postoffice = arena_copy(a, row->postoffice);
	}
	store_give();
	return kind;
}

status session_end(int64_t id, int64_t postoffice, int64_t mailbox, slice whose,
	const struct audit_by *by, int64_t *asked)
{
	struct store *s = store_take();
	status kind = store_refuses(s) ? ST_BUSY : ST_OK;

	(void)whose;
	(void)by;
	*asked = 0;
	for (link_t *at = sessions.next; kind == ST_OK && at != &sessions; at = at->next) {
		session *x = LINK_OWNER(at, session, link);
		if (id ? x->row.id != id : !is_meant(x, postoffice, mailbox))
			continue;
		x->end(x->arg);
		++*asked;
	}
	store_give();
	return kind;
}

bool session_is_noted(int64_t mailbox, enum service s)
{
	(void)mailbox, (void)s;
	return false;
}

void session_noted(int64_t mailbox, enum service s)
{
	(void)mailbox, (void)s;
}
