/* Where mail for a domain goes; the contract stands in client_route.h. */
#include "connector/smtp/client_route.h"

#include "base/random.h"

#include <stdlib.h>

/* One exchanger whose turn has come. */
struct stop {
	slice host;
	status kind; /* why it must not be tried */
	struct route_hosts hosts;
	int at; /* the next of its addresses */
	struct tls_tlsa *tlsa;
	int tlsa_count;
	slice tlsa_base; /* the name the certificate is checked for */
};

struct client_route {
	const struct route_ask *ask;
	arena *a;
	uint16_t port;
	struct route_mx *mx; /* in the order they are tried */
	int n, at;
	bool secure;                         /* the list of exchangers is proved */
	struct stop group[ROUTE_HOSTS_MOST]; /* of the present preference */
	int group_n, group_at;
	bool under_way; /* a group has been walked */
	bool ends_at_us;
	bool in_doubt;
	int tries;
};

/* ---- the order */

static void swap(struct route_mx *a, struct route_mx *b)
{
	struct route_mx kept = *a;

	*a = *b;
	*b = kept;
}

/* By preference, equal ones in random order (RFC 5321 5.1): thrown about, then sorted stably. */
static void put_in_order(struct route_mx *mx, int n)
{
	for (int i = n - 1; i > 0; i--)
		swap(&mx[i], &mx[random_below((uint64_t)i + 1)]);
	for (int i = 1; i < n; i++)
		for (int k = i; k > 0 && mx[k - 1].preference > mx[k].preference; k--)
			swap(&mx[k - 1], &mx[k]);
}

static bool is_own_name(const struct route_ask *ask, slice host)
{
	for (int i = 0; i < ask->own_name_count; i++)
		if (slice_same_nocase(ask->own_names[i], host))
			return true;
	return false;
}

static bool is_own_address(const client_route *r, const net_address *at)
{
	net_address door = *at;

	door.port = r->port;
	return r->ask->is_own && r->ask->is_own(&door);
}

/* We and all that are no better than we are left out. ST_FOREIGN: nobody is. */
static status leave_us_out(client_route *r)
{
	for (int i = 0; i < r->n; i++) {
		if (!is_own_name(r->ask, r->mx[i].host))
			continue;
		unsigned ours = r->mx[i].preference;
		r->n = 0;
		while (r->mx[r->n].preference < ours)
			r->n++;
		r->ends_at_us = r->n > 0;
		return r->ends_at_us ? ST_OK : ST_FOREIGN;
	}
	return ST_OK;
}

/* ---- opening */

static void one_exchanger(client_route *r, slice host)
{
	r->mx = arena_new(r->a, sizeof *r->mx);
	r->mx[0] = (struct route_mx){.host = host};
	r->n = 1;
}

static status find_exchangers(client_route *r)
{
	const struct route_ask *ask = r->ask;
	struct route_mx *found = NULL;
	int n = 0;

	TRY(ask->dns->mx(ask->dns->arg, ask->domain, r->a, &found, &n, &r->secure));
	if (n == 0) {
		one_exchanger(r, ask->domain);
		return ST_OK;
	}
	r->mx = arena_new_array(r->a, (size_t)n, sizeof *r->mx);
	for (int i = 0; i < n; i++)
		if (found[i].host.size > 0)
			r->mx[r->n++] = found[i];
	if (r->n == 0)
		return ST_DENIED; /* RFC 7505 */
	put_in_order(r->mx, r->n);
	if (r->n > ROUTE_HOSTS_MOST)
		r->n = ROUTE_HOSTS_MOST;
	return ST_OK;
}

/* "[192.0.2.1]", "[IPv6:2001:db8::1]": the one stop is known already. */
static status open_literal(client_route *r)
{
	slice ip = slice_of(r->ask->domain.at + 1, r->ask->domain.size - 2);
	struct stop *only = &r->group[0];

	if (slice_starts_nocase(ip, S("IPv6:")))
		ip = slice_from(ip, S("IPv6:").size);
	only->host = r->ask->domain;
	only->hosts = (struct route_hosts){.at = arena_new(r->a, sizeof(net_address)), .n = 1};
	TRY(net_address_parse(ip, only->hosts.at));
	if (!r->ask->exact && is_own_address(r, only->hosts.at))
		return ST_FOREIGN;
	r->group_n = 1;
	return ST_OK;
}

static bool is_literal(slice domain)
{
	return domain.size > 2 && domain.at[0] == '[' && domain.at[domain.size - 1] == ']';
}

status client_route_open(const struct route_ask *ask, arena *a, client_route **out)
{
	client_route *r = arena_new(a, sizeof *r);

	r->ask = ask;
	r->a = a;
	r->port = ask->port ? ask->port : 25;
	if (is_literal(ask->domain)) {
		TRY(open_literal(r));
	} else if (ask->exact) {
		one_exchanger(r, ask->domain);
		r->secure = true;
	} else {
		TRY(find_exchangers(r));
		TRY(leave_us_out(r));
	}
	*out = r;
	return ST_OK;
}

/* ---- addresses */

