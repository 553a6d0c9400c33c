/* Many idle connections: what one costs a worker, and whether it is still answered. The server is
   the house's own (listener, conversation, stream, TLS, provider); it answers each line after a
   database query. The clients are a child process. Run by idle.sh.

	with-pg.sh idle_hold CONNECTIONS MOST-KB [CERTIFICATE-FOLDER]

   Prints one line, "idle tls=0 connections=10000 kb_each=12.3 most=24"; exit code 1 when a
   connection costs more than MOST-KB or is not answered. */
#include "base/log.h"
#include "net/listener.h"
#include "provider/db.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define AT_ONCE 32          /* clients that open a connection at the same time */
#define SETTLE (4 * USEC_S) /* until idle stacks and buffers are given back */
#define PATIENCE (600 * USEC_S)
#define ASK_AGAIN_EACH 10

static struct {
	int connections;
	double most_kb;
	const char *certificates; /* NULL: no TLS */
	net_address at;
	int listening;
	int control; /* to the other process; each step of the tale is one byte */
} run;

static _Noreturn void give_up(const char *what, status kind)
{
	fprintf(stderr, "idle_hold: %s: %s\n", what, status_name(kind));
	exit(2);
}

static void need(const char *what, status kind)
{
	if (kind != ST_OK)
		give_up(what, kind);
}

static void tell_other(void)
{
	if (write(run.control, "!", 1) != 1)
		give_up("the other process is gone", ST_CLOSED);
}

static void hear_other(void)
{
	char c;
	need("waiting for the other process", task_wait(run.control, WAIT_READ));
	if (read(run.control, &c, 1) != 1)
		give_up("the other process gave up", ST_CLOSED);
}

static void loop_open(void)
{
	struct task_limits l = TASK_LIMITS_INIT;
	l.most = (unsigned)run.connections + 100;
	need("the loop", task_loop_open(&l));
}

/* ---- the server */

static status answer_lines(conversation *c)
{
	for (;;) {
		slice line;
		enum line_end end;
		struct rows out;
		stream_patience(c->stream, PATIENCE, 0, 0);
		TRY(stream_line(c->stream, 512, &line, &end));
		TRY(db_one(SQL_TX_RUN_PING, NULL, 0, &c->command, &out));
		TRY(conversation_say(c, "%" PRId64 " %.*s", row_int(&out, 0, 0), SLICE_ARGS(line)));
		arena_release(&c->command);
	}
}

static unsigned no_cap(enum service s)
{
	(void)s;
	return 0;
}

static slice no_words(enum service s)
{
	(void)s;
	return S("");
}

static usec handshake_patience(enum service s)
{
	(void)s;
	return PATIENCE;
}

static const struct listener_limits limits = {
	.most = no_cap,
	.per_address = no_cap,
	.per_network = no_cap,
	.refusal = no_words,
	.handshake = handshake_patience,
};

static double resident_kb(void)
{
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");
	if (!f || fscanf(f, "%*s %lu", &pages) != 1)
		give_up("/proc/self/statm", ST_ABSENT);
	fclose(f);
	return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1024;
}

/* One query, so that what the first one costs the process is not put on the connections. */
static void warm_up(void)
{
	arena a = ARENA_INIT;
	struct rows out;
	need("the database", db_one(SQL_TX_RUN_PING, NULL, 0, &a, &out));
	arena_release(&a);
}

static status measure(void *kb_each)
{
	warm_up();
	double before = resident_kb();
	tell_other();
	hear_other(); /* all are connected and answered */
	need("settling", task_sleep(SETTLE));
	if (listener_open_count() != (unsigned)run.connections)
		give_up("connections were lost", ST_CLOSED);
	*(double *)kb_each = (resident_kb() - before) / run.connections;
	tell_other();
	hear_other(); /* they were answered again */
	task_loop_stop();
	return ST_OK;
}

