/* Views, appending, keywords, facts: what a reader may rely on. Against both stores. */
#include "provider/mailbox.h"
#include "provider/message_fact.h"
#include "provider/message_head.h"
#include "provider/news.h"
#include "tests/unit/provider/reader.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(views, .init = reader_begin, .fini = reader_end, .timeout = 300);

#define SEEN (&(struct view_flags){.add = FLAG_SEEN, .unchanged_since = -1})
#define DELETED (&(struct view_flags){.add = FLAG_DELETED, .unchanged_since = -1})

static struct view_change looked(view *v, bool hold)
{
	struct view_change c;

	cr_assert_eq(view_refresh(v, hold, &me.a, &c), ST_OK);
	return c;
}

static struct view_stored stored(view *v, uint32_t uid, const struct view_flags *f)
{
	struct view_stored s;

	cr_assert_eq(view_store(v, &uid, 1, f, true, &me.a, &s), ST_OK);
	return s;
}

Test(views, show_what_is_there_and_what_comes)
{
	view *v;
	struct view_change c;

	filled(S("INBOX"), 2);
	v = opened(S("inbox"));
	cr_assert_eq(v->n, 2);
	cr_assert_eq(v->count, 2);
	cr_assert_eq(v->uidnext, 3);
	cr_assert_eq(v->uids[1], 2);
	cr_assert_eq(v->entries[0].uid, 1);
	cr_assert(v->entries[0].modseq < v->entries[1].modseq);
	cr_assert_eq(v->entries[1].modseq, v->modseq);
	c = looked(v, false);
	cr_assert_eq(c.arrived + c.changed_n + c.gone_n, 0);
	reader_deliver(S("Subject: new\r\n\r\n"));
	filled(S("INBOX"), 1);
	c = looked(v, false);
	cr_assert_eq(c.arrived, 2);
	cr_assert_eq(c.changed_n, 0);
	cr_assert_eq(v->n, 4);
	cr_assert_eq(view_number(v, 4), 4);
	cr_assert_eq(view_find(v, 3)->size, 16);
	cr_assert_null(view_find(v, 5));
	cr_assert_eq(view_number(v, 5), 0);
	view_close(&v);
	cr_assert_eq(view_open(me.postoffice, me.mailbox, S("none"), 0, &v), ST_ABSENT);
	assert_counted();
}

Test(views, change_flags_and_tell_what_is_their_own)
{
	view *v, *w;
	struct view_stored s;
	struct view_change c;

	filled(S("INBOX"), 3);
	v = opened(S("INBOX"));
	w = opened(S("INBOX"));
	int64_t before = v->modseq;

	s = stored(v, 2, SEEN);
	cr_assert(s.change.own > before);
	cr_assert_eq(s.change.changed_n, 1);
	cr_assert_eq(s.change.changed[0], 2);
	cr_assert_eq(view_find(v, 2)->modseq, s.change.own);
	cr_assert_eq(view_find(v, 2)->flags, FLAG_SEEN);
	cr_assert_eq(v->modseq, s.change.own);
	s = stored(v, 2, SEEN);
	cr_assert_eq(s.change.own, 0);
	cr_assert_eq(s.change.changed_n, 0);
	cr_assert_eq(stored(v, 9, SEEN).change.own, 0);

	/* The other one did not look since: both changes come with its own. */
	s = stored(w, 3,
		&(struct view_flags){.add = FLAG_FLAGGED | FLAG_DRAFT, .unchanged_since = -1});
	cr_assert_eq(s.change.changed_n, 2);
	cr_assert_eq(s.change.changed[0], 2);
	cr_assert(view_find(w, 2)->modseq != s.change.own);
	cr_assert_eq(view_find(w, 3)->modseq, s.change.own);
	stored(w, 3, &(struct view_flags){.remove = FLAG_DRAFT, .unchanged_since = -1});
	stored(w, 2,
		&(struct view_flags){
			.remove = VIEW_ALL_FLAGS, .add = FLAG_ANSWERED, .unchanged_since = -1});
	c = looked(v, true);
	cr_assert_eq(c.changed_n, 2);
	cr_assert_eq(c.own, 0);
	cr_assert_eq(view_find(v, 2)->flags, FLAG_ANSWERED);
	cr_assert_eq(view_find(v, 3)->flags, FLAG_FLAGGED);
	assert_counted();
	view_close(&v);
	view_close(&w);
}

