/* A whole POP3 session over the in-memory providers. Whatever the client says: every line ends with
   CRLF, a maildrop is never left locked, nothing is removed without QUIT, and the quota equals what
   is stored.

   The input's first byte: bit 0 APOP is on, bit 1 byte by byte, bit 2 the client is logged on
   already; all else is what the client says. */
#include "session.h"

#include "provider/memory/memory.h"
#include "service/pop3/pop3.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const messages[] = {
	"Subject: dots\r\n\r\n.\r\n..\r\n.a\r\n",
	"Subject: gr\xfc\xdf\r\n\r\n\x80\xff no end",
	"Subject: header alone\r\n",
};
#define MESSAGES (int)(sizeof messages / sizeof *messages)

static int64_t office, anna;

static void furnish(unsigned options)
{
	memory_reset();
	memory_setting("auth_default_postoffice", "demo");
	memory_setting("auth_failures_most", "1000");
	memory_setting("pop3_apop", options & 1 ? "on" : "off");
	office = memory_postoffice("demo", "demo.test");
	anna = memory_mailbox(office, "anna", "secret-1");
	for (int i = 0; i < MESSAGES; i++)
		memory_message(office, anna, messages[i]);
}

static void check_lines(slice said)
{
	slice line;

	must(said.size > 2 && slice_ends_nocase(said, S("\r\n")));
	said = slice_until(said, said.size - 1);
	while (slice_take(&said, '\n', &line))
		must(line.size > 0 && line.at[line.size - 1] == '\r');
}

static void check_maildrop(slice bytes)
{
	struct memory_entry *rows;
	arena a = ARENA_INIT;
	int n;

	must(!memory_locked(office, anna));
	must(memory_used(office, anna) == memory_sum(office, anna));
	memory_entries(office, anna, &a, &rows, &n);
	if (slice_search_nocase(bytes, S("QUIT")) == bytes.size)
		must(n == MESSAGES);
	arena_release(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	text said = TEXT_INIT, bytes = TEXT_INIT;

	if (size < 1)
		return 0;
	furnish(data[0]);
	if (data[0] & 4)
		text_add_z(&bytes, "USER anna\r\nPASS secret-1\r\n");
	text_add(&bytes, slice_of(data + 1, size - 1));
	session_play(SERVICE_POP3, pop3_conversation, text_slice(&bytes), data[0] & 2, &said);
	check_lines(text_slice(&said));
	check_maildrop(text_slice(&bytes));
	text_free(&said);
	text_free(&bytes);
	return 0;
}
