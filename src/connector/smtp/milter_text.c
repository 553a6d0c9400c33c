/* The text of a message shown to milters, and what they want done with it. Nothing is spooled: the
   header is a list in memory, the body is read back from what has been packed for the store. Edits
   are gathered until the milter has said its last word, so that one which breaks off changes
   nothing; a new body goes into writers of its own meanwhile. */
#include "base/log.h"
#include "connector/smtp/incoming_inside.h"
#include "connector/smtp/milter_inside.h"
#include "connector/smtp/passing.h"
#include "provider/trace.h"

#define EDITS_MOST 1000
#define EDITS_SIZE_MOST ((size_t)1024 * 1024) /* but for bodies */

struct edits {
	milter_answer *one; /* in the mail's arena */
	int n, room;
	size_t size;
	bool new_body;
	blob_writer **body; /* one for each part */
	dot_scan scan;
	text fresh;
};

/* ---- showing */

static bool is_on(const conversation *c, const struct milter *m)
{
	return m->stream && !m->left && !m->done && !smtp_of(c)->milters->dropped;
}

static const char *show_header(conversation *c, struct incoming *in, struct milter *m)
{
	const milter_header *h = in->shown;
	bool leading = m->terms.steps & MILTER_LEADING_SPACE;
	const char *refusal = NULL;
	enum milter_word word;

	for (size_t i = 0;
		i < h->count && !refusal && is_on(c, m) && milter_hears(&m->terms, MILTER_FIELD);
		i++) {
		if (h->field[i].broken)
			continue;
		milter_write_field(&m->out, h->field[i].name, h->field[i].value, leading);
		refusal = milter_ask(c, m, MILTER_FIELD, &word);
	}
	if (refusal || !is_on(c, m))
		return refusal;
	milter_macros(c, m, MILTER_HEADER_END, &(struct macro_at){0});
	milter_write(&m->out, MILTER_HEADER_END, (slice){0});
	return milter_ask(c, m, MILTER_HEADER_END, &word);
}

struct shown_body {
	conversation *c;
	struct milter *m;
	const char *refusal;
};

static status show_piece(slice bytes, void *arg)
{
	struct shown_body *b = arg;
	enum milter_word word = MILTER_SAYS_CONTINUE;

	for (; bytes.size > 0; bytes = slice_from(bytes, MILTER_CHUNK)) {
		milter_write(&b->m->out, MILTER_BODY, slice_until(bytes, MILTER_CHUNK));
		b->refusal = milter_ask(b->c, b->m, MILTER_BODY, &word);
		if (b->refusal || word == MILTER_SAYS_SKIP || !is_on(b->c, b->m))
			return ST_EXISTS; /* it has seen enough */
	}
	return ST_OK;
}

static const char *show_body(conversation *c, struct incoming *in, struct milter *m)
{
	struct shown_body b = {.c = c, .m = m};

	if (!milter_hears(&m->terms, MILTER_BODY))
		return NULL;
	status kind = blob_writer_each(in->delivery.parts[0].body, show_piece, &b);
	return kind == ST_OK || kind == ST_EXISTS ? b.refusal : smtp_delivery_reply(kind);
}

/* ---- gathering */

static status open_bodies(struct smtp *s, struct incoming *in, struct edits *e)
{
	e->new_body = true;
	e->scan.repair =
		s->parameters.body != BODY_BINARYMIME; /* which has no lines to mend (RFC 3030) */
	e->body = arena_new_array(&s->mail, (size_t)in->delivery.n, sizeof *e->body);
	for (int i = 0; i < in->delivery.n; i++)
		TRY(blob_writer_open(in->delivery.parts[i].postoffice, &e->body[i]));
	return ST_OK;
}

static status write_fresh(struct incoming *in, struct edits *e)
{
	if (e->scan.size > in->most)
		return ST_TOO_BIG;
	for (int i = 0; i < in->delivery.n; i++)
		TRY(blob_write(e->body[i], text_slice(&e->fresh)));
	text_clear(&e->fresh);
	return ST_OK;
}