Test(views, hold_back_what_changed_since)
{
	view *v, *w;
	struct view_stored s;
	uint32_t all[] = {3, 1, 2, 2};

	filled(S("INBOX"), 3);
	v = opened(S("INBOX"));
	w = opened(S("INBOX"));
	int64_t known = v->modseq;
	stored(w, 2, SEEN);
	struct view_flags f = {.add = FLAG_FLAGGED, .unchanged_since = known};
	cr_assert_eq(view_store(v, all, 4, &f, true, &me.a, &s), ST_OK);
	cr_assert_eq(s.failed_n, 1);
	cr_assert_eq(s.failed[0], 2);
	cr_assert_eq(s.change.changed_n, 3);
	cr_assert_eq(view_find(v, 2)->flags, FLAG_SEEN);
	cr_assert_eq(view_find(v, 1)->flags, FLAG_FLAGGED);
	view_close(&v);
	view_close(&w);
}

Test(views, number_messages_until_they_are_told_gone)
{
	view *v, *w;
	struct view_change c;
	uint32_t some[] = {2, 4, 5};

	filled(S("INBOX"), 6);
	v = opened(S("INBOX"));
	w = opened(S("INBOX"));
	struct view_stored s;
	cr_assert_eq(view_store(w, some, 3, DELETED, false, &me.a, &s), ST_OK);
	uint32_t two[] = {5, 2, 3};
	cr_assert_eq(view_expunge(w, two, 3, &me.a, &c), ST_OK);
	cr_assert_eq(c.gone_n, 2);
	cr_assert_eq(c.gone[0], 5);
	cr_assert_eq(c.gone[1], 2);
	cr_assert_eq(c.gone_uids[0], 5);
	cr_assert_eq(w->n, 4);
	cr_assert_eq(w->uids[1], 3);
	cr_assert_eq(w->uids[2], 4);

	c = looked(v, true);
	cr_assert_eq(c.gone_n, 0);
	cr_assert_eq(c.held_n, 2);
	cr_assert_eq(c.changed_n, 1);
	cr_assert_eq(v->n, 6);
	cr_assert_eq(v->count, 4);
	cr_assert_null(view_find(v, 2));
	cr_assert_eq(view_number(v, 6), 6);
	filled(S("INBOX"), 1);
	c = looked(v, true);
	cr_assert_eq(c.arrived, 1);
	cr_assert_eq(v->n, 7);
	c = looked(v, false);
	cr_assert_eq(c.gone_n, 2);
	cr_assert_eq(c.gone[0], 5);
	cr_assert_eq(v->n, 5);
	cr_assert_eq(view_number(v, 7), 5);
	cr_assert_eq(view_expunge(v, NULL, 0, &me.a, &c), ST_OK);
	cr_assert_eq(c.gone_n, 1);
	cr_assert_eq(c.gone[0], 3);
	assert_counted();
	view_close(&v);
	view_close(&w);
}

Test(views, rest_with_their_numbers_alone)
{
	view *v, *w;
	struct view_change c;
	struct view_copied p;
	uint32_t some[] = {2, 3};

	filled(S("INBOX"), 4);
	made(S("a"));
	v = opened(S("INBOX"));
	w = opened(S("INBOX"));
	view_rest(v);
	cr_assert_eq(v->n, 4);
	cr_assert_eq(v->count, 0);
	cr_assert_null(view_find(v, 1));
	cr_assert_eq(view_number(v, 4), 4);
	c = looked(v, true);
	cr_assert_eq(c.changed_n + c.arrived + c.held_n, 0);
	cr_assert_eq(v->count, 4);

	view_rest(v);
	stored(w, 1, SEEN);
	stored(w, 2, DELETED);
	cr_assert_eq(view_expunge(w, NULL, 0, &me.a, &c), ST_OK);
	filled(S("INBOX"), 1);
	c = looked(v, true);
	cr_assert_eq(c.held_n, 1);
	cr_assert_eq(c.changed_n, 1);
	cr_assert_eq(c.arrived, 1);
	view_rest(v);
	c = looked(v, false);
	cr_assert_eq(c.gone_n, 1);
	cr_assert_eq(c.gone[0], 2);

	view_rest(v);
	cr_assert_eq(stored(v, 3, DELETED).change.changed_n, 1);
	view_rest(v);
	cr_assert_eq(view_copy(v, some, 2, S("a"), true, &me.a, &p), ST_OK);
	cr_assert_eq(p.n, 1);
	view_rest(v);
	cr_assert_eq(view_expunge(v, some, 2, &me.a, &c), ST_OK);
	cr_assert_eq(c.gone_n, 1);
	view_rest(v);
	cr_assert_eq(view_move(v, v->uids, 1, S("a"), &me.a, &p), ST_OK);
	cr_assert_eq(p.change.gone_n, 1);
	view_rest(v);
	cr_assert_eq(view_move(v, v->uids, 1, S("INBOX"), &me.a, &p), ST_OK);
	cr_assert_eq(v->n, 2);
	cr_assert_eq(v->count, 2);
	assert_counted();
	view_close(&v);
	view_close(&w);
}

