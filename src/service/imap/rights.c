/* ACL (RFC 4314): who may do what with a folder. Rights are the store's (provider/acl.h); what they
   allow is looked at where it is done. What is denied rather than given is the operator's to
   set. */
#include "mail/imap_string.h"
#include "provider/saslprep.h"
#include "service/imap/names.h"
#include "service/imap/place.h"

#include <inttypes.h>

static status say_line(conversation *c, text *line)
{
	text_add(line, S("\r\n"));
	status s = stream_write(c->stream, text_slice(line));
	text_free(line);
	return s;
}

static void line_begin(const conversation *c, const char *word, slice shown, text *line)
{
	text_format(line, "* %s ", word);
	imap_name_text(c, shown, line);
}

/* Behind the folder: "identifier"; a name in any form. What SASLprep refuses is none (RFC 4314 3);
   what it makes of others is not taken, since two mailboxes may be called so that it makes them
   one. */
static status arg_identifier(args *p, slice *name, slice *who)
{
	slice prepared;

	TRY(arg_space(p));
	TRY(arg_mailbox(p, name));
	TRY(arg_space(p));
	TRY(arg_astring(p, who));
	if (saslprep(*who, &p->c->command, &prepared) == ST_OK)
		return ST_OK;
	p->trouble = "That is nobody's name: it is empty, or holds characters that no name has";
	return ST_INVALID;
}

/* Whom it stands for, of a folder that the reader administers. Else the answer was given. */
static bool find_both(conversation *c, slice name, slice written, struct place *at,
	struct acl_entry *who, status *said)
{
	status s = place_look(c, name, ACL_ADMINISTER, at);
	bool here = s == ST_OK;

	if (here)
		s = acl_who(at->f.postoffice, written, &c->command, who);
	if (here && s == ST_ABSENT)
		*said = imap_no(c, "[NONEXISTENT] There is nobody of that name");
	else if (s != ST_OK)
		*said = imap_trouble(c, s);
	return s == ST_OK;
}

/* ---- changing */

/* "lrs": these and no others; "+lrs", "-lrs". */
static status rights_read(args *p, slice written, struct acl_change *change)
{
	char sign = written.size > 0 && (written.at[0] == '+' || written.at[0] == '-')
			    ? written.at[0]
			    : 0;
	unsigned rights;

	if (acl_rights_parse(slice_from(written, sign != 0), &rights) != ST_OK) {
		p->trouble = "Rights are letters of lrswipkxtea";
		return ST_INVALID;
	}
	*change = (struct acl_change){
		.remove = sign == '-'   ? rights
			  : sign == '+' ? 0
					: ACL_ALL,
		.add = sign == '-' ? 0 : rights,
	};
	return ST_OK;
}

static status say_too_many(conversation *c, const struct place *at)
{
	const struct setting_at owner = {.postoffice = at->f.postoffice, .mailbox = at->f.mailbox};

	return imap_no(c,
		"[LIMIT] Names that a folder gives or denies rights to are limited to %" PRId64
		" here; DELETEACL one of them, or give rights to a group",
		setting_number(S_folder_rights_most, &owner));
}

static status change(conversation *c, slice name, slice written, const struct acl_change *change)
{
	struct acl_entry who;
	struct place at;
	status s;

	if (!find_both(c, name, written, &at, &who, &s))
		return s;
	if (who.negative)
		return imap_no(c,
			"[CANNOT] Rights are given here; to deny some is the operator's, ask him");
	const struct audit_by by = imap_audit_by(c);
	s = acl_set(&at.f, &who, change, &by);
	if (s == ST_DENIED)
		return imap_no(
			c, "[CANNOT] Its owner may do everything, always; give rights to others");
	if (s == ST_LIMITED)
		return say_too_many(c, &at);
	return s == ST_OK ? imap_ok(c, "Set") : imap_trouble(c, s);
}