static bool wanted(const struct route_ask *ask, const net_address *at)
{
	return at->family == 4 ? ask->ipv4 : ask->ipv6;
}

/* IPv6 and IPv4 in turns, so that one family that leads nowhere costs little. */
static void take_turns(const struct route_ask *ask, arena *a, struct route_hosts *h)
{
	net_address *out = arena_new_array(a, (size_t)h->n + 1, sizeof *out);
	int at[2] = {0, 0}, n = 0;

	for (int turn = 0; at[0] < h->n || at[1] < h->n; turn ^= 1) {
		int family = turn == 0 ? 6 : 4;
		int *i = &at[turn];
		while (*i < h->n && (h->at[*i].family != family || !wanted(ask, &h->at[*i])))
			(*i)++;
		if (*i < h->n)
			out[n++] = h->at[(*i)++];
	}
	h->at = out;
	h->n = n < ROUTE_ADDRESSES_MOST ? n : ROUTE_ADDRESSES_MOST;
}

/* TLSA records under one name; none, when they are not proved. */
static status find_tlsa(client_route *r, struct stop *s, slice base)
{
	const struct route_dns *d = r->ask->dns;
	slice name = arena_format(r->a, "_%u._tcp.%.*s", r->port, SLICE_ARGS(base));
	bool secure = false;

	status kind = d->tlsa(d->arg, name, r->a, &s->tlsa, &s->tlsa_count, &secure);
	if (kind == ST_ABSENT || (kind == ST_OK && !secure))
		s->tlsa_count = 0;
	s->tlsa_base = base;
	return kind == ST_ABSENT ? ST_OK : kind;
}

/* Where an alias leads counts first, then the alias itself (RFC 7672 2.2.2). */
static status find_proof(client_route *r, struct stop *s)
{
	slice end = s->hosts.name.size ? s->hosts.name : s->host;

	if (!r->ask->dane || !r->secure || !s->hosts.secure || s->hosts.n == 0)
		return ST_OK;
	TRY(find_tlsa(r, s, end));
	if (s->tlsa_count == 0 && !slice_same_nocase(end, s->host))
		TRY(find_tlsa(r, s, s->host));
	return ST_OK;
}

/* DNS does not say now whether the host has further addresses that may be used. */
static bool is_unsure(const struct route_ask *ask, const struct route_hosts *h)
{
	return (ask->ipv4 && h->unsure4) || (ask->ipv6 && h->unsure6);
}

static void look_up(client_route *r, struct stop *s, slice host)
{
	const struct route_dns *d = r->ask->dns;

	*s = (struct stop){.host = host};
	s->kind = d->hosts(d->arg, host, r->a, &s->hosts);
	if (s->kind == ST_ABSENT) {
		s->hosts = (struct route_hosts){0};
		s->kind = ST_OK;
	}
	if (s->kind != ST_OK)
		return;
	take_turns(r->ask, r->a, &s->hosts);
	bool unsure = is_unsure(r->ask, &s->hosts);
	r->in_doubt |= unsure;
	s->kind = unsure && s->hosts.n == 0 ? ST_BUSY : find_proof(r, s);
}

static bool is_us(const client_route *r, const struct stop *s)
{
	for (int i = 0; i < s->hosts.n && !r->ask->exact; i++)
		if (is_own_address(r, &s->hosts.at[i]))
			return true;
	return false;
}

/* All exchangers of the next preference. One of them may be we ourselves, known by its address:
   then the walk ends before any of them was tried. */
static status next_group(client_route *r)
{
	unsigned preference = r->mx[r->at].preference;

	r->group_n = r->group_at = 0;
	while (r->at < r->n && r->mx[r->at].preference == preference) {
		struct stop *s = &r->group[r->group_n++];
		look_up(r, s, r->mx[r->at++].host);
		r->in_doubt |= s->kind != ST_OK;
		if (s->kind == ST_CANCELLED)
			return ST_CANCELLED;
		if (is_us(r, s)) {
			r->at = r->n;
			r->group_n = 0;
			r->ends_at_us = r->under_way;
			return r->ends_at_us ? ST_ABSENT : ST_FOREIGN;
		}
	}
	r->under_way = true;
	return ST_OK;
}

/* ---- walking */

static void aim(client_route *r, struct stop *s, struct client_target *t)
{
	r->tries++;
	t->host = s->host;
	t->at = s->hosts.at[s->at++];
	t->at.port = r->port;
	if (s->tlsa_count == 0)
		return;
	slice *names = arena_new_array(r->a, 2, sizeof *names);
	names[0] = r->ask->domain;
	names[1] = s->host;
	t->host = s->tlsa_base;
	t->policy.tls = CLIENT_TLS_DANE;
	t->policy.tlsa = s->tlsa;
	t->policy.tlsa_count = s->tlsa_count;
	t->policy.names = names;
	t->policy.name_count = 2;
}

status client_route_next(client_route *r, struct client_target *t)
{
	for (;;) {
		while (r->group_at < r->group_n && r->tries < ROUTE_TRIES_MOST) {
			struct stop *s = &r->group[r->group_at];
			if (s->kind == ST_OK && s->at < s->hosts.n) {
				aim(r, s, t);
				return ST_OK;
			}
			r->group_at++;
			if (s->kind != ST_OK)
				return s->kind;
		}
		if (r->at == r->n || r->tries == ROUTE_TRIES_MOST)
			return ST_ABSENT;
		TRY(next_group(r));
	}
}