Test(views, expunge_only_what_their_reader_knows)
{
	view *v;
	struct view_change c;

	filled(S("INBOX"), 1);
	v = opened(S("INBOX"));
	appended(S("INBOX"), S("Subject: x\r\n\r\n"), FLAG_DELETED);
	cr_assert_eq(view_expunge(v, NULL, 0, &me.a, &c), ST_OK);
	cr_assert_eq(c.gone_n, 0);
	cr_assert_eq(c.arrived, 1);
	cr_assert_eq(v->n, 2);
	cr_assert_eq(view_expunge(v, NULL, 0, &me.a, &c), ST_OK);
	cr_assert_eq(c.gone_n, 1);
	cr_assert_eq(v->n, 1);
	view_close(&v);
}

Test(views, read_only_change_nothing)
{
	view *v;
	struct view_stored s;
	struct view_change c;
	struct view_copied m;
	uint32_t one = 1;

	filled(S("INBOX"), 1);
	made(S("a"));
	cr_assert_eq(view_open(me.postoffice, me.mailbox, S("INBOX"), VIEW_READ_ONLY, &v), ST_OK);
	cr_assert_eq(view_store(v, &one, 1, SEEN, true, &me.a, &s), ST_DENIED);
	cr_assert_eq(view_expunge(v, NULL, 0, &me.a, &c), ST_DENIED);
	cr_assert_eq(view_move(v, &one, 1, S("a"), &me.a, &m), ST_DENIED);
	cr_assert_eq(view_copy(v, &one, 1, S("a"), true, &me.a, &m), ST_OK);
	view_close(&v);
	assert_counted();
}

Test(views, show_recent_messages_to_one_reader)
{
	view *v, *w;

	filled(S("INBOX"), 2);
	cr_assert_eq(
		view_open(me.postoffice, me.mailbox, S("INBOX"), VIEW_RECENT | VIEW_READ_ONLY, &v),
		ST_OK);
	cr_assert_eq(v->recent, 1);
	looked(v, false);
	view_close(&v);
	cr_assert_eq(view_open(me.postoffice, me.mailbox, S("INBOX"), VIEW_READ_ONLY, &v), ST_OK);
	cr_assert_eq(v->recent, UINT32_MAX);
	view_close(&v);
	cr_assert_eq(view_open(me.postoffice, me.mailbox, S("INBOX"), VIEW_RECENT, &v), ST_OK);
	cr_assert_eq(v->recent, 1);
	cr_assert_eq(view_open(me.postoffice, me.mailbox, S("INBOX"), VIEW_RECENT, &w), ST_OK);
	cr_assert_eq(w->recent, 3);
	view_close(&w);
	filled(S("INBOX"), 1);
	looked(v, false);
	cr_assert_eq(view_open(me.postoffice, me.mailbox, S("INBOX"), VIEW_RECENT, &w), ST_OK);
	cr_assert_eq(w->recent, 4);
	view_close(&w);
	view_close(&v);
}

Test(views, tell_what_vanished_since)
{
	view *v;
	struct view_change c;
	struct view_range *ranges;
	bool complete;
	int n;

	filled(S("INBOX"), 6);
	v = opened(S("INBOX"));
	int64_t start = v->modseq;
	uint32_t some[] = {2, 3, 5};
	struct view_stored s;
	cr_assert_eq(view_store(v, some, 3, DELETED, false, &me.a, &s), ST_OK);
	cr_assert_eq(view_expunge(v, some, 2, &me.a, &c), ST_OK);
	int64_t middle = v->modseq;
	cr_assert_eq(view_expunge(v, some, 3, &me.a, &c), ST_OK);
	cr_assert_eq(view_vanished(v, start, &me.a, &ranges, &n, &complete), ST_OK);
	cr_assert(complete);
	int64_t told = 0;
	for (int i = 0; i < n; i++)
		for (uint32_t uid = ranges[i].first; uid <= ranges[i].last; uid++)
			told = told * 10 + uid;
	cr_assert_eq(told, 235);
	cr_assert_eq(view_vanished(v, middle, &me.a, &ranges, &n, &complete), ST_OK);
	cr_assert_eq(n, 1);
	cr_assert_eq(ranges[0].first, 5);
	cr_assert_eq(view_vanished(v, v->modseq, &me.a, &ranges, &n, &complete), ST_OK);
	cr_assert_eq(n, 0);
	view_close(&v);
}

