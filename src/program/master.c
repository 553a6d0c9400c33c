/* The master process. It speaks to no client and parses nothing that comes from outside; it holds
   the listening sockets, one per endpoint and worker, so that a crashed worker's queued
   connections wait for its successor. Workers are children that die with it (R3). */
#include "program/master.h"

#include "base/id.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/shared.h"
#include "net/ban.h"
#include "program/helper.h"
#include "program/privilege.h"
#include "program/ready.h"
#include "program/runner.h"
#include "program/scribe.h"
#include "program/service_table.h"
#include "program/signals.h"
#include "program/worker.h"
#include "provider/auth_secret.h"
#include "provider/provider.h"
#include "provider/queue.h"
#include "provider/repeat.h"
#include "provider/secret_print.h"
#include "task/task.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#define START_MOST                                                                                 \
	(60 * USEC_S) /* a worker silent for longer hangs, until it has read worker_silence_most   \
	\ */
#define SETTLED (10 * USEC_S) /* a worker that lived longer starts without back-off */
#define BACK_OFF_MOST (5 * USEC_S)
#define STOP_MORE (15 * USEC_S) /* what a stopping worker may take beside its patience */

#define HELPERS_PATIENCE (5 * USEC_S)

struct seat { /* one worker's place; its successor takes the same sockets */
	struct worker worker;
	pid_t pid;     /* 0: nobody */
	pid_t leaving; /* a predecessor that finishes its conversations */
	usec leaving_until;
	usec started, restart_at;
	unsigned failures;
};

struct master {
	const struct bootstrap *boot;
	arena facts;
	struct seat *seats;
	int n;
	struct worker_pulse *pulses; /* two per seat: successor and predecessor overlap */
	int signals;
	int pid_file;
	int records;          /* the pipe to the scribe; -1: none */
	int errands;          /* the socket to the runner; -1: none */
	pid_t scribe, runner; /* their keepers; 0: gone, or none */
	bool debug;
	bool stopping;
	bool ready;
	int rolling; /* seat to restart next, or -1 */
	struct listener_spec *specs;
	int spec_count; /* all sockets of all seats */
};

/* ---- before the first worker */

