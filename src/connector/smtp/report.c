#include "connector/smtp/report.h"

#include "base/id.h"
#include "base/log.h"
#include "base/random.h"
#include "base/utf8.h"
#include "connector/smtp/parcel.h"
#include "connector/smtp/passing.h"
#include "connector/smtp/session.h"
#include "mail/dsn.h"
#include "mail/header.h"
#include "provider/header_facts.h"
#include "provider/message.h"
#include "provider/resolve.h"
#include "provider/route.h"
#include "provider/setting_parse.h"
#include "provider/trace.h"

/* How long and how often mail for a domain is tried: as its route says, else as it was promised. */
struct patience {
	slice times;   /* between attempts */
	int64_t tries; /* 0 = any number */
	usec until;    /* wall; 0 = the row tells */
	bool unknown;  /* the route cannot be read now: it may grant more than all others have */
};

static struct patience patience_with(const queue_entry *e, arena *a)
{
	struct mail_route r = {0};

	status kind = route_find(e->domain, a, &r);
	return (struct patience){
		.times = r.retry.size ? r.retry : setting_text(S_queue_retry, NULL),
		.tries = r.tries ? r.tries : setting_number(S_queue_tries_most, NULL),
		.until = r.lifetime > 0 ? e->made + r.lifetime : 0,
		.unknown = kind != ST_OK && kind != ST_ABSENT};
}

/* Until the next attempt, the last one of which is made when the time is over: after so many the
   next of the times, and where none was made the one that would be due at this age. */
static usec next_wait(const struct patience *p, const queue_entry *e, bool untried)
{
	slice all = p->times, one;
	int64_t span, wait = 15 * 60 * USEC_S;
	usec now = clock_wall(), left = p->until - now, due = e->made;

	for (int i = 0;
		(i <= e->attempts || (untried && due <= now)) && slice_take(&all, ' ', &one);) {
		if (setting_parse(SK_SPAN, one, &span) != ST_OK || span <= 0)
			continue;
		wait = span;
		due += span;
		i++;
	}
	if (p->until && left < wait)
		wait = left > USEC_S ? left : USEC_S;
	return wait;
}

/* ---- verdicts */

static struct setting_at place_of(const queue_entry *e)
{
	return (struct setting_at){.postoffice = e->postoffice};
}

static bool given_up(const struct attempt *t, const struct patience *p)
{
	const queue_entry *e = t->entry;
	bool over = p->until ? clock_wall() >= p->until : e->expired;

	if (e->returned || p->unknown)
		return e->returned;
	return over || (p->tries > 0 && !t->untried && e->attempts + 1 >= p->tries);
}

static bool asked_for(const queue_entry *e, unsigned what, bool unless_told)
{
	return e->notify ? (e->notify & what) != 0 : unless_told;
}

/* The null sender never; else an operator's word on this mail counts before that on all, and before
   what is known of its sender. */
static bool can_be_told(const queue_entry *e)
{
	struct setting_at at = place_of(e);

	return e->sender.size > 0 &&
	       (e->returned || (!(e->notify & NOTIFY_NOBODY) && setting_on(S_queue_reports, &at)));
}

static bool told_of_delay(const queue_entry *e)
{
	struct setting_at at = place_of(e);
	slice when = setting_text(S_queue_delay_notice, &at);

	if (e->sender.size == 0 || !asked_for(e, NOTIFY_DELAY, true))
		return false;
	return slice_same(when, S("each")) || (slice_same(when, S("first")) && e->notices == 0);
}

/* What fails and is told to nobody is bad mail (D16, D23), unless its sender wished so. */
static void judge_failure(const queue_entry *e, struct verdict *out)
{
	out->result.end = QUEUE_DONE;
	out->result.gone = GONE_DROPPED;
	if (!asked_for(e, NOTIFY_FAILURE | NOTIFY_NOBODY, true))
		return;
	out->result.gone = GONE_RETURNED;
	if (can_be_told(e))
		out->report = REPORT_FAILED;
	else
		out->result.end = QUEUE_PARK;
}

static void judge_delivery(const struct attempt *t, struct verdict *out)
{
	const queue_entry *e = t->entry;

	out->result.end = QUEUE_DONE;
	out->result.gone = e->state == QUEUE_TELL ? GONE_TOLD : GONE_SENT;
	if (e->state == QUEUE_TELL)
		out->report = e->told == TOLD_EXPANDED ? REPORT_EXPANDED : REPORT_DELIVERED;
	else if (e->sender.size && !t->dsn_passed && asked_for(e, NOTIFY_SUCCESS, false))
		out->report = REPORT_RELAYED;
}