Test(views, what_vanished_of_a_removed_folder_is_told_by_the_view)
{
	view *v;
	struct view_change c;
	struct view_stored s;
	struct view_range *ranges;
	bool complete = true;
	int n;
	uint32_t some[] = {2};

	made(S("a"));
	filled(S("a"), 3);
	v = opened(S("a"));
	cr_assert_eq(view_store(v, some, 1, DELETED, false, &me.a, &s), ST_OK);
	cr_assert_eq(view_expunge(v, some, 1, &me.a, &c), ST_OK);
	cr_assert_eq(folder_remove(me.postoffice, me.mailbox, S("a")), ST_OK);
	cr_assert_eq(view_vanished(v, 1, &me.a, &ranges, &n, &complete), ST_OK);
	cr_assert(!complete);
	cr_assert_eq(n, 1);
	cr_assert_eq(ranges[0].first, 2);
	cr_assert_eq(ranges[0].last, 2);
	view_close(&v);
}

Test(views, copy_all_or_none)
{
	view *v;
	struct view_copied p;
	uint32_t some[] = {3, 1, 9};

	filled(S("INBOX"), 3);
	made(S("a"));
	filled(S("a"), 4);
	v = opened(S("INBOX"));
	stored(v, 3, SEEN);
	cr_assert_eq(view_copy(v, some, 3, S("A"), true, &me.a, &p), ST_ABSENT);
	cr_assert_eq(view_copy(v, some, 3, S("a"), true, &me.a, &p), ST_OK);
	cr_assert_eq(p.n, 2);
	cr_assert_eq(p.from[0], 1);
	cr_assert_eq(p.from[1], 3);
	cr_assert_eq(p.to[0], 5);
	cr_assert_eq(p.to[1], 6);
	cr_assert_eq(v->n, 3);
	view *w = opened(S("a"));
	cr_assert_eq(p.uidvalidity, w->uidvalidity);
	cr_assert_eq(p.modseq, w->modseq);
	cr_assert_eq(view_find(w, 6)->message, view_find(v, 3)->message);
	cr_assert_eq(view_find(w, 6)->flags, FLAG_SEEN);
	cr_assert_eq(view_find(w, 6)->received, view_find(v, 3)->received);
	view_close(&w);

	cr_assert_eq(view_copy(v, some, 1, S("INBOX"), true, &me.a, &p), ST_OK);
	cr_assert_eq(p.to[0], 4);
	cr_assert_eq(p.change.arrived, 1);
	cr_assert_eq(v->n, 4);
	reader_quota(1);
	cr_assert_eq(view_copy(v, some, 2, S("a"), true, &me.a, &p), ST_FULL);
	cr_assert_eq(view_copy(v, some + 2, 1, S("a"), true, &me.a, &p), ST_OK);
	cr_assert_eq(p.n, 0);
	assert_counted();
	view_close(&v);
}

Test(views, copy_none_by_number_when_one_is_gone)
{
	view *v, *w;
	struct view_copied p;
	struct view_change c;
	uint32_t some[] = {1, 2}, two = 2;
	const struct view_flags deleted = {.add = FLAG_DELETED, .unchanged_since = -1};

	filled(S("INBOX"), 3);
	made(S("a"));
	v = opened(S("INBOX"));
	w = opened(S("INBOX"));
	stored(w, 2, &deleted);
	cr_assert_eq(view_expunge(w, &two, 1, &me.a, &c), ST_OK);
	cr_assert_eq(view_copy(v, some, 2, S("none"), true, &me.a, &p), ST_ABSENT);
	cr_assert_eq(view_copy(v, some, 2, S("a"), true, &me.a, &p), ST_OK);
	cr_expect_eq(p.n, 0);
	cr_expect_eq(p.change.held_n, 1);
	cr_expect_eq(view_number(v, 2), 2);
	reader_quota(1);
	cr_assert_eq(view_copy(v, some, 2, S("a"), true, &me.a, &p), ST_OK,
		"that there is no room, too, is no matter");
	reader_quota(0);
	cr_assert_eq(view_copy(v, some, 2, S("a"), false, &me.a, &p), ST_OK);
	cr_expect_eq(p.n, 1);
	cr_expect_eq(p.from[0], 1);
	cr_expect_eq(p.to[0], 1);
	cr_expect_eq(p.change.gone_n, 1);
	assert_counted();
	view_close(&w);
	view_close(&v);
}

