/* Receiving rules: what they share, and those about the client itself. */
#include "base/log.h"
#include "connector/smtp/policy_inside.h"
#include "net/ban.h"
#include "provider/ban_list.h"

#include <stdarg.h>

static dns *resolver;

/* ---- the resolver */

dns *policy_resolver(void)
{
	static bool told;
	struct dns_conf conf = DNS_CONF_INIT;

	if (resolver)
		return resolver;
	conf.servers = setting_text(S_dns_servers, NULL);
	conf.patience = setting_number(S_dns_patience, NULL);
	conf.trusted = setting_on(S_dns_trusted, NULL);
	conf.cache_most = (size_t)setting_number(S_dns_cache, NULL);
	if (dns_open(&conf, &resolver) != ST_OK) {
		if (!told)
			log_event(EV_POLICY_RESOLVER, "servers=%s", log_quote(conf.servers));
		told = true;
		resolver = NULL;
	}
	return resolver;
}

static lookup_kind nobody_knows(
	void *with, enum lookup_type type, slice name, arena *a, lookup_answer *out)
{
	(void)with, (void)type, (void)name, (void)a;
	return out->kind = LOOKUP_TEMPORARY;
}

lookup policy_lookup(void)
{
	dns *d = policy_resolver();

	return d ? dns_lookup(d) : (lookup){.ask = nobody_knows};
}

static void ban_heard(slice address, usec left)
{
	net_address at;

	if (net_address_parse(address, &at) != ST_OK)
		return;
	if (left > 0)
		ban_set(&at, clock_now() + left);
	else
		ban_lift(&at);
}

void smtp_open(void)
{
	ban_list_follow(ban_heard);
}

void smtp_close(void)
{
	dns_close(&resolver);
	policy_dnsbl_forget();
	policy_keys_forget();
	milter_forget();
}

struct policy_wait policy_wait_begin(conversation *c)
{
	struct policy_wait w = {.began = clock_now(), .deadline = task_deadline_now()};
	usec until = w.began + setting_number(S_dns_budget, NULL) - smtp_of(c)->policy.waited;

	task_deadline(until < w.deadline ? until : w.deadline);
	return w;
}

void policy_wait_end(conversation *c, const struct policy_wait *w)
{
	task_deadline(w->deadline);
	smtp_of(c)->policy.waited += clock_now() - w->began;
}

/* ---- refusing */

bool policy_applies(const conversation *c)
{
	return !smtp_of(c)->authenticated && !smtp_is_privileged(c);
}

const char *policy_refuse(conversation *c, const char *rule, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	const char *reply = arena_format_v(&c->command, format, args).at;
	va_end(args);
	log_event(EV_POLICY_REFUSED, "conversation=%s peer=%s helo=%s rule=%s from=%s reply=%s",
		c->name, net_address_text(smtp_client(c), &c->command).at,
		log_quote(smtp_of(c)->helo), rule,
		log_quote(mail_address_text(&smtp_of(c)->sender, &c->command)),
		log_quote(slice_z(reply)));
	smtp_of(c)->told = true;
	return reply;
}

struct setting_at policy_at(const struct recipient *r)
{
	return (struct setting_at){.postoffice = r->route.postoffice,
		.domain = r->address.literal ? S("") : r->address.domain};
}

static const char *literal_of(conversation *c)
{
	return net_address_literal(smtp_client(c), &c->command).at;
}

/* ---- at the door */

static const char *access_refusal(conversation *c)
{
	const net_address *who = smtp_client(c);

	if (who->family == 0)
		return NULL;
	if (!net_networks_admit(setting_text(S_smtp_access, NULL),
		    setting_text(S_smtp_access_denied, NULL), who))
		return policy_refuse(c, "access", "554 5.7.1 No access from %s", literal_of(c));
	if (!smtp_in_networks(S_smtp_ban_exempt, who) && ban_stands(who))
		return policy_refuse(c, "ban",
			"554 5.7.1 No access from %s for a while: too many errors before",
			literal_of(c));
	return NULL;
}

/* Who speaks before the greeting does not listen to what a server says. */
static const char *early_refusal(conversation *c)
{
	usec delay = setting_number(S_smtp_greeting_delay, NULL);

	if (delay == 0 || smtp_submits(c) || !policy_applies(c))
		return NULL;
	conversation_idle(c, true);
	bool early = stream_wait_input(c->stream, delay) == ST_OK;
	conversation_idle(c, false);
	/* Unread words would turn the end into a reset that eats our answer. */
	slice words;
	if (early && stream_peek(c->stream, &words) == ST_OK)
		stream_discard(c->stream);
	return early ? policy_refuse(c, "early-talker", "554 5.5.1 You spoke before the greeting")
		     : NULL;
}

const char *policy_door(conversation *c)
{
	const char *refusal = access_refusal(c);

	return refusal ? refusal : early_refusal(c);
}

void policy_too_many(conversation *c)
{
	usec span = setting_number(S_smtp_ban, NULL);

	if (span == 0 || smtp_client(c)->family == 0 || smtp_of(c)->authenticated ||
		smtp_in_networks(S_smtp_ban_exempt, smtp_client(c)))
		return;
	net_address banned = ban_address(smtp_client(c));
	ban_set(&banned, clock_now() + span);
	ban_list_note(net_address_text(&banned, &c->command), span);
	log_event(EV_POLICY_BANNED, "conversation=%s peer=%s seconds=%lld", c->name,
		net_address_text(smtp_client(c), &c->command).at, (long long)(span / USEC_S));
}

