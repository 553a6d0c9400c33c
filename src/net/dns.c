/* The resolver; see dns.h. c-ares keeps the sockets, the time-outs, the servers in their order and
   TCP for what UDP cuts; queries are written and answers read by dns_message.c.

       question (one per asker) --> flight (one per name and type under way) --> c-ares
                 |                            |
                 +------ reply (shared) <-----+------> cache

   c-ares is not made for several who wait on its sockets, so one drives it: in a loop a fiber that
   lives while anybody waits, on a plain thread the waiter itself. Nobody else touches the channel:
   askers only queue flights and ring. Replies are kept as they came and read anew for each asker,
   so that the cache holds one block of memory per entry. */
#include "net/dns.h"

#include "base/map.h"
#include "base/memory.h"
#include "base/metric.h"
#include "base/random.h"
#include "net/dns_message.h"
#include "task/task.h"

#include <ares.h>
#include <assert.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/time.h>

#define DNS_PORT 53
/* Under way at once; more is told as a temporary failure. */
#define FLIGHTS_MOST 1000
/* How long things are kept at most, whatever their TTL says. */
#define FOUND_MOST 3600u
#define NOTHING_MOST 300u
#define FAILURE_KEPT 5u
#define BOGUS_KEPT 60u
/* Answers over this are not kept. */
#define KEPT_REPLY_MOST 16384
/* One watched notice beside them. */
#define SOCKETS_MOST (TASK_WAITS_MOST - 1)

typedef struct reply {
	unsigned refs;
	dns_kind kind; /* without a message: NO_NAME, TEMPORARY or BOGUS */
	usec until;    /* kept so long in the cache; 0 = not at all */
	size_t size;
	char message[];
} reply;

typedef struct key {
	uint16_t type;
	dns_name name;
} key;

struct cached {
	link_t used; /* the newest first */
	reply *reply;
	key key;
};

struct flight {
	link_t all;    /* of d->flights */
	link_t unsent; /* of d->unsent, or alone */
	link_t askers;
	dns *d;
	key key;
	uint16_t id;
	bool second; /* asked once more, to learn whether the failure is one of DNSSEC */
};

struct dns_question {
	link_t asked; /* in its flight, or alone */
	dns *d;
	key key;
	reply *reply; /* when there is one */
	notice *came; /* in a fiber that waits */
};

struct dns {
	ares_channel channel;
	bool trusted;
	link_t flights, unsent;
	map *flying; /* key -> flight */
	unsigned under_way;
	unsigned asking; /* questions without a reply */

	map *cache; /* key -> cached */
	link_t used;
	size_t kept, kept_most;

	struct wait socket[SOCKETS_MOST];
	int sockets;
	notice *bell; /* something to send, or nobody waits any more */
	bool driven;  /* by a fiber */
	bool closing;
};

/* ---- replies */

static reply *reply_new(dns_kind kind, slice message)
{
	reply *r = memory_new(sizeof *r + message.size);

	r->refs = 1;
	r->kind = kind;
	r->size = message.size;
	if (message.size > 0)
		memcpy(r->message, message.at, message.size);
	return r;
}

static reply *reply_share(reply *r)
{
	r->refs++;
	return r;
}

static void reply_drop(reply *r)
{
	if (r && --r->refs == 0)
		memory_free(r);
}

static slice key_slice(const key *k)
{
	return slice_of(k, offsetof(key, name.at) + k->name.size);
}

/* ---- the cache */

static size_t cached_size(const struct cached *c)
{
	return sizeof *c + sizeof *c->reply + c->reply->size;
}

static void cache_remove(dns *d, struct cached *c)
{
	map_remove(d->cache, key_slice(&c->key));
	list_remove(&c->used);
	d->kept -= cached_size(c);
	reply_drop(c->reply);
	memory_free(c);
}