static void defer(const struct attempt *t, const struct patience *p, struct verdict *out)
{
	out->result.end = QUEUE_DEFER;
	out->result.untried = t->untried;
	out->result.wait = next_wait(p, t->entry, t->untried);
	if (t->soon && t->soon < out->result.wait)
		out->result.wait = t->soon;
	out->result.until = p->until;
}

/* Whether the host refused this recipient or this message for good, and not us: what it says to MAIL,
   of systems and ways, and of policy before it has the text (RFC 3463: x.3, x.4, x.7) is said to a whole
   house whose address stands on a list. */
static bool refused_for_itself(const struct client_result *r)
{
	bool about_us = r->phase == CLIENT_MAIL || slice_starts(r->enhanced, S("5.3.")) ||
			slice_starts(r->enhanced, S("5.4.")) ||
			(slice_starts(r->enhanced, S("5.7.")) && r->phase != CLIENT_END);

	return r->outcome == CLIENT_FAILED && r->cause == CLIENT_BY_REPLY && r->code / 100 == 5 &&
	       !about_us;
}

void report_judge(const struct attempt *t, struct verdict *out)
{
	const queue_entry *e = t->entry;
	arena a = ARENA_INIT;
	bool delivered = t->result.outcome == CLIENT_DELIVERED;
	struct patience p = delivered ? (struct patience){0} : patience_with(e, &a);

	*out = (struct verdict){.of = t,
		.result = {.entry = e,
			.refused = refused_for_itself(&t->result),
			.code = t->result.code,
			.enhanced = t->result.enhanced,
			.host = t->host,
			.text = t->result.text}};
	if (e->told ==
		TOLD_PROGRAM) { /* the mail is where it belongs, whatever became of its program */
		out->result.end = QUEUE_DONE;
		out->result.gone = GONE_TOLD;
		if (t->result.outcome == CLIENT_DEFERRED && !given_up(t, &p))
			defer(t, &p, out);
	} else if (delivered) {
		judge_delivery(t, out);
	} else if (t->result.outcome == CLIENT_FAILED || given_up(t, &p)) {
		judge_failure(e, out);
	} else {
		defer(t, &p, out);
		out->result.noticed = !t->soon && told_of_delay(e);
		out->report = out->result.noticed ? REPORT_DELAYED : REPORT_NONE;
	}
	arena_release(&a);
}

/* ---- the message */

static enum dsn_action action_of(enum report_kind k)
{
	static const enum dsn_action actions[] = {[REPORT_FAILED] = DSN_FAILED,
		[REPORT_DELAYED] = DSN_DELAYED,
		[REPORT_RELAYED] = DSN_RELAYED,
		[REPORT_DELIVERED] = DSN_DELIVERED,
		[REPORT_EXPANDED] = DSN_EXPANDED};

	return actions[k];
}

static slice without_return_path(slice original)
{
	return slice_starts_nocase(original, S("Return-Path:"))
		       ? slice_from(original, slice_find(original, '\n') + 1)
		       : original;
}

/* The original, as far as it comes back; empty when it cannot be read any more. */
static void original_of(const queue_entry *e, bool full, arena *a, struct dsn *d)
{
	struct setting_at at = place_of(e);
	int64_t most = setting_number(S_queue_report_full_most, &at);
	message *m;
	slice raw;

	if (message_by_id(e->postoffice, e->message, a, &m) != ST_OK)
		return;
	d->full = full && (int64_t)m->size <= most;
	d->arrived = e->made;
	if (blob_head(e->postoffice, m->blob, d->full ? (size_t)m->size : m->header_size, a,
		    &raw) == ST_OK)
		d->original = without_return_path(raw);
}

static slice reporter_address(arena *a)
{
	slice set = setting_text(S_queue_report_from, NULL);

	return set.size ? set
			: arena_format(a, "mailer-daemon@%.*s", SLICE_ARGS(smtp_local_domain()));
}

/* Who is told. What was passed on under a return path of ours goes straight to its sender; one that
   is no longer good stays as it is, and the report is parked. */
static status teller_of(const queue_entry *e, arena *a, mail_address *to)
{
	mail_address home;
	int64_t postoffice;

	TRY(mail_address_parse(e->sender, a, to));
	status kind = passing_home(to, a, &home, &postoffice);
	if (kind == ST_OK)
		*to = home;
	return kind == ST_BUSY || kind == ST_CANCELLED ? kind : ST_OK;
}

