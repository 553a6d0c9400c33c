/* libmicrohttpd around the routes: its epoll threads take requests, each handler runs to its end on
   one of them and calls the same providers as the mail workers' fibers do. */
#include "base/log.h"
#include "base/memory.h"
#include "base/metric.h"
#include "provider/setting.h"
#include "service/web/route.h"
#include "service/web/web.h"
#include "task/task.h"

#include <microhttpd.h>
#include <netinet/in.h>

#define REQUEST_MEMORY (32 * 1024) /* head of a request; larger ones get 431 */
#define REQUEST_WITHIN (30 * USEC_S)

static struct { /* the daemons of this process, one per listening socket */
	struct MHD_Daemon **daemons;
	int n;
} web;

static void find_answer(slice method, const struct web_request *q, struct web_answer *out)
{
	for (int i = 0; i < web_route_count; i++) {
		if (!slice_same(q->path, slice_z(web_routes[i].path)))
			continue;
		if (slice_same(method, S("GET")) || slice_same(method, S("HEAD")))
			web_routes[i].answer(q, out);
		else
			web_say_error(out, MHD_HTTP_METHOD_NOT_ALLOWED, "this path is only read",
				      "use GET or HEAD");
		return;
	}
	web_say_error(out, MHD_HTTP_NOT_FOUND, "there is nothing at this path",
		      "see /healthz, /readyz and /metrics");
}

static enum MHD_Result send_answer(struct MHD_Connection *to, struct web_answer *answer)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
		answer->body.size, answer->body.at, MHD_RESPMEM_MUST_COPY);
	text_free(&answer->body);
	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->type);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	MHD_add_response_header(response, "Content-Security-Policy", "default-src 'none'");
	if (answer->code == MHD_HTTP_BAD_REQUEST) /* what follows is no request either */
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
	if (answer->code == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	enum MHD_Result result = MHD_queue_response(to, answer->code, response);
	MHD_destroy_response(response);
	return result;
}

static void peer_of(struct MHD_Connection *c, net_address *peer)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	if (!info || !info->client_addr)
		return;
	struct sockaddr_storage from = {0};
	memcpy(&from, info->client_addr, info->client_addr->sa_family == AF_INET6
						 ? sizeof(struct sockaddr_in6)
						 : sizeof(struct sockaddr_in));
	net_address_of(&from, peer);
}

/* ---- framing: what two readers could read differently is refused before any of it is used (T45) */

struct framing {
	int lengths, codings; /* Content-Length, Transfer-Encoding */
	bool odd;             /* a coding that is not chunked alone */
};

static enum MHD_Result note_framing(void *arg, enum MHD_ValueKind kind, const char *name,
				    const char *value)
{
	struct framing *f = arg;
	(void)kind;
	if (slice_same_nocase(slice_z(name), S(MHD_HTTP_HEADER_CONTENT_LENGTH)))
		f->lengths++;
	if (slice_same_nocase(slice_z(name), S(MHD_HTTP_HEADER_TRANSFER_ENCODING))) {
		f->codings++;
		f->odd |= !value || !slice_same_nocase(slice_z(value), S("chunked"));
	}
	return MHD_YES;
}

/* NULL when the head can be read in one way only. */
static const char *framing_trouble(struct MHD_Connection *c, const char *path)
{
	struct framing f = {0};
	MHD_get_connection_values(c, MHD_HEADER_KIND, note_framing, &f);
	if (f.lengths + f.codings > 1 || f.odd)
		return "the length of the request is told in more than one way";
	return strstr(path, "%00") ? "the path holds a NUL" : NULL;
}

/* A decoded NUL would end the path early: such a path stays as it is and is refused. */
static size_t unescape(void *unused, struct MHD_Connection *c, char *escaped)
{
	(void)unused, (void)c;
	return strstr(escaped, "%00") ? strlen(escaped) : MHD_http_unescape(escaped);
}

/* Called by libmicrohttpd: once when the head is complete, again for each piece of a body, and at its
   end with none. Bodies have no use yet: they are read past. */
