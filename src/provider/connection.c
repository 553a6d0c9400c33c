/* Everything about libpq that waits. */
#include "provider/connection.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/metric.h"
#include "base/random.h"
#include "task/task.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#define CONNECT_MOST (3 * USEC_S)
/* While the database is away: how often one caller tries, and how long others hope with it: whoever
   heard it end after nearly a whole silence has that much until the 5 s of R4 are over. */
#define RETRY_LEAST (50 * USEC_MS)
#define RETRY_MOST (1 * USEC_S)
#define HOPE (900 * USEC_MS)
#define SAY_AGAIN (10 * USEC_S)
/* Silence is counted in so many parts: a machine that stood still for a while takes one of them,
   and a database that has had no processor either is not mistaken for one that is stopped. */
#define SILENCE_PARTS 8

/* Limits that keep a forgotten statement or a lost client from holding locks. Values in the URI
   win. Plans are generic: left to itself PostgreSQL takes an array parameter for ten elements,
   finds the plan for the one at hand cheaper and plans again at every call, at twice the cost of
   the work itself. PgBouncer needs ignore_startup_parameters = options; the roles carry the same
   settings. */
#define LIMITS                                                                                     \
	"-c statement_timeout=30s -c lock_timeout=2s -c idle_in_transaction_session_timeout=10s"   \
	" -c client_connection_check_interval=5s -c jit=off -c timezone=UTC"                       \
	" -c plan_cache_mode=force_generic_plan"
const char connection_wide[] = LIMITS;
/* For statements that find every row by its key (the run-time role): a generic plan is made for the
   post office of average size, at first for one nobody has counted yet. Reading all of it to join a
   few rows looks cheap then, and is not in a big one. */
static const char keyed[] = LIMITS " -c enable_seqscan=off -c enable_bitmapscan=off"
				   " -c enable_hashjoin=off -c enable_mergejoin=off";

struct pool {
	pthread_mutex_t lock; /* guards what follows; never held across a wait */
	gate *gate;
	struct connection *idle; /* found dead or from before a silence, they are thrown away */
	usec retry_at;           /* no attempt before it; 0 = the last attempt succeeded */
	usec away_since;         /* monotonic; 0 = not away */
	usec said_at;
	usec backoff;
	const char *uri;
};

enum { HOME_THREADS, HOME_FIBERS, HOMES };
static struct pool pools[DB_ROLES][HOMES];
static char *pool_uri[DB_ROLES];
static char *application_name;
static _Atomic usec patience = 10 * USEC_S;
static _Atomic usec silence_most = USEC_NEVER;

/* What the whole process hears of the database, over whatever connection. */
static struct {
	_Atomic uint64_t answers;
	_Atomic usec at; /* of the last of them */
	_Atomic uint64_t
		silent_at; /* so many answers there were when it fell silent; 0 = it never did */
	atomic_uint silences;
	_Atomic usec lost_at; /* it was last found away or silent; 0 = it never was */
} heard;

/* ---- connecting */

/* Bounds the waits that follow by `moment` too; gives back what task_deadline must be given
   after. */
static usec deadline_also(usec moment)
{
	usec present = task_deadline_now();
	return task_deadline(moment < present ? moment : present);
}

/* ---- silence */

static void hear(void)
{
	atomic_store(&heard.at, clock_now());
	atomic_fetch_add(&heard.answers, 1);
}

static bool is_silent(void)
{
	uint64_t then = atomic_load(&heard.silent_at);
	return then != 0 && then == atomic_load(&heard.answers);
}

static usec jittered(usec span)
{
	return span / 2 + (usec)random_below((uint64_t)span / 2 + 1);
}

static void fall_silent(usec after)
{
	bool known = is_silent();
	atomic_store(&heard.lost_at, clock_now());
	atomic_store(&heard.silent_at, atomic_load(&heard.answers));
	if (known)
		return;
	atomic_fetch_add(&heard.silences, 1);
	log_event(EV_DB_SILENT, "after_ms=%lld", (long long)(after / USEC_MS));
}

