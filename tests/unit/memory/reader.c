/* The reader's mailbox in memory; the tests are those of tests/unit/provider. */
#include "tests/unit/provider/reader.h"

#include "provider/deliver.h"
#include "provider/mailbox.h"
#include "provider/memory/memory.h"

#include <criterion/criterion.h>

void reader_begin(void)
{
	mailbox *m;

	memory_reset();
	int64_t po = memory_postoffice("acme", "acme.test");
	me = (struct reader){
		.postoffice = po, .mailbox = memory_mailbox(po, "anna", "anna-secret")};
	cr_assert_eq(mailbox_by_id(po, me.mailbox, &me.a, &m), ST_OK);
	me.inbox = m->inbox;
	reader_quota(0);
}

void reader_end(void)
{
	arena_release(&me.a);
}

struct reader reader_stranger(void)
{
	int64_t po = memory_postoffice("other", "other.test");

	return (struct reader){
		.postoffice = po, .mailbox = memory_mailbox(po, "otto", "otto-secret")};
}

void reader_quota(int64_t bytes)
{
	cr_assert_eq(mailbox_set_quota(me.postoffice, me.mailbox, bytes, NULL), ST_OK);
}

void reader_deliver(slice raw)
{
	cr_assert(memory_message(me.postoffice, me.mailbox, arena_z(&me.a, raw)) > 0);
}

void reader_heard(notice *n)
{
	(void)n;
}
