/* Addresses, endpoints and networks in text. */
#include "net/address.h"

#include "help.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#define ROWS(table) (sizeof(table) / sizeof(table)[0])

Test(address, reads_and_writes_plain_and_bracketed_forms)
{
	static const struct {
		const char *in, *text, *literal;
	} rows[] = {
		{"192.0.2.1", "192.0.2.1", "[192.0.2.1]"},
		{"[192.0.2.1]", "192.0.2.1", "[192.0.2.1]"},
		{"2001:DB8::1", "2001:db8::1", "[IPv6:2001:db8::1]"},
		{"[2001:db8:0:0::1]", "2001:db8::1", "[IPv6:2001:db8::1]"},
		{"::1", "::1", "[IPv6:::1]"},
		{"::ffff:192.0.2.7", "192.0.2.7", "[192.0.2.7]"},
	};
	arena a = ARENA_INIT;

	for (size_t i = 0; i < ROWS(rows); i++) {
		net_address read;
		cr_assert_ok(net_address_parse(slice_z(rows[i].in), &read));
		cr_expect_eq(read.port, 0);
		cr_expect_slice(net_address_text(&read, &a), rows[i].text);
		cr_expect_slice(net_address_literal(&read, &a), rows[i].literal);
	}
	arena_release(&a);
}

Test(address, refuses_what_is_no_address)
{
	static const char *const rows[] = {
		"",
		"[]",
		"[",
		"192.0.2",
		"192.0.2.256",
		"192.0.2.1.",
		"0x7f.1",
		"127.1",
		"192.0.2.01",
		" 192.0.2.1",
		"2001:db8::1::2",
		"fe80::1%eth0",
		"localhost",
		"[192.0.2.1",
		"192.0.2.1]",
		"::ffff:192.0.2.256",
		"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc",
	};
	net_address read;

	for (size_t i = 0; i < ROWS(rows); i++)
		cr_expect_eq(net_address_parse(slice_z(rows[i]), &read), ST_INVALID, "%s", rows[i]);
	cr_expect_kind(net_address_parse(slice_of("192.0.2.1\0", 10), &read), ST_INVALID);
}

Test(address, from_a_mapped_socket_address_is_ipv4)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(25)};
	struct sockaddr_storage at = {0};
	net_address read;

	memcpy(in6.sin6_addr.s6_addr, (uint8_t[16]){[10] = 0xff, 0xff, 192, 0, 2, 1}, 16);
	memcpy(&at, &in6, sizeof in6);
	net_address_of(&at, &read);
	cr_expect_eq(read.family, 4);
	cr_expect_eq(read.port, 25);
	cr_expect_arr_eq(read.ip, ((uint8_t[4]){192, 0, 2, 1}), 4);
}

Test(address, survives_the_way_through_a_socket_address)
{
	static const char *const rows[] = {"192.0.2.1:587", "[2001:db8::7]:993"};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct sockaddr_storage at;
		net_address read, back;
		cr_assert_ok(net_endpoint_parse(slice_z(rows[i]), &read));
		cr_expect_gt(net_address_to(&read, &at), 0);
		net_address_of(&at, &back);
		cr_expect_arr_eq(&read, &back, sizeof read);
	}
}

Test(address, of_a_unix_socket_is_local)
{
	struct sockaddr_storage at = {.ss_family = AF_UNIX};
	net_address read;

	net_address_of(&at, &read);
	cr_expect_eq(read.family, 0);
	cr_expect_slice(net_address_text(&read, NULL), "local");
}

Test(endpoint, reads_address_and_port)
{
	static const struct {
		const char *in;
		status kind;
		int family;
		unsigned port;
	} rows[] = {
		{"25", ST_OK, 0, 25},
		{"*:25", ST_OK, 0, 25},
		{"192.0.2.1:25", ST_OK, 4, 25},
		{"[2001:db8::1]:65535", ST_OK, 6, 65535},
		{"[::]:0", ST_OK, 6, 0},
		{"2001:db8::1", ST_INVALID, 0, 0},
		{"192.0.2.1", ST_INVALID, 0, 0},
		{"192.0.2.1:", ST_INVALID, 0, 0},
		{":25", ST_INVALID, 0, 0},
		{"*:65536", ST_INVALID, 0, 0},
		{"*:-1", ST_INVALID, 0, 0},
		{"mail.example.org:25", ST_INVALID, 0, 0},
		{"", ST_INVALID, 0, 0},
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		net_address read = {0};
		cr_expect_eq(net_endpoint_parse(slice_z(rows[i].in), &read), rows[i].kind, "%s",
			rows[i].in);
		cr_expect_eq(read.family, rows[i].family, "%s", rows[i].in);
		cr_expect_eq(read.port, rows[i].port, "%s", rows[i].in);
	}
}

