#include "connector/smtp/own.h"

#include "base/log.h"
#include "base/utf8.h"
#include "connector/smtp/parcel.h"
#include "connector/smtp/passing.h"
#include "connector/smtp/policy_inside.h"
#include "mail/header.h"
#include "provider/header_facts.h"
#include "provider/trace.h"

static slice return_path(const struct own_mail *m, arena *a)
{
	return arena_format(a, "Return-Path: <%.*s>\r\n", SLICE_ARGS(m->sender));
}

static void spread(struct own_mail *m, arena *a)
{
	m->envelope.utf8 =
		passing_parts(m->reached, m->n, m->sender_is_told ? 0 : NOTIFY_NEVER, a, &m->d);
}

static bool leaves(const struct own_mail *m)
{
	for (int i = 0; i < m->d.n; i++)
		if (m->d.parts[i].m > 0)
			return true;
	return m->part.m > 0;
}

/* Whoever here gets it too has room for the signatures, or is left out. */
static void sign(struct own_mail *m, uint64_t size, slice raw, arena *a)
{
	m->signatures = policy_sign_own(m->postoffice, raw, a);
	if (m->signatures.size && passing_leave_out(m->reached, m->n, size + m->signatures.size, a))
		spread(m, a);
}

static void place_far(struct own_mail *m, const mail_address *to)
{
	m->far = (struct queue_recipient){
		.address = m->to, .domain = to->domain, .notify = NOTIFY_NEVER};
	m->envelope.utf8 = !utf8_is_ascii(m->to);
	m->part = (struct delivery_part){.postoffice = m->postoffice, .remote = &m->far, .m = 1};
}

size_t own_mail_front(const struct own_mail *m, arena *a)
{
	return return_path(m, a).size;
}

void own_mail_settle(struct own_mail *m, slice raw, arena *a)
{
	spread(m, a);
	if (leaves(m))
		sign(m, own_mail_front(m, a) + raw.size, raw, a);
}

status own_mail_place(struct own_mail *m, const mail_address *to, slice raw, arena *a)
{
	uint64_t size = own_mail_front(m, a) + raw.size;
	status kind = passing_own(to, NULL, size, a, &m->reached, &m->n);

	m->to = mail_address_text(to, a);
	if (kind == ST_FOREIGN && to->literal)
		kind = ST_ABSENT;
	if (kind == ST_OK) {
		own_mail_settle(m, raw, a);
		return ST_OK;
	}
	if (kind != ST_FOREIGN)
		return kind;
	place_far(m, to);
	sign(m, size, raw, a);
	return ST_OK;
}

static status write_parts(struct own_mail *m, slice raw, arena *a)
{
	slice path = return_path(m, a);

	for (int i = 0; i < m->d.n; i++)
		TRY(parcel_write_part(&m->d.parts[i], path, m->signatures, raw));
	return ST_OK;
}

status own_mail_fill(struct own_mail *m, slice raw, arena *a)
{
	struct header_facts facts;

	header_facts_read(raw, a, &facts);
	if (m->d.n == 0) {
		m->d.parts = &m->part;
		m->d.n = 1;
	}
	m->d.sent = clock_wall();
	m->d.message_id = facts.message_id;
	m->d.from = facts.from;
	m->d.subject = facts.subject;
	m->d.envelope = &m->envelope;
	m->envelope = (struct queue_envelope){.sender = m->sender,
		.lifetime = setting_number(
			S_queue_lifetime, &(struct setting_at){.postoffice = m->postoffice}),
		.eight_bit = !utf8_is_ascii(raw),
		.utf8 = m->envelope.utf8};
	return write_parts(m, raw, a);
}

void own_mail_close(struct own_mail *m)
{
	for (int i = 0; i < m->d.n; i++)
		blob_writer_close(&m->d.parts[i].body);
}

void own_mail_trace(const struct own_mail *m, slice told)
{
	arena a = ARENA_INIT;

	for (int i = 0; i < m->n; i++)
		passing_trace(&m->reached[i], m->d.id, m->to, told, &a);
	arena_release(&a);
	if (m->n == 0)
		trace_note(m->part.postoffice, m->d.id,
			m->part.n > 0 ? TRACE_DELIVERED : TRACE_QUEUED, "recipient=%s %.*s",
			log_quote(m->to), SLICE_ARGS(told));
}