Test(views, move_even_without_room)
{
	view *v, *w;
	struct view_copied p;
	uint32_t some[] = {4, 2};

	filled(S("INBOX"), 4);
	made(S("a"));
	v = opened(S("INBOX"));
	w = opened(S("INBOX"));
	reader_quota(1);
	cr_assert_eq(view_move(v, some, 2, S("none"), &me.a, &p), ST_ABSENT);
	cr_assert_eq(view_move(v, some, 2, S("a"), &me.a, &p), ST_OK);
	cr_assert_eq(p.n, 2);
	cr_assert_eq(p.from[0], 2);
	cr_assert_eq(p.to[1], 2);
	cr_assert_eq(p.change.gone_n, 2);
	cr_assert_eq(p.change.gone[0], 4);
	cr_assert_eq(v->n, 2);
	cr_assert_eq(looked(w, false).gone_n, 2);
	cr_assert_eq(view_move(w, some, 2, S("a"), &me.a, &p), ST_OK);
	cr_assert_eq(p.n, 0);
	assert_counted();
	reader_quota(0);
	uint32_t one = 1;
	cr_assert_eq(view_move(v, &one, 1, S("INBOX"), &me.a, &p), ST_OK);
	cr_assert_eq(p.n, 1);
	cr_assert_eq(p.change.gone_n, 1);
	cr_assert_eq(p.change.gone[0], 1);
	cr_assert_eq(p.change.arrived, 1);
	cr_assert_eq(v->n, 2);
	cr_assert_eq(v->uids[1], p.to[0]);
	assert_counted();
	view_close(&v);
	view_close(&w);
}

static void bodies_open(struct append_message *m, int n)
{
	for (int i = 0; i < n; i++) {
		m[i].header = S(
			"Subject: =?utf-8?q?=C3=A4?=\r\nDate: Thu, 1 Jan 1970 00:01:40 +0000\r\n\r\n");
		m[i].header_size = (uint32_t)m[i].header.size;
		cr_assert_eq(blob_writer_open(me.postoffice, &m[i].body), ST_OK);
		cr_assert_eq(blob_write(m[i].body, m[i].header), ST_OK);
		cr_assert_eq(blob_writer_finish(m[i].body), ST_OK);
	}
}

static void bodies_close(struct append_message *m, int n)
{
	for (int i = 0; i < n; i++)
		blob_writer_close(&m[i].body);
}

Test(views, show_what_was_appended_together)
{
	struct append_message m[] = {
		{.flags = FLAG_SEEN, .received = 1000 * USEC_S, .zone = -210}, {.flags = 0}};
	struct append x = {.postoffice = me.postoffice,
		.mailbox = me.mailbox,
		.folder = S("a"),
		.messages = m,
		.n = 2};
	struct message_fact *facts;
	slice raw;
	view *v;

	bodies_open(m, 2);
	cr_assert_eq(append_run(&x), ST_ABSENT);
	made(S("a"));
	filled(S("a"), 1);
	cr_assert_eq(append_run(&x), ST_OK);
	cr_assert_eq(m[0].uid, 2);
	cr_assert_eq(m[1].uid, 3);
	v = opened(S("a"));
	cr_assert_eq(x.uidvalidity, v->uidvalidity);
	cr_assert_eq(x.modseq, v->modseq);
	const struct view_entry *e = view_find(v, 2);
	cr_assert_eq(e->message, m[0].id);
	cr_assert_eq(e->received, 1000 * USEC_S);
	cr_assert_eq(e->zone, -210);
	cr_assert_eq(e->flags, FLAG_SEEN);
	cr_assert(e->saved > 1000000);
	cr_assert(view_find(v, 3)->received > 1000 * USEC_S);
	cr_assert_eq(message_facts(me.postoffice, &m[1].id, 1, &me.a, &facts, NULL), ST_OK);
	cr_assert_eq(blob_head(me.postoffice, facts[0].blob, 1000, &me.a, &raw), ST_OK);
	cr_assert(slice_same(raw, m[1].header));
	bodies_close(m, 2);

	/* REPLACE: one comes, one goes. */
	bodies_open(m, 1);
	x.n = 1;
	x.replaced_folder = v->folder;
	x.replaced_uid = 2;
	cr_assert_eq(append_run(&x), ST_OK);
	struct view_change c = looked(v, false);
	cr_assert_eq(c.gone_n, 1);
	cr_assert_eq(c.gone_uids[0], 2);
	cr_assert_eq(c.arrived, 1);
	bodies_close(m, 1);
	bodies_open(m, 1);
	reader_quota(10);
	cr_assert_eq(append_run(&x), ST_FULL, "what is gone makes no room");
	bodies_close(m, 1);
	assert_counted();
	view_close(&v);
}

