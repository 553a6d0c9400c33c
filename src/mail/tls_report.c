#include "mail/tls_report.h"

#include "base/encode.h"
#include "base/text.h"
#include "base/utf8.h"
#include "mail/compose.h"
#include "mail/tls_record.h"
#include "mail/transfer.h"

#define URI_MOST 1000
#define HTTPS_PORT 443

/* ---- the TXT record */

/* What "%41" stands for. ST_INVALID: half an escape, or one that controls. */
static status unescape(slice s, arena *a, slice *out)
{
	char *at = arena_new(a, s.size + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.size; i++) {
		int high = 0, low = (unsigned char)s.at[i];

		if (s.at[i] == '%') {
			high = i + 2 < s.size ? hex_value(s.at[i + 1]) : -1;
			low = high >= 0 ? hex_value(s.at[i + 2]) : -1;
			i += 2;
		}
		if (high < 0 || low < 0 || high * 16 + low < 0x20 || high * 16 + low == 0x7f)
			return ST_INVALID;
		at[n++] = (char)(high * 16 + low);
	}
	*out = slice_of(at, n);
	return ST_OK;
}

/* "user@example.org", without the header fields that may follow. */
static status take_mailto(slice rest, arena *a, struct tls_report_target *out)
{
	mail_address m;
	slice written;

	TRY(unescape(slice_until(rest, slice_find(rest, '?')), a, &written));
	TRY(mail_address_parse(written, a, &m));
	if (m.literal)
		return ST_INVALID;
	out->address = mail_address_text(&m, a);
	return ST_OK;
}

static status take_port(slice digits, uint16_t *port)
{
	uint64_t number;

	if (!slice_number(digits, &number) || number < 1 || number > 65535)
		return ST_INVALID;
	*port = (uint16_t)number;
	return ST_OK;
}

/* "//host[:port][/path][?query]". Names of hosts alone: an address proves itself to nobody. */
static status take_https(slice rest, arena *a, struct tls_report_target *out)
{
	size_t end = 2;
	slice shown;

	if (!slice_starts(rest, S("//")))
		return ST_INVALID;
	while (end < rest.size && rest.at[end] != '/' && rest.at[end] != '?' && rest.at[end] != '#')
		end++;
	slice place = slice_from(slice_until(rest, end), 2), path = slice_from(rest, end);
	size_t colon = slice_find(place, ':');
	out->port = HTTPS_PORT;
	if (colon < place.size)
		TRY(take_port(slice_from(place, colon + 1), &out->port));
	TRY(mail_domain_parse(slice_until(place, colon), a, &out->host, &shown));
	path = slice_until(path, slice_find(path, '#'));
	out->path = slice_starts(path, S("/")) ? path : arena_format(a, "/%.*s", SLICE_ARGS(path));
	return ST_OK;
}

static bool has_blank(slice s)
{
	for (size_t i = 0; i < s.size; i++)
		if (s.at[i] <= ' ' || s.at[i] > '~')
			return true;
	return false;
}

static status take_target(slice uri, arena *a, struct tls_report_target *out)
{
	*out = (struct tls_report_target){.uri = arena_copy(a, uri)};
	if (uri.size > URI_MOST || has_blank(uri))
		return ST_INVALID;
	if (slice_starts_nocase(uri, S("mailto:")))
		return take_mailto(slice_from(uri, 7), a, out);
	return slice_starts_nocase(uri, S("https:")) ? take_https(slice_from(uri, 6), a, out)
						     : ST_INVALID;
}

status tls_report_record(
	const slice *rows, size_t n, arena *a, struct tls_report_target *to, int *count)
{
	slice fields, name, value, all = {0}, uri;
	status kind;

	*count = 0;
	TRY(tls_record_find(rows, n, S("TLSRPTv1"), &fields));
	while ((kind = tls_record_next(&fields, &name, &value)) == ST_OK)
		if (all.size == 0 && slice_same(name, S("rua")))
			all = value;
	if (kind != ST_ABSENT)
		return ST_ABSENT;
	while (*count < TLS_REPORT_TARGETS_MOST && slice_take(&all, ',', &uri))
		if (take_target(slice_trim(uri), a, &to[*count]) == ST_OK)
			++*count;
	return *count > 0 ? ST_OK : ST_ABSENT;
}

/* ---- JSON, as far as a report needs it (RFC 8259) */

struct json {
	text out;
	int depth;
	bool begun; /* a member stands before the next one, at this depth */
};

static void json_string(struct json *j, slice s)
{
	text clean = TEXT_INIT;

	utf8_add_repaired(&clean, s);
	text_add_char(&j->out, '"');
	for (size_t i = 0; i < clean.size; i++) {
		unsigned char c = (unsigned char)clean.at[i];

		if (c < 0x20 || c == 0x7f)
			text_format(&j->out, "\\u%04x", c);
		else if (c == '"' || c == '\\')
			text_format(&j->out, "\\%c", c);
		else
			text_add_char(&j->out, (char)c);
	}
	text_add_char(&j->out, '"');
	text_free(&clean);
}

