/* How often a command that takes long lets others have a turn (trust.md T24, T26): counted, not timed. What may hold
   the loop is the work between two calls of task_breathe. */
#include "../../fuzz/session.h"
#include "base/text.h"
#include "provider/memory/memory.h"
#include "service/imap/imap.h"
#include "task/task.h"

#include <criterion/criterion.h>

static int turns;

status __real_task_breathe(void);
status __wrap_task_breathe(void);

/* The linker leads every call here. */
status __wrap_task_breathe(void)
{
	turns++;
	return __real_task_breathe();
}

static int64_t po, anna;
static text said, asked;

static void setup(void)
{
	memory_reset();
	memory_setting("auth_allow_cleartext", "on");
	po = memory_postoffice("acme", "acme.test");
	anna = memory_mailbox(po, "anna", "anna-secret");
	text_clear(&said);
	text_clear(&asked);
	text_add_z(&asked, "a LOGIN anna@acme anna-secret\r\nb SELECT INBOX\r\n");
}

static void teardown(void)
{
	text_free(&said);
	text_free(&asked);
}

TestSuite(imap_turns, .init = setup, .fini = teardown);

/* Turns while all that is asked is answered. */
static int play(void)
{
	turns = 0;
	session_play(SERVICE_IMAP, imap_conversation, text_slice(&asked), false, &said);
	return turns;
}

static bool was_said(const char *word)
{
	return slice_search_nocase(text_slice(&said), slice_z(word)) < said.size;
}

#define MESSAGES 2000
#define KEYS 990

Test(imap_turns, of_a_search_go_by_its_keys)
{
	for (int i = 0; i < MESSAGES; i++)
		memory_message(po, anna, "Subject: x\r\n\r\n");
	text_add_z(&asked, "c SEARCH RETURN (COUNT)");
	for (int i = 0; i < KEYS; i++)
		text_add_z(&asked, " ALL");
	text_add_z(&asked, "\r\n");
	int had = play();
	cr_assert(was_said("COUNT 2000\r\nc OK"), "%.300s", said.at);
	cr_assert(had > MESSAGES * (KEYS / 10) / 1000, "%d", had);
}

#define WRITERS 1100
#define NAMED 200 /* ids that nobody has, by each: more than are kept */

static void writer(int number)
{
	text raw = TEXT_INIT;

	text_format(&raw, "Message-ID: <m%d@t>\r\nSubject: s%d\r\nReferences:", number, number);
	for (int k = 0; k < NAMED; k++)
		text_format(&raw, "%s<%d.%d@t>", k % 8 ? " " : "\r\n ", number, k);
	text_add_z(&raw, "\r\n\r\n");
	memory_message(po, anna, raw.at);
	text_free(&raw);
}

Test(imap_turns, of_a_thread_go_by_ids_and_the_ids_of_strangers_are_bounded)
{
	for (int i = 0; i < WRITERS; i++)
		writer(i);
	int before = play();
	text_clear(&said);
	text_add_z(&asked, "c THREAD REFERENCES UTF-8 ALL\r\n");
	int had = play() - before;
	cr_assert(was_said("(1100)\r\nc OK"), "%.300s", said.at);
	cr_assert(had > WRITERS + 3 * WRITERS * NAMED / 1024, "%d", had);
}