/* A full mailbox has room for what takes the place of another (RFC 8508 3.4). */
Test(views, replace_in_a_full_mailbox)
{
	struct append_message m[2] = {0};
	struct append x = {.postoffice = me.postoffice,
		.mailbox = me.mailbox,
		.folder = S("INBOX"),
		.messages = m,
		.n = 1};
	mailbox *mine;

	bodies_open(m, 1);
	cr_assert_eq(append_run(&x), ST_OK);
	bodies_close(m, 1);
	cr_assert_eq(mailbox_by_id(me.postoffice, me.mailbox, &me.a, &mine), ST_OK);
	reader_quota(mine->used);
	bodies_open(m, 1);
	cr_assert_eq(append_run(&x), ST_FULL);
	view *v = opened(S("INBOX"));
	x.replaced_folder = v->folder;
	x.replaced_uid = v->uids[v->n - 1];
	cr_assert_eq(append_run(&x), ST_OK);
	bodies_close(m, 1);
	bodies_open(m, 2);
	x.n = 2;
	x.replaced_uid++;
	cr_assert_eq(append_run(&x), ST_FULL, "two are more than one");
	bodies_close(m, 2);
	assert_counted();
	reader_quota(0);
	view_close(&v);
}

Test(views, know_the_names_of_keywords)
{
	slice names[] = {S("$label1"), S("\\Seen"), S("Work"), S("work"), S("$Junk")};
	slice bad = S("two words"), system = S("\\Unknown");
	struct keywords k;
	view *v;

	v = opened(S("INBOX"));
	cr_assert_eq(keyword_add(me.postoffice, me.mailbox, names, 5, &me.a, &k), ST_OK);
	cr_assert_eq(k.n, 2);
	cr_assert_eq(keyword_bit(&k, S("WORK")), KEYWORD_FIRST + 1);
	cr_assert_eq(keyword_bit(&k, S("$junk")), 7);
	cr_assert_eq(keyword_bit(&k, S("none")), -1);
	cr_assert(slice_same(keyword_name(&k, KEYWORD_FIRST), S("$label1")));
	cr_assert(slice_same(keyword_name(NULL, 0), S("\\Seen")));
	cr_assert_eq(keyword_name(&k, KEYWORD_FIRST + 2).size, 0);
	cr_assert_eq(keyword_add(me.postoffice, me.mailbox, &bad, 1, &me.a, &k), ST_INVALID);
	cr_assert_eq(keyword_add(me.postoffice, me.mailbox, &system, 1, &me.a, &k), ST_INVALID);
	looked(v, true);
	cr_assert_eq(v->keywords.n, 2);
	cr_assert(slice_same(v->keywords.names[1], S("Work")));
	filled(S("INBOX"), 1);
	looked(v, true);
	int64_t highest = INT64_C(1) << 62;
	stored(v, 1, &(struct view_flags){.add = highest, .unchanged_since = -1});
	cr_assert_eq(view_find(v, 1)->flags, highest);

	slice many[KEYWORDS_MOST];
	for (int i = 0; i < KEYWORDS_MOST; i++)
		many[i] = arena_format(&me.a, "k%d", i);
	cr_assert_eq(
		keyword_add(me.postoffice, me.mailbox, many, KEYWORDS_MOST, &me.a, &k), ST_LIMITED);
	cr_assert_eq(
		keyword_add(me.postoffice, me.mailbox, many, KEYWORDS_MOST - 2, &me.a, &k), ST_OK);
	cr_assert_eq(k.n, KEYWORDS_MOST);
	cr_assert_eq(keyword_list(me.postoffice, me.mailbox, &me.a, &k), ST_OK);
	cr_assert(slice_same(keyword_name(&k, 62), S("k44")));
	cr_assert_eq(keyword_list(me.postoffice, me.mailbox + 1, &me.a, &k), ST_ABSENT);
	view_close(&v);
}

Test(views, tell_facts_of_messages_once_packed)
{
	struct message_fact *facts;
	view *v;

	filled(S("INBOX"), 3);
	v = opened(S("INBOX"));
	int64_t ids[] = {v->entries[2].message, 77, v->entries[0].message};
	cr_assert_eq(message_facts(me.postoffice, ids, 3, &me.a, &facts, NULL), ST_OK);
	cr_assert_eq(facts[0].message, ids[0]);
	cr_assert_eq(facts[0].size, v->entries[2].size);
	cr_assert_eq(
		facts[0].structure.size, 0, "at most an envelope is known of what was appended");
	cr_assert_eq(facts[1].blob, 0);
	cr_assert(facts[2].blob != 0);
	facts[0].version = facts[2].version = 2;
	facts[0].envelope = S("env\0elope");
	facts[2].structure = S("parts");
	struct message_fact two[] = {facts[0], facts[2]};
	cr_assert_eq(message_facts_keep(me.postoffice, two, 2), ST_OK);
	two[0].version = 1;
	two[0].envelope = S("older");
	cr_assert_eq(message_facts_keep(me.postoffice, two, 1), ST_OK);
	struct message_fact *again;
	cr_assert_eq(message_facts(me.postoffice, ids, 3, &me.a, &again, NULL), ST_OK);
	cr_assert_eq(again[0].version, 2);
	cr_assert(slice_same(again[0].envelope, S("env\0elope")));
	cr_assert_eq(again[0].blob, facts[0].blob);
	cr_assert(slice_same(again[2].structure, S("parts")));
	cr_assert_eq(again[2].header_size, facts[2].header_size);
	struct reader other = reader_stranger();
	cr_assert_eq(message_facts(other.postoffice, ids, 1, &me.a, &again, NULL), ST_OK);
	cr_assert_eq(again[0].blob, 0);
	view_close(&v);
}