void db_silence(usec span)
{
	atomic_store(&silence_most, span);
}

/* For the socket of a connection, but not beyond a silence of the database: ST_TIMED_OUT also when
   all of this process has heard nothing for so long. */
static status server_wait(int fd, unsigned ready)
{
	struct wait w = {.fd = fd, .ready = ready};
	usec most = atomic_load(&silence_most), start = clock_now();
	uint64_t last = atomic_load(&heard.answers);
	int which;
	for (int part = 0; part < SILENCE_PARTS; part++) {
		usec until = most == USEC_NEVER ? USEC_NEVER : clock_now() + most / SILENCE_PARTS;
		status s = task_wait_any(&w, 1, until, &which);
		if (s == ST_OK)
			hear();
		if (s != ST_TIMED_OUT || clock_now() >= task_deadline_now())
			return s;
		if (is_silent()) /* who waited longer found it: no time is left for those who stood
				    for a connection first */
			return ST_TIMED_OUT;
		if (atomic_load(&heard.answers) != last) {
			last = atomic_load(&heard.answers);
			part = -1;
		}
	}
	fall_silent(clock_now() - start);
	return ST_TIMED_OUT;
}

/* ---- opening one */

struct attempt {
	const char *uri, *application, *options;
	PGconn *pg;
	PostgresPollingStatusType next;
};

/* NOTICE and WARNING would go to standard error. */
static void notice_unheard(void *arg, const char *words)
{
	(void)arg;
	(void)words;
}

/* Both may resolve a name or hash a password: on a helper thread. */
static status attempt_start(void *arg)
{
	struct attempt *t = arg;
	const char *keys[] = {"options", "tcp_user_timeout", "keepalives_idle",
		"keepalives_interval", "keepalives_count", "dbname", "fallback_application_name",
		"client_encoding", NULL};
	const char *values[] = {
		t->options, "10000", "30", "5", "3", t->uri, t->application, "UTF8", NULL};
	t->pg = PQconnectStartParams(keys, values, 1);
	t->next = PGRES_POLLING_WRITING;
	if (t->pg)
		PQsetNoticeProcessor(t->pg, notice_unheard, NULL);
	return t->pg && PQstatus(t->pg) != CONNECTION_BAD ? ST_OK : ST_CLOSED;
}

static status attempt_step(void *arg)
{
	struct attempt *t = arg;
	t->next = PQconnectPoll(t->pg);
	return t->next == PGRES_POLLING_FAILED ? ST_CLOSED : ST_OK;
}

/* Ends also when the database is found silent meanwhile; an attempt that began in a silence is the
   watch's, which looks whether it is over. */
static status attempt_wait(int fd, unsigned ready, unsigned silences)
{
	struct wait w = {.fd = fd, .ready = ready};
	int which;
	for (;;) {
		status s = task_wait_any(&w, 1, clock_now() + CONNECT_MOST / SILENCE_PARTS, &which);
		if (s != ST_TIMED_OUT || clock_now() >= task_deadline_now())
			return s;
		if (is_silent() && atomic_load(&heard.silences) != silences)
			return ST_TIMED_OUT;
	}
}

static status attempt_run(struct attempt *t)
{
	unsigned silences = atomic_load(&heard.silences);
	TRY(task_offload(attempt_start, t));
	while (t->next != PGRES_POLLING_OK) {
		int fd = PQsocket(t->pg);
		status waited = attempt_wait(
			fd, t->next == PGRES_POLLING_READING ? WAIT_READ : WAIT_WRITE, silences);
		task_forget(fd); /* libpq may go on with another socket */
		TRY(waited);
		TRY(task_offload(attempt_step, t));
	}
	return PQsetnonblocking(t->pg, 1) == 0 ? ST_OK : ST_CLOSED;
}

