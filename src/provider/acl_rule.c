/* What rights and names of shared folders look like, whatever keeps them. */
#include "provider/acl_row.h"

#include "provider/folder_order.h"

static const char letters[] = "lrswipkxtea";

status acl_rights_parse(slice written, unsigned *rights)
{
	*rights = 0;
	for (size_t i = 0; i < written.size; i++) {
		const char *at = written.at[i] ? strchr(letters, written.at[i]) : NULL;

		if (at)
			*rights |= 1u << (at - letters);
		else if (written.at[i] == 'c')
			*rights |= ACL_CREATE | ACL_REMOVE;
		else if (written.at[i] == 'd')
			*rights |= ACL_DELETE | ACL_EXPUNGE;
		else
			return ST_INVALID;
	}
	return ST_OK;
}

void acl_rights_text(unsigned rights, text *out)
{
	for (size_t i = 0; letters[i]; i++)
		if (rights >> i & 1)
			text_add_char(out, letters[i]);
	if (rights & (ACL_CREATE | ACL_REMOVE))
		text_add_char(out, 'c');
	if (rights & (ACL_DELETE | ACL_EXPUNGE))
		text_add_char(out, 'd');
}

bool acl_name_split(slice written, slice *owner, slice *name)
{
	slice space = S(ACL_NAMESPACE), rest;
	size_t end;

	if (!slice_starts(written, space) ||
		(written.size > space.size && written.at[space.size] != '/'))
		return false;
	rest = slice_from(written, space.size + (written.size > space.size));
	end = slice_find(rest, '/');
	*owner = slice_until(rest, end);
	*name = slice_from(rest, end + (end < rest.size));
	return true;
}

slice acl_name(slice owner, slice name, arena *a)
{
	return arena_format(a, ACL_NAMESPACE "/%.*s/%.*s", SLICE_ARGS(owner), SLICE_ARGS(name));
}

bool acl_is_anyone(slice *written, struct acl_entry *out)
{
	*out = (struct acl_entry){.negative = slice_starts(*written, S("-"))};
	*written = slice_from(*written, out->negative);
	if (!slice_same(*written, S("anyone")))
		return false;
	out->name = S("anyone");
	return true;
}

void acl_name_apart(slice written, arena *a, struct auth_name *out)
{
	if (auth_name_parse(written, a, out) != ST_OK)
		*out = (struct auth_name){0};
}

status acl_name_check(slice name, slice *why)
{
	if (!slice_same_nocase(name, S("anyone")))
		return ST_OK;
	*why = S(
		"anyone stands for all mailboxes of the post office where folders are shared, and can be nobody's name");
	return ST_INVALID;
}

/* A subscription to a shared folder is a row of one's own without a folder. */
static bool is_hidden(const struct folder_row *row, int64_t reader)
{
	slice owner, name;

	return row->f.id && row->f.mailbox == reader && acl_name_split(row->f.name, &owner, &name);
}

void acl_grow(int64_t postoffice, int64_t reader, struct folder_row *given, int n, arena *a,
	struct folder_row **rows, int *count)
{
	int kept = 0;

	for (int i = 0; i < n; i++)
		if (!is_hidden(&given[i], reader))
			given[kept++] = given[i];
	folder_grow(postoffice, reader, given, kept, a, rows, count);
}
