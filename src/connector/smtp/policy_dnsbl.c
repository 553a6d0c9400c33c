/* DNS blacklists and lists of good clients (D6-D13, RFC 5782): asked all at once, at the first
   recipient whose domain wants it, and once in a conversation. */
#include "base/log.h"
#include "connector/smtp/policy_inside.h"
#include "provider/dnsbl_service.h"

#include <stdio.h>
#include <string.h>

#define SERVICES_MOST 32 /* of one list that are asked */

/* Resolvers for the servers that services name, kept in the worker; who was not asked for longest
   makes room. */
static struct resolver {
	char servers[80];
	dns *d;
	unsigned users; /* services that are being asked */
	uint64_t asked; /* the last time, as `turn` counts */
} own[SERVICES_MOST];
static uint64_t turn;

static void resolver_close(struct resolver *r)
{
	dns_close(&r->d);
	r->servers[0] = '\0';
}

void policy_dnsbl_forget(void)
{
	for (int i = 0; i < SERVICES_MOST; i++)
		resolver_close(&own[i]);
}

/* The one for these servers, or else the place to open it; NULL: all are being asked. */
static struct resolver *resolver_place(const char *servers)
{
	struct resolver *place = NULL;

	for (struct resolver *r = own; r < own + SERVICES_MOST; r++) {
		if (r->d && strcmp(r->servers, servers) == 0)
			return r;
		if (r->users == 0 && (!place || (place->d && (!r->d || r->asked < place->asked))))
			place = r;
	}
	return place;
}

/* NULL: there are too many already, or it cannot be asked. Else it is used until `users` is counted
   down. */
static struct resolver *resolver_of(const struct dnsbl_service *s)
{
	struct dns_conf conf = DNS_CONF_INIT;
	char servers[sizeof own[0].servers];
	bool six = slice_find(s->server, ':') < s->server.size;

	snprintf(servers, sizeof servers, "%s%.*s%s:%u", six ? "[" : "",
		SLICE_ARGS(slice_until(s->server, 60)), six ? "]" : "", s->port);
	struct resolver *r = resolver_place(servers);
	if (!r)
		return NULL;
	if (!r->d || strcmp(r->servers, servers) != 0) {
		resolver_close(r);
		conf.servers = slice_z(servers);
		conf.patience = setting_number(S_dns_patience, NULL);
		conf.cache_most = (size_t)setting_number(S_dns_cache, NULL) / SERVICES_MOST;
		if (dns_open(&conf, &r->d) != ST_OK) {
			log_event(EV_POLICY_RESOLVER, "servers=%s", log_quote(conf.servers));
			r->d = NULL;
			return NULL;
		}
		memcpy(r->servers, servers, sizeof servers);
	}
	r->users++;
	r->asked = ++turn;
	return r;
}

struct asked {
	struct dnsbl_service service;
	struct resolver *own; /* NULL: the worker's */
	dns_question *question;
};

static int ask_all(
	dns *d, enum setting_id id, const net_address *who, struct asked *asked, arena *a)
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

		if (dnsbl_service_parse(word, s) != ST_OK)
			continue;
		struct resolver *r = s->server.size ? resolver_of(s) : NULL;
		if (s->server.size && !r)
			continue;
		asked[n].own = r;
		asked[n++].question =
			dns_ask(r ? r->d : d, types[s->type], dns_reverse(who, s->zone, a));
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
	status s = dns_wait(&asked->question, a, &answer);

	if (asked->own)
		asked->own->users--;
	if (s != ST_OK || answer.kind != DNS_FOUND)
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