static status take_pid_file(struct master *m)
{
	slice path = arena_format(&m->facts, "%.*s/pennypostd.pid", SLICE_ARGS(m->boot->state));
	/* As root in a folder that may be another user's: no link is followed to what is not
	   ours. */
	m->pid_file = open(path.at, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (m->pid_file < 0)
		return log_trouble(ST_DENIED, EV_PID_FILE, "file=%s error=%s", log_quote(path),
			log_quote(slice_z(strerror(errno))));
	if (flock(m->pid_file, LOCK_EX | LOCK_NB) != 0)
		return log_trouble(ST_EXISTS, EV_RUNNING_ALREADY, "file=%s", log_quote(path));
	if (ftruncate(m->pid_file, 0) != 0 || dprintf(m->pid_file, "%d\n", (int)getpid()) < 0)
		return log_trouble(ST_FULL, EV_PID_FILE, "file=%s error=%s", log_quote(path),
			log_quote(slice_z(strerror(errno))));
	return ST_OK;
}

/* Each worker and its successor have a slot of their own in the shared figures; two seats are for
   the web and the agent, the others for outbound workers. */
#define MAIL_WORKERS_MOST (METRIC_SLOTS / 2 - 2 - QUEUE_SEATS)

static unsigned mail_workers(void)
{
	int64_t n = setting_number(S_mail_workers, NULL);
	if (n == 0)
		n = sysconf(_SC_NPROCESSORS_ONLN);
	return n < 1 ? 1 : n > MAIL_WORKERS_MOST ? MAIL_WORKERS_MOST : (unsigned)n;
}

/* Another process may share our port unnoticed through SO_REUSEPORT: an exclusive socket asks
   first. */
static status endpoint_free(const net_address *at)
{
	int fd;
	TRY(listener_socket(at, false, &fd));
	close(fd);
	return ST_OK;
}

/* What this node is told in its bootstrap file wins over what the house as a whole runs. */
static slice services_here(const struct master *m)
{
	return m->boot->services.at ? m->boot->services : setting_text(S_services, NULL);
}

static bool runs_here(const struct master *m, slice service)
{
	slice rest = services_here(m), word;
	while (slice_take(&rest, ' ', &word))
		if (slice_same_nocase(word, service))
			return true;
	return false;
}

/* A misspelt service would be missed only by its clients, and so would all of them. */
static status check_services(const struct master *m)
{
	slice rest = services_here(m), word;
	const struct service_row *row;
	if (slice_trim(rest).size == 0)
		return m->boot->services.at ? log_trouble(ST_INVALID, EV_SERVICES_NONE, "file=%s",
						      log_quote(m->boot->file))
					    : log_trouble(ST_INVALID, EV_SERVICES_UNSET, NULL);
	while (slice_take(&rest, ' ', &word)) {
		if (word.size == 0 || service_row_find(word, &row) == ST_OK)
			continue;
		text known = TEXT_INIT;
		for (int i = 0; i < service_row_count; i++)
			text_format(&known, "%s%s", i ? " " : "", service_rows[i].word);
		log_event(EV_SERVICE_UNKNOWN, "service=%s known=%s", log_quote(word),
			log_quote(text_slice(&known)));
		text_free(&known);
		return ST_INVALID;
	}
	return ST_OK;
}

static status open_endpoint(struct master *m, const struct service_row *row, slice written)
{
	net_address at;
	if (net_endpoint_parse(written, &at) != ST_OK)
		return log_trouble(ST_INVALID, EV_ENDPOINT, "setting=%s value=%s",
			setting_rows[row->listen].name, log_quote(written));
	TRY(endpoint_free(&at));
	for (int i = 0; i < m->n; i++) {
		struct worker *w = &m->seats[i].worker;
		if (w->role != (row->run ? WORKER_MAIL : WORKER_WEB))
			continue;
		struct listener_spec *spec = &m->specs[m->spec_count];
		*spec = (struct listener_spec){row->service, at, row->tls, row->run, -1};
		TRY(listener_socket(&at, true, &spec->fd));
		m->spec_count++;
	}
	return ST_OK;
}

static int endpoints_of(const struct service_row *row)
{
	if (row->listen == S_COUNT)
		return 0;
	slice all = setting_text(row->listen, NULL), one;
	int n = 0;
	while (slice_take(&all, ' ', &one))
		n += one.size > 0;
	return n;
}

/* Sockets are opened endpoint by endpoint and then laid out seat by seat. */
static status open_ports(struct master *m)
{
	int most = 0;
	for (int i = 0; i < service_row_count; i++)
		most += endpoints_of(&service_rows[i]) * m->n;
	m->specs = memory_new_array((size_t)most + 1, sizeof *m->specs);
	struct listener_spec *laid = memory_new_array((size_t)most + 1, sizeof *laid);
	for (int i = 0; i < service_row_count; i++) {
		const struct service_row *row = &service_rows[i];
		if (row->listen == S_COUNT || !runs_here(m, slice_z(row->word)))
			continue;
		slice all = setting_text(row->listen, NULL), one;
		while (slice_take(&all, ' ', &one)) {
			if (one.size == 0)
				continue;
			status kind = open_endpoint(m, row, one);
			if (kind != ST_OK) {
				memory_free(laid);
				return kind;
			}
		}
	}
	int mails = 0, used = 0;
	for (int i = 0; i < m->n; i++)
		mails += m->seats[i].worker.role == WORKER_MAIL;
	for (int i = 0; i < m->n; i++) {
		struct worker *w = &m->seats[i].worker;
		w->specs = &laid[used];
		/* Mail sockets come in groups of one per mail worker, in seat order. */
		int group = 0;
		for (int k = 0; k < m->spec_count; k++) {
			bool mail = m->specs[k].run != NULL;
			if (w->role == WORKER_WEB && !mail)
				laid[used++] = m->specs[k];
			if (mail && w->role == WORKER_MAIL && group++ % mails == (int)w->index)
				laid[used++] = m->specs[k];
		}
		w->n = (int)(&laid[used] - w->specs);
	}
	memory_free(m->specs);
	m->specs = laid;
	return ST_OK;
}

static void lay_seats(struct master *m)
{
	unsigned mails = mail_workers();
	bool web = runs_here(m, S("http"));
	int first = (int)mails + web + 1;
	m->n = first;
	if (runs_here(m, S("outbound")))
		m->n += (int)setting_number(S_outbound_workers, NULL);
	m->seats = memory_new_array((size_t)m->n, sizeof *m->seats);
	m->pulses = shared_new(2 * (size_t)m->n * sizeof *m->pulses);
	for (int i = 0; i < m->n; i++) {
		struct worker *w = &m->seats[i].worker;
		w->role = i < (int)mails           ? WORKER_MAIL
			  : web && i == (int)mails ? WORKER_WEB
			  : i < first              ? WORKER_AGENT
						   : WORKER_OUTBOUND;
		w->index = w->role == WORKER_MAIL       ? (unsigned)i
			   : w->role == WORKER_OUTBOUND ? (unsigned)(i - first)
							: 0;
		w->slot = 2 * (unsigned)i;
		w->boot = m->boot;
		w->debug = m->debug;
		w->master = (int)getpid();
		w->pulse = &m->pulses[w->slot];
	}
}

static status read_settings(struct master *m, bool check_only)
{
	struct provider_conf conf = {.boot = m->boot,
		.connections = 1,
		.system_connections = 1,
		.application = "pennypost master",
		.first = true};
	TRY(provider_open(&conf));
	/* Told, and mail goes on. */
	(void)(check_only ? secret_print_check() : secret_print_keep());
	status kind = check_services(m);
	if (kind == ST_OK) {
		lay_seats(m);
		kind = open_ports(m);
	}
	provider_close();
	return kind;
}

/* As the user the workers will be: what only root can read would surface at the first handshake, or
   in workers that cannot start. */
static status check_secrets(const struct master *m)
{
	TRY(auth_secret_open(m->boot));
	auth_secret_close();
	tls_server *tls = NULL;
	TRY(tls_server_open(m->boot->certificates.at, &tls));
	tls_server_look(tls, 0);
	tls_server_close(&tls);
	return ST_OK;
}

#define RECORDS_ROOM (1 << 20) /* of the pipe: what a busy second writes */

static status start_scribe(struct master *m)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		return log_trouble(ST_BUSY, EV_DESCRIPTORS, "for=scribe");
	/* Less room than asked for is a matter of the machine's limits, and of dropped lines
	   only. */
	(void)fcntl(ends[1], F_SETPIPE_SZ, RECORDS_ROOM);
	(void)fcntl(ends[1], F_SETFL, O_NONBLOCK);
	const struct helper h = {
		.name = "scribe", .confine = privilege_confine_scribe, .run = scribe_run};
	status kind = helper_start(&h, ends[0], m->boot, &m->scribe);
	close(ends[0]);
	m->records = ends[1];
	return kind;
}