/* Of what strangers made large, no more than is bounded, and from then on nothing; what fits is the
   same from the store as from memory. */
Test(views, give_a_bounded_amount_of_what_was_packed)
{
	const size_t half = MESSAGE_FACTS_MOST / 2;
	struct message_fact *facts;
	view *v;
	int64_t ids[5];
	int whole = 0;

	filled(S("INBOX"), 5);
	v = opened(S("INBOX"));
	for (int i = 0; i < 5; i++)
		ids[i] = v->entries[i].message;
	cr_assert_eq(message_facts(me.postoffice, ids, 5, &me.a, &facts, NULL), ST_OK);
	for (int i = 0; i < 5; i++) {
		facts[i].version = 2;
		facts[i].envelope = slice_of(arena_new(&me.a, half), half);
		facts[i].structure = S("parts");
	}
	cr_assert_eq(message_facts_keep(me.postoffice, facts, 5), ST_OK);
	for (int turn = 0; turn < 3; turn++) {
		if (turn == 0)
			message_facts_forget();
		cr_assert_eq(message_facts(me.postoffice, ids, 5, &me.a, &facts, &whole), ST_OK);
		cr_assert_eq(whole, 2, "%d", whole);
		cr_assert(facts[1].version == 2 && facts[1].envelope.size == half);
		cr_assert(facts[2].blob && facts[2].version == 0 && facts[2].envelope.size == 0);
		cr_assert_eq(facts[4].size, v->entries[4].size);
	}
	cr_assert_eq(message_facts(me.postoffice, ids, 5, &me.a, &facts, NULL), ST_OK);
	cr_assert(facts[4].envelope.size == half, "who wants all of it is given it");
	view_close(&v);
}

struct heads {
	int n;
	size_t size[3];
};

static status head_note(int which, slice head, void *arg)
{
	struct heads *h = arg;

	h->n++;
	h->size[which] = slice_starts_nocase(head, S("Subject: ")) ? head.size : 0;
	return ST_OK;
}

Test(views, give_header_sections_in_batches)
{
	struct message_fact *facts;
	view *v;

	filled(S("INBOX"), 3);
	v = opened(S("INBOX"));
	int64_t ids[] = {v->entries[2].message, 77, v->entries[0].message};
	cr_assert_eq(message_facts(me.postoffice, ids, 3, &me.a, &facts, NULL), ST_OK);
	for (int turn = 0; turn < 2; turn++) { /* from the store, and from memory */
		struct heads h = {0};

		cr_assert_eq(message_heads(me.postoffice, ids, 3, head_note, &h), ST_OK);
		cr_assert_eq(h.n, 2);
		cr_assert_eq(h.size[0], facts[0].header_size);
		cr_assert_eq(h.size[2], facts[2].header_size);
	}
	struct heads none = {0};
	cr_assert_eq(message_heads(reader_stranger().postoffice, ids, 3, head_note, &none), ST_OK);
	cr_assert_eq(none.n, 0);
	view_close(&v);
}

static bool raised(notice *n)
{
	struct wait w = {.fd = -1, .notice = n};
	int which;

	return task_wait_any(&w, 1, clock_now(), &which) == ST_OK;
}

Test(views, hear_news_of_their_folder_at_once)
{
	notice *one = notice_open(), *any = notice_open();
	int64_t a = made(S("a"));
	news *n = news_open(me.postoffice, me.mailbox, a, one);
	news *m = news_open(me.postoffice, me.mailbox, 0, any);

	reader_heard(one);
	reader_heard(any);
	reader_deliver(S("Subject: x\r\n\r\n"));
	cr_assert(!raised(one));
	cr_assert(raised(any));
	filled(S("a"), 1);
	cr_assert(raised(one));
	cr_assert(raised(any));
	made(S("b"));
	cr_assert(raised(any));
	news_close(&n);
	filled(S("a"), 1);
	cr_assert(!raised(one));
	news_close(&m);
	notice_close(&one);
	notice_close(&any);
}

