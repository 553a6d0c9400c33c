/* The table of present clients: caps, services, workers that die. */
#include "net/peer.h"

#include "help.h"
#include "net/listener.h"

#include <sys/wait.h>
#include <unistd.h>

static net_address at(const char *where)
{
	net_address a = {0};

	cr_assert_ok(net_address_parse(slice_z(where), &a));
	return a;
}

static status enter(enum service s, const char *where, unsigned per_address, unsigned per_network,
	struct peer_stay *stay)
{
	net_address a = at(where);

	return peer_enter(s, &a, per_address, per_network, stay);
}

Test(peer, is_limited_by_address)
{
	struct peer_stay stay[3];

	cr_expect_kind(enter(SERVICE_SMTP, "192.0.2.1", 2, 0, &stay[0]), ST_OK);
	cr_expect_kind(enter(SERVICE_SMTP, "192.0.2.1", 2, 0, &stay[1]), ST_OK);
	cr_expect_kind(enter(SERVICE_SMTP, "192.0.2.1", 2, 0, &stay[2]), ST_LIMITED);
	peer_leave(&stay[2]);
	cr_expect_kind(enter(SERVICE_SMTP, "192.0.2.1", 2, 0, &stay[2]), ST_LIMITED);
	cr_expect_kind(enter(SERVICE_SMTP, "192.0.2.2", 2, 0, &stay[2]), ST_OK);
	peer_leave(&stay[2]);
	cr_expect_kind(enter(SERVICE_POP3, "192.0.2.1", 2, 0, &stay[2]), ST_OK);
	peer_leave(&stay[0]);
	cr_expect_kind(enter(SERVICE_SMTP, "192.0.2.1", 2, 0, &stay[0]), ST_OK);
}

Test(peer, is_limited_by_network)
{
	struct peer_stay stay;

	cr_expect_kind(enter(SERVICE_SMTP, "192.0.2.1", 0, 2, &stay), ST_OK);
	cr_expect_kind(enter(SERVICE_SMTP, "192.0.2.2", 0, 2, &stay), ST_OK);
	cr_expect_kind(enter(SERVICE_SMTP, "192.0.2.3", 1, 2, &stay), ST_LIMITED);
	cr_expect_kind(enter(SERVICE_SMTP, "192.0.3.3", 0, 2, &stay), ST_OK);
	/* Refused by its network, it was not left behind under its address. */
	cr_expect_kind(enter(SERVICE_SMTP, "192.0.2.3", 1, 0, &stay), ST_OK);
}

Test(peer, with_ipv6_is_its_64_and_its_48)
{
	struct peer_stay stay;

	cr_expect_kind(enter(SERVICE_SMTP, "2001:db8:1:1::1", 1, 2, &stay), ST_OK);
	cr_expect_kind(enter(SERVICE_SMTP, "2001:db8:1:1:ffff::1", 1, 2, &stay), ST_LIMITED);
	cr_expect_kind(enter(SERVICE_SMTP, "2001:db8:1:2::1", 1, 2, &stay), ST_OK);
	cr_expect_kind(enter(SERVICE_SMTP, "2001:db8:1:3::1", 1, 2, &stay), ST_LIMITED);
	cr_expect_kind(enter(SERVICE_SMTP, "2001:db8:2:3::1", 1, 2, &stay), ST_OK);
}

Test(peer, is_limited_by_the_post_office_it_logged_on_to)
{
	struct peer_stay stay[2];

	cr_expect_kind(peer_enter_postoffice(SERVICE_IMAP, 7, 1, &stay[0]), ST_OK);
	cr_expect_kind(peer_enter_postoffice(SERVICE_IMAP, 7, 1, &stay[1]), ST_LIMITED);
	cr_expect_kind(peer_enter_postoffice(SERVICE_IMAP, 7, 2, &stay[1]), ST_OK);
	peer_leave(&stay[1]);
	cr_expect_kind(peer_enter_postoffice(SERVICE_IMAP, 8, 1, &stay[1]), ST_OK);
	cr_expect_kind(peer_enter_postoffice(SERVICE_POP3, 7, 1, &stay[1]), ST_OK);
	peer_leave(&stay[0]);
	cr_expect_kind(peer_enter_postoffice(SERVICE_IMAP, 7, 1, &stay[0]), ST_OK);
	cr_expect_kind(peer_enter_postoffice(SERVICE_IMAP, 7, 0, &stay[1]), ST_OK); /* no cap */
}

Test(peer, without_address_is_not_limited)
{
	struct peer_stay stay;
	net_address none = {0};

	for (int i = 0; i < 3; i++)
		cr_expect_kind(peer_enter(SERVICE_SMTP, &none, 1, 1, &stay), ST_OK);
}

Test(peer, table_takes_ten_thousand_clients_and_forgets_them)
{
	enum { MANY = 10000 };
	static struct peer_stay stay[MANY];
	net_address a = at("10.0.0.0");
	int counted = 0;

	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < MANY; i++) {
			a.ip[2] = (uint8_t)(i >> 8);
			a.ip[3] = (uint8_t)i;
			cr_assert_ok(peer_enter(SERVICE_SMTP, &a, 1, 256, &stay[i]));
			counted += stay[i].address && stay[i].network;
		}
		for (int i = 0; i < MANY; i++)
			peer_leave(&stay[i]);
	}
	cr_expect_geq(counted, 2 * MANY - 20);
}

/* A worker takes two places and dies without a word. */
static void die_with_two(unsigned slot, const char *where)
{
	pid_t pid = fork();
	int how;

	if (pid == 0) {
		struct peer_stay stay;
		peer_slot(slot);
		bool both = enter(SERVICE_SMTP, where, 2, 0, &stay) == ST_OK &&
			    enter(SERVICE_SMTP, where, 2, 0, &stay) == ST_OK;
		_exit(both ? 0 : 1);
	}
	cr_assert(pid > 0 && waitpid(pid, &how, 0) == pid);
	cr_assert_eq(how, 0);
}

Test(peer, counts_of_all_workers_are_one_and_a_dead_ones_can_be_cleared)
{
	struct peer_stay stay;

	peer_share();
	die_with_two(5, "192.0.2.1");
	cr_expect_kind(enter(SERVICE_SMTP, "192.0.2.1", 2, 0, &stay), ST_LIMITED);
	peer_slot_clear(4);
	cr_expect_kind(enter(SERVICE_SMTP, "192.0.2.1", 2, 0, &stay), ST_LIMITED);
	peer_slot_clear(5);
	cr_expect_kind(enter(SERVICE_SMTP, "192.0.2.1", 2, 0, &stay), ST_OK);
}
