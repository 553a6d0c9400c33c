/* Annotations as their reader finds them again. Against both stores. */
#include "provider/annotation.h"
#include "provider/mailbox.h"
#include "provider/setting.h"
#include "tests/unit/provider/reader.h"

#include <criterion/criterion.h>

TestSuite(annotations, .init = reader_begin, .fini = reader_end, .timeout = 300);

static status set(int64_t folder, const char *name, const char *value)
{
	struct annotation row = {
		.name = slice_z(name), .value = value ? slice_z(value) : (slice){0}};

	return annotation_set(&(struct annotation_change){.postoffice = me.postoffice,
		.owner = me.mailbox,
		.reader = me.mailbox,
		.folder = folder,
		.rows = &row,
		.n = 1});
}

/* "folder's place:name=value" of what is found, with blanks between. */
static void assert_found(const int64_t *folders, int n, const char *name,
	enum annotation_depth depth, const char *wanted)
{
	slice entry = slice_z(name), told = S("");
	struct annotation *rows = NULL;
	int found = 0;

	cr_assert_eq(annotation_list(me.postoffice, me.mailbox, folders, n, &entry, 1, depth, &me.a,
			     &rows, &found),
		ST_OK);
	for (int i = 0; i < found; i++) {
		int place = 0;

		while (place < n && folders[place] != rows[i].folder)
			place++;
		told = arena_format(&me.a, "%.*s%s%d:%.*s=%.*s", SLICE_ARGS(told), i ? " " : "",
			place, SLICE_ARGS(rows[i].name), SLICE_ARGS(rows[i].value));
	}
	cr_assert(slice_same(told, slice_z(wanted)), "%.*s", SLICE_ARGS(told));
}

Test(annotations, are_found_by_name_and_by_depth)
{
	const int64_t places[] = {0, me.inbox};

	cr_assert_eq(set(me.inbox, "/private/a", "1"), ST_OK);
	cr_assert_eq(set(me.inbox, "/private/a/b", "2"), ST_OK);
	cr_assert_eq(set(me.inbox, "/private/a/b/c", ""), ST_OK);
	cr_assert_eq(set(me.inbox, "/private/ab", "4"), ST_OK);
	cr_assert_eq(set(0, "/private/a", "own"), ST_OK);
	assert_found(places, 2, "/private/a", ANNOTATION_EXACT, "0:/private/a=own 1:/private/a=1");
	assert_found(places + 1, 1, "/private/a", ANNOTATION_CHILDREN,
		"0:/private/a=1 0:/private/a/b=2");
	assert_found(places + 1, 1, "/private/a", ANNOTATION_ALL_BELOW,
		"0:/private/a=1 0:/private/a/b=2 0:/private/a/b/c=");
	assert_found(places, 1, "/private", ANNOTATION_EXACT, "");
	cr_assert_eq(set(me.inbox, "/private/a", "new"), ST_OK);
	cr_assert_eq(set(me.inbox, "/private/a/b", NULL), ST_OK);
	cr_assert_eq(set(me.inbox, "/private/none", NULL), ST_OK);
	assert_found(places + 1, 1, "/private/a", ANNOTATION_CHILDREN, "0:/private/a=new");
}

static int64_t mark_of(int64_t folder, const char *name)
{
	struct annotation_mark *marks = NULL;
	int n = 0;

	cr_assert_eq(annotation_marks(me.postoffice, me.mailbox, &(struct annotation_places){0},
			     &me.a, &marks, &n),
		ST_OK);
	for (int i = 0; i < n; i++)
		if (marks[i].folder == folder && slice_same(marks[i].name, slice_z(name)))
			return marks[i].modseq;
	return 0;
}

Test(annotations, tell_when_they_were_set)
{
	int64_t first;

	cr_assert_eq(set(me.inbox, "/private/a", "1"), ST_OK);
	cr_assert_eq(set(0, "/private/a", "1"), ST_OK);
	first = mark_of(me.inbox, "/private/a");
	cr_expect_gt(first, 0);
	cr_expect_gt(mark_of(0, "/private/a"), first);
	cr_assert_eq(set(me.inbox, "/private/a", "1"), ST_OK);
	cr_expect_gt(mark_of(me.inbox, "/private/a"), mark_of(0, "/private/a"));
	cr_assert_eq(set(me.inbox, "/private/a", NULL), ST_OK);
	cr_expect_eq(mark_of(me.inbox, "/private/a"), 0);
}

static int64_t modseq_of(slice name)
{
	folder *f;

	cr_assert_eq(folder_find(me.postoffice, me.mailbox, name, &me.a, &f), ST_OK);
	return f->modseq;
}

/* RFC 7162 3.2: so readers see by HIGHESTMODSEQ that there is something new. */
Test(annotations, raise_the_modseq_of_their_folder)
{
	int64_t work = made(S("Work")), before = modseq_of(S("Work")),
		inbox = modseq_of(S("INBOX"));

	cr_assert_eq(set(work, "/private/x", "1"), ST_OK);
	cr_expect_eq(modseq_of(S("Work")), mark_of(work, "/private/x"));
	cr_expect_gt(modseq_of(S("Work")), before);
	before = modseq_of(S("Work"));
	cr_assert_eq(set(0, "/private/x", "1"), ST_OK);
	cr_expect_eq(modseq_of(S("Work")), before);
	cr_expect_eq(modseq_of(S("INBOX")), inbox);
	cr_assert_eq(set(work, "/private/x", NULL), ST_OK);
	cr_expect_gt(modseq_of(S("Work")), before);
}

