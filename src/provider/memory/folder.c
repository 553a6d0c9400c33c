/* INBOX of each mailbox in memory; other folders come with their services. */
#include "provider/folder.h"

#include "provider/memory/store.h"

static folder *copy(const struct m_mailbox *m, arena *a)
{
	folder *f = arena_new(a, sizeof *f);
	*f = m->inbox;
	return f;
}

static status give_inbox(int64_t postoffice, int64_t mailbox, arena *a, folder **out)
{
	struct store *s = store_take();
	struct m_mailbox *m = store_mailbox(s, postoffice, mailbox);
	status kind = store_refuses(s) ? ST_BUSY : m ? ST_OK : ST_ABSENT;
	if (kind == ST_OK)
		*out = copy(m, a);
	store_give();
	return kind;
}

status folder_find(int64_t postoffice, int64_t mailbox, slice name, arena *a, folder **out)
{
	if (!slice_same_nocase(name, S("INBOX")))
		return ST_ABSENT;
	return give_inbox(postoffice, mailbox, a, out);
}

status folder_list(int64_t postoffice, int64_t mailbox, arena *a, folder **rows, int *n)
{
	status kind = give_inbox(postoffice, mailbox, a, rows);
	*n = kind == ST_OK;
	return kind == ST_ABSENT ? ST_OK : kind;
}

static struct m_mailbox *by_folder(struct store *s, int64_t postoffice, int64_t id)
{
	struct m_postoffice *po = store_postoffice(s, postoffice);
	if (!po)
		return NULL;
	EACH(struct m_mailbox, &po->mailboxes, m)
		if (m->inbox.id == id)
			return m;
	return NULL;
}

status folder_entries(int64_t postoffice, int64_t id, uint32_t after, unsigned most, arena *a,
	entry **rows, int *n)
{
	struct store *s = store_take();
	struct m_mailbox *m = by_folder(s, postoffice, id);
	status kind = store_refuses(s) ? ST_BUSY : ST_OK;

	*n = 0;
	*rows = arena_new_array(a, m ? (size_t)m->inbox.messages + 1 : 1, sizeof **rows);
	if (m && kind == ST_OK)
		EACH(struct m_entry, &m->entries, e)
			if (e->e.uid > after && (most == 0 || (unsigned)*n < most))
				(*rows)[(*n)++] = e->e;
	store_give();
	return kind;
}

static bool has_uid(const uint32_t *uids, int n, uint32_t uid)
{
	for (int i = 0; i < n; i++)
		if (uids[i] == uid)
			return true;
	return false;
}

status folder_expunge(int64_t postoffice, int64_t mailbox, int64_t id, const uint32_t *uids, int n,
	int64_t *removed)
{
	struct store *s = store_take();
	struct m_mailbox *m = store_mailbox(s, postoffice, mailbox);
	status kind = store_refuses(s) ? ST_BUSY : !m || m->inbox.id != id ? ST_ABSENT : ST_OK;
	int64_t gone = 0;

	if (kind == ST_OK) {
		EACH(struct m_entry, &m->entries, e) {
			if (!has_uid(uids, n, e->e.uid))
				continue;
			store_entry_remove(m, e);
			gone++;
		}
		if (gone > 0)
			m->inbox.modseq = ++m->modseq;
	}
	store_give();
	if (removed)
		*removed = gone;
	return kind;
}

status folder_remove_before(int64_t postoffice, int64_t mailbox, usec before, int64_t *removed)
{
	struct store *s = store_take();
	int64_t gone = 0;

	EACH(struct m_postoffice, &s->postoffices, po) {
		EACH(struct m_mailbox, &po->mailboxes, m) {
			if ((postoffice && po->id != postoffice) || (mailbox && m->id != mailbox))
				continue;
			EACH(struct m_entry, &m->entries, e) {
				if (e->e.received >= before)
					continue;
				store_entry_remove(m, e);
				gone++;
			}
		}
	}
	store_give();
	if (removed)
		*removed = gone;
	return ST_OK;
}
