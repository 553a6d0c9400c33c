/* What only PostgreSQL can show: packed states, the change log's floor, two writers at once. */
#include "base/metric.h"
#include "mail/envelope.h"
#include "provider/acl.h"
#include "provider/folder_page.h"
#include "provider/folder_page_inside.h"
#include "provider/housekeep.h"
#include "provider/message_fact_cache.h"
#include "provider/message_head.h"
#include "provider/view_cache.h"
#include "provider/warm.h"
#include "task/task.h"
#include "tests/unit/provider/given.h"
#include "tests/unit/provider/reader.h"
#include "tests/unit/provider/store_fixture.h"

#include <criterion/criterion.h>

TestSuite(view_pg, .init = reader_begin, .fini = reader_end, .timeout = 300);

#define BIG 2600

/* Straight into the tables, which is faster; with zones and dates here and there. */
static void filled_big(int n)
{
	long long po = me.postoffice, box = me.mailbox, in = me.inbox;

	store_sql(
		"insert into entry (postoffice, folder, uid, modseq, flags, msg, idate, size, zone, saved)"
		" select %lld, %lld, u * 2, 2, u %% 2, u, timestamptz '2024-01-01 00:00:00.000123+00' + u * interval '1 min', 10 + u %% 90,"
		" case when u %% 7 = 0 then 60 end, case when u %% 5 = 0 then timestamptz '2024-05-05+00' end from generate_series(1, %d) u",
		po, in, n);
	store_sql(
		"update folder f set uidnext = %d, modseq = 2, nmsg = e.n, nunseen = e.unseen, nbytes = e.bytes from"
		" (select count(*) n, sum(size) bytes, count(*) filter (where flags & 1 = 0) unseen from entry where postoffice = %lld and folder = %lld) e"
		" where postoffice = %lld and folder = %lld",
		2 * n + 1, po, in, po, in);
	store_sql(
		"update mailbox m set modseq = 2, nmsg = f.nmsg, used = f.nbytes from folder f"
		" where m.postoffice = %lld and m.mailbox = %lld and f.postoffice = m.postoffice and f.folder = %lld",
		po, box, in);
}

static int64_t states(void)
{
	return store_sql("select coalesce(max(modseq), 0) from folder_snap where postoffice = %lld",
		(long long)me.postoffice);
}

static void assert_same(const view *a, const view *b)
{
	cr_assert_eq(a->count, b->count);
	for (int i = 0; i < a->count; i++) {
		const struct view_entry *x = &a->entries[i], *y = &b->entries[i];

		cr_assert(x->uid == y->uid && x->flags == y->flags && x->modseq == y->modseq &&
				  x->message == y->message && x->size == y->size &&
				  x->received == y->received && x->saved == y->saved &&
				  x->zone == y->zone,
			"entry %d", i);
	}
}

Test(view_pg, big_folders_have_a_packed_state)
{
	struct view_stored s;
	struct view_change c;
	view *v, *w;
	uint32_t some[] = {2, 6};
	struct view_flags f = {.add = FLAG_FLAGGED | FLAG_DELETED, .unchanged_since = -1};

	filled_big(BIG);
	v = opened(S("INBOX"));
	cr_assert_eq(v->n, BIG);
	cr_assert_eq(view_find(v, 14)->zone, 60);
	cr_assert_eq(view_find(v, 10)->saved, 1714867200);
	cr_assert_eq(view_find(v, 4)->saved, 1704067200 + 120);
	cr_assert_eq(view_find(v, 4)->received % USEC_S, 123);
	cr_assert_eq(states(), 2);
	view_cache_clear();
	w = opened(S("INBOX"));
	assert_same(v, w);
	view_close(&w);

	/* What came since is laid over it. */
	cr_assert_eq(view_store(v, some, 2, &f, false, &me.a, &s), ST_OK);
	cr_assert_eq(view_expunge(v, some, 1, &me.a, &c), ST_OK);
	filled(S("INBOX"), 2);
	cr_assert_eq(view_refresh(v, false, &me.a, &c), ST_OK);
	view_cache_clear();
	w = opened(S("INBOX"));
	assert_same(v, w);
	cr_assert_eq(w->n, BIG + 1);
	cr_assert_eq(states(), 2, "a state that is nearly right is made again");
	view_close(&w);

	/* More than a twentieth: made anew. */
	uint32_t *many = arena_new_array(&me.a, 200, sizeof *many);
	for (uint32_t i = 0; i < 200; i++)
		many[i] = 10 + 2 * i;
	cr_assert_eq(view_store(v, many, 200, &f, false, &me.a, &s), ST_OK);
	cr_assert_eq(s.change.changed_n, 200);
	view_cache_clear();
	w = opened(S("INBOX"));
	assert_same(v, w);
	cr_assert_eq(states(), v->modseq);
	view_close(&w);

	/* Broken, or of another time: read from the entries. */
	store_sql("update folder_snap set state = '\\x01ff7f' where postoffice = %lld",
		(long long)me.postoffice);
	view_cache_clear();
	w = opened(S("INBOX"));
	assert_same(v, w);
	view_close(&w);
	view_cache_clear();
	store_sql("update folder_snap set uidvalidity = 1, state = '' where postoffice = %lld",
		(long long)me.postoffice);
	w = opened(S("INBOX"));
	assert_same(v, w);
	view_close(&w);
	view_close(&v);
}

