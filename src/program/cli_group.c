/* pennypost group: addresses that lead to many. */
#include "program/cli_find.h"
#include "program/cli_run.h"

#include "mail/address.h"
#include "provider/address_map.h"
#include "provider/group.h"

enum { PAGE = 500 };

static status find(struct cli *c, slice written, group **out)
{
	slice name, owner;
	postoffice *p;

	cli_split(written, &name, &owner);
	TRY(cli_find_postoffice(c, owner, &p));
	status kind = group_find(p->id, name, &c->a, out);
	if (kind == ST_ABSENT)
		return cli_fail(c, kind, "`pennypost group list` shows those there are",
			"there is no group \"%.*s\"", SLICE_ARGS(written));
	return kind;
}

static json_t *facts_of(const group *g, slice owner)
{
	json_t *addresses = json_array();

	for (int i = 0; i < g->address_count; i++)
		json_array_append_new(addresses, json_slice(g->addresses[i]));
	return json_pack("{s:o,s:o,s:o,s:s,s:I,s:o}", "name", json_slice(g->name), "postoffice",
		json_slice(owner), "title", json_slice(g->title), "posting",
		group_posting_word(g->posting), "members", (json_int_t)g->members, "addresses",
		addresses);
}

static status show(struct cli *c, slice written)
{
	static const struct cli_column columns[] = {{"name", "group"},
		{"postoffice", "post office"}, {"title", "title"}, {"posting", "may post"},
		{"members", "members", SHOW_NUMBER}, {"leads", "addresses"}, {NULL}};
	group *g;
	slice shown = S("");

	TRY(find(c, written, &g));
	json_t *facts = facts_of(g, cli_postoffice_name(c, g->postoffice));
	for (int i = 0; i < g->address_count; i++)
		shown = arena_format(&c->a, "%.*s%s%.*s", SLICE_ARGS(shown), i ? " " : "",
			SLICE_ARGS(g->addresses[i]));
	json_object_set_new(facts, "leads", json_slice(shown));
	return cli_facts(c, facts, columns);
}

/* The word was checked by its row. */
static enum group_posting posting_of(struct cli *c, enum group_posting otherwise)
{
	for (enum group_posting p = GROUP_USUAL; p < GROUP_POSTINGS; p++)
		if (slice_same(cli_text(c, "--posting"), slice_z(group_posting_word(p))))
			return p;
	return otherwise;
}

static status refused(struct cli *c, status kind, slice what, slice why)
{
	if (kind != ST_EXISTS && kind != ST_INVALID && kind != ST_LIMITED)
		return kind;
	return cli_fail(c, kind == ST_LIMITED ? ST_INVALID : kind,
		"`pennypost help group` tells what groups are like",
		"%.*s cannot be changed so: %.*s", SLICE_ARGS(what), SLICE_ARGS(why));
}

/* To a group that was made a moment ago. */
static status give_address(struct cli *c, const group *g, slice written, slice address)
{
	slice why;
	status kind = address_make_group(g->postoffice, address, g->id, &c->by, &c->a, &why);

	if (kind != ST_EXISTS && kind != ST_INVALID)
		return kind;
	return cli_fail(c, kind,
		arena_format(&c->a,
			"the group %.*s is made; give it an address by `pennypost address add ADDRESS %.*s`",
			SLICE_ARGS(written), SLICE_ARGS(written))
			.at,
		"%.*s cannot be its address: %.*s", SLICE_ARGS(address), SLICE_ARGS(why));
}

status cli_group_add(struct cli *c)
{
	slice written = cli_text(c, "GROUP"), name, owner, why = S(""), address;
	postoffice *p;
	group *g;

	cli_split(written, &name, &owner);
	TRY(cli_find_postoffice(c, owner, &p));
	status kind = group_make(p->id, name, cli_text(c, "--title"), posting_of(c, GROUP_USUAL),
		&c->by, &c->a, &g, &why);
	if (kind == ST_EXISTS || kind == ST_INVALID)
		return cli_fail(c, kind,
			kind == ST_INVALID
				? "choose another name or title"
				: "choose another name; a group that is there is changed by `pennypost group set`, `group members` and `address add`",
			"the group %.*s cannot be added: %.*s", SLICE_ARGS(written),
			SLICE_ARGS(why));
	TRY(kind);
	for (int i = 0; cli_each(c, "--address", i, &address); i++)
		TRY(give_address(c, g, written, address));
	return show(c, written);
}

