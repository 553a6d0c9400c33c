/* pennypost domain: domains of post offices, their states and targets. */
#include "program/cli_find.h"
#include "program/cli_run.h"

#include "mail/address.h"

static const char *state_word(enum domain_state s)
{
	return s == DOMAIN_ENABLED ? "enabled" : "disabled";
}

/* The name as people write it, where it is kept in another form. */
static json_t *shown_name(const domain *d)
{
	arena a = ARENA_INIT;
	slice canonical, shown;
	json_t *out = NULL;

	if (mail_domain_parse(d->name, &a, &canonical, &shown) == ST_OK &&
		!slice_same(shown, d->name))
		out = json_slice(shown);
	arena_release(&a);
	return out;
}

static json_t *facts_of(const domain *d, slice owner)
{
	json_t *shown = shown_name(d);
	json_t *facts = json_pack("{s:o,s:o,s:s,s:o,s:o,s:o,s:o}", "name", json_slice(d->name),
		"postoffice", json_slice(owner), "state", state_word(d->state), "abuse",
		json_slice(d->abuse), "postmaster", json_slice(d->postmaster), "catch_all",
		json_slice(d->catch_all), "stands_for", json_slice(d->stands_for));

	if (shown)
		json_object_set_new(facts, "shown", shown);
	return facts;
}

static const char show_tells[] = "`pennypost domain show` tells whose a domain is";

static const char *way_on(struct cli *c, const postoffice *p, slice name)
{
	domain *d;

	if (domain_find(name, &c->a, &d) != ST_OK || d->postoffice != p->id)
		return show_tells;
	return arena_format(&c->a,
		"it is a domain of %.*s already; `pennypost domain set %.*s --with-mailboxes` gives its mailboxes addresses there",
		SLICE_ARGS(p->name), SLICE_ARGS(name))
		.at;
}

status cli_domain_add(struct cli *c)
{
	postoffice *p;
	slice name = cli_text(c, "DOMAIN"), why = S("");
	TRY(cli_find_postoffice(c, cli_text(c, "--postoffice"), &p));
	status kind = domain_make(p->id, name, cli_has(c, "--with-mailboxes"), &c->by, &c->a, &why);
	if (kind == ST_EXISTS || kind == ST_INVALID)
		return cli_fail(c, kind, kind == ST_EXISTS ? way_on(c, p, name) : show_tells,
			"the domain %.*s cannot be added: %.*s", SLICE_ARGS(name), SLICE_ARGS(why));
	TRY(kind);
	return cli_did(c,
		json_pack(
			"{s:o,s:o}", "domain", json_slice(name), "postoffice", json_slice(p->name)),
		"The domain %.*s belongs to the post office %.*s", SLICE_ARGS(name),
		SLICE_ARGS(p->name));
}

status cli_domain_alias(struct cli *c)
{
	slice name = cli_text(c, "ALIAS"), why = S("");
	domain *d;

	TRY(cli_find_domain(c, cli_text(c, "DOMAIN"), &d));
	status kind = domain_alias(d->postoffice, name, d->name, &c->by, &c->a, &why);
	if (kind == ST_EXISTS || kind == ST_INVALID)
		return cli_fail(c, kind, "`pennypost domain show` tells whose a domain is",
			"the domain %.*s cannot be added: %.*s", SLICE_ARGS(name), SLICE_ARGS(why));
	TRY(kind);
	return cli_did(c,
		json_pack(
			"{s:o,s:o}", "domain", json_slice(name), "stands_for", json_slice(d->name)),
		"The domain %.*s stands for %.*s", SLICE_ARGS(name), SLICE_ARGS(d->name));
}

static status add_rows(struct cli *c, const postoffice *p, void *arg)
{
	domain *rows;
	int n;
	TRY(domain_list(p->id, &c->a, &rows, &n));
	for (int i = 0; i < n; i++)
		json_array_append_new(arg, facts_of(&rows[i], p->name));
	return ST_OK;
}

