/* The resolver against a scripted server on loopback, from fibers and from plain threads. */
#include "help.h"

#include "../../dns/zone.h"
#include "net/dns.h"

#include <stdio.h>

static const char script[] = "mail.test            A 192.0.2.1\n"
			     "mail.test            A 192.0.2.2\n"
			     "mail.test            AAAA 2001:db8::1\n"
			     "mail.test       30   MX 20 Late.Mail.Test\n"
			     "mail.test       40   MX 10 mx.mail.test\n"
			     "mail.test            NS ns.mail.test\n"
			     "mail.test            TXT \"v=spf1 \" \"-all\"\n"
			     "1.2.0.192.in-addr.arpa PTR mail.test\n"
			     "_25._tcp.mail.test   TLSA 3 1 1 0a0bff\n"
			     "_imap._tcp.mail.test SRV 1 2 143 imap.mail.test\n"
			     "www.mail.test        CNAME mail.test\n"
			     "null.test            MX 0 .\n"
			     "fleeting.test   0    A 192.0.2.9\n"
			     "short.test      1    A 192.0.2.9\n"
			     "a.slow.test          A 192.0.2.3\n"
			     "a.slow.test          ! delay 200\n"
			     "b.slow.test          A 192.0.2.4\n"
			     "b.slow.test          ! delay 200\n"
			     "c.slow.test          A 192.0.2.5\n"
			     "c.slow.test          ! delay 200\n"
			     "late.test            A 192.0.2.5\n"
			     "late.test            ! delay 200\n"
			     "dead.test            ! silent\n"
			     "ill.test             ! servfail\n"
			     "refused.test         ! refused\n"
			     "garbage.test         A 192.0.2.6\n"
			     "garbage.test         ! garbage\n"
			     "hurt.test            A 192.0.2.6\n"
			     "hurt.test            ! servfail 1\n"
			     "big.test             TXT long enough to be cut\n"
			     "big.test             ! truncate\n"
			     "signed.test          A 192.0.2.7\n"
			     "signed.test          ! secure\n"
			     "forged.test          A 192.0.2.8\n"
			     "forged.test          ! bogus\n";

static zone *server;
static dns *resolver;
static arena a;

/* Longer than a busy machine makes an answer wait. */
#define ENOUGH (60 * USEC_S)

static void open_behind(const char *others, bool trusted, usec patience)
{
	struct dns_conf conf = DNS_CONF_INIT;
	char list[100];

	snprintf(list, sizeof list, "%s 127.0.0.1:%u", others, zone_port(server));
	conf.servers = slice_z(list);
	conf.patience = patience;
	conf.trusted = trusted;
	cr_assert_ok(dns_open(&conf, &resolver));
}

static void begin(void)
{
	server = zone_serve(script, 0);
	open_behind("", false, ENOUGH);
}

static void end(void)
{
	dns_close(&resolver);
	zone_stop(&server);
	arena_release(&a);
}

static dns_answer ask(enum dns_type type, const char *name)
{
	dns_answer out;

	cr_expect_kind(dns_find(resolver, type, slice_z(name), &a, &out), ST_OK);
	return out;
}

ON_BOTH(dns, reads_every_type)
{
	begin();
	dns_answer out = ask(DNS_A, "mail.test");
	cr_assert_eq(out.count, 2);
	cr_expect_slice(net_address_text(&out.record[1].address, &a), "192.0.2.2");
	out = ask(DNS_AAAA, "Mail.Test.");
	cr_assert_eq(out.count, 1);
	cr_expect_slice(net_address_text(&out.record[0].address, &a), "2001:db8::1");
	out = ask(DNS_MX, "mail.test");
	cr_assert_eq(out.count, 2);
	cr_expect_slice(out.record[0].name, "mx.mail.test");
	cr_expect_eq(out.record[0].preference, 10);
	cr_expect_slice(out.record[1].name, "late.mail.test");
	cr_expect_eq(out.ttl, 30);
	out = ask(DNS_TXT, "mail.test");
	cr_assert_eq(out.count, 1);
	cr_expect_slice(out.record[0].data, "v=spf1 -all");
	out = ask(DNS_NS, "mail.test");
	cr_expect_slice(out.record[0].name, "ns.mail.test");
	out = ask(DNS_TLSA, "_25._tcp.mail.test");
	cr_assert_eq(out.count, 1);
	cr_expect_eq(out.record[0].usage, 3);
	cr_expect_eq(out.record[0].matching, 1);
	cr_expect_slice(out.record[0].data, "\x0a\x0b\xff");
	out = ask(DNS_SRV, "_imap._tcp.mail.test");
	cr_expect_eq(out.record[0].port, 143);
	cr_expect_eq(out.record[0].weight, 2);
	cr_expect_slice(out.record[0].name, "imap.mail.test");
	out = ask(DNS_CNAME, "www.mail.test");
	cr_expect_slice(out.record[0].name, "mail.test");
	out = ask(DNS_MX, "null.test");
	cr_assert_eq(out.count, 1);
	cr_expect_slice(out.record[0].name, "");
	end();
}

