/* Folders as their reader sees them: the tree, and changing it. Against both stores. */
#include "provider/annotation.h"
#include "provider/mailbox.h"
#include "provider/setting.h"
#include "tests/unit/provider/reader.h"

#include <criterion/criterion.h>

TestSuite(folders, .init = reader_begin, .fini = reader_end, .timeout = 300);

static struct folder_row *tree(int *n)
{
	struct folder_row *rows;

	cr_assert_eq(folder_tree(me.postoffice, me.mailbox, &me.a, &rows, n), ST_OK);
	return rows;
}

/* One letter a fact: f a folder, s subscribed, c has children. */
static void assert_tree(const char *wanted)
{
	int n;
	struct folder_row *rows = tree(&n);
	slice told = S("");

	for (int i = 0; i < n; i++)
		told = arena_format(&me.a, "%.*s%s%.*s:%s%s%s", SLICE_ARGS(told), i ? " " : "",
			SLICE_ARGS(rows[i].f.name), rows[i].f.id ? "f" : "",
			rows[i].subscribed ? "s" : "", rows[i].children ? "c" : "");
	cr_assert(slice_same(told, slice_z(wanted)), "%.*s", SLICE_ARGS(told));
}

static status rename_to(const char *from, const char *to)
{
	return folder_rename(me.postoffice, me.mailbox, slice_z(from), slice_z(to));
}

static status removed(const char *name)
{
	return folder_remove(me.postoffice, me.mailbox, slice_z(name));
}

static folder *found(const char *name)
{
	folder *f = NULL;

	status s = folder_find(me.postoffice, me.mailbox, slice_z(name), &me.a, &f);
	return s == ST_OK ? f : NULL;
}

Test(folders, names_have_one_form)
{
	static const struct {
		const char *given, *canonical;
		status kind;
	} rows[] = {{"inbox", "INBOX", ST_OK}, {"Inbox/x", "INBOX/x", ST_OK},
		{"work", "work", ST_OK}, {"inboxes", "inboxes", ST_OK},
		{"A\xcc\x88rger", "\xc3\x84rger", ST_OK}, {"a b'c\\\"", "a b'c\\\"", ST_OK},
		{"", "", ST_INVALID}, {"/a", "", ST_INVALID}, {"a/", "", ST_INVALID},
		{"a//b", "", ST_INVALID}, {"a*", "", ST_INVALID}, {"%", "", ST_INVALID},
		{"../bob", "", ST_INVALID}, {"a/./b", "", ST_INVALID}, {"a\x01", "", ST_INVALID},
		{"a\xff", "", ST_INVALID}, {"a\x7f", "", ST_INVALID}};
	static const slice deep = S("1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7/8/9/0/1");

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		slice name = S("");

		cr_assert_eq(folder_name(slice_z(rows[i].given), &me.a, &name), rows[i].kind, "%s",
			rows[i].given);
		cr_assert(slice_same(name, slice_z(rows[i].canonical)), "%s", rows[i].given);
	}
	char *lengthy = arena_new(&me.a, 600);
	slice name;
	memset(lengthy, 'x', 513);
	cr_assert_eq(folder_name(slice_of(lengthy, 513), &me.a, &name), ST_OK);
	cr_assert_eq(folder_name_new(slice_of(lengthy, 513), &me.a, &name), ST_LIMITED);
	cr_assert_eq(folder_name(deep, &me.a, &name), ST_OK);
	cr_assert_eq(folder_name_new(deep, &me.a, &name), ST_LIMITED);
	cr_assert_eq(folder_name_new(S("a//b"), &me.a, &name), ST_INVALID);
}

Test(folders, are_not_called_as_those_of_others)
{
	static const slice names[] = {
		S("Other Users"), S("Other Users/x"), S("Other Users/anna/x/y")};
	const struct setting_at at = {.postoffice = me.postoffice};
	slice own = S("Other Users 2, other users/x=\\Junk, x/Other Users"), why = S("");
	folder *f;

	made(S("a/b"));
	filled(S("INBOX"), 1);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		cr_assert(folder_name_is_others(names[i]));
		cr_assert_eq(
			folder_make(me.postoffice, me.mailbox, names[i], 0, &me.a, &f), ST_INVALID);
		cr_assert_eq(rename_to("a", names[i].at), ST_INVALID);
		cr_assert_eq(rename_to("INBOX", names[i].at), ST_INVALID);
		cr_assert_eq(setting_set(S_mailbox_folders, &at, &names[i], NULL, &me.a, &why),
			ST_INVALID);
		cr_assert(slice_search(why, S("would be hidden")) < why.size);
		cr_assert_eq(folder_subscribe(me.postoffice, me.mailbox, names[i], true), ST_OK);
		cr_assert_eq(folder_subscribe(me.postoffice, me.mailbox, names[i], false), ST_OK);
	}
	cr_assert_eq(setting_set(S_mailbox_folders, &at, &own, NULL, &me.a, &why), ST_OK);
	cr_assert_eq(setting_set(S_mailbox_folders, &at, NULL, NULL, &me.a, &why), ST_OK);
	made(S("Other Users 2/x"));
	made(S("other users"));
	made(S("a/Other Users"));
	assert_counted();
}

