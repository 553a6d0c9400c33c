/* pennypost address: which addresses there are and what SMTP says to them. */
#include "program/cli_find.h"
#include "program/cli_run.h"

#include "mail/address.h"
#include "provider/address_map.h"
#include "provider/group.h"
#include "provider/internal.h"
#include "provider/redirection.h"
#include "provider/resolve.h"

/* The address apart, and the domain it lies in. */
static status take_apart(struct cli *c, slice written, mail_address *m, domain **d)
{
	if (mail_address_parse(written, &c->a, m) != ST_OK)
		return ST_INVALID;
	return cli_find_domain(c, m->domain, d);
}

static status added(struct cli *c, status kind, slice written, slice target, slice why)
{
	if (kind == ST_EXISTS)
		return cli_fail(c, kind,
			arena_format(&c->a, "`pennypost address resolve %.*s` tells where it leads",
				SLICE_ARGS(written))
				.at,
			"%.*s cannot be added: %.*s", SLICE_ARGS(written), SLICE_ARGS(why));
	if (kind == ST_INVALID || kind == ST_LIMITED)
		return cli_fail(c, ST_INVALID,
			"`pennypost domain list` shows its domains, `address list` its addresses",
			"%.*s cannot be added: %.*s", SLICE_ARGS(written), SLICE_ARGS(why));
	TRY(kind);
	return cli_did(c,
		json_pack("{s:o,s:o}", "address", json_slice(written), "leads_to",
			json_slice(target)),
		"%.*s leads to %.*s", SLICE_ARGS(written), SLICE_ARGS(target));
}

/* A target as the map keeps it: NAME@POSTOFFICE is [SF:POSTOFFICE/NAME]. */
static slice internal_of(slice target, arena *a)
{
	slice name, owner;

	if (slice_starts(target, S("[")) || slice_find(target, '@') == target.size)
		return target;
	cli_split(target, &name, &owner);
	return arena_format(a, "[SF:%.*s/%.*s]", SLICE_ARGS(owner), SLICE_ARGS(name));
}

static status add_mask(struct cli *c, slice written, slice target)
{
	mail_address m;
	domain *d;
	slice why = S("");

	TRY(take_apart(c, written, &m, &d));
	return added(c,
		address_mask_set(d->postoffice, written, internal_of(target, &c->a),
			cli_number(c, "--place", -1), &c->by, &c->a, &why),
		written, target, why);
}

/* ST_ABSENT: it names no group. */
static status find_group(struct cli *c, slice target, group **out)
{
	slice name, owner;
	postoffice *p;

	cli_split(target, &name, &owner);
	TRY(postoffice_find(owner, &c->a, &p));
	if (mailbox_find(p->id, name, &c->a, &(mailbox *){NULL}) == ST_OK)
		return ST_ABSENT;
	return group_find(p->id, name, &c->a, out);
}

/* NAME@DOMAIN of another system, where a mailbox or group is meant to stand. */
static status elsewhere(struct cli *c, slice target)
{
	slice name, realm;
	mail_address m;
	postoffice *p;
	domain *d;

	cli_split(target, &name, &realm);
	if (slice_find(realm, '.') == realm.size ||
		postoffice_find(realm, &c->a, &p) != ST_ABSENT ||
		domain_find(realm, &c->a, &d) != ST_ABSENT ||
		mail_address_parse(target, &c->a, &m) != ST_OK)
		return ST_OK;
	return cli_fail(c, ST_ABSENT,
		arena_format(&c->a, "an address at another system is written [SMTP:%.*s]",
			SLICE_ARGS(target))
			.at,
		"there is no post office and no domain \"%.*s\"", SLICE_ARGS(realm));
}

status cli_address_add(struct cli *c)
{
	slice written = cli_text(c, "ADDRESS"), target = cli_text(c, "TARGET"), why = S("");
	mailbox *m;
	group *g;
	if (internal_is_mask(slice_until(written, slice_find(written, '@'))) ||
		slice_starts(target, S("[")))
		return add_mask(c, written, target);
	if (cli_has(c, "--place"))
		return cli_misused(c, "put * or ? into the address", "--place is for masks");
	status kind = find_group(c, target, &g);
	if (kind == ST_OK)
		return added(c,
			address_make_group(g->postoffice, written, g->id, &c->by, &c->a, &why),
			written, target, why);
	if (kind != ST_ABSENT)
		return kind;
	TRY(elsewhere(c, target));
	TRY(cli_find_mailbox(c, target, &m));
	return added(c, address_make(m->postoffice, written, m->id, &c->by, &c->a, &why), written,
		target, why);
}

struct listing {
	json_t *rows;
	int64_t mailbox; /* 0 = all */
};