ON_BOTH(dns, follows_aliases)
{
	begin();
	dns_answer out = ask(DNS_A, "www.mail.test");
	cr_expect_eq(out.count, 2);
	cr_expect_slice(out.name, "mail.test");
	cr_expect_eq(ask(DNS_TLSA, "www.mail.test").kind, DNS_NO_DATA);
	end();
}

ON_BOTH(dns, tells_kinds_of_nothing_apart)
{
	begin();
	cr_expect_eq(ask(DNS_A, "absent.test").kind, DNS_NO_NAME);
	cr_expect_eq(ask(DNS_TXT, "_tcp.mail.test").kind, DNS_NO_DATA);
	cr_expect_eq(ask(DNS_MX, "www.null.test").kind, DNS_NO_NAME);
	cr_expect_eq(ask(DNS_MX, "a.slow.test").kind, DNS_NO_DATA);
	cr_expect_eq(ask(DNS_A, "a..test").kind, DNS_NO_NAME);
	cr_expect_eq(ask(DNS_A, "ill.test").kind, DNS_TEMPORARY);
	cr_expect_eq(ask(DNS_A, "refused.test").kind, DNS_TEMPORARY);
	cr_expect_eq(ask(DNS_A, "garbage.test").kind, DNS_TEMPORARY);
	end();
}

ON_BOTH(dns, asks_once_more_after_a_failure)
{
	begin();
	cr_expect_eq(ask(DNS_A, "hurt.test").kind, DNS_FOUND);
	end();
}

ON_BOTH(dns, what_is_cut_comes_by_tcp)
{
	begin();
	dns_answer out = ask(DNS_TXT, "big.test");
	cr_assert_eq(out.count, 1);
	cr_expect_slice(out.record[0].data, "long enough to be cut");
	cr_expect_eq(zone_asked(server, "big.test"), 2);
	end();
}

/* How often the server was asked for a name, waiting until it has read what was sent. */
static unsigned asked_by_now(const char *name, unsigned wanted)
{
	for (usec until = clock_now() + ENOUGH;
		zone_asked(server, name) < wanted && clock_now() < until;)
		task_sleep(5 * USEC_MS);
	return zone_asked(server, name);
}

ON_BOTH(dns, several_questions_travel_at_once)
{
	begin();
	dns_question *q[] = {dns_ask(resolver, DNS_A, S("a.slow.test")),
		dns_ask(resolver, DNS_A, S("b.slow.test")),
		dns_ask(resolver, DNS_A, S("c.slow.test"))};
	for (int i = 0; i < 3; i++) {
		dns_answer out;
		cr_expect_kind(dns_wait(&q[i], &a, &out), ST_OK);
		cr_assert_eq(out.count, 1);
		cr_expect_eq(out.record[0].address.ip[3], 3 + i);
		cr_expect_null(q[i]);
		cr_expect_eq(asked_by_now(NULL, 3), 3,
			"all were asked before the first answer was waited for");
	}
	end();
}

ON_BOTH(dns, equal_questions_travel_once)
{
	begin();
	dns_question *one = dns_ask(resolver, DNS_A, S("a.slow.test")),
		     *other = dns_ask(resolver, DNS_A, S("A.SLOW.TEST."));
	dns_answer out;
	cr_expect_kind(dns_wait(&one, &a, &out), ST_OK);
	cr_expect_eq(out.kind, DNS_FOUND);
	cr_expect_kind(dns_wait(&other, &a, &out), ST_OK);
	cr_expect_eq(out.kind, DNS_FOUND);
	cr_expect_eq(zone_asked(server, "a.slow.test"), 1);
	end();
}

