/* DATA and BDAT: the message itself. The header section is gathered in memory (up to
   smtp_header_most), looked at once, and passed on behind the fields this house adds; the body then
   flows through to one blob per post office. A message that is refused on its way is read to its
   end all the same, so that the conversation stays in step. */
#include "base/fault.h"
#include "base/id.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/random.h"
#include "connector/smtp/hook.h"
#include "connector/smtp/incoming_inside.h"
#include "connector/smtp/passing.h"
#include "connector/smtp/reply.h"
#include "mail/header.h"
#include "mail/word.h"
#include "provider/digest.h"
#include "provider/folder.h"
#include "provider/trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PIECE (64 * 1024)
#define LOOKS_MOST 3 /* at members that changed, for one message */

/* ---- opening and closing */

static bool may_normalise(const conversation *c)
{
	return slice_same(setting_text(S_smtp_bare_line_ends, NULL), S("normalise")) &&
	       smtp_in_networks(S_smtp_trusted_networks, smtp_client(c));
}

static struct incoming *incoming_open(conversation *c)
{
	struct smtp *s = smtp_of(c);
	struct incoming *in = memory_new(sizeof *in);
	s->incoming = in;
	in->scan.repair = may_normalise(c);
	in->most = s->most;
	in->delivery.id = s->id ? s->id : id_new();
	in->content = digest_open();
	in->picks = hook_picks_up(c->service);
	in->pickup = in->picks ? errand_text() : -1;
	return in;
}

void incoming_close(struct incoming **in)
{
	struct incoming *i = *in;
	if (!i)
		return;
	for (int p = 0; p < i->delivery.n; p++)
		blob_writer_close(&i->delivery.parts[p].body);
	reply_close(i);
	digest_close(&i->content);
	errand_text_drop(&i->pickup);
	text_free(&i->fresh);
	policy_text_close(&i->judged);
	text_free(&i->header);
	memory_free(i);
	*in = NULL;
}

/* ---- the post offices' shares */

/* Local ones first, then those elsewhere by domain, so that doubled ones stand together; at last those whose sender is
   told. */
static int by_place(const void *a, const void *b)
{
	const struct recipient *x = a, *y = b;
	if (x->route.postoffice != y->route.postoffice)
		return x->route.postoffice < y->route.postoffice ? -1 : 1;
	if (!x->told != !y->told)
		return x->told ? 1 : -1;
	if (x->remote != y->remote)
		return x->remote ? 1 : -1;
	int order = x->remote ? slice_order(x->address.domain, y->address.domain) : 0;
	if (x->remote)
		return order ? order : slice_order(x->address.local, y->address.local);
	return (x->route.mailbox > y->route.mailbox) - (x->route.mailbox < y->route.mailbox);
}

static slice orcpt_of(const struct recipient *r, arena *a)
{
	return r->dsn.has_orcpt ? arena_format(a, "%.*s;%.*s", SLICE_ARGS(r->dsn.orcpt_type),
					       SLICE_ARGS(r->dsn.orcpt))
				: S("");
}

/* What is quarantined waits for an operator's word. */
static struct queue_recipient queued(struct smtp *s, const struct recipient *r)
{
	return (struct queue_recipient){
		.address = mail_address_text(&r->address, &s->mail),
		.domain = r->address.domain.size ? r->address.domain : smtp_local_domain(),
		.notify = r->dsn.notify,
		.orcpt = orcpt_of(r, &s->mail),
		.parked = r->remote && s->incoming->quarantined,
		.delivered = !r->remote,
		.told = r->dropped ? TOLD_EXPANDED : r->told,
		.sender = r->sender,
		.via = r->via,
		.mailbox = r->by,
	};
}

static bool wants_word(const struct smtp *s, const struct recipient *r)
{
	bool wants = r->dropped ? r->expands : r->told || (r->dsn.notify & NOTIFY_SUCCESS);

	return wants && !r->remote && !s->sender.empty;
}

