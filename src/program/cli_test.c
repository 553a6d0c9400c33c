/* pennypost test spf, dkim, arc, dmarc: what this house would find about a client or a message. The
   first word of the answer is the result. Neither bootstrap file nor database is needed. */
#include "program/cli_answer.h"
#include "program/cli_run.h"

#include "base/fault.h"
#include "base/random.h"
#include "mail/arc.h"
#include "mail/dkim.h"
#include "mail/dmarc.h"
#include "mail/header.h"
#include "mail/spf.h"
#include "net/dns.h"
#include "net/signature.h"
#include "provider/setting.h"
#include "task/task.h"

/* RFC 7208 4.6.4 asks for at least 20 s. */
#define PATIENCE (30 * USEC_S)

static const char *words_or_none(const char *words)
{
	return words ? words : "";
}

/* ---- the resolver */

status cli_resolver_find(struct cli *c, dns **out)
{
	struct dns_conf conf = DNS_CONF_INIT;
	slice server = cli_text(c, "--dns");

	if (server.size == 0 && c->command->need == CLI_STORE)
		server = setting_text(S_dns_servers, NULL);
	if (slice_starts_nocase(server, S("localhost")))
		server = arena_format(&c->a, "127.0.0.1%.*s", SLICE_ARGS(slice_from(server, 9)));
	conf.servers = server;
	status kind = FAULT("cli_resolver") ? ST_BUSY : dns_open(&conf, out);
	if (kind == ST_INVALID && cli_has(c, "--dns"))
		cli_misused(c, "write it as 192.0.2.53, 127.0.0.1:5353 or [2001:db8::1]:53",
			"--dns %.*s names no server", SLICE_ARGS(server));
	return kind;
}

status cli_resolver_open(struct cli *c, dns **out)
{
	status kind = cli_resolver_find(c, out);

	if (kind == ST_OK)
		task_deadline(clock_now() + PATIENCE);
	else
		cli_fail(c, kind,
			"look at the system's resolver (/etc/resolv.conf), or name a server by --dns",
			"the DNS cannot be asked now");
	return kind;
}

/* ---- SPF */

static slice host_of(struct cli *c, slice written)
{
	slice host;
	bool literal;

	return mail_host_parse(written, &c->a, &host, &literal) == ST_OK ? host : written;
}

/* "a@b", "<a@b>", "<>" or nothing. */
static slice path_of(struct cli *c, slice written)
{
	mail_address m;

	if (slice_starts(written, S("<")) && slice_ends_nocase(written, S(">")))
		written = slice_of(written.at + 1, written.size - 2);
	return mail_address_parse(written, &c->a, &m) == ST_OK ? mail_address_text(&m, &c->a)
							       : written;
}

static status spf_of(struct cli *c, const char *ip, const char *helo, const char *from,
	dns *resolver, spf_report *out)
{
	spf_query q = {.helo = host_of(c, cli_text(c, helo)),
		.mail_from = path_of(c, cli_text(c, from)),
		.now = clock_wall()};
	lookup ask = dns_lookup(resolver);

	if (spf_client_parse(cli_text(c, ip), &q.client) != ST_OK)
		return cli_misused(c, "write an IPv4 or IPv6 address", "%s \"%.*s\" is no address",
			ip, SLICE_ARGS(cli_text(c, ip)));
	spf_check(&q, &ask, &c->a, out);
	return ST_OK;
}

static json_t *spf_facts(const spf_report *r)
{
	return json_pack("{s:s,s:s,s:o,s:o,s:o,s:s}", "result", spf_result_name(r->result),
		"identity", r->helo ? "helo" : "mailfrom", "domain", json_slice(r->domain),
		"mechanism", json_slice(r->mechanism), "explanation", json_slice(r->explanation),
		"reason", words_or_none(r->reason));
}

status cli_test_spf(struct cli *c)
{
	dns *resolver;
	spf_report r = {0};

	TRY(cli_resolver_open(c, &resolver));
	status kind = spf_of(c, "IP", "HELO", "MAILFROM", resolver, &r);
	dns_close(&resolver);
	TRY(kind);
	return cli_did(c, spf_facts(&r), "%s (%s%s%.*s%s%.*s)%s%.*s", spf_result_name(r.result),
		r.reason, r.mechanism.size ? ": " : "", SLICE_ARGS(r.mechanism),
		r.domain.size ? "; domain " : "", SLICE_ARGS(r.domain),
		r.explanation.size ? ", explained as: " : "", SLICE_ARGS(r.explanation));
}

/* ---- messages */

static status read_message(struct cli *c, slice *message)
{
	if (cli_read_all(c->in, &c->a, message) != ST_OK)
		return cli_fail(c, ST_INVALID, "give a message of at most 256 MB on standard input",
			"the message cannot be read");
	if (message->size == 0)
		return cli_fail(c, ST_INVALID,
			"give the message, header and body, on standard input",
			"there is no message");
	return ST_OK;
}

static json_t *signatures(const dkim_report *r)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < r->count; i++) {
		const dkim_verdict *v = &r->verdict[i];
		json_array_append_new(
			rows, json_pack("{s:s,s:o,s:o,s:o,s:i,s:b,s:s}", "result",
				      dkim_result_name(v->result), "domain", json_slice(v->domain),
				      "selector", json_slice(v->selector), "algorithm",
				      json_slice(v->algorithm), "bits", (int)v->bits, "testing",
				      v->testing, "reason", words_or_none(v->reason)));
	}
	return rows;
}

