/* check_host() of RFC 7208, 4: a domain's record is fetched, read as a whole, and its mechanisms
   are tried in their order. Includes and redirects are the same function again; what it may cost is
   counted over all of them. */
#include "mail/spf_record.h"

#include <arpa/inet.h>
#include <inttypes.h>

#define NAME_MOST 253
#define LABEL_MOST 63
#define EXPLANATION_MOST 400

struct check {
	const spf_query *q;
	const lookup *dns;
	arena *a;
	slice local, sender_domain; /* of the identity */
	unsigned terms, voids;
	bool host_known; /* the validated name was looked for */
	slice host;
	spf_report *out;
};

/* What trying one mechanism may come to. */
enum outcome { MATCH, NO_MATCH, TEMPORARY, PERMANENT };

static const char *const result_names[] = {[SPF_NONE] = "none",
	[SPF_NEUTRAL] = "neutral",
	[SPF_PASS] = "pass",
	[SPF_FAIL] = "fail",
	[SPF_SOFTFAIL] = "softfail",
	[SPF_TEMPERROR] = "temperror",
	[SPF_PERMERROR] = "permerror"};

const char *spf_result_name(enum spf_result result)
{
	return result_names[result];
}

static enum spf_result gives(struct check *c, enum spf_result result, const char *reason)
{
	c->out->reason = reason;
	return result;
}

static enum outcome comes_to(struct check *c, enum outcome outcome, const char *reason)
{
	c->out->reason = reason;
	return outcome;
}

/* ---- addresses */

status spf_client_parse(slice s, spf_client *out)
{
	static const uint8_t v4_inside[12] = {[10] = 0xff, [11] = 0xff};
	char z[64];
	uint8_t ip[16];

	if (s.size >= sizeof z || memchr(s.at ? s.at : "", '\0', s.size))
		return ST_INVALID;
	memcpy(z, s.at ? s.at : "", s.size);
	z[s.size] = '\0';
	*out = (spf_client){.family = 4};
	if (inet_pton(AF_INET, z, out->ip) == 1)
		return ST_OK;
	if (inet_pton(AF_INET6, z, ip) != 1)
		return ST_INVALID;
	if (memcmp(ip, v4_inside, sizeof v4_inside) == 0) {
		memcpy(out->ip, ip + 12, 4);
		return ST_OK;
	}
	out->family = 6;
	memcpy(out->ip, ip, sizeof ip);
	return ST_OK;
}

static bool same_network(const uint8_t *one, const uint8_t *other, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	return memcmp(one, other, whole) == 0 &&
	       (rest == 0 || ((one[whole] ^ other[whole]) >> (8 - rest)) == 0);
}

/* ---- names */

/* A domain that can be asked about: at least two labels, none empty or too long (4.3). */
static bool domain_fits(slice s)
{
	size_t labels = 0;
	slice label;

	if (s.size > 0 && s.at[s.size - 1] == '.')
		s.size--;
	if (s.size == 0 || s.size > NAME_MOST || s.at[0] == '[')
		return false;
	for (size_t i = 0; i < s.size; i++)
		if (s.at[i] <= ' ' || s.at[i] > 0x7e)
			return false;
	for (; slice_take(&s, '.', &label); labels++)
		if (label.size == 0 || label.size > LABEL_MOST)
			return false;
	return labels > 1;
}

static bool name_is_below(slice name, slice domain)
{
	if (domain.size > 0 && domain.at[domain.size - 1] == '.')
		domain.size--;
	return slice_ends_nocase(name, domain) &&
	       (name.size == domain.size || name.at[name.size - domain.size - 1] == '.');
}

/* ---- questions */

static lookup_kind ask(struct check *c, enum lookup_type type, slice name, lookup_answer *out)
{
	*out = (lookup_answer){.kind = LOOKUP_ABSENT};
	/* A local part may bring what no name in the DNS has (RFC 8616 4). */
	for (size_t i = 0; i < name.size; i++)
		if ((uint8_t)name.at[i] > 0x7e)
			return LOOKUP_ABSENT;
	return lookup_ask(c->dns, type, name, c->a, out);
}

static enum lookup_type address_type(const struct check *c)
{
	return c->q->client.family == 4 ? LOOKUP_A : LOOKUP_AAAA;
}

/* 4.6.4: one more term that asks. */
static bool may_ask(struct check *c)
{
	return ++c->terms <= SPF_TERMS_MOST;
}

