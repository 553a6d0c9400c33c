/* Listeners end to end: clients on a thread, the house on the loop. */
#include "net/listener.h"

#include "help.h"
#include "talk.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static unsigned most, per_address, per_network, of_all;

static unsigned service_most(enum service s)
{
	(void)s;
	return most;
}
static unsigned address_most(enum service s)
{
	(void)s;
	return per_address;
}
static unsigned network_most(enum service s)
{
	(void)s;
	return per_network;
}
static unsigned all_most(void)
{
	return of_all;
}
static slice refusal(enum service s)
{
	return s == SERVICE_SMTP ? S("421 too many\r\n") : S("-ERR too many\r\n");
}
static usec handshake(enum service s)
{
	(void)s;
	return 120 * USEC_S;
}

static bool behind_balancer;
static bool proxied(const net_address *peer)
{
	return behind_balancer && net_address_is_loopback(peer);
}

static const struct listener_limits limits = {
	.most = service_most,
	.per_address = address_most,
	.per_network = network_most,
	.refusal = refusal,
	.handshake = handshake,
	.proxied = proxied,
	.most_of_all = all_most,
};

/* The socket of this process whose other end is at that port. */
static int socket_of(unsigned peer_port)
{
	for (int fd = 0; fd < 1024; fd++) {
		struct sockaddr_storage at;
		socklen_t size = sizeof at;
		net_address peer;

		if (getpeername(fd, (struct sockaddr *)&at, &size) != 0)
			continue;
		net_address_of(&at, &peer);
		if (peer.port == peer_port && net_address_is_loopback(&peer))
			return fd;
	}
	return -1;
}

static status run_talk(conversation *c)
{
	int at_once = 0, fd = socket_of(c->peer.port);
	socklen_t size = sizeof at_once;

	cr_expect(behind_balancer || fd >= 0, "the peer's address is that of the socket");
	if (fd >= 0) {
		cr_expect(fcntl(fd, F_GETFL) & O_NONBLOCK);
		cr_expect_eq(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &at_once, &size), 0);
		cr_expect_eq(at_once, 1, "streams gather themselves what goes together");
	}
	cr_expect_not(c->trusted);
	cr_expect(behind_balancer != net_address_is_loopback(&c->peer));
	cr_expect(!behind_balancer || c->peer.port == 4097);
	TRY(conversation_say(c, "welcome"));
	return command_loop(c, &talk_dialogue);
}

static unsigned port;
static bool comes_early; /* before anybody accepts: the kernel takes the connection */
static int early;
static notice *stop_now, *stopped;

static status stop_when_told(void *arg)
{
	(void)arg;
	TRY(notice_wait(stop_now));
	listener_stop();
	notice_raise(stopped);
	return ST_OK;
}

static void tell_stop(void)
{
	notice_raise(stop_now);
	cr_assert_ok(notice_wait(stopped));
}

/* The house serves until `clients`, on a thread of its own, has told it to stop and all have
   gone. */
static void serve(enum service s, const tls_server *tls, void *(*clients)(void *))
{
	struct task_limits loop = TASK_LIMITS_INIT;
	struct listener_spec spec = {.service = s, .tls = tls != NULL, .run = run_talk};

	talk_state = IN_TALK;
	cr_assert_ok(net_endpoint_parse(S("127.0.0.1:0"), &spec.at));
	cr_assert_ok(listener_socket(&spec.at, true, &spec.fd));
	port = help_port(spec.fd);
	if (comes_early)
		early = help_connect(port);
	cr_assert_ok(task_loop_open(&loop));
	stop_now = notice_open();
	stopped = notice_open();
	cr_assert_ok(listener_start(&spec, 1, tls, &limits));
	cr_assert(task_start("stop", stop_when_told, NULL));
	help_thread(clients, NULL);
	task_loop_run();
	help_join();
	cr_expect_eq(listener_open_count(), 0);
	cr_expect_eq(metric_value(M_conversations_open, s), 0);
	task_loop_close();
	notice_close(&stop_now);
	notice_close(&stopped);
	close(spec.fd);
}

static int enter(void)
{
	int fd = help_connect(port);

	cr_expect_str_eq(help_receive(fd), "welcome\r\n");
	return fd;
}

static void exchange(int fd, const char *say, const char *hear)
{
	help_send(fd, say);
	cr_expect_str_eq(help_receive(fd), hear);
}

static void *two_clients(void *arg)
{
	(void)arg;
	int one = enter(), two = enter();
	exchange(one, "HELLO one\r\n", "hello one|\r\n");
	exchange(two, "HELLO two\r\nNOOP\r\n", "hello two|\r\nworked\r\n");
	exchange(one, "MORE of\r\n", "more?\r\n");
	exchange(two, "END\r\n", "bye\r\n");
	exchange(one, "this\r\n", "of and this\r\n");
	cr_expect_str_eq(help_receive_all(two), "");
	close(two);
	close(one);
	tell_stop();
	return NULL;
}

