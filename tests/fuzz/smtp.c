/* A whole SMTP session over the in-memory providers, from greeting to the input's end. Whatever the
   client says: every line said back is a reply of RFC 5321 in printable ASCII, every 250 that names
   a message is a message that is stored, and the quota equals what is stored.

   The input's first byte: bit 0 submission, bit 1 byte by byte, bit 2 bare line ends are repaired,
   bit 3 low limits; all else is what the client says. */
#include "session.h"

#include "base/id.h"
#include "connector/smtp/smtp.h"
#include "provider/memory/memory.h"
#include "provider/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int64_t office, anna, ben;

static void furnish(unsigned options)
{
	memory_reset();
	memory_setting("local_domain", "mail.demo.test");
	memory_setting("auth_default_postoffice", "demo");
	memory_setting("auth_failures_most", "1000");
	memory_setting("smtp_commands_off", "");
	memory_setting("smtp_message_most", "64 KB");
	if (options & 4) {
		memory_setting("smtp_bare_line_ends", "normalise");
		memory_setting("smtp_trusted_networks", "*");
	}
	if (options & 8) {
		memory_setting("smtp_recipients_most", "2");
		memory_setting("smtp_received_most", "5");
		memory_setting("smtp_header_most", "16 KB");
		memory_setting("smtp_bad_commands_most", "3");
	}
	office = memory_postoffice("demo", "demo.test");
	anna = memory_mailbox(office, "anna", "secret-1");
	ben = memory_mailbox(office, "ben", "secret-1");
}

static void check_reply(slice line)
{
	slice promise = S("250 2.6.0 Stored as ");
	arena a = ARENA_INIT;
	message *m;
	int64_t id;

	must(line.size >= 4 && (line.at[3] == ' ' || line.at[3] == '-'));
	must(line.at[0] >= '2' && line.at[0] <= '5');
	for (size_t i = 0; i < line.size; i++)
		must(line.at[i] >= 0x20 && line.at[i] <= 0x7e);
	if (slice_starts(line, promise)) {
		must(id_parse(slice_from(line, promise.size), &id));
		must(message_by_id(office, id, &a, &m) == ST_OK);
	}
	arena_release(&a);
}

static void check_said(slice said)
{
	slice line;

	must(said.size > 2 && slice_ends_nocase(said, S("\r\n")));
	said = slice_until(said, said.size - 1);
	while (slice_take(&said, '\n', &line)) {
		must(line.size > 0 && line.at[line.size - 1] == '\r');
		check_reply(slice_until(line, line.size - 1));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	text said = TEXT_INIT;

	if (size < 1)
		return 0;
	furnish(data[0]);
	session_play(data[0] & 1 ? SERVICE_SUBMISSION : SERVICE_SMTP, smtp_conversation,
		slice_of(data + 1, size - 1), data[0] & 2, &said);
	check_said(text_slice(&said));
	must(memory_used(office, anna) == memory_sum(office, anna));
	must(memory_used(office, ben) == memory_sum(office, ben));
	text_free(&said);
	return 0;
}