/* ---- a client that knows only what it was told, beside the truth */

struct client {
	view *v;
	uint32_t uids[400];
	int64_t flags[400];
	int n;
};

static void client_told(struct client *k, const struct view_change *c)
{
	for (int i = 0; i < c->gone_n; i++) {
		int at = (int)c->gone[i] - 1;

		cr_assert(at < k->n);
		cr_assert_eq(k->uids[at], c->gone_uids[i]);
		memmove(k->uids + at, k->uids + at + 1, (size_t)(k->n - at) * sizeof *k->uids);
		memmove(k->flags + at, k->flags + at + 1, (size_t)(k->n - at) * sizeof *k->flags);
		k->n--;
	}
	for (int i = 0; i < c->arrived; i++, k->n++) {
		const struct view_entry *e = view_find(k->v, k->v->uids[k->n]);

		k->uids[k->n] = k->v->uids[k->n];
		k->flags[k->n] = e ? e->flags : 0;
	}
	for (int i = 0; i < c->changed_n; i++) {
		int number = view_number(k->v, c->changed[i]);

		cr_assert(number > 0);
		k->flags[number - 1] = view_find(k->v, c->changed[i])->flags;
	}
	cr_assert_eq(k->n, k->v->n);
	for (int i = 0; i < k->n; i++) {
		const struct view_entry *e = view_find(k->v, k->uids[i]);

		cr_assert_eq(k->uids[i], k->v->uids[i]);
		cr_assert(!e || e->flags == k->flags[i], "flags of UID %u", k->uids[i]);
	}
}

static unsigned dice_state;

static int dice(int sides)
{
	dice_state = dice_state * 1103515245u + 12345u;
	return (int)(dice_state >> 16) % sides;
}

static void client_acts(struct client *k, slice other)
{
	struct view_change c = {0};
	struct view_stored s;
	struct view_copied p;
	uint32_t uids[3];
	bool hold = dice(2);

	if (dice(10) == 0)
		view_rest(k->v);
	for (int i = 0; i < 3; i++)
		uids[i] = k->n ? k->uids[dice(k->n)] : 1;
	struct view_flags f = {.remove = dice(3) ? 0 : VIEW_ALL_FLAGS,
		.add = INT64_C(1) << dice(5),
		.unchanged_since = dice(4) ? -1 : k->v->modseq - dice(5)};
	switch (dice(7)) {
	case 0:
		appended(k->v->name, S("Subject: x\r\n\r\n"), dice(2) ? FLAG_DELETED : 0);
		c = looked(k->v, hold);
		break;
	case 1:
		cr_assert_eq(view_expunge(k->v, dice(2) ? uids : NULL, 3, &me.a, &c), ST_OK);
		break;
	case 2:
		cr_assert_eq(
			view_copy(k->v, uids, 3, dice(2) ? other : k->v->name, hold, &me.a, &p),
			ST_OK);
		c = p.change;
		break;
	case 3:
		cr_assert_eq(
			view_move(k->v, uids, 2, dice(4) ? other : k->v->name, &me.a, &p), ST_OK);
		c = p.change;
		break;
	case 4:
		c = looked(k->v, hold);
		break;
	default:
		cr_assert_eq(view_store(k->v, uids, 3, &f, hold, &me.a, &s), ST_OK);
		c = s.change;
	}
	client_told(k, &c);
}

Test(views, tell_a_client_all_it_has_to_know)
{
	struct client k[4] = {0};
	slice names[] = {S("INBOX"), S("INBOX"), S("a"), S("a")};

	made(S("a"));
	dice_state = (unsigned)me.mailbox;
	printf("seed %u\n", dice_state);
	for (int i = 0; i < 4; i++)
		k[i].v = opened(names[i]);
	for (int i = 0; i < 600; i++) {
		client_acts(&k[dice(4)], names[dice(4)]);
		if (i % 100 == 99)
			assert_counted();
		arena_clear(&me.a);
	}
	for (int i = 0; i < 4; i++) {
		view *fresh = opened(names[i]);
		struct view_change c = looked(k[i].v, false);

		client_told(&k[i], &c);
		cr_assert_eq(fresh->n, k[i].n);
		cr_assert_eq(memcmp(fresh->uids, k[i].uids, (size_t)k[i].n * sizeof(uint32_t)), 0);
		for (int e = 0; e < fresh->n; e++)
			cr_assert_eq(fresh->entries[e].flags, k[i].flags[e]);
		view_close(&fresh);
		view_close(&k[i].v);
	}
}
