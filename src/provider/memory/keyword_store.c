/* Keywords in memory. */
#include "provider/keyword_words.h"

#include "provider/memory/store.h"

static void give(const struct m_mailbox *m, arena *a, struct keywords *out)
{
	*out = m->keywords;
	for (int i = 0; i < out->n; i++)
		out->names[i] = arena_copy(a, out->names[i]);
}

status keyword_list(int64_t postoffice, int64_t mailbox, arena *a, struct keywords *out)
{
	struct store *s = store_take();
	struct m_mailbox *m = store_mailbox(s, postoffice, mailbox);
	status kind = store_refuses(s) ? ST_BUSY : m ? ST_OK : ST_ABSENT;

	if (kind == ST_OK)
		give(m, a, out);
	store_give();
	return kind;
}

static status name_all(struct store *s, struct m_mailbox *m, const slice *names, int n, arena *a)
{
	slice *fresh = arena_new_array(a, (size_t)n + 1, sizeof *fresh);
	int count;

	if (store_refuses(s))
		return ST_BUSY;
	if (!m)
		return ST_ABSENT;
	TRY(keyword_fresh(&m->keywords, names, n, fresh, &count));
	if (m->keywords.n + count > KEYWORDS_MOST)
		return ST_LIMITED;
	for (int i = 0; i < count; i++)
		m->keywords.names[m->keywords.n++] = arena_copy(&s->a, fresh[i]);
	return ST_OK;
}

status keyword_add(int64_t postoffice, int64_t mailbox, const slice *names, int n, arena *a,
	struct keywords *out)
{
	struct store *s = store_take();
	struct m_mailbox *m = store_mailbox(s, postoffice, mailbox);
	status kind = name_all(s, m, names, n, a);

	if (kind == ST_OK)
		give(m, a, out);
	store_give();
	return kind;
}