static void json_indent(struct json *j)
{
	text_add_char(&j->out, '\n');
	for (int i = 0; i < j->depth; i++)
		text_add_char(&j->out, ' ');
}

/* Where the next member or element stands; `name` NULL: an element. */
static void json_next(struct json *j, const char *name)
{
	if (j->begun)
		text_add_char(&j->out, ',');
	if (j->depth > 0)
		json_indent(j);
	j->begun = true;
	if (name)
		text_format(&j->out, "\"%s\": ", name);
}

static void json_open(struct json *j, const char *name, char bracket)
{
	json_next(j, name);
	text_add_char(&j->out, bracket);
	j->depth++;
	j->begun = false;
}

static void json_close(struct json *j, char bracket)
{
	j->depth--;
	if (j->begun)
		json_indent(j);
	text_add_char(&j->out, bracket);
	j->begun = true;
}

static void json_text(struct json *j, const char *name, slice value)
{
	json_next(j, name);
	json_string(j, value);
}

static void json_known(struct json *j, const char *name, slice value)
{
	if (value.size > 0)
		json_text(j, name, value);
}

static void json_count(struct json *j, const char *name, int64_t value)
{
	json_next(j, name);
	text_add_number(&j->out, value);
}

/* ---- the report */

static void add_policy_lines(struct json *j, slice lines)
{
	slice line;

	if (lines.size == 0)
		return;
	json_open(j, "policy-string", '[');
	while (slice_take(&lines, '\n', &line)) {
		line = slice_trim(line);
		if (line.size > 0)
			json_text(j, NULL, line);
	}
	json_close(j, ']');
}

static void add_policy(struct json *j, const struct tls_report_policy *p)
{
	json_open(j, "policy", '{');
	json_text(j, "policy-type", p->type);
	add_policy_lines(j, p->text);
	json_text(j, "policy-domain", p->domain);
	if (p->mx_count > 0) {
		json_open(j, "mx-host", '[');
		for (int i = 0; i < p->mx_count; i++)
			json_text(j, NULL, p->mx[i]);
		json_close(j, ']');
	}
	json_close(j, '}');
}

static void add_failure(struct json *j, const struct tls_report_failure *f)
{
	json_open(j, NULL, '{');
	json_text(j, "result-type", f->result);
	json_known(j, "sending-mta-ip", f->sender);
	json_known(j, "receiving-mx-hostname", f->host);
	json_known(j, "receiving-ip", f->receiver);
	json_count(j, "failed-session-count", f->sessions);
	json_close(j, '}');
}

static void add_result(struct json *j, const struct tls_report_policy *p)
{
	json_open(j, NULL, '{');
	add_policy(j, p);
	json_open(j, "summary", '{');
	json_count(j, "total-successful-session-count", p->successes);
	json_count(j, "total-failure-session-count", p->failures);
	json_close(j, '}');
	if (p->n > 0) {
		json_open(j, "failure-details", '[');
		for (int i = 0; i < p->n; i++)
			add_failure(j, &p->failure[i]);
		json_close(j, ']');
	}
	json_close(j, '}');
}

slice tls_report_json(const struct tls_report *r, arena *a)
{
	struct json j = {.out = TEXT_INIT};

	json_open(&j, NULL, '{');
	json_text(&j, "organization-name", r->organisation);
	json_open(&j, "date-range", '{');
	json_text(&j, "start-datetime", date_stamp(r->from, a));
	json_text(&j, "end-datetime", date_stamp(r->until, a));
	json_close(&j, '}');
	json_text(&j, "contact-info", r->contact);
	json_text(&j, "report-id", r->id);
	json_open(&j, "policies", '[');
	for (int i = 0; i < r->n; i++)
		add_result(&j, &r->policy[i]);
	json_close(&j, ']');
	json_close(&j, '}');
	text_add_char(&j.out, '\n');
	slice made = arena_copy(a, text_slice(&j.out));
	text_free(&j.out);
	return made;
}

/* ---- the mail */

slice tls_report_file(const struct tls_report_mail *m, arena *a)
{
	return arena_format(a, "%.*s!%.*s!%lld!%lld.json", SLICE_ARGS(m->submitter),
		SLICE_ARGS(m->report->domain), (long long)(m->report->from / USEC_S),
		(long long)(m->report->until / USEC_S));
}

static status add_head(const struct tls_report_mail *m, slice boundary, arena *a, text *t)
{
	const struct tls_report *r = m->report;
	header_builder b = {.utf8 = !utf8_is_ascii(m->to)};
	header_mailbox from = {r->organisation, m->from}, to = {.address = m->to};
	slice fields;

	header_build_date(&b, S("Date"), (date){m->at, 0});
	header_build_mailboxes(&b, S("From"), &from, 1);
	header_build_mailboxes(&b, S("To"), &to, 1);
	header_build_text(&b, S("Subject"),
		arena_format(a, "Report Domain: %.*s Submitter: %.*s Report-ID: <%.*s>",
			SLICE_ARGS(r->domain), SLICE_ARGS(m->submitter), SLICE_ARGS(r->id)));
	header_build_raw(&b, S("Message-ID"), m->message_id);
	header_build_raw(&b, S("TLS-Report-Domain"), r->domain);
	header_build_raw(&b, S("TLS-Report-Submitter"), m->submitter);
	header_build_raw(&b, S("TLS-Required"), S("No"));
	header_build_raw(&b, S("Auto-Submitted"), S("auto-generated"));
	header_build_raw(&b, S("MIME-Version"), S("1.0"));
	header_build_parameter(&b, S("Content-Type"), S("multipart/report; report-type=\"tlsrpt\""),
		S("boundary"), boundary);
	TRY(header_build_end(&b, a, &fields));
	text_add(t, fields);
	return ST_OK;
}