/* Recipients here whose sender wants to know that they have it (RFC 3461 5.2.3), or is to know that they have not. */
static void add_told(conversation *c, struct delivery_part *part)
{
	struct smtp *s = smtp_of(c);
	int n = 0;
	for (int i = 0; i < s->n; i++)
		n += wants_word(s, &s->recipients[i]);
	if (n == 0 || !policy_knows_sender(c)) /* no report to who may have sent nothing (T15) */
		return;
	struct queue_recipient *all =
		arena_new_array(&s->mail, (size_t)part->m + (size_t)n, sizeof *all);
	if (part->m)
		memcpy(all, part->remote, (size_t)part->m * sizeof *all);
	for (int i = 0; i < s->n; i++)
		if (wants_word(s, &s->recipients[i]) &&
		    s->recipients[i].route.postoffice == part->postoffice)
			all[part->m++] = queued(s, &s->recipients[i]);
	part->remote = all;
}

static bool doubled(const struct recipient *a, const struct recipient *b)
{
	return a->remote == b->remote &&
	       (a->remote ? by_place(a, b) == 0 : a->route.mailbox == b->route.mailbox);
}

/* Where nobody is told in the end, there was nothing else to store. */
static void drop_empty_parts(struct delivery *d)
{
	int kept = 0;

	for (int i = 0; i < d->n; i++)
		if (d->parts[i].n + d->parts[i].m > 0)
			d->parts[kept++] = d->parts[i];
	d->n = kept;
}

/* A row for each mailbox of the part whose program is to be run once the message is in it. */
static void add_programs(struct smtp *s, struct delivery_part *part)
{
	const struct recipient *last = NULL;
	struct queue_recipient *all = NULL;
	for (int i = 0; i < s->n; i++) {
		const struct recipient *r = &s->recipients[i];
		struct setting_at at = {r->route.postoffice, r->address.domain, r->route.mailbox};
		if (r->remote || r->told || r->dropped || r->route.postoffice != part->postoffice ||
			(last && doubled(r, last)))
			continue;
		last = r;
		if (hook_program(HOOK_DELIVERY, &at).size == 0)
			continue;
		if (!all) {
			all = arena_new_array(&s->mail, (size_t)part->m + (size_t)s->n, sizeof *all);
			if (part->m)
				memcpy(all, part->remote, (size_t)part->m * sizeof *all);
			part->remote = all;
		}
		all[part->m] = queued(s, r);
		all[part->m].told = TOLD_PROGRAM;
		all[part->m++].mailbox = r->route.mailbox;
	}
}

/* Sorts recipients by post office and place and makes one part per post office; several addresses of one
   mailbox are one entry. */
void incoming_parts(conversation *c, struct incoming *in)
{
	struct smtp *s = smtp_of(c);
	qsort(s->recipients, (size_t)s->n, sizeof *s->recipients, by_place);
	in->delivery.parts = arena_new_array(&s->mail, (size_t)s->n, sizeof *in->delivery.parts);
	struct route *routes = arena_new_array(&s->mail, (size_t)s->n, sizeof *routes);
	in->routes = routes;
	struct queue_recipient *far = arena_new_array(&s->mail, (size_t)s->n, sizeof *far);
	struct delivery_part *part = NULL;
	const struct recipient *last = NULL;
	for (int i = 0; i < s->n; i++) {
		const struct recipient *r = &s->recipients[i];
		if (r->dropped && !r->expands)
			continue;
		if (!part || part->postoffice != r->route.postoffice) {
			part = &in->delivery.parts[in->delivery.n++];
			*part = (struct delivery_part){.postoffice = r->route.postoffice,
						       .recipients = routes, .remote = far};
		} else if (last && doubled(r, last)) {
			continue;
		}
		if (r->told || r->dropped)
			continue;
		last = r;
		if (r->remote) {
			*far++ = queued(s, r);
			part->m++;
		} else {
			*routes++ = r->route;
			part->n++;
		}
	}
	for (int i = 0; i < in->delivery.n; i++)
		add_told(c, &in->delivery.parts[i]);
	for (int i = 0; i < in->delivery.n; i++)
		add_programs(s, &in->delivery.parts[i]);
	drop_empty_parts(&in->delivery);
	in->delivery.envelope = &in->envelope;
}