Test(folders, stay_within_reach_when_limits_fall_below_them)
{
	static const slice lengthy = S("a/b/a name of more octets than 32, and deep");
	slice two = S("2"), few = S("32"), why = S("");
	struct view_copied copied;
	folder *f;
	view *v;

	made(lengthy);
	filled(lengthy, 2);
	made(S("here"));
	made(S("p/q/r"));
	cr_assert_eq(folder_subscribe(me.postoffice, me.mailbox, lengthy, true), ST_OK);
	cr_assert_eq(setting_set(S_folder_depth_most, NULL, &two, NULL, &me.a, &why), ST_OK);
	cr_assert_eq(setting_set(S_folder_name_most, NULL, &few, NULL, &me.a, &why), ST_OK);
	cr_assert(found(lengthy.at));
	filled(S("here"), 1);
	v = opened(S("here"));
	cr_assert_eq(view_copy(v, v->uids, v->n, lengthy, true, &me.a, &copied), ST_OK);
	view_close(&v);
	v = opened(lengthy);
	cr_assert_eq(v->count, 3);
	view_close(&v);
	cr_assert_eq(rename_to("here", "x/y/z"), ST_LIMITED);
	cr_assert_eq(rename_to("p", "zz"), ST_OK, "what is below grows no deeper");
	cr_assert_eq(rename_to("zz", "z/z"), ST_LIMITED);
	cr_assert_eq(rename_to("zz", "z"), ST_OK);
	cr_assert_eq(folder_make(me.postoffice, me.mailbox, S("x/y/z"), 0, &me.a, &f), ST_LIMITED);
	cr_assert_eq(folder_subscribe(me.postoffice, me.mailbox, S("x/y/z"), true), ST_LIMITED);
	cr_assert_eq(folder_subscribe(me.postoffice, me.mailbox, lengthy, false), ST_OK);
	cr_assert_eq(rename_to(lengthy.at, "short"), ST_OK);
	cr_assert_eq(rename_to("short", "a/short"), ST_OK);
	cr_assert_eq(setting_set(S_folder_depth_most, NULL, NULL, NULL, &me.a, &why), ST_OK);
	cr_assert_eq(setting_set(S_folder_name_most, NULL, NULL, NULL, &me.a, &why), ST_OK);
	made(lengthy);
	cr_assert_eq(setting_set(S_folder_depth_most, NULL, &two, NULL, &me.a, &why), ST_OK);
	cr_assert_eq(removed(lengthy.at), ST_OK);
	cr_assert_eq(setting_set(S_folder_depth_most, NULL, NULL, NULL, &me.a, &why), ST_OK);
	assert_tree("INBOX:fs a:fc a/b:f a/short:f here:f z:fc z/q:fc z/q/r:f");
	assert_counted();
}

Test(folders, are_made_with_the_levels_above)
{
	made(S("work/2024/march"));
	made(S("work-2"));
	made(S("Zoo"));
	assert_tree("INBOX:fs Zoo:f work:fc work/2024:fc work/2024/march:f work-2:f");
	folder *f;
	cr_assert_eq(folder_make(me.postoffice, me.mailbox, S("work"), 0, &me.a, &f), ST_EXISTS);
	cr_assert_eq(folder_make(me.postoffice, me.mailbox, S("inbox"), 0, &me.a, &f), ST_EXISTS);
	cr_assert_eq(folder_make(me.postoffice, me.mailbox, S("a//b"), 0, &me.a, &f), ST_INVALID);
	cr_assert_eq(folder_make(me.postoffice, me.mailbox + 1, S("a"), 0, &me.a, &f), ST_ABSENT);
	cr_assert(found("work")->uidvalidity != found("work/2024")->uidvalidity);
}