static status compose(
	const struct verdict *v, int n, int64_t id, slice teller, arena *a, slice *raw)
{
	const queue_entry *e = v->of->entry;
	struct setting_at at = place_of(e);
	struct dsn_recipient *to = arena_new_array(a, (size_t)n, sizeof *to);
	struct dsn d = {.action = action_of(v->report),
		.language = language_of(setting_text(S_queue_report_language, &at)),
		.reporter = smtp_local_domain(),
		.from = reporter_address(a),
		.to = teller,
		.envid = e->envid,
		.at = clock_wall(),
		.message_id =
			header_message_id(id, random_below(UINT64_MAX), smtp_local_domain(), a),
		.to_whom = to,
		.n = n};
	bool full = e->ret == RET_FULL ||
		    (e->ret == RET_NONE &&
			    slice_same(setting_text(S_queue_report_content, &at), S("full")));

	/* What was to travel under TLS alone comes back as its header section (RFC 8689 5). */
	original_of(e, full && v->report == REPORT_FAILED && !e->require_tls, a, &d);
	for (int i = 0; i < n; i++) {
		const struct attempt *t = v[i].of;

		to[i] = (struct dsn_recipient){.address = t->entry->address,
			.orcpt = t->entry->orcpt,
			.status = t->result.enhanced,
			.host = t->host,
			.code = t->result.code,
			.text = t->result.text,
			.tried = clock_wall(),
			.until = v[i].result.until ? v[i].result.until : t->entry->expires};
	}
	return dsn_compose(&d, a, raw);
}

/* ---- delivering it */

static void tell(const struct verdict *v, int n, const struct parcel *p)
{
	static const char *const words[] = {[REPORT_FAILED] = "failed",
		[REPORT_DELAYED] = "delayed",
		[REPORT_RELAYED] = "relayed",
		[REPORT_DELIVERED] = "delivered",
		[REPORT_EXPANDED] = "expanded"};
	const queue_entry *e = v->of->entry;
	char id[ID_TEXT_SIZE + 1], cause[ID_TEXT_SIZE + 1];

	id_text(p->d.id, id);
	id_text(e->message, cause);
	metric_add(M_reports, SERVICE_NONE, 1);
	trace_note(e->postoffice, e->message, TRACE_REPORTED,
		"report=%s kind=%s to=%s recipients=%d", id, words[v->report], log_quote(e->sender),
		n);
	if (p->parked) {
		log_event(EV_QUEUE_UNREPORTED, "report=%s to=%s", id, log_quote(e->sender));
		metric_add(M_queue_parked, SERVICE_NONE, 1);
	}
	parcel_trace(p, slice_z(cause));
}

/* Who sent in the name of the address that is told: he logged on, or came from a privileged network.
   Strangers' mail leaves only where somebody here passes it on, for domains that we take mail for,
   or where giving a sender of ours is enough. False: nobody knows. */
static bool asker_of(const queue_entry *e, struct poster *who)
{
	*who = (struct poster){.postoffice = e->postoffice, .mailbox = e->mailbox};
	return e->via.size == 0 &&
	       (e->mailbox != 0 || (!setting_on(S_relay_local_sender, NULL) &&
					   address_domain_is_ours(e->domain) == ST_FOREIGN));
}

status report_send(const struct verdict *v, int n)
{
	const queue_entry *e = v->of->entry;
	arena a = ARENA_INIT;
	struct poster who;
	struct parcel p = {.postoffice = e->postoffice,
		.addressee = e->sender,
		.asker = asker_of(e, &who) ? &who : NULL,
		.d = {.id = id_new(), .sent = clock_wall(), .end_count = n}};
	struct queue_result *ends = arena_new_array(&a, (size_t)n, sizeof *ends);
	struct setting_at at = place_of(e);
	slice raw = S("");
	mail_address to = {0};
	status kind = teller_of(e, &a, &to);
	if (kind == ST_OK || kind == ST_INVALID || kind == ST_TOO_BIG)
		kind = compose(v, n, p.d.id,
			to.domain.size ? mail_address_text(&to, &a) : e->sender, &a, &raw);

	for (int i = 0; i < n; i++)
		ends[i] = v[i].result;
	p.envelope = (struct queue_envelope){.lifetime = setting_number(S_queue_lifetime, &at),
		.eight_bit = !utf8_is_ascii(raw),
		.require_tls = e->require_tls};
	if (kind == ST_OK)
		kind = parcel_address(&p, &to, raw.size, &a);
	if (kind == ST_OK) {
		struct header_facts facts;

		header_facts_read(raw, &a, &facts);
		p.d.ends = ends;
		p.d.envelope = &p.envelope;
		p.d.message_id = facts.message_id;
		p.d.from = facts.from;
		p.d.subject = facts.subject;
		kind = parcel_send(&p, reporter_address(&a), raw, &a);
	}
	if (kind == ST_OK)
		tell(v, n, &p);
	arena_release(&a);
	return kind;
}
