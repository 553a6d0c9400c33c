/* Keeping house in memory: messages nobody has any more go with their bodies, at once, since
   nothing can be restored here; repeat keys past their time go too. */
#include "provider/housekeep.h"

#include "provider/memory/store.h"

static bool has_entry(struct store *s, const struct m_message *m)
{
	EACH(struct m_postoffice, &s->postoffices, po)
		EACH(struct m_mailbox, &po->mailboxes, mb)
			EACH(struct m_folder, &mb->folders, f)
				EACH(struct m_entry, &f->entries, e)
					if (e->message == m)
						return true;
	EACH(struct m_queued, &s->queue, q)
		if (q->e.message == m->m.id && q->e.postoffice == m->m.postoffice)
			return true;
	return false;
}

static void gone_for_good(struct store *s)
{
	EACH(struct m_postoffice, &s->postoffices, po)
		EACH(struct m_mailbox, &po->mailboxes, mb)
			EACH(struct m_gone, &mb->gone, g)
				g->back = true;
}

status housekeep_run(struct housekeep_result *r)
{
	struct store *s = store_take();
	status kind = store_refuses(s) ? ST_BUSY : ST_OK;

	*r = (struct housekeep_result){0};
	if (kind == ST_OK) {
		gone_for_good(s);
		EACH(struct m_message, &s->messages, m) {
			if (has_entry(s, m))
				continue;
			list_remove(&m->blob->link);
			list_remove(&m->link);
			r->messages++;
			r->blobs++;
		}
		EACH(struct m_repeat, &s->repeats, repeat) {
			if (repeat->until > clock_wall())
				continue;
			list_remove(&repeat->link);
			r->keys++;
		}
	}
	store_give();
	return kind;
}

status housekeep_ordered(const struct audit_by *by, struct housekeep_result *r)
{
	(void)by;
	return housekeep_run(r);
}
