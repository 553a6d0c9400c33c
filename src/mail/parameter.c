/* ESMTP parameters: a splitter, xtext, and two tables with one row per parameter. */
#include "mail/parameter.h"

#include "base/utf8.h"

#define ENVID_MOST 100      /* RFC 3461 4.4, as sent */
#define ORCPT_MOST 500      /* 4.2, as sent */
#define AUTH_MOST 500       /* RFC 4954 5: the argument of AUTH= */
#define SIZE_DIGITS_MOST 20 /* RFC 1870 6 */

typedef struct parameter {
	slice name;     /* esmtp-keyword, case as given */
	slice value;    /* behind '=' */
	bool has_value; /* there was a '=' */
} parameter;

/* --- Splitting
   --------------------------------------------------------------------------------- */

static bool is_keyword(slice s)
{
	for (size_t i = 0; i < s.size; i++) {
		char c = s.at[i];
		bool alnum =
			(c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
		if (!alnum && (c != '-' || i == 0))
			return false;
	}
	return s.size > 0;
}

/* esmtp-value: 33..60 and 62..126, and UTF-8 beyond ASCII (RFC 6531 3.3). */
static bool is_value(slice s)
{
	for (size_t i = 0; i < s.size; i++)
		if ((uint8_t)s.at[i] <= 0x20 || s.at[i] == 0x7f || s.at[i] == '=')
			return false;
	return s.size > 0 && utf8_valid(s);
}

/* Takes the next parameter off *rest, which starts behind the path. ST_ABSENT at the end of the
   line; ST_INVALID when what comes is none (blanks other than single or several SP between
   parameters, an empty value, bytes outside 33..126; bytes from 0x80 on are let through where they
   are valid UTF-8, for ORCPT under SMTPUTF8). */
static status parameter_next(slice *rest, parameter *out)
{
	parameter made = {0};
	slice s = *rest, word;
	size_t equals;

	while (s.size > 0 && s.at[0] == ' ')
		s = slice_from(s, 1);
	if (s.size == 0) {
		*rest = s;
		return ST_ABSENT;
	}
	if (s.size == rest->size)
		return ST_INVALID; /* nothing stands between it and the path or parameter before */
	word = slice_until(s, slice_find(s, ' '));
	equals = slice_find(word, '=');
	made.name = slice_until(word, equals);
	made.has_value = equals < word.size;
	made.value = slice_from(word, equals + 1);
	if (!is_keyword(made.name) || (made.has_value && !is_value(made.value)))
		return ST_INVALID;
	*rest = slice_from(s, word.size);
	*out = made;
	return ST_OK;
}

/* --- xtext
   ------------------------------------------------------------------------------------- */

slice xtext_encode(slice raw, arena *a)
{
	static const char digit[] = "0123456789ABCDEF";
	char *to = arena_new(a, raw.size * 3 + 1);
	size_t n = 0;

	for (size_t i = 0; i < raw.size; i++) {
		uint8_t c = (uint8_t)raw.at[i];
		if (c < 33 || c > 126 || c == '+' || c == '=') {
			to[n++] = '+';
			to[n++] = digit[c >> 4];
			to[n++] = digit[c & 15];
		} else {
			to[n++] = (char)c;
		}
	}
	return slice_of(to, n);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

status xtext_decode(slice coded, arena *a, slice *raw)
{
	char *to = arena_new(a, coded.size + 1);
	size_t n = 0;

	for (size_t i = 0; i < coded.size; i++) {
		uint8_t c = (uint8_t)coded.at[i];

		if (c < 33 || c > 126 || c == '=')
			return ST_INVALID;
		if (c == '+') {
			if (coded.size - i < 3)
				return ST_INVALID;
			int high = hex_digit(coded.at[i + 1]), low = hex_digit(coded.at[i + 2]);
			if (high < 0 || low < 0)
				return ST_INVALID;
			c = (uint8_t)(high << 4 | low);
			i += 2;
		}
		if (c == 0 || c == '\r' || c == '\n')
			return ST_INVALID;
		to[n++] = (char)c;
	}
	*raw = slice_of(to, n);
	return ST_OK;
}

/* --- MAIL
   -------------------------------------------------------------------------------------- */

/* One parameter: reads its value into the struct of its command. */
struct row {
	slice name;
	bool takes_value;
	status (*read)(slice value, arena *a, void *out);
};

static status read_size(slice value, arena *a, void *out)
{
	mail_parameters *m = out;

	(void)a;
	m->has_size = true;
	if (value.size > SIZE_DIGITS_MOST)
		return ST_INVALID;
	if (slice_number(value, &m->size))
		return ST_OK;
	/* Twenty digits may say more than 63 bits hold; that is a size too, and over every
	   limit. */
	for (size_t i = 0; i < value.size; i++)
		if (value.at[i] < '0' || value.at[i] > '9')
			return ST_INVALID;
	m->size = UINT64_MAX;
	return ST_OK;
}

static status read_body(slice value, arena *a, void *out)
{
	mail_parameters *m = out;

	(void)a;
	m->has_body = true;
	if (slice_same_nocase(value, S("7BIT")))
		m->body = BODY_7BIT;
	else if (slice_same_nocase(value, S("8BITMIME")))
		m->body = BODY_8BITMIME;
	else if (slice_same_nocase(value, S("BINARYMIME")))
		m->body = BODY_BINARYMIME;
	else
		return ST_INVALID;
	return ST_OK;
}

static status read_smtputf8(slice value, arena *a, void *out)
{
	(void)value;
	(void)a;
	((mail_parameters *)out)->smtputf8 = true;
	return ST_OK;
}

static status read_requiretls(slice value, arena *a, void *out)
{
	(void)value;
	(void)a;
	((mail_parameters *)out)->require_tls = true;
	return ST_OK;
}

static status read_auth(slice value, arena *a, void *out)
{
	mail_parameters *m = out;

	m->has_auth = true;
	return value.size > AUTH_MOST ? ST_INVALID : xtext_decode(value, a, &m->auth);
}

static status read_ret(slice value, arena *a, void *out)
{
	mail_parameters *m = out;

	(void)a;
	if (slice_same_nocase(value, S("FULL")))
		m->ret = RET_FULL;
	else if (slice_same_nocase(value, S("HDRS")))
		m->ret = RET_HDRS;
	else
		return ST_INVALID;
	return ST_OK;
}

static status read_envid(slice value, arena *a, void *out)
{
	mail_parameters *m = out;

	m->has_envid = true;
	TRY(value.size > ENVID_MOST ? ST_INVALID : xtext_decode(value, a, &m->envid));
	for (size_t i = 0; i < m->envid.size; i++) /* RFC 3461 4.4: printable ASCII and blanks */
		if (m->envid.at[i] < 0x20 || m->envid.at[i] > 0x7e)
			return ST_INVALID;
	return ST_OK;
}

static const struct row mail_rows[] = {
	{S("SIZE"), true, read_size},
	{S("BODY"), true, read_body},
	{S("AUTH"), true, read_auth},
	{S("SMTPUTF8"), false, read_smtputf8},
	{S("RET"), true, read_ret},
	{S("ENVID"), true, read_envid},
	{S("REQUIRETLS"), false, read_requiretls},
};

/* --- RCPT
   -------------------------------------------------------------------------------------- */

static status read_notify(slice value, arena *a, void *out)
{
	static const struct {
		slice word;
		unsigned bit;
	} words[] = {
		{S("NEVER"), NOTIFY_NEVER},
		{S("SUCCESS"), NOTIFY_SUCCESS},
		{S("FAILURE"), NOTIFY_FAILURE},
		{S("DELAY"), NOTIFY_DELAY},
	};
	rcpt_parameters *r = out;
	slice word;

	(void)a;
	while (slice_take(&value, ',', &word)) {
		unsigned bit = 0;
		for (size_t i = 0; i < sizeof words / sizeof *words; i++)
			if (slice_same_nocase(word, words[i].word))
				bit = words[i].bit;
		if (bit == 0 || (r->notify & bit))
			return ST_INVALID;
		r->notify |= bit;
	}
	/* RFC 3461 4.1: NEVER stands alone. */
	return (r->notify & NOTIFY_NEVER) && r->notify != NOTIFY_NEVER ? ST_INVALID : ST_OK;
}

/* utf-8-addr-xtext and -unitext of RFC 6533 3: "\x{HEX}" or the character itself. It is kept as it
   is and only looked at for bytes that have no place in it. */
static status read_unitext(slice value, slice *out)
{
	for (size_t i = 0; i < value.size; i++)
		if (value.at[i] == '+' || value.at[i] == '=')
			return ST_INVALID;
	*out = value;
	return ST_OK;
}

static status read_orcpt(slice value, arena *a, void *out)
{
	rcpt_parameters *r = out;
	size_t semicolon = slice_find(value, ';');
	slice address = slice_from(value, semicolon + 1);

	r->has_orcpt = true;
	r->orcpt_type = slice_until(value, semicolon);
	if (value.size > ORCPT_MOST || !is_keyword(r->orcpt_type) || address.size == 0)
		return ST_INVALID;
	if (slice_same_nocase(r->orcpt_type, S("utf-8")))
		return xtext_decode(address, a, &r->orcpt) == ST_OK
			       ? ST_OK
			       : read_unitext(address, &r->orcpt);
	return xtext_decode(address, a, &r->orcpt);
}

static const struct row rcpt_rows[] = {
	{S("NOTIFY"), true, read_notify},
	{S("ORCPT"), true, read_orcpt},
};

/* --- Both
   -------------------------------------------------------------------------------------- */

static status parse_all(slice rest, const struct row *rows, size_t n, arena *a, void *out)
{
	unsigned seen = 0;
	parameter p;
	status kind;

	while ((kind = parameter_next(&rest, &p)) == ST_OK) {
		size_t i = 0;

		while (i < n && !slice_same_nocase(p.name, rows[i].name))
			i++;
		if (i == n)
			return ST_FOREIGN;
		if ((seen & 1u << i) || p.has_value != rows[i].takes_value)
			return ST_INVALID;
		seen |= 1u << i;
		TRY(rows[i].read(p.value, a, out));
	}
	return kind == ST_ABSENT ? ST_OK : kind;
}

status mail_parameters_parse(slice rest, arena *a, mail_parameters *out)
{
	*out = (mail_parameters){0};
	return parse_all(rest, mail_rows, sizeof mail_rows / sizeof *mail_rows, a, out);
}

status rcpt_parameters_parse(slice rest, arena *a, rcpt_parameters *out)
{
	*out = (rcpt_parameters){0};
	return parse_all(rest, rcpt_rows, sizeof rcpt_rows / sizeof *rcpt_rows, a, out);
}