static void cache_put(dns *d, const key *k, reply *r)
{
	struct cached *old = map_get(d->cache, key_slice(k));

	if (old)
		cache_remove(d, old);
	if (r->until <= clock_now() || r->size > KEPT_REPLY_MOST)
		return;
	struct cached *c = memory_new(sizeof *c);
	c->reply = reply_share(r);
	c->key = *k;
	list_prepend(&d->used, &c->used);
	map_put(d->cache, key_slice(k), c);
	d->kept += cached_size(c);
	while (d->kept > d->kept_most)
		cache_remove(d, LINK_OWNER(d->used.prev, struct cached, used));
}

static reply *cache_get(dns *d, const key *k)
{
	struct cached *c = map_get(d->cache, key_slice(k));

	if (c == NULL)
		return NULL;
	if (c->reply->until <= clock_now()) {
		cache_remove(d, c);
		return NULL;
	}
	list_remove(&c->used);
	list_prepend(&d->used, &c->used);
	return reply_share(c->reply);
}

static usec kept_until(const dns_answer *answer)
{
	uint32_t most = answer->kind == DNS_FOUND       ? FOUND_MOST
			: answer->kind == DNS_BOGUS     ? BOGUS_KEPT
			: answer->kind == DNS_TEMPORARY ? FAILURE_KEPT
							: NOTHING_MOST;

	return clock_now() + (usec)(answer->ttl < most ? answer->ttl : most) * USEC_S;
}

/* ---- flights */

static void flight_send(struct flight *f);

/* Every asker gets the reply, which the flight gives away. */
static void flight_land(struct flight *f, reply *r, bool keep)
{
	dns *d = f->d;

	if (keep)
		cache_put(d, &f->key, r);
	for (link_t *at; (at = list_first(&f->askers)) != NULL;) {
		dns_question *q = LINK_OWNER(at, dns_question, asked);
		list_remove(at);
		d->asking--;
		q->reply = reply_share(r);
		if (q->came)
			notice_raise(q->came);
	}
	reply_drop(r);
	map_remove(d->flying, key_slice(&f->key));
	list_remove(&f->all);
	list_remove(&f->unsent);
	d->under_way--;
	memory_free(f);
}

static void flight_fail(struct flight *f, dns_kind kind, bool keep)
{
	reply *r = reply_new(kind, (slice){0});
	dns_answer nothing = {.kind = kind, .ttl = UINT32_MAX};

	r->until = kept_until(&nothing);
	if (kind == DNS_TEMPORARY)
		metric_add(M_dns_failures, SERVICE_NONE, 1);
	flight_land(f, r, keep);
}

/* What c-ares has to say of a flight. */
static void flight_came(void *arg, int outcome, int timeouts, unsigned char *at, int size)
{
	struct flight *f = arg;
	slice message = at ? slice_of(at, (size_t)size) : (slice){0};
	arena a = ARENA_INIT;
	dns_answer answer = {.kind = DNS_TEMPORARY};

	(void)timeouts;
	if (outcome == ARES_ECANCELLED || outcome == ARES_EDESTRUCTION) {
		flight_fail(f, DNS_TEMPORARY, false);
		return;
	}
	bool read = message.size > 0 &&
		    dns_answer_read(message, &f->key.name, f->key.type, &a, &answer) == ST_OK;
	bool said = read && answer.kind != DNS_TEMPORARY;
	usec until = said ? kept_until(&answer) : 0;
	arena_release(&a);
	if (f->second) {
		/* Without validation there is an answer: validation was what failed. */
		flight_fail(f, said ? DNS_BOGUS : DNS_TEMPORARY, true);
	} else if (said) {
		reply *r = reply_new(answer.kind, message);
		r->until = until;
		flight_land(f, r, true);
	} else if (f->d->trusted && outcome != ARES_ETIMEOUT) {
		f->second = true;
		flight_send(f);
	} else {
		flight_fail(f, DNS_TEMPORARY, true);
	}
}

static bool id_taken(const dns *d, uint16_t id)
{
	for (const link_t *at = d->flights.next; at != &d->flights; at = at->next)
		if (LINK_OWNER(at, struct flight, all)->id == id)
			return true;
	return false;
}