static int64_t pages(void)
{
	return store_sql("select count(*) from folder_page where postoffice = %lld",
		(long long)me.postoffice);
}

/* How many of 1,024 messages' envelopes, or all of them, this process does not know, from message 1
   on. */
static int unknown_of(bool whole)
{
	int64_t ids[1024];

	for (int i = 0; i < 1024; i++)
		ids[i] = i + 1;
	return message_facts_unknown(me.postoffice, ids, 1024, whole);
}

static int unknown(void)
{
	return unknown_of(false);
}

Test(view_pg, envelopes_of_big_folders_stand_in_pages)
{
	struct message_fact *facts;
	struct housekeep_result done;
	struct view_copied moved;
	int64_t id = 700, removed;
	folder *f;
	view *v;

	filled_big(BIG);
	store_sql(
		"insert into message (postoffice, msg, blob, size, hdrlen) select %lld, u, u + 5, 9, 4 from generate_series(1, %d) u",
		(long long)me.postoffice, BIG);
	store_sql(
		"insert into message_view (postoffice, msg, version, blob, size, hdrlen, envelope, structure)"
		" select %lld, u, %d, u + 5, 9, 4, convert_to('envelope ' || u, 'UTF8'), 'parts' from generate_series(1, %d) u",
		(long long)me.postoffice, MESSAGE_FACT_VERSION, BIG);
	v = opened(S("INBOX"));
	folder_page_bring(v, v->uids, 100, false);
	cr_assert_eq(unknown(), 1024, "there are no pages yet");
	cr_assert_eq(folder_page_make(v->postoffice, v->mailbox, v->folder, false), ST_OK);
	cr_assert_eq(pages(), 20, "each page of 256 UIDs that is full");
	message_facts_forget();
	folder_page_bring(v, v->uids, 10, false);
	cr_assert_eq(unknown(), 1024, "for a few it is not worth it");
	folder_page_bring(v, v->uids, 100, false);
	cr_assert_eq(unknown(), 1, "eight pages of UIDs 2, 4 .. 2046 were brought");
	cr_assert_eq(message_envelopes(v->postoffice, &id, 1, &me.a, &facts, NULL), ST_OK);
	cr_assert(facts->blob == 705 && facts->size == 9 && facts->header_size == 4 &&
		  slice_same(facts->envelope, S("envelope 700")) && facts->structure.size == 0);
	cr_assert_eq(message_facts(v->postoffice, &id, 1, &me.a, &facts, NULL), ST_OK);
	cr_assert(slice_same(facts->structure, S("parts")), "who wants all is told all");

	/* What leaves for another folder takes its page along, what is removed for good does,
	   too. */
	cr_assert_eq(folder_make(me.postoffice, me.mailbox, S("elsewhere"), 0, &me.a, &f), ST_OK);
	uint32_t some[] = {300, 302};
	cr_assert_eq(view_move(v, some, 2, S("elsewhere"), &me.a, &moved), ST_OK);
	cr_assert_eq(moved.n, 2);
	cr_assert_eq(pages(), 19);
	uint32_t gone = 5000;
	cr_assert_eq(
		folder_expunge(me.postoffice, me.mailbox, me.inbox, &gone, 1, &removed), ST_OK);
	cr_assert_eq(pages(), 19);
	store_sql("update expunged set at = at - interval '40 days' where postoffice = %lld",
		(long long)me.postoffice);
	cr_assert_eq(housekeep_run(&done), ST_OK);
	cr_assert_eq(done.messages, 1);
	cr_assert_eq(pages(), 18);

	/* A broken one is nothing; what is asked of the store is right. */
	store_sql("update folder_page set facts = '\\x2801ff7f' where postoffice = %lld",
		(long long)me.postoffice);
	message_facts_forget();
	folder_page_bring(v, v->uids, 100, false);
	cr_assert_eq(unknown(), 1024);
	message_facts_forget();
	view_close(&v);
}