bool client_route_ends_at_us(const client_route *r)
{
	return r->ends_at_us;
}

bool client_route_in_doubt(const client_route *r)
{
	return r->in_doubt;
}

void client_route_result(status kind, struct client_result *out)
{
	static const struct {
		status kind;
		enum client_outcome outcome;
		const char *enhanced, *sentence;
	} rows[] = {
		{ST_ABSENT, CLIENT_FAILED, "5.1.2", "the domain does not exist or takes no mail"},
		{ST_DENIED, CLIENT_FAILED, "5.1.10", "the domain says that it takes no mail"},
		{ST_FOREIGN, CLIENT_FAILED, "5.4.6", "mail for the domain would come back to us"},
		{ST_INVALID, CLIENT_FAILED, "5.1.3", "the domain cannot be read"},
		{ST_CANCELLED, CLIENT_DEFERRED, "4.3.2", "this system stops"},
		{ST_BUSY, CLIENT_DEFERRED, "4.4.3",
			"DNS does not say where the domain's mail goes"},
	};
	size_t i = 0;

	while (i + 1 < sizeof rows / sizeof rows[0] && rows[i].kind != kind)
		i++;
	*out = (struct client_result){
		.outcome = rows[i].outcome,
		.cause = kind == ST_CANCELLED ? CLIENT_BY_US : CLIENT_BY_HOST,
		.phase = CLIENT_CONNECTING,
		.enhanced = slice_z(rows[i].enhanced),
		.text = slice_z(rows[i].sentence),
	};
}

/* ---- the house's resolver */

static status kind_of(const dns_answer *d)
{
	switch (d->kind) {
	case DNS_FOUND:
	case DNS_NO_DATA:
		return ST_OK;
	case DNS_NO_NAME:
		return ST_ABSENT;
	default:
		return ST_BUSY;
	}
}

static status ask_mx(
	void *arg, slice domain, arena *a, struct route_mx **rows, int *n, bool *secure)
{
	dns_answer d;

	TRY(dns_find(arg, DNS_MX, domain, a, &d));
	TRY(kind_of(&d));
	*rows = arena_new_array(a, d.count + 1, sizeof **rows);
	for (size_t i = 0; i < d.count; i++)
		(*rows)[i] = (struct route_mx){d.record[i].preference, d.record[i].name};
	*n = (int)d.count;
	*secure = d.secure;
	return ST_OK;
}

/* The addresses are proved when each that is there is: a family that somebody keeps from us must
   not make us forget the TLSA records. */
static void add_hosts(const dns_answer *d, struct route_hosts *out)
{
	out->secure = out->secure && (d->count == 0 || d->secure);
	for (size_t i = 0; i < d->count; i++)
		out->at[out->n++] = d->record[i].address;
	if (d->count > 0)
		out->name = d->name;
}

static bool is_trouble(status kind)
{
	return kind != ST_OK && kind != ST_ABSENT;
}

/* One family is enough: what the other's servers have to say may come too late. */
static status ask_hosts(void *arg, slice host, arena *a, struct route_hosts *out)
{
	dns_question *four = dns_ask(arg, DNS_A, host), *six = dns_ask(arg, DNS_AAAA, host);
	dns_answer d4 = {0}, d6 = {0};
	status kind4 = dns_wait(&four, a, &d4), kind6 = dns_wait(&six, a, &d6);

	kind4 = kind4 == ST_OK ? kind_of(&d4) : kind4;
	kind6 = kind6 == ST_OK ? kind_of(&d6) : kind6;
	if (kind4 == ST_CANCELLED || kind6 == ST_CANCELLED)
		return ST_CANCELLED;
	*out = (struct route_hosts){
		.at = arena_new_array(a, d4.count + d6.count + 1, sizeof *out->at),
		.name = host,
		.secure = true,
		.unsure4 = is_trouble(kind4),
		.unsure6 = is_trouble(kind6)};
	add_hosts(&d6, out);
	add_hosts(&d4, out);
	if (out->n > 0)
		return ST_OK;
	return is_trouble(kind4) ? kind4 : kind6;
}

static status ask_tlsa(
	void *arg, slice name, arena *a, struct tls_tlsa **rows, int *n, bool *secure)
{
	dns_answer d;

	TRY(dns_find(arg, DNS_TLSA, name, a, &d));
	TRY(kind_of(&d));
	*rows = arena_new_array(a, d.count + 1, sizeof **rows);
	for (size_t i = 0; i < d.count; i++) {
		const dns_record *r = &d.record[i];
		(*rows)[i] = (struct tls_tlsa){r->usage, r->selector, r->matching, r->data};
	}
	*n = (int)d.count;
	*secure = d.secure;
	return ST_OK;
}

struct route_dns route_dns_of(dns *d)
{
	return (struct route_dns){.mx = ask_mx, .hosts = ask_hosts, .tlsa = ask_tlsa, .arg = d};
}
