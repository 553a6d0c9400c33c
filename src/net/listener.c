/* Listening sockets and the tasks that accept on them; the contract stands in listener.h. */
#include "net/listener.h"

#include "base/log.h"
#include "base/memory.h"
#include "net/conversation_inside.h"
#include "net/peer.h"
#include "net/proxy.h"
#include "net/wire.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 4096
#define PAUSE (200 * USEC_MS)

/* One listening socket of this worker. */
struct door {
	struct listener_spec spec;
	const tls_server *tls;
	const struct listener_limits *limits;
	task *task;
};

/* A client that was let in. */
struct guest {
	conversation c;
	const struct door *door;
	struct peer_stay stay;
	int fd;       /* the conversation's */
	bool proxied; /* by a balancer, who tells first for whom it speaks */
};

static struct door *doors;
static int door_count;
static atomic_bool stopping;

/* ---- sockets */

static status listen_trouble(const net_address *at, int number)
{
	arena words = ARENA_INIT;
	status kind = number == EADDRINUSE                  ? ST_EXISTS
		      : number == EACCES || number == EPERM ? ST_DENIED
							    : ST_INVALID;

	log_event(EV_LISTEN_FAILED, "address=%.*s port=%u reason=%s",
		SLICE_ARGS(at->family ? net_address_text(at, &words) : S("*")), at->port,
		log_quote(slice_z(strerror(number))));
	arena_release(&words);
	return kind;
}

/* 0 or errno. */
static int listen_on(const net_address *at, bool shared, bool both_families, int *out)
{
	struct sockaddr_storage where;
	socklen_t size = net_address_to(at, &where);
	int one = 1, v6_only = !both_families;
	int fd = socket(where.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	/* What is accepted inherits these. Streams gather writes themselves. */
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (where.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof v6_only);
	if ((shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) != 0) ||
		bind(fd, (struct sockaddr *)&where, size) != 0 || listen(fd, BACKLOG) != 0) {
		int number = errno;
		close(fd);
		return number;
	}
	*out = fd;
	return 0;
}

status listener_socket(const net_address *at, bool shared, int *fd)
{
	net_address any = {.family = 6, .port = at->port};
	int number = listen_on(at->family ? at : &any, shared, at->family == 0, fd);

	/* A machine without IPv6 still serves everybody it can reach. */
	if (at->family == 0 && (number == EAFNOSUPPORT || number == EADDRNOTAVAIL)) {
		any.family = 4;
		number = listen_on(&any, shared, false, fd);
	}
	return number == 0 ? ST_OK : listen_trouble(at, number);
}

/* ---- clients at the door */

/* No byte more than that: what follows may be the client's handshake. */
static status read_exactly(int fd, uint8_t *to, size_t size)
{
	while (size > 0) {
		ssize_t n = recv(fd, to, size, MSG_DONTWAIT);
		if (n > 0) {
			to += n;
			size -= (size_t)n;
		} else if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			TRY(task_wait(fd, WAIT_READ));
		} else {
			return ST_CLOSED;
		}
	}
	return ST_OK;
}

static status read_proxy(struct guest *g)
{
	uint8_t head[PROXY_HEAD], rest[PROXY_REST_MOST];
	size_t size;

	TRY(read_exactly(g->fd, head, sizeof head));
	TRY(proxy_head(head, &size));
	TRY(read_exactly(g->fd, rest, size));
	status kind = proxy_read(head, slice_of(rest, size), &g->c.peer, &g->c.local);
	return kind == ST_ABSENT ? ST_OK : kind;
}

/* The client is who the balancer says, and counts as such. */
static status meet_proxy(struct guest *g)
{
	const struct listener_limits *limits = g->door->limits;
	conversation *c = &g->c;
	net_address balancer = c->peer;
	usec before = task_deadline(clock_now() + limits->handshake(c->service));

	conversation_idle(c, true);
	status kind = read_proxy(g);
	conversation_idle(c, false);
	task_deadline(before);
	if (kind == ST_OK)
		kind = peer_enter(c->service, &c->peer, limits->per_address(c->service),
			limits->per_network(c->service), &g->stay);
	transcript_peers(c->rows, &c->peer, &c->local);
	log_event(kind == ST_OK ? EV_CONVERSATION_PROXIED : EV_PROXY_REFUSED,
		"conversation=%s balancer=%s peer=%s port=%u reason=%s", c->name,
		net_address_text(&balancer, &c->command).at,
		net_address_text(&c->peer, &c->command).at, c->peer.port, status_name(kind));
	if (kind == ST_LIMITED && !g->door->spec.tls) {
		transcript_answers(c->rows);
		stream_write(c->stream, limits->refusal(c->service));
	}
	return kind;
}

static status guest_talk(void *arg)
{
	struct guest *g = arg;
	const struct door *d = g->door;
	conversation *c = &g->c;
	status kind = ST_OK;

	conversation_enter(c);
	if (g->proxied)
		kind = meet_proxy(g);
	if (kind == ST_OK && d->spec.tls)
		kind = conversation_tls(c, d->limits->handshake(c->service));
	if (kind == ST_OK)
		kind = d->spec.run(c);
	conversation_end(c, kind);
	peer_leave(&g->stay);
	memory_free(g);
	return kind;
}

