/* Rights to the folders of others. Against both stores. */
#include "provider/acl.h"
#include "provider/address_map.h"
#include "provider/annotation.h"
#include "provider/domain.h"
#include "provider/group.h"
#include "provider/mailbox.h"
#include "provider/postoffice.h"
#include "provider/setting.h"
#include "tests/unit/provider/reader.h"

#include <criterion/criterion.h>

TestSuite(sharing, .init = reader_begin, .fini = reader_end, .timeout = 300);

static const struct audit_by tester = {.who = S("test")};

/* Another mailbox of my post office. */
static int64_t colleague(const char *name)
{
	struct mailbox_new n = {
		.name = slice_z(name), .password = S("Colleague-7-secret"), .no_addresses = true};
	mailbox *m;
	slice why = S("");

	cr_assert_eq(mailbox_make(me.postoffice, &n, &tester, &me.a, &m, &why), ST_OK, "%.*s",
		SLICE_ARGS(why));
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
			rows[i].negative ? "-" : "", SLICE_ARGS(rows[i].name),
			letters(rows[i].rights));
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
	cr_assert_eq(domain_make(me.postoffice, home, false, &tester, &me.a, &why), ST_OK, "%.*s",
		SLICE_ARGS(why));
	cr_assert_eq(domain_alias(me.postoffice, alias, home, &tester, &me.a, &why), ST_OK);
}

static void address_of(const char *local, int64_t mailbox)
{
	slice why = S("");

	cr_assert_eq(
		address_make(me.postoffice, arena_format(&me.a, "%s@%.*s", local, SLICE_ARGS(home)),
			mailbox, &tester, &me.a, &why),
		ST_OK, "%.*s", SLICE_ARGS(why));
}

/* A group with an address of its name, and one member. */
static group *group_of(const char *name, const char *member, slice domain)
{
	slice why = S(""), written = arena_format(&me.a, "%s@%.*s", member, SLICE_ARGS(domain));
	group *g;
	int added;

	cr_assert_eq(group_make(me.postoffice, slice_z(name), S(""), GROUP_USUAL, &tester, &me.a,
			     &g, &why),
		ST_OK);
	cr_assert_eq(address_make_group(me.postoffice,
			     arena_format(&me.a, "%s@%.*s", name, SLICE_ARGS(home)), g->id, &tester,
			     &me.a, &why),
		ST_OK);
	cr_assert_eq(
		group_members_add(me.postoffice, g->id, &written, 1, &tester, &me.a, &added, &why),
		ST_OK);
	return g;
}

/* Whom "ben@" of this realm stands for; 0: nobody. */
static int64_t called(const char *pattern, slice realm)
{
	struct acl_entry e;
	slice local = slice_until(slice_z(pattern), strlen(pattern) - 1);

	status s = acl_who(me.postoffice,
		arena_format(&me.a, "%.*s@%.*s", SLICE_ARGS(local), SLICE_ARGS(realm)), &me.a, &e);
	if (s == ST_ABSENT)
		return 0;
	cr_assert_eq(s, ST_OK, "%s", pattern);
	return e.who;
}

