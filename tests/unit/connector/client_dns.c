/* Routes as the house's resolver answers them, over a DNS server of a few rows on loopback, which
   says that all of it is proved. */
#include "connector/smtp/client_route.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- the server */

static const struct row {
	const char *name;
	enum dns_type type;
	const char *
		value; /* MX "10 host", A and AAAA the address, TLSA the data of 3 1 1; "?" fails */
} zone[] = {
	{"a.test", DNS_MX, "20 two.a.test"},
	{"a.test", DNS_MX, "10 one.a.test"},
	{"one.a.test", DNS_A, "192.0.2.1"},
	{"one.a.test", DNS_AAAA, "2001:db8::1"},
	{"_25._tcp.one.a.test", DNS_TLSA, "0123456789abcdef0123456789abcdef"},
	{"two.a.test", DNS_A, "192.0.2.2"},
	{"null.test", DNS_MX, "0 "},
	{"plain.test", DNS_A, "192.0.2.3"},
	{"broken.test", DNS_MX, "?"},
	{"half.test", DNS_A, "?"},
	{"half.test", DNS_AAAA, "2001:db8::4"},
	{"_25._tcp.half.test", DNS_TLSA, "0123456789abcdef0123456789abcdef"},
	{"_25._tcp.plain.test", DNS_TLSA, "?"},
};

static int server;
static arena a;
static dns *resolver;

static size_t put_name(uint8_t *to, const char *name)
{
	uint8_t *at = to;

	while (*name) {
		size_t label = strcspn(name, ".");
		*at++ = (uint8_t)label;
		memcpy(at, name, label);
		at += label;
		name += label + (name[label] == '.');
	}
	*at++ = 0;
	return (size_t)(at - to);
}

static size_t put_value(uint8_t *to, const struct row *r)
{
	static const uint8_t ee[3] = {3, 1, 1};

	switch (r->type) {
	case DNS_MX:
		to[0] = 0;
		to[1] = (uint8_t)strtol(r->value, NULL, 10);
		return 2 + put_name(to + 2, strchr(r->value, ' ') + 1);
	case DNS_A:
		inet_pton(AF_INET, r->value, to);
		return 4;
	case DNS_AAAA:
		inet_pton(AF_INET6, r->value, to);
		return 16;
	default:
		memcpy(to, ee, 3);
		memcpy(to + 3, r->value, strlen(r->value));
		return 3 + strlen(r->value);
	}
}

/* Adds one record for the name in the question; its size. */
static size_t put_record(uint8_t *to, const struct row *r)
{
	const uint8_t head[] = {0xc0, 12, 0, (uint8_t)r->type, 0, 1, 0, 0, 0, 60};
	size_t size = put_value(to + 12, r);

	memcpy(to, head, sizeof head);
	to[10] = 0;
	to[11] = (uint8_t)size;
	return 12 + size;
}

/* Makes the answer of the query in place; its size. The query's OPT record goes. */
static size_t answer(uint8_t *m)
{
	char name[256] = "";
	uint8_t *at = m + 12;
	bool known = false;
	int rcode = 0, count = 0;

	for (; *at; at += *at + 1)
		snprintf(name + strlen(name), sizeof name - strlen(name), "%s%.*s",
			name[0] ? "." : "", (int)*at, (const char *)at + 1);
	enum dns_type type = (enum dns_type)at[2];
	at += 5;
	for (size_t i = 0; i < sizeof zone / sizeof zone[0]; i++) {
		known = known || !strcmp(zone[i].name, name);
		if (strcmp(zone[i].name, name) != 0 || zone[i].type != type)
			continue;
		if (*zone[i].value == '?') {
			rcode = 2;
			continue;
		}
		at += put_record(at, &zone[i]);
		count++;
	}
	m[2] = 0x81;
	m[3] = (uint8_t)(0xa0 | (rcode ? rcode : known ? 0 : 3));
	m[7] = (uint8_t)count;
	m[9] = m[11] = 0;
	return (size_t)(at - m);
}

