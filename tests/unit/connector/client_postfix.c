/* The outbound client against a Postfix of its own on loopback: TLS by name, sessions taken up
   again, chunks and DATA, and what comes to lie in the mailbox. Skipped where Postfix is not
   installed or this is not root, whom its master wants to be. */
#include "hand_over.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char base[] = "/tmp/pennypost-postfix-XXXXXX";
static bool running;
static int held = -1; /* its port */

__attribute__((format(printf, 1, 2))) static int shell(const char *format, ...)
{
	char command[2000];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof command, format, args);
	va_end(args);
	return system(command);
}

static const char main_cf[] =
	"compatibility_level = 3.6\nqueue_directory = %s/spool\ndata_directory = %s/data\n"
	"mail_owner = postfix\nsetgid_group = postdrop\ninet_interfaces = loopback-only\n"
	"inet_protocols = ipv4\nmyhostname = there.test\nmydestination =\nmynetworks = 127.0.0.0/8\n"
	"alias_maps =\nalias_database =\nvirtual_mailbox_domains = there.test\n"
	"virtual_mailbox_base = %s/data\nvirtual_mailbox_maps = static:box/\n"
	"virtual_uid_maps = static:65534\nvirtual_gid_maps = static:65534\n"
	"maillog_file = %s/log\nmaillog_file_prefixes = /\nsmtpd_peername_lookup = no\n"
	"smtpd_tls_security_level = may\nsmtpd_tls_cert_file = %s/default.crt\n"
	"smtpd_tls_key_file = %s/default.key\n";

static const char master_cf[] =
	"127.0.0.1:%u inet n - n - 20 smtpd\npickup unix n - n 60 1 pickup\n"
	"cleanup unix n - n - 0 cleanup\nqmgr unix n - n 300 1 qmgr\n"
	"rewrite unix - - n - - trivial-rewrite\nbounce unix - - n - 0 bounce\n"
	"defer unix - - n - 0 bounce\nproxymap unix - - n - - proxymap\n"
	"virtual unix - n n - - virtual\nerror unix - - n - - error\nretry unix - - n - - error\n"
	"anvil unix - - n - 1 anvil\ntlsmgr unix - - n 1000? 1 tlsmgr\n"
	"postlog unix-dgram n - n - 1 postlogd\n";

static FILE *open_conf(const char *name)
{
	char path[200];

	snprintf(path, sizeof path, "%s/conf/%s", base, name);
	FILE *f = fopen(path, "w");
	cr_assert(f);
	return f;
}

static bool is_up(void)
{
	stream *s = NULL;
	bool up = stream_connect(&target.at, NULL, &s) == ST_OK;

	stream_close(&s);
	return up;
}

static void begin(void)
{
	const struct passwd *who = getpwnam("postfix");

	if (geteuid() != 0 || !who || access("/usr/sbin/postfix", X_OK) != 0)
		cr_skip("Postfix is not installed, or this is not root");
	hand_over_begin();
	certificate_for("there.test", -1, 1);
	cr_assert(mkdtemp(base));
	cr_assert_eq(shell("chmod 755 %s && cd %s && mkdir conf spool data data/box && "
			   "chown postfix data && chown 65534:65534 data/box && chmod 700 data/box",
			     base, base),
		0);
	held = fake_host_reserve(&target.at);
	FILE *f = open_conf("main.cf");
	fprintf(f, main_cf, base, base, base, base, certificate_folder, certificate_folder);
	fclose(f);
	f = open_conf("master.cf");
	fprintf(f, master_cf, target.at.port);
	fclose(f);
	running = shell("postfix -c %s/conf start >/dev/null 2>&1", base) == 0;
	cr_assert(running);
	while (!is_up())
		task_sleep(10 * USEC_MS);
}

static void end(void)
{
	if (running)
		shell("postfix -c %s/conf abort >/dev/null 2>&1; rm -rf %s", base, base);
	running = false;
	if (held >= 0)
		close(held);
	hand_over_end();
}

TestSuite(client_postfix, .init = begin, .fini = end, .timeout = 300);

/* Whether a message of those words comes to lie in the mailbox in time; it is removed. */
static bool arrives(const char *words)
{
	for (int i = 0; i < 2000; i++) {
		if (shell("cd %s/data/box/new 2>/dev/null && grep -lF '%s' * 2>/dev/null | "
			  "head -1 | xargs -r -I{} mv {} %s/last && test -f %s/last",
			    base, words, base, base) == 0)
			return true;
		task_sleep(50 * USEC_MS);
	}
	return false;
}

static status hand_over(void)
{
	status kind = client_open(&target, &a, &talk, &why);

	return kind == ST_OK ? client_send(talk, &message, &a) : kind;
}

Test(client_postfix, messages_arrive_as_they_were)
{
	static const char *const chunking[] = {"on", "off"};

	target.policy.tls = CLIENT_TLS_NAME;
	recipients_are(2);
	to[1].address = S("no such@address@at.all");
	for (int i = 0; i < 2; i++) {
		memory_setting("outbound_chunking", chunking[i]);
		cr_assert_eq(hand_over(), ST_OK, "%.*s", SLICE_ARGS(why.text));
		const struct client_facts *f = client_facts(talk);
		cr_expect_eq(f->proved, CLIENT_TLS_NAME);
		cr_expect(f->chunking && f->pipelining && f->utf8 && f->dsn);
		cr_expect_eq(f->resumed, i == 1);
		cr_expect_eq(to[0].result.outcome, CLIENT_DELIVERED, "%.*s",
			SLICE_ARGS(to[0].result.text));
		cr_expect(slice_same(to[0].result.enhanced, S("2.0.0")));
		cr_expect_eq(to[1].result.outcome, CLIENT_FAILED);
		cr_expect_eq(to[1].result.phase, CLIENT_RCPT);
		client_close(&talk);
		cr_assert(arrives(".dotted"));
		cr_expect_eq(shell("sed '1,/^$/d' %s/last | tr -d '\\r' >%s/body; "
				   "printf '.dotted\\nplain\\n' | cmp - %s/body; s=$?; "
				   "rm %s/last; exit $s",
				     base, base, base, base),
			0);
	}
}