status cli_domain_list(struct cli *c)
{
	struct cli_column columns[] = {{"name", "DOMAIN"}, {"shown", NULL},
		{"postoffice", "POST OFFICE"}, {"state", "STATE"}, {"abuse", "ABUSE"},
		{"postmaster", "POSTMASTER"}, {"catch_all", "CATCH-ALL"},
		{"stands_for", "STANDS FOR"}, {NULL}};
	json_t *rows = json_array();
	status kind = cli_each_postoffice(c, cli_text(c, "--postoffice"), add_rows, rows);
	if (cli_have(rows, "shown"))
		columns[1].title = "FOR PEOPLE";
	if (kind == ST_OK)
		return cli_rows(
			c, rows, columns, "There is no domain; add one by `pennypost domain add`");
	json_decref(rows);
	return kind;
}

static status show(struct cli *c, const domain *d)
{
	static const struct cli_column columns[] = {{"name", "domain"}, {"shown", "for people"},
		{"postoffice", "post office"}, {"state", "state"}, {"abuse", "abuse@ goes to"},
		{"postmaster", "postmaster@ goes to"}, {"catch_all", "catch-all"},
		{"stands_for", "stands for"}, {NULL}};
	return cli_facts(c, facts_of(d, cli_postoffice_name(c, d->postoffice)), columns);
}

status cli_domain_show(struct cli *c)
{
	domain *d;
	TRY(cli_find_domain(c, cli_text(c, "DOMAIN"), &d));
	return show(c, d);
}

/* A mailbox of the domain's post office may be written as everywhere else, with the post office
   behind it. */
static slice target_of(struct cli *c, const domain *d, const char *option)
{
	slice written = cli_text(c, option), name, realm;
	domain *other;

	cli_split(written, &name, &realm);
	return realm.size > 0 && slice_same(realm, cli_postoffice_name(c, d->postoffice)) &&
			       domain_find(realm, &c->a, &other) != ST_OK
		       ? name
		       : written;
}

static bool changes_told(struct cli *c)
{
	return cli_has(c, "--abuse") || cli_has(c, "--postmaster") || cli_has(c, "--catch-all") ||
	       cli_has(c, "--enable") || cli_has(c, "--disable");
}

static status change_as_told(struct cli *c, domain *d)
{
	slice why = S("");
	if (cli_has(c, "--abuse"))
		d->abuse = target_of(c, d, "--abuse");
	if (cli_has(c, "--postmaster"))
		d->postmaster = target_of(c, d, "--postmaster");
	if (cli_has(c, "--catch-all"))
		d->catch_all = target_of(c, d, "--catch-all");
	if (cli_has(c, "--enable") || cli_has(c, "--disable"))
		d->state = cli_has(c, "--enable") ? DOMAIN_ENABLED : DOMAIN_DISABLED;
	status kind = domain_change(d, &c->by, &c->a, &why);
	return kind == ST_INVALID
		       ? cli_fail(c, kind,
				 "targets are mailboxes or addresses of the same post office",
				 "the domain cannot be changed so: %.*s", SLICE_ARGS(why))
		       : kind;
}

status cli_domain_set(struct cli *c)
{
	domain *d;
	slice why = S("");
	bool fills = cli_has(c, "--with-mailboxes");
	if (cli_has(c, "--enable") && cli_has(c, "--disable"))
		return cli_misused(
			c, "give one of them", "--enable and --disable do not go together");
	TRY(cli_find_domain(c, cli_text(c, "DOMAIN"), &d));
	if (fills && d->stands_for.size > 0)
		return cli_fail(c, ST_INVALID, "give the addresses in that domain",
			"its mailboxes get no addresses in it: it stands for %.*s, whose addresses it has",
			SLICE_ARGS(d->stands_for));
	if (!fills || changes_told(c))
		TRY(change_as_told(c, d));
	status kind = fills ? domain_fill(d->postoffice, d->name, &c->by, &c->a, &why) : ST_OK;
	if (kind == ST_INVALID)
		return cli_fail(c, kind, "give the addresses in that domain",
			"its mailboxes get no addresses in it: %.*s", SLICE_ARGS(why));
	TRY(kind);
	TRY(cli_find_domain(c, cli_text(c, "DOMAIN"), &d));
	return show(c, d);
}

status cli_domain_remove(struct cli *c)
{
	domain *d;
	TRY(cli_sure(c, "removes the domain with its addresses"));
	TRY(cli_find_domain(c, cli_text(c, "DOMAIN"), &d));
	TRY(domain_remove(d->postoffice, d->name, &c->by));
	return cli_did(c, json_pack("{s:o}", "removed", json_slice(d->name)),
		"The domain %.*s is removed", SLICE_ARGS(d->name));
}
