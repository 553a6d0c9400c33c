/* Rights to the folders of others. Against both stores. */
#include "provider/acl.h"
#include "provider/address_map.h"
#include "provider/domain.h"
#include "provider/group.h"
#include "provider/mailbox.h"
#include "provider/setting.h"
#include "tests/unit/provider/reader.h"

#include <criterion/criterion.h>

TestSuite(sharing, .init = reader_begin, .fini = reader_end, .timeout = 60);

static const struct audit_by tester = {.who = S("test")};

/* Another mailbox of my post office. */
static int64_t colleague(const char *name)
{
	struct mailbox_new n = {.name = slice_z(name), .password = S("Colleague-7-secret"), .no_addresses = true};
	mailbox *m;
	slice why = S("");

	cr_assert_eq(mailbox_make(me.postoffice, &n, &tester, &me.a, &m, &why), ST_OK, "%.*s", SLICE_ARGS(why));
	return m->id;
}

static folder *mine(const char *name)
{
	folder *f;

	cr_assert_eq(folder_find(me.postoffice, me.mailbox, slice_z(name), &me.a, &f), ST_OK);
	return f;
}

static status give(const char *name, const char *who, const char *add, const char *remove)
{
	struct acl_change change;
	struct acl_entry e;

	cr_assert_eq(acl_rights_parse(slice_z(add), &change.add), ST_OK);
	cr_assert_eq(acl_rights_parse(slice_z(remove), &change.remove), ST_OK);
	TRY(acl_who(me.postoffice, slice_z(who), &me.a, &e));
	return acl_set(mine(name), &e, &change, &tester);
}

static const char *letters(unsigned rights)
{
	text t = TEXT_INIT;

	acl_rights_text(rights, &t);
	slice kept = arena_copy(&me.a, text_slice(&t));
	text_free(&t);
	return kept.at;
}

/* What a reader may do in a folder of mine; "-" when there is none for him. */
static const char *rights(int64_t reader, const char *name)
{
	struct acl_place p;
	status s = acl_find(me.postoffice, reader, S("ANNA"), slice_z(name), &me.a, &p);

	if (s == ST_ABSENT)
		return "-";
	cr_assert_eq(s, ST_OK);
	cr_expect(slice_same(p.owner, S("anna")));
	cr_expect_eq(p.f.mailbox, me.mailbox);
	struct acl_place again;
	cr_assert_eq(acl_again(me.postoffice, reader, p.f.id, &me.a, &again), ST_OK);
	cr_expect_eq(again.rights, p.rights);
	return letters(p.rights);
}

/* "who=rights", with blanks between. */
static void assert_entries(const char *name, const char *wanted)
{
	struct acl_entry *rows;
	slice told = S("");
	int n;

	cr_assert_eq(acl_list(me.postoffice, mine(name)->id, &me.a, &rows, &n), ST_OK);
	for (int i = 0; i < n; i++)
		told = arena_format(&me.a, "%.*s%s%s%.*s=%s", SLICE_ARGS(told), i ? " " : "",
			rows[i].negative ? "-" : "", SLICE_ARGS(rows[i].name), letters(rows[i].rights));
	cr_assert(slice_same(told, slice_z(wanted)), "%.*s", SLICE_ARGS(told));
}

Test(sharing, reads_and_writes_letters)
{
	unsigned got;

	cr_assert_eq(acl_rights_parse(S("rlls"), &got), ST_OK);
	cr_expect_str_eq(letters(got), "lrs");
	cr_assert_eq(acl_rights_parse(S("cd"), &got), ST_OK);
	cr_expect_str_eq(letters(got), "kxtecd");
	cr_expect_str_eq(letters(ACL_REMOVE | ACL_EXPUNGE), "xecd");
	cr_expect_str_eq(letters(ACL_ALL), "lrswipkxteacd");
	cr_expect_eq(acl_rights_parse(S("L"), &got), ST_INVALID);
	cr_expect_eq(acl_rights_parse(slice_of("\0", 1), &got), ST_INVALID);
}

