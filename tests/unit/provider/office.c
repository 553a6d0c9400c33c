/* Post offices with what is in them: making, finding, changing, removing; where addresses lead. */
#include "provider/address_map.h"
#include "provider/domain.h"
#include "provider/folder.h"
#include "provider/mailbox.h"
#include "provider/mailbox_duty.h"
#include "provider/message.h"
#include "provider/postoffice.h"

#include "base/fault.h"
#include "base/id.h"
#include "tests/unit/provider/given.h"
#include "tests/unit/provider/store_fixture.h"

#include <criterion/criterion.h>

TestSuite(office, .init = given_providers, .fini = provider_close, .timeout = 300);

#define RAW S("Subject: hello\r\n\r\nhow are you?\r\n")

static arena a;
static slice why;

/* A name in .test that no other test has. */
static slice fresh_domain(void)
{
	return arena_format(&a, "d%lld.test", (long long)id_new());
}

static int64_t office_with(slice host)
{
	int64_t po = store_postoffice();

	store_domain(po, arena_z(&a, host));
	return po;
}

static mailbox *box(int64_t po, const char *name)
{
	mailbox *m = NULL;

	cr_assert_eq(mailbox_find(po, slice_z(name), &a, &m), ST_OK, "%s", name);
	return m;
}

/* The mailbox an address leads to, or the kind of refusal. */
static const char *leads_to(const char *local, slice host)
{
	struct route r;
	status s = address_resolve(slice_z(local), host, 0, &a, &r);

	return s == ST_OK ? arena_z(&a, r.mailbox_name) : status_name(s);
}

Test(office, is_born_with_its_administrator)
{
	postoffice *p, *found;
	slice name = arena_format(&a, "Office-%lld", (long long)id_new());

	cr_assert_eq(postoffice_make(name, S("Secret-Word-1"), &store_by, &a, &p, &why), ST_OK);
	cr_assert_eq(postoffice_find(name, &a, &found), ST_OK);
	cr_assert_eq(found->id, p->id);
	cr_assert_eq(found->name.at[0], 'o');
	cr_assert_eq(box(p->id, "postmaster")->kind, MAILBOX_ADMIN);
	cr_assert_eq(postoffice_make(name, S("Secret-Word-1"), &store_by, &a, &p, &why), ST_EXISTS);
	cr_assert_eq(
		postoffice_make(S(".x"), S("Secret-Word-1"), &store_by, &a, &p, &why), ST_INVALID);
	cr_assert_eq(
		postoffice_make(S("x y"), S("Secret-Word-1"), &store_by, &a, &p, &why), ST_INVALID);
	cr_assert_eq(
		postoffice_make(S(""), S("Secret-Word-1"), &store_by, &a, &p, &why), ST_INVALID);
	cr_assert_eq(postoffice_find(S("nobody"), &a, &p), ST_ABSENT);
}

Test(office, is_listed_with_what_stands_in_it)
{
	slice host = fresh_domain();
	int64_t po = office_with(host);
	struct route to = store_mailbox(po, "anna", 0);
	postoffice *p, *rows;
	int n;

	letter_deliver(&to, 1, RAW);
	cr_assert_eq(postoffice_by_id(po, &a, &p), ST_OK);
	slice before = slice_until(p->name, p->name.size - 1);
	cr_assert_eq(postoffice_list(before, 1, &a, &rows, &n), ST_OK);
	cr_assert_eq(n, 1);
	cr_assert_eq(rows->id, po);
	cr_assert_eq(rows->mailboxes, 2);
	cr_assert_eq(rows->domains, 1);
	cr_assert_eq(rows->bytes, (int64_t)RAW.size);
}

