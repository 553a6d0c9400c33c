/* Names of folders on the wire. */
#include "service/imap/names.h"

#include "base/utf8.h"
#include "mail/imap_string.h"

static status name_decode(args *p, slice written, slice *name)
{
	if (!utf8_is_ascii(written) ? utf8_valid(written)
				    : mutf7_decode(written, &p->c->command, &written) == ST_OK) {
		*name = written;
		return ST_OK;
	}
	p->trouble = "The folder's name is neither modified UTF-7 nor UTF-8";
	return ST_INVALID;
}

/* Where names are UTF-8, "&" stands for itself. */
static bool speaks_utf8(const conversation *c)
{
	const struct imap *i = imap_of(c);

	return i->utf8 || i->rev2;
}

status arg_mailbox(args *p, slice *name)
{
	slice written;

	TRY(arg_astring(p, &written));
	if (!speaks_utf8(p->c) || !utf8_valid(written))
		return name_decode(p, written, name);
	*name = written;
	return ST_OK;
}

status arg_mailbox_pattern(args *p, slice *pattern)
{
	slice written;

	TRY(arg_pattern(p, &written));
	if (!speaks_utf8(p->c) || !utf8_valid(written))
		return name_decode(p, written, pattern);
	*pattern = written;
	return ST_OK;
}

void imap_name_text(const conversation *c, slice utf8, text *out)
{
	arena scratch = ARENA_INIT;

	if (!speaks_utf8(c)) {
		imap_string_add(out, mutf7_encode(utf8, &scratch));
	} else if (utf8_is_ascii(utf8)) {
		imap_string_add(out, utf8);
	} else { /* quoted UTF-8; names hold no control characters */
		text_add_char(out, '"');
		for (size_t i = 0; i < utf8.size; i++) {
			if (utf8.at[i] == '"' || utf8.at[i] == '\\')
				text_add_char(out, '\\');
			text_add_char(out, utf8.at[i]);
		}
		text_add_char(out, '"');
	}
	arena_release(&scratch);
}

void imap_oldname_text(const conversation *c, slice name, slice written, text *out)
{
	if (slice_same(name, written))
		return;
	text_add(out, S(" (\"OLDNAME\" ("));
	imap_name_text(c, written, out);
	text_add(out, S("))"));
}

void imap_entry_text(slice entry, text *out)
{
	for (size_t k = 0; k < entry.size; k++)
		if (strchr(" (){\"\\]", entry.at[k])) {
			imap_string_add(out, entry);
			return;
		}
	text_add(out, entry);
}
