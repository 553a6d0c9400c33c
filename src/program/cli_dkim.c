/* pennypost dkim: keys by which domains sign, and the records to publish for them. */
#include "program/cli_find.h"
#include "program/cli_run.h"

#include "base/secret.h"
#include "mail/date.h"
#include "mail/dkim.h"
#include "net/dns.h"
#include "net/signature.h"
#include "provider/auth_secret.h"
#include "provider/dkim_key.h"
#include "task/task.h"

#include <string.h>
#include <sysexits.h>

#define LOOK_PATIENCE (5 * USEC_S) /* for the records of all keys that wait */

static const char *state_word(enum dkim_key_state s)
{
	static const char *const words[] = {"waits", "signs", "retired"};

	return words[s];
}

static json_t *facts_of(struct cli *c, const dkim_key *k)
{
	slice record = dkim_record_text(k->algorithm, k->public_key, false, &c->a), name = S("");

	dkim_record_name(k->selector, k->domain, &c->a, &name);
	return json_pack("{s:o,s:o,s:s,s:s,s:o,s:o,s:o,s:o,s:o}", "domain", json_slice(k->domain),
		"selector", json_slice(k->selector), "algorithm",
		k->algorithm == SIGNATURE_RSA_SHA256 ? "rsa" : "ed25519", "state",
		state_word(k->state), "made", json_time(k->made), "changed", json_time(k->changed),
		"name", json_slice(name), "record", json_slice(record), "zone",
		json_slice(dkim_record_zone(k->selector, k->domain, record, &c->a)));
}

static status show(struct cli *c, const dkim_key *k)
{
	static const struct cli_column columns[] = {{"domain", "domain"}, {"selector", "selector"},
		{"algorithm", "algorithm"}, {"state", "state"}, {"made", "made"},
		{"changed", "state since"}, {"name", "name of the record"},
		{"record", "TXT record"}, {"zone", "in a zone file"}, {NULL}};
	return cli_facts(c, facts_of(c, k), columns);
}

/* ---- finding */

static status find_key(struct cli *c, const domain *d, slice selector, dkim_key *out)
{
	dkim_key *rows;
	int n;

	TRY(dkim_key_list(d->postoffice, d->name, &c->a, &rows, &n));
	for (int i = 0; i < n; i++) {
		if (slice_same_nocase(rows[i].selector, selector)) {
			*out = rows[i];
			return ST_OK;
		}
	}
	return cli_fail(c, ST_ABSENT, "`pennypost dkim list` shows those there are",
		"the domain %.*s has no key under the selector \"%.*s\"", SLICE_ARGS(d->name),
		SLICE_ARGS(selector));
}

static status add_rows(struct cli *c, const postoffice *p, void *arg)
{
	dkim_key *rows;
	int n;

	TRY(dkim_key_list(p->id, S(""), &c->a, &rows, &n));
	for (int i = 0; i < n; i++)
		json_array_append_new(arg, facts_of(c, &rows[i]));
	return ST_OK;
}

status cli_dkim_list(struct cli *c)
{
	static const struct cli_column columns[] = {{"domain", "DOMAIN"}, {"selector", "SELECTOR"},
		{"algorithm", "ALGORITHM"}, {"state", "STATE"}, {"changed", "SINCE"}, {NULL}};
	json_t *rows = json_array();
	status kind = cli_each_postoffice(c, cli_text(c, "--postoffice"), add_rows, rows);

	if (kind == ST_OK)
		return cli_rows(
			c, rows, columns, "No domain has a key; add one by `pennypost dkim add`");
	json_decref(rows);
	return kind;
}

status cli_dkim_show(struct cli *c)
{
	domain *d;
	dkim_key k = {0};

	TRY(cli_find_domain(c, cli_text(c, "DOMAIN"), &d));
	TRY(find_key(c, d, cli_text(c, "SELECTOR"), &k));
	return show(c, &k);
}

/* ---- changing */