/* ---- the fields this house adds */

static slice received_field(conversation *c, const struct incoming *in)
{
	struct smtp *s = smtp_of(c);
	arena *a = &s->mail;
	char id[ID_TEXT_SIZE + 1];
	id_text(in->delivery.id, id);
	bool hide = s->authenticated &&
		    setting_on(S_smtp_hide_client, &(struct setting_at){.postoffice = s->who.postoffice});
	struct received r = {
		.helo = hide ? S("localhost") : s->helo,
		.peer = hide ? S("127.0.0.1") : net_address_text(smtp_client(c), a),
		.by = smtp_local_domain(),
		.extended = s->esmtp,
		.tls = stream_is_tls(c->stream),
		.authenticated = s->authenticated,
		.utf8 = s->parameters.smtputf8,
		.id = arena_copy(a, slice_z(id)),
		.at = {clock_wall(), 0},
	};
	if (r.tls) {
		struct stream_tls facts;
		stream_tls_facts(c->stream, a, &facts);
		r.cipher = arena_format(a, "%.*s %.*s", SLICE_ARGS(facts.version),
					SLICE_ARGS(facts.cipher));
	}
	/* Named only when alone: nobody learns of blind copies (RFC 5321 7.6). */
	if (s->n == 1)
		r.recipient = mail_address_text(&s->recipients[0].address, a);
	return received_compose(&r, a);
}

/* Whether somebody at another system gets this body. */
static bool goes_out(const struct smtp *s, const struct delivery_part *part)
{
	for (int i = 0; i < s->n; i++)
		if (s->recipients[i].remote && s->recipients[i].route.postoffice == part->postoffice)
			return true;
	return false;
}

/* The field that tells of this recipient that he fell to a catch-all; empty: its owner wants none (C22). */
static slice caught_field(const struct recipient *r)
{
	return setting_text(S_smtp_catch_all_header,
			    &(struct setting_at){r->route.postoffice, r->address.domain, 0});
}

static bool is_caught_field(const struct incoming *in, slice name)
{
	int i = 0;
	while (i < in->caught_n && !slice_same_nocase(name, in->caught[i]))
		i++;
	return i < in->caught_n;
}

/* Whoever reads such a field here believes it: none of the client's may stay, whether we write one or not. */
static void name_caught_fields(struct smtp *s, struct incoming *in)
{
	for (int i = 0; i < s->n; i++) {
		slice name = s->recipients[i].remote ? S("") : caught_field(&s->recipients[i]);
		if (name.size == 0 || is_caught_field(in, name))
			continue;
		if (!in->caught)
			in->caught = arena_new_array(&s->mail, (size_t)s->n, sizeof *in->caught);
		in->caught[in->caught_n++] = arena_copy(&s->mail, name);
	}
}

bool incoming_is_forged(conversation *c, const struct incoming *in, const header_field *f)
{
	return is_caught_field(in, f->name) || policy_is_forged(f->name, f->value, &c->command);
}

/* Which of the part's recipients fell to a catch-all, under the header its owner chose. Only
   where one mailbox alone reads this body: others must not learn of blind copies (RFC 5321 7.2). */
static void add_catch_all_fields(const struct smtp *s, const struct delivery_part *part,
				 header_builder *b, arena *a)
{
	for (int i = 0; i < s->n && part->n == 1 && !goes_out(s, part); i++) {
		const struct recipient *r = &s->recipients[i];
		if (r->route.postoffice != part->postoffice || !r->route.caught)
			continue;
		slice name = caught_field(r);
		if (name.size)
			header_build_raw(b, name, mail_address_text(&r->address, a));
	}
}

/* Message-ID and Date that a client of our own left out (C23, RFC 6409 8): made once, the same for every post
   office, and known to the trace. */
