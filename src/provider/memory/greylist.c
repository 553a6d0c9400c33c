/* Who was asked to come again, in memory. */
#include "provider/greylist.h"

#include "provider/memory/store.h"

static struct m_grey *find(struct store *s, int64_t postoffice, slice key)
{
	EACH(struct m_grey, &s->greylist, g)
		if (g->postoffice == postoffice && slice_same(g->key, key))
			return g;
	struct m_grey *g = arena_new(&s->a, sizeof *g);
	*g = (struct m_grey){.postoffice = postoffice,
		.key = arena_copy(&s->a, key),
		.first = clock_wall(),
		.last = clock_wall()};
	list_append(&s->greylist, &g->link);
	return g;
}

status greylist_meet(int64_t postoffice, slice key, usec *wait)
{
	usec delay = setting_number(S_greylist_delay, NULL), now = clock_wall();
	usec window = setting_number(S_greylist_window, NULL),
	     memory = setting_number(S_greylist_memory, NULL);
	struct store *s = store_take();
	status kind = store_refuses(s) ? ST_BUSY : ST_OK;

	if (kind == ST_OK) {
		struct m_grey *g = find(s, postoffice, key);
		if (g->last < now - (g->passed ? memory : window)) {
			g->first = now;
			g->passed = false;
		}
		g->passed |= g->first < now && g->first <= now - delay;
		g->last = now;
		*wait = g->passed ? 0 : delay - (now - g->first) > 0 ? delay - (now - g->first) : 1;
	}
	store_give();
	return kind;
}