/* May land the flight at once. Only who drives calls it. */
static void flight_send(struct flight *f)
{
	uint8_t query[DNS_QUERY_MOST];
	uint16_t id;

	do
		random_bytes(&id, sizeof id);
	while (id == 0 || id_taken(f->d, id));
	f->id = id;
	unsigned ask = (f->d->trusted ? DNS_ASK_AD : 0u) | (f->second ? DNS_ASK_CD : 0u);
	size_t size = dns_query_write(query, id, &f->key.name, f->key.type, ask);
	ares_send(f->d->channel, query, (int)size, flight_came, f);
}

static struct flight *flight_new(dns *d, const key *k)
{
	struct flight *f = memory_new(sizeof *f);

	f->d = d;
	f->key = *k;
	list_init(&f->askers);
	list_append(&d->flights, &f->all);
	list_append(&d->unsent, &f->unsent);
	map_put(d->flying, key_slice(k), f);
	d->under_way++;
	return f;
}

/* ---- driving */

/* c-ares tells what it waits for at a socket; nothing means that it is about to close it. */
static void socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
	dns *d = arg;
	int i = 0;
	unsigned ready = (readable ? WAIT_READ : 0) | (writable ? WAIT_WRITE : 0);

	while (i < d->sockets && d->socket[i].fd != fd)
		i++;
	if (ready == 0) {
		task_forget(fd);
		if (i < d->sockets)
			d->socket[i] = d->socket[--d->sockets];
		return;
	}
	/* Two sockets for each of DNS_SERVERS_MOST servers is all there can be. */
	assert(i < SOCKETS_MOST);
	d->socket[i] = (struct wait){.fd = fd, .ready = ready};
	if (i == d->sockets)
		d->sockets++;
}

static void send_unsent(dns *d)
{
	for (link_t *at; (at = list_first(&d->unsent)) != NULL;) {
		list_remove(at);
		flight_send(LINK_OWNER(at, struct flight, unsent));
	}
}

/* One turn: sends, waits for the first thing to happen, hands it to c-ares. */
static status turn(dns *d)
{
	struct wait w[SOCKETS_MOST + 1];
	struct timeval left;
	usec until = USEC_NEVER;
	int which = 0;

	send_unsent(d);
	if (d->asking == 0)
		return ST_OK;
	w[0] = (struct wait){.fd = -1, .notice = d->bell};
	memcpy(w + 1, d->socket, (size_t)d->sockets * sizeof *w);
	if (ares_timeout(d->channel, NULL, &left))
		until = clock_now() + left.tv_sec * USEC_S + left.tv_usec + USEC_MS;
	status kind = task_wait_any(w, d->sockets + 1, until, &which);
	if (kind == ST_CANCELLED)
		return kind;
	bool came = kind == ST_OK && which > 0;
	ares_process_fd(d->channel,
		came && w[which].ready & WAIT_READ ? w[which].fd : ARES_SOCKET_BAD,
		came && w[which].ready & WAIT_WRITE ? w[which].fd : ARES_SOCKET_BAD);
	return ST_OK;
}

static void dns_free(dns *d);

/* The fiber that drives while anybody waits. */
static status drive(void *arg)
{
	dns *d = arg;

	while (d->asking > 0 && !d->closing)
		if (turn(d) != ST_OK) {
			ares_cancel(d->channel);
			while (!list_empty(&d->unsent))
				flight_fail(LINK_OWNER(d->unsent.next, struct flight, unsent),
					DNS_TEMPORARY, false);
		}
	d->driven = false;
	if (d->closing)
		dns_free(d);
	return ST_OK;
}

static bool drives(dns *d)
{
	if (task_self() && !d->driven)
		d->driven = task_start("dns", drive, d) != NULL;
	return d->driven || task_self() == NULL;
}

/* ---- opening and closing */