static status gather_body(struct smtp *s, struct incoming *in, struct edits *e, slice piece)
{
	if (!e->new_body)
		TRY(open_bodies(s, in, e));
	dot_scan_chunk(&e->scan, piece, &e->fresh);
	return write_fresh(in, e);
}

static status gather(
	struct smtp *s, struct incoming *in, struct edits *e, const milter_answer *answer)
{
	if (answer->word == MILTER_WANTS_BODY)
		return gather_body(s, in, e, answer->value);
	e->size += answer->name.size + answer->value.size;
	if (e->n == EDITS_MOST || e->size > EDITS_SIZE_MOST)
		return ST_LIMITED;
	if (e->n == e->room) {
		int room = e->room ? 2 * e->room : 8;
		milter_answer *grown = arena_new_array(&s->mail, (size_t)room, sizeof *grown);

		if (e->n)
			memcpy(grown, e->one, (size_t)e->n * sizeof *grown);
		e->one = grown;
		e->room = room;
	}
	milter_answer *kept = &e->one[e->n++];
	*kept = *answer;
	kept->name = arena_copy(&s->mail, answer->name);
	kept->value = arena_copy(&s->mail, answer->value);
	return ST_OK;
}

static void drop_edits(struct incoming *in, struct edits *e)
{
	for (int i = 0; e->body && i < in->delivery.n; i++)
		blob_writer_close(&e->body[i]);
	text_free(&e->fresh);
}

/* All it says to the end of the text, up to the word that ends it. */
static status hear_end(conversation *c, struct incoming *in, struct milter *m, struct edits *e,
	milter_answer *answer)
{
	milter_macros(c, m, MILTER_END, &(struct macro_at){0});
	milter_write(&m->out, MILTER_END, (slice){0});
	TRY(milter_send(m));
	for (;;) {
		TRY(milter_hear(m, MILTER_END, &c->command, answer));
		if (milter_word_ends(answer->word))
			return ST_OK;
		if (answer->word == MILTER_SAYS_PROGRESS)
			TRY(milter_renews(m, milter_end_patience(m)));
		else
			TRY(gather(smtp_of(c), in, e, answer));
	}
}

/* ---- doing */

static status new_sender(struct smtp *s, const milter_answer *edit)
{
	mail_address sender = {.empty = true};

	if (edit->name.size > 0 && !slice_same(edit->name, S("<>")))
		TRY(mail_address_parse(edit->name, &s->mail, &sender));
	s->sender = sender;
	s->parameters.smtputf8 |= sender.utf8;
	return ST_OK;
}

static status new_recipient(conversation *c, struct incoming *in, const milter_answer *edit)
{
	struct smtp *s = smtp_of(c);
	struct recipient r = {0};

	if (s->n - s->members >= (int)setting_number(S_smtp_recipients_most, NULL))
		return ST_LIMITED;
	TRY(mail_address_parse(edit->name, &s->mail, &r.address));
	slice parameters = arena_format(&s->mail, " %.*s", SLICE_ARGS(edit->value));
	TRY(rcpt_parameters_parse(parameters, &s->mail, &r.dsn));
	TRY(smtp_lead(c, &r));
	s->parameters.smtputf8 |= r.address.utf8;
	TRY(smtp_take_recipient(c, &r));
	in->readdressed = true;
	return ST_OK;
}

/* What a client named, as a milter was told of it: a group goes with all its members. */
static bool is_named(const struct recipient *r, slice key, arena *a)
{
	const mail_address *named = r->named ? r->named : &r->address;

	return slice_same(mail_address_key(named, a), key);
}

static status no_recipient(struct smtp *s, struct incoming *in, const milter_answer *edit)
{
	mail_address address;
	int kept = 0;

	TRY(mail_address_parse(edit->name, &s->mail, &address));
	slice key = mail_address_key(&address, &s->mail);
	for (int i = 0; i < s->n; i++) {
		struct recipient *r = &s->recipients[i];

		if (is_named(r, key, &s->mail))
			s->remotes -= r->remote;
		else
			s->recipients[kept++] = *r;
	}
	if (kept == s->n)
		return ST_ABSENT;
	s->n = kept;
	if (s->members > kept)
		s->members = kept;
	in->readdressed = true;
	return ST_OK;
}

