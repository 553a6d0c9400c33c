/* Big removals: what one took away is one row (expunged_pack) until it is wanted back or the
   housekeeper comes by. */
#include "base/fault.h"
#include "provider/folder_admin.h"
#include "provider/housekeep.h"
#include "provider/postoffice.h"
#include "provider/trace.h"
#include "tests/unit/provider/given.h"
#include "tests/unit/provider/reader.h"
#include "tests/unit/provider/store_fixture.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <unistd.h>

TestSuite(expunged, .init = reader_begin, .fini = reader_end, .timeout = 300);

#define MANY 700

/* n messages in INBOX, straight into the tables, all of them \Deleted; every seventh with a
   zone. */
static void given_many(int n)
{
	long long po = me.postoffice, in = me.inbox;

	store_sql(
		"insert into message (postoffice, msg, blob, size, hdrlen) select %lld, u, u, 10 + u %% 90, 4 from generate_series(1, %d) u",
		po, n);
	store_sql(
		"insert into entry (postoffice, folder, uid, modseq, flags, msg, idate, size, zone)"
		" select %lld, %lld, u, 2, 8 + u %% 2, u, timestamptz '2024-01-01 00:00:00.000123+00' + u * interval '1 min', 10 + u %% 90,"
		" case when u %% 7 = 0 then 60 end from generate_series(1, %d) u",
		po, in, n);
	store_sql(
		"update folder f set uidnext = %d, modseq = 2, nmsg = e.n, ndeleted = e.n, nunseen = e.unseen, nbytes = e.bytes from"
		" (select count(*) n, sum(size) bytes, count(*) filter (where flags & 1 = 0) unseen from entry where postoffice = %lld and folder = %lld) e"
		" where postoffice = %lld and folder = %lld",
		n + 1, po, in, po, in);
	store_sql(
		"update mailbox m set modseq = 2, nmsg = f.nmsg, used = f.nbytes from folder f"
		" where m.postoffice = %lld and m.mailbox = %lld and f.postoffice = m.postoffice and f.folder = %lld",
		po, (long long)me.mailbox, in);
}

static int64_t packs(void)
{
	return store_sql("select count(*) from expunged_pack where postoffice = %lld",
		(long long)me.postoffice);
}

static int64_t rows(void)
{
	return store_sql(
		"select count(*) from expunged where postoffice = %lld", (long long)me.postoffice);
}

static int64_t messages(void)
{
	return store_sql(
		"select count(*) from message where postoffice = %lld", (long long)me.postoffice);
}

static view *expunge_all(void)
{
	struct view_change c;
	view *v = opened(S("INBOX"));

	cr_assert_eq(view_expunge(v, NULL, 0, &me.a, &c), ST_OK);
	cr_assert_eq(v->n, 0);
	assert_counted();
	return v;
}

static void mark_all(void)
{
	struct view_flags f = {.add = FLAG_DELETED, .unchanged_since = -1};
	struct view_stored s;
	view *v = opened(S("INBOX"));

	cr_assert_eq(view_store(v, v->uids, v->n, &f, true, &me.a, &s), ST_OK);
	view_close(&v);
}

static void house_kept(struct housekeep_result *done)
{
	cr_assert_eq(housekeep_run(done), ST_OK);
}

static int64_t undeleted(const struct folder_lost *which)
{
	int64_t restored;

	cr_assert_eq(folder_undelete(me.postoffice, me.mailbox, which, &restored), ST_OK);
	assert_counted();
	return restored;
}

Test(expunged, few_are_rows_and_many_are_one)
{
	view *v;

	given_many(499);
	v = expunge_all();
	cr_expect_eq(packs(), 0);
	cr_expect_eq(rows(), 499);
	cr_assert_eq(undeleted(&(struct folder_lost){0}), 499);
	mark_all();
	uint32_t one = appended(S("INBOX"), S("Subject: 500\r\n\r\n"), FLAG_DELETED);
	cr_expect_eq(one, 499 + 499 + 1);
	view_close(&v);
	v = expunge_all();
	cr_expect_eq(packs(), 1);
	cr_expect_eq(rows(), 0);
	cr_expect_eq(
		store_sql("select cardinality(uids) from expunged_pack where postoffice = %lld",
			(long long)me.postoffice),
		500);
	view_close(&v);
}

