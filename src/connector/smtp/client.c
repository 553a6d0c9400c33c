/* Opening and closing a talk with a host; the contract stands in client.h. The rest of the talk:
   client_reply.c, client_hello.c, client_logon.c, client_send.c, client_text.c. */
#include "base/id.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/metric.h"
#include "connector/smtp/client_inside.h"
#include "connector/smtp/session.h"
#include "mail/mta_sts.h"
#include "task/task.h"

/* ---- names */

const char *client_outcome_name(enum client_outcome o)
{
	static const char *const names[] = {"delivered", "deferred", "failed", "unsure"};

	return names[o];
}

const char *client_phase_name(enum client_phase p)
{
	static const char *const names[] = {"connect", "greeting", "hello", "starttls", "logon",
		"mail", "rcpt", "data", "text", "end"};

	return names[p];
}

static const char *proof_name(enum client_tls proved)
{
	static const char *const names[] = {"none", "none", "encrypted", "name", "dane"};

	return names[proved];
}

slice client_fields(const struct client_facts *f, const struct client_result *r, arena *a)
{
	slice host = S(""), at = S(""), tls = S("");

	if (f) {
		host = arena_format(a, "host=%s ", log_quote(f->host));
		slice ip = net_address_text(&f->at, a);
		at = arena_format(a, "address=%.*s port=%u ", SLICE_ARGS(ip), f->at.port);
		if (f->tls.size)
			tls = arena_format(a, "tls=%.*s cipher=%.*s ", SLICE_ARGS(f->tls),
				SLICE_ARGS(f->cipher));
	}
	slice trouble =
		r->tls.size ? arena_format(a, " tls_trouble=%.*s", SLICE_ARGS(r->tls)) : S("");
	return arena_format(a,
		"%.*s%.*s%.*sproved=%s phase=%s outcome=%s code=%d enhanced=%.*s%.*s reply=%s",
		SLICE_ARGS(host), SLICE_ARGS(at), SLICE_ARGS(tls),
		proof_name(f ? f->proved : CLIENT_TLS_OFF), client_phase_name(r->phase),
		client_outcome_name(r->outcome), r->code, SLICE_ARGS(r->enhanced),
		SLICE_ARGS(trouble), log_quote(r->text));
}

const struct client_facts *client_facts(const client *c)
{
	return &c->facts;
}

/* ---- settings */

void client_patience_set(struct client_patience *p)
{
	*p = (struct client_patience){
		.connect = setting_number(S_outbound_connect_patience, NULL),
		.greeting = setting_number(S_outbound_greeting_patience, NULL),
		.hello = setting_number(S_outbound_hello_patience, NULL),
		.starttls = setting_number(S_outbound_starttls_patience, NULL),
		.mail = setting_number(S_outbound_mail_patience, NULL),
		.rcpt = setting_number(S_outbound_rcpt_patience, NULL),
		.data = setting_number(S_outbound_data_patience, NULL),
		.text = setting_number(S_outbound_text_patience, NULL),
		.end = setting_number(S_outbound_end_patience, NULL),
		.quit = setting_number(S_outbound_quit_patience, NULL),
		.transaction = setting_number(S_outbound_transaction_patience, NULL),
	};
}

/* ---- connecting */

static status connect_within(const struct client_target *t, stream **s)
{
	usec before = task_deadline_now(), now = clock_now();

	if (t->patience.connect < before - now)
		task_deadline(now + t->patience.connect);
	status kind = stream_connect(&t->at, t->from, s);
	task_deadline(before);
	return kind;
}

static status connect_host(client *c, const struct client_target *t, struct client_result *why)
{
	status kind = connect_within(t, &c->stream);

	if (kind == ST_OK) {
		stream_belongs(c->stream, SERVICE_AGENT, c->name);
		c->facts.local = *stream_local(c->stream);
		c->rows = transcript_open(
			SERVICE_SMTP, true, c->name, c->stream, &c->facts.at, &c->facts.local);
		return ST_OK;
	}
	client_result_lost(kind, CLIENT_CONNECTING, why);
	if (kind == ST_INVALID || kind == ST_BUSY)
		client_result_own(CLIENT_DEFERRED, CLIENT_BY_US, CLIENT_CONNECTING, "4.3.5",
			kind == ST_BUSY ? "no descriptor is left"
					: "the outbound address is not of this machine",
			why);
	else if (kind != ST_CANCELLED)
		client_result_own(CLIENT_DEFERRED, CLIENT_BY_HOST, CLIENT_CONNECTING, "4.4.1",
			kind == ST_TIMED_OUT ? "no connection to the host in time"
					     : "the host refused the connection",
			why);
	return kind;
}

/* ---- TLS */

