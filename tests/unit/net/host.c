/* Names of addresses and domains that take mail, asked of a scripted server. */
#include "help.h"

#include "../../dns/zone.h"
#include "net/host.h"

#include <stdio.h>

static const char script[] =
	"1.2.0.192.in-addr.arpa PTR mail.test\n"
	"mail.test    A 192.0.2.1\n"
	"mail.test    AAAA 2001:db8::1\n"
	"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa PTR mail.test\n"
	"2.2.0.192.in-addr.arpa PTR forged.test\n"
	"forged.test  A 192.0.2.77\n"
	"3.2.0.192.in-addr.arpa PTR forged.test\n"
	"3.2.0.192.in-addr.arpa PTR other.test\n"
	"3.2.0.192.in-addr.arpa PTR true.test\n"
	"true.test    A 192.0.2.3\n"
	"5.2.0.192.in-addr.arpa ! servfail\n"
	"6.2.0.192.in-addr.arpa PTR slow.test\n"
	"slow.test    ! silent\n"
	"7.2.0.192.in-addr.arpa ! silent\n"
	"mx.test      MX 10 mail.test\n"
	"six.test     AAAA 2001:db8::2\n"
	"null.test    MX 0 .\n"
	"null.test    A 192.0.2.9\n"
	"words.test   TXT words\n"
	"ill.test     ! servfail\n";

static zone *server;
static dns *resolver;
static arena a;

static void begin(void)
{
	struct dns_conf conf = DNS_CONF_INIT;
	char list[40];

	server = zone_serve(script, 0);
	snprintf(list, sizeof list, "127.0.0.1:%u", zone_port(server));
	conf.servers = slice_z(list);
	conf.patience = 5 * USEC_S;
	cr_assert_ok(dns_open(&conf, &resolver));
}

static void end(void)
{
	dns_close(&resolver);
	zone_stop(&server);
	arena_release(&a);
}

static host_name name_of(const char *address, status wanted)
{
	net_address at;
	host_name out;

	cr_assert_ok(net_address_parse(slice_z(address), &at));
	cr_expect_kind(host_name_of(resolver, &at, &a, &out), wanted);
	return out;
}

ON_BOTH(host, names_that_lead_back_are_verified)
{
	begin();
	host_name n = name_of("192.0.2.1", ST_OK);
	cr_expect_eq(n.kind, DNS_FOUND);
	cr_expect_slice(n.verified, "mail.test");
	cr_expect_slice(name_of("2001:db8::1", ST_OK).verified, "mail.test");
	n = name_of("192.0.2.2", ST_OK);
	cr_expect_eq(n.kind, DNS_FOUND);
	cr_expect_slice(n.claimed, "forged.test");
	cr_expect_slice(n.verified, "");
	n = name_of("192.0.2.3", ST_OK);
	cr_expect_slice(n.claimed, "forged.test");
	cr_expect_slice(n.verified, "true.test");
	cr_expect_eq(name_of("192.0.2.4", ST_OK).kind, DNS_NO_NAME);
	cr_expect_eq(name_of("192.0.2.5", ST_OK).kind, DNS_TEMPORARY);
	net_address nobody = {0};
	cr_expect_kind(host_name_of(resolver, &nobody, &a, &n), ST_OK);
	cr_expect_eq(n.kind, DNS_NO_NAME);
	end();
}

ON_BOTH(host, a_name_is_found_within_the_budget_or_not)
{
	begin();
	task_deadline(clock_now() + USEC_S);
	host_name n = name_of("192.0.2.6", ST_TIMED_OUT);
	cr_expect_eq(n.kind, DNS_FOUND);
	cr_expect_slice(n.claimed, "slow.test");
	cr_expect_slice(n.verified, "");
	cr_expect_eq(name_of("192.0.2.7", ST_TIMED_OUT).kind, DNS_TEMPORARY);
	task_deadline(USEC_NEVER);
	end();
}

ON_BOTH(host, domains_take_mail_or_not)
{
	static const struct {
		const char *domain;
		enum host_mail takes;
	} rows[] = {{"mx.test", HOST_TAKES_MAIL}, {"mail.test", HOST_TAKES_MAIL},
		{"six.test", HOST_TAKES_MAIL}, {"null.test", HOST_TAKES_NONE},
		{"words.test", HOST_TAKES_NONE}, {"absent.test", HOST_TAKES_NONE},
		{"a..test", HOST_TAKES_NONE}, {"ill.test", HOST_UNKNOWN}};

	begin();
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		enum host_mail takes;
		cr_expect_kind(
			host_takes_mail(resolver, slice_z(rows[i].domain), &a, &takes), ST_OK);
		cr_expect_eq(takes, rows[i].takes, "%s", rows[i].domain);
	}
	enum host_mail takes;
	task_deadline(clock_now() + 100 * USEC_MS);
	cr_expect_kind(host_takes_mail(resolver, S("slow.test"), &a, &takes), ST_TIMED_OUT);
	cr_expect_eq(takes, HOST_UNKNOWN);
	task_deadline(USEC_NEVER);
	end();
}

/* Conversations of a worker, each with a question of its own and one that all share. */
#define CROWD 300

static unsigned answered;

static status one_of_a_crowd(void *arg)
{
	arena mine = ARENA_INIT;
	dns_answer out;
	int me = *(int *)arg;

	cr_expect_kind(
		dns_find(resolver, DNS_A, arena_format(&mine, "%d.absent.test", me), &mine, &out),
		ST_OK);
	answered += out.kind == DNS_NO_NAME;
	cr_expect_kind(dns_find(resolver, DNS_A, S("mail.test"), &mine, &out), ST_OK);
	answered += out.kind == DNS_FOUND;
	arena_release(&mine);
	return ST_OK;
}

Test(host, a_crowd_is_answered)
{
	static int number[CROWD];
	struct task_limits limits = TASK_LIMITS_INIT;

	begin();
	cr_assert_ok(task_loop_open(&limits));
	for (int i = 0; i < CROWD; i++) {
		number[i] = i;
		cr_assert(task_start("one", one_of_a_crowd, &number[i]));
	}
	task_loop_run();
	task_loop_close();
	cr_expect_eq(answered, 2 * CROWD);
	end();
}
