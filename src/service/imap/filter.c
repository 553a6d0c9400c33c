/* Sets of folders. */
#include "service/imap/filter.h"

#include "provider/folder.h"
#include "service/imap/names.h"

static status arg_name(args *p, struct filter *f)
{
	slice written, name;

	if (f->names_n == FILTER_NAMES_MOST) {
		p->trouble = "Too many folders";
		return ST_INVALID;
	}
	TRY(arg_mailbox(p, &written));
	/* "" is above all folders; what else can be no folder's name means none. */
	if (written.size == 0)
		f->names[f->names_n++] = written;
	else if (folder_name(written, &p->c->command, &name) == ST_OK)
		f->names[f->names_n++] = name;
	return ST_OK;
}

static status arg_names(args *p, struct filter *f)
{
	TRY(arg_space(p));
	f->names = arena_new_array(&p->c->command, FILTER_NAMES_MOST, sizeof *f->names);
	if (!arg_take(p, '('))
		return arg_name(p, f);
	do
		TRY(arg_name(p, f));
	while (arg_take(p, ' '));
	return arg_expect(p, ')');
}

status arg_filter(args *p, struct filter *f)
{
	static const struct {
		const char *word;
		enum filter_kind kind;
	} rows[] = {
		{"SELECTED", FILTER_SELECTED},
		{"SELECTED-DELAYED", FILTER_SELECTED_DELAYED},
		{"INBOXES", FILTER_PERSONAL}, /* rules may deliver anywhere */
		{"PERSONAL", FILTER_PERSONAL},
		{"SUBSCRIBED", FILTER_SUBSCRIBED},
		{"SUBTREE", FILTER_SUBTREE},
		{"SUBTREE-ONE", FILTER_SUBTREE_ONE},
		{"MAILBOXES", FILTER_NAMED},
	};
	slice word;

	TRY(arg_atom(p, &word));
	for (size_t k = 0; k < sizeof rows / sizeof *rows; k++)
		if (slice_same_nocase(word, slice_z(rows[k].word))) {
			*f = (struct filter){.kind = rows[k].kind};
			return f->kind >= FILTER_SUBTREE ? arg_names(p, f) : ST_OK;
		}
	p->trouble = "Folders are SELECTED, INBOXES, PERSONAL, SUBSCRIBED, SUBTREE or MAILBOXES";
	return ST_INVALID;
}

static bool stands_below(const struct filter *f, slice name, slice top)
{
	slice rest = slice_from(name, top.size);

	if (f->kind == FILTER_NAMED || !slice_starts(name, top) ||
		(top.size > 0 && (rest.size < 2 || rest.at[0] != '/')))
		return false;
	rest = slice_from(rest, top.size > 0);
	return f->kind == FILTER_SUBTREE || slice_find(rest, '/') == rest.size;
}

bool filter_has(const struct filter *f, slice name, bool own, bool subscribed)
{
	if ((f->kind == FILTER_PERSONAL && own) || (f->kind == FILTER_SUBSCRIBED && subscribed))
		return true;
	for (int k = 0; k < f->names_n; k++)
		if (slice_same(name, f->names[k]) || stands_below(f, name, f->names[k]))
			return true;
	return false;
}