static status add_rows(struct cli *c, const postoffice *p, void *arg)
{
	slice after = S("");

	for (int n = PAGE; n == PAGE;) {
		group *rows;
		TRY(group_list(p->id, after, PAGE, &c->a, &rows, &n));
		for (int i = 0; i < n; i++)
			json_array_append_new(arg, facts_of(&rows[i], p->name));
		if (n > 0)
			after = rows[n - 1].name;
	}
	return ST_OK;
}

status cli_group_list(struct cli *c)
{
	static const struct cli_column columns[] = {{"name", "GROUP"},
		{"postoffice", "POST OFFICE"}, {"members", "MEMBERS", SHOW_NUMBER},
		{"posting", "MAY POST"}, {"title", "TITLE"}, {NULL}};
	json_t *rows = json_array();
	status kind = cli_each_postoffice(c, cli_text(c, "--postoffice"), add_rows, rows);

	if (kind == ST_OK)
		return cli_rows(
			c, rows, columns, "There is no group; add one by `pennypost group add`");
	json_decref(rows);
	return kind;
}

status cli_group_show(struct cli *c)
{
	return show(c, cli_text(c, "GROUP"));
}

status cli_group_set(struct cli *c)
{
	slice written = cli_text(c, "GROUP"), why = S("");
	group *g;

	TRY(find(c, written, &g));
	g->posting = posting_of(c, g->posting);
	if (cli_has(c, "--title"))
		g->title = cli_text(c, "--title");
	TRY(refused(c, group_change(g, &c->by, &c->a, &why), written, why));
	return show(c, written);
}

status cli_group_remove(struct cli *c)
{
	slice written = cli_text(c, "GROUP");
	group *g;

	TRY(cli_sure(c, "removes the group with its addresses"));
	TRY(find(c, written, &g));
	TRY(group_remove(g->postoffice, g->id, &c->by));
	return cli_did(c, json_pack("{s:o}", "removed", json_slice(written)),
		"The group %.*s is removed", SLICE_ARGS(written));
}

/* ---- members */

static status members_change(struct cli *c, const group *g)
{
	slice *fresh = arena_new_array(&c->a, (size_t)c->given_count, sizeof *fresh), one,
	      why = S("");
	int n = 0, added;

	for (; cli_each(c, "--add", n, &one); fresh[n++] = one)
		TRY(cli_is_address(c, one));
	if (n > 0)
		TRY(refused(c,
			group_members_add(
				g->postoffice, g->id, fresh, n, &c->by, &c->a, &added, &why),
			g->name, why));
	for (int i = 0; cli_each(c, "--remove", i, &one); i++) {
		status kind = group_member_remove(g->postoffice, g->id, one, &c->by);
		if (kind == ST_ABSENT)
			return cli_fail(c, kind, "`pennypost group members` shows those there are",
				"%.*s is no member of the group", SLICE_ARGS(one));
		TRY(kind);
	}
	return ST_OK;
}

/* Of those that were added just now: a member may be an address that is made later. */
static status note_dead(struct cli *c, const group *g, const group_member *m, json_t *row)
{
	slice one;
	mail_address added;
	bool dead = false;

	for (int i = 0; cli_each(c, "--add", i, &one); i++)
		if (mail_address_parse(one, &c->a, &added) == ST_OK &&
			slice_same(mail_address_key(&added, &c->a), m->key))
			TRY(cli_takes_no_mail(c, m->address, g->postoffice, &dead));
	if (dead)
		json_object_set_new(row, "beware", json_string("it takes no mail"));
	return ST_OK;
}

