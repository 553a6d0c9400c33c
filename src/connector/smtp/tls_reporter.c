#include "connector/smtp/tls_reporter.h"

#include "base/id.h"
#include "base/log.h"
#include "base/random.h"
#include "connector/smtp/own.h"
#include "connector/smtp/session.h"
#include "connector/smtp/web_host.h"
#include "mail/mta_sts.h"
#include "mail/tls_report.h"
#include "provider/digest.h"
#include "provider/lease.h"
#include "provider/sts_policy.h"
#include "provider/tls_day.h"
#include "provider/trace.h"
#include "task/task.h"

#define FIRST_AFTER (2 * USEC_S)
#define LOOK_EVERY (60 * USEC_S)
#define AGAIN (3600 * USEC_S)
#define LEASE (10 * 60 * USEC_S)
#define ONE_MOST (5 * 60 * USEC_S) /* for one domain: half of the lease */
#define DOMAINS_MOST 1000          /* of one turn */
#define RESULTS_MOST 1000          /* of one report */
#define DAY (86400 * USEC_S)
#define ANSWER_MOST 1024

/* ---- the report of one domain and day */

struct making {
	arena *a;
	const struct tls_result *rows; /* by policy and host */
	int n;
	struct tls_report_policy *policy;
	int policies;
	struct tls_report_failure *failure; /* of all policies, one's behind the other's */
	int failures;
};

/* A policy of DANE is of the host, all others are of the domain (RFC 8460 1.1). */
static slice policy_domain(const struct tls_result *r)
{
	return slice_same(r->policy, S("tlsa")) ? r->host : r->domain;
}

static bool same_policy(const struct tls_result *x, const struct tls_result *y)
{
	return slice_same(x->policy, y->policy) && slice_same(policy_domain(x), policy_domain(y));
}

/* As it is kept now: it may have changed within the day. */
static void add_sts(struct making *m, struct tls_report_policy *p)
{
	struct sts_policy kept;
	mta_sts_policy read;

	if (!slice_same(p->type, S("sts")) || sts_policy_find(p->domain, m->a, &kept) != ST_OK ||
		mta_sts_policy_parse(kept.text, m->a, &read) != ST_OK)
		return;
	p->text = kept.text;
	p->mx = read.mx;
	p->mx_count = read.mx_count;
}

/* Rows from `first` that are of one policy; tells where the next one begins. */
static int add_policy(struct making *m, int first)
{
	const struct tls_result *r = &m->rows[first];
	struct tls_report_policy *p = &m->policy[m->policies++];
	int i = first;

	*p = (struct tls_report_policy){
		.type = r->policy, .domain = policy_domain(r), .failure = m->failure + m->failures};
	for (; i < m->n && same_policy(r, &m->rows[i]); i++) {
		const struct tls_result *row = &m->rows[i];

		if (slice_same(row->result, S("success"))) {
			p->successes += row->sessions;
			continue;
		}
		p->failures += row->sessions;
		m->failure[m->failures++] = (struct tls_report_failure){
			row->result, row->sender, row->host, row->receiver, row->sessions};
		p->n++;
	}
	add_sts(m, p);
	return i;
}

static slice own_address(arena *a)
{
	slice set = setting_text(S_tls_report_from, NULL);

	return set.size ? set : arena_format(a, "postmaster@%.*s", SLICE_ARGS(smtp_local_domain()));
}

/* The same however often it is made, so that who gets it twice can tell. */
static slice report_id(usec day, slice domain, arena *a)
{
	return arena_format(a, "%.*s.%.*s@%.*s", 10, date_stamp(day, a).at, SLICE_ARGS(domain),
		SLICE_ARGS(smtp_local_domain()));
}

/* ST_ABSENT: nothing was counted. */
static status report_make(usec day, slice domain, arena *a, struct tls_report *out)
{
	struct making m = {.a = a};
	struct tls_result *rows;
	slice organisation = setting_text(S_tls_report_organisation, NULL);

	TRY(tls_day_results(day, domain, RESULTS_MOST, a, &rows, &m.n));
	if (m.n == 0)
		return ST_ABSENT;
	m.rows = rows;
	m.policy = arena_new_array(a, (size_t)m.n, sizeof *m.policy);
	m.failure = arena_new_array(a, (size_t)m.n, sizeof *m.failure);
	for (int i = 0; i < m.n;)
		i = add_policy(&m, i);
	*out = (struct tls_report){
		.organisation = organisation.size ? organisation : smtp_local_domain(),
		.contact = own_address(a),
		.id = report_id(day, domain, a),
		.domain = domain,
		.from = day,
		.until = day + DAY - USEC_S,
		.policy = m.policy,
		.n = m.policies};
	return ST_OK;
}

