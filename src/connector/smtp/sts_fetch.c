#include "connector/smtp/sts_fetch.h"

#include "connector/smtp/web_host.h"
#include "provider/setting.h"
#include "task/task.h"

status sts_record(dns *d, slice domain, arena *a, slice *id)
{
	lookup ask = dns_lookup(d);
	lookup_answer found;
	slice name = arena_format(a, "_mta-sts.%.*s", SLICE_ARGS(domain));

	switch (lookup_ask(&ask, LOOKUP_TXT, name, a, &found)) {
	case LOOKUP_FOUND:
		return mta_sts_record(found.row, found.count, id);
	case LOOKUP_ABSENT:
		return ST_ABSENT;
	default:
		return task_cancelled() ? ST_CANCELLED : ST_BUSY;
	}
}

void sts_fetch_conf_set(struct sts_fetch_conf *c)
{
	*c = (struct sts_fetch_conf){.port = (uint16_t)setting_number(S_mta_sts_port, NULL),
		.patience = setting_number(S_mta_sts_patience, NULL),
		.most = (size_t)setting_number(S_mta_sts_size_most, NULL),
		.private_networks = setting_text(S_outbound_private_networks, NULL)};
}

/* ---- fetching */

static status failed(status kind, const char *trouble, const char *why, struct sts_fetched *out)
{
	out->trouble = slice_z(trouble);
	out->why = why;
	return kind;
}

static status not_got(status kind, struct sts_fetched *out)
{
	static const struct {
		status kind;
		const char *trouble, *why;
	} rows[] = {
		{ST_DENIED, "sts-webpki-invalid", "the certificate does not prove the policy host"},
		{ST_TOO_BIG, "sts-policy-fetch-error", "the policy is too long"},
		{ST_INVALID, "sts-policy-fetch-error",
			"the policy host does not answer as a web server does"},
		{ST_TIMED_OUT, "sts-policy-fetch-error", "the policy host takes too long"},
		{ST_CANCELLED, "sts-policy-fetch-error", "this system stops"},
		{ST_FOREIGN, "sts-policy-fetch-error", "the policy host has no public address"},
		{ST_ABSENT, "sts-policy-fetch-error", "the policy host has no address"},
		{ST_CLOSED, "sts-policy-fetch-error",
			"the policy host cannot be reached or broke off"},
	};
	size_t i = 0;

	while (i + 1 < sizeof rows / sizeof *rows && rows[i].kind != kind)
		i++;
	return failed(kind, rows[i].trouble, rows[i].why, out);
}

static status take_answer(const struct https_answer *got, arena *a, struct sts_fetched *out)
{
	if (got->code >= 300 && got->code < 400) /* RFC 8461 3.3 */
		return failed(ST_INVALID, "sts-policy-fetch-error",
			"the policy host leads elsewhere", out);
	if (got->code != 200)
		return failed(
			ST_INVALID, "sts-policy-fetch-error", "the policy host has no policy", out);
	if (!slice_same(got->type, S("text/plain")))
		return failed(ST_INVALID, "sts-policy-invalid",
			"what the policy host has is no plain text", out);
	if (mta_sts_policy_parse(got->body, a, &out->policy) != ST_OK)
		return failed(ST_INVALID, "sts-policy-invalid", "the policy cannot be read", out);
	out->text = got->body;
	return ST_OK;
}

status sts_fetch(
	dns *d, slice domain, const struct sts_fetch_conf *c, arena *a, struct sts_fetched *out)
{
	slice host = arena_format(a, "mta-sts.%.*s", SLICE_ARGS(domain));
	struct https_answer got = {0};
	struct https_ask q = {.host = host,
		.path = S("/.well-known/mta-sts.txt"),
		.most = c->most,
		.authorities = c->authorities};
	const struct web_host_ask ask = {&q, c->port, c->patience, c->private_networks, https_get};

	*out = (struct sts_fetched){0};
	status kind = web_host_ask(d, &ask, a, &got);
	return kind == ST_OK ? take_answer(&got, a, out) : not_got(kind, out);
}