Test(office, leaves_nothing_when_it_is_removed)
{
	slice host = fresh_domain();
	int64_t po = office_with(host);
	struct route to = store_mailbox(po, "anna", 0);
	uint32_t first = 1;

	letter_deliver(&to, 1, RAW);
	letter_deliver(&to, 1, RAW);
	folder_expunge(po, to.mailbox, to.inbox, &first, 1, NULL);
	cr_assert_eq(postoffice_remove(po, &store_by), ST_OK);
	cr_assert_eq(
		store_sql(
			"with tenant_tables as materialized (select c.relname from pg_class c"
			" join pg_attribute t on t.attrelid = c.oid and t.attname = 'postoffice'"
			" where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace and c.relname !~ '^(audit|trace)')"
			" select count(*) from tenant_tables where query_to_xml(format("
			"'select from %%I where postoffice = %lld', relname), true, true, '')::text <> ''",
			(long long)po),
		0);
	cr_assert_eq(postoffice_remove(po, &store_by), ST_ABSENT);
	cr_assert_str_eq(leads_to("anna", host), "foreign");
	store_domain(store_postoffice(), arena_z(&a, host));
}

Test(office, audits_every_change)
{
	int64_t po = store_postoffice();
	struct route to = store_mailbox(po, "anna", 0);

	mailbox_set_quota(po, to.mailbox, 5, &store_by);
	cr_assert_eq(
		store_sql("select count(*) from audit where postoffice = %lld and who = 'test'",
			(long long)po),
		3);
	cr_assert_eq(
		store_sql(
			"select count(*) from audit where postoffice = %lld and object = 'anna' and action = 'mailbox.quota' and detail::json->>'quota' = '5'",
			(long long)po),
		1);
}

static int64_t quotas_audited(int64_t po, int64_t quota)
{
	return store_sql(
		"select count(*) from audit where postoffice = %lld and action = 'mailbox.quota' and detail::json->>'quota' = '%lld'",
		(long long)po, (long long)quota);
}

/* The commit is stored and its answer lost, or it is not stored. */
Test(office, knows_what_became_of_a_change_whose_answer_was_lost)
{
	static const char *const lost[] = {"db_commit_done:1:fail", "db_commit_sent:1:fail"};
	int64_t po = store_postoffice();
	struct route to = store_mailbox(po, "anna", 0);

	for (int i = 0; i < 2; i++) {
		int64_t quota = 100 + i;

		cr_assert(fault_arm(lost[i]));
		cr_expect_eq(
			mailbox_set_quota(po, to.mailbox, quota, &store_by), ST_OK, "%s", lost[i]);
		cr_assert(fault_arm(""));
		cr_expect_eq(box(po, "anna")->quota, quota, "%s", lost[i]);
		cr_expect_eq(quotas_audited(po, quota), 1, "%s", lost[i]);
	}
	cr_assert(fault_arm(lost[0]));
	cr_expect_eq(mailbox_set_quota(po, to.mailbox + 1, 5, &store_by), ST_ABSENT);
	cr_assert(fault_arm(""));
}

Test(office, has_no_quota_that_sums_would_go_beyond)
{
	int64_t po = store_postoffice();
	struct route to = store_mailbox(po, "anna", 0);
	struct mailbox_new n = {
		.name = S("ben"), .password = S("Secret-Word-1"), .quota = MAILBOX_QUOTA_MOST + 1};
	mailbox *m;

	cr_expect_eq(mailbox_set_quota(po, to.mailbox, -1, &store_by), ST_INVALID);
	cr_expect_eq(
		mailbox_set_quota(po, to.mailbox, MAILBOX_QUOTA_MOST + 1, &store_by), ST_INVALID);
	cr_expect_eq(mailbox_make(po, &n, &store_by, &a, &m, &why), ST_INVALID);
	cr_expect(why.size > 0);
	cr_expect_eq(mailbox_set_quota(po, to.mailbox, MAILBOX_QUOTA_MOST, &store_by), ST_OK);
	cr_expect_eq(letter_deliver(&to, 1, RAW), ST_OK);
}

/* ---- mailboxes */