status tls_reporter_show(usec day, slice domain, arena *a, slice *json)
{
	struct tls_report r;

	TRY(report_make(day, domain, a, &r));
	*json = tls_report_json(&r, a);
	return ST_OK;
}

/* ---- by mail */

/* By which the same report to the same address is known, should this process die behind its
   delivery. */
static slice repeat_key(const struct tls_report *r, slice to, arena *a)
{
	digest *d = digest_open();
	uint8_t sum[32];

	digest_add(d, S("tls-report "));
	digest_add(d, r->id);
	digest_add(d, S(" "));
	digest_add(d, to);
	digest_end(d, sum);
	digest_close(&d);
	return arena_copy(a, slice_of(sum, 16));
}

static void mail_note(const struct own_mail *m, const struct tls_report *r)
{
	arena a = ARENA_INIT;

	own_mail_trace(m, arena_format(&a, "kind=tls-report domain=%s", log_quote(r->domain)));
	arena_release(&a);
}

static status mail_send(struct own_mail *m, const struct tls_report *r, arena *a)
{
	mail_address from, to;
	struct route home = {0};
	slice raw;

	TRY(mail_address_parse(r->contact, a, &from));
	TRY(mail_address_parse(m->to, a, &to));
	address_lead(from.local, from.domain, 0, a, &home);
	m->postoffice = home.postoffice;
	m->sender = mail_address_text(&from, a);
	const struct tls_report_mail mail = {.report = r,
		.submitter = smtp_local_domain(),
		.from = m->sender,
		.to = mail_address_text(&to, a),
		.message_id = header_message_id(m->d.id, random_below(UINT64_MAX), from.domain, a),
		.at = clock_wall(),
		.language = language_of(setting_text(S_queue_report_language,
			&(struct setting_at){.postoffice = m->postoffice}))};
	TRY(tls_report_compose(&mail, a, &raw));
	TRY(own_mail_place(m, &to, raw, a));
	TRY(own_mail_fill(m, raw, a));
	m->d.repeat_key = repeat_key(r, m->to, a);
	return deliver_run(&m->d);
}

static status by_mail(const struct tls_report *r, const struct tls_report_target *t, arena *a)
{
	struct own_mail m = {.to = t->address, .d.id = id_new()};
	status kind = mail_send(&m, r, a);

	own_mail_close(&m);
	if (kind == ST_OK)
		mail_note(&m, r);
	return kind == ST_EXISTS ? ST_OK : kind;
}

/* ---- over HTTPS */

static status by_web(
	dns *d, const struct tls_report *r, const struct tls_report_target *t, arena *a)
{
	struct https_answer got = {0};
	struct https_ask q = {.host = t->host,
		.path = t->path,
		.most = ANSWER_MOST,
		.content = tls_report_json(r, a),
		.type = S("application/tlsrpt+json")};
	const struct web_host_ask ask = {&q, t->port, setting_number(S_tls_report_patience, NULL),
		setting_text(S_outbound_private_networks, NULL), https_post};

	TRY(web_host_ask(d, &ask, a, &got));
	return got.code / 100 == 2 ? ST_OK : ST_DENIED;
}

/* ---- one domain and day */

static bool has_it(slice told, slice uri)
{
	slice one;

	while (slice_take(&told, ' ', &one))
		if (slice_same(one, uri))
			return true;
	return false;
}