/* ---- the sender's domain */

const char *policy_sender(conversation *c)
{
	struct smtp *s = smtp_of(c);
	enum host_mail takes = HOST_UNKNOWN;
	dns *d;

	if (s->sender.empty || s->sender.literal || !setting_on(S_smtp_sender_domain, NULL) ||
		!policy_applies(c) || address_domain_is_ours(s->sender.domain) != ST_FOREIGN ||
		!(d = policy_resolver()))
		return NULL;
	struct policy_wait w = policy_wait_begin(c);
	host_takes_mail(d, s->sender.domain, &c->command, &takes);
	policy_wait_end(c, &w);
	if (takes != HOST_TAKES_NONE)
		return NULL;
	return policy_refuse(c, "sender-domain",
		"550 5.1.8 The sender's domain %s does not exist or takes no mail",
		conversation_safe(c, s->sender.domain));
}

/* ---- the client's name */

const host_name *policy_host(conversation *c)
{
	struct policy *p = &smtp_of(c)->policy;
	dns *d = policy_resolver();

	if (p->named || !d)
		return &p->host;
	struct policy_wait w = policy_wait_begin(c);
	host_name_of(d, smtp_client(c), &p->facts, &p->host);
	policy_wait_end(c, &w);
	p->named = true;
	return &p->host;
}

static const char *nameless_refusal(conversation *c)
{
	if (!setting_on(S_smtp_require_ptr, NULL) || smtp_client(c)->family == 0)
		return NULL;
	const host_name *host = policy_host(c);
	if (!smtp_of(c)->policy.named || (host->kind != DNS_NO_NAME && host->kind != DNS_NO_DATA))
		return NULL;
	return policy_refuse(
		c, "ptr", "550 5.7.25 Your address %s has no name in the DNS (PTR)", literal_of(c));
}

/* "*" stands for any run of characters. */
static bool fits(slice mask, slice name)
{
	size_t star = slice_find(mask, '*');

	if (star == mask.size)
		return slice_same_nocase(mask, name);
	if (!slice_starts_nocase(name, slice_until(mask, star)))
		return false;
	name = slice_from(name, star);
	mask = slice_from(mask, star + 1);
	/* What stands between two stars may as well be found at its first place. */
	while ((star = slice_find(mask, '*')) < mask.size) {
		slice part = slice_until(mask, star);
		size_t at = slice_search_nocase(name, part);

		if (part.size > name.size - at)
			return false;
		name = slice_from(name, at + part.size);
		mask = slice_from(mask, star + 1);
	}
	return slice_ends_nocase(name, mask);
}

static slice mask_for(slice list, slice name)
{
	slice mask;

	while (name.size && slice_take(&list, ' ', &mask))
		if (mask.size && fits(mask, name))
			return mask;
	return (slice){0};
}

static slice blocked_by(conversation *c, slice list)
{
	const host_name *host = policy_host(c);
	const slice names[] = {smtp_of(c)->helo, host->verified, host->claimed};
	slice mask = {0};

	for (size_t i = 0; i < sizeof names / sizeof *names && mask.size == 0; i++)
		mask = mask_for(list, names[i]);
	return mask;
}

static const char *blocked_refusal(conversation *c, const struct recipient *r)
{
	struct setting_at at = policy_at(r);
	slice own = setting_text(S_blocked_hosts, &at), all = setting_text(S_blocked_hosts, NULL);
	slice mask = {0};

	if (own.size)
		mask = blocked_by(c, own);
	if (mask.size == 0 && all.size && !slice_same(all, own))
		mask = blocked_by(c, all);
	return mask.size == 0 ? NULL
			      : policy_refuse(c, "blocked-host",
					"550 5.7.1 Hosts such as yours (%s) are blocked here",
					conversation_safe(c, mask));
}

/* ---- SPF */

static const char *spf_refusal(conversation *c, const struct recipient *r)
{
	struct setting_at at = policy_at(r);

	if (!slice_same(setting_text(S_spf_policy, &at), S("reject")))
		return NULL;
	const spf_report *spf = policy_spf(c);
	if (spf->result != SPF_FAIL)
		return NULL;
	return policy_refuse(c, "spf", "550 5.7.23 SPF: %s does not let %s send for it",
		conversation_safe(c, spf->domain), literal_of(c));
}

/* ---- recipients */

/* Postmasters hear of those who are refused wrongly (RFC 5321 4.5.1). */
const char *policy_recipient(conversation *c, const struct recipient *r)
{
	const char *refusal;

	if (r->remote || r->route.postmaster || !policy_applies(c))
		return NULL;
	refusal = nameless_refusal(c);
	if (!refusal)
		refusal = blocked_refusal(c, r);
	if (!refusal)
		refusal = policy_dnsbl(c, r);
	if (!refusal)
		refusal = spf_refusal(c, r);
	return refusal ? refusal : policy_greylist(c, r);
}

/* ---- ends */

void policy_message_over(conversation *c)
{
	struct policy *p = &smtp_of(c)->policy;

	p->waited = 0;
	p->spf_known = false;
	p->spf = (spf_report){0};
}

void policy_conversation_over(conversation *c)
{
	arena_release(&smtp_of(c)->policy.facts);
}
