/* Judging DKIM signatures. What needs only the header is done when the header is there; when the
   body has gone by, hashes are compared first, so that a broken message costs no look-up. */
#include "mail/signature_inside.h"

#include "mail/address.h"

struct signed_field {
	signature_said said;
	bool judged;  /* its verdict is made */
	bool foreign; /* i= is below d=, not d= itself */
	size_t body;  /* which hash of the body */
	uint8_t digest[SIGNATURE_DIGEST];
};

struct dkim_check {
	signature_body *body;
	arena *a;
	struct signed_field field[DKIM_SIGNATURES_MOST];
	dkim_report report;
};

const char *dkim_result_name(enum dkim_result result)
{
	static const char *const names[] = {
		"none", "pass", "fail", "policy", "temperror", "permerror"};

	return names[result];
}

static void judge(
	struct signed_field *f, dkim_verdict *v, enum dkim_result result, const char *reason)
{
	f->judged = true;
	v->result = result;
	v->reason = reason;
}

/* --- Reading
   ----------------------------------------------------------------------------------- */

/* Whether an identity may be shown as it is: nothing in it could be taken for structure. */
static bool plain_local(slice s)
{
	for (size_t i = 0; i < s.size; i++)
		if (s.at[i] <= ' ' || s.at[i] > '~' || strchr("()<>[],;:\\\"@", s.at[i]))
			return false;
	return true;
}

static bool is_below(slice name, slice domain)
{
	return name.size > domain.size && slice_ends_nocase(name, domain) &&
	       name.at[name.size - domain.size - 1] == '.';
}

static const char *read_identity(
	const tag_list *tags, arena *a, struct signed_field *f, dkim_verdict *v)
{
	slice value, domain, shown;

	v->identity = arena_format(a, "@%.*s", SLICE_ARGS(f->said.domain));
	if (!tag_find(tags, S("i"), &value))
		return NULL;
	size_t at = slice_find_last(value, '@');
	if (at == value.size ||
		mail_domain_parse(slice_from(value, at + 1), a, &domain, &shown) != ST_OK)
		return "i= is no identity";
	f->foreign = is_below(domain, f->said.domain);
	if (!f->foreign && !slice_same(domain, f->said.domain))
		return "i= is not of d=";
	slice local = slice_until(value, at);
	v->identity = arena_format(a, "%.*s@%.*s", plain_local(local) ? (int)local.size : 0,
		local.at, SLICE_ARGS(domain));
	return NULL;
}

static const char *read_field(slice value, arena *a, struct signed_field *f, dkim_verdict *v)
{
	tag_list tags;
	slice version;

	if (tag_list_parse(value, &tags) != ST_OK)
		return "the signature is malformed";
	const char *wrong = signature_read(&tags, a, &f->said);
	v->domain = f->said.domain;
	v->selector = f->said.selector;
	v->algorithm = f->said.algorithm_name;
	v->signature = f->said.signature_text;
	v->signed_at = f->said.signed_at;
	v->expires_at = f->said.expires_at;
	if (!tag_find(&tags, S("v"), &version) || !slice_same(version, S("1")))
		return "unknown version";
	return wrong ? wrong : read_identity(&tags, a, f, v);
}

static void take_field(dkim_check *c, slice header, const header_field *field)
{
	if (c->report.count == DKIM_SIGNATURES_MOST) {
		c->report.ignored++;
		return;
	}
	struct signed_field *f = &c->field[c->report.count];
	dkim_verdict *v = &c->report.verdict[c->report.count++];
	const signature_crypto *crypto = signature_body_crypto(c->body);
	const char *wrong = read_field(field->value, c->a, f, v);

	if (wrong)
		judge(f, v, DKIM_PERMERROR, wrong);
	else if (signature_header_digest(crypto, header, field->raw, f->said.names, f->said.header,
			 f->digest) != ST_OK)
		judge(f, v, DKIM_PERMERROR, "h= cannot be read");
	else if (signature_body_want(c->body, f->said.body, f->said.limit, &f->body) != ST_OK)
		judge(f, v, DKIM_PERMERROR, "too many hashes of the body");
}

