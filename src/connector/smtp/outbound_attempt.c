/* One attempt for all recipients of a job (RFC 5321 4.5.4.1): what became of people here is known,
   mail that is returned or too big and hosts that are known to be away need no asking; for the rest
   programs have their word (hook.h), and then the transport has the text. What follows from the
   results is the matter of outbound_send.c. */
#include "connector/smtp/outbound_inside.h"

#include "connector/smtp/hook.h"
#include "connector/smtp/outbound_body.h"
#include "provider/setting.h"

#define ROOM_LATER (60 * USEC_S) /* may be made by then for a program's text */

static void attempts_all(struct sending *s, const struct client_result *r, slice host)
{
	for (int i = 0; i < s->job->n; i++) {
		s->attempts[i].result = *r;
		s->attempts[i].host = host;
	}
}

static struct client_result own_word(enum client_outcome o, const char *enhanced, slice text)
{
	return (struct client_result){.outcome = o,
		.cause = CLIENT_BY_US,
		.phase = CLIENT_CONNECTING,
		.enhanced = slice_z(enhanced),
		.text = text};
}

static rcpt_parameters dsn_of(const queue_entry *e)
{
	size_t at = slice_find(e->orcpt, ';');

	return (rcpt_parameters){.notify = e->notify,
		.has_orcpt = at < e->orcpt.size,
		.orcpt_type = slice_until(e->orcpt, at),
		.orcpt = slice_from(e->orcpt, at + 1)};
}

static void attempt_network(struct sending *s, struct body *b)
{
	plan_job *j = s->job;
	const queue_entry *e = &j->entries[0];
	struct client_recipient *to = arena_new_array(&j->a, (size_t)j->n, sizeof *to);
	rcpt_parameters *dsn = arena_new_array(&j->a, (size_t)j->n, sizeof *dsn);
	struct client_message m = {.postoffice = e->postoffice,
		.id = e->message,
		.sender = e->sender,
		.size = b->size - b->skip + b->front.size,
		.eight_bit = e->eight_bit,
		.binary = e->binary,
		.utf8 = e->utf8,
		.require_tls = e->require_tls,
		.tls_waived = b->tls_waived && !e->require_tls,
		.ret = e->ret,
		.envid = e->envid,
		.to = to,
		.n = j->n,
		.source = body_source,
		.arg = b,
		.seven_bit = body_seven_bit,
		.plain_source = body_plain};

	for (int i = 0; i < j->n; i++) {
		m.urged |= j->entries[i].urged;
		dsn[i] = dsn_of(&j->entries[i]);
		to[i] = (struct client_recipient){.address = j->entries[i].address, .dsn = &dsn[i]};
	}
	s->of->way->send(s->of->way->arg, e->domain, &m, &j->a, s->words);
	for (int i = 0; i < j->n; i++) {
		s->attempts[i].result = to[i].result;
		s->attempts[i].dsn_passed = to[i].dsn_passed;
		s->attempts[i].untried = m.unasked;
		s->attempts[i].host = s->words[i].host;
	}
}

static bool too_big(const queue_entry *e)
{
	int64_t most = setting_number(
		S_outbound_size_most, &(struct setting_at){.postoffice = e->postoffice});

	return most > 0 && e->size > most;
}

/* What a host says to whoever logs on does not depend on the message either, and after some wrong
   passwords it may shut us out. */
static bool is_same_for_all(const struct client_result *r)
{
	return r->outcome == CLIENT_DEFERRED &&
	       ((r->cause == CLIENT_BY_HOST && r->code == 0) || r->cause == CLIENT_BY_LOGON);
}

/* Nobody was reached: the others that wait for the same hosts need not try them too. */
static void avoid_when_unreachable(struct sending *s)
{
	usec span = setting_number(S_outbound_backoff, NULL);
	const struct attempt *t = &s->attempts[0];

	for (int i = 0; i < s->job->n; i++)
		if (!is_same_for_all(&s->attempts[i].result))
			return;
	if (span > 0)
		plan_avoid(s->of->plan, s->job, clock_now() + span, &t->result, t->host);
}

/* What must have another try, and is nobody's fault but ours. */
static bool passes(status kind)
{
	return kind == ST_BUSY || kind == ST_TIMED_OUT || kind == ST_CANCELLED;
}

/* What became of it was found out when it came. */
static struct client_result told_word(enum queue_told told)
{
	switch (told) {
	case TOLD_EXPANDED:
		return own_word(CLIENT_DELIVERED, "2.1.5", S("passed on to several recipients"));
	case TOLD_FULL:
		return own_word(CLIENT_FAILED, "5.2.2", S("the mailbox is full"));
	case TOLD_DISABLED:
		return own_word(CLIENT_FAILED, "5.2.1", S("the recipient is disabled"));
	case TOLD_ABSENT:
		return own_word(CLIENT_FAILED, "5.1.1", S("no such recipient here"));
	case TOLD_BIG:
		return own_word(
			CLIENT_FAILED, "5.2.3", S("the message is too big for this recipient"));
	default:
		return own_word(CLIENT_DELIVERED, "2.1.5", S("delivered to the mailbox"));
	}
}

/* The disk of programs' texts is full, or others have had the room for a long time: it is nobody's
   attempt, and stands where an operator sees it. */
static void no_room(struct attempt *t, status kind)
{
	usec patience = setting_number(S_program_room_patience, NULL);
	bool young = clock_wall() - t->entry->made < patience;

	t->result = own_word(CLIENT_DEFERRED, "4.3.1",
		kind == ST_FULL
			? S("there is no room for the text that its program is to be shown")
			: S("other texts have the room for the one that its program is to be shown"));
	t->untried = true;
	t->soon = young || kind != ST_FULL ? ROOM_LATER : 0;
}