static enum outcome found_nothing(struct check *c)
{
	return ++c->voids > SPF_VOIDS_MOST
		       ? comes_to(c, PERMANENT, "too many terms that find nothing")
		       : NO_MATCH;
}

static enum outcome no_answer(struct check *c)
{
	return comes_to(c, TEMPORARY, "the DNS gives no answer");
}

static bool has_client(
	const struct check *c, const lookup_answer *found, unsigned bits4, unsigned bits6)
{
	bool four = c->q->client.family == 4;

	for (size_t i = 0; i < found->count; i++)
		if (found->row[i].size == (four ? 4 : 16) &&
			same_network((const uint8_t *)found->row[i].at, c->q->client.ip,
				four ? bits4 : bits6))
			return true;
	return false;
}

/* ---- the client's validated name (5.5) */

static slice reverse_name(const struct check *c)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *ip = c->q->client.ip;
	char z[64];

	if (c->q->client.family == 4)
		return arena_format(c->a, "%u.%u.%u.%u.in-addr.arpa", ip[3], ip[2], ip[1], ip[0]);
	for (size_t i = 0; i < 16; i++) {
		z[i * 4] = digits[ip[15 - i] & 0xf];
		z[i * 4 + 2] = digits[ip[15 - i] >> 4];
		z[i * 4 + 1] = z[i * 4 + 3] = '.';
	}
	return arena_format(c->a, "%.*sip6.arpa", (int)sizeof z, z);
}

static bool name_is_valid(struct check *c, slice name)
{
	lookup_answer found;

	return ask(c, address_type(c), name, &found) == LOOKUP_FOUND &&
	       has_client(c, &found, 32, 128);
}

/* Whether a validated name of the client is `target` or below it. */
static enum outcome try_ptr(struct check *c, slice target)
{
	lookup_answer names;
	lookup_kind kind = ask(c, LOOKUP_PTR, reverse_name(c), &names);

	if (kind == LOOKUP_ABSENT)
		return found_nothing(c);
	for (size_t i = 0; i < names.count && i < SPF_HOSTS_MOST; i++)
		if (name_is_below(names.row[i], target) && name_is_valid(c, names.row[i]))
			return MATCH;
	return NO_MATCH;
}

/* The macro p (7.3): the name that is the domain, else one below it, else any, else "unknown". */
static slice validated_host(struct check *c, slice domain)
{
	lookup_answer names;
	int best = 0;

	if (c->host_known)
		return c->host;
	c->host_known = true;
	c->host = S("unknown");
	ask(c, LOOKUP_PTR, reverse_name(c), &names);
	for (size_t i = 0; i < names.count && i < SPF_HOSTS_MOST; i++) {
		slice name = names.row[i];
		int rank = slice_same_nocase(name, domain) ? 3
			   : name_is_below(name, domain)   ? 2
							   : 1;
		if (rank > best && name_is_valid(c, name)) {
			best = rank;
			c->host = name;
		}
	}
	return c->host;
}

/* ---- macros */

struct macro_of {
	struct check *c;
	slice domain;
};

static slice client_text(const struct check *c)
{
	char z[INET6_ADDRSTRLEN];

	inet_ntop(c->q->client.family == 4 ? AF_INET : AF_INET6, c->q->client.ip, z, sizeof z);
	return arena_copy(c->a, slice_z(z));
}

static slice client_dotted(const struct check *c)
{
	static const char digits[] = "0123456789abcdef";
	char z[64];

	if (c->q->client.family == 4)
		return client_text(c);
	for (size_t i = 0; i < 16; i++) {
		z[i * 4] = digits[c->q->client.ip[i] >> 4];
		z[i * 4 + 2] = digits[c->q->client.ip[i] & 0xf];
		z[i * 4 + 1] = z[i * 4 + 3] = '.';
	}
	return arena_copy(c->a, slice_of(z, sizeof z - 1));
}

static bool macro_value(void *with, char letter, arena *a, slice *value)
{
	const struct macro_of *m = with;
	struct check *c = m->c;

	switch (letter) {
	case 's':
		*value = arena_format(
			a, "%.*s@%.*s", SLICE_ARGS(c->local), SLICE_ARGS(c->sender_domain));
		return true;
	case 'l':
		*value = c->local;
		return true;
	case 'o':
		*value = c->sender_domain;
		return true;
	case 'd':
		*value = m->domain;
		return true;
	case 'i':
		*value = client_dotted(c);
		return true;
	case 'p':
		*value = validated_host(c, m->domain);
		return true;
	case 'v':
		*value = c->q->client.family == 4 ? S("in-addr") : S("ip6");
		return true;
	case 'h':
		*value = c->q->helo;
		return true;
	case 'c':
		*value = client_text(c);
		return true;
	case 'r':
		*value = c->q->receiver.size > 0 ? c->q->receiver : S("unknown");
		return true;
	case 't':
		*value = arena_format(a, "%" PRId64, c->q->now / USEC_S);
		return true;
	default:
		return false;
	}
}