/* Each target that has it is noted at once: whatever happens next, it is not told again. */
static status tell_all(
	dns *d, struct tls_day *day, const struct tls_report_target *to, int n, arena *a)
{
	struct tls_report r;
	slice trouble = S("");
	status worst = ST_OK;

	TRY(report_make(day->day, day->domain, a, &r));
	for (int i = 0; i < n; i++) {
		if (has_it(day->told, to[i].uri))
			continue;
		status kind =
			to[i].address.size ? by_mail(&r, &to[i], a) : by_web(d, &r, &to[i], a);
		if (kind == ST_OK) {
			day->told = arena_format(a, "%.*s%s%.*s", SLICE_ARGS(day->told),
				day->told.size ? " " : "", SLICE_ARGS(to[i].uri));
			TRY(tls_day_note(day, TLS_DAY_OPEN, trouble));
			continue;
		}
		worst = kind;
		trouble = arena_format(a, "%.*s: %s", SLICE_ARGS(to[i].uri), status_name(kind));
	}
	TRY(tls_day_note(day, worst == ST_OK ? TLS_DAY_SENT : TLS_DAY_OPEN, trouble));
	return worst;
}

/* ST_ABSENT: nobody wants it. */
static status tell(dns *d, struct tls_day *day, arena *a)
{
	lookup ask = dns_lookup(d);
	lookup_answer found;
	struct tls_report_target to[TLS_REPORT_TARGETS_MOST];
	slice name = arena_format(a, "_smtp._tls.%.*s", SLICE_ARGS(day->domain));
	int n = 0;

	if (lookup_ask(&ask, LOOKUP_TXT, name, a, &found) == LOOKUP_TEMPORARY) {
		TRY(tls_day_note(day, TLS_DAY_OPEN, S("DNS does not answer")));
		return task_cancelled() ? ST_CANCELLED : ST_BUSY;
	}
	if (found.kind == LOOKUP_FOUND &&
		tls_report_record(found.row, found.count, a, to, &n) == ST_OK)
		return tell_all(d, day, to, n, a);
	TRY(tls_day_note(day, TLS_DAY_UNWANTED, S("")));
	return ST_ABSENT;
}

static void log_told(const struct tls_day *day, status kind, arena *a)
{
	slice stamp = date_stamp(day->day, a);

	if (kind == ST_OK)
		log_event(EV_TLS_REPORTED, "domain=%s day=%.10s to=%s", log_quote(day->domain),
			stamp.at, log_quote(day->told));
	else if (kind != ST_ABSENT && kind != ST_CANCELLED)
		log_event(EV_TLS_UNREPORTED, "domain=%s day=%.10s why=%s", log_quote(day->domain),
			stamp.at, status_name(kind));
}

static status tell_one(dns *d, struct tls_day *day, struct tls_reporter_done *done)
{
	arena a = ARENA_INIT;
	usec before = task_deadline(clock_now() + ONE_MOST);
	status kind = tell(d, day, &a);

	task_deadline(before);
	log_told(day, kind, &a);
	arena_release(&a);
	done->sent += kind == ST_OK;
	done->unwanted += kind == ST_ABSENT;
	done->failed += kind != ST_OK && kind != ST_ABSENT;
	return kind;
}

/* ---- all of them */

static status tell_due(dns *d, bool now, lease *held, struct tls_reporter_done *done)
{
	usec after = now ? 0 : setting_number(S_tls_report_after, NULL);
	arena a = ARENA_INIT;
	struct tls_day *days;
	int n = 0;
	status kind = tls_day_due(after, now ? 0 : AGAIN, DOMAINS_MOST, &a, &days, &n);

	for (int i = 0; i < n && kind == ST_OK; i++) {
		kind = lease_take(held);
		if (kind == ST_OK && tell_one(d, &days[i], done) == ST_CANCELLED)
			kind = ST_CANCELLED;
	}
	arena_release(&a);
	return kind;
}

status tls_reporter_once(bool now, struct tls_reporter_done *done)
{
	struct dns_conf conf = DNS_CONF_INIT;
	lease held = {.name = S("tls-report"), .span = LEASE};
	dns *d;

	*done = (struct tls_reporter_done){0};
	conf.servers = setting_text(S_dns_servers, NULL);
	conf.patience = setting_number(S_dns_patience, NULL);
	TRY(dns_open(&conf, &d));
	status kind = lease_take(&held);
	if (kind == ST_OK) {
		kind = tell_due(d, now, &held, done);
		lease_give_back(&held);
	}
	dns_close(&d);
	return kind;
}

status tls_reporter_run(void *unused)
{
	struct tls_reporter_done done;

	(void)unused;
	TRY(task_sleep(FIRST_AFTER));
	for (;;) {
		if (setting_on(S_tls_report_enabled, NULL))
			tls_reporter_once(false, &done);
		TRY(task_sleep(LOOK_EVERY));
	}
}