Test(office, knows_mailboxes_by_folded_name)
{
	int64_t po = store_postoffice();
	struct mailbox_new n = {
		.name = S("J\xc3\xbcrgen"), .password = S("Secret-Word-1"), .quota = -1};
	mailbox *m;

	cr_assert_eq(mailbox_make(po, &n, &store_by, &a, &m, &why), ST_OK);
	cr_assert_eq(box(po, "J\xc3\x9cRGEN")->id, m->id);
	cr_assert_eq(m->quota, 1 << 30);
	n.name = S("j\xc3\x9crgen");
	cr_assert_eq(mailbox_make(po, &n, &store_by, &a, &m, &why), ST_EXISTS);
	cr_assert_eq(mailbox_make(po + 1, &n, &store_by, &a, &m, &why), ST_ABSENT);
}

Test(office, refuses_bad_mailbox_names_and_passwords)
{
	static const char *const bad[] = {"", "a b", "a@b", "a/b", "a\"b", "a'b", "a\tb", "a\x7f",
		"\xff", "a234567890123456789012345678901234567890123456789012345678901234567"};
	int64_t po = store_postoffice();
	struct mailbox_new n = {.password = S("Secret-Word-1")};
	mailbox *m;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		n.name = slice_z(bad[i]);
		why = S("");
		cr_assert_eq(
			mailbox_make(po, &n, &store_by, &a, &m, &why), ST_INVALID, "%s", bad[i]);
		cr_assert_gt(why.size, 0);
	}
	n.name = S("anna");
	n.password = S("abc");
	cr_assert_eq(mailbox_make(po, &n, &store_by, &a, &m, &why), ST_INVALID);
}

Test(office, changes_mailboxes)
{
	int64_t po = store_postoffice();
	struct route to = store_mailbox(po, "anna", 0);

	cr_assert_eq(mailbox_set_quota(po, to.mailbox, 99, &store_by), ST_OK);
	cr_assert_eq(mailbox_set_kind(po, to.mailbox, MAILBOX_ADMIN, &store_by), ST_OK);
	cr_assert_eq(mailbox_set_state(po, to.mailbox, MAILBOX_DISABLED, &store_by), ST_OK);
	cr_assert_eq(mailbox_set_password(po, to.mailbox, S("Other-Word-2"), &store_by, &a, &why),
		ST_OK);
	cr_assert_eq(mailbox_set_password(po, to.mailbox, S("x"), &store_by, &a, &why), ST_INVALID);
	cr_assert_eq(mailbox_set_quota(po, to.mailbox + 1, 99, &store_by), ST_ABSENT);
	mailbox *m = box(po, "anna");
	cr_assert_eq(m->quota, 99);
	cr_assert_eq(m->kind, MAILBOX_ADMIN);
	cr_assert_eq(m->state, MAILBOX_DISABLED);
	cr_assert(mailbox_has_room(m, 99));
	cr_assert_not(mailbox_has_room(m, 100));
}

Test(office, keeps_the_mail_of_a_removed_mailbox_for_the_retention)
{
	int64_t po = store_postoffice();
	struct route to = store_mailbox(po, "anna", 0);

	letter_deliver(&to, 1, RAW);
	cr_assert_eq(mailbox_remove(po, to.mailbox, &store_by), ST_OK);
	cr_assert_eq(mailbox_remove(po, to.mailbox, &store_by), ST_ABSENT);
	cr_assert_eq(
		store_sql("select count(*) from expunged where postoffice = %lld", (long long)po),
		1);
	cr_assert_eq(
		store_sql("select count(*) from entry where postoffice = %lld", (long long)po), 0);
	cr_assert_eq(
		store_sql("select count(*) from folder where postoffice = %lld and mailbox = %lld",
			(long long)po, (long long)to.mailbox),
		0);
}

