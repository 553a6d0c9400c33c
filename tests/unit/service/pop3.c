/* POP3's maildrop over the in-memory provider: marks, counts and the lock; and what CAPA offers.
   Whole talks stand in tests/dialog/pop3. */
#include "net/listener.h"
#include "provider/memory/memory.h"
#include "service/pop3/session.h"

#include <criterion/criterion.h>
#include <sys/socket.h>
#include <unistd.h>

static int64_t po, anna;
static struct identity who;
static struct maildrop drop, other;

static void setup(void)
{
	arena a = ARENA_INIT;
	mailbox *mb;

	memory_reset();
	po = memory_postoffice("acme", "acme.test");
	anna = memory_mailbox(po, "anna", "anna-secret");
	memory_message(po, anna, "A: b\r\n\r\n1\r\n");
	memory_message(po, anna, "A: b\r\n\r\n22\r\n");
	memory_message(po, anna, "A: b\r\n\r\n333\r\n");
	cr_assert_eq(mailbox_by_id(po, anna, &a, &mb), ST_OK);
	who = (struct identity){.postoffice = po, .mailbox = anna, .inbox = mb->inbox};
	arena_release(&a);
	list_init(&drop.keeping);
	list_init(&other.keeping);
}

static void teardown(void)
{
	maildrop_close(&drop);
	maildrop_close(&other);
}

TestSuite(maildrop, .init = setup, .fini = teardown);

static void open_drop(struct maildrop *d)
{
	cr_assert_eq(maildrop_open(d, &who, 0, 0), ST_OK);
}

Test(maildrop, lists_the_inbox_as_it_was)
{
	open_drop(&drop);
	memory_message(po, anna, "A: b\r\n\r\n4444\r\n");
	cr_expect_eq(drop.n, 3);
	cr_expect_eq(drop.kept, 3);
	cr_expect_eq(drop.kept_size, 11 + 12 + 13);
	cr_expect_lt(drop.items[0].uid, drop.items[1].uid);
}

/* Most logons of a mail program that polls. */
Test(maildrop, of_an_empty_inbox_nothing_is_kept_that_was_lent)
{
	open_drop(&drop);
	for (int i = 0; i < drop.n; i++)
		maildrop_mark(&drop, &drop.items[i]);
	cr_assert_eq(maildrop_update(&drop), ST_OK);
	maildrop_close(&drop);
	open_drop(&drop);
	cr_expect_eq(drop.n, 0);
	cr_expect_null(drop.first.packed.at);
}

Test(maildrop, counts_what_is_not_marked)
{
	open_drop(&drop);
	maildrop_mark(&drop, &drop.items[1]);
	cr_expect_eq(drop.kept, 2);
	cr_expect_eq(drop.kept_size, 11 + 13);
	maildrop_mark(&drop, &drop.items[0]);
	cr_expect_eq(drop.kept_size, 13);
	maildrop_unmark_all(&drop);
	cr_expect_eq(drop.kept, 3);
	cr_expect_eq(drop.kept_size, 11 + 12 + 13);
	maildrop_unmark_all(&drop);
	cr_expect_eq(drop.kept, 3);
}

Test(maildrop, marks_are_nothing_without_the_update)
{
	open_drop(&drop);
	maildrop_mark(&drop, &drop.items[0]);
	maildrop_close(&drop);
	open_drop(&drop);
	cr_expect_eq(drop.n, 3);
}

Test(maildrop, the_update_removes_what_is_marked_and_nothing_else)
{
	open_drop(&drop);
	uint32_t kept = drop.items[1].uid;
	maildrop_mark(&drop, &drop.items[0]);
	maildrop_mark(&drop, &drop.items[2]);
	cr_expect_eq(maildrop_update(&drop), ST_OK);
	cr_expect_not(memory_locked(po, anna));
	maildrop_close(&drop);
	open_drop(&drop);
	cr_assert_eq(drop.n, 1);
	cr_expect_eq(drop.items[0].uid, kept);
	cr_expect_eq(memory_used(po, anna), memory_sum(po, anna));
}

Test(maildrop, one_reads_at_a_time)
{
	open_drop(&drop);
	cr_expect(memory_locked(po, anna));
	cr_expect_eq(maildrop_open(&other, &who, 0, 0), ST_LIMITED);
	cr_expect_eq(other.n, 0);
	cr_expect(memory_locked(po, anna), "who is turned away takes no lock with him");
	maildrop_close(&drop);
	open_drop(&other);
}

Test(maildrop, the_lock_is_given_back_once)
{
	open_drop(&drop);
	maildrop_close(&drop);
	maildrop_close(&drop);
	cr_expect_not(memory_locked(po, anna));
	cr_expect_eq(maildrop_update(&drop), ST_ABSENT);
}

Test(maildrop, a_store_that_is_away_gives_none)
{
	memory_busy(true);
	cr_expect_eq(maildrop_open(&drop, &who, 0, 0), ST_BUSY);
	memory_busy(false);
	open_drop(&drop);
}

/* ---- what CAPA offers */

TestSuite(pop3_capa, .init = memory_reset);

static const struct {
	const char *word, *commands;
} offers[] = {
#define CAPABILITY(word, offered, commands) {word, commands},
#include "service/pop3/capabilities.def"
#undef CAPABILITY
};

static slice capabilities(arena *a)
{
	static const slice said = S("CAPA\r\nQUIT\r\n");
	int fd[2];
	text all = TEXT_INIT;
	char piece[4096];
	ssize_t n;

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
	cr_assert_eq(send(fd[1], said.at, said.size, 0), (ssize_t)said.size);
	shutdown(fd[1], SHUT_WR);
	conversation_run(SERVICE_POP3, fd[0], fd[0], NULL, pop3_conversation);
	while ((n = recv(fd[1], piece, sizeof piece, 0)) > 0)
		text_add(&all, slice_of(piece, (size_t)n));
	close(fd[1]);
	slice answer = arena_copy(a, text_slice(&all));
	text_free(&all);
	return answer;
}

static bool is_offered(const char *word, arena *a)
{
	slice all = capabilities(a);

	return slice_search(all, arena_format(a, "\r\n%s ", word)) < all.size ||
	       slice_search(all, arena_format(a, "\r\n%s\r\n", word)) < all.size;
}

static bool has_command(slice name)
{
	for (int i = 0; i < pop3_command_count; i++)
		if (slice_same(name, slice_z(pop3_commands[i].name)))
			return pop3_commands[i].flags & COMMAND_SWITCHABLE;
	return false;
}

Test(pop3_capa, nothing_is_offered_whose_command_is_switched_off)
{
	arena a = ARENA_INIT;

	memory_setting("pop3_login_delay", "1 min");
	for (size_t i = 0; i < sizeof offers / sizeof *offers; i++) {
		slice rest = slice_z(offers[i].commands), one;
		memory_setting("pop3_commands_off", "");
		/* There is no TLS here. */
		cr_expect_eq(is_offered(offers[i].word, &a), strcmp(offers[i].word, "STLS") != 0,
			"%s", offers[i].word);
		while (slice_take(&rest, ' ', &one)) {
			if (one.size == 0)
				continue;
			cr_expect(has_command(one), "%s of %s", one.at, offers[i].word);
			memory_setting("pop3_commands_off", arena_z(&a, one));
			cr_expect_not(is_offered(offers[i].word, &a), "%s", offers[i].word);
		}
	}
	arena_release(&a);
}