static void *serve(void *arg)
{
	uint8_t m[1500];
	struct sockaddr_in from;
	socklen_t size = sizeof from;
	ssize_t n;

	(void)arg;
	while ((n = recvfrom(server, m, sizeof m, 0, (struct sockaddr *)&from, &size)) > 12) {
		sendto(server, m, answer(m), 0, (struct sockaddr *)&from, size);
		size = sizeof from;
	}
	return NULL;
}

static pthread_t thread;

static void begin(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof at;
	struct dns_conf conf = DNS_CONF_INIT;

	server = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	cr_assert(bind(server, (struct sockaddr *)&at, size) == 0 &&
		  getsockname(server, (struct sockaddr *)&at, &size) == 0);
	cr_assert_eq(pthread_create(&thread, NULL, serve, NULL), 0);
	conf.servers = arena_format(&a, "127.0.0.1:%u", ntohs(at.sin_port));
	conf.trusted = true;
	conf.patience = 60 * USEC_S;
	cr_assert_eq(dns_open(&conf, &resolver), ST_OK);
}

static void end(void)
{
	struct sockaddr_in at;
	socklen_t size = sizeof at;

	/* A word too short to be a question ends the server. */
	getsockname(server, (struct sockaddr *)&at, &size);
	sendto(server, "end", 3, 0, (struct sockaddr *)&at, size);
	pthread_join(thread, NULL);
	close(server);
	dns_close(&resolver);
	arena_release(&a);
}

TestSuite(client_dns, .init = begin, .fini = end);

/* ---- what a route makes of it */

static struct route_ask ask;

static status open_way(const char *domain, client_route **r)
{
	static struct route_dns house;

	house = route_dns_of(resolver);
	ask = (struct route_ask){
		.domain = slice_z(domain), .dns = &house, .ipv4 = true, .ipv6 = true, .dane = true};
	return client_route_open(&ask, &a, r);
}

static void expect_stop(client_route *r, const char *host, const char *address, bool dane)
{
	struct client_target t = {0};

	cr_assert_eq(client_route_next(r, &t), ST_OK);
	slice ip = net_address_text(&t.at, &a);
	cr_expect(slice_same(t.host, slice_z(host)), "%.*s", SLICE_ARGS(t.host));
	cr_expect(slice_same(ip, slice_z(address)), "%.*s", SLICE_ARGS(ip));
	cr_expect_eq(t.at.port, 25);
	cr_expect_eq(t.policy.tls == CLIENT_TLS_DANE, dane);
	if (dane)
		cr_expect(tls_tlsa_usable(t.policy.tlsa, t.policy.tlsa_count));
}

static void expect_end(client_route *r, status kind)
{
	struct client_target t = {0};
	status told = client_route_next(r, &t);

	cr_expect_eq(told, kind, "%s", status_name(told));
}

Test(client_dns, a_domain_is_walked)
{
	client_route *r;

	cr_assert_eq(open_way("a.test", &r), ST_OK);
	expect_stop(r, "one.a.test", "2001:db8::1", true);
	expect_stop(r, "one.a.test", "192.0.2.1", true);
	expect_stop(r, "two.a.test", "192.0.2.2", false);
	expect_end(r, ST_ABSENT);
}

Test(client_dns, what_is_not_there_and_what_is_not_told_differ)
{
	client_route *r;

	cr_expect_eq(open_way("null.test", &r), ST_DENIED);
	cr_expect_eq(open_way("nowhere.test", &r), ST_ABSENT);
	cr_expect_eq(open_way("broken.test", &r), ST_BUSY);
	/* TLSA records that cannot be had: the host must not be tried. */
	cr_assert_eq(open_way("plain.test", &r), ST_OK);
	expect_end(r, ST_BUSY);
	expect_end(r, ST_ABSENT);
	/* One family is enough, and the other's silence does not do away with the TLSA records. */
	cr_assert_eq(open_way("half.test", &r), ST_OK);
	expect_stop(r, "half.test", "2001:db8::4", true);
	expect_end(r, ST_ABSENT);
	/* Unless it is not used. */
	cr_assert_eq(open_way("half.test", &r), ST_OK);
	ask.ipv6 = false;
	expect_end(r, ST_BUSY);
	expect_end(r, ST_ABSENT);
}