void listener_refuse(
	enum service s, int fd, const net_address *peer, slice words, const char *reason)
{
	arena a = ARENA_INIT;

	metric_add(M_conversations_refused, s, 1);
	log_event(EV_CONVERSATION_REFUSED, "service=%s peer=%.*s reason=%s", service_name(s),
		SLICE_ARGS(net_address_text(peer, &a)), reason);
	arena_release(&a);
	if (words.size == 0)
		return;
	(void)send(fd, words.at, words.size, MSG_DONTWAIT | MSG_NOSIGNAL);
	wire_drain(fd);
}

/* A word in the client's protocol, unless that would be TLS. */
static void say_refused(const struct door *d, int fd, const net_address *peer, const char *reason)
{
	enum service s = d->spec.service;

	listener_refuse(s, fd, peer, d->spec.tls ? S("") : d->limits->refusal(s), reason);
}

static void refuse(const struct door *d, int fd, const net_address *peer, const char *reason)
{
	say_refused(d, fd, peer, reason);
	close(fd);
}

static void admit(const struct door *d, int fd, const net_address *peer)
{
	enum service s = d->spec.service;
	unsigned most = d->limits->most(s),
		 all = d->limits->most_of_all ? d->limits->most_of_all() : 0;
	struct peer_stay stay = {0};
	bool proxied = d->limits->proxied && d->limits->proxied(peer);

	if (most && conversation_count(s) >= most) {
		refuse(d, fd, peer, "service-full");
		return;
	}
	if (all && listener_open_count() >= all) {
		refuse(d, fd, peer, "worker-full");
		return;
	}
	if (!proxied && peer_enter(s, peer, d->limits->per_address(s), d->limits->per_network(s),
				&stay) != ST_OK) {
		refuse(d, fd, peer, "peer-limit");
		return;
	}
	struct guest *g = memory_new(sizeof *g);
	stream *accepted;

	g->door = d;
	g->stay = stay;
	g->fd = fd;
	g->proxied = proxied;
	stream_accepted(fd, peer, &accepted);
	conversation_begin(&g->c, s, accepted, d->tls);
	if (task_start(service_name(s), guest_talk, g))
		return;
	say_refused(d, fd, peer, "no-task");
	conversation_drop(&g->c);
	peer_leave(&stay);
	memory_free(g);
}

static bool is_shortage(int number)
{
	return number == EMFILE || number == ENFILE || number == ENOBUFS || number == ENOMEM;
}

static status accept_some(void *arg)
{
	const struct door *d = arg;
	bool told = false;

	while (!atomic_load(&stopping)) {
		struct sockaddr_storage from = {0};
		socklen_t size = sizeof from;
		net_address peer;
		int fd = accept4(
			d->spec.fd, (struct sockaddr *)&from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
		int number = errno;
		if (fd >= 0) {
			told = false;
			net_address_of(&from, &peer);
			admit(d, fd, &peer);
			TRY(task_breathe());
		} else if (number == EAGAIN) {
			TRY(task_wait(d->spec.fd, WAIT_READ | WAIT_TRIED));
		} else if (is_shortage(number)) {
			if (!told)
				log_event(EV_ACCEPT_PAUSED, "service=%s reason=%s",
					service_name(d->spec.service),
					log_quote(slice_z(strerror(number))));
			told = true;
			TRY(task_sleep(PAUSE));
		} else if (number == EBADF || number == EINVAL || number == ENOTSOCK) {
			return listen_trouble(&d->spec.at, number);
		} /* else: this client gave up while it queued */
	}
	return ST_OK;
}

static status accept_run(void *arg)
{
	struct door *d = arg;
	status kind = accept_some(d);

	task_forget(d->spec.fd);
	d->task = NULL;
	return kind;
}

/* ---- starting and stopping */

status listener_start(const struct listener_spec *specs, int n, const tls_server *tls,
	const struct listener_limits *limits)
{
	for (int i = 0; i < n; i++)
		if (specs[i].tls && !tls)
			return ST_INVALID;
	atomic_store(&stopping, false);
	/* Guests look at their door as long as they talk, so doors are never freed. */
	doors = n > 0 ? memory_new_array((size_t)n, sizeof *doors) : NULL;
	door_count = n;
	for (int i = 0; i < n; i++) {
		doors[i] = (struct door){.spec = specs[i], .tls = tls, .limits = limits};
		doors[i].task = task_start("accept", accept_run, &doors[i]);
		if (!doors[i].task)
			return ST_BUSY;
	}
	return ST_OK;
}

void listener_stop(void)
{
	atomic_store(&stopping, true);
	for (int i = 0; i < door_count; i++)
		if (doors[i].task)
			task_cancel(doors[i].task);
	conversation_stop_idle();
}

bool listener_stopping(void)
{
	return atomic_load(&stopping);
}

unsigned listener_open_count(void)
{
	unsigned sum = 0;

	for (int s = 0; s < SERVICE_COUNT; s++)
		sum += conversation_count((enum service)s);
	return sum;
}
