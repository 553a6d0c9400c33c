/* pennypostd: the server. Reads its options and the bootstrap file, then either supervises workers
   (program/master.h) or runs a single conversation on standard input and output. */
#include "base/log.h"
#include "base/secret.h"
#include "net/listener.h"
#include "program/master.h"
#include "program/service_table.h"
#include "program/worker.h"
#include "provider/provider.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define HANDSHAKE (60 * USEC_S) /* of one conversation */

static void usage(FILE *to)
{
	static const struct {
		const char *name, *value, *sentence;
	} rows[] = {
#define SERVER_OPTION(name, letter, value, sentence) {"--" name, value, sentence},
#include "program/server_options.def"
#undef SERVER_OPTION
	};
	fputs("usage: pennypostd [--config FILE] [--check | --stdio SERVICE | --foreground]\n", to);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		int width = (int)(17 - strlen(rows[i].name));
		fprintf(to, "  %s %-*s %s\n", rows[i].name, width, rows[i].value, rows[i].sentence);
	}
	fputs("Signals: TERM and INT stop, HUP reads certificates again, USR2 restarts workers one by one.\n",
		to);
}

static int converse(const struct service_row *row, const tls_server *tls)
{
	if (row->tls && !tls) {
		fprintf(stderr,
			"pennypostd: %s needs certificates; name their folder in the bootstrap file\n",
			row->word);
		return EX_CONFIG;
	}
	status kind = row->tls ? conversation_run_tls(row->service, STDIN_FILENO, STDOUT_FILENO,
					 tls, HANDSHAKE, row->run)
			       : conversation_run(
					 row->service, STDIN_FILENO, STDOUT_FILENO, tls, row->run);
	return kind == ST_OK || kind == ST_CLOSED ? EX_OK : EX_SOFTWARE;
}

static int one_conversation(const struct bootstrap *boot, const char *word)
{
	const struct service_row *row;
	if (service_row_find(slice_z(word), &row) != ST_OK || !row->run) {
		fprintf(stderr,
			"pennypostd: no conversation called \"%s\"; try smtp, submission, submissions, pop3, pop3s, imap or imaps\n",
			word);
		return EX_USAGE;
	}
	struct provider_conf conf = {.boot = boot,
		.connections = 2,
		.system_connections = 1,
		.application = "pennypost stdio",
		.first = true};
	status opened = provider_open(&conf);
	if (opened != ST_OK)
		return master_exit_code(opened);
	tls_server *tls = NULL;
	if (boot->certificates.size)
		opened = tls_server_open(boot->certificates.at, &tls);
	int code = opened == ST_OK ? converse(row, tls) : master_exit_code(opened);
	tls_server_close(&tls);
	provider_close();
	return code;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
#define SERVER_OPTION(name, letter, value, sentence)                                               \
	{name, value[0] ? required_argument : no_argument, NULL, letter},
#include "program/server_options.def"
#undef SERVER_OPTION
		{NULL, 0, NULL, 0}};
	const char *config = NULL, *stdio = NULL;
	bool check_only = false, debug = false;
	for (int o; (o = getopt_long(argc, argv, "c:ks:fdVh", options, NULL)) != -1;) {
		switch (o) {
		case 'c':
			config = optarg;
			break;
		case 'k':
			check_only = true;
			break;
		case 's':
			stdio = optarg;
			break;
		case 'f':
			break;
		case 'd':
			debug = true;
			break;
		case 'V':
			puts(PACKAGE_STRING);
			return EX_OK;
		case 'h':
			usage(stdout);
			return EX_OK;
		default:
			usage(stderr);
			return EX_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr,
			"pennypostd: \"%s\" is no option; the bootstrap file is named by --config\n",
			argv[optind]);
		usage(stderr);
		return EX_USAGE;
	}
	log_open(&(struct log_target){.fd = -1,
		.least = debug ? LOG_DEBUG_LEVEL : LOG_INFO_LEVEL,
		.role = stdio ? "stdio" : "master",
		.journal = getenv("JOURNAL_STREAM") != NULL});
	arena facts = ARENA_INIT;
	struct bootstrap boot;
	int code = EX_CONFIG;
	if (bootstrap_read(config, &facts, &boot) == ST_OK) {
		/* The schema's owner is nobody's matter here: a worker that was taken over shall
		   not find it. */
		secret_forget((char *)(uintptr_t)boot.pguri_owner.at, boot.pguri_owner.size);
		boot.pguri_owner = (slice){0};
		code = stdio ? one_conversation(&boot, stdio)
			     : master_run(&boot, check_only, debug);
	}
	arena_release(&facts);
	log_close();
	return code;
}