static void make_missing(struct smtp *s, struct incoming *in, const header_survey *seen)
{
	if (!s->authenticated ||
	    !setting_on(S_smtp_add_missing, &(struct setting_at){.postoffice = s->who.postoffice}))
		return;
	if (seen->message_id == 0)
		in->delivery.message_id = header_message_id(in->delivery.id, random_below(UINT64_MAX),
							    smtp_local_domain(), &s->mail);
	if (seen->date == 0)
		in->delivery.sent = clock_wall();
}

static slice missing_fields(const struct smtp *s, const struct incoming *in, arena *a)
{
	header_builder b = {.utf8 = s->parameters.smtputf8};
	slice fields = {0};
	if (in->seen.message_id == 0 && in->delivery.message_id.size)
		header_build_raw(&b, S("Message-ID"), in->delivery.message_id);
	if (in->seen.date == 0 && in->delivery.sent)
		header_build_date(&b, S("Date"), (date){in->delivery.sent, 0});
	header_build_end(&b, a, &fields);
	return fields;
}

slice incoming_fields(struct smtp *s, const struct incoming *in, const struct delivery_part *part)
{
	arena *a = &s->mail;
	header_builder b = {.utf8 = s->parameters.smtputf8};
	slice sender = mail_address_text(&s->sender, a), fields = {0};
	/* Mail on its way elsewhere has none (RFC 5321 4.4); where a body serves both, outbound drops it. */
	slice return_path = part->n == 0 ? S("") :
		arena_format(a, "Return-Path: <%.*s>\r\n", SLICE_ARGS(sender));
	add_catch_all_fields(s, part, &b, a);
	if (header_build_end(&b, a, &fields) != ST_OK)
		fields = (slice){0}; /* a field name setting that is none: the mail goes without it */
	slice seal = incoming_seal_of(in, part->postoffice);
	return arena_format(a, "%.*s%.*s%.*s%.*s%.*s%.*s", SLICE_ARGS(return_path), SLICE_ARGS(seal),
			    SLICE_ARGS(in->verdict.fields), SLICE_ARGS(in->hop), SLICE_ARGS(fields),
			    SLICE_ARGS(in->missing));
}

static slice shortened(slice value, arena *a)
{
	slice shown = word_decode(header_unfold(slice_until(value, 2000), a), a);
	size_t size = shown.size < 200 ? shown.size : 200;
	while (size < shown.size && size && ((uint8_t)shown.at[size] & 0xC0) == 0x80)
		size--;
	return slice_until(shown, size);
}

void incoming_facts(struct smtp *s, struct incoming *in, const header_survey *seen)
{
	date sent;
	if (seen->first_date.size && date_parse(seen->first_date, &sent) == ST_OK)
		in->delivery.sent = sent.at;
	in->delivery.subject = arena_copy(&s->mail, shortened(seen->first_subject, &s->mail));
	in->delivery.from = arena_copy(&s->mail, shortened(seen->first_from, &s->mail));
	in->delivery.message_id =
		arena_copy(&s->mail, slice_until(header_unfold(seen->first_message_id, &s->mail), 998));
}

static const char *header_refusal(const struct smtp *s, const header_survey *seen)
{
	if (seen->received > (size_t)setting_number(S_smtp_received_most, NULL))
		return "554 5.4.6 Too many Received fields: the message is looping";
	if (s->authenticated && seen->from > 1)
		return "554 5.6.0 More than one From field";
	return NULL;
}

static const char *author_refusal(conversation *c, const header_survey *seen)
{
	switch (smtp_owns_authors(c, seen->first_from)) {
	case ST_OK:
		return NULL;
	case ST_DENIED:
		return "550 5.7.1 An address in From belongs to another mailbox";
	default:
		return "451 4.3.0 The authors cannot be checked now; try again later";
	}
}

/* ---- passing on */

static status write_all(struct incoming *in, slice bytes)
{
	for (int i = 0; i < in->delivery.n; i++)
		TRY(blob_write(in->delivery.parts[i].body, bytes));
	return ST_OK;
}

static status write_body(struct incoming *in, slice bytes)
{
	policy_body(&in->judged, bytes);
	return write_all(in, bytes);
}

