/* DMARC; see dmarc.h. The public suffix list is Debian's (package publicsuffix), read once at the
   first use, or the one inside libpsl where that file is missing. */
#include "mail/dmarc.h"

#include "mail/address.h"
#include "mail/header.h"

#include <libpsl.h>
#include <pthread.h>

#define INTERVAL 86400u

const char *dmarc_result_name(enum dmarc_result result)
{
	static const char *const names[] = {[DMARC_NONE] = "none",
		[DMARC_PASS] = "pass",
		[DMARC_FAIL] = "fail",
		[DMARC_TEMPERROR] = "temperror",
		[DMARC_PERMERROR] = "permerror"};

	return names[result];
}

static const char *const policy_names[] = {
	[DMARC_DO_NOTHING] = "none", [DMARC_QUARANTINE] = "quarantine", [DMARC_REJECT] = "reject"};

const char *dmarc_policy_name(enum dmarc_policy policy)
{
	return policy_names[policy];
}

/* ---- records (6.3, 6.4) */

/* Which tags were there, and which of those that matter were wrong. */
struct tags {
	bool has_policy, policy_wrong, subdomains_wrong, has_subdomains;
};

static bool policy_parse(slice word, enum dmarc_policy *out)
{
	for (unsigned i = 0; i <= DMARC_REJECT; i++)
		if (slice_same_nocase(word, slice_z(policy_names[i]))) {
			*out = (enum dmarc_policy)i;
			return true;
		}
	return false;
}

static void take_tag(slice name, slice value, struct tags *t, dmarc_record *r)
{
	uint64_t n;

	if (slice_same_nocase(name, S("p"))) {
		t->has_policy = policy_parse(value, &r->policy);
		t->policy_wrong = !t->has_policy;
	} else if (slice_same_nocase(name, S("sp"))) {
		t->has_subdomains = policy_parse(value, &r->subdomains);
		t->subdomains_wrong = !t->has_subdomains;
	} else if (slice_same_nocase(name, S("adkim"))) {
		r->strict_dkim = slice_same_nocase(value, S("s"));
	} else if (slice_same_nocase(name, S("aspf"))) {
		r->strict_spf = slice_same_nocase(value, S("s"));
	} else if (slice_same_nocase(name, S("pct"))) {
		if (slice_number(value, &n) && n <= 100)
			r->percent = (unsigned)n;
	} else if (slice_same_nocase(name, S("rua"))) {
		r->aggregate = value;
	} else if (slice_same_nocase(name, S("ruf"))) {
		r->failure = value;
	} else if (slice_same_nocase(name, S("fo"))) {
		r->options = value;
	} else if (slice_same_nocase(name, S("ri"))) {
		if (slice_number(value, &n) && n <= UINT32_MAX)
			r->interval = (unsigned)n;
	}
}

/* A list of reporting URIs has one that is none of its commas' making: a scheme and something. */
static bool has_uri(slice list)
{
	slice uri;

	while (slice_take(&list, ',', &uri)) {
		uri = slice_trim(uri);
		size_t colon = slice_find(uri, ':');
		if (colon > 0 && colon + 1 < uri.size)
			return true;
	}
	return false;
}

status dmarc_record_parse(slice txt, dmarc_record *out)
{
	dmarc_record r = {.percent = 100, .options = S("0"), .interval = INTERVAL};
	struct tags t = {0};
	slice rest = txt, part;
	bool first = true;

	for (; slice_take(&rest, ';', &part); first = false) {
		size_t equals = slice_find(part, '=');
		slice name = slice_trim(slice_until(part, equals)),
		      value = slice_trim(slice_from(part, equals + 1));
		if (first && (!slice_same(name, S("v")) || !slice_same(value, S("DMARC1"))))
			return ST_FOREIGN;
		if (!first && equals < part.size)
			take_tag(name, value, &t, &r);
	}
	if (!t.has_policy || t.subdomains_wrong) {
		if (!has_uri(r.aggregate))
			return ST_INVALID;
		r.policy = r.subdomains = DMARC_DO_NOTHING;
	} else if (!t.has_subdomains) {
		r.subdomains = r.policy;
	}
	*out = r;
	return ST_OK;
}

/* ---- domains */

static pthread_once_t suffixes_once = PTHREAD_ONCE_INIT;
static const psl_ctx_t *suffixes;

static void suffixes_open(void)
{
	suffixes = psl_latest(NULL);
	if (suffixes == NULL)
		suffixes = psl_builtin();
}

slice dmarc_organisation(slice domain)
{
	char z[MAIL_DOMAIN_MOST + 1];

	if (domain.size == 0 || domain.size >= sizeof z)
		return domain;
	memcpy(z, domain.at, domain.size);
	z[domain.size] = '\0';
	pthread_once(&suffixes_once, suffixes_open);
	const char *registered = suffixes ? psl_registrable_domain(suffixes, z) : NULL;
	return registered ? slice_from(domain, (size_t)(registered - z)) : domain;
}