static const char *trouble_word(enum tls_trouble t)
{
	static const char *const words[] = {
		[TLS_TROUBLE_NONE] = "validation-failure",
		[TLS_TROUBLE_HANDSHAKE] = "validation-failure",
		[TLS_TROUBLE_NAME] = "certificate-host-mismatch",
		[TLS_TROUBLE_EXPIRED] = "certificate-expired",
		[TLS_TROUBLE_UNTRUSTED] = "certificate-not-trusted",
		[TLS_TROUBLE_TLSA] = "tlsa-invalid",
	};

	return words[t];
}

/* The policy cannot be kept with this host: nothing is said to it any more. */
static status policy_missed(client *c, const char *word, const char *enhanced, const char *sentence,
	struct client_result *why)
{
	c->over = true;
	client_result_own(
		CLIENT_DEFERRED, CLIENT_BY_POLICY, CLIENT_STARTTLS, enhanced, sentence, why);
	why->tls = slice_z(word);
	return ST_DENIED;
}

static void take_tls_facts(client *c, enum tls_verify wanted)
{
	struct stream_tls facts;

	stream_tls_facts(c->stream, &c->talk, &facts);
	c->facts.tls = facts.version;
	c->facts.cipher = facts.cipher;
	c->facts.resumed = facts.resumed;
	c->facts.proved = wanted == TLS_VERIFY_DANE ? CLIENT_TLS_DANE
			  : facts.verified          ? CLIENT_TLS_NAME
						    : CLIENT_TLS_MUST;
	if (c->facts.proved == CLIENT_TLS_MUST)
		c->facts.doubt = slice_z(trouble_word(facts.doubt));
}

static enum tls_verify wanted_proof(const struct client_policy *p)
{
	if (p->tls == CLIENT_TLS_NAME)
		return TLS_VERIFY_NAME;
	if (p->tls == CLIENT_TLS_DANE && tls_tlsa_usable(p->tlsa, p->tlsa_count))
		return TLS_VERIFY_DANE;
	return TLS_VERIFY_NONE;
}

/* The name as certificates have it: without the root's dot, a literal without its brackets. */
static const char *certificate_name(slice host, arena *a)
{
	if (host.size > 1 && host.at[host.size - 1] == '.')
		host.size--;
	if (host.size > 2 && host.at[0] == '[' && host.at[host.size - 1] == ']')
		host = slice_of(host.at + 1, host.size - 2);
	if (slice_starts_nocase(host, S("IPv6:")))
		host = slice_from(host, S("IPv6:").size);
	return arena_z(a, host);
}

static status handshake(
	client *c, const struct client_target *t, arena *a, struct client_result *why)
{
	const tls_client *with = t->authorities ? t->authorities : tls_client_system();
	enum tls_verify proof = wanted_proof(&t->policy);
	slice ip = net_address_text(&t->at, a);

	if (!with)
		return policy_missed(c, "", "4.3.5", "TLS is not to be had on this machine", why);
	stream_patience(c->stream, c->patience.starttls, 0, 0);
	status kind = stream_tls_connect_as(c->stream, with,
		&(struct tls_wanted){
			.host = certificate_name(t->host, a),
			.verify = proof,
			.names = t->policy.names,
			.name_count = t->policy.name_count,
			.tlsa = t->policy.tlsa,
			.tlsa_count = t->policy.tlsa_count,
			.session = arena_format(a, "%.*s %u", SLICE_ARGS(ip), t->at.port),
		});
	if (kind == ST_OK) {
		take_tls_facts(c, proof);
		return ST_OK;
	}
	if (kind == ST_CANCELLED) {
		client_result_lost(kind, CLIENT_STARTTLS, why);
		return kind;
	}
	return policy_missed(c, trouble_word(stream_tls_trouble(c->stream)), "4.7.5",
		kind == ST_TIMED_OUT ? "the TLS handshake took too long"
				     : "the TLS handshake failed or did not prove the host",
		why);
}

/* Bytes that follow the answer to STARTTLS in the clear would be read as if they had come
   through TLS: whoever sends them is not talked to any more (T5). */
static status injected(client *c, struct client_result *why)
{
	c->over = true;
	log_event(EV_OUTBOUND_INJECTION, "conversation=%s host=%s bytes=%zu", c->name,
		log_quote(c->facts.host), stream_pending(c->stream));
	client_result_own(CLIENT_DEFERRED, CLIENT_BY_HOST, CLIENT_STARTTLS, "4.7.0",
		"the host sent bytes in the clear behind its answer to STARTTLS", why);
	return ST_INVALID;
}