Test(folders, are_at_most_so_many)
{
	struct setting_at at = {.postoffice = me.postoffice, .mailbox = me.mailbox};
	slice three = S("3"), why = S("");
	folder *f;

	cr_assert_eq(setting_set(S_mailbox_folders_most, &at, &three, NULL, &me.a, &why), ST_OK);
	made(S("a"));
	cr_assert_eq(folder_make(me.postoffice, me.mailbox, S("b/c"), 0, &me.a, &f), ST_LIMITED);
	made(S("b"));
	cr_assert_eq(folder_make(me.postoffice, me.mailbox, S("c"), 0, &me.a, &f), ST_LIMITED);
	cr_assert_eq(rename_to("a", "x/y/z"), ST_LIMITED);
	assert_tree("INBOX:fs a:f b:f");
	for (int i = 0; i < 5; i++)
		cr_assert_eq(folder_subscribe(me.postoffice, me.mailbox,
				     arena_format(&me.a, "s%d", i), true),
			ST_OK);
	cr_assert_eq(folder_subscribe(me.postoffice, me.mailbox, S("s9"), true), ST_LIMITED);
}

static status use(int64_t folder, unsigned special)
{
	return annotation_set(&(struct annotation_change){.postoffice = me.postoffice,
		.owner = me.mailbox,
		.reader = me.mailbox,
		.folder = folder,
		.uses = true,
		.special = special});
}

Test(folders, have_a_special_use_once)
{
	folder *f;

	cr_assert_eq(
		folder_make(me.postoffice, me.mailbox, S("Sent"), FOLDER_SENT, &me.a, &f), ST_OK);
	cr_assert_eq(f->special, FOLDER_SENT);
	cr_assert_eq(folder_make(me.postoffice, me.mailbox, S("Sent 2"), FOLDER_SENT, &me.a, &f),
		ST_DENIED);
	made(S("old"));
	cr_assert_eq(use(found("old")->id, FOLDER_SENT), ST_DENIED);
	cr_assert_eq(use(found("old")->id, FOLDER_ARCHIVE | FOLDER_JUNK), ST_OK);
	cr_assert_eq(use(found("old")->id, FOLDER_ARCHIVE), ST_OK);
	cr_assert_eq(use(found("old")->id + 1, 0), ST_ABSENT);
	cr_assert_eq(use(found("Sent")->id, 0), ST_OK);
	cr_assert_eq(found("Sent")->special, 0);
	cr_assert_eq(found("old")->special, FOLDER_ARCHIVE);
}

Test(folders, are_subscribed_apart_from_being)
{
	made(S("a"));
	cr_assert_eq(folder_subscribe(me.postoffice, me.mailbox, S("a"), true), ST_OK);
	cr_assert_eq(folder_subscribe(me.postoffice, me.mailbox, S("a"), true), ST_OK);
	cr_assert_eq(folder_subscribe(me.postoffice, me.mailbox, S("ghost/x"), true), ST_OK);
	assert_tree("INBOX:fs a:fs ghost/x:s");
	cr_assert_eq(removed("a"), ST_OK);
	assert_tree("INBOX:fs a:s ghost/x:s");
	cr_assert_eq(folder_subscribe(me.postoffice, me.mailbox, S("a"), false), ST_OK);
	cr_assert_eq(folder_subscribe(me.postoffice, me.mailbox, S("inbox"), false), ST_OK);
	cr_assert_eq(folder_subscribe(me.postoffice, me.mailbox, S("b"), false), ST_OK);
	assert_tree("INBOX:f ghost/x:s");
}

Test(folders, are_renamed_with_their_children)
{
	made(S("a/b/c"));
	made(S("ab"));
	filled(S("a/b"), 2);
	int64_t id = found("a/b")->id;

	cr_assert_eq(rename_to("a/b", "x/y"), ST_OK);
	assert_tree("INBOX:fs a:f ab:f x:fc x/y:fc x/y/c:f");
	cr_assert_eq(found("x/y")->id, id);
	cr_assert_eq(found("x/y")->messages, 2);
	cr_assert_eq(rename_to("x/y", "x/y/z"), ST_INVALID);
	cr_assert_eq(rename_to("x/y", "inbox"), ST_INVALID);
	cr_assert_eq(rename_to("x/y", "a"), ST_EXISTS);
	cr_assert_eq(rename_to("x/y", "x/y"), ST_EXISTS);
	cr_assert_eq(rename_to("none", "new"), ST_ABSENT);
	cr_assert_eq(removed("x"), ST_OK);
	assert_tree("INBOX:fs a:f ab:f x:c x/y:fc x/y/c:f");
	cr_assert_eq(rename_to("x", "z"), ST_OK);
	assert_tree("INBOX:fs a:f ab:f z:c z/y:fc z/y/c:f");
	assert_counted();
}

