/* Authentication-Results; see authres.h. Reading is lenient where the wild is: empty members
   between semicolons, values with characters that only belong into quotes. */
#include "mail/authres.h"

#include "mail/header.h"

#define VALUE_MOST 500

/* ---- building */

static bool is_control(char c)
{
	return (uint8_t)c < ' ' || (uint8_t)c > 0x7e;
}

/* RFC 2045's token. */
static bool is_token_char(char c)
{
	return c > ' ' && !is_control(c) && !strchr("()<>@,;:\\\"/[]?=", c);
}

/* Characters that a domain or a dot-atom may have (RFC 5322 3.2.3). */
static bool is_atom_char(char c)
{
	return c > ' ' && !is_control(c) && !strchr("()<>[]:;@\\,\"", c);
}

static bool all_are(slice s, bool (*is)(char))
{
	for (size_t i = 0; i < s.size; i++)
		if (!is(s.at[i]))
			return false;
	return s.size > 0;
}

static bool is_address(slice s)
{
	size_t at = slice_find_last(s, '@');

	return at < s.size && (at == 0 || all_are(slice_until(s, at), is_atom_char)) &&
	       all_are(slice_from(s, at + 1), is_token_char);
}

static void add_value(text *t, slice s)
{
	s = slice_until(s, VALUE_MOST);
	if (all_are(s, is_token_char) || is_address(s)) {
		text_add(t, s);
		return;
	}
	text_add_char(t, '"');
	for (size_t i = 0; i < s.size; i++) {
		if (s.at[i] == '"' || s.at[i] == '\\')
			text_add_char(t, '\\');
		text_add_char(t, is_control(s.at[i]) ? '?' : s.at[i]);
	}
	text_add_char(t, '"');
}

void authres_begin(authres *r, slice id)
{
	*r = (authres){0};
	add_value(&r->out, id);
}

void authres_result(authres *r, const char *method, const char *result, slice reason)
{
	r->some = true;
	text_format(&r->out, "; %s=%s", method, result);
	if (reason.size > 0) {
		text_add_z(&r->out, " reason=");
		add_value(&r->out, reason);
	}
}

void authres_property(authres *r, const char *type, const char *property, slice value)
{
	if (value.size == 0)
		return;
	text_format(&r->out, " %s.%s=", type, property);
	add_value(&r->out, value);
}

void authres_spf(authres *r, const spf_query *q, const spf_report *found)
{
	bool well = found->result == SPF_PASS || found->result == SPF_NONE;

	authres_result(r, "spf", spf_result_name(found->result),
		well || found->reason == NULL ? S("") : slice_z(found->reason));
	if (found->helo)
		authres_property(r, "smtp", "helo", q->helo);
	else
		authres_property(r, "smtp", "mailfrom", q->mail_from);
}

#define SIGNATURE_SHOWN 8 /* RFC 6008 */

void authres_dkim(authres *r, const dkim_report *found)
{
	if (found->count == 0)
		authres_result(r, "dkim", dkim_result_name(DKIM_NONE), S(""));
	for (size_t i = 0; i < found->count; i++) {
		const dkim_verdict *v = &found->verdict[i];
		bool well = v->result == DKIM_PASS || v->reason == NULL;
		authres_result(
			r, "dkim", dkim_result_name(v->result), well ? S("") : slice_z(v->reason));
		authres_property(r, "header", "d", v->domain);
		authres_property(r, "header", "s", v->selector);
		authres_property(r, "header", "a", v->algorithm);
		authres_property(r, "header", "b", slice_until(v->signature, SIGNATURE_SHOWN));
	}
}

void authres_dmarc(authres *r, slice author, const dmarc_report *found)
{
	bool well = found->result == DMARC_PASS || found->result == DMARC_NONE;

	authres_result(r, "dmarc", dmarc_result_name(found->result),
		well || found->reason == NULL ? S("") : slice_z(found->reason));
	if (found->domain.size > 0)
		authres_property(r, "policy", "published-domain-policy",
			slice_z(dmarc_policy_name(found->published)));
	authres_property(r, "header", "from", author);
}

void authres_arc(authres *r, const arc_report *found)
{
	bool well =
		found->result == DKIM_PASS || found->result == DKIM_NONE || found->reason == NULL;

	authres_result(
		r, "arc", dkim_result_name(found->result), well ? S("") : slice_z(found->reason));
}

slice authres_end(authres *r, arena *a)
{
	if (!r->some)
		text_add_z(&r->out, "; none");
	slice value = arena_copy(a, text_slice(&r->out));
	text_free(&r->out);
	return value;
}

slice authres_field(slice value, arena *a)
{
	header_builder b = {0};
	slice field = S("");

	header_build_raw(&b, S("Authentication-Results"), value);
	if (header_build_end(&b, a, &field) != ST_OK)
		return S("");
	return field;
}

/* ---- reading */

#define COMMENTS_DEEP 50