static status starttls(
	client *c, const struct client_target *t, slice own, arena *a, struct client_result *why)
{
	struct reply r;

	status kind = client_ask(c, c->patience.starttls, a, &r, "STARTTLS");
	if (kind != ST_OK) {
		client_result_lost(kind, CLIENT_STARTTLS, why);
		return kind;
	}
	if (!reply_is(&r, 2)) {
		if (t->policy.tls == CLIENT_TLS_MAY && !c->over)
			return ST_OK;
		policy_missed(c, "starttls-not-supported", "4.7.4", "", why);
		why->code = r.code;
		why->text = r.text;
		return ST_DENIED;
	}
	if (stream_pending(c->stream) > 0)
		return injected(c, why);
	TRY(handshake(c, t, a, why));
	return client_hello(c, own, a, why);
}

static status secure(
	client *c, const struct client_target *t, slice own, arena *a, struct client_result *why)
{
	if (t->policy.tls == CLIENT_TLS_OFF || stream_is_tls(c->stream))
		return ST_OK;
	if (c->starttls)
		return starttls(c, t, own, a, why);
	if (t->policy.tls == CLIENT_TLS_MAY)
		return ST_OK;
	return policy_missed(c, "starttls-not-supported", "4.7.4",
		"the host offers no TLS, which is required", why);
}

/* ---- MTA-STS */

static bool allowed(slice host, const struct client_policy *p)
{
	for (int i = 0; i < p->mx_count; i++)
		if (mta_sts_mx_matches(host, p->mx[i]))
			return true;
	return p->mx_count == 0;
}

/* ---- opening */

static client *client_new(const struct client_target *t)
{
	client *c = memory_new(sizeof *c);

	id_text(id_new(), c->name);
	c->patience = t->patience;
	c->facts.host = arena_copy(&c->talk, t->host);
	c->facts.at = t->at;
	list_init(&c->among);
	return c;
}

static status talk(client *c, const struct client_target *t, bool with_tls, arena *a,
	struct client_result *why)
{
	slice own = t->hello.size ? t->hello : smtp_local_domain();

	TRY(connect_host(c, t, why));
	if (t->implicit_tls)
		TRY(handshake(c, t, a, why));
	TRY(client_greeting(c, a, why));
	TRY(client_hello(c, own, a, why));
	if (with_tls)
		TRY(secure(c, t, own, a, why));
	return t->logon ? client_logon_run(c, t->logon, a, why) : ST_OK;
}

static status open_once(const struct client_target *t, bool with_tls, arena *a, client **out,
	struct client_result *why)
{
	client *c = client_new(t);
	status kind = talk(c, t, with_tls, a, why);

	if (kind == ST_OK) {
		*out = c;
		return ST_OK;
	}
	why->local = c->facts.local;
	metric_add(M_outbound_refused, SERVICE_NONE, 1);
	slice fields = client_fields(&c->facts, why, a);
	/* A host that cannot tell now (4xx) may find the password right later. */
	if (why->cause == CLIENT_BY_LOGON && why->code / 100 != 4)
		log_event(EV_OUTBOUND_LOGON, "conversation=%s user=%s %s", c->name,
			log_quote(t->logon->name), fields.at);
	else
		log_event(EV_OUTBOUND_REFUSED, "conversation=%s %s", c->name, fields.at);
	client_close(&c);
	return kind;
}

status client_open(const struct client_target *t, arena *a, client **out, struct client_result *why)
{
	*out = NULL;
	if (!allowed(t->host, &t->policy)) {
		client_result_own(CLIENT_DEFERRED, CLIENT_BY_POLICY, CLIENT_CONNECTING, "4.7.5",
			"the host is not one of those the domain's MTA-STS policy names", why);
		why->tls = S("validation-failure");
		return ST_DENIED;
	}
	status kind = open_once(t, true, a, out, why);
	bool again = kind == ST_DENIED && t->policy.tls == CLIENT_TLS_MAY && !t->implicit_tls &&
		     why->cause == CLIENT_BY_POLICY;
	if (again)
		kind = open_once(t, false, a, out, why);
	if (kind != ST_OK)
		return kind;
	metric_add(M_outbound_connections, SERVICE_NONE, 1);
	log_event(EV_OUTBOUND_OPENED, "conversation=%s host=%s tls=%s", (*out)->name,
		log_quote((*out)->facts.host), proof_name((*out)->facts.proved));
	return ST_OK;
}

/* ---- closing */

static void say_goodbye(client *c)
{
	struct reply r;
	arena a = ARENA_INIT;

	client_ask(c, c->patience.quit, &a, &r, "QUIT");
	arena_release(&a);
}

void client_close(client **closing)
{
	client *c = *closing;

	if (!c)
		return;
	*closing = NULL;
	if (c->stream && c->greeted && !c->over)
		say_goodbye(c);
	transcript_close(&c->rows);
	stream_close(&c->stream);
	text_free(&c->line);
	arena_release(&c->talk);
	memory_free(c);
}
