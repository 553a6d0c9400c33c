/* Mail transactions as a client (RFC 5321 3.3): the envelope, pipelined where the host allows it,
   then the text, and one result for every recipient whatever happens.

     RSET (of a transaction begun in vain)
     MAIL, RCPT x window, DATA        one flight; then as many answers
     RCPT x window, DATA              further flights of a long list
     text, end mark                   DATA or, where it is known, one BDAT
     answer for all that were taken

   Recipients beyond what the host takes at once (452) go in a further transaction. */
#include "base/log.h"
#include "base/metric.h"
#include "base/utf8.h"
#include "connector/smtp/client_inside.h"
#include "connector/smtp/session.h"
#include "task/task.h"

#include <inttypes.h>

#define FLIGHT 50 /* RCPT commands before their answers are read: both fit the sockets' buffers */

enum standing {
	WAITING, /* for this transaction or a later one */
	TAKEN,   /* RCPT was answered with 2xx */
	DONE     /* its result stands */
};

struct sending {
	client *c;
	struct client_message *m;
	struct client_message plain; /* it in 7 bits, and `m` then */
	arena *a;
	enum standing *standing; /* by recipient */
	int taken;               /* in this transaction */
	bool begun;              /* MAIL was answered with 2xx */
	bool answered;           /* the host has said something about this message */
	bool data_said;          /* DATA went with the last flight */
	bool utf8;               /* SMTPUTF8 is said */
};

/* ---- results */

static void settle(struct sending *s, int i, const struct client_result *r)
{
	s->m->to[i].result = *r;
	s->standing[i] = DONE;
}

/* All that have no result yet; with `taken_only` those the host took in this transaction. */
static void settle_rest(struct sending *s, bool taken_only, const struct client_result *r)
{
	for (int i = 0; i < s->m->n; i++)
		if (s->standing[i] == TAKEN || (s->standing[i] == WAITING && !taken_only))
			settle(s, i, r);
}

/* The talk ended without an answer. What was heard before stands. */
static status lost(struct sending *s, status kind, enum client_phase p)
{
	struct client_result r;

	s->c->over = true;
	client_result_lost(kind, p, &r);
	if (kind == ST_CLOSED && !s->answered && p <= CLIENT_RCPT &&
		(s->c->kept || s->c->facts.messages > 0))
		r.cause = CLIENT_STALE;
	if (p == CLIENT_END) {
		log_event(EV_OUTBOUND_UNSURE, "conversation=%s host=%s reason=%s", s->c->name,
			log_quote(s->c->facts.host), status_name(kind));
		/* Those not taken were never part of what may have arrived. */
		settle_rest(s, true, &r);
		client_result_lost(kind, CLIENT_RCPT, &r);
	}
	settle_rest(s, false, &r);
	return kind;
}

/* One answer for all that wait: to MAIL or DATA, or of our own. */
static status all_refused(struct sending *s, const struct reply *r, enum client_phase p)
{
	struct client_result result;

	client_result_of(r, p, CLIENT_BY_REPLY, &result);
	if (reply_is(r, 2) || reply_is(r, 3))
		return lost(s, ST_INVALID, p);
	if (r->code == 421 && p == CLIENT_MAIL && (s->c->kept || s->c->facts.messages > 0))
		result.cause = CLIENT_STALE;
	settle_rest(s, false, &result);
	return s->c->over ? ST_CLOSED : ST_OK;
}

static status cannot(struct sending *s, const char *enhanced, const char *sentence)
{
	struct client_result r;

	client_result_own(CLIENT_FAILED, CLIENT_BY_MESSAGE, CLIENT_MAIL, enhanced, sentence, &r);
	settle_rest(s, false, &r);
	return ST_OK;
}

/* ---- what the host must know for this message */

/* Nothing that ends a line or is no text gets into a command. */
static bool fits_command(slice address)
{
	for (size_t i = 0; i < address.size; i++)
		if ((unsigned char)address.at[i] < ' ' || address.at[i] == 0x7f)
			return false;
	return address.size <= MAIL_PATH_MOST * 2;
}