/* Before root is given up, since it becomes another user. */
static status start_runner(struct master *m, bool check_only)
{
	int ends[2];
	status kind = check_only ? runner_check(m->boot) : runner_prepare(m->boot);

	if (kind == ST_OK && check_only)
		return kind;
	if (kind != ST_OK)
		return kind == ST_ABSENT ? ST_OK : kind;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return log_trouble(ST_BUSY, EV_DESCRIPTORS, "for=runner");
	const struct helper h = {.name = "runner",
		.user = m->boot->program_user.at,
		.confine = privilege_confine_runner,
		.run = runner_run};
	kind = helper_start(&h, ends[0], m->boot, &m->runner);
	close(ends[0]);
	m->errands = ends[1];
	return kind;
}

static status prepare(struct master *m, bool check_only)
{
	TRY(take_pid_file(m));
	TRY(read_settings(m, check_only));
	metric_share();
	service_commands_name();
	peer_share();
	ban_share();
	queue_share();
	repeat_share();
	tls_share_tickets();
	TRY(start_runner(m, check_only));
	TRY(privilege_drop(m->boot->user.size ? m->boot->user.at : NULL));
	TRY(check_secrets(m));
	if (!check_only)
		TRY(start_scribe(m));
	for (int i = 0; i < m->n; i++)
		m->seats[i].worker.records = m->records;
	for (int i = 0; i < m->n; i++)
		m->seats[i].worker.errands = m->errands;
	TRY(signals_open(&m->signals));
	return privilege_confine();
}

/* ---- workers */

static void close_foreign_sockets(const struct master *m, const struct worker *own)
{
	for (int k = 0; k < m->spec_count; k++)
		if (&m->specs[k] < own->specs || &m->specs[k] >= own->specs + own->n)
			close(m->specs[k].fd);
}

static void start_worker(struct master *m, struct seat *s)
{
	atomic_store(&s->worker.pulse->ready, 0);
	atomic_store(&s->worker.pulse->silence_most, START_MOST);
	atomic_store(&s->worker.pulse->beat, clock_now());
	pid_t pid = fork();
	if (pid == 0) {
		close(m->signals);
		close(m->pid_file);
		close_foreign_sockets(m, &s->worker);
		_exit(worker_run(&s->worker));
	}
	s->started = clock_now();
	if (pid < 0) {
		s->restart_at = s->started + USEC_S;
		log_event(EV_WORKER_FORK, "error=%s", log_quote(slice_z(strerror(errno))));
		return;
	}
	s->pid = pid;
	s->restart_at = USEC_NEVER;
}