static int64_t whole_pages(void)
{
	return store_sql(
		"select count(*) from folder_page where postoffice = %lld and version %% 1000 = 2",
		(long long)me.postoffice);
}

/* As a reader of many leaves them. */
static void packed_by_a_reader(const view *v, int n)
{
	for (int i = 0; i < n; i++) {
		struct message_fact f = {.message = v->entries[i].message,
			.blob = 5,
			.size = 9,
			.header_size = 4,
			.version = MESSAGE_FACT_VERSION,
			.envelope = S("envelope"),
			.structure = arena_format(&me.a, "parts %d", i)};

		message_facts_learn(v->postoffice, &f, 1);
	}
}

Test(view_pg, part_trees_of_big_folders_stand_in_pages_once_they_are_known)
{
	struct message_fact *facts;
	view *v;

	filled_big(BIG);
	v = opened(S("INBOX"));
	message_facts_forget();
	packed_by_a_reader(v, 1000);
	cr_assert_eq(folder_page_make(v->postoffice, v->mailbox, v->folder, true), ST_OK);
	cr_assert_eq(whole_pages(), 7, "of UIDs 2, 4 .. 2000 those that are known whole");
	message_facts_forget();
	folder_page_bring(v, v->uids, 100, true);
	cr_assert_eq(unknown_of(true), 1024 - 895, "seven pages of 127 and 128 were brought");
	cr_assert_eq(unknown(), 1024 - 895, "of the others nothing was asked for");
	cr_assert_eq(message_facts(v->postoffice, &v->entries[700].message, 1, &me.a, &facts, NULL),
		ST_OK);
	cr_assert(slice_same(facts->structure, S("parts 700")) &&
		  slice_same(facts->envelope, S("envelope")) && facts->blob == 5);
	message_facts_forget();
	folder_page_bring(v, v->uids, 100, false);
	cr_assert_leq(unknown(), 1024 - 895, "who wants envelopes alone learns them there, too");
	cr_assert_eq(folder_page_make(v->postoffice, v->mailbox, v->folder, true), ST_OK);
	cr_assert_eq(whole_pages(), 7, "they stay");
	message_facts_forget();
	view_close(&v);
}

/* 2001 had whole pages of the first facts. */
Test(view_pg, a_page_of_older_facts_makes_way_for_one_of_newer_facts)
{
	view *v;

	filled_big(BIG);
	v = opened(S("INBOX"));
	message_facts_forget();
	packed_by_a_reader(v, BIG);
	store_sql("insert into folder_page (postoffice, folder, page, version, facts)"
		  " select %lld, %lld, u, 2001, '' from generate_series(0, 19) u",
		(long long)me.postoffice, (long long)me.inbox);
	cr_assert_eq(folder_page_make(v->postoffice, v->mailbox, v->folder, false), ST_OK);
	message_facts_forget();
	folder_page_bring(v, v->uids, 100, false);
	cr_expect_eq(unknown(), 1, "eight pages of UIDs 2, 4 .. 2046 were brought");
	message_facts_forget();
	view_close(&v);
}

Test(view_pg, a_store_that_changes_nothing_waits_for_nobody)
{
	const uint32_t uids[] = {1, 2, 3};
	struct view_flags flagged = {.add = FLAG_FLAGGED, .unchanged_since = -1};
	struct view_stored s;
	db_link *other = given_link();

	filled(S("INBOX"), 3);
	view *v = opened(S("INBOX"));
	cr_assert_eq(view_store(v, uids, 3, &flagged, true, &me.a, &s), ST_OK);
	int64_t at = v->modseq;
	given_script(other,
		arena_format(&me.a, "begin; select from mailbox where mailbox = %lld for update",
			(long long)me.mailbox)
			.at);
	cr_expect_eq(view_store(v, uids, 3, &flagged, true, &me.a, &s), ST_OK);
	cr_expect_eq(s.change.changed_n + s.change.own + s.failed_n, 0);
	flagged.unchanged_since = at - 1;
	cr_expect_eq(view_store(v, uids, 3, &flagged, true, &me.a, &s), ST_OK);
	cr_expect_eq(s.failed_n, 3);
	cr_expect_eq(v->modseq, at);
	db_link_close(&other);
	view_close(&v);
}

