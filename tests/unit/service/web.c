/* The HTTP service on a loopback port: what supervisors, balancers and collectors read, and what
   must never be taken for a request. */
#include "service/web/web.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/metric.h"
#include "base/text.h"
#include "net/listener.h"
#include "provider/memory/memory.h"
#include "service/web/route.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <jansson.h>
#include <sys/socket.h>
#include <unistd.h>

static arena a;
static int listening = -1;
static struct sockaddr_in here = {.sin_family = AF_INET};

static void setup(void)
{
	socklen_t size = sizeof here;

	memory_reset();
	peer_share();
	here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	cr_assert_eq(bind(listening, (struct sockaddr *)&here, sizeof here), 0);
	cr_assert_eq(getsockname(listening, (struct sockaddr *)&here, &size), 0);
	cr_assert_eq(listen(listening, 20), 0);
	cr_assert_eq(web_open(&listening, 1), ST_OK);
}

static void teardown(void)
{
	web_close(0);
	close(listening);
	arena_release(&a);
}

TestSuite(web, .init = setup, .fini = teardown, .timeout = 300);

/* A connection from 127.0.0.LAST. */
static int connect_from(int last)
{
	struct sockaddr_in there = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	there.sin_addr.s_addr = htonl(0x7f000000 | (uint32_t)last);
	cr_assert_eq(bind(fd, (struct sockaddr *)&there, sizeof there), 0);
	cr_assert_eq(connect(fd, (struct sockaddr *)&here, sizeof here), 0);
	return fd;
}

static void say(int fd, const char *said)
{
	cr_assert_eq(send(fd, said, strlen(said), MSG_NOSIGNAL), (ssize_t)strlen(said));
}

/* All that comes back, up to the end; closes. */
static slice rest_of(int fd)
{
	text all = TEXT_INIT;
	char piece[4096];
	ssize_t n;

	while ((n = recv(fd, piece, sizeof piece, 0)) > 0)
		text_add(&all, slice_of(piece, (size_t)n));
	close(fd);
	slice answer = arena_copy(&a, text_slice(&all));
	text_free(&all);
	return answer;
}

/* All that comes back for the bytes `said`, up to the end. */
static slice answer_to(const char *said)
{
	int fd = connect_from(1);

	say(fd, said);
	return rest_of(fd);
}

static slice ask(const char *method, const char *path)
{
	return answer_to(arena_format(
		&a, "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", method, path)
				 .at);
}

static const char *body_of(slice answer)
{
	const char *end = strstr(answer.at, "\r\n\r\n");
	cr_assert_not_null(end, "no head: %s", answer.at);
	return end + 4;
}

/* The member `name` of a JSON body. */
static slice told(slice answer, const char *name)
{
	json_t *body = json_loads(body_of(answer), 0, NULL);
	cr_assert_not_null(body, "no JSON: %s", answer.at);
	const char *value = json_string_value(json_object_get(body, name));
	slice out = arena_copy(&a, slice_z(value ? value : "(absent)"));
	json_decref(body);
	return out;
}

static bool has_code(slice answer, const char *code)
{
	return slice_starts(answer, arena_format(&a, "HTTP/1.1 %s ", code));
}

#define expect_code(answer, code) cr_expect(has_code((answer), (code)), "%s", (answer).at)
#define expect_told(answer, name, value)                                                           \
	cr_expect(slice_same(told((answer), (name)), S(value)), "%s", (answer).at)

Test(web, healthz_answers_whatever_the_database_does)
{
	memory_busy(true);
	memory_unhealthy("fsync is off");
	slice answer = ask("GET", "/healthz");
	expect_code(answer, "200");
	expect_told(answer, "status", "ok");
	cr_expect_not_null(strstr(answer.at, "Content-Type: application/json\r\n"));
	cr_expect_not_null(strstr(answer.at, "Cache-Control: no-store\r\n"));
	cr_expect_not_null(strstr(answer.at, "X-Content-Type-Options: nosniff\r\n"));
}

Test(web, readyz_follows_the_database)
{
	slice answer = ask("GET", "/readyz");
	expect_code(answer, "200");
	expect_told(answer, "status", "ready");
	memory_busy(true);
	answer = ask("GET", "/readyz");
	expect_code(answer, "503");
	expect_told(answer, "database", "busy");
	memory_busy(false);
	memory_unhealthy("fsync is off");
	answer = ask("GET", "/readyz");
	expect_code(answer, "503");
	expect_told(answer, "durable", "fsync is off");
	memory_unhealthy(NULL);
	expect_code(ask("GET", "/readyz"), "200");
}

