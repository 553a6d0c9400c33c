/* pennypost mta-sts, and test mta-sts: what other domains ask of those who send them mail (RFC
   8461). */
#include "program/cli_find.h"
#include "program/cli_run.h"

#include "connector/smtp/sts_fetch.h"
#include "mail/mta_sts.h"
#include "provider/sts_policy.h"

/* ---- test */

static json_t *patterns(const mta_sts_policy *p)
{
	json_t *list = json_array();

	for (int i = 0; i < p->mx_count; i++)
		json_array_append_new(list, json_pack("{s:o}", "mx", json_slice(p->mx[i])));
	return list;
}

static status show_policy(struct cli *c, slice id, const struct sts_fetched *got)
{
	static const struct cli_column columns[] = {{"mx", "EXCHANGERS"}, {NULL}};
	const char *mode = mta_sts_mode_name(got->policy.mode);
	json_t *rows = patterns(&got->policy);
	status kind = cli_did(c,
		json_pack("{s:s,s:o,s:I,s:O,s:o}", "result", mode, "id", json_slice(id), "max_age",
			(json_int_t)got->policy.max_age, "mx", rows, "policy",
			json_slice(got->text)),
		"%s (id %.*s, good for %llu s)", mode, SLICE_ARGS(id),
		(unsigned long long)got->policy.max_age);

	cli_below(c, "The hosts that may take its mail", rows, columns);
	json_decref(rows);
	return kind;
}

static status without_policy(struct cli *c, const char *result, const char *why)
{
	c->negative = true;
	return cli_did(
		c, json_pack("{s:s,s:s}", "result", result, "reason", why), "%s (%s)", result, why);
}

static status ask_domain(struct cli *c, dns *resolver, tls_client *authorities)
{
	struct sts_fetch_conf conf = STS_FETCH_INIT;
	struct sts_fetched got;
	slice domain = cli_text(c, "DOMAIN"), id;
	status kind = sts_record(resolver, domain, &c->a, &id);

	if (kind == ST_ABSENT)
		return without_policy(
			c, "absent", "the domain has no valid TXT record under _mta-sts");
	if (kind != ST_OK)
		return without_policy(c, "temperror", "DNS does not answer");
	conf.port = (uint16_t)cli_number(c, "--port", conf.port);
	conf.private_networks = S("0.0.0.0/0 ::/0"); /* who may type this may reach them anyway */
	conf.authorities = authorities;
	if (sts_fetch(resolver, domain, &conf, &c->a, &got) != ST_OK)
		return without_policy(c, arena_z(&c->a, got.trouble), got.why);
	return show_policy(c, id, &got);
}

status cli_test_mta_sts(struct cli *c)
{
	tls_client *authorities = NULL;
	dns *resolver;

	TRY(cli_resolver_open(c, &resolver));
	if (cli_has(c, "--ca") && tls_client_open(cli_text(c, "--ca").at, &authorities) != ST_OK) {
		dns_close(&resolver);
		return cli_fail(c, ST_INVALID, "give a PEM file of certificates",
			"--ca %.*s cannot be read", SLICE_ARGS(cli_text(c, "--ca")));
	}
	status kind = ask_domain(c, resolver, authorities);
	tls_client_close(&authorities);
	dns_close(&resolver);
	return kind;
}

/* ---- what is kept */

static const char *state_of(const struct sts_policy *p, arena *a)
{
	mta_sts_policy policy;

	if (p->id.size == 0)
		return "missing";
	if (p->expired)
		return "expired";
	return mta_sts_policy_parse(p->text, a, &policy) == ST_OK ? mta_sts_mode_name(policy.mode)
								  : "broken";
}

status cli_mta_sts_list(struct cli *c)
{
	static const struct cli_column columns[] = {{"domain", "DOMAIN"}, {"mode", "MODE"},
		{"id", "ID"}, {"fetched", "FETCHED"}, {"expires", "COUNTS UNTIL"},
		{"trouble", "LAST FAILURE"}, {"tried", "AT"}, {NULL}};
	struct sts_policy *rows;
	unsigned most;
	int n;

	TRY(cli_most(c, 1000, &most));
	TRY(sts_policy_list(cli_text(c, "--domain"), most, &c->a, &rows, &n));
	json_t *list = json_array();
	for (int i = 0; i < n; i++)
		json_array_append_new(list,
			json_pack("{s:o,s:s,s:o,s:o,s:o,s:o,s:o,s:o}", "domain",
				json_slice(rows[i].domain), "mode", state_of(&rows[i], &c->a), "id",
				json_slice(rows[i].id), "fetched", json_time(rows[i].fetched),
				"expires", json_time(rows[i].expires), "trouble",
				json_slice(rows[i].trouble), "tried", json_time(rows[i].tried),
				"policy", json_slice(rows[i].text)));
	return cli_rows(c, list, columns, "No policy of another domain is kept");
}

status cli_mta_sts_forget(struct cli *c)
{
	int64_t forgotten = 0;

	if (cli_has(c, "DOMAIN") == cli_has(c, "--all"))
		return cli_misused(c, "for example: pennypost mta-sts forget example.org",
			"name a domain, or --all for all of them");
	TRY(sts_policy_forget(cli_text(c, "DOMAIN"), &c->by, &forgotten));
	c->negative = forgotten == 0;
	return cli_did(c, json_pack("{s:I}", "forgotten", (json_int_t)forgotten),
		"%lld domains are forgotten", (long long)forgotten);
}