/* What others changed is told, and what is to change after all is changed. */
Test(view_pg, a_store_that_would_change_nothing_of_what_is_known_looks_first)
{
	const uint32_t uids[] = {1, 2, 3}, one = 2;
	struct view_flags flagged = {.add = FLAG_FLAGGED, .unchanged_since = -1},
			  plain = {.remove = FLAG_FLAGGED, .unchanged_since = -1},
			  seen = {.add = FLAG_SEEN, .unchanged_since = -1};
	struct view_stored s;

	filled(S("INBOX"), 3);
	view *v = opened(S("INBOX")), *w = opened(S("INBOX"));
	cr_assert_eq(view_store(v, uids, 3, &flagged, true, &me.a, &s), ST_OK);
	for (int turn = 0; turn < 2; turn++) {
		cr_assert_eq(view_store(w, &one, 1, turn ? &plain : &seen, true, &me.a, &s), ST_OK);
		int64_t theirs = w->modseq;
		appended(S("INBOX"), S("Subject: new\r\n\r\n"), 0);
		view_cache_clear(); /* as if another process had done so */
		cr_assert_eq(view_store(v, uids, 3, &flagged, true, &me.a, &s), ST_OK);
		cr_expect_eq(s.change.arrived, 1);
		cr_expect_eq(s.change.changed_n, 1);
		cr_expect(view_find(v, 2)->flags & FLAG_FLAGGED);
		cr_expect_eq(view_find(v, 2)->modseq == theirs, turn == 0, "turn %d", turn);
		cr_expect_eq(s.change.own > theirs, turn == 1, "turn %d", turn);
	}
	assert_counted();
	view_close(&v);
	view_close(&w);
}

/* Made by an older version, say: readers know folders of others by such names. */
Test(view_pg, a_folder_called_as_those_of_others_are_is_hidden)
{
	struct folder_row *rows;
	int n;

	made(S("Work"));
	store_sql(
		"update folder set name = 'Other Users/ben/INBOX' where postoffice = %lld and name = 'Work'",
		(long long)me.postoffice);
	cr_assert_eq(acl_tree(me.postoffice, me.mailbox, &me.a, &rows, &n), ST_OK);
	for (int i = 0; i < n; i++)
		cr_expect(!slice_starts(rows[i].f.name, S("Other Users")));
	cr_expect_eq(n, 1);
}

Test(view_pg, an_expunge_of_nothing_waits_for_nobody)
{
	const uint32_t uids[] = {1, 2, 3};
	struct view_change ch;
	db_link *other = given_link();

	filled(S("INBOX"), 3);
	view *v = opened(S("INBOX"));
	int64_t at = v->modseq;
	given_script(other,
		arena_format(&me.a, "begin; select from mailbox where mailbox = %lld for update",
			(long long)me.mailbox)
			.at);
	cr_expect_eq(view_expunge(v, uids, 3, &me.a, &ch), ST_OK);
	cr_expect_eq(ch.gone_n + ch.own, 0);
	cr_expect_eq(view_expunge(v, NULL, 0, &me.a, &ch), ST_OK);
	cr_expect_eq(ch.gone_n + ch.own, 0);
	cr_expect_eq(v->modseq, at);
	db_link_close(&other);
	view_close(&v);
}

Test(view_pg, an_expunge_of_nothing_that_is_known_looks_first)
{
	const uint32_t uids[] = {1, 2}, marked[] = {2, 3};
	struct view_flags deleted = {.add = FLAG_DELETED, .unchanged_since = -1};
	struct view_stored s;
	struct view_change ch;

	filled(S("INBOX"), 3);
	view *v = opened(S("INBOX")), *w = opened(S("INBOX"));
	cr_assert_eq(view_store(w, marked, 2, &deleted, true, &me.a, &s), ST_OK);
	appended(S("INBOX"), S("Subject: new\r\n\r\n"), 0);
	view_cache_clear(); /* as if another process had done so */
	cr_assert_eq(view_expunge(v, uids, 2, &me.a, &ch), ST_OK);
	cr_assert_eq(ch.gone_n, 1);
	cr_expect_eq(ch.gone_uids[0], 2);
	cr_expect_eq(ch.arrived, 1);
	cr_expect_eq(ch.changed_n, 1);
	cr_expect(view_find(v, 3)->flags & FLAG_DELETED);
	cr_expect(!view_find(v, 2));
	assert_counted();
	view_close(&v);
	view_close(&w);
}