status cli_group_members(struct cli *c)
{
	struct cli_column columns[] = {{"address", "MEMBER"}, {"beware", NULL}, {NULL}};
	json_t *all = json_array();
	slice after = S("");
	group *g;
	status kind = find(c, cli_text(c, "GROUP"), &g);

	if (kind == ST_OK)
		kind = members_change(c, g);
	for (int n = PAGE; kind == ST_OK && n == PAGE;) {
		group_member *rows;
		kind = group_members(g->postoffice, g->id, after, PAGE, &c->a, &rows, &n);
		for (int i = 0; kind == ST_OK && i < n; i++) {
			json_t *row = json_pack("{s:o}", "address", json_slice(rows[i].address));
			json_array_append_new(all, row);
			kind = note_dead(c, g, &rows[i], row);
		}
		if (kind == ST_OK && n > 0)
			after = rows[n - 1].key;
	}
	if (cli_have(all, "beware"))
		columns[1].title = "BEWARE";
	if (kind == ST_OK)
		return cli_rows(c, all, columns, "The group has no member; add one by --add");
	json_decref(all);
	return kind;
}

/* One address a line, with or without angle brackets; what follows a comma, semicolon or tab, empty
   lines and those that begin with # are left out. */
static int lines_of(slice file, arena *a, slice **out, int **number)
{
	slice rest = file, line;
	int n = 0, room = 1, at = 0;

	for (size_t i = 0; i < file.size; i++)
		room += file.at[i] == '\n';
	*out = arena_new_array(a, (size_t)room, sizeof **out);
	*number = arena_new_array(a, (size_t)room, sizeof **number);
	while (n < room && slice_take(&rest, '\n', &line)) {
		at++;
		for (const char *end = ",;\t"; *end; end++)
			line = slice_until(line, slice_find(line, *end));
		line = slice_trim(line);
		if (line.size > 0 && line.at[line.size - 1] == '\r')
			line = slice_trim(slice_until(line, line.size - 1));
		if (line.size > 0 && line.at[0] != '#') {
			(*number)[n] = at;
			(*out)[n++] = line;
		}
	}
	return n;
}

static status file_read(struct cli *c, slice name, slice *out)
{
	FILE *f = slice_same(name, S("-")) ? c->in : fopen(arena_z(&c->a, name), "r");

	if (!f)
		return cli_fail(c, ST_INVALID,
			"name a file that can be read, or - for standard input",
			"%.*s cannot be read", SLICE_ARGS(name));
	status kind = cli_read_all(f, &c->a, out);
	if (f != c->in)
		fclose(f);
	return kind;
}

static status line_is_address(struct cli *c, slice line, int number)
{
	mail_address m;

	if (mail_address_parse(line, &c->a, &m) != ST_OK)
		return cli_fail(c, ST_INVALID,
			"write one address a line, such as anna@demo.test; nothing was added",
			"line %d: \"%.*s\" is no address", number,
			SLICE_ARGS(slice_until(line, 320)));
	status kind = cli_is_address(c, line);
	if (kind != ST_OK && c->sentence.size > 0)
		c->sentence = arena_format(&c->a, "line %d: %.*s", number, SLICE_ARGS(c->sentence));
	return kind;
}

status cli_group_import(struct cli *c)
{
	slice written = cli_text(c, "GROUP"), content = S(""), *lines, why = S("");
	int added = 0, *number;
	group *g;

	TRY(find(c, written, &g));
	TRY(file_read(c, cli_text(c, "FILE"), &content));
	int n = lines_of(content, &c->a, &lines, &number);
	for (int i = 0; i < n; i++)
		TRY(line_is_address(c, lines[i], number[i]));
	TRY(refused(c,
		group_members_add(g->postoffice, g->id, lines, n, &c->by, &c->a, &added, &why),
		written, why));
	return cli_did(c,
		json_pack("{s:o,s:i,s:i}", "group", json_slice(written), "read", n, "added", added),
		"%d of %d addresses are new members of the group %.*s", added, n,
		SLICE_ARGS(written));
}
