/* settings.def as a table, and what stands in its columns. A value has one normal form ("4 KB", "5
   min", "on"), which is what is stored and shown; numbers are made of it on loading. */
#include "provider/setting_parse.h"

#include "base/text.h"
#include "base/utf8.h"
#include "provider/dnsbl_service.h"
#include "provider/milter_service.h"

#include <ctype.h>
#include <arpa/inet.h>
#include <inttypes.h>

#define SERVER SCOPE_SERVER
#define POSTOFFICE SCOPE_POSTOFFICE
#define DOMAIN SCOPE_DOMAIN
#define MAILBOX SCOPE_MAILBOX

const struct setting_row setting_rows[S_COUNT] = {
#define SETTING(name, kind, default_, least, most, scopes, effect, sentence)                       \
	[S_##name] = {#name, SK_##kind, default_, least, most, scopes, EFFECT_##effect, sentence},
#include "provider/settings.def"
#undef SETTING
};

struct unit {
	const char *name;
	int64_t size;
};
static const struct unit size_units[] = {{"PB", INT64_C(1) << 50}, {"TB", INT64_C(1) << 40},
	{"GB", 1 << 30}, {"MB", 1 << 20}, {"KB", 1 << 10}, {"B", 1}, {"", 1}, {NULL, 0}};
static const struct unit span_units[] = {{"d", 86400 * USEC_S}, {"h", 3600 * USEC_S},
	{"min", 60 * USEC_S}, {"s", USEC_S}, {"ms", USEC_MS}, {"us", 1}, {NULL, 0}};

status setting_find(slice name, enum setting_id *id)
{
	for (int i = 0; i < S_COUNT; i++) {
		if (slice_same(name, slice_z(setting_rows[i].name))) {
			*id = (enum setting_id)i;
			return ST_OK;
		}
	}
	return ST_ABSENT;
}

bool setting_is_number(enum setting_kind kind)
{
	return kind == SK_BOOL || kind == SK_COUNT || kind == SK_SIZE || kind == SK_SPAN;
}

/* "4 KB", "4kb", and "0" of any unit. */
static status parse_units(slice s, const struct unit *units, int64_t *number)
{
	size_t digits = 0;
	uint64_t n;

	while (digits < s.size && s.at[digits] >= '0' && s.at[digits] <= '9')
		digits++;
	if (!slice_number(slice_until(s, digits), &n))
		return ST_INVALID;
	slice unit = slice_trim(slice_from(s, digits));
	if (n == 0 && unit.size == 0) {
		*number = 0;
		return ST_OK;
	}
	for (; units->name; units++) {
		if (!slice_same_nocase(unit, slice_z(units->name)))
			continue;
		if (n > (uint64_t)(INT64_MAX / units->size))
			return ST_INVALID;
		*number = (int64_t)n * units->size;
		return ST_OK;
	}
	return ST_INVALID;
}

static status parse_bool(slice s, int64_t *number)
{
	static const char *const words[] = {"off", "on", "no", "yes", "false", "true", "0", "1"};

	for (int i = 0; i < 8; i++) {
		if (slice_same_nocase(s, slice_z(words[i]))) {
			*number = i % 2;
			return ST_OK;
		}
	}
	return ST_INVALID;
}

status setting_parse(enum setting_kind kind, slice written, int64_t *number)
{
	slice s = slice_trim(written);
	uint64_t n;

	switch (kind) {
	case SK_BOOL:
		return parse_bool(s, number);
	case SK_SIZE:
		return parse_units(s, size_units, number);
	case SK_SPAN:
		return parse_units(s, span_units, number);
	default:
		if (!slice_number(s, &n))
			return ST_INVALID;
		*number = (int64_t)n;
		return ST_OK;
	}
}

slice setting_written(enum setting_kind kind, int64_t number, arena *a)
{
	if (kind == SK_BOOL)
		return number ? S("on") : S("off");
	if (kind != SK_SIZE && kind != SK_SPAN)
		return arena_format(a, "%" PRId64, number);
	if (number == 0)
		return kind == SK_SPAN ? S("0 s") : S("0");
	const struct unit *u = kind == SK_SIZE ? size_units : span_units;
	while (number % u->size != 0)
		u++;
	if (u->size == 1 && kind == SK_SIZE)
		return arena_format(a, "%" PRId64, number);
	return arena_format(a, "%" PRId64 " %s", number / u->size, u->name);
}

bool setting_list_has(slice list, slice word)
{
	slice part;

	while (slice_take(&list, ' ', &part))
		if (part.size > 0 && slice_same_nocase(part, word))
			return true;
	return false;
}

/* ---- checking what somebody wrote */

static status check_number(
	const struct setting_row *r, slice written, arena *a, slice *normal, slice *why)
{
	int64_t number, least = 0, most = 1;

	if (r->kind != SK_BOOL) {
		setting_parse(r->kind, slice_z(r->least), &least);
		setting_parse(r->kind, slice_z(r->most), &most);
	}
	if (setting_parse(r->kind, written, &number) != ST_OK || number < least || number > most) {
		*why = r->kind == SK_BOOL ? arena_format(a, "%s is on or off", r->name)
					  : arena_format(a, "%s is %s between %s and %s", r->name,
						    r->kind == SK_SIZE	 ? "a size"
						    : r->kind == SK_SPAN ? "a time"
									 : "a number",
						    r->least, r->most);
		return ST_INVALID;
	}
	*normal = setting_written(r->kind, number, a);
	return ST_OK;
}

static status check_word(
	const struct setting_row *r, slice written, arena *a, slice *normal, slice *why)
{
	slice rest = slice_z(r->least), word, s = slice_trim(written);

	while (slice_take(&rest, '|', &word)) {
		if (slice_same_nocase(word, s)) {
			*normal = word;
			return ST_OK;
		}
	}
	text all = TEXT_INIT;
	for (rest = slice_z(r->least); slice_take(&rest, '|', &word);) {
		if (all.size)
			text_add_z(&all, rest.at ? ", " : " or ");
		text_add(&all, word);
	}
	*why = arena_format(a, "%s is %s", r->name, all.at);
	text_free(&all);
	return ST_INVALID;
}

static status check_length(const struct setting_row *r, slice s, arena *a, slice *why)
{
	int64_t least = 0, most = 0;

	setting_parse(SK_COUNT, slice_z(r->least), &least);
	setting_parse(SK_COUNT, slice_z(r->most), &most);
	for (size_t i = 0; i < s.size; i++) {
		if ((unsigned char)s.at[i] < 0x20 || s.at[i] == 0x7f) {
			*why = arena_format(a, "%s has no control characters", r->name);
			return ST_INVALID;
		}
	}
	if (!utf8_valid(s)) {
		*why = arena_format(a, "%s is UTF-8 text", r->name);
		return ST_INVALID;
	}
	if ((int64_t)s.size < least || (int64_t)s.size > most) {
		*why = arena_format(a, "%s has %s to %s characters", r->name, r->least, r->most);
		return ST_INVALID;
	}
	return ST_OK;
}

/* "*", "192.0.2.1", "192.0.2.0/24", "192.0.2.*", "2001:db8::/32" */
static bool is_network(slice s)
{
	char z[64];
	uint8_t raw[16];
	size_t slash = slice_find(s, '/');
	uint64_t bits;

	if (slice_same(s, S("*")))
		return true;
	if (s.size >= sizeof z)
		return false;
	memcpy(z, s.at, s.size);
	z[s.size] = '\0';
	if (slash < s.size) {
		z[slash] = '\0';
		if (!slice_number(slice_from(s, slash + 1), &bits))
			return false;
		return inet_pton(AF_INET, z, raw) == 1    ? bits <= 32
		       : inet_pton(AF_INET6, z, raw) == 1 ? bits <= 128
							  : false;
	}
	/* Stars may stand for the last octets only. */
	for (char *star = z + s.size; star > z + 1 && star[-1] == '*' && star[-2] == '.'; star -= 2)
		star[-1] = '0';
	return inet_pton(AF_INET, z, raw) == 1 || inet_pton(AF_INET6, z, raw) == 1;
}

static bool is_address(int family, slice s)
{
	char z[64];
	uint8_t raw[16];

	if (s.size >= sizeof z)
		return false;
	memcpy(z, s.at, s.size);
	z[s.size] = '\0';
	return inet_pton(family, z, raw) == 1;
}

/* "192.0.2.1", "192.0.2.1:53", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:53" */
static bool is_server(slice s)
{
	size_t colon = slice_find_last(s, ':');
	uint64_t port = 53;

	if (is_address(AF_INET, s) || is_address(AF_INET6, s))
		return true;
	if (s.size > 0 && s.at[s.size - 1] != ']') {
		if (!slice_number(slice_from(s, colon + 1), &port) || port == 0 || port > UINT16_MAX)
			return false;
		s = slice_until(s, colon);
	}
	if (s.size > 2 && s.at[0] == '[' && s.at[s.size - 1] == ']')
		return is_address(AF_INET6, slice_of(s.at + 1, s.size - 2));
	return colon == s.size && is_address(AF_INET, s);
}

/* At most so many as net/dns.h takes (DNS_SERVERS_MOST). */
static status check_servers(const struct setting_row *r, slice list, arena *a, slice *why)
{
	slice word;
	int count = 0;

	while (slice_take(&list, ' ', &word)) {
		if (word.size == 0 || (is_server(word) && ++count <= 6))
			continue;
		*why = arena_format(a,
			"%s is a list of at most 6 addresses such as 192.0.2.53, 127.0.0.1:5353 or "
			"[2001:db8::1]:53: \"%.*s\" is none of them",
			r->name, SLICE_ARGS(slice_until(word, 60)));
		return ST_INVALID;
	}
	return ST_OK;
}

/* Every value of a service is a network. */
static bool has_values(const struct dnsbl_service *service)
{
	slice values = service->values, value;

	while (slice_take(&values, ',', &value))
		if (!is_network(value))
			return false;
	return true;
}

static status check_services(const struct setting_row *r, slice list, arena *a, slice *why)
{
	struct dnsbl_service service;
	slice word;

	while (slice_take(&list, ' ', &word)) {
		if (word.size == 0 || (dnsbl_service_parse(word, &service) == ST_OK && has_values(&service)))
			continue;
		*why = arena_format(a,
			"%s is a list of services such as bl.example.org, bl.example.org:2, "
			"bl.example.org/TXT or bl.example.org=127.0.0.2,127.0.0.8/29:3: \"%.*s\" is none",
			r->name, SLICE_ARGS(slice_until(word, 60)));
		return ST_INVALID;
	}
	return ST_OK;
}

static status check_milters(const struct setting_row *r, slice list, arena *a, slice *why)
{
	struct milter_service service;
	slice word;

	while (slice_take(&list, ' ', &word)) {
		word = slice_trim(word);
		if (word.size == 0 || milter_service_parse(word, &service) == ST_OK)
			continue;
		*why = arena_format(a,
			"%s is a list of milters such as unix:/run/opendkim/opendkim.sock, "
			"inet:8891@127.0.0.1,name=dkim,default=accept or inet6:11332@::1,connect=5s,"
			"command=30s,end=5min,version=6: \"%.*s\" is none",
			r->name, SLICE_ARGS(slice_until(word, 160)));
		return ST_INVALID;
	}
	return ST_OK;
}

/* Words with one blank between them. */
static status check_list(
	const struct setting_row *r, slice written, arena *a, slice *normal, slice *why)
{
	text all = TEXT_INIT;
	slice rest = written, word;

	while (slice_take(&rest, ' ', &word)) {
		word = slice_trim(word);
		if (word.size == 0)
			continue;
		if (r->kind == SK_NETWORKS && !is_network(word)) {
			*why = arena_format(a,
				"%s is a list of networks such as 192.0.2.0/24, "
				"2001:db8::/32 or *: \"%.*s\" is none",
				r->name, SLICE_ARGS(slice_until(word, 60)));
			text_free(&all);
			return ST_INVALID;
		}
		if (all.size)
			text_add_char(&all, ' ');
		text_add(&all, word);
	}
	*normal = arena_copy(a, text_slice(&all));
	text_free(&all);
	return check_length(r, *normal, a, why);
}

/* A field of one's own: mail knows the others by what they mean. */
static status check_field_name(const struct setting_row *r, slice s, arena *a, slice *why)
{
	static const char *const taken[] = {"Received", "Return-Path", "From", "Sender", "Reply-To", "To",
		"Cc", "Bcc", "Subject", "Date", "Message-ID", "In-Reply-To", "References",
		"MIME-Version", "DKIM-Signature"};
	bool fine = !slice_starts_nocase(s, S("Content-")) && !slice_starts_nocase(s, S("Resent-")) &&
		    !slice_starts_nocase(s, S("ARC-"));

	for (size_t i = 0; i < s.size; i++)
		fine &= isalnum((unsigned char)s.at[i]) || s.at[i] == '-';
	for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
		fine &= !slice_same_nocase(s, slice_z(taken[i]));
	if (fine)
		return ST_OK;
	*why = arena_format(
		a, "%s is the name of a field of its own, such as X-Original-To", r->name);
	return ST_INVALID;
}

status setting_check(enum setting_id id, slice written, arena *a, slice *normal, slice *why)
{
	const struct setting_row *r = &setting_rows[id];

	switch (r->kind) {
	case SK_WORD:
		return check_word(r, written, a, normal, why);
	case SK_LIST:
	case SK_NETWORKS:
		if (id == S_dns_servers)
			TRY(check_servers(r, written, a, why));
		if (id == S_dnsbl_services || id == S_dnsbl_allow_services)
			TRY(check_services(r, written, a, why));
		if (id == S_smtp_milters || id == S_submission_milters)
			TRY(check_milters(r, written, a, why));
		return check_list(r, written, a, normal, why);
	case SK_TEXT:
	case SK_SECRET:
		TRY(check_length(r, written, a, why));
		if (id == S_smtp_catch_all_header)
			TRY(check_field_name(r, written, a, why));
		*normal = arena_copy(a, written);
		return ST_OK;
	default:
		return check_number(r, written, a, normal, why);
	}
}