dkim_check *dkim_check_begin(slice header, signature_body *body, arena *a)
{
	dkim_check *c = arena_new(a, sizeof *c);
	header_walk w = header_walk_of(header);
	header_field f;

	c->body = body;
	c->a = a;
	while (header_next_named(&w, S("DKIM-Signature"), &f))
		take_field(c, header, &f);
	return c;
}

size_t dkim_check_count(const dkim_check *c)
{
	return c->report.count;
}

slice dkim_check_key_name(const dkim_check *c, size_t n)
{
	return n < c->report.count && !c->field[n].judged ? c->field[n].said.key_name : S("");
}

/* --- Judging
   ----------------------------------------------------------------------------------- */

static void judge_field(
	dkim_check *c, struct signed_field *f, dkim_verdict *v, const lookup *dns, usec now)
{
	const char *reason = signature_stale(&f->said, c->body, f->body, now);

	if (reason) {
		judge(f, v, DKIM_FAIL, reason);
		return;
	}
	signature_judgement j =
		signature_judge(&f->said, f->digest, signature_body_crypto(c->body), dns, c->a);
	judge(f, v, j.result, j.reason);
	v->bits = j.bits;
	v->testing = j.testing;
	if (v->result != DKIM_PASS)
		return;
	if (j.strict && f->foreign) {
		judge(f, v, DKIM_PERMERROR, "the key is for d= itself alone");
		return;
	}
	if (f->said.limit != SIGNATURE_ALL)
		v->uncovered = signature_body_size(c->body, f->body) - f->said.limit;
	if (v->uncovered > 0)
		judge(f, v, DKIM_POLICY, "l= leaves a part of the body unsigned");
}

void dkim_check_end(dkim_check *c, const lookup *dns, usec now, dkim_report *out)
{
	for (size_t i = 0; i < c->report.count; i++)
		if (!c->field[i].judged)
			judge_field(c, &c->field[i], &c->report.verdict[i], dns, now);
	*out = c->report;
}

void dkim_demand(dkim_report *r, unsigned rsa_bits)
{
	for (size_t i = 0; i < r->count; i++) {
		dkim_verdict *v = &r->verdict[i];
		bool rsa = slice_same_nocase(
			v->algorithm, signature_algorithm_name(SIGNATURE_RSA_SHA256));

		if (v->result == DKIM_PASS && rsa && v->bits < rsa_bits) {
			v->result = DKIM_POLICY;
			v->reason = "the key is too small";
		}
	}
}

enum dkim_result dkim_overall(const dkim_report *r)
{
	static const uint8_t weight[] = {
		[DKIM_NONE] = 0,
		[DKIM_PERMERROR] = 1,
		[DKIM_POLICY] = 2,
		[DKIM_FAIL] = 2,
		[DKIM_TEMPERROR] = 3,
		[DKIM_PASS] = 4,
	};
	enum dkim_result best = DKIM_NONE;

	for (size_t i = 0; i < r->count; i++)
		if (weight[r->verdict[i].result] > weight[best])
			best = r->verdict[i].result;
	return best == DKIM_POLICY ? DKIM_FAIL : best;
}

/* --- Whole messages
   ---------------------------------------------------------------------------- */

void dkim_check_message(slice message, const signature_crypto *crypto, const lookup *dns, usec now,
	arena *a, dkim_report *out)
{
	signature_body *b = signature_body_open(crypto);
	slice header, body;

	signature_message_split(message, a, &header, &body);
	dkim_check *c = dkim_check_begin(header, b, a);
	signature_body_add(b, body);
	signature_body_end(b);
	dkim_check_end(c, dns, now, out);
	signature_body_close(&b);
}

status dkim_check_file(FILE *in, const signature_crypto *crypto, const lookup *dns, usec now,
	arena *a, dkim_report *out)
{
	slice header;

	TRY(signature_file_header(in, a, &header));
	signature_body *b = signature_body_open(crypto);
	dkim_check *c = dkim_check_begin(header, b, a);
	status kind = signature_file_body(in, b);
	if (kind == ST_OK)
		dkim_check_end(c, dns, now, out);
	signature_body_close(&b);
	return kind;
}