Test(office, makes_ten_thousand_mailboxes_fast)
{
	slice host = fresh_domain();
	int64_t po = office_with(host);
	unsigned made;
	mailbox *rows;
	int n;

	cr_assert_eq(
		mailbox_make_many(po, S("u"), 1, 3, S("secret"), true, &store_by, &made), ST_OK);
	cr_assert_eq(made, 3);
	cr_assert_eq(mailbox_make_many(po, S("u"), 1, 10000, S("secret"), true, &store_by, &made),
		ST_OK);
	cr_assert_eq(made, 9997);
	/* How long it takes is the machine's. What makes it fast: few transactions, one hash for
	   all of a call. */
	cr_assert_leq(
		store_sql("select count(distinct xmin::text) from mailbox where postoffice = %lld",
			(long long)po),
		50);
	cr_assert_eq(
		store_sql("select count(distinct hash) from credential where postoffice = %lld",
			(long long)po),
		3);
	cr_assert_str_eq(leads_to("u0001", host), "u0001");
	cr_assert_str_eq(leads_to("U10000", host), "u10000");
	cr_assert_eq(
		store_sql("select count(*) from credential where postoffice = %lld", (long long)po),
		10001);
	cr_assert_eq(mailbox_list(po, S("u9998"), 100, &a, &rows, &n), ST_OK);
	cr_assert_eq(n, 1);
}

/* ---- addresses */

Test(office, leads_addresses_to_mailboxes)
{
	slice host = fresh_domain(), second = fresh_domain();
	int64_t po = office_with(host);
	struct route anna = store_mailbox(po, "Anna", 0), r;
	address *rows;
	int n;

	cr_assert_str_eq(leads_to("anna", host), "Anna");
	cr_assert_str_eq(leads_to("ANNA", host), "Anna");
	cr_assert_str_eq(leads_to("nobody", host), "absent");
	cr_assert_str_eq(leads_to("anna", S("example.org")), "foreign");
	cr_assert_str_eq(leads_to("anna", second), "foreign");
	store_domain(po, arena_z(&a, second));
	cr_assert_str_eq(leads_to("anna", second), "Anna");
	cr_assert_eq(address_domain_is_ours(second), ST_OK);
	cr_assert_eq(address_domain_is_ours(S("example.org")), ST_FOREIGN);

	slice sales = arena_format(&a, "Sales@%.*s", SLICE_ARGS(host));
	cr_assert_eq(address_make(po, sales, anna.mailbox, &store_by, &a, &why), ST_OK);
	cr_assert_eq(address_make(po, sales, anna.mailbox, &store_by, &a, &why), ST_EXISTS);
	cr_assert_eq(address_make(po, S("x@example.org"), anna.mailbox, &store_by, &a, &why),
		ST_INVALID);
	cr_assert_eq(
		address_make(po, S("nonsense"), anna.mailbox, &store_by, &a, &why), ST_INVALID);
	cr_assert_eq(address_make(po, arena_format(&a, "y@%.*s", SLICE_ARGS(host)), 1, &store_by,
			     &a, &why),
		ST_ABSENT);
	cr_assert_str_eq(leads_to("sales", host), "Anna");
	cr_assert_eq(address_list(po, anna.mailbox, S(""), 10, &a, &rows, &n), ST_OK);
	cr_assert_eq(n, 3);
	cr_assert_eq(address_remove(po, sales, &store_by), ST_OK);
	cr_assert_eq(address_remove(po, sales, &store_by), ST_ABSENT);
	cr_assert_str_eq(leads_to("sales", host), "absent");
	cr_assert_eq(address_resolve(S("anna"), host, 0, &a, &r), ST_OK);
	cr_assert_eq(r.inbox, anna.inbox);
	cr_assert_not(r.caught);
	cr_assert_not(r.postmaster);
}

