/* The road to other systems: the route table, DNS, connections kept for the next message, and the SMTP
   client. Hosts are tried one after another as long as the trouble is theirs and not the message's. */
#include "connector/smtp/client_route.h"
#include "connector/smtp/outbound.h"
#include "connector/smtp/session.h"
#include "provider/route.h"
#include "task/task.h"

static struct {
	client_pool *pool;
	dns *resolver;
	struct route_dns dns;
	struct outbound_transport way;
} wire;

/* ---- destinations */

static slice destination(void *arg, slice domain, arena *a)
{
	struct mail_route r;

	(void)arg;
	return route_find(domain, a, &r) == ST_OK && r.n > 0 ? r.target : domain;
}

/* ---- one message's way */

struct way {
	struct client_message *m; /* what the caller asked for */
	struct client_message rest; /* to those who have no last word yet */
	int *place;                 /* of rest's recipients in m */
	arena *a;
	struct client_logon logon;
	slice key; /* of kept connections */
	struct outbound_word *words;
};

static void way_begin(struct way *w, struct client_message *m, arena *a, struct outbound_word *words)
{
	*w = (struct way){.m = m, .rest = *m, .a = a, .words = words};
	w->rest.to = arena_new_array(a, (size_t)m->n, sizeof *w->rest.to);
	w->place = arena_new_array(a, (size_t)m->n, sizeof *w->place);
	for (int i = 0; i < m->n; i++) {
		w->rest.to[i] = m->to[i];
		w->place[i] = i;
	}
}

static bool host_is_to_blame(const struct client_result *r)
{
	return r->outcome != CLIENT_DELIVERED && r->outcome != CLIENT_UNSURE &&
	       (r->cause == CLIENT_BY_HOST || r->cause == CLIENT_BY_POLICY || r->cause == CLIENT_STALE ||
		       r->cause == CLIENT_BY_LOGON);
}

/* Takes the results over and keeps those for the next host whose trouble was this host's. */
static void way_gather(struct way *w)
{
	int n = 0;

	for (int i = 0; i < w->rest.n; i++) {
		w->m->to[w->place[i]] = w->rest.to[i];
		if (!host_is_to_blame(&w->rest.to[i].result))
			continue;
		w->rest.to[n] = w->rest.to[i];
		w->place[n++] = w->place[i];
	}
	w->rest.n = n;
}

static void way_result(struct way *w, const struct client_result *r)
{
	for (int i = 0; i < w->rest.n; i++)
		w->rest.to[i].result = *r;
	way_gather(w);
}

static void remember(struct way *w, const struct client_facts *f, slice host)
{
	host = arena_copy(w->a, host);
	for (int i = 0; i < w->rest.n; i++)
		w->words[w->place[i]] = (struct outbound_word){
			host, client_fields(f, &w->rest.to[i].result, w->a)};
}

/* ---- talks */

/* Hands the rest over. */
static void talk(struct way *w, client *c)
{
	const struct client_facts *f = client_facts(c);
	status kind = client_send(c, &w->rest, w->a);

	remember(w, f, f->host);
	way_gather(w);
	if (kind == ST_OK)
		client_pool_keep(wire.pool, w->key, &c);
	else
		client_close(&c);
}

static void talk_kept(struct way *w)
{
	client *c;

	while (w->rest.n > 0 && (c = client_pool_take(wire.pool, w->key)))
		talk(w, c);
}

static void talk_new(struct way *w, struct client_target *t)
{
	struct client_result why;
	client *c;

	if (client_open(t, w->a, &c, &why) == ST_OK) {
		talk(w, c);
		return;
	}
	for (int i = 0; i < w->rest.n; i++)
		w->rest.to[i].result = why;
	remember(w, NULL, t->host);
	way_gather(w);
}

static enum client_tls tls_wanted(const struct client_message *m)
{
	slice word = setting_text(S_outbound_tls, NULL);

	if (m->require_tls)
		return CLIENT_TLS_NAME;
	return slice_same(word, S("must"))  ? CLIENT_TLS_MUST
	       : slice_same(word, S("off")) ? CLIENT_TLS_OFF
					    : CLIENT_TLS_MAY;
}

/* ---- hosts */

/* A host that is we would bring the message back (T16); a port of ours counts alone, for beside it on this
   machine another system may listen. */