static void check_addresses(struct sending *s)
{
	struct client_result r;

	for (int i = 0; i < s->m->n; i++) {
		slice address = s->m->to[i].address;
		if (address.size == 0 || !fits_command(address)) {
			client_result_own(CLIENT_FAILED, CLIENT_BY_MESSAGE, CLIENT_RCPT, "5.1.3",
				"the address cannot be said in SMTP", &r);
			settle(s, i, &r);
		} else if (!utf8_is_ascii(address) && !s->c->facts.utf8) {
			client_result_own(CLIENT_FAILED, CLIENT_BY_MESSAGE, CLIENT_RCPT, "5.6.7",
				"the address needs SMTPUTF8, which the host does not know", &r);
			settle(s, i, &r);
		} else if (!utf8_is_ascii(address)) {
			s->utf8 = true;
		}
	}
}

/* The host lacks what it needs: in 7 bits, where that can be made (RFC 6152 3). Its size is known
   afterwards only, so nothing is said of it. */
static status to_seven_bit(struct sending *s)
{
	status kind = s->m->seven_bit ? s->m->seven_bit(s->m->arg) : ST_INVALID;

	if (kind != ST_OK)
		return kind;
	s->plain = *s->m;
	s->plain.source = s->m->plain_source;
	s->plain.eight_bit = s->plain.binary = false;
	s->plain.size = 0;
	s->m = &s->plain;
	return ST_OK;
}

static status could_not_read(struct sending *s, status kind)
{
	struct client_result r;

	client_result_own(CLIENT_DEFERRED, CLIENT_BY_US, CLIENT_MAIL, "4.3.0",
		"the text could not be read", &r);
	settle_rest(s, false, &r);
	return kind == ST_CANCELLED ? kind : ST_OK;
}

static status fit_octets(struct sending *s)
{
	const struct client_facts *f = &s->c->facts;
	bool binary = s->m->binary && !(s->c->binary && f->chunking),
	     eight = s->m->eight_bit && !f->eight_bit,
	     converts = slice_same(setting_text(S_outbound_eight_bit, NULL), S("convert")),
	     sends = slice_same(setting_text(S_outbound_eight_bit, NULL), S("send")) ||
		     (converts &&
			     slice_same(setting_text(S_outbound_eight_bit_else, NULL), S("send")));
	status kind = (binary || eight) && converts ? to_seven_bit(s) : ST_INVALID;

	if ((!binary && !eight) || kind == ST_OK)
		return ST_OK;
	if (kind != ST_INVALID && kind != ST_DENIED && kind != ST_FOREIGN)
		return could_not_read(s, kind);
	if (binary)
		return cannot(s, "5.6.1", "the message is binary, which the host does not take");
	if (sends)
		return ST_OK;
	return cannot(s, "5.6.3",
		kind == ST_DENIED
			? "the message has 8-bit text, which the host does not take, and is signed as it is"
		: kind == ST_FOREIGN
			? "the header of the message has 8-bit text, which the host does not take and which cannot be encoded"
		: converts
			? "the body of the message has 8-bit text, which the host does not take, where it cannot be encoded"
			: "the message has 8-bit text, which the host does not take");
}

static status check_message(struct sending *s)
{
	const struct client_facts *f = &s->c->facts;
	const struct client_message *m = s->m;

	s->utf8 = m->utf8 || !utf8_is_ascii(m->sender);
	if (!fits_command(m->sender))
		return cannot(s, "5.1.7", "the sender's address cannot be said in SMTP");
	if (s->utf8 && !f->utf8)
		return cannot(
			s, "5.6.7", "the message needs SMTPUTF8, which the host does not know");
	if (m->require_tls && !(f->require_tls && f->proved >= CLIENT_TLS_NAME))
		return cannot(s, "5.7.30",
			"the message requires TLS all the way, which the host does not offer");
	if (f->size_most && m->size > f->size_most)
		return cannot(s, "5.3.4", "the message is bigger than the host takes");
	check_addresses(s);
	return fit_octets(s);
}

/* ---- commands */

