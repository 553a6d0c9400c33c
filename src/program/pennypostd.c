/* pennypostd: the server. Reads its options and the bootstrap file, then either supervises workers
   (program/master.h) or runs a single conversation on standard input and output. */
#include "base/log.h"
#include "net/listener.h"
#include "program/master.h"
#include "program/service_table.h"
#include "program/worker.h"
#include "provider/provider.h"


#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

static const char usage[] =
	"usage: pennypostd [--config FILE] [--check | --stdio SERVICE | --foreground]\n"
	"  --config FILE    the bootstrap file (default: $PENNYPOST_CONF, /etc/pennypost/pennypost.conf)\n"
	"  --foreground     serve and stay in front; the default too: service managers expect it\n"
	"  --check          tell whether a start would succeed, and end\n"
	"  --stdio SERVICE  run one conversation (smtp, submission, pop3) on standard input and output\n"
	"  --version        print the version\n"
	"Signals: TERM and INT stop, HUP reads certificates again, USR2 restarts workers one by one.\n";

static int one_conversation(const struct bootstrap *boot, const char *word)
{
	const struct service_row *row;
	if (service_row_find(slice_z(word), &row) != ST_OK || !row->run) {
		fprintf(stderr, "pennypostd: no conversation called \"%s\"; try smtp, submission or pop3\n",
			word);
		return EX_USAGE;
	}
	struct provider_conf conf = {.boot = boot, .connections = 2, .system_connections = 1,
				     .application = "pennypost stdio"};
	if (provider_open(&conf) != ST_OK)
		return EX_UNAVAILABLE;
	tls_server *tls = NULL;
	if (boot->certificates.size)
		tls_server_open(boot->certificates.at, &tls);
	status kind = conversation_run(row->service, STDIN_FILENO, STDOUT_FILENO, tls, row->run);
	tls_server_close(&tls);
	provider_close();
	return kind == ST_OK || kind == ST_CLOSED ? EX_OK : EX_SOFTWARE;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'}, {"check", no_argument, NULL, 'k'},
		{"stdio", required_argument, NULL, 's'},  {"foreground", no_argument, NULL, 'f'},
		{"version", no_argument, NULL, 'V'},      {"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0}};
	const char *config = NULL, *stdio = NULL;
	bool check_only = false;
	for (int o; (o = getopt_long(argc, argv, "c:ks:fVh", options, NULL)) != -1;) {
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
		case 'V':
			puts(PACKAGE_STRING);
			return EX_OK;
		case 'h':
			fputs(usage, stdout);
			return EX_OK;
		default:
			fputs(usage, stderr);
			return EX_USAGE;
		}
	}
	if (optind < argc) {
		fputs(usage, stderr);
		return EX_USAGE;
	}
	log_open(&(struct log_target){.fd = -1, .least = LOG_INFO_LEVEL,
				      .role = stdio ? "stdio" : "master",
				      .journal = getenv("JOURNAL_STREAM") != NULL});
	arena facts = ARENA_INIT;
	struct bootstrap boot;
	int code = EX_CONFIG;
	if (bootstrap_read(config, &facts, &boot) == ST_OK)
		code = stdio ? one_conversation(&boot, stdio) : master_run(&boot, check_only);
	arena_release(&facts);
	log_close();
	return code;
}
