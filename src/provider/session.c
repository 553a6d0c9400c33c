/* The list of this process's sessions, and the watch's turn that writes what of it lasts. */
#include "provider/session.h"

#include "base/id.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/memory.h"
#include "provider/change.h"
#include "provider/db.h"
#include "provider/mailbox.h"
#include "provider/watch.h"

#include <pthread.h>
#include <stddef.h>

#define TURN (900 * USEC_MS) /* looks may come more often */
#define BATCH 1000           /* rows of each kind in one transaction */
#define NOTE_EVERY (60 * USEC_S)
#define NOTED_MOST 20000

struct session {
	link_t link;
	int64_t id, postoffice, mailbox;
	enum service service;
	usec since;
	enum { UNTOLD, ON_ITS_WAY, TOLD } state; /* to the table */
	bool doubted;                            /* a row of it may stand, whatever the state */
	void (*end)(void *arg);
	void *arg;
	char address[64];
};

struct gone { /* a row to be removed */
	link_t link;
	int64_t id, postoffice;
};

struct noted { /* a logon to be noted */
	link_t link;
	int64_t postoffice, mailbox;
	enum service service;
	usec at;
};

static struct {
	pthread_mutex_t lock; /* guards what follows; never held across a wait */
	link_t open, gone, noted;
	unsigned told; /* of the open ones, those on their way too */
	map *recent;   /* mailboxes and services whose logon was noted lately */
	usec recent_since;
	int64_t node, token; /* as of the last turn */
	usec turned_at;
} all = {.lock = PTHREAD_MUTEX_INITIALIZER,
	.open = {&all.open, &all.open},
	.gone = {&all.gone, &all.gone},
	.noted = {&all.noted, &all.noted}};

/* ---- coming and going */

/* Those of the last minute, begun anew each minute. With the lock. */
static map *recent(void)
{
	usec now = clock_now();

	if (!all.recent || now - all.recent_since > NOTE_EVERY ||
		map_size(all.recent) > NOTED_MOST) {
		map_close(&all.recent);
		all.recent = map_open();
		all.recent_since = now;
	}
	return all.recent;
}

bool session_is_noted(int64_t mailbox, enum service s)
{
	int64_t key[] = {mailbox, s};

	pthread_mutex_lock(&all.lock);
	bool found = map_get(recent(), slice_of(key, sizeof key)) != NULL;
	pthread_mutex_unlock(&all.lock);
	return found;
}

void session_noted(int64_t mailbox, enum service s)
{
	static char here;
	int64_t key[] = {mailbox, s};

	pthread_mutex_lock(&all.lock);
	map_put(recent(), slice_of(key, sizeof key), &here);
	pthread_mutex_unlock(&all.lock);
}

/* POP3 notes its logons itself, as it takes the maildrop. */
static struct noted *note(const session *s)
{
	if (s->service == SERVICE_POP3 || session_is_noted(s->mailbox, s->service))
		return NULL;
	session_noted(s->mailbox, s->service);
	struct noted *n = memory_new(sizeof *n);
	*n = (struct noted){.postoffice = s->postoffice,
		.mailbox = s->mailbox,
		.service = s->service,
		.at = s->since};
	return n;
}

session *session_open(int64_t postoffice, int64_t mailbox, enum service service, slice address,
	void (*end)(void *arg), void *arg)
{
	session *s = memory_new(sizeof *s);
	slice shown = slice_until(address, sizeof s->address - 1);

	*s = (session){.id = id_new(),
		.postoffice = postoffice,
		.mailbox = mailbox,
		.service = service,
		.since = clock_wall(),
		.end = end,
		.arg = arg};
	if (shown.size)
		memcpy(s->address, shown.at, shown.size);
	struct noted *n = note(s);
	pthread_mutex_lock(&all.lock);
	list_append(&all.open, &s->link);
	if (n)
		list_append(&all.noted, &n->link);
	pthread_mutex_unlock(&all.lock);
	return s;
}