Test(listener, serves_two_clients_at_once)
{
	serve(SERVICE_POP3, NULL, two_clients);
	cr_expect_eq(metric_value(M_conversations, SERVICE_POP3), 2);
}

static void *early_client(void *arg)
{
	(void)arg;
	cr_expect_str_eq(help_receive(early), "welcome\r\n");
	exchange(early, "END\r\n", "bye\r\n");
	close(early);
	tell_stop();
	return NULL;
}

Test(listener, serves_who_came_before_it_accepts)
{
	comes_early = true;
	serve(SERVICE_POP3, NULL, early_client);
}

/* The third is one too many, until one of the two leaves. */
static void *three_clients(void *arg)
{
	(void)arg;
	int one = enter(), two = enter(), three = help_connect(port);
	cr_expect_str_eq(help_receive_all(three), "421 too many\r\n");
	close(three);
	exchange(two, "END\r\n", "bye\r\n");
	cr_expect_str_eq(help_receive_all(two), "");
	close(two);
	three = enter();
	close(three);
	close(one);
	tell_stop();
	return NULL;
}

Test(listener, refuses_beyond_the_cap_of_its_service)
{
	most = 2;
	serve(SERVICE_SMTP, NULL, three_clients);
	cr_expect_eq(metric_value(M_conversations_refused, SERVICE_SMTP), 1);
}

Test(listener, refuses_beyond_the_cap_of_an_address)
{
	per_address = 2;
	serve(SERVICE_SMTP, NULL, three_clients);
}

Test(listener, refuses_beyond_the_cap_of_a_network)
{
	per_network = 2;
	serve(SERVICE_SMTP, NULL, three_clients);
}

Test(listener, refuses_beyond_the_cap_of_the_worker)
{
	of_all = 2;
	serve(SERVICE_SMTP, NULL, three_clients);
	cr_expect_eq(metric_value(M_conversations_refused, SERVICE_SMTP), 1);
}

#define PROXY_HEADER "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\2"
#define PROXY_PORTS "\xc0\0\2\1\x10\1\0\x19"

/* A client of 192.0.2.X that begins with such a header. */
static int connect_proxied(char x)
{
	char header[] = PROXY_HEADER "X" PROXY_PORTS;
	int fd = help_connect(port);

	header[sizeof PROXY_HEADER - 1] = x;
	cr_assert_eq(send(fd, header, 9, 0), 9);
	usleep(20000);
	cr_assert_eq(send(fd, header + 9, sizeof header - 10, 0), (ssize_t)sizeof header - 10);
	return fd;
}

/* Clients are counted as who they are, not as their balancer. */
static void *clients_of_a_balancer(void *arg)
{
	(void)arg;
	int one = connect_proxied('1'), two = connect_proxied('2');
	cr_expect_str_eq(help_receive(one), "welcome\r\n");
	cr_expect_str_eq(help_receive(two), "welcome\r\n");
	int again = connect_proxied('1');
	cr_expect_str_eq(help_receive_all(again), "421 too many\r\n");
	close(again);
	exchange(one, "HELLO one\r\n", "hello one|\r\n");
	int bare = help_connect(port);
	help_send(bare, "HELLO this is no PROXY header\r\n");
	cr_expect_str_eq(help_receive_all(bare), "");
	close(bare);
	close(one);
	close(two);
	tell_stop();
	return NULL;
}

Test(listener, takes_a_balancers_word_for_its_client)
{
	behind_balancer = true;
	per_address = 1;
	serve(SERVICE_SMTP, NULL, clients_of_a_balancer);
}

static void *idle_and_busy(void *arg)
{
	(void)arg;
	int idle = enter(), busy = enter(), news = enter();
	exchange(idle, "NOOP\r\n", "worked\r\n");
	exchange(news, "IDLE\r\n", "idling\r\n");
	exchange(busy, "MORE one\r\n", "more?\r\n");
	tell_stop();
	cr_expect_str_eq(help_receive_all(idle), "stopping\r\n");
	cr_expect_str_eq(help_receive_all(news), "stopping\r\n");
	close(news);
	int late = help_connect(port);
	exchange(busy, "two\r\n", "one and two\r\nstopping\r\n");
	cr_expect_str_eq(help_receive_all(busy), "");
	cr_expect_eq(recv(late, (char[9]){0}, 9, MSG_DONTWAIT), -1);
	close(late);
	close(busy);
	close(idle);
	return NULL;
}

Test(listener, lets_busy_clients_finish_when_it_stops)
{
	serve(SERVICE_POP3, NULL, idle_and_busy);
	cr_expect(listener_stopping());
	cr_expect_eq(metric_value(M_conversations, SERVICE_POP3), 3);
}