status connection_open(const char *uri, const char *application, const char *options, PGconn **pg,
	arena *a, slice *why)
{
	struct attempt t = {.uri = uri, .application = application, .options = options};
	usec began = clock_now();
	uint64_t last = atomic_load(&heard.answers);
	usec before = deadline_also(began + CONNECT_MOST);
	status s = attempt_run(&t);
	task_deadline(before);
	/* The next thing that the caller asks for shall not be waited for once more, unless it may
	   take much longer. */
	if (s == ST_TIMED_OUT && clock_now() < before && atomic_load(&heard.answers) == last &&
		atomic_load(&silence_most) < 2 * CONNECT_MOST)
		fall_silent(clock_now() - began);
	if (s == ST_OK) {
		hear();
		*pg = t.pg;
		metric_add(M_db_connections, SERVICE_NONE, 1);
		metric_add(M_db_reconnects, SERVICE_NONE, 1);
		return ST_OK;
	}
	if (why)
		*why = slice_trim(
			arena_copy(a, s == ST_CLOSED && t.pg ? slice_z(PQerrorMessage(t.pg))
							     : S("no answer in time")));
	PQfinish(t.pg);
	return s == ST_CANCELLED || (s == ST_TIMED_OUT && before <= clock_now()) ? s : ST_BUSY;
}

void connection_close(PGconn **pg)
{
	if (*pg == NULL)
		return;
	task_forget(PQsocket(*pg));
	PQfinish(*pg);
	*pg = NULL;
	metric_add(M_db_connections, SERVICE_NONE, -1);
}

/* libpq closes the socket of a connection it finds lost, and its number soon is a client's. Unless
   the loop forgets it in the same breath, that client would never be heard. */
static void socket_look(const PGconn *pg, int was)
{
	if (PQsocket(pg) != was)
		task_forget(was);
}

/* ---- sending and receiving */

status connection_flush(PGconn *pg)
{
	int left, fd = PQsocket(pg);
	while ((left = PQflush(pg)) == 1) {
		TRY(server_wait(fd, WAIT_READ | WAIT_WRITE));
		if (!PQconsumeInput(pg)) {
			left = -1;
			break;
		}
	}
	socket_look(pg, fd);
	return left == 0 ? ST_OK : ST_CLOSED;
}

/* libpq that had no memory for the answer to a sync notes that and waits for it on and on. Words of
   the server begin with their severity. */
static bool starves(const PGconn *pg)
{
	return slice_starts(slice_z(PQerrorMessage(pg)), S("out of memory"));
}

status connection_result(PGconn *pg, PGresult **r)
{
	int fd = PQsocket(pg);
	*r = NULL;
	while (PQisBusy(pg)) {
		if (starves(pg))
			memory_short(0);
		TRY(server_wait(fd, WAIT_READ));
		if (!PQconsumeInput(pg))
			break;
	}
	*r = PQgetResult(pg);
	socket_look(pg, fd);
	return PQstatus(pg) == CONNECTION_BAD ? ST_CLOSED : ST_OK;
}

/* ---- pools */

static char *kept(const char *words)
{
	size_t size = strlen(words) + 1;
	return memcpy(memory_new(size), words, size);
}

status pools_open(const struct db_conf *c)
{
	application_name = kept(c->application);
	atomic_store(&silence_most, USEC_NEVER);
	atomic_store(&heard.lost_at, 0);
	for (int role = 0; role < DB_ROLES; role++) {
		pool_uri[role] = kept(c->uri[role]);
		for (int home = 0; home < HOMES; home++) {
			struct pool *p = &pools[role][home];
			*p = (struct pool){
				.uri = pool_uri[role], .gate = gate_open(c->connections[role])};
			pthread_mutex_init(&p->lock, NULL);
		}
	}
	return ST_OK;
}