void session_close(session **of)
{
	session *s = *of;

	if (!s)
		return;
	struct gone *g = NULL;
	pthread_mutex_lock(&all.lock);
	list_remove(&s->link);
	all.told -= s->state != UNTOLD;
	if (s->state != UNTOLD || s->doubted) {
		g = memory_new(sizeof *g);
		*g = (struct gone){.id = s->id, .postoffice = s->postoffice};
		list_append(&all.gone, &g->link);
	}
	pthread_mutex_unlock(&all.lock);
	memory_free(s);
	*of = NULL;
}

/* ---- the turn */

struct batch { /* columns, in the arena */
	int came, went, noted;
	bool any; /* there are rows of this process */
	int64_t *came_columns[5], *went_columns[2], *noted_columns[4];
	slice *addresses;
	link_t went_rows, noted_rows; /* taken off the lists; put back when they were not stored */
};

static void columns_new(arena *a, int64_t **columns, int n)
{
	for (int i = 0; i < n; i++)
		columns[i] = arena_new_array(a, BATCH, sizeof **columns);
}

static void take_came(struct batch *b, arena *a)
{
	for (link_t *at = all.open.next; at != &all.open && b->came < BATCH; at = at->next) {
		session *s = LINK_OWNER(at, session, link);
		if (s->state != UNTOLD)
			continue;
		s->state = ON_ITS_WAY;
		all.told++;
		const int64_t row[] = {s->postoffice, s->id, s->mailbox, s->service, s->since};
		for (int i = 0; i < 5; i++)
			b->came_columns[i][b->came] = row[i];
		b->addresses[b->came++] = arena_copy(a, slice_z(s->address));
	}
}

static void take_went(struct batch *b)
{
	for (link_t *at; b->went < BATCH && (at = list_first(&all.gone));) {
		struct gone *g = LINK_OWNER(at, struct gone, link);
		list_remove(at);
		list_append(&b->went_rows, at);
		b->went_columns[0][b->went] = g->postoffice;
		b->went_columns[1][b->went++] = g->id;
	}
}

static void take_noted(struct batch *b)
{
	for (link_t *at; b->noted < BATCH && (at = list_first(&all.noted));) {
		struct noted *n = LINK_OWNER(at, struct noted, link);
		list_remove(at);
		list_append(&b->noted_rows, at);
		const int64_t row[] = {n->postoffice, n->mailbox, n->service, n->at};
		for (int i = 0; i < 4; i++)
			b->noted_columns[i][b->noted] = row[i];
		b->noted++;
	}
}

/* Under another number than before all rows are those of a process that is no more. */
static void forget_told(void)
{
	for (link_t *at = all.open.next; at != &all.open; at = at->next)
		LINK_OWNER(at, session, link)->state = UNTOLD;
	all.told = 0;
}

/* False: there is nothing to say and nobody to ask for. */
static bool take(struct batch *b, int64_t node, int64_t token, arena *a)
{
	list_init(&b->went_rows);
	list_init(&b->noted_rows);
	pthread_mutex_lock(&all.lock);
	bool due = clock_now() - all.turned_at >= TURN &&
		   !(list_empty(&all.open) && list_empty(&all.gone) && list_empty(&all.noted));
	if (due) {
		columns_new(a, b->came_columns, 5);
		columns_new(a, b->went_columns, 2);
		columns_new(a, b->noted_columns, 4);
		b->addresses = arena_new_array(a, BATCH, sizeof *b->addresses);
		if (node != all.node || token != all.token)
			forget_told();
		all.turned_at = clock_now();
		all.node = node;
		all.token = token;
		take_went(b);
		take_came(b, a);
		take_noted(b);
		b->any = all.told > 0;
	}
	pthread_mutex_unlock(&all.lock);
	return due && (b->came || b->went || b->noted || b->any);
}

static void move_all(link_t *from, link_t *to)
{
	for (link_t *at; (at = list_first(from));) {
		list_remove(at);
		list_append(to, at);
	}
}

static int free_all(link_t *rows, size_t link_at)
{
	int n = 0;

	for (link_t *at; (at = list_first(rows)); n++) {
		list_remove(at);
		memory_free((char *)at - link_at);
	}
	return n;
}

static session *find(int64_t postoffice, int64_t id)
{
	for (link_t *at = all.open.next; at != &all.open; at = at->next) {
		session *s = LINK_OWNER(at, session, link);
		if (s->id == id && s->postoffice == postoffice)
			return s;
	}
	return NULL;
}