Test(office, leads_postmaster_abuse_and_the_rest_to_targets)
{
	slice name = fresh_domain();
	int64_t po = office_with(name);
	struct route anna = store_mailbox(po, "anna", 0), ben = store_mailbox(po, "ben", 0), r;
	domain *d;

	cr_assert_str_eq(leads_to("postmaster", name), "postmaster");
	cr_assert_str_eq(leads_to("Abuse", name), "postmaster");
	cr_assert_eq(domain_find(name, &a, &d), ST_OK);
	d->abuse = S("ANNA");
	d->postmaster = arena_format(&a, "ben@%.*s", SLICE_ARGS(name));
	d->catch_all = S("ben");
	cr_assert_eq(domain_change(d, &store_by, &a, &why), ST_OK);
	cr_assert_str_eq(leads_to("abuse", name), "anna");
	cr_assert_str_eq(leads_to("postmaster", name), "ben");
	cr_assert_str_eq(leads_to("whoever", name), "ben");
	cr_assert_eq(address_resolve(S("whoever"), name, 0, &a, &r), ST_OK);
	cr_assert(r.caught && !r.postmaster);
	cr_assert_eq(address_resolve(S("abuse"), name, 0, &a, &r), ST_OK);
	cr_assert(r.postmaster && !r.caught);
	cr_assert_eq(address_owned(po, anna.mailbox, S("Anna"), name), ST_OK);
	cr_assert_eq(address_owned(po, anna.mailbox, S("abuse"), name), ST_OK);
	cr_assert_eq(address_owned(po, anna.mailbox, S("ben"), name), ST_DENIED);
	cr_assert_eq(address_owned(po, ben.mailbox, S("whoever"), name), ST_DENIED);
	cr_assert_eq(address_owned(po, ben.mailbox, S("ben"), S("example.org")), ST_DENIED);

	/* A target that went away: complaints still arrive, the rest is unknown. */
	mailbox_remove(po, ben.mailbox, &store_by);
	cr_assert_str_eq(leads_to("postmaster", name), "postmaster");
	cr_assert_str_eq(leads_to("whoever", name), "absent");
	d->catch_all = S("nobody");
	cr_assert_eq(domain_change(d, &store_by, &a, &why), ST_INVALID);
	cr_assert_gt(why.size, 0);
}

Test(office, gives_mailboxes_their_addresses_in_a_domain_later)
{
	slice host = fresh_domain(), stands = fresh_domain();
	int64_t po = store_postoffice(), other = store_postoffice();
	struct route anna = store_mailbox(po, "anna", 0);
	address *rows;
	int n;

	cr_assert_eq(domain_make(po, host, false, &store_by, &a, &why), ST_OK);
	cr_assert_eq(domain_alias(po, stands, host, &store_by, &a, &why), ST_OK);
	cr_assert_str_eq(leads_to("anna", host), "absent");
	cr_assert_eq(domain_fill(other, host, &store_by, &a, &why), ST_ABSENT);
	cr_assert_eq(domain_fill(po, stands, &store_by, &a, &why), ST_INVALID);
	for (int i = 0; i < 2; i++)
		cr_assert_eq(domain_fill(po, host, &store_by, &a, &why), ST_OK);
	cr_assert_str_eq(leads_to("anna", host), "anna");
	cr_assert_eq(address_list(po, anna.mailbox, S(""), 10, &a, &rows, &n), ST_OK);
	cr_assert_eq(n, 1);
}

