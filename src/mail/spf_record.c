/* The grammar of SPF records (RFC 7208 4.6, 5, 6, 7 and 12): terms and macros. A record is read as
   a whole before any of it counts, since an error anywhere in it is an error of all of it (4.6). */
#include "mail/spf_record.h"

#include <arpa/inet.h>

/* ---- letters */

static bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_delimiter(char c)
{
	return c != '\0' && strchr(".-+,/_=", c) != NULL;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* ---- macros (7.1) */

struct macro {
	char letter; /* lower case; '%', '_' and '-' for the three without braces */
	bool url;    /* written in upper case */
	bool reverse;
	unsigned keep; /* 0 = all */
	slice delimiters;
};

/* Takes the macro-expand at the start of *rest, which begins with '%'. */
static bool macro_take(slice *rest, struct macro *m)
{
	size_t at = 3;

	*m = (struct macro){0};
	if (rest->size < 2)
		return false;
	if (rest->at[1] != '{') {
		m->letter = rest->at[1];
		*rest = slice_from(*rest, 2);
		return m->letter != '\0' && strchr("%_-", m->letter) != NULL;
	}
	if (rest->size < 4 || !is_alpha(rest->at[2]))
		return false;
	m->letter = lower(rest->at[2]);
	m->url = m->letter != rest->at[2];
	size_t digits = at;
	for (; at < rest->size && is_digit(rest->at[at]); at++)
		m->keep = m->keep > 1000 ? m->keep : m->keep * 10 + (unsigned)(rest->at[at] - '0');
	if (at > digits && m->keep == 0)
		return false;
	if (at < rest->size && lower(rest->at[at]) == 'r') {
		m->reverse = true;
		at++;
	}
	size_t delimiters = at;
	while (at < rest->size && is_delimiter(rest->at[at]))
		at++;
	m->delimiters = slice_of(rest->at + delimiters, at - delimiters);
	if (at == rest->size || rest->at[at] != '}')
		return false;
	*rest = slice_from(*rest, at + 1);
	return true;
}

bool spf_macro_valid(slice s, bool explanation)
{
	struct macro m;

	while (s.size > 0) {
		char c = s.at[0];
		if (c == '%') {
			if (!macro_take(&s, &m) ||
				!strchr(explanation ? "%_-slodiphvcrt" : "%_-slodiphv", m.letter))
				return false;
			continue;
		}
		if (c < 0x21 ? !(explanation && c == ' ') : c > 0x7e)
			return false;
		s = slice_from(s, 1);
	}
	return true;
}

static void add_url(text *to, slice s)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < s.size; i++) {
		uint8_t c = (uint8_t)s.at[i];
		if (is_alpha((char)c) || is_digit((char)c) || (c && strchr("-._~", c))) {
			text_add_char(to, (char)c);
			continue;
		}
		text_add_char(to, '%');
		text_add_char(to, digits[c >> 4]);
		text_add_char(to, digits[c & 0xf]);
	}
}

#define PARTS_MOST 512 /* of a value: one has at most 320 octets */

/* The value's parts, turned round and cut as the macro says, with dots between them. */
static slice transform(slice value, const struct macro *m, arena *a)
{
	slice part[PARTS_MOST];
	size_t count = 0, start = 0, first = 0;
	text made = TEXT_INIT;

	for (size_t at = 0; at <= value.size && count < PARTS_MOST; at++) {
		bool ends = at == value.size ||
			    (m->delimiters.size > 0 ? slice_find(m->delimiters, value.at[at]) <
							      m->delimiters.size
						    : value.at[at] == '.');
		if (!ends)
			continue;
		part[count++] = slice_of(value.at + start, at - start);
		start = at + 1;
	}
	if (m->keep > 0 && m->keep < count)
		first = count - m->keep;
	for (size_t i = first; i < count; i++) {
		if (i > first)
			text_add_char(&made, '.');
		text_add(&made, m->reverse ? part[count - 1 - i] : part[i]);
	}
	slice kept = arena_copy(a, text_slice(&made));
	text_free(&made);
	return kept;
}