Test(folders, below_a_renamed_one_are_no_deeper_than_others)
{
	slice three = S("3"), why = S("");

	cr_assert_eq(setting_set(S_folder_depth_most, NULL, &three, NULL, &me.a, &why), ST_OK);
	made(S("a/b/c"));
	made(S("x"));
	cr_assert_eq(rename_to("a", "x/a"), ST_LIMITED);
	cr_assert_eq(rename_to("a", "new/a"), ST_LIMITED);
	assert_tree("INBOX:fs a:fc a/b:fc a/b/c:f x:f");
	cr_assert_eq(rename_to("a/b", "x/b"), ST_OK);
	assert_tree("INBOX:fs a:f x:fc x/b:fc x/b/c:f");
	cr_assert_eq(setting_set(S_folder_depth_most, NULL, NULL, NULL, &me.a, &why), ST_OK);
}

Test(folders, of_a_new_mailbox_are_those_of_its_setting)
{
	static const slice first = S("Sent Items=\\Sent, Old/Trash=\\Trash, Old=\\Archive, Work");
	static const slice lengthy = S("Forty octets are more than the least of it=\\Sent");
	const struct setting_at at = {.postoffice = me.postoffice};
	const struct mailbox_new berta = {
		.name = S("berta"), .password = S("a-secret-of-hers"), .quota = -1};
	slice why = S(""), few = S("32");
	struct folder_row *rows;
	mailbox *m;
	folder *f;
	int n;

	cr_assert_eq(setting_set(S_mailbox_folders, &at, &first, NULL, &me.a, &why), ST_OK);
	cr_assert_eq(mailbox_make(me.postoffice, &berta, NULL, &me.a, &m, &why), ST_OK);
	assert_tree("INBOX:fs");
	me.mailbox = m->id;
	assert_tree("INBOX:fs Old:fsc Old/Trash:fs Sent Items:fs Work:fs");
	cr_assert_eq(found("INBOX")->id, m->inbox);
	cr_assert_eq(found("Sent Items")->special, FOLDER_SENT);
	cr_assert_eq(found("Old")->special, FOLDER_ARCHIVE);
	cr_assert_eq(found("Old/Trash")->special, FOLDER_TRASH);
	cr_assert_eq(found("Work")->special, 0);
	made(S("later"));
	rows = tree(&n);
	for (int i = 0; i < n; i++)
		for (int j = 0; j < i; j++)
			cr_assert(rows[i].f.id != rows[j].f.id &&
				  rows[i].f.uidvalidity != rows[j].f.uidvalidity);
	cr_assert_eq(folder_make(me.postoffice, m->id, S("x"), FOLDER_SENT, &me.a, &f), ST_DENIED);

	cr_assert_eq(setting_set(S_folder_name_most, NULL, &few, NULL, &me.a, &why), ST_OK);
	cr_assert_eq(setting_set(S_mailbox_folders, &at, &lengthy, NULL, &me.a, &why), ST_INVALID);
	cr_assert(slice_search(why, S("folder_name_most")) < why.size);
	cr_assert_eq(setting_set(S_folder_name_most, NULL, NULL, NULL, &me.a, &why), ST_OK);
}

Test(folders, below_a_renamed_one_have_no_longer_names_than_others)
{
	slice few = S("32"), why = S("");

	cr_assert_eq(setting_set(S_folder_name_most, NULL, &few, NULL, &me.a, &why), ST_OK);
	made(S("a/twenty-four characters"));
	cr_assert_eq(rename_to("a", "some longer name"), ST_LIMITED);
	assert_tree("INBOX:fs a:fc a/twenty-four characters:f");
	cr_assert_eq(rename_to("a", "name"), ST_OK);
	cr_assert_eq(setting_set(S_folder_name_most, NULL, NULL, NULL, &me.a, &why), ST_OK);
}

Test(folders, inbox_is_renamed_by_moving_its_messages)
{
	filled(S("INBOX"), 3);
	made(S("INBOX/below"));
	int64_t id = found("INBOX")->id;

	cr_assert_eq(rename_to("inbox", "old/mail"), ST_OK);
	assert_tree("INBOX:fsc INBOX/below:f old:fc old/mail:f");
	cr_assert_eq(found("INBOX")->id, id);
	cr_assert_eq(found("INBOX")->messages, 0);
	cr_assert_eq(found("INBOX")->uidnext, 4);
	cr_assert_eq(found("old/mail")->messages, 3);
	cr_assert_eq(rename_to("INBOX", "old"), ST_EXISTS);
	assert_counted();
}

