/* See the header. */
#include "program/cli_find.h"

#include "base/random.h"
#include "mail/address.h"
#include "provider/address_map.h"
#include "provider/change.h"
#include "provider/group.h"
#include "provider/resolve.h"
#include "provider/setting.h"

#include <assert.h>

enum { PAGE = 500 };

status cli_find_postoffice(struct cli *c, slice name, postoffice **out)
{
	status kind = postoffice_find(name, &c->a, out);
	domain *d;
	if (kind == ST_ABSENT && domain_find(name, &c->a, &d) == ST_OK)
		return cli_fail(c, kind,
			arena_format(&c->a, "it is a domain of the post office %.*s",
				SLICE_ARGS(cli_postoffice_name(c, d->postoffice)))
				.at,
			"there is no post office \"%.*s\"", SLICE_ARGS(name));
	if (kind == ST_ABSENT)
		return cli_fail(c, kind, "`pennypost postoffice list` shows those there are",
			"there is no post office \"%.*s\"", SLICE_ARGS(name));
	return kind;
}

static status no_mailbox(struct cli *c, slice written, slice owner)
{
	return cli_fail(c, ST_ABSENT,
		arena_format(&c->a,
			"`pennypost mailbox list --postoffice %.*s` shows those there are",
			SLICE_ARGS(owner))
			.at,
		"there is no mailbox \"%.*s\"", SLICE_ARGS(written));
}

/* By an address of it, as people write it on envelopes and log on. */
static status find_by_address(struct cli *c, slice written, const domain *d, mailbox **out)
{
	mail_address m;
	struct route r = {0};
	status kind = mail_address_parse(written, &c->a, &m);
	if (kind == ST_OK)
		kind = address_resolve(m.local, m.domain, 0, &c->a, &r);
	/* A full or disabled mailbox is one all the same, but who fell to the catch-all has
	   none. */
	bool led = kind == ST_OK || kind == ST_FULL;
	if (led && !r.caught)
		return mailbox_by_id(r.postoffice, r.mailbox, &c->a, out);
	slice name, realm;
	cli_split(written, &name, &realm);
	if (kind == ST_DENIED && mailbox_find(d->postoffice, name, &c->a, out) == ST_OK)
		return ST_OK;
	if (kind == ST_BUSY)
		return kind;
	return no_mailbox(c, written, cli_postoffice_name(c, d->postoffice));
}

status cli_find_mailbox(struct cli *c, slice written, mailbox **out)
{
	slice name, realm;
	postoffice *p;
	domain *d;
	cli_split(written, &name, &realm);
	status kind = postoffice_find(realm, &c->a, &p);
	if (kind == ST_ABSENT && domain_find(realm, &c->a, &d) == ST_OK)
		return find_by_address(c, written, d, out);
	if (kind == ST_ABSENT)
		return cli_find_postoffice(c, realm, &p);
	TRY(kind);
	kind = mailbox_find(p->id, name, &c->a, out);
	return kind == ST_ABSENT ? no_mailbox(c, written, realm) : kind;
}

status cli_find_scope(struct cli *c, int64_t *office, int64_t *box)
{
	postoffice *p = NULL;
	mailbox *m = NULL;

	*office = 0;
	if (box)
		*box = 0;
	if (box && cli_has(c, "--mailbox")) {
		TRY(cli_find_mailbox(c, cli_text(c, "--mailbox"), &m));
		assert(m);
		*office = m->postoffice;
		*box = m->id;
	} else if (cli_has(c, "--postoffice")) {
		TRY(cli_find_postoffice(c, cli_text(c, "--postoffice"), &p));
		assert(p);
		*office = p->id;
	}
	return ST_OK;
}

struct audit_note cli_note(struct cli *c, const char *action, slice object)
{
	struct change_fact *facts = arena_new_array(&c->a, (size_t)c->given_count, sizeof *facts);
	int n = 0;

	for (int i = 0; i < c->given_count; i++) {
		const struct cli_given *g = &c->given[i];
		slice name = slice_z(g->parameter->name);

		if (g->parameter->kind == CLI_SECRET || slice_same(name, S("--yes")) ||
			slice_same(name, S("MAILBOX")))
			continue;
		while (slice_starts(name, S("-")))
			name = slice_from(name, 1);
		facts[n++] = (struct change_fact){.name = name.at,
			.value = g->parameter->kind == CLI_FLAG ? S("yes") : g->text};
	}
	return (struct audit_note){.by = &c->by,
		.action = action,
		.object = object,
		.detail = n > 0 ? change_detail(&c->a, facts, n) : S("")};
}

