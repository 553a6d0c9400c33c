/* See the header. */
#include "program/cli_find.h"

#include "base/random.h"
#include "provider/setting.h"

enum { PAGE = 500 };

status cli_find_postoffice(struct cli *c, slice name, postoffice **out)
{
	status kind = postoffice_find(name, &c->a, out);
	if (kind == ST_ABSENT)
		return cli_fail(c, kind, "`pennypost postoffice list` shows those there are",
			"there is no post office \"%.*s\"", SLICE_ARGS(name));
	return kind;
}

status cli_find_mailbox(struct cli *c, slice written, mailbox **out)
{
	slice name, realm;
	postoffice *p;
	domain *d;
	cli_split(written, &name, &realm);
	status kind = postoffice_find(realm, &c->a, &p);
	if (kind == ST_ABSENT && domain_find(realm, &c->a, &d) == ST_OK) {
		slice owner = cli_postoffice_name(c, d->postoffice);
		return cli_fail(c, ST_ABSENT,
			arena_format(&c->a, "mailboxes are named by their post office: %.*s@%.*s",
				SLICE_ARGS(name), SLICE_ARGS(owner))
				.at,
			"%.*s is a domain of the post office %.*s", SLICE_ARGS(realm),
			SLICE_ARGS(owner));
	}
	if (kind == ST_ABSENT)
		return cli_find_postoffice(c, realm, &p);
	TRY(kind);
	kind = mailbox_find(p->id, name, &c->a, out);
	if (kind == ST_ABSENT)
		return cli_fail(c, kind,
			arena_format(&c->a,
				"`pennypost mailbox list --postoffice %.*s` shows those there are",
				SLICE_ARGS(realm))
				.at,
			"there is no mailbox \"%.*s\"", SLICE_ARGS(written));
	return kind;
}

status cli_find_domain(struct cli *c, slice name, domain **out)
{
	status kind = domain_find(name, &c->a, out);
	if (kind == ST_ABSENT)
		return cli_fail(c, kind, "`pennypost domain list` shows those there are",
			"there is no domain \"%.*s\"", SLICE_ARGS(name));
	return kind;
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

status cli_sure(struct cli *c, const char *what)
{
	if (cli_has(c, "--yes"))
		return ST_OK;
	return cli_misused(c, "add --yes if that is meant", "this %s", what);
}
