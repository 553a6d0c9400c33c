/* pennypost folder: the folders of a mailbox, as IMAP shows them. */
#include "program/cli_find.h"
#include "program/cli_run.h"

#include "base/id.h"
#include "provider/acl.h"
#include "provider/folder_admin.h"

static const struct {
	unsigned bit;
	const char *word;
} specials[] = {{FOLDER_ALL, "all"}, {FOLDER_ARCHIVE, "archive"}, {FOLDER_DRAFTS, "drafts"},
	{FOLDER_FLAGGED, "flagged"}, {FOLDER_IMPORTANT, "important"}, {FOLDER_JUNK, "junk"},
	{FOLDER_SENT, "sent"}, {FOLDER_TRASH, "trash"}};

static json_t *special_words(unsigned bits)
{
	json_t *words = json_array();
	for (size_t i = 0; i < sizeof specials / sizeof *specials; i++)
		if (bits & specials[i].bit)
			json_array_append_new(words, json_string(specials[i].word));
	return words;
}

static unsigned special_bit(slice word)
{
	for (size_t i = 0; i < sizeof specials / sizeof *specials; i++)
		if (slice_same(word, slice_z(specials[i].word)))
			return specials[i].bit;
	return 0;
}

status cli_folder_list(struct cli *c)
{
	static const struct cli_column columns[] = {{"name", "NAME"},
		{"messages", "MESSAGES", SHOW_NUMBER}, {"unseen", "UNSEEN", SHOW_NUMBER},
		{"bytes", "SIZE", SHOW_SIZE}, {"special", "USE"}, {"subscribed", "SUBSCRIBED"},
		{NULL}};
	mailbox *m;
	struct folder_row *rows;
	int n;
	TRY(cli_find_mailbox(c, cli_text(c, "MAILBOX"), &m));
	TRY(folder_tree(m->postoffice, m->id, &c->a, &rows, &n));
	json_t *list = json_array();
	for (int i = 0; i < n; i++) {
		const folder *f = &rows[i].f;
		json_array_append_new(list,
			json_pack("{s:o,s:o,s:I,s:I,s:I,s:o,s:b,s:b,s:I,s:I,s:I}", "name",
				json_slice(f->name), "id", f->id ? json_id(f->id) : json_null(),
				"messages", (json_int_t)f->messages, "unseen",
				(json_int_t)f->unseen, "bytes", (json_int_t)f->bytes, "special",
				special_words(f->special), "subscribed", rows[i].subscribed,
				"children", rows[i].children, "uidvalidity",
				(json_int_t)f->uidvalidity, "uidnext", (json_int_t)f->uidnext,
				"modseq", (json_int_t)f->modseq));
	}
	return cli_rows(c, list, columns, "The mailbox has no folders");
}

#define HIDDEN                                                                                     \
	"\"%.*s\" would be hidden from mail programs: folders that others share are called so"

/* What a provider's refusal means here. */
static status refused(struct cli *c, status kind, slice name)
{
	switch (kind) {
	case ST_ABSENT:
		return cli_fail(c, kind, "`pennypost folder list` shows those there are",
			"there is no folder \"%.*s\"", SLICE_ARGS(name));
	case ST_EXISTS:
		return cli_fail(c, kind, "`pennypost folder list` shows those there are",
			"a folder \"%.*s\" exists", SLICE_ARGS(name));
	case ST_INVALID:
		if (folder_name_is_others(name))
			return cli_fail(c, kind, "choose a name outside of " ACL_NAMESPACE, HIDDEN,
				SLICE_ARGS(name));
		return cli_fail(c, kind,
			"levels are parted by /, and none is empty; * and % are not for names",
			"\"%.*s\" cannot be a folder's name", SLICE_ARGS(name));
	case ST_LIMITED:
		return cli_fail(c, kind,
			"see the settings mailbox_folders_most, folder_depth_most and folder_name_most",
			"\"%.*s\" would be one folder or level too many, or its name is too long",
			SLICE_ARGS(name));
	default:
		return kind;
	}
}

