/* Answers of commits that got lost, changes of which nobody can find out whether they stand, and news of
   them and from another process. */
#include "base/fault.h"
#include "provider/db.h"
#include "provider/news.h"
#include "provider/provider.h"
#include "provider/setting.h"
#include "provider/view_cache.h"
#include "task/task.h"
#include "tests/unit/provider/given.h"
#include "tests/unit/provider/reader.h"
#include "tests/unit/provider/store_fixture.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(view_lost, .init = reader_begin, .fini = reader_end, .timeout = 300);

/* ---- the answer to the commit is lost */

static const char *const lost[] = {"db_commit_done:1:fail", "db_commit_sent:1:fail"};

Test(view_lost, a_lost_answer_doubles_and_loses_nothing)
{
	struct view_stored s;
	struct view_copied p;
	struct view_change c;
	folder *f;
	view *v;

	filled(S("INBOX"), 6);
	made(S("a"));
	for (size_t i = 0; i < sizeof lost / sizeof *lost; i++) {
		uint32_t uids[] = {1, 2, 3};
		struct view_flags seen = {.add = INT64_C(1) << (20 + i), .unchanged_since = -1};
		int before;

		v = opened(S("a"));
		before = v->n;
		cr_assert(fault_arm(lost[i]));
		uint32_t uid = appended(S("a"), S("Subject: once\r\n\r\n"), 0);
		cr_assert_eq(view_refresh(v, false, &me.a, &c), ST_OK);
		cr_assert_eq(v->n, before + 1);
		cr_assert_eq(v->uids[before], uid);
		view_close(&v);

		v = opened(S("INBOX"));
		seen.unchanged_since = v->modseq;
		cr_assert(fault_arm(lost[i]));
		cr_assert_eq(view_store(v, uids, 2, &seen, true, &me.a, &s), ST_OK);
		cr_assert_eq(s.failed_n, 0);
		cr_assert(view_find(v, 1)->flags & seen.add);

		cr_assert(fault_arm(lost[i]));
		cr_assert_eq(view_copy(v, uids, 3, S("a"), true, &me.a, &p), ST_OK);
		cr_assert_eq(p.n, 3);
		cr_assert_eq(p.to[0], uid + 1);
		cr_assert(p.modseq > 0);

		uids[0] = v->uids[v->n - 1];
		cr_assert(fault_arm(lost[i]));
		cr_assert_eq(view_move(v, uids, 1, S("a"), &me.a, &p), ST_OK);
		cr_assert_eq(p.n, 1);
		cr_assert_eq(p.from[0], uids[0]);
		cr_assert_eq(p.to[0], uid + 4);
		cr_assert_eq(p.change.gone_n, 1);

		/* As if it went to somebody else's folder: a copy and an expunge, in one. */
		uids[0] = v->uids[v->n - 1];
		struct view_target to = {
			.mailbox = me.mailbox, .name = S("a"), .flags = VIEW_ALL_FLAGS};
		cr_assert_eq(folder_find(me.postoffice, me.mailbox, S("a"), &me.a, &f), ST_OK);
		to.folder = f->id;
		cr_assert(fault_arm(lost[i]));
		cr_assert_eq(view_move_to(v, uids, 1, &to, &me.a, &p), ST_OK);
		cr_assert_eq(p.n, 1);
		cr_assert_eq(p.from[0], uids[0]);
		cr_assert_eq(p.to[0], uid + 5);
		cr_assert_eq(p.change.gone_n, 1);

		uids[0] = v->uids[v->n - 1];
		struct view_flags deleted = {.add = FLAG_DELETED, .unchanged_since = -1};
		cr_assert_eq(view_store(v, uids, 1, &deleted, true, &me.a, &s), ST_OK);
		cr_assert(fault_arm(lost[i]));
		cr_assert_eq(view_expunge(v, uids, 1, &me.a, &c), ST_OK);
		cr_assert_eq(c.gone_n, 1);
		view_close(&v);

		slice name = arena_format(&me.a, "new %d", (int)i);
		cr_assert(fault_arm(lost[i]));
		cr_assert_eq(folder_make(me.postoffice, me.mailbox, name, 0, &me.a, &f), ST_OK);
		slice other = arena_format(&me.a, "other %d", (int)i);
		cr_assert(fault_arm(lost[i]));
		cr_assert_eq(folder_rename(me.postoffice, me.mailbox, name, other), ST_OK);
		cr_assert_eq(folder_find(me.postoffice, me.mailbox, other, &me.a, &f), ST_OK);
		cr_assert(fault_arm(lost[i]));
		cr_assert_eq(folder_remove(me.postoffice, me.mailbox, other), ST_OK);
		cr_assert(fault_arm(""));
		assert_counted();
	}
}

