/* A load generator on the house's own runtime: one process, a fiber per conversation. It speaks
   SMTP, POP3 or IMAP to any server, so that a peer is measured by the same client with the same
   mail.

     load smtp HOST:PORT --conversations 32 --messages 10000 --size 4096 [--recipients 10]
          [--to u%04u@demo.test --mailboxes 100] [--per-connection 1]
     load pop3 HOST:PORT --conversations 8 --cycles 2000 --user u%04u@demo.test --mailboxes 100
          --password secret [--keep]
     load imap-login HOST:PORT --conversations 8 --cycles 2000 --user u%04u@demo.test [--tls]
     load imap-append HOST:PORT --conversations 8 --messages 2000 --size 4096 --user u%04u@demo.test
     load imap-mixed HOST:PORT --conversations 100 --mailboxes 100 --commands 1000000 --for 20
          [--first 401 --seed 1 --keep-messages 30]
          what it does stands in mixed.c

   Prints one line of key=value: what was done, the rate, and how long answers took. --for ends it
   after so many seconds, when what was begun is ended; --seconds (120) whatever happens. */
#include "tests/load/load.h"

#include "base/memory.h"
#include "tests/load/mixed.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct protocol {
	const char *name;
	status (*some)(stream *s, const struct load_turn *t); /* what one connection does */
	void (*report)(void);                                 /* NULL: nothing more to tell */
};

static struct {
	net_address to;
	const struct protocol *protocol;
	bool keep;
	tls_client *tls; /* NULL: none */
	unsigned conversations, mailboxes, first, recipients, per_connection;
	uint64_t wanted; /* messages, cycles or commands */
	size_t size;
	const char *to_form, *user_form, *password;
	usec span, patience;
} job = {.conversations = 1,
	.mailboxes = 1,
	.first = 1,
	.recipients = 1,
	.per_connection = 1,
	.wanted = 1000,
	.size = 4096,
	.to_form = "u%04u@demo.test",
	.user_form = "u%04u@demo.test",
	.password = "secret",
	.span = 120 * USEC_S,
	.patience = 120 * USEC_S};

static struct {
	uint64_t begun, done, failed, skipped;
	usec *took; /* one per success */
	usec started, until, ended;
	text body;
	char last_trouble[200];
	unsigned running;
} run;

/* ---- the mail: the same size and mix for everybody, text that compresses as text does */

static void make_body(void)
{
	static const char *const words[] = {"letter", "office", "penny", "stamp", "morning",
		"river", "answer", "train", "under", "between", "seven", "yellow", "harbour",
		"promise", "kitchen", "window"};
	unsigned state = 42;
	size_t column = 0;
	while (run.body.size < job.size) {
		state = state * 1103515245 + 12345;
		const char *word = words[state >> 16 & 15];
		char token[32];
		int n = state >> 20 & 1 ? snprintf(token, sizeof token, "%s ", word)
					: snprintf(token, sizeof token, "%s%x ", word, state >> 12);
		text_add(&run.body, slice_of(token, (size_t)n));
		column += (size_t)n;
		if (column > 66) {
			text_add(&run.body, S("\r\n"));
			column = 0;
		}
	}
	text_add(&run.body, S("\r\n"));
}

slice load_body(void)
{
	return text_slice(&run.body);
}

void load_head(text *to, uint64_t number)
{
	text_format(to,
		"From: Sender <sender@load.test>\r\nTo: you@load.test\r\n"
		"Subject: Load %" PRIu64 "\r\nDate: Fri, 21 Nov 2025 02:43:00 +0000\r\n"
		"Message-ID: <%" PRIu64 ".%ld@load.test>\r\n\r\n",
		number, number, (long)time(NULL));
}

/* ---- what was done */

bool load_goes_on(void)
{
	return run.begun < job.wanted && clock_now() < run.until;
}

void load_begin(void)
{
	run.begun++;
}

