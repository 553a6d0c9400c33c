/* The table of bans: it forgets by itself and is the same in all processes. */
#include "net/ban.h"

#include "help.h"

#include <sys/wait.h>
#include <unistd.h>

static net_address at(const char *where)
{
	net_address a = {0};

	cr_assert_ok(net_address_parse(slice_z(where), &a));
	return a;
}

static void begin(void)
{
	clock_virtual(1000 * USEC_S);
	ban_share();
}

TestSuite(ban, .init = begin, .fini = clock_real);

Test(ban, stands_until_its_moment)
{
	net_address one = at("192.0.2.1"), other = at("192.0.2.2"), none = {0};

	cr_expect_not(ban_stands(&one));
	ban_set(&one, clock_now() + 10 * USEC_S);
	ban_set(&none, clock_now() + 10 * USEC_S);
	cr_expect(ban_stands(&one));
	cr_expect_not(ban_stands(&other));
	cr_expect_not(ban_stands(&none));
	ban_set(&one, clock_now() + 5 * USEC_S); /* a shorter one changes nothing */
	clock_advance(8 * USEC_S);
	cr_expect(ban_stands(&one));
	clock_advance(3 * USEC_S);
	cr_expect_not(ban_stands(&one));
}

Test(ban, is_one_of_a_network_for_ipv6)
{
	net_address one = at("2001:db8::1"), neighbour = at("2001:db8::2"),
		    far = at("2001:db8:0:1::1");

	ban_set(&one, clock_now() + 10 * USEC_S);
	cr_expect(ban_stands(&neighbour));
	cr_expect_not(ban_stands(&far));
}

Test(ban, ends_when_it_is_lifted)
{
	net_address one, other;

	cr_assert_eq(net_address_parse(S("2001:db8::1:2:3:4"), &one), ST_OK);
	cr_assert_eq(net_address_parse(S("192.0.2.1"), &other), ST_OK);
	ban_set(&one, clock_now() + 10 * USEC_S);
	ban_set(&other, clock_now() + 10 * USEC_S);
	net_address network = ban_address(&one);
	ban_lift(&network);
	ban_lift(&network);
	cr_expect_not(ban_stands(&one));
	cr_expect(ban_stands(&other));
	ban_set(&one, clock_now() + 5 * USEC_S);
	cr_expect(ban_stands(&one));
}

Test(ban, is_of_an_address_or_its_network)
{
	static const char *const rows[][2] = {
		{"192.0.2.1", "192.0.2.1"}, {"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"}};
	arena a = ARENA_INIT;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		net_address at;

		cr_assert_eq(net_address_parse(slice_z(rows[i][0]), &at), ST_OK);
		at = ban_address(&at);
		slice shown = net_address_text(&at, &a);
		cr_expect(slice_same(shown, slice_z(rows[i][1])), "%s becomes %.*s", rows[i][0],
			SLICE_ARGS(shown));
	}
	arena_release(&a);
}

Test(ban, is_seen_by_other_processes)
{
	net_address one = at("192.0.2.1");
	int end;
	pid_t child = fork();

	if (child == 0) {
		ban_set(&one, clock_now() + 10 * USEC_S);
		_exit(0);
	}
	cr_assert_eq(waitpid(child, &end, 0), child);
	cr_expect(ban_stands(&one));
}

/* 100,000 addresses in 16,384 cells: those that end last are kept, and nobody else is hit. */
Test(ban, takes_more_than_it_has_room_for)
{
	unsigned kept = 0;
	net_address who = at("10.0.0.0");

	for (unsigned i = 0; i < 100000; i++) {
		memcpy(&who.ip[1], &(uint32_t){i}, 3);
		ban_set(&who, clock_now() + (usec)(i + 1) * USEC_S);
	}
	for (unsigned i = 99000; i < 100000; i++) {
		memcpy(&who.ip[1], &(uint32_t){i}, 3);
		kept += ban_stands(&who);
	}
	cr_expect_gt(kept, 950);
	who = at("172.16.0.0");
	for (unsigned i = 0; i < 10000; i++) {
		memcpy(&who.ip[1], &(uint32_t){i}, 3);
		cr_expect_not(ban_stands(&who));
	}
}