static status say_mail(struct sending *s)
{
	const struct client_facts *f = &s->c->facts;
	const struct client_message *m = s->m;
	text line = TEXT_INIT;

	text_format(&line, "MAIL FROM:<%.*s>", SLICE_ARGS(m->sender));
	if (s->c->size && m->size > 0)
		text_format(&line, " SIZE=%" PRIu64, m->size);
	if (m->binary)
		text_add_z(&line, " BODY=BINARYMIME");
	else if (m->eight_bit && f->eight_bit)
		text_add_z(&line, " BODY=8BITMIME");
	if (s->utf8)
		text_add_z(&line, " SMTPUTF8");
	if (f->dsn && m->ret != RET_NONE)
		text_add_z(&line, m->ret == RET_FULL ? " RET=FULL" : " RET=HDRS");
	if (f->dsn && m->envid.size) {
		slice coded = xtext_encode(m->envid, s->a);
		text_format(&line, " ENVID=%.*s", SLICE_ARGS(coded));
	}
	if (m->require_tls)
		text_add_z(&line, " REQUIRETLS");
	status kind = client_say(s->c, "%.*s", SLICE_ARGS(text_slice(&line)));
	text_free(&line);
	return kind;
}

static void add_notify(text *line, unsigned notify)
{
	static const struct {
		unsigned bit;
		const char *word;
	} words[] = {
		{NOTIFY_SUCCESS, "SUCCESS"}, {NOTIFY_FAILURE, "FAILURE"}, {NOTIFY_DELAY, "DELAY"}};
	char before = '=';
	bool never = notify & (NOTIFY_NEVER | NOTIFY_NOBODY);

	text_add_z(line, " NOTIFY");
	if (never)
		text_add_z(line, "=NEVER");
	for (size_t i = 0; i < 3 && !never; i++) {
		if (!(notify & words[i].bit))
			continue;
		text_add_char(line, before);
		text_add_z(line, words[i].word);
		before = ',';
	}
}

static status say_rcpt(struct sending *s, struct client_recipient *r)
{
	text line = TEXT_INIT;
	bool dsn = s->c->facts.dsn && r->dsn;

	text_format(&line, "RCPT TO:<%.*s>", SLICE_ARGS(r->address));
	if (dsn && r->dsn->notify)
		add_notify(&line, r->dsn->notify);
	if (dsn && r->dsn->has_orcpt && fits_command(r->dsn->orcpt_type)) {
		slice coded = xtext_encode(r->dsn->orcpt, s->a);
		text_format(&line, " ORCPT=%.*s;%.*s", SLICE_ARGS(r->dsn->orcpt_type),
			SLICE_ARGS(coded));
	}
	status kind = client_say(s->c, "%.*s", SLICE_ARGS(text_slice(&line)));
	text_free(&line);
	return kind;
}

/* ---- answers */

static status hear_reset(struct sending *s)
{
	struct reply r;

	TRY(client_reply(s->c, s->c->patience.hello, NULL, s->a, &r));
	if (!reply_is(&r, 2))
		return ST_INVALID;
	s->c->dirty = false;
	return ST_OK;
}

/* Too many at once, not a fault of this one: RFC 5321 4.5.3.1.10. */
static bool is_one_too_many(const struct sending *s, const struct reply *r)
{
	if (s->taken == 0 || (r->code != 452 && r->code != 552))
		return false;
	return r->enhanced.size == 0 || slice_same(slice_from(r->enhanced, 1), S(".5.3"));
}

static status hear_rcpt(struct sending *s, int i)
{
	struct client_result result;
	struct reply r;

	TRY(client_reply(s->c, s->c->patience.rcpt, NULL, s->a, &r));
	if (!s->begun)
		return ST_OK; /* MAIL's answer counts for it */
	s->answered = true;
	if (reply_is(&r, 3))
		return ST_INVALID;
	if (reply_is(&r, 2)) {
		s->standing[i] = TAKEN;
		s->taken++;
		s->m->to[i].dsn_passed = s->c->facts.dsn;
		return ST_OK;
	}
	if (is_one_too_many(s, &r))
		return ST_OK;
	client_result_of(&r, CLIENT_RCPT, CLIENT_BY_REPLY, &result);
	if (r.code == 421) {
		settle_rest(s, false, &result);
		return ST_CLOSED;
	}
	settle(s, i, &result);
	return ST_OK;
}

