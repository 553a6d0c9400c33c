/* DNS blacklists and lists of good clients (D6-D13, RFC 5782): asked all at once, at the first
   recipient whose domain wants it, and once in a conversation. */
#include "base/log.h"
#include "connector/smtp/policy_inside.h"
#include "provider/dnsbl_service.h"

#include <stdio.h>
#include <string.h>

#define SERVICES_MOST 32 /* of one list that are asked */

/* Resolvers for the servers that services name, kept for the life of the worker. */
static struct {
	char servers[80];
	dns *d;
} own[SERVICES_MOST];

void policy_dnsbl_forget(void)
{
	for (int i = 0; i < SERVICES_MOST; i++) {
		dns_close(&own[i].d);
		own[i].servers[0] = '\0';
	}
}

/* NULL: there are too many already, or it cannot be asked. */
static dns *resolver_of(const struct dnsbl_service *s)
{
	struct dns_conf conf = DNS_CONF_INIT;
	char servers[sizeof own[0].servers];
	bool six = slice_find(s->server, ':') < s->server.size;
	int i = 0;

	snprintf(servers, sizeof servers, "%s%.*s%s:%u", six ? "[" : "", SLICE_ARGS(slice_until(s->server, 60)),
		six ? "]" : "", s->port);
	while (i < SERVICES_MOST && own[i].d && strcmp(own[i].servers, servers) != 0)
		i++;
	if (i == SERVICES_MOST || own[i].d)
		return i < SERVICES_MOST ? own[i].d : NULL;
	conf.servers = slice_z(servers);
	conf.patience = setting_number(S_dns_patience, NULL);
	conf.cache_most = (size_t)setting_number(S_dns_cache, NULL) / SERVICES_MOST;
	if (dns_open(&conf, &own[i].d) != ST_OK) {
		log_event(EV_POLICY_RESOLVER, "servers=%s", log_quote(conf.servers));
		own[i].d = NULL;
		return NULL;
	}
	memcpy(own[i].servers, servers, sizeof servers);
	return own[i].d;
}

struct asked {
	struct dnsbl_service service;
	dns_question *question;
};

static int ask_all(dns *d, enum setting_id id, const net_address *who, struct asked *asked, arena *a)
{
	static const enum dns_type types[] = {[DNSBL_A] = DNS_A,
		[DNSBL_TXT] = DNS_TXT,
		[DNSBL_MX] = DNS_MX,
		[DNSBL_NS] = DNS_NS,
		[DNSBL_PTR] = DNS_PTR};
	slice list = setting_text(id, NULL), word;
	int n = 0;

	while (n < SERVICES_MOST && slice_take(&list, ' ', &word)) {
		struct dnsbl_service *s = &asked[n].service;
		dns *whom = NULL;

		if (dnsbl_service_parse(word, s) == ST_OK && (whom = s->server.size ? resolver_of(s) : d))
			asked[n++].question = dns_ask(whom, types[s->type], dns_reverse(who, s->zone, a));
	}
	return n;
}

static bool has_value(const struct dnsbl_service *s, const net_address *found)
{
	slice values = s->values, value;
	net_network network;

	while (slice_take(&values, ',', &value))
		if (net_network_parse(value, &network) == ST_OK && net_network_has(&network, found))
			return true;
	return false;
}

static bool lists(struct asked *asked, arena *a)
{
	dns_answer answer;

	if (dns_wait(&asked->question, a, &answer) != ST_OK || answer.kind != DNS_FOUND)
		return false;
	if (asked->service.values.size == 0)
		return true;
	for (size_t i = 0; i < answer.count; i++)
		if (has_value(&asked->service, &answer.record[i].address))
			return true;
	return false;
}

/* Answers that come before the budget is used up count. */
static void weigh(conversation *c, struct policy *p, dns *d)
{
	struct asked bad[SERVICES_MOST], good[SERVICES_MOST];
	int bad_count = ask_all(d, S_dnsbl_services, smtp_client(c), bad, &c->command);
	int good_count = ask_all(d, S_dnsbl_allow_services, smtp_client(c), good, &c->command);

	for (int i = 0; i < good_count; i++)
		p->allowed |= lists(&good[i], &c->command);
	for (int i = 0; i < bad_count; i++)
		if (lists(&bad[i], &c->command)) {
			p->weight += bad[i].service.weight;
			p->lists = arena_format(&p->facts, "%.*s%s%.*s", SLICE_ARGS(p->lists),
				p->lists.size ? ", " : "", SLICE_ARGS(bad[i].service.zone));
		}
}

const char *policy_dnsbl(conversation *c, const struct recipient *r)
{
	struct policy *p = &smtp_of(c)->policy;
	struct setting_at at = policy_at(r);
	const net_address *who = smtp_client(c);
	dns *d;

	if (who->family == 0 || !setting_on(S_dnsbl, &at) ||
		smtp_in_networks(S_dnsbl_allow_networks, who) || !(d = policy_resolver()))
		return NULL;
	if (!p->weighed) {
		struct policy_wait w = policy_wait_begin(c);
		weigh(c, p, d);
		policy_wait_end(c, &w);
		p->weighed = true;
	}
	if (p->allowed || p->weight < (unsigned)setting_number(S_dnsbl_threshold, &at))
		return NULL;
	return policy_refuse(c, "dnsbl", "550 5.7.1 Your address %s is listed by %s",
		net_address_literal(who, &c->command).at,
		arena_z(&c->command, slice_until(p->lists, 300)));
}