/* When a worker that is asked to stop now must have ended. */
static usec end_of(const struct worker_pulse *p)
{
	return clock_now() + atomic_load(&p->patience) + STOP_MORE;
}

/* The successor serves from a slot of its own while its predecessor still finishes. */
static void replace_worker(struct master *m, struct seat *s)
{
	s->leaving = s->pid;
	s->leaving_until = end_of(s->worker.pulse);
	s->pid = 0;
	kill(s->leaving, SIGTERM);
	s->worker.slot ^= 1;
	s->worker.pulse = &m->pulses[s->worker.slot];
	start_worker(m, s);
}

static void schedule_restart(struct seat *s, int how)
{
	usec now = clock_now();
	if (now - s->started > SETTLED)
		s->failures = 0;
	usec wait = s->failures == 0 ? 0 : 100 * USEC_MS << (s->failures < 7 ? s->failures : 7);
	wait = wait < BACK_OFF_MOST ? wait : BACK_OFF_MOST;
	s->restart_at = now + wait;
	s->failures++;
	metric_add(M_workers_restarted, SERVICE_NONE, 1);
	log_event(EV_WORKER_ENDED, "role=%s index=%u %s=%d pause_ms=%" PRId64,
		worker_role_name(s->worker.role), s->worker.index,
		WIFSIGNALED(how) ? "signal" : "code",
		WIFSIGNALED(how) ? WTERMSIG(how) : WEXITSTATUS(how), wait / USEC_MS);
}

static void clear_slot(unsigned slot)
{
	metric_slot_clear(slot);
	peer_slot_clear(slot);
	repeat_slot_clear(slot);
}

static void bury(struct master *m, pid_t pid, int how)
{
	if (pid == m->scribe || pid == m->runner) {
		if (!m->stopping)
			log_event(EV_HELPER_LOST, "helper=%s",
				pid == m->scribe ? "scribe" : "runner");
		*(pid == m->scribe ? &m->scribe : &m->runner) = 0;
	}
	for (int i = 0; i < m->n; i++) {
		struct seat *s = &m->seats[i];
		if (s->leaving == pid) {
			s->leaving = 0;
			clear_slot(s->worker.slot ^ 1);
		} else if (s->pid == pid) {
			s->pid = 0;
			clear_slot(s->worker.slot);
			if (!m->stopping)
				schedule_restart(s, how);
		}
	}
}

static void bury_the_dead(struct master *m)
{
	int how;
	pid_t pid;
	while ((pid = waitpid(-1, &how, WNOHANG)) > 0)
		bury(m, pid, how);
}

static void start_due(struct master *m)
{
	for (int i = 0; i < m->n; i++) {
		struct seat *s = &m->seats[i];
		if (s->pid == 0 && s->restart_at <= clock_now())
			start_worker(m, s);
	}
}

static void kill_hanging(const struct seat *s, pid_t pid)
{
	log_event(EV_WORKER_HANGS, "role=%s index=%u pid=%d", worker_role_name(s->worker.role),
		s->worker.index, (int)pid);
	kill(pid, SIGKILL);
}

static bool hangs(const struct worker_pulse *p, usec now)
{
	return now - atomic_load(&p->beat) >= atomic_load(&p->silence_most);
}

static void kill_the_hanging(struct master *m)
{
	usec now = clock_now();
	for (int i = 0; i < m->n; i++) {
		struct seat *s = &m->seats[i];
		if (s->pid && hangs(s->worker.pulse, now))
			kill_hanging(s, s->pid);
		if (s->leaving && now >= s->leaving_until)
			kill_hanging(s, s->leaving);
	}
}

/* One seat at a time; the next when its successor serves. */
static void roll(struct master *m)
{
	if (m->rolling < 0)
		return;
	if (m->rolling > 0) {
		const struct seat *last = &m->seats[m->rolling - 1];
		if (!atomic_load(&last->worker.pulse->ready))
			return;
	}
	if (m->rolling == m->n) {
		m->rolling = -1;
		log_event(EV_ROLLED, NULL);
		return;
	}
	struct seat *s = &m->seats[m->rolling];
	if (s->leaving)
		return; /* still the one of the last round */
	m->rolling++;
	if (s->pid)
		replace_worker(m, s);
}