static status apply_one(
	conversation *c, struct incoming *in, const struct milter *m, const milter_answer *edit)
{
	bool leading = m->terms.steps & MILTER_LEADING_SPACE;

	switch (edit->word) {
	case MILTER_WANTS_FIELD:
		return milter_header_add(in->shown, edit->name, edit->value, leading);
	case MILTER_WANTS_INSERTED:
		return milter_header_insert(
			in->shown, edit->index, edit->name, edit->value, leading);
	case MILTER_WANTS_CHANGED:
		return milter_header_change(
			in->shown, edit->index, edit->name, edit->value, leading);
	case MILTER_WANTS_RCPT:
		return new_recipient(c, in, edit);
	case MILTER_WANTS_NO_RCPT:
		return no_recipient(smtp_of(c), in, edit);
	case MILTER_WANTS_SENDER:
		return new_sender(smtp_of(c), edit);
	default: /* MILTER_WANTS_QUARANTINE */
		in->quarantined = in->readdressed = true;
		return ST_OK;
	}
}

/* What cannot be done is told and left; what cannot be known now is a reason to come again. */
static const char *apply(
	conversation *c, struct incoming *in, const struct milter *m, const milter_answer *edit)
{
	status kind = apply_one(c, in, m, edit);

	in->edited |= edit->word <= MILTER_WANTS_CHANGED;
	if (kind == ST_BUSY || kind == ST_TIMED_OUT || kind == ST_CANCELLED)
		return smtp_delivery_reply(kind);
	if (kind != ST_OK)
		log_event(EV_MILTER_EDIT, "conversation=%s milter=%.*s edit=%s name=%s why=%s",
			c->name, SLICE_ARGS(m->service.name), milter_word_name(edit->word),
			log_quote(edit->name), status_name(kind));
	return NULL;
}

/* The sender first: how recipients get their copies depends on him. */
static const char *apply_all(
	conversation *c, struct incoming *in, struct milter *m, const struct edits *e)
{
	const char *refusal = NULL;
	bool another = false;

	for (int i = 0; i < e->n && !refusal; i++)
		if (e->one[i].word == MILTER_WANTS_SENDER) {
			refusal = apply(c, in, m, &e->one[i]);
			another = true;
		}
	if (another && !refusal && members_new_sender(c) != ST_OK)
		refusal = smtp_delivery_reply(ST_BUSY);
	in->readdressed |= another;
	for (int i = 0; i < e->n && !refusal; i++)
		if (e->one[i].word != MILTER_WANTS_SENDER)
			refusal = apply(c, in, m, &e->one[i]);
	return refusal;
}

static const char *replace_body(struct incoming *in, struct edits *e)
{
	dot_scan_chunk_end(&e->scan, &e->fresh);
	status kind = write_fresh(in, e);

	if (kind != ST_OK)
		return smtp_delivery_reply(kind);
	for (int i = 0; i < in->delivery.n; i++) {
		blob_writer_close(&in->delivery.parts[i].body);
		in->delivery.parts[i].body = e->body[i];
		e->body[i] = NULL;
	}
	in->scan.nul |= e->scan.nul;
	in->scan.bare_cr |= e->scan.bare_cr && !e->scan.repair;
	in->scan.bare_lf |= e->scan.bare_lf && !e->scan.repair;
	in->scan.eight_bit |= e->scan.eight_bit;
	if (e->scan.line_longest > in->scan.line_longest)
		in->scan.line_longest = e->scan.line_longest;
	in->edited = true;
	return NULL;
}

