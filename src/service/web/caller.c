/* The list of connected clients and the thread that ends the slow ones; see caller.h. */
#include "service/web/caller.h"

#include "base/list.h"
#include "base/memory.h"
#include "net/listener.h"
#include "net/peer.h"
#include "provider/setting.h"
#include "task/task.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#define LOOK_EVERY USEC_S /* the patience may have been changed meanwhile */

#define TOO_MANY "{\"error\":\"too many connections\",\"remedy\":\"try again later\"}\n"
#define REFUSAL                                                                                    \
	"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"                   \
	"Cache-Control: no-store\r\nRetry-After: 10\r\nConnection: close\r\n\r\n" TOO_MANY

struct caller {
	link_t among;
	net_address peer;
	int fd;
	usec since; /* its present step began; USEC_NEVER while it waits for us */
	size_t body;
	struct peer_stay stay;
};

static struct {
	pthread_mutex_t lock; /* a listed caller's descriptor is open as long as this is held */
	link_t all;
	unsigned n;
	pthread_t watch;
	notice *news;
	atomic_bool ending;
} callers = {.lock = PTHREAD_MUTEX_INITIALIZER, .all = {&callers.all, &callers.all}};

/* ---- the watch */

/* Gives the time of the next look. */
static usec end_the_slow(void)
{
	usec now = clock_now(), patience = setting_number(S_http_patience, NULL), next = USEC_NEVER;

	pthread_mutex_lock(&callers.lock);
	for (link_t *at = callers.all.next; at != &callers.all; at = at->next) {
		struct caller *c = LINK_OWNER(at, struct caller, among);
		usec end = c->since == USEC_NEVER ? USEC_NEVER : c->since + patience;
		if (end <= now)
			shutdown(c->fd, SHUT_RDWR); /* libmicrohttpd reads an end, and closes */
		else if (end < next)
			next = end;
	}
	bool empty = callers.n == 0;
	pthread_mutex_unlock(&callers.lock);
	return empty || next < now + LOOK_EVERY ? next : now + LOOK_EVERY;
}

static void *watch(void *unused)
{
	(void)unused;
	while (!atomic_load(&callers.ending)) {
		task_deadline(end_the_slow());
		(void)notice_wait(callers.news);
	}
	return NULL;
}

status caller_watch(void)
{
	callers.news = notice_open();
	atomic_store(&callers.ending, false);
	if (pthread_create(&callers.watch, NULL, watch, NULL) == 0)
		return ST_OK;
	notice_close(&callers.news);
	return ST_BUSY;
}

void caller_watch_end(void)
{
	if (!callers.news)
		return;
	atomic_store(&callers.ending, true);
	notice_raise(callers.news);
	pthread_join(callers.watch, NULL);
	notice_close(&callers.news);
}

/* ---- coming and going */

static void read_peer(struct MHD_Connection *c, net_address *peer)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	if (!info || !info->client_addr)
		return;
	struct sockaddr_storage from = {0};
	memcpy(&from, info->client_addr,
		info->client_addr->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
							 : sizeof(struct sockaddr_in));
	net_address_of(&from, peer);
}

static void turn_away(const struct caller *c, const char *reason)
{
	listener_refuse(SERVICE_HTTP, c->fd, &c->peer, S(REFUSAL), reason);
	shutdown(c->fd, SHUT_RDWR);
}

static void enter(struct MHD_Connection *connection, struct caller *c)
{
	c->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	c->since = clock_now();
	read_peer(connection, &c->peer);

	pthread_mutex_lock(&callers.lock);
	list_append(&callers.all, &c->among);
	bool first = callers.n++ == 0;
	bool full = callers.n > (unsigned)setting_number(S_http_connections_most, NULL);
	pthread_mutex_unlock(&callers.lock);
	if (first)
		notice_raise(callers.news);
	if (full)
		turn_away(c, "service-full");
	else if (peer_enter(SERVICE_HTTP, &c->peer,
			 (unsigned)setting_number(S_http_per_address_most, NULL), 0,
			 &c->stay) != ST_OK)
		turn_away(c, "peer-limit");
}

static void leave(struct caller *c)
{
	pthread_mutex_lock(&callers.lock);
	list_remove(&c->among);
	callers.n--;
	pthread_mutex_unlock(&callers.lock);
	peer_leave(&c->stay);
	memory_free(c);
}

void caller_notify(void *unused, struct MHD_Connection *c, void **state,
	enum MHD_ConnectionNotificationCode what)
{
	(void)unused;
	bool opened = what == MHD_CONNECTION_NOTIFY_STARTED;
	metric_add(M_conversations_open, SERVICE_HTTP, opened ? 1 : -1);
	if (!opened) {
		leave(*state);
		return;
	}
	metric_add(M_conversations, SERVICE_HTTP, 1);
	*state = memory_new(sizeof(struct caller));
	enter(c, *state);
}

struct caller *caller_of(struct MHD_Connection *c)
{
	return MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

const net_address *caller_peer(const struct caller *c)
{
	return &c->peer;
}

/* ---- steps */

static void set_since(struct caller *c, usec since)
{
	pthread_mutex_lock(&callers.lock);
	c->since = since;
	pthread_mutex_unlock(&callers.lock);
}

void caller_next_step(struct caller *c)
{
	set_since(c, clock_now());
}

void caller_waits(struct caller *c)
{
	set_since(c, USEC_NEVER);
}

size_t caller_body(struct caller *c, size_t more)
{
	c->body = more ? c->body + more : 0;
	return c->body;
}
