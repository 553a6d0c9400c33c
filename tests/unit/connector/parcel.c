/* Reports and answers on their way to a group: who has no room keeps them from no other, whether that
   was known before or turns out at the delivery; with nobody left a report is parked. The trace
   tells of each. */
#include "connector/smtp/parcel.h"

#include "base/id.h"
#include "base/metric.h"
#include "connector/smtp/own.h"
#include "mail/header.h"
#include "net/signature.h"
#include "provider/auth_secret.h"
#include "provider/bootstrap.h"
#include "provider/dkim_key.h"
#include "provider/domain.h"
#include "provider/group.h"
#include "provider/redirection.h"
#include "provider/resolve.h"
#include "provider/trace.h"
#include "tests/unit/provider/given.h"
#include "tests/unit/provider/store_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

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

static void given_group(const char *name, const slice *members, int n)
{
	slice why = S("");
	group *g;
	int added;

	cr_assert_eq(group_make(office, slice_z(name), S(""), GROUP_OPEN, &store_by, &a, &g, &why),
		ST_OK);
	cr_assert_eq(address_make_group(office, at_home(name), g->id, &store_by, &a, &why), ST_OK);
	cr_assert_eq(
		group_members_add(office, g->id, members, n, &store_by, &a, &added, &why), ST_OK);
}

/* The rooms of the mailboxes; 0: no end of it. */
static void given_office(int64_t annas, int64_t bens, int64_t carols)
{
	anna = store_mailbox(office, "anna", annas);
	ben = store_mailbox(office, "ben", bens);
	carol = store_mailbox(office, "carol", carols);
	given_group("office", (slice[]){at_home("anna"), at_home("ben"), at_home("carol")}, 3);
}

static void passes_on_to(const struct route *from, slice target)
{
	slice why = S("");

	cr_assert_eq(redirection_set(office, from->mailbox, &target, 1, false, &store_by, &a, &why),
		ST_OK);
}