/* What was not stored, or may not have been, comes again with the next turn. Rows that may stand
   are removed like those that do: none stays behind. */
static void settle(struct batch *b, status kind)
{
	pthread_mutex_lock(&all.lock);
	if (kind != ST_OK)
		move_all(&b->went_rows, &all.gone);
	for (link_t *at = all.open.next; b->came && at != &all.open; at = at->next) {
		session *s = LINK_OWNER(at, session, link);
		if (s->state != ON_ITS_WAY)
			continue;
		s->state = kind == ST_OK ? TOLD : UNTOLD;
		s->doubted |= kind == ST_UNSURE;
		all.told -= s->state == UNTOLD;
	}
	pthread_mutex_unlock(&all.lock);
}

/* The callee may close no session: it only wakes a task. */
static void end_those(const struct rows *r)
{
	pthread_mutex_lock(&all.lock);
	for (int i = 0; i < r->count; i++) {
		session *s = find(row_int(r, i, 0), row_int(r, i, 1));
		if (s && s->end)
			s->end(s->arg);
	}
	pthread_mutex_unlock(&all.lock);
}

static status store(const struct batch *b, int64_t node, int64_t token, arena *a, struct rows *ends)
{
	db_tx *tx = db_begin(DB_SYSTEM, a);

	db_relax(tx); /* Who is logged on need not survive a crash of PostgreSQL. */
	/* Those that went before those that came: no row of a batch is in both. */
	if (b->went)
		db_add(tx, SQL_SESSION_REMOVE,
			(struct param[]){p_int_array(b->went_columns[0], b->went),
				p_int_array(b->went_columns[1], b->went)},
			2, NULL);
	if (b->came)
		db_add(tx, SQL_SESSION_ADD,
			(struct param[]){p_int_array(b->came_columns[0], b->came),
				p_int_array(b->came_columns[1], b->came),
				p_int_array(b->came_columns[2], b->came),
				p_int_array(b->came_columns[3], b->came),
				p_time_array(b->came_columns[4], b->came),
				p_text_array(b->addresses, b->came), p_int(node), p_int(token)},
			8, NULL);
	db_add(tx, SQL_SESSION_ENDS, (struct param[]){p_int(node), p_int(token)}, 2, ends);
	return db_commit(&tx, NULL);
}

static bool is_among(const struct rows *held, const struct noted *n)
{
	int i = 0;
	while (i < held->count &&
		(row_int(held, i, 0) != n->postoffice || row_int(held, i, 1) != n->mailbox ||
			row_int(held, i, 2) != n->service))
		i++;
	return i < held->count;
}

/* The logons, in a transaction of their own that waits for nobody: what somebody else holds
   (ST_BUSY then) comes again with the next turn, and keeps neither sessions nor their ends from
   being told. */
static status store_noted(struct batch *b, arena *a)
{
	struct rows held = {0};
	db_tx *tx = db_begin(DB_SYSTEM, a);
	link_t back;

	list_init(&back);
	db_relax(tx);
	db_add(tx, SQL_LOGON_NOTE_MANY,
		(struct param[]){p_int_array(b->noted_columns[0], b->noted),
			p_int_array(b->noted_columns[1], b->noted),
			p_int_array(b->noted_columns[2], b->noted),
			p_time_array(b->noted_columns[3], b->noted)},
		4, &held);
	status kind = db_commit(&tx, NULL);
	for (link_t *at; (at = list_first(&b->noted_rows));) {
		struct noted *n = LINK_OWNER(at, struct noted, link);
		list_remove(at);
		if (kind != ST_OK || is_among(&held, n))
			list_append(&back, at);
		else
			memory_free(n);
	}
	pthread_mutex_lock(&all.lock);
	move_all(&back, &all.noted);
	pthread_mutex_unlock(&all.lock);
	return kind == ST_OK && held.count > 0 ? ST_BUSY : kind;
}

void session_turn(void)
{
	arena a = ARENA_INIT;
	struct batch b = {0};
	struct rows ends = {0};
	int64_t node, token;

	node_number(&node, &token);
	if (take(&b, node, token, &a)) {
		status kind = store(&b, node, token, &a, &ends);
		settle(&b, kind);
		if (kind == ST_OK)
			end_those(&ends);
		free_all(&b.went_rows, offsetof(struct gone, link));
		if (b.noted)
			(void)store_noted(&b, &a);
	}
	arena_release(&a);
}