/* All of the header but the fields that claim to be ours. */
static status write_header(conversation *c, struct incoming *in, slice header)
{
	header_walk w = header_walk_of(header);
	header_field f;
	const char *from = header.at;
	while (header_next(&w, &f)) {
		if (!incoming_is_forged(c, in, &f))
			continue;
		TRY(write_all(in, slice_of(from, (size_t)(f.raw.at - from))));
		in->header_size -= f.raw.size;
		from = f.raw.at + f.raw.size;
	}
	return write_all(in, slice_of(from, (size_t)(header.at + header.size - from)));
}

/* Whether it is passed on to other systems. */
static bool goes_on(const struct smtp *s)
{
	for (int i = 0; i < s->n; i++)
		if (s->recipients[i].remote && s->recipients[i].via.size > 0)
			return true;
	return false;
}

/* The header section is here, or its analysed share when it is not whole: judges it and starts the
   blobs. What the house adds is put in front when the text is complete. */
static status pass_header(conversation *c, struct incoming *in, size_t header_size, bool whole)
{
	struct smtp *s = smtp_of(c);
	slice header = slice_until(text_slice(&in->header), header_size);
	header_look(header, &in->seen);
	in->in_body = true;
	in->header_size = header_size;
	in->refusal = header_refusal(s, &in->seen);
	if (!in->refusal)
		in->refusal = author_refusal(c, &in->seen);
	if (in->refusal)
		return ST_OK;
	incoming_facts(s, in, &in->seen);
	if (s->members > 0 || goes_on(s) || reply_wanted(s) || milter_waits(c))
		in->came = arena_copy(&s->mail, header);
	make_missing(s, in, &in->seen);
	in->missing = missing_fields(s, in, &s->mail);
	in->refusal = passing_stop_loops(s, header);
	if (in->refusal)
		return ST_OK;
	name_caught_fields(s, in);
	incoming_parts(c, in);
	for (int i = 0; i < in->delivery.n; i++)
		TRY(blob_writer_open(in->delivery.parts[i].postoffice, &in->delivery.parts[i].body));
	policy_header(c, &in->judged, header, whole, in->missing);
	if (milter_waits(c))
		incoming_keep_header(c, in, header, whole);
	else
		TRY(write_header(c, in, header));
	TRY(write_body(in, slice_from(text_slice(&in->header), header_size)));
	if (!in->judged.hashes)
		text_free(&in->header);
	return ST_OK;
}