ON_BOTH(dns, answers_are_kept_for_their_time)
{
	begin();
	ask(DNS_A, "mail.test");
	dns_answer out = ask(DNS_A, "MAIL.test");
	cr_expect_eq(out.count, 2);
	cr_expect(out.ttl > 200 && out.ttl <= 300);
	cr_expect_eq(zone_asked(server, "mail.test"), 1);
	ask(DNS_A, "absent.test");
	out = ask(DNS_A, "absent.test");
	cr_expect_eq(out.kind, DNS_NO_NAME);
	cr_expect(out.ttl > 10 && out.ttl <= 60);
	cr_expect_eq(zone_asked(server, "absent.test"), 1);
	ask(DNS_A, "fleeting.test");
	ask(DNS_A, "fleeting.test");
	cr_expect_eq(zone_asked(server, "fleeting.test"), 2);
	ask(DNS_A, "short.test");
	task_sleep(1100 * USEC_MS);
	ask(DNS_A, "short.test");
	cr_expect_eq(zone_asked(server, "short.test"), 2);
	end();
}

ON_BOTH(dns, a_failure_is_not_tried_anew_at_once)
{
	begin();
	cr_expect_eq(ask(DNS_A, "ill.test").kind, DNS_TEMPORARY);
	unsigned asked = zone_asked(server, "ill.test");
	cr_expect_eq(ask(DNS_A, "ill.test").kind, DNS_TEMPORARY);
	cr_expect_eq(zone_asked(server, "ill.test"), asked);
	end();
}

ON_BOTH(dns, the_cache_has_a_bound)
{
	struct dns_conf conf = DNS_CONF_INIT;
	char list[40], name[40];

	begin();
	dns_close(&resolver);
	snprintf(list, sizeof list, "127.0.0.1:%u", zone_port(server));
	conf.servers = slice_z(list);
	conf.cache_most = 4096;
	conf.patience = ENOUGH;
	cr_assert_ok(dns_open(&conf, &resolver));
	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof name, "%d.absent.test", i);
		ask(DNS_A, name);
	}
	ask(DNS_A, "49.absent.test");
	cr_expect_eq(zone_asked(server, "49.absent.test"), 1);
	ask(DNS_A, "0.absent.test");
	cr_expect_eq(zone_asked(server, "0.absent.test"), 2);
	end();
}

ON_BOTH(dns, a_deadline_is_the_budget_of_a_question)
{
	dns_answer out;

	begin();
	task_deadline(clock_now() + 100 * USEC_MS);
	cr_expect_kind(dns_find(resolver, DNS_A, S("dead.test"), &a, &out), ST_TIMED_OUT);
	cr_expect_eq(out.kind, DNS_TEMPORARY);
	task_deadline(USEC_NEVER);
	end();
}

ON_BOTH(dns, a_server_that_never_answers_ends_as_a_failure)
{
	begin();
	dns_close(&resolver);
	open_behind("", false, 300 * USEC_MS);
	usec before = clock_now();
	cr_expect_eq(ask(DNS_A, "dead.test").kind, DNS_TEMPORARY);
	cr_expect_geq(clock_now() - before, 800 * USEC_MS);
	cr_expect_eq(asked_by_now("dead.test", 2), 2);
	end();
}

ON_BOTH(dns, the_next_server_is_asked)
{
	begin();
	dns_close(&resolver);
	open_behind("127.0.0.1:1", false, ENOUGH);
	cr_expect_eq(ask(DNS_A, "mail.test").kind, DNS_FOUND);
	end();
}

ON_BOTH(dns, a_dropped_question_does_no_harm)
{
	begin();
	dns_question *q = dns_ask(resolver, DNS_A, S("dead.test"));
	dns_drop(&q);
	cr_expect_null(q);
	q = dns_ask(resolver, DNS_A, S("a.slow.test"));
	task_sleep(10 * USEC_MS);
	dns_drop(&q);
	dns_drop(&q);
	cr_expect_eq(ask(DNS_A, "mail.test").kind, DNS_FOUND);
	q = dns_ask(resolver, DNS_A, S("dead.test"));
	dns_drop(&q);
	end();
}

ON_BOTH(dns, only_a_trusted_resolver_is_believed_about_dnssec)
{
	begin();
	cr_expect_not(ask(DNS_A, "signed.test").secure);
	cr_expect_eq(ask(DNS_A, "forged.test").kind, DNS_TEMPORARY);
	dns_close(&resolver);
	open_behind("", true, ENOUGH);
	cr_expect(ask(DNS_A, "signed.test").secure);
	cr_expect(ask(DNS_A, "signed.test").secure);
	cr_expect_not(ask(DNS_A, "mail.test").secure);
	cr_expect_eq(ask(DNS_A, "forged.test").kind, DNS_BOGUS);
	cr_expect_eq(ask(DNS_A, "ill.test").kind, DNS_TEMPORARY);
	end();
}