status cli_folder_add(struct cli *c)
{
	slice name = cli_text(c, "NAME");
	mailbox *m;
	folder *f;
	TRY(cli_find_mailbox(c, cli_text(c, "MAILBOX"), &m));
	const struct audit_note note = cli_note(c, "folder.make", cli_text(c, "MAILBOX"));
	status kind = folder_make_noted(m->postoffice, m->id, name,
		special_bit(cli_text(c, "--special")), &note, &c->a, &f);
	if (kind == ST_DENIED)
		return cli_fail(c, kind, "`pennypost folder list` shows which one",
			"another folder is for %.*s", SLICE_ARGS(cli_text(c, "--special")));
	if (kind != ST_OK)
		return refused(c, kind, name);
	if (cli_has(c, "--subscribe"))
		TRY(folder_subscribe(m->postoffice, m->id, name, true));
	return cli_did(c, json_pack("{s:o,s:o}", "name", json_slice(f->name), "id", json_id(f->id)),
		"The folder %.*s is made", SLICE_ARGS(f->name));
}

status cli_folder_remove(struct cli *c)
{
	slice name = cli_text(c, "NAME");
	mailbox *m;
	TRY(cli_find_mailbox(c, cli_text(c, "MAILBOX"), &m));
	TRY(cli_sure(c, "removes a folder with its messages"));
	const struct audit_note note = cli_note(c, "folder.remove", cli_text(c, "MAILBOX"));
	status kind = folder_remove_noted(m->postoffice, m->id, name, &note);
	if (kind == ST_DENIED)
		return cli_fail(c, kind, "name a folder below it",
			slice_same_nocase(name, S("INBOX"))
				? "%.*s stays"
				: "%.*s is no folder, it holds only others",
			SLICE_ARGS(name));
	if (kind != ST_OK)
		return refused(c, kind, name);
	return cli_did(c, json_pack("{s:o}", "removed", json_slice(name)),
		"The folder %.*s is removed", SLICE_ARGS(name));
}

status cli_folder_rename(struct cli *c)
{
	slice from = cli_text(c, "NAME"), to = cli_text(c, "NEW-NAME");
	mailbox *m;
	TRY(cli_find_mailbox(c, cli_text(c, "MAILBOX"), &m));
	const struct audit_note note = cli_note(c, "folder.rename", cli_text(c, "MAILBOX"));
	status kind = folder_rename_noted(m->postoffice, m->id, from, to, &note);
	if (kind != ST_OK)
		return refused(c, kind, kind == ST_ABSENT ? from : to);
	return cli_did(c, json_pack("{s:o,s:o}", "from", json_slice(from), "to", json_slice(to)),
		"The folder %.*s is now called %.*s", SLICE_ARGS(from), SLICE_ARGS(to));
}

status cli_folder_removed(struct cli *c)
{
	static const struct cli_column columns[] = {{"name", "FOLDER"}, {"removed", "REMOVED"},
		{"messages", "CAN BE RESTORED", SHOW_NUMBER}, {NULL}};
	struct folder_removed *rows;
	mailbox *m;
	int n;
	TRY(cli_find_mailbox(c, cli_text(c, "MAILBOX"), &m));
	TRY(folder_removed_list(m->postoffice, m->id, &c->a, &rows, &n));
	json_t *list = json_array();
	for (int i = 0; i < n; i++)
		json_array_append_new(list,
			json_pack("{s:o,s:o,s:I}", "name", json_slice(rows[i].name), "removed",
				json_time(rows[i].at), "messages", (json_int_t)rows[i].messages));
	return cli_rows(c, list, columns, "No folder was removed within the retention");
}

/* ---- pennypost message undelete */

static status undelete_audit(struct cli *c, const mailbox *m)
{
	return cli_audit(c, m->postoffice, "message.undelete", cli_text(c, "MAILBOX"));
}

/* The folder that was removed, made again. */
static status folder_again(struct cli *c, const mailbox *m, slice name, folder **f)
{
	const struct audit_note note = cli_note(c, "folder.make", cli_text(c, "MAILBOX"));

	status kind = folder_make_noted(m->postoffice, m->id, name, 0, &note, &c->a, f);
	if (kind == ST_INVALID && folder_name_is_others(name))
		return cli_fail(c, kind, "name another folder by --into", HIDDEN, SLICE_ARGS(name));
	return kind == ST_LIMITED ? refused(c, kind, name) : kind;
}

