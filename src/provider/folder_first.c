/* What the setting mailbox_folders holds: how an item of it is judged, and what a new mailbox is made
   of. Both implementations share it. */
#include "provider/folder_first.h"

#include "provider/folder.h"
#include "provider/setting.h"

static bool next_item(slice *list, slice *item)
{
	while (slice_take(list, ',', item)) {
		*item = slice_trim(*item);
		if (item->size > 0)
			return true;
	}
	return false;
}

/* "Sent=\\Sent" in two; a name alone has no use. */
static slice use_of(slice item, slice *name)
{
	size_t end = slice_find_last(item, '=');

	*name = slice_trim(slice_until(item, end));
	return slice_trim(slice_from(item, end + 1));
}

/* Shells take a backslash for themselves, so it may be missing. \\Important is of RFC 8457. */
static unsigned special_of(slice use, arena *a)
{
	slice word = slice_starts(use, S("\\")) ? use : arena_format(a, "\\%.*s", SLICE_ARGS(use));

	return folder_special_bit(word) & ~FOLDER_IMPORTANT;
}

static bool stands_before(slice before, slice name, unsigned special, arena *a)
{
	slice item, other;

	while (next_item(&before, &item)) {
		unsigned its = special_of(use_of(item, &other), a);

		if (slice_same(name, other) || (special & its))
			return true;
	}
	return false;
}

const char *folder_first_refusal(slice one, arena *a)
{
	slice name, use = use_of(one, &name);

	if (special_of(use, a) == 0 && slice_find(one, '=') < one.size)
		return "names no special use";
	if (folder_name(name, a, &name) != ST_OK || slice_same(name, S("INBOX")))
		return "has a name that no folder may have here";
	return "repeats one before it";
}

bool folder_first_fits(slice one, slice before, arena *a, slice *normal)
{
	slice name, use = use_of(one, &name);
	unsigned special = special_of(use, a);
	text words = TEXT_INIT;

	if (folder_name(name, a, &name) != ST_OK || slice_same(name, S("INBOX")) ||
		(special == 0 && slice_find(one, '=') < one.size) ||
		stands_before(before, name, special, a))
		return false;
	folder_special_text(special, &words);
	*normal = special ? arena_format(a, "%.*s=%.*s", SLICE_ARGS(name),
				    SLICE_ARGS(text_slice(&words)))
			  : name;
	text_free(&words);
	return true;
}

static const char *name_trouble(slice name)
{
	if (slice_find(name, '=') < name.size || slice_find(name, '"') < name.size)
		return "holds = or \"; is a comma missing before it?";
	if (folder_name_is_others(name))
		return "would be hidden, as folders that others share are called so";
	if (!folder_name_fits(name))
		return "is longer than folder_name_most or deeper than folder_depth_most";
	return NULL;
}

slice folder_first_trouble(slice list, arena *a)
{
	slice item, name;

	while (next_item(&list, &item)) {
		use_of(item, &name);
		const char *trouble = name_trouble(name);
		if (trouble)
			return arena_format(a, "mailbox_folders: the name \"%.*s\" %s",
				SLICE_ARGS(name), trouble);
	}
	return S("");
}

/* ---- of new mailboxes */

static struct folder_first *place_of(struct folder_first *rows, int *n, slice name)
{
	for (int i = 0; i < *n; i++)
		if (slice_same(rows[i].name, name))
			return &rows[i];
	rows[*n] = (struct folder_first){.name = name};
	return &rows[(*n)++];
}

int folder_first(int64_t postoffice, arena *a, struct folder_first **rows)
{
	const struct setting_at at = {.postoffice = postoffice};
	slice list = arena_copy(a, setting_text(S_mailbox_folders, &at)), item;
	size_t most = 0;
	int n = 0;

	for (size_t i = 0; i < list.size; i++)
		most += list.at[i] == ',' || list.at[i] == '/';
	*rows = arena_new_array(a, most + 1, sizeof **rows);
	while (next_item(&list, &item)) {
		slice name, use = use_of(item, &name);

		if (folder_name_is_others(name)) /* nobody could read it */
			continue;
		for (size_t end = 0; end < name.size; end++)
			if (name.at[end] == '/' && !slice_same(slice_until(name, end), S("INBOX")))
				place_of(*rows, &n, slice_until(name, end));
		place_of(*rows, &n, name)->special = special_of(use, a);
	}
	return n;
}