static enum MHD_Result handle(void *unused, struct MHD_Connection *c, const char *path,
			      const char *method, const char *version, const char *body,
			      size_t *body_size, void **request)
{
	static int begun; /* its address marks a request whose head was seen */
	(void)unused, (void)version, (void)body;
	struct web_answer answer = {.code = MHD_HTTP_INTERNAL_SERVER_ERROR};
	if (!*request) {
		*request = &begun;
		const char *why = framing_trouble(c, path);
		if (!why)
			return MHD_YES;
		web_say_error(&answer, MHD_HTTP_BAD_REQUEST, why, "send each request in one plain way");
		return send_answer(c, &answer);
	}
	if (*body_size) {
		*body_size = 0;
		return MHD_YES;
	}
	struct web_request q = {.path = slice_z(path)};
	peer_of(c, &q.peer);
	usec before = task_deadline(clock_now() + REQUEST_WITHIN);
	metric_add(M_commands, SERVICE_HTTP, 1);
	find_answer(slice_z(method), &q, &answer);
	task_deadline(before);
	return send_answer(c, &answer);
}

static void count_connection(void *unused, struct MHD_Connection *c, void **state,
			     enum MHD_ConnectionNotificationCode what)
{
	(void)unused, (void)c, (void)state;
	bool opened = what == MHD_CONNECTION_NOTIFY_STARTED;
	metric_add(M_conversations_open, SERVICE_HTTP, opened ? 1 : -1);
	if (opened)
		metric_add(M_conversations, SERVICE_HTTP, 1);
}

static struct MHD_Daemon *open_daemon(int fd)
{
	unsigned seconds = (unsigned)(setting_number(S_http_patience, NULL) / USEC_S);
	/* Without the inter-thread channel MHD_quiesce_daemon does nothing, and stopping closes the
	   master's socket. */
	return MHD_start_daemon(
		MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC, 0, NULL, NULL, handle, NULL,
		MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_THREAD_POOL_SIZE, (unsigned)setting_number(S_http_threads, NULL),
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)setting_number(S_http_connections_most, NULL),
		MHD_OPTION_PER_IP_CONNECTION_LIMIT,
		(unsigned)setting_number(S_http_per_address_most, NULL),
		MHD_OPTION_CONNECTION_TIMEOUT, seconds,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)REQUEST_MEMORY,
		MHD_OPTION_STRICT_FOR_CLIENT, 1,
		MHD_OPTION_UNESCAPE_CALLBACK, unescape, NULL,
		MHD_OPTION_NOTIFY_CONNECTION, count_connection, NULL, MHD_OPTION_END);
}

status web_open(const int *listening, int n)
{
	web.daemons = memory_new_array((size_t)n + 1, sizeof *web.daemons);
	for (web.n = 0; web.n < n; web.n++) {
		web.daemons[web.n] = open_daemon(listening[web.n]);
		if (!web.daemons[web.n]) {
			web_close(0);
			return log_trouble(ST_BUSY, EV_WEB_START, "threads=%d",
					   (int)setting_number(S_http_threads, NULL));
		}
	}
	return ST_OK;
}

static unsigned open_connections(void)
{
	unsigned n = 0;
	for (int i = 0; i < web.n; i++) {
		const union MHD_DaemonInfo *info =
			MHD_get_daemon_info(web.daemons[i], MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
		n += info ? info->num_connections : 0;
	}
	return n;
}

void web_close(unsigned patience_ms)
{
	/* Listening ends first; the socket itself is the master's and stays open for a successor. */
	for (int i = 0; i < web.n; i++)
		MHD_quiesce_daemon(web.daemons[i]);
	usec until = clock_now() + (usec)patience_ms * USEC_MS;
	while (open_connections() > 0 && clock_now() < until && task_sleep(20 * USEC_MS) == ST_OK)
		;
	for (int i = 0; i < web.n; i++)
		MHD_stop_daemon(web.daemons[i]);
	memory_free(web.daemons);
	web.daemons = NULL;
	web.n = 0;
}
