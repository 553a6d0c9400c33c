/* Three parts: sentences for people, fields for programs, and what came back. */
#include "mail/dsn.h"

#include "base/utf8.h"
#include "mail/compose.h"
#include "mail/header.h"

#define SHOWN_MOST 900 /* octets of a reply: one line stays below 998 */
#define WRAP 72

static const char *const words[] = {[DSN_FAILED] = "failed",
	[DSN_DELAYED] = "delayed",
	[DSN_DELIVERED] = "delivered",
	[DSN_RELAYED] = "relayed",
	[DSN_EXPANDED] = "expanded"};

/* ---- for people, in their language */

struct sentences {
	const char *subject, *opening, *closing;
};

static const struct tongue {
	const char *who, *said, *until; /* before our name; between host and reply; before a date */
	struct sentences of[DSN_EXPANDED + 1];
} languages[LANGUAGES] = {
	[LANGUAGE_EN] = {"This is the mail system of ", " said: ", "It is tried until ",
		{[DSN_FAILED] = {"Undelivered mail returned to sender",
			 "Your message could not be delivered to these recipients:",
			 "It will not be tried again. What came back of it is attached."},
			[DSN_DELAYED] = {"Delayed mail (still being tried)",
				"Your message has not been delivered yet to these recipients:",
				"You need not send it again: it is tried further on, and you will be told if it cannot be delivered."},
			[DSN_DELIVERED] = {"Mail delivered",
				"Your message was delivered to these recipients:", ""},
			[DSN_RELAYED] = {"Mail handed on",
				"Your message was handed to another system for these recipients; that system sends no reports of success:",
				""},
			[DSN_EXPANDED] = {"Mail passed on to several recipients",
				"Your message was passed on to several recipients each, in the place of:",
				""}}},
	[LANGUAGE_DE] = {"Hier spricht das Mailsystem von ", " sagte: ", "Es wird versucht bis ",
		{[DSN_FAILED] = {"Unzustellbare Nachricht",
			 "Ihre Nachricht konnte diesen Empfängern nicht zugestellt werden:",
			 "Es wird nicht weiter versucht. Was davon zurückkam, liegt bei."},
			[DSN_DELAYED] = {"Verzögerte Nachricht (es wird weiter versucht)",
				"Ihre Nachricht ist diesen Empfängern noch nicht zugestellt:",
				"Sie brauchen sie nicht noch einmal zu senden: Es wird weiter versucht, und Sie hören davon, wenn sie sich nicht zustellen lässt."},
			[DSN_DELIVERED] = {"Nachricht zugestellt",
				"Ihre Nachricht wurde diesen Empfängern zugestellt:", ""},
			[DSN_RELAYED] = {"Nachricht weitergegeben",
				"Ihre Nachricht wurde für diese Empfänger einem anderen System übergeben, das den Erfolg nicht meldet:",
				""},
			[DSN_EXPANDED] = {"Nachricht an mehrere Empfänger weitergegeben",
				"Ihre Nachricht ging an jeweils mehrere Empfänger, anstelle von:",
				""}}},
	[LANGUAGE_ES] = {"Este es el sistema de correo de ", " dijo: ", "Se intentará hasta ",
		{[DSN_FAILED] = {"Correo no entregado",
			 "Su mensaje no se pudo entregar a estos destinatarios:",
			 "No se volverá a intentar. Se adjunta lo que se devolvió del mensaje."},
			[DSN_DELAYED] = {"Correo retrasado (se sigue intentando)",
				"Su mensaje aún no se ha entregado a estos destinatarios:",
				"No hace falta que lo envíe otra vez: se sigue intentando, y se le avisará si no se puede entregar."},
			[DSN_DELIVERED] = {"Correo entregado",
				"Su mensaje se entregó a estos destinatarios:", ""},
			[DSN_RELAYED] = {"Correo entregado a otro sistema",
				"Su mensaje se entregó para estos destinatarios a otro sistema, que no informa de la entrega:",
				""},
			[DSN_EXPANDED] = {"Correo reenviado a varios destinatarios",
				"Su mensaje se reenvió a varios destinatarios, en lugar de:", ""}}},
	[LANGUAGE_FR] = {"Ceci est le système de messagerie de ",
		" a répondu : ", "Les essais continuent jusqu'au ",
		{[DSN_FAILED] = {"Message non remis",
			 "Votre message n'a pas pu être remis à ces destinataires :",
			 "Il n'y aura pas d'autre essai. Ce qui en est revenu est joint."},
			[DSN_DELAYED] = {"Message retardé (les essais continuent)",
				"Votre message n'a pas encore été remis à ces destinataires :",
				"Inutile de l'envoyer à nouveau : les essais continuent, et vous serez prévenu s'il ne peut pas être remis."},
			[DSN_DELIVERED] = {"Message remis",
				"Votre message a été remis à ces destinataires :", ""},
			[DSN_RELAYED] = {"Message transmis",
				"Votre message a été transmis pour ces destinataires à un autre système, qui n'annonce pas la remise :",
				""},
			[DSN_EXPANDED] = {"Message transmis à plusieurs destinataires",
				"Votre message a été transmis à plusieurs destinataires, à la place de :",
				""}}},
};