static void expand_one(
	const struct macro *m, spf_macro_value *value, void *with, arena *a, text *to)
{
	slice found = S("");

	switch (m->letter) {
	case '%':
		text_add_char(to, '%');
		return;
	case '_':
		text_add_char(to, ' ');
		return;
	case '-':
		text_add_z(to, "%20");
		return;
	default:
		value(with, m->letter, a, &found);
		found = transform(found, m, a);
		if (m->url)
			add_url(to, found);
		else
			text_add(to, found);
	}
}

void spf_macro_expand(slice s, spf_macro_value *value, void *with, arena *a, text *to)
{
	struct macro m;

	while (s.size > 0) {
		if (s.at[0] == '%' && macro_take(&s, &m)) {
			expand_one(&m, value, with, a, to);
			continue;
		}
		text_add_char(to, s.at[0]);
		s = slice_from(s, 1);
	}
}

/* ---- domain-spec: a macro-string that ends with a macro or with a top label */

static bool is_top_label(slice s)
{
	bool all_digits = true;

	if (s.size == 0 || s.at[0] == '-' || s.at[s.size - 1] == '-')
		return false;
	for (size_t i = 0; i < s.size; i++) {
		if (!is_alpha(s.at[i]) && !is_digit(s.at[i]) && s.at[i] != '-')
			return false;
		all_digits = all_digits && is_digit(s.at[i]);
	}
	return !all_digits;
}

static bool ends_with_macro(slice s)
{
	struct macro m;

	while (s.size > 0) {
		if (s.at[0] != '%') {
			s = slice_from(s, 1);
			continue;
		}
		if (!macro_take(&s, &m))
			return false;
		if (s.size == 0)
			return true;
	}
	return false;
}

static bool is_domain_spec(slice s)
{
	if (s.size == 0 || !spf_macro_valid(s, false))
		return false;
	if (ends_with_macro(s))
		return true;
	if (s.at[s.size - 1] == '.')
		s.size--;
	size_t dot = slice_find_last(s, '.');
	return dot < s.size && is_top_label(slice_from(s, dot + 1));
}

/* ---- mechanisms (5) */

/* "0" to `most`, no leading zeros. */
static bool bits_parse(slice s, unsigned most, uint8_t *bits)
{
	uint64_t n;

	if (s.size > 3 || (s.size > 1 && s.at[0] == '0') || !slice_number(s, &n) || n > most)
		return false;
	*bits = (uint8_t)n;
	return true;
}

static slice digits_at_end(slice s)
{
	size_t at = s.size;

	while (at > 0 && is_digit(s.at[at - 1]))
		at--;
	return slice_from(s, at);
}

static bool ends_with(slice s, char c)
{
	return s.size > 0 && s.at[s.size - 1] == c;
}

/* Takes "/bits", "//bits" or "/bits//bits" off the end of *s. A slash elsewhere belongs to the
   name, since domain-specs may hold some. */
static bool dual_cidr_take(slice *s, spf_term *t)
{
	slice digits = digits_at_end(*s), before = slice_until(*s, s->size - digits.size);

	if (!ends_with(before, '/'))
		return true;
	before.size--;
	if (ends_with(before, '/')) {
		before.size--;
		if (!bits_parse(digits, 128, &t->bits6))
			return false;
		*s = before;
		digits = digits_at_end(*s);
		before = slice_until(*s, s->size - digits.size);
		if (!ends_with(before, '/'))
			return true;
		before.size--;
	}
	*s = before;
	return bits_parse(digits, 32, &t->bits4);
}

static bool ip_parse(slice s, int family, void *ip)
{
	char z[64];

	if (s.size == 0 || s.size >= sizeof z || memchr(s.at, '\0', s.size))
		return false;
	memcpy(z, s.at, s.size);
	z[s.size] = '\0';
	return inet_pton(family, z, ip) == 1;
}