/* ---- the envelope */

/* Chunks need no word of consent, and DATA can go along with the last RCPT. */
static bool by_chunk(const struct sending *s)
{
	return s->m->binary ||
	       (s->c->facts.chunking && s->m->size > 0 && setting_on(S_outbound_chunking, NULL));
}

static status hear_mail(struct sending *s, struct reply *mail)
{
	TRY(client_reply(s->c, s->c->patience.mail, NULL, s->a, mail));
	s->begun = reply_is(mail, 2);
	s->answered = mail->code != 421;
	s->c->dirty = s->begun;
	return ST_OK;
}

/* The answers to one flight, in the order of its commands. */
static status hear_flight(struct sending *s, bool reset, bool mail_said, const int *said, int n,
	struct reply *mail, enum client_phase *phase)
{
	if (reset)
		TRY(hear_reset(s));
	if (mail_said)
		TRY(hear_mail(s, mail));
	*phase = CLIENT_RCPT;
	for (int i = 0; i < n && !s->c->over; i++)
		TRY(hear_rcpt(s, said[i]));
	return ST_OK;
}

/* The next recipients that wait, at most `most`, from *at on. */
static int gather(const struct sending *s, int *at, int most, int *said)
{
	int n = 0;

	for (; *at < s->m->n && n < most; (*at)++)
		if (s->standing[*at] == WAITING)
			said[n++] = *at;
	return n;
}

static bool any_waits(const struct sending *s, int from)
{
	for (int i = from; i < s->m->n; i++)
		if (s->standing[i] == WAITING)
			return true;
	return false;
}

/* The envelope of one transaction: *mail is the answer to MAIL. *phase tells how far it came. */
static status envelope(struct sending *s, struct reply *mail, enum client_phase *phase)
{
	const bool together = s->c->facts.pipelining;
	bool first = true;
	int said[FLIGHT], at = 0;

	*phase = CLIENT_MAIL;
	do {
		bool reset = first && s->c->dirty;
		int n = first && !together ? 0 : gather(s, &at, together ? FLIGHT : 1, said);
		stream_patience(s->c->stream, s->c->patience.mail, 0, 0);
		if (reset)
			TRY(client_say(s->c, "RSET"));
		if (first)
			TRY(say_mail(s));
		for (int i = 0; i < n; i++)
			TRY(say_rcpt(s, &s->m->to[said[i]]));
		s->data_said = together && !by_chunk(s) && !any_waits(s, at);
		if (s->data_said)
			TRY(client_say(s->c, "DATA"));
		TRY(hear_flight(s, reset, first, said, n, mail, phase));
		first = false;
	} while (s->begun && !s->c->over && any_waits(s, at));
	return ST_OK;
}

/* ---- the text */

/* The host expects a text although nobody is to get it: an empty one (RFC 2920 3.1). */
static status send_nothing(struct sending *s)
{
	struct reply r;

	TRY(client_say(s->c, "."));
	TRY(client_reply(s->c, s->c->patience.end, NULL, s->a, &r));
	s->c->dirty = false;
	return ST_OK;
}

/* The text was not sent to its end: nothing arrived, and the talk cannot go on. */
static status text_stopped(struct sending *s, status kind, const struct client_text *t)
{
	struct client_result r;
	struct reply early;

	if (t->stream == ST_CLOSED &&
		client_reply(s->c, s->c->patience.quit, NULL, s->a, &early) == ST_OK &&
		early.code >= 400) {
		/* The host has said why before it hung up. */
		s->c->over = true;
		client_result_of(&early, CLIENT_TEXT, CLIENT_BY_REPLY, &r);
		settle_rest(s, true, &r);
		return lost(s, ST_CLOSED, CLIENT_RCPT);
	}
	if (t->stream != ST_OK)
		return lost(s, t->stream, t->ended ? CLIENT_END : CLIENT_TEXT);
	s->c->over = true;
	if (t->bare) {
		log_event(EV_OUTBOUND_BARE, "conversation=%s host=%s", s->c->name,
			log_quote(s->c->facts.host));
		client_result_own(CLIENT_FAILED, CLIENT_BY_MESSAGE, CLIENT_TEXT, "5.6.0",
			"the text holds a bare CR or LF and must not be sent on", &r);
	} else {
		client_result_own(CLIENT_DEFERRED, CLIENT_BY_US, CLIENT_TEXT, "4.3.0",
			"the text could not be read", &r);
	}
	settle_rest(s, false, &r);
	return kind == ST_CANCELLED ? ST_CANCELLED : ST_CLOSED;
}