/* One line of printable text; what is no UTF-8 and what controls terminals becomes '?'. */
static void add_printable(text *t, slice s, size_t most)
{
	text clean = TEXT_INIT;

	utf8_add_repaired(&clean, slice_until(s, most));
	for (size_t i = 0; i < clean.size; i++) {
		unsigned char c = (unsigned char)clean.at[i];
		text_add_char(t, c < 0x20 || c == 0x7f ? '?' : (char)c);
	}
	text_free(&clean);
}

static void add_wrapped(text *t, slice s, const char *indent)
{
	size_t column = 0;
	slice word;

	while (slice_take(&s, ' ', &word)) {
		if (column > 0 && column + word.size > WRAP) {
			text_add_z(t, "\r\n");
			column = 0;
		}
		text_add_z(t, column ? " " : indent);
		text_add(t, word);
		column += word.size + 1;
	}
	text_add_z(t, "\r\n");
}

static void add_reason(text *t, const struct dsn_recipient *r, const struct tongue *in)
{
	text line = TEXT_INIT;

	if (r->host.size) {
		add_printable(&line, r->host, 255);
		text_add_z(&line, r->code ? in->said : ": "); /* else it is our own finding */
	}
	if (r->code)
		text_format(&line, "%d ", r->code);
	text_format(&line, "%.*s ", SLICE_ARGS(r->status));
	add_printable(&line, r->text, SHOWN_MOST);
	add_wrapped(t, text_slice(&line), "    ");
	text_free(&line);
}

static void add_sentences(const struct dsn *d, arena *a, text *t)
{
	const struct tongue *in = &languages[d->language];
	const struct sentences *say = &in->of[d->action];

	text_add_z(t, in->who);
	add_printable(t, d->reporter, 255);
	text_add_z(t, ".\r\n\r\n");
	add_wrapped(t, slice_z(say->opening), "");
	for (int i = 0; i < d->n; i++) {
		const struct dsn_recipient *r = &d->to_whom[i];

		text_add_z(t, "\r\n  <");
		add_printable(t, r->address, 320);
		text_add_z(t, ">\r\n");
		if (d->action == DSN_FAILED || d->action == DSN_DELAYED)
			add_reason(t, r, in);
		if (d->action == DSN_DELAYED && r->until > 0)
			text_format(t, "    %s%s.\r\n", in->until,
				date_format((date){r->until, 0}, a).at);
	}
	if (*say->closing) {
		text_add_z(t, "\r\n");
		add_wrapped(t, slice_z(say->closing), "");
	}
}

/* ---- for programs */

/* "rfc822; anna@example.org", and RFC 6533's utf-8 with its own escapes for others. */
static void add_typed(text *t, slice address)
{
	bool ascii = utf8_is_ascii(address);

	text_add_z(t, ascii ? "rfc822; " : "utf-8; ");
	add_printable(t, address, 320);
}

static void add_orcpt(text *t, slice orcpt)
{
	size_t at = slice_find(orcpt, ';');

	add_printable(t, slice_until(orcpt, at), 40);
	text_add_z(t, "; ");
	add_printable(t, slice_from(orcpt, at + 1), 500);
}

static void add_recipient(const struct dsn *d, const struct dsn_recipient *r, arena *a, text *t)
{
	text_add_z(t, "\r\n");
	if (slice_find(r->orcpt, ';') < r->orcpt.size) {
		text_add_z(t, "Original-Recipient: ");
		add_orcpt(t, r->orcpt);
		text_add_z(t, "\r\n");
	}
	text_add_z(t, "Final-Recipient: ");
	add_typed(t, r->address);
	text_format(
		t, "\r\nAction: %s\r\nStatus: %.*s\r\n", words[d->action], SLICE_ARGS(r->status));
	if (r->host.size) {
		text_add_z(t, "Remote-MTA: dns; ");
		add_printable(t, r->host, 255);
		text_add_z(t, "\r\n");
	}
	if (r->text.size) {
		text_add_z(t, "Diagnostic-Code: ");
		text_add_z(t, r->code ? "smtp; " : "x-pennypost; ");
		if (r->code)
			text_format(t, "%d ", r->code);
		text_format(t, "%.*s ", SLICE_ARGS(r->status));
		add_printable(t, r->text, SHOWN_MOST);
		text_add_z(t, "\r\n");
	}
	if (r->tried > 0)
		text_format(t, "Last-Attempt-Date: %s\r\n", date_format((date){r->tried, 0}, a).at);
	if (d->action == DSN_DELAYED && r->until > 0)
		text_format(t, "Will-Retry-Until: %s\r\n", date_format((date){r->until, 0}, a).at);
}