Test(network, knows_who_belongs_to_it)
{
	static const struct {
		const char *network, *address;
		bool belongs;
	} rows[] = {
		{"192.0.2.0/24", "192.0.2.255", true},
		{"192.0.2.0/24", "192.0.3.0", false},
		{"192.0.2.77/24", "192.0.2.1", true},
		{"192.0.2.128/25", "192.0.2.127", false},
		{"192.0.2.128/25", "192.0.2.129", true},
		{"10.0.0.0/7", "11.255.0.1", true},
		{"10.0.0.0/7", "12.0.0.1", false},
		{"0.0.0.0/0", "203.0.113.9", true},
		{"0.0.0.0/0", "2001:db8::1", false},
		{"192.0.2.*", "192.0.2.9", true},
		{"192.0.*", "192.0.77.9", true},
		{"192.0.*.*", "192.1.77.9", false},
		{"192.0.2.9", "192.0.2.9", true},
		{"192.0.2.9", "192.0.2.8", false},
		{"2001:db8::/32", "2001:db8:ffff::1", true},
		{"2001:db8::/32", "2001:db9::1", false},
		{"[2001:db8::]/33", "2001:db8:8000::1", false},
		{"::ffff:192.0.2.0/120", "192.0.2.4", true},
		{"::ffff:192.0.2.0/120", "192.0.3.4", false},
		{"*", "2001:db8::1", true},
		{"*", "192.0.2.1", true},
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		net_network n;
		net_address a;
		cr_assert_ok(net_network_parse(slice_z(rows[i].network), &n));
		cr_assert_ok(net_address_parse(slice_z(rows[i].address), &a));
		cr_expect_eq(net_network_has(&n, &a), rows[i].belongs, "%s in %s", rows[i].address,
			rows[i].network);
	}
}

Test(network, refuses_what_is_none)
{
	static const char *const rows[] = {
		"",
		"/",
		"192.0.2.0/33",
		"192.0.2.0/",
		"192.0.2.0/-1",
		"2001:db8::/129",
		"*.0.2.1",
		"192.*.2.*",
		"*.*.*.*",
		"192.0.2.1.*",
		"192.0.2*",
		"300.*",
		"::ffff:1.2.3.4/95",
		"192.0.2.0/24/8",
	};
	net_network n;

	for (size_t i = 0; i < ROWS(rows); i++)
		cr_expect_eq(net_network_parse(slice_z(rows[i]), &n), ST_INVALID, "%s", rows[i]);
}

Test(address, knows_its_own_machine)
{
	static const struct {
		const char *address;
		bool loopback;
	} rows[] = {
		{"127.0.0.1", true},
		{"127.255.0.9", true},
		{"::1", true},
		{"::ffff:127.0.0.1", true},
		{"128.0.0.1", false},
		{"::2", false},
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		net_address a;
		cr_assert_ok(net_address_parse(slice_z(rows[i].address), &a));
		cr_expect_eq(net_address_is_loopback(&a), rows[i].loopback, "%s", rows[i].address);
	}
}

Test(address, knows_what_leads_nowhere_on_the_internet)
{
	static const char *const private[] = {"0.1.2.3", "10.0.0.1", "100.64.0.1",
		"100.127.255.255", "127.0.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255",
		"192.0.0.8", "192.168.1.1", "198.18.0.1", "198.19.255.1", "224.0.0.1", "240.0.0.1",
		"255.255.255.255", "::", "::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "::7f00:1",
		"64:ff9b::10.0.0.1", "64:ff9b:1::1", "2002:7f00:1::1", "2002:c0a8:101::", "fc00::1",
		"fd12:3456::1", "fe80::1", "fec0::1", "ff02::1"};
	static const char *const open[] = {"1.1.1.1", "9.255.255.255", "11.0.0.1", "100.63.0.1",
		"100.128.0.1", "172.15.0.1", "172.32.0.1", "192.167.0.1", "198.20.0.1",
		"223.255.255.255", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1",
		"2a01:4f8::1", "2600::1"};
	net_address a;

	for (size_t i = 0; i < ROWS(private); i++) {
		cr_assert_ok(net_address_parse(slice_z(private[i]), &a));
		cr_expect(net_address_is_private(&a), "%s", private[i]);
	}
	for (size_t i = 0; i < ROWS(open); i++) {
		cr_assert_ok(net_address_parse(slice_z(open[i]), &a));
		cr_expect_not(net_address_is_private(&a), "%s", open[i]);
	}
}

Test(address, knows_those_of_this_machine)
{
	struct ifaddrs *all;
	net_address a;

	cr_assert(getifaddrs(&all) == 0);
	for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
		struct sockaddr_storage wide = {0};

		/* Of a link alone nobody knows by its number which link is meant. */
		if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET || !(i->ifa_flags & IFF_UP))
			continue;
		memcpy(&wide, i->ifa_addr, sizeof(struct sockaddr_in));
		net_address_of(&wide, &a);
		cr_expect(net_address_is_here(&a));
	}
	freeifaddrs(all);
	cr_assert_ok(net_address_parse(S("127.0.0.1"), &a));
	cr_expect(net_address_is_here(&a));
	cr_assert_ok(net_address_parse(S("198.51.100.77"), &a));
	cr_expect_not(net_address_is_here(&a));
	cr_assert_ok(net_address_parse(S("2001:db8::77"), &a));
	cr_expect_not(net_address_is_here(&a));
	cr_expect_not(net_address_is_here(&(net_address){0}));
}