static void tell(conversation *c, const struct incoming *in, const struct milter *m,
	const struct edits *e, const milter_answer *answer)
{
	slice why = S("");

	for (int i = 0; i < e->n; i++)
		if (e->one[i].word == MILTER_WANTS_QUARANTINE)
			why = e->one[i].value;
	for (int i = 0; i < in->delivery.n; i++)
		trace_note(in->delivery.parts[i].postoffice, in->delivery.id, TRACE_JUDGED,
			"conversation=%s milter=%.*s verdict=%s edits=%d new_body=%s quarantine=%s",
			c->name, SLICE_ARGS(m->service.name), milter_word_name(answer->word), e->n,
			e->new_body ? "yes" : "no", log_quote(why));
	if (e->n > 0 || e->new_body)
		log_event(EV_MILTER_EDITED,
			"conversation=%s milter=%.*s edits=%d new_body=%s quarantine=%s", c->name,
			SLICE_ARGS(m->service.name), e->n, e->new_body ? "yes" : "no",
			log_quote(why));
}

static const char *show_end(conversation *c, struct incoming *in, struct milter *m)
{
	struct edits e = {0};
	milter_answer answer = {0};
	usec began = clock_now();
	status kind = hear_end(c, in, m, &e, &answer);
	const char *refusal;

	metric_time(M_milter_seconds, c->service, clock_now() - began);
	m->in_message = false;
	if (kind == ST_TOO_BIG || kind == ST_BUSY)
		refusal = smtp_delivery_reply(kind); /* of the store's, not of the milter's */
	else if (kind != ST_OK)
		refusal = milter_trouble(c, m, MILTER_END, kind);
	else
		refusal = milter_verdict(c, m, MILTER_END, &answer);
	if (kind == ST_OK && !refusal && !smtp_of(c)->milters->dropped) {
		tell(c, in, m, &e, &answer);
		refusal = apply_all(c, in, m, &e);
		if (!refusal && e.new_body)
			refusal = replace_body(in, &e);
	} else if (kind == ST_TOO_BIG || kind == ST_BUSY) {
		stream_close(&m->stream); /* it is not done yet */
	}
	drop_edits(in, &e);
	m->done = true;
	return refusal;
}

static const char *show(conversation *c, struct incoming *in, struct milter *m)
{
	milter_patience(m, milter_end_patience(m));
	const char *refusal = show_header(c, in, m);
	if (!refusal && is_on(c, m))
		refusal = show_body(c, in, m);
	if (!refusal && is_on(c, m))
		refusal = show_end(c, in, m);
	return refusal;
}

/* ---- afterwards */

static status hash_piece(slice bytes, void *arg)
{
	policy_body(arg, bytes);
	return ST_OK;
}

/* A signature of ours covers what leaves, not what came. */
static status sign_anew(conversation *c, struct incoming *in, slice header)
{
	policy_text_close(&in->judged);
	policy_header(c, &in->judged, header, true, S(""));
	TRY(blob_writer_each(in->delivery.parts[0].body, hash_piece, &in->judged));
	policy_judge(c, &in->judged, &in->verdict);
	return ST_OK;
}

static status settle(conversation *c, struct incoming *in)
{
	struct smtp *s = smtp_of(c);

	in->scan.eight_bit |= in->shown->eight_bit;
	if (in->edited) {
		slice header = milter_header_text(in->shown, true);

		header_look(header, &in->seen);
		incoming_facts(s, in, &in->seen);
		if (in->judged.sign)
			TRY(sign_anew(c, in, header));
	}
	if (!in->readdressed || s->n == 0)
		return ST_OK;
	in->refusal = passing_stop_loops(s, in->came);
	return in->refusal ? ST_OK : incoming_parts_anew(c, in);
}

const char *milter_text(conversation *c, struct incoming *in)
{
	struct smtp *s = smtp_of(c);
	const char *refusal = NULL;

	for (int i = 0; i < s->milters->n && !refusal && !s->milters->dropped; i++) {
		struct milter *m = &s->milters->one[i];

		if (m->failed)
			refusal = milter_absent(m);
		else if (is_on(c, m))
			refusal = show(c, in, m);
	}
	if (refusal)
		return refusal;
	status kind = settle(c, in);
	in->dropped = s->milters->dropped || s->n == 0;
	return kind == ST_OK ? in->refusal : smtp_delivery_reply(kind);
}