static void tell_ready(struct master *m)
{
	if (m->ready)
		return;
	for (int i = 0; i < m->n; i++)
		if (!atomic_load(&m->seats[i].worker.pulse->ready))
			return;
	m->ready = true;
	log_event(EV_READY, "workers=%d", m->n);
	ready_tell("serving");
}

static void signal_workers(const struct master *m, int number)
{
	for (int i = 0; i < m->n; i++) {
		if (m->seats[i].pid)
			kill(m->seats[i].pid, number);
		if (m->seats[i].leaving)
			kill(m->seats[i].leaving, number);
	}
}

static bool anybody_left(const struct master *m)
{
	for (int i = 0; i < m->n; i++)
		if (m->seats[i].pid || m->seats[i].leaving)
			return true;
	return false;
}

static usec next_moment(const struct master *m)
{
	usec until = clock_now() + (m->rolling >= 0 || !m->ready ? 50 * USEC_MS : USEC_S);
	for (int i = 0; i < m->n; i++)
		if (m->seats[i].pid == 0 && m->seats[i].restart_at < until)
			until = m->seats[i].restart_at;
	return until;
}

static void supervise(struct master *m)
{
	usec alive_at = 0, every = ready_watchdog();
	for (;;) {
		start_due(m);
		kill_the_hanging(m);
		roll(m);
		tell_ready(m);
		if (every && clock_now() >= alive_at) {
			ready_alive();
			alive_at = clock_now() + every;
		}
		int number = 0;
		if (signals_next(m->signals, next_moment(m), &number) != ST_OK)
			continue;
		if (number == SIGTERM || number == SIGINT)
			return;
		if (number == SIGCHLD)
			bury_the_dead(m);
		if (number == SIGHUP)
			signal_workers(m, SIGHUP);
		if (number == SIGUSR2 && m->rolling < 0)
			m->rolling = 0;
	}
}

/* Nobody is left whom they serve: the scribe writes what is there and ends; a disk that hangs is
   not waited for. */
static void stop_helpers(struct master *m)
{
	usec until = clock_now() + HELPERS_PATIENCE;
	int number;

	close(m->records);
	if (m->errands >= 0)
		close(m->errands);
	while ((m->scribe || m->runner) && clock_now() < until) {
		signals_next(m->signals, until, &number);
		bury_the_dead(m);
	}
	if (m->scribe)
		kill(m->scribe, SIGKILL);
}

static void stop(struct master *m)
{
	usec until = 0;
	for (int i = 0; i < m->n; i++) {
		usec end = end_of(m->seats[i].worker.pulse);
		until = end > until ? end : until;
	}
	m->stopping = true;
	ready_stopping();
	log_event(EV_STOPPING, NULL);
	signal_workers(m, SIGTERM);
	int number;
	bury_the_dead(m);
	while (anybody_left(m) && clock_now() < until) {
		usec soon = clock_now() + USEC_S;
		signals_next(m->signals, soon < until ? soon : until, &number);
		bury_the_dead(m);
	}
	signal_workers(m, SIGKILL);
	while (anybody_left(m)) {
		signals_next(m->signals, clock_now() + USEC_S, &number);
		bury_the_dead(m);
	}
	stop_helpers(m);
	log_event(EV_STOPPED, NULL);
}

int master_exit_code(status kind)
{
	switch (kind) {
	case ST_OK:
		return EX_OK;
	case ST_EXISTS:
	case ST_BUSY:
		return EX_UNAVAILABLE;
	case ST_DENIED:
		return EX_NOPERM;
	default:
		return EX_CONFIG;
	}
}

int master_run(const struct bootstrap *boot, bool check_only, bool debug)
{
	struct master m = {.boot = boot,
		.debug = debug,
		.facts = ARENA_INIT,
		.pid_file = -1,
		.records = -1,
		.errands = -1,
		.rolling = -1};
	status kind = prepare(&m, check_only);
	if (kind == ST_OK && !check_only) {
		supervise(&m);
		stop(&m);
	}
	for (int k = 0; k < m.spec_count; k++)
		close(m.specs[k].fd);
	if (m.pid_file >= 0) {
		if (kind != ST_EXISTS && ftruncate(m.pid_file, 0) != 0)
			log_event(EV_PID_FILE, "error=%s", log_quote(slice_z(strerror(errno))));
		close(m.pid_file);
	}
	memory_free(m.specs);
	memory_free(m.seats);
	arena_release(&m.facts);
	return master_exit_code(kind);
}