/* Who knows a folder's entries looks at its row alone: all that may be another one stands there. */
Test(view_pg, a_known_folder_is_looked_at_again_by_its_row)
{
	struct view_change c;
	view *v, *w = NULL;

	filled(S("INBOX"), 3);
	made(S("a"));
	filled(S("a"), 2);
	v = opened(S("a"));
	store_sql("update folder set name = 'b' where postoffice = %lld and folder = %lld",
		(long long)me.postoffice, (long long)v->folder);
	cr_assert_eq(view_open(me.postoffice, me.mailbox, S("a"), 0, &w), ST_ABSENT);
	w = opened(S("b"));
	cr_assert(slice_same(w->name, S("b")) && w->folder == v->folder && w->count == 2);
	view_close(&w);
	cr_assert_eq(view_refresh(v, false, &me.a, &c), ST_OK);
	cr_assert(c.arrived == 0 && c.gone_n == 0 && c.changed_n == 0);
	made(S("a"));
	w = opened(S("a"));
	cr_assert(w->folder != v->folder && w->count == 0);
	view_close(&w);
	store_sql(
		"update folder set uidvalidity = uidvalidity + 1 where postoffice = %lld and folder = %lld",
		(long long)me.postoffice, (long long)v->folder);
	w = opened(S("b"));
	cr_assert_eq(w->uidvalidity, v->uidvalidity + 1);
	view_close(&w);
	store_sql("delete from folder where postoffice = %lld and folder = %lld",
		(long long)me.postoffice, (long long)v->folder);
	cr_assert_eq(view_refresh(v, false, &me.a, &c), ST_ABSENT);
	cr_assert_eq(view_open(me.postoffice, me.mailbox, S("b"), 0, &w), ST_ABSENT);
	view_close(&v);
}

/* ---- how often the store is asked */

static int64_t questions(void)
{
	return metric_value(M_db_seconds, SERVICE_NONE);
}

/* As another process changes flags: nothing of it is known here. */
static void flagged_elsewhere(uint32_t uid, int64_t flags)
{
	store_sql(
		"update mailbox set modseq = modseq + 1 where postoffice = %lld and mailbox = %lld",
		(long long)me.postoffice, (long long)me.mailbox);
	store_sql(
		"update folder f set modseq = m.modseq, ndeleted = ndeleted + %d from mailbox m"
		" where f.postoffice = %lld and f.folder = %lld and m.postoffice = f.postoffice and m.mailbox = f.mailbox",
		flags & FLAG_DELETED ? 1 : 0, (long long)me.postoffice, (long long)me.inbox);
	store_sql(
		"update entry e set flags = flags | %lld, modseq = f.modseq from folder f"
		" where e.postoffice = %lld and e.folder = %lld and e.uid = %u and f.postoffice = e.postoffice and f.folder = e.folder",
		(long long)flags, (long long)me.postoffice, (long long)me.inbox, uid);
	store_sql(
		"insert into change (postoffice, folder, modseq, kind, uids)"
		" select postoffice, folder, modseq, 'f', int8multirange(int8range(%u, %u)) from folder"
		" where postoffice = %lld and folder = %lld",
		uid, uid + 1, (long long)me.postoffice, (long long)me.inbox);
}

static status append_dated(usec received, int zone, int64_t seen_in)
{
	slice raw = S("Subject: dated\r\n\r\n");
	struct append_message m = {.header = raw,
		.header_size = (uint32_t)raw.size,
		.flags = FLAG_FLAGGED,
		.received = received,
		.zone = zone};
	struct append x = {.postoffice = me.postoffice,
		.mailbox = me.mailbox,
		.folder = S("INBOX"),
		.messages = &m,
		.n = 1,
		.seen_in = seen_in};

	return append_text(&x, raw);
}

static void assert_as_stored(const view *v)
{
	view *w;

	view_cache_clear();
	w = opened(S("INBOX"));
	assert_same(v, w);
	cr_assert(w->uidnext == v->uidnext && w->modseq == v->modseq);
	view_close(&w);
}

static int64_t recent_now(void)
{
	return store_sql("select recent from folder where postoffice = %lld and folder = %lld",
		(long long)me.postoffice, (long long)me.inbox);
}