/* "rsa-20260131": tells what it is and how old. */
static slice selector_of(struct cli *c, enum signature_algorithm algorithm)
{
	int year, month, day;

	if (cli_has(c, "--selector"))
		return cli_text(c, "--selector");
	date_civil(clock_wall() / USEC_S / 86400, &year, &month, &day);
	return arena_format(&c->a, "%s-%04d%02d%02d",
		algorithm == SIGNATURE_RSA_SHA256 ? "rsa" : "ed25519", year, month, day);
}

static status make_pair(struct cli *c, dkim_key *k)
{
	signature_key *pair;

	if (k->algorithm == SIGNATURE_ED25519_SHA256 && cli_has(c, "--bits"))
		return cli_misused(c, "leave it out", "--bits is for RSA keys");
	if (signature_key_make(k->algorithm, (unsigned)cli_number(c, "--bits", 0), &pair) != ST_OK)
		return cli_fail(c, ST_INVALID, "2048 is what others expect",
			"RSA keys have %d to %d bits", SIGNATURE_RSA_LEAST, SIGNATURE_RSA_MOST);
	k->public_key = signature_key_public(pair, &c->a);
	k->private_key = signature_key_text(pair, &c->a);
	signature_key_close(&pair);
	return ST_OK;
}

status cli_dkim_add(struct cli *c)
{
	domain *d;
	dkim_key k = {.algorithm = slice_same(cli_text(c, "--algorithm"), S("ed25519"))
					   ? SIGNATURE_ED25519_SHA256
					   : SIGNATURE_RSA_SHA256};
	slice why = S("");

	TRY(cli_find_domain(c, cli_text(c, "DOMAIN"), &d));
	k.postoffice = d->postoffice;
	k.domain = d->name;
	k.selector = selector_of(c, k.algorithm);
	TRY(make_pair(c, &k));
	status kind = dkim_key_add(&k, &c->by, &c->a, &why);
	secret_forget((void *)(uintptr_t)k.private_key.at, k.private_key.size);
	if (kind == ST_EXISTS)
		return cli_fail(c, kind, "choose another by --selector",
			"the domain %.*s has a key under the selector \"%.*s\"",
			SLICE_ARGS(k.domain), SLICE_ARGS(k.selector));
	if (kind == ST_INVALID)
		return cli_fail(c, kind,
			auth_secret_has_key()
				? "choose another by --selector"
				: "put back its copy; `pennypost schema secret` makes the first one",
			"the key cannot be kept: %.*s", SLICE_ARGS(why));
	TRY(kind);
	TRY(find_key(c, d, k.selector, &k));
	return show(c, &k);
}

static status not_opened(struct cli *c, const domain *d)
{
	cli_fail(c, ST_INVALID,
		"put back the copy of the secret file; where there is none, `pennypost dkim delete` its "
		"keys, then `pennypost schema secret` and `pennypost dkim add`",
		"the secret file %.*s does not open the keys of %.*s, and mail would go unsigned",
		SLICE_ARGS(c->boot.secret_file), SLICE_ARGS(d->name));
	c->code = EX_CONFIG;
	return ST_INVALID;
}

/* "yes", "no", "other" (the record is there and holds another key), "unknown" (the DNS does not
   say; without `ask` it cannot even be asked). */
static const char *is_published(struct cli *c, const lookup *ask, const dkim_key *k, slice *name)
{
	lookup_answer found;
	dkim_record r;

	dkim_record_name(k->selector, k->domain, &c->a, name);
	if (!ask)
		return "unknown";
	lookup_kind kind = lookup_ask(ask, LOOKUP_TXT, *name, &c->a, &found);
	for (size_t i = 0; i < found.count; i++)
		if (dkim_record_parse(found.row[i], &c->a, &r) == ST_OK &&
			r.algorithm == k->algorithm && slice_same(r.public_key, k->public_key))
			return "yes";
	return kind == LOOKUP_FOUND ? "other" : kind == LOOKUP_ABSENT ? "no" : "unknown";
}

/* The records of keys that wait, as the DNS has them now. `missed` is a sentence about the first
   that is not right, or empty. Without `ask` all that is known is that nobody could be asked. */