static status imap_setacl(conversation *c, args *p)
{
	slice name, who, written;
	struct acl_change wanted;

	TRY(arg_identifier(p, &name, &who));
	TRY(arg_space(p));
	TRY(arg_astring(p, &written));
	TRY(arg_end(p));
	TRY(rights_read(p, written, &wanted));
	return change(c, name, who, &wanted);
}

static status imap_deleteacl(conversation *c, args *p)
{
	slice name, who;

	TRY(arg_identifier(p, &name, &who));
	TRY(arg_end(p));
	return change(c, name, who, &(struct acl_change){.remove = ACL_ALL});
}

/* ---- telling */

static void entry_text(const struct acl_entry *e, text *line)
{
	text who = TEXT_INIT;

	text_format(&who, "%s%.*s", e->negative ? "-" : "", SLICE_ARGS(e->name));
	text_add_char(line, ' ');
	imap_string_add(line, text_slice(&who));
	text_add_char(line, ' ');
	acl_rights_text(e->rights, line);
	text_free(&who);
}

static status imap_getacl(conversation *c, args *p)
{
	struct acl_entry *rows;
	struct place at;
	text line = TEXT_INIT;
	slice name;
	int n;

	TRY(arg_space(p));
	TRY(arg_mailbox(p, &name));
	TRY(arg_end(p));
	status s = place_look(c, name, ACL_ADMINISTER, &at);
	if (s == ST_OK)
		s = acl_list(at.f.postoffice, at.f.id, &c->command, &rows, &n);
	if (s != ST_OK)
		return imap_trouble(c, s);
	line_begin(c, "ACL", at.shown, &line);
	entry_text(&(struct acl_entry){.name = at.owner, .rights = ACL_ALL}, &line);
	for (int k = 0; k < n; k++)
		entry_text(&rows[k], &line);
	TRY(say_line(c, &line));
	return imap_ok(c, "That is all");
}

/* Every right can be given without any other, but to the owner, who has them all. */
static status imap_listrights(conversation *c, args *p)
{
	struct acl_entry who;
	struct place at;
	text line = TEXT_INIT;
	slice name, written;
	status s;

	TRY(arg_identifier(p, &name, &written));
	TRY(arg_end(p));
	if (!find_both(c, name, written, &at, &who, &s))
		return s;
	bool is_owner = who.kind == ACL_MAILBOX && who.who == at.f.mailbox;
	line_begin(c, "LISTRIGHTS", at.shown, &line);
	text_add_char(&line, ' ');
	imap_string_add(&line, written);
	text_add(&line, is_owner ? S(" lrswipkxteacd") : S(" \"\" l r s w i p k x t e a c d"));
	TRY(say_line(c, &line));
	return imap_ok(c, "That is all");
}

status rights_tell(conversation *c, slice shown, unsigned rights)
{
	text line = TEXT_INIT;

	line_begin(c, "MYRIGHTS", shown, &line);
	text_add_char(&line, ' ');
	acl_rights_text(rights, &line);
	return say_line(c, &line);
}

static status imap_myrights(conversation *c, args *p)
{
	struct place at;
	slice name;

	TRY(arg_space(p));
	TRY(arg_mailbox(p, &name));
	TRY(arg_end(p));
	status s = place_look(c, name, 0, &at);
	if (s != ST_OK)
		return imap_trouble(c, s);
	TRY(rights_tell(c, at.shown, at.rights));
	return imap_ok(c, "That is all");
}

const struct imap_row imap_rights_rows[] = {
	{"SETACL", imap_setacl, AT_LOGGED_ON, 0,
		"SETACL folder who [+-]rights: what others may do with it"},
	{"DELETEACL", imap_deleteacl, AT_LOGGED_ON, 0, "DELETEACL folder who: nothing any more"},
	{"GETACL", imap_getacl, AT_LOGGED_ON, 0, "GETACL folder: who may do what with it"},
	{"LISTRIGHTS", imap_listrights, AT_LOGGED_ON, 0,
		"LISTRIGHTS folder who: rights that can be given"},
	{"MYRIGHTS", imap_myrights, AT_LOGGED_ON, 0, "MYRIGHTS folder: what you may do with it"},
	{0},
};
