/* News between processes: one thread with one connection of its own, as the system role, which sees
   all post offices. It tells what was gathered, hears what others tell, and looks now and then
   itself. Whatever fails here, readers still see everything by looking.

   In a process that serves it also hears that a revision was raised (change.h), which the change
   itself tells on a channel of its own: "!" and the kind. */
#include "provider/news_bell.h"

#include "base/log.h"
#include "base/map.h"
#include "base/memory.h"
#include "base/text.h"
#include "provider/db.h"
#include "provider/setting.h"
#include "provider/watch.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define PAYLOAD_MOST 7900  /* of PostgreSQL's 8,000 bytes */
#define PENDING_MOST 10000 /* places; more are found by looking */
#define PAUSE (5 * USEC_S) /* between two attempts to connect */
#define ANSWER_MOST (5 * USEC_S)

struct pair {
	int64_t mailbox, folder;
};

static struct {
	pthread_mutex_t lock; /* guards what follows; never held across a wait */
	map *pending;         /* struct pair */
	bool open, serves, watches, runs, stopping, said_deaf;
	bool looks; /* the thread looks at pending before long by itself: nobody need wake it */
	pthread_t thread;
	notice *rung;
	const char *key; /* of the bootstrap file: what uri is told as */
	char *uri, *application;
} bell = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- the thread's */

struct ringer {
	db_link *link;
	bool listens; /* to news of folders */
	bool hears;   /* of revisions */
	bool deaf;    /* behind a pooler: nothing told comes here, but what was told is found by
			 looking */
	usec told_at, looked_at, tried_at;
	map *seen; /* modseqs of the last look, by place */
};

/* LISTEN would stay with a connection of the pooler's, which is another's in the next
   transaction. */
static status link_judge(struct ringer *r, arena *a)
{
	bool own;

	TRY(db_link_own(r->link, a, &own));
	r->deaf = !own;
	if (r->deaf && bell.serves && !bell.said_deaf)
		log_event(EV_NEWS_DEAF, "uri=%s", bell.key);
	bell.said_deaf |= r->deaf;
	return ST_OK;
}

static status link_up(struct ringer *r)
{
	arena a = ARENA_INIT;
	status s;

	r->tried_at = clock_now();
	s = db_link_open(slice_z(bell.uri), bell.application, &a, &r->link, NULL);
	if (s == ST_OK)
		s = link_judge(r, &a);
	if (s != ST_OK)
		db_link_close(&r->link);
	r->listens = r->hears = false;
	arena_release(&a);
	return s;
}

static status listen_to(struct ringer *r, const char *words, bool *listens)
{
	arena a = ARENA_INIT;
	status s = db_link_script(r->link, words, &a, NULL);

	*listens = s == ST_OK;
	arena_release(&a);
	return s;
}

/* What others told while nobody listened is found by looking at once. */
static status listen_to_news(struct ringer *r)
{
	r->looked_at = 0;
	return listen_to(r, "listen pennypost_news", &r->listens);
}

static status listen_to_changes(struct ringer *r)
{
	status s = listen_to(r, "listen pennypost_change", &r->hears);

	provider_look();
	return s;
}

/* "mailbox.folder" in hexadecimal with blanks between, as many as a payload holds. False: nothing
   is left. */
static bool payload_take(text *t)
{
	size_t cursor = 0;
	slice key;
	void *value;

	pthread_mutex_lock(&bell.lock);
	while (bell.pending && t->size < PAYLOAD_MOST - 40 &&
		map_next(bell.pending, &cursor, &key, &value)) {
		struct pair p;

		memcpy(&p, key.at, sizeof p);
		text_format(t, "%llx.%llx ", (long long)p.mailbox, (long long)p.folder);
		map_remove(bell.pending, slice_of(&p, sizeof p));
	}
	pthread_mutex_unlock(&bell.lock);
	return t->size > 0;
}

static status tell(struct ringer *r)
{
	text t = TEXT_INIT;
	status s = ST_OK;

	while (s == ST_OK && payload_take(&t)) {
		arena a = ARENA_INIT;
		struct param p = p_text(text_slice(&t));

		s = db_link_run(r->link, statement_table[SQL_NEWS_NOTIFY].text, &p, 1, &a, NULL);
		text_clear(&t);
		arena_release(&a);
	}
	text_free(&t);
	r->told_at = clock_now();
	return s;
}