/* The answer is lost, and then what became of it cannot be looked at, not by a second try either: wherever that strikes, nobody is
   told that what was stored was held back. */
Test(view_lost, a_condition_of_which_nobody_knows_whether_it_held_is_not_said_to_have_failed)
{
	int unsure = 0;
	view *v;

	filled(S("INBOX"), 2);
	for (int at = 1; at <= 6; at++) {
		struct view_flags claimed = {.add = INT64_C(1) << (20 + at)};
		uint32_t uids[] = {1, 2};
		struct view_stored s;

		v = opened(S("INBOX"));
		claimed.unchanged_since = v->modseq;
		cr_assert(fault_arm(arena_format(
			&me.a, "db_commit_done:1:fail,db_sent:%d:fail,db_sent:%d:fail", at, at + 1)
					    .at));
		status kind = view_store(v, uids, 2, &claimed, true, &me.a, &s);
		fault_arm("");
		unsure += kind == ST_UNSURE;
		cr_assert(kind == ST_OK || kind == ST_UNSURE, "%d: %s", at, status_name(kind));
		cr_assert(kind != ST_OK || s.failed_n == 0, "%d", at);
		view_close(&v);
		v = opened(S("INBOX"));
		cr_assert(view_find(v, 1)->flags & claimed.add, "%d", at);
		view_close(&v);
	}
	cr_assert(unsure > 0);
}

/* A change that stands behind another one's, and cannot be looked at, twice: what the view has is of before, and
   it says so. */
Test(view_lost, a_store_that_cannot_be_seen_says_so)
{
	int hidden = 0;
	view *v, *w;

	filled(S("INBOX"), 2);
	for (int at = 2; at <= 4; at++) {
		struct view_flags flagged = {.add = INT64_C(1) << (20 + at), .unchanged_since = -1};
		struct view_flags other = {.add = INT64_C(1) << (30 + at), .unchanged_since = -1};
		uint32_t uids[] = {1, 2};
		struct view_stored s;

		v = opened(S("INBOX"));
		w = opened(S("INBOX"));
		cr_assert_eq(view_store(w, uids, 1, &other, true, &me.a, &s), ST_OK);
		view_cache_clear(); /* as if another process had stored it */
		cr_assert(fault_arm(
			arena_format(&me.a, "db_sent:%d:fail,db_sent:%d:fail", at, at + 1).at));
		cr_assert_eq(view_store(v, uids, 2, &flagged, true, &me.a, &s), ST_OK);
		fault_arm("");
		hidden += s.hidden;
		cr_assert_eq(s.hidden, !(view_find(v, 1)->flags & flagged.add), "%d", at);
		view_close(&v);
		view_close(&w);
	}
	cr_assert(hidden > 0);
}

/* What others changed, and an EXPUNGE would have told, is told by who looks next. */
Test(view_lost, an_expunge_that_fails_swallows_no_news)
{
	struct view_flags deleted = {.add = FLAG_DELETED, .unchanged_since = -1};
	struct view_stored s;
	struct view_change c;
	uint32_t uid = 1;

	filled(S("INBOX"), 2);
	view *v = opened(S("INBOX")), *w = opened(S("INBOX"));
	cr_assert_eq(view_store(w, &uid, 1, &deleted, true, &me.a, &s), ST_OK);
	appended(S("INBOX"), S("Subject: new\r\n\r\n"), 0);
	view_cache_clear(); /* as if another process had done so */
	cr_assert(fault_arm("db_commit_send:0:fail"));
	cr_expect_eq(view_expunge(v, NULL, 0, &me.a, &c), ST_BUSY);
	fault_arm("");
	cr_assert_eq(view_refresh(v, false, &me.a, &c), ST_OK);
	cr_expect_eq(c.arrived, 1);
	cr_expect_eq(c.changed_n, 1);
	cr_assert_eq(view_expunge(v, NULL, 0, &me.a, &c), ST_OK);
	cr_expect_eq(c.gone_n, 1);
	cr_expect_eq(v->n, 2);
	view_close(&v);
	view_close(&w);
}

