/* The road to other systems: the route table, DNS, connections kept for the next message, and the
   SMTP client. Hosts are tried one after another as long as the trouble is theirs and not the
   message's. */
#include "connector/smtp/client_route.h"
#include "connector/smtp/home.h"
#include "connector/smtp/outbound.h"
#include "connector/smtp/outbound_logon.h"
#include "connector/smtp/session.h"
#include "connector/smtp/sts.h"
#include "provider/route.h"
#include "provider/tls_result.h"
#include "task/task.h"

#define LAST_WORD (2 * USEC_S) /* to write what was counted when the worker ends */

static struct {
	client_pool *pool;
	dns *resolver;
	struct route_dns dns;
	struct outbound_transport way;
} wire;

/* ---- destinations

   As long as the routes cannot be read a domain counts for itself here: nothing is sent before they
   can (send_on). */

static void limits(void *arg, slice domain, unsigned *at_once, usec *apart)
{
	arena a = ARENA_INIT;
	struct mail_route r;

	(void)arg;
	if (route_find(domain, &a, &r) == ST_OK) {
		*at_once = r.at_once ? r.at_once : *at_once;
		*apart = r.apart >= 0 ? r.apart : *apart;
	}
	arena_release(&a);
}

/* A host that shuts one user out may take mail from another. */
static slice destination(void *arg, slice domain, arena *a)
{
	struct mail_route r;

	(void)arg;
	if (route_find(domain, a, &r) != ST_OK || r.n == 0)
		return domain;
	return r.user.size ? arena_format(a, "%.*s %.*s", SLICE_ARGS(r.target), SLICE_ARGS(r.user))
			   : r.target;
}

/* ---- one message's way */

struct way {
	struct client_message *m;   /* what the caller asked for */
	struct client_message rest; /* to those who have no last word yet */
	int *place;                 /* of rest's recipients in m */
	arena *a;
	struct client_logon logon;
	slice key;      /* of kept connections */
	slice domain;   /* where it goes, whatever the host is called */
	slice tls;      /* off, may, must, verify, dane */
	bool tls_first; /* before the host's greeting */
	struct sts
		sts; /* what the domain's MTA-STS policy says; all zero where it is not asked for */
	slice hello; /* empty: local_domain */
	slice from_said;
	net_address from[2]; /* IPv4, IPv6; family 0: any */
	bool later;    /* another try may help: a host was asked, could not be found now, or comes
			  before this one */
	bool barred;   /* this host refused the route's logon, now or a while ago */
	bool in_doubt; /* DNS does not tell all hosts and addresses now */
	struct outbound_word *words;
};

static void way_begin(
	struct way *w, struct client_message *m, arena *a, struct outbound_word *words)
{
	*w = (struct way){.m = m, .rest = *m, .a = a, .words = words};
	w->rest.to = arena_new_array(a, (size_t)m->n, sizeof *w->rest.to);
	w->place = arena_new_array(a, (size_t)m->n, sizeof *w->place);
	for (int i = 0; i < m->n; i++) {
		w->rest.to[i] = m->to[i];
		w->place[i] = i;
	}
}

/* Who we are for the sender's post office and domain (V37), and what the destination must have. */
static void way_dress(struct way *w, const struct mail_route *r)
{
	slice sender = w->m->sender;
	struct setting_at at = {.postoffice = w->m->postoffice,
		.domain = slice_from(sender, slice_find_last(sender, '@') + 1)};
	slice all, one;

	w->tls = w->m->require_tls ? S("verify")
		 : r->tls.size     ? r->tls
				   : setting_text(S_outbound_tls, NULL);
	w->hello = setting_text(S_outbound_hello, &at);
	w->from_said = all = setting_text(S_outbound_address, &at);
	while (slice_take(&all, ' ', &one)) {
		net_address from;

		if (one.size && net_address_parse(one, &from) == ST_OK)
			w->from[from.family == 6] = from;
	}
}