static status put_in_front(conversation *c, struct incoming *in)
{
	struct smtp *s = smtp_of(c);
	slice header = {0};
	in->hop = received_field(c, in);
	incoming_seal(c, in);
	if (in->shown) {
		header = milter_header_text(in->shown, blob_writer_size(in->delivery.parts[0].body) > 0);
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

static status take(conversation *c, struct incoming *in)
{
	if (in->refusal)
		return ST_OK;
	if (in->scan.size > in->most) {
		in->refusal = "552 5.3.4 Message is too big";
		return ST_OK;
	}
	digest_add(in->content, text_slice(&in->fresh));
	if (in->picks) /* without a descriptor to be had this is ST_BUSY: no text goes by unseen */
		TRY(errand_text_add(in->pickup, text_slice(&in->fresh), hook_texts_most()));
	if (in->in_body)
		return write_body(in, text_slice(&in->fresh));
	text_add(&in->header, text_slice(&in->fresh));
	if (in->scan.header_size > 0)
		return pass_header(c, in, (size_t)in->scan.header_size, true);
	if (in->header.size > (size_t)setting_number(S_smtp_header_most, NULL))
		return pass_header(c, in, in->header.size, false);
	return ST_OK;
}

/* Passes on what the scanner left in in->fresh. ST_OK also when the message is refused meanwhile. */
static status incoming_take(conversation *c, struct incoming *in)
{
	status kind = take(c, in);
	text_clear(&in->fresh);
	if (kind == ST_CANCELLED || kind == ST_OK)
		return kind;
	in->refusal = smtp_delivery_reply(kind);
	return ST_OK;
}

/* ---- the end */

const char *smtp_delivery_reply(status kind)
{
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
		if ((rows[i].special & FOLDER_JUNK) || (!found && slice_same(rows[i].name, S("Junk"))))
			found = &rows[i];
	if (!found)
		TRY(folder_make(to->postoffice, to->mailbox, S("Junk"), FOLDER_JUNK, a, &found));
	*id = found->id;
	return ST_OK;
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
		if (r->remote || r->told || r->dropped || !apart || junk_of(&r->route, &s->mail, &junk) != ST_OK)
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
		trace_note(in->delivery.parts[0].postoffice, 0, TRACE_REFUSED, "conversation=%s message_id=%s %s",
			   c->name, log_quote(in->delivery.message_id), in->verdict.told.at);
	return in->verdict.refusal;
}

static void trace_accepted(conversation *c, const struct incoming *in, const char *id)
{
	struct smtp *s = smtp_of(c);
	for (int p = 0; p < in->delivery.n; p++) {
		const struct delivery_part *part = &in->delivery.parts[p];
		trace_note(part->postoffice, in->delivery.id, TRACE_ACCEPTED,
			   "conversation=%s id=%s service=%s peer=%s helo=%s tls=%s user=%s from=%s "
			   "size=%" PRIu64 " message_id=%s",
			   c->name, id, service_name(c->service),
			   net_address_text(smtp_client(c), &c->command).at, log_quote(s->helo),
			   stream_is_tls(c->stream) ? "yes" : "no",
			   s->authenticated ? log_quote(s->who.mailbox_name) : "-",
			   log_quote(mail_address_text(&s->sender, &c->command)),
			   blob_writer_size(part->body), log_quote(in->delivery.message_id));
	}
	for (int p = 0; p < in->delivery.n && in->verdict.told.size; p++)
		trace_note(in->delivery.parts[p].postoffice, in->delivery.id, TRACE_JUDGED, "conversation=%s %s",
			   c->name, in->verdict.told.at);
	for (int i = 0; i < s->n; i++) {
		const struct recipient *r = &s->recipients[i];
		if (r->told || r->dropped) /* the report is traced */
			continue;
		if (r->remote) {
			trace_note(r->route.postoffice, in->delivery.id, TRACE_QUEUED,
				   "conversation=%s recipient=%s domain=%s%s%s", c->name,
				   log_quote(mail_address_text(&r->address, &c->command)),
				   log_quote(r->address.domain), r->via.size ? " via=" : "",
				   r->via.size ? log_quote(r->via) : "");
			continue;
		}
		trace_note(r->route.postoffice, in->delivery.id, TRACE_DELIVERED,
			   "conversation=%s recipient=%s mailbox=%s%s", c->name,
			   log_quote(mail_address_text(&r->address, &c->command)),
			   log_quote(r->route.mailbox_name), r->route.caught ? " catch_all=yes" : "");
	}
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
		trace_accepted(c, in, id);
		reply_told(in);
	}
	return kind;
}

/* A milter wants the client to believe that it was taken. */
static status drop_message(conversation *c, const struct incoming *in)
{
	trace_note(0, in->delivery.id, TRACE_REFUSED, "conversation=%s message_id=%s verdict=discard", c->name,
		   log_quote(in->delivery.message_id));
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
		return arena_format(&s->mail, "554 5.7.1 %.*s", SLICE_ARGS(r.said.size ? r.said : S("Refused"))).at;
	default:
		return "451 4.7.1 The message cannot be looked at now; try again later";
	}
}

/* What the queue has to know of the whole message. */
static void make_envelope(struct smtp *s, struct incoming *in)
{
	bool binary = in->scan.nul || in->scan.bare_cr || in->scan.bare_lf || in->scan.line_longest > 998;
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
		.lifetime = setting_number(S_queue_lifetime, &(struct setting_at){.postoffice = carrier}),
	};
}