Test(annotations, go_with_their_folder)
{
	int64_t work = made(S("Work"));
	const int64_t places[] = {work};

	cr_assert_eq(set(work, "/private/x", "1"), ST_OK);
	cr_assert_eq(folder_rename(me.postoffice, me.mailbox, S("Work"), S("Play")), ST_OK);
	assert_found(places, 1, "/private/x", ANNOTATION_EXACT, "0:/private/x=1");
	cr_assert_eq(folder_remove(me.postoffice, me.mailbox, S("Play")), ST_OK);
	assert_found(places, 1, "/private/x", ANNOTATION_EXACT, "");
	cr_assert_eq(set(work, "/private/x", "1"), ST_ABSENT);
}

/* What is private is its reader's, what is shared the owner's, and both go with the folder. */
Test(annotations, are_a_reader_s_beside_the_folder_of_another)
{
	struct mailbox_new n = {
		.name = S("ben"), .password = S("Colleague-7-secret"), .no_addresses = true};
	const struct audit_by tester = {.who = S("test")};
	int64_t work = made(S("Work")), mine = me.mailbox;
	struct annotation rows[] = {{.name = S("/private/x"), .value = S("his")},
		{.name = S("/shared/x"), .value = S("all's")}};
	slice why = S("");
	mailbox *ben;

	cr_assert_eq(mailbox_make(me.postoffice, &n, &tester, &me.a, &ben, &why), ST_OK);
	struct annotation_change c = {.postoffice = me.postoffice,
		.owner = mine,
		.reader = ben->id,
		.folder = work,
		.rows = rows,
		.n = 2};
	cr_assert_eq(set(work, "/private/x", "mine"), ST_OK);
	cr_assert_eq(annotation_set(&c), ST_OK);
	assert_found(&work, 1, "/private", ANNOTATION_ALL_BELOW, "0:/private/x=mine");
	assert_found(&work, 1, "/shared", ANNOTATION_ALL_BELOW, "0:/shared/x=all's");
	me.mailbox = ben->id;
	cr_expect_gt(mark_of(work, "/private/x"), 0);
	assert_found(&work, 1, "/private", ANNOTATION_ALL_BELOW, "0:/private/x=his");
	assert_found(&work, 1, "/shared", ANNOTATION_ALL_BELOW, "");
	/* Each of the two has limits of his own, and all is set or nothing. */
	struct setting_at at = {.postoffice = me.postoffice, .mailbox = ben->id};
	slice one = S("1"), none;
	cr_assert_eq(setting_set(S_annotations_most, &at, &one, &tester, &me.a, &none), ST_OK);
	rows[0].name = S("/private/y");
	rows[1].value = S("new");
	cr_expect_eq(annotation_set(&c), ST_LIMITED);
	me.mailbox = mine;
	assert_found(&work, 1, "/shared", ANNOTATION_ALL_BELOW, "0:/shared/x=all's");
	c.owner = ben->id;
	cr_expect_eq(annotation_set(&c), ST_ABSENT);
	cr_assert_eq(folder_remove(me.postoffice, mine, S("Work")), ST_OK);
	me.mailbox = ben->id;
	assert_found(&work, 1, "/private", ANNOTATION_ALL_BELOW, "");
	cr_expect_eq(mark_of(work, "/private/x"), 0);
	me.mailbox = mine;
}

Test(annotations, are_no_stranger_s)
{
	const int64_t places[] = {0, me.inbox};
	struct reader own = me, other = reader_stranger();

	cr_assert_eq(set(me.inbox, "/private/x", "mine"), ST_OK);
	me.postoffice = other.postoffice;
	assert_found(places, 2, "/private", ANNOTATION_ALL_BELOW, "");
	cr_assert_eq(set(own.inbox, "/private/x", "theirs"), ST_ABSENT);
	me.mailbox = other.mailbox;
	assert_found(places, 2, "/private", ANNOTATION_ALL_BELOW, "");
	cr_assert_eq(set(own.inbox, "/private/x", "theirs"), ST_ABSENT);
	me.postoffice = own.postoffice;
	me.mailbox = own.mailbox;
	assert_found(places, 2, "/private/x", ANNOTATION_EXACT, "1:/private/x=mine");
}

Test(annotations, are_counted)
{
	const struct audit_by tester = {.who = S("test")};
	struct setting_at at = {.postoffice = me.postoffice, .mailbox = me.mailbox};
	slice two = S("2"), why;

	cr_assert_eq(setting_set(S_annotations_most, &at, &two, &tester, &me.a, &why), ST_OK);
	cr_assert_eq(set(me.inbox, "/private/a", "1"), ST_OK);
	cr_assert_eq(set(0, "/private/b", "2"), ST_OK);
	cr_assert_eq(set(me.inbox, "/private/c", "3"), ST_LIMITED);
	cr_assert_eq(set(me.inbox, "/private/a", "4"), ST_OK);
	cr_assert_eq(set(me.inbox, "/private/a", NULL), ST_OK);
	cr_assert_eq(set(me.inbox, "/private/c", "3"), ST_OK);
}