Test(sharing, knows_names_of_logons)
{
	int64_t ben = colleague("ben"), carl = colleague("carl");
	struct reader other = reader_stranger();
	postoffice *office, *others;
	slice why = S("");
	domain *d;

	domains();
	address_of("b", ben);
	address_of("carl", ben);
	group *team = group_of("team", "b", home);
	cr_assert_eq(postoffice_by_id(me.postoffice, &me.a, &office), ST_OK);
	cr_assert_eq(postoffice_by_id(other.postoffice, &me.a, &others), ST_OK);
	const struct {
		const char *pattern;
		slice realm;
		int64_t wanted;
	} rows[] = {
		{"BEN@", office->name, ben},
		{"carl@", office->name, carl},
		{"team@", office->name, team->id},
		{"b@", office->name, 0},
		{"anyone@", office->name, 0},
		{"@", office->name, 0},
		{"b@", home, ben},
		{"B@", alias, ben},
		{"ben@", home, ben},
		{"carl@", home, ben},
		{"team@", alias, team->id},
		{"nobody@", home, 0},
		{"anyone@", home, 0},
		{"@", home, 0},
		{"ben@", others->name, 0},
		{"otto@", others->name, 0},
		{"ben@", S("nowhere.test"), 0},
		{"ben@", S(""), 0},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		cr_expect_eq(called(rows[i].pattern, rows[i].realm), rows[i].wanted, "%s%.*s",
			rows[i].pattern, SLICE_ARGS(rows[i].realm));
	cr_assert_eq(domain_find(home, &me.a, &d), ST_OK);
	d->state = DOMAIN_DISABLED;
	cr_assert_eq(domain_change(d, &tester, &me.a, &why), ST_OK, "%.*s", SLICE_ARGS(why));
	cr_expect_eq(called("b@", home), 0);
	cr_expect_eq(called("b@", alias), 0);
	cr_expect_eq(called("ben@", office->name), ben);
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
		told = arena_format(&me.a, "%.*s%.*s%s%s%s\n", SLICE_ARGS(told),
			SLICE_ARGS(rows[i].f.name), rows[i].subscribed ? "*" : "",
			rows[i].f.id ? " " : "", rows[i].f.id ? letters(rows[i].rights) : "");
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
	assert_tree(ben,
		"INBOX* " ALL "\nOther Users\nOther Users/anna\nOther Users/anna/Work* lrkc\n");
	cr_assert_eq(give("Work/Old", "anyone", "l", ""), ST_OK);
	assert_tree(ben,
		"INBOX* " ALL "\nOther Users\nOther Users/anna\nOther Users/anna/Work* lrkc\n"
		"Other Users/anna/Work/Old l\n");
	cr_assert_eq(folder_rename(me.postoffice, me.mailbox, S("Work"), S("Play")), ST_OK);
	cr_assert_eq(folder_remove(me.postoffice, me.mailbox, S("Play/Old")), ST_OK);
	assert_tree(ben,
		"INBOX* " ALL "\nOther Users\nOther Users/anna\nOther Users/anna/Play lrkc\n"
		"Other Users/anna/Work*\n");
	assert_tree(me.mailbox, "INBOX* " ALL "\nPlay " ALL "\n");
	/* By a group. */
	domains();
	address_of("b", ben);
	group_of("team", "b", home);
	cr_assert_eq(give("Play", "team", "w", ""), ST_OK);
	assert_tree(ben,
		"INBOX* " ALL "\nOther Users\nOther Users/anna\nOther Users/anna/Play lrwkc\n"
		"Other Users/anna/Work*\n");
	/* None of one's own looks like it. */
	folder *f;
	cr_assert_eq(
		folder_make(me.postoffice, me.mailbox, S("Other Users/ben/INBOX"), 0, &me.a, &f),
		ST_INVALID);
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
	assert_tree(me.mailbox,
		"INBOX* " ALL "\nHouse " ALL "\nHouse/Old " ALL "\nPlay " ALL "\nWork " ALL "\n");
	home = *mine("House");
	cr_assert_eq(folder_remove_this(&home), ST_OK);
	assert_tree(me.mailbox,
		"INBOX* " ALL "\nHouse\nHouse/Old " ALL "\nPlay " ALL "\nWork " ALL "\n");
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

/* Else sharing with it would be sharing with all. */
Test(sharing, lets_nobody_be_called_anyone)
{
	struct mailbox_new n = {
		.name = S("Anyone"), .password = S("Colleague-7-secret"), .no_addresses = true};
	slice why = S("");
	mailbox *m;
	group *g;

	cr_expect_eq(mailbox_make(me.postoffice, &n, &tester, &me.a, &m, &why), ST_INVALID);
	cr_expect(why.size > 0);
	why = S("");
	cr_expect_eq(group_make(me.postoffice, S("anyone"), S(""), GROUP_USUAL, &tester, &me.a, &g,
			     &why),
		ST_INVALID);
	cr_expect(why.size > 0);
}

Test(sharing, ends_with_whom_it_was_for)
{
	int64_t ben = colleague("ben");

	cr_assert_eq(give("INBOX", "ben", "lr", ""), ST_OK);
	cr_assert_eq(mailbox_remove(me.postoffice, ben, &tester), ST_OK);
	assert_entries("INBOX", "");
}

/* ---- messages between mailboxes */

/* A folder of somebody else's, and how flags go there. */
static struct view_target target_of(int64_t mailbox, slice name, int64_t flags)
{
	folder *f;

	cr_assert_eq(folder_find(me.postoffice, mailbox, name, &me.a, &f), ST_OK);
	return (struct view_target){
		.mailbox = mailbox, .name = name, .folder = f->id, .flags = flags};
}

static view *theirs(int64_t mailbox, slice name)
{
	view *v = NULL;

	cr_assert_eq(view_open(me.postoffice, mailbox, name, 0, &v), ST_OK);
	return v;
}

static void assert_both_counted(int64_t other)
{
	int64_t mine = me.mailbox;

	assert_counted();
	me.mailbox = other;
	assert_counted();
	me.mailbox = mine;
}

static int64_t bit_of(int64_t mailbox, const char *name)
{
	slice one = slice_z(name);
	struct keywords k;

	cr_assert_eq(keyword_add(me.postoffice, mailbox, &one, 1, &me.a, &k), ST_OK);
	return (int64_t)1 << keyword_bit(&k, one);
}

static void flags_set(view *v, uint32_t uid, int64_t flags)
{
	struct view_flags f = {.remove = VIEW_ALL_FLAGS, .add = flags, .unchanged_since = -1};
	struct view_stored done;

	cr_assert_eq(view_store(v, &uid, 1, &f, false, &me.a, &done), ST_OK);
}

Test(sharing, copies_to_others_with_keywords_by_their_names)
{
	int64_t ben = colleague("ben");
	uint32_t some[] = {3, 1};
	struct view_copied p;

	filled(S("INBOX"), 3);
	int64_t red = bit_of(me.mailbox, "red"), blue = bit_of(me.mailbox, "blue");
	int64_t other_blue = bit_of(ben, "blue");
	view *v = opened(S("INBOX"));
	flags_set(v, 1, FLAG_SEEN | FLAG_DELETED | FLAG_JUNK | blue);
	flags_set(v, 3, FLAG_FLAGGED | red | blue);
	struct view_target to = target_of(ben, S("INBOX"), VIEW_ALL_FLAGS & ~(int64_t)FLAG_DELETED);
	cr_assert_eq(view_copy_to(v, some, 2, &to, true, &me.a, &p), ST_OK);
	cr_assert_eq(p.n, 2);
	cr_expect_eq(p.from[0], 1);
	cr_expect_eq(p.to[1], 2);
	cr_expect_eq(v->n, 3);
	view *w = theirs(ben, S("INBOX"));
	cr_assert_eq(w->n, 2);
	cr_expect_eq(p.uidvalidity, w->uidvalidity);
	cr_expect_eq(p.modseq, w->modseq);
	cr_expect_eq(view_find(w, 1)->flags, FLAG_SEEN | FLAG_JUNK | other_blue);
	cr_expect_eq(view_find(w, 2)->flags, FLAG_FLAGGED | other_blue | bit_of(ben, "red"));
	cr_expect_eq(view_find(w, 2)->message, view_find(v, 3)->message);
	/* And back, without any flag: nothing is named for that. */
	to = target_of(me.mailbox, S("INBOX"), 0);
	bit_of(ben, "green");
	cr_assert_eq(view_copy_to(w, w->uids, 2, &to, true, &me.a, &p), ST_OK);
	struct view_change c;
	cr_assert_eq(view_refresh(v, false, &me.a, &c), ST_OK);
	cr_assert_eq(c.arrived, 2);
	cr_expect_eq(view_find(v, 4)->flags, 0);
	cr_expect_eq(v->keywords.n, 2);
	assert_both_counted(ben);
	view_close(&w);
	view_close(&v);
}

Test(sharing, copies_and_moves_as_far_as_the_owner_has_room)
{
	int64_t ben = colleague("ben");
	uint32_t one = 1, none = 9;
	struct view_copied p;

	filled(S("INBOX"), 2);
	view *v = opened(S("INBOX")), *w;
	struct view_target to = target_of(ben, S("INBOX"), VIEW_ALL_FLAGS), gone = to;
	gone.folder++;
	cr_assert_eq(mailbox_set_quota(me.postoffice, ben, 5, &tester), ST_OK);
	cr_expect_eq(view_copy_to(v, &one, 1, &to, true, &me.a, &p), ST_FULL);
	cr_expect_eq(view_move_to(v, &one, 1, &to, &me.a, &p), ST_FULL);
	cr_assert_eq(v->n, 2);
	reader_quota(1); /* one's own is no matter */
	cr_assert_eq(mailbox_set_quota(me.postoffice, ben, 0, &tester), ST_OK);
	cr_expect_eq(view_copy_to(v, &one, 1, &gone, true, &me.a, &p), ST_ABSENT);
	cr_expect_eq(view_move_to(v, &one, 1, &gone, &me.a, &p), ST_ABSENT);
	cr_assert_eq(view_move_to(v, &none, 1, &to, &me.a, &p), ST_OK);
	cr_expect_eq(p.n, 0);
	cr_assert_eq(view_move_to(v, &one, 1, &to, &me.a, &p), ST_OK);
	cr_assert_eq(p.n, 1);
	cr_expect_eq(p.from[0], 1);
	cr_expect_eq(p.to[0], 1);
	cr_expect_eq(p.change.gone_n, 1);
	cr_expect_eq(p.change.own, v->modseq);
	cr_expect_eq(v->n, 1);
	w = theirs(ben, S("INBOX"));
	cr_expect_eq(w->n, 1);
	cr_assert_eq(view_move_to(v, &one, 1, &to, &me.a, &p), ST_OK);
	cr_expect_eq(p.n, 0);
	assert_both_counted(ben);
	/* Within one mailbox nothing grows. */
	made(S("a"));
	to = target_of(me.mailbox, S("a"), FLAG_SEEN);
	cr_assert_eq(view_move_to(v, v->uids, 1, &to, &me.a, &p), ST_OK);
	cr_expect_eq(p.n, 1);
	cr_expect_eq(v->n, 0);
	assert_both_counted(ben);
	/* What was moved away can be had back. */
	struct folder_lost lost = {.folder = v->folder};
	int64_t restored;
	reader_quota(0);
	cr_assert_eq(folder_undelete(me.postoffice, me.mailbox, &lost, &restored), ST_OK);
	cr_expect_eq(restored, 2);
	assert_both_counted(ben);
	view_close(&w);
	view_close(&v);
}

/* By a reader who must have these rights to the folder, and these to the one of what is
   replaced. */
static status append_as(int64_t reader, unsigned rights, unsigned replaced_rights, int64_t mailbox,
	int64_t folder, const view *replaced)
{
	slice raw = S("Subject: new\r\n\r\n");
	struct append_message m = {.header = raw, .header_size = (uint32_t)raw.size};
	struct append x = {.postoffice = me.postoffice,
		.mailbox = mailbox,
		.folder = S("INBOX"),
		.folder_id = folder,
		.reader = reader,
		.rights = rights,
		.replaced_rights = replaced_rights,
		.messages = &m,
		.n = 1,
		.replaced_folder = replaced ? replaced->folder : 0,
		.replaced_mailbox = replaced ? replaced->mailbox : 0,
		.replaced_uid = replaced ? replaced->uids[0] : 0};

	return append_text(&x, raw);
}

static status append_to(int64_t mailbox, int64_t folder, const view *replaced)
{
	return append_as(0, 0, 0, mailbox, folder, replaced);
}

Test(sharing, appends_to_the_very_folder_and_replaces_across_mailboxes)
{
	int64_t ben = colleague("ben");
	struct view_change c;

	filled(S("INBOX"), 2);
	view *v = opened(S("INBOX")), *w = theirs(ben, S("INBOX"));
	cr_expect_eq(append_to(ben, w->folder + 1, NULL), ST_ABSENT);
	cr_assert_eq(append_to(ben, w->folder, NULL), ST_OK);
	cr_assert_eq(append_to(ben, w->folder, v), ST_OK);
	cr_assert_eq(view_refresh(v, false, &me.a, &c), ST_OK);
	cr_expect_eq(c.gone_n, 1);
	cr_assert_eq(view_refresh(w, false, &me.a, &c), ST_OK);
	cr_expect_eq(c.arrived, 2);
	/* The other way round, the ids of the mailboxes in the other order. */
	cr_assert_eq(append_to(me.mailbox, v->folder, w), ST_OK);
	cr_assert_eq(view_refresh(w, false, &me.a, &c), ST_OK);
	cr_expect_eq(c.gone_n, 1);
	cr_assert_eq(mailbox_set_quota(me.postoffice, ben, 1, &tester), ST_OK);
	cr_expect_eq(append_to(ben, w->folder, v), ST_FULL);
	cr_assert_eq(view_refresh(v, false, &me.a, &c), ST_OK);
	cr_expect_eq(v->n, 2);
	assert_both_counted(ben);
	view_close(&w);
	view_close(&v);
}

/* What was found out before may be over when the message is stored. */
Test(sharing, appends_and_replaces_only_while_rights_last)
{
	int64_t ben = colleague("ben");
	const unsigned in = ACL_LOOKUP | ACL_INSERT, out = ACL_DELETE | ACL_EXPUNGE;
	struct view_change c;

	filled(S("INBOX"), 1);
	view *v = opened(S("INBOX")), *w = theirs(ben, S("INBOX"));
	cr_expect_eq(append_as(ben, in, 0, me.mailbox, v->folder, NULL), ST_DENIED);
	cr_assert_eq(give("INBOX", "ben", "li", ""), ST_OK);
	cr_expect_eq(append_as(ben, in, 0, me.mailbox, v->folder, NULL), ST_OK);
	cr_expect_eq(append_as(ben, in | ACL_SEEN, 0, me.mailbox, v->folder, NULL), ST_DENIED);
	cr_expect_eq(append_as(ben, 0, out, ben, w->folder, v), ST_DENIED);
	cr_assert_eq(give("INBOX", "anyone", "te", ""), ST_OK);
	cr_expect_eq(append_as(ben, 0, out, ben, w->folder, v), ST_OK);
	cr_assert_eq(give("INBOX", "-ben", "e", ""), ST_OK);
	cr_expect_eq(append_as(ben, 0, out, ben, w->folder, v), ST_DENIED);
	cr_assert_eq(view_refresh(v, false, &me.a, &c), ST_OK);
	cr_expect_eq(v->n, 1);
	cr_assert_eq(view_refresh(w, false, &me.a, &c), ST_OK);
	cr_expect_eq(w->n, 1);
	assert_both_counted(ben);
	view_close(&w);
	view_close(&v);
}

Test(sharing, gives_nothing_to_a_disabled_mailbox)
{
	int64_t ben = colleague("ben");
	struct view_copied p;

	filled(S("INBOX"), 1);
	made(S("a"));
	view *v = opened(S("INBOX"));
	struct view_target to = target_of(ben, S("INBOX"), VIEW_ALL_FLAGS);
	cr_assert_eq(mailbox_set_state(me.postoffice, ben, MAILBOX_DISABLED, &tester), ST_OK);
	cr_expect_eq(view_copy_to(v, v->uids, 1, &to, true, &me.a, &p), ST_ABSENT);
	cr_expect_eq(view_move_to(v, v->uids, 1, &to, &me.a, &p), ST_ABSENT);
	cr_expect_eq(append_to(ben, to.folder, NULL), ST_ABSENT);
	cr_assert_eq(
		mailbox_set_state(me.postoffice, me.mailbox, MAILBOX_DISABLED, &tester), ST_OK);
	cr_expect_eq(view_copy(v, v->uids, 1, S("a"), true, &me.a, &p), ST_ABSENT);
	cr_expect_eq(view_move(v, v->uids, 1, S("a"), &me.a, &p), ST_OK);
	cr_expect_eq(p.n, 1);
	view_close(&v);
}

static void annotated(int64_t owner, int64_t reader, int64_t at, const char *name)
{
	struct annotation row = {.name = slice_z(name), .value = S("x")};

	cr_assert_eq(annotation_set(&(struct annotation_change){.postoffice = me.postoffice,
			     .owner = owner,
			     .reader = reader,
			     .folder = at,
			     .rows = &row,
			     .n = 1}),
		ST_OK);
}

/* "/private/x /shared/y" of what ben is told of, with these folders of mine beside his own. */
static void assert_marks(int64_t ben, int64_t *folders, int n, const char *wanted)
{
	int64_t mailboxes[] = {me.mailbox, me.mailbox};
	struct annotation_mark *marks;
	slice told = S("");
	int found;

	cr_assert_eq(
		annotation_marks(me.postoffice, ben,
			&(struct annotation_places){mailboxes, folders, n}, &me.a, &marks, &found),
		ST_OK);
	for (int i = 0; i < found; i++)
		told = arena_format(&me.a, "%.*s%s%.*s", SLICE_ARGS(told), i ? " " : "",
			SLICE_ARGS(marks[i].name));
	cr_expect(slice_same(told, slice_z(wanted)), "%.*s", SLICE_ARGS(told));
}

Test(sharing, tells_when_what_all_see_was_set)
{
	int64_t ben = colleague("ben"), shared[] = {me.inbox, made(S("Work"))};

	annotated(me.mailbox, me.mailbox, me.inbox, "/shared/y");
	annotated(me.mailbox, me.mailbox, me.inbox, "/private/mine");
	annotated(me.mailbox, me.mailbox, shared[1], "/shared/z");
	annotated(me.mailbox, ben, me.inbox, "/private/his");
	assert_marks(ben, shared, 0, "/private/his");
	assert_marks(ben, shared, 1, "/private/his /shared/y");
	assert_marks(ben, shared, 2,
		shared[1] > me.inbox ? "/private/his /shared/y /shared/z"
				     : "/shared/z /private/his /shared/y");
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
	cr_expect_eq(acl_find(me.postoffice, other.mailbox, S("otto"), S("INBOX"), &me.a, &p),
		ST_ABSENT);
	cr_expect_eq(acl_find(other.postoffice, other.mailbox, S("anna"), S("INBOX"), &me.a, &p),
		ST_ABSENT);
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
	cr_assert_eq(
		acl_tree(other.postoffice, other.mailbox, &me.a, &(struct folder_row *){NULL}, &n),
		ST_OK);
	cr_expect_eq(n, 1);
	/* Nor are messages carried there. */
	filled(S("INBOX"), 1);
	view *v = opened(S("INBOX"));
	struct view_target to = {.mailbox = other.mailbox, .name = S("INBOX"), .flags = FLAG_SEEN};
	struct view_copied copied;
	folder *inbox;
	cr_assert_eq(
		folder_find(other.postoffice, other.mailbox, S("INBOX"), &me.a, &inbox), ST_OK);
	to.folder = inbox->id;
	cr_expect_eq(view_copy_to(v, v->uids, 1, &to, true, &me.a, &copied), ST_ABSENT);
	cr_expect_eq(view_move_to(v, v->uids, 1, &to, &me.a, &copied), ST_ABSENT);
	cr_expect_eq(append_to(other.mailbox, inbox->id, NULL), ST_ABSENT);
	cr_expect_eq(v->n, 1);
	view_close(&v);
}