Test(view_pg, what_was_appended_here_is_shown_without_being_read_again)
{
	struct view_change c;
	view *v;

	filled(S("INBOX"), 2);
	cr_assert_eq(view_open(me.postoffice, me.mailbox, S("INBOX"), VIEW_RECENT, &v), ST_OK);
	cr_assert(v->recent == 1 && recent_now() == 3);
	int64_t before = questions();
	cr_assert_eq(append_dated(0, 0, v->folder), ST_OK);
	cr_assert_eq(append_dated(INT64_C(1000000000000001), 60, v->folder), ST_OK);
	cr_assert_eq(view_refresh(v, false, &me.a, &c), ST_OK);
	cr_assert_eq(questions() - before, 3);
	cr_assert(c.arrived == 2 && v->n == 4 && recent_now() == 5);
	assert_as_stored(v);
	assert_counted();

	cr_assert_eq(append_dated(0, 0, 0), ST_OK);
	cr_assert_eq(recent_now(), 5, "nobody has seen it");
	cr_assert_eq(append_dated(0, 0, v->folder), ST_OK);
	cr_assert_eq(recent_now(), 5, "nor the one before it");
	cr_assert_eq(view_refresh(v, false, &me.a, &c), ST_OK);
	cr_assert(c.arrived == 2 && recent_now() == 7);
	view_close(&v);
}

Test(view_pg, what_others_changed_before_an_append_is_read)
{
	struct view_change c;
	view *v;

	filled(S("INBOX"), 2);
	v = opened(S("INBOX"));
	flagged_elsewhere(1, FLAG_ANSWERED);
	cr_assert_eq(append_dated(0, 0, 0), ST_OK);
	cr_assert_eq(view_refresh(v, false, &me.a, &c), ST_OK);
	cr_assert(c.arrived == 1 && c.changed_n == 1 && v->entries[0].flags == FLAG_ANSWERED);
	assert_as_stored(v);
	view_close(&v);
}

Test(view_pg, expunge_asks_once_for_what_it_knows)
{
	struct view_flags deleted = {.add = FLAG_DELETED, .unchanged_since = -1};
	struct view_stored s;
	struct view_change c;
	uint32_t some[] = {2, 3};
	view *v;

	filled(S("INBOX"), 6);
	v = opened(S("INBOX"));
	int64_t before = questions();
	cr_assert_eq(view_expunge(v, NULL, 0, &me.a, &c), ST_OK);
	cr_assert(c.gone_n == 0 && questions() - before == 1);
	cr_assert_eq(view_store(v, some, 2, &deleted, true, &me.a, &s), ST_OK);
	before = questions();
	cr_assert_eq(view_expunge(v, NULL, 0, &me.a, &c), ST_OK);
	cr_assert(c.gone_n == 2 && v->n == 4 && questions() - before == 1);

	/* What others marked goes too, whether anything was known to be marked or not. */
	flagged_elsewhere(4, FLAG_DELETED);
	cr_assert_eq(view_expunge(v, NULL, 0, &me.a, &c), ST_OK);
	cr_assert(c.gone_n == 1 && c.gone[0] == 2 && v->n == 3);
	cr_assert_eq(view_store(v, &(uint32_t){5}, 1, &deleted, true, &me.a, &s), ST_OK);
	flagged_elsewhere(6, FLAG_DELETED);
	appended(S("INBOX"), S("Subject: new\r\n\r\n"), FLAG_DELETED);
	cr_assert_eq(view_expunge(v, NULL, 0, &me.a, &c), ST_OK);
	cr_assert(c.gone_n == 2 && c.gone[0] == 3 && c.gone[1] == 2 && c.arrived == 1);
	cr_assert(v->n == 2 && v->uids[1] == 7, "what came since was never told of");
	assert_as_stored(v);
	assert_counted();
	view_close(&v);
}

/* One statement where the folder is as this process knows it, though the view was not there yet; else
   the way that looks first. */