Test(sharing, takes_names_apart)
{
	slice owner, name;

	cr_assert(acl_name_split(S("Other Users/ben/Work/Old"), &owner, &name));
	cr_expect(slice_same(owner, S("ben")) && slice_same(name, S("Work/Old")));
	cr_assert(acl_name_split(S("Other Users/ben"), &owner, &name));
	cr_expect(slice_same(owner, S("ben")) && name.size == 0);
	cr_assert(acl_name_split(S("Other Users"), &owner, &name));
	cr_expect(owner.size == 0 && name.size == 0);
	cr_expect(!acl_name_split(S("Other Userss/ben"), &owner, &name));
	cr_expect(!acl_name_split(S("INBOX"), &owner, &name));
}

Test(sharing, gives_and_takes)
{
	int64_t ben = colleague("Ben"), carl = colleague("carl");

	cr_expect_str_eq(rights(ben, "inbox"), "");
	cr_assert_eq(give("INBOX", "ben", "lrs", ""), ST_OK);
	cr_assert_eq(give("INBOX", "anyone", "l", ""), ST_OK);
	cr_expect_str_eq(rights(ben, "INBOX"), "lrs");
	cr_expect_str_eq(rights(carl, "INBOX"), "l");
	cr_assert_eq(give("INBOX", "ben", "w", "s"), ST_OK);
	assert_entries("INBOX", "anyone=l Ben=lrw");
	cr_assert_eq(give("INBOX", "-ben", "lw", ""), ST_OK);
	cr_expect_str_eq(rights(ben, "INBOX"), "r");
	assert_entries("INBOX", "anyone=l Ben=lrw -Ben=lw");
	cr_assert_eq(give("INBOX", "-ben", "", "lrswipkxtea"), ST_OK);
	cr_assert_eq(give("INBOX", "ben", "", "lrw"), ST_OK);
	assert_entries("INBOX", "anyone=l");
	cr_expect_str_eq(rights(ben, "INBOX"), "l");
	cr_expect_str_eq(rights(ben, "Nowhere"), "-");
	cr_expect_str_eq(rights(ben, "a//b"), "-");
	cr_expect_str_eq(rights(me.mailbox, "INBOX"), "-");
	cr_expect_eq(give("INBOX", "nobody", "l", ""), ST_ABSENT);
	cr_expect_eq(give("INBOX", "anna", "", "r"), ST_DENIED);
}

Test(sharing, counts_its_entries)
{
	struct setting_at at = {.postoffice = me.postoffice};
	slice two = S("2"), why;

	colleague("ben");
	colleague("carl");
	cr_assert_eq(setting_set(S_folder_rights_most, &at, &two, &tester, &me.a, &why), ST_OK);
	cr_assert_eq(give("INBOX", "ben", "l", ""), ST_OK);
	cr_assert_eq(give("INBOX", "-ben", "r", ""), ST_OK);
	cr_expect_eq(give("INBOX", "carl", "l", ""), ST_LIMITED);
	cr_expect_eq(give("INBOX", "ben", "rs", "l"), ST_OK);
	cr_expect_eq(give("INBOX", "carl", "", "l"), ST_OK);
	assert_entries("INBOX", "ben=rs -ben=r");
}

/* A domain of my post office and one that stands for it. */
static slice home, alias;

static void domains(void)
{
	slice why = S("");

	home = arena_format(&me.a, "h%lld.test", (long long)me.postoffice);
	alias = arena_format(&me.a, "a%lld.test", (long long)me.postoffice);
	cr_assert_eq(domain_make(me.postoffice, home, false, &tester, &me.a, &why), ST_OK, "%.*s", SLICE_ARGS(why));
	cr_assert_eq(domain_alias(me.postoffice, alias, home, &tester, &me.a, &why), ST_OK);
}

static void address_of(const char *local, int64_t mailbox)
{
	slice why = S("");

	cr_assert_eq(address_make(me.postoffice, arena_format(&me.a, "%s@%.*s", local, SLICE_ARGS(home)), mailbox,
			     &tester, &me.a, &why),
		ST_OK, "%.*s", SLICE_ARGS(why));
}

/* A group with an address of its name, and one member. */
static group *group_of(const char *name, const char *member, slice domain)
{
	slice why = S(""), written = arena_format(&me.a, "%s@%.*s", member, SLICE_ARGS(domain));
	group *g;
	int added;

	cr_assert_eq(group_make(me.postoffice, slice_z(name), S(""), GROUP_USUAL, &tester, &me.a, &g, &why), ST_OK);
	cr_assert_eq(address_make_group(me.postoffice, arena_format(&me.a, "%s@%.*s", name, SLICE_ARGS(home)), g->id,
			     &tester, &me.a, &why),
		ST_OK);
	cr_assert_eq(group_members_add(me.postoffice, g->id, &written, 1, &tester, &me.a, &added, &why), ST_OK);
	return g;
}

