/* Redirections in memory. */
#include "provider/redirection.h"

#include "provider/memory/store.h"
#include "provider/redirection_check.h"

unsigned store_handling(const struct m_mailbox *m)
{
	return (m->redirection ? HANDLING_REDIRECT : 0) | (m->answer ? HANDLING_ANSWER : 0);
}

static void copy(const redirection *r, arena *a, redirection *out)
{
	*out = (redirection){.keep = r->keep,
		.n = r->n,
		.targets = arena_new_array(a, (size_t)r->n, sizeof *out->targets)};
	for (int i = 0; i < r->n; i++)
		out->targets[i] = arena_copy(a, r->targets[i]);
}

status redirection_set(int64_t postoffice, int64_t mailbox, const slice *written, int n, bool keep,
	const struct audit_by *by, arena *a, slice *why)
{
	redirection r = {.keep = keep};

	(void)by;
	TRY(redirection_check(postoffice, mailbox, written, n, a, &r, why));
	struct store *s = store_take();
	struct m_mailbox *m = store_mailbox(s, postoffice, mailbox);
	if (m) {
		m->redirection = arena_new(&s->a, sizeof *m->redirection);
		copy(&r, &s->a, m->redirection);
		s->routing_revision++;
	}
	store_give();
	return m ? ST_OK : ST_ABSENT;
}

status redirection_of(int64_t postoffice, int64_t mailbox, arena *a, redirection *out)
{
	struct store *s = store_take();
	struct m_mailbox *m = store_mailbox(s, postoffice, mailbox);
	status kind = store_refuses(s) ? ST_BUSY : m && m->redirection ? ST_OK : ST_ABSENT;

	if (kind == ST_OK)
		copy(m->redirection, a, out);
	store_give();
	return kind;
}

status redirection_remove(int64_t postoffice, int64_t mailbox, const struct audit_by *by)
{
	struct store *s = store_take();
	struct m_mailbox *m = store_mailbox(s, postoffice, mailbox);
	status kind = m && m->redirection ? ST_OK : ST_ABSENT;

	(void)by;
	if (kind == ST_OK) {
		m->redirection = NULL;
		s->routing_revision++;
	}
	store_give();
	return kind;
}