static void add_fields(const struct dsn *d, arena *a, text *t)
{
	text_add_z(t, "Reporting-MTA: dns; ");
	add_printable(t, d->reporter, 255);
	text_add_z(t, "\r\n");
	if (d->envid.size) {
		text_add_z(t, "Original-Envelope-Id: ");
		add_printable(t, d->envid, 200);
		text_add_z(t, "\r\n");
	}
	if (d->arrived > 0)
		text_format(t, "Arrival-Date: %s\r\n", date_format((date){d->arrived, 0}, a).at);
	for (int i = 0; i < d->n; i++)
		add_recipient(d, &d->to_whom[i], a, t);
}

/* ---- what came back */

/* Line ends become CRLF; a NUL has no place in text. */
static void add_lines(text *t, slice s)
{
	for (size_t i = 0; i < s.size; i++) {
		char c = s.at[i];

		if (c == '\r' && i + 1 < s.size && s.at[i + 1] == '\n')
			continue;
		if (c == '\r' || c == '\n')
			text_add_z(t, "\r\n");
		else
			text_add_char(t, c ? c : '?');
	}
	if (t->size && t->at[t->size - 1] != '\n')
		text_add_z(t, "\r\n");
}

/* ---- together */

static bool beyond_ascii(const struct dsn *d)
{
	bool ascii = utf8_is_ascii(d->to) && utf8_is_ascii(d->envid);

	for (int i = 0; i < d->n; i++)
		ascii &= utf8_is_ascii(d->to_whom[i].address) &&
			 utf8_is_ascii(d->to_whom[i].orcpt) && utf8_is_ascii(d->to_whom[i].text);
	return !ascii;
}

static void part_begin(slice boundary, const char *type, bool eight_bit, text *t)
{
	text_format(t, "--%.*s\r\nContent-Type: %s\r\n", SLICE_ARGS(boundary), type);
	if (eight_bit)
		text_add_z(t, "Content-Transfer-Encoding: 8bit\r\n");
	text_add_z(t, "\r\n");
}

static status head(const struct dsn *d, bool utf8, slice boundary, arena *a, text *t)
{
	header_builder b = {.utf8 = utf8};
	header_mailbox from = {S("Mail Delivery System"), d->from}, to = {.address = d->to};
	slice fields;

	header_build_date(&b, S("Date"), (date){d->at, 0});
	header_build_mailboxes(&b, S("From"), &from, 1);
	header_build_mailboxes(&b, S("To"), &to, 1);
	header_build_text(&b, S("Subject"), slice_z(languages[d->language].of[d->action].subject));
	header_build_raw(&b, S("Message-ID"), d->message_id);
	header_build_raw(&b, S("Auto-Submitted"), S("auto-replied"));
	header_build_raw(&b, S("MIME-Version"), S("1.0"));
	header_build_parameter(&b, S("Content-Type"),
		S("multipart/report; report-type=delivery-status"), S("boundary"), boundary);
	TRY(header_build_end(&b, a, &fields));
	text_add(t, fields);
	text_add_z(t, "\r\n");
	return ST_OK;
}

static status write_report(const struct dsn *d, arena *a, text *t)
{
	slice boundary = compose_boundary(d->message_id, a);
	bool utf8 = !utf8_is_ascii(d->to), wide = beyond_ascii(d),
	     eight_bit = !utf8_is_ascii(d->original);

	TRY(head(d, utf8, boundary, a, t));
	text said = TEXT_INIT;
	add_sentences(d, a, &said);
	part_begin(boundary,
		arena_format(a, "text/plain; charset=utf-8\r\nContent-Language: %s",
			language_tag(d->language))
			.at,
		!utf8_is_ascii(text_slice(&said)), t);
	text_add(t, text_slice(&said));
	text_free(&said);
	text_add_z(t, "\r\n");
	part_begin(boundary, wide ? "message/global-delivery-status" : "message/delivery-status",
		wide, t);
	add_fields(d, a, t);
	text_add_z(t, "\r\n");
	part_begin(boundary, d->full ? "message/rfc822" : "text/rfc822-headers", eight_bit, t);
	add_lines(t, d->original);
	text_format(t, "\r\n--%.*s--\r\n", SLICE_ARGS(boundary));
	return ST_OK;
}

status dsn_compose(const struct dsn *d, arena *a, slice *message)
{
	text t = TEXT_INIT;
	status kind = write_report(d, a, &t);

	if (kind == ST_OK)
		*message = arena_copy(a, text_slice(&t));
	text_free(&t);
	return kind;
}