/* A target of the map as it is given on the command line: the way back of internal_of(). */
static slice named(struct cli *c, slice target)
{
	struct internal to;
	slice why;

	if (internal_parse(target, &c->a, &to, &why) != ST_OK || to.smtp.size > 0)
		return target;
	return arena_format(&c->a, "%.*s@%.*s", SLICE_ARGS(to.name), SLICE_ARGS(to.postoffice));
}

/* An address as people write it, where its domain is kept in another form. */
static void note_shown(struct cli *c, json_t *one, slice key)
{
	size_t at = slice_find_last(key, '@');
	slice domain = slice_from(key, at + 1), canonical, shown;

	if (mail_domain_parse(domain, &c->a, &canonical, &shown) == ST_OK &&
		!slice_same(shown, domain))
		json_object_set_new(one, "shown",
			json_slice(arena_format(&c->a, "%.*s@%.*s",
				SLICE_ARGS(slice_until(key, at)), SLICE_ARGS(shown))));
}

static status add_masks(struct cli *c, const postoffice *p, json_t *rows)
{
	address_mask *found;
	int n;

	TRY(address_mask_list(p->id, S(""), &c->a, &found, &n));
	for (int i = 0; i < n; i++) {
		json_t *one = json_pack("{s:o,s:o,s:o,s:I}", "address", json_slice(found[i].mask),
			"leads_to", json_slice(named(c, found[i].target)), "target",
			json_slice(found[i].target), "place", (json_int_t)found[i].place);

		note_shown(c, one, found[i].mask);
		json_array_append_new(rows, one);
	}
	return ST_OK;
}

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
			json_t *one = json_pack("{s:o,s:o,s:o}", "address",
				json_slice(found[i].key), "leads_to", json_slice(box),
				found[i].group ? "group" : "mailbox", json_slice(box));
			note_shown(c, one, found[i].key);
			json_array_append_new(l->rows, one);
		}
		if (n > 0)
			after = found[n - 1].key;
	}
	return l->mailbox ? ST_OK : add_masks(c, p, l->rows);
}

status cli_address_list(struct cli *c)
{
	struct cli_column columns[] = {{"address", "ADDRESS"}, {"leads_to", "LEADS TO"},
		{"place", "PLACE"}, {"shown", NULL}, {NULL}};
	slice name = cli_text(c, "--postoffice"), box;
	mailbox *m = NULL;
	if (cli_has(c, "--mailbox")) {
		TRY(cli_find_mailbox(c, cli_text(c, "--mailbox"), &m));
		cli_split(cli_text(c, "--mailbox"), &box, &name);
	}
	struct listing l = {.rows = json_array(), .mailbox = m ? m->id : 0};
	status kind = cli_each_postoffice(c, name, add_rows, &l);
	if (cli_have(l.rows, "shown"))
		columns[3].title = "FOR PEOPLE";
	if (kind == ST_OK)
		return cli_rows(c, l.rows, columns,
			"There is no address; add one by `pennypost address add`");
	json_decref(l.rows);
	return kind;
}

/* Of which the address was what postmaster@ or abuse@ leads to. */
static bool answers_by(const domain *d, slice domain_name, slice local, slice address)
{
	bool itself = slice_same(local, S("postmaster")) || slice_same(local, S("abuse"));

	return d->state == DOMAIN_ENABLED && d->stands_for.size == 0 &&
	       ((itself && slice_same(d->name, domain_name)) ||
		       slice_same_nocase(d->postmaster, address) ||
		       slice_same_nocase(d->abuse, address));
}

/* Mail for postmaster@ is to be taken (RFC 5321 4.5.1), that for abuse@ as well (RFC 2142 2). */
static status duty_told(struct cli *c, slice word, slice domain_name, json_t *lost, slice *told)
{
	slice duty = arena_format(&c->a, "%.*s@%.*s", SLICE_ARGS(word), SLICE_ARGS(domain_name));
	bool none;

	TRY(cli_takes_no_mail(c, duty, 0, &none));
	if (!none)
		return ST_OK;
	json_array_append_new(lost, json_slice(duty));
	*told = arena_format(&c->a,
		"%.*s. Beware: no mail is taken for %.*s now; lead it to a mailbox by `pennypost domain set %.*s --%.*s NAME`",
		SLICE_ARGS(*told), SLICE_ARGS(duty), SLICE_ARGS(domain_name), SLICE_ARGS(word));
	return ST_OK;
}

static status duties_lost(
	struct cli *c, const domain *of, const mail_address *m, json_t *lost, slice *told)
{
	slice local = mail_local_key(m->local, &c->a), address = mail_address_text(m, &c->a);
	domain *d;
	int n;

