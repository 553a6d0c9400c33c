/* libmicrohttpd around the routes: its epoll threads take requests, each handler runs to its end on
   one of them and calls the same providers as the mail workers' fibers do. */
#include "base/log.h"
#include "base/memory.h"
#include "base/metric.h"
#include "base/record.h"
#include "provider/setting.h"
#include "service/web/caller.h"
#include "service/web/route.h"
#include "service/web/web.h"
#include "task/task.h"

#include <microhttpd.h>

#define BESIDE_HEAD (8 * 1024) /* memory for what stands in a head, and for that of the answer */
#define CONNECTIONS_PER_THREAD 65536 /* more than http_connections_most: caller.c turns away */
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

/* The fault is the request's; who may not read something has asked well. */
static bool is_bad(unsigned code)
{
	return code / 100 == 4 && code != MHD_HTTP_FORBIDDEN;
}

/* All of them, or none of the answer goes: a page without its policy would be another page. */
static bool add_headers(struct MHD_Response *to, const struct web_answer *answer)
{
	const struct {
		bool wanted;
		const char *name, *value;
	} rows[] = {
		{true, MHD_HTTP_HEADER_CONTENT_TYPE, answer->type},
		{true, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store"},
		{true, "X-Content-Type-Options", "nosniff"},
		{true, "Content-Security-Policy", "default-src 'none'"},
		/* What follows is no request either. */
		{answer->code == MHD_HTTP_BAD_REQUEST, MHD_HTTP_HEADER_CONNECTION, "close"},
		{answer->code == MHD_HTTP_METHOD_NOT_ALLOWED, MHD_HTTP_HEADER_ALLOW, "GET, HEAD"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (rows[i].wanted &&
			MHD_add_response_header(to, rows[i].name, rows[i].value) != MHD_YES)
			return false;
	return true;
}

static enum MHD_Result send_answer(struct MHD_Connection *to, struct web_answer *answer)
{
	if (is_bad(answer->code))
		metric_add(M_commands_bad, SERVICE_HTTP, 1);
	struct MHD_Response *response = MHD_create_response_from_buffer(
		answer->body.size, answer->body.at, MHD_RESPMEM_MUST_COPY);
	text_free(&answer->body);
	if (!response)
		return MHD_NO;
	bool whole = add_headers(response, answer);
	enum MHD_Result result = whole ? MHD_queue_response(to, answer->code, response) : MHD_NO;
	MHD_destroy_response(response);
	return result;
}

/* ---- framing: what two readers could read differently is refused before any of it is used
   (T45) */

struct framing {
	int lengths, codings; /* Content-Length, Transfer-Encoding */
	uint64_t length;
	bool odd; /* a coding that is not chunked alone */
};

static enum MHD_Result note_framing(
	void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct framing *f = arg;
	(void)kind;
	if (slice_same_nocase(slice_z(name), S(MHD_HTTP_HEADER_CONTENT_LENGTH)))
		f->lengths += value && slice_number(slice_z(value), &f->length) ? 1 : 2;
	if (slice_same_nocase(slice_z(name), S(MHD_HTTP_HEADER_TRANSFER_ENCODING))) {
		f->codings++;
		f->odd |= !value || !slice_same_nocase(slice_z(value), S("chunked"));
	}
	return MHD_YES;
}

static size_t head_size(struct MHD_Connection *c)
{
	return MHD_get_connection_info(c, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE)->header_size;
}

/* False, with the answer, when the request goes no further than its head. */
static bool head_is_good(struct MHD_Connection *c, const char *path, struct web_answer *out)
{
	static const char plainly[] = "send each request in one plain way";
	struct framing f = {0};
	MHD_get_connection_values(c, MHD_HEADER_KIND, note_framing, &f);
	if (f.lengths + f.codings > 1 || f.odd)
		web_say_error(out, MHD_HTTP_BAD_REQUEST,
			"the length of the request is told in more than one way", plainly);
	else if (strstr(path, "%00"))
		web_say_error(out, MHD_HTTP_BAD_REQUEST, "the path holds a NUL", plainly);
	else if (head_size(c) > (size_t)setting_number(S_http_header_most, NULL))
		web_say_error(out, MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE,
			"the head of the request is too long", "send fewer or shorter fields");
	else if (f.length > (uint64_t)setting_number(S_http_body_most, NULL))
		web_say_error(out, MHD_HTTP_CONTENT_TOO_LARGE,
			"the body of the request is too long", "send less at once");
	else
		return true;
	return false;
}

/* A decoded NUL would end the path early: such a path stays as it is and is refused. */
static size_t unescape(void *unused, struct MHD_Connection *c, char *escaped)
{
	(void)unused, (void)c;
	return strstr(escaped, "%00") ? strlen(escaped) : MHD_http_unescape(escaped);
}

static void completed(
	void *unused, struct MHD_Connection *c, void **request, enum MHD_RequestTerminationCode how)
{
	(void)unused, (void)request, (void)how;
	caller_next_step(caller_of(c));
}

/* Its row in the log files; octets of heads are libmicrohttpd's matter and not counted. */
static void record_request(
	const char *method, const struct web_request *q, const struct web_answer *answer, usec took)
{
	arena a = ARENA_INIT;
	slice code = arena_format(&a, "%u", answer->code);
	record_exchange(&(struct exchange){.service = SERVICE_HTTP,
		.peer = net_address_text(&q->peer, &a),
		.peer_port = q->peer.port,
		.command = slice_z(method),
		.details = q->path,
		.verdict = code,
		.response = code,
		.sent = answer->body.size,
		.took = took});
	arena_release(&a);
}

/* Called by libmicrohttpd: once when the head is complete, again for each piece of a body, and at
   its end with none. Bodies have no use yet: they are read past; one that told no length and grows
   beyond http_body_most is cut off. */
static enum MHD_Result handle(void *unused, struct MHD_Connection *c, const char *path,
	const char *method, const char *version, const char *body, size_t *body_size,
	void **request)
{
	static int begun; /* its address marks a request whose head was seen */
	(void)unused, (void)version, (void)body;
	struct web_answer answer = {.code = MHD_HTTP_INTERNAL_SERVER_ERROR};
	struct caller *from = caller_of(c);
	if (!*request) {
		*request = &begun;
		caller_next_step(from);
		caller_body(from, 0);
		return head_is_good(c, path, &answer) ? MHD_YES : send_answer(c, &answer);
	}
	if (*body_size) {
		size_t so_far = caller_body(from, *body_size);
		*body_size = 0;
		return so_far > (size_t)setting_number(S_http_body_most, NULL) ? MHD_NO : MHD_YES;
	}
	struct web_request q = {.path = slice_z(path), .peer = *caller_peer(from)};
	caller_waits(from);
	usec before = task_deadline(clock_now() + REQUEST_WITHIN);
	metric_add(M_commands, SERVICE_HTTP, 1);
	usec began = clock_now();
	find_answer(slice_z(method), &q, &answer);
	task_deadline(before);
	caller_next_step(from);
	if (record_kinds(SERVICE_HTTP))
		record_request(method, &q, &answer, clock_now() - began);
	return send_answer(c, &answer);
}

static struct MHD_Daemon *open_daemon(int fd)
{
	unsigned threads = (unsigned)setting_number(S_http_threads, NULL);
	/* Without the inter-thread channel MHD_quiesce_daemon does nothing, and stopping closes the
	   master's socket. Not with epoll: there it may remove the socket from a thread's set at the
	   moment in which that thread does, and the library ends the process. */
	return MHD_start_daemon(MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_ITC, 0, NULL, NULL, handle,
		NULL, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_THREAD_POOL_SIZE, threads,
		MHD_OPTION_CONNECTION_LIMIT, threads * CONNECTIONS_PER_THREAD,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)setting_number(S_http_header_most, NULL) + BESIDE_HEAD,
		MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_UNESCAPE_CALLBACK, unescape, NULL,
		MHD_OPTION_NOTIFY_CONNECTION, caller_notify, NULL, MHD_OPTION_NOTIFY_COMPLETED,
		completed, NULL, MHD_OPTION_END);
}

status web_open(const int *listening, int n)
{
	TRY(caller_watch());
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
	/* Listening ends first; the socket itself is the master's and stays open for a
	   successor. */
	for (int i = 0; i < web.n; i++)
		MHD_quiesce_daemon(web.daemons[i]);
	usec until = clock_now() + (usec)patience_ms * USEC_MS;
	while (open_connections() > 0 && clock_now() < until && task_sleep(20 * USEC_MS) == ST_OK)
		;
	for (int i = 0; i < web.n; i++)
		MHD_stop_daemon(web.daemons[i]);
	caller_watch_end();
	memory_free(web.daemons);
	web.daemons = NULL;
	web.n = 0;
}