Test(expunged, comes_back_in_the_order_of_uids_whenever_it_went)
{
	static const uint32_t went[] = {2, 3, 1};
	struct folder_lost all = {0};
	struct message_entry *rows;
	struct view_change c;
	int64_t restored, messages[3];
	int n;
	view *v;

	for (int i = 0; i < 3; i++)
		appended(S("INBOX"), S("Subject: x\r\n\r\n"), FLAG_DELETED);
	v = opened(S("INBOX"));
	for (int i = 0; i < 3; i++)
		messages[i] = v->entries[i].message;
	for (int i = 0; i < 3; i++)
		cr_assert_eq(view_expunge(v, &went[i], 1, &me.a, &c), ST_OK);
	cr_assert_eq(message_removed_list(me.postoffice, me.mailbox, 10, &me.a, &rows, &n), ST_OK);
	cr_assert_eq(n, 3);
	cr_expect_eq(rows[0].uid, 1, "the last one removed is the first");
	cr_expect(slice_same_nocase(rows[0].folder, S("INBOX")));
	cr_assert_eq(folder_undelete(me.postoffice, me.mailbox, &all, &restored), ST_OK);
	cr_assert_eq(restored, 3);
	cr_assert_eq(view_refresh(v, false, &me.a, &c), ST_OK);
	cr_assert_eq(v->n, 3);
	for (int i = 0; i < 3; i++) {
		cr_expect_eq(v->uids[i], 4 + i);
		cr_expect_eq(v->entries[i].message, messages[i]);
	}
	cr_assert_eq(message_removed_list(me.postoffice, me.mailbox, 10, &me.a, &rows, &n), ST_OK);
	cr_expect_eq(n, 0);
	view_close(&v);
}

Test(expunged, many_come_back_by_message_by_time_and_by_folder)
{
	struct view_change c;
	view *v;

	given_many(MANY);
	v = expunge_all();
	cr_assert_eq(packs(), 1);
	cr_expect_eq(undeleted(&(struct folder_lost){.message = MANY + 1}), 0);
	cr_expect_eq(undeleted(&(struct folder_lost){.since = clock_wall() + 3600 * USEC_S}), 0);
	cr_expect_eq(rows(), MANY, "who looks unpacks");
	cr_assert_eq(undeleted(&(struct folder_lost){
			     .message = 7, .since = clock_wall() - 3600 * USEC_S}),
		1);
	cr_assert_eq(view_refresh(v, false, &me.a, &c), ST_OK);
	cr_assert_eq(v->n, 1);
	const struct view_entry *e = &v->entries[0];
	cr_expect(e->uid == MANY + 1 && e->message == 7 && e->zone == 60 && e->flags == FLAG_SEEN &&
		  e->size == 17);
	cr_expect_eq(e->received, (INT64_C(1704067200) + 7 * 60) * USEC_S + 123);
	cr_assert_eq(undeleted(&(struct folder_lost){.folder = me.inbox}), MANY - 1);
	cr_expect_eq(rows(), 0);
	cr_assert_eq(view_refresh(v, false, &me.a, &c), ST_OK);
	cr_expect_eq(v->uids[v->n - 1], 2 * MANY, "no UID comes again");
	view_close(&v);
}

/* All of each row: 0 where a column was lost on the way. */
static int64_t sum_of(const char *table)
{
	return store_sql(
		"select coalesce(sum(hashtextextended(concat_ws(' ', folder, uid, msg, flags, idate, coalesce(zone, -1)), 0) / 1000000), 0)::bigint"
		" from %s where postoffice = %lld and folder = %lld",
		table, (long long)me.postoffice, (long long)me.inbox);
}

