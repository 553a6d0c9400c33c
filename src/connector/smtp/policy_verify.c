/* Judging messages of unknown senders: SPF, DKIM, DMARC and ARC, told in one Authentication-Results
   field and the trace. What a domain of ours makes of a DMARC policy is its setting; where several
   recipients differ, the message is refused only when all of them want that. */
#include "base/log.h"
#include "base/random.h"
#include "connector/smtp/policy_inside.h"
#include "mail/authres.h"
#include "mail/header.h"
#include "net/signature.h"

#define KEYS_AHEAD (DKIM_SIGNATURES_MOST + 8) /* key records asked for at the same time */

/* ---- SPF */

const spf_report *policy_spf(conversation *c)
{
	struct smtp *s = smtp_of(c);
	struct policy *p = &s->policy;
	const net_address *who = smtp_client(c);

	if (p->spf_known)
		return &p->spf;
	p->spf_known = true;
	p->spf_query = (spf_query){.client.family = who->family,
		.helo = s->helo,
		.mail_from = s->sender.empty ? S("") : mail_address_text(&s->sender, &s->mail),
		.receiver = smtp_local_domain(),
		.now = clock_wall()};
	memcpy(p->spf_query.client.ip, who->ip, sizeof p->spf_query.client.ip);
	p->spf = (spf_report){.result = SPF_NONE, .reason = "no address"};
	if (who->family == 0)
		return &p->spf;
	lookup dns = policy_lookup();
	struct policy_wait w = policy_wait_begin(c);
	spf_check(&p->spf_query, &dns, &s->mail, &p->spf);
	policy_wait_end(c, &w);
	return &p->spf;
}

bool policy_knows_sender(conversation *c)
{
	return !policy_applies(c) || policy_spf(c)->result == SPF_PASS;
}

bool policy_disowns_sender(conversation *c)
{
	return policy_applies(c) && policy_spf(c)->result == SPF_FAIL;
}

/* ---- before the text */

/* Who passes it on decides for those at other systems: a mailbox is a recipient itself, a group is
   not. */
static bool is_asked(const struct recipient *r)
{
	return !r->remote || (r->member && r->named && r->by == 0);
}

static struct setting_at rules_of(const struct recipient *r)
{
	struct setting_at at = policy_at(r);

	if (r->remote)
		at.domain = r->named->domain;
	return at;
}

/* How far a recipient's domain obeys. */
static enum dmarc_policy most_of(const struct recipient *r)
{
	struct setting_at at = rules_of(r);
	slice word = setting_text(S_dmarc_policy, &at);

	return slice_same(word, S("reject"))       ? DMARC_REJECT
	       : slice_same(word, S("quarantine")) ? DMARC_QUARANTINE
						   : DMARC_DO_NOTHING;
}

static bool sets_forbidden_apart(const struct recipient *r)
{
	struct setting_at at = rules_of(r);

	return slice_same(setting_text(S_spf_policy, &at), S("quarantine"));
}

/* Who obeys has to judge (V20). */
static bool wants(const struct recipient *r)
{
	struct setting_at at = is_asked(r) ? rules_of(r) : (struct setting_at){0};

	return is_asked(r) && (setting_on(S_verify_incoming_mail, &at) ||
				      most_of(r) != DMARC_DO_NOTHING || sets_forbidden_apart(r));
}

static bool is_wanted(conversation *c)
{
	struct smtp *s = smtp_of(c);

	for (int i = 0; i < s->n; i++)
		if (wants(&s->recipients[i]) || policy_seals(c, &s->recipients[i]))
			return policy_applies(c);
	return false;
}

void policy_header(conversation *c, struct policy_text *t, slice header, bool whole, slice added)
{
	arena *a = &smtp_of(c)->mail;

	*t = (struct policy_text){0};
	if (whole)
		policy_sign_begin(c, t, header, added);
	if (!is_wanted(c))
		return;
	t->verifies = true;
	if (dmarc_author(header, a, &t->author) != ST_OK)
		t->author = (slice){0};
	/* A signature cannot be judged by a part of the header. */
	if (!whole)
		return;
	t->hashes = signature_body_open(&signature_openssl);
	t->dkim = dkim_check_begin(header, t->hashes, a);
	t->arc = arc_check_begin(header, t->hashes, a);
}

void policy_body(struct policy_text *t, slice piece)
{
	if (t->hashes)
		signature_body_add(t->hashes, piece);
}

void policy_text_close(struct policy_text *t)
{
	signature_body_close(&t->hashes);
	policy_keys_drop(&t->keys);
}

bool policy_is_forged(slice name, slice value, arena *a)
{
	authres_read read = {0};

	if (!slice_same_nocase(name, S("Authentication-Results")))
		return false;
	authres_parse(value, a, &read); /* a broken one may have told its name all the same */
	return slice_same_nocase(read.id, smtp_local_domain());
}

/* ---- judging */

struct findings {
	const spf_report *spf;
	dkim_report dkim;
	arc_report arc;
	dmarc_report dmarc;
};

/* All records that will be asked for travel at the same time; the answers wait in the cache. */
static void fetch_ahead(const struct policy_text *t, arena *a)
{
	dns *d = policy_resolver();
	dns_question *asked[KEYS_AHEAD + 1];
	dns_answer answer;
	size_t n = 0;

	if (!d)
		return;
	for (size_t i = 0; t->dkim && i < dkim_check_count(t->dkim) && n < KEYS_AHEAD; i++)
		if (dkim_check_key_name(t->dkim, i).size)
			asked[n++] = dns_ask(d, DNS_TXT, dkim_check_key_name(t->dkim, i));
	for (size_t i = 0; t->arc && i < arc_check_count(t->arc) && n < KEYS_AHEAD; i++)
		if (arc_check_key_name(t->arc, i).size)
			asked[n++] = dns_ask(d, DNS_TXT, arc_check_key_name(t->arc, i));
	if (t->author.size)
		asked[n++] =
			dns_ask(d, DNS_TXT, arena_format(a, "_dmarc.%.*s", SLICE_ARGS(t->author)));
	for (size_t i = 0; i < n; i++)
		dns_wait(&asked[i], a, &answer);
}

