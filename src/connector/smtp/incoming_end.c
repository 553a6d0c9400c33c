/* The text is complete: it is judged, stored in one transaction for all its recipients, and
   answered; only then are traces written. */
#include "base/fault.h"
#include "base/id.h"
#include "base/log.h"
#include "base/map.h"
#include "connector/smtp/hook.h"
#include "connector/smtp/incoming_inside.h"
#include "connector/smtp/passing.h"
#include "connector/smtp/reply.h"
#include "provider/digest.h"
#include "provider/folder.h"
#include "provider/provider.h"
#include "provider/trace.h"

#include <inttypes.h>

#define LOOKS_MOST 3 /* at members that changed, for one message */

const char *smtp_delivery_reply(status kind)
{
	if (kind == ST_BUSY && provider_full())
		return "452 4.3.1 There is no room to store it now; try again later";
	switch (kind) {
	case ST_FULL:
		return "452 4.2.2 A recipient's mailbox is full; try again later";
	case ST_ABSENT:
		return "451 4.2.1 A recipient changed meanwhile; try again";
	case ST_TOO_BIG:
		return "552 5.3.4 Message is too big";
	case ST_CANCELLED:
		return "421 4.3.2 The service restarts; try again at once";
	default:
		return "451 4.3.0 The message cannot be stored now; try again later";
	}
}

/* Over who sends, to whom, and what (R6): the same on every worker. */
static void repeat_key(conversation *c, struct incoming *in)
{
	struct smtp *s = smtp_of(c);
	if (setting_number(S_smtp_repeat_window, NULL) == 0)
		return;
	/* Behind a line end each, so that no text with an address at its end is like another. */
	digest_add(in->content, S("\n"));
	digest_add(in->content, net_address_text(smtp_client(c), &c->command));
	digest_add(in->content, S("\n"));
	digest_add(in->content, mail_address_key(&s->sender, &c->command));
	for (int i = 0; i < s->n; i++) {
		digest_add(in->content, S("\n"));
		digest_add(in->content, mail_address_key(&s->recipients[i].address, &c->command));
	}
	uint8_t whole[32];
	digest_end(in->content, whole);
	memcpy(s->unconfirmed, whole, sizeof s->unconfirmed);
	in->delivery.repeat_key = slice_of(s->unconfirmed, sizeof s->unconfirmed);
}

static const char *text_refusal(const struct smtp *s, const struct incoming *in)
{
	if (in->refusal)
		return in->refusal;
	if (s->parameters.body != BODY_BINARYMIME && !in->scan.repair &&
		(in->scan.bare_cr || in->scan.bare_lf))
		return "554 5.6.0 Bare CR or LF in the message; lines end with CRLF";
	return NULL;
}

/* The mailbox's folder for junk, made when there is none. */
static status junk_of(const struct route *to, arena *a, int64_t *id)
{
	folder *rows, *found = NULL;
	int n;
	TRY(folder_list(to->postoffice, to->mailbox, a, &rows, &n));
	for (int i = 0; i < n; i++)
		if ((rows[i].special & FOLDER_JUNK) ||
			(!found && slice_same(rows[i].name, S("Junk"))))
			found = &rows[i];
	if (!found)
		TRY(folder_make(to->postoffice, to->mailbox, S("Junk"), FOLDER_JUNK, a, &found));
	*id = found->id;
	return ST_OK;
}

/* For somebody, perhaps. */
static bool is_for_junk(const struct incoming *in)
{
	return in->quarantined || in->verdict.forbidden || in->verdict.wish != DMARC_DO_NOTHING;
}

/* Mail that its author's domain disowns goes where its recipient's domain wants it, what a milter
   quarantines too; into the INBOX when that cannot be had now. */
