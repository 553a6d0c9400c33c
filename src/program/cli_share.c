/* pennypost folder share, unshare, rights, shared: what others may do in a mailbox's folders. */
#include "program/cli_find.h"
#include "program/cli_run.h"

#include "provider/acl.h"

static status folder_of(struct cli *c, folder **f)
{
	slice name = cli_text(c, "NAME");
	mailbox *m;

	TRY(cli_find_mailbox(c, cli_text(c, "MAILBOX"), &m));
	status kind = folder_find(m->postoffice, m->id, name, &c->a, f);
	return kind == ST_ABSENT
		       ? cli_fail(c, kind, "`pennypost folder list` shows those there are",
				 "there is no folder \"%.*s\"", SLICE_ARGS(name))
		       : kind;
}

static status nobody(struct cli *c)
{
	return cli_fail(c, ST_ABSENT,
		"name a mailbox or group of the folder's post office, or anyone for all its mailboxes",
		"there is nobody called \"%.*s\" there", SLICE_ARGS(cli_text(c, "WHO")));
}

/* WHO: "ben", "ben@demo" of the folder's post office, an address there, "team", "anyone". */
static status who_of(struct cli *c, const folder *f, struct acl_entry *who)
{
	slice name, office;

	cli_split(cli_text(c, "WHO"), &name, &office);
	if (office.size > 0 && !slice_same_nocase(office, cli_postoffice_name(c, f->postoffice)))
		name = cli_text(c, "WHO");
	status kind = acl_who(f->postoffice, name, &c->a, who);
	if (kind == ST_ABSENT)
		return nobody(c);
	who->negative = cli_has(c, "--deny");
	return kind;
}

static slice rights_text(struct cli *c, unsigned rights)
{
	text t = TEXT_INIT;

	acl_rights_text(rights, &t);
	slice kept = arena_copy(&c->a, text_slice(&t));
	text_free(&t);
	return kept;
}

/* What people call each of the letters, in the order of their bits. */
static slice rights_words(struct cli *c, unsigned rights)
{
	static const char *const words[] = {"see it", "read", "keep what is seen",
		"keep other flags", "put messages in", "post", "make folders below", "remove it",
		"mark as deleted", "expunge", "change rights"};
	text t = TEXT_INIT;

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (rights >> i & 1)
			text_format(&t, "%s%s", t.size > 0 ? ", " : "", words[i]);
	slice kept = arena_copy(&c->a, text_slice(&t));
	text_free(&t);
	return kept;
}

/* What the same one is denied beside what is given here, or given beside what is denied: an entry of its own. */
static status beside(struct cli *c, const folder *f, const struct acl_entry *who, unsigned *rights)
{
	struct acl_entry *rows;
	int n;

	*rights = 0;
	TRY(acl_list(f->postoffice, f->id, &c->a, &rows, &n));
	for (int i = 0; i < n; i++)
		if (rows[i].kind == who->kind && rows[i].who == who->who &&
			rows[i].negative != who->negative)
			*rights = rows[i].rights;
	return ST_OK;
}

static slice told_beside(
	struct cli *c, const folder *f, const struct acl_entry *who, unsigned rights)
{
	slice letters = rights_text(c, rights);

	if (rights == 0)
		return S("");
	if (who->negative)
		return arena_format(&c->a, "; %.*s is still given to it", SLICE_ARGS(letters));
	return arena_format(&c->a,
		"; %.*s is still denied to it, which `pennypost folder unshare %.*s \"%.*s\" %.*s --deny` takes back",
		SLICE_ARGS(letters), SLICE_ARGS(cli_text(c, "MAILBOX")), SLICE_ARGS(f->name),
		SLICE_ARGS(cli_text(c, "WHO")));
}

/* Groups, and anyone, may give it something all the same: only its own entry is spoken of. */
static status say_nothing_left(struct cli *c, const folder *f, const struct acl_entry *who)
{
	unsigned rights;

	TRY(beside(c, f, who, &rights));
	return cli_did(c,
		json_pack("{s:o,s:o,s:s,s:b,s:o}", "folder", json_slice(f->name), "who",
			json_slice(who->name), "rights", "", "denied", who->negative,
			who->negative ? "still_given" : "still_denied",
			json_slice(rights_text(c, rights))),
		"Nothing is %s to %.*s by name in the folder %.*s any more%.*s",
		who->negative ? "denied" : "given", SLICE_ARGS(who->name), SLICE_ARGS(f->name),
		SLICE_ARGS(told_beside(c, f, who, rights)));
}

