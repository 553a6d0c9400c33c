#include "connector/smtp/parcel.h"

#include "base/log.h"
#include "base/utf8.h"
#include "connector/smtp/passing.h"
#include "connector/smtp/policy_inside.h"
#include "mail/header.h"
#include "provider/trace.h"

#define RETURN_PATH S("Return-Path: <>\r\n")

/* ---- whom it reaches */

/* A row of the queue alone: at another system, or parked. */
static void part_alone(struct parcel *p, arena *a)
{
	p->d.parts = arena_new_array(a, 1, sizeof *p->d.parts);
	p->d.n = 1;
	*p->d.parts =
		(struct delivery_part){.postoffice = p->postoffice, .remote = &p->one, .m = 1};
	p->envelope.utf8 = !utf8_is_ascii(p->one.address);
}

static void park(struct parcel *p, arena *a)
{
	p->parked = true;
	p->one = (struct queue_recipient){
		.address = p->addressee, .domain = p->one.domain, .parked = true};
	part_alone(p, a);
}

status parcel_address(struct parcel *p, const mail_address *to, uint64_t size, arena *a)
{
	status kind = ST_INVALID;

	if (to->domain.size) {
		p->one = (struct queue_recipient){
			.address = mail_address_text(to, a), .domain = to->domain};
		kind = passing_own(to, p->asker, RETURN_PATH.size + size, a, &p->reached, &p->n);
	}
	switch (kind) {
	case ST_OK:
		p->envelope.utf8 = passing_parts(p->reached, p->n, 0, a, &p->d);
		return ST_OK;
	case ST_FOREIGN:
		part_alone(p, a);
		return ST_OK;
	case ST_ABSENT:
	case ST_DENIED:
	case ST_FULL:
	case ST_INVALID:
	case ST_LIMITED:
	case ST_TOO_BIG:
		park(p, a);
		return ST_OK;
	default:
		return kind;
	}
}

/* ---- its text */

/* By the keys of the domain it says to be from, where that is one of ours. */
static slice signed_by(slice from, slice raw, arena *a)
{
	mail_address author;
	struct route home = {0};

	if (mail_address_parse(from, a, &author) != ST_OK)
		return S("");
	address_lead(author.local, author.domain, 0, a, &home);
	return home.postoffice ? policy_sign_own(home.postoffice, raw, a) : S("");
}

status parcel_write_part(struct delivery_part *part, slice path, slice signatures, slice raw)
{
	slice front = part->n > 0 ? path : S("");

	TRY(blob_writer_open(part->postoffice, &part->body));
	TRY(blob_write(part->body, front));
	TRY(blob_write(part->body, signatures));
	TRY(blob_write(part->body, raw));
	part->header_size = (uint32_t)(front.size + signatures.size + header_size(raw));
	return blob_writer_finish(part->body);
}

static bool leaves(const struct parcel *p)
{
	for (int i = 0; i < p->d.n; i++)
		if (p->d.parts[i].m > 0)
			return !p->parked;
	return false;
}

static status write_and_deliver(struct parcel *p, slice signatures, slice raw)
{
	status kind = ST_OK;

	for (int i = 0; i < p->d.n && kind == ST_OK; i++)
		kind = parcel_write_part(&p->d.parts[i], RETURN_PATH, signatures, raw);
	if (kind == ST_OK)
		kind = deliver_run(&p->d);
	for (int i = 0; i < p->d.n; i++)
		blob_writer_close(&p->d.parts[i].body);
	return kind;
}

static bool goes_to_others(struct parcel *p, uint64_t size, arena *a)
{
	if (!members_leave_out(p->reached, p->n, size, a))
		return false;
	p->envelope.utf8 = passing_parts(p->reached, p->n, 0, a, &p->d);
	return p->d.n > 0;
}

static bool is_unfit(const struct parcel *p, status kind)
{
	return !p->parked && (kind == ST_FULL || kind == ST_ABSENT);
}

/* The room was there a moment ago, or was too little for the signatures: the others have it; what
   cannot be delivered now is parked. */
status parcel_send(struct parcel *p, slice from, slice raw, arena *a)
{
	slice signatures = leaves(p) ? signed_by(from, raw, a) : S("");
	status kind = write_and_deliver(p, signatures, raw);

	if (is_unfit(p, kind) &&
		goes_to_others(p, RETURN_PATH.size + signatures.size + raw.size, a))
		kind = write_and_deliver(p, signatures, raw);
	if (!is_unfit(p, kind))
		return kind;
	park(p, a);
	return write_and_deliver(p, S(""), raw);
}

/* ---- its trace */

void parcel_trace(const struct parcel *p, slice cause)
{
	arena a = ARENA_INIT;
	slice told = arena_format(&a, "report_on=%.*s", SLICE_ARGS(cause));

	for (int i = 0; i < p->n; i++)
		if (!p->parked || p->reached[i].told)
			passing_trace(&p->reached[i], p->d.id, p->addressee, told, &a);
	if (p->parked || p->n == 0)
		trace_note(p->postoffice, p->d.id, p->parked ? TRACE_PARKED : TRACE_QUEUED,
			"recipient=%s %.*s", log_quote(p->addressee), SLICE_ARGS(told));
	arena_release(&a);
}