void pools_close(void)
{
	for (int role = 0; role < DB_ROLES; role++) {
		for (int home = 0; home < HOMES; home++) {
			struct pool *p = &pools[role][home];
			while (p->idle) {
				struct connection *c = p->idle;
				p->idle = c->next;
				connection_close(&c->pg);
				memory_free(c);
			}
			gate_close(&p->gate);
			pthread_mutex_destroy(&p->lock);
		}
		memory_free(pool_uri[role]);
		pool_uri[role] = NULL;
	}
	memory_free(application_name);
	application_name = NULL;
}

void db_width(enum db_role role, unsigned connections)
{
	for (int home = 0; home < HOMES; home++)
		gate_width(pools[role][home].gate, connections);
}

void db_patience(usec span)
{
	atomic_store(&patience, span);
}

static void away(struct pool *p, enum db_role role, slice why)
{
	bool say = false;
	usec now = clock_now();
	if (role == DB_RUN)
		atomic_store(&heard.lost_at, now);
	pthread_mutex_lock(&p->lock);
	if (p->away_since == 0)
		p->away_since = now;
	p->backoff = p->backoff == 0 ? RETRY_LEAST : p->backoff * 2;
	if (p->backoff > RETRY_MOST)
		p->backoff = RETRY_MOST;
	p->retry_at = now + jittered(p->backoff);
	if (p->said_at == 0 || now - p->said_at > SAY_AGAIN) {
		p->said_at = now;
		say = true;
	}
	pthread_mutex_unlock(&p->lock);
	if (say)
		log_event(EV_DB_AWAY, "role=%s why=%s", role == DB_RUN ? "run" : "system",
			log_quote(why));
}

static bool is_away(void)
{
	struct pool *p = &pools[DB_RUN][task_self() ? HOME_FIBERS : HOME_THREADS];
	pthread_mutex_lock(&p->lock);
	bool away = p->away_since != 0;
	pthread_mutex_unlock(&p->lock);
	return away;
}

/* Of a database that ends somebody hears last words: who has waited for all of `span` is not put
   off by them. */
bool db_lost(usec since, usec span)
{
	usec now = clock_now(), last = atomic_load(&heard.at);
	if (atomic_load(&silence_most) == USEC_NEVER)
		return false;
	return is_silent() || (now - since >= span && (now - last >= span || is_away()));
}

bool db_lost_within(usec span)
{
	usec at = atomic_load(&heard.lost_at);
	return at != 0 && clock_now() - at < span;
}

usec db_lost_by(usec since, usec span, usec until)
{
	usec moment = since + span + HOPE;
	if (atomic_load(&silence_most) == USEC_NEVER || moment <= clock_now())
		return until;
	return moment < until ? moment : until;
}

static void here_again(struct pool *p, enum db_role role)
{
	pthread_mutex_lock(&p->lock);
	usec since = p->away_since;
	p->away_since = p->retry_at = p->said_at = p->backoff = 0;
	pthread_mutex_unlock(&p->lock);
	if (since)
		log_event(EV_DB_BACK, "role=%s after_ms=%lld", role == DB_RUN ? "run" : "system",
			(long long)((clock_now() - since) / USEC_MS));
}

/* Whether an attempt may be made: now, after a pause (slept here), or not in this call. Whoever
   may, moves the next moment on, so that one caller at a time tries. While it is silent nobody but
   the watch tries (db_probe): who asks then has likely waited for the silence already. */
static status may_try(struct pool *p)
{
	while (!is_silent()) {
		usec now = clock_now();
		pthread_mutex_lock(&p->lock);
		usec pause = p->retry_at - now;
		bool hopeless = p->away_since && now - p->away_since > HOPE;
		if (pause <= 0 && p->retry_at)
			p->retry_at = now + CONNECT_MOST;
		pthread_mutex_unlock(&p->lock);
		if (pause <= 0)
			return ST_OK;
		if (hopeless)
			return ST_BUSY;
		TRY(task_sleep(pause < RETRY_LEAST ? pause : RETRY_LEAST));
	}
	return ST_BUSY;
}

