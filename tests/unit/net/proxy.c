/* The PROXY header: whom it names, and what is none. */
#include "net/proxy.h"

#include "help.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

/* The header with so many bytes behind it as `size` says. */
static status read_it(
	const char *head, const char *rest, size_t size, net_address *peer, net_address *local)
{
	size_t told;

	TRY(proxy_head((const uint8_t *)head, &told));
	cr_expect_eq(told, size);
	return proxy_read((const uint8_t *)head, slice_of(rest, size), peer, local);
}

static void expect_address(const net_address *got, const char *wanted, unsigned port)
{
	arena a = ARENA_INIT;

	cr_expect_str_eq(net_address_text(got, &a).at, wanted);
	cr_expect_eq(got->port, port);
	arena_release(&a);
}

Test(proxy, names_both_ends)
{
	net_address peer = {0}, local = {0};

	cr_expect_kind(read_it(SIGNATURE "\x21\x11\0\x0c", "\xc0\0\2\7\xc0\0\2\1\x10\1\0\x19", 12,
			       &peer, &local),
		ST_OK);
	expect_address(&peer, "192.0.2.7", 4097);
	expect_address(&local, "192.0.2.1", 25);
	/* What stands behind the addresses is skipped; IPv4 in IPv6 is IPv4. */
	cr_expect_kind(
		read_it(SIGNATURE "\x21\x21\0\x27",
			"\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\1\0\1\0\2\4\0\0",
			39, &peer, &local),
		ST_OK);
	expect_address(&peer, "2001:db8::7", 1);
	expect_address(&local, "192.0.2.1", 2);
}

Test(proxy, may_speak_for_itself)
{
	net_address peer = {.family = 4, .port = 7}, local = {0};

	cr_expect_kind(read_it(SIGNATURE "\x20\0\0\0", "", 0, &peer, &local), ST_ABSENT);
	cr_expect_kind(
		read_it(SIGNATURE "\x20\x11\0\x0c", "aaaabbbbccdd", 12, &peer, &local), ST_ABSENT);
	cr_expect_kind(read_it(SIGNATURE "\x21\x31\0\4", "path", 4, &peer, &local), ST_ABSENT);
	cr_expect_eq(peer.port, 7);
}

Test(proxy, is_refused_when_it_makes_no_sense)
{
	net_address peer = {0}, local = {0};

	cr_expect_kind(
		read_it(SIGNATURE "\x21\x11\0\x0b", "aaaabbbbccd", 11, &peer, &local), ST_INVALID);
	cr_expect_kind(
		read_it(SIGNATURE "\x21\x21\0\x0c", "aaaabbbbccdd", 12, &peer, &local), ST_INVALID);
	cr_expect_kind(read_it(SIGNATURE "\x11\x11\0\x0c", "", 12, &peer, &local), ST_INVALID);
	cr_expect_kind(read_it(SIGNATURE "\x22\x11\0\x0c", "", 12, &peer, &local), ST_INVALID);
	cr_expect_kind(read_it(SIGNATURE "\x21\x11\x08\1", "", 2049, &peer, &local), ST_INVALID);
	cr_expect_kind(read_it("PROXY TCP4 192.0.", "", 0, &peer, &local), ST_INVALID);
}
