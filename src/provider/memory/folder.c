/* Folders of each mailbox in memory. */
#include "provider/folder.h"

#include "provider/memory/store.h"
#include "provider/news.h"

static void give(const struct m_folder *f, arena *a, folder *out)
{
	*out = f->f;
	out->name = arena_copy(a, f->f.name);
}

status folder_find(int64_t postoffice, int64_t mailbox, slice given, arena *a, folder **out)
{
	slice name = S("INBOX");
	struct m_folder *f;
	status kind;

	if (!slice_same_nocase(given, name) && folder_name(given, a, &name) != ST_OK)
		return ST_ABSENT;
	struct store *s = store_take();
	struct m_mailbox *m = store_mailbox(s, postoffice, mailbox);
	f = m ? store_folder_named(m, name) : NULL;
	kind = store_refuses(s) ? ST_BUSY : f ? ST_OK : ST_ABSENT;
	if (kind == ST_OK) {
		*out = arena_new(a, sizeof **out);
		give(f, a, *out);
	}
	store_give();
	return kind;
}

static int folders_of(const struct m_mailbox *m)
{
	int n = 0;

	EACH(struct m_folder, &m->folders, f)
		n++;
	return n;
}

status folder_list(int64_t postoffice, int64_t mailbox, arena *a, folder **rows, int *n)
{
	struct store *s = store_take();
	struct m_mailbox *m = store_mailbox(s, postoffice, mailbox);
	status kind = store_refuses(s) ? ST_BUSY : ST_OK;

	*n = 0;
	*rows = arena_new_array(a, m ? (size_t)folders_of(m) : 1, sizeof **rows);
	if (m && kind == ST_OK)
		EACH(struct m_folder, &m->folders, f)
			give(f, a, &(*rows)[(*n)++]);
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
	struct m_folder *f = m ? store_folder(m, id) : NULL;
	status kind = store_refuses(s) ? ST_BUSY : !f ? ST_ABSENT : ST_OK;
	int64_t gone = 0;

	if (kind == ST_OK) {
		EACH(struct m_entry, &f->entries, e) {
			if (!has_uid(uids, n, e->e.uid))
				continue;
			store_entry_remove(s, m, f, e, m->modseq + 1, false);
			gone++;
		}
		if (gone > 0)
			store_modseq(m, f);
	}
	store_give();
	if (removed)
		*removed = gone;
	if (gone > 0)
		news_tell(postoffice, mailbox, id);
	return kind;
}

static int64_t mailbox_clear(struct store *s, struct m_mailbox *m, usec before)
{
	int64_t gone = 0;

	EACH(struct m_folder, &m->folders, f) {
		int64_t here = 0;

		EACH(struct m_entry, &f->entries, e) {
			if (e->e.received >= before)
				continue;
			store_entry_remove(s, m, f, e, m->modseq + 1, false);
			here++;
		}
		if (here > 0)
			store_modseq(m, f);
		gone += here;
	}
	return gone;
}

status folder_remove_before(int64_t postoffice, int64_t mailbox, usec before, int64_t *removed)
{
	struct store *s = store_take();
	int64_t gone = 0;

	EACH(struct m_postoffice, &s->postoffices, po)
		EACH(struct m_mailbox, &po->mailboxes, m)
			if ((!postoffice || po->id == postoffice) && (!mailbox || m->id == mailbox))
				gone += mailbox_clear(s, m, before);
	store_give();
	if (removed)
		*removed = gone;
	return ST_OK;
}