static void heard(slice payload)
{
	slice word;

	if (slice_starts(payload, S("!"))) {
		provider_look();
		return;
	}
	while (slice_take(&payload, ' ', &word)) {
		char *dot;
		int64_t mailbox = (int64_t)strtoull(word.at, &dot, 16);

		if (word.size > 0 && *dot == '.')
			news_raise(mailbox, (int64_t)strtoull(dot + 1, NULL, 16));
	}
}

static status hear(struct ringer *r)
{
	bool any = true, own;
	status s = ST_OK;

	while (s == ST_OK && any) {
		arena a = ARENA_INIT;
		slice payload;

		s = db_link_hear(r->link, &a, &any, &payload, &own);
		if (s == ST_OK && any && !own)
			heard(payload);
		arena_release(&a);
	}
	return s;
}

static int64_t place_id(const struct news_place *p)
{
	return p->folder ? p->folder : p->mailbox;
}

/* Compares with the last look; of what was not watched then, nothing is known to be missed but what
   came between its reader's look and now: raised once. */
static void compare(
	struct ringer *r, const struct news_place *places, const struct rows *rows, int n)
{
	map *now = map_open();
	slice key;
	void *old;
	size_t cursor = 0;

	for (int i = 0; i < n && i < rows->count; i++) {
		int64_t id = place_id(&places[i]);
		int64_t *modseq = r->seen ? map_remove(r->seen, slice_of(&id, sizeof id)) : NULL;
		bool same = modseq && *modseq == row_int(rows, i, 0);

		if (!modseq)
			modseq = memory_new(sizeof *modseq);
		*modseq = row_int(rows, i, 0);
		map_put(now, slice_of(&id, sizeof id), modseq);
		if (!same)
			news_raise(places[i].mailbox, places[i].folder);
	}
	while (r->seen && map_next(r->seen, &cursor, &key, &old))
		memory_free(old);
	map_close(&r->seen);
	r->seen = now;
}

static status look(struct ringer *r)
{
	int n;
	struct news_place *places = news_places(&n);
	arena a = ARENA_INIT;
	int64_t *ids = arena_new_array(&a, (size_t)n * 3 + 1, sizeof *ids);
	struct rows rows;

	for (int i = 0; i < n; i++) {
		ids[i] = places[i].postoffice;
		ids[n + i] = places[i].mailbox;
		ids[2 * n + i] = places[i].folder;
	}
	r->looked_at = clock_now();
	status s = db_link_run(r->link, statement_table[SQL_NEWS_POLL].text,
		(struct param[]){
			p_int_array(ids, n), p_int_array(ids + n, n), p_int_array(ids + 2 * n, n)},
		3, &a, &rows);
	if (s == ST_OK)
		compare(r, places, &rows, n);
	arena_release(&a);
	memory_free(places);
	return s;
}

static bool has_pending(void)
{
	pthread_mutex_lock(&bell.lock);
	bool some = bell.pending && map_size(bell.pending) > 0;
	pthread_mutex_unlock(&bell.lock);
	return some;
}

/* Everything that is due now. */
static status turn(struct ringer *r, bool watches)
{
	usec now = clock_now();

	if (bell.serves && !r->deaf && !r->hears)
		TRY(listen_to_changes(r));
	if (watches && !r->deaf && !r->listens)
		TRY(listen_to_news(r));
	if (has_pending() && now - r->told_at >= setting_number(S_news_gap, NULL))
		TRY(tell(r));
	if (watches && now - r->looked_at >= setting_number(S_news_poll, NULL))
		TRY(look(r));
	/* Last, because what came while those waited for their answers was read with them: nothing
	   would wake for it. */
	return hear(r);
}

/* Behind what was told just now more is likely to come: it is gathered without waking the thread
   for each first of it. */
static bool looks_before_long(const struct ringer *r, usec told_next)
{
	pthread_mutex_lock(&bell.lock);
	bell.looks = r->link && clock_now() < told_next;
	bool due = bell.looks || (bell.pending && map_size(bell.pending) > 0);
	pthread_mutex_unlock(&bell.lock);
	return due;
}

static usec next_moment(const struct ringer *r, bool watches)
{
	usec at = clock_now() + setting_number(S_news_poll, NULL);
	usec told_next = r->told_at + setting_number(S_news_gap, NULL);
	bool due = looks_before_long(r, told_next);

	if (!r->link)
		return r->tried_at + PAUSE;
	if (watches)
		at = r->looked_at + setting_number(S_news_poll, NULL);
	return due && told_next < at ? told_next : at;
}