static double serve(void)
{
	tls_server *tls = NULL;
	double kb_each = 0;
	struct db_conf db = {
		.uri = {getenv("PENNYPOST_TEST_PGURI"), getenv("PENNYPOST_TEST_PGURI_SYSTEM")},
		.connections = {8, 1},
		.application = "idle_hold",
	};
	struct listener_spec spec = {
		.service = SERVICE_POP3,
		.at = run.at,
		.tls = run.certificates != NULL,
		.run = answer_lines,
		.fd = run.listening,
	};
	loop_open();
	need("the database", db_open(&db));
	if (run.certificates)
		need("the certificates", tls_server_open(run.certificates, &tls));
	need("the listener", listener_start(&spec, 1, tls, &limits));
	if (!task_start("measure", measure, &kb_each))
		give_up("no task", ST_BUSY);
	task_loop_run();
	listener_stop();
	task_loop_close();
	db_close();
	tls_server_close(&tls);
	return kb_each;
}

/* ---- the clients */

static stream **clients;
static gate *at_once;
static tls_client *trust;
static int answered;
static notice *all_answered;

static void ask(int i)
{
	char wanted[32];
	slice line;
	enum line_end end;
	snprintf(wanted, sizeof wanted, "1 client %d", i);
	stream_patience(clients[i], PATIENCE, 0, 0);
	need("asking", stream_format(clients[i], "client %d\r\n", i));
	need("the answer", stream_line(clients[i], 512, &line, &end));
	if (!slice_same(line, slice_z(wanted)))
		give_up("a wrong answer", ST_BROKEN);
}

static status connect_and_ask(void *number)
{
	int i = (int)(intptr_t)number;
	need("the gate", gate_enter(at_once));
	need("connecting", stream_connect(&run.at, NULL, &clients[i]));
	if (trust)
		need("the handshake",
			stream_tls_connect(clients[i], trust, "localhost", TLS_VERIFY_NONE));
	ask(i);
	gate_leave(at_once);
	if (++answered == run.connections)
		notice_raise(all_answered);
	return ST_OK;
}

static status lead_clients(void *arg)
{
	hear_other();
	for (int i = 0; i < run.connections; i++)
		if (!task_start("client", connect_and_ask, (void *)(intptr_t)i))
			give_up("no task", ST_BUSY);
	need("the clients", notice_wait(all_answered));
	tell_other();
	hear_other();
	for (int i = 0; i < run.connections; i += ASK_AGAIN_EACH)
		ask(i);
	tell_other();
	return *(status *)arg;
}

static _Noreturn void be_clients(void)
{
	status done = ST_OK;
	clients = calloc((size_t)run.connections, sizeof(stream *));
	loop_open();
	at_once = gate_open(AT_ONCE);
	all_answered = notice_open();
	if (run.certificates)
		need("the client side of TLS", tls_client_open(NULL, &trust));
	if (!task_start("lead", lead_clients, &done))
		give_up("no task", ST_BUSY);
	task_loop_run();
	_exit(done);
}

/* ---- both */

static void listen_somewhere(void)
{
	struct sockaddr_storage where = {0};
	socklen_t size = sizeof where;
	need("the address", net_endpoint_parse(S("127.0.0.1:0"), &run.at));
	need("the port", listener_socket(&run.at, false, &run.listening));
	getsockname(run.listening, (struct sockaddr *)&where, &size);
	net_address_of(&where, &run.at);
}

static void raise_limits(void)
{
	struct rlimit files;
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	if (files.rlim_max < (rlim_t)run.connections + 200) {
		fprintf(stderr, "idle_hold: %d connections need more descriptors (ulimit -n)\n",
			run.connections);
		exit(77);
	}
}

int main(int count, char **argument)
{
	int pair[2];
	if (count < 3 || !getenv("PENNYPOST_TEST_PGURI")) {
		fprintf(stderr,
			"usage: with-pg.sh idle_hold CONNECTIONS MOST-KB [CERTIFICATE-FOLDER]\n");
		return 64;
	}
	run.connections = atoi(argument[1]);
	run.most_kb = atof(argument[2]);
	run.certificates = count > 3 ? argument[3] : NULL;
	log_level_set(LOG_WARN_LEVEL);
	raise_limits();
	listen_somewhere();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0)
		give_up("socketpair", ST_BUSY);
	pid_t child = fork();
	run.control = pair[child == 0];
	close(pair[child != 0]);
	if (child == 0)
		be_clients();
	double kb_each = serve();
	waitpid(child, NULL, 0);
	printf("idle tls=%d connections=%d kb_each=%.1f most=%.0f\n", run.certificates != NULL,
		run.connections, kb_each, run.most_kb);
	return kb_each > run.most_kb;
}