static void set_apart(struct smtp *s, struct incoming *in)
{
	for (int i = 0; i < s->n; i++) {
		const struct recipient *r = &s->recipients[i];
		struct route *to = in->routes;
		int64_t junk;
		bool apart = in->quarantined || policy_is_junk(&in->verdict, r);
		if (r->remote || r->told || r->dropped || !apart ||
			junk_of(&r->route, &s->mail, &junk) != ST_OK)
			continue;
		while (to->postoffice != r->route.postoffice || to->mailbox != r->route.mailbox)
			to++;
		to->inbox = junk;
		in->is_apart = true;
	}
}

static const char *judge(conversation *c, struct incoming *in)
{
	policy_judge(c, &in->judged, &in->verdict);
	if (in->verdict.refusal)
		trace_note(in->delivery.parts[0].postoffice, in->delivery.id, TRACE_JUDGED,
			"conversation=%s message_id=%s %s", c->name,
			log_quote(in->delivery.message_id), in->verdict.told.at);
	return in->verdict.refusal;
}

/* Groups, and mailboxes that pass their mail on, once each: who wrote to one of them asks for it by
   that name. */
static void trace_expanded(conversation *c, const struct incoming *in)
{
	const struct smtp *s = smtp_of(c);
	map *told = NULL;

	for (int i = 0; i < s->n; i++) {
		const struct recipient *r = &s->recipients[i];
		const mail_address *who = r->named ? r->named : &r->address;

		if (r->dropped)
			who = &r->address;
		else if (!r->named)
			continue;
		slice name = mail_address_text(who, &c->command);
		if (!r->dropped && slice_same(name, mail_address_text(&r->address, &c->command)))
			continue;
		told = told ? told : map_open();
		if (!map_put(told, mail_address_key(who, &c->command), told))
			trace_note(r->dropped ? r->route.postoffice : r->named_in, in->delivery.id,
				TRACE_EXPANDED, "recipient=%s", log_quote(name));
	}
	map_close(&told);
}

static void trace_recipient(conversation *c, const struct incoming *in, const struct recipient *r)
{
	arena *a = &c->command;
	slice via = r->via.size || !r->named ? r->via : mail_address_text(r->named, a);

	if (r->told != TOLD_EXPANDED) /* said above */
		passing_trace(r, in->delivery.id, via, S(""), a);
}

/* What the first row says of all of them stands in none of the others. */
static void trace_accepted(conversation *c, const struct incoming *in)
{
	struct smtp *s = smtp_of(c);
	slice user = S("");

	if (s->authenticated)
		user = arena_format(&c->command, " user=%s", log_quote(s->who.mailbox_name));
	for (int p = 0; p < in->delivery.n; p++) {
		const struct delivery_part *part = &in->delivery.parts[p];
		trace_note(part->postoffice, in->delivery.id, TRACE_ACCEPTED,
			"conversation=%s service=%s peer=%s helo=%s tls=%s%.*s from=%s "
			"size=%" PRIu64 " message_id=%s",
			c->name, service_name(c->service),
			net_address_text(smtp_client(c), &c->command).at, log_quote(s->helo),
			stream_is_tls(c->stream) ? "yes" : "no", SLICE_ARGS(user),
			log_quote(mail_address_text(&s->sender, &c->command)),
			blob_writer_size(part->body), log_quote(in->delivery.message_id));
	}
	for (int p = 0; p < in->delivery.n && in->verdict.told.size; p++)
		trace_note(in->delivery.parts[p].postoffice, in->delivery.id, TRACE_JUDGED, "%s",
			in->verdict.told.at);
	trace_expanded(c, in);
	for (int i = 0; i < s->n; i++)
		trace_recipient(c, in, &s->recipients[i]);
}

static void note_time(const conversation *c, const struct incoming *in)
{
	usec now = clock_now(), took = now - in->began;

	metric_time(M_delivery_seconds, c->service, took);
	if (in->delivery.committed)
		metric_time(M_answer_seconds, c->service, now - in->delivery.committed);
	if (!setting_on(S_metrics_by_postoffice, NULL))
		return;
	for (int p = 0; p < in->delivery.n; p++)
		metric_postoffice_time(in->delivery.parts[p].postoffice, MPL_DELIVERY, took);
}

