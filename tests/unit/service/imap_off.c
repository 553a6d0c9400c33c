/* Every command of IMAP can be switched off, its form with UID too: it is refused, what needs it is
   not announced, and the talk goes on. */
#include "net/listener.h"
#include "provider/memory/memory.h"
#include "service/imap/session.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct imap_row *const families[] = {
#define FAMILY(rows) rows,
#include "service/imap/families.def"
#undef FAMILY
};

static const struct {
	const char *word, *commands;
} capabilities[] = {
#define CAPABILITY(word, when, commands) {word, commands},
#include "service/imap/capabilities.def"
#undef CAPABILITY
};

static arena a;

static void setup(void)
{
	memory_reset();
	memory_mailbox(memory_postoffice("acme", "acme.test"), "anna", "anna-secret");
}

static void teardown(void)
{
	arena_release(&a);
}

TestSuite(imap_off, .init = setup, .fini = teardown);

/* All that a client reads that says `said` and ends its half. */
static const char *answers_to(const char *said)
{
	int fd[2];
	text all = TEXT_INIT;
	char piece[4096];
	ssize_t n;

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
	cr_assert_eq(send(fd[1], said, strlen(said), 0), (ssize_t)strlen(said));
	shutdown(fd[1], SHUT_WR);
	conversation_run(SERVICE_IMAP, fd[0], fd[0], NULL, imap_conversation);
	while ((n = recv(fd[1], piece, sizeof piece, 0)) > 0)
		text_add(&all, slice_of(piece, (size_t)n));
	close(fd[1]);
	slice answers = arena_copy(&a, text_slice(&all));
	text_free(&all);
	return answers.at;
}

static bool is_uid_form(const struct imap_row *row)
{
	return strncmp(row->name, "UID ", 4) == 0;
}

static const char *name_of(const struct imap_row *row)
{
	return row->name + (is_uid_form(row) ? 4 : 0);
}

static bool names(const char *commands, const char *name)
{
	slice rest = slice_z(commands), one;
	while (slice_take(&rest, ' ', &one))
		if (slice_same(one, slice_z(name)))
			return true;
	return false;
}

static void expect_not_announced(const char *answers, const char *name)
{
	char inside[80], last[80];
	for (size_t i = 0; i < sizeof capabilities / sizeof *capabilities; i++) {
		if (!names(capabilities[i].commands, name))
			continue;
		snprintf(inside, sizeof inside, " %s ", capabilities[i].word);
		snprintf(last, sizeof last, " %s\r\n", capabilities[i].word);
		cr_expect(!strstr(answers, inside) && !strstr(answers, last),
			"%s is off, %s is not: %s", name, capabilities[i].word, answers);
	}
}

static void expect_refused(const struct imap_row *row, const char *before)
{
	char said[200], refused[100];
	const char *after = strcmp(row->name, "CAPABILITY") != 0 ? "CAPABILITY" : "NOOP";
	snprintf(said, sizeof said, "%sx %s\r\ny %s\r\n", before, row->name, after);
	snprintf(refused, sizeof refused, "\r\nx NO [CANNOT] %s is switched off here; ask the operator for it\r\n",
		row->name);
	const char *answers = answers_to(said);
	cr_expect_not_null(strstr(answers, refused), "%s: %s", row->name, answers);
	cr_expect_not_null(strstr(answers, "\r\ny OK "), "%s: %s", row->name, answers);
	const char *announced = strstr(answers, "\r\n* CAPABILITY ");
	cr_assert(announced || !strcmp(after, "NOOP"), "%s", answers);
	if (announced)
		expect_not_announced(announced, name_of(row));
}

Test(imap_off, commands_are_refused_and_nothing_promises_them)
{
	for (size_t i = 0; i < sizeof families / sizeof *families; i++)
		for (const struct imap_row *row = families[i]; row->name; row++) {
			memory_setting("imap_commands_off", name_of(row));
			expect_refused(row, "");
			if (strcmp(row->name, "LOGIN") != 0)
				expect_refused(row, "l LOGIN anna@acme anna-secret\r\n");
		}
}
