/* The tree of folders from a flat list; see folder_order.h. */
#include "provider/folder_order.h"

#include <stdlib.h>

slice folder_above(slice name)
{
	size_t at = slice_find_last(name, '/');

	return at == name.size ? S("") : slice_until(name, at);
}

bool folder_is_below(slice name, slice above)
{
	return name.size > above.size && name.at[above.size] == '/' && slice_starts(name, above);
}

static bool in_inbox(slice name)
{
	return slice_same(name, S("INBOX")) || folder_is_below(name, S("INBOX"));
}

/* A slash comes before every other character a name may have, so that no sibling falls between a
   parent and its children. */
static unsigned char weight(char c)
{
	return c == '/' ? 1 : (unsigned char)c;
}

static int name_order(slice a, slice b)
{
	size_t least = a.size < b.size ? a.size : b.size;

	if (in_inbox(a) != in_inbox(b))
		return in_inbox(a) ? -1 : 1;
	for (size_t i = 0; i < least; i++)
		if (a.at[i] != b.at[i])
			return weight(a.at[i]) < weight(b.at[i]) ? -1 : 1;
	return a.size < b.size ? -1 : a.size > b.size;
}

static int row_order(const void *a, const void *b)
{
	const struct folder_row *x = a, *y = b;

	return name_order(x->f.name, y->f.name);
}

/* Every level above every folder, many of them twice. What is only subscribed has no place in the
   tree, so it needs no levels above it. */
static int levels_count(const struct folder_row *rows, int n)
{
	int count = 0;

	for (int i = 0; i < n; i++)
		for (slice up = folder_above(rows[i].f.name); rows[i].f.id && up.size > 0;
			up = folder_above(up))
			count++;
	return count;
}

static void levels_add(struct folder_row *rows, int n, int *count)
{
	*count = n;
	for (int i = 0; i < n; i++)
		for (slice up = folder_above(rows[i].f.name); rows[i].f.id && up.size > 0;
			up = folder_above(up))
			rows[(*count)++] =
				(struct folder_row){.f = {.postoffice = rows[i].f.postoffice,
							    .mailbox = rows[i].f.mailbox,
							    .name = up},
					.children = true};
}

/* Rows of one name become one. */
static int rows_merge(struct folder_row *rows, int n)
{
	int kept = 0;

	for (int i = 0; i < n; i++) {
		struct folder_row *last = kept ? &rows[kept - 1] : NULL;

		if (!last || !slice_same(last->f.name, rows[i].f.name)) {
			rows[kept++] = rows[i];
			continue;
		}
		last->subscribed |= rows[i].subscribed;
		last->children |= rows[i].children;
		if (rows[i].f.id) {
			last->f = rows[i].f;
			last->rights = rows[i].rights;
		}
	}
	return kept;
}

void folder_grow(int64_t postoffice, int64_t mailbox, struct folder_row *given, int n, arena *a,
	struct folder_row **rows, int *count)
{
	int most = n + levels_count(given, n);
	struct folder_row *all = arena_new_array(a, (size_t)most + 1, sizeof *all);

	for (int i = 0; i < n; i++) {
		all[i] = given[i];
		all[i].f.postoffice = postoffice;
		if (!all[i].f.mailbox)
			all[i].f.mailbox = mailbox;
	}
	levels_add(all, n, &most);
	qsort(all, (size_t)most, sizeof *all, row_order);
	*count = rows_merge(all, most);
	*rows = all;
}