struct servers {
	int count;
	struct ares_addr_port_node node[DNS_SERVERS_MOST];
};

static status server_parse(slice word, struct ares_addr_port_node *node)
{
	net_address at;

	if (net_address_parse(word, &at) != ST_OK)
		TRY(net_endpoint_parse(word, &at));
	if (at.family == 0)
		return ST_INVALID;
	if (at.port == 0)
		at.port = DNS_PORT;
	*node = (struct ares_addr_port_node){.family = at.family == 4 ? AF_INET : AF_INET6,
		.udp_port = at.port,
		.tcp_port = at.port};
	memcpy(&node->addr, at.ip, at.family == 4 ? 4 : 16);
	return ST_OK;
}

static status servers_parse(slice list, struct servers *out)
{
	slice word;

	*out = (struct servers){0};
	while (slice_take(&list, ' ', &word)) {
		if (word.size == 0)
			continue;
		if (out->count == DNS_SERVERS_MOST ||
			server_parse(word, &out->node[out->count]) != ST_OK)
			return ST_INVALID;
		out->count++;
	}
	for (int i = 0; i + 1 < out->count; i++)
		out->node[i].next = &out->node[i + 1];
	return ST_OK;
}

/* The system's list may be longer than what can be watched. */
static int cut_servers(ares_channel channel)
{
	struct ares_addr_port_node *all = NULL, *at;
	int outcome = ares_get_servers_ports(channel, &all), count = 1;

	if (outcome != ARES_SUCCESS || all == NULL)
		return outcome;
	for (at = all; at->next && count < DNS_SERVERS_MOST; at = at->next)
		count++;
	if (at->next) {
		struct ares_addr_port_node *rest = at->next;
		at->next = NULL;
		outcome = ares_set_servers_ports(channel, all);
		at->next = rest;
	}
	ares_free_data(all);
	return outcome;
}

static pthread_once_t library_once = PTHREAD_ONCE_INIT;
static int library_outcome;

static void library_open(void)
{
	library_outcome = ares_library_init(ARES_LIB_INIT_ALL);
}

static status channel_open(dns *d, const struct dns_conf *c)
{
	struct servers servers;
	struct ares_options o = {
		.flags = ARES_FLAG_EDNS,
		.timeout = (int)(c->patience / USEC_MS),
		.tries = (int)c->tries,
		.ednspsz = DNS_UDP_MOST,
		.lookups = (char[]){"b"},
		.sock_state_cb = socket_state,
		.sock_state_cb_data = d,
	};

	TRY(servers_parse(c->servers, &servers));
	pthread_once(&library_once, library_open);
	if (library_outcome != ARES_SUCCESS ||
		ares_init_options(&d->channel, &o,
			ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ |
				ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB | ARES_OPT_NOROTATE) !=
			ARES_SUCCESS)
		return ST_BUSY;
	int outcome = servers.count > 0 ? ares_set_servers_ports(d->channel, servers.node)
					: cut_servers(d->channel);
	if (outcome == ARES_SUCCESS)
		return ST_OK;
	ares_destroy(d->channel);
	return ST_BUSY;
}

status dns_open(const struct dns_conf *c, dns **out)
{
	dns *d = memory_new(sizeof *d);
	status kind = channel_open(d, c);

	if (kind != ST_OK) {
		memory_free(d);
		return kind;
	}
	d->trusted = c->trusted;
	d->kept_most = c->cache_most;
	list_init(&d->flights);
	list_init(&d->unsent);
	list_init(&d->used);
	d->flying = map_open();
	d->cache = map_open();
	d->bell = notice_open();
	*out = d;
	return ST_OK;
}

static void dns_free(dns *d)
{
	while (!list_empty(&d->unsent))
		flight_fail(
			LINK_OWNER(d->unsent.next, struct flight, unsent), DNS_TEMPORARY, false);
	ares_destroy(d->channel);
	assert(d->under_way == 0);
	while (!list_empty(&d->used))
		cache_remove(d, LINK_OWNER(d->used.next, struct cached, used));
	map_close(&d->flying);
	map_close(&d->cache);
	notice_close(&d->bell);
	memory_free(d);
}