Test(expunged, the_housekeeper_makes_rows_of_packs)
{
	struct housekeep_result done;

	given_many(MANY);
	int64_t before = sum_of("entry");
	view *v = expunge_all();
	cr_assert_eq(packs(), 1);
	int64_t at = store_sql(
		"select (extract(epoch from at) * 1e6)::bigint from expunged_pack where postoffice = %lld",
		(long long)me.postoffice);
	house_kept(&done);
	cr_expect_eq(packs(), 0);
	cr_expect_eq(rows(), MANY);
	cr_expect_eq(sum_of("expunged"), before);
	cr_expect_eq(
		store_sql(
			"select (extract(epoch from min(at)) * 1e6)::bigint from expunged where postoffice = %lld and at = (select max(at) from expunged where postoffice = %lld)",
			(long long)me.postoffice, (long long)me.postoffice),
		at, "removed when they were, not when they were unpacked");
	cr_expect_eq(messages(), MANY);
	house_kept(&done);
	cr_expect_eq(rows(), MANY, "again it is nothing");
	cr_assert_eq(undeleted(&(struct folder_lost){.folder = me.inbox}), MANY);
	view_close(&v);
}

/* Messages that were removed long ago too, from another place. */
static void given_removed_before(int n)
{
	store_sql(
		"insert into expunged (postoffice, mailbox, folder, uid, msg, flags, idate, at)"
		" select %lld, %lld, %lld, 100000 + u, u, 0, now(), now() - interval '40 days' from generate_series(1, %d) u",
		(long long)me.postoffice, (long long)me.mailbox, (long long)me.inbox, n);
}

Test(expunged, what_a_pack_names_is_not_released)
{
	struct housekeep_result done;
	struct rows r;

	given_many(MANY);
	given_removed_before(MANY);
	view *v = expunge_all();
	cr_assert_eq(packs(), 1);
	/* As when the pack came just after the housekeeper had unpacked others. */
	cr_assert_eq(db_run(SQL_EXPUNGED_RELEASE,
			     (struct param[]){p_time(clock_wall() - 14 * 86400 * USEC_S),
				     p_int(me.postoffice), p_int(0), p_int(1000)},
			     4, &me.a, &r),
		ST_OK);
	cr_expect_geq(row_int(&r, 0, 0), MANY, "they were looked at");
	cr_expect_eq(row_int(&r, 0, 3), 0);
	cr_expect_eq(messages(), MANY);
	cr_assert_eq(undeleted(&(struct folder_lost){.since = clock_wall() - 3600 * USEC_S}), MANY);
	view_close(&v);

	/* A pack whose time is over goes as rows do. */
	mark_all();
	v = expunge_all();
	store_sql("update expunged_pack set at = at - interval '40 days' where postoffice = %lld",
		(long long)me.postoffice);
	house_kept(&done);
	cr_expect_eq(messages() + packs(), 0);
	view_close(&v);
}

#define HUGE 25000

Test(expunged, a_huge_one_is_rows_of_ten_thousand_each)
{
	struct rows r;

	given_many(HUGE);
	view *v = expunge_all();
	view_close(&v);
	cr_assert_eq(packs(), 3);
	cr_expect_eq(
		store_sql(
			"select max(cardinality(uids)) * 100000 + sum(cardinality(uids)) from expunged_pack where postoffice = %lld",
			(long long)me.postoffice),
		INT64_C(10000) * 100000 + HUGE);
	cr_assert_eq(
		db_one(SQL_EXPUNGED_UNPACK,
			(struct param[]){p_int(me.postoffice), p_int(me.mailbox)}, 2, &me.a, &r),
		ST_OK);
	cr_expect_eq(packs(), 2);
	cr_expect_eq(rows(), 10000);

	given_removed_before(HUGE);
	cr_assert_eq(db_run(SQL_EXPUNGED_RELEASE,
			     (struct param[]){p_time(clock_wall() - 14 * 86400 * USEC_S),
				     p_int(me.postoffice), p_int(0), p_int(HUGE)},
			     4, &me.a, &r),
		ST_OK);
	cr_expect_eq(row_int(&r, 0, 0), HUGE, "they were looked at");
	cr_expect_eq(messages(), HUGE);
	cr_expect_eq(undeleted(&(struct folder_lost){0}), HUGE);
	cr_expect_eq(store_sql("select count(distinct msg) from entry where postoffice = %lld",
			     (long long)me.postoffice),
		HUGE);
}

#define AT_ONCE 20000 /* that one statement removes */