/* What was in the folder of that name, and in those of that name that were removed: into the one there
   is, which is made again when there is none. */
static status undelete_named(
	struct cli *c, const mailbox *m, struct folder_lost which, int64_t *restored)
{
	slice given = cli_text(c, "--folder"), name;
	struct folder_removed *rows;
	int64_t came = 0;
	folder *f = NULL;
	bool known = false, lost = false;
	int n;

	if (folder_name(given, &c->a, &name) != ST_OK)
		return ST_ABSENT;
	status kind = folder_find(m->postoffice, m->id, name, &c->a, &f);
	if (kind != ST_ABSENT)
		TRY(kind);
	TRY(folder_removed_list(m->postoffice, m->id, &c->a, &rows, &n));
	for (int i = 0; i < n; i++) {
		known |= slice_same(rows[i].name, name);
		lost |= slice_same(rows[i].name, name) && rows[i].messages > 0;
	}
	if (!f && !known)
		return ST_ABSENT;
	if (!f && lost && !which.into)
		TRY(folder_again(c, m, name, &f));
	TRY(undelete_audit(c, m));
	if (f) {
		which.folder = f->id;
		TRY(folder_undelete(m->postoffice, m->id, &which, restored));
		which.into = which.into ? which.into : f->id;
	}
	for (int i = 0; i < n; i++) {
		if (!slice_same(rows[i].name, name))
			continue;
		which.folder = rows[i].id;
		status s = folder_undelete(m->postoffice, m->id, &which, &came);
		*restored += came;
		TRY(s);
	}
	return ST_OK;
}

static status undelete_all(
	struct cli *c, const mailbox *m, const struct folder_lost *which, int64_t *restored)
{
	TRY(undelete_audit(c, m));
	return folder_undelete(m->postoffice, m->id, which, restored);
}

static status folder_id(struct cli *c, const mailbox *m, const char *option, int64_t *id)
{
	folder *f;
	if (!cli_has(c, option))
		return ST_OK;
	status kind = folder_find(m->postoffice, m->id, cli_text(c, option), &c->a, &f);
	if (kind == ST_ABSENT)
		return cli_fail(c, kind,
			arena_format(&c->a, "make it by `pennypost folder add %.*s %.*s`",
				SLICE_ARGS(cli_text(c, "MAILBOX")), SLICE_ARGS(cli_text(c, option)))
				.at,
			"there is no folder \"%.*s\"", SLICE_ARGS(cli_text(c, option)));
	TRY(kind);
	*id = f->id;
	return ST_OK;
}

status cli_message_undelete(struct cli *c)
{
	struct folder_lost which = {0};
	slice id = cli_text(c, "--message");
	int64_t restored = 0;
	mailbox *m;
	if (cli_has(c, "--message") && !id_parse(id, &which.message))
		return cli_fail(c, ST_INVALID,
			"give the 13 characters that `pennypost trace` shows",
			"\"%.*s\" is no message id", SLICE_ARGS(id));
	TRY(cli_find_mailbox(c, cli_text(c, "MAILBOX"), &m));
	TRY(folder_id(c, m, "--into", &which.into));
	which.since = cli_number(c, "--since", 0);
	bool named = cli_has(c, "--folder");
	status kind = named ? undelete_named(c, m, which, &restored)
			    : undelete_all(c, m, &which, &restored);
	if (kind == ST_ABSENT && named)
		return cli_fail(c, kind,
			"`pennypost folder list` and `pennypost folder removed` show those there are and were",
			"there is no folder \"%.*s\", and none was removed lately",
			SLICE_ARGS(cli_text(c, "--folder")));
	if (kind == ST_FULL)
		return cli_fail(c, kind, "raise it by `pennypost mailbox quota`, and call again",
			"%lld %s restored, for the others the quota has no room",
			(long long)restored, restored == 1 ? "message is" : "messages are");
	TRY(kind);
	c->negative = restored == 0;
	return cli_did(c, json_pack("{s:I}", "restored", (json_int_t)restored), "%lld %s restored",
		(long long)restored, restored == 1 ? "message is" : "messages are");
}