static bool host_is_to_blame(const struct client_result *r)
{
	return r->outcome != CLIENT_DELIVERED && r->outcome != CLIENT_UNSURE &&
	       (r->cause == CLIENT_BY_HOST || r->cause == CLIENT_BY_POLICY ||
		       r->cause == CLIENT_STALE || r->cause == CLIENT_BY_LOGON);
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
		w->words[w->place[i]] =
			(struct outbound_word){host, client_fields(f, &w->rest.to[i].result, w->a)};
}

/* The host that was meant, where no talk came about. */
static void remember_target(struct way *w, const struct client_target *t)
{
	const struct client_facts meant = {.host = t->host, .at = t->at};

	remember(w, &meant, t->host);
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

static bool sts_names(const struct way *w, slice host)
{
	for (int i = 0; i < w->sts.policy.mx_count; i++)
		if (mta_sts_mx_matches(host, w->sts.policy.mx[i]))
			return true;
	return false;
}

/* What a policy makes of a talk that came about: in testing mode it may be one that enforcing would
   have forbidden. */
static slice sts_result(
	const struct way *w, const struct client_target *t, const client *c, slice result)
{
	if (!sts_names(w, t->host))
		return S("validation-failure");
	return client_facts(c)->doubt.size ? client_facts(c)->doubt : result;
}

static slice address_of(const net_address *at, arena *a)
{
	return at->family ? net_address_text(at, a) : S("");
}

/* One session for the counts of RFC 8460: trouble that is none of TLS does not count, nor does a
   route's "off", nor mail that asked for none of it: reports of reports would never end. `why`
   holds what went wrong before a talk without TLS too. */
static void note_tls(const struct way *w, const struct client_target *t, const client *c,
	const struct client_result *why)
{
	struct tls_result r = {.domain = w->domain,
		.policy = S("no-policy-found"),
		.host = t->host,
		.result = why->tls};

	if (t->policy.tls == CLIENT_TLS_OFF || w->m->tls_waived || (!c && why->tls.size == 0))
		return;
	if (c && client_facts(c)->tls.size)
		r.result = S("success");
	else if (why->tls.size == 0)
		r.result = S("starttls-not-supported");
	if (t->policy.tls == CLIENT_TLS_DANE &&
		tls_tlsa_usable(t->policy.tlsa, t->policy.tlsa_count)) {
		r.policy = S("tlsa");
	} else if (w->sts.policy.mode != MTA_STS_NONE || w->sts.trouble.size) {
		r.policy = S("sts");
		if (w->sts.policy.mode == MTA_STS_NONE)
			r.result = w->sts.trouble;
		else if (c)
			r.result = sts_result(w, t, c, r.result);
	}
	r.receiver = net_address_text(&t->at, w->a);
	r.sender = address_of(c ? &client_facts(c)->local : &why->local, w->a);
	tls_result_note(&r);
}

/* What the route's host says to its logon counts for all its addresses. A host that cannot tell now
   (4xx) may be asked again; so may one whose offer we refused ourselves, which shuts nobody out. */
static void heed_logon(
	struct way *w, const struct route_ask *ask, status opened, const struct client_result *why)
{
	const struct logon_at at = {ask->domain, ask->port, &w->logon};
	usec span = setting_number(S_outbound_logon_pause, NULL);

	if (w->logon.name.size == 0)
		return;
	if (opened == ST_OK)
		outbound_logon_forget(&at);
	w->barred = opened != ST_OK && why->cause == CLIENT_BY_LOGON && why->code / 100 != 4;
	if (w->barred && why->code != 0 && span > 0)
		outbound_logon_refused(&at, why, clock_now(), clock_now() + span);
}

static void talk_new(struct way *w, const struct route_ask *ask, struct client_target *t)
{
	struct client_result why = {0};
	client *c = NULL;
	status kind = client_open(t, w->a, &c, &why);

	note_tls(w, t, c, &why);
	heed_logon(w, ask, kind, &why);
	if (kind == ST_OK) {
		talk(w, c);
		return;
	}
	for (int i = 0; i < w->rest.n; i++)
		w->rest.to[i].result = why;
	remember_target(w, t);
	way_gather(w);
}

/* With "dane" this is for hosts that DANE proves, and others are passed over. Where TLS comes first
   there is no talk without. */
static enum client_tls tls_wanted(const struct way *w)
{
	static const struct {
		const char *word;
		enum client_tls tls;
	} rows[] = {{"off", CLIENT_TLS_OFF}, {"must", CLIENT_TLS_MUST}, {"verify", CLIENT_TLS_NAME},
		{"dane", CLIENT_TLS_DANE}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (slice_same(w->tls, slice_z(rows[i].word)))
			return w->tls_first && rows[i].tls == CLIENT_TLS_OFF ? CLIENT_TLS_MUST
									     : rows[i].tls;
	return w->tls_first ? CLIENT_TLS_MUST : CLIENT_TLS_MAY;
}

/* ---- hosts */

/* A host of a route that is we ourselves ends the way (A18): as a loop where it comes first, else
   the word of the host before it stands. */
static bool bound_for(struct way *w, struct client_target *t)
{
	struct client_result loop;

	if (!home_is(&t->at))
		return true;
	if (!w->later) {
		client_route_result(ST_FOREIGN, &loop);
		for (int i = 0; i < w->rest.n; i++)
			w->rest.to[i].result = loop;
		remember_target(w, t);
		way_gather(w);
	}
	w->rest.n = 0;
	return false;
}

static void passed_over(struct way *w, const struct client_target *t, const char *enhanced,
	slice text, enum client_cause cause, enum client_outcome outcome)
{
	for (int i = 0; i < w->rest.n; i++)
		w->rest.to[i].result = (struct client_result){.outcome = outcome,
			.cause = cause,
			.phase = CLIENT_CONNECTING,
			.enhanced = slice_z(enhanced),
			.text = text};
	remember_target(w, t);
	way_gather(w);
	w->later |= outcome == CLIENT_DEFERRED;
}

/* Anybody's DNS may name addresses of our own networks; what listens there expects no mail from him
   (T53). A route is the operator's word. */
static bool is_out_of_bounds(const struct route_ask *ask, const net_address *at)
{
	return !ask->exact && net_address_is_private(at) &&
	       !net_networks_have(setting_text(S_outbound_private_networks, NULL), at);
}

/* Whether the host may be asked at all. What may still be reached has the better word. */
static bool may_ask(struct way *w, const struct route_ask *ask, const struct client_target *t)
{
	if (is_out_of_bounds(ask, &t->at)) {
		if (!w->later)
			passed_over(w, t, "5.4.4",
				S("the domain's mail hosts have no public address"), CLIENT_BY_HOST,
				CLIENT_FAILED);
		return false;
	}
	if (slice_same(w->tls, S("dane")) && t->policy.tlsa_count == 0) {
		passed_over(w, t, "4.7.5",
			S("the host has no TLSA records, which its route asks for"),
			CLIENT_BY_POLICY, CLIENT_DEFERRED);
		return false;
	}
	return true;
}

/* What the domain's policy asks of this host; DANE goes before it (RFC 8461 2). */
static void heed_sts(const struct way *w, struct client_target *t)
{
	if (w->sts.policy.mode != MTA_STS_ENFORCE ||
		(t->policy.tls == CLIENT_TLS_DANE &&
			tls_tlsa_usable(t->policy.tlsa, t->policy.tlsa_count)))
		return;
	t->policy.tls = CLIENT_TLS_NAME;
	t->policy.mx = w->sts.policy.mx;
	t->policy.mx_count = w->sts.policy.mx_count;
}

/* Of a domain's own exchangers none has an address: nothing will come of trying again (RFC
   5321 5.1). A route's host may be written wrongly, which its operator has time to mend; so has a
   domain for which we are the second exchanger. */
static void nowhere(struct way *w, const client_route *route)
{
	struct client_result why = {.outcome = CLIENT_FAILED,
		.cause = CLIENT_BY_HOST,
		.phase = CLIENT_CONNECTING,
		.enhanced = S("5.4.4"),
		.text = S("no mail host of the domain has an address that this system can use")};

	if (client_route_ends_at_us(route)) {
		why.outcome = CLIENT_DEFERRED;
		why.enhanced = S("4.4.4");
		why.text = S(
			"no mail host that goes before this system has an address that it can use");
	}
	for (int i = 0; i < w->rest.n; i++)
		w->rest.to[i].result = why;
}

static void hosts_walk(struct way *w, const struct route_ask *ask)
{
	bool met = false; /* an address, or trouble to find one */
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
	while (w->rest.n > 0 && !w->barred && kind != ST_ABSENT && kind != ST_FOREIGN &&
		kind != ST_CANCELLED) {
		struct client_target t = {.policy.tls = tls_wanted(w),
			.implicit_tls = w->tls_first,
			.hello = w->hello,
			.logon = w->logon.name.size ? &w->logon : NULL};

		kind = client_route_next(route, &t);
		met |= kind != ST_ABSENT;
		if (kind == ST_OK) {
			const net_address *from = &w->from[t.at.family == 6];

			client_patience_set(&t.patience);
			t.from = from->family ? from : NULL;
			heed_sts(w, &t);
			if (!bound_for(w, &t) || !may_ask(w, ask, &t))
				continue;
			talk_new(w, ask, &t);
			w->later = true;
		} else if (kind != ST_ABSENT) {
			client_route_result(kind, &why);
			for (int i = 0; i < w->rest.n; i++)
				w->rest.to[i].result = why;
			w->later = true;
		}
	}
	if (!met && !ask->exact)
		nowhere(w, route);
	way_gather(w);
	w->in_doubt |= client_route_in_doubt(route);
}

/* What DNS does not tell now may be the host that takes the mail: as long as that is so, no other
   host's being of no use returns it. */
static void wait_in_doubt(struct way *w)
{
	struct client_result why;

	client_route_result(ST_BUSY, &why);
	for (int i = 0; i < w->rest.n && w->in_doubt; i++) {
		if (w->rest.to[i].result.outcome != CLIENT_FAILED)
			continue;
		w->m->to[w->place[i]].result = why;
		w->words[w->place[i]] = (struct outbound_word){0};
	}
}

/* Families too: what was kept over one that is off by now is nobody's. */
static void key_set(struct way *w, const struct route_ask *ask, slice user)
{
	w->key = arena_format(w->a, "%.*s %u%s%s%s %.*s%s %.*s %.*s %.*s %.*s",
		SLICE_ARGS(ask->domain), ask->port, w->tls_first ? "s" : "", ask->ipv4 ? " 4" : "",
		ask->ipv6 ? " 6" : "", SLICE_ARGS(w->tls), w->m->tls_waived ? " waived" : "",
		SLICE_ARGS(w->sts.id), SLICE_ARGS(user), SLICE_ARGS(w->hello),
		SLICE_ARGS(w->from_said));
}

static void try_hosts(struct way *w, const struct route_ask *ask, slice user)
{
	key_set(w, ask, user);
	talk_kept(w);
	if (w->rest.n > 0)
		hosts_walk(w, ask);
}

/* The host has said what it thinks of this logon, a while ago. */
static bool is_barred(struct way *w, const struct route_ask *ask)
{
	const struct client_target there = {.host = ask->domain, .at.port = ask->port};
	const struct logon_at at = {ask->domain, ask->port, &w->logon};
	struct client_result why;

	w->barred = w->logon.name.size > 0 &&
		    outbound_logon_waits(&at, clock_now(), w->m->urged, w->a, &why);
	if (!w->barred)
		return false;
	for (int i = 0; i < w->rest.n; i++)
		w->rest.to[i].result = why;
	remember_target(w, &there);
	way_gather(w);
	return true;
}

/* One host after another, as long as their trouble is theirs. */
static void follow(struct way *w, const struct mail_route *r, struct route_ask *ask)
{
	ask->exact = true;
	ask->dane = slice_same(w->tls, S("dane"));
	ask->own_name_count = 0;
	w->tls_first = r->tls_first;
	w->logon = (struct client_logon){.name = r->user, .secret = r->password};
	w->m->unasked = r->n > 0;
	for (int i = 0; i < r->n && w->rest.n > 0 && !task_cancelled(); i++) {
		ask->domain = r->hosts[i].host;
		ask->port = r->hosts[i].port;
		w->later |= i > 0;
		if (is_barred(w, ask))
			continue;
		w->m->unasked = false;
		try_hosts(w, ask, r->user);
	}
}

/* What was decided of TLS by an operator ("off", "dane") is not for a domain to change, nor by who
   wrote the message. ST_OK, or nobody knows now. */
static status sts_ask(struct way *w)
{
	struct setting_at at = {.postoffice = w->m->postoffice};

	if (w->m->tls_waived || !setting_on(S_outbound_mta_sts, &at) || w->domain.size == 0 ||
		w->domain.at[0] == '[' || slice_same(w->tls, S("off")) ||
		slice_same(w->tls, S("dane")))
		return ST_OK;
	return sts_find(wire.resolver, w->domain, w->a, &w->sts);
}

/* To the domain's own exchangers. */
static void to_exchangers(struct way *w, struct route_ask *ask)
{
	struct client_result why;
	status kind = sts_ask(w);

	if (kind == ST_OK) {
		try_hosts(w, ask, S(""));
		return;
	}
	client_route_result(kind == ST_CANCELLED ? kind : ST_BUSY, &why);
	way_result(w, &why);
}

/* Its exchangers are not where a route that cannot be read now would have the mail go. */
static void no_route_known(struct client_message *m)
{
	m->unasked = true;
	for (int i = 0; i < m->n; i++)
		m->to[i].result = (struct client_result){.outcome = CLIENT_DEFERRED,
			.cause = CLIENT_BY_US,
			.phase = CLIENT_CONNECTING,
			.enhanced = S("4.3.0"),
			.text = S("the routes cannot be read now")};
}

static void send_on(
	void *arg, slice domain, struct client_message *m, arena *a, struct outbound_word *words)
{
	struct mail_route r = {.apart = -1};
	struct way w;
	slice own = smtp_local_domain();
	struct route_ask ask = {.domain = domain,
		.port = (uint16_t)setting_number(S_outbound_port, NULL),
		.dns = &wire.dns,
		.ipv4 = setting_on(S_outbound_ipv4, NULL),
		.ipv6 = setting_on(S_outbound_ipv6, NULL),
		.dane = setting_on(S_outbound_dane, NULL),
		.own_names = &own,
		.own_name_count = 1,
		.is_own = home_is};

	(void)arg;
	way_begin(&w, m, a, words);
	w.domain = domain;
	status kind = route_find(domain, a, &r);
	if (kind != ST_OK && kind != ST_ABSENT) {
		no_route_known(m);
		return;
	}
	way_dress(&w, &r);
	ask.dane = slice_same(w.tls, S("dane")) ||
		   (ask.dane && !m->tls_waived && !slice_same(w.tls, S("off")));
	if (r.n > 0)
		follow(&w, &r, &ask);
	else
		to_exchangers(&w, &ask);
	wait_in_doubt(&w);
}

static void tend(void *arg)
{
	(void)arg;
	client_pool_sweep(wire.pool);
	outbound_logon_sweep(clock_now());
	tls_result_flush(false);
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
	wire.way = (struct outbound_transport){destination, send_on, tend, NULL, limits};
	*out = &wire.way;
	return ST_OK;
}

void outbound_wire_close(void)
{
	usec before = task_deadline(clock_now() + LAST_WORD);

	tls_result_flush(true);
	task_deadline(before);
	client_pool_close(&wire.pool);
	outbound_logon_sweep(USEC_NEVER);
	sts_close();
	dns_close(&wire.resolver);
}
