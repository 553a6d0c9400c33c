/* See reply.h. Order of questions: what costs nothing first. A sender who may not be who he says he
   is hears nothing (T15), and one who was told lately is not asked about again but by the one
   statement that reads the answer. */
#include "connector/smtp/reply.h"

#include "base/id.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/random.h"
#include "connector/smtp/own.h"
#include "connector/smtp/passing.h"
#include "connector/smtp/policy_inside.h"
#include "mail/autoreply.h"
#include "mail/compose.h"
#include "mail/notice.h"
#include "provider/redirection.h"
#include "provider/trace.h"

#define NAMED_MOST 500 /* recipients looked at in the header */

struct reply { /* one message of ours */
	struct reply *next;
	struct own_mail mail;
	struct answer_right right;
	const char *kind;
};

static struct reply *reply_new(
	const struct route *who, enum answer_kind kind, const char *word, slice to, arena *a)
{
	struct reply *r = arena_new(a, sizeof *r);
	struct setting_at at = {.postoffice = who->postoffice, .mailbox = who->mailbox};

	*r = (struct reply){
		.kind = word, .mail = {.postoffice = who->postoffice, .to = to, .d.id = id_new()}};
	r->right = (struct answer_right){who->postoffice, who->mailbox, kind, S(""),
		setting_number(
			kind == ANSWER_OWNER ? S_autoreply_period : S_mailbox_full_period, &at)};
	return r;
}

static status fill(struct reply *r, slice raw, arena *a)
{
	r->mail.d.right = &r->right;
	return own_mail_fill(&r->mail, raw, a);
}

static void hang(struct incoming *in, struct reply *r)
{
	r->next = in->replies;
	in->replies = r;
	r->mail.d.also = in->delivery.also;
	in->delivery.also = &r->mail.d;
}

/* ---- who hears something */

static bool may_answer(const struct recipient *r)
{
	struct setting_at at = {r->route.postoffice, r->address.domain, r->route.mailbox};

	return !r->remote && !r->told && (r->route.handling & HANDLING_ANSWER) &&
	       !r->route.postmaster && r->address.domain.size > 0 && setting_on(S_autoreply, &at);
}

/* To whom mail went in the place of a full mailbox, and the sender is to know. */
static bool tells_full(const struct recipient *r)
{
	return r->full.mailbox != 0 &&
	       !slice_same(setting_text(S_mailbox_full_notice,
				   &(struct setting_at){.postoffice = r->full.postoffice,
					   .mailbox = r->full.mailbox}),
		       S("none"));
}

/* Whether mail for it goes elsewhere should it be full by the end of the text: others are asked for
   then. */
static bool may_overflow(const struct recipient *r)
{
	struct setting_at at = {r->route.postoffice, r->address.domain, r->route.mailbox};

	return !r->remote && r->route.quota > 0 &&
	       slice_same(setting_text(S_mailbox_full, &at), S("postmaster"));
}

bool reply_wanted(const struct smtp *s)
{
	for (int i = 0; i < s->n; i++) {
		const struct recipient *r = &s->recipients[i];

		if (may_answer(r) || tells_full(r) || may_overflow(r))
			return true;
	}
	return false;
}

/* Not to an address somebody else may have put there. */
static const char *distrusted(conversation *c, const struct incoming *in)
{
	if (!policy_applies(c))
		return NULL;
	if (in->verdict.wish != DMARC_DO_NOTHING)
		return "dmarc";
	return policy_spf(c)->result == SPF_FAIL ? "spf" : NULL;
}

/* The sender, or who stands behind a return path of ours. */
static status hearer(const struct smtp *s, arena *a, mail_address *out)
{
	mail_address home;
	int64_t postoffice;
	status kind = passing_home(&s->sender, a, &home, &postoffice);

	*out = kind == ST_OK ? home : s->sender;
	return kind == ST_FOREIGN ? ST_OK : kind;
}

/* ---- the owner's answer */

static void silence_note(const struct incoming *in, const struct recipient *r, const char *why)
{
	trace_note(r->route.postoffice, in->delivery.id, TRACE_REPORTED,
		"kind=none mailbox=%s why=%s", log_quote(r->route.mailbox_name), why);
}

static slice new_id(const mail_address *of, int64_t id, arena *a)
{
	return header_message_id(id, random_below(UINT64_MAX), of->domain, a);
}

