/* The outbound client against smtp-sink of Postfix: a peer that nobody of this house wrote. Skipped
   where it is not installed. */
#include "hand_over.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char sink[] = "/usr/sbin/smtp-sink";
static char dumps[] = "/tmp/pennypost-sink-XXXXXX";
static pid_t running;
static int held = -1; /* its port */

static void begin(void)
{
	if (access(sink, X_OK) != 0)
		cr_skip("%s is not installed", sink);
	hand_over_begin();
	cr_assert(mkdtemp(dumps) && chmod(dumps, 0777) == 0);
}

static void stop(void)
{
	if (running) {
		kill(running, SIGKILL);
		waitpid(running, NULL, 0);
	}
	running = 0;
	if (held >= 0)
		close(held);
	held = -1;
}

/* The next file of the folder, which is removed, in a static buffer; NULL when there is none. */
static const char *next_dump(void)
{
	static char all[65536];
	char path[400] = "";
	struct dirent *e;
	DIR *d = opendir(dumps);

	while (d && (e = readdir(d)) && !path[0])
		if (e->d_name[0] != '.')
			snprintf(path, sizeof path, "%s/%s", dumps, e->d_name);
	closedir(d);
	FILE *f = path[0] ? fopen(path, "r") : NULL;
	if (!f)
		return NULL;
	all[fread(all, 1, sizeof all - 1, f)] = '\0';
	fclose(f);
	remove(path);
	return all;
}

static void end(void)
{
	stop();
	while (next_dump())
		;
	rmdir(dumps);
	hand_over_end();
}

TestSuite(client_peer, .init = begin, .fini = end, .timeout = 300);

static bool is_up(void)
{
	stream *s = NULL;
	bool up = stream_connect(&target.at, NULL, &s) == ST_OK;

	stream_close(&s);
	return up;
}

/* smtp-sink with one option and its value (or NULL) on a port of its own. */
static void start(const char *option, const char *value)
{
	char at[40], dump[200];

	held = fake_host_reserve(&target.at);
	snprintf(at, sizeof at, "127.0.0.1:%u", target.at.port);
	snprintf(dump, sizeof dump, "%s/message.", dumps);
	char *const args[] = {(char[]){"smtp-sink"}, (char[]){"-u"}, (char[]){"nobody"},
		(char[]){"-d"}, dump, option ? (char *)(uintptr_t)option : at,
		option ? (value ? (char *)(uintptr_t)value : at) : (char[]){"100"},
		option && value ? at
		: option        ? (char[]){"100"}
				: NULL,
		option && value ? (char[]){"100"} : NULL, NULL};
	running = fork();
	if (running == 0) {
		execv(sink, args);
		_exit(127);
	}
	while (!is_up())
		task_sleep(10 * USEC_MS);
}

static status hand_over(void)
{
	status kind = client_open(&target, &a, &talk, &why);

	if (kind == ST_OK)
		kind = client_send(talk, &message, &a);
	client_close(&talk);
	return kind;
}

Test(client_peer, a_message_arrives_as_it_was)
{
	static const char *const options[] = {NULL, "-p", "-e", "-8", "-N", "-E"};

	for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
		start(options[i], NULL);
		cr_expect_eq(hand_over(), ST_OK, "%s", options[i]);
		cr_expect_eq(to[0].result.outcome, CLIENT_DELIVERED, "%.*s",
			SLICE_ARGS(to[0].result.text));
		const char *dump = next_dump();
		cr_assert_not_null(dump);
		/* smtp-sink writes lines as the system has them. */
		cr_expect_not_null(strstr(dump, "Subject: hello\n\n.dotted\nplain\n"), "%s", dump);
		stop();
	}
}

Test(client_peer, what_it_refuses_is_told)
{
	static const struct {
		const char *option, *value;
		enum client_outcome outcome;
		enum client_phase phase;
	} rows[] = {
		{"-r", "mail", CLIENT_DEFERRED, CLIENT_MAIL},
		{"-f", "mail", CLIENT_FAILED, CLIENT_MAIL},
		{"-r", "rcpt", CLIENT_DEFERRED, CLIENT_RCPT},
		{"-f", "rcpt", CLIENT_FAILED, CLIENT_RCPT},
		{"-r", "data", CLIENT_DEFERRED, CLIENT_DATA},
		{"-f", "data", CLIENT_FAILED, CLIENT_DATA},
		{"-r", ".", CLIENT_DEFERRED, CLIENT_END},
		{"-f", ".", CLIENT_FAILED, CLIENT_END},
		{"-q", "rcpt", CLIENT_DEFERRED, CLIENT_RCPT},
		{"-q", ".", CLIENT_UNSURE, CLIENT_END},
		{"-Q", "rcpt", CLIENT_DEFERRED, CLIENT_RCPT},
		{"-Q", ".", CLIENT_DEFERRED, CLIENT_END},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		start(rows[i].option, rows[i].value);
		hand_over();
		cr_expect_eq(to[0].result.outcome, rows[i].outcome, "%s %s: %s", rows[i].option,
			rows[i].value, client_outcome_name(to[0].result.outcome));
		cr_expect_eq(to[0].result.phase, rows[i].phase, "%s %s: %s", rows[i].option,
			rows[i].value, client_phase_name(to[0].result.phase));
		stop();
	}
}

Test(client_peer, hundreds_go_over_one_connection)
{
	start(NULL, NULL);
	recipients_are(8);
	cr_assert_eq(client_open(&target, &a, &talk, &why), ST_OK);
	for (int i = 0; i < 300; i++) {
		cr_assert_eq(client_send(talk, &message, &a), ST_OK);
		for (int k = 0; k < 8; k++)
			cr_assert_eq(to[k].result.outcome, CLIENT_DELIVERED);
		arena_clear(&a);
	}
	cr_expect_eq(client_facts(talk)->messages, 300);
}