static void *out_of_descriptors(void *arg)
{
	static int taken[256];
	struct rlimit before, tight;
	int n = 0;

	(void)arg;
	int waiting = help_connect(port), also = help_connect(port);
	cr_expect_str_eq(help_receive(waiting), "welcome\r\n");
	cr_expect_str_eq(help_receive(also), "welcome\r\n");
	int late = socket(AF_INET, SOCK_STREAM, 0);
	getrlimit(RLIMIT_NOFILE, &before);
	tight = before;
	tight.rlim_cur = 64;
	setrlimit(RLIMIT_NOFILE, &tight);
	while (n < 256 && (taken[n] = dup(late)) >= 0)
		n++;
	net_address to;
	struct sockaddr_storage at;
	cr_assert_ok(net_address_parse(S("127.0.0.1"), &to));
	to.port = (uint16_t)port;
	cr_assert_eq(connect(late, (struct sockaddr *)&at, net_address_to(&to, &at)), 0);
	cr_expect(help_silent(late), "nobody can be accepted now");
	while (n > 0)
		close(taken[--n]);
	setrlimit(RLIMIT_NOFILE, &before);
	cr_expect_str_eq(help_receive(late), "welcome\r\n");
	close(late);
	close(also);
	close(waiting);
	tell_stop();
	return NULL;
}

Test(listener, pauses_when_descriptors_run_out)
{
	serve(SERVICE_POP3, NULL, out_of_descriptors);
	cr_expect_eq(metric_value(M_conversations, SERVICE_POP3), 3);
}

static void *over_tls(void *arg)
{
	(void)arg;
	tls_client *client;
	net_address to;
	stream *s;
	slice line;
	enum line_end end;

	cr_assert_ok(tls_client_open(NULL, &client));
	cr_assert_ok(net_address_parse(S("127.0.0.1"), &to));
	to.port = (uint16_t)port;
	cr_assert_ok(stream_connect(&to, NULL, &s));
	cr_assert_ok(stream_tls_connect(s, client, "localhost", TLS_VERIFY_NONE));
	cr_assert_ok(stream_line(s, 100, &line, &end));
	cr_expect_slice(line, "welcome");
	int half = help_connect(port), plain = help_connect(port);
	help_send(half, "\x16\x03\x01");
	help_send(plain, "HELLO in the clear\r\n");
	cr_expect_str_eq(help_receive_all(plain), "");
	tell_stop();
	cr_assert_ok(stream_line(s, 100, &line, &end));
	cr_expect_slice(line, "stopping");
	cr_expect_kind(stream_line(s, 100, &line, &end), ST_CLOSED);
	cr_expect_str_eq(help_receive_all(half), "");
	close(half);
	close(plain);
	stream_close(&s);
	tls_client_close(&client);
	return NULL;
}

Test(listener, speaks_tls_from_the_first_byte)
{
	const char *folder = help_folder();
	tls_server *server;

	help_certificate(folder, "default", "localhost");
	cr_assert_ok(tls_server_open(folder, &server));
	serve(SERVICE_POP3, server, over_tls);
	cr_expect_eq(metric_value(M_tls_handshakes, SERVICE_POP3), 1);
	cr_expect_eq(metric_value(M_tls_failures, SERVICE_POP3), 2);
	tls_server_close(&server);
}

Test(listener, without_certificates_cannot_speak_tls)
{
	struct listener_spec spec = {.service = SERVICE_POP3, .tls = true};

	cr_expect_kind(listener_start(&spec, 1, NULL, &limits), ST_INVALID);
}

Test(listener, socket_tells_why_it_cannot_be_opened)
{
	net_address at;
	int first, second, shared, also;

	cr_assert_ok(net_endpoint_parse(S("127.0.0.1:0"), &at));
	cr_assert_ok(listener_socket(&at, false, &first));
	at.port = (uint16_t)help_port(first);
	cr_expect_kind(listener_socket(&at, false, &second), ST_EXISTS);
	cr_expect_kind(listener_socket(&at, true, &second), ST_EXISTS);
	close(first);
	cr_assert_ok(listener_socket(&at, true, &shared));
	cr_assert_ok(listener_socket(&at, true, &also));
	cr_expect_kind(listener_socket(&at, false, &second), ST_EXISTS);
	close(shared);
	close(also);
	cr_assert_ok(net_endpoint_parse(S("192.0.2.1:0"), &at));
	cr_expect_kind(listener_socket(&at, false, &second), ST_INVALID);
	cr_assert_ok(net_endpoint_parse(S("*:0"), &at));
	cr_assert_ok(listener_socket(&at, false, &first));
	int client = help_connect(help_port(first));
	close(client);
	close(first);
}