static bool is_ourselves(const net_address *at)
{
	slice all = setting_text(S_smtp_listen, NULL), one;
	net_address own;

	while (slice_take(&all, ' ', &one))
		if (one.size && net_endpoint_parse(one, &own) == ST_OK && own.port == at->port &&
			((own.family == 0 && net_address_is_loopback(at)) ||
				(own.family == at->family && memcmp(own.ip, at->ip, sizeof own.ip) == 0)))
			return true;
	return false;
}

static bool bound_for(struct way *w, struct client_target *t)
{
	struct client_result loop;

	if (!is_ourselves(&t->at))
		return true;
	client_route_result(ST_FOREIGN, &loop);
	for (int i = 0; i < w->rest.n; i++)
		w->rest.to[i].result = loop;
	remember(w, NULL, t->host);
	way_gather(w);
	w->rest.n = 0;
	return false;
}

static void hosts_walk(struct way *w, const struct route_ask *ask)
{
	struct client_result why;
	client_route *route;
	status kind = client_route_open(ask, w->a, &route);

	if (kind != ST_OK) {
		client_route_result(kind, &why);
		way_result(w, &why);
		return;
	}
	client_route_result(ST_BUSY, &why); /* until a host says otherwise */
	for (int i = 0; i < w->rest.n; i++)
		w->rest.to[i].result = why;
	while (w->rest.n > 0 && kind != ST_ABSENT && kind != ST_FOREIGN && kind != ST_CANCELLED) {
		struct client_target t = {.policy.tls = tls_wanted(w->m),
			.logon = w->logon.name.size ? &w->logon : NULL};

		kind = client_route_next(route, &t);
		if (kind == ST_OK) {
			client_patience_set(&t.patience);
			if (bound_for(w, &t))
				talk_new(w, &t);
		} else if (kind != ST_ABSENT) {
			client_route_result(kind, &why);
			for (int i = 0; i < w->rest.n; i++)
				w->rest.to[i].result = why;
		}
	}
	way_gather(w);
}

static void key_set(struct way *w, slice host, uint16_t port, slice user)
{
	w->key = arena_format(w->a, "%.*s %u %d %.*s", SLICE_ARGS(host), port, (int)tls_wanted(w->m),
		SLICE_ARGS(user));
}

static void try_hosts(struct way *w, const struct route_ask *ask, slice user)
{
	key_set(w, ask->domain, ask->port, user);
	talk_kept(w);
	if (w->rest.n > 0)
		hosts_walk(w, ask);
}

/* One host after another, as long as their trouble is theirs. */
static void follow(struct way *w, const struct mail_route *r, struct route_ask *ask)
{
	ask->exact = true;
	ask->dane = false;
	ask->own_name_count = 0;
	w->logon = (struct client_logon){.name = r->user, .secret = r->password};
	for (int i = 0; i < r->n && w->rest.n > 0 && !task_cancelled(); i++) {
		ask->domain = r->hosts[i].host;
		ask->port = r->hosts[i].port;
		try_hosts(w, ask, r->user);
	}
}

static void send_on(
	void *arg, slice domain, struct client_message *m, arena *a, struct outbound_word *words)
{
	struct mail_route r = {0};
	struct way w;
	slice own = smtp_local_domain();
	struct route_ask ask = {.domain = domain,
		.dns = &wire.dns,
		.ipv4 = setting_on(S_outbound_ipv4, NULL),
		.ipv6 = setting_on(S_outbound_ipv6, NULL),
		.dane = setting_on(S_outbound_dane, NULL),
		.own_names = &own,
		.own_name_count = 1};

	(void)arg;
	way_begin(&w, m, a, words);
	if (route_find(domain, a, &r) == ST_OK && r.n > 0)
		follow(&w, &r, &ask);
	else
		try_hosts(&w, &ask, S(""));
}

static void tend(void *arg)
{
	(void)arg;
	client_pool_sweep(wire.pool);
}

status outbound_wire_open(const struct outbound_transport **out)
{
	struct dns_conf conf = DNS_CONF_INIT;

	conf.servers = setting_text(S_dns_servers, NULL);
	conf.patience = setting_number(S_dns_patience, NULL);
	conf.trusted = setting_on(S_dns_trusted, NULL);
	conf.cache_most = (size_t)setting_number(S_dns_cache, NULL);
	TRY(dns_open(&conf, &wire.resolver));
	wire.dns = route_dns_of(wire.resolver);
	wire.pool = client_pool_open();
	wire.way = (struct outbound_transport){destination, send_on, tend, NULL};
	*out = &wire.way;
	return ST_OK;
}

void outbound_wire_close(void)
{
	client_pool_close(&wire.pool);
	dns_close(&wire.resolver);
}