static void look_by(struct cli *c, const lookup *ask, const dkim_key *rows, int n, json_t *records,
	slice *missed)
{
	for (int i = 0; i < n; i++) {
		slice name = S("");

		if (rows[i].state != DKIM_KEY_WAITING)
			continue;
		const char *word = is_published(c, ask, &rows[i], &name);
		json_array_append_new(records,
			json_pack("{s:o,s:s}", "name", json_slice(name), "published", word));
		if (missed->size == 0 && strcmp(word, "yes") != 0)
			*missed = arena_format(&c->a, "%s %.*s",
				*word == 'n'   ? "there is no TXT record"
				: *word == 'o' ? "another key stands in the TXT record"
				: ask ? "the DNS does not say whether there is a TXT record"
				      : "no resolver can be had to ask for the TXT record",
				SLICE_ARGS(name));
	}
}

static status look_at_records(struct cli *c, const domain *d, json_t *records, slice *missed)
{
	usec before = task_deadline_now();
	dns *resolver = NULL;
	dkim_key *rows;
	int n;

	TRY(dkim_key_list(d->postoffice, d->name, &c->a, &rows, &n));
	status kind = cli_resolver_find(c, &resolver);
	if (kind == ST_INVALID && cli_has(c, "--dns"))
		return kind;
	if (kind == ST_OK) {
		lookup ask = dns_lookup(resolver);

		task_deadline(clock_now() + LOOK_PATIENCE);
		look_by(c, &ask, rows, n, records, missed);
		dns_close(&resolver);
		task_deadline(before);
	} else {
		look_by(c, NULL, rows, n, records, missed);
	}
	return ST_OK;
}

static status rotated(struct cli *c, const domain *d, json_t *records, slice missed)
{
	return cli_did(c,
		json_pack("{s:o,s:O}", "rotated", json_slice(d->name), "records", records),
		"Mail of %.*s is signed by the keys that waited; leave the records of retired ones for a week%s%.*s%s",
		SLICE_ARGS(d->name), missed.size ? ". Beware: " : "", SLICE_ARGS(missed),
		missed.size
			? ", and without it others do not believe what is signed; `pennypost dkim show` has it"
			: "");
}

static status rotate(struct cli *c, const domain *d, json_t *records)
{
	slice missed = S("");

	TRY(look_at_records(c, d, records, &missed));
	if (missed.size && cli_has(c, "--published"))
		return cli_fail(c, ST_ABSENT,
			"publish what `pennypost dkim show` has, or ask another server by --dns",
			"the keys of %.*s stay as they are: %.*s", SLICE_ARGS(d->name),
			SLICE_ARGS(missed));
	status kind = dkim_key_rotate(d->postoffice, d->name, &c->by);
	if (kind == ST_ABSENT)
		return cli_fail(c, kind, "`pennypost dkim add` makes one; publish its record first",
			"no key of the domain %.*s waits", SLICE_ARGS(d->name));
	if (kind == ST_INVALID)
		return not_opened(c, d);
	TRY(kind);
	return rotated(c, d, records, missed);
}

status cli_dkim_rotate(struct cli *c)
{
	domain *d;

	TRY(cli_find_domain(c, cli_text(c, "DOMAIN"), &d));
	json_t *records = json_array();
	status kind = rotate(c, d, records);
	json_decref(records);
	return kind;
}

status cli_dkim_delete(struct cli *c)
{
	domain *d;
	dkim_key k = {0};

	TRY(cli_sure(c, "deletes the private key"));
	TRY(cli_find_domain(c, cli_text(c, "DOMAIN"), &d));
	TRY(find_key(c, d, cli_text(c, "SELECTOR"), &k));
	TRY(dkim_key_remove(k.postoffice, k.domain, k.selector, &c->by));
	return cli_did(c,
		json_pack("{s:o,s:o}", "domain", json_slice(k.domain), "deleted",
			json_slice(k.selector)),
		"The key %.*s of %.*s is deleted; take its record out of the DNS",
		SLICE_ARGS(k.selector), SLICE_ARGS(k.domain));
}
