/* What is packed of messages at a time is bounded by its octets, not by their number: strangers make
   some of megabytes out of little. */
#include "base/memory.h"
#include "base/text.h"
#include "provider/memory/memory.h"
#include "service/imap/packed.h"

#include <criterion/criterion.h>

#define MESSAGES 40
#define AUTHORS 4000

static int64_t po, ids[MESSAGES];

/* Addresses of two octets, which stand three times in an envelope. */
static void authors_add(text *raw)
{
	text_add(raw, S("From: a"));
	for (int i = 1; i < AUTHORS; i++)
		text_add(raw, i % 100 ? S(",a") : S(",\r\n a"));
	text_add(raw, S("\r\n"));
}

/* Those at odd places are too big to come with others. */
static void setup(void)
{
	memory_reset();
	po = memory_postoffice("acme", "acme.test");
	int64_t anna = memory_mailbox(po, "anna", "anna-secret");

	for (int i = 0; i < MESSAGES; i++) {
		text raw = TEXT_INIT;

		authors_add(&raw);
		text_add(&raw, S("Content-Type: message/rfc822\r\n\r\n"));
		authors_add(&raw);
		text_add(&raw, S("\r\n"));
		for (int k = 0; i % 2 && k < 2000; k++)
			text_add(&raw, S("A line that is of no use.\r\n"));
		ids[i] = memory_message(po, anna, raw.at);
		text_free(&raw);
	}
}

TestSuite(imap_packed, .init = setup);

/* All of them, a bounded amount at a time. */
static void walk(unsigned wanted)
{
	int turns = 0, n;

	for (int at = 0; at < MESSAGES; at += n, turns++) {
		struct message_fact *facts;
		size_t size = 0;
		arena a = ARENA_INIT;

		n = MESSAGES - at;
		cr_assert_eq(packed_facts(po, ids + at, &n, wanted, &a, &facts), ST_OK);
		cr_assert(n > 0 && n <= MESSAGES - at);
		for (int k = 0; k < n; k++) {
			slice told;

			cr_assert(facts[k].blob != 0);
			cr_assert_eq(envelope_unpack_text(facts[k].envelope, &told), ST_OK);
			cr_assert(told.size > 3 * AUTHORS * 10);
			cr_assert_eq(facts[k].structure.size > 0, (wanted & PACKED_STRUCTURE) != 0);
			size += facts[k].envelope.size + facts[k].structure.size;
		}
		cr_assert(size < 5 * (MESSAGE_FACTS_MOST + 1000000), "%zu", size);
		arena_release(&a);
	}
	cr_assert(turns > 2, "%d", turns);
}

Test(imap_packed, envelopes_come_a_bounded_amount_at_a_time)
{
	walk(PACKED_ENVELOPE);
	walk(PACKED_ENVELOPE);
}

Test(imap_packed, structures_come_a_bounded_amount_at_a_time)
{
	walk(PACKED_ENVELOPE | PACKED_STRUCTURE);
	walk(PACKED_ENVELOPE | PACKED_STRUCTURE);
}