	TRY(domain_list(of->postoffice, &c->a, &d, &n));
	for (int i = 0; i < n; i++) {
		if (!answers_by(&d[i], of->name, local, address))
			continue;
		TRY(duty_told(c, S("postmaster"), d[i].name, lost, told));
		TRY(duty_told(c, S("abuse"), d[i].name, lost, told));
	}
	return ST_OK;
}

status cli_address_remove(struct cli *c)
{
	slice written = cli_text(c, "ADDRESS");
	mail_address m;
	domain *d;
	TRY(take_apart(c, written, &m, &d));
	status kind = address_remove(d->postoffice, written, &c->by);
	if (kind == ST_ABSENT)
		kind = address_mask_remove(d->postoffice, written, &c->by);
	if (kind == ST_ABSENT)
		return cli_fail(c, kind, "`pennypost address list` shows those there are",
			"there is no address %.*s", SLICE_ARGS(written));
	TRY(kind);
	json_t *lost = json_array();
	slice told = S("");
	if (duties_lost(c, d, &m, lost, &told) != ST_OK) { /* the removal stands all the same */
		json_decref(lost);
		lost = json_null();
		told = S(
			". Whether postmaster@ and abuse@ still lead somewhere could not be looked at: `pennypost status` tells");
	}
	return cli_did(c,
		json_pack("{s:o,s:o}", "removed", json_slice(written), "takes_no_mail", lost),
		"The address %.*s is removed%.*s", SLICE_ARGS(written), SLICE_ARGS(told));
}

/* What SMTP answers to RCPT, by outcome. */
static const struct {
	status kind;
	const char *reply, *sentence;
} replies[] = {
	{ST_OK, "250 2.1.5", "is accepted"},
	{ST_ABSENT, "550 5.1.1", "is refused: there is no such recipient in this domain"},
	{ST_FOREIGN, "554 5.7.1", "is refused: its domain is not one of this system"},
	{ST_DENIED, "550 5.2.1", NULL}, /* disabled() */
	{ST_FULL, "452 4.2.2", "is put off: the mailbox is over its quota"},
	{ST_LIMITED, "550 5.2.4", "is refused: it leads to too many others, or in a circle"},
};

/* What of all above a recipient is disabled. */
static slice disabled(struct cli *c, slice domain_name, const struct resolution *to)
{
	postoffice *p;
	domain *d;

	if (postoffice_by_id(to->route.postoffice, &c->a, &p) == ST_OK &&
		p->state != POSTOFFICE_ENABLED)
		return arena_format(
			&c->a, "is refused: the post office %.*s is disabled", SLICE_ARGS(p->name));
	while (domain_find(domain_name, &c->a, &d) == ST_OK) {
		if (d->state != DOMAIN_ENABLED)
			return arena_format(&c->a, "is refused: the domain %.*s is disabled",
				SLICE_ARGS(d->name));
		if (d->stands_for.size == 0)
			break;
		domain_name = d->stands_for;
	}
	if (to->route.mailbox_name.size == 0)
		return S("is refused: nobody it leads to takes mail now");
	return arena_format(&c->a, "is refused: the mailbox %.*s@%.*s is disabled",
		SLICE_ARGS(to->route.mailbox_name), SLICE_ARGS(to->route.postoffice_name));
}

static slice sentence_of(
	struct cli *c, status kind, const char *usual, slice domain, const struct resolution *to)
{
	if (kind == ST_DENIED)
		return disabled(c, domain, to);
	if (kind == ST_ABSENT && to->n > 0)
		return S("is refused: none of those it leads to exists");
	if (kind == ST_ABSENT && to->route.group != 0)
		return S("is refused: its group has no members");
	return slice_z(usual);
}

/* Whom a group takes mail from, when that is not everybody; empty: it is. */
static slice only_from(json_t *facts, const struct resolution *to)
{
	if (to->route.postmaster || group_may_post(to, &(struct poster){0}))
		return S("");
	bool members = to->posting == GROUP_MEMBERS;
	json_object_set_new(facts, "only_from", json_string(members ? "members" : "postoffice"));
	return members ? S(" from its members only, others are told 550 5.7.1,")
		       : S(" from its post office only, others are told 550 5.7.1,");
}

/* Where the mailbox passes its mail on (A30, A31), as words behind a sentence; empty: it keeps it
   to itself. */