static bool aligned(slice author, slice other, bool strict)
{
	if (other.size == 0)
		return false;
	return slice_same_nocase(author, other) ||
	       (!strict &&
		       slice_same_nocase(dmarc_organisation(author), dmarc_organisation(other)));
}

#define AUTHORS_MOST 100

status dmarc_author(slice header, arena *a, slice *domain)
{
	header_field from;
	mail_list list;
	slice found = {0}, canonical, shown;

	if (header_count(header, S("From")) != 1 || !header_find(header, S("From"), &from))
		return ST_INVALID;
	mail_list_parse(from.value, AUTHORS_MOST, a, &list);
	for (size_t i = 0; i < list.count; i++) {
		if (list.entry[i].kind != MAIL_LIST_ADDRESS)
			continue;
		TRY(mail_domain_parse(list.entry[i].domain, a, &canonical, &shown));
		if (found.size > 0 && !slice_same(found, canonical))
			return ST_INVALID;
		found = canonical;
	}
	if (found.size == 0 || list.truncated)
		return ST_INVALID;
	*domain = found;
	return ST_OK;
}

/* ---- policy discovery (6.6.3) */

/* The one record under _dmarc.`domain`. ST_OK; ST_ABSENT: none or several; ST_INVALID; ST_BUSY: no
   answer. */
static status record_at(slice domain, const lookup *dns, arena *a, dmarc_record *out)
{
	lookup_answer found;
	slice name = arena_format(a, "_dmarc.%.*s", SLICE_ARGS(domain));
	lookup_kind kind = lookup_ask(dns, LOOKUP_TXT, name, a, &found);
	status result = ST_ABSENT;
	unsigned records = 0;

	if (kind == LOOKUP_TEMPORARY || kind == LOOKUP_PERMANENT)
		return ST_BUSY;
	for (size_t i = 0; i < found.count; i++) {
		status one = dmarc_record_parse(found.row[i], out);
		if (one == ST_FOREIGN)
			continue;
		result = one;
		records++;
	}
	return records > 1 ? ST_ABSENT : result;
}

static status discover(const dmarc_query *q, const lookup *dns, arena *a, dmarc_report *out)
{
	slice organisation = dmarc_organisation(q->author);

	out->domain = q->author;
	status kind = record_at(q->author, dns, a, &out->record);
	if (kind == ST_ABSENT && !slice_same(organisation, q->author)) {
		out->domain = organisation;
		kind = record_at(organisation, dns, a, &out->record);
	}
	if (kind == ST_OK)
		out->published = slice_same(out->domain, q->author) ? out->record.policy
								    : out->record.subdomains;
	else
		out->domain = (slice){0};
	return kind;
}

/* ---- the verdict */

/* What both mechanisms say about identifiers that align. */
static void judge(const dmarc_query *q, dmarc_report *out)
{
	const spf_report *spf = q->spf;

	if (spf && aligned(q->author, spf->domain, out->record.strict_spf)) {
		out->spf_aligned = spf->result == SPF_PASS;
		out->unknown = spf->result == SPF_TEMPERROR;
	}
	for (size_t i = 0; q->dkim && i < q->dkim->count; i++) {
		const dkim_verdict *v = &q->dkim->verdict[i];
		if (!aligned(q->author, v->domain, out->record.strict_dkim))
			continue;
		out->dkim_aligned = out->dkim_aligned || (v->result == DKIM_PASS && !v->testing);
		out->unknown = out->unknown || v->result == DKIM_TEMPERROR;
	}
}

static enum dmarc_policy milder(enum dmarc_policy policy)
{
	return policy == DMARC_REJECT ? DMARC_QUARANTINE : DMARC_DO_NOTHING;
}

static enum dmarc_result comes_to(dmarc_report *out, enum dmarc_result result, const char *reason)
{
	out->reason = reason;
	return out->result = result;
}

void dmarc_check(const dmarc_query *q, const lookup *dns, arena *a, dmarc_report *out)
{
	*out = (dmarc_report){0};
	status found = discover(q, dns, a, out);
	if (found != ST_OK)
		out->record = (dmarc_record){0};
	judge(q, out);
	switch (found) {
	case ST_OK:
		break;
	case ST_ABSENT:
		comes_to(out, DMARC_NONE, "no policy");
		return;
	case ST_BUSY:
		comes_to(out, DMARC_TEMPERROR, "the DNS gives no answer");
		return;
	default:
		comes_to(out, DMARC_PERMERROR, "a policy against the rules");
		return;
	}
	if (out->spf_aligned || out->dkim_aligned) {
		comes_to(out, DMARC_PASS, "the author's domain stands behind it");
	} else if (out->unknown) {
		comes_to(out, DMARC_TEMPERROR, "an aligned identifier could not be judged");
	} else {
		comes_to(out, DMARC_FAIL, "nothing that passes belongs to the author's domain");
		out->wish = q->draw < out->record.percent ? out->published : milder(out->published);
	}
}
