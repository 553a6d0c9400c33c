/* The in-memory provider keeps what the contracts promise: resolving, delivering, reading,
   locking. */
#include "provider/memory/memory.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/text.h"
#include "provider/address_map.h"
#include "provider/auth.h"
#include "provider/deliver.h"
#include "provider/domain.h"
#include "provider/housekeep.h"
#include "provider/maildrop.h"
#include "provider/message.h"
#include "provider/provider.h"
#include "provider/setting.h"

#include <criterion/criterion.h>

static arena a;
static int64_t po, anna, ben;

static void setup(void)
{
	memory_reset();
	po = memory_postoffice("acme", "acme.test");
	anna = memory_mailbox(po, "Anna", "anna-secret");
	ben = memory_mailbox(po, "ben", "ben-secret");
}

static void teardown(void)
{
	arena_release(&a);
	clock_real();
}

TestSuite(store, .init = setup, .fini = teardown);

static void set_catch_all(slice target)
{
	domain *d;
	slice why = {0};
	cr_assert_eq(domain_find(S("acme.test"), &a, &d), ST_OK);
	d->catch_all = target;
	cr_assert_eq(domain_change(d, NULL, &a, &why), ST_OK, "%.*s", SLICE_ARGS(why));
}

Test(store, resolves_addresses_by_row)
{
	const struct {
		const char *local, *domain;
		status kind;
		const char *mailbox;
	} rows[] = {
		{"anna", "acme.test", ST_OK, "Anna"},
		{"ANNA", "ACME.test", ST_OK, "Anna"},
		{"postmaster", "acme.test", ST_OK, "postmaster"},
		{"abuse", "acme.test", ST_OK, "postmaster"},
		{"nobody", "acme.test", ST_ABSENT, ""},
		{"anna", "other.test", ST_FOREIGN, ""},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct route r = {0};
		cr_assert_eq(
			address_resolve(slice_z(rows[i].local), slice_z(rows[i].domain), 0, &a, &r),
			rows[i].kind, "%s", rows[i].local);
		cr_assert(
			slice_same(r.mailbox_name, slice_z(rows[i].mailbox)), "%s", rows[i].local);
	}
}

Test(store, catches_what_nobody_has)
{
	struct route r;
	set_catch_all(S("ben"));
	cr_assert_eq(address_resolve(S("nobody"), S("acme.test"), 0, &a, &r), ST_OK);
	cr_assert(r.caught);
	cr_assert_eq(r.mailbox, ben);
	cr_assert_eq(address_resolve(S("anna"), S("acme.test"), 0, &a, &r), ST_OK);
	cr_assert_not(r.caught);
}

Test(store, a_disabled_mailbox_is_denied_and_its_mail_absent)
{
	struct route r;
	cr_assert_eq(address_resolve(S("anna"), S("acme.test"), 0, &a, &r), ST_OK);
	mailbox_set_state(po, anna, MAILBOX_DISABLED, NULL);
	struct route again;
	cr_assert_eq(address_resolve(S("anna"), S("acme.test"), 0, &a, &again), ST_DENIED);
	int64_t id;
	cr_assert_eq(memory_text(&r, 1, S("A: b\r\n\r\nx\r\n"), &id), ST_ABSENT);
	cr_assert_eq(memory_messages(), 0);
}

Test(store, delivers_once_for_many_and_counts_the_quota)
{
	struct route r[2];
	cr_assert_eq(address_resolve(S("anna"), S("acme.test"), 0, &a, &r[0]), ST_OK);
	cr_assert_eq(address_resolve(S("ben"), S("acme.test"), 0, &a, &r[1]), ST_OK);
	blob_writer *w;
	cr_assert_eq(blob_writer_open(po, &w), ST_OK);
	blob_write(w, S("Subject: x\r\n\r\nbody\r\n"));
	blob_writer_finish(w);
	struct delivery_part part = {
		.postoffice = po, .body = w, .header_size = 14, .recipients = r, .n = 2};
	struct delivery d = {
		.id = id_new(), .parts = &part, .n = 1, .repeat_key = S("0123456789abcdef")};
	cr_assert_eq(deliver_run(&d), ST_OK);
	cr_assert_eq(memory_messages(), 1);
	cr_assert_eq(memory_blobs(), 1);
	cr_assert_eq(memory_used(po, anna), 20);
	cr_assert_eq(memory_used(po, ben), memory_sum(po, ben));

	/* The same again, as after a conversation that broke: told as stored, under the first
	   id. */
	int64_t first = d.id;
	d.id = id_new();
	cr_assert_eq(deliver_run(&d), ST_EXISTS);
	cr_assert_eq(d.id, first);
	deliver_confirm(d.repeat_key, false);
	d.id = id_new();
	cr_assert_eq(deliver_run(&d), ST_OK);
	cr_assert_eq(memory_messages(), 2);
	blob_writer_close(&w);
}

Test(store, uids_rise_and_are_never_used_again)
{
	struct message_entry *rows;
	int n;
	mailbox *m;
	for (int i = 0; i < 3; i++)
		cr_assert_gt(memory_message(po, anna, "A: b\r\n\r\nx\r\n"), 0);
	cr_assert_eq(mailbox_by_id(po, anna, &a, &m), ST_OK);
	const uint32_t last[] = {3, 9};
	int64_t removed;
	cr_assert_eq(folder_expunge(po, anna, m->inbox, last, 2, &removed), ST_OK);
	cr_assert_eq(removed, 1);
	memory_message(po, anna, "A: b\r\n\r\ny\r\n");
	cr_assert_eq(message_list(po, anna, 9, &a, &rows, &n), ST_OK);
	cr_assert_eq(n, 3);
	cr_assert_eq(rows[0].uid, 4, "the newest");
	cr_assert_eq(memory_used(po, anna), memory_sum(po, anna));
}