Test(expunged, of_very_many_a_bounded_number_is_removed_at_a_time)
{
	given_many(HUGE);
	view *v = expunge_all();
	cr_expect_eq(v->n + v->count, 0);
	cr_expect_eq(v->modseq,
		store_sql("select modseq from folder where postoffice = %lld and folder = %lld",
			(long long)me.postoffice, (long long)v->folder));
	cr_expect_eq(
		store_sql(
			"select (max(n) * 100000 + sum(n))::bigint from (select sum(upper(r) - lower(r))::bigint as n from change c, unnest(c.uids) r"
			" where postoffice = %lld and kind = 'v' group by c.modseq) a",
			(long long)me.postoffice),
		INT64_C(100000) * AT_ONCE + HUGE);
	cr_expect_eq(messages(), HUGE);
	view_close(&v);
}

/* So many messages of a folder came by one statement, at most; and all of them. */
static int64_t most_and_all_in(const char *name)
{
	return store_sql(
		"select coalesce(max(n) * 100000 + sum(n), 0)::bigint from (select count(*) n from entry"
		" join folder f using (postoffice, folder) where postoffice = %lld and f.name = '%s' group by entry.modseq) a",
		(long long)me.postoffice, name);
}

static int64_t entries(void)
{
	return store_sql(
		"select count(*) from entry where postoffice = %lld", (long long)me.postoffice);
}

static void expect_pairs(const struct view_copied *p)
{
	int wrong = 0;

	cr_assert_eq(p->n, HUGE);
	for (int i = 0; i < p->n; i++)
		wrong += p->from[i] != (uint32_t)i + 1 || p->to[i] != (uint32_t)i + 1;
	cr_expect_eq(wrong, 0);
}

Test(expunged, very_many_are_copied_and_moved_a_bounded_number_at_a_time)
{
	struct view_copied p;
	folder *f;

	given_many(HUGE);
	made(S("a"));
	made(S("b"));
	made(S("c"));
	view *v = opened(S("INBOX"));
	cr_assert_eq(view_copy(v, v->uids, v->n, S("a"), true, &me.a, &p), ST_OK);
	expect_pairs(&p);
	cr_expect_eq(most_and_all_in("a"), INT64_C(100000) * AT_ONCE + HUGE);
	cr_assert_eq(view_move(v, v->uids, v->n, S("b"), &me.a, &p), ST_OK);
	expect_pairs(&p);
	cr_expect_eq(p.change.gone_n, HUGE);
	cr_expect_eq(v->n + v->count, 0);
	cr_expect_eq(most_and_all_in("b"), INT64_C(100000) * AT_ONCE + HUGE);
	cr_expect_eq(v->modseq,
		store_sql("select modseq from folder where postoffice = %lld and folder = %lld",
			(long long)me.postoffice, (long long)me.inbox));
	view_close(&v);

	v = opened(S("b"));
	struct view_target to = {.mailbox = me.mailbox, .name = S("c"), .flags = VIEW_ALL_FLAGS};
	cr_assert_eq(folder_find(me.postoffice, me.mailbox, S("c"), &me.a, &f), ST_OK);
	to.folder = f->id;
	cr_assert_eq(view_move_to(v, v->uids, v->n, &to, &me.a, &p), ST_OK);
	expect_pairs(&p);
	cr_expect_eq(p.change.gone_n, HUGE);
	cr_expect_eq(most_and_all_in("c"), INT64_C(100000) * AT_ONCE + HUGE);
	cr_expect_eq(most_and_all_in("b"), 0);
	cr_expect_eq(rows() + packs(), 3, "what left can be had back, in rows of ten thousand");
	assert_counted();
	view_close(&v);
}

