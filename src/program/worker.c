/* A worker's life: seal privileges, open the providers, serve, stop gracefully (R19). Mail workers
   run fibers on one loop; the web worker's handlers are libmicrohttpd's threads beside that loop,
   which then only carries the providers' watch; the agent worker runs the house's own tasks, an
   outbound worker the queue. */
#include "program/worker.h"

#include "agent/housekeeper.h"
#include "agent/indexer.h"
#include "agent/job_worker.h"
#include "agent/ledger_keeper.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/metric.h"
#include "connector/smtp/outbound.h"
#include "connector/smtp/smtp.h"
#include "connector/smtp/tls_reporter.h"
#include "net/errand.h"
#include "program/logs.h"
#include "program/privilege.h"
#include "program/signals.h"
#include "provider/node.h"
#include "provider/provider.h"
#include "provider/repeat.h"
#include "provider/setting.h"
#include "provider/trace.h"
#include "provider/warm.h"
#include "service/web/web.h"
#include "task/task.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BEAT (USEC_S)

const char *worker_role_name(enum worker_role r)
{
	static const char *const names[] = {"mail", "web", "agent", "outbound"};
	return names[r];
}

/* What listeners ask of each service. */
static const struct service_limits {
	enum setting_id most, per_address, per_network, handshake;
	slice refusal;
} limits_of[SERVICE_COUNT] = {
	[SERVICE_SMTP] = {S_smtp_conversations_most, S_smtp_per_address_most,
		S_smtp_per_network_most, S_smtp_greeting_patience,
		S("421 4.7.0 Too many connections, try again later\r\n")},
	[SERVICE_SUBMISSION] = {S_smtp_conversations_most, S_smtp_per_address_most,
		S_smtp_per_network_most, S_smtp_greeting_patience,
		S("421 4.7.0 Too many connections, try again later\r\n")},
	[SERVICE_POP3] = {S_pop3_conversations_most, S_pop3_per_address_most,
		S_pop3_per_network_most, S_pop3_logon_patience,
		S("-ERR [SYS/TEMP] too many connections, try again later\r\n")},
	[SERVICE_IMAP] = {S_imap_conversations_most, S_imap_per_address_most,
		S_imap_per_network_most, S_imap_logon_patience,
		S("* BYE [LIMIT] Too many connections, try again later\r\n")},
};

static unsigned most_of(enum service s)
{
	return (unsigned)setting_number(limits_of[s].most, NULL);
}

static unsigned most_of_all(void)
{
	return (unsigned)setting_number(S_conversations_most, NULL);
}

static unsigned per_address_of(enum service s)
{
	return (unsigned)setting_number(limits_of[s].per_address, NULL);
}

static unsigned per_network_of(enum service s)
{
	return (unsigned)setting_number(limits_of[s].per_network, NULL);
}

static slice refusal_of(enum service s)
{
	return limits_of[s].refusal;
}

static usec handshake_of(enum service s)
{
	return setting_number(limits_of[s].handshake, NULL);
}

static bool is_balancer(const net_address *peer)
{
	return net_networks_have(setting_text(S_proxy_networks, NULL), peer);
}

/* Caps and words of listeners, from settings. */
static const struct listener_limits limits = {most_of, per_address_of, per_network_of, refusal_of,
	handshake_of, is_balancer, most_of_all};

struct life {
	const struct worker *w;
	int signals;
	tls_server *tls;
	int64_t expiry; /* of certificates, as the figures have it */
	int *sockets;   /* of the web worker */
	struct outbound_conf outbound;
	int exit_code;
};

static log_level level_now(const struct worker *w)
{
	static const char *const words[] = {"debug", "info", "warn", "error"};
	if (w->debug)
		return LOG_DEBUG_LEVEL;
	slice level = setting_text(S_log_level, NULL);
	for (int i = 0; i < 4; i++)
		if (slice_same(level, slice_z(words[i])))
			return (log_level)i;
	return LOG_INFO_LEVEL;
}

static status serve(struct life *l)
{
	const struct worker *w = l->w;
	arena names = ARENA_INIT;
	/* Who runs the queue claims, writes results, counts and renews leases at the same time. */
	struct provider_conf conf = {.boot = w->boot,
		.system_connections = w->role == WORKER_OUTBOUND ? 4 : 2,
		.serve = true};
	conf.application =
		arena_format(&names, "pennypost %s/%u", worker_role_name(w->role), w->index).at;
	if (w->role == WORKER_MAIL)
		smtp_open();
	TRY(provider_open(&conf));
	log_level_set(level_now(w));
	logs_open(w->records, w->role == WORKER_OUTBOUND ? SERVICE_SMTP
			      : w->role == WORKER_WEB    ? SERVICE_HTTP
							 : SERVICE_NONE);
	logs_tend();
	errand_open(w->errands);
	switch (w->role) {
	case WORKER_MAIL:
		TRY(tls_server_open(w->boot->certificates.at, &l->tls));
		warm_start();
		return listener_start(w->specs, w->n, l->tls, &limits);
	case WORKER_WEB:
		l->sockets = memory_new_array((size_t)w->n, sizeof *l->sockets);
		for (int i = 0; i < w->n; i++)
			l->sockets[i] = w->specs[i].fd;
		return web_open(l->sockets, w->n);
	case WORKER_AGENT:
		return task_start("housekeeper", housekeeper_run, NULL) &&
				       task_start("indexer", indexer_run, NULL) &&
				       task_start("jobs", job_worker_run, NULL) &&
				       task_start("ledger", ledger_keeper_run, NULL)
			       ? ST_OK
			       : ST_BUSY;
	case WORKER_OUTBOUND:
		l->outbound.seat = w->index;
		TRY(outbound_wire_open(&l->outbound.transport));
		if (w->index == 0 && !task_start("tls reports", tls_reporter_run, NULL))
			return ST_BUSY;
		return task_start("outbound", outbound_run, &l->outbound) ? ST_OK : ST_BUSY;
	}
	return ST_BROKEN;
}