Test(web, head_has_the_same_head_and_no_body)
{
	slice got = ask("GET", "/healthz"), head = ask("HEAD", "/healthz");
	expect_code(head, "200");
	cr_expect_str_empty(body_of(head));
	slice length = arena_format(&a, "Content-Length: %zu\r\n", strlen(body_of(got)));
	cr_expect_not_null(strstr(head.at, length.at), "%s", head.at);
}

Test(web, other_methods_and_paths_are_refused)
{
	static const char *const methods[] = {"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"};
	for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
		slice answer = ask(methods[i], "/healthz");
		expect_code(answer, "405");
		cr_expect_not_null(strstr(answer.at, "Allow: GET, HEAD\r\n"), "%s", answer.at);
	}
	static const char *const paths[] = {"/", "/healthz/", "/healthz/x", "/HEALTHZ", "//healthz",
		"/../healthz", "/healthz%0A"};
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		slice answer = ask("GET", paths[i]);
		cr_expect(has_code(answer, "404"), "%s: %s", paths[i], answer.at);
	}
	expect_code(ask("GET", "/healthz?probe=1"), "200");
	expect_code(ask("GET", "/health%7a"), "200");
	expect_code(ask("GET", "/healthz%00"), "400");
}

Test(web, a_body_that_nobody_asked_for_is_read_past)
{
	slice answer = answer_to("POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 23\r\n\r\n"
				 "GET /metrics HTTP/1.1\r\n"
				 "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	expect_code(answer, "405");
	cr_expect_not_null(strstr(answer.at, "HTTP/1.1 200 "), "the next request: %s", answer.at);
	cr_expect_null(strstr(answer.at, "openmetrics"), "%s", answer.at);
}

/* Where two lengths disagree, a proxy in front and this server could see different requests
   (T45). */
Test(web, ambiguous_lengths_are_refused)
{
	static const char *const heads[] = {
		"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
		"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
		"Content-Length: 5\r\nContent-Length: 6\r\n",
		"Content-Length: -1\r\n",
		"Content-Length: 5x\r\n",
		"Transfer-Encoding: chunked, identity\r\n",
	};
	for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
		slice answer = answer_to(arena_format(&a,
			"POST /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n"
			"0\r\n\r\nGET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
			heads[i])
						 .at);
		expect_code(answer, "400");
		cr_expect_null(strstr(answer.at, "openmetrics"), "%s -> %s", heads[i], answer.at);
	}
}

Test(web, a_length_beyond_counting_is_refused)
{
	slice answer = answer_to("POST /healthz HTTP/1.1\r\nHost: x\r\n"
				 "Content-Length: 18446744073709551617\r\n\r\nx");
	expect_code(answer, "413");
}

Test(web, a_head_without_end_is_refused)
{
	text said = TEXT_INIT;
	text_add_z(&said, "GET /healthz HTTP/1.1\r\nHost: x\r\n");
	for (int i = 0; i < 1000; i++)
		text_add_z(&said, "X-Filler: 0123456789012345678901234567890123456789\r\n");
	text_add_z(&said, "\r\n");
	slice answer = answer_to(arena_copy(&a, text_slice(&said)).at);
	cr_expect(answer.size == 0 || has_code(answer, "431"), "%s", answer.at);
	text_free(&said);
	expect_code(ask("GET", "/healthz"), "200");
}

Test(web, metrics_are_for_some_networks_only)
{
	memory_setting("metrics_networks", "192.0.2.0/24");
	slice answer = ask("GET", "/metrics");
	expect_code(answer, "403");
	cr_expect_null(strstr(answer.at, "pennypost_"));
	memory_setting("metrics_networks", "192.0.2.0/24 127.0.0.0/8");
	expect_code(ask("GET", "/metrics"), "200");
}

/* ---- OpenMetrics 1.0.0 */