static status change(struct cli *c, unsigned rights)
{
	struct acl_entry who = {0};
	folder *f;

	TRY(folder_of(c, &f));
	TRY(who_of(c, f, &who));
	status kind =
		acl_set(f, &who, &(struct acl_change){.remove = ACL_ALL, .add = rights}, &c->by);
	if (kind == ST_DENIED)
		return cli_fail(c, kind, "its owner may do everything in it, always",
			"%.*s is the folder's owner", SLICE_ARGS(who.name));
	if (kind == ST_LIMITED)
		return cli_fail(c, kind,
			"see the setting folder_rights_most, or give rights to a group",
			"the folder has rights for too many already");
	TRY(kind);
	if (rights == 0)
		return say_nothing_left(c, f, &who);
	return cli_did(c,
		json_pack("{s:o,s:o,s:o,s:b}", "folder", json_slice(f->name), "who",
			json_slice(who.name), "rights", json_slice(rights_text(c, rights)),
			"denied", who.negative),
		"%.*s %s %.*s in the folder %.*s: %.*s", SLICE_ARGS(who.name),
		who.negative ? "is denied" : "has", SLICE_ARGS(rights_text(c, rights)),
		SLICE_ARGS(f->name), SLICE_ARGS(rights_words(c, rights)));
}

/* Words for many letters, as administrators of other servers know them. Words that happen to be
   made of letters, and mean others than people think, have none. */
static const struct {
	const char *word;
	unsigned rights; /* 0: no such word */
} rights_named[] = {
	{"read", ACL_LOOKUP | ACL_READ | ACL_SEEN},
	{"write", ACL_LOOKUP | ACL_READ | ACL_SEEN | ACL_WRITE | ACL_INSERT | ACL_DELETE |
			  ACL_EXPUNGE},
	{"full", ACL_ALL & ~ACL_POST},
	{"all", ACL_ALL & ~ACL_POST},
	{"list", 0},
	{"edit", 0},
};

/* A letter twice is the sign of a word that nobody here knows. */
static bool repeats(slice letters)
{
	for (size_t i = 0; i < letters.size; i++)
		if (slice_find(slice_from(letters, i + 1), letters.at[i]) < letters.size - i - 1)
			return true;
	return false;
}

static bool rights_meant(slice written, unsigned *rights)
{
	for (size_t i = 0; i < sizeof rights_named / sizeof *rights_named; i++)
		if (slice_same_nocase(written, slice_z(rights_named[i].word))) {
			*rights = rights_named[i].rights;
			return *rights != 0;
		}
	return !repeats(written) && acl_rights_parse(written, rights) == ST_OK;
}

status cli_folder_share(struct cli *c)
{
	unsigned rights;

	if (!rights_meant(cli_text(c, "RIGHTS"), &rights))
		return cli_fail(c, ST_INVALID,
			"give read, write or full, or letters as `pennypost folder share --help` tells "
			"them, each once",
			"\"%.*s\" are no rights", SLICE_ARGS(cli_text(c, "RIGHTS")));
	return change(c, rights);
}

status cli_folder_unshare(struct cli *c)
{
	return change(c, 0);
}

status cli_folder_rights(struct cli *c)
{
	static const struct cli_column columns[] = {{"who", "WHO"}, {"kind", "KIND"},
		{"rights", "RIGHTS"}, {"denied", "DENIED"}, {NULL}};
	static const char *const kinds[] = {"anyone", "mailbox", "group"};
	struct acl_entry *rows;
	folder *f;
	int n;

	TRY(folder_of(c, &f));
	TRY(acl_list(f->postoffice, f->id, &c->a, &rows, &n));
	json_t *list = json_array();
	for (int i = 0; i < n; i++)
		json_array_append_new(
			list, json_pack("{s:o,s:s,s:o,s:b}", "who", json_slice(rows[i].name),
				      "kind", kinds[rows[i].kind], "rights",
				      json_slice(rights_text(c, rows[i].rights)), "denied",
				      rows[i].negative));
	return cli_rows(c, list, columns, "The folder is its owner's alone");
}

status cli_folder_shared(struct cli *c)
{
	static const struct cli_column columns[] = {{"name", "NAME"}, {"rights", "RIGHTS"},
		{"messages", "MESSAGES", SHOW_NUMBER}, {"unseen", "UNSEEN", SHOW_NUMBER},
		{"subscribed", "SUBSCRIBED"}, {NULL}};
	struct folder_row *rows;
	mailbox *m;
	int n;

	TRY(cli_find_mailbox(c, cli_text(c, "MAILBOX"), &m));
	TRY(acl_tree(m->postoffice, m->id, &c->a, &rows, &n));
	json_t *list = json_array();
	for (int i = 0; i < n; i++)
		if (rows[i].f.id && rows[i].f.mailbox != m->id)
			json_array_append_new(list,
				json_pack("{s:o,s:o,s:o,s:I,s:I,s:b}", "name",
					json_slice(rows[i].f.name), "id", json_id(rows[i].f.id),
					"rights", json_slice(rights_text(c, rows[i].rights)),
					"messages", (json_int_t)rows[i].f.messages, "unseen",
					(json_int_t)rows[i].f.unseen, "subscribed",
					rows[i].subscribed));
	return cli_rows(c, list, columns, "Nobody shares folders with the mailbox");
}