Test(view_pg, few_messages_are_changed_by_one_question)
{
	struct view_flags answered = {.add = FLAG_ANSWERED, .unchanged_since = -1};
	struct view_stored s;
	uint32_t some[] = {1, 2, 4}, all[] = {1, 2, 3, 4, 5};
	slice name = S("$word");
	struct keywords k;
	view *v, *other;

	filled(S("INBOX"), 5);
	v = opened(S("INBOX"));
	other = opened(S("INBOX"));
	cr_assert_eq(keyword_add(me.postoffice, me.mailbox, &name, 1, &me.a, &k), ST_OK);
	view_learn(other, &k);
	struct view_flags named = {
		.add = FLAG_SEEN | INT64_C(1) << KEYWORD_FIRST, .unchanged_since = -1};
	cr_assert_eq(view_store(other, some, 2, &named, true, &me.a, &s), ST_OK);
	int64_t last = v->modseq, before = questions();
	cr_assert_eq(view_store(v, some, 3, &answered, true, &me.a, &s), ST_OK);
	cr_assert_eq(questions() - before, 1);
	cr_assert(s.change.changed_n == 3 && s.change.own == v->modseq && s.failed_n == 0);
	cr_assert(v->keywords.n == 1 && v->entries[0].flags == (named.add | FLAG_ANSWERED));
	assert_as_stored(v);

	struct view_flags late = {.add = FLAG_FLAGGED, .unchanged_since = last};
	cr_assert_eq(view_store(other, all, 5, &late, true, &me.a, &s), ST_OK);
	cr_assert(s.failed_n == 3 && s.failed[0] == 1 && s.failed[1] == 2 && s.failed[2] == 4);
	assert_as_stored(other);

	flagged_elsewhere(3, FLAG_DELETED);
	cr_assert_eq(view_store(v, all, 5, &answered, true, &me.a, &s), ST_OK);
	cr_assert(s.change.changed_n == 2 && v->entries[2].flags & FLAG_DELETED);
	assert_as_stored(v);
	assert_counted();
	view_close(&v);
	view_close(&other);
}

static status head_is(int which, slice head, void *wanted)
{
	cr_assert_eq(which, 0);
	cr_assert(slice_same(head, *(slice *)wanted));
	*(slice *)wanted = S("told");
	return ST_OK;
}

/* What was appended here need not be read again; of a header that was kept in part nothing is known. */
Test(view_pg, headers_of_what_was_appended_are_known)
{
	slice wanted, raw = S("From: anna@demo.test\r\nSubject: known\r\n\r\n");
	struct append_message m = {.header = raw, .header_size = (uint32_t)raw.size};
	struct append x = {.postoffice = me.postoffice,
		.mailbox = me.mailbox,
		.folder = S("INBOX"),
		.messages = &m,
		.n = 1};
	struct message_fact *facts;

	message_facts_forget();
	cr_assert_eq(append_text(&x, raw), ST_OK);
	cr_assert_eq(message_facts_unknown(me.postoffice, &m.id, 1, false), 0);
	cr_assert_eq(message_envelopes(me.postoffice, &m.id, 1, &me.a, &facts, NULL), ST_OK);
	cr_assert(slice_same(facts->envelope, envelope_pack(raw, &me.a)));
	cr_assert(facts->version == MESSAGE_FACT_VERSION && facts->size == raw.size &&
		  facts->header_size == raw.size);
	cr_assert_eq(facts->blob,
		store_sql("select blob from message where postoffice = %lld and msg = %lld",
			(long long)me.postoffice, (long long)m.id));
	store_sql("delete from blob where postoffice = %lld and blob = %lld",
		(long long)me.postoffice, (long long)facts->blob);
	wanted = raw;
	cr_assert_eq(message_heads(me.postoffice, &m.id, 1, head_is, &wanted), ST_OK);
	cr_assert(slice_same(wanted, S("told")));
	m.header.size--;
	cr_assert_eq(append_text(&x, raw), ST_OK);
	cr_assert_eq(message_facts_unknown(me.postoffice, &m.id, 1, false), 1);
	message_facts_forget();
}

Test(view_pg, below_the_floor_of_the_log_all_is_read)
{
	struct view_change c;
	struct view_range *ranges;
	bool complete;
	int n;
	view *v, *w;

	filled(S("INBOX"), 5);
	v = opened(S("INBOX"));
	w = opened(S("INBOX"));
	uint32_t some[] = {2, 4};
	struct view_flags f = {.add = FLAG_DELETED, .unchanged_since = -1};
	struct view_stored s;
	cr_assert_eq(view_store(w, some, 2, &f, false, &me.a, &s), ST_OK);
	cr_assert_eq(view_expunge(w, some, 1, &me.a, &c), ST_OK);
	filled(S("INBOX"), 1);
	int64_t known = v->modseq;
	store_sql("delete from change where postoffice = %lld", (long long)me.postoffice);
	store_sql("update folder set log_floor = modseq where postoffice = %lld and folder = %lld",
		(long long)me.postoffice, (long long)me.inbox);
	view_cache_clear();
	cr_assert_eq(view_refresh(v, false, &me.a, &c), ST_OK);
	cr_assert_eq(c.gone_n, 1);
	cr_assert_eq(c.gone[0], 2);
	cr_assert_eq(c.changed_n, 1);
	cr_assert_eq(c.changed[0], 4);
	cr_assert_eq(c.arrived, 1);
	cr_assert_eq(view_vanished(v, known, &me.a, &ranges, &n, &complete), ST_OK);
	cr_assert(!complete);
	cr_assert_eq(n, 1);
	cr_assert_eq(ranges[0].first, 2);
	cr_assert_eq(ranges[0].last, 2);
	view_close(&v);
	view_close(&w);
}