Test(expunged, of_very_many_all_are_copied_or_none)
{
	struct route other = store_mailbox(me.postoffice, "otto", 0);
	struct view_target to = {.mailbox = other.mailbox,
		.name = S("INBOX"),
		.folder = other.inbox,
		.flags = VIEW_ALL_FLAGS};
	struct view_copied p;
	uint32_t last = HUGE;

	given_many(HUGE);
	made(S("a"));
	view *v = opened(S("INBOX")), *w = opened(S("INBOX"));
	store_sql("update mailbox set quota = %d where postoffice = %lld and mailbox = %lld",
		48 * HUGE, (long long)me.postoffice, (long long)other.mailbox);
	cr_expect_eq(view_copy_to(v, v->uids, v->n, &to, false, &me.a, &p), ST_FULL);
	cr_expect_eq(view_copy_to(v, v->uids, v->n, &to, true, &me.a, &p), ST_FULL);
	cr_expect_eq(view_move_to(v, v->uids, v->n, &to, &me.a, &p), ST_FULL);
	cr_expect_eq(v->n, HUGE);
	cr_expect_eq(entries(), HUGE, "there was room for the first part alone");

	cr_assert_eq(view_move(w, &last, 1, S("a"), &me.a, &p), ST_OK);
	cr_assert_eq(view_copy(v, v->uids, HUGE, S("a"), true, &me.a, &p), ST_OK);
	cr_expect_eq(p.n, 0, "one of them is gone");
	cr_assert_eq(view_move(v, v->uids, HUGE, S("a"), &me.a, &p), ST_OK);
	cr_expect_eq(p.n, HUGE - 1, "the others move");
	cr_expect_eq(entries(), HUGE);
	assert_counted();
	view_close(&v);
	view_close(&w);
}

#ifdef PENNYPOST_FAULT_POINTS
/* What must come where the connection is lost so: what stands is known again, what was not committed is
   refused, and nothing of it stands. */
static const struct loss {
	const char *point;
	status told;
} losses[] = {
	{"db_commit_done:1:fail", ST_OK},
	{"db_commit_sent:1:fail", ST_OK},
	{"db_sent:1:fail", ST_OK},   /* with the first part, which is sent again */
	{"db_sent:2:fail", ST_BUSY}, /* with the second one */
	{"db_commit_send:1:fail", ST_BUSY},
};
#define LOSSES (sizeof losses / sizeof *losses)

Test(expunged, a_lost_answer_doubles_and_loses_none_of_very_many)
{
	struct view_copied p;
	int stand = 0;

	given_many(HUGE);
	made(S("a"));
	view *v = opened(S("INBOX"));
	for (size_t i = 0; i < LOSSES; i++) {
		cr_assert(fault_arm(losses[i].point));
		status s = view_copy(v, v->uids, v->n, S("a"), true, &me.a, &p);
		fault_arm("");
		cr_assert_eq(s, losses[i].told, "%s: %s", losses[i].point, status_name(s));
		stand += s == ST_OK ? HUGE : 0;
		cr_assert(s != ST_OK || (p.n == HUGE && p.to[HUGE - 1] == (uint32_t)stand));
		view *w = opened(S("a"));
		cr_assert_eq(w->n, stand, "%s", losses[i].point);
		view_close(&w);
	}
	assert_counted();
	view_close(&v);
}

struct place {
	int64_t mailbox;
	struct view_target to;
};

static view *opened_at(const struct place *at)
{
	view *v = NULL;

	cr_assert_eq(view_open(me.postoffice, at->mailbox, at->to.name, 0, &v), ST_OK);
	return v;
}

/* There and back, and stays where it is when nothing moved. */
static void moves_with_losses(const struct place places[2])
{
	struct view_copied p;
	int from = 0;

	for (size_t i = 0; i < LOSSES; i++) {
		view *v = opened_at(&places[from]);

		cr_assert_eq(v->n, HUGE);
		cr_assert(fault_arm(losses[i].point));
		status s = view_move_to(v, v->uids, v->n, &places[!from].to, &me.a, &p);
		fault_arm("");
		cr_assert_eq(s, losses[i].told, "%s: %s", losses[i].point, status_name(s));
		cr_assert(s != ST_OK || (p.n == HUGE && v->n == 0));
		view_close(&v);
		from = s == ST_OK ? !from : from;
		for (int k = 0; k < 2; k++) {
			v = opened_at(&places[k]);
			cr_assert_eq(v->n, k == from ? HUGE : 0, "%s", losses[i].point);
			view_close(&v);
		}
	}
	assert_counted();
}

static struct place place_of(int64_t mailbox, slice name, int64_t only)
{
	return (struct place){mailbox,
		{.mailbox = mailbox, .name = name, .folder = only, .flags = VIEW_ALL_FLAGS}};
}

Test(expunged, a_lost_answer_moves_all_of_very_many_or_none)
{
	given_many(HUGE);
	made(S("b"));
	moves_with_losses((struct place[]){
		place_of(me.mailbox, S("INBOX"), 0), place_of(me.mailbox, S("b"), 0)});
}

