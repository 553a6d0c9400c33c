/* Reports and answers on their way to a group: who has no room keeps them from no other, whether that
   was known before or turns out at the delivery; with nobody left a report is parked. The trace
   tells of each. */
#include "connector/smtp/parcel.h"

#include "base/id.h"
#include "connector/smtp/own.h"
#include "mail/header.h"
#include "provider/domain.h"
#include "provider/group.h"
#include "provider/redirection.h"
#include "provider/resolve.h"
#include "provider/trace.h"
#include "tests/unit/provider/given.h"
#include "tests/unit/provider/store_fixture.h"

#include <criterion/criterion.h>

#define RAW S("Subject: Undelivered mail\r\n\r\nIt could not be delivered.\r\n")
#define TOO_LITTLE 40 /* octets of room: fewer than RAW has */

static arena a;
static int64_t office;
static slice domain_name;
static struct route anna, ben, carol;

static void begin(void)
{
	store_counted_begin();
	store_queue_empty();
	office = store_postoffice();
	domain_name = arena_format(&a, "d%lld.test", (long long)id_new());
	store_domain(office, domain_name.at);
}

static void end(void)
{
	arena_release(&a);
	store_counted_end();
}

TestSuite(parcel, .init = begin, .fini = end, .timeout = 300);

static slice at_home(const char *name)
{
	return arena_format(&a, "%s@%.*s", name, SLICE_ARGS(domain_name));
}

/* The rooms of the mailboxes; 0: no end of it. */
static void given_office(int64_t annas, int64_t bens, int64_t carols)
{
	const slice members[] = {at_home("anna"), at_home("ben"), at_home("carol")};
	slice why = S("");
	group *g;
	int added;

	anna = store_mailbox(office, "anna", annas);
	ben = store_mailbox(office, "ben", bens);
	carol = store_mailbox(office, "carol", carols);
	cr_assert_eq(
		group_make(office, S("office"), S(""), GROUP_OPEN, &store_by, &a, &g, &why), ST_OK);
	cr_assert_eq(
		address_make_group(office, at_home("office"), g->id, &store_by, &a, &why), ST_OK);
	cr_assert_eq(
		group_members_add(office, g->id, members, 3, &store_by, &a, &added, &why), ST_OK);
}

static void passes_on(const struct route *from, const char *to)
{
	slice target = at_home(to), why = S("");

	cr_assert_eq(redirection_set(office, from->mailbox, &target, 1, false, &store_by, &a, &why),
		ST_OK);
}

/* `size` is what was known of it when its way was looked for; 0: nothing. */
static struct parcel report(const char *name, uint64_t size)
{
	struct parcel p = {.postoffice = office, .addressee = at_home(name), .d.id = id_new()};
	mail_address to;

	p.envelope.lifetime = 3600 * USEC_S;
	cr_assert_eq(mail_address_parse(p.addressee, &a, &to), ST_OK);
	cr_assert_eq(parcel_address(&p, &to, size, &a), ST_OK);
	p.d.envelope = &p.envelope;
	cr_assert_eq(parcel_send(&p, S("mailer-daemon@elsewhere.test"), RAW, &a), ST_OK);
	parcel_trace(&p, S("1"));
	cr_assert_eq(trace_flush(), ST_OK);
	return p;
}

static void expect_there(int annas, int bens, int carols, int parked)
{
	cr_expect_eq(store_entries_in(&anna), annas);
	cr_expect_eq(store_entries_in(&ben), bens);
	cr_expect_eq(store_entries_in(&carol), carols);
	cr_expect_eq(store_sql("select count(*) from queue where state = 2"), parked);
}

static void expect_traced(const struct parcel *p, enum trace_kind kind, const char *wanted)
{
	struct trace_row *rows;
	int n, found = 0;

	cr_assert_eq(trace_by_message(p->d.id, &a, &rows, &n), ST_OK);
	for (int i = 0; i < n; i++)
		found += rows[i].kind == kind &&
			 slice_search(rows[i].fields, slice_z(wanted)) < rows[i].fields.size;
	cr_expect_eq(found, 1, "%d rows of kind %s have %s", found, trace_name(kind), wanted);
}