static slice expand(struct check *c, slice spec, slice domain)
{
	struct macro_of m = {c, domain};
	text made = TEXT_INIT;

	spf_macro_expand(spec, macro_value, &m, c->a, &made);
	slice kept = arena_copy(c->a, text_slice(&made));
	text_free(&made);
	return kept;
}

/* 4.8: the domain itself, or what its spec expands to; too long names lose labels at their left. */
static slice target_of(struct check *c, slice spec, slice domain)
{
	if (spec.size == 0)
		return domain;
	slice name = expand(c, spec, domain);
	if (name.size > 0 && name.at[name.size - 1] == '.')
		name.size--;
	while (name.size > NAME_MOST) {
		size_t dot = slice_find(name, '.');
		if (dot == name.size)
			break;
		name = slice_from(name, dot + 1);
	}
	return name;
}

/* ---- mechanisms (5) */

static enum spf_result check_host(struct check *c, slice domain, bool top);

static enum outcome try_include(struct check *c, slice target)
{
	switch (check_host(c, target, false)) {
	case SPF_PASS:
		return MATCH;
	case SPF_TEMPERROR:
		return TEMPORARY;
	case SPF_NONE:
		return comes_to(c, PERMANENT, "an included domain has no record");
	case SPF_PERMERROR:
		return PERMANENT;
	default:
		return NO_MATCH;
	}
}

static enum outcome try_address(struct check *c, slice target, const spf_term *t)
{
	lookup_answer found;

	switch (ask(c, address_type(c), target, &found)) {
	case LOOKUP_FOUND:
		return has_client(c, &found, t->bits4, t->bits6) ? MATCH : NO_MATCH;
	case LOOKUP_ABSENT:
		return found_nothing(c);
	default:
		return no_answer(c);
	}
}

static enum outcome try_mx(struct check *c, slice target, const spf_term *t)
{
	lookup_answer hosts, found;
	lookup_kind kind = ask(c, LOOKUP_MX, target, &hosts);

	if (kind == LOOKUP_ABSENT)
		return found_nothing(c);
	if (kind != LOOKUP_FOUND)
		return no_answer(c);
	if (hosts.count > SPF_HOSTS_MOST)
		return comes_to(c, PERMANENT, "a mechanism mx of too many hosts");
	for (size_t i = 0; i < hosts.count; i++) {
		if (hosts.row[i].size == 0) /* null MX */
			continue;
		kind = ask(c, address_type(c), hosts.row[i], &found);
		if (kind == LOOKUP_FOUND && has_client(c, &found, t->bits4, t->bits6))
			return MATCH;
		if (kind != LOOKUP_FOUND && kind != LOOKUP_ABSENT)
			return no_answer(c);
	}
	return NO_MATCH;
}

static enum outcome try_exists(struct check *c, slice target)
{
	lookup_answer found;

	switch (ask(c, LOOKUP_A, target, &found)) {
	case LOOKUP_FOUND:
		return MATCH;
	case LOOKUP_ABSENT:
		return found_nothing(c);
	default:
		return no_answer(c);
	}
}

static enum outcome try_term(struct check *c, const spf_term *t, slice domain)
{
	uint8_t family = c->q->client.family;

	switch (t->kind) {
	case SPF_ALL:
		return MATCH;
	case SPF_IP4:
		return family == 4 && same_network(t->ip, c->q->client.ip, t->bits4) ? MATCH
										     : NO_MATCH;
	case SPF_IP6:
		return family == 6 && same_network(t->ip, c->q->client.ip, t->bits6) ? MATCH
										     : NO_MATCH;
	default:
		break;
	}
	if (!may_ask(c))
		return comes_to(c, PERMANENT, "too many terms that ask the DNS");
	slice target = target_of(c, t->spec, domain);
	switch (t->kind) {
	case SPF_INCLUDE:
		return try_include(c, target);
	case SPF_A:
		return try_address(c, target, t);
	case SPF_MX:
		return try_mx(c, target, t);
	case SPF_PTR:
		return try_ptr(c, target);
	default:
		return try_exists(c, target);
	}
}