Test(sharing, counts_groups_and_groups_of_groups)
{
	int64_t ben = colleague("ben"), carl = colleague("carl");
	group *inner;

	domains();
	address_of("b", ben);
	address_of("c", carl);
	inner = group_of("inner", "B", alias);
	group_of("outer", "inner", home);
	group_of("round", "outer", alias);
	cr_assert_eq(give("INBOX", "Outer", "lr", ""), ST_OK);
	cr_assert_eq(give("INBOX", "inner", "s", ""), ST_OK);
	assert_entries("INBOX", "inner=s outer=lr");
	cr_expect_str_eq(rights(ben, "INBOX"), "lrs");
	cr_expect_str_eq(rights(carl, "INBOX"), "");
	cr_assert_eq(give("INBOX", "-round", "r", ""), ST_OK);
	cr_expect_str_eq(rights(ben, "INBOX"), "ls");
	cr_assert_eq(group_member_remove(me.postoffice, inner->id,
			     arena_format(&me.a, "b@%.*s", SLICE_ARGS(alias)), &tester),
		ST_OK);
	cr_expect_str_eq(rights(ben, "INBOX"), "");
	cr_assert_eq(group_remove(me.postoffice, inner->id, &tester), ST_OK);
	assert_entries("INBOX", "outer=lr -round=r");
}

/* "name rights" of all rows with a folder, one a line; a star marks what is subscribed to. */
static void assert_tree(int64_t reader, const char *wanted)
{
	struct folder_row *rows;
	slice told = S("");
	int n;

	cr_assert_eq(acl_tree(me.postoffice, reader, &me.a, &rows, &n), ST_OK);
	for (int i = 0; i < n; i++)
		told = arena_format(&me.a, "%.*s%.*s%s%s%s\n", SLICE_ARGS(told), SLICE_ARGS(rows[i].f.name),
			rows[i].subscribed ? "*" : "", rows[i].f.id ? " " : "",
			rows[i].f.id ? letters(rows[i].rights) : "");
	cr_assert(slice_same(told, slice_z(wanted)), "%.*s", SLICE_ARGS(told));
}

#define ALL "lrswipkxteacd"

Test(sharing, shows_a_reader_what_there_is)
{
	int64_t ben = colleague("ben");

	made(S("Work/Old"));
	cr_assert_eq(folder_subscribe(me.postoffice, ben, S("Other Users/anna/Work"), true), ST_OK);
	assert_tree(ben, "INBOX* " ALL "\nOther Users/anna/Work*\n");
	cr_assert_eq(give("Work", "ben", "lrk", ""), ST_OK);
	cr_assert_eq(give("INBOX", "ben", "r", ""), ST_OK);
	assert_tree(ben, "INBOX* " ALL "\nOther Users\nOther Users/anna\nOther Users/anna/Work* lrkc\n");
	cr_assert_eq(give("Work/Old", "anyone", "l", ""), ST_OK);
	assert_tree(ben, "INBOX* " ALL "\nOther Users\nOther Users/anna\nOther Users/anna/Work* lrkc\n"
			 "Other Users/anna/Work/Old l\n");
	cr_assert_eq(folder_rename(me.postoffice, me.mailbox, S("Work"), S("Play")), ST_OK);
	cr_assert_eq(folder_remove(me.postoffice, me.mailbox, S("Play/Old")), ST_OK);
	assert_tree(ben, "INBOX* " ALL "\nOther Users\nOther Users/anna\nOther Users/anna/Play lrkc\n"
			 "Other Users/anna/Work*\n");
	assert_tree(me.mailbox, "INBOX* " ALL "\nPlay " ALL "\n");
	/* By a group. */
	domains();
	address_of("b", ben);
	group_of("team", "b", home);
	cr_assert_eq(give("Play", "team", "w", ""), ST_OK);
	assert_tree(ben, "INBOX* " ALL "\nOther Users\nOther Users/anna\nOther Users/anna/Play lrwkc\n"
			 "Other Users/anna/Work*\n");
	/* A name of one's own that only looks like it. */
	made(S("Other Users/ben/INBOX"));
	assert_tree(me.mailbox, "INBOX* " ALL "\nPlay " ALL "\n");
}