ON_BOTH(dns, is_what_pure_functions_ask)
{
	lookup_answer out;

	begin();
	lookup l = dns_lookup(resolver);
	cr_expect_eq(lookup_ask(&l, LOOKUP_MX, S("mail.test"), &a, &out), LOOKUP_FOUND);
	cr_assert_eq(out.count, 2);
	cr_expect_slice(out.row[0], "mx.mail.test");
	cr_expect_eq(lookup_ask(&l, LOOKUP_A, S("mail.test"), &a, &out), LOOKUP_FOUND);
	cr_expect(slice_same(out.row[0], slice_of("\xc0\0\2\1", 4)));
	cr_expect_eq(
		lookup_ask(&l, LOOKUP_PTR, S("1.2.0.192.in-addr.arpa"), &a, &out), LOOKUP_FOUND);
	cr_expect_slice(out.row[0], "mail.test");
	cr_expect_eq(lookup_ask(&l, LOOKUP_TXT, S("null.test"), &a, &out), LOOKUP_ABSENT);
	cr_expect_eq(lookup_ask(&l, LOOKUP_TXT, S("ill.test"), &a, &out), LOOKUP_TEMPORARY);
	cr_expect_eq(out.count, 0);
	end();
}

static status opened_with(const char *servers)
{
	struct dns_conf conf = DNS_CONF_INIT;
	dns *d = NULL;

	conf.servers = slice_z(servers);
	status kind = dns_open(&conf, &d);
	if (kind == ST_OK)
		dns_close(&d);
	return kind;
}

Test(dns, lists_of_servers_are_checked)
{
	begin();
	cr_expect_kind(opened_with(""), ST_OK);
	cr_expect_kind(opened_with("192.0.2.1 2001:db8::1 [2001:db8::1]:53 127.0.0.1:5353"), ST_OK);
	cr_expect_kind(opened_with("localhost"), ST_INVALID);
	cr_expect_kind(opened_with("*:53"), ST_INVALID);
	cr_expect_kind(opened_with("53"), ST_INVALID);
	cr_expect_kind(
		opened_with("1.1.1.1 1.1.1.2 1.1.1.3 1.1.1.4 1.1.1.5 1.1.1.6 1.1.1.7"), ST_INVALID);
	end();
}

Test(dns, addresses_are_asked_backwards)
{
	net_address at;

	cr_assert_ok(net_address_parse(S("192.0.2.10"), &at));
	cr_expect_slice(dns_reverse(&at, S(""), &a), "10.2.0.192.in-addr.arpa");
	cr_expect_slice(dns_reverse(&at, S("bl.test"), &a), "10.2.0.192.bl.test");
	cr_assert_ok(net_address_parse(S("2001:db8::1"), &at));
	cr_expect_slice(dns_reverse(&at, S(""), &a),
		"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
}

/* Two conversations of a worker, one of which gives up. */
static void first_asker(void)
{
	dns_answer out;

	task_deadline(clock_now() + 1); /* over when the second one has asked */
	cr_expect_kind(dns_find(resolver, DNS_A, S("late.test"), &a, &out), ST_TIMED_OUT);
}

static void second_asker(void)
{
	arena mine = ARENA_INIT;
	dns_answer out;

	cr_expect_kind(dns_find(resolver, DNS_A, S("late.test"), &mine, &out), ST_OK);
	cr_expect_eq(out.kind, DNS_FOUND);
	arena_release(&mine);
}

Test(dns, fibers_share_what_travels)
{
	begin();
	on_fibers(first_asker, second_asker);
	cr_expect_eq(zone_asked(server, "late.test"), 1);
	end();
}

/* Everything is cancelled while a question travels. */
static status ask_until_cancelled(void *arg)
{
	dns_answer out;

	(void)arg;
	cr_expect_kind(dns_find(resolver, DNS_A, S("dead.test"), &a, &out), ST_CANCELLED);
	return ST_OK;
}

static status cancel_all(void *arg)
{
	(void)arg;
	task_sleep(50 * USEC_MS);
	task_cancel_all();
	return ST_OK;
}

Test(dns, a_cancel_ends_the_wait)
{
	struct task_limits limits = TASK_LIMITS_INIT;

	begin();
	cr_assert_ok(task_loop_open(&limits));
	cr_assert(task_start("asks", ask_until_cancelled, NULL));
	cr_assert(task_start("cancels", cancel_all, NULL));
	task_loop_run();
	task_loop_close();
	end();
}