Test(office, keeps_who_answers_for_it)
{
	slice host = fresh_domain(), words = S("");
	int64_t po = office_with(host);
	struct route anna = store_mailbox(po, "anna", 0);
	int64_t master = box(po, "postmaster")->id;
	domain *d;

	cr_assert_eq(mailbox_remove(po, master, &store_by), ST_DENIED);
	cr_assert_eq(mailbox_set_state(po, master, MAILBOX_DISABLED, &store_by), ST_DENIED);
	cr_assert_eq(mailbox_set_kind(po, master, MAILBOX_USER, &store_by), ST_DENIED);
	cr_assert_eq(mailbox_spare(po, master, LOSS_REMOVED, &a, &words), ST_DENIED);
	cr_assert(slice_search(words, S("only administrator")) < words.size);
	cr_assert_eq(mailbox_set_kind(po, anna.mailbox, MAILBOX_ADMIN, &store_by), ST_OK);
	cr_assert_eq(mailbox_spare(po, master, LOSS_REMOVED, &a, &words), ST_DENIED);
	cr_assert(slice_search(words, S("postmaster@")) < words.size);
	cr_assert_eq(domain_find(host, &a, &d), ST_OK);
	d->abuse = d->postmaster = S("anna");
	cr_assert_eq(domain_change(d, &store_by, &a, &why), ST_OK);
	cr_assert_eq(mailbox_set_state(po, anna.mailbox, MAILBOX_DISABLED, &store_by), ST_DENIED);
	cr_assert_eq(mailbox_spare(po, anna.mailbox, LOSS_REMOVED, &a, &words), ST_OK);
	cr_assert_eq(mailbox_remove(po, master, &store_by), ST_OK);
	cr_assert_eq(mailbox_remove(po, anna.mailbox, &store_by), ST_DENIED);
	cr_assert_eq(mailbox_spared(po, master, LOSS_REMOVED), ST_ABSENT);
	cr_assert_eq(postoffice_remove(po, &store_by), ST_OK);
}

Test(office, refuses_what_is_disabled_or_full)
{
	slice name = fresh_domain();
	int64_t po = office_with(name);
	struct route anna = store_mailbox(po, "anna", 100), r;
	domain *d;

	cr_assert_eq(address_resolve(S("anna"), name, 100, &a, &r), ST_OK);
	cr_assert_eq(address_resolve(S("anna"), name, 101, &a, &r), ST_FULL);
	mailbox_set_state(po, anna.mailbox, MAILBOX_DISABLED, &store_by);
	cr_assert_str_eq(leads_to("anna", name), "denied");
	mailbox_set_state(po, anna.mailbox, MAILBOX_ENABLED, &store_by);
	cr_assert_str_eq(leads_to("anna", name), "anna");
	postoffice_set_state(po, POSTOFFICE_DISABLED, &store_by);
	cr_assert_str_eq(leads_to("anna", name), "denied");
	postoffice_set_state(po, POSTOFFICE_ENABLED, &store_by);
	cr_assert_eq(domain_find(name, &a, &d), ST_OK);
	d->state = DOMAIN_DISABLED;
	cr_assert_eq(domain_change(d, &store_by, &a, &why), ST_OK);
	cr_assert_str_eq(leads_to("anna", name), "denied");
	cr_assert_eq(domain_remove(po, name, &store_by), ST_OK);
	cr_assert_eq(domain_remove(po, name, &store_by), ST_ABSENT);
	cr_assert_str_eq(leads_to("anna", name), "foreign");
}

Test(office, has_domains_of_its_own_only)
{
	slice name = fresh_domain();
	int64_t po = office_with(name), other = store_postoffice();
	domain *rows;
	int n;

	cr_assert_eq(domain_make(other, name, false, &store_by, &a, &why), ST_EXISTS);
	cr_assert_eq(domain_make(other, S("-x"), false, &store_by, &a, &why), ST_INVALID);
	cr_assert_eq(domain_make(other + 1, fresh_domain(), false, &store_by, &a, &why), ST_ABSENT);
	cr_assert_eq(domain_remove(other, name, &store_by), ST_ABSENT);
	cr_assert_eq(domain_list(po, &a, &rows, &n), ST_OK);
	cr_assert_eq(n, 1);
	cr_assert(slice_same(rows->name, name));
	cr_assert_eq(domain_list(other, &a, &rows, &n), ST_OK);
	cr_assert_eq(n, 0);
}

/* ---- folders */

