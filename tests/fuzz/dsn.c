/* Reports: whatever hosts, senders and messages say, a report keeps its parts, its fields for
   programs are those we know, and it holds neither NUL nor a bare CR or LF. */
#include "mail/dsn.h"

#include "mail/mime.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int ok)
{
	if (!ok)
		abort();
}

/* Lines of the input become the report's words. */
static slice take(slice *rest)
{
	slice line = S("");

	slice_take(rest, '\n', &line);
	return line.size ? line : S("x");
}

static void check_fields(slice fields)
{
	static const char *const names[] = {"Reporting-MTA: ", "Original-Envelope-Id: ",
		"Arrival-Date: ", "Original-Recipient: ", "Final-Recipient: ", "Action: failed",
		"Status: ", "Remote-MTA: ", "Diagnostic-Code: ", "Last-Attempt-Date: "};
	slice line;

	while (slice_take(&fields, '\n', &line)) {
		int known = slice_trim(line).size == 0;

		for (size_t i = 0; i < sizeof names / sizeof *names; i++)
			known |= slice_starts(line, slice_z(names[i]));
		must(known);
	}
}

static void check_report(slice m, arena *a)
{
	mime_table t;

	for (size_t i = 0; i < m.size; i++) {
		must(m.at[i] != 0);
		must(m.at[i] != '\n' || (i > 0 && m.at[i - 1] == '\r'));
		must(m.at[i] != '\r' || (i + 1 < m.size && m.at[i + 1] == '\n'));
	}
	mime_parse(m, a, &t);
	must(t.count >= 4 &&
		slice_same(t.part[2].subtype, S("delivery-status")) +
				slice_same(t.part[2].subtype, S("global-delivery-status")) ==
			1);
	check_fields(slice_of(m.at + t.part[2].body_at, t.part[2].body_size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	slice rest = slice_of(data, size), m;
	arena a = ARENA_INIT;
	struct dsn_recipient to = {.address = take(&rest),
		.orcpt = take(&rest),
		.status = S("5.1.1"),
		.host = take(&rest),
		.code = size % 2 ? 550 : 0,
		.text = take(&rest),
		.tried = USEC_S};
	struct dsn d = {.reporter = S("mail.test"),
		.from = S("mailer-daemon@mail.test"),
		.to = S("anna@demo.test"),
		.envid = take(&rest),
		.message_id = S("<1.2@mail.test>"),
		.to_whom = &to,
		.n = 1,
		.original = rest.size ? rest : S("")};

	must(dsn_compose(&d, &a, &m) == ST_OK);
	check_report(m, &a);
	arena_release(&a);
	return 0;
}