static void find_out(conversation *c, struct policy_text *t, struct findings *f)
{
	arena *a = &smtp_of(c)->mail;
	lookup dns = policy_lookup();

	f->spf = policy_spf(c);
	struct policy_wait w = policy_wait_begin(c);
	fetch_ahead(t, a);
	if (t->hashes) {
		signature_body_end(t->hashes);
		dkim_check_end(t->dkim, &dns, clock_wall(), &f->dkim);
		dkim_demand(&f->dkim, (unsigned)setting_number(S_dkim_key_least, NULL));
		arc_check_end(t->arc, &dns, clock_wall(), &f->arc);
	}
	if (t->author.size == 0)
		f->dmarc = (dmarc_report){
			.result = DMARC_PERMERROR, .reason = "no single author's domain"};
	else
		dmarc_check(&(dmarc_query){.author = t->author,
				    .spf = f->spf,
				    .dkim = t->hashes ? &f->dkim : NULL,
				    .draw = (unsigned)random_below(100)},
			&dns, a, &f->dmarc);
	policy_wait_end(c, &w);
}

/* ---- telling */

static slice results_of(conversation *c, const struct policy_text *t, const struct findings *f)
{
	struct smtp *s = smtp_of(c);
	authres r = {0};

	authres_begin(&r, smtp_local_domain());
	authres_spf(&r, &s->policy.spf_query, f->spf);
	authres_dkim(&r, &f->dkim);
	authres_dmarc(&r, t->author, &f->dmarc);
	if (f->arc.result != DKIM_NONE)
		authres_arc(&r, &f->arc);
	return authres_end(&r, &s->mail);
}

static slice dkim_domains(const dkim_report *r, arena *a)
{
	slice all = S("");

	for (size_t i = 0; i < r->count; i++)
		if (r->verdict[i].result == DKIM_PASS)
			all = arena_format(a, "%.*s%s%.*s", SLICE_ARGS(all), all.size ? " " : "",
				SLICE_ARGS(r->verdict[i].domain));
	return all;
}

static slice told(const struct policy_text *t, const struct findings *f, arena *a)
{
	return arena_format(a,
		"spf=%s spf_domain=%s dkim=%s dkim_domains=%s dmarc=%s author=%s policy=%s arc=%s",
		spf_result_name(f->spf->result), log_quote(f->spf->domain),
		dkim_result_name(dkim_overall(&f->dkim)), log_quote(dkim_domains(&f->dkim, a)),
		dmarc_result_name(f->dmarc.result), log_quote(t->author),
		dmarc_policy_name(f->dmarc.wish), dkim_result_name(f->arc.result));
}

/* ---- obeying */

static bool is_trusted_chain(const arc_report *arc)
{
	return arc->result == DKIM_PASS && arc->set && arc->sets > 0 &&
	       setting_lists(S_arc_trusted, NULL, arc->set[arc->sets - 1].domain);
}

static enum dmarc_policy obeyed(const struct recipient *r, enum dmarc_policy wish)
{
	enum dmarc_policy most = is_asked(r) ? most_of(r) : DMARC_DO_NOTHING;

	return wish < most ? wish : most;
}

static bool all_refuse(const struct smtp *s, enum dmarc_policy wish)
{
	for (int i = 0; i < s->n; i++)
		if (s->recipients[i].by == 0 && obeyed(&s->recipients[i], wish) != DMARC_REJECT)
			return false;
	return s->n > 0;
}

bool policy_is_junk(const struct policy_verdict *v, const struct recipient *r)
{
	return (v->wish != DMARC_DO_NOTHING && obeyed(r, v->wish) != DMARC_DO_NOTHING) ||
	       (v->forbidden && is_asked(r) && sets_forbidden_apart(r));
}

static void verify(conversation *c, struct policy_text *t, struct policy_verdict *out)
{
	struct findings f = {0};

	find_out(c, t, &f);
	out->results = results_of(c, t, &f);
	out->fields = authres_field(out->results, &smtp_of(c)->mail);
	out->chain = f.arc;
	out->told = told(t, &f, &smtp_of(c)->mail);
	if (is_trusted_chain(&f.arc))
		return;
	/* Who passes mail on sends for others; a signature of the author's domain is the better
	   word (RFC 7489 10.1), with a policy or without. What may be one is not held against the
	   mail because the DNS is slow. */
	out->forbidden = f.spf->result == SPF_FAIL && !f.dmarc.dkim_aligned && !f.dmarc.unknown &&
			 f.dmarc.result != DMARC_TEMPERROR;
	if (f.dmarc.result != DMARC_FAIL)
		return;
	out->wish = f.dmarc.wish;
	if (all_refuse(smtp_of(c), out->wish))
		out->refusal = policy_refuse(c, "dmarc",
			"550 5.7.1 The DMARC policy of %s refuses this message",
			conversation_safe(c, f.dmarc.domain));
}

void policy_judge(conversation *c, struct policy_text *t, struct policy_verdict *out)
{
	*out = (struct policy_verdict){0};
	if (t->verifies)
		verify(c, t, out);
	else if (t->sign)
		out->fields = policy_sign_end(c, t);
}