Test(store, refuses_what_has_no_room_but_lets_the_postmaster_over)
{
	struct route r;
	mailbox *m;
	mailbox_set_quota(po, anna, 100, NULL);
	cr_assert_eq(mailbox_find(po, S("postmaster"), &a, &m), ST_OK);
	mailbox_set_quota(po, m->id, 100, NULL);
	cr_assert_eq(address_resolve(S("anna"), S("acme.test"), 100, &a, &r), ST_OK);
	cr_assert_eq(address_resolve(S("anna"), S("acme.test"), 101, &a, &r), ST_FULL);
	cr_assert_eq(address_resolve(S("abuse"), S("acme.test"), 101, &a, &r), ST_OK);
	cr_assert_eq(address_resolve(S("anna"), S("acme.test"), UINT64_MAX, &a, &r), ST_FULL);
}

static status gather(slice bytes, void *arg)
{
	text_add(arg, bytes);
	return ST_OK;
}

Test(store, bodies_come_back_in_pieces)
{
	char body[5000];
	text got = TEXT_INIT;
	struct memory_entry *rows;
	int n;
	memset(body, 'x', sizeof body - 1);
	body[sizeof body - 1] = '\0';
	memory_message(po, anna, body);
	memory_entries(po, anna, &a, &rows, &n);
	cr_assert_eq(n, 1);
	cr_assert_eq(blob_each(po, rows[0].blob, gather, &got), ST_OK);
	cr_assert(slice_same(text_slice(&got), slice_z(body)));
	text_free(&got);
	cr_assert_eq(blob_each(po + 1, rows[0].blob, gather, &got), ST_ABSENT);
}

Test(store, a_lock_is_held_until_its_lease_ends)
{
	struct maildrop_taken mine, theirs;
	mailbox *m;
	clock_virtual(USEC_S);
	cr_assert_eq(mailbox_by_id(po, anna, &a, &m), ST_OK);
	cr_assert_eq(maildrop_take(po, anna, m->inbox, 10 * USEC_S, 0, &a, &mine), ST_OK);
	cr_assert_eq(maildrop_take(po, anna, m->inbox, 10 * USEC_S, 0, &a, &theirs), ST_LIMITED);
	clock_advance(8 * USEC_S);
	cr_assert_eq(maildrop_renew(po, anna, mine.token, 10 * USEC_S), ST_OK);
	clock_advance(11 * USEC_S);
	cr_assert_eq(maildrop_take(po, anna, m->inbox, 10 * USEC_S, 0, &a, &theirs), ST_OK);
	cr_assert_eq(maildrop_renew(po, anna, mine.token, 10 * USEC_S), ST_ABSENT);
	cr_assert_eq(maildrop_give(po, anna, m->inbox, mine.token, NULL, 0), ST_ABSENT);
	cr_assert(memory_locked(po, anna), "only the holder gives it back");
	cr_assert_eq(maildrop_give(po, anna, m->inbox, theirs.token, NULL, 0), ST_OK);
	cr_assert_not(memory_locked(po, anna));
}

Test(store, fails_and_loses_deliveries_when_told)
{
	struct route r;
	int64_t id;
	cr_assert_eq(address_resolve(S("anna"), S("acme.test"), 0, &a, &r), ST_OK);
	memory_deliver_fail_next(ST_BUSY);
	cr_assert_eq(memory_text(&r, 1, S("x"), &id), ST_BUSY);
	cr_assert_eq(memory_messages(), 0);
	memory_deliver_lose_next(ST_BUSY);
	cr_assert_eq(memory_text(&r, 1, S("x"), &id), ST_BUSY);
	cr_assert_eq(memory_messages(), 1);
	cr_assert_eq(memory_text(&r, 1, S("x"), &id), ST_OK);
}

Test(store, settings_have_scopes)
{
	const struct setting_at at = {.postoffice = po};
	slice off = S("off"), why;
	cr_assert(setting_on(S_smtp_add_missing, &at));
	cr_assert_eq(setting_set(S_smtp_add_missing, &at, &off, NULL, &a, &why), ST_OK);
	cr_assert_not(setting_on(S_smtp_add_missing, &at));
	cr_assert(setting_on(S_smtp_add_missing, NULL));
	cr_assert_eq(setting_set(S_auth_at_signs, &at, &off, NULL, &a, &why), ST_DENIED);
	cr_assert_eq(setting_set(S_smtp_add_missing, &at, NULL, NULL, &a, &why), ST_OK);
	cr_assert(setting_on(S_smtp_add_missing, &at));
}

Test(store, keeps_house)
{
	struct housekeep_result r;
	mailbox *m;
	const uint32_t first = 1;
	memory_message(po, anna, "A: b\r\n\r\nx\r\n");
	memory_message(po, anna, "A: b\r\n\r\ny\r\n");
	cr_assert_eq(housekeep_run(&r), ST_OK);
	cr_assert_eq(r.messages, 0);
	cr_assert_eq(mailbox_by_id(po, anna, &a, &m), ST_OK);
	cr_assert_eq(folder_expunge(po, anna, m->inbox, &first, 1, NULL), ST_OK);
	cr_assert_eq(housekeep_run(&r), ST_OK);
	cr_assert_eq(r.messages, 1);
	cr_assert_eq(memory_messages(), 1);
	cr_assert_eq(memory_blobs(), 1);
}