status cli_audit(struct cli *c, int64_t postoffice, const char *action, slice object)
{
	const struct audit_note note = cli_note(c, action, object);

	return audit_order(postoffice, &note);
}

status cli_most(struct cli *c, unsigned by_default, unsigned *most)
{
	int64_t given = cli_number(c, "--most", by_default);

	if (given < 1 || given > INT32_MAX)
		return cli_fail(
			c, ST_INVALID, "give a number of 1 or more", "--most is out of range");
	*most = (unsigned)given;
	return ST_OK;
}

status cli_find_domain(struct cli *c, slice name, domain **out)
{
	status kind = domain_find(name, &c->a, out);
	if (kind == ST_ABSENT)
		return cli_fail(c, kind, "`pennypost domain list` shows those there are",
			"there is no domain \"%.*s\"", SLICE_ARGS(name));
	return kind;
}

status cli_is_address(struct cli *c, slice written)
{
	slice name, realm;
	postoffice *p;
	domain *d;
	mailbox *m;
	group *g;
	cli_split(written, &name, &realm);
	/* A list of many members is not to ask the store for each: a name with a dot is a
	   domain's. */
	if (slice_find(realm, '.') < realm.size || domain_find(realm, &c->a, &d) == ST_OK ||
		postoffice_find(realm, &c->a, &p) != ST_OK)
		return ST_OK;
	bool box = mailbox_find(p->id, name, &c->a, &m) == ST_OK;
	if (!box && group_find(p->id, name, &c->a, &g) != ST_OK)
		return ST_OK;
	return cli_fail(c, ST_INVALID,
		arena_format(&c->a, "give an address of it; `pennypost %s show %.*s` lists them",
			box ? "mailbox" : "group", SLICE_ARGS(written))
			.at,
		"%.*s names a %s and is no address", SLICE_ARGS(written),
		box ? "mailbox" : "group");
}

status cli_takes_no_mail(struct cli *c, slice address, int64_t postoffice, bool *out)
{
	mail_address m;
	struct resolution to;
	*out = false;
	if (mail_address_parse(address, &c->a, &m) != ST_OK)
		return ST_OK;
	status kind = resolve(m.local, m.domain, 0, NULL, &c->a, &to);
	bool refused = kind == ST_ABSENT || kind == ST_DENIED || kind == ST_LIMITED;
	*out = refused && (postoffice == 0 || to.route.postoffice == postoffice);
	return refused || kind == ST_FULL || kind == ST_FOREIGN ? ST_OK : kind;
}

slice cli_postoffice_name(struct cli *c, int64_t id)
{
	postoffice *p;
	if (id != 0 && postoffice_by_id(id, &c->a, &p) == ST_OK)
		return p->name;
	return S("-");
}

status cli_each_postoffice(struct cli *c, slice name,
	status (*each)(struct cli *c, const postoffice *p, void *arg), void *arg)
{
	if (name.size > 0) {
		postoffice *p;
		TRY(cli_find_postoffice(c, name, &p));
		return each(c, p, arg);
	}
	slice after = S("");
	for (int n = PAGE; n == PAGE;) {
		postoffice *rows;
		TRY(postoffice_list(after, PAGE, &c->a, &rows, &n));
		for (int i = 0; i < n; i++)
			TRY(each(c, &rows[i], arg));
		if (n > 0)
			after = rows[n - 1].name;
	}
	return ST_OK;
}

status cli_each_mailbox(struct cli *c, int64_t post,
	status (*each)(struct cli *c, const mailbox *m, void *arg), void *arg)
{
	slice after = S("");
	for (int n = PAGE; n == PAGE;) {
		mailbox *rows;
		TRY(mailbox_list(post, after, PAGE, &c->a, &rows, &n));
		for (int i = 0; i < n; i++)
			TRY(each(c, &rows[i], arg));
		if (n > 0)
			after = rows[n - 1].name;
	}
	return ST_OK;
}

slice cli_password(struct cli *c, const char *option, int64_t post, bool *made)
{
	*made = !cli_has(c, option);
	if (!*made)
		return cli_text(c, option);
	const struct setting_at at = {.postoffice = post};
	int64_t least = setting_number(S_auth_password_least, &at);
	return random_password(least > 8 ? (size_t)least : 0, &c->a);
}

/* Sentences about a password begin with it (auth_rule.c). */
const char *cli_new_remedy(slice why)
{
	return slice_starts(why, S("the password")) ? "give another password by --password"
	       : slice_starts(why, S("the quota"))  ? "give another size by --quota"
						    : "choose another name";
}

status cli_sure(struct cli *c, const char *what)
{
	if (cli_has(c, "--yes"))
		return ST_OK;
	return cli_misused(c, "add --yes if that is meant", "this %s", what);
}