static status connect_now(struct pool *p, enum db_role role, struct connection **out)
{
	PGconn *pg;
	arena words = ARENA_INIT;
	slice why = {0};
	status s = connection_open(p->uri, application_name,
		role == DB_RUN ? keyed : connection_wide, &pg, &words, &why);
	if (s == ST_OK && !PQenterPipelineMode(pg)) {
		connection_close(&pg);
		s = ST_BUSY;
	}
	if (s == ST_OK) {
		here_again(p, role);
		*out = memory_new(sizeof **out);
		(*out)->pg = pg;
		(*out)->fd = PQsocket(pg);
		(*out)->pool = p;
	} else {
		away(p, role, why);
	}
	arena_release(&words);
	return s;
}

static status connect_one(struct pool *p, enum db_role role, struct connection **out)
{
	TRY(may_try(p));
	return connect_now(p, role, out);
}

static struct connection *idle_one(struct pool *p)
{
	pthread_mutex_lock(&p->lock);
	struct connection *c = p->idle;
	if (c)
		p->idle = c->next;
	pthread_mutex_unlock(&p->lock);
	return c;
}

static bool readable_now(PGconn *pg)
{
	struct pollfd at = {.fd = PQsocket(pg), .events = POLLIN};
	return poll(&at, 1, 0) > 0;
}

static void discard(struct connection **c)
{
	socket_look((*c)->pg, (*c)->fd);
	connection_close(&(*c)->pg);
	memory_free(*c);
	*c = NULL;
}

/* An idle connection says nothing unless it has ended, or has a notice for us. */
static bool alive(struct connection *c)
{
	if (PQstatus(c->pg) != CONNECTION_OK)
		return false;
	if (!readable_now(c->pg))
		return true;
	return PQconsumeInput(c->pg) && PQstatus(c->pg) == CONNECTION_OK && !readable_now(c->pg);
}

static status enter(struct pool *p)
{
	if (gate_try(p->gate))
		return ST_OK;
	usec until = clock_now() + atomic_load(&patience);
	usec before = deadline_also(until);
	metric_add(M_db_waiting, SERVICE_NONE, 1);
	status s = gate_enter(p->gate);
	metric_add(M_db_waiting, SERVICE_NONE, -1);
	task_deadline(before);
	return s == ST_TIMED_OUT && before > until ? ST_BUSY : s;
}

status pool_take(enum db_role role, struct connection **c)
{
	struct pool *p = &pools[role][task_self() ? HOME_FIBERS : HOME_THREADS];
	TRY(enter(p));
	while ((*c = idle_one(p)) != NULL) {
		if ((*c)->silences == atomic_load(&heard.silences) && alive(*c))
			return ST_OK;
		discard(c);
	}
	status s = connect_one(p, role, c);
	if (s != ST_OK)
		gate_leave(p->gate);
	return s;
}

void pool_return(struct connection **c)
{
	if (*c == NULL)
		return;
	struct pool *p = (*c)->pool;
	(*c)->silences = atomic_load(&heard.silences);
	pthread_mutex_lock(&p->lock);
	(*c)->next = p->idle;
	p->idle = *c;
	pthread_mutex_unlock(&p->lock);
	*c = NULL;
	gate_leave(p->gate);
}

/* Also when every place is taken, by callers who wait for a connection that may be dead: one
   connection more then, which lasts no longer than it takes to hear. */
void db_probe(void)
{
	struct pool *p = &pools[DB_RUN][task_self() ? HOME_FIBERS : HOME_THREADS];
	struct connection *c;
	if (!is_silent())
		return;
	bool inside = gate_try(p->gate);
	if (connect_now(p, DB_RUN, &c) == ST_OK) {
		if (inside)
			pool_return(&c);
		else
			discard(&c);
	} else if (inside) {
		gate_leave(p->gate);
	}
}

void pool_drop(struct connection **c)
{
	if (*c == NULL)
		return;
	struct pool *p = (*c)->pool;
	discard(c);
	gate_leave(p->gate);
}