void dns_close(dns **d)
{
	dns *old = *d;

	if (old == NULL)
		return;
	*d = NULL;
	assert(old->asking == 0);
	old->closing = true;
	if (old->driven)
		notice_raise(old->bell); /* the driver frees it */
	else
		dns_free(old);
}

/* ---- questions */

dns_question *dns_ask(dns *d, enum dns_type type, slice name)
{
	dns_question *q = memory_new(sizeof *q);

	q->d = d;
	q->key.type = (uint16_t)type;
	list_init(&q->asked);
	metric_add(M_dns_questions, SERVICE_NONE, 1);
	if (dns_name_parse(name, &q->key.name) != ST_OK) {
		q->reply = reply_new(DNS_NO_NAME, (slice){0});
		return q;
	}
	q->reply = cache_get(d, &q->key);
	if (q->reply) {
		metric_add(M_dns_cached, SERVICE_NONE, 1);
		return q;
	}
	struct flight *f = map_get(d->flying, key_slice(&q->key));
	if (!drives(d) || (f == NULL && d->under_way >= FLIGHTS_MOST)) {
		metric_add(M_dns_failures, SERVICE_NONE, 1);
		q->reply = reply_new(DNS_TEMPORARY, (slice){0});
		return q;
	}
	if (f == NULL)
		f = flight_new(d, &q->key);
	list_append(&f->askers, &q->asked);
	d->asking++;
	notice_raise(d->bell);
	return q;
}

void dns_drop(dns_question **q)
{
	dns_question *old = *q;

	if (old == NULL)
		return;
	*q = NULL;
	if (old->reply == NULL) {
		list_remove(&old->asked);
		old->d->asking--;
		notice_raise(old->d->bell);
	}
	reply_drop(old->reply);
	memory_free(old);
}

/* On a plain thread the waiter drives, until its own question is answered. */
static status wait_by_driving(dns_question *q)
{
	while (q->reply == NULL) {
		TRY(turn(q->d));
		if (q->reply == NULL && task_deadline_now() <= clock_now())
			return ST_TIMED_OUT;
	}
	return ST_OK;
}

static status wait_for_driver(dns_question *q)
{
	status kind = ST_OK;

	q->came = notice_open();
	while (kind == ST_OK && q->reply == NULL)
		kind = drives(q->d) ? notice_wait(q->came) : ST_BUSY;
	notice_close(&q->came);
	return kind;
}

/* Reads what the question's reply says; what is left of its time is what counts from now on. */
static void read_reply(const dns_question *q, arena *a, dns_answer *out)
{
	const reply *r = q->reply;
	usec left = r->until - clock_now();

	*out = (dns_answer){.kind = r->kind};
	if (r->size > 0 && dns_answer_read(slice_of(r->message, r->size), &q->key.name, q->key.type,
				   a, out) != ST_OK)
		*out = (dns_answer){.kind = DNS_TEMPORARY};
	out->secure = out->secure && q->d->trusted;
	if (r->until > 0)
		out->ttl = left > 0 ? (uint32_t)((left + USEC_S - 1) / USEC_S) : 0;
}

status dns_wait(dns_question **q, arena *a, dns_answer *out)
{
	dns_question *mine = *q;
	status kind = ST_OK;

	*out = (dns_answer){.kind = DNS_TEMPORARY};
	if (mine->reply == NULL)
		kind = task_self() ? wait_for_driver(mine) : wait_by_driving(mine);
	if (mine->reply)
		read_reply(mine, a, out);
	dns_drop(q);
	return kind == ST_BUSY ? ST_OK : kind;
}

status dns_find(dns *d, enum dns_type type, slice name, arena *a, dns_answer *out)
{
	dns_question *q = dns_ask(d, type, name);

	return dns_wait(&q, a, out);
}