static bool is_name(slice name)
{
	for (size_t i = 0; i < name.size; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyz_0123456789", name.at[i]))
			return false;
	return slice_starts(name, S("pennypost_"));
}

/* What a sample's name may have behind its family's, by the family's type. */
static bool belongs(slice sample, slice family, slice type)
{
	if (!slice_starts(sample, family))
		return false;
	slice rest = slice_from(sample, family.size);
	if (slice_same(type, S("gauge")))
		return rest.size == 0;
	if (slice_same(type, S("counter")))
		return slice_same(rest, S("_total"));
	return slice_same(type, S("histogram")) &&
	       (slice_same(rest, S("_bucket")) || slice_same(rest, S("_count")) ||
		       slice_same(rest, S("_sum")));
}

Test(web, metrics_are_open_metrics)
{
	metric_add(M_conversations, SERVICE_SMTP, 3);
	metric_time(M_delivery_seconds, SERVICE_SMTP, 4 * USEC_MS);
	metric_postoffice(7, MPO_DELIVERED, 1);
	memory_setting("metrics_by_postoffice", "on");
	slice answer = ask("GET", "/metrics");
	expect_code(answer, "200");
	cr_expect_not_null(
		strstr(answer.at, "Content-Type: application/openmetrics-text; version=1.0.0; "
				  "charset=utf-8\r\n"));
	slice rest = slice_z(body_of(answer)), line, family = {0}, type = {0};
	int families = 0, samples = 0;
	cr_assert_gt(rest.size, 6);
	cr_expect(slice_same(slice_from(rest, rest.size - 6), S("# EOF\n")), "closes with EOF");
	while (slice_take(&rest, '\n', &line)) {
		slice word = line, name;
		if (slice_starts(line, S("# EOF"))) {
			cr_expect_eq(rest.size, 0);
			break;
		}
		if (slice_starts(line, S("# TYPE "))) {
			word = slice_from(line, 7);
			slice_take(&word, ' ', &family);
			type = word;
			families++;
			cr_expect(is_name(family), "%.*s", SLICE_ARGS(line));
			/* A family's rows stand together, once. */
			slice again = arena_format(&a, "# TYPE %.*s ", SLICE_ARGS(family));
			cr_expect_null(strstr(line.at + 1, again.at), "%.*s", SLICE_ARGS(line));
			continue;
		}
		if (slice_starts(line, S("# "))) {
			cr_expect(slice_starts(line, S("# HELP ")) ||
					  slice_starts(line, S("# UNIT ")),
				"%.*s", SLICE_ARGS(line));
			continue;
		}
		name = slice_until(line, strcspn(line.at, "{ \n"));
		cr_expect(belongs(name, family, type), "%.*s in %.*s", SLICE_ARGS(line),
			SLICE_ARGS(family));
		samples++;
	}
	cr_expect_gt(families, 20);
	cr_expect_gt(samples, families);
	cr_expect_not_null(
		strstr(answer.at, "pennypost_conversations_total{service=\"smtp\"} 3\n"));
	cr_expect_not_null(strstr(answer.at, "le=\"+Inf\""));
	cr_expect_not_null(strstr(answer.at, "# UNIT pennypost_delivery_seconds seconds\n"));
}

Test(web, a_port_that_is_closed_serves_nobody)
{
	web_close(0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	char byte;
	connect(fd, (struct sockaddr *)&here, sizeof here);
	usleep(100 * 1000);
	cr_expect_eq(recv(fd, &byte, 1, 0), -1, "nobody answers");
	close(fd);
	cr_assert_eq(web_open(&listening, 1), ST_OK, "the socket is still the master's");
	expect_code(ask("GET", "/healthz"), "200");
}

/* ---- limits */

#define LONG_ENOUGH (50 * USEC_S) /* for a machine that is busy with other things */

static void serve_anew(void)
{
	web_close(0);
	cr_assert_eq(web_open(&listening, 1), ST_OK);
}

/* One more request of a connection that stays. */
static void is_served(int fd)
{
	char got[4096];
	size_t size = 0;

	say(fd, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
	while (size == 0 || got[size - 1] != '\n' || got[size - 2] != '}') {
		ssize_t n = recv(fd, got + size, sizeof got - size, 0);
		cr_assert_gt(n, 0);
		size += (size_t)n;
	}
	cr_expect(slice_starts(slice_of(got, size), S("HTTP/1.1 200 ")), "%.*s", (int)size, got);
}

static void becomes_welcome(int last)
{
	usec until = clock_now() + LONG_ENOUGH;
	slice answer;

	do {
		int fd = connect_from(last);
		send(fd, "GET /healthz HTTP/1.0\r\n\r\n", 25, MSG_NOSIGNAL);
		answer = rest_of(fd);
	} while (!has_code(answer, "200") && clock_now() < until);
	expect_code(answer, "200");
}

static void caps_at_two(int stranger)
{
	int one = connect_from(1), two = connect_from(1);
	is_served(one);
	is_served(two);
	slice third = rest_of(connect_from(1));
	expect_code(third, "503");
	expect_told(third, "remedy", "try again later");
	cr_expect_eq(metric_value(M_conversations_refused, SERVICE_HTTP), 1);
	is_served(one);
	is_served(two);
	if (stranger)
		becomes_welcome(stranger);
	close(one);
	becomes_welcome(1);
	is_served(two);
	close(two);
}

Test(web, the_third_of_two_connections_reads_503)
{
	memory_setting("http_connections_most", "2");
	caps_at_two(0);
}

Test(web, the_third_of_two_from_one_address_reads_503_and_others_do_not)
{
	memory_setting("http_per_address_most", "2");
	caps_at_two(2);
}

static slice with_field(size_t size)
{
	char *value = arena_new(&a, size + 1);
	memset(value, 'x', size);
	return answer_to(arena_format(
		&a, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: %s\r\n\r\n", value)
				 .at);
}

Test(web, heads_are_as_long_as_the_setting_says)
{
	expect_code(with_field(10 * 1024), "200");
	memory_setting("http_header_most", "8 KB");
	serve_anew();
	expect_code(with_field(7 * 1024), "200");
	expect_code(with_field(9 * 1024), "431");
}

Test(web, bodies_are_as_long_as_the_setting_says)
{
	static const char head[] = "POST /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
	slice chunks = arena_format(&a,
		"%sTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n6\r\n123456\r\n0\r\n\r\n", head);
	slice eleven = arena_format(&a, "%sContent-Length: 11\r\n\r\n", head);
	expect_code(answer_to(chunks.at), "405");
	expect_code(answer_to(arena_format(&a, "%s12345678901", eleven.at).at), "405");
	memory_setting("http_body_most", "10");
	expect_code(answer_to(arena_format(&a, "%sContent-Length: 10\r\n\r\n1234567890", head).at),
		"405");
	slice long_body = answer_to(eleven.at);
	expect_code(long_body, "413");
	expect_told(long_body, "remedy", "send less at once");
	cr_expect_eq(answer_to(chunks.at).size, 0, "what told no length is cut off");
}

/* Clients who keep a connection busy and bring no request to its end (T21). */
static const struct slow {
	const char *what, *first, *again;
} slow[] = {
	{"says nothing", "", ""},
	{"sends a head octet by octet", "GET /healthz HTTP/1.1\r\nHost: x\r\nX: ", "x"},
	{"sends a body octet by octet",
		"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n", "x"},
	{"says nothing after its first request", "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", ""},
	{"reads no answer", "", "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"},
};

static bool is_gone(void)
{
	return metric_value(M_conversations_open, SERVICE_HTTP) == 0;
}

static void goes_on(int fd, const struct slow *s)
{
	while (!is_gone() && s->again[0] &&
		send(fd, s->again, strlen(s->again), MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
		usleep(1000);
	usleep(20000);
}

Test(web, slow_clients_end_by_the_patience, .timeout = 300)
{
	memory_setting("http_patience", "2 s");
	for (size_t i = 0; i < sizeof slow / sizeof *slow; i++) {
		usec began = clock_now();
		int fd = connect_from(1);
		say(fd, slow[i].first);
		while (metric_value(M_conversations, SERVICE_HTTP) <= (int64_t)i &&
			clock_now() < began + LONG_ENOUGH)
			usleep(1000);
		while (!is_gone() && clock_now() < began + LONG_ENOUGH)
			goes_on(fd, &slow[i]);
		cr_expect(is_gone(), "who %s is still there", slow[i].what);
		cr_expect_geq(
			clock_now() - began, 2 * USEC_S, "who %s had less time", slow[i].what);
		close(fd);
	}
}

Test(web, slow_clients_disturb_nobody)
{
	int fd[64];
	memory_setting("http_patience", "10 min");
	for (int i = 0; i < 64; i++) {
		fd[i] = connect_from(1);
		say(fd[i], slow[i % 4].first);
	}
	for (int i = 0; i < 8; i++)
		expect_code(ask("GET", "/healthz"), "200");
	for (int i = 0; i < 64; i++) {
		char byte;
		ssize_t n = recv(fd[i], &byte, 1, MSG_DONTWAIT);
		cr_expect(n == 1 || (n < 0 && errno == EAGAIN), "their patience is not over");
		close(fd[i]);
	}
}

/* Whoever is here already has the new patience too. */
Test(web, a_patience_that_shrinks_holds_at_once)
{
	int fd = connect_from(1);
	is_served(fd);
	memory_setting("http_patience", "1 s");
	cr_expect_eq(rest_of(fd).size, 0);
}