static void rest(const struct ringer *r, bool watches)
{
	struct wait w[] = {{.fd = -1, .notice = bell.rung}, {.fd = -1, .ready = WAIT_READ}};
	int which;

	if (r->link)
		w[1].fd = db_link_fd(r->link);
	task_wait_any(w, r->link ? 2 : 1, next_moment(r, watches), &which);
}

static void *run(void *arg)
{
	struct ringer r = {0};

	for (;;) {
		pthread_mutex_lock(&bell.lock);
		bool stopping = bell.stopping, watches = bell.watches;
		pthread_mutex_unlock(&bell.lock);
		usec before = task_deadline(clock_now() + ANSWER_MOST);

		if (!r.link && (r.tried_at == 0 || clock_now() - r.tried_at >= PAUSE))
			link_up(&r);
		if (r.link && turn(&r, watches && !stopping) != ST_OK)
			db_link_close(&r.link);
		if (stopping && r.link)
			tell(&r);
		task_deadline(before);
		if (stopping)
			break;
		rest(&r, watches);
	}
	db_link_close(&r.link);
	compare(&r, NULL, &(struct rows){0}, 0);
	map_close(&r.seen);
	return arg;
}

/* With the lock held. The thread has no business with signals. */
static void start(void)
{
	sigset_t all, before;

	if (bell.runs)
		return;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	bell.runs = pthread_create(&bell.thread, NULL, run, NULL) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* ---- the others' */

void bell_watch(void)
{
	pthread_mutex_lock(&bell.lock);
	if (bell.open && !bell.watches) {
		bell.watches = true;
		start();
		notice_raise(bell.rung);
	}
	pthread_mutex_unlock(&bell.lock);
}

void bell_ring(int64_t mailbox, int64_t folder)
{
	static char here;
	struct pair p = {mailbox, folder};

	pthread_mutex_lock(&bell.lock);
	if (bell.open && (!bell.pending || map_size(bell.pending) < PENDING_MOST)) {
		if (!bell.pending)
			bell.pending = map_open();
		if (map_size(bell.pending) == 0 && !bell.looks)
			notice_raise(bell.rung);
		map_put(bell.pending, slice_of(&p, sizeof p), &here);
	}
	pthread_mutex_unlock(&bell.lock);
}

static char *kept(const char *words)
{
	size_t size = strlen(words) + 1;

	return memcpy(memory_new(size), words, size);
}

status bell_role(slice uri, const char *application, arena *a, struct rows *out)
{
	db_link *l;

	TRY(db_link_open(uri, application, a, &l, NULL));
	status s = db_link_run(l, statement_table[SQL_SYSTEM_ROLE_FACTS].text, NULL, 0, a, out);
	db_link_close(&l);
	return s == ST_OK && out->count != 1 ? ST_BROKEN : s;
}

void bell_open(const struct bootstrap *b, const char *application, bool serves)
{
	bool apart = b->pguri_news.size > 0;

	pthread_mutex_lock(&bell.lock);
	bell.key = apart ? "pguri_news" : "pguri_system";
	bell.uri = kept(apart ? b->pguri_news.at : b->pguri_system.at);
	bell.application = kept(application);
	bell.rung = notice_open();
	bell.serves = serves;
	bell.watches = bell.stopping = bell.runs = bell.looks = false;
	bell.open = true;
	if (serves)
		start();
	pthread_mutex_unlock(&bell.lock);
}

/* A command line has no thread for its few news: they are told now. */
static void tell_last(void)
{
	struct ringer r = {0};
	usec before = task_deadline(clock_now() + ANSWER_MOST);

	if (link_up(&r) == ST_OK)
		tell(&r);
	db_link_close(&r.link);
	task_deadline(before);
}

void bell_close(void)
{
	pthread_mutex_lock(&bell.lock);
	bool open = bell.open, runs = bell.runs;
	bell.stopping = true;
	if (runs)
		notice_raise(bell.rung);
	pthread_mutex_unlock(&bell.lock);
	if (!open)
		return;
	if (runs)
		pthread_join(bell.thread, NULL);
	else if (has_pending())
		tell_last();
	pthread_mutex_lock(&bell.lock);
	bell.open = false;
	map_close(&bell.pending);
	notice_close(&bell.rung);
	memory_free(bell.uri);
	memory_free(bell.application);
	bell.uri = bell.application = NULL;
	pthread_mutex_unlock(&bell.lock);
}