static status accept_message(conversation *c, struct incoming *in, bool repeated)
{
	struct smtp *s = smtp_of(c);
	char id[ID_TEXT_SIZE + 1];
	id_text(in->delivery.id, id);
	/* The answer first, written at once: every moment between commit and 250 is one in which a
	   broken line would make the client send again (R6). */
	s->has_unconfirmed = in->delivery.repeat_key.size > 0;
	if (FAULT("smtp_before_250"))
		return ST_CLOSED;
	TRY(conversation_say(c, "250 2.6.0 Stored as %s", id));
	status kind = stream_flush(c->stream);
	if (FAULT("smtp_after_250"))
		return ST_CLOSED;
	note_time(c, in);
	if (repeated) {
		metric_add(M_messages_repeated, c->service, 1);
		trace_note(in->delivery.parts[0].postoffice, in->delivery.id, TRACE_REPEATED,
			"conversation=%s", c->name);
	} else {
		metric_add(M_messages_accepted, c->service, 1);
		trace_accepted(c, in);
		reply_told(in);
	}
	return kind;
}

/* A milter wants the client to believe that it was taken. */
static status drop_message(conversation *c)
{
	smtp_trace_refused(c, "verdict=discard");
	return conversation_say(c, "250 2.0.0 Taken");
}

/* What the operator's program says of a text that is good so far. NULL: nothing against it. */
static const char *pickup(conversation *c, struct incoming *in)
{
	struct smtp *s = smtp_of(c);
	struct hook_call call = {.hook = HOOK_PICKUP,
		.program = arena_copy(&s->mail, hook_program(HOOK_PICKUP, NULL)),
		.postoffice = in->delivery.parts[0].postoffice,
		.message = in->delivery.id,
		.sender = mail_address_text(&s->sender, &s->mail),
		.attempt = 1};
	struct errand_result r;
	int text = in->pickup;

	in->pickup = -1; /* handed over */
	if (hook_run(&call, text, &s->mail, &r) == ST_CANCELLED) {
		c->closing = true;
		return smtp_delivery_reply(ST_CANCELLED);
	}
	switch (r.verdict) {
	case ERRAND_GO:
		return NULL;
	case ERRAND_REFUSE:
		return arena_format(
			&s->mail, "554 5.7.1 %.*s", SLICE_ARGS(r.said.size ? r.said : S("Refused")))
			.at;
	default:
		return "451 4.7.1 The message cannot be looked at now; try again later";
	}
}

/* Of what waits for one domain (G8). */
static int priority_of(const struct smtp *s, int64_t carrier)
{
	struct setting_at at = {.postoffice = s->authenticated ? s->who.postoffice : carrier,
		.mailbox = s->authenticated ? s->who.mailbox : 0};
	slice word = setting_text(S_queue_priority, &at);

	return slice_same(word, S("high")) ? 1 : slice_same(word, S("low")) ? -1 : 0;
}

/* What the queue has to know of the whole message. */
static void make_envelope(struct smtp *s, struct incoming *in)
{
	bool binary =
		in->scan.nul || in->scan.bare_cr || in->scan.bare_lf || in->scan.line_longest > 998;
	int64_t carrier = s->n > 0 ? s->recipients[s->n - 1].route.postoffice : 0;
	in->envelope = (struct queue_envelope){
		.sender = mail_address_text(&s->sender, &s->mail),
		.mailbox = s->authenticated ? s->who.mailbox : 0,
		.counted = s->counted,
		.ret = s->parameters.ret,
		.envid = s->parameters.envid,
		.eight_bit = in->scan.eight_bit || s->parameters.smtputf8,
		.binary = binary && !in->scan.repair,
		.utf8 = s->parameters.smtputf8,
		.require_tls = s->parameters.require_tls,
		.priority = priority_of(s, carrier),
		.lifetime = setting_number(
			S_queue_lifetime, &(struct setting_at){.postoffice = carrier}),
	};
}

/* Members of groups and targets that have no room by now, or are gone, keep the message from no
   other. */