/* Between looking for its name and changing it, the name may become another one's. */
Test(sharing, changes_the_very_folder_that_was_found)
{
	made(S("Work"));
	made(S("Home/Old"));
	folder work = *mine("Work"), home = *mine("Home"), inbox = *mine("INBOX");

	cr_assert_eq(folder_rename(me.postoffice, me.mailbox, S("Work"), S("Play")), ST_OK);
	made(S("Work"));
	cr_expect_eq(folder_rename_this(&work, S("Else")), ST_ABSENT);
	cr_expect_eq(folder_remove_this(&work), ST_ABSENT);
	cr_expect_eq(folder_rename_this(&inbox, S("Else")), ST_DENIED);
	cr_expect_eq(folder_remove_this(&inbox), ST_DENIED);
	cr_assert_eq(folder_rename_this(&home, S("House")), ST_OK);
	cr_expect_eq(folder_remove_this(&home), ST_ABSENT);
	assert_tree(me.mailbox, "INBOX* " ALL "\nHouse " ALL "\nHouse/Old " ALL "\nPlay " ALL "\nWork " ALL "\n");
	home = *mine("House");
	cr_assert_eq(folder_remove_this(&home), ST_OK);
	assert_tree(me.mailbox, "INBOX* " ALL "\nHouse\nHouse/Old " ALL "\nPlay " ALL "\nWork " ALL "\n");
}

Test(sharing, goes_on_below)
{
	int64_t ben = colleague("ben");

	made(S("Work"));
	cr_assert_eq(give("Work", "ben", "lr", ""), ST_OK);
	cr_assert_eq(give("Work", "-anyone", "r", ""), ST_OK);
	made(S("Work/2026/May"));
	assert_entries("Work/2026", "ben=lr -anyone=r");
	assert_entries("Work/2026/May", "ben=lr -anyone=r");
	cr_assert_eq(give("Work/2026", "ben", "", "lr"), ST_OK);
	made(S("Work/2026/June"));
	cr_expect_str_eq(rights(ben, "Work/2026/June"), "");
	cr_expect_str_eq(rights(ben, "Work/2026/May"), "l");
	made(S("Home"));
	assert_entries("Home", "");
}

Test(sharing, ends_with_whom_it_was_for)
{
	int64_t ben = colleague("ben");

	cr_assert_eq(give("INBOX", "ben", "lr", ""), ST_OK);
	cr_assert_eq(mailbox_remove(me.postoffice, ben, &tester), ST_OK);
	assert_entries("INBOX", "");
}

Test(sharing, is_no_stranger_s)
{
	struct reader other = reader_stranger();
	struct acl_entry ben = {.kind = ACL_MAILBOX, .who = colleague("ben")}, none;
	struct acl_change change = {.add = ACL_ALL};
	struct acl_place p;
	struct acl_entry *rows;
	folder theirs = *mine("INBOX");
	int n;

	cr_assert_eq(give("INBOX", "anyone", ALL, ""), ST_OK);
	cr_expect_eq(acl_find(me.postoffice, other.mailbox, S("otto"), S("INBOX"), &me.a, &p), ST_ABSENT);
	cr_expect_eq(acl_find(other.postoffice, other.mailbox, S("anna"), S("INBOX"), &me.a, &p), ST_ABSENT);
	cr_expect_eq(acl_again(other.postoffice, other.mailbox, me.inbox, &me.a, &p), ST_ABSENT);
	cr_expect_eq(acl_who(me.postoffice, S("otto"), &me.a, &none), ST_ABSENT);
	cr_assert_eq(acl_list(other.postoffice, me.inbox, &me.a, &rows, &n), ST_OK);
	cr_expect_eq(n, 0);
	theirs.postoffice = other.postoffice;
	cr_expect_eq(acl_set(&theirs, &ben, &change, &tester), ST_ABSENT);
	theirs.mailbox = other.mailbox;
	cr_expect_eq(acl_set(&theirs, &ben, &change, &tester), ST_ABSENT);
	none = (struct acl_entry){.kind = ACL_MAILBOX, .who = other.mailbox};
	cr_expect_eq(acl_set(mine("INBOX"), &none, &change, &tester), ST_ABSENT);
	cr_assert_eq(acl_tree(other.postoffice, other.mailbox, &me.a, &(struct folder_row *){NULL}, &n), ST_OK);
	cr_expect_eq(n, 1);
}