/* A batch of logons alone: rows of sessions end with this process's number. */
static int take_logons(struct batch *b, arena *a)
{
	list_init(&b->noted_rows);
	pthread_mutex_lock(&all.lock);
	if (!list_empty(&all.noted)) {
		columns_new(a, b->noted_columns, 4);
		take_noted(b);
	}
	pthread_mutex_unlock(&all.lock);
	return b->noted;
}

status session_flush(void)
{
	status kind = ST_OK;
	int n = 1;

	while (kind == ST_OK && n > 0) {
		arena a = ARENA_INIT;
		struct batch b = {0};
		n = take_logons(&b, &a);
		if (n > 0)
			kind = store_noted(&b, &a);
		arena_release(&a);
	}
	return kind;
}

void session_forget(void)
{
	pthread_mutex_lock(&all.lock);
	free_all(&all.gone, offsetof(struct gone, link));
	int lost = free_all(&all.noted, offsetof(struct noted, link));
	map_close(&all.recent);
	all.turned_at = 0;
	forget_told();
	pthread_mutex_unlock(&all.lock);
	if (lost)
		log_event(EV_LOGONS_DROPPED, "logons=%d", lost);
}

/* ---- operators */

status session_list(int64_t postoffice, int64_t mailbox, unsigned most, arena *a,
	struct session_row **rows, int *n)
{
	struct rows r;

	const struct param p[] = {p_int(postoffice), p_int(mailbox), p_int(most)};

	TRY(postoffice ? db_run(SQL_SESSION_LIST, p, 3, a, &r)
		       : db_run(SQL_SESSION_LIST_ALL, p + 2, 1, a, &r));
	*n = r.count;
	*rows = arena_new_array(a, (size_t)r.count + 1, sizeof **rows);
	for (int i = 0; i < r.count; i++)
		(*rows)[i] = (struct session_row){.id = row_int(&r, i, 0),
			.postoffice = row_slice(&r, i, 1),
			.mailbox = row_slice(&r, i, 2),
			.service = (enum service)row_int(&r, i, 3),
			.address = row_slice(&r, i, 4),
			.node = row_slice(&r, i, 5),
			.process = row_slice(&r, i, 6),
			.since = row_time(&r, i, 7)};
	return ST_OK;
}

/* Whose it is, and what the audit calls that. ST_ABSENT: there is no such session. */
static status owner_of(int64_t id, arena *a, int64_t *postoffice, slice *name)
{
	struct rows r;

	TRY(db_run(SQL_SESSION_OFFICE, (struct param[]){p_int(id)}, 1, a, &r));
	if (r.count == 0)
		return ST_ABSENT;
	*postoffice = row_int(&r, 0, 0);
	return mailbox_shown(*postoffice, row_int(&r, 0, 1), a, name);
}

static slice session_detail(int64_t id, arena *a)
{
	char number[ID_TEXT_SIZE + 1];

	id_text(id, number);
	return change_detail(a, &(struct change_fact){"session", slice_z(number)}, 1);
}

status session_end(int64_t id, int64_t postoffice, int64_t mailbox, slice whose,
	const struct audit_by *by, int64_t *asked)
{
	arena a = ARENA_INIT;
	struct rows r = {0};
	status kind = id ? owner_of(id, &a, &postoffice, &whose) : ST_OK;

	*asked = 0;
	if (kind == ST_OK) {
		db_tx *tx = db_begin(DB_SYSTEM, &a);
		db_add(tx, SQL_SESSION_END,
			(struct param[]){p_int(postoffice), p_int(id), p_int(mailbox)}, 3, &r);
		change_audit(tx, postoffice, by, id ? "session.end" : "session.end-mailbox", whose,
			id ? session_detail(id, &a) : S(""));
		kind = db_commit(&tx, NULL);
		*asked = kind == ST_OK ? r.changed : 0;
	}
	arena_release(&a);
	return kind == ST_ABSENT ? ST_OK : kind;
}
