/* pennypost postoffice: tenants. */
#include "program/cli_find.h"
#include "program/cli_run.h"

#include <inttypes.h>

static const char *state_word(enum postoffice_state s)
{
	return s == POSTOFFICE_ENABLED ? "enabled" : "disabled";
}

static json_t *facts_of(const postoffice *p)
{
	/* As text: many a reader of JSON keeps only 53 bits of a number. */
	return json_pack("{s:o,s:o,s:s,s:o,s:I,s:I,s:I}", "name", json_slice(p->name), "number",
		json_sprintf("%" PRId64, p->id), "state", state_word(p->state), "made",
		json_time(p->made), "mailboxes", (json_int_t)p->mailboxes, "domains",
		(json_int_t)p->domains, "bytes", (json_int_t)p->bytes);
}

status cli_postoffice_add(struct cli *c)
{
	bool made;
	slice name = cli_text(c, "POSTOFFICE"), password = cli_password(c, "--password", 0, &made);
	slice why = S("");
	postoffice *p;
	status kind = postoffice_make(name, password, &c->by, &c->a, &p, &why);
	if (kind == ST_EXISTS)
		return cli_fail(c, kind, "choose another name",
			"the post office %.*s exists already", SLICE_ARGS(name));
	if (kind == ST_INVALID)
		return cli_fail(c, kind, cli_new_remedy(why),
			"the post office cannot be made: %.*s", SLICE_ARGS(why));
	TRY(kind);
	json_t *facts = json_pack("{s:o,s:s+}", "postoffice", json_slice(p->name), "administrator",
		"postmaster@", arena_z(&c->a, p->name));
	if (!made)
		return cli_did(c, facts,
			"The post office %.*s is made, with the administrator mailbox postmaster",
			SLICE_ARGS(p->name));
	json_object_set_new(facts, "password", json_slice(password));
	return cli_did(c, facts,
		"The post office %.*s is made; the password of postmaster@%.*s is %.*s (shown only now)",
		SLICE_ARGS(p->name), SLICE_ARGS(p->name), SLICE_ARGS(password));
}

static status add_row(struct cli *c, const postoffice *p, void *arg)
{
	(void)c;
	return json_array_append_new(arg, facts_of(p)) == 0 ? ST_OK : ST_BROKEN;
}

status cli_postoffice_list(struct cli *c)
{
	static const struct cli_column columns[] = {{"name", "POST OFFICE"}, {"state", "STATE"},
		{"mailboxes", "MAILBOXES", SHOW_NUMBER}, {"domains", "DOMAINS", SHOW_NUMBER},
		{"bytes", "SIZE", SHOW_SIZE}, {"made", "MADE"}, {NULL}};
	json_t *rows = json_array();
	status kind = cli_each_postoffice(c, S(""), add_row, rows);
	if (kind == ST_OK)
		return cli_rows(c, rows, columns,
			"There is no post office yet; make one by `pennypost postoffice add`");
	json_decref(rows);
	return kind;
}

struct search {
	int64_t id;
	json_t *facts;
};

static status take_wanted(struct cli *c, const postoffice *p, void *arg)
{
	struct search *wanted = arg;
	(void)c;
	if (p->id == wanted->id)
		wanted->facts = facts_of(p);
	return ST_OK;
}

status cli_postoffice_show(struct cli *c)
{
	static const struct cli_column columns[] = {{"name", "post office"}, {"number", "number"},
		{"state", "state"}, {"mailboxes", "mailboxes"}, {"bytes", "size", SHOW_SIZE},
		{"domain_names", "domains"}, {"made", "made"}, {NULL}};
	postoffice *p;
	domain *rows;
	int n;
	TRY(cli_find_postoffice(c, cli_text(c, "POSTOFFICE"), &p));
	struct search wanted = {.id = p->id};
	TRY(domain_list(p->id, &c->a, &rows, &n));
	TRY(cli_each_postoffice(c, S(""), take_wanted, &wanted));
	if (!wanted.facts)
		return ST_ABSENT;
	json_t *names = json_array();
	for (int i = 0; i < n; i++)
		json_array_append_new(names, json_slice(rows[i].name));
	json_object_set_new(wanted.facts, "domain_names", names);
	return cli_facts(c, wanted.facts, columns);
}

static status set_state(struct cli *c, enum postoffice_state s)
{
	postoffice *p;
	TRY(cli_find_postoffice(c, cli_text(c, "POSTOFFICE"), &p));
	TRY(postoffice_set_state(p->id, s, &c->by));
	return cli_did(c,
		json_pack("{s:o,s:s}", "name", json_slice(p->name), "state", state_word(s)),
		"The post office %.*s is %s", SLICE_ARGS(p->name), state_word(s));
}

status cli_postoffice_enable(struct cli *c)
{
	return set_state(c, POSTOFFICE_ENABLED);
}

status cli_postoffice_disable(struct cli *c)
{
	return set_state(c, POSTOFFICE_DISABLED);
}

status cli_postoffice_remove(struct cli *c)
{
	postoffice *p;
	TRY(cli_sure(c, "removes the post office with all its domains, mailboxes and mail"));
	TRY(cli_find_postoffice(c, cli_text(c, "POSTOFFICE"), &p));
	TRY(postoffice_remove(p->id, &c->by));
	return cli_did(c, json_pack("{s:o}", "removed", json_slice(p->name)),
		"The post office %.*s is removed", SLICE_ARGS(p->name));
}
