#include "connector/smtp/own.h"

#include "base/utf8.h"
#include "connector/smtp/policy_inside.h"
#include "mail/header.h"
#include "provider/header_facts.h"

status own_mail_place(struct own_mail *m, const mail_address *to, arena *a)
{
	status kind = address_resolve(to->local, to->domain, 0, a, &m->route);

	m->to = mail_address_text(to, a);
	m->part = (struct delivery_part){.postoffice = m->postoffice};
	if (kind == ST_OK) {
		m->part.postoffice = m->route.postoffice;
		m->part.recipients = &m->route;
		m->part.n = 1;
		return ST_OK;
	}
	if (kind != ST_FOREIGN || to->literal)
		return kind == ST_FOREIGN ? ST_ABSENT : kind;
	m->far = (struct queue_recipient){
		.address = m->to, .domain = to->domain, .notify = NOTIFY_NEVER};
	m->part.remote = &m->far;
	m->part.m = 1;
	return ST_OK;
}

static status write_body(struct own_mail *m, slice front, slice raw)
{
	TRY(blob_writer_open(m->part.postoffice, &m->part.body));
	TRY(blob_write(m->part.body, front));
	TRY(blob_write(m->part.body, raw));
	TRY(blob_writer_finish(m->part.body));
	m->part.header_size = (uint32_t)(front.size + header_size(raw));
	return ST_OK;
}

status own_mail_fill(struct own_mail *m, slice raw, arena *a)
{
	struct header_facts facts;

	header_facts_read(raw, a, &facts);
	m->d.parts = &m->part;
	m->d.n = 1;
	m->d.sent = clock_wall();
	m->d.message_id = facts.message_id;
	m->d.from = facts.from;
	m->d.subject = facts.subject;
	m->d.envelope = &m->envelope;
	m->envelope = (struct queue_envelope){.sender = m->sender,
		.lifetime = setting_number(
			S_queue_lifetime, &(struct setting_at){.postoffice = m->postoffice}),
		.eight_bit = !utf8_is_ascii(raw),
		.utf8 = !utf8_is_ascii(m->to)};
	return write_body(m,
		m->part.m > 0 ? policy_sign_own(m->postoffice, raw, a)
			      : arena_format(a, "Return-Path: <%.*s>\r\n", SLICE_ARGS(m->sender)),
		raw);
}