/* Members of groups and targets that have no room by now, or are gone, keep the message from no other. */
static status deliver(conversation *c, struct incoming *in)
{
	status kind = FAULT("smtp_before_deliver") ? ST_BUSY : deliver_run(&in->delivery);

	for (int i = 0; i < LOOKS_MOST && (kind == ST_FULL || kind == ST_ABSENT); i++) {
		if (!members_look_again(c, blob_writer_size(in->delivery.parts[0].body)) ||
			passing_stop_loops(smtp_of(c), in->came))
			break;
		TRY(incoming_parts_late(c, in));
		if (in->quarantined || in->verdict.wish != DMARC_DO_NOTHING)
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

/* The text is complete: delivers and answers. */
static status incoming_finish(conversation *c, struct incoming *in)
{
	struct smtp *s = smtp_of(c);
	in->began = clock_now();
	if (!in->in_body && !in->refusal) {
		status passed = pass_header(c, in, in->header.size, true);
		if (passed != ST_OK)
			in->refusal = smtp_delivery_reply(passed);
	}
	const char *refusal = text_refusal(s, in);
	if (!refusal)
		refusal = judge(c, in);
	if (!refusal)
		repeat_key(c, in);
	if (!refusal && in->shown)
		refusal = milter_text(c, in);
	if (!refusal && in->dropped)
		return drop_message(c, in);
	if (!refusal && in->picks)
		refusal = pickup(c, in);
	if (!refusal && members_fit(c, in->scan.size) && incoming_parts_anew(c, in) != ST_OK)
		refusal = smtp_delivery_reply(ST_BUSY);
	if (!refusal && in->delivery.n == 0)
		refusal = "451 4.3.0 There is nobody left to deliver it to; try again later";
	if (!refusal && (in->quarantined || in->verdict.wish != DMARC_DO_NOTHING))
		set_apart(s, in);
	if (!refusal && put_in_front(c, in) != ST_OK)
		refusal = smtp_delivery_reply(ST_BUSY);
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
		kind = ST_BUSY; /* perhaps only the folder for junk is gone; the next try will know */
	if (kind == ST_FULL && outgrows(s, in))
		return smtp_refuse(c, "552 5.2.2 The message is larger than a recipient's mailbox");
	return smtp_refuse(c, smtp_delivery_reply(kind));
}

/* ---- DATA */

static void set_patience(conversation *c)
{
	stream_pace(c->stream, setting_number(S_smtp_data_patience, NULL),
		    (size_t)setting_number(S_smtp_data_rate, NULL));
}

/* Far over the limit nobody is served by reading on. */
static bool hopeless(const struct incoming *in)
{
	return in->scan.size > in->most && in->scan.size - in->most > in->most;
}

static status receive_text(conversation *c, struct incoming *in)
{
	set_patience(c);
	while (!in->scan.done) {
		slice piece;
		TRY(stream_peek(c->stream, &piece));
		piece = slice_until(piece, PIECE);
		size_t used = dot_scan_data(&in->scan, piece, &in->fresh);
		stream_consume(c->stream, used);
		TRY(incoming_take(c, in));
		if (hopeless(in)) {
			c->closing = true;
			smtp_refuse(c, "552 5.3.4 Message is far too big, closing");
			return ST_TOO_BIG;
		}
	}
	return ST_OK;
}

status smtp_data(conversation *c, slice rest)
{
	(void)rest;
	struct smtp *s = smtp_of(c);
	if (s->parameters.body == BODY_BINARYMIME) {
		conversation_bad(c);
		return conversation_say(c, "503 5.5.1 BINARYMIME is sent by BDAT");
	}
	const char *refusal = milter_data(c);
	if (refusal) {
		s->data_refused = true;
		status said = smtp_refuse(c, refusal);
		smtp_reset(c);
		return said;
	}
	TRY(conversation_say(c, "354 End with a line holding a dot alone"));
	transcript_begin(c->rows, S("text"), (slice){0});
	struct incoming *in = incoming_open(c);
	status kind = receive_text(c, in);
	if (kind == ST_OK)
		kind = incoming_finish(c, in);
	smtp_reset(c);
	return kind == ST_TOO_BIG ? ST_OK : kind;
}

/* ---- BDAT (RFC 3030) */

struct chunk {
	uint64_t size;
	bool last;
};

static bool chunk_parse(slice rest, struct chunk *out)
{
	slice number;
	if (!slice_take(&rest, ' ', &number) || !slice_number(number, &out->size))
		return false;
	rest = slice_trim(rest);
	out->last = slice_same_nocase(rest, S("LAST"));
	return out->last || rest.size == 0;
}

static status receive_chunk(conversation *c, struct incoming *in, uint64_t size)
{
	set_patience(c);
	while (size > 0) {
		slice piece;
		TRY(stream_peek(c->stream, &piece));
		piece = slice_until(piece, size < PIECE ? (size_t)size : PIECE);
		if (in) {
			dot_scan_chunk(&in->scan, piece, &in->fresh);
			TRY(incoming_take(c, in));
		}
		stream_consume(c->stream, piece.size);
		size -= piece.size;
	}
	return ST_OK;
}

/* A chunk that cannot be used: read past it, since its octets are no commands, or give up when it is longer
   than any message may be. */
static status skip_chunk(conversation *c, uint64_t size, const char *reply)
{
	conversation_bad(c);
	if (size > 2 * (uint64_t)setting_number(S_smtp_message_most, NULL)) {
		c->closing = true;
		return conversation_say(c, "552 5.3.4 Chunk is far too big, closing");
	}
	TRY(receive_chunk(c, NULL, size));
	return conversation_say(c, "%s", reply);
}

static status finish_chunks(conversation *c, struct incoming *in)
{
	/* Readers that get lines would get an octet more than they were told (T10). */
	if (smtp_of(c)->parameters.body != BODY_BINARYMIME && in->scan.line_size > 0)
		dot_scan_chunk(&in->scan, S("\r\n"), &in->fresh);
	dot_scan_chunk_end(&in->scan, &in->fresh);
	TRY(incoming_take(c, in));
	status kind = incoming_finish(c, in);
	smtp_reset(c);
	return kind;
}

status smtp_bdat(conversation *c, slice rest)
{
	struct smtp *s = smtp_of(c);
	struct chunk chunk;
	bool off = setting_lists(S_smtp_commands_off, NULL, S("BDAT"));
	if (!chunk_parse(rest, &chunk)) {
		/* Without its size the chunk's octets cannot be told from commands. */
		conversation_bad(c);
		c->closing = true;
		return conversation_say(c, off ? "502 5.5.1 BDAT is switched off here, closing"
					       : "501 5.5.4 Syntax: BDAT <octets> [LAST]; closing");
	}
	if (off)
		return skip_chunk(c, chunk.size, "502 5.5.1 BDAT is switched off here");
	if (s->state != AT_RCPT && s->state != AT_CHUNK)
		return skip_chunk(c, chunk.size, s->state == AT_SENDER ? "554 5.5.1 No valid recipients"
								      : "503 5.5.1 MAIL and RCPT first");
	struct incoming *in = s->incoming;
	if (!in) {
		in = incoming_open(c);
		in->refusal = milter_data(c);
		if (in->refusal)
			in->refusal = arena_z(&s->mail, slice_z(in->refusal));
	}
	s->state = AT_CHUNK;
	if (chunk.size > in->most - (in->scan.size < in->most ? in->scan.size : in->most)) {
		smtp_reset(c);
		return skip_chunk(c, chunk.size, "552 5.3.4 Message is too big");
	}
	TRY(receive_chunk(c, in, chunk.size));
	if (chunk.last)
		return finish_chunks(c, in);
	if (in->refusal) {
		status said = smtp_refuse(c, in->refusal); /* its words go with the message */
		smtp_reset(c);
		return said;
	}
	/* RFC 3030 wants it taken, but it brings nothing on. */
	if (chunk.size == 0)
		return smtp_idle(c, "250 2.0.0 0 octets taken");
	return conversation_say(c, "250 2.0.0 %" PRIu64 " octets taken", chunk.size);
}