static status answer_compose(const struct recipient *r, const answer *w, const struct reply *made,
	slice header, arena *a, slice *raw)
{
	const struct autoreply m = {.from = mail_address_text(&r->address, a),
		.to = made->mail.to,
		.reply_to = w->reply_to,
		.subject = w->subject,
		.text = w->text,
		.header = header,
		.at = {clock_wall(), 0},
		.message_id = new_id(&r->address, made->mail.d.id, a)};

	return autoreply_compose(&m, a, raw);
}

static const char *why_not(status kind)
{
	switch (kind) {
	case ST_ABSENT:
		return "time";
	case ST_FOREIGN:
		return "not-named";
	case ST_DENIED:
		return "own";
	case ST_EXISTS:
		return "told";
	default:
		return status_name(kind);
	}
}

/* With the message it answers; or not at all, when `kind` is trouble already. */
static status send_along(struct incoming *in, struct reply *made, const mail_address *to,
	status kind, slice raw, arena *a)
{
	if (kind == ST_OK)
		kind = own_mail_place(&made->mail, to, raw, a);
	if (kind == ST_OK)
		kind = fill(made, raw, a);
	if (kind == ST_OK)
		hang(in, made);
	else
		own_mail_close(&made->mail);
	return kind;
}

static void owner_answers(struct smtp *s, struct incoming *in, const struct recipient *r,
	const mail_address *to, const slice *named, int n)
{
	arena *a = &s->mail;
	slice sender = mail_address_key(to, a), raw = {0};
	answer w;
	status kind = answer_due(r->route.postoffice, r->route.mailbox, sender, named, n, a, &w);

	if (kind != ST_OK) {
		silence_note(in, r, why_not(kind));
		return;
	}
	struct reply *made =
		reply_new(&r->route, ANSWER_OWNER, "autoreply", mail_address_text(to, a), a);
	made->right.sender = sender;
	kind = answer_compose(r, &w, made, in->came, a, &raw);
	kind = send_along(in, made, to, kind, raw, a);
	if (kind != ST_OK)
		silence_note(in, r, status_name(kind));
}

/* Several addresses of a mailbox speak once. */
static bool spoke_before(const struct smtp *s, int i)
{
	const struct recipient *r = &s->recipients[i];

	for (int k = 0; k < i; k++)
		if (may_answer(&s->recipients[k]) &&
			s->recipients[k].route.postoffice == r->route.postoffice &&
			s->recipients[k].route.mailbox == r->route.mailbox)
			return true;
	return false;
}

/* ---- full mailboxes */

static enum language speaks(int64_t postoffice)
{
	return language_of(setting_text(
		S_queue_report_language, &(struct setting_at){.postoffice = postoffice}));
}

static status full_compose(
	const mail_address *full, const struct reply *made, slice header, arena *a, slice *raw)
{
	slice address = mail_address_text(full, a);
	notice say = notice_write(NOTICE_FULL, speaks(made->mail.postoffice), address, a);
	const struct autoreply m = {.from = address,
		.to = made->mail.to,
		.subject = say.subject,
		.text = say.text,
		.header = header,
		.at = {clock_wall(), 0},
		.message_id = new_id(full, made->mail.d.id, a)};

	return autoreply_compose(&m, a, raw);
}

static void full_tells(
	struct smtp *s, struct incoming *in, const struct recipient *r, const mail_address *to)
{
	arena *a = &s->mail;
	slice raw = {0};
	struct reply *made = reply_new(&r->full, ANSWER_FULL, "full", mail_address_text(to, a), a);

	made->right.sender = mail_address_key(to, a);
	status kind = answer_may(&made->right);
	if (kind == ST_OK)
		kind = full_compose(&r->address, made, in->came, a, &raw);
	send_along(in, made, to, kind, raw, a);
}

/* Who overflows to several, or comes late, is told of once. */
static bool full_before(const struct incoming *in, const struct recipient *of)
{
	for (const struct reply *r = in->replies; r; r = r->next)
		if (r->right.kind == ANSWER_FULL && r->right.mailbox == of->full.mailbox)
			return true;
	return false;
}