Test(expunged, a_lost_answer_moves_all_of_very_many_to_another_mailbox_or_none)
{
	struct route other = store_mailbox(me.postoffice, "otto", 0);

	given_many(HUGE);
	moves_with_losses((struct place[]){place_of(me.mailbox, S("INBOX"), me.inbox),
		place_of(other.mailbox, S("INBOX"), other.inbox)});
}
#endif

Test(expunged, the_housekeeper_makes_rows_of_all_parts)
{
	struct housekeep_result done;

	given_many(HUGE);
	int64_t before = sum_of("entry");
	view *v = expunge_all();
	view_close(&v);
	house_kept(&done);
	cr_expect_eq(packs(), 0);
	cr_expect_eq(rows(), HUGE);
	cr_expect_eq(sum_of("expunged"), before);
}

/* What cannot be unpacked now is not taken for nothing to unpack: all else is done, and told. */
Test(expunged, a_pack_that_is_busy_waits_for_the_next_turn)
{
	struct housekeep_result done;
	db_link *other = given_link();

	given_many(MANY + 1);
	store_sql("delete from entry where postoffice = %lld and uid = %d",
		(long long)me.postoffice, MANY + 1);
	store_sql(
		"update folder set nmsg = %d, ndeleted = %d where postoffice = %lld and folder = %lld",
		MANY, MANY, (long long)me.postoffice, (long long)me.inbox);
	given_removed_before(MANY + 1);
	view *v = opened(S("INBOX"));
	struct view_change c;
	cr_assert_eq(view_expunge(v, NULL, 0, &me.a, &c), ST_OK);
	view_close(&v);
	cr_assert_eq(packs(), 1);
	given_script(other,
		"set idle_in_transaction_session_timeout = 0; begin; select from expunged_pack for update");
	cr_expect_eq(housekeep_run(&done), ST_BUSY);
	cr_expect_eq(packs(), 1);
	cr_expect_eq(messages(), MANY, "what no pack names is gone");
	cr_expect_eq(rows(), MANY + 1, "the day that named them waits");
	given_script(other, "commit");
	db_link_close(&other);
	house_kept(&done);
	cr_expect_eq(packs(), 0);
	cr_expect_eq(rows(), MANY, "the day is gone, and the pack is rows");
	cr_expect_eq(messages(), MANY);
}

static void *commit_soon(void *link)
{
	usleep(300000);
	given_script(link, "commit");
	return NULL;
}

Test(expunged, who_wants_them_back_waits_for_who_is_unpacking)
{
	db_link *other = given_link();
	pthread_t thread;

	given_many(MANY);
	view *v = expunge_all();
	given_script(other,
		"begin; with g as (delete from expunged_pack returning *)"
		" insert into expunged (postoffice, mailbox, folder, uid, msg, flags, idate, zone, at)"
		" select g.postoffice, g.mailbox, g.folder, u.* , g.at from g, unnest(g.uids, g.messages, g.flags, g.idates, g.zones) u");
	cr_assert_eq(pthread_create(&thread, NULL, commit_soon, other), 0);
	cr_expect_eq(undeleted(&(struct folder_lost){0}), MANY);
	pthread_join(thread, NULL);
	cr_expect_eq(rows() + packs(), 0);
	db_link_close(&other);
	view_close(&v);
}

Test(expunged, a_removed_folder_tells_how_many_can_be_had_back)
{
	struct folder_removed *gone;
	struct housekeep_result done;
	int n;

	made(S("a"));
	given_many(MANY);
	int64_t a = store_sql("select folder from folder where postoffice = %lld and name = 'a'",
		(long long)me.postoffice);
	struct view_copied moved;
	view *v = opened(S("INBOX"));
	cr_assert_eq(view_move(v, v->uids, v->n, S("a"), &me.a, &moved), ST_OK);
	cr_assert_eq(moved.n, MANY);
	view_close(&v);
	struct view_change c;
	v = opened(S("a"));
	cr_assert_eq(view_expunge(v, NULL, 0, &me.a, &c), ST_OK);
	view_close(&v);
	cr_assert_eq(packs(), 1);
	cr_assert_eq(folder_remove(me.postoffice, me.mailbox, S("a")), ST_OK);
	for (int turn = 0; turn < 2; turn++) {
		cr_assert_eq(
			folder_removed_list(me.postoffice, me.mailbox, &me.a, &gone, &n), ST_OK);
		cr_assert_eq(n, 1);
		cr_expect(gone[0].id == a && gone[0].messages == MANY, "turn %d: %d", turn,
			(int)gone[0].messages);
		house_kept(&done);
	}
	cr_expect_eq(undeleted(&(struct folder_lost){.folder = a}), MANY);
}

