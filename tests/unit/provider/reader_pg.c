/* The reader's mailbox in PostgreSQL. */
#include "tests/unit/provider/reader.h"

#include "provider/mailbox.h"
#include "tests/unit/provider/given.h"
#include "tests/unit/provider/store_fixture.h"

#include <criterion/criterion.h>

static struct route inbox;

void reader_begin(void)
{
	given_providers();
	inbox = store_mailbox(store_postoffice(), "anna", 0);
	me = (struct reader){
		.postoffice = inbox.postoffice, .mailbox = inbox.mailbox, .inbox = inbox.inbox};
}

void reader_end(void)
{
	arena_release(&me.a);
	provider_close();
}

struct reader reader_stranger(void)
{
	struct route r = store_mailbox(store_postoffice(), "otto", 0);

	return (struct reader){.postoffice = r.postoffice, .mailbox = r.mailbox, .inbox = r.inbox};
}

void reader_quota(int64_t bytes)
{
	cr_assert_eq(mailbox_set_quota(me.postoffice, me.mailbox, bytes, &store_by), ST_OK);
}

void reader_deliver(slice raw)
{
	cr_assert_eq(letter_deliver(&inbox, 1, raw), ST_OK);
}

void reader_heard(notice *n)
{
	usec before = task_deadline(clock_now() + 10 * USEC_S);

	cr_assert_eq(notice_wait(n), ST_OK);
	task_deadline(before);
}