static status say_passing(struct cli *c, json_t *facts, const struct route *to, slice *words)
{
	redirection r = {0};
	text t = TEXT_INIT;

	*words = S("");
	if (!(to->handling & HANDLING_REDIRECT))
		return ST_OK;
	status kind = redirection_of(to->postoffice, to->mailbox, &c->a, &r);
	if (kind != ST_OK)
		return kind == ST_ABSENT ? ST_OK : kind;
	json_t *all = json_array(), *dead = json_array();
	json_object_set_new(facts, "passes_on", all);
	json_object_set_new(facts, "keeps_copy", json_boolean(r.keep));
	json_object_set_new(facts, "takes_no_mail", dead);
	text_add_z(&t,
		r.keep ? ", which keeps a copy and passes it on to" : ", which passes it on to");
	for (int i = 0; i < r.n && kind == ST_OK; i++) {
		bool refused;
		json_array_append_new(all, json_slice(r.targets[i]));
		kind = cli_takes_no_mail(c, r.targets[i], 0, &refused);
		text_format(&t, "%s %.*s%s", i ? "," : "", SLICE_ARGS(r.targets[i]),
			refused ? " (which takes no mail)" : "");
		if (refused)
			json_array_append_new(dead, json_slice(r.targets[i]));
	}
	*words = arena_copy(&c->a, text_slice(&t));
	text_free(&t);
	return kind;
}

/* Those a group, or an address that leads elsewhere, leads to. */
static status say_leads(struct cli *c, json_t *facts, slice written, const struct resolution *to)
{
	json_t *all = json_array();
	int outside = 0, without = 0;
	slice passing, only = only_from(facts, to);

	json_object_set_new(facts, "leads_to", all);

	for (int i = 0; i < to->n; i++) {
		const struct destination *d = &to->to[i];
		slice who = d->remote || d->route.mailbox_name.size == 0
				    ? d->address
				    : arena_format(&c->a, "%.*s@%.*s",
					      SLICE_ARGS(d->route.mailbox_name),
					      SLICE_ARGS(to->route.postoffice_name));

		outside += d->remote;
		without += d->kind != ST_OK;
		json_t *one = json_pack("{s:o,s:b,s:s}", d->remote ? "address" : "mailbox",
			json_slice(who), "accepted", d->kind == ST_OK, "reason",
			status_name(d->kind));
		json_array_append_new(all, one);
		TRY(say_passing(c, one, &d->route, &passing));
	}
	if (to->n == 1 && outside == 1)
		return cli_did(c, facts,
			"%.*s is accepted%.*s and leads to %.*s at another system (250 2.1.5)",
			SLICE_ARGS(written), SLICE_ARGS(only), SLICE_ARGS(to->to[0].address));
	slice others = outside ? arena_format(&c->a, ", %d at other systems", outside) : S("");
	slice none =
		without ? arena_format(&c->a, "; %d of them cannot have it now", without) : S("");
	return cli_did(c, facts,
		"%.*s is accepted%.*s and leads to %d recipient%s%.*s%.*s (250 2.1.5)",
		SLICE_ARGS(written), SLICE_ARGS(only), to->n, to->n == 1 ? "" : "s",
		SLICE_ARGS(others), SLICE_ARGS(none));
}

status cli_address_resolve(struct cli *c)
{
	slice written = cli_text(c, "ADDRESS");
	mail_address m;
	struct resolution to;
	slice passing;
	if (mail_address_parse(written, &c->a, &m) != ST_OK)
		return ST_INVALID;
	status kind = resolve(m.local, m.domain, 0, NULL, &c->a, &to);
	for (size_t i = 0; i < sizeof replies / sizeof *replies; i++) {
		if (kind != replies[i].kind)
			continue;
		json_t *facts = json_pack("{s:o,s:b,s:s,s:s}", "address", json_slice(written),
			"accepted", kind == ST_OK, "reply", replies[i].reply, "reason",
			status_name(kind));
		c->negative = kind != ST_OK;
		slice sentence = sentence_of(c, kind, replies[i].sentence, m.domain, &to);
		if (kind != ST_OK)
			return cli_did(c, facts, "%.*s %.*s (%s)", SLICE_ARGS(written),
				SLICE_ARGS(sentence), replies[i].reply);
		if (to.n > 0)
			return say_leads(c, facts, written, &to);
		slice box = arena_format(&c->a, "%.*s@%.*s", SLICE_ARGS(to.route.mailbox_name),
			SLICE_ARGS(to.route.postoffice_name));
		json_object_set_new(facts, "mailbox", json_slice(box));
		json_object_set_new(facts, "catch_all", json_boolean(to.route.caught));
		TRY(say_passing(c, facts, &to.route, &passing));
		return cli_did(c, facts, "%.*s %.*s and leads to the mailbox %.*s%s%.*s (%s)",
			SLICE_ARGS(written), SLICE_ARGS(sentence), SLICE_ARGS(box),
			to.route.caught ? " as catch-all" : "", SLICE_ARGS(passing),
			replies[i].reply);
	}
	return kind;
}
