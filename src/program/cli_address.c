/* pennypost address: which addresses there are and what SMTP says to them. */
#include "program/cli_find.h"
#include "program/cli_run.h"

#include "mail/address.h"
#include "provider/address_map.h"

/* The address apart, and the domain it lies in. */
static status take_apart(struct cli *c, slice written, mail_address *m, domain **d)
{
	if (mail_address_parse(written, &c->a, m) != ST_OK)
		return ST_INVALID;
	return cli_find_domain(c, m->domain, d);
}

status cli_address_add(struct cli *c)
{
	slice written = cli_text(c, "ADDRESS"), why = S("");
	mailbox *m;
	TRY(cli_find_mailbox(c, cli_text(c, "MAILBOX"), &m));
	status kind = address_make(m->postoffice, written, m->id, &c->by, &c->a, &why);
	if (kind == ST_EXISTS || kind == ST_INVALID)
		return cli_fail(c, kind,
			"`pennypost domain list` shows its domains, `address list` its addresses",
			"%.*s cannot be added: %.*s", SLICE_ARGS(written), SLICE_ARGS(why));
	TRY(kind);
	return cli_did(c,
		json_pack("{s:o,s:o}", "address", json_slice(written), "mailbox",
			json_slice(cli_text(c, "MAILBOX"))),
		"%.*s leads to the mailbox %.*s", SLICE_ARGS(written),
		SLICE_ARGS(cli_text(c, "MAILBOX")));
}

struct listing {
	json_t *rows;
	int64_t mailbox; /* 0 = all */
};

static status add_rows(struct cli *c, const postoffice *p, void *arg)
{
	enum { PAGE = 500 };
	const struct listing *l = arg;
	slice after = S("");
	for (int n = PAGE; n == PAGE;) {
		address *found;
		TRY(address_list(p->id, l->mailbox, after, PAGE, &c->a, &found, &n));
		for (int i = 0; i < n; i++) {
			slice box = arena_format(&c->a, "%.*s@%.*s",
				SLICE_ARGS(found[i].mailbox_name), SLICE_ARGS(p->name));
			json_array_append_new(
				l->rows, json_pack("{s:o,s:o}", "address", json_slice(found[i].key),
						 "mailbox", json_slice(box)));
		}
		if (n > 0)
			after = found[n - 1].key;
	}
	return ST_OK;
}

status cli_address_list(struct cli *c)
{
	static const struct cli_column columns[] = {
		{"address", "ADDRESS"}, {"mailbox", "MAILBOX"}, {NULL}};
	slice name = cli_text(c, "--postoffice"), box;
	mailbox *m = NULL;
	if (cli_has(c, "--mailbox")) {
		TRY(cli_find_mailbox(c, cli_text(c, "--mailbox"), &m));
		cli_split(cli_text(c, "--mailbox"), &box, &name);
	}
	struct listing l = {.rows = json_array(), .mailbox = m ? m->id : 0};
	status kind = cli_each_postoffice(c, name, add_rows, &l);
	if (kind == ST_OK)
		return cli_rows(c, l.rows, columns,
			"There is no address; add one by `pennypost address add`");
	json_decref(l.rows);
	return kind;
}

status cli_address_remove(struct cli *c)
{
	slice written = cli_text(c, "ADDRESS");
	mail_address m;
	domain *d;
	TRY(take_apart(c, written, &m, &d));
	status kind = address_remove(d->postoffice, written, &c->by);
	if (kind == ST_ABSENT)
		return cli_fail(c, kind, "`pennypost address list` shows those there are",
			"there is no address %.*s", SLICE_ARGS(written));
	TRY(kind);
	return cli_did(c, json_pack("{s:o}", "removed", json_slice(written)),
		"The address %.*s is removed", SLICE_ARGS(written));
}

/* What SMTP answers to RCPT, by outcome. */
static const struct {
	status kind;
	const char *reply, *sentence;
} replies[] = {
	{ST_OK, "250 2.1.5", "is accepted"},
	{ST_ABSENT, "550 5.1.1", "is refused: there is no such recipient in this domain"},
	{ST_FOREIGN, "554 5.7.1", "is refused: its domain is not one of this system"},
	{ST_DENIED, "550 5.2.1", "is refused: its domain, post office or mailbox is disabled"},
	{ST_FULL, "452 4.2.2", "is put off: the mailbox is over its quota"},
};

status cli_address_resolve(struct cli *c)
{
	slice written = cli_text(c, "ADDRESS");
	mail_address m;
	struct route to;
	if (mail_address_parse(written, &c->a, &m) != ST_OK)
		return ST_INVALID;
	status kind = address_resolve(m.local, m.domain, 0, &c->a, &to);
	for (size_t i = 0; i < sizeof replies / sizeof *replies; i++) {
		if (kind != replies[i].kind)
			continue;
		json_t *facts = json_pack("{s:o,s:b,s:s,s:s}", "address", json_slice(written),
			"accepted", kind == ST_OK, "reply", replies[i].reply, "reason",
			status_name(kind));
		c->negative = kind != ST_OK;
		if (kind != ST_OK)
			return cli_did(c, facts, "%.*s %s (%s)", SLICE_ARGS(written),
				replies[i].sentence, replies[i].reply);
		slice box = arena_format(&c->a, "%.*s@%.*s", SLICE_ARGS(to.mailbox_name),
			SLICE_ARGS(to.postoffice_name));
		json_object_set_new(facts, "mailbox", json_slice(box));
		json_object_set_new(facts, "catch_all", json_boolean(to.caught));
		return cli_did(c, facts, "%.*s %s and leads to the mailbox %.*s%s (%s)",
			SLICE_ARGS(written), replies[i].sentence, SLICE_ARGS(box),
			to.caught ? " as catch-all" : "", replies[i].reply);
	}
	return kind;
}