/* The postmaster's room lets it in. */
void reply_full_notice(const struct route *full, const mail_address *sender, arena *a)
{
	struct setting_at at = {.postoffice = full->postoffice, .mailbox = full->mailbox};
	struct reply *made = reply_new(full, ANSWER_FULL_NOTICE, "full", S(""), a);
	slice domain = smtp_local_domain(), raw;
	header_mailbox to = {
		full->mailbox_name, arena_format(a, "postmaster@%.*s", SLICE_ARGS(domain))};
	const compose_field automatic = {S("Auto-Submitted"), S("auto-generated")};
	notice say = notice_write(NOTICE_FULL_OWN, speaks(full->postoffice),
		sender->empty ? S("") : mail_address_text(sender, a), a);
	const compose m = {.from = {S("Mail Delivery System"), to.address},
		.to = &to,
		.to_count = 1,
		.subject = say.subject,
		.text = say.text,
		.field = &automatic,
		.field_count = 1,
		.at = {clock_wall(), 0},
		.message_id =
			header_message_id(made->mail.d.id, random_below(UINT64_MAX), domain, a)};

	if (!slice_same(setting_text(S_mailbox_full_notice, &at), S("both")) ||
		answer_may(&made->right) != ST_OK)
		return;
	made->mail.route = *full;
	made->mail.route.postmaster = true;
	made->mail.part = (struct delivery_part){
		.postoffice = full->postoffice, .recipients = &made->mail.route, .n = 1};
	if (compose_message(&m, a, &raw) == ST_OK && fill(made, raw, a) == ST_OK &&
		deliver_run(&made->mail.d) == ST_OK)
		trace_note(full->postoffice, made->mail.d.id, TRACE_DELIVERED,
			"mailbox=%s kind=full", log_quote(full->mailbox_name));
	own_mail_close(&made->mail);
}

/* ---- all of them */

/* Why nobody is answered; NULL: `to` is. */
static const char *silence(conversation *c, const struct incoming *in, mail_address *to)
{
	struct smtp *s = smtp_of(c);
	const char *why = autoreply_forbidden(in->came, &s->sender, &s->mail);

	if (!why)
		why = distrusted(c, in);
	return !why && hearer(s, &s->mail, to) != ST_OK ? "sender" : why;
}

static void all_full_tell(struct smtp *s, struct incoming *in, const mail_address *to)
{
	for (int i = 0; i < s->n; i++)
		if (tells_full(&s->recipients[i]) && !full_before(in, &s->recipients[i]))
			full_tells(s, in, &s->recipients[i], to);
}

void reply_make(conversation *c, struct incoming *in)
{
	struct smtp *s = smtp_of(c);
	mail_address to = {0};
	slice *named = NULL;
	int n = 0;

	if (in->came.size == 0 || s->sender.empty || !reply_wanted(s))
		return;
	const char *why = silence(c, in, &to);
	if (!why)
		autoreply_named(in->came, NAMED_MOST, &s->mail, &named, &n);
	for (int i = 0; i < s->n; i++) {
		const struct recipient *r = &s->recipients[i];

		if (may_answer(r) && why)
			silence_note(in, r, why);
		else if (may_answer(r) && !spoke_before(s, i))
			owner_answers(s, in, r, &to, named, n);
	}
	if (!why)
		all_full_tell(s, in, &to);
}

void reply_full(conversation *c, struct incoming *in)
{
	mail_address to = {0};

	if (in->came.size > 0 && !silence(c, in, &to))
		all_full_tell(smtp_of(c), in, &to);
}

void reply_told(struct incoming *in)
{
	arena a = ARENA_INIT;

	for (const struct reply *r = in->replies; r; r = r->next) {
		char id[ID_TEXT_SIZE + 1], cause[ID_TEXT_SIZE + 1];

		if (r->mail.d.left_out)
			continue;
		id_text(r->mail.d.id, id);
		id_text(in->delivery.id, cause);
		metric_add(M_replies, SERVICE_NONE, 1);
		trace_note(r->mail.postoffice, in->delivery.id, TRACE_REPORTED,
			"report=%s kind=%s to=%s", id, r->kind, log_quote(r->mail.to));
		slice told = arena_format(&a, "report_on=%s", cause);
		own_mail_trace(&r->mail, told);
	}
	arena_release(&a);
}

void reply_close(struct incoming *in)
{
	for (struct reply *r = in->replies; r; r = r->next)
		own_mail_close(&r->mail);
	in->replies = NULL;
}