static void expect_left_out(const struct parcel *p, const char *name)
{
	slice who = at_home(name), way = at_home("office");

	expect_traced(p, TRACE_REFUSED,
		arena_format(&a, "recipient=\"%.*s\" why=full via=\"%.*s\" report_on=1",
			SLICE_ARGS(who), SLICE_ARGS(way))
			.at);
}

Test(parcel, a_full_member_keeps_it_from_no_other)
{
	given_office(TOO_LITTLE, 0, 0);
	struct parcel p = report("office", RAW.size);
	expect_there(0, 1, 1, 0);
	expect_left_out(&p, "anna");
	expect_traced(&p, TRACE_DELIVERED, "mailbox=\"ben\"");
}

Test(parcel, nor_does_one_that_turns_out_to_be_full)
{
	given_office(TOO_LITTLE, 0, TOO_LITTLE);
	struct parcel p = report("office", 0);
	expect_there(0, 1, 0, 0);
	expect_left_out(&p, "anna");
	expect_left_out(&p, "carol");
}

Test(parcel, it_is_parked_where_nobody_is_left)
{
	given_office(TOO_LITTLE, TOO_LITTLE, TOO_LITTLE);
	for (int known = 0; known < 2; known++) {
		struct parcel p = report("office", known ? RAW.size : 0);
		expect_there(0, 0, 0, 1 + known);
		expect_left_out(&p, "anna");
		expect_left_out(&p, "ben");
		expect_left_out(&p, "carol");
		expect_traced(&p, TRACE_PARKED, "report_on=1");
	}
}

Test(parcel, what_a_full_mailbox_cannot_have_stays_with_who_passes_it_on)
{
	given_office(0, TOO_LITTLE, 0);
	passes_on(&anna, "ben");
	report("anna", 0);
	expect_there(1, 0, 0, 0);
	report("office", RAW.size);
	expect_there(2, 0, 1, 0);
}

Test(parcel, a_full_mailbox_that_passes_it_on_in_vain_is_left_out)
{
	given_office(TOO_LITTLE, TOO_LITTLE, 0);
	passes_on(&anna, "ben");
	struct parcel p = report("office", RAW.size);
	expect_there(0, 0, 1, 0);
	expect_left_out(&p, "anna");
	expect_left_out(&p, "ben");
}

Test(parcel, a_full_member_has_it_as_the_postmaster_it_is_passed_on_to)
{
	domain d = {.name = domain_name, .postoffice = office, .postmaster = S("anna")};
	slice why = S("");

	given_office(TOO_LITTLE, 0, 0);
	cr_assert_eq(domain_change(&d, &store_by, &a, &why), ST_OK);
	passes_on(&carol, "postmaster");
	struct parcel p = report("office", RAW.size);
	expect_there(1, 1, 0, 0);
	expect_left_out(&p, "anna");
	expect_traced(&p, TRACE_DELIVERED, "mailbox=\"anna\"");
}

Test(parcel, of_mailboxes_in_a_circle_one_keeps_it_beside_a_full_one)
{
	given_office(TOO_LITTLE, 0, 0);
	passes_on(&ben, "carol");
	passes_on(&carol, "ben");
	report("office", RAW.size);
	cr_expect_eq(store_entries_in(&ben) + store_entries_in(&carol), 1);
	cr_expect_eq(store_sql("select count(*) from queue where state = 2"), 0);
}

/* An answer is stored with what it answers, and has one try alone. */
Test(parcel, who_has_no_room_for_an_answer_is_known_before)
{
	struct own_mail m = {.postoffice = office};
	mail_address to;

	given_office(TOO_LITTLE, TOO_LITTLE, 0);
	passes_on(&anna, "ben");
	cr_assert_eq(mail_address_parse(at_home("office"), &a, &to), ST_OK);
	cr_assert_eq(own_mail_place(&m, &to, RAW.size, &a), ST_OK);
	cr_assert_eq(m.d.n, 1);
	cr_assert_eq(m.d.parts->n, 1);
	cr_expect_eq(m.d.parts->recipients->mailbox, carol.mailbox);
}