static void expiry_tell(struct life *l, int64_t at)
{
	metric_add(M_certificate_expiry_timestamp_seconds, SERVICE_NONE, at - l->expiry);
	l->expiry = at;
}

/* All mail workers serve the same ones: the first speaks for the node. */
static void tend_certificates(struct life *l)
{
	if (tls_server_changed(l->tls))
		tls_server_reload(l->tls);
	if (l->w->index > 0)
		return;
	tls_server_look(l->tls, setting_number(S_certificate_warning, NULL));
	expiry_tell(l, tls_server_until(l->tls) / USEC_S);
}

/* Every beat: a sign of life, the patience of its end, new certificates, the log level. */
static void tend(struct life *l)
{
	atomic_store(&l->w->pulse->beat, clock_now());
	atomic_store(&l->w->pulse->patience, setting_number(S_stop_patience, NULL));
	atomic_store(&l->w->pulse->silence_most, setting_number(S_worker_silence_most, NULL));
	log_level_set(level_now(l->w));
	logs_tend();
	if (l->tls)
		tend_certificates(l);
}

#define STOP_STEPS (1 * 60 * USEC_S)

static bool serves_yet(void)
{
	return listener_open_count() > 0 || !outbound_over();
}

static void stop_serving(struct life *l)
{
	usec patience = setting_number(S_stop_patience, NULL);
	log_event(
		EV_WORKER_STOPPING, "role=%s index=%u", worker_role_name(l->w->role), l->w->index);
	/* Not every step of the end gives a sign of life, and what is noted of answers must reach
	   the database. */
	atomic_store(&l->w->pulse->silence_most, patience + STOP_STEPS);
	if (l->w->role == WORKER_WEB)
		web_close((unsigned)(patience / USEC_MS));
	listener_stop();
	outbound_leave();
	expiry_tell(l, 0); /* its successor tells it */
	usec until = clock_now() + patience;
	while (serves_yet() && clock_now() < until) {
		atomic_store(&l->w->pulse->beat, clock_now());
		task_sleep(20 * USEC_MS);
	}
	task_shield(true);
	task_cancel_all();
	until = clock_now() + 2 * USEC_S;
	while (serves_yet() && clock_now() < until)
		task_sleep(10 * USEC_MS);
	trace_flush();
	node_release();
}

static status life_run(void *arg)
{
	struct life *l = arg;
	status kind = serve(l);
	if (kind != ST_OK) {
		l->exit_code = WORKER_EXIT_START;
		task_loop_stop();
		return kind;
	}
	atomic_store(&l->w->pulse->ready, 1);
	log_event(EV_WORKER_READY, "role=%s index=%u pid=%d", worker_role_name(l->w->role),
		l->w->index, (int)getpid());
	int number = 0;
	while (number != SIGTERM && number != SIGINT) {
		tend(l);
		status got = signals_next(l->signals, clock_now() + BEAT, &number);
		if (got == ST_CANCELLED || got == ST_BROKEN)
			break;
		if (got == ST_OK && number == SIGHUP && l->tls)
			tls_server_reload(l->tls);
	}
	stop_serving(l);
	task_loop_stop();
	return ST_OK;
}

int worker_run(const struct worker *w)
{
	char role[24];
	snprintf(role, sizeof role, "%s/%u", worker_role_name(w->role), w->index);
	struct life l = {.w = w, .exit_code = WORKER_EXIT_OK};
	status sealed = privilege_seal(w->master);
	if (sealed != ST_OK)
		return sealed == ST_CLOSED ? WORKER_EXIT_OK : WORKER_EXIT_START;
	log_open(&(struct log_target){.fd = -1,
		.least = LOG_INFO_LEVEL,
		.role = role,
		.journal = getenv("JOURNAL_STREAM") != NULL});
	metric_slot(w->slot);
	peer_slot(w->slot);
	repeat_slot(w->slot);
	struct task_limits limits = TASK_LIMITS_INIT;
	if (signals_open(&l.signals) != ST_OK || task_loop_open(&limits) != ST_OK ||
		!task_start("worker", life_run, &l)) {
		log_close();
		return WORKER_EXIT_START;
	}
	task_loop_run();
	task_loop_close();
	if (l.outbound.transport)
		outbound_wire_close(); /* what it counted goes to the provider */
	provider_close();
	smtp_close();
	tls_server_close(&l.tls);
	memory_free(l.sockets);
	close(l.signals);
	log_close();
	return l.exit_code;
}