static const struct cli_column signature_columns[] = {{"result", "RESULT"}, {"domain", "DOMAIN"},
	{"selector", "SELECTOR"}, {"algorithm", "ALGORITHM"}, {"bits", "BITS", SHOW_NUMBER},
	{"reason", "REASON"}, {NULL}};

status cli_test_dkim(struct cli *c)
{
	slice message;
	dns *resolver;
	dkim_report r = {0};

	TRY(cli_resolver_open(c, &resolver));
	status kind = read_message(c, &message);
	if (kind == ST_OK) {
		lookup ask = dns_lookup(resolver);
		dkim_check_message(message, &signature_openssl, &ask, clock_wall(), &c->a, &r);
	}
	dns_close(&resolver);
	TRY(kind);
	json_t *rows = signatures(&r);
	const char *result = dkim_result_name(dkim_overall(&r));
	kind = cli_did(c,
		json_pack("{s:s,s:O,s:i}", "result", result, "signatures", rows, "ignored",
			(int)r.ignored),
		"%s (%zu signatures looked at, %zu more)", result, r.count, r.ignored);
	cli_below(c, "Signatures, from the top", rows, signature_columns);
	json_decref(rows);
	return kind;
}

status cli_test_arc(struct cli *c)
{
	static const struct cli_column columns[] = {{"instance", "INSTANCE", SHOW_NUMBER},
		{"domain", "DOMAIN"}, {"selector", "SELECTOR"}, {"results", "WHAT IT SAW"}, {NULL}};
	slice message;
	dns *resolver;
	arc_report r = {0};

	TRY(cli_resolver_open(c, &resolver));
	status kind = read_message(c, &message);
	if (kind == ST_OK) {
		lookup ask = dns_lookup(resolver);
		arc_check_message(message, &signature_openssl, &ask, clock_wall(), &c->a, &r);
	}
	dns_close(&resolver);
	TRY(kind);
	json_t *rows = json_array();
	for (unsigned i = 0; r.set && i < r.sets; i++)
		json_array_append_new(rows, json_pack("{s:i,s:o,s:o,s:o}", "instance", (int)i + 1,
						    "domain", json_slice(r.set[i].domain),
						    "selector", json_slice(r.set[i].selector),
						    "results", json_slice(r.set[i].results)));
	const char *result = dkim_result_name(r.result), *reason = words_or_none(r.reason);
	kind = cli_did(c,
		json_pack("{s:s,s:O,s:i,s:i,s:s}", "result", result, "sets", rows, "length",
			(int)r.sets, "failed", (int)r.failed, "reason", reason),
		"%s (%s; %u sets)", result, *reason ? reason : "no trouble", r.sets);
	cli_below(c, "The chain", rows, columns);
	json_decref(rows);
	return kind;
}

/* ---- DMARC */

struct findings {
	slice author;
	bool spf_asked;
	spf_report spf;
	dkim_report dkim;
	dmarc_report dmarc;
};

static status find_all(struct cli *c, dns *resolver, slice message, struct findings *f)
{
	lookup ask = dns_lookup(resolver);

	f->spf_asked = cli_has(c, "--ip");
	if (f->spf_asked)
		TRY(spf_of(c, "--ip", "--helo", "--mail-from", resolver, &f->spf));
	dkim_check_message(message, &signature_openssl, &ask, clock_wall(), &c->a, &f->dkim);
	slice header = slice_until(message, header_size(message));
	if (dmarc_author(header, &c->a, &f->author) != ST_OK) {
		f->dmarc = (dmarc_report){.result = DMARC_PERMERROR,
			.reason = "not exactly one author's domain in From"};
		return ST_OK;
	}
	const dmarc_query q = {.author = f->author,
		.spf = f->spf_asked ? &f->spf : NULL,
		.dkim = &f->dkim,
		.draw = (unsigned)random_below(100)};
	dmarc_check(&q, &ask, &c->a, &f->dmarc);
	return ST_OK;
}

status cli_test_dmarc(struct cli *c)
{
	struct findings f = {0};
	slice message;
	dns *resolver;

	if (!cli_has(c, "--ip") && (cli_has(c, "--helo") || cli_has(c, "--mail-from")))
		return cli_misused(c, "add --ip ADDRESS", "SPF is about an address");
	TRY(cli_resolver_open(c, &resolver));
	status kind = read_message(c, &message);
	if (kind == ST_OK)
		kind = find_all(c, resolver, message, &f);
	dns_close(&resolver);
	TRY(kind);
	const dmarc_report *r = &f.dmarc;
	json_t *rows = signatures(&f.dkim);
	kind = cli_did(c,
		json_pack("{s:s,s:o,s:o,s:s,s:s,s:b,s:b,s:s,s:o,s:O}", "result",
			dmarc_result_name(r->result), "author", json_slice(f.author), "domain",
			json_slice(r->domain), "policy", dmarc_policy_name(r->published), "wish",
			dmarc_policy_name(r->wish), "spf_aligned", r->spf_aligned, "dkim_aligned",
			r->dkim_aligned, "reason", words_or_none(r->reason), "spf",
			f.spf_asked ? spf_facts(&f.spf) : json_null(), "signatures", rows),
		"%s (%s; author %.*s, policy %s, wish %s, spf %s, dkim %s)",
		dmarc_result_name(r->result), r->reason,
		SLICE_ARGS(f.author.size ? f.author : S("unknown")),
		r->domain.size ? dmarc_policy_name(r->published) : "absent",
		dmarc_policy_name(r->wish),
		f.spf_asked ? spf_result_name(f.spf.result) : "not asked",
		dkim_result_name(dkim_overall(&f.dkim)));
	cli_below(c, "Signatures, from the top", rows, signature_columns);
	json_decref(rows);
	return kind;
}