static bool has_waited_for_room(const queue_entry *e)
{
	return clock_wall() - e->next >= setting_number(S_program_room_patience, NULL);
}

/* A program's word on one row. ST_CANCELLED: it was cut off; ST_BUSY: it was not begun, as the text
   is not to be had at this moment. */
static status attempt_program(struct sending *s, int i, enum hook h, slice program)
{
	struct attempt *t = &s->attempts[i];
	struct errand_result r;

	*t = (struct attempt){.entry = &s->job->entries[i]};
	if (program.size == 0) { /* there is none any more */
		t->result = own_word(CLIENT_DELIVERED, "2.0.0", S(""));
		return ST_OK;
	}
	status kind = hook_run_entry(h, t->entry, arena_copy(&s->job->a, program), &s->job->a, &r);
	if (kind == ST_FULL || (kind == ST_LIMITED && has_waited_for_room(t->entry))) {
		no_room(t, kind);
		return ST_OK;
	}
	TRY(kind == ST_LIMITED ? ST_BUSY : kind);
	slice said = r.said.size ? r.said : S("the postmaster's program had nothing to say");
	t->result = r.verdict == ERRAND_GO       ? own_word(CLIENT_DELIVERED, "2.0.0", S(""))
		    : r.verdict == ERRAND_REFUSE ? own_word(CLIENT_FAILED, "5.7.1", said)
						 : own_word(CLIENT_DEFERRED, "4.7.1", said);
	return ST_OK;
}

/* A mailbox's own program. Cut off or not, it was an attempt, and the next one is told so; none
   when it was not begun. */
static status attempt_delivery_program(struct sending *s, int i)
{
	const queue_entry *e = &s->job->entries[i];
	slice program = hook_program(
		HOOK_DELIVERY, &(struct setting_at){e->postoffice, e->domain, e->mailbox});
	status kind = attempt_program(s, i, HOOK_DELIVERY, program);

	if (kind == ST_CANCELLED)
		s->attempts[i].result =
			own_word(CLIENT_DEFERRED, "4.3.0", S("the program was cut off"));
	else
		TRY(kind);
	s->attempts[i].result.cause = CLIENT_BY_HOST;
	return ST_OK;
}

/* People here: a report is due, or their own program, of which there is one in a job. */
static status attempt_here(struct sending *s)
{
	for (int i = 0; i < s->job->n; i++) {
		const queue_entry *e = &s->job->entries[i];

		s->attempts[i] = (struct attempt){.entry = e, .result = told_word(e->told)};
		if (e->told == TOLD_PROGRAM)
			TRY(attempt_delivery_program(s, i));
	}
	return ST_OK;
}

/* *may: nothing was said against it. Else its recipient has his word. */
static status ask_before_sending(struct sending *s, bool *may)
{
	const queue_entry *e = &s->job->entries[0];
	slice program =
		hook_program(HOOK_DISPATCH, &(struct setting_at){.postoffice = e->postoffice});

	*may = true;
	if (program.size == 0)
		return ST_OK;
	if (s->job->n > 1)
		return ST_BUSY; /* the program was named since they were claimed: each will be asked
				   about alone */
	TRY(attempt_program(s, 0, HOOK_DISPATCH, program));
	*may = s->attempts[0].result.outcome == CLIENT_DELIVERED;
	return ST_OK;
}

/* What is left is sent, unless a program says otherwise. */
static status attempt_outside(struct sending *s)
{
	struct body body;
	bool may;
	status kind = ask_before_sending(s, &may);

	if (kind == ST_OK && !may)
		return ST_OK;
	if (kind == ST_OK && clock_now() >= s->of->lease_until)
		return ST_BUSY; /* while it was asked another process may have begun to send */
	usec began = clock_now();
	if (kind == ST_OK)
		kind = body_open(s->job, &body);
	if (passes(kind))
		return kind;
	if (kind != ST_OK) {
		struct client_result why =
			own_word(CLIENT_DEFERRED, "4.3.0", S("the text could not be read"));

		attempts_all(s, &why, S(""));
		return ST_OK;
	}
	attempt_network(s, &body);
	body_close(&body);
	metric_time(M_send_seconds, SERVICE_NONE, clock_now() - began);
	avoid_when_unreachable(s);
	return ST_OK;
}

status outbound_attempt(struct sending *s)
{
	plan_job *j = s->job;
	const queue_entry *e = &j->entries[0];
	struct client_result why;
	slice host;

	if (e->state == QUEUE_TELL) {
		return attempt_here(s);
	} else if (e->returned) {
		why = own_word(CLIENT_FAILED, "5.3.0",
			e->text.size ? arena_format(&j->a,
					       "returned by the postmaster; at last%s%.*s: %.*s",
					       e->host.size ? " from " : "", SLICE_ARGS(e->host),
					       SLICE_ARGS(e->text))
				     : S("returned by the postmaster"));
		attempts_all(s, &why, S("")); /* no host said so */
	} else if (too_big(e)) {
		why = own_word(CLIENT_FAILED, "5.3.4", S("the message is too big to be sent"));
		attempts_all(s, &why, S(""));
	} else if (plan_avoids(s->of->plan, j, clock_now(), &why, &host)) {
		why.text = arena_copy(&j->a, why.text);
		why.enhanced = arena_copy(&j->a, why.enhanced);
		attempts_all(s, &why, arena_copy(&j->a, host));
		for (int i = 0; i < j->n; i++)
			s->attempts[i].untried = true;
	} else {
		return attempt_outside(s);
	}
	return ST_OK;
}