/* Others rename the folder while the first answer is lost: it stands, and that is what is said. */
static void *remove_aside(void *outcome)
{
	*(status *)outcome = folder_remove(me.postoffice, me.mailbox, S("held"));
	return NULL;
}

Test(view_lost, a_folder_that_others_renamed_meanwhile_is_not_said_to_be_removed)
{
	pthread_t aside;
	status s;
	int64_t id = made(S("held"));

	given_sql("begin");
	store_sql("update mailbox set modseq = modseq where postoffice = %lld and mailbox = %lld",
		(long long)me.postoffice, (long long)me.mailbox);
	cr_assert(fault_arm("db_commit_sent:1:fail"));
	cr_assert_eq(pthread_create(&aside, NULL, remove_aside, &s), 0);
	cr_assert(given_somebody_waits());
	store_sql("update folder set name = 'elsewhere' where postoffice = %lld and folder = %lld",
		(long long)me.postoffice, (long long)id);
	given_sql("commit");
	pthread_join(aside, NULL);
	fault_arm("");
	cr_assert_eq(s, ST_ABSENT, "%s", status_name(s));
	cr_assert_eq(
		store_sql("select count(*) from folder where postoffice = %lld and folder = %lld",
			(long long)me.postoffice, (long long)id),
		1);
}

/* ---- nobody can find out what became of it */

static void serve_here(void)
{
	struct provider_conf conf = {.boot = given_bootstrap(),
		.connections = 2,
		.system_connections = 2,
		.application = "here",
		.serve = true};

	provider_close();
	cr_assert_eq(provider_open(&conf), ST_OK);
}

static bool heard_within(notice *n, usec span)
{
	struct wait w = {.fd = -1, .notice = n};
	int which;

	return task_wait_any(&w, 1, clock_now() + span, &which) == ST_OK;
}

static view *from; /* of copies */

static status store_unsure(view *v, arena *a)
{
	struct view_flags seen = {.add = FLAG_SEEN, .unchanged_since = -1};
	struct view_stored s;

	return view_store(v, v->uids, 1, &seen, true, a, &s);
}

static status expunge_unsure(view *v, arena *a)
{
	struct view_change c;

	return view_expunge(v, v->uids, 1, a, &c);
}

static status append_unsure(view *v, arena *a)
{
	struct append_message m = {.flags = 0};
	struct append x = {.postoffice = me.postoffice,
		.mailbox = me.mailbox,
		.folder = v->inside->image->name,
		.messages = &m,
		.n = 1};

	(void)a;
	return append_text(&x, S("Subject: perhaps\r\n\r\n"));
}

static status remove_unsure(view *v, arena *a)
{
	(void)a;
	return folder_remove(me.postoffice, me.mailbox, v->inside->image->name);
}

static status copy_unsure(view *v, arena *a)
{
	struct view_copied done;

	return view_copy(from, from->uids, 1, v->inside->image->name, true, a, &done);
}

static struct act {
	const char *folder;
	status (*run)(view *v, arena *a);
	view *v;
	notice *raised;
	status outcome;
	bool heard;
} acts[] = {
	{.folder = "stored", .run = store_unsure},
	{.folder = "expunged", .run = expunge_unsure},
	{.folder = "appended", .run = append_unsure},
	{.folder = "copied", .run = copy_unsure},
	{.folder = "removed", .run = remove_unsure},
};
#define ACTS (sizeof acts / sizeof *acts)

static status act_on(void *arg)
{
	struct act *act = arg;
	arena a = ARENA_INIT;

	act->outcome = act->run(act->v, &a);
	act->heard = heard_within(act->raised, 0);
	arena_release(&a);
	return ST_OK;
}

static status acts_begin(void *arg)
{
	(void)arg;
	for (size_t i = 0; i < ACTS; i++)
		task_start("act", act_on, &acts[i]);
	return ST_OK;
}