void load_count(status kind, usec began)
{
	run.ended = clock_now();
	if (kind == ST_OK)
		run.took[run.done++] = run.ended - began;
}

void load_trouble(slice answer)
{
	snprintf(run.last_trouble, sizeof run.last_trouble, "%.*s", SLICE_ARGS(answer));
}

unsigned load_mailboxes(void)
{
	return job.mailboxes;
}

static unsigned mailbox_of(uint64_t number)
{
	return job.first + (unsigned)(number % job.mailboxes);
}

/* ---- talking */

status load_expect(stream *s, char code)
{
	slice line;
	enum line_end end;
	do {
		TRY(stream_line(s, 4096, &line, &end));
	} while (line.size > 3 && line.at[0] >= '0' && line.at[0] <= '9' && line.at[3] == '-');
	if (line.size == 0 || line.at[0] != code) {
		load_trouble(line);
		return ST_DENIED;
	}
	return ST_OK;
}

static status ask(stream *s, char code, const char *format, unsigned number)
{
	char form[300], line[340];
	snprintf(form, sizeof form, "%s\r\n", format);
	/* The forms come from this program's own command line. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	int n = snprintf(line, sizeof line, form, number);
#pragma GCC diagnostic pop
	TRY(stream_write(s, slice_of(line, (size_t)n)));
	return load_expect(s, code);
}

static status send_one(stream *s, uint64_t number)
{
	char to[200];
	TRY(ask(s, '2', "MAIL FROM:<sender@load.test>", 0));
	snprintf(to, sizeof to, "RCPT TO:<%s>", job.to_form);
	for (unsigned i = 0; i < job.recipients; i++)
		TRY(ask(s, '2', to, mailbox_of(number * job.recipients + i)));
	TRY(ask(s, '3', "DATA", 0));
	TRY(stream_format(s,
		"Received: from load.test by load.test; Fri, 21 Nov 2025 02:43:00 +0000\r\n"
		"From: Sender <sender@load.test>\r\nTo: you@load.test\r\n"
		"Subject: Load %" PRIu64 "\r\nDate: Fri, 21 Nov 2025 02:43:00 +0000\r\n"
		"Message-ID: <%" PRIu64 ".%ld@load.test>\r\n\r\n",
		number, number, (long)time(NULL)));
	TRY(stream_write(s, text_slice(&run.body)));
	TRY(stream_write(s, S(".\r\n")));
	usec began = clock_now();
	status kind = load_expect(s, '2');
	load_count(kind, began);
	return kind;
}

static status send_some(stream *s, const struct load_turn *t)
{
	(void)t;
	TRY(load_expect(s, '2'));
	TRY(ask(s, '2', "EHLO load.test", 0));
	for (unsigned i = 0; i < job.per_connection && run.begun < job.wanted; i++)
		TRY(send_one(s, run.begun++));
	return ask(s, '2', "QUIT", 0);
}

static status read_text(stream *s)
{
	slice line;
	enum line_end end;
	do {
		TRY(stream_line(s, 64 * 1024, &line, &end));
	} while (!slice_same(line, S(".")));
	return ST_OK;
}

/* Log on, fetch the first message, remove it: what a mail program that keeps nothing does. */
static status fetch_one(stream *s, const struct load_turn *t)
{
	(void)t;
	uint64_t number = run.begun++;
	char user[200], pass[200];
	usec began = clock_now();
	snprintf(user, sizeof user, "USER %s", job.user_form);
	snprintf(pass, sizeof pass, "PASS %s", job.password);
	TRY(load_expect(s, '+'));
	TRY(ask(s, '+', user, mailbox_of(number)));
	TRY(ask(s, '+', pass, 0));
	TRY(ask(s, '+', "STAT", 0));
	status kind = ask(s, '+', "RETR 1", 0);
	if (kind == ST_DENIED) {
		run.skipped++; /* an empty mailbox is no failure of the server */
		return ask(s, '+', "QUIT", 0);
	}
	TRY(kind);
	TRY(read_text(s));
	if (!job.keep)
		TRY(ask(s, '+', "DELE 1", 0));
	kind = ask(s, '+', "QUIT", 0);
	load_count(kind, began);
	return kind;
}

/* ---- IMAP: every command's tag is "a" */

static status tagged(stream *s)
{
	slice line;
	enum line_end end;
	do {
		TRY(stream_line(s, 64 * 1024, &line, &end));
	} while (!slice_starts(line, S("a ")));
	if (slice_starts(line, S("a OK")))
		return ST_OK;
	load_trouble(line);
	return ST_DENIED;
}

status load_say_login(stream *s, uint64_t number)
{
	char line[300];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(line, sizeof line, job.user_form, mailbox_of(number));
#pragma GCC diagnostic pop
	return stream_format(s, "a LOGIN %s %s\r\n", line, job.password);
}

static status imap_logon(stream *s, uint64_t number)
{
	TRY(load_expect(s, '*'));
	TRY(load_say_login(s, number));
	return tagged(s);
}

static status imap_login_one(stream *s, const struct load_turn *t)
{
	(void)t;
	usec began = clock_now();
	status kind = imap_logon(s, run.begun++);

	load_count(kind, began);
	TRY(kind);
	TRY(stream_write(s, S("a LOGOUT\r\n")));
	return tagged(s);
}

static status append_one(stream *s, uint64_t number)
{
	text head = TEXT_INIT;

	load_head(&head, number);
	status kind = stream_format(s, "a APPEND INBOX {%zu+}\r\n%.*s", head.size + run.body.size,
		SLICE_ARGS(text_slice(&head)));
	text_free(&head);
	TRY(kind);
	TRY(stream_write(s, load_body()));
	TRY(stream_write(s, S("\r\n")));
	return tagged(s);
}

static status append_some(stream *s, const struct load_turn *t)
{
	TRY(imap_logon(s, t->client));
	while (load_goes_on()) {
		usec began = clock_now();
		status kind = append_one(s, run.begun++);
		load_count(kind, began);
		TRY(kind);
	}
	return ST_OK;
}

static const struct protocol protocols[] = {
	{"smtp", send_some, NULL},
	{"pop3", fetch_one, NULL},
	{"imap-login", imap_login_one, NULL},
	{"imap-append", append_some, NULL},
	{"imap-mixed", mixed_session, mixed_report},
};

/* ---- connections */

static status converse(void *client)
{
	struct load_turn t = {.client = (unsigned)(uintptr_t)client};

	task_deadline(run.started + job.patience);
	for (; load_goes_on(); t.number++) {
		stream *s = NULL;
		status kind = stream_connect(&job.to, NULL, &s);
		if (kind == ST_OK) {
			stream_patience(s, job.patience, 0, 0);
			if (job.tls)
				kind = stream_tls_connect(s, job.tls, "localhost", TLS_VERIFY_NONE);
		}
		if (kind == ST_OK)
			kind = job.protocol->some(s, &t);
		run.failed += kind != ST_OK;
		stream_close(&s);
		if (kind == ST_TIMED_OUT || run.failed > job.wanted)
			break;
	}
	run.running--;
	return ST_OK;
}

/* ---- the figures */

static int by_time(const void *a, const void *b)
{
	usec x = *(const usec *)a, y = *(const usec *)b;
	return (x > y) - (x < y);
}

static double percentile(double share)
{
	if (run.done == 0)
		return 0;
	return (double)run.took[(uint64_t)(share * (double)(run.done - 1))] / 1000.0;
}

static void report(void)
{
	double seconds = (double)(run.ended - run.started) / 1e6;
	qsort(run.took, run.done, sizeof *run.took, by_time);
	printf("done=%" PRIu64 " failed=%" PRIu64 " skipped=%" PRIu64
	       " seconds=%.3f rate=%.1f p50_ms=%.2f p99_ms=%.2f client_cpu=%.3f trouble=\"%s\"\n",
		run.done, run.failed, run.skipped, seconds,
		seconds > 0 ? (double)run.done / seconds : 0, percentile(0.5), percentile(0.99),
		(double)clock() / CLOCKS_PER_SEC, run.last_trouble);
	if (job.protocol->report)
		job.protocol->report();
}

static status watch(void *unused)
{
	(void)unused;
	while (run.running > 0)
		TRY(task_sleep(5 * USEC_MS));
	task_loop_stop();
	return ST_OK;
}

static void options(int argc, char **argv)
{
	static const struct option known[] = {{"conversations", 1, NULL, 'c'},
		{"messages", 1, NULL, 'n'}, {"cycles", 1, NULL, 'n'}, {"size", 1, NULL, 's'},
		{"recipients", 1, NULL, 'r'}, {"to", 1, NULL, 't'}, {"user", 1, NULL, 'u'},
		{"mailboxes", 1, NULL, 'm'}, {"per-connection", 1, NULL, 'p'},
		{"password", 1, NULL, 'w'}, {"keep", 0, NULL, 'k'}, {"seconds", 1, NULL, 'S'},
		{"tls", 0, NULL, 'T'}, {"commands", 1, NULL, 'n'}, {"for", 1, NULL, 'f'},
		{"first", 1, NULL, 'F'}, {"seed", 1, NULL, 'e'}, {"keep-messages", 1, NULL, 'K'},
		{NULL, 0, NULL, 0}};
	for (int o; (o = getopt_long(argc, argv, "", known, NULL)) != -1;) {
		unsigned number = optarg ? (unsigned)strtoul(optarg, NULL, 10) : 0;
		switch (o) {
		case 'c':
			job.conversations = number;
			break;
		case 'n':
			job.wanted = number;
			break;
		case 's':
			job.size = number;
			break;
		case 'r':
			job.recipients = number;
			break;
		case 't':
			job.to_form = optarg;
			break;
		case 'u':
			job.user_form = optarg;
			break;
		case 'm':
			job.mailboxes = number ? number : 1;
			break;
		case 'p':
			job.per_connection = number;
			break;
		case 'w':
			job.password = optarg;
			break;
		case 'k':
			job.keep = true;
			break;
		case 'S':
			job.patience = number * USEC_S;
			break;
		case 'f':
			job.span = number * USEC_S;
			break;
		case 'F':
			job.first = number;
			break;
		case 'e':
			mixed_seed(number);
			break;
		case 'K':
			mixed_keep(number);
			break;
		case 'T':
			tls_client_open(NULL, &job.tls);
			break;
		default:
			exit(64);
		}
	}
	for (size_t i = 0; optind < argc && i < sizeof protocols / sizeof *protocols; i++)
		if (strcmp(argv[optind], protocols[i].name) == 0)
			job.protocol = &protocols[i];
	if (optind + 2 != argc || !job.protocol ||
		net_endpoint_parse(slice_z(argv[optind + 1]), &job.to) != ST_OK) {
		fprintf(stderr,
			"usage: load smtp|pop3|imap-login|imap-append|imap-mixed ADDRESS:PORT [--options];"
			" see the head of load.c\n");
		exit(64);
	}
}

int main(int argc, char **argv)
{
	options(argc, argv);
	make_body();
	run.took = memory_new_array(
		job.wanted + job.conversations, sizeof *run.took); /* each may begin one more */
	struct task_limits limits = TASK_LIMITS_INIT;
	if (task_loop_open(&limits) != ST_OK)
		return 71;
	run.started = run.ended = clock_now();
	run.until = run.started + (job.span < job.patience ? job.span : job.patience);
	for (unsigned i = 0; i < job.conversations; i++)
		run.running += task_start("conversation", converse, (void *)(uintptr_t)i) != NULL;
	task_start("watch", watch, NULL);
	task_loop_run();
	task_loop_close();
	tls_client_close(&job.tls);
	report();
	text_free(&run.body);
	memory_free(run.took);
	return run.failed ? 1 : 0;
}