/* ---- two writers, and a reader between them */

static int writers;

static status write_on(void *arg)
{
	(void)arg;
	filled(S("INBOX"), 15);
	writers--;
	return ST_OK;
}

static status flag_on(void *arg)
{
	view *v = opened(S("INBOX"));
	arena a = ARENA_INIT;

	(void)arg;
	for (int i = 0; i < 20; i++) {
		struct view_flags f = {.add = INT64_C(1) << (16 + i), .unchanged_since = -1};
		struct view_stored s;
		struct view_change c;

		cr_assert_eq(view_store(v, v->uids, v->n, &f, true, &a, &s), ST_OK);
		cr_assert_eq(view_refresh(v, false, &a, &c), ST_OK);
	}
	view_close(&v);
	arena_release(&a);
	writers--;
	return ST_OK;
}

static status read_on(void *arg)
{
	view *v = opened(S("INBOX"));
	arena a = ARENA_INIT;

	(void)arg;
	while (writers > 0) {
		int64_t before = v->modseq;
		uint32_t last = v->n ? v->uids[v->n - 1] : 0;
		int n = v->n;
		struct view_change c;

		view_cache_clear();
		cr_assert_eq(view_refresh(v, false, &a, &c), ST_OK);
		cr_assert_eq(v->n, n + c.arrived, "a UID showed itself below one that was seen");
		cr_assert(c.arrived == 0 || v->uids[n] == last + 1, "a gap that may fill later");
		for (int i = 0; i < c.changed_n; i++)
			cr_assert(view_find(v, c.changed[i])->modseq > before);
		cr_assert(v->modseq >= before);
		arena_clear(&a);
		task_sleep(0);
	}
	view_close(&v);
	arena_release(&a);
	return ST_OK;
}

static status begin_on(void *arg)
{
	task_start("write", write_on, arg);
	task_start("write", write_on, arg);
	task_start("flag", flag_on, arg);
	task_start("read", read_on, arg);
	return ST_OK;
}

Test(view_pg, uids_and_modseqs_show_themselves_in_order)
{
	writers = 3;
	store_fibers(1, begin_on, NULL);
	view *v = opened(S("INBOX"));
	cr_assert_eq(v->n, 30);
	cr_assert_eq(v->uids[29], 30);
	view_close(&v);
	assert_counted();
}

/* ---- before the first reader */

#define ENOUGH (60 * USEC_S) /* for what comes, on a machine that has better things to do */

/* Connections opened since `since` that wait, and whose last statement was the last that is made
   ready. */
static int64_t ready_connections(int64_t since)
{
	return store_sql(
		"select count(*) from pg_stat_activity where usename = 'pennypost_run' and state = 'idle'"
		" and extract(epoch from backend_start) * 1e6 >= %lld"
		" and query ~ 'delete from entry'",
		(long long)since);
}

static status warmed(void *arg)
{
	struct view_flags f = {.add = FLAG_DELETED, .unchanged_since = -1};
	int64_t since = store_sql("select (extract(epoch from clock_timestamp()) * 1e6)::bigint");
	usec until = clock_now() + ENOUGH;
	struct view_stored stored;
	struct view_change ch;
	status *said = arg;
	view *v;

	warm_start();
	while (ready_connections(since) < WARM_CONNECTIONS && clock_now() < until)
		TRY(task_sleep(10 * USEC_MS));
	cr_expect_eq(ready_connections(since), WARM_CONNECTIONS);
	/* Statements keep the types of their first call. */
	TRY(*said = view_open(me.postoffice, me.mailbox, S("INBOX"), VIEW_RECENT, &v));
	*said = view_store(v, v->uids, v->n, &f, false, &me.a, &stored);
	if (*said == ST_OK)
		*said = view_expunge(v, NULL, 0, &me.a, &ch);
	cr_expect_eq(v->n, 0);
	view_close(&v);
	return ST_OK;
}

Test(view_pg, what_was_made_ready_is_what_readers_ask_for)
{
	status said = ST_BROKEN;

	filled(S("INBOX"), 3);
	view_cache_clear();
	store_fibers(1, warmed, &said);
	cr_expect_eq(said, ST_OK, "%s", status_name(said));
	assert_counted();
}