/* An append whose answer was lost looks where its message went. */
Test(expunged, what_was_appended_is_found_in_a_pack)
{
	struct rows r;

	given_many(MANY);
	view *v = expunge_all();
	cr_assert_eq(db_one(SQL_APPEND_FOUND,
			     (struct param[]){p_int(me.postoffice), p_int(me.mailbox), p_int(77)},
			     3, &me.a, &r),
		ST_OK);
	cr_expect_eq(row_int(&r, 0, 0), me.inbox);
	cr_expect_eq(row_int(&r, 0, 2), 77);
	cr_expect_eq(
		db_one(SQL_APPEND_FOUND,
			(struct param[]){p_int(me.postoffice), p_int(me.mailbox), p_int(MANY + 1)},
			3, &me.a, &r),
		ST_ABSENT);
	view_close(&v);
}

/* Where the trace says that message 1 is: it is asked in one question with others. */
static struct trace_place place_now(void)
{
	struct trace_row rows[] = {
		{.kind = TRACE_DELIVERED,
			.postoffice = me.postoffice,
			.message = MANY + 1,
			.fields = S("mailbox=\"anna\"")},
		{.kind = TRACE_READ, .postoffice = me.postoffice, .message = 1},
		{.kind = TRACE_DELIVERED,
			.postoffice = me.postoffice,
			.message = 1,
			.fields = S("recipient=\"x@y.test\" mailbox=\"Anna\"")},
		{.kind = TRACE_DELIVERED,
			.postoffice = me.postoffice,
			.message = 1,
			.fields = S("mailbox=\"nobody\"")},
		{.kind = TRACE_DELIVERED,
			.postoffice = me.postoffice,
			.message = 1,
			.fields = S("mailbox=\"anna\"")},
	};
	const bool wanted[] = {true, true, true, true, false};

	cr_assert_eq(trace_places(rows, wanted, 5, &me.a), ST_OK);
	cr_assert(rows[0].place && !rows[0].place->there && rows[0].place->removed == 0);
	cr_assert(!rows[1].place && rows[2].place && !rows[4].place);
	cr_assert(rows[3].place && rows[3].place->mailbox.size == 0 && !rows[3].place->there);
	cr_assert(slice_starts(rows[2].place->mailbox, S("anna@")));
	return *rows[2].place;
}

Test(expunged, the_trace_knows_since_when_and_how_long_it_can_be_had_back)
{
	struct folder_lost first = {.message = 1};
	struct trace_place p;

	given_many(MANY);
	p = place_now();
	cr_expect(p.there && p.removed == 0 && p.until == 0);
	view *v = expunge_all();
	view_close(&v);
	cr_assert_eq(packs(), 1);
	for (int turn = 0; turn < 2; turn++) { /* packed, and as a row */
		p = place_now();
		cr_expect(!p.there && p.removed > 0, "turn %d", turn);
		cr_expect_eq(p.until, p.removed + folder_lost_span(), "turn %d", turn);
		cr_expect_eq(undeleted(&first), 1);
		cr_expect(place_now().there, "turn %d", turn);
		mark_all();
		v = expunge_all();
		view_close(&v);
	}
	cr_assert_eq(packs(), 0);
	store_sql("update expunged set at = at - interval '1 year' where postoffice = %lld",
		(long long)me.postoffice);
	p = place_now();
	cr_expect(!p.there && p.removed > 0 && p.until == 0);
}

Test(expunged, packs_go_with_their_post_office)
{
	given_many(MANY);
	view *v = expunge_all();
	cr_assert_eq(packs(), 1);
	view_close(&v);
	cr_assert_eq(postoffice_remove(me.postoffice, &store_by), ST_OK);
	cr_expect_eq(packs() + rows() + messages(), 0);
}
