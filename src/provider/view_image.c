/* Images of folders; see view_image.h. */
#include "provider/view_image.h"

#include "base/memory.h"

struct view_image *image_new(const struct view_image *facts, slice name, int count)
{
	size_t entries = (size_t)count * sizeof facts->entries[0];
	struct view_image *i = memory_grow(NULL, sizeof *i + entries + name.size + 1);
	char *at = (char *)i->entries + entries;

	i->postoffice = facts->postoffice;
	i->mailbox = facts->mailbox;
	i->folder = facts->folder;
	i->uidvalidity = facts->uidvalidity;
	i->uidnext = facts->uidnext;
	i->modseq = facts->modseq;
	i->count = count;
	if (name.size > 0)
		memcpy(at, name.at, name.size);
	at[name.size] = 0;
	i->name = slice_of(at, name.size);
	atomic_init(&i->holders, 1);
	list_init(&i->link);
	return i;
}

struct view_image *image_hold(struct view_image *i)
{
	atomic_fetch_add(&i->holders, 1);
	return i;
}

void image_let(struct view_image **i)
{
	if (*i && atomic_fetch_sub(&(*i)->holders, 1) == 1)
		memory_free(*i);
	*i = NULL;
}

size_t image_bytes(const struct view_image *i)
{
	return sizeof *i + (size_t)i->count * sizeof i->entries[0] + i->name.size + 1;
}

int image_at(const struct view_image *i, uint32_t uid)
{
	int low = 0, high = i->count;

	while (low < high) {
		int middle = low + (high - low) / 2;

		if (i->entries[middle].uid < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Runs between two changes are copied whole. */
struct merging {
	struct view_entry *to;
	int n;
	const struct view_image *base;
	int at;
};

static void copy_below(struct merging *m, uint32_t uid)
{
	if (m->at < m->base->count && m->base->entries[m->at].uid >= uid) /* changes in a row */
		return;
	int end = image_at(m->base, uid);

	if (end <= m->at)
		return;
	memcpy(m->to + m->n, m->base->entries + m->at, (size_t)(end - m->at) * sizeof *m->to);
	m->n += end - m->at;
	m->at = end;
}

static void copy_rest(struct merging *m)
{
	size_t left = (size_t)(m->base->count - m->at);

	memcpy(m->to + m->n, m->base->entries + m->at, left * sizeof *m->to);
	m->n += (int)left;
	m->at = m->base->count;
}

static void put_fresh(struct merging *m, const struct view_entry *e)
{
	copy_below(m, e->uid);
	if (m->at < m->base->count && m->base->entries[m->at].uid == e->uid)
		m->at++;
	m->to[m->n++] = *e;
}

static void leave_out(struct merging *m, const struct view_range *r)
{
	copy_below(m, r->first);
	while (m->at < m->base->count && m->base->entries[m->at].uid <= r->last)
		m->at++;
}

struct view_image *image_with(const struct view_image *facts, slice name,
	const struct view_image *base, const struct view_range *vanished, int vanished_n,
	const struct view_entry *fresh, int fresh_n)
{
	struct view_image *i = image_new(facts, name, base->count + fresh_n);
	struct merging m = {.to = i->entries, .base = base};
	int v = 0, f = 0;

	while (v < vanished_n || f < fresh_n) {
		if (v < vanished_n && (f == fresh_n || vanished[v].first < fresh[f].uid))
			leave_out(&m, &vanished[v++]);
		else
			put_fresh(&m, &fresh[f++]);
	}
	copy_rest(&m);
	i->count = m.n;
	return i;
}