Test(office, expunges_and_counts)
{
	int64_t po = store_postoffice(), removed;
	struct route to = store_mailbox(po, "anna", 0);
	uint32_t uids[] = {2, 3, 5, 77};
	folder *f;
	int n;

	for (int i = 0; i < 6; i++)
		letter_deliver(&to, 1, RAW);
	cr_assert_eq(folder_expunge(po, to.mailbox, to.inbox, uids, 4, &removed), ST_OK);
	cr_assert_eq(removed, 3);
	cr_assert_eq(folder_find(po, to.mailbox, S("inbox"), &a, &f), ST_OK);
	cr_assert_eq(f->id, to.inbox);
	cr_assert_eq(f->messages, 3);
	cr_assert_eq(f->unseen, 3);
	cr_assert_eq(f->bytes, 3 * (int64_t)RAW.size);
	cr_assert_eq(f->uidnext, 7);
	cr_assert_eq(f->modseq, 8);
	cr_assert_eq(box(po, "anna")->used, 3 * (int64_t)RAW.size);
	cr_assert_eq(box(po, "anna")->messages, 3);
	cr_assert_eq(box(po, "anna")->modseq, 8);
	cr_assert_eq(
		store_sql(
			"select count(*) from change where postoffice = %lld and kind = 'v' and uids = '{[2,4),[5,6)}' and modseq = 8",
			(long long)po),
		1);
	cr_assert_eq(
		store_sql("select count(*) from expunged where postoffice = %lld and folder = %lld",
			(long long)po, (long long)to.inbox),
		3);

	/* Again it is nothing: no MODSEQ is used up. */
	cr_assert_eq(folder_expunge(po, to.mailbox, to.inbox, uids, 4, &removed), ST_OK);
	cr_assert_eq(removed, 0);
	cr_assert_eq(box(po, "anna")->modseq, 8);
	/* Nor can another mailbox's folder be touched. */
	struct route ben = store_mailbox(po, "ben", 0);
	cr_assert_eq(
		folder_expunge(po, ben.mailbox, to.inbox, (uint32_t[]){1}, 1, &removed), ST_OK);
	cr_assert_eq(removed, 0);
	cr_assert_eq(store_sql("select min(uid) from entry where postoffice = %lld and uid > 1",
			     (long long)po),
		4);
	cr_assert_eq(folder_find(po, to.mailbox, S("Sent"), &a, &f), ST_ABSENT);
	cr_assert_eq(folder_list(po, to.mailbox, &a, &f, &n), ST_OK);
	cr_assert_eq(n, 1);
}

Test(office, removes_what_is_old)
{
	int64_t po = store_postoffice(), removed;
	struct route to[] = {store_mailbox(po, "anna", 0), store_mailbox(po, "ben", 0)};

	for (int i = 0; i < 3; i++)
		letter_deliver(to, 2, RAW);
	store_sql(
		"update entry set idate = now() - interval '40 days' where postoffice = %lld and uid < 3",
		(long long)po);
	cr_assert_eq(
		folder_remove_before(po, to[0].mailbox, clock_wall() - 86400 * USEC_S, &removed),
		ST_OK);
	cr_assert_eq(removed, 2);
	cr_assert_eq(folder_remove_before(po, 0, clock_wall() - 86400 * USEC_S, &removed), ST_OK);
	cr_assert_eq(removed, 2);
	/* Everywhere: what other tests made at the same time may be older still. */
	cr_assert_eq(folder_remove_before(0, 0, clock_wall() - 3650LL * 86400 * USEC_S, &removed),
		ST_OK);
	cr_assert_eq(
		store_sql("select count(*) from entry where postoffice = %lld", (long long)po), 2);
}

Test(office, lists_the_newest_messages_first)
{
	int64_t po = store_postoffice();
	struct route to = store_mailbox(po, "anna", 0);
	struct message_entry *rows;
	int n;

	for (int i = 0; i < 5; i++)
		letter_deliver(&to, 1, RAW);
	cr_assert_eq(message_list(po, to.mailbox, 3, &a, &rows, &n), ST_OK);
	cr_assert_eq(n, 3);
	cr_assert_eq(rows[0].uid, 5);
	cr_assert_eq(rows[2].uid, 3);
	cr_assert(slice_same(rows[0].folder, S("INBOX")));
	cr_assert(slice_same(rows[0].m.from, S("anna")));
}