static status deliver(conversation *c, struct incoming *in)
{
	status kind = FAULT("smtp_before_deliver") ? ST_BUSY : deliver_run(&in->delivery);

	for (int i = 0; i < LOOKS_MOST && (kind == ST_FULL || kind == ST_ABSENT); i++) {
		if (!members_look_again(c, blob_writer_size(in->delivery.parts[0].body)) ||
			passing_stop_loops(smtp_of(c), in->came))
			break;
		TRY(incoming_parts_late(c, in));
		if (is_for_junk(in))
			set_apart(smtp_of(c), in);
		reply_full(c, in);
		kind = deliver_run(&in->delivery);
	}
	return kind;
}

/* For one of its recipients it is too big however empty his mailbox is: coming again is no use. */
static bool outgrows(const struct smtp *s, const struct incoming *in)
{
	uint64_t size = blob_writer_size(in->delivery.parts[0].body);

	for (int i = 0; i < s->n; i++) {
		const struct recipient *r = &s->recipients[i];
		if (!r->remote && !r->told && !r->dropped && smtp_outgrows(size, &r->route))
			return true;
	}
	return false;
}

static status put_in_front(conversation *c, struct incoming *in)
{
	struct smtp *s = smtp_of(c);
	slice header = {0};
	in->hop = incoming_received(c, in);
	incoming_seal(c, in);
	if (in->shown) {
		header = milter_header_text(
			in->shown, blob_writer_size(in->delivery.parts[0].body) > 0);
		in->header_size = header.size;
	}
	for (int i = 0; i < in->delivery.n; i++) {
		struct delivery_part *part = &in->delivery.parts[i];
		slice fields = incoming_fields(s, in, part);
		part->header_size = (uint32_t)(fields.size + in->header_size);
		TRY(incoming_put_front(part, fields, header));
		TRY(blob_writer_finish(part->body));
	}
	return ST_OK;
}

status incoming_finish(conversation *c, struct incoming *in)
{
	struct smtp *s = smtp_of(c);
	const char *refusal = text_refusal(s, in);
	if (!refusal)
		refusal = judge(c, in);
	if (!refusal)
		repeat_key(c, in);
	if (!refusal && in->shown)
		refusal = milter_text(c, in);
	if (!refusal && in->dropped)
		return drop_message(c);
	if (!refusal && in->picks)
		refusal = pickup(c, in);
	if (!refusal && members_fit(c, in->scan.size) && incoming_parts_anew(c, in) != ST_OK)
		refusal = smtp_delivery_reply(ST_BUSY);
	if (!refusal && in->delivery.n == 0)
		refusal = "451 4.3.0 There is nobody left to deliver it to; try again later";
	if (!refusal && is_for_junk(in))
		set_apart(s, in);
	if (!refusal && put_in_front(c, in) != ST_OK)
		refusal = smtp_delivery_reply(ST_BUSY);
	status held = refusal ? ST_OK : deliver_hold();
	if (held != ST_OK) {
		c->closing |= held == ST_CANCELLED;
		refusal = smtp_delivery_reply(held);
	}
	/* Who has gone away comes again, perhaps already did: what nobody waits for is not stored
	   (RFC 5321 4.1.1.10). */
	if (!refusal && stream_was_left(c->stream))
		refusal =
			"451 4.4.2 The connection was lost before the message was stored; send it again";
	if (refusal)
		return smtp_refuse(c, refusal);
	make_envelope(s, in);
	reply_make(c, in);
	status kind = deliver(c, in);
	if (kind == ST_OK || kind == ST_EXISTS)
		return accept_message(c, in, kind == ST_EXISTS);
	if (kind == ST_CANCELLED)
		c->closing = true;
	if (kind == ST_ABSENT && in->is_apart)
		kind = ST_BUSY; /* perhaps only the folder for junk is gone; the next try will
		know */
	if (kind == ST_FULL && outgrows(s, in))
		return smtp_refuse(c, "552 5.2.2 The message is larger than a recipient's mailbox");
	return smtp_refuse(c, smtp_delivery_reply(kind));
}
