/* The fields of a message: those this house adds, those of the client's that claim to be ours, and
   what lists and traces show of the others. */
#include "base/id.h"
#include "base/random.h"
#include "connector/smtp/incoming_inside.h"
#include "provider/header_facts.h"

slice incoming_received(conversation *c, const struct incoming *in)
{
	struct smtp *s = smtp_of(c);
	arena *a = &s->mail;
	char id[ID_TEXT_SIZE + 1];
	id_text(in->delivery.id, id);
	bool hide =
		s->authenticated && setting_on(S_smtp_hide_client,
					    &(struct setting_at){.postoffice = s->who.postoffice});
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
		r.cipher = arena_format(
			a, "%.*s %.*s", SLICE_ARGS(facts.version), SLICE_ARGS(facts.cipher));
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
		if (s->recipients[i].remote &&
			s->recipients[i].route.postoffice == part->postoffice)
			return true;
	return false;
}

/* The field that tells of this recipient that he fell to a catch-all; empty: its owner wants none
   (C22). */
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

void incoming_name_caught(struct smtp *s, struct incoming *in)
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
static void add_catch_all_fields(
	const struct smtp *s, const struct delivery_part *part, header_builder *b, arena *a)
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

/* Made once, the same for every post office, and known to the trace. */
static void make_missing(struct smtp *s, struct incoming *in)
{
	if (!s->authenticated || !setting_on(S_smtp_add_missing,
					 &(struct setting_at){.postoffice = s->who.postoffice}))
		return;
	if (in->seen.message_id == 0)
		in->delivery.message_id = header_message_id(
			in->delivery.id, random_below(UINT64_MAX), smtp_local_domain(), &s->mail);
	if (in->seen.date == 0)
		in->delivery.sent = clock_wall();
}

void incoming_make_missing(struct smtp *s, struct incoming *in)
{
	header_builder b = {.utf8 = s->parameters.smtputf8};

	make_missing(s, in);
	in->missing = (slice){0};
	if (in->seen.message_id == 0 && in->delivery.message_id.size)
		header_build_raw(&b, S("Message-ID"), in->delivery.message_id);
	if (in->seen.date == 0 && in->delivery.sent)
		header_build_date(&b, S("Date"), (date){in->delivery.sent, 0});
	header_build_end(&b, &s->mail, &in->missing);
}

slice incoming_fields(struct smtp *s, const struct incoming *in, const struct delivery_part *part)
{
	arena *a = &s->mail;
	header_builder b = {.utf8 = s->parameters.smtputf8};
	slice sender = mail_address_text(&s->sender, a), fields = {0};
	/* Mail on its way elsewhere has none (RFC 5321 4.4); where a body serves both, outbound
	   drops it. */
	slice return_path =
		part->n == 0 ? S("")
			     : arena_format(a, "Return-Path: <%.*s>\r\n", SLICE_ARGS(sender));
	add_catch_all_fields(s, part, &b, a);
	if (header_build_end(&b, a, &fields) != ST_OK)
		fields = (slice){
			0}; /* a field name setting that is none: the mail goes without it */
	slice seal = incoming_seal_of(in, part->postoffice);
	return arena_format(a, "%.*s%.*s%.*s%.*s%.*s%.*s", SLICE_ARGS(return_path),
		SLICE_ARGS(seal), SLICE_ARGS(in->verdict.fields), SLICE_ARGS(in->hop),
		SLICE_ARGS(fields), SLICE_ARGS(in->missing));
}

void incoming_facts(struct smtp *s, struct incoming *in, const header_survey *seen)
{
	struct header_facts f;

	header_facts_of(seen, &s->mail, &f);
	if (f.sent)
		in->delivery.sent = f.sent;
	in->delivery.subject = arena_copy(&s->mail, f.subject);
	in->delivery.from = arena_copy(&s->mail, f.from);
	in->delivery.message_id = arena_copy(&s->mail, f.message_id);
}