/* Every commit's answer is lost, until they give up; nobody looks by himself for ten minutes. */
Test(view_lost, what_may_have_been_changed_is_told_to_whoever_watches)
{
	slice never = S("10 min"), why = S("");
	news *watch[ACTS];

	cr_assert_eq(setting_set(S_news_poll, NULL, &never, NULL, &me.a, &why), ST_OK);
	serve_here();
	filled(S("INBOX"), 1);
	from = opened(S("INBOX"));
	for (size_t i = 0; i < ACTS; i++) {
		made(slice_z(acts[i].folder));
		appended(slice_z(acts[i].folder), S("Subject: one\r\n\r\n"), FLAG_DELETED);
		acts[i].v = opened(slice_z(acts[i].folder));
		acts[i].raised = notice_open();
	}
	/* The first one to watch has all of that looked at, once. */
	notice *first = notice_open();
	news *looked = news_open(me.postoffice, me.mailbox, 0, first);
	reader_heard(first);
	for (size_t i = 0; i < ACTS; i++)
		watch[i] = news_open(me.postoffice, me.mailbox, acts[i].v->folder, acts[i].raised);
	cr_assert(fault_arm("db_commit_sent:0:fail"));
	store_fibers(1, acts_begin, NULL);
	fault_arm("");
	cr_assert_eq(setting_set(S_news_poll, NULL, NULL, NULL, &me.a, &why), ST_OK);
	for (size_t i = 0; i < ACTS; i++) {
		cr_assert_eq(acts[i].outcome, ST_UNSURE, "%s: %s", acts[i].folder,
			status_name(acts[i].outcome));
		cr_assert(acts[i].heard, "%s", acts[i].folder);
		view_close(&acts[i].v);
		news_close(&watch[i]);
		notice_close(&acts[i].raised);
	}
	view_close(&from);
	news_close(&looked);
	notice_close(&first);
}

/* ---- another process */

#define ENOUGH (60 * USEC_S) /* for what comes, on a machine that has better things to do */

/* Delivers when `go` has a byte, and lives until it is closed. */
static void deliver_elsewhere(int go)
{
	char byte;
	struct provider_conf conf = {.boot = given_bootstrap(),
		.connections = 2,
		.system_connections = 2,
		.application = "elsewhere",
		.serve = true};

	if (provider_open(&conf) != ST_OK)
		_exit(1);
	if (read(go, &byte, 1) == 1)
		appended(S("INBOX"), S("Subject: from elsewhere\r\n\r\n"), 0);
	while (read(go, &byte, 1) == 1)
		;
	provider_close();
	_exit(0);
}

Test(view_lost, news_come_from_other_processes)
{
	slice never = S("10 min"), why = S("");
	int go[2];

	cr_assert_eq(setting_set(S_news_poll, NULL, &never, NULL, &me.a, &why), ST_OK);
	provider_close();
	cr_assert_eq(pipe(go), 0);
	pid_t other = fork();
	if (other == 0) {
		close(go[1]);
		deliver_elsewhere(go[0]);
	}
	close(go[0]);
	serve_here();
	notice *n = notice_open();
	news *watch = news_open(me.postoffice, me.mailbox, me.inbox, n);
	struct view_change c;
	view *v = opened(S("INBOX"));
	usec until = clock_now() + ENOUGH;

	cr_assert_eq(write(go[1], "g", 1), 1);
	while (v->n == 0 && clock_now() < until)
		if (heard_within(n, USEC_S))
			cr_assert_eq(view_refresh(v, false, &me.a, &c), ST_OK);
	cr_assert_eq(v->n, 1, "not heard: nobody looks by himself for ten minutes");
	cr_assert(clock_wall() - v->entries[0].received < ENOUGH);
	close(go[1]);
	int ended;
	waitpid(other, &ended, 0);
	cr_assert_eq(ended, 0);
	cr_assert_eq(setting_set(S_news_poll, NULL, NULL, NULL, &me.a, &why), ST_OK);
	news_close(&watch);
	notice_close(&n);
	view_close(&v);
}

Test(view_lost, what_nobody_told_is_found_by_looking)
{
	slice second = S("1 s"), why = S("");
	arena a = ARENA_INIT;

	cr_assert_eq(setting_set(S_news_poll, NULL, &second, NULL, &a, &why), ST_OK);
	serve_here();
	notice *n = notice_open();
	news *watch = news_open(me.postoffice, me.mailbox, me.inbox, n);
	while (heard_within(n, 1500 * USEC_MS)) /* the first look */
		;
	store_sql("update folder set modseq = modseq + 1 where postoffice = %lld and folder = %lld",
		(long long)me.postoffice, (long long)me.inbox);
	bool heard = heard_within(n, ENOUGH);
	cr_assert_eq(setting_set(S_news_poll, NULL, NULL, NULL, &a, &why), ST_OK);
	cr_assert(heard);
	news_close(&watch);
	notice_close(&n);
	arena_release(&a);
}