/* ---- explanations (6.2): whatever is wrong with one, there is none */

static void explain(struct check *c, slice spec, slice domain)
{
	lookup_answer found;

	if (spec.size == 0 ||
		ask(c, LOOKUP_TXT, target_of(c, spec, domain), &found) != LOOKUP_FOUND ||
		found.count != 1 || !spf_macro_valid(found.row[0], true))
		return;
	slice words = expand(c, found.row[0], domain);
	for (size_t i = 0; i < words.size; i++)
		if (words.at[i] < ' ' || words.at[i] > 0x7e)
			return;
	c->out->explanation = slice_until(words, EXPLANATION_MOST);
}

/* ---- a domain's record */

/* 4.4 and 4.5. SPF_PASS: there is exactly one. */
static enum spf_result record_of(struct check *c, slice domain, slice *record)
{
	lookup_answer found;
	size_t records = 0;

	switch (ask(c, LOOKUP_TXT, domain, &found)) {
	case LOOKUP_FOUND:
		break;
	case LOOKUP_ABSENT:
		return gives(c, SPF_NONE, "no record");
	default:
		return gives(c, SPF_TEMPERROR, "the DNS gives no answer");
	}
	for (size_t i = 0; i < found.count; i++)
		if (spf_record_is(found.row[i])) {
			*record = found.row[i];
			records++;
		}
	return records == 0  ? gives(c, SPF_NONE, "no record")
	       : records > 1 ? gives(c, SPF_PERMERROR, "more than one record")
			     : SPF_PASS;
}

static enum spf_result redirected(struct check *c, slice spec, slice domain, bool top)
{
	if (!may_ask(c))
		return gives(c, SPF_PERMERROR, "too many terms that ask the DNS");
	enum spf_result result = check_host(c, target_of(c, spec, domain), top);
	return result == SPF_NONE ? gives(c, SPF_PERMERROR, "a redirect to a domain without record")
				  : result;
}

/* `top`: what matches here is what the report shows, and a fail is explained. */
static enum spf_result check_host(struct check *c, slice domain, bool top)
{
	spf_record r;
	slice txt;

	/* Fetch and read. */
	if (!domain_fits(domain))
		return gives(c, SPF_NONE, "no domain name");
	enum spf_result result = record_of(c, domain, &txt);
	if (result != SPF_PASS)
		return result;
	if (spf_record_parse(txt, c->a, &r) != ST_OK)
		return gives(c, SPF_PERMERROR, "a record against the rules");

	/* Try in order. */
	for (size_t i = 0; i < r.count; i++) {
		const spf_term *t = &r.term[i];
		switch (try_term(c, t, domain)) {
		case NO_MATCH:
			continue;
		case TEMPORARY:
			return SPF_TEMPERROR;
		case PERMANENT:
			return SPF_PERMERROR;
		case MATCH:
			break;
		}
		if (top)
			c->out->mechanism = t->text;
		if (top && t->result == SPF_FAIL)
			explain(c, r.explanation, domain);
		return gives(c, t->result, "a mechanism matches");
	}
	if (r.redirect.size > 0)
		return redirected(c, r.redirect, domain, top);
	return gives(c, SPF_NEUTRAL, "no mechanism matches");
}

/* ---- the two identities */

static void check_identity(
	const spf_query *q, slice local, slice domain, const lookup *dns, arena *a, spf_report *out)
{
	struct check c = {.q = q,
		.dns = dns,
		.a = a,
		.local = local.size > 0 ? local : S("postmaster"),
		.out = out};

	if (domain.size > 0 && domain.at[domain.size - 1] == '.')
		domain.size--;
	out->domain = c.sender_domain = arena_lower(a, domain);
	out->result = check_host(&c, out->domain, true);
}

void spf_check_helo(const spf_query *q, const lookup *dns, arena *a, spf_report *out)
{
	*out = (spf_report){.helo = true};
	check_identity(q, S(""), q->helo, dns, a, out);
}

void spf_check(const spf_query *q, const lookup *dns, arena *a, spf_report *out)
{
	if (q->mail_from.size == 0) {
		spf_check_helo(q, dns, a, out);
		return;
	}
	*out = (spf_report){0};
	size_t at = slice_find_last(q->mail_from, '@');
	if (at == q->mail_from.size) /* a domain alone */
		check_identity(q, S(""), q->mail_from, dns, a, out);
	else
		check_identity(q, slice_until(q->mail_from, at), slice_from(q->mail_from, at + 1),
			dns, a, out);
}