/* Skips blanks and comments. */
static bool skip(slice *s)
{
	unsigned depth = 0;
	size_t at = 0;

	for (; at < s->size; at++) {
		char c = s->at[at];
		if (c == '(') {
			if (++depth > COMMENTS_DEEP)
				return false;
		} else if (depth > 0 && c == ')') {
			depth--;
		} else if (depth > 0 && c == '\\') {
			at++;
		} else if (depth == 0 && c != ' ' && c != '\t' && c != '\r' && c != '\n') {
			break;
		}
	}
	*s = slice_from(*s, at);
	return depth == 0;
}

/* Takes the quoted string that begins here. */
static bool take_quoted(slice *s, arena *a, slice *out)
{
	char *made = arena_new(a, s->size + 1);
	size_t size = 0, at = 1;

	for (; at < s->size && s->at[at] != '"'; at++) {
		if (s->at[at] == '\\' && at + 1 < s->size)
			at++;
		if (s->at[at] != '\r' && s->at[at] != '\n')
			made[size++] = s->at[at];
	}
	if (at >= s->size)
		return false;
	*s = slice_from(*s, at + 1);
	*out = slice_of(made, size);
	return true;
}

static bool is_keyword_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_';
}

static bool is_value_char(char c)
{
	return (uint8_t)c > ' ' && c != 0x7f && !strchr(";(\"", c);
}

static slice take_run(slice *s, bool (*is)(char))
{
	size_t size = 0;

	while (size < s->size && is(s->at[size]))
		size++;
	slice run = slice_until(*s, size);
	*s = slice_from(*s, size);
	return run;
}

/* A value: token, quoted string, or an address whose local part may be quoted. */
static bool take_value(slice *s, arena *a, slice *out)
{
	*out = (slice){0};
	if (!skip(s))
		return false;
	if (s->size > 0 && s->at[0] == '"' && !take_quoted(s, a, out))
		return false;
	slice rest = take_run(s, is_value_char);
	if (out->at == NULL)
		*out = rest;
	else if (rest.size > 0)
		*out = arena_format(a, "%.*s%.*s", SLICE_ARGS(*out), SLICE_ARGS(rest));
	return out->at != NULL && (out->size > 0 || rest.at != NULL) && skip(s);
}

static bool take_char(slice *s, char c)
{
	if (!skip(s) || s->size == 0 || s->at[0] != c)
		return false;
	*s = slice_from(*s, 1);
	return skip(s);
}

/* "/1" behind a word, which may be missing. False: another version, or no number. */
static bool version_fits(slice *s)
{
	uint64_t n;

	if (s->size == 0 || s->at[0] != '/')
		return true;
	*s = slice_from(*s, 1);
	return skip(s) && slice_number(take_run(s, is_keyword_char), &n) && n == 1 && skip(s);
}

/* "reason=value" or "type.property=value". */
static bool take_property(slice *s, arena *a, authres_read *r, authres_said *said)
{
	authres_value v = {.type = take_run(s, is_keyword_char)};

	if (v.type.size == 0 || !skip(s))
		return false;
	if (slice_same_nocase(v.type, S("reason")) && take_char(s, '='))
		return take_value(s, a, &said->reason);
	if (!take_char(s, '.'))
		return false;
	v.property = take_run(s, is_keyword_char);
	if (v.property.size == 0 || !take_char(s, '=') || !take_value(s, a, &v.value))
		return false;
	if (said->count == AUTHRES_PROPERTIES_MOST)
		r->cut = true;
	else
		said->value[said->count++] = v;
	return true;
}

/* "method=result reason=... type.property=..." up to the next semicolon. */
static bool take_said(slice *s, arena *a, authres_read *r)
{
	static const size_t most = AUTHRES_RESULTS_MOST;
	authres_said said = {.method = take_run(s, is_keyword_char)};

	if (said.method.size == 0 || !skip(s))
		return false;
	if (slice_same_nocase(said.method, S("none")) && (s->size == 0 || s->at[0] == ';'))
		return r->count == 0;
	if (!version_fits(s) || !take_char(s, '='))
		return false;
	said.result = take_run(s, is_keyword_char);
	if (said.result.size == 0 || !skip(s))
		return false;
	while (s->size > 0 && s->at[0] != ';')
		if (!take_property(s, a, r, &said))
			return false;
	if (r->count == most)
		r->cut = true;
	else
		r->said[r->count++] = said;
	return true;
}

status authres_parse(slice value, arena *a, authres_read *out)
{
	size_t members = 0, room = 1;

	*out = (authres_read){0};
	for (size_t i = 0; i < value.size && room < AUTHRES_RESULTS_MOST; i++)
		room += value.at[i] == ';';
	out->said = arena_new_array(a, room, sizeof *out->said);
	if (!take_value(&value, a, &out->id))
		return ST_INVALID;
	if (value.size > 0 && value.at[0] != ';') {
		uint64_t version;
		if (!slice_number(take_run(&value, is_keyword_char), &version) || version != 1 ||
			!skip(&value))
			return ST_INVALID;
	}
	while (value.size > 0) {
		if (!take_char(&value, ';'))
			return ST_INVALID;
		if (value.size == 0 || value.at[0] == ';')
			continue;
		if (!take_said(&value, a, out))
			return ST_INVALID;
		members++;
	}
	return members > 0 ? ST_OK : ST_INVALID;
}