/* What stands behind the name: ":spec", "/bits" or nothing. */
static bool mechanism_rest(slice rest, spf_term *t)
{
	bool colon = rest.size > 0 && rest.at[0] == ':';

	switch (t->kind) {
	case SPF_ALL:
		return rest.size == 0;
	case SPF_INCLUDE:
	case SPF_EXISTS:
		t->spec = slice_from(rest, 1);
		return colon && is_domain_spec(t->spec);
	case SPF_PTR:
		t->spec = slice_from(rest, 1);
		return rest.size == 0 || (colon && is_domain_spec(t->spec));
	case SPF_A:
	case SPF_MX:
		if (!dual_cidr_take(&rest, t))
			return false;
		t->spec = slice_from(rest, 1);
		return rest.size == 0 || (colon && is_domain_spec(t->spec));
	default: {
		bool four = t->kind == SPF_IP4;
		slice ip = slice_from(rest, 1);
		size_t slash = slice_find(ip, '/');
		if (slash < ip.size && !bits_parse(slice_from(ip, slash + 1), four ? 32 : 128,
					       four ? &t->bits4 : &t->bits6))
			return false;
		return colon && ip_parse(slice_until(ip, slash), four ? AF_INET : AF_INET6, t->ip);
	}
	}
}

static bool mechanism_parse(slice s, size_t name_size, spf_term *t)
{
	static const char names[][8] = {[SPF_ALL] = "all",
		[SPF_INCLUDE] = "include",
		[SPF_A] = "a",
		[SPF_MX] = "mx",
		[SPF_PTR] = "ptr",
		[SPF_IP4] = "ip4",
		[SPF_IP6] = "ip6",
		[SPF_EXISTS] = "exists"};

	for (size_t i = 0; i < SPF_MECHANISMS; i++)
		if (slice_same_nocase(
			    slice_until(s, name_size), slice_of(names[i], strnlen(names[i], 8)))) {
			t->kind = (enum spf_kind)i;
			return mechanism_rest(slice_from(s, name_size), t);
		}
	return false;
}

/* ---- terms */

static bool modifier_parse(slice name, slice value, spf_record *r)
{
	slice *known = slice_same_nocase(name, S("redirect")) ? &r->redirect
		       : slice_same_nocase(name, S("exp"))    ? &r->explanation
							      : NULL;

	if (known == NULL)
		return spf_macro_valid(value, false);
	if (known->size > 0 || !is_domain_spec(value))
		return false;
	*known = value;
	return true;
}

static bool term_parse(slice s, spf_record *r)
{
	spf_term t = {.text = s, .result = SPF_PASS, .bits4 = 32, .bits6 = 128};
	size_t size = 0;
	bool qualified = true;

	switch (s.at[0]) {
	case '+':
		break;
	case '-':
		t.result = SPF_FAIL;
		break;
	case '~':
		t.result = SPF_SOFTFAIL;
		break;
	case '?':
		t.result = SPF_NEUTRAL;
		break;
	default:
		qualified = false;
	}
	if (qualified)
		s = slice_from(s, 1);
	while (size < s.size &&
		(is_alpha(s.at[size]) ||
			(size > 0 && (is_digit(s.at[size]) || s.at[size] == '-' ||
					     s.at[size] == '_' || s.at[size] == '.'))))
		size++;
	if (size == 0)
		return false;
	if (!qualified && size < s.size && s.at[size] == '=')
		return modifier_parse(slice_until(s, size), slice_from(s, size + 1), r);
	if (!mechanism_parse(s, size, &t))
		return false;
	r->term[r->count++] = t;
	return true;
}

#define VERSION_SIZE 6

bool spf_record_is(slice txt)
{
	return slice_starts_nocase(txt, S("v=spf1")) &&
	       (txt.size == VERSION_SIZE || txt.at[VERSION_SIZE] == ' ');
}

status spf_record_parse(slice txt, arena *a, spf_record *out)
{
	slice rest = slice_from(txt, VERSION_SIZE), term;
	size_t most = 1;

	for (size_t i = 0; i < txt.size; i++)
		most += txt.at[i] == ' ';
	*out = (spf_record){.term = arena_new_array(a, most, sizeof *out->term)};
	while (slice_take(&rest, ' ', &term))
		if (term.size > 0 && !term_parse(term, out))
			return ST_INVALID;
	return ST_OK;
}