/* Our name and the domain that is told stand between the first three, the two figures in front of
   their words. */
static const struct sentences {
	const char *before, *between, *behind, *good, *bad, *end;
} sentences[LANGUAGES] = {
	[LANGUAGE_EN] = {"What became of TLS when ", " sent mail to\r\n",
		" within one day (RFC 8460):", "sessions as they should be",
		"sessions that were not", "The attached file tells more."},
	[LANGUAGE_DE] = {"Was aus TLS wurde, als ", " Mail sandte an\r\n",
		", an einem Tag (RFC 8460):", "Sitzungen, wie sie sein sollen",
		"Sitzungen, die es nicht waren", "Die angehängte Datei sagt mehr."},
	[LANGUAGE_ES] = {"Qué fue de TLS cuando ", " envió correo a\r\n",
		" en un día (RFC 8460):", "sesiones como deben ser", "sesiones que no lo fueron",
		"El archivo adjunto dice más."},
	[LANGUAGE_FR] = {"Ce qu'il est advenu de TLS quand ", " a envoyé du courrier à\r\n",
		" en un jour (RFC 8460) :", "sessions comme il se doit",
		"sessions qui ne l'étaient pas", "Le fichier joint en dit plus."},
};

static void add_words(const struct tls_report_mail *m, text *t)
{
	const struct sentences *say = &sentences[m->language];
	int64_t good = 0, bad = 0;

	for (int i = 0; i < m->report->n; i++) {
		good += m->report->policy[i].successes;
		bad += m->report->policy[i].failures;
	}
	text_format(t, "%s%.*s%s%.*s%s\r\n\r\n  %8lld %s\r\n  %8lld %s\r\n\r\n%s\r\n", say->before,
		SLICE_ARGS(m->submitter), say->between, SLICE_ARGS(m->report->domain), say->behind,
		(long long)good, say->good, (long long)bad, say->bad, say->end);
}

/* In seven bits, for whatever host it goes to. */
static void add_words_part(const struct tls_report_mail *m, text *t)
{
	transfer_encoder e = {.kind = TRANSFER_QUOTED_PRINTABLE};
	text words = TEXT_INIT;

	text_format(t,
		"Content-Type: text/plain; charset=utf-8\r\nContent-Language: %s\r\n"
		"Content-Transfer-Encoding: quoted-printable\r\n\r\n",
		language_tag(m->language));
	add_words(m, &words);
	transfer_encode(&e, text_slice(&words), t);
	transfer_encode_end(&e, t);
	text_free(&words);
}

static status add_file(const struct tls_report_mail *m, arena *a, text *t)
{
	header_builder b = {0};
	transfer_encoder e = {.kind = TRANSFER_BASE64};
	slice fields;

	header_build_raw(&b, S("Content-Type"), S("application/tlsrpt+json"));
	header_build_raw(&b, S("Content-Transfer-Encoding"), S("base64"));
	header_build_parameter(&b, S("Content-Disposition"), S("attachment"), S("filename"),
		tls_report_file(m, a));
	TRY(header_build_end(&b, a, &fields));
	text_add(t, fields);
	text_add_z(t, "\r\n");
	transfer_encode(&e, tls_report_json(m->report, a), t);
	transfer_encode_end(&e, t);
	return ST_OK;
}

static status write_mail(const struct tls_report_mail *m, arena *a, text *t)
{
	slice boundary = compose_boundary(m->message_id, a);

	TRY(add_head(m, boundary, a, t));
	text_format(t, "\r\n--%.*s\r\n", SLICE_ARGS(boundary));
	add_words_part(m, t);
	text_format(t, "\r\n--%.*s\r\n", SLICE_ARGS(boundary));
	TRY(add_file(m, a, t));
	text_format(t, "\r\n--%.*s--\r\n", SLICE_ARGS(boundary));
	return ST_OK;
}

status tls_report_compose(const struct tls_report_mail *m, arena *a, slice *message)
{
	text t = TEXT_INIT;
	status kind = write_mail(m, a, &t);

	if (kind == ST_OK)
		*message = arena_copy(a, text_slice(&t));
	text_free(&t);
	return kind;
}

/* ---- TLS-Required */

bool tls_report_is_waived(slice header)
{
	header_field f;

	return slice_search_nocase(header, S("tls-required")) < header.size &&
	       header_find(header, S("TLS-Required"), &f) &&
	       slice_same_nocase(slice_trim(f.value), S("no"));
}