/* The answer to the end of the text decides for all that were taken. */
static status hear_end(struct sending *s)
{
	struct client_result result;
	struct reply r;

	status kind = client_reply(s->c, s->c->patience.end, NULL, s->a, &r);
	if (kind == ST_OK && reply_is(&r, 3))
		kind = ST_INVALID;
	if (kind != ST_OK)
		return lost(s, kind, CLIENT_END);
	s->c->facts.messages++;
	s->c->dirty = false;
	client_result_of(&r, CLIENT_END, CLIENT_BY_REPLY, &result);
	settle_rest(s, true, &result);
	return ST_OK;
}

static status text_by_data(struct sending *s)
{
	struct client_text t;
	struct reply r;

	stream_patience(s->c->stream, s->c->patience.data, 0, 0);
	status kind = s->data_said ? ST_OK : client_say(s->c, "DATA");
	if (kind == ST_OK)
		kind = client_reply(s->c, s->c->patience.data, NULL, s->a, &r);
	if (kind != ST_OK)
		return lost(s, kind, CLIENT_DATA);
	if (r.code != 354)
		return all_refused(s, &r, CLIENT_DATA);
	kind = client_text_data(s->c, s->m, &t);
	return kind == ST_OK ? hear_end(s) : text_stopped(s, kind, &t);
}

static status text_by_chunk(struct sending *s)
{
	struct client_text t;
	status kind = client_text_chunk(s->c, s->m, &t);

	return kind == ST_OK ? hear_end(s) : text_stopped(s, kind, &t);
}

/* Nobody was taken, yet DATA is on its way: its answer must be heard before anything else. */
static status call_off(struct sending *s)
{
	struct reply r;

	if (!s->data_said || s->c->over)
		return ST_OK;
	TRY(client_reply(s->c, s->c->patience.data, NULL, s->a, &r));
	if (r.code != 354)
		return reply_is(&r, 4) || reply_is(&r, 5) ? ST_OK : ST_INVALID;
	return s->begun ? send_nothing(s) : ST_INVALID;
}

/* ---- one transaction, and as many as it takes */

static status transaction(struct sending *s)
{
	enum client_phase phase;
	struct reply mail = {0};

	s->taken = 0;
	s->begun = s->answered = s->data_said = false;
	status kind = envelope(s, &mail, &phase);
	if (kind == ST_OK && s->c->over)
		kind = ST_CLOSED;
	if (mail.code && !reply_is(&mail, 2)) {
		status refused = all_refused(s, &mail, CLIENT_MAIL);
		kind = kind == ST_OK ? refused : kind;
	}
	if (kind == ST_OK && s->taken > 0)
		return by_chunk(s) ? text_by_chunk(s) : text_by_data(s);
	if (kind == ST_OK)
		kind = call_off(s);
	return kind == ST_OK ? ST_OK : lost(s, kind, phase);
}

static status transactions(struct sending *s)
{
	TRY(check_message(s));
	/* This ends: only those the host called one too many beside a taken one wait again. */
	while (any_waits(s, 0) && !s->c->over)
		TRY(transaction(s));
	return s->c->over ? lost(s, ST_CLOSED, CLIENT_MAIL) : ST_OK;
}

status client_send(client *c, struct client_message *m, arena *a)
{
	struct sending s = {.c = c, .m = m, .a = a};
	usec before = task_deadline_now(), now = clock_now();

	s.standing = arena_new_array(a, (size_t)m->n, sizeof *s.standing);
	if (c->patience.transaction < before - now)
		task_deadline(now + c->patience.transaction);
	transcript_message(c->rows, m->id);
	status kind = transactions(&s);
	task_deadline(before);
	transcript_message(c->rows, 0);
	metric_add(M_outbound_messages, SERVICE_NONE, 1);
	return kind;
}