static void passes_on(const struct route *from, const char *to)
{
	passes_on_to(from, at_home(to));
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

Test(parcel, nor_has_who_passes_it_on_to_him)
{
	given_office(0, TOO_LITTLE, TOO_LITTLE);
	passes_on(&anna, "ben");
	passes_on(&ben, "carol");
	report("anna", RAW.size);
	expect_there(1, 0, 0, 0);
	report("anna", 0);
	expect_there(2, 0, 0, 0);
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

Test(parcel, a_full_postmaster_keeps_it_from_no_other)
{
	domain d = {.name = domain_name, .postoffice = office, .postmaster = S("anna")};
	slice why = S("");

	given_office(TOO_LITTLE, 0, 0);
	given_group("house", (slice[]){at_home("ben"), at_home("postmaster")}, 2);
	given_setting(S_mailbox_postmaster_room, "0");
	cr_assert_eq(domain_change(&d, &store_by, &a, &why), ST_OK);
	passes_on(&carol, "postmaster");
	struct parcel p = report("house", 0);
	report("carol", 0);
	given_setting(S_mailbox_postmaster_room, NULL);
	expect_there(0, 1, 1, 0);
	expect_traced(&p, TRACE_REFUSED, "why=full");
}

Test(parcel, of_mailboxes_in_a_circle_one_with_room_keeps_it)
{
	given_office(TOO_LITTLE, 0, 0);
	passes_on(&anna, "ben");
	passes_on(&ben, "anna");
	report("anna", RAW.size);
	expect_there(0, 1, 0, 0);
	report("anna", 0);
	expect_there(0, 2, 0, 0);
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

/* Whether it was known before, or turned out. */
Test(parcel, a_mailbox_alone_is_traced_in_the_same_words)
{
	given_office(TOO_LITTLE, 0, 0);
	for (int known = 0; known < 2; known++) {
		struct parcel p = report("anna", known ? RAW.size : 0);
		expect_there(0, 0, 0, 1 + known);
		expect_traced(&p, TRACE_REFUSED,
			arena_format(&a, "recipient=\"%.*s\" why=full report_on=1",
				SLICE_ARGS(p.addressee))
				.at);
		expect_traced(&p, TRACE_PARKED, "report_on=1");
	}
	struct parcel p = report("nobody", RAW.size);
	expect_traced(&p, TRACE_REFUSED, "why=absent report_on=1");
	expect_traced(&p, TRACE_PARKED, "report_on=1");
}

Test(parcel, all_members_are_looked_at_by_one_question)
{
	struct parcel p = {.postoffice = office, .addressee = at_home("office")};
	mail_address to;

	given_office(TOO_LITTLE, TOO_LITTLE, TOO_LITTLE);
	cr_assert_eq(mail_address_parse(p.addressee, &a, &to), ST_OK);
	cr_assert_eq(parcel_address(&p, &to, 0, &a), ST_OK);
	int64_t before = metric_value(M_db_seconds, SERVICE_NONE);
	cr_expect(members_leave_out(p.reached, p.n, RAW.size, &a));
	cr_expect_eq(metric_value(M_db_seconds, SERVICE_NONE), before + 1);
	for (int i = 0; i < p.n; i++)
		cr_expect_eq(p.reached[i].told, TOLD_FULL);
}

/* ---- answers: stored with what they answer, they have one try alone */

static struct own_mail answer_to(const char *name, slice raw)
{
	struct own_mail m = {.postoffice = office};
	mail_address to;

	cr_assert_eq(mail_address_parse(at_home(name), &a, &to), ST_OK);
	cr_assert_eq(own_mail_place(&m, &to, raw, &a), ST_OK);
	cr_assert_eq(m.d.n, 1);
	return m;
}

Test(parcel, who_has_no_room_for_an_answer_is_known_before)
{
	given_office(TOO_LITTLE, TOO_LITTLE, 0);
	passes_on(&anna, "ben");
	struct own_mail m = answer_to("office", RAW);
	cr_assert_eq(m.d.parts->n, 1);
	cr_expect_eq(m.d.parts->recipients->mailbox, carol.mailbox);
}

static void given_key(void)
{
	char folder[] = "/tmp/pennypost-test.XXXXXX";
	struct bootstrap boot = {0};
	signature_key *made;
	slice why = S("");

	cr_assert(mkdtemp(folder));
	boot.secret_file = arena_format(&a, "%s/secret", folder);
	cr_assert_eq(auth_secret_file_make(&boot), ST_OK);
	cr_assert_eq(auth_secret_open(&boot), ST_OK);
	remove(boot.secret_file.at);
	remove(folder);
	cr_assert_eq(signature_key_make(SIGNATURE_ED25519_SHA256, 0, &made), ST_OK);
	const dkim_key key = {.postoffice = office,
		.domain = domain_name,
		.selector = S("s"),
		.algorithm = SIGNATURE_ED25519_SHA256,
		.public_key = signature_key_public(made, &a),
		.private_key = signature_key_text(made, &a)};
	cr_assert_eq(dkim_key_add(&key, &store_by, &a, &why), ST_OK, "%.*s", SLICE_ARGS(why));
	cr_assert_eq(dkim_key_rotate(office, domain_name, &store_by), ST_OK);
	signature_key_close(&made);
}

Test(parcel, who_has_no_room_for_its_signatures_is_known_before)
{
	slice from = at_home("anna");
	slice raw = arena_format(&a, "From: %.*s\r\n%.*s", SLICE_ARGS(from), SLICE_ARGS(RAW));

	given_office((int64_t)raw.size + 50, 0, 0);
	given_key();
	given_group("house", (slice[]){at_home("ben"), at_home("carol")}, 2);
	passes_on(&ben, "anna");
	passes_on_to(&carol, S("x@example.org"));
	struct own_mail m = answer_to("house", raw);
	cr_expect_gt(m.signatures.size, 50);
	cr_expect_eq(m.d.parts->m, 1);
	cr_assert_eq(m.d.parts->n, 1);
	cr_expect_eq(m.d.parts->recipients->mailbox, ben.mailbox);
	cr_assert_eq(own_mail_fill(&m, raw, &a), ST_OK);
	m.d.id = id_new();
	cr_expect_eq(deliver_run(&m.d), ST_OK);
	own_mail_close(&m);
	auth_secret_close();
}