Test(folders, are_removed_without_their_children)
{
	made(S("a/b"));
	filled(S("a"), 2);
	uint32_t uidvalidity = found("a")->uidvalidity;

	cr_assert_eq(removed("INBOX"), ST_DENIED);
	cr_assert_eq(removed("none"), ST_ABSENT);
	cr_assert_eq(removed("a"), ST_OK);
	assert_tree("INBOX:fs a:c a/b:f");
	cr_assert_eq(removed("a"), ST_DENIED);
	assert_counted();
	made(S("a"));
	cr_assert(found("a")->uidvalidity != uidvalidity);
	cr_assert_eq(found("a")->messages, 0);
	cr_assert_eq(removed("a"), ST_OK);
	cr_assert_eq(removed("a/b"), ST_OK);
	assert_tree("INBOX:fs");
}

Test(folders, come_back_from_what_was_expunged)
{
	struct folder_lost all = {0};
	struct view_change c;
	int64_t restored;
	view *v;

	made(S("a"));
	made(S("gone"));
	appended(S("a"), S("Subject: 1\r\n\r\n"), FLAG_DELETED | FLAG_SEEN);
	appended(S("a"), S("Subject: 22\r\n\r\n"), FLAG_DELETED);
	appended(S("gone"), S("Subject: 333\r\n\r\n"), 0);
	v = opened(S("a"));
	int64_t first = v->entries[0].message, id = v->folder;
	cr_assert_eq(view_expunge(v, NULL, 0, &me.a, &c), ST_OK);
	cr_assert_eq(v->n, 0);
	cr_assert_eq(removed("gone"), ST_OK);

	struct folder_lost one = {.folder = id, .message = first};
	cr_assert_eq(folder_undelete(me.postoffice, me.mailbox, &one, &restored), ST_OK);
	cr_assert_eq(restored, 1);
	cr_assert_eq(view_refresh(v, false, &me.a, &c), ST_OK);
	cr_assert_eq(v->n, 1);
	cr_assert_eq(v->uids[0], 3);
	cr_assert_eq(v->entries[0].flags, FLAG_SEEN);
	struct folder_lost late = {.since = v->entries[0].received + 3600 * USEC_S};
	cr_assert_eq(folder_undelete(me.postoffice, me.mailbox, &late, &restored), ST_OK);
	cr_assert_eq(restored, 0);
	cr_assert_eq(folder_undelete(me.postoffice, me.mailbox, &all, &restored), ST_OK);
	cr_assert_eq(restored, 2, "%d", (int)restored);
	cr_assert_eq(found("INBOX")->messages, 1);
	cr_assert_eq(found("a")->messages, 2);
	cr_assert_eq(folder_undelete(me.postoffice, me.mailbox, &all, &restored), ST_OK);
	cr_assert_eq(restored, 0);
	assert_counted();
	view_close(&v);
}

Test(folders, come_back_as_far_as_there_is_room)
{
	struct folder_lost all = {0};
	struct view_change c;
	int64_t restored;
	view *v;

	for (int i = 0; i < 3; i++)
		appended(S("INBOX"), S("Subject: x\r\n\r\n0123456789"), FLAG_DELETED);
	v = opened(S("INBOX"));
	cr_assert_eq(view_expunge(v, NULL, 0, &me.a, &c), ST_OK);
	reader_quota(60);
	cr_assert_eq(folder_undelete(me.postoffice, me.mailbox, &all, &restored), ST_FULL);
	cr_assert_eq(restored, 2);
	assert_counted();
	view_close(&v);
}

Test(folders, of_others_are_not_to_be_had)
{
	struct reader other = reader_stranger();
	struct folder_row *rows;
	struct folder_lost all = {.into = me.inbox};
	folder *f;
	view *v = NULL;
	int64_t restored;
	int n;

	made(S("a"));
	cr_assert_eq(folder_find(other.postoffice, me.mailbox, S("a"), &me.a, &f), ST_ABSENT);
	cr_assert_eq(folder_tree(other.postoffice, me.mailbox, &me.a, &rows, &n), ST_OK);
	cr_assert_eq(n, 0);
	cr_assert_eq(view_open(other.postoffice, me.mailbox, S("a"), 0, &v), ST_ABSENT);
	cr_assert_eq(view_open(me.postoffice, other.mailbox, S("INBOX"), 0, &v), ST_ABSENT);
	cr_assert_eq(folder_make(other.postoffice, me.mailbox, S("b"), 0, &me.a, &f), ST_ABSENT);
	cr_assert_eq(folder_remove(other.postoffice, me.mailbox, S("a")), ST_ABSENT);
	cr_assert_eq(folder_rename(other.postoffice, me.mailbox, S("a"), S("b")), ST_ABSENT);
	folder_undelete(other.postoffice, me.mailbox, &all, &restored);
	cr_assert_eq(restored, 0);
	assert_tree("INBOX:fs a:f");
}
